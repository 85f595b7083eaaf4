/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <time.h>

#include <criterion/criterion.h>

#include "core/ticks.h"
#include "shm/clock.h"

static uint64_t
raw_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Half a second by these ticks is half a second: one in 10,000 is 50 us, which reading the two
 * clocks one after the other may take when somebody else gets the core; so there are some tries. */
Test(ticks, a_second_has_as_many_as_measured, .timeout = 60)
{
	uint64_t const begin_ns = raw_ns();
	uint64_t const per_second = tsr_ticks_per_second(tsr_ticks_mark());
	struct timespec const rest = {.tv_nsec = 500000000};
	double wrong = 1;

	cr_assert_geq(raw_ns() - begin_ns, 50000000, "too short a time was looked at");
	for (int i = 0; i < 8 && wrong > 1e-4; i++) {
		uint64_t const ns = raw_ns();
		uint64_t const ticks = tsr_clock_ticks();
		double by_ticks, by_ns;

		(void)nanosleep(&rest, NULL);
		by_ns = (double)(raw_ns() - ns) / 1e9;
		by_ticks = (double)(tsr_clock_ticks() - ticks) / (double)per_second;
		wrong = by_ticks > by_ns ? by_ticks / by_ns - 1 : 1 - by_ticks / by_ns;
	}
	cr_assert_leq(wrong, 1e-4, "off by %g", wrong);
}

/* Marks that lie further apart already are not waited for. */
Test(ticks, what_has_gone_is_counted, .timeout = 60)
{
	struct tsr_ticks_mark const begin = tsr_ticks_mark();
	struct timespec const rest = {.tv_nsec = 100000000};
	uint64_t before_ns;

	(void)nanosleep(&rest, NULL);
	before_ns = raw_ns();
	cr_assert_gt(tsr_ticks_per_second(begin), 0);
	cr_assert_lt(raw_ns() - before_ns, 45000000, "it waited although 100 ms had gone");
}
