/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/channels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/daemon.h"
#include "core/upkeep.h"
#include "shm/access.h"
#include "shm/format.h"
#include "shm/kind.h"
#include "shm/requeue.h"
#include "shm/unlimited.h"
#include "shm/waiter.h"

#define CHANNELS_ENDS_MAX UINT16_MAX
#define CHANNELS_WHEN_FULL \
	(TSR_CHANNEL_DROP_NEWEST | TSR_CHANNEL_DROP_OLDEST | TSR_CHANNEL_EVICT | TSR_CHANNEL_LAP)

static struct tsr_channel_record *
channels_find(struct tsr_realm const *realm, const char *name)
{
	struct tsr_registry_entry *entry;

	tsr_registry_read_lock();
	entry = tsr_registry_find_name(&realm->names, name);
	tsr_registry_read_unlock();
	/* Channels are removed under the lock that we hold: it stays. */
	return entry == NULL ? NULL : TSR_CONTAINER_OF(entry, struct tsr_channel_record, entry);
}

int
tsr_channels_find(struct tsr_realm *realm, const char *name, struct tsr_channel_record **out,
                  struct tsr_refusal *refusal)
{
	struct tsr_channel_record *const record = channels_find(realm, name);

	if (record == NULL)
		return tsr_refuse(refusal, -ENOENT, "realm '%s' has no channel '%s'",
		                  realm->entry.name, name);
	*out = record;
	return 0;
}

int
tsr_channels_by_id(struct tsr_realm *realm, uint64_t id, struct tsr_channel_record **out,
                   struct tsr_refusal *refusal)
{
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		if (realm->channels[i] != NULL && realm->channels[i]->channel.id == id &&
		    !realm->channels[i]->retired) {
			*out = realm->channels[i];
			return 0;
		}
	}
	return tsr_refuse(refusal, -ENOENT, "realm '%s' has no channel with the id %llu",
	                  realm->entry.name, (unsigned long long)id);
}

static int
channels_check_name(const char *name, struct tsr_refusal *refusal)
{
	if (name[0] == '\0')
		return tsr_refuse(refusal, -EINVAL,
		                  "the channel's name is empty, expected 1 to 63 characters");
	for (const char *c = name; *c != '\0'; c++) {
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		      (*c >= '0' && *c <= '9') || strchr("._-/", *c) != NULL))
			return tsr_refuse(refusal, -EINVAL,
			                  "channel name '%s' has a character that is not of "
			                  "A-Z a-z 0-9 . _ - /",
			                  name);
	}
	return 0;
}

static int
channels_check_wish(struct tsr_channel_wish const *wish, struct tsr_refusal *refusal)
{
	struct tsr_kind const *const kind = tsr_kind_get(wish->kind);
	char asked[TSR_KIND_FLAGS_BYTES], known[TSR_KIND_FLAGS_BYTES];

	if (tsr_kind_name(wish->kind) == NULL)
		return tsr_refuse(refusal, -EINVAL, "channel '%s': there is no kind %u", wish->name,
		                  wish->kind);
	if (kind == NULL)
		return tsr_refuse(refusal, -EOPNOTSUPP,
		                  "channel '%s': %s channels are not offered yet", wish->name,
		                  tsr_kind_name(wish->kind));
	if ((wish->flags & ~kind->flags) != 0)
		return tsr_refuse(refusal, -EINVAL,
		                  "channel '%s': %s was asked for, a %s one knows %s", wish->name,
		                  tsr_kind_flags(wish->flags & ~kind->flags, asked), kind->name,
		                  tsr_kind_flags(kind->flags, known));
	if (((wish->flags & CHANNELS_WHEN_FULL) & ((wish->flags & CHANNELS_WHEN_FULL) - 1)) != 0)
		return tsr_refuse(refusal, -EINVAL,
		                  "channel '%s': %s: expected one thing to be done when it is full",
		                  wish->name,
		                  tsr_kind_flags(wish->flags & CHANNELS_WHEN_FULL, asked));
	if ((wish->flags & TSR_CHANNEL_REQUEUE) != 0 &&
	    (wish->flags & TSR_CHANNEL_DROP_OLDEST) != 0)
		return tsr_refuse(
			refusal, -EINVAL,
			"channel '%s': requeue keeps what was received, drop-oldest drops "
			"it: expected one of them",
			wish->name);
	if (wish->capacity != 0 && wish->capacity < kind->capacity_min)
		return tsr_refuse(refusal, -EINVAL,
		                  "channel '%s': capacity %u, a %s one has at least %u", wish->name,
		                  wish->capacity, kind->name, kind->capacity_min);
	if (wish->capacity != 0 &&
	    (wish->capacity < TSR_SLOTS_MIN || wish->capacity > TSR_SLOTS_MAX ||
	     !tsr_is_power_of_two(wish->capacity)))
		return tsr_refuse(
			refusal, -EINVAL,
			"channel '%s': capacity %u, expected a power of two from %u to %u",
			wish->name, wish->capacity, TSR_SLOTS_MIN, TSR_SLOTS_MAX);
	return 0;
}

/* What an unlimited channel grows by is a block. */
static bool
channels_fits(struct tsr_realm const *realm, struct tsr_shape const *shape)
{
	return shape->kind != TSR_KIND_UNLIMITED ||
	       tsr_unlimited_bytes(shape->capacity) <= realm->map.message_bytes_max;
}

/* What it is made as; the kind is one that is there, or nothing is made. */
static struct tsr_shape
channels_shape(struct tsr_realm const *realm, struct tsr_channel_wish const *wish)
{
	struct tsr_kind const *const kind = tsr_kind_get(wish->kind);
	struct tsr_shape shape = {
		.kind = wish->kind,
		.capacity = wish->capacity != 0 || kind == NULL ? wish->capacity : kind->capacity,
		.flags = wish->flags,
	};

	/* Nobody said how many: as many as fit the blocks of the realm. */
	while (wish->capacity == 0 && !channels_fits(realm, &shape))
		shape.capacity /= 2;
	return shape;
}

/* An entry that is free; the search goes round, so an index rests before it is used again. */
static int
channels_free_index(struct tsr_realm *realm, uint32_t *index)
{
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		uint32_t const at = (realm->next_index + i) % realm->map.channels_count;

		if (realm->channels[at] == NULL) {
			realm->next_index = (at + 1) % realm->map.channels_count;
			*index = at;
			return 0;
		}
	}
	return -ENOBUFS;
}

struct channels_format {
	struct tsr_realm *realm;
	struct tsr_channel_record *record;
};

static int
channels_format_work(void *argument)
{
	struct channels_format const *const format = argument;
	struct tsr_channel_record const *const record = format->record;

	tsr_channel_format(&format->realm->map, record->index, record->offset,
	                   tsr_channel_shape(&record->channel), record->channel.id, record->name);
	return 0;
}

static void
channels_discharge(struct tsr_quota *quota, struct tsr_channel_record const *record)
{
	tsr_quota_give(quota, record->creator, TSR_QUOTA_BYTES, record->bytes);
	tsr_quota_give(quota, record->creator, TSR_QUOTA_CHANNELS, 1);
}

int
tsr_channels_charge(struct tsr_quota *quota, struct tsr_channel_record const *record, char *why)
{
	int error = tsr_quota_take(quota, record->creator, TSR_QUOTA_CHANNELS, 1, why);

	if (error != 0)
		return error;
	error = tsr_quota_take(quota, record->creator, TSR_QUOTA_BYTES, record->bytes, why);
	if (error != 0)
		tsr_quota_give(quota, record->creator, TSR_QUOTA_CHANNELS, 1);
	return error;
}

/* Index, memory and quota for a channel. */
static int
channels_reserve(struct tsr_realm *realm, struct tsr_channel_record *record,
                 struct tsr_shape const *shape, struct tsr_refusal *refusal)
{
	struct tsr_quota *const quota = &realm->daemon->quota;
	char why[TSR_QUOTA_WHY_BYTES];
	int error;

	if (!channels_fits(realm, shape))
		return tsr_refuse(refusal, -EINVAL,
		                  "channel '%s': %u slots take %llu bytes, expected at most the "
		                  "%u of a block of realm '%s', for it grows by one at a time",
		                  record->name, shape->capacity,
		                  (unsigned long long)tsr_unlimited_bytes(shape->capacity),
		                  realm->map.message_bytes_max, realm->entry.name);
	record->bytes = tsr_kind_get(shape->kind)->bytes(shape);
	if (channels_free_index(realm, &record->index) != 0)
		return tsr_refuse(refusal, -ENOBUFS,
		                  "channel '%s': realm '%s' has all of its %u channels; raise "
		                  "'channels' in the configuration",
		                  record->name, realm->entry.name, realm->map.channels_count);
	error = tsr_channels_charge(quota, record, why);
	if (error != 0)
		return tsr_refuse(refusal, error, "channel '%s' of %llu bytes: %s", record->name,
		                  (unsigned long long)record->bytes, why);
	error = tsr_area_alloc(&realm->area, record->bytes, &record->offset);
	if (error != 0) {
		channels_discharge(quota, record);
		return tsr_refuse(
			refusal, error,
			"channel '%s': no %u slots in a row are free in realm '%s'; raise "
			"'slots' (%u) in the configuration",
			record->name, shape->capacity, realm->entry.name,
			realm->config->geometry.slots);
	}
	return 0;
}

static void
channels_unreserve(struct tsr_realm *realm, struct tsr_channel_record const *record)
{
	(void)tsr_area_free(&realm->area, record->offset);
	channels_discharge(&realm->daemon->quota, record);
}

/* What a successor must know of it beside what the directory says. */
static void
channels_bequeath(struct tsr_realm const *realm, struct tsr_channel_record const *record)
{
	struct tsr_estate_channel const word = {
		.used = true,
		.replies = record->replies,
		.gone = {record->side[0].gone, record->side[1].gone},
		.generation = realm->generations[record->index],
		.creator = record->creator,
	};

	tsr_estate_store(record->estate, tsr_estate_channel_word(&word));
}

/* The one part of it that changes. */
static void
channels_bequeath_gone(struct tsr_channel_record const *record)
{
	struct tsr_estate_channel word;

	if (record->estate == NULL)
		return;
	word = tsr_estate_channel_read(tsr_ld_rlx(record->estate));
	word.gone[0] = record->side[0].gone;
	word.gone[1] = record->side[1].gone;
	tsr_st_rlx(record->estate, tsr_estate_channel_word(&word));
}

static int
channels_create(struct tsr_realm *realm, struct tsr_channel_wish const *wish, uid_t uid,
                struct tsr_channel_record **out, struct tsr_refusal *refusal)
{
	struct tsr_shape const shape = channels_shape(realm, wish);
	struct tsr_channel_record *const record = calloc(1, sizeof(*record));
	struct channels_format format = {.realm = realm, .record = record};
	int error;

	if (record == NULL)
		return tsr_refuse(refusal, -ENOMEM, "the daemon has no memory for channel '%s'",
		                  wish->name);
	memcpy(record->name, wish->name, strnlen(wish->name, sizeof(record->name) - 1));
	record->entry.name = record->name;
	record->creator = uid;
	record->replies = wish->replies;
	tsr_events_init(record);
	error = channels_reserve(realm, record, &shape, refusal);
	if (error != 0)
		goto free_record;
	error = tsr_channel_bind(&record->channel, &realm->map, record->index, record->offset,
	                         shape,
	                         tsr_channel_id(record->index, realm->generations[record->index]));
	if (error == 0) {
		/* Before the directory shows it. */
		if (realm->estate.head != NULL)
			record->estate = &realm->estate.channels[record->index];
		channels_bequeath(realm, record);
		error = tsr_realm_guarded(realm, channels_format_work, &format);
	}
	if (error == 0)
		error = tsr_registry_add(&realm->names, &record->entry);
	if (error != 0) {
		tsr_refuse(refusal, error, "channel '%s' could not be laid out", wish->name);
		goto unreserve;
	}
	realm->channels[record->index] = record;
	realm->channels_count++;
	*out = record;
	return 0;

unreserve:
	channels_unreserve(realm, record);
free_record:
	free(record);
	return error;
}

int
tsr_channels_get(struct tsr_realm *realm, struct tsr_channel_wish const *wish, uid_t uid,
                 struct tsr_channel_record **out, struct tsr_refusal *refusal)
{
	struct tsr_shape const shape = channels_shape(realm, wish);
	char asked[TSR_KIND_FLAGS_BYTES], there[TSR_KIND_FLAGS_BYTES];
	int error = channels_check_name(wish->name, refusal);
	struct tsr_channel_record *known;

	if (error == 0 && !wish->must_exist)
		error = channels_check_wish(wish, refusal);
	if (error != 0)
		return error;
	known = channels_find(realm, wish->name);
	if (wish->must_exist && (known == NULL || (wish->replies && !known->replies)))
		return tsr_refuse(refusal, -ENOENT, "realm '%s' has no channel '%s'%s",
		                  realm->entry.name, wish->name,
		                  wish->replies ? " for replies" : "");
	if (known == NULL)
		return channels_create(realm, wish, uid, out, refusal);
	if (wish->replies && !known->replies)
		return tsr_refuse(refusal, -EEXIST,
		                  "channel '%s' was not made for replies, expected a name that is "
		                  "free",
		                  wish->name);
	if (!wish->must_exist && !wish->any_shape &&
	    (known->channel.capacity != shape.capacity || known->channel.flags != shape.flags ||
	     known->channel.kind != shape.kind))
		return tsr_refuse(
			refusal, -EEXIST,
			"channel '%s' is %s with capacity %u and %s, asked for was %s with "
			"capacity %u and %s",
			wish->name, tsr_kind_name(known->channel.kind), known->channel.capacity,
			tsr_kind_flags(known->channel.flags, there), tsr_kind_name(shape.kind),
			shape.capacity, tsr_kind_flags(shape.flags, asked));
	*out = known;
	return 0;
}

static void
channels_forget(struct tsr_realm *realm, struct tsr_channel_record *record)
{
	if (!record->retired)
		(void)tsr_registry_remove(&realm->names, &record->entry);
	realm->channels[record->index] = NULL;
	realm->generations[record->index]++;
	realm->channels_count--;
	tsr_estate_store(record->estate, tsr_estate_channel_word(&(struct tsr_estate_channel){
						 .generation = realm->generations[record->index]}));
	channels_unreserve(realm, record);
}

int
tsr_channels_remove(struct tsr_realm *realm, const char *name, struct tsr_upkeep *upkeep,
                    struct tsr_refusal *refusal)
{
	struct tsr_channel_record *const record = channels_find(realm, name);

	if (record == NULL)
		return tsr_refuse(refusal, -ENOENT, "realm '%s' has no channel '%s'",
		                  realm->entry.name, name);
	if (record->side[0].count != 0 || record->side[1].count != 0)
		return tsr_refuse(
			refusal, -EBUSY,
			"channel '%s' has %u sender and %u receiver ends open, expected none", name,
			record->side[0].count, record->side[1].count);
	tsr_upkeep_remove(realm, record, upkeep);
	return 0;
}

void
tsr_channels_drop(struct tsr_realm *realm, struct tsr_channel_record *record)
{
	channels_forget(realm, record);
	tsr_registry_synchronize();
	free(record);
}

struct channels_end {
	struct tsr_channel_record *record;
	uint32_t side;
	bool fenced;
};

static void
channels_publish(struct tsr_channel_record *record, uint32_t side)
{
	struct tsr_channel_side const *const s = &record->side[side];

	tsr_ends_publish(&record->channel, side, s->count, s->died, s->stream);
}

static int
channels_open_work(void *argument)
{
	struct channels_end const *const end = argument;
	struct tsr_channel *const channel = &end->record->channel;

	if (end->fenced) {
		/* [T1] pairs with [K2]: the marks, then, by membarrier, a fence in every waker: one
		 * that looks at its mask after it sees the mark, and what the others published is
		 * visible before the client has its end. */
		(void)tsr_or_sc(&channel->shm->receivers_waiting, TSR_WAITING_FENCED);
		(void)tsr_or_sc(&channel->shm->senders_waiting, TSR_WAITING_FENCED);
		(void)!tsr_membarrier();
	}
	channels_publish(end->record, end->side);
	return 0;
}

/* Some kinds have room for so many ends. */
static int
channels_check_ends(struct tsr_channel_record const *record, struct tsr_refusal *refusal)
{
	struct tsr_kind const *const kind = tsr_kind_get(record->channel.kind);
	struct tsr_shape const shape = tsr_channel_shape(&record->channel);

	if (kind->ends == NULL ||
	    record->side[0].count + record->side[1].count < kind->ends(&shape))
		return 0;
	return tsr_refuse(refusal, -ENOBUFS,
	                  "channel '%s' has %u ends open, which is all that a %s one of capacity "
	                  "%u has room for",
	                  record->name, kind->ends(&shape), kind->name, shape.capacity);
}

int
tsr_channels_open(struct tsr_realm *realm, struct tsr_channel_record *record, uint32_t side,
                  bool fenced, struct tsr_channel_other *other, struct tsr_refusal *refusal)
{
	uint32_t const one =
		side == TSR_SIDE_SENDER ? TSR_CHANNEL_ONE_SENDER : TSR_CHANNEL_ONE_RECEIVER;
	struct tsr_channel_side *const s = &record->side[side];
	struct tsr_channel_side const before = *s;
	struct channels_end end = {.record = record, .side = side, .fenced = fenced};
	int error;

	if ((record->channel.flags & one) != 0 && s->count != 0)
		return tsr_refuse(refusal, -EBUSY,
		                  "channel '%s' is for one %s, and that end is taken", record->name,
		                  side == TSR_SIDE_SENDER ? "sender" : "receiver");
	error = channels_check_ends(record, refusal);
	if (error != 0)
		return error;
	if (side == TSR_SIDE_SENDER && s->count == record->channel.capacity &&
	    tsr_kind_get(record->channel.kind)->slot_per_sender)
		return tsr_refuse(refusal, -ENOBUFS,
		                  "channel '%s' has %u slots, one for each sender end, and all are "
		                  "taken",
		                  record->name, s->count);
	if (s->count == CHANNELS_ENDS_MAX)
		return tsr_refuse(refusal, -ENOBUFS,
		                  "channel '%s' has all of its %u ends of that side", record->name,
		                  CHANNELS_ENDS_MAX);
	if (s->count == 0) {
		s->stream++;
		s->died = false;
	}
	s->count++;
	error = tsr_realm_guarded(realm, channels_open_work, &end);
	if (error != 0) {
		*s = before;
		return tsr_realm_broken(realm, refusal);
	}
	tsr_channels_other(record, side, other);
	return 0;
}

void
tsr_channels_other(struct tsr_channel_record const *record, uint32_t side,
                   struct tsr_channel_other *other)
{
	struct tsr_channel_side const *const s = &record->side[side ^ 1];

	/* One that is there now may be gone before the client looks. */
	other->seen = s->gone || s->count != 0;
	other->stream = s->stream;
}

/* Does any slot hold a message, or is one on its way into it? */
static bool
channels_is_empty(struct tsr_channel const *channel)
{
	struct tsr_kind const *const kind = tsr_kind_get(channel->kind);

	if (tsr_requeue_pending(channel))
		return false;
	return kind->is_empty != NULL ? kind->is_empty(channel) : tsr_slots_all_empty(channel);
}

/*
 * The last end of one side has gone: does a new end of the other side have to know?
 *
 * A receiver that comes later takes what is left and is at the end: so it must know that senders
 * have been there and gone, until that stream is used up, which is when the last receiver leaves
 * and the channel is empty. A sender that comes later waits for a receiver, whoever was there
 * before; only one that joins senders who were left alone shares their fate.
 */
static void
channels_settle_gone(struct tsr_channel_record *record, uint32_t side)
{
	struct tsr_channel_side *const senders = &record->side[TSR_SIDE_SENDER];
	struct tsr_channel_side *const receivers = &record->side[TSR_SIDE_RECEIVER];

	if (side == TSR_SIDE_SENDER) {
		senders->gone = true;
		receivers->gone = false;
		return;
	}
	receivers->gone = senders->count != 0;
	/* A broadcast keeps what was read: whoever was there last has seen the end of it. */
	if (senders->gone &&
	    (record->channel.kind == TSR_KIND_BROADCAST || channels_is_empty(&record->channel)))
		senders->gone = false;
}

void
tsr_channels_leave(struct tsr_channel_record *record, uint32_t side, bool died)
{
	struct tsr_channel_side *const s = &record->side[side];

	s->count--;
	s->died = s->died || died;
	if (s->count == 0) {
		channels_settle_gone(record, side);
		channels_bequeath_gone(record);
	}
	channels_publish(record, side);
}

void
tsr_channels_destroy(struct tsr_realm *realm)
{
	for (uint32_t i = 0; i < realm->map.channels_count && realm->channels != NULL; i++) {
		struct tsr_channel_record *const record = realm->channels[i];

		if (record == NULL)
			continue;
		channels_forget(realm, record);
		free(record);
	}
}
