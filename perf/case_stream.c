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
#include "perf/stream.h"
#include "shm/message.h"

/* Large messages: a ring of four megabytes, or of sixteen messages. */
#define STREAM_LARGE_MUST 1.2
#define STREAM_64_BYTES   64
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
	uint64_t seen; /* of a lossy form: the last one's number, plus 1 */
	size_t first;  /* of msgs, not yet sent */
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

/* Where some are lost: this one must be whole, and newer than the last. */
static inline size_t
stream_get_some(void *context, uint64_t *sum)
{
	struct stream_burst *const burst = context;
	size_t const bytes = burst->link.payload_bytes;
	struct tsr_msg msg;
	uint64_t number, found;

	if (tsr_recv_inline(burst->link.receiver, &msg, TSR_NOWAIT) != 0)
		return 0;
	memcpy(&number, msg.data, sizeof(number));
	found = tsr_perf_sum(msg.data, bytes);
	if (tsr_release_inline(burst->link.client, &msg) != 0 || number < burst->seen ||
	    found != tsr_perf_sum_of(bytes, number))
		return 0; /* lost, and with it the end */
	burst->seen = number + 1;
	*sum += found;
	return 1;
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
	static int stream_run_some_##name(struct tsr_perf_side *side,                             \
	                                  struct tsr_perf_sample *sample)                         \
	{                                                                                         \
		struct stream_burst *const burst = side->state;                                   \
                                                                                                  \
		if (side->index == 0)                                                             \
			return tsr_perf_flow_send(side, sample, stream_put_##name, &burst->link); \
		burst->seen = 0;                                                                  \
		return tsr_perf_flow_receive_some(side, sample, stream_get_some, burst,           \
		                                  &burst->seen);                                  \
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

enum stream_loop {
	STREAM_PLAIN,
	STREAM_SOME, /* of a lossy form */
	STREAM_BURST,
	STREAM_LOOPS,
};

#define STREAM_LOOPS_OF(name)                                                      \
	{                                                                          \
		stream_run_##name, stream_run_some_##name, stream_run_burst_##name \
	}

static stream_run *
stream_loop(size_t payload_bytes, bool copy_in, enum stream_loop loop)
{
	static stream_run *const of_64[STREAM_LOOPS] = STREAM_LOOPS_OF(64);
	static stream_run *const of_512[STREAM_LOOPS] = STREAM_LOOPS_OF(512);
	static stream_run *const of_4096[2][STREAM_LOOPS] = {STREAM_LOOPS_OF(4096),
	                                                     STREAM_LOOPS_OF(4096_copy)};
	static stream_run *const of_large[2][STREAM_LOOPS] = {STREAM_LOOPS_OF(large),
	                                                      STREAM_LOOPS_OF(large_copy)};

	if (payload_bytes == 64)
		return of_64[loop];
	if (payload_bytes == 512)
		return of_512[loop];
	return payload_bytes > 4096 ? of_large[copy_in][loop] : of_4096[copy_in][loop];
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

/* @kind: a form, or batch, or inplace. */
static void
stream_ours(struct tsr_perf_plan *plan, size_t *number, const struct stream_limits *limits,
            const char *kind)
{
	struct tsr_perf_bench *const bench = tsr_perf_plan_bench(plan, number);
	bool const burst = strcmp(kind, "batch") == 0;
	bool const copy_in = limits->copy_in && strcmp(kind, "inplace") != 0;
	enum stream_loop loop = burst ? STREAM_BURST : STREAM_PLAIN;
	struct tsr_perf_form form;

	if (!tsr_perf_form_find(kind, &form))
		(void)tsr_perf_form_find("one", &form);
	if (form.lossy)
		loop = STREAM_SOME;
	*bench = (struct tsr_perf_bench){
		.name = tsr_perf_plan_say(plan, "%s%s, %s",
	                                  burst ? "tsr_*_batch of 32"
	                                        : "tsr_{alloc,send,recv,release}_inline",
	                                  copy_in ? ", tsr_copy_in" : "", form.name),
		.payload_bytes = limits->payload_bytes,
		.flags = copy_in ? TSR_PERF_COPY_IN : 0,
		.open = stream_open,
		.run = stream_loop(limits->payload_bytes, copy_in, loop),
		.close = stream_close,
	};
	tsr_perf_form_use(&form, bench, limits->slots);
}

void
tsr_perf_bench_stream_64(struct tsr_perf_bench *bench, struct tsr_perf_form const *form,
                         uint32_t slots)
{
	*bench = (struct tsr_perf_bench){
		.name = "stream-64",
		.payload_bytes = STREAM_64_BYTES,
		.open = stream_open,
		.run = stream_loop(STREAM_64_BYTES, false,
	                           form->lossy ? STREAM_SOME : STREAM_PLAIN),
		.close = stream_close,
	};
	tsr_perf_form_use(form, bench, slots);
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

/* Of a form that loses messages: how many were sent, beside how many arrived. */
static void
stream_sent(struct tsr_perf_plan *plan, struct tsr_perf_pair *pair)
{
	pair->lossy = true;
	pair->metric_count = 2;
	pair->metrics[1] = (struct tsr_perf_metric){
		.label = tsr_perf_plan_say(plan, "%s sent", pair->metrics[0].label),
		.unit = "M/s",
		.higher_is_better = true,
	};
}

/*
 * What limits the plain form limits all that do the same work: not a rendezvous, which waits for
 * each message to be received, and not a form that loses some.
 */
static int
stream_plan(struct tsr_perf_plan *plan, const struct tsr_perf_request *request,
            const struct stream_limits *limits)
{
	static const double none[2];
	const char *const label = tsr_perf_plan_label(plan, limits->label, request);
	struct tsr_perf_form form = {0};
	size_t ours, other;
	bool bound, known;
	int error;

	known = tsr_perf_form_find(request->kind, &form);
	bound = known && !form.lossy && form.kind != TSR_KIND_RENDEZVOUS;
	stream_ours(plan, &ours, limits, request->kind);
	tsr_perf_realm(plan, request->backing, limits->payload_bytes, TSR_PERF_STREAM_BLOCKS);
	error = (limits->movsb ? tsr_perf_baseline_movsb : tsr_perf_baseline_items)(
		tsr_perf_plan_bench(plan, &other), limits->payload_bytes, limits->slots);
	if (error != 0)
		return error;
	stream_pair(plan, ours, other, label, bound ? limits->ring_must : none,
	            bound ? limits->ring_reach : none);
	if (form.lossy)
		stream_sent(plan, &plan->pairs[0]);
	if (known && strcmp(form.name, "one") != 0)
		return 0; /* its baseline ring says it all */
	error = tsr_perf_baseline_pipe(tsr_perf_plan_bench(plan, &other), limits->payload_bytes);
	if (error != 0)
		return error;
	stream_pair(plan, ours, other, label, bound ? limits->pipe_must : none, none);
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
		stream_ours(plan, &ours, limits, "");
		stream_pair(plan, ours, ring, limits->label, far_only, far_only);
	}
	stream_ours(plan, &ours, limits, "inplace");
	stream_pair(plan, ours, ring, in_place, near_only, near_only);
	return 0;
}

int
tsr_perf_plan_stream_64(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const struct stream_limits limits = {
		.label = "stream-64",
		.payload_bytes = STREAM_64_BYTES,
		.slots = TSR_PERF_STREAM_SLOTS,
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
		.slots = TSR_PERF_STREAM_SLOTS,
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
		.slots = TSR_PERF_STREAM_SLOTS,
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
