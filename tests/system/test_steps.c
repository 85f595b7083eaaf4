/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/*
 * What is much goes in steps: the daemon counts the words that it looked at in the longest of them,
 * and somebody else has requests answered meanwhile.
 */

#define STEP    4096 /* words, as promised */
#define SLOTS   (UINT32_C(1) << 20)
#define BLOCKS  32768
#define TICKETS 65536
#define ROUNDS  20

static struct daemon daemon_;
static struct tsr_client a;
static uint64_t deaths;

TestSuite(steps, .timeout = 60);

static void
steps_setup(void)
{
	char const *const sets[] = {"realms.demo.classes=64:32768,4096:2048",
	                            "realms.demo.slots=1114112", "realms.demo.region_tickets=65536",
	                            NULL};

	daemon_start(&daemon_, sets);
	a = daemon_attach(&daemon_, 0);
	deaths = 0;
}

static void
steps_teardown(void)
{
	test_ok(tsr_detach(a));
	daemon_stop(&daemon_);
}

/* Asks all the time how many steps were done, and notes how often that had changed, and what took
 * longest. */
struct asker {
	pthread_t thread;
	int fd;
	_Atomic uint64_t answers;
	_Atomic uint64_t changes;
	_Atomic uint64_t longest_ns;
	atomic_bool stop;
};

static void *
asker_run(void *arg)
{
	struct asker *const asker = arg;
	struct tsr_proto_status_reply reply;
	struct tsr_proto_plain request;
	uint64_t last = UINT64_MAX;
	size_t fds;

	raw_head(&request, TSR_PROTO_STATUS, sizeof(request));
	while (!atomic_load(&asker->stop)) {
		uint64_t const since = tsr_now_ns();
		uint64_t took;

		if (raw_send(asker->fd, &request, sizeof(request), NULL, 0) != 0 ||
		    raw_recv(asker->fd, &reply, sizeof(reply), &fds) != (int)sizeof(reply))
			break;
		took = tsr_now_ns() - since;
		if (took > atomic_load(&asker->longest_ns))
			atomic_store(&asker->longest_ns, took);
		if (last != UINT64_MAX && reply.reap_steps != last)
			(void)atomic_fetch_add(&asker->changes, 1);
		last = reply.reap_steps;
		(void)atomic_fetch_add(&asker->answers, 1);
	}
	return NULL;
}

static void
asker_start(struct asker *asker)
{
	memset(asker, 0, sizeof(*asker));
	asker->fd = raw_greet(&daemon_);
	test_same(pthread_create(&asker->thread, NULL, asker_run, asker), 0);
	while (atomic_load(&asker->answers) == 0)
		(void)usleep(100);
}

static void
asker_end(struct asker *asker)
{
	atomic_store(&asker->stop, true);
	test_same(pthread_join(asker->thread, NULL), 0);
	raw_close(asker->fd);
}

/* Do it while somebody asks, until that one was answered in the middle of it. */
static void
between(void (*make)(void), void (*end)(void), uint64_t words)
{
	struct tsr_proto_status_reply const before = daemon_status(&daemon_);
	struct tsr_proto_status_reply after;
	uint64_t changes = 0, rounds = 0;
	struct asker asker;

	while (changes < 2 && rounds < ROUNDS) {
		make();
		asker_start(&asker);
		end();
		asker_end(&asker);
		/* One may be all that was done at once; with two somebody was answered between. */
		changes = atomic_load(&asker.changes);
		rounds++;
	}
	after = daemon_status(&daemon_);
	cr_log_info("%ju steps in %ju rounds, the longest of %ju words; answered after %ju of "
	            "them, the "
	            "slowest after %ju us",
	            (uintmax_t)(after.reap_steps - before.reap_steps), (uintmax_t)rounds,
	            (uintmax_t)after.reap_longest, (uintmax_t)changes,
	            (uintmax_t)atomic_load(&asker.longest_ns) / 1000);
	cr_assert_geq(changes, 2);
	cr_assert_geq(after.reap_steps - before.reap_steps, rounds * words / STEP);
	cr_assert_leq(after.reap_longest, STEP);
	daemon_balanced(&daemon_, "demo");
}

/* A channel of so many slots, with a message in as many of them as there are blocks. */
static void
fill(uint32_t kind, uint32_t capacity, uint32_t count)
{
	struct tsr_channel_options const options = {
		.size = sizeof(options), .capacity = capacity, .kind = kind};
	struct tsr_sender sender;
	struct tsr_msg msg;

	test_ok(tsr_channel_create(a, "much", &options));
	test_ok(tsr_sender_open(a, "much", NULL, &sender));
	for (uint32_t i = 0; i < count; i++) {
		test_ok(tsr_alloc(a, 64, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	test_ok(tsr_sender_close(sender));
}

static void
fill_million(void)
{
	fill(TSR_KIND_BUFFERED, SLOTS, BLOCKS / 2);
}

static void
fill_full(void)
{
	fill(TSR_KIND_BUFFERED, BLOCKS / 2, BLOCKS / 2);
}

static void
fill_unlimited(void)
{
	fill(TSR_KIND_UNLIMITED, 128, BLOCKS / 2);
}

static void
remove_it(void)
{
	test_ok(tsr_channel_remove(a, "much"));
}

test_case(steps, channel_of_a_million_slots_is_removed_while_others_are_served)
{
	between(fill_million, remove_it, SLOTS);
}

test_case(steps, full_channel_is_removed_while_others_are_served)
{
	/* Its slots, all tickets, and those of each class once more. */
	between(fill_full, remove_it, BLOCKS / 2 + 2 * BLOCKS + TICKETS);
}

test_case(steps, segments_of_a_removed_channel_are_freed_while_others_are_served)
{
	between(fill_unlimited, remove_it, BLOCKS / 2 + 2 * BLOCKS + TICKETS);
}

/* Whoever comes when it is removed finds its memory free, and its name at once. */
test_case(steps, removed_channel_has_given_back_everything_when_the_call_returns)
{
	for (int i = 0; i < 3; i++) {
		fill(TSR_KIND_BUFFERED, SLOTS, BLOCKS / 2);
		remove_it();
	}
}

static struct tsr_receiver reader;

/* Grown, and empty again: the reader's end is the last one. */
static void
grow(void)
{
	struct tsr_msg msg;

	fill(TSR_KIND_UNLIMITED, 128, BLOCKS / 2);
	test_ok(tsr_receiver_open(a, "much", NULL, &reader));
	for (uint32_t i = 0; i < BLOCKS / 2; i++) {
		test_ok(tsr_recv(reader, &msg, TSR_NOWAIT));
		test_ok(tsr_release(a, &msg));
	}
}

static void
shrink(void)
{
	test_ok(tsr_receiver_close(reader));
	test_same(daemon_ledger(&daemon_, "demo").in_channels, 0);
	remove_it();
}

test_case(steps, segments_that_nobody_has_open_are_freed_while_others_are_served)
{
	between(grow, shrink, BLOCKS / 2 + 2 * BLOCKS);
}

static struct child victim;

/* Grows a channel, and waits to be killed in it. */
static int
grower(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_channel_options const shape = {
		.size = sizeof(shape), .capacity = 128, .kind = TSR_KIND_UNLIMITED};
	struct tsr_sender sender;
	struct tsr_client client;
	struct tsr_msg msg;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_channel_create(client, "much", &shape));
	child_ok(report, tsr_sender_open(client, "much", NULL, &sender));
	for (uint32_t i = 0; i < BLOCKS / 2; i++) {
		child_ok(report, tsr_alloc(client, 64, &msg));
		child_ok(report, tsr_send(sender, &msg, TSR_NOWAIT));
	}
	report_set(report, 0, 1);
	child_check(report, report_await(report, 9, 1, 60000));
	return 0;
}

static void
grow_in_child(void)
{
	child_start(&victim, grower, NULL);
	cr_assert(report_await(victim.report, 0, 1, 30000), "%s", victim.report->text);
}

static void
die_in_it(void)
{
	child_kill(&victim, SIGKILL);
	daemon_reaped(&daemon_, ++deaths);
	remove_it();
}

test_case(steps, segments_of_a_dead_sender_are_repaired_while_others_are_served)
{
	between(grow_in_child, die_in_it, BLOCKS / 2);
}

static struct tsr_region_options const large = {.size = sizeof(large), .tickets = TICKETS};
static struct tsr_region region;

static void
make_region(void)
{
	test_ok(tsr_region_create(a, UINT64_C(262144), &large, &region));
}

static void
close_region(void)
{
	struct tsr_proto_row_region rows[2];

	test_ok(tsr_region_close(region));
	test_same(daemon_regions(&daemon_, rows, 2), 0);
}

test_case(steps, tickets_of_a_region_are_settled_while_others_are_served)
{
	/* Each word, and then each block. */
	between(make_region, close_region, 2 * TICKETS);
}

static int
region_owner(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_region its;
	struct tsr_client client;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_region_create(client, UINT64_C(262144), &large, &its));
	report_set(report, 0, 1);
	child_check(report, report_await(report, 9, 1, 60000));
	return 0;
}

static void
make_region_in_child(void)
{
	child_start(&victim, region_owner, NULL);
	cr_assert(report_await(victim.report, 0, 1, 30000), "%s", victim.report->text);
}

static void
die_with_region(void)
{
	struct tsr_proto_row_region rows[2];

	child_kill(&victim, SIGKILL);
	daemon_reaped(&daemon_, ++deaths);
	test_same(daemon_regions(&daemon_, rows, 2), 0);
}

test_case(steps, region_of_a_dead_owner_is_settled_while_others_are_served)
{
	between(make_region_in_child, die_with_region, 2 * TICKETS);
}
