/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_ACTOR_H
#define TSR_TESTS_CRASH_ACTOR_H

/*
 * An actor runs a function on a stack of its own and can be stopped after any instruction, gone
 * on with, and put back to where it was: a client that is killed, or frozen and continued.
 *
 * All actors and the test itself (the director) take turns in one thread. Whoever runs gives way in
 * a SIGTRAP: the processor raises it after an instruction while the trap flag is set, int3 at will.
 * The handler runs on the stack of whoever was interrupted; it puts that one's registers away and
 * loads the other's into the frame that it returns to.
 *
 *	STEP	one instruction (what a system call does is one with the instruction after it)
 *	WRITE	to behind the next instruction that writes to the protected memory: the others
 *		leave it as it is, so that every image is met at a tenth of the price
 *	RUN	to the end
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum actor_mode {
	ACTOR_STEP,
	ACTOR_WRITE,
	ACTOR_RUN,
};

#define ACTOR_STACK_BYTES 262144
#define ACTOR_FP_BYTES    12288 /* of the registers beyond the general ones */

/* Everything that is in the registers. */
struct actor_frame {
	long long general[23];
	size_t fp_bytes;
	_Alignas(64) unsigned char fp[ACTOR_FP_BYTES];
};

struct actor {
	struct actor_frame frame;
	enum actor_mode mode;
	bool done;
	bool paused; /* see actor_pause() */
	void (*body)(void *);
	void *arg;
	unsigned char *stack;
};

/* An actor as it was: its registers and what is on its stack. */
struct actor_copy {
	struct actor_frame frame;
	bool done;
	bool paused;
	size_t stack_bytes;
	unsigned char stack[32768];
};

/* actor_open - once. Return: false: this processor has no trap flag. */
bool actor_open(void);

/* The memory that ACTOR_WRITE is about: whole pages. */
void actor_protect(void *base, size_t bytes);

void actor_start(struct actor *actor, void (*body)(void *), void *arg);
void actor_go(struct actor *actor, enum actor_mode mode);

void actor_save(struct actor const *actor, struct actor_copy *copy);
void actor_restore(struct actor *actor, struct actor_copy const *copy);

/* Called by an actor: what it does until actor_resume() is one instruction to the director. */
void actor_pause(void);
void actor_resume(void);

#endif /* TSR_TESTS_CRASH_ACTOR_H */
