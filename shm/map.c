/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/map.h"

#include <errno.h>
#include <stdbool.h>

#include "shm/access.h"
#include "shm/zdesc.h"

static bool
map_holds(struct tsr_mapping const *mapping, uint64_t offset, uint64_t bytes)
{
	return offset <= mapping->bytes && bytes <= mapping->bytes - offset;
}

static int
map_bind_header(struct tsr_map *map)
{
	struct tsr_mapping const *const mapping = &map->segment[TSR_SEGMENT_DIRECTORY];
	struct tsr_directory *const directory = mapping->base;

	if (directory->layout_version != TSR_LAYOUT_VERSION ||
	    directory->layout_hash != tsr_layout_hash() ||
	    directory->header_bytes != sizeof(*directory))
		return -EPROTO;
	map->directory = directory;
	map->tickets_count = directory->tickets;
	map->classes_count = directory->classes;
	map->channels_count = directory->channels;
	map->clients_count = directory->clients;
	map->arenas_count = directory->arenas;
	map->ticks_per_second = directory->ticks_per_second;
	map->first_lap = directory->first_lap;
	if (map->tickets_count > TSR_TICKETS_MAX || map->channels_count > TSR_CHANNELS_MAX ||
	    map->clients_count > TSR_CLIENTS_MAX || map->arenas_count > TSR_ARENAS_MAX ||
	    map->classes_count == 0 || map->classes_count > TSR_CLASSES_MAX)
		return -EPROTO;
	if (map->segments_count != TSR_SEGMENT_ARENA0 + map->arenas_count)
		return -EPROTO;
	if (!map_holds(mapping, directory->channels_offset,
	               (uint64_t)map->channels_count * sizeof(struct tsr_channel_entry)))
		return -EPROTO;
	map->entries = (struct tsr_channel_entry *)(void *)((unsigned char *)directory +
	                                                    directory->channels_offset);
	return 0;
}

static int
map_bind_class(struct tsr_map *map, uint32_t index)
{
	struct tsr_class const klass = map->directory->klass[index];

	if (klass.arena >= map->arenas_count || klass.first_ticket > map->tickets_count ||
	    klass.count > map->tickets_count - klass.first_ticket || klass.batch == 0 ||
	    klass.batch > TSR_CELL_ENTRIES)
		return -EPROTO;
	if (!map_holds(&map->segment[TSR_SEGMENT_TICKETS], klass.words_offset,
	               (uint64_t)klass.cells * sizeof(uint64_t)) ||
	    !map_holds(&map->segment[TSR_SEGMENT_TICKETS], klass.cells_offset,
	               (uint64_t)klass.cells * sizeof(struct tsr_cell)))
		return -EPROTO;
	if (!map_holds(&map->segment[TSR_SEGMENT_ARENA0 + klass.arena], klass.arena_offset,
	               (uint64_t)klass.count * klass.block_bytes))
		return -EPROTO;
	map->klass[index] = klass;
	if (klass.block_bytes > map->message_bytes_max)
		map->message_bytes_max = klass.block_bytes;
	return 0;
}

static int
map_bind_segments(struct tsr_map *map)
{
	struct tsr_mapping const *const s = map->segment;

	if (!map_holds(&s[TSR_SEGMENT_TICKETS], 0,
	               (uint64_t)map->tickets_count * sizeof(*map->tickets)) ||
	    !map_holds(&s[TSR_SEGMENT_BLOCKS], 0,
	               (uint64_t)map->tickets_count * sizeof(*map->blocks)) ||
	    !map_holds(&s[TSR_SEGMENT_STATE], 0,
	               (uint64_t)map->clients_count * sizeof(*map->states)) ||
	    !map_holds(&s[TSR_SEGMENT_TOKENS], 0,
	               (uint64_t)map->channels_count * sizeof(*map->tokens)))
		return -EPROTO;
	map->tickets = s[TSR_SEGMENT_TICKETS].base;
	map->blocks = s[TSR_SEGMENT_BLOCKS].base;
	map->states = s[TSR_SEGMENT_STATE].base;
	map->tokens = s[TSR_SEGMENT_TOKENS].base;
	map->channels_base = s[TSR_SEGMENT_CHANNELS].base;
	map->channels_bytes = s[TSR_SEGMENT_CHANNELS].bytes;
	for (uint32_t i = 0; i < map->arenas_count; i++) {
		map->arena_base[i] = s[TSR_SEGMENT_ARENA0 + i].base;
		map->arena_bytes[i] = s[TSR_SEGMENT_ARENA0 + i].bytes;
	}
	return 0;
}

int
tsr_map_bind_geometry(struct tsr_map *map)
{
	int error = map_bind_header(map);

	if (error == 0)
		error = map_bind_segments(map);
	map->message_bytes_max = 0;
	for (uint32_t i = 0; error == 0 && i < map->classes_count; i++)
		error = map_bind_class(map, i);
	return error;
}

int
tsr_map_bind(struct tsr_map *map)
{
	struct tsr_mapping const *const mapping = &map->segment[TSR_SEGMENT_DIRECTORY];
	struct tsr_directory *const directory = mapping->base;

	if (directory == NULL || mapping->bytes < sizeof(*directory))
		return -EPROTO;
	/* [M1] pairs with [F1]: a directory with its magic is complete. */
	if (tsr_ld_acq(&directory->magic) != TSR_DIRECTORY_MAGIC)
		return -EPROTO;
	return tsr_map_bind_geometry(map);
}
