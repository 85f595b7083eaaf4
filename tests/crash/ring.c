/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/ring.h"

#include <stdlib.h>
#include <string.h>

static int
ring_order(void const *a, void const *b)
{
	struct ring_entry const *const left = a;
	struct ring_entry const *const right = b;

	return left->position < right->position ? -1 : left->position > right->position;
}

static void
ring_entry_read(struct ring_entry *entry, struct tsr_slot *slot, uint64_t word)
{
	uint64_t const range = atomic_load(&slot->range);

	entry->word = word;
	entry->phase = tsr_slot_phase(word);
	entry->owner = tsr_slot_owner(word);
	entry->again = entry->phase == TSR_READY && (word & TSR_READY_AGAIN_BIT) != 0;
	entry->name = atomic_load(&slot->name);
	entry->forged = tsr_range_length(range) > WORLD_MESSAGE;
	entry->serial = world_serial_at(entry->name, tsr_range_make(0, WORLD_MESSAGE));
}

void
ring_read(struct ring *ring)
{
	struct tsr_channel const *const channel = &world.record[0].channel;
	int64_t const capacity = channel->capacity;
	struct tsr_slot *const slots = channel->shm->slot;
	uint64_t const base = tsr_slot_lap(atomic_load(&slots[0].word));
	uint64_t word;

	memset(ring, 0, sizeof(*ring));
	ring->base = base;
	ring->next = -2 * capacity;
	for (int64_t i = 0; i < capacity; i++) {
		int64_t lap;

		word = atomic_load(&slots[i].word);
		lap = tsr_lap_distance(tsr_slot_lap(word), base);
		if (tsr_slot_phase(word) == TSR_EMPTY) {
			lap--; /* what it shows is the lap before */
		} else {
			ring->entry[ring->count].position = lap * capacity + i;
			ring_entry_read(&ring->entry[ring->count++], &slots[i], word);
		}
		if (lap * capacity + i >= ring->next)
			ring->next = lap * capacity + i + 1;
	}
	qsort(ring->entry, ring->count, sizeof(ring->entry[0]), ring_order);
	word = atomic_load(&slots[(uint64_t)ring->next & channel->mask].word);
	ring->room = tsr_slot_phase(word) == TSR_EMPTY;
}
