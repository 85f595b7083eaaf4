/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/* A rendezvous between processes, with the daemon that counts its ends and finds the dead. */

static struct daemon daemon_;
static struct tsr_client a;

static struct tsr_channel_options const meet = {
	.size = sizeof(meet), .kind = TSR_KIND_RENDEZVOUS, .capacity = 2};
static struct tsr_end_options const sleepy = {
	.size = sizeof(sleepy), .flags = TSR_END_NO_SPIN, .create = &meet};

static void
rendezvous_setup(void)
{
	daemon_start(&daemon_, NULL);
	a = daemon_attach(&daemon_, 0);
}

static void
rendezvous_teardown(void)
{
	test_same(daemon_missed_wakes(&daemon_), 0);
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_detach(a));
	daemon_stop(&daemon_);
}

TestSuite(rendezvous, .timeout = 60);

/* Wait until so many ends sleep on the channel. */
static void
asleep(uint32_t count)
{
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_row_channel row = {.sleepers = 0};

	while (!daemon_channel(&daemon_, "meet", &row) || row.sleepers < count) {
		cr_assert(!test_passed(deadline), "%u of %u sleep", row.sleepers, count);
		sched_yield();
	}
}

test_case(rendezvous, there_are_as_many_sender_ends_as_slots)
{
	struct tsr_sender sender[3];

	test_ok(tsr_sender_open(a, "meet", &sleepy, &sender[0]));
	test_ok(tsr_sender_open(a, "meet", &sleepy, &sender[1]));
	test_is(tsr_sender_open(a, "meet", &sleepy, &sender[2]), -ENOBUFS);
	cr_assert_neq(strstr(tsr_last_hint(), "one for each sender end"), NULL, "%s",
	              tsr_last_hint());
	test_ok(tsr_sender_close(sender[0]));
	test_ok(tsr_sender_open(a, "meet", &sleepy, &sender[2]));
}

test_case(rendezvous, its_shape_is_its_own)
{
	struct tsr_channel_options wrong = meet;
	struct tsr_tap tap;

	test_ok(tsr_channel_create(a, "meet", &meet));
	test_ok(tsr_channel_create(a, "meet", &meet));
	wrong.kind = TSR_KIND_BUFFERED;
	test_is(tsr_channel_create(a, "meet", &wrong), -EEXIST);
	cr_assert_neq(strstr(tsr_last_hint(), "is rendezvous"), NULL, "%s", tsr_last_hint());
	wrong = meet;
	wrong.flags = TSR_CHANNEL_REQUEUE;
	test_is(tsr_channel_create(a, "other", &wrong), -EINVAL);
	test_is(tsr_tap_open(a, "meet", NULL, &tap), -EOPNOTSUPP);
}

test_case(rendezvous, one_sender_and_one_receiver_are_the_only_ones)
{
	struct tsr_channel_options one = meet;
	struct tsr_end_options options = sleepy;
	struct tsr_sender sender, more;
	struct tsr_receiver receiver, another;

	one.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER;
	options.create = &one;
	test_ok(tsr_sender_open(a, "one", &options, &sender));
	test_is(tsr_sender_open(a, "one", &options, &more), -EBUSY);
	test_ok(tsr_receiver_open(a, "one", &options, &receiver));
	test_is(tsr_receiver_open(a, "one", &options, &another), -EBUSY);
}

test_case(rendezvous, receivers_wait_by_descriptor_and_senders_cannot)
{
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	int fd, ready;

	test_ok(tsr_sender_open(a, "meet", &sleepy, &sender));
	test_ok(tsr_receiver_open(a, "meet", &sleepy, &receiver));
	test_is(tsr_sender_event(sender, &fd), -EINVAL);
	test_ok(tsr_receiver_event(receiver, &fd));
	test_ok(tsr_receiver_arm(receiver, &ready));
	test_same(ready, 0);
}

/* Sends one message and says what came of it. */
static int
child_send(struct child_report *report, void *argument)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	(void)argument;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "meet", &sleepy, &sender));
	child_ok(report, tsr_alloc(client, 8, &msg));
	*(uint64_t *)msg.data = 42;
	child_ok(report, tsr_send(sender, &msg, TSR_FOREVER));
	report_set(report, 0, 1);
	child_ok(report, tsr_detach(client));
	return 0;
}

test_case(rendezvous, sender_in_another_process_returns_when_its_message_was_received)
{
	struct tsr_receiver receiver;
	struct child child;
	struct tsr_msg msg;

	test_ok(tsr_receiver_open(a, "meet", &sleepy, &receiver));
	child_start(&child, child_send, NULL);
	asleep(1);
	test_same(atomic_load(&child.report->word[0]), 0);
	test_ok(tsr_recv(receiver, &msg, TSR_FOREVER));
	test_same(*(uint64_t *)msg.data, 42);
	child_join(&child);
	test_ok(tsr_release(a, &msg));
}

test_case(rendezvous, offer_of_a_process_that_was_killed_is_gone)
{
	struct tsr_receiver receiver;
	struct child child;
	struct tsr_msg msg;
	uint64_t reaped;

	test_ok(tsr_receiver_open(a, "meet", &sleepy, &receiver));
	child_start(&child, child_send, NULL);
	asleep(1);
	/* Until that is noticed, the offer of the dead can be taken like any other. */
	reaped = daemon_status(&daemon_).reaped;
	child_kill(&child, SIGKILL);
	daemon_reaped(&daemon_, reaped + 1);
	test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -ECONNRESET);
	child_forget(&child);
}

test_case(rendezvous, offer_of_a_stopped_process_can_be_taken)
{
	struct tsr_receiver receiver;
	struct child child;
	struct tsr_msg msg;

	test_ok(tsr_receiver_open(a, "meet", &sleepy, &receiver));
	child_start(&child, child_send, NULL);
	asleep(1);
	child_stop(&child);
	test_ok(tsr_recv(receiver, &msg, TSR_FOREVER));
	test_ok(tsr_release(a, &msg));
	child_continue(&child);
	child_join(&child);
}

/* Waits for a message that does not come. */
static int
child_receive(struct child_report *report, void *argument)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	(void)argument;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "meet", &sleepy, &receiver));
	report_set(report, 0, 1);
	child_ok(report, tsr_recv(receiver, &msg, TSR_FOREVER));
	report_set(report, 0, 2);
	for (;;)
		(void)report_await(report, 1, 1, 1000);
}

test_case(rendezvous, sender_whose_only_receiver_dies_keeps_its_message)
{
	struct tsr_sender sender;
	struct child child;
	struct tsr_msg msg;

	test_ok(tsr_sender_open(a, "meet", &sleepy, &sender));
	child_start(&child, child_receive, NULL);
	cr_assert(report_await(child.report, 0, 1, 10000));
	test_ok(tsr_alloc(a, 8, &msg));
	test_ok(tsr_send(sender, &msg, TSR_FOREVER));
	cr_assert(report_await(child.report, 0, 2, 10000));
	child_kill(&child, SIGKILL);
	test_ok(tsr_alloc(a, 8, &msg));
	test_is(tsr_send(sender, &msg, TSR_FOREVER), -ECONNRESET);
	test_ok(tsr_release(a, &msg));
	child_forget(&child);
}
