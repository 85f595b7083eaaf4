/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/control_request.h"
#include "core/member.h"
#include "core/observer.h"
#include "core/row.h"
#include "core/user.h"
#include "shm/access.h"
#include "shm/broadcast.h"
#include "shm/ticket.h"
#include "shm/unlimited.h"
#include "shm/waiter.h"

#define LIST_FIRST_BYTES ((size_t)4 * TSR_PROTO_PACKET_MAX)

/* Of each list that there is; 0: there is none of that number. */
static const uint32_t list_row_bytes[] = {
	[TSR_LIST_REALMS] = sizeof(struct tsr_proto_row_realm),
	[TSR_LIST_CLIENTS] = sizeof(struct tsr_proto_row_client),
	[TSR_LIST_CHANNELS] = sizeof(struct tsr_proto_row_channel),
	[TSR_LIST_CHANGES] = sizeof(struct tsr_proto_row_change),
	[TSR_LIST_REGIONS] = sizeof(struct tsr_proto_row_region),
	[TSR_LIST_QUOTA] = sizeof(struct tsr_proto_row_quota),
};

#define LIST_WHAT_MAX (sizeof(list_row_bytes) / sizeof(list_row_bytes[0]) - 1)

/* The packets of an answer, one behind the other. */
struct list_out {
	struct tsr_connection const *viewer;  /* NULL: the daemon itself, who sees everything */
	struct tsr_proto_head const *request; /* NULL: rows alone, no packets */
	unsigned char *bytes;
	size_t used;
	size_t max;
	size_t packet; /* where the last packet begins */
	uint32_t what;
	uint32_t row_bytes;
	bool failed; /* no memory */
};

static bool
list_room(struct list_out *out, size_t more)
{
	size_t const max = out->max == 0 ? LIST_FIRST_BYTES : 2 * out->max;
	unsigned char *bytes;

	if (out->failed)
		return false;
	if (out->bytes != NULL && out->max - out->used >= more)
		return true;
	bytes = realloc(out->bytes, max);
	if (bytes == NULL) {
		out->failed = true;
		return false;
	}
	out->bytes = bytes;
	out->max = max;
	return true;
}

static void
list_begin_packet(struct list_out *out)
{
	struct tsr_proto_list_reply const reply = {
		.head = {.length = sizeof(reply),
	                 .type = TSR_PROTO_LIST | TSR_PROTO_REPLY,
	                 .cookie = out->request->cookie},
		.what = out->what,
		.row_bytes = out->row_bytes,
	};

	if (!list_room(out, TSR_PROTO_PACKET_MAX))
		return;
	out->packet = out->used;
	memcpy(out->bytes + out->used, &reply, sizeof(reply));
	out->used += sizeof(reply);
}

static void
list_add(struct list_out *out, void const *row)
{
	struct tsr_proto_list_reply reply;

	if (out->request != NULL && out->used - out->packet + out->row_bytes > TSR_PROTO_PACKET_MAX)
		list_begin_packet(out);
	if (!list_room(out, out->row_bytes))
		return;
	memcpy(out->bytes + out->used, row, out->row_bytes);
	out->used += out->row_bytes;
	if (out->request == NULL)
		return;
	memcpy(&reply, out->bytes + out->packet, sizeof(reply));
	reply.head.length += out->row_bytes;
	reply.rows++;
	memcpy(out->bytes + out->packet, &reply, sizeof(reply));
}

static void
list_realm(struct tsr_realm *realm, struct list_out *out)
{
	struct tsr_proto_row_realm row;
	uint32_t *count;

	tsr_realm_lock(realm);
	count = tsr_row_holders(realm);
	tsr_row_realm(realm, count, &row);
	tsr_realm_unlock(realm);
	free(count);
	list_add(out, &row);
}

static void
list_observer(struct tsr_observer const *observer, struct list_out *out)
{
	struct tsr_proto_row_client row = {
		.pid = (uint32_t)observer->pid,
		.uid = observer->uid,
		.flags = TSR_PROTO_ATTACH_OBSERVER,
		.since_ns = tsr_now_ns() - observer->since_ns,
	};

	memcpy(row.realm, observer->realm->config->geometry.name, sizeof(row.realm));
	memcpy(row.name, observer->name, sizeof(row.name));
	list_add(out, &row);
}

static void
list_clients(struct tsr_realm *realm, struct list_out *out)
{
	struct tsr_proto_row_client row;
	uint32_t *count;

	tsr_realm_lock(realm);
	count = tsr_row_holders(realm);
	/* A realm that turns out to be broken on the way has no members any more. */
	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		if (realm->members[id] != NULL &&
		    tsr_row_client(realm->members[id], count, &row) == 0)
			list_add(out, &row);
	}
	for (struct tsr_observer const *o = realm->observers; o != NULL; o = o->next)
		list_observer(o, out);
	tsr_realm_unlock(realm);
	free(count);
}

struct list_channel {
	struct tsr_realm const *realm;
	struct tsr_channel const *channel;
	struct tsr_proto_row_channel *row;
};

static uint32_t
list_sleepers(_Atomic uint64_t const *mask)
{
	return (uint32_t)__builtin_popcountll(tsr_ld_rlx(mask) & ~TSR_WAITING_FENCED);
}

static int
list_channel_work(void *argument)
{
	struct list_channel const *const list = argument;
	struct tsr_channel const *const channel = list->channel;
	uint64_t const first = list->realm->map.first_lap << channel->shift;
	uint64_t const next = tsr_channel_find(channel);
	struct tsr_slots at = tsr_slots_of(channel);
	uint32_t slowest = 0;
	int64_t behind;

	list->row->sent = channel->kind == TSR_KIND_UNLIMITED ? tsr_unlimited_number(channel, next)
	                                                      : next - first;
	list->row->sleepers = list_sleepers(&channel->shm->receivers_waiting) +
	                      list_sleepers(&channel->shm->senders_waiting);
	if (channel->kind == TSR_KIND_BROADCAST) {
		/* What the slowest reliable reader has not released; others hold nobody up. */
		behind = tsr_broadcast_behind(channel, next, &slowest);
		list->row->depth = behind > 0 ? (uint32_t)behind : 0;
		if (behind > 0)
			list->row->slowest = tsr_slot_owner(
				tsr_ld_rlx(&tsr_broadcast_shm(channel)->cursor[slowest].word));
		return 0;
	}
	while (tsr_slots_go(&at)) {
		if (tsr_slot_phase(tsr_ld_rlx(&at.slot->word)) == TSR_READY)
			list->row->depth++;
	}
	return 0;
}

static void
list_channel(struct tsr_realm *realm, struct tsr_channel_record const *record, struct list_out *out)
{
	struct tsr_proto_row_channel row = {
		.id = record->channel.id,
		.capacity = record->channel.capacity,
		.kind = record->channel.kind,
		.flags = record->channel.flags,
		.senders = record->side[TSR_SIDE_SENDER].count,
		.receivers = record->side[TSR_SIDE_RECEIVER].count,
		.message_bytes_max = realm->map.message_bytes_max,
	};
	struct list_channel list = {.realm = realm, .channel = &record->channel, .row = &row};

	memcpy(row.realm, realm->config->geometry.name, sizeof(row.realm));
	memcpy(row.name, record->name, sizeof(row.name));
	if (tsr_realm_guarded(realm, list_channel_work, &list) == 0)
		list_add(out, &row);
}

static void
list_channels(struct tsr_realm *realm, struct list_out *out)
{
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		/* Let go in between: a death must not wait for a long list. */
		tsr_realm_lock(realm);
		if (realm->channels[i] != NULL && !realm->channels[i]->retired && !realm->condemned)
			list_channel(realm, realm->channels[i], out);
		tsr_realm_unlock(realm);
	}
}

/* One that was condemned, and not yet made anew. */
static void
list_realm_absent(struct tsr_config_realm const *config, struct list_out *out)
{
	struct tsr_proto_row_realm row = {
		.mode = config->mode,
		.owner = config->owner,
		.group = config->group,
		.clients_max = config->geometry.clients,
		.channels_max = config->geometry.channels,
		.state = TSR_ROW_REALM_CONDEMNED,
	};

	if (config->leaving || (out->viewer != NULL && !tsr_user_rules(out->viewer->uid)))
		return;
	memcpy(row.name, config->geometry.name, sizeof(row.name));
	(void)snprintf(row.backing, sizeof(row.backing), "%s", tsr_backing_name(config->backing));
	list_add(out, &row);
}

static void
list_region(struct tsr_realm const *realm, struct tsr_region_record const *region,
            struct list_out *out)
{
	struct tsr_proto_row_region row = {
		.id = region->id,
		.bytes = region->memory.bytes,
		.number = region->number,
		.flags = region->memory.flags,
		.state = (uint32_t)region->state,
		.client_id = region->owner,
		.pid = (uint32_t)region->pid,
		.uid = region->uid,
		.tickets = region->tickets,
		.tickets_out = region->tickets_out,
	};

	memcpy(row.realm, realm->config->geometry.name, sizeof(row.realm));
	memcpy(row.owner, region->name, sizeof(row.owner));
	(void)snprintf(row.backing, sizeof(row.backing), "%s",
	               tsr_backing_name(region->memory.backing));
	list_add(out, &row);
}

static void
list_regions(struct tsr_realm *realm, struct list_out *out)
{
	struct tsr_settle settle = {.number = 0};
	int error = 1;

	tsr_realm_lock(realm);
	/* It counts what is out, too. Let go in between: a death must not wait for it. */
	while (error == 1) {
		uint32_t work = TSR_LEAVE_WORK;

		tsr_realm_unlock(realm);
		tsr_realm_lock(realm);
		error = realm->condemned ? -EFAULT : tsr_regions_settle_some(realm, &settle, &work);
	}
	if (error == 0) {
		for (uint32_t i = 0; i < realm->map.regions_count; i++) {
			if (realm->regions.record[i] != NULL)
				list_region(realm, realm->regions.record[i], out);
		}
	}
	tsr_realm_unlock(realm);
}

static void
list_all(struct tsr_daemon *daemon, const char *only, struct list_out *out)
{
	for (uint32_t i = 0; i < daemon->config->realms_count; i++) {
		const char *const name = daemon->config->realms[i].geometry.name;
		struct tsr_realm *realm;

		if (only[0] != '\0' && strcmp(only, name) != 0)
			continue;
		realm = tsr_realm_lookup(daemon, name);
		if (realm == NULL && out->what == TSR_LIST_REALMS)
			list_realm_absent(&daemon->config->realms[i], out);
		if (realm == NULL)
			continue;
		if (out->viewer == NULL ||
		    tsr_connection_right(out->viewer, realm->config) != TSR_RIGHT_NONE) {
			if (out->what == TSR_LIST_REALMS)
				list_realm(realm, out);
			else if (out->what == TSR_LIST_CLIENTS)
				list_clients(realm, out);
			else if (out->what == TSR_LIST_REGIONS)
				list_regions(realm, out);
			else
				list_channels(realm, out);
		}
		tsr_realm_put(realm);
	}
}

/* What came of the last reload. */
static void
list_changes(struct tsr_connection const *connection, struct list_out *out)
{
	struct tsr_changes const *const changes = &connection->server->daemon->reload.changes;

	for (uint32_t i = 0; i < changes->count; i++)
		list_add(out, &changes->row[i]);
}

/* Everybody's for the daemon's user and root; for others their own. */
static void
list_quota(struct tsr_connection const *connection, struct list_out *out)
{
	bool const all = tsr_user_rules(connection->uid);
	struct tsr_quota_line line;

	for (uint32_t i = 0; tsr_quota_line(&connection->server->daemon->quota, i, &line); i++) {
		struct tsr_proto_row_quota row = {
			.taken = line.taken,
			.limit = line.limit,
			.all_taken = all ? line.all_taken : 0,
			.all_limit = all ? line.all_limit : 0,
			.refused = line.refused,
			.uid = line.uid,
		};

		if ((line.taken == 0 && line.refused == 0) || (!all && line.uid != connection->uid))
			continue;
		(void)snprintf(row.what, sizeof(row.what), "%s", line.what);
		list_add(out, &row);
	}
}

static int
list_check(struct tsr_connection *connection, struct tsr_proto_list const *request,
           struct tsr_refusal *refusal)
{
	struct tsr_realm *realm;
	enum tsr_right right;
	int error = tsr_request_text(request->realm, "the realm's name", refusal);

	if (error != 0)
		return error;
	if (request->what > LIST_WHAT_MAX || list_row_bytes[request->what] == 0 ||
	    request->reserved != 0)
		return tsr_refuse(refusal, -EINVAL,
		                  "LIST of %u with reserved 0x%x, expected a list that there is, "
		                  "and 0",
		                  request->what, request->reserved);
	if (request->what == TSR_LIST_CHANGES && !tsr_user_rules(connection->uid))
		return tsr_refuse(refusal, -EACCES,
		                  "LIST of changes by user %u, expected user %u or root",
		                  connection->uid, geteuid());
	if (request->realm[0] == '\0')
		return 0;
	error = tsr_realm_find(connection->server->daemon, request->realm, &realm, refusal);
	if (error != 0)
		return error;
	right = tsr_connection_right(connection, realm->config);
	tsr_realm_put(realm);
	if (right == TSR_RIGHT_NONE)
		return tsr_refuse(refusal, -EACCES, "realm '%s' does not admit user %u",
		                  request->realm, connection->uid);
	return 0;
}

int
tsr_request_list(struct tsr_connection *connection, void const *packet, struct tsr_refusal *refusal)
{
	struct tsr_proto_list_reply last;
	struct tsr_proto_list request;
	struct list_out out = {0};
	int error;

	memcpy(&request, packet, sizeof(request));
	error = list_check(connection, &request, refusal);
	if (error != 0)
		return error;
	out.viewer = connection;
	out.request = &request.head;
	out.what = request.what;
	out.row_bytes = list_row_bytes[request.what];
	list_begin_packet(&out);
	if (request.what == TSR_LIST_CHANGES)
		list_changes(connection, &out);
	else if (request.what == TSR_LIST_QUOTA)
		list_quota(connection, &out);
	else
		list_all(connection->server->daemon, request.realm, &out);
	if (out.failed) {
		free(out.bytes);
		return tsr_refuse(refusal, -ENOMEM, "the daemon has no memory for this list");
	}
	memcpy(&last, out.bytes + out.packet, sizeof(last));
	last.head.flags = TSR_PROTO_LAST;
	memcpy(out.bytes + out.packet, &last, sizeof(last));
	tsr_connection_queue(connection, out.bytes, out.used);
	return 0;
}

int
tsr_list_rows(struct tsr_daemon *daemon, enum tsr_proto_list_what what, const char *realm,
              void **rows, size_t *count)
{
	struct list_out out = {.what = what, .row_bytes = list_row_bytes[what]};

	list_all(daemon, realm, &out);
	if (out.failed) {
		free(out.bytes);
		return -ENOMEM;
	}
	*rows = out.bytes;
	*count = out.used / out.row_bytes;
	return 0;
}
