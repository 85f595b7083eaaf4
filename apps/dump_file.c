/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * A dump in a file: core/dump.h. Anybody may have written it: the head's checksum finds accidents,
 * and everything is checked as if it had not.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/dump.h"
#include "apps/dump_core.h"

#define FILE_NOT_OURS "%s is not a saved dump: %s"

int
tsr_dump_save(const struct tsr_dump *dump, const char *file)
{
	char *beside;
	int error, fd;

	if (asprintf(&beside, "%s.XXXXXX", file) < 0)
		return tsr_cli_fail(-ENOMEM, "%s can't be written", file);
	fd = mkostemp(beside, O_CLOEXEC); /* mode 0600 */
	error = fd < 0 ? -errno : tsr_dump_write(dump, fd);
	if (error == 0 && rename(beside, file) != 0)
		error = -errno;
	if (fd >= 0) {
		(void)close(fd);
		if (error != 0)
			(void)unlink(beside);
	}
	free(beside);
	if (error != 0)
		tsr_cli_warn("%s can't be written: %s", file, strerror(-error));
	return error == 0 ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
}

static int
file_read(int fd, void *to, uint64_t bytes, uint64_t offset)
{
	unsigned char *at = to;

	while (bytes > 0) {
		ssize_t const got = pread(fd, at, bytes, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EPROTO;
		at += got;
		offset += (uint64_t)got;
		bytes -= (uint64_t)got;
	}
	return 0;
}

/* Only what is there: holes stay as they are in fresh memory. */
static int
file_read_segment(int fd, struct tsr_mapping const *segment, uint64_t offset)
{
	uint64_t at = 0;
	int error = 0;

	while (error == 0 && at < segment->bytes) {
		off_t const data = lseek(fd, (off_t)(offset + at), SEEK_DATA);
		off_t hole;

		if (data < 0 || (uint64_t)data >= offset + segment->bytes)
			return data < 0 && errno != ENXIO ? -errno : 0;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		at = (uint64_t)data - offset;
		if ((uint64_t)hole > offset + segment->bytes)
			hole = (off_t)(offset + segment->bytes);
		error = file_read(fd, (unsigned char *)segment->base + at, (uint64_t)(hole - data),
		                  (uint64_t)data);
		at += (uint64_t)(hole - data);
	}
	return error;
}

/* Is this a file of ours, and of our build? Return: NULL, or why not. */
static const char *
file_judge_head(const struct tsr_dump_head *head, uint64_t file_bytes)
{
	static char why[160];

	if (head->magic != TSR_DUMP_MAGIC)
		return "it begins with something else";
	if (head->version != TSR_DUMP_VERSION || head->head_bytes != sizeof(*head)) {
		snprintf(why, sizeof(why), "it has format %u, this program knows format %u",
		         head->version, TSR_DUMP_VERSION);
		return why;
	}
	if (head->layout_version != TSR_LAYOUT_VERSION || head->layout_hash != tsr_layout_hash() ||
	    head->realm_row_bytes != sizeof(struct tsr_proto_row_realm) ||
	    head->client_row_bytes != sizeof(struct tsr_proto_row_client)) {
		snprintf(why, sizeof(why),
		         "it was saved by another build (layout %u, hash 0x%016llx, here %u, "
		         "0x%016llx): use the 'tessera' of that build",
		         head->layout_version, (unsigned long long)head->layout_hash,
		         TSR_LAYOUT_VERSION, (unsigned long long)tsr_layout_hash());
		return why;
	}
	if (head->file_bytes != file_bytes) {
		snprintf(why, sizeof(why), "it has %llu bytes and should have %llu",
		         (unsigned long long)file_bytes, (unsigned long long)head->file_bytes);
		return why;
	}
	if (head->clients > TSR_CLIENTS_MAX || head->segments > TSR_SEGMENTS_MAX ||
	    head->segments <= TSR_SEGMENT_ARENA0 || tsr_dump_rows_end(head->clients) > file_bytes)
		return "its head says what cannot be";
	return NULL;
}

static const char *
file_judge_extents(const struct tsr_dump_head *head)
{
	uint64_t const first = tsr_dump_rows_end(head->clients);

	for (uint32_t i = 0; i < head->segments; i++) {
		struct tsr_dump_extent const *const segment = &head->segment[i];

		if (segment->bytes == 0 || segment->bytes > INT64_MAX)
			return "a segment has a size that cannot be";
		if (segment->offset == 0 && i != TSR_SEGMENT_DIRECTORY)
			continue;
		if (i >= TSR_SEGMENT_ARENA0 || segment->offset < first ||
		    segment->offset > head->file_bytes ||
		    segment->bytes > head->file_bytes - segment->offset)
			return "a segment lies outside of it";
	}
	return NULL;
}

static int
file_read_rows(int fd, const struct tsr_dump_head *head, struct tsr_dump *dump)
{
	int error = file_read(fd, &dump->realm, sizeof(dump->realm), sizeof(*head));

	dump->clients = calloc((size_t)head->clients + 1, sizeof(dump->clients[0]));
	if (dump->clients == NULL)
		return -ENOMEM;
	dump->clients_count = head->clients;
	if (error == 0)
		error = file_read(fd, dump->clients,
		                  (uint64_t)head->clients * sizeof(dump->clients[0]),
		                  sizeof(*head) + sizeof(dump->realm));
	dump->taken_ns = head->taken_ns;
	dump->taken_ticks = head->taken_ticks;
	memcpy(dump->release, head->release, sizeof(dump->release));
	return error;
}

static int
file_read_segments(int fd, const struct tsr_dump_head *head, struct tsr_dump *dump)
{
	int error = 0;

	dump->map.segments_count = head->segments;
	for (uint32_t i = 0; error == 0 && i < head->segments; i++) {
		if (i >= TSR_SEGMENT_ARENA0) {
			dump->map.segment[i].bytes = head->segment[i].bytes;
			continue;
		}
		error = tsr_dump_room(dump, i, head->segment[i].bytes);
		if (error != 0 || head->segment[i].offset == 0)
			continue;
		dump->held |= UINT32_C(1) << i;
		error = file_read_segment(fd, &dump->map.segment[i], head->segment[i].offset);
	}
	return error;
}

/* Return: 0; or an exit status, and it is said. */
static int
file_load(int fd, const char *file, struct tsr_dump *dump)
{
	struct tsr_dump_head head;
	const char *why = NULL;
	struct stat status;
	int error;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		why = "it is no file";
	else if (file_read(fd, &head, sizeof(head), 0) != 0)
		why = "it is too short";
	if (why == NULL)
		why = file_judge_head(&head, (uint64_t)status.st_size);
	if (why == NULL)
		why = file_judge_extents(&head);
	if (why == NULL) {
		error = file_read_rows(fd, &head, dump);
		if (error == 0 && tsr_dump_checksum(&head, dump) != head.checksum)
			why = "its checksum is wrong: it was damaged";
		else if (error == 0)
			error = file_read_segments(fd, &head, dump);
		if (why == NULL && error == 0 && tsr_dump_bind(dump) != 0)
			why = "its directory says what cannot be";
		if (why == NULL && error != 0)
			why = strerror(-error);
	}
	if (why != NULL)
		tsr_cli_warn(FILE_NOT_OURS, file, why);
	return why == NULL ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
}

int
tsr_dump_load(const char *file, struct tsr_dump *dump)
{
	/* Not to wait for the writer of a pipe. */
	int const fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int status;

	*dump = (struct tsr_dump){.held = 0};
	if (fd < 0) {
		tsr_cli_warn("%s can't be read: %s", file, strerror(errno));
		return errno == ENOENT ? TSR_EXIT_NOT_FOUND : TSR_EXIT_RUNTIME;
	}
	if (tsr_dump_core_is(fd))
		status = tsr_dump_core_load(fd, file, tsr_globals.realm, dump);
	else
		status = file_load(fd, file, dump);
	(void)close(fd);
	if (status != 0)
		tsr_dump_free(dump);
	return status;
}
