/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * jitter: what this machine does to a thread that spins, Tessera not being in the loop: it reads
 * the clock again and again; wherever two readings are more than a microsecond apart somebody had
 * the core. At real-time priority, beside ordinary priority.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "perf/case.h"
#include "perf/flow.h"

#define JITTER_GAP_NS 1000

struct jitter_state {
	struct tsr_perf_histogram steps;
	double longest_us;
	double stolen_ppm;
};

static void
jitter_spin(struct jitter_state *state)
{
	uint64_t const start = tsr_perf_ticks();
	uint64_t const end = start + tsr_perf_ns_ticks(TSR_PERF_STEP_NS);
	uint64_t const gap = tsr_perf_ns_ticks(JITTER_GAP_NS);
	uint64_t longest = 0;
	uint64_t stolen = 0;
	uint64_t last = start;

	tsr_perf_histogram_clear(&state->steps);
	while (last < end) {
		uint64_t const now = tsr_perf_ticks();
		uint64_t const step = now - last;

		tsr_perf_histogram_add(&state->steps, step);
		longest = step > longest ? step : longest;
		stolen += step > gap ? step : 0;
		last = now;
	}
	state->longest_us = tsr_perf_ticks_ns(longest) / 1e3;
	state->stolen_ppm = (double)stolen / (double)(last - start) * 1e6;
}

static int
jitter_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	bool const ordinary = side->bench->flags != 0;
	struct jitter_state *const state = side->state;
	int error = 0;

	if (side->index != 0)
		return 0;
	if (ordinary && !side->world->refused)
		error = tsr_perf_realtime(false);
	if (error == 0)
		jitter_spin(state);
	if (ordinary && !side->world->refused && error == 0)
		error = tsr_perf_realtime(true);
	if (error != 0)
		return tsr_perf_fail(side, error, "sched_setscheduler: %s", strerror(-error));
	sample->value[0] = state->longest_us;
	sample->value[1] = state->stolen_ppm;
	for (size_t q = 0; q < TSR_PERF_QUANTILES; q++)
		sample->quantile_ns[q] =
			tsr_perf_histogram_quantile_ticks(&state->steps, tsr_perf_quantiles[q]) *
			tsr_perf_clock.ns_per_tick;
	return 0;
}

static int
jitter_open(struct tsr_perf_side *side)
{
	side->state = calloc(1, sizeof(struct jitter_state));
	return side->state != NULL ? 0 : -ENOMEM;
}

static void
jitter_close(struct tsr_perf_side *side)
{
	free(side->state);
}

int
tsr_perf_plan_jitter(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	struct tsr_perf_bench bench = {
		.name = "a thread that spins at real-time priority",
		.open = jitter_open,
		.run = jitter_run,
		.close = jitter_close,
	};
	struct tsr_perf_pair *pair;
	size_t ours, baseline;

	(void)request;
	*tsr_perf_plan_bench(plan, &ours) = bench;
	bench.name = "a thread that spins at ordinary priority";
	bench.flags = 1;
	*tsr_perf_plan_bench(plan, &baseline) = bench;
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->one_core = true;
	pair->metric_count = 2;
	pair->metrics[0] = (struct tsr_perf_metric){.label = "jitter longest gap", .unit = "us"};
	pair->metrics[1] = (struct tsr_perf_metric){.label = "jitter stolen", .unit = "ppm"};
	return 0;
}
