/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper_kind.h"
#include "shm/access.h"
#include "shm/conflated.h"

/* The position of the message in slot @index, whose lap is not far from that of @near. */
static uint64_t
conflated_position(struct tsr_channel const *channel, uint32_t index, uint64_t word, uint64_t near)
{
	int64_t const laps = tsr_lap_distance(tsr_slot_lap(word), tsr_channel_lap(channel, near));

	return (near & ~(uint64_t)channel->mask) + index + (uint64_t)laps * channel->capacity;
}

/*
 * A sender that died when its message was ready may not have made it the newest. Nor may one that
 * lives, yet: it finds it done.
 */
static void
conflated_find_newest(struct tsr_channel const *channel, uint32_t index)
{
	/* [R1] pairs with [S2]: it is ready before it is said to be the newest. */
	uint64_t const word = tsr_ld_acq(&channel->shm->slot[index].word);
	uint64_t seen = tsr_ld_rlx(&channel->shm->newest);

	if (tsr_slot_phase(word) != TSR_READY)
		return;
	for (uint32_t tries = 2 * channel->capacity; tries > 0; tries--) {
		uint64_t const position = conflated_position(channel, index, word, seen);

		/* [N1] pairs with [N2]: likewise. */
		if (!tsr_conflated_newer(position, seen) ||
		    tsr_cas_acq_rel(&channel->shm->newest, &seen, position))
			break;
	}
}

static void
conflated_repair(struct tsr_reap_end const *end, struct tsr_reap_walk const *walk, uint16_t dead,
                 struct tsr_reap_result *result)
{
	struct tsr_channel const *const channel = &end->channel;
	struct tsr_slot *const slot = walk->at.slot;
	/* [R1] pairs with [S2]; [S1] pairs with [R2]: as any end would. */
	uint64_t const word = tsr_ld_acq(&slot->word);

	if (tsr_slot_owner(word) != dead)
		return;
	if (end->side == TSR_SIDE_SENDER && tsr_slot_phase(word) == TSR_CLAIMED)
		tsr_reaper_claimed(channel->map, slot, word, dead, result);
	else if (tsr_slot_phase(word) == TSR_TAKEN)
		tsr_reaper_taken(channel->map, slot, word, dead, result);
	else
		return;
	tsr_reaper_tell_slot(channel, slot, walk->at.index, dead, word, result);
}

static void
conflated_slot(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
               struct tsr_reap_result *result)
{
	conflated_repair(end, walk, dead, result);
	if (end->side == TSR_SIDE_SENDER)
		conflated_find_newest(&end->channel, walk->at.index);
}

struct tsr_reaper_kind const tsr_reaper_conflated = {
	.slot = conflated_slot,
	.sent = TSR_HOLDER_CHANNEL,
};
