/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_MEET_H
#define TSR_TESTS_CRASH_MEET_H

/*
 * What a rendezvous needs of the scene and of the judgement: its messages lie nowhere, they are
 * offered by somebody who waits. Offers of peers are made by one try each, and settled later.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/ring.h"
#include "tests/crash/world.h"

#define MEET_OFFERS 2

/* What peers offer: put back with the scene. */
struct meet {
	struct tsr_msg offer[MEET_OFFERS];
	bool sender_second; /* the peer who sends is not the first who offers */
};

/* Is channel 0 one? */
bool meet_is_on(void);

/* A peer offers a message; its serial is the world's last. */
void meet_offer(unsigned which);

/* Has the peer's offer been taken, or does nothing stand? Its slot is free then. */
bool meet_settle(unsigned which);

/* Has the peer an end, and nothing offered? */
bool meet_can(unsigned which);

/* Send so many messages through channel 0 that laps run over. */
void meet_advance(void);

/* ring_read() for it: an offer that was taken is not there. */
void meet_read(struct ring *ring);

/* New clients meet; afterwards no slot is in use. */
bool meet_round(enum world_client from, enum world_client to);

#endif /* TSR_TESTS_CRASH_MEET_H */
