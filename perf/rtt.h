/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_RTT_H
#define TSR_PERF_RTT_H

/*
 * How a round trip is measured, whoever makes it: two thirds of the time in batches of 64, whose
 * median is the p50; the rest one by one, whose p99 is given to the step of the clock.
 */

#include <stdlib.h>

#include "perf/flow.h"
#include "perf/stats.h"

#define TSR_PERF_RTT_BATCH   64
#define TSR_PERF_RTT_BATCHES 8192

struct tsr_perf_rtt {
	size_t batch_count;
	double batches[TSR_PERF_RTT_BATCHES];
	struct tsr_perf_histogram each;
};

/* One round trip, inlined. false: the other side doesn't answer. */
typedef bool tsr_perf_trip(void *context, struct tsr_perf_flow *flow);

static inline void
tsr_perf_rtt_clear(struct tsr_perf_rtt *rtt)
{
	rtt->batch_count = 0;
	tsr_perf_histogram_clear(&rtt->each);
}

TSR_INLINE bool
tsr_perf_rtt_in_batches(struct tsr_perf_rtt *rtt, struct tsr_perf_flow *flow, tsr_perf_trip *trip,
                        void *context)
{
	uint64_t end = flow->start + (flow->deadline - flow->start) / 3 * 2;

	while (rtt->batch_count < TSR_PERF_RTT_BATCHES) {
		uint64_t start = tsr_perf_ticks();

		if (start > end)
			break;
		for (int i = 0; i < TSR_PERF_RTT_BATCH; i++, flow->count++) {
			if (!trip(context, flow))
				return false;
		}
		rtt->batches[rtt->batch_count++] =
			tsr_perf_ticks_ns(tsr_perf_ticks() - start) / TSR_PERF_RTT_BATCH;
	}
	return true;
}

TSR_INLINE bool
tsr_perf_rtt_one_by_one(struct tsr_perf_rtt *rtt, struct tsr_perf_flow *flow, tsr_perf_trip *trip,
                        void *context)
{
	uint64_t start = tsr_perf_ticks();

	while (start < flow->deadline) {
		if (!trip(context, flow))
			return false;
		flow->count++;
		tsr_perf_histogram_add(&rtt->each, tsr_perf_ticks() - start);
		start = tsr_perf_ticks();
	}
	return true;
}

TSR_INLINE int
tsr_perf_rtt_lead(struct tsr_perf_side *side, struct tsr_perf_sample *sample, tsr_perf_trip *trip,
                  void *context)
{
	struct tsr_perf_rtt *rtt = side->state;
	struct tsr_perf_flow flow;
	bool answered;

	tsr_perf_rtt_clear(rtt);
	tsr_perf_flow_begin(&flow);
	answered = tsr_perf_rtt_in_batches(rtt, &flow, trip, context) &&
	           tsr_perf_rtt_one_by_one(rtt, &flow, trip, context);
	tsr_perf_flow_tell(side, &flow, sample);
	if (!answered)
		return -ETIMEDOUT;
	sample->value[0] = tsr_perf_summarize(rtt->batches, rtt->batch_count).median;
	sample->value[1] =
		tsr_perf_histogram_quantile_ticks(&rtt->each, 0.99) * tsr_perf_clock.ns_per_tick;
	for (size_t q = 0; q < TSR_PERF_QUANTILES; q++)
		sample->quantile_ns[q] =
			tsr_perf_histogram_quantile_ticks(&rtt->each, tsr_perf_quantiles[q]) *
			tsr_perf_clock.ns_per_tick;
	sample->messages = flow.count;
	return 0;
}

/* The other end: echo until everything that was sent has been answered. */
TSR_INLINE int
tsr_perf_rtt_follow(struct tsr_perf_side *side, struct tsr_perf_sample *sample,
                    tsr_perf_trip *answer, void *context)
{
	struct tsr_perf_flow flow;

	tsr_perf_flow_begin(&flow);
	for (;;) {
		if (answer(context, &flow))
			flow.count++;
		else if (tsr_perf_flow_ended(side, &flow, flow.count))
			break;
	}
	sample->empty = flow.idle;
	return 0;
}

#endif /* TSR_PERF_RTT_H */
