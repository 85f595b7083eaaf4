/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * stream-N: allocated, N bytes written, sent, received, all read, released.
 */

#include <stdio.h>
#include <stdlib.h>

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/flow.h"
#include "perf/ours.h"
#include "shm/message.h"

#define STREAM_SLOTS  1024
#define STREAM_BLOCKS 4096

/* Large messages: a ring of four megabytes, or of sixteen messages. */
#define STREAM_LARGE_MUST 1.2
#define STREAM_64K_BYTES  65536
#define STREAM_64K_SLOTS  64
#define STREAM_64K_BLOCKS 256
#define STREAM_1M_BYTES   1048576
#define STREAM_1M_SLOTS   16
#define STREAM_1M_BLOCKS  64

/* What a stream of one size has to reach, as ratios near and far. 0: nothing. */
struct stream_limits {
	const char *label;
	size_t payload_bytes;
	uint32_t slots;
	uint64_t blocks; /* of the large ones */
	double ring_must[2];
	double ring_reach[2];
	double pipe_must[2];
	bool movsb; /* the ring copies by rep movsb */
	bool copy_in;
};

struct stream_burst {
	struct tsr_perf_link link;
	size_t first; /* of msgs, not yet sent */
	size_t count;
	struct tsr_msg msgs[TSR_PERF_BURST_SIZE];
};

TSR_INLINE void
stream_write(struct tsr_perf_link *link, struct tsr_msg *msg, size_t bytes, bool copy_in,
             uint64_t n)
{
	if (!copy_in) {
		tsr_perf_fill(msg->data, bytes, n);
		return;
	}
	tsr_perf_fill(link->local, bytes, n);
	tsr_perf_touch(link->local);
	tsr_copy_in(msg->data, link->local, bytes);
}

TSR_INLINE size_t
stream_put(struct tsr_perf_link *link, size_t bytes, bool copy_in, uint64_t n, uint64_t *sum)
{
	if (!link->is_pending) {
		if (tsr_alloc_inline(link->client, (uint32_t)bytes, &link->pending) != 0)
			return 0;
		stream_write(link, &link->pending, bytes, copy_in, n);
	}
	link->is_pending = tsr_send_inline(link->sender, &link->pending, TSR_NOWAIT) != 0;
	if (link->is_pending)
		return 0;
	*sum += tsr_perf_sum_of(bytes, n);
	return 1;
}

TSR_INLINE size_t
stream_get(struct tsr_perf_link *link, size_t bytes, uint64_t *sum)
{
	struct tsr_msg msg;

	if (tsr_recv_inline(link->receiver, &msg, TSR_NOWAIT) != 0)
		return 0;
	*sum += tsr_perf_sum(msg.data, bytes);
	return tsr_release_inline(link->client, &msg) == 0 ? 1 : 0;
}

TSR_INLINE size_t
stream_put_burst(struct stream_burst *burst, size_t bytes, bool copy_in, uint64_t n, uint64_t *sum)
{
	struct tsr_perf_link *link = &burst->link;
	size_t sent = 0;

	if (burst->first == burst->count) {
		burst->first = 0;
		burst->count = 0;
		if (tsr_alloc_batch(link->client, (uint32_t)bytes, burst->msgs, TSR_PERF_BURST_SIZE,
		                    &burst->count) != 0)
			return 0;
		for (size_t i = 0; i < burst->count; i++)
			stream_write(link, &burst->msgs[i], bytes, copy_in, n + i);
	}
	(void)tsr_send_batch(link->sender, burst->msgs + burst->first, burst->count - burst->first,
	                     TSR_NOWAIT, &sent);
	burst->first += sent;
	for (size_t i = 0; i < sent; i++)
		*sum += tsr_perf_sum_of(bytes, n + i);
	return sent;
}

TSR_INLINE size_t
stream_get_burst(struct stream_burst *burst, size_t bytes, uint64_t *sum)
{
	size_t got = 0;
	size_t released = 0;

	if (tsr_recv_batch(burst->link.receiver, burst->msgs, TSR_PERF_BURST_SIZE, TSR_NOWAIT,
	                   &got) != 0)
		return 0;
	for (size_t i = 0; i < got; i++)
		*sum += tsr_perf_sum(burst->msgs[i].data, bytes);
	(void)tsr_release_batch(burst->link.client, burst->msgs, got, &released);
	return released;
}

/* Loops for one size and one way of writing, each compiled for it. */
#define STREAM_KIND(name, bytes, copy_in)                                                         \
	static inline size_t stream_put_##name(void *context, uint64_t n, uint64_t *sum)          \
	{                                                                                         \
		return stream_put(&((struct stream_burst *)context)->link, bytes, copy_in, n,     \
		                  sum);                                                           \
	}                                                                                         \
	static inline size_t stream_get_##name(void *context, uint64_t *sum)                      \
	{                                                                                         \
		return stream_get(&((struct stream_burst *)context)->link, bytes, sum);           \
	}                                                                                         \
	static inline size_t stream_put_burst_##name(void *context, uint64_t n, uint64_t *sum)    \
	{                                                                                         \
		return stream_put_burst(context, bytes, copy_in, n, sum);                         \
	}                                                                                         \
	static inline size_t stream_get_burst_##name(void *context, uint64_t *sum)                \
	{                                                                                         \
		return stream_get_burst(context, bytes, sum);                                     \
	}                                                                                         \
	static int stream_run_##name(struct tsr_perf_side *side, struct tsr_perf_sample *sample)  \
	{                                                                                         \
		if (side->index == 0)                                                             \
			return tsr_perf_flow_send(side, sample, stream_put_##name, side->state);  \
		return tsr_perf_flow_receive(side, sample, stream_get_##name, side->state);       \
	}                                                                                         \
	static int stream_run_burst_##name(struct tsr_perf_side *side,                            \
	                                   struct tsr_perf_sample *sample)                        \
	{                                                                                         \
		if (side->index == 0)                                                             \
			return tsr_perf_flow_send(side, sample, stream_put_burst_##name,          \
			                          side->state);                                   \
		return tsr_perf_flow_receive(side, sample, stream_get_burst_##name, side->state); \
	}

STREAM_KIND(64, 64, false)
STREAM_KIND(512, 512, false)
STREAM_KIND(4096, 4096, false)
STREAM_KIND(4096_copy, 4096, true)
STREAM_KIND(large, ((struct stream_burst *)context)->link.payload_bytes, false)
STREAM_KIND(large_copy, ((struct stream_burst *)context)->link.payload_bytes, true)

typedef int stream_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample);

static stream_run *
stream_loop(size_t payload_bytes, bool copy_in, bool burst)
{
	if (payload_bytes == 64)
		return burst ? stream_run_burst_64 : stream_run_64;
	if (payload_bytes == 512)
		return burst ? stream_run_burst_512 : stream_run_512;
	if (payload_bytes > 4096 && copy_in)
		return burst ? stream_run_burst_large_copy : stream_run_large_copy;
	if (payload_bytes > 4096)
		return burst ? stream_run_burst_large : stream_run_large;
	if (copy_in)
		return burst ? stream_run_burst_4096_copy : stream_run_4096_copy;
	return burst ? stream_run_burst_4096 : stream_run_4096;
}

static int
stream_open(struct tsr_perf_side *side)
{
	struct stream_burst *burst = calloc(1, sizeof(*burst));

	side->state = burst;
	return burst != NULL ? tsr_perf_link_open(side, &burst->link) : -ENOMEM;
}

static void
stream_close(struct tsr_perf_side *side)
{
	struct stream_burst *burst = side->state;

	if (burst != NULL)
		tsr_perf_link_close(&burst->link);
	free(burst);
}

static void
stream_ours(struct tsr_perf_bench *bench, const struct stream_limits *limits, const char *kind)
{
	bool many = strcmp(kind, "many") == 0;
	bool burst = strcmp(kind, "batch") == 0;
	bool copy_in = limits->copy_in && strcmp(kind, "inplace") != 0;

	*bench = (struct tsr_perf_bench){
		.name = many      ? "tsr_{alloc,send,recv,release}_inline, many-to-many"
	                : burst   ? "tsr_*_batch of 32, one-to-one"
	                : copy_in ? "tsr_{alloc,send,recv,release}_inline, tsr_copy_in, one-to-one"
	                          : "tsr_{alloc,send,recv,release}_inline, one-to-one",
		.payload_bytes = limits->payload_bytes,
		.slots = limits->slots,
		.flags = (many ? TSR_PERF_MANY : 0) | (copy_in ? TSR_PERF_COPY_IN : 0),
		.open = stream_open,
		.run = stream_loop(limits->payload_bytes, copy_in, burst),
		.close = stream_close,
	};
}

static void
stream_pair(struct tsr_perf_plan *plan, size_t ours, size_t baseline, const char *label,
            const double *must, const double *reach)
{
	struct tsr_perf_pair *pair = tsr_perf_plan_pair(plan, ours, baseline);

	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = label,
		.unit = "M/s",
		.higher_is_better = true,
		.must = {must[0], must[1]},
		.reach = {reach[0], reach[1]},
	};
}

static int
stream_plan(struct tsr_perf_plan *plan, const struct tsr_perf_request *request,
            const struct stream_limits *limits)
{
	static const double none[2];
	bool plain = request->kind[0] == '\0' || strcmp(request->kind, "one") == 0;
	static char label[64];
	size_t ours;
	size_t other;
	int error;

	(void)snprintf(label, sizeof(label), "%s%s%s", limits->label, plain ? "" : ":",
	               plain ? "" : request->kind);
	stream_ours(tsr_perf_plan_bench(plan, &ours), limits, request->kind);
	tsr_perf_realm(plan, request->backing, limits->payload_bytes, STREAM_BLOCKS);
	if (limits->movsb)
		error = tsr_perf_baseline_movsb(tsr_perf_plan_bench(plan, &other),
		                                limits->payload_bytes, limits->slots);
	else
		error = tsr_perf_baseline_items(tsr_perf_plan_bench(plan, &other),
		                                limits->payload_bytes, limits->slots);
	if (error != 0)
		return error;
	stream_pair(plan, ours, other, label, plain ? limits->ring_must : none,
	            plain ? limits->ring_reach : none);
	error = tsr_perf_baseline_pipe(tsr_perf_plan_bench(plan, &other), limits->payload_bytes);
	if (error != 0)
		return error;
	stream_pair(plan, ours, other, label, plain ? limits->pipe_must : none, none);
	error = tsr_perf_baseline_socket(tsr_perf_plan_bench(plan, &other), limits->payload_bytes);
	if (error != 0)
		return error;
	stream_pair(plan, ours, other, label, none, none);
	return 0;
}

/*
 * Too large for a pipe or a socket. Copied in or written in place: near the second is quicker, far
 * the first; the limit binds the quicker one.
 */
static int
stream_plan_large(struct tsr_perf_plan *plan, const struct tsr_perf_request *request,
                  const struct stream_limits *limits, const char *in_place)
{
	static const double far_only[2] = {0.0, STREAM_LARGE_MUST};
	static const double near_only[2] = {STREAM_LARGE_MUST, 0.0};
	size_t ours, ring;
	int error;

	tsr_perf_realm(plan, request->backing, limits->payload_bytes, limits->blocks);
	error = tsr_perf_baseline_movsb(tsr_perf_plan_bench(plan, &ring), limits->payload_bytes,
	                                limits->slots);
	if (error != 0)
		return error;
	if (strcmp(request->kind, "inplace") != 0) {
		stream_ours(tsr_perf_plan_bench(plan, &ours), limits, "");
		stream_pair(plan, ours, ring, limits->label, far_only, far_only);
	}
	stream_ours(tsr_perf_plan_bench(plan, &ours), limits, "inplace");
	stream_pair(plan, ours, ring, in_place, near_only, near_only);
	return 0;
}

int
tsr_perf_plan_stream_64(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const struct stream_limits limits = {
		.label = "stream-64",
		.payload_bytes = 64,
		.slots = STREAM_SLOTS,
		.ring_must = {1.2, 0.9},
		.ring_reach = {1.5, 1.2},
		.pipe_must = {20.0, 6.0},
	};

	return stream_plan(plan, request, &limits);
}

int
tsr_perf_plan_stream_512(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const struct stream_limits limits = {
		.label = "stream-512",
		.payload_bytes = 512,
		.slots = STREAM_SLOTS,
		.ring_must = {1.0, 1.0},
		.ring_reach = {1.3, 1.3},
		.pipe_must = {12.0, 3.5},
	};

	return stream_plan(plan, request, &limits);
}

int
tsr_perf_plan_stream_4096(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const struct stream_limits limits = {
		.label = "stream-4096",
		.payload_bytes = 4096,
		.slots = STREAM_SLOTS,
		.ring_must = {1.2, 1.2},
		.ring_reach = {1.2, 1.2},
		.movsb = true,
		.copy_in = true,
	};

	return stream_plan(plan, request, &limits);
}

int
tsr_perf_plan_stream_64k(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const struct stream_limits limits = {
		.label = "stream-64k",
		.payload_bytes = STREAM_64K_BYTES,
		.slots = STREAM_64K_SLOTS,
		.blocks = STREAM_64K_BLOCKS,
		.copy_in = true,
	};

	return stream_plan_large(plan, request, &limits, "stream-64k:inplace");
}

int
tsr_perf_plan_stream_1m(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const struct stream_limits limits = {
		.label = "stream-1m",
		.payload_bytes = STREAM_1M_BYTES,
		.slots = STREAM_1M_SLOTS,
		.blocks = STREAM_1M_BLOCKS,
		.copy_in = true,
	};

	return stream_plan_large(plan, request, &limits, "stream-1m:inplace");
}
