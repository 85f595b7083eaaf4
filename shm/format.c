/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shm/access.h"
#include "shm/channel.h"
#include "shm/kind.h"
#include "shm/waiter.h"
#include "shm/zdesc.h"

static uint64_t
format_round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/*
 * How many tickets travel at once. A thread keeps up to two batches to itself: where there are few
 * tickets, as of large blocks, one that only receives would keep them all from one that only sends.
 */
static uint32_t
format_batch(uint32_t tickets)
{
	uint32_t const share = tickets / TSR_CELL_ENTRIES;

	return share < 1 ? 1 : share > TSR_CELL_ENTRIES ? TSR_CELL_ENTRIES : share;
}

/* Twice what the tickets need, for magazines come back partly filled, and a few to pass on. */
static uint32_t
format_cells(uint32_t tickets)
{
	uint32_t const batch = format_batch(tickets);

	return 2 * ((tickets + batch - 1) / batch) + 8;
}

void
tsr_geometry_default(struct tsr_realm_geometry *geometry)
{
	*geometry = (struct tsr_realm_geometry){
		.name = "demo",
		.backing = "4K",
		.channels = 256,
		.slots = 256 * 1024,
		.clients = 256,
		.ends = 1024,
		.classes = 5,
		.klass = {{64, 16384}, {512, 8192}, {4096, 4096}, {65536, 1024}, {1048576, 64}},
		.regions = 64,
		.region_tickets = 4096,
		.epoch = 1,
		.ticks_per_second = UINT64_C(1000000000),
		.first_generation = 1,
	};
}

static int
geometry_refuse(char *why, size_t why_bytes, const char *member, uint64_t given, uint64_t min,
                uint64_t max)
{
	(void)snprintf(why, why_bytes, "%s is %llu, expected %llu to %llu", member,
	               (unsigned long long)given, (unsigned long long)min, (unsigned long long)max);
	return -EINVAL;
}

static int
geometry_check_classes(struct tsr_realm_geometry const *g, char *why, size_t why_bytes)
{
	uint64_t tickets = g->region_tickets;

	for (uint32_t i = 0; i < g->classes; i++) {
		struct tsr_class_config const *const c = &g->klass[i];

		if (c->block_bytes < TSR_BLOCK_BYTES_MIN || c->block_bytes > TSR_BLOCK_BYTES_MAX)
			return geometry_refuse(why, why_bytes, "bytes of a class", c->block_bytes,
			                       TSR_BLOCK_BYTES_MIN, TSR_BLOCK_BYTES_MAX);
		if (c->block_bytes % TSR_CACHELINE != 0) {
			(void)snprintf(why, why_bytes,
			               "bytes of a class is %u, expected a multiple of 64",
			               c->block_bytes);
			return -EINVAL;
		}
		if (i > 0 && c->block_bytes <= g->klass[i - 1].block_bytes) {
			(void)snprintf(why, why_bytes,
			               "bytes of a class is %u after %u, expected ascending sizes",
			               c->block_bytes, g->klass[i - 1].block_bytes);
			return -EINVAL;
		}
		if (c->count == 0)
			return geometry_refuse(why, why_bytes, "count of a class", 0, 1,
			                       TSR_TICKETS_MAX);
		tickets += c->count;
	}
	if (tickets > TSR_TICKETS_MAX)
		return geometry_refuse(why, why_bytes,
		                       "sum of the classes' counts and region_tickets", tickets, 1,
		                       TSR_TICKETS_MAX);
	return 0;
}

int
tsr_geometry_check(struct tsr_realm_geometry const *g, char *why, size_t why_bytes)
{
	if (g->channels < 1 || g->channels > TSR_CHANNELS_MAX)
		return geometry_refuse(why, why_bytes, "channels", g->channels, 1,
		                       TSR_CHANNELS_MAX);
	if (g->clients < 1 || g->clients > TSR_CLIENTS_MAX)
		return geometry_refuse(why, why_bytes, "clients", g->clients, 1, TSR_CLIENTS_MAX);
	if (g->slots < TSR_SLOTS_MIN || g->slots > UINT32_C(1) << 28)
		return geometry_refuse(why, why_bytes, "slots", g->slots, TSR_SLOTS_MIN,
		                       UINT32_C(1) << 28);
	if (g->classes < 1 || g->classes > TSR_CLASSES_MAX)
		return geometry_refuse(why, why_bytes, "number of classes", g->classes, 1,
		                       TSR_CLASSES_MAX);
	if (g->ends > TSR_ENDS_METERED_MAX)
		return geometry_refuse(why, why_bytes, "ends", g->ends, 0, TSR_ENDS_METERED_MAX);
	if (g->regions > TSR_REGIONS_MAX)
		return geometry_refuse(why, why_bytes, "regions", g->regions, 0, TSR_REGIONS_MAX);
	if (g->region_tickets > TSR_REGION_TICKETS_MAX)
		return geometry_refuse(why, why_bytes, "region_tickets", g->region_tickets, 0,
		                       TSR_REGION_TICKETS_MAX);
	if (g->first_lap > TSR_LAP_MASK)
		return geometry_refuse(why, why_bytes, "first_lap", g->first_lap, 0, TSR_LAP_MASK);
	if (g->first_generation > TSR_GENERATION_MASK)
		return geometry_refuse(why, why_bytes, "first_generation", g->first_generation, 0,
		                       TSR_GENERATION_MASK);
	return geometry_check_classes(g, why, why_bytes);
}

/* The ranges of tickets that may come again lie behind all the rest. */
static uint64_t
format_ranges_bytes(struct tsr_realm_geometry const *g, uint32_t tickets)
{
	return ((uint64_t)tickets + g->region_tickets) * sizeof(uint64_t);
}

/* Offsets of tickets, depots and blocks: the one place that decides them. */
static uint64_t
geometry_classes(struct tsr_realm_geometry const *g, struct tsr_class klass[TSR_CLASSES_MAX],
                 uint32_t *tickets, uint64_t *tickets_bytes)
{
	uint64_t arena = 0;
	uint64_t offset;

	*tickets = 0;
	for (uint32_t i = 0; i < g->classes; i++) {
		/* Blocks of a page or more begin on a page. */
		uint64_t const align = g->klass[i].block_bytes < 4096 ? 64 : 4096;

		arena = format_round_up(arena, align);
		klass[i] = (struct tsr_class){
			.block_bytes = g->klass[i].block_bytes,
			.count = g->klass[i].count,
			.first_ticket = *tickets,
			.cells = format_cells(g->klass[i].count),
			.batch = format_batch(g->klass[i].count),
			.arena_offset = arena,
		};
		*tickets += g->klass[i].count;
		arena += (uint64_t)g->klass[i].count * g->klass[i].block_bytes;
	}
	offset = format_round_up(
		((uint64_t)*tickets + g->region_tickets) * sizeof(struct tsr_ticket), 4096);
	for (uint32_t i = 0; i < g->classes; i++) {
		klass[i].words_offset = offset;
		offset +=
			format_round_up((uint64_t)klass[i].cells * sizeof(uint64_t), TSR_CACHELINE);
		klass[i].cells_offset = offset;
		offset += (uint64_t)klass[i].cells * sizeof(struct tsr_cell);
	}
	*tickets_bytes = offset + format_ranges_bytes(g, *tickets);
	return arena;
}

static uint64_t
format_channels_offset(void)
{
	return format_round_up(sizeof(struct tsr_directory), 4096);
}

static uint64_t
format_regions_offset(struct tsr_realm_geometry const *g)
{
	return format_channels_offset() + (uint64_t)g->channels * sizeof(struct tsr_channel_entry);
}

static uint64_t
format_ends_offset(struct tsr_realm_geometry const *g)
{
	return format_regions_offset(g) + (uint64_t)g->regions * sizeof(struct tsr_region_entry);
}

static uint64_t
format_totals_offset(struct tsr_realm_geometry const *g)
{
	return format_round_up(format_ends_offset(g) +
	                               (uint64_t)g->ends * sizeof(struct tsr_end_entry),
	                       TSR_CACHELINE);
}

static uint64_t
format_notices_offset(struct tsr_realm_geometry const *g)
{
	return format_totals_offset(g) + (uint64_t)g->channels * sizeof(struct tsr_channel_totals);
}

uint32_t
tsr_geometry_segments(struct tsr_realm_geometry const *g, uint64_t bytes[TSR_SEGMENTS_MAX])
{
	struct tsr_class klass[TSR_CLASSES_MAX];
	uint32_t tickets;

	memset(bytes, 0, TSR_SEGMENTS_MAX * sizeof(bytes[0]));
	bytes[TSR_SEGMENT_DIRECTORY] =
		format_notices_offset(g) + (uint64_t)g->clients * sizeof(struct tsr_notice);
	bytes[TSR_SEGMENT_CHANNELS] = (uint64_t)g->channels * sizeof(struct tsr_channel_shm) +
	                              (uint64_t)g->slots * sizeof(struct tsr_slot);
	bytes[TSR_SEGMENT_ARENA0] =
		geometry_classes(g, klass, &tickets, &bytes[TSR_SEGMENT_TICKETS]);
	bytes[TSR_SEGMENT_BLOCKS] =
		((uint64_t)tickets + g->region_tickets) * sizeof(struct tsr_block);
	bytes[TSR_SEGMENT_STATE] = (uint64_t)g->clients * sizeof(struct tsr_state);
	bytes[TSR_SEGMENT_TOKENS] = (uint64_t)g->channels * sizeof(struct tsr_tokens);
	bytes[TSR_SEGMENT_METRICS] =
		(uint64_t)g->ends * sizeof(struct tsr_metrics) + sizeof(struct tsr_pulse);
	return TSR_SEGMENT_ARENA0 + 1;
}

/* The depot of one class, empty. */
static void
format_depot(struct tsr_map const *map, uint32_t index)
{
	_Atomic uint64_t *const words = tsr_map_cell_words(map, index);
	struct tsr_cell *const cells = tsr_map_cells(map, index);

	for (uint32_t i = 0; i < map->klass[index].cells; i++) {
		tsr_st_rlx(&words[i], tsr_slot_word(map->first_lap, 0, TSR_EMPTY));
		for (uint32_t e = 0; e < TSR_CELL_ENTRIES; e++)
			tsr_st_rlx(&cells[i].entry[e], TSR_NAME_NONE);
	}
}

/*
 * Where among its class's blocks the block of the @i-th ticket lies: tickets that follow each other
 * have blocks that don't. Else the receiver's core, which guesses that the next line is read next,
 * takes lines away that a sender is about to write (64-byte messages, far: 13.5 and not 7.9 M/s).
 * But not so far apart that a broadcast which keeps a million of them meets another page with each.
 */
#define FORMAT_WINDOW UINT32_C(4096) /* tickets whose blocks lie together */

static uint32_t
format_scatter(uint32_t i, uint32_t count)
{
	uint32_t const first = i / FORMAT_WINDOW * FORMAT_WINDOW;
	uint32_t const left = count - first;
	uint32_t const bits = tsr_bit_width(left < FORMAT_WINDOW ? left : FORMAT_WINDOW) - 1;
	uint32_t place = 0;

	if (i - first >= UINT32_C(1) << bits)
		return i;
	for (uint32_t bit = 0; bit < bits; bit++)
		place |= (i >> bit & 1) << (bits - 1 - bit);
	return first + place;
}

/* Tickets of one class: all FREE, all listed in ready cells of its depot. */
static void
format_class(struct tsr_map const *map, uint32_t index, uint64_t first_generation)
{
	struct tsr_class const *const klass = &map->klass[index];
	struct tsr_block *const blocks = map->segment[TSR_SEGMENT_BLOCKS].base;
	_Atomic uint64_t *const words = tsr_map_cell_words(map, index);
	struct tsr_cell *const cells = tsr_map_cells(map, index);

	format_depot(map, index);
	for (uint32_t i = 0; i < klass->count; i++) {
		uint32_t const ticket = klass->first_ticket + i;
		uint32_t const cell = i / klass->batch;

		blocks[ticket] = (struct tsr_block){
			.offset = klass->arena_offset +
		                  (uint64_t)format_scatter(i, klass->count) * klass->block_bytes,
			.capacity = klass->block_bytes,
			.arena = (uint16_t)klass->arena,
			.klass = (uint16_t)index,
		};
		tsr_st_rlx(&map->tickets[ticket].word,
		           tsr_word_make(first_generation, TSR_TICKET_IDLE, TSR_HOLDER_FREE));
		tsr_st_rlx(&map->tickets[ticket].tag, 0);
		tsr_st_rlx(&cells[cell].entry[i % klass->batch],
		           tsr_name_make(ticket, first_generation));
		tsr_st_rlx(&words[cell], tsr_slot_word(map->first_lap, 0, TSR_READY));
	}
}

/* Tickets without a region: the daemon's, and their blocks hold nothing. */
static void
format_region_tickets(struct tsr_map const *map, uint64_t first_generation)
{
	struct tsr_block *const blocks = map->segment[TSR_SEGMENT_BLOCKS].base;

	for (uint32_t i = map->tickets_count; i < map->tickets_all; i++) {
		blocks[i] = (struct tsr_block){.klass = TSR_CLASS_REGION};
		tsr_st_rlx(&map->tickets[i].word,
		           tsr_word_make(first_generation, TSR_TICKET_IDLE, TSR_HOLDER_DAEMON));
		tsr_st_rlx(&map->tickets[i].tag, 0);
	}
}

static void
format_directory(struct tsr_directory *directory, struct tsr_realm_geometry const *g)
{
	uint64_t tickets_bytes;

	directory->layout_version = TSR_LAYOUT_VERSION;
	directory->header_bytes = sizeof(*directory);
	directory->layout_hash = tsr_layout_hash();
	directory->epoch = g->epoch;
	directory->ticks_per_second = g->ticks_per_second;
	directory->classes = g->classes;
	directory->channels = g->channels;
	directory->clients = g->clients;
	directory->arenas = 1;
	directory->channels_offset = format_channels_offset();
	directory->regions_offset = format_regions_offset(g);
	directory->regions = g->regions;
	directory->ends_offset = format_ends_offset(g);
	directory->ends = g->ends;
	directory->totals_offset = format_totals_offset(g);
	directory->notices_offset = format_notices_offset(g);
	directory->region_tickets = g->region_tickets;
	directory->first_lap = g->first_lap;
	memcpy(directory->name, g->name, sizeof(directory->name));
	memcpy(directory->backing, g->backing, sizeof(directory->backing));
	directory->features = g->features;
	(void)geometry_classes(g, directory->klass, &directory->tickets, &tickets_bytes);
	directory->ranges_offset = tickets_bytes - format_ranges_bytes(g, directory->tickets);
}

int
tsr_realm_format(struct tsr_map *map, struct tsr_realm_geometry const *g)
{
	uint64_t needed[TSR_SEGMENTS_MAX];
	uint32_t const segments = tsr_geometry_segments(g, needed);

	if (map->segments_count != segments)
		return -EINVAL;
	for (uint32_t i = 0; i < segments; i++) {
		if (map->segment[i].base == NULL || map->segment[i].bytes < needed[i])
			return -EINVAL;
	}
	map->directory = map->segment[TSR_SEGMENT_DIRECTORY].base;
	format_directory(map->directory, g);
	if (tsr_map_bind_geometry(map) != 0)
		return -EINVAL;
	for (uint32_t i = 0; i < g->classes; i++)
		format_class(map, i, g->first_generation);
	format_region_tickets(map, g->first_generation);
	/* [F1] pairs with [M1]: the magic comes last, what it vouches for is written. */
	tsr_st_rel(&map->directory->magic, TSR_DIRECTORY_MAGIC);
	return 0;
}

/* Tokens keep their generations: a futex word of the old channel never looks like a new one. */
static void
format_tokens(_Atomic uint64_t *tokens)
{
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
		uint64_t const generation = tsr_token_generation(tsr_ld_rlx(&tokens[i]));

		tsr_st_rlx(&tokens[i], tsr_token_make(TSR_TOKEN_FREE, generation + 1, 0, 0));
	}
}

/* The last token becomes the one on which any number sleep. */
static void
format_crowd(_Atomic uint64_t *tokens)
{
	uint64_t const word = tsr_ld_rlx(&tokens[TSR_TOKEN_CROWD_NUMBER]);

	tsr_st_rlx(&tokens[TSR_TOKEN_CROWD_NUMBER],
	           tsr_token_make(TSR_TOKEN_CROWD, tsr_token_generation(word) + 1, 0, 0));
}

/* A new channel has counted nothing. */
static void
format_totals(struct tsr_channel_totals *totals)
{
	for (uint32_t side = 0; side < 2; side++) {
		tsr_st_rlx(&totals->side[side].messages, 0);
		tsr_st_rlx(&totals->side[side].bytes, 0);
		tsr_st_rlx(&totals->side[side].blocked_ns, 0);
		tsr_st_rlx(&totals->side[side].waits, 0);
		for (uint32_t i = 0; i < TSR_METRIC_CAUSES; i++)
			tsr_st_rlx(&totals->side[side].cause[i], 0);
	}
}

void
tsr_channel_format(struct tsr_map const *map, uint32_t index, uint64_t offset,
                   struct tsr_shape shape, uint64_t id, char const *name)
{
	struct tsr_channel_shm *const shm =
		(struct tsr_channel_shm *)(void *)(map->channels_base + offset);
	struct tsr_channel_entry *const entry = &map->entries[index];
	size_t const name_bytes = strnlen(name, sizeof(entry->name) - 1);

	tsr_st_rlx(&shm->receivers_waiting, 0);
	tsr_st_rlx(&shm->senders_waiting, 0);
	tsr_st_rlx(&shm->redo, 0);
	tsr_st_rlx(&shm->requeue_first, 0);
	tsr_st_rlx(&shm->requeue_last, 0);
	tsr_kind_get(shape.kind)->format(shm, &shape, map->first_lap);
	format_totals(&map->totals[index]);
	format_tokens(map->tokens[index].receiver);
	format_tokens(map->tokens[index].sender);
	if (tsr_kind_get(shape.kind)->crowd)
		format_crowd(map->tokens[index].receiver);
	tsr_st_rlx(&entry->senders, 0);
	tsr_st_rlx(&entry->receivers, 0);
	entry->offset = offset;
	entry->capacity = shape.capacity;
	entry->flags = shape.flags;
	entry->kind = shape.kind;
	memset(entry->name, 0, sizeof(entry->name));
	memcpy(entry->name, name, name_bytes);
	/* [F2] pairs with [F3] and [F4]: an entry with an id is complete. */
	tsr_st_rel(&entry->id, id);
}
