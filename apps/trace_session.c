/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/trace_session.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/process.h"
#include "core/postmortem.h"

#define SESSION_START_MS       10000
#define SESSION_END_MS         10000
#define SESSION_ARGUMENTS      16
#define SESSION_ARGUMENT_BYTES 512
#define SESSION_SUBBUFFERS     4

/*
 * session_lttng - run `lttng` with these arguments
 * @quiet:	a failure is an answer and not said
 *
 * Return: its exit status.
 */
static int
session_lttng(const struct tsr_session *session, bool quiet, const char *const *arguments)
{
	const char *argv[SESSION_ARGUMENTS] = {"lttng", "--no-sessiond"};
	int const log = memfd_create("lttng", MFD_CLOEXEC);
	struct tsr_spawn const spawn = {.path = session->lttng,
	                                .argv = argv,
	                                .input = -1,
	                                .output = log,
	                                .error = log,
	                                .session = true,
	                                .tied = true};
	int status = 127;
	pid_t pid;

	for (size_t i = 0; arguments[i] != NULL && i + 3 < SESSION_ARGUMENTS; i++)
		argv[i + 2] = arguments[i];
	if (tsr_process_spawn(&spawn, &pid) == 0)
		status = tsr_process_wait(pid);
	if (status != 0 && !quiet) {
		tsr_cli_warn("'lttng %s' failed; it said:", arguments[0]);
		tsr_process_show_log(log);
	}
	close(log);
	return status;
}

#define session_run(session, ...) \
	session_lttng(session, false, (const char *const[]){__VA_ARGS__, NULL})

/* Does a session daemon answer us? */
static bool
session_answers(const struct tsr_session *session)
{
	return session_lttng(session, true, (const char *const[]){"list", NULL}) == 0;
}

static int
session_find(const char *name, char **path)
{
	int const error = tsr_process_find(name, path);

	if (error != 0)
		tsr_cli_warn("there is no program '%s': install it with 'sudo apt-get install "
		             "lttng-tools'",
		             name);
	return error == 0 ? TSR_EXIT_OK : TSR_EXIT_NOT_FOUND;
}

/* A session daemon of our own: without the kernel, in a session of its own, so that a Ctrl-C
 * reaches it through us alone. */
static int
session_start_daemon(struct tsr_session *session)
{
	uint64_t const deadline = tsr_deadline_in_ms(SESSION_START_MS);
	const char *const argv[] = {"lttng-sessiond", "--no-kernel", NULL};
	struct tsr_spawn spawn = {.argv = argv, .input = -1, .session = true, .tied = true};
	char *program;
	int status = session_find("lttng-sessiond", &program);

	if (status != 0)
		return status;
	session->daemon_log = memfd_create("lttng-sessiond", MFD_CLOEXEC);
	spawn.path = program;
	spawn.output = spawn.error = session->daemon_log;
	status = tsr_process_spawn(&spawn, &session->daemon);
	free(program);
	if (status != 0)
		return tsr_cli_fail(status, "lttng-sessiond can't be started");
	while (tsr_now_ns() < deadline) {
		if (tsr_process_ended(session->daemon, &status)) {
			session->daemon = 0;
			tsr_cli_warn("lttng-sessiond ended with status %d (it needs a folder to "
			             "write to: HOME or LTTNG_HOME); it said:",
			             status);
			tsr_process_show_log(session->daemon_log);
			return TSR_EXIT_RUNTIME;
		}
		if (session_answers(session))
			return TSR_EXIT_OK;
		poll(NULL, 0, 20);
	}
	tsr_cli_warn("lttng-sessiond was started and does not answer; it said:");
	tsr_process_show_log(session->daemon_log);
	return TSR_EXIT_TIMEOUT;
}

/* One channel of LTTng with a set of events, and who each of them is from. */
static int
session_add(const struct tsr_session *session, const struct tsr_session_options *options,
            const char *channel, const char *events)
{
	char size[SESSION_ARGUMENT_BYTES], filter[SESSION_ARGUMENT_BYTES];
	bool const sampled = options->sample > 1 && strcmp(channel, "messages") == 0;
	int status;

	snprintf(size, sizeof(size), "--subbuf-size=%llu",
	         (unsigned long long)(options->buffer_bytes / SESSION_SUBBUFFERS));
	snprintf(filter, sizeof(filter), "--filter=sample <= %llu",
	         (unsigned long long)(UINT32_MAX / options->sample));
	status = session_run(session, "enable-channel", "--userspace", "--session", session->name,
	                     "--num-subbuf=4", size, channel);
	if (status == 0)
		status = session_run(session, "enable-event", "--userspace", "--session",
		                     session->name, "--channel", channel, events,
		                     sampled ? filter : NULL);
	if (status == 0)
		status = session_run(session, "add-context", "--userspace", "--session",
		                     session->name, "--channel", channel, "--type=vpid",
		                     "--type=vtid", "--type=procname");
	return status;
}

static int
session_create(struct tsr_session *session, const struct tsr_session_options *options)
{
	char output[SESSION_ARGUMENT_BYTES];
	int status;

	if (options->folder == NULL)
		(void)snprintf(output, sizeof(output), "--snapshot");
	else if (snprintf(output, sizeof(output), "--output=%s", options->folder) >=
	         (int)sizeof(output))
		return tsr_cli_fail(-ENAMETOOLONG, "'%s'", options->folder);
	status = session_run(session, "create", session->name, output);
	session->created = status == 0;
	if (status == 0)
		status = session_add(session, options, "events", "tessera:*");
	if (status == 0 && options->messages)
		status = session_add(session, options, "messages", "tessera_msg:*");
	if (status == 0)
		status = session_run(session, "start", session->name);
	return status == 0 ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
}

int
tsr_session_begin(struct tsr_session *session, const struct tsr_session_options *options)
{
	int status;

	*session = (struct tsr_session){.daemon_log = -1};
	if (options->folder == NULL)
		snprintf(session->name, sizeof(session->name), TSR_POSTMORTEM_SESSION);
	else
		snprintf(session->name, sizeof(session->name), "tessera-%d", (int)getpid());
	status = session_find("lttng", &session->lttng);
	if (status != 0)
		return status;
	if (!session_answers(session))
		status = session_start_daemon(session);
	if (status == 0)
		status = session_create(session, options);
	if (status != 0)
		(void)!tsr_session_end(session);
	return status;
}

int
tsr_session_end(struct tsr_session *session)
{
	int status = 0;

	if (session->created) {
		status = session_run(session, "stop", session->name);
		if (session_run(session, "destroy", session->name) != 0)
			status = 1;
	}
	session->created = false;
	if (session->daemon > 0)
		(void)tsr_process_end(session->daemon, SESSION_END_MS);
	session->daemon = 0;
	if (session->daemon_log >= 0)
		close(session->daemon_log);
	free(session->lttng);
	session->lttng = NULL;
	return status == 0 ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
}
