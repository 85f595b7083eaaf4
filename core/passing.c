/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/passing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSING_FDS 4 /* more than anybody may send: those are closed here, or by the kernel */

int
tsr_passing_send(int socket, const char *text, size_t bytes, int fd)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
	}
	do {
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

/* The descriptors of a packet: the first is kept, the rest closed. Return: how many there were. */
static size_t
passing_collect(struct msghdr *message, int *fd)
{
	size_t all = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		size_t const count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int one;

			memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (all++ == 0)
				*fd = one;
			else
				(void)close(one);
		}
	}
	return all;
}

int
tsr_passing_receive(int socket, char *text, size_t bytes, int *fd)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(PASSING_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = text, .iov_len = bytes - 1};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = sizeof(control)};
	ssize_t got;
	size_t fds;

	*fd = -1;
	do {
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	fds = passing_collect(&message, fd);
	text[got] = '\0';
	if (got > 0 && fds <= 1 && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	    strlen(text) == (size_t)got)
		return 0;
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	return got == 0 && fds == 0 ? -EPIPE : -EPROTO;
}
