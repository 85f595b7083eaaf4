/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper_kind.h"
#include "core/reaper_ticket.h"
#include "shm/access.h"
#include "shm/ticket.h"
#include "shm/unlimited.h"

/* A block that @dead had linked into the ring, and perhaps not stamped: it is the channel's. */
static void
unlimited_stamp(struct tsr_map const *map, struct tsr_channel const *channel, uint16_t dead)
{
	struct tsr_segments at = tsr_segments_of(channel);
	uint64_t count = 0;

	while (tsr_segments_go(&at)) {
		struct tsr_ticket *ticket;
		uint64_t word, next;

		count++;
		if (at.ticket == TSR_TICKETS_MAX)
			continue;
		ticket = &map->tickets[at.ticket];
		word = tsr_ld_rlx(&ticket->word);
		if (tsr_word_holder(word) != dead)
			continue;
		next = tsr_word_make(tsr_word_generation(word), TSR_TICKET_SEGMENT,
		                     TSR_HOLDER_CHANNEL);
		tsr_st_rlx(&ticket->tag, channel->id);
		/* [X3] pairs with [X4]: its tag says of which channel it is. */
		tsr_st_rel(&ticket->word, next);
		TSR_TRACE(reap, tsr_reaper_describe_ticket(map, at.ticket, dead, word, next));
	}
	/* Others may be about to count what they have linked. */
	tsr_st_rlx(&channel->shm->segments, count);
}

static void
unlimited_slots(struct tsr_map const *map, struct tsr_reap_end const *end, uint16_t dead,
                struct tsr_reap_result *result)
{
	if (end->side == TSR_SIDE_SENDER)
		unlimited_stamp(map, &end->channel, dead);
	tsr_reaper_ring(map, end, dead, result);
}

void
tsr_reaper_segments(struct tsr_map const *map, struct tsr_channel const *channel,
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
	.slots = unlimited_slots,
	.sent = TSR_HOLDER_CHANNEL,
};
