/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_HISTOGRAM_H
#define TSR_SHM_HISTOGRAM_H

/*
 * A histogram of times that lies in shared memory: log-linear, of fixed layout, without a pointer.
 *
 * Bytes	272 counters of 64 bits. Below 8 ns a bucket is 1 ns wide; each doubling above is
 *		cut into eight, so a bucket is at most an eighth of its value wide; the last one
 *		takes all from 2^36 ns (68 s) on.
 * Writers	one thread; anybody may read while it writes, each counter by itself.
 * Trust	a reader believes any counters: sums wrap, nothing is indexed by them.
 */

#include "shm/access.h"
#include "shm/compiler.h"

#define TSR_HISTOGRAM_SUB_BITS 3
#define TSR_HISTOGRAM_SUBS     (1 << TSR_HISTOGRAM_SUB_BITS)
#define TSR_HISTOGRAM_TOP_BITS 36
#define TSR_HISTOGRAM_BUCKETS \
	((TSR_HISTOGRAM_TOP_BITS - TSR_HISTOGRAM_SUB_BITS + 1) * TSR_HISTOGRAM_SUBS)

struct tsr_histogram {
	_Atomic uint64_t count[TSR_HISTOGRAM_BUCKETS];
};

/* What a reader works with: several histograms may be added into one. */
struct tsr_distribution {
	uint64_t count[TSR_HISTOGRAM_BUCKETS];
	uint64_t total;
};

TSR_INLINE uint32_t
tsr_histogram_bucket(uint64_t ns)
{
	uint32_t const bits = tsr_bit_width(ns);

	if (bits > TSR_HISTOGRAM_TOP_BITS)
		return TSR_HISTOGRAM_BUCKETS - 1;
	if (bits <= TSR_HISTOGRAM_SUB_BITS)
		return (uint32_t)ns;
	return (bits - TSR_HISTOGRAM_SUB_BITS) * TSR_HISTOGRAM_SUBS +
	       (uint32_t)((ns >> (bits - 1 - TSR_HISTOGRAM_SUB_BITS)) & (TSR_HISTOGRAM_SUBS - 1));
}

/* The smallest value of a bucket; of TSR_HISTOGRAM_BUCKETS: the end of the last one. */
uint64_t tsr_histogram_floor(uint32_t bucket);

/* tsr_histogram_add - one more of @ns. Context: the writer. */
TSR_INLINE void
tsr_histogram_add(struct tsr_histogram *histogram, uint64_t ns)
{
	tsr_count(&histogram->count[tsr_histogram_bucket(ns)], 1);
}

/* tsr_histogram_wipe - all counters 0. Context: nobody writes. */
void tsr_histogram_wipe(struct tsr_histogram *histogram);

/* tsr_distribution_add - add what a histogram holds now. */
void tsr_distribution_add(struct tsr_distribution *distribution,
                          struct tsr_histogram const *histogram);

/* tsr_distribution_since - what was added since @before was taken of the same histograms. */
void tsr_distribution_since(struct tsr_distribution *distribution,
                            struct tsr_distribution const *before);

/*
 * tsr_distribution_quantile - the value that a share @q (0..1) does not exceed
 *
 * Return: ns, the middle of the bucket; 0 if nothing was counted.
 */
uint64_t tsr_distribution_quantile(struct tsr_distribution const *distribution, double q);

#endif /* TSR_SHM_HISTOGRAM_H */
