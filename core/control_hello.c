/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/control_request.h"
#include "shm/layout.h"

/* Who had too many connections may have fewer by now. */
static int
hello_admit(struct tsr_connection *connection, struct tsr_refusal *refusal)
{
	char why[TSR_QUOTA_WHY_BYTES];
	int error;

	if (!connection->over_limit)
		return 0;
	error = tsr_quota_take(&connection->server->daemon->quota, connection->uid,
	                       TSR_QUOTA_CONNECTIONS, 1, why);
	if (error != 0)
		return tsr_refuse(refusal, error, "one connection more: %s", why);
	connection->over_limit = false;
	connection->server->over_limit--;
	return 0;
}

static int
hello_check(struct tsr_proto_hello const *hello, struct tsr_refusal *refusal)
{
	if (hello->magic != TSR_PROTO_MAGIC)
		return tsr_refuse(refusal, -EPROTO, "HELLO with magic 0x%08x, expected 0x%08x",
		                  hello->magic, TSR_PROTO_MAGIC);
	if (hello->version != TSR_PROTO_VERSION)
		return tsr_refuse(refusal, -EPROTO,
		                  "client speaks protocol version %u, this daemon (%s) version %u",
		                  hello->version, TSR_VERSION, TSR_PROTO_VERSION);
	if (hello->layout_version != TSR_LAYOUT_VERSION)
		return tsr_refuse(refusal, -EPROTO,
		                  "client has layout version %u, this daemon (%s) version %u",
		                  hello->layout_version, TSR_VERSION, TSR_LAYOUT_VERSION);
	if (hello->layout_hash != tsr_layout_hash())
		return tsr_refuse(
			refusal, -EPROTO,
			"client has layout hash 0x%016llx, this daemon (%s) 0x%016llx: they "
			"come from different builds",
			(unsigned long long)hello->layout_hash, TSR_VERSION,
			(unsigned long long)tsr_layout_hash());
	if (hello->flags != 0 || hello->reserved != 0)
		return tsr_refuse(refusal, -EPROTO,
		                  "HELLO with flags 0x%x and reserved 0x%x, expected 0",
		                  hello->flags, hello->reserved);
	return 0;
}

int
tsr_request_hello(struct tsr_connection *connection, void const *packet,
                  struct tsr_refusal *refusal)
{
	struct tsr_daemon *const daemon = connection->server->daemon;
	struct tsr_proto_hello_reply reply = {
		.version = TSR_PROTO_VERSION,
		.pid = (uint32_t)getpid(),
		.instance = daemon->instance,
	};
	struct tsr_proto_hello hello;
	int error;

	memcpy(&hello, packet, sizeof(hello));
	error = hello_admit(connection, refusal);
	if (error == 0)
		error = hello_check(&hello, refusal);
	if (error != 0)
		return error;
	connection->pidfd = tsr_kernel_peer_pidfd(&daemon->kernel, connection->fd);
	if (connection->pidfd == -EOPNOTSUPP)
		reply.flags = TSR_HELLO_WANTS_PIDFD;
	else if (connection->pidfd < 0)
		return tsr_refuse(
			refusal, -ENOTCONN,
			"the process that connected (pid %d) is gone, expected the one that "
			"asks",
			(int)connection->pid);
	else
		/* No request carries descriptors now: the kernel need not even deliver them. */
		(void)tsr_kernel_refuse_rights(&daemon->kernel, connection->fd);
	(void)snprintf(reply.release, sizeof(reply.release), "%s", TSR_VERSION);
	connection->greeted = true;
	tsr_request_reply(connection, &hello.head, &reply, sizeof(reply));
	return 0;
}

int
tsr_request_pidfd(struct tsr_connection *connection, void const *packet,
                  struct tsr_refusal *refusal)
{
	pid_t const pid = tsr_kernel_pidfd_pid(connection->fds[0]);
	struct tsr_proto_plain reply;
	struct tsr_proto_head head;

	memcpy(&head, packet, sizeof(head));
	if (connection->pidfd >= 0)
		return tsr_refuse(refusal, -EPROTO,
		                  "PIDFD, which nobody asked for (or a second time)");
	if (pid < 0)
		return tsr_refuse(
			refusal, -EPERM,
			"PIDFD with a descriptor that is not of a living process, expected one "
			"of process %d",
			(int)connection->pid);
	if (pid != connection->pid)
		return tsr_refuse(
			refusal, -EPERM,
			"PIDFD with a descriptor of process %d, expected process %d, which "
			"connected",
			(int)pid, (int)connection->pid);
	connection->pidfd = connection->fds[0];
	connection->fds[0] = -1; /* kept */
	tsr_request_reply(connection, &head, &reply, sizeof(reply));
	return 0;
}
