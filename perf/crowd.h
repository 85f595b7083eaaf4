/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_CROWD_H
#define TSR_PERF_CROWD_H

/*
 * Idle channels and idle clients in the realm of a benchmark: they are there, and nothing else.
 */

#include "perf/harness.h"
#include "shm/tessera.h"

#define TSR_PERF_CROWD_EACH 8 /* clients in one process */

struct tsr_perf_crowd {
	size_t count;
	pid_t *process;
};

/*
 * tsr_perf_crowd_gather - bench->idle_channels by @client, bench->idle_clients in other processes
 *
 * Context: cold, seconds. Return: 0 or what the library gave, reported by tsr_perf_fail(). What was
 * gathered is there either way, until tsr_perf_crowd_leave().
 */
int tsr_perf_crowd_gather(struct tsr_perf_side *side, struct tsr_client client,
                          struct tsr_perf_crowd *crowd);

void tsr_perf_crowd_leave(struct tsr_perf_crowd *crowd);

/* tsr_perf_crowd_realm - settings for a realm @name with room for a crowd, beside two ends */
void tsr_perf_crowd_realm(struct tsr_perf_plan *plan, const char *name, uint32_t channels,
                          uint32_t clients);

#endif /* TSR_PERF_CROWD_H */
