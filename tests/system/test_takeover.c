/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/estate.h"
#include "core/store.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/holder.h"
#include "tests/support/raw.h"

/*
 * The daemon is killed while a holder keeps its realms: clients go on exchanging messages, lose
 * none, come back to the next one by themselves; who dies in between is cleaned up after; a realm
 * that does not add up is condemned, and only that one.
 */

static struct daemon holder_;
static struct daemon daemon_;

static void
takeover_setup(void)
{
	holder_start(&holder_);
	heir_start(&daemon_, &holder_, NULL);
}

static void
takeover_teardown(void)
{
	heir_stop(&daemon_);
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), 0);
	holder_stop(&holder_);
}

TestSuite(takeover, .timeout = 60);

static void
pause_ms(unsigned ms)
{
	struct timespec const pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&pause, NULL);
}

static void
succeed(void)
{
	daemon_kill(&daemon_);
	heir_start(&daemon_, &holder_, NULL);
}

/* Until so many realms are kept. */
static void
keeps(uint32_t realms)
{
	uint64_t const deadline = test_deadline(20000);

	while (daemon_status(&daemon_).realms_kept != realms) {
		cr_assert(!test_passed(deadline), "%u are kept, expected %u:\n%s",
		          daemon_status(&daemon_).realms_kept, realms, daemon_log(&daemon_));
		pause_ms(1);
	}
}

/* Sends numbers, each when the other side has answered the one before; word 1 counts. While word 3
 * is not 0 it rests, and says so in word 4. */
static int
asker(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "to", NULL, &sender));
	child_ok(report, tsr_receiver_open(client, "from", NULL, &receiver));
	for (uint64_t i = 1; atomic_load(&report->word[2]) == 0; i++) {
		while (atomic_load(&report->word[3]) != 0) {
			report_set(report, 4, 1);
			pause_ms(1);
		}
		child_ok(report, tsr_alloc(client, 64, &msg));
		*(uint64_t *)msg.data = i;
		child_ok(report, tsr_send(sender, &msg, tsr_deadline_in_ms(20000)));
		child_ok(report, tsr_recv(receiver, &msg, tsr_deadline_in_ms(20000)));
		child_check(report, *(uint64_t *)msg.data == i, "%ju for %ju",
		            (uintmax_t) * (uint64_t *)msg.data, (uintmax_t)i);
		child_ok(report, tsr_release(client, &msg));
		atomic_store(&report->word[1], i);
	}
	child_ok(report, tsr_sender_close(sender));
	child_ok(report, tsr_receiver_close(receiver));
	child_ok(report, tsr_detach(client));
	return 0;
}

/* Returns what comes. */
static int
answerer(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;
	int error;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "to", NULL, &receiver));
	child_ok(report, tsr_sender_open(client, "from", NULL, &sender));
	while ((error = tsr_recv(receiver, &msg, tsr_deadline_in_ms(20000))) == 0)
		child_ok(report, tsr_send(sender, &msg, tsr_deadline_in_ms(20000)));
	child_is(report, error, -EPIPE);
	child_ok(report, tsr_receiver_close(receiver));
	child_ok(report, tsr_sender_close(sender));
	child_ok(report, tsr_detach(client));
	return 0;
}

static void
goes_on(struct child const *child, uint64_t more)
{
	uint64_t const next = atomic_load(&child->report->word[1]) + more;
	uint64_t const deadline = test_deadline(10000);

	while (atomic_load(&child->report->word[1]) < next) {
		cr_assert(!test_passed(deadline) && atomic_load(&child->report->failed) == 0,
		          "nothing is exchanged any more: %s", child->report->text);
		pause_ms(1);
	}
}

test_case_within(takeover, clients_exchange_messages_while_no_daemon_lives_and_come_back, 120)
{
	unsigned const rounds = test_nightly() ? 100 : 12;
	struct child ask, answer;
	struct tsr_client client;

	child_start(&answer, answerer, NULL);
	child_start(&ask, asker, NULL);
	goes_on(&ask, 10);
	for (unsigned i = 0; i < rounds; i++) {
		daemon_kill(&daemon_);
		goes_on(&ask, 100);
		heir_start(&daemon_, &holder_, NULL);
		test_same(daemon_status(&daemon_).realms_taken, 1);
		test_same(daemon_status(&daemon_).clients, 2);
		/* Whoever is new finds the same realm. */
		client = daemon_attach(&daemon_, 0);
		test_ok(tsr_detach(client));
		goes_on(&ask, 100);
	}
	atomic_store(&ask.report->word[2], 1);
	child_join(&ask);
	child_join(&answer);
	daemon_balanced(&daemon_, "demo");
	test_same(daemon_ledger(&daemon_, "demo").with_clients, 0);
	test_same(daemon_status(&daemon_).reaped, 0);
}

/* Word 0: it is attached, and holds a message. Waits for its end. */
static int
holds(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, arg, NULL, &sender));
	child_ok(report, tsr_alloc(client, 64, &msg));
	child_ok(report, tsr_send(sender, &msg, TSR_NOWAIT));
	child_ok(report, tsr_alloc(client, 64, &msg));
	report_set(report, 0, 1);
	for (;;)
		pause_ms(1000);
}

test_case(takeover, who_dies_while_no_daemon_lives_is_cleaned_up_after)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_receiver receiver;
	struct child child;
	struct tsr_msg msg;

	test_ok(tsr_receiver_open(client, "gap", NULL, &receiver));
	child_start(&child, holds, (void *)(uintptr_t) "gap");
	cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
	daemon_kill(&daemon_);
	child_kill(&child, SIGKILL);
	child_forget(&child);
	heir_start(&daemon_, &holder_, NULL);
	daemon_reaped(&daemon_, 1);
	/* What it had sent is there, then the end that it came to. */
	test_ok(tsr_recv(receiver, &msg, test_deadline(10000)));
	test_ok(tsr_release(client, &msg));
	test_is(tsr_recv(receiver, &msg, test_deadline(10000)), -ECONNRESET);
	test_ok(tsr_receiver_close(receiver));
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "demo");
	test_same(holder_count(&holder_, "tsr.client."), 0);
}

/* Blocked until the daemon is another one; then that one's news reach it. */
static int
waits(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "sleep", NULL, &receiver));
	report_set(report, 0, 1);
	child_is(report, tsr_recv(receiver, &msg, tsr_deadline_in_ms(20000)), -ECONNRESET);
	child_ok(report, tsr_receiver_close(receiver));
	child_ok(report, tsr_detach(client));
	return 0;
}

test_case(takeover, who_sleeps_is_woken_by_the_next_daemon_and_hears_of_deaths_from_it)
{
	uint64_t const deadline = test_deadline(20000);
	struct child sleeper, victim;
	struct tsr_client client;
	struct tsr_receiver own;
	struct tsr_msg msg;

	child_start(&victim, holds, (void *)(uintptr_t) "sleep");
	cr_assert(report_await(victim.report, 0, 1, 20000), "%s", victim.report->text);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_receiver_open(client, "sleep", NULL, &own));
	test_ok(tsr_recv(own, &msg, test_deadline(5000)));
	test_ok(tsr_release(client, &msg));
	test_ok(tsr_receiver_close(own));
	test_ok(tsr_detach(client));
	child_start(&sleeper, waits, NULL);
	cr_assert(report_await(sleeper.report, 0, 1, 20000), "%s", sleeper.report->text);
	pause_ms(50);
	succeed();
	/* Nobody but the next daemon wakes it, and it need not ask for anything to be known. */
	while (daemon_status(&daemon_).clients_away > 1) {
		cr_assert(!test_passed(deadline), "nobody came back:\n%s", daemon_log(&daemon_));
		pause_ms(1);
	}
	child_kill(&victim, SIGKILL);
	child_forget(&victim);
	child_join(&sleeper);
}

/* Asks for one thing after the other while the daemon comes and goes. */
static int
asks(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_channel_options const shape = {.size = sizeof(shape), .capacity = 64};
	struct tsr_receiver receiver;
	struct tsr_region region;
	struct tsr_client client;
	struct tsr_sender sender;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	report_set(report, 0, 1);
	while (atomic_load(&report->word[2]) == 0) {
		child_ok(report, tsr_channel_create(client, "asked", &shape));
		child_ok(report, tsr_sender_open(client, "asked", NULL, &sender));
		child_ok(report, tsr_receiver_open(client, "asked", NULL, &receiver));
		child_ok(report, tsr_region_create(client, 4096, NULL, &region));
		child_ok(report, tsr_region_close(region));
		child_ok(report, tsr_sender_close(sender));
		child_ok(report, tsr_receiver_close(receiver));
		child_ok(report, tsr_channel_remove(client, "asked"));
		atomic_fetch_add(&report->word[1], 1);
	}
	child_ok(report, tsr_detach(client));
	return 0;
}

test_case_within(takeover, requests_wait_for_the_next_daemon_and_are_done_once, 120)
{
	unsigned const rounds = test_nightly() ? 200 : 20;
	struct tsr_proto_row_channel row;
	struct child child;

	child_start(&child, asks, NULL);
	cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
	for (unsigned i = 0; i < rounds; i++) {
		goes_on(&child, 3);
		succeed();
	}
	goes_on(&child, 3);
	atomic_store(&child.report->word[2], 1);
	child_join(&child);
	cr_assert(!daemon_channel(&daemon_, "asked", &row), "a channel is left over");
	test_same(daemon_regions(&daemon_, NULL, 0), 0);
	test_same(holder_count(&holder_, "tsr.region."), 0);
	test_same(holder_count(&holder_, "tsr.client."), 0);
	daemon_balanced(&daemon_, "demo");
}

/* The estate of a realm, as the holder has it. */
static struct tsr_estate
estate_of(char const *realm)
{
	struct tsr_estate estate;
	char suffix[80], why[200] = "";

	snprintf(suffix, sizeof(suffix), ".%s", realm);
	test_ok(tsr_estate_open(holder_fetch(&holder_, "tsr.estate.", suffix), &estate, why,
	                        sizeof(why)));
	return estate;
}

Test(takeover, a_realm_whose_estate_is_damaged_is_condemned_and_no_other)
{
	char const *const sets[] = {"realms.demo.mode=0660", "realms.other.mode=0660", NULL};
	struct tsr_attach_options options;
	struct tsr_client good, bad, fresh;
	struct tsr_receiver in_good, in_bad;
	struct tsr_sender to_good;
	struct tsr_estate estate;
	struct tsr_msg msg;

	holder_start(&holder_);
	heir_start(&daemon_, &holder_, sets);
	options = daemon_options(&daemon_);
	good = daemon_attach(&daemon_, 0);
	options.realm = "other";
	test_ok(tsr_attach(&options, &bad));
	test_ok(tsr_receiver_open(good, "x", NULL, &in_good));
	test_ok(tsr_sender_open(good, "x", NULL, &to_good));
	test_ok(tsr_receiver_open(bad, "x", NULL, &in_bad));
	daemon_kill(&daemon_);
	estate = estate_of("other");
	/* Two ends that count in one place. */
	tsr_st_rlx(&estate.ends[1], tsr_ld_rlx(&estate.ends[0]));
	tsr_st_rlx(&estate.clients[0].ends, 2);
	tsr_estate_close(&estate);
	heir_start(&daemon_, &holder_, sets);
	daemon_log_has(&daemon_, "realm 'other' could not be taken over");
	test_same(daemon_status(&daemon_).realms_taken, 1);
	test_is(tsr_recv(in_bad, &msg, test_deadline(15000)), -ENOTCONN);
	test_is(tsr_receiver_close(in_bad), -ENOTCONN);
	test_ok(tsr_detach(bad));
	test_ok(tsr_attach(&options, &fresh));
	test_ok(tsr_detach(fresh));
	test_ok(tsr_alloc(good, 64, &msg));
	test_ok(tsr_send(to_good, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(in_good, &msg, TSR_NOWAIT));
	test_ok(tsr_release(good, &msg));
	test_ok(tsr_sender_close(to_good));
	test_ok(tsr_receiver_close(in_good));
	test_ok(tsr_detach(good));
	daemon_balanced(&daemon_, "demo");
	daemon_balanced(&daemon_, "other");
	takeover_teardown();
}

test_case(takeover, another_layout_refuses_before_it_touches_anything)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	uint64_t const ours = tsr_layout_hash();
	struct tsr_estate estate = estate_of("demo");
	unsigned const kept = holder_count(&holder_, TSR_STORE_PREFIX);
	int status;

	daemon_kill(&daemon_);
	estate.head->layout_hash = ours ^ 1;
	heir_spawn(&daemon_, &holder_, NULL);
	status = daemon_ended(&daemon_);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%#x", status);
	daemon_log_has(&daemon_, "another build");
	daemon_log_has(&daemon_, "--fresh");
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), kept);
	test_same(tsr_ld_rlx(&estate.head->generation), 0);
	estate.head->layout_hash = ours;
	tsr_estate_close(&estate);
	heir_start(&daemon_, &holder_, NULL);
	test_same(daemon_status(&daemon_).realms_taken, 1);
	test_ok(tsr_channel_create(client, "there", NULL));
	test_ok(tsr_channel_remove(client, "there"));
	test_ok(tsr_detach(client));
}

test_case(takeover, a_successor_that_fails_when_it_served_already_leaves_all_to_the_next)
{
	char const *const sets[] = {"poll.cpu=1000", NULL};
	struct child ask, answer;
	int status;

	child_start(&answer, answerer, NULL);
	child_start(&ask, asker, NULL);
	goes_on(&ask, 10);
	for (int i = 0; i < 3; i++) {
		daemon_kill(&daemon_);
		heir_spawn(&daemon_, &holder_, sets);
		status = daemon_ended(&daemon_);
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%#x", status);
		daemon_log_has(&daemon_, "is taken over");
		daemon_log_has(&daemon_, "poll.cpu is 1000");
		goes_on(&ask, 100);
		heir_start(&daemon_, &holder_, NULL);
		test_same(daemon_status(&daemon_).realms_taken, 1);
		test_same(daemon_status(&daemon_).clients, 2);
	}
	goes_on(&ask, 100);
	atomic_store(&ask.report->word[2], 1);
	child_join(&ask);
	child_join(&answer);
	daemon_balanced(&daemon_, "demo");
	test_same(daemon_ledger(&daemon_, "demo").with_clients, 0);
}

/* As after a reload that took it out. */
Test(takeover, a_realm_that_the_configuration_lacks_closes_with_its_last_client)
{
	char const *const sets[] = {"realms.demo.mode=0660", "realms.other.mode=0660", NULL};
	struct tsr_attach_options options;
	struct tsr_proto_row_realm row;
	struct tsr_client client, fresh;

	holder_start(&holder_);
	heir_start(&daemon_, &holder_, sets);
	options = daemon_options(&daemon_);
	options.realm = "other";
	test_ok(tsr_attach(&options, &client));
	daemon_kill(&daemon_);
	heir_start(&daemon_, &holder_, NULL);
	test_same(daemon_status(&daemon_).realms_taken, 2);
	cr_assert(daemon_realm(&daemon_, "other", &row));
	test_same(row.state, TSR_ROW_REALM_LEAVING);
	test_ok(tsr_channel_create(client, "on", NULL));
	test_is(tsr_attach(&options, &fresh), -ENOENT);
	test_ok(tsr_detach(client));
	cr_assert(!daemon_realm(&daemon_, "other", &row), "it is still there");
	takeover_teardown();
}

test_case(takeover, fresh_takes_nothing_over)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	char const *const args[] = {"--fresh", NULL};

	daemon_kill(&daemon_);
	daemon_spawn(&daemon_, args, 0);
	cr_assert(daemon_ready(&daemon_), "%s", daemon_log(&daemon_));
	test_same(daemon_status(&daemon_).realms_taken, 0);
	test_same(daemon_status(&daemon_).clients, 0);
	test_is(tsr_channel_create(client, "there", NULL), -ENOTCONN);
	test_ok(tsr_detach(client));
}

test_case(takeover, a_clean_stop_leaves_nothing_to_take_over)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	test_ok(tsr_receiver_open(client, "over", NULL, &receiver));
	heir_stop(&daemon_);
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), 0);
	test_is(tsr_recv(receiver, &msg, test_deadline(5000)), -ENOTCONN);
	heir_start(&daemon_, &holder_, NULL);
	test_same(daemon_status(&daemon_).realms_taken, 0);
	test_is(tsr_channel_create(client, "there", NULL), -ENOTCONN);
	test_ok(tsr_detach(client));
}

test_case(takeover, without_its_holder_a_daemon_says_that_nothing_is_kept)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	test_same(daemon_status(&daemon_).store, TSR_STATUS_STORE_HOLDER);
	test_same(daemon_status(&daemon_).realms_kept, 1);
	test_ok(tsr_receiver_open(client, "over", NULL, &receiver));
	daemon_kill(&holder_);
	keeps(0);
	test_same(daemon_status(&daemon_).store, TSR_STATUS_STORE_NONE);
	/* As without one: no hope. */
	daemon_kill(&daemon_);
	test_is(tsr_recv(receiver, &msg, test_deadline(20000)), -ENOTCONN);
	test_ok(tsr_detach(client));
	/* What both have left is cleared by who comes next. */
	holder_again(&holder_);
	heir_start(&daemon_, &holder_, NULL);
}

static short
polled(int fd, int ms)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, ms) > 0 ? one.revents : 0;
}

/* Whatever was there before it came, and what came while there was none. */
test_case(takeover, a_holder_that_comes_later_is_given_all_there_is)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_client second;
	struct tsr_receiver receiver;
	struct tsr_region region;
	struct tsr_sender sender;
	struct tsr_msg msg;
	int fd;

	test_ok(tsr_receiver_open(client, "later", NULL, &receiver));
	daemon_kill(&holder_);
	keeps(0);
	daemon_log_has(&daemon_, "is no longer kept");
	test_ok(tsr_receiver_event(receiver, &fd));
	test_ok(tsr_region_create(client, 65536, NULL, &region));
	second = daemon_attach(&daemon_, 0);
	test_ok(tsr_sender_open(second, "later", NULL, &sender));
	holder_again(&holder_);
	keeps(1);
	daemon_log_has(&daemon_, "is kept from now on");
	test_same(daemon_status(&daemon_).store, TSR_STATUS_STORE_HOLDER);
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), daemon_status(&daemon_).stored);
	test_same(holder_count(&holder_, "tsr.client."), 2);
	test_same(holder_count(&holder_, "tsr.region."), 1);
	test_same(holder_count(&holder_, "tsr.event."), 1);
	succeed();
	test_same(daemon_status(&daemon_).realms_taken, 1);
	test_same(daemon_status(&daemon_).clients, 2);
	test_ok(tsr_alloc(second, 64, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	cr_assert_eq(polled(fd, 10000), POLLIN);
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_ok(tsr_release(client, &msg));
	test_ok(tsr_region_close(region));
	test_ok(tsr_receiver_close(receiver));
	test_ok(tsr_sender_close(sender));
	test_ok(tsr_detach(second));
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "demo");
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), 10);
}

/* One that began without any, and has nothing but itself. */
Test(takeover, a_holder_may_be_started_after_the_daemon)
{
	struct tsr_client client;

	holder_start(&holder_);
	daemon_kill(&holder_);
	heir_start(&daemon_, &holder_, NULL);
	test_same(daemon_status(&daemon_).store, TSR_STATUS_STORE_NONE);
	client = daemon_attach(&daemon_, 0);
	for (int i = 0; i < 3; i++) {
		holder_again(&holder_);
		keeps(1);
		succeed();
		test_same(daemon_status(&daemon_).realms_taken, 1);
		test_ok(tsr_channel_create(client, "there", NULL));
		test_ok(tsr_channel_remove(client, "there"));
		daemon_kill(&holder_);
		keeps(0);
	}
	holder_again(&holder_);
	keeps(1);
	test_ok(tsr_detach(client));
	takeover_teardown();
}

/* It is given up after a second, then tried again; until then it has the realm as it was when it
 * hung, and not what came since, whose clients know that. */
test_case(takeover, a_holder_that_hung_is_used_again_and_not_what_it_kept_before)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_client second, third;

	if (getenv("TESSERA_TEST_SET") != NULL) {
		test_ok(tsr_detach(client));
		test_case_skip(takeover, "it waits for seconds, once is enough");
	}
	test_ok(kill(holder_.pid, SIGSTOP));
	second = daemon_attach(&daemon_, 0);
	keeps(0);
	test_ok(kill(holder_.pid, SIGCONT));
	keeps(1);
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), daemon_status(&daemon_).stored);
	succeed();
	test_same(daemon_status(&daemon_).realms_taken, 1);
	test_ok(tsr_channel_create(client, "there", NULL));
	test_ok(tsr_detach(second));
	test_ok(kill(holder_.pid, SIGSTOP));
	third = daemon_attach(&daemon_, 0);
	keeps(0);
	daemon_kill(&daemon_);
	test_ok(kill(holder_.pid, SIGCONT));
	heir_start(&daemon_, &holder_, NULL);
	daemon_log_has(&daemon_, "have been told that it ends");
	test_same(daemon_status(&daemon_).realms_taken, 0);
	test_same(daemon_status(&daemon_).realms_kept, 1);
	test_is(tsr_channel_create(client, "there", NULL), -ENOTCONN);
	test_ok(tsr_detach(client));
	test_ok(tsr_detach(third));
}

test_case(takeover, an_event_descriptor_stays_what_it_is)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;
	int fd, ready;

	test_ok(tsr_receiver_open(client, "event", NULL, &receiver));
	test_ok(tsr_sender_open(client, "event", NULL, &sender));
	test_ok(tsr_receiver_event(receiver, &fd));
	test_ok(tsr_receiver_arm(receiver, &ready));
	test_same(ready, 0);
	for (int round = 0; round < 3; round++) {
		daemon_kill(&daemon_);
		cr_assert_eq(polled(fd, 0), 0, "it is at its end");
		heir_start(&daemon_, &holder_, NULL);
		/* The next daemon has it look, and is asked for the next signal. */
		cr_assert_eq(polled(fd, 10000), POLLIN);
		test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
		test_ok(tsr_receiver_arm(receiver, &ready));
		test_same(ready, 0);
		cr_assert_eq(polled(fd, 0), 0);
		test_ok(tsr_alloc(client, 64, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		cr_assert_eq(polled(fd, 10000), POLLIN);
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_release(client, &msg));
		test_ok(tsr_receiver_arm(receiver, &ready));
	}
	test_same(holder_count(&holder_, "tsr.event."), 1);
	test_ok(tsr_receiver_close(receiver));
	test_same(holder_count(&holder_, "tsr.event."), 0);
	test_ok(tsr_sender_close(sender));
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "demo");
}

/* The first thing that is asked of the next daemon is to close what the dead one knew. */
test_case(takeover, an_end_with_an_event_is_closed_by_the_next_daemon)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_channel_options const options = {.size = sizeof(options),
	                                            .kind = TSR_KIND_BROADCAST};
	struct tsr_receiver receiver;
	int fd;

	test_ok(tsr_channel_create(client, "event", &options));
	test_ok(tsr_receiver_open(client, "event", NULL, &receiver));
	test_ok(tsr_receiver_event(receiver, &fd));
	succeed();
	test_ok(tsr_receiver_close(receiver));
	test_same(holder_count(&holder_, "tsr.event."), 0);
	test_ok(tsr_channel_remove(client, "event"));
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "demo");
}

/* The daemon has let it in, and dies before it can have used anything. */
test_case(takeover, an_attach_that_was_under_way_leaves_no_id)
{
	uint64_t const deadline = test_deadline(5000);
	int const raw = raw_attach(&daemon_);
	struct tsr_client client;

	test_same(daemon_status(&daemon_).clients, 1);
	test_same(holder_count(&holder_, "tsr.client."), 1);
	succeed();
	daemon_log_has(&daemon_, "client 1 of realm 'demo' was just attaching");
	test_same(daemon_status(&daemon_).clients, 0);
	test_same(holder_count(&holder_, "tsr.client."), 0);
	close(raw);
	/* Who has said that it knows has it. */
	client = daemon_attach(&daemon_, 0);
	succeed();
	test_same(daemon_status(&daemon_).clients, 1);
	test_ok(tsr_channel_create(client, "there", NULL));
	test_ok(tsr_channel_remove(client, "there"));
	test_ok(tsr_detach(client));
	while (daemon_status(&daemon_).clients != 0)
		cr_assert(!test_passed(deadline), "it stays");
}

/* An observer comes back as a new one, and sees what the next daemon writes. */
test_case(takeover, an_observer_comes_back)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_client const watcher = daemon_attach(&daemon_, TSR_ATTACH_OBSERVER);
	struct tsr_tap_options const oldest = {.size = sizeof(oldest), .from = TSR_TAP_OLDEST};
	struct tsr_sender sender;
	struct tsr_copy copy;
	struct tsr_msg msg;
	struct tsr_tap tap;
	char bytes[64];

	test_ok(tsr_sender_open(client, "seen", NULL, &sender));
	test_ok(tsr_tap_open(watcher, "seen", &oldest, &tap));
	succeed();
	test_ok(tsr_alloc(client, 64, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_ok(tsr_read_copy(tap, bytes, sizeof(bytes), &copy));
	test_same(copy.length, 64);
	test_ok(tsr_tap_close(tap));
	test_ok(tsr_sender_close(sender));
	test_ok(tsr_channel_remove(client, "seen"));
	test_is(tsr_tap_open(watcher, "seen", &oldest, &tap), -ENOENT);
	test_ok(tsr_detach(watcher));
	test_ok(tsr_detach(client));
}

/* Sent to @i: only who looks there is told. */
static void
told_alone(struct tsr_client client, struct tsr_sender const *sender, struct tsr_tap const *tap,
           int const *fd, int i)
{
	struct tsr_copy copy;
	struct tsr_msg msg;
	char bytes[64];
	int ready;

	test_ok(tsr_alloc(client, sizeof(bytes), &msg));
	test_ok(tsr_send(sender[i], &msg, TSR_NOWAIT));
	cr_assert_eq(polled(fd[i], 10000), POLLIN);
	cr_assert_eq(polled(fd[1 - i], 0), 0);
	test_ok(tsr_read_copy(tap[i], bytes, sizeof(bytes), &copy));
	test_ok(tsr_tap_arm(tap[i], &ready));
	test_same(ready, 0);
	cr_assert_eq(polled(fd[i], 0), 0);
}

/* The daemon numbers them anew: what the next one calls the first may have been the second. */
test_case(takeover, an_observers_event_descriptors_stay_what_they_are)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct tsr_client const watcher = daemon_attach(&daemon_, TSR_ATTACH_OBSERVER);
	char const *const names[] = {"one", "two"};
	struct tsr_sender sender[2];
	struct tsr_tap tap[2];
	int fd[2], again, ready;

	for (int i = 0; i < 2; i++) {
		test_ok(tsr_sender_open(client, names[i], NULL, &sender[i]));
		test_ok(tsr_tap_open(watcher, names[i], NULL, &tap[i]));
		test_ok(tsr_tap_event(tap[i], &fd[i]));
		test_ok(tsr_tap_arm(tap[i], &ready));
		test_same(ready, 0);
	}
	for (int round = 0; round < 3; round++) {
		succeed();
		for (int i = 1; i >= 0; i--) {
			/* It is told that it is time to look. */
			cr_assert_neq(polled(fd[i], 10000), 0);
			test_ok(tsr_tap_arm(tap[i], &ready));
			test_same(ready, 0);
			test_ok(tsr_tap_event(tap[i], &again));
			test_same(again, fd[i]);
			cr_assert_eq(polled(fd[i], 0), 0);
		}
		for (int i = 0; i < 2; i++)
			told_alone(client, sender, tap, fd, i);
	}
	/* What closes is not somebody else's. */
	succeed();
	test_ok(tsr_tap_arm(tap[0], &ready));
	test_ok(tsr_tap_close(tap[1]));
	test_ok(tsr_tap_open(watcher, names[1], NULL, &tap[1]));
	test_ok(tsr_tap_event(tap[1], &fd[1]));
	told_alone(client, sender, tap, fd, 0);
	test_ok(tsr_detach(watcher));
	for (int i = 0; i < 2; i++)
		test_ok(tsr_sender_close(sender[i]));
	test_ok(tsr_detach(client));
}

/* What the traced process is about to call; 0: it comes back from one. */
static uint64_t
call_at(pid_t pid, uint64_t *second)
{
	struct __ptrace_syscall_info info;

	cr_assert_gt(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info), 0, "ptrace: %m");
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return 0;
	*second = info.entry.args[2];
	return info.entry.nr;
}

/*
 * Trace a successor's first thread up to the entry of the @step-th system call after it has looked
 * for the holder. Return: false: before that it began to start DPDK: it serves, and has told
 * everybody.
 */
static bool
traced_to(unsigned step)
{
	bool serves = false;
	unsigned calls = 0;
	int status;

	heir_spawn(&daemon_, &holder_, NULL);
	cr_assert_eq(
		ptrace(PTRACE_SEIZE, daemon_.pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
		0, "ptrace: %m");
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, daemon_.pid, NULL, NULL), 0);
	while (waitpid(daemon_.pid, &status, __WALL) == daemon_.pid && WIFSTOPPED(status)) {
		uint64_t option = 0;
		uint64_t const number =
			WSTOPSIG(status) == (SIGTRAP | 0x80) ? call_at(daemon_.pid, &option) : 0;

		serves = serves || number == SYS_clone3;
		if (serves && number == SYS_sched_getaffinity)
			return false;
		/* It sets this for the holder, and for nobody else. */
		if (calls == 0 && number == SYS_setsockopt && option == SO_RCVTIMEO)
			calls = 1;
		else if (calls > 0 && number != 0)
			calls++;
		if (calls == step)
			return true;
		ptrace(PTRACE_SYSCALL, daemon_.pid, NULL, NULL);
	}
	cr_assert_fail("it ended by itself:\n%s", daemon_log(&daemon_));
	return false;
}

/* Kill the successor there, or so many instructions later. Return: as above. */
static bool
killed_at(unsigned step, uint64_t instructions)
{
	bool const reached = traced_to(step);
	int status;

	for (uint64_t i = 0; reached && i < instructions; i++) {
		cr_assert_eq(ptrace(PTRACE_SINGLESTEP, daemon_.pid, NULL, NULL), 0, "%m");
		cr_assert(waitpid(daemon_.pid, &status, __WALL) == daemon_.pid &&
		                  WIFSTOPPED(status),
		          "after %ju instructions it ended by itself:\n%s", (uintmax_t)i,
		          daemon_log(&daemon_));
	}
	kill(daemon_.pid, SIGKILL);
	(void)daemon_ended(&daemon_);
	return reached;
}

/* Two clients exchange messages while one successor after the other is killed; the last one
 * succeeds. */
struct pair {
	struct child ask;
	struct child answer;
};

static void
pair_begin(struct pair *pair)
{
	child_start(&pair->answer, answerer, NULL);
	child_start(&pair->ask, asker, NULL);
	goes_on(&pair->ask, 10);
	daemon_kill(&daemon_);
}

static void
pair_has_a_daemon(struct pair *pair)
{
	heir_start(&daemon_, &holder_, NULL);
	test_same(daemon_status(&daemon_).realms_taken, 1);
	test_same(daemon_status(&daemon_).clients, 2);
	goes_on(&pair->ask, 100);
	report_set(pair->ask.report, 4, 0);
	report_set(pair->ask.report, 3, 1);
	cr_assert(report_await(pair->ask.report, 4, 1, 20000), "%s", pair->ask.report->text);
	daemon_balanced(&daemon_, "demo");
	report_set(pair->ask.report, 3, 0);
}

static void
pair_end(struct pair *pair)
{
	pair_has_a_daemon(pair);
	atomic_store(&pair->ask.report->word[2], 1);
	child_join(&pair->ask);
	child_join(&pair->answer);
	daemon_balanced(&daemon_, "demo");
	test_same(daemon_ledger(&daemon_, "demo").with_clients, 0);
	/* Eight segments, doorbell and estate: nothing of the others is left over. */
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), daemon_status(&daemon_).stored);
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), 10);
}

test_case_within(takeover, a_successor_killed_at_any_system_call_is_followed_by_one_that_succeeds,
                 1200)
{
	unsigned const stride = test_nightly() ? 1 : 5;
	unsigned step = 1;
	struct pair pair;

	pair_begin(&pair);
	while (killed_at(step, 0)) {
		goes_on(&pair.ask, 1);
		step += stride;
	}
	cr_assert_gt(step, 50, "only %u system calls were seen", step);
	cr_log_info("killed at every %u-th of %u system calls", stride, step);
	pair_end(&pair);
}

#define KILLS_DAY     16
#define KILLS_NIGHT   2000
#define STEPS_DAY     10 /* at most 2^10 instructions after a system call, and twice that */
#define STEPS_NIGHT   16
#define DELAY_MIN     10 /* or 2^10 ns, to four milliseconds, at whatever instruction it is then */
#define DELAY_MAX     21
#define SUCCESS_SHARE 4

/* Between 1 and twice 2^doubles, each power as likely as any other. */
static uint64_t
up_to(uint64_t *seed, unsigned doubles)
{
	uint64_t const scale = UINT64_C(1) << test_random(seed) % (doubles + 1);

	return scale + test_random(seed) % scale;
}

/* The successor goes on from the @step-th system call, and is killed whenever the time is over. */
static void
killed_after(unsigned step, uint64_t ns)
{
	if (traced_to(step)) {
		uint64_t const until = tsr_now_ns() + ns;

		cr_assert_eq(ptrace(PTRACE_CONT, daemon_.pid, NULL, NULL), 0, "%m");
		while (tsr_now_ns() < until)
			tsr_cpu_relax();
	}
	kill(daemon_.pid, SIGKILL);
	(void)daemon_ended(&daemon_);
}

/* How many are killed: TESSERA_KILLS=N. */
static uint64_t
kills_wanted(void)
{
	char const *const given = getenv("TESSERA_KILLS");

	if (given != NULL)
		return strtoull(given, NULL, 0);
	return (test_nightly() ? KILLS_NIGHT : KILLS_DAY) /
	       (getenv("TESSERA_TEST_SET") != NULL ? 4U : 1U);
}

/* From each system call on alike: one half steps, for most of what matters is near to one; the
 * other half runs, into the middle of long loops. */
test_case_within(takeover, a_successor_killed_at_any_instruction_is_followed_by_one_that_succeeds,
                 9000)
{
	uint64_t const kills = kills_wanted();
	uint64_t seed = test_seed(), instructions = 0;
	unsigned calls = 1, successes = 0;
	struct pair pair;

	pair_begin(&pair);
	while (killed_at(calls, 0))
		calls += 16;
	for (uint64_t i = 0; i < kills; i++) {
		unsigned const step = (unsigned)(1 + test_random(&seed) % calls);
		uint64_t const steps = up_to(&seed, test_nightly() ? STEPS_NIGHT : STEPS_DAY);

		if (i % 2 == 0) {
			(void)killed_at(step, steps);
			instructions += steps;
		} else {
			killed_after(step, up_to(&seed, DELAY_MAX - DELAY_MIN) << DELAY_MIN);
		}
		goes_on(&pair.ask, 1);
		if (test_random(&seed) % SUCCESS_SHARE != 0)
			continue;
		pair_has_a_daemon(&pair);
		successes++;
		daemon_kill(&daemon_);
	}
	printf("# %ju successors killed, half of them after %ju single steps; %u that succeeded in "
	       "between\n",
	       (uintmax_t)kills, (uintmax_t)instructions, successes);
	pair_end(&pair);
}

/* It has handed over all it had: what happens to it then is no loss. */
test_case(takeover, a_holder_that_dies_while_a_daemon_takes_over_costs_nobody_the_realm)
{
	struct pair pair;

	pair_begin(&pair);
	for (unsigned step = 60; traced_to(step); step += test_nightly() ? 5 : 30) {
		daemon_kill(&holder_);
		cr_assert_eq(ptrace(PTRACE_DETACH, daemon_.pid, NULL, NULL), 0, "%m");
		cr_assert(daemon_ready(&daemon_), "%s", daemon_log(&daemon_));
		test_same(daemon_status(&daemon_).realms_taken, 1);
		test_same(daemon_status(&daemon_).clients, 2);
		keeps(0);
		goes_on(&pair.ask, 100);
		holder_again(&holder_);
		keeps(1);
		daemon_kill(&daemon_);
	}
	kill(daemon_.pid, SIGKILL);
	(void)daemon_ended(&daemon_);
	pair_end(&pair);
}

/* One of many: it waits for a message, and comes back to the next daemon. */
static int
one_of_many(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;
	int error;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "many", NULL, &receiver));
	report_set(report, 0, 1);
	error = tsr_recv(receiver, &msg, tsr_deadline_in_ms(40000));
	child_check(report, error == -EPIPE, "%d", error);
	child_ok(report, tsr_detach(client));
	return 0;
}

#define MANY 100

/* The next daemon: how long until it served, when all have come back to it. */
static uint64_t
taken_over(char const *const *sets)
{
	uint64_t const deadline = test_deadline(60000);
	struct tsr_proto_status_reply status;

	daemon_kill(&daemon_);
	heir_start(&daemon_, &holder_, sets);
	do {
		cr_assert(!test_passed(deadline), "they stay away:\n%s", daemon_log(&daemon_));
		pause_ms(1);
		status = daemon_status(&daemon_);
	} while (status.clients_away > 1);
	printf("# %ju clients, %ju MiB: served after %ju us, all back after %ju ms\n",
	       (uintmax_t)status.clients, (uintmax_t)(status.memory_bytes >> 20),
	       (uintmax_t)(status.taken_over_ns / 1000), (uintmax_t)(status.uptime_ns / 1000000));
	test_same(status.realms_taken, 1);
	test_same(status.clients, MANY + 1);
	return status.taken_over_ns;
}

#define MUCH (UINT32_C(1) << 20)

/* Fills a channel (word 0), and, told to (word 1), removes it (word 2), until told (word 3). */
static int
remover(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_channel_options const shape = {.size = sizeof(shape), .capacity = MUCH};
	unsigned const rounds = *(unsigned const *)arg;
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	for (uint64_t round = 1; round <= rounds; round++) {
		child_ok(report, tsr_channel_create(client, "much", &shape));
		child_ok(report, tsr_sender_open(client, "much", NULL, &sender));
		child_ok(report, tsr_receiver_open(client, "much", NULL, &receiver));
		/* What stays lies at the end of the ring: it is come to last. */
		for (uint32_t i = 0; i < MUCH; i++) {
			child_ok(report, tsr_alloc(client, 64, &msg));
			child_ok(report, tsr_send(sender, &msg, TSR_NOWAIT));
			if (i >= MUCH - 8000)
				continue;
			child_ok(report, tsr_recv(receiver, &msg, TSR_NOWAIT));
			child_ok(report, tsr_release(client, &msg));
		}
		child_ok(report, tsr_sender_close(sender));
		child_ok(report, tsr_receiver_close(receiver));
		report_set(report, 0, round);
		child_check(report, report_await(report, 1, round, 30000));
		child_ok(report, tsr_channel_remove(client, "much"));
		report_set(report, 2, round);
		child_check(report, report_await(report, 3, round, 30000));
	}
	child_ok(report, tsr_detach(client));
	return 0;
}

/* Its messages, its memory and its name: nothing of it is left, wherever it was cut short. */
Test(takeover, channel_that_was_being_removed_is_removed_by_the_next_daemon)
{
	char const *const sets[] = {"realms.demo.slots=1114112", NULL};
	unsigned rounds = test_nightly() ? 100 : 6;
	uint64_t seed = test_seed();
	unsigned between = 0;
	struct child child;

	holder_start(&holder_);
	heir_start(&daemon_, &holder_, sets);
	child_start(&child, remover, &rounds);
	for (uint64_t round = 1; round <= rounds; round++) {
		uint64_t const until = test_random(&seed) % 8000000;
		uint64_t since;

		cr_assert(report_await(child.report, 0, round, 20000), "%s", child.report->text);
		report_set(child.report, 1, round);
		since = tsr_now_ns();
		while (tsr_now_ns() - since < until)
			;
		between += atomic_load(&child.report->word[2]) < round;
		daemon_kill(&daemon_);
		heir_start(&daemon_, &holder_, sets);
		cr_assert(report_await(child.report, 2, round, 20000), "%s", child.report->text);
		daemon_balanced(&daemon_, "demo");
		test_same(daemon_ledger(&daemon_, "demo").in_channels, 0);
		report_set(child.report, 3, round);
	}
	child_join(&child);
	cr_log_info("%u of %u killed in the middle of it", between, rounds);
	takeover_teardown();
}

/* 1 GiB, 16,384 tickets, 100 clients: the best of three, for others use this machine, too. */
Test(takeover, of_one_gibibyte_and_a_hundred_clients_takes_less_than_100_ms, .timeout = 120)
{
	char const *const sets[] = {"realms.demo.classes=65536:16384",  "realms.demo.clients=256",
	                            "realms.demo.region_tickets=0",     "realms.demo.regions=0",
	                            "limits.connections_per_user=1000", NULL};
	static struct child child[MANY];
	uint64_t best = UINT64_MAX;
	struct tsr_client client;
	struct tsr_sender sender;

	holder_start(&holder_);
	heir_start(&daemon_, &holder_, sets);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_sender_open(client, "many", NULL, &sender));
	for (unsigned i = 0; i < MANY; i++) {
		child_start(&child[i], one_of_many, NULL);
		cr_assert(report_await(child[i].report, 0, 1, 20000), "%s", child[i].report->text);
	}
	for (int i = 0; i < 3; i++) {
		uint64_t const took = taken_over(sets);

		best = took < best ? took : best;
	}
	cr_assert_lt(best, TEST_SECOND / 10);
	test_ok(tsr_sender_close(sender));
	for (unsigned i = 0; i < MANY; i++)
		child_join(&child[i]);
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "demo");
	takeover_teardown();
}
