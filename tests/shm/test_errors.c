/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdlib.h>
#include <string.h>

#include "shm/control.h"
#include "tests/support/check.h"

TestSuite(errors, .timeout = 10);

Test(errors, every_error_of_the_list_has_its_sentence)
{
	struct {
		int error;
		char const *sentence;
	} const list[] = {
#define TSR_ERROR(name, text) {-name, text},
#include "shm/errors.def"
#undef TSR_ERROR
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		cr_assert_str_eq(tsr_strerror(list[i].error), list[i].sentence);
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(list[i].error, list[k].error, "one errno, one meaning");
	}
}

Test(errors, success_and_unknown_errors_have_a_text_too)
{
	cr_assert_not_null(tsr_strerror(0));
	cr_assert_str_not_empty(tsr_strerror(0));
	cr_assert_str_not_empty(tsr_strerror(-EIO));
	cr_assert_str_not_empty(tsr_strerror(-123456));
	cr_assert_str_not_empty(tsr_strerror(42));
	cr_assert_str_not_empty(tsr_strerror(INT32_MIN));
}

Test(errors, hint_is_empty_until_something_was_refused)
{
	cr_assert_str_empty(tsr_last_hint());
}

static void
run_dir_is(char const *want)
{
	char dir[108] = "";

	test_ok(tsr_run_dir(dir, sizeof(dir)));
	cr_assert_str_eq(dir, want);
}

Test(errors, run_directory_is_taken_in_the_documented_order)
{
	setenv("TESSERA_RUNTIME_DIR", "/a", 1);
	setenv("RUNTIME_DIRECTORY", "/b", 1);
	setenv("XDG_RUNTIME_DIR", "/c", 1);
	run_dir_is("/a");
	unsetenv("TESSERA_RUNTIME_DIR");
	run_dir_is("/b");
	unsetenv("RUNTIME_DIRECTORY");
	run_dir_is("/c/tessera");
	setenv("TESSERA_RUNTIME_DIR", "", 1);
	run_dir_is("/c/tessera");
}

Test(errors, run_directory_that_is_too_long_is_refused)
{
	char dir[16] = "untouched";

	setenv("TESSERA_RUNTIME_DIR", "/a/directory/with/a/long/name", 1);
	test_is(tsr_run_dir(dir, sizeof(dir)), -ENAMETOOLONG);
}

Test(errors, no_daemon_is_refused_and_the_sockets_that_were_tried_are_named)
{
	struct tsr_control control;
	struct tsr_client client = {.handle = 42};

	setenv("TESSERA_RUNTIME_DIR", "/nonexistent-run-directory", 1);
	test_is(tsr_control_open(&control, NULL, test_deadline(1000)), -ECONNREFUSED);
	cr_assert_not_null(strstr(tsr_last_hint(), "/nonexistent-run-directory/control.sock"), "%s",
	                   tsr_last_hint());
	test_is(tsr_attach(NULL, &client), -ECONNREFUSED);
	test_same(client.handle, 42);
}

Test(errors, socket_path_that_is_too_long_is_refused)
{
	struct tsr_attach_options options = {.size = sizeof(options)};
	struct tsr_client client = {.handle = 42};
	char path[300];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	options.socket = path;
	test_is(tsr_attach(&options, &client), -ENAMETOOLONG);
	test_same(client.handle, 42);
}

Test(errors, clocks_agree_with_each_other)
{
	uint64_t const now = tsr_now_ns(), ticks = tsr_ticks();
	uint64_t const deadline = tsr_deadline_in_ms(1000);

	cr_assert_geq(deadline, now + TEST_SECOND);
	cr_assert_lt(deadline, now + 2 * TEST_SECOND);
	cr_assert_geq(tsr_ticks(), ticks);
	cr_assert_geq(tsr_now_ns(), now);
	cr_assert_neq(tsr_deadline_in_ms(UINT64_MAX), 0, "far is not TSR_NOWAIT");
	cr_assert_geq(tsr_deadline_in_ms(UINT64_MAX), now + TEST_SECOND, "far is not the past");
}

Test(errors, version_is_that_of_the_build)
{
	cr_assert_str_eq(tsr_version(), TSR_VERSION);
}

Test(errors, copy_in_copies_every_size_and_nothing_beside_it)
{
	static unsigned char from[70000], to[70000 + 2];
	size_t const sizes[] = {0, 1, 7, 63, 64, 65, 1023, 1024, 1025, 4096, 65537, 70000};

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 31 + (i >> 8));
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		memset(to, 0x5a, sizeof(to));
		tsr_copy_in(to + 1, from, sizes[s]);
		cr_assert_eq(to[0], 0x5a);
		cr_assert_eq(memcmp(to + 1, from, sizes[s]), 0, "%zu bytes", sizes[s]);
		cr_assert_eq(to[1 + sizes[s]], 0x5a, "%zu bytes", sizes[s]);
	}
}
