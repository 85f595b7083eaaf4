/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/reaper.h"
#include "shm/client.h"
#include "shm/conflated.h"
#include "shm/kind.h"
#include "shm/tap.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/local.h"
#include "tests/support/pair.h"
#include "tests/support/trip.h"

/* Conflated channels, without a daemon: the client library over a realm of the test's own. */

#define CAPACITY 8

static void
make(uint32_t flags, uint64_t first_lap)
{
	pair_make((struct tsr_shape){.kind = TSR_KIND_CONFLATED,
	                             .capacity = CAPACITY,
	                             .flags = flags},
	          first_lap, 1);
	pair_join();
}

static int
put_by(struct tsr_client client, struct tsr_sender end, uint64_t number)
{
	struct tsr_msg msg;
	int error;

	test_ok(tsr_alloc(client, sizeof(number), &msg));
	*(uint64_t *)msg.data = number;
	error = tsr_send(end, &msg, TSR_NOWAIT);
	if (error != 0)
		test_ok(tsr_release(client, &msg));
	else
		test_is(tsr_release(client, &msg), -ESTALE);
	return error;
}

static int
put(uint64_t number)
{
	return put_by(from, sender, number);
}

static void
gets_by(struct tsr_client client, struct tsr_receiver end, uint64_t number, uint32_t flags)
{
	struct tsr_msg msg;

	test_ok(tsr_recv(end, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, number);
	test_same(msg.flags, flags);
	test_ok(tsr_release(client, &msg));
}

static void
gets(uint64_t number, uint32_t flags)
{
	gets_by(to, receiver, number, flags);
}

static void
nothing(void)
{
	struct tsr_msg msg;

	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
}

static uint64_t
newest(void)
{
	return atomic_load(&channel->shm->newest);
}

static struct tsr_slot *
slot_at(uint64_t position)
{
	return tsr_channel_slot(channel, position);
}

static uint64_t
losses(void)
{
	struct tsr_end *const end = tsr_end_get(sender.handle);

	cr_assert_not_null(end);
	assert(end != NULL);
	return atomic_load(&end->metrics->cause[TSR_METRIC_LOST]);
}

/* The slot of @position is in the hands of @owner, in this phase; later let go of. */
static void
hold(uint64_t position, uint16_t owner, enum tsr_phase phase)
{
	atomic_store(&slot_at(position)->word,
	             tsr_slot_word(tsr_channel_lap(channel, position), owner, phase));
}

static void
reap(uint16_t dead, uint32_t side, struct tsr_reap_result *result)
{
	struct tsr_reap_end const end = {.channel = *channel, .side = side};

	*result = (struct tsr_reap_result){0};
	tsr_reaper_slots(&end, dead, result);
	tsr_reaper_wake(&end, dead, result);
}

TestSuite(conflated, .timeout = 30);

Test(conflated, newest_message_is_received_once_and_all_older_ones_are_lost)
{
	uint64_t const laps[] = {0, TSR_LAP_MASK - 1, TSR_LAP_MASK};
	uint32_t const shapes[] = {0, TSR_CHANNEL_ONE_SENDER, TSR_CHANNEL_ONE_RECEIVER,
	                           TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER};

	for (int i = 0; i < 12; i++) {
		uint64_t next = 0, lost;

		make(shapes[i % 4], laps[i / 4]);
		nothing();
		lost = losses();
		for (uint64_t round = 1; round < 40; round++) {
			for (uint64_t k = 0; k < round; k++)
				test_ok(put(next++));
			test_same(realm_balanced(&realm).in_channels, 1);
			gets(next - 1, 0);
			nothing();
		}
		test_same(losses() - lost, next - 39);
		pair_leave();
	}
}

Test(conflated, what_was_sent_before_a_receiver_came_is_there_for_it)
{
	make(0, 0);
	test_ok(local_receiver_close(to, receiver));
	test_ok(put(1));
	test_ok(put(2));
	test_ok(local_receiver(to, channel, NULL, &receiver));
	gets(2, 0);
	nothing();
	pair_leave();
}

Test(conflated, slots_in_others_hands_are_passed_over_and_hold_up_nobody)
{
	make(0, TSR_LAP_MASK);
	/* Three clients are stopped: two that have claimed, one that has taken. */
	hold(newest() + 1, 5, TSR_CLAIMED);
	hold(newest() + 2, 6, TSR_CLAIMED);
	hold(newest() + 4, 7, TSR_TAKEN);
	for (uint64_t i = 0; i <= 100; i++) {
		test_ok(put(i));
		if (i % 3 == 0)
			gets(i, 0);
	}
	gets(100, 0);
	nothing();
	test_same(tsr_slot_owner(atomic_load(&slot_at(0)->word)) +
	                  tsr_slot_owner(atomic_load(&slot_at(1)->word)) +
	                  tsr_slot_owner(atomic_load(&slot_at(3)->word)),
	          5 + 6 + 7);
	for (uint64_t i = 0; i < CAPACITY; i++)
		atomic_store(&slot_at(i)->word, tsr_slot_word(0, 0, TSR_EMPTY));
	pair_leave();
}

Test(conflated, sender_that_is_overtaken_between_claim_and_publish_drops_its_own)
{
	struct tsr_client other;
	struct tsr_sender late;
	struct tsr_end *end;
	struct tsr_msg msg;
	uint64_t mine;

	make(0, 0);
	other = trip_join(&realm, 3, false);
	test_ok(local_sender(other, channel, NULL, &late));
	/* As if it had claimed the next slot, and then been stopped while another sends. */
	mine = newest() + 1;
	hold(mine, 3, TSR_CLAIMED);
	test_ok(put(7));
	cr_assert(tsr_conflated_newer(newest(), mine));
	test_ok(tsr_alloc(other, 8, &msg));
	*(uint64_t *)msg.data = 3;
	realm_stamp_channel(&realm, msg.zdesc.name, channel);
	realm_slot(channel, mine, 0, TSR_READY, msg.zdesc.name, 8);
	/* What it published is older: nobody receives it, and whoever comes by drops it. */
	gets(7, 0);
	nothing();
	end = tsr_end_get(late.handle);
	cr_assert_not_null(end);
	for (uint64_t i = 0; i < CAPACITY; i++)
		test_ok(put(10 + i));
	test_same(realm_balanced(&realm).in_channels, 1);
	gets(10 + CAPACITY - 1, 0);
	test_ok(local_sender_close(other, late));
	trip_leave(&realm, 3, other);
	pair_leave();
}

Test(conflated, receiver_that_died_gives_the_newest_back_flagged_but_not_what_is_superseded)
{
	struct tsr_reap_result result;

	make(0, 0);
	test_ok(put(1));
	hold(newest(), 5, TSR_TAKEN);
	nothing();
	reap(5, TSR_SIDE_RECEIVER, &result);
	test_same(result.slots_restored, 1);
	gets(1, TSR_MSG_REDELIVERED);
	test_ok(put(2));
	hold(newest(), 5, TSR_TAKEN);
	test_ok(put(3));
	reap(5, TSR_SIDE_RECEIVER, &result);
	test_same(result.slots_restored, 1);
	gets(3, 0);
	nothing();
	/* It is in the channel still, until a sender needs its slot. */
	test_same(realm_balanced(&realm).in_channels, 1);
	for (uint64_t i = 0; i < CAPACITY; i++)
		test_ok(put(i));
	test_same(realm_balanced(&realm).in_channels, 1);
	gets(CAPACITY - 1, 0);
	pair_leave();
}

Test(conflated, sender_that_died_after_it_published_has_sent)
{
	struct tsr_reap_result result;
	struct tsr_msg msg;

	make(0, 0);
	test_ok(put(1));
	test_ok(tsr_alloc(from, 8, &msg));
	*(uint64_t *)msg.data = 2;
	realm_stamp_channel(&realm, msg.zdesc.name, channel);
	realm_slot(channel, newest() + 3, 0, TSR_READY, msg.zdesc.name, 8);
	gets(1, 0);
	nothing();
	reap(5, TSR_SIDE_SENDER, &result);
	gets(2, 0);
	nothing();
	pair_leave();
}

Test(conflated, senders_that_die_one_after_the_other_use_up_no_slot)
{
	make(0, TSR_LAP_MASK - 2);
	for (uint64_t i = 0; i < 100; i++) {
		struct tsr_reap_result result;

		/* Claimed; or published, and nothing dropped. */
		if (i % 2 == 0)
			hold(newest() + 1 + i % 3, 5, TSR_CLAIMED);
		else
			hold(newest(), 5, TSR_TAKEN);
		reap(5, TSR_SIDE_SENDER, &result);
		if (i % 10 == 9)
			test_ok(put(i));
		if (i % 20 == 19)
			gets(i, 0);
	}
	nothing();
	pair_leave();
}

Test(conflated, slots_in_which_senders_died_one_by_one_are_used_in_their_next_lap)
{
	struct tsr_reap_result result;

	make(0, TSR_LAP_MASK);
	for (int round = 1; round < 4; round++) {
		for (uint64_t i = 1; i < CAPACITY; i++) {
			struct tsr_slot *const slot = slot_at(newest() + i);
			uint64_t const lap = tsr_slot_lap(atomic_load(&slot->word));

			atomic_store(&slot->word, tsr_slot_word(lap, 5, TSR_CLAIMED));
			reap(5, TSR_SIDE_SENDER, &result);
			test_same(result.slots_voided, 1);
		}
		test_ok(put((uint64_t)round));
		gets((uint64_t)round, 0);
	}
	nothing();
	pair_leave();
}

Test(conflated, sender_is_told_neither_full_nor_that_the_receivers_have_gone_but_that_all_is_over)
{
	make(0, 0);
	atomic_store(&channel->entry->receivers, tsr_ends_make(0, true, 1));
	for (uint64_t i = 0; i < 3 * CAPACITY; i++)
		test_ok(put(i));
	atomic_store(&realm.map.directory->state, TSR_REALM_CONDEMNED);
	test_is(put(0), -ENOTCONN);
	atomic_store(&realm.map.directory->state, TSR_REALM_LIVING);
	pair_leave();
}

Test(conflated, stream_ends_when_the_newest_was_received_and_not_while_somebody_has_it)
{
	struct tsr_msg msg;

	make(0, 0);
	test_ok(put(1));
	test_ok(put(2));
	atomic_store(&channel->entry->senders, tsr_ends_make(0, false, 1));
	hold(newest(), 5, TSR_TAKEN);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	hold(newest(), 0, TSR_READY);
	gets(2, 0);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPIPE);
	pair_leave();
}

Test(conflated, tap_copies_the_newest_and_says_how_many_places_it_missed)
{
	struct tsr_tap_options const next = {.size = sizeof(next), .from = TSR_TAP_NEXT};
	struct tsr_tap_options const old = {.size = sizeof(old), .from = TSR_TAP_OLDEST};
	struct tsr_tap_own tap = {0};
	struct tsr_copy copy;
	uint64_t number = 0;

	make(0, TSR_LAP_MASK);
	tap.attachment = tsr_attachment_get(from);
	tap.channel = *channel;
	test_ok(tsr_tap_seek(&tap, &old));
	test_is(tsr_tap_copy(&tap, &number, 8, &copy), -EAGAIN);
	cr_assert_not(tsr_tap_look(&tap));
	for (uint64_t i = 0; i < 20; i++)
		test_ok(put(i));
	cr_assert(tsr_tap_look(&tap));
	test_ok(tsr_tap_copy(&tap, &number, 8, &copy));
	test_same(number, 19);
	test_same(copy.sequence, 19);
	test_same(copy.missed, 19);
	test_is(tsr_tap_copy(&tap, &number, 8, &copy), -EAGAIN);
	test_ok(tsr_tap_seek(&tap, &next));
	test_is(tsr_tap_copy(&tap, &number, 8, &copy), -EAGAIN);
	test_ok(tsr_tap_seek(&tap, &old));
	test_ok(tsr_tap_copy(&tap, &number, 8, &copy));
	test_same(number, 19);
	/* It took nothing; and what was received is not there to be copied. */
	gets(19, 0);
	test_ok(tsr_tap_seek(&tap, &old));
	test_is(tsr_tap_copy(&tap, &number, 8, &copy), -EAGAIN);
	pair_leave();
}

Test(conflated, messages_that_are_not_the_senders_are_refused)
{
	struct tsr_msg msg, copy;

	make(0, 0);
	test_ok(tsr_alloc(from, 8, &msg));
	copy = msg;
	copy.zdesc.range = tsr_range_make(0, 4097);
	copy.length = 4097;
	test_is(tsr_send(sender, &copy, TSR_NOWAIT), -EINVAL);
	copy = msg;
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_is(tsr_send(sender, &copy, TSR_NOWAIT), -ESTALE);
	gets(0, 0);
	pair_leave();
}

Test(conflated, random_words_neither_stop_nor_crash_an_end, .timeout = 60)
{
	uint64_t seed = test_seed();

	make(0, 0);
	for (int round = 0; round < 20000; round++) {
		struct tsr_msg msg;
		int error;

		for (uint32_t i = 0; i < CAPACITY; i++) {
			struct tsr_slot *const slot = &channel->shm->slot[i];
			uint64_t const r = test_random(&seed);

			if ((r & 3) == 0)
				continue;
			atomic_store(&slot->word,
			             (r & 4) != 0 ? tsr_slot_word(r >> 60, (uint16_t)(r >> 8 & 7),
			                                          (enum tsr_phase)(r >> 4 & 3))
			                          : test_random(&seed));
			atomic_store(&slot->name, (r & 8) != 0 ? r >> 40 : test_random(&seed));
			atomic_store(&slot->range, test_random(&seed));
		}
		if (round % 3 == 0)
			atomic_store(&channel->shm->newest, test_random(&seed));
		error = tsr_recv(receiver, &msg, TSR_NOWAIT);
		cr_assert(error == 0 || error == -EAGAIN || error == -EPROTO, "%d", error);
		error = tsr_alloc(from, 8, &msg);
		if (error == -ENOMEM)
			break; /* what was sent is written over: it does not come back */
		test_ok(error);
		error = tsr_send(sender, &msg, TSR_NOWAIT);
		cr_assert(error == 0 || error == -EAGAIN, "%d", error);
		if (error != 0)
			test_ok(tsr_release(from, &msg));
	}
	realm_wipe(&realm);
}

/* Two senders as fast as they can, each in a process; what comes is of each ever newer. */
#define FLOOD 200000

static int
flood(struct child_report *report, void *arg)
{
	struct tsr_map const *map = arg;
	struct tsr_client client;
	struct tsr_sender end;
	struct tsr_msg msg;

	child_ok(report, local_attach(map, 3, false, &client));
	child_ok(report, local_sender(client, channel, NULL, &end));
	for (uint64_t i = 1; i <= FLOOD; i++) {
		child_ok(report, tsr_alloc(client, 64, &msg));
		((uint64_t *)msg.data)[0] = i;
		((uint64_t *)msg.data)[7] = ~i;
		child_ok(report, tsr_send(end, &msg, tsr_deadline_in_ms(20000)));
	}
	return 0;
}

Test(conflated, receiver_of_a_flood_sees_newer_and_newer_messages_and_the_last_one, .timeout = 60)
{
	uint32_t const side = TSR_SIDE_SENDER;
	struct tsr_reap_result result;
	struct tsr_msg msg;
	struct child child;
	uint64_t last = 0;

	make(0, TSR_LAP_MASK - 3);
	realm.living[3] = true;
	child_start(&child, flood, &realm.map);
	while (last != FLOOD) {
		int const error = tsr_recv(receiver, &msg, test_deadline(20000));
		uint64_t const *words;

		cr_assert_eq(error, 0, "%d after %ju: %s", error, (uintmax_t)last,
		             child.report->text);
		words = msg.data;
		test_same(words[7], ~words[0]);
		cr_assert_gt(words[0], last);
		last = words[0];
		test_ok(tsr_release(to, &msg));
	}
	nothing();
	child_join(&child);
	test_same(atomic_load(&realm.map.states[1].missed_wakes), 0);
	realm_reap(&realm, 3, &channel, &side, 1, &result);
	pair_leave();
}
