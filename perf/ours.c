/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/ours.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "perf/case.h"
#include "shm/layout.h"

#define OURS_HUGE_BYTES  (UINT64_C(2) << 20)
#define OURS_HUGE_SPARE  64 /* segments beside the arena, and the memory of the baselines */
#define OURS_LOCAL_ALIGN 4096
#define OURS_LINE        256
#define OURS_SEGMENTS    64

void
tsr_perf_setting(struct tsr_perf_plan *plan, const char *format, ...)
{
	size_t i = 0;
	va_list args;

	while (plan->daemon_settings[i][0] != '\0')
		i++;
	assert(i < TSR_PERF_SETTINGS);
	va_start(args, format);
	(void)vsnprintf(plan->daemon_settings[i], TSR_PERF_SETTING_BYTES, format, args);
	va_end(args);
}

/* Channels that grow do so by blocks of the realm: how large these have to be. */
static uint64_t
ours_segment(const struct tsr_perf_plan *plan)
{
	uint32_t slots = 0;

	for (size_t i = 0; i < plan->bench_count; i++) {
		if (plan->benches[i].kind == TSR_KIND_UNLIMITED && plan->benches[i].slots > slots)
			slots = plan->benches[i].slots;
	}
	return slots * sizeof(struct tsr_slot);
}

void
tsr_perf_realm_beside(struct tsr_perf_plan *plan, const char *realm, const char *backing,
                      uint64_t block_bytes, uint64_t blocks)
{
	uint64_t const segment = ours_segment(plan);
	char more[64] = "";

	if (segment > block_bytes)
		(void)snprintf(more, sizeof(more), ",%" PRIu64 ":%d", segment, OURS_SEGMENTS);
	tsr_perf_setting(plan, "realms.%s.classes=%" PRIu64 ":%" PRIu64 "%s", realm, block_bytes,
	                 blocks, more);
	tsr_perf_setting(plan, "realms.%s.backing=%s", realm, backing);
	plan->hugepages += block_bytes * blocks / OURS_HUGE_BYTES + OURS_HUGE_SPARE;
}

void
tsr_perf_realm(struct tsr_perf_plan *plan, const char *backing, uint64_t block_bytes,
               uint64_t blocks)
{
	tsr_perf_realm_beside(plan, TSR_PERF_REALM, backing, block_bytes, blocks);
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

static int
ours_open_end(struct tsr_perf_side *side, struct tsr_perf_link *link, const char *way, bool sends)
{
	struct tsr_channel_options const channel = {
		.size = sizeof(channel),
		.capacity = side->bench->slots,
		.kind = side->bench->kind,
		.flags = side->bench->channel_flags,
	};
	struct tsr_end_options end = {
		.size = sizeof(end),
		.flags = !sends && (side->bench->flags & TSR_PERF_NO_SPIN) != 0 ? TSR_END_NO_SPIN
	                                                                        : 0,
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

/*
 * Meet every page of the realm: what the first touch of one takes is a matter of attaching, and a
 * long ring goes on meeting new ones for seconds. Best effort.
 */
static void
ours_touch(void)
{
	FILE *const maps = fopen("/proc/self/maps", "re");
	char line[OURS_LINE];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		char *end;
		uintptr_t const from = strtoul(line, &end, 16);
		uintptr_t const to = strtoul(end + 1, &end, 16);

		if (strstr(line, "memfd:") != NULL)
			(void)madvise((void *)from, to - from,
			              end[2] == 'w' ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	}
	if (maps != NULL)
		(void)fclose(maps);
}

int
tsr_perf_link_attach(struct tsr_perf_side *side, struct tsr_perf_link *link)
{
	struct tsr_attach_options options = {
		.size = sizeof(options),
		.realm = side->bench->realm != NULL ? side->bench->realm : TSR_PERF_REALM,
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
	if (error == 0)
		ours_touch();
	if (error == 0 && side->index == 0)
		error = tsr_perf_crowd_gather(side, link->client, &link->crowd);
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
	tsr_perf_crowd_leave(&link->crowd);
	(void)tsr_detach(link->client);
	free(link->local);
	link->local = NULL;
}
