/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_DUMP_FILE_H
#define TSR_APPS_DUMP_FILE_H

/*
 * The file that a dump is saved in: doc/layout.md, "A saved dump".
 *
 * Bytes	head, table of segments, row of the realm, rows of the clients; then the segments,
 *		each from a multiple of 4,096 on, with holes where there is nothing but zeros.
 * Trust	anybody may have written it: the head's checksum finds accidents, and everything is
 *		checked as if it had not.
 */

#include <assert.h>
#include <stdint.h>

#include "shm/layout.h"

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

#endif /* TSR_APPS_DUMP_FILE_H */
