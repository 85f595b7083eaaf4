/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/guard.h"
#include "shm/access.h"
#include "tests/support/check.h"

/*
 * A shared mapping, of which the second half is behind the end of the file: an access to it raises
 * SIGBUS, as one to a hole does when there is no memory to fill it.
 */
#define HALF_BYTES UINT64_C(8192)

static struct tsr_mapping range;
static int memory;

static void
setup(void)
{
	memory = memfd_create("guard", MFD_CLOEXEC);
	cr_assert_geq(memory, 0);
	cr_assert_eq(ftruncate(memory, HALF_BYTES), 0);
	range.bytes = 2 * HALF_BYTES;
	range.base = mmap(NULL, range.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	cr_assert_neq(range.base, MAP_FAILED);
	test_ok(tsr_guard_open());
}

TestSuite(guard, .init = setup, .timeout = 20);

struct walk {
	uint64_t bytes;
	int result;
	_Atomic uint64_t steps;
};

static int
walk(void *argument)
{
	struct walk *walk = argument;
	_Atomic uint64_t *words = range.base;

	for (uint64_t i = 0; i < walk->bytes / sizeof(*words); i += 64) {
		(void)tsr_ld_rlx(&words[i]);
		atomic_fetch_add(&walk->steps, 1);
	}
	return walk->result;
}

Test(guard, work_that_meets_sound_memory_gives_its_own_result)
{
	struct walk sound = {.bytes = HALF_BYTES, .result = -77};

	test_is(tsr_guard_run(&range, 1, walk, &sound), -77);
	test_same(atomic_load(&sound.steps), 16);
	test_same(tsr_guard_hits(), 0);
}

Test(guard, hole_in_a_guarded_range_ends_the_work_and_not_the_process)
{
	struct walk beyond = {.bytes = 2 * HALF_BYTES};
	struct walk sound = {.bytes = HALF_BYTES};

	for (uint64_t i = 1; i <= 3; i++) {
		atomic_store(&beyond.steps, 0);
		test_is(tsr_guard_run(&range, 1, walk, &beyond), -EFAULT);
		test_same(atomic_load(&beyond.steps), 16);
		test_same(tsr_guard_hits(), i);
	}
	test_ok(tsr_guard_run(&range, 1, walk, &sound));
}

Test(guard, memory_cut_off_during_the_work_is_noticed)
{
	struct walk whole = {.bytes = HALF_BYTES};

	test_ok(tsr_guard_run(&range, 1, walk, &whole));
	cr_assert_eq(ftruncate(memory, 4096), 0);
	test_is(tsr_guard_run(&range, 1, walk, &whole), -EFAULT);
	test_same(tsr_guard_hits(), 1);
}

Test(guard, hole_outside_the_ranges_kills_as_usual, .signal = SIGBUS)
{
	struct walk beyond = {.bytes = 2 * HALF_BYTES};
	struct tsr_mapping const other = {.base = range.base, .bytes = HALF_BYTES};

	test_is(tsr_guard_run(&other, 1, walk, &beyond), -EFAULT);
}

Test(guard, hole_met_outside_the_guard_kills_as_usual, .signal = SIGBUS)
{
	struct walk beyond = {.bytes = 2 * HALF_BYTES};

	test_is(tsr_guard_run(&range, 1, walk, &beyond), -EFAULT);
	(void)walk(&beyond);
}

Test(guard, hole_met_after_guarded_work_kills_as_usual, .signal = SIGBUS)
{
	struct walk sound = {.bytes = HALF_BYTES};
	struct walk beyond = {.bytes = 2 * HALF_BYTES};

	test_ok(tsr_guard_run(&range, 1, walk, &sound));
	(void)walk(&beyond);
}

/* One access, at the address of the argument. */
static int
touch(void *argument)
{
	(void)tsr_ld_rlx(argument);
	return 0;
}

Test(guard, last_word_of_a_range_is_guarded)
{
	test_is(tsr_guard_run(&range, 1, touch,
	                      (unsigned char *)range.base + range.bytes - sizeof(uint64_t)),
	        -EFAULT);
}

Test(guard, first_word_behind_a_range_is_not, .signal = SIGBUS)
{
	struct tsr_mapping const shorter = {.base = range.base, .bytes = HALF_BYTES};

	(void)!tsr_guard_run(&shorter, 1, touch, (unsigned char *)range.base + HALF_BYTES);
}

Test(guard, sigbus_sent_by_somebody_kills_as_usual, .signal = SIGBUS)
{
	raise(SIGBUS);
}

static void *
guarded_thread(void *arg)
{
	struct walk beyond = {.bytes = 2 * HALF_BYTES};

	(void)arg;
	for (int i = 0; i < 1000; i++) {
		if (tsr_guard_run(&range, 1, walk, &beyond) != -EFAULT)
			return &range;
	}
	return NULL;
}

Test(guard, threads_fail_each_for_itself)
{
	pthread_t thread[4];
	void *wrong;

	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, guarded_thread, NULL), 0);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(pthread_join(thread[i], &wrong), 0);
		cr_assert_null(wrong);
	}
	test_same(tsr_guard_hits(), 4000);
}
