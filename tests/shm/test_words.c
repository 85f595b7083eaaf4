/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/channel.h"
#include "shm/format.h"
#include "shm/layout.h"
#include "shm/waiter.h"
#include "shm/zdesc.h"
#include "tests/support/check.h"

TestSuite(words, .timeout = 10);

Test(words, zdesc_name_keeps_index_and_generation_apart_at_their_limits)
{
	uint64_t const generations[] = {0, 1, TSR_GENERATION_MASK - 1, TSR_GENERATION_MASK};
	uint32_t const indices[] = {0, 1, TSR_TICKETS_MAX - 1, TSR_TICKETS_MAX};

	for (int i = 0; i < 4; i++) {
		for (int g = 0; g < 4; g++) {
			uint64_t const name = tsr_name_make(indices[i], generations[g]);

			test_same(tsr_name_index(name), indices[i]);
			test_same(tsr_name_generation(name), generations[g]);
		}
	}
	test_same(tsr_name_make(0x123456, 0x9abcdef012), UINT64_C(0x9abcdef012123456));
}

Test(words, zdesc_range_keeps_offset_and_length_apart_at_their_limits)
{
	test_same(tsr_range_make(0x01020304, 0x05060708), UINT64_C(0x0506070801020304));
	test_same(tsr_range_offset(tsr_range_make(UINT32_MAX, 0)), UINT32_MAX);
	test_same(tsr_range_length(tsr_range_make(UINT32_MAX, 0)), 0);
	test_same(tsr_range_offset(tsr_range_make(0, UINT32_MAX)), 0);
	test_same(tsr_range_length(tsr_range_make(0, UINT32_MAX)), UINT32_MAX);
}

Test(words, ticket_word_keeps_generation_kind_and_holder_apart)
{
	uint64_t const word = tsr_word_make(TSR_GENERATION_MASK, TSR_TICKET_RECEIVED, 0xfff0);

	test_same(tsr_word_generation(word), TSR_GENERATION_MASK);
	test_same(tsr_word_kind(word), TSR_TICKET_RECEIVED);
	test_same(tsr_word_holder(word), 0xfff0);
	test_same(tsr_word_make(0x123456789a, TSR_TICKET_SHARED, 0xbeef),
	          UINT64_C(0x123456789a02beef));
	test_same(tsr_word_make(TSR_GENERATION_MASK + 1, TSR_TICKET_IDLE, 3), 3);
}

Test(words, generation_wraps_to_zero_after_its_last_value)
{
	test_same(tsr_generation_next(0), 1);
	test_same(tsr_generation_next(TSR_GENERATION_MASK - 1), TSR_GENERATION_MASK);
	test_same(tsr_generation_next(TSR_GENERATION_MASK), 0);
}

Test(words, holders_with_a_meaning_are_no_client_ids)
{
	cr_assert_gt(TSR_HOLDER_SHARED, TSR_CLIENT_ID_MAX);
	cr_assert_gt(TSR_HOLDER_CHANNEL, TSR_CLIENT_ID_MAX);
	cr_assert_gt(TSR_HOLDER_DAEMON, TSR_CLIENT_ID_MAX);
	cr_assert_eq(TSR_HOLDER_FREE, 0);
	cr_assert_leq(TSR_CLIENTS_MAX, TSR_CLIENT_ID_MAX);
}

Test(words, slot_word_keeps_lap_owner_and_phase_apart)
{
	uint64_t const word = tsr_slot_word(TSR_LAP_MASK, 0xffff, TSR_TAKEN);

	test_same(tsr_slot_lap(word), TSR_LAP_MASK);
	test_same(tsr_slot_owner(word), 0xffff);
	test_same(tsr_slot_phase(word), TSR_TAKEN);
	test_same(tsr_slot_word(0, 0, TSR_EMPTY), 0);
	test_same(tsr_slot_word(5, 0x1234, TSR_CLAIMED), (5 << 19) | (0x1234 << 3) | 1);
	test_same(tsr_slot_word(TSR_LAP_MASK + 1, 7, TSR_READY), tsr_slot_word(0, 7, TSR_READY));
}

Test(words, lap_distance_is_signed_and_crosses_the_wrap)
{
	cr_assert_eq(tsr_lap_distance(5, 3), 2);
	cr_assert_eq(tsr_lap_distance(3, 5), -2);
	cr_assert_eq(tsr_lap_distance(0, TSR_LAP_MASK), 1);
	cr_assert_eq(tsr_lap_distance(TSR_LAP_MASK, 0), -1);
	cr_assert_eq(tsr_lap_distance(TSR_LAP_MASK, TSR_LAP_MASK), 0);
	cr_assert_eq(tsr_lap_distance((UINT64_C(1) << 44) - 1, 0), (INT64_C(1) << 44) - 1);
	cr_assert_eq(tsr_lap_distance(UINT64_C(1) << 44, 0), -(INT64_C(1) << 44));
}

Test(words, ends_keep_count_death_and_stream_apart)
{
	uint64_t const stream = (UINT64_C(1) << 47) - 1;

	for (int died = 0; died < 2; died++) {
		uint64_t const ends = tsr_ends_make(0xffff, died != 0, stream);

		test_same(tsr_ends_count(ends), 0xffff);
		cr_assert_eq(tsr_ends_died(ends), died != 0);
		test_same(tsr_ends_stream(ends), stream);
	}
	test_same(tsr_ends_make(0, false, 1), UINT64_C(1) << 17);
}

Test(words, token_changes_its_futex_half_with_every_state_and_generation)
{
	uint64_t const token = tsr_token_make(TSR_TOKEN_ENQUEUED, 0x1fffffff, 0xfff0, 0xffff);

	test_same(tsr_token_state(token), TSR_TOKEN_ENQUEUED);
	test_same(tsr_token_generation(token), 0x1fffffff);
	test_same(tsr_token_owner(token), 0xfff0);
	test_same(tsr_token_claimer(token), 0xffff);
	cr_assert_neq((uint32_t)tsr_token_make(TSR_TOKEN_ENQUEUED, 4, 1, 2),
	              (uint32_t)tsr_token_make(TSR_TOKEN_CLAIMED, 4, 1, 2));
	cr_assert_neq((uint32_t)tsr_token_make(TSR_TOKEN_ENQUEUED, 4, 1, 2),
	              (uint32_t)tsr_token_make(TSR_TOKEN_ENQUEUED, 5, 1, 2));
	cr_assert_eq((uint32_t)tsr_token_make(TSR_TOKEN_CLAIMED, 4, 1, 2),
	             (uint32_t)tsr_token_make(TSR_TOKEN_CLAIMED, 4, 3, 5));
}

Test(words, channel_id_fits_a_tag_and_changes_with_each_channel)
{
	test_same(tsr_channel_id(0, 0), 1);
	test_same(tsr_channel_id(TSR_CHANNELS_MAX - 1, 0x7f), 0xffffff);
	for (uint32_t g = 0; g < 0x7f; g++) {
		uint64_t const id = tsr_channel_id(17, g);

		cr_assert_neq(id, 0);
		cr_assert_lt(id, UINT64_C(1) << 24);
		cr_assert_neq(id, tsr_channel_id(17, g + 1));
		test_same(id & 0x1ffff, 18);
	}
}

Test(words, bit_helpers_agree_with_counting)
{
	test_same(tsr_bit_width(0), 0);
	test_same(tsr_bit_width(1), 1);
	test_same(tsr_bit_width(UINT64_MAX), 64);
	test_same(tsr_bit_lowest(UINT64_C(1) << 63), 63);
	cr_assert(tsr_is_power_of_two(1));
	cr_assert(tsr_is_power_of_two(UINT64_C(1) << 63));
	cr_assert(!tsr_is_power_of_two(0));
	cr_assert(!tsr_is_power_of_two(6));
}

Test(words, layout_hash_is_stable_within_a_build)
{
	cr_assert_neq(tsr_layout_hash(), 0);
	test_same(tsr_layout_hash(), tsr_layout_hash());
}
