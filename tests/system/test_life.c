/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/* How a daemon begins and ends: by order, by force, beside another one, and where it can't
 * begin. */

static struct daemon daemon_;

TestSuite(life, .timeout = 60);

static unsigned
entries(struct daemon const *daemon)
{
	char command[128];
	unsigned count = 0;
	FILE *list;

	snprintf(command, sizeof(command), "ls -A %s | wc -l", daemon->dir);
	list = popen(command, "re");
	cr_assert_not_null(list);
	cr_assert_eq(fscanf(list, "%u", &count), 1);
	pclose(list);
	return count;
}

/* It ended by itself, said why, and left nothing. */
static void
refused(struct daemon *daemon, char const *words)
{
	int const status = daemon_ended(daemon);

	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0, "ended with %#x:\n%s", status,
	          daemon_log(daemon));
	cr_assert_str_not_empty(daemon_log(daemon));
	if (words != NULL)
		daemon_log_has(daemon, words);
	cr_assert_eq(entries(daemon), 0, "it left something in %s:\n%s", daemon->dir,
	             daemon_log(daemon));
}

Test(life, daemon_that_is_asked_to_stop_answers_and_leaves_nothing)
{
	struct tsr_proto_plain request, reply;
	struct tsr_control control;
	int status;

	daemon_start(&daemon_, NULL);
	memset(&request, 0, sizeof(request));
	daemon_control(&daemon_, &control);
	test_ok(tsr_control_ask(&control, TSR_PROTO_STOP, &request, sizeof(request), &reply,
	                        sizeof(reply), NULL, test_deadline(5000)));
	tsr_control_close(&control);
	status = daemon_ended(&daemon_);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", status);
	test_same(entries(&daemon_), 0);
	daemon_clear(&daemon_);
}

Test(life, clients_of_a_daemon_that_stops_get_an_error_by_their_deadline)
{
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;
	uint64_t begun;
	int status;

	daemon_start(&daemon_, NULL);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_receiver_open(client, "over", NULL, &receiver));
	kill(daemon_.pid, SIGTERM);
	status = daemon_ended(&daemon_);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", status);
	begun = tsr_now_ns();
	test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -ENOTCONN);
	cr_assert_lt(tsr_now_ns() - begun, 2 * TEST_SECOND);
	test_is(tsr_receiver_close(receiver), -ENOTCONN);
	test_ok(tsr_detach(client));
	test_same(test_maps_count(), 0);
	test_same(entries(&daemon_), 0);
	daemon_clear(&daemon_);
}

/* How often all threads of the daemon have gone to sleep and been woken. */
static unsigned long
switches(struct daemon const *daemon)
{
	unsigned long sum = 0, count;
	char command[128];
	FILE *list;

	snprintf(command, sizeof(command), "cat /proc/%d/task/*/status", (int)daemon->pid);
	list = popen(command, "re");
	cr_assert_not_null(list);
	for (char line[256]; fgets(line, sizeof(line), list) != NULL;) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &count) == 1)
			sum += count;
	}
	pclose(list);
	return sum;
}

/* Somebody who waits for what happens next. */
static int
follow(struct daemon const *daemon)
{
	struct tsr_proto_feed request = {.flags = TSR_PROTO_FEED_WAIT};
	struct tsr_proto_feed_reply reply = {.rows = 1};
	static unsigned char packet[TSR_PROTO_PACKET_MAX];
	int const fd = raw_greet(daemon);

	while (reply.rows != 0) {
		/* Ask until the answer is that there is no more. */
		request.from = reply.next;
		request.flags = 0;
		raw_head(&request, TSR_PROTO_FEED, sizeof(request));
		test_ok(raw_send(fd, &request, sizeof(request), NULL, 0));
		cr_assert_geq(raw_recv(fd, packet, sizeof(packet), NULL), (int)sizeof(reply));
		memcpy(&reply, packet, sizeof(reply));
	}
	request.flags = TSR_PROTO_FEED_WAIT;
	raw_head(&request, TSR_PROTO_FEED, sizeof(request));
	test_ok(raw_send(fd, &request, sizeof(request), NULL, 0));
	return fd;
}

Test(life, idle_daemon_never_wakes_up)
{
	struct tsr_client client;
	unsigned long before = 0, after;
	int follower;

	daemon_start(&daemon_, NULL);
	client = daemon_attach(&daemon_, 0);
	follower = follow(&daemon_);
	/* It may need a moment to come to rest; at rest it stays for half a second. */
	for (int tries = 0; tries < 20; tries++) {
		struct pollfd end = {.fd = daemon_.pidfd, .events = POLLIN};

		before = switches(&daemon_);
		cr_assert_eq(poll(&end, 1, 500), 0, "it ended");
		after = switches(&daemon_);
		if (after == before)
			break;
		cr_assert_lt(tries, 19, "it woke up %lu times in half a second", after - before);
	}
	cr_assert_gt(before, 0);
	raw_close(follower);
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

Test(life, second_daemon_in_the_same_place_is_refused_and_the_first_goes_on)
{
	struct daemon second;
	struct tsr_client client;
	int status;

	daemon_start(&daemon_, NULL);
	client = daemon_attach(&daemon_, 0);
	memset(&second, 0, sizeof(second));
	strcpy(second.dir, daemon_.dir);
	second.uid = daemon_.uid;
	daemon_spawn(&second, NULL, 0);
	cr_assert(!daemon_ready(&second), "two daemons serve one socket");
	status = daemon_ended(&second);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0, "%#x", status);
	daemon_log_has(&second, daemon_.dir);
	close(second.log);
	test_ok(tsr_channel_create(client, "still", NULL));
	test_ok(tsr_detach(client));
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

/* Two clients in full traffic, whose daemon is killed. */

static int
going_on(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	bool const sends = arg != NULL;
	struct tsr_receiver receiver = {0};
	struct tsr_client client;
	struct tsr_sender sender = {0};
	uint64_t deadline, count;
	struct tsr_msg msg;
	int error = 0;

	child_ok(report, tsr_attach(&options, &client));
	if (sends)
		child_ok(report, tsr_sender_open(client, "traffic", NULL, &sender));
	else
		child_ok(report, tsr_receiver_open(client, "traffic", NULL, &receiver));
	report_set(report, 0, 1);
	for (count = 0; atomic_load(&report->word[1]) == 0 && error == 0; count++) {
		atomic_store(&report->word[3], count);
		deadline = tsr_deadline_in_ms(500);
		if (sends) {
			child_ok(report, tsr_alloc(client, 64, &msg));
			*(uint64_t *)msg.data = count;
			error = tsr_send(sender, &msg, deadline);
			if (error != 0)
				child_ok(report, tsr_release(client, &msg));
		} else {
			error = tsr_recv(receiver, &msg, deadline);
			if (error == 0) {
				child_check(report, *(uint64_t *)msg.data == count);
				child_ok(report, tsr_release(client, &msg));
			}
		}
		child_check(report, tsr_now_ns() < deadline + 2 * TEST_SECOND,
		            "an error came long after its deadline");
	}
	child_check(report, error == 0 || error == -ENOTCONN || error == -ETIMEDOUT, "%d", error);
	/* Whoever needs the daemon learns that it is gone, and can leave all the same. */
	if (sends)
		child_is(report, tsr_sender_close(sender), -ENOTCONN);
	else
		child_is(report, tsr_receiver_close(receiver), -ENOTCONN);
	child_is(report, tsr_channel_create(client, "more", NULL), -ENOTCONN);
	child_ok(report, tsr_detach(client));
	child_check(report, tsr_attach(&options, &client) == -ECONNREFUSED);
	return 0;
}

Test(life, daemon_killed_in_mid_traffic_is_survived_and_its_remains_are_cleared)
{
	for (int round = 0; round < 3; round++) {
		struct child sender, receiver;
		struct tsr_client client;
		char dir[64];

		daemon_start(&daemon_, NULL);
		child_start(&receiver, going_on, NULL);
		cr_assert(report_await(receiver.report, 0, 1, 10000), "%s", receiver.report->text);
		child_start(&sender, going_on, &daemon_);
		cr_assert(report_await(sender.report, 0, 1, 10000), "%s", sender.report->text);
		while (atomic_load(&receiver.report->word[3]) < 5000 &&
		       atomic_load(&receiver.report->failed) == 0)
			sched_yield();
		daemon_kill(&daemon_);
		report_set(sender.report, 1, 1);
		child_join(&sender);
		child_join(&receiver);
		cr_assert_gt(entries(&daemon_), 0, "a killed daemon can't have cleared up");
		/* The next one starts where it was. */
		strcpy(dir, daemon_.dir);
		memset(&daemon_, 0, sizeof(daemon_));
		strcpy(daemon_.dir, dir);
		daemon_.uid = geteuid();
		daemon_start_as(&daemon_, NULL, 0);
		client = daemon_attach(&daemon_, 0);
		test_ok(tsr_channel_create(client, "new", NULL));
		test_ok(tsr_detach(client));
		daemon_stop(&daemon_);
	}
}

Test(life, who_never_sleeps_notices_that_the_daemon_is_gone)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_SPIN};
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_sender sender;
	uint64_t deadline;
	struct tsr_msg msg;

	daemon_start(&daemon_, NULL);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_sender_open(client, "quiet", NULL, &sender));
	test_ok(tsr_receiver_open(client, "quiet", &options, &receiver));
	daemon_kill(&daemon_);
	deadline = test_deadline(10000);
	test_is(tsr_recv(receiver, &msg, deadline), -ENOTCONN);
	cr_assert(!test_passed(deadline));
	test_ok(tsr_detach(client));
	daemon_clear(&daemon_);
}

Test(life, stale_socket_of_something_dead_is_replaced)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int const fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memset(&daemon_, 0, sizeof(daemon_));
	strcpy(daemon_.dir, "/tmp/tessera-test-XXXXXX");
	cr_assert_not_null(mkdtemp(daemon_.dir));
	daemon_.uid = geteuid();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", daemon_.dir);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	daemon_start_as(&daemon_, NULL, 0);
	daemon_stop(&daemon_);
}

/* Where it can't begin. */

static void
spawn_refused(char const *const *args, int exit_code, char const *words)
{
	int status;

	memset(&daemon_, 0, sizeof(daemon_));
	daemon_spawn(&daemon_, args, 0);
	cr_assert(!daemon_ready(&daemon_), "it started all the same");
	status = daemon_ended(&daemon_);
	cr_assert(WIFEXITED(status), "%#x:\n%s", status, daemon_log(&daemon_));
	cr_assert_eq(WEXITSTATUS(status), exit_code, "exit code %d:\n%s", WEXITSTATUS(status),
	             daemon_log(&daemon_));
	daemon_log_has(&daemon_, words);
	test_same(entries(&daemon_), 0);
	daemon_clear(&daemon_);
}

Test(life, configuration_that_cannot_be_is_refused_with_its_place)
{
	char const *const wrong[][2] = {
		{"no.such.key=1", "no.such.key"},
		{"limits.connections_per_user=many", "connections_per_user"},
		{"realms.demo.clients=0", "clients"},
		{"realms.demo.clients=100000", "clients"},
		{"realms.demo.classes=100:5", "class"},
		{"realms.demo.backing=paper", "backing"},
		{"realms.demo.owner=nobody-of-that-name", "owner"},
		{"realms.demo.mode=0999", "mode"},
		{"realms.a b.mode=0600", "a b"},
		{"compat.kernel=2.4", "compat.kernel"},
		{"log.level=loud", "log.level"},
		{"nothing", "nothing"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char const *const args[] = {"--set", wrong[i][0], NULL};

		spawn_refused(args, 78, wrong[i][1]);
	}
}

Test(life, configuration_file_is_refused_with_file_and_line)
{
	char path[] = "/tmp/tessera-test-XXXXXX";
	char const *const args[] = {"--config", path, NULL};
	char const *const check[] = {"--check-config", "--config", path, NULL};
	char place[64];
	int const fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	dprintf(fd, "log: { level = \"info\"; };\nrealms = (\n  { name = \"one\";\n"
	            "    clients = \"some\"; }\n);\n");
	snprintf(place, sizeof(place), "%s:4", path);
	spawn_refused(args, 78, place);
	spawn_refused(check, 78, place);
	cr_assert_eq(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	dprintf(fd, "realms = (\n");
	snprintf(place, sizeof(place), "%s:", path);
	spawn_refused(args, 78, place);
	unlink(path);
	spawn_refused(args, 78, path);
	close(fd);
}

Test(life, run_directory_that_is_not_ours_is_refused)
{
	if (geteuid() != 0)
		cr_skip_test("needs root to give a directory to somebody else");
	memset(&daemon_, 0, sizeof(daemon_));
	strcpy(daemon_.dir, "/tmp/tessera-test-XXXXXX");
	cr_assert_not_null(mkdtemp(daemon_.dir));
	daemon_.uid = geteuid();
	cr_assert_eq(chown(daemon_.dir, 65534, 65534), 0);
	daemon_spawn(&daemon_, NULL, 0);
	cr_assert(!daemon_ready(&daemon_));
	refused(&daemon_, daemon_.dir);
	daemon_clear(&daemon_);
}

struct shortage {
	int resource;
	rlim_t limit;
};

static int
shorten(void *arg)
{
	struct shortage const *shortage = arg;
	struct rlimit const limit = {shortage->limit, shortage->limit};

	return setrlimit((__rlimit_resource_t)shortage->resource, &limit);
}

/* Start with each limit; return how many starts were refused. Either it serves or it says why
 * not. */
static unsigned
start_with(int resource, rlim_t first, rlim_t last, rlim_t step)
{
	unsigned refusals = 0;
	bool started = false;

	for (rlim_t limit = first; limit <= last; limit += step) {
		struct shortage shortage = {resource, limit};

		memset(&daemon_, 0, sizeof(daemon_));
		daemon_.prepare = shorten;
		daemon_.prepare_arg = &shortage;
		daemon_spawn(&daemon_, NULL, 0);
		if (!daemon_ready(&daemon_)) {
			refused(&daemon_, NULL);
			daemon_clear(&daemon_);
			refusals++;
			continue;
		}
		started = true;
		daemon_stop(&daemon_);
	}
	cr_assert(started, "no limit was enough");
	return refusals;
}

Test(life, too_few_descriptors_at_any_point_of_the_start_end_it_with_a_message_and_no_trace)
{
	cr_assert_gt(start_with(RLIMIT_NOFILE, 4, 84, 20), 2);
}

Test(life, too_little_memory_at_any_point_of_the_start_ends_it_with_a_message_and_no_trace)
{
#if defined(__SANITIZE_ADDRESS__)
	cr_skip_test("AddressSanitizer itself reserves more than any limit");
#endif
	cr_assert_gt(start_with(RLIMIT_AS, 48 << 20, 560 << 20, 32 << 20), 3);
}

Test(life, full_disk_at_any_point_of_the_start_ends_it_with_a_message_and_no_trace)
{
	unsigned refusals = 0, started = 0;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		cr_skip_test("needs root to mount a small file system");
	for (int inodes = 1; inodes <= 8; inodes++) {
		char options[64];

		memset(&daemon_, 0, sizeof(daemon_));
		strcpy(daemon_.dir, "/tmp/tessera-test-XXXXXX");
		cr_assert_not_null(mkdtemp(daemon_.dir));
		daemon_.uid = geteuid();
		snprintf(options, sizeof(options), "mode=0700,size=1M,nr_inodes=%d", inodes);
		cr_assert_eq(mount("tmpfs", daemon_.dir, "tmpfs", 0, options), 0, "mount: %m");
		daemon_spawn(&daemon_, NULL, 0);
		if (daemon_ready(&daemon_)) {
			started++;
			kill(daemon_.pid, SIGTERM);
			(void)daemon_ended(&daemon_);
			test_same(entries(&daemon_), 0);
		} else {
			refusals++;
			refused(&daemon_, NULL);
		}
		cr_assert_eq(umount2(daemon_.dir, MNT_DETACH), 0);
		daemon_clear(&daemon_);
	}
	cr_assert_gt(refusals, 0);
	cr_assert_gt(started, 0);
}

/* An ordinary user without hugepages. */

#define USER_ID 65534

static unsigned long
hugepages_free(void)
{
	FILE *info = fopen("/proc/meminfo", "re");
	unsigned long pages = 0;
	char line[128];

	cr_assert_not_null(info);
	while (fgets(line, sizeof(line), info) != NULL)
		(void)sscanf(line, "HugePages_Free: %lu", &pages);
	fclose(info);
	return pages;
}

static int
user(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	(void)arg;
	if (geteuid() != daemon_.uid)
		child_check(report, setgid(daemon_.uid) == 0 && setuid(daemon_.uid) == 0);
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_client_info(client, &info));
	child_check(report, strcmp(info.backing, "thp") == 0 || strcmp(info.backing, "4K") == 0,
	            "backing %s", info.backing);
	child_ok(report, tsr_sender_open(client, "user", NULL, &sender));
	child_ok(report, tsr_receiver_open(client, "user", NULL, &receiver));
	for (uint64_t i = 0; i < 10000; i++) {
		child_ok(report, tsr_alloc(client, 1000, &msg));
		*(uint64_t *)msg.data = i;
		child_ok(report, tsr_send(sender, &msg, TSR_NOWAIT));
		child_ok(report, tsr_recv(receiver, &msg, TSR_NOWAIT));
		child_check(report, *(uint64_t *)msg.data == i);
		child_ok(report, tsr_release(client, &msg));
	}
	report_set(report, 0, 1);
	if (atomic_load(&report->word[1]) != 0)
		(void)report_await(report, 9, 1, 60000);
	child_ok(report, tsr_detach(client));
	return 0;
}

Test(life, ordinary_user_without_hugepages_has_everything)
{
	struct child child;

	if (hugepages_free() != 0)
		cr_skip_test("hugepages are free here");
	memset(&daemon_, 0, sizeof(daemon_));
	daemon_start_as(&daemon_, NULL, geteuid() == 0 ? USER_ID : 0);
	child_start(&child, user, NULL);
	child_join(&child);
	/* One dies, too. */
	child_start(&child, user, NULL);
	atomic_store(&child.report->word[1], 1);
	cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
	child_kill(&child, SIGKILL);
	daemon_reaped(&daemon_, 1);
	daemon_balanced(&daemon_, "demo");
	daemon_stop(&daemon_);
}

/* A participant that breaks every rule. */

static int
scribbler(struct child_report *report, void *arg)
{
	static int fds[TSR_SEGMENTS_MAX + 1];
	struct tsr_proto_attach_reply reply;
	uint64_t seed = *(uint64_t *)arg;

	(void)raw_attach_segments(&daemon_, fds, &reply);
	for (uint32_t s = 0; s < reply.segments; s++) {
		bool const ours = s == TSR_SEGMENT_DIRECTORY || s == TSR_SEGMENT_BLOCKS;
		struct stat stat;
		uint64_t *words;

		child_check(report, fstat(fds[s], &stat) == 0);
		child_check(report, ftruncate(fds[s], 0) != 0, "segment %u was shrunk", s);
		child_check(report, ftruncate(fds[s], stat.st_size + 4096) != 0, "%u grew", s);
		child_check(report, fcntl(fds[s], F_ADD_SEALS, F_SEAL_WRITE) != 0, "%u was sealed",
		            s);
		words = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[s],
		             0);
		if (ours) {
			child_check(report, words == MAP_FAILED, "segment %u can be written", s);
			child_check(report,
			            fallocate(fds[s], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			                      4096) != 0,
			            "segment %u can be punched", s);
			continue;
		}
		child_check(report, words != MAP_FAILED);
		for (uint64_t i = 0; i < (uint64_t)stat.st_size / 8 && i < 100000; i++)
			words[i] = (seed & 1) != 0 ? 0 : test_random(&seed);
		if ((seed & 2) != 0)
			(void)fallocate(fds[s], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			                stat.st_size);
	}
	report_set(report, 0, 1);
	(void)report_await(report, 9, 1, 60000);
	return 0;
}

/* One in the realm "other": messages go through, whatever happens in "demo". */
static void
other_realm_works(void)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	options.realm = "other";
	test_ok(tsr_attach(&options, &client));
	test_ok(tsr_sender_open(client, "safe", NULL, &sender));
	test_ok(tsr_receiver_open(client, "safe", NULL, &receiver));
	for (uint64_t i = 0; i < 100; i++) {
		test_ok(tsr_alloc(client, 64, &msg));
		*(uint64_t *)msg.data = i;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_same(*(uint64_t *)msg.data, i);
		test_ok(tsr_release(client, &msg));
	}
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "other");
}

Test(life, participant_that_scribbles_over_its_realm_hurts_nobody_else)
{
	char const *const sets[] = {"realms.other.mode=0600", "realms.demo.classes=4096:256",
	                            "realms.other.classes=4096:256", NULL};
	uint64_t seed = test_seed();

	for (int round = 0; round < 8; round++) {
		struct tsr_proto_ledger_reply ledger;
		struct child child;

		daemon_start(&daemon_, sets);
		other_realm_works();
		seed = seed * 2654435761 + (uint64_t)round;
		child_start(&child, scribbler, &seed);
		cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
		ledger = daemon_ledger(&daemon_, "demo");
		(void)ledger; /* whatever it says, it is an answer */
		other_realm_works();
		child_kill(&child, SIGKILL);
		daemon_reaped(&daemon_, 1);
		other_realm_works();
		(void)daemon_ledger(&daemon_, "demo");
		daemon_.descriptors = 0; /* "demo" need not balance any more */
		daemon_stop(&daemon_);
	}
}
