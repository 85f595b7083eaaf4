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
conflated_find_newest(struct tsr_channel const *channel)
{
	for (uint32_t i = 0; i < channel->capacity; i++) {
		/* [R1] pairs with [S2]: it is ready before it is said to be the newest. */
		uint64_t const word = tsr_ld_acq(&channel->shm->slot[i].word);
		uint64_t seen = tsr_ld_rlx(&channel->shm->newest);

		if (tsr_slot_phase(word) != TSR_READY)
			continue;
		for (uint32_t tries = 2 * channel->capacity; tries > 0; tries--) {
			uint64_t const position = conflated_position(channel, i, word, seen);

			/* [N1] pairs with [N2]: likewise. */
			if (!tsr_conflated_newer(position, seen) ||
			    tsr_cas_acq_rel(&channel->shm->newest, &seen, position))
				break;
		}
	}
}

static void
conflated_slots(struct tsr_map const *map, struct tsr_reap_end const *end, uint16_t dead,
                struct tsr_reap_result *result)
{
	struct tsr_channel const *const channel = &end->channel;
	bool const sender = end->side == TSR_SIDE_SENDER;

	for (uint32_t i = 0; i < channel->capacity; i++) {
		struct tsr_slot *const slot = &channel->shm->slot[i];
		/* [R1] pairs with [S2]; [S1] pairs with [R2]: as any end would. */
		uint64_t const word = tsr_ld_acq(&slot->word);

		if (tsr_slot_owner(word) != dead)
			continue;
		if (sender && tsr_slot_phase(word) == TSR_CLAIMED)
			tsr_reaper_claimed(map, slot, word, dead, result);
		else if (tsr_slot_phase(word) == TSR_TAKEN)
			tsr_reaper_taken(map, slot, word, dead, result);
		else
			continue;
		tsr_reaper_tell_slot(channel, slot, i, dead, word, result);
	}
	if (sender)
		conflated_find_newest(channel);
}

struct tsr_reaper_kind const tsr_reaper_conflated = {
	.slots = conflated_slots,
	.sent = TSR_HOLDER_CHANNEL,
};
