/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_UNLIMITED_H
#define TSR_SHM_UNLIMITED_H

/*
 * The unlimited channel: a sender never waits for a receiver. A ring of segments that grows.
 *
 * Bytes	a segment is as many slots as the channel's capacity. The first one lies in the
 *		channels segment, each other one in a block of an arena, whose ticket is (CHANNEL,
 *		segment, g) with the channel's id as its tag. Slot 0 of a segment is its link: phase
 *		TSR_LINK, and as its name the ticket's index of the next segment (24 bits; all ones:
 *		the first one) and a lap (40).
 *		segments, in the head: how many there are, more or less: the reaper counts anew when
 *		a sender has died.
 * Writers	slots as in channel.h, but that a sender claims an empty one of any earlier lap.
 *		What is added, at the end of the newest segment, which is in lap n:
 *
 *		  link (next, before n) --sender, CAS--> (next, n): every slot of next is empty: it
 *		              is in lap n + 1 from here on
 *		  link (next, before n) --sender, CAS--> (new, n): a block whose slots are empty and
 *		              whose link is (next, n - 1) is in between from here on
 *		  ticket of new: (s, idle, g) --s--> (CHANNEL, segment, g), its tag first
 *		  the same, s dead, and a link names it --reaper--> likewise
 *		  no end is open, nothing in it --daemon--> one segment after the other: a link
 *		              is what that of the next one was, which is out of the ring and
 *		              --> (DAEMON, g + 1); in the end first links to itself
 *
 * Indices	each segment that is entered is in the next lap: laps go up by one along the ring,
 *		from the oldest segment to the newest. A position is lap * capacity + slot, so it
 *		says the order of messages; the place with slot 0 is where the link of the lap
 *		before is looked at. Laps are compared by signed difference, in links of 40 bits.
 * Trust	a participant may write anything: an index is that of a ticket whose block a segment
 *		fits in, or -EPROTO; a walk visits as many segments as there are such blocks.
 * Ordering	sender				any end
 *		[X1] release: link		[X2] acquire: link
 *		[X3] release: its ticket	[X4] acquire: its ticket
 *		[X1] pairs with [X2]: the slots of a new segment are empty, its link is there.
 *		[X3] pairs with [X4]: the ticket's tag says of which channel it is.
 *		[S1], [R1] as in channel.h: a segment whose slots were all seen empty was read.
 * Progress	lock-free. No sender waits for a receiver: it takes a block, or fails. A sender that
 *		is stopped between claim and publish holds up the receivers at its slot; a receiver
 *		that is stopped between take and free keeps the ring from going round: it grows, up
 *		to its limit.
 * Crash	before the link: the block is the dead sender's, and swept. After it: the reaper,
 *		which walks the ring before it sweeps, stamps it. Slots as in channel.h.
 */

#include "shm/channel.h"

TSR_INLINE uint64_t
tsr_link_make(uint32_t index, uint64_t lap)
{
	return tsr_name_make(index, lap);
}

/* Signed distance from lap @lap to that of the link. */
TSR_INLINE int64_t
tsr_link_distance(uint64_t link, uint64_t lap)
{
	uint32_t const unused = 64 - TSR_GENERATION_BITS;

	return (int64_t)((tsr_name_generation(link) - lap) << unused) >> unused;
}

/* The word of a ticket whose block is a segment. */
TSR_INLINE bool
tsr_word_is_segment(uint64_t word)
{
	return tsr_word_holder(word) == TSR_HOLDER_CHANNEL &&
	       tsr_word_kind(word) == TSR_TICKET_SEGMENT;
}

/* tsr_unlimited_bytes - of a segment */
TSR_INLINE uint64_t
tsr_unlimited_bytes(uint32_t capacity)
{
	return (uint64_t)capacity * sizeof(struct tsr_slot);
}

/*
 * tsr_unlimited_most - how many segments could be made of the blocks of the realm
 * tsr_unlimited_limit - how many a channel grows to: a part of them, for while it is open it keeps
 *		them, and messages need blocks, too
 */
uint32_t tsr_unlimited_most(struct tsr_channel const *channel);
uint32_t tsr_unlimited_limit(struct tsr_channel const *channel);

/* tsr_unlimited_segment - the slots of the segment that a link names. Return: NULL: none such. */
struct tsr_slot *tsr_unlimited_segment(struct tsr_channel const *channel, uint64_t link);

/*
 * tsr_unlimited_newest - the segment that is being filled, and its lap
 *
 * Context: warm, any. Others may go on meanwhile: then it was the newest.
 */
struct tsr_slot *tsr_unlimited_newest(struct tsr_channel const *channel, uint64_t *lap);

/* tsr_unlimited_oldest - the segment of the oldest message that is there, or on its way; if there
 * is none the newest. Context: as above. */
struct tsr_slot *tsr_unlimited_oldest(struct tsr_channel const *channel, uint64_t *lap);

/* tsr_unlimited_next - the position where the next message goes, and its segment. Context: as
 * above. */
uint64_t tsr_unlimited_next(struct tsr_channel const *channel, struct tsr_slot **slots);

/* tsr_unlimited_format - a segment: its slots are empty in lap @lap, nobody else knows it */
void tsr_unlimited_format(struct tsr_slot *slots, uint32_t capacity, uint64_t lap, uint64_t link);

/* tsr_unlimited_number - the number of the message at @position, 0 is the first of the channel */
uint64_t tsr_unlimited_number(struct tsr_channel const *channel, uint64_t position);

/*
 * tsr_unlimited_close_ring - every slot is empty and no end is open: the first segment is the only
 * one in the ring, the others are in nobody's way
 * @lap:	of the newest segment
 */
void tsr_unlimited_close_ring(struct tsr_channel const *channel, uint64_t lap);

/* The segments of a channel, one after the other; of another kind, its ring. */
struct tsr_segments {
	struct tsr_channel const *channel;
	struct tsr_slot *slots;
	uint32_t ticket; /* of the block; TSR_TICKETS_MAX: it lies in the channels segment */
	uint32_t left;
};

/* tsr_segments_of - before the first one. tsr_segments_go - Return: false that was the last. */
struct tsr_segments tsr_segments_of(struct tsr_channel const *channel);
bool tsr_segments_go(struct tsr_segments *at);

/* All slots of a channel that may hold a message. */
struct tsr_slots {
	struct tsr_segments segments;
	struct tsr_slot *slot;
	uint32_t index; /* in its segment */
};

/* tsr_slots_of - before the first one. tsr_slots_go - Return: false that was the last. */
struct tsr_slots tsr_slots_of(struct tsr_channel const *channel);
bool tsr_slots_go(struct tsr_slots *at);

/* tsr_slots_all_empty - no slot holds a message, nor is one on its way into or out of it. */
bool tsr_slots_all_empty(struct tsr_channel const *channel);

#endif /* TSR_SHM_UNLIMITED_H */
