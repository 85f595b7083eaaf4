/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_LISTEN_H
#define TSR_APPS_LISTEN_H

/*
 * A socket that nobody outside of this machine can reach: a path, or an address of the loopback.
 */

#include <stdbool.h>
#include <stddef.h>

#include "shm/compiler.h"

struct tsr_listener {
	int fd;
	char path[108]; /* of a Unix socket; "": TCP */
	char shown[160];
};

/*
 * tsr_listener_open - listen
 * @address:	a path (with a slash), 127.0.0.1:PORT, [::1]:PORT or localhost:PORT (PORT 0: any);
 *		NULL: the socket @name in the run directory, which is made if need be
 * @why:	on failure, a sentence
 *
 * A socket that a dead process left is replaced; of two that start at one moment, the later has it.
 * Return: 0; -EINVAL no such address; -EADDRINUSE; or what the system gave.
 */
TSR_MUST_CHECK
int tsr_listener_open(struct tsr_listener *listener, const char *address, const char *name,
                      char *why, size_t why_bytes);

/* tsr_listener_close - the path is removed, if it is still ours. The descriptor is closed. */
void tsr_listener_close(struct tsr_listener *listener);

/* tsr_host_is_local - of a Host header: it names the loopback. */
bool tsr_host_is_local(const char *host);

#endif /* TSR_APPS_LISTEN_H */
