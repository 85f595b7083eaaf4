/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_TICKS_H
#define TSR_CORE_TICKS_H

/*
 * How many ticks of shm/clock.h a second has, measured against the kernel's unslewed clock. What
 * DPDK says is rounded to 10 MHz: up to 0.2 % beside it.
 */

#include <stdint.h>

/* A moment on both clocks, as near to each other as can be had. */
struct tsr_ticks_mark {
	uint64_t ticks;
	uint64_t ns; /* CLOCK_MONOTONIC_RAW */
};

/* tsr_ticks_mark - now. Context: cold, a few microseconds. */
struct tsr_ticks_mark tsr_ticks_mark(void);

/*
 * tsr_ticks_per_second - between @begin and now
 *
 * Context: cold; sleeps for what is missing of 50 ms since @begin, which are enough for one in
 * 100,000 whatever else the machine does.
 */
uint64_t tsr_ticks_per_second(struct tsr_ticks_mark begin);

#endif /* TSR_CORE_TICKS_H */
