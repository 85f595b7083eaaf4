/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/dump.h"
#include "shm/access.h"
#include "shm/format.h"
#include "shm/kind.h"

/* Copy a part by read: whatever a participant does to the pages, this is an errno and no signal. */
static int
take_part(struct tsr_dump *dump, uint32_t segment, int fd, uint64_t offset, uint64_t bytes)
{
	struct tsr_mapping const *const to = &dump->map.segment[segment];

	if (offset > to->bytes || bytes > to->bytes - offset)
		return -EPROTO;
	while (bytes > 0) {
		ssize_t const got =
			pread(fd, (unsigned char *)to->base + offset, bytes, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EPROTO;
		offset += (uint64_t)got;
		bytes -= (uint64_t)got;
	}
	return 0;
}

/* Of the channels only what the directory says is in use: the rest may be gigabytes of nothing. */
static int
take_channels(struct tsr_dump *dump, int fd)
{
	struct tsr_mapping const *const mapping = &dump->map.segment[TSR_SEGMENT_DIRECTORY];
	struct tsr_directory const *const directory = mapping->base;
	struct tsr_channel_entry const *entries;

	if (mapping->bytes < sizeof(*directory) || directory->channels_offset > mapping->bytes ||
	    (uint64_t)directory->channels * sizeof(*entries) >
	            mapping->bytes - directory->channels_offset)
		return -EPROTO;
	entries =
		(struct tsr_channel_entry const *)(void const *)((unsigned char const *)directory +
	                                                         directory->channels_offset);
	for (uint32_t i = 0; i < directory->channels; i++) {
		struct tsr_shape const shape = tsr_channel_entry_shape(&entries[i]);
		struct tsr_kind const *const kind = tsr_kind_get(shape.kind);
		int error = 0;

		if (tsr_ld_rlx(&entries[i].id) != 0 && kind != NULL)
			error = take_part(dump, TSR_SEGMENT_CHANNELS, fd, entries[i].offset,
			                  kind->bytes(&shape));
		/* Half written or half removed, that moment: it is left out. */
		if (error != 0 && error != -EPROTO)
			return error;
	}
	return 0;
}

static int
take_segment(struct tsr_dump *dump, uint32_t segment, int fd)
{
	dump->held |= UINT32_C(1) << segment;
	if (segment == TSR_SEGMENT_CHANNELS)
		return take_channels(dump, fd);
	return take_part(dump, segment, fd, 0, dump->map.segment[segment].bytes);
}

/* Copy what came; the descriptors are closed. */
static int
take_segments(struct tsr_dump *dump, const struct tsr_proto_segments_reply *reply, const int *fds,
              size_t fds_count)
{
	size_t next = 0;
	int error = 0;

	if (reply->segments > TSR_SEGMENTS_MAX || reply->segments <= TSR_SEGMENT_ARENA0)
		error = -EPROTO;
	dump->map.segments_count = error == 0 ? reply->segments : 0;
	for (uint32_t i = 0; error == 0 && i < dump->map.segments_count; i++) {
		bool const sent = (reply->sent >> i & 1) != 0;

		if (i >= TSR_SEGMENT_ARENA0)
			dump->map.segment[i].bytes = reply->bytes[i];
		else
			error = tsr_dump_room(dump, i, reply->bytes[i]);
		if (error == 0 && sent)
			error = next < fds_count && i < TSR_SEGMENT_ARENA0
			                ? take_segment(dump, i, fds[next++])
			                : -EPROTO;
	}
	for (size_t i = 0; i < fds_count; i++)
		(void)close(fds[i]);
	return error;
}

static void
take_realm_row(void *argument, const void *row)
{
	memcpy(argument, row, sizeof(struct tsr_proto_row_realm));
}

static void
take_client_row(void *argument, const void *row)
{
	struct tsr_dump *const dump = argument;
	struct tsr_proto_row_client *const rows = realloc(
		dump->clients, (dump->clients_count + (size_t)1) * sizeof(dump->clients[0]));

	if (rows == NULL) {
		tsr_cli_warn("out of memory");
		exit(TSR_EXIT_RUNTIME);
	}
	memcpy(&rows[dump->clients_count++], row, sizeof(rows[0]));
	dump->clients = rows;
}

static int
take_from(struct tsr_control *control, const char *realm, struct tsr_dump *dump)
{
	struct tsr_proto_segments request = {.realm = ""};
	struct tsr_proto_segments_reply reply;
	int fds[TSR_SEGMENTS_MAX];
	size_t count = 0;
	uint64_t const listed_ns = tsr_now_ns();
	int error = tsr_cli_each(control, TSR_LIST_REALMS, realm, sizeof(dump->realm),
	                         take_realm_row, &dump->realm);

	if (error == 0)
		error = tsr_cli_each(control, TSR_LIST_CLIENTS, realm, sizeof(dump->clients[0]),
		                     take_client_row, dump);
	if (error != 0)
		return error;
	strcpy(request.realm, realm);
	error = tsr_control_ask_fds(control, TSR_PROTO_SEGMENTS, &request, sizeof(request), &reply,
	                            sizeof(reply), fds, TSR_SEGMENTS_MAX, &count,
	                            tsr_cli_deadline());
	if (error == 0)
		error = take_segments(dump, &reply, fds, count);
	tsr_dump_stamp(dump);
	for (uint32_t i = 0; i < dump->clients_count; i++)
		dump->clients[i].since_ns += tsr_now_ns() - listed_ns;
	memcpy(dump->release, control->release, sizeof(dump->release));
	if (error == 0)
		error = tsr_dump_bind(dump);
	return error == 0 ? 0 : tsr_cli_fail(error, "the realm '%s' can't be looked at", realm);
}

int
tsr_dump_take(const char *realm, struct tsr_dump *dump)
{
	struct tsr_control control;
	int status = tsr_cli_connect(&control);

	*dump = (struct tsr_dump){.held = 0};
	if (status != 0)
		return status;
	status = take_from(&control, realm, dump);
	tsr_control_close(&control);
	if (status != 0)
		tsr_dump_free(dump);
	return status;
}
