/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_STATS_H
#define TSR_PERF_STATS_H

/*
 * Median, minimum and maximum of a few values, and a histogram of many short times.
 */

#include <stddef.h>
#include <stdint.h>

struct tsr_perf_summary {
	double median;
	double min;
	double max;
	size_t count;
};

/* tsr_perf_summarize - of @count values, which it sorts; all 0 if there are none */
struct tsr_perf_summary tsr_perf_summarize(double *values, size_t count);

#define TSR_PERF_BUCKETS      16384
#define TSR_PERF_BUCKET_SHIFT 3 /* a bucket is 8 ticks wide, below the step of the clock */

struct tsr_perf_histogram {
	uint64_t count;
	uint32_t buckets[TSR_PERF_BUCKETS]; /* the last one takes all that is longer */
};

void tsr_perf_histogram_clear(struct tsr_perf_histogram *h);

static inline void
tsr_perf_histogram_add(struct tsr_perf_histogram *h, uint64_t ticks)
{
	uint64_t bucket = ticks >> TSR_PERF_BUCKET_SHIFT;

	h->buckets[bucket < TSR_PERF_BUCKETS ? bucket : TSR_PERF_BUCKETS - 1]++;
	h->count++;
}

/*
 * tsr_perf_histogram_quantile_ticks - the time that a share @q of all times does not exceed
 *
 * Return: ticks, the middle of its bucket; 0 if the histogram is empty.
 */
double tsr_perf_histogram_quantile_ticks(const struct tsr_perf_histogram *h, double q);

/* The shares at which a distribution is told: p50, p90, p99, p99.9, p99.99. */
#define TSR_PERF_QUANTILES 5
extern const double tsr_perf_quantiles[TSR_PERF_QUANTILES];

#endif /* TSR_PERF_STATS_H */
