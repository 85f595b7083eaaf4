/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/channels.h"
#include "shm/format.h"
#include "shm/region.h"
#include "tests/crash/actor.h"
#include "tests/crash/meet.h"
#include "tests/crash/outside.h"
#include "tests/support/local.h"
#include "tests/support/shape.h"

#define WORLD_PAGE        4096
#define WORLD_ENDS_TABLE  24 /* of the process's table of ends, so many are ever used */
#define WORLD_ORPHANS     64
#define WORLD_SERIAL_MARK UINT64_C(0x7e55e4a000000000)
#define WORLD_RANGES_MAX  16
#define WORLD_MAGAZINES   (WORLD_CLASSES * sizeof(struct tsr_magazine))

struct world world;

/* In shared memory what clients write comes first, then payload, then what the daemon writes. */
static unsigned char *world_memory;
static size_t world_memory_bytes;
static size_t world_watched_bytes;
static uint32_t const world_order[] = {
	TSR_SEGMENT_CHANNELS, TSR_SEGMENT_TICKETS, TSR_SEGMENT_TOKENS,    TSR_SEGMENT_STATE,
	TSR_SEGMENT_ARENA0,   TSR_SEGMENT_METRICS, TSR_SEGMENT_DIRECTORY, TSR_SEGMENT_BLOCKS};
#define WORLD_WATCHED 4 /* of these */

/* What the client library allocates is put here, where it can be put away. */
static alignas(TSR_CACHELINE) unsigned char world_magazines[WORLD_CLIENTS + 1][4096];
static alignas(64) unsigned char world_regions[WORLD_CLIENTS][256];
static alignas(64) unsigned char world_region_memory[WORLD_PAGE];
static uint64_t world_orphans[WORLD_CLIENTS][WORLD_CLASSES][WORLD_ORPHANS];

struct world_range {
	void *base;
	size_t bytes;
};

static struct world_range world_range[WORLD_RANGES_MAX]; /* the first is shared memory */
static unsigned world_ranges;
static size_t world_image_bytes;

void
world_give_up(char const *why)
{
	fprintf(stderr, "crash: the test itself is wrong: %s\n", why);
	exit(3);
}

static void
world_geometry(struct tsr_realm_geometry *geometry)
{
	tsr_geometry_default(geometry);
	geometry->channels = WORLD_CHANNELS;
	geometry->slots =
		WORLD_CAPACITY_MAX + 2 + sizeof(struct tsr_broadcast_shm) / sizeof(struct tsr_slot);
	geometry->clients = WORLD_CLIENTS - 1;
	geometry->classes = WORLD_CLASSES;
	geometry->regions = 1;
	geometry->region_tickets = WORLD_REGION;
	geometry->ends = 0; /* they count where nobody looks: images stay small */
	memset(geometry->klass, 0, sizeof(geometry->klass));
	/* Two tickets travel at once, and one. */
	geometry->klass[0] = (struct tsr_class_config){.block_bytes = 64, .count = 64};
	geometry->klass[1] = (struct tsr_class_config){.block_bytes = 128, .count = 8};
}

static bool
world_open_memory(struct tsr_map *map)
{
	struct tsr_realm_geometry geometry;
	uint64_t bytes[TSR_SEGMENTS_MAX];
	size_t at = 0;

	world_geometry(&geometry);
	map->segments_count = tsr_geometry_segments(&geometry, bytes);
	for (unsigned i = 0; i < sizeof(world_order) / sizeof(world_order[0]); i++) {
		/* Offsets for now. */
		map->segment[world_order[i]].base = (void *)at;
		map->segment[world_order[i]].bytes = (bytes[world_order[i]] + 63) & ~UINT64_C(63);
		at += map->segment[world_order[i]].bytes;
		if (i + 1 == WORLD_WATCHED)
			world_watched_bytes = at;
	}
	world_memory_bytes = (at + WORLD_PAGE - 1) & ~(size_t)(WORLD_PAGE - 1);
	world_memory = mmap(NULL, world_memory_bytes, PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world_memory == MAP_FAILED)
		return false;
	for (uint32_t i = 0; i < map->segments_count; i++)
		map->segment[i].base = world_memory + (size_t)map->segment[i].base;
	return true;
}

void
world_keep(void *base, size_t bytes)
{
	if (world_ranges == WORLD_RANGES_MAX)
		world_give_up("ranges");
	world_range[world_ranges++] = (struct world_range){base, bytes};
	world_image_bytes += bytes;
}

/* The clients are there from the beginning; what they have and hold is wiped for each realm. */
static bool
world_open_clients(void)
{
	for (uint16_t id = 1; id < WORLD_CLIENTS; id++) {
		uint64_t index;

		if (local_attach(&world.realm.map, id, false, &world.client[id]) != 0)
			return false;
		index = world.client[id].handle % TSR_ATTACHMENTS_MAX;
		if (tsr_magazines_open(&tsr_process->attachment[index]) == NULL)
			return false;
		tsr_thread.magazines[index] = (struct tsr_magazine *)(void *)world_magazines[id];
	}
	return true;
}

bool
world_open(void)
{
	struct tsr_realm_geometry geometry;

	if (!world_open_memory(&world.realm.map))
		return false;
	world_geometry(&geometry);
	if (tsr_realm_format(&world.realm.map, &geometry) != 0 || !world_open_clients())
		return false;
	world_keep(world_memory, world_memory_bytes);
	world_keep(&world, sizeof(world));
	world_keep(tsr_process->attachment, WORLD_CLIENTS * sizeof(struct tsr_attachment));
	world_keep(tsr_process->end, WORLD_ENDS_TABLE * sizeof(struct tsr_end));
	world_keep(&tsr_process->ends_high, sizeof(tsr_process->ends_high));
	world_keep(tsr_process->scope, sizeof(tsr_process->scope[0]));
	world_keep(tsr_process->asker, sizeof(tsr_process->asker[0]));
	world_keep(tsr_process->reply, sizeof(tsr_process->reply[0]) * WORLD_CHANNELS);
	world_keep(&tsr_process->reply_lock, sizeof(tsr_process->reply_lock));
	world_keep(&tsr_thread, sizeof(tsr_thread));
	world_keep(world_magazines, sizeof(world_magazines));
	world_keep(world_orphans, sizeof(world_orphans));
	world_keep(world_regions, sizeof(world_regions));
	world_keep(world_region_memory, sizeof(world_region_memory));
	world_keep(&tsr_process_lock, sizeof(tsr_process_lock));
	return true;
}

/* It has the region mapped, and may take tickets of it. */
static void
world_make_region(struct tsr_attachment *attachment, uint16_t id)
{
	struct tsr_regions *const regions = (struct tsr_regions *)(void *)world_regions[id];

	memset(regions, 0, sizeof(world_regions[id]));
	attachment->regions = regions;
	if (local_region(world.client[id], 0, world_region_memory, &world.region[id]) != 0)
		world_give_up("no region");
}

/* A client that has just attached. */
static void
world_make_client(uint16_t id)
{
	uint64_t const index = world.client[id].handle % TSR_ATTACHMENTS_MAX;
	struct tsr_attachment *const attachment = &tsr_process->attachment[index];
	struct tsr_magazine *const magazines = (struct tsr_magazine *)(void *)world_magazines[id];

	attachment->handle = world.client[id].handle;
	attachment->map = world.realm.map;
	memset(attachment->map.segment, 0, sizeof(attachment->map.segment));
	attachment->state = &world.realm.map.states[id - 1];
	tsr_attachment_classes(attachment);
	for (uint32_t k = 0; k < WORLD_CLASSES; k++) {
		uint32_t const batch = world.realm.map.klass[k].batch;

		attachment->orphans[k] = (struct tsr_orphans){
			.name = world_orphans[id][k],
			.room = WORLD_ORPHANS,
		};
		magazines[k].count = 0;
		magazines[k].limit = 2 * batch;
	}
	world_make_region(attachment, id);
	world.member[id] = (struct tsr_member){
		.realm = &world.realm,
		.id = id,
		.ends = world.end[id],
		.ends_max = WORLD_ENDS,
	};
	world.living[id] = id < WORLD_FRESH_SENDER;
}

static void
world_make_channel(uint32_t index, uint64_t offset, struct tsr_shape shape)
{
	struct tsr_channel_record *const record = &world.record[index];
	uint64_t const id = tsr_channel_id(index, 1);

	memset(record, 0, sizeof(*record));
	snprintf(record->name, sizeof(record->name), "%u", index);
	tsr_channel_format(&world.realm.map, index, offset, shape, id, record->name);
	if (tsr_channel_bind(&record->channel, &world.realm.map, index, offset, shape, id) != 0)
		world_give_up("a channel does not fit");
	record->index = index;
	record->offset = offset;
}

/* Send so many messages through channel 0 that its next slot is the last one of the lap. */
static void
world_advance(void)
{
	struct tsr_msg msg;

	world_open_sender(WORLD_PEER_SENDER, 0);
	world_open_receiver(WORLD_PEER_RECEIVER, 0);
	if (meet_is_on())
		meet_advance();
	for (uint32_t i = 0; !meet_is_on() && i + 1 < world.shape->capacity; i++) {
		if (!world_message(WORLD_PEER_SENDER, &msg) ||
		    tsr_send(world.sender[WORLD_PEER_SENDER][0], &msg, TSR_NOWAIT) != 0 ||
		    tsr_recv(world.receiver[WORLD_PEER_RECEIVER][0], &msg, TSR_NOWAIT) != 0 ||
		    tsr_release(world.client[WORLD_PEER_RECEIVER], &msg) != 0)
			world_give_up("the first messages do not get through");
	}
	if (tsr_sender_close(world.sender[WORLD_PEER_SENDER][0]) != 0 ||
	    tsr_receiver_close(world.receiver[WORLD_PEER_RECEIVER][0]) != 0)
		world_give_up("close");
	world.record[0].side[TSR_SIDE_SENDER].gone = false;
}

void
world_make(struct world_shape const *shape, struct world_era const *era)
{
	struct tsr_client clients[WORLD_CLIENTS];
	struct tsr_map map = {.segments_count = world.realm.map.segments_count};
	struct tsr_realm_geometry geometry;

	memcpy(clients, world.client, sizeof(clients));
	memcpy(map.segment, world.realm.map.segment, sizeof(map.segment));
	memset(&world, 0, sizeof(world));
	memset(world_memory, 0, world_memory_bytes);
	memset(tsr_process->end, 0, WORLD_ENDS_TABLE * sizeof(struct tsr_end));
	tsr_process->ends_high = 0;
	memset(tsr_process->scope, 0, sizeof(tsr_process->scope[0]));
	memset(tsr_process->asker, 0, sizeof(tsr_process->asker[0]));
	memset(tsr_process->reply, 0, sizeof(tsr_process->reply[0]) * WORLD_CHANNELS);
	tsr_process->reply_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	tsr_process_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	memcpy(world.client, clients, sizeof(clients));
	world.shape = shape;
	world.now_ns = era->now_ns;
	world_geometry(&geometry);
	geometry.first_lap = era->first_lap;
	geometry.first_generation = era->first_generation;
	if (tsr_realm_format(&map, &geometry) != 0)
		world_give_up("the realm can't be formatted");
	world.realm.map = map;
	world.realm.map.doorbell = WORLD_DOORBELL;
	local_region_format(&world.realm.map, 0, 1, WORLD_REGION, sizeof(world_region_memory));
	world_make_channel(0, 0,
	                   (struct tsr_shape){.kind = shape->kind,
	                                      .capacity = shape->capacity,
	                                      .flags = shape->flags});
	world_make_channel(1, (tsr_channel_bytes(&world.record[0].channel) + 63) & ~UINT64_C(63),
	                   shape_buffered(2, 0));
	for (uint16_t id = 1; id < WORLD_CLIENTS; id++)
		world_make_client(id);
	if (era->to_the_last_slot)
		world_advance();
}

void
world_image_make(struct world_image *image)
{
	image->bytes = malloc(world_image_bytes);
	if (image->bytes == NULL)
		world_give_up("no memory");
}

void
world_save(struct world_image *image)
{
	unsigned char *to = image->bytes;

	for (unsigned i = 0; i < world_ranges; i++) {
		memcpy(to, world_range[i].base, world_range[i].bytes);
		to += world_range[i].bytes;
	}
}

static void
world_restore_from(struct world_image const *image, unsigned first)
{
	unsigned char const *from = image->bytes;

	for (unsigned i = 0; i < world_ranges; i++) {
		if (i >= first)
			memcpy(world_range[i].base, from, world_range[i].bytes);
		from += world_range[i].bytes;
	}
}

void
world_restore(struct world_image const *image)
{
	world_restore_from(image, 0);
}

void
world_restore_private(struct world_image const *image)
{
	uint64_t woken[WORLD_TOKENS];

	/* Who was woken stays awake. */
	memcpy(woken, world.woken, sizeof(woken));
	world_restore_from(image, 1);
	memcpy(world.woken, woken, sizeof(woken));
}

void const *
world_watched(size_t *bytes)
{
	*bytes = world_watched_bytes;
	return world_memory;
}

void *
world_shared(size_t *bytes)
{
	*bytes = world_memory_bytes;
	return world_memory;
}

int
world_try_open(enum world_client id, unsigned channel, enum tsr_side side)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	char const *const name = world.record[channel].name;

	world.living[id] = true;
	return side == TSR_SIDE_SENDER ? tsr_sender_open(world.client[id], name, &options,
	                                                 &world.sender[id][channel])
	                               : tsr_receiver_open(world.client[id], name, &options,
	                                                   &world.receiver[id][channel]);
}

void
world_open_sender(enum world_client id, unsigned channel)
{
	if (world_try_open(id, channel, TSR_SIDE_SENDER) != 0)
		world_give_up("a sender can't be opened");
}

void
world_open_receiver(enum world_client id, unsigned channel)
{
	if (world_try_open(id, channel, TSR_SIDE_RECEIVER) != 0)
		world_give_up("a receiver can't be opened");
}

bool
world_has_end(enum world_client id, unsigned channel, enum tsr_side side)
{
	for (unsigned i = 0; i < WORLD_ENDS; i++) {
		struct tsr_member_end const *const end = &world.end[id][i];

		if (end->record == &world.record[channel] && end->side == (uint32_t)side)
			return true;
	}
	return false;
}

struct tsr_end *
world_end(enum world_client id, unsigned channel, enum tsr_side side)
{
	return tsr_end_get(side == TSR_SIDE_SENDER ? world.sender[id][channel].handle
	                                           : world.receiver[id][channel].handle);
}

static void
world_number(struct tsr_msg const *msg)
{
	uint64_t *const words = msg->data;

	words[0] = WORLD_SERIAL_MARK | ++world.serial;
	words[1] = ~words[0];
}

bool
world_message(enum world_client id, struct tsr_msg *msg)
{
	if (tsr_alloc(world.client[id], WORLD_MESSAGE, msg) != 0)
		return false;
	world_number(msg);
	return true;
}

bool
world_region_message(enum world_client id, struct tsr_msg *msg)
{
	if (tsr_region_alloc(world.region[id], 0, WORLD_MESSAGE, msg) != 0)
		return false;
	world_number(msg);
	return true;
}

static uint64_t
world_serial_of(uint64_t const *words)
{
	if (words[1] != ~words[0] || (words[0] & WORLD_SERIAL_MARK) != WORLD_SERIAL_MARK)
		return 0;
	return words[0] & ~WORLD_SERIAL_MARK;
}

uint64_t
world_serial(struct tsr_msg const *msg)
{
	return msg->length == WORLD_MESSAGE ? world_serial_of(msg->data) : 0;
}

uint64_t
world_serial_at(uint64_t name, uint64_t range)
{
	struct tsr_map const *const map = &world.realm.map;
	struct tsr_block const *block;

	if (tsr_name_index(name) >= map->tickets_all)
		return 0;
	block = &map->blocks[tsr_name_index(name)];
	if (range != tsr_range_make(0, WORLD_MESSAGE))
		return 0;
	if (block->klass == TSR_CLASS_REGION)
		return world_serial_of((uint64_t const *)(void const *)world_region_memory);
	return world_serial_of(
		(uint64_t const *)(void const *)(map->arena_base[block->arena] + block->offset));
}

static _Atomic uint64_t *
world_token_word(unsigned channel, enum tsr_side side, uint32_t number)
{
	struct tsr_tokens *const tokens = &world.realm.map.tokens[channel];

	return side == TSR_SIDE_SENDER ? &tokens->sender[number] : &tokens->receiver[number];
}

uint64_t
world_token(unsigned channel, enum tsr_side side, uint32_t number)
{
	return atomic_load(world_token_word(channel, side, number));
}

bool
world_token_woken(unsigned channel, enum tsr_side side, uint32_t number)
{
	_Atomic uint64_t *const word = world_token_word(channel, side, number);
	size_t const index = (size_t)(word - (_Atomic uint64_t *)world.realm.map.tokens);
	uint64_t const low = UINT32_MAX; /* whoever claimed it, the word is the one that slept */

	return (world.woken[index] & low) == (atomic_load(word) & low);
}

void
world_trim(void)
{
	for (unsigned i = 0; i < WORLD_CHANNELS; i++) {
		struct tsr_channel_record const *const record = &world.record[i];

		if (record->channel.shm != NULL && record->side[0].count == 0 &&
		    record->side[1].count == 0)
			tsr_reaper_trim(&world.realm.map, &record->channel);
	}
}

int
world_reap(enum world_client id, struct tsr_reap_result *result)
{
	struct tsr_map const *const map = &world.realm.map;
	uint32_t work = UINT32_MAX;
	int const error = tsr_member_repair(&world.member[id], true, &work);

	*result = world.member[id].leaving.result;
	(void)tsr_reaper_region(map, map->tickets_count, WORLD_REGION, true);
	world_trim();
	world.living[id] = false;
	return error;
}

void
world_thread_make(void)
{
	uint64_t const index = world.client[WORLD_VICTIM].handle % TSR_ATTACHMENTS_MAX;
	struct tsr_magazine *const magazines = tsr_thread.magazines[index];
	struct tsr_magazine *const copy =
		(struct tsr_magazine *)(void *)world_magazines[WORLD_CLIENTS];

	memcpy(copy, magazines, WORLD_MAGAZINES);
	for (uint32_t k = 0; k < WORLD_CLASSES; k++)
		magazines[k].count = 0;
	memset(&world.thread, 0, sizeof(world.thread));
	world.thread.handle[index] = world.client[WORLD_VICTIM].handle;
	world.thread.magazines[index] = copy;
}

void
world_thread_end(void)
{
	outside_thread_ends(&world.thread);
}

bool
world_owns(void const *memory)
{
	uintptr_t const at = (uintptr_t)memory;

	return at - (uintptr_t)world_magazines < sizeof(world_magazines) ||
	       at - (uintptr_t)world_regions < sizeof(world_regions) ||
	       at - (uintptr_t)world_region_memory < sizeof(world_region_memory) ||
	       at - (uintptr_t)world_orphans < sizeof(world_orphans);
}

static void
world_name_in(uint32_t segment, size_t offset, char *out, size_t out_bytes)
{
	struct tsr_map const *const map = &world.realm.map;

	if (segment == TSR_SEGMENT_CHANNELS) {
		unsigned const channel = offset >= world.record[1].offset ? 1 : 0;
		size_t const at = offset - world.record[channel].offset;
		static char const *const part[] = {"word", "name", "range", "stamp"};

		size_t const readers =
			sizeof(struct tsr_channel_shm) +
			world.record[channel].channel.capacity * sizeof(struct tsr_slot);

		if (at < sizeof(struct tsr_channel_shm))
			snprintf(out, out_bytes, "channel %u head+%zu", channel, at);
		else if (at >= readers)
			snprintf(out, out_bytes, "channel %u readers+%zu", channel, at - readers);
		else
			snprintf(out, out_bytes, "channel %u slot %zu %s", channel,
			         (at - sizeof(struct tsr_channel_shm)) / sizeof(struct tsr_slot),
			         part[at % sizeof(struct tsr_slot) / 8]);
	} else if (segment == TSR_SEGMENT_TICKETS && offset < map->tickets_all * 16) {
		snprintf(out, out_bytes, "ticket %zu %s", offset / 16,
		         offset % 16 == 0 ? "word" : "tag");
	} else if (segment == TSR_SEGMENT_TICKETS) {
		for (uint32_t k = 0; k < WORLD_CLASSES; k++) {
			struct tsr_class const *const c = &map->klass[k];

			if (offset - c->words_offset < c->cells * sizeof(uint64_t))
				snprintf(out, out_bytes, "class %u cell %zu word", k,
				         (offset - c->words_offset) / 8);
			if (offset - c->cells_offset < c->cells * sizeof(struct tsr_cell))
				snprintf(out, out_bytes, "class %u cell %zu entry %zu", k,
				         (offset - c->cells_offset) / sizeof(struct tsr_cell),
				         (offset - c->cells_offset) % sizeof(struct tsr_cell) / 8);
		}
	} else if (segment == TSR_SEGMENT_TOKENS) {
		snprintf(out, out_bytes, "channel %zu %s token %zu",
		         offset / sizeof(struct tsr_tokens),
		         offset % sizeof(struct tsr_tokens) < 512 ? "receiver" : "sender",
		         offset % 512 / 8);
	} else {
		snprintf(out, out_bytes, "segment %u + %zu", segment, offset);
	}
}

void
world_name(size_t offset, char *out, size_t out_bytes)
{
	struct tsr_mapping const *const segment = world.realm.map.segment;

	out[0] = '\0';
	for (uint32_t i = 0; i < world.realm.map.segments_count; i++) {
		size_t const at =
			(size_t)(world_memory + offset - (unsigned char *)segment[i].base);

		if (at < segment[i].bytes)
			world_name_in(i, at, out, out_bytes);
	}
}
