/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_DAEMON_H
#define TSR_PERF_DAEMON_H

/*
 * A private tesserad for one plan: in a run directory of its own, ended with SIGTERM.
 */

#include <stddef.h>
#include <sys/types.h>

struct tsr_perf_daemon {
	pid_t pid;
	char directory[64]; /* TESSERA_RUNTIME_DIR of the daemon and of both sides */
};

/*
 * tsr_perf_daemon_start - start $TESSERAD, or ../apps/tesserad from this program, and wait for it
 * @settings:	"path=value", each given as --set; NULL ends them
 * @message:	what went wrong, on failure
 *
 * Return: 0; -ENOENT no such program; -ECHILD it ended; -ETIMEDOUT; or a negative errno.
 */
int tsr_perf_daemon_start(struct tsr_perf_daemon *daemon, const char *const *settings,
                          char *message, size_t message_bytes);

/* tsr_perf_daemon_stop - SIGTERM, then SIGKILL after five seconds; removes the run directory */
void tsr_perf_daemon_stop(struct tsr_perf_daemon *daemon);

#endif /* TSR_PERF_DAEMON_H */
