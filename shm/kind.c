/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/kind.h"

#include <stdio.h>
#include <string.h>

#define KIND_COUNT (TSR_KIND_BROADCAST + 1)

static const char *const kind_names[KIND_COUNT] = {NULL,        "buffered",  "rendezvous",
                                                   "unlimited", "conflated", "broadcast"};

static struct tsr_kind const *const kind_table[KIND_COUNT] = {
	[TSR_KIND_BUFFERED] = &tsr_kind_buffered,   [TSR_KIND_BROADCAST] = &tsr_kind_broadcast,
	[TSR_KIND_CONFLATED] = &tsr_kind_conflated, [TSR_KIND_RENDEZVOUS] = &tsr_kind_rendezvous,
	[TSR_KIND_UNLIMITED] = &tsr_kind_unlimited,
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

/* By bit. */
static const char *const kind_flags[] = {"one-sender", "one-receiver", "drop-newest", "drop-oldest",
                                         "requeue",    "evict",        "lap"};

#define KIND_FLAGS (sizeof(kind_flags) / sizeof(kind_flags[0]))

static_assert(TSR_CHANNEL_LAP == UINT32_C(1) << (KIND_FLAGS - 1), "a word for each flag");

const char *
tsr_kind_flags(uint32_t flags, char text[TSR_KIND_FLAGS_BYTES])
{
	size_t at = 0;

	for (size_t i = 0; i < KIND_FLAGS; i++) {
		if ((flags & UINT32_C(1) << i) != 0)
			at += (size_t)snprintf(text + at, TSR_KIND_FLAGS_BYTES - at, "%s%s",
			                       at > 0 ? ", " : "", kind_flags[i]);
	}
	if ((flags >> KIND_FLAGS) != 0)
		at += (size_t)snprintf(text + at, TSR_KIND_FLAGS_BYTES - at, "%s0x%x",
		                       at > 0 ? ", " : "", flags >> KIND_FLAGS << KIND_FLAGS);
	if (at == 0)
		(void)snprintf(text, TSR_KIND_FLAGS_BYTES, "no flags");
	return text;
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
