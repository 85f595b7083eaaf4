/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_MAP_H
#define TSR_SHM_MAP_H

/*
 * A realm as one process sees it: where its segments are mapped, and private, checked copies of the
 * geometry. The daemon fills one when it makes a realm, a client when it attaches. An observer
 * lacks the segments that it is not given, and may write none.
 *
 * Trust	nothing here is read again from shared memory, so it can't change underfoot.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/layout.h"
#include "shm/metrics.h"

/* One mapping. */
struct tsr_mapping {
	void *base;
	uint64_t bytes;
};

struct tsr_map {
	struct tsr_directory *directory; /* read-only in clients */
	struct tsr_ticket *tickets;
	_Atomic uint64_t *ranges; /* [tickets_all], see requeue.h */
	struct tsr_block const *blocks;
	struct tsr_state *states;  /* [clients]: client id 1 has the first; NULL for an observer */
	struct tsr_tokens *tokens; /* [channels]; NULL for an observer */
	unsigned char *channels_base;
	unsigned char *arena_base[TSR_ARENAS_MAX];
	uint64_t arena_bytes[TSR_ARENAS_MAX];
	uint64_t channels_bytes;
	struct tsr_channel_entry *entries; /* [channels] in the directory */
	uint32_t tickets_count;
	uint32_t classes_count;
	uint32_t channels_count;
	uint32_t clients_count;
	uint32_t arenas_count;
	uint32_t message_bytes_max;
	uint64_t ticks_per_second;
	uint64_t first_lap;
	struct tsr_class klass[TSR_CLASSES_MAX];
	struct tsr_mapping segment[TSR_SEGMENTS_MAX]; /* as mapped, by enum tsr_segment */
	uint32_t segments_count;
	struct tsr_region_entry *regions; /* [regions_count] in the directory */
	uint32_t regions_count;
	uint32_t tickets_all;              /* tickets_count, and behind them those of the regions */
	struct tsr_end_entry *ends;        /* [ends_count] in the directory */
	struct tsr_channel_totals *totals; /* [channels_count] in the directory */
	struct tsr_metrics *metrics;       /* [ends_count] */
	struct tsr_notice *notices;        /* [clients_count]: client id 1 has the first */
	uint32_t ends_count;
	struct tsr_pulse *pulse; /* behind the metrics */
	int doorbell;            /* eventfd of the realm's daemon; 0: none */
};

/* The depot of a class: the words of its cells, and the cells. */
TSR_INLINE _Atomic uint64_t *
tsr_map_cell_words(struct tsr_map const *map, uint32_t klass)
{
	return (_Atomic uint64_t *)(void *)((unsigned char *)map->tickets +
	                                    map->klass[klass].words_offset);
}

TSR_INLINE struct tsr_cell *
tsr_map_cells(struct tsr_map const *map, uint32_t klass)
{
	return (struct tsr_cell *)(void *)((unsigned char *)map->tickets +
	                                   map->klass[klass].cells_offset);
}

/*
 * tsr_mapping_open - map a descriptor of a client's, at an address that its pages like
 *
 * A forked child does not inherit it, nor does a core dump show it. Return: 0; what mmap(2) gave.
 */
TSR_MUST_CHECK
int tsr_mapping_open(struct tsr_mapping *mapping, int fd, uint64_t bytes, uint32_t page_log2,
                     bool writable);

/* tsr_map_advise_cores - bound: what core files of this process hold of it is what the directory
 * says: all but arenas, or nothing */
void tsr_map_advise_cores(struct tsr_map const *map);

/* tsr_mapping_replace - the same for reading, where @mapping is: whoever reads it meanwhile sees
 * the one or the other. Return: 0; what mmap(2) gave. */
TSR_MUST_CHECK
int tsr_mapping_replace(struct tsr_mapping const *mapping, int fd);

/*
 * tsr_map_bind - check the directory against the mappings and fill the rest of @map from it
 * @map:	segment[] and segments_count are set
 *
 * Context: cold. Return: 0; -EPROTO magic, version, hash, or geometry that does not fit the
 * mappings.
 */
TSR_MUST_CHECK
int tsr_map_bind(struct tsr_map *map);

/* The same for a realm that is just being formatted and has no magic yet. */
TSR_MUST_CHECK
int tsr_map_bind_geometry(struct tsr_map *map);

#endif /* TSR_SHM_MAP_H */
