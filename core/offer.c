/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/offer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/closer.h"
#include "core/control_request.h"
#include "core/member.h"
#include "core/regions.h"

#define OFFER_NS UINT64_C(2000000000)

struct tsr_offer {
	struct tsr_source source;
	struct tsr_offer *next;
	struct tsr_server *server;
	struct tsr_member *member; /* with a reference */
	int fd;
	uint32_t tickets;
	uint64_t deadline_ns;
};

static void
offer_close(struct tsr_offer *offer)
{
	struct tsr_offer **link = &offer->server->offers;

	while (*link != offer)
		link = &(*link)->next;
	*link = offer->next;
	offer->member->offering = false;
	tsr_member_put(offer->member);
	(void)close(offer->fd);
	free(offer);
}

/* One packet, and the one descriptor for which there is room; -1: none came. */
static size_t
offer_read(struct tsr_offer *offer, void *packet, size_t room, int *fd, bool *truncated)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = packet, .iov_len = room};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t const bytes = recvmsg(offer->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *const head = bytes < 0 ? NULL : CMSG_FIRSTHDR(&message);

	if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(head), sizeof(*fd));
	*truncated = bytes >= 0 && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
	return bytes < 0 ? 0 : (size_t)bytes;
}

static int
offer_check(struct tsr_proto_head const *head, size_t bytes, int fd, bool truncated,
            struct tsr_refusal *refusal)
{
	if (bytes != sizeof(*head) || head->length != bytes || head->flags != 0 ||
	    head->type != TSR_PROTO_REGION_REGISTER)
		return tsr_refuse(refusal, -EPROTO,
		                  "a packet of %zu bytes on the socket of an offer, expected "
		                  "REGION_REGISTER",
		                  bytes);
	if (truncated || fd < 0)
		return tsr_refuse(refusal, -EPROTO,
		                  "REGION_REGISTER with %s descriptor, expected exactly one",
		                  truncated ? "more than one" : "no");
	return 0;
}

/* The memory is good: is there still a client, and room? */
static int
offer_enter(struct tsr_offer *offer, struct tsr_region_memory const *memory,
            struct tsr_proto_region_reply *reply, struct tsr_refusal *refusal)
{
	struct tsr_member *const member = offer->member;
	struct tsr_region_record *region;
	int error = tsr_request_enter(member, refusal);

	if (error != 0)
		return error;
	error = tsr_regions_enter(member->realm, member, memory, offer->tickets, &region, refusal);
	if (error == 0)
		tsr_request_region(region, reply);
	tsr_realm_unlock(member->realm);
	return error;
}

static void
offer_refuse(struct tsr_offer *offer, uint64_t cookie, struct tsr_refusal const *refusal)
{
	struct tsr_proto_row_feed row = tsr_member_row(offer->member, TSR_FEED_REFUSAL);
	struct tsr_proto_error refused;

	tsr_request_refusal(offer->server, &row, cookie, refusal, &refused);
	(void)!send(offer->fd, &refused, sizeof(refused), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Read, answer, and be done with it. */
static void
offer_serve(struct tsr_source *source, uint32_t events)
{
	struct tsr_offer *const offer = TSR_CONTAINER_OF(source, struct tsr_offer, source);
	struct tsr_proto_region_reply reply = {0};
	struct tsr_refusal refusal = {0};
	struct tsr_region_memory memory;
	struct tsr_proto_head head = {0};
	bool truncated = false;
	int fd = -1;
	size_t bytes = 0;
	int error;

	if ((events & EPOLLIN) != 0)
		bytes = offer_read(offer, &head, sizeof(head), &fd, &truncated);
	if (bytes == 0 && fd < 0) {
		offer_close(offer); /* it hung up */
		return;
	}
	error = offer_check(&head, bytes, fd, truncated, &refusal);
	if (error == 0)
		error = tsr_region_inspect(fd, &memory, &refusal);
	if (error == 0)
		error = offer_enter(offer, &memory, &reply, &refusal);
	if (error == 0) {
		reply.head = tsr_request_reply_head(&head, sizeof(reply));
		/* Who hung up in the meantime leaves the realm, or closes it like any region. */
		(void)!send(offer->fd, &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		offer_refuse(offer, head.cookie, &refusal);
		if (fd >= 0)
			tsr_close_aside(fd);
	}
	offer_close(offer);
}

int
tsr_offer_open(struct tsr_server *server, struct tsr_member *member, uint32_t tickets, int *fd,
               struct tsr_refusal *refusal)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
	struct tsr_offer *offer;
	int pair[2];

	if (member->offering || tsr_close_pending() >= TSR_CLOSER_MAX)
		return tsr_refuse(refusal, -EBUSY,
		                  member->offering
		                          ? "client '%s' has an offer open, expected one at a time"
		                          : "client '%s': descriptors that were refused are still "
		                            "being closed",
		                  member->name);
	offer = calloc(1, sizeof(*offer));
	if (offer == NULL)
		return tsr_refuse(refusal, -ENOMEM, "the daemon has no memory for an offer");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
		free(offer);
		return tsr_refuse(refusal, -ENOBUFS, "the daemon is out of descriptors: %s",
		                  strerror(errno));
	}
	event.data.ptr = &offer->source;
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, pair[0], &event) != 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		free(offer);
		return tsr_refuse(refusal, -ENOBUFS, "an offer can't be watched: %s",
		                  strerror(errno));
	}
	*offer = (struct tsr_offer){.source = {.serve = offer_serve},
	                            .next = server->offers,
	                            .server = server,
	                            .member = member,
	                            .fd = pair[0],
	                            .tickets = tickets,
	                            .deadline_ns = tsr_now_ns() + OFFER_NS};
	tsr_member_get(member);
	member->offering = true;
	server->offers = offer;
	tsr_server_arm(server, offer->deadline_ns);
	*fd = pair[1];
	return 0;
}

void
tsr_offers_expire(struct tsr_server *server, uint64_t now_ns)
{
	struct tsr_offer *next;

	for (struct tsr_offer *offer = server->offers; offer != NULL; offer = next) {
		next = offer->next;
		if (offer->deadline_ns <= now_ns)
			offer_close(offer);
		else
			tsr_server_arm(server, offer->deadline_ns);
	}
}

void
tsr_offers_drop(struct tsr_server *server)
{
	struct tsr_offer *next;

	for (struct tsr_offer *offer = server->offers; offer != NULL; offer = next) {
		next = offer->next;
		offer_close(offer);
	}
}
