/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/quota.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/user.h"
#include "shm/tessera.h"

#define QUOTA_LINES     (TSR_QUOTA_AMOUNTS + TSR_QUOTA_RATES)
#define QUOTA_SECOND_NS UINT64_C(1000000000)

static const char *const quota_names[QUOTA_LINES] = {
	[TSR_QUOTA_CONNECTIONS] = "connections",
	[TSR_QUOTA_EVENTS] = "events",
	[TSR_QUOTA_CHANNELS] = "channels",
	[TSR_QUOTA_BYTES] = "bytes",
	[TSR_QUOTA_REGIONS] = "regions",
	[TSR_QUOTA_REGION_BYTES] = "region_bytes",
	[TSR_QUOTA_AMOUNTS + TSR_QUOTA_REQUESTS] = "requests_per_second",
	[TSR_QUOTA_AMOUNTS + TSR_QUOTA_LOG_LINES] = "log_lines_per_second",
};

void
tsr_quota_create(struct tsr_quota *quota, struct tsr_quota_limits const *limits)
{
	*quota = (struct tsr_quota){.limits = *limits};
	(void)pthread_mutex_init(&quota->lock, NULL);
}

void
tsr_quota_limit(struct tsr_quota *quota, struct tsr_quota_limits const *limits)
{
	(void)pthread_mutex_lock(&quota->lock);
	if (limits != NULL)
		quota->limits = *limits;
	for (uint32_t i = 0; limits == NULL && i < TSR_QUOTA_AMOUNTS; i++)
		quota->limits.user[i] = quota->limits.all[i] = UINT64_MAX;
	(void)pthread_mutex_unlock(&quota->lock);
}

void
tsr_quota_destroy(struct tsr_quota *quota)
{
	free(quota->users);
	(void)pthread_mutex_destroy(&quota->lock);
	*quota = (struct tsr_quota){.users = NULL};
}

/* Has nothing, and what it did is long ago. */
static bool
quota_user_is_idle(struct tsr_quota_user const *user, uint64_t now_ns)
{
	for (uint32_t i = 0; i < TSR_QUOTA_AMOUNTS; i++) {
		if (user->taken[i] != 0)
			return false;
	}
	for (uint32_t i = 0; i < TSR_QUOTA_RATES; i++) {
		if (user->due_ns[i] > now_ns || user->untold[i] != 0)
			return false;
	}
	return true;
}

/* The account of a user, under the lock; NULL without memory. */
static struct tsr_quota_user *
quota_user(struct tsr_quota *quota, uid_t uid)
{
	uint64_t const now_ns = tsr_now_ns();
	uint32_t spare = quota->users_count;
	struct tsr_quota_user *users;

	for (uint32_t i = 0; i < quota->users_count; i++) {
		if (quota->users[i].uid == uid)
			return &quota->users[i];
		if (quota_user_is_idle(&quota->users[i], now_ns))
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

/* What all users have, and how many have some, once @user has. */
static uint64_t
quota_all_taken(struct tsr_quota const *quota, struct tsr_quota_user const *user,
                enum tsr_quota_amount amount, uint64_t *sharers)
{
	uint64_t taken = 0;

	*sharers = 0;
	for (uint32_t i = 0; i < quota->users_count; i++) {
		taken += quota->users[i].taken[amount];
		if (quota->users[i].taken[amount] != 0 || &quota->users[i] == user)
			++*sharers;
	}
	return taken;
}

/* Would there be room for as much again for each sharer, and one more who comes? */
static bool
quota_is_fair(uint64_t share, uint64_t charge, uint64_t sharers, uint64_t left)
{
	uint64_t shares;

	return !__builtin_add_overflow(share, charge, &shares) &&
	       !__builtin_mul_overflow(shares, sharers + 1, &shares) && shares - share <= left;
}

static int
quota_try(struct tsr_quota const *quota, struct tsr_quota_user const *user,
          enum tsr_quota_amount amount, uint64_t charge, char *why)
{
	uint64_t const share = user->taken[amount], limit = quota->limits.user[amount];
	uint64_t const all = quota->limits.all[amount];
	bool const ours = tsr_user_rules(user->uid);
	const char *const name = quota_names[amount];
	uint64_t sharers, taken, left;

	if (charge > limit || share > limit - charge) {
		if (why != NULL)
			(void)snprintf(why, TSR_QUOTA_WHY_BYTES,
			               "user %u would exceed limits.%s_per_user (%ju)", user->uid,
			               name, (uintmax_t)limit);
		return -ENOBUFS;
	}
	taken = quota_all_taken(quota, user, amount, &sharers);
	left = taken < all ? all - taken : 0;
	if (ours ? charge <= left : quota_is_fair(share, charge, sharers, left))
		return 0;
	if (why != NULL)
		(void)snprintf(
			why, TSR_QUOTA_WHY_BYTES,
			"user %u would have %ju, more than a fair share of limits.%s (%ju, of "
			"which %ju are left)",
			user->uid, (uintmax_t)(share + charge), name, (uintmax_t)all,
			(uintmax_t)left);
	return -ENOBUFS;
}

static int
quota_ask(struct tsr_quota *quota, uid_t uid, enum tsr_quota_amount amount, uint64_t charge,
          bool take, char *why)
{
	struct tsr_quota_user *user;
	int error = -ENOMEM;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	if (user != NULL) {
		error = quota_try(quota, user, amount, charge, why);
		user->refused[amount] += error != 0;
		if (error == 0 && take)
			user->taken[amount] += charge;
	} else if (why != NULL) {
		(void)snprintf(why, TSR_QUOTA_WHY_BYTES, "no memory for the account of user %u",
		               uid);
	}
	(void)pthread_mutex_unlock(&quota->lock);
	return error;
}

int
tsr_quota_take(struct tsr_quota *quota, uid_t uid, enum tsr_quota_amount amount, uint64_t charge,
               char why[TSR_QUOTA_WHY_BYTES])
{
	return quota_ask(quota, uid, amount, charge, true, why);
}

int
tsr_quota_check(struct tsr_quota *quota, uid_t uid, enum tsr_quota_amount amount, uint64_t charge,
                char why[TSR_QUOTA_WHY_BYTES])
{
	return quota_ask(quota, uid, amount, charge, false, why);
}

void
tsr_quota_give(struct tsr_quota *quota, uid_t uid, enum tsr_quota_amount amount, uint64_t charge)
{
	struct tsr_quota_user *user;

	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	if (user != NULL)
		user->taken[amount] -= charge < user->taken[amount] ? charge : user->taken[amount];
	(void)pthread_mutex_unlock(&quota->lock);
}

uint64_t
tsr_quota_pace(struct tsr_quota *quota, uid_t uid, enum tsr_quota_rate rate, uint64_t now_ns,
               uint64_t *untold)
{
	struct tsr_quota_user *user;
	uint64_t later_ns = 0;

	*untold = 0;
	(void)pthread_mutex_lock(&quota->lock);
	user = quota_user(quota, uid);
	/* Whose account found no memory is not held up for it. */
	if (user != NULL && user->due_ns[rate] > now_ns + QUOTA_SECOND_NS) {
		later_ns = user->due_ns[rate] - QUOTA_SECOND_NS;
		user->beyond[rate]++;
		user->untold[rate]++;
	} else if (user != NULL) {
		if (user->due_ns[rate] < now_ns)
			user->due_ns[rate] = now_ns;
		user->due_ns[rate] += QUOTA_SECOND_NS / quota->limits.rate[rate];
		*untold = user->untold[rate];
		user->untold[rate] = 0;
	}
	(void)pthread_mutex_unlock(&quota->lock);
	return later_ns;
}

/* So much of its second's worth is used up. */
static uint64_t
quota_rate_taken(struct tsr_quota const *quota, struct tsr_quota_user const *user,
                 enum tsr_quota_rate rate)
{
	uint64_t const now_ns = tsr_now_ns();
	uint64_t const each_ns = QUOTA_SECOND_NS / quota->limits.rate[rate];

	return user->due_ns[rate] > now_ns ? (user->due_ns[rate] - now_ns) / each_ns : 0;
}

static struct tsr_quota_line
quota_line(struct tsr_quota const *quota, struct tsr_quota_user const *user, uint32_t what)
{
	struct tsr_quota_line line = {.uid = user->uid, .what = quota_names[what]};
	uint64_t sharers;

	if (what < TSR_QUOTA_AMOUNTS) {
		line.taken = user->taken[what];
		line.limit = quota->limits.user[what];
		line.all_taken = quota_all_taken(quota, user, what, &sharers);
		line.all_limit = quota->limits.all[what];
		line.refused = user->refused[what];
	} else {
		line.taken = quota_rate_taken(quota, user, what - TSR_QUOTA_AMOUNTS);
		line.limit = quota->limits.rate[what - TSR_QUOTA_AMOUNTS];
		line.refused = user->beyond[what - TSR_QUOTA_AMOUNTS];
	}
	return line;
}

bool
tsr_quota_line(struct tsr_quota *quota, uint32_t index, struct tsr_quota_line *out)
{
	bool found;

	(void)pthread_mutex_lock(&quota->lock);
	found = index / QUOTA_LINES < quota->users_count;
	if (found)
		*out = quota_line(quota, &quota->users[index / QUOTA_LINES], index % QUOTA_LINES);
	(void)pthread_mutex_unlock(&quota->lock);
	return found;
}
