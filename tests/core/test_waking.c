/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <sched.h>

#include "core/reaper.h"
#include "shm/client.h"
#include "shm/waiter.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/trip.h"

/*
 * Wake-ups between processes that no membarrier serves, and those that are handed on. The first two
 * are the store-buffering race of waiter.h: the waker publishes and looks for sleepers, the sleeper
 * enqueues and looks at what was published, within a few hundred nanoseconds of each other. Without
 * the waker's fence one is missed within some thousand rounds. Safety looks are off.
 */
#define ROUNDS  150000
#define SLEEPER 1

static struct realm realm;
static struct tsr_channel *channel;

static void
make(void)
{
	realm_make(&realm, NULL);
	channel = realm_channel(&realm, 4, 0);
	atomic_store(&channel->entry->senders, tsr_ends_make(1, false, 1));
	atomic_store(&channel->entry->receivers, tsr_ends_make(1, false, 1));
	tsr_wait_look_ns = UINT64_MAX;
}

/* Look at the mask, so that it is in our cache, until the child is ready for @round; dawdle. */
static void
meet(struct child const *child, uint64_t round, uint64_t spins)
{
	while (tsr_ld_rlx(&child->report->word[1]) < round &&
	       atomic_load(&child->report->failed) == 0)
		(void)tsr_ld_rlx(&channel->shm->receivers_waiting);
	for (; spins > 0; spins--)
		tsr_barrier_compiler();
}

static int
sleeper(struct child_report *report, void *arg)
{
	struct tsr_wait_side const side = {&channel->shm->receivers_waiting,
	                                   channel->tokens->receiver, NULL};
	uint64_t seed = 1 + tsr_ld_rlx(&report->word[2]);
	uint32_t number;

	(void)arg;
	child_ok(report, tsr_token_acquire(&side, SLEEPER, &number));
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		tsr_st_rlx(&report->word[1], round); /* ready for it */
		for (uint64_t i = test_random(&seed) % 512; i > 0; i--)
			tsr_barrier_compiler();
		do {
			uint64_t const word = tsr_token_enqueue(&side, number, SLEEPER, true);

			if (tsr_ends_stream(tsr_ld_acq(&channel->entry->senders)) < round)
				child_check(report,
				            tsr_token_sleep(&side, number, word,
				                            tsr_deadline_in_ms(5000)) != -ETIMEDOUT,
				            "round %ju was missed", (uintmax_t)round);
			(void)tsr_token_withdraw(&side, number, SLEEPER);
		} while (tsr_ends_stream(tsr_ld_acq(&channel->entry->senders)) < round);
	}
	tsr_token_release(&side, number, SLEEPER);
	return 0;
}

Test(waking, no_wake_up_is_lost_between_the_daemon_that_counts_an_end_out_and_a_fenced_sleeper,
     .timeout = 60)
{
	uint64_t seed = test_seed();
	struct child child;

	make();
	realm.living[SLEEPER] = true;
	child_start(&child, sleeper, NULL);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		meet(&child, round, test_random(&seed) % 32);
		tsr_ends_publish(channel, TSR_SIDE_SENDER, 0, false, round);
	}
	child_join(&child);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

static struct tsr_end_options const sleepy = {.size = sizeof(sleepy), .flags = TSR_END_NO_SPIN};

/* Receive a message and release it. Who times out looks once more: that is too late, too. */
static void
receive(struct child_report *report, struct tsr_client client, struct tsr_receiver receiver)
{
	uint64_t const deadline_ns = tsr_deadline_in_ms(5000);
	struct tsr_msg msg;

	child_is(report, tsr_recv(receiver, &msg, deadline_ns), 0);
	child_check(report, tsr_now_ns() < deadline_ns, "found by the last look alone");
	child_ok(report, tsr_release(client, &msg));
}

static int
fenced_receiver(struct child_report *report, void *arg)
{
	struct tsr_receiver receiver;
	struct tsr_client client;

	(void)arg;
	child_ok(report, local_attach(&realm.map, SLEEPER, true, &client));
	child_ok(report, local_receiver(client, channel, &sleepy, &receiver));
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		tsr_st_rlx(&report->word[1], round);
		receive(report, client, receiver);
	}
	child_ok(report, local_receiver_close(client, receiver));
	child_ok(report, local_detach(client));
	return 0;
}

Test(waking, no_wake_up_is_lost_between_a_sender_and_a_fenced_receiver, .timeout = 60)
{
	uint64_t seed = test_seed();
	struct tsr_reap_result result;
	struct tsr_client client;
	struct tsr_sender sender;
	struct child child;

	make();
	(void)tsr_or_sc(&channel->shm->receivers_waiting, TSR_WAITING_FENCED);
	(void)tsr_or_sc(&channel->shm->senders_waiting, TSR_WAITING_FENCED);
	realm.living[SLEEPER] = true;
	client = trip_join(&realm, 2, false);
	test_ok(local_sender(client, channel, NULL, &sender));
	child_start(&child, fenced_receiver, NULL);
	for (uint64_t round = 1; round <= ROUNDS && atomic_load(&child.report->failed) == 0;
	     round++) {
		struct tsr_msg msg;

		test_ok(tsr_alloc(client, 8, &msg));
		meet(&child, round, test_random(&seed) % 1024);
		test_ok(tsr_send(sender, &msg, TSR_FOREVER));
	}
	child_join(&child);
	realm_reap(&realm, SLEEPER, NULL, NULL, 0, &result);
	test_ok(local_sender_close(client, sender));
	trip_leave(&realm, 2, client);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

/* Receive one message, and no more. */
static int
receiver_of_one(struct child_report *report, void *arg)
{
	uint16_t const me = (uint16_t)(uintptr_t)arg;
	struct tsr_receiver receiver;
	struct tsr_client client;

	child_ok(report, local_attach(&realm.map, me, false, &client));
	child_ok(report, local_receiver(client, channel, &sleepy, &receiver));
	receive(report, client, receiver);
	/* Who closes wakes others, too: not before both have theirs. */
	report_set(report, 0, 1);
	(void)report_await(report, 9, 1, 20000);
	child_ok(report, local_receiver_close(client, receiver));
	child_ok(report, local_detach(client));
	return 0;
}

static void
await_enqueued(uint32_t want)
{
	uint64_t const deadline = test_deadline(10000);
	uint32_t count;

	do {
		count = 0;
		for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++)
			count += tsr_token_state(atomic_load(&channel->tokens->receiver[i])) ==
			         TSR_TOKEN_ENQUEUED;
		cr_assert(!test_passed(deadline), "%u of %u are enqueued", count, want);
		sched_yield();
	} while (count != want);
}

/* Two receivers sleep. The second message is there first: who is woken for it finds nothing. */
Test(waking, wake_up_for_what_was_published_out_of_order_is_handed_on, .timeout = 60)
{
	uint64_t names[TSR_CELL_ENTRIES];
	struct tsr_reap_result result;
	struct tsr_wait_side side;
	struct child child[2];
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	make();
	side = (struct tsr_wait_side){&channel->shm->receivers_waiting, channel->tokens->receiver,
	                              NULL};
	client = trip_join(&realm, 4, false);
	realm.living[1] = realm.living[2] = realm.living[3] = true;
	test_same(realm_take_cell(&realm, 0, 3, names), TSR_CELL_ENTRIES);
	for (uintptr_t i = 0; i < 2; i++)
		child_start(&child[i], receiver_of_one, (void *)(i + 1));
	await_enqueued(2);
	/* Client 3 has claimed the first slot. */
	realm_slot(channel, 0, 3, TSR_CLAIMED, names[0], 8);
	test_ok(local_sender(client, channel, NULL, &sender));
	test_ok(tsr_alloc(client, 8, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	await_enqueued(2);
	realm_stamp_channel(&realm, names[0], channel);
	realm_slot(channel, 0, 0, TSR_READY, names[0], 8);
	test_same(tsr_waiters_wake_one(&side, 3), 1);
	for (uint16_t i = 0; i < 2; i++)
		cr_assert(report_await(child[i].report, 0, 1, 10000), "%s", child[i].report->text);
	for (uint16_t i = 0; i < 2; i++) {
		report_set(child[i].report, 9, 1);
		child_join(&child[i]);
		realm_reap(&realm, (uint16_t)(i + 1), NULL, NULL, 0, &result);
	}
	realm_reap(&realm, 3, NULL, NULL, 0, &result);
	test_ok(local_sender_close(client, sender));
	trip_leave(&realm, 4, client);
	realm_balanced(&realm);
	realm_wipe(&realm);
}
