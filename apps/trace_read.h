/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_TRACE_READ_H
#define TSR_APPS_TRACE_READ_H

/*
 * Reading a recorded trace: the events of all processes in the order of time, as the program
 * babeltrace2 tells them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"

/* Of a text that is longer, the beginning. */
#define TSR_EVENT_TEXT_BYTES 256

/* One event; members that it does not have are 0 or "". */
struct tsr_event {
	uint64_t at_ns; /* wall clock */
	char event[24]; /* "attach", "send": its name without the provider's */
	bool message;   /* of tessera_msg */
	/* Who. */
	char process[24];
	int64_t pid;
	int64_t tid;
	/* Its fields, by their names. */
	char realm[64];
	char name[64];
	char what[24];
	char where[64];
	char text[TSR_EVENT_TEXT_BYTES];
	int64_t error;
	uint64_t client;
	uint64_t channel;
	uint64_t side;
	uint64_t waker;
	uint64_t index;
	uint64_t generation;
	uint64_t bytes;
	uint64_t before;
	uint64_t after;
	uint64_t repairs;
	uint64_t took_ns;
};

/* tsr_trace_is_empty - no traced process has written into this folder. */
bool tsr_trace_is_empty(const char *folder);

/*
 * tsr_trace_read - hand every event to @take
 * @folder:	what was recorded
 * @lost:	how many events the tracer says that it had no room for
 *
 * Return: an exit status; what failed is said.
 */
TSR_MUST_CHECK
int tsr_trace_read(const char *folder, void (*take)(void *argument, const struct tsr_event *event),
                   void *argument, uint64_t *lost);

#endif /* TSR_APPS_TRACE_READ_H */
