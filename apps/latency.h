/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_LATENCY_H
#define TSR_APPS_LATENCY_H

/*
 * How long messages took: every value is kept, percentiles are values that occurred.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

struct tsr_latency {
	uint64_t *ticks;
	size_t count;
	size_t room;
};

/* tsr_latency_add - keep one value, in ticks. Return: 0; -ENOMEM. */
TSR_MUST_CHECK
int tsr_latency_add(struct tsr_latency *latency, uint64_t ticks);

/* tsr_latency_report - stamped, p50_ns, p99_ns, p999_ns, max_ns; sorts the values. */
json_t *tsr_latency_report(struct tsr_latency *latency, uint64_t ticks_per_second);

void tsr_latency_free(struct tsr_latency *latency);

#endif /* TSR_APPS_LATENCY_H */
