/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* The private tables of a realm that is taken over: channels, members and their ends, regions.
 * Estate and directory have been checked. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/channels.h"
#include "core/counter.h"
#include "core/daemon.h"
#include "core/kept.h"
#include "core/member.h"
#include "core/takeover.h"
#include "shm/kind.h"
#include "shm/meters.h"

#define TABLES_ENDS_FIRST 8

static int
tables_fail(int error, char *why, size_t why_bytes, const char *what, uint32_t number)
{
	(void)snprintf(why, why_bytes, "%s %u: %s", what, number, strerror(-error));
	return error;
}

/* One channel that the directory shows. */
static int
tables_channel(struct tsr_realm *realm, uint32_t index, struct tsr_estate_channel const *known)
{
	struct tsr_channel_entry const *const entry = &realm->map.entries[index];
	struct tsr_shape const shape = tsr_channel_entry_shape(entry);
	struct tsr_channel_record *const record = calloc(1, sizeof(*record));
	int error;

	if (record == NULL)
		return -ENOMEM;
	memcpy(record->name, entry->name, sizeof(record->name));
	record->entry.name = record->name;
	record->creator = known->creator;
	record->replies = known->replies;
	record->retired = known->retired;
	record->index = index;
	record->offset = entry->offset;
	record->bytes = tsr_kind_get(shape.kind)->bytes(&shape);
	record->estate = &realm->estate.channels[index];
	for (uint32_t side = 0; side < 2; side++) {
		uint64_t const ends =
			tsr_ld_rlx(side == TSR_SIDE_SENDER ? &entry->senders : &entry->receivers);

		record->side[side] = (struct tsr_channel_side){
			.died = tsr_ends_died(ends),
			.gone = known->gone[side],
			.stream = tsr_ends_stream(ends),
		};
	}
	tsr_events_init(record);
	error = tsr_channel_bind(&record->channel, &realm->map, index, record->offset, shape,
	                         tsr_channel_id(index, known->generation));
	if (error == 0)
		error = tsr_area_take(&realm->area, record->offset, record->bytes);
	if (error == 0 && !known->retired) {
		error = tsr_registry_add(&realm->names, &record->entry);
		if (error != 0)
			(void)tsr_area_free(&realm->area, record->offset);
	}
	if (error != 0) {
		free(record);
		return error;
	}
	/* Whoever made it, it counts; limits are not in force yet. */
	(void)!tsr_channels_charge(&realm->daemon->quota, record, NULL);
	realm->channels[index] = record;
	realm->channels_count++;
	return 0;
}

int
tsr_takeover_channels(struct tsr_realm *realm, char *why, size_t why_bytes)
{
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		_Atomic uint64_t *const word = &realm->estate.channels[i];
		struct tsr_estate_channel known = tsr_estate_channel_read(tsr_ld_rlx(word));
		int error;

		if (tsr_ld_rlx(&realm->map.entries[i].id) == 0 && !known.retired) {
			/* In use and not shown: it was just being made, or removed. */
			realm->generations[i] = (uint8_t)(known.generation + (known.used ? 1 : 0));
			continue;
		}
		realm->generations[i] = known.generation;
		error = tables_channel(realm, i, &known);
		if (error != 0)
			return tables_fail(error, why, why_bytes, "channel", i);
	}
	return 0;
}

/* The process descriptor that the store has for a client. */
static int
tables_pidfd(struct tsr_realm *realm, uint32_t id, uint64_t serial)
{
	char name[TSR_STORE_NAME_BYTES];
	struct tsr_store_item *item;
	int fd;

	tsr_kept_name_client(realm, id, serial, name);
	item = tsr_store_find(&realm->daemon->store, name);
	if (item == NULL)
		return -ENOENT;
	fd = item->fd;
	item->fd = -1;
	return fd;
}

static void
tables_end(struct tsr_member *member, uint32_t index, struct tsr_estate_end const *known)
{
	struct tsr_realm *const realm = member->realm;
	struct tsr_member_end *const end = &member->ends[index];

	end->generation = known->generation;
	end->metrics = UINT32_MAX;
	if (!known->open)
		return;
	end->record = realm->channels[tsr_channel_index(known->channel_id)];
	end->side = known->side;
	end->metrics = known->metrics;
	end->record->side[end->side].count++;
	member->open[end->side]++;
	if (end->metrics != UINT32_MAX)
		tsr_st_rlx(&realm->map.ends[end->metrics].word,
		           tsr_end_word(end->record->channel.id, member->id, end->side,
		                        end->generation));
}

static int
tables_ends(struct tsr_member *member)
{
	uint64_t const used = tsr_ld_rlx(&member->estate->ends);
	uint32_t room = TABLES_ENDS_FIRST;

	while (room < used)
		room *= 2;
	member->ends = calloc(room, sizeof(member->ends[0]));
	if (member->ends == NULL)
		return -ENOMEM;
	member->ends_max = room;
	for (uint32_t i = 0; i < used; i++) {
		struct tsr_estate_end const known =
			tsr_estate_end_read(tsr_ld_rlx(&member->estate_ends[i]));

		tables_end(member, i, &known);
	}
	return 0;
}

/* From here on it is watched; it was not when it died in between: the descriptor tells. */
static int
tables_enter(struct tsr_member *member)
{
	struct tsr_realm *const realm = member->realm;
	struct tsr_daemon *const daemon = realm->daemon;
	int error = tsr_registry_add(&daemon->clients, &member->entry);

	if (error != 0)
		return error;
	error = tsr_poll_core_watch(&daemon->poll, member->pidfd, member->entry.number);
	if (error != 0) {
		(void)tsr_registry_remove(&daemon->clients, &member->entry);
		tsr_registry_synchronize();
		return error;
	}
	realm->members[member->id] = member;
	realm->members_count++;
	tsr_realm_get(realm);
	tsr_counter_add(&daemon->clients_count, 1);
	if (member->entry.number > daemon->serial)
		daemon->serial = member->entry.number;
	return 0;
}

static int
tables_member(struct tsr_realm *realm, uint16_t id, uint64_t state)
{
	struct tsr_member *const member = calloc(1, sizeof(*member));
	struct tsr_estate_client *const client = &realm->estate.clients[id - 1];
	int error;

	if (member == NULL)
		return -ENOMEM;
	memcpy(member->name, client->name, sizeof(member->name));
	member->realm = realm;
	member->entry.number = client->serial;
	member->id = id;
	member->pid = (pid_t)client->pid;
	member->uid = client->uid;
	member->flags = client->flags;
	member->since_ns = client->since_ns;
	member->connection = -1;
	member->evicted = tsr_ld_rlx(&realm->map.notices[id - 1].evicted) != 0;
	member->state = state == TSR_ESTATE_CLOSING || member->evicted ? TSR_MEMBER_CLOSING
	                                                               : TSR_MEMBER_ATTACHED;
	member->estate = client;
	member->estate_ends = tsr_estate_row(&realm->estate, id);
	tsr_ref_init(&member->refs);
	member->pidfd = tables_pidfd(realm, id, client->serial);
	error = member->pidfd < 0 ? member->pidfd : tables_ends(member);
	if (error == 0)
		error = tables_enter(member);
	if (error == 0)
		return 0;
	if (member->pidfd >= 0)
		(void)close(member->pidfd);
	free(member->ends);
	free(member);
	return error;
}

/* Ids that nobody has, and metrics that no end has, are free. */
static int
tables_free_lists(struct tsr_realm *realm)
{
	bool *const used = calloc((size_t)realm->map.ends_count + 1, sizeof(*used));

	if (used == NULL)
		return -ENOMEM;
	realm->free_first = 0;
	realm->free_count = 0;
	realm->free_ends_count = 0;
	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		struct tsr_member const *const member = realm->members[id];

		if (member == NULL)
			realm->free_ids[realm->free_count++] = (uint16_t)id;
		for (uint32_t i = 0; member != NULL && i < member->ends_max; i++) {
			if (member->ends[i].record != NULL && member->ends[i].metrics != UINT32_MAX)
				used[member->ends[i].metrics] = true;
		}
	}
	for (uint32_t i = realm->map.ends_count; i > 0; i--) {
		if (used[i - 1])
			continue;
		tsr_st_rlx(&realm->map.ends[i - 1].word, 0);
		realm->free_ends[realm->free_ends_count++] = i - 1;
	}
	free(used);
	return 0;
}

/* The directory shows as many ends as there are. Nobody maps the new one yet. */
static void
tables_publish_ends(struct tsr_realm *realm)
{
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		struct tsr_channel_record *const record = realm->channels[i];

		for (uint32_t side = 0; record != NULL && side < 2; side++) {
			struct tsr_channel_side *const s = &record->side[side];
			struct tsr_channel_entry *const entry = record->channel.entry;
			_Atomic uint64_t *const word =
				side == TSR_SIDE_SENDER ? &entry->senders : &entry->receivers;

			/* The first was being opened and not counted yet. */
			if (s->count != 0 && tsr_ends_count(tsr_ld_rlx(word)) == 0) {
				s->stream++;
				s->died = false;
			}
			tsr_st_rlx(word, tsr_ends_make(s->count, s->died, s->stream));
		}
	}
}

int
tsr_takeover_members(struct tsr_realm *realm, char *why, size_t why_bytes)
{
	int error = 0;

	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		uint64_t const state = tsr_ld_rlx(&realm->estate.clients[id - 1].state);

		if (state == TSR_ESTATE_FREE)
			continue;
		/* The answer did not reach it, or it would have said so before it used anything. */
		if (state == TSR_ESTATE_ATTACHING) {
			tsr_st_rlx(&realm->estate.clients[id - 1].state, TSR_ESTATE_FREE);
			tsr_log(TSR_LOG_INFO,
			        "client %u of realm '%s' was just attaching: its id is free", id,
			        realm->entry.name);
			continue;
		}
		error = tables_member(realm, (uint16_t)id, state);
		if (error != 0)
			return tables_fail(error, why, why_bytes, "client", id);
	}
	error = tables_free_lists(realm);
	if (error != 0)
		return tables_fail(error, why, why_bytes, "tables of realm", 0);
	tables_publish_ends(realm);
	return 0;
}

/* The memory that the store has for a region. */
static int
tables_region_memory(struct tsr_realm *realm, struct tsr_region_record *region,
                     struct tsr_region_entry const *entry, uint32_t backing)
{
	char name[TSR_STORE_NAME_BYTES];
	struct tsr_store_item *item;
	struct stat status;

	tsr_kept_name_region(realm, region->number, region->id, name);
	item = tsr_store_find(&realm->daemon->store, name);
	if (item == NULL)
		return -ENOENT;
	if (fstat(item->fd, &status) != 0)
		return -errno;
	if ((uint64_t)status.st_size != entry->bytes || backing > TSR_BACKING_4K)
		return -EINVAL;
	region->memory = (struct tsr_region_memory){
		.fd = item->fd,
		.bytes = entry->bytes,
		.page_log2 = entry->page_bytes_log2,
		.backing = (enum tsr_backing)backing,
		.flags = entry->flags,
		.device = status.st_dev,
		.inode = status.st_ino,
	};
	item->fd = -1;
	return 0;
}

static int
tables_region(struct tsr_realm *realm, uint32_t number)
{
	struct tsr_region_entry const *const entry = &realm->map.regions[number];
	struct tsr_estate_region const *const known = &realm->estate.regions[number];
	struct tsr_region_record *const region = calloc(1, sizeof(*region));
	int error;

	if (region == NULL)
		return -ENOMEM;
	region->id = tsr_ld_rlx(&entry->id);
	region->number = number;
	region->state = tsr_ld_rlx(&entry->state);
	region->first_ticket = entry->first_ticket;
	region->tickets = entry->tickets;
	region->owner = (uint16_t)known->owner;
	region->pid = (pid_t)known->pid;
	region->uid = known->uid;
	memcpy(region->name, known->name, sizeof(region->name));
	error = tsr_area_take(&realm->regions.tickets,
	                      region->first_ticket - realm->map.tickets_count, region->tickets);
	if (error == 0)
		error = tables_region_memory(realm, region, entry, known->backing);
	if (error != 0) {
		free(region);
		return error;
	}
	(void)!tsr_regions_charge(realm, region, NULL);
	realm->regions.record[number] = region;
	realm->regions.count++;
	return 0;
}

int
tsr_takeover_regions(struct tsr_realm *realm, char *why, size_t why_bytes)
{
	realm->regions.newest_id = tsr_ld_rlx(&realm->estate.head->newest_region);
	for (uint32_t i = 0; i < realm->map.regions_count; i++) {
		int error = 0;

		if (tsr_ld_rlx(&realm->map.regions[i].id) != 0)
			error = tables_region(realm, i);
		else /* it was just being made, or ended */
			tsr_st_rlx(&realm->estate.regions[i].id, 0);
		if (error != 0)
			return tables_fail(error, why, why_bytes, "region", i);
	}
	return 0;
}

/* The numbers in its name: NUMBER.CLIENT.CHANNEL.SIDE. Return: whether it is an event's. */
static bool
tables_event_name(const char *name, uint32_t numbers[4])
{
	static const char words[] = TSR_STORE_PREFIX "event.";
	char *end;

	if (strncmp(name, words, sizeof(words) - 1) != 0)
		return false;
	name += sizeof(words) - 1;
	for (int i = 0; i < 4; i++) {
		numbers[i] = (uint32_t)strtoul(name, &end, 10);
		if (end == name || *end != '.')
			return false;
		name = end + 1;
	}
	return true;
}

/* One that is kept: whose, of which channel and side its name says. */
static void
tables_event(struct tsr_realm *realm, struct tsr_store_item *item)
{
	uint32_t n[4];
	uint32_t index;
	struct tsr_channel_record *record = NULL;
	struct tsr_member *member;
	struct tsr_event *event;

	if (!tables_event_name(item->name, n) || n[1] == 0 || n[1] > realm->map.clients_count ||
	    realm->members[n[1]] == NULL || n[3] > TSR_SIDE_RECEIVER)
		return;
	member = realm->members[n[1]];
	index = tsr_channel_index(n[2]);
	if (index < realm->map.channels_count && realm->channels[index] != NULL &&
	    realm->channels[index]->channel.id == n[2])
		record = realm->channels[index];
	event = tsr_event_inherit(realm, record, n[3], member->uid, item->fd);
	if (event == NULL)
		return;
	item->fd = -1;
	event->kept = strdup(item->name);
	event->number = n[0];
	event->client = member->id;
	event->next_own = member->events;
	member->events = event;
}

void
tsr_takeover_events(struct tsr_realm *realm)
{
	struct tsr_store *const store = &realm->daemon->store;
	char tail[TSR_STORE_NAME_BYTES];

	(void)snprintf(tail, sizeof(tail), ".%llu.%s", (unsigned long long)realm->epoch,
	               realm->entry.name);
	for (size_t i = 0; i < store->found_count; i++) {
		struct tsr_store_item *const item = &store->found[i];
		size_t const length = strlen(item->name);

		if (item->fd >= 0 && length > strlen(tail) &&
		    strcmp(item->name + length - strlen(tail), tail) == 0)
			tables_event(realm, item);
	}
}
