/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>

#include "core/ledger.h"
#include "shm/waiter.h"
#include "tests/support/check.h"
#include "tests/support/realm.h"

/* Each way in which a realm can fail to add up is made once, and must be seen. */

static struct realm realm;
static struct tsr_channel *channel;
static uint64_t names[TSR_CELL_ENTRIES];

static void
ledger_setup(void)
{
	realm_make(&realm, NULL);
	channel = realm_channel(&realm, 8, 0);
	realm.living[1] = true;
	test_same(realm_take_cell(&realm, 0, 1, names), TSR_CELL_ENTRIES);
	realm_balanced(&realm);
}

static void
ledger_teardown(void)
{
	realm_wipe(&realm);
}

TestSuite(ledger, .timeout = 20);

static struct tsr_ledger
unbalanced(void)
{
	struct tsr_ledger const ledger = realm_count(&realm);

	cr_assert(!ledger.balanced, "the ledger overlooked it");
	cr_assert_str_not_empty(ledger.text);
	return ledger;
}

test_case(ledger, tickets_of_the_living_and_messages_in_channels_are_counted_apart)
{
	struct tsr_ledger ledger;

	realm_stamp_channel(&realm, names[0], channel);
	realm_slot(channel, 0, 0, TSR_READY, names[0], 10);
	ledger = realm_balanced(&realm);
	test_same(ledger.in_channels, 1);
	test_same(ledger.with_clients, TSR_CELL_ENTRIES - 1);
	test_same(ledger.in_depot, realm.map.tickets_count - TSR_CELL_ENTRIES);
	test_same(ledger.with_daemon, 0);
	test_same(ledger.tickets, realm.map.tickets_count);
}

test_case(ledger, ticket_of_the_daemon_is_accounted_for)
{
	atomic_store(realm_word(&realm, names[0]),
	             tsr_word_make(9, TSR_TICKET_IDLE, TSR_HOLDER_DAEMON));
	test_same(realm_balanced(&realm).with_daemon, 1);
}

test_case(ledger, ticket_of_a_client_that_is_not_there_is_lost)
{
	atomic_store(realm_word(&realm, names[0]), tsr_word_make(9, TSR_TICKET_IDLE, 2));
	test_same(unbalanced().lost, 1);
}

test_case(ledger, ticket_of_a_holder_that_cannot_be_is_lost)
{
	atomic_store(realm_word(&realm, names[0]), tsr_word_make(9, TSR_TICKET_IDLE, 0x9999));
	test_same(unbalanced().lost, 1);
}

test_case(ledger, free_ticket_that_no_cell_lists_is_lost)
{
	atomic_store(realm_word(&realm, names[0]),
	             tsr_word_make(9, TSR_TICKET_IDLE, TSR_HOLDER_FREE));
	test_same(unbalanced().lost, 1);
}

test_case(ledger, listed_ticket_of_another_generation_is_lost)
{
	struct tsr_cell const *cell = &tsr_map_cells(&realm.map, 0)[3];
	uint64_t const name = atomic_load(&cell->entry[5]);

	atomic_store(realm_word(&realm, name), tsr_word_make(77, TSR_TICKET_IDLE, TSR_HOLDER_FREE));
	test_same(unbalanced().lost, 1);
}

test_case(ledger, ticket_that_two_cells_list_is_noticed)
{
	struct tsr_cell *cell = tsr_map_cells(&realm.map, 0);

	atomic_store(&cell[3].entry[5], atomic_load(&cell[4].entry[5]));
	unbalanced();
}

test_case(ledger, channel_ticket_that_no_slot_names_is_lost)
{
	realm_stamp_channel(&realm, names[0], channel);
	test_same(unbalanced().lost, 1);
}

test_case(ledger, channel_ticket_that_two_slots_name_is_noticed)
{
	realm_stamp_channel(&realm, names[0], channel);
	realm_slot(channel, 0, 0, TSR_READY, names[0], 10);
	realm_slot(channel, 1, 0, TSR_READY, names[0], 10);
	unbalanced();
}

test_case(ledger, slot_that_names_a_ticket_of_a_client_is_noticed)
{
	realm_slot(channel, 0, 0, TSR_READY, names[0], 10);
	unbalanced();
}

test_case(ledger, slot_claimed_or_taken_by_the_dead_is_noticed)
{
	realm_slot(channel, 0, 3, TSR_CLAIMED, TSR_NAME_NONE, 0);
	test_same(unbalanced().slots_claimed, 1);
	realm_slot(channel, 1, 3, TSR_TAKEN, TSR_NAME_NONE, 0);
	test_same(unbalanced().slots_claimed, 2);
}

test_case(ledger, depot_cell_in_the_hands_of_the_dead_is_noticed)
{
	_Atomic uint64_t *words = tsr_map_cell_words(&realm.map, 0);

	atomic_store(&words[40], tsr_slot_word(0, 3, TSR_CLAIMED));
	test_same(unbalanced().slots_claimed, 1);
}

test_case(ledger, token_of_the_dead_is_noticed)
{
	atomic_store(&channel->tokens->receiver[4], tsr_token_make(TSR_TOKEN_ENQUEUED, 1, 3, 0));
	test_same(unbalanced().tokens_stray, 1);
}

test_case(ledger, token_claimed_by_the_dead_is_noticed)
{
	atomic_store(&channel->tokens->sender[4], tsr_token_make(TSR_TOKEN_CLAIMED, 1, 1, 3));
	atomic_store(&channel->shm->senders_waiting, 1 << 4);
	test_same(unbalanced().tokens_stray, 1);
}

test_case(ledger, bit_of_a_waiter_without_a_token_is_noticed)
{
	atomic_store(&channel->shm->receivers_waiting, 1 << 9);
	test_same(unbalanced().tokens_stray, 1);
}

test_case(ledger, random_memory_is_survived_and_never_balances)
{
	uint64_t seed = test_seed();

	for (uint32_t s = TSR_SEGMENT_CHANNELS; s <= TSR_SEGMENT_TOKENS; s++) {
		_Atomic uint64_t *words = realm.map.segment[s].base;

		if (s == TSR_SEGMENT_BLOCKS)
			continue; /* the daemon's own */
		for (uint64_t i = 0; i < realm.map.segment[s].bytes / sizeof(*words); i++)
			atomic_store_explicit(&words[i], test_random(&seed), memory_order_relaxed);
	}
	unbalanced();
}
