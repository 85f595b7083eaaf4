/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/*
 * 32 clients in full traffic on channels of every kind; one after another is killed at random, and
 * another takes its place. After each death all stand still, and the ledger balances to the last
 * ticket. What is received was sent whole.
 */
#define CLIENTS  32
#define CHANNELS 8
#define HELD     4 /* messages that a receiver keeps */
#define WAIT_MS  3

#define SHAPE(...)                                                                      \
	{                                                                               \
		.size = sizeof(struct tsr_channel_options), .capacity = 16, __VA_ARGS__ \
	}

static struct tsr_channel_options const shapes[CHANNELS] = {
	SHAPE(.kind = TSR_KIND_BUFFERED),
	SHAPE(.kind = TSR_KIND_BUFFERED, .flags = TSR_CHANNEL_DROP_OLDEST),
	SHAPE(.kind = TSR_KIND_BUFFERED, .flags = TSR_CHANNEL_REQUEUE),
	SHAPE(.kind = TSR_KIND_RENDEZVOUS),
	SHAPE(.kind = TSR_KIND_CONFLATED),
	SHAPE(.kind = TSR_KIND_BROADCAST),
	SHAPE(.kind = TSR_KIND_UNLIMITED),
	SHAPE(.kind = TSR_KIND_BUFFERED,
              .flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER),
};

/* Shared by all. */
struct deaths {
	_Atomic uint64_t pause; /* not 0: stand still */
	_Atomic uint64_t still[CLIENTS];
	_Atomic uint64_t messages;
	_Atomic uint64_t rounds[CLIENTS]; /* of whoever lives there */
};

static struct daemon daemon_;
static struct deaths *deaths;
static struct child children[CLIENTS];
static struct tsr_control control;

TestSuite(deaths, .timeout = 36000);

/* One life. */
struct life {
	struct child_report *report;
	uint64_t place;
	struct tsr_client client;
	struct tsr_msg held[HELD];
	uint32_t next;
};

static void
life_stand_still(struct life const *life)
{
	atomic_fetch_add(&deaths->rounds[life->place], 1);
	while (atomic_load(&deaths->pause) != 0) {
		atomic_store(&deaths->still[life->place], 1);
		poll(NULL, 0, 1);
	}
	atomic_store(&deaths->still[life->place], 0);
}

/* What may come of a call while others die. */
static bool
life_goes_on(int error)
{
	return error == 0 || error == -ETIMEDOUT || error == -EAGAIN || error == -EPIPE ||
	       error == -ECONNRESET || error == -ENOMEM || error == -ENOBUFS || error == -EOVERFLOW;
}

static int
life_fill(struct life *life, struct tsr_msg *msg)
{
	int const error = tsr_alloc(life->client, 64, msg);

	if (error == 0) {
		((uint64_t *)msg->data)[0] = tsr_ticks();
		((uint64_t *)msg->data)[7] = ~((uint64_t *)msg->data)[0];
	}
	return error;
}

/* Keep the last few, release the others. */
static void
life_take(struct life *life, struct tsr_msg *msg)
{
	struct tsr_msg *const place = &life->held[life->next++ % HELD];
	int error;

	child_check(life->report, msg->length == 64, "%u bytes", msg->length);
	child_check(life->report, ((uint64_t *)msg->data)[0] == ~((uint64_t *)msg->data)[7],
	            "it is garbled");
	if (place->data != NULL) {
		error = tsr_release(life->client, place);
		child_check(life->report, error == 0, "%d", error);
	}
	*place = *msg;
	atomic_fetch_add(&deaths->messages, 1);
}

static void
life_send(struct life *life, char const *name)
{
	struct tsr_sender sender;
	struct tsr_msg msg;
	int error = tsr_sender_open(life->client, name, NULL, &sender);

	child_check(life->report, error == 0 || error == -EBUSY || error == -ENOBUFS, "%d", error);
	for (int i = 0; error == 0 && i < 5000; i++) {
		life_stand_still(life);
		error = life_fill(life, &msg);
		child_check(life->report, error == 0 || error == -ENOMEM, "%d", error);
		if (error == 0) {
			error = tsr_send(sender, &msg, tsr_deadline_in_ms(WAIT_MS));
			child_check(life->report, life_goes_on(error), "send: %d", error);
			if (error != 0)
				child_ok(life->report, tsr_release(life->client, &msg));
		}
		error = 0;
	}
	if (error == 0)
		child_ok(life->report, tsr_sender_close(sender));
}

static void
life_recv(struct life *life, char const *name, bool keeps)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error = tsr_receiver_open(life->client, name, NULL, &receiver);

	child_check(life->report, error == 0 || error == -EBUSY || error == -ENOBUFS, "%d", error);
	for (int i = 0; error == 0 && i < 5000; i++) {
		life_stand_still(life);
		error = tsr_recv(receiver, &msg, tsr_deadline_in_ms(WAIT_MS));
		child_check(life->report, life_goes_on(error), "recv: %d", error);
		if (error == 0 && keeps)
			life_take(life, &msg);
		else if (error == 0)
			child_ok(life->report, tsr_release(life->client, &msg));
		error = 0;
	}
	if (error == 0)
		child_ok(life->report, tsr_receiver_close(receiver));
}

/* On two channels at once. */
static void
life_select(struct life *life)
{
	struct tsr_msg msgs[2];
	struct tsr_case cases[2] = {{.msg = &msgs[0]}, {.msg = &msgs[1]}};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};

	child_ok(life->report,
	         tsr_receiver_open(life->client, "deaths/0", NULL, &cases[0].receiver));
	child_ok(life->report,
	         tsr_receiver_open(life->client, "deaths/6", NULL, &cases[1].receiver));
	for (int i = 0; i < 5000; i++) {
		int error;

		life_stand_still(life);
		error = tsr_select(&select, tsr_deadline_in_ms(WAIT_MS));
		child_check(life->report, life_goes_on(error), "select: %d", error);
		if (error == 0)
			life_take(life, &msgs[select.fired]);
	}
	child_ok(life->report, tsr_receiver_close(cases[0].receiver));
	child_ok(life->report, tsr_receiver_close(cases[1].receiver));
}

static void
life_detach(struct life *life)
{
	child_ok(life->report, tsr_detach(life->client));
	memset(life->held, 0, sizeof(life->held));
}

/* Client i is on channel i % 8: two send, two receive; of the last channel the two that it has no
 * room for look at two others at once, or come and go. */
static int
life(struct child_report *report, void *arg)
{
	struct tsr_attach_options options;
	struct life life = {.report = report, .place = (uintptr_t)arg};
	uint64_t const channel = life.place % CHANNELS, role = life.place / CHANNELS;
	char name[16];

	snprintf(name, sizeof(name), "deaths/%ju", (uintmax_t)channel);
	for (;;) {
		life_stand_still(&life);
		options = daemon_options(&daemon_);
		child_ok(report, tsr_attach(&options, &life.client));
		if (channel == CHANNELS - 1 && role == 2)
			life_select(&life);
		else if (channel == CHANNELS - 1 && role == 3)
			child_ok(report, tsr_channel_create(life.client, "deaths/0", &shapes[0]));
		else if (role % 2 == 0)
			life_send(&life, name);
		else
			life_recv(&life, name, channel != 5);
		life_detach(&life);
	}
}

static void
stand_still(void)
{
	uint64_t const deadline = test_deadline(20000);

	atomic_store(&deaths->pause, 1);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		while (atomic_load(&deaths->still[i]) == 0) {
			cr_assert_eq(atomic_load(&children[i].report->failed), 0, "client %u: %s",
			             i, children[i].report->text);
			cr_assert(!test_passed(deadline), "client %u does not stand still", i);
			sched_yield();
		}
	}
}

static void
go_on(void)
{
	atomic_store(&deaths->pause, 0);
}

/* Every ticket, slot, cell and token, once what has died is repaired. */
static void
balances(uint64_t kill_number)
{
	struct tsr_proto_ledger request = {.realm = "demo"};
	struct tsr_proto_ledger_reply ledger;
	uint64_t const deadline = test_deadline(20000);

	do {
		test_ok(tsr_control_ask(&control, TSR_PROTO_LEDGER, &request, sizeof(request),
		                        &ledger, sizeof(ledger), NULL, test_deadline(5000)));
		cr_assert(!test_passed(deadline), "kill %ju is not repaired",
		          (uintmax_t)kill_number);
	} while (ledger.reaps_pending != 0);
	cr_assert(ledger.balanced, "after kill %ju: %s", (uintmax_t)kill_number, ledger.text);
	test_same(ledger.lost, 0);
	test_same(ledger.slots_claimed, 0);
	test_same(ledger.tokens_stray, 0);
	test_same(ledger.tickets, ledger.in_depot + ledger.with_daemon + ledger.in_channels +
	                                  ledger.with_clients + ledger.in_regions);
}

static void
deaths_begin(void)
{
	char const *const sets[] = {"realms.demo.classes=64:1024,1024:128", NULL};
	struct tsr_client client;
	char name[16];

	daemon_start(&daemon_, sets);
	daemon_control(&daemon_, &control);
	deaths = mmap(NULL, sizeof(*deaths), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	              0);
	cr_assert_neq(deaths, MAP_FAILED);
	client = daemon_attach(&daemon_, 0);
	for (int i = 0; i < CHANNELS; i++) {
		snprintf(name, sizeof(name), "deaths/%d", i);
		test_ok(tsr_channel_create(client, name, &shapes[i]));
	}
	test_ok(tsr_detach(client));
	for (uint64_t i = 0; i < CLIENTS; i++)
		child_start(&children[i], life, (void *)(uintptr_t)i);
}

Test(deaths, thirty_two_clients_on_channels_of_all_kinds_die_at_random_and_the_ledger_balances)
{
	bool const compat = getenv("TESSERA_TEST_SET") != NULL;
	uint64_t const kills = test_nightly() ? 200000 : compat ? 100 : 1000;
	uint64_t seed = test_seed();
	struct tsr_proto_status_reply status;

	deaths_begin();
	for (uint64_t i = 1; i <= kills; i++) {
		uint64_t const victim = test_random(&seed) % CLIENTS;
		uint64_t const until = tsr_now_ns() + test_random(&seed) % 3000000;

		while (tsr_now_ns() < until)
			sched_yield();
		cr_assert_eq(atomic_load(&children[victim].report->failed), 0, "%s",
		             children[victim].report->text);
		child_kill(&children[victim], SIGKILL);
		atomic_store(&deaths->still[victim], 0);
		child_start(&children[victim], life, (void *)(uintptr_t)victim);
		stand_still();
		balances(i);
		go_on();
	}
	status = daemon_status(&daemon_);
	cr_log_info("%ju kills, %ju reaped, %ju messages received", (uintmax_t)kills,
	            (uintmax_t)status.reaped, (uintmax_t)atomic_load(&deaths->messages));
	cr_assert_geq(status.reaped, kills / 2);
	cr_assert_gt(atomic_load(&deaths->messages), kills);
	stand_still();
	for (uint32_t i = 0; i < CLIENTS; i++) {
		cr_assert_gt(atomic_load(&deaths->rounds[i]), 0, "client %u has done nothing", i);
		child_kill(&children[i], SIGKILL);
	}
	balances(kills + CLIENTS);
	tsr_control_close(&control);
	daemon_stop(&daemon_);
}
