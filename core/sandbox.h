/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_SANDBOX_H
#define TSR_CORE_SANDBOX_H

/*
 * What the daemon takes from itself, so that somebody who gets hold of it has little of it.
 *
 *	rights		capabilities but CAP_KILL and CAP_CHOWN, those that execve(2) could give,
 *			the right of other processes of its user to look into it
 *	places		Landlock: files but those that it needs, TCP, abstract sockets
 *	calls		seccomp: system calls but those on the list of each thread's role
 *
 * In this order, each before the threads that it is to hold for; nothing is ever given back, to
 * programs that it starts neither. A call that is not on the list is said in the log, and ends the
 * process with SIGSYS. In the mode "log" it is said, once for each role, and done; then files are
 * all there, and the process can be looked into.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/refusal.h"
#include "shm/compiler.h"

enum tsr_sandbox_mode {
	TSR_SANDBOX_ON,
	TSR_SANDBOX_LOG,
	TSR_SANDBOX_OFF,
};

/* A sanitizer makes system calls of its own, and looks into its own process. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TSR_SANDBOX_DEFAULT TSR_SANDBOX_OFF
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || \
	__has_feature(thread_sanitizer)
#define TSR_SANDBOX_DEFAULT TSR_SANDBOX_OFF
#endif
#endif
#ifndef TSR_SANDBOX_DEFAULT
#define TSR_SANDBOX_DEFAULT TSR_SANDBOX_ON
#endif

/* What a thread does, and so may ask the system for. */
enum tsr_sandbox_role {
	TSR_SANDBOX_DAEMON,  /* any: starting and stopping, DPDK's and LTTng's threads */
	TSR_SANDBOX_CONTROL, /* of DAEMON's: the control thread */
	TSR_SANDBOX_POLL,    /* of DAEMON's: the poll core: neither files nor new sockets by name */
	TSR_SANDBOX_HELPER,  /* what a helper starts is not known: all but what nobody may */
	TSR_SANDBOX_ROLES,
};

/* What may be done below a place. */
enum tsr_sandbox_right {
	TSR_SANDBOX_READ = 1,
	TSR_SANDBOX_WRITE = 2, /* and make and remove */
	TSR_SANDBOX_EXECUTE = 4,
	TSR_SANDBOX_RMDIR = 8, /* remove empty folders, no more */
};

struct tsr_sandbox_place {
	const char *path; /* a place that is not there gets no right */
	unsigned rights;
};

struct tsr_sandbox {
	enum tsr_sandbox_mode mode;
	uint64_t capabilities; /* that are left: bit n is capability n */
	uint32_t landlock;     /* the ABI in force; 0: none */
	bool filtered;         /* seccomp is in force */
	bool tracing;          /* LTTng asks for what it likes: there are no lists */
};

/* tsr_sandbox_mode_find - "on", "log", "off". Return: 0; -EINVAL. */
TSR_MUST_CHECK
int tsr_sandbox_mode_find(const char *name, enum tsr_sandbox_mode *out);
const char *tsr_sandbox_mode_name(enum tsr_sandbox_mode mode);

/*
 * tsr_sandbox_rights - drop capabilities, and whatever else could look in or get more
 * @daemon:	keep what the daemon needs of them; a helper needs none
 *
 * Context: before any other thread. Return: 0; what the system gave.
 */
TSR_MUST_CHECK
int tsr_sandbox_rights(struct tsr_sandbox *sandbox, enum tsr_sandbox_mode mode, bool daemon,
                       struct tsr_refusal *refusal);

/*
 * tsr_sandbox_places - from here on only what lies below these places
 * @abi_max:	as if the kernel knew no later ABI of Landlock
 * @abstract:	sockets in no directory may still be connected to
 *
 * A kernel without Landlock is no error. Context: this thread, and those that it makes from now on.
 */
TSR_MUST_CHECK
int tsr_sandbox_places(struct tsr_sandbox *sandbox, struct tsr_sandbox_place const *places,
                       size_t places_count, uint32_t abi_max, bool abstract,
                       struct tsr_refusal *refusal);

/*
 * tsr_sandbox_calls - only the system calls of that role
 * @everybody:	hold every thread of the process to it; none may have a list of its own yet
 *
 * Roles stack: a thread may do what all its lists allow. Context: this thread and those that it
 * makes from now on. Return: 0; what the system gave. A kernel without seccomp is no error.
 */
TSR_MUST_CHECK
int tsr_sandbox_calls(struct tsr_sandbox *sandbox, enum tsr_sandbox_role role, bool everybody,
                      struct tsr_refusal *refusal);

/* tsr_sandbox_landlock - the ABI that the kernel offers; 0: none. */
uint32_t tsr_sandbox_landlock(void);

/* tsr_sandbox_catch - have calls that are not on a list said, by name. Before any place or list;
 * tsr_sandbox_resume - where the calls that @log lets through come back from. */
TSR_MUST_CHECK
int tsr_sandbox_catch(bool log);
uint64_t tsr_sandbox_resume(void);

#endif /* TSR_CORE_SANDBOX_H */
