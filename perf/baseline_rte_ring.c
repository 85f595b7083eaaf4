/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * DPDK's ring between processes, many producers and one consumer, one object at a time: its inline
 * functions over memory of ours. EAL and DPDK's libraries are not needed for that.
 */

#include <rte_ring.h>

#include "perf/bench.h"
#include "perf/fan_in.h"

static inline size_t
rte_put(void *context, uint64_t n, uint64_t *sum)
{
	if (rte_ring_mp_enqueue(context, (void *)(uintptr_t)(n + 1)) != 0)
		return 0;
	*sum += n + 1;
	return 1;
}

static inline size_t
rte_get(void *context, uint64_t *sum)
{
	void *object;

	if (rte_ring_sc_dequeue(context, &object) != 0)
		return 0;
	*sum += (uintptr_t)object;
	return 1;
}

static void *
rte_send(void *part)
{
	tsr_perf_fan_in_send(part, rte_put);
	return NULL;
}

static int
rte_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct tsr_perf_fan_in parts[TSR_PERF_FAN_IN_SENDERS] = {
		{.context = side->memory},
		{.context = side->memory},
	};

	if (side->index == 0)
		return tsr_perf_fan_in_run(side, sample, parts, rte_send);
	return tsr_perf_flow_receive(side, sample, rte_get, side->memory);
}

static int
rte_open(struct tsr_perf_side *side)
{
	struct rte_ring *const ring = side->memory;

	if (side->index != 0)
		return 0;
	ring->prod.sync_type = RTE_RING_SYNC_MT;
	ring->cons.sync_type = RTE_RING_SYNC_ST;
	ring->size = side->bench->slots;
	ring->mask = side->bench->slots - 1;
	ring->capacity = ring->mask;
	return 0;
}

int
tsr_perf_baseline_rte_ring(struct tsr_perf_bench *bench, uint32_t slots)
{
	*bench = (struct tsr_perf_bench){
		.name = "rte_ring, many producers, one by one",
		.payload_bytes = sizeof(void *),
		.slots = slots,
		.memory_bytes = sizeof(struct rte_ring) + slots * sizeof(void *),
		.open = rte_open,
		.run = rte_run,
	};
	return 0;
}
