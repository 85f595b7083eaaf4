/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_ROW_H
#define TSR_CORE_ROW_H

/*
 * What the daemon tells of a realm and of its clients, as rows of shm/proto.h.
 *
 * Context	under the realm's lock.
 */

#include <stdint.h>

#include "core/realm.h"
#include "shm/proto.h"

/*
 * tsr_row_holders - how many tickets name each holder: [clients + 1], 0 being free ones and the
 * daemon's
 *
 * Return: freed by the caller; NULL without memory, or the realm was found broken.
 */
uint32_t *tsr_row_holders(struct tsr_realm *realm);

/* tsr_row_realm - @count: of tsr_row_holders(); NULL */
void tsr_row_realm(struct tsr_realm const *realm, uint32_t const *count,
                   struct tsr_proto_row_realm *row);

/* tsr_row_client - likewise. Return: 0; -EFAULT the realm was found broken. */
TSR_MUST_CHECK
int tsr_row_client(struct tsr_member const *member, uint32_t const *count,
                   struct tsr_proto_row_client *row);

#endif /* TSR_CORE_ROW_H */
