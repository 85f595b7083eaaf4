/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_DEPOT_H
#define TSR_SHM_DEPOT_H

/*
 * The depot: where magazines are filled and emptied, 32 tickets at a time.
 *
 * Bytes	per size class an unordered array of cells; the words lie side by side (layout.h).
 * Writers	empty(n) --filler, CAS--> claimed(n, f) --f, release--> ready(n)
 *		ready(n) --taker, CAS--> taken(n, t) --t, release--> empty(n + 1)
 *		Whoever meets another's cell passes on: a stopped filler holds up one cell.
 * Indices	the lap is a tag against ABA; cells have no order. Each thread goes round the first
 *		few cells and beyond them when it must, so that what goes out has left other caches
 *		but not memory's nearest level (see doc/performance.md).
 * Ordering	filler				taker
 *		     entries			[D3] acquire: cell is ready
 *		[D1] release: each (FREE, g+1)	     entries
 *		[D2] release: ready		     each (me, g+1)
 *						[D4] release: empty
 *		[D2] pairs with [D3]: entries and stamps are visible, the payload is read or
 *		written.
 *		[D4] pairs with [D5]: the entries were read before the cell is filled again.
 * Progress	lock-free; one pass over the cells, then it gives up.
 * Crash	a filler leaves claimed(n, f): what it stamped equals an entry exactly and goes to
 *		the daemon, the rest still names f. A taker likewise. See core/reaper.c.
 */

#include <stdint.h>

#include "shm/map.h"

/*
 * tsr_depot_fill - put @count tickets that @me holds into an empty cell
 * @names:	under which @me holds them; stale afterwards
 * @count:	1 .. TSR_CELL_ENTRIES
 *
 * Context: warm, any thread, never blocks.
 * Return: 0; -ENOBUFS no cell is empty: the tickets are still @me's.
 */
TSR_MUST_CHECK
int tsr_depot_fill(struct tsr_map const *map, uint32_t klass, uint16_t me, uint64_t const *names,
                   uint32_t count);

/*
 * tsr_depot_take - empty a ready cell
 * @names:	[TSR_CELL_ENTRIES], under which @me holds the tickets now
 *
 * Context: warm, any thread, never blocks. Entries that can't be are passed over.
 * Return: how many tickets; 0 if no cell is ready.
 */
uint32_t tsr_depot_take(struct tsr_map const *map, uint32_t klass, uint16_t me, uint64_t *names);

/* tsr_depot_take_partial - the same for a ready cell that is not full, if there is one. */
uint32_t tsr_depot_take_partial(struct tsr_map const *map, uint32_t klass, uint16_t me,
                                uint64_t *names);

#endif /* TSR_SHM_DEPOT_H */
