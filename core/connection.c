/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/closing.h"
#include "core/control_request.h"
#include "core/counter.h"
#include "core/member.h"
#include "core/observer.h"

#define CONNECTION_OVER_LIMIT_MAX 16
#define CONNECTION_STALL_NS       UINT64_C(2000000000)
#define CONNECTION_PAUSE_NS       UINT64_C(10000000) /* not for each of many: they wake us */
#define CONNECTION_GROUPS_MAX     65536
#define CONNECTION_TRIES          16

/* For the log and the feed. @connection NULL: of nobody in particular. */
static void
connection_tell(struct tsr_server *server, struct tsr_connection const *connection,
                enum tsr_feed_kind kind, const char *why)
{
	struct tsr_proto_row_feed row = {.kind = kind, .uid = UINT32_MAX};

	if (connection != NULL)
		row = tsr_connection_row(connection, kind);
	row.error = -ENOBUFS;
	(void)snprintf(row.text, sizeof(row.text), "%s", why);
	tsr_server_tell(server, &row);
}

/* Out of descriptors: the spare one is enough to turn the caller away, or it would wake us for
 * ever. */
static void
connection_turn_away(struct tsr_server *server)
{
	int fd;

	(void)close(server->spare);
	fd = accept4(server->daemon->rundir.listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	connection_tell(server, NULL, TSR_FEED_DROP, "the daemon is out of descriptors");
}

/* A user beyond its limit is told so on HELLO; of those that don't even ask only a few are kept. */
static bool
connection_keep_over_limit(struct tsr_server *server, struct tsr_connection *connection)
{
	if (server->over_limit >= CONNECTION_OVER_LIMIT_MAX) {
		connection_tell(server, connection, TSR_FEED_DROP,
		                "the user has all of its connections "
		                "(limits.connections_per_user)");
		return false;
	}
	server->over_limit++;
	connection->over_limit = true;
	return true;
}

static void
connection_give(struct tsr_connection const *connection)
{
	tsr_quota_give(&connection->server->daemon->quota, connection->uid, TSR_QUOTA_CONNECTIONS,
	               1);
}

static int
connection_enter(struct tsr_server *server, struct tsr_connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP,
	                            .data = {.ptr = &connection->source}};
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		return -errno;
	connection->pid = peer.pid;
	connection->uid = peer.uid;
	connection->gid = peer.gid;
	if (tsr_quota_take(&server->daemon->quota, peer.uid, TSR_QUOTA_CONNECTIONS, 1, NULL) != 0 &&
	    !connection_keep_over_limit(server, connection))
		return -ENOBUFS;
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
		if (!connection->over_limit)
			connection_give(connection);
		else
			server->over_limit--;
		return -errno;
	}
	connection->next = server->connections;
	connection->link = &server->connections;
	if (connection->next != NULL)
		connection->next->link = &connection->next;
	server->connections = connection;
	tsr_counter_add(&server->daemon->connections, 1);
	return 0;
}

/* Of one that did not come back after all: for its next attempt. */
static void
connection_return_events(struct tsr_connection *connection)
{
	struct tsr_member *const member = connection->member;

	if (member == NULL || !connection->tentative)
		return;
	tsr_realm_lock(member->realm);
	if (member->state != TSR_MEMBER_GONE) {
		member->events = connection->events;
		connection->events = NULL;
	}
	tsr_realm_unlock(member->realm);
}

/* The socket is gone, and the member did not say goodbye. */
static void
connection_leave_member(struct tsr_connection *connection)
{
	struct tsr_member *const member = connection->member;
	bool closing;

	if (member == NULL)
		return;
	tsr_realm_lock(member->realm);
	member->connection = -1;
	/* Whose reconnecting failed tries again; whom we leave comes back to the next daemon. */
	closing = member->state == TSR_MEMBER_ATTACHED && !connection->tentative &&
	          !connection->server->leaving;
	if (closing)
		tsr_member_closing(member);
	tsr_realm_unlock(member->realm);
	if (closing)
		tsr_closing_add(connection->server, member, TSR_CLOSING_NS);
	connection->member = NULL;
	tsr_member_put(member);
}

void
tsr_connection_leave_observer(struct tsr_connection *connection)
{
	struct tsr_proto_row_feed row = tsr_connection_row(connection, TSR_FEED_DETACH);

	tsr_feed_tell(&connection->server->daemon->feed, TSR_LOG_DEBUG, &row,
	              "observer '%s' (pid %d) left realm '%s'", row.name, (int)row.pid, row.realm);
	tsr_observer_leave(connection->observer);
	connection->observer = NULL;
}

void
tsr_connection_close(struct tsr_connection *connection)
{
	struct tsr_server *const server = connection->server;

	tsr_request_drop_feed(connection);
	tsr_upgrade_unask(connection);
	tsr_chore_drop(connection);
	connection_return_events(connection);
	tsr_request_drop_events(connection);
	connection_leave_member(connection);
	if (connection->observer != NULL)
		tsr_connection_leave_observer(connection);
	if (connection->over_limit)
		server->over_limit--;
	else
		connection_give(connection);
	*connection->link = connection->next;
	if (connection->next != NULL)
		connection->next->link = connection->link;
	tsr_counter_subtract(&server->daemon->connections, 1);
	(void)close(connection->fd);
	if (connection->pidfd >= 0)
		(void)close(connection->pidfd);
	free(connection->out);
	free(connection);
}

static void
connection_say_stalled(struct tsr_connection *connection)
{
	connection_tell(connection->server, connection, TSR_FEED_DROP,
	                "it does not read its answers");
}

/* The system has no memory just now: no reason to hang up, which would be the end of a client. */
static bool
connection_may_try_again(void)
{
	return errno == ENOBUFS || errno == ENOMEM || errno == EINTR;
}

void
tsr_connection_send(struct tsr_connection *connection, void const *packet, size_t bytes)
{
	for (unsigned i = 0; i < CONNECTION_TRIES; i++) {
		if (send(connection->fd, packet, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		    (ssize_t)bytes)
			return;
		if (!connection_may_try_again())
			break;
	}
	if (errno == EAGAIN)
		connection_say_stalled(connection);
	connection->broken = true;
}

int
tsr_connection_send_fds(struct tsr_connection *connection, void const *packet, size_t bytes,
                        int const *fds, size_t fds_count)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE((TSR_SEGMENTS_MAX + 1) * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)packet, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = CMSG_SPACE(fds_count * sizeof(int))};
	struct cmsghdr *head;

	memset(&control, 0, sizeof(control));
	head = CMSG_FIRSTHDR(&message);
	if (head == NULL)
		return -EINVAL;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(fds_count * sizeof(int));
	memcpy(CMSG_DATA(head), fds, fds_count * sizeof(int));
	return sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* While answers wait, no further request is read. */
static void
connection_want(struct tsr_connection *connection, uint32_t events)
{
	struct epoll_event event = {.events = events | EPOLLRDHUP,
	                            .data = {.ptr = &connection->source}};

	(void)epoll_ctl(connection->server->epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

/* Send what waits, as far as there is room. */
static void
connection_flush(struct tsr_connection *connection)
{
	while (connection->out_sent < connection->out_bytes) {
		unsigned char const *const packet = connection->out + connection->out_sent;
		uint32_t length;

		memcpy(&length, packet, sizeof(length));
		if (send(connection->fd, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (errno != EAGAIN && !connection_may_try_again()) {
				connection->broken = true;
				return;
			}
			connection_want(connection, EPOLLOUT);
			connection->out_deadline_ns = tsr_now_ns() + CONNECTION_STALL_NS;
			tsr_server_arm(connection->server, connection->out_deadline_ns);
			return;
		}
		connection->out_sent += length;
	}
	if (connection->out_deadline_ns != 0)
		connection_want(connection, EPOLLIN);
	connection->out_deadline_ns = 0;
	free(connection->out);
	connection->out = NULL;
	connection->out_bytes = 0;
	connection->out_sent = 0;
}

void
tsr_connection_queue(struct tsr_connection *connection, unsigned char *out, size_t bytes)
{
	free(connection->out);
	connection->out = out;
	connection->out_bytes = bytes;
	connection->out_sent = 0;
	connection_flush(connection);
}

/* Collect the descriptors that came along; close those that are more than anybody asks for. */
static void
connection_collect(struct tsr_connection *connection, struct msghdr *message)
{
	connection->fds_count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		size_t const count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (connection->fds_count < TSR_CONNECTION_FDS_MAX)
				connection->fds[connection->fds_count++] = fd;
			else
				(void)close(fd);
		}
	}
}

static bool
connection_hung_up(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void
connection_receive(struct tsr_connection *connection)
{
	struct tsr_server *const server = connection->server;
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(TSR_CONNECTION_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = server->packet, .iov_len = sizeof(server->packet)};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = sizeof(control)};
	ssize_t const bytes = recvmsg(connection->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (bytes < 0) {
		connection->broken = errno != EAGAIN && !connection_may_try_again();
		return;
	}
	connection_collect(connection, &message);
	/* Nothing read is the end, or a packet without a byte. */
	if (bytes == 0 && connection->fds_count == 0 && connection_hung_up(connection->fd))
		connection->broken = true;
	else
		tsr_request_dispatch(connection, server->packet, (size_t)bytes,
		                     (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0);
	for (size_t i = 0; i < connection->fds_count; i++) {
		if (connection->fds[i] >= 0)
			(void)close(connection->fds[i]);
	}
	connection->fds_count = 0;
}

/* Out of the epoll, for a hang-up would wake us all the while. */
static void
connection_pause(struct tsr_connection *connection, uint64_t until_ns)
{
	if (epoll_ctl(connection->server->epoll, EPOLL_CTL_DEL, connection->fd, NULL) != 0)
		return;
	connection->paused_until_ns = until_ns;
	tsr_server_arm(connection->server, until_ns);
}

static void
connection_resume(struct tsr_connection *connection)
{
	struct epoll_event event = {.events = (connection->out_bytes != 0 ? EPOLLOUT : EPOLLIN) |
	                                      EPOLLRDHUP,
	                            .data = {.ptr = &connection->source}};

	if (epoll_ctl(connection->server->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0)
		connection->paused_until_ns = 0;
	else /* no memory just now */
		connection->paused_until_ns += CONNECTION_PAUSE_NS;
}

/* Has its user asked so much that this has to wait? */
static bool
connection_is_early(struct tsr_connection *connection)
{
	uint64_t const now_ns = tsr_now_ns();
	uint64_t untold;

	if (tsr_quota_pace(&connection->server->daemon->quota, connection->uid, TSR_QUOTA_REQUESTS,
	                   now_ns, &untold) == 0)
		return false;
	connection_pause(connection, now_ns + CONNECTION_PAUSE_NS);
	return true;
}

/* Its socket is ready: read and answer one packet, or send what waits. */
static void
connection_serve(struct tsr_source *source, uint32_t events)
{
	struct tsr_connection *const connection =
		TSR_CONTAINER_OF(source, struct tsr_connection, source);

	if (connection->chore.step != NULL)
		return; /* its turn comes */
	if (connection->out_bytes != 0) {
		if ((events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0)
			connection->broken = true;
		else
			connection_flush(connection);
	} else if ((events & EPOLLIN) != 0) {
		if (!connection_is_early(connection))
			connection_receive(connection);
	} else {
		connection->broken = true; /* it hung up, and nothing is left to read */
	}
	if (connection->broken)
		tsr_connection_close(connection);
}

void
tsr_connection_accept(struct tsr_server *server)
{
	struct tsr_connection *connection;
	int const fd =
		accept4(server->daemon->rundir.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			connection_turn_away(server);
		return;
	}
	connection = calloc(1, sizeof(*connection));
	if (connection == NULL) {
		(void)close(fd);
		return;
	}
	connection->source.serve = connection_serve;
	connection->server = server;
	connection->fd = fd;
	connection->pidfd = -1;
	if (connection_enter(server, connection) != 0) {
		(void)close(fd);
		free(connection);
	}
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is in the server's list */
}

struct tsr_proto_row_feed
tsr_connection_row(struct tsr_connection const *connection, enum tsr_feed_kind kind)
{
	struct tsr_observer const *const observer = connection->observer;
	struct tsr_proto_row_feed row;

	if (connection->member != NULL)
		return tsr_member_row(connection->member, kind);
	if (observer != NULL) {
		row = tsr_realm_row(observer->realm, kind);
		memcpy(row.name, observer->name, sizeof(row.name));
	} else {
		row = (struct tsr_proto_row_feed){.kind = kind};
	}
	row.pid = (uint32_t)connection->pid;
	row.uid = connection->uid;
	return row;
}

enum tsr_right
tsr_connection_right(struct tsr_connection const *connection, struct tsr_config_realm const *config)
{
	/* The control thread's: no lack of memory keeps anybody out. */
	static gid_t groups[CONNECTION_GROUPS_MAX + 1];
	socklen_t bytes = CONNECTION_GROUPS_MAX * sizeof(groups[0]);

	if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) != 0)
		bytes = 0;
	groups[bytes / sizeof(groups[0])] = connection->gid;
	return tsr_realm_right(config, connection->uid, groups, bytes / sizeof(groups[0]) + 1);
}

struct tsr_realm *
tsr_connection_enter_realm(struct tsr_connection const *connection, struct tsr_refusal *refusal)
{
	struct tsr_member const *const member = connection->member;
	struct tsr_realm *const realm =
		member != NULL ? member->realm : connection->observer->realm;

	tsr_realm_lock(realm);
	if (member != NULL ? member->state == TSR_MEMBER_ATTACHED : !realm->condemned)
		return realm;
	tsr_realm_unlock(realm);
	(void)tsr_refuse(refusal, -ENOTCONN,
	                 "this client of realm '%s' is gone: its process died, or the realm was "
	                 "condemned",
	                 realm->entry.name);
	return NULL;
}

void
tsr_connection_expire(struct tsr_server *server, uint64_t now_ns)
{
	struct tsr_connection *next;

	for (struct tsr_connection *c = server->connections; c != NULL; c = next) {
		next = c->next;
		if (c->paused_until_ns != 0 && c->paused_until_ns <= now_ns)
			connection_resume(c);
		if (c->paused_until_ns != 0)
			tsr_server_arm(server, c->paused_until_ns);
		if (c->out_deadline_ns == 0)
			continue;
		if (c->out_deadline_ns > now_ns) {
			tsr_server_arm(server, c->out_deadline_ns);
			continue;
		}
		connection_say_stalled(c);
		tsr_connection_close(c);
	}
}
