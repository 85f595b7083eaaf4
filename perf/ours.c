/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/ours.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perf/case.h"

#define OURS_HUGE_BYTES  (UINT64_C(2) << 20)
#define OURS_HUGE_SPARE  64 /* segments beside the arena, and the memory of the baselines */
#define OURS_LOCAL_ALIGN 4096

void
tsr_perf_setting(struct tsr_perf_plan *plan, const char *setting)
{
	for (size_t i = 0; i < TSR_PERF_SETTINGS; i++) {
		if (plan->daemon_settings[i][0] == '\0') {
			(void)snprintf(plan->daemon_settings[i], TSR_PERF_SETTING_BYTES, "%s",
			               setting);
			return;
		}
	}
}

void
tsr_perf_realm(struct tsr_perf_plan *plan, const char *backing, uint64_t block_bytes,
               uint64_t blocks)
{
	char setting[TSR_PERF_SETTING_BYTES];
	uint64_t arena_bytes = block_bytes * blocks;

	(void)snprintf(setting, sizeof(setting),
	               "realms." TSR_PERF_REALM ".classes=%" PRIu64 ":%" PRIu64, block_bytes,
	               blocks);
	tsr_perf_setting(plan, setting);
	(void)snprintf(setting, sizeof(setting), "realms." TSR_PERF_REALM ".backing=%s", backing);
	tsr_perf_setting(plan, setting);
	plan->hugepages += arena_bytes / OURS_HUGE_BYTES + OURS_HUGE_SPARE;
}

int
tsr_perf_failed_call(struct tsr_perf_side *side, const char *call, int error)
{
	const char *hint = tsr_last_hint();

	return tsr_perf_fail(side, error, "%s: %s: %s %s", side->bench->name, call,
	                     tsr_strerror(error), hint);
}

static void
ours_name(const struct tsr_perf_side *side, const char *way, char *out, size_t out_bytes)
{
	/* The bench's address tells benchmarks of one plan apart, and is the same on both sides. */
	(void)snprintf(out, out_bytes, "perf-%" PRIxPTR "-%s", (uintptr_t)side->bench, way);
}

static struct tsr_channel_options
ours_channel(const struct tsr_perf_side *side)
{
	bool const many = (side->bench->flags & TSR_PERF_MANY) != 0;
	bool const senders = (side->bench->flags & TSR_PERF_MANY_SENDERS) != 0;
	uint32_t const drops =
		(side->bench->flags & TSR_PERF_DROP_OLDEST) != 0 ? TSR_CHANNEL_DROP_OLDEST : 0;
	uint32_t const requeue =
		(side->bench->flags & TSR_PERF_REQUEUE) != 0 ? TSR_CHANNEL_REQUEUE : 0;

	return (struct tsr_channel_options){
		.size = sizeof(struct tsr_channel_options),
		.capacity = side->bench->slots,
		.kind = (side->bench->flags & TSR_PERF_CONFLATED) != 0    ? TSR_KIND_CONFLATED
	                : (side->bench->flags & TSR_PERF_RENDEZVOUS) != 0 ? TSR_KIND_RENDEZVOUS
	                : (side->bench->flags & TSR_PERF_BROADCAST) != 0  ? TSR_KIND_BROADCAST
	                                                                  : TSR_KIND_BUFFERED,
		.flags = many      ? drops | requeue
	                 : senders ? TSR_CHANNEL_ONE_RECEIVER
	                           : TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER,
	};
}

static int
ours_open_end(struct tsr_perf_side *side, struct tsr_perf_link *link, const char *way, bool sends)
{
	struct tsr_channel_options channel = ours_channel(side);
	struct tsr_end_options end = {
		.size = sizeof(end),
		.flags = (side->bench->flags & TSR_PERF_NO_SPIN) != 0 ? TSR_END_NO_SPIN : 0,
		.create = &channel,
	};
	char name[TSR_NAME_BYTES];
	int error;

	ours_name(side, way, name, sizeof(name));
	if (sends) {
		error = tsr_sender_open(link->client, name, &end, &link->sender);
		return error != 0 ? tsr_perf_failed_call(side, "tsr_sender_open", error) : 0;
	}
	error = tsr_receiver_open(link->client, name, &end, &link->receiver);
	return error != 0 ? tsr_perf_failed_call(side, "tsr_receiver_open", error) : 0;
}

int
tsr_perf_link_attach(struct tsr_perf_side *side, struct tsr_perf_link *link)
{
	bool const quiet = (side->bench->flags & TSR_PERF_QUIET) != 0;
	struct tsr_attach_options options = {
		.size = sizeof(options),
		.realm = quiet ? TSR_PERF_QUIET_REALM : TSR_PERF_REALM,
	};
	struct tsr_client_info info = {.size = sizeof(info)};
	int error = tsr_attach(&options, &link->client);

	if (error != 0)
		return tsr_perf_failed_call(side, "tsr_attach", error);
	error = tsr_client_info(link->client, &info);
	if (error != 0)
		return tsr_perf_failed_call(side, "tsr_client_info", error);
	if (side->index == 0)
		(void)snprintf(side->world->page, sizeof(side->world->page), "%s", info.backing);
	return 0;
}

int
tsr_perf_link_open(struct tsr_perf_side *side, struct tsr_perf_link *link)
{
	int error;

	memset(link, 0, sizeof(*link));
	link->payload_bytes = side->bench->payload_bytes;
	if ((side->bench->flags & TSR_PERF_COPY_IN) != 0) {
		link->local = aligned_alloc(OURS_LOCAL_ALIGN, link->payload_bytes);
		if (link->local == NULL)
			return -ENOMEM;
	}
	error = tsr_perf_link_attach(side, link);
	return error != 0 ? error : ours_open_end(side, link, "out", side->index == 0);
}

int
tsr_perf_link_back(struct tsr_perf_side *side, struct tsr_perf_link *link)
{
	return ours_open_end(side, link, "back", side->index != 0);
}

int
tsr_perf_link_again(struct tsr_perf_side *side, struct tsr_perf_link *link)
{
	return ours_open_end(side, link, "out", side->index == 0);
}

int
tsr_perf_link_further(struct tsr_perf_side *side, struct tsr_perf_link *link, unsigned number)
{
	char way[16];

	(void)snprintf(way, sizeof(way), "out-%u", number);
	return ours_open_end(side, link, way, side->index == 0);
}

int
tsr_perf_link_asker(struct tsr_perf_side *side, struct tsr_perf_link *link, struct tsr_asker *asker)
{
	char name[TSR_NAME_BYTES];
	int error;

	ours_name(side, "out", name, sizeof(name));
	error = tsr_asker_open(link->client, name, asker);
	return error != 0 ? tsr_perf_failed_call(side, "tsr_asker_open", error) : 0;
}

void
tsr_perf_link_close(struct tsr_perf_link *link)
{
	(void)tsr_detach(link->client);
	free(link->local);
	link->local = NULL;
}
