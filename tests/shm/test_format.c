/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "shm/format.h"
#include "tests/support/check.h"
#include "tests/support/realm.h"
#include "tests/support/shape.h"

TestSuite(geometry, .timeout = 20);

Test(geometry, default_geometry_can_be_made)
{
	struct tsr_realm_geometry geometry;
	char why[200] = "";

	tsr_geometry_default(&geometry);
	cr_assert_eq(tsr_geometry_check(&geometry, why, sizeof(why)), 0, "%s", why);
	cr_assert_str_eq(geometry.name, "demo");
	cr_assert_geq(geometry.channels, 256);
	cr_assert_geq(geometry.clients, 64);
}

struct wrong {
	char what[48];
	char word[24]; /* that the refusal names */
	struct tsr_realm_geometry geometry;
};

static struct tsr_realm_geometry
sound(void)
{
	struct tsr_realm_geometry geometry;

	realm_geometry(&geometry);
	return geometry;
}

#define WRONG(n, w, assignment)                   \
	do {                                      \
		strcpy(cases[count].what, n);     \
		strcpy(cases[count].word, w);     \
		cases[count].geometry = sound();  \
		cases[count].geometry.assignment; \
		count++;                          \
	} while (0)

ParameterizedTestParameters(geometry, one_that_cannot_be_is_refused_by_name)
{
	static struct wrong cases[20];
	size_t count = 0;

	WRONG("no channels", "channels", channels = 0);
	WRONG("too many channels", "channels", channels = TSR_CHANNELS_MAX + 1);
	WRONG("no clients", "clients", clients = 0);
	WRONG("too many clients", "clients", clients = TSR_CLIENTS_MAX + 1);
	WRONG("too few slots", "slots", slots = 1);
	WRONG("no classes", "classes", classes = 0);
	WRONG("too many classes", "classes", classes = TSR_CLASSES_MAX + 1);
	WRONG("blocks too small", "bytes", klass[0].block_bytes = 32);
	WRONG("blocks too large", "bytes", klass[1].block_bytes = TSR_BLOCK_BYTES_MAX + 64);
	WRONG("blocks off the line", "bytes", klass[0].block_bytes = 100);
	WRONG("classes that descend", "bytes", klass[1].block_bytes = 128);
	WRONG("a class twice", "bytes", klass[1].block_bytes = 256);
	WRONG("an empty class", "count", klass[0].count = 0);
	WRONG("more tickets than an index names", "count", klass[0].count = TSR_TICKETS_MAX);
	WRONG("a lap of 46 bits", "first_lap", first_lap = TSR_LAP_MASK + 1);
	WRONG("a generation of 41 bits", "first_generation",
	      first_generation = TSR_GENERATION_MASK + 1);
	return cr_make_param_array(struct wrong, cases, count);
}

ParameterizedTest(struct wrong *wrong, geometry, one_that_cannot_be_is_refused_by_name)
{
	char why[200] = "";

	cr_assert_eq(tsr_geometry_check(&wrong->geometry, why, sizeof(why)), -EINVAL, "%s",
	             wrong->what);
	cr_assert_not_null(strstr(why, wrong->word), "%s: '%s' does not name '%s'", wrong->what,
	                   why, wrong->word);
	cr_assert_not_null(strstr(why, "expected"), "%s: '%s'", wrong->what, why);
}

Test(geometry, fresh_realm_balances_with_every_ticket_in_its_depot)
{
	static struct realm realm;
	struct tsr_ledger ledger;

	realm_make(&realm, NULL);
	ledger = realm_balanced(&realm);
	test_same(ledger.tickets, 1088);
	test_same(ledger.in_depot, 1088);
	realm_wipe(&realm);
}

Test(geometry, counts_that_fill_no_cell_are_all_there)
{
	struct tsr_realm_geometry geometry = sound();
	static struct realm realm;

	geometry.klass[0].count = 1025;
	geometry.klass[1].count = 1;
	realm_make(&realm, &geometry);
	test_same(realm_balanced(&realm).in_depot, 1026);
	test_same(realm.map.klass[0].batch, TSR_CELL_ENTRIES);
	test_same(realm.map.klass[1].batch, 1);
	realm_wipe(&realm);
}

/* Marks each 64 bytes of a block as taken: blocks are not in the order of their tickets. */
static void
mark(uint8_t *taken, uint64_t bytes, struct tsr_block const *block, uint32_t ticket)
{
	test_same(block->offset % 64, 0);
	cr_assert_leq(block->offset + block->capacity, bytes, "block %u ends outside", ticket);
	for (uint64_t at = block->offset; at < block->offset + block->capacity; at += 64) {
		cr_assert_eq(taken[at / 64], 0, "block %u overlaps another", ticket);
		taken[at / 64] = 1;
	}
}

Test(geometry, blocks_of_a_realm_do_not_overlap_and_stay_inside)
{
	static struct realm realm;
	uint64_t bytes;
	uint8_t *taken;

	realm_make(&realm, NULL);
	bytes = realm.map.arena_bytes[0];
	taken = calloc(bytes / 64 + 1, 1);
	cr_assert_not_null(taken);
	for (uint32_t i = 0; i < realm.map.tickets_count; i++) {
		struct tsr_block const block = realm.map.blocks[i];

		test_same(block.arena, 0);
		test_same(block.capacity, realm.map.klass[block.klass].block_bytes);
		mark(taken, bytes, &block, i);
	}
	free(taken);
	realm_wipe(&realm);
}

Test(geometry, blocks_of_a_large_class_are_scattered_but_near)
{
	struct tsr_realm_geometry geometry = sound();
	static struct realm realm;
	struct tsr_class const *klass;
	uint8_t *taken;

	geometry.klass[0].count = 2 * 4096 + 1025;
	realm_make(&realm, &geometry);
	klass = &realm.map.klass[0];
	taken = calloc(klass->count, 1);
	cr_assert_not_null(taken);
	for (uint32_t i = 0; i < klass->count; i++) {
		uint64_t const offset = realm.map.blocks[klass->first_ticket + i].offset;
		uint64_t const place = (offset - klass->arena_offset) / klass->block_bytes;

		test_same(place / 4096, i / 4096);
		test_same(taken[place]++, 0);
		/* Not the one behind that of the ticket before; but the last is alone. */
		if (i % 4096 != 0 && i + 1 < klass->count)
			cr_assert_neq(offset, realm.map.blocks[klass->first_ticket + i - 1].offset +
			                              klass->block_bytes);
	}
	free(taken);
	realm_wipe(&realm);
}

Test(geometry, first_lap_and_first_generation_reach_every_word)
{
	struct tsr_realm_geometry geometry = sound();
	static struct realm realm;
	struct tsr_channel *channel;

	geometry.first_lap = TSR_LAP_MASK;
	geometry.first_generation = TSR_GENERATION_MASK;
	realm_make(&realm, &geometry);
	channel = realm_channel(&realm, 4, 0);
	for (uint32_t i = 0; i < realm.map.tickets_count; i++)
		test_same(tsr_word_generation(atomic_load(&realm.map.tickets[i].word)),
		          TSR_GENERATION_MASK);
	for (uint32_t i = 0; i < 4; i++)
		test_same(atomic_load(&channel->shm->slot[i].word),
		          tsr_slot_word(TSR_LAP_MASK, 0, TSR_EMPTY));
	realm_balanced(&realm);
	realm_wipe(&realm);
}

Test(geometry, second_mapping_binds_to_the_same_geometry)
{
	static struct realm realm;
	struct tsr_map other;

	realm_make(&realm, NULL);
	realm_map_again(&realm, &other);
	test_ok(tsr_map_bind(&other));
	test_same(other.tickets_count, realm.map.tickets_count);
	test_same(other.clients_count, REALM_CLIENTS);
	test_same(other.channels_count, REALM_CHANNELS);
	test_same(other.message_bytes_max, 4096);
	cr_assert_neq(other.tickets, realm.map.tickets);
	test_same(tsr_map_cells(&other, 1) != NULL, 1);
	realm_unmap(&other);
	realm_wipe(&realm);
}

static struct realm hostile;
static struct tsr_map view;

static void
bind_setup(void)
{
	struct tsr_realm_geometry geometry = sound();

	geometry.ends = 4;
	realm_make(&hostile, &geometry);
	realm_map_again(&hostile, &view);
	test_ok(tsr_map_bind(&view));
}

static void
bind_teardown(void)
{
	realm_unmap(&view);
	realm_wipe(&hostile);
}

TestSuite(bind, .timeout = 20);

#define REFUSED(test, assignment)                      \
	test_case(bind, test)                          \
	{                                              \
		hostile.map.directory->assignment;     \
		test_is(tsr_map_bind(&view), -EPROTO); \
	}

test_case(bind, realm_without_its_magic_is_refused)
{
	uint64_t const magics[] = {0, 1, TSR_DIRECTORY_MAGIC ^ 1};

	for (int i = 0; i < 3; i++) {
		atomic_store(&hostile.map.directory->magic, magics[i]);
		test_is(tsr_map_bind(&view), -EPROTO);
	}
}

test_case(bind, class_with_a_ticket_too_many_is_refused_although_its_blocks_would_fit)
{
	struct tsr_class *const last = &hostile.map.directory->klass[1];

	last->block_bytes = 64;
	test_ok(tsr_map_bind(&view));
	last->count++;
	test_is(tsr_map_bind(&view), -EPROTO);
}

REFUSED(other_layout_version_is_refused, layout_version++)
REFUSED(other_layout_hash_is_refused, layout_hash ^= 1)
REFUSED(other_header_size_is_refused, header_bytes += 8)
REFUSED(more_tickets_than_the_mapping_holds_are_refused, tickets = 1 << 20)
REFUSED(more_tickets_than_an_index_names_are_refused, tickets = TSR_TICKETS_MAX + 1)
REFUSED(more_clients_than_the_mapping_holds_are_refused, clients = TSR_CLIENTS_MAX)
REFUSED(more_channels_than_the_mapping_holds_are_refused, channels = TSR_CHANNELS_MAX)
REFUSED(channel_entries_outside_the_mapping_are_refused, channels_offset = UINT64_MAX - 63)
REFUSED(more_ends_than_the_mapping_holds_are_refused, ends = TSR_ENDS_METERED_MAX)
REFUSED(more_ends_than_there_can_be_are_refused, ends = TSR_ENDS_METERED_MAX + 1)
REFUSED(words_of_ends_outside_the_mapping_are_refused, ends_offset = UINT64_MAX - 63)
REFUSED(words_of_ends_between_two_words_are_refused, ends_offset += 4)
REFUSED(totals_outside_the_mapping_are_refused, totals_offset = UINT64_MAX - 63)
REFUSED(totals_that_are_not_on_a_line_are_refused, totals_offset += 8)
REFUSED(notices_outside_the_mapping_are_refused, notices_offset = UINT64_MAX - 63)
REFUSED(notices_that_are_not_on_a_line_are_refused, notices_offset += 8)
REFUSED(no_class_is_refused, classes = 0)
REFUSED(more_classes_than_there_can_be_are_refused, classes = TSR_CLASSES_MAX + 1)
REFUSED(other_number_of_arenas_is_refused, arenas = 2)
REFUSED(class_in_an_arena_that_is_not_there_is_refused, klass[0].arena = 1)
REFUSED(class_beyond_the_tickets_is_refused, klass[1].first_ticket = UINT32_MAX)
REFUSED(class_with_more_tickets_than_there_are_is_refused, klass[1].count = UINT32_MAX)
REFUSED(depot_outside_its_segment_is_refused, klass[0].cells_offset = UINT64_MAX - 255)
REFUSED(words_of_a_depot_outside_their_segment_are_refused, klass[0].words_offset = UINT64_MAX - 63)
REFUSED(depot_with_too_many_cells_is_refused, klass[0].cells = UINT32_MAX)
REFUSED(depot_with_cells_of_no_tickets_is_refused, klass[0].batch = 0)
REFUSED(depot_with_cells_of_too_many_tickets_is_refused, klass[0].batch = 33)
REFUSED(blocks_outside_the_arena_are_refused, klass[1].arena_offset = UINT64_MAX - 4095)
REFUSED(blocks_larger_than_the_arena_are_refused, klass[1].block_bytes = UINT32_MAX)

test_case(bind, segment_shorter_than_its_geometry_is_refused)
{
	for (uint32_t i = 0; i < view.segments_count; i++) {
		uint64_t const bytes = view.segment[i].bytes;

		if (i == TSR_SEGMENT_CHANNELS)
			continue; /* its channels are checked one by one */
		view.segment[i].bytes = 64;
		cr_assert_eq(tsr_map_bind(&view), -EPROTO, "segment %u", i);
		view.segment[i].bytes = bytes;
	}
	test_ok(tsr_map_bind(&view));
}

test_case(bind, missing_segment_is_refused)
{
	view.segments_count--;
	test_is(tsr_map_bind(&view), -EPROTO);
	view.segments_count++;
}

test_case(bind, channel_outside_its_segment_is_refused)
{
	struct tsr_channel channel;
	uint64_t const bytes = view.channels_bytes;

	test_ok(tsr_channel_bind(&channel, &view, 0, 0, shape_buffered(4, 0), 1));
	test_is(tsr_channel_bind(&channel, &view, 0, bytes, shape_buffered(4, 0), 1), -EPROTO);
	test_is(tsr_channel_bind(&channel, &view, 0, bytes - 64, shape_buffered(4, 0), 1), -EPROTO);
	test_is(tsr_channel_bind(&channel, &view, 0, UINT64_MAX - 63, shape_buffered(4, 0), 1),
	        -EPROTO);
	test_is(tsr_channel_bind(&channel, &view, 0, 0, shape_buffered(TSR_SLOTS_MAX, 0), 1),
	        -EPROTO);
	test_is(tsr_channel_bind(&channel, &view, REALM_CHANNELS, 0, shape_buffered(4, 0), 1),
	        -EPROTO);
	test_is(tsr_channel_bind(&channel, &view, 0, 0, shape_buffered(3, 0), 1), -EPROTO);
	test_is(tsr_channel_bind(&channel, &view, 0, 0, shape_buffered(0, 0), 1), -EPROTO);
	test_is(tsr_channel_bind(&channel, &view, 0, 8, shape_buffered(4, 0), 1), -EPROTO);
}

Test(geometry, mappings_too_small_for_the_geometry_are_refused)
{
	static struct realm realm;

	realm_make(&realm, NULL);
	realm.geometry.klass[0].count = 100000;
	test_is(tsr_realm_format(&realm.map, &realm.geometry), -EINVAL);
	realm_wipe(&realm);
}
