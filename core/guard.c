/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "shm/access.h"

/* What one thread runs under the guard. */
struct guard_frame {
	sigjmp_buf back;
	struct tsr_mapping const *ranges;
	uint32_t ranges_count;
};

static _Thread_local struct guard_frame *guard_active;
static _Atomic uint64_t guard_hits;

static bool
guard_covers(struct guard_frame const *frame, uintptr_t address)
{
	for (uint32_t i = 0; i < frame->ranges_count; i++) {
		uintptr_t const base = (uintptr_t)frame->ranges[i].base;

		if (address - base < frame->ranges[i].bytes)
			return true;
	}
	return false;
}

static void
guard_caught(int number, siginfo_t *info, void *context)
{
	struct guard_frame *const frame = guard_active;

	(void)context;
	if (frame != NULL && guard_covers(frame, (uintptr_t)info->si_addr))
		siglongjmp(frame->back, 1);
	/* Not ours: with the default action back in place the same access kills as it should. */
	(void)signal(number, SIG_DFL);
	if (info->si_code <= 0)
		(void)raise(number); /* sent by kill(2): there is no access to come again */
}

int
tsr_guard_open(void)
{
	struct sigaction action = {.sa_sigaction = guard_caught,
	                           .sa_flags = SA_SIGINFO | SA_NODEFER};

	(void)sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) == 0 ? 0 : -errno;
}

int
tsr_guard_run(struct tsr_mapping const *ranges, uint32_t ranges_count, int (*work)(void *),
              void *argument)
{
	struct guard_frame frame;
	int result;

	frame.ranges = ranges;
	frame.ranges_count = ranges_count;
	/* The handler runs with SIGBUS unblocked, so there is no mask to restore. */
	if (sigsetjmp(frame.back, 0) != 0) {
		guard_active = NULL;
		/* private: a counter between the threads of the daemon */
		(void)atomic_fetch_add_explicit(&guard_hits, 1, memory_order_relaxed);
		return -EFAULT;
	}
	guard_active = &frame;
	tsr_barrier_compiler(); /* between the thread and its handler */
	result = work(argument);
	tsr_barrier_compiler();
	guard_active = NULL;
	return result;
}

uint64_t
tsr_guard_hits(void)
{
	/* private: a counter between the threads of the daemon */
	return atomic_load_explicit(&guard_hits, memory_order_relaxed);
}
