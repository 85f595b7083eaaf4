/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_HELPER_H
#define TSR_CORE_HELPER_H

/*
 * Helpers: processes that the daemon forks before it shuts itself in, for what can't be done from
 * within. They have no capability, no descriptor but one socket, and a sandbox of their own; they
 * end when the daemon does. But for the last one:
 *
 *	finder		the configuration file, wherever it is by then, and no other; users and
 *			groups, for whoever knows them (NSS) is code that is loaded when it is
 *			needed, and opens what it likes. It may write nothing.
 *	recorder	`lttng snapshot record`, for the remains of the dead. It may write into
 *			their folder only.
 *	asker		whether the binary that we were started as, which may be another by now, can
 *			take our realms over: it is run to say so. It may write nothing.
 *
 *	successor	waits, and becomes the next daemon if this one leaves for an upgrade: it is
 *			as free as we were, and has our arguments, our log, and one program to run.
 *			Whoever has the daemon can have it started anew, and no more.
 *
 * Bytes	one packet asks, one answers, as in passing.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/refusal.h"
#include "core/sandbox.h"
#include "shm/compiler.h"

/*
 * tsr_helper_finder - have names and files found by a helper from here on
 * @file:	the one that it opens; NULL: none
 *
 * Context: of these two: before any other thread. Return: 0; what the system gave.
 */
TSR_MUST_CHECK
int tsr_helper_finder(enum tsr_sandbox_mode mode, const char *file, struct tsr_refusal *refusal);

/* tsr_helper_recorder - Return: a descriptor for tsr_helper_record(); what the system gave. */
TSR_MUST_CHECK
int tsr_helper_recorder(enum tsr_sandbox_mode mode, const char *folder,
                        struct tsr_refusal *refusal);

/* tsr_helper_asker - @path is run with @argv, which stay. Return: a descriptor for the calls below;
 * what the system gave. */
TSR_MUST_CHECK
int tsr_helper_asker(enum tsr_sandbox_mode mode, const char *path, char **argv,
                     struct tsr_refusal *refusal);

/* tsr_helper_successor - it runs @path with @argv, which stay. Context: before anything is given
 * up. Return: a descriptor for tsr_helper_succeed(); what the system gave. */
TSR_MUST_CHECK
int tsr_helper_successor(const char *path, char **argv, struct tsr_refusal *refusal);

/* tsr_helper_succeed - have it become the next daemon as soon as this process has ended, with
 * @signal, if that is not 0, to be taken. Return: 0; -EPIPE there is none any more; ... */
TSR_MUST_CHECK
int tsr_helper_succeed(int successor, int signal);

/* tsr_helper_finder_end - by ourselves again. */
void tsr_helper_finder_end(void);

/*
 * tsr_helper_find - the number of a user or a group; by the helper, if there is one
 *
 * Context: one thread at a time. Return: 0; -ENOENT there is none of that name; what the system
 * gave.
 */
TSR_MUST_CHECK
int tsr_helper_find(bool user, const char *name, unsigned *id);

/* tsr_helper_open - a file to read; by the helper, if there is one. Context: as tsr_helper_find().
 * Return: a descriptor; -EACCES the helper opens no such file; what the system gave. */
TSR_MUST_CHECK
int tsr_helper_open(const char *path);

/* tsr_helper_record - have what LTTng has in memory written into @path, which is below the
 * recorder's folder. Takes ten seconds at most. Context: one thread. */
void tsr_helper_record(int recorder, const char *path);

/*
 * tsr_helper_check - have it asked whether it can take over that layout: five seconds at most
 * tsr_helper_checked - what it said, once @asker can be read
 *
 * Context: one thread. Return: 0, or what the system gave; how it ended, as waitpid(2) says: it was
 * killed if it did not end.
 */
TSR_MUST_CHECK
int tsr_helper_check(int asker, const char *layout);
int tsr_helper_checked(int asker, char *text, size_t bytes);

#endif /* TSR_CORE_HELPER_H */
