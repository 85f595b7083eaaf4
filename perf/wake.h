/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_WAKE_H
#define TSR_PERF_WAKE_H

/*
 * How a wake-up is measured, whoever makes it: side 1 sleeps, side 0 waits until it surely does,
 * reads the clock and wakes it. value[0] is the time from there until side 1 runs again, value[1]
 * what the call took side 0. ns.
 *
 * Ordering	[K1] side 0 stores when it began, then wakes; [K2] side 1 loads it when woken.
 *		[G1] side 1 stores the round that it has finished; [G2] side 0 waits for it.
 */

#include "perf/flow.h"
#include "perf/stats.h"

#define TSR_PERF_WAKE_ROUNDS    64
#define TSR_PERF_WAKE_SETTLE_NS 250000 /* so long the other side surely needs to fall asleep */
#define TSR_PERF_WAKE_LOOK_NS   20000
#define TSR_PERF_WAKE_PATIENCE  50000 /* looks: a second */

struct tsr_perf_wake {
	struct tsr_perf_word began;
	struct tsr_perf_word done;
	struct tsr_perf_word futex; /* of the baseline */
};

/* Return: 0 or a negative errno. */
typedef int tsr_perf_wake_call(struct tsr_perf_side *side, uint64_t round);

/* tsr_perf_wake_run - both sides at once. Return: 0; -ETIMEDOUT the other side does not answer. */
int tsr_perf_wake_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample,
                      tsr_perf_wake_call *wake, tsr_perf_wake_call *sleep);

#endif /* TSR_PERF_WAKE_H */
