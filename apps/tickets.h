/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_TICKETS_H
#define TSR_APPS_TICKETS_H

/*
 * Who holds each ticket of a dump, since when as far as that can be told, and where it was last
 * sent.
 *
 * Nothing in shared memory says when a ticket changed hands, for that would cost every message a
 * look at the clock. What can be told:
 *
 *	in a channel, stamped	its age, to the tick (a sender stamps one message in 64)
 *	with a client		not older than the client's attach
 *	anywhere		with two dumps: a word that is the same in both has not changed
 *				hands in between, for each hand-over moves the generation on
 */

#include "apps/dump.h"

#define TSR_AGE_UNKNOWN UINT64_MAX

enum tsr_hold {
	TSR_HOLD_DEPOT = 0,
	TSR_HOLD_DAEMON,
	TSR_HOLD_REGION, /* free in its region, or of no region now */
	TSR_HOLD_SHARED,
	TSR_HOLD_NOBODY, /* a holder that cannot be, or a client that is gone */
	TSR_HOLD_CHANNEL,
	TSR_HOLD_CLIENT,
};

/* tsr_hold_name - "depot", ... */
const char *tsr_hold_name(enum tsr_hold hold);

/* One ticket, as far as it is known. */
struct tsr_hold_fact {
	uint64_t word;
	uint64_t tag;
	uint32_t ticket;
	uint32_t klass;
	uint32_t bytes; /* of the block */
	enum tsr_hold hold;
	uint32_t who;        /* client id, or index of the channel (TSR_DUMP_NONE: which?) */
	uint32_t slot;       /* that names it; TSR_DUMP_NONE */
	uint64_t range;      /* in that slot */
	uint64_t age_ns;     /* exactly; TSR_AGE_UNKNOWN */
	uint64_t age_min_ns; /* at least; 0: not known */
	uint64_t age_max_ns; /* at most; TSR_AGE_UNKNOWN */
};

struct tsr_tickets {
	const struct tsr_dump *dump;
	const struct tsr_dump *before; /* an earlier dump of the same realm; NULL */
	uint64_t between_ns;           /* the two */
	struct tsr_ticket_place *place;
};

/* tsr_tickets_open - look for the slots that name tickets. @before: NULL, or an earlier dump.
 * Return: 0; -ENOMEM. */
int tsr_tickets_open(struct tsr_tickets *tickets, const struct tsr_dump *dump,
                     const struct tsr_dump *before);
void tsr_tickets_close(struct tsr_tickets *tickets);

void tsr_tickets_fact(const struct tsr_tickets *tickets, uint32_t ticket,
                      struct tsr_hold_fact *fact);

/* tsr_tickets_row - as a row of a report. tsr_tickets_summary - one row for each holder. */
json_t *tsr_tickets_row(const struct tsr_tickets *tickets, const struct tsr_hold_fact *fact);
json_t *tsr_tickets_summary(const struct tsr_tickets *tickets);

#endif /* TSR_APPS_TICKETS_H */
