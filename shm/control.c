/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTROL_SYSTEM_DIR "/run/tessera"
#define CONTROL_FDS_MAX    32

static _Thread_local char control_hint[TSR_PROTO_TEXT_BYTES];

const char *
tsr_last_hint(void)
{
	return control_hint;
}

void
tsr_hint_set(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(control_hint, sizeof(control_hint), format, args);
	va_end(args);
}

static int
control_print(char *out, size_t out_bytes, const char *head, const char *tail)
{
	int const length = snprintf(out, out_bytes, "%s%s", head, tail);

	return length < 0 || (size_t)length >= out_bytes ? -ENAMETOOLONG : 0;
}

static const char *
control_getenv(const char *name)
{
	const char *const value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

int
tsr_run_dir(char *out, size_t out_bytes)
{
	const char *value;
	char uid[16];

	if ((value = control_getenv("TESSERA_RUNTIME_DIR")) != NULL)
		return control_print(out, out_bytes, value, "");
	if ((value = control_getenv("RUNTIME_DIRECTORY")) != NULL)
		return control_print(out, out_bytes, value, "");
	if ((value = control_getenv("XDG_RUNTIME_DIR")) != NULL)
		return control_print(out, out_bytes, value, "/tessera");
	if (geteuid() == 0)
		return control_print(out, out_bytes, CONTROL_SYSTEM_DIR, "");
	(void)snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
	return control_print(out, out_bytes, "/tmp/tessera-", uid);
}

/* Wait until the socket can be read. Return: 0; -ETIMEDOUT; or what poll(2) gave. */
static int
control_wait(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t const now = tsr_now_ns();
		struct pollfd poll_fd = {.fd = fd, .events = events};
		struct timespec left;
		int ready;

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		left.tv_sec = (time_t)((deadline_ns - now) / UINT64_C(1000000000));
		left.tv_nsec = (long)((deadline_ns - now) % UINT64_C(1000000000));
		ready = ppoll(&poll_fd, 1, deadline_ns == UINT64_MAX ? NULL : &left, NULL);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
	}
}

static int
control_send(int fd, void const *packet, size_t bytes, int const *passed, uint64_t deadline_ns)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)packet, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	int error;

	if (passed != NULL) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), passed, sizeof(int));
	}
	while (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EPIPE || errno == ECONNRESET)
			return -ENOTCONN;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		error = control_wait(fd, POLLOUT, deadline_ns);
		if (error != 0)
			return error;
	}
	return 0;
}

static void
control_close_all(int const *fds, size_t count)
{
	for (size_t i = 0; fds != NULL && i < count; i++)
		(void)close(fds[i]);
}

/* Collect the descriptors of a message: as many as fit are kept, the rest is closed. */
static size_t
control_collect(struct msghdr *message, int *fds, size_t fds_max)
{
	size_t kept = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (kept < fds_max)
				fds[kept++] = fd;
			else
				(void)close(fd);
		}
	}
	return kept;
}

/* errno says why a descriptor was not to be had: none left is a limit like others. */
static int
control_no_descriptor(void)
{
	if (errno != EMFILE && errno != ENFILE)
		return -errno;
	tsr_hint_set("this process may open no more descriptors (RLIMIT_NOFILE), expected room for "
	             "those of a realm");
	return -ENOBUFS;
}

static int
control_receive(int fd, void *packet, size_t bytes, size_t *got, int *fds, size_t *fds_count,
                uint64_t deadline_ns)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = packet, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	size_t const fds_max = fds_count == NULL ? 0 : *fds_count;
	size_t kept;
	ssize_t length;
	int error;

	for (;;) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (length >= 0)
			break;
		if (errno == ECONNRESET)
			return -ENOTCONN;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		error = control_wait(fd, POLLIN, deadline_ns);
		if (error != 0)
			return error;
	}
	if (length == 0)
		return -ENOTCONN;
	kept = control_collect(&message, fds, fds_max);
	if (fds_count != NULL)
		*fds_count = kept;
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		control_close_all(fds, kept);
		if ((message.msg_flags & MSG_TRUNC) != 0)
			return -EPROTO;
		/* There is room here for all that a daemon sends. */
		errno = EMFILE;
		return control_no_descriptor();
	}
	*got = (size_t)length;
	return 0;
}

/* A refusal becomes its errno; its sentence becomes the thread's hint. */
static int
control_refusal(void const *packet, size_t got)
{
	struct tsr_proto_error refusal;

	if (got != sizeof(refusal))
		return -EPROTO;
	memcpy(&refusal, packet, sizeof(refusal));
	refusal.text[sizeof(refusal.text) - 1] = '\0';
	tsr_hint_set("%s", refusal.text);
	return refusal.error < 0 && refusal.error > -4096 ? refusal.error : -EPROTO;
}

/* An end was opened for a request that had timed out: nobody knows it, so it is closed again. */
static void
control_undo_open(struct tsr_control *control, size_t got)
{
	struct tsr_proto_end_open_reply reply;
	struct tsr_proto_end_close request = {
		.head = {.length = sizeof(request), .type = TSR_PROTO_END_CLOSE},
	};

	if (got != sizeof(reply))
		return;
	memcpy(&reply, control->packet, sizeof(reply));
	if (reply.head.type != (TSR_PROTO_END_OPEN | TSR_PROTO_REPLY))
		return;
	request.end = reply.end;
	(void)!control_send(control->fd, &request, sizeof(request), NULL, 0);
}

/* The reply to the request with this connection's last cookie; older ones (of a request that timed
 * out) are passed over, and what they did is undone. */
static int
control_reply(struct tsr_control *control, uint16_t type, void *reply, size_t reply_bytes,
              size_t *got, int *fds, size_t *fds_count, uint64_t deadline_ns)
{
	struct tsr_proto_head head;
	size_t none = 0;
	size_t *const count = fds_count != NULL ? fds_count : &none;
	size_t const fds_max = *count;
	size_t length = 0;
	int error;

	if (control->packet == NULL)
		control->packet = malloc(TSR_PROTO_PACKET_MAX);
	if (control->packet == NULL)
		return -ENOMEM;
	for (;;) {
		*count = fds_max;
		error = control_receive(control->fd, control->packet, TSR_PROTO_PACKET_MAX, &length,
		                        fds, count, deadline_ns);
		if (error != 0)
			return error;
		if (length < sizeof(head))
			break;
		memcpy(&head, control->packet, sizeof(head));
		if (head.length != length || head.cookie == control->cookie)
			break;
		control_close_all(fds, *count);
		control_undo_open(control, length);
	}
	if (length >= sizeof(head) && head.length == length) {
		if (head.type == (TSR_PROTO_ERROR | TSR_PROTO_REPLY)) {
			control->refused = true;
			return control_refusal(control->packet, length);
		}
		if (head.type == (type | TSR_PROTO_REPLY) &&
		    (got != NULL ? length <= reply_bytes : length == reply_bytes)) {
			memcpy(reply, control->packet, length);
			if (got != NULL)
				*got = length;
			return 0;
		}
	}
	control_close_all(fds, *count);
	tsr_hint_set(
		"the daemon answered with a packet of %zu bytes that is no reply to request %u",
		length, type);
	return -EPROTO;
}

static int
control_request(struct tsr_control *control, uint16_t type, void *request, size_t bytes,
                int const *passed, uint64_t deadline_ns)
{
	struct tsr_proto_head const head = {
		.length = (uint32_t)bytes,
		.type = type,
		.cookie = ++control->cookie,
	};

	control->refused = false;
	if (control->fd < 0)
		return -ENOTCONN;
	memcpy(request, &head, sizeof(head));
	return control_send(control->fd, request, bytes, passed, deadline_ns);
}

/* A request and what is to come of it. */
struct control_exchange {
	uint16_t type;
	void *request;
	size_t request_bytes;
	void *reply;
	size_t reply_bytes;
	size_t *got;
	int const *passed; /* NULL: none */
	int *fds;          /* [fds_max] */
	size_t fds_max;
	size_t *fds_count;
	uint64_t deadline_ns;
};

static int
control_exchange_once(struct tsr_control *control, struct control_exchange const *x)
{
	int const error = control_request(control, x->type, x->request, x->request_bytes, x->passed,
	                                  x->deadline_ns);

	if (x->fds_count != NULL)
		*x->fds_count = error == 0 ? x->fds_max : 0;
	return error != 0 ? error
	                  : control_reply(control, x->type, x->reply, x->reply_bytes, x->got,
	                                  x->fds, x->fds_count, x->deadline_ns);
}

/* Asked a second time, of a daemon whose forerunner may have done it: is that what it says? */
static bool
control_was_done(uint16_t type, int error)
{
	switch (type) {
	case TSR_PROTO_CHANNEL_REMOVE:
		return error == -ENOENT;
	case TSR_PROTO_END_CLOSE:
	case TSR_PROTO_EVENT_CLOSE:
		return error == -ESTALE;
	case TSR_PROTO_REGION_CLOSE:
		return error == -ESTALE || error == -EPERM;
	default:
		return false;
	}
}

/* To the daemon, and if that is gone to the one that takes its place. */
static int
control_exchange(struct tsr_control *control, struct control_exchange const *x)
{
	int error = control_exchange_once(control, x);

	if (error != -ENOTCONN || control->refused || control->renew == NULL)
		return error;
	while (error == -ENOTCONN && !control->refused) {
		if (control->renew(control, x->type, x->request, x->deadline_ns) != 0)
			return -ENOTCONN;
		error = control_exchange_once(control, x);
	}
	return control_was_done(x->type, error) ? 0 : error;
}

int
tsr_control_ask(struct tsr_control *control, uint16_t type, void *request, size_t request_bytes,
                void *reply, size_t reply_bytes, size_t *got, uint64_t deadline_ns)
{
	struct control_exchange const x = {
		.type = type,
		.request = request,
		.request_bytes = request_bytes,
		.reply = reply,
		.reply_bytes = reply_bytes,
		.got = got,
		.deadline_ns = deadline_ns,
	};

	return control_exchange(control, &x);
}

int
tsr_control_more(struct tsr_control *control, uint16_t type, void *reply, size_t reply_bytes,
                 size_t *got, uint64_t deadline_ns)
{
	return control_reply(control, type, reply, reply_bytes, got, NULL, NULL, deadline_ns);
}

int
tsr_control_ask_fds(struct tsr_control *control, uint16_t type, void *request, size_t request_bytes,
                    void *reply, size_t reply_bytes, int *fds, size_t fds_max, size_t *fds_count,
                    uint64_t deadline_ns)
{
	struct control_exchange const x = {
		.type = type,
		.request = request,
		.request_bytes = request_bytes,
		.reply = reply,
		.reply_bytes = reply_bytes,
		.fds = fds,
		.fds_max = fds_max,
		.fds_count = fds_count,
		.deadline_ns = deadline_ns,
	};

	return control_exchange(control, &x);
}

int
tsr_control_ask_passing(struct tsr_control *control, uint16_t type, void *request,
                        size_t request_bytes, void *reply, size_t reply_bytes, int passed,
                        uint64_t deadline_ns)
{
	struct control_exchange const x = {
		.type = type,
		.request = request,
		.request_bytes = request_bytes,
		.reply = reply,
		.reply_bytes = reply_bytes,
		.passed = &passed,
		.deadline_ns = deadline_ns,
	};

	return control_exchange(control, &x);
}

/* On kernels without SO_PEERPIDFD the daemon asks for a process descriptor of ours. */
static int
control_send_pidfd(struct tsr_control *control, uint64_t deadline_ns)
{
	struct tsr_proto_plain request = {0};
	struct tsr_proto_plain reply;
	int const pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int error;

	if (pidfd < 0)
		return control_no_descriptor();
	error = tsr_control_ask_passing(control, TSR_PROTO_PIDFD, &request, sizeof(request), &reply,
	                                sizeof(reply), pidfd, deadline_ns);
	(void)close(pidfd);
	return error;
}

static int
control_greet(struct tsr_control *control, uint64_t deadline_ns)
{
	struct tsr_proto_hello hello = {
		.magic = TSR_PROTO_MAGIC,
		.version = TSR_PROTO_VERSION,
		.layout_version = TSR_LAYOUT_VERSION,
		.layout_hash = tsr_layout_hash(),
	};
	struct tsr_proto_hello_reply reply = {0};
	int const error = tsr_control_ask(control, TSR_PROTO_HELLO, &hello, sizeof(hello), &reply,
	                                  sizeof(reply), NULL, deadline_ns);

	if (error != 0)
		return error;
	control->daemon_pid = reply.pid;
	control->instance = reply.instance;
	memcpy(control->release, reply.release, sizeof(control->release));
	control->release[sizeof(control->release) - 1] = '\0';
	if ((reply.flags & TSR_HELLO_WANTS_PIDFD) != 0)
		return control_send_pidfd(control, deadline_ns);
	return 0;
}

static int
control_connect(struct tsr_control *control, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	memcpy(control->path, address.sun_path, sizeof(control->path));
	control->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (control->fd < 0)
		return control_no_descriptor();
	while (connect(control->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EINTR)
			continue;
		error = errno == ENOENT || errno == ENOTDIR ? -ECONNREFUSED : -errno;
		tsr_control_close(control);
		return error;
	}
	return 0;
}

/* The nearest daemon: this user's own, else the system's. */
static int
control_connect_nearest(struct tsr_control *control)
{
	char dir[sizeof(control->path)];
	char path[sizeof(control->path)];
	int error;

	error = tsr_run_dir(dir, sizeof(dir) - sizeof(TSR_SOCKET_NAME));
	if (error != 0)
		return error;
	(void)snprintf(path, sizeof(path), "%.*s/%s",
	               (int)(sizeof(path) - sizeof(TSR_SOCKET_NAME) - 1), dir, TSR_SOCKET_NAME);
	error = control_connect(control, path);
	if (error != -ECONNREFUSED)
		return error;
	if (control_getenv("TESSERA_RUNTIME_DIR") != NULL || strcmp(dir, CONTROL_SYSTEM_DIR) == 0) {
		tsr_hint_set("no daemon listens on %.80s: start one with 'tesserad'", path);
		return error;
	}
	error = control_connect(control, CONTROL_SYSTEM_DIR "/" TSR_SOCKET_NAME);
	if (error == -ECONNREFUSED)
		tsr_hint_set("no daemon listens on %.80s or %s/%s: start one with 'tesserad'", path,
		             CONTROL_SYSTEM_DIR, TSR_SOCKET_NAME);
	return error;
}

int
tsr_control_open(struct tsr_control *control, const char *socket_path, uint64_t deadline_ns)
{
	int error;

	*control = (struct tsr_control){.fd = -1};
	tsr_hint_set("%s", "");
	if (socket_path != NULL) {
		error = control_connect(control, socket_path);
		if (error == -ECONNREFUSED)
			tsr_hint_set("no daemon listens on %.100s: start one with 'tesserad'",
			             socket_path);
	} else {
		error = control_connect_nearest(control);
	}
	if (error == 0)
		error = control_greet(control, deadline_ns);
	if (error != 0)
		tsr_control_close(control);
	return error;
}

void
tsr_control_withdraw(struct tsr_control *control)
{
	struct tsr_proto_plain request = {0};
	unsigned char packet[sizeof(struct tsr_proto_attach_reply)];
	int fds[TSR_SEGMENTS_MAX + 1];
	size_t count = TSR_SEGMENTS_MAX + 1;
	size_t length;

	memset(fds, 0xff, sizeof(fds));
	/* No answer comes in any more, and none stays behind: closing a socket with something to
	 * read would make the daemon lose our last words. */
	(void)shutdown(control->fd, SHUT_RD);
	(void)!control_request(control, TSR_PROTO_DETACH, &request, sizeof(request), NULL, 0);
	while (control_receive(control->fd, packet, sizeof(packet), &length, fds, &count, 0) == 0) {
		control_close_all(fds, count);
		count = TSR_SEGMENTS_MAX + 1;
	}
	tsr_control_close(control);
}

void
tsr_control_close(struct tsr_control *control)
{
	if (control->fd >= 0) {
		/* A child that was forked meanwhile has it open, too. */
		(void)shutdown(control->fd, SHUT_RDWR);
		(void)close(control->fd);
	}
	free(control->packet);
	control->packet = NULL;
	control->fd = -1;
}
