/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CONNECTION_H
#define TSR_CORE_CONNECTION_H

/*
 * One connection of the control socket.
 *
 *	connected --HELLO--> greeted --ATTACH--> greeted, with a member --DETACH--> greeted
 *	                             --ATTACH--> greeted, with an observer --DETACH--> greeted
 *
 * With the fallback for SO_PEERPIDFD the ATTACH needs a PIDFD before it. A connection that hangs up
 * while it has a member, without DETACH, leaves the member closing. A client that comes back to a
 * successor (REATTACH instead of ATTACH) is as before until it sends anything else.
 *
 * Context of every call: the control thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/chore.h"
#include "core/control.h"
#include "core/realm.h"

#define TSR_CONNECTION_FDS_MAX 4

struct tsr_connection {
	struct tsr_source source;
	struct tsr_connection *next;
	struct tsr_connection **link; /* what points to us */
	struct tsr_server *server;
	int fd;
	int pidfd; /* of the peer; -1: not known yet */
	pid_t pid;
	uid_t uid;
	gid_t gid;
	bool greeted;
	bool over_limit;           /* the user has too many: it only hears that */
	bool broken;               /* to be closed when the request is done */
	struct tsr_member *member; /* at most one of these two */
	struct tsr_observer *observer;
	struct tsr_event *events;   /* of either */
	uint32_t events_opened;     /* ever: the number of the newest */
	struct tsr_proto_feed feed; /* asked for, while `follows` */
	bool follows;               /* a reply to FEED waits for news */
	bool tentative;         /* its member has come back, and has not yet said that it knows */
	bool unsure;            /* its member was let in, and has not yet said that it knows */
	struct tsr_chore chore; /* what it waits for, unread */
	uint32_t adopted;       /* 1 + index of an end that waits to be asked for; 0: none */
	/* Packets that wait for room in the socket; each begins with its length. */
	unsigned char *out;
	size_t out_bytes;
	size_t out_sent;
	uint64_t out_deadline_ns; /* 0: nothing waits */
	uint64_t paused_until_ns; /* its user asks too much: it is not listened to; 0: it is */
	/* Of the packet that is being handled. */
	int fds[TSR_CONNECTION_FDS_MAX];
	size_t fds_count;
};

/* tsr_connection_accept - take one from the listening socket. */
void tsr_connection_accept(struct tsr_server *server);

/* tsr_connection_close - and what becomes of its member. */
void tsr_connection_close(struct tsr_connection *connection);

/* tsr_connection_send - one packet, now; if it can't be, the connection is broken. */
void tsr_connection_send(struct tsr_connection *connection, void const *packet, size_t bytes);

/* tsr_connection_send_fds - the same with descriptors. Return: 0; a negative errno. */
TSR_MUST_CHECK
int tsr_connection_send_fds(struct tsr_connection *connection, void const *packet, size_t bytes,
                            int const *fds, size_t fds_count);

/* tsr_connection_queue - many packets; @out is the connection's from here on, and freed by it. */
void tsr_connection_queue(struct tsr_connection *connection, unsigned char *out, size_t bytes);

/* tsr_connection_right - what its user may do in the realm. */
enum tsr_right tsr_connection_right(struct tsr_connection const *connection,
                                    struct tsr_config_realm const *config);

/* tsr_connection_row - for the feed: something about its member, its observer, or its process. */
struct tsr_proto_row_feed tsr_connection_row(struct tsr_connection const *connection,
                                             enum tsr_feed_kind kind);

/* tsr_connection_leave_observer - it has one: that leaves. */
void tsr_connection_leave_observer(struct tsr_connection *connection);

/*
 * tsr_connection_enter_realm - lock the realm that its member or observer is in
 *
 * Return: the realm, to be unlocked; NULL with a refusal, -ENOTCONN: the client is gone, or the
 * realm was condemned.
 */
struct tsr_realm *tsr_connection_enter_realm(struct tsr_connection const *connection,
                                             struct tsr_refusal *refusal);

/* tsr_connection_expire - a client that does not read its answers is dropped, and one that was
 * paused is listened to again. */
void tsr_connection_expire(struct tsr_server *server, uint64_t now_ns);

#endif /* TSR_CORE_CONNECTION_H */
