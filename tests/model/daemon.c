/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The daemon: one process that turns to one event after the other, in any order: a client's death,
 * a client's request. What it then does is core/member.c, core/channels.c and core/reaper.c; what
 * stands here is only what they need of the rest of the daemon.
 *
 * Killed in a repair it begins anew with the private tables that it had before that repair, as from
 * a ledger that is written once a repair is complete.
 */

#include "core/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/kept.h"
#include "core/regions.h"
#include "shm/access.h"
#include "tests/model/model.h"

#define DAEMON_ENDS 2

static struct tsr_daemon daemon_self;
static struct tsr_member daemon_members[MODEL_PROCESSES];
static struct tsr_member_end daemon_ends[MODEL_PROCESSES][DAEMON_ENDS];
static struct tsr_member *daemon_by_id[MODEL_PROCESSES + 1];
static uint16_t daemon_free_ids[MODEL_PROCESSES + 1];

/* What a repair changes in private, and how it was before. */
struct daemon_tables {
	struct tsr_channel_side side[MODEL_CHANNELS][2];
	struct tsr_member_end ends[MODEL_PROCESSES][DAEMON_ENDS];
	uint32_t open[MODEL_PROCESSES][2];
};
static struct daemon_tables daemon_before;

/* The rest of the daemon. */
int
tsr_realm_guarded(struct tsr_realm *realm, int (*work)(void *), void *argument)
{
	(void)realm;
	return work(argument);
}

int
tsr_realm_broken(struct tsr_realm const *realm, struct tsr_refusal *refusal)
{
	(void)realm, (void)refusal;
	model_violate("the daemon finds the realm's memory broken");
	return -EFAULT;
}

void
tsr_realm_condemn(struct tsr_realm *realm, const char *why)
{
	(void)realm;
	model_violate("the daemon condemns the realm: %s", why);
}

void
tsr_realm_put(struct tsr_realm *realm)
{
	(void)realm;
}

void
tsr_realm_leave(struct tsr_realm *realm, bool leaving)
{
	(void)realm, (void)leaving;
}

void
tsr_regions_leave(struct tsr_realm *realm, uint16_t id)
{
	(void)realm, (void)id;
}

int
tsr_regions_settle_some(struct tsr_realm *realm, struct tsr_settle *settle, uint32_t *work)
{
	(void)realm, (void)settle, (void)work;
	return 0;
}

void
tsr_poll_core_unwatch(struct tsr_poll_core *poll, int fd)
{
	(void)poll, (void)fd;
}

int
tsr_registry_remove(struct tsr_registry *registry, struct tsr_registry_entry *entry)
{
	(void)registry, (void)entry;
	return 0;
}

void
tsr_registry_synchronize(void)
{
}

/* Nothing is kept, and nobody takes over. */
void
tsr_kept_client_end(struct tsr_member const *member)
{
	(void)member;
}

void
tsr_event_close(struct tsr_event *event)
{
	(void)event;
}

int
tsr_attachment_follow(struct tsr_attachment *attachment)
{
	(void)attachment;
	return -ENOTCONN;
}

static void
daemon_keep(struct daemon_tables *to)
{
	for (unsigned i = 0; i < MODEL_CHANNELS; i++)
		memcpy(to->side[i], model_channel(i)->side, sizeof(to->side[i]));
	memcpy(to->ends, daemon_ends, sizeof(to->ends));
	for (unsigned i = 0; i < MODEL_PROCESSES; i++)
		memcpy(to->open[i], daemon_members[i].open, sizeof(to->open[i]));
}

void
model_daemon_restart(void)
{
	struct model_process *const self = &model.process[0];

	for (unsigned i = 0; i < MODEL_CHANNELS; i++)
		memcpy(model_channel(i)->side, daemon_before.side[i],
		       sizeof(daemon_before.side[i]));
	memcpy(daemon_ends, daemon_before.ends, sizeof(daemon_before.ends));
	for (unsigned i = 0; i < MODEL_PROCESSES; i++) {
		memcpy(daemon_members[i].open, daemon_before.open[i],
		       sizeof(daemon_before.open[i]));
		daemon_members[i].leaving = (struct tsr_member_leaving){.end = 0};
	}
	model_process_make(self, model_daemon_body);
	self->now.pending = MODEL_START;
	model_process_rehash(self);
}

static void
daemon_member(unsigned number)
{
	struct model_process *const p = &model.process[number];
	struct tsr_member *const member = &daemon_members[number];

	if (p->leader != p)
		return;
	*member = (struct tsr_member){
		.realm = &model.realm,
		.id = p->attachment->me,
		.flags = p->attachment->fenced ? TSR_PROTO_ATTACH_FENCED : 0,
		.pidfd = -1,
		.connection = -1,
		.ends = daemon_ends[number],
		.ends_max = DAEMON_ENDS,
	};
	atomic_init(&member->refs.count, UINT32_MAX); /* the model's: it is never freed */
	p->member = member;
	daemon_by_id[member->id] = member;
}

void
model_daemon_make(void)
{
	struct model_process *const self = &model.process[0];

	model.realm.daemon = &daemon_self;
	model.realm.map = model.map;
	model.realm.members = daemon_by_id;
	model.realm.free_ids = daemon_free_ids;
	for (unsigned i = 1; i < model.processes; i++)
		daemon_member(i);
	for (unsigned i = 0; i < model_channels(); i++)
		model_process_keep(self, model_channel(i)->side, sizeof(model.record.side));
	model_process_keep(self, daemon_ends, sizeof(daemon_ends));
	model_process_keep(self, &daemon_before, sizeof(daemon_before));
	for (unsigned i = 1; i < model.processes; i++)
		model_process_keep(self, &daemon_members[i].state,
		                   sizeof(daemon_members[i]) - offsetof(struct tsr_member, state));
}

/* END_OPEN: the words of the answer, as kernel.c takes them apart. */
int
model_daemon_open(unsigned number, unsigned channel, uint32_t side, uint64_t *reply,
                  uint64_t *stream)
{
	struct tsr_refusal refusal;
	struct tsr_channel_other other = {0};
	uint32_t end = 0;
	int const error = tsr_member_open(&daemon_members[number], model_channel(channel), side,
	                                  &end, &other, &refusal);

	if (error != 0)
		return error;
	*reply = end | (uint64_t)other.seen << 32;
	*stream = other.stream;
	return 0;
}

/* What unlimited channels without ends had grown by: by themselves, and in one go. */
static void
daemon_trim(void)
{
	for (unsigned i = 0; i < model_channels(); i++) {
		struct tsr_channel_record const *const record = model_channel(i);

		if (record->side[0].count == 0 && record->side[1].count == 0)
			tsr_reaper_trim(&model.map, &record->channel);
	}
}

static void
daemon_answer(unsigned number)
{
	uint64_t const request = model.ghost->request[number];
	struct tsr_refusal refusal;
	uint64_t reply = 0, stream = 0;
	struct tsr_upkeep upkeep = {.channels = false};
	int error;

	if ((uint16_t)request == TSR_PROTO_END_OPEN)
		error = model_daemon_open(number, (unsigned)(request >> 24),
		                          (uint32_t)(request >> 16 & 0xff), &reply, &stream);
	else if ((uint16_t)request == TSR_PROTO_SHARED_SETTLE) {
		tsr_reaper_settle(&model.map);
		error = 0;
	} else {
		error = tsr_member_close(&daemon_members[number], (uint32_t)(request >> 16),
		                         &upkeep, &refusal);
		daemon_trim();
	}
	model_set(&model.ghost->request[number], 0);
	if (model.ghost->status[number] != MODEL_ASKS)
		return; /* it has died meanwhile */
	model_set(&model.ghost->reply[number], error != 0 ? UINT64_MAX : reply);
	model_set(&model.ghost->reply_stream[number], stream);
	model_set(&model.ghost->status[number], MODEL_RUNS);
}

/* The next of the line with the dead one's id may begin. */
static void
daemon_follow(unsigned number)
{
	for (unsigned i = 1; i < model.processes; i++) {
		if (model.process[i].actor->after == number)
			model_set(&model.ghost->status[i], MODEL_RUNS);
	}
}

/* What was done is for people: states that differ in it alone are the same. */
static void
daemon_forget_figures(unsigned number)
{
	daemon_members[number].leaving = (struct tsr_member_leaving){.end = 0};
}

static void
daemon_reap(unsigned number)
{
	struct tsr_member *const member = &daemon_members[number];
	struct tsr_reap_result result = {0};
	uint32_t work = UINT32_MAX;
	int error = 0;

	model_set(&model.ghost->reaping, number);
	daemon_keep(&daemon_before);
	/* Who comes after one that died as it trimmed knows of no such client, and begins as every
	 * successor does. */
	if (member->state != TSR_MEMBER_GONE)
		error = tsr_member_leave(member, true, &work);
	else
		tsr_reaper_inherit(&model.map, &result);
	if (error != 0)
		model_violate("reaping process %u gave %d", number, error);
	daemon_keep(&daemon_before);
	daemon_trim();
	memset(&daemon_before, 0, sizeof(daemon_before));
	daemon_forget_figures(number);
	model_set(&model.ghost->reaping, 0);
	model_set(&model.ghost->request[number], 0);
	model_set(&model.ghost->status[number], MODEL_REAPED);
	daemon_follow(number);
}

void
model_daemon_body(struct model_process *self)
{
	if (model.ghost->reaping != 0)
		daemon_reap((unsigned)model.ghost->reaping);
	for (;;) {
		uint8_t event;

		self->now.answer = 0;
		model_yield(MODEL_EVENT, 0, 0, NULL);
		event = self->now.answer;
		if (model.tracing)
			model_trace_note(0,
			                 event >> 4 == MODEL_MOVE_REAP ? "reaps %u" : "answers %u",
			                 event & 15U);
		if (event >> 4 == MODEL_MOVE_REAP)
			daemon_reap(event & 15U);
		else
			daemon_answer(event & 15U);
	}
}
