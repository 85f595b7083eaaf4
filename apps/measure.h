/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_MEASURE_H
#define TSR_APPS_MEASURE_H

/*
 * What moves through one channel, looked at as an observer: what `tessera hz`, `bw` and `delay`
 * show is made of the same slices of time.
 *
 * Counts, bytes and the times under way come from what the ends count in shared memory: of any kind
 * of channel, exact, over wall time. Gaps between messages, and sizes of single ones, come from a
 * tap, which looks every millisecond: a slot tells how long its message was and when it was sent,
 * also when it is received already. Kinds that can't be tapped have neither. The daemon is asked
 * when it is opened, and never after.
 */

#include <stdbool.h>
#include <stdint.h>

#include "apps/cli.h"
#include "apps/sample.h"
#include "apps/spread.h"
#include "shm/client.h"

/* What is known of a stretch of time. Slices that follow each other can be added up. */
struct tsr_slice {
	struct tsr_rates rates;
	uint64_t passed; /* messages that went by the tap */
	uint64_t looked; /* of these, were looked at */
	/* ns from message to message: from one that was stamped to the next that was; from one look
	 * that found some to the next. Either is a mean, with the messages in between as weight. */
	struct tsr_spread gaps_stamped;
	struct tsr_spread gaps_seen;
	struct tsr_spread sizes;       /* of what was looked at, in bytes */
	struct tsr_distribution lying; /* at the end: ages of stamped messages that lie there */
};

struct tsr_measure {
	struct tsr_address address;
	bool ages; /* look at what lies in the channel at the end of each slice */
	struct tsr_sampler sampler;
	struct tsr_sample before;
	uint64_t channel_id;
	uint32_t kind;
	uint64_t ticks_per_second;
	struct tsr_tap_own *tap; /* NULL: the kind has none */
	uint64_t seen_ns;        /* the look that last found a message; 0: none yet */
	uint64_t stamp;          /* of the last one that was stamped; 0: none yet */
	uint64_t stamp_sequence; /* of the same */
};

/*
 * tsr_measure_open - of the channel @address, which is set
 *
 * Return: an exit status; failure is said.
 */
TSR_MUST_CHECK
int tsr_measure_open(struct tsr_measure *measure);
void tsr_measure_close(struct tsr_measure *measure);

/*
 * tsr_measure_take - look until @until_ns, or until a signal of stop.h came
 * @slice:	set: what happened since the slice before
 *
 * Return: 0; -ENOENT the channel was removed; -ENOTCONN the realm has ended; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_measure_take(struct tsr_measure *measure, uint64_t until_ns, struct tsr_slice *slice);

/* tsr_slice_add - @next, which comes after it, too */
void tsr_slice_add(struct tsr_slice *slice, const struct tsr_slice *next);

/* tsr_slice_messages - sent in it: as the senders counted, or, if they don't count, as went by. */
uint64_t tsr_slice_messages(const struct tsr_slice *slice);

/* tsr_slice_gaps - by stamps or by looks, whichever has fewer messages to a gap. */
const struct tsr_spread *tsr_slice_gaps(const struct tsr_slice *slice, bool *stamped);

#endif /* TSR_APPS_MEASURE_H */
