/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_RING_H
#define TSR_TESTS_CRASH_RING_H

/*
 * What the slots of channel 0 say, in the order of their positions. Read from the words alone, with
 * nothing of the code under test but the packing.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/world.h"

struct ring_entry {
	int64_t position; /* from the first slot's lap on */
	uint64_t serial;  /* of the message that the slot names; 0: of none */
	uint32_t phase;   /* enum tsr_phase: not empty */
	uint16_t owner;
	bool again;  /* flagged as redelivered */
	bool forged; /* its range is not in its block */
	bool held;   /* in no slot: the victim has received it */
	uint64_t word;
	uint64_t name;
};

struct ring {
	struct ring_entry entry[2 * WORLD_CAPACITY_MAX];
	unsigned count;
	uint64_t base; /* lap from which positions count */
	int64_t next;  /* behind the newest position that any slot shows */
	bool room;     /* the slot there is empty, for that lap */
};

/* One slot that is not empty; its position is set already. */
void ring_entry_read(struct ring_entry *entry, struct tsr_slot *slot, uint64_t word);

/* What is requeued stands before the slots. */
void ring_read(struct ring *ring);

/* Add what the victim, who is dead, has received and not released, if that comes again. */
void ring_add_held(struct ring *ring);

#endif /* TSR_TESTS_CRASH_RING_H */
