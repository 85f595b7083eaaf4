/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper_kind.h"
#include "core/reaper_ticket.h"
#include "shm/access.h"
#include "shm/meters.h"
#include "shm/requeue.h"
#include "shm/waiter.h"

/* The channel that a tag names, if it is there and takes messages of dead receivers back. */
static bool
requeue_channel(struct tsr_map const *map, uint64_t tag, struct tsr_channel *channel)
{
	uint64_t const id = tag & 0xffffff;
	uint32_t const index = tsr_channel_index((uint32_t)id);
	struct tsr_channel_entry const *entry;

	if (index >= map->channels_count)
		return false;
	entry = &map->entries[index];
	return tsr_ld_rlx(&entry->id) == id && (entry->flags & TSR_CHANNEL_REQUEUE) != 0 &&
	       tsr_channel_bind(channel, map, index, entry->offset, tsr_channel_entry_shape(entry),
	                        id) == 0;
}

/* Ticket @index is requeued: let the channel's receivers find it. */
static void
requeue_list(struct tsr_channel const *channel, uint32_t index)
{
	uint64_t const seen = tsr_ld_rlx(&channel->shm->requeue_first);
	uint32_t const first = tsr_requeue_first(seen);
	uint32_t const lowest = first == 0 || first > index + 1 ? index + 1 : first;

	if (first == 0 || tsr_ld_rlx(&channel->shm->requeue_last) < index + 1)
		tsr_st_rlx(&channel->shm->requeue_last, index + 1);
	/* A store: what a receiver says meanwhile is older, and to look once more costs only time.
	 * [Y1] pairs with [Y2]: the ticket's word, and last, come first. */
	tsr_st_rel(&channel->shm->requeue_first,
	           tsr_requeue_word(tsr_requeue_version(seen) + 1, lowest));
}

static void
requeue_wake(struct tsr_channel const *channel)
{
	struct tsr_wait_side const receivers = tsr_channel_side(channel, TSR_SIDE_RECEIVER);

	/* [K2] pairs with [W1]: what is listed, before the look at the mask. */
	tsr_fence_sc();
	(void)tsr_waiters_wake_all(&receivers, TSR_HOLDER_DAEMON);
}

bool
tsr_reaper_requeue(struct tsr_map const *map, uint32_t index, uint64_t word, uint16_t dead,
                   struct tsr_reap_result *result)
{
	uint64_t const next = tsr_word_make(tsr_generation_next(tsr_word_generation(word)),
	                                    TSR_TICKET_REQUEUED, TSR_HOLDER_CHANNEL);
	bool const held =
		tsr_word_holder(word) == dead && tsr_word_kind(word) == TSR_TICKET_RECEIVED;
	bool const again = tsr_word_holder(word) == TSR_HOLDER_CHANNEL &&
	                   tsr_word_kind(word) == TSR_TICKET_REQUEUED;
	struct tsr_channel channel;

	if ((!held && !again) ||
	    !requeue_channel(map, tsr_ld_rlx(&map->tickets[index].tag), &channel))
		return false;
	if (held) {
		/* [Y1] pairs with [Y2]: its range, and what the dead one has written. */
		tsr_st_rel(&map->tickets[index].word, next);
		TSR_TRACE(reap, tsr_reaper_describe_ticket(map, index, dead, word, next));
		result->requeued++;
	}
	/* Also what was so before: a reaper that was cut short may not have said it. */
	requeue_list(&channel, index);
	requeue_wake(&channel);
	return true;
}

void
tsr_reaper_requeue_drain(struct tsr_channel const *channel, struct tsr_part part,
                         struct tsr_reap_result *result)
{
	struct tsr_map const *const map = channel->map;

	for (uint32_t i = part.first; tsr_requeue_is_on(channel) && i < part.past; i++) {
		/* [P1] pairs with [T1]. */
		uint64_t const word = tsr_ld_acq(&map->tickets[i].word);
		uint64_t const name = tsr_name_make(i, tsr_word_generation(word));

		if (tsr_requeue_names(word, tsr_ld_rlx(&map->tickets[i].tag), channel->id) &&
		    tsr_reaper_reclaim(map, name, TSR_HOLDER_CHANNEL, TSR_HOLDER_DAEMON))
			result->tickets++;
	}
}
