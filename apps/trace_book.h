/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_TRACE_BOOK_H
#define TSR_APPS_TRACE_BOOK_H

/*
 * A trace in memory: the lives of tickets, put together from the events of all processes; the
 * channels, with how long each stage took; and everything else that happened.
 *
 * A life goes from alloc to release, over any number of channels. Its steps are told apart by the
 * generation of the ticket, which each receive and each release moves on: what does not continue a
 * life begins another one. A life without its beginning or its end is cut: it was under way when
 * the recording began or ended, events were lost, or the sample changed over (see shm/trace.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/latency.h"
#include "apps/trace_read.h"

#define TSR_BOOK_NONE UINT32_MAX

enum tsr_step_kind {
	TSR_STEP_ALLOC,
	TSR_STEP_SEND,
	TSR_STEP_RECEIVE,
	TSR_STEP_RELEASE,
	TSR_STEP_RESTORE, /* the reaper gave it back to the channel */
	TSR_STEP_REAP,    /* the reaper freed it */
};

struct tsr_step {
	uint64_t at_ns;
	int64_t tid;
	uint32_t process; /* of tsr_book.process */
	uint32_t channel; /* of tsr_book.channel; TSR_BOOK_NONE */
	uint32_t next;    /* of tsr_book.step; TSR_BOOK_NONE */
	uint16_t client;
	uint8_t kind; /* enum tsr_step_kind */
};

struct tsr_life {
	uint64_t generation; /* at its first step */
	uint64_t now;        /* at its last */
	uint64_t bytes;      /* that were asked for; 0: not known */
	uint32_t realm;      /* of tsr_book.realm */
	uint32_t ticket;
	uint32_t first; /* of tsr_book.step */
	uint32_t last;
	bool complete;
};

/* From one step to the next, and from the first to the last. */
enum tsr_stage {
	TSR_STAGE_WRITE,  /* alloc to send */
	TSR_STAGE_TRAVEL, /* send to receive */
	TSR_STAGE_USE,    /* receive to release, or to the next send */
	TSR_STAGE_LIFE,   /* alloc to release; of the first channel */
	TSR_STAGES,
};

struct tsr_book_channel {
	uint32_t realm;
	uint64_t id;
	char name[64]; /* "#ID" if the trace does not say */
	uint64_t sends;
	uint64_t receives;
	uint64_t sleeps;
	struct tsr_latency stage[TSR_STAGES];
};

struct tsr_book_process {
	int64_t pid;
	char name[64]; /* of the client, or of the process */
};

struct tsr_book_realm {
	char name[64];
	uint32_t *open; /* the life of each ticket, [tickets] */
	size_t tickets;
};

struct tsr_book {
	struct tsr_life *life;
	struct tsr_step *step;
	struct tsr_book_channel *channel;
	struct tsr_book_process *process;
	struct tsr_book_realm *realm;
	struct tsr_event *other; /* all that is not of a message */
	size_t lives, steps, channels, processes, realms, others;
	size_t lives_room, steps_room, channels_room, processes_room, realms_room, others_room;
	uint64_t events;
	uint64_t lost;
	uint64_t first_ns;
	uint64_t last_ns;
	uint64_t complete; /* lives */
};

/* tsr_book_read - all of a trace. Return: an exit status; what failed is said. */
TSR_MUST_CHECK
int tsr_book_read(struct tsr_book *book, const char *folder);

void tsr_book_free(struct tsr_book *book);

/* "alloc", "send", ... */
const char *tsr_step_name(enum tsr_step_kind kind);

#endif /* TSR_APPS_TRACE_BOOK_H */
