/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The floor of a round trip: a counter and a payload each way, nothing else.
 *
 * Ordering	[B1] the payload is written, then the counter; [B2] the counter is seen, then the
 *		payload read. The same both ways.
 */

#include "perf/bench.h"
#include "perf/rtt.h"

struct pingpong_way {
	_Alignas(TSR_PERF_LINE) _Atomic uint64_t count;
	_Alignas(TSR_CACHELINE) uint64_t payload[];
};

struct pingpong_ends {
	struct pingpong_way *out;
	struct pingpong_way *back;
	size_t payload_bytes;
};

static bool
pingpong_await(struct pingpong_way *way, struct tsr_perf_flow *flow)
{
	/* [B2] pairs with [B1]: the payload */
	while (tsr_ld_acq(&way->count) != flow->count + 1) {
		if (tsr_perf_flow_hangs(flow))
			return false;
	}
	return true;
}

static inline bool
pingpong_trip(void *context, struct tsr_perf_flow *flow)
{
	struct pingpong_ends *ends = context;

	tsr_perf_fill(ends->out->payload, ends->payload_bytes, flow->count);
	tsr_st_rel(&ends->out->count, flow->count + 1); /* [B1] pairs with [B2]: the payload */
	if (!pingpong_await(ends->back, flow))
		return false;
	flow->sum += tsr_perf_sum(ends->back->payload, ends->payload_bytes);
	return true;
}

static inline bool
pingpong_answer(void *context, struct tsr_perf_flow *flow)
{
	struct pingpong_ends *ends = context;
	uint64_t n = flow->count + 1;

	if (tsr_ld_acq(&ends->out->count) != n) /* [B2] pairs with [B1]: the payload */
		return false;
	flow->sum += tsr_perf_sum(ends->out->payload, ends->payload_bytes);
	tsr_perf_fill(ends->back->payload, ends->payload_bytes, flow->count);
	tsr_st_rel(&ends->back->count, n); /* [B1] pairs with [B2]: the payload */
	return true;
}

static struct pingpong_ends
pingpong_ends(struct tsr_perf_side *side)
{
	size_t way_bytes = side->bench->memory_bytes / 2;
	char *memory = side->memory;

	return (struct pingpong_ends){
		.out = (void *)memory,
		.back = (void *)(memory + way_bytes),
		.payload_bytes = side->bench->payload_bytes,
	};
}

static int
pingpong_open(struct tsr_perf_side *side)
{
	side->state = calloc(1, sizeof(struct tsr_perf_rtt));
	return side->state != NULL ? 0 : -ENOMEM;
}

static void
pingpong_close(struct tsr_perf_side *side)
{
	free(side->state);
}

static int
pingpong_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct pingpong_ends ends = pingpong_ends(side);
	int error;

	if (side->index == 0)
		error = tsr_perf_rtt_lead(side, sample, pingpong_trip, &ends);
	else
		error = tsr_perf_rtt_follow(side, sample, pingpong_answer, &ends);
	/* Each side starts the next run from 0, and clears what it alone writes. */
	tsr_st_rel(side->index == 0 ? &ends.out->count : &ends.back->count,
	           0); /* [B1] pairs with [B2] */
	return error;
}

int
tsr_perf_baseline_pingpong(struct tsr_perf_bench *bench, size_t payload_bytes)
{
	size_t way_bytes = sizeof(struct pingpong_way) + payload_bytes;

	way_bytes = (way_bytes + TSR_PERF_LINE - 1) / TSR_PERF_LINE * TSR_PERF_LINE;
	*bench = (struct tsr_perf_bench){
		.name = "bare two-line ping-pong",
		.payload_bytes = payload_bytes,
		.memory_bytes = 2 * way_bytes,
		.open = pingpong_open,
		.run = pingpong_run,
		.close = pingpong_close,
	};
	return 0;
}
