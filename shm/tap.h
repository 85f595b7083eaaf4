/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_TAP_H
#define TSR_SHM_TAP_H

/*
 * A tap: copies messages out of a channel that it leaves as it is. It writes nothing that others
 * see, so an observer may do it, it takes no slot, and nobody is held up by it.
 *
 * Indices	a position is that of channel.h; the sequence number of a message is its position
 *		less the channel's first one; of an unlimited one without the links between.
 * Trust	every word is loaded once, checked, and the copy is used; index and range go by the
 *		daemon's descriptors, so whatever participants write, no byte outside an arena is
 *		read. Walks are bounded.
 * Ordering	tap					owners of slot and ticket
 *		[R1] acquire: slot is ready or taken	[S2] release: ready
 *		[V1] acquire: ticket is (CHANNEL, g)	[T1] release: (CHANNEL, g)
 *		     copy the payload
 *		[V2] acquire fence			[V3] the ticket is stamped; release fence
 *		     slot and ticket as before?		     the payload is written anew
 *		If the copy has a byte that was written after the stamp, the second look at the
 *		ticket sees the stamp. Whoever gets a ticket out of a channel or a depot stands
 *		behind a fence [V3] before he can write into its block.
 * Progress	wait-free but for the copying: a message that is taken away meanwhile is missed, and
 *		after so many in a row the call gives up.
 */

#include <stdint.h>

#include "shm/channel.h"
#include "shm/client.h"

#define TSR_TAP_TRIES 64 /* messages that may be taken away under one call */

/* What a slot's word says of a position. */
enum tsr_tap_sight {
	TSR_TAP_HERE,   /* its message is in the slot */
	TSR_TAP_GONE,   /* it was received, or passed over */
	TSR_TAP_LAPPED, /* that was a lap ago and more */
	TSR_TAP_LATER,  /* it is not sent yet */
};

/* tsr_tap_peek - the slot as it is now. */
enum tsr_tap_sight tsr_tap_peek(struct tsr_channel const *channel, uint64_t position);

/*
 * tsr_tap_take - copy what the slot at @position names
 * @copy:	length, copied and stamp are set
 *
 * Return: whether the copy is whole.
 */
TSR_MUST_CHECK
bool tsr_tap_take(struct tsr_map const *map, struct tsr_channel const *channel, uint64_t position,
                  void *to, size_t bytes, struct tsr_copy *copy);

/*
 * tsr_tap_place - where one begins who wants what @from says: TSR_TAP_* or TSR_FROM_*, which are
 * the same. Return: 0; -EINVAL no message has that number yet.
 */
TSR_MUST_CHECK
int tsr_tap_place(struct tsr_channel const *channel, uint64_t first, uint32_t from, uint64_t after,
                  uint64_t *position);

/* tsr_tap_seek - stand where @options say. Return: 0; -EINVAL no message has that number yet. */
TSR_MUST_CHECK
int tsr_tap_seek(struct tsr_tap_own *tap, const struct tsr_tap_options *options);

/* tsr_tap_copy - as tsr_read_copy() of tessera.h, of a tap whose channel is there. */
TSR_MUST_CHECK
int tsr_tap_copy(struct tsr_tap_own *tap, void *to, size_t bytes, struct tsr_copy *copy);

/*
 * tsr_tap_glance - go on by one message, and see what its slot still tells of it, received or not
 * @copy:	set on success: sequence, stamp, length
 *
 * Of a ring of slots. It is a figure, not a proof: a tap that is a lap behind may be told of the
 * message that is just being written over it.
 * Return: 0; -EAGAIN nothing was sent there yet; -ESTALE it is written over, and passed.
 */
TSR_MUST_CHECK
int tsr_tap_glance(struct tsr_tap_own *tap, struct tsr_copy *copy);

/* tsr_tap_number - the sequence number of what is at the tap's position */
uint64_t tsr_tap_number(struct tsr_tap_own const *tap);

/*
 * Of an unlimited channel, in tap_segments.c. A segment may be given back under a tap: it stands as
 * long as its ticket says what it did.
 *
 * tsr_tap_cross - over a link if the position is one. Return: HERE at a slot; LATER the next
 *		segment is not there yet; LAPPED the segment is not the channel's any more, or that
 *		lap is long over
 * tsr_tap_stands - is what was read since tsr_tap_cross() of a segment of the channel's? Behind an
 *		acquire fence
 * tsr_tap_catch_up - to the oldest message that is there; what was between is counted as missed
 * tsr_tap_seek_segment - as tsr_tap_seek()
 */
enum tsr_tap_sight tsr_tap_cross(struct tsr_tap_own *tap);
bool tsr_tap_stands(struct tsr_tap_own const *tap);
void tsr_tap_catch_up(struct tsr_tap_own *tap);
TSR_MUST_CHECK
int tsr_tap_seek_segment(struct tsr_tap_own *tap, const struct tsr_tap_options *options);

/* tsr_tap_look - may there be something to copy, or to count as missed? */
bool tsr_tap_look(struct tsr_tap_own const *tap);

#endif /* TSR_SHM_TAP_H */
