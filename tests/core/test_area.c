/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/area.h"
#include "tests/support/check.h"

/* What the daemon keeps to itself about who has what: pieces of a segment, and what a user took. */

TestSuite(area, .timeout = 20);

Test(area, pieces_do_not_overlap_and_come_back)
{
	struct tsr_area area;
	uint64_t offset[4], again;

	test_ok(tsr_area_create(&area, 1024, 8));
	for (int i = 0; i < 4; i++)
		test_ok(tsr_area_alloc(&area, 256, &offset[i]));
	for (int i = 0; i < 4; i++)
		test_same(offset[i], (uint64_t)i * 256);
	again = 77;
	test_is(tsr_area_alloc(&area, 64, &again), -ENOBUFS);
	test_same(again, 77);
	test_ok(tsr_area_free(&area, 256));
	test_is(tsr_area_free(&area, 256), -EINVAL);
	test_is(tsr_area_free(&area, 300), -EINVAL);
	test_is(tsr_area_alloc(&area, 320, &again), -ENOBUFS);
	test_ok(tsr_area_alloc(&area, 192, &again));
	test_same(again, 256);
	test_ok(tsr_area_alloc(&area, 64, &again));
	test_same(again, 448);
	tsr_area_destroy(&area);
}

Test(area, no_more_pieces_than_there_is_room_to_remember)
{
	struct tsr_area area;
	uint64_t offset;

	test_ok(tsr_area_create(&area, 1 << 20, 3));
	for (int i = 0; i < 3; i++)
		test_ok(tsr_area_alloc(&area, 64, &offset));
	test_is(tsr_area_alloc(&area, 64, &offset), -ENOBUFS);
	test_ok(tsr_area_free(&area, 64));
	test_ok(tsr_area_alloc(&area, 64, &offset));
	tsr_area_destroy(&area);
}

Test(area, sizes_that_would_wrap_are_refused)
{
	struct tsr_area area;
	uint64_t offset;

	test_ok(tsr_area_create(&area, 1024, 8));
	test_ok(tsr_area_alloc(&area, 512, &offset));
	test_is(tsr_area_alloc(&area, UINT64_MAX - 63, &offset), -ENOBUFS);
	test_is(tsr_area_alloc(&area, UINT64_C(1) << 63, &offset), -ENOBUFS);
	tsr_area_destroy(&area);
}

#define PIECES 64

Test(area, random_pieces_never_overlap_and_all_of_it_comes_back)
{
	struct {
		uint64_t offset, bytes;
	} piece[PIECES] = {{0, 0}};
	uint64_t seed = test_seed(), offset;
	struct tsr_area area;

	test_ok(tsr_area_create(&area, 64 * 1024, PIECES));
	for (int round = 0; round < 100000; round++) {
		int const p = (int)(test_random(&seed) % PIECES);
		uint64_t const bytes = 64 * (1 + test_random(&seed) % 40);

		if (piece[p].bytes != 0) {
			test_ok(tsr_area_free(&area, piece[p].offset));
			piece[p].bytes = 0;
			continue;
		}
		if (tsr_area_alloc(&area, bytes, &offset) != 0)
			continue;
		cr_assert_leq(offset + bytes, 64 * 1024);
		for (int i = 0; i < PIECES; i++)
			cr_assert(piece[i].bytes == 0 || offset + bytes <= piece[i].offset ||
			                  piece[i].offset + piece[i].bytes <= offset,
			          "round %d: %ju bytes at %ju were given out twice", round,
			          (uintmax_t)bytes, (uintmax_t)offset);
		piece[p].offset = offset;
		piece[p].bytes = bytes;
	}
	for (int i = 0; i < PIECES; i++) {
		if (piece[i].bytes != 0)
			test_ok(tsr_area_free(&area, piece[i].offset));
	}
	test_ok(tsr_area_alloc(&area, 64 * 1024, &offset));
	tsr_area_destroy(&area);
}
