/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/member.h"
#include "shm/access.h"
#include "shm/ticket.h"

/* How many tickets name each holder: [clients + 1], 0 being free ones and the daemon's. */
struct row_holders {
	struct tsr_realm *realm;
	uint32_t *count;
};

static int
row_holders_work(void *argument)
{
	struct row_holders const *const holders = argument;
	struct tsr_map const *const map = &holders->realm->map;

	for (uint32_t i = 0; i < map->tickets_all; i++) {
		uint16_t const holder = tsr_word_holder(tsr_ld_rlx(&map->tickets[i].word));

		if (i >= map->tickets_count &&
		    (holder == TSR_HOLDER_DAEMON || holder == TSR_HOLDER_FREE))
			continue; /* of regions, which are not counted here */
		if (holder == TSR_HOLDER_DAEMON)
			holders->count[0]++;
		else if (holder <= map->clients_count)
			holders->count[holder]++;
	}
	return 0;
}

uint32_t *
tsr_row_holders(struct tsr_realm *realm)
{
	struct row_holders holders = {
		.realm = realm,
		.count = calloc((size_t)realm->map.clients_count + 1, sizeof(uint32_t)),
	};

	if (holders.count != NULL && tsr_realm_guarded(realm, row_holders_work, &holders) == 0)
		return holders.count;
	free(holders.count);
	return NULL;
}

void
tsr_row_realm(struct tsr_realm const *realm, uint32_t const *count, struct tsr_proto_row_realm *row)
{
	struct tsr_map const *const map = &realm->map;

	*row = (struct tsr_proto_row_realm){
		.epoch = realm->epoch,
		.mode = realm->config->mode,
		.owner = realm->config->owner,
		.group = realm->config->group,
		.tickets = map->tickets_count,
		.tickets_free = count != NULL ? count[0] : 0,
		.message_bytes_max = map->message_bytes_max,
		.clients_max = map->clients_count,
		.channels_max = map->channels_count,
		.bytes = tsr_realm_bytes(realm),
		.clients = realm->members_count,
		.channels = realm->channels_count,
		.regions = realm->regions.count,
		.state = realm->leaving ? TSR_ROW_REALM_LEAVING : TSR_ROW_REALM_LIVING,
	};
	for (uint32_t i = 0; i < map->arenas_count; i++)
		row->arena_bytes += map->arena_bytes[i];
	memcpy(row->name, realm->config->geometry.name, sizeof(row->name));
	(void)snprintf(row->backing, sizeof(row->backing), "%s", tsr_backing_name(realm->backing));
}

struct row_client {
	struct tsr_member const *member;
	struct tsr_proto_row_client *row;
};

static int
row_client_work(void *argument)
{
	struct row_client const *const client = argument;
	struct tsr_state const *const state =
		&client->member->realm->map.states[client->member->id - 1];

	client->row->sleeps = tsr_ld_rlx(&state->sleeps);
	client->row->wakes = tsr_ld_rlx(&state->wakes);
	client->row->missed_wakes = tsr_ld_rlx(&state->missed_wakes);
	return 0;
}

int
tsr_row_client(struct tsr_member const *member, uint32_t const *count,
               struct tsr_proto_row_client *row)
{
	struct row_client client = {.member = member, .row = row};

	*row = (struct tsr_proto_row_client){
		.pid = (uint32_t)member->pid,
		.uid = member->uid,
		.id = member->id,
		.senders = member->open[TSR_SIDE_SENDER],
		.receivers = member->open[TSR_SIDE_RECEIVER],
		.tickets = count != NULL ? count[member->id] : 0,
		.state = member->evicted                        ? TSR_ROW_CLIENT_EVICTED
	                 : member->state == TSR_MEMBER_ATTACHED ? TSR_ROW_CLIENT_ATTACHED
	                                                        : TSR_ROW_CLIENT_CLOSING,
		.flags = member->flags,
		.since_ns = tsr_now_ns() - member->since_ns,
	};
	memcpy(row->realm, member->realm->config->geometry.name, sizeof(row->realm));
	memcpy(row->name, member->name, sizeof(row->name));
	return tsr_realm_guarded(member->realm, row_client_work, &client);
}
