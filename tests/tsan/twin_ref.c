/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/ref.h"
#include "tests/tsan/twin.h"

/* Two threads use an object and let it go: the last one clears what the other had written. */

#define OBJECTS 4000

static struct object {
	struct tsr_ref refs;
	uint64_t words[2];
} object[OBJECTS];

static void *using(void *arg)
{
	int const me = arg != NULL;

	for (int i = 0; i < OBJECTS; i++) {
		object[i].words[me] = 1;
		/* [Z2] */
		if (tsr_ref_put(&object[i].refs))
			object[i].words[1 - me]++;
	}
	return NULL;
}

static void *
leaving(void *arg)
{
	(void)arg;
	for (int i = 0; i < OBJECTS; i++) {
		object[i].words[0] = 7;
		twin_check(!tsr_ref_put(&object[i].refs));
	}
	return NULL;
}

static void *
joining(void *arg)
{
	(void)arg;
	for (int i = 0; i < OBJECTS; i++) {
		while (atomic_load_explicit(&object[i].refs.count, memory_order_relaxed) != 1)
			twin_pause();
		/* [Z1]: found by one who did not hold it. */
		twin_check(tsr_ref_get_unless_zero(&object[i].refs));
		twin_check(object[i].words[0] == 7);
	}
	return NULL;
}

static void
make_objects(void)
{
	for (int i = 0; i < OBJECTS; i++) {
		tsr_ref_init(&object[i].refs);
		tsr_ref_get(&object[i].refs);
		object[i].words[0] = object[i].words[1] = 0;
	}
}

int
main(void)
{
	pthread_t thread[2];

	make_objects();
	for (uintptr_t i = 0; i < 2; i++)
		thread[i] = twin_start(using, i == 0 ? NULL : &thread);
	for (int i = 0; i < 2; i++)
		twin_check(pthread_join(thread[i], NULL) == 0);
	for (int i = 0; i < OBJECTS; i++)
		twin_check(object[i].words[0] + object[i].words[1] == 3);
	make_objects();
	twin_run(joining, leaving);
	puts("ref: no race");
	return 0;
}
