/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/death.h"

#include <stdio.h>
#include <string.h>

#include "core/counter.h"
#include "core/daemon.h"
#include "core/events.h"
#include "core/member.h"
#include "shm/meters.h"
#include "shm/trace.h"

#define DEATH_BATCH        16
#define DEATH_DEFERRED_MAX 64 /* rounds for which others go first */

static void
death_tell(struct tsr_member const *member, struct tsr_reap_result const *result, uint64_t took_ns)
{
	struct tsr_proto_row_feed row = tsr_member_row(member, TSR_FEED_DEATH);

	row.slots_voided = result->slots_voided;
	row.slots_restored = result->slots_restored;
	row.cells = result->cells;
	row.cursors = result->cursors;
	row.tickets = result->tickets;
	row.requeued = result->requeued;
	row.tokens = result->tokens;
	row.woken = result->woken;
	row.took_ns = took_ns;
	tsr_feed_tell(&member->realm->daemon->feed, TSR_LOG_NOTICE, &row,
	              "client %u '%s' (pid %d) of realm '%s' died: %u slots voided, %u restored, "
	              "%u cells, %u tickets, %u tokens, %u woken, in %llu us",
	              member->id, member->name, (int)member->pid, row.realm, row.slots_voided,
	              row.slots_restored, row.cells, row.tickets, row.tokens, row.woken,
	              (unsigned long long)(took_ns / 1000));
}

/* Of a channel that is no more: nothing. Under the realm's lock. */
static void
death_name_channel(struct tsr_realm const *realm, uint64_t id, char name[TSR_NAME_BYTES])
{
	uint32_t const index = tsr_channel_index((uint32_t)id);

	if (id != 0 && index < realm->map.channels_count && realm->channels[index] != NULL &&
	    realm->channels[index]->channel.id == id)
		memcpy(name, realm->channels[index]->name, TSR_NAME_BYTES);
}

/* One word, and what it was. Under the realm's lock. */
static void
death_tell_repair(struct tsr_member const *member, struct tsr_trace_repair const *repair)
{
	struct tsr_proto_row_feed row = tsr_member_row(member, TSR_FEED_REPAIR);
	const char *of = "";

	death_name_channel(member->realm, repair->channel, row.channel);
	if (row.channel[0] != '\0')
		of = " of channel ";
	row.slots_voided = strcmp(repair->what, "slot voided") == 0;
	row.slots_restored = strcmp(repair->what, "slot restored") == 0;
	row.cells = strcmp(repair->what, "cell") == 0;
	row.cursors = strcmp(repair->what, "cursor") == 0;
	row.tokens = strcmp(repair->what, "token") == 0;
	row.before = repair->before;
	row.after = repair->after;
	row.index = repair->index;
	(void)snprintf(row.what, sizeof(row.what), "%s", repair->what);
	tsr_feed_tell(&member->realm->daemon->feed, TSR_LOG_INFO, &row,
	              "after client %u '%s' of realm '%s': %s, number %u%s%s, was 0x%016llx and is "
	              "0x%016llx",
	              member->id, member->name, row.realm, row.what, row.index, of, row.channel,
	              (unsigned long long)row.before, (unsigned long long)row.after);
}

static void
death_count(struct tsr_daemon *daemon, struct tsr_reap_result const *result)
{
	uint32_t const counts[TSR_REPAIRS] = {
		[TSR_REPAIR_SLOTS_VOIDED] = result->slots_voided,
		[TSR_REPAIR_SLOTS_RESTORED] = result->slots_restored,
		[TSR_REPAIR_CELLS] = result->cells,
		[TSR_REPAIR_CURSORS] = result->cursors,
		[TSR_REPAIR_TICKETS] = result->tickets,
		[TSR_REPAIR_REQUEUED] = result->requeued,
		[TSR_REPAIR_TOKENS] = result->tokens,
		[TSR_REPAIR_WOKEN] = result->woken,
	};

	for (unsigned i = 0; i < TSR_REPAIRS; i++)
		tsr_counter_add(&daemon->repairs[i], counts[i]);
}

static uint64_t
death_repairs(struct tsr_reap_result const *result)
{
	return (uint64_t)result->slots_voided + result->slots_restored + result->cells +
	       result->tickets;
}

static struct tsr_trace_death
death_describe(struct tsr_member const *member, struct tsr_reap_result const *result,
               uint64_t took_ns)
{
	return (struct tsr_trace_death){
		.realm = member->realm->entry.name,
		.name = member->name,
		.took_ns = took_ns,
		.pid = (uint32_t)member->pid,
		.repairs = (uint32_t)death_repairs(result),
		.client = member->id,
	};
}

/* It is dead: its waiters come before any sweep. */
static void
death_begin(struct tsr_daemon *daemon, struct tsr_member *member)
{
	member->reap_begun_ns = tsr_now_ns();
	member->next_reaped = daemon->reaping;
	daemon->reaping = member;
	/* Or it would be told again and again. */
	tsr_realm_lock(member->realm);
	if (member->state != TSR_MEMBER_GONE) {
		tsr_poll_core_unwatch(&daemon->poll, member->pidfd);
		member->remains = tsr_postmortem_take(member);
	}
	tsr_realm_unlock(member->realm);
}

static void
death_done(struct tsr_daemon *daemon, struct tsr_member *member)
{
	struct tsr_reap_result const *const result = &member->leaving.result;
	uint64_t const took_ns = tsr_now_ns() - member->reap_begun_ns;

	tsr_counter_add(&daemon->reaped, 1);
	tsr_counter_add(&daemon->repaired, death_repairs(result));
	death_count(daemon, result);
	death_tell(member, result, took_ns);
	TSR_TRACE(death, death_describe(member, result, took_ns));
	tsr_postmortem_keep(member->remains);
	member->remains = NULL;
}

static void
death_count_step(struct tsr_daemon *daemon, uint32_t work)
{
	tsr_counter_add(&daemon->reap_steps, 1);
	tsr_counter_raise(&daemon->reap_longest, TSR_LEAVE_WORK - work);
}

/* One step. Return: there is more to do. */
static bool
death_step(struct tsr_daemon *daemon, struct tsr_member *member)
{
	struct tsr_reap_log log = {.count = 0};
	uint32_t work = TSR_LEAVE_WORK;
	int error;

	tsr_realm_lock(member->realm);
	member->leaving.result.log = member->told < TSR_REAP_LOG_MAX ? &log : NULL;
	error = tsr_member_leave(member, true, &work);
	member->leaving.result.log = NULL;
	for (uint32_t i = 0; i < log.count && member->told < TSR_REAP_LOG_MAX; i++, member->told++)
		death_tell_repair(member, &log.repair[i]);
	tsr_realm_unlock(member->realm);
	death_count_step(daemon, work);
	member->tidying = error == 0;
	/* Else it said goodbye in the meantime, or the realm is no more. */
	return error == 0 || error == 1;
}

/* The same, once it is gone. */
static bool
death_tidy(struct tsr_daemon *daemon, struct tsr_member *member)
{
	uint32_t work = TSR_LEAVE_WORK;
	bool more;

	tsr_realm_lock(member->realm);
	more = tsr_member_tidy(member, &work);
	tsr_realm_unlock(member->realm);
	death_count_step(daemon, work);
	if (!more)
		death_done(daemon, member);
	return more;
}

/* A step of one, then the turn is another's. Return: whether there was any. */
static bool
death_go_on(struct tsr_daemon *daemon)
{
	struct tsr_member *const member = daemon->reaping;
	struct tsr_member **last = &daemon->reaping;

	if (member == NULL)
		return false;
	/* Who asks for the realm's lock gets it, or we would take it again before it wakes up. */
	if (tsr_realm_is_wanted(member->realm) && ++daemon->reap_deferred < DEATH_DEFERRED_MAX)
		return true;
	daemon->reap_deferred = 0;
	if (!(member->tidying ? death_tidy(daemon, member) : death_step(daemon, member))) {
		tsr_postmortem_drop(member->remains);
		member->remains = NULL;
		daemon->reaping = member->next_reaped;
		tsr_member_put(member);
		return true;
	}
	if (!tsr_member_is_swept(member))
		return true;
	while (*last != NULL)
		last = &(*last)->next_reaped;
	*last = member;
	daemon->reaping = member->next_reaped;
	member->next_reaped = NULL;
	return true;
}

unsigned
tsr_death_poll(void *argument)
{
	struct tsr_daemon *const daemon = argument;
	uint64_t keys[DEATH_BATCH];
	unsigned const count = tsr_poll_core_events(&daemon->poll, keys, DEATH_BATCH);
	unsigned done = 0;

	for (unsigned i = 0; i < count; i++) {
		struct tsr_member *const member = tsr_member_find(daemon, keys[i]);

		if (member == NULL)
			done += tsr_events_rung(daemon, keys[i]);
		else
			death_begin(daemon, member);
	}
	return done + death_go_on(daemon);
}

void
tsr_death_drop(struct tsr_daemon *daemon)
{
	while (daemon->reaping != NULL) {
		struct tsr_member *const member = daemon->reaping;

		tsr_postmortem_drop(member->remains);
		daemon->reaping = member->next_reaped;
		tsr_member_put(member);
	}
}
