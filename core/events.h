/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_EVENTS_H
#define TSR_CORE_EVENTS_H

/*
 * Event descriptors: waiting for a channel without a futex word, as observers must and event loops
 * want to.
 *
 *	idle --EVENT_ARM--> armed		the daemon's token on that side is enqueued
 *	armed --a waker claims the token, and rings the realm's doorbell--> idle, readable
 *	armed --the channel is removed, the realm ends--> idle, readable
 *
 * One signal for each EVENT_ARM: who is told looks until there is nothing, asks for the next
 * signal, and looks once more. All events of one side of a channel share one token, so they take at
 * most one of its 63, and one claim tells all of them.
 *
 * Trust	the descriptor is a pipe's reading end, and not an eventfd: whoever holds an eventfd
 *		can fill it and make it blocking, and the daemon's next write would hang. The
 *		doorbell is an eventfd that participants hold: the daemon reads it so that no flag
 *		can make it wait. Who rings for nothing costs the poll core a look at what is armed.
 * Ordering	as waiter.h: the daemon is the sleeper and pays for the membarrier; the second look
 *		is the user's, after the answer to EVENT_ARM.
 * Progress	a waker that is stopped between claim and ring holds this side's signals up until
 *		the safety look, as it does with any sleeper.
 *
 * Context of every call, but tsr_events_rung: under the realm's lock.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/refusal.h"
#include "shm/compiler.h"

struct tsr_daemon;
struct tsr_realm;
struct tsr_channel_record;
struct tsr_event;

#define TSR_EVENT_TOKEN_NONE UINT32_MAX

/* Those who wait for one side of a channel. */
struct tsr_event_side {
	struct tsr_event *events;
	uint32_t armed; /* how many of them */
	uint32_t token; /* TSR_EVENT_TOKEN_NONE: none yet */
	uint32_t side;  /* enum tsr_side */
	struct tsr_channel_record *record;
	struct tsr_event_side *next; /* of the realm's that have armed events */
	struct tsr_event_side **link;
};

struct tsr_event {
	struct tsr_event *next; /* of its side */
	struct tsr_event **link;
	struct tsr_event *next_own; /* of its connection: the control thread's */
	struct tsr_realm *realm;
	struct tsr_event_side *side; /* NULL: the channel was removed */
	uint32_t number;             /* of its connection's */
	uint16_t client;             /* whose it is; 0: an observer's, and not kept */
	uid_t uid;                   /* whose quota it is on */
	int fd;                      /* writing end */
	char *kept;                  /* its name in the store; NULL: it is not kept */
	bool armed;
};

/* tsr_events_init - of a new channel. */
void tsr_events_init(struct tsr_channel_record *record);

/* tsr_events_listen - make the realm's doorbell, if it has none, and have the poll core listen to
 * it. Return: 0; what the system gave. tsr_events_deafen: the realm ends; may be called twice. */
TSR_MUST_CHECK
int tsr_events_listen(struct tsr_realm *realm);
void tsr_events_deafen(struct tsr_realm *realm);

/*
 * tsr_events_rung - somebody rang the doorbell with that serial number: tell whose token was
 * claimed
 *
 * Context: the poll core. Return: 1; 0 there is no such doorbell.
 */
unsigned tsr_events_rung(struct tsr_daemon *daemon, uint64_t serial);

/*
 * tsr_event_open - a descriptor for @side of a channel
 * @fd:		set to the end that becomes readable: the caller's
 *
 * Return: 0; -ENOBUFS the user has as many as he may, or the daemon is out of descriptors; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_event_open(struct tsr_realm *realm, struct tsr_channel_record *record, uint32_t side,
                   uid_t uid, struct tsr_event **out, int *fd, struct tsr_refusal *refusal);
void tsr_event_close(struct tsr_event *event);

/* tsr_event_inherit - one that a dead daemon had opened, with its descriptor: signalled, and not
 * armed. @record NULL: its channel is gone. Return: NULL: no memory. */
struct tsr_event *tsr_event_inherit(struct tsr_realm *realm, struct tsr_channel_record *record,
                                    uint32_t side, uid_t uid, int fd);

/* tsr_event_tell - make its descriptor readable; it is armed no longer. */
void tsr_event_tell(struct tsr_event *event);

/* tsr_event_arm - Return: 0; -ENOENT the channel was removed; -ENOBUFS participants use all tokens
 * of that side; -EFAULT the realm was condemned. */
TSR_MUST_CHECK
int tsr_event_arm(struct tsr_event *event, struct tsr_refusal *refusal);

/* tsr_events_forget - the channel is removed: its events are told, and belong to none. */
void tsr_events_forget(struct tsr_channel_record *record);

/* tsr_events_look - tell whose token was claimed, rung or not. Return: some are armed. */
bool tsr_events_look(struct tsr_realm *realm);

/* tsr_events_end - the realm ends: tell everybody. Touches no shared memory. */
void tsr_events_end(struct tsr_realm *realm);

#endif /* TSR_CORE_EVENTS_H */
