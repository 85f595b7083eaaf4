/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * capacities: what is quick through a short ring is quick through a long one. A stream of 64 bytes
 * through channels of one form, each beside a ring of as many items; the ratio is flat.
 */

#include <errno.h>
#include <inttypes.h>

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/ours.h"
#include "perf/stream.h"

#define CAPACITIES_FIRST   8 /* powers of two */
#define CAPACITIES_LAST    20
#define CAPACITIES_STEP    4
#define CAPACITIES_PAYLOAD 64
#define CAPACITIES_WARM    5 /* repetitions until the longest ring has been gone round */

int
tsr_perf_plan_capacities(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	const char *const name = tsr_perf_plan_label(plan, "capacities", request);
	const struct tsr_perf_pair *first = NULL;
	struct tsr_perf_form form;
	uint64_t slots_sum = 0;

	if (!tsr_perf_form_find(request->kind, &form) || form.capacity != 0 ||
	    form.kind == TSR_KIND_UNLIMITED)
		return -EINVAL; /* as many slots as it has senders, or as it takes */
	for (uint32_t power = CAPACITIES_FIRST; power <= CAPACITIES_LAST;
	     power += CAPACITIES_STEP) {
		uint32_t const slots = UINT32_C(1) << power;
		struct tsr_perf_bench *bench;
		struct tsr_perf_pair *pair;
		size_t ours, baseline;

		bench = tsr_perf_plan_bench(plan, &ours);
		tsr_perf_bench_stream_64(bench, &form, slots);
		if (tsr_perf_baseline_items(tsr_perf_plan_bench(plan, &baseline),
		                            CAPACITIES_PAYLOAD, slots) != 0)
			return -ENOMEM;
		pair = tsr_perf_plan_pair(plan, ours, baseline);
		pair->metric_count = 1;
		pair->lossy = form.lossy;
		pair->warm = CAPACITIES_WARM;
		pair->metrics[0] = (struct tsr_perf_metric){
			.label = tsr_perf_plan_say(plan, "%s 2^%u", name, power),
			.unit = "M/s",
			.higher_is_better = true,
		};
		if (first != NULL)
			tsr_perf_plan_flat(plan, pair, first);
		else
			first = pair;
		slots_sum += slots;
	}
	tsr_perf_setting(plan, "realms." TSR_PERF_REALM ".slots=%" PRIu64, 2 * slots_sum);
	/* A broadcast keeps what went through it last: that much, and what is under way. */
	tsr_perf_realm(plan, request->backing, CAPACITIES_PAYLOAD,
	               form.kind == TSR_KIND_BROADCAST ? 2 * slots_sum : TSR_PERF_STREAM_BLOCKS);
	return 0;
}
