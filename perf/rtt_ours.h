/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_RTT_OURS_H
#define TSR_PERF_RTT_OURS_H

/*
 * The two halves of a round trip through channels: inline, for the loops of rtt.h.
 */

#include "perf/flow.h"
#include "perf/ours.h"

/* Allocate, write, send. false: the other side doesn't answer. */
TSR_INLINE bool
tsr_perf_rtt_send(struct tsr_perf_link *link, struct tsr_perf_flow *flow)
{
	struct tsr_msg msg;

	while (tsr_alloc(link->client, (uint32_t)link->payload_bytes, &msg) != 0) {
		if (tsr_perf_flow_hangs(flow))
			return false;
	}
	tsr_perf_fill(msg.data, link->payload_bytes, flow->count);
	while (tsr_send(link->sender, &msg, TSR_NOWAIT) != 0) {
		if (tsr_perf_flow_hangs(flow))
			return false;
	}
	return true;
}

/* Receive, read, release. false: nothing was there. */
TSR_INLINE bool
tsr_perf_rtt_take(struct tsr_perf_link *link, struct tsr_perf_flow *flow)
{
	struct tsr_msg msg;

	if (tsr_recv(link->receiver, &msg, TSR_NOWAIT) != 0)
		return false;
	flow->sum += tsr_perf_sum(msg.data, link->payload_bytes);
	return tsr_release(link->client, &msg) == 0;
}

/* tsr_perf_bench_rtt - the plan's next benchmark: one channel each way, of form @form_name */
struct tsr_perf_bench *tsr_perf_bench_rtt(struct tsr_perf_plan *plan, size_t *number,
                                          size_t payload_bytes, const char *form_name);

#endif /* TSR_PERF_RTT_OURS_H */
