/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REALM_MEMORY_H
#define TSR_CORE_REALM_MEMORY_H

/*
 * The segments of a realm: made with the best backing that is to be had, written, sealed.
 */

#include "core/realm.h"

/* tsr_realm_daemon_writes - is that segment the daemon's alone to write? */
bool tsr_realm_daemon_writes(uint32_t index);

#define TSR_REALM_SEGMENT_NAME 40

/* tsr_realm_segment_name - of its memory, as /proc/PID/maps and core files show it */
void tsr_realm_segment_name(struct tsr_realm const *realm, uint32_t index,
                            char name[TSR_REALM_SEGMENT_NAME]);

/* tsr_realm_memory_create - Return: 0; -ENOMEM, ...: what was made is the destroy's. */
TSR_MUST_CHECK
int tsr_realm_memory_create(struct tsr_realm *realm, struct tsr_refusal *refusal);
void tsr_realm_memory_destroy(struct tsr_realm *realm);

#endif /* TSR_CORE_REALM_MEMORY_H */
