/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>
#include <string.h>

#include "core/upkeep.h"
#include "shm/client.h"
#include "shm/meters.h"
#include "shm/unlimited.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/pair.h"

/*
 * What a realm's upkeep does in steps of a few words, with everybody doing what he likes between
 * any two: never more words than it was given, and in the end as if it had been one step.
 */

#define CAPACITY 8
#define SEGMENTS 12
#define MESSAGES (SEGMENTS * (CAPACITY - 1))

static struct tsr_realm daemon_realm;
static struct tsr_channel_record record;
static struct tsr_channel_record *records[REALM_CHANNELS];
static uint8_t generations[REALM_CHANNELS];

static void
make(uint32_t kind, uint32_t capacity)
{
	pair_make((struct tsr_shape){.kind = kind, .capacity = capacity}, TSR_LAP_MASK - 3, 1);
	pair_join();
	memset(&record, 0, sizeof(record));
	record.channel = *channel;
	record.index = tsr_channel_index((uint32_t)channel->id);
	record.side[0] = record.side[1] = (struct tsr_channel_side){.count = 1, .stream = 1};
	memset(&daemon_realm, 0, sizeof(daemon_realm));
	daemon_realm.map = realm.map;
	daemon_realm.channels = records;
	daemon_realm.generations = generations;
	records[record.index] = &record;
}

static void
put(uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_alloc(from, sizeof(number), &msg));
	*(uint64_t *)msg.data = number;
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
}

static void
get(uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, number);
	test_ok(tsr_release(to, &msg));
}

static void
pass(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		put(i);
	for (uint64_t i = 0; i < count; i++)
		get(i);
}

/* Both ends, as the daemon knows them. */
static void
leave(void)
{
	test_ok(local_sender_close(from, sender));
	test_ok(local_receiver_close(to, receiver));
	record.side[0].count = record.side[1].count = 0;
}

static void
come(void)
{
	for (int side = 0; side < 2; side++) {
		record.side[side].count = 1;
		record.side[side].stream++;
	}
	test_ok(local_sender(from, channel, NULL, &sender));
	test_ok(local_receiver(to, channel, NULL, &receiver));
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

/* A step of so many words. Return: there is more. */
static bool
step(struct tsr_upkeep *upkeep, uint32_t words)
{
	uint32_t work = words;
	int const error = tsr_upkeep_some(&daemon_realm, upkeep, &work);

	cr_assert(error == 0 || error == 1);
	cr_assert_leq(work, words);
	if (error == 1)
		test_same(work, 0);
	return error == 1;
}

/* The newest segment is so many behind the first one, or before it. */
static void
whole(uint32_t ahead)
{
	struct tsr_upkeep upkeep = {.channels = true};
	uint32_t steps = 0, before;

	make(TSR_KIND_UNLIMITED, CAPACITY);
	pass(MESSAGES);
	for (uint32_t i = 0; i < ahead; i++)
		pass(CAPACITY - 1);
	before = segments();
	cr_assert_geq(before, SEGMENTS);
	leave();
	while (step(&upkeep, 1)) {
		uint32_t const now = segments();

		steps++;
		cr_assert(now == before || now == before - 1);
		before = now;
		realm_balanced(&realm);
	}
	test_same(segments(), 1);
	/* Each slot, each segment, each ticket, one at a time. */
	cr_assert_geq(steps, MESSAGES + SEGMENTS + 1024);
	come();
	pass(3 * MESSAGES);
	pair_leave();
}

Test(upkeep, ring_is_whole_after_each_step)
{
	for (uint32_t ahead = 0; ahead <= SEGMENTS + 1; ahead++)
		whole(ahead);
}

Test(upkeep, who_comes_between_two_steps_finds_the_channel_as_it_is)
{
	for (uint32_t words = 1; words < 200; words += 7) {
		struct tsr_upkeep upkeep = {.channels = true};
		uint32_t turn = 0;

		make(TSR_KIND_UNLIMITED, CAPACITY);
		pass(MESSAGES);
		leave();
		while (step(&upkeep, words)) {
			turn++;
			if (turn > 60)
				continue;
			/* What is sent now is in the way of nothing that was looked at before. */
			come();
			pass(turn % 3 * CAPACITY);
			if (turn % 2 == 0)
				put(turn);
			leave();
			come();
			if (turn % 2 == 0)
				get(turn);
			leave();
			realm_balanced(&realm);
		}
		realm_balanced(&realm);
		come();
		pass(2 * MESSAGES);
		pair_leave();
	}
}

/* An upkeep that has looked at a channel, which then gets a message: that one stays. */
Test(upkeep, what_was_seen_empty_and_is_not_any_more_stays)
{
	make(TSR_KIND_UNLIMITED, CAPACITY);
	for (uint32_t first = 1; first < 2 * MESSAGES; first += 3) {
		struct tsr_upkeep upkeep = {.channels = true};

		pass(MESSAGES);
		leave();
		(void)step(&upkeep, first);
		come();
		for (uint64_t i = 0; i < MESSAGES; i++)
			put(i);
		leave();
		while (step(&upkeep, UINT32_MAX))
			;
		realm_balanced(&realm);
		come();
		for (uint64_t i = 0; i < MESSAGES; i++)
			get(i);
	}
	pair_leave();
}

/* A channel of each kind is drained in steps, to nothing. */
static void
drained(uint32_t kind)
{
	struct tsr_drain drain = {.begun = false};
	uint32_t steps = 0, work;
	int error;

	make(kind, 32);
	for (uint64_t i = 0; i < (kind == TSR_KIND_CONFLATED ? 3 : 20); i++)
		put(i);
	test_ok(local_sender_close(from, sender));
	test_ok(local_receiver_close(to, receiver));
	do {
		work = 5;
		error = tsr_reaper_drain_some(&realm.map, channel, &drain, &work);
		cr_assert_leq(work, 5);
		cr_assert(error == 0 || work == 0);
		steps++;
	} while (error == 1);
	cr_assert_geq(steps, (32 + 1024) / 5);
	test_same(realm_balanced(&realm).in_channels, 0);
	test_same(tsr_reaper_drain(&realm.map, channel), 0);
	test_ok(local_sender(from, channel, NULL, &sender));
	test_ok(local_receiver(to, channel, NULL, &receiver));
	pair_leave();
}

Test(upkeep, channel_of_any_kind_is_drained_in_steps)
{
	drained(TSR_KIND_BUFFERED);
	drained(TSR_KIND_UNLIMITED);
	drained(TSR_KIND_CONFLATED);
	drained(TSR_KIND_BROADCAST);
}

/* The slots of a dead end, of any kind, in steps of one word. */
static void
walked(uint32_t kind, uint32_t side)
{
	struct tsr_reap_walk walk = {.begun = false};
	struct tsr_reap_result result = {0};
	struct tsr_reap_end end;
	uint32_t steps = 0, work;
	bool done;

	make(kind, 32);
	for (uint64_t i = 0; kind == TSR_KIND_UNLIMITED && i < 100; i++)
		put(i);
	end = (struct tsr_reap_end){.channel = *channel, .side = side};
	do {
		struct tsr_reap_end const moved = end; /* it may lie elsewhere each time */

		work = 1;
		done = tsr_reaper_slots_some(&moved, 7, &walk, &work, &result);
		steps++;
		/* Others go on, and the ring grows behind it and before it. */
		if (kind == TSR_KIND_UNLIMITED && steps % 10 == 0)
			put(steps);
	} while (!done);
	if (side == TSR_SIDE_SENDER)
		cr_assert_geq(steps, kind == TSR_KIND_UNLIMITED ? 100 : 32);
	test_same(result.tickets, 0);
	(void)tsr_reaper_drain(&realm.map, channel);
	test_ok(local_sender_close(from, sender));
	test_ok(local_receiver_close(to, receiver));
	test_ok(local_sender(from, channel, NULL, &sender));
	test_ok(local_receiver(to, channel, NULL, &receiver));
	pair_leave();
}

Test(upkeep, slots_of_an_end_of_any_kind_are_walked_in_steps)
{
	uint32_t const kinds[] = {TSR_KIND_BUFFERED, TSR_KIND_UNLIMITED, TSR_KIND_CONFLATED,
	                          TSR_KIND_BROADCAST, TSR_KIND_RENDEZVOUS};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		walked(kinds[i], TSR_SIDE_SENDER);
		walked(kinds[i], TSR_SIDE_RECEIVER);
	}
}
