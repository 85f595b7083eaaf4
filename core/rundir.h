/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_RUNDIR_H
#define TSR_CORE_RUNDIR_H

/*
 * Where the daemon lives in the file system: run directory, lock, control socket, EAL's folder.
 *
 * Crash	a daemon that was killed leaves its lock file, socket and EAL folder. The lock is
 *		the kernel's (flock), so the next daemon gets it, and clears the rest. Two daemons
 *		can't race: who has the lock of a socket may replace it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shm/compiler.h"

#define TSR_PATH_BYTES 256

struct tsr_rundir {
	char socket[108];
	char lock_path[TSR_PATH_BYTES];
	char eal_folder[TSR_PATH_BYTES];
	int lock;          /* descriptor; -1 */
	int listener;      /* descriptor; -1 */
	bool made_folder;  /* the run directory itself */
	bool bound;        /* the socket is ours to remove */
	bool from_systemd; /* the listener was handed to us */
};

/* tsr_rundir_make - the names, and the run directory: found or made. As tsr_rundir_open(), without
 * a lock. */
TSR_MUST_CHECK
int tsr_rundir_make(struct tsr_rundir *rundir, const char *socket, char *why, size_t why_bytes);

/*
 * tsr_rundir_open - find or make the run directory, take the lock, make EAL's folder anew
 * @socket:	path of the control socket; NULL: in the run directory
 * @why:	on failure, a sentence
 *
 * Return: 0; -EADDRINUSE a living daemon has it; -EPERM, -ENOTDIR the folder is not one of ours; or
 * what the system gave; nothing is left behind.
 */
TSR_MUST_CHECK
int tsr_rundir_open(struct tsr_rundir *rundir, const char *socket, char *why, size_t why_bytes);

/* tsr_rundir_adopt - listen on the socket that the daemon before has left for us; @fd stays the
 * caller's. What is no such socket is not used. */
void tsr_rundir_adopt(struct tsr_rundir *rundir, int fd);

/* tsr_rundir_leave - have our socket stay where it is, for the next daemon. */
void tsr_rundir_leave(struct tsr_rundir *rundir);

/*
 * tsr_rundir_clear - remove what a dead daemon left where our socket will be
 *
 * Return: 0, also if nothing needs to be; -EADDRINUSE a living process listens there; -EEXIST it is
 * no socket; or what the system gave.
 */
TSR_MUST_CHECK
int tsr_rundir_clear(struct tsr_rundir const *rundir, char *why, size_t why_bytes);

/*
 * tsr_rundir_listen - bind the control socket, or take the one that systemd hands over
 * @mode, @group:	of the socket; group -1: the daemon's
 *
 * The socket appears when everything behind it works. Return: 0; what the system gave.
 */
TSR_MUST_CHECK
int tsr_rundir_listen(struct tsr_rundir *rundir, mode_t mode, gid_t group, char *why,
                      size_t why_bytes);

/*
 * tsr_rundir_permit - another mode and group for the socket
 * @group:	-1: as it is
 *
 * Return: 0; -EPERM it is systemd's, or the daemon may not; or what the system gave: both are as
 * they were.
 */
TSR_MUST_CHECK
int tsr_rundir_permit(struct tsr_rundir const *rundir, mode_t mode, gid_t group, char *why,
                      size_t why_bytes);

/* tsr_rundir_unlisten - remove the socket: new clients see at once that nobody serves it. */
void tsr_rundir_unlisten(struct tsr_rundir *rundir);

/* tsr_rundir_close - remove everything that was made. */
void tsr_rundir_close(struct tsr_rundir *rundir);

#endif /* TSR_CORE_RUNDIR_H */
