/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_SYSTEMD_H
#define TSR_CORE_SYSTEMD_H

/*
 * What the daemon says to systemd and takes from it. Without systemd every call does
 * nothing; built without libsystemd all but tsr_systemd_notify() do nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"

/* tsr_systemd_has_socket - will tsr_systemd_take_socket() find one? */
bool tsr_systemd_has_socket(void);

/* Return: a listening descriptor, close-on-exec and non-blocking; -ENOENT none was handed over;
 * -EPROTOTYPE something else was. */
TSR_MUST_CHECK
int tsr_systemd_take_socket(void);

/* tsr_systemd_notify - "READY=1", "RELOADING=1", "STATUS=...", "STOPPING=1", "WATCHDOG=1". Waits
 * 20 ms at most for a supervisor that does not read; then it is not told. */
void tsr_systemd_notify(const char *format, ...) TSR_PRINTF(1, 2);

/* tsr_systemd_watchdog_ns - how often systemd wants to hear of us; 0: never. */
uint64_t tsr_systemd_watchdog_ns(void);

/* tsr_systemd_booted - does systemd run us? */
bool tsr_systemd_booted(void);

#endif /* TSR_CORE_SYSTEMD_H */
