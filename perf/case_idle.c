/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * idle: what 100,000 idle channels and 1,000 idle clients in the realm cost those who send: a
 * stream of 64 bytes there, beside the same in a realm of the same daemon that has neither.
 */

#include "perf/case.h"
#include "perf/crowd.h"
#include "perf/ours.h"
#include "perf/stream.h"

#define IDLE_REALM    "quiet"
#define IDLE_PAYLOAD  64
#define IDLE_CHANNELS 100000
#define IDLE_CLIENTS  1000
#define IDLE_MUST     0.98

int
tsr_perf_plan_idle(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	struct tsr_perf_bench *bench;
	struct tsr_perf_form one;
	struct tsr_perf_pair *pair;
	size_t ours, baseline;

	(void)tsr_perf_form_find("one", &one);
	bench = tsr_perf_plan_bench(plan, &ours);
	tsr_perf_bench_stream_64(bench, &one, TSR_PERF_STREAM_SLOTS);
	bench->name = "stream-64 among 100,000 idle channels, 1,000 idle clients";
	bench->idle_channels = IDLE_CHANNELS;
	bench->idle_clients = IDLE_CLIENTS;
	bench = tsr_perf_plan_bench(plan, &baseline);
	tsr_perf_bench_stream_64(bench, &one, TSR_PERF_STREAM_SLOTS);
	bench->name = "the same in an empty realm";
	bench->realm = IDLE_REALM;
	tsr_perf_realm(plan, request->backing, IDLE_PAYLOAD, TSR_PERF_STREAM_BLOCKS);
	tsr_perf_crowd_realm(plan, TSR_PERF_REALM, IDLE_CHANNELS, IDLE_CLIENTS);
	tsr_perf_realm_beside(plan, IDLE_REALM, request->backing, IDLE_PAYLOAD,
	                      TSR_PERF_STREAM_BLOCKS);
	tsr_perf_setting(plan, "limits.connections_per_user=2000");
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = "idle",
		.unit = "M/s",
		.higher_is_better = true,
		.must = {IDLE_MUST, IDLE_MUST},
		.reach = {IDLE_MUST, IDLE_MUST},
	};
	return 0;
}
