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
kept_store(struct tsr_realm *realm, const char *name, int fd)
{
	return tsr_store_keep(&realm->daemon->store, name, fd);
}

static int
kept_segments(struct tsr_realm *realm)
{
	char name[TSR_STORE_NAME_BYTES];
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < realm->segments_count; i++) {
		tsr_kept_name_segment(realm, i, tsr_kept_generation(realm, i), name);
		error = kept_store(realm, name, realm->segment[i].fd);
	}
	if (error != 0)
		return error;
	tsr_kept_name_bell(realm, name);
	return kept_store(realm, name, realm->map.doorbell);
}

static int
kept_client(struct tsr_member const *member)
{
	char name[TSR_STORE_NAME_BYTES];

	tsr_kept_name_client(member->realm, member->id, member->entry.number, name);
	return kept_store(member->realm, name, member->pidfd);
}

static int
kept_region(struct tsr_realm *realm, struct tsr_region_record const *region)
{
	char name[TSR_STORE_NAME_BYTES];

	tsr_kept_name_region(realm, region->number, region->id, name);
	return kept_store(realm, name, region->memory.fd);
}

static int
kept_event(struct tsr_event *event)
{
	struct tsr_realm *const realm = event->realm;
	char what[KEPT_SHORT_BYTES];
	char name[TSR_STORE_NAME_BYTES];

	(void)snprintf(what, sizeof(what), "event.%u.%u.%u.%u", event->number, event->client,
	               (uint32_t)event->side->record->channel.id, event->side->side);
	kept_name(realm, what, name);
	free(event->kept);
	event->kept = strdup(name);
	return event->kept == NULL ? -ENOMEM : kept_store(realm, name, event->fd);
}

/* Each event of a client whose channel is there. Return: what @act did not return 0 for. */
static int
kept_each_event(struct tsr_realm *realm, int (*act)(struct tsr_event *event))
{
	int error = 0;

	for (uint32_t i = 0; i < 2 * realm->map.channels_count; i++) {
		struct tsr_channel_record *const record = realm->channels[i / 2];
		struct tsr_event *event = record == NULL ? NULL : record->events[i % 2].events;

		for (; error == 0 && event != NULL; event = event->next) {
			if (event->client != 0)
				error = act(event);
		}
	}
	return error;
}

/* Who is in it, and what is theirs. */
static int
kept_everybody(struct tsr_realm *realm)
{
	int error = 0;

	for (uint32_t id = 1; error == 0 && id <= realm->map.clients_count; id++) {
		if (realm->members[id] != NULL)
			error = kept_client(realm->members[id]);
	}
	for (uint32_t i = 0; error == 0 && i < realm->map.regions_count; i++) {
		if (realm->regions.record[i] != NULL)
			error = kept_region(realm, realm->regions.record[i]);
	}
	return error != 0 ? error : kept_each_event(realm, kept_event);
}

bool
tsr_kept_begin(struct tsr_realm *realm)
{
	char name[TSR_STORE_NAME_BYTES];
	int error;

	if (tsr_store_is(&realm->daemon->store) == TSR_STORE_NONE || realm->condemned)
		return false;
	realm->kept = true;
	error = kept_segments(realm);
	if (error == 0)
		error = kept_everybody(realm);
	tsr_kept_name_estate(realm, name);
	if (error == 0)
		error = kept_store(realm, name, realm->estate.fd);
	if (error != 0)
		tsr_kept_lose(realm, strerror(-error));
	else
		tsr_st_rlx(&realm->map.directory->kept, 1);
	return error == 0;
}

static int
kept_drop_event(struct tsr_event *event)
{
	tsr_kept_event_end(event);
	return 0;
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
	(void)kept_each_event(realm, kept_drop_event);
}

void
tsr_kept_lose(struct tsr_realm *realm, const char *why)
{
	struct tsr_proto_row_feed row = tsr_realm_row(realm, TSR_FEED_REALM);

	if (!realm->kept)
		return;
	tsr_st_rlx(&realm->map.directory->kept, 0);
	kept_drop_all(realm);
	realm->kept = false;
	tsr_feed_tell(&realm->daemon->feed, TSR_LOG_WARNING, &row,
	              "realm '%s' is no longer kept, a successor of this daemon can't take it "
	              "over: %s",
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

/* What is new in a realm that is kept. */
static void
kept_or_lost(struct tsr_realm *realm, int error)
{
	if (error != 0)
		tsr_kept_lose(realm, strerror(-error));
}

void
tsr_kept_client(struct tsr_member *member)
{
	if (member->realm->kept)
		kept_or_lost(member->realm, kept_client(member));
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
	if (realm->kept)
		kept_or_lost(realm, kept_region(realm, region));
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
	event->client = member->id;
	if (member->realm->kept)
		kept_or_lost(member->realm, kept_event(event));
}

void
tsr_kept_event_end(struct tsr_event *event)
{
	if (event->kept != NULL)
		tsr_store_drop(&event->realm->daemon->store, event->kept);
	free(event->kept);
	event->kept = NULL;
}
