/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/reaper_drain.h"
#include "shm/client.h"
#include "shm/requeue.h"
#include "shm/ticket.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/local.h"
#include "tests/support/pair.h"
#include "tests/support/trip.h"

/*
 * What a dead receiver held comes again. Clients of one process; one of them stops, and is reaped
 * as the daemon does it.
 */

#define CAPACITY 8
#define DEAD     3

static struct tsr_client dead;
static struct tsr_receiver dying;

static void
make(uint32_t flags)
{
	pair_make(shape_buffered(CAPACITY, flags), 0, 1);
	atomic_store(&channel->entry->receivers, tsr_ends_make(2, false, 1));
	pair_join();
	dead = trip_join(&realm, DEAD, false);
	test_ok(local_receiver(dead, channel, NULL, &dying));
}

static void
put(uint64_t number, uint32_t bytes)
{
	struct tsr_msg msg;

	test_ok(tsr_alloc(from, bytes, &msg));
	*(uint64_t *)msg.data = number;
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
}

static void
gets(uint64_t number, uint32_t bytes, uint32_t flags)
{
	struct tsr_msg msg;

	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, number);
	test_same(msg.length, bytes);
	test_same(msg.flags, flags);
	test_ok(tsr_release(to, &msg));
}

/* Two messages, 0 of 100 bytes and 1 of 200, come again in any order. */
static void
both_come_again(void)
{
	uint64_t seen = 0;
	struct tsr_msg msg;

	for (int i = 0; i < 2; i++) {
		uint64_t number;

		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		number = *(uint64_t *)msg.data;
		test_same(msg.flags, TSR_MSG_REDELIVERED);
		test_same(msg.length, number == 0 ? 100 : 200);
		seen |= UINT64_C(1) << number;
		test_ok(tsr_release(to, &msg));
	}
	test_same(seen, 3);
}

static void
nothing(void)
{
	struct tsr_msg msg;

	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
}

static struct tsr_msg
held(void)
{
	struct tsr_msg msg = {0};

	test_ok(tsr_recv(dying, &msg, TSR_NOWAIT));
	return msg;
}

static struct tsr_reap_result
die(void)
{
	struct tsr_reap_end const end = {.channel = *channel, .side = TSR_SIDE_RECEIVER};
	struct tsr_reap_result result = {0};

	tsr_reaper_slots(&end, DEAD, &result);
	tsr_reaper_wake(&end, DEAD, &result);
	test_ok(realm_sweep(&realm, DEAD, true, &result));
	realm.living[DEAD] = false;
	return result;
}

TestSuite(requeue, .timeout = 30);

Test(requeue, what_a_dead_receiver_held_comes_again_before_the_ring_whole_and_flagged)
{
	make(TSR_CHANNEL_REQUEUE);
	put(0, 100);
	put(1, 200);
	put(2, 8);
	put(3, 16);
	(void)held();
	(void)held();
	test_same(die().requeued, 2);
	test_same(realm_balanced(&realm).in_channels, 4);
	both_come_again();
	gets(2, 8, 0);
	gets(3, 16, 0);
	nothing();
	test_same(tsr_requeue_first(atomic_load(&channel->shm->requeue_first)), 0);
	pair_leave();
}

Test(requeue, what_it_had_released_or_never_received_does_not)
{
	struct tsr_msg msg;

	make(TSR_CHANNEL_REQUEUE);
	put(0, 8);
	put(1, 8);
	msg = held();
	test_ok(tsr_release(dead, &msg));
	test_ok(tsr_alloc(dead, 8, &msg));
	test_same(die().requeued, 0);
	gets(1, 8, 0);
	nothing();
	pair_leave();
}

Test(requeue, channel_that_is_not_made_so_frees_it)
{
	make(0);
	put(0, 8);
	(void)held();
	test_same(die().requeued, 0);
	nothing();
	test_same(realm_balanced(&realm).in_channels, 0);
	pair_leave();
}

Test(requeue, message_that_was_sent_on_is_the_other_channels_and_one_that_was_not_comes_again)
{
	struct tsr_channel *other;
	struct tsr_receiver last;
	struct tsr_sender on;
	struct tsr_msg msg;

	make(TSR_CHANNEL_REQUEUE);
	other = realm_channel(&realm, CAPACITY, TSR_CHANNEL_REQUEUE);
	atomic_store(&other->entry->senders, tsr_ends_make(1, false, 1));
	atomic_store(&other->entry->receivers, tsr_ends_make(1, false, 1));
	test_ok(local_sender(dead, other, NULL, &on));
	test_ok(local_receiver(to, other, NULL, &last));
	put(0, 8);
	put(1, 8);
	msg = held();
	test_ok(tsr_send(on, &msg, TSR_NOWAIT));
	/* The second one it had about to send: claimed, and not given away. */
	msg = held();
	realm_slot(other, tsr_channel_find(other), DEAD, TSR_CLAIMED, msg.zdesc.name, 8);
	{
		struct tsr_reap_end const end = {.channel = *other, .side = TSR_SIDE_SENDER};
		struct tsr_reap_result result = {0};

		tsr_reaper_slots(&end, DEAD, &result);
		test_same(result.slots_voided, 1);
	}
	test_same(die().requeued, 1);
	gets(1, 8, TSR_MSG_REDELIVERED);
	nothing();
	test_ok(tsr_recv(last, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, 0);
	test_same(msg.flags, 0);
	test_ok(tsr_release(to, &msg));
	test_ok(local_receiver_close(to, last));
	pair_leave();
}

Test(requeue, message_that_comes_again_is_received_by_one_and_from_its_own_channel)
{
	struct tsr_channel *other;
	struct tsr_receiver last, its;
	struct tsr_sender on;
	struct tsr_msg msg;
	uint64_t name, own;

	make(TSR_CHANNEL_REQUEUE);
	other = realm_channel(&realm, CAPACITY, TSR_CHANNEL_REQUEUE);
	atomic_store(&other->entry->senders, tsr_ends_make(1, false, 1));
	atomic_store(&other->entry->receivers, tsr_ends_make(1, false, 1));
	test_ok(local_sender(from, other, NULL, &on));
	test_ok(local_receiver(dead, other, NULL, &its));
	test_ok(local_receiver(to, other, NULL, &last));
	put(0, 8);
	(void)held();
	test_ok(tsr_alloc(from, 8, &msg));
	*(uint64_t *)msg.data = 1;
	test_ok(tsr_send(on, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(its, &msg, TSR_NOWAIT));
	test_same(die().requeued, 2);
	/* Both lie between first and last of either channel. */
	atomic_store(&channel->shm->requeue_first, tsr_requeue_word(9, 1));
	atomic_store(&channel->shm->requeue_last, realm.map.tickets_all);
	gets(0, 8, TSR_MSG_REDELIVERED);
	nothing();
	name = tsr_name_make(tsr_name_index(msg.zdesc.name),
	                     tsr_word_generation(atomic_load(realm_word(&realm, msg.zdesc.name))));
	test_ok(tsr_ticket_receive_again(&realm.map, name, 2, &own));
	test_is(tsr_ticket_receive_again(&realm.map, name, 1, &own), -EAGAIN);
	msg.zdesc.name = own;
	test_ok(tsr_release(to, &msg));
	test_is(tsr_recv(last, &msg, TSR_NOWAIT), -EAGAIN);
	test_ok(local_receiver_close(to, last));
	test_ok(local_sender_close(from, on));
	pair_leave();
}

Test(requeue, message_of_which_nobody_is_told_again_until_it_is_released_comes_twice)
{
	struct tsr_msg msg;

	make(TSR_CHANNEL_REQUEUE);
	put(7, 64);
	(void)held();
	test_same(die().requeued, 1);
	/* Another one takes it, and dies as well. */
	realm.living[DEAD] = true;
	test_ok(tsr_recv(dying, &msg, TSR_NOWAIT));
	test_same(msg.flags, TSR_MSG_REDELIVERED);
	test_same(die().requeued, 1);
	gets(7, 64, TSR_MSG_REDELIVERED);
	nothing();
	pair_leave();
}

Test(requeue, reaper_that_was_cut_short_lists_what_it_had_given_back_before)
{
	make(TSR_CHANNEL_REQUEUE);
	put(0, 100);
	put(1, 200);
	(void)held();
	(void)held();
	(void)die();
	/* As if it had died before it said so. */
	atomic_store(&channel->shm->requeue_first, 0);
	atomic_store(&channel->shm->requeue_last, 0);
	nothing();
	test_same(die().requeued, 0);
	cr_assert_neq(tsr_requeue_first(atomic_load(&channel->shm->requeue_first)), 0);
	both_come_again();
	nothing();
	pair_leave();
}

Test(requeue, what_is_requeued_while_a_receiver_finds_nothing_is_not_forgotten)
{
	uint64_t seen;

	make(TSR_CHANNEL_REQUEUE);
	put(0, 8);
	(void)held();
	(void)die();
	gets(0, 8, TSR_MSG_REDELIVERED);
	put(1, 8);
	realm.living[DEAD] = true;
	(void)held();
	/* What a receiver saw before this death says nothing about what comes with it. */
	seen = atomic_load(&channel->shm->requeue_first);
	test_same(tsr_requeue_first(seen), 0);
	(void)die();
	cr_assert_neq(tsr_requeue_version(atomic_load(&channel->shm->requeue_first)),
	              tsr_requeue_version(seen));
	gets(1, 8, TSR_MSG_REDELIVERED);
	pair_leave();
}

Test(requeue, stream_has_not_ended_while_something_comes_again)
{
	struct tsr_msg msg;

	make(TSR_CHANNEL_REQUEUE);
	put(0, 8);
	(void)held();
	atomic_store(&channel->entry->senders, tsr_ends_make(0, false, 1));
	(void)die();
	gets(0, 8, TSR_MSG_REDELIVERED);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPIPE);
	pair_leave();
}

Test(requeue, channel_that_is_removed_frees_what_would_have_come_again)
{
	make(TSR_CHANNEL_REQUEUE);
	put(0, 8);
	put(1, 8);
	(void)held();
	(void)die();
	test_same(tsr_reaper_drain(&realm.map, channel), 2);
	test_same(realm_balanced(&realm).in_channels, 0);
	pair_leave();
}

Test(requeue, range_that_cannot_be_is_refused_and_the_ticket_free)
{
	struct tsr_msg msg;

	make(TSR_CHANNEL_REQUEUE);
	put(0, 8);
	msg = held();
	(void)die();
	atomic_store(&realm.map.ranges[tsr_name_index(msg.zdesc.name)], tsr_range_make(200, 4000));
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPROTO);
	nothing();
	test_same(realm_balanced(&realm).in_channels, 0);
	test_same(atomic_load(&realm.map.states[1].refused), 1);
	pair_leave();
}

Test(requeue, words_that_cannot_be_neither_stop_nor_crash_a_receiver)
{
	uint64_t seed = test_seed();

	make(TSR_CHANNEL_REQUEUE);
	for (int i = 0; i < 2000; i++) {
		struct tsr_msg msg;
		int error;

		atomic_store(&channel->shm->requeue_first, test_random(&seed));
		atomic_store(&channel->shm->requeue_last, test_random(&seed));
		error = tsr_recv(receiver, &msg, TSR_NOWAIT);
		cr_assert_eq(error, -EAGAIN, "%d", error);
	}
	atomic_store(&channel->shm->requeue_first, 0);
	local_receiver_close(dead, dying);
	pair_leave();
}

/* A process that sleeps until something comes again. */
static int
wait_for_more(struct child_report *report, void *arg)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	struct tsr_map const *map = arg;
	struct tsr_client client;
	struct tsr_receiver end;
	struct tsr_msg msg;

	tsr_wait_look_ns = UINT64_MAX;
	child_ok(report, local_attach(map, 4, false, &client));
	child_ok(report, local_receiver(client, channel, &options, &end));
	child_ok(report, tsr_recv(end, &msg, tsr_deadline_in_ms(15000)));
	child_is(report, (int)msg.flags, TSR_MSG_REDELIVERED);
	child_ok(report, tsr_release(client, &msg));
	return 0;
}

Test(requeue, receiver_that_sleeps_is_woken_for_what_comes_again)
{
	uint32_t const side = TSR_SIDE_RECEIVER;
	struct tsr_reap_result result = {0};
	struct child child;
	uint64_t in_time;

	make(TSR_CHANNEL_REQUEUE);
	put(0, 8);
	(void)held();
	realm.living[4] = true;
	child_start(&child, wait_for_more, &realm.map);
	while (atomic_load(&channel->shm->receivers_waiting) == 0)
		tsr_cpu_relax();
	/* Not by the wake-up that comes with every death. */
	test_ok(realm_sweep(&realm, DEAD, true, &result));
	in_time = test_deadline(5000);
	child_join(&child);
	cr_assert_not(test_passed(in_time), "it was not woken");
	realm_reap(&realm, 4, &channel, &side, 1, &result);
	realm_reap(&realm, DEAD, &channel, &side, 1, &result);
	pair_leave();
}
