/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_CORES_H
#define TSR_APPS_CORES_H

/*
 * Which processor each client's process runs on, and how much of one it uses: as the kernel counts
 * it, in steps of 10 ms, all threads of the process together.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tsr_core_use {
	pid_t pid;
	uint64_t born_ns; /* which process of that number */
	uint64_t busy_ns;
};

/* What was seen at the last look. */
struct tsr_cores {
	uint64_t at_ns; /* CLOCK_MONOTONIC; 0: there was none */
	size_t count;
	struct tsr_core_use *use;
};

/*
 * tsr_cores_add - one row into @rows for each process of @clients that can be seen
 *
 * Shares are those since the look before, for a process that is new those since its start.
 */
void tsr_cores_add(struct tsr_cores *cores, const json_t *clients, json_t *rows);
void tsr_cores_free(struct tsr_cores *cores);

#endif /* TSR_APPS_CORES_H */
