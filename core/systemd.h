/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_SYSTEMD_H
#define TSR_CORE_SYSTEMD_H

/*
 * What the daemon says to systemd and takes from it. Without systemd every call does
 * nothing; built without libsystemd only those that send do something.
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

/* tsr_systemd_store_limit - how many descriptors it keeps for us; 0: none. By FDSTORE in the
 * environment, which systemd sets from 254 on, and our unit before. */
uint32_t tsr_systemd_store_limit(void);

/*
 * tsr_systemd_store - have it keep @fd under @name, and wait until it does
 * tsr_systemd_unstore - have it close what it keeps under @name
 * tsr_systemd_take_stored - tell @found of all that it kept for us; @fd is its to close. @found
 *		returns 0, or what ends this.
 *
 * Return: 0; -EOPNOTSUPP nobody supervises us; -ETIMEDOUT a second was not enough; ...
 */
TSR_MUST_CHECK
int tsr_systemd_store(const char *name, int fd);
TSR_MUST_CHECK
int tsr_systemd_unstore(const char *name);
TSR_MUST_CHECK
int tsr_systemd_take_stored(int (*found)(void *argument, const char *name, int fd), void *argument);

/* tsr_systemd_watchdog_ns - how often systemd wants to hear of us; 0: never. */
uint64_t tsr_systemd_watchdog_ns(void);

/* tsr_systemd_booted - does systemd run us? */
bool tsr_systemd_booted(void);

#endif /* TSR_CORE_SYSTEMD_H */
