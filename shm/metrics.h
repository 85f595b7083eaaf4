/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_METRICS_H
#define TSR_SHM_METRICS_H

/*
 * What an open end counts: in shared memory, written by its owner alone, read by anyone admitted.
 *
 * Bytes	2,304 an end: one line that each message writes, one that the ways out of the
 *		ordinary write, and a histogram: of a receiver, how long stamped messages were under
 *		way; of a sender, how long it was blocked.
 * Writers	the end's owner; the daemon wipes it before it gives it to the next end. Which end
 *		it belongs to stands in the directory, where only the daemon writes.
 * Ordering	messages and bytes are one pair, stored and loaded at once: a reader never sees one
 *		without the other. So are the time blocked before and the beginning of the present
 *		wait: none is counted twice. All others count by themselves.
 * Trust	a reader shows what an owner wrote, and indexes nothing by it.
 * Crash	an owner that dies between the store that sends and the count has sent one message
 *		more than it says.
 */

#include <assert.h>
#include <stddef.h>

#include "shm/access.h"
#include "shm/histogram.h"

/* Why a call gave up, or what it met. */
enum tsr_metric_cause {
	TSR_METRIC_WOULD_BLOCK, /* -EAGAIN of a sender: full */
	TSR_METRIC_TIMED_OUT,   /* -ETIMEDOUT */
	TSR_METRIC_ENDED,       /* -EPIPE, -ECONNRESET, -ENOTCONN, -ECONNABORTED, -ECANCELED */
	TSR_METRIC_REFUSED,     /* -ESTALE, -EINVAL, -EPROTO */
	TSR_METRIC_LOST,        /* no error: sent, and dropped by a sender, as the channel says */
	TSR_METRIC_CAUSES,
};

struct tsr_metrics {
	struct tsr_pair moved;    /* messages, bytes: sent, or received */
	_Atomic uint64_t spin_ns; /* how long it looks again before it sleeps, as learned */
	_Atomic uint64_t reserved0[5];
	/* Nanoseconds blocked in all, without the present wait; since when that lasts, by
	 * CLOCK_MONOTONIC, 0: not blocked. */
	alignas(TSR_CACHELINE) struct tsr_pair blocked;
	_Atomic uint64_t waits; /* times it was blocked */
	_Atomic uint64_t cause[TSR_METRIC_CAUSES];
	struct tsr_histogram times;
};

static_assert(offsetof(struct tsr_metrics, blocked) == 64, "layout");
static_assert(offsetof(struct tsr_metrics, times) == 128, "layout");
static_assert(sizeof(struct tsr_metrics) == 2304, "layout");

/* A message of @bytes was sent, or received. Context: hot, the owner. */
TSR_INLINE void
tsr_metrics_moved(struct tsr_metrics *metrics, uint64_t bytes)
{
#ifdef TSR_METRICS_NEVER /* tessera-perf measures what this costs */
	(void)metrics;
	(void)bytes;
#else
	tsr_pair_add(&metrics->moved, 1, bytes);
#endif
}

/* One reader's copy. */
struct tsr_metrics_seen {
	uint64_t messages;
	uint64_t bytes;
	uint64_t blocked_ns; /* the present wait included */
	uint64_t waits;
	uint64_t cause[TSR_METRIC_CAUSES];
	uint64_t spin_ns; /* of several ends: the longest */
	bool blocked;
};

/*
 * tsr_metrics_read - what an end has counted until @now_ns (CLOCK_MONOTONIC)
 *
 * Context: any; @metrics may be mapped read-only. The histogram is for tsr_distribution_add().
 */
void tsr_metrics_read(struct tsr_metrics const *metrics, uint64_t now_ns,
                      struct tsr_metrics_seen *seen);

/* tsr_metrics_wipe - all 0. Context: the daemon, nobody has the end. */
void tsr_metrics_wipe(struct tsr_metrics *metrics);

#endif /* TSR_SHM_METRICS_H */
