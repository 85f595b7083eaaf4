/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/fan_in.h"

#include <pthread.h>

int
tsr_perf_fan_in_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample,
                    struct tsr_perf_fan_in *parts, void *(*send)(void *part))
{
	struct tsr_perf_flow told;
	pthread_t thread;

	/* A new thread has its maker's core and priority. */
	if (pthread_create(&thread, NULL, send, &parts[1]) != 0)
		return -EAGAIN;
	(void)send(&parts[0]);
	(void)pthread_join(thread, NULL);
	told = parts[0].flow;
	told.count += parts[1].flow.count;
	told.sum += parts[1].flow.sum;
	told.idle += parts[1].flow.idle;
	tsr_perf_flow_tell(side, &told, sample);
	return parts[0].hangs || parts[1].hangs ? -ETIMEDOUT : 0;
}
