/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/kept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/daemon.h"
#include "core/member.h"

#define KEPT_SHORT_BYTES 64

/* Epoch and realm stand at the end of every name. */
static void
kept_name(struct tsr_realm const *realm, const char *what, char *name)
{
	(void)snprintf(name, TSR_STORE_NAME_BYTES, TSR_STORE_PREFIX "%s.%llu.%s", what,
	               (unsigned long long)realm->epoch, realm->settings.geometry.name);
}

void
tsr_kept_name_segment(struct tsr_realm const *realm, uint32_t segment, uint64_t generation,
                      char *name)
{
	char what[KEPT_SHORT_BYTES];

	(void)snprintf(what, sizeof(what), "seg.%u.%llu", segment, (unsigned long long)generation);
	kept_name(realm, what, name);
}

void
tsr_kept_name_bell(struct tsr_realm const *realm, char *name)
{
	kept_name(realm, "bell", name);
}

void
tsr_kept_name_estate(struct tsr_realm const *realm, char *name)
{
	kept_name(realm, "estate", name);
}

void
tsr_kept_name_client(struct tsr_realm const *realm, uint32_t id, uint64_t serial, char *name)
{
	char what[KEPT_SHORT_BYTES];

	(void)snprintf(what, sizeof(what), "client.%u.%llu", id, (unsigned long long)serial);
	kept_name(realm, what, name);
}

void
tsr_kept_name_region(struct tsr_realm const *realm, uint32_t number, uint64_t id, char *name)
{
	char what[KEPT_SHORT_BYTES];

	(void)snprintf(what, sizeof(what), "region.%u.%llu", number, (unsigned long long)id);
	kept_name(realm, what, name);
}

uint64_t
tsr_kept_generation(struct tsr_realm const *realm, uint32_t segment)
{
	return segment == TSR_SEGMENT_DIRECTORY || segment == TSR_SEGMENT_BLOCKS ? realm->generation
	                                                                         : 0;
}

static int
kept_segments(struct tsr_realm *realm)
{
	struct tsr_store *const store = &realm->daemon->store;
	char name[TSR_STORE_NAME_BYTES];
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < realm->segments_count; i++) {
		tsr_kept_name_segment(realm, i, tsr_kept_generation(realm, i), name);
		error = tsr_store_keep(store, name, realm->segment[i].fd);
	}
	if (error != 0)
		return error;
	tsr_kept_name_bell(realm, name);
	error = tsr_store_keep(store, name, realm->map.doorbell);
	if (error != 0)
		return error;
	tsr_kept_name_estate(realm, name);
	return tsr_store_keep(store, name, realm->estate.fd);
}

void
tsr_kept_begin(struct tsr_realm *realm)
{
	int error;

	if (tsr_store_is(&realm->daemon->store) == TSR_STORE_NONE)
		return;
	realm->kept = true;
	error = kept_segments(realm);
	if (error != 0)
		tsr_kept_lose(realm, strerror(-error));
	else
		tsr_st_rlx(&realm->map.directory->kept, 1);
}

static void
kept_drop_all(struct tsr_realm *realm)
{
	struct tsr_store *const store = &realm->daemon->store;
	char name[TSR_STORE_NAME_BYTES];

	tsr_kept_name_estate(realm, name);
	tsr_store_drop(store, name);
	tsr_kept_name_bell(realm, name);
	tsr_store_drop(store, name);
	for (uint32_t i = 0; i < realm->segments_count; i++) {
		tsr_kept_name_segment(realm, i, tsr_kept_generation(realm, i), name);
		tsr_store_drop(store, name);
	}
	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		if (realm->members[id] != NULL)
			tsr_kept_client_end(realm->members[id]);
	}
	for (uint32_t i = 0; i < realm->map.regions_count; i++) {
		if (realm->regions.record[i] != NULL)
			tsr_kept_region_end(realm, realm->regions.record[i]);
	}
}

void
tsr_kept_lose(struct tsr_realm *realm, const char *why)
{
	if (!realm->kept)
		return;
	tsr_st_rlx(&realm->map.directory->kept, 0);
	kept_drop_all(realm);
	realm->kept = false;
	tsr_log(TSR_LOG_WARNING,
	        "realm '%s' is no longer kept, a successor of this daemon can't take it over: %s",
	        realm->entry.name, why);
}

void
tsr_kept_end(struct tsr_realm *realm)
{
	if (!realm->kept)
		return;
	kept_drop_all(realm);
	realm->kept = false;
}

void
tsr_kept_client(struct tsr_member *member)
{
	struct tsr_realm *const realm = member->realm;
	char name[TSR_STORE_NAME_BYTES];
	int error;

	if (!realm->kept)
		return;
	tsr_kept_name_client(realm, member->id, member->entry.number, name);
	error = tsr_store_keep(&realm->daemon->store, name, member->pidfd);
	if (error != 0)
		tsr_kept_lose(realm, strerror(-error));
}

void
tsr_kept_client_end(struct tsr_member const *member)
{
	struct tsr_realm const *const realm = member->realm;
	char name[TSR_STORE_NAME_BYTES];

	if (!realm->kept)
		return;
	tsr_kept_name_client(realm, member->id, member->entry.number, name);
	tsr_store_drop(&realm->daemon->store, name);
}

void
tsr_kept_region(struct tsr_realm *realm, struct tsr_region_record const *region)
{
	char name[TSR_STORE_NAME_BYTES];
	int error;

	if (!realm->kept)
		return;
	tsr_kept_name_region(realm, region->number, region->id, name);
	error = tsr_store_keep(&realm->daemon->store, name, region->memory.fd);
	if (error != 0)
		tsr_kept_lose(realm, strerror(-error));
}

void
tsr_kept_region_end(struct tsr_realm *realm, struct tsr_region_record const *region)
{
	char name[TSR_STORE_NAME_BYTES];

	if (!realm->kept)
		return;
	tsr_kept_name_region(realm, region->number, region->id, name);
	tsr_store_drop(&realm->daemon->store, name);
}

void
tsr_kept_event(struct tsr_member *member, struct tsr_event *event)
{
	struct tsr_realm *const realm = member->realm;
	char what[KEPT_SHORT_BYTES];
	char name[TSR_STORE_NAME_BYTES];
	int error;

	if (!realm->kept)
		return;
	(void)snprintf(what, sizeof(what), "event.%u.%u.%u.%u", event->number, member->id,
	               (uint32_t)event->side->record->channel.id, event->side->side);
	kept_name(realm, what, name);
	event->kept = strdup(name);
	error = event->kept == NULL ? -ENOMEM
	                            : tsr_store_keep(&realm->daemon->store, name, event->fd);
	if (error != 0)
		tsr_kept_lose(realm, strerror(-error));
}

void
tsr_kept_event_end(struct tsr_event *event)
{
	if (event->kept != NULL)
		tsr_store_drop(&event->realm->daemon->store, event->kept);
	free(event->kept);
	event->kept = NULL;
}
