/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/stats.h"

#include <stdlib.h>
#include <string.h>

const double tsr_perf_quantiles[TSR_PERF_QUANTILES] = {0.5, 0.9, 0.99, 0.999, 0.9999};

static int
stats_compare(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;

	return (a > b) - (a < b);
}

struct tsr_perf_summary
tsr_perf_summarize(double *values, size_t count)
{
	struct tsr_perf_summary summary = {.count = count};

	if (count == 0)
		return summary;
	qsort(values, count, sizeof(*values), stats_compare);
	summary.min = values[0];
	summary.max = values[count - 1];
	summary.median = count % 2 == 1 ? values[count / 2]
	                                : (values[count / 2 - 1] + values[count / 2]) / 2.0;
	return summary;
}

void
tsr_perf_histogram_clear(struct tsr_perf_histogram *h)
{
	memset(h, 0, sizeof(*h));
}

double
tsr_perf_histogram_quantile_ticks(const struct tsr_perf_histogram *h, double q)
{
	double want = q * (double)h->count;
	uint64_t seen = 0;

	if (h->count == 0)
		return 0.0;
	for (size_t i = 0; i < TSR_PERF_BUCKETS; i++) {
		seen += h->buckets[i];
		if ((double)seen >= want)
			return ((double)i + 0.5) * (double)(1 << TSR_PERF_BUCKET_SHIFT);
	}
	return (double)(TSR_PERF_BUCKETS << TSR_PERF_BUCKET_SHIFT);
}
