/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_FAIL_FAIL_H
#define TSR_TESTS_FAIL_FAIL_H

/*
 * One call to the system fails: what the program itself calls (and not what the libraries that it
 * uses call) of allocations, mappings, descriptors, sockets, messages, futexes and threads is
 * counted, and the n-th of these calls fails once, as it might.
 *
 * A library that comes before libc: linked with a test, or preloaded into tesserad, where
 * TESSERA_FAIL_NTH=N arms it from the start, what failed is said on standard error, and at the end
 * how many calls there were.
 */

#include <stdint.h>

#define FAIL_API __attribute__((visibility("default")))

/* fail_arm - the @nth call from here on fails; 0: none, but they are counted. */
FAIL_API void fail_arm(uint64_t nth);

/* fail_disarm - Return: the name of what failed; NULL: nothing did. @calls: how many there were. */
FAIL_API char const *fail_disarm(uint64_t *calls);

#endif /* TSR_TESTS_FAIL_FAIL_H */
