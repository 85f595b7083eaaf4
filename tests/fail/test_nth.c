/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fail/fail.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/*
 * Whatever fails once, at whichever call: of the client, of the daemon while it serves, of the
 * daemon while it starts. What was asked for is done, or refused with an error that is documented;
 * nothing is left behind; and the next time everything works.
 */

static struct daemon daemon_;

TestSuite(fail, .timeout = 480);

#define ROUND_MS 5000

/* One of everything, until something fails. */
struct round {
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg;
};

static int
round_message(struct round *round, char const *name, uint32_t kind)
{
	struct tsr_channel_options const options = {
		.size = sizeof(options), .capacity = 8, .kind = kind};
	int error = tsr_channel_create(round->client, name, &options);

	if (error == 0)
		error = tsr_sender_open(round->client, name, NULL, &round->sender);
	if (error == 0)
		error = tsr_receiver_open(round->client, name, NULL, &round->receiver);
	if (error == 0)
		error = tsr_alloc(round->client, 100, &round->msg);
	if (error == 0)
		error = tsr_send(round->sender, &round->msg, tsr_deadline_in_ms(ROUND_MS));
	if (error == 0)
		error = tsr_recv(round->receiver, &round->msg, tsr_deadline_in_ms(ROUND_MS));
	if (error == 0)
		error = tsr_release(round->client, &round->msg);
	return error;
}

/* Asleep until its deadline, once alone and once on two channels. */
static int
round_wait(struct round *round)
{
	struct tsr_msg msgs[2];
	struct tsr_case cases[2] = {{.receiver = round->receiver, .msg = &msgs[0]},
	                            {.msg = &msgs[1]}};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};
	int error = tsr_recv(round->receiver, &round->msg, tsr_deadline_in_ms(1));

	if (error != -ETIMEDOUT)
		return error == 0 ? -EPROTO : error;
	error = tsr_receiver_open(round->client, "fail/beside", NULL, &cases[1].receiver);
	if (error == 0)
		error = tsr_select(&select, tsr_deadline_in_ms(1));
	return error == -ETIMEDOUT ? 0 : error;
}

static int
round_ask(struct round *round)
{
	struct tsr_receiver server = {.handle = 0};
	struct tsr_asker asker;
	struct tsr_msg request;
	uint64_t ask = 0;
	int error = tsr_asker_open(round->client, "fail/service", &asker);

	if (error == 0)
		error = tsr_receiver_open(round->client, "fail/service", NULL, &server);
	if (error == 0)
		error = tsr_alloc(round->client, 8, &round->msg);
	if (error == 0)
		error = tsr_ask_begin(asker, &round->msg, tsr_deadline_in_ms(ROUND_MS), &ask);
	if (error == 0)
		error = tsr_recv(server, &request, tsr_deadline_in_ms(ROUND_MS));
	if (error == 0)
		error = tsr_reply(round->client, &request, &request, tsr_deadline_in_ms(ROUND_MS));
	if (error == 0)
		error = tsr_ask_end(asker, ask, &round->msg, tsr_deadline_in_ms(ROUND_MS));
	if (error == 0)
		error = tsr_release(round->client, &round->msg);
	if (error == 0)
		error = tsr_asker_close(asker);
	return error;
}

static int
round_region(struct round *round)
{
	struct tsr_region region;
	int error = tsr_region_create(round->client, 65536, NULL, &region);

	if (error == 0)
		error = tsr_region_alloc(region, 0, 64, &round->msg);
	if (error == 0)
		error = tsr_release(round->client, &round->msg);
	return error != 0 ? error : tsr_region_close(region);
}

static int
round_event(struct round *round)
{
	int ready, fd;
	int error = tsr_receiver_event(round->receiver, &fd);

	return error != 0 ? error : tsr_receiver_arm(round->receiver, &ready);
}

static int
round_observe(struct tsr_attach_options const *options)
{
	struct tsr_attach_options look = *options;
	struct tsr_tap_options const next = {.size = sizeof(next)};
	struct tsr_client observer;
	struct tsr_tap tap;
	int error, last;

	look.flags = TSR_ATTACH_OBSERVER;
	error = tsr_attach(&look, &observer);
	if (error != 0)
		return error;
	error = tsr_tap_open(observer, "fail/buffered", &next, &tap);
	last = tsr_detach(observer);
	return error != 0 ? error : last;
}

static int
round_all(struct tsr_attach_options const *options)
{
	struct round round = {.client = {0}};
	int error = tsr_attach(options, &round.client), last;

	if (error != 0)
		return error;
	error = round_message(&round, "fail/conflated", TSR_KIND_CONFLATED);
	if (error == 0)
		error = round_message(&round, "fail/broadcast", TSR_KIND_BROADCAST);
	if (error == 0)
		error = round_message(&round, "fail/buffered", TSR_KIND_BUFFERED);
	if (error == 0)
		error = round_wait(&round);
	if (error == 0)
		error = round_event(&round);
	if (error == 0)
		error = round_ask(&round);
	if (error == 0)
		error = round_region(&round);
	if (error == 0)
		error = round_observe(options);
	last = tsr_detach(round.client);
	return error != 0 ? error : last;
}

static bool
is_documented(int error)
{
	return strstr(tsr_strerror(error), "an error of the system") == NULL;
}

/* What this process has. */
struct own {
	unsigned fds;
	unsigned maps;
	size_t heap;
};

static struct own
take_stock(void)
{
	return (struct own){
		.fds = test_fds_count(), .maps = test_maps_count(), .heap = mallinfo2().uordblks};
}

static int
client(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(arg);
	struct own before, after;
	char const *what;
	uint64_t calls;

	/* What is made once and kept. */
	for (int i = 0; i < 3; i++)
		child_ok(report, round_all(&options));
	before = take_stock();
	for (uint64_t nth = 1;; nth++) {
		int error;

		fail_arm(nth);
		error = round_all(&options);
		what = fail_disarm(&calls);
		if (what == NULL) {
			child_check(report, error == 0, "%d", error);
			break;
		}
		atomic_store(&report->word[0], nth);
		child_check(report, error == 0 || is_documented(error),
		            "call %ju, %s, gave %d (%s)", (uintmax_t)nth, what, error,
		            tsr_strerror(error));
		after = take_stock();
		child_check(report, after.fds == before.fds,
		            "call %ju, %s (%d): %u descriptors, %u before", (uintmax_t)nth, what,
		            error, after.fds, before.fds);
		child_check(report, after.maps == before.maps,
		            "call %ju, %s (%d): %u mappings, %u before", (uintmax_t)nth, what,
		            error, after.maps, before.maps);
		child_check(report, after.heap <= before.heap,
		            "call %ju, %s (%d): %zu bytes, %zu before", (uintmax_t)nth, what, error,
		            after.heap, before.heap);
		error = round_all(&options);
		child_check(report, error == 0, "after call %ju, %s: %d (%s)", (uintmax_t)nth, what,
		            error, tsr_last_hint());
	}
	atomic_store(&report->word[1], calls);
	return 0;
}

Test(fail, every_call_of_a_client_fails_once_and_nothing_is_left)
{
	struct child child;
	uint64_t deadline;

	daemon_start(&daemon_, NULL);
	child_start(&child, client, &daemon_);
	(void)poll(&(struct pollfd){.fd = child.pidfd, .events = POLLIN}, 1, 300000);
	cr_log_info("%ju calls", (uintmax_t)atomic_load(&child.report->word[0]));
	child_join(&child);
	/* Who had left without a goodbye would be reaped now, in far less than this. */
	deadline = test_deadline(300);
	while (!test_passed(deadline) && daemon_status(&daemon_).reaped == 0)
		sched_yield();
	test_same(daemon_status(&daemon_).reaped, 0);
	daemon_balanced(&daemon_, "demo");
	daemon_stop(&daemon_);
}

#define GOODBYE_MS 250 /* in which who did not say it is killed */

/* The calls of a detach alone, one after the other: of a whole round some are made or not, so that
 * one that fails the n-th may pass them over. */
static int
leaving(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(arg);
	char const *what = "";

	for (uint64_t nth = 1; what != NULL; nth++) {
		struct tsr_client client;

		child_ok(report, tsr_attach(&options, &client));
		fail_arm(nth);
		child_ok(report, tsr_detach(client));
		what = fail_disarm(NULL);
		atomic_store(&report->word[0], nth);
	}
	poll(NULL, 0, GOODBYE_MS);
	return 0;
}

Test(fail, a_goodbye_is_said_again_whatever_of_it_fails)
{
	struct child child;

	daemon_start(&daemon_, NULL);
	child_start(&child, leaving, &daemon_);
	(void)poll(&(struct pollfd){.fd = child.pidfd, .events = POLLIN}, 1, 20000);
	/* It is sent, and it is answered. */
	cr_assert_gt(atomic_load(&child.report->word[0]), 2);
	child_join(&child);
	test_same(daemon_status(&daemon_).reaped, 0);
	daemon_stop(&daemon_);
}

/* tesserad with its @arg-th call failing. */
static int
preload(void *arg)
{
	char nth[32];

	snprintf(nth, sizeof(nth), "%ju", (uintmax_t) * (uint64_t *)arg);
	return getenv("TESSERA_FAIL") == NULL ||
	       setenv("LD_PRELOAD", getenv("TESSERA_FAIL"), 1) != 0 ||
	       setenv("TESSERA_FAIL_NTH", nth, 1) != 0;
}

/* Ask for everything until it is done: the daemon goes on serving whatever has failed. */
static int
asking(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(arg);
	int error = 0;

	for (int i = 0; i < 3; i++) {
		error = round_all(&options);
		child_check(report, error == 0 || is_documented(error), "gave %d (%s)", error,
		            tsr_last_hint());
	}
	/* Of two in a row one at most fails. */
	if (error != 0)
		child_ok(report, round_all(&options));
	return 0;
}

/* A daemon that could not start: it said why, and nothing is left. */
static void
ended_cleanly(uint64_t nth, int status)
{
	char const *const log = daemon_log(&daemon_);
	char command[128];

	cr_assert(WIFEXITED(status), "call %ju: it ended with %#x:\n%s", (uintmax_t)nth,
	          (unsigned)status, log);
	cr_assert_neq(WEXITSTATUS(status), 0, "call %ju: it has succeeded?\n%s", (uintmax_t)nth,
	              log);
	cr_assert(strstr(log, "fail: ") != NULL && strstr(log, "tesserad") != NULL,
	          "call %ju: it says nothing:\n%s", (uintmax_t)nth, log);
	snprintf(command, sizeof(command), "test -z \"$(ls -A %s)\"", daemon_.dir);
	cr_assert_eq(system(command), 0, "call %ju: something is left in %s:\n%s", (uintmax_t)nth,
	             daemon_.dir, log);
	daemon_clear(&daemon_);
}

/* What is asked may be what fails: of two in a row one at most does. */
static void
balances_in_the_end(uint64_t nth)
{
	struct tsr_proto_ledger request = {.realm = "demo"};
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_ledger_reply ledger;
	int error = 0, failed = 0;

	do {
		struct tsr_control control;

		error = tsr_control_open(&control, daemon_.socket, test_deadline(5000));
		if (error == 0) {
			error = tsr_control_ask(&control, TSR_PROTO_LEDGER, &request,
			                        sizeof(request), &ledger, sizeof(ledger), NULL,
			                        test_deadline(5000));
			tsr_control_close(&control);
		}
		failed += error != 0;
		cr_assert(failed <= 1 && !test_passed(deadline),
		          "call %ju: the ledger gave %d (%s)", (uintmax_t)nth, error,
		          tsr_last_hint());
	} while (error != 0 || ledger.reaps_pending != 0);
	cr_assert(ledger.balanced, "call %ju: %s", (uintmax_t)nth, ledger.text);
	test_same(ledger.with_clients, 0);
}

/* Return: whether the call came that was to fail. */
static bool
daemon_fails_at(uint64_t nth, uint64_t *calls)
{
	char const *const args[] = {"--set", "realms.demo.clients=8", "--set",
	                            "realms.demo.classes=4096:256", NULL};
	struct child child;
	char const *said;
	int status;

	memset(&daemon_, 0, sizeof(daemon_));
	daemon_.prepare = preload;
	daemon_.prepare_arg = &nth;
	daemon_spawn(&daemon_, args, 0);
	if (!daemon_ready(&daemon_)) {
		ended_cleanly(nth, daemon_ended(&daemon_));
		return true;
	}
	child_start(&child, asking, &daemon_);
	(void)poll(&(struct pollfd){.fd = child.pidfd, .events = POLLIN}, 1, 60000);
	said = strstr(daemon_log(&daemon_), "fail: ");
	cr_log_info("call %ju: %s", (uintmax_t)nth, said == NULL ? "" : said);
	child_join(&child);
	balances_in_the_end(nth);
	kill(daemon_.pid, SIGTERM);
	status = daemon_ended(&daemon_);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "call %ju: it ended with %#x:\n%s",
	          (uintmax_t)nth, (unsigned)status, daemon_log(&daemon_));
	said = strstr(daemon_log(&daemon_), "fail: ");
	cr_assert_not_null(said);
	if (calls != NULL && sscanf(said, "fail: %ju calls", calls) != 1)
		*calls = 0;
	status = strstr(said, " at ") != NULL;
	daemon_clear(&daemon_);
	return status;
}

/* By night every one, by day some of them at random; TESSERA_FAIL_AT=N: that one. */
Test(fail, every_call_of_the_daemon_fails_once_and_it_goes_on_or_ends_cleanly)
{
	char const *const at = getenv("TESSERA_FAIL_AT");
	uint64_t seed = test_seed();
	uint64_t calls = 0;

	if (at != NULL) {
		(void)daemon_fails_at(strtoull(at, NULL, 10), NULL);
		return;
	}
	cr_assert_not(daemon_fails_at(UINT64_MAX, &calls));
	cr_assert_gt(calls, 100);
	cr_log_info("%ju calls", (uintmax_t)calls);
	for (uint64_t i = 1; i <= (test_nightly() ? calls : 25); i++)
		(void)daemon_fails_at(test_nightly() ? i : 1 + test_random(&seed) % calls, NULL);
}
