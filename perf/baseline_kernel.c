/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * What the kernel offers for the same job: a pipe, and a Unix socket that keeps messages apart.
 *
 * Neither end blocks: a full or empty one is tried again, as the rings are.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf/bench.h"
#include "perf/flow.h"

struct kernel_end {
	int fd;
	size_t bytes;
	char *local;
	ssize_t failed; /* what a call returned that was neither a message nor "try again" */
};

static inline size_t
kernel_put(void *context, uint64_t n, uint64_t *sum)
{
	struct kernel_end *end = context;
	ssize_t written;

	tsr_perf_fill(end->local, end->bytes, n);
	written = write(end->fd, end->local, end->bytes);
	if (tsr_likely(written == (ssize_t)end->bytes)) {
		*sum += tsr_perf_sum_of(end->bytes, n);
		return 1;
	}
	if (written >= 0 || errno != EAGAIN)
		end->failed = written;
	return 0;
}

static inline size_t
kernel_get(void *context, uint64_t *sum)
{
	struct kernel_end *end = context;
	ssize_t got = read(end->fd, end->local, end->bytes);

	if (tsr_likely(got == (ssize_t)end->bytes)) {
		*sum += tsr_perf_sum(end->local, end->bytes);
		return 1;
	}
	if (got >= 0 || errno != EAGAIN)
		end->failed = got;
	return 0;
}

static int
kernel_open(struct tsr_perf_side *side)
{
	struct kernel_end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		return -ENOMEM;
	end->local = calloc(1, side->bench->payload_bytes);
	end->bytes = side->bench->payload_bytes;
	end->fd = side->bench->fds[1 - side->index];
	side->state = end;
	return end->local != NULL ? 0 : -ENOMEM;
}

static void
kernel_close(struct tsr_perf_side *side)
{
	struct kernel_end *end = side->state;

	(void)close(side->bench->fds[0]);
	(void)close(side->bench->fds[1]);
	if (end != NULL)
		free(end->local);
	free(end);
}

static int
kernel_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct kernel_end *end = side->state;
	int error;

	if (side->index == 0)
		error = tsr_perf_flow_send(side, sample, kernel_put, end);
	else
		error = tsr_perf_flow_receive(side, sample, kernel_get, end);
	return end->failed != 0 ? -EIO : error;
}

static void
kernel_fill_in(struct tsr_perf_bench *bench, const char *name, size_t payload_bytes)
{
	*bench = (struct tsr_perf_bench){
		.name = name,
		.payload_bytes = payload_bytes,
		.open = kernel_open,
		.run = kernel_run,
		.close = kernel_close,
	};
}

int
tsr_perf_baseline_pipe(struct tsr_perf_bench *bench, size_t payload_bytes)
{
	kernel_fill_in(bench, "pipe", payload_bytes);
	return pipe2(bench->fds, O_NONBLOCK | O_CLOEXEC) == 0 ? 0 : -errno;
}

int
tsr_perf_baseline_socket(struct tsr_perf_bench *bench, size_t payload_bytes)
{
	int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;

	kernel_fill_in(bench, "Unix socket, SOCK_SEQPACKET", payload_bytes);
	return socketpair(AF_UNIX, type, 0, bench->fds) == 0 ? 0 : -errno;
}
