/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_BENCH_H
#define TSR_PERF_BENCH_H

/*
 * The baselines: what the machine gives without Tessera. Each function fills in a benchmark and
 * returns 0, or a negative errno if what it needs (a pipe, a socket) can't be had.
 */

#include <stdint.h>

#include "perf/harness.h"

/* Two lines, one each way, beside @payload_bytes each way. value[0] p50, value[1] p99 in ns. */
int tsr_perf_baseline_pingpong(struct tsr_perf_bench *bench, size_t payload_bytes);

/* Slots of 32 bytes that carry their own state, freed one by one; and in bursts of 32. M/s. */
int tsr_perf_baseline_slots(struct tsr_perf_bench *bench, uint32_t slots);
int tsr_perf_baseline_slots_burst(struct tsr_perf_bench *bench, uint32_t slots);

/* A ring of items, each end keeping a copy of the other's index; memcpy in and out. M/s. */
int tsr_perf_baseline_items(struct tsr_perf_bench *bench, size_t payload_bytes, uint32_t slots);

/* The same ring, its items copied by `rep movsb`. M/s. */
int tsr_perf_baseline_movsb(struct tsr_perf_bench *bench, size_t payload_bytes, uint32_t slots);

/* DPDK's ring, two producers that share a core and one consumer; objects one by one. M/s. */
int tsr_perf_baseline_rte_ring(struct tsr_perf_bench *bench, uint32_t slots);

/* A pipe, and a Unix socket that keeps messages apart; both without blocking. M/s. */
int tsr_perf_baseline_pipe(struct tsr_perf_bench *bench, size_t payload_bytes);
int tsr_perf_baseline_socket(struct tsr_perf_bench *bench, size_t payload_bytes);

/* malloc and free, in one thread; and free by another thread, beyond a ring of slots. ns. */
int tsr_perf_baseline_malloc(struct tsr_perf_bench *bench, size_t payload_bytes);
int tsr_perf_baseline_malloc_cross(struct tsr_perf_bench *bench, size_t payload_bytes,
                                   uint32_t slots);

/* fork, execve of /bin/true, wait. us. */
int tsr_perf_baseline_exec(struct tsr_perf_bench *bench);

/* SIGKILL until poll() reports the process descriptor, plus a futex wake. us. */
int tsr_perf_baseline_notice(struct tsr_perf_bench *bench, size_t bytes);

#endif /* TSR_PERF_BENCH_H */
