/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * ticket: allocate, send, receive, release, the payload untouched; one by one, and in bursts of 32.
 */

#include <stdlib.h>

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/flow.h"
#include "perf/ours.h"
#include "perf/ours_flow.h"
#include "shm/message.h"

#define TICKET_PAYLOAD 64
#define TICKET_SLOTS   1024
#define TICKET_BLOCKS  4096

struct ticket_burst {
	struct tsr_perf_link link;
	size_t first; /* of msgs, not yet sent */
	size_t count;
	struct tsr_msg msgs[TSR_PERF_BURST_SIZE];
};

static inline size_t
ticket_put_burst(void *context, uint64_t n, uint64_t *sum)
{
	struct ticket_burst *burst = context;
	struct tsr_perf_link *link = &burst->link;
	size_t sent = 0;

	(void)n;
	(void)sum;
	if (burst->first == burst->count) {
		burst->first = 0;
		burst->count = 0;
		if (tsr_alloc_batch(link->client, (uint32_t)link->payload_bytes, burst->msgs,
		                    TSR_PERF_BURST_SIZE, &burst->count) != 0)
			return 0;
	}
	(void)tsr_send_batch(link->sender, burst->msgs + burst->first, burst->count - burst->first,
	                     TSR_NOWAIT, &sent);
	burst->first += sent;
	return sent;
}

static inline size_t
ticket_get_burst(void *context, uint64_t *sum)
{
	struct ticket_burst *burst = context;
	size_t got = 0;
	size_t released = 0;

	(void)sum;
	if (tsr_recv_batch(burst->link.receiver, burst->msgs, TSR_PERF_BURST_SIZE, TSR_NOWAIT,
	                   &got) != 0)
		return 0;
	(void)tsr_release_batch(burst->link.client, burst->msgs, got, &released);
	return released;
}

static int
ticket_open(struct tsr_perf_side *side)
{
	struct ticket_burst *burst = calloc(1, sizeof(*burst));

	side->state = burst;
	return burst != NULL ? tsr_perf_link_open(side, &burst->link) : -ENOMEM;
}

static void
ticket_close(struct tsr_perf_side *side)
{
	struct ticket_burst *burst = side->state;

	if (burst != NULL)
		tsr_perf_link_close(&burst->link);
	free(burst);
}

static int
ticket_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct ticket_burst *burst = side->state;

	if (side->index == 0)
		return tsr_perf_flow_send(side, sample, tsr_perf_ticket_put, &burst->link);
	return tsr_perf_flow_receive(side, sample, tsr_perf_ticket_get, &burst->link);
}

static int
ticket_run_burst(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	if (side->index == 0)
		return tsr_perf_flow_send(side, sample, ticket_put_burst, side->state);
	return tsr_perf_flow_receive(side, sample, ticket_get_burst, side->state);
}

static struct tsr_perf_bench
ticket_bench(const char *name, size_t payload, bool many, bool burst)
{
	return (struct tsr_perf_bench){
		.name = name,
		.payload_bytes = payload,
		.slots = TICKET_SLOTS,
		.channel_flags = many ? 0 : TSR_PERF_ONE_TO_ONE,
		.open = ticket_open,
		.run = burst ? ticket_run_burst : ticket_run,
		.close = ticket_close,
	};
}

static int
ticket_plan_one(struct tsr_perf_plan *plan, size_t payload, bool many)
{
	struct tsr_perf_pair *pair;
	size_t ours;
	size_t baseline;
	int error;

	*tsr_perf_plan_bench(plan, &ours) =
		ticket_bench(many ? "tsr_{alloc,send,recv,release}_inline, many-to-many"
	                          : "tsr_{alloc,send,recv,release}_inline, one-to-one",
	                     payload, many, false);
	error = tsr_perf_baseline_slots(tsr_perf_plan_bench(plan, &baseline), TICKET_SLOTS);
	if (error != 0)
		return error;
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = many ? "ticket:many" : "ticket",
		.unit = "M/s",
		.higher_is_better = true,
		.must = {many ? 0.0 : 0.3, many ? 0.0 : 0.2},
		.reach = {many ? 0.0 : 0.5, many ? 0.0 : 0.3},
	};
	return 0;
}

static int
ticket_plan_burst(struct tsr_perf_plan *plan, size_t payload)
{
	struct tsr_perf_pair *pair;
	size_t ours;
	size_t baseline;
	int error;

	*tsr_perf_plan_bench(plan, &ours) =
		ticket_bench("tsr_*_batch of 32, one-to-one", payload, false, true);
	error = tsr_perf_baseline_slots_burst(tsr_perf_plan_bench(plan, &baseline), TICKET_SLOTS);
	if (error != 0)
		return error;
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = "ticket:burst",
		.unit = "M/s",
		.higher_is_better = true,
		.reach = {0.6, 0.4},
	};
	return 0;
}

int
tsr_perf_plan_ticket(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	size_t payload = request->payload != 0 ? request->payload : TICKET_PAYLOAD;
	bool any = request->kind[0] == '\0';
	int error = 0;

	tsr_perf_realm(plan, request->backing, payload, TICKET_BLOCKS);
	if (any || strcmp(request->kind, "one") == 0)
		error = ticket_plan_one(plan, payload, false);
	if (error == 0 && (any || strcmp(request->kind, "burst") == 0))
		error = ticket_plan_burst(plan, payload);
	if (error == 0 && strcmp(request->kind, "many") == 0)
		error = ticket_plan_one(plan, payload, true);
	return error;
}
