/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_TRACE_SESSION_H
#define TSR_APPS_TRACE_SESSION_H

/*
 * A recording session of LTTng, made and ended by its program `lttng`: user space only, so it needs
 * no kernel modules and no rights.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/compiler.h"

struct tsr_session {
	char name[32];
	char *lttng;    /* path of the program */
	pid_t daemon;   /* lttng-sessiond, if we started it; 0: another one runs */
	int daemon_log; /* what it says; -1: none */
	bool created;
};

struct tsr_session_options {
	const char *folder;    /* absolute; must not exist. NULL: what is newest stays in memory,
	                        * for who asks LTTng for it: core/postmortem.h */
	uint64_t buffer_bytes; /* per CPU and set of events */
	uint64_t sample;       /* one ticket in so many; 1: all */
	bool messages;         /* the events tessera_msg:* too */
};

/*
 * tsr_session_begin - start recording, with a session daemon of our own if none runs
 *
 * Return: an exit status; what failed is said, and nothing is left.
 */
TSR_MUST_CHECK
int tsr_session_begin(struct tsr_session *session, const struct tsr_session_options *options);

/* tsr_session_end - stop, wait for the data, and end what was started. Return: an exit status. */
TSR_MUST_CHECK
int tsr_session_end(struct tsr_session *session);

#endif /* TSR_APPS_TRACE_SESSION_H */
