/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_GATHER_H
#define TSR_APPS_GATHER_H

/*
 * Messages to a descriptor, straight out of shared memory.
 */

#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"
#include "shm/tessera.h"

#define TSR_GATHER_MAX 32

/*
 * tsr_gather_write - write all of up to TSR_GATHER_MAX messages
 * @bytes:	increased by what was written
 *
 * Return: 0; what write(2) gave.
 */
TSR_MUST_CHECK
int tsr_gather_write(int fd, const struct tsr_msg *msgs, size_t count, uint64_t *bytes);

#endif /* TSR_APPS_GATHER_H */
