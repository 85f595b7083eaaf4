/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * malloc and free of the C library: in one thread, and with the free in another thread.
 *
 * Side 1 stays out of it: threads share what processes don't, so the other thread is side 0's own.
 *
 * Ordering	[S1] the sender makes a slot ready, having written it; [S2] the receiver sees it.
 *		[T1] the receiver frees a slot after reading it; [T2] the sender sees it empty.
 *		[G1] a run is ordered, [G2] the thread sees it; [D1] it is done, [D2] seen.
 */

#include <pthread.h>

#include "perf/alloc.h"
#include "perf/bench.h"

static int
malloc_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	size_t bytes = side->bench->payload_bytes;
	void *live[TSR_PERF_ALLOC_LIVE];
	struct tsr_perf_flow flow;
	uint64_t random = 1;

	if (side->index != 0)
		return 0;
	for (size_t i = 0; i < TSR_PERF_ALLOC_LIVE; i++)
		live[i] = malloc(bytes);
	tsr_perf_flow_begin(&flow);
	while (!tsr_perf_flow_time_is_up(&flow)) {
		for (int i = 0; i < TSR_PERF_CHUNK; i++) {
			size_t victim = tsr_perf_alloc_pick(&random);

			free(live[victim]);
			live[victim] = malloc(bytes);
			tsr_perf_touch(live[victim]);
		}
		flow.count += TSR_PERF_CHUNK;
	}
	tsr_perf_alloc_end(&flow, sample);
	for (size_t i = 0; i < TSR_PERF_ALLOC_LIVE; i++)
		free(live[i]);
	return 0;
}

int
tsr_perf_baseline_malloc(struct tsr_perf_bench *bench, size_t payload_bytes)
{
	*bench = (struct tsr_perf_bench){
		.name = "free and malloc, one thread",
		.payload_bytes = payload_bytes,
		.run = malloc_run,
	};
	return 0;
}

/* A slot that hands a pointer over; 32 bytes, like the slots of a channel. */
struct cross_slot {
	_Atomic uint64_t state;
	void *block;
	uint64_t unused[2];
};

struct cross {
	_Alignas(TSR_PERF_LINE) struct tsr_perf_word go; /* runs ordered */
	struct tsr_perf_word done;                       /* runs finished */
	struct tsr_perf_word total; /* blocks sent in this run, when it is over */
	pthread_t thread;
	struct cross_slot *slots;
	uint64_t put; /* positions; each used by one thread only */
	uint64_t mask;
	uint32_t shift;
	uint32_t priority_refused;
	_Alignas(TSR_PERF_LINE) uint64_t get;
};

#define CROSS_QUIT UINT64_MAX

static bool
cross_take(struct cross *cross)
{
	struct cross_slot *slot = &cross->slots[cross->get & cross->mask];
	uint64_t ready = (cross->get >> cross->shift << 1) + 1;

	if (tsr_ld_acq(&slot->state) != ready) /* [S2] pairs with [S1]: the pointer */
		return false;
	free(slot->block);
	tsr_st_rel(&slot->state, ready + 1); /* [T1] pairs with [T2]: it was read */
	cross->get++;
	return true;
}

static bool
cross_give(struct cross *cross, size_t bytes)
{
	struct cross_slot *slot = &cross->slots[cross->put & cross->mask];
	uint64_t empty = cross->put >> cross->shift << 1;

	if (tsr_ld_acq(&slot->state) != empty) /* [T2] pairs with [T1]: it was read */
		return false;
	slot->block = malloc(bytes);
	tsr_st_rel(&slot->state, empty + 1); /* [S1] pairs with [S2]: the pointer */
	cross->put++;
	return true;
}

static void *
cross_main(void *arg)
{
	struct cross *cross = arg;
	uint64_t run = 0;

	(void)tsr_perf_pin(1);
	for (;;) {
		uint64_t ordered;

		while ((ordered = tsr_ld_acq(&cross->go.word)) ==
		       run) /* [G2] pairs with [G1]: total */
			(void)tsr_futex_wait(&cross->go.word, run, TSR_PERF_FOREVER);
		if (ordered == CROSS_QUIT)
			return NULL;
		(void)tsr_perf_realtime(true);
		while (cross_take(cross) || tsr_ld_rlx(&cross->total.word) != cross->get)
			continue;
		(void)tsr_perf_realtime(false);
		run = ordered;
		tsr_st_rel(&cross->done.word, run); /* [D1] pairs with [D2]: get */
	}
}

static int
cross_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct cross *cross = side->state;
	uint64_t run;
	struct tsr_perf_flow flow;
	bool hangs = false;

	if (side->index != 0)
		return 0;
	run = tsr_ld_rlx(&cross->go.word) + 1;
	tsr_st_rlx(&cross->total.word, TSR_PERF_UNTOLD);
	tsr_st_rel(&cross->go.word, run); /* [G1] pairs with [G2]: total */
	(void)tsr_futex_wake(&cross->go.word);
	/* One message before the clock starts: the thread is awake and on its core. */
	while (!cross_give(cross, side->bench->payload_bytes))
		continue;
	while (tsr_ld_rlx(&cross->slots[(cross->put - 1) & cross->mask].state) & 1)
		continue;
	tsr_perf_flow_begin(&flow);
	while (!hangs && !tsr_perf_flow_time_is_up(&flow)) {
		for (int i = 0; i < TSR_PERF_CHUNK && !hangs; i++) {
			while (!cross_give(cross, side->bench->payload_bytes) && !hangs)
				hangs = tsr_perf_flow_hangs(&flow);
		}
		flow.count += TSR_PERF_CHUNK;
	}
	tsr_st_rlx(&cross->total.word, cross->put);
	while (tsr_ld_acq(&cross->done.word) != run && !hangs) /* [D2] pairs with [D1]: get */
		hangs = tsr_perf_flow_hangs(&flow);
	sample->full = flow.idle;
	tsr_perf_alloc_end(&flow, sample);
	return hangs ? -ETIMEDOUT : 0;
}

static int
cross_open(struct tsr_perf_side *side)
{
	struct cross *cross;

	if (side->index != 0)
		return 0;
	cross = aligned_alloc(TSR_PERF_LINE, sizeof(*cross));
	if (cross == NULL)
		return -ENOMEM;
	memset(cross, 0, sizeof(*cross));
	cross->slots = side->memory;
	cross->mask = side->bench->slots - 1;
	cross->shift = tsr_bit_lowest(side->bench->slots);
	side->state = cross;
	return -pthread_create(&cross->thread, NULL, cross_main, cross);
}

static void
cross_close(struct tsr_perf_side *side)
{
	struct cross *cross = side->state;

	if (cross == NULL)
		return;
	tsr_st_rel(&cross->go.word, CROSS_QUIT); /* [G1] pairs with [G2]: total */
	(void)tsr_futex_wake(&cross->go.word);
	(void)pthread_join(cross->thread, NULL);
	free(cross);
}

int
tsr_perf_baseline_malloc_cross(struct tsr_perf_bench *bench, size_t payload_bytes, uint32_t slots)
{
	*bench = (struct tsr_perf_bench){
		.name = "malloc, a bare ring, free in another thread",
		.payload_bytes = payload_bytes,
		.slots = slots,
		.memory_bytes = slots * sizeof(struct cross_slot),
		.open = cross_open,
		.run = cross_run,
		.close = cross_close,
	};
	return 0;
}
