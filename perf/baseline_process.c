/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * What the kernel takes to start a program, to tell of a death, and to wake a sleeper.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/bench.h"
#include "perf/flow.h"
#include "perf/victim.h"

#define PROCESS_EXEC_ROUNDS 16

static int
exec_once(double *us)
{
	static char program[] = "/bin/true";
	char *argv[] = {program, NULL};
	char *envp[] = {NULL};
	uint64_t start = tsr_perf_monotonic_ns();
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)execve(program, argv, envp);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return -ECHILD;
	*us = (double)(tsr_perf_monotonic_ns() - start) / 1e3;
	return 0;
}

static int
exec_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	double us[PROCESS_EXEC_ROUNDS];

	if (side->index != 0)
		return 0;
	for (size_t i = 0; i < PROCESS_EXEC_ROUNDS; i++) {
		int error = exec_once(&us[i]);

		if (error != 0)
			return error;
	}
	sample->value[0] = tsr_perf_summarize(us, PROCESS_EXEC_ROUNDS).median;
	sample->value[1] = sample->value[0];
	sample->messages = PROCESS_EXEC_ROUNDS;
	return 0;
}

int
tsr_perf_baseline_exec(struct tsr_perf_bench *bench)
{
	*bench = (struct tsr_perf_bench){
		.name = "fork and exec of /bin/true",
		.run = exec_run,
	};
	return 0;
}

static int
notice_victim(void *context)
{
	const struct tsr_perf_bench *bench = context;

	return tsr_perf_victim_grow(bench->payload_bytes);
}

/* Side 0 kills; side 1 waits on the process descriptor. */
static int
notice_death(struct tsr_perf_side *side, double *us)
{
	struct tsr_perf_victim *victim = side->memory;
	int error;

	if (side->index == 0) {
		error = tsr_perf_victim_start(side, victim, notice_victim,
		                              (void *)(uintptr_t)side->bench);
		(void)tsr_perf_meet(side);
		tsr_perf_victim_settle();
		if (error == 0) {
			tsr_perf_victim_kill(victim);
			tsr_perf_victim_await_told(victim);
		}
		(void)tsr_perf_meet(side);
		tsr_perf_victim_bury(victim);
		*us = tsr_perf_victim_us(victim);
		return error;
	}
	(void)tsr_perf_meet(side);
	error = tsr_perf_victim_await_notice(victim);
	(void)tsr_perf_meet(side);
	return error;
}

/* Side 0 wakes; side 1 sleeps. */
static int
notice_wake(struct tsr_perf_side *side, double *us)
{
	struct tsr_perf_victim *victim = side->memory;
	uint64_t before = tsr_ld_rlx(&victim->wake.word);

	(void)tsr_perf_meet(side);
	if (side->index == 0) {
		tsr_perf_victim_settle();
		victim->start_ns = tsr_perf_monotonic_ns();
		tsr_st_rel(&victim->wake.word, before + 1); /* [K1] pairs with [K2]: start_ns */
		(void)tsr_futex_wake(&victim->wake.word);
	} else {
		while (tsr_ld_acq(&victim->wake.word) ==
		       before) /* [K2] pairs with [K1]: start_ns */
			(void)tsr_futex_wait(&victim->wake.word, before, TSR_PERF_FOREVER);
		victim->end_ns = tsr_perf_monotonic_ns();
	}
	(void)tsr_perf_meet(side);
	*us = tsr_perf_victim_us(victim);
	return 0;
}

static int
notice_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	double death_us[TSR_PERF_VICTIM_ROUNDS] = {0};
	double wake_us[TSR_PERF_VICTIM_ROUNDS] = {0};
	size_t const rounds = tsr_perf_victim_rounds(side->bench);
	int error = 0;

	for (size_t i = 0; i < rounds; i++) {
		int failed = notice_death(side, &death_us[i]);

		if (error == 0)
			error = failed;
		(void)notice_wake(side, &wake_us[i]);
	}
	if (side->index != 0 || error != 0)
		return error;
	sample->value[1] = tsr_perf_summarize(death_us, rounds).median;
	sample->value[0] = sample->value[1] + tsr_perf_summarize(wake_us, rounds).median;
	sample->messages = rounds;
	return 0;
}

int
tsr_perf_baseline_notice(struct tsr_perf_bench *bench, size_t bytes)
{
	*bench = (struct tsr_perf_bench){
		.payload_bytes = bytes,
		.name = "process descriptor's notice, plus a futex wake",
		.memory_bytes = sizeof(struct tsr_perf_victim),
		.run = notice_run,
	};
	return 0;
}
