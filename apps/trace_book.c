/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/trace_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "shm/zdesc.h"

static _Noreturn void
book_no_memory(void)
{
	tsr_cli_warn("out of memory: record for a shorter time, or sample");
	exit(TSR_EXIT_RUNTIME);
}

/* Room for one more, at least; ends the program where there is no memory. */
static void *
book_grow(void *array, size_t count, size_t *room, size_t bytes)
{
	void *more;

	if (count < *room)
		return array;
	*room = *room == 0 ? 64 : 2 * *room;
	more = reallocarray(array, *room, bytes);
	if (more == NULL)
		book_no_memory();
	return more;
}

#define BOOK_PUSH(book, member, members)                                                      \
	((book)->member = book_grow((book)->member, (book)->members, &(book)->members##_room, \
	                            sizeof((book)->member[0])),                               \
	 &(book)->member[(book)->members++])

const char *
tsr_step_name(enum tsr_step_kind kind)
{
	static const char *const names[] = {"alloc",   "send",    "receive",
	                                    "release", "restore", "reap"};

	return names[kind];
}

static uint32_t
book_realm(struct tsr_book *book, const char *name)
{
	struct tsr_book_realm *realm;

	for (uint32_t i = 0; i < book->realms; i++) {
		if (strcmp(book->realm[i].name, name) == 0)
			return i;
	}
	realm = BOOK_PUSH(book, realm, realms);
	*realm = (struct tsr_book_realm){.open = NULL};
	snprintf(realm->name, sizeof(realm->name), "%s", name);
	return (uint32_t)(book->realms - 1);
}

static uint32_t
book_process(struct tsr_book *book, int64_t pid, const char *name)
{
	struct tsr_book_process *process;

	for (uint32_t i = 0; i < book->processes; i++) {
		if (book->process[i].pid == pid)
			return i;
	}
	process = BOOK_PUSH(book, process, processes);
	process->pid = pid;
	snprintf(process->name, sizeof(process->name), "%s", name);
	return (uint32_t)(book->processes - 1);
}

/* Its place, by the index in its id: most traces have few channels, and their ids are dense. */
static uint32_t
book_channel(struct tsr_book *book, uint32_t realm, uint64_t id)
{
	struct tsr_book_channel *channel;

	for (uint32_t i = 0; i < book->channels; i++) {
		if (book->channel[i].id == id && book->channel[i].realm == realm)
			return i;
	}
	channel = BOOK_PUSH(book, channel, channels);
	*channel = (struct tsr_book_channel){.realm = realm, .id = id};
	snprintf(channel->name, sizeof(channel->name), "#%llu", (unsigned long long)id);
	return (uint32_t)(book->channels - 1);
}

/* Where the life of a ticket that is under way is kept. */
static uint32_t *
book_open(struct tsr_book *book, uint32_t realm, uint64_t ticket)
{
	struct tsr_book_realm *const r = &book->realm[realm];
	size_t const before = r->tickets;

	if (ticket > TSR_TICKETS_MAX)
		ticket = TSR_TICKETS_MAX;
	if (ticket >= before) {
		r->tickets = ticket + 1 > 2 * before ? ticket + 1 : 2 * before;
		r->open = reallocarray(r->open, r->tickets, sizeof(r->open[0]));
		if (r->open == NULL)
			book_no_memory();
		memset(&r->open[before], 0xff, (r->tickets - before) * sizeof(r->open[0]));
	}
	return &r->open[ticket];
}

static uint32_t
book_begin(struct tsr_book *book, uint32_t realm, const struct tsr_event *event)
{
	struct tsr_life *const life = BOOK_PUSH(book, life, lives);

	*life = (struct tsr_life){.generation = event->generation,
	                          .now = event->generation,
	                          .realm = realm,
	                          .ticket = (uint32_t)event->index,
	                          .first = TSR_BOOK_NONE,
	                          .last = TSR_BOOK_NONE};
	return (uint32_t)(book->lives - 1);
}

/* From the last step to this one, it took so long. */
static void
book_time(struct tsr_book *book, const struct tsr_life *life, const struct tsr_step *step)
{
	const struct tsr_step *const before = &book->step[life->last];
	uint64_t const took = step->at_ns > before->at_ns ? step->at_ns - before->at_ns : 0;
	uint32_t channel = step->channel != TSR_BOOK_NONE ? step->channel : before->channel;
	enum tsr_stage stage;

	if (before->kind == TSR_STEP_ALLOC && step->kind == TSR_STEP_SEND)
		stage = TSR_STAGE_WRITE;
	else if (before->kind == TSR_STEP_SEND && step->kind == TSR_STEP_RECEIVE)
		stage = TSR_STAGE_TRAVEL;
	else if (before->kind == TSR_STEP_RECEIVE)
		stage = TSR_STAGE_USE, channel = before->channel;
	else
		return;
	if (channel != TSR_BOOK_NONE &&
	    tsr_latency_add(&book->channel[channel].stage[stage], took) != 0)
		book_no_memory();
}

static void
book_step(struct tsr_book *book, uint32_t number, enum tsr_step_kind kind, uint32_t channel,
          const struct tsr_event *event)
{
	struct tsr_life *const life = &book->life[number];
	struct tsr_step *const step = BOOK_PUSH(book, step, steps);
	uint32_t const index = (uint32_t)(book->steps - 1);

	*step = (struct tsr_step){.at_ns = event->at_ns,
	                          .tid = event->tid,
	                          .process = book_process(book, event->pid, event->process),
	                          .channel = channel,
	                          .next = TSR_BOOK_NONE,
	                          .client = (uint16_t)event->client,
	                          .kind = (uint8_t)kind};
	if (life->last != TSR_BOOK_NONE) {
		book_time(book, life, step);
		book->step[life->last].next = index;
	} else {
		life->first = index;
	}
	life->last = index;
}

/* It ends with its last step. */
static void
book_end(struct tsr_book *book, uint32_t number)
{
	struct tsr_life *const life = &book->life[number];
	const struct tsr_step *const first = &book->step[life->first];
	uint64_t const took = book->step[life->last].at_ns - first->at_ns;

	if (first->kind != TSR_STEP_ALLOC)
		return;
	life->complete = true;
	book->complete++;
	if (first->next != TSR_BOOK_NONE && book->step[first->next].channel != TSR_BOOK_NONE &&
	    tsr_latency_add(&book->channel[book->step[first->next].channel].stage[TSR_STAGE_LIFE],
	                    took) != 0)
		book_no_memory();
}

/* The life that @event continues, or a new one. */
static uint32_t
book_continue(struct tsr_book *book, uint32_t realm, enum tsr_step_kind kind,
              const struct tsr_event *event)
{
	uint32_t *const open = book_open(book, realm, event->index);
	uint64_t const before = kind == TSR_STEP_RECEIVE
	                                ? (event->generation - 1) & TSR_GENERATION_MASK
	                                : event->generation;

	if (*open == TSR_BOOK_NONE || kind == TSR_STEP_ALLOC || book->life[*open].now != before)
		*open = book_begin(book, realm, event);
	book->life[*open].now = event->generation;
	return *open;
}

static void
book_message(struct tsr_book *book, const struct tsr_event *event)
{
	static const char *const names[] = {"alloc", "send", "receive", "release"};
	uint32_t const realm = book_realm(book, event->realm);
	uint32_t channel = TSR_BOOK_NONE, life;
	uint32_t kind = 0;

	while (kind <= TSR_STEP_RELEASE && strcmp(names[kind], event->event) != 0)
		kind++;
	if (kind > TSR_STEP_RELEASE)
		return;
	if (kind == TSR_STEP_SEND || kind == TSR_STEP_RECEIVE) {
		channel = book_channel(book, realm, event->channel);
		book->channel[channel].sends += kind == TSR_STEP_SEND;
		book->channel[channel].receives += kind == TSR_STEP_RECEIVE;
	}
	life = book_continue(book, realm, kind, event);
	if (kind == TSR_STEP_ALLOC)
		book->life[life].bytes = event->bytes;
	book_step(book, life, kind, channel, event);
	if (kind == TSR_STEP_RELEASE) {
		book_end(book, life);
		*book_open(book, realm, event->index) = TSR_BOOK_NONE;
	}
}

/* A repair of a ticket continues or ends its life, if it is known. */
static void
book_reap(struct tsr_book *book, const struct tsr_event *event)
{
	uint32_t const realm = book_realm(book, event->realm);
	uint32_t *open;

	if (strcmp(event->what, "ticket") != 0)
		return;
	open = book_open(book, realm, event->index);
	if (*open == TSR_BOOK_NONE || book->life[*open].now != tsr_word_generation(event->before))
		return;
	if (tsr_word_holder(event->after) == TSR_HOLDER_CHANNEL) {
		book->life[*open].now = tsr_word_generation(event->after);
		book_step(book, *open, TSR_STEP_RESTORE, TSR_BOOK_NONE, event);
		return;
	}
	book_step(book, *open, TSR_STEP_REAP, TSR_BOOK_NONE, event);
	book_end(book, *open);
	*open = TSR_BOOK_NONE;
}

static void
book_other(struct tsr_book *book, const struct tsr_event *event)
{
	uint32_t const realm = event->realm[0] != '\0' ? book_realm(book, event->realm) : 0;
	uint32_t const process = book_process(book, event->pid, event->process);

	*BOOK_PUSH(book, other, others) = *event;
	if (strcmp(event->event, "attach") == 0)
		snprintf(book->process[process].name, sizeof(book->process[process].name), "%s",
		         event->name);
	if (strcmp(event->event, "open") == 0 || strcmp(event->event, "block") == 0) {
		uint32_t const number = book_channel(book, realm, event->channel);
		struct tsr_book_channel *const channel = &book->channel[number];

		snprintf(channel->name, sizeof(channel->name), "%s", event->name);
		channel->sleeps += event->event[0] == 'b';
	}
	if (strcmp(event->event, "reap") == 0)
		book_reap(book, event);
}

static void
book_take(void *argument, const struct tsr_event *event)
{
	struct tsr_book *const book = argument;

	if (book->events++ == 0)
		book->first_ns = event->at_ns;
	book->last_ns = event->at_ns;
	if (event->message)
		book_message(book, event);
	else
		book_other(book, event);
}

int
tsr_book_read(struct tsr_book *book, const char *folder)
{
	*book = (struct tsr_book){.life = NULL};
	return tsr_trace_read(folder, book_take, book, &book->lost);
}

void
tsr_book_free(struct tsr_book *book)
{
	for (size_t i = 0; i < book->channels; i++) {
		for (size_t s = 0; s < TSR_STAGES; s++)
			tsr_latency_free(&book->channel[i].stage[s]);
	}
	for (size_t i = 0; i < book->realms; i++)
		free(book->realm[i].open);
	free(book->life);
	free(book->step);
	free(book->channel);
	free(book->process);
	free(book->realm);
	free(book->other);
}
