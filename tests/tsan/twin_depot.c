/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/depot.h"
#include "shm/ticket.h"
#include "tests/tsan/twin.h"

/* Three threads pass the blocks of two cells to each other through the depot alone. */

#define ROUNDS 4000

static struct twin twin;

static void *
passing(void *arg)
{
	uint16_t const me = (uint16_t)(uintptr_t)arg;
	uint64_t names[TSR_CELL_ENTRIES];

	for (uint64_t round = 0; round < ROUNDS;) {
		uint32_t const count = tsr_depot_take(&twin.map, 0, me, names);

		if (count == 0) {
			tsr_cpu_relax();
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

int
main(void)
{
	pthread_t thread[3];

	twin_make(&twin, 2, 0);
	for (uintptr_t i = 0; i < 3; i++)
		thread[i] = twin_start(passing, (void *)(i + 1));
	for (int i = 0; i < 3; i++)
		twin_check(pthread_join(thread[i], NULL) == 0);
	puts("depot: no race");
	return 0;
}
