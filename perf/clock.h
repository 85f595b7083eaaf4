/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_CLOCK_H
#define TSR_PERF_CLOCK_H

/*
 * The clock of the measurements: the time-stamp counter, its unit and its step.
 *
 * The counter may move in steps that are coarser than its unit (10 ns on some virtual machines), so
 * whatever is shorter than a microsecond is timed in batches and divided.
 */

#include <stdint.h>
#include <time.h>

#include "shm/compiler.h"

#define TSR_PERF_NS_PER_SECOND UINT64_C(1000000000)

struct tsr_perf_clock {
	double ns_per_tick;
	double step_ns;   /* the smallest difference of two readings that was seen, not 0 */
	const char *name; /* "tsc" or "monotonic" */
};

extern struct tsr_perf_clock tsr_perf_clock;

/* tsr_perf_clock_start - find unit and step. Context: cold, takes 50 ms. */
void tsr_perf_clock_start(void);

TSR_INLINE uint64_t
tsr_perf_monotonic_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * TSR_PERF_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

TSR_INLINE uint64_t
tsr_perf_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return tsr_perf_monotonic_ns();
#endif
}

TSR_INLINE double
tsr_perf_ticks_ns(uint64_t ticks)
{
	return (double)ticks * tsr_perf_clock.ns_per_tick;
}

TSR_INLINE uint64_t
tsr_perf_ns_ticks(uint64_t ns)
{
	return (uint64_t)((double)ns / tsr_perf_clock.ns_per_tick);
}

#endif /* TSR_PERF_CLOCK_H */
