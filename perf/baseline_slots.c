/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * A bare ring of 32-byte slots: a buffered channel without tickets, owners and waiting.
 *
 * The state word of slot p says 2 * lap while it is empty and 2 * lap + 1 while it is ready.
 *
 * Ordering	[S1] the sender makes a slot ready, having written it; [S2] the receiver sees it.
 *		[T1] the receiver frees a slot after reading it; [T2] the sender sees it empty.
 */

#include <stdlib.h>

#include "perf/bench.h"
#include "perf/flow.h"

struct slots_slot {
	_Atomic uint64_t state;
	uint64_t name;
	uint64_t range;
	uint64_t stamp;
};

struct slots_end {
	struct slots_slot *slots;
	uint64_t position;
	uint64_t mask;
	uint32_t shift;
};

static inline size_t
slots_put(void *context, uint64_t n, uint64_t *sum)
{
	struct slots_end *end = context;
	struct slots_slot *slot = &end->slots[end->position & end->mask];
	uint64_t empty = end->position >> end->shift << 1;

	if (tsr_ld_acq(&slot->state) != empty) /* [T2] pairs with [T1]: it was read */
		return 0;
	slot->name = n;
	slot->range = n << 32;
	slot->stamp = 0;
	tsr_st_rel(&slot->state, empty + 1); /* [S1] pairs with [S2]: name, range, stamp */
	end->position++;
	*sum += n + (n << 32);
	return 1;
}

static inline size_t
slots_get(void *context, uint64_t *sum)
{
	struct slots_end *end = context;
	struct slots_slot *slot = &end->slots[end->position & end->mask];
	uint64_t ready = (end->position >> end->shift << 1) + 1;

	if (tsr_ld_acq(&slot->state) != ready) /* [S2] pairs with [S1]: name, range, stamp */
		return 0;
	*sum += slot->name + slot->range + slot->stamp;
	tsr_st_rel(&slot->state, ready + 1); /* [T1] pairs with [T2]: it was read */
	end->position++;
	return 1;
}

/* The receiver frees in order, so a burst has room if its last slot is empty. */
static inline size_t
slots_put_burst(void *context, uint64_t n, uint64_t *sum)
{
	struct slots_end *end = context;
	uint64_t last = end->position + TSR_PERF_BURST_SIZE - 1;
	struct slots_slot *slot = &end->slots[last & end->mask];

	if (tsr_ld_acq(&slot->state) !=
	    last >> end->shift << 1) /* [T2] pairs with [T1]: it was read */
		return 0;
	for (uint64_t i = 0; i < TSR_PERF_BURST_SIZE; i++, end->position++) {
		slot = &end->slots[end->position & end->mask];
		slot->name = n + i;
		slot->range = (n + i) << 32;
		slot->stamp = 0;
		*sum += (n + i) + ((n + i) << 32);
		/* [S1] pairs with [S2]: name, range, stamp */
		tsr_st_rel(&slot->state, (end->position >> end->shift << 1) + 1);
	}
	return TSR_PERF_BURST_SIZE;
}

static inline size_t
slots_get_burst(void *context, uint64_t *sum)
{
	struct slots_end *end = context;
	uint64_t position = end->position;
	size_t n = 0;

	for (; n < TSR_PERF_BURST_SIZE; n++, position++) {
		struct slots_slot *slot = &end->slots[position & end->mask];

		/* [S2] pairs with [S1]: name, range, stamp */
		if (tsr_ld_acq(&slot->state) != (position >> end->shift << 1) + 1)
			break;
		*sum += slot->name + slot->range + slot->stamp;
	}
	for (size_t i = 0; i < n; i++, end->position++) {
		struct slots_slot *slot = &end->slots[end->position & end->mask];

		/* [T1] pairs with [T2]: it was read */
		tsr_st_rel(&slot->state, (end->position >> end->shift << 1) + 2);
	}
	return n;
}

static int
slots_open(struct tsr_perf_side *side)
{
	struct slots_end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		return -ENOMEM;
	end->slots = side->memory;
	end->mask = side->bench->slots - 1;
	end->shift = tsr_bit_lowest(side->bench->slots);
	side->state = end;
	return 0;
}

static void
slots_close(struct tsr_perf_side *side)
{
	free(side->state);
}

static int
slots_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct slots_end end = *(struct slots_end *)side->state;
	int error;

	if (side->index == 0)
		error = tsr_perf_flow_send(side, sample, slots_put, &end);
	else
		error = tsr_perf_flow_receive(side, sample, slots_get, &end);
	*(struct slots_end *)side->state = end;
	return error;
}

static int
slots_run_burst(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct slots_end end = *(struct slots_end *)side->state;
	int error;

	if (side->index == 0)
		error = tsr_perf_flow_send(side, sample, slots_put_burst, &end);
	else
		error = tsr_perf_flow_receive(side, sample, slots_get_burst, &end);
	*(struct slots_end *)side->state = end;
	return error;
}

int
tsr_perf_baseline_slots(struct tsr_perf_bench *bench, uint32_t slots)
{
	*bench = (struct tsr_perf_bench){
		.name = "bare ring of 32-byte slots, freed one by one",
		.slots = slots,
		.memory_bytes = slots * sizeof(struct slots_slot),
		.open = slots_open,
		.run = slots_run,
		.close = slots_close,
	};
	return 0;
}

int
tsr_perf_baseline_slots_burst(struct tsr_perf_bench *bench, uint32_t slots)
{
	*bench = (struct tsr_perf_bench){
		.name = "bare ring of 32-byte slots, in bursts of 32",
		.slots = slots,
		.memory_bytes = slots * sizeof(struct slots_slot),
		.open = slots_open,
		.run = slots_run_burst,
		.close = slots_close,
	};
	return 0;
}
