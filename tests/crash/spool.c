/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/spool.h"

#include <errno.h>
#include <stdlib.h>

#define SPOOL_ROUND 7 /* messages: more than any scene leaves segments for */

bool
spool_is_on(void)
{
	return world.shape->kind == TSR_KIND_UNLIMITED;
}

/* The segment that a link names; NULL: it is the first one. */
static struct tsr_slot *
spool_next(struct tsr_slot const *slots)
{
	struct tsr_map const *const map = &world.realm.map;
	uint32_t const index = tsr_name_index(atomic_load(&slots[0].name));
	struct tsr_block const *block;

	if (index == TSR_TICKETS_MAX)
		return NULL;
	if (index >= map->tickets_count)
		world_give_up("a link names nothing");
	block = &map->blocks[index];
	return (struct tsr_slot *)(void *)(map->arena_base[block->arena] + block->offset);
}

void
spool_read(struct ring *ring)
{
	struct tsr_channel const *const channel = &world.record[0].channel;
	struct tsr_slot *slots = channel->shm->slot;

	ring->base = world.realm.map.first_lap;
	ring->room = true;
	for (unsigned segments = 0; slots != NULL; slots = spool_next(slots)) {
		if (segments++ > world.realm.map.tickets_count)
			world_give_up("the links lead in a circle");
		for (uint32_t i = 1; i < channel->capacity; i++) {
			uint64_t const word = atomic_load(&slots[i].word);
			int64_t const lap = tsr_lap_distance(tsr_slot_lap(word), ring->base);

			if (tsr_slot_phase(word) == TSR_EMPTY)
				continue;
			ring->entry[ring->count].position = lap * (int64_t)channel->capacity + i;
			ring_entry_read(&ring->entry[ring->count++], &slots[i], word);
		}
	}
}

bool
spool_round(enum world_client from, enum world_client to)
{
	struct tsr_msg msg;
	uint64_t first = 0;
	int error;

	for (uint32_t i = 0; i < SPOOL_ROUND; i++) {
		if (!world_message(from, &msg))
			return judge_say("a new client gets no block");
		if (i == 0)
			first = world_serial(&msg);
		error = tsr_send(world.sender[from][0], &msg, TSR_NOWAIT);
		if (error != 0)
			return judge_say("message %u of a new client gave %d", i, error);
	}
	for (uint32_t i = 0; i < SPOOL_ROUND; i++) {
		error = tsr_recv(world.receiver[to][0], &msg, TSR_NOWAIT);
		if (error != 0 || world_serial(&msg) != first + i || msg.flags != 0)
			return judge_say("a new client receives message %u with %d", i, error);
		if (tsr_release(world.client[to], &msg) != 0)
			return judge_say("a new client can't release");
	}
	error = tsr_recv(world.receiver[to][0], &msg, TSR_NOWAIT);
	return error == -EAGAIN || judge_say("there is more than was sent: %d", error);
}
