/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/depot.h"

#include <errno.h>

#include "shm/access.h"
#include "shm/channel.h"
#include "shm/ticket.h"

/*
 * Where this thread goes on looking, for each class and phase: round the first cells, not always
 * from the very first. What was freed a while ago has left the other core's cache, and is taken
 * over more cheaply than what it has just had in hands (4 KiB messages, far: 1.8 times the rate).
 * A small depot is not worth it. Cells are claimed when they are ready or empty, in no other phase;
 * thread-local memory of a library is scarce.
 */
#define DEPOT_WINDOW      64
#define DEPOT_TICKETS_MIN 2048
static _Thread_local struct {
	uint32_t within;
	uint32_t beyond; /* twice the window, where most cells may be of no use: from there on */
} depot_cursor[TSR_CLASSES_MAX][2] __attribute__((tls_model("initial-exec")));

static uint32_t
depot_window(struct tsr_class const *klass)
{
	if (klass->count < DEPOT_TICKETS_MIN)
		return 1;
	return klass->cells < DEPOT_WINDOW ? klass->cells : DEPOT_WINDOW;
}

/*
 * The @n-th cell to look at: round the window; then as many in their order, for what is near is
 * still warm; then round all others, from where it was.
 */
static uint32_t
depot_cell(uint32_t n, uint32_t cells, uint32_t window, uint32_t within, uint32_t beyond)
{
	if (n < window)
		return within + n < window ? within + n : within + n - window;
	if (n < 2 * window)
		return n;
	return beyond + n < cells ? beyond + n : beyond + n - (cells - 2 * window);
}

/* Claim any cell in phase @from, for @me, as @to. Return: its number, or the count of cells. */
static uint32_t
depot_claim(struct tsr_map const *map, uint32_t klass, uint16_t me, enum tsr_phase from,
            enum tsr_phase to, uint64_t *lap)
{
	_Atomic uint64_t *const words = tsr_map_cell_words(map, klass);
	uint32_t const cells = map->klass[klass].cells;
	uint32_t const window = depot_window(&map->klass[klass]);
	bool const ready = from == TSR_READY;
	uint32_t const within = depot_cursor[klass][ready].within % window;
	uint32_t const beyond =
		cells > 2 * window ? depot_cursor[klass][ready].beyond % (cells - 2 * window) : 0;

	for (uint32_t n = 0; n < cells; n++) {
		uint32_t const i = depot_cell(n, cells, window, within, beyond);
		uint64_t word = tsr_ld_rlx(&words[i]);

		if (tsr_slot_phase(word) != (uint32_t)from)
			continue;
		if (i < window)
			depot_cursor[klass][ready].within = i + 1;
		else if (i >= 2 * window)
			depot_cursor[klass][ready].beyond = i + 1 - 2 * window;
		*lap = tsr_slot_lap(word);
		/* [D3] pairs with [D2]; [D5] pairs with [D4]: what the last one left is visible. */
		if (tsr_cas_acq(&words[i], &word, tsr_slot_word(*lap, me, to)))
			return i;
	}
	return cells;
}

int
tsr_depot_fill(struct tsr_map const *map, uint32_t klass, uint16_t me, uint64_t const *names,
               uint32_t count)
{
	uint64_t lap = 0;
	uint32_t const number = depot_claim(map, klass, me, TSR_EMPTY, TSR_CLAIMED, &lap);
	struct tsr_cell *cell;

	if (number == map->klass[klass].cells)
		return -ENOBUFS;
	cell = &tsr_map_cells(map, klass)[number];
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i += TSR_CACHELINE / sizeof(uint64_t))
		tsr_prefetch_write(&cell->entry[i]);
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++) {
		uint64_t entry = TSR_NAME_NONE;

		if (i < count)
			entry = tsr_name_next(names[i]);
		tsr_st_rlx(&cell->entry[i], entry);
	}
	for (uint32_t i = 0; i < count; i++)
		/* [D1] pairs with [P2]: the entry is written before the ticket is free. */
		tsr_st_rel(
			&map->tickets[tsr_name_index(names[i])].word,
			tsr_name_word(tsr_name_next(names[i]), TSR_TICKET_IDLE, TSR_HOLDER_FREE));
	/* [D2] pairs with [D3]: entries, stamps and what was done to the payload come first. */
	tsr_st_rel(&tsr_map_cell_words(map, klass)[number], tsr_slot_word(lap, 0, TSR_READY));
	return 0;
}

/* Empty a cell that @me has taken. Return: how many tickets were in it. */
static uint32_t
depot_empty(struct tsr_map const *map, uint32_t klass, uint16_t me, uint32_t number, uint64_t lap,
            uint64_t *names)
{
	struct tsr_cell *const cell = &tsr_map_cells(map, klass)[number];
	uint32_t count = 0;

	/* All lines of tickets at once: who freed them has them, and they are written here. */
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++) {
		uint32_t const index = tsr_name_index(tsr_ld_rlx(&cell->entry[i]));

		if (index < map->tickets_count)
			tsr_prefetch_write(&map->tickets[index]);
	}
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++) {
		uint64_t const name = tsr_ld_rlx(&cell->entry[i]);
		uint32_t const index = tsr_name_index(name);
		uint64_t const own = tsr_name_next(name);

		if (index >= map->tickets_count || map->blocks[index].klass != klass ||
		    !tsr_word_is(tsr_ld_rlx(&map->tickets[index].word), name, TSR_HOLDER_FREE))
			continue;
		tsr_st_rlx(&map->tickets[index].word, tsr_name_word(own, TSR_TICKET_IDLE, me));
		names[count++] = own;
	}
	/* [V3] pairs with [V2]: all stamps, the last owner's too, come before what we write into
	 * the blocks. */
	tsr_fence_rel();
	/* [D4] pairs with [D5]: the entries were read before the cell is empty. */
	tsr_st_rel(&tsr_map_cell_words(map, klass)[number], tsr_slot_word(lap + 1, 0, TSR_EMPTY));
	return count;
}

uint32_t
tsr_depot_take(struct tsr_map const *map, uint32_t klass, uint16_t me, uint64_t *names)
{
	uint32_t count = 0;

	/* A cell with nothing good in it is no reason to give up: the next one may have. */
	for (uint32_t tries = map->klass[klass].cells; tries > 0 && count == 0; tries--) {
		uint64_t lap = 0;
		uint32_t const number = depot_claim(map, klass, me, TSR_READY, TSR_TAKEN, &lap);

		if (number == map->klass[klass].cells)
			return 0;
		count = depot_empty(map, klass, me, number, lap, names);
	}
	return count;
}

uint32_t
tsr_depot_take_partial(struct tsr_map const *map, uint32_t klass, uint16_t me, uint64_t *names)
{
	_Atomic uint64_t *const words = tsr_map_cell_words(map, klass);
	struct tsr_cell *const cells = tsr_map_cells(map, klass);

	for (uint32_t i = 0; i < map->klass[klass].cells; i++) {
		uint64_t word = tsr_ld_rlx(&words[i]);
		uint64_t const lap = tsr_slot_lap(word);

		if (tsr_slot_phase(word) != TSR_READY ||
		    tsr_ld_rlx(&cells[i].entry[map->klass[klass].batch - 1]) != TSR_NAME_NONE)
			continue;
		/* [D3] pairs with [D2]: entries and stamps are visible. */
		if (tsr_cas_acq(&words[i], &word, tsr_slot_word(lap, me, TSR_TAKEN)))
			return depot_empty(map, klass, me, i, lap, names);
	}
	return 0;
}
