/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/newest.h"

#include <errno.h>

#include "tests/crash/op.h"

bool
newest_is_on(void)
{
	return world.shape->kind == TSR_KIND_CONFLATED;
}

/* Positions in a ring count from the lap of its first slot. */
static int64_t
newest_position(struct ring const *ring)
{
	struct tsr_channel const *const channel = &world.record[0].channel;
	uint64_t const newest = atomic_load(&channel->shm->newest);
	int64_t const laps = tsr_lap_distance(tsr_channel_lap(channel, newest), ring->base);

	return laps * (int64_t)channel->capacity + (int64_t)(newest & channel->mask);
}

struct ring_entry const *
newest_entry(struct ring const *ring)
{
	for (unsigned i = 0; i < ring->count; i++) {
		struct ring_entry const *const entry = &ring->entry[i];

		if (entry->phase == TSR_READY && !entry->forged &&
		    entry->position == newest_position(ring))
			return entry;
	}
	return NULL;
}

static bool
newest_holds(struct ring const *ring, uint64_t const *serials, unsigned count)
{
	for (unsigned i = 0; i < ring->count; i++) {
		for (unsigned k = 0; k < count; k++) {
			if (ring->entry[i].serial == serials[k] &&
			    (ring->entry[i].phase == TSR_READY ||
			     ring->entry[i].phase == TSR_TAKEN))
				return true;
		}
	}
	return false;
}

bool
newest_story(struct ring const *ring)
{
	if (scene.before_count == 0 || newest_holds(ring, scene.before, scene.before_count) ||
	    scene.victim.receives_max + scene.peer.receives_max > 0)
		return true;
	if (newest_holds(ring, scene.victim.sends, scene.victim.sends_count) ||
	    newest_holds(ring, scene.peer.sends, scene.peer.sends_count))
		return true;
	return judge_say("the newest message has gone, and nothing newer is there");
}

bool
newest_follows(struct ring const *then, struct ring const *now)
{
	struct ring_entry const *const due = newest_entry(now);
	struct ring_entry const *last = NULL;

	for (unsigned i = 0; i < then->count; i++) {
		struct ring_entry const *const entry = &then->entry[i];

		if ((entry->phase == TSR_READY || entry->phase == TSR_TAKEN) &&
		    (last == NULL || entry->position > last->position))
			last = entry;
	}
	/* Something newer has come and gone. */
	if (last == NULL || last->position < newest_position(now) || scene.peer_is_on)
		return true;
	if (due == NULL || due->serial != last->serial)
		return judge_say("message %ju was the newest, and does not come",
		                 (uintmax_t)last->serial);
	return true;
}

static bool
newest_has(struct judge_set const *set, uint64_t serial)
{
	for (unsigned i = 0; i < set->count; i++) {
		if (set->serial[i] == serial)
			return true;
	}
	return false;
}

bool
newest_account(struct judge_set const *got, uint64_t const *sent, unsigned sent_count)
{
	struct run const *const runs[] = {&scene.victim, &scene.peer};
	bool any = sent_count > 0 && newest_has(got, sent[sent_count - 1]);
	unsigned sends = sent_count;

	for (unsigned i = 0; i < 2; i++) {
		size_t const done = runs[i]->done;

		sends += (unsigned)done;
		any = any || (done > 0 && newest_has(got, runs[i]->sends[done - 1]));
	}
	/* What is forwarded was there before. */
	if (sends == 0 || scene.victim.op->ends == (OP_SENDER | OP_RECEIVER))
		any = any || scene.before_count == 0 ||
		      newest_has(got, scene.before[scene.before_count - 1]);
	return any || judge_say("the last message did not come, and nobody died");
}

bool
newest_round(unsigned channel, enum world_client from, enum world_client to)
{
	uint32_t const capacity = world.record[channel].channel.capacity;
	struct tsr_msg msg;
	int error;

	for (uint32_t i = 0; i < 2 * capacity + 2; i++) {
		if (!world_message(from, &msg))
			return judge_say("a new client gets no block");
		error = tsr_send(world.sender[from][channel], &msg, TSR_NOWAIT);
		if (error != 0)
			return judge_say("message %u of a new client gave %d", i, error);
		if (i % 3 == 1)
			continue;
		error = tsr_recv(world.receiver[to][channel], &msg, TSR_NOWAIT);
		if (error != 0 || world_serial(&msg) != world.serial || msg.flags != 0)
			return judge_say("a new client receives message %u with %d", i, error);
		if (tsr_release(world.client[to], &msg) != 0)
			return judge_say("a new client can't release");
	}
	error = tsr_recv(world.receiver[to][channel], &msg, TSR_NOWAIT);
	return error == -EAGAIN || judge_say("there is more than the newest: %d", error);
}
