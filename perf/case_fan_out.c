/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * fan-out: what a publish costs its sender, with so many readers; against one private ring for each
 * of them. The sender publishes a batch, which is timed, and then waits, untimed, until every
 * reader has read all of it: the readers share a core, in turns.
 */

#include <stdio.h>
#include <stdlib.h>

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/flow.h"
#include "perf/ours.h"

#define FAN_OUT_SLOTS   1024
#define FAN_OUT_BATCH   64
#define FAN_OUT_PAYLOAD 56
#define FAN_OUT_BLOCKS  16384 /* each channel keeps what went through it last */
#define FAN_OUT_BLOCK   64
#define FAN_OUT_MOST    256

#define FAN_OUT_WORDS 7

/* An item of a private ring: a line that carries its own state, and the message. */
struct fan_out_slot {
	_Alignas(64) _Atomic uint64_t state;
	uint64_t word[FAN_OUT_WORDS];
};

/* Shared by both sides: who is how far; the rings follow. */
struct fan_out_memory {
	struct tsr_perf_word sent; /* messages published; UINT64_MAX: the sender has ended */
	struct tsr_perf_word read; /* and read by all */
};

struct fan_out_state {
	uint64_t position; /* messages published or read until now */
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_receiver receiver[FAN_OUT_MOST];
};

static uint32_t
fan_out_readers(struct tsr_perf_side const *side)
{
	return side->bench->flags >> TSR_PERF_COUNT_SHIFT;
}

static struct fan_out_slot *
fan_out_slot(struct tsr_perf_side const *side, uint32_t reader, uint64_t position)
{
	struct fan_out_memory *const memory = side->memory;
	struct fan_out_slot *const slots = (struct fan_out_slot *)(void *)(memory + 1);

	return &slots[(size_t)reader * FAN_OUT_SLOTS + position % FAN_OUT_SLOTS];
}

static inline void
fan_out_fill(uint64_t *words, uint64_t number)
{
	for (int i = 0; i < FAN_OUT_WORDS; i++)
		words[i] = number;
	tsr_perf_touch(words);
}

static inline uint64_t
fan_out_sum(uint64_t const *words)
{
	uint64_t sum = 0;

	for (int i = 0; i < FAN_OUT_WORDS; i++)
		sum += words[i];
	return sum;
}

/* Publish one message. Return: 0 or what the library gave. */
typedef int fan_out_put(struct tsr_perf_side *side, uint64_t position);
/* Read one message as every reader, and add up what it says. */
typedef int fan_out_get(struct tsr_perf_side *side, uint64_t position, uint64_t *sum);

static inline int
fan_out_ring_put(struct tsr_perf_side *side, uint64_t position)
{
	for (uint32_t i = 0; i < fan_out_readers(side); i++) {
		struct fan_out_slot *const slot = fan_out_slot(side, i, position);
		uint64_t const empty = position / FAN_OUT_SLOTS * 2;

		/* [P2] pairs with [P1]: it was read. */
		if (tsr_ld_acq(&slot->state) != empty)
			return -EAGAIN;
		fan_out_fill(slot->word, position);
		/* [Q1] pairs with [Q2]: the message. */
		tsr_st_rel(&slot->state, empty + 1);
	}
	return 0;
}

static inline int
fan_out_ring_get(struct tsr_perf_side *side, uint64_t position, uint64_t *sum)
{
	for (uint32_t i = 0; i < fan_out_readers(side); i++) {
		struct fan_out_slot *const slot = fan_out_slot(side, i, position);
		uint64_t const ready = position / FAN_OUT_SLOTS * 2 + 1;

		/* [Q2] pairs with [Q1]: the message. */
		if (tsr_ld_acq(&slot->state) != ready)
			return -EAGAIN;
		*sum += fan_out_sum(slot->word);
		/* [P1] pairs with [P2]: it was read. */
		tsr_st_rel(&slot->state, ready + 1);
	}
	return 0;
}

static inline int
fan_out_our_put(struct tsr_perf_side *side, uint64_t position)
{
	struct fan_out_state *const state = side->state;
	struct tsr_msg msg;
	int error = tsr_alloc(state->client, FAN_OUT_PAYLOAD, &msg);

	if (error != 0)
		return error;
	fan_out_fill(msg.data, position);
	return tsr_send(state->sender, &msg, TSR_NOWAIT);
}

static inline int
fan_out_our_get(struct tsr_perf_side *side, uint64_t position, uint64_t *sum)
{
	struct fan_out_state *const state = side->state;
	struct tsr_msg msg;

	(void)position;
	for (uint32_t i = 0; i < fan_out_readers(side); i++) {
		int error = tsr_recv(state->receiver[i], &msg, TSR_NOWAIT);

		if (error != 0)
			return error;
		*sum += fan_out_sum(msg.data);
		error = tsr_release(state->client, &msg);
		if (error != 0)
			return error;
	}
	return 0;
}

static inline int
fan_out_send(struct tsr_perf_side *side, struct tsr_perf_sample *sample, fan_out_put *put)
{
	struct fan_out_memory *const memory = side->memory;
	struct fan_out_state *const state = side->state;
	uint64_t const first = state->position;
	uint64_t ticks = 0;
	struct tsr_perf_flow flow;
	int error = 0;

	tsr_perf_flow_begin(&flow);
	while (error == 0 && !tsr_perf_flow_time_is_up(&flow)) {
		uint64_t const begun = tsr_perf_ticks();

		for (uint32_t i = 0; i < FAN_OUT_BATCH && error == 0; i++)
			error = put(side, state->position++);
		ticks += tsr_perf_ticks() - begun;
		/* [M1] pairs with [M2]: the batch is there. */
		tsr_st_rel(&memory->sent.word, state->position);
		/* [M2] pairs with [M1]: it was read by all. */
		while (error == 0 && tsr_ld_acq(&memory->read.word) != state->position) {
			if (tsr_perf_flow_hangs(&flow))
				error = -ETIMEDOUT;
		}
	}
	/* [M1] pairs with [M2]: no more comes. */
	tsr_st_rel(&memory->sent.word, UINT64_MAX);
	sample->messages = state->position - first;
	sample->value[0] = tsr_perf_ticks_ns(ticks) / (double)sample->messages;
	return error;
}

static inline int
fan_out_receive(struct tsr_perf_side *side, struct tsr_perf_sample *sample, fan_out_get *get)
{
	struct fan_out_memory *const memory = side->memory;
	struct fan_out_state *const state = side->state;
	uint64_t const readers = fan_out_readers(side);
	uint64_t sum = 0, sent;
	int error = 0;

	/* [M2] pairs with [M1]: the batch is there. */
	while ((sent = tsr_ld_acq(&memory->sent.word)) != UINT64_MAX) {
		uint64_t expected = 0;

		if (error != 0 || sent <= state->position)
			continue;
		for (sum = 0; state->position < sent && error == 0; state->position++) {
			error = get(side, state->position, &sum);
			expected += readers * FAN_OUT_WORDS * state->position;
		}
		if (error == 0 && sum != expected)
			sample->lost++;
		/* [M1] pairs with [M2]: it was read by all. */
		tsr_st_rel(&memory->read.word, state->position);
	}
	return error;
}

/* Both meet with nothing on its way. */
static void
fan_out_reset(struct tsr_perf_side *side)
{
	struct fan_out_memory *const memory = side->memory;
	struct fan_out_state *const state = side->state;

	/* [M1] pairs with [M2]: a run begins where the last one ended. */
	tsr_st_rel(side->index == 0 ? &memory->sent.word : &memory->read.word, state->position);
}

static int
fan_out_run_rings(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	int error;

	fan_out_reset(side);
	error = tsr_perf_meet(side);
	if (error != 0)
		return error;
	return side->index == 0 ? fan_out_send(side, sample, fan_out_ring_put)
	                        : fan_out_receive(side, sample, fan_out_ring_get);
}

static int
fan_out_run_ours(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	int error;

	fan_out_reset(side);
	error = tsr_perf_meet(side);
	if (error != 0)
		return error;
	return side->index == 0 ? fan_out_send(side, sample, fan_out_our_put)
	                        : fan_out_receive(side, sample, fan_out_our_get);
}

static int
fan_out_open_rings(struct tsr_perf_side *side)
{
	side->state = calloc(1, sizeof(struct fan_out_state));
	return side->state == NULL ? -ENOMEM : 0;
}

static int
fan_out_open_ours(struct tsr_perf_side *side)
{
	struct tsr_channel_options const channel = {
		.size = sizeof(channel),
		.capacity = FAN_OUT_SLOTS,
		.flags = TSR_CHANNEL_ONE_SENDER,
		.kind = TSR_KIND_BROADCAST,
	};
	struct tsr_perf_link link;
	struct fan_out_state *state;
	struct tsr_end_options options = {.size = sizeof(options), .create = &channel};
	char name[TSR_NAME_BYTES];
	int error = fan_out_open_rings(side);

	if (error == 0)
		error = tsr_perf_link_attach(side, &link);
	if (error != 0)
		return error;
	state = side->state;
	state->client = link.client;
	(void)snprintf(name, sizeof(name), "fan-out-%u", fan_out_readers(side));
	if (side->index == 0) {
		error = tsr_sender_open(state->client, name, &options, &state->sender);
		return error != 0 ? tsr_perf_failed_call(side, "tsr_sender_open", error) : 0;
	}
	for (uint32_t i = 0; i < fan_out_readers(side) && error == 0; i++) {
		error = tsr_receiver_open(state->client, name, &options, &state->receiver[i]);
		if (error != 0)
			error = tsr_perf_failed_call(side, "tsr_receiver_open", error);
	}
	return error;
}

static void
fan_out_close(struct tsr_perf_side *side)
{
	struct fan_out_state *const state = side->state;

	if (state != NULL && state->client.handle != 0)
		(void)tsr_detach(state->client);
	free(state);
}

static void
fan_out_pair(struct tsr_perf_plan *plan, uint32_t readers)
{
	static char labels[FAN_OUT_MOST + 1][16];
	static char names[FAN_OUT_MOST + 1][2][64];
	bool const many = readers >= 64;
	struct tsr_perf_pair *pair;
	size_t ours, baseline;

	(void)snprintf(labels[readers], sizeof(labels[0]), "fan-out:%u", readers);
	(void)snprintf(names[readers][0], sizeof(names[0][0]), "tsr_alloc, tsr_send, %u readers",
	               readers);
	(void)snprintf(names[readers][1], sizeof(names[0][0]), "%u private rings of 64-byte items",
	               readers);
	*tsr_perf_plan_bench(plan, &ours) = (struct tsr_perf_bench){
		.name = names[readers][0],
		.flags = readers << TSR_PERF_COUNT_SHIFT,
		.memory_bytes = sizeof(struct fan_out_memory),
		.open = fan_out_open_ours,
		.run = fan_out_run_ours,
		.close = fan_out_close,
	};
	*tsr_perf_plan_bench(plan, &baseline) = (struct tsr_perf_bench){
		.name = names[readers][1],
		.flags = readers << TSR_PERF_COUNT_SHIFT,
		.memory_bytes = sizeof(struct fan_out_memory) +
	                        (size_t)readers * FAN_OUT_SLOTS * sizeof(struct fan_out_slot),
		.open = fan_out_open_rings,
		.run = fan_out_run_rings,
		.close = fan_out_close,
	};
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = labels[readers],
		.unit = "ns",
		.limits = many ? TSR_PERF_LIMITS_OURS : TSR_PERF_LIMITS_RATIO, /* 2 ns a reader */
		.must = {many ? 2.0 * readers : 1.2, many ? 2.0 * readers : 1.2},
	};
}

int
tsr_perf_plan_fan_out(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	uint32_t const wanted = (uint32_t)strtoul(request->kind, NULL, 10);

	for (uint32_t readers = 1; readers <= FAN_OUT_MOST; readers *= 4) {
		if (wanted == 0 || wanted == readers)
			fan_out_pair(plan, readers);
	}
	tsr_perf_realm(plan, request->backing, FAN_OUT_BLOCK, FAN_OUT_BLOCKS);
	return 0;
}
