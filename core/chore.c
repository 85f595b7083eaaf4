/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/chore.h"

#include "core/connection.h"
#include "core/control_request.h"
#include "core/counter.h"
#include "core/member.h"

/* Return: there is more to do. */
static bool
chore_step(struct tsr_connection *connection)
{
	struct tsr_daemon *const daemon = connection->server->daemon;
	struct tsr_chore *const chore = &connection->chore;
	uint32_t work = TSR_LEAVE_WORK;
	int const error = chore->step(connection, &work);

	tsr_counter_add(&daemon->reap_steps, 1);
	tsr_counter_raise(&daemon->reap_longest, TSR_LEAVE_WORK - work);
	if (error == 1)
		return true;
	chore->step = NULL;
	chore->done(connection, error);
	return false;
}

static void
chore_queue(struct tsr_connection *connection)
{
	struct tsr_connection **last = &connection->server->chores;

	while (*last != NULL)
		last = &(*last)->chore.next;
	*last = connection;
	connection->chore.next = NULL;
}

void
tsr_chore_begin(struct tsr_connection *connection,
                int (*step)(struct tsr_connection *connection, uint32_t *work),
                void (*done)(struct tsr_connection *connection, int error))
{
	connection->chore.step = step;
	connection->chore.done = done;
	if (chore_step(connection))
		chore_queue(connection);
}

void
tsr_chores_step(struct tsr_server *server)
{
	struct tsr_connection *const connection = server->chores;

	server->chores = connection->chore.next;
	if (chore_step(connection))
		chore_queue(connection);
	else if (connection->broken)
		tsr_connection_close(connection);
}

void
tsr_chore_drop(struct tsr_connection *connection)
{
	struct tsr_chore *const chore = &connection->chore;

	if (chore->step == NULL)
		return;
	for (struct tsr_connection **c = &connection->server->chores; *c != NULL;
	     c = &(*c)->chore.next) {
		if (*c == connection) {
			*c = chore->next;
			break;
		}
	}
	chore->step = NULL;
	tsr_realm_lock(chore->realm);
	tsr_upkeep_drop(chore->realm, &chore->upkeep);
	tsr_realm_unlock(chore->realm);
}

static int
chore_upkeep_step(struct tsr_connection *connection, uint32_t *work)
{
	struct tsr_chore *const chore = &connection->chore;
	int error;

	tsr_realm_lock(chore->realm);
	error = tsr_upkeep_some(chore->realm, &chore->upkeep, work);
	tsr_realm_unlock(chore->realm);
	return error;
}

static void
chore_upkeep_done(struct tsr_connection *connection, int error)
{
	struct tsr_chore const *const chore = &connection->chore;
	struct tsr_proto_plain reply;
	struct tsr_refusal refusal;

	if (chore->head.type == 0)
		return;
	if (error == 0) {
		tsr_request_reply(connection, &chore->head, &reply, sizeof(reply));
		return;
	}
	(void)tsr_realm_broken(chore->realm, &refusal);
	tsr_request_refuse(connection, chore->head.cookie, &refusal);
}

void
tsr_chore_upkeep(struct tsr_connection *connection)
{
	tsr_chore_begin(connection, chore_upkeep_step, chore_upkeep_done);
}
