/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/refusals.h"
#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/* FEED: who is told what, when, and what it costs. */

#define OTHER_UID 65534
#define ROWS_MAX  (TSR_PROTO_PACKET_MAX / sizeof(struct tsr_proto_row_feed))

static struct daemon daemon_;

struct answer {
	struct tsr_proto_feed_reply head;
	struct tsr_proto_row_feed rows[ROWS_MAX];
};

static void
following_setup(void)
{
	daemon_start(&daemon_, NULL);
}

static void
following_teardown(void)
{
	daemon_stop(&daemon_);
}

TestSuite(following, .timeout = 30);

static void
send_feed(int fd, struct tsr_proto_feed *request)
{
	raw_head(request, TSR_PROTO_FEED, sizeof(*request));
	test_ok(raw_send(fd, request, sizeof(*request), NULL, 0));
}

static void
take(int fd, struct answer *answer)
{
	int const got = raw_recv(fd, answer, sizeof(*answer), NULL);

	cr_assert_geq(got, (int)sizeof(answer->head));
	test_same(answer->head.head.type, TSR_PROTO_FEED | TSR_PROTO_REPLY);
	test_same(answer->head.row_bytes, sizeof(answer->rows[0]));
	test_same(got, sizeof(answer->head) + answer->head.rows * sizeof(answer->rows[0]));
}

/* All that has been: return the number to ask from next. */
static uint64_t
catch_up(int fd)
{
	static struct answer answer;
	struct tsr_proto_feed request = {.flags = 0};

	do {
		send_feed(fd, &request);
		take(fd, &answer);
		request.from = answer.head.next;
	} while (answer.head.next <= answer.head.newest);
	return answer.head.next;
}

static bool
silent(int fd)
{
	struct pollfd answer = {.fd = fd, .events = POLLIN};

	return poll(&answer, 1, 100) == 0;
}

test_case(following, reply_waits_until_something_happens)
{
	struct tsr_proto_feed request = {.flags = TSR_PROTO_FEED_WAIT};
	int const follower = raw_greet(&daemon_);
	static struct answer answer;
	int fd;

	request.from = catch_up(follower);
	send_feed(follower, &request);
	cr_assert(silent(follower));
	fd = raw_attach(&daemon_);
	take(follower, &answer);
	test_same(answer.head.rows, 1);
	test_same(answer.head.missed, 0);
	test_same(answer.rows[0].kind, TSR_FEED_ATTACH);
	test_same(answer.rows[0].number, request.from);
	test_same(answer.rows[0].pid, getpid());
	cr_assert_str_eq(answer.rows[0].realm, "demo");
	raw_close(fd);
	raw_close(follower);
}

test_case(following, any_other_request_ends_the_waiting_and_is_answered_after_it)
{
	struct tsr_proto_feed request = {.flags = TSR_PROTO_FEED_WAIT};
	int const follower = raw_greet(&daemon_);
	static struct answer answer;

	request.from = catch_up(follower);
	send_feed(follower, &request);
	cr_assert(silent(follower));
	{
		struct tsr_proto_plain ping, pong;

		raw_head(&ping, TSR_PROTO_PING, sizeof(ping));
		test_ok(raw_send(follower, &ping, sizeof(ping), NULL, 0));
		take(follower, &answer);
		test_same(answer.head.rows, 0);
		test_same(answer.head.next, request.from);
		test_same(raw_recv(follower, &pong, sizeof(pong), NULL), sizeof(pong));
		test_same(pong.head.type, TSR_PROTO_PING | TSR_PROTO_REPLY);
	}
	/* And nothing is left of it. */
	raw_close(raw_attach(&daemon_));
	cr_assert(silent(follower));
	raw_close(follower);
}

test_case(following, who_hangs_up_while_it_waits_is_forgotten)
{
	for (int i = 0; i < 20; i++) {
		struct tsr_proto_feed request = {.flags = TSR_PROTO_FEED_WAIT};
		int const follower = raw_greet(&daemon_);

		request.from = catch_up(follower);
		send_feed(follower, &request);
		close(follower);
		raw_close(raw_attach(&daemon_));
	}
}

test_case(following, only_what_was_asked_for_is_told)
{
	struct tsr_proto_feed request = {.flags = TSR_PROTO_FEED_WAIT,
	                                 .kinds = UINT32_C(1) << TSR_FEED_DETACH,
	                                 .realm = "demo"};
	int const follower = raw_greet(&daemon_);
	static struct answer answer;

	request.from = catch_up(follower);
	send_feed(follower, &request);
	raw_close(raw_attach(&daemon_));
	take(follower, &answer);
	test_same(answer.head.rows, 1);
	test_same(answer.rows[0].kind, TSR_FEED_DETACH);
	raw_close(follower);
}

test_case(following, what_cannot_be_asked_for_is_refused)
{
	struct tsr_proto_feed request = {.flags = 2};
	int const fd = raw_greet(&daemon_);
	uint64_t const next = catch_up(fd);

	raw_head(&request, TSR_PROTO_FEED, sizeof(request));
	raw_refused(fd, &request, sizeof(request), -EINVAL);
	request.flags = 0;
	request.kinds = UINT32_C(1) << TSR_FEED_KINDS;
	raw_refused(fd, &request, sizeof(request), -EINVAL);
	request.kinds = 0;
	request.from = next + 100;
	raw_refused(fd, &request, sizeof(request), -EINVAL);
	request.from = 0;
	strcpy(request.realm, "nix");
	raw_refused(fd, &request, sizeof(request), -ENOENT);
	memset(request.realm, 'x', sizeof(request.realm));
	raw_refused(fd, &request, sizeof(request), -ENAMETOOLONG);
	raw_close(fd);
}

/* The next event of that kind. */
static struct tsr_proto_row_feed
next_of(int follower, uint64_t from, enum tsr_feed_kind kind)
{
	struct tsr_proto_feed request = {
		.from = from, .flags = TSR_PROTO_FEED_WAIT, .kinds = UINT32_C(1) << kind};
	static struct answer answer;

	send_feed(follower, &request);
	take(follower, &answer);
	test_same(answer.head.rows, 1);
	test_same(answer.rows[0].kind, kind);
	return answer.rows[0];
}

/* Dies with a slot claimed. */
static int
claimer(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_end *end;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "cut", NULL, &sender));
	end = tsr_end_get(sender.handle);
	child_check(report, end != NULL, "no end");
	/* As the send leaves it after its first step. */
	atomic_store(&end->slots[end->position & end->mask].word,
	             end->expect | (uint64_t)end->me << 3 | TSR_CLAIMED);
	kill(getpid(), SIGKILL);
	return 1;
}

test_case(following, channel_that_a_death_cut_is_named_with_what_was_repaired)
{
	int const follower = raw_greet(&daemon_);
	uint64_t const from = catch_up(follower);
	struct tsr_proto_row_feed death, repair;
	struct child child;

	child_start(&child, claimer, NULL);
	child_died(&child);
	repair = next_of(follower, from, TSR_FEED_REPAIR);
	death = next_of(follower, from, TSR_FEED_DEATH);
	cr_assert_str_eq(repair.realm, "demo");
	cr_assert_str_eq(repair.channel, "cut");
	test_same(repair.pid, child.pid);
	test_same(repair.client_id, death.client_id);
	test_same(repair.slots_voided, 1);
	test_same(repair.slots_restored, 0);
	cr_assert_str_eq(repair.what, "slot voided");
	test_same(repair.index, 0);
	test_same(repair.before, tsr_slot_word(0, (uint16_t)repair.client_id, TSR_CLAIMED));
	test_same(repair.after, tsr_slot_word(1, 0, TSR_EMPTY));
	test_same(daemon_status(&daemon_).repairs[TSR_REPAIR_SLOTS_VOIDED], 1);
	test_same(death.pid, child.pid);
	test_same(death.slots_voided, 1);
	child_forget(&child);
	raw_close(follower);
}

static int
deserter(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	execlp("sleep", "sleep", "60", (char *)NULL);
	return 1;
}

test_case(following, who_leaves_without_a_goodbye_is_shown_as_killed_and_then_as_dead)
{
	int const follower = raw_greet(&daemon_);
	uint64_t const from = catch_up(follower);
	struct tsr_proto_row_feed death, killed;
	struct child child;

	child_start(&child, deserter, NULL);
	child_died(&child);
	killed = next_of(follower, from, TSR_FEED_KILL);
	death = next_of(follower, from, TSR_FEED_DEATH);
	test_same(killed.pid, child.pid);
	test_same(death.pid, child.pid);
	cr_assert_lt(killed.number, death.number);
	child_forget(&child);
	raw_close(follower);
}

/* Not for `following`'s own set-up: it starts and ends its daemon itself. */
TestSuite(condemned, .timeout = 30);

Test(condemned, realm_of_a_deserter_whom_the_daemon_may_not_kill_is_shown_with_the_reason)
{
	struct tsr_proto_row_feed row;
	struct child child;
	uint64_t from;
	int follower;

	if (geteuid() != 0)
		cr_skip_test("needs root, whom the daemon may not kill");
	daemon_start_as(&daemon_, NULL, OTHER_UID);
	follower = raw_greet(&daemon_);
	from = catch_up(follower);
	child_start(&child, deserter, NULL);
	row = next_of(follower, from, TSR_FEED_CONDEMN);
	cr_assert_str_eq(row.realm, "demo");
	cr_assert_not_null(strstr(row.text, "may not be killed"), "%s", row.text);
	child_kill(&child, SIGKILL);
	raw_close(follower);
	daemon_stop(&daemon_);
}

/* How many refusals the feed tells of in all, and in how many rows. */
static uint64_t
refusals(int fd, uint64_t *rows)
{
	static struct answer answer;
	struct tsr_proto_feed request = {.kinds = UINT32_C(1) << TSR_FEED_REFUSAL};
	uint64_t sum = 0;

	*rows = 0;
	do {
		send_feed(fd, &request);
		take(fd, &answer);
		for (uint32_t i = 0; i < answer.head.rows; i++)
			sum += answer.rows[i].count;
		*rows += answer.head.rows;
		request.from = answer.head.next;
	} while (answer.head.next <= answer.head.newest);
	return sum;
}

test_case(following, flood_of_refusals_is_counted_and_fills_neither_feed_nor_log)
{
	enum {
		FLOOD = 20000
	};
	struct tsr_proto_plain detach;
	int const fd = raw_greet(&daemon_);
	uint64_t const deadline = test_deadline(15000);
	uint64_t rows;

	for (int i = 0; i < FLOOD; i++) {
		raw_head(&detach, TSR_PROTO_DETACH, sizeof(detach));
		raw_refused(fd, &detach, sizeof(detach), -ENOTCONN);
	}
	while (refusals(fd, &rows) < FLOOD) {
		cr_assert(!test_passed(deadline), "not all of them are counted");
		cr_assert_eq(poll(NULL, 0, 50), 0);
	}
	test_same(refusals(fd, &rows), FLOOD);
	cr_assert_leq(rows, 5 * (TSR_REFUSALS_BURST + 1), "%ju rows", (uintmax_t)rows);
	cr_assert_lt(strlen(daemon_log(&daemon_)), 20000);
	raw_close(fd);
}

/* Another user sees what is of realms that admit him, and what is about himself. */
static int
stranger(struct child_report *report, void *arg)
{
	static unsigned char room[TSR_PROTO_PACKET_MAX];
	struct tsr_proto_feed request = {.flags = 0};
	struct tsr_proto_feed_reply const *const head = (void *)room;
	struct tsr_proto_row_feed const *const rows = (void *)(room + sizeof(*head));
	struct tsr_attach_options const options = daemon_options(&daemon_);
	bool const admitted = *(bool *)arg;
	struct tsr_control control;
	struct tsr_client client;
	size_t got = 0;

	child_check(report,
	            setgroups(0, NULL) == 0 && setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
	if (!admitted)
		child_is(report, tsr_attach(&options, &client), -EACCES);
	child_ok(report, tsr_control_open(&control, daemon_.socket, tsr_deadline_in_ms(5000)));
	child_ok(report, tsr_control_ask(&control, TSR_PROTO_FEED, &request, sizeof(request), room,
	                                 sizeof(room), &got, tsr_deadline_in_ms(5000)));
	if (!admitted) {
		child_check(report, head->rows == 1, "%u rows", head->rows);
		child_check(report, rows[0].kind == TSR_FEED_REFUSAL && rows[0].uid == OTHER_UID &&
		                            rows[0].error == -EACCES);
	} else {
		child_check(report, head->rows >= 1);
	}
	for (uint32_t i = 0; i < head->rows; i++)
		child_check(report,
		            admitted ? strcmp(rows[i].realm, "demo") == 0
		                     : rows[i].realm[0] == '\0',
		            "told: %s", rows[i].text);
	strcpy(request.realm, "demo");
	request.from = 0;
	child_is(report,
	         tsr_control_ask(&control, TSR_PROTO_FEED, &request, sizeof(request), room,
	                         sizeof(room), &got, tsr_deadline_in_ms(5000)),
	         admitted ? 0 : -EACCES);
	tsr_control_close(&control);
	return 0;
}

static void
as_stranger(bool admitted)
{
	struct child child;

	cr_assert_eq(chmod(daemon_.dir, 0755), 0);
	cr_assert_eq(chmod(daemon_.socket, 0666), 0);
	raw_close(raw_attach(&daemon_));
	child_start(&child, stranger, &admitted);
	child_join(&child);
}

test_case(following, who_is_not_admitted_sees_what_is_about_himself_alone)
{
	if (geteuid() != 0)
		test_case_skip(following, "needs root to become another user");
	as_stranger(false);
}

Test(following, who_may_observe_sees_the_realm_and_nothing_else)
{
	char const *const sets[] = {"realms.demo.mode=0604", NULL};

	if (geteuid() != 0)
		cr_skip_test("needs root to become another user");
	daemon_start(&daemon_, sets);
	as_stranger(true);
	daemon_stop(&daemon_);
}
