/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/drop.h"

#include <errno.h>

#include "shm/message.h"
#include "shm/ticket.h"

static void
drop_count(struct tsr_end *end)
{
	tsr_count(&end->metrics->cause[TSR_METRIC_LOST], 1);
}

/* A ticket that is ours now, and nobody's message any more. */
static void
drop_release(struct tsr_end *end, uint64_t name)
{
	if (tsr_message_release(end->attachment, name) != 0)
		tsr_count(&end->attachment->state->refused, 1);
}

bool
tsr_drop_slot(struct tsr_end *end, struct tsr_slot *slot, uint64_t ready, uint64_t empty)
{
	uint64_t word = ready;
	uint64_t own;
	bool mine;

	/* [R1] pairs with [S2]: zdesc and ticket word are visible. */
	if (!tsr_cas_acq(&slot->word, &word,
	                 tsr_slot_word(tsr_slot_lap(ready), end->me, TSR_TAKEN)))
		return false;
	mine = tsr_ticket_receive_of(end->map, tsr_ld_rlx(&slot->name), end->map->tickets_all,
	                             end->me, &own) == 0;
	/* [R2] pairs with [S1]: the zdesc was read, the ticket is stamped. */
	tsr_st_rel(&slot->word, empty);
	if (!mine) {
		tsr_count(&end->attachment->state->refused, 1);
		return true;
	}
	drop_release(end, own);
	drop_count(end);
	return true;
}

/* A slot that the sender at @end would fill, and that still holds what was sent a capacity ago. */
static bool
drop_is_oldest(struct tsr_end const *end, uint64_t word)
{
	return (word & ~TSR_READY_AGAIN_BIT) == end->expect - TSR_LAP_ONE + TSR_READY;
}

bool
tsr_drop_is_possible(struct tsr_end const *end, uint64_t word)
{
	return (end->channel.flags & TSR_CHANNEL_DROP_NEWEST) != 0 ||
	       ((end->channel.flags & TSR_CHANNEL_DROP_OLDEST) != 0 && drop_is_oldest(end, word));
}

static int
drop_oldest(struct tsr_end *end)
{
	struct tsr_slot *const slot = tsr_end_slot(end);
	uint64_t const word = tsr_ld_rlx(&slot->word); /* a look: the exchange acquires it */
	int64_t const behind = tsr_lap_distance(tsr_slot_lap(end->expect), tsr_slot_lap(word));

	if (drop_is_oldest(end, word)) {
		(void)!tsr_drop_slot(end, slot, word, end->expect);
		return 0;
	}
	/* Claimed or taken: in somebody's hands, who will wake us. */
	return behind == 1 && tsr_slot_phase(word) != TSR_EMPTY ? -EAGAIN : 0;
}

int
tsr_drop_full(struct tsr_end *end, struct tsr_zdesc const *zdesc)
{
	int error;

	if ((end->channel.flags & TSR_CHANNEL_DROPS) == 0)
		return -EAGAIN;
	/* Where nobody is told that it is full, somebody must say this. */
	error = tsr_attachment_check(end->attachment);
	if (error != 0)
		return error;
	if ((end->channel.flags & TSR_CHANNEL_DROP_OLDEST) != 0)
		return drop_oldest(end);
	drop_release(end, zdesc->name);
	tsr_metrics_moved(end->metrics, tsr_range_length(zdesc->range));
	drop_count(end);
	return 1;
}
