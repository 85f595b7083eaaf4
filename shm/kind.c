/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/kind.h"

#include <string.h>

#define KIND_COUNT (TSR_KIND_BROADCAST + 1)

static const char *const kind_names[KIND_COUNT] = {NULL,        "buffered",  "rendezvous",
                                                   "unlimited", "conflated", "broadcast"};

static struct tsr_kind const *const kind_table[KIND_COUNT] = {
	[TSR_KIND_BUFFERED] = &tsr_kind_buffered,
	[TSR_KIND_BROADCAST] = &tsr_kind_broadcast,
	[TSR_KIND_CONFLATED] = &tsr_kind_conflated,
	[TSR_KIND_RENDEZVOUS] = &tsr_kind_rendezvous,
};

struct tsr_kind const *
tsr_kind_get(uint32_t kind)
{
	return kind < KIND_COUNT ? kind_table[kind] : NULL;
}

const char *
tsr_kind_name(uint32_t kind)
{
	return kind < KIND_COUNT ? kind_names[kind] : NULL;
}

uint32_t
tsr_kind_find(const char *name)
{
	for (uint32_t i = 1; i < KIND_COUNT; i++) {
		if (strcmp(kind_names[i], name) == 0)
			return i;
	}
	return 0;
}

uint64_t
tsr_kind_ring_bytes(struct tsr_shape const *shape)
{
	return sizeof(struct tsr_channel_shm) + (uint64_t)shape->capacity * sizeof(struct tsr_slot);
}

void
tsr_kind_ring_format(struct tsr_channel_shm *shm, struct tsr_shape const *shape, uint64_t first_lap)
{
	for (uint32_t i = 0; i < shape->capacity; i++) {
		tsr_st_rlx(&shm->slot[i].name, TSR_NAME_NONE);
		tsr_st_rlx(&shm->slot[i].range, 0);
		tsr_st_rlx(&shm->slot[i].stamp, 0);
		tsr_st_rlx(&shm->slot[i].word, tsr_slot_word(first_lap, 0, TSR_EMPTY));
	}
}
