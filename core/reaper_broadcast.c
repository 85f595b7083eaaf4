/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* Broadcasts: see shm/broadcast.h. */

#include "core/reaper_kind.h"
#include "core/reaper_ticket.h"
#include "shm/access.h"
#include "shm/broadcast.h"
#include "shm/ticket.h"

/* A ticket that is shared and in no slot: the daemon is responsible for it now. */
static void
broadcast_inherit(struct tsr_map const *map, uint64_t name, uint64_t channel_id)
{
	struct tsr_ticket *const ticket = tsr_reaper_ticket(map, name);

	/* [P1] pairs with [T1]. */
	if (ticket != NULL && tsr_word_is_shared(tsr_ld_acq(&ticket->word), name))
		tsr_st_rlx(&ticket->tag, tsr_tag_shared(channel_id, TSR_HOLDER_DAEMON));
}

/* Claimed and not published: whichever ticket it names, the one that was there or the new one. */
static void
broadcast_claimed(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
                  struct tsr_reap_result *result)
{
	struct tsr_channel const *const channel = &end->channel;
	struct tsr_slot *const slot = walk->at.slot;
	/* [B7] pairs with [S2]: as a sender would. */
	uint64_t const word = tsr_ld_acq(&slot->word);

	if (tsr_slot_phase(word) != TSR_CLAIMED || tsr_slot_owner(word) != dead)
		return;
	broadcast_inherit(channel->map, tsr_ld_rlx(&slot->name), channel->id);
	tsr_reaper_empty(slot, tsr_slot_lap(word));
	result->slots_voided++;
	tsr_reaper_tell_slot(channel, slot, walk->at.index, dead, word, result);
}

/* A cursor of the dead one: in the order in which its owner gives it up. */
static void
broadcast_cursor(struct tsr_channel const *channel, uint32_t number, uint16_t dead,
                 struct tsr_reap_result *result)
{
	struct tsr_broadcast_shm *const shm = tsr_broadcast_shm(channel);
	struct tsr_cursor *const cursor = &shm->cursor[number];
	/* [B4] pairs with [B3]: as the next owner would. */
	uint64_t const word = tsr_ld_acq(&cursor->word);
	uint64_t const others = ~(UINT64_C(1) << number % 64);
	struct tsr_trace_repair const repair = {
		.realm = channel->map->directory->name,
		.what = "cursor",
		.channel = channel->id,
		.before = word,
		.after = tsr_cursor_word(tsr_slot_lap(word), 0, TSR_CURSOR_FREE),
		.index = number,
		.client = dead,
	};

	if (tsr_cursor_state(word) == TSR_CURSOR_FREE || tsr_slot_owner(word) != dead)
		return;
	/* [B3] pairs with [B4]: bits first. */
	(void)tsr_and_sc(&shm->reading[number / 64], others);
	(void)tsr_and_sc(&shm->holding[number / 64], others);
	for (uint32_t i = 0; i < TSR_CURSOR_HOLDS; i++)
		tsr_st_rlx(&cursor->hold[i], TSR_NAME_NONE);
	/* [B3] pairs with [B4]: bits and holds are cleared. */
	tsr_st_rel(&cursor->word, repair.after);
	tsr_reaper_tell(&repair, result);
	result->cursors++;
}

static void
broadcast_begin(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
                struct tsr_reap_result *result)
{
	(void)walk;
	for (uint32_t i = 0; end->side == TSR_SIDE_RECEIVER && i < TSR_CURSORS_MAX; i++)
		broadcast_cursor(&end->channel, i, dead, result);
}

struct tsr_reaper_kind const tsr_reaper_broadcast = {
	.begin = broadcast_begin,
	.slot = broadcast_claimed,
	.begin_work = TSR_CURSORS_MAX,
	.senders_only = true,
	.sent = TSR_HOLDER_SHARED,
};

/* Does a reader of its channel hold it? A channel that is no more has none. */
static bool
shared_is_held(struct tsr_map const *map, uint64_t name, uint64_t tag)
{
	uint64_t const id = tag & TSR_TICKETS_MAX;
	uint32_t const index = (uint32_t)(id & TSR_CHANNELS_MAX) - 1;
	uint64_t holders[TSR_CURSOR_WORDS];
	struct tsr_channel_entry *entry;
	struct tsr_channel channel;

	if (index >= map->channels_count)
		return false;
	entry = &map->entries[index];
	if (tsr_ld_rlx(&entry->id) != id || entry->kind != TSR_KIND_BROADCAST ||
	    tsr_channel_bind(&channel, map, index, entry->offset, tsr_channel_entry_shape(entry),
	                     id) != 0)
		return false;
	return tsr_broadcast_holders(&channel, holders) &&
	       tsr_broadcast_held(&channel, holders, name);
}

void
tsr_reaper_shared(struct tsr_map const *map, struct tsr_part part, uint16_t dead,
                  struct tsr_reap_result *result)
{
	/* [H2] pairs with [H1]: what is out of its slot is so before the holds are looked at. */
	tsr_fence_sc();
	/* No message of a region is shared. */
	for (uint32_t i = part.first; i < part.past && i < map->tickets_count; i++) {
		struct tsr_ticket *const ticket = &map->tickets[i];
		/* [P1] pairs with [T1]. */
		uint64_t const word = tsr_ld_acq(&ticket->word);
		uint64_t const tag = tsr_ld_rlx(&ticket->tag);
		uint64_t const name = tsr_name_make(i, tsr_word_generation(word));

		if (!tsr_word_is_shared(word, name) ||
		    (tsr_tag_responsible(tag) != dead &&
		     tsr_tag_responsible(tag) != TSR_HOLDER_DAEMON))
			continue;
		if (shared_is_held(map, name, tag))
			broadcast_inherit(map, name, tag & TSR_TICKETS_MAX);
		else if (tsr_reaper_reclaim(map, name, TSR_HOLDER_SHARED, dead))
			result->tickets++;
	}
}
