/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/config_diff.h"
#include "core/config_key.h"
#include "tests/support/check.h"

/* Files and --set on top of the defaults, and every mistake told with its place. */

static struct tsr_config config;
static char told[4096];

static void
tell(void *argument, const char *line)
{
	(void)argument;
	strncat(told, line, sizeof(told) - strlen(told) - 2);
	strcat(told, "\n");
}

static struct tsr_config_sink sink = {.complain = tell};

static void
config_setup(void)
{
	test_ok(tsr_config_default(&config));
}

static void
config_teardown(void)
{
	tsr_config_destroy(&config);
}

TestSuite(config, .timeout = 20);

static int
read_text(char const *text)
{
	char path[] = "/tmp/tessera-test-XXXXXX";
	int const fd = mkstemp(path);
	int error;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	error = tsr_config_read(&config, path, &sink);
	unlink(path);
	return error;
}

/* The text is refused, and the complaint names all of these. */
static void
refused(char const *text, char const *place, char const *words)
{
	unsigned const mistakes = sink.mistakes;

	told[0] = '\0';
	cr_assert_eq(read_text(text), -EINVAL, "'%s' was taken", text);
	cr_assert_gt(sink.mistakes, mistakes);
	cr_assert_not_null(strstr(told, place), "'%s' does not say '%s'", told, place);
	cr_assert_not_null(strstr(told, words), "'%s' does not say '%s'", told, words);
}

test_case(config, default_is_a_realm_demo_for_its_own_user)
{
	test_same(config.realms_count, 1);
	cr_assert_str_eq(config.realms[0].geometry.name, "demo");
	test_same(config.realms[0].owner, geteuid());
	test_same(config.realms[0].mode & 07, 0);
	test_ok(tsr_config_check(&config, &sink));
	test_same(sink.mistakes, 0);
}

test_case(config, file_replaces_what_it_names_and_keeps_the_rest)
{
	test_ok(read_text("log: { level = \"debug\"; };\n"
	                  "limits: { connections_per_user = 17; bytes_per_user = \"3M\"; };\n"
	                  "realms = (\n"
	                  "  { name = \"one\"; mode = \"0660\"; channels = 5; slots = 640;\n"
	                  "    classes = ( { bytes = 64; count = 32; }, { bytes = \"4K\"; count = "
	                  "8; } ); },\n"
	                  "  { name = \"two\"; clients = 9; backing = \"4K\"; }\n"
	                  ");\n"));
	test_ok(tsr_config_check(&config, &sink));
	test_same(config.log_level, TSR_LOG_DEBUG);
	test_same(config.limits.user[TSR_QUOTA_CONNECTIONS], 17);
	test_same(config.limits.user[TSR_QUOTA_BYTES], 3 << 20);
	test_same(config.realms_count, 2);
	test_same(config.realms[0].mode, 0660);
	test_same(config.realms[0].geometry.channels, 5);
	test_same(config.realms[0].geometry.classes, 2);
	test_same(config.realms[0].geometry.klass[1].block_bytes, 4096);
	cr_assert_str_eq(config.realms[1].geometry.name, "two");
	test_same(config.realms[1].geometry.clients, 9);
	test_same(config.realms[1].backing, TSR_BACKING_4K);
}

test_case(config, set_goes_on_top_and_makes_realms)
{
	test_ok(tsr_config_set(&config, "realms.demo.clients=33", &sink));
	test_ok(tsr_config_set(&config, "realms.more.channels=7", &sink));
	test_ok(tsr_config_set(&config, "realms.more.classes=64:100,1M:2", &sink));
	test_ok(tsr_config_set(&config, "compat.kernel=6.1", &sink));
	test_ok(tsr_config_set(&config, "limits.bytes_per_user=0x1000", &sink));
	test_ok(tsr_config_check(&config, &sink));
	test_same(config.realms_count, 2);
	test_same(config.realms[0].geometry.clients, 33);
	test_same(config.realms[1].geometry.channels, 7);
	test_same(config.realms[1].geometry.klass[1].block_bytes, 1 << 20);
	test_same(config.realms[1].geometry.klass[1].count, 2);
	test_same(config.limits.user[TSR_QUOTA_BYTES], 4096);
	cr_assert(config.compat);
	test_same(sink.mistakes, 0);
}

test_case(config, mistakes_are_told_with_file_and_line)
{
	refused("log: { level = \"loud\"; };\n", ":1", "loud");
	refused("\n\nnonsense = 3;\n", ":3", "nonsense");
	refused("limits: {\n  connections_per_user = 0;\n};\n", ":2", "connections_per_user");
	refused("limits: {\n  connections_per_user = \"many\";\n};\n", ":2",
	        "connections_per_user");
	refused("realms = ( { name = \"a\"; }, { name = \"a\"; } );\n", ":1", "twice");
	refused("realms = ( { mode = \"0600\"; } );\n", ":1", "name");
	refused("realms = ( { name = \"a\"; mode = \"0777\"; } );\n", ":1", "mode");
	refused("realms = ( { name = \"a\"; owner = \"nobody-of-that-name\"; } );\n", ":1",
	        "owner");
	refused("realms = (\n", ":", "");
	refused("log = 5;\n", ":1", "log");
	refused("poll: { isolated = \"perhaps\"; };\n", ":1", "isolated");
}

test_case(config, every_mistake_of_a_file_is_told_and_not_only_the_first)
{
	told[0] = '\0';
	test_is(read_text("first = 1;\nlog: { level = \"loud\"; };\nlast = 2;\n"), -EINVAL);
	cr_assert_not_null(strstr(told, "first"), "%s", told);
	cr_assert_not_null(strstr(told, "loud"), "%s", told);
	cr_assert_not_null(strstr(told, "last"), "%s", told);
	cr_assert_geq(sink.mistakes, 3);
}

test_case(config, set_that_cannot_be_is_refused_and_changes_nothing)
{
	char const *const wrong[] = {"",
	                             "=",
	                             "=1",
	                             "realms",
	                             "realms.=1",
	                             "realms.demo=1",
	                             "realms.demo.clients",
	                             "realms.demo.clients=",
	                             "realms.demo.clients=-1",
	                             "realms.demo.clients=99999999999999999999",
	                             "realms.demo.slots=1e3",
	                             "realms.demo.first_lap=0x200000000000000",
	                             "realms.demo.classes=",
	                             "realms.demo.classes=64",
	                             "realms.demo.classes=64:0",
	                             "realms.demo.classes=64:1,64:1,",
	                             "socket=relative",
	                             "log.level="};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint32_t const clients = config.realms[0].geometry.clients;
		unsigned const mistakes = sink.mistakes;
		int error = tsr_config_set(&config, wrong[i], &sink);

		if (error == 0)
			error = tsr_config_check(&config, &sink);
		cr_assert_eq(error, -EINVAL, "--set '%s' gave %d", wrong[i], error);
		cr_assert_gt(sink.mistakes, mistakes, "--set '%s' was refused in silence",
		             wrong[i]);
		test_same(config.realms[0].geometry.clients, clients);
		tsr_config_destroy(&config);
		config_setup();
	}
}

/* Every key: what it is set to, and whether a reload can do that. */
static const struct {
	char const *set;
	char const *before;
	char const *after;
	bool live;
} keys[] = {
	{"socket=/tmp/x", "\"\"", "\"/tmp/x\"", false},
	{"socket_mode=0600", "0660", "0600", true},
	{"socket_group=7", "-1", "7", true},
	{"log.level=debug", "info", "debug", true},
	{"poll.isolated=true", "false", "true", true},
	{"poll.cpu=0", "-1", "0", false},
	{"compat.kernel=6.1", "\"\"", "\"6.1\"", true},
	{"sandbox.mode=log", NULL, "log", false},
	{"limits.connections_per_user=5", "256", "5", true},
	{"limits.bytes_per_user=1M", "67108864", "1048576", true},
	{"limits.events_per_user=7", NULL, "7", true},
	{"limits.regions_per_user=7", NULL, "7", true},
	{"limits.region_bytes_per_user=1M", NULL, "1048576", true},
	{"limits.channels_per_user=7", NULL, "7", true},
	{"limits.connections=8", "4096", "8", true},
	{"limits.events=8", "16384", "8", true},
	{"limits.channels=8", NULL, "8", true},
	{"limits.bytes=1M", NULL, "1048576", true},
	{"limits.regions=8", "1024", "8", true},
	{"limits.region_bytes=1M", NULL, "1048576", true},
	{"limits.requests_per_second=1000", "50000", "1000", true},
	{"limits.log_lines_per_second=10", "1000", "10", true},
	{"postmortem.folder=/kept", "\"\"", "\"/kept\"", false},
	{"postmortem.keep=3", "16", "3", false},
	{"postmortem.trace=true", "false", "true", false},
	{"realms.demo.owner=4242", NULL, "4242", true},
	{"realms.demo.group=4243", NULL, "4243", true},
	{"realms.demo.mode=0640", "0600", "0640", true},
	{"realms.demo.channels=9", "256", "9", false},
	{"realms.demo.slots=4096", "262144", "4096", false},
	{"realms.demo.clients=9", "256", "9", false},
	{"realms.demo.backing=thp", "auto", "thp", false},
	{"realms.demo.ends=9", "1024", "9", false},
	{"realms.demo.regions=3", NULL, "3", false},
	{"realms.demo.region_tickets=99", NULL, "99", false},
	{"realms.demo.foreign_regions=true", "false", "true", true},
	{"realms.demo.core_files=false", "true", "false", false},
	{"realms.demo.first_lap=9", "0", "9", false},
	{"realms.demo.first_generation=9", NULL, "9", false},
	{"realms.demo.classes=64:9,128:3", NULL, "64:9,128:3", false},
};

static bool
key_is_tried(char const *prefix, char const *path)
{
	char want[160];
	int const length = snprintf(want, sizeof(want), "%s%s=", prefix, path);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strncmp(keys[i].set, want, (size_t)length) == 0)
			return true;
	}
	return false;
}

test_case(config, every_key_there_is_is_tried_below)
{
	struct tsr_config_key const *key;

	for (size_t i = 0; (key = tsr_config_keys_global(i)) != NULL; i++)
		cr_assert(key_is_tried("", key->path), "%s is not", key->path);
	for (size_t i = 0; (key = tsr_config_keys_realm(i)) != NULL; i++)
		cr_assert(key_is_tried("realms.demo.", key->path), "%s is not", key->path);
}

test_case(config, merge_names_each_key_and_keeps_in_force_what_takes_a_restart)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct tsr_changes changes = {0}, none = {0};
		struct tsr_config next, again;
		size_t const length = strcspn(keys[i].set, "=");

		test_ok(tsr_config_default(&next));
		test_ok(tsr_config_default(&again));
		test_ok(tsr_config_set(&next, keys[i].set, &sink));
		test_ok(tsr_config_set(&again, keys[i].set, &sink));
		test_ok(tsr_config_merge(&config, &next, &changes));
		test_same(changes.count, 1);
		cr_assert_eq(strncmp(changes.row[0].key, keys[i].set, length), 0, "%s for %s",
		             changes.row[0].key, keys[i].set);
		test_same(changes.row[0].key[length], '\0');
		cr_assert_str_eq(changes.row[0].after, keys[i].after);
		if (keys[i].before != NULL)
			cr_assert_str_eq(changes.row[0].before, keys[i].before);
		test_same(changes.row[0].what,
		          keys[i].live ? TSR_CHANGE_APPLIED : TSR_CHANGE_RESTART);
		test_same(changes.restart, !keys[i].live);
		test_same(changes.applied, keys[i].live);
		/* What is in force now: the new value, or still the old one. */
		test_ok(tsr_config_merge(keys[i].live ? &next : &config,
		                         keys[i].live ? &again : &next, &none));
		test_same(none.count, 0);
		tsr_changes_destroy(&changes);
		tsr_changes_destroy(&none);
		tsr_config_destroy(&next);
		tsr_config_destroy(&again);
	}
}

test_case(config, merge_refuses_more_leaving_realms_than_there_is_room_for)
{
	struct tsr_changes changes = {0};
	struct tsr_config next;
	char set[64];

	/* Twice as many names as fit, half of them leaving already. */
	for (unsigned round = 0; round < 2; round++) {
		test_ok(tsr_config_default(&next));
		for (unsigned i = 0; i < TSR_REALMS_MAX - 1; i++) {
			snprintf(set, sizeof(set), "realms.r%u-%u.mode=0600", round, i);
			test_ok(tsr_config_set(&next, set, &sink));
		}
		test_ok(tsr_config_merge(&config, &next, &changes));
		tsr_config_destroy(&config);
		config = next;
	}
	test_same(config.realms_count, 2 * TSR_REALMS_MAX - 1);
	test_ok(tsr_config_default(&next));
	snprintf(set, sizeof(set), "realms.more.mode=0600");
	test_ok(tsr_config_set(&next, set, &sink));
	snprintf(set, sizeof(set), "realms.most.mode=0600");
	test_ok(tsr_config_set(&next, set, &sink));
	test_is(tsr_config_merge(&config, &next, &changes), -ENOBUFS);
	tsr_config_destroy(&next);
	tsr_changes_destroy(&changes);
}

test_case(config, random_bytes_are_refused_or_taken_and_never_crash)
{
	static char const letters[] = "abcdefgrealmsclasses={}()[];:\"\\\n .0123456789-xKMG,#/*";
	uint64_t seed = test_seed();
	char text[200];

	for (int i = 0; i < 5000; i++) {
		size_t const length = test_random(&seed) % (sizeof(text) - 1);

		for (size_t k = 0; k < length; k++)
			text[k] = letters[test_random(&seed) % (sizeof(letters) - 1)];
		text[length] = '\0';
		told[0] = '\0';
		(void)!tsr_config_set(&config, text, &sink);
		if (i % 10 == 0)
			(void)!read_text(text);
	}
}
