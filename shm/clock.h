/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_CLOCK_H
#define TSR_SHM_CLOCK_H

/*
 * The clock of the stamps: the time-stamp counter where there is one (9 ns), else CLOCK_MONOTONIC.
 * How many ticks a second has, the daemon measures and writes into the directory.
 */

#include <stdint.h>

#include "shm/compiler.h"
#include "shm/tessera.h"

TSR_INLINE uint64_t
tsr_clock_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return tsr_now_ns();
#endif
}

#endif /* TSR_SHM_CLOCK_H */
