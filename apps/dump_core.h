/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_DUMP_CORE_H
#define TSR_APPS_DUMP_CORE_H

/*
 * A realm out of the core file of a process that had it mapped: a client, an observer, the daemon.
 * Its memory goes by the names that /proc/PID/maps shows (core/realm_memory.h), which the core's
 * note of mapped files has kept.
 *
 * Trust	a core file is hostile: libelf checks its headers, what stands here the notes, and
 *		what comes out is checked as any other dump.
 */

#include "apps/dump.h"

/* tsr_dump_core_is - does the file begin as a core file does? */
bool tsr_dump_core_is(int fd);

/*
 * tsr_dump_core_load - @realm: NULL: the one that there is
 *
 * Return: 0; or an exit status, and it is said.
 */
int tsr_dump_core_load(int fd, const char *file, const char *realm, struct tsr_dump *dump);

#endif /* TSR_APPS_DUMP_CORE_H */
