/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_AREA_H
#define TSR_CORE_AREA_H

/*
 * Who has which bytes of a segment: first fit over a sorted list that only the daemon sees.
 */

#include <stdint.h>

#include "shm/compiler.h"

struct tsr_area_extent {
	uint64_t offset;
	uint64_t bytes;
};

struct tsr_area {
	uint64_t bytes;               /* of the segment */
	struct tsr_area_extent *used; /* ascending, apart */
	uint32_t used_count;
	uint32_t used_max;
};

/* tsr_area_create - room for @extents_max pieces of @bytes. Return: 0; -ENOMEM. */
TSR_MUST_CHECK
int tsr_area_create(struct tsr_area *area, uint64_t bytes, uint32_t extents_max);
void tsr_area_destroy(struct tsr_area *area);

/* tsr_area_alloc - @bytes is a multiple of 64. Return: 0; -ENOBUFS no gap is large enough. */
TSR_MUST_CHECK
int tsr_area_alloc(struct tsr_area *area, uint64_t bytes, uint64_t *offset);

/* tsr_area_take - this very piece. Return: 0; -EINVAL it is not in the segment, or not free;
 * -ENOBUFS there are as many pieces as there may be. */
TSR_MUST_CHECK
int tsr_area_take(struct tsr_area *area, uint64_t offset, uint64_t bytes);

/* tsr_area_free - the piece that begins at @offset. Return: 0; -EINVAL none does. */
int tsr_area_free(struct tsr_area *area, uint64_t offset);

#endif /* TSR_CORE_AREA_H */
