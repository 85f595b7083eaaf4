/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/*
 * Clients that are evicted: whatever they are doing, their calls say so and why; what they held is
 * given back; who does not leave is killed; and who may not ask for it changes nothing.
 */

#define REASON    "it holds the others up"
#define OTHER_UID 65534

static struct daemon daemon_;
static struct tsr_client a;
static struct tsr_control control;

static void
evict_setup(void)
{
	char const *const sets[] = {"realms.demo.owner=65533", NULL};

	daemon_start(&daemon_, sets);
	daemon_control(&daemon_, &control);
	a = daemon_attach(&daemon_, 0);
}

static void
evict_teardown(void)
{
	test_ok(tsr_detach(a));
	tsr_control_close(&control);
	daemon_stop(&daemon_);
}

TestSuite(evict, .timeout = 60);

static struct tsr_proto_evict
request_for(uint32_t id, char const *name)
{
	struct tsr_proto_evict request = {.realm = "demo", .client_id = id, .reason = REASON};

	strcpy(request.client, name);
	return request;
}

static int
evict(uint32_t id, char const *name, struct tsr_proto_evict_reply *reply)
{
	struct tsr_proto_evict request = request_for(id, name);

	return tsr_control_ask(&control, TSR_PROTO_EVICT, &request, sizeof(request), reply,
	                       sizeof(*reply), NULL, test_deadline(5000));
}

/* What a victim does until it is told to go, by one of its calls. Return: what that gave. */
typedef int life(struct child_report *report, struct tsr_client client);

static struct tsr_client
victim_attach(struct child_report *report)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_client client;

	options.name = "victim";
	tsr_wait_look_ns = UINT64_MAX; /* only a wake-up ends its sleep */
	child_ok(report, tsr_attach(&options, &client));
	return client;
}

static void
victim_open(struct child_report *report, struct tsr_client client, struct tsr_sender *sender,
            struct tsr_receiver *receiver)
{
	child_ok(report, sender != NULL ? tsr_sender_open(client, "held", NULL, sender)
	                                : tsr_receiver_open(client, "held", NULL, receiver));
}

static int
victim(struct child_report *report, void *arg)
{
	life *const *const live = arg;
	struct tsr_client const client = victim_attach(report);
	struct tsr_receiver other;
	int const error = (*live)(report, client);

	child_is(report, error, -ECONNABORTED);
	child_check(report, strstr(tsr_last_hint(), REASON) != NULL, "%s", tsr_last_hint());
	child_check(report, strstr(tsr_last_hint(), "evicted by user") != NULL);
	/* The daemon does nothing for it any more, but to let it go. */
	child_is(report, tsr_receiver_open(client, "another", NULL, &other), -ECONNABORTED);
	child_check(report, strstr(tsr_last_hint(), REASON) != NULL, "%s", tsr_last_hint());
	child_ok(report, tsr_detach(client));
	return 0;
}

static int
recv_asleep(struct child_report *report, struct tsr_client client)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	victim_open(report, client, NULL, &receiver);
	report_set(report, 0, 1);
	return tsr_recv(receiver, &msg, TSR_FOREVER);
}

static int
send_asleep(struct child_report *report, struct tsr_client client)
{
	struct tsr_sender sender;
	struct tsr_msg msg;
	int error = 0;

	victim_open(report, client, &sender, NULL);
	report_set(report, 0, 1);
	while (error == 0) {
		error = tsr_alloc(client, 8, &msg);
		if (error == 0)
			error = tsr_send(sender, &msg, TSR_FOREVER);
	}
	return error;
}

static int
select_asleep(struct child_report *report, struct tsr_client client)
{
	struct tsr_msg msgs[2];
	struct tsr_case cases[2] = {{.msg = &msgs[0]}, {.msg = &msgs[1]}};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};

	victim_open(report, client, NULL, &cases[0].receiver);
	child_ok(report, tsr_receiver_open(client, "beside", NULL, &cases[1].receiver));
	report_set(report, 0, 1);
	return tsr_select(&select, TSR_FOREVER);
}

static int
ask_asleep(struct child_report *report, struct tsr_client client)
{
	struct tsr_asker asker;
	struct tsr_msg msg;

	child_ok(report, tsr_asker_open(client, "held", &asker));
	child_ok(report, tsr_alloc(client, 8, &msg));
	report_set(report, 0, 1);
	return tsr_ask(asker, &msg, TSR_FOREVER);
}

/* Looks again and again, and never waits. */
static int
recv_awake(struct child_report *report, struct tsr_client client)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error;

	victim_open(report, client, NULL, &receiver);
	while ((error = tsr_recv(receiver, &msg, TSR_NOWAIT)) == -EAGAIN)
		report_set(report, 0, 1);
	/* And is told each time. */
	child_is(report, tsr_recv(receiver, &msg, TSR_NOWAIT), error);
	child_is(report, tsr_recv(receiver, &msg, TSR_NOWAIT), error);
	return error;
}

/* Always finds room. */
static int
send_awake(struct child_report *report, struct tsr_client client)
{
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	victim_open(report, client, &sender, NULL);
	victim_open(report, client, NULL, &receiver);
	for (;;) {
		int error = tsr_alloc(client, 8, &msg);

		if (error != 0)
			return error;
		child_ok(report, tsr_send(sender, &msg, TSR_FOREVER));
		child_ok(report, tsr_recv(receiver, &msg, TSR_FOREVER));
		/* Kept: the next one is another. */
		report_set(report, 0, 1);
	}
}

static int
poll_asleep(struct child_report *report, struct tsr_client client)
{
	struct pollfd fd = {.events = POLLIN};
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int ready = 1;

	victim_open(report, client, NULL, &receiver);
	child_ok(report, tsr_receiver_event(receiver, &fd.fd));
	child_ok(report, tsr_receiver_arm(receiver, &ready));
	child_check(report, ready == 0);
	report_set(report, 0, 1);
	child_check(report, poll(&fd, 1, -1) == 1);
	return tsr_recv(receiver, &msg, TSR_NOWAIT);
}

/* Has no end of the channel that it waits for. */
static int
tap_asleep(struct child_report *report, struct tsr_client client)
{
	struct tsr_tap_options const next = {.size = sizeof(next)};
	struct pollfd fd = {.events = POLLIN};
	struct tsr_copy copy;
	char text[8];
	struct tsr_tap tap;
	int ready = 1;

	child_ok(report, tsr_tap_open(client, "held", &next, &tap));
	child_ok(report, tsr_tap_event(tap, &fd.fd));
	child_ok(report, tsr_tap_arm(tap, &ready));
	child_check(report, ready == 0);
	report_set(report, 0, 1);
	child_check(report, poll(&fd, 1, -1) == 1);
	return tsr_read_copy(tap, text, sizeof(text), &copy);
}

struct part {
	char const *name;
	life *live;
	uint32_t kind;
	uint32_t flags;
	bool sleeps; /* in a token of the channel "held" */
	bool sender; /* which has a sender */
};

static struct part const parts[] = {
	{"a receiver", recv_asleep, TSR_KIND_BUFFERED, 0, true, false},
	{"the one receiver", recv_asleep, TSR_KIND_BUFFERED, TSR_CHANNEL_ONE_RECEIVER, true, false},
	{"a sender", send_asleep, TSR_KIND_BUFFERED, 0, true, false},
	{"an offer", send_asleep, TSR_KIND_RENDEZVOUS, 0, true, false},
	{"a taker", recv_asleep, TSR_KIND_RENDEZVOUS, 0, true, false},
	{"a reader", recv_asleep, TSR_KIND_BROADCAST, 0, false, false},
	{"the newest", recv_asleep, TSR_KIND_CONFLATED, 0, true, false},
	{"a publisher", send_asleep, TSR_KIND_CONFLATED, 0, false, false},
	{"a dropper", send_asleep, TSR_KIND_BUFFERED, TSR_CHANNEL_DROP_OLDEST, false, false},
	{"a select", select_asleep, TSR_KIND_BUFFERED, 0, true, false},
	{"an asker", ask_asleep, TSR_KIND_BUFFERED, 0, false, false},
	{"a restless receiver", recv_awake, TSR_KIND_BUFFERED, 0, false, true},
	{"a tapper", tap_asleep, TSR_KIND_BUFFERED, 0, false, false},
	{"a restless sender", send_awake, TSR_KIND_BUFFERED, 0, false, false},
	{"an event loop", poll_asleep, TSR_KIND_BUFFERED, 0, false, false},
};

static void
await_sleeper(void)
{
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_row_channel row;

	do
		cr_assert(!test_passed(deadline), "nobody sleeps");
	while (!daemon_channel(&daemon_, "held", &row) || row.sleepers == 0);
}

test_case(evict, whatever_a_client_does_it_is_told_why_and_leaves)
{
	uint64_t evicted = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct part const *const part = &parts[i];
		struct tsr_channel_options const options = {.size = sizeof(options),
		                                            .capacity = 4,
		                                            .kind = part->kind,
		                                            .flags = part->flags};
		struct tsr_proto_evict_reply reply;
		life *live = part->live;
		struct tsr_sender sender = {.handle = 0};
		struct child child;

		test_ok(tsr_channel_create(a, "held", &options));
		if (part->sender)
			test_ok(tsr_sender_open(a, "held", NULL, &sender));
		child_start(&child, victim, &live);
		cr_assert(report_await(child.report, 0, 1, 10000), "%s: %s", part->name,
		          child.report->text);
		if (part->sleeps)
			await_sleeper();
		test_ok(evict(0, "victim", &reply));
		test_same(reply.pid, child.pid);
		child_join(&child);
		test_same(daemon_status(&daemon_).evicted, ++evicted);
		test_same(daemon_status(&daemon_).clients, 1);
		daemon_balanced(&daemon_, "demo");
		if (part->sender)
			test_ok(tsr_sender_close(sender));
		test_ok(tsr_channel_remove(a, "held"));
	}
	test_same(daemon_status(&daemon_).reaped, 0);
	daemon_log_has(&daemon_, REASON);
}

/* Receives 10 messages, keeps them, and waits for more. */
static int
keep_ten(struct child_report *report, struct tsr_client client)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	victim_open(report, client, NULL, &receiver);
	for (int i = 0; i < 10; i++)
		child_ok(report, tsr_recv(receiver, &msg, TSR_FOREVER));
	report_set(report, 0, 1);
	return tsr_recv(receiver, &msg, TSR_FOREVER);
}

test_case(evict, what_it_held_is_given_back_as_after_a_death)
{
	struct tsr_channel_options const options = {.size = sizeof(options),
	                                            .flags = TSR_CHANNEL_REQUEUE};
	struct tsr_proto_evict_reply reply;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	life *live = keep_ten;
	struct child child;
	struct tsr_msg msg;

	test_ok(tsr_channel_create(a, "held", &options));
	test_ok(tsr_sender_open(a, "held", NULL, &sender));
	child_start(&child, victim, &live);
	for (int i = 0; i < 10; i++) {
		test_ok(tsr_alloc(a, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	test_ok(evict(0, "victim", &reply));
	child_join(&child);
	test_ok(tsr_receiver_open(a, "held", NULL, &receiver));
	for (int i = 0; i < 10; i++) {
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_same(msg.flags, TSR_MSG_REDELIVERED);
		test_ok(tsr_release(a, &msg));
	}
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_receiver_close(receiver));
	test_ok(tsr_sender_close(sender));
}

test_case(evict, partners_see_it_as_a_death)
{
	struct tsr_proto_evict_reply reply;
	struct tsr_receiver receiver;
	life *live = recv_asleep;
	struct tsr_sender sender;
	struct child child;
	struct tsr_msg msg;

	test_ok(tsr_sender_open(a, "held", NULL, &sender));
	child_start(&child, victim, &live);
	await_sleeper();
	test_ok(evict(0, "victim", &reply));
	child_join(&child);
	/* Full, and its only receiver has not closed. */
	for (int error = 0; error == 0;) {
		test_ok(tsr_alloc(a, 8, &msg));
		error = tsr_send(sender, &msg, TSR_NOWAIT);
		if (error != 0)
			test_is(error, -ECONNRESET);
	}
	test_ok(tsr_release(a, &msg));
	test_ok(tsr_receiver_open(a, "held", NULL, &receiver));
	test_ok(tsr_receiver_close(receiver));
	test_ok(tsr_sender_close(sender));
}

/* It may come again: an eviction is no ban. Under the same id nothing of the old notice is left. */
static int
come_again(struct child_report *report, void *arg)
{
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 1; i <= 3; i++) {
		client = victim_attach(report);
		victim_open(report, client, NULL, &receiver);
		child_is(report, tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
		report_set(report, 0, i);
		child_is(report, tsr_recv(receiver, &msg, TSR_FOREVER), -ECONNABORTED);
		child_ok(report, tsr_detach(client));
	}
	return 0;
}

test_case(evict, it_may_come_again_and_be_evicted_again)
{
	struct tsr_proto_evict_reply reply;
	struct child child;

	child_start(&child, come_again, NULL);
	for (uint64_t i = 1; i <= 3; i++) {
		cr_assert(report_await(child.report, 0, i, 10000), "%s", child.report->text);
		test_ok(evict(0, "victim", &reply));
	}
	child_join(&child);
}

/* Attaches, holds all that it can, and heeds nothing. */
static int
deaf(struct child_report *report, void *arg)
{
	struct tsr_client const client = victim_attach(report);
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	(void)arg;
	victim_open(report, client, NULL, &receiver);
	while (tsr_alloc(client, 8, &msg) == 0)
		continue;
	report_set(report, 0, 1);
	child_check(report, report_await(report, 9, 1, 60000));
	return 0;
}

test_case(evict, who_does_not_heed_it_or_is_stopped_is_killed)
{
	for (uint64_t stopped = 0; stopped < 2; stopped++) {
		struct tsr_proto_evict_reply reply;
		uint64_t begun;
		struct child child;

		child_start(&child, deaf, NULL);
		cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
		if (stopped)
			child_stop(&child);
		begun = tsr_now_ns();
		test_ok(evict(0, "victim", &reply));
		child_died(&child);
		cr_assert_geq(tsr_now_ns() - begun, reply.grace_ms * UINT64_C(1000000));
		child_forget(&child);
		daemon_reaped(&daemon_, stopped + 1);
		daemon_balanced(&daemon_, "demo");
	}
	daemon_log_has(&daemon_, "was evicted and did not leave: it was killed");
}

/* Hangs up once it is told, and lives on. */
static int
hanger_up(struct child_report *report, void *arg)
{
	int const fd = raw_attach(arg);

	report_set(report, 0, 1);
	child_check(report, report_await(report, 1, 1, 20000));
	close(fd);
	child_check(report, report_await(report, 9, 1, 60000));
	return 0;
}

test_case(evict, who_hangs_up_and_lives_on_is_killed_all_the_same)
{
	struct tsr_proto_evict_reply reply;
	struct child child;

	child_start(&child, hanger_up, &daemon_);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	test_ok(evict(2, "", &reply));
	test_same(reply.pid, child.pid);
	report_set(child.report, 1, 1);
	child_died(&child);
	child_forget(&child);
	daemon_reaped(&daemon_, 1);
}

test_case(evict, an_evicted_client_may_say_goodbye_and_nothing_else)
{
	struct tsr_proto_end_open open = {.channel = {.name = "x", .kind = TSR_KIND_BUFFERED}};
	struct tsr_proto_attach attach = {.realm = "demo", .name = "again"};
	struct tsr_proto_plain plain;
	struct tsr_proto_evict_reply reply;
	int const fd = raw_attach(&daemon_);

	test_ok(evict(2, "", &reply));
	test_same(reply.client_id, 2);
	test_is(evict(2, "", &reply), -EBUSY);
	raw_head(&open, TSR_PROTO_END_OPEN, sizeof(open));
	cr_assert_not_null(strstr(raw_refused(fd, &open, sizeof(open), -ECONNABORTED), REASON));
	raw_head(&plain, TSR_PROTO_SHARED_SETTLE, sizeof(plain));
	raw_refused(fd, &plain, sizeof(plain), -ECONNABORTED);
	raw_head(&attach, TSR_PROTO_ATTACH, sizeof(attach));
	raw_refused(fd, &attach, sizeof(attach), -EINVAL);
	cr_assert(raw_alive(fd));
	raw_close(fd); /* with DETACH */
	test_same(daemon_status(&daemon_).clients, 1);
	test_same(daemon_status(&daemon_).evicted, 1);
}

test_case(evict, requests_that_make_no_sense_are_refused_and_change_nothing)
{
	struct tsr_proto_evict const good = request_for(1, "");
	struct tsr_proto_evict request;
	int const fd = raw_greet(&daemon_);

#define REFUSED(error, ...)                                           \
	do {                                                          \
		request = good;                                       \
		__VA_ARGS__;                                          \
		raw_head(&request, TSR_PROTO_EVICT, sizeof(request)); \
		raw_refused(fd, &request, sizeof(request), error);    \
	} while (0)

	REFUSED(-EINVAL, request.reserved = 1);
	REFUSED(-EINVAL, request.client_id = 0);
	REFUSED(-EINVAL, strcpy(request.client, "both"));
	REFUSED(-ENAMETOOLONG, memset(request.reason, 'x', sizeof(request.reason)));
	REFUSED(-ENAMETOOLONG, memset(request.client, 'x', sizeof(request.client)));
	REFUSED(-ENAMETOOLONG, memset(request.realm, 'x', sizeof(request.realm)));
	REFUSED(-EINVAL, strcpy(request.reason, "a line\nand another"));
	REFUSED(-EINVAL, strcpy(request.reason, "\033[2J"));
	REFUSED(-ENOENT, strcpy(request.realm, "nix"));
	REFUSED(-ENOENT, request.client_id = 2);
	REFUSED(-ENOENT, request.client_id = 65535);
	REFUSED(-ENOENT, request.client_id = UINT32_MAX);
	REFUSED(-ENOENT, request.client_id = 0, strcpy(request.client, "nobody"));
#undef REFUSED
	raw_close(fd);
	test_same(daemon_status(&daemon_).evicted, 0);
	test_same(daemon_status(&daemon_).clients, 1);
}

test_case(evict, a_name_that_two_clients_have_is_refused_and_an_observer_has_none)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_proto_evict_reply reply;
	struct tsr_client clients[3];

	options.name = "twin";
	test_ok(tsr_attach(&options, &clients[0]));
	test_ok(tsr_attach(&options, &clients[1]));
	options.name = "looker";
	options.flags = TSR_ATTACH_OBSERVER;
	test_ok(tsr_attach(&options, &clients[2]));
	test_is(evict(0, "twin", &reply), -EINVAL);
	cr_assert_not_null(strstr(tsr_last_hint(), "the first is 2 and the last 3"), "%s",
	                   tsr_last_hint());
	test_is(evict(0, "looker", &reply), -ENOENT);
	test_ok(evict(3, "", &reply));
	cr_assert_str_eq(reply.name, "twin");
	test_ok(tsr_detach(clients[1]));
	test_ok(evict(0, "twin", &reply));
	test_same(reply.client_id, 2);
	test_ok(tsr_detach(clients[0]));
	test_ok(tsr_detach(clients[2]));
}

/* Ask as another user. @arg: who, and what comes of it. */
struct stranger {
	uid_t uid;
	int want;
};

static int
stranger(struct child_report *report, void *arg)
{
	struct stranger const *const who = arg;
	struct tsr_proto_evict request = request_for(1, "");
	struct tsr_proto_evict_reply reply;
	struct tsr_control own;

	child_check(report, setgroups(0, NULL) == 0 && setgid(OTHER_UID) == 0);
	child_check(report, setuid(who->uid) == 0);
	child_ok(report, tsr_control_open(&own, daemon_.socket, tsr_deadline_in_ms(5000)));
	child_is(report,
	         tsr_control_ask(&own, TSR_PROTO_EVICT, &request, sizeof(request), &reply,
	                         sizeof(reply), NULL, tsr_deadline_in_ms(5000)),
	         who->want);
	tsr_control_close(&own);
	return 0;
}

test_case(evict, only_the_realms_owner_the_daemons_user_and_root_may_ask)
{
	struct stranger who[] = {{OTHER_UID, -EACCES}, {65533, 0}};

	if (geteuid() != 0)
		test_case_skip(evict, "needs root to become another user");
	cr_assert_eq(chmod(daemon_.dir, 0755), 0);
	cr_assert_eq(chmod(daemon_.socket, 0666), 0);
	for (uint64_t i = 0; i < 2; i++) {
		struct child child;

		child_start(&child, stranger, &who[i]);
		child_join(&child);
		test_same(daemon_status(&daemon_).evicted, i);
	}
	test_ok(tsr_detach(a));
	a = daemon_attach(&daemon_, 0);
}

/* Not for `evict`'s own set-up: it starts and ends its daemon itself. */
TestSuite(untouchable, .timeout = 30);

Test(untouchable, who_may_not_be_killed_keeps_what_it_holds_and_the_realm_lives_on)
{
	struct tsr_proto_evict_reply reply;
	uint64_t const deadline = test_deadline(10000);
	struct child child;

	if (geteuid() != 0)
		cr_skip_test("needs root, whom the daemon may not kill");
	daemon_start_as(&daemon_, NULL, OTHER_UID);
	daemon_control(&daemon_, &control);
	child_start(&child, deaf, NULL);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	test_ok(evict(0, "victim", &reply));
	while (strstr(daemon_log(&daemon_), "may not be killed by this daemon") == NULL) {
		cr_assert(!test_passed(deadline), "%s", daemon_log(&daemon_));
		poll(NULL, 0, 10);
	}
	test_same(daemon_ledger(&daemon_, "demo").reaps_pending, 1);
	test_same(daemon_status(&daemon_).clients, 1);
	cr_assert_gt(daemon_ledger(&daemon_, "demo").with_clients, 0);
	child_kill(&child, SIGKILL);
	daemon_reaped(&daemon_, 1);
	test_same(daemon_ledger(&daemon_, "demo").with_clients, 0);
	cr_assert_null(strstr(daemon_log(&daemon_), "condemned"));
	tsr_control_close(&control);
	daemon_stop(&daemon_);
}
