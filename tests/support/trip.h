/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SUPPORT_TRIP_H
#define TSR_TESTS_SUPPORT_TRIP_H

/*
 * Whether a realm without a daemon still works: new clients (7 and 8) send and receive in it, and
 * are swept when they leave.
 */

#include "tests/support/realm.h"

/* Receive exactly @waiting messages, then send and receive @count, one by one, at once. */
void trip_round(struct realm *realm, struct tsr_channel *channel, uint32_t waiting, uint32_t count);

/* Receive exactly @count messages, of which @again are flagged as redelivered. */
void trip_drain(struct realm *realm, struct tsr_channel *channel, uint32_t count, uint32_t again);

/* A client of the realm; trip_leave has its tickets swept, as the daemon does at a detach. */
struct tsr_client trip_join(struct realm *realm, uint16_t id, bool fenced);
void trip_leave(struct realm *realm, uint16_t id, struct tsr_client client);

#endif /* TSR_TESTS_SUPPORT_TRIP_H */
