/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/channels.h"
#include "core/control_request.h"
#include "core/events.h"
#include "core/kept.h"

static int
event_open_check(struct tsr_connection const *connection, struct tsr_proto_event_open const *open,
                 struct tsr_refusal *refusal)
{
	if (open->side != TSR_SIDE_SENDER && open->side != TSR_SIDE_RECEIVER)
		return tsr_refuse(refusal, -EINVAL, "EVENT_OPEN of side %u, expected %d or %d",
		                  open->side, TSR_SIDE_SENDER, TSR_SIDE_RECEIVER);
	if (open->reserved != 0)
		return tsr_refuse(refusal, -EINVAL, "EVENT_OPEN with reserved 0x%x, expected 0",
		                  open->reserved);
	if (connection->observer != NULL && open->side != TSR_SIDE_RECEIVER)
		return tsr_refuse(refusal, -EPERM,
		                  "EVENT_OPEN of the senders' side by an observer, expected the "
		                  "receivers'");
	return 0;
}

/* Number the event, put it on the connection's list. */
static void
event_keep(struct tsr_connection *connection, struct tsr_event *event)
{
	event->number = ++connection->events_opened;
	event->next_own = connection->events;
	connection->events = event;
}

/* Under the realm's lock. */
static int
event_open(struct tsr_connection *connection, struct tsr_realm *realm,
           struct tsr_proto_event_open const *open, int *fd, struct tsr_refusal *refusal)
{
	struct tsr_channel_record *record;
	struct tsr_event *event;
	int error = tsr_channels_by_id(realm, open->channel_id, &record, refusal);

	if (error != 0)
		return error;
	error = tsr_event_open(realm, record, open->side, connection->uid, &event, fd, refusal);
	if (error == 0)
		event_keep(connection, event);
	if (error == 0 && connection->member != NULL)
		tsr_kept_event(connection->member, event);
	return error;
}

int
tsr_request_event_open(struct tsr_connection *connection, void const *packet,
                       struct tsr_refusal *refusal)
{
	struct tsr_proto_event_open_reply reply = {0};
	struct tsr_proto_event_open open;
	struct tsr_realm *realm;
	int fd = -1;
	int error;

	memcpy(&open, packet, sizeof(open));
	error = event_open_check(connection, &open, refusal);
	if (error != 0)
		return error;
	realm = tsr_connection_enter_realm(connection, refusal);
	if (realm == NULL)
		return refusal->error;
	error = event_open(connection, realm, &open, &fd, refusal);
	tsr_realm_unlock(realm);
	if (error != 0)
		return error;
	reply.head = tsr_request_reply_head(&open.head, sizeof(reply));
	reply.event = connection->events->number;
	if (tsr_connection_send_fds(connection, &reply, sizeof(reply), &fd, 1) != 0)
		connection->broken = true;
	(void)close(fd);
	return 0;
}

/* What points to the connection's event that the packet means; NULL, and it is refused. */
static struct tsr_event **
event_find(struct tsr_connection *connection, struct tsr_proto_event const *request,
           struct tsr_refusal *refusal)
{
	struct tsr_event **link = &connection->events;

	if (request->reserved != 0) {
		(void)tsr_refuse(refusal, -EINVAL, "an event with reserved 0x%x, expected 0",
		                 request->reserved);
		return NULL;
	}
	while (*link != NULL && (*link)->number != request->event)
		link = &(*link)->next_own;
	if (*link != NULL)
		return link;
	(void)tsr_refuse(refusal, -ESTALE,
	                 "event %u is not open, expected one that EVENT_OPEN gave", request->event);
	return NULL;
}

int
tsr_request_event_arm(struct tsr_connection *connection, void const *packet,
                      struct tsr_refusal *refusal)
{
	struct tsr_proto_event request;
	struct tsr_proto_plain reply;
	struct tsr_event **link;
	struct tsr_realm *realm;
	int error;

	memcpy(&request, packet, sizeof(request));
	link = event_find(connection, &request, refusal);
	if (link == NULL)
		return refusal->error;
	realm = tsr_connection_enter_realm(connection, refusal);
	if (realm == NULL)
		return refusal->error;
	error = tsr_event_arm(*link, refusal);
	tsr_realm_unlock(realm);
	if (error != 0)
		return error;
	tsr_server_watch_events(connection->server);
	tsr_request_reply(connection, &request.head, &reply, sizeof(reply));
	return 0;
}

static void
event_drop(struct tsr_event **link)
{
	struct tsr_event *const event = *link;
	struct tsr_realm *const realm = event->realm;

	*link = event->next_own;
	tsr_realm_lock(realm);
	tsr_event_close(event);
	tsr_realm_unlock(realm);
}

int
tsr_request_event_close(struct tsr_connection *connection, void const *packet,
                        struct tsr_refusal *refusal)
{
	struct tsr_proto_event request;
	struct tsr_proto_plain reply;
	struct tsr_event **link;

	memcpy(&request, packet, sizeof(request));
	link = event_find(connection, &request, refusal);
	if (link == NULL)
		return refusal->error;
	event_drop(link);
	tsr_request_reply(connection, &request.head, &reply, sizeof(reply));
	return 0;
}

void
tsr_request_drop_events(struct tsr_connection *connection)
{
	while (connection->events != NULL)
		event_drop(&connection->events);
}

void
tsr_request_tell_events(struct tsr_connection *connection)
{
	for (struct tsr_event *event = connection->events; event != NULL; event = event->next_own)
		tsr_event_tell(event);
}
