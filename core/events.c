/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/daemon.h"
#include "core/kept.h"
#include "core/realm.h"
#include "shm/access.h"
#include "shm/waiter.h"

void
tsr_events_init(struct tsr_channel_record *record)
{
	for (uint32_t side = 0; side < 2; side++)
		record->events[side] = (struct tsr_event_side){
			.record = record, .side = side, .token = TSR_EVENT_TOKEN_NONE};
}

int
tsr_events_listen(struct tsr_realm *realm)
{
	struct tsr_daemon *const daemon = realm->daemon;
	int error;

	if (realm->map.doorbell <= 0)
		realm->map.doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (realm->map.doorbell < 0) {
		error = -errno;
		realm->map.doorbell = 0;
		return error;
	}
	realm->bell.number = ++daemon->serial;
	error = tsr_registry_add(&daemon->bells, &realm->bell);
	if (error == 0) {
		realm->listening = true;
		error = tsr_poll_core_watch(&daemon->poll, realm->map.doorbell, realm->bell.number);
	}
	return error;
}

void
tsr_events_deafen(struct tsr_realm *realm)
{
	if (!realm->listening)
		return;
	realm->listening = false;
	tsr_poll_core_unwatch(&realm->daemon->poll, realm->map.doorbell);
	(void)tsr_registry_remove(&realm->daemon->bells, &realm->bell);
}

static void
event_side_link(struct tsr_realm *realm, struct tsr_event_side *side)
{
	side->next = realm->armed;
	side->link = &realm->armed;
	if (side->next != NULL)
		side->next->link = &side->next;
	realm->armed = side;
}

static void
event_side_unlink(struct tsr_event_side *side)
{
	*side->link = side->next;
	if (side->next != NULL)
		side->next->link = side->link;
	side->link = NULL;
}

static void
event_disarm(struct tsr_event *event)
{
	if (!event->armed)
		return;
	event->armed = false;
	if (--event->side->armed == 0)
		event_side_unlink(event->side);
}

/* If the pipe is full it is readable already; if its other end is closed, nobody cares. */
void
tsr_event_tell(struct tsr_event *event)
{
	event_disarm(event);
	if (write(event->fd, "", 1) < 0)
		return;
}

/* To the others of its side. */
static void
event_link(struct tsr_event *event)
{
	event->next = event->side->events;
	event->link = &event->side->events;
	if (event->next != NULL)
		event->next->link = &event->next;
	event->side->events = event;
}

static void
event_side_tell(struct tsr_event_side *side)
{
	for (struct tsr_event *e = side->events; e != NULL; e = e->next) {
		if (e->armed)
			tsr_event_tell(e);
	}
}

/* Under the guard: the side's token, if it is still ours; a participant may write over it. */
static bool
event_side_token(struct tsr_event_side *side, struct tsr_wait_side *wait, uint64_t *word)
{
	*wait = tsr_channel_side(&side->record->channel, side->side);
	if (side->token == TSR_EVENT_TOKEN_NONE)
		return false;
	*word = tsr_ld_rlx(&wait->tokens[side->token]);
	if (tsr_token_is_event(*word))
		return true;
	side->token = TSR_EVENT_TOKEN_NONE;
	return false;
}

/* Under the guard: tell a side's events if its token was claimed. */
static void
event_side_look(struct tsr_event_side *side)
{
	struct tsr_wait_side wait;
	uint64_t word;

	if (event_side_token(side, &wait, &word)) {
		if (tsr_token_state(word) == TSR_TOKEN_ENQUEUED)
			return;
		(void)tsr_token_withdraw(&wait, side->token, TSR_HOLDER_DAEMON);
	}
	event_side_tell(side);
}

static int
event_look_work(void *argument)
{
	struct tsr_realm *const realm = argument;
	struct tsr_event_side *next;

	for (struct tsr_event_side *side = realm->armed; side != NULL; side = next) {
		next = side->next;
		event_side_look(side);
	}
	return 0;
}

bool
tsr_events_look(struct tsr_realm *realm)
{
	return realm->armed != NULL && tsr_realm_guarded(realm, event_look_work, realm) == 0 &&
	       realm->armed != NULL;
}

/* The realm whose doorbell that is, with a reference; NULL. */
static struct tsr_realm *
event_realm(struct tsr_daemon *daemon, uint64_t serial)
{
	struct tsr_registry_entry *entry;
	struct tsr_realm *realm = NULL;

	tsr_registry_read_lock();
	entry = tsr_registry_find_number(&daemon->bells, serial);
	if (entry != NULL) {
		realm = TSR_CONTAINER_OF(entry, struct tsr_realm, bell);
		if (!tsr_ref_get_unless_zero(&realm->refs))
			realm = NULL;
	}
	tsr_registry_read_unlock();
	return realm;
}

unsigned
tsr_events_rung(struct tsr_daemon *daemon, uint64_t serial)
{
	struct tsr_realm *const realm = event_realm(daemon, serial);
	uint64_t rung;
	struct iovec const into = {.iov_base = &rung, .iov_len = sizeof(rung)};

	if (realm == NULL)
		return 0;
	/* A participant may have read it already, and may have made it blocking. First this, then
	 * the look: who claims after the look rings again. */
	(void)!preadv2(realm->map.doorbell, &into, 1, -1, RWF_NOWAIT);
	tsr_realm_lock(realm);
	if (!realm->condemned)
		(void)tsr_events_look(realm);
	tsr_realm_unlock(realm);
	tsr_realm_put(realm);
	return 1;
}

int
tsr_event_open(struct tsr_realm *realm, struct tsr_channel_record *record, uint32_t side, uid_t uid,
               struct tsr_event **out, int *fd, struct tsr_refusal *refusal)
{
	struct tsr_quota *const quota = &realm->daemon->quota;
	struct tsr_event *const event = calloc(1, sizeof(*event));
	char why[TSR_QUOTA_WHY_BYTES];
	int pair[2];
	int error;

	if (event == NULL)
		return tsr_refuse(refusal, -ENOMEM, "the daemon has no memory for an event");
	error = tsr_quota_take(quota, uid, TSR_QUOTA_EVENTS, 1, why);
	if (error != 0) {
		free(event);
		return tsr_refuse(refusal, error, "one event descriptor more: %s", why);
	}
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0) {
		error = -errno;
		tsr_quota_give(quota, uid, TSR_QUOTA_EVENTS, 1);
		free(event);
		return tsr_refuse(refusal, -ENOBUFS, "the daemon is out of descriptors: %s",
		                  strerror(-error));
	}
	*event = (struct tsr_event){
		.realm = realm, .side = &record->events[side], .uid = uid, .fd = pair[1]};
	event_link(event);
	*out = event;
	*fd = pair[0];
	return 0;
}

/* Nobody is armed any more: wakers need not ring. Without any event the token goes back. */
static int
event_rest_work(void *argument)
{
	struct tsr_event_side *const side = argument;
	struct tsr_wait_side wait;
	uint64_t word;

	if (!event_side_token(side, &wait, &word))
		return 0;
	(void)tsr_token_withdraw(&wait, side->token, TSR_HOLDER_DAEMON);
	if (side->events == NULL) {
		tsr_token_release(&wait, side->token, TSR_HOLDER_DAEMON);
		side->token = TSR_EVENT_TOKEN_NONE;
	}
	return 0;
}

struct tsr_event *
tsr_event_inherit(struct tsr_realm *realm, struct tsr_channel_record *record, uint32_t side,
                  uid_t uid, int fd)
{
	struct tsr_event *const event = calloc(1, sizeof(*event));

	if (event == NULL)
		return NULL;
	*event = (struct tsr_event){.realm = realm, .uid = uid, .fd = fd};
	(void)!tsr_quota_take(&realm->daemon->quota, uid, TSR_QUOTA_EVENTS, 1, NULL);
	if (record != NULL) {
		event->side = &record->events[side];
		event_link(event);
	}
	tsr_event_tell(event);
	return event;
}

static void
event_unlink(struct tsr_event *event)
{
	*event->link = event->next;
	if (event->next != NULL)
		event->next->link = event->link;
}

void
tsr_event_close(struct tsr_event *event)
{
	struct tsr_event_side *const side = event->side;

	if (side != NULL) {
		event_disarm(event);
		event_unlink(event);
		/* A realm that turns out to be broken now is condemned, and that is all. */
		if (side->armed == 0 && !event->realm->condemned)
			(void)!tsr_realm_guarded(event->realm, event_rest_work, side);
	}
	tsr_kept_event_end(event);
	tsr_quota_give(&event->realm->daemon->quota, event->uid, TSR_QUOTA_EVENTS, 1);
	(void)close(event->fd);
	free(event);
}

/* Have the side's token enqueued; if it was claimed, who was armed is told first. */
static int
event_arm_work(void *argument)
{
	struct tsr_event_side *const side = argument;
	struct tsr_wait_side wait;
	uint64_t word;
	int error;

	if (event_side_token(side, &wait, &word)) {
		if (tsr_token_state(word) == TSR_TOKEN_ENQUEUED)
			return 0;
		(void)tsr_token_withdraw(&wait, side->token, TSR_HOLDER_DAEMON);
	} else {
		error = tsr_token_acquire(&wait, TSR_HOLDER_DAEMON, &side->token);
		if (error != 0)
			return error;
	}
	event_side_tell(side);
	(void)tsr_token_enqueue(&wait, side->token, TSR_HOLDER_DAEMON, false);
	return 0;
}

int
tsr_event_arm(struct tsr_event *event, struct tsr_refusal *refusal)
{
	struct tsr_event_side *const side = event->side;
	int error;

	if (side == NULL)
		return tsr_refuse(refusal, -ENOENT, "the channel of event %u was removed",
		                  event->number);
	error = tsr_realm_guarded(event->realm, event_arm_work, side);
	if (error == -ENOBUFS)
		return tsr_refuse(refusal, error,
		                  "all %d waiter tokens of channel '%s' are in use on that side",
		                  TSR_TOKENS_PER_SIDE, side->record->name);
	if (error != 0)
		return tsr_realm_broken(event->realm, refusal);
	if (!event->armed && side->armed++ == 0)
		event_side_link(event->realm, side);
	event->armed = true;
	return 0;
}

void
tsr_events_forget(struct tsr_channel_record *record)
{
	for (uint32_t side = 0; side < 2; side++) {
		struct tsr_event *next;

		for (struct tsr_event *e = record->events[side].events; e != NULL; e = next) {
			next = e->next;
			tsr_event_tell(e);
			e->side = NULL;
		}
		record->events[side].events = NULL;
	}
}

void
tsr_events_end(struct tsr_realm *realm)
{
	while (realm->armed != NULL)
		event_side_tell(realm->armed);
}
