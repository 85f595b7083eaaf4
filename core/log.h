/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_LOG_H
#define TSR_CORE_LOG_H

/*
 * The log: one line per event, to standard error.
 *
 * Bytes	with the journal behind standard error each line begins with <N>, its priority; else
 *		with the time and the level in words.
 * Progress	one write(2) a line, no lock; lines of several threads don't mix.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"

enum tsr_log_level {
	TSR_LOG_ERROR = 3, /* numbers as in syslog(3) */
	TSR_LOG_WARNING = 4,
	TSR_LOG_NOTICE = 5,
	TSR_LOG_INFO = 6,
	TSR_LOG_DEBUG = 7,
};

/* tsr_log_open - look where standard error goes; call once, before threads. */
void tsr_log_open(enum tsr_log_level level);

void tsr_log_level_set(enum tsr_log_level level);

/* tsr_log_shows - whether lines of that level are written. */
bool tsr_log_shows(enum tsr_log_level level);

/* tsr_log_level_name - "info". */
const char *tsr_log_level_name(enum tsr_log_level level);

/* tsr_log_level_find - a level by its name. Return: 0; -EINVAL. */
TSR_MUST_CHECK
int tsr_log_level_find(const char *name, enum tsr_log_level *out);

/* tsr_log - write one line. Context: any thread, not a signal handler; may block on the terminal.
 * */
void tsr_log(enum tsr_log_level level, const char *format, ...) TSR_PRINTF(2, 3);

#endif /* TSR_CORE_LOG_H */
