/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_METERS_H
#define TSR_SHM_METERS_H

/*
 * What the channels of a realm have counted: all that their open ends show, and what ends that are
 * closed have left. Whoever maps the realm reads it, without the daemon's help.
 *
 * Writers	the daemon alone: which end has which metrics, the totals of those that closed.
 *		While it moves a closing end's counts into the totals, the version is odd.
 * Ordering	[U1] the daemon makes the version odd, moves, [U2] makes it even. [U3] a reader
 *		loads the version, reads, fences, [U4] loads it again: unchanged and even, it has
 *		seen each message once.
 */

#include "shm/channel.h"
#include "shm/metrics.h"

TSR_INLINE uint64_t
tsr_end_word(uint64_t channel_id, uint16_t client, uint32_t side, uint32_t generation)
{
	return channel_id | ((uint64_t)client << 24) | ((uint64_t)side << 40) |
	       ((uint64_t)generation << 41);
}

TSR_INLINE uint32_t
tsr_end_word_channel(uint64_t word)
{
	return (uint32_t)(word & 0xffffff);
}

TSR_INLINE uint16_t
tsr_end_word_client(uint64_t word)
{
	return (uint16_t)(word >> 24);
}

TSR_INLINE uint32_t
tsr_end_word_side(uint64_t word)
{
	return (uint32_t)(word >> 40 & 1);
}

/* The entry of a channel in the directory, from its id. */
TSR_INLINE uint32_t
tsr_channel_index(uint32_t channel_id)
{
	return (channel_id & 0x1ffff) - 1;
}

/* One side of a channel. */
struct tsr_meter {
	struct tsr_metrics_seen sum; /* of all ends that are open or were; .blocked: one is */
	uint32_t ends;               /* open ones that count */
	uint32_t blocked;            /* of these, at this moment */
};

/* Told of each open end, with @word saying whose it is; maybe again, if the walk starts anew. */
typedef void tsr_meters_end(void *argument, uint32_t number, uint64_t word,
                            struct tsr_metrics const *metrics, struct tsr_metrics_seen const *seen);

struct tsr_meters_request {
	uint64_t now_ns;               /* CLOCK_MONOTONIC */
	struct tsr_meter (*side)[2];   /* [channels_count], set; by enum tsr_side */
	tsr_meters_end *end;           /* NULL: nobody */
	void (*again)(void *argument); /* the walk starts anew: forget; NULL */
	void *argument;
};

/*
 * tsr_meters_read - add up what all channels show
 *
 * Context: any process that maps the realm. Return: 0; -EAGAIN ends close faster than this reads:
 * what was filled in may count a message twice or not at all.
 */
TSR_MUST_CHECK
int tsr_meters_read(struct tsr_map const *map, struct tsr_meters_request const *request);

/*
 * tsr_meter_open - give the metrics @number, wiped, to an end. Context: the daemon.
 * tsr_meter_close - take them back: their counts become the channel's. Context: the daemon; nobody
 *		has the end any more.
 */
void tsr_meter_open(struct tsr_map const *map, uint32_t number, uint64_t word);
void tsr_meter_close(struct tsr_map const *map, uint32_t number, uint32_t channel_index,
                     uint32_t side);

#endif /* TSR_SHM_METERS_H */
