/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "shm/client.h"
#include "shm/meters.h"
#include "tests/conserve/world.h"
#include "tests/support/check.h"

/*
 * Rounds of two seconds: traffic on all channels, in which one process after another is killed and
 * another takes its place; then all end, what is left in the channels is received by the test, and
 * each message is accounted for, and each ticket. Twenty seconds; ten minutes with TESSERA_NIGHTLY.
 * TESSERA_SEED repeats a round's dice, if not what the scheduler does.
 */
#define ROUND_NS     (2 * TEST_SECOND)
#define ROUNDS       10
#define ROUNDS_NIGHT 300
#define ACTORS       (CONSERVE_SENDERS + CONSERVE_RECEIVERS)

struct conserve_world *conserve_world;
struct daemon conserve_daemon;

static struct child child[ACTORS];
static struct conserve_actor actor[ACTORS];
static uint32_t lives;
static uint64_t carried[CONSERVE_CHANNELS];
static uint32_t connections; /* of the daemon, when nobody is there */

static void
conserve_setup(void)
{
	daemon_start(&conserve_daemon, NULL);
	connections = daemon_ledger(&conserve_daemon, "demo").connections;
	conserve_world = mmap(NULL, sizeof(*conserve_world), PROT_READ | PROT_WRITE,
	                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert_neq(conserve_world, MAP_FAILED);
}

static void
conserve_teardown(void)
{
	munmap(conserve_world, sizeof(*conserve_world));
	daemon_stop(&conserve_daemon);
}

TestSuite(conserve, .timeout = 3600);

static bool made; /* all channels */

/* Channels are made anew now and then. */
static void
make_channels(uint64_t *seed)
{
	struct tsr_client const client = daemon_attach(&conserve_daemon, 0);

	for (unsigned i = 0; conserve_table[i].name != NULL; i++) {
		struct conserve_channel const *const channel = &conserve_table[i];
		int error;

		cr_assert_lt(i, CONSERVE_CHANNELS);
		if (made && test_random(seed) % 4 == 0)
			test_ok(tsr_channel_remove(client, channel->name));
		error = tsr_channel_create(client, channel->name, &channel->options);
		cr_assert_eq(error, 0, "%s: create gave %d (%s)", channel->name, error,
		             tsr_last_hint());
	}
	made = true;
	test_ok(tsr_detach(client));
}

/* Another process in that place. */
static void
begin(unsigned which, uint64_t *seed)
{
	bool const sends = which < CONSERVE_SENDERS;

	actor[which].which = which;
	actor[which].slot = sends ? which : which - CONSERVE_SENDERS;
	actor[which].incarnation++;
	actor[which].life = sends ? lives++ : 0;
	actor[which].seed = test_random(seed) | 1;
	child_start(&child[which], sends ? conserve_send : conserve_receive, &actor[which]);
}

/* From outside, which finds most asleep; or in the middle of what it does next. */
static void
kill_one(unsigned which, bool doom, struct conserve_toll *toll)
{
	uint64_t unnoted;

	if (doom) {
		atomic_store(&conserve_world->doom[which], 1);
		child_died(&child[which]);
		child_forget(&child[which]);
	} else {
		child_kill(&child[which], SIGKILL);
	}
	atomic_store(&conserve_world->doom[which], 0);
	if (which < CONSERVE_SENDERS) {
		toll->senders_killed++;
		return;
	}
	toll->receivers_killed++;
	toll->sleepers_killed += !doom;
	unnoted = atomic_exchange(&conserve_world->unnoted[which - CONSERVE_SENDERS], 0);
	toll->unnoted += doom ? unnoted : 0;
}

/* Traffic and deaths. */
static void
storm(uint64_t *seed, struct conserve_toll *toll)
{
	uint64_t const until = tsr_now_ns() + ROUND_NS;

	for (unsigned i = 0; i < ACTORS; i++)
		begin(i, seed);
	while (tsr_now_ns() < until && lives < CONSERVE_LIVES) {
		struct timespec const pause = {.tv_nsec = (long)(test_random(seed) % 40000000)};
		unsigned const which = (unsigned)(test_random(seed) % ACTORS);

		(void)nanosleep(&pause, NULL);
		kill_one(which, test_random(seed) % 3 != 0, toll);
		if (which >= CONSERVE_SENDERS || lives < CONSERVE_LIVES)
			begin(which, seed);
		else
			child[which].pid = 0;
	}
	atomic_store(&conserve_world->stop, 1);
	for (unsigned i = 0; i < ACTORS; i++) {
		if (child[i].pid != 0)
			child_join(&child[i]);
	}
}

/* Wait until the daemon has settled what the dead held. */
static void
bury(void)
{
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_ledger_reply ledger = daemon_ledger(&conserve_daemon, "demo");

	while (ledger.reaps_pending != 0 || ledger.connections > connections) {
		cr_assert(!test_passed(deadline), "%u deaths are pending, of %u connections",
		          ledger.reaps_pending, ledger.connections);
		sched_yield();
		ledger = daemon_ledger(&conserve_daemon, "demo");
	}
}

/* Receive all that is left. */
static void
drain(void)
{
	struct tsr_client const client = daemon_attach(&conserve_daemon, 0);
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	for (unsigned i = 0; conserve_table[i].name != NULL; i++) {
		if ((conserve_table[i].rules & CONSERVE_EVERYBODY) != 0)
			continue;
		test_ok(tsr_receiver_open(client, conserve_table[i].name, NULL, &receiver));
		while (tsr_recv(receiver, &msg, TSR_NOWAIT) == 0) {
			char const *const wrong = conserve_note(i, &msg, conserve_received(&msg));

			cr_assert_null(wrong, "%s: %s", conserve_table[i].name, wrong);
			test_ok(tsr_release(client, &msg));
		}
		test_ok(tsr_receiver_close(receiver));
	}
	test_ok(tsr_detach(client));
}

/* What the senders of each channel have counted as lost since it was made. */
static void
count_lost(uint64_t lost[CONSERVE_CHANNELS])
{
	struct tsr_client const client = daemon_attach(&conserve_daemon, 0);
	struct tsr_attachment const *const attachment = tsr_attachment_get(client);
	struct tsr_map const *const map = attachment != NULL ? &attachment->map : NULL;
	struct tsr_meters_request request = {.now_ns = tsr_now_ns()};
	struct tsr_meter(*meters)[2] = NULL;

	if (map != NULL)
		meters = calloc(map->channels_count, sizeof(*meters));
	if (map == NULL || meters == NULL)
		cr_assert_fail("no map, or no memory");
	request.side = meters;
	test_ok(tsr_meters_read(map, &request));
	for (unsigned c = 0; conserve_table[c].name != NULL; c++) {
		for (uint32_t i = 0; i < map->channels_count; i++) {
			if (tsr_ld_rlx(&map->entries[i].id) != 0 &&
			    strcmp(map->entries[i].name, conserve_table[c].name) == 0)
				lost[c] = meters[i][TSR_SIDE_SENDER].sum.cause[TSR_METRIC_LOST];
		}
	}
	free(meters);
	test_ok(tsr_detach(client));
}

static void
wipe(void)
{
	atomic_store(&conserve_world->stop, 0);
	for (unsigned i = 0; i < CONSERVE_CHANNELS; i++)
		memset((void *)conserve_world->note[i], 0,
		       lives * sizeof(conserve_world->note[i][0]));
	memset(actor, 0, sizeof(actor));
	lives = 0;
}

static void
play(uint64_t seed)
{
	struct conserve_toll toll = {.unnoted = 0};
	struct conserve_sum sum = {.sent = 0};
	uint64_t before[CONSERVE_CHANNELS] = {0}, lost[CONSERVE_CHANNELS] = {0};
	char const *wrong;

	conserve_world->seed = seed;
	make_channels(&seed);
	count_lost(before);
	storm(&seed, &toll);
	bury();
	drain();
	count_lost(lost);
	for (unsigned i = 0; i < CONSERVE_CHANNELS; i++)
		lost[i] -= before[i];
	wrong = conserve_account(lives, &toll, lost, carried, &sum);
	fprintf(stderr,
	        "round %#jx: %ju sent, %ju received, %ju again, %ju dropped, %ju kept, %ju "
	        "undelivered, %ju in doubt; %u senders and %u receivers killed, %ju of at most %ju "
	        "unnoted\n",
	        (uintmax_t)conserve_world->seed, (uintmax_t)sum.sent, (uintmax_t)sum.received,
	        (uintmax_t)sum.again, (uintmax_t)sum.dropped, (uintmax_t)sum.kept,
	        (uintmax_t)sum.undelivered, (uintmax_t)sum.in_doubt, toll.senders_killed,
	        toll.receivers_killed, (uintmax_t)sum.unnoted, (uintmax_t)CONSERVE_UNNOTED(&toll));
	cr_assert_null(wrong, "%s; again: TESSERA_SEED=%#jx", wrong,
	               (uintmax_t)conserve_world->seed);
	cr_assert_gt(sum.received, 1000, "too little went through to tell anything");
	daemon_balanced(&conserve_daemon, "demo");
	test_same(daemon_ledger(&conserve_daemon, "demo").with_clients, 0);
	wipe();
}

test_case(conserve, each_message_is_accounted_for_whoever_dies)
{
	uint64_t seed = test_seed();
	int const rounds = test_nightly() ? ROUNDS_NIGHT : ROUNDS;

	for (int round = 0; round < rounds; round++) {
		play(seed);
		seed = test_random(&seed);
	}
	for (unsigned i = 0; conserve_table[i].name != NULL; i++) {
		fprintf(stderr, "%s: %ju received\n", conserve_table[i].name,
		        (uintmax_t)carried[i]);
		cr_assert_gt(carried[i], 0, "nothing went through %s", conserve_table[i].name);
	}
	test_same(daemon_missed_wakes(&conserve_daemon), 0);
}
