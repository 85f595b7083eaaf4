/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CHANNELS_H
#define TSR_CORE_CHANNELS_H

/*
 * The channels of a realm: made on first use, found by name, removed when no end is open: see
 * upkeep.h.
 *
 * Context of every call: under the realm's lock.
 */

#include "core/realm.h"

struct tsr_upkeep;

/* What a client asks for. */
struct tsr_channel_wish {
	const char *name;
	uint32_t capacity; /* 0: 1,024 */
	uint32_t flags;
	uint32_t kind;
	bool must_exist;
	bool any_shape; /* one that exists fits whatever its shape */
	bool replies;   /* one for replies, and no other fits */
};

/* What an end that opens must know about the other side, as of this moment. */
struct tsr_channel_other {
	bool seen; /* it is there, or has left something to drain */
	uint64_t stream;
};

/*
 * tsr_channels_get - find a channel, or make it
 *
 * Return: 0; -ENOENT; -EEXIST it has other properties; -EINVAL name, capacity, flags or kind;
 * -ENOBUFS table, slot memory or the user's quota is full; -ENOMEM; -EFAULT the realm was
 * condemned.
 */
TSR_MUST_CHECK
int tsr_channels_get(struct tsr_realm *realm, struct tsr_channel_wish const *wish, uid_t uid,
                     struct tsr_channel_record **out, struct tsr_refusal *refusal);

/* tsr_channels_charge - count a channel, with its bytes, as its maker's; tsr_quota_take(). It is
 * given back with the channel. */
TSR_MUST_CHECK
int tsr_channels_charge(struct tsr_quota *quota, struct tsr_channel_record const *record,
                        char *why);

/* tsr_channels_find, tsr_channels_by_id - one that is there. Return: 0; -ENOENT. */
TSR_MUST_CHECK
int tsr_channels_find(struct tsr_realm *realm, const char *name, struct tsr_channel_record **out,
                      struct tsr_refusal *refusal);
TSR_MUST_CHECK
int tsr_channels_by_id(struct tsr_realm *realm, uint64_t id, struct tsr_channel_record **out,
                       struct tsr_refusal *refusal);

/* tsr_channels_remove - it has no name any more; what is in it @upkeep frees. Return: 0; -ENOENT;
 * -EBUSY ends are open. */
TSR_MUST_CHECK
int tsr_channels_remove(struct tsr_realm *realm, const char *name, struct tsr_upkeep *upkeep,
                        struct tsr_refusal *refusal);

/* tsr_channels_drop - one that is retired, and empty: its index, memory and quota are free. */
void tsr_channels_drop(struct tsr_realm *realm, struct tsr_channel_record *record);

/* tsr_channels_open - count one more end. Return: 0; -EBUSY, -ENOBUFS; -EFAULT. */
TSR_MUST_CHECK
int tsr_channels_open(struct tsr_realm *realm, struct tsr_channel_record *record, uint32_t side,
                      bool fenced, struct tsr_channel_other *other, struct tsr_refusal *refusal);

/* tsr_channels_other - what an open end of @side must know of the other. */
void tsr_channels_other(struct tsr_channel_record const *record, uint32_t side,
                        struct tsr_channel_other *other);

/* tsr_channels_leave - count one end less, and tell the other side. Already under the guard. */
void tsr_channels_leave(struct tsr_channel_record *record, uint32_t side, bool died);

/* tsr_channels_destroy - forget all of them, without touching shared memory. */
void tsr_channels_destroy(struct tsr_realm *realm);

#endif /* TSR_CORE_CHANNELS_H */
