/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_FEED_H
#define TSR_CORE_FEED_H

/*
 * The feed: the last TSR_FEED_MAX things that happened, each told once, to the log and to those who
 * follow (TSR_PROTO_FEED).
 *
 * Bytes	a ring of rows as they are sent; the row of number n lies at n modulo its size, and
 *		the oldest is forgotten for the newest.
 * Trust	what clients can make happen costs one row each, and one line of the log until there
 *		are too many about a user in a second (limits.log_lines_per_second). Refusals, which
 *		cost them least, come through core/refusals.h, where most of them are only counted.
 * Progress	a lock of its own, held for the copy of a row, and below any other lock. Who waits
 *		for news costs nothing until there are some: then the bell is rung once.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"
#include "core/quota.h"
#include "shm/proto.h"

struct tsr_feed {
	pthread_mutex_t lock; /* of everything below but the bell */
	struct tsr_proto_row_feed *rows;
	uint64_t next;           /* number of the next event; the first is 1 */
	uint32_t waiting;        /* who want the bell rung */
	bool rung;               /* and not yet heard */
	int bell;                /* eventfd: somebody waits, and there is news */
	struct tsr_quota *quota; /* of lines about a user in the log; NULL: there is none */
};

/* tsr_feed_create - Return: 0; -ENOMEM; what eventfd(2) gave. */
TSR_MUST_CHECK
int tsr_feed_create(struct tsr_feed *feed);
void tsr_feed_destroy(struct tsr_feed *feed);

/*
 * tsr_feed_tell - it happened: write the line, keep the event
 * @row:	whatever applies is set; number, time and text are set here, a count of 0 becomes 1
 * @format:	the sentence, for the log and for `text`
 *
 * Context: any thread, under any lock.
 */
void tsr_feed_tell(struct tsr_feed *feed, enum tsr_log_level level, struct tsr_proto_row_feed *row,
                   const char *format, ...) TSR_PRINTF(4, 5);

/*
 * tsr_feed_read - up to @max rows from number *from on
 * @from:	0: the oldest; set to the number after the last one that was read
 * @missed:	increased by how many from there on are no longer kept
 *
 * Return: how many.
 */
size_t tsr_feed_read(struct tsr_feed *feed, uint64_t *from, uint64_t *missed,
                     struct tsr_proto_row_feed *rows, size_t max);

/* tsr_feed_newest - the number of the newest event; 0: there is none yet. */
uint64_t tsr_feed_newest(struct tsr_feed *feed);

/*
 * tsr_feed_wait - have the bell rung with the next event, until tsr_feed_unwait()
 *
 * Return: true; false: there is one from number @from on already, and nobody waits.
 */
bool tsr_feed_wait(struct tsr_feed *feed, uint64_t from);
void tsr_feed_unwait(struct tsr_feed *feed);

/* tsr_feed_hear - the bell was rung: have it ring again with what comes now. */
void tsr_feed_hear(struct tsr_feed *feed);

#endif /* TSR_CORE_FEED_H */
