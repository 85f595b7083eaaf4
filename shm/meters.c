/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/meters.h"

#include <errno.h>
#include <string.h>

#define METERS_TRIES 8

static void
meters_add(struct tsr_metrics_seen *sum, struct tsr_metrics_seen const *more)
{
	sum->messages += more->messages;
	sum->bytes += more->bytes;
	sum->blocked_ns += more->blocked_ns;
	sum->waits += more->waits;
	sum->blocked = sum->blocked || more->blocked;
	sum->spin_ns = more->spin_ns > sum->spin_ns ? more->spin_ns : sum->spin_ns;
	for (uint32_t i = 0; i < TSR_METRIC_CAUSES; i++)
		sum->cause[i] += more->cause[i];
}

static void
meters_totals(struct tsr_map const *map, uint32_t index, uint32_t side,
              struct tsr_metrics_seen *out)
{
	struct tsr_channel_totals const *const totals = &map->totals[index];

	*out = (struct tsr_metrics_seen){
		.messages = tsr_ld_rlx(&totals->side[side].messages),
		.bytes = tsr_ld_rlx(&totals->side[side].bytes),
		.blocked_ns = tsr_ld_rlx(&totals->side[side].blocked_ns),
		.waits = tsr_ld_rlx(&totals->side[side].waits),
	};
	for (uint32_t i = 0; i < TSR_METRIC_CAUSES; i++)
		out->cause[i] = tsr_ld_rlx(&totals->side[side].cause[i]);
}

static void
meters_read_end(struct tsr_map const *map, struct tsr_meters_request const *request,
                uint32_t number)
{
	uint64_t const word = tsr_ld_rlx(&map->ends[number].word);
	uint32_t const index = tsr_channel_index(tsr_end_word_channel(word));
	struct tsr_metrics_seen seen;
	struct tsr_meter *meter;

	if (word == 0 || index >= map->channels_count)
		return;
	tsr_metrics_read(&map->metrics[number], request->now_ns, &seen);
	meter = &request->side[index][tsr_end_word_side(word)];
	meters_add(&meter->sum, &seen);
	meter->ends++;
	meter->blocked += seen.blocked;
	if (request->end != NULL)
		request->end(request->argument, number, word, &map->metrics[number], &seen);
}

static void
meters_read_all(struct tsr_map const *map, struct tsr_meters_request const *request)
{
	memset(request->side, 0, map->channels_count * sizeof(request->side[0]));
	for (uint32_t i = 0; i < map->channels_count; i++) {
		for (uint32_t side = 0; side < 2; side++)
			meters_totals(map, i, side, &request->side[i][side].sum);
	}
	for (uint32_t i = 0; i < map->ends_count; i++)
		meters_read_end(map, request, i);
}

int
tsr_meters_read(struct tsr_map const *map, struct tsr_meters_request const *request)
{
	_Atomic uint64_t const *const version = &map->directory->meters_version;

	for (uint32_t tries = 0; tries < METERS_TRIES; tries++) {
		/* [U3] pairs with [U2]: what was moved before is where it belongs. */
		uint64_t const before = tsr_ld_acq(version);

		if (tries > 0 && request->again != NULL)
			request->again(request->argument);
		meters_read_all(map, request);
		/* [U4] pairs with [U1]: what was read is older than this load. */
		tsr_fence_sc();
		if (before % 2 == 0 && tsr_ld_rlx(version) == before)
			return 0;
	}
	return -EAGAIN;
}

void
tsr_meter_open(struct tsr_map const *map, uint32_t number, uint64_t word)
{
	tsr_metrics_wipe(&map->metrics[number]);
	/* [U2] pairs with [U3]: who finds the end finds its counts wiped. */
	tsr_st_rel(&map->ends[number].word, word);
}

static void
meters_move(struct tsr_map const *map, uint32_t number, uint32_t index, uint32_t side)
{
	struct tsr_channel_totals *const totals = &map->totals[index];
	struct tsr_metrics_seen seen;

	/* With the wait that the owner died in: what was told of it before stays told. */
	tsr_metrics_read(&map->metrics[number], tsr_now_ns(), &seen);
	tsr_count(&totals->side[side].messages, seen.messages);
	tsr_count(&totals->side[side].bytes, seen.bytes);
	tsr_count(&totals->side[side].blocked_ns, seen.blocked_ns);
	tsr_count(&totals->side[side].waits, seen.waits);
	for (uint32_t i = 0; i < TSR_METRIC_CAUSES; i++)
		tsr_count(&totals->side[side].cause[i], seen.cause[i]);
	tsr_st_rlx(&map->ends[number].word, 0);
}

void
tsr_meter_close(struct tsr_map const *map, uint32_t number, uint32_t channel_index, uint32_t side)
{
	_Atomic uint64_t *const version = &map->directory->meters_version;
	uint64_t const before = tsr_ld_rlx(version);

	tsr_st_rlx(version, before | 1);
	/* [U1] pairs with [U4]: who reads what follows sees that the version has changed. */
	tsr_fence_sc();
	meters_move(map, number, channel_index, side);
	/* [U2] pairs with [U3]: all of it is moved. */
	tsr_st_rel(version, (before | 1) + 1);
}
