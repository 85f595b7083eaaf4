/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shm/metrics.h"
#include "tests/support/check.h"

TestSuite(metrics, .timeout = 20);

#define METRICS_BYTES 77

static struct tsr_metrics metrics_one;
static _Atomic bool metrics_stop;

static void *
metrics_write(void *unused)
{
	while (!atomic_load_explicit(&metrics_stop, memory_order_relaxed))
		tsr_metrics_moved(&metrics_one, METRICS_BYTES);
	return unused;
}

Test(metrics, messages_and_bytes_belong_together_in_every_read)
{
	struct tsr_metrics_seen seen = {0};
	uint64_t changes = 0, before = 0;
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, metrics_write, NULL), 0);
	while (changes < 100000) {
		tsr_metrics_read(&metrics_one, 0, &seen);
		cr_assert_eq(seen.bytes, seen.messages * METRICS_BYTES);
		changes += seen.messages != before;
		before = seen.messages;
	}
	atomic_store_explicit(&metrics_stop, true, memory_order_relaxed);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

Test(metrics, present_wait_counts_as_blocked_time)
{
	struct tsr_metrics_seen seen = {0};

	tsr_pair_add(&metrics_one.blocked, 500, 0);
	tsr_metrics_read(&metrics_one, 10000, &seen);
	test_same(seen.blocked_ns, 500);
	cr_assert_not(seen.blocked);
	tsr_pair_add(&metrics_one.blocked, 0, 9000);
	tsr_metrics_read(&metrics_one, 10000, &seen);
	test_same(seen.blocked_ns, 1500);
	cr_assert(seen.blocked);
	/* What a hostile owner writes is shown, not believed. */
	tsr_pair_add(&metrics_one.blocked, 0, UINT64_MAX - 9000);
	tsr_metrics_read(&metrics_one, 10000, &seen);
	test_same(seen.blocked_ns, 500);
}

static void *
metrics_wait(void *unused)
{
	while (!atomic_load_explicit(&metrics_stop, memory_order_relaxed)) {
		tsr_pair_add(&metrics_one.blocked, 0, 1000);
		tsr_pair_add(&metrics_one.blocked, 5, 0 - UINT64_C(1000));
	}
	return unused;
}

Test(metrics, a_wait_that_ends_is_not_counted_twice)
{
	struct tsr_metrics_seen seen = {0};
	uint64_t changes = 0, before = 0;
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, metrics_wait, NULL), 0);
	while (changes < 100000) {
		/* Each wait lasts 5 ns from 1000 on: seen during it or afterwards, it counts the
	         * same. */
		tsr_metrics_read(&metrics_one, 1005, &seen);
		cr_assert_geq(seen.blocked_ns, before);
		changes += seen.blocked_ns != before;
		before = seen.blocked_ns;
	}
	atomic_store_explicit(&metrics_stop, true, memory_order_relaxed);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

Test(metrics, next_owner_begins_at_nothing)
{
	static struct tsr_metrics const nothing;

	tsr_metrics_moved(&metrics_one, METRICS_BYTES);
	tsr_count(&metrics_one.cause[TSR_METRIC_ENDED], 1);
	tsr_histogram_add(&metrics_one.times, 5);
	cr_assert_neq(memcmp(&metrics_one, &nothing, sizeof(nothing)), 0);
	tsr_metrics_wipe(&metrics_one);
	cr_assert_eq(memcmp(&metrics_one, &nothing, sizeof(nothing)), 0);
}
