/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/member.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/channels.h"
#include "core/counter.h"
#include "core/daemon.h"
#include "core/kept.h"
#include "shm/access.h"
#include "shm/meters.h"

#define MEMBER_ENDS_FIRST 8

/* The id that has been free for longest. */
static uint16_t
member_take_id(struct tsr_realm *realm)
{
	uint16_t const id = realm->free_ids[realm->free_first];

	realm->free_first = (realm->free_first + 1) % realm->map.clients_count;
	realm->free_count--;
	return id;
}

static void
member_give_id(struct tsr_realm *realm, uint16_t id)
{
	uint32_t const last = (realm->free_first + realm->free_count) % realm->map.clients_count;

	realm->free_ids[last] = id;
	realm->free_count++;
}

/* The client's own lines begin at zero, whoever had them before. */
static int
member_clear_state(void *argument)
{
	struct tsr_member const *const member = argument;
	struct tsr_state *const state = &member->realm->map.states[member->id - 1];

	tsr_st_rlx(&state->sleeps, 0);
	tsr_st_rlx(&state->wakes, 0);
	tsr_st_rlx(&state->missed_wakes, 0);
	tsr_st_rlx(&state->refused, 0);
	tsr_st_rlx(&member->realm->map.notices[member->id - 1].evicted, 0);
	return 0;
}

/* What a successor must know of it: first the store, for the estate must not name what that
 * lacks. */
static void
member_bequeath(struct tsr_member *member)
{
	struct tsr_estate const *const estate = &member->realm->estate;
	struct tsr_estate_client record = {
		.serial = member->entry.number,
		.since_ns = member->since_ns,
		.pid = (uint32_t)member->pid,
		.uid = member->uid,
		.flags = member->flags,
	};

	memcpy(record.name, member->name, sizeof(record.name));
	tsr_kept_client(member);
	member->estate = tsr_estate_enter(estate, member->id, &record);
	member->estate_ends = tsr_estate_row(estate, member->id);
}

/* The same of the end @index. */
static void
member_bequeath_end(struct tsr_member *member, uint32_t index)
{
	struct tsr_member_end const *const end = &member->ends[index];
	struct tsr_estate_end const word = {
		.open = end->record != NULL,
		.side = end->side,
		.metrics = end->metrics,
		.generation = end->generation,
		.channel_id = end->record != NULL ? (uint32_t)end->record->channel.id : 0,
	};

	if (member->estate == NULL)
		return;
	if (index >= tsr_ld_rlx(&member->estate->ends))
		tsr_st_rlx(&member->estate->ends, (uint64_t)index + 1);
	tsr_st_rlx(&member->estate_ends[index], tsr_estate_end_word(&word));
}

/* Under the realm's lock: an id, the registry, the watch on its life. */
static int
member_enter(struct tsr_realm *realm, struct tsr_member *member, struct tsr_refusal *refusal)
{
	struct tsr_daemon *const daemon = realm->daemon;
	int error;

	if (realm->leaving)
		return tsr_refuse(refusal, -ENOENT,
		                  "realm '%s' is no longer in the configuration: it admits nobody "
		                  "and closes when its last client has left",
		                  realm->entry.name);
	if (realm->condemned)
		return tsr_refuse(refusal, -ENOTCONN, "realm '%s' was just condemned: try again",
		                  realm->entry.name);
	if (realm->free_count == 0)
		return tsr_refuse(refusal, -ENOBUFS,
		                  "realm '%s' has all of its %u clients; raise 'clients' in the "
		                  "configuration",
		                  realm->entry.name, realm->map.clients_count);
	member->id = member_take_id(realm);
	error = tsr_realm_guarded(realm, member_clear_state, member);
	if (error == 0)
		error = tsr_registry_add(&daemon->clients, &member->entry);
	if (error != 0)
		goto give_id;
	error = tsr_poll_core_watch(&daemon->poll, member->pidfd, member->entry.number);
	if (error != 0)
		goto remove;
	realm->members[member->id] = member;
	realm->members_count++;
	tsr_counter_add(&daemon->clients_count, 1);
	member_bequeath(member);
	return 0;

remove:
	(void)tsr_registry_remove(&daemon->clients, &member->entry);
	tsr_registry_synchronize();
give_id:
	member_give_id(realm, member->id);
	return tsr_refuse(refusal, error, "client '%s' could not be entered: %s", member->name,
	                  strerror(-error));
}

int
tsr_member_attach(struct tsr_realm *realm, struct tsr_member_who const *who,
                  struct tsr_member **out, struct tsr_refusal *refusal)
{
	struct tsr_member *const member = calloc(1, sizeof(*member));
	int error;

	if (member == NULL)
		return tsr_refuse(refusal, -ENOMEM, "the daemon has no memory for another client");
	memcpy(member->name, who->name, strnlen(who->name, sizeof(member->name) - 1));
	member->realm = realm;
	member->entry.number = ++realm->daemon->serial;
	member->pid = who->pid;
	member->uid = who->uid;
	member->flags = who->flags;
	member->connection = who->connection;
	member->since_ns = tsr_now_ns();
	member->pidfd = fcntl(who->pidfd, F_DUPFD_CLOEXEC, 0);
	if (member->pidfd < 0) {
		error = tsr_refuse(refusal, -ENOBUFS, "the daemon is out of descriptors: %s",
		                   strerror(errno));
		goto free_member;
	}
	tsr_ref_init(&member->refs);
	tsr_ref_get(&member->refs); /* the caller's; the first is the registry's */
	tsr_realm_lock(realm);
	error = member_enter(realm, member, refusal);
	tsr_realm_unlock(realm);
	if (error != 0)
		goto close_pidfd;
	tsr_realm_get(realm);
	*out = member;
	return 0;

close_pidfd:
	(void)close(member->pidfd);
free_member:
	free(member);
	return error;
}

void
tsr_member_confirm(struct tsr_member *member)
{
	tsr_realm_lock(member->realm);
	if (member->state == TSR_MEMBER_ATTACHED && member->estate != NULL)
		tsr_st_rlx(&member->estate->state, TSR_ESTATE_ATTACHED);
	tsr_realm_unlock(member->realm);
}

void
tsr_member_closing(struct tsr_member *member)
{
	member->state = TSR_MEMBER_CLOSING;
	if (member->estate != NULL)
		tsr_st_rlx(&member->estate->state, TSR_ESTATE_CLOSING);
}

struct tsr_member *
tsr_member_find(struct tsr_daemon *daemon, uint64_t serial)
{
	struct tsr_registry_entry *entry;
	struct tsr_member *member = NULL;

	tsr_registry_read_lock();
	entry = tsr_registry_find_number(&daemon->clients, serial);
	if (entry != NULL) {
		member = TSR_CONTAINER_OF(entry, struct tsr_member, entry);
		if (!tsr_ref_get_unless_zero(&member->refs))
			member = NULL;
	}
	tsr_registry_read_unlock();
	return member;
}

void
tsr_member_get(struct tsr_member *member)
{
	tsr_ref_get(&member->refs);
}

static void
member_free(struct tsr_member *member)
{
	/* Somebody may be looking at it who found it before it left the registry. */
	tsr_registry_synchronize();
	tsr_realm_put(member->realm);
	free(member->ends);
	free(member);
}

void
tsr_member_put(struct tsr_member *member)
{
	if (tsr_ref_put(&member->refs))
		member_free(member);
}

/* A place for one more end; index and its next generation make the number. */
static int
member_find_end(struct tsr_member *member, uint32_t *index)
{
	struct tsr_member_end *ends;
	uint32_t more;

	for (uint32_t i = 0; i < member->ends_max; i++) {
		if (member->ends[i].record == NULL) {
			*index = i;
			return 0;
		}
	}
	if (member->ends_max >= TSR_ENDS_MAX)
		return -ENOBUFS;
	more = member->ends_max == 0 ? MEMBER_ENDS_FIRST : 2 * member->ends_max;
	ends = realloc(member->ends, more * sizeof(ends[0]));
	if (ends == NULL)
		return -ENOMEM;
	memset(&ends[member->ends_max], 0, (more - member->ends_max) * sizeof(ends[0]));
	*index = member->ends_max;
	member->ends = ends;
	member->ends_max = more;
	return 0;
}

struct member_meter {
	struct tsr_member *member;
	struct tsr_member_end *end;
};

static int
member_meter_work(void *argument)
{
	struct member_meter const *const meter = argument;
	struct tsr_member_end const *const end = meter->end;

	tsr_meter_open(&meter->member->realm->map, end->metrics,
	               tsr_end_word(end->record->channel.id, meter->member->id, end->side,
	                            end->generation));
	return 0;
}

/* Somewhere to count, if there is any left. */
static int
member_meter(struct tsr_member *member, struct tsr_member_end *end)
{
	struct tsr_realm *const realm = member->realm;
	struct member_meter meter = {.member = member, .end = end};

	end->metrics = UINT32_MAX;
	if (realm->free_ends_count == 0)
		return 0;
	end->metrics = realm->free_ends[--realm->free_ends_count];
	return tsr_realm_guarded(realm, member_meter_work, &meter);
}

/* What it has counted becomes the channel's. Already under the guard. */
static void
member_unmeter(struct tsr_member *member, struct tsr_member_end *end)
{
	struct tsr_realm *const realm = member->realm;

	if (end->metrics == UINT32_MAX)
		return;
	tsr_meter_close(&realm->map, end->metrics, end->record->index, end->side);
	realm->free_ends[realm->free_ends_count++] = end->metrics;
	end->metrics = UINT32_MAX;
}

int
tsr_member_open(struct tsr_member *member, struct tsr_channel_record *record, uint32_t side,
                uint32_t *number, struct tsr_channel_other *other, struct tsr_refusal *refusal)
{
	bool const fenced = (member->flags & TSR_PROTO_ATTACH_FENCED) != 0;
	struct tsr_member_end *end;
	uint32_t index;
	int error = member_find_end(member, &index);

	if (error != 0)
		return tsr_refuse(refusal, error, "client '%s' has %u ends open, of %u",
		                  member->name, member->open[0] + member->open[1], TSR_ENDS_MAX);
	end = &member->ends[index];
	end->record = record;
	end->side = side;
	end->metrics = UINT32_MAX;
	/* Before it is counted: what is counted has somebody. */
	member_bequeath_end(member, index);
	error = tsr_channels_open(member->realm, record, side, fenced, other, refusal);
	if (error != 0) {
		end->record = NULL;
		member_bequeath_end(member, index);
		return error;
	}
	member->open[side]++;
	*number = index | (uint32_t)end->generation << 16;
	error = member_meter(member, end);
	member_bequeath_end(member, index);
	if (error != 0)
		return tsr_realm_broken(member->realm, refusal);
	return 0;
}

uint32_t
tsr_member_metrics(struct tsr_member const *member, uint32_t number)
{
	return member->ends[number & UINT16_MAX].metrics;
}

/* What happens to one end under the guard. */
struct member_part {
	struct tsr_member *member;
	struct tsr_member_end *end;
	uint32_t *work;
	bool died;
};

static void
member_spend(uint32_t *work, uint32_t done)
{
	*work -= done < *work ? done : *work;
}

/* What of an end's slots can be done with the work that is left. Return: all of them are. */
static bool
member_repair_end(struct member_part const *part, struct tsr_member_end *end, uint32_t *work)
{
	struct tsr_member *const member = part->member;
	struct tsr_member_leaving *const leaving = &member->leaving;
	struct tsr_reap_end const reap = {.channel = end->record->channel, .side = end->side};

	if (!tsr_reaper_slots_some(&reap, member->id, &leaving->walk, work, &leaving->result))
		return false;
	leaving->walk.begun = false;
	return true;
}

static void
member_leave_end(struct member_part const *part, struct tsr_member_end *end)
{
	struct tsr_member *const member = part->member;
	struct tsr_reap_end const reap = {.channel = end->record->channel,
	                                  .side = end->side,
	                                  .realm = member->realm->entry.name};

	member_unmeter(member, end);
	tsr_channels_leave(end->record, end->side, part->died);
	tsr_reaper_wake(&reap, member->id, &member->leaving.result);
	member->leaving.upkeep.channels |= tsr_upkeep_wanted(end->record);
	member->open[end->side]--;
	end->record = NULL;
	end->generation++;
	member_bequeath_end(member, (uint32_t)(end - member->ends));
}

static int
member_close_work(void *argument)
{
	struct member_part const *const part = argument;

	member_unmeter(part->member, part->end);
	tsr_channels_leave(part->end->record, part->end->side, false);
	return 0;
}

int
tsr_member_close(struct tsr_member *member, uint32_t number, struct tsr_upkeep *upkeep,
                 struct tsr_refusal *refusal)
{
	uint32_t const index = number & UINT16_MAX;
	struct tsr_member_end *const end = index < member->ends_max ? &member->ends[index] : NULL;
	struct member_part part = {.member = member, .end = end};
	int error;

	if (end == NULL || end->record == NULL || end->generation != number >> 16)
		return tsr_refuse(refusal, -ESTALE,
		                  "end %u is not open, expected one that END_OPEN gave", number);
	error = tsr_realm_guarded(member->realm, member_close_work, &part);
	if (error != 0)
		return tsr_realm_broken(member->realm, refusal);
	member->open[end->side]--;
	upkeep->channels |= tsr_upkeep_wanted(end->record);
	end->record = NULL;
	end->generation++;
	member_bequeath_end(member, index);
	return 0;
}

/* All slots first: who is told that the last sender has gone must find what this client, as a
 * receiver of the same channel, had taken. Return: whether it is done. */
static bool
member_repair_ends(struct member_part const *part, uint32_t *work)
{
	struct tsr_member *const member = part->member;
	struct tsr_member_leaving *const leaving = &member->leaving;

	for (; *work > 0 && leaving->end < member->ends_max; leaving->end++) {
		struct tsr_member_end *const end = &member->ends[leaving->end];

		if (end->record != NULL && !member_repair_end(part, end, work))
			return false;
	}
	return leaving->end == member->ends_max;
}

static bool
member_leave_ends(struct member_part const *part, uint32_t *work)
{
	struct tsr_member *const member = part->member;
	struct tsr_member_leaving *const leaving = &member->leaving;

	for (; *work > 0 && leaving->left < member->ends_max; leaving->left++) {
		struct tsr_member_end *const end = &member->ends[leaving->left];

		if (end->record == NULL)
			continue;
		member_leave_end(part, end);
		member_spend(work, 2 * TSR_TOKENS_PER_SIDE);
	}
	return leaving->left == member->ends_max;
}

int
tsr_member_repair(struct tsr_member *member, bool died, uint32_t *work)
{
	struct member_part const part = {.member = member, .died = died};
	struct tsr_member_leaving *const leaving = &member->leaving;

	if (!member_repair_ends(&part, work) || !member_leave_ends(&part, work))
		return 1;
	leaving->sweep.died = died;
	return tsr_reaper_sweep(&member->realm->map, member->id, &leaving->sweep, work,
	                        &leaving->result);
}

bool
tsr_member_is_swept(struct tsr_member const *member)
{
	return member->leaving.left == member->ends_max;
}

static int
member_leave_work(void *argument)
{
	struct member_part const *const part = argument;

	return tsr_member_repair(part->member, part->died, part->work);
}

/* Out of every table; the registry's reference is given up. */
static void
member_remove(struct tsr_member *member)
{
	struct tsr_daemon *const daemon = member->realm->daemon;

	member->state = TSR_MEMBER_GONE;
	if (member->estate != NULL)
		tsr_st_rlx(&member->estate->state, TSR_ESTATE_FREE);
	while (member->events != NULL) {
		struct tsr_event *const event = member->events;

		member->events = event->next_own;
		tsr_event_close(event);
	}
	tsr_kept_client_end(member);
	tsr_poll_core_unwatch(&daemon->poll, member->pidfd);
	(void)close(member->pidfd);
	member->pidfd = -1;
	member->realm->members[member->id] = NULL;
	member->realm->members_count--;
	(void)tsr_registry_remove(&daemon->clients, &member->entry);
	tsr_counter_subtract(&daemon->clients_count, 1);
}

int
tsr_member_leave(struct tsr_member *member, bool died, uint32_t *work)
{
	struct tsr_realm *const realm = member->realm;
	struct member_part part = {.member = member, .work = work, .died = died};
	int error;

	if (member->state == TSR_MEMBER_GONE)
		return -ESTALE;
	member->state = TSR_MEMBER_LEAVING;
	error = tsr_realm_guarded(realm, member_leave_work, &part);
	if (error == 1 || error == -EFAULT)
		return error; /* or condemned, and with it this member has gone */
	if (error != 0) {
		tsr_realm_condemn(realm, "a word still names a client that was swept");
		return error;
	}
	tsr_regions_leave(realm, member->id);
	member->leaving.upkeep.regions = true; /* its own, and tickets of others' */
	member_remove(member);
	member_give_id(realm, member->id);
	/* Children that it forked may have the socket open, and can't use it. */
	if (died && member->connection >= 0)
		(void)shutdown(member->connection, SHUT_RDWR);
	tsr_member_put(member);
	if (realm->leaving)
		tsr_realm_leave(realm, true);
	return 0;
}

bool
tsr_member_tidy(struct tsr_member *member, uint32_t *work)
{
	/* What fails condemns the realm. */
	return tsr_upkeep_some(member->realm, &member->leaving.upkeep, work) == 1;
}

struct tsr_proto_row_feed
tsr_member_row(struct tsr_member const *member, enum tsr_feed_kind kind)
{
	struct tsr_proto_row_feed row = {.kind = kind,
	                                 .pid = (uint32_t)member->pid,
	                                 .uid = member->uid,
	                                 .client_id = member->id};

	memcpy(row.realm, member->realm->settings.geometry.name, sizeof(row.realm));
	memcpy(row.name, member->name, sizeof(row.name));
	return row;
}

void
tsr_member_forget(struct tsr_member *member)
{
	member_remove(member);
	if (member->connection >= 0)
		(void)shutdown(member->connection, SHUT_RDWR);
	tsr_member_put(member);
}
