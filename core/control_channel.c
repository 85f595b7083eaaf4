/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/channels.h"
#include "core/control_request.h"
#include "core/daemon.h"
#include "core/member.h"

static int
channel_check(struct tsr_proto_channel const *request, struct tsr_refusal *refusal)
{
	if (request->reserved != 0)
		return tsr_refuse(refusal, -EINVAL, "a channel with reserved 0x%x, expected 0",
		                  request->reserved);
	return tsr_request_text(request->name, "the channel's name", refusal);
}

static void
channel_tell(struct tsr_member const *member, const char *name, const char *what)
{
	struct tsr_proto_row_feed row = tsr_member_row(member, TSR_FEED_CHANNEL);

	(void)snprintf(row.channel, sizeof(row.channel), "%s", name);
	tsr_feed_tell(&member->realm->daemon->feed, TSR_LOG_DEBUG, &row,
	              "channel '%s' of realm '%s' was %s by client %u '%s'", row.channel, row.realm,
	              what, row.client_id, row.name);
}

/* Under the realm's lock: the channel, which is told of if it is new. */
static int
channel_get(struct tsr_member *member, struct tsr_channel_wish const *wish,
            struct tsr_channel_record **out, struct tsr_refusal *refusal)
{
	uint32_t const before = member->realm->channels_count;
	int const error = tsr_channels_get(member->realm, wish, member->uid, out, refusal);

	if (error == 0 && member->realm->channels_count != before)
		channel_tell(member, wish->name, "made");
	return error;
}

int
tsr_request_channel_create(struct tsr_connection *connection, void const *packet,
                           struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_channel_record *record;
	struct tsr_proto_channel request;
	struct tsr_channel_wish wish;
	struct tsr_proto_plain reply;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = channel_check(&request, refusal);
	if (error == 0)
		error = tsr_request_enter(member, refusal);
	if (error != 0)
		return error;
	wish = (struct tsr_channel_wish){.name = request.name,
	                                 .capacity = request.capacity,
	                                 .flags = request.flags,
	                                 .kind = request.kind};
	error = channel_get(member, &wish, &record, refusal);
	return tsr_request_finish(connection, member->realm, &request.head, &reply, sizeof(reply),
	                          error);
}

int
tsr_request_channel_remove(struct tsr_connection *connection, void const *packet,
                           struct tsr_refusal *refusal)
{
	struct tsr_upkeep *const upkeep = &connection->chore.upkeep;
	struct tsr_member *const member = connection->member;
	struct tsr_proto_channel request;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = channel_check(&request, refusal);
	if (error == 0)
		error = tsr_request_enter(member, refusal);
	if (error != 0)
		return error;
	error = tsr_channels_remove(member->realm, request.name, upkeep, refusal);
	upkeep->regions = true; /* it may hold tickets of theirs */
	if (error == 0)
		channel_tell(member, request.name, "removed");
	return tsr_request_upkeep(connection, member->realm, &request.head, error);
}

static int
end_open_check(struct tsr_proto_end_open const *request, struct tsr_refusal *refusal)
{
	uint32_t const known = TSR_END_MUST_EXIST | TSR_PROTO_END_ANY_SHAPE | TSR_PROTO_END_REPLIES;

	if (request->side != TSR_SIDE_SENDER && request->side != TSR_SIDE_RECEIVER)
		return tsr_refuse(refusal, -EINVAL, "END_OPEN of side %u, expected %d or %d",
		                  request->side, TSR_SIDE_SENDER, TSR_SIDE_RECEIVER);
	if ((request->end_flags & ~known) != 0)
		return tsr_refuse(refusal, -EINVAL,
		                  "END_OPEN with flags 0x%x, expected none beyond 0x%x",
		                  request->end_flags, known);
	return channel_check(&request->channel, refusal);
}

/* Under the realm's lock: channel and end. */
static int
end_open_do(struct tsr_member *member, struct tsr_proto_end_open const *request,
            struct tsr_proto_end_open_reply *reply, struct tsr_upkeep *upkeep,
            struct tsr_refusal *refusal)
{
	struct tsr_channel_wish const wish = {
		.name = request->channel.name,
		.capacity = request->channel.capacity,
		.flags = request->channel.flags,
		.kind = request->channel.kind,
		.must_exist = (request->end_flags & TSR_END_MUST_EXIST) != 0,
		.any_shape = (request->end_flags & TSR_PROTO_END_ANY_SHAPE) != 0,
		.replies = (request->end_flags & TSR_PROTO_END_REPLIES) != 0,
	};
	struct tsr_channel_record *record;
	struct tsr_channel_other other;
	int error = channel_get(member, &wish, &record, refusal);

	if (error != 0)
		return error;
	error = tsr_member_open(member, record, request->side, &reply->end, &other, refusal);
	/* It may have been made for this end only. */
	upkeep->channels = error != 0 && !member->realm->condemned && tsr_upkeep_wanted(record);
	return error;
}

/* Of an open end, all that the client must know. */
static void
end_open_describe(struct tsr_member const *member, struct tsr_proto_end_open_reply *reply)
{
	struct tsr_member_end const *const end = &member->ends[reply->end & UINT16_MAX];
	struct tsr_channel_record const *const record = end->record;
	struct tsr_channel_other other;

	tsr_channels_other(record, end->side, &other);
	reply->channel_id = record->channel.id;
	reply->offset = record->offset;
	reply->index = record->index;
	reply->capacity = record->channel.capacity;
	reply->flags = record->channel.flags;
	reply->kind = record->channel.kind;
	reply->seen = other.seen;
	reply->stream = other.stream;
	reply->metrics = tsr_member_metrics(member, reply->end);
}

int
tsr_request_end_open(struct tsr_connection *connection, void const *packet,
                     struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_end_open_reply reply = {0};
	struct tsr_proto_end_open request;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = end_open_check(&request, refusal);
	if (error == 0)
		error = tsr_request_enter(member, refusal);
	if (error != 0)
		return error;
	if (!tsr_request_adopt(connection, &request, &reply.end))
		error = end_open_do(member, &request, &reply, &connection->chore.upkeep, refusal);
	if (error == 0)
		end_open_describe(member, &reply);
	error = tsr_request_finish(connection, member->realm, &request.channel.head, &reply,
	                           sizeof(reply), error);
	if (connection->chore.upkeep.channels)
		tsr_request_upkeep_aside(connection, member->realm);
	return error;
}

int
tsr_request_end_close(struct tsr_connection *connection, void const *packet,
                      struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_end_close request;
	int error;

	memcpy(&request, packet, sizeof(request));
	if (request.reserved != 0)
		return tsr_refuse(refusal, -EINVAL, "END_CLOSE with reserved 0x%x, expected 0",
		                  request.reserved);
	error = tsr_request_enter(member, refusal);
	if (error != 0)
		return error;
	error = tsr_member_close(member, request.end, &connection->chore.upkeep, refusal);
	return tsr_request_upkeep(connection, member->realm, &request.head, error);
}

int
tsr_request_channel_find(struct tsr_connection *connection, void const *packet,
                         struct tsr_refusal *refusal)
{
	struct tsr_proto_channel_found reply = {0};
	struct tsr_proto_channel_find request;
	struct tsr_channel_record *record;
	struct tsr_realm *realm;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = tsr_request_text(request.name, "the channel's name", refusal);
	if (error != 0)
		return error;
	realm = tsr_connection_enter_realm(connection, refusal);
	if (realm == NULL)
		return refusal->error;
	error = tsr_channels_find(realm, request.name, &record, refusal);
	if (error == 0) {
		reply.channel_id = record->channel.id;
		reply.offset = record->offset;
		reply.index = record->index;
		reply.capacity = record->channel.capacity;
		reply.flags = record->channel.flags;
		reply.kind = record->channel.kind;
	}
	return tsr_request_finish(connection, realm, &request.head, &reply, sizeof(reply), error);
}

static int
shared_settle_work(void *argument)
{
	struct tsr_realm const *const realm = argument;

	tsr_reaper_settle(&realm->map);
	return 0;
}

int
tsr_request_shared_settle(struct tsr_connection *connection, void const *packet,
                          struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_plain reply;
	struct tsr_proto_head head;
	int error = tsr_request_enter(member, refusal);

	memcpy(&head, packet, sizeof(head));
	if (error != 0)
		return error;
	if (tsr_realm_guarded(member->realm, shared_settle_work, member->realm) != 0)
		error = tsr_realm_broken(member->realm, refusal);
	return tsr_request_finish(connection, member->realm, &head, &reply, sizeof(reply), error);
}
