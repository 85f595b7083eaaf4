/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/access.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int
access_syscall_result(long result)
{
	return result < 0 ? -errno : (int)result;
}

int
tsr_membarrier(void)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_FENCE, NULL);
	return access_syscall_result(
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
}

int
tsr_membarrier_register(void)
{
	return access_syscall_result(
		syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
}

/* The kernel's futex is 32 bits wide: the low half of our word, first on little-endian. */
static long
access_futex_half(_Atomic uint64_t *word)
{
	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the futex is the low half");
	return (long)(uintptr_t)word;
}

static struct timespec
access_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / UINT64_C(1000000000)),
		.tv_nsec = (long)(ns % UINT64_C(1000000000)),
	};
}

int
tsr_futex_wait(_Atomic uint64_t *word, uint64_t expected, uint64_t deadline_ns)
{
	struct timespec const until = access_timespec(deadline_ns);
	struct timespec const *const limit = deadline_ns == UINT64_MAX ? NULL : &until;
	long result;

	TSR_ACCESS_HOOK(TSR_ACCESS_LOAD, word);
	result = syscall(SYS_futex, access_futex_half(word), FUTEX_WAIT_BITSET, (uint32_t)expected,
	                 limit, NULL, FUTEX_BITSET_MATCH_ANY);
	/* The value changed already, or a signal came: the caller looks. */
	if (result < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return access_syscall_result(result);
}

int
tsr_futex_wait_any(struct tsr_futex const *futexes, uint32_t count, uint64_t deadline_ns)
{
	struct timespec const until = access_timespec(deadline_ns);
	struct futex_waitv waiters[TSR_FUTEXES_MAX];
	long result;

	for (uint32_t i = 0; i < count; i++) {
		TSR_ACCESS_HOOK(TSR_ACCESS_LOAD, futexes[i].word);
		waiters[i] = (struct futex_waitv){
			.val = (uint32_t)futexes[i].expected,
			.uaddr = (uint64_t)access_futex_half(futexes[i].word),
			.flags = FUTEX_32,
		};
	}
	result = syscall(SYS_futex_waitv, waiters, count, 0,
	                 deadline_ns == UINT64_MAX ? NULL : &until, CLOCK_MONOTONIC);
	if (result >= 0 || errno == EAGAIN || errno == EINTR)
		return 0;
	return errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

int
tsr_futex_wake(_Atomic uint64_t *word)
{
	return access_syscall_result(
		syscall(SYS_futex, access_futex_half(word), FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
}

int
tsr_event_ring(int fd)
{
	uint64_t const one = 1;

	TSR_ACCESS_HOOK(TSR_ACCESS_UPDATE, NULL);
	return write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}
