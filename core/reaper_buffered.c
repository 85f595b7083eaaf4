/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper_kind.h"
#include "core/reaper_ticket.h"
#include "shm/access.h"
#include "shm/ticket.h"
#include "shm/unlimited.h"

void
tsr_reaper_empty(struct tsr_slot *slot, uint64_t lap)
{
	/* [R2] pairs with [S1]. */
	tsr_st_rel(&slot->word, tsr_slot_word(lap + 1, 0, TSR_EMPTY));
}

void
tsr_reaper_claimed(struct tsr_map const *map, struct tsr_slot *slot, uint64_t word, uint16_t dead,
                   struct tsr_reap_result *result)
{
	if (tsr_reaper_reclaim(map, tsr_ld_rlx(&slot->name), TSR_HOLDER_CHANNEL, dead))
		result->tickets++;
	tsr_reaper_empty(slot, tsr_slot_lap(word));
	result->slots_voided++;
}

void
tsr_reaper_taken(struct tsr_map const *map, struct tsr_slot *slot, uint64_t word, uint16_t dead,
                 struct tsr_reap_result *result)
{
	if (!tsr_reaper_restore(map, tsr_ld_rlx(&slot->name), dead)) {
		tsr_reaper_empty(slot, tsr_slot_lap(word));
		result->slots_voided++;
		return;
	}
	/* [S2] pairs with [R1]. */
	tsr_st_rel(&slot->word, tsr_slot_word(tsr_slot_lap(word), TSR_READY_AGAIN, TSR_READY));
	result->slots_restored++;
}

/* The one receiver stamps without taking: its slot is still ready, its ticket is the dead one's. */
static void
buffered_ready(struct tsr_map const *map, struct tsr_slot *slot, uint64_t word, uint16_t dead,
               struct tsr_reap_result *result)
{
	uint64_t const name = tsr_ld_rlx(&slot->name);
	struct tsr_ticket *const ticket = tsr_reaper_ticket(map, name);

	/* [P1] pairs with [T1]. */
	if (ticket == NULL || tsr_word_is(tsr_ld_acq(&ticket->word), name, TSR_HOLDER_CHANNEL))
		return;
	if (!tsr_reaper_restore(map, name, dead))
		return;
	/* [S2] pairs with [R1]. */
	tsr_st_rel(&slot->word, tsr_slot_word(tsr_slot_lap(word), TSR_READY_AGAIN, TSR_READY));
	result->slots_restored++;
}

/*
 * The one sender writes without claiming: the first empty slot may hold the zdesc of a ticket that
 * is the channel's already. Every empty slot is looked at, for only an exact word counts: a zdesc
 * that was received has another generation.
 */
static void
buffered_empty(struct tsr_map const *map, struct tsr_slot *slot, uint16_t dead,
               struct tsr_reap_result *result)
{
	if (tsr_reaper_reclaim(map, tsr_ld_rlx(&slot->name), TSR_HOLDER_CHANNEL, dead))
		result->tickets++;
}

void
tsr_reaper_tell(struct tsr_trace_repair const *repair, struct tsr_reap_result *result)
{
	struct tsr_reap_log *const log = result->log;

	if (log != NULL && log->count < TSR_REAP_LOG_MAX)
		log->repair[log->count++] = *repair;
	TSR_TRACE(reap, *repair);
}

void
tsr_reaper_tell_slot(struct tsr_channel const *channel, struct tsr_slot const *slot, uint32_t index,
                     uint16_t dead, uint64_t before, struct tsr_reap_result *result)
{
	uint64_t const after = result->log != NULL || TSR_TRACED ? tsr_ld_rlx(&slot->word) : before;
	struct tsr_trace_repair const repair = {
		.realm = channel->map->directory->name,
		.what = tsr_slot_phase(after) == TSR_READY ? "slot restored" : "slot voided",
		.channel = channel->id,
		.before = before,
		.after = after,
		.index = index,
		.client = dead,
	};

	if (after != before)
		tsr_reaper_tell(&repair, result);
}

/* A sender that drops the oldest takes it as a receiver does. */
static bool
buffered_takes(struct tsr_reap_end const *end)
{
	return end->side != TSR_SIDE_SENDER || (end->channel.flags & TSR_CHANNEL_DROP_OLDEST) != 0;
}

void
tsr_reaper_ring(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
                struct tsr_reap_result *result)
{
	struct tsr_channel const *const channel = &end->channel;
	struct tsr_map const *const map = channel->map;
	bool const sender = end->side == TSR_SIDE_SENDER;
	bool const alone = (channel->flags &
	                    (sender ? TSR_CHANNEL_ONE_SENDER : TSR_CHANNEL_ONE_RECEIVER)) != 0;
	struct tsr_slot *const slot = walk->at.slot;
	/* [R1] pairs with [S2]; [S1] pairs with [R2]: as any end would. */
	uint64_t const word = tsr_ld_acq(&slot->word);
	uint32_t const phase = tsr_slot_phase(word);
	bool const own = tsr_slot_owner(word) == dead;

	if (sender && phase == TSR_CLAIMED && own)
		tsr_reaper_claimed(map, slot, word, dead, result);
	else if (phase == TSR_TAKEN && own && buffered_takes(end))
		tsr_reaper_taken(map, slot, word, dead, result);
	else if (sender && alone && phase == TSR_EMPTY)
		buffered_empty(map, slot, dead, result);
	else if (!sender && alone && phase == TSR_READY)
		buffered_ready(map, slot, word, dead, result);
	else
		return;
	tsr_reaper_tell_slot(channel, slot, walk->at.index, dead, word, result);
}

void
tsr_reaper_ring_done(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
                     struct tsr_reap_result *result)
{
	(void)walk, (void)dead, (void)result;
	if (buffered_takes(end))
		/* [Q2] pairs with [Q1]: slots that are ready again come first. In any case: a
		 * reaper that was cut short can't know whether it had done so. */
		(void)tsr_add_rel(&end->channel.shm->redo, 1);
}

struct tsr_reaper_kind const tsr_reaper_buffered = {
	.slot = tsr_reaper_ring,
	.done = tsr_reaper_ring_done,
	.sent = TSR_HOLDER_CHANNEL,
};
