/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CONTROL_REQUEST_H
#define TSR_CORE_CONTROL_REQUEST_H

/*
 * The requests of the control protocol, one function each, and the table that leads to them.
 *
 * A handler gets a packet whose length and head are right, and whose other fields are not checked
 * yet. It answers and returns 0, or changes nothing and returns a refusal.
 */

#include "core/connection.h"
#include "core/refusal.h"
#include "shm/proto.h"

/* tsr_request_dispatch - check head, length, order, descriptors; handle; answer. */
void tsr_request_dispatch(struct tsr_connection *connection, void const *packet, size_t bytes,
                          bool truncated);

/* tsr_request_reply - fill in a reply's head for the request, and send it. */
void tsr_request_reply(struct tsr_connection *connection, struct tsr_proto_head const *request,
                       void *reply, size_t bytes);
struct tsr_proto_head tsr_request_reply_head(struct tsr_proto_head const *request, size_t bytes);

/* tsr_request_text - a name that a packet carries. Return: 0; -EINVAL not terminated, or with
 * characters that don't print. */
TSR_MUST_CHECK
int tsr_request_text(const char text[TSR_NAME_BYTES], const char *what,
                     struct tsr_refusal *refusal);

/* tsr_request_words - the same of a text that is no name. */
TSR_MUST_CHECK
int tsr_request_words(const char *text, size_t bytes, const char *what,
                      struct tsr_refusal *refusal);

/* tsr_request_enter - lock the member's realm, if it is still in it. Return: 0; -ENOTCONN. */
TSR_MUST_CHECK
int tsr_request_enter(struct tsr_member *member, struct tsr_refusal *refusal);

/* tsr_request_finish - unlock the entered realm, and answer if @error is 0. Return: @error. */
TSR_MUST_CHECK
int tsr_request_finish(struct tsr_connection *connection, struct tsr_realm *realm,
                       struct tsr_proto_head const *request, void *reply, size_t bytes, int error);

/* tsr_request_refuse - answer with a refusal. */
void tsr_request_refuse(struct tsr_connection *connection, uint64_t cookie,
                        struct tsr_refusal const *refusal);

/*
 * tsr_request_upkeep - unlock the entered realm, and, if @error is 0, do there what the
 *		connection's chore says, in steps, before the answer
 *
 * Return: @error.
 */
TSR_MUST_CHECK
int tsr_request_upkeep(struct tsr_connection *connection, struct tsr_realm *realm,
                       struct tsr_proto_head const *request, int error);

/* tsr_request_upkeep_aside - likewise, of a request that is answered by whoever calls. */
void tsr_request_upkeep_aside(struct tsr_connection *connection, struct tsr_realm *realm);

/*
 * tsr_request_refusal - make the packet of a refusal, and tell of it
 * @row:	who asked
 */
void tsr_request_refusal(struct tsr_server *server, struct tsr_proto_row_feed *row, uint64_t cookie,
                         struct tsr_refusal const *refusal, struct tsr_proto_error *out);

/* tsr_request_region - the reply's facts about a region. */
void tsr_request_region(struct tsr_region_record const *region,
                        struct tsr_proto_region_reply *reply);

typedef int tsr_request_fn(struct tsr_connection *connection, void const *packet,
                           struct tsr_refusal *refusal);

/* control_hello.c */
tsr_request_fn tsr_request_hello, tsr_request_pidfd;
/* control_attach.c */
tsr_request_fn tsr_request_attach, tsr_request_detach;
/* control_reattach.c */
tsr_request_fn tsr_request_reattach;
/* tsr_request_adopt - the end that an earlier daemon opened for this request, and the client did
 * not hear of; the realm is locked. Return: whether there is one, and *number is its. */
bool tsr_request_adopt(struct tsr_connection *connection, struct tsr_proto_end_open const *request,
                       uint32_t *number);
/* control_channel.c */
tsr_request_fn tsr_request_channel_create, tsr_request_channel_remove, tsr_request_end_open,
	tsr_request_end_close, tsr_request_channel_find, tsr_request_shared_settle;
/* control_event.c */
tsr_request_fn tsr_request_event_open, tsr_request_event_arm, tsr_request_event_close;
/* tsr_request_drop_events - close all of a connection's. */
void tsr_request_drop_events(struct tsr_connection *connection);
/* control_status.c */
/* tsr_status_take - all but the head. */
void tsr_status_take(struct tsr_daemon *daemon, struct tsr_proto_status_reply *reply);
tsr_request_fn tsr_request_ping, tsr_request_status, tsr_request_ledger, tsr_request_stop;
/* control_region.c */
tsr_request_fn tsr_request_region_create, tsr_request_region_offer, tsr_request_region_map,
	tsr_request_region_close, tsr_request_region_settle;
/* tsr_request_tell_events - make all descriptors of a connection's readable: look, and see. */
void tsr_request_tell_events(struct tsr_connection *connection);
/* control_evict.c */
tsr_request_fn tsr_request_evict;
/* control_reload.c */
tsr_request_fn tsr_request_reload;
/* control_upgrade.c */
tsr_request_fn tsr_request_upgrade;
/* tsr_upgrade_unask - the connection is closed: if it has asked for an upgrade, that is called off.
 * tsr_upgrade_expire - a binary that does not answer is ended. tsr_upgrade_drop - whichever. */
void tsr_upgrade_unask(struct tsr_connection const *connection);
void tsr_upgrade_expire(struct tsr_server *server, uint64_t now_ns);
void tsr_upgrade_drop(struct tsr_server *server);
/* control_segments.c */
tsr_request_fn tsr_request_segments;
/* control_list.c */
tsr_request_fn tsr_request_list;
/*
 * tsr_list_rows - a list of realms, clients, channels or regions, as the daemon itself sees it
 * @realm:	"": of all
 * @rows:	struct tsr_proto_row_*, freed by the caller; NULL: there are none
 *
 * Return: 0; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_list_rows(struct tsr_daemon *daemon, enum tsr_proto_list_what what, const char *realm,
                  void **rows, size_t *count);
/* control_feed.c */
tsr_request_fn tsr_request_feed;
/* tsr_request_end_feed - answer whoever waits for news: the connection asks for something else. */
void tsr_request_end_feed(struct tsr_connection *connection);
/* tsr_request_drop_feed - the connection is closed: nobody waits any more. */
void tsr_request_drop_feed(struct tsr_connection *connection);
/* tsr_request_feed_news - the bell was rung: answer all who wait and may see what is new. */
void tsr_request_feed_news(struct tsr_server *server);

#endif /* TSR_CORE_CONTROL_REQUEST_H */
