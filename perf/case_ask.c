/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * ask: a request and its reply, in the same block, by tsr_ask() and tsr_reply(). The baseline is a
 * round trip over one channel each way, by hand.
 */

#include <stdlib.h>

#include "perf/case.h"
#include "perf/rtt.h"
#include "perf/rtt_ours.h"

#define ASK_PAYLOAD     64
#define ASK_SLOTS       64
#define ASK_BLOCKS      4096
#define ASK_PATIENCE_MS 1000

struct ask_state {
	struct tsr_perf_rtt rtt; /* first: tsr_perf_rtt_lead() takes the state for it */
	struct tsr_perf_link link;
	struct tsr_asker asker;
};

static bool
ask_trip(void *context, struct tsr_perf_flow *flow)
{
	struct ask_state *const state = context;
	struct tsr_msg msg;

	while (tsr_alloc(state->link.client, ASK_PAYLOAD, &msg) != 0) {
		if (tsr_perf_flow_hangs(flow))
			return false;
	}
	tsr_perf_fill(msg.data, ASK_PAYLOAD, flow->count);
	if (tsr_ask(state->asker, &msg, tsr_deadline_in_ms(ASK_PATIENCE_MS)) != 0)
		return false;
	flow->sum += tsr_perf_sum(msg.data, ASK_PAYLOAD);
	return tsr_release(state->link.client, &msg) == 0;
}

static bool
ask_answer(void *context, struct tsr_perf_flow *flow)
{
	struct ask_state *const state = context;
	struct tsr_msg msg;

	if (tsr_recv(state->link.receiver, &msg, TSR_NOWAIT) != 0)
		return false;
	flow->sum += tsr_perf_sum(msg.data, ASK_PAYLOAD);
	tsr_perf_fill(msg.data, ASK_PAYLOAD, flow->count);
	return tsr_reply(state->link.client, &msg, &msg, TSR_NOWAIT) == 0;
}

static int
ask_open(struct tsr_perf_side *side)
{
	struct ask_state *const state = calloc(1, sizeof(*state));
	int error;

	side->state = state;
	if (state == NULL)
		return -ENOMEM;
	error = tsr_perf_link_open(side, &state->link);
	if (error == 0 && side->index == 0)
		error = tsr_perf_link_asker(side, &state->link, &state->asker);
	return error;
}

static void
ask_close(struct tsr_perf_side *side)
{
	struct ask_state *const state = side->state;

	if (state != NULL)
		tsr_perf_link_close(&state->link);
	free(state);
}

static int
ask_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	if (side->index == 0)
		return tsr_perf_rtt_lead(side, sample, ask_trip, side->state);
	return tsr_perf_rtt_follow(side, sample, ask_answer, side->state);
}

int
tsr_perf_plan_ask(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	struct tsr_perf_pair *pair;
	size_t ours, baseline;

	*tsr_perf_plan_bench(plan, &ours) = (struct tsr_perf_bench){
		.name = "tsr_ask/tsr_reply",
		.payload_bytes = ASK_PAYLOAD,
		.slots = ASK_SLOTS,
		.open = ask_open,
		.run = ask_run,
		.close = ask_close,
	};
	(void)tsr_perf_bench_rtt(plan, &baseline, ASK_PAYLOAD, "many");
	tsr_perf_realm(plan, request->backing, ASK_PAYLOAD, ASK_BLOCKS);
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){.label = "ask", .unit = "ns"};
	return 0;
}
