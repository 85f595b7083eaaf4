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

/* Free the block of a segment that is out of the ring. */
static void
unlimited_free(struct tsr_channel const *channel, uint32_t index, struct tsr_reap_result *result)
{
	struct tsr_ticket *const ticket = &channel->map->tickets[index];
	/* [X4] pairs with [X3]. */
	uint64_t const word = tsr_ld_acq(&ticket->word);

	if (tsr_word_is_segment(word) && tsr_ld_rlx(&ticket->tag) == channel->id &&
	    tsr_reaper_reclaim(channel->map, tsr_name_make(index, tsr_word_generation(word)),
	                       TSR_HOLDER_CHANNEL, TSR_HOLDER_DAEMON))
		result->tickets++;
}

/*
 * The first segment takes the place of the one behind it, with that one's link: laps go up by one
 * along the ring as before. But the newest segment must stay until it is the last, for the link to
 * it says in which lap the channel is: as long as the first one leads to the newest, the one behind
 * that goes.
 */
static bool
unlimited_unlink(struct tsr_channel const *channel, uint64_t newest, struct tsr_reap_result *result)
{
	struct tsr_slot *const first = channel->shm->slot;
	uint64_t link = tsr_ld_rlx(&first->name);
	struct tsr_slot *before = first, *out = tsr_unlimited_segment(channel, link);
	uint64_t lap;

	if (out == NULL || out == first)
		return false;
	if (link == newest) {
		uint64_t const behind = tsr_ld_rlx(&out->name);
		struct tsr_slot *const next = tsr_unlimited_segment(channel, behind);

		if (next == NULL || next == first) {
			(void)tsr_unlimited_newest(channel, &lap);
			tsr_unlimited_close_ring(channel, lap);
			unlimited_free(channel, tsr_name_index(link), result);
			return false;
		}
		before = out;
		out = next;
		link = behind;
	}
	/* [X1] pairs with [X2]: nobody is there. */
	tsr_st_rel(&before->name, tsr_ld_rlx(&out->name));
	tsr_st_rlx(&channel->shm->segments, tsr_ld_rlx(&channel->shm->segments) - 1);
	unlimited_free(channel, tsr_name_index(link), result);
	return true;
}

static void
unlimited_close(struct tsr_channel const *channel)
{
	tsr_unlimited_close_ring(channel, tsr_slot_lap(tsr_ld_rlx(&channel->shm->slot[1].word)));
}

void
tsr_reaper_segments(struct tsr_channel const *channel, struct tsr_part part,
                    struct tsr_reap_result *result)
{
	for (uint32_t i = part.first; i < part.past && i < channel->map->tickets_count; i++)
		unlimited_free(channel, i, result);
}

struct tsr_reaper_kind const tsr_reaper_unlimited = {
	.begin = unlimited_begin,
	.slot = unlimited_slot,
	.done = unlimited_done,
	.sent = TSR_HOLDER_CHANNEL,
	.unlink = unlimited_unlink,
	.close = unlimited_close,
};
