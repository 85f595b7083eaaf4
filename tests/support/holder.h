/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SUPPORT_HOLDER_H
#define TSR_TESTS_SUPPORT_HOLDER_H

/*
 * A holder of the test's own, and what it keeps; daemons that start beside it, one after the other.
 */

#include "tests/support/daemon.h"

/* holder_start - `tesserad --holder` in a run directory of its own, ready. */
void holder_start(struct daemon *holder);

/* holder_again - another one, where one was killed. */
void holder_again(struct daemon *holder);

/* holder_stop - with SIGTERM: asserts that it ends with 0 and leaves nothing, and clears up. */
void holder_stop(struct daemon *holder);

/* holder_connect - a connection to it, for tsr_holder_keep() and such. */
int holder_connect(struct daemon const *holder);

/* holder_count - how many descriptors it keeps whose names begin with @prefix. */
unsigned holder_count(struct daemon const *holder, char const *prefix);

/* holder_fetch - the descriptor under the first name that begins with @prefix and ends with
 * @suffix; the caller's. */
int holder_fetch(struct daemon const *holder, char const *prefix, char const *suffix);

/* heir_start - a daemon in the holder's run directory, ready: what the one before has left is
 * taken over. heir_spawn: not waited for. */
void heir_start(struct daemon *daemon, struct daemon const *holder, char const *const *sets);
void heir_spawn(struct daemon *daemon, struct daemon const *holder, char const *const *sets);

/* heir_stop - as daemon_stop(), but that the holder's files stay. */
void heir_stop(struct daemon *daemon);

#endif /* TSR_TESTS_SUPPORT_HOLDER_H */
