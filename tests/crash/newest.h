/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_NEWEST_H
#define TSR_TESTS_CRASH_NEWEST_H

/*
 * What must hold of a conflated channel 0, where judge.c and freeze.c say it for all kinds: of all
 * messages only the newest is received, unless it was.
 */

#include "tests/crash/judge.h"
#include "tests/crash/ring.h"

bool newest_is_on(void);

/* The entry that a receiver gets now; NULL: none. */
struct ring_entry const *newest_entry(struct ring const *ring);

/* What was the newest before is there, or was received, or something newer is there. */
bool newest_story(struct ring const *ring);

/* What the ring at death says must come out now, does. */
bool newest_follows(struct ring const *then, struct ring const *now);

/* Nobody died: what came is the newest in the end. @sent: while the victim was frozen. */
bool newest_account(struct judge_set const *got, uint64_t const *sent, unsigned sent_count);

/* Through every slot of a channel, with clients that have just come. */
bool newest_round(unsigned channel, enum world_client from, enum world_client to);

#endif /* TSR_TESTS_CRASH_NEWEST_H */
