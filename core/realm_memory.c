/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/realm_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/daemon.h"
#include "shm/format.h"

#define REALM_WHY_BYTES 192
#define REALM_HUGE_LOG2 21

void
tsr_realm_segment_name(struct tsr_realm const *realm, uint32_t index,
                       char name[TSR_REALM_SEGMENT_NAME])
{
	static const char *const names[] = {"directory", "channels", "tickets", "blocks",
	                                    "state",     "tokens",   "metrics"};

	(void)snprintf(name, TSR_REALM_SEGMENT_NAME, "tessera-%s.%llu",
	               index < sizeof(names) / sizeof(names[0]) ? names[index] : "arena",
	               (unsigned long long)realm->epoch);
}

bool
tsr_realm_daemon_writes(uint32_t index)
{
	return index == TSR_SEGMENT_DIRECTORY || index == TSR_SEGMENT_BLOCKS;
}

static unsigned long long
realm_huge_pages(uint64_t bytes)
{
	return (bytes + (UINT64_C(1) << REALM_HUGE_LOG2) - 1) >> REALM_HUGE_LOG2;
}

/* What would make it faster, for `tessera status`: the first realm that has something to say. */
static void
realm_note_backing(struct tsr_realm *realm, struct tsr_memory const *arena, const char *why)
{
	struct tsr_daemon *const daemon = realm->daemon;
	uint64_t bytes[TSR_SEGMENTS_MAX];
	unsigned long long pages;

	if (why[0] == '\0')
		return;
	tsr_log(TSR_LOG_NOTICE, "realm '%s': %s; its arena is in %s pages instead",
	        realm->entry.name, why, tsr_backing_name(arena->backing));
	(void)tsr_geometry_segments(&realm->config->geometry, bytes);
	pages = realm_huge_pages(bytes[TSR_SEGMENT_CHANNELS]) + realm_huge_pages(arena->bytes);
	if (daemon->hint[0] == '\0')
		(void)snprintf(daemon->hint, sizeof(daemon->hint),
		               "realm '%s' is in %s pages; hugetlb pages would be faster: as root, "
		               "sysctl -w vm.nr_hugepages=%llu, then start the daemon again",
		               realm->entry.name, tsr_backing_name(arena->backing), pages);
}

static int
realm_create_segment(struct tsr_realm *realm, uint32_t index, uint64_t bytes,
                     struct tsr_refusal *refusal)
{
	bool const arena = index >= TSR_SEGMENT_ARENA0;
	bool const large = arena || index == TSR_SEGMENT_CHANNELS;
	char name[TSR_REALM_SEGMENT_NAME];
	struct tsr_segment_request const request = {
		.name = name,
		.bytes = bytes,
		.best = large ? realm->config->backing : TSR_BACKING_4K,
		.node = tsr_segment_node(realm->daemon->poll_cpu),
		.daemon_writes = tsr_realm_daemon_writes(index),
	};
	struct tsr_memory *const segment = &realm->segment[index];
	char why[REALM_WHY_BYTES];
	int error;

	tsr_realm_segment_name(realm, index, name);
	error = tsr_segment_create(&realm->daemon->kernel, &request, segment, why, sizeof(why));
	if (error != 0)
		return tsr_refuse(refusal, error, "realm '%s', %s: %s", realm->entry.name,
		                  request.name, why);
	if (arena) {
		realm_note_backing(realm, segment, why);
		realm->backing = segment->backing;
	}
	realm->map.segment[index] =
		(struct tsr_mapping){.base = segment->base, .bytes = segment->bytes};
	return 0;
}

/* The first bytes, then the seals; nobody else has a descriptor yet. */
static int
realm_write(struct tsr_realm *realm, struct tsr_refusal *refusal)
{
	struct tsr_realm_geometry geometry = realm->config->geometry;
	int error;

	geometry.epoch = realm->epoch;
	geometry.features = realm->config->core_files ? TSR_FEATURE_IN_CORES : 0;
	geometry.ticks_per_second = realm->daemon->ticks_per_second;
	memset(geometry.backing, 0, sizeof(geometry.backing));
	memcpy(geometry.backing, tsr_backing_name(realm->backing),
	       strlen(tsr_backing_name(realm->backing)));
	error = tsr_realm_format(&realm->map, &geometry);
	if (error != 0)
		return tsr_refuse(refusal, error, "realm '%s' could not be laid out",
		                  realm->entry.name);
	tsr_map_advise_cores(&realm->map);
	for (uint32_t i = 0; i < realm->segments_count; i++) {
		error = tsr_segment_seal(&realm->segment[i], tsr_realm_daemon_writes(i));
		if (error != 0)
			return tsr_refuse(refusal, error,
			                  "realm '%s', segment %u could not be sealed: %s",
			                  realm->entry.name, i, strerror(-error));
	}
	return 0;
}

int
tsr_realm_memory_create(struct tsr_realm *realm, struct tsr_refusal *refusal)
{
	uint64_t bytes[TSR_SEGMENTS_MAX];
	uint32_t const count = tsr_geometry_segments(&realm->config->geometry, bytes);
	int error = 0;

	realm->segments_count = count;
	realm->map.segments_count = count;
	/* Arenas come last and have the first choice of huge pages. */
	for (uint32_t i = count; i > 0 && error == 0; i--)
		error = realm_create_segment(realm, i - 1, bytes[i - 1], refusal);
	return error == 0 ? realm_write(realm, refusal) : error;
}

void
tsr_realm_memory_destroy(struct tsr_realm *realm)
{
	for (uint32_t i = 0; i < TSR_SEGMENTS_MAX; i++)
		tsr_segment_destroy(&realm->segment[i]);
}
