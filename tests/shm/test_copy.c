/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <string.h>

#include "shm/copy.h"
#include "tests/support/check.h"

TestSuite(copy, .timeout = 20);

#define COPY_BYTES 70000
#define COPY_GUARD 16

static unsigned char copy_from[COPY_BYTES + COPY_GUARD];
static unsigned char copy_to[COPY_BYTES + 3 * COPY_GUARD];

static void
copied_exactly(enum tsr_copy_way way, size_t at_to, size_t at_from, size_t bytes)
{
	unsigned char *const to = copy_to + COPY_GUARD + at_to;

	memset(copy_to, 0x5a, sizeof(copy_to));
	tsr_copy(way, to, copy_from + at_from, bytes);
	cr_assert_eq(memcmp(to, copy_from + at_from, bytes), 0, "way %d, %zu bytes to +%zu", way,
	             bytes, at_to);
	for (size_t i = 0; i < COPY_GUARD; i++) {
		cr_assert_eq(to[-1 - (ptrdiff_t)i], 0x5a, "way %d, before", way);
		cr_assert_eq(to[bytes + i], 0x5a, "way %d, %zu bytes: behind", way, bytes);
	}
}

Test(copy, each_way_copies_every_size_at_every_alignment_and_nothing_beside_it)
{
	static size_t const sizes[] = {0,  1,  15, 16,  17,   63,   64,   65,
	                               79, 80, 96, 127, 1024, 1039, 4096, 65537};

	for (size_t i = 0; i < sizeof(copy_from); i++)
		copy_from[i] = (unsigned char)(i * 31 + (i >> 8));
	for (int way = 0; way < TSR_COPY_WAYS; way++) {
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			for (size_t at = 0; at < COPY_GUARD; at++)
				copied_exactly((enum tsr_copy_way)way, at, at * 7 % COPY_GUARD,
				               sizes[s]);
		}
	}
}

/* Copies that take @string and @past ticks: which way do the last hundred of a thousand go? */
static unsigned
goes_past(struct tsr_copy_learned *learned, uint64_t string, uint64_t past)
{
	unsigned count = 0;

	for (int i = 0; i < 1000; i++) {
		enum tsr_copy_way const way = tsr_copy_choose(learned);

		tsr_copy_learn(learned, way, 4096, way == TSR_COPY_PAST ? past : string);
		count += i >= 900 && way == TSR_COPY_PAST;
	}
	return count;
}

Test(copy, way_is_learned_and_learned_anew_when_the_cores_move)
{
	struct tsr_copy_learned learned = {0};

	cr_assert_leq(goes_past(&learned, 500, 200), 1, "near: twice as quick is not enough");
	cr_assert_geq(goes_past(&learned, 4000, 200), 99, "far");
	cr_assert_leq(goes_past(&learned, 500, 200), 1, "near again");
}

Test(copy, interruption_does_not_change_the_way)
{
	struct tsr_copy_learned learned = {0};

	(void)goes_past(&learned, 4000, 200);
	tsr_copy_learn(&learned, TSR_COPY_PAST, 4096, 100000000);
	cr_assert_geq(goes_past(&learned, 4000, 200), 99);
	(void)goes_past(&learned, 500, 200);
	tsr_copy_learn(&learned, TSR_COPY_STRING, 4096, UINT64_MAX / 100000);
	cr_assert_leq(goes_past(&learned, 500, 200), 1);
}
