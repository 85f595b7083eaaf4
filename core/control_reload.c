/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/control_request.h"
#include "core/user.h"

int
tsr_request_reload(struct tsr_connection *connection, void const *packet,
                   struct tsr_refusal *refusal)
{
	struct tsr_daemon *const daemon = connection->server->daemon;
	struct tsr_reload const *const reload = &daemon->reload;
	struct tsr_proto_reload_reply reply = {.error = 0};
	struct tsr_proto_head head;
	char who[TSR_RELOAD_WHO_BYTES];

	memcpy(&head, packet, sizeof(head));
	if (!tsr_user_rules(connection->uid))
		return tsr_refuse(refusal, -EACCES, "RELOAD by user %u, expected user %u or root",
		                  connection->uid, geteuid());
	if (connection->server->stopping)
		return tsr_refuse(refusal, -ENOTCONN, "RELOAD while the daemon stops");
	(void)snprintf(who, sizeof(who), "asked by pid %d", (int)connection->pid);
	reply.error = tsr_reload_run(daemon, who);
	reply.applied = reload->changes.applied;
	reply.restart = reload->restart;
	if (reply.error != 0 && reload->changes.count != 0)
		(void)snprintf(reply.text, sizeof(reply.text), "%.*s", (int)sizeof(reply.text) - 1,
		               reload->changes.row[0].text);
	tsr_request_reply(connection, &head, &reply, sizeof(reply));
	return 0;
}
