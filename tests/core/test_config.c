/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
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
	test_same(config.connections_per_user, 17);
	test_same(config.bytes_per_user, 3 << 20);
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
	test_same(config.bytes_per_user, 4096);
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
