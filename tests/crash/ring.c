/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/ring.h"

#include <stdlib.h>
#include <string.h>

#include "shm/requeue.h"
#include "tests/crash/meet.h"
#include "tests/crash/spool.h"

static int
ring_order(void const *a, void const *b)
{
	struct ring_entry const *const left = a;
	struct ring_entry const *const right = b;

	return left->position < right->position ? -1 : left->position > right->position;
}

void
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

/* Messages of channel 0 that no slot names: tickets of this @holder and @kind. */
static void
ring_add_tickets(struct ring *ring, uint16_t holder, enum tsr_ticket_kind kind)
{
	struct tsr_map const *const map = &world.realm.map;
	struct tsr_channel const *const channel = &world.record[0].channel;

	for (uint32_t i = 0; tsr_requeue_is_on(channel) && i < map->tickets_all; i++) {
		uint64_t const word = atomic_load(&map->tickets[i].word);
		uint64_t const name = tsr_name_make(i, tsr_word_generation(word));
		bool const held = holder != TSR_HOLDER_CHANNEL;

		if (tsr_word_holder(word) != holder || tsr_word_kind(word) != (uint8_t)kind ||
		    (atomic_load(&map->tickets[i].tag) & 0xffffff) != channel->id ||
		    ring->count == 2 * WORLD_CAPACITY_MAX)
			continue;
		ring->entry[ring->count++] = (struct ring_entry){
			.position = INT64_MIN / 2 + i,
			.serial = world_serial_at(name, atomic_load(&map->ranges[i])),
			.phase = held ? TSR_TAKEN : TSR_READY,
			.owner = held ? holder : 0,
			.again = !held,
			.forged = tsr_range_length(atomic_load(&map->ranges[i])) > WORLD_MESSAGE,
			.held = held,
			.name = name,
		};
	}
}

static bool
ring_names(struct ring const *ring, uint64_t name)
{
	for (unsigned i = 0; i < ring->count; i++) {
		if (!ring->entry[i].held && ring->entry[i].phase != TSR_CLAIMED &&
		    tsr_name_next(ring->entry[i].name) == name)
			return true;
	}
	return false;
}

void
ring_add_held(struct ring *ring)
{
	unsigned kept = 0;

	ring_add_tickets(ring, WORLD_VICTIM, TSR_TICKET_RECEIVED);
	/* Not what it has only stamped: its slot is in its hands still. */
	for (unsigned i = 0; i < ring->count; i++) {
		struct ring_entry const entry = ring->entry[i];

		if (!entry.held || !ring_names(ring, entry.name))
			ring->entry[kept++] = entry;
	}
	ring->count = kept;
}

static void
ring_read_slots(struct ring *ring)
{
	struct tsr_channel const *const channel = &world.record[0].channel;
	int64_t const capacity = channel->capacity;
	struct tsr_slot *const slots = channel->shm->slot;
	uint64_t const base = tsr_slot_lap(atomic_load(&slots[0].word));
	uint64_t word;

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
	word = atomic_load(&slots[(uint64_t)ring->next & channel->mask].word);
	ring->room = tsr_slot_phase(word) == TSR_EMPTY;
}

void
ring_read(struct ring *ring)
{
	if (meet_is_on()) {
		meet_read(ring);
		return;
	}
	memset(ring, 0, sizeof(*ring));
	if (spool_is_on())
		spool_read(ring);
	else
		ring_read_slots(ring);
	ring_add_tickets(ring, TSR_HOLDER_CHANNEL, TSR_TICKET_REQUEUED);
	qsort(ring->entry, ring->count, sizeof(ring->entry[0]), ring_order);
}
