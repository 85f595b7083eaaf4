/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REFUSALS_H
#define TSR_CORE_REFUSALS_H

/*
 * What is told of refusals: of each user the first few in so many seconds, one by one; of the
 * others how many they were, when the time is over. So the numbers add up, and a client that asks
 * for nonsense as fast as it can fills neither log nor feed, nor hides what others were refused.
 *
 * Context of every call: the control thread.
 */

#include <stdint.h>

#include "core/feed.h"

#define TSR_REFUSALS_BURST 10
#define TSR_REFUSALS_NS    UINT64_C(5000000000)
#define TSR_REFUSALS_USERS 16 /* at a time; more of them take each other's place */

/* What a user was refused lately. */
struct tsr_refusals_user {
	uint64_t begun_ns; /* of these few seconds; 0: unused */
	uint32_t told;
	struct tsr_proto_row_feed held; /* the last that was not told, and how many they are */
};

struct tsr_refusals {
	struct tsr_feed *feed;
	struct tsr_refusals_user users[TSR_REFUSALS_USERS];
};

/*
 * tsr_refusals_add - one more, of the user @row->uid
 * @row:	as for tsr_feed_tell(), with the reason in `text`
 *
 * Return: when to call tsr_refusals_expire(); 0: nothing waits for that.
 */
uint64_t tsr_refusals_add(struct tsr_refusals *refusals, struct tsr_proto_row_feed const *row,
                          uint64_t now_ns);

/* tsr_refusals_expire - tell what was only counted, if its time is over. Return: as above. */
uint64_t tsr_refusals_expire(struct tsr_refusals *refusals, uint64_t now_ns);

#endif /* TSR_CORE_REFUSALS_H */
