/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/clock.h"

#define CLOCK_CALIBRATE_NS UINT64_C(50000000)
#define CLOCK_STEP_READS   20000

#if defined(__x86_64__)
#define CLOCK_NAME "tsc"
#else
#define CLOCK_NAME "monotonic"
#endif

struct tsr_perf_clock tsr_perf_clock = {.ns_per_tick = 1.0, .step_ns = 1.0, .name = CLOCK_NAME};

/* The smallest step between two readings that differ. */
static uint64_t
clock_step_ticks(void)
{
	uint64_t step = UINT64_MAX;
	uint64_t before = tsr_perf_ticks();

	for (int i = 0; i < CLOCK_STEP_READS; i++) {
		uint64_t now = tsr_perf_ticks();

		if (now != before && now - before < step)
			step = now - before;
		before = now;
	}
	return step;
}

void
tsr_perf_clock_start(void)
{
	uint64_t ns = tsr_perf_monotonic_ns();
	uint64_t ticks = tsr_perf_ticks();
	uint64_t ns_end;
	uint64_t ticks_end;

	do {
		ns_end = tsr_perf_monotonic_ns();
		ticks_end = tsr_perf_ticks();
	} while (ns_end - ns < CLOCK_CALIBRATE_NS);

	tsr_perf_clock.ns_per_tick = (double)(ns_end - ns) / (double)(ticks_end - ticks);
	tsr_perf_clock.step_ns = tsr_perf_ticks_ns(clock_step_ticks());
}
