/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/refusals.h"

#include <string.h>

static void
refusals_tell(struct tsr_feed *feed, struct tsr_proto_row_feed *row)
{
	char why[TSR_PROTO_TEXT_BYTES];

	memcpy(why, row->text, sizeof(why));
	if (row->count <= 1)
		tsr_feed_tell(feed, TSR_LOG_NOTICE, row, "refused pid %u, user %u: %.*s", row->pid,
		              row->uid, (int)sizeof(why) - 1, why);
	else
		tsr_feed_tell(feed, TSR_LOG_NOTICE, row,
		              "refused user %u %u times more, at last pid %u: %.*s", row->uid,
		              row->count, row->pid, (int)sizeof(why) - 1, why);
}

/* What was counted is told, and counting begins anew. */
static void
refusals_flush(struct tsr_feed *feed, struct tsr_refusals_user *user)
{
	if (user->held.count != 0)
		refusals_tell(feed, &user->held);
	*user = (struct tsr_refusals_user){.begun_ns = 0};
}

/* The user's place; else a free one, else that of whom we have watched for longest. */
static struct tsr_refusals_user *
refusals_user(struct tsr_refusals *refusals, uint32_t uid)
{
	struct tsr_refusals_user *chosen = &refusals->users[0];

	for (uint32_t i = 0; i < TSR_REFUSALS_USERS; i++) {
		struct tsr_refusals_user *const user = &refusals->users[i];

		if (user->begun_ns != 0 && user->held.uid == uid)
			return user;
		if (user->begun_ns < chosen->begun_ns)
			chosen = user;
	}
	refusals_flush(refusals->feed, chosen);
	return chosen;
}

uint64_t
tsr_refusals_add(struct tsr_refusals *refusals, struct tsr_proto_row_feed const *row,
                 uint64_t now_ns)
{
	struct tsr_refusals_user *const user = refusals_user(refusals, row->uid);
	uint32_t const held = user->held.count;

	if (user->begun_ns == 0 || now_ns - user->begun_ns >= TSR_REFUSALS_NS) {
		refusals_flush(refusals->feed, user);
		user->begun_ns = now_ns;
		user->held.uid = row->uid;
	}
	if (user->told < TSR_REFUSALS_BURST) {
		struct tsr_proto_row_feed one = *row;

		user->told++;
		one.count = 1;
		refusals_tell(refusals->feed, &one);
		return 0;
	}
	user->held = *row;
	user->held.count = held + 1;
	return user->begun_ns + TSR_REFUSALS_NS;
}

uint64_t
tsr_refusals_expire(struct tsr_refusals *refusals, uint64_t now_ns)
{
	uint64_t due_ns = 0;

	for (uint32_t i = 0; i < TSR_REFUSALS_USERS; i++) {
		struct tsr_refusals_user *const user = &refusals->users[i];

		if (user->held.count == 0)
			continue;
		if (now_ns - user->begun_ns >= TSR_REFUSALS_NS)
			refusals_flush(refusals->feed, user);
		else if (due_ns == 0 || user->begun_ns + TSR_REFUSALS_NS < due_ns)
			due_ns = user->begun_ns + TSR_REFUSALS_NS;
	}
	return due_ns;
}
