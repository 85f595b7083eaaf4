/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_FAN_IN_H
#define TSR_PERF_FAN_IN_H

/*
 * Two senders and one receiver where there are two cores: the senders are threads of side 0 that
 * share its core, and yield to each other after a chunk, or when there is no room.
 */

#include <sched.h>

#include "perf/flow.h"

#define TSR_PERF_FAN_IN_SENDERS 2
#define TSR_PERF_FAN_IN_CHUNK   256 /* messages until the other one has its turn */

/* One sender's part of a run. */
struct tsr_perf_fan_in {
	void *context; /* for put() */
	struct tsr_perf_flow flow;
	bool hangs;
};

TSR_INLINE void
tsr_perf_fan_in_send(struct tsr_perf_fan_in *part, tsr_perf_put *put)
{
	uint64_t count = 0, sum = 0;

	tsr_perf_flow_begin(&part->flow);
	part->hangs = false;
	while (!part->hangs && !tsr_perf_flow_time_is_up(&part->flow)) {
		uint64_t const end = count + TSR_PERF_FAN_IN_CHUNK;

		while (count < end && !part->hangs) {
			size_t const n = put(part->context, count, &sum);

			count += n;
			if (n == 0) {
				part->hangs = tsr_perf_flow_hangs(&part->flow);
				(void)sched_yield();
			}
		}
		(void)sched_yield();
	}
	part->flow.count = count;
	part->flow.sum = sum;
}

/*
 * tsr_perf_fan_in_run - @send in two threads, at the priority of the caller; tell the sum of both
 * @parts:	[TSR_PERF_FAN_IN_SENDERS], their contexts set
 *
 * Return: 0; -ETIMEDOUT the receiver takes nothing; -EAGAIN no thread.
 */
int tsr_perf_fan_in_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample,
                        struct tsr_perf_fan_in *parts, void *(*send)(void *part));

#endif /* TSR_PERF_FAN_IN_H */
