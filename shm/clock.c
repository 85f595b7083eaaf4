/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/clock.h"

#include <time.h>

#include "shm/tessera.h"

#define CLOCK_NS_PER_S UINT64_C(1000000000)

uint64_t
tsr_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t
tsr_deadline_in_ms(uint64_t ms)
{
	uint64_t const now = tsr_now_ns();

	/* Too far to say is never. */
	return ms > (UINT64_MAX - now) / UINT64_C(1000000) ? TSR_FOREVER
	                                                   : now + ms * UINT64_C(1000000);
}

uint64_t
tsr_ticks(void)
{
	return tsr_clock_ticks();
}
