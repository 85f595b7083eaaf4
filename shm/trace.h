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
 * Without a provider a trace point is a load and a branch. Hooks take values and no structures of
 * ours, so that the provider depends on this header alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

#define TSR_TRACE_VERSION  1
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
};

/* NULL: no provider. */
extern struct tsr_trace_provider const *tsr_trace;

/* TSR_TRACE(event, arguments...) - tell the provider, if there is one. */
#define TSR_TRACE(event, ...)                          \
	do {                                           \
		if (tsr_unlikely(tsr_trace != NULL))   \
			tsr_trace->event(__VA_ARGS__); \
	} while (0)

/*
 * tsr_trace_load - find the provider: a preloaded one, or with TESSERA_TRACE=1 the one that was
 * installed with this code
 *
 * Context: cold, once or more, one thread at a time. Return: 0, also if none is wished for;
 * -EOPNOTSUPP it is wished for and can't be had: tsr_last_hint() says why; -EINVAL TESSERA_TRACE
 * is neither 0 nor 1.
 */
TSR_MUST_CHECK
int tsr_trace_load(void);

/* tsr_trace_error - an error where it is born; 0 is none. Return: @error. */
TSR_COLD int tsr_trace_error(const char *where, int error, const char *text);

#endif /* TSR_SHM_TRACE_H */
