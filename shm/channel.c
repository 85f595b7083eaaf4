/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/channel.h"

#include "shm/kind.h"
#include "shm/unlimited.h"

int
tsr_channel_bind(struct tsr_channel *channel, struct tsr_map const *map, uint32_t index,
                 uint64_t offset, struct tsr_shape shape, uint64_t id)
{
	struct tsr_kind const *const kind = tsr_kind_get(shape.kind);
	uint64_t bytes;

	if (kind == NULL || index >= map->channels_count || !tsr_is_power_of_two(shape.capacity) ||
	    shape.capacity < TSR_SLOTS_MIN || shape.capacity > TSR_SLOTS_MAX ||
	    offset % TSR_CACHELINE != 0)
		return -EPROTO;
	bytes = kind->bytes(&shape);
	if (offset > map->channels_bytes || bytes > map->channels_bytes - offset)
		return -EPROTO;
	*channel = (struct tsr_channel){
		.shm = (struct tsr_channel_shm *)(void *)(map->channels_base + offset),
		.slots = ((struct tsr_channel_shm *)(void *)(map->channels_base + offset))->slot,
		.map = map,
		.tokens = map->tokens != NULL ? &map->tokens[index] : NULL,
		.entry = &map->entries[index],
		.capacity = shape.capacity,
		.mask = shape.capacity - 1,
		.shift = tsr_bit_width(shape.capacity) - 1,
		.flags = shape.flags,
		.kind = shape.kind,
		.id = id,
	};
	return 0;
}

uint64_t
tsr_channel_bytes(struct tsr_channel const *channel)
{
	struct tsr_shape const shape = tsr_channel_shape(channel);

	return tsr_kind_get(shape.kind)->bytes(&shape);
}

uint64_t
tsr_channel_find(struct tsr_channel const *channel)
{
	/* The lap to count from; relaxed, for whatever it is, it is only subtracted and added
	 * again. */
	uint64_t const first_lap = tsr_slot_lap(tsr_ld_rlx(&channel->shm->slot[0].word));
	int64_t newest = -2 * (int64_t)channel->capacity;
	struct tsr_slot *slots;

	if (channel->kind == TSR_KIND_UNLIMITED)
		return tsr_unlimited_next(channel, &slots);
	for (uint32_t i = 0; i < channel->capacity; i++) {
		/* [R1] pairs with [S2]: only a place is sought, what it holds is read later. */
		uint64_t const word = tsr_ld_acq(&channel->shm->slot[i].word);
		int64_t laps = tsr_lap_distance(tsr_slot_lap(word), first_lap);
		int64_t position;

		if (tsr_slot_phase(word) == TSR_EMPTY)
			laps--; /* what it shows is the lap before */
		if (laps < -2 || laps > 2)
			continue; /* cannot be: two slots are at most a capacity apart */
		position = laps * (int64_t)channel->capacity + i;
		if (position > newest)
			newest = position;
	}
	return (first_lap << channel->shift) + (uint64_t)(newest + 1);
}
