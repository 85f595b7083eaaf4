/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* Clients of a realm that was taken over: who comes back is who the kernel says, and keeps the ends
 * that it knows of. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/channels.h"
#include "core/control_request.h"
#include "core/daemon.h"
#include "core/member.h"
#include "core/observer.h"
#include "core/regions.h"

static_assert(sizeof(((struct tsr_proto_reattach *)0)->ends) * 8 == TSR_ENDS_MAX, "one bit an end");
static_assert(sizeof(((struct tsr_proto_reattach *)0)->regions) * 8 == TSR_REGIONS_MAX,
              "one bit a region");

static bool
reattach_has(uint64_t const *bits, uint32_t number)
{
	return (bits[number / 64] >> (number % 64) & 1) != 0;
}

static int
reattach_check(struct tsr_connection const *connection, struct tsr_proto_reattach const *request,
               struct tsr_refusal *refusal)
{
	int error = tsr_request_text(request->realm, "the realm's name", refusal);

	if (error == 0)
		error = tsr_request_text(request->name, "the client's name", refusal);
	if (error == 0)
		error = tsr_request_text(request->channel, "the channel's name", refusal);
	if (error != 0)
		return error;
	if ((request->flags & ~(TSR_REATTACH_REGIONS | TSR_REATTACH_OPENING)) != 0 ||
	    request->reserved != 0 || request->side > TSR_SIDE_RECEIVER)
		return tsr_refuse(refusal, -EINVAL,
		                  "REATTACH with flags 0x%x, side %u and reserved 0x%x, expected "
		                  "at most 0x%x, 1, 0",
		                  request->flags, request->side, request->reserved,
		                  TSR_REATTACH_REGIONS | TSR_REATTACH_OPENING);
	if (connection->member != NULL || connection->observer != NULL)
		return tsr_refuse(refusal, -EINVAL,
		                  "REATTACH to realm '%s' while attached, expected DETACH first",
		                  request->realm);
	if (connection->pidfd < 0)
		return tsr_refuse(refusal, -EPROTO,
		                  "REATTACH before PIDFD, which the reply to HELLO asked for");
	return 0;
}

/* A process that lives has its number for itself. */
static bool
reattach_is_same(struct tsr_connection const *connection, struct tsr_member const *member)
{
	struct pollfd life = {.fd = member->pidfd, .events = POLLIN};
	pid_t const was = tsr_kernel_pidfd_pid(member->pidfd);

	return poll(&life, 1, 0) == 0 && was > 0 && was == tsr_kernel_pidfd_pid(connection->pidfd);
}

/* Under the realm's lock. */
static struct tsr_member *
reattach_member(struct tsr_connection const *connection, struct tsr_realm const *realm,
                struct tsr_proto_reattach const *request, struct tsr_refusal *refusal)
{
	struct tsr_member *member = NULL;

	if (request->client_id >= 1 && request->client_id <= realm->map.clients_count &&
	    !realm->condemned)
		member = realm->members[request->client_id];
	/* Whoever was evicted may come to say goodbye. */
	if (member != NULL && member->connection < 0 &&
	    (member->state == TSR_MEMBER_ATTACHED || member->evicted) &&
	    reattach_is_same(connection, member))
		return member;
	(void)tsr_refuse(
		refusal, -ESTALE,
		"client %u of realm '%s' is not waited for: it is another process's, gone, "
		"or attached",
		request->client_id, request->realm);
	return NULL;
}

/* The one end that is kept for the request that comes again. */
static bool
reattach_adopts(struct tsr_connection *connection, struct tsr_proto_reattach const *request,
                struct tsr_member_end const *end, uint32_t index)
{
	if ((request->flags & TSR_REATTACH_OPENING) == 0 || connection->adopted != 0 ||
	    end->side != request->side || strcmp(end->record->name, request->channel) != 0)
		return false;
	connection->adopted = index + 1;
	return true;
}

/* Ends and regions that the client does not know: its answer was lost with the last daemon. */
static int
reattach_settle(struct tsr_connection *connection, struct tsr_member *member,
                struct tsr_proto_reattach const *request, struct tsr_refusal *refusal)
{
	struct tsr_upkeep *const upkeep = &connection->chore.upkeep;
	struct tsr_realm *const realm = member->realm;
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < member->ends_max; i++) {
		struct tsr_member_end const *const end = &member->ends[i];

		if (end->record == NULL || reattach_has(request->ends, i) ||
		    reattach_adopts(connection, request, end, i))
			continue;
		error = tsr_member_close(member, i | (uint32_t)end->generation << 16, upkeep,
		                         refusal);
	}
	if ((request->flags & TSR_REATTACH_REGIONS) == 0)
		return error;
	for (uint32_t i = 0; error == 0 && i < realm->map.regions_count; i++) {
		struct tsr_region_record *const region = realm->regions.record[i];

		if (region == NULL || region->owner != member->id ||
		    region->state != TSR_REGION_OPEN || reattach_has(request->regions, i))
			continue;
		tsr_regions_close(realm, region);
		upkeep->regions = true;
	}
	return error;
}

/* Under the realm's lock. */
static int
reattach_client(struct tsr_connection *connection, struct tsr_realm *realm,
                struct tsr_proto_reattach const *request, struct tsr_refusal *refusal)
{
	struct tsr_member *const member = reattach_member(connection, realm, request, refusal);
	int error;

	if (member == NULL)
		return refusal->error;
	error = reattach_settle(connection, member, request, refusal);
	if (error != 0)
		return error;
	tsr_member_get(member);
	connection->events = member->events;
	member->events = NULL;
	for (struct tsr_event const *e = connection->events; e != NULL; e = e->next_own) {
		if (e->number > connection->events_opened)
			connection->events_opened = e->number;
	}
	member->connection = connection->fd;
	connection->member = member;
	connection->tentative = true;
	return 0;
}

/* Directory and blocks; an observer's can't be written through. */
static int
reattach_reply(struct tsr_connection *connection, struct tsr_realm const *realm,
               struct tsr_proto_head const *head, bool observer)
{
	struct tsr_memory const *const ours[] = {&realm->segment[TSR_SEGMENT_DIRECTORY],
	                                         &realm->segment[TSR_SEGMENT_BLOCKS]};
	struct tsr_proto_reattach_reply reply = {
		.head = tsr_request_reply_head(head, sizeof(reply)),
		.generation = realm->generation,
		.bytes = {ours[0]->bytes, ours[1]->bytes},
	};
	int fds[2] = {ours[0]->fd, ours[1]->fd};
	int error = 0;

	for (int i = 0; observer && i < 2; i++) {
		fds[i] = tsr_segment_open_reading(ours[i]);
		if (fds[i] < 0)
			error = fds[i];
	}
	if (error == 0)
		error = tsr_connection_send_fds(connection, &reply, sizeof(reply), fds, 2);
	for (int i = 0; observer && i < 2; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
	}
	return error;
}

/* The living one of that name, if it is still the same. */
static struct tsr_realm *
reattach_realm(struct tsr_daemon *daemon, struct tsr_proto_reattach const *request,
               struct tsr_refusal *refusal)
{
	struct tsr_realm *const realm = tsr_realm_lookup(daemon, request->realm);

	if (realm != NULL && realm->epoch == request->epoch)
		return realm;
	if (realm != NULL)
		tsr_realm_put(realm);
	(void)tsr_refuse(refusal, -ESTALE,
	                 "realm '%s' epoch %llu was not taken over: attach to what is there now",
	                 request->realm, (unsigned long long)request->epoch);
	return NULL;
}

static int
reattach_observer(struct tsr_connection *connection, struct tsr_realm *realm,
                  struct tsr_proto_reattach const *request, struct tsr_refusal *refusal)
{
	struct tsr_member_who const who = {
		.name = request->name,
		.pid = connection->pid,
		.uid = connection->uid,
		.connection = connection->fd,
	};

	if (tsr_connection_right(connection, realm->config) == TSR_RIGHT_NONE)
		return tsr_refuse(refusal, -EACCES, "realm '%s' does not admit user %u any more",
		                  request->realm, connection->uid);
	return tsr_observer_attach(realm, &who, &connection->observer, refusal);
}

int
tsr_request_reattach(struct tsr_connection *connection, void const *packet,
                     struct tsr_refusal *refusal)
{
	struct tsr_proto_reattach request;
	struct tsr_realm *realm;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = reattach_check(connection, &request, refusal);
	if (error != 0)
		return error;
	realm = reattach_realm(connection->server->daemon, &request, refusal);
	if (realm == NULL)
		return refusal->error;
	if (request.client_id == 0) {
		error = reattach_observer(connection, realm, &request, refusal);
	} else {
		tsr_realm_lock(realm);
		error = reattach_client(connection, realm, &request, refusal);
		tsr_realm_unlock(realm);
	}
	/* Without the descriptors it hangs up, and comes again. */
	if (error == 0 &&
	    reattach_reply(connection, realm, &request.head, request.client_id == 0) != 0)
		connection->broken = true;
	if (error == 0 && request.client_id != 0)
		tsr_request_upkeep_aside(connection, realm);
	tsr_realm_put(realm);
	return error;
}

bool
tsr_request_adopt(struct tsr_connection *connection, struct tsr_proto_end_open const *request,
                  uint32_t *number)
{
	struct tsr_member const *const member = connection->member;
	uint32_t const index = connection->adopted - 1;
	struct tsr_member_end const *end;

	if (connection->adopted == 0)
		return false;
	connection->adopted = 0;
	end = &member->ends[index];
	if (end->record == NULL || end->side != request->side ||
	    strcmp(end->record->name, request->channel.name) != 0)
		return false;
	*number = index | (uint32_t)end->generation << 16;
	return true;
}
