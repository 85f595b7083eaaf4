/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/latency.h"

#include <errno.h>
#include <stdlib.h>

#include "apps/table.h"

int
tsr_latency_add(struct tsr_latency *latency, uint64_t ticks)
{
	if (latency->count == latency->room) {
		size_t const room = latency->room == 0 ? 4096 : latency->room * 2;
		uint64_t *grown = reallocarray(latency->ticks, room, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		latency->ticks = grown;
		latency->room = room;
	}
	latency->ticks[latency->count++] = ticks;
	return 0;
}

static int
latency_order(const void *a, const void *b)
{
	uint64_t const x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The value that @per_mille of all are not above. */
static json_t *
latency_rank(const struct tsr_latency *latency, size_t per_mille, uint64_t ticks_per_second)
{
	size_t const rank = (latency->count * per_mille + 999) / 1000;
	double const ticks = (double)latency->ticks[rank == 0 ? 0 : rank - 1];

	return tsr_report_count((uint64_t)(ticks * 1e9 / (double)ticks_per_second));
}

json_t *
tsr_latency_report(struct tsr_latency *latency, uint64_t ticks_per_second)
{
	json_t *out = json_object();

	tsr_report_set(out, "stamped", tsr_report_count(latency->count));
	if (latency->count == 0)
		return out;
	qsort(latency->ticks, latency->count, sizeof(latency->ticks[0]), latency_order);
	tsr_report_set(out, "p50_ns", latency_rank(latency, 500, ticks_per_second));
	tsr_report_set(out, "p99_ns", latency_rank(latency, 990, ticks_per_second));
	tsr_report_set(out, "p999_ns", latency_rank(latency, 999, ticks_per_second));
	tsr_report_set(out, "max_ns", latency_rank(latency, 1000, ticks_per_second));
	return out;
}

void
tsr_latency_free(struct tsr_latency *latency)
{
	free(latency->ticks);
}
