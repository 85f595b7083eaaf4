/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/map.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

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
	map->regions_count = directory->regions;
	map->ends_count = directory->ends;
	if (directory->region_tickets > TSR_REGION_TICKETS_MAX ||
	    map->regions_count > TSR_REGIONS_MAX || map->tickets_count > TSR_TICKETS_MAX ||
	    map->channels_count > TSR_CHANNELS_MAX || map->clients_count > TSR_CLIENTS_MAX ||
	    map->arenas_count > TSR_ARENAS_MAX || map->ends_count > TSR_ENDS_METERED_MAX ||
	    map->classes_count == 0 || map->classes_count > TSR_CLASSES_MAX)
		return -EPROTO;
	if (map->segments_count != TSR_SEGMENT_ARENA0 + map->arenas_count)
		return -EPROTO;
	if (directory->channels_offset % alignof(struct tsr_channel_entry) != 0 ||
	    directory->regions_offset % alignof(struct tsr_region_entry) != 0 ||
	    directory->ends_offset % alignof(struct tsr_end_entry) != 0 ||
	    directory->totals_offset % alignof(struct tsr_channel_totals) != 0 ||
	    directory->notices_offset % alignof(struct tsr_notice) != 0 ||
	    !map_holds(mapping, directory->channels_offset,
	               (uint64_t)map->channels_count * sizeof(struct tsr_channel_entry)) ||
	    !map_holds(mapping, directory->regions_offset,
	               (uint64_t)map->regions_count * sizeof(struct tsr_region_entry)) ||
	    !map_holds(mapping, directory->ends_offset,
	               (uint64_t)map->ends_count * sizeof(struct tsr_end_entry)) ||
	    !map_holds(mapping, directory->totals_offset,
	               (uint64_t)map->channels_count * sizeof(struct tsr_channel_totals)) ||
	    !map_holds(mapping, directory->notices_offset,
	               (uint64_t)map->clients_count * sizeof(struct tsr_notice)))
		return -EPROTO;
	map->tickets_all = map->tickets_count + directory->region_tickets;
	map->entries = (struct tsr_channel_entry *)(void *)((unsigned char *)directory +
	                                                    directory->channels_offset);
	map->regions = (struct tsr_region_entry *)(void *)((unsigned char *)directory +
	                                                   directory->regions_offset);
	map->ends = (struct tsr_end_entry *)(void *)((unsigned char *)directory +
	                                             directory->ends_offset);
	map->totals = (struct tsr_channel_totals *)(void *)((unsigned char *)directory +
	                                                    directory->totals_offset);
	map->notices = (struct tsr_notice *)(void *)((unsigned char *)directory +
	                                             directory->notices_offset);
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
	if (klass.words_offset % sizeof(uint64_t) != 0 ||
	    klass.cells_offset % alignof(struct tsr_cell) != 0)
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

/* As map_holds() from the start, of a segment that an observer lacks. */
static bool
map_holds_or_lacks(struct tsr_mapping const *mapping, uint64_t bytes)
{
	return mapping->base == NULL || map_holds(mapping, 0, bytes);
}

static int
map_bind_segments(struct tsr_map *map)
{
	struct tsr_mapping const *const s = map->segment;

	if (!map_holds(&s[TSR_SEGMENT_TICKETS], 0,
	               (uint64_t)map->tickets_all * sizeof(*map->tickets)) ||
	    map->directory->ranges_offset % sizeof(uint64_t) != 0 ||
	    !map_holds(&s[TSR_SEGMENT_TICKETS], map->directory->ranges_offset,
	               (uint64_t)map->tickets_all * sizeof(*map->ranges)) ||
	    !map_holds(&s[TSR_SEGMENT_BLOCKS], 0,
	               (uint64_t)map->tickets_all * sizeof(*map->blocks)) ||
	    !map_holds(&s[TSR_SEGMENT_METRICS], 0,
	               (uint64_t)map->ends_count * sizeof(*map->metrics) + sizeof(*map->pulse)) ||
	    !map_holds_or_lacks(&s[TSR_SEGMENT_STATE],
	                        (uint64_t)map->clients_count * sizeof(*map->states)) ||
	    !map_holds_or_lacks(&s[TSR_SEGMENT_TOKENS],
	                        (uint64_t)map->channels_count * sizeof(*map->tokens)))
		return -EPROTO;
	map->tickets = s[TSR_SEGMENT_TICKETS].base;
	map->ranges = (_Atomic uint64_t *)(void *)((unsigned char *)map->tickets +
	                                           map->directory->ranges_offset);
	map->blocks = s[TSR_SEGMENT_BLOCKS].base;
	map->states = s[TSR_SEGMENT_STATE].base;
	map->tokens = s[TSR_SEGMENT_TOKENS].base;
	map->metrics = s[TSR_SEGMENT_METRICS].base;
	map->pulse = (struct tsr_pulse *)(void *)&map->metrics[map->ends_count];
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

/* The mapping itself, at @at. */
static int
mapping_place(void *at, uint64_t bytes, int fd, bool writable)
{
	int const prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;

	if (mmap(at, bytes, prot, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
		return 0;
	/* Before Linux 6.7 what is sealed against writing can't be mapped shared through a
	 * descriptor that could have written: nothing in it changes, so private is the same. */
	if (errno == EPERM && !writable &&
	    mmap(at, bytes, prot, MAP_PRIVATE | MAP_FIXED, fd, 0) != MAP_FAILED)
		return 0;
	return -errno;
}

void
tsr_map_advise_cores(struct tsr_map const *map)
{
	bool const in_cores = (map->directory->features & TSR_FEATURE_IN_CORES) != 0;

	for (uint32_t i = 0; in_cores && i < TSR_SEGMENT_ARENA0; i++) {
		if (map->segment[i].base != NULL)
			(void)madvise(map->segment[i].base, map->segment[i].bytes, MADV_DODUMP);
	}
}

/* Not for forked children, nor, unless the realm says so, for core dumps. */
static void
mapping_advise(void *at, uint64_t bytes)
{
	(void)madvise(at, bytes, MADV_DONTFORK);
	(void)madvise(at, bytes, MADV_DONTDUMP);
}

int
tsr_mapping_open(struct tsr_mapping *mapping, int fd, uint64_t bytes, uint32_t page_log2,
                 bool writable)
{
	/* Large plain memory may be huge pages all the same (THP). */
	uint64_t const align = bytes >= UINT64_C(1) << 21 && page_log2 < 21
	                               ? UINT64_C(1) << 21
	                               : UINT64_C(1) << page_log2;
	uint64_t const page = UINT64_C(1) << page_log2;
	uint64_t const rounded = (bytes + page - 1) & ~(page - 1);
	unsigned char *reserved;
	unsigned char *at;
	int error;

	reserved = mmap(NULL, rounded + align, PROT_NONE,
	                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return -errno;
	at = reserved + (-(uintptr_t)reserved & (align - 1));
	error = mapping_place(at, rounded, fd, writable);
	if (error != 0) {
		(void)munmap(reserved, rounded + align);
		return error;
	}
	if (at > reserved)
		(void)munmap(reserved, (size_t)(at - reserved));
	(void)munmap(at + rounded, align - (size_t)(at - reserved));
	mapping_advise(at, rounded);
	mapping->base = at;
	mapping->bytes = rounded;
	return 0;
}

int
tsr_mapping_replace(struct tsr_mapping const *mapping, int fd)
{
	int const error = mapping_place(mapping->base, mapping->bytes, fd, false);

	if (error == 0)
		mapping_advise(mapping->base, mapping->bytes);
	return error;
}
