/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/victim.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define VICTIM_SETTLE_NS 5000000
#define VICTIM_LIMIT_MS  10000
#define VICTIM_LARGE     (UINT64_C(1) << 28)
#define VICTIM_LOOK_NS   UINT64_C(10000000)

/* Any core: where the kernel tears it down is the kernel's choice, for everybody alike. */
static void
victim_unpin(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static void
victim_main(struct tsr_perf_victim *victim, pid_t parent, int (*prepare)(void *), void *context)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGINT, SIG_IGN);
	if (getppid() != parent)
		_exit(1);
	victim_unpin();
	victim->error = prepare(context);
	tsr_st_rel(&victim->ready.word, 1); /* [V1] pairs with [V2]: error */
	(void)tsr_futex_wake(&victim->ready.word);
	for (;;)
		(void)pause();
}

int
tsr_perf_victim_start(struct tsr_perf_side *side, struct tsr_perf_victim *victim,
                      int (*prepare)(void *context), void *context)
{
	pid_t parent = getpid();
	pid_t pid;

	tsr_st_rlx(&victim->ready.word, 0);
	tsr_st_rlx(&victim->told.word, 0);
	victim->error = 0;
	victim->start_ns = 0;
	victim->end_ns = 0;
	pid = fork();
	if (pid < 0)
		return tsr_perf_fail(side, -errno, "fork: %s", strerror(errno));
	if (pid == 0)
		victim_main(victim, parent, prepare, context);
	victim->pid = pid; /* by side 0 alone: the mapping is shared with the child */
	while (tsr_ld_acq(&victim->ready.word) == 0) { /* [V2] pairs with [V1]: error */
		siginfo_t info = {0};

		(void)tsr_futex_wait(&victim->ready.word, 0,
		                     tsr_perf_monotonic_ns() + VICTIM_LOOK_NS);
		if (waitid(P_PID, (id_t)victim->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    info.si_pid != 0)
			return tsr_perf_fail(side, -ECHILD,
			                     "the process to be killed died by itself");
	}
	if (victim->error != 0)
		return tsr_perf_fail(side, victim->error, "the process to be killed: %s",
		                     strerror(-victim->error));
	return 0;
}

size_t
tsr_perf_victim_rounds(const struct tsr_perf_bench *bench)
{
	return bench->payload_bytes >= VICTIM_LARGE ? 3 : TSR_PERF_VICTIM_ROUNDS;
}

int
tsr_perf_victim_grow(size_t bytes)
{
	unsigned char *own;

	if (bytes == 0)
		return 0;
	own = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		return -ENOMEM;
	(void)madvise(own, bytes, MADV_NOHUGEPAGE);
	return madvise(own, bytes, MADV_POPULATE_WRITE) == 0 ? 0 : -ENOMEM;
}

void
tsr_perf_victim_settle(void)
{
	struct timespec rest = {.tv_nsec = VICTIM_SETTLE_NS};

	(void)nanosleep(&rest, NULL);
}

void
tsr_perf_victim_kill(struct tsr_perf_victim *victim)
{
	victim->start_ns = tsr_perf_monotonic_ns();
	(void)kill(victim->pid, SIGKILL);
}

void
tsr_perf_victim_bury(struct tsr_perf_victim *victim)
{
	if (victim->pid <= 0)
		return;
	(void)kill(victim->pid, SIGKILL);
	while (waitpid(victim->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	victim->pid = 0;
}

int
tsr_perf_victim_await_notice(struct tsr_perf_victim *victim)
{
	struct pollfd poller = {.events = POLLIN};
	int ready;

	poller.fd = (int)syscall(SYS_pidfd_open, victim->pid, 0);
	if (poller.fd < 0)
		return -errno;
	ready = poll(&poller, 1, VICTIM_LIMIT_MS);
	tsr_perf_victim_tell(victim);
	(void)close(poller.fd);
	if (ready == 1)
		return 0;
	return ready == 0 ? -ETIMEDOUT : -errno;
}

void
tsr_perf_victim_tell(struct tsr_perf_victim *victim)
{
	victim->end_ns = tsr_perf_monotonic_ns();
	tsr_st_rel(&victim->told.word, 1); /* [N1] pairs with [N2]: end_ns */
	(void)tsr_futex_wake(&victim->told.word);
}

void
tsr_perf_victim_await_told(struct tsr_perf_victim *victim)
{
	uint64_t limit = tsr_perf_monotonic_ns() + VICTIM_LIMIT_MS * UINT64_C(1000000);

	while (tsr_ld_acq(&victim->told.word) == 0) { /* [N2] pairs with [N1]: end_ns */
		if (tsr_futex_wait(&victim->told.word, 0, limit) == -ETIMEDOUT)
			return;
	}
}

double
tsr_perf_victim_us(const struct tsr_perf_victim *victim)
{
	return ((double)victim->end_ns - (double)victim->start_ns) / 1e3;
}
