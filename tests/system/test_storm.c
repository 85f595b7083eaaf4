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

/*
 * Three senders and two receivers in full traffic on one channel; one of them after another is
 * killed
 * and another takes its place. In the end every message of every sender that ever was is accounted
 * for.
 */
#define SENDERS   3
#define RECEIVERS 2
#define MESSAGES  65536 /* of one sender at most */
#define LIVES     160   /* senders in all */

struct life {
	_Atomic uint64_t sent; /* for certain */
	_Atomic unsigned char seen[MESSAGES];
	_Atomic unsigned char again[MESSAGES];
};

struct storm {
	_Atomic uint64_t stop;
	struct life life[LIVES];
};

static struct daemon daemon_;
static struct tsr_client a;
static struct storm *storm;

static void
storm_setup(void)
{
	struct tsr_channel_options const options = {.size = sizeof(options), .capacity = 16};

	daemon_start(&daemon_, NULL);
	a = daemon_attach(&daemon_, 0);
	test_ok(tsr_channel_create(a, "storm", &options));
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	             0);
	cr_assert_neq(storm, MAP_FAILED);
}

static void
storm_teardown(void)
{
	test_same(daemon_missed_wakes(&daemon_), 0);
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_detach(a));
	daemon_stop(&daemon_);
}

TestSuite(storm, .timeout = 120);

static int
sending(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	uint64_t const life = (uintptr_t)arg;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "storm", NULL, &sender));
	report_set(report, 0, 1);
	for (uint64_t i = 0; i < MESSAGES && atomic_load(&storm->stop) == 0; i++) {
		int error;

		child_ok(report, tsr_alloc(client, 64, &msg));
		((uint64_t *)msg.data)[0] = life;
		((uint64_t *)msg.data)[1] = i;
		((uint64_t *)msg.data)[7] = ~(life + i);
		/* All receivers may be gone for a moment. */
		while ((error = tsr_send(sender, &msg, tsr_deadline_in_ms(20000))) == -ECONNRESET &&
		       atomic_load(&storm->stop) == 0)
			sched_yield();
		if (error != 0) {
			child_check(report, atomic_load(&storm->stop) != 0, "send gave %d", error);
			child_ok(report, tsr_release(client, &msg));
			break;
		}
		atomic_store(&storm->life[life].sent, i + 1);
	}
	child_ok(report, tsr_sender_close(sender));
	child_ok(report, tsr_detach(client));
	return 0;
}

static int
receiving(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "storm", NULL, &receiver));
	report_set(report, 0, 1);
	for (;;) {
		uint64_t const *words;
		int const error = tsr_recv(receiver, &msg, tsr_deadline_in_ms(20));

		if (error == -ETIMEDOUT || error == -ECONNRESET || error == -EPIPE) {
			/* Nothing more is sent, and nothing is left. */
			if (atomic_load(&storm->stop) == 2)
				break;
			sched_yield();
			continue;
		}
		child_ok(report, error);
		words = msg.data;
		child_check(report, words[0] < LIVES && words[1] < MESSAGES &&
		                            words[7] == ~(words[0] + words[1]));
		atomic_fetch_add(&storm->life[words[0]].seen[words[1]], 1);
		if ((msg.flags & TSR_MSG_REDELIVERED) != 0)
			atomic_fetch_add(&storm->life[words[0]].again[words[1]], 1);
		child_ok(report, tsr_release(client, &msg));
	}
	child_ok(report, tsr_receiver_close(receiver));
	child_ok(report, tsr_detach(client));
	return 0;
}

static uint64_t lives;

static void
replace(struct child *child, int which)
{
	if (which < SENDERS)
		child_start(child, sending, (void *)(uintptr_t)lives++);
	else
		child_start(child, receiving, NULL);
	cr_assert(report_await(child->report, 0, 1, 20000), "%s", child->report->text);
}

static void
account(unsigned receivers_killed)
{
	uint64_t total = 0, lost = 0;

	for (uint64_t l = 0; l < lives; l++) {
		uint64_t const sent = atomic_load(&storm->life[l].sent);

		for (uint64_t m = 0; m < MESSAGES; m++) {
			unsigned const seen = atomic_load(&storm->life[l].seen[m]);
			unsigned const again = atomic_load(&storm->life[l].again[m]);

			/* The last one before a death may have been sent, or not. */
			cr_assert(m <= sent || seen == 0, "%ju of life %ju was never sent",
			          (uintmax_t)m, (uintmax_t)l);
			cr_assert(seen <= 1 + again, "%ju of life %ju came %u times, %u flagged",
			          (uintmax_t)m, (uintmax_t)l, seen, again);
			lost += m < sent && seen == 0;
			total += seen;
		}
	}
	fprintf(stderr, "%ju messages of %ju senders, %ju not told of by %u dead receivers\n",
	        (uintmax_t)total, (uintmax_t)lives, (uintmax_t)lost, receivers_killed);
	cr_assert_leq(lost, receivers_killed);
}

test_case(storm, ends_killed_in_full_traffic_cost_nobody_else_a_message)
{
	uint64_t seed = test_seed();
	struct child child[SENDERS + RECEIVERS];
	unsigned receivers_killed = 0;
	int const kills = test_nightly() ? 10 * LIVES : LIVES;

	for (int i = 0; i < SENDERS + RECEIVERS; i++)
		replace(&child[i], i);
	for (int kill = 0; kill < kills && lives < LIVES; kill++) {
		int const which = (int)(test_random(&seed) % (SENDERS + RECEIVERS));

		for (uint64_t i = test_random(&seed) % 300000; i > 0; i--)
			tsr_cpu_relax();
		receivers_killed += which >= SENDERS;
		child_kill(&child[which], SIGKILL);
		replace(&child[which], which);
	}
	atomic_store(&storm->stop, 1);
	for (int i = 0; i < SENDERS; i++)
		child_join(&child[i]);
	atomic_store(&storm->stop, 2);
	for (int i = SENDERS; i < SENDERS + RECEIVERS; i++)
		child_join(&child[i]);
	account(receivers_killed);
}
