/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/request.h"

#include <errno.h>

#include "tests/crash/judge.h"
#include "tests/crash/op.h"
#include "tests/crash/ring.h"

#define REQUEST_REPLIES 1 /* the channel that they come by */

/* The first place of the table. */
struct tsr_asker const request_asker = {TSR_ASKERS_MAX};

static unsigned request_due; /* replies on channel 1 at the moment of death */

static struct tsr_end *
request_reply_end(void)
{
	return world_end(scene.request.asker, REQUEST_REPLIES, TSR_SIDE_RECEIVER);
}

void
request_open(enum world_client id)
{
	scene.request.asker = id;
	world_open_receiver(id, REQUEST_REPLIES);
	tsr_process->asker[0] = (struct tsr_asker_own){
		.handle = request_asker.handle,
		.client = world.client[id],
		.sender = world.sender[id][0],
		.receiver = world.receiver[id][REQUEST_REPLIES],
	};
	world_end(id, 0, TSR_SIDE_SENDER)->inlined = TSR_END_BY_KIND | TSR_SIDE_SENDER;
	request_reply_end()->endless = true;
}

void
request_begin(void)
{
	struct tsr_end *const end = world_end(scene.request.asker, 0, TSR_SIDE_SENDER);
	struct tsr_msg msg;

	if (!world_message(scene.request.asker, &msg) ||
	    tsr_ask_begin(request_asker, &msg, TSR_NOWAIT, &scene.request.ask) != 0)
		world_give_up("a client can't ask");
	scene.request.serial = world.serial;
	scene.request.reply = world.serial; /* if it is answered in place */
	scene.before[scene.before_count++] = world.serial;
	/* What else it sends is no request. */
	end->tag = end->channel_id;
}

void
request_sleep(void)
{
	op_sleep(request_reply_end());
}

void
request_answer(void)
{
	struct tsr_client const server = world.client[WORLD_PEER_RECEIVER];
	struct tsr_msg msg;

	if (tsr_recv(world.receiver[WORLD_PEER_RECEIVER][0], &msg, TSR_NOWAIT) != 0 ||
	    world_serial(&msg) != scene.request.serial ||
	    tsr_reply(server, &msg, &msg, TSR_NOWAIT) != 0)
		world_give_up("a peer can't answer");
	scene.before_count = 0;
}

/* Replies that are there, or that the victim has taken and not yet received. */
static unsigned
request_replies(void)
{
	struct tsr_channel const *const channel = &world.record[REQUEST_REPLIES].channel;
	unsigned count = 0;

	for (uint32_t i = 0; i < channel->capacity; i++) {
		uint64_t const word = atomic_load(&channel->shm->slot[i].word);

		count += tsr_slot_phase(word) == TSR_READY || tsr_slot_phase(word) == TSR_TAKEN;
	}
	return count;
}

void
request_expect(void)
{
	request_due = request_replies();
}

static bool
request_has(struct judge_set const *set, uint64_t serial)
{
	for (unsigned i = 0; i < set->count; i++) {
		if (set->serial[i] == serial)
			return true;
	}
	return false;
}

/* The request lies in the channel. */
static bool
request_is_queued(void)
{
	struct ring ring;

	ring_read(&ring);
	for (unsigned i = 0; i < ring.count; i++) {
		if (ring.entry[i].phase == TSR_READY &&
		    ring.entry[i].serial == scene.request.serial)
			return true;
	}
	return false;
}

/* The peer has received it, and has it in hands. */
static bool
request_is_with_peer(void)
{
	bool found = false;

	for (unsigned i = 0; i < scene.peer.received_count; i++)
		found = found || scene.peer.received[i] == scene.request.serial;
	return found;
}

/* Whoever received it has released it. */
static bool
request_is_lost(struct judge_set const *got)
{
	return request_has(got, scene.request.serial) && !request_is_with_peer();
}

/* The asker's next call. */
static bool
request_look(int want)
{
	struct tsr_msg reply;
	int error;

	if (scene.request.ask == 0)
		return true; /* it knows */
	error = tsr_ask_end(request_asker, scene.request.ask, &reply, TSR_NOWAIT);
	if (error != want)
		return judge_say("the asker's call gave %d, expected %d", error, want);
	if (error != -EAGAIN)
		scene.request.ask = 0;
	if (error != 0)
		return true;
	if (world_serial(&reply) != scene.request.reply)
		return judge_say("the asker received what is not the reply");
	if (tsr_release(world.client[scene.request.asker], &reply) != 0)
		return judge_say("the reply can't be released");
	return true;
}

/* Is it asleep still? *@claimed: no, but nobody has called the kernel yet. */
static bool
request_sleeps(bool *claimed)
{
	uint32_t const number = request_reply_end()->token;
	uint64_t word;

	*claimed = false;
	if (number == UINT32_MAX)
		return false;
	word = world_token(REQUEST_REPLIES, TSR_SIDE_RECEIVER, number);
	*claimed = tsr_token_state(word) == TSR_TOKEN_CLAIMED &&
	           !world_token_woken(REQUEST_REPLIES, TSR_SIDE_RECEIVER, number);
	return tsr_token_state(word) == TSR_TOKEN_ENQUEUED;
}

/* Something has come of it: then it is awake. */
static bool
request_told(int error)
{
	bool claimed;

	if ((request_sleeps(&claimed) && error != -EAGAIN) || claimed)
		return judge_say("the asker sleeps, and its call would give %d", error);
	(void)op_wake_up(request_reply_end());
	return request_look(error);
}

/* Whoever died was the asker: what had come for it is there for others, and no more than that. */
static bool
request_judge_left(void)
{
	struct tsr_receiver const receiver = world.receiver[WORLD_PEER_RECEIVER][REQUEST_REPLIES];
	struct tsr_msg msg;
	unsigned count = 0;

	while (tsr_recv(receiver, &msg, TSR_NOWAIT) == 0) {
		if (world_serial(&msg) != scene.request.reply)
			return judge_say("what is left of the asker's is not the reply");
		if (tsr_release(world.client[WORLD_PEER_RECEIVER], &msg) != 0)
			return judge_say("what is left of the asker's can't be released");
		count++;
	}
	return count == request_due || judge_say("%u replies became %u", request_due, count);
}

bool
request_judge(void)
{
	if (scene.request.asker == 0)
		return true;
	if (scene.request.asker == WORLD_VICTIM)
		return request_judge_left();
	return request_told(request_due != 0                                ? 0
	                    : request_is_queued() || request_is_with_peer() ? -EAGAIN
	                                                                    : -ECONNRESET);
}

bool
request_judge_drained(struct judge_set const *got)
{
	if (scene.request.asker == 0 || scene.request.asker == WORLD_VICTIM)
		return true;
	return request_look(request_is_lost(got) ? -ECONNRESET : -EAGAIN);
}

bool
request_frozen(struct judge_set const *got, unsigned long *held)
{
	bool claimed;

	if (scene.request.asker == 0 || scene.request.asker == WORLD_VICTIM)
		return true;
	if (request_replies() == 0)
		return request_look(request_is_lost(got) ? -ECONNRESET : -EAGAIN);
	/* Between publish and wake; it looks by itself. */
	held[HOLD_WAKE] += request_sleeps(&claimed) || claimed;
	(void)op_wake_up(request_reply_end());
	return request_look(0);
}

bool
request_thawed(struct judge_set const *got)
{
	if (scene.request.asker == 0 || scene.request.asker == WORLD_VICTIM)
		return true;
	if (request_replies() != 0)
		return request_told(0);
	return request_judge_drained(got);
}
