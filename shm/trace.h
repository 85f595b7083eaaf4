/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_TRACE_H
#define TSR_SHM_TRACE_H

/*
 * Trace hooks: one pointer a process, to the table of a provider that lies in an object of its own.
 *
 * Bytes	nothing in shared memory.
 * Writers	tsr_trace_load(), once, before the first attachment (or the daemon's first thread).
 * Trust	the provider is loaded from where this code was installed, or preloaded by the user.
 *
 * Without a provider a trace point is a load and a branch. Single messages cost not even that: an
 * end or a magazine of a traced process is marked so that the inline calls don't know it, and take
 * the long way, where the trace points are. Hooks take values and no structures of ours: the
 * provider depends on this header alone.
 *
 * Sample	of single messages those whose ticket and generation hash below a limit, the
 *		same in every process. Generations are taken 64 at a time, so that nearly every life
 *		of a ticket, which moves it on by two or so, is told whole or not at all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

#define TSR_TRACE_VERSION  2
#define TSR_TRACE_LIBRARY  "libtessera-trace.so"
#define TSR_TRACE_PROVIDER tsr_trace_provider /* the symbol that the library exports */

/* An end of a channel, or a whole one. */
struct tsr_trace_end {
	const char *realm;
	const char *name; /* of the channel */
	uint64_t channel; /* its id */
	uint16_t client;  /* TSR_HOLDER_DAEMON: the daemon */
	uint8_t side;     /* enum tsr_side */
};

/* What the reaper found half done, and what it made of it. */
struct tsr_trace_repair {
	const char *realm;
	const char *what; /* "slot voided", "slot restored", "cell", "ticket", "token" */
	uint64_t channel; /* its id; 0: none */
	uint64_t before;  /* the word */
	uint64_t after;
	uint32_t index;  /* of slot, cell, ticket or token */
	uint16_t client; /* the dead one */
};

/* A region is made, closing (its owner gave it up), or ended (its last ticket came back). */
struct tsr_trace_region {
	const char *realm;
	const char *what; /* "made", "closing", "ended" */
	uint64_t id;
	uint64_t bytes;
	uint16_t client; /* its owner */
};

/* The end of a client that did not say goodbye. */
struct tsr_trace_death {
	const char *realm;
	const char *name;
	uint64_t took_ns;
	uint32_t pid;
	uint32_t repairs;
	uint16_t client;
};

/*
 * What a provider offers; every member is set. A hook copies what it wants to keep. Strings are
 * never NULL.
 */
struct tsr_trace_provider {
	uint32_t version; /* TSR_TRACE_VERSION */
	uint32_t bytes;   /* sizeof(struct tsr_trace_provider) */
	void (*attach)(const char *realm, const char *name, uint16_t client);
	void (*detach)(const char *realm, uint16_t client);
	void (*open)(struct tsr_trace_end end);
	void (*close)(struct tsr_trace_end end);
	void (*block)(struct tsr_trace_end end);
	void (*unblock)(struct tsr_trace_end end, uint16_t waker); /* 0: nobody */
	void (*wake)(struct tsr_trace_end end);
	void (*reap)(struct tsr_trace_repair repair);
	void (*death)(struct tsr_trace_death death);
	void (*condemn)(const char *realm, const char *why);
	void (*region)(struct tsr_trace_region region);
	void (*reload)(const char *text, int error, uint64_t took_ns);
	void (*error)(const char *where, int error, const char *text);
	/* Of single messages: only for tickets in the sample. @name is of zdesc.h. */
	void (*alloc)(const char *realm, uint16_t client, uint64_t name, uint32_t bytes);
	void (*send)(const char *realm, uint16_t client, uint64_t channel, uint64_t name,
	             uint32_t bytes);
	void (*receive)(const char *realm, uint16_t client, uint64_t channel, uint64_t name,
	                uint32_t bytes);
	void (*release)(const char *realm, uint16_t client, uint64_t name);
};

/* NULL: no provider. */
extern struct tsr_trace_provider const *tsr_trace;

/* Is there a provider? TSR_TRACE_NEVER: a build without trace points, to measure what they cost. */
#ifdef TSR_TRACE_NEVER
#define TSR_TRACED false
#else
#define TSR_TRACED tsr_unlikely(tsr_trace != NULL)
#endif

/* TSR_TRACE(event, arguments...) - tell the provider, if there is one. */
#define TSR_TRACE(event, ...)                          \
	do {                                           \
		if (TSR_TRACED)                        \
			tsr_trace->event(__VA_ARGS__); \
	} while (0)

/* What tsr_trace_hash() may be at most for a ticket to be told of: TESSERA_TRACE_SAMPLE. */
extern uint32_t tsr_trace_limit;

#define TSR_TRACE_GENERATIONS 6 /* log2 of how many generations in a row have one hash */

/* Of a ticket's name (index and generation, see zdesc.h), evenly spread. */
TSR_INLINE uint32_t
tsr_trace_hash(uint64_t name)
{
	uint64_t const together = ((UINT64_C(1) << TSR_TRACE_GENERATIONS) - 1) << 24;

	return (uint32_t)(((name & ~together) * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* Is the ticket of that name told of? Of single messages ask this first, then TSR_TRACE. */
TSR_INLINE bool
tsr_trace_has(uint64_t name)
{
	return tsr_unlikely(tsr_trace_hash(name) <= tsr_trace_limit);
}

/*
 * tsr_trace_load - find the provider: a preloaded one, or with TESSERA_TRACE=1 the one that was
 * installed with this code
 *
 * Context: cold, once or more, one thread at a time. Return: 0, also if none is wished for;
 * -EOPNOTSUPP it is wished for and can't be had: tsr_last_hint() says why; -EINVAL TESSERA_TRACE
 * is neither 0 nor 1, or TESSERA_TRACE_SAMPLE no number from 1 on.
 */
TSR_MUST_CHECK
int tsr_trace_load(void);

/* tsr_trace_error - an error where it is born; 0 is none. Return: @error. */
TSR_COLD int tsr_trace_error(const char *where, int error, const char *text);

#endif /* TSR_SHM_TRACE_H */
