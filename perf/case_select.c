/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * select: a round trip whose way out is one of N channels, each in its turn, from all of which the
 * other side selects. The baseline is a round trip over one channel each way.
 */

#include <stdlib.h>

#include "perf/case.h"
#include "perf/rtt.h"
#include "perf/rtt_ours.h"

#define SELECT_PAYLOAD     64
#define SELECT_SLOTS       64
#define SELECT_BLOCKS      4096
#define SELECT_PATIENCE_MS 1 /* then the other side looks whether the run is over */

struct select_state {
	struct tsr_perf_rtt rtt; /* first: tsr_perf_rtt_lead() takes the state for it */
	struct tsr_perf_link link;
	struct tsr_sender sender[TSR_SELECT_MAX];
	struct tsr_case cases[TSR_SELECT_MAX];
	struct tsr_msg msg;
	struct tsr_select select;
	uint64_t deadline_ns;
	uint32_t next;
};

static bool
select_trip(void *context, struct tsr_perf_flow *flow)
{
	struct select_state *const state = context;

	state->link.sender = state->sender[state->next];
	state->next = state->next + 1 < state->select.count ? state->next + 1 : 0;
	if (!tsr_perf_rtt_send(&state->link, flow))
		return false;
	while (!tsr_perf_rtt_take(&state->link, flow)) {
		if (tsr_perf_flow_hangs(flow))
			return false;
	}
	return true;
}

static bool
select_answer(void *context, struct tsr_perf_flow *flow)
{
	struct select_state *const state = context;

	if (tsr_select(&state->select, state->deadline_ns) != 0) {
		state->deadline_ns = tsr_deadline_in_ms(SELECT_PATIENCE_MS);
		return false;
	}
	flow->sum += tsr_perf_sum(state->msg.data, state->link.payload_bytes);
	return tsr_release(state->link.client, &state->msg) == 0 &&
	       tsr_perf_rtt_send(&state->link, flow);
}

static int
select_open(struct tsr_perf_side *side)
{
	struct select_state *const state = calloc(1, sizeof(*state));
	int error;

	side->state = state;
	if (state == NULL)
		return -ENOMEM;
	state->select = (struct tsr_select){
		.size = sizeof(state->select),
		.cases = state->cases,
		.count = side->bench->flags >> TSR_PERF_COUNT_SHIFT,
	};
	error = tsr_perf_link_open(side, &state->link);
	for (uint32_t i = 0; error == 0 && i < state->select.count; i++) {
		error = tsr_perf_link_further(side, &state->link, i);
		state->sender[i] = state->link.sender;
		state->cases[i] =
			(struct tsr_case){.receiver = state->link.receiver, .msg = &state->msg};
	}
	return error != 0 ? error : tsr_perf_link_back(side, &state->link);
}

static void
select_close(struct tsr_perf_side *side)
{
	struct select_state *const state = side->state;

	if (state != NULL)
		tsr_perf_link_close(&state->link);
	free(state);
}

static int
select_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	if (side->index == 0)
		return tsr_perf_rtt_lead(side, sample, select_trip, side->state);
	return tsr_perf_rtt_follow(side, sample, select_answer, side->state);
}

int
tsr_perf_plan_select(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const struct {
		const char *kind;
		const char *label;
		uint32_t count;
		double must;
	} known[] = {{"2", "select:2", 2, 1.3},
	             {"16", "select:16", 16, 2.0},
	             {"64", "select:64", 64, 5.0}};
	struct tsr_perf_pair *pair;
	size_t ours, baseline, which = 0;

	while (request->kind[0] != '\0' && strcmp(known[which].kind, request->kind) != 0)
		which++;
	*tsr_perf_plan_bench(plan, &ours) = (struct tsr_perf_bench){
		.name = "tsr_send/tsr_select",
		.payload_bytes = SELECT_PAYLOAD,
		.slots = SELECT_SLOTS,
		.channel_flags = TSR_PERF_ONE_TO_ONE,
		.flags = known[which].count << TSR_PERF_COUNT_SHIFT,
		.open = select_open,
		.run = select_run,
		.close = select_close,
	};
	(void)tsr_perf_bench_rtt(plan, &baseline, SELECT_PAYLOAD, "one");
	tsr_perf_realm(plan, request->backing, SELECT_PAYLOAD, SELECT_BLOCKS);
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = known[which].label,
		.unit = "ns",
		.must = {known[which].must, known[which].must},
	};
	return 0;
}
