/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/*
 * kill -9 at random moments of senders, of receivers, and of clients that come and go. After each
 * death the ledger balances; every message is received once, or again and flagged; what a dead
 * receiver may have received is at most the one message that it had no time to tell of.
 */

static struct daemon daemon_;
static struct tsr_client a;
static uint64_t deaths; /* that the daemon must have seen */

static void
death_setup(void)
{
	daemon_start(&daemon_, NULL);
	a = daemon_attach(&daemon_, 0);
}

static void
death_teardown(void)
{
	test_same(daemon_missed_wakes(&daemon_), 0);
	test_ok(tsr_detach(a));
	daemon_stop(&daemon_);
}

TestSuite(death, .timeout = 60);

static void
die(struct child *child)
{
	child_kill(child, SIGKILL);
	daemon_reaped(&daemon_, ++deaths);
	daemon_balanced(&daemon_, "demo");
}

static void
pause_for(uint64_t spins)
{
	for (uint64_t i = 0; i < spins; i++)
		tsr_cpu_relax();
}

#define CAPACITY 1024

static uint32_t const shapes[] = {0, TSR_CHANNEL_ONE_SENDER, TSR_CHANNEL_ONE_RECEIVER,
                                  TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER};
static char const *const names[] = {"kill/0", "kill/1", "kill/2", "kill/3"};

static void
make_channels(void)
{
	for (int s = 0; s < 4; s++) {
		struct tsr_channel_options const options = {
			.size = sizeof(options), .capacity = CAPACITY, .flags = shapes[s]};

		test_ok(tsr_channel_create(a, names[s], &options));
	}
}

/* Send numbers from 0 on for ever; word 1 counts those that were sent for certain. */
static int
sender_victim(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, arg, NULL, &sender));
	report_set(report, 0, 1);
	child_check(report, report_await(report, 2, 1, 20000));
	/* How long it has to live; nobody receives meanwhile. */
	child_ok(report, child_doom(atomic_load(&report->word[3])));
	for (uint64_t i = 0;; i++) {
		child_ok(report, tsr_alloc(client, 64, &msg));
		((uint64_t *)msg.data)[0] = i;
		((uint64_t *)msg.data)[7] = ~i;
		child_ok(report, tsr_send(sender, &msg, tsr_deadline_in_ms(60000)));
		atomic_store(&report->word[1], i + 1);
	}
}

/* Word 3 first, so that it is there when the child looks. */
static void
let_go(struct child *child, uint64_t ns)
{
	atomic_store(&child->report->word[3], ns);
	report_set(child->report, 2, 1);
}

/* Receive numbers from 0 on until the channel says that it is over. */
static uint64_t
drain(struct tsr_receiver receiver, int error)
{
	uint64_t next = 0;
	struct tsr_msg msg;
	int got;

	while ((got = tsr_recv(receiver, &msg, test_deadline(20000))) == 0) {
		test_same(((uint64_t *)msg.data)[0], next);
		test_same(((uint64_t *)msg.data)[7], ~next);
		test_same(msg.flags, 0);
		test_ok(tsr_release(a, &msg));
		next++;
	}
	cr_assert_eq(got, error, "%d after %ju messages, expected %d", got, (uintmax_t)next, error);
	return next;
}

static uint64_t
kill_a_sender(char const *name, uint64_t ns)
{
	struct tsr_receiver receiver;
	uint64_t received, sent;
	struct child child;

	test_ok(tsr_receiver_open(a, name, NULL, &receiver));
	child_start(&child, sender_victim, (void *)(uintptr_t)name);
	cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
	let_go(&child, ns);
	child_died(&child);
	daemon_reaped(&daemon_, ++deaths);
	daemon_balanced(&daemon_, "demo");
	sent = atomic_load(&child.report->word[1]);
	received = drain(receiver, -ECONNRESET);
	cr_assert(received == sent || received == sent + 1, "%ju were sent, %ju received",
	          (uintmax_t)sent, (uintmax_t)received);
	child_forget(&child);
	test_ok(tsr_receiver_close(receiver));
	return received < CAPACITY;
}

test_case_within(death, sender_killed_at_random_500_times_loses_nothing_that_it_had_sent, 230)
{
	uint64_t seed = test_seed(), early = 0;
	int const rounds = test_nightly() ? 20000 : 500;

	make_channels();
	for (int round = 0; round < rounds; round++)
		early += kill_a_sender(names[round % 4], 1 + test_random(&seed) % 60000);
	fprintf(stderr, "%ju of %d died before the channel was full, %ju states were repaired\n",
	        (uintmax_t)early, rounds, (uintmax_t)daemon_status(&daemon_).repaired);
}

/* Receive for ever; seen[] counts each number once it is received. */
struct victim {
	char const *name;
	_Atomic unsigned char seen[CAPACITY];
};

static struct victim *victim;

static int
receiver_victim(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, victim->name, NULL, &receiver));
	report_set(report, 0, 1);
	child_check(report, report_await(report, 2, 1, 20000));
	child_ok(report, child_doom(atomic_load(&report->word[3])));
	for (;;) {
		uint64_t number;

		child_ok(report, tsr_recv(receiver, &msg, tsr_deadline_in_ms(60000)));
		number = ((uint64_t *)msg.data)[0];
		child_check(report, number < CAPACITY);
		atomic_fetch_add(&victim->seen[number], 1);
		child_ok(report, tsr_release(client, &msg));
	}
}

/* Receive what the dead one left; return how many of them are flagged. */
static unsigned
receive_the_rest(void)
{
	struct tsr_receiver receiver;
	unsigned again = 0;
	struct tsr_msg msg;
	int error;

	test_ok(tsr_receiver_open(a, victim->name, NULL, &receiver));
	while ((error = tsr_recv(receiver, &msg, TSR_NOWAIT)) == 0) {
		atomic_fetch_add(&victim->seen[*(uint64_t *)msg.data], 1);
		again += (msg.flags & TSR_MSG_REDELIVERED) != 0;
		test_ok(tsr_release(a, &msg));
	}
	test_is(error, -EAGAIN);
	test_ok(tsr_receiver_close(receiver));
	return again;
}

static unsigned
kill_a_receiver(char const *name, uint64_t ns)
{
	uint64_t missing = 0;
	struct tsr_sender sender;
	struct child child;
	struct tsr_msg msg;
	unsigned again;

	victim->name = name;
	for (int i = 0; i < CAPACITY; i++)
		atomic_store(&victim->seen[i], 0);
	test_ok(tsr_sender_open(a, name, NULL, &sender));
	for (uint64_t i = 0; i < CAPACITY; i++) {
		test_ok(tsr_alloc(a, 64, &msg));
		*(uint64_t *)msg.data = i;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	child_start(&child, receiver_victim, NULL);
	cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
	let_go(&child, ns);
	child_died(&child);
	daemon_reaped(&daemon_, ++deaths);
	daemon_balanced(&daemon_, "demo");
	child_forget(&child);
	again = receive_the_rest();
	for (uint64_t i = 0; i < CAPACITY; i++) {
		unsigned const seen = atomic_load(&victim->seen[i]);

		cr_assert_leq(seen, 1, "%ju was received %u times", (uintmax_t)i, seen);
		missing += seen == 0;
	}
	cr_assert_leq(missing, 1, "%ju messages are lost", (uintmax_t)missing);
	cr_assert_leq(again, 1, "one receiver takes one at a time");
	test_ok(tsr_sender_close(sender));
	return again;
}

test_case_within(death, receiver_killed_at_random_500_times_loses_nothing_that_it_had_not_received,
                 230)
{
	uint64_t seed = test_seed();
	int const rounds = test_nightly() ? 20000 : 500;
	unsigned again = 0;

	victim = mmap(NULL, sizeof(*victim), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	              0);
	cr_assert_neq(victim, MAP_FAILED);
	make_channels();
	for (int round = 0; round < rounds; round++)
		again += kill_a_receiver(names[round % 4], 1 + test_random(&seed) % 60000);
	fprintf(stderr, "%u of %d deaths had a message redelivered\n", again, rounds);
}

/* Attach, open, send, receive, close, detach, for ever. */
static int
wanderer(struct child_report *report, void *arg)
{
	uint32_t const me = *(uint32_t *)arg;

	report_set(report, 0, 1);
	for (;;) {
		struct tsr_attach_options const options = daemon_options(&daemon_);
		struct tsr_receiver receiver;
		struct tsr_client client;
		struct tsr_sender sender;
		struct tsr_msg msg;
		char name[32];

		child_ok(report, tsr_attach(&options, &client));
		snprintf(name, sizeof(name), "wander/%u", me);
		child_ok(report, tsr_sender_open(client, name, NULL, &sender));
		child_ok(report, tsr_receiver_open(client, name, NULL, &receiver));
		for (int i = 0; i < 5; i++) {
			child_ok(report, tsr_alloc(client, 3000, &msg));
			child_ok(report, tsr_send(sender, &msg, TSR_NOWAIT));
		}
		for (int i = 0; i < 4; i++) {
			child_ok(report, tsr_recv(receiver, &msg, TSR_NOWAIT));
			child_ok(report, tsr_release(client, &msg));
		}
		child_ok(report, tsr_sender_close(sender));
		child_ok(report, tsr_receiver_close(receiver));
		child_ok(report, tsr_channel_remove(client, name));
		child_ok(report, tsr_detach(client));
	}
}

test_case_within(death, client_killed_while_it_comes_and_goes_leaves_nothing, 120)
{
	uint64_t seed = test_seed();
	int const rounds = test_nightly() ? 4000 : 200;

	for (int round = 0; round < rounds; round++) {
		uint64_t const deadline = test_deadline(10000);
		uint32_t const me = (uint32_t)round;
		struct tsr_proto_row_channel row;
		struct child child;
		char name[32];

		child_start(&child, wanderer, (void *)(uintptr_t)&me);
		cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
		pause_for(test_random(&seed) % 200000);
		child_kill(&child, SIGKILL);
		/* Whether it was attached just then is chance: wait until only we are left. */
		while (daemon_status(&daemon_).clients != 1) {
			cr_assert(!test_passed(deadline), "%s", daemon_log(&daemon_));
			sched_yield();
		}
		daemon_balanced(&daemon_, "demo");
		snprintf(name, sizeof(name), "wander/%u", me);
		if (daemon_channel(&daemon_, name, &row))
			test_ok(tsr_channel_remove(a, name));
		test_same(daemon_ledger(&daemon_, "demo").in_channels, 0);
	}
}

/* Hold messages in every way, and die. */
static int
hoarder(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "hoard", NULL, &receiver));
	for (int i = 0; i < 5; i++)
		child_ok(report, tsr_recv(receiver, &msg, TSR_NOWAIT));
	for (int i = 0; i < 100; i++)
		child_ok(report, tsr_alloc(client, 3000, &msg));
	report_set(report, 0, 1);
	(void)report_await(report, 9, 1, 60000);
	return 0;
}

test_case(death, messages_in_the_hands_of_the_dead_are_free_again)
{
	struct tsr_proto_ledger_reply before, after;
	struct tsr_sender sender;
	struct child child;
	struct tsr_msg msg;

	test_ok(tsr_sender_open(a, "hoard", NULL, &sender));
	for (int i = 0; i < 8; i++) {
		test_ok(tsr_alloc(a, 100, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	before = daemon_ledger(&daemon_, "demo");
	child_start(&child, hoarder, NULL);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	die(&child);
	after = daemon_ledger(&daemon_, "demo");
	test_same(after.in_channels, before.in_channels - 5);
	test_same(after.with_clients, before.with_clients);
	test_same(after.in_depot, before.in_depot + 5);
}

test_case(death, channel_whose_sender_died_drains_and_can_be_used_again)
{
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct child child;
	struct tsr_msg msg;
	int error;

	test_ok(tsr_receiver_open(a, "again", NULL, &receiver));
	for (int round = 0; round < 3; round++) {
		unsigned count = 0;

		child_start(&child, sender_victim, (void *)(uintptr_t) "again");
		cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
		let_go(&child, 3600 * TEST_SECOND);
		while (atomic_load(&child.report->word[1]) < 20)
			sched_yield();
		die(&child);
		while ((error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
			test_ok(tsr_release(a, &msg));
			count++;
		}
		test_is(error, -ECONNRESET);
		cr_assert_geq(count, 20);
		test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -ECONNRESET);
		/* The next stream ends as it should. */
		test_ok(tsr_sender_open(a, "again", NULL, &sender));
		test_ok(tsr_alloc(a, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_sender_close(sender));
		test_ok(tsr_recv(receiver, &msg, TSR_FOREVER));
		test_ok(tsr_release(a, &msg));
		test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -EPIPE);
	}
	test_ok(tsr_receiver_close(receiver));
}

/* A process that leaves without a goodbye while it lives: it is killed, and cleaned up after. */
static int
hanger_up(struct child_report *report, void *arg)
{
	struct daemon const *daemon = arg;
	int fds = 0;

	fds = raw_attach(daemon);
	report_set(report, 0, 1);
	close(fds);
	(void)report_await(report, 9, 1, 60000);
	return 0;
}

test_case(death, client_that_hangs_up_and_lives_on_is_killed)
{
	struct child child;

	child_start(&child, hanger_up, &daemon_);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	daemon_reaped(&daemon_, ++deaths);
	child_kill(&child, SIGKILL);
	daemon_balanced(&daemon_, "demo");
}

/* Hangs up and ends at once: in time, though it has not said goodbye. */
static int
quitter(struct child_report *report, void *arg)
{
	(void)report;
	close(raw_attach(arg));
	return 0;
}

test_case(death, client_that_hangs_up_and_ends_in_time_is_reaped_and_not_killed)
{
	struct child child;

	for (int round = 0; round < 20; round++) {
		child_start(&child, quitter, &daemon_);
		child_join(&child);
		daemon_reaped(&daemon_, ++deaths);
	}
	cr_assert_null(strstr(daemon_log(&daemon_), "it was killed"), "%s", daemon_log(&daemon_));
	daemon_balanced(&daemon_, "demo");
}

static int
executor(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_sender sender;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "exec", NULL, &sender));
	report_set(report, 0, 1);
	execlp("sleep", "sleep", "60", (char *)NULL);
	return 1;
}

test_case(death, client_that_becomes_another_program_without_a_goodbye_is_killed)
{
	struct tsr_receiver receiver;
	struct child child;
	struct tsr_msg msg;

	child_start(&child, executor, NULL);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	test_ok(tsr_receiver_open(a, "exec", NULL, &receiver));
	test_is(tsr_recv(receiver, &msg, test_deadline(10000)), -ECONNRESET);
	child_died(&child);
	child_forget(&child);
	daemon_reaped(&daemon_, ++deaths);
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_receiver_close(receiver));
}

/* A stopped client is not a dead one: nothing is taken from it. */
test_case(death, client_that_is_stopped_keeps_everything_and_goes_on)
{
	struct tsr_receiver receiver;
	struct child child;
	struct tsr_msg msg;
	uint64_t count = 0;
	int error;

	test_ok(tsr_receiver_open(a, "stopped", NULL, &receiver));
	child_start(&child, sender_victim, (void *)(uintptr_t) "stopped");
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	let_go(&child, 3600 * TEST_SECOND);
	for (int round = 0; round < 20; round++) {
		child_stop(&child);
		test_same(daemon_status(&daemon_).reaped, deaths);
		while ((error = tsr_recv(receiver, &msg, TSR_NOWAIT)) == 0) {
			test_same(*(uint64_t *)msg.data, count++);
			test_ok(tsr_release(a, &msg));
		}
		test_is(error, -EAGAIN);
		child_continue(&child);
		test_ok(tsr_recv(receiver, &msg, test_deadline(10000)));
		test_same(*(uint64_t *)msg.data, count++);
		test_ok(tsr_release(a, &msg));
	}
	die(&child);
	test_ok(tsr_receiver_close(receiver));
}

/* Receives all and releases none; then says so, and waits to be killed. */
static int
keeper(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, arg, NULL, &receiver));
	for (uint64_t i = 0; i < 100; i++)
		child_ok(report, tsr_recv(receiver, &msg, tsr_deadline_in_ms(20000)));
	report_set(report, 0, 1);
	child_check(report, report_await(report, 2, 1, 60000));
	return 0;
}

Test(death, what_a_receiver_held_comes_again_whole_and_flagged_if_the_channel_was_made_so)
{
	death_setup();
	for (int again = 0; again < 2; again++) {
		char const *const name = again ? "again" : "once";
		struct tsr_channel_options const options = {
			.size = sizeof(options), .flags = again ? TSR_CHANNEL_REQUEUE : 0};
		struct tsr_receiver receiver;
		struct tsr_sender sender;
		struct child child;
		uint64_t sum = 0;
		struct tsr_msg msg;
		int error;

		test_ok(tsr_channel_create(a, name, &options));
		test_ok(tsr_sender_open(a, name, NULL, &sender));
		for (uint64_t i = 0; i < 100; i++) {
			test_ok(tsr_alloc(a, 64, &msg));
			*(uint64_t *)msg.data = i;
			msg.length = 8 + (uint32_t)i % 50;
			test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		}
		child_start(&child, keeper, (void *)(uintptr_t)name);
		cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
		test_ok(tsr_receiver_open(a, name, NULL, &receiver));
		die(&child);
		for (uint64_t i = 0; i < (again ? 100 : 0); i++) {
			uint64_t number;

			test_ok(tsr_recv(receiver, &msg, test_deadline(5000)));
			number = *(uint64_t *)msg.data;
			test_same(msg.flags, TSR_MSG_REDELIVERED);
			test_same(msg.length, 8 + number % 50);
			sum += number;
			test_ok(tsr_release(a, &msg));
		}
		test_same(sum, again ? 100 * 99 / 2 : 0);
		error = tsr_recv(receiver, &msg, TSR_NOWAIT);
		test_is(error, -EAGAIN);
		test_ok(tsr_sender_close(sender));
		test_ok(tsr_receiver_close(receiver));
	}
	death_teardown();
}

#define HOARD    16384
#define CHANNELS 48

/* Opens many ends, allocates HOARD blocks, and waits to be killed. */
static int
amasser(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;
	char name[32];

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	for (int i = 0; i < CHANNELS; i++) {
		snprintf(name, sizeof(name), "hoard/%d", i);
		child_ok(report, tsr_receiver_open(client, name, NULL, &receiver));
	}
	for (int i = 0; i < HOARD; i++)
		child_ok(report, tsr_alloc(client, 64, &msg));
	report_set(report, 0, 1);
	child_check(report, report_await(report, 9, 1, 60000));
	return 0;
}

/* One channel is so large that its slots alone are many steps. */
static void
start_amasser(struct child *child)
{
	struct tsr_channel_options const large = {.size = sizeof(large), .capacity = 65536};

	test_ok(tsr_channel_create(a, "hoard/0", &large));
	child_start(child, amasser, NULL);
	cr_assert(report_await(child->report, 0, 1, 20000), "%s", child->report->text);
}

test_case(death, much_is_repaired_in_many_short_steps)
{
	struct tsr_proto_status_reply status;
	struct child child;

	start_amasser(&child);
	die(&child);
	status = daemon_status(&daemon_);
	cr_log_info("%ju steps, the longest looked at %ju words", (uintmax_t)status.reap_steps,
	            (uintmax_t)status.reap_longest);
	/* Slots, tickets three times, and more. */
	cr_assert_geq(status.reap_steps, (65536 + 3 * HOARD) / 4096);
	cr_assert_leq(status.reap_longest, 4096);
	for (int i = 0; i < CHANNELS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "hoard/%d", i);
		test_ok(tsr_channel_remove(a, name));
	}
}

/* Who comes while a dead client is repaired gets none of its ids, nor loses anything to the
 * repair. */
Test(death, id_of_a_dead_client_comes_back_only_when_nothing_names_it)
{
	char const *const sets[] = {"realms.demo.clients=2", NULL};
	struct tsr_attach_options options;
	uint64_t refused = 0;

	daemon_start(&daemon_, sets);
	a = daemon_attach(&daemon_, 0);
	options = daemon_options(&daemon_);
	for (int round = 0; round < 10; round++) {
		uint64_t const deadline = test_deadline(10000);
		struct tsr_msg msgs[64];
		struct tsr_client b;
		struct child child;
		int error;

		if (round == 0)
			start_amasser(&child);
		else
			child_start(&child, amasser, NULL);
		cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
		child_kill(&child, SIGKILL);
		while ((error = tsr_attach(&options, &b)) == -ENOBUFS) {
			refused++;
			cr_assert(!test_passed(deadline), "its id never comes back");
		}
		test_ok(error);
		for (int i = 0; i < 64; i++)
			test_ok(tsr_alloc(b, 64, &msgs[i]));
		daemon_reaped(&daemon_, ++deaths);
		daemon_balanced(&daemon_, "demo");
		for (int i = 0; i < 64; i++)
			test_ok(tsr_release(b, &msgs[i]));
		test_ok(tsr_detach(b));
	}
	cr_log_info("%ju times too early", (uintmax_t)refused);
	test_ok(tsr_detach(a));
	daemon_stop(&daemon_);
}

/* Their slots are settled and their ends are closed long before the sweep is over. */
test_case(death, channels_of_a_dead_client_may_go_while_the_rest_of_it_is_repaired)
{
	for (int round = 0; round < 10; round++) {
		uint64_t const deadline = test_deadline(10000);
		struct child child;
		char name[32];

		if (round == 0)
			start_amasser(&child);
		else
			child_start(&child, amasser, NULL);
		cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
		child_kill(&child, SIGKILL);
		for (int i = 1; i < CHANNELS; i++) {
			int error;

			snprintf(name, sizeof(name), "hoard/%d", i);
			while ((error = tsr_channel_remove(a, name)) == -EBUSY)
				cr_assert(!test_passed(deadline), "%s stays busy", name);
			test_ok(error);
		}
		daemon_reaped(&daemon_, ++deaths);
		daemon_balanced(&daemon_, "demo");
	}
}
