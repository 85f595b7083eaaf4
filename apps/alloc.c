/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/alloc.h"

#include <errno.h>
#include <time.h>

int
tsr_alloc_wait(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct timespec rest = {.tv_sec = 0, .tv_nsec = 50000};
	int error = tsr_alloc(client, bytes, msg);

	while (error == -ENOMEM) {
		if (deadline_ns != TSR_FOREVER && tsr_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		nanosleep(&rest, NULL);
		if (rest.tv_nsec < 1000000)
			rest.tv_nsec *= 2;
		error = tsr_alloc(client, bytes, msg);
	}
	return error;
}
