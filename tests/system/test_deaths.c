/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/system/crowd.h"

/*
 * Out of a crowd in full traffic, the daemon that serves it, and the holder that keeps its realm,
 * one after another is killed at random, and another takes its place. After each death all stand
 * still, and the ledger balances to the last ticket; now and then each message is accounted for.
 */
#define DAEMON_SHARE  40 /* one death in so many */
#define HOLDER_SHARE  40
#define ACCOUNT_SHARE 25
#define TELL_NS       (60 * TEST_SECOND)

static struct daemon daemon_, holder_;
static uint64_t seed;

TestSuite(deaths, .timeout = 36000);

struct dead {
	uint64_t kills; /* in all */
	uint64_t daemons;
	uint64_t holders;
	uint64_t reaped;
};

static bool
one_in(uint64_t share)
{
	return test_random(&seed) % share == 0;
}

static void
die_client(struct dead *dead)
{
	crowd_kill((uint32_t)(test_random(&seed) % CROWD_CLIENTS));
	dead->kills++;
}

/* Clients may die while there is none. */
static void
die_daemon(struct dead *dead)
{
	dead->reaped += daemon_status(&daemon_).reaped;
	crowd_kill_daemon();
	dead->kills++;
	dead->daemons++;
	while (one_in(2))
		die_client(dead);
	crowd_start_daemon();
	test_same(daemon_status(&daemon_).realms_taken, 1);
}

/* And be in the middle of their repair when there is another. */
static void
die_holder(struct dead *dead)
{
	crowd_kill_holder();
	dead->kills++;
	dead->holders++;
	while (one_in(2))
		die_client(dead);
	crowd_start_holder();
}

static void
die_one(struct dead *dead)
{
	uint64_t const until = tsr_now_ns() + test_random(&seed) % 3000000;
	char after[64];

	while (tsr_now_ns() < until)
		(void)usleep(50);
	if (one_in(DAEMON_SHARE)) {
		die_daemon(dead);
	} else if (one_in(HOLDER_SHARE)) {
		die_holder(dead);
	} else {
		die_client(dead);
	}
	snprintf(after, sizeof(after), "kill %ju", (uintmax_t)dead->kills);
	crowd_stand_still();
	crowd_balances(after);
	crowd_go_on();
	if (one_in(ACCOUNT_SHARE)) {
		crowd_account();
		crowd_go_on();
	}
}

static void
tell(struct dead const *dead)
{
	struct crowd_tally const tally = crowd_tally();

	fprintf(stderr,
	        "%ju kills: %ju daemons, %ju holders, %ju clients, %ju reaped; %ju messages "
	        "received, %ju accounted for; %ju may have been lost with the dead, %ju were; %ju "
	        "came again; %ju gave up waiting for a daemon\n",
	        (uintmax_t)dead->kills, (uintmax_t)dead->daemons, (uintmax_t)dead->holders,
	        (uintmax_t)(dead->kills - dead->daemons - dead->holders), (uintmax_t)dead->reaped,
	        (uintmax_t)tally.received, (uintmax_t)tally.sent, (uintmax_t)tally.excused,
	        (uintmax_t)tally.lost, (uintmax_t)tally.again, (uintmax_t)tally.gave_up);
}

/* By night 200,000; TESSERA_KILLS=N: so many. */
static uint64_t
kills_wanted(void)
{
	char const *const given = getenv("TESSERA_KILLS");
	bool const compat = getenv("TESSERA_TEST_SET") != NULL;

	if (given != NULL)
		return strtoull(given, NULL, 0);
	return (test_nightly() ? 200000U : 1000U) / (compat ? 10 : 1);
}

Test(deaths, clients_daemons_and_holders_die_at_random_and_the_ledger_balances)
{
	uint64_t const kills = kills_wanted();
	uint64_t told = tsr_now_ns();
	struct dead dead = {0};

	seed = test_seed();
	crowd_begin(&holder_, &daemon_);
	while (dead.kills < kills) {
		die_one(&dead);
		if (tsr_now_ns() - told > TELL_NS) {
			told = tsr_now_ns();
			tell(&dead);
		}
	}
	crowd_account();
	dead.reaped += daemon_status(&daemon_).reaped;
	tell(&dead);
	cr_assert_geq(dead.reaped, (kills - dead.daemons - dead.holders) / 2);
	cr_assert_gt(crowd_tally().received, kills);
	crowd_end();
}

Test(deaths, of_daemon_and_holder_at_once_nothing_is_left_and_all_begin_anew)
{
	struct dead dead = {0};

	seed = test_seed();
	crowd_begin(&holder_, &daemon_);
	for (int i = 0; i < 10; i++)
		die_one(&dead);
	crowd_outlive();
	crowd_balances("the death of both");
	crowd_go_on();
	for (int i = 0; i < 10; i++)
		die_one(&dead);
	crowd_account();
	crowd_end();
}
