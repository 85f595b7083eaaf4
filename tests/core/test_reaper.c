/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/reaper_drain.h"
#include "shm/ask.h"
#include "shm/waiter.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/realm.h"
#include "tests/support/trip.h"

/*
 * Every state in which a client can leave a realm, written by hand as the prologues of channel.h,
 * depot.h and waiter.h say, then reaped twice. Afterwards everything adds up, what was sent is
 * there or accounted for, and messages go through as before.
 *
 * DEAD is the client that died, LIVING another one that is in the middle of things.
 */
#define DEAD   3
#define LIVING 2

static struct realm realm;
static struct tsr_channel *channel;
static uint64_t names[TSR_CELL_ENTRIES]; /* tickets of DEAD */
static uint64_t start;                   /* position of the first message */

static void
setup_shape(uint32_t flags, uint64_t first_lap)
{
	struct tsr_realm_geometry geometry;

	realm_geometry(&geometry);
	geometry.first_lap = first_lap;
	realm_make(&realm, &geometry);
	channel = realm_channel(&realm, 8, flags);
	realm.living[LIVING] = true;
	realm.living[DEAD] = true;
	test_same(realm_take_cell(&realm, 0, DEAD, names), TSR_CELL_ENTRIES);
	start = tsr_channel_find(channel);
	test_same(tsr_channel_lap(channel, start), first_lap);
	realm_balanced(&realm);
}

static void
setup(void)
{
	setup_shape(0, 0);
}

static void
reap(uint32_t side, struct tsr_reap_result *result)
{
	realm_reap(&realm, DEAD, &channel, &side, 1, result);
}

/* Reap once more, which must change nothing; then use the realm. */
static void
sound_after(uint32_t side, uint32_t messages)
{
	struct tsr_ledger const first = realm_balanced(&realm);
	struct tsr_reap_result again;
	struct tsr_ledger second;

	test_same(first.in_channels, messages);
	reap(side, &again);
	test_same(again.slots_voided + again.slots_restored + again.cells + again.tickets +
	                  again.tokens,
	          0);
	second = realm_balanced(&realm);
	test_same(second.in_channels, first.in_channels);
	test_same(second.in_depot, first.in_depot);
	for (uint32_t i = 0; i < realm.map.tickets_count; i++)
		cr_assert_neq(tsr_word_holder(atomic_load(&realm.map.tickets[i].word)), DEAD);
	trip_round(&realm, channel, messages, 50);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

static void
slot_is(uint64_t position, uint64_t lap, uint16_t owner, enum tsr_phase phase)
{
	test_same(atomic_load(&tsr_channel_slot(channel, position)->word),
	          tsr_slot_word(lap, owner, phase));
}

static void
word_is(uint64_t name, uint64_t generation, uint16_t holder)
{
	uint64_t const word = atomic_load(realm_word(&realm, name));

	test_same(tsr_word_generation(word), generation);
	test_same(tsr_word_holder(word), holder);
}

/* A message of DEAD, sent and published. */
static void
published(uint64_t position, uint64_t name)
{
	realm_stamp_channel(&realm, name, channel);
	realm_slot(channel, position, 0, TSR_READY, name, 10);
}

/* A receive of @position that got as far as the stamp. */
static void
stamped(uint64_t name)
{
	uint64_t const g = tsr_generation_next(tsr_name_generation(name));

	atomic_store(realm_word(&realm, name), tsr_word_make(g, TSR_TICKET_RECEIVED, DEAD));
}

TestSuite(reaper, .init = setup, .timeout = 20);

Test(reaper, client_that_died_idle_gives_back_its_tickets)
{
	struct tsr_reap_result result;

	realm_reap(&realm, DEAD, NULL, NULL, 0, &result);
	test_same(result.tickets, TSR_CELL_ENTRIES);
	test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
	word_is(names[0], tsr_name_generation(names[0]) + 2, TSR_HOLDER_FREE);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, slot_claimed_before_its_zdesc_is_passed_over)
{
	struct tsr_reap_result result;

	realm_slot(channel, start, DEAD, TSR_CLAIMED, TSR_NAME_NONE, 0);
	reap(TSR_SIDE_SENDER, &result);
	test_same(result.slots_voided, 1);
	slot_is(start, 1, 0, TSR_EMPTY);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, slot_claimed_with_its_zdesc_and_not_the_ticket_is_passed_over)
{
	struct tsr_reap_result result;

	realm_slot(channel, start, DEAD, TSR_CLAIMED, names[0], 10);
	reap(TSR_SIDE_SENDER, &result);
	test_same(result.slots_voided, 1);
	test_same(result.tickets, TSR_CELL_ENTRIES);
	slot_is(start, 1, 0, TSR_EMPTY);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, slot_claimed_with_its_ticket_given_away_is_passed_over_and_the_ticket_freed)
{
	struct tsr_reap_result result;

	realm_slot(channel, start, DEAD, TSR_CLAIMED, names[0], 10);
	realm_stamp_channel(&realm, names[0], channel);
	reap(TSR_SIDE_SENDER, &result);
	test_same(result.slots_voided, 1);
	slot_is(start, 1, 0, TSR_EMPTY);
	/* Once for the reaper, once for the depot: no zdesc of it matches any more. */
	word_is(names[0], tsr_name_generation(names[0]) + 2, TSR_HOLDER_FREE);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, slot_claimed_over_an_old_zdesc_does_not_free_the_living_message_of_that_ticket)
{
	uint64_t const old =
		tsr_name_make(tsr_name_index(names[0]), tsr_name_generation(names[0]) - 1);
	struct tsr_reap_result result;

	published(start, names[0]);
	realm_slot(channel, start + 1, DEAD, TSR_CLAIMED, old, 10);
	reap(TSR_SIDE_SENDER, &result);
	slot_is(start, 0, 0, TSR_READY);
	word_is(names[0], tsr_name_generation(names[0]), TSR_HOLDER_CHANNEL);
	slot_is(start + 1, 1, 0, TSR_EMPTY);
	sound_after(TSR_SIDE_SENDER, 1);
}

Test(reaper, claimed_slots_between_published_ones_are_passed_over_and_the_rest_is_received)
{
	struct tsr_reap_result result;

	published(start, names[0]);
	realm_slot(channel, start + 1, DEAD, TSR_CLAIMED, names[1], 10);
	realm_stamp_channel(&realm, names[1], channel);
	published(start + 2, names[2]);
	realm_slot(channel, start + 3, DEAD, TSR_CLAIMED, TSR_NAME_NONE, 0);
	published(start + 4, names[4]);
	reap(TSR_SIDE_SENDER, &result);
	test_same(result.slots_voided, 2);
	sound_after(TSR_SIDE_SENDER, 3);
}

Test(reaper, slot_claimed_by_a_living_sender_stays_claimed)
{
	uint64_t mine[TSR_CELL_ENTRIES];
	struct tsr_reap_result result;

	test_same(realm_take_cell(&realm, 0, LIVING, mine), TSR_CELL_ENTRIES);
	realm_slot(channel, start, LIVING, TSR_CLAIMED, mine[0], 10);
	reap(TSR_SIDE_SENDER, &result);
	test_same(result.slots_voided, 0);
	slot_is(start, 0, LIVING, TSR_CLAIMED);
	word_is(mine[0], tsr_name_generation(mine[0]), LIVING);
	/* It goes on and publishes. */
	realm_stamp_channel(&realm, mine[0], channel);
	realm_slot(channel, start, 0, TSR_READY, mine[0], 10);
	sound_after(TSR_SIDE_SENDER, 1);
}

Test(reaper, slot_taken_before_the_stamp_is_ready_again)
{
	struct tsr_reap_result result;

	published(start, names[0]);
	realm_slot(channel, start, DEAD, TSR_TAKEN, names[0], 10);
	reap(TSR_SIDE_RECEIVER, &result);
	test_same(result.slots_restored, 1);
	slot_is(start, 0, TSR_READY_AGAIN, TSR_READY);
	word_is(names[0], tsr_name_generation(names[0]), TSR_HOLDER_CHANNEL);
	cr_assert_neq(atomic_load(&channel->shm->redo), 0,
	              "receivers that are past must look back");
	sound_after(TSR_SIDE_RECEIVER, 1);
}

Test(reaper, slot_taken_after_the_stamp_is_ready_again_with_its_old_generation)
{
	struct tsr_reap_result result;

	published(start, names[0]);
	stamped(names[0]);
	realm_slot(channel, start, DEAD, TSR_TAKEN, names[0], 10);
	reap(TSR_SIDE_RECEIVER, &result);
	test_same(result.slots_restored, 1);
	slot_is(start, 0, TSR_READY_AGAIN, TSR_READY);
	word_is(names[0], tsr_name_generation(names[0]), TSR_HOLDER_CHANNEL);
	sound_after(TSR_SIDE_RECEIVER, 1);
}

Test(reaper, slot_taken_with_a_ticket_that_is_not_there_becomes_empty)
{
	struct tsr_reap_result result;

	realm_slot(channel, start, DEAD, TSR_TAKEN, tsr_name_make(TSR_TICKETS_MAX, 5), 10);
	realm_slot(channel, start + 1, DEAD, TSR_TAKEN, TSR_NAME_NONE, 10);
	reap(TSR_SIDE_RECEIVER, &result);
	slot_is(start, 1, 0, TSR_EMPTY);
	slot_is(start + 1, 1, 0, TSR_EMPTY);
	sound_after(TSR_SIDE_RECEIVER, 0);
}

Test(reaper, message_received_before_the_death_is_gone_with_its_receiver)
{
	struct tsr_reap_result result;

	published(start, names[0]);
	stamped(names[0]);
	atomic_store(&tsr_channel_slot(channel, start)->word,
	             tsr_slot_word(tsr_channel_lap(channel, start) + 1, 0, TSR_EMPTY));
	reap(TSR_SIDE_RECEIVER, &result);
	test_same(result.slots_restored, 0);
	test_same(result.tickets, TSR_CELL_ENTRIES);
	sound_after(TSR_SIDE_RECEIVER, 0);
}

Test(reaper, slot_taken_by_a_living_receiver_stays_taken)
{
	struct tsr_reap_result result;

	published(start, names[0]);
	realm_slot(channel, start, LIVING, TSR_TAKEN, names[0], 10);
	reap(TSR_SIDE_RECEIVER, &result);
	slot_is(start, 0, LIVING, TSR_TAKEN);
	/* It is stopped before the stamp; let it put the slot back. */
	realm_slot(channel, start, 0, TSR_READY, names[0], 10);
	sound_after(TSR_SIDE_RECEIVER, 1);
}

Test(reaper, redelivered_message_is_flagged_and_received_once)
{
	struct tsr_reap_result result;

	published(start, names[0]);
	published(start + 1, names[1]);
	realm_slot(channel, start, DEAD, TSR_TAKEN, names[0], 10);
	reap(TSR_SIDE_RECEIVER, &result);
	trip_drain(&realm, channel, 2, 1);
	test_same(realm_balanced(&realm).in_channels, 0);
	sound_after(TSR_SIDE_RECEIVER, 0);
}

Test(reaper, one_sender_that_died_before_it_published_leaves_no_ticket_in_the_channel)
{
	struct tsr_reap_result result;

	realm_wipe(&realm);
	setup_shape(TSR_CHANNEL_ONE_SENDER, 0);
	published(start, names[0]);
	realm_slot(channel, start + 1, 0, TSR_EMPTY, names[1], 10);
	realm_stamp_channel(&realm, names[1], channel);
	reap(TSR_SIDE_SENDER, &result);
	slot_is(start, 0, 0, TSR_READY);
	sound_after(TSR_SIDE_SENDER, 1);
}

Test(reaper, one_sender_that_died_before_the_stamp_leaves_its_ticket_to_the_sweep)
{
	struct tsr_reap_result result;

	realm_wipe(&realm);
	setup_shape(TSR_CHANNEL_ONE_SENDER, 0);
	realm_slot(channel, start, 0, TSR_EMPTY, names[1], 10);
	reap(TSR_SIDE_SENDER, &result);
	test_same(result.tickets, TSR_CELL_ENTRIES);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, one_sender_that_died_on_its_second_lap_is_repaired_there)
{
	struct tsr_reap_result result;

	realm_wipe(&realm);
	setup_shape(TSR_CHANNEL_ONE_SENDER, 0);
	trip_round(&realm, channel, 0, 5);
	start = tsr_channel_find(channel);
	test_same(tsr_channel_lap(channel, start), 1);
	realm_slot(channel, start, 0, TSR_EMPTY, names[1], 10);
	realm_stamp_channel(&realm, names[1], channel);
	reap(TSR_SIDE_SENDER, &result);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, one_receiver_that_died_after_the_stamp_has_not_received)
{
	struct tsr_reap_result result;

	realm_wipe(&realm);
	setup_shape(TSR_CHANNEL_ONE_RECEIVER, 0);
	published(start, names[0]);
	published(start + 1, names[1]);
	stamped(names[0]);
	reap(TSR_SIDE_RECEIVER, &result);
	test_same(result.slots_restored, 1);
	slot_is(start, 0, TSR_READY_AGAIN, TSR_READY);
	word_is(names[0], tsr_name_generation(names[0]), TSR_HOLDER_CHANNEL);
	sound_after(TSR_SIDE_RECEIVER, 2);
}

Test(reaper, one_receiver_that_holds_the_ticket_in_a_later_generation_restores_nothing)
{
	uint64_t const later = tsr_name_generation(names[0]) + 2;
	struct tsr_reap_result result;

	realm_wipe(&realm);
	setup_shape(TSR_CHANNEL_ONE_RECEIVER, 0);
	/* Only a scribbler can bring it to this: the slot still says ready. */
	published(start, names[0]);
	atomic_store(realm_word(&realm, names[0]), tsr_word_make(later, TSR_TICKET_RECEIVED, DEAD));
	reap(TSR_SIDE_RECEIVER, &result);
	test_same(result.slots_restored, 0);
	slot_is(start, 0, 0, TSR_READY);
	/* Swept, and then filled into the depot: never back in an old generation. */
	word_is(names[0], later + 2, TSR_HOLDER_FREE);
	realm_wipe(&realm);
}

Test(reaper, one_to_one_channel_survives_both_ends)
{
	uint32_t const sides[2] = {TSR_SIDE_SENDER, TSR_SIDE_RECEIVER};
	struct tsr_channel *both[2];
	struct tsr_reap_result result;

	realm_wipe(&realm);
	setup_shape(TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, 0);
	both[0] = both[1] = channel;
	published(start, names[0]);
	stamped(names[0]);
	realm_slot(channel, start + 1, 0, TSR_EMPTY, names[1], 10);
	realm_stamp_channel(&realm, names[1], channel);
	realm_reap(&realm, DEAD, both, sides, 2, &result);
	sound_after(TSR_SIDE_SENDER, 1);
}

Test(reaper, states_at_the_wrap_of_the_lap_are_repaired_like_any_other)
{
	struct tsr_reap_result result;

	realm_wipe(&realm);
	setup_shape(0, TSR_LAP_MASK);
	realm_slot(channel, start, DEAD, TSR_CLAIMED, names[0], 10);
	realm_stamp_channel(&realm, names[0], channel);
	published(start + 1, names[1]);
	realm_slot(channel, start + 1, DEAD, TSR_TAKEN, names[1], 10);
	reap(TSR_SIDE_SENDER, &result);
	slot_is(start, 0, 0, TSR_EMPTY);
	realm.living[DEAD] = true;
	reap(TSR_SIDE_RECEIVER, &result);
	slot_is(start + 1, TSR_LAP_MASK, TSR_READY_AGAIN, TSR_READY);
	sound_after(TSR_SIDE_RECEIVER, 1);
}

Test(reaper, generation_at_its_wrap_is_restored_exactly)
{
	uint64_t const last = tsr_name_make(tsr_name_index(names[0]), TSR_GENERATION_MASK);
	struct tsr_reap_result result;

	realm_stamp_channel(&realm, last, channel);
	realm_slot(channel, start, DEAD, TSR_TAKEN, last, 10);
	atomic_store(realm_word(&realm, last), tsr_word_make(0, TSR_TICKET_RECEIVED, DEAD));
	reap(TSR_SIDE_RECEIVER, &result);
	word_is(last, TSR_GENERATION_MASK, TSR_HOLDER_CHANNEL);
	sound_after(TSR_SIDE_RECEIVER, 1);
}

/* Depot cells. */

Test(reaper, cell_claimed_and_not_filled_becomes_empty)
{
	_Atomic uint64_t *words = tsr_map_cell_words(&realm.map, 0);
	struct tsr_reap_result result;

	atomic_store(&words[40], tsr_slot_word(4, DEAD, TSR_CLAIMED));
	realm_reap(&realm, DEAD, NULL, NULL, 0, &result);
	cr_assert_geq(result.cells, 1);
	/* In its next lap, for one who saw it empty long ago. */
	test_same(atomic_load(&words[40]), tsr_slot_word(5, 0, TSR_EMPTY));
	sound_after(TSR_SIDE_SENDER, 0);
}

/* A filler that has written all entries and stamped the first @count. */
static void
half_filled(uint32_t count)
{
	struct tsr_cell *cell = &tsr_map_cells(&realm.map, 0)[40];

	atomic_store(&tsr_map_cell_words(&realm.map, 0)[40], tsr_slot_word(4, DEAD, TSR_CLAIMED));
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++) {
		uint32_t const index = tsr_name_index(names[i]);
		uint64_t const g = tsr_name_generation(names[i]) + 1;

		atomic_store(&cell->entry[i], tsr_name_make(index, g));
		if (i < count)
			atomic_store(&realm.map.tickets[index].word,
			             tsr_word_make(g, TSR_TICKET_IDLE, TSR_HOLDER_FREE));
	}
}

Test(reaper, cell_half_filled_loses_nothing_wherever_its_filler_died)
{
	struct tsr_reap_result last;

	for (uint32_t count = 0; count <= TSR_CELL_ENTRIES; count++) {
		struct tsr_reap_result result;

		half_filled(count);
		realm_reap(&realm, DEAD, NULL, NULL, 0, &result);
		test_same(result.tickets, TSR_CELL_ENTRIES);
		test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
		realm_wipe(&realm);
		setup();
	}
	reap(TSR_SIDE_SENDER, &last);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, cell_half_taken_loses_nothing_wherever_its_taker_died)
{
	struct tsr_reap_result last;

	for (uint32_t count = 0; count <= TSR_CELL_ENTRIES; count++) {
		struct tsr_cell *cell = &tsr_map_cells(&realm.map, 0)[1];
		struct tsr_reap_result result;

		atomic_store(&tsr_map_cell_words(&realm.map, 0)[1],
		             tsr_slot_word(0, DEAD, TSR_TAKEN));
		for (uint32_t i = 0; i < count; i++)
			atomic_store(realm_word(&realm, atomic_load(&cell->entry[i])),
			             tsr_word_make(2, TSR_TICKET_IDLE, DEAD));
		realm_reap(&realm, DEAD, NULL, NULL, 0, &result);
		test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
		realm_wipe(&realm);
		setup();
	}
	reap(TSR_SIDE_SENDER, &last);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, old_entries_in_a_claimed_cell_do_not_free_what_others_hold)
{
	struct tsr_cell *cell = &tsr_map_cells(&realm.map, 0)[40];
	uint64_t mine[TSR_CELL_ENTRIES];
	struct tsr_reap_result result;

	test_same(realm_take_cell(&realm, 0, LIVING, mine), TSR_CELL_ENTRIES);
	atomic_store(&tsr_map_cell_words(&realm.map, 0)[40], tsr_slot_word(4, DEAD, TSR_CLAIMED));
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++)
		atomic_store(&cell->entry[i], mine[i]);
	/* One that is free, and ready in another cell, under another generation. */
	atomic_store(&cell->entry[7], tsr_name_make(900, 99));
	realm_reap(&realm, DEAD, NULL, NULL, 0, &result);
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++)
		word_is(mine[i], tsr_name_generation(mine[i]), LIVING);
	test_same(realm_balanced(&realm).with_clients, TSR_CELL_ENTRIES);
	realm_wipe(&realm);
}

Test(reaper, cell_that_an_earlier_reaper_left_half_filled_is_finished)
{
	struct tsr_cell *cell = &tsr_map_cells(&realm.map, 0)[40];
	struct tsr_reap_result result;

	/* The reaper had made DEAD's tickets the daemon's, and stamped five of them free. */
	atomic_store(&tsr_map_cell_words(&realm.map, 0)[40],
	             tsr_slot_word(4, TSR_HOLDER_DAEMON, TSR_CLAIMED));
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++) {
		uint32_t const index = tsr_name_index(names[i]);
		uint64_t const g = tsr_name_generation(names[i]) + 2;

		atomic_store(&cell->entry[i], tsr_name_make(index, g));
		atomic_store(&realm.map.tickets[index].word,
		             i < 5 ? tsr_word_make(g, TSR_TICKET_IDLE, TSR_HOLDER_FREE)
		                   : tsr_word_make(g - 1, TSR_TICKET_IDLE, TSR_HOLDER_DAEMON));
	}
	realm_reap(&realm, DEAD, NULL, NULL, 0, &result);
	test_same(realm_balanced(&realm).in_depot, realm.map.tickets_count);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, full_depot_leaves_tickets_with_the_daemon_and_the_next_sweep_puts_them_in)
{
	_Atomic uint64_t *words = tsr_map_cell_words(&realm.map, 0);
	uint32_t const cells = realm.map.klass[0].cells;
	uint64_t saved[128];
	struct tsr_reap_result result;

	/* Every cell is in the hands of a living client. */
	for (uint32_t i = 0; i < cells; i++) {
		saved[i] = atomic_load(&words[i]);
		atomic_store(&words[i], tsr_slot_word(tsr_slot_lap(saved[i]), LIVING, TSR_TAKEN));
	}
	realm_reap(&realm, DEAD, NULL, NULL, 0, &result);
	for (uint32_t i = 0; i < cells; i++)
		atomic_store(&words[i], saved[i]);
	test_same(realm_balanced(&realm).with_daemon, TSR_CELL_ENTRIES);
	realm_reap(&realm, DEAD, NULL, NULL, 0, &result);
	test_same(realm_balanced(&realm).with_daemon, 0);
	sound_after(TSR_SIDE_SENDER, 0);
}

/* Tokens. */

Test(reaper, tokens_of_the_dead_are_free_again_in_every_state)
{
	enum tsr_token_state const states[] = {TSR_TOKEN_INIT, TSR_TOKEN_ENQUEUED,
	                                       TSR_TOKEN_CLAIMED, TSR_TOKEN_CANCELLED};
	struct tsr_reap_result result;

	for (uint32_t i = 0; i < 4; i++) {
		atomic_store(&channel->tokens->receiver[i + 7],
		             tsr_token_make(states[i], 5, DEAD, LIVING));
		atomic_fetch_or(&channel->shm->receivers_waiting, UINT64_C(1) << (i + 7));
	}
	reap(TSR_SIDE_RECEIVER, &result);
	test_same(atomic_load(&channel->shm->receivers_waiting), 0);
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t const token = atomic_load(&channel->tokens->receiver[i + 7]);

		test_same(tsr_token_state(token), TSR_TOKEN_FREE);
		cr_assert_neq(tsr_token_generation(token), 5, "a sleeper's word would match again");
	}
	sound_after(TSR_SIDE_RECEIVER, 0);
}

Test(reaper, tokens_and_bits_of_the_living_are_kept)
{
	uint64_t const mine = tsr_token_make(TSR_TOKEN_INIT, 5, LIVING, 0);
	struct tsr_reap_result result;

	atomic_store(&channel->tokens->sender[9], mine);
	reap(TSR_SIDE_SENDER, &result);
	test_same(atomic_load(&channel->tokens->sender[9]), mine);
	atomic_store(&channel->tokens->sender[9], 0);
	sound_after(TSR_SIDE_SENDER, 0);
}

/* A receiver that sleeps for ever on token 0, as LIVING. */
static int
sleeper(struct child_report *report, void *arg)
{
	struct tsr_wait_side const side = {.mask = &channel->shm->receivers_waiting,
	                                   .tokens = channel->tokens->receiver};
	uint32_t number;
	uint64_t word;

	(void)arg;
	child_ok(report, tsr_membarrier_register());
	child_ok(report, tsr_token_acquire(&side, LIVING, &number));
	word = tsr_token_enqueue(&side, number, LIVING, false);
	report_set(report, 0, 1);
	child_ok(report, tsr_token_sleep(&side, number, word, UINT64_MAX));
	(void)tsr_token_withdraw(&side, number, LIVING);
	tsr_token_release(&side, number, LIVING);
	report_set(report, 1, 1);
	return 0;
}

Test(reaper, sleeper_whose_waker_died_between_claim_and_wake_is_woken)
{
	struct tsr_reap_result result;
	struct child child;
	uint64_t token;

	child_start(&child, sleeper, NULL);
	cr_assert(report_await(child.report, 0, 1, 5000));
	token = atomic_load(&channel->tokens->receiver[0]);
	test_same(tsr_token_state(token), TSR_TOKEN_ENQUEUED);
	/* No wake-up is sent: the claimer died before it. */
	atomic_store(&channel->tokens->receiver[0],
	             tsr_token_make(TSR_TOKEN_CLAIMED, tsr_token_generation(token), LIVING, DEAD));
	reap(TSR_SIDE_SENDER, &result);
	cr_assert(report_await(child.report, 1, 1, 5000), "nobody woke it: %s", child.report->text);
	child_join(&child);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, doorbell_that_a_dead_claimer_did_not_ring_is_rung)
{
	struct tsr_reap_result result;
	uint64_t rung = 0;

	realm.map.doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cr_assert_gt(realm.map.doorbell, 0);
	atomic_store(&channel->tokens->receiver[3],
	             tsr_token_make(TSR_TOKEN_CLAIMED, 7, TSR_HOLDER_DAEMON, DEAD));
	reap(TSR_SIDE_SENDER, &result);
	test_same(read(realm.map.doorbell, &rung, sizeof(rung)), sizeof(rung));
	test_same(atomic_load(&channel->tokens->receiver[3]),
	          tsr_token_make(TSR_TOKEN_CLAIMED, 7, TSR_HOLDER_DAEMON, TSR_HOLDER_DAEMON));
	/* The daemon's own token is nobody's remains. */
	realm_balanced(&realm);
	close(realm.map.doorbell);
	realm.map.doorbell = 0;
}

Test(reaper, sleepers_on_a_dead_clients_channel_are_woken)
{
	struct tsr_reap_result result;
	struct child child;

	child_start(&child, sleeper, NULL);
	cr_assert(report_await(child.report, 0, 1, 5000));
	reap(TSR_SIDE_SENDER, &result);
	cr_assert(report_await(child.report, 1, 1, 5000), "nobody woke it: %s", child.report->text);
	child_join(&child);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, receivers_that_sleep_are_woken_for_what_is_redelivered)
{
	struct tsr_reap_result result;
	struct child child;

	child_start(&child, sleeper, NULL);
	cr_assert(report_await(child.report, 0, 1, 5000));
	published(start, names[0]);
	realm_slot(channel, start, DEAD, TSR_TAKEN, names[0], 10);
	reap(TSR_SIDE_RECEIVER, &result);
	cr_assert(report_await(child.report, 1, 1, 5000), "nobody woke it: %s", child.report->text);
	child_join(&child);
	sound_after(TSR_SIDE_RECEIVER, 1);
}

Test(reaper, death_is_written_into_the_directory)
{
	struct tsr_reap_result result;
	uint64_t ends;

	reap(TSR_SIDE_SENDER, &result);
	ends = atomic_load(&channel->entry->senders);
	test_same(tsr_ends_count(ends), 0);
	cr_assert(tsr_ends_died(ends));
	test_same(tsr_ends_stream(ends), 1);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, channel_that_is_removed_gives_back_its_messages)
{
	for (uint32_t i = 0; i < 6; i++)
		published(start + i, names[i]);
	test_same(tsr_reaper_drain(&realm.map, channel), 6);
	test_same(realm_balanced(&realm).in_channels, 0);
	test_same(tsr_reaper_drain(&realm.map, channel), 0);
	realm_wipe(&realm);
}

/* Random states. */

static int
reaping(struct child_report *report, void *arg)
{
	uint32_t const sides[2] = {TSR_SIDE_SENDER, TSR_SIDE_RECEIVER};
	struct tsr_reap_result result;

	(void)arg;
	memset(&result, 0, sizeof(result));
	for (int i = 0; i < 2; i++) {
		struct tsr_reap_end const end = {.channel = *channel, .side = sides[i]};

		tsr_reaper_slots(&end, DEAD, &result);
		tsr_ends_publish(&end.channel, end.side, 0, true, 1);
		tsr_reaper_wake(&end, DEAD, &result);
	}
	child_ok(report, realm_sweep(&realm, DEAD, true, &result));
	return 0;
}

Test(reaper, reaper_killed_at_any_moment_and_run_again_finishes_the_work, .timeout = 60)
{
	uint32_t const sides[2] = {TSR_SIDE_SENDER, TSR_SIDE_RECEIVER};
	struct tsr_reap_result last;
	int const rounds = test_nightly() ? 5000 : 150;
	uint64_t seed = test_seed();

	for (int round = 0; round < rounds; round++) {
		struct tsr_channel *both[2] = {channel, channel};
		uint64_t const spins = test_random(&seed) % 12000;
		struct tsr_reap_result result;
		struct child child;

		published(start, names[10]);
		realm_slot(channel, start, DEAD, TSR_TAKEN, names[10], 10);
		realm_slot(channel, start + 1, DEAD, TSR_CLAIMED, names[11], 10);
		realm_stamp_channel(&realm, names[11], channel);
		child_start(&child, reaping, NULL);
		for (uint64_t i = 0; i < spins; i++)
			tsr_cpu_relax();
		child_kill(&child, SIGKILL);
		realm_reap(&realm, DEAD, both, sides, 2, &result);
		test_same(realm_balanced(&realm).in_channels, 1);
		slot_is(start, 0, TSR_READY_AGAIN, TSR_READY);
		realm_wipe(&realm);
		setup();
	}
	reap(TSR_SIDE_SENDER, &last);
	sound_after(TSR_SIDE_SENDER, 0);
}

Test(reaper, random_memory_neither_stops_nor_crashes_the_reaper, .timeout = 60)
{
	uint64_t seed = test_seed();

	for (int round = 0; round < 50; round++) {
		struct tsr_reap_end end = {.channel = *channel};
		struct tsr_reap_result result;
		int error;

		for (uint32_t s = TSR_SEGMENT_CHANNELS; s <= TSR_SEGMENT_TOKENS; s++) {
			_Atomic uint64_t *words = realm.map.segment[s].base;

			for (uint64_t i = 0; i < realm.map.segment[s].bytes / sizeof(*words); i++) {
				uint64_t const r = test_random(&seed);
				uint64_t word = r;

				/* Half of them look like words of DEAD. */
				if (r >> 63 != 0)
					word = tsr_slot_word(r & 3, DEAD,
					                     (enum tsr_phase)(r >> 8 & 3));
				else if (r >> 62 != 0)
					word = tsr_word_make(r & 7, TSR_TICKET_IDLE, DEAD);
				if (s != TSR_SEGMENT_BLOCKS)
					atomic_store_explicit(&words[i], word,
					                      memory_order_relaxed);
			}
		}
		memset(&result, 0, sizeof(result));
		for (end.side = TSR_SIDE_SENDER; end.side <= TSR_SIDE_RECEIVER; end.side++) {
			tsr_reaper_slots(&end, DEAD, &result);
			tsr_reaper_wake(&end, DEAD, &result);
		}
		error = realm_sweep(&realm, DEAD, true, &result);
		cr_assert(error == 0 || error == -EPROTO, "%d", error);
		(void)tsr_reaper_drain(&realm.map, channel);
		for (uint32_t i = 0; error == 0 && i < realm.map.tickets_count; i++)
			cr_assert_neq(tsr_word_holder(atomic_load(&realm.map.tickets[i].word)),
			              DEAD);
	}
	realm_wipe(&realm);
}

/* What the daemon may do between two steps of a sweep: another death, and what refills depots. */
static void
meddle(uint32_t step)
{
	struct tsr_reap_result result = {0};

	if (step % 3 == 0)
		test_ok(realm_sweep(&realm, 4, true, &result));
	else if (step % 3 == 1)
		tsr_reaper_settle(&realm.map);
	else
		(void)tsr_reaper_drain(&realm.map, channel);
}

/* A request that DEAD has received; its asker sleeps on @replies. Return: the token's number. */
static uint32_t
leave_request(struct tsr_channel const *replies, uint64_t name)
{
	struct tsr_wait_side const side = tsr_channel_side(replies, TSR_SIDE_RECEIVER);
	uint32_t token = UINT32_MAX;

	atomic_store(&realm.map.tickets[tsr_name_index(name)].tag, tsr_tag_ask(replies->id, 1));
	test_ok(tsr_token_acquire(&side, LIVING, &token));
	(void)tsr_token_enqueue(&side, token, LIVING, false);
	return token;
}

Test(reaper, sweep_goes_on_in_steps_of_any_size_whatever_is_done_between_them, .timeout = 60)
{
	static uint32_t const sizes[] = {1, 2, 7, 64, 1000, 100000};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct tsr_channel *const replies = realm_channel(&realm, 16, 0);
		struct tsr_wait_side const side = tsr_channel_side(replies, TSR_SIDE_RECEIVER);
		struct tsr_sweep sweep = {.died = true};
		struct tsr_reap_result result = {0};
		uint64_t held[TSR_CELL_ENTRIES];
		uint32_t const count = realm_take_cell(&realm, 0, DEAD, held);
		uint32_t const token = leave_request(replies, held[count - 1]);
		uint32_t const others = 5 * ((uint32_t)s + 1);
		uint32_t owned, steps = 0;
		int more = 1;

		/* What is left of the dead one fills no cell. */
		for (int i = 0; i < 5; i++)
			atomic_store(realm_word(&realm, held[i]),
			             tsr_word_make(tsr_name_generation(held[i]), TSR_TICKET_IDLE,
			                           LIVING));
		owned = realm_balanced(&realm).with_clients - others;
		while (more == 1) {
			uint32_t work = sizes[s];

			more = tsr_reaper_sweep(&realm.map, DEAD, &sweep, &work, &result);
			cr_assert_lt(work, sizes[s], "a step does something");
			meddle(steps++);
		}
		test_ok(more);
		test_same(result.tickets, owned);
		cr_assert_geq(steps, realm.map.tickets_all / sizes[s]);
		/* Whoever refilled the depots in between: the asker was told before. */
		test_same(tsr_token_state(atomic_load(&side.tokens[token])), TSR_TOKEN_CLAIMED);
		(void)tsr_token_withdraw(&side, token, LIVING);
		tsr_token_release(&side, token, LIVING);
		test_same(realm_balanced(&realm).with_clients, others);
		test_same(realm_balanced(&realm).with_daemon, 0);
	}
	realm_wipe(&realm);
}

/* The daemon dies between two steps, and the next one begins anew. */
Test(reaper, sweep_that_is_given_up_after_any_step_is_finished_by_another, .timeout = 60)
{
	for (uint32_t given_up = 1; given_up < 40; given_up++) {
		struct tsr_sweep sweep = {.died = true};
		struct tsr_reap_result result = {0};
		uint64_t held[TSR_CELL_ENTRIES];

		(void)realm_take_cell(&realm, 0, DEAD, held);
		for (uint32_t i = 0; i < given_up; i++) {
			uint32_t work = 100;

			if (tsr_reaper_sweep(&realm.map, DEAD, &sweep, &work, &result) != 1)
				break;
		}
		test_ok(realm_sweep(&realm, DEAD, true, &result));
		test_same(realm_balanced(&realm).with_clients, 0);
	}
	realm_wipe(&realm);
}
