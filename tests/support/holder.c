/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/holder.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/holder.h"
#include "core/store.h"
#include "tests/support/check.h"

void
holder_start(struct daemon *holder)
{
	memset(holder, 0, sizeof(*holder));
	holder_again(holder);
}

void
holder_again(struct daemon *holder)
{
	char const *const args[] = {"--holder", NULL};

	daemon_spawn(holder, args, 0);
	cr_assert(daemon_ready(holder), "the holder ended at once:\n%s", daemon_log(holder));
}

void
holder_stop(struct daemon *holder)
{
	int status;

	kill(holder->pid, SIGTERM);
	status = daemon_ended(holder);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the holder ended with %#x:\n%s",
	          status, daemon_log(holder));
	cr_assert_eq(rmdir(holder->dir), 0, "something is left in %s: %m", holder->dir);
	daemon_clear(holder);
}

int
holder_connect(struct daemon const *holder)
{
	struct timeval const wait = {.tv_sec = 5};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int const fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	tsr_holder_path(holder->socket, address.sun_path, sizeof(address.sun_path));
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "connect: %m");
	return fd;
}

struct sought {
	char const *prefix;
	char const *suffix;
	unsigned count;
	int fd;
};

static int
holder_look(void *argument, char const *name, int fd)
{
	struct sought *const sought = argument;
	size_t const length = strlen(name), tail = strlen(sought->suffix);
	bool const is = strncmp(name, sought->prefix, strlen(sought->prefix)) == 0 &&
	                length >= tail && strcmp(name + length - tail, sought->suffix) == 0;

	if (is && sought->count++ == 0)
		sought->fd = fd;
	else
		close(fd);
	return 0;
}

static struct sought
holder_seek(struct daemon const *holder, char const *prefix, char const *suffix)
{
	struct sought sought = {.prefix = prefix, .suffix = suffix, .fd = -1};
	int const fd = holder_connect(holder);

	test_ok(tsr_holder_get(fd, holder_look, &sought));
	close(fd);
	return sought;
}

unsigned
holder_count(struct daemon const *holder, char const *prefix)
{
	struct sought const sought = holder_seek(holder, prefix, "");

	if (sought.fd >= 0)
		close(sought.fd);
	return sought.count;
}

int
holder_fetch(struct daemon const *holder, char const *prefix, char const *suffix)
{
	struct sought const sought = holder_seek(holder, prefix, suffix);

	cr_assert_geq(sought.fd, 0, "the holder keeps no %s...%s", prefix, suffix);
	return sought.fd;
}

void
heir_start(struct daemon *daemon, struct daemon const *holder, char const *const *sets)
{
	strcpy(daemon->dir, holder->dir);
	daemon_start_as(daemon, sets, 0);
}

void
heir_spawn(struct daemon *daemon, struct daemon const *holder, char const *const *sets)
{
	char const *args[DAEMON_ARGS_MAX];

	strcpy(daemon->dir, holder->dir);
	daemon_args(args, sets);
	daemon_spawn(daemon, args, 0);
}

void
heir_stop(struct daemon *daemon)
{
	int status;

	kill(daemon->pid, SIGTERM);
	status = daemon_ended(daemon);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "tesserad ended with %#x:\n%s",
	          status, daemon_log(daemon));
	cr_assert_neq(access(daemon->socket, F_OK), 0, "it left its socket");
	close(daemon->log);
	daemon->log = 0;
}
