/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/regions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/closer.h"
#include "core/daemon.h"
#include "core/kept.h"
#include "core/member.h"
#include "core/reaper.h"
#include "shm/access.h"
#include "shm/trace.h"

int
tsr_regions_create(struct tsr_realm *realm)
{
	struct tsr_regions_table *const table = &realm->regions;
	uint32_t const count = realm->map.regions_count;
	uint32_t const tickets = realm->map.tickets_all - realm->map.tickets_count;

	if (count == 0)
		return 0;
	table->record = calloc(count, sizeof(table->record[0]));
	if (table->record == NULL)
		return -ENOMEM;
	return tsr_area_create(&table->tickets, tickets, count);
}

/* For a trace. */
TSR_COLD static struct tsr_trace_region
region_describe(struct tsr_realm const *realm, struct tsr_region_record const *region,
                const char *what)
{
	return (struct tsr_trace_region){
		.realm = realm->entry.name,
		.what = what,
		.id = region->id,
		.bytes = region->memory.bytes,
		.client = region->owner,
	};
}

static struct tsr_block *
regions_blocks(struct tsr_realm const *realm)
{
	return realm->map.segment[TSR_SEGMENT_BLOCKS].base;
}

/* Blocks and entry, which only the daemon can write. */
static void
region_publish(struct tsr_realm const *realm, struct tsr_region_record const *region)
{
	struct tsr_region_entry *const entry = &realm->map.regions[region->number];
	struct tsr_block *const blocks = regions_blocks(realm);

	for (uint32_t i = 0; i < region->tickets; i++)
		blocks[region->first_ticket + i] =
			(struct tsr_block){.capacity = (uint32_t)region->memory.bytes,
		                           .arena = (uint16_t)region->number,
		                           .klass = TSR_CLASS_REGION};
	entry->bytes = region->memory.bytes;
	entry->first_ticket = region->first_ticket;
	entry->tickets = region->tickets;
	entry->flags = region->memory.flags;
	entry->page_bytes_log2 = region->memory.page_log2;
	tsr_st_rlx(&entry->state, region->state);
	/* [G3] pairs with [G4]: an entry with an id is complete. */
	tsr_st_rel(&entry->id, region->id);
}

/* What a successor must know of it beside what the directory says. */
static void
region_bequeath(struct tsr_realm *realm, struct tsr_region_record const *region)
{
	struct tsr_estate_region record = {
		.owner = region->owner,
		.pid = (uint32_t)region->pid,
		.uid = region->uid,
		.backing = region->memory.backing,
	};

	memcpy(record.name, region->name, sizeof(record.name));
	tsr_kept_region(realm, region);
	tsr_estate_enter_region(&realm->estate, region->number, region->id, &record);
}

static void
regions_discharge(struct tsr_realm const *realm, struct tsr_region_record const *region)
{
	struct tsr_quota *const quota = &realm->daemon->quota;

	tsr_quota_give(quota, region->uid, TSR_QUOTA_REGION_BYTES, region->memory.bytes);
	tsr_quota_give(quota, region->uid, TSR_QUOTA_REGIONS, 1);
}

int
tsr_regions_charge(struct tsr_realm *realm, struct tsr_region_record const *region, char *why)
{
	struct tsr_quota *const quota = &realm->daemon->quota;
	int error = tsr_quota_take(quota, region->uid, TSR_QUOTA_REGIONS, 1, why);

	if (error != 0)
		return error;
	error = tsr_quota_take(quota, region->uid, TSR_QUOTA_REGION_BYTES, region->memory.bytes,
	                       why);
	if (error != 0)
		tsr_quota_give(quota, region->uid, TSR_QUOTA_REGIONS, 1);
	return error;
}

/* Without a word to shared memory: out of the table. */
static void
region_forget(struct tsr_realm *realm, struct tsr_region_record *region)
{
	struct tsr_regions_table *const table = &realm->regions;

	table->record[region->number] = NULL;
	table->count--;
	(void)tsr_area_free(&table->tickets, region->first_ticket - realm->map.tickets_count);
	regions_discharge(realm, region);
	if (region->memory.fd >= 0)
		tsr_close_aside(region->memory.fd);
	free(region);
}

void
tsr_regions_destroy(struct tsr_realm *realm)
{
	for (uint32_t i = 0; realm->regions.record != NULL && i < realm->map.regions_count; i++) {
		if (realm->regions.record[i] != NULL)
			region_forget(realm, realm->regions.record[i]);
	}
	tsr_area_destroy(&realm->regions.tickets);
	free(realm->regions.record);
	realm->regions.record = NULL;
}

struct region_part {
	struct tsr_realm *realm;
	struct tsr_region_record const *region;
	struct tsr_settle *settle;
	uint32_t some;
};

static int
region_words_work(void *argument)
{
	struct region_part const *const part = argument;
	struct tsr_region_record const *const region = part->region;

	/* [G6] pairs with [G5]: the state is written before the words are looked at. */
	tsr_fence_sc();
	part->settle->out +=
		tsr_reaper_region(&part->realm->map, region->first_ticket + part->settle->at,
	                          part->some, region->state == TSR_REGION_OPEN);
	return 0;
}

/* As many of [at, tickets) as there is work. */
static uint32_t
region_some(struct tsr_region_record const *region, struct tsr_settle const *settle, uint32_t *work)
{
	uint32_t const left = region->tickets - settle->at;
	uint32_t const some = left < *work ? left : *work;

	*work -= some;
	return some;
}

/* Its words, in parts. Return: 0 all are looked at; 1; -EFAULT. */
static int
region_settle_words(struct tsr_realm *realm, struct tsr_region_record *region,
                    struct tsr_settle *settle, uint32_t *work)
{
	struct region_part part = {.realm = realm, .region = region, .settle = settle};
	int error;

	part.some = region_some(region, settle, work);
	error = tsr_realm_guarded(realm, region_words_work, &part);
	if (error != 0)
		return error;
	settle->at += part.some;
	if (settle->at < region->tickets)
		return 1;
	region->tickets_out = settle->out;
	return 0;
}

/* It has ended: its blocks, in parts, then all of it. Return: 0; 1. */
static int
region_settle_end(struct tsr_realm *realm, struct tsr_region_record *region,
                  struct tsr_settle *settle, uint32_t *work)
{
	struct tsr_block *const blocks = regions_blocks(realm);
	uint32_t const past = settle->at + region_some(region, settle, work);

	/* [G3] pairs with [G4]: who had it mapped sees that it is no more. */
	tsr_st_rel(&realm->map.regions[region->number].id, 0);
	for (; settle->at < past; settle->at++)
		blocks[region->first_ticket + settle->at] =
			(struct tsr_block){.klass = TSR_CLASS_REGION};
	if (settle->at < region->tickets)
		return 1;
	tsr_log(TSR_LOG_DEBUG, "region %llu of realm '%s' has ended",
	        (unsigned long long)region->id, realm->entry.name);
	TSR_TRACE(region, region_describe(realm, region, "ended"));
	if (realm->estate.head != NULL)
		tsr_st_rlx(&realm->estate.regions[region->number].id, 0);
	tsr_kept_region_end(realm, region);
	region_forget(realm, region);
	return 0;
}

static int
region_settle(struct tsr_realm *realm, struct tsr_region_record *region, struct tsr_settle *settle,
              uint32_t *work)
{
	int error = 0;

	/* Another one, or it is closed since: what was counted does not count. */
	if (settle->id != region->id || settle->state != region->state)
		*settle = (struct tsr_settle){
			.number = region->number, .id = region->id, .state = region->state};
	if (!settle->ends) {
		error = region_settle_words(realm, region, settle, work);
		if (error != 0 || region->state != TSR_REGION_CLOSING || settle->out != 0)
			return error;
		settle->ends = true;
		settle->at = 0;
	}
	return region_settle_end(realm, region, settle, work);
}

int
tsr_regions_settle_some(struct tsr_realm *realm, struct tsr_settle *settle, uint32_t *work)
{
	uint32_t const count = realm->regions.count == 0 ? 0 : realm->map.regions_count;

	while (*work > 0 && settle->number < count) {
		struct tsr_region_record *const region = realm->regions.record[settle->number];
		int const error = region == NULL ? 0 : region_settle(realm, region, settle, work);

		if (error != 0)
			return error;
		*settle = (struct tsr_settle){.number = settle->number + 1};
		*work -= *work > 0;
	}
	return settle->number < count;
}

int
tsr_regions_settle(struct tsr_realm *realm)
{
	struct tsr_settle settle = {.number = 0};
	uint32_t work;
	int error;

	do {
		work = UINT32_MAX;
		error = tsr_regions_settle_some(realm, &settle, &work);
	} while (error == 1);
	return error;
}

/* The same memory twice would be two regions whose owners don't know of each other. */
static bool
regions_have(struct tsr_realm const *realm, struct tsr_region_memory const *memory)
{
	for (uint32_t i = 0; i < realm->map.regions_count; i++) {
		struct tsr_region_record const *const region = realm->regions.record[i];

		if (region != NULL && region->memory.inode == memory->inode &&
		    region->memory.device == memory->device)
			return true;
	}
	return false;
}

/* Entry, tickets and quota. */
static int
regions_reserve(struct tsr_realm *realm, struct tsr_region_record *region,
                struct tsr_refusal *refusal)
{
	char why[TSR_QUOTA_WHY_BYTES];
	uint32_t const count = realm->map.regions_count;
	uint64_t first;
	int error;

	/* Entries go round, so that one rests before it is used again. */
	for (uint32_t i = 0; i < count; i++) {
		region->number = (uint32_t)((realm->regions.newest_id + i) % count);
		if (realm->regions.record[region->number] == NULL)
			break;
	}
	if (realm->regions.count == count)
		return tsr_refuse(refusal, -ENOBUFS,
		                  "realm '%s' has all of its %u regions; raise 'regions' in the "
		                  "configuration",
		                  realm->entry.name, count);
	error = tsr_regions_charge(realm, region, why);
	if (error != 0)
		return tsr_refuse(refusal, error, "a region of %llu bytes: %s",
		                  (unsigned long long)region->memory.bytes, why);
	error = tsr_area_alloc(&realm->regions.tickets, region->tickets, &first);
	if (error != 0) {
		regions_discharge(realm, region);
		return tsr_refuse(refusal, error,
		                  "no %u tickets in a row are free for a region in realm '%s'; "
		                  "raise 'region_tickets' (%u) in the configuration",
		                  region->tickets, realm->entry.name,
		                  realm->config->geometry.region_tickets);
	}
	region->first_ticket = realm->map.tickets_count + (uint32_t)first;
	return 0;
}

int
tsr_regions_enter(struct tsr_realm *realm, struct tsr_member const *member,
                  struct tsr_region_memory const *memory, uint32_t tickets,
                  struct tsr_region_record **out, struct tsr_refusal *refusal)
{
	struct tsr_settle settle = {.state = TSR_REGION_OPEN};
	struct tsr_region_record *region;
	uint32_t work = UINT32_MAX;
	int error;

	if (regions_have(realm, memory))
		return tsr_refuse(refusal, -EEXIST,
		                  "realm '%s' has this memory as a region already",
		                  realm->entry.name);
	region = calloc(1, sizeof(*region));
	if (region == NULL)
		return tsr_refuse(refusal, -ENOMEM, "the daemon has no memory for a region");
	region->memory = *memory;
	region->state = TSR_REGION_OPEN;
	region->tickets = tickets;
	region->owner = member->id;
	region->pid = member->pid;
	region->uid = member->uid;
	memcpy(region->name, member->name, sizeof(region->name));
	error = regions_reserve(realm, region, refusal);
	if (error != 0) {
		free(region);
		return error;
	}
	region->id = ++realm->regions.newest_id;
	region_bequeath(realm, region);
	region_publish(realm, region);
	realm->regions.record[region->number] = region;
	realm->regions.count++;
	/* Its own tickets are free, as many as were asked for. */
	error = region_settle_words(realm, region, &settle, &work);
	if (error != 0) {
		/* The descriptor stays the caller's, who is refused. */
		region->memory.fd = -1;
		return tsr_realm_broken(realm, refusal);
	}
	TSR_TRACE(region, region_describe(realm, region, "made"));
	*out = region;
	return 0;
}

struct tsr_region_record *
tsr_regions_find(struct tsr_realm const *realm, uint32_t number, uint64_t id)
{
	struct tsr_region_record *region = NULL;

	if (number < realm->map.regions_count)
		region = realm->regions.record[number];
	return region != NULL && region->id == id ? region : NULL;
}

void
tsr_regions_close(struct tsr_realm *realm, struct tsr_region_record *region)
{
	TSR_TRACE(region, region_describe(realm, region, "closing"));
	region->state = TSR_REGION_CLOSING;
	/* [G6] pairs with [G5]: before the words are looked at, see region_words_work(). */
	tsr_st_rlx(&realm->map.regions[region->number].state, TSR_REGION_CLOSING);
}

void
tsr_regions_leave(struct tsr_realm *realm, uint16_t owner)
{
	for (uint32_t i = 0; i < realm->map.regions_count && realm->regions.count != 0; i++) {
		struct tsr_region_record *const region = realm->regions.record[i];

		if (region != NULL && region->state == TSR_REGION_OPEN && region->owner == owner)
			tsr_regions_close(realm, region);
	}
}
