/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* Walking the segments of a channel: what ends, the daemon, taps and the shell have in common. */

#include "shm/ticket.h"
#include "shm/unlimited.h"

/* One of so many blocks may be a segment. */
#define UNLIMITED_SHARE 4

uint32_t
tsr_unlimited_most(struct tsr_channel const *channel)
{
	struct tsr_map const *const map = channel->map;
	uint32_t most = 1;

	for (uint32_t k = 0; k < map->classes_count; k++) {
		if (map->klass[k].block_bytes >= tsr_unlimited_bytes(channel->capacity))
			most += map->klass[k].count;
	}
	return most;
}

uint32_t
tsr_unlimited_limit(struct tsr_channel const *channel)
{
	return 2 + tsr_unlimited_most(channel) / UNLIMITED_SHARE;
}

struct tsr_slot *
tsr_unlimited_segment(struct tsr_channel const *channel, uint64_t link)
{
	struct tsr_map const *const map = channel->map;
	uint32_t const index = tsr_name_index(link);
	struct tsr_block const *block;

	if (index == TSR_TICKETS_MAX)
		return channel->shm->slot;
	if (index >= map->tickets_count)
		return NULL;
	block = &map->blocks[index];
	/* Of a saved dump there are no arenas. */
	if (block->capacity < tsr_unlimited_bytes(channel->capacity) ||
	    map->arena_base[block->arena] == NULL)
		return NULL;
	return tsr_block_data(map, block, 0);
}

static uint64_t
segment_link(struct tsr_slot const *slots)
{
	/* [X2] pairs with [X1]: the segment that it names is there. */
	return tsr_ld_acq(&slots[0].name);
}

/* The lap of a segment to which @link leads, with all its bits. */
static uint64_t
segment_lap(struct tsr_slot const *slots, uint64_t link)
{
	uint64_t const near = tsr_slot_lap(tsr_ld_rlx(&slots[1].word));

	return (near + (uint64_t)tsr_link_distance(link, near) + 1) & TSR_LAP_MASK;
}

/* Of all links the one that was made last leads to it. */
struct tsr_slot *
tsr_unlimited_newest(struct tsr_channel const *channel, uint64_t *lap)
{
	struct tsr_slot *const first = channel->shm->slot;
	struct tsr_slot *newest = first, *slots = first;
	uint64_t last = segment_link(first);

	for (uint32_t left = tsr_unlimited_most(channel); left > 0; left--) {
		uint64_t const link = segment_link(slots);
		struct tsr_slot *const next = tsr_unlimited_segment(channel, link);

		if (next == NULL)
			break;
		if (slots == first || tsr_link_distance(link, tsr_name_generation(last)) > 0) {
			last = link;
			newest = next;
		}
		if (next == first)
			break;
		slots = next;
	}
	*lap = segment_lap(newest, last);
	return newest;
}

/* The lap of a message in a segment: its slots that are not empty are all of one. Return: false if
 * there is none. */
static bool
segment_message(struct tsr_channel const *channel, struct tsr_slot const *slots, uint64_t *lap)
{
	for (uint32_t i = 1; i < channel->capacity; i++) {
		uint64_t const word = tsr_ld_rlx(&slots[i].word);

		*lap = tsr_slot_lap(word);
		if (tsr_slot_phase(word) != TSR_EMPTY)
			return true;
	}
	return false;
}

/* First the newest, then all segments: what is sent meanwhile is not before that one. */
struct tsr_slot *
tsr_unlimited_oldest(struct tsr_channel const *channel, uint64_t *lap)
{
	struct tsr_slot *oldest = tsr_unlimited_newest(channel, lap);
	struct tsr_segments at = tsr_segments_of(channel);
	uint64_t found;

	while (tsr_segments_go(&at)) {
		if (!segment_message(channel, at.slots, &found) ||
		    tsr_lap_distance(found, *lap) >= 0)
			continue;
		*lap = found;
		oldest = at.slots;
	}
	return oldest;
}

uint64_t
tsr_unlimited_next(struct tsr_channel const *channel, struct tsr_slot **slots)
{
	uint32_t index = channel->capacity;
	uint64_t lap;

	*slots = tsr_unlimited_newest(channel, &lap);
	/* From the end: what is before one that was claimed was claimed, too. */
	for (; index > 1; index--) {
		/* [R1] pairs with [S2]: only a place is sought. */
		uint64_t const word = tsr_ld_acq(&(*slots)[index - 1].word);
		int64_t const ahead = tsr_lap_distance(tsr_slot_lap(word), lap);

		if (ahead > 0 || (ahead == 0 && tsr_slot_phase(word) != TSR_EMPTY))
			break;
	}
	return (lap << channel->shift) + index;
}

void
tsr_unlimited_format(struct tsr_slot *slots, uint32_t capacity, uint64_t lap, uint64_t link)
{
	for (uint32_t i = 0; i < capacity; i++) {
		tsr_st_rlx(&slots[i].name, i == 0 ? link : TSR_NAME_NONE);
		tsr_st_rlx(&slots[i].range, 0);
		tsr_st_rlx(&slots[i].stamp, 0);
		tsr_st_rlx(&slots[i].word,
		           tsr_slot_word(i == 0 ? 0 : lap, 0, i == 0 ? TSR_LINK : TSR_EMPTY));
	}
}

uint64_t
tsr_unlimited_number(struct tsr_channel const *channel, uint64_t position)
{
	uint64_t const places = (uint64_t)tsr_channel_distance(
		channel, position, channel->map->first_lap << channel->shift);
	uint64_t const index = places & channel->mask;

	/* One place a lap is the link's. */
	return (places >> channel->shift) * channel->mask + (index > 0 ? index - 1 : 0);
}

void
tsr_unlimited_close_ring(struct tsr_channel const *channel, uint64_t lap)
{
	tsr_st_rlx(&channel->shm->segments, 1);
	/* [X1] pairs with [X2]: nobody is there. */
	tsr_st_rel(&channel->shm->slot[0].name, tsr_link_make(TSR_TICKETS_MAX, lap));
}

struct tsr_segments
tsr_segments_of(struct tsr_channel const *channel)
{
	return (struct tsr_segments){
		.channel = channel,
		.left = channel->kind == TSR_KIND_UNLIMITED ? tsr_unlimited_most(channel) : 1,
	};
}

bool
tsr_segments_go(struct tsr_segments *at)
{
	struct tsr_channel const *const channel = at->channel;
	uint64_t link;

	if (at->left == 0)
		return false;
	at->left--;
	if (at->slots == NULL) {
		at->slots = channel->shm->slot;
		at->ticket = TSR_TICKETS_MAX;
		return true;
	}
	link = segment_link(at->slots);
	at->slots = tsr_unlimited_segment(channel, link);
	at->ticket = tsr_name_index(link);
	if (at->slots == NULL || at->slots == channel->shm->slot)
		at->left = 0;
	return at->slots != NULL && at->slots != channel->shm->slot;
}

struct tsr_slots
tsr_slots_of(struct tsr_channel const *channel)
{
	return (struct tsr_slots){.segments = tsr_segments_of(channel),
	                          .index = channel->capacity - 1};
}

bool
tsr_slots_go(struct tsr_slots *at)
{
	struct tsr_channel const *const channel = at->segments.channel;

	if (++at->index == channel->capacity) {
		if (!tsr_segments_go(&at->segments))
			return false;
		at->index = channel->kind == TSR_KIND_UNLIMITED ? 1 : 0;
	}
	at->slot = &at->segments.slots[at->index];
	return true;
}

bool
tsr_slots_all_empty(struct tsr_channel const *channel)
{
	struct tsr_slots at = tsr_slots_of(channel);

	while (tsr_slots_go(&at)) {
		if (tsr_slot_phase(tsr_ld_rlx(&at.slot->word)) != TSR_EMPTY)
			return false;
	}
	return true;
}
