/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/control_request.h"
#include "core/counter.h"
#include "core/ledger.h"
#include "core/member.h"
#include "core/systemd.h"
#include "core/user.h"

int
tsr_request_ping(struct tsr_connection *connection, void const *packet, struct tsr_refusal *refusal)
{
	struct tsr_proto_plain reply;
	struct tsr_proto_head head;

	(void)refusal;
	memcpy(&head, packet, sizeof(head));
	tsr_request_reply(connection, &head, &reply, sizeof(reply));
	return 0;
}

static void
status_realms(struct tsr_daemon *daemon, struct tsr_proto_status_reply *reply)
{
	for (uint32_t i = 0; i < daemon->config->realms_count; i++) {
		struct tsr_realm *const realm =
			tsr_realm_lookup(daemon, daemon->config->realms[i].geometry.name);

		if (realm == NULL)
			continue;
		tsr_realm_lock(realm);
		reply->realms++;
		reply->clients += realm->members_count;
		reply->channels += realm->channels_count;
		reply->memory_bytes += tsr_realm_bytes(realm);
		reply->realms_kept += realm->kept;
		for (uint32_t id = 1; id <= realm->map.clients_count; id++)
			reply->clients_away +=
				realm->members[id] != NULL && realm->members[id]->connection < 0;
		tsr_realm_unlock(realm);
		tsr_realm_put(realm);
	}
}

static void
status_reload(struct tsr_reload const *reload, struct tsr_proto_status_reply *reply)
{
	reply->reloads = reload->taken;
	reply->reloads_refused = reload->refused;
	reply->reload_age_ns = reload->last_ns == 0 ? UINT64_MAX : tsr_now_ns() - reload->last_ns;
	reply->reload_error = reload->error;
	reply->reload_restart = reload->restart;
	memcpy(reply->reload_text, reload->text, sizeof(reply->reload_text));
}

static void
status_sandbox(struct tsr_sandbox const *sandbox, struct tsr_proto_status_reply *reply)
{
	static const uint32_t modes[] = {
		[TSR_SANDBOX_ON] = TSR_STATUS_SANDBOX_ON,
		[TSR_SANDBOX_LOG] = TSR_STATUS_SANDBOX_LOG,
		[TSR_SANDBOX_OFF] = TSR_STATUS_SANDBOX_OFF,
	};

	reply->sandbox =
		modes[sandbox->mode] | (sandbox->filtered ? TSR_STATUS_SANDBOX_SECCOMP : 0);
	reply->capabilities = sandbox->capabilities;
	reply->landlock = sandbox->landlock;
}

void
tsr_status_take(struct tsr_daemon *daemon, struct tsr_proto_status_reply *reply)
{
	struct tsr_poll_times times;

	*reply = (struct tsr_proto_status_reply){
		.pid = (uint32_t)getpid(),
		.uid = geteuid(),
		.connections = (uint32_t)tsr_counter_read(&daemon->connections),
		.instance = daemon->instance,
		.uptime_ns = tsr_now_ns() - daemon->begun_ns,
		.reaped = tsr_counter_read(&daemon->reaped),
		.repaired = tsr_counter_read(&daemon->repaired),
		.refused = tsr_counter_read(&daemon->refused),
		.evicted = tsr_counter_read(&daemon->evicted),
		.reap_steps = tsr_counter_read(&daemon->reap_steps),
		.reap_longest = tsr_counter_read(&daemon->reap_longest),
		.poll_cpu = (uint32_t)daemon->poll_cpu,
	};

	for (unsigned i = 0; i < TSR_REPAIRS; i++)
		reply->repairs[i] = tsr_counter_read(&daemon->repairs[i]);
	tsr_poll_core_times(&daemon->poll, &times);
	reply->busy_ns = times.busy_ns;
	reply->polling_ns = times.polling_ns;
	reply->asleep_ns = times.asleep_ns;
	reply->flags = (daemon->kernel.compat ? TSR_STATUS_COMPAT : 0) |
	               (tsr_systemd_booted() ? TSR_STATUS_SYSTEMD : 0) |
	               (daemon->start->again ? TSR_STATUS_AGAIN : 0) |
	               (tsr_counter_read(&daemon->ready) == 0 ? TSR_STATUS_STARTING : 0);
	reply->store = tsr_store_is(&daemon->store);
	reply->stored = tsr_store_count(&daemon->store);
	reply->realms_taken = (uint32_t)daemon->taken_over;
	reply->taken_over_ns = tsr_counter_read(&daemon->taken_over_ns);
	reply->upgraded_ns = tsr_counter_read(&daemon->inherited.gap_ns);
	memcpy(reply->upgraded_from, daemon->inherited.from, sizeof(reply->upgraded_from));
	status_sandbox(&daemon->sandbox, reply);
	status_realms(daemon, reply);
	status_reload(&daemon->reload, reply);
	(void)snprintf(reply->release, sizeof(reply->release), "%s", TSR_VERSION);
	memcpy(reply->hint, daemon->hint, sizeof(reply->hint));
}

int
tsr_request_status(struct tsr_connection *connection, void const *packet,
                   struct tsr_refusal *refusal)
{
	struct tsr_proto_status_reply reply;
	struct tsr_proto_head head;

	(void)refusal;
	memcpy(&head, packet, sizeof(head));
	tsr_status_take(connection->server->daemon, &reply);
	tsr_request_reply(connection, &head, &reply, sizeof(reply));
	return 0;
}

int
tsr_request_stop(struct tsr_connection *connection, void const *packet, struct tsr_refusal *refusal)
{
	struct tsr_proto_plain reply;
	struct tsr_proto_head head;
	char why[64];

	memcpy(&head, packet, sizeof(head));
	if (!tsr_user_rules(connection->uid))
		return tsr_refuse(refusal, -EACCES, "STOP by user %u, expected user %u or root",
		                  connection->uid, geteuid());
	if (connection->server->daemon->leaving_all)
		return tsr_refuse(refusal, -EBUSY,
		                  "STOP while the daemon leaves to its successor: ask that one");
	tsr_request_reply(connection, &head, &reply, sizeof(reply));
	(void)snprintf(why, sizeof(why), "asked by pid %d", (int)connection->pid);
	tsr_server_stop(connection->server, why);
	return 0;
}

/* What the ledger is taken from. */
struct status_ledger {
	struct tsr_realm *realm;
	struct tsr_channel *channels;
	size_t channels_count;
	bool *living;
	uint8_t *named;
	struct tsr_ledger ledger;
};

static int
status_ledger_work(void *argument)
{
	struct status_ledger *const take = argument;

	tsr_ledger_take(&take->realm->map, take->channels, take->channels_count, take->living,
	                take->named, &take->ledger);
	return 0;
}

/* Deaths that have happened, or are about to, and are not yet cleaned up after. */
static uint32_t
status_reaps_pending(struct tsr_realm const *realm)
{
	uint32_t pending = 0;

	for (uint32_t id = 1; id <= realm->map.clients_count; id++) {
		struct tsr_member const *const member = realm->members[id];
		struct pollfd life = {.events = POLLIN};

		if (member == NULL)
			continue;
		life.fd = member->pidfd;
		if (member->state == TSR_MEMBER_CLOSING || poll(&life, 1, 0) > 0)
			pending++;
	}
	return pending;
}

/* Under the realm's lock. */
static int
status_take_ledger(struct status_ledger *take)
{
	struct tsr_realm *const realm = take->realm;

	take->living = calloc((size_t)realm->map.clients_count + 1, sizeof(bool));
	take->channels = calloc((size_t)realm->channels_count + 1, sizeof(take->channels[0]));
	take->named = calloc(realm->map.tickets_all, 1);
	if (take->living == NULL || take->channels == NULL || take->named == NULL)
		return -ENOMEM;
	for (uint32_t id = 1; id <= realm->map.clients_count; id++)
		take->living[id] = realm->members[id] != NULL;
	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		if (realm->channels[i] != NULL)
			take->channels[take->channels_count++] = realm->channels[i]->channel;
	}
	return tsr_realm_guarded(realm, status_ledger_work, take);
}

static uint32_t
status_mappings(struct tsr_daemon *daemon)
{
	uint32_t mappings = 0;

	for (uint32_t i = 0; i < daemon->config->realms_count; i++) {
		struct tsr_realm *const realm =
			tsr_realm_lookup(daemon, daemon->config->realms[i].geometry.name);

		if (realm == NULL)
			continue;
		mappings += realm->segments_count;
		tsr_realm_put(realm);
	}
	return mappings;
}

static void
status_ledger_reply(struct tsr_connection *connection, struct tsr_proto_head const *head,
                    struct tsr_ledger const *ledger, uint32_t reaps_pending)
{
	struct tsr_daemon *const daemon = connection->server->daemon;
	struct tsr_proto_ledger_reply reply = {
		.balanced = ledger->balanced,
		.tickets = ledger->tickets,
		.in_depot = ledger->in_depot,
		.with_daemon = ledger->with_daemon,
		.in_channels = ledger->in_channels,
		.with_clients = ledger->with_clients,
		.lost = ledger->lost,
		.slots_claimed = ledger->slots_claimed,
		.tokens_stray = ledger->tokens_stray,
		.connections = (uint32_t)tsr_counter_read(&daemon->connections),
		.descriptors = tsr_kernel_descriptors(),
		.mappings = status_mappings(daemon),
		.reaps_pending = reaps_pending,
		.in_regions = ledger->in_regions,
	};

	(void)snprintf(reply.text, sizeof(reply.text), "%s", ledger->text);
	tsr_request_reply(connection, head, &reply, sizeof(reply));
}

int
tsr_request_ledger(struct tsr_connection *connection, void const *packet,
                   struct tsr_refusal *refusal)
{
	struct status_ledger take = {0};
	struct tsr_proto_ledger request;
	uint32_t reaps_pending;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = tsr_request_text(request.realm, "the realm's name", refusal);
	if (error != 0)
		return error;
	error = tsr_realm_find(connection->server->daemon, request.realm, &take.realm, refusal);
	if (error != 0)
		return error;
	if (tsr_connection_right(connection, take.realm->config) == TSR_RIGHT_NONE) {
		tsr_realm_put(take.realm);
		return tsr_refuse(refusal, -EACCES, "realm '%s' does not admit user %u",
		                  request.realm, connection->uid);
	}
	tsr_realm_lock(take.realm);
	reaps_pending = status_reaps_pending(take.realm);
	error = status_take_ledger(&take);
	tsr_realm_unlock(take.realm);
	if (error == 0)
		status_ledger_reply(connection, &request.head, &take.ledger, reaps_pending);
	else
		tsr_refuse(refusal, error, "the ledger of realm '%s' could not be taken: %s",
		           request.realm,
		           error == -EFAULT ? "its memory is broken" : strerror(-error));
	free(take.named);
	free(take.channels);
	free(take.living);
	tsr_realm_put(take.realm);
	return error;
}
