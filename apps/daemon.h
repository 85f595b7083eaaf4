/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_DAEMON_H
#define TSR_APPS_DAEMON_H

/*
 * Starting a tesserad, and stopping one.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/control.h"

#define TSR_DAEMON_SETS_MAX 8

/* A daemon that we started. */
struct tsr_daemon {
	pid_t pid;
	int log;        /* what it says; -1 none */
	char path[108]; /* of its socket */
};

/*
 * tsr_daemon_start - start a tesserad of this user and wait until it answers
 * @socket:	where it shall listen; NULL: in its run directory
 * @sets:	more settings PATH=VALUE for it, up to TSR_DAEMON_SETS_MAX, then a NULL
 * @keep:	it outlives us
 *
 * What it logs goes to memory, and is shown if the start fails; of one that is kept it can be read
 * in /proc/PID/fd/2.
 * Return: an exit status; what failed is said.
 */
TSR_MUST_CHECK
int tsr_daemon_start(const char *socket, const char *const *sets, bool keep,
                     struct tsr_daemon *daemon);

/* tsr_daemon_end - end what tsr_daemon_start() started. Return: its exit status. */
int tsr_daemon_end(struct tsr_daemon *daemon);

/*
 * tsr_daemon_stop - ask a daemon to end, and wait until its process has
 *
 * Return: 0; -ETIMEDOUT; or the daemon's refusal.
 */
TSR_MUST_CHECK
int tsr_daemon_stop(struct tsr_control *control, uint64_t deadline_ns);

#endif /* TSR_APPS_DAEMON_H */
