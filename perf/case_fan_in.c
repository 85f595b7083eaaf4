/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * fan-in: two senders, one receiver; allocate, send, receive, release, the payload untouched.
 */

#include <stdlib.h>

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/fan_in.h"
#include "perf/ours.h"
#include "perf/ours_flow.h"
#include "shm/message.h"

#define FAN_IN_PAYLOAD 64
#define FAN_IN_SLOTS   1024
#define FAN_IN_BLOCKS  4096

/* Each thread sends through an end of its own. */
struct fan_in_ends {
	struct tsr_perf_link link[TSR_PERF_FAN_IN_SENDERS];
};

/* What a thread allocated and didn't send it gives back: its magazines end with it. */
static void *
fan_in_send(void *argument)
{
	struct tsr_perf_fan_in *const part = argument;
	struct tsr_perf_link *const link = part->context;

	tsr_perf_fan_in_send(part, tsr_perf_ticket_put);
	if (link->is_pending)
		(void)tsr_release(link->client, &link->pending);
	link->is_pending = false;
	return NULL;
}

static int
fan_in_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct fan_in_ends *const ends = side->state;
	struct tsr_perf_fan_in parts[TSR_PERF_FAN_IN_SENDERS] = {
		{.context = &ends->link[0]},
		{.context = &ends->link[1]},
	};

	if (side->index == 0)
		return tsr_perf_fan_in_run(side, sample, parts, fan_in_send);
	return tsr_perf_flow_receive(side, sample, tsr_perf_ticket_get, &ends->link[0]);
}

static int
fan_in_open(struct tsr_perf_side *side)
{
	struct fan_in_ends *const ends = calloc(1, sizeof(*ends));
	int error;

	side->state = ends;
	if (ends == NULL)
		return -ENOMEM;
	error = tsr_perf_link_open(side, &ends->link[0]);
	if (error != 0 || side->index != 0)
		return error;
	ends->link[1] = ends->link[0];
	return tsr_perf_link_again(side, &ends->link[1]);
}

static void
fan_in_close(struct tsr_perf_side *side)
{
	struct fan_in_ends *const ends = side->state;

	if (ends != NULL)
		tsr_perf_link_close(&ends->link[0]);
	free(ends);
}

int
tsr_perf_plan_fan_in(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	struct tsr_perf_pair *pair;
	size_t ours, baseline;
	int error;

	*tsr_perf_plan_bench(plan, &ours) = (struct tsr_perf_bench){
		.name = "two senders, tsr_{alloc,send,recv,release}_inline",
		.payload_bytes = FAN_IN_PAYLOAD,
		.slots = FAN_IN_SLOTS,
		.channel_flags = TSR_CHANNEL_ONE_RECEIVER,
		.open = fan_in_open,
		.run = fan_in_run,
		.close = fan_in_close,
	};
	error = tsr_perf_baseline_rte_ring(tsr_perf_plan_bench(plan, &baseline), FAN_IN_SLOTS);
	if (error != 0)
		return error;
	tsr_perf_realm(plan, request->backing, FAN_IN_PAYLOAD, FAN_IN_BLOCKS);
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = "fan-in",
		.unit = "M/s",
		.higher_is_better = true,
		.must = {1.5, 1.5},
		.reach = {1.5, 1.5},
	};
	return 0;
}
