/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/reaper_drain.h"
#include "shm/client.h"
#include "shm/kind.h"
#include "shm/tap.h"
#include "shm/unlimited.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/local.h"
#include "tests/support/pair.h"
#include "tests/support/trip.h"

/* Unlimited channels, without a daemon: the client library over a realm of the test's own. */

#define CAPACITY 8
#define PER_LAP  (CAPACITY - 1) /* the link takes one */

/* Blocks that a segment fits in: all of the small class, and all of the large. */
#define BLOCKS (1024 + 64)

static void
make_of(uint32_t capacity, uint32_t flags, uint64_t first_lap)
{
	pair_make((struct tsr_shape){.kind = TSR_KIND_UNLIMITED,
	                             .capacity = capacity,
	                             .flags = flags},
	          first_lap, 1);
	pair_join();
}

static void
make(uint32_t flags, uint64_t first_lap)
{
	make_of(CAPACITY, flags, first_lap);
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

static uint32_t
segments(void)
{
	struct tsr_segments at = tsr_segments_of(channel);
	uint32_t count = 0;

	while (tsr_segments_go(&at))
		count++;
	return count;
}

static void
reap(uint16_t dead, uint32_t side, struct tsr_reap_result *result)
{
	struct tsr_reap_end const end = {.channel = *channel, .side = side};

	*result = (struct tsr_reap_result){0};
	tsr_reaper_slots(&end, dead, result);
	tsr_reaper_wake(&end, dead, result);
}

TestSuite(unlimited, .timeout = 30);

Test(unlimited, messages_come_once_in_order_however_far_behind_the_receiver_is)
{
	uint64_t const laps[] = {0, TSR_LAP_MASK - 1, TSR_LAP_MASK, (UINT64_C(1) << 40) - 2};
	uint32_t const shapes[] = {0, TSR_CHANNEL_ONE_SENDER, TSR_CHANNEL_ONE_RECEIVER,
	                           TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER};

	for (int i = 0; i < 16; i++) {
		uint64_t next = 0, got = 0;

		make(shapes[i % 4], laps[i / 4]);
		nothing();
		for (uint64_t round = 1; round < 30; round++) {
			for (uint64_t k = 0; k < 2 * round; k++)
				test_ok(put(next++));
			for (uint64_t k = 0; k < round; k++)
				gets(got++, 0);
			realm_balanced(&realm);
		}
		while (got < next)
			gets(got++, 0);
		nothing();
		pair_leave();
	}
}

Test(unlimited, ring_goes_round_while_receivers_keep_up_and_grows_no_further_than_they_fall_behind)
{
	uint64_t next = 0, got = 0;

	make(0, 0);
	for (int i = 0; i < 10 * PER_LAP; i++) {
		test_ok(put(next++));
		gets(got++, 0);
	}
	test_same(segments(), 1);
	for (int i = 0; i < 5 * PER_LAP; i++)
		test_ok(put(next++));
	/* What began in the middle of a segment needs another one at its end. */
	test_same(segments(), 5);
	while (got < next)
		gets(got++, 0);
	for (int i = 0; i < 100 * PER_LAP; i++) {
		if (next - got < 4 * PER_LAP)
			test_ok(put(next++));
		else
			gets(got++, 0);
	}
	test_same(segments(), 5);
	test_same(realm_balanced(&realm).in_channels, next - got + 4);
	while (got < next)
		gets(got++, 0);
	pair_leave();
}

Test(unlimited, segments_of_one_message_work_too)
{
	uint64_t next = 0, got = 0;

	make_of(2, 0, TSR_LAP_MASK - 5);
	for (uint64_t round = 1; round < 10; round++) {
		for (uint64_t k = 0; k < round; k++)
			test_ok(put(next++));
		while (got < next)
			gets(got++, 0);
		nothing();
	}
	test_same(segments(), 9);
	pair_leave();
}

Test(unlimited, when_no_block_is_left_the_sender_is_told_and_keeps_its_message)
{
	static struct tsr_msg held[BLOCKS + 1];
	uint32_t count = 0, sent = 0, again;
	int error = 0;

	make(0, 0);
	while (count <= BLOCKS && (error = tsr_alloc(from, 8, &held[count])) == 0) {
		*(uint64_t *)held[count].data = count + 1;
		count++;
	}
	test_is(error, -ENOMEM);
	for (error = 0; error == 0; sent += error == 0)
		error = tsr_send(sender, &held[sent], TSR_NOWAIT);
	test_is(error, -ENOBUFS);
	test_same(sent, PER_LAP);
	test_is(tsr_send(sender, &held[sent], TSR_FOREVER), -ENOBUFS);
	test_same(segments(), 1);
	realm_balanced(&realm);
	/* Two blocks more, of which it takes one. */
	test_ok(tsr_release(from, &held[--count]));
	test_ok(tsr_release(from, &held[--count]));
	for (again = sent; again < sent + PER_LAP; again++)
		test_ok(tsr_send(sender, &held[again], TSR_NOWAIT));
	test_same(segments(), 2);
	for (uint64_t i = 1; i <= again; i++)
		gets(i, 0);
	nothing();
	/* All is read: it goes round and needs none. */
	for (; again < sent + 3 * PER_LAP; again++) {
		test_ok(tsr_send(sender, &held[again], TSR_NOWAIT));
		gets(again + 1, 0);
	}
	test_same(segments(), 2);
	while (again < count)
		test_ok(tsr_release(from, &held[again++]));
	pair_leave();
}

Test(unlimited, what_it_grew_by_is_free_when_nobody_has_it_open_or_it_is_removed)
{
	uint32_t before, grown;

	make(0, TSR_LAP_MASK);
	before = realm_balanced(&realm).with_clients + realm_balanced(&realm).in_depot;
	for (uint64_t i = 0; i < 100; i++)
		test_ok(put(i));
	test_ok(local_sender_close(from, sender));
	/* Not while something is in it. */
	tsr_reaper_trim(&realm.map, channel);
	cr_assert_gt(segments(), 10);
	for (uint64_t i = 0; i < 100; i++)
		gets(i, 0);
	test_ok(local_receiver_close(to, receiver));
	tsr_reaper_trim(&realm.map, channel);
	test_same(segments(), 1);
	test_same(realm_balanced(&realm).in_channels, 0);
	/* Who comes then goes on behind all that was there. */
	test_ok(local_sender(from, channel, NULL, &sender));
	test_ok(local_receiver(to, channel, NULL, &receiver));
	nothing();
	for (uint64_t i = 0; i < 100; i++)
		test_ok(put(i));
	for (uint64_t i = 0; i < 50; i++)
		gets(i, 0);
	grown = segments() - 1;
	test_same(tsr_reaper_drain(&realm.map, channel), 50 + grown);
	test_same(realm_balanced(&realm).in_channels, 0);
	test_same(realm_balanced(&realm).with_clients + realm_balanced(&realm).in_depot +
	                  realm_balanced(&realm).with_daemon,
	          before);
	pair_leave();
}

Test(unlimited, trim_that_was_cut_short_is_done_by_the_next_one)
{
	uint64_t lap;

	make(0, 0);
	for (uint64_t i = 0; i < 3 * PER_LAP; i++)
		test_ok(put(i));
	for (uint64_t i = 0; i < 3 * PER_LAP; i++)
		gets(i, 0);
	test_ok(local_sender_close(from, sender));
	test_ok(local_receiver_close(to, receiver));
	/* Out of the ring, and not yet free. */
	(void)tsr_unlimited_newest(channel, &lap);
	tsr_unlimited_close_ring(channel, lap);
	cr_assert_not(realm_count(&realm).balanced);
	for (int i = 0; i < 2; i++) {
		tsr_reaper_trim(&realm.map, channel);
		test_same(realm_balanced(&realm).in_channels, 0);
	}
	test_ok(local_sender(from, channel, NULL, &sender));
	test_ok(local_receiver(to, channel, NULL, &receiver));
	test_ok(put(1));
	gets(1, 0);
	pair_leave();
}

Test(unlimited, block_that_a_dead_sender_had_linked_is_the_channels)
{
	struct tsr_reap_result result;
	struct tsr_msg block;
	struct tsr_slot *first;
	struct tsr_client other;

	make(0, 7);
	for (uint64_t i = 0; i < PER_LAP; i++)
		test_ok(put(i));
	/* Client 5 links a block, and dies before it says whose that is. */
	other = trip_join(&realm, 5, false);
	test_ok(tsr_alloc(other, CAPACITY * sizeof(struct tsr_slot), &block));
	first = channel->shm->slot;
	tsr_unlimited_format(block.data, CAPACITY, 8, tsr_link_make(TSR_TICKETS_MAX, 6));
	atomic_store(&first[0].name, tsr_link_make(tsr_name_index(block.zdesc.name), 7));
	test_same(realm_balanced(&realm).in_channels, PER_LAP);
	for (uint64_t i = 0; i < 2; i++)
		test_ok(put(PER_LAP + i));
	for (int i = 0; i < 2; i++) {
		reap(5, TSR_SIDE_SENDER, &result);
		test_same(atomic_load(realm_word(&realm, block.zdesc.name)),
		          tsr_name_word(block.zdesc.name, TSR_TICKET_SEGMENT, TSR_HOLDER_CHANNEL));
	}
	test_same(segments(), 2);
	trip_leave(&realm, 5, other);
	test_same(realm_balanced(&realm).in_channels, PER_LAP + 3);
	for (uint64_t i = 0; i < PER_LAP + 2; i++)
		gets(i, 0);
	pair_leave();
}

Test(unlimited, receiver_that_died_gives_back_what_lies_segments_behind)
{
	struct tsr_reap_result result;
	struct tsr_slot *slot;
	uint64_t next = 0, got = 1;
	uint64_t word;

	make(0, TSR_LAP_MASK - 1);
	for (int i = 0; i < 3 * PER_LAP; i++)
		test_ok(put(next++));
	/* Client 5 has taken the first one. */
	slot = &channel->shm->slot[1];
	word = atomic_load(&slot->word);
	atomic_store(&slot->word, tsr_slot_word(tsr_slot_lap(word), 5, TSR_TAKEN));
	/* The ring does not go round over it. */
	for (int i = 0; i < 20 * PER_LAP; i++) {
		gets(got++, 0);
		test_ok(put(next++));
	}
	test_same(segments(), 23);
	reap(5, TSR_SIDE_RECEIVER, &result);
	test_same(result.slots_restored, 1);
	while (got < next)
		gets(got++, 0);
	gets(0, TSR_MSG_REDELIVERED);
	nothing();
	pair_leave();
}

Test(unlimited, receiver_that_is_stopped_makes_it_grow_to_its_limit_and_not_further)
{
	uint64_t next = 0, got = 1, word;
	struct tsr_slot *slot;
	int error;

	make(0, 0);
	test_ok(put(next++));
	slot = &channel->shm->slot[1];
	word = atomic_load(&slot->word);
	atomic_store(&slot->word, tsr_slot_word(0, 5, TSR_TAKEN));
	while ((error = put(next)) == 0) {
		next++;
		gets(got++, 0);
	}
	test_is(error, -ENOBUFS);
	nothing();
	test_same(segments(), 2 + (BLOCKS + 1) / 4);
	/* It goes on: all of it can be used again. */
	atomic_store(&slot->word, word);
	atomic_fetch_add(&channel->shm->redo, 1);
	gets(0, 0);
	for (int i = 0; i < 3000; i++) {
		test_ok(put(next++));
		gets(got++, 0);
	}
	nothing();
	test_same(segments(), 2 + (BLOCKS + 1) / 4);
	pair_leave();
}

Test(unlimited, dead_senders_slots_are_passed_over_in_every_segment)
{
	struct tsr_reap_result result;
	uint64_t next = 0, got = 0;

	make(0, 0);
	for (int round = 0; round < 10 * PER_LAP; round++) {
		struct tsr_slot *slots;
		uint64_t const position = tsr_unlimited_next(channel, &slots);
		struct tsr_slot *const slot = &slots[position & channel->mask];

		if ((position & channel->mask) != 0)
			atomic_store(&slot->word, tsr_slot_word(tsr_channel_lap(channel, position),
			                                        5, TSR_CLAIMED));
		test_ok(put(next++));
		reap(5, TSR_SIDE_SENDER, &result);
		test_same(result.slots_voided, (position & channel->mask) != 0 ? 1 : 0);
		if (round % 2 == 0)
			gets(got++, 0);
	}
	while (got < next)
		gets(got++, 0);
	nothing();
	pair_leave();
}

Test(unlimited, last_slot_of_a_segment_in_which_a_sender_died_says_nothing_of_those_before_it)
{
	uint32_t const shapes[] = {0, TSR_CHANNEL_ONE_RECEIVER};

	for (int i = 0; i < 2; i++) {
		struct tsr_reap_result result;

		make(shapes[i], 0);
		for (uint64_t k = 0; k + 1 < PER_LAP; k++)
			test_ok(put(k));
		atomic_store(&channel->shm->slot[PER_LAP].word, tsr_slot_word(0, 5, TSR_CLAIMED));
		reap(5, TSR_SIDE_SENDER, &result);
		test_same(result.slots_voided, 1);
		for (uint64_t k = PER_LAP - 1; k < 3 * PER_LAP; k++)
			test_ok(put(k));
		for (uint64_t k = 0; k < 3 * PER_LAP; k++)
			gets(k, 0);
		nothing();
		pair_leave();
	}
}

Test(unlimited, ends_that_the_ring_went_round_without_find_their_place)
{
	struct tsr_receiver slow;
	struct tsr_client other;
	struct tsr_sender late;
	struct tsr_msg msg;
	uint64_t next = 0, got = 0;

	make(0, 0);
	other = trip_join(&realm, 3, false);
	test_ok(local_sender(other, channel, NULL, &late));
	test_ok(local_receiver(other, channel, NULL, &slow));
	for (int round = 1; round < 60; round++) {
		for (int i = 0; i < round; i++)
			test_ok(put(next++));
		while (got < next)
			gets(got++, 0);
		test_is(tsr_recv(slow, &msg, TSR_NOWAIT), -EAGAIN);
		for (int i = 0; i < round; i++)
			test_ok(put(next++));
		test_ok(put_by(other, late, next++));
		gets_by(other, slow, got++, 0);
		while (got < next)
			gets(got++, 0);
	}
	test_ok(local_sender_close(other, late));
	test_ok(local_receiver_close(other, slow));
	trip_leave(&realm, 3, other);
	pair_leave();
}

Test(unlimited, ends_that_come_later_go_on_where_others_have_left)
{
	uint64_t next = 0, got = 0;

	for (uint32_t flags = 0; flags < 4; flags++) {
		make(flags, 3);
		next = got = 0;
		for (int round = 0; round < 50; round++) {
			for (int i = 0; i < 5; i++)
				test_ok(put(next++));
			test_ok(local_sender_close(from, sender));
			test_ok(local_sender(from, channel, NULL, &sender));
			for (int i = 0; i < 4; i++)
				gets(got++, 0);
			test_ok(local_receiver_close(to, receiver));
			test_ok(local_receiver(to, channel, NULL, &receiver));
		}
		while (got < next)
			gets(got++, 0);
		nothing();
		pair_leave();
	}
}

Test(unlimited, sender_is_not_told_that_the_receivers_have_gone_but_that_all_is_over)
{
	int error = 0;

	make(0, 0);
	atomic_store(&channel->entry->receivers, tsr_ends_make(0, true, 1));
	for (uint64_t i = 0; i < 3 * PER_LAP; i++)
		test_ok(put(i));
	atomic_store(&realm.map.directory->state, TSR_REALM_CONDEMNED);
	for (int i = 0; i <= PER_LAP && error == 0; i++)
		error = put(0);
	test_is(error, -ENOTCONN);
	atomic_store(&realm.map.directory->state, TSR_REALM_LIVING);
	test_same(tsr_reaper_drain(&realm.map, channel), 3 * PER_LAP + 2);
	pair_leave();
}

Test(unlimited, stream_ends_when_every_segment_is_empty)
{
	struct tsr_msg msg;
	struct tsr_slot *slot;
	struct tsr_end *end;
	uint64_t word;

	make(0, 0);
	for (uint64_t i = 0; i < 3 * PER_LAP; i++)
		test_ok(put(i));
	atomic_store(&channel->entry->senders, tsr_ends_make(0, false, 1));
	for (uint64_t i = 0; i + 1 < 3 * PER_LAP; i++)
		gets(i, 0);
	/* The last one is in somebody's hands. */
	end = tsr_end_get(receiver.handle);
	cr_assert_not_null(end);
	assert(end != NULL);
	slot = &end->slots[PER_LAP];
	word = atomic_load(&slot->word);
	test_same(tsr_slot_phase(word), TSR_READY);
	atomic_store(&slot->word, tsr_slot_word(tsr_slot_lap(word), 5, TSR_TAKEN));
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	atomic_store(&slot->word, word);
	atomic_fetch_add(&channel->shm->redo, 1);
	gets(3 * PER_LAP - 1, 0);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPIPE);
	pair_leave();
}

Test(unlimited, stamps_come_as_often_as_asked_for)
{
	struct tsr_end_options const options = {.size = sizeof(options), .stamp_every = 2};
	uint32_t stamped = 0;

	make(0, 0);
	test_ok(local_sender_close(from, sender));
	test_ok(local_sender(from, channel, &options, &sender));
	for (uint64_t i = 0; i < 20 * PER_LAP; i++) {
		struct tsr_msg msg;

		test_ok(put(i));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		stamped += msg.stamp != 0;
		test_ok(tsr_release(to, &msg));
	}
	/* Of eight places in a segment the four odd ones; the link has an even one. */
	test_same(stamped, 80);
	pair_leave();
}

Test(unlimited, messages_that_are_not_the_senders_are_refused)
{
	struct tsr_msg msg, copy;

	make(0, 0);
	test_ok(tsr_alloc(from, 8, &msg));
	copy = msg;
	copy.zdesc.range = tsr_range_make(0, 4097);
	copy.length = 4097;
	test_is(tsr_send(sender, &copy, TSR_NOWAIT), -EINVAL);
	copy = msg;
	*(uint64_t *)msg.data = 0;
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_is(tsr_send(sender, &copy, TSR_NOWAIT), -ESTALE);
	gets(0, 0);
	pair_leave();
}

static struct tsr_tap_own tap;

/* What the tap copies next is message @number; so many have gone by since the one before. */
static void
sees(uint64_t number, uint64_t sequence, uint64_t missed)
{
	struct tsr_copy copy;
	uint64_t got = 0;

	test_ok(tsr_tap_copy(&tap, &got, sizeof(got), &copy));
	test_same(got, number);
	test_same(copy.sequence, sequence);
	test_same(copy.missed, missed);
}

static void
sees_nothing(void)
{
	struct tsr_copy copy;

	test_is(tsr_tap_copy(&tap, NULL, 0, &copy), -EAGAIN);
	cr_assert_not(tsr_tap_look(&tap));
}

static int
seek(uint32_t where, uint64_t after)
{
	struct tsr_tap_options const options = {
		.size = sizeof(options), .from = where, .after = after};

	return tsr_tap_seek(&tap, &options);
}

static void
tap_it(void)
{
	memset(&tap, 0, sizeof(tap));
	tap.attachment = tsr_attachment_get(from);
	tap.channel = *channel;
	test_ok(seek(TSR_TAP_NEXT, 0));
	sees_nothing();
}

Test(unlimited, tap_copies_what_lies_in_any_segment)
{
	uint64_t const laps[] = {0, TSR_LAP_MASK - 1};

	for (int i = 0; i < 2; i++) {
		make(0, laps[i]);
		tap_it();
		for (uint64_t k = 0; k < 5 * PER_LAP; k++)
			test_ok(put(k));
		cr_assert(tsr_tap_look(&tap));
		for (uint64_t k = 0; k < 5 * PER_LAP; k++)
			sees(k, k, 0);
		sees_nothing();
		for (uint64_t k = 0; k < 10; k++)
			gets(k, 0);
		test_ok(seek(TSR_TAP_OLDEST, 0));
		sees(10, 10, 0);
		test_ok(seek(TSR_TAP_NEWEST, 0));
		sees(5 * PER_LAP - 1, 5 * PER_LAP - 1, 0);
		sees_nothing();
		test_ok(seek(TSR_TAP_AFTER, 12));
		sees(13, 13, 0);
		test_ok(seek(TSR_TAP_AFTER, 3));
		sees(10, 10, 6);
		test_is(seek(TSR_TAP_AFTER, 5 * PER_LAP), -EINVAL);
		test_ok(seek(TSR_TAP_AFTER, 5 * PER_LAP - 1));
		sees_nothing();
		for (uint64_t k = 10; k < 5 * PER_LAP; k++)
			gets(k, 0);
		pair_leave();
	}
}

Test(unlimited, tap_that_was_left_behind_says_how_many_it_missed)
{
	uint64_t next = 0, got = 0;

	make(0, 3);
	tap_it();
	for (int round = 1; round < 40; round++) {
		uint64_t const before = next;

		for (int i = 0; i < round; i++)
			test_ok(put(next++));
		while (got < next)
			gets(got++, 0);
		test_ok(put(next++));
		sees(next - 1, next - 1, next - 1 - before);
		gets(got++, 0);
	}
	pair_leave();
}

Test(unlimited, tap_of_a_segment_that_was_given_back_goes_on_in_the_channel)
{
	struct tsr_copy copy;
	struct tsr_msg msg[40];
	uint64_t next = 0;

	make(0, 0);
	tap_it();
	for (uint64_t i = 0; i < 5 * PER_LAP; i++)
		test_ok(put(next++));
	for (uint64_t i = 0; i < 3 * PER_LAP + 2; i++)
		sees(i, i, 0);
	cr_assert_neq(tap.ticket, TSR_TICKETS_MAX);
	for (uint64_t i = 0; i < 5 * PER_LAP; i++)
		gets(i, 0);
	tsr_reaper_trim(&realm.map, channel);
	/* What lay in it is somebody's message by now: it looks like slots of that lap. */
	for (uint32_t i = 0; i < 40; i++) {
		struct tsr_slot *slots;

		test_ok(tsr_alloc(to, 256, &msg[i]));
		slots = msg[i].data;
		for (uint64_t k = 0; k < CAPACITY; k++) {
			atomic_store(&slots[k].word, tsr_slot_word(3, 0, TSR_READY));
			atomic_store(&slots[k].name, msg[0].zdesc.name);
		}
	}
	test_is(tsr_tap_copy(&tap, NULL, 0, &copy), -EAGAIN);
	cr_assert_eq(tap.ticket, TSR_TICKETS_MAX);
	for (uint32_t i = 0; i < 40; i++)
		test_ok(tsr_release(to, &msg[i]));
	/* Others' ends look for their places, too. */
	test_ok(local_sender_close(from, sender));
	test_ok(local_sender(from, channel, NULL, &sender));
	test_ok(local_receiver_close(to, receiver));
	test_ok(local_receiver(to, channel, NULL, &receiver));
	test_ok(put(77));
	test_ok(tsr_tap_copy(&tap, &next, sizeof(next), &copy));
	test_same(next, 77);
	cr_assert_geq(copy.missed, 2 * PER_LAP - 2);
	gets(77, 0);
	pair_leave();
}

/* The link that the next send, and the next receive, come by is @link. */
static void
forge_link(uint64_t link)
{
	make_of(2 * CAPACITY, 0, 0); /* segments that fit the large class only */
	for (uint64_t i = 0; i + 1 < 2 * CAPACITY; i++) {
		test_ok(put(i));
		gets(i, 0);
	}
	atomic_store(&channel->shm->slot[0].name, link);
}

Test(unlimited, links_to_what_cannot_be_a_segment_are_refused)
{
	/* No such ticket; one of a message of a region; one whose block is too small. */
	uint32_t const wrong[] = {TSR_TICKETS_MAX - 1, BLOCKS, 0};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct tsr_msg msg;

		forge_link(tsr_link_make(wrong[i], UINT64_MAX));
		test_is(put(1), -EPROTO);
		nothing();
		atomic_store(&channel->shm->slot[0].name, tsr_link_make(wrong[i], 0));
		test_is(put(1), -EPROTO);
		test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPROTO);
		test_same(segments(), 1);
		atomic_store(&channel->shm->slot[0].name, tsr_link_make(TSR_TICKETS_MAX, 0));
		test_ok(put(7));
		gets(7, 0);
		pair_leave();
	}
}

Test(unlimited, ledger_does_not_balance_if_a_link_names_what_is_no_segment)
{
	struct tsr_ticket *ticket;
	uint64_t word;

	make(0, 0);
	for (uint64_t i = 0; i < 2 * PER_LAP; i++)
		test_ok(put(i));
	realm_balanced(&realm);
	ticket = &realm.map.tickets[tsr_name_index(atomic_load(&channel->shm->slot[0].name))];
	word = atomic_load(&ticket->word);
	/* A message; a segment of another channel. */
	atomic_store(&ticket->word,
	             tsr_word_make(tsr_word_generation(word), TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL));
	cr_assert_not(realm_count(&realm).balanced);
	atomic_store(&ticket->word, word);
	atomic_store(&ticket->tag, channel->id + 1);
	cr_assert_not(realm_count(&realm).balanced);
	atomic_store(&ticket->tag, channel->id);
	for (uint64_t i = 0; i < 2 * PER_LAP; i++)
		gets(i, 0);
	pair_leave();
}

/* Whoever writes whatever: calls come back, and give what they may give. */
static void
scribble(uint64_t *seed)
{
	struct tsr_segments at = tsr_segments_of(channel);

	while (tsr_segments_go(&at)) {
		for (uint32_t i = 0; i < CAPACITY; i++) {
			struct tsr_slot *const slot = &at.slots[i];
			uint64_t const r = test_random(seed);

			if ((r & 7) != 0)
				continue;
			atomic_store(&slot->word,
			             (r & 8) != 0 ? tsr_slot_word(r >> 61, (uint16_t)(r >> 8 & 7),
			                                          (enum tsr_phase)(r >> 4 & 7))
			                          : r);
			atomic_store(&slot->name,
			             (r & 16) != 0
			                     ? tsr_link_make((uint32_t)(r >> 20 & 31), r >> 60)
			                     : test_random(seed));
			atomic_store(&slot->range, tsr_range_make(0, (uint32_t)(r >> 32)));
		}
	}
}

Test(unlimited, random_words_and_links_neither_stop_nor_crash_an_end_or_the_reaper, .timeout = 100)
{
	uint64_t seed = test_seed();

	make(0, 0);
	for (uint64_t i = 0; i < 40; i++)
		test_ok(put(i));
	for (int round = 0; round < 3000; round++) {
		struct tsr_reap_result result;
		struct tsr_msg msg;
		int error;

		scribble(&seed);
		error = tsr_recv(receiver, &msg, TSR_NOWAIT);
		cr_assert(error == 0 || error == -EAGAIN || error == -EPROTO, "%d", error);
		error = tsr_alloc(from, 8, &msg);
		if (error == 0)
			error = tsr_send(sender, &msg, TSR_NOWAIT);
		cr_assert(error == 0 || error == -EAGAIN || error == -EPROTO || error == -ENOBUFS ||
		                  error == -ENOMEM,
		          "%d", error);
		reap(5, round % 2 == 0 ? TSR_SIDE_SENDER : TSR_SIDE_RECEIVER, &result);
		(void)realm_count(&realm);
		(void)tsr_slots_all_empty(channel);
	}
	(void)tsr_reaper_drain(&realm.map, channel);
	cr_assert_leq(segments(), BLOCKS + 1);
	realm_wipe(&realm);
}
