/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_VICTIM_H
#define TSR_PERF_VICTIM_H

/*
 * A third process that is killed: side 0 starts it, kills it, and buries it; side 1 is told.
 *
 * Writers	the victim: ready, error; side 0: pid, start_ns; side 1: end_ns, told.
 */

#include <sys/types.h>

#include "perf/harness.h"

#define TSR_PERF_VICTIM_ROUNDS 9

struct tsr_perf_victim {
	struct tsr_perf_word ready; /* the victim has done what it was started for */
	struct tsr_perf_word wake;  /* of the bare wake-up */
	struct tsr_perf_word told;  /* side 1 knows */
	pid_t pid;
	int error;         /* of the victim's preparation */
	uint64_t start_ns; /* when the signal was sent */
	uint64_t end_ns;   /* when side 1 knew */
};

/*
 * tsr_perf_victim_start - fork a process that calls @prepare and then waits to be killed
 *
 * Return: 0 once it is ready; what @prepare returned; -ECHILD it died; or what fork(2) gave.
 */
int tsr_perf_victim_start(struct tsr_perf_side *side, struct tsr_perf_victim *victim,
                          int (*prepare)(void *context), void *context);

/* tsr_perf_victim_rounds - of deaths; fewer where each takes long to prepare */
size_t tsr_perf_victim_rounds(const struct tsr_perf_bench *bench);

/* tsr_perf_victim_grow - in the victim: so many bytes of memory of its own, in pages of 4 KiB
 * Return: 0; -ENOMEM. */
int tsr_perf_victim_grow(size_t bytes);

/* Give side 1 time to fall asleep in whatever it waits on. */
void tsr_perf_victim_settle(void);

void tsr_perf_victim_kill(struct tsr_perf_victim *victim);
void tsr_perf_victim_bury(struct tsr_perf_victim *victim);

/* Wait on the victim's process descriptor and note when it spoke. Return: 0 or a negative errno. */
int tsr_perf_victim_await_notice(struct tsr_perf_victim *victim);

/* Side 1: note that we know, and tell side 0, which sleeps until then and disturbs nobody. */
void tsr_perf_victim_tell(struct tsr_perf_victim *victim);
void tsr_perf_victim_await_told(struct tsr_perf_victim *victim);

/* From the signal to the moment when side 1 knew. */
double tsr_perf_victim_us(const struct tsr_perf_victim *victim);

#endif /* TSR_PERF_VICTIM_H */
