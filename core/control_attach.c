/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/control_request.h"
#include "core/member.h"
#include "core/observer.h"
#include "shm/access.h"

static int
attach_check(struct tsr_connection const *connection, struct tsr_proto_attach const *attach,
             struct tsr_refusal *refusal)
{
	int error = tsr_request_text(attach->realm, "the realm's name", refusal);

	if (error == 0)
		error = tsr_request_text(attach->name, "the client's name", refusal);
	if (error != 0)
		return error;
	if ((attach->flags != TSR_PROTO_ATTACH_OBSERVER &&
	     (attach->flags & ~TSR_PROTO_ATTACH_FENCED) != 0) ||
	    attach->reserved != 0)
		return tsr_refuse(
			refusal, -EINVAL,
			"ATTACH with flags 0x%x and reserved 0x%x, expected 0x%x, or none beyond "
			"0x%x",
			attach->flags, attach->reserved, TSR_PROTO_ATTACH_OBSERVER,
			TSR_PROTO_ATTACH_FENCED);
	if (connection->member != NULL || connection->observer != NULL)
		return tsr_refuse(refusal, -EINVAL,
		                  "ATTACH to realm '%s' while attached, expected DETACH first",
		                  attach->realm);
	if (connection->pidfd < 0)
		return tsr_refuse(refusal, -EPROTO,
		                  "ATTACH before PIDFD, which the reply to HELLO asked for");
	return 0;
}

static int
attach_check_right(struct tsr_connection const *connection, struct tsr_realm const *realm,
                   bool observer, struct tsr_refusal *refusal)
{
	enum tsr_right const right = tsr_connection_right(connection, realm->config);

	if (right == TSR_RIGHT_PARTICIPATE || (observer && right == TSR_RIGHT_OBSERVE))
		return 0;
	if (right == TSR_RIGHT_OBSERVE)
		return tsr_refuse(refusal, -EACCES,
		                  "realm '%s' (mode %04o) admits user %u as an observer only, "
		                  "expected the right w",
		                  realm->entry.name, realm->config->mode, connection->uid);
	return tsr_refuse(refusal, -EACCES,
	                  "realm '%s' (owner %u, group %u, mode %04o) does not admit user %u",
	                  realm->entry.name, realm->config->owner, realm->config->group,
	                  realm->config->mode, connection->uid);
}

/* The segments, and which of them come along. */
static void
attach_describe(struct tsr_realm const *realm, bool observer, struct tsr_proto_attach_reply *reply)
{
	reply->segments = (uint16_t)realm->segments_count;
	reply->held = tsr_proto_held(realm->segments_count, observer);
	for (uint32_t i = 0; i < realm->segments_count; i++) {
		reply->bytes[i] = realm->segment[i].bytes;
		reply->page_bytes_log2[i] = realm->segment[i].page_log2;
	}
}

/* Segments and their sizes; the descriptors stay the daemon's, the kernel copies them. */
static int
attach_reply(struct tsr_connection *connection, struct tsr_proto_head const *head,
             struct tsr_member const *member)
{
	struct tsr_realm const *const realm = member->realm;
	struct tsr_proto_attach_reply reply = {
		.head = tsr_request_reply_head(head, sizeof(reply)),
		.client_id = member->id,
	};
	int fds[TSR_SEGMENTS_MAX + 1];

	attach_describe(realm, false, &reply);
	for (uint32_t i = 0; i < realm->segments_count; i++)
		fds[i] = realm->segment[i].fd;
	fds[realm->segments_count] = realm->map.doorbell;
	return tsr_connection_send_fds(connection, &reply, sizeof(reply), fds,
	                               realm->segments_count + 1);
}

/* The same for an observer: descriptors of its own, which can't be written through. */
static int
attach_reply_observer(struct tsr_connection *connection, struct tsr_proto_head const *head,
                      struct tsr_realm const *realm)
{
	struct tsr_proto_attach_reply reply = {
		.head = tsr_request_reply_head(head, sizeof(reply)),
	};
	int fds[TSR_SEGMENTS_MAX];
	size_t count;
	int error;

	attach_describe(realm, true, &reply);
	error = tsr_observer_descriptors(realm, fds, &count);
	if (error != 0)
		return error;
	error = tsr_connection_send_fds(connection, &reply, sizeof(reply), fds, count);
	for (size_t i = 0; i < count; i++)
		(void)close(fds[i]);
	return error;
}

/* A step of saying goodbye for a member. Return: 0 it is gone; 1 there is more; else it was gone
 * already, or the realm is condemned. */
static int
attach_leave_step(struct tsr_connection *connection, uint32_t *work)
{
	struct tsr_member *const member = connection->member;
	struct tsr_chore *const chore = &connection->chore;
	int error = 0;

	tsr_realm_lock(member->realm);
	if (!chore->gone) {
		/* Who was evicted leaves as if it had died: partners are told so. */
		error = tsr_member_leave(member, member->evicted, work);
		if (error != 1)
			member->connection = -1;
		chore->gone = error == 0;
	}
	if (chore->gone)
		error = tsr_member_tidy(member, work);
	tsr_realm_unlock(member->realm);
	return error;
}

static void
attach_leave_end(struct tsr_connection *connection, int error)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_row_feed row = tsr_member_row(member, TSR_FEED_DETACH);

	connection->member = NULL;
	row.tickets = member->leaving.result.tickets;
	if (error == 0)
		tsr_feed_tell(&member->realm->daemon->feed, TSR_LOG_DEBUG, &row,
		              "client %u '%s' (pid %d) left realm '%s', %u tickets came back",
		              member->id, member->name, (int)member->pid, row.realm, row.tickets);
	tsr_member_put(member);
}

/* It was never let in: all in one go, for it holds nothing. */
static void
attach_withdraw(struct tsr_connection *connection)
{
	uint32_t work;
	int error;

	do {
		work = UINT32_MAX;
		error = attach_leave_step(connection, &work);
	} while (error == 1);
	attach_leave_end(connection, error);
}

static void
attach_leave_observer(struct tsr_connection *connection)
{
	tsr_request_drop_events(connection);
	tsr_connection_leave_observer(connection);
}

static void
attach_tell(struct tsr_connection *connection, bool observer)
{
	struct tsr_proto_row_feed row = tsr_connection_row(connection, TSR_FEED_ATTACH);

	tsr_feed_tell(&connection->server->daemon->feed, TSR_LOG_DEBUG, &row,
	              "%s %u '%s' (pid %u, user %u) attached to realm '%s'",
	              observer ? "observer" : "client", row.client_id, row.name, row.pid, row.uid,
	              row.realm);
}

static int
attach_enter(struct tsr_connection *connection, struct tsr_proto_attach const *attach,
             struct tsr_realm *realm, bool observer, struct tsr_refusal *refusal)
{
	struct tsr_member_who const who = {
		.name = attach->name,
		.pid = connection->pid,
		.uid = connection->uid,
		.flags = attach->flags,
		.connection = connection->fd,
		.pidfd = connection->pidfd,
	};
	int error = observer ? tsr_observer_attach(realm, &who, &connection->observer, refusal)
	                     : tsr_member_attach(realm, &who, &connection->member, refusal);

	if (error != 0)
		return error;
	error = observer ? attach_reply_observer(connection, &attach->head, realm)
	                 : attach_reply(connection, &attach->head, connection->member);
	if (error == 0) {
		connection->unsure = !observer;
		attach_tell(connection, observer);
		return 0;
	}
	/* Without the descriptors it can't have touched anything. */
	if (observer)
		attach_leave_observer(connection);
	else
		attach_withdraw(connection);
	return tsr_refuse(refusal, -ENOBUFS, "the descriptors of realm '%s' could not be sent: %s",
	                  attach->realm, strerror(-error));
}

int
tsr_request_attach(struct tsr_connection *connection, void const *packet,
                   struct tsr_refusal *refusal)
{
	struct tsr_proto_attach attach;
	struct tsr_realm *realm;
	bool observer;
	int error;

	memcpy(&attach, packet, sizeof(attach));
	error = attach_check(connection, &attach, refusal);
	if (error != 0)
		return error;
	observer = attach.flags == TSR_PROTO_ATTACH_OBSERVER;
	error = tsr_realm_find(connection->server->daemon, attach.realm, &realm, refusal);
	if (error != 0)
		return error;
	error = attach_check_right(connection, realm, observer, refusal);
	if (error == 0)
		error = attach_enter(connection, &attach, realm, observer, refusal);
	tsr_realm_put(realm);
	return error;
}

/* A client has said goodbye. */
static void
attach_detached(struct tsr_connection *connection, int error)
{
	struct tsr_proto_head const head = connection->chore.head;
	struct tsr_refusal refusal;
	struct tsr_proto_plain reply;

	attach_leave_end(connection, error);
	if (error == 0) {
		tsr_request_reply(connection, &head, &reply, sizeof(reply));
		return;
	}
	(void)tsr_refuse(&refusal, -ENOTCONN,
	                 error == -ESTALE
	                         ? "this client is gone already: its process died, or its realm "
	                           "was condemned"
	                         : "the realm's memory is broken: it was condemned");
	tsr_request_refuse(connection, head.cookie, &refusal);
}

int
tsr_request_detach(struct tsr_connection *connection, void const *packet,
                   struct tsr_refusal *refusal)
{
	struct tsr_proto_plain reply;
	struct tsr_proto_head head;

	(void)refusal;
	memcpy(&head, packet, sizeof(head));
	if (connection->observer != NULL) {
		attach_leave_observer(connection);
		tsr_request_reply(connection, &head, &reply, sizeof(reply));
		return 0;
	}
	tsr_request_drop_events(connection);
	connection->chore.head = head;
	connection->chore.realm = connection->member->realm;
	tsr_chore_begin(connection, attach_leave_step, attach_detached);
	return 0;
}
