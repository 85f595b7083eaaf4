/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void
process_place(int fd, int as, int otherwise)
{
	if (fd < 0)
		fd = otherwise;
	if (fd >= 0 && fd != as && dup2(fd, as) < 0)
		_exit(126);
}

/* The child's side of the fork: becomes the program, or ends with 127. */
static void
process_become(const struct tsr_spawn *spawn, pid_t parent)
{
	int const null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	if (spawn->session)
		setsid();
	if (spawn->tied) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		/* It may have died before we asked. */
		if (getppid() != parent)
			_exit(126);
	}
	process_place(spawn->input, STDIN_FILENO, null);
	process_place(spawn->output, STDOUT_FILENO, null);
	process_place(spawn->error, STDERR_FILENO, -1);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	/* What we were given open is not for them. */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(spawn->path, (char *const *)(uintptr_t)spawn->argv);
	_exit(127);
}

int
tsr_process_spawn(const struct tsr_spawn *spawn, pid_t *pid)
{
	pid_t const parent = getpid();
	pid_t const child = fork();

	if (child < 0)
		return -errno;
	if (child == 0)
		process_become(spawn, parent);
	*pid = child;
	return 0;
}

int
tsr_process_self(char **path)
{
	char *link = malloc(PATH_MAX);
	ssize_t bytes;

	if (link == NULL)
		return -ENOMEM;
	bytes = readlink("/proc/self/exe", link, PATH_MAX - 1);
	if (bytes < 0) {
		free(link);
		return -ENOENT;
	}
	link[bytes] = '\0';
	*path = link;
	return 0;
}

/* DIR/NAME, if that is a program. */
static int
process_try(const char *dir, size_t dir_bytes, const char *name, char **path)
{
	char *candidate;

	if (asprintf(&candidate, "%.*s/%s", (int)dir_bytes, dir, name) < 0)
		return -ENOMEM;
	if (access(candidate, X_OK) == 0) {
		*path = candidate;
		return 0;
	}
	free(candidate);
	return -ENOENT;
}

int
tsr_process_find(const char *name, char **path)
{
	const char *dir = getenv("PATH");
	char *self;
	int error = tsr_process_self(&self);

	if (error == 0) {
		error = process_try(self, (size_t)(strrchr(self, '/') - self), name, path);
		free(self);
	}
	while (error == -ENOENT && dir != NULL && dir[0] != '\0') {
		size_t const bytes = strcspn(dir, ":");

		if (bytes > 0)
			error = process_try(dir, bytes, name, path);
		dir += bytes + (dir[bytes] == ':');
	}
	return error;
}

static int
process_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool
tsr_process_ended(pid_t pid, int *status)
{
	int raw;

	if (waitpid(pid, &raw, WNOHANG) != pid)
		return false;
	*status = process_status(raw);
	return true;
}

void
tsr_process_show_log(int log)
{
	static char text[2048];
	off_t const end = lseek(log, 0, SEEK_END);
	off_t const from = end > (off_t)sizeof(text) ? end - (off_t)sizeof(text) : 0;
	ssize_t const bytes = pread(log, text, sizeof(text), from);

	if (bytes > 0)
		fwrite(text, 1, (size_t)bytes, stderr);
}

int
tsr_process_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return 127;
	}
	return process_status(status);
}

int
tsr_process_end(pid_t pid, uint64_t grace_ms)
{
	int const fd = pidfd_open(pid, 0);
	struct pollfd gone = {.fd = fd, .events = POLLIN};

	kill(pid, SIGTERM);
	if (fd < 0 || poll(&gone, 1, (int)grace_ms) != 1)
		kill(pid, SIGKILL);
	if (fd >= 0)
		close(fd);
	return tsr_process_wait(pid);
}

/* The fields that are wanted, by their numbers in proc(5). */
enum {
	PROCESS_STATE = 3,
	PROCESS_USER_TICKS = 14,
	PROCESS_KERNEL_TICKS = 15,
	PROCESS_START_TICKS = 22,
	PROCESS_CPU = 39,
};

static void
process_field(struct tsr_process *out, int field, const char *text)
{
	uint64_t const tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);

	if (field == PROCESS_STATE)
		out->state = text[0];
	else if (field == PROCESS_USER_TICKS || field == PROCESS_KERNEL_TICKS)
		out->busy_ns += strtoull(text, NULL, 10) * tick_ns;
	else if (field == PROCESS_START_TICKS)
		out->born_ns = strtoull(text, NULL, 10) * tick_ns;
	else if (field == PROCESS_CPU)
		out->cpu = (int)strtol(text, NULL, 10);
}

int
tsr_process_look(pid_t pid, struct tsr_process *out)
{
	char path[32], text[1024];
	struct timespec now;
	uint64_t now_ns;
	size_t bytes;
	char *at;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return errno == ENOENT ? -ENOENT : -EPROTO;
	bytes = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[bytes] = '\0';
	at = strrchr(text, ')'); /* the name before it may hold anything */
	if (at == NULL)
		return -EPROTO;
	*out = (struct tsr_process){.pid = pid, .cpu = -1};
	for (int field = PROCESS_STATE; (at = strchr(at, ' ')) != NULL; field++)
		process_field(out, field, ++at);
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	now_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
	out->age_ns = now_ns > out->born_ns ? now_ns - out->born_ns : 0;
	return 0;
}

const char *
tsr_process_doing(pid_t pid)
{
	struct tsr_process process;
	int const error = tsr_process_look(pid, &process);

	if (error != 0)
		return error == -ENOENT ? "gone" : "unknown";
	switch (process.state) {
	case 'R':
		return "running";
	case 'S':
	case 'I':
		return "asleep";
	case 'D':
		return "disk";
	case 'T':
	case 't':
		return "stopped";
	case 'Z':
		return "zombie";
	case 'X':
		return "gone";
	default:
		return "unknown";
	}
}

bool
tsr_process_stuck(const char *doing)
{
	return strcmp(doing, "stopped") == 0 || strcmp(doing, "zombie") == 0 ||
	       strcmp(doing, "gone") == 0 || strcmp(doing, "disk") == 0;
}
