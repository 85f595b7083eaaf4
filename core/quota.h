/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_QUOTA_H
#define TSR_CORE_QUOTA_H

/*
 * What each user has taken of the daemon, and may take. The user is the one that SO_PEERCRED named.
 *
 * Amounts	connections, event descriptors, channels and the bytes that they occupy, regions
 *		and theirs. Each has a limit of one user, and one of all users together. Of what is
 *		left of that, nobody takes so much that his share, given to each user that has some
 *		and to one who comes, would not fit any more (the rule of dbus-broker): whoever
 *		floods the daemon leaves the others theirs. The daemon's own user and root may take
 *		all that is left.
 * Rates	requests and lines of the log in a second. A user has a second's worth at hand.
 *		Who has used it up is not refused: his requests are read later, and his lines left
 *		out and counted.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/compiler.h"

enum tsr_quota_amount {
	TSR_QUOTA_CONNECTIONS,
	TSR_QUOTA_EVENTS,
	TSR_QUOTA_CHANNELS,
	TSR_QUOTA_BYTES,
	TSR_QUOTA_REGIONS,
	TSR_QUOTA_REGION_BYTES,
	TSR_QUOTA_AMOUNTS,
};

enum tsr_quota_rate {
	TSR_QUOTA_REQUESTS,
	TSR_QUOTA_LOG_LINES,
	TSR_QUOTA_RATES,
};

#define TSR_QUOTA_WHY_BYTES 160

struct tsr_quota_limits {
	uint64_t user[TSR_QUOTA_AMOUNTS];
	uint64_t all[TSR_QUOTA_AMOUNTS];
	uint64_t rate[TSR_QUOTA_RATES]; /* of a user in a second, 1 to 10^9 */
};

struct tsr_quota_user {
	uid_t uid;
	uint64_t taken[TSR_QUOTA_AMOUNTS];
	uint64_t refused[TSR_QUOTA_AMOUNTS];
	uint64_t due_ns[TSR_QUOTA_RATES]; /* when all that it did would have been due, evenly */
	uint64_t beyond[TSR_QUOTA_RATES]; /* so many came when its second's worth was used up */
	uint64_t untold[TSR_QUOTA_RATES]; /* of these, since the last that did not */
};

struct tsr_quota {
	pthread_mutex_t lock; /* channels go with their realm, which any thread may end */
	struct tsr_quota_limits limits;
	struct tsr_quota_user *users;
	uint32_t users_count;
	uint32_t users_max;
};

/* One line of what is taken, for people. */
struct tsr_quota_line {
	uid_t uid;
	const char *what; /* "connections", "requests_per_second" */
	uint64_t taken;
	uint64_t limit;
	uint64_t all_taken; /* by all users; of rates: 0 */
	uint64_t all_limit;
	uint64_t refused; /* of rates: read later, or left out */
};

/* tsr_quota_create - nothing is taken. */
void tsr_quota_create(struct tsr_quota *quota, struct tsr_quota_limits const *limits);
/* tsr_quota_limit - other limits, from the next one who takes. Who is above keeps what he has.
 * NULL: none, for what a predecessor had granted. */
void tsr_quota_limit(struct tsr_quota *quota, struct tsr_quota_limits const *limits);
void tsr_quota_destroy(struct tsr_quota *quota);

/*
 * tsr_quota_take - @charge more of an amount
 * @why:	NULL, or told on failure: whose limit is reached, and which key raises it
 *
 * Context: any thread. Return: 0, to be given back by tsr_quota_give(); -ENOBUFS the limit;
 * -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_quota_take(struct tsr_quota *quota, uid_t uid, enum tsr_quota_amount amount,
                   uint64_t charge, char why[TSR_QUOTA_WHY_BYTES]);
void tsr_quota_give(struct tsr_quota *quota, uid_t uid, enum tsr_quota_amount amount,
                    uint64_t charge);

/* tsr_quota_check - whether it could be taken now. Return: as tsr_quota_take(). */
TSR_MUST_CHECK
int tsr_quota_check(struct tsr_quota *quota, uid_t uid, enum tsr_quota_amount amount,
                    uint64_t charge, char why[TSR_QUOTA_WHY_BYTES]);

/*
 * tsr_quota_pace - one more of what has a rate
 * @untold:	so many were beyond the rate since the last one that was not
 *
 * Context: any thread. Source: the generic cell rate algorithm (ITU-T I.371), as virtual
 * scheduling. Return: 0: now; when the next one is due (CLOCK_MONOTONIC, ns): this one is not
 * counted.
 */
uint64_t tsr_quota_pace(struct tsr_quota *quota, uid_t uid, enum tsr_quota_rate rate,
                        uint64_t now_ns, uint64_t *untold);

/* tsr_quota_line - line @index of the table of those who have taken some. Return: false: beyond
 * the last. Lines may move while others take. */
bool tsr_quota_line(struct tsr_quota *quota, uint32_t index, struct tsr_quota_line *out);

#endif /* TSR_CORE_QUOTA_H */
