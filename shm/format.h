/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_FORMAT_H
#define TSR_SHM_FORMAT_H

/*
 * Laying out a realm and writing its first bytes: what the daemon (and a test without a daemon)
 * does before anybody else may map the segments.
 */

#include <stdint.h>

#include "shm/channel.h"

struct tsr_class_config {
	uint32_t block_bytes; /* a multiple of 64, TSR_BLOCK_BYTES_MIN .. TSR_BLOCK_BYTES_MAX */
	uint32_t count;
};

struct tsr_realm_geometry {
	char name[TSR_NAME_BYTES];
	char backing[16];  /* of the arenas, as shown: set it before tsr_realm_format() */
	uint32_t channels; /* at most so many; 1 .. TSR_CHANNELS_MAX */
	uint32_t slots;    /* of all channels together */
	uint32_t clients;  /* 1 .. TSR_CLIENTS_MAX */
	uint32_t ends;     /* so many open ends count; 0 .. TSR_ENDS_METERED_MAX */
	uint32_t classes;  /* 1 .. TSR_CLASSES_MAX, block_bytes ascending */
	struct tsr_class_config klass[TSR_CLASSES_MAX];
	uint32_t regions;        /* at a time; 0 .. TSR_REGIONS_MAX */
	uint32_t region_tickets; /* of all regions together; 0 .. TSR_REGION_TICKETS_MAX */
	uint64_t features;       /* TSR_FEATURE_* */
	uint64_t epoch;
	uint64_t ticks_per_second;
	uint64_t first_lap;        /* tests of wrap-around; else 0 */
	uint64_t first_generation; /* tests of wrap-around; else 1 */
};

/* The default geometry: the realm "demo". */
void tsr_geometry_default(struct tsr_realm_geometry *geometry);

/*
 * tsr_geometry_check - is this a realm that can be made?
 * @why, @why_bytes:	on failure, a sentence that names the member and what is expected
 *
 * Return: 0; -EINVAL.
 */
TSR_MUST_CHECK
int tsr_geometry_check(struct tsr_realm_geometry const *geometry, char *why, size_t why_bytes);

/*
 * tsr_geometry_segments - how many bytes each segment needs (not rounded to pages)
 * @bytes:	[TSR_SEGMENTS_MAX], by enum tsr_segment; 0 beyond the last
 *
 * Return: how many segments.
 */
uint32_t tsr_geometry_segments(struct tsr_realm_geometry const *geometry,
                               uint64_t bytes[TSR_SEGMENTS_MAX]);

/*
 * tsr_realm_format - write directory, tickets, blocks and full depots
 * @map:	segment[] and segments_count set, all mapped writable and zero; bound on success
 *
 * Context: cold, before anybody else maps the segments. Return: 0; -EINVAL the mappings are too
 * small for @geometry.
 */
TSR_MUST_CHECK
int tsr_realm_format(struct tsr_map *map, struct tsr_realm_geometry const *geometry);

/*
 * tsr_channel_format - write the slots and tokens of a new channel, then its entry
 * @index:	of the entry and of the tokens
 * @offset:	in the channels segment, a multiple of 64, checked by the caller to be free
 * @shape:	of a kind that is there
 * @id:		of the channel: see tsr_channel_id()
 *
 * Context: the daemon. No end may be open on what stood there before.
 */
void tsr_channel_format(struct tsr_map const *map, uint32_t index, uint64_t offset,
                        struct tsr_shape shape, uint64_t id, char const *name);

/* The id of the @generation-th channel in entry @index: 24 bits, never 0. */
TSR_INLINE uint64_t
tsr_channel_id(uint32_t index, uint32_t generation)
{
	return ((uint64_t)(generation & 0x7f) << 17) | (index + 1);
}

#endif /* TSR_SHM_FORMAT_H */
