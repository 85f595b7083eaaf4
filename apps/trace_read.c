/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/trace_read.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/process.h"

enum read_kind {
	READ_TEXT,
	READ_NUMBER,
};

/* A key as it stands in a line, and where its value goes. */
struct read_field {
	const char *key;
	size_t offset;
	size_t bytes;
	enum read_kind kind;
};

#define READ_FIELD(key, member, kind)                                    \
	{                                                                \
		key, offsetof(struct tsr_event, member),                 \
			sizeof(((struct tsr_event *)NULL)->member), kind \
	}

static const struct read_field read_fields[] = {
	READ_FIELD("vpid", pid, READ_NUMBER),
	READ_FIELD("vtid", tid, READ_NUMBER),
	READ_FIELD("procname", process, READ_TEXT),
	READ_FIELD("realm", realm, READ_TEXT),
	READ_FIELD("name", name, READ_TEXT),
	READ_FIELD("what", what, READ_TEXT),
	READ_FIELD("where", where, READ_TEXT),
	READ_FIELD("text", text, READ_TEXT),
	READ_FIELD("error", error, READ_NUMBER),
	READ_FIELD("client", client, READ_NUMBER),
	READ_FIELD("channel", channel, READ_NUMBER),
	READ_FIELD("side", side, READ_NUMBER),
	READ_FIELD("waker", waker, READ_NUMBER),
	READ_FIELD("index", index, READ_NUMBER),
	READ_FIELD("generation", generation, READ_NUMBER),
	READ_FIELD("bytes", bytes, READ_NUMBER),
	READ_FIELD("before", before, READ_NUMBER),
	READ_FIELD("after", after, READ_NUMBER),
	READ_FIELD("repairs", repairs, READ_NUMBER),
	READ_FIELD("took_ns", took_ns, READ_NUMBER),
};

#define READ_FIELDS (sizeof(read_fields) / sizeof(read_fields[0]))

static const struct read_field *
read_find(const char *key, size_t bytes)
{
	for (size_t i = 0; i < READ_FIELDS; i++) {
		if (strncmp(read_fields[i].key, key, bytes) == 0 &&
		    read_fields[i].key[bytes] == '\0')
			return &read_fields[i];
	}
	return NULL;
}

/* "..." with escapes; @out gets as much as fits. Return: what follows it; NULL: it does not end. */
static const char *
read_text(const char *at, char *out, size_t out_bytes)
{
	size_t used = 0;

	for (at++; *at != '"'; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		if (*at == '\0')
			return NULL;
		if (used + 1 < out_bytes)
			out[used++] = *at;
	}
	if (out_bytes > 0)
		out[used] = '\0';
	return at + 1;
}

/* One value behind "KEY = ", for @field or, if that is NULL, to be passed over. */
static const char *
read_value(const char *at, const struct read_field *field, struct tsr_event *event)
{
	char *const place = field != NULL ? (char *)event + field->offset : NULL;
	char *end;

	if (*at == '"')
		return read_text(at, place,
		                 place != NULL && field->kind == READ_TEXT ? field->bytes : 0);
	if (isdigit((unsigned char)*at) || *at == '-') {
		/* Both signs, and 64 bits: what is negative keeps its bits. */
		uint64_t const number =
			*at == '-' ? (uint64_t)strtoll(at, &end, 0) : strtoull(at, &end, 0);

		if (place != NULL && field->kind == READ_NUMBER)
			memcpy(place, &number, sizeof(number));
		return end;
	}
	return at; /* the brace of a context */
}

/* Every "KEY = VALUE" of the line. */
static bool
read_pairs(const char *at, struct tsr_event *event)
{
	while (at != NULL && *at != '\0') {
		size_t bytes = 0;

		while (isalnum((unsigned char)at[bytes]) || at[bytes] == '_')
			bytes++;
		if (bytes > 0 && strncmp(at + bytes, " = ", 3) == 0)
			at = read_value(at + bytes + 3, read_find(at, bytes), event);
		else
			at += bytes > 0 ? bytes : 1;
	}
	return at != NULL;
}

/*
 * "[SECONDS.NANOSECONDS] HOST PROVIDER:EVENT: { ... }, { ... }". Return: false: it is none of ours.
 */
static bool
read_line(const char *line, struct tsr_event *event)
{
	const char *name, *colon;
	char *end;

	memset(event, 0, sizeof(*event));
	if (line[0] != '[')
		return false;
	event->at_ns = strtoull(line + 1, &end, 10) * TSR_NS_PER_SECOND;
	if (*end != '.')
		return false;
	event->at_ns += strtoull(end + 1, &end, 10);
	name = strstr(end, "tessera");
	colon = name != NULL ? strchr(name, ':') : NULL;
	if (colon == NULL)
		return false;
	event->message = strncmp(name, "tessera_msg:", 12) == 0;
	if (!event->message && strncmp(name, "tessera:", 8) != 0)
		return false;
	name = colon + 1;
	colon = strchr(name, ':');
	if (colon == NULL || (size_t)(colon - name) >= sizeof(event->event))
		return false;
	memcpy(event->event, name, (size_t)(colon - name));
	return read_pairs(colon + 1, event);
}

/* "Tracer discarded 17 events between ...": one such sentence for each gap. */
static uint64_t
read_lost(int log)
{
	char *line = NULL, *at;
	size_t room = 0;
	uint64_t lost = 0;
	FILE *said;

	if (lseek(log, 0, SEEK_SET) != 0)
		return 0;
	said = fdopen(dup(log), "r");
	while (said != NULL && getline(&line, &room, said) > 0) {
		at = strstr(line, "discarded ");
		if (at != NULL && strstr(at, " event") != NULL)
			lost += strtoull(at + strlen("discarded "), NULL, 10);
	}
	free(line);
	if (said != NULL)
		fclose(said);
	return lost;
}

static void
read_show(int log)
{
	static char text[2048];
	ssize_t const bytes = pread(log, text, sizeof(text), 0);

	if (bytes > 0)
		fwrite(text, 1, (size_t)bytes, stderr);
}

/* Start babeltrace2 with its output in a pipe. Return: an exit status. */
static int
read_spawn(const char *folder, int log, pid_t *pid, FILE **lines)
{
	const char *const argv[] = {
		"babeltrace2", "--clock-seconds", "--no-delta", "--color=never", folder, NULL};
	struct tsr_spawn spawn = {.argv = argv, .input = -1, .error = log, .tied = true};
	char *program;
	int ends[2];
	int error;

	if (tsr_process_find("babeltrace2", &program) != 0) {
		tsr_cli_warn("there is no program 'babeltrace2': install it with 'sudo apt-get "
		             "install babeltrace2'");
		return TSR_EXIT_NOT_FOUND;
	}
	if (pipe2(ends, O_CLOEXEC) != 0) {
		free(program);
		return tsr_cli_fail(-errno, "a pipe to babeltrace2");
	}
	spawn.path = program;
	spawn.output = ends[1];
	error = tsr_process_spawn(&spawn, pid);
	free(program);
	close(ends[1]);
	*lines = error == 0 ? fdopen(ends[0], "r") : NULL;
	if (*lines != NULL)
		return TSR_EXIT_OK;
	close(ends[0]);
	if (error == 0)
		(void)tsr_process_end(*pid, 0);
	return tsr_cli_fail(error != 0 ? error : -ENOMEM, "babeltrace2 can't be started");
}

static int
read_is_file(const char *path, const struct stat *found, int type, struct FTW *where)
{
	(void)path;
	(void)found;
	(void)where;
	return type == FTW_F;
}

bool
tsr_trace_is_empty(const char *folder)
{
	return nftw(folder, read_is_file, 16, FTW_PHYS) != 1;
}

int
tsr_trace_read(const char *folder, void (*take)(void *argument, const struct tsr_event *event),
               void *argument, uint64_t *lost)
{
	int const log = memfd_create("babeltrace2", MFD_CLOEXEC);
	struct tsr_event event;
	char *line = NULL;
	size_t room = 0;
	struct stat found;
	FILE *lines = NULL;
	pid_t pid = 0;
	int status;

	if (stat(folder, &found) != 0) {
		close(log);
		tsr_cli_warn("there is no trace in '%s': record one with 'tessera trace record'",
		             folder);
		return TSR_EXIT_NOT_FOUND;
	}
	if (tsr_trace_is_empty(folder)) {
		close(log);
		tsr_cli_warn("the trace in '%s' is empty: no process with TESSERA_TRACE=1 was "
		             "there",
		             folder);
		return TSR_EXIT_NOT_FOUND;
	}
	status = read_spawn(folder, log, &pid, &lines);
	if (status == 0) {
		while (getline(&line, &room, lines) > 0) {
			if (read_line(line, &event))
				take(argument, &event);
		}
		free(line);
		fclose(lines);
		*lost = read_lost(log);
		status = tsr_process_wait(pid) == 0 ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
		if (status != 0) {
			tsr_cli_warn("babeltrace2 can't read '%s'; it said:", folder);
			read_show(log);
		}
	}
	close(log);
	return status;
}
