/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_TRACE_H
#define TSR_APPS_TRACE_H

/*
 * The three verbs of `tessera trace`. Each returns an exit status, and says what failed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"

#define TSR_TRACE_FOLDER_DEFAULT "tessera-trace"

struct tsr_trace_record {
	const char *folder;    /* where to; must not exist. NULL: keep what is newest in memory */
	char **program;        /* NULL: those that run */
	uint64_t limit_ns;     /* stop after so long; 0: when the program ends, or at Ctrl-C */
	uint64_t buffer_bytes; /* per CPU */
	uint64_t sample;       /* one ticket in so many */
	bool messages;
};

TSR_MUST_CHECK
int tsr_trace_record(const struct tsr_trace_record *record);

struct tsr_trace_show {
	const char *folder;
	uint64_t ticket;     /* its index; UINT64_MAX: a summary */
	uint64_t generation; /* at any step of the life; UINT64_MAX: all lives */
	bool events;         /* those that are not of messages */
};

TSR_MUST_CHECK
int tsr_trace_show(const struct tsr_trace_show *show);

TSR_MUST_CHECK
int tsr_trace_export(const char *folder, const char *file);

#endif /* TSR_APPS_TRACE_H */
