/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_ABSORB_H
#define TSR_APPS_ABSORB_H

/*
 * How many slots a channel would have needed so that nobody had been blocked while it was watched.
 *
 * The counts are looked at again and again. Senders that are not blocked send what they have at
 * their own pace, so their curve of messages sent, with the blocked time cut out of the clock, is
 * what they would have sent into a channel with room. Receivers are what holds them up: they take
 * no faster for it. The largest distance between the two curves is what would have had to wait.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSR_ABSORB_LOOKS 256

/* What a channel had counted at one moment, both ends' totals. */
struct tsr_absorb_look {
	uint64_t at_ns;
	uint64_t sent;
	uint64_t received;
	uint64_t lost; /* dropped, as the channel says */
	uint64_t senders_blocked_ns;
	uint64_t receivers_blocked_ns;
	uint32_t senders; /* open ends */
	uint32_t receivers;
	uint32_t senders_blocked; /* at this moment */
};

enum tsr_absorb_verdict {
	TSR_ABSORB_IDLE,   /* nobody was blocked */
	TSR_ABSORB_ENOUGH, /* needed slots would have been enough */
	TSR_ABSORB_NEVER,  /* senders offer more than receivers take: it would fill up, too */
};

struct tsr_absorb {
	enum tsr_absorb_verdict verdict;
	uint64_t peak;        /* most messages that waited, as seen */
	uint64_t needed;      /* that would have waited; with TSR_ABSORB_ENOUGH */
	double offered_per_s; /* by senders that aren't blocked; with blocked ones */
	double taken_per_s;   /* by receivers that don't wait; likewise */
};

/* The looks so far, in order of time. */
struct tsr_absorb_watch {
	size_t count;
	struct tsr_absorb_look look[TSR_ABSORB_LOOKS];
};

/* tsr_absorb_add - one more look; what came after there are enough is left out */
void tsr_absorb_add(struct tsr_absorb_watch *watch, struct tsr_absorb_look look);

/*
 * tsr_absorb_judge - what the looks at a channel of @capacity slots come to
 *
 * Of several senders the blocked times add up to at most the time between two looks, so that the
 * result is rather too large than too small.
 */
struct tsr_absorb tsr_absorb_judge(struct tsr_absorb_watch const *watch, uint32_t capacity);

/* tsr_absorb_capacity - the smallest capacity that a channel may have for so many. 0: none. */
uint32_t tsr_absorb_capacity(uint64_t needed);

#endif /* TSR_APPS_ABSORB_H */
