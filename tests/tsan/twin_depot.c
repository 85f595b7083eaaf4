/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/depot.h"
#include "shm/ticket.h"
#include "tests/tsan/twin.h"

/*
 * Three threads pass the blocks of all cells to each other through the depot alone. Then one fills
 * the only free cell and another empties it, by turns: what the taker did before shows in a note
 * that the next filler reads. Then cells that are not full are filled and emptied.
 */

#define ROUNDS 4000
#define REALMS 20
#define TURNS  16 /* so many batches are there */
#define REST   5  /* tickets that fill no cell */

static struct twin twin;

static void *
passing(void *arg)
{
	uint16_t const me = (uint16_t)(uintptr_t)arg;
	uint64_t names[TSR_CELL_ENTRIES];

	for (uint64_t round = 0; round < ROUNDS;) {
		uint32_t const count = tsr_depot_take(&twin.map, 0, me, names);

		if (count == 0) {
			twin_pause();
			continue;
		}
		for (uint32_t i = 0; i < count; i++) {
			struct tsr_block const *block = &twin.map.blocks[tsr_name_index(names[i])];
			uint64_t *words = tsr_block_data(&twin.map, block, 0);

			/* Whoever had it before wrote all of it the same. */
			for (int w = 1; w < 8; w++)
				twin_check(words[w] == words[0]);
			for (int w = 0; w < 8; w++)
				words[w] = round << 8 | me;
		}
		twin_is(tsr_depot_fill(&twin.map, 0, me, names, count), 0);
		round++;
	}
	return NULL;
}

static uint64_t names[TURNS][TSR_CELL_ENTRIES];
static uint64_t note[TURNS];
static uint32_t batch;

/* All tickets are in names, all cells but the first in somebody's hands. */
static void
empty_all(void)
{
	twin_make(&twin, 2, 0);
	batch = twin.map.klass[0].batch;
	for (uint32_t i = 0; i < TURNS; i++)
		twin_check(tsr_depot_take(&twin.map, 0, 1, names[i]) == batch);
	for (uint32_t i = 1; i < twin.map.klass[0].cells; i++)
		tsr_st_rlx(&tsr_map_cell_words(&twin.map, 0)[i], tsr_slot_word(9, 7, TSR_CLAIMED));
	for (uint32_t i = 0; i < TURNS; i++)
		note[i] = 0;
}

static void *
filling(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < TURNS; i++) {
		while (tsr_depot_fill(&twin.map, 0, 1, names[i], batch) != 0)
			twin_pause();
		/* [D5] */
		twin_check(i == 0 || note[i - 1] == i);
	}
	return NULL;
}

static void *
emptying(void *arg)
{
	uint64_t taken[TSR_CELL_ENTRIES];

	(void)arg;
	for (uint64_t i = 0; i < TURNS; i++) {
		note[i] = i + 1;
		while (tsr_depot_take(&twin.map, 0, 2, taken) == 0)
			twin_pause();
	}
	return NULL;
}

static uint64_t *
payload(uint64_t name)
{
	return tsr_block_data(&twin.map, &twin.map.blocks[tsr_name_index(name)], 0);
}

static void *
filling_rests(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < TURNS; i++) {
		for (uint32_t k = 0; k < REST; k++)
			*payload(names[i][k]) = i;
		while (tsr_depot_fill(&twin.map, 0, 1, names[i], REST) != 0)
			twin_pause();
	}
	return NULL;
}

static void *
emptying_rests(void *arg)
{
	uint64_t taken[TSR_CELL_ENTRIES];

	(void)arg;
	for (uint64_t i = 0; i < TURNS; i++) {
		while (tsr_depot_take_partial(&twin.map, 0, 2, taken) == 0)
			twin_pause();
		/* [D3] */
		for (uint32_t k = 0; k < REST; k++)
			twin_check(*payload(taken[k]) == i);
	}
	return NULL;
}

int
main(void)
{
	pthread_t thread[3];

	twin_make(&twin, 2, 0);
	for (uintptr_t i = 0; i < 3; i++)
		thread[i] = twin_start(passing, (void *)(i + 1));
	for (int i = 0; i < 3; i++)
		twin_check(pthread_join(thread[i], NULL) == 0);
	for (int i = 0; i < REALMS; i++) {
		empty_all();
		twin_run(filling, emptying);
		empty_all();
		twin_run(filling_rests, emptying_rests);
	}
	puts("depot: no race");
	return 0;
}
