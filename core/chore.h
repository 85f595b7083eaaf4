/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CHORE_H
#define TSR_CORE_CHORE_H

/*
 * Requests that may take long: a full channel is removed, a region is closed, a client leaves. The
 * first step is done at once. If there is more, the connection waits, unread, and the control
 * thread takes turns: one step of one chore, then whatever others have asked for meanwhile.
 *
 * Context of every call: the control thread, without any realm's lock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/upkeep.h"
#include "shm/proto.h"

struct tsr_connection;
struct tsr_refusal;
struct tsr_server;

struct tsr_chore {
	/* Return: 0 it is done; 1 there is more; a negative errno: likewise over. NULL: none. */
	int (*step)(struct tsr_connection *connection, uint32_t *work);
	/* It is over: answer. */
	void (*done)(struct tsr_connection *connection, int error);
	struct tsr_connection *next;
	struct tsr_realm *realm;    /* the client's: it holds it */
	struct tsr_upkeep upkeep;   /* what is to be done there */
	struct tsr_proto_head head; /* of the request; type 0: it is answered already */
	bool gone; /* of a client that leaves: only its channels and regions stay */
};

/* tsr_chore_begin - of the connection's chore all but step and done is filled in. */
void tsr_chore_begin(struct tsr_connection *connection,
                     int (*step)(struct tsr_connection *connection, uint32_t *work),
                     void (*done)(struct tsr_connection *connection, int error));

/* tsr_chore_upkeep - what chore.upkeep says, in chore.realm; then the reply, a plain one. */
void tsr_chore_upkeep(struct tsr_connection *connection);

/* tsr_chores_step - a step of the chore whose turn it is; its connection may be closed over it. */
void tsr_chores_step(struct tsr_server *server);

/* tsr_chore_drop - its connection is closed. */
void tsr_chore_drop(struct tsr_connection *connection);

#endif /* TSR_CORE_CHORE_H */
