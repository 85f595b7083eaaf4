/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * A ring of items that are copied in and out, in the form of rigtorp's queue: head and tail are
 * shared; each end keeps a copy of the other's, and looks again when that says full or empty.
 *
 * The sender writes each message in memory of its own and copies it in; the receiver copies it out
 * and reads its copy: what a program does that talks through such a ring.
 *
 * Ordering	[H1] head is moved after the item was written; [H2] the receiver sees the new head.
 *		[L1] tail is moved after the item was read; [L2] the sender sees the new tail.
 */

#include <stdlib.h>

#include "perf/bench.h"
#include "perf/flow.h"

#define ITEMS_LOCAL_ALIGN 4096

struct items_ring {
	struct tsr_perf_word head;
	struct tsr_perf_word tail;
	_Alignas(TSR_PERF_LINE) char items[];
};

struct items_end {
	struct items_ring *ring;
	char *local;
	uint64_t mine;   /* head of the sender, tail of the receiver */
	uint64_t theirs; /* the other one as last seen */
	size_t bytes;
	uint32_t slots;
};

typedef void items_copy(void *to, const void *from, size_t bytes);

static inline void
items_memcpy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
}

static inline void
items_movsb(void *to, const void *from, size_t bytes)
{
#if defined(__x86_64__)
	__asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
	memcpy(to, from, bytes);
#endif
}

TSR_INLINE size_t
items_put(struct items_end *end, size_t bytes, items_copy *copy, uint64_t n, uint64_t *sum)
{
	if (end->mine - end->theirs == end->slots) {
		/* [L2] pairs with [L1]: the item was read */
		end->theirs = tsr_ld_acq(&end->ring->tail.word);
		if (end->mine - end->theirs == end->slots)
			return 0;
	}
	tsr_perf_fill(end->local, bytes, n);
	tsr_perf_touch(end->local);
	copy(end->ring->items + (end->mine & (end->slots - 1)) * bytes, end->local, bytes);
	end->mine++;
	tsr_st_rel(&end->ring->head.word, end->mine); /* [H1] pairs with [H2]: the item */
	*sum += tsr_perf_sum_of(bytes, n);
	return 1;
}

TSR_INLINE size_t
items_get(struct items_end *end, size_t bytes, items_copy *copy, uint64_t *sum)
{
	if (end->mine == end->theirs) {
		end->theirs =
			tsr_ld_acq(&end->ring->head.word); /* [H2] pairs with [H1]: the item */
		if (end->mine == end->theirs)
			return 0;
	}
	copy(end->local, end->ring->items + (end->mine & (end->slots - 1)) * bytes, bytes);
	end->mine++;
	tsr_st_rel(&end->ring->tail.word, end->mine); /* [L1] pairs with [L2]: the item was read */
	tsr_perf_touch(end->local);
	*sum += tsr_perf_sum(end->local, bytes);
	return 1;
}

/* One pair of loops per size and way of copying, so that each is compiled for its size. */
#define ITEMS_KIND(name, bytes, copy)                                                           \
	static inline size_t items_put_##name(void *context, uint64_t n, uint64_t *sum)         \
	{                                                                                       \
		return items_put(context, bytes, copy, n, sum);                                 \
	}                                                                                       \
	static inline size_t items_get_##name(void *context, uint64_t *sum)                     \
	{                                                                                       \
		return items_get(context, bytes, copy, sum);                                    \
	}                                                                                       \
	static int items_run_##name(struct tsr_perf_side *side, struct tsr_perf_sample *sample) \
	{                                                                                       \
		struct items_end end = *(struct items_end *)side->state;                        \
		int error;                                                                      \
                                                                                                \
		if (side->index == 0)                                                           \
			error = tsr_perf_flow_send(side, sample, items_put_##name, &end);       \
		else                                                                            \
			error = tsr_perf_flow_receive(side, sample, items_get_##name, &end);    \
		*(struct items_end *)side->state = end;                                         \
		return error;                                                                   \
	}

ITEMS_KIND(64, 64, items_memcpy)
ITEMS_KIND(512, 512, items_memcpy)
ITEMS_KIND(4096, 4096, items_memcpy)
ITEMS_KIND(any, ((struct items_end *)context)->bytes, items_memcpy)
ITEMS_KIND(movsb, ((struct items_end *)context)->bytes, items_movsb)

static int
items_open(struct tsr_perf_side *side)
{
	struct items_end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		return -ENOMEM;
	end->local =
		aligned_alloc(ITEMS_LOCAL_ALIGN, ITEMS_LOCAL_ALIGN + side->bench->payload_bytes /
	                                                                     ITEMS_LOCAL_ALIGN *
	                                                                     ITEMS_LOCAL_ALIGN);
	if (end->local == NULL) {
		free(end);
		return -ENOMEM;
	}
	end->ring = side->memory;
	end->slots = side->bench->slots;
	end->bytes = side->bench->payload_bytes;
	side->state = end;
	return 0;
}

static void
items_close(struct tsr_perf_side *side)
{
	struct items_end *end = side->state;

	if (end != NULL)
		free(end->local);
	free(end);
}

static void
items_fill_in(struct tsr_perf_bench *bench, size_t payload_bytes, uint32_t slots)
{
	*bench = (struct tsr_perf_bench){
		.payload_bytes = payload_bytes,
		.slots = slots,
		.memory_bytes = sizeof(struct items_ring) + slots * payload_bytes,
		.open = items_open,
		.close = items_close,
	};
}

int
tsr_perf_baseline_items(struct tsr_perf_bench *bench, size_t payload_bytes, uint32_t slots)
{
	items_fill_in(bench, payload_bytes, slots);
	bench->name = "ring of items copied in and out";
	if (payload_bytes == 64)
		bench->run = items_run_64;
	else if (payload_bytes == 512)
		bench->run = items_run_512;
	else if (payload_bytes == 4096)
		bench->run = items_run_4096;
	else
		bench->run = items_run_any;
	return 0;
}

int
tsr_perf_baseline_movsb(struct tsr_perf_bench *bench, size_t payload_bytes, uint32_t slots)
{
	items_fill_in(bench, payload_bytes, slots);
	bench->name = "ring of items copied by rep movsb";
	bench->run = items_run_movsb;
	return 0;
}
