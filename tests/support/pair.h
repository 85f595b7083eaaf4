/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_PAIR_H
#define TSR_TESTS_PAIR_H

/*
 * Two clients on the two sides of one channel, in a realm of the test's own, for suites that need
 * no more than that.
 */

#include "tests/support/realm.h"
#include "tests/support/shape.h"

extern struct realm realm;
extern struct tsr_channel *channel;
extern struct tsr_client from, to; /* ids 1 and 2 */
extern struct tsr_sender sender;
extern struct tsr_receiver receiver;

/* Realm and channel, with an end on each side as far as the directory says. Nobody looks on his
 * own: a wake-up that is missed is missed for good. */
void pair_make(struct tsr_shape shape, uint64_t first_lap, uint64_t first_generation);

/* The clients, and their ends. */
void pair_join(void);

/* Back to nothing: no wake-up was missed, and the ledger balances. */
void pair_leave(void);

#endif
