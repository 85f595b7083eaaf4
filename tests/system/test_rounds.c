/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/* Many rounds and many clients: nothing may grow, on either side. */

static struct daemon daemon_;

static void
rounds_setup(void)
{
	daemon_start(&daemon_, NULL);
}

static void
rounds_teardown(void)
{
	daemon_stop(&daemon_);
}

TestSuite(rounds, .timeout = 60);

/* Resident pages of a process. */
static long
resident(pid_t pid)
{
	long size = 0, pages = 0;
	char path[64];
	FILE *statm;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	statm = fopen(path, "re");
	cr_assert_not_null(statm);
	cr_assert_eq(fscanf(statm, "%ld %ld", &size, &pages), 2);
	fclose(statm);
	return pages;
}

/* Attach, pass a message to oneself, detach. */
static void
round_trip(uint64_t round)
{
	struct tsr_client client = daemon_attach(&daemon_, 0);
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	test_ok(tsr_sender_open(client, "rounds", NULL, &sender));
	test_ok(tsr_receiver_open(client, "rounds", NULL, &receiver));
	test_ok(tsr_alloc(client, 64, &msg));
	*(uint64_t *)msg.data = round;
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, round);
	if (round % 2 == 0)
		test_ok(tsr_release(client, &msg));
	if (round % 3 == 0)
		test_ok(tsr_sender_close(sender));
	test_ok(tsr_detach(client));
}

test_case_within(rounds, ten_thousand_attachments_lose_no_descriptor_no_mapping_and_no_page, 230)
{
	struct tsr_proto_ledger_reply before, after;
	unsigned fds, maps;
	long daemon_pages, own_pages;

	for (uint64_t round = 0; round < 200; round++)
		round_trip(round);
	before = daemon_ledger(&daemon_, "demo");
	fds = test_fds_count();
	maps = test_maps_count();
	own_pages = resident(getpid());
	daemon_pages = resident(daemon_.pid);
	for (uint64_t round = 0; round < 10000; round++)
		round_trip(round);
	after = daemon_ledger(&daemon_, "demo");
	test_same(after.balanced, 1);
	test_same(after.with_clients, 0);
	cr_assert_leq(after.descriptors, before.descriptors);
	test_same(after.mappings, before.mappings);
	test_same(test_fds_count(), fds);
	test_same(test_maps_count(), maps);
#if !defined(__SANITIZE_ADDRESS__) /* it keeps what was freed for a while */
	/* A page an attachment would be ten thousand. */
	cr_assert_leq(resident(getpid()), own_pages + 100, "%ld pages, %ld before",
	              resident(getpid()), own_pages);
	cr_assert_leq(resident(daemon_.pid), daemon_pages + 200,
	              "%ld pages of the daemon, %ld before", resident(daemon_.pid), daemon_pages);
#else
	(void)own_pages;
	(void)daemon_pages;
#endif
}

test_case(rounds, refused_attachments_lose_nothing)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	unsigned fds = 0, maps = 0;

	options.realm = "elsewhere";
	for (int round = 0; round < 500; round++) {
		struct tsr_client client;

		test_is(tsr_attach(&options, &client), -ENOENT);
		if (round == 0) {
			fds = test_fds_count();
			maps = test_maps_count();
		}
	}
	test_same(test_fds_count(), fds);
	test_same(test_maps_count(), maps);
}

/* A process that runs out of descriptors at every point of an attachment. */
static int
starved(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct rlimit enough, few;
	unsigned fds, maps;
	struct tsr_client client;
	int error;

	child_check(report, getrlimit(RLIMIT_NOFILE, &enough) == 0);
	fds = test_fds_count();
	maps = test_maps_count();
	few = (struct rlimit){(rlim_t)(fds + (uintptr_t)arg), enough.rlim_max};
	child_check(report, setrlimit(RLIMIT_NOFILE, &few) == 0);
	error = tsr_attach(&options, &client);
	child_check(report, setrlimit(RLIMIT_NOFILE, &enough) == 0);
	if (error == 0)
		child_ok(report, tsr_detach(client));
	child_check(report, test_fds_count() == fds, "%u are open, %u were", test_fds_count(), fds);
	child_check(report, test_maps_count() == maps, "%u are mapped, %u were", test_maps_count(),
	            maps);
	report_set(report, 0, (uint64_t)-error + 1);
	return 0;
}

test_case(rounds, process_without_free_descriptors_is_refused_and_loses_nothing)
{
	unsigned refused = 0, admitted = 0;

	for (uintptr_t spare = 0; spare < 16; spare++) {
		struct child child;
		uint64_t result;

		child_start(&child, starved, (void *)spare);
		cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
		result = atomic_load(&child.report->word[0]);
		child_join(&child);
		refused += result != 1;
		admitted += result == 1;
	}
	cr_assert_gt(refused, 0, "the limit never bit");
	cr_assert_gt(admitted, 0, "nobody was admitted");
	daemon_balanced(&daemon_, "demo");
}

/* Sixty clients at once: each sends to all others through one channel, and receives as much. */

#define CROWD          60
#define CROWD_MESSAGES 200

static int
one_of_many(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "sixty", NULL, &sender));
	child_ok(report, tsr_receiver_open(client, "sixty", NULL, &receiver));
	report_set(report, 0, 1);
	child_check(report, report_await(report, 1, 1, 30000));
	for (uint64_t i = 0; i < CROWD_MESSAGES; i++) {
		child_ok(report, tsr_alloc(client, 64, &msg));
		((uint64_t *)msg.data)[0] = i;
		child_ok(report, tsr_send(sender, &msg, tsr_deadline_in_ms(30000)));
		child_ok(report, tsr_recv(receiver, &msg, tsr_deadline_in_ms(30000)));
		child_ok(report, tsr_release(client, &msg));
	}
	report_set(report, 2, 1);
	child_check(report, report_await(report, 3, 1, 60000));
	child_ok(report, tsr_detach(client));
	return 0;
}

test_case_within(rounds, sixty_clients_at_once_all_get_their_messages, 120)
{
	static struct child child[CROWD];

	for (int i = 0; i < CROWD; i++)
		child_start(&child[i], one_of_many, NULL);
	for (int i = 0; i < CROWD; i++)
		cr_assert(report_await(child[i].report, 0, 1, 30000), "%s", child[i].report->text);
	test_same(daemon_status(&daemon_).clients, CROWD);
	for (int i = 0; i < CROWD; i++)
		report_set(child[i].report, 1, 1);
	for (int i = 0; i < CROWD; i++)
		cr_assert(report_await(child[i].report, 2, 1, 60000), "%s", child[i].report->text);
	test_same(daemon_missed_wakes(&daemon_), 0);
	daemon_balanced(&daemon_, "demo");
	test_same(daemon_ledger(&daemon_, "demo").in_channels, 0);
	for (int i = 0; i < CROWD; i++) {
		report_set(child[i].report, 3, 1);
		child_join(&child[i]);
	}
}

/* Threads of one process that attach and detach at the same time. */
static void *
attacher(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct tsr_attach_options const options = daemon_options(&daemon_);
		struct tsr_client client;
		struct tsr_msg msg;

		if (tsr_attach(&options, &client) != 0 || tsr_alloc(client, 8, &msg) != 0 ||
		    tsr_release(client, &msg) != 0 || tsr_detach(client) != 0)
			return arg;
	}
	return NULL;
}

test_case(rounds, threads_attach_and_detach_side_by_side)
{
	unsigned const fds = test_fds_count();
	pthread_t thread[4];
	void *wrong;

	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, attacher, &daemon_), 0);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(pthread_join(thread[i], &wrong), 0);
		cr_assert_null(wrong);
	}
	test_same(test_fds_count(), fds);
	test_same(test_maps_count(), 0);
}
