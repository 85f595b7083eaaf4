/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_BROADCAST_H
#define TSR_SHM_BROADCAST_H

/*
 * The broadcast channel: every receiver gets every message; the slot owns the ticket.
 *
 * Bytes	the slots, then struct tsr_broadcast_shm: who reads, who holds, a line for each
 *		reliable reader. Slot words as in channel.h, but a message stays in its slot until a
 *		sender needs the place a lap later. Its ticket is (SHARED, g) from the send until it
 *		is freed; its tag names the channel and, once it is out of its slot, the one who is
 *		responsible for freeing it.
 * Writers	slot:	empty(n) or ready(n - 1) --sender, CAS--> claimed(n, s) --s, release-->
 *			ready(n)
 *			claimed(n, s), s dead --reaper--> empty(n + 1): nothing was sent there
 *			one sender: the claim is a store
 *		ticket:	(s, g) --s--> (SHARED, g) --the slot's next sender s', tag--> (SHARED, g) of
 *			s' --s', no reader holds it--> (s', g + 1)
 *			of s', s' dead or closed --reaper, s'--> of the daemon --daemon, no reader
 *			holds it--> (DAEMON, g + 1)
 *		cursor:	free --reader, CAS--> reads(r) --sender, CAS--> evicted(r), lapped(r)
 *			any of r --r; r dead: reaper--> free
 *			position, hold: the reader's; the reaper's when it is dead
 * Indices	positions as in channel.h; here they stand in shared memory, too, with all their 64
 *		bits. A reliable reader's is never more than a capacity behind.
 * Trust	as channel.h. A cursor that lies holds up, or harms, its own channel.
 * Ordering	sender				reader
 *		[J2] acquire: who has joined	     position, bit
 *		[B2] acquire: cursors		[J1] release: joins; then a full fence everywhere
 *		[B7] slot claimed		     look where the senders are
 *		     zdesc, ticket (SHARED, g)	[R1] acquire: slot is ready
 *		[S2] release: ready		     read in place
 *						[B1] release: cursor moves on
 *		A sender looks at joins before each claim, so whoever missed a new cursor can claim
 *		one position at most: the next one. The reader begins behind what that overwrites.
 *		hold, then the slot (reader); slot, then holds (sender): a full fence on both sides,
 *		[H1] and [H2], so a held ticket is seen by whom it is freed, or not kept.
 * Speed	the one sender stores what the next slots' lines hold already, many in a row, so
 *		that it has them when it writes: see broadcast_ask(). Nobody can tell.
 * Progress	send: lock-free; it looks at every cursor only when the slowest that it knows is in
 *		its way. Receive: wait-free, and writes nothing; release writes one word of its own.
 *		A sender that is stopped between claim and publish holds up readers and senders.
 * Crash	after the claim: the slot names the old ticket, (SHARED, g), or the new one: the
 *		reaper takes it over if it is the slot's, and voids the slot. After the tag: the
 *		sweep finds the dead one's name in it. After the ticket's stamp: the slot's, as
 *		before. A reader's cursor and holds go.
 */

#include <stdint.h>

#include "shm/client.h"
#include "shm/layout.h"

/* States of a cursor; its word is packed as a slot's, with a generation for the lap. */
enum tsr_cursor_state {
	TSR_CURSOR_FREE = 0,
	TSR_CURSOR_READS = 1,
	TSR_CURSOR_EVICTED = 2, /* it was in the way, and is no longer heeded */
	TSR_CURSOR_LAPPED = 3,  /* likewise, and goes on as a lossy one */
};

TSR_INLINE uint64_t
tsr_cursor_word(uint64_t generation, uint16_t owner, enum tsr_cursor_state state)
{
	return ((generation & TSR_LAP_MASK) << 19) | ((uint64_t)owner << 3) | (uint64_t)state;
}

TSR_INLINE uint32_t
tsr_cursor_state(uint64_t word)
{
	return tsr_slot_phase(word);
}

#define TSR_READER_WINDOW 64 /* messages that a reader may have received and not released */

/* Where the cursors of a channel lie: behind its slots. */
TSR_INLINE struct tsr_broadcast_shm *
tsr_broadcast_shm(struct tsr_channel const *channel)
{
	return (struct tsr_broadcast_shm *)(void *)&channel->shm->slot[channel->capacity];
}

/* The responsible one, in the tag of a ticket that is out of its slot; 0: it is in one. */
TSR_INLINE uint64_t
tsr_tag_shared(uint64_t channel_id, uint16_t responsible)
{
	return channel_id | (uint64_t)responsible << 24;
}

TSR_INLINE uint16_t
tsr_tag_responsible(uint64_t tag)
{
	return (uint16_t)(tag >> 24);
}

/*
 * tsr_broadcast_behind - how far behind @position the slowest reliable reader is
 * @slowest:	NULL, or set to the number of its cursor
 *
 * Context: warm, also for observers. Return: positions; INT64_MIN there is none.
 */
int64_t tsr_broadcast_behind(struct tsr_channel const *channel, uint64_t position,
                             uint32_t *slowest);

/*
 * tsr_broadcast_wake_senders - @place is published, or read: wake the senders if one of them can be
 *		waiting for that, which is if the next position is a capacity behind it
 */
TSR_COLD void tsr_broadcast_wake_senders(struct tsr_end *end, struct tsr_wait_side const *senders,
                                         uint64_t place);

/* tsr_broadcast_holders - which readers may hold something, a bit each, and whether one does.
 * Behind a full fence. */
bool tsr_broadcast_holders(struct tsr_channel const *channel, uint64_t holders[TSR_CURSOR_WORDS]);

/* tsr_broadcast_held - does one of @holders hold the ticket @name? */
bool tsr_broadcast_held(struct tsr_channel const *channel, uint64_t const holders[TSR_CURSOR_WORDS],
                        uint64_t name);

/* The calls of the kind: see kind.h. */
int tsr_broadcast_try_send(struct tsr_end *end, struct tsr_zdesc *given);
bool tsr_broadcast_can_send(struct tsr_end const *end);
int tsr_broadcast_try_recv(struct tsr_end *end, struct tsr_msg *msg);
bool tsr_broadcast_can_recv(struct tsr_end const *end);

/* tsr_broadcast_join, tsr_broadcast_leave - a reader finds its place, and gives it up. */
TSR_MUST_CHECK
int tsr_broadcast_join(struct tsr_end *end, struct tsr_end_options const *options);
void tsr_broadcast_leave(struct tsr_end *end);

/* tsr_broadcast_retire - a sender closes: what it is responsible for is freed or the daemon's. */
void tsr_broadcast_retire(struct tsr_end *end);

/* tsr_broadcast_release - tsr_release() of a message with TSR_MSG_SHARED. */
TSR_MUST_CHECK
int tsr_broadcast_release(struct tsr_attachment *attachment, struct tsr_msg const *msg);

#endif /* TSR_SHM_BROADCAST_H */
