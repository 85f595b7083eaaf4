/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/closer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/counter.h"

#define CLOSER_STACK_BYTES 65536

/* Not in the daemon's struct: a thread that is stuck outlives it. */
static _Atomic uint64_t closer_pending;

static void *
closer_thread(void *argument)
{
	(void)close((int)(intptr_t)argument);
	tsr_counter_subtract(&closer_pending, 1);
	return NULL;
}

void
tsr_close_aside(int fd)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error = pthread_attr_init(&attributes);

	if (error == 0) {
		(void)pthread_attr_setstacksize(&attributes, CLOSER_STACK_BYTES);
		(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		tsr_counter_add(&closer_pending, 1);
		error = pthread_create(&thread, &attributes, closer_thread, (void *)(intptr_t)fd);
		if (error != 0)
			tsr_counter_subtract(&closer_pending, 1);
		(void)pthread_attr_destroy(&attributes);
	}
	if (error != 0)
		(void)close(fd);
}

uint64_t
tsr_close_pending(void)
{
	return tsr_counter_read(&closer_pending);
}
