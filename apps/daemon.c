/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/process.h"

#define DAEMON_START_MS 20000
#define DAEMON_END_MS   5000

/* Wait until it answers, or has ended. Return: an exit status. */
static int
daemon_await(struct tsr_daemon *daemon, const char *socket)
{
	uint64_t const deadline = tsr_deadline_in_ms(DAEMON_START_MS);
	struct tsr_control control;
	int error = -ETIMEDOUT, status;

	while (tsr_now_ns() < deadline) {
		if (tsr_process_ended(daemon->pid, &status)) {
			tsr_cli_warn("tesserad ended with status %d before it answered; it said:",
			             status);
			tsr_process_show_log(daemon->log);
			daemon->pid = 0;
			return TSR_EXIT_NO_DAEMON;
		}
		error = tsr_control_open(&control, socket, tsr_deadline_in_ms(1000));
		if (error == 0) {
			strcpy(daemon->path, control.path);
			tsr_control_close(&control);
			return TSR_EXIT_OK;
		}
		poll(NULL, 0, 10);
	}
	tsr_cli_warn("tesserad was started and does not answer on %s: %s; it said:", socket,
	             tsr_strerror(error));
	tsr_process_show_log(daemon->log);
	return TSR_EXIT_TIMEOUT;
}

static int
daemon_spawn(const char *program, const char *socket, const char *const *sets, bool keep,
             struct tsr_daemon *daemon)
{
	const char *arguments[2 * TSR_DAEMON_SETS_MAX + 4] = {"tesserad"};
	char *where = NULL;
	size_t count = 1;
	struct tsr_spawn const spawn = {
		.path = program,
		.argv = arguments,
		.input = -1,
		.output = daemon->log,
		.error = daemon->log,
		.session = true,
		.tied = !keep,
	};
	int error;

	if (tsr_globals.socket != NULL) {
		if (asprintf(&where, "socket=%s", socket) < 0)
			return -ENOMEM;
		arguments[count++] = "--set";
		arguments[count++] = where;
	}
	for (size_t i = 0; sets[i] != NULL; i++) {
		arguments[count++] = "--set";
		arguments[count++] = sets[i];
	}
	error = tsr_process_spawn(&spawn, &daemon->pid);
	free(where);
	return error;
}

int
tsr_daemon_start(const char *socket, const char *const *sets, bool keep, struct tsr_daemon *daemon)
{
	char *program, *place = NULL;
	char dir[108];
	int status;

	daemon->pid = 0;
	status = tsr_process_find("tesserad", &program);
	if (status != 0) {
		tsr_cli_warn("there is no tesserad beside this program or in PATH: install it, or "
		             "build it with 'ninja -C build'");
		return TSR_EXIT_NO_DAEMON;
	}
	if (socket == NULL) {
		status = tsr_run_dir(dir, sizeof(dir));
		if (status != 0 || asprintf(&place, "%s/%s", dir, TSR_SOCKET_NAME) < 0) {
			free(program);
			return tsr_cli_fail(status != 0 ? status : -ENOMEM, "the run directory");
		}
		socket = place;
	}
	daemon->log = memfd_create("tesserad.log", MFD_CLOEXEC);
	status = daemon_spawn(program, socket, sets, keep, daemon);
	free(program);
	status = status == 0 ? daemon_await(daemon, socket)
	                     : tsr_cli_fail(status, "tesserad can't be started");
	free(place);
	if (status != 0)
		tsr_daemon_end(daemon);
	return status;
}

int
tsr_daemon_end(struct tsr_daemon *daemon)
{
	int status = 0;

	if (daemon->pid > 0)
		status = tsr_process_end(daemon->pid, DAEMON_END_MS);
	if (daemon->log >= 0)
		close(daemon->log);
	daemon->pid = 0;
	daemon->log = -1;
	return status;
}

/* Wait until the process or, if it can't be watched, the connection is gone. */
static int
daemon_await_end(int fd, uint64_t deadline_ns)
{
	struct pollfd gone = {.fd = fd, .events = POLLIN | POLLRDHUP};
	uint64_t now = tsr_now_ns();
	int found = 0;

	while (found == 0 && now < deadline_ns) {
		found = poll(&gone, 1, (int)((deadline_ns - now) / TSR_NS_PER_MS) + 1);
		now = tsr_now_ns();
		if (found < 0 && errno == EINTR)
			found = 0;
	}
	return found > 0 ? 0 : -ETIMEDOUT;
}

int
tsr_daemon_stop(struct tsr_control *control, uint64_t deadline_ns)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}}, reply;
	int const process = pidfd_open((pid_t)control->daemon_pid, 0);
	int error = tsr_control_ask(control, TSR_PROTO_STOP, &request, sizeof(request), &reply,
	                            sizeof(reply), NULL, deadline_ns);

	/* It may be gone before its answer is. */
	if (error == 0 || error == -ENOTCONN)
		error = daemon_await_end(process >= 0 ? process : control->fd, deadline_ns);
	if (process >= 0)
		close(process);
	return error;
}
