/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shm/client.h"
#include "shm/control.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/*
 * Each limit is shown to bite: what fits is admitted, one more is refused with -ENOBUFS and the
 * name of the limit, nothing else has changed, and what is given back can be taken again.
 */

#define OTHER_UID 65534

static struct daemon daemon_;

TestSuite(limits, .timeout = 30);

static void
limits_start(char const *set1, char const *set2)
{
	char const *const sets[] = {set1, set2, NULL};

	daemon_start(&daemon_, sets);
}

static void
says(char const *words)
{
	cr_assert_not_null(strstr(tsr_last_hint(), words), "'%s' does not say '%s'",
	                   tsr_last_hint(), words);
	daemon_log_has(&daemon_, words);
}

static struct tsr_channel_options
slots(uint32_t capacity)
{
	return (struct tsr_channel_options){.size = sizeof(struct tsr_channel_options),
	                                    .capacity = capacity};
}

Test(limits, connections_of_a_user)
{
	struct tsr_attach_options options;
	struct tsr_client client = {.handle = 42};
	int fd[7];

	limits_start("limits.connections_per_user=8", NULL);
	options = daemon_options(&daemon_);
	for (int i = 0; i < 7; i++)
		fd[i] = raw_greet(&daemon_);
	test_ok(tsr_attach(&options, &client));
	test_is(tsr_attach(&options, &client), -ENOBUFS);
	says("connections_per_user");
	test_is(tsr_attach(&options, &client), -ENOBUFS);
	for (int i = 0; i < 7; i++)
		cr_assert(raw_alive(fd[i]), "connection %d was hurt", i);
	close(fd[3]);
	for (uint64_t deadline = test_deadline(5000);;) {
		struct tsr_client other;
		int const error = tsr_attach(&options, &other);

		if (error == 0) {
			test_ok(tsr_detach(other));
			break;
		}
		cr_assert_eq(error, -ENOBUFS);
		cr_assert(!test_passed(deadline), "its place is not given back");
	}
	for (int i = 0; i < 7; i++) {
		if (i != 3)
			close(fd[i]);
	}
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, event_descriptors_of_a_user)
{
	struct tsr_tap_options const next = {.size = sizeof(next)};
	struct tsr_client client, observer;
	struct tsr_tap tap[4];
	int fd, ready;

	limits_start("limits.events_per_user=3", NULL);
	client = daemon_attach(&daemon_, 0);
	observer = daemon_attach(&daemon_, TSR_ATTACH_OBSERVER);
	test_ok(tsr_channel_create(client, "watched", NULL));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			test_ok(tsr_tap_open(i < 2 ? client : observer, "watched", &next, &tap[i]));
		for (int i = 0; i < 3; i++)
			test_ok(tsr_tap_event(tap[i], &fd));
		fd = 4711;
		test_is(tsr_tap_event(tap[3], &fd), -ENOBUFS);
		says("events_per_user");
		test_same(fd, 4711);
		test_is(tsr_tap_arm(tap[3], &ready), -EINVAL);
		test_ok(tsr_tap_arm(tap[0], &ready));
		test_ok(tsr_tap_close(tap[0]));
		test_ok(tsr_tap_event(tap[3], &fd));
		/* Those of whom hangs up, or detaches, come back. */
		test_ok(tsr_detach(observer));
		observer = daemon_attach(&daemon_, TSR_ATTACH_OBSERVER);
		test_ok(tsr_tap_close(tap[1]));
	}
	test_ok(tsr_detach(observer));
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, clients_of_a_realm)
{
	struct tsr_attach_options options;
	struct tsr_client client[3], more = {.handle = 42};

	limits_start("realms.demo.clients=3", NULL);
	options = daemon_options(&daemon_);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			test_ok(tsr_attach(&options, &client[i]));
		test_is(tsr_attach(&options, &more), -ENOBUFS);
		says("clients");
		test_same(more.handle, 42);
		test_same(daemon_status(&daemon_).clients, 3);
		for (int i = 0; i < 3; i++)
			test_ok(tsr_detach(client[i]));
	}
	daemon_stop(&daemon_);
}

Test(limits, id_rests_until_all_others_have_been_used)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_attach_options options;
	struct tsr_client client;

	limits_start("realms.demo.clients=3", NULL);
	options = daemon_options(&daemon_);
	for (uint16_t round = 0; round < 7; round++) {
		test_ok(tsr_attach(&options, &client));
		test_ok(tsr_client_info(client, &info));
		test_same(info.client_id, 1 + round % 3);
		test_ok(tsr_detach(client));
	}
	daemon_stop(&daemon_);
}

Test(limits, channel_in_the_place_of_a_removed_one_has_another_id)
{
	struct tsr_client client;
	uint64_t last = 0;

	limits_start("realms.demo.channels=1", NULL);
	client = daemon_attach(&daemon_, 0);
	for (int round = 0; round < 3; round++) {
		struct tsr_sender sender;
		struct tsr_end const *end;

		test_ok(tsr_sender_open(client, "a", NULL, &sender));
		end = tsr_end_get(sender.handle);
		cr_assert(end != NULL && end->channel.id != last);
		last = end->channel.id;
		test_ok(tsr_sender_close(sender));
		test_ok(tsr_channel_remove(client, "a"));
	}
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, channels_of_a_realm)
{
	struct tsr_channel_options const small = slots(8);
	struct tsr_client client;

	limits_start("realms.demo.channels=3", NULL);
	client = daemon_attach(&daemon_, 0);
	for (int round = 0; round < 300; round++) {
		test_ok(tsr_channel_create(client, "one", &small));
		test_ok(tsr_channel_create(client, "two", &small));
		test_ok(tsr_channel_create(client, "three", &small));
		test_is(tsr_channel_create(client, "four", &small), -ENOBUFS);
		if (round == 0)
			says("channels");
		/* One that is there is no further one. */
		test_ok(tsr_channel_create(client, "two", &small));
		test_ok(tsr_channel_remove(client, "two"));
		test_ok(tsr_channel_create(client, "four", &small));
		test_ok(tsr_channel_remove(client, "one"));
		test_ok(tsr_channel_remove(client, "three"));
		test_ok(tsr_channel_remove(client, "four"));
	}
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, ends_of_a_conflated_channel_and_its_slots)
{
	struct tsr_channel_options options = slots(2);
	struct tsr_receiver receiver;
	struct tsr_sender sender[2];
	struct tsr_client client;

	limits_start(NULL, NULL);
	client = daemon_attach(&daemon_, 0);
	options.kind = TSR_KIND_CONFLATED;
	test_is(tsr_channel_create(client, "newest", &options), -EINVAL);
	says("at least 4");
	options.capacity = 4;
	options.flags = TSR_CHANNEL_DROP_OLDEST;
	test_is(tsr_channel_create(client, "newest", &options), -EINVAL);
	options.flags = 0;
	test_ok(tsr_channel_create(client, "newest", &options));
	test_ok(tsr_sender_open(client, "newest", NULL, &sender[0]));
	test_ok(tsr_receiver_open(client, "newest", NULL, &receiver));
	test_is(tsr_sender_open(client, "newest", NULL, &sender[1]), -ENOBUFS);
	says("capacity 4");
	test_ok(tsr_receiver_close(receiver));
	test_ok(tsr_sender_open(client, "newest", NULL, &sender[1]));
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, slots_of_a_realm)
{
	struct tsr_channel_options const half = slots(512), whole = slots(1024), small = slots(2);
	struct tsr_client client;

	limits_start("realms.demo.slots=1024", "realms.demo.channels=4");
	client = daemon_attach(&daemon_, 0);
	for (int round = 0; round < 50; round++) {
		test_ok(tsr_channel_create(client, "one", &half));
		test_ok(tsr_channel_create(client, "two", &half));
		test_is(tsr_channel_create(client, "more", &half), -ENOBUFS);
		test_ok(tsr_channel_remove(client, "one"));
		test_is(tsr_channel_create(client, "more", &whole), -ENOBUFS);
		test_ok(tsr_channel_create(client, "three", &small));
		test_ok(tsr_channel_remove(client, "two"));
		test_ok(tsr_channel_remove(client, "three"));
		/* In one piece again. */
		test_ok(tsr_channel_create(client, "whole", &whole));
		test_is(tsr_channel_create(client, "more", &half), -ENOBUFS);
		test_ok(tsr_channel_remove(client, "whole"));
	}
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, bytes_of_a_user)
{
	struct tsr_channel_options const small = slots(64);
	struct tsr_client client;
	char name[16];
	int count = 0;

	limits_start("limits.bytes_per_user=16384", NULL);
	client = daemon_attach(&daemon_, 0);
	for (int round = 0; round < 20; round++) {
		int error = 0, had = 0;

		while (had < 100 && error == 0) {
			snprintf(name, sizeof(name), "bytes/%d", had);
			error = tsr_channel_create(client, name, &small);
			had += error == 0;
		}
		test_is(error, -ENOBUFS);
		if (round == 0)
			says("bytes_per_user");
		/* 64 slots of 32 bytes and a head are 2,176 bytes. */
		test_same(had, 16384 / 2176);
		while (had > 0) {
			snprintf(name, sizeof(name), "bytes/%d", --had);
			test_ok(tsr_channel_remove(client, name));
		}
		count++;
	}
	test_same(count, 20);
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, channels_of_a_user)
{
	struct tsr_channel_options const small = slots(8);
	struct tsr_client client;

	limits_start("limits.channels_per_user=2", NULL);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_channel_create(client, "one", &small));
	test_ok(tsr_channel_create(client, "two", &small));
	test_is(tsr_channel_create(client, "three", &small), -ENOBUFS);
	says("limits.channels_per_user (2)");
	test_ok(tsr_channel_create(client, "two", &small));
	test_ok(tsr_channel_remove(client, "one"));
	test_ok(tsr_channel_create(client, "three", &small));
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

static void
become_other(struct child_report *report)
{
	child_check(report,
	            setgroups(0, NULL) == 0 && setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
}

/* Of the accounts another user is told his own, and not what all have. */
static void
sees_his_own(struct child_report *report, struct tsr_control *control)
{
	struct tsr_proto_list request = {.what = TSR_LIST_QUOTA};
	struct {
		struct tsr_proto_list_reply head;
		struct tsr_proto_row_quota rows[32];
	} packet;
	size_t got;

	child_ok(report, tsr_control_ask(control, TSR_PROTO_LIST, &request, sizeof(request),
	                                 &packet, sizeof(packet), &got, test_deadline(5000)));
	child_check(report, packet.head.rows > 0 && packet.head.rows <= 32);
	for (uint32_t i = 0; i < packet.head.rows; i++)
		child_check(report, packet.rows[i].uid == OTHER_UID &&
		                            packet.rows[i].all_limit == 0 &&
		                            packet.rows[i].all_taken == 0);
}

/* Opens connections until it is refused, keeps them until it is told. Word 0: how many. */
static int
hoarder(struct child_report *report, void *arg)
{
	struct tsr_control control[64];
	unsigned count = 0;
	int error;

	(void)arg;
	become_other(report);
	do {
		error = tsr_control_open(&control[count], daemon_.socket, test_deadline(5000));
		count += error == 0;
	} while (error == 0 && count < 64);
	child_is(report, error, -ENOBUFS);
	child_check(report, strstr(tsr_last_hint(), "fair share of limits.connections (40") != NULL,
	            "%s", tsr_last_hint());
	sees_his_own(report, &control[0]);
	report_set(report, 0, count);
	(void)report_await(report, 1, 1, 20000);
	return 0;
}

/* Whoever floods the daemon, others find a place. */
Test(limits, share_of_who_comes_later)
{
	struct tsr_client first, client;
	struct child child;

	if (geteuid() != 0)
		cr_skip_test("needs root to become another user");
	limits_start("limits.connections=40", "socket_mode=0666");
	cr_assert_eq(chmod(daemon_.dir, 0755), 0);
	first = daemon_attach(&daemon_, 0);
	child_start(&child, hoarder, NULL);
	cr_assert(report_await(child.report, 0, 1, 20000));
	test_same(atomic_load(&child.report->word[0]), 13);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_detach(client));
	test_ok(tsr_detach(first));
	report_set(child.report, 1, 1);
	child_join(&child);
	daemon_stop(&daemon_);
}

/* Asks as fast as it can, by several connections. Word 0: how often. */
static int
asker(struct child_report *report, void *arg)
{
	struct tsr_control control[4];
	struct tsr_proto_plain request = {0}, reply;

	(void)arg;
	become_other(report);
	for (unsigned i = 0; i < 4; i++)
		child_ok(report,
		         tsr_control_open(&control[i], daemon_.socket, test_deadline(5000)));
	for (uint64_t count = 0; atomic_load(&report->word[1]) == 0;) {
		for (unsigned i = 0; i < 4; i++)
			child_ok(report, tsr_control_ask(&control[i], TSR_PROTO_PING, &request,
			                                 sizeof(request), &reply, sizeof(reply),
			                                 NULL, test_deadline(10000)));
		count += 4;
		report_set(report, 0, count);
	}
	return 0;
}

/* A user who asks too much waits; another one does not. */
Test(limits, requests_of_a_user_in_a_second)
{
	struct tsr_proto_plain request = {0}, reply;
	struct tsr_control control;
	struct child child;
	uint64_t begun_ns, took_ns;

	if (geteuid() != 0)
		cr_skip_test("needs root to become another user");
	limits_start("limits.requests_per_second=200", "socket_mode=0666");
	cr_assert_eq(chmod(daemon_.dir, 0755), 0);
	test_ok(tsr_control_open(&control, daemon_.socket, test_deadline(5000)));
	begun_ns = tsr_now_ns();
	child_start(&child, asker, NULL);
	/* It has used up what was at hand. */
	cr_assert(report_await(child.report, 0, 190, 20000));
	for (unsigned i = 0; i < 150; i++)
		test_ok(tsr_control_ask(&control, TSR_PROTO_PING, &request, sizeof(request), &reply,
		                        sizeof(reply), NULL, test_deadline(5000)));
	cr_assert(report_await(child.report, 0, 300, 20000));
	took_ns = tsr_now_ns() - begun_ns;
	/* 200 at hand, and then 200 a second. */
	cr_assert_gt(took_ns, 100 * TEST_SECOND / 200 * 9 / 10, "300 requests in %ju ms",
	             (uintmax_t)(took_ns / 1000000));
	report_set(child.report, 1, 1);
	child_join(&child);
	tsr_control_close(&control);
	daemon_stop(&daemon_);
}

/* One that waits for its turn and hangs up is seen off all the same, and its place is free. */
Test(limits, connection_that_waits_for_its_turn_may_go)
{
	struct timespec const rest = {.tv_sec = 2};
	struct tsr_proto_plain request = {0};
	int fd[3];

	limits_start("limits.requests_per_second=10", NULL);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			fd[i] = raw_greet(&daemon_);
		for (int i = 0; i < 3; i++) {
			raw_head(&request, TSR_PROTO_PING, sizeof(request));
			test_ok(raw_send(fd[i], &request, sizeof(request), NULL, 0));
			close(fd[i]);
		}
	}
	(void)nanosleep(&rest, NULL);
	test_same(daemon_status(&daemon_).connections, 1);
	daemon_stop(&daemon_);
}

static unsigned
lines_with(char const *words)
{
	unsigned count = 0;

	for (char const *at = daemon_log(&daemon_); (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

Test(limits, lines_about_a_user_in_the_log)
{
	struct timespec const rest = {.tv_sec = 1, .tv_nsec = 100000000};
	struct tsr_client client;
	unsigned lines;

	limits_start("limits.log_lines_per_second=5", "log.level=debug");
	for (int i = 0; i < 200; i++) {
		client = daemon_attach(&daemon_, 0);
		test_ok(tsr_detach(client));
	}
	lines = lines_with(" attached");
	cr_assert(lines >= 1 && lines < 100, "%u lines of 200", lines);
	test_same(lines_with("were left out"), 0);
	(void)nanosleep(&rest, NULL);
	client = daemon_attach(&daemon_, 0);
	daemon_log_has(&daemon_, "were left out (limits.log_lines_per_second)");
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

/* As many regions of @bytes and @tickets as there can be, then none more, for @limit; again. */
static void
regions_until(struct tsr_client client, uint64_t bytes, uint32_t tickets, unsigned want,
              char const *limit)
{
	struct tsr_region_options const options = {.size = sizeof(options), .tickets = tickets};
	struct tsr_region region[32], more = {.handle = 42};

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < want; i++)
			test_ok(tsr_region_create(client, bytes, &options, &region[i]));
		test_is(tsr_region_create(client, bytes, &options, &more), -ENOBUFS);
		test_same(more.handle, 42);
		cr_assert_not_null(strstr(tsr_last_hint(), limit), "'%s' does not say '%s'",
		                   tsr_last_hint(), limit);
		test_ok(tsr_region_close(region[want / 2]));
		test_ok(tsr_region_create(client, bytes, &options, &region[want / 2]));
		for (unsigned i = 0; i < want; i++)
			test_ok(tsr_region_close(region[i]));
	}
}

Test(limits, regions_of_a_user)
{
	struct tsr_region region;
	struct tsr_client client;
	struct tsr_msg msg;

	limits_start("limits.regions_per_user=5", NULL);
	client = daemon_attach(&daemon_, 0);
	regions_until(client, 4096, 1, 5, "regions_per_user");
	/* One that is closing counts until it has ended. */
	test_ok(tsr_region_create(client, 4096, NULL, &region));
	test_ok(tsr_region_alloc(region, 0, 1, &msg));
	test_ok(tsr_region_close(region));
	regions_until(client, 4096, 1, 4, "regions_per_user");
	test_ok(tsr_release(client, &msg));
	regions_until(client, 4096, 1, 5, "regions_per_user");
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, region_bytes_of_a_user)
{
	struct tsr_client client;

	limits_start("limits.region_bytes_per_user=1M", "realms.demo.backing=4K");
	client = daemon_attach(&daemon_, 0);
	regions_until(client, 256 << 10, 1, 4, "region_bytes_per_user");
	/* Pages count, and not what of them was asked for. */
	regions_until(client, (256 << 10) - 1, 1, 4, "region_bytes_per_user");
	regions_until(client, (256 << 10) + 1, 1, 3, "region_bytes_per_user");
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, regions_of_a_realm)
{
	struct tsr_client client;

	limits_start("realms.demo.regions=3", NULL);
	client = daemon_attach(&daemon_, 0);
	regions_until(client, 4096, 1, 3, "raise 'regions'");
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, tickets_of_a_realms_regions)
{
	struct tsr_client client;

	limits_start("realms.demo.region_tickets=64", NULL);
	client = daemon_attach(&daemon_, 0);
	regions_until(client, 4096, 16, 4, "region_tickets");
	regions_until(client, 4096, 20, 3, "region_tickets");
	regions_until(client, 4096, 64, 1, "region_tickets");
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

/* Tickets for regions, and no region: what a participant forges is refused by who meets it. */
Test(limits, realm_without_regions)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_region region = {.handle = 42};
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg, got;
	struct tsr_end *end;

	limits_start("realms.demo.regions=0", NULL);
	client = daemon_attach(&daemon_, 0);
	test_is(tsr_region_create(client, 4096, NULL, &region), -ENOBUFS);
	test_ok(tsr_sender_open(client, "c", NULL, &sender));
	test_ok(tsr_receiver_open(client, "c", NULL, &receiver));
	test_ok(tsr_client_info(client, &info));
	test_ok(tsr_alloc(client, 8, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	end = tsr_end_get(receiver.handle);
	cr_assert_not_null(end);
	atomic_store(&end->slots[0].name, tsr_name_make(info.tickets, 1));
	atomic_store(&end->slots[0].range, 0);
	test_is(tsr_recv(receiver, &got, TSR_NOWAIT), -EPROTO);
	test_same(daemon_ledger(&daemon_, "demo").lost, 1);
	/* Given back by hand what the forger lost: the ticket is the channel's, and in no slot. */
	atomic_store(&end->map->tickets[tsr_name_index(msg.zdesc.name)].word,
	             tsr_name_word(msg.zdesc.name, TSR_TICKET_IDLE, end->me));
	test_ok(tsr_release(client, &msg));
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(limits, attachments_and_ends_of_a_process, .timeout = 60)
{
	static struct tsr_sender sender[4096];
	struct tsr_client client[8], more = {.handle = 42};
	struct tsr_sender one_more = {.handle = 42};
	struct tsr_attach_options options;
	int attached = 0, opened = 0, error = 0;

	limits_start(NULL, NULL);
	options = daemon_options(&daemon_);
	while (attached < 8 && tsr_attach(&options, &client[attached]) == 0)
		attached++;
	test_same(attached, 8);
	test_is(tsr_attach(&options, &more), -ENOBUFS);
	cr_assert_str_not_empty(tsr_last_hint());
	while (opened < 4096 &&
	       (error = tsr_sender_open(client[0], "ends", NULL, &sender[opened])) == 0)
		opened++;
	cr_assert(opened == 4096 || error == -ENOBUFS, "%d after %d ends", error, opened);
	test_is(tsr_sender_open(client[1], "ends", NULL, &one_more), -ENOBUFS);
	cr_assert_str_not_empty(tsr_last_hint());
	test_same(one_more.handle, 42);
	test_ok(tsr_sender_close(sender[7]));
	test_ok(tsr_sender_open(client[1], "ends", NULL, &sender[7]));
	for (int i = 0; i < 8; i++)
		test_ok(tsr_detach(client[i]));
	test_ok(tsr_attach(&options, &more));
	test_ok(tsr_detach(more));
	daemon_stop(&daemon_);
}

Test(limits, blocks_of_a_small_realm_go_round_among_those_who_only_send_or_receive)
{
	struct tsr_client from, to;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	limits_start("realms.demo.classes=4096:32", NULL);
	from = daemon_attach(&daemon_, 0);
	to = daemon_attach(&daemon_, 0);
	test_ok(tsr_sender_open(from, "few", NULL, &sender));
	test_ok(tsr_receiver_open(to, "few", NULL, &receiver));
	for (int i = 0; i < 1000; i++) {
		int const error = tsr_alloc(from, 4096, &msg);

		cr_assert_eq(error, 0, "%d at message %d: the receiver keeps all blocks", error, i);
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_release(to, &msg));
	}
	test_ok(tsr_detach(from));
	test_ok(tsr_detach(to));
	daemon_stop(&daemon_);
}

Test(limits, laps_and_generations_that_begin_just_below_their_wrap_are_as_good_as_any)
{
	struct tsr_channel_options const small = slots(4);
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	limits_start("realms.demo.first_lap=0x1ffffffffffe",
	             "realms.demo.first_generation=0xfffffffffe");
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_channel_create(client, "wrap", &small));
	test_ok(tsr_sender_open(client, "wrap", NULL, &sender));
	test_ok(tsr_receiver_open(client, "wrap", NULL, &receiver));
	for (uint64_t i = 0; i < 1000; i++) {
		test_ok(tsr_alloc(client, 8, &msg));
		*(uint64_t *)msg.data = i;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_same(*(uint64_t *)msg.data, i);
		test_ok(tsr_release(client, &msg));
		if (i % 100 == 0)
			daemon_balanced(&daemon_, "demo");
	}
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}
