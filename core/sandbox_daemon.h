/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_SANDBOX_DAEMON_H
#define TSR_CORE_SANDBOX_DAEMON_H

/*
 * When the daemon shuts itself in, and with what: see sandbox.h.
 */

#include "core/refusal.h"
#include "shm/compiler.h"

struct tsr_daemon;

/* tsr_daemon_shed - helpers, then rights. Context: before any other thread. Return: 0; what the
 * system gave. */
TSR_MUST_CHECK
int tsr_daemon_shed(struct tsr_daemon *daemon, struct tsr_refusal *refusal);

/* tsr_daemon_stay - only the places it needs. Context: the run directory is there; before DPDK's
 * threads. Return: 0; -ENOMEM; what the system gave. */
TSR_MUST_CHECK
int tsr_daemon_stay(struct tsr_daemon *daemon, struct tsr_refusal *refusal);

/*
 * tsr_daemon_shut_in - every thread to its list of system calls, but the poll core's to its own
 *
 * Context: the main thread, when everything is started. Return: 0; -ENOTCONN there is no control
 * thread; what the system gave.
 */
TSR_MUST_CHECK
int tsr_daemon_shut_in(struct tsr_daemon *daemon, struct tsr_refusal *refusal);

#endif /* TSR_CORE_SANDBOX_DAEMON_H */
