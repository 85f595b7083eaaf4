/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <stdatomic.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/trip.h"

/* How long a blocked call looks again before it sleeps: what an end is told, and what it learns. */

#define ROUNDS_TO_LEARN 64 /* more than an end needs to forget its longest window */

static struct realm realm;
static struct tsr_channel *there, *back;
static struct tsr_client me, other;

static void
wait_setup(void)
{
	realm_make(&realm, NULL);
	there = realm_channel(&realm, 4, 0);
	back = realm_channel(&realm, 4, 0);
	for (uint32_t i = 0; i < 2; i++) {
		atomic_store(&(i == 0 ? there : back)->entry->senders, tsr_ends_make(1, false, 1));
		atomic_store(&(i == 0 ? there : back)->entry->receivers,
		             tsr_ends_make(1, false, 1));
	}
	me = trip_join(&realm, 1, false);
	other = trip_join(&realm, 2, false);
}

static void
wait_teardown(void)
{
	trip_leave(&realm, 1, me);
	trip_leave(&realm, 2, other);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

TestSuite(wait, .timeout = 60);

static struct tsr_receiver
open_receiver(struct tsr_channel *channel, uint32_t flags, uint64_t spin_ns)
{
	struct tsr_end_options const options = {
		.size = sizeof(options), .flags = flags, .spin_ns = spin_ns};
	struct tsr_receiver receiver;

	test_ok(local_receiver(me, channel, &options, &receiver));
	return receiver;
}

static struct tsr_end const *
end_of(struct tsr_receiver receiver)
{
	struct tsr_end const *const end = tsr_end_get(receiver.handle);

	if (end == NULL)
		cr_assert_fail("it is not open");
	return end;
}

static uint64_t
sleeps(void)
{
	return atomic_load(&realm.map.states[0].sleeps);
}

/* Wait in vain for a millisecond. */
static void
wait_in_vain(struct tsr_receiver receiver)
{
	struct tsr_msg msg;

	test_is(tsr_recv(receiver, &msg, test_deadline(1)), -ETIMEDOUT);
}

test_case(wait, end_that_is_told_to_sleeps_at_once)
{
	struct tsr_receiver const receiver = open_receiver(there, TSR_END_NO_SPIN, 5000000);

	test_same(end_of(receiver)->window_ns, 0);
	wait_in_vain(receiver);
	test_same(sleeps(), 1);
	test_ok(local_receiver_close(me, receiver));
}

test_case(wait, end_that_is_told_so_never_sleeps)
{
	struct tsr_receiver const receiver = open_receiver(there, TSR_END_SPIN, 0);

	for (int i = 0; i < 20; i++)
		wait_in_vain(receiver);
	test_same(sleeps(), 0);
	test_same(end_of(receiver)->window_ns, UINT64_MAX);
	test_ok(local_receiver_close(me, receiver));
}

test_case(wait, end_that_is_told_both_is_not_opened)
{
	struct tsr_end_options const options = {.size = sizeof(options),
	                                        .flags = TSR_END_SPIN | TSR_END_NO_SPIN};
	struct tsr_receiver receiver;

	test_is(tsr_receiver_open(me, "x", &options, &receiver), -EINVAL);
}

test_case(wait, end_that_always_waits_long_learns_to_sleep_at_once)
{
	struct tsr_receiver const receiver = open_receiver(there, 0, 20000);
	struct tsr_end const *const end = end_of(receiver);
	uint64_t window_ns = end->window_ns;

	if (end->spin_ns == 0)
		test_case_skip(wait, "one processor only: nobody looks again");
	test_same(window_ns, 20000);
	for (int i = 0; i < ROUNDS_TO_LEARN; i++) {
		wait_in_vain(receiver);
		cr_assert_leq(end->window_ns, window_ns);
		window_ns = end->window_ns;
	}
	test_same(window_ns, 0);
	test_same(atomic_load(&end->metrics->spin_ns), 0);
	test_ok(local_receiver_close(me, receiver));
}

/* Or it would not notice that messages come sooner by now, but later than it falls asleep. */
test_case(wait, one_wait_in_sixteen_looks_for_as_long_as_it_may)
{
	struct tsr_receiver const receiver = open_receiver(there, 0, 500000000);
	struct tsr_end *const end = tsr_end_get(receiver.handle);
	unsigned asleep = 0;

	if (end == NULL)
		cr_assert_fail("it is not open");
	if (end->spin_ns == 0)
		test_case_skip(wait, "one processor only: nobody looks again");
	for (int i = 0; i < 32; i++) {
		uint64_t const before = sleeps();

		end->window_ns = 0;
		wait_in_vain(receiver);
		asleep += sleeps() != before;
	}
	/* Who is kept from running until the deadline does not come to sleep, either. */
	cr_assert(asleep > 0 && asleep <= 30, "%u of 32 slept", asleep);
	test_ok(local_receiver_close(me, receiver));
}

/* Answer whatever comes, at once, until the channel ends. */
static void *
answering(void *argument)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_SPIN};
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	(void)argument;
	if (local_receiver(other, there, &options, &receiver) != 0 ||
	    local_sender(other, back, &options, &sender) != 0)
		return NULL;
	while (tsr_recv(receiver, &msg, TSR_FOREVER) == 0)
		if (tsr_send(sender, &msg, TSR_FOREVER) != 0)
			break;
	(void)local_receiver_close(other, receiver);
	(void)local_sender_close(other, sender);
	return NULL;
}

test_case(wait, end_that_slept_learns_again_that_messages_come_soon)
{
	struct tsr_receiver const receiver = open_receiver(back, 0, 5000);
	struct tsr_end const *const end = end_of(receiver);
	uint64_t const deadline = test_deadline(20000);
	struct tsr_sender sender;
	pthread_t thread;
	struct tsr_msg msg;

	if (end->spin_ns == 0)
		test_case_skip(wait, "one processor only: nobody looks again");
	for (int i = 0; i < ROUNDS_TO_LEARN; i++)
		wait_in_vain(receiver);
	test_same(end->window_ns, 0);
	test_ok(local_sender(me, there, NULL, &sender));
	cr_assert_eq(pthread_create(&thread, NULL, answering, NULL), 0);
	while (end->window_ns == 0) {
		cr_assert(!test_passed(deadline), "it goes on sleeping at once");
		test_ok(tsr_alloc(me, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_FOREVER));
		test_ok(tsr_recv(receiver, &msg, TSR_FOREVER));
		test_ok(tsr_release(me, &msg));
	}
	cr_assert_leq(end->window_ns, end->spin_ns);
	test_same(atomic_load(&end->metrics->spin_ns), end->window_ns);
	atomic_store(&there->entry->senders, tsr_ends_make(0, false, 1));
	cr_assert_eq(pthread_join(thread, NULL), 0);
	test_ok(local_sender_close(me, sender));
	test_ok(local_receiver_close(me, receiver));
}
