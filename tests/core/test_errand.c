/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <poll.h>
#include <pthread.h>

#include "core/errand.h"
#include "tests/support/check.h"

/* Errands: what other threads have the control thread do. */

#define ASKERS 4

static struct tsr_errands errands_;
static unsigned done_; /* the serving thread's */

static void
errand_setup(void)
{
	test_ok(tsr_errands_create(&errands_));
}

static void
errand_teardown(void)
{
	tsr_errands_close(&errands_);
}

TestSuite(errand, .timeout = 20);

static void
work(void *argument)
{
	*(unsigned *)argument = ++done_;
}

/* Asks once; the result is the error, or which errand it was. */
static void *
ask(void *argument)
{
	unsigned *const result = argument;
	unsigned number = 0;
	int const error = tsr_errand_do(&errands_, work, &number);

	*result = error == 0 ? number : (unsigned)error;
	return NULL;
}

static void
await_bell(void)
{
	struct pollfd bell = {.fd = errands_.bell, .events = POLLIN};

	cr_assert_eq(poll(&bell, 1, 5000), 1);
}

test_case(errand, each_is_done_once_and_its_asker_goes_on)
{
	unsigned result[ASKERS] = {0}, sum = 0;
	pthread_t asker[ASKERS];

	for (int i = 0; i < ASKERS; i++)
		cr_assert_eq(pthread_create(&asker[i], NULL, ask, &result[i]), 0);
	while (done_ < ASKERS) {
		await_bell();
		tsr_errands_serve(&errands_);
	}
	for (int i = 0; i < ASKERS; i++) {
		cr_assert_eq(pthread_join(asker[i], NULL), 0);
		sum += result[i];
	}
	test_same(sum, ASKERS * (ASKERS + 1) / 2);
}

test_case(errand, who_waits_when_nobody_serves_any_more_is_told)
{
	unsigned result = 0, late = 0;
	pthread_t asker;

	cr_assert_eq(pthread_create(&asker, NULL, ask, &result), 0);
	await_bell();
	tsr_errands_close(&errands_);
	cr_assert_eq(pthread_join(asker, NULL), 0);
	test_same(result, (unsigned)-ENOTCONN);
	(void)ask(&late);
	test_same(late, (unsigned)-ENOTCONN);
	test_same(done_, 0);
}
