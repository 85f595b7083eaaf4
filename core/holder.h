/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_HOLDER_H
#define TSR_CORE_HOLDER_H

/*
 * The holder: a process that keeps descriptors by name, so that they outlive the daemon. It maps no
 * shared memory, restarts nothing, and knows nothing of what it keeps.
 *
 * Bytes	SOCK_SEQPACKET on CONTROL-SOCKET.holder, one request a packet, each answered by
 *		"OK" or "ERRNO=n":
 *
 *		FDSTORE=1\nFDNAME=name		with one descriptor: keep it
 *		FDSTOREREMOVE=1\nFDNAME=name	close what is kept under that name, if anything
 *		FDGET=1				all of it: packets FDNAME=name with one descriptor,
 *						then OK
 *
 *		The first two are what systemd's descriptor store understands, too.
 * Trust	it answers its own user and root, as the kernel says who asks. Names have 1 to 191
 *		printable characters; a packet that is anything else is refused and changes nothing,
 *		descriptors that nobody asked for are closed.
 * Progress	one thread; who does not read its answers within a second is dropped. It keeps as
 *		many descriptors as it may open, but for a few dozen.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/refusal.h"
#include "shm/compiler.h"

/*
 * tsr_holder_serve - be the holder for the daemon of that control socket, until SIGTERM or SIGINT
 *
 * Context: the main thread, before any other. Return: 0; a negative errno, and @refusal says why.
 */
TSR_MUST_CHECK
int tsr_holder_serve(const char *socket, struct tsr_refusal *refusal);

/* The asking side, on a connection to it. Return of each: 0; -ENOBUFS it is full; -ETIMEDOUT,
 * -EPROTO, ...: it did not answer as it should. */
TSR_MUST_CHECK
int tsr_holder_keep(int holder, const char *name, int fd);
TSR_MUST_CHECK
int tsr_holder_drop(int holder, const char *name);

/* tsr_holder_get - tell @found of all it keeps; @fd is its to close. It returns 0, or what ends
 * this. */
TSR_MUST_CHECK
int tsr_holder_get(int holder, int (*found)(void *argument, const char *name, int fd),
                   void *argument);

#endif /* TSR_CORE_HOLDER_H */
