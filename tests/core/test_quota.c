/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/quota.h"
#include "tests/support/check.h"

/*
 * The accounts by themselves: each limit at one below, at it and one above, with another user
 * unaffected; the fair share; the rates, on a clock of our own. tests/core/test_limits.c shows the
 * same at the daemon.
 */

#define ANNA  4711 /* users that are neither root nor us */
#define BERTA 4712
#define CARLA 4713

static struct tsr_quota quota_;

TestSuite(quota, .timeout = 20);

static void
quota_setup(void)
{
	struct tsr_quota_limits limits = {.rate = {100, 2}};

	for (unsigned i = 0; i < TSR_QUOTA_AMOUNTS; i++) {
		limits.user[i] = 10;
		limits.all[i] = 1000;
	}
	tsr_quota_create(&quota_, &limits);
}

static void
quota_teardown(void)
{
	tsr_quota_destroy(&quota_);
}

/* As many as there are, one by one. */
static uint64_t
flood(uid_t uid, char *why)
{
	uint64_t count = 0;

	while (tsr_quota_take(&quota_, uid, TSR_QUOTA_CONNECTIONS, 1, why) == 0)
		count++;
	return count;
}

test_case(quota, each_amount_of_a_user_at_its_limit)
{
	char why[TSR_QUOTA_WHY_BYTES];

	for (unsigned i = 0; i < TSR_QUOTA_AMOUNTS; i++) {
		test_ok(tsr_quota_take(&quota_, ANNA, i, 9, why));
		test_is(tsr_quota_take(&quota_, ANNA, i, 2, why), -ENOBUFS);
		test_is(tsr_quota_check(&quota_, ANNA, i, 2, NULL), -ENOBUFS);
		test_ok(tsr_quota_check(&quota_, ANNA, i, 1, why));
		test_ok(tsr_quota_take(&quota_, ANNA, i, 1, why));
		test_is(tsr_quota_take(&quota_, ANNA, i, 1, why), -ENOBUFS);
		cr_assert_not_null(strstr(why, "_per_user (10)"), "%s", why);
		/* No sum goes round. */
		test_is(tsr_quota_take(&quota_, ANNA, i, UINT64_MAX, why), -ENOBUFS);
		test_is(tsr_quota_take(&quota_, ANNA, i, UINT64_MAX - 9, why), -ENOBUFS);
		test_ok(tsr_quota_take(&quota_, BERTA, i, 10, why));
		tsr_quota_give(&quota_, ANNA, i, 3);
		test_is(tsr_quota_take(&quota_, ANNA, i, 4, why), -ENOBUFS);
		test_ok(tsr_quota_take(&quota_, ANNA, i, 3, why));
		/* What was never taken can't be given. */
		tsr_quota_give(&quota_, ANNA, i, 11);
		test_ok(tsr_quota_take(&quota_, ANNA, i, 10, why));
		test_is(tsr_quota_take(&quota_, ANNA, i, 1, why), -ENOBUFS);
	}
}

/* Of 100: the first may take until as much again is left for one more, and so on. */
test_case(quota, nobody_takes_the_share_of_who_comes_later)
{
	struct tsr_quota_limits limits = quota_.limits;
	char why[TSR_QUOTA_WHY_BYTES];

	limits.user[TSR_QUOTA_CONNECTIONS] = 100;
	limits.all[TSR_QUOTA_CONNECTIONS] = 100;
	tsr_quota_limit(&quota_, &limits);
	test_same(flood(ANNA, why), 50);
	cr_assert_not_null(
		strstr(why, "fair share of limits.connections (100, of which 50 are left"), "%s",
		why);
	test_same(flood(BERTA, why), 16);
	test_same(flood(CARLA, why), 8);
	test_same(flood(ANNA, why), 0);
	/* Those who run the daemon may, for they could as well end it. */
	test_same(flood(0, why), 26);
	cr_assert_not_null(strstr(why, "of which 0 are left"), "%s", why);
	test_same(flood(CARLA, why), 0);
	tsr_quota_give(&quota_, ANNA, TSR_QUOTA_CONNECTIONS, 50);
	cr_assert_gt(flood(CARLA, why), 4);
	/* No sum of shares goes round. */
	limits.user[TSR_QUOTA_BYTES] = limits.all[TSR_QUOTA_BYTES] = INT64_MAX;
	tsr_quota_limit(&quota_, &limits);
	test_is(tsr_quota_take(&quota_, ANNA, TSR_QUOTA_BYTES, INT64_MAX, why), -ENOBUFS);
	test_ok(tsr_quota_take(&quota_, ANNA, TSR_QUOTA_BYTES, INT64_MAX / 2, why));
	test_is(tsr_quota_take(&quota_, BERTA, TSR_QUOTA_BYTES, INT64_MAX / 2, why), -ENOBUFS);
}

test_case(quota, lower_limit_takes_nothing_away_and_none_admits_everything)
{
	struct tsr_quota_limits limits = quota_.limits;

	test_ok(tsr_quota_take(&quota_, ANNA, TSR_QUOTA_REGIONS, 10, NULL));
	limits.user[TSR_QUOTA_REGIONS] = 5;
	tsr_quota_limit(&quota_, &limits);
	test_is(tsr_quota_take(&quota_, ANNA, TSR_QUOTA_REGIONS, 1, NULL), -ENOBUFS);
	tsr_quota_give(&quota_, ANNA, TSR_QUOTA_REGIONS, 5);
	test_is(tsr_quota_take(&quota_, ANNA, TSR_QUOTA_REGIONS, 1, NULL), -ENOBUFS);
	tsr_quota_give(&quota_, ANNA, TSR_QUOTA_REGIONS, 1);
	test_ok(tsr_quota_take(&quota_, ANNA, TSR_QUOTA_REGIONS, 1, NULL));
	tsr_quota_limit(&quota_, NULL);
	for (unsigned i = 0; i < TSR_QUOTA_AMOUNTS; i++)
		test_ok(tsr_quota_take(&quota_, ANNA, i, UINT64_C(1) << 40, NULL));
}

test_case(quota, second_worth_at_hand_and_then_one_at_a_time)
{
	uint64_t const now = tsr_now_ns(), each = TEST_SECOND / 100;
	uint64_t untold;
	unsigned count = 0;

	while (tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, now, &untold) == 0)
		count++;
	test_same(count, 101); /* and the one that is due now */
	test_same(tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, now, &untold), now + each);
	test_same(tsr_quota_pace(&quota_, BERTA, TSR_QUOTA_REQUESTS, now, &untold), 0);
	test_same(tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, now + each - 1, &untold),
	          now + each);
	test_same(tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, now + each, &untold), 0);
	test_same(untold, 3);
	cr_assert_neq(tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, now + each, &untold), 0);
	/* The other rate is another. */
	test_same(tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_LOG_LINES, now, &untold), 0);
	for (count = 0; count < 101; count++)
		test_same(tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, now + 2 * TEST_SECOND,
		                         &untold),
		          0);
	cr_assert_neq(
		tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, now + 2 * TEST_SECOND, &untold),
		0);
}

/* Ten thousand users who come and go need room for those who are there. */
test_case(quota, account_of_who_has_nothing_is_used_again)
{
	uint64_t untold;

	for (uid_t uid = 10000; uid < 20000; uid++) {
		test_ok(tsr_quota_take(&quota_, uid, TSR_QUOTA_EVENTS, 10, NULL));
		if (uid >= 10005)
			tsr_quota_give(&quota_, uid - 5, TSR_QUOTA_EVENTS, 10);
	}
	cr_assert_leq(quota_.users_count, 8, "%u accounts", quota_.users_count);
	/* But not of who is held up: it would begin anew. */
	while (tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, tsr_now_ns(), &untold) == 0)
		;
	for (uid_t uid = 20000; uid < 20100; uid++) {
		test_ok(tsr_quota_take(&quota_, uid, TSR_QUOTA_EVENTS, 1, NULL));
		tsr_quota_give(&quota_, uid, TSR_QUOTA_EVENTS, 1);
	}
	cr_assert_neq(tsr_quota_pace(&quota_, ANNA, TSR_QUOTA_REQUESTS, tsr_now_ns(), &untold), 0);
}

test_case(quota, lines_say_what_is_taken_of_what_and_what_was_refused)
{
	struct tsr_quota_line line;
	unsigned seen = 0;

	test_ok(tsr_quota_take(&quota_, ANNA, TSR_QUOTA_CHANNELS, 7, NULL));
	test_ok(tsr_quota_take(&quota_, BERTA, TSR_QUOTA_CHANNELS, 2, NULL));
	test_is(tsr_quota_take(&quota_, BERTA, TSR_QUOTA_CHANNELS, 9, NULL), -ENOBUFS);
	for (uint32_t i = 0; tsr_quota_line(&quota_, i, &line); i++) {
		if (strcmp(line.what, "channels") != 0) {
			test_same(line.taken + line.refused, 0);
			continue;
		}
		seen++;
		test_same(line.taken, line.uid == ANNA ? 7 : 2);
		test_same(line.refused, line.uid == ANNA ? 0 : 1);
		test_same(line.limit, 10);
		test_same(line.all_taken, 9);
		test_same(line.all_limit, 1000);
	}
	test_same(seen, 2);
}
