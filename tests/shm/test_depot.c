/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>
#include <string.h>

#include "shm/depot.h"
#include "shm/ticket.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/realm.h"

#define FULL_CELLS 32 /* of the first class, as formatted */

static struct realm realm;

static void
depot_setup(void)
{
	realm_make(&realm, NULL);
	for (int i = 1; i <= 4; i++)
		realm.living[i] = true;
}

static void
depot_teardown(void)
{
	realm_balanced(&realm);
	realm_wipe(&realm);
}

TestSuite(depot, .timeout = 20);

static void
give_back(uint16_t me, uint64_t const *names, uint32_t count)
{
	test_ok(tsr_depot_fill(&realm.map, 0, me, names, count));
}

test_case(depot, taken_tickets_are_the_takers_with_the_next_generation)
{
	uint64_t names[TSR_CELL_ENTRIES];
	uint32_t const count = tsr_depot_take(&realm.map, 0, 1, names);

	test_same(count, TSR_CELL_ENTRIES);
	for (uint32_t i = 0; i < count; i++) {
		test_same(tsr_name_generation(names[i]), 2);
		test_same(atomic_load(realm_word(&realm, names[i])),
		          tsr_word_make(2, TSR_TICKET_IDLE, 1));
	}
	test_same(realm_balanced(&realm).with_clients, count);
	give_back(1, names, count);
	test_same(realm_balanced(&realm).with_clients, 0);
}

test_case(depot, exhausted_class_gives_nothing_and_recovers_when_tickets_come_back)
{
	static uint64_t names[FULL_CELLS][TSR_CELL_ENTRIES];
	uint64_t more[TSR_CELL_ENTRIES];

	for (int i = 0; i < FULL_CELLS; i++)
		test_same(tsr_depot_take(&realm.map, 0, 1, names[i]), TSR_CELL_ENTRIES);
	test_same(tsr_depot_take(&realm.map, 0, 2, more), 0);
	test_same(realm_balanced(&realm).with_clients, FULL_CELLS * TSR_CELL_ENTRIES);
	give_back(1, names[2], 7);
	test_same(tsr_depot_take(&realm.map, 0, 2, more), 7);
	for (int i = 0; i < 7; i++) {
		test_same(tsr_name_index(more[i]), tsr_name_index(names[2][i]));
		test_same(tsr_word_holder(atomic_load(realm_word(&realm, more[i]))), 2);
	}
	give_back(2, more, 7);
	give_back(1, names[2] + 7, TSR_CELL_ENTRIES - 7);
	for (int i = 0; i < FULL_CELLS; i++) {
		if (i != 2)
			give_back(1, names[i], TSR_CELL_ENTRIES);
	}
	test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
}

/* Or a realm whose tickets are nearly all in use would be searched from the start for each few. */
Test(depot_large, who_is_beyond_the_first_cells_goes_on_where_it_was, .timeout = 20)
{
	enum {
		CELLS = 256,
		NEAR = 128,
		TAKEN = 200
	};

	static uint64_t names[CELLS][TSR_CELL_ENTRIES];
	struct tsr_realm_geometry geometry;
	uint64_t more[TSR_CELL_ENTRIES];

	realm_geometry(&geometry);
	geometry.klass[0].count = CELLS * TSR_CELL_ENTRIES;
	realm_make(&realm, &geometry);
	for (int i = 1; i <= 4; i++)
		realm.living[i] = true;
	for (int i = 0; i < TAKEN; i++)
		test_same(tsr_depot_take(&realm.map, 0, 1, names[i]), TSR_CELL_ENTRIES);
	/* What is near is full again, and so is the first cell beyond it. */
	for (int i = 0; i < NEAR + 1; i++)
		give_back(1, names[i], TSR_CELL_ENTRIES);
	for (int i = 0; i < NEAR; i++)
		test_same(tsr_depot_take(&realm.map, 0, 1, names[i]), TSR_CELL_ENTRIES);
	/* One that nobody has had yet: the next after those that were taken before. */
	test_same(tsr_depot_take(&realm.map, 0, 1, more), TSR_CELL_ENTRIES);
	test_same(tsr_name_index(more[0]), TAKEN * TSR_CELL_ENTRIES);
	/* And none is passed over for good. */
	give_back(1, more, TSR_CELL_ENTRIES);
	for (int i = 0; i < NEAR; i++)
		give_back(1, names[i], TSR_CELL_ENTRIES);
	for (int i = NEAR + 1; i < TAKEN; i++)
		give_back(1, names[i], TSR_CELL_ENTRIES);
	for (int i = 0; i < CELLS; i++)
		test_same(tsr_depot_take(&realm.map, 0, 1, names[i]), TSR_CELL_ENTRIES);
	test_same(tsr_depot_take(&realm.map, 0, 1, more), 0);
	for (int i = 0; i < CELLS; i++)
		give_back(1, names[i], TSR_CELL_ENTRIES);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

test_case(depot, other_classes_are_not_touched)
{
	uint64_t names[TSR_CELL_ENTRIES];

	/* A class with few tickets passes them on in small numbers. */
	test_same(tsr_depot_take(&realm.map, 1, 1, names), 2);
	for (int i = 0; i < 2; i++)
		cr_assert_geq(tsr_name_index(names[i]), 1024);
	test_ok(tsr_depot_fill(&realm.map, 1, 1, names, 2));
}

test_case(depot, full_depot_refuses_and_the_tickets_stay_with_their_holder)
{
	uint32_t const cells = realm.map.klass[0].cells;
	uint64_t names[TSR_CELL_ENTRIES];
	uint32_t filled = 0, spare = 0;

	test_same(tsr_depot_take(&realm.map, 0, 1, names), TSR_CELL_ENTRIES);
	uint64_t more[TSR_CELL_ENTRIES];

	test_same(tsr_depot_take(&realm.map, 0, 1, more), TSR_CELL_ENTRIES);
	/* One ticket a cell, until no cell is empty. */
	while (filled < TSR_CELL_ENTRIES &&
	       tsr_depot_fill(&realm.map, 0, 1, &names[filled], 1) == 0)
		filled++;
	for (uint32_t i = 0; filled == TSR_CELL_ENTRIES && i < TSR_CELL_ENTRIES &&
	                     tsr_depot_fill(&realm.map, 0, 1, &more[i], 1) == 0;
	     i++)
		spare = i + 1;
	test_same(filled + spare, cells - (FULL_CELLS - 2));
	test_is(tsr_depot_fill(&realm.map, 0, 1, &more[spare], 1), -ENOBUFS);
	test_same(tsr_word_holder(atomic_load(realm_word(&realm, more[spare]))), 1);
	test_same(realm_balanced(&realm).with_clients, TSR_CELL_ENTRIES - spare);
}

test_case(depot, cells_in_the_hands_of_others_are_passed_over)
{
	_Atomic uint64_t *words = tsr_map_cell_words(&realm.map, 0);
	uint64_t const first = atomic_load(&words[0]);
	uint64_t const fifth = atomic_load(&words[4]);
	uint64_t names[TSR_CELL_ENTRIES];

	atomic_store(&words[0], tsr_slot_word(0, 2, TSR_TAKEN));
	atomic_store(&words[4], tsr_slot_word(0, 2, TSR_CLAIMED));
	test_same(tsr_depot_take(&realm.map, 0, 1, names), TSR_CELL_ENTRIES);
	test_same(tsr_name_index(names[0]), TSR_CELL_ENTRIES);
	give_back(1, names, TSR_CELL_ENTRIES);
	test_same(atomic_load(&words[0]), tsr_slot_word(0, 2, TSR_TAKEN));
	test_same(atomic_load(&words[4]), tsr_slot_word(0, 2, TSR_CLAIMED));
	atomic_store(&words[0], first);
	atomic_store(&words[4], fifth);
}

test_case(depot, lap_of_a_cell_moves_with_each_round_so_an_old_word_never_matches)
{
	_Atomic uint64_t *words = tsr_map_cell_words(&realm.map, 0);
	uint64_t names[TSR_CELL_ENTRIES];

	for (uint64_t lap = 0; lap < 100; lap++) {
		test_same(atomic_load(&words[0]), tsr_slot_word(lap, 0, TSR_READY));
		test_same(tsr_depot_take(&realm.map, 0, 1, names), TSR_CELL_ENTRIES);
		give_back(1, names, TSR_CELL_ENTRIES);
	}
	test_same(tsr_name_generation(names[0]), 200);
}

test_case(depot, forged_entries_are_passed_over)
{
	struct tsr_cell *cell = &tsr_map_cells(&realm.map, 0)[0];
	uint64_t names[TSR_CELL_ENTRIES], saved[4];

	for (int i = 0; i < 4; i++)
		saved[i] = atomic_load(&cell->entry[i]);
	atomic_store(&cell->entry[0], tsr_name_make(realm.map.tickets_count, 1));
	atomic_store(&cell->entry[1], tsr_name_make(1, 99));
	atomic_store(&cell->entry[2], tsr_name_make(1050, 1)); /* of another class */
	atomic_store(&cell->entry[3], UINT64_MAX);
	test_same(tsr_depot_take(&realm.map, 0, 1, names), TSR_CELL_ENTRIES - 4);
	for (int i = 0; i < TSR_CELL_ENTRIES - 4; i++)
		test_same(tsr_name_index(names[i]), (uint32_t)i + 4);
	/* What the forger lost is lost; put it right so that the rest can be counted. */
	for (uint32_t i = 0; i < 4; i++) {
		test_same(atomic_load(realm_word(&realm, saved[i])),
		          tsr_word_make(1, TSR_TICKET_IDLE, TSR_HOLDER_FREE));
		atomic_store(realm_word(&realm, saved[i]), tsr_word_make(1, TSR_TICKET_IDLE, 1));
	}
	give_back(1, names, TSR_CELL_ENTRIES - 4);
	give_back(1, saved, 4);
}

test_case(depot, an_entry_listed_twice_is_given_out_once)
{
	struct tsr_cell *cell = &tsr_map_cells(&realm.map, 0)[0];
	uint64_t const lost = atomic_load(&cell->entry[1]);
	uint64_t names[TSR_CELL_ENTRIES];

	atomic_store(&cell->entry[1], atomic_load(&cell->entry[0]));
	cr_assert(!realm_count(&realm).balanced, "the ledger overlooks an entry listed twice");
	test_same(tsr_depot_take(&realm.map, 0, 1, names), TSR_CELL_ENTRIES - 1);
	atomic_store(realm_word(&realm, lost), tsr_word_make(1, TSR_TICKET_IDLE, 1));
	give_back(1, names, TSR_CELL_ENTRIES - 1);
	give_back(1, &lost, 1);
}

test_case(depot, wraps_of_lap_and_generation_lose_nothing)
{
	struct tsr_realm_geometry geometry;
	uint64_t names[TSR_CELL_ENTRIES];

	realm_wipe(&realm);
	realm_geometry(&geometry);
	geometry.first_lap = TSR_LAP_MASK - 1;
	geometry.first_generation = TSR_GENERATION_MASK - 2;
	realm_make(&realm, &geometry);
	realm.living[1] = true;
	for (int round = 0; round < 20; round++) {
		test_same(tsr_depot_take(&realm.map, 0, 1, names), TSR_CELL_ENTRIES);
		realm_balanced(&realm);
		give_back(1, names, TSR_CELL_ENTRIES);
		realm_balanced(&realm);
	}
	test_same(tsr_slot_lap(atomic_load(tsr_map_cell_words(&realm.map, 0))), 18);
	test_same(tsr_name_generation(names[0]),
	          (TSR_GENERATION_MASK - 2 + 39) & TSR_GENERATION_MASK);
}

Test(ticket, zdesc_of_another_holder_or_generation_is_stale)
{
	uint64_t names[TSR_CELL_ENTRIES];
	struct tsr_ticket *ticket = NULL;
	uint64_t name;

	depot_setup();
	test_same(tsr_depot_take(&realm.map, 0, 1, names), TSR_CELL_ENTRIES);
	name = names[3];
	test_ok(tsr_ticket_own(&realm.map, name, 1, &ticket));
	cr_assert_eq(&ticket->word, realm_word(&realm, name));
	ticket = NULL;
	test_is(tsr_ticket_own(&realm.map, name, 2, &ticket), -ESTALE);
	test_is(tsr_ticket_own(&realm.map, name - (1 << TSR_TICKET_INDEX_BITS), 1, &ticket),
	        -ESTALE);
	test_is(tsr_ticket_own(&realm.map, name + (1 << TSR_TICKET_INDEX_BITS), 1, &ticket),
	        -ESTALE);
	test_is(tsr_ticket_own(&realm.map, tsr_name_make(realm.map.tickets_count, 2), 1, &ticket),
	        -EINVAL);
	test_is(tsr_ticket_own(&realm.map, UINT64_MAX, 1, &ticket), -EINVAL);
	cr_assert_null(ticket);
	give_back(1, names, TSR_CELL_ENTRIES);
	depot_teardown();
}

Test(ticket, range_is_checked_in_64_bits)
{
	struct tsr_block const block = {.capacity = 256};

	cr_assert(tsr_block_holds(&block, tsr_range_make(0, 256)));
	cr_assert(tsr_block_holds(&block, tsr_range_make(256, 0)));
	cr_assert(tsr_block_holds(&block, tsr_range_make(255, 1)));
	cr_assert(!tsr_block_holds(&block, tsr_range_make(0, 257)));
	cr_assert(!tsr_block_holds(&block, tsr_range_make(256, 1)));
	cr_assert(!tsr_block_holds(&block, tsr_range_make(UINT32_MAX, 1)));
	cr_assert(!tsr_block_holds(&block, tsr_range_make(1, UINT32_MAX)));
	cr_assert(!tsr_block_holds(&block, tsr_range_make(UINT32_MAX, UINT32_MAX)));
	cr_assert(!tsr_block_holds(&block, tsr_range_make(0x80000000, 0x80000000)));
}

/* Take and fill as fast as one can. Half of the children are killed by the test meanwhile. */
static int
churn(struct child_report *report, void *arg)
{
	uint16_t const me = *(uint16_t *)arg;
	uint64_t names[TSR_CELL_ENTRIES];

	for (uint64_t round = 0; round < 30000; round++) {
		uint32_t const count = tsr_depot_take(&realm.map, 0, me, names);

		for (uint32_t i = 0; i < count; i++)
			child_check(report,
			            tsr_word_holder(tsr_ld_rlx(realm_word(&realm, names[i]))) == me,
			            "a ticket was given out twice");
		if (count != 0)
			child_ok(report, tsr_depot_fill(&realm.map, 0, me, names, count));
	}
	return 0;
}

test_case_within(depot, four_processes_never_get_the_same_ticket, 60)
{
	struct child child[4];
	uint16_t id[4] = {1, 2, 3, 4};

	for (int i = 0; i < 4; i++)
		child_start(&child[i], churn, &id[i]);
	for (int i = 0; i < 4; i++)
		child_join(&child[i]);
	test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
}

test_case_within(depot, processes_killed_while_they_take_and_fill_are_repaired, 60)
{
	uint64_t seed = test_seed();
	struct tsr_reap_result result;
	uint16_t id = 1;

	for (int round = 0; round < 200; round++) {
		struct child child;
		uint64_t const spins = test_random(&seed) % 20000;

		child_start(&child, churn, &id);
		for (uint64_t i = 0; i < spins; i++)
			tsr_cpu_relax();
		child_kill(&child, SIGKILL);
		realm_reap(&realm, id, NULL, NULL, 0, &result);
		test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
	}
}
