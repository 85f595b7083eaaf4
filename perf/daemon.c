/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/harness.h"
#include "shm/control.h"

#define DAEMON_START_NS   UINT64_C(30000000000)
#define DAEMON_STOP_NS    UINT64_C(5000000000)
#define DAEMON_LOOK_NS    10000000
#define DAEMON_LOG        "log"
#define DAEMON_PATH_BYTES 4096

static char daemon_program[DAEMON_PATH_BYTES];

static int
daemon_find(void)
{
	const char *given = getenv("TESSERAD");
	char self[DAEMON_PATH_BYTES / 4];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (given != NULL && given[0] != '\0') {
		(void)snprintf(daemon_program, sizeof(daemon_program), "%s", given);
	} else {
		if (length < 0)
			return -errno;
		self[length] = '\0';
		(void)snprintf(daemon_program, sizeof(daemon_program), "%s/../apps/tesserad",
		               dirname(self));
	}
	return access(daemon_program, X_OK) == 0 ? 0 : -errno;
}

static void
daemon_pause(void)
{
	struct timespec rest = {.tv_nsec = DAEMON_LOOK_NS};

	(void)nanosleep(&rest, NULL);
}

/* What the new process does until it is tesserad: it ends with us, but not by our Ctrl-C. */
static void
daemon_become(const struct tsr_perf_daemon *daemon, const char *const *settings, pid_t parent)
{
	static char set_option[] = "--set";
	char *argv[2 * TSR_PERF_SETTINGS + 2];
	char log[sizeof(daemon->directory) + sizeof(DAEMON_LOG) + 1];
	cpu_set_t cores;
	size_t n = 0;
	int fd;

	argv[n++] = daemon_program;
	for (size_t i = 0; settings[i] != NULL && i < TSR_PERF_SETTINGS; i++) {
		argv[n++] = set_option;
		argv[n++] = strdup(settings[i]);
	}
	argv[n] = NULL;
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	memset(&cores, 0xff, sizeof(cores));
	(void)sched_setaffinity(0, sizeof(cores), &cores);
	(void)snprintf(log, sizeof(log), "%s/" DAEMON_LOG, daemon->directory);
	fd = open(log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    getppid() != parent)
		_exit(1);
	(void)execv(daemon_program, argv);
	_exit(127);
}

/* The last line that the daemon logged. */
static void
daemon_last_words(const struct tsr_perf_daemon *daemon, char *out, size_t out_bytes)
{
	char path[sizeof(daemon->directory) + sizeof(DAEMON_LOG) + 1];
	char line[256];
	FILE *log;

	out[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s/" DAEMON_LOG, daemon->directory);
	log = fopen(path, "re");
	if (log == NULL)
		return;
	while (fgets(line, sizeof(line), log) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '\0')
			(void)snprintf(out, out_bytes, "%s", line);
	}
	(void)fclose(log);
}

static int
daemon_await(struct tsr_perf_daemon *daemon, char *message, size_t message_bytes)
{
	uint64_t limit = tsr_perf_monotonic_ns() + DAEMON_START_NS;
	struct tsr_control control;
	char words[256];
	int error;

	for (;;) {
		error = tsr_control_open(&control, NULL, tsr_perf_monotonic_ns() + DAEMON_START_NS);
		if (error == 0) {
			tsr_control_close(&control);
			return 0;
		}
		if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid) {
			daemon->pid = 0;
			error = -ECHILD;
			break;
		}
		if (tsr_perf_monotonic_ns() > limit) {
			error = -ETIMEDOUT;
			break;
		}
		daemon_pause();
	}
	daemon_last_words(daemon, words, sizeof(words));
	(void)snprintf(message, message_bytes, "%s did not start: %s", daemon_program, words);
	return error;
}

int
tsr_perf_daemon_start(struct tsr_perf_daemon *daemon, const char *const *settings, char *message,
                      size_t message_bytes)
{
	pid_t parent = getpid();
	int error = daemon_find();

	memset(daemon, 0, sizeof(*daemon));
	if (error != 0) {
		(void)snprintf(message, message_bytes,
		               "no tesserad at %s: build it, or set TESSERAD to where it is",
		               daemon_program);
		return error;
	}
	(void)snprintf(daemon->directory, sizeof(daemon->directory), "/tmp/tessera-perf-XXXXXX");
	if (mkdtemp(daemon->directory) == NULL ||
	    setenv("TESSERA_RUNTIME_DIR", daemon->directory, 1) != 0) {
		(void)snprintf(message, message_bytes, "no run directory: %s", strerror(errno));
		daemon->directory[0] = '\0';
		return -errno;
	}
	daemon->pid = fork();
	if (daemon->pid < 0) {
		error = -errno;
		daemon->pid = 0;
	} else if (daemon->pid == 0) {
		daemon_become(daemon, settings, parent);
	} else {
		error = daemon_await(daemon, message, message_bytes);
	}
	if (error != 0)
		tsr_perf_daemon_stop(daemon);
	return error;
}

static void
daemon_end(struct tsr_perf_daemon *daemon)
{
	uint64_t limit = tsr_perf_monotonic_ns() + DAEMON_STOP_NS;

	(void)kill(daemon->pid, SIGTERM);
	while (waitpid(daemon->pid, NULL, WNOHANG) == 0) {
		if (tsr_perf_monotonic_ns() > limit) {
			(void)kill(daemon->pid, SIGKILL);
			(void)waitpid(daemon->pid, NULL, 0);
			break;
		}
		daemon_pause();
	}
	daemon->pid = 0;
}

void
tsr_perf_daemon_stop(struct tsr_perf_daemon *daemon)
{
	struct dirent *entry;
	DIR *directory;

	if (daemon->pid > 0)
		daemon_end(daemon);
	if (daemon->directory[0] == '\0')
		return;
	directory = opendir(daemon->directory);
	while (directory != NULL && (entry = readdir(directory)) != NULL)
		(void)unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory != NULL)
		(void)closedir(directory);
	(void)rmdir(daemon->directory);
	(void)unsetenv("TESSERA_RUNTIME_DIR");
	daemon->directory[0] = '\0';
}
