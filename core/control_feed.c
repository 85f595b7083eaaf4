/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/control_request.h"
#include "core/feed.h"
#include "core/user.h"

#define FEED_ROWS_MAX                                                   \
	((TSR_PROTO_PACKET_MAX - sizeof(struct tsr_proto_feed_reply)) / \
	 sizeof(struct tsr_proto_row_feed))

struct feed_packet {
	struct tsr_proto_feed_reply reply;
	struct tsr_proto_row_feed rows[FEED_ROWS_MAX];
};

/* Who looks, and what was found out about the realms on the way. */
struct feed_viewer {
	struct tsr_connection const *connection;
	struct tsr_config const *config;
	bool all; /* root, or the daemon's own user */
	bool asked[TSR_REALMS_ROOM];
	bool admitted[TSR_REALMS_ROOM];
};

static void
feed_view(struct feed_viewer *viewer, struct tsr_connection const *connection)
{
	*viewer = (struct feed_viewer){.connection = connection,
	                               .config = connection->server->daemon->config,
	                               .all = tsr_user_rules(connection->uid)};
}

/* As LIST: who is admitted, as an observer at least. */
static bool
feed_admits(struct feed_viewer *viewer, const char *name)
{
	struct tsr_config_realm const *const realm = tsr_config_find(viewer->config, name);
	size_t index;

	if (viewer->all || realm == NULL)
		return viewer->all;
	index = (size_t)(realm - viewer->config->realms);
	if (!viewer->asked[index])
		viewer->admitted[index] =
			tsr_connection_right(viewer->connection, realm) != TSR_RIGHT_NONE;
	viewer->asked[index] = true;
	return viewer->admitted[index];
}

/* What is of no realm is seen by whom it is about. */
static bool
feed_sees(struct feed_viewer *viewer, struct tsr_proto_row_feed const *row)
{
	struct tsr_proto_feed const *const request = &viewer->connection->feed;

	if (request->kinds != 0 && (request->kinds & (UINT32_C(1) << row->kind)) == 0)
		return false;
	if (request->realm[0] != '\0' && strcmp(request->realm, row->realm) != 0)
		return false;
	if (row->realm[0] == '\0')
		return viewer->all || row->uid == viewer->connection->uid;
	return feed_admits(viewer, row->realm);
}

static void
feed_send(struct tsr_connection *connection, struct feed_packet *packet)
{
	struct tsr_proto_feed_reply *const reply = &packet->reply;

	reply->next = connection->feed.from;
	reply->newest = tsr_feed_newest(&connection->server->daemon->feed);
	reply->row_bytes = sizeof(packet->rows[0]);
	tsr_request_reply(connection, &connection->feed.head, packet,
	                  sizeof(*reply) + reply->rows * sizeof(packet->rows[0]));
}

/* Send what there is; or, if that is nothing, and so asked for, wait. */
static void
feed_answer(struct tsr_connection *connection)
{
	static struct feed_packet packet; /* the control thread's */
	struct tsr_feed *const feed = &connection->server->daemon->feed;
	struct tsr_proto_feed_reply *const reply = &packet.reply;
	struct feed_viewer viewer;

	feed_view(&viewer, connection);
	packet.reply = (struct tsr_proto_feed_reply){.rows = 0};
	do {
		while (reply->rows < FEED_ROWS_MAX &&
		       tsr_feed_read(feed, &connection->feed.from, &reply->missed,
		                     &packet.rows[reply->rows], 1) != 0) {
			if (feed_sees(&viewer, &packet.rows[reply->rows]))
				reply->rows++;
		}
		connection->follows = (connection->feed.flags & TSR_PROTO_FEED_WAIT) != 0 &&
		                      reply->rows == 0 && reply->missed == 0 &&
		                      tsr_feed_wait(feed, connection->feed.from);
		if (connection->follows)
			return;
	} while (reply->rows == 0 && tsr_feed_newest(feed) >= connection->feed.from);
	feed_send(connection, &packet);
}

static int
feed_check(struct tsr_connection const *connection, struct tsr_proto_feed const *request,
           struct tsr_refusal *refusal)
{
	struct tsr_daemon *const daemon = connection->server->daemon;
	uint64_t const newest = tsr_feed_newest(&daemon->feed);
	struct feed_viewer viewer;
	int const error = tsr_request_text(request->realm, "the realm's name", refusal);

	if (error != 0)
		return error;
	if ((request->flags & ~TSR_PROTO_FEED_WAIT) != 0 || (request->kinds >> TSR_FEED_KINDS) != 0)
		return tsr_refuse(refusal, -EINVAL,
		                  "FEED with flags 0x%x and kinds 0x%x, expected none beyond 0x%x "
		                  "and 0x%x",
		                  request->flags, request->kinds, TSR_PROTO_FEED_WAIT,
		                  (UINT32_C(1) << TSR_FEED_KINDS) - 1);
	if (request->from > newest + 1)
		return tsr_refuse(refusal, -EINVAL,
		                  "FEED from %llu on, expected at most %llu, which comes next",
		                  (unsigned long long)request->from,
		                  (unsigned long long)newest + 1);
	if (request->realm[0] == '\0')
		return 0;
	if (tsr_config_find(daemon->config, request->realm) == NULL)
		return tsr_refuse(refusal, -ENOENT, "there is no realm '%s'", request->realm);
	feed_view(&viewer, connection);
	if (!feed_admits(&viewer, request->realm))
		return tsr_refuse(refusal, -EACCES, "realm '%s' does not admit user %u",
		                  request->realm, connection->uid);
	return 0;
}

int
tsr_request_feed(struct tsr_connection *connection, void const *packet, struct tsr_refusal *refusal)
{
	struct tsr_proto_feed request;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = feed_check(connection, &request, refusal);
	if (error != 0)
		return error;
	connection->feed = request;
	feed_answer(connection);
	return 0;
}

void
tsr_request_drop_feed(struct tsr_connection *connection)
{
	if (connection->follows)
		tsr_feed_unwait(&connection->server->daemon->feed);
	connection->follows = false;
}

void
tsr_request_end_feed(struct tsr_connection *connection)
{
	if (!connection->follows)
		return;
	tsr_request_drop_feed(connection);
	connection->feed.flags = 0;
	feed_answer(connection);
}

void
tsr_request_feed_news(struct tsr_server *server)
{
	struct tsr_connection *next;

	tsr_feed_hear(&server->daemon->feed);
	for (struct tsr_connection *c = server->connections; c != NULL; c = next) {
		next = c->next;
		if (!c->follows)
			continue;
		tsr_request_drop_feed(c);
		feed_answer(c);
		if (c->broken)
			tsr_connection_close(c);
	}
}
