/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/ticks.h"

#include <time.h>

#include "shm/clock.h"

#define TICKS_NS_PER_SECOND UINT64_C(1000000000)
#define TICKS_MEASURE_NS    UINT64_C(50000000)
#define TICKS_TRIES         32 /* of which the quickest counts: nothing came in between */

static uint64_t
ticks_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * TICKS_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

struct tsr_ticks_mark
tsr_ticks_mark(void)
{
	struct tsr_ticks_mark mark = {0};
	uint64_t quickest = UINT64_MAX;

	for (int i = 0; i < TICKS_TRIES; i++) {
		uint64_t const before = tsr_clock_ticks();
		uint64_t const ns = ticks_now_ns();
		uint64_t const took = tsr_clock_ticks() - before;

		if (took >= quickest)
			continue;
		quickest = took;
		mark = (struct tsr_ticks_mark){.ticks = before + took / 2, .ns = ns};
	}
	return mark;
}

uint64_t
tsr_ticks_per_second(struct tsr_ticks_mark begin)
{
	uint64_t const gone_ns = ticks_now_ns() - begin.ns;
	struct tsr_ticks_mark end;

	if (gone_ns < TICKS_MEASURE_NS) {
		struct timespec const rest = {.tv_nsec = (long)(TICKS_MEASURE_NS - gone_ns)};

		(void)nanosleep(&rest, NULL);
	}
	end = tsr_ticks_mark();
	return (uint64_t)((double)(end.ticks - begin.ticks) * (double)TICKS_NS_PER_SECOND /
	                          (double)(end.ns - begin.ns) +
	                  0.5);
}
