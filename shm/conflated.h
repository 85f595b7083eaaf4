/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_CONFLATED_H
#define TSR_SHM_CONFLATED_H

/*
 * The conflated channel: only the newest message counts.
 *
 * Bytes	a ring of slots, as a buffered channel, and one word in the head: newest, the
 *		position (64 bits) of the message that counts. Its slot shows whether it is there
 *		still: ready of that lap. Before the first message it names the position before the
 *		first, whose slot is empty, of the next lap: as if that had been received.
 * Writers	slots as in channel.h; senders take, too. What is added:
 *
 *		  empty(m)  --sender, CAS--> claimed(n, s): n the first lap, m or later, whose
 *		              position is beyond newest
 *		  claimed(n, s) --s, release--> ready(n)
 *		  newest: p --sender, CAS--> its own position, if that is beyond p; then it drops
 *		              what is ready at p. If newest is beyond its own, it drops its own
 *		  ready(n), beyond newest, its sender dead --reaper--> newest is that
 *		  ready(n), before newest --any sender that comes by--> dropped
 *
 *		Each message that newest has passed has one sender that is to drop it: the one that
 *		moved newest from it, or its own. Where that one died, or the reaper moved newest,
 *		it stays until a sender needs its slot.
 * Indices	positions as in channel.h; a sender goes over slots that others have in hands, so
 *		some positions are never used.
 * Trust	a participant may write anything: newest is only a place to look, and a sender looks
 *		at each slot once.
 * Ordering	sender				receiver
 *		[S2] release: ready		[N2] acquire: newest
 *		[N1] release: newest		[R1] acquire: slot is ready
 *		[N1] pairs with [N2]: the slot of newest is ready, or somebody has taken it since.
 * Linear	a send happens when newest passes its position, by whomever; a receive, which frees
 *		the slot later, when it loads newest. So nobody receives an older message after a
 *		newer one was received, by himself or by another whose call had ended before.
 * Progress	lock-free; a sender never waits, for there are two slots more than ends: each end
 *		has at most one in hands, and one holds the newest. A stopped end holds up nobody,
 *		but a receiver, between take and free, the end of the stream.
 * Crash	a sender: claimed: the reaper frees the ticket and the slot. Ready and not newest:
 *		the reaper makes it the newest, if it is. Newest, and the older one not dropped, or
 *		taken to be dropped: that one stays, and counts for nobody. A receiver: as in
 *		channel.h; what it had taken is there again, flagged, and counts unless newest has
 *		passed it.
 */

#include "shm/client.h"

#define TSR_CONFLATED_CAPACITY_MIN 4 /* two ends, and two slots more */

/* tsr_conflated_newer - is position @a beyond @b? */
TSR_INLINE bool
tsr_conflated_newer(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) > 0;
}

/* tsr_conflated_is_empty - nothing there counts, or is in a receiver's hands. Only looks. */
bool tsr_conflated_is_empty(struct tsr_channel const *channel);

#endif /* TSR_SHM_CONFLATED_H */
