/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_CHANNEL_H
#define TSR_SHM_CHANNEL_H

/*
 * The slot word, and the buffered channel: a ring of slots whose state lies in the slots.
 *
 * Bytes	slot word: phase (3, low) | owner (16) | lap (45). The same word serves depot cells.
 * Writers	a slot is written by whom its word names, and by the reaper once that one is dead:
 *
 *		  empty(n) --sender, CAS--> claimed(n, s) --s, release--> ready(n)
 *		  ready(n) --receiver, CAS--> taken(n, r) --r, release--> empty(n + 1)
 *		  claimed(n, s), s dead --reaper--> empty(n + 1)
 *		  taken(n, r), r dead --reaper--> ready(n, again), or empty(n + 1)
 *		  one sender:   empty(n) --s, release--> ready(n)
 *		  one receiver: ready(n) --r, release--> empty(n + 1)
 *
 * Indices	a position is 64 bits, signed and private; slot = position mod capacity, lap =
 *		position / capacity mod 2^45. Laps are compared by signed difference, so they may
 *		wrap.
 * Trust	a participant may write anything; each word is loaded once, and what cannot be is
 *		-EPROTO or is passed over. Walks are bounded by twice the capacity.
 * Ordering	sender				receiver
 *		[S1] acquire: slot is empty	[R1] acquire: slot is ready
 *		     zdesc, stamp		     zdesc, stamp
 *		     ticket (CHANNEL, g)	     ticket (me, g+1)
 *		[S2] release: ready		[R2] release: empty
 *		[S2] pairs with [R1]: zdesc, ticket word and payload are visible.
 *		[R2] pairs with [S1]: the zdesc was read before the slot is written again.
 * Progress	lock-free; wait-free with one declared sender and one declared receiver. A sender
 *		that is stopped between claim and publish holds up the receivers at its slot.
 * Crash	after the claim, the zdesc, the ticket: the reaper frees the ticket if its word is
 *		(CHANNEL, g) and passes the slot over. After the take: ready again. After the stamp
 *		(me, g+1), which never escaped: back to (CHANNEL, g) and ready again.
 */

#include <errno.h>
#include <stdint.h>

#include "shm/access.h"
#include "shm/layout.h"
#include "shm/map.h"
#include "shm/waiter.h"
#include "shm/zdesc.h"

enum tsr_phase {
	TSR_EMPTY = 0,
	TSR_CLAIMED = 1,
	TSR_READY = 2,
	TSR_TAKEN = 3,
	TSR_LINK = 7, /* no slot but a segment's link: see unlimited.h */
};

/* The two sides of a channel. */
enum tsr_side {
	TSR_SIDE_SENDER = 0,
	TSR_SIDE_RECEIVER = 1,
};

#define TSR_LAP_BITS 45
#define TSR_LAP_MASK ((UINT64_C(1) << TSR_LAP_BITS) - 1)

/* The owner field of a ready slot holds flags instead: nobody owns it. */
#define TSR_READY_AGAIN     UINT16_C(1) /* a receiver that died had taken it */
#define TSR_READY_AGAIN_BIT ((uint64_t)TSR_READY_AGAIN << 3)

#define TSR_LAP_ONE (UINT64_C(1) << 19) /* one lap, as it stands in a word */

TSR_INLINE uint64_t
tsr_slot_word(uint64_t lap, uint16_t owner, enum tsr_phase phase)
{
	return ((lap & TSR_LAP_MASK) << 19) | ((uint64_t)owner << 3) | (uint64_t)phase;
}

TSR_INLINE uint64_t
tsr_slot_lap(uint64_t word)
{
	return word >> 19;
}

TSR_INLINE uint16_t
tsr_slot_owner(uint64_t word)
{
	return (uint16_t)(word >> 3);
}

TSR_INLINE uint32_t
tsr_slot_phase(uint64_t word)
{
	return (uint32_t)(word & 7);
}

/* Signed distance from lap @b to lap @a, wrap-around included. */
TSR_INLINE int64_t
tsr_lap_distance(uint64_t a, uint64_t b)
{
	return (int64_t)((a - b) << (64 - TSR_LAP_BITS)) >> (64 - TSR_LAP_BITS);
}

/* The count of open ends of one side, as the daemon publishes it in the directory:
 * count (16, low) | died (1) | stream (47). A stream begins when the count leaves 0. */
TSR_INLINE uint64_t
tsr_ends_make(uint16_t count, bool died, uint64_t stream)
{
	return (stream << 17) | ((uint64_t)died << 16) | count;
}

TSR_INLINE uint16_t
tsr_ends_count(uint64_t ends)
{
	return (uint16_t)ends;
}

TSR_INLINE bool
tsr_ends_died(uint64_t ends)
{
	return (ends >> 16 & 1) != 0;
}

TSR_INLINE uint64_t
tsr_ends_stream(uint64_t ends)
{
	return ends >> 17;
}

/* What a channel is made as: see kind.h for what each kind allows. */
struct tsr_shape {
	uint32_t kind; /* TSR_KIND_* */
	uint32_t capacity;
	uint32_t flags; /* TSR_CHANNEL_* */
};

/* A channel as one process sees it: private, checked. */
struct tsr_channel {
	struct tsr_channel_shm *shm;
	struct tsr_slot *slots; /* the ring; of an unlimited one a segment, the first at first */
	struct tsr_map const *map;
	struct tsr_tokens *tokens; /* NULL for an observer */
	struct tsr_channel_entry *entry;
	uint32_t capacity;
	uint32_t mask;  /* capacity - 1 */
	uint32_t shift; /* log2 of capacity */
	uint32_t flags; /* TSR_CHANNEL_* */
	uint32_t kind;  /* TSR_KIND_* */
	uint64_t id;
};

/* tsr_channel_entry_shape - as the directory says it; kind and capacity are yet to be checked */
TSR_INLINE struct tsr_shape
tsr_channel_entry_shape(struct tsr_channel_entry const *entry)
{
	return (struct tsr_shape){
		.kind = entry->kind, .capacity = entry->capacity, .flags = entry->flags};
}

/* tsr_channel_bytes - what it takes of the channels segment */
uint64_t tsr_channel_bytes(struct tsr_channel const *channel);

/*
 * tsr_channel_bind - a view of the channel at @offset of the channels segment
 *
 * Context: cold. Return: 0; -EPROTO it does not fit the mapping.
 */
TSR_MUST_CHECK
int tsr_channel_bind(struct tsr_channel *channel, struct tsr_map const *map, uint32_t index,
                     uint64_t offset, struct tsr_shape shape, uint64_t id);

TSR_INLINE struct tsr_shape
tsr_channel_shape(struct tsr_channel const *channel)
{
	return (struct tsr_shape){
		.kind = channel->kind, .capacity = channel->capacity, .flags = channel->flags};
}

TSR_INLINE struct tsr_slot *
tsr_channel_slot(struct tsr_channel const *channel, uint64_t position)
{
	return &channel->slots[position & channel->mask];
}

TSR_INLINE uint64_t
tsr_channel_lap(struct tsr_channel const *channel, uint64_t position)
{
	/* With its sign: a receiver's place may lie a capacity before the first position of all. */
	return (uint64_t)((int64_t)position >> channel->shift) & TSR_LAP_MASK;
}

/* Signed distance from position @b to position @a, of two ends that came before and after a wrap of
 * the laps, too. */
TSR_INLINE int64_t
tsr_channel_distance(struct tsr_channel const *channel, uint64_t a, uint64_t b)
{
	uint32_t const bits = TSR_LAP_BITS + channel->shift;
	uint32_t const unused = bits < 64 ? 64 - bits : 0;

	return (int64_t)((a - b) << unused) >> unused;
}

/* The side of @side: where those sleep. Not for observers. */
TSR_INLINE struct tsr_wait_side
tsr_channel_side(struct tsr_channel const *channel, uint32_t side)
{
	bool const sends = side == TSR_SIDE_SENDER;

	return (struct tsr_wait_side){
		.mask = sends ? &channel->shm->senders_waiting : &channel->shm->receivers_waiting,
		.tokens = sends ? channel->tokens->sender : channel->tokens->receiver,
		.doorbell = &channel->map->doorbell,
	};
}

/*
 * tsr_channel_find - where a sender that comes new starts: 1 + the newest position that any slot
 * shows as claimed or later. A receiver starts a capacity below. Context: cold.
 */
uint64_t tsr_channel_find(struct tsr_channel const *channel);

#endif /* TSR_SHM_CHANNEL_H */
