/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/upkeep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/daemon.h"
#include "shm/access.h"

static bool
upkeep_has_ends(struct tsr_channel_record const *record)
{
	return record->side[0].count != 0 || record->side[1].count != 0;
}

bool
tsr_upkeep_wanted(struct tsr_channel_record const *record)
{
	return !upkeep_has_ends(record) &&
	       (record->retired || record->replies || tsr_reaper_grows(record->channel.kind));
}

/* From here on nobody finds it, nor does a repair give it anything back. */
static void
upkeep_retire(struct tsr_realm *realm, struct tsr_channel_record *record)
{
	struct tsr_estate_channel const word = {
		.used = true,
		.retired = true,
		.replies = record->replies,
		.generation = realm->generations[record->index],
		.creator = record->creator,
	};

	(void)tsr_registry_remove(&realm->names, &record->entry);
	record->retired = true;
	tsr_estate_store(record->estate, tsr_estate_channel_word(&word));
	tsr_st_rlx(&record->channel.entry->id, 0);
	tsr_events_forget(record);
}

static void
upkeep_take(struct tsr_channel_record *record, struct tsr_upkeep *upkeep)
{
	upkeep->record = record;
	record->upkeep = upkeep;
	upkeep->streams = record->side[0].stream + record->side[1].stream;
	upkeep->drain.begun = false;
	upkeep->drain.sweep = (struct tsr_sweep){.step = 0};
	upkeep->trim.begun = false;
}

void
tsr_upkeep_remove(struct tsr_realm *realm, struct tsr_channel_record *record,
                  struct tsr_upkeep *upkeep)
{
	/* Who shrinks it, if anybody, finds it gone. */
	if (record->upkeep != NULL)
		record->upkeep->record = NULL;
	upkeep_retire(realm, record);
	upkeep_take(record, upkeep);
}

static void
upkeep_tell_left(struct tsr_realm *realm, struct tsr_channel_record const *record)
{
	struct tsr_proto_row_feed row = {.kind = TSR_FEED_CHANNEL};

	memcpy(row.realm, realm->settings.geometry.name, sizeof(row.realm));
	memcpy(row.channel, record->name, sizeof(row.channel));
	tsr_feed_tell(&realm->daemon->feed, TSR_LOG_DEBUG, &row,
	              "channel '%s' of realm '%s' was removed with its last end", row.channel,
	              row.realm);
}

/* Go on to the next channel that has any need. Return: false: none, or no work is left. */
static bool
upkeep_find(struct tsr_realm *realm, struct tsr_upkeep *upkeep, uint32_t *work)
{
	while (*work > 0 && upkeep->channels && upkeep->next < realm->map.channels_count) {
		struct tsr_channel_record *const record = realm->channels[upkeep->next++];

		(*work)--;
		if (record == NULL || record->upkeep != NULL || !tsr_upkeep_wanted(record))
			continue;
		if (record->replies && !record->retired) {
			upkeep_tell_left(realm, record);
			upkeep_retire(realm, record);
		}
		upkeep_take(record, upkeep);
		return true;
	}
	return false;
}

struct upkeep_step {
	struct tsr_realm *realm;
	struct tsr_upkeep *upkeep;
	uint32_t *work;
};

static int
upkeep_drain_work(void *argument)
{
	struct upkeep_step const *const step = argument;

	return tsr_reaper_drain_some(&step->realm->map, &step->upkeep->record->channel,
	                             &step->upkeep->drain, step->work);
}

static int
upkeep_trim_work(void *argument)
{
	struct upkeep_step const *const step = argument;

	return tsr_reaper_trim_some(&step->realm->map, &step->upkeep->record->channel,
	                            &step->upkeep->trim, step->work);
}

/* A step of the channel that it looks after. Return: as tsr_upkeep_some(). */
static int
upkeep_channel(struct tsr_realm *realm, struct tsr_upkeep *upkeep, uint32_t *work)
{
	struct upkeep_step step = {.realm = realm, .upkeep = upkeep, .work = work};
	struct tsr_channel_record *const record = upkeep->record;
	int error = 0;

	if (record->retired) {
		error = tsr_realm_guarded(realm, upkeep_drain_work, &step);
	} else if (!upkeep_has_ends(record)) {
		/* Somebody has been there since the last step: what was seen is no more so. */
		if (upkeep->streams != record->side[0].stream + record->side[1].stream)
			upkeep_take(record, upkeep);
		error = tsr_realm_guarded(realm, upkeep_trim_work, &step);
	}
	if (error != 0)
		return error;
	upkeep->record = NULL;
	record->upkeep = NULL;
	if (record->retired)
		tsr_channels_drop(realm, record);
	return 0;
}

int
tsr_upkeep_some(struct tsr_realm *realm, struct tsr_upkeep *upkeep, uint32_t *work)
{
	if (realm->condemned)
		return -EFAULT;
	while (upkeep->record != NULL || upkeep_find(realm, upkeep, work)) {
		int const error = upkeep_channel(realm, upkeep, work);

		if (error != 0)
			return error;
	}
	if (upkeep->channels && upkeep->next < realm->map.channels_count)
		return 1;
	return upkeep->regions ? tsr_regions_settle_some(realm, &upkeep->settle, work) : 0;
}

void
tsr_upkeep_drop(struct tsr_realm const *realm, struct tsr_upkeep *upkeep)
{
	/* Of a realm that is condemned there are no records any more. */
	if (upkeep->record != NULL && !realm->condemned)
		upkeep->record->upkeep = NULL;
	upkeep->record = NULL;
}
