/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_MEMBER_H
#define TSR_CORE_MEMBER_H

/*
 * A client that is attached to a realm, as the daemon sees it.
 *
 *	attached --DETACH--> gone			ends closed, everything swept, id free
 *	attached --the socket hangs up--> closing	100 ms, then it is killed
 *	attached --EVICT--> closing			1 s, then it is killed; it may DETACH
 *	attached, closing --process descriptor--> gone	reaped
 *	any --realm condemned--> gone
 *
 * Going takes as many steps as there is work, and the lock is not held between them: meanwhile it
 * is leaving, its id is taken, and nothing is done for it any more. Whoever takes the last step
 * (under the realm's lock) moves it to gone; the others find it gone.
 */

#include "core/channels.h"
#include "core/realm.h"
#include "core/upkeep.h"

enum tsr_member_state {
	TSR_MEMBER_ATTACHED = 0,
	TSR_MEMBER_CLOSING = 1,
	TSR_MEMBER_GONE = 2,
	TSR_MEMBER_LEAVING = 3,
};

#define TSR_ENDS_MAX 4096 /* per client */

/* An open end. Its number is index | generation << 16. */
struct tsr_member_end {
	struct tsr_channel_record *record; /* NULL: closed */
	uint32_t side;
	uint32_t metrics; /* number; UINT32_MAX: it counts nowhere */
	uint16_t generation;
};

/* How far its repair has come; zero at the beginning. */
struct tsr_member_leaving {
	uint32_t end; /* whose slots are next: index, and how far they have come */
	struct tsr_reap_walk walk;
	uint32_t left; /* the end that is closed next */
	struct tsr_sweep sweep;
	struct tsr_reap_result result;
	struct tsr_upkeep upkeep; /* what is to be done when it is gone */
};

struct tsr_member {
	struct tsr_registry_entry entry; /* by serial number */
	struct tsr_ref refs;             /* registry, connection, list of the closing */
	struct tsr_realm *realm;
	/* Constant. */
	char name[TSR_NAME_BYTES];
	pid_t pid;
	uid_t uid;
	uint16_t id;
	uint32_t flags; /* TSR_PROTO_ATTACH_* */
	uint64_t since_ns;
	/* Under the realm's lock. */
	enum tsr_member_state state;
	int pidfd;
	int connection; /* to shut when the realm is condemned; -1 once it is closed */
	struct tsr_member_end *ends;
	uint32_t ends_max;
	uint32_t open[2];                 /* by enum tsr_side */
	struct tsr_estate_client *estate; /* its record, and its row of ends; NULL: none */
	_Atomic uint64_t *estate_ends;
	struct tsr_member_leaving leaving;
	/* The poll core's, of those that are being reaped. */
	struct tsr_member *next_reaped;
	uint64_t reap_begun_ns;
	struct tsr_remains *remains; /* core/postmortem.h; NULL */
	uint32_t told;               /* words that were repaired after it */
	bool tidying;                /* it is gone, and only its channels and regions are left */
	/* The control thread's. */
	struct tsr_member *next_closing;
	uint64_t closing_deadline_ns;
	struct tsr_event *events; /* of one that has not come back to us yet */
	bool offering;            /* memory of its own: core/offer.h */
	bool evicted;
};

struct tsr_member_who {
	const char *name;
	pid_t pid;
	uid_t uid;
	uint32_t flags;
	int connection;
	int pidfd; /* is duplicated */
};

/*
 * tsr_member_attach - a new client of the realm, watched for its death from here on
 * @out:	with a reference of the caller's
 *
 * Context: the control thread. Return: 0; -ENOBUFS all ids are taken; -ENOTCONN the realm was just
 * condemned; -ENOMEM; or what the system gave.
 */
TSR_MUST_CHECK
int tsr_member_attach(struct tsr_realm *realm, struct tsr_member_who const *who,
                      struct tsr_member **out, struct tsr_refusal *refusal);

/* tsr_member_closing - it hung up without a goodbye. Under the realm's lock. */
void tsr_member_closing(struct tsr_member *member);

/* tsr_member_find - by serial number, with a reference; NULL. Any thread. */
struct tsr_member *tsr_member_find(struct tsr_daemon *daemon, uint64_t serial);
void tsr_member_get(struct tsr_member *member);
void tsr_member_put(struct tsr_member *member);

/* tsr_member_open, tsr_member_close - an end. Under the realm's lock. @upkeep: is to look through
 * the channels if that one has any need now. */
TSR_MUST_CHECK
int tsr_member_open(struct tsr_member *member, struct tsr_channel_record *record, uint32_t side,
                    uint32_t *number, struct tsr_channel_other *other, struct tsr_refusal *refusal);

/* tsr_member_metrics - of the open end @number: where it counts; UINT32_MAX: nowhere. */
uint32_t tsr_member_metrics(struct tsr_member const *member, uint32_t number);

TSR_MUST_CHECK
int tsr_member_close(struct tsr_member *member, uint32_t number, struct tsr_upkeep *upkeep,
                     struct tsr_refusal *refusal);

#define TSR_LEAVE_WORK UINT32_C(4096) /* a step: some 50 us */

/*
 * tsr_member_leave - a step of: close or reap its ends, wake who waited for them, sweep what it
 *		held, free its id
 * @died:	its process is dead; else it said goodbye
 * @work:	how many slots, tokens, cells and tickets may be looked at; less by those that were
 *
 * Context: under the realm's lock, which others may have between two steps. What was done is in
 * member->leaving.result. Return: 0 it is gone; 1 there is more to do; -ESTALE it was gone already;
 * -EFAULT, -EPROTO the realm was condemned over it.
 */
int tsr_member_leave(struct tsr_member *member, bool died, uint32_t *work);

/*
 * tsr_member_repair - the part of leaving that touches shared memory: its slots, the end counts,
 *		the sleepers, then the sweep
 *
 * Context: as tsr_member_leave(), under the guard of the caller; reads and writes nothing but the
 * member, its records and the realm's map, so that the crash tests can run it on an image.
 * Return: 0; 1 there is more to do; -EPROTO a word still names the client.
 */
TSR_MUST_CHECK
int tsr_member_repair(struct tsr_member *member, bool died, uint32_t *work);

/* tsr_member_is_swept - its waiters are woken, and only its sweep goes on. */
bool tsr_member_is_swept(struct tsr_member const *member);

/* tsr_member_tidy - a step of what comes after leaving: its channels and regions. Under the realm's
 * lock. Return: there is more to do. */
TSR_MUST_CHECK
bool tsr_member_tidy(struct tsr_member *member, uint32_t *work);

/* tsr_member_confirm - it knows that it is attached. Context: the control thread. */
void tsr_member_confirm(struct tsr_member *member);

/* tsr_member_row - for the feed: something about the client. */
struct tsr_proto_row_feed tsr_member_row(struct tsr_member const *member, enum tsr_feed_kind kind);

/* tsr_member_forget - without touching shared memory: its realm is condemned. Under the lock. */
void tsr_member_forget(struct tsr_member *member);

#endif /* TSR_CORE_MEMBER_H */
