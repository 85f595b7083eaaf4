/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_OURS_FLOW_H
#define TSR_PERF_OURS_FLOW_H

/*
 * One message whose payload nobody touches through a link and out of it: inline, for the loops of
 * perf/flow.h. A put that finds the channel full keeps its message for the next call.
 */

#include "perf/ours.h"
#include "shm/message.h"

/* tsr_perf_ticket_put - Return: 1, or 0 if nothing was sent now */
TSR_INLINE size_t
tsr_perf_ticket_put(void *context, uint64_t n, uint64_t *sum)
{
	struct tsr_perf_link *const link = context;

	(void)n;
	(void)sum;
	if (!link->is_pending &&
	    tsr_alloc_inline(link->client, (uint32_t)link->payload_bytes, &link->pending) != 0)
		return 0;
	link->is_pending = tsr_send_inline(link->sender, &link->pending, TSR_NOWAIT) != 0;
	return link->is_pending ? 0 : 1;
}

/* tsr_perf_ticket_get - receive and release. Return: 1, or 0 if there was nothing */
TSR_INLINE size_t
tsr_perf_ticket_get(void *context, uint64_t *sum)
{
	struct tsr_perf_link *const link = context;
	struct tsr_msg msg;

	(void)sum;
	if (tsr_recv_inline(link->receiver, &msg, TSR_NOWAIT) != 0)
		return 0;
	return tsr_release_inline(link->client, &msg) == 0 ? 1 : 0;
}

#endif
