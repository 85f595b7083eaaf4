/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/reaper_drain.h"
#include "shm/broadcast.h"
#include "shm/tap.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/shape.h"
#include "tests/support/trip.h"

/* Broadcasts without a daemon: the real client library over a realm of the test's own. */

#define CAPACITY 8
#define WRITER   1
#define READER   2

static struct realm realm;
static struct tsr_channel *channel;
static struct tsr_client from, to;
static struct tsr_sender sender;
static struct tsr_tap_own tap;

TestSuite(broadcast, .timeout = 30);

static void
make_at(uint32_t capacity, uint32_t flags, uint64_t first_lap)
{
	struct tsr_realm_geometry geometry;

	realm_geometry(&geometry);
	geometry.slots = 4096;
	geometry.first_lap = first_lap;
	realm_make(&realm, &geometry);
	channel = realm_channel_of(&realm, shape_broadcast(capacity, flags));
	atomic_store(&channel->entry->senders, tsr_ends_make(1, false, 1));
	atomic_store(&channel->entry->receivers, tsr_ends_make(1, false, 1));
	tsr_wait_look_ns = UINT64_MAX; /* a wake-up that is missed is missed for good */
	from = trip_join(&realm, WRITER, false);
	to = trip_join(&realm, READER, false);
	test_ok(local_sender(from, channel, NULL, &sender));
}

static void
make(uint32_t flags)
{
	make_at(CAPACITY, flags, 0);
}

static void
leave(void)
{
	test_ok(local_sender_close(from, sender));
	(void)tsr_reaper_drain(&realm.map, channel);
	trip_leave(&realm, WRITER, from);
	trip_leave(&realm, READER, to);
	test_same(atomic_load(&realm.map.states[WRITER - 1].missed_wakes), 0);
	test_same(atomic_load(&realm.map.states[READER - 1].missed_wakes), 0);
	test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
	realm_wipe(&realm);
}

static struct tsr_receiver
reader(uint32_t where, uint64_t after, uint32_t flags)
{
	struct tsr_end_options const options = {
		.size = sizeof(options), .flags = flags, .from = where, .after = after};
	struct tsr_receiver receiver;

	test_ok(local_receiver(to, channel, &options, &receiver));
	return receiver;
}

static int
put_by(struct tsr_sender by, uint64_t number)
{
	struct tsr_msg msg;
	int error;

	test_ok(tsr_alloc(from, sizeof(number), &msg));
	*(uint64_t *)msg.data = number;
	error = tsr_send(by, &msg, TSR_NOWAIT);
	if (error != 0)
		test_ok(tsr_release(from, &msg));
	return error;
}

static int
put(uint64_t number)
{
	return put_by(sender, number);
}

static void
puts_from(uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i < first + count; i++)
		test_ok(put(i));
}

static struct tsr_msg
view(struct tsr_receiver receiver, uint64_t number)
{
	struct tsr_msg msg = {0};

	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, number);
	test_same(msg.length, sizeof(number));
	return msg;
}

/* The next messages of a reader are @first and so on; each is released. */
static void
gets(struct tsr_receiver receiver, uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i < first + count; i++) {
		struct tsr_msg msg = view(receiver, i);

		test_ok(tsr_release(to, &msg));
	}
}

static void
nothing(struct tsr_receiver receiver)
{
	struct tsr_msg msg;

	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
}

static void
closes(struct tsr_receiver receiver)
{
	test_ok(local_receiver_close(to, receiver));
}

static uint64_t
missed(struct tsr_receiver receiver)
{
	uint64_t count = UINT64_MAX;

	test_ok(tsr_receiver_missed(receiver, &count));
	return count;
}

Test(broadcast, every_reader_gets_every_message_in_order_across_the_wrap_of_the_lap)
{
	uint64_t const first[] = {0, TSR_LAP_MASK - 1, TSR_LAP_MASK};

	for (uint64_t f = 0; f < 3; f++) {
		for (uint32_t flags = 0; flags <= TSR_CHANNEL_ONE_SENDER; flags++) {
			struct tsr_receiver readers[3];

			make_at(CAPACITY, flags, first[f]);
			for (int r = 0; r < 3; r++)
				readers[r] = reader(TSR_FROM_NEXT, 0, 0);
			for (uint64_t i = 0; i < 10 * CAPACITY; i += CAPACITY - f) {
				puts_from(i, CAPACITY - f);
				for (int r = 0; r < 3; r++)
					gets(readers[r], i, CAPACITY - f);
				realm_balanced(&realm);
			}
			for (int r = 0; r < 3; r++) {
				nothing(readers[r]);
				closes(readers[r]);
			}
			leave();
		}
	}
}

Test(broadcast, slow_reliable_reader_holds_the_sender_up_until_it_has_released)
{
	struct tsr_receiver slow, quick;
	struct tsr_msg msg;

	make(0);
	slow = reader(TSR_FROM_NEXT, 0, 0);
	quick = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, CAPACITY);
	test_is(put(CAPACITY), -EAGAIN);
	gets(quick, 0, CAPACITY);
	msg = view(slow, 0);
	test_is(put(CAPACITY), -EAGAIN);
	test_same(*(uint64_t *)msg.data, 0);
	test_ok(tsr_release(to, &msg));
	test_ok(put(CAPACITY));
	test_is(put(CAPACITY + 1), -EAGAIN);
	gets(slow, 1, CAPACITY);
	closes(slow);
	puts_from(CAPACITY + 1, CAPACITY - 1);
	closes(quick);
	puts_from(100, 3 * CAPACITY); /* nobody is left */
	leave();
}

Test(broadcast, evicted_reader_is_told_and_the_others_go_on)
{
	struct tsr_receiver slow, quick;
	struct tsr_msg msg;

	make(TSR_CHANNEL_EVICT);
	slow = reader(TSR_FROM_NEXT, 0, 0);
	quick = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, 1);
	msg = view(slow, 0);
	gets(quick, 0, 1);
	puts_from(1, CAPACITY - 1);
	gets(quick, 1, CAPACITY - 1);
	test_ok(tsr_release(to, &msg)); /* it is heeded: one more fits */
	puts_from(CAPACITY, 1);
	test_ok(tsr_recv(slow, &msg, TSR_NOWAIT));
	puts_from(CAPACITY + 1, 1);
	test_is(tsr_release(to, &msg), -EOVERFLOW);
	test_is(tsr_recv(slow, &msg, TSR_NOWAIT), -EOVERFLOW);
	test_is(tsr_recv(slow, &msg, TSR_FOREVER), -EOVERFLOW);
	closes(slow);
	slow = reader(TSR_FROM_NEWEST, 0, 0);
	gets(slow, CAPACITY + 1, 1);
	gets(quick, CAPACITY, 2);
	closes(slow);
	closes(quick);
	leave();
}

Test(broadcast, lapped_reader_goes_on_as_a_lossy_one_and_knows_how_many_it_missed)
{
	struct tsr_receiver slow;
	struct tsr_msg msg, copy;

	make(TSR_CHANNEL_LAP);
	slow = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, CAPACITY);
	msg = view(slow, 0);
	test_same(msg.flags & TSR_MSG_SHARED, TSR_MSG_SHARED);
	test_same(missed(slow), 0);
	puts_from(CAPACITY, 5);
	test_is(tsr_release(to, &msg), -EOVERFLOW);
	copy = view(slow, 5);
	test_same(copy.flags & TSR_MSG_SHARED, 0);
	test_same(missed(slow), 4);
	test_ok(tsr_release(to, &copy));
	test_is(tsr_release(to, &copy), -ESTALE);
	gets(slow, 6, 7);
	nothing(slow);
	puts_from(13, 10 * CAPACITY);
	gets(slow, 13 + 9 * CAPACITY, CAPACITY);
	test_same(missed(slow), 4 + 9 * CAPACITY);
	closes(slow);
	leave();
}

Test(broadcast, lossy_readers_hold_nobody_up_and_count_exactly_beside_reliable_ones)
{
	struct tsr_receiver lossy, reliable;

	make(0);
	lossy = reader(TSR_FROM_NEXT, 0, TSR_END_LOSSY);
	reliable = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, 3);
	gets(lossy, 0, 2);
	gets(reliable, 0, 3);
	puts_from(3, CAPACITY);
	test_is(put(99), -EAGAIN); /* for the reliable one */
	gets(lossy, 3, CAPACITY);
	test_same(missed(lossy), 1);
	gets(reliable, 3, CAPACITY);
	test_same(missed(reliable), 0);
	nothing(lossy);
	closes(reliable);
	puts_from(3 + CAPACITY, 1000);
	gets(lossy, 3 + 1000, CAPACITY);
	test_same(missed(lossy), 1 + 1000 - CAPACITY);
	closes(lossy);
	leave();
}

Test(broadcast, late_joiners_begin_where_they_want)
{
	struct tsr_end_options options = {
		.size = sizeof(options), .from = TSR_FROM_AFTER, .after = 20};
	struct tsr_receiver receiver;

	make_at(CAPACITY, 0, 7);
	receiver = reader(TSR_FROM_OLDEST, 0, 0);
	nothing(receiver);
	closes(receiver);
	puts_from(0, 3);
	receiver = reader(TSR_FROM_OLDEST, 0, 0);
	gets(receiver, 0, 3);
	closes(receiver);
	puts_from(3, 17);
	/* The very oldest may be written over by a sender that does not know yet. */
	receiver = reader(TSR_FROM_OLDEST, 0, 0);
	gets(receiver, 20 - CAPACITY + 1, CAPACITY - 1);
	closes(receiver);
	receiver = reader(TSR_FROM_OLDEST, 0, TSR_END_LOSSY);
	gets(receiver, 20 - CAPACITY, CAPACITY);
	closes(receiver);
	receiver = reader(TSR_FROM_NEWEST, 0, 0);
	gets(receiver, 19, 1);
	nothing(receiver);
	closes(receiver);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	nothing(receiver);
	closes(receiver);
	receiver = reader(TSR_FROM_AFTER, 15, 0);
	gets(receiver, 16, 4);
	test_same(missed(receiver), 0);
	closes(receiver);
	receiver = reader(TSR_FROM_AFTER, 4, 0);
	gets(receiver, 13, 7);
	test_same(missed(receiver), 8);
	closes(receiver);
	receiver = reader(TSR_FROM_AFTER, 4, TSR_END_LOSSY);
	gets(receiver, 12, 8);
	test_same(missed(receiver), 7);
	closes(receiver);
	test_is(local_refused(to, channel, TSR_SIDE_RECEIVER, &options), -EINVAL);
	leave();
}

Test(broadcast, reader_that_comes_late_is_heeded_by_a_sender_that_knew_of_none)
{
	uint64_t const first[] = {0, TSR_LAP_MASK};

	for (int f = 0; f < 2; f++) {
		struct tsr_receiver receiver;

		make_at(CAPACITY, 0, first[f]);
		puts_from(0, 2 * CAPACITY + 3); /* beyond the wrap of the laps */
		receiver = reader(TSR_FROM_NEXT, 0, 0);
		puts_from(50, CAPACITY);
		test_is(put(99), -EAGAIN);
		gets(receiver, 50, CAPACITY);
		closes(receiver);
		leave();
	}
}

Test(broadcast, several_senders_fill_one_ring_and_one_that_slept_through_laps_finds_its_place)
{
	struct tsr_receiver receiver;
	struct tsr_sender other;

	make(0);
	test_ok(local_sender(from, channel, NULL, &other));
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	for (uint64_t i = 0; i < 100; i++) {
		test_ok(put_by(i % 3 == 0 ? other : sender, i));
		gets(receiver, i, 1);
	}
	for (uint64_t i = 100; i < 100 + 5 * CAPACITY; i++) {
		test_ok(put(i));
		gets(receiver, i, 1);
	}
	test_ok(put_by(other, 7));
	gets(receiver, 7, 1);
	closes(receiver);
	test_ok(local_sender_close(from, other));
	leave();
}

Test(broadcast, slot_that_names_what_is_not_shared_is_passed_over_and_said)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg, own;

	make(0);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	test_ok(tsr_alloc(from, 8, &own));
	puts_from(0, 4);
	atomic_store(&tsr_channel_slot(channel, 1)->name, own.zdesc.name);
	atomic_store(&tsr_channel_slot(channel, 2)->range, tsr_range_make(250, 8));
	gets(receiver, 0, 1);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPROTO);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPROTO);
	gets(receiver, 3, 1);
	test_same(atomic_load(&realm.map.states[READER - 1].refused), 2);
	/* What the forged slot named before is nobody's: it is swept with its sender. */
	test_ok(tsr_release(from, &own));
	closes(receiver);
	test_ok(local_sender_close(from, sender));
	realm_wipe(&realm);
}

Test(broadcast, what_is_retained_stays_while_the_senders_go_on)
{
	struct tsr_receiver receiver;
	struct tsr_msg kept[TSR_CURSOR_HOLDS], more;

	make(0);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	for (uint64_t i = 0; i < TSR_CURSOR_HOLDS; i++) {
		test_ok(put(i));
		kept[i] = view(receiver, i);
		test_ok(tsr_retain(to, &kept[i]));
		test_same(kept[i].flags & TSR_MSG_RETAINED, TSR_MSG_RETAINED);
		test_ok(tsr_retain(to, &kept[i])); /* it is */
	}
	test_ok(put(6));
	more = view(receiver, 6);
	test_is(tsr_retain(to, &more), -ENOBUFS);
	test_ok(tsr_release(to, &more));
	for (uint64_t i = 7; i < 2000; i++) {
		test_ok(put(i));
		gets(receiver, i, 1);
	}
	for (uint64_t i = 0; i < TSR_CURSOR_HOLDS; i++) {
		test_same(*(uint64_t *)kept[i].data, i);
		test_ok(tsr_release(to, &kept[i]));
		test_is(tsr_release(to, &kept[i]), -ESTALE);
	}
	closes(receiver);
	leave();
}

Test(broadcast, what_is_retained_goes_with_its_end_and_what_is_released_can_not_be_retained)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg, copy;

	make(TSR_CHANNEL_LAP);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, 2);
	msg = view(receiver, 0);
	copy = msg;
	test_ok(tsr_release(to, &msg));
	test_is(tsr_retain(to, &copy), -ESTALE);
	msg = view(receiver, 1);
	copy = msg;
	puts_from(2, 2 * CAPACITY);
	test_is(tsr_retain(to, &copy), -ESTALE); /* written over */
	msg = view(receiver, 2 + CAPACITY);
	test_ok(tsr_retain(to, &msg)); /* a copy is our own */
	test_same(msg.flags, 0);
	test_ok(tsr_release(to, &msg));
	closes(receiver);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(100, 1);
	msg = view(receiver, 100);
	test_ok(tsr_retain(to, &msg));
	closes(receiver);
	test_is(tsr_release(to, &msg), -ESTALE);
	test_is(tsr_retain((struct tsr_client){0}, &msg), -ENOTCONN);
	puts_from(200, 10 * CAPACITY);
	leave();
}

Test(broadcast, what_is_being_written_over_can_not_be_retained)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	make(TSR_CHANNEL_EVICT);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	test_ok(put(0));
	msg = view(receiver, 0);
	/* A sender has just claimed the slot; it still names the old ticket. */
	atomic_store(&tsr_channel_slot(channel, 0)->word, tsr_slot_word(1, WRITER, TSR_CLAIMED));
	test_is(tsr_retain(to, &msg), -EOVERFLOW);
	test_same(msg.flags & TSR_MSG_RETAINED, 0);
	test_same(atomic_load(&tsr_broadcast_shm(channel)->holding[0]), 0);
	atomic_store(&tsr_channel_slot(channel, 0)->word, tsr_slot_word(0, 0, TSR_READY));
	test_ok(tsr_release(to, &msg));
	closes(receiver);
	leave();
}

Test(broadcast, what_outlives_its_sender_is_the_daemons_to_free)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	make(0);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, CAPACITY);
	msg = view(receiver, 0);
	test_ok(tsr_retain(to, &msg));
	gets(receiver, 1, CAPACITY - 1);
	puts_from(CAPACITY, 2);
	test_ok(local_sender_close(from, sender));
	tsr_reaper_settle(&realm.map);
	test_same(realm_balanced(&realm).with_daemon, 1);
	test_same(*(uint64_t *)msg.data, 0);
	closes(receiver);
	tsr_reaper_settle(&realm.map);
	test_same(realm_balanced(&realm).with_daemon, 0);
	test_ok(local_sender(from, channel, NULL, &sender));
	leave();
}

Test(broadcast, views_are_released_in_any_order_and_once)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg[CAPACITY];

	make(0);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, CAPACITY);
	for (uint64_t i = 0; i < CAPACITY; i++)
		msg[i] = view(receiver, i);
	nothing(receiver);
	test_ok(tsr_release(to, &msg[2]));
	test_ok(tsr_release(to, &msg[1]));
	test_is(tsr_release(to, &msg[2]), -ESTALE);
	test_is(put(8), -EAGAIN); /* the first is still out */
	test_ok(tsr_release(to, &msg[0]));
	puts_from(8, 3);
	test_is(put(11), -EAGAIN);
	test_is(tsr_release(to, &msg[0]), -ESTALE);
	test_is(tsr_release(to, &msg[2]), -ESTALE);
	/* It is nobody's to send, or to write. */
	test_is(tsr_send(sender, &msg[3], TSR_NOWAIT), -ESTALE);
	for (uint64_t i = CAPACITY - 1; i > 2; i--)
		test_ok(tsr_release(to, &msg[i]));
	gets(receiver, 8, 3);
	puts_from(11, CAPACITY);
	msg[0] = view(receiver, 11);
	closes(receiver);
	test_is(tsr_release(to, &msg[0]), -ESTALE);
	leave();
}

Test(broadcast, reader_may_have_so_many_views_and_no_more)
{
	struct tsr_msg msg[TSR_READER_WINDOW + 1];
	struct tsr_receiver receiver;
	size_t done;

	make_at(128, 0, 0);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, 128);
	test_ok(tsr_recv_batch(receiver, msg, TSR_READER_WINDOW + 1, TSR_NOWAIT, &done));
	test_same(done, TSR_READER_WINDOW);
	test_is(tsr_recv(receiver, &msg[TSR_READER_WINDOW], TSR_FOREVER), -ENOBUFS);
	test_ok(tsr_release_batch(to, msg, TSR_READER_WINDOW, &done));
	test_same(done, TSR_READER_WINDOW);
	gets(receiver, 64, 64);
	closes(receiver);
	leave();
}

Test(broadcast, what_a_sender_has_sent_is_no_longer_its_own_even_when_it_is_out_of_its_slot)
{
	struct tsr_msg msg;

	make(0);
	test_ok(tsr_alloc(from, 8, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_is(tsr_release(from, &msg), -ESTALE);
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
	puts_from(0, CAPACITY + 1);
	test_is(tsr_release(from, &msg), -ESTALE);
	puts_from(0, 100);
	test_is(tsr_release(from, &msg), -ESTALE);
	leave();
}

Test(broadcast, stream_ends_where_nothing_more_comes_for_each_reader)
{
	struct tsr_receiver readers[3];
	struct tsr_msg msg;

	make(0);
	readers[0] = reader(TSR_FROM_NEXT, 0, 0);
	readers[1] = reader(TSR_FROM_NEXT, 0, TSR_END_LOSSY);
	readers[2] = reader(TSR_FROM_NEXT, 0, 0);
	puts_from(0, 3);
	gets(readers[2], 0, 3);
	atomic_store(&channel->entry->senders, tsr_ends_make(0, false, 1));
	test_is(tsr_recv(readers[2], &msg, TSR_FOREVER), -EPIPE);
	gets(readers[0], 0, 3);
	gets(readers[1], 0, 3);
	atomic_store(&channel->entry->senders, tsr_ends_make(0, true, 1));
	test_is(tsr_recv(readers[0], &msg, TSR_FOREVER), -ECONNRESET);
	test_is(tsr_recv(readers[1], &msg, TSR_NOWAIT), -ECONNRESET);
	for (int i = 0; i < 3; i++)
		closes(readers[i]);
	leave();
}

Test(broadcast, options_that_make_no_sense_are_refused)
{
	struct tsr_end_options options = {.size = sizeof(options), .from = 9};
	struct tsr_receiver receiver;
	uint64_t count;

	make(0);
	test_is(local_refused(to, channel, TSR_SIDE_RECEIVER, &options), -EINVAL);
	options = (struct tsr_end_options){.size = sizeof(options), .from = TSR_FROM_OLDEST};
	test_is(local_refused(from, channel, TSR_SIDE_SENDER, &options), -EINVAL);
	options = (struct tsr_end_options){.size = sizeof(options), .flags = TSR_END_LOSSY};
	test_is(local_refused(from, channel, TSR_SIDE_SENDER, &options), -EINVAL);
	options = (struct tsr_end_options){.size = sizeof(options), .after = 3};
	test_is(tsr_receiver_open(to, "x", &options, &receiver), -EINVAL);
	options = (struct tsr_end_options){.size = sizeof(options), .reserved = 3};
	test_is(tsr_receiver_open(to, "x", &options, &receiver), -EINVAL);
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	test_is(tsr_receiver_missed(receiver, NULL), -EINVAL);
	closes(receiver);
	test_is(tsr_receiver_missed(receiver, &count), -ENOTCONN);
	leave();
}

Test(broadcast, as_many_readers_as_there_are_cursors_and_lossy_ones_beside)
{
	static struct tsr_receiver readers[TSR_CURSORS_MAX];
	struct tsr_receiver more;

	make(0);
	for (uint32_t i = 0; i < TSR_CURSORS_MAX; i++)
		readers[i] = reader(TSR_FROM_NEXT, 0, 0);
	test_is(local_refused(to, channel, TSR_SIDE_RECEIVER, NULL), -ENOBUFS);
	more = reader(TSR_FROM_NEXT, 0, TSR_END_LOSSY);
	puts_from(0, CAPACITY);
	for (uint32_t i = 0; i < TSR_CURSORS_MAX; i++) {
		test_is(put(99), -EAGAIN);
		gets(readers[i], 0, 1);
	}
	test_ok(put(CAPACITY));
	gets(more, 1, CAPACITY);
	closes(more);
	for (uint32_t i = 0; i < TSR_CURSORS_MAX; i++)
		closes(readers[i]);
	leave();
}

/* Many threads, each with a reader of its own. */

#define SLEEPERS 80 /* more than there are tokens */

static struct tsr_receiver sleeping[SLEEPERS];
static uint64_t sleeper_sum[SLEEPERS];

static void *
sleeper(void *argument)
{
	uintptr_t const i = (uintptr_t)argument;
	struct tsr_msg msg;

	while (tsr_recv(sleeping[i], &msg, TSR_FOREVER) == 0) {
		sleeper_sum[i] += *(uint64_t *)msg.data;
		if (tsr_release(to, &msg) != 0)
			break;
	}
	return NULL;
}

Test(broadcast, more_sleepers_than_tokens_are_all_woken_and_senders_by_the_slowest)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	pthread_t threads[SLEEPERS];
	uint64_t sum = 0;

	make(0);
	for (uintptr_t i = 0; i < SLEEPERS; i++) {
		test_ok(local_receiver(to, channel, &options, &sleeping[i]));
		cr_assert_eq(pthread_create(&threads[i], NULL, sleeper, (void *)i), 0);
	}
	for (uint64_t i = 1; i <= 300; i++) {
		struct tsr_msg msg;

		test_ok(tsr_alloc(from, sizeof(i), &msg));
		*(uint64_t *)msg.data = i;
		test_ok(tsr_send(sender, &msg, tsr_deadline_in_ms(20000)));
		sum += i;
	}
	atomic_store(&channel->entry->senders, tsr_ends_make(0, false, 1));
	tsr_ends_publish(channel, TSR_SIDE_SENDER, 0, false, 1);
	for (uintptr_t i = 0; i < SLEEPERS; i++) {
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
		test_same(sleeper_sum[i], sum);
		closes(sleeping[i]);
	}
	leave();
}

static void *
blocked_sender(void *argument)
{
	struct tsr_sender const *const end = argument;
	struct tsr_msg msg;

	for (uint64_t i = 0; i < 20 * CAPACITY; i++) {
		if (tsr_alloc(from, sizeof(i), &msg) != 0)
			return argument;
		*(uint64_t *)msg.data = i;
		if (tsr_send(*end, &msg, TSR_FOREVER) != 0)
			return argument;
	}
	return NULL;
}

Test(broadcast, one_reader_wakes_the_sender_that_waits_for_it)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	struct tsr_receiver receiver;
	struct tsr_sender sleepy;
	struct tsr_msg msg;
	pthread_t thread;
	void *failed;

	make(0);
	test_ok(local_sender(from, channel, &options, &sleepy));
	receiver = reader(TSR_FROM_NEXT, 0, 0);
	cr_assert_eq(pthread_create(&thread, NULL, blocked_sender, &sleepy), 0);
	for (uint64_t i = 0; i < 20 * CAPACITY; i++) {
		while (i < 19 * CAPACITY && atomic_load(&channel->shm->senders_waiting) == 0)
			continue; /* it has filled the ring and is about to sleep */
		test_ok(tsr_recv(receiver, &msg, TSR_FOREVER));
		test_same(*(uint64_t *)msg.data, i);
		test_ok(tsr_release(to, &msg));
		while (i < 19 * CAPACITY && tsr_channel_find(channel) <= i + CAPACITY)
			continue; /* that was what it waited for */
	}
	cr_assert_eq(pthread_join(thread, &failed), 0);
	cr_assert_null(failed);
	closes(receiver);
	test_ok(local_sender_close(from, sleepy));
	leave();
}

Test(broadcast, tap_copies_what_is_there_and_slows_nobody)
{
	struct tsr_tap_options const options = {.size = sizeof(options), .from = TSR_TAP_OLDEST};
	struct tsr_attachment *attachment;
	struct tsr_copy copy;
	uint64_t number;

	make(0);
	attachment = tsr_attachment_get(to);
	tap = (struct tsr_tap_own){.attachment = attachment, .channel = *channel};
	puts_from(0, CAPACITY + 3);
	test_ok(tsr_tap_seek(&tap, &options));
	for (uint64_t i = 3; i < CAPACITY + 3; i++) {
		test_ok(tsr_tap_copy(&tap, &number, sizeof(number), &copy));
		test_same(number, i);
		test_same(copy.sequence, i);
		test_same(copy.missed, 0);
	}
	test_is(tsr_tap_copy(&tap, &number, sizeof(number), &copy), -EAGAIN);
	puts_from(CAPACITY + 3, 2 * CAPACITY);
	test_ok(tsr_tap_copy(&tap, &number, sizeof(number), &copy));
	test_same(number, 2 * CAPACITY + 3);
	test_same(copy.missed, CAPACITY);
	leave();
}
