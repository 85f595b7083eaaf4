/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * What must hold of a broadcast: every reader gets what it has not read yet, in order; what was
 * ready is ready, or was written over by a peer; nobody heeds the dead one, and nothing is held by
 * it.
 */

#include <errno.h>

#include "shm/broadcast.h"
#include "tests/crash/judge.h"
#include "tests/crash/op.h"
#include "tests/crash/ring.h"

static struct tsr_broadcast_shm *
readers(void)
{
	return tsr_broadcast_shm(&world.record[0].channel);
}

/* The peer goes on to the end of what it was at, and has no views left. */
static bool
peer_thaws(struct judge_peer const *peer)
{
	if (!judge_thaw(peer))
		return false;
	for (unsigned i = 0; scene.peer.finished && i < scene.peer.received_count; i++) {
		int const error = tsr_release(world.client[scene.peer.id], &scene.peer.msg[i]);

		if (error != 0 && error != -ESTALE && error != -EOVERFLOW)
			return judge_say("the peer can't release: %d", error);
	}
	return true;
}

/* Nothing of the dead one is left. */
static bool
readers_are_living(void)
{
	for (uint32_t i = 0; i < TSR_CURSORS_MAX; i++) {
		struct tsr_cursor *const cursor = &readers()->cursor[i];
		uint64_t const word = atomic_load(&cursor->word);
		uint64_t const bit = UINT64_C(1) << i % 64;
		bool const is_free = tsr_cursor_state(word) == TSR_CURSOR_FREE;

		if (!is_free && !world.living[tsr_slot_owner(word)])
			return judge_say("cursor %u is that of client %u, who is dead", i,
			                 tsr_slot_owner(word));
		if (is_free && (((atomic_load(&readers()->reading[i / 64]) |
		                  atomic_load(&readers()->holding[i / 64])) &
		                 bit) != 0))
			return judge_say("cursor %u is free, and heeded", i);
		for (uint32_t k = 0; is_free && k < TSR_CURSOR_HOLDS; k++) {
			if (atomic_load(&cursor->hold[k]) != TSR_NAME_NONE)
				return judge_say("cursor %u is free, and holds something", i);
		}
	}
	return true;
}

/* The state of the cursor of a peer's end. */
static uint32_t
reader_state(struct tsr_end const *end)
{
	return tsr_cursor_state(atomic_load(&readers()->cursor[end->reader.cursor].word));
}

/* From the first slot's lap on, as ring.c counts. */
static int64_t
reader_place(struct tsr_end const *end)
{
	struct tsr_channel const *const channel = &world.record[0].channel;
	uint64_t const base = tsr_slot_lap(atomic_load(&channel->shm->slot[0].word))
	                      << channel->shift;

	return tsr_channel_distance(channel, end->position, base);
}

/* Everything from its place on that is ready, in order, until a place is claimed. */
static bool
reader_drains(enum world_client id, unsigned long *held)
{
	struct tsr_end const *const end = world_end(id, 0, TSR_SIDE_RECEIVER);
	struct ring ring;
	struct tsr_msg msg;
	int error;

	if (end == NULL)
		return true;
	if (reader_state(end) == TSR_CURSOR_EVICTED) {
		error = tsr_recv(world.receiver[id][0], &msg, TSR_NOWAIT);
		return error == -EOVERFLOW || judge_say("an evicted reader gets %d", error);
	}
	ring_read(&ring);
	for (unsigned i = 0; i < ring.count; i++) {
		struct ring_entry const *const entry = &ring.entry[i];

		if (entry->phase == TSR_CLAIMED && held != NULL)
			(*held)++;
		if (entry->phase == TSR_CLAIMED)
			break;
		if (entry->position < reader_place(end))
			continue;
		error = tsr_recv(world.receiver[id][0], &msg, TSR_NOWAIT);
		if (error != 0 || world_serial(&msg) != entry->serial)
			return judge_say("reader %u: message %ju is next, and it gets %d", id,
			                 (uintmax_t)entry->serial, error);
		error = tsr_release(world.client[id], &msg);
		if (error != 0)
			return judge_say("reader %u can't release: %d", id, error);
	}
	error = tsr_recv(world.receiver[id][0], &msg, TSR_NOWAIT);
	if (error != -EAGAIN && error != -EPIPE && error != -ECONNRESET)
		return judge_say("reader %u: behind the last message it gets %d", id, error);
	return true;
}

/* A new reader that wants all that is there. */
static bool
reader_comes(void)
{
	struct tsr_end_options const options = {
		.size = sizeof(options), .flags = TSR_END_NO_SPIN, .from = TSR_FROM_OLDEST};
	struct ring ring;
	unsigned missing = 0;
	int error;

	world.living[WORLD_FRESH_RECEIVER] = true;
	error = tsr_receiver_open(world.client[WORLD_FRESH_RECEIVER], world.record[0].name,
	                          &options, &world.receiver[WORLD_FRESH_RECEIVER][0]);
	if (error != 0)
		return judge_say("a new reader can't come: %d", error);
	ring_read(&ring);
	for (unsigned i = 0; i < ring.count; i++)
		missing += ring.entry[i].position <
		           reader_place(world_end(WORLD_FRESH_RECEIVER, 0, TSR_SIDE_RECEIVER));
	if (missing > 1)
		return judge_say("a new reader misses %u messages that are there", missing);
	return reader_drains(WORLD_FRESH_RECEIVER, NULL);
}

/* Nothing is there that nobody sent; what the victim says that it sent is there. */
static bool
ring_is_told(struct ring const *ring)
{
	struct run const *const run = &scene.victim;

	for (unsigned i = 0; i < ring->count; i++) {
		if (ring->entry[i].phase == TSR_READY && !judge_known(ring->entry[i].serial))
			return judge_say("message %ju is there, which nobody sent",
			                 (uintmax_t)ring->entry[i].serial);
	}
	for (unsigned i = 0; run->finished && i < run->sends_count; i++) {
		bool there = false;

		for (unsigned k = 0; k < ring->count; k++)
			there = there || (ring->entry[k].phase == TSR_READY &&
			                  ring->entry[k].serial == run->sends[i]);
		if (there != (i < run->done) && scene.peer.sends_count == 0)
			return judge_say("message %ju is %sthere after its send", run->sends[i],
			                 there ? "" : "not ");
	}
	return true;
}

/* What was ready is ready, or a later lap is in its slot. */
static bool
ring_follows(struct ring const *then)
{
	struct ring now;

	ring_read(&now);
	for (unsigned i = 0; i < then->count; i++) {
		bool there = then->entry[i].phase != TSR_READY;

		for (unsigned k = 0; k < now.count; k++)
			there = there || now.entry[k].serial == then->entry[i].serial;
		if (!there && scene.peer.done == 0)
			return judge_say("message %ju is lost", (uintmax_t)then->entry[i].serial);
	}
	return true;
}

/* New clients, and the peer, use every slot. */
static bool
broadcast_round(void)
{
	enum world_client from;
	struct tsr_msg msg;
	int error;

	if (!judge_opened(0, TSR_SIDE_SENDER, &from))
		return false;
	for (uint32_t i = 0; i < world.shape->capacity; i++) {
		if (!world_message(from, &msg))
			return judge_say("a new sender gets no block");
		error = tsr_send(world.sender[from][0], &msg, TSR_NOWAIT);
		if (error != 0)
			return judge_say("message %u of a new sender gave %d", i, error);
	}
	return reader_drains(WORLD_FRESH_RECEIVER, NULL) &&
	       reader_drains(WORLD_PEER_RECEIVER, NULL);
}

/* The other channel works as ever. */
static bool
other_round(void)
{
	enum world_client from, to;

	return judge_opened(1, TSR_SIDE_SENDER, &from) && judge_opened(1, TSR_SIDE_RECEIVER, &to) &&
	       judge_round(1, from, to);
}

bool
judge_broadcast_after(struct judge_peer const *peer, struct ring const *then)
{
	if (!ring_is_told(then) || !readers_are_living())
		return false;
	if (!scene.peer_is_on && !judge_ledger("after the repair"))
		return false;
	if (!peer_thaws(peer))
		return false;
	op_unhoard();
	judge_wake_peers();
	return judge_ledger("before new clients come") && ring_follows(then) &&
	       reader_drains(WORLD_PEER_RECEIVER, NULL) && reader_comes() && broadcast_round() &&
	       broadcast_round() && other_round() && judge_ledger("in the end") &&
	       judge_no_missed_wakes();
}

/* A peer sends; a stopped reader, and a slot of a stopped sender, hold it up. */
static bool
peer_sends(unsigned long *held)
{
	struct tsr_channel const *const channel = &world.record[0].channel;
	struct tsr_msg msg;
	struct ring ring;
	int error;

	if (!world_has_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER))
		return true;
	ring_read(&ring);
	if (!world_message(WORLD_PEER_SENDER, &msg))
		return judge_say("a peer gets no block");
	error = tsr_send(world.sender[WORLD_PEER_SENDER][0], &msg, TSR_NOWAIT);
	if (error == 0)
		return true;
	if (tsr_release(world.client[WORLD_PEER_SENDER], &msg) != 0)
		return judge_say("a peer can't release");
	held[HOLD_LAP]++;
	for (unsigned i = 0; i < ring.count; i++) {
		if (ring.entry[i].phase == TSR_CLAIMED &&
		    ring.entry[i].position == ring.next - (int64_t)channel->capacity)
			return true;
	}
	for (uint32_t i = 0; i < TSR_CURSORS_MAX; i++) {
		uint64_t const word = atomic_load(&readers()->cursor[i].word);

		if (tsr_cursor_state(word) == TSR_CURSOR_READS &&
		    tsr_slot_owner(word) == WORLD_VICTIM)
			return true;
	}
	return judge_say("a peer's send gave %d, and the victim is not in its way", error);
}

bool
judge_broadcast_frozen(struct judge_peer const *peer, unsigned long *held)
{
	if (scene.peer_is_on && !peer_thaws(peer))
		return false;
	judge_wake_peers();
	for (unsigned id = 1; scene.peer_is_on && id < WORLD_CLIENTS; id++)
		atomic_store(&world.realm.map.states[id - 1].missed_wakes, 0);
	return reader_drains(WORLD_PEER_RECEIVER, &held[HOLD_CLAIMED]) && peer_sends(held) &&
	       reader_drains(WORLD_PEER_RECEIVER, &held[HOLD_CLAIMED]);
}

bool
judge_broadcast_thawed(void)
{
	if (!scene.victim.finished)
		return judge_say("the victim did not come to its end");
	judge_wake_peers();
	op_unhoard();
	return readers_are_living() && judge_ledger("when all have gone on") &&
	       reader_drains(WORLD_PEER_RECEIVER, NULL) && judge_ledger("in the end") &&
	       judge_no_missed_wakes();
}

bool
judge_broadcast_end(struct judge_peer const *peer)
{
	return peer_thaws(peer) && judge_broadcast_thawed();
}
