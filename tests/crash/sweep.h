/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_SWEEP_H
#define TSR_TESTS_CRASH_SWEEP_H

/*
 * One operation from one start state, killed and frozen after each of its instructions; and the
 * reaper, killed after each of its writes on what the operation left.
 */

#include <stdbool.h>

#include "tests/crash/judge.h"
#include "tests/crash/op.h"

struct sweep_case {
	struct world_shape const *shape;
	struct world_era const *era;
	struct op const *op;
	struct start const *start;
	/* A peer that is frozen in an operation of its own, after so many images; NULL: nobody. */
	struct op const *peer_op;
	struct start const *peer_start;
	unsigned phase;
};

struct sweep_options {
	bool freeze;      /* and continue, at every instruction */
	bool reaper;      /* is killed, too */
	unsigned long at; /* only after so many instructions; 0: all */
	bool both_drain;  /* a peer and, on another copy, a new client: else in turns */
};

struct sweep_count {
	unsigned long cases;
	unsigned long instructions; /* the most of any case */
	unsigned long points;       /* kills, one after each instruction */
	unsigned long images;       /* that differed from the one before, and were judged */
	unsigned long frozen;       /* and continued */
	unsigned long held[HOLDS];
	unsigned long reaper; /* deaths of the reaper, each at another image */
	unsigned long violations;
};

void sweep_open(void);

/* Return: false: there is no such case (the peer's operation has no such phase). */
bool sweep_run(struct sweep_case const *which, struct sweep_options const *options,
               struct sweep_count *count);

/*
 * sweep_run_traced - the same by another process, which ptrace(2) steps: works wherever that does
 *
 * Only kills: no peer, nobody is frozen, the reaper lives. Return: false: not with this start.
 */
bool sweep_run_traced(struct sweep_case const *which, struct sweep_options const *options,
                      struct sweep_count *count);

/* The arguments that run this case again. */
void sweep_arguments(struct sweep_case const *which, char *out, size_t out_bytes);

#endif /* TSR_TESTS_CRASH_SWEEP_H */
