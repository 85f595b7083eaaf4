/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/closing.h"

#include <errno.h>
#include <string.h>

#include "core/kernel.h"

void
tsr_closing_add(struct tsr_server *server, struct tsr_member *member, uint64_t grace_ns)
{
	struct tsr_member **link = &server->closing;

	tsr_member_get(member);
	member->closing_deadline_ns = tsr_now_ns() + grace_ns;
	while (*link != NULL && (*link)->closing_deadline_ns <= member->closing_deadline_ns)
		link = &(*link)->next_closing;
	member->next_closing = *link;
	*link = member;
	tsr_server_arm(server, member->closing_deadline_ns);
}

static void
closing_tell(struct tsr_member const *member, const char *what)
{
	struct tsr_proto_row_feed row = tsr_member_row(member, TSR_FEED_KILL);

	tsr_feed_tell(&member->realm->daemon->feed, TSR_LOG_WARNING, &row,
	              "client %u '%s' (pid %d) of realm '%s' %s", member->id, member->name,
	              (int)member->pid, member->realm->entry.name, what);
}

static void
closing_kill(struct tsr_member *member)
{
	int error;

	tsr_realm_lock(member->realm);
	if (member->state == TSR_MEMBER_CLOSING) {
		error = tsr_kernel_kill(member->pidfd);
		if (error == 0)
			closing_tell(
				member,
				member->evicted
					? "was evicted and did not leave: it was killed"
					: "left without a goodbye and lived on: it was killed");
		else if (error != -ESRCH && member->evicted)
			closing_tell(member, "was evicted, does not leave, and may not be killed "
			                     "by this daemon: kill it, what it holds is given "
			                     "back then");
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
