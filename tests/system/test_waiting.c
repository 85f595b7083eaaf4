/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/*
 * Deadlines and wake-ups. Bounds are wide where a busy machine could be late, and tight where
 * only a
 * mistake could be early; whether a wake-up was missed is told by the clients' own counters.
 */
#define LATE_NS (2 * TEST_SECOND)

static struct daemon daemon_;
static struct tsr_client a;

static struct tsr_end_options const sleepy = {.size = sizeof(sleepy), .flags = TSR_END_NO_SPIN};

static void
waiting_setup(void)
{
	daemon_start(&daemon_, NULL);
	a = daemon_attach(&daemon_, 0);
}

static void
waiting_teardown(void)
{
	test_same(daemon_missed_wakes(&daemon_), 0);
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_detach(a));
	daemon_stop(&daemon_);
}

TestSuite(waiting, .timeout = 60);

static void
make(char const *name, uint32_t capacity, uint32_t flags)
{
	struct tsr_channel_options const options = {
		.size = sizeof(options), .capacity = capacity, .flags = flags};

	test_ok(tsr_channel_create(a, name, &options));
}

/* Wait until so many ends sleep on the channel. */
static void
asleep(char const *name, uint32_t count)
{
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_row_channel row = {.sleepers = 0};

	while (!daemon_channel(&daemon_, name, &row) || row.sleepers < count) {
		cr_assert(!test_passed(deadline), "%u of %u sleep", row.sleepers, count);
		sched_yield();
	}
}

test_case(waiting, deadline_that_has_passed_gives_timedout_at_once_and_nowait_gives_again)
{
	uint64_t const begun = tsr_now_ns();
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	make("past", 2, 0);
	test_ok(tsr_sender_open(a, "past", NULL, &sender));
	test_ok(tsr_receiver_open(a, "past", NULL, &receiver));
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	test_is(tsr_recv(receiver, &msg, 1), -ETIMEDOUT);
	test_is(tsr_recv(receiver, &msg, tsr_now_ns()), -ETIMEDOUT);
	for (int i = 0; i < 2; i++) {
		test_ok(tsr_alloc(a, 8, &msg));
		test_ok(tsr_send(sender, &msg, 1));
	}
	test_ok(tsr_alloc(a, 8, &msg));
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -EAGAIN);
	test_is(tsr_send(sender, &msg, 1), -ETIMEDOUT);
	test_ok(tsr_release(a, &msg));
	/* What is there is received, whatever the deadline. */
	test_ok(tsr_recv(receiver, &msg, 1));
	test_ok(tsr_release(a, &msg));
	cr_assert_lt(tsr_now_ns() - begun, LATE_NS);
}

test_case(waiting, deadline_in_the_future_is_kept_by_receivers_and_senders)
{
	uint32_t const flags[] = {0, TSR_ATTACH_FENCED};

	make("future", 2, 0);
	for (int f = 0; f < 2; f++) {
		struct tsr_client client = daemon_attach(&daemon_, flags[f]);
		struct tsr_client_info info = {.size = sizeof(info)};
		struct tsr_end_options options = {.size = sizeof(options)};

		test_ok(tsr_client_info(client, &info));
		test_same(info.flags, flags[f]);
		for (int spin = 0; spin < 2; spin++) {
			struct tsr_receiver receiver;
			struct tsr_sender sender;
			uint64_t deadline;
			struct tsr_msg msg;

			options.flags = spin == 0 ? TSR_END_NO_SPIN : 0;
			test_ok(tsr_receiver_open(client, "future", &options, &receiver));
			test_ok(tsr_sender_open(client, "future", &options, &sender));
			deadline = test_deadline(30);
			test_is(tsr_recv(receiver, &msg, deadline), -ETIMEDOUT);
			cr_assert(test_passed(deadline), "too early");
			cr_assert(!test_passed(deadline + LATE_NS), "much too late");
			for (int i = 0; i < 2; i++) {
				test_ok(tsr_alloc(client, 8, &msg));
				test_ok(tsr_send(sender, &msg, TSR_FOREVER));
			}
			test_ok(tsr_alloc(client, 8, &msg));
			deadline = test_deadline(30);
			test_is(tsr_send(sender, &msg, deadline), -ETIMEDOUT);
			cr_assert(test_passed(deadline), "too early");
			cr_assert(!test_passed(deadline + LATE_NS), "much too late");
			test_ok(tsr_release(client, &msg));
			for (int i = 0; i < 2; i++) {
				test_ok(tsr_recv(receiver, &msg, TSR_FOREVER));
				test_ok(tsr_release(client, &msg));
			}
			test_ok(tsr_receiver_close(receiver));
			test_ok(tsr_sender_close(sender));
		}
		test_ok(tsr_detach(client));
	}
}

/* A child that receives one message, and says how its call ended. */
static int
one_receiver(struct child_report *report, void *arg)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;
	int error;

	options.flags = arg != NULL ? TSR_ATTACH_FENCED : 0;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "wake", &sleepy, &receiver));
	report_set(report, 0, 1);
	error = tsr_recv(receiver, &msg, TSR_FOREVER);
	if (error == 0) {
		report_set(report, 2, *(uint64_t *)msg.data);
		child_ok(report, tsr_release(client, &msg));
	}
	report_set(report, 1, (uint64_t)-error + 1);
	child_check(report, report_await(report, 3, 1, 20000));
	child_ok(report, tsr_detach(client));
	return 0;
}

static void
ended_with(struct child *child, int error)
{
	uint64_t got;

	cr_assert(report_await(child->report, 1, 1, 10000), "still asleep: %s",
	          child->report->text);
	got = atomic_load(&child->report->word[1]);
	cr_assert_eq(got, (uint64_t)-error + 1, "ended with -%ju, expected %d", (uintmax_t)got - 1,
	             error);
}

test_case(waiting, sleeping_receiver_is_woken_by_a_send)
{
	make("wake", 4, 0);
	for (uintptr_t fenced = 0; fenced < 2; fenced++) {
		struct tsr_sender sender;
		struct child child;
		struct tsr_msg msg;

		test_ok(tsr_sender_open(a, "wake", NULL, &sender));
		child_start(&child, one_receiver, (void *)fenced);
		asleep("wake", 1);
		test_ok(tsr_alloc(a, 8, &msg));
		*(uint64_t *)msg.data = 4711;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		ended_with(&child, 0);
		test_same(atomic_load(&child.report->word[2]), 4711);
		test_same(daemon_missed_wakes(&daemon_), 0);
		report_set(child.report, 3, 1);
		child_join(&child);
		test_ok(tsr_sender_close(sender));
	}
}

test_case(waiting, each_of_many_sleepers_gets_one_message_and_the_rest_get_the_end)
{
	struct tsr_sender sender;
	struct child child[5];
	uint32_t served = 0;
	struct tsr_msg msg;

	make("wake", 8, 0);
	test_ok(tsr_sender_open(a, "wake", NULL, &sender));
	for (int i = 0; i < 5; i++)
		child_start(&child[i], one_receiver, NULL);
	asleep("wake", 5);
	for (int i = 0; i < 3; i++) {
		test_ok(tsr_alloc(a, 8, &msg));
		*(uint64_t *)msg.data = 1;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	for (uint64_t deadline = test_deadline(10000); served < 3;) {
		cr_assert(!test_passed(deadline), "%u were served", served);
		served = 0;
		for (int i = 0; i < 5; i++)
			served += atomic_load(&child[i].report->word[1]) == 1;
		sched_yield();
	}
	test_ok(tsr_sender_close(sender));
	for (int i = 0; i < 5; i++)
		ended_with(&child[i], atomic_load(&child[i].report->word[2]) == 1 ? 0 : -EPIPE);
	test_same(daemon_missed_wakes(&daemon_), 0);
	for (int i = 0; i < 5; i++) {
		report_set(child[i].report, 3, 1);
		child_join(&child[i]);
	}
}

/* A child that sends into a channel that is full. */
static int
one_sender(struct child_report *report, void *arg)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;
	int error;

	options.flags = arg != NULL ? TSR_ATTACH_FENCED : 0;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "wake", &sleepy, &sender));
	child_ok(report, tsr_alloc(client, 8, &msg));
	report_set(report, 0, 1);
	error = tsr_send(sender, &msg, TSR_FOREVER);
	if (error != 0)
		child_ok(report, tsr_release(client, &msg));
	report_set(report, 1, (uint64_t)-error + 1);
	child_check(report, report_await(report, 3, 1, 20000));
	child_ok(report, tsr_detach(client));
	return 0;
}

static void
fill(struct tsr_sender *sender, uint32_t count)
{
	struct tsr_msg msg;

	test_ok(tsr_sender_open(a, "wake", NULL, sender));
	for (uint32_t i = 0; i < count; i++) {
		test_ok(tsr_alloc(a, 8, &msg));
		test_ok(tsr_send(*sender, &msg, TSR_NOWAIT));
	}
}

test_case(waiting, sleeping_sender_is_woken_by_a_receive)
{
	make("wake", 2, 0);
	for (uintptr_t fenced = 0; fenced < 2; fenced++) {
		struct tsr_receiver receiver;
		struct tsr_sender sender;
		struct child child;
		struct tsr_msg msg;

		fill(&sender, 2);
		test_ok(tsr_receiver_open(a, "wake", NULL, &receiver));
		child_start(&child, one_sender, (void *)fenced);
		asleep("wake", 1);
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_release(a, &msg));
		ended_with(&child, 0);
		for (int i = 0; i < 2; i++) {
			test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
			test_ok(tsr_release(a, &msg));
		}
		test_same(daemon_missed_wakes(&daemon_), 0);
		report_set(child.report, 3, 1);
		child_join(&child);
		test_ok(tsr_sender_close(sender));
		test_ok(tsr_receiver_close(receiver));
	}
}

test_case(waiting, sleeping_sender_learns_that_the_last_receiver_closed)
{
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct child child;

	make("wake", 2, 0);
	fill(&sender, 2);
	test_ok(tsr_receiver_open(a, "wake", NULL, &receiver));
	child_start(&child, one_sender, NULL);
	asleep("wake", 1);
	test_ok(tsr_receiver_close(receiver));
	ended_with(&child, -EPIPE);
	report_set(child.report, 3, 1);
	child_join(&child);
	test_ok(tsr_sender_close(sender));
}

/* Children that only hold an end open until they are killed. */
static int
idle_sender(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_sender sender;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "wake", NULL, &sender));
	report_set(report, 0, 1);
	(void)report_await(report, 9, 1, 60000);
	return 0;
}

static int
idle_receiver(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "wake", NULL, &receiver));
	report_set(report, 0, 1);
	(void)report_await(report, 9, 1, 60000);
	return 0;
}

test_case(waiting, sleeping_receiver_learns_within_a_second_that_the_sender_died)
{
	struct child sender, receiver;
	uint64_t killed;

	make("wake", 2, 0);
	child_start(&sender, idle_sender, NULL);
	cr_assert(report_await(sender.report, 0, 1, 10000), "%s", sender.report->text);
	child_start(&receiver, one_receiver, NULL);
	asleep("wake", 1);
	killed = tsr_now_ns();
	child_kill(&sender, SIGKILL);
	ended_with(&receiver, -ECONNRESET);
	cr_assert_lt(tsr_now_ns() - killed, TEST_SECOND);
	report_set(receiver.report, 3, 1);
	child_join(&receiver);
}

test_case(waiting, sleeping_sender_learns_within_a_second_that_the_receiver_died)
{
	struct child sending, receiving;
	struct tsr_sender sender;
	uint64_t killed;

	make("wake", 2, 0);
	fill(&sender, 2);
	child_start(&receiving, idle_receiver, NULL);
	cr_assert(report_await(receiving.report, 0, 1, 10000), "%s", receiving.report->text);
	child_start(&sending, one_sender, NULL);
	asleep("wake", 1);
	killed = tsr_now_ns();
	child_kill(&receiving, SIGKILL);
	ended_with(&sending, -ECONNRESET);
	cr_assert_lt(tsr_now_ns() - killed, TEST_SECOND);
	report_set(sending.report, 3, 1);
	child_join(&sending);
	test_ok(tsr_sender_close(sender));
}

/* Signals. */

static void
nothing(int number)
{
	(void)number;
}

static int
interrupted(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct sigaction const action = {.sa_handler = nothing};
	struct tsr_receiver receiver;
	struct tsr_client client;
	uint64_t deadline;
	struct tsr_msg msg;

	(void)arg;
	sigaction(SIGUSR1, &action, NULL);
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "wake", &sleepy, &receiver));
	deadline = tsr_deadline_in_ms(300);
	report_set(report, 0, 1);
	child_is(report, tsr_recv(receiver, &msg, deadline), -ETIMEDOUT);
	child_check(report, tsr_now_ns() >= deadline, "a signal ended the wait");
	report_set(report, 1, 1);
	child_ok(report, tsr_detach(client));
	return 0;
}

test_case(waiting, signals_do_not_end_a_wait_before_its_deadline)
{
	struct child child;

	make("wake", 2, 0);
	child_start(&child, interrupted, NULL);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	while (atomic_load(&child.report->word[1]) == 0 &&
	       atomic_load(&child.report->failed) == 0) {
		kill(child.pid, SIGUSR1);
		sched_yield();
	}
	child_join(&child);
}

/* More sleepers than there are tokens. */

#define SLEEPERS (TSR_TOKENS_PER_SIDE + 8)

static struct tsr_receiver sleeper_end[SLEEPERS];
static _Atomic uint32_t sleepers_served;

static void *
sleeper(void *arg)
{
	struct tsr_msg msg;
	int const error = tsr_recv(sleeper_end[(uintptr_t)arg], &msg, tsr_deadline_in_ms(20000));

	if (error != 0 || tsr_release(a, &msg) != 0)
		return &sleepers_served;
	atomic_fetch_add(&sleepers_served, 1);
	return NULL;
}

test_case(waiting, more_sleepers_than_tokens_are_all_served)
{
	pthread_t thread[SLEEPERS];
	struct tsr_sender sender;
	struct tsr_msg msg;
	void *wrong;

	make("wake", 128, 0);
	test_ok(tsr_sender_open(a, "wake", NULL, &sender));
	for (uintptr_t i = 0; i < SLEEPERS; i++) {
		test_ok(tsr_receiver_open(a, "wake", &sleepy, &sleeper_end[i]));
		cr_assert_eq(pthread_create(&thread[i], NULL, sleeper, (void *)i), 0);
	}
	asleep("wake", TSR_TOKENS_PER_SIDE);
	for (int i = 0; i < SLEEPERS; i++) {
		test_ok(tsr_alloc(a, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	for (int i = 0; i < SLEEPERS; i++) {
		cr_assert_eq(pthread_join(thread[i], &wrong), 0);
		cr_assert_null(wrong, "a sleeper got nothing");
	}
	test_same(atomic_load(&sleepers_served), SLEEPERS);
}

/* Ping and pong between ends that never spin: both sleep before almost every message. */

#define PING_ROUNDS 5000

static int
ponger(struct child_report *report, void *arg)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;
	int error;

	options.flags = arg != NULL ? TSR_ATTACH_FENCED : 0;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "ping", &sleepy, &receiver));
	child_ok(report, tsr_sender_open(client, "pong", &sleepy, &sender));
	report_set(report, 0, 1);
	while ((error = tsr_recv(receiver, &msg, tsr_deadline_in_ms(20000))) == 0)
		child_ok(report, tsr_send(sender, &msg, tsr_deadline_in_ms(20000)));
	child_is(report, error, -EPIPE);
	child_ok(report, tsr_detach(client));
	return 0;
}

test_case(waiting, channel_with_an_end_that_membarrier_does_not_reach_is_marked)
{
	struct tsr_client const client = daemon_attach(&daemon_, TSR_ATTACH_FENCED);
	struct tsr_receiver receiver;
	struct tsr_end const *end;
	struct tsr_sender sender;

	test_ok(tsr_sender_open(a, "marked", NULL, &sender));
	end = tsr_end_get(sender.handle);
	cr_assert_not_null(end);
	test_same(tsr_ld_rlx(&end->shm->receivers_waiting), 0);
	test_same(tsr_ld_rlx(&end->shm->senders_waiting), 0);
	test_ok(tsr_receiver_open(client, "marked", NULL, &receiver));
	test_same(tsr_ld_rlx(&end->shm->receivers_waiting), TSR_WAITING_FENCED);
	test_same(tsr_ld_rlx(&end->shm->senders_waiting), TSR_WAITING_FENCED);
	test_ok(tsr_detach(client));
	test_ok(tsr_sender_close(sender));
}

test_case(waiting, ping_pong_of_sleepers_misses_no_wake_up_with_and_without_membarrier)
{
	for (uintptr_t mix = 0; mix < 4; mix++) {
		struct tsr_client client =
			daemon_attach(&daemon_, (mix & 1) != 0 ? TSR_ATTACH_FENCED : 0);
		struct tsr_receiver receiver;
		struct tsr_sender sender;
		struct child child;
		struct tsr_msg msg;

		test_ok(tsr_sender_open(client, "ping", &sleepy, &sender));
		test_ok(tsr_receiver_open(client, "pong", &sleepy, &receiver));
		child_start(&child, ponger, (void *)(mix & 2));
		cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
		test_ok(tsr_alloc(client, 8, &msg));
		for (uint64_t i = 0; i < PING_ROUNDS; i++) {
			*(uint64_t *)msg.data = i;
			test_ok(tsr_send(sender, &msg, test_deadline(20000)));
			test_ok(tsr_recv(receiver, &msg, test_deadline(20000)));
			test_same(*(uint64_t *)msg.data, i);
		}
		test_ok(tsr_release(client, &msg));
		test_same(daemon_missed_wakes(&daemon_), 0);
		test_ok(tsr_sender_close(sender));
		child_join(&child);
		test_ok(tsr_detach(client));
	}
}
