/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * rtt: 64 bytes out and 64 bytes back, written and read, two processes that poll.
 */

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/form.h"
#include "perf/ours.h"
#include "perf/rtt.h"
#include "perf/rtt_ours.h"

#define RTT_PAYLOAD 64
#define RTT_SLOTS   64
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

struct tsr_perf_bench *
tsr_perf_bench_rtt(struct tsr_perf_plan *plan, size_t *number, size_t payload_bytes,
                   const char *form_name)
{
	struct tsr_perf_bench *const bench = tsr_perf_plan_bench(plan, number);
	struct tsr_perf_form form;

	(void)tsr_perf_form_find(form_name, &form);
	*bench = (struct tsr_perf_bench){
		.name = tsr_perf_plan_say(plan, "tsr_send/tsr_recv, %s", form.name),
		.payload_bytes = payload_bytes,
		.open = rtt_open,
		.run = rtt_run,
		.close = rtt_close,
	};
	tsr_perf_form_use(&form, bench, RTT_SLOTS);
	return bench;
}

/* 0: none. */
struct rtt_limits {
	double must;
	double reach;
	double must_p99;
};

static struct tsr_perf_pair *
rtt_pair(struct tsr_perf_plan *plan, size_t ours, size_t baseline, const char *label,
         struct rtt_limits limits)
{
	struct tsr_perf_pair *const pair = tsr_perf_plan_pair(plan, ours, baseline);

	pair->metric_count = 2;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = label,
		.unit = "ns",
		.must = {limits.must, limits.must},
		.reach = {limits.reach, limits.reach},
	};
	pair->metrics[1] = (struct tsr_perf_metric){
		.label = tsr_perf_plan_say(plan, "%s p99", label),
		.unit = "ns",
		.must = {limits.must_p99, limits.must_p99},
	};
	return pair;
}

/*
 * Beside the same floor, in realms of ever more idle channels, or clients: they cost nothing. No
 * must but that.
 */
static int
rtt_plan_crowds(struct tsr_perf_plan *plan, const struct tsr_perf_request *request, size_t payload)
{
	static const uint32_t counts[2][3] = {{1, 1000, 100000}, {1, 100, 1000}};
	bool const clients = strcmp(request->kind, "clients") == 0;
	const char *const what = clients ? "clients" : "channels";
	const struct tsr_perf_pair *first = NULL;
	size_t ours, floor;
	int error = tsr_perf_baseline_pingpong(tsr_perf_plan_bench(plan, &floor), payload);

	for (size_t i = 0; i < sizeof(counts[0]) / sizeof(counts[0][0]) && error == 0; i++) {
		uint32_t const count = counts[clients][i];
		struct tsr_perf_bench *const bench = tsr_perf_bench_rtt(plan, &ours, payload, "");
		struct tsr_perf_pair *pair;

		bench->name = tsr_perf_plan_say(plan, "rtt among %u idle %s", count, what);
		bench->realm = tsr_perf_plan_say(plan, "idle-%u", count);
		*(clients ? &bench->idle_clients : &bench->idle_channels) = count;
		tsr_perf_realm_beside(plan, bench->realm, request->backing, payload, RTT_BLOCKS);
		tsr_perf_crowd_realm(plan, bench->realm, bench->idle_channels, bench->idle_clients);
		pair = rtt_pair(plan, ours, floor,
		                tsr_perf_plan_say(plan, "rtt:%s %u", what, count),
		                (struct rtt_limits){0});
		if (first != NULL)
			tsr_perf_plan_flat(plan, pair, first);
		else
			first = pair;
	}
	tsr_perf_setting(plan, "limits.connections_per_user=2000");
	return error;
}

int
tsr_perf_plan_rtt(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	struct rtt_limits const floor = {1.2, 1.1, 1.5}, buffered = {1.3, 0.0, 0.0};
	size_t const payload = request->payload != 0 ? request->payload : RTT_PAYLOAD;
	const char *const label = tsr_perf_plan_label(plan, "rtt", request);
	struct tsr_perf_form form;
	size_t ours, baseline;
	int error;

	if (payload % sizeof(tsr_perf_words) != 0)
		return -EINVAL;
	if (!tsr_perf_form_find(request->kind, &form))
		return rtt_plan_crowds(plan, request, payload);
	tsr_perf_bench_rtt(plan, &ours, payload, request->kind);
	tsr_perf_realm(plan, request->backing, payload, RTT_BLOCKS);
	if (form.kind == TSR_KIND_RENDEZVOUS) {
		/* What it costs to know that a message was received. */
		tsr_perf_bench_rtt(plan, &baseline, payload, "");
		(void)rtt_pair(plan, ours, baseline, label, buffered);
		return 0;
	}
	error = tsr_perf_baseline_pingpong(tsr_perf_plan_bench(plan, &baseline), payload);
	if (error == 0)
		(void)rtt_pair(plan, ours, baseline, label, floor);
	return error;
}
