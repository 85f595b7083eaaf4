/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_UPGRADE_H
#define TSR_CORE_UPGRADE_H

/*
 * Upgrade: the daemon gives way to another binary, which takes its realms over as from a dead one.
 *
 *	asked		does a store keep every realm? does the other binary, run with our own
 *			arguments and --can-take-over LAYOUT, say that it can? if not: refused, and
 *			nothing was touched (core/control_upgrade.c)
 *	leaving		between two requests, or two steps of one. Our listening socket goes into
 *			the store under a name that says who left and when, so that those who
 *			connect meanwhile wait in its queue
 *	gone		the process becomes the other binary; or, from within its sandbox, it ends
 *			and its successor does, which was forked before (core/helper.h); or, where a
 *			supervisor has the store or the socket, it ends with TSR_UPGRADE_STATUS and
 *			is started again
 *
 * Crash	from leaving on it is the death of a daemon: whoever is started next takes over.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/compiler.h"
#include "shm/proto.h"

#define TSR_UPGRADE_STATUS 75 /* exit status: start me again */
#define TSR_UPGRADE_SELF   "/proc/self/exe"
#define TSR_LAYOUT_BYTES   64

struct tsr_daemon;

/* How this process was started. */
struct tsr_start {
	bool fresh;       /* nothing shall be taken over */
	bool again;       /* it was to become another, and that could not be run */
	const char *path; /* of its binary, absolute */
	char **argv;
};

/* How it ends. */
struct tsr_leave {
	uint32_t how; /* TSR_UPGRADE_*; 0: by itself */
	int signal;   /* that came meanwhile: the successor's; 0: none */
	char binary[TSR_PROTO_PATH_BYTES];
};

/* Whom it has followed. */
struct tsr_inherited {
	pid_t pid; /* 0: nobody who left by an upgrade */
	uint64_t since_ns;
	_Atomic uint64_t gap_ns; /* until we served; 0: not yet */
	char from[32];           /* its release */
};

/* tsr_upgrade_layout - what of our build a successor must share, as one word. */
void tsr_upgrade_layout(char out[TSR_LAYOUT_BYTES]);

/* tsr_upgrade_answer - print whether this build can take over realms of that layout. Return:
 * whether it can. */
bool tsr_upgrade_answer(const char *layout);

/*
 * tsr_upgrade_understand - is this the answer of a tesserad that can?
 * @text:	all that it said
 * @release:	its release; "": it is not
 */
bool tsr_upgrade_understand(const char *text, char release[32]);

/* tsr_upgrade_mark - put into the store that we leave, with our socket or, if it is a supervisor's,
 * @spare. Context: the control thread, at its end. */
void tsr_upgrade_mark(struct tsr_daemon *daemon, int spare);

/* tsr_upgrade_inherit - find such a mark, and listen on its socket. tsr_upgrade_serves - we do.
 * tsr_upgrade_tell - what came of it. Context: the main thread, as it starts. */
void tsr_upgrade_inherit(struct tsr_daemon *daemon);
void tsr_upgrade_serves(struct tsr_daemon *daemon);
void tsr_upgrade_tell(struct tsr_daemon *daemon);

/*
 * tsr_upgrade_run - this process becomes @binary; or, if that can't be run, its own one again,
 * which was started as @own. Return: it could become neither, and said so.
 */
void tsr_upgrade_run(const char *binary, const char *own, char **argv);

/*
 * tsr_upgrade_become - this process becomes the other binary; or, if that can't be run after all,
 * its own one again
 *
 * Context: the main thread, when all has stopped. Return: it could become neither.
 */
void tsr_upgrade_become(struct tsr_daemon const *daemon);

#endif /* TSR_CORE_UPGRADE_H */
