/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/dump.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "shm/tessera.h"

#define DUMP_BYTES_MAX (UINT64_C(1) << 35)

int
tsr_dump_room(struct tsr_dump *dump, uint32_t segment, uint64_t bytes)
{
	void *base;

	if (bytes == 0 || bytes > DUMP_BYTES_MAX)
		return -ENOMEM;
	/* Only what is written to it takes memory. */
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -ENOMEM;
	dump->map.segment[segment] = (struct tsr_mapping){.base = base, .bytes = bytes};
	return 0;
}

void
tsr_dump_free(struct tsr_dump *dump)
{
	for (uint32_t i = 0; i < TSR_SEGMENTS_MAX; i++) {
		if (dump->map.segment[i].base != NULL)
			(void)munmap(dump->map.segment[i].base, dump->map.segment[i].bytes);
	}
	free(dump->clients);
	*dump = (struct tsr_dump){.held = 0};
}

void
tsr_dump_stamp(struct tsr_dump *dump)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	dump->taken_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
	dump->taken_ticks = tsr_ticks();
}

static uint64_t
dump_fnv(uint64_t hash, const void *bytes, size_t count)
{
	const unsigned char *const at = bytes;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t
tsr_dump_checksum(const struct tsr_dump_head *head, const struct tsr_dump *dump)
{
	struct tsr_dump_head zeroed = *head;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	zeroed.checksum = 0;
	hash = dump_fnv(hash, &zeroed, sizeof(zeroed));
	hash = dump_fnv(hash, &dump->realm, sizeof(dump->realm));
	return dump_fnv(hash, dump->clients,
	                (size_t)dump->clients_count * sizeof(dump->clients[0]));
}

static uint64_t
dump_align(uint64_t offset)
{
	return (offset + TSR_DUMP_ALIGN - 1) / TSR_DUMP_ALIGN * TSR_DUMP_ALIGN;
}

uint64_t
tsr_dump_rows_end(uint32_t clients)
{
	return dump_align(sizeof(struct tsr_dump_head) + sizeof(struct tsr_proto_row_realm) +
	                  (uint64_t)clients * sizeof(struct tsr_proto_row_client));
}

static void
dump_fill_head(const struct tsr_dump *dump, struct tsr_dump_head *head)
{
	uint64_t at = tsr_dump_rows_end(dump->clients_count);

	*head = (struct tsr_dump_head){
		.magic = TSR_DUMP_MAGIC,
		.version = TSR_DUMP_VERSION,
		.head_bytes = sizeof(*head),
		.layout_version = TSR_LAYOUT_VERSION,
		.segments = dump->map.segments_count,
		.layout_hash = tsr_layout_hash(),
		.taken_ns = dump->taken_ns,
		.taken_ticks = dump->taken_ticks,
		.realm_row_bytes = sizeof(struct tsr_proto_row_realm),
		.client_row_bytes = sizeof(struct tsr_proto_row_client),
		.clients = dump->clients_count,
	};
	memcpy(head->release, dump->release, sizeof(head->release));
	for (uint32_t i = 0; i < dump->map.segments_count; i++) {
		head->segment[i].bytes = dump->map.segment[i].bytes;
		if ((dump->held >> i & 1) == 0)
			continue;
		head->segment[i].offset = at;
		at = dump_align(at + head->segment[i].bytes);
	}
	head->file_bytes = at;
	head->checksum = tsr_dump_checksum(head, dump);
}

static bool
dump_is_zero(const unsigned char *bytes, uint64_t count)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

/* Zeros become holes. */
static int
dump_write_segment(int fd, const struct tsr_mapping *segment, uint64_t offset)
{
	int error = 0;

	for (uint64_t at = 0; error == 0 && at < segment->bytes; at += TSR_DUMP_ALIGN) {
		const unsigned char *const page = (const unsigned char *)segment->base + at;
		uint64_t const left = segment->bytes - at;
		uint64_t const bytes = left < TSR_DUMP_ALIGN ? left : TSR_DUMP_ALIGN;

		if (!dump_is_zero(page, bytes))
			error = tsr_file_write(fd, page, bytes, offset + at);
	}
	return error;
}

int
tsr_dump_write(const struct tsr_dump *dump, int fd)
{
	struct tsr_dump_head head;
	int error;

	dump_fill_head(dump, &head);
	error = ftruncate(fd, (off_t)head.file_bytes) == 0 ? 0 : -errno;
	if (error == 0)
		error = tsr_file_write(fd, &head, sizeof(head), 0);
	if (error == 0)
		error = tsr_file_write(fd, &dump->realm, sizeof(dump->realm), sizeof(head));
	if (error == 0)
		error = tsr_file_write(fd, dump->clients,
		                       (uint64_t)dump->clients_count * sizeof(dump->clients[0]),
		                       sizeof(head) + sizeof(dump->realm));
	for (uint32_t i = 0; error == 0 && i < head.segments; i++) {
		if (head.segment[i].offset != 0)
			error = dump_write_segment(fd, &dump->map.segment[i],
			                           head.segment[i].offset);
	}
	if (error == 0 && fsync(fd) != 0)
		error = -errno;
	return error;
}
