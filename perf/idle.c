/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/idle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/tessera.h"

#define IDLE_LINE        256
#define IDLE_NUMBER_BASE 10
#define IDLE_CHANNEL     "perf-idle"

/* Private dirty memory of this process in KiB. */
static long
idle_private_dirty(void)
{
	FILE *rollup = fopen("/proc/self/smaps_rollup", "re");
	static const char field[] = "Private_Dirty:";
	char line[IDLE_LINE];
	long kib = -1;

	if (rollup == NULL)
		return -1;
	while (fgets(line, sizeof(line), rollup) != NULL) {
		if (strncmp(line, field, sizeof(field) - 1) == 0)
			kib = strtol(line + sizeof(field) - 1, NULL, IDLE_NUMBER_BASE);
	}
	(void)fclose(rollup);
	return kib;
}

int
tsr_perf_idle_client(const char *realm)
{
	struct tsr_attach_options options = {.size = sizeof(options), .realm = realm};
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	int error = 0;

	if (strcmp(realm, "-") != 0) {
		error = tsr_attach(&options, &client);
		if (error == 0)
			error = tsr_sender_open(client, IDLE_CHANNEL, NULL, &sender);
		if (error == 0)
			error = tsr_receiver_open(client, IDLE_CHANNEL, NULL, &receiver);
	}
	if (error != 0) {
		(void)fprintf(stderr, "tessera-perf: %s\n", tsr_strerror(error));
		return 1;
	}
	(void)printf("%ld\n", idle_private_dirty());
	return 0;
}

static void
idle_become(const char *realm, int out)
{
	static char self[] = "/proc/self/exe";
	static char option[] = "--idle-client";
	char *argv[] = {self, option, strdup(realm), NULL};

	(void)dup2(out, STDOUT_FILENO);
	(void)execv(self, argv);
	_exit(127);
}

int
tsr_perf_idle_run(const char *realm, double *kib)
{
	char text[IDLE_LINE] = "";
	int status = 0;
	int fds[2];
	ssize_t got;
	pid_t pid;

	if (pipe(fds) != 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		idle_become(realm, fds[1]);
	(void)close(fds[1]);
	got = read(fds[0], text, sizeof(text) - 1);
	(void)close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || got <= 0)
		return -ECHILD;
	*kib = strtod(text, NULL);
	return *kib > 0.0 ? 0 : -EIO;
}
