/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/realm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/channels.h"
#include "core/counter.h"
#include "core/daemon.h"
#include "core/guard.h"
#include "core/kept.h"
#include "core/member.h"
#include "core/observer.h"
#include "core/realm_memory.h"
#include "core/user.h"
#include "shm/access.h"
#include "shm/format.h"
#include "shm/trace.h"
#include "shm/waiter.h"

#define REALM_NAME_BUCKETS 256

/* The private tables, sized by the configuration. */
int
tsr_realm_tables(struct tsr_realm *realm, struct tsr_refusal *refusal)
{
	struct tsr_realm_geometry const *const geometry = &realm->config->geometry;

	realm->members = calloc((size_t)geometry->clients + 1, sizeof(realm->members[0]));
	realm->free_ids = calloc(geometry->clients, sizeof(realm->free_ids[0]));
	realm->channels = calloc(geometry->channels, sizeof(realm->channels[0]));
	realm->generations = calloc(geometry->channels, sizeof(realm->generations[0]));
	realm->free_ends = calloc((size_t)geometry->ends + 1, sizeof(realm->free_ends[0]));
	if (realm->members == NULL || realm->free_ids == NULL || realm->channels == NULL ||
	    realm->generations == NULL || realm->free_ends == NULL ||
	    tsr_area_create(&realm->area, realm->map.channels_bytes, geometry->channels) != 0 ||
	    tsr_registry_create(&realm->names, REALM_NAME_BUCKETS) != 0 ||
	    tsr_regions_create(realm) != 0)
		return tsr_refuse(refusal, -ENOMEM, "realm '%s': no memory for its tables",
		                  geometry->name);
	for (uint32_t i = 0; i < geometry->clients; i++)
		realm->free_ids[i] = (uint16_t)(i + 1);
	realm->free_count = geometry->clients;
	for (uint32_t i = 0; i < geometry->ends; i++)
		realm->free_ends[i] = geometry->ends - 1 - i;
	realm->free_ends_count = geometry->ends;
	return 0;
}

void
tsr_realm_destroy(struct tsr_realm *realm)
{
	if (realm->names.table != NULL)
		tsr_channels_destroy(realm);
	tsr_regions_destroy(realm);
	tsr_registry_destroy(&realm->names);
	tsr_area_destroy(&realm->area);
	free(realm->free_ends);
	free(realm->generations);
	free(realm->channels);
	free(realm->free_ids);
	free(realm->members);
	tsr_realm_memory_destroy(realm);
	tsr_estate_close(&realm->estate);
	if (realm->map.doorbell > 0)
		(void)close(realm->map.doorbell);
	(void)pthread_mutex_destroy(&realm->lock);
	free(realm);
}

struct tsr_proto_row_feed
tsr_realm_row(struct tsr_realm const *realm, enum tsr_feed_kind kind)
{
	struct tsr_proto_row_feed row = {.kind = kind, .uid = UINT32_MAX};

	memcpy(row.realm, realm->settings.geometry.name, sizeof(row.realm));
	return row;
}

static void
realm_tell_made(struct tsr_realm *realm)
{
	struct tsr_proto_row_feed row = tsr_realm_row(realm, TSR_FEED_REALM);

	TSR_TRACE(attach, realm->entry.name, "tesserad", TSR_HOLDER_DAEMON);
	tsr_feed_tell(&realm->daemon->feed, TSR_LOG_INFO, &row,
	              "realm '%s' epoch %llu: %u tickets, %llu MiB in %s pages", realm->entry.name,
	              (unsigned long long)realm->epoch, realm->map.tickets_count,
	              (unsigned long long)(tsr_realm_bytes(realm) >> 20),
	              tsr_backing_name(realm->backing));
}

struct tsr_realm *
tsr_realm_begin(struct tsr_daemon *daemon, struct tsr_config_realm const *config, uint64_t epoch)
{
	struct tsr_realm *const realm = calloc(1, sizeof(*realm));

	if (realm == NULL)
		return NULL;
	realm->daemon = daemon;
	realm->settings = *config;
	realm->config = &realm->settings;
	realm->entry.name = realm->config->geometry.name;
	realm->epoch = epoch;
	realm->estate.fd = -1;
	tsr_ref_init(&realm->refs);
	tsr_ref_get(&realm->refs); /* the caller's; the first is the registry's */
	(void)pthread_mutex_init(&realm->lock, NULL);
	for (uint32_t i = 0; i < TSR_SEGMENTS_MAX; i++)
		realm->segment[i].fd = -1;
	return realm;
}

/* An empty estate: a successor would find nobody in the realm. */
static int
realm_create_estate(struct tsr_realm *realm, struct tsr_refusal *refusal)
{
	struct tsr_estate_facts facts = {
		.realm = realm->entry.name,
		.epoch = realm->epoch,
		.channels = realm->map.channels_count,
		.clients = realm->map.clients_count,
		.regions = realm->map.regions_count,
		.segments = realm->segments_count,
		.slots = realm->config->geometry.slots,
		.ticks_per_second = realm->daemon->ticks_per_second,
	};
	int error;

	for (uint32_t i = 0; i < realm->segments_count; i++) {
		facts.bytes[i] = realm->segment[i].bytes;
		facts.page_log2[i] = realm->segment[i].page_log2;
		facts.backing[i] = realm->segment[i].backing;
	}
	error = tsr_estate_create(&realm->daemon->kernel, &facts, &realm->estate);
	return error == 0
	               ? 0
	               : tsr_refuse(refusal, error, "realm '%s': its estate could not be made: %s",
	                            realm->entry.name, strerror(-error));
}

int
tsr_realm_create(struct tsr_daemon *daemon, struct tsr_config_realm const *config,
                 struct tsr_realm **out, struct tsr_refusal *refusal)
{
	struct tsr_realm *const realm = tsr_realm_begin(daemon, config, ++daemon->epoch);
	int error;

	if (realm == NULL)
		return tsr_refuse(refusal, -ENOMEM, "no memory for another realm");
	error = tsr_realm_memory_create(realm, refusal);
	if (error == 0)
		error = tsr_realm_tables(realm, refusal);
	if (error == 0)
		error = realm_create_estate(realm, refusal);
	if (error != 0)
		goto destroy;
	if (tsr_registry_add(&daemon->realms, &realm->entry) != 0) {
		error = tsr_refuse(refusal, -EEXIST, "realm '%s' is there already",
		                   realm->entry.name);
		goto destroy;
	}
	tsr_realm_lock(realm);
	error = tsr_events_listen(realm);
	if (error == 0)
		(void)tsr_kept_begin(realm);
	else
		tsr_realm_dissolve(realm);
	tsr_realm_unlock(realm);
	if (error != 0) {
		tsr_realm_put(realm);
		return tsr_refuse(refusal, error, "realm '%s': its doorbell could not be made: %s",
		                  config->geometry.name, strerror(-error));
	}
	realm_tell_made(realm);
	*out = realm;
	return 0;

destroy:
	tsr_realm_destroy(realm);
	return error;
}

struct tsr_realm *
tsr_realm_lookup(struct tsr_daemon *daemon, const char *name)
{
	struct tsr_registry_entry *entry;
	struct tsr_realm *realm = NULL;

	tsr_registry_read_lock();
	entry = tsr_registry_find_name(&daemon->realms, name);
	if (entry != NULL) {
		realm = TSR_CONTAINER_OF(entry, struct tsr_realm, entry);
		if (!tsr_ref_get_unless_zero(&realm->refs))
			realm = NULL;
	}
	tsr_registry_read_unlock();
	return realm;
}

int
tsr_realm_find(struct tsr_daemon *daemon, const char *name, struct tsr_realm **out,
               struct tsr_refusal *refusal)
{
	struct tsr_realm *const realm = tsr_realm_lookup(daemon, name);
	struct tsr_config_realm const *config;

	if (realm != NULL) {
		*out = realm;
		return 0;
	}
	config = tsr_config_find(daemon->config, name);
	if (config != NULL && !config->leaving)
		return tsr_realm_create(daemon, config, out, refusal);
	return tsr_refuse(
		refusal, -ENOENT, "there is no realm '%s': the configuration defines %u%s%s", name,
		daemon->config->realms_count,
		daemon->config->realms_count == 1 ? ", which is " : "",
		daemon->config->realms_count == 1 ? daemon->config->realms[0].geometry.name : "");
}

void
tsr_realm_get(struct tsr_realm *realm)
{
	tsr_ref_get(&realm->refs);
}

void
tsr_realm_put(struct tsr_realm *realm)
{
	if (!tsr_ref_put(&realm->refs))
		return;
	/* Somebody may be looking at it who found it before it left the registry. */
	tsr_registry_synchronize();
	tsr_realm_destroy(realm);
}

void
tsr_realm_lock(struct tsr_realm *realm)
{
	tsr_counter_add(&realm->wanted, 1);
	(void)pthread_mutex_lock(&realm->lock);
}

void
tsr_realm_unlock(struct tsr_realm *realm)
{
	(void)pthread_mutex_unlock(&realm->lock);
	tsr_counter_subtract(&realm->wanted, 1);
}

bool
tsr_realm_is_wanted(struct tsr_realm *realm)
{
	return tsr_counter_read(&realm->wanted) != 0;
}

enum tsr_right
tsr_realm_right(struct tsr_config_realm const *config, uid_t uid, gid_t const *groups,
                size_t groups_count)
{
	mode_t bits = config->mode & 7;

	if (tsr_user_rules(uid))
		return TSR_RIGHT_PARTICIPATE;
	for (size_t i = 0; i < groups_count; i++) {
		if (groups[i] == config->group)
			bits = config->mode >> 3 & 7;
	}
	if (uid == config->owner)
		bits = config->mode >> 6 & 7;
	if ((bits & 2) != 0)
		return TSR_RIGHT_PARTICIPATE;
	return (bits & 4) != 0 ? TSR_RIGHT_OBSERVE : TSR_RIGHT_NONE;
}

int
tsr_realm_guarded(struct tsr_realm *realm, int (*work)(void *), void *argument)
{
	int const error =
		tsr_guard_run(realm->map.segment, realm->map.segments_count, work, argument);

	if (error == -EFAULT)
		tsr_realm_condemn(realm,
		                  "an access to its memory failed: a participant has taken pages "
		                  "away");
	return error;
}

int
tsr_realm_broken(struct tsr_realm const *realm, struct tsr_refusal *refusal)
{
	return tsr_refuse(refusal, -EFAULT, "the memory of realm '%s' is broken",
	                  realm->entry.name);
}

static int
realm_wake_channel(void *argument)
{
	struct tsr_channel const *const channel = argument;
	struct tsr_wait_side const receivers = tsr_channel_side(channel, TSR_SIDE_RECEIVER);
	struct tsr_wait_side const senders = tsr_channel_side(channel, TSR_SIDE_SENDER);

	(void)tsr_waiters_wake_all(&receivers, TSR_HOLDER_DAEMON);
	(void)tsr_waiters_wake_all(&senders, TSR_HOLDER_DAEMON);
	return 0;
}

/* Say what has become of the realm, and wake all who sleep: they look, and see it. */
static void
realm_end(struct tsr_realm *realm, uint64_t state)
{
	/* [E2] pairs with [E1]: who sees the state goes no further. */
	tsr_st_rel(&realm->map.directory->state, state);
	/* [K2] pairs with [W1]: before the look at the masks, for a fenced sleeper, too. */
	tsr_fence_sc();
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		/* Each by itself: a hole under one channel does not leave the others asleep. */
		if (realm->channels[i] != NULL &&
		    tsr_guard_run(realm->map.segment, realm->map.segments_count, realm_wake_channel,
		                  &realm->channels[i]->channel) != 0)
			continue;
	}
	tsr_events_end(realm);
}

void
tsr_realm_condemn(struct tsr_realm *realm, const char *why)
{
	struct tsr_proto_row_feed row = tsr_realm_row(realm, TSR_FEED_CONDEMN);

	if (realm->condemned)
		return;
	realm->condemned = true;
	realm_end(realm, TSR_REALM_CONDEMNED);
	TSR_TRACE(condemn, realm->entry.name, why);
	tsr_feed_tell(&realm->daemon->feed, TSR_LOG_ERROR, &row,
	              "realm '%s' epoch %llu is condemned, its %u clients are cut off: %s",
	              realm->entry.name, (unsigned long long)realm->epoch, realm->members_count,
	              why);
	tsr_realm_dissolve(realm);
}

void
tsr_realm_close(struct tsr_realm *realm)
{
	if (!realm->condemned)
		realm_end(realm, TSR_REALM_CLOSED);
}

void
tsr_realm_leave(struct tsr_realm *realm, bool leaving)
{
	struct tsr_proto_row_feed row = tsr_realm_row(realm, TSR_FEED_REALM);

	realm->leaving = leaving;
	if (!leaving || realm->condemned || realm->members_count != 0)
		return;
	tsr_feed_tell(&realm->daemon->feed, TSR_LOG_NOTICE, &row,
	              "realm '%s' epoch %llu is closed: its last client has left",
	              realm->entry.name, (unsigned long long)realm->epoch);
	realm->condemned = true;
	realm_end(realm, TSR_REALM_CLOSED);
	tsr_realm_dissolve(realm);
}

void
tsr_realm_abandon(struct tsr_realm *realm)
{
	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		if (realm->members[id] != NULL)
			realm->members[id]->estate = NULL;
	}
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		if (realm->channels[i] != NULL)
			realm->channels[i]->estate = NULL;
	}
	tsr_estate_close(&realm->estate);
}

void
tsr_realm_dissolve(struct tsr_realm *realm)
{
	tsr_kept_end(realm);
	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		if (realm->members[id] != NULL)
			tsr_member_forget(realm->members[id]);
	}
	tsr_observers_cut(realm);
	tsr_events_deafen(realm);
	if (tsr_registry_remove(&realm->daemon->realms, &realm->entry) == 0)
		tsr_realm_put(realm);
}

uint64_t
tsr_realm_bytes(struct tsr_realm const *realm)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < realm->segments_count; i++)
		bytes += realm->segment[i].bytes;
	return bytes;
}
