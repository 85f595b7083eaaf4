/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/actor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)

#define ACTOR_TRAP_FLAG   0x100
#define ACTOR_RED_ZONE    128
#define ACTOR_FP_MAGIC_AT 464 /* in the frame: struct _fpx_sw_bytes */
#define ACTOR_FP_MAGIC    0x46505853u
#define ACTOR_FP_LEGACY   512

static struct actor_frame actor_director;
static struct actor *actor_running; /* NULL: the director */
static struct actor *actor_next;
static unsigned char *actor_memory; /* protected */
static size_t actor_memory_bytes;

static void
actor_give_up(char const *why)
{
	(void)!write(STDERR_FILENO, why, strlen(why));
	_exit(3);
}

static size_t
actor_fp_bytes(void const *fp)
{
	uint32_t words[2];

	memcpy(words, (char const *)fp + ACTOR_FP_MAGIC_AT, sizeof(words));
	if (words[0] != ACTOR_FP_MAGIC)
		return ACTOR_FP_LEGACY;
	if (words[1] > ACTOR_FP_BYTES)
		actor_give_up("actor: more registers than there is room for\n");
	return words[1];
}

static void
actor_put_away(struct actor_frame *frame, ucontext_t const *context)
{
	memcpy(frame->general, context->uc_mcontext.gregs, sizeof(frame->general));
	frame->fp_bytes = actor_fp_bytes(context->uc_mcontext.fpregs);
	memcpy(frame->fp, context->uc_mcontext.fpregs, frame->fp_bytes);
}

static void
actor_load(struct actor_frame const *frame, ucontext_t *context)
{
	memcpy(context->uc_mcontext.gregs, frame->general, sizeof(frame->general));
	memcpy(context->uc_mcontext.fpregs, frame->fp, frame->fp_bytes);
}

static void
actor_allow(int protection)
{
	if (mprotect(actor_memory, actor_memory_bytes, protection) != 0)
		actor_give_up("actor: mprotect\n");
}

static void
actor_trapped(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	if (actor_running != NULL) {
		actor_put_away(&actor_running->frame, context);
		actor_running = NULL;
		actor_load(&actor_director, context);
		return;
	}
	actor_put_away(&actor_director, context);
	if (actor_next != NULL) {
		actor_running = actor_next;
		actor_load(&actor_running->frame, context);
	}
}

/* A write to the protected memory: let this one instruction through. */
static void
actor_faulted(int number, siginfo_t *info, void *context)
{
	ucontext_t *const frame = context;
	uintptr_t const at = (uintptr_t)info->si_addr - (uintptr_t)actor_memory;

	if (actor_running == NULL || actor_running->mode != ACTOR_WRITE ||
	    at >= actor_memory_bytes) {
		signal(number, SIG_DFL);
		return;
	}
	actor_allow(PROT_READ | PROT_WRITE);
	frame->uc_mcontext.gregs[REG_EFL] |= ACTOR_TRAP_FLAG;
}

bool
actor_open(void)
{
	struct sigaction action = {.sa_sigaction = actor_trapped,
	                           .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (sigaction(SIGTRAP, &action, NULL) != 0)
		return false;
	action.sa_sigaction = actor_faulted;
	if (sigaction(SIGSEGV, &action, NULL) != 0)
		return false;
	/* What the segment registers are, and the others begin with. */
	__asm__ __volatile__("int3" : : : "memory");
	return true;
}

void
actor_protect(void *base, size_t bytes)
{
	actor_memory = base;
	actor_memory_bytes = bytes;
}

static void
actor_main(struct actor *actor)
{
	actor->body(actor->arg);
	actor->done = true;
	__asm__ __volatile__("int3" : : : "memory");
	actor_give_up("actor: went on after its end\n");
}

void
actor_start(struct actor *actor, void (*body)(void *), void *arg)
{
	if (actor->stack == NULL)
		actor->stack = mmap(NULL, ACTOR_STACK_BYTES, PROT_READ | PROT_WRITE,
		                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (actor->stack == MAP_FAILED)
		actor_give_up("actor: no memory\n");
	actor->body = body;
	actor->arg = arg;
	actor->done = false;
	actor->paused = false;
	actor->frame = actor_director;
	actor->frame.general[REG_RIP] = (long long)(uintptr_t)actor_main;
	actor->frame.general[REG_RDI] = (long long)(uintptr_t)actor;
	/* As after a call: 16 bytes and a return address from the alignment. */
	actor->frame.general[REG_RSP] =
		(long long)(uintptr_t)(actor->stack + ACTOR_STACK_BYTES - 24);
	actor->frame.general[REG_RBP] = 0;
}

void
actor_go(struct actor *actor, enum actor_mode mode)
{
	if (actor->done)
		return;
	actor->mode = mode;
	actor->frame.general[REG_EFL] &= ~ACTOR_TRAP_FLAG;
	if (mode == ACTOR_STEP && !actor->paused)
		actor->frame.general[REG_EFL] |= ACTOR_TRAP_FLAG;
	if (mode == ACTOR_WRITE)
		actor_allow(PROT_READ);
	actor_next = actor;
	__asm__ __volatile__("int3" : : : "memory");
	actor_next = NULL;
	if (mode == ACTOR_WRITE)
		actor_allow(PROT_READ | PROT_WRITE);
}

/* Where what is in use of its stack begins. */
static unsigned char *
actor_depth(struct actor_frame const *frame)
{
	return (unsigned char *)(uintptr_t)frame->general[REG_RSP] - ACTOR_RED_ZONE;
}

void
actor_save(struct actor const *actor, struct actor_copy *copy)
{
	unsigned char const *const from = actor_depth(&actor->frame);

	copy->stack_bytes = (size_t)(actor->stack + ACTOR_STACK_BYTES - from);
	if (copy->stack_bytes > sizeof(copy->stack))
		actor_give_up("actor: more on its stack than there is room for\n");
	memcpy(copy->stack, from, copy->stack_bytes);
	memcpy(copy->frame.general, actor->frame.general, sizeof(copy->frame.general));
	copy->frame.fp_bytes = actor->frame.fp_bytes;
	memcpy(copy->frame.fp, actor->frame.fp, actor->frame.fp_bytes);
	copy->done = actor->done;
	copy->paused = actor->paused;
}

void
actor_restore(struct actor *actor, struct actor_copy const *copy)
{
	memcpy(actor->frame.general, copy->frame.general, sizeof(copy->frame.general));
	actor->frame.fp_bytes = copy->frame.fp_bytes;
	memcpy(actor->frame.fp, copy->frame.fp, copy->frame.fp_bytes);
	actor->done = copy->done;
	actor->paused = copy->paused;
	memcpy(actor_depth(&actor->frame), copy->stack, copy->stack_bytes);
}

void
actor_pause(void)
{
	if (actor_running == NULL || actor_running->mode != ACTOR_STEP)
		return;
	/* The director, told of this instruction, goes on without the flag. */
	actor_running->paused = true;
}

void
actor_resume(void)
{
	if (actor_running == NULL)
		return;
	actor_running->paused = false;
	if (actor_running->mode != ACTOR_STEP)
		return;
	/* What lies in the red zone stays. */
	__asm__ __volatile__("leaq -128(%%rsp), %%rsp\n\tpushfq\n\torq $256, (%%rsp)\n\tpopfq\n\t"
	                     "leaq 128(%%rsp), %%rsp"
	                     :
	                     :
	                     : "memory", "cc");
}

#else

bool
actor_open(void)
{
	return false;
}

/* Nobody gets past actor_open(). */
void
actor_protect(void *base, size_t bytes)
{
	(void)base;
	(void)bytes;
}

void
actor_start(struct actor *actor, void (*body)(void *), void *arg)
{
	(void)actor;
	(void)body;
	(void)arg;
}

void
actor_go(struct actor *actor, enum actor_mode mode)
{
	(void)mode;
	actor->done = true;
}

void
actor_save(struct actor const *actor, struct actor_copy *copy)
{
	(void)actor;
	(void)copy;
}

void
actor_restore(struct actor *actor, struct actor_copy const *copy)
{
	(void)actor;
	(void)copy;
}

void
actor_pause(void)
{
}

void
actor_resume(void)
{
}

#endif
