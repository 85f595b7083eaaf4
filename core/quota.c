/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/quota.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

void
tsr_quota_create(struct tsr_quota *quota, struct tsr_quota const *limits)
{
	*quota = (struct tsr_quota){.connections_limit = limits->connections_limit,
	                            .events_limit = limits->events_limit,
	                            .bytes_limit = limits->bytes_limit,
	                            .regions_limit = limits->regions_limit,
	                            .region_bytes_limit = limits->region_bytes_limit};
	(void)pthread_mutex_init(&quota->lock, NULL);
}

void
tsr_quota_limit(struct tsr_quota *quota, struct tsr_quota const *limits)
{
	(void)pthread_mutex_lock(&quota->lock);
	quota->connections_limit = limits->connections_limit;
	quota->events_limit = limits->events_limit;
	quota->bytes_limit = limits->bytes_limit;
	quota->regions_limit = limits->regions_limit;
	quota->region_bytes_limit = limits->region_bytes_limit;
	(void)pthread_mutex_unlock(&quota->lock);
}

void
tsr_quota_destroy(struct tsr_quota *quota)
{
	free(quota->users);
	(void)pthread_mutex_destroy(&quota->lock);
	*quota = (struct tsr_quota){0};
}

/* The account of a user, under the lock; NULL without memory. */
static struct tsr_quota_user *
quota_user(struct tsr_quota *quota, uid_t uid)
{
	struct tsr_quota_user *users;
	uint32_t spare = quota->users_count;

	for (uint32_t i = 0; i < quota->users_count; i++) {
		if (quota->users[i].uid == uid)
			return &quota->users[i];
		if (quota->users[i].connections == 0 && quota->users[i].events == 0 &&
		    quota->users[i].bytes == 0 && quota->users[i].regions == 0)
			spare = i;
	}
	if (spare == quota->users_max) {
		uint32_t const more = quota->users_max == 0 ? 8 : 2 * quota->users_max;

		users = realloc(quota->users, more * sizeof(users[0]));
		if (users == NULL)
			return NULL;
		quota->users = users;
		quota->users_max = more;
	}
	if (spare == quota->users_count)
		quota->users_count++;
	quota->users[spare] = (struct tsr_quota_user){.uid = uid};
	return &quota->users[spare];
}

/* One more of a count, if that is not beyond its limit. */
static int
quota_take(struct tsr_quota *quota, uid_t uid, size_t count_offset, uint32_t limit)
{
	struct tsr_quota_user *user;
	uint32_t *count;
	int error = 0;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	if (user == NULL) {
		error = -ENOMEM;
	} else {
		count = (uint32_t *)(void *)((unsigned char *)user + count_offset);
		if (*count >= limit)
			error = -ENOBUFS;
		else
			(*count)++;
	}
	(void)pthread_mutex_unlock(&quota->lock);
	return error;
}

static void
quota_give(struct tsr_quota *quota, uid_t uid, size_t count_offset)
{
	struct tsr_quota_user *user;
	uint32_t *count;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	if (user != NULL) {
		count = (uint32_t *)(void *)((unsigned char *)user + count_offset);
		if (*count > 0)
			(*count)--;
	}
	(void)pthread_mutex_unlock(&quota->lock);
}

int
tsr_quota_take_connection(struct tsr_quota *quota, uid_t uid)
{
	return quota_take(quota, uid, offsetof(struct tsr_quota_user, connections),
	                  quota->connections_limit);
}

void
tsr_quota_give_connection(struct tsr_quota *quota, uid_t uid)
{
	quota_give(quota, uid, offsetof(struct tsr_quota_user, connections));
}

int
tsr_quota_take_event(struct tsr_quota *quota, uid_t uid)
{
	return quota_take(quota, uid, offsetof(struct tsr_quota_user, events), quota->events_limit);
}

void
tsr_quota_give_event(struct tsr_quota *quota, uid_t uid)
{
	quota_give(quota, uid, offsetof(struct tsr_quota_user, events));
}

int
tsr_quota_take_bytes(struct tsr_quota *quota, uid_t uid, uint64_t bytes)
{
	struct tsr_quota_user *user;
	int error = 0;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	if (user == NULL)
		error = -ENOMEM;
	else if (bytes > quota->bytes_limit || user->bytes > quota->bytes_limit - bytes)
		error = -ENOBUFS;
	else
		user->bytes += bytes;
	(void)pthread_mutex_unlock(&quota->lock);
	return error;
}

void
tsr_quota_give_bytes(struct tsr_quota *quota, uid_t uid, uint64_t bytes)
{
	struct tsr_quota_user *user;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	if (user != NULL)
		user->bytes -= bytes < user->bytes ? bytes : user->bytes;
	(void)pthread_mutex_unlock(&quota->lock);
}

/* One region more, under the lock. Return: 0; -ENOBUFS. */
static int
quota_region_fits(struct tsr_quota const *quota, struct tsr_quota_user const *user, uint64_t bytes)
{
	return user->regions < quota->regions_limit && bytes <= quota->region_bytes_limit &&
	                       user->region_bytes <= quota->region_bytes_limit - bytes
	               ? 0
	               : -ENOBUFS;
}

int
tsr_quota_take_region(struct tsr_quota *quota, uid_t uid, uint64_t bytes)
{
	struct tsr_quota_user *user;
	int error = -ENOMEM;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	if (user != NULL)
		error = quota_region_fits(quota, user, bytes);
	if (error == 0) {
		user->regions++;
		user->region_bytes += bytes;
	}
	(void)pthread_mutex_unlock(&quota->lock);
	return error;
}

void
tsr_quota_give_region(struct tsr_quota *quota, uid_t uid, uint64_t bytes)
{
	struct tsr_quota_user *user;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	if (user != NULL && user->regions > 0) {
		user->regions--;
		user->region_bytes -= bytes < user->region_bytes ? bytes : user->region_bytes;
	}
	(void)pthread_mutex_unlock(&quota->lock);
}

bool
tsr_quota_has_region(struct tsr_quota *quota, uid_t uid, uint64_t bytes)
{
	struct tsr_quota_user const *user;
	bool has;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	has = user != NULL && quota_region_fits(quota, user, bytes) == 0;
	(void)pthread_mutex_unlock(&quota->lock);
	return has;
}
