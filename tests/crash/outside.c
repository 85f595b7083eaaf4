/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/outside.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shm/proto.h"
#include "tests/crash/actor.h"
#include "tests/crash/world.h"

#define OUTSIDE_TICK_NS 25000 /* more than anybody spins */

static void (*outside_destructor)(void *);

int __wrap_tsr_control_ask(struct tsr_control *control, uint16_t type, void *request,
                           size_t request_bytes, void *reply, size_t reply_bytes, size_t *got,
                           uint64_t deadline_ns);
void __wrap_tsr_control_close(struct tsr_control *control);
uint64_t __wrap_tsr_now_ns(void);
int __wrap_tsr_futex_wait(_Atomic uint64_t *word, uint64_t expected, uint64_t deadline_ns);
int __wrap_tsr_futex_wait_any(struct tsr_futex const *futexes, uint32_t count,
                              uint64_t deadline_ns);
int __wrap_tsr_futex_wake(_Atomic uint64_t *word);
int __wrap_tsr_event_ring(int fd);
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_munmap(void *memory, size_t bytes);
int __real_munmap(void *memory, size_t bytes);
void __wrap_free(void *memory);
void __real_free(void *memory);

static uint16_t
outside_client(struct tsr_control const *control)
{
	for (uint32_t i = 0; i < TSR_ATTACHMENTS_MAX; i++) {
		if (&tsr_process->attachment[i].control == control)
			return tsr_process->attachment[i].me;
	}
	world_give_up("nobody asks the daemon");
}

static int
outside_open(uint16_t id, void const *packet, void *reply_packet)
{
	struct tsr_proto_end_open request;
	struct tsr_proto_end_open_reply reply = {0};
	struct tsr_channel_other other;
	struct tsr_refusal refusal;
	struct tsr_channel_record *record;
	int error;

	memcpy(&request, packet, sizeof(request));
	record = &world.record[request.channel.name[0] - '0'];
	error = tsr_member_open(&world.member[id], record, request.side, &reply.end, &other,
	                        &refusal);
	if (error != 0)
		return error;
	reply.channel_id = record->channel.id;
	reply.offset = record->offset;
	reply.index = record->index;
	reply.capacity = record->channel.capacity;
	reply.flags = record->channel.flags;
	reply.kind = record->channel.kind;
	reply.seen = other.seen;
	reply.stream = other.stream;
	memcpy(reply_packet, &reply, sizeof(reply));
	return 0;
}

static int
outside_close(uint16_t id, void const *packet)
{
	struct tsr_proto_end_close request;
	struct tsr_upkeep upkeep = {.channels = false};
	struct tsr_refusal refusal;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = tsr_member_close(&world.member[id], request.end, &upkeep, &refusal);
	world_trim();
	return error;
}

static int
outside_detach(uint16_t id)
{
	struct tsr_map const *const map = &world.realm.map;
	uint32_t work = UINT32_MAX;
	int const error = tsr_member_repair(&world.member[id], false, &work);

	(void)tsr_reaper_region(map, map->tickets_count, WORLD_REGION, true);
	world_trim();
	world.living[id] = false;
	return error;
}

/* The daemon lives: a client that dies while it asks does not stop it halfway. */
int
__wrap_tsr_control_ask(struct tsr_control *control, uint16_t type, void *request,
                       size_t request_bytes, void *reply, size_t reply_bytes, size_t *got,
                       uint64_t deadline_ns)
{
	uint16_t const id = outside_client(control);
	int error;

	(void)request_bytes;
	(void)reply_bytes;
	(void)got;
	(void)deadline_ns;
	actor_pause();
	world.daemon_works = true;
	switch (type) {
	case TSR_PROTO_END_OPEN:
		error = outside_open(id, request, reply);
		break;
	case TSR_PROTO_END_CLOSE:
		error = outside_close(id, request);
		break;
	case TSR_PROTO_SHARED_SETTLE:
		tsr_reaper_settle(&world.realm.map);
		error = 0;
		break;
	case TSR_PROTO_DETACH:
		error = outside_detach(id);
		break;
	default:
		world_give_up("nobody answers this request");
	}
	world.daemon_works = false;
	actor_resume();
	return error;
}

void
__wrap_tsr_control_close(struct tsr_control *control)
{
	(void)control;
}

uint64_t
__wrap_tsr_now_ns(void)
{
	/* Only who sleeps lets time pass; who spins comes to its end after a while, too. */
	if (world.now_ns != 0)
		world.now_ns += OUTSIDE_TICK_NS;
	return world.now_ns;
}

int
__wrap_tsr_futex_wait_any(struct tsr_futex const *futexes, uint32_t count, uint64_t deadline_ns)
{
	for (uint32_t i = 0; i < count; i++) {
		if ((uint32_t)atomic_load(futexes[i].word) != (uint32_t)futexes[i].expected)
			return 0;
	}
	if (deadline_ns == UINT64_MAX)
		world_give_up("somebody sleeps for ever");
	if (world.now_ns < deadline_ns)
		world.now_ns = deadline_ns;
	return -ETIMEDOUT;
}

int
__wrap_tsr_futex_wait(_Atomic uint64_t *word, uint64_t expected, uint64_t deadline_ns)
{
	struct tsr_futex const one = {.word = word, .expected = expected};

	return __wrap_tsr_futex_wait_any(&one, 1, deadline_ns);
}

int
__wrap_tsr_futex_wake(_Atomic uint64_t *word)
{
	size_t const index = (size_t)(word - (_Atomic uint64_t *)world.realm.map.tokens);

	if (index >= WORLD_TOKENS)
		world_give_up("a wake of something that is no token");
	world.woken[index] = atomic_load(word);
	return 1;
}

/* The daemon hears of every event token that is claimed by now. */
int
__wrap_tsr_event_ring(int fd)
{
	_Atomic uint64_t *const tokens = (_Atomic uint64_t *)world.realm.map.tokens;

	if (fd != WORLD_DOORBELL)
		world_give_up("somebody else's doorbell");
	/* Tokens are given out from the first on. */
	for (size_t i = 0; i < WORLD_TOKENS; i += i % TSR_TOKENS_PER_SIDE < 3 ? 1 : 61) {
		uint64_t const word = atomic_load(&tokens[i]);

		if (tsr_token_is_event(word) && tsr_token_state(word) == TSR_TOKEN_CLAIMED)
			world.woken[i] = word;
	}
	return 0;
}

int
__wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	outside_destructor = destructor;
	return __real_pthread_key_create(key, NULL);
}

void
outside_thread_ends(void *thread)
{
	outside_destructor(thread);
}

/* What the world provides stays. */
void
__wrap_free(void *memory)
{
	if (!world_owns(memory))
		__real_free(memory);
}

int
__wrap_munmap(void *memory, size_t bytes)
{
	return world_owns(memory) ? 0 : __real_munmap(memory, bytes);
}
