/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/closing.h"

#include <errno.h>
#include <string.h>

#include "core/kernel.h"

void
tsr_closing_add(struct tsr_server *server, struct tsr_member *member)
{
	struct tsr_member **link = &server->closing;

	tsr_member_get(member);
	member->closing_deadline_ns = tsr_now_ns() + TSR_CLOSING_NS;
	member->next_closing = NULL;
	while (*link != NULL)
		link = &(*link)->next_closing;
	*link = member;
	tsr_server_arm(server, member->closing_deadline_ns);
}

static void
closing_kill(struct tsr_member *member)
{
	struct tsr_proto_row_feed row = tsr_member_row(member, TSR_FEED_KILL);
	int error;

	tsr_realm_lock(member->realm);
	if (member->state == TSR_MEMBER_CLOSING) {
		error = tsr_kernel_kill(member->pidfd);
		if (error == 0)
			tsr_feed_tell(&member->realm->daemon->feed, TSR_LOG_WARNING, &row,
			              "client %u '%s' (pid %d) left realm '%s' without a goodbye "
			              "and lived on: it was killed",
			              member->id, member->name, (int)member->pid,
			              member->realm->entry.name);
		else if (error != -ESRCH)
			tsr_realm_condemn(
				member->realm,
				"a client left without a goodbye, lives on, and may not be "
				"killed by this daemon");
	}
	tsr_realm_unlock(member->realm);
}

void
tsr_closing_expire(struct tsr_server *server, uint64_t now_ns)
{
	while (server->closing != NULL && server->closing->closing_deadline_ns <= now_ns) {
		struct tsr_member *const member = server->closing;

		server->closing = member->next_closing;
		closing_kill(member);
		tsr_member_put(member);
	}
	if (server->closing != NULL)
		tsr_server_arm(server, server->closing->closing_deadline_ns);
}

void
tsr_closing_drop(struct tsr_server *server)
{
	while (server->closing != NULL) {
		struct tsr_member *const member = server->closing;

		server->closing = member->next_closing;
		tsr_member_put(member);
	}
}
