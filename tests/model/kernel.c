/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * What the sources ask the system for, instead of shm/access.c, clock.c, client.c and control.c:
 * sleeping and waking as the kernel's futex does it, membarrier, a clock that stands still, and the
 * control socket as a request that the modelled daemon answers.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "shm/clock.h"
#include "shm/control.h"
#include "shm/proto.h"
#include "tests/model/hook.h"
#include "tests/model/model.h"

struct tsr_process *tsr_process;
pthread_mutex_t tsr_process_lock;

uint64_t
tsr_now_ns(void)
{
	return 0;
}

uint64_t
tsr_deadline_in_ms(uint64_t ms)
{
	return ms * 1000000;
}

/* Handles never repeat in the product; here they must not depend on the path. */
uint64_t
tsr_handle_new(uint32_t index)
{
	return (UINT64_C(1) << TSR_HANDLE_INDEX_BITS) | index;
}

const char *
tsr_last_hint(void)
{
	return "";
}

void
tsr_hint_set(const char *format, ...)
{
	(void)format;
}

int
tsr_membarrier(void)
{
	if (model.current == NULL || !model.tso)
		return 0;
	model_yield(MODEL_MEMBARRIER, 0, 0, __builtin_return_address(0));
	if (model.tracing)
		model_trace_note(model.current->number, "membarrier");
	return 0;
}

/* Locks and conditions, by their number, as of those that were used so far. */
#define KERNEL_CONDITION 0xffffff00U

static unsigned
kernel_number(void const *address)
{
	static void const *known[MODEL_LOCKS];
	unsigned i = 0;

	while (i < MODEL_LOCKS && known[i] != NULL && known[i] != address)
		i++;
	if (i == MODEL_LOCKS)
		abort();
	known[i] = address;
	return i;
}

/* Nobody else wants the locks of a process with one thread. */
static bool
kernel_alone(void)
{
	struct model_process const *const self = model.current;

	if (self == NULL)
		return true;
	for (unsigned i = 1; i < model.processes; i++) {
		if (&model.process[i] != self && model.process[i].leader == self->leader)
			return false;
	}
	return true;
}

int
model_lock(void const *mutex)
{
	unsigned const i = kernel_alone() ? 0 : kernel_number(mutex);

	if (kernel_alone())
		return 0;
	model_yield(MODEL_LOCK, i, 0, __builtin_return_address(0));
	if (model.tracing)
		model_trace_note(model.current->number, "has lock %u", i);
	model_set(&model.ghost->locked[i], model.current->number);
	return 0;
}

int
model_unlock(void const *mutex)
{
	if (!kernel_alone())
		model_set(&model.ghost->locked[kernel_number(mutex)], 0);
	return 0;
}

int
model_cond_wait(void const *condition, void const *mutex)
{
	struct model_process *const self = model.current;
	uint64_t const asleep_on = KERNEL_CONDITION + kernel_number(condition);

	(void)model_unlock(mutex);
	model_set(&model.ghost->status[self->number], MODEL_ASLEEP);
	model_set(&model.ghost->asleep_on[self->number], asleep_on | asleep_on << 32);
	self->now.timed = 0;
	model_yield(MODEL_SLEEP, 0, 0, __builtin_return_address(0));
	return model_lock(mutex);
}

/* They need the lock, which the caller has: this is no step by itself. */
int
model_cond_broadcast(void const *condition)
{
	for (unsigned i = 1; !kernel_alone() && i < model.processes; i++) {
		if (model.ghost->status[i] != MODEL_ASLEEP ||
		    (uint32_t)model.ghost->asleep_on[i] !=
		            KERNEL_CONDITION + kernel_number(condition))
			continue;
		model_set(&model.ghost->status[i], MODEL_RUNS);
		model_set(&model.ghost->asleep_on[i], 0);
	}
	return 0;
}

pthread_t
model_self(void)
{
	return model.current != NULL ? model.current->number : 0;
}

/* An asker names its reply channel after itself. */
int
tsr_client_info(struct tsr_client client, struct tsr_client_info *info)
{
	struct tsr_attachment const *const attachment = tsr_attachment_get(client);

	if (attachment == NULL)
		return -ENOTCONN;
	info->client_id = attachment->me;
	return 0;
}

/* Does none of them differ from what the sleeper takes it for? */
static bool
kernel_unchanged(struct tsr_futex const *futexes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t const word = model_memory_word(futexes[i].word);
		uint64_t const now = model_memory_look(word);

		if ((uint32_t)now == (uint32_t)futexes[i].expected)
			continue;
		if (model.tracing)
			model_trace_access("futex wait: changed", word, now,
			                   __builtin_return_address(0));
		return false;
	}
	return true;
}

/* The kernel looks at all words under its locks: in one step. */
int
tsr_futex_wait_any(struct tsr_futex const *futexes, uint32_t count, uint64_t deadline_ns)
{
	struct model_process *const self = model.current;
	uint32_t const first = model_memory_word(futexes[0].word);
	uint32_t const last = model_memory_word(futexes[count - 1].word);

	if (count > 2)
		model_violate("process %u sleeps on %u words", self->number, count);
	self->now.timed = deadline_ns != UINT64_MAX;
	model_yield(MODEL_WAIT, first, futexes[0].expected, __builtin_return_address(0));
	if (!kernel_unchanged(futexes, count))
		return 0;
	for (uint32_t i = 0; i < count && model.tracing; i++)
		model_trace_access("sleeps on", model_memory_word(futexes[i].word),
		                   futexes[i].expected, __builtin_return_address(0));
	model_set(&model.ghost->status[self->number], MODEL_ASLEEP);
	model_set(&model.ghost->asleep_on[self->number], first | (uint64_t)last << 32);
	self->now.answer = 0;
	model_yield(MODEL_SLEEP, first, 0, __builtin_return_address(0));
	if (model.tracing)
		model_trace_note(self->number, self->now.answer != 0 ? "time is up" : "wakes up");
	return self->now.answer != 0 ? -ETIMEDOUT : 0;
}

int
tsr_futex_wait(_Atomic uint64_t *futex, uint64_t expected, uint64_t deadline_ns)
{
	struct tsr_futex const one = {.word = futex, .expected = expected};

	return tsr_futex_wait_any(&one, 1, deadline_ns);
}

static bool
kernel_sleeps_on(unsigned number, uint32_t word)
{
	uint64_t const words = model.ghost->asleep_on[number];

	return model.ghost->status[number] == MODEL_ASLEEP &&
	       ((uint32_t)words == word || words >> 32 == word);
}

int
tsr_futex_wake(_Atomic uint64_t *futex)
{
	uint32_t const word = model_memory_word(futex);
	int woken = 0;

	if (model.current == NULL)
		return 0;
	model_yield(MODEL_WAKE, word, 0, __builtin_return_address(0));
	for (unsigned i = 1; i < model.processes; i++) {
		if (!kernel_sleeps_on(i, word))
			continue;
		model_set(&model.ghost->status[i], MODEL_RUNS);
		model_set(&model.ghost->asleep_on[i], 0);
		woken++;
	}
	if (model.tracing)
		model_trace_access("futex wake", word, (uint64_t)woken,
		                   __builtin_return_address(0));
	return woken;
}

/* Nobody waits by descriptor here, so no token is the daemon's. */
int
tsr_event_ring(int fd)
{
	(void)fd;
	return -ENOSYS;
}

void
tsr_event_drop(struct tsr_attachment *attachment, struct tsr_event_own *event)
{
	(void)attachment;
	(void)event;
}

static int
kernel_reply_open(void *reply, unsigned number, uint64_t words, uint64_t stream)
{
	struct tsr_channel_record const *const record = model_channel(number);
	struct tsr_channel const *const channel = &record->channel;

	*(struct tsr_proto_end_open_reply *)reply = (struct tsr_proto_end_open_reply){
		.channel_id = channel->id,
		.offset = record->offset,
		.index = record->index,
		.capacity = channel->capacity,
		.flags = channel->flags,
		.kind = channel->kind,
		.end = (uint32_t)words,
		.seen = (uint32_t)(words >> 32),
		.stream = stream,
	};
	return 0;
}

/* The argument of a request: side, and channel << 8, of an end to open; the number of an end to
 * close. */
static uint64_t
kernel_argument(uint16_t type, void const *request)
{
	struct tsr_proto_end_open const *const open = request;

	if (type == TSR_PROTO_END_OPEN)
		return open->side | (strcmp(open->channel.name, "model") != 0 ? 1U << 8 : 0);
	return ((struct tsr_proto_end_close const *)request)->end;
}

static unsigned
kernel_who(struct tsr_control const *control)
{
	unsigned number = 1;

	while (number < model.processes && &model.process[number].attachment->control != control)
		number++;
	return number;
}

int
tsr_control_ask(struct tsr_control *control, uint16_t type, void *request, size_t request_bytes,
                void *reply, size_t reply_bytes, size_t *got, uint64_t deadline_ns)
{
	unsigned const number = kernel_who(control);
	uint64_t const argument = kernel_argument(type, request);
	uint64_t words = 0, stream = 0;

	(void)request_bytes, (void)reply_bytes, (void)got, (void)deadline_ns;
	if (model.current == NULL) {
		/* Setting up: the daemon answers at once. */
		int const error = model_daemon_open(number, (unsigned)(argument >> 8),
		                                    (uint32_t)(argument & 0xff), &words, &stream);

		return error != 0
		               ? error
		               : kernel_reply_open(reply, (unsigned)(argument >> 8), words, stream);
	}
	model_yield(MODEL_CALL, 0, type, __builtin_return_address(0));
	model_set(&model.ghost->request[number], type | argument << 16);
	model_set(&model.ghost->status[number], MODEL_ASKS);
	model_yield(MODEL_REPLY, 0, type, __builtin_return_address(0));
	words = model.ghost->reply[number];
	stream = model.ghost->reply_stream[number];
	model_set(&model.ghost->reply[number], 0);
	model_set(&model.ghost->reply_stream[number], 0);
	if (words == UINT64_MAX)
		return -EPROTO;
	return type == TSR_PROTO_END_OPEN
	               ? kernel_reply_open(reply, (unsigned)(argument >> 8), words, stream)
	               : 0;
}
