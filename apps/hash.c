/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/process.h"

/* $1 is how many bytes. A file that is cut ends cat early, which is no news. */
static const char hash_script[] = "xargs -0 -r cat -- 2>/dev/null | head -c \"$1\" | sha256sum";

static int
hash_spawn(struct tsr_hash *hash, const char *path, const char *const *argv, int input)
{
	int pipe_fds[2];
	struct tsr_spawn spawn = {.path = path,
	                          .argv = argv,
	                          .input = input,
	                          .error = -1,
	                          .session = true,
	                          .tied = true};
	int error;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -errno;
	spawn.output = pipe_fds[1];
	error = tsr_process_spawn(&spawn, &hash->pid);
	close(pipe_fds[1]);
	hash->answer = pipe_fds[0];
	if (error != 0)
		close(pipe_fds[0]);
	return error;
}

int
tsr_hash_file(struct tsr_hash *hash, int file)
{
	const char *argv[] = {"sh", "-c", "exec sha256sum", NULL};

	return hash_spawn(hash, "/bin/sh", argv, file);
}

int
tsr_hash_open(struct tsr_hash *hash, int *input)
{
	int pipe_fds[2];
	int error;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -errno;
	(void)fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20);
	error = tsr_hash_file(hash, pipe_fds[0]);
	close(pipe_fds[0]);
	if (error != 0)
		close(pipe_fds[1]);
	else
		*input = pipe_fds[1];
	return error;
}

int
tsr_hash_list(struct tsr_hash *hash, int list, uint64_t bytes)
{
	char count[24];
	const char *argv[] = {"sh", "-c", hash_script, "sh", count, NULL};

	snprintf(count, sizeof(count), "%" PRIu64, bytes);
	return hash_spawn(hash, "/bin/sh", argv, list);
}

int
tsr_hash_close(struct tsr_hash *hash, char *hex)
{
	char line[TSR_HASH_HEX_BYTES + 8];
	size_t got = 0;
	ssize_t bytes = 1;
	int status;

	while (bytes > 0 && got < sizeof(line)) {
		bytes = read(hash->answer, line + got, sizeof(line) - got);
		got += bytes > 0 ? (size_t)bytes : 0;
	}
	close(hash->answer);
	status = tsr_process_wait(hash->pid);
	if (status != 0 || got < TSR_HASH_HEX_BYTES || line[TSR_HASH_HEX_BYTES - 1] != ' ')
		return -EIO;
	memcpy(hex, line, TSR_HASH_HEX_BYTES - 1);
	hex[TSR_HASH_HEX_BYTES - 1] = '\0';
	return 0;
}

void
tsr_hash_abort(struct tsr_hash *hash)
{
	kill(-hash->pid, SIGTERM);
	close(hash->answer);
	tsr_process_wait(hash->pid);
}
