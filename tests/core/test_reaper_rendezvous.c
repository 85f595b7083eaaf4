/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>
#include <string.h>

#include "core/reaper_drain.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/trip.h"

/*
 * Every state in which a client can leave a rendezvous, written by hand as the prologue of
 * shm/rendezvous.h says, then reaped twice.
 */
#define DEAD   3
#define LIVING 2

static struct realm realm;
static struct tsr_channel *channel;
static uint64_t names[TSR_CELL_ENTRIES]; /* tickets of DEAD */
static uint64_t mine[TSR_CELL_ENTRIES];  /* of LIVING */

static void
setup(void)
{
	realm_make(&realm, NULL);
	channel = realm_channel_of(&realm,
	                           (struct tsr_shape){.kind = TSR_KIND_RENDEZVOUS, .capacity = 4});
	realm.living[LIVING] = true;
	realm.living[DEAD] = true;
	test_same(realm_take_cell(&realm, 0, DEAD, names), TSR_CELL_ENTRIES);
	test_same(realm_take_cell(&realm, 0, LIVING, mine), TSR_CELL_ENTRIES);
}

static void
offered(uint64_t slot, uint16_t sender, uint64_t name)
{
	realm_stamp_channel(&realm, name, channel);
	realm_slot(channel, slot, sender, TSR_READY, name, 10);
}

/* A receiver's exchange. */
static void
received(uint64_t name, uint16_t receiver)
{
	atomic_store(realm_word(&realm, name),
	             tsr_word_make(tsr_generation_next(tsr_name_generation(name)),
	                           TSR_TICKET_RECEIVED, receiver));
}

static void
slot_is(uint64_t slot, uint64_t lap, uint16_t owner, enum tsr_phase phase)
{
	test_same(atomic_load(&channel->shm->slot[slot].word), tsr_slot_word(lap, owner, phase));
}

/* Reap, then once more, which must change nothing; nobody offers anything that is not @offers. */
static void
reap(uint32_t side, uint32_t voided, uint32_t offers)
{
	struct tsr_reap_result result, again;

	realm_reap(&realm, DEAD, &channel, &side, 1, &result);
	test_same(result.slots_voided, voided);
	test_same(result.slots_restored, 0);
	test_same(realm_balanced(&realm).in_channels, offers);
	realm.living[DEAD] = true;
	realm_reap(&realm, DEAD, &channel, &side, 1, &again);
	test_same(again.slots_voided + again.tickets + again.cells, 0);
	test_same(realm_balanced(&realm).in_channels, offers);
	for (uint32_t i = 0; i < realm.map.tickets_count; i++)
		cr_assert_neq(tsr_word_holder(atomic_load(&realm.map.tickets[i].word)), DEAD);
}

TestSuite(reaper_rendezvous, .init = setup, .timeout = 20);

Test(reaper_rendezvous, slot_claimed_before_its_zdesc_is_free_again)
{
	realm_slot(channel, 1, DEAD, TSR_CLAIMED, TSR_NAME_NONE, 0);
	reap(TSR_SIDE_SENDER, 1, 0);
	slot_is(1, 1, 0, TSR_EMPTY);
}

Test(reaper_rendezvous, slot_claimed_with_its_ticket_given_away_is_free_again_and_the_ticket_too)
{
	realm_slot(channel, 1, DEAD, TSR_CLAIMED, names[0], 10);
	realm_stamp_channel(&realm, names[0], channel);
	reap(TSR_SIDE_SENDER, 1, 0);
	slot_is(1, 1, 0, TSR_EMPTY);
	test_same(tsr_word_holder(atomic_load(realm_word(&realm, names[0]))), TSR_HOLDER_FREE);
}

Test(reaper_rendezvous, offer_of_the_dead_is_taken_back_and_those_of_the_living_stand)
{
	offered(0, LIVING, mine[0]);
	offered(1, DEAD, names[0]);
	realm_slot(channel, 2, LIVING, TSR_CLAIMED, mine[1], 10);
	reap(TSR_SIDE_SENDER, 1, 1);
	slot_is(0, 0, LIVING, TSR_READY);
	slot_is(1, 1, 0, TSR_EMPTY);
	slot_is(2, 0, LIVING, TSR_CLAIMED);
}

Test(reaper_rendezvous, offer_of_the_dead_that_was_received_stays_with_its_receiver)
{
	offered(1, DEAD, names[0]);
	received(names[0], LIVING);
	reap(TSR_SIDE_SENDER, 1, 0);
	slot_is(1, 1, 0, TSR_EMPTY);
	test_same(atomic_load(realm_word(&realm, names[0])),
	          tsr_name_word(tsr_name_next(names[0]), TSR_TICKET_RECEIVED, LIVING));
}

Test(reaper_rendezvous, offer_that_the_dead_had_taken_back_is_free_again)
{
	offered(1, DEAD, names[0]);
	atomic_store(realm_word(&realm, names[0]),
	             tsr_name_word(tsr_name_next(names[0]), TSR_TICKET_IDLE, DEAD));
	reap(TSR_SIDE_SENDER, 1, 0);
	slot_is(1, 1, 0, TSR_EMPTY);
}

Test(reaper_rendezvous, what_a_dead_receiver_had_received_is_gone_and_its_sender_sees_that)
{
	offered(1, LIVING, mine[0]);
	received(mine[0], DEAD);
	reap(TSR_SIDE_RECEIVER, 0, 0);
	/* The sender's own slot: it is about to look. */
	slot_is(1, 0, LIVING, TSR_READY);
	cr_assert_neq(atomic_load(realm_word(&realm, mine[0])),
	              tsr_name_word(mine[0], TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL));
}

Test(reaper_rendezvous, dead_receiver_leaves_offers_alone)
{
	offered(0, LIVING, mine[0]);
	reap(TSR_SIDE_RECEIVER, 0, 1);
	slot_is(0, 0, LIVING, TSR_READY);
}

Test(reaper_rendezvous, ledger_sees_an_offer_of_somebody_who_is_gone)
{
	offered(0, DEAD, names[0]);
	realm.living[DEAD] = false;
	test_same(realm_count(&realm).slots_claimed, 1);
	realm.living[DEAD] = true;
}

Test(reaper_rendezvous, drain_frees_what_stands_there_all_the_same)
{
	offered(0, DEAD, names[0]);
	realm_slot(channel, 1, DEAD, TSR_CLAIMED, TSR_NAME_NONE, 0);
	test_same(tsr_reaper_drain(&realm.map, channel), 1);
	slot_is(0, 1, 0, TSR_EMPTY);
	slot_is(1, 1, 0, TSR_EMPTY);
	test_same(realm_balanced(&realm).in_channels, 0);
}
