/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/takeover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/closing.h"
#include "core/control.h"
#include "core/daemon.h"
#include "core/guard.h"
#include "core/kept.h"
#include "core/member.h"
#include "core/reaper.h"
#include "core/upkeep.h"
#include "shm/access.h"
#include "shm/waiter.h"

#define TAKEOVER_WHY_BYTES 192
#define TAKEOVER_ESTATE    TSR_STORE_PREFIX "estate."

static bool
takeover_is_estate(struct tsr_store_item const *item)
{
	return item->fd >= 0 && strncmp(item->name, TAKEOVER_ESTATE, strlen(TAKEOVER_ESTATE)) == 0;
}

/* What goes on from the dead daemon's: the highest epoch, the clock of the stamps. */
static void
takeover_note(struct tsr_daemon *daemon, struct tsr_estate_head const *head)
{
	if (head->epoch > daemon->epoch)
		daemon->epoch = head->epoch;
	if (daemon->ticks_per_second == 0)
		daemon->ticks_per_second = head->ticks_per_second;
}

int
tsr_takeover_look(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct tsr_store *const store = &daemon->store;
	char why[TAKEOVER_WHY_BYTES];
	int realms = 0;

	for (size_t i = 0; i < store->found_count; i++) {
		struct tsr_store_item const *const item = &store->found[i];
		struct tsr_estate estate;
		int error;

		if (!takeover_is_estate(item))
			continue;
		realms++;
		error = tsr_estate_open(item->fd, &estate, why, sizeof(why));
		if (error == -EPROTO)
			return tsr_refuse(refusal, error,
			                  "%s can't be taken over, and nothing was touched: %s; "
			                  "start the daemon that made it, or this one with --fresh",
			                  item->name, why);
		if (error != 0)
			continue; /* damaged: condemned when its turn comes */
		takeover_note(daemon, estate.head);
		estate.fd = -1; /* the store's */
		tsr_estate_close(&estate);
	}
	return realms;
}

static void
takeover_tell(struct tsr_realm *realm)
{
	struct tsr_proto_row_feed row = tsr_realm_row(realm, TSR_FEED_REALM);

	tsr_feed_tell(&realm->daemon->feed, TSR_LOG_NOTICE, &row,
	              "realm '%s' epoch %llu is taken over: %u clients, %u channels, %u regions",
	              realm->entry.name, (unsigned long long)realm->epoch, realm->members_count,
	              realm->channels_count, realm->regions.count);
}

/* Let go of all that belongs to the estate's realm; the estate goes first. */
static void
takeover_let_go(struct tsr_daemon *daemon, const char *estate, const char *why)
{
	struct tsr_proto_row_feed row = {.kind = TSR_FEED_CONDEMN, .uid = UINT32_MAX};
	const char *const whose = estate + strlen(TAKEOVER_ESTATE); /* EPOCH.REALM */
	const char *const dot = strchr(whose, '.');
	struct tsr_store *const store = &daemon->store;

	(void)snprintf(row.realm, sizeof(row.realm), "%s", dot == NULL ? "" : dot + 1);
	tsr_feed_tell(&daemon->feed, TSR_LOG_ERROR, &row,
	              "realm '%s' could not be taken over, its clients are cut off: %s", row.realm,
	              why);
	tsr_store_drop(store, estate);
	for (size_t i = 0; i < store->found_count; i++) {
		const char *const name = store->found[i].name;
		size_t const length = strlen(name), tail = strlen(whose);

		if (length > tail && name[length - tail - 1] == '.' &&
		    strcmp(name + length - tail, whose) == 0)
			tsr_store_drop(store, name);
	}
}

void
tsr_takeover_run(struct tsr_daemon *daemon)
{
	struct tsr_store *const store = &daemon->store;
	char why[TAKEOVER_WHY_BYTES] = "";

	for (size_t i = 0; i < store->found_count; i++) {
		struct tsr_store_item *const item = &store->found[i];
		struct tsr_realm *realm;

		if (!takeover_is_estate(item))
			continue;
		if (tsr_takeover_realm(daemon, item, &realm, why, sizeof(why)) != 0) {
			takeover_let_go(daemon, item->name, why);
			continue;
		}
		daemon->taken_over++;
		takeover_tell(realm);
		tsr_realm_put(realm);
	}
	tsr_store_sweep(store);
}

void
tsr_takeover_drop(struct tsr_daemon *daemon)
{
	struct tsr_store *const store = &daemon->store;

	for (size_t i = 0; i < store->found_count; i++) {
		if (takeover_is_estate(&store->found[i]))
			takeover_let_go(daemon, store->found[i].name, "--fresh was asked for");
	}
	tsr_store_sweep(store);
}

/* Under the guard: clients see that somebody serves; who sleeps is woken and sees it. */
static int
takeover_wake_work(void *argument)
{
	struct tsr_realm *const realm = argument;
	struct tsr_reap_result result = {0};

	tsr_reaper_inherit(&realm->map, &result);
	/* [I1] pairs with [I2]: who sees it finds a daemon that answers. */
	tsr_st_rel(&realm->map.pulse->generation, realm->generation);
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		struct tsr_reap_end end;

		if (realm->channels[i] == NULL)
			continue;
		end = (struct tsr_reap_end){.channel = realm->channels[i]->channel,
		                            .realm = realm->entry.name};
		/* [Q2] pairs with [Q1]: only so that receivers look. */
		(void)tsr_add_rel(&end.channel.shm->redo, 1);
		/* With the tokens that the dead daemon had enqueued for event descriptors. */
		tsr_reaper_wake(&end, TSR_HOLDER_DAEMON, &result);
		/* What the dead daemon was at when the last end had left. */
		if (realm->channels[i]->side[0].count == 0 &&
		    realm->channels[i]->side[1].count == 0)
			tsr_reaper_trim(&realm->map, &end.channel);
	}
	return 0;
}

static void
takeover_closing_realm(struct tsr_realm *realm, void *argument)
{
	struct tsr_server *const server = argument;

	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		struct tsr_member *const member = realm->members[id];

		if (member != NULL && member->state == TSR_MEMBER_CLOSING)
			tsr_closing_add(server, member,
			                member->evicted ? TSR_EVICTION_NS : TSR_CLOSING_NS);
	}
}

void
tsr_takeover_closing(struct tsr_daemon *daemon)
{
	tsr_daemon_each_realm(daemon, takeover_closing_realm, daemon->server);
}

/* Channels that the dead daemon had removed, regions. Return: 0; -EFAULT. */
static int
takeover_keep_up(struct tsr_realm *realm)
{
	struct tsr_upkeep upkeep = {.channels = true, .regions = true};
	uint32_t work;
	int error;

	do {
		work = UINT32_MAX;
		error = tsr_upkeep_some(realm, &upkeep, &work);
	} while (error == 1);
	return error;
}

static void
takeover_ready_realm(struct tsr_realm *realm, void *argument)
{
	(void)argument;
	if (realm->generation == 0 || realm->condemned)
		return;
	if (tsr_realm_guarded(realm, takeover_wake_work, realm) == 0 &&
	    takeover_keep_up(realm) == 0 && realm->leaving)
		tsr_realm_leave(realm, true);
}

void
tsr_takeover_ready(struct tsr_daemon *daemon)
{
	tsr_daemon_each_realm(daemon, takeover_ready_realm, NULL);
}
