/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/tessera.h"

#include <time.h>

#include "shm/clock.h"

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
	return tsr_now_ns() + ms * UINT64_C(1000000);
}

uint64_t
tsr_ticks(void)
{
	return tsr_clock_ticks();
}
