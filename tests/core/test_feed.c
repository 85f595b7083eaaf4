/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/refusals.h"
#include "tests/support/check.h"

/* What is kept of what happened: the ring, what was missed, who is woken, and refusals. */

static struct tsr_feed feed_;
static struct tsr_refusals refusals_;

static void
feed_setup(void)
{
	tsr_log_open(TSR_LOG_ERROR);
	test_ok(tsr_feed_create(&feed_));
	refusals_ = (struct tsr_refusals){.feed = &feed_};
}

static void
feed_teardown(void)
{
	tsr_feed_destroy(&feed_);
}

TestSuite(feed, .timeout = 20);

static void
tell(uint32_t id)
{
	struct tsr_proto_row_feed row = {.kind = TSR_FEED_ATTACH, .client_id = id};

	tsr_feed_tell(&feed_, TSR_LOG_DEBUG, &row, "client %u", id);
}

/* Read all from @from on; assert that they are numbers @first to @last, of clients of those ids. */
static void
reads(uint64_t from, uint64_t first, uint64_t last, uint64_t missed)
{
	struct tsr_proto_row_feed rows[4];
	uint64_t next = from, skipped = 0, want = first;
	size_t count;

	while ((count = tsr_feed_read(&feed_, &next, &skipped, rows, 4)) != 0) {
		for (size_t i = 0; i < count; i++, want++) {
			char text[32];

			snprintf(text, sizeof(text), "client %ju", (uintmax_t)want);
			test_same(rows[i].number, want);
			test_same(rows[i].client_id, want);
			test_same(rows[i].count, 1);
			cr_assert_str_eq(rows[i].text, text);
			cr_assert_gt(rows[i].wall_ns, UINT64_C(1600000000) * TEST_SECOND);
		}
	}
	test_same(want, last + 1);
	test_same(next, last + 1);
	test_same(skipped, missed);
}

test_case(feed, events_are_numbered_and_come_in_order)
{
	reads(0, 1, 0, 0);
	test_same(tsr_feed_newest(&feed_), 0);
	for (uint32_t i = 1; i <= 9; i++)
		tell(i);
	test_same(tsr_feed_newest(&feed_), 9);
	reads(0, 1, 9, 0);
	reads(4, 4, 9, 0);
	reads(9, 9, 9, 0);
	reads(10, 10, 9, 0);
}

test_case(feed, what_the_newest_took_the_place_of_is_counted_as_missed)
{
	uint32_t const told = 2 * TSR_FEED_MAX + 17;
	uint64_t const oldest = told - TSR_FEED_MAX + 1;

	for (uint32_t i = 1; i <= TSR_FEED_MAX; i++)
		tell(i);
	reads(1, 1, TSR_FEED_MAX, 0);
	tell(TSR_FEED_MAX + 1);
	reads(1, 2, TSR_FEED_MAX + 1, 1);
	for (uint32_t i = TSR_FEED_MAX + 2; i <= told; i++)
		tell(i);
	reads(1, oldest, told, oldest - 1);
	reads(oldest - 3, oldest, told, 3);
	reads(oldest, oldest, told, 0);
	reads(0, oldest, told, 0);
}

static bool
rings(void)
{
	struct pollfd bell = {.fd = feed_.bell, .events = POLLIN};

	return poll(&bell, 1, 0) > 0;
}

test_case(feed, bell_rings_once_and_only_for_those_who_wait)
{
	tell(1);
	cr_assert(!rings(), "nobody waits");
	cr_assert(!tsr_feed_wait(&feed_, 1), "the first is there already");
	tell(2);
	cr_assert(!rings(), "who was not let wait is counted");
	cr_assert(tsr_feed_wait(&feed_, 3));
	cr_assert(tsr_feed_wait(&feed_, 3));
	cr_assert(!rings());
	tell(3);
	cr_assert(rings());
	tsr_feed_hear(&feed_);
	cr_assert(!rings());
	tsr_feed_unwait(&feed_);
	tell(4);
	cr_assert(rings(), "the other one still waits");
	tsr_feed_hear(&feed_);
	tsr_feed_unwait(&feed_);
	tell(5);
	cr_assert(!rings());
}

static uint64_t
refuse(uint32_t uid, uint64_t now_ns)
{
	struct tsr_proto_row_feed row = {
		.kind = TSR_FEED_REFUSAL, .pid = 7, .uid = uid, .error = -EINVAL, .text = "no"};

	return tsr_refusals_add(&refusals_, &row, now_ns);
}

/* The sum of `count` over all that was told, of one user. */
static uint64_t
told_of(uint32_t uid)
{
	struct tsr_proto_row_feed row;
	uint64_t next = 0, missed = 0, sum = 0;

	while (tsr_feed_read(&feed_, &next, &missed, &row, 1) != 0)
		sum += row.uid == uid ? row.count : 0;
	test_same(missed, 0);
	return sum;
}

test_case(feed, refusals_of_one_user_are_told_one_by_one_until_they_are_many)
{
	uint64_t const begun = 1000;
	uint64_t due = 0;

	for (int i = 0; i < TSR_REFUSALS_BURST; i++)
		test_same(refuse(1, begun), 0);
	for (int i = 0; i < 100000; i++)
		due = refuse(1, begun + 1);
	test_same(due, begun + TSR_REFUSALS_NS);
	test_same(tsr_feed_newest(&feed_), TSR_REFUSALS_BURST);
	test_same(refuse(2, begun + 2), 0);
	test_same(told_of(2), 1);
	test_same(tsr_refusals_expire(&refusals_, due - 1), due);
	test_same(told_of(1), TSR_REFUSALS_BURST);
	test_same(tsr_refusals_expire(&refusals_, due), 0);
	test_same(told_of(1), TSR_REFUSALS_BURST + 100000);
	test_same(tsr_feed_newest(&feed_), TSR_REFUSALS_BURST + 2);
	test_same(tsr_refusals_expire(&refusals_, due + 1), 0);
	test_same(refuse(1, due + 2), 0);
	test_same(told_of(1), TSR_REFUSALS_BURST + 100001);
}

test_case(feed, what_was_only_counted_is_told_before_counting_begins_anew)
{
	for (int i = 0; i < TSR_REFUSALS_BURST + 5; i++)
		(void)refuse(1, 1000);
	test_same(refuse(1, 1000 + TSR_REFUSALS_NS), 0);
	test_same(told_of(1), TSR_REFUSALS_BURST + 6);
	test_same(tsr_feed_newest(&feed_), TSR_REFUSALS_BURST + 2);
}

test_case(feed, more_users_than_there_are_places_lose_no_refusal)
{
	uint32_t const users = 3 * TSR_REFUSALS_USERS;

	for (uint32_t uid = 0; uid < users; uid++) {
		for (int i = 0; i < TSR_REFUSALS_BURST + 2; i++)
			(void)refuse(uid, 1 + uid);
	}
	test_same(tsr_refusals_expire(&refusals_, 2 * TSR_REFUSALS_NS), 0);
	for (uint32_t uid = 0; uid < users; uid++)
		test_same(told_of(uid), TSR_REFUSALS_BURST + 2);
}
