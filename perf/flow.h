/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_FLOW_H
#define TSR_PERF_FLOW_H

/*
 * The loops that every two-process benchmark has in common, and the payload that it carries.
 *
 * Side 0 sends for TSR_PERF_STEP_NS, looking at the clock once in TSR_PERF_CHUNK messages, then
 * tells how many it sent and the sum of what it wrote. Side 1 receives until it has that many; the
 * rate is what it received divided by the time from the start until its last message. value[0] is
 * that, value[1] the rate at which side 0 sent.
 *
 * Ordering	[F1] the sender stores check, then total; [F2] the receiver loads total, then check.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "perf/clock.h"
#include "perf/harness.h"
#include "shm/access.h"

#define TSR_PERF_CHUNK      1024
#define TSR_PERF_BURST_SIZE 32
#define TSR_PERF_IDLE_LOOKS 4095
#define TSR_PERF_GRACE_NS   UINT64_C(1000000000) /* a receiver that gets nothing gives up */
#define TSR_PERF_UNTOLD     UINT64_MAX
#define TSR_PERF_FOREVER    UINT64_MAX

typedef uint64_t tsr_perf_words __attribute__((vector_size(64), aligned(8), may_alias));

/* Write @bytes (a multiple of 64) of a message; the sum of its words is 8 * seed per 64 bytes. */
TSR_INLINE void
tsr_perf_fill(void *to, size_t bytes, uint64_t seed)
{
	tsr_perf_words line = {seed, seed, seed, seed, seed, seed, seed, seed};

	for (size_t i = 0; i < bytes / sizeof(line); i++)
		((tsr_perf_words *)to)[i] = line;
}

/* Read all of a message. */
TSR_INLINE uint64_t
tsr_perf_sum(const void *from, size_t bytes)
{
	tsr_perf_words sum = {0};

	for (size_t i = 0; i < bytes / sizeof(sum); i++)
		sum += ((const tsr_perf_words *)from)[i];
	return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

TSR_INLINE uint64_t
tsr_perf_sum_of(size_t bytes, uint64_t seed)
{
	return seed * (bytes / sizeof(uint64_t));
}

/* Make the compiler believe that somebody else reads or writes *p. */
TSR_INLINE void
tsr_perf_touch(const void *p)
{
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

/*
 * What a side knows of its run. Count and sum of the loops stay in registers until the end, so that
 * the harness costs what it must and no more; they are put here then.
 */
struct tsr_perf_flow {
	uint64_t start;
	uint64_t deadline; /* of a sender: stop; of anyone who waits: give up some time later */
	uint64_t count;
	uint64_t sum;
	uint64_t idle;
};

TSR_INLINE void
tsr_perf_flow_begin(struct tsr_perf_flow *flow)
{
	flow->start = tsr_perf_ticks();
	flow->deadline = flow->start + tsr_perf_ns_ticks(TSR_PERF_STEP_NS);
	flow->count = 0;
	flow->sum = 0;
	flow->idle = 0;
}

/* The sender is done when its time is up; asked once per chunk. */
TSR_INLINE bool
tsr_perf_flow_time_is_up(const struct tsr_perf_flow *flow)
{
	return tsr_perf_ticks() >= flow->deadline;
}

/* A wait that leads nowhere ends some time after the step should have ended. */
TSR_INLINE bool
tsr_perf_flow_hangs(struct tsr_perf_flow *flow)
{
	if (tsr_likely((++flow->idle & TSR_PERF_IDLE_LOOKS) != 0))
		return false;
	return tsr_perf_ticks() > flow->deadline + tsr_perf_ns_ticks(TSR_PERF_GRACE_NS);
}

/* The sender's last words. */
static inline void
tsr_perf_flow_tell(struct tsr_perf_side *side, const struct tsr_perf_flow *flow,
                   struct tsr_perf_sample *sample)
{
	tsr_st_rlx(&side->world->check.word, flow->sum);
	tsr_st_rel(&side->world->total.word, flow->count); /* [F1] pairs with [F2]: check */
	sample->full = flow->idle;
}

/* The receiver found nothing: is that because all of @count has arrived? */
TSR_INLINE bool
tsr_perf_flow_ended(struct tsr_perf_side *side, struct tsr_perf_flow *flow, uint64_t count)
{
	/* [F2] pairs with [F1]: check */
	return tsr_ld_acq(&side->world->total.word) == count || tsr_perf_flow_hangs(flow);
}

/* Turn what was received into a sample. Return: 0, or -EBADMSG if the bytes are not those sent. */
int tsr_perf_flow_end(struct tsr_perf_side *side, const struct tsr_perf_flow *flow,
                      struct tsr_perf_sample *sample);

/*
 * The two loops. put() and get() handle one message or a burst of them: they return how many, 0 if
 * there was no room or nothing there, and add what they wrote or read to *sum. They are inlined.
 */
typedef size_t tsr_perf_put(void *context, uint64_t n, uint64_t *sum);
typedef size_t tsr_perf_get(void *context, uint64_t *sum);

TSR_INLINE int
tsr_perf_flow_send(struct tsr_perf_side *side, struct tsr_perf_sample *sample, tsr_perf_put *put,
                   void *context)
{
	struct tsr_perf_flow flow;
	struct tsr_perf_flow told;
	uint64_t count = 0;
	uint64_t sum = 0;
	bool hangs = false;

	tsr_perf_flow_begin(&flow);
	while (!hangs && !tsr_perf_flow_time_is_up(&flow)) {
		uint64_t end = count + TSR_PERF_CHUNK;

		while (count < end && !hangs) {
			size_t n = put(context, count, &sum);

			count += n;
			if (tsr_unlikely(n == 0))
				hangs = tsr_perf_flow_hangs(&flow);
		}
	}
	told = flow;
	told.count = count;
	told.sum = sum;
	sample->value[1] = (double)count * 1e3 / tsr_perf_ticks_ns(tsr_perf_ticks() - flow.start);
	tsr_perf_flow_tell(side, &told, sample);
	return hangs ? -ETIMEDOUT : 0;
}

TSR_INLINE int
tsr_perf_flow_receive(struct tsr_perf_side *side, struct tsr_perf_sample *sample, tsr_perf_get *get,
                      void *context)
{
	struct tsr_perf_flow flow;
	struct tsr_perf_flow told;
	uint64_t count = 0;
	uint64_t sum = 0;

	tsr_perf_flow_begin(&flow);
	for (;;) {
		size_t n = get(context, &sum);

		count += n;
		if (tsr_unlikely(n == 0) && tsr_perf_flow_ended(side, &flow, count))
			break;
	}
	told = flow;
	told.count = count;
	told.sum = sum;
	return tsr_perf_flow_end(side, &told, sample);
}

/*
 * The same where messages may be lost, but for the last: @seen says which one get() saw last, plus
 * 1. What arrives is whole, and in order: get() looks at that.
 */
TSR_INLINE int
tsr_perf_flow_receive_some(struct tsr_perf_side *side, struct tsr_perf_sample *sample,
                           tsr_perf_get *get, void *context, uint64_t const *seen)
{
	struct tsr_perf_flow flow;

	tsr_perf_flow_begin(&flow);
	for (;;) {
		size_t const n = get(context, &flow.sum);

		flow.count += n;
		if (tsr_unlikely(n == 0) && tsr_perf_flow_ended(side, &flow, *seen))
			break;
	}
	return tsr_perf_flow_end(side, &flow, sample);
}

#endif /* TSR_PERF_FLOW_H */
