/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper_kind.h"
#include "core/reaper_ticket.h"
#include "shm/access.h"
#include "shm/ticket.h"
#include "shm/unlimited.h"

/* A block that @dead had linked into the ring, and perhaps not stamped: it is the channel's. */
static void
unlimited_stamp(struct tsr_channel const *channel, uint32_t index, uint16_t dead)
{
	struct tsr_map const *const map = channel->map;
	struct tsr_ticket *ticket;
	uint64_t word, next;

	if (index == TSR_TICKETS_MAX)
		return;
	ticket = &map->tickets[index];
	word = tsr_ld_rlx(&ticket->word);
	if (tsr_word_holder(word) != dead)
		return;
	next = tsr_word_make(tsr_word_generation(word), TSR_TICKET_SEGMENT, TSR_HOLDER_CHANNEL);
	tsr_st_rlx(&ticket->tag, channel->id);
	/* [X3] pairs with [X4]: its tag says of which channel it is. */
	tsr_st_rel(&ticket->word, next);
	TSR_TRACE(reap, tsr_reaper_describe_ticket(map, index, dead, word, next));
}

static void
unlimited_begin(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
                struct tsr_reap_result *result)
{
	(void)dead, (void)result;
	walk->segments_before = tsr_ld_rlx(&end->channel.shm->segments);
}

static void
unlimited_slot(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
               struct tsr_reap_result *result)
{
	if (walk->at.index == 1) { /* the first of a segment */
		walk->segments++;
		if (end->side == TSR_SIDE_SENDER)
			unlimited_stamp(&end->channel, walk->at.segments.ticket, dead);
	}
	tsr_reaper_ring(end, walk, dead, result);
}

static void
unlimited_done(struct tsr_reap_end const *end, struct tsr_reap_walk *walk, uint16_t dead,
               struct tsr_reap_result *result)
{
	_Atomic uint64_t *const segments = &end->channel.shm->segments;

	/* Others may have linked more meanwhile, and counted it: then it is for the next death. */
	if (end->side == TSR_SIDE_SENDER && tsr_ld_rlx(segments) == walk->segments_before)
		tsr_st_rlx(segments, walk->segments);
	tsr_reaper_ring_done(end, walk, dead, result);
}

static void
unlimited_shrink(struct tsr_map const *map, struct tsr_channel const *channel,
                 struct tsr_reap_result *result)
{
	/* First, for who is cut short and comes again must not go where others are by then. */
	tsr_unlimited_close_ring(channel);
	for (uint32_t i = 0; i < map->tickets_count; i++) {
		/* [X4] pairs with [X3]. */
		uint64_t const word = tsr_ld_acq(&map->tickets[i].word);

		if (tsr_word_is_segment(word) && tsr_ld_rlx(&map->tickets[i].tag) == channel->id &&
		    tsr_reaper_reclaim(map, tsr_name_make(i, tsr_word_generation(word)),
		                       TSR_HOLDER_CHANNEL, TSR_HOLDER_DAEMON))
			result->tickets++;
	}
}

struct tsr_reaper_kind const tsr_reaper_unlimited = {
	.begin = unlimited_begin,
	.slot = unlimited_slot,
	.done = unlimited_done,
	.sent = TSR_HOLDER_CHANNEL,
	.shrink = unlimited_shrink,
};
