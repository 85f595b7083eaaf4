/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_DUMP_H
#define TSR_CORE_DUMP_H

/*
 * A copy of what a realm has in shared memory, the payload left out, and the file that it is saved
 * in: doc/layout.md, "A saved dump". `tessera dump` makes one of a living realm; the daemon makes
 * one of a realm in which somebody has died (core/postmortem.h).
 *
 * Bytes	head, table of segments, row of the realm, rows of the clients; then the segments,
 *		each from a multiple of 4,096 on, with holes where there is nothing but zeros.
 * Trust	what participants wrote is copied as it is: apps/dump.h checks what it reads back.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/layout.h"
#include "shm/map.h"
#include "shm/proto.h"

/* Of a core file: whose. */
struct tsr_dump_origin {
	bool core;
	uint32_t pid;
	uint32_t thread; /* that the signal met */
	uint32_t signal; /* 0: none, it was written of a process that went on */
	char program[16];
};

struct tsr_dump {
	struct tsr_map map; /* of our copies; arenas have a size and no memory */
	uint32_t held;      /* which segments were copied: one bit each, by enum tsr_segment */
	uint64_t taken_ns;  /* CLOCK_REALTIME */
	uint64_t taken_ticks;
	char release[32]; /* of the daemon */
	struct tsr_proto_row_realm realm;
	struct tsr_proto_row_client *clients;
	uint32_t clients_count;
	struct tsr_dump_origin origin;
};

/* tsr_dump_room - private memory for a segment. Return: 0; -ENOMEM. */
TSR_MUST_CHECK
int tsr_dump_room(struct tsr_dump *dump, uint32_t segment, uint64_t bytes);

/* tsr_dump_stamp - it is taken now. */
void tsr_dump_stamp(struct tsr_dump *dump);

void tsr_dump_free(struct tsr_dump *dump);

#define TSR_DUMP_MAGIC   UINT64_C(0x31504d5544525354) /* "TSRDUMP1" */
#define TSR_DUMP_VERSION UINT32_C(1)
#define TSR_DUMP_ALIGN   UINT64_C(4096)

struct tsr_dump_extent {
	uint64_t offset; /* in the file; 0: it was not copied */
	uint64_t bytes;  /* of the segment */
};

struct tsr_dump_head {
	uint64_t magic;
	uint32_t version; /* of this format */
	uint32_t head_bytes;
	uint32_t layout_version;
	uint32_t segments;
	uint64_t layout_hash;
	uint64_t file_bytes;
	uint64_t checksum; /* FNV-1a of head (with 0 here) and rows */
	uint64_t taken_ns; /* since 1970 */
	uint64_t taken_ticks;
	uint32_t realm_row_bytes;
	uint32_t client_row_bytes;
	uint32_t clients; /* rows */
	uint32_t reserved;
	char release[32];
	struct tsr_dump_extent segment[TSR_SEGMENTS_MAX];
};

static_assert(sizeof(struct tsr_dump_extent) == 16, "format");
static_assert(sizeof(struct tsr_dump_head) == 112 + 16 * TSR_SEGMENTS_MAX, "format");

/* tsr_dump_checksum - over everything that says where the rest is. */
uint64_t tsr_dump_checksum(const struct tsr_dump_head *head, const struct tsr_dump *dump);

/* tsr_dump_rows_end - where the segments may begin, behind the rows of so many clients. */
uint64_t tsr_dump_rows_end(uint32_t clients);

/* tsr_dump_write - all of it into an empty file. Return: 0; a negative errno. */
TSR_MUST_CHECK
int tsr_dump_write(const struct tsr_dump *dump, int fd);

#endif /* TSR_CORE_DUMP_H */
