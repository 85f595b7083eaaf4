/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_ALLOC_H
#define TSR_PERF_ALLOC_H

/*
 * The pattern of the allocation benchmarks: 64 live blocks; one, chosen at random, is freed and
 * another allocated in its place. The random numbers do not repeat within a run.
 */

#include <stdlib.h>

#include "perf/flow.h"

#define TSR_PERF_ALLOC_LIVE 64

TSR_INLINE size_t
tsr_perf_alloc_pick(uint64_t *random)
{
	*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(*random >> 58);
}

/* Nanoseconds per block that was allocated and freed. */
static inline void
tsr_perf_alloc_end(const struct tsr_perf_flow *flow, struct tsr_perf_sample *sample)
{
	sample->value[0] = tsr_perf_ticks_ns(tsr_perf_ticks() - flow->start) / (double)flow->count;
	sample->messages = flow->count;
}

#endif /* TSR_PERF_ALLOC_H */
