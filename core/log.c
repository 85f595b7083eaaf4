/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shm/tessera.h"

#define LOG_LINE_BYTES 1024

static bool log_journal;
static atomic_int log_level = TSR_LOG_INFO;

static const struct {
	const char *name;
	enum tsr_log_level level;
} log_names[] = {
	{"error", TSR_LOG_ERROR}, {"warning", TSR_LOG_WARNING}, {"notice", TSR_LOG_NOTICE},
	{"info", TSR_LOG_INFO},   {"debug", TSR_LOG_DEBUG},
};

#define LOG_NAMES (sizeof(log_names) / sizeof(log_names[0]))

/* Is standard error the stream that the journal says it reads ("device:inode")? */
static bool
log_is_journal(void)
{
	const char *const stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char expected[64];

	if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
		return false;
	(void)snprintf(expected, sizeof(expected), "%llu:%llu", (unsigned long long)status.st_dev,
	               (unsigned long long)status.st_ino);
	return strcmp(stream, expected) == 0;
}

void
tsr_log_open(enum tsr_log_level level)
{
	log_journal = log_is_journal();
	tsr_log_level_set(level);
}

void
tsr_log_level_set(enum tsr_log_level level)
{
	/* private: between the threads of the daemon */
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

int
tsr_log_level_find(const char *name, enum tsr_log_level *out)
{
	for (size_t i = 0; i < LOG_NAMES; i++) {
		if (strcmp(log_names[i].name, name) == 0) {
			*out = log_names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

const char *
tsr_log_level_name(enum tsr_log_level level)
{
	for (size_t i = 0; i < LOG_NAMES; i++) {
		if (log_names[i].level == level)
			return log_names[i].name;
	}
	return "?";
}

/* What stands before the text. */
static size_t
log_prefix(char *line, size_t bytes, enum tsr_log_level level)
{
	struct timespec now;
	struct tm local;
	char when[32];
	int length;

	if (log_journal) {
		length = snprintf(line, bytes, "<%d>", (int)level);
		return length < 0 ? 0 : (size_t)length;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (localtime_r(&now.tv_sec, &local) == NULL ||
	    strftime(when, sizeof(when), "%H:%M:%S", &local) == 0)
		when[0] = '\0';
	length = snprintf(line, bytes, "%s.%03ld tesserad %s: ", when, now.tv_nsec / 1000000,
	                  tsr_log_level_name(level));
	return length < 0 ? 0 : (size_t)length;
}

static void log_write(enum tsr_log_level level, const char *format, va_list args) TSR_PRINTF(2, 0);

static void
log_write(enum tsr_log_level level, const char *format, va_list args)
{
	char line[LOG_LINE_BYTES];
	size_t used = log_prefix(line, sizeof(line), level);
	int const length = vsnprintf(line + used, sizeof(line) - used - 1, format, args);

	if (length < 0)
		return;
	used += (size_t)length < sizeof(line) - used - 1 ? (size_t)length : sizeof(line) - used - 2;
	/* One event, one line: what a client chose can't forge another. */
	for (size_t i = 0; i < used; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere to complain */
}

bool
tsr_log_shows(enum tsr_log_level level)
{
	/* private: between the threads of the daemon */
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

void
tsr_log(enum tsr_log_level level, const char *format, ...)
{
	va_list args;

	if (!tsr_log_shows(level))
		return;
	va_start(args, format);
	log_write(level, format, args);
	va_end(args);
}
