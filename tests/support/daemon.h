/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SUPPORT_DAEMON_H
#define TSR_TESTS_SUPPORT_DAEMON_H

/*
 * A tesserad of the test's own: in a private run directory, with the options of $TESSERA_TEST_SET
 * and of the test. It tells the test that it is ready (sd_notify), so nobody sleeps; it dies with
 * the test; it is stopped by daemon_stop(), which asserts that nothing is left.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/control.h"
#include "shm/proto.h"
#include "shm/tessera.h"

struct daemon {
	pid_t pid;
	int pidfd;
	int log; /* memfd: what it wrote to standard error */
	char dir[64];
	char socket[108];
	uid_t uid;            /* whom it runs as */
	uint32_t descriptors; /* open in it when it was ready, and mapped */
	uint32_t mappings;
	/* Called in the child before it becomes tesserad; not 0: it gives up. */
	int (*prepare)(void *arg);
	void *prepare_arg;
};

/*
 * daemon_start - start it and wait until it is ready
 * @sets:	words for --set, up to a NULL; NULL: none
 */
void daemon_start(struct daemon *daemon, char const *const *sets);

/* The same as another user; @uid 0: as we are. */
void daemon_start_as(struct daemon *daemon, char const *const *sets, uid_t uid);

/* daemon_args - the options that daemon_start() gives: [DAEMON_ARGS_MAX], up to a NULL. */
#define DAEMON_ARGS_MAX 48
void daemon_args(char const **args, char const *const *sets);

/*
 * daemon_spawn - start it with any arguments, and don't wait until it is ready
 *
 * The run directory is kept if daemon->dir is set already, else a new one is made.
 */
void daemon_spawn(struct daemon *daemon, char const *const *args, uid_t uid);

/* daemon_ended - wait (10 s at most) for its end; return the wait status. */
int daemon_ended(struct daemon *daemon);

/* daemon_ready - whether a spawned daemon became ready; false: it ended. */
bool daemon_ready(struct daemon *daemon);

/*
 * daemon_stop - assert that the realm "demo" is quiet and balances and that the daemon has grown by
 * no descriptor and no mapping; end it with SIGTERM; assert status 0 and an empty run directory
 */
void daemon_stop(struct daemon *daemon);

/* daemon_kill - SIGKILL, and wait; the run directory stays as it is. daemon_clear removes it. */
void daemon_kill(struct daemon *daemon);
void daemon_clear(struct daemon *daemon);

/* What it has logged so far: at most 64 KiB, in a static buffer. */
char const *daemon_log(struct daemon const *daemon);
void daemon_log_has(struct daemon const *daemon, char const *words);

/* Requests on a connection of their own. */
void daemon_control(struct daemon const *daemon, struct tsr_control *control);
struct tsr_proto_status_reply daemon_status(struct daemon const *daemon);
struct tsr_proto_ledger_reply daemon_ledger(struct daemon const *daemon, char const *realm);
/* The row of a channel; false: there is none. */
bool daemon_channel(struct daemon const *daemon, char const *name,
                    struct tsr_proto_row_channel *row);
/* The regions of the realm "demo", up to @rows_max; return how many there are. */
unsigned daemon_regions(struct daemon const *daemon, struct tsr_proto_row_region *rows,
                        unsigned rows_max);
/* The row of a realm; false: there is none. */
bool daemon_realm(struct daemon const *daemon, char const *name, struct tsr_proto_row_realm *row);
/* The sum of missed_wakes over the clients that are attached. */
uint64_t daemon_missed_wakes(struct daemon const *daemon);

/* Wait until it has cleaned up after @reaped deaths in all (10 s at most), and nothing is
 * pending. */
void daemon_reaped(struct daemon const *daemon, uint64_t reaped);

/* Assert that the realm balances now, with so many tickets in the hands of clients. */
void daemon_balanced(struct daemon const *daemon, char const *realm);

/* Attach to the realm "demo". */
struct tsr_client daemon_attach(struct daemon const *daemon, uint32_t flags);
/* The options for it, for a child. */
struct tsr_attach_options daemon_options(struct daemon const *daemon);

#endif /* TSR_TESTS_SUPPORT_DAEMON_H */
