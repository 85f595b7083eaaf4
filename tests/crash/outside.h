/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_OUTSIDE_H
#define TSR_TESTS_CRASH_OUTSIDE_H

/*
 * What lies outside the world of world.h and would not be put back with it: the daemon's socket,
 * the clock, the futex, the heap, the end of a thread. The linker sends the product's calls to
 * them here (-Wl,--wrap, see meson.build).
 */

/* What the client library does when a thread ends. */
void outside_thread_ends(void *thread);

#endif /* TSR_TESTS_CRASH_OUTSIDE_H */
