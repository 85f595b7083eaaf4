/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/closer.h"
#include "core/control_request.h"
#include "core/member.h"
#include "core/offer.h"
#include "core/regions.h"

void
tsr_request_region(struct tsr_region_record const *region, struct tsr_proto_region_reply *reply)
{
	reply->id = region->id;
	reply->bytes = region->memory.bytes;
	reply->number = region->number;
	reply->first_ticket = region->first_ticket;
	reply->tickets = region->tickets;
	reply->flags = region->memory.flags;
	reply->page_bytes_log2 = region->memory.page_log2;
}

static int
region_check(struct tsr_member const *member, struct tsr_proto_region const *request,
             struct tsr_refusal *refusal)
{
	struct tsr_realm const *const realm = member->realm;
	uint32_t const tickets = realm->map.tickets_all - realm->map.tickets_count;

	if (request->reserved != 0)
		return tsr_refuse(refusal, -EINVAL, "a region with reserved 0x%x, expected 0",
		                  request->reserved);
	if (request->tickets == 0 || request->tickets > TSR_REGION_TICKETS_MAX)
		return tsr_refuse(refusal, -EINVAL, "a region with %u tickets, expected 1 to %u",
		                  request->tickets, TSR_REGION_TICKETS_MAX);
	if (realm->map.regions_count == 0 || request->tickets > tickets)
		return tsr_refuse(
			refusal, -ENOBUFS,
			"realm '%s' has %u regions and %u region_tickets, asked for were 1 "
			"and %u; raise them in the configuration",
			realm->entry.name, realm->map.regions_count, tickets, request->tickets);
	return 0;
}

/* Memory first, and without the lock; then a place for it. */
static int
region_create(struct tsr_member *member, struct tsr_proto_region const *request,
              struct tsr_proto_region_reply *reply, int *fd, struct tsr_refusal *refusal)
{
	struct tsr_region_record *region;
	struct tsr_region_memory memory;
	int error = tsr_region_make(member->realm, request->bytes, &memory, refusal);

	if (error != 0)
		return error;
	error = tsr_request_enter(member, refusal);
	if (error == 0) {
		error = tsr_regions_enter(member->realm, member, &memory, request->tickets, &region,
		                          refusal);
		if (error == 0)
			tsr_request_region(region, reply);
		tsr_realm_unlock(member->realm);
	}
	if (error != 0)
		tsr_close_aside(memory.fd);
	*fd = memory.fd;
	return error;
}

/* The client can't be told of its region: it has none. */
static void
region_withdraw(struct tsr_connection *connection, struct tsr_proto_region_reply const *reply)
{
	struct tsr_member *const member = connection->member;
	struct tsr_region_record *region;

	tsr_realm_lock(member->realm);
	region = tsr_regions_find(member->realm, reply->number, reply->id);
	if (region != NULL)
		tsr_regions_close(member->realm, region);
	tsr_realm_unlock(member->realm);
	connection->chore.upkeep.regions = true;
	tsr_request_upkeep_aside(connection, member->realm);
}

/* Not even for a moment is more memory made than the user may have. */
static int
region_may_be(struct tsr_member const *member, uint64_t bytes, struct tsr_refusal *refusal)
{
	struct tsr_quota *const quota = &member->realm->daemon->quota;
	char why[TSR_QUOTA_WHY_BYTES];
	int error = tsr_quota_check(quota, member->uid, TSR_QUOTA_REGIONS, 1, why);

	if (error == 0)
		error = tsr_quota_check(quota, member->uid, TSR_QUOTA_REGION_BYTES, bytes, why);
	return error == 0 ? 0
	                  : tsr_refuse(refusal, error, "a region of %llu bytes: %s",
	                               (unsigned long long)bytes, why);
}

int
tsr_request_region_create(struct tsr_connection *connection, void const *packet,
                          struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_region_reply reply = {0};
	struct tsr_proto_region request;
	int fd = -1;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = region_check(member, &request, refusal);
	if (error == 0 && (request.bytes == 0 || request.bytes > TSR_REGION_BYTES_MAX))
		error = tsr_refuse(refusal, -EINVAL, "a region of %llu bytes, expected 1 to %llu",
		                   (unsigned long long)request.bytes,
		                   (unsigned long long)TSR_REGION_BYTES_MAX);
	if (error == 0)
		error = region_may_be(member, request.bytes, refusal);
	if (error == 0)
		error = region_create(member, &request, &reply, &fd, refusal);
	if (error != 0)
		return error;
	reply.head = tsr_request_reply_head(&request.head, sizeof(reply));
	error = tsr_connection_send_fds(connection, &reply, sizeof(reply), &fd, 1);
	if (error == 0)
		return 0;
	region_withdraw(connection, &reply);
	return tsr_refuse(refusal, -ENOBUFS, "the region's descriptor could not be sent: %s",
	                  strerror(-error));
}

int
tsr_request_region_offer(struct tsr_connection *connection, void const *packet,
                         struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_plain reply;
	struct tsr_proto_region request;
	int fd = -1;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = region_check(member, &request, refusal);
	if (error == 0 && request.bytes != 0)
		error = tsr_refuse(refusal, -EINVAL, "REGION_OFFER of %llu bytes, expected 0",
		                   (unsigned long long)request.bytes);
	if (error == 0 && !member->realm->config->foreign_regions)
		error = tsr_refuse(refusal, -EACCES,
		                   "realm '%s' does not take clients' memory; set "
		                   "'foreign_regions' in the configuration",
		                   member->realm->entry.name);
	if (error == 0)
		error = tsr_offer_open(connection->server, member, request.tickets, &fd, refusal);
	if (error != 0)
		return error;
	reply.head = tsr_request_reply_head(&request.head, sizeof(reply));
	error = tsr_connection_send_fds(connection, &reply, sizeof(reply), &fd, 1);
	/* An offer whose other end is gone is closed by its own event. */
	(void)close(fd);
	if (error != 0)
		return tsr_refuse(refusal, -ENOBUFS, "the socket of an offer could not be sent: %s",
		                  strerror(-error));
	return 0;
}

/* The realm locked, and the region that the packet means. */
static int
region_find(struct tsr_member *member, struct tsr_proto_region_ref const *request,
            struct tsr_region_record **region, struct tsr_refusal *refusal)
{
	int error;

	if (request->reserved != 0)
		return tsr_refuse(refusal, -EINVAL, "a region with reserved 0x%x, expected 0",
		                  request->reserved);
	error = tsr_request_enter(member, refusal);
	if (error != 0)
		return error;
	*region = tsr_regions_find(member->realm, request->number, request->id);
	if (*region != NULL)
		return 0;
	tsr_realm_unlock(member->realm);
	return tsr_refuse(refusal, -ESTALE, "realm '%s' has no region %llu at %u, or no longer",
	                  member->realm->entry.name, (unsigned long long)request->id,
	                  request->number);
}

int
tsr_request_region_map(struct tsr_connection *connection, void const *packet,
                       struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_region_reply reply = {0};
	struct tsr_proto_region_ref request;
	struct tsr_region_record *region = NULL;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = region_find(member, &request, &region, refusal);
	if (region == NULL)
		return error;
	tsr_request_region(region, &reply);
	reply.head = tsr_request_reply_head(&request.head, sizeof(reply));
	error = tsr_connection_send_fds(connection, &reply, sizeof(reply), &region->memory.fd, 1);
	tsr_realm_unlock(member->realm);
	if (error != 0)
		return tsr_refuse(refusal, -ENOBUFS,
		                  "the region's descriptor could not be sent: %s",
		                  strerror(-error));
	return 0;
}

int
tsr_request_region_close(struct tsr_connection *connection, void const *packet,
                         struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_region_ref request;
	struct tsr_region_record *region = NULL;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = region_find(member, &request, &region, refusal);
	if (region == NULL)
		return error;
	if (region->owner != member->id || region->state != TSR_REGION_OPEN)
		error = tsr_refuse(refusal, -EPERM,
		                   "region %llu belongs to client %u '%s', or is closed already",
		                   (unsigned long long)region->id, region->owner, region->name);
	else
		tsr_regions_close(member->realm, region);
	connection->chore.upkeep.regions = true;
	return tsr_request_upkeep(connection, member->realm, &request.head, error);
}

int
tsr_request_region_settle(struct tsr_connection *connection, void const *packet,
                          struct tsr_refusal *refusal)
{
	struct tsr_member *const member = connection->member;
	struct tsr_proto_head head;
	int error = tsr_request_enter(member, refusal);

	memcpy(&head, packet, sizeof(head));
	if (error != 0)
		return error;
	connection->chore.upkeep.regions = true;
	return tsr_request_upkeep(connection, member->realm, &head, 0);
}
