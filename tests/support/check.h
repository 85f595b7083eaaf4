/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SUPPORT_CHECK_H
#define TSR_TESTS_SUPPORT_CHECK_H

/*
 * What every suite uses: asserts for calls that return an errno, seeds, and counts of what a
 * process has open.
 *
 * Context	the test process only. A child that a test forked never asserts: see child.h.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <criterion/criterion.h>

#include "shm/tessera.h"

#define TEST_SECOND UINT64_C(1000000000)

/*
 * A test of a suite that ends with checks: SUITE_setup(), the body, SUITE_teardown(). A suite's
 * .fini does not do: criterion 2.4.1 prints an assertion that fails there, and the test passes.
 */
#define test_case(suite, name) TEST_CASE(suite, name, Test(suite, name))
#define test_case_within(suite, name, seconds) \
	TEST_CASE(suite, name, Test(suite, name, .timeout = (seconds)))

#define TEST_CASE(suite, name, test)             \
	static void suite##_##name##_body(void); \
	test                                     \
	{                                        \
		suite##_setup();                 \
		suite##_##name##_body();         \
		suite##_teardown();              \
	}                                        \
	static void suite##_##name##_body(void)

/* Leave such a test as skipped. */
#define test_case_skip(suite, why)  \
	do {                        \
		suite##_teardown(); \
		cr_skip_test(why);  \
	} while (0)

/* The call returns 0; else its error and what the daemon said are shown. */
#define test_ok(call) test_is(call, 0)

/* The call returns @want. */
#define test_is(call, want)                                                                 \
	do {                                                                                \
		int const got_ = (call);                                                    \
		cr_assert_eq(got_, (want), "%s gave %d (%s; %s), expected %d", #call, got_, \
		             tsr_strerror(got_), tsr_last_hint(), (want));                  \
	} while (0)

/* Two unsigned numbers are the same; both are shown. */
#define test_same(a, b)                                                                       \
	do {                                                                                  \
		uint64_t const a_ = (uint64_t)(a), b_ = (uint64_t)(b);                        \
		cr_assert_eq(a_, b_, "%s is %ju (%#jx), %s is %ju (%#jx)", #a, (uintmax_t)a_, \
		             (uintmax_t)a_, #b, (uintmax_t)b_, (uintmax_t)b_);                \
	} while (0)

/* test_nightly - the long forms are wanted. */
bool test_nightly(void);

/* test_seed - $TESSERA_SEED or a new one; printed, so that a failure can be run again. */
uint64_t test_seed(void);

/* test_random - the next number of a sequence (xorshift64*). */
uint64_t test_random(uint64_t *state);

/* test_fds_count, test_maps_count - what this process has open and mapped shared ("memfd:"). */
unsigned test_fds_count(void);
unsigned test_maps_count(void);

/* test_deadline - so many milliseconds from now; test_passed - whether it has passed. */
uint64_t test_deadline(uint64_t ms);
bool test_passed(uint64_t deadline_ns);

#endif /* TSR_TESTS_SUPPORT_CHECK_H */
