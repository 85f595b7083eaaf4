/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_SPOOL_H
#define TSR_TESTS_CRASH_SPOOL_H

/* What must hold of an unlimited channel 0, where judge.c and freeze.c say it for all kinds. */

#include "tests/crash/judge.h"
#include "tests/crash/ring.h"

bool spool_is_on(void);

/* As ring_read(): of all segments that its links name. There is room always. */
void spool_read(struct ring *ring);

/* More than is in it now goes through, with clients that have just come, and comes back free. */
bool spool_round(enum world_client from, enum world_client to);

#endif /* TSR_TESTS_CRASH_SPOOL_H */
