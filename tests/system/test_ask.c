/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/* Requests, and who answers them: processes of their own, at a daemon of the test's. */

static struct daemon daemon_;
static struct tsr_client client;
static struct tsr_asker asker;

static void
ask_setup(void)
{
	daemon_start(&daemon_, NULL);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_asker_open(client, "service", &asker));
	tsr_wait_look_ns = UINT64_MAX; /* a wake-up that is missed is missed for good */
}

static void
ask_teardown(void)
{
	test_ok(tsr_asker_close(asker));
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "demo");
	daemon_stop(&daemon_);
}

TestSuite(ask, .timeout = 60);

static struct tsr_msg
request(uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_alloc(client, 16, &msg));
	*(uint64_t *)msg.data = number;
	return msg;
}

static uint64_t
begin(uint64_t number)
{
	struct tsr_msg msg = request(number);
	uint64_t ask;

	test_ok(tsr_ask_begin(asker, &msg, test_deadline(5000), &ask));
	return ask;
}

static void
end(uint64_t ask, uint64_t number)
{
	struct tsr_msg reply;

	test_ok(tsr_ask_end(asker, ask, &reply, test_deadline(10000)));
	test_same(*(uint64_t *)reply.data, number);
	test_ok(tsr_release(client, &reply));
}

/* What a server does with the number of a request. */
enum order {
	ORDER_ANSWER = 0,  /* times two, in place */
	ORDER_COPY = 1,    /* times two, in a block of its own */
	ORDER_GIVE_UP = 2, /* release it */
	ORDER_HOLD = 3,    /* and die with it */
	ORDER_COLLECT = 4, /* keep so many, then answer the last first */
	ORDER_END = 5,
	ORDERS = 8,
};

#define ORDER(order, number) ((uint64_t)(order) << 32 | (number))

static void
answer_in_place(struct child_report *report, struct tsr_client me, struct tsr_msg *msg)
{
	*(uint64_t *)msg->data = (uint32_t) * (uint64_t *)msg->data * 2;
	child_ok(report, tsr_reply(me, msg, msg, tsr_deadline_in_ms(5000)));
}

static void
answer_by_copy(struct child_report *report, struct tsr_client me, struct tsr_msg *msg)
{
	struct tsr_msg reply;

	child_ok(report, tsr_alloc(me, 16, &reply));
	*(uint64_t *)reply.data = (uint32_t) * (uint64_t *)msg->data * 2;
	child_ok(report, tsr_reply(me, msg, &reply, tsr_deadline_in_ms(5000)));
	child_ok(report, tsr_release(me, msg));
}

static int
server(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client me;
	struct tsr_msg kept[8], msg;
	unsigned count = 0;

	(void)arg;
	child_ok(report, tsr_attach(&options, &me));
	child_ok(report, tsr_receiver_open(me, "service", NULL, &receiver));
	report_set(report, 0, 1);
	for (;;) {
		uint64_t order;

		child_ok(report, tsr_recv(receiver, &msg, TSR_FOREVER));
		order = *(uint64_t *)msg.data >> 32;
		if (order == ORDER_ANSWER)
			answer_in_place(report, me, &msg);
		else if (order == ORDER_COPY)
			answer_by_copy(report, me, &msg);
		else if (order == ORDER_COLLECT)
			kept[count++] = msg;
		else
			break;
		if (count == 8) {
			while (count > 0)
				answer_in_place(report, me, &kept[--count]);
		}
	}
	if (*(uint64_t *)msg.data >> 32 == ORDER_HOLD) {
		report_set(report, 1, 1);
		(void)report_await(report, 2, 1, 30000); /* to be killed */
	}
	child_ok(report, tsr_release(me, &msg));
	child_ok(report, tsr_detach(me));
	return 0;
}

static void
server_start(struct child *child)
{
	child_start(child, server, NULL);
	cr_assert(report_await(child->report, 0, 1, 10000), "%s", child->report->text);
}

/* It ends with a request that it does not answer. */
static void
server_stop(struct child *child)
{
	uint64_t const ask = begin(ORDER(ORDER_END, 0));
	struct tsr_msg reply;

	child_join(child);
	test_is(tsr_ask_end(asker, ask, &reply, test_deadline(10000)), -ECONNRESET);
}

test_case(ask, reply_comes_to_the_one_who_asked)
{
	struct child child;

	server_start(&child);
	for (uint64_t i = 0; i < 1000; i++) {
		struct tsr_msg msg = request(ORDER(i % 2 == 0 ? ORDER_ANSWER : ORDER_COPY, i));

		test_ok(tsr_ask(asker, &msg, test_deadline(10000)));
		test_same(*(uint64_t *)msg.data, 2 * i);
		test_ok(tsr_release(client, &msg));
	}
	server_stop(&child);
}

test_case(ask, many_in_flight_are_answered_in_any_order)
{
	struct child child;
	uint64_t ask[8];

	server_start(&child);
	for (uint64_t round = 0; round < 50; round++) {
		for (uint64_t i = 0; i < 8; i++)
			ask[i] = begin(ORDER(ORDER_COLLECT, 8 * round + i));
		for (uint64_t i = 0; i < 8; i++)
			end(ask[(i + round) % 8], 2 * (8 * round + (i + round) % 8));
	}
	server_stop(&child);
}

test_case(ask, reply_to_one_who_has_given_up_is_dropped_and_counted)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg = request(1), got, reply;
	uint64_t const deadline = test_deadline(30);
	uint64_t late = 77, ask;

	test_ok(tsr_receiver_open(client, "service", NULL, &receiver));
	test_is(tsr_ask(asker, &msg, deadline), -ETIMEDOUT);
	cr_assert(test_passed(deadline));
	cr_assert_null(msg.data);
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_ok(tsr_reply(client, &got, &got, TSR_NOWAIT));
	ask = begin(2);
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_is(tsr_ask_end(asker, ask, &reply, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_reply(client, &got, &got, TSR_NOWAIT));
	end(ask, 2);
	test_ok(tsr_asker_late(asker, &late));
	test_same(late, 1);
	test_ok(tsr_receiver_close(receiver));
}

test_case(ask, server_that_dies_fails_its_own_requests_and_no_others)
{
	struct child first, second;
	uint64_t held, queued, kept[3];
	struct tsr_msg reply;

	for (int round = 0; round < 10; round++) {
		uint64_t const deadline = test_deadline(10000);

		server_start(&first);
		for (uint64_t i = 0; i < 3; i++)
			kept[i] = begin(ORDER(ORDER_COLLECT, i));
		held = begin(ORDER(ORDER_HOLD, 1));
		cr_assert(report_await(first.report, 1, 1, 10000));
		queued = begin(ORDER(ORDER_ANSWER, 21));
		child_kill(&first, SIGKILL);
		for (uint64_t i = 0; i < 3; i++)
			test_is(tsr_ask_end(asker, kept[i], &reply, deadline), -ECONNRESET);
		test_is(tsr_ask_end(asker, held, &reply, deadline), -ECONNRESET);
		cr_assert(!test_passed(deadline));
		test_is(tsr_ask_end(asker, queued, &reply, TSR_NOWAIT), -EAGAIN);
		server_start(&second);
		end(queued, 42);
		server_stop(&second);
	}
}

static int
kill_soon(struct child_report *report, void *arg)
{
	(void)report;
	(void)kill(*(pid_t const *)arg, SIGKILL);
	return 0;
}

/* Asleep when it dies: the reaper must wake the one who waits for the reply. */
test_case(ask, one_who_sleeps_is_told_that_the_server_died)
{
	for (int round = 0; round < 10; round++) {
		uint64_t const deadline = test_deadline(20000);
		struct child dies, kills;
		struct tsr_msg reply;
		uint64_t ask;

		server_start(&dies);
		ask = begin(ORDER(ORDER_HOLD, 1));
		cr_assert(report_await(dies.report, 1, 1, 10000));
		child_start(&kills, kill_soon, &dies.pid);
		test_is(tsr_ask_end(asker, ask, &reply, deadline), -ECONNRESET);
		cr_assert(!test_passed(deadline), "it slept until its deadline");
		child_join(&kills);
		child_died(&dies);
		child_forget(&dies);
	}
}

test_case(ask, what_is_no_question_is_refused_and_nothing_is_lost)
{
	struct tsr_msg msg = request(1), reply;
	struct tsr_receiver receiver;
	uint64_t ask[TSR_ASKS_MAX], more;
	struct tsr_asker second;

	test_is(tsr_asker_open(client, "service", NULL), -EINVAL);
	test_is(tsr_asker_open((struct tsr_client){0}, "service", &second), -ENOTCONN);
	test_is(tsr_ask_end(asker, 0, &reply, TSR_NOWAIT), -ESTALE);
	test_is(tsr_ask_end(asker, 77, &reply, TSR_NOWAIT), -ESTALE);
	test_is(tsr_reply(client, &msg, &msg, TSR_NOWAIT), -EINVAL); /* it was no request */
	test_ok(tsr_release(client, &msg));
	test_is(tsr_reply(client, &msg, &msg, TSR_NOWAIT), -ESTALE);
	test_is(tsr_ask(asker, &msg, TSR_NOWAIT), -ESTALE);
	for (unsigned i = 0; i < TSR_ASKS_MAX; i++)
		ask[i] = begin(i);
	msg = request(1);
	test_is(tsr_ask_begin(asker, &msg, TSR_NOWAIT, &more), -ENOBUFS);
	test_ok(tsr_release(client, &msg));
	test_ok(tsr_receiver_open(client, "service", NULL, &receiver));
	for (unsigned i = 0; i < TSR_ASKS_MAX; i++) {
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_reply(client, &msg, &msg, TSR_NOWAIT));
	}
	for (unsigned i = 0; i < TSR_ASKS_MAX; i++)
		end(ask[i], i);
	test_is(tsr_ask_end(asker, ask[0], &reply, TSR_NOWAIT), -ESTALE); /* twice */
	/* Nobody waits for it any more. */
	test_ok(tsr_asker_open(client, "service", &second));
	msg = request(1);
	test_ok(tsr_ask_begin(second, &msg, TSR_NOWAIT, &more));
	test_ok(tsr_asker_close(second));
	test_is(tsr_ask_end(second, more, &reply, TSR_NOWAIT), -ENOTCONN);
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_is(tsr_reply(client, &msg, &msg, TSR_NOWAIT), -EPIPE);
	test_ok(tsr_release(client, &msg));
	test_ok(tsr_receiver_close(receiver));
}

/* How an asker ends: it closes, it only detaches, it is killed with the reply in its hands. */
enum farewell {
	FAREWELL_CLOSE = 0,
	FAREWELL_DETACH = 1,
	FAREWELL_NONE = 2,
	FAREWELLS = 3
};

static int
asks_once(struct child_report *report, void *arg)
{
	enum farewell const farewell = *(enum farewell const *)arg;
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client me;
	struct tsr_asker mine;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &me));
	child_ok(report, tsr_asker_open(me, "service", &mine));
	child_ok(report, tsr_alloc(me, 16, &msg));
	*(uint64_t *)msg.data = ORDER(ORDER_COPY, 21);
	child_ok(report, tsr_ask(mine, &msg, tsr_deadline_in_ms(10000)));
	child_check(report, *(uint64_t *)msg.data == 42);
	if (farewell == FAREWELL_NONE)
		(void)raise(SIGKILL);
	child_ok(report, tsr_release(me, &msg));
	if (farewell == FAREWELL_CLOSE)
		child_ok(report, tsr_asker_close(mine));
	child_ok(report, tsr_detach(me));
	return 0;
}

/* The dead are reaped soon after. */
static void
clients_are(uint32_t count)
{
	uint64_t const deadline = test_deadline(10000);

	while (daemon_status(&daemon_).clients != count) {
		cr_assert(!test_passed(deadline), "%u clients, expected %u",
		          daemon_status(&daemon_).clients, count);
		(void)sched_yield();
	}
}

test_case(ask, askers_come_and_go_and_their_channels_with_them)
{
	uint32_t const before = daemon_status(&daemon_).channels;
	struct child serves, asks;

	server_start(&serves);
	for (unsigned i = 0; i < 300; i++) {
		enum farewell farewell = i % FAREWELLS;

		child_start(&asks, asks_once, &farewell);
		if (farewell == FAREWELL_NONE) {
			child_died(&asks);
			child_forget(&asks);
		} else {
			child_join(&asks);
		}
		clients_are(2);
		/* The last one's, which the server has open. */
		cr_assert_leq(daemon_status(&daemon_).channels, before + 1);
	}
	server_stop(&serves);
	test_same(daemon_status(&daemon_).channels, before);
}

test_case(ask, late_reply_answers_no_other_request)
{
	struct tsr_receiver receiver;
	struct tsr_msg late, got, reply;
	struct tsr_asker second;
	uint64_t ask;

	test_ok(tsr_receiver_open(client, "service", NULL, &receiver));
	test_ok(tsr_asker_open(client, "service", &second));
	got = request(1);
	test_ok(tsr_ask_begin(second, &got, TSR_NOWAIT, &ask));
	test_ok(tsr_recv(receiver, &late, TSR_NOWAIT));
	got = request(2);
	test_ok(tsr_ask_begin(second, &got, TSR_NOWAIT, &ask));
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_ok(tsr_reply(client, &got, &got, TSR_NOWAIT)); /* it stays open */
	test_ok(tsr_asker_close(second));
	test_ok(tsr_asker_open(client, "service", &second));
	got = request(3);
	test_ok(tsr_ask_begin(second, &got, TSR_NOWAIT, &ask));
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_ok(tsr_reply(client, &late, &late, TSR_NOWAIT));
	test_is(tsr_ask_end(second, ask, &reply, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_reply(client, &got, &got, TSR_NOWAIT));
	test_ok(tsr_ask_end(second, ask, &reply, TSR_NOWAIT));
	test_same(*(uint64_t *)reply.data, 3);
	test_ok(tsr_release(client, &reply));
	test_ok(tsr_asker_close(second));
	test_ok(tsr_receiver_close(receiver));
}

/* What stands where the asker's channel was is not for replies. */
test_case(ask, reply_to_one_who_has_gone_reaches_no_channel_of_that_name)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_receiver receiver, other;
	struct tsr_asker second;
	struct tsr_msg msg;
	char name[TSR_NAME_BYTES];
	uint64_t ask;

	test_ok(tsr_client_info(client, &info));
	(void)snprintf(name, sizeof(name), "reply/%u.1", info.client_id);
	test_ok(tsr_receiver_open(client, "service", NULL, &receiver));
	test_ok(tsr_asker_open(client, "service", &second));
	msg = request(1);
	test_ok(tsr_ask_begin(second, &msg, TSR_NOWAIT, &ask));
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_ok(tsr_asker_close(second));
	test_is(tsr_channel_remove(client, name), -ENOENT);
	test_ok(tsr_receiver_open(client, name, NULL, &other));
	test_is(tsr_asker_open(client, "service", &second), -EEXIST);
	test_is(tsr_reply(client, &msg, &msg, TSR_NOWAIT), -EPIPE);
	test_ok(tsr_release(client, &msg));
	test_ok(tsr_receiver_close(other));
	test_ok(tsr_channel_remove(client, name)); /* this one stays until then */
	test_ok(tsr_receiver_close(receiver));
}
