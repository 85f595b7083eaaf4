/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_DROP_H
#define TSR_SHM_DROP_H

/*
 * What a sender does with messages that nobody is to receive: its own, of a full channel that drops
 * the newest; the oldest, of one that drops that; the one that a newer one has superseded. Each is
 * released, and counted as lost by the sender.
 *
 * Writers	a slot whose message is dropped goes the way of one that is received:
 *
 *		  ready(n) --sender, CAS--> taken(n, s) --s, release--> empty(n + 1)
 *		  taken(n, s), s dead --reaper--> ready(n, again), or empty(n + 1)
 *
 *		so receivers of such a channel take, too, even the one declared receiver.
 * Crash	before the slot is empty the message is in the channel, as when a receiver dies;
 *		after it the ticket names the dead sender and is swept. A loss is counted last: a
 *		sender that dies before has lost one message more than it says.
 */

#include "shm/client.h"

#define TSR_CHANNEL_DROPS (TSR_CHANNEL_DROP_NEWEST | TSR_CHANNEL_DROP_OLDEST)

/*
 * tsr_drop_slot - drop the message in a slot that is ready
 * @ready:	the word of the slot as seen
 * @empty:	what it is to be afterwards
 *
 * Context: warm, a sender's thread. Return: false, nothing was done: the word is another now.
 */
TSR_COLD TSR_MUST_CHECK bool tsr_drop_slot(struct tsr_end *end, struct tsr_slot *slot,
                                           uint64_t ready, uint64_t empty);

/*
 * tsr_drop_full - a sender found its channel full: do what the channel was made to do
 * @zdesc:	what is being sent
 *
 * Context: warm. Return: 0 try again, the oldest was dropped or somebody moved on; 1 done, what was
 * being sent was dropped; -EAGAIN it is not a channel that drops, or the oldest is in somebody's
 * hands at this moment; -ENOTCONN the realm is no more.
 */
TSR_COLD TSR_MUST_CHECK int tsr_drop_full(struct tsr_end *end, struct tsr_zdesc const *zdesc);

/* tsr_drop_is_possible - can the sender whose slot shows @word make room there? Only looks. */
bool tsr_drop_is_possible(struct tsr_end const *end, uint64_t word);

#endif /* TSR_SHM_DROP_H */
