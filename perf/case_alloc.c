/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * alloc: a block freed and another allocated, in one thread; and allocated here, freed by another
 * process, to which it goes through a channel.
 */

#include "perf/alloc.h"
#include "perf/bench.h"
#include "perf/case.h"
#include "perf/ours.h"

#define ALLOC_PAYLOAD 256
#define ALLOC_SLOTS   1024
#define ALLOC_BLOCKS  4096

struct alloc_state {
	struct tsr_perf_link link;
	struct tsr_msg live[TSR_PERF_ALLOC_LIVE];
	uint64_t random;
};

static int
alloc_open(struct tsr_perf_side *side)
{
	struct alloc_state *state = calloc(1, sizeof(*state));

	side->state = state;
	return state != NULL ? tsr_perf_link_open(side, &state->link) : -ENOMEM;
}

static void
alloc_close(struct tsr_perf_side *side)
{
	struct alloc_state *state = side->state;

	if (state != NULL)
		tsr_perf_link_close(&state->link);
	free(state);
}

static int
alloc_replace(struct alloc_state *state, uint32_t bytes)
{
	struct tsr_msg *victim = &state->live[tsr_perf_alloc_pick(&state->random)];
	int error = tsr_release(state->link.client, victim);

	return error != 0 ? error : tsr_alloc(state->link.client, bytes, victim);
}

static int
alloc_run_local(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct alloc_state *state = side->state;
	uint32_t bytes = (uint32_t)side->bench->payload_bytes;
	struct tsr_perf_flow flow;
	int error = 0;

	if (side->index != 0)
		return 0;
	for (size_t i = 0; i < TSR_PERF_ALLOC_LIVE && error == 0; i++)
		error = tsr_alloc(state->link.client, bytes, &state->live[i]);
	tsr_perf_flow_begin(&flow);
	while (error == 0 && !tsr_perf_flow_time_is_up(&flow)) {
		for (int i = 0; i < TSR_PERF_CHUNK && error == 0; i++)
			error = alloc_replace(state, bytes);
		flow.count += TSR_PERF_CHUNK;
	}
	if (error != 0)
		return tsr_perf_failed_call(side, "tsr_release/tsr_alloc", error);
	tsr_perf_alloc_end(&flow, sample);
	for (size_t i = 0; i < TSR_PERF_ALLOC_LIVE && error == 0; i++)
		error = tsr_release(state->link.client, &state->live[i]);
	return error;
}

static inline size_t
alloc_put(void *context, uint64_t n, uint64_t *sum)
{
	struct tsr_perf_link *link = context;

	(void)n;
	(void)sum;
	if (!link->is_pending) {
		if (tsr_alloc(link->client, (uint32_t)link->payload_bytes, &link->pending) != 0)
			return 0;
	}
	link->is_pending = tsr_send(link->sender, &link->pending, TSR_NOWAIT) != 0;
	return link->is_pending ? 0 : 1;
}

static inline size_t
alloc_get(void *context, uint64_t *sum)
{
	struct tsr_perf_link *link = context;
	struct tsr_msg msg;

	(void)sum;
	if (tsr_recv(link->receiver, &msg, TSR_NOWAIT) != 0)
		return 0;
	return tsr_release(link->client, &msg) == 0 ? 1 : 0;
}

static int
alloc_run_cross(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct alloc_state *state = side->state;
	int error;

	if (side->index == 0)
		return tsr_perf_flow_send(side, sample, alloc_put, &state->link);
	error = tsr_perf_flow_receive(side, sample, alloc_get, &state->link);
	sample->value[0] = sample->value[0] > 0.0 ? 1e3 / sample->value[0] : 0.0; /* M/s -> ns */
	return error;
}

static void
alloc_pair(struct tsr_perf_plan *plan, size_t ours, size_t baseline, const char *label,
           bool one_core)
{
	struct tsr_perf_pair *pair = tsr_perf_plan_pair(plan, ours, baseline);

	pair->one_core = one_core;
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = label,
		.unit = "ns",
		.must = {0.5, 0.5, 0.5},
		.reach = {0.5, 0.5, 0.5},
	};
}

static struct tsr_perf_bench
alloc_bench(const char *name, size_t payload,
            int (*run)(struct tsr_perf_side *side, struct tsr_perf_sample *sample))
{
	return (struct tsr_perf_bench){
		.name = name,
		.payload_bytes = payload,
		.slots = ALLOC_SLOTS,
		.channel_flags = TSR_PERF_ONE_TO_ONE,
		.open = alloc_open,
		.run = run,
		.close = alloc_close,
	};
}

int
tsr_perf_plan_alloc(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	size_t payload = request->payload != 0 ? request->payload : ALLOC_PAYLOAD;
	size_t ours;
	size_t baseline;
	int error = 0;

	tsr_perf_realm(plan, request->backing, payload, ALLOC_BLOCKS);
	if (strcmp(request->kind, "cross") != 0) {
		*tsr_perf_plan_bench(plan, &ours) =
			alloc_bench("tsr_release/tsr_alloc, one thread", payload, alloc_run_local);
		error = tsr_perf_baseline_malloc(tsr_perf_plan_bench(plan, &baseline), payload);
		alloc_pair(plan, ours, baseline, "alloc:local", true);
	}
	if (error == 0 && strcmp(request->kind, "local") != 0) {
		*tsr_perf_plan_bench(plan, &ours) = alloc_bench(
			"tsr_alloc/send, tsr_recv/release there", payload, alloc_run_cross);
		error = tsr_perf_baseline_malloc_cross(tsr_perf_plan_bench(plan, &baseline),
		                                       payload, ALLOC_SLOTS);
		alloc_pair(plan, ours, baseline, "alloc:cross", false);
	}
	return error;
}
