/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/raw.h"

#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/check.h"

#define RAW_FDS_MAX 253 /* what the kernel takes in one message */

int
raw_connect(struct daemon const *daemon)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int const fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	memcpy(address.sun_path, daemon->socket, sizeof(address.sun_path));
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "connect: %m");
	return fd;
}

int
raw_send(int fd, void const *packet, size_t bytes, int const *fds, size_t fds_count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(RAW_FDS_MAX * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)packet, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fds_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fds_count * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(fds_count * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, fds_count * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* As raw_recv(), and keep up to @kept_max descriptors. */
static int
raw_recv_keep(int fd, void *packet, size_t bytes, int *kept, size_t kept_max, size_t *fds_count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(RAW_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = packet, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = sizeof(control.bytes)};
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	size_t count = 0;
	ssize_t got;

	if (poll(&ready, 1, 5000) <= 0)
		return -ETIMEDOUT;
	got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0)
		return errno == ECONNRESET ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int passed;

			memcpy(&passed, CMSG_DATA(c) + i * sizeof(int), sizeof(passed));
			if (count < kept_max)
				kept[count] = passed;
			else
				close(passed);
			count++;
		}
	}
	if (fds_count != NULL)
		*fds_count = count;
	return (int)got;
}

int
raw_recv(int fd, void *packet, size_t bytes, size_t *fds_count)
{
	return raw_recv_keep(fd, packet, bytes, NULL, 0, fds_count);
}

int
raw_recv_fd(int fd, void *packet, size_t bytes, int *passed)
{
	size_t count = 0;
	int const got = raw_recv_keep(fd, packet, bytes, passed, 1, &count);

	cr_assert_leq(count, 1);
	if (count == 0)
		*passed = -1;
	return got;
}

void
raw_head(void *packet, uint16_t type, size_t bytes)
{
	static uint64_t cookie = 1000;
	struct tsr_proto_head const head = {
		.length = (uint32_t)bytes, .type = type, .cookie = ++cookie};

	memcpy(packet, &head, sizeof(head));
}

int
raw_greet(struct daemon const *daemon)
{
	struct tsr_proto_hello hello = {
		.magic = TSR_PROTO_MAGIC,
		.version = TSR_PROTO_VERSION,
		.layout_version = TSR_LAYOUT_VERSION,
		.layout_hash = tsr_layout_hash(),
	};
	struct tsr_proto_hello_reply reply;
	struct tsr_proto_plain plain;
	int const fd = raw_connect(daemon);

	raw_head(&hello, TSR_PROTO_HELLO, sizeof(hello));
	test_ok(raw_send(fd, &hello, sizeof(hello), NULL, 0));
	cr_assert_eq(raw_recv(fd, &reply, sizeof(reply), NULL), (int)sizeof(reply));
	test_same(reply.head.type, TSR_PROTO_HELLO | TSR_PROTO_REPLY);
	test_same(reply.head.cookie, hello.head.cookie);
	if ((reply.flags & TSR_HELLO_WANTS_PIDFD) != 0) {
		int const self = pidfd_open(getpid(), 0);

		raw_head(&plain, TSR_PROTO_PIDFD, sizeof(plain));
		test_ok(raw_send(fd, &plain, sizeof(plain), &self, 1));
		close(self);
		cr_assert_eq(raw_recv(fd, &plain, sizeof(plain), NULL), (int)sizeof(plain));
		test_same(plain.head.type, TSR_PROTO_PIDFD | TSR_PROTO_REPLY);
	}
	return fd;
}

int
raw_attach_segments(struct daemon const *daemon, int *segments,
                    struct tsr_proto_attach_reply *reply)
{
	return raw_attach_as(daemon, 0, segments, reply);
}

int
raw_attach_as(struct daemon const *daemon, uint32_t flags, int *segments,
              struct tsr_proto_attach_reply *reply)
{
	struct tsr_proto_attach attach = {.realm = "demo", .name = "raw", .flags = flags};
	int const fd = raw_greet(daemon);
	size_t count = 0;

	raw_head(&attach, TSR_PROTO_ATTACH, sizeof(attach));
	test_ok(raw_send(fd, &attach, sizeof(attach), NULL, 0));
	cr_assert_eq(raw_recv_keep(fd, reply, sizeof(*reply), segments,
	                           segments == NULL ? 0 : TSR_SEGMENTS_MAX + 1, &count),
	             (int)sizeof(*reply));
	test_same(reply->head.type, TSR_PROTO_ATTACH | TSR_PROTO_REPLY);
	test_same(count, __builtin_popcount(reply->held));
	return fd;
}

int
raw_attach(struct daemon const *daemon)
{
	struct tsr_proto_attach_reply reply;

	return raw_attach_segments(daemon, NULL, &reply);
}

void
raw_close(int fd)
{
	static unsigned char reply[TSR_PROTO_PACKET_MAX];
	struct tsr_proto_plain detach;
	struct tsr_proto_head head;

	raw_head(&detach, TSR_PROTO_DETACH, sizeof(detach));
	if (raw_send(fd, &detach, sizeof(detach), NULL, 0) == 0) {
		/* Answers to earlier requests may come first; a refusal is one that is not
		 * attached. */
		while (raw_recv(fd, reply, sizeof(reply), NULL) > 0) {
			memcpy(&head, reply, sizeof(head));
			if (head.cookie == detach.head.cookie)
				break;
		}
	}
	close(fd);
}

char const *
raw_refused(int fd, void const *packet, size_t bytes, int error)
{
	static struct tsr_proto_error refusal;
	struct tsr_proto_head head = {0};

	memset(&refusal, 0, sizeof(refusal));
	if (packet != NULL)
		test_ok(raw_send(fd, packet, bytes, NULL, 0));
	cr_assert_eq(raw_recv(fd, &refusal, sizeof(refusal), NULL), (int)sizeof(refusal));
	cr_assert_eq(refusal.head.type, TSR_PROTO_ERROR | TSR_PROTO_REPLY, "a reply of type %#x",
	             refusal.head.type);
	test_same(refusal.head.length, sizeof(refusal));
	cr_assert_not_null(memchr(refusal.text, 0, sizeof(refusal.text)), "the text has no end");
	cr_assert_str_not_empty(refusal.text);
	cr_assert_eq(refusal.error, error, "refused with %d (%s), expected %d", refusal.error,
	             refusal.text, error);
	if (packet != NULL && bytes >= sizeof(head)) {
		memcpy(&head, packet, sizeof(head));
		test_same(refusal.head.cookie, head.cookie);
	}
	return refusal.text;
}

bool
raw_alive(int fd)
{
	struct tsr_proto_plain ping, reply;

	raw_head(&ping, TSR_PROTO_PING, sizeof(ping));
	if (raw_send(fd, &ping, sizeof(ping), NULL, 0) != 0)
		return false;
	if (raw_recv(fd, &reply, sizeof(reply), NULL) != (int)sizeof(reply))
		return false;
	return reply.head.type == (TSR_PROTO_PING | TSR_PROTO_REPLY) &&
	       reply.head.cookie == ping.head.cookie;
}
