/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_EAL_H
#define TSR_CORE_EAL_H

/*
 * DPDK's environment, started so that it needs nothing reserved: no hugepages, no root, no device.
 *
 * The only unit that is compiled with DPDK's flags; this header names none of its types.
 */

#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

/*
 * tsr_eal_start - start it, once per process; the calling thread becomes its main lcore
 * @folder:	an existing private folder for its files
 * @cpu:	where the main lcore runs; -1: wherever the system puts it
 * @why:	on failure, a sentence
 *
 * Context: cold (100 ms to calibrate the clock); before any other thread. Its log goes into ours.
 * Return: 0; a negative errno, and nothing stays but what is in @folder.
 */
TSR_MUST_CHECK
int tsr_eal_start(const char *folder, int cpu, char *why, size_t why_bytes);
void tsr_eal_stop(void);

/* tsr_eal_ticks_per_second - of the clock of the stamps (shm/clock.h). */
uint64_t tsr_eal_ticks_per_second(void);

#endif /* TSR_CORE_EAL_H */
