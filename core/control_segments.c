/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/control_request.h"
#include "core/realm.h"

/* What may be looked at. */
static bool
segments_shows(uint32_t segment, enum tsr_right right)
{
	if (segment >= TSR_SEGMENT_ARENA0)
		return false; /* nobody needs the payload to see where it is */
	return right == TSR_RIGHT_PARTICIPATE ||
	       (segment != TSR_SEGMENT_STATE && segment != TSR_SEGMENT_TOKENS);
}

/* Descriptions of their own: what is sent carries no right to write. Return: 0; a negative errno,
 * and none is open. */
static int
segments_open(struct tsr_realm const *realm, enum tsr_right right,
              struct tsr_proto_segments_reply *reply, int *fds, size_t *count)
{
	for (uint32_t i = 0; i < realm->segments_count; i++) {
		reply->bytes[i] = realm->segment[i].bytes;
		if (!segments_shows(i, right))
			continue;
		fds[*count] = tsr_segment_open_reading(&realm->segment[i]);
		if (fds[*count] < 0)
			return fds[*count];
		reply->sent |= UINT32_C(1) << i;
		(*count)++;
	}
	return 0;
}

static int
segments_send(struct tsr_connection *connection, struct tsr_proto_segments const *request,
              struct tsr_realm *realm, struct tsr_refusal *refusal)
{
	struct tsr_proto_segments_reply reply = {
		.head = tsr_request_reply_head(&request->head, sizeof(reply)),
		.segments = realm->segments_count,
	};
	enum tsr_right const right = tsr_connection_right(connection, realm->config);
	int fds[TSR_SEGMENTS_MAX];
	size_t count = 0;
	int error;

	if (right == TSR_RIGHT_NONE)
		return tsr_refuse(refusal, -EACCES, "realm '%s' does not admit user %u",
		                  request->realm, connection->uid);
	error = segments_open(realm, right, &reply, fds, &count);
	if (error == 0)
		error = tsr_connection_send_fds(connection, &reply, sizeof(reply), fds, count);
	while (count > 0)
		(void)close(fds[--count]);
	return error == 0 ? 0
	                  : tsr_refuse(refusal, -ENOBUFS,
	                               "the descriptors of realm '%s' could not be sent: %s",
	                               request->realm, strerror(-error));
}

int
tsr_request_segments(struct tsr_connection *connection, void const *packet,
                     struct tsr_refusal *refusal)
{
	struct tsr_proto_segments request;
	struct tsr_realm *realm;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = tsr_request_text(request.realm, "the realm's name", refusal);
	if (error != 0)
		return error;
	error = tsr_realm_find(connection->server->daemon, request.realm, &realm, refusal);
	if (error != 0)
		return error;
	/* Without its lock: descriptors and sizes never change. */
	error = segments_send(connection, &request, realm, refusal);
	tsr_realm_put(realm);
	return error;
}
