/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_REQUEUE_H
#define TSR_SHM_REQUEUE_H

/*
 * Redelivery: what a receiver that died had received from a channel and not released is delivered
 * once more, flagged, before what is in the ring.
 *
 * Bytes	the ticket's word is (CHANNEL, requeued, g), its tag names the channel, its range
 *		stands in a table beside the tickets. That is the message; no slot names it. In the
 *		head of the channel, first: index of a ticket, 1 more (25 bits, low), 0: none;
 *		version (39). last: 1 more than the last index.
 * Writers	ranges: a receiver of such a channel, before it stamps the ticket.
 *		word: (dead, received, g) --reaper--> (CHANNEL, requeued, g + 1)
 *		      (CHANNEL, requeued, g) --receiver, CAS--> (me, received, g + 1)
 *		first, last: the reaper, after the words: no ticket of the channel that is requeued
 *		lies before first or behind last, and the version is another. first forward, or to
 *		none: a receiver that has found nothing in between, by CAS, so only if the version
 *		is what it was.
 * Trust	as with slots: index, kind, tag and range are checked, and the exchange decides.
 * Ordering	reaper				receiver
 *		[Y1] release: the word		[Y2] acquire: first
 *		[Y1] release: first		     scan: acquire the words
 *		[Y1] pairs with [Y2]: whoever sees first, sees the words.
 * Progress	lock-free; a receiver looks at first, in a line that it reads anyway, and only if
 *		there is something it scans: each ticket once for a death.
 * Crash	a receiver: the word names it, or not yet; what it had in hands comes again. The
 *		reaper: done once more, it lists what it finds requeued, by whomever.
 */

#include "shm/client.h"

#define TSR_REQUEUE_INDEX_BITS 25

/* tsr_requeue_first - index of the first ticket, 1 more; 0: none */
TSR_INLINE uint32_t
tsr_requeue_first(uint64_t word)
{
	return (uint32_t)(word & ((UINT64_C(1) << TSR_REQUEUE_INDEX_BITS) - 1));
}

TSR_INLINE uint64_t
tsr_requeue_word(uint64_t version, uint32_t first)
{
	return (version << TSR_REQUEUE_INDEX_BITS) | first;
}

TSR_INLINE uint64_t
tsr_requeue_version(uint64_t word)
{
	return word >> TSR_REQUEUE_INDEX_BITS;
}

/* tsr_requeue_is_on - was the channel made so? */
TSR_INLINE bool
tsr_requeue_is_on(struct tsr_channel const *channel)
{
	return (channel->flags & TSR_CHANNEL_REQUEUE) != 0;
}

/* tsr_requeue_names - is this ticket a message of the channel @id that comes again? */
TSR_INLINE bool
tsr_requeue_names(uint64_t word, uint64_t tag, uint64_t id)
{
	return tsr_word_holder(word) == TSR_HOLDER_CHANNEL &&
	       tsr_word_kind(word) == TSR_TICKET_REQUEUED && (tag & 0xffffff) == id;
}

/* tsr_requeue_pending - may something be there? Only looks. */
TSR_INLINE bool
tsr_requeue_pending(struct tsr_channel const *channel)
{
	return tsr_requeue_is_on(channel) &&
	       tsr_requeue_first(tsr_ld_rlx(&channel->shm->requeue_first)) != 0;
}

/*
 * tsr_requeue_note - note the range of a message that the end is about to receive: the slot that
 * names it is ours, the ticket is not yet stamped
 */
TSR_INLINE void
tsr_requeue_note(struct tsr_end const *end, uint64_t name, uint64_t range)
{
	if (tsr_requeue_is_on(&end->channel))
		tsr_st_rlx(&end->map->ranges[tsr_name_index(name)], range);
}

/*
 * tsr_requeue_recv - one try to receive what comes again
 *
 * Context: warm, the receiver's thread. Return: 0; -EAGAIN nothing comes again; -EPROTO a range
 * that cannot be: the ticket is free; or why a region can't be had: the message is still there.
 */
TSR_COLD TSR_MUST_CHECK int tsr_requeue_recv(struct tsr_end *end, struct tsr_msg *msg);

#endif /* TSR_SHM_REQUEUE_H */
