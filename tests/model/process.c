/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Processes as coroutines: a small stack each, and a list of what else is private to them. All of
 * it can be kept and put back, at the same addresses, so that a process can be run on from any of
 * its former states. The part of a stack that is not in use is zeroed before a process runs, so
 * that equal states look equal.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/model/hook.h"
#include "tests/model/model.h"

#define PROCESS_CLEAN 2048 /* bytes below the stack pointer */

/* Keep our registers and our place on this stack in *from; go on where @to was left. */
void model_switch(void **from, void *to);

__asm__(".text\n"
        ".globl model_switch\n"
        ".hidden model_switch\n"
        ".type model_switch, @function\n"
        "model_switch:\n"
        "	pushq %rbp\n"
        "	pushq %rbx\n"
        "	pushq %r12\n"
        "	pushq %r13\n"
        "	pushq %r14\n"
        "	pushq %r15\n"
        "	movq %rsp, (%rdi)\n"
        "	movq %rsi, %rsp\n"
        "	popq %r15\n"
        "	popq %r14\n"
        "	popq %r13\n"
        "	popq %r12\n"
        "	popq %rbx\n"
        "	popq %rbp\n"
        "	ret\n"
        ".size model_switch, . - model_switch\n");

static void *process_scheduler;
static void (*process_body[MODEL_PROCESSES])(struct model_process *);

static unsigned char *
process_top(struct model_process const *p)
{
	return p->stack + MODEL_STACK;
}

static void
process_entry(void)
{
	struct model_process *const p = model.current;

	process_body[p->number](p);
	model_fence(); /* what is on its way arrives */
	model_set(&model.ghost->status[p->number], MODEL_DONE);
	model_process_forget(p);
	model_switch(&p->now.sp, process_scheduler);
	abort();
}

/* Stand before the first instruction of @body. */
void
model_process_make(struct model_process *p, void (*body)(struct model_process *))
{
	void **frame;

	if (p->stack == NULL) {
		p->stack = mmap(NULL, MODEL_STACK, PROT_READ | PROT_WRITE,
		                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p->stack == MAP_FAILED)
			abort();
	}
	process_body[p->number] = body;
	memset(&p->now, 0, sizeof(p->now));
	p->now.pending = MODEL_START;
	/* A call leaves the stack 8 bytes off a multiple of 16; six registers stand below. */
	frame = (void **)(void *)(process_top(p) - 16);
	frame[0] = (void *)(uintptr_t)process_entry;
	frame[1] = NULL;
	p->now.sp = frame - 6;
	memset(p->now.sp, 0, 6 * sizeof(void *));
}

void
model_process_keep(struct model_process *p, void *at, uint32_t bytes)
{
	if (p->ranges == sizeof(p->range) / sizeof(p->range[0]))
		abort();
	p->range[p->ranges++] = (struct model_range){.at = at, .bytes = bytes};
}

/* Until it stands before its next access. */
void
model_process_run(struct model_process *p)
{
	unsigned char *const sp = p->now.sp;
	unsigned char *const low = sp - PROCESS_CLEAN > p->stack ? sp - PROCESS_CLEAN : p->stack;

	memset(low, 0, (size_t)(sp - low));
	if (p->table != NULL) {
		tsr_process = p->table;
		tsr_thread.handle[0] = p->client.handle;
		tsr_thread.magazines[0] = p->magazines;
	}
	model.current = p;
	model_switch(&process_scheduler, p->now.sp);
	model.current = NULL;
	model_process_rehash(p);
	if (p->leader != p)
		model_process_rehash(p->leader);
}

/* It is no more, or needs nothing any more: nothing private distinguishes its states. */
void
model_process_forget(struct model_process *p)
{
	p->now = (struct model_private){.sp = process_top(p)};
}

static bool
process_is_over(struct model_process const *p)
{
	return p->now.sp == process_top(p) || model.ghost->status[p->number] == MODEL_DONE;
}

/* Of one with threads the memory counts as long as one of them runs. */
static bool
process_is_used(struct model_process const *p)
{
	for (unsigned i = 0; i < model.processes; i++) {
		if (model.process[i].leader == p && !process_is_over(&model.process[i]))
			return true;
	}
	return !process_is_over(p);
}

void
model_process_rehash(struct model_process *p)
{
	unsigned char *const sp = p->now.sp;
	uint64_t hash = 0;

	if (!process_is_over(p))
		hash = XXH3_64bits_withSeed(&p->now, sizeof(p->now), p->number);
	/* Between two events nothing on the daemon's stack counts. */
	if (!process_is_over(p) && p->now.pending != MODEL_EVENT)
		hash = XXH3_64bits_withSeed(sp, (size_t)(process_top(p) - sp), hash);
	for (unsigned i = 0; i < p->ranges && process_is_used(p); i++)
		hash = XXH3_64bits_withSeed(p->range[i].at, p->range[i].bytes, hash);
	p->hash = hash;
}

static size_t
process_save(struct model_process const *p, unsigned char *to)
{
	unsigned char *const sp = p->now.sp;
	size_t const used = (size_t)(process_top(p) - sp);
	unsigned char *at = to;

	memcpy(at, &p->now, sizeof(p->now));
	at += sizeof(p->now);
	memcpy(at, &p->hash, sizeof(p->hash));
	at += sizeof(p->hash);
	memcpy(at, sp, used);
	at += used;
	for (unsigned i = 0; i < p->ranges; i++) {
		memcpy(at, p->range[i].at, p->range[i].bytes);
		at += p->range[i].bytes;
	}
	return ((size_t)(at - to) + 7) & ~(size_t)7;
}

size_t
model_process_save(struct model_process const *p, unsigned char *to)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < model.processes; i++) {
		if (model.process[i].leader == p->leader)
			bytes += process_save(&model.process[i], to + bytes);
	}
	return bytes;
}

static size_t
process_load(struct model_process *p, unsigned char const *from)
{
	unsigned char const *const begin = from;
	size_t used;

	memcpy(&p->now, from, sizeof(p->now));
	from += sizeof(p->now);
	memcpy(&p->hash, from, sizeof(p->hash));
	from += sizeof(p->hash);
	used = (size_t)(process_top(p) - (unsigned char *)p->now.sp);
	memcpy(p->now.sp, from, used);
	from += used;
	for (unsigned i = 0; i < p->ranges; i++) {
		memcpy(p->range[i].at, from, p->range[i].bytes);
		from += p->range[i].bytes;
	}
	return ((size_t)(from - begin) + 7) & ~(size_t)7;
}

void
model_process_load(struct model_process *p, unsigned char const *from)
{
	for (unsigned i = 0; i < model.processes; i++) {
		if (model.process[i].leader == p->leader)
			from += process_load(&model.process[i], from);
	}
}

void
model_yield(enum model_pending pending, uint32_t word, uint64_t value, const void *site)
{
	struct model_process *const p = model.current;

	p->now.pending = (uint8_t)pending;
	p->now.word = word;
	p->now.value = value;
	p->now.site = site;
	model_switch(&p->now.sp, process_scheduler);
}
