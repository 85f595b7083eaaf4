/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdlib.h>
#include <string.h>

#include "shm/histogram.h"
#include "tests/support/check.h"

TestSuite(histogram, .timeout = 20);

static struct tsr_histogram histogram_one, histogram_two;
static struct tsr_distribution histogram_all, histogram_before;

Test(histogram, buckets_follow_each_other_and_hold_what_is_put_into_them)
{
	for (uint32_t i = 0; i + 1 < TSR_HISTOGRAM_BUCKETS; i++) {
		uint64_t const low = tsr_histogram_floor(i);
		uint64_t const next = tsr_histogram_floor(i + 1);

		cr_assert_gt(next, low);
		test_same(tsr_histogram_bucket(low), i);
		test_same(tsr_histogram_bucket(next - 1), i);
		cr_assert(low < 16 || (next - low) * TSR_HISTOGRAM_SUBS <= low, "bucket %u", i);
	}
	test_same(tsr_histogram_bucket(UINT64_C(1) << TSR_HISTOGRAM_TOP_BITS),
	          TSR_HISTOGRAM_BUCKETS - 1);
	test_same(tsr_histogram_bucket(UINT64_MAX), TSR_HISTOGRAM_BUCKETS - 1);
}

Test(histogram, quantiles_are_those_of_the_sorted_values_to_an_eighth)
{
	static uint64_t value[65536];
	size_t const count = sizeof(value) / sizeof(value[0]);
	static double const shares[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1.0};
	uint64_t seed = test_seed();

	for (size_t i = 0; i < count; i++) {
		value[i] = test_random(&seed) >> (28 + test_random(&seed) % 32);
		tsr_histogram_add(i % 2 == 0 ? &histogram_one : &histogram_two, value[i]);
	}
	tsr_distribution_add(&histogram_all, &histogram_one);
	tsr_distribution_add(&histogram_all, &histogram_two);
	test_same(histogram_all.total, count);
	for (size_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++) {
		uint64_t const got = tsr_distribution_quantile(&histogram_all, shares[s]);
		uint64_t below = 0, not_above = 0;

		/* So many lie surely below the bucket of the quantile, so many at most above it. */
		for (size_t i = 0; i < count; i++) {
			below += value[i] + value[i] / 8 + 1 < got;
			not_above += value[i] <= got + got / 8 + 1;
		}
		cr_assert_leq((double)below, shares[s] * (double)count, "share %g", shares[s]);
		cr_assert_geq((double)not_above, shares[s] * (double)count, "share %g", shares[s]);
	}
}

Test(histogram, what_was_added_since_is_told_also_when_an_end_has_left)
{
	tsr_histogram_add(&histogram_one, 100);
	tsr_histogram_add(&histogram_two, 5000);
	tsr_distribution_add(&histogram_before, &histogram_one);
	tsr_distribution_add(&histogram_before, &histogram_two);
	tsr_histogram_add(&histogram_one, 100);
	tsr_histogram_add(&histogram_one, 100);
	/* The second end has closed: only the first is read now. */
	tsr_distribution_add(&histogram_all, &histogram_one);
	tsr_distribution_since(&histogram_all, &histogram_before);
	test_same(histogram_all.total, 2);
	test_same(tsr_histogram_bucket(tsr_distribution_quantile(&histogram_all, 0.5)),
	          tsr_histogram_bucket(100));
	tsr_histogram_wipe(&histogram_one);
	memset(&histogram_all, 0, sizeof(histogram_all));
	tsr_distribution_add(&histogram_all, &histogram_one);
	test_same(histogram_all.total, 0);
	test_same(tsr_distribution_quantile(&histogram_all, 0.5), 0);
}
