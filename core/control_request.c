/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/control_request.h"

#include <errno.h>
#include <string.h>

#include "core/counter.h"
#include "core/member.h"

/* Who may ask. */
enum request_needs {
	NEEDS_NOTHING,
	NEEDS_REALM, /* a client or an observer */
	NEEDS_CLIENT,
};

/* What a request of each type looks like, and who answers it. */
struct request_rule {
	const char *name;
	size_t bytes;
	enum request_needs needs;
	bool takes_fd;
	tsr_request_fn *handle;
};

#define RULE(type, struct_name, needs, takes_fd, handle) \
	[TSR_PROTO_##                                    \
		type] = {#type, sizeof(struct tsr_proto_##struct_name), needs, takes_fd, handle}

static const struct request_rule request_rules[TSR_PROTO_TYPE_END] = {
	RULE(HELLO, hello, NEEDS_NOTHING, false, tsr_request_hello),
	RULE(PIDFD, plain, NEEDS_NOTHING, true, tsr_request_pidfd),
	RULE(ATTACH, attach, NEEDS_NOTHING, false, tsr_request_attach),
	RULE(REATTACH, reattach, NEEDS_NOTHING, false, tsr_request_reattach),
	RULE(DETACH, plain, NEEDS_REALM, false, tsr_request_detach),
	RULE(CHANNEL_CREATE, channel, NEEDS_CLIENT, false, tsr_request_channel_create),
	RULE(CHANNEL_REMOVE, channel, NEEDS_CLIENT, false, tsr_request_channel_remove),
	RULE(CHANNEL_FIND, channel_find, NEEDS_REALM, false, tsr_request_channel_find),
	RULE(END_OPEN, end_open, NEEDS_CLIENT, false, tsr_request_end_open),
	RULE(END_CLOSE, end_close, NEEDS_CLIENT, false, tsr_request_end_close),
	RULE(EVENT_OPEN, event_open, NEEDS_REALM, false, tsr_request_event_open),
	RULE(EVENT_ARM, event, NEEDS_REALM, false, tsr_request_event_arm),
	RULE(EVENT_CLOSE, event, NEEDS_REALM, false, tsr_request_event_close),
	RULE(REGION_CREATE, region, NEEDS_CLIENT, false, tsr_request_region_create),
	RULE(REGION_OFFER, region, NEEDS_CLIENT, false, tsr_request_region_offer),
	RULE(REGION_MAP, region_ref, NEEDS_CLIENT, false, tsr_request_region_map),
	RULE(REGION_CLOSE, region_ref, NEEDS_CLIENT, false, tsr_request_region_close),
	RULE(REGION_SETTLE, plain, NEEDS_CLIENT, false, tsr_request_region_settle),
	RULE(SHARED_SETTLE, plain, NEEDS_CLIENT, false, tsr_request_shared_settle),
	RULE(PING, plain, NEEDS_NOTHING, false, tsr_request_ping),
	RULE(STATUS, plain, NEEDS_NOTHING, false, tsr_request_status),
	RULE(LIST, list, NEEDS_NOTHING, false, tsr_request_list),
	RULE(FEED, feed, NEEDS_NOTHING, false, tsr_request_feed),
	RULE(LEDGER, ledger, NEEDS_NOTHING, false, tsr_request_ledger),
	RULE(RELOAD, plain, NEEDS_NOTHING, false, tsr_request_reload),
	RULE(SEGMENTS, segments, NEEDS_NOTHING, false, tsr_request_segments),
	RULE(EVICT, evict, NEEDS_NOTHING, false, tsr_request_evict),
	RULE(UPGRADE, upgrade, NEEDS_NOTHING, false, tsr_request_upgrade),
	RULE(STOP, plain, NEEDS_NOTHING, false, tsr_request_stop),
};

static int
request_check_needs(struct tsr_connection const *connection, struct request_rule const *rule,
                    struct tsr_refusal *refusal)
{
	struct tsr_member const *const member = connection->member;

	if (rule->needs == NEEDS_NOTHING)
		return 0;
	/* All that is left to it is to say goodbye. */
	if (member != NULL && member->evicted && rule->handle != tsr_request_detach)
		return tsr_refuse(refusal, -ECONNABORTED, "%s",
		                  member->realm->map.notices[member->id - 1].text);
	if (member != NULL)
		return 0;
	if (connection->observer == NULL)
		return tsr_refuse(refusal, -ENOTCONN,
		                  "%s without being attached, expected ATTACH first", rule->name);
	if (rule->needs == NEEDS_CLIENT)
		return tsr_refuse(refusal, -EPERM,
		                  "%s by an observer, who may look and change nothing", rule->name);
	return 0;
}

/* The head, and whether this is the moment for such a request. */
static int
request_check(struct tsr_connection const *connection, struct tsr_proto_head const *head,
              size_t bytes, bool truncated, struct tsr_refusal *refusal)
{
	struct request_rule const *rule = NULL;

	if (bytes < sizeof(*head))
		return tsr_refuse(refusal, -EPROTO, "a packet of %zu bytes, expected at least %zu",
		                  bytes, sizeof(*head));
	if (head->type < TSR_PROTO_TYPE_END)
		rule = &request_rules[head->type];
	if (rule == NULL || rule->handle == NULL)
		return tsr_refuse(refusal, -EPROTO, "a request of type %u, expected 1 to %u",
		                  head->type, TSR_PROTO_TYPE_END - 1);
	if (truncated)
		return tsr_refuse(
			refusal, -EPROTO,
			"%s with more bytes or descriptors than any request has, expected %zu "
			"bytes",
			rule->name, rule->bytes);
	if (bytes != rule->bytes || head->length != bytes)
		return tsr_refuse(refusal, -EPROTO,
		                  "%s of %zu bytes that says %u, expected %zu and that it says so",
		                  rule->name, bytes, head->length, rule->bytes);
	if (head->flags != 0)
		return tsr_refuse(refusal, -EPROTO, "%s with flags 0x%x, expected none", rule->name,
		                  head->flags);
	if (connection->fds_count != (rule->takes_fd ? 1 : 0))
		return tsr_refuse(refusal, -EPROTO, "%s with %zu descriptors, expected %d",
		                  rule->name, connection->fds_count, rule->takes_fd ? 1 : 0);
	if (head->type == TSR_PROTO_HELLO ? connection->greeted : !connection->greeted)
		return tsr_refuse(refusal, -EPROTO, "%s %s, expected HELLO first, and once",
		                  rule->name,
		                  connection->greeted ? "a second time" : "before HELLO");
	return request_check_needs(connection, rule, refusal);
}

/* Of shm/errors.def, whatever the system has called it. */
static int
request_error(int error)
{
	switch (error) {
	case -EFAULT: /* in its memory: the realm is condemned, the client no longer attached */
		return -ENOTCONN;
	case -EMFILE:
	case -ENFILE:
	case -ENOSPC: /* of watches, too */
		return -ENOBUFS;
	default:
		return error;
	}
}

void
tsr_request_refusal(struct tsr_server *server, struct tsr_proto_row_feed *row, uint64_t cookie,
                    struct tsr_refusal const *refusal, struct tsr_proto_error *out)
{
	*out = (struct tsr_proto_error){
		.head = {.length = sizeof(*out),
	                 .type = TSR_PROTO_ERROR | TSR_PROTO_REPLY,
	                 .flags = TSR_PROTO_LAST,
	                 .cookie = cookie},
		.error = request_error(refusal->error),
	};
	memcpy(out->text, refusal->text, sizeof(out->text));
	tsr_counter_add(&server->daemon->refused, 1);
	row->error = out->error;
	memcpy(row->text, refusal->text, sizeof(refusal->text));
	tsr_server_tell(server, row);
}

void
tsr_request_refuse(struct tsr_connection *connection, uint64_t cookie,
                   struct tsr_refusal const *refusal)
{
	struct tsr_proto_row_feed row = tsr_connection_row(connection, TSR_FEED_REFUSAL);
	struct tsr_proto_error reply;

	tsr_request_refusal(connection->server, &row, cookie, refusal, &reply);
	tsr_connection_send(connection, &reply, sizeof(reply));
}

/* The first one of a daemon that took realms over is what their clients have waited for. */
static void
request_served(struct tsr_daemon *daemon)
{
	if (daemon->taken_over != 0 && tsr_counter_read(&daemon->taken_over_ns) == 0)
		tsr_counter_add(&daemon->taken_over_ns, tsr_now_ns() - daemon->heir_since_ns);
}

void
tsr_request_dispatch(struct tsr_connection *connection, void const *packet, size_t bytes,
                     bool truncated)
{
	struct tsr_refusal refusal = {0};
	struct tsr_proto_head head = {0};

	connection->tentative = false;
	if (connection->unsure && connection->member != NULL)
		tsr_member_confirm(connection->member);
	connection->unsure = false;
	connection->chore = (struct tsr_chore){.step = NULL};
	tsr_request_end_feed(connection);
	if (bytes >= sizeof(head))
		memcpy(&head, packet, sizeof(head));
	if (request_check(connection, &head, bytes, truncated, &refusal) != 0 ||
	    request_rules[head.type].handle(connection, packet, &refusal) != 0)
		tsr_request_refuse(connection, head.cookie, &refusal);
	else
		request_served(connection->server->daemon);
}

int
tsr_request_enter(struct tsr_member *member, struct tsr_refusal *refusal)
{
	tsr_realm_lock(member->realm);
	if (member->state == TSR_MEMBER_ATTACHED)
		return 0;
	tsr_realm_unlock(member->realm);
	return tsr_refuse(refusal, -ENOTCONN,
	                  "client %u of realm '%s' is gone: its process died, or the realm was "
	                  "condemned",
	                  member->id, member->realm->entry.name);
}

int
tsr_request_finish(struct tsr_connection *connection, struct tsr_realm *realm,
                   struct tsr_proto_head const *request, void *reply, size_t bytes, int error)
{
	tsr_realm_unlock(realm);
	if (error == 0)
		tsr_request_reply(connection, request, reply, bytes);
	return error;
}

int
tsr_request_upkeep(struct tsr_connection *connection, struct tsr_realm *realm,
                   struct tsr_proto_head const *request, int error)
{
	tsr_realm_unlock(realm);
	if (error != 0)
		return error;
	connection->chore.realm = realm;
	connection->chore.head = *request;
	tsr_chore_upkeep(connection);
	return 0;
}

void
tsr_request_upkeep_aside(struct tsr_connection *connection, struct tsr_realm *realm)
{
	connection->chore.realm = realm;
	connection->chore.head = (struct tsr_proto_head){.type = 0};
	tsr_chore_upkeep(connection);
}

struct tsr_proto_head
tsr_request_reply_head(struct tsr_proto_head const *request, size_t bytes)
{
	return (struct tsr_proto_head){
		.length = (uint32_t)bytes,
		.type = request->type | TSR_PROTO_REPLY,
		.flags = TSR_PROTO_LAST,
		.cookie = request->cookie,
	};
}

void
tsr_request_reply(struct tsr_connection *connection, struct tsr_proto_head const *request,
                  void *reply, size_t bytes)
{
	struct tsr_proto_head const head = tsr_request_reply_head(request, bytes);

	memcpy(reply, &head, sizeof(head));
	tsr_connection_send(connection, reply, bytes);
}

int
tsr_request_text(const char text[TSR_NAME_BYTES], const char *what, struct tsr_refusal *refusal)
{
	return tsr_request_words(text, TSR_NAME_BYTES, what, refusal);
}

int
tsr_request_words(const char *text, size_t bytes, const char *what, struct tsr_refusal *refusal)
{
	size_t const length = strnlen(text, bytes);

	if (length == bytes)
		return tsr_refuse(
			refusal, -ENAMETOOLONG,
			"%s has no final 0 in its %zu bytes, expected at most %zu characters", what,
			bytes, bytes - 1);
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return tsr_refuse(
				refusal, -EINVAL,
				"%s has the byte 0x%02x at %zu, expected printable characters",
				what, (unsigned char)text[i], i);
	}
	return 0;
}
