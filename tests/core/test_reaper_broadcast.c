/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>

#include "core/reaper_drain.h"
#include "shm/broadcast.h"
#include "shm/ticket.h"
#include "shm/waiter.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/shape.h"
#include "tests/support/trip.h"

/*
 * Every state in which a client can leave a broadcast, written by hand as the prologue of
 * broadcast.h says, then reaped twice: everything adds up, readers pass what was not sent, and what
 * somebody holds stays.
 */
#define DEAD     3
#define LIVING   2
#define CAPACITY 4

static struct realm realm;
static struct tsr_channel *channel;
static struct tsr_broadcast_shm *readers;
static uint64_t names[TSR_CELL_ENTRIES]; /* tickets of DEAD */

TestSuite(reaper_broadcast, .timeout = 20);

static void
reaper_broadcast_setup(void)
{
	struct tsr_realm_geometry geometry;

	realm_geometry(&geometry);
	geometry.slots = 4096;
	realm_make(&realm, &geometry);
	channel = realm_channel_of(&realm, shape_broadcast(CAPACITY, 0));
	readers = tsr_broadcast_shm(channel);
	realm.living[LIVING] = realm.living[DEAD] = true;
	test_same(realm_take_cell(&realm, 0, DEAD, names), TSR_CELL_ENTRIES);
}

static struct tsr_reap_result
reap(uint32_t side)
{
	struct tsr_reap_result result, again;

	realm_reap(&realm, DEAD, &channel, &side, 1, &result);
	realm_balanced(&realm);
	realm_reap(&realm, DEAD, &channel, &side, 1, &again);
	test_same(again.slots_voided + again.cursors + again.tickets + again.tokens, 0);
	return result;
}

static void
reaper_broadcast_teardown(void)
{
	for (uint32_t i = 0; i < realm.map.tickets_count; i++)
		cr_assert_neq(tsr_word_holder(atomic_load(&realm.map.tickets[i].word)), DEAD);
	realm_balanced(&realm);
	(void)tsr_reaper_drain(&realm.map, channel);
	test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
	realm_wipe(&realm);
}

/* (SHARED, g); @responsible: 0, it is in a slot. */
static void
shared(uint64_t name, uint16_t responsible)
{
	atomic_store(&realm.map.tickets[tsr_name_index(name)].tag,
	             tsr_tag_shared(channel->id, responsible));
	atomic_store(realm_word(&realm, name), tsr_word_make(tsr_name_generation(name),
	                                                     TSR_TICKET_SHARED, TSR_HOLDER_SHARED));
}

static void
published(uint64_t position, uint64_t name)
{
	shared(name, 0);
	realm_slot(channel, position, 0, TSR_READY, name, 8);
}

static void
cursor(uint32_t number, uint16_t owner, enum tsr_cursor_state state)
{
	atomic_store(&readers->cursor[number].word, tsr_cursor_word(7, owner, state));
	atomic_fetch_or(&readers->reading[number / 64], UINT64_C(1) << number % 64);
}

static void
hold(uint32_t number, uint64_t name)
{
	atomic_store(&readers->cursor[number].hold[1], name);
	atomic_fetch_or(&readers->holding[number / 64], UINT64_C(1) << number % 64);
}

static uint64_t
word_of(uint64_t position)
{
	return atomic_load(&tsr_channel_slot(channel, position)->word);
}

/* A lap is published, and the dead one is at the first position of the next. */
static void
lap_and_claim(uint64_t name)
{
	for (uint64_t i = 0; i < CAPACITY; i++)
		published(i, names[i]);
	realm_slot(channel, CAPACITY, DEAD, TSR_CLAIMED, name, 8);
}

static void
voided(void)
{
	struct tsr_reap_result const result = reap(TSR_SIDE_SENDER);

	test_same(result.slots_voided, 1);
	test_same(word_of(CAPACITY), tsr_slot_word(2, 0, TSR_EMPTY));
	test_same(realm_balanced(&realm).in_channels, CAPACITY - 1);
}

test_case(reaper_broadcast, sender_that_died_with_its_first_slot_claimed)
{
	realm_slot(channel, 0, DEAD, TSR_CLAIMED, TSR_NAME_NONE, 0);
	test_same(reap(TSR_SIDE_SENDER).slots_voided, 1);
	test_same(word_of(0), tsr_slot_word(1, 0, TSR_EMPTY));
}

test_case(reaper_broadcast, sender_that_died_before_it_took_the_old_ticket_out)
{
	lap_and_claim(names[0]);
	voided();
}

test_case(reaper_broadcast, sender_that_died_when_it_had_taken_the_old_ticket_out)
{
	lap_and_claim(names[0]);
	shared(names[0], DEAD);
	voided();
}

test_case(reaper_broadcast, sender_that_died_when_the_slot_named_the_new_ticket)
{
	lap_and_claim(names[9]);
	shared(names[0], DEAD);
	voided();
}

test_case(reaper_broadcast, sender_that_died_when_the_new_ticket_was_shared)
{
	lap_and_claim(names[9]);
	shared(names[0], DEAD);
	shared(names[9], 0);
	voided();
}

test_case(reaper_broadcast, claim_of_a_living_sender_is_left_alone)
{
	realm_slot(channel, 0, LIVING, TSR_CLAIMED, TSR_NAME_NONE, 0);
	test_same(reap(TSR_SIDE_SENDER).slots_voided, 0);
	test_same(word_of(0), tsr_slot_word(0, LIVING, TSR_CLAIMED));
	realm_slot(channel, 0, 0, TSR_EMPTY, TSR_NAME_NONE, 0);
}

test_case(reaper_broadcast, what_a_dead_sender_had_to_free_is_freed_when_nobody_holds_it)
{
	cursor(70, LIVING, TSR_CURSOR_READS);
	shared(names[0], DEAD);
	shared(names[1], DEAD);
	shared(names[2], LIVING);
	hold(70, names[1]);
	(void)reap(TSR_SIDE_SENDER);
	cr_assert(!tsr_word_is_shared(atomic_load(realm_word(&realm, names[0])), names[0]));
	cr_assert(tsr_word_is_shared(atomic_load(realm_word(&realm, names[1])), names[1]));
	cr_assert(tsr_word_is_shared(atomic_load(realm_word(&realm, names[2])), names[2]));
	test_same(realm_balanced(&realm).with_daemon, 1);
	/* The reader gives it back; whoever dies next takes it along. */
	atomic_store(&readers->cursor[70].hold[1], TSR_NAME_NONE);
	shared(names[2], DEAD);
	(void)reap(TSR_SIDE_SENDER);
	cr_assert(!tsr_word_is_shared(atomic_load(realm_word(&realm, names[1])), names[1]));
}

test_case(reaper_broadcast, reader_that_died_is_heeded_no_longer_and_holds_nothing)
{
	cursor(0, LIVING, TSR_CURSOR_READS);
	cursor(1, DEAD, TSR_CURSOR_READS);
	cursor(2, DEAD, TSR_CURSOR_EVICTED);
	atomic_store(&readers->cursor[3].word, tsr_cursor_word(7, DEAD, TSR_CURSOR_READS));
	hold(0, names[0]);
	hold(1, names[1]);
	shared(names[0], TSR_HOLDER_DAEMON);
	shared(names[1], TSR_HOLDER_DAEMON);
	test_same(reap(TSR_SIDE_RECEIVER).cursors, 3);
	test_same(atomic_load(&readers->reading[0]), 1);
	test_same(atomic_load(&readers->holding[0]), 1);
	test_same(atomic_load(&readers->cursor[0].hold[1]), names[0]);
	test_same(atomic_load(&readers->cursor[1].hold[1]), TSR_NAME_NONE);
	for (uint32_t i = 1; i < 4; i++)
		test_same(tsr_cursor_state(atomic_load(&readers->cursor[i].word)), TSR_CURSOR_FREE);
	cr_assert(!tsr_word_is_shared(atomic_load(realm_word(&realm, names[1])), names[1]));
	atomic_store(&readers->cursor[0].hold[1], TSR_NAME_NONE);
}

test_case(reaper_broadcast, crowd_is_woken_though_a_waker_died_between_the_bit_and_the_wake)
{
	uint64_t const before = atomic_load(&channel->tokens->receiver[TSR_TOKEN_CROWD_NUMBER]);

	(void)reap(TSR_SIDE_SENDER);
	test_same(tsr_token_state(before), TSR_TOKEN_CROWD);
	cr_assert_neq(atomic_load(&channel->tokens->receiver[TSR_TOKEN_CROWD_NUMBER]), before);
}
