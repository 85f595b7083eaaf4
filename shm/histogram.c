/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/histogram.h"

uint64_t
tsr_histogram_floor(uint32_t bucket)
{
	uint32_t const octave = bucket / TSR_HISTOGRAM_SUBS;
	uint64_t const sub = bucket % TSR_HISTOGRAM_SUBS;

	return octave == 0 ? sub : (TSR_HISTOGRAM_SUBS + sub) << (octave - 1);
}

void
tsr_histogram_wipe(struct tsr_histogram *histogram)
{
	for (uint32_t i = 0; i < TSR_HISTOGRAM_BUCKETS; i++)
		tsr_st_rlx(&histogram->count[i], 0);
}

void
tsr_distribution_add(struct tsr_distribution *distribution, struct tsr_histogram const *histogram)
{
	for (uint32_t i = 0; i < TSR_HISTOGRAM_BUCKETS; i++) {
		uint64_t const count = tsr_ld_rlx(&histogram->count[i]);

		distribution->count[i] += count;
		distribution->total += count;
	}
}

void
tsr_distribution_since(struct tsr_distribution *distribution, struct tsr_distribution const *before)
{
	distribution->total = 0;
	for (uint32_t i = 0; i < TSR_HISTOGRAM_BUCKETS; i++) {
		/* An end that closed meanwhile took its counts with it. */
		uint64_t const old = before->count[i] < distribution->count[i]
		                             ? before->count[i]
		                             : distribution->count[i];

		distribution->count[i] -= old;
		distribution->total += distribution->count[i];
	}
}

uint64_t
tsr_distribution_quantile(struct tsr_distribution const *distribution, double q)
{
	double const want = q * (double)distribution->total;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < TSR_HISTOGRAM_BUCKETS; i++) {
		seen += distribution->count[i];
		if (seen > 0 && (double)seen >= want)
			return (tsr_histogram_floor(i) + tsr_histogram_floor(i + 1)) / 2;
	}
	return 0;
}
