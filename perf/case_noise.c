/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Baselines against themselves: how far from 1 is a ratio that means nothing?
 */

#include <errno.h>

#include "perf/bench.h"
#include "perf/case.h"

#define NOISE_SLOTS   1024
#define NOISE_PAYLOAD 64

static void
noise_pair(struct tsr_perf_plan *plan, size_t first, const char *label, const char *unit,
           bool higher)
{
	struct tsr_perf_pair *pair = tsr_perf_plan_pair(plan, first, first + 1);

	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = label,
		.unit = unit,
		.higher_is_better = higher,
	};
}

int
tsr_perf_plan_noise(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	size_t first;
	size_t second;
	int error = 0;

	(void)request;
	error = tsr_perf_baseline_pingpong(tsr_perf_plan_bench(plan, &first), NOISE_PAYLOAD);
	if (error == 0)
		error = tsr_perf_baseline_pingpong(tsr_perf_plan_bench(plan, &second),
		                                   NOISE_PAYLOAD);
	noise_pair(plan, first, "noise:pingpong", "ns", false);
	if (error == 0)
		error = tsr_perf_baseline_slots(tsr_perf_plan_bench(plan, &first), NOISE_SLOTS);
	if (error == 0)
		error = tsr_perf_baseline_slots(tsr_perf_plan_bench(plan, &second), NOISE_SLOTS);
	noise_pair(plan, first, "noise:slots", "M/s", true);
	if (error == 0)
		error = tsr_perf_baseline_slots_burst(tsr_perf_plan_bench(plan, &first),
		                                      NOISE_SLOTS);
	if (error == 0)
		error = tsr_perf_baseline_slots_burst(tsr_perf_plan_bench(plan, &second),
		                                      NOISE_SLOTS);
	noise_pair(plan, first, "noise:burst", "M/s", true);
	if (error == 0)
		error = tsr_perf_baseline_items(tsr_perf_plan_bench(plan, &first), NOISE_PAYLOAD,
		                                NOISE_SLOTS);
	if (error == 0)
		error = tsr_perf_baseline_items(tsr_perf_plan_bench(plan, &second), NOISE_PAYLOAD,
		                                NOISE_SLOTS);
	noise_pair(plan, first, "noise:items", "M/s", true);
	return error;
}
