/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * rtt: 64 bytes out and 64 bytes back, written and read, two processes that poll.
 */

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/ours.h"
#include "perf/rtt.h"
#include "perf/rtt_ours.h"

#define RTT_PAYLOAD 64
#define RTT_SLOTS   64
#define RTT_OFFERS  2
#define RTT_BLOCKS  4096

struct rtt_state {
	struct tsr_perf_rtt rtt; /* first: tsr_perf_rtt_lead() takes the state for it */
	struct tsr_perf_link link;
};

static inline bool
rtt_trip(void *context, struct tsr_perf_flow *flow)
{
	struct tsr_perf_link *link = context;

	if (!tsr_perf_rtt_send(link, flow))
		return false;
	while (!tsr_perf_rtt_take(link, flow)) {
		if (tsr_perf_flow_hangs(flow))
			return false;
	}
	return true;
}

static inline bool
rtt_answer(void *context, struct tsr_perf_flow *flow)
{
	struct tsr_perf_link *link = context;

	return tsr_perf_rtt_take(link, flow) && tsr_perf_rtt_send(link, flow);
}

static int
rtt_open(struct tsr_perf_side *side)
{
	struct rtt_state *state = calloc(1, sizeof(*state));
	int error;

	side->state = state;
	if (state == NULL)
		return -ENOMEM;
	error = tsr_perf_link_open(side, &state->link);
	return error != 0 ? error : tsr_perf_link_back(side, &state->link);
}

static void
rtt_close(struct tsr_perf_side *side)
{
	struct rtt_state *state = side->state;

	if (state != NULL)
		tsr_perf_link_close(&state->link);
	free(state);
}

static int
rtt_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct rtt_state *state = side->state;

	if (side->index == 0)
		return tsr_perf_rtt_lead(side, sample, rtt_trip, &state->link);
	return tsr_perf_rtt_follow(side, sample, rtt_answer, &state->link);
}

void
tsr_perf_bench_rtt(struct tsr_perf_bench *bench, size_t payload_bytes, bool many)
{
	*bench = (struct tsr_perf_bench){
		.name = many ? "tsr_send/tsr_recv, many-to-many" : "tsr_send/tsr_recv, one-to-one",
		.payload_bytes = payload_bytes,
		.slots = RTT_SLOTS,
		.flags = many ? TSR_PERF_MANY : 0,
		.open = rtt_open,
		.run = rtt_run,
		.close = rtt_close,
	};
}

/* All but the first form, of which more is expected. */
static const struct rtt_kind {
	const char *kind;
	const char *name;
	const char *label;
	const char *label_p99;
	uint32_t flags;
} rtt_kinds[] = {
	{"many", "tsr_send/tsr_recv, many-to-many", "rtt:many", "rtt:many p99", 0},
	{"conflated", "tsr_send/tsr_recv, conflated", "rtt:conflated", "rtt:conflated p99",
         TSR_PERF_CONFLATED},
	{"drop-oldest", "tsr_send/tsr_recv, drop-oldest", "rtt:drop-oldest", "rtt:drop-oldest p99",
         TSR_PERF_DROP_OLDEST},
	{"requeue", "tsr_send/tsr_recv, requeue", "rtt:requeue", "rtt:requeue p99",
         TSR_PERF_REQUEUE},
	{"broadcast", "tsr_send/tsr_recv, a broadcast each way", "rtt:broadcast",
         "rtt:broadcast p99", TSR_PERF_BROADCAST},
};

/* Return: NULL: one to one. */
static const struct rtt_kind *
rtt_kind(const char *kind)
{
	for (size_t i = 0; i < sizeof(rtt_kinds) / sizeof(rtt_kinds[0]); i++) {
		if (strcmp(rtt_kinds[i].kind, kind) == 0)
			return &rtt_kinds[i];
	}
	return NULL;
}

/* Beside a buffered one: what it costs to know that a message was received. */
static int
rtt_plan_rendezvous(struct tsr_perf_plan *plan, const struct tsr_perf_request *request,
                    size_t payload)
{
	struct tsr_perf_bench *meets;
	struct tsr_perf_pair *pair;
	size_t ours, buffered;

	meets = tsr_perf_plan_bench(plan, &ours);
	tsr_perf_bench_rtt(meets, payload, false);
	meets->name = "rendezvous";
	meets->slots = RTT_OFFERS;
	meets->flags = TSR_PERF_RENDEZVOUS;
	tsr_perf_bench_rtt(tsr_perf_plan_bench(plan, &buffered), payload, false);
	tsr_perf_realm(plan, request->backing, payload, RTT_BLOCKS);
	pair = tsr_perf_plan_pair(plan, ours, buffered);
	pair->metric_count = 2;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = "rtt:rendezvous",
		.unit = "ns",
		.must = {1.3, 1.3},
	};
	pair->metrics[1] = (struct tsr_perf_metric){.label = "rtt:rendezvous p99", .unit = "ns"};
	return 0;
}

int
tsr_perf_plan_rtt(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	size_t payload = request->payload != 0 ? request->payload : RTT_PAYLOAD;
	const struct rtt_kind *kind = rtt_kind(request->kind);
	bool many = kind != NULL;
	struct tsr_perf_bench *bench;
	struct tsr_perf_pair *pair;
	size_t ours;
	size_t baseline;
	int error;

	if (payload % sizeof(tsr_perf_words) != 0)
		return -EINVAL;
	if (strcmp(request->kind, "rendezvous") == 0)
		return rtt_plan_rendezvous(plan, request, payload);
	bench = tsr_perf_plan_bench(plan, &ours);
	tsr_perf_bench_rtt(bench, payload, many);
	if (many) {
		bench->name = kind->name;
		bench->flags |= kind->flags;
	}
	error = tsr_perf_baseline_pingpong(tsr_perf_plan_bench(plan, &baseline), payload);
	if (error != 0)
		return error;
	tsr_perf_realm(plan, request->backing, payload, RTT_BLOCKS);
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 2;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = many ? kind->label : "rtt",
		.unit = "ns",
		.must = {many ? 0.0 : 1.2, many ? 0.0 : 1.2},
		.reach = {many ? 0.0 : 1.1, many ? 0.0 : 1.1},
	};
	pair->metrics[1] = (struct tsr_perf_metric){
		.label = many ? kind->label_p99 : "rtt p99",
		.unit = "ns",
		.must = {many ? 0.0 : 1.5, many ? 0.0 : 1.5},
	};
	return 0;
}
