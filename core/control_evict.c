/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * EVICT: end one client. Nothing is taken from under a living process: it is told, by a notice in
 * the directory that its calls look at, and has a second to say goodbye; then it is killed. What it
 * held is reaped once it has gone.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/closing.h"
#include "core/control_request.h"
#include "core/counter.h"
#include "core/member.h"
#include "core/user.h"
#include "shm/access.h"
#include "shm/waiter.h"

static int
evict_check(struct tsr_proto_evict const *request, struct tsr_refusal *refusal)
{
	int error = tsr_request_text(request->realm, "the realm's name", refusal);

	if (error == 0)
		error = tsr_request_text(request->client, "the client's name", refusal);
	if (error == 0)
		error = tsr_request_words(request->reason, sizeof(request->reason), "the reason",
		                          refusal);
	if (error == 0 &&
	    (request->reserved != 0 || (request->client_id != 0) == (request->client[0] != '\0')))
		error = tsr_refuse(refusal, -EINVAL,
		                   "EVICT of client %u '%s', reserved 0x%x, expected an id or a "
		                   "name, and 0",
		                   request->client_id, request->client, request->reserved);
	return error;
}

static int
evict_check_right(struct tsr_connection const *connection, struct tsr_realm const *realm,
                  struct tsr_refusal *refusal)
{
	uid_t const uid = connection->uid;

	if (tsr_user_rules(uid) || uid == realm->config->owner)
		return 0;
	return tsr_refuse(refusal, -EACCES,
	                  "EVICT by user %u, expected the owner of realm '%s' (user %u), the "
	                  "daemon's user (%u), or root",
	                  uid, realm->entry.name, realm->config->owner, geteuid());
}

static struct tsr_member *
evict_by_name(struct tsr_realm const *realm, const char *name, struct tsr_refusal *refusal)
{
	struct tsr_member *last = NULL;
	uint32_t found = 0;
	uint16_t first = 0;

	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		struct tsr_member *const member = realm->members[id];

		if (member == NULL || strcmp(member->name, name) != 0)
			continue;
		if (found++ == 0)
			first = member->id;
		last = member;
	}
	if (found == 1)
		return last;
	if (last == NULL)
		(void)tsr_refuse(refusal, -ENOENT, "realm '%s' has no client '%s'",
		                 realm->entry.name, name);
	else
		(void)tsr_refuse(refusal, -EINVAL,
		                 "%u clients of realm '%s' are called '%s', the first is %u and "
		                 "the last %u: name one by its id",
		                 found, realm->entry.name, name, first, last->id);
	return NULL;
}

/* Under the realm's lock. Return: NULL, and @refusal says why. */
static struct tsr_member *
evict_find(struct tsr_realm const *realm, struct tsr_proto_evict const *request,
           struct tsr_refusal *refusal)
{
	uint32_t const id = request->client_id;
	struct tsr_member *member = NULL;

	if (id == 0)
		member = evict_by_name(realm, request->client, refusal);
	else if (id > realm->map.clients_count || realm->members[id] == NULL)
		(void)tsr_refuse(refusal, -ENOENT, "realm '%s' has no client %u", realm->entry.name,
		                 id);
	else
		member = realm->members[id];
	if (member == NULL || member->state == TSR_MEMBER_ATTACHED)
		return member;
	(void)tsr_refuse(refusal, -EBUSY, "client %u '%s' of realm '%s' is on its way out already",
	                 member->id, member->name, realm->entry.name);
	return NULL;
}

/* Under the guard: whoever of it sleeps wakes up and looks; who never sleeps is no longer idle. */
static int
evict_wake(void *argument)
{
	struct tsr_member const *const member = argument;

	for (uint32_t i = 0; i < member->ends_max; i++) {
		struct tsr_member_end const *const end = &member->ends[i];
		struct tsr_wait_side side;

		if (end->record == NULL)
			continue;
		side = tsr_channel_side(&end->record->channel, end->side);
		/* [Q2] pairs with [Q1]: only so that receivers look. */
		(void)tsr_add_rel(&end->record->channel.shm->redo, 1);
		/* [K2] pairs with [W1]: before the look at the mask, and after the notice. */
		tsr_fence_sc();
		(void)tsr_waiters_wake_all(&side, TSR_HOLDER_DAEMON);
	}
	return 0;
}

static void
evict_notify(struct tsr_connection const *by, struct tsr_member *member, const char *reason)
{
	struct tsr_notice *const notice = &member->realm->map.notices[member->id - 1];

	(void)snprintf(notice->text, sizeof(notice->text), "evicted by user %u: %s", by->uid,
	               reason[0] != '\0' ? reason : "no reason was given");
	/* [E6] pairs with [E5]: the text is there. */
	tsr_st_rel(&notice->evicted, 1);
	member->evicted = true;
	member->state = TSR_MEMBER_CLOSING;
}

/* What it waits for by descriptor is there, too. */
static void
evict_tell_events(struct tsr_server *server, struct tsr_member const *member)
{
	for (struct tsr_connection *c = server->connections; c != NULL; c = c->next) {
		if (c->member == member)
			tsr_request_tell_events(c);
	}
}

/* Under the realm's lock. */
static int
evict_member(struct tsr_connection *connection, struct tsr_member *member,
             struct tsr_proto_evict const *request, struct tsr_proto_evict_reply *reply,
             struct tsr_refusal *refusal)
{
	struct tsr_daemon *const daemon = connection->server->daemon;
	struct tsr_proto_row_feed row = tsr_member_row(member, TSR_FEED_EVICT);

	evict_notify(connection, member, request->reason);
	tsr_counter_add(&daemon->evicted, 1);
	tsr_feed_tell(&daemon->feed, TSR_LOG_NOTICE, &row,
	              "client %u '%s' (pid %d) of realm '%s' is %s", member->id, member->name,
	              (int)member->pid, row.realm, member->realm->map.notices[member->id - 1].text);
	*reply = (struct tsr_proto_evict_reply){
		.next = row.number + 1,
		.client_id = member->id,
		.pid = (uint32_t)member->pid,
		.uid = member->uid,
		.grace_ms = (uint32_t)(TSR_EVICTION_NS / UINT64_C(1000000)),
	};
	memcpy(reply->name, member->name, sizeof(reply->name));
	if (tsr_realm_guarded(member->realm, evict_wake, member) != 0)
		return tsr_realm_broken(member->realm, refusal);
	evict_tell_events(connection->server, member);
	tsr_closing_add(connection->server, member, TSR_EVICTION_NS);
	return 0;
}

int
tsr_request_evict(struct tsr_connection *connection, void const *packet,
                  struct tsr_refusal *refusal)
{
	struct tsr_proto_evict_reply reply;
	struct tsr_proto_evict request;
	struct tsr_member *member;
	struct tsr_realm *realm;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = evict_check(&request, refusal);
	if (error != 0)
		return error;
	realm = tsr_realm_lookup(connection->server->daemon, request.realm);
	if (realm == NULL)
		return tsr_refuse(refusal, -ENOENT, "there is no realm '%s'", request.realm);
	error = evict_check_right(connection, realm, refusal);
	if (error == 0) {
		tsr_realm_lock(realm);
		member = evict_find(realm, &request, refusal);
		error = member == NULL
		                ? refusal->error
		                : evict_member(connection, member, &request, &reply, refusal);
		error = tsr_request_finish(connection, realm, &request.head, &reply, sizeof(reply),
		                           error);
	}
	tsr_realm_put(realm);
	return error;
}
