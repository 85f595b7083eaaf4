/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* tessera trace record: a session of LTTng around a program, or for those that run. */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/process.h"
#include "apps/trace.h"
#include "apps/trace_read.h"
#include "apps/trace_session.h"

#define RECORD_END_MS 5000

/* The absolute path of a folder that is not there yet; the caller frees it. */
static int
record_folder(const char *name, char **folder)
{
	char *here = name[0] == '/' ? strdup("") : get_current_dir_name();
	struct stat found;
	int made;

	if (lstat(name, &found) == 0) {
		free(here);
		tsr_cli_warn("'%s' is there already: remove it, or name another with --output",
		             name);
		return TSR_EXIT_USAGE;
	}
	made = here != NULL ? asprintf(folder, "%s%s%s", here, name[0] == '/' ? "" : "/", name)
	                    : -1;
	free(here);
	return made < 0 ? tsr_cli_fail(-ENOMEM, "'%s'", name) : TSR_EXIT_OK;
}

/* What the program will find in its environment. */
static int
record_environment(const struct tsr_trace_record *record)
{
	char sample[24];

	snprintf(sample, sizeof(sample), "%llu", (unsigned long long)record->sample);
	if (setenv("TESSERA_TRACE", "1", 1) != 0 || setenv("TESSERA_TRACE_SAMPLE", sample, 1) != 0)
		return tsr_cli_fail(-errno, "the environment");
	return TSR_EXIT_OK;
}

static int
record_spawn(char **program, pid_t *pid)
{
	struct tsr_spawn spawn = {.argv = (const char *const *)program,
	                          .input = STDIN_FILENO,
	                          .output = STDOUT_FILENO,
	                          .error = STDERR_FILENO,
	                          .tied = true};
	char *found = NULL;
	int error = 0;

	if (strchr(program[0], '/') != NULL)
		spawn.path = program[0];
	else if ((error = tsr_process_find(program[0], &found)) == 0)
		spawn.path = found;
	if (error == 0 && access(spawn.path, X_OK) != 0)
		error = -errno;
	if (error == 0)
		error = tsr_process_spawn(&spawn, pid);
	free(found);
	if (error == 0)
		return TSR_EXIT_OK;
	tsr_cli_warn("'%s' can't be started: %s", program[0], strerror(-error));
	return error == -ENOENT ? TSR_EXIT_NOT_FOUND : TSR_EXIT_RUNTIME;
}

static struct timespec
record_left(uint64_t deadline_ns)
{
	uint64_t const now = tsr_now_ns();
	uint64_t const left = deadline_ns > now ? deadline_ns - now : 0;

	return (struct timespec){.tv_sec = (time_t)(left / TSR_NS_PER_SECOND),
	                         .tv_nsec = (long)(left % TSR_NS_PER_SECOND)};
}

/*
 * Until the program has ended, the time is up or somebody stops us. The signals are blocked.
 * Return: the program's status; 0 if there is none, or we ended it.
 */
static int
record_wait(const struct tsr_trace_record *record, pid_t pid, const sigset_t *signals)
{
	uint64_t const deadline =
		record->limit_ns != 0 ? tsr_now_ns() + record->limit_ns : UINT64_MAX;
	int status = 0;

	for (;;) {
		struct timespec const left = record_left(deadline);
		int const number = deadline == UINT64_MAX ? sigwaitinfo(signals, NULL)
		                                          : sigtimedwait(signals, NULL, &left);

		if (pid != 0 && tsr_process_ended(pid, &status))
			return status;
		if (number == SIGINT || number == SIGTERM || (number < 0 && errno == EAGAIN))
			break;
	}
	if (pid != 0)
		(void)tsr_process_end(pid, RECORD_END_MS);
	return 0;
}

static void
record_tell(const char *folder, bool messages)
{
	if (!tsr_trace_is_empty(folder))
		tsr_cli_warn("recorded in '%s': see 'tessera trace show %s'%s", folder, folder,
		             messages ? "" : "; single messages are recorded with --messages");
	else
		tsr_cli_warn("nothing was recorded: no process of this user with TESSERA_TRACE=1 "
		             "was there");
}

int
tsr_trace_record(const struct tsr_trace_record *record)
{
	struct tsr_session_options options = {.buffer_bytes = record->buffer_bytes,
	                                      .sample = record->sample,
	                                      .messages = record->messages};
	struct tsr_session session;
	sigset_t signals;
	char *folder = NULL;
	pid_t pid = 0;
	int ended = 0;
	int status = record->folder != NULL ? record_folder(record->folder, &folder) : 0;

	if (status != 0)
		return status;
	options.folder = folder;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	status = tsr_session_begin(&session, &options);
	if (status == 0) {
		if (record->program != NULL)
			status = record_environment(record);
		if (status == 0 && record->program != NULL)
			status = record_spawn(record->program, &pid);
		if (status == 0)
			ended = record_wait(record, pid, &signals);
		if (tsr_session_end(&session) != 0 && status == 0)
			status = TSR_EXIT_RUNTIME;
		if (status == 0 && folder != NULL)
			record_tell(folder, record->messages);
	}
	free(folder);
	return status != 0 ? status : ended;
}
