/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/passing.h"
#include "core/postmortem.h"
#include "core/program.h"
#include "core/upgrade.h"

#define HELPER_TEXT_BYTES 1024
#define HELPER_SAID_BYTES 512
#define HELPER_ASK_MS     5000
#define HELPER_PLACE      3 /* the only descriptor that a helper keeps */
#define HELPER_LTTNG_MS   10000
#define HELPER_LOOK_MS    20

/* What a helper answers: a number, or a descriptor, or why neither. */
struct helper_answer {
	int error;
	unsigned id;
	int fd;                       /* -1: none */
	char text[HELPER_SAID_BYTES]; /* what somebody said */
};

/* @own: what the helper is for: see helper.h */
typedef void helper_serve_fn(const char *request, const char *own, struct helper_answer *answer);

static int helper_finder = -1;   /* whom to ask */
static char *const *helper_argv; /* of an asker, and a successor */

/* Give it its time, then end it. Return: how it ended. */
static int
helper_await(pid_t pid, int ms)
{
	struct timespec const look = {.tv_nsec = HELPER_LOOK_MS * 1000000L};
	int status = 0;

	for (; ms > 0; ms -= HELPER_LOOK_MS) {
		if (waitpid(pid, &status, WNOHANG) != 0)
			return status;
		(void)nanosleep(&look, NULL);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return status;
}

/* Have the other binary say what it can. */
static void
helper_check(const char *request, const char *own, struct helper_answer *answer)
{
	int out[2];
	pid_t pid = 0;

	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0) {
		answer->error = -ENOMEM;
		return;
	}
	answer->error = -tsr_program_ask(&pid, own, helper_argv, request, out[1]);
	(void)close(out[1]);
	if (answer->error == 0) {
		answer->id = (unsigned)helper_await(pid, HELPER_ASK_MS);
		(void)!read(out[0], answer->text, sizeof(answer->text) - 1);
	}
	(void)close(out[0]);
}

/* What LTTng's session still has. Without one the folder has no `trace`, and the log says why. */
static void
helper_record(const char *request, const char *own, struct helper_answer *answer)
{
	static char url[HELPER_TEXT_BYTES + 16], log[HELPER_TEXT_BYTES + 16];
	char program[] = "lttng", alone[] = "--no-sessiond", snapshot[] = "snapshot";
	char record[] = "record", session[] = "--session=" TSR_POSTMORTEM_SESSION;
	char *const argv[] = {program, alone, snapshot, record, session, url, NULL};
	size_t const length = strlen(own);
	pid_t pid;

	/* Whoever has the daemon has no more than this of us. */
	if (strncmp(request, own, length) != 0 || request[length] != '/' ||
	    strstr(request, "/../") != NULL)
		return;
	(void)snprintf(url, sizeof(url), "file://%s/trace", request);
	(void)snprintf(log, sizeof(log), "%s/lttng.log", request);
	if (tsr_program_run(&pid, argv[0], argv, -1, log) == 0)
		(void)helper_await(pid, HELPER_LTTNG_MS);
	answer->error = 0;
}

/* The whole life of a helper. */
static void
helper_live(helper_serve_fn *serve, const char *own)
{
	static char text[HELPER_TEXT_BYTES];

	for (;;) {
		int stray = -1;
		struct helper_answer answer = {.error = -EPROTO, .fd = -1, .text = ""};
		int error = tsr_passing_receive(HELPER_PLACE, text, sizeof(text), &stray);

		if (stray >= 0)
			(void)close(stray);
		if (error == 0)
			serve(text, own, &answer);
		else if (error != -EPROTO)
			_exit(0);
		(void)snprintf(text, sizeof(text), "%d %u %s", answer.error, answer.id,
		               answer.text);
		error = tsr_passing_send(HELPER_PLACE, text, strlen(text), answer.fd);
		if (answer.fd >= 0)
			(void)close(answer.fd);
		if (error != 0)
			_exit(0);
	}
}

/* Nothing of the daemon's stays with it. Return: whether it can go on. */
static bool
helper_strip(int fd)
{
	int const null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool const there = null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	                   dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0;

	if (!there || (fd != HELPER_PLACE && dup2(fd, HELPER_PLACE) < 0) ||
	    fcntl(HELPER_PLACE, F_SETFD, FD_CLOEXEC) != 0)
		return false;
	return close_range(HELPER_PLACE + 1, ~0U, 0) == 0;
}

/* In the child. It has nobody to tell what fails: who asks it learns that it is gone. */
static void
helper_become(int fd, enum tsr_sandbox_mode mode, helper_serve_fn *serve, const char *own)
{
	bool const recorder = serve == helper_record, asker = serve == helper_check;
	struct tsr_sandbox_place const places[] = {
		{"/", TSR_SANDBOX_READ | (recorder || asker ? TSR_SANDBOX_EXECUTE : 0)},
		{recorder ? own : "", TSR_SANDBOX_READ | TSR_SANDBOX_WRITE},
		{"/dev/null", TSR_SANDBOX_READ | TSR_SANDBOX_WRITE},
	};
	struct tsr_refusal refusal;
	struct tsr_sandbox sandbox;

	(void)prctl(PR_SET_NAME, recorder ? "recorder" : asker ? "asker" : "finder", 0, 0, 0);
	if (!helper_strip(fd) || tsr_sandbox_rights(&sandbox, mode, false, &refusal) != 0 ||
	    tsr_sandbox_places(&sandbox, places, sizeof(places) / sizeof(places[0]), UINT32_MAX,
	                       true, &refusal) != 0 ||
	    tsr_sandbox_calls(&sandbox, TSR_SANDBOX_HELPER, false, &refusal) != 0)
		_exit(1);
	helper_live(serve, own);
}

/* Return: whether it is to become the next daemon. @signal: that is the next one's. */
static bool
helper_await_end(int *signal)
{
	char text[HELPER_TEXT_BYTES];
	bool asked = false;
	int stray, error;

	do {
		error = tsr_passing_receive(HELPER_PLACE, text, sizeof(text), &stray);
		if (error == 0) {
			asked = true;
			*signal = (int)strtol(text, NULL, 10);
		}
		if (error == 0 && stray >= 0)
			(void)close(stray);
	} while (error != -EPIPE);
	return asked;
}

/* In the child: the whole life of a successor. */
static void
helper_follow(int fd, const char *path)
{
	int signal = 0;

	(void)prctl(PR_SET_NAME, "successor", 0, 0, 0);
	if ((fd != HELPER_PLACE && dup2(fd, HELPER_PLACE) < 0) ||
	    fcntl(HELPER_PLACE, F_SETFD, FD_CLOEXEC) != 0 ||
	    close_range(HELPER_PLACE + 1, ~0U, 0) != 0 || !helper_await_end(&signal))
		_exit(0);
	if (signal != 0)
		(void)kill(getpid(), signal); /* which is blocked, and stays so */
	tsr_upgrade_run(path, path, (char **)(uintptr_t)helper_argv);
	_exit(1);
}

/* @serve NULL: a successor */
static int
helper_fork(enum tsr_sandbox_mode mode, helper_serve_fn *serve, const char *own,
            struct tsr_refusal *refusal)
{
	pid_t const parent = getpid();
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return tsr_refuse(refusal, -errno, "socketpair: %s", strerror(errno));
	child = fork();
	if (child < 0) {
		int const error = -errno;

		(void)close(pair[0]);
		(void)close(pair[1]);
		return tsr_refuse(refusal, error, "fork: %s", strerror(-error));
	}
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, serve == NULL ? 0 : SIGKILL, 0, 0, 0);
		if (serve == NULL)
			helper_follow(pair[1], own);
		else if (getppid() == parent)
			helper_become(pair[1], mode, serve, own);
		_exit(1);
	}
	(void)close(pair[1]);
	return pair[0];
}

/* Return: 0; the helper's own error; -EPIPE it is gone. @fd may be NULL. */
static int
helper_ask(int helper, const char *request, unsigned *id, int *fd)
{
	char text[HELPER_TEXT_BYTES];
	int error = tsr_passing_send(helper, request, strlen(request), -1);
	int got = -1;
	char *end;

	if (error == 0)
		error = tsr_passing_receive(helper, text, sizeof(text), &got);
	if (error != 0)
		return -EPIPE;
	error = (int)strtol(text, &end, 10);
	*id = (unsigned)strtoul(end, NULL, 10);
	if (fd != NULL)
		*fd = got;
	else if (got >= 0)
		(void)close(got);
	return error;
}

static int
helper_find(bool user, const char *name, unsigned *id)
{
	struct passwd const *const passwd = user ? getpwnam(name) : NULL;
	struct group const *const group = user ? NULL : getgrnam(name);

	if (passwd == NULL && group == NULL)
		return -ENOENT;
	*id = passwd != NULL ? passwd->pw_uid : group->gr_gid;
	return 0;
}

static int
helper_open(const char *path)
{
	/* A pipe that nobody writes to is at its end, and holds up nobody. */
	int const fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	return fd;
}

/* "u:NAME", "g:NAME", "f:PATH". */
static void
helper_serve(const char *request, const char *own, struct helper_answer *answer)
{
	if (strncmp(request, "u:", 2) == 0 || strncmp(request, "g:", 2) == 0) {
		answer->error = helper_find(request[0] == 'u', request + 2, &answer->id);
	} else if (strncmp(request, "f:", 2) == 0) {
		/* Whoever has the daemon gets no other file by us. */
		answer->fd =
			own != NULL && strcmp(request + 2, own) == 0 ? helper_open(own) : -EACCES;
		answer->error = answer->fd < 0 ? answer->fd : 0;
	}
}

int
tsr_helper_finder(enum tsr_sandbox_mode mode, const char *file, struct tsr_refusal *refusal)
{
	int const fd = helper_fork(mode, helper_serve, file, refusal);

	if (fd < 0)
		return fd;
	helper_finder = fd;
	return 0;
}

void
tsr_helper_finder_end(void)
{
	if (helper_finder >= 0)
		(void)close(helper_finder);
	helper_finder = -1;
}

int
tsr_helper_find(bool user, const char *name, unsigned *id)
{
	char request[HELPER_TEXT_BYTES];

	if (helper_finder < 0)
		return helper_find(user, name, id);
	if (snprintf(request, sizeof(request), "%c:%s", user ? 'u' : 'g', name) >=
	    (int)sizeof(request))
		return -ENOENT;
	return helper_ask(helper_finder, request, id, NULL);
}

int
tsr_helper_open(const char *path)
{
	char request[HELPER_TEXT_BYTES];
	unsigned id;
	int error, fd = -1;

	if (helper_finder < 0)
		return helper_open(path);
	if (snprintf(request, sizeof(request), "f:%s", path) >= (int)sizeof(request))
		return -ENAMETOOLONG;
	error = helper_ask(helper_finder, request, &id, &fd);
	return error != 0 ? error : fd >= 0 ? fd : -EPIPE;
}

int
tsr_helper_recorder(enum tsr_sandbox_mode mode, const char *folder, struct tsr_refusal *refusal)
{
	return helper_fork(mode, helper_record, folder, refusal);
}

void
tsr_helper_record(int recorder, const char *path)
{
	unsigned id;

	(void)!helper_ask(recorder, path, &id, NULL);
}

int
tsr_helper_asker(enum tsr_sandbox_mode mode, const char *path, char **argv,
                 struct tsr_refusal *refusal)
{
	helper_argv = argv;
	return helper_fork(mode, helper_check, path, refusal);
}

int
tsr_helper_successor(const char *path, char **argv, struct tsr_refusal *refusal)
{
	helper_argv = argv;
	return helper_fork(TSR_SANDBOX_OFF, NULL, path, refusal);
}

int
tsr_helper_succeed(int successor, int signal)
{
	char text[16];
	int const length = snprintf(text, sizeof(text), "%d", signal);

	return tsr_passing_send(successor, text, (size_t)length, -1);
}

int
tsr_helper_check(int asker, const char *layout)
{
	return tsr_passing_send(asker, layout, strlen(layout), -1);
}

int
tsr_helper_checked(int asker, char *text, size_t bytes)
{
	char answer[HELPER_TEXT_BYTES];
	int stray = -1, status = -1;
	char *end = answer;

	text[0] = '\0';
	if (tsr_passing_receive(asker, answer, sizeof(answer), &stray) != 0)
		return status;
	if (stray >= 0)
		(void)close(stray);
	if (strtol(answer, &end, 10) == 0)
		status = (int)strtoul(end, &end, 10);
	(void)snprintf(text, bytes, "%s", end + (*end == ' '));
	return status;
}
