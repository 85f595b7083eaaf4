/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * A rendezvous after a death: see shm/rendezvous.h. A dead receiver has left nothing in the slots;
 * a dead sender's offers are taken back, unless a receiver is faster.
 */

#include "core/reaper_kind.h"
#include "core/reaper_ticket.h"
#include "shm/access.h"
#include "shm/ticket.h"

/* The ticket may be the dead sender's, the channel's, or, any moment now, a receiver's. */
static void
rendezvous_withdraw(struct tsr_map const *map, uint64_t name, uint16_t dead,
                    struct tsr_reap_result *result)
{
	struct tsr_ticket *const ticket = tsr_reaper_ticket(map, name);
	uint64_t const offered = tsr_name_word(name, TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL);
	uint64_t const next = tsr_word_make(tsr_generation_next(tsr_name_generation(name)),
	                                    TSR_TICKET_IDLE, TSR_HOLDER_DAEMON);
	uint64_t word = offered;

	if (ticket == NULL)
		return;
	/* [P1] pairs with [T1]: what the owner wrote before its stamp. */
	if (!tsr_cas_acq(&ticket->word, &word, next))
		return;
	TSR_TRACE(reap, tsr_reaper_describe_ticket(map, tsr_name_index(name), dead, offered, next));
	result->tickets++;
}

static void
rendezvous_slot(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
                struct tsr_reap_result *result)
{
	struct tsr_channel const *const channel = &end->channel;
	struct tsr_slot *const slot = walk->at.slot;
	/* [O3] pairs with [O2]: as any end would. */
	uint64_t const word = tsr_ld_acq(&slot->word);

	if (tsr_slot_phase(word) == TSR_EMPTY || tsr_slot_owner(word) != dead)
		return;
	rendezvous_withdraw(channel->map, tsr_ld_rlx(&slot->name), dead, result);
	tsr_reaper_empty(slot, tsr_slot_lap(word));
	result->slots_voided++;
	tsr_reaper_tell_slot(channel, slot, walk->at.index, dead, word, result);
}

struct tsr_reaper_kind const tsr_reaper_rendezvous = {
	.slot = rendezvous_slot,
	.senders_only = true,
	.sent = TSR_HOLDER_CHANNEL,
};
