/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * attach: how long joining a realm of 1 GiB takes, how long until all of its memory has been
 * touched, and how much memory an idle client keeps dirty for itself.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/clock.h"
#include "perf/idle.h"
#include "perf/ours.h"

#define ATTACH_MIB        1024
#define ATTACH_BLOCK      (UINT64_C(1) << 20)
#define ATTACH_ROUNDS     16
#define ATTACH_BATCH      32
#define ATTACH_PAGE_SMALL 4096
#define ATTACH_US         1000.0
#define ATTACH_DIRTY_KIB  300.0

/* One byte in every page of a block. A big page is touched through each block that it holds. */
static void
attach_touch(const struct tsr_msg *msg, const char *backing)
{
	bool small = strcmp(backing, "4K") == 0 || strcmp(backing, "thp") == 0;
	size_t step = small ? ATTACH_PAGE_SMALL : msg->length;

	for (size_t at = 0; at < msg->length; at += step)
		(void)((const volatile unsigned char *)msg->data)[at];
}

/* Take every block of the realm and touch it; detaching gives them back. */
static int
attach_touch_all(struct tsr_client client, const char *backing)
{
	struct tsr_msg msgs[ATTACH_BATCH];
	size_t got = 0;

	while (tsr_alloc_batch(client, ATTACH_BLOCK, msgs, ATTACH_BATCH, &got) == 0) {
		for (size_t i = 0; i < got; i++)
			attach_touch(&msgs[i], backing);
	}
	return 0;
}

static int
attach_once(struct tsr_perf_side *side, bool touch, double *us)
{
	struct tsr_attach_options options = {.size = sizeof(options), .realm = TSR_PERF_REALM};
	struct tsr_client_info info = {.size = sizeof(info)};
	uint64_t start = tsr_perf_monotonic_ns();
	struct tsr_client client;
	int error = tsr_attach(&options, &client);
	uint64_t end = tsr_perf_monotonic_ns();

	if (error != 0)
		return tsr_perf_failed_call(side, "tsr_attach", error);
	error = tsr_client_info(client, &info);
	if (error == 0 && touch) {
		error = attach_touch_all(client, info.backing);
		end = tsr_perf_monotonic_ns();
	}
	(void)memcpy(side->world->page, info.backing, sizeof(side->world->page));
	*us = (double)(end - start) / 1e3;
	(void)tsr_detach(client);
	return error;
}

static int
attach_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	double us[ATTACH_ROUNDS];
	double touched[1];
	int error = 0;

	if (side->index != 0)
		return 0;
	for (size_t i = 0; i < ATTACH_ROUNDS && error == 0; i++)
		error = attach_once(side, false, &us[i]);
	if (error == 0)
		error = attach_once(side, true, &touched[0]);
	if (error != 0)
		return error;
	sample->value[0] = tsr_perf_summarize(us, ATTACH_ROUNDS).median;
	sample->value[1] = touched[0];
	sample->messages = ATTACH_ROUNDS;
	return 0;
}

static int
attach_run_idle(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	if (side->index != 0)
		return 0;
	sample->messages = 1;
	return tsr_perf_idle_run(side->bench->flags != 0 ? TSR_PERF_REALM : "-", &sample->value[0]);
}

static int
attach_plan_time(struct tsr_perf_plan *plan)
{
	struct tsr_perf_pair *pair;
	size_t ours;
	size_t baseline;
	int error;

	*tsr_perf_plan_bench(plan, &ours) = (struct tsr_perf_bench){
		.name = "tsr_attach",
		.run = attach_run,
	};
	error = tsr_perf_baseline_exec(tsr_perf_plan_bench(plan, &baseline));
	if (error != 0)
		return error;
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->calm = true;
	pair->metric_count = 2;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = "attach",
		.unit = "us",
		.limits = TSR_PERF_LIMITS_OURS,
		.must = {ATTACH_US, ATTACH_US},
		.reach = {ATTACH_US, ATTACH_US},
	};
	pair->metrics[1] = (struct tsr_perf_metric){
		.label = "attach touched",
		.unit = "us",
		.limits = TSR_PERF_LIMITS_OURS,
	};
	return 0;
}

static void
attach_plan_dirty(struct tsr_perf_plan *plan)
{
	struct tsr_perf_pair *pair;
	size_t ours;
	size_t baseline;

	*tsr_perf_plan_bench(plan, &ours) = (struct tsr_perf_bench){
		.name = "private dirty memory of an idle client",
		.flags = 1,
		.run = attach_run_idle,
	};
	*tsr_perf_plan_bench(plan, &baseline) = (struct tsr_perf_bench){
		.name = "the same program, not attached",
		.run = attach_run_idle,
	};
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->one_core = true;
	pair->calm = true;
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = "attach:dirty",
		.unit = "KiB",
		.limits = TSR_PERF_LIMITS_OURS,
		.must = {[TSR_PERF_ONE_CORE] = ATTACH_DIRTY_KIB},
		.reach = {[TSR_PERF_ONE_CORE] = ATTACH_DIRTY_KIB},
	};
}

int
tsr_perf_plan_attach(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	uint64_t mib = request->payload != 0 ? request->payload : ATTACH_MIB;
	int error = 0;

	tsr_perf_realm(plan, request->backing, ATTACH_BLOCK, mib);
	if (strcmp(request->kind, "dirty") != 0)
		error = attach_plan_time(plan);
	if (error == 0 && strcmp(request->kind, "time") != 0)
		attach_plan_dirty(plan);
	return error;
}
