/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>

#include "core/reaper_drain.h"
#include "tests/support/check.h"
#include "tests/support/realm.h"

/*
 * Tickets of regions in every state in which a dead client can leave them, written by hand as the
 * prologues of channel.h and region.h say; swept, and given back to their region, twice.
 */
#define DEAD    3
#define LIVING  2
#define TICKETS 8

static struct realm realm;
static struct tsr_channel *channel;
static uint32_t first; /* ticket of regions */

static void
setup(void)
{
	struct tsr_realm_geometry geometry;

	realm_geometry(&geometry);
	geometry.regions = 2;
	geometry.region_tickets = TICKETS;
	realm_make(&realm, &geometry);
	channel = realm_channel(&realm, 8, 0);
	realm.living[LIVING] = true;
	realm.living[DEAD] = true;
	first = realm.map.tickets_count;
	test_same(realm.map.tickets_all, first + TICKETS);
	test_same(realm_balanced(&realm).in_regions, TICKETS);
	/* A region of the first six. */
	test_same(tsr_reaper_region(&realm.map, first, 6, true), 0);
	realm_balanced(&realm);
}

static void
teardown(void)
{
	realm_wipe(&realm);
}

TestSuite(region, .init = setup, .fini = teardown, .timeout = 20);

static uint64_t
word_of(uint32_t i)
{
	return atomic_load(&realm.map.tickets[first + i].word);
}

static uint16_t
holder_of(uint32_t i)
{
	return tsr_word_holder(word_of(i));
}

/* Ticket @i is @holder's; return its name. */
static uint64_t
hold(uint32_t i, enum tsr_ticket_kind kind, uint16_t holder)
{
	uint64_t const generation = tsr_word_generation(word_of(i)) + 1;

	atomic_store(&realm.map.tickets[first + i].word, tsr_word_make(generation, kind, holder));
	return tsr_name_make(first + i, generation);
}

/* The death of DEAD, an end of @side, and what the daemon does about the region. */
static uint32_t
reap(uint32_t side, bool open)
{
	struct tsr_reap_result result;

	realm_reap(&realm, DEAD, &channel, &side, 1, &result);
	return tsr_reaper_region(&realm.map, first, 6, open);
}

Test(region, fresh_one_is_its_owners_to_take_and_no_other_is)
{
	for (uint32_t i = 0; i < TICKETS; i++)
		test_same(holder_of(i), i < 6 ? TSR_HOLDER_FREE : TSR_HOLDER_DAEMON);
}

Test(region, what_the_dead_held_is_free_again_in_another_generation)
{
	uint64_t const held = hold(0, TSR_TICKET_IDLE, DEAD);
	uint64_t const received = hold(1, TSR_TICKET_RECEIVED, DEAD);

	(void)hold(2, TSR_TICKET_RECEIVED, LIVING);
	for (unsigned again = 0; again < 2; again++) {
		test_same(reap(TSR_SIDE_RECEIVER, true), 1);
		test_same(holder_of(0), TSR_HOLDER_FREE);
		test_same(holder_of(1), TSR_HOLDER_FREE);
		test_same(holder_of(2), LIVING);
		test_same(tsr_word_generation(word_of(0)), tsr_name_generation(held) + 2);
		test_same(tsr_word_generation(word_of(1)), tsr_name_generation(received) + 2);
	}
	(void)hold(2, TSR_TICKET_IDLE, TSR_HOLDER_FREE);
	realm_balanced(&realm);
}

Test(region, what_the_dead_had_claimed_a_slot_for_is_free_again)
{
	uint64_t const name = hold(0, TSR_TICKET_IDLE, DEAD);
	uint64_t const position = tsr_channel_find(channel);

	realm_slot(channel, position, DEAD, TSR_CLAIMED, name, 10);
	realm_stamp_channel(&realm, name, channel);
	test_same(reap(TSR_SIDE_SENDER, true), 0);
	test_same(holder_of(0), TSR_HOLDER_FREE);
	realm_balanced(&realm);
}

Test(region, what_the_dead_had_taken_and_stamped_is_ready_again)
{
	uint64_t const name = hold(0, TSR_TICKET_IDLE, LIVING);
	uint64_t const position = tsr_channel_find(channel);

	realm_slot(channel, position, DEAD, TSR_TAKEN, name, 10);
	atomic_store(&realm.map.tickets[first].word,
	             tsr_word_make(tsr_name_generation(name) + 1, TSR_TICKET_RECEIVED, DEAD));
	test_same(reap(TSR_SIDE_RECEIVER, true), 1);
	test_same(holder_of(0), TSR_HOLDER_CHANNEL);
	test_same(realm_balanced(&realm).in_channels, 1);
	test_same(tsr_reaper_drain(&realm.map, channel), 1);
	test_same(tsr_reaper_region(&realm.map, first, 6, true), 0);
	test_same(holder_of(0), TSR_HOLDER_FREE);
	realm_balanced(&realm);
}

Test(region, closing_one_takes_what_is_free_and_counts_the_rest)
{
	(void)hold(0, TSR_TICKET_IDLE, DEAD);
	(void)hold(1, TSR_TICKET_RECEIVED, LIVING);
	/* The dead one's is back with the daemon, and stays there. */
	for (unsigned again = 0; again < 2; again++) {
		test_same(reap(TSR_SIDE_SENDER, false), 1);
		for (uint32_t i = 0; i < TICKETS; i++)
			test_same(holder_of(i), i == 1 ? LIVING : TSR_HOLDER_DAEMON);
	}
	/* A release in the meantime. */
	(void)hold(1, TSR_TICKET_IDLE, TSR_HOLDER_FREE);
	test_same(tsr_reaper_region(&realm.map, first, 6, false), 0);
	test_same(holder_of(1), TSR_HOLDER_DAEMON);
	test_same(realm_balanced(&realm).in_regions, TICKETS);
}

Test(region, words_that_cannot_be_are_out_and_touched_by_nobody)
{
	uint64_t seed = test_seed();

	for (unsigned round = 0; round < 1000; round++) {
		uint64_t const word = test_random(&seed);
		uint16_t const holder = tsr_word_holder(word);

		if (holder == TSR_HOLDER_FREE || holder == TSR_HOLDER_DAEMON)
			continue;
		atomic_store(&realm.map.tickets[first + 5].word, word);
		test_same(tsr_reaper_region(&realm.map, first, 6, round % 2 == 0), 1);
		test_same(word_of(5), word);
	}
	atomic_store(&realm.map.tickets[first + 5].word,
	             tsr_word_make(1, TSR_TICKET_IDLE, TSR_HOLDER_FREE));
	realm_balanced(&realm);
}

Test(region, a_regions_ticket_named_by_a_depot_does_not_balance)
{
	_Atomic uint64_t *const words = tsr_map_cell_words(&realm.map, 0);

	(void)tsr_reaper_region(&realm.map, first, 6, true);
	atomic_store(&tsr_map_cells(&realm.map, 0)[0].entry[0],
	             tsr_name_make(first, tsr_word_generation(word_of(0))));
	test_same(tsr_slot_phase(atomic_load(&words[0])), TSR_READY);
	cr_assert(!realm_count(&realm).balanced);
}
