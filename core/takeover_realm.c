/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* One realm that is taken over: its memory, its tables, and the moment from which it is ours. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/daemon.h"
#include "core/kept.h"
#include "core/realm_memory.h"
#include "core/takeover.h"
#include "shm/access.h"

/* The settings: access as configured now, what the memory was made for as it is. */
static struct tsr_config_realm *
realm_settings(struct tsr_daemon *daemon, const char *name)
{
	struct tsr_config *const config = daemon->reload.config;
	struct tsr_config_realm *known = tsr_config_find(config, name);

	if (known != NULL || config->realms_count == TSR_REALMS_ROOM)
		return known;
	/* No longer in the configuration: as after a reload that took it out. */
	known = &config->realms[config->realms_count++];
	*known = (struct tsr_config_realm){.owner = geteuid(), .group = getegid(), .leaving = true};
	(void)snprintf(known->geometry.name, sizeof(known->geometry.name), "%s", name);
	(void)snprintf(known->where, sizeof(known->where), "taken over");
	return known;
}

static void
realm_geometry(struct tsr_realm *realm)
{
	struct tsr_realm_geometry *const geometry = &realm->settings.geometry;
	struct tsr_map const *const map = &realm->map;

	memcpy(geometry->backing, map->directory->backing, sizeof(geometry->backing));
	geometry->epoch = realm->epoch;
	geometry->ticks_per_second = map->ticks_per_second;
	geometry->channels = map->channels_count;
	geometry->clients = map->clients_count;
	geometry->ends = map->ends_count;
	geometry->slots = realm->estate.head->slots;
	geometry->regions = map->regions_count;
	geometry->region_tickets = map->tickets_all - map->tickets_count;
	geometry->first_lap = map->first_lap;
	geometry->classes = map->classes_count;
	memset(geometry->klass, 0, sizeof(geometry->klass));
	for (uint32_t i = 0; i < map->classes_count; i++) {
		geometry->klass[i].block_bytes = map->klass[i].block_bytes;
		geometry->klass[i].count = map->klass[i].count;
	}
}

/* Directory or blocks: a copy, in memory that is ours to write. */
static int
realm_copy_segment(struct tsr_realm *realm, uint32_t index, int fd, char *why, size_t why_bytes)
{
	struct tsr_memory const old = {.fd = fd, .bytes = realm->estate.head->bytes[index]};
	char name[TSR_REALM_SEGMENT_NAME];
	struct tsr_segment_request const request = {
		.name = name,
		.bytes = old.bytes,
		.best = TSR_BACKING_4K,
		.node = tsr_segment_node(realm->daemon->poll_cpu),
		.daemon_writes = true,
	};
	struct tsr_memory *const segment = &realm->segment[index];
	int error;

	tsr_realm_segment_name(realm, index, name);
	error = tsr_segment_create(&realm->daemon->kernel, &request, segment, why, why_bytes);
	if (error != 0)
		return error;
	error = segment->bytes == old.bytes ? tsr_segment_read(&old, segment->base) : -EINVAL;
	if (error != 0)
		(void)snprintf(why, why_bytes, "segment %u can't be copied: %s", index,
		               strerror(-error));
	return error;
}

static int
realm_open_segment(struct tsr_realm *realm, uint32_t index, char *why, size_t why_bytes)
{
	struct tsr_estate_head const *const head = realm->estate.head;
	struct tsr_memory *const segment = &realm->segment[index];
	char name[TSR_STORE_NAME_BYTES];
	struct tsr_store_item *item;
	int error;

	tsr_kept_name_segment(realm, index, tsr_kept_generation(realm, index), name);
	item = tsr_store_find(&realm->daemon->store, name);
	if (item == NULL) {
		(void)snprintf(why, why_bytes, "segment %u is not in the store", index);
		return -EINVAL;
	}
	if (tsr_realm_daemon_writes(index)) {
		error = realm_copy_segment(realm, index, item->fd, why, why_bytes);
	} else {
		*segment = (struct tsr_memory){.fd = item->fd,
		                               .bytes = head->bytes[index],
		                               .page_log2 = head->page_log2[index],
		                               .backing = (enum tsr_backing)head->backing[index]};
		item->fd = -1;
		error = tsr_segment_open(segment, false);
		if (error != 0)
			(void)snprintf(why, why_bytes, "segment %u can't be mapped: %s", index,
			               strerror(-error));
	}
	realm->map.segment[index] =
		(struct tsr_mapping){.base = segment->base, .bytes = segment->bytes};
	return error;
}

static int
realm_open_memory(struct tsr_realm *realm, char *why, size_t why_bytes)
{
	char name[TSR_STORE_NAME_BYTES];
	struct tsr_store_item *item;
	int error = 0;

	realm->segments_count = realm->map.segments_count = realm->estate.head->segments;
	for (uint32_t i = 0; error == 0 && i < realm->segments_count; i++)
		error = realm_open_segment(realm, i, why, why_bytes);
	if (error != 0)
		return error;
	realm->backing = realm->segment[TSR_SEGMENT_ARENA0].backing;
	error = tsr_map_bind(&realm->map);
	if (error != 0) {
		(void)snprintf(why, why_bytes, "the directory is damaged: its geometry");
		return error;
	}
	tsr_map_advise_cores(&realm->map);
	tsr_kept_name_bell(realm, name);
	item = tsr_store_find(&realm->daemon->store, name);
	if (item == NULL || item->fd <= 0) {
		(void)snprintf(why, why_bytes, "the doorbell is not in the store");
		return -EINVAL;
	}
	realm->map.doorbell = item->fd;
	item->fd = -1;
	if (tsr_ld_rlx(&realm->map.directory->state) != TSR_REALM_LIVING ||
	    tsr_ld_rlx(&realm->map.directory->kept) == 0) {
		(void)snprintf(why, why_bytes, "its clients have been told that it ends");
		return -EINVAL;
	}
	return 0;
}

static int
realm_open_tables(struct tsr_realm *realm, char *why, size_t why_bytes)
{
	struct tsr_refusal refusal = {0};
	int error = tsr_estate_check(&realm->estate, &realm->map, why, why_bytes);

	if (error != 0)
		return error;
	realm_geometry(realm);
	error = tsr_realm_tables(realm, &refusal);
	if (error != 0) {
		(void)snprintf(why, why_bytes, "%s", refusal.text);
		return error;
	}
	error = tsr_takeover_channels(realm, why, why_bytes);
	if (error == 0)
		error = tsr_takeover_regions(realm, why, why_bytes);
	if (error == 0)
		error = tsr_takeover_members(realm, why, why_bytes);
	if (error == 0)
		tsr_takeover_events(realm);
	return error;
}

/* A store that has just failed is no reason to lose the realm: it is ours, and not kept. */
static int
realm_store(struct tsr_realm *realm, const char *name, int fd)
{
	int error;

	if (!realm->kept)
		return 0;
	error = tsr_store_keep(&realm->daemon->store, name, fd);
	if (error != -EOPNOTSUPP)
		return error;
	realm->kept = false;
	tsr_st_rlx(&realm->map.directory->kept, 0);
	return 0;
}

/* Sealed and stored, then, by one store, what counts. */
static int
realm_commit(struct tsr_realm *realm, char *why, size_t why_bytes)
{
	static const uint32_t ours[] = {TSR_SEGMENT_DIRECTORY, TSR_SEGMENT_BLOCKS};
	struct tsr_directory *const directory = realm->map.directory;
	uint64_t const version = tsr_ld_rlx(&directory->meters_version);
	struct tsr_store *const store = &realm->daemon->store;
	char name[TSR_STORE_NAME_BYTES];

	/* The dead daemon was moving the counts of an end. */
	tsr_st_rlx(&directory->meters_version, version + version % 2);
	realm->generation++;
	realm->kept = tsr_store_is(store) != TSR_STORE_NONE;
	tsr_st_rlx(&directory->kept, realm->kept);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		struct tsr_memory const *const segment = &realm->segment[ours[i]];
		int error = tsr_segment_seal(segment, true);

		tsr_kept_name_segment(realm, ours[i], realm->generation, name);
		/* A successor before us may have come as far as this. */
		tsr_store_discard(store, name);
		if (error == 0)
			error = realm_store(realm, name, segment->fd);
		if (error != 0) {
			(void)snprintf(why, why_bytes, "segment %u can't be stored: %s", ours[i],
			               strerror(-error));
			return error;
		}
	}
	/* From here on the new ones count. */
	tsr_st_rlx(&realm->estate.head->generation, realm->generation);
	return 0;
}

/* Out of every table that it has come into, and freed. */
static void
realm_undo(struct tsr_realm *realm)
{
	tsr_realm_lock(realm);
	realm->condemned = true;
	realm->kept = false; /* the caller lets go of all that is in the store */
	if (realm->members == NULL)
		realm->map.clients_count = 0; /* it did not come to any */
	tsr_realm_dissolve(realm);
	tsr_realm_unlock(realm);
	tsr_realm_put(realm);
}

static int
realm_take(struct tsr_realm *realm, char *why, size_t why_bytes)
{
	int error = realm_open_memory(realm, why, why_bytes);

	if (error == 0)
		error = realm_open_tables(realm, why, why_bytes);
	if (error != 0)
		return error;
	error = tsr_events_listen(realm);
	if (error == 0)
		return realm_commit(realm, why, why_bytes);
	(void)snprintf(why, why_bytes, "the doorbell: %s", strerror(-error));
	return error;
}

int
tsr_takeover_realm(struct tsr_daemon *daemon, struct tsr_store_item *item, struct tsr_realm **out,
                   char *why, size_t why_bytes)
{
	struct tsr_config_realm const *settings;
	struct tsr_estate estate;
	struct tsr_realm *realm;
	int error = tsr_estate_open(item->fd, &estate, why, why_bytes);

	if (error != 0)
		return error;
	item->fd = -1;
	settings = realm_settings(daemon, estate.head->realm);
	realm = settings == NULL ? NULL : tsr_realm_begin(daemon, settings, estate.head->epoch);
	if (realm == NULL) {
		tsr_estate_close(&estate);
		(void)snprintf(why, why_bytes, "no memory for another realm");
		return -ENOMEM;
	}
	realm->estate = estate;
	realm->leaving = settings->leaving;
	realm->generation = tsr_ld_rlx(&estate.head->generation);
	if (tsr_registry_add(&daemon->realms, &realm->entry) != 0) {
		tsr_realm_destroy(realm);
		(void)snprintf(why, why_bytes, "the store has two of that name");
		return -EEXIST;
	}
	error = realm_take(realm, why, why_bytes);
	if (error != 0) {
		realm_undo(realm);
		return error;
	}
	*out = realm;
	return 0;
}
