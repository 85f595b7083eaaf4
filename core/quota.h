/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_QUOTA_H
#define TSR_CORE_QUOTA_H

/*
 * What each user has taken of the daemon: connections, event descriptors, bytes of shared memory
 * that its channels occupy, and regions. The user is the one that SO_PEERCRED named.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/compiler.h"

struct tsr_quota_user {
	uid_t uid;
	uint32_t connections;
	uint32_t events;
	uint64_t bytes;
	uint32_t regions;
	uint64_t region_bytes;
};

struct tsr_quota {
	pthread_mutex_t lock; /* channels go with their realm, which any thread may end */
	struct tsr_quota_user *users;
	uint32_t users_count;
	uint32_t users_max;
	uint32_t connections_limit;  /* per user */
	uint32_t events_limit;       /* per user */
	uint64_t bytes_limit;        /* per user */
	uint32_t regions_limit;      /* per user */
	uint64_t region_bytes_limit; /* per user */
};

/* tsr_quota_create - nothing is taken; the limits are those of @limits. */
void tsr_quota_create(struct tsr_quota *quota, struct tsr_quota const *limits);
/* tsr_quota_limit - other limits, from the next one who takes. Who is above keeps what he has. */
void tsr_quota_limit(struct tsr_quota *quota, struct tsr_quota const *limits);
void tsr_quota_destroy(struct tsr_quota *quota);

/* Return: 0; -ENOBUFS the limit is reached; -ENOMEM. What was taken is given back by the other. */
TSR_MUST_CHECK
int tsr_quota_take_connection(struct tsr_quota *quota, uid_t uid);
void tsr_quota_give_connection(struct tsr_quota *quota, uid_t uid);
TSR_MUST_CHECK
int tsr_quota_take_event(struct tsr_quota *quota, uid_t uid);
void tsr_quota_give_event(struct tsr_quota *quota, uid_t uid);
TSR_MUST_CHECK
int tsr_quota_take_bytes(struct tsr_quota *quota, uid_t uid, uint64_t bytes);
void tsr_quota_give_bytes(struct tsr_quota *quota, uid_t uid, uint64_t bytes);
TSR_MUST_CHECK
int tsr_quota_take_region(struct tsr_quota *quota, uid_t uid, uint64_t bytes);
void tsr_quota_give_region(struct tsr_quota *quota, uid_t uid, uint64_t bytes);

/* tsr_quota_has_region - whether it could be taken now. */
bool tsr_quota_has_region(struct tsr_quota *quota, uid_t uid, uint64_t bytes);

#endif /* TSR_CORE_QUOTA_H */
