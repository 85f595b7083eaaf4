/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/* What a review found between the library and the daemon, each held by a test. */

static struct daemon daemon_;

static void
review_setup(void)
{
	daemon_start(&daemon_, NULL);
}

static void
review_teardown(void)
{
	daemon_stop(&daemon_);
}

TestSuite(review, .timeout = 30);

static rlim_t
review_address_space(void)
{
	unsigned long pages = 0;
	FILE *const file = fopen("/proc/self/statm", "r");

	if (file == NULL)
		return RLIM_INFINITY;
	if (fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (rlim_t)pages * 4096;
}

/* Attach in vain, then live on for longer than a client that left without a goodbye may. */
static int
fail_to_attach(struct child_report *report, int resource, rlim_t limit, int want)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct rlimit old, low;
	struct tsr_client client;
	int error;

	child_check(report, getrlimit((__rlimit_resource_t)resource, &old) == 0, "%m");
	low = (struct rlimit){.rlim_cur = limit, .rlim_max = old.rlim_max};
	child_check(report, setrlimit((__rlimit_resource_t)resource, &low) == 0, "%m");
	error = tsr_attach(&options, &client);
	child_is(report, error, want);
	child_check(report, setrlimit((__rlimit_resource_t)resource, &old) == 0, "%m");
	usleep(400000);
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_detach(client));
	return 0;
}

static int
attach_without_address_space(struct child_report *report, void *arg)
{
	rlim_t const now = review_address_space();

	(void)arg;
	child_check(report, now != RLIM_INFINITY, "%m");
	return fail_to_attach(report, RLIMIT_AS, now + (16 << 20), -ENOMEM);
}

/* Room for so many more, from none on: whichever call it is that fails, it says the same. */
static int
attach_without_descriptors(struct child_report *report, void *arg)
{
	int const next = fcntl(0, F_DUPFD, 0);

	(void)arg;
	child_check(report, next >= 0, "%m");
	close(next);
	for (rlim_t more = 0; more < 4; more++)
		fail_to_attach(report, RLIMIT_NOFILE, (rlim_t)next + more, -ENOBUFS);
	return fail_to_attach(report, RLIMIT_NOFILE, (rlim_t)next + 4, -ENOBUFS);
}

test_case(review, client_that_can_not_map_the_realm_lives_on)
{
	struct child child;

	child_start(&child, attach_without_address_space, NULL);
	child_join(&child);
}

test_case(review, client_that_has_no_descriptors_left_lives_on)
{
	struct child child;

	child_start(&child, attach_without_descriptors, NULL);
	child_join(&child);
}

/* Both ends of one channel in one client, which dies with a message taken. */
static int
take_and_wait(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_channel_options const large = {.size = sizeof(large), .capacity = 1 << 17};
	struct tsr_end_options const make = {.size = sizeof(make), .create = &large};
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_client client;
	struct tsr_end *end;
	struct tsr_msg msg;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "both", &make, &sender));
	child_ok(report, tsr_receiver_open(client, "both", &make, &receiver));
	child_ok(report, tsr_alloc(client, 8, &msg));
	end = tsr_end_get(receiver.handle);
	child_check(report, end != NULL, "no end");
	/* The last slot, which whoever cleans up comes to last. */
	for (uint32_t i = 1; i < large.capacity; i++) {
		child_ok(report, tsr_send(sender, &msg, TSR_NOWAIT));
		child_ok(report, tsr_recv(receiver, &msg, TSR_NOWAIT));
	}
	child_ok(report, tsr_send(sender, &msg, TSR_NOWAIT));
	/* As the receive leaves it after its first step. */
	atomic_store(&end->slots[end->position & end->mask].word,
	             tsr_slot_word(0, end->me, TSR_TAKEN));
	report_set(report, 0, 1);
	for (;;)
		pause();
	return 0;
}

struct listener {
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int first;
	int second;
};

static void *
listen_twice(void *argument)
{
	struct listener *const listener = argument;
	struct tsr_msg none;

	listener->first = tsr_recv(listener->receiver, &listener->msg, tsr_deadline_in_ms(5000));
	listener->second = tsr_recv(listener->receiver, &none, tsr_deadline_in_ms(5000));
	return NULL;
}

test_case(review, what_a_dead_client_had_sent_itself_and_taken_comes_before_the_end)
{
	struct tsr_end_options const spin = {.size = sizeof(spin), .spin_ns = TEST_SECOND};
	struct tsr_client client = daemon_attach(&daemon_, 0);
	struct listener listener = {.first = 1};
	struct child child;
	pthread_t thread;

	child_start(&child, take_and_wait, NULL);
	cr_assert(report_await(child.report, 0, 1, 5000), "%s", child.report->text);
	test_ok(tsr_receiver_open(client, "both", &spin, &listener.receiver));
	cr_assert_eq(pthread_create(&thread, NULL, listen_twice, &listener), 0);
	usleep(10000);
	child_kill(&child, SIGKILL);
	pthread_join(thread, NULL);
	test_is(listener.first, 0);
	test_same(listener.msg.flags, TSR_MSG_REDELIVERED);
	test_is(listener.second, -ECONNRESET);
	test_ok(tsr_release(client, &listener.msg));
	test_ok(tsr_receiver_close(listener.receiver));
	test_ok(tsr_channel_remove(client, "both"));
	test_ok(tsr_detach(client));
	daemon_reaped(&daemon_, 1);
}

static int
outlive(struct child_report *report, void *arg)
{
	(void)arg;
	return report_await(report, 0, 1, 10000) ? 0 : 1;
}

/* A child that was forked in between has the socket, too. */
test_case(review, detached_client_with_a_child_holds_no_connection)
{
	struct tsr_client client = daemon_attach(&daemon_, 0);
	uint64_t const deadline = test_deadline(5000);
	struct child child;

	child_start(&child, outlive, NULL);
	test_ok(tsr_detach(client));
	while (daemon_status(&daemon_).connections != 1)
		cr_assert(!test_passed(deadline), "the connection of the detached client stays");
	report_set(child.report, 0, 1);
	child_join(&child);
}

/* A client that dies and leaves a child with a copy of its socket. */
static int
leave_a_child(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	pid_t pid;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	pid = fork();
	child_check(report, pid >= 0, "%m");
	if (pid > 0)
		report_set(report, 0, (uint64_t)pid);
	for (;;)
		pause();
	return 0;
}

test_case(review, dead_client_with_a_child_holds_no_connection)
{
	uint64_t const deadline = test_deadline(5000);
	struct child child;
	pid_t grandchild;

	child_start(&child, leave_a_child, NULL);
	cr_assert(report_await(child.report, 0, 1, 5000), "%s", child.report->text);
	grandchild = (pid_t)atomic_load(&child.report->word[0]);
	child_kill(&child, SIGKILL);
	while (daemon_status(&daemon_).connections != 1 && !test_passed(deadline))
		usleep(1000);
	kill(grandchild, SIGKILL);
	cr_assert(!test_passed(deadline), "the connection of the dead client stays");
	daemon_reaped(&daemon_, 1);
}
