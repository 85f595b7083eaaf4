/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_ALLOC_H
#define TSR_APPS_ALLOC_H

/*
 * Allocating with patience.
 */

#include <stdint.h>

#include "shm/compiler.h"
#include "shm/tessera.h"

/*
 * tsr_alloc_wait - tsr_alloc(), looking again while no block is free
 *
 * Blocks come free when receivers release them, which wakes nobody: so this sleeps 50 us to 1 ms
 * between two looks. It is the brake on a sender whose blocks are all on their way.
 * Return: as tsr_alloc(); -ETIMEDOUT none was free by @deadline_ns.
 */
TSR_MUST_CHECK
int tsr_alloc_wait(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg,
                   uint64_t deadline_ns);

#endif /* TSR_APPS_ALLOC_H */
