/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/meet.h"

#include <errno.h>
#include <string.h>

#include "shm/kind.h"
#include "shm/rendezvous.h"
#include "tests/crash/judge.h"
#include "tests/crash/op.h"

#define MEET_ROUNDS 6

bool
meet_is_on(void)
{
	return world.shape->kind == TSR_KIND_RENDEZVOUS;
}

/* Who offers: a client has one sender end on a channel here. */
static enum world_client
meet_peer(unsigned which)
{
	return (which == 0) != scene.meet.sender_second ? WORLD_PEER_SENDER : WORLD_PEER_RECEIVER;
}

static int
meet_try(enum world_client id, struct tsr_msg *msg)
{
	return tsr_kind_rendezvous.try_send(world_end(id, 0, TSR_SIDE_SENDER), &msg->zdesc);
}

void
meet_offer(unsigned which)
{
	enum world_client const id = meet_peer(which);

	if (!world_has_end(id, 0, TSR_SIDE_SENDER))
		world_open_sender(id, 0);
	if (!world_message(id, &scene.meet.offer[which]) ||
	    meet_try(id, &scene.meet.offer[which]) != -EAGAIN)
		world_give_up("a peer can't offer");
}

bool
meet_settle(unsigned which)
{
	enum world_client const id = meet_peer(which);
	struct tsr_end *const end = world_end(id, 0, TSR_SIDE_SENDER);

	return end == NULL || end->room == 0 || meet_try(id, &scene.meet.offer[which]) == 0;
}

bool
meet_can(unsigned which)
{
	return world_has_end(meet_peer(which), 0, TSR_SIDE_SENDER) && meet_settle(which);
}

void
meet_advance(void)
{
	struct tsr_msg msg;

	scene.meet.sender_second = false;
	for (unsigned i = 0; i < MEET_ROUNDS; i++) {
		meet_offer(0);
		if (tsr_recv(world.receiver[WORLD_PEER_RECEIVER][0], &msg, TSR_NOWAIT) != 0 ||
		    tsr_release(world.client[WORLD_PEER_RECEIVER], &msg) != 0 || !meet_settle(0))
			world_give_up("the first messages do not get through");
	}
}

void
meet_read(struct ring *ring)
{
	struct tsr_channel const *const channel = &world.record[0].channel;

	memset(ring, 0, sizeof(*ring));
	for (uint32_t i = 0; i < channel->capacity; i++) {
		struct tsr_slot *const slot = &channel->shm->slot[i];
		uint64_t const word = atomic_load(&slot->word);
		struct ring_entry *const entry = &ring->entry[ring->count];

		if (tsr_slot_phase(word) == TSR_EMPTY ||
		    (tsr_slot_phase(word) == TSR_READY &&
		     !tsr_rendezvous_stands(&world.realm.map, atomic_load(&slot->name))))
			continue;
		*entry = (struct ring_entry){
			.position = i,
			.phase = tsr_slot_phase(word),
			.owner = tsr_slot_owner(word),
			.word = word,
			.name = atomic_load(&slot->name),
			.forged = tsr_range_length(atomic_load(&slot->range)) > WORLD_MESSAGE,
		};
		entry->serial = world_serial_at(entry->name, tsr_range_make(0, WORLD_MESSAGE));
		ring->count++;
	}
}

static bool
meet_slots_are_empty(void)
{
	struct tsr_channel const *const channel = &world.record[0].channel;

	for (uint32_t i = 0; i < channel->capacity; i++) {
		uint64_t const word = atomic_load(&channel->shm->slot[i].word);

		if (tsr_slot_phase(word) != TSR_EMPTY)
			return judge_say("in the end slot %u is in phase %u of client %u", i,
			                 tsr_slot_phase(word), tsr_slot_owner(word));
	}
	return true;
}

bool
meet_round(enum world_client from, enum world_client to)
{
	struct tsr_msg sent, msg;

	for (unsigned i = 0; i < MEET_OFFERS; i++) {
		if (!meet_settle(i))
			return judge_say("the offer of a peer was received, and it is not told");
	}
	for (unsigned i = 0; i < MEET_ROUNDS; i++) {
		if (!world_message(from, &sent))
			return judge_say("a new client gets no block");
		if (meet_try(from, &sent) != -EAGAIN)
			return judge_say("a new client can't offer");
		if (tsr_recv(world.receiver[to][0], &msg, TSR_NOWAIT) != 0 ||
		    world_serial(&msg) != world.serial || tsr_release(world.client[to], &msg) != 0)
			return judge_say("a new client can't take what another offers");
		if (meet_try(from, &sent) != 0)
			return judge_say("a new client is not told that it was received");
	}
	if (tsr_recv(world.receiver[to][0], &msg, TSR_NOWAIT) != -EAGAIN)
		return judge_say("there is more than was offered");
	return meet_slots_are_empty();
}
