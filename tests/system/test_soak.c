/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/closer.h"
#include "core/store.h"
#include "tests/support/check.h"
#include "tests/system/crowd.h"

/*
 * For an hour (TESSERA_SOAK=SECONDS: for so long) a crowd is in full traffic; one of it dies now
 * and then, in the middle third the daemon and the holder, too. Nothing may grow: not within the
 * first third, not within the last one, and not from the one to the other, over all those deaths.
 */
#define SOAK_S      3600
#define SAMPLES     60                /* in all */
#define DEATH_NS    (TEST_SECOND / 2) /* on average, between two deaths of clients */
#define DAEMONS     6                 /* that die, and as many holders */
#define ACCOUNT_NS  (5 * TEST_SECOND)
#define WARM_SHARE  3 /* of a third: the part that is not judged */
#define NAME_FORMAT "# %-26s"

enum figure {
	DAEMON_KIB,
	DAEMON_FDS,
	DAEMON_MAPS,
	DAEMON_THREADS,
	HOLDER_KIB,
	HOLDER_FDS,
	STORED,
	EVENTS,
	CLIENTS,
	CHANNELS,
	CONNECTIONS,
	REGIONS,
	SHARED_KIB,
	TICKETS,
	FIGURES,
};

/* By how much a figure may be more: those who come and go are counted at any moment, and libc keeps
 * the stacks and arenas of as many threads as were ever closing regions at once. Up to what all
 * clients have it may be in any case. */
static struct {
	char const *name;
	uint64_t slack;
	uint64_t slack_percent;
	uint64_t all;
} const figures[FIGURES] = {
	[DAEMON_KIB] = {"daemon's own memory, KiB", 512, 5, 0},
	[DAEMON_FDS] = {"daemon's descriptors", 8 + TSR_CLOSER_MAX, 0, 0},
	[DAEMON_MAPS] = {"daemon's mappings", 128, 0, 0},
	[DAEMON_THREADS] = {"daemon's threads", TSR_CLOSER_MAX, 0, 0},
	[HOLDER_KIB] = {"holder's own memory, KiB", 128, 0, 0},
	[HOLDER_FDS] = {"holder's descriptors", 4, 0, 20 + CROWD_CLIENTS},
	[STORED] = {"descriptors kept", 4, 0, 10 + CROWD_CLIENTS},
	[EVENTS] = {"events kept", 1, 0, 0},
	[CLIENTS] = {"client ids in use", 3, 0, CROWD_CLIENTS},
	[CHANNELS] = {"channels", 1, 0, CROWD_CHANNELS},
	[CONNECTIONS] = {"connections", 3, 0, 2 + CROWD_CLIENTS},
	[REGIONS] = {"regions", 2, 0, 0},
	[SHARED_KIB] = {"shared memory, KiB", 0, 0, 0},
	[TICKETS] = {"tickets in use", 64, 25, 0},
};

struct sample {
	uint64_t at_ns;
	uint64_t value[FIGURES];
};

static struct daemon daemon_, holder_;
static struct sample samples[SAMPLES];
static uint64_t seed, begun, length;

TestSuite(soak, .timeout = 36000);

/* A number behind @key in /proc/PID/status; pages of anonymous memory, threads. */
static uint64_t
status_of(pid_t pid, char const *key)
{
	char path[64], line[256];
	uint64_t value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoull(line + strlen(key), NULL, 10);
	}
	fclose(file);
	return value;
}

static uint64_t
maps_of(pid_t pid)
{
	char path[64], line[512];
	uint64_t lines = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		lines++;
	fclose(file);
	return lines;
}

static uint64_t
fds_of(pid_t pid)
{
	char path[64];
	uint64_t count = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	cr_assert_not_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* While all stand still and everything is drained. */
static void
sample_take(struct sample *out)
{
	struct tsr_proto_status_reply const status = daemon_status(&daemon_);
	struct tsr_proto_ledger_reply const ledger = daemon_ledger(&daemon_, "demo");
	struct tsr_proto_row_region rows[1];

	*out = (struct sample){
		.at_ns = tsr_now_ns() - begun,
		.value = {
			[DAEMON_KIB] = status_of(daemon_.pid, "RssAnon:"),
			[DAEMON_FDS] = fds_of(daemon_.pid),
			[DAEMON_MAPS] = maps_of(daemon_.pid),
			[DAEMON_THREADS] = status_of(daemon_.pid, "Threads:"),
			[HOLDER_KIB] = status_of(holder_.pid, "RssAnon:"),
			[HOLDER_FDS] = fds_of(holder_.pid),
			[STORED] = status.stored,
			[EVENTS] = holder_count(&holder_, TSR_STORE_PREFIX "event."),
			[CLIENTS] = status.clients,
			[CHANNELS] = status.channels,
			[CONNECTIONS] = status.connections,
			[REGIONS] = daemon_regions(&daemon_, rows, 0),
			[SHARED_KIB] = status.memory_bytes >> 10,
			[TICKETS] = ledger.tickets - ledger.in_depot - ledger.with_daemon,
		}};
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), status.stored);
}

/* The most that it was in a part of the time, in 1/1000 of all. */
static uint64_t
most(enum figure figure, uint64_t from, uint64_t to)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < SAMPLES; i++) {
		uint64_t const at = samples[i].at_ns * 1000 / length;

		if (samples[i].at_ns != 0 && at >= from && at < to &&
		    samples[i].value[figure] > value)
			value = samples[i].value[figure];
	}
	return value;
}

static bool
grew(enum figure figure, uint64_t before, uint64_t after)
{
	uint64_t const all = figures[figure].all;
	uint64_t const base = before > all ? before : all;

	return after > base + figures[figure].slack + base * figures[figure].slack_percent / 100;
}

/* The table. Return: how many figures grew. */
static unsigned
judge(void)
{
	unsigned count = 0;

	printf(NAME_FORMAT " %10s %10s %10s %10s %10s\n", "the most", "1st third", "its end",
	       "2nd third", "3rd third", "its end");
	for (unsigned f = 0; f < FIGURES; f++) {
		uint64_t const early = most(f, 1000 / 3 / WARM_SHARE, 222);
		uint64_t const end = most(f, 222, 333);
		uint64_t const late = most(f, 667 + 1000 / 3 / WARM_SHARE, 889);
		uint64_t const last = most(f, 889, UINT64_MAX);
		bool const bad = grew(f, early, end) || grew(f, late, last) ||
		                 grew(f, early > end ? early : end, last);

		printf(NAME_FORMAT " %10ju %10ju %10ju %10ju %10ju%s\n", figures[f].name,
		       (uintmax_t)early, (uintmax_t)end, (uintmax_t)most(f, 333, 667),
		       (uintmax_t)late, (uintmax_t)last, bad ? "  GREW" : "");
		count += bad;
	}
	fflush(stdout);
	return count;
}

static uint64_t
passed(void)
{
	return tsr_now_ns() - begun;
}

/* In the middle third: the daemon and the holder in turn. */
static void
die_service(uint64_t number)
{
	if (number % 2 == 0) {
		crowd_kill_daemon();
		crowd_start_daemon();
		test_same(daemon_status(&daemon_).realms_taken, 1);
	} else {
		crowd_kill_holder();
		crowd_start_holder();
	}
	crowd_stand_still();
	crowd_balances("the death of the daemon or holder");
	crowd_go_on();
}

/* Until the next account: clients die now and then. */
static void
die_clients(uint64_t until)
{
	while (passed() < until) {
		uint64_t const next = tsr_now_ns() + test_random(&seed) % (2 * DEATH_NS);
		struct timespec const pause = {.tv_nsec = 10000000};

		while (tsr_now_ns() < next)
			nanosleep(&pause, NULL);
		crowd_kill((uint32_t)(test_random(&seed) % CROWD_CLIENTS));
		crowd_stand_still();
		crowd_balances("a client's death");
		crowd_go_on();
	}
}

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

Test(soak, nothing_grows_while_clients_daemons_and_holders_die)
{
	char const *const given = getenv("TESSERA_SOAK");
	uint64_t taken = 0, services = 0;
	struct crowd_tally tally;

	if (given == NULL && (!test_nightly() || getenv("TESSERA_TEST_SET") != NULL))
		cr_skip_test("it takes an hour: by night, or TESSERA_SOAK=SECONDS");
	length = (given == NULL ? SOAK_S : strtoull(given, NULL, 0)) * TEST_SECOND;
	seed = test_seed();
	crowd_begin(&holder_, &daemon_);
	begun = tsr_now_ns();
	while (taken < SAMPLES) {
		uint64_t const sample_due = (taken + 1) * length / SAMPLES;
		uint64_t const service_due = length / 3 + services * length / 6 / DAEMONS;

		die_clients(smaller(passed() + ACCOUNT_NS, sample_due));
		if (services < 2 * DAEMONS && passed() >= service_due)
			die_service(services++);
		crowd_account();
		crowd_balances("all that");
		if (passed() >= sample_due)
			sample_take(&samples[taken++]);
		crowd_go_on();
	}
	tally = crowd_tally();
	printf("# %ju s: %ju clients killed, %ju daemons and holders; %ju messages received, %ju "
	       "accounted for, %ju lost with the dead, %ju came again, %ju gave up waiting for "
	       "a daemon\n",
	       (uintmax_t)(passed() / TEST_SECOND), (uintmax_t)tally.kills, (uintmax_t)services,
	       (uintmax_t)tally.received, (uintmax_t)tally.sent, (uintmax_t)tally.lost,
	       (uintmax_t)tally.again, (uintmax_t)tally.gave_up);
	cr_assert_eq(judge(), 0, "something grew: see the table");
	test_same(services, 2 * DAEMONS);
	crowd_end();
}
