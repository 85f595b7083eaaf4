/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/realm.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/shape.h"

void
realm_geometry(struct tsr_realm_geometry *geometry)
{
	tsr_geometry_default(geometry);
	geometry->channels = REALM_CHANNELS;
	geometry->slots = 256;
	geometry->clients = REALM_CLIENTS;
	geometry->classes = 2;
	memset(geometry->klass, 0, sizeof(geometry->klass));
	geometry->klass[0] = (struct tsr_class_config){.block_bytes = 256, .count = 1024};
	geometry->klass[1] = (struct tsr_class_config){.block_bytes = 4096, .count = 64};
	geometry->regions = 0;
	geometry->region_tickets = 0;
	geometry->ends = 0;
	geometry->epoch = 7;
}

static uint64_t
realm_round(uint64_t bytes)
{
	return (bytes + 4095) & ~UINT64_C(4095);
}

void
realm_make(struct realm *realm, struct tsr_realm_geometry const *geometry)
{
	uint64_t bytes[TSR_SEGMENTS_MAX];
	char why[200] = "";

	memset(realm, 0, sizeof(*realm));
	if (geometry != NULL)
		realm->geometry = *geometry;
	else
		realm_geometry(&realm->geometry);
	cr_assert_eq(tsr_geometry_check(&realm->geometry, why, sizeof(why)), 0, "%s", why);
	realm->map.segments_count = tsr_geometry_segments(&realm->geometry, bytes);
	for (uint32_t i = 0; i < realm->map.segments_count; i++) {
		struct tsr_mapping *segment = &realm->map.segment[i];

		segment->bytes = realm_round(bytes[i]);
		realm->fd[i] = memfd_create("test", MFD_CLOEXEC);
		cr_assert_geq(realm->fd[i], 0, "memfd_create: %m");
		cr_assert_eq(ftruncate(realm->fd[i], (off_t)segment->bytes), 0, "ftruncate: %m");
		segment->base = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		                     realm->fd[i], 0);
		cr_assert_neq(segment->base, MAP_FAILED, "mmap: %m");
	}
	test_ok(tsr_realm_format(&realm->map, &realm->geometry));
}

void
realm_unmap(struct tsr_map *map)
{
	for (uint32_t i = 0; i < map->segments_count; i++)
		munmap(map->segment[i].base, map->segment[i].bytes);
	memset(map, 0, sizeof(*map));
}

void
realm_wipe(struct realm *realm)
{
	for (uint32_t i = 0; i < realm->map.segments_count; i++)
		close(realm->fd[i]);
	realm_unmap(&realm->map);
}

void
realm_map_again(struct realm const *from, struct tsr_map *map)
{
	memset(map, 0, sizeof(*map));
	map->segments_count = from->map.segments_count;
	for (uint32_t i = 0; i < map->segments_count; i++) {
		map->segment[i].bytes = from->map.segment[i].bytes;
		map->segment[i].base = mmap(NULL, map->segment[i].bytes, PROT_READ | PROT_WRITE,
		                            MAP_SHARED, from->fd[i], 0);
		cr_assert_neq(map->segment[i].base, MAP_FAILED, "mmap: %m");
	}
}

struct tsr_channel *
realm_channel(struct realm *realm, uint32_t capacity, uint32_t flags)
{
	return realm_channel_of(realm, shape_buffered(capacity, flags));
}

struct tsr_channel *
realm_channel_of(struct realm *realm, struct tsr_shape shape)
{
	uint32_t const index = realm->channels_count;
	struct tsr_channel *channel = &realm->channel[index];
	uint64_t const id = tsr_channel_id(index, 1);
	char name[TSR_NAME_BYTES];

	cr_assert_lt(index, REALM_CHANNELS);
	snprintf(name, sizeof(name), "test/%u", index);
	tsr_channel_format(&realm->map, index, realm->slots_used, shape, id, name);
	test_ok(tsr_channel_bind(channel, &realm->map, index, realm->slots_used, shape, id));
	realm->slots_used += (tsr_channel_bytes(channel) + 63) & ~UINT64_C(63);
	realm->channels_count = index + 1;
	return channel;
}

_Atomic uint64_t *
realm_word(struct realm *realm, uint64_t name)
{
	uint32_t const index = tsr_name_index(name);

	cr_assert_lt(index, realm->map.tickets_all);
	return &realm->map.tickets[index].word;
}

uint32_t
realm_take_cell(struct realm *realm, uint32_t klass, uint16_t me, uint64_t names[TSR_CELL_ENTRIES])
{
	struct tsr_cell const *cells = tsr_map_cells(&realm->map, klass);
	_Atomic uint64_t *words = tsr_map_cell_words(&realm->map, klass);

	for (uint32_t i = 0; i < realm->map.klass[klass].cells; i++) {
		uint64_t const word = atomic_load(&words[i]);
		uint32_t count = 0;

		if (tsr_slot_phase(word) != TSR_READY)
			continue;
		for (uint32_t k = 0; k < TSR_CELL_ENTRIES; k++) {
			uint64_t const name = atomic_load(&cells[i].entry[k]);
			uint64_t const g = tsr_generation_next(tsr_name_generation(name));

			if (name == TSR_NAME_NONE)
				continue;
			test_same(atomic_load(realm_word(realm, name)),
			          tsr_word_make(tsr_name_generation(name), TSR_TICKET_IDLE,
			                        TSR_HOLDER_FREE));
			atomic_store(realm_word(realm, name),
			             tsr_word_make(g, TSR_TICKET_IDLE, me));
			names[count++] = tsr_name_make(tsr_name_index(name), g);
		}
		atomic_store(&words[i], tsr_slot_word(tsr_slot_lap(word) + 1, 0, TSR_EMPTY));
		return count;
	}
	return 0;
}

void
realm_slot(struct tsr_channel *channel, uint64_t position, uint16_t owner, enum tsr_phase phase,
           uint64_t name, uint32_t length)
{
	struct tsr_slot *slot = tsr_channel_slot(channel, position);

	atomic_store(&slot->name, name);
	atomic_store(&slot->range, tsr_range_make(0, length));
	atomic_store(&slot->stamp, 0);
	atomic_store(&slot->word, tsr_slot_word(tsr_channel_lap(channel, position), owner, phase));
}

void
realm_stamp_channel(struct realm *realm, uint64_t name, struct tsr_channel const *channel)
{
	atomic_store(&realm->map.tickets[tsr_name_index(name)].tag, channel->id);
	atomic_store(realm_word(realm, name),
	             tsr_word_make(tsr_name_generation(name), TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL));
}

int
realm_sweep(struct realm *realm, uint16_t dead, bool died, struct tsr_reap_result *result)
{
	struct tsr_sweep sweep = {.died = died};
	uint32_t work = UINT32_MAX;

	return tsr_reaper_sweep(&realm->map, dead, &sweep, &work, result);
}

void
realm_reap(struct realm *realm, uint16_t dead, struct tsr_channel *const *channels,
           uint32_t const *sides, uint32_t count, struct tsr_reap_result *result)
{
	memset(result, 0, sizeof(*result));
	for (uint32_t i = 0; i < count; i++) {
		struct tsr_reap_end const end = {.channel = *channels[i], .side = sides[i]};

		tsr_reaper_slots(&end, dead, result);
		tsr_ends_publish(&end.channel, end.side, 0, true, 1);
		tsr_reaper_wake(&end, dead, result);
	}
	test_ok(realm_sweep(realm, dead, true, result));
	realm->living[dead] = false;
}

struct tsr_ledger
realm_count(struct realm *realm)
{
	uint8_t *const named = calloc(realm->map.tickets_all, 1);
	struct tsr_ledger ledger;

	cr_assert_not_null(named);
	memset(&ledger, 0xa5, sizeof(ledger));
	tsr_ledger_take(&realm->map, realm->channel, realm->channels_count, realm->living, named,
	                &ledger);
	free(named);
	return ledger;
}

struct tsr_ledger
realm_balanced(struct realm *realm)
{
	struct tsr_ledger const ledger = realm_count(realm);

	cr_assert(ledger.balanced, "the ledger does not balance: %s", ledger.text);
	cr_assert_str_empty(ledger.text);
	test_same(ledger.lost, 0);
	test_same(ledger.slots_claimed, 0);
	test_same(ledger.tokens_stray, 0);
	test_same(ledger.tickets, ledger.in_depot + ledger.with_daemon + ledger.in_channels +
	                                  ledger.with_clients + ledger.in_regions);
	return ledger;
}
