/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* Taps of unlimited channels: from segment to segment. */

#include <errno.h>

#include "shm/tap.h"
#include "shm/ticket.h"
#include "shm/unlimited.h"

bool
tsr_tap_stands(struct tsr_tap_own const *tap)
{
	return tap->channel.kind != TSR_KIND_UNLIMITED || tap->ticket == TSR_TICKETS_MAX ||
	       tsr_ld_rlx(&tap->channel.map->tickets[tap->ticket].word) == tap->segment;
}

/* Stand at @position, in the segment of that ticket. Return: false: that is none of the channel's,
 * or it is not said yet. */
static bool
tap_enter(struct tsr_tap_own *tap, struct tsr_slot *slots, uint32_t ticket, uint64_t position)
{
	struct tsr_ticket const *const entry = &tap->channel.map->tickets[ticket];
	uint64_t word = 0;

	if (ticket != TSR_TICKETS_MAX) {
		/* [X4] pairs with [X3]: of which channel it is. */
		word = tsr_ld_acq(&entry->word);
		if (!tsr_word_is_segment(word) || tsr_ld_rlx(&entry->tag) != tap->channel.id)
			return false;
	}
	tap->channel.slots = slots;
	tap->ticket = ticket;
	tap->segment = word;
	tap->position = position;
	return true;
}

static uint64_t
tap_position(struct tsr_tap_own const *tap, uint64_t lap, uint64_t index)
{
	return ((lap & TSR_LAP_MASK) << tap->channel.shift) + index;
}

enum tsr_tap_sight
tsr_tap_cross(struct tsr_tap_own *tap)
{
	struct tsr_channel const *const channel = &tap->channel;
	uint64_t const lap = tsr_channel_lap(channel, tap->position - 1);
	struct tsr_slot *next;
	uint64_t link;
	int64_t ahead;

	if ((tap->position & channel->mask) != 0)
		return tsr_tap_stands(tap) ? TSR_TAP_HERE : TSR_TAP_LAPPED;
	/* [X2] pairs with [X1]: the segment that it names is there. */
	link = tsr_ld_acq(&channel->slots[0].name);
	ahead = tsr_link_distance(link, lap);
	/* [V2] pairs with [V3]: the second look comes after the first. */
	tsr_fence_acq();
	if (ahead > 0 || !tsr_tap_stands(tap))
		return TSR_TAP_LAPPED;
	next = tsr_unlimited_segment(channel, link);
	if (ahead < 0 || next == NULL ||
	    !tap_enter(tap, next, tsr_name_index(link), tap_position(tap, lap + 1, 1)))
		return TSR_TAP_LATER;
	return TSR_TAP_HERE;
}

/* Stand at @position of the segment @slots. Return: false: it is not in the ring any more. */
static bool
tap_stand(struct tsr_tap_own *tap, struct tsr_slot *slots, uint64_t position)
{
	struct tsr_segments at = tsr_segments_of(&tap->channel);

	while (tsr_segments_go(&at)) {
		if (at.slots == slots)
			return tap_enter(tap, slots, at.ticket, position);
	}
	return false;
}

/* The first segment, which is always there, in whatever lap: so what follows is found, later. */
static void
tap_stand_first(struct tsr_tap_own *tap)
{
	struct tsr_slot *const first = tap->channel.shm->slot;

	(void)tap_enter(tap, first, TSR_TICKETS_MAX,
	                tap_position(tap, tsr_slot_lap(tsr_ld_rlx(&first[1].word)), 1));
}

static void
tap_next(struct tsr_tap_own *tap)
{
	struct tsr_slot *slots;
	uint64_t const position = tsr_unlimited_next(&tap->channel, &slots);

	if (!tap_stand(tap, slots, position))
		tap_stand_first(tap);
}

/* At a message that is there, the first from here on, or where the next one goes. */
static enum tsr_tap_sight
tap_skip_gone(struct tsr_tap_own *tap)
{
	enum tsr_tap_sight sight = TSR_TAP_LATER;

	for (uint64_t steps = (uint64_t)tsr_unlimited_most(&tap->channel) * tap->channel.capacity;
	     steps > 0; steps--) {
		sight = tsr_tap_cross(tap);
		if (sight == TSR_TAP_HERE)
			sight = tsr_tap_peek(&tap->channel, tap->position);
		if (sight != TSR_TAP_GONE)
			break;
		tap->position++;
	}
	return sight;
}

static enum tsr_tap_sight
tap_oldest(struct tsr_tap_own *tap)
{
	uint64_t lap;
	struct tsr_slot *const slots = tsr_unlimited_oldest(&tap->channel, &lap);

	if (!tap_stand(tap, slots, tap_position(tap, lap, 1)))
		tap_stand_first(tap);
	return tap_skip_gone(tap);
}

/* The last one that is there; messages that come meanwhile may be newer. */
static void
tap_newest(struct tsr_tap_own *tap)
{
	uint64_t steps = (uint64_t)tsr_unlimited_most(&tap->channel) * tap->channel.capacity;
	struct tsr_tap_own last = *tap;
	enum tsr_tap_sight sight = tap_oldest(tap);
	bool found = false;

	for (; sight == TSR_TAP_HERE && steps > 0; steps--) {
		last = *tap;
		found = true;
		tap->position++;
		sight = tap_skip_gone(tap);
	}
	if (found)
		*tap = last;
}

void
tsr_tap_catch_up(struct tsr_tap_own *tap)
{
	uint64_t const before = tsr_tap_number(tap);
	uint64_t after;

	(void)tap_oldest(tap);
	after = tsr_tap_number(tap);
	if ((int64_t)(after - before) > 0)
		tap->missed += after - before;
}

/* Behind message number @after, or at the oldest if that is later. */
static int
tap_after(struct tsr_tap_own *tap, uint64_t after)
{
	tap_next(tap);
	if (after >= tsr_tap_number(tap))
		return -EINVAL;
	(void)tap_oldest(tap);
	while (tsr_tap_number(tap) <= after && tsr_tap_cross(tap) == TSR_TAP_HERE)
		tap->position++;
	if (tsr_tap_number(tap) > after + 1)
		tap->missed = tsr_tap_number(tap) - after - 1;
	return 0;
}

int
tsr_tap_seek_segment(struct tsr_tap_own *tap, const struct tsr_tap_options *options)
{
	tap->missed = 0;
	switch (options->from) {
	case TSR_TAP_NEXT:
		tap_next(tap);
		return 0;
	case TSR_TAP_OLDEST:
		(void)tap_oldest(tap);
		return 0;
	case TSR_TAP_NEWEST:
		tap_newest(tap);
		return 0;
	case TSR_TAP_AFTER:
		return tap_after(tap, options->after);
	default:
		return -EINVAL;
	}
}
