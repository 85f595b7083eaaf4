/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
program_start(pid_t *pid, const char *program, char *const *argv,
              posix_spawn_file_actions_t const *actions)
{
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error = posix_spawnattr_init(&attributes);

	if (error != 0)
		return error;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	error = posix_spawnp(pid, program, actions, &attributes, argv, environ);
	(void)posix_spawnattr_destroy(&attributes);
	return error;
}

int
tsr_program_run(pid_t *pid, const char *program, char *const *argv, int out, const char *file)
{
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (error == 0 && file != NULL)
		error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, file,
		                                         O_WRONLY | O_CREAT, 0600);
	else if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	if (error == 0)
		error = program_start(pid, program, argv, &actions);
	(void)posix_spawn_file_actions_destroy(&actions);
	return error;
}

int
tsr_program_ask(pid_t *pid, const char *program, char *const *argv, const char *layout, int out)
{
	char option[] = "--can-take-over";
	size_t count = 0;
	char **asking;
	int error;

	while (argv[count] != NULL)
		count++;
	asking = calloc(count + 3, sizeof(asking[0]));
	if (asking == NULL)
		return ENOMEM;
	memcpy((void *)asking, (void const *)argv, count * sizeof(asking[0]));
	asking[count] = option;
	asking[count + 1] = (char *)(uintptr_t)layout;
	error = tsr_program_run(pid, program, asking, out, NULL);
	free((void *)asking);
	return error;
}
