/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/area.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
tsr_area_create(struct tsr_area *area, uint64_t bytes, uint32_t extents_max)
{
	*area = (struct tsr_area){.bytes = bytes, .used_max = extents_max};
	area->used = calloc(extents_max, sizeof(area->used[0]));
	return area->used == NULL ? -ENOMEM : 0;
}

void
tsr_area_destroy(struct tsr_area *area)
{
	free(area->used);
	*area = (struct tsr_area){0};
}

static void
area_insert(struct tsr_area *area, uint32_t at, uint64_t offset, uint64_t bytes)
{
	memmove(&area->used[at + 1], &area->used[at],
	        (area->used_count - at) * sizeof(area->used[0]));
	area->used[at] = (struct tsr_area_extent){.offset = offset, .bytes = bytes};
	area->used_count++;
}

int
tsr_area_take(struct tsr_area *area, uint64_t offset, uint64_t bytes)
{
	struct tsr_area_extent const *const used = area->used;
	uint32_t at = 0;

	if (area->used_count == area->used_max)
		return -ENOBUFS;
	while (at < area->used_count && used[at].offset < offset)
		at++;
	if (bytes == 0 || offset > area->bytes || bytes > area->bytes - offset ||
	    (at > 0 && used[at - 1].offset + used[at - 1].bytes > offset) ||
	    (at < area->used_count && offset + bytes > used[at].offset))
		return -EINVAL;
	area_insert(area, at, offset, bytes);
	return 0;
}

int
tsr_area_alloc(struct tsr_area *area, uint64_t bytes, uint64_t *offset)
{
	uint64_t gap = 0;
	uint32_t at = 0;

	if (area->used_count == area->used_max || bytes == 0)
		return -ENOBUFS;
	for (; at < area->used_count; at++) {
		if (area->used[at].offset - gap >= bytes)
			break;
		gap = area->used[at].offset + area->used[at].bytes;
	}
	if (at == area->used_count && area->bytes - gap < bytes)
		return -ENOBUFS;
	area_insert(area, at, gap, bytes);
	*offset = gap;
	return 0;
}

int
tsr_area_free(struct tsr_area *area, uint64_t offset)
{
	for (uint32_t at = 0; at < area->used_count; at++) {
		if (area->used[at].offset != offset)
			continue;
		area->used_count--;
		memmove(&area->used[at], &area->used[at + 1],
		        (area->used_count - at) * sizeof(area->used[0]));
		return 0;
	}
	return -EINVAL;
}
