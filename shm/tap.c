/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/tap.h"

#include <errno.h>
#include <string.h>

#include "shm/conflated.h"
#include "shm/kind.h"
#include "shm/ticket.h"
#include "shm/unlimited.h"

#define TAP_DEADLINE_MS 5000

static enum tsr_tap_sight
tap_see(struct tsr_channel const *channel, uint64_t position, uint64_t word)
{
	int64_t const distance =
		tsr_lap_distance(tsr_slot_lap(word), tsr_channel_lap(channel, position));
	uint32_t const phase = tsr_slot_phase(word);

	if (distance != 0)
		return distance < 0 ? TSR_TAP_LATER : distance == 1 ? TSR_TAP_GONE : TSR_TAP_LAPPED;
	return phase == TSR_READY || phase == TSR_TAKEN ? TSR_TAP_HERE : TSR_TAP_LATER;
}

static uint64_t
tap_first(struct tsr_tap_own const *tap)
{
	return tap->attachment->map.first_lap << tap->channel.shift;
}

enum tsr_tap_sight
tsr_tap_peek(struct tsr_channel const *channel, uint64_t position)
{
	/* [R1] pairs with [S2]: a look, what is there is loaded later. */
	return tap_see(channel, position, tsr_ld_acq(&tsr_channel_slot(channel, position)->word));
}

/* The first, or the last, position from @from to before @to that has a message; else @to. */
static uint64_t
tap_search(struct tsr_channel const *channel, uint64_t from, uint64_t to, bool last)
{
	for (uint64_t i = 0; i < to - from; i++) {
		uint64_t const position = last ? to - 1 - i : from + i;

		if (tsr_tap_peek(channel, position) == TSR_TAP_HERE)
			return position;
	}
	return to;
}

int
tsr_tap_place(struct tsr_channel const *channel, uint64_t first, uint32_t from, uint64_t after,
              uint64_t *position)
{
	bool const conflated = channel->kind == TSR_KIND_CONFLATED;
	uint64_t const next =
		conflated ? tsr_ld_rlx(&channel->shm->newest) + 1 : tsr_channel_find(channel);
	uint64_t const most = conflated ? 1 : channel->capacity;
	uint64_t const held = next - first < most ? next - first : most;

	switch (from) {
	case TSR_TAP_NEXT:
		*position = next;
		return 0;
	case TSR_TAP_OLDEST:
		*position = tap_search(channel, next - held, next, false);
		return 0;
	case TSR_TAP_NEWEST:
		*position = tap_search(channel, next - held, next, true);
		return 0;
	case TSR_TAP_AFTER:
		if (after >= next - first)
			return -EINVAL;
		*position = first + after + 1;
		return 0;
	default:
		return -EINVAL;
	}
}

/* What is at the tap's position. Of an unlimited channel it goes over links on the way. */
static enum tsr_tap_sight
tap_sight(struct tsr_tap_own *tap)
{
	if (tap->channel.kind == TSR_KIND_UNLIMITED) {
		enum tsr_tap_sight const sight = tsr_tap_cross(tap);

		if (sight != TSR_TAP_HERE)
			return sight;
	}
	return tsr_tap_peek(&tap->channel, tap->position);
}

uint64_t
tsr_tap_number(struct tsr_tap_own const *tap)
{
	return tap->channel.kind == TSR_KIND_UNLIMITED
	               ? tsr_unlimited_number(&tap->channel, tap->position)
	               : tap->position - tap_first(tap);
}

int
tsr_tap_seek(struct tsr_tap_own *tap, const struct tsr_tap_options *options)
{
	if (tap->channel.kind == TSR_KIND_UNLIMITED)
		return tsr_tap_seek_segment(tap, options);
	return tsr_tap_place(&tap->channel, tap_first(tap), options->from, options->after,
	                     &tap->position);
}

/* The range lies in the block, and that, unless it is a region, in the arena. */
static bool
tap_holds(struct tsr_map const *map, struct tsr_block const *block, uint32_t index, uint64_t range)
{
	if (!tsr_block_holds(block, range))
		return false;
	if (index >= map->tickets_count)
		return true;
	return block->arena < map->arenas_count &&
	       block->offset <= map->arena_bytes[block->arena] &&
	       block->capacity <= map->arena_bytes[block->arena] - block->offset;
}

/* The ticket is what a slot of this kind of channel names. */
static bool
tap_is_sent(struct tsr_channel const *channel, uint64_t word, uint64_t name)
{
	return channel->kind == TSR_KIND_BROADCAST ? tsr_word_is_shared(word, name)
	                                           : tsr_word_is(word, name, TSR_HOLDER_CHANNEL);
}

bool
tsr_tap_take(struct tsr_map const *map, struct tsr_channel const *channel, uint64_t position,
             void *to, size_t bytes, struct tsr_copy *copy)
{
	struct tsr_slot const *const slot = tsr_channel_slot(channel, position);
	uint64_t const name = tsr_ld_rlx(&slot->name);
	uint64_t const range = tsr_ld_rlx(&slot->range);
	uint64_t const stamp = tsr_ld_rlx(&slot->stamp);
	uint32_t const index = tsr_name_index(name);
	size_t const length = tsr_range_length(range);
	struct tsr_block block;

	if (index >= map->tickets_all)
		return false;
	block = map->blocks[index];
	/* [V1] pairs with [T1]: what the sender wrote, and that it sent it. */
	if (!tap_is_sent(channel, tsr_ld_acq(&map->tickets[index].word), name) ||
	    !tap_holds(map, &block, index, range))
		return false;
	copy->length = (uint32_t)length;
	copy->copied = (uint32_t)(length < bytes ? length : bytes);
	copy->stamp = stamp;
	if (index >= map->tickets_count)
		copy->copied = 0; /* of a region, which is not mapped here */
	else
		tsr_ld_bytes(to, tsr_block_data(map, &block, range), copy->copied);
	/* [V2] pairs with [V3]: the second look comes after the copy. */
	tsr_fence_acq();
	return tap_see(channel, position, tsr_ld_rlx(&slot->word)) == TSR_TAP_HERE &&
	       tap_is_sent(channel, tsr_ld_rlx(&map->tickets[index].word), name);
}

/* The message at the tap's position is gone. */
static void
tap_pass(struct tsr_tap_own *tap, uint64_t positions)
{
	tap->position += positions;
	tap->missed += positions;
}

/* The tap was overtaken: how far it is to the oldest message that may still be there. */
static uint64_t
tap_behind(struct tsr_tap_own const *tap)
{
	uint64_t const oldest = tsr_channel_find(&tap->channel) - tap->channel.capacity;
	int64_t const behind = (int64_t)(oldest - tap->position);

	return behind > 1 ? (uint64_t)behind : 1;
}

/* The message there is gone. Return: false: so is every way to the next, as it was a moment ago. */
static bool
tap_go_on(struct tsr_tap_own *tap, enum tsr_tap_sight sight, bool *searched)
{
	/* Once a call: words that can't be must not make us search for ever. */
	bool const search = sight == TSR_TAP_LAPPED && !*searched;

	*searched = *searched || search;
	if (sight == TSR_TAP_LAPPED && tap->channel.kind == TSR_KIND_UNLIMITED) {
		if (search)
			tsr_tap_catch_up(tap);
		return search;
	}
	tap_pass(tap, search ? tap_behind(tap) : 1);
	return true;
}

/* Of a conflated channel only the newest message counts. */
static void
tap_follow(struct tsr_tap_own *tap)
{
	uint64_t newest;

	if (tap->channel.kind != TSR_KIND_CONFLATED)
		return;
	/* [N2] pairs with [N1]: its slot is ready, or somebody has taken it since. */
	newest = tsr_ld_acq(&tap->channel.shm->newest);
	if (tsr_conflated_newer(newest, tap->position))
		tap_pass(tap, newest - tap->position);
}

/* Places that a call may pass. */
static uint64_t
tap_steps(struct tsr_channel const *channel)
{
	uint64_t const segments =
		channel->kind == TSR_KIND_UNLIMITED ? tsr_unlimited_most(channel) : 1;

	return 2 * segments * channel->capacity + 4;
}

int
tsr_tap_copy(struct tsr_tap_own *tap, void *to, size_t bytes, struct tsr_copy *copy)
{
	uint32_t tries = TSR_TAP_TRIES;
	struct tsr_copy found = {0};
	bool searched = false;

	for (uint64_t steps = tap_steps(&tap->channel); steps > 0; steps--) {
		enum tsr_tap_sight sight;

		tap_follow(tap);
		sight = tap_sight(tap);
		if (sight == TSR_TAP_LATER)
			return -EAGAIN;
		if (sight == TSR_TAP_GONE || sight == TSR_TAP_LAPPED) {
			if (!tap_go_on(tap, sight, &searched))
				return -ESTALE;
			continue;
		}
		if (tsr_tap_take(&tap->attachment->map, &tap->channel, tap->position, to, bytes,
		                 &found) &&
		    tsr_tap_stands(tap)) {
			found.sequence = tsr_tap_number(tap);
			found.missed = tap->missed;
			*copy = found;
			tap->position++;
			tap->missed = 0;
			return 0;
		}
		tap_pass(tap, 1);
		if (--tries == 0)
			return -ESTALE;
	}
	return -ESTALE;
}

int
tsr_tap_glance(struct tsr_tap_own *tap, struct tsr_copy *copy)
{
	enum tsr_tap_sight sight = tap_sight(tap);
	/* Where that has led. */
	struct tsr_slot const *const slot = tsr_channel_slot(&tap->channel, tap->position);
	/* [R1] pairs with [S2]: name, range and stamp as they were published. */
	uint64_t const word = tsr_ld_acq(&slot->word);
	uint64_t const name = tsr_ld_rlx(&slot->name);
	uint64_t const range = tsr_ld_rlx(&slot->range);
	uint64_t const stamp = tsr_ld_rlx(&slot->stamp);
	bool searched = false;

	if (sight == TSR_TAP_HERE || sight == TSR_TAP_GONE)
		sight = tap_see(&tap->channel, tap->position, word);
	if (sight == TSR_TAP_LATER)
		return -EAGAIN;
	/* [V2] pairs with [V3]: the second look comes after the first. */
	tsr_fence_acq();
	if (sight == TSR_TAP_LAPPED ||
	    (sight == TSR_TAP_GONE && tsr_slot_phase(word) != TSR_EMPTY) || name == TSR_NAME_NONE ||
	    tsr_ld_rlx(&slot->word) != word || !tsr_tap_stands(tap)) {
		(void)tap_go_on(tap, sight, &searched);
		return -ESTALE;
	}
	*copy = (struct tsr_copy){.sequence = tsr_tap_number(tap),
	                          .missed = tap->missed,
	                          .stamp = stamp,
	                          .length = (uint32_t)tsr_range_length(range)};
	tap->position++;
	tap->missed = 0;
	return 0;
}

bool
tsr_tap_look(struct tsr_tap_own const *tap)
{
	struct tsr_tap_own now = *tap;

	tap_follow(&now);
	return tap_sight(&now) != TSR_TAP_LATER;
}

/* Is the channel that the tap was opened on still there, and its realm? */
static int
tap_check(struct tsr_tap_own const *tap)
{
	int const error = tsr_attachment_check(tap->attachment);

	if (error != 0)
		return error;
	/* [F3] pairs with [F2]: the channel that was asked for, and not a later one. */
	return tsr_ld_acq(&tap->channel.entry->id) == tap->channel.id ? 0 : -ENOENT;
}

int
tsr_read_copy(struct tsr_tap tap, void *to, size_t bytes, struct tsr_copy *copy)
{
	struct tsr_tap_own *const own = tsr_tap_get(tap);
	int error, gone;

	if (own == NULL)
		return -ENOTCONN;
	if (copy == NULL || (to == NULL && bytes > 0))
		return -EINVAL;
	error = tap_check(own);
	if (error != 0)
		return error;
	error = tsr_tap_copy(own, to, bytes, copy);
	/* A channel that was removed meanwhile may have left its slots to another one. */
	gone = tap_check(own);
	return gone != 0 ? gone : error;
}

/* The process lock is held. */
static int
tap_bind(struct tsr_tap_own *tap, struct tsr_attachment *attachment, const char *name,
         const struct tsr_tap_options *options)
{
	struct tsr_proto_channel_find request = {0};
	struct tsr_proto_channel_found found;
	int error;

	memcpy(request.name, name, strlen(name));
	error = tsr_control_ask(&attachment->control, TSR_PROTO_CHANNEL_FIND, &request,
	                        sizeof(request), &found, sizeof(found), NULL,
	                        tsr_deadline_in_ms(TAP_DEADLINE_MS));
	if (error != 0)
		return error;
	*tap = (struct tsr_tap_own){.attachment = attachment};
	error = tsr_channel_bind(&tap->channel, &attachment->map, found.index, found.offset,
	                         (struct tsr_shape){.kind = found.kind,
	                                            .capacity = found.capacity,
	                                            .flags = found.flags},
	                         found.channel_id);
	if (error == 0 && !tsr_kind_get(found.kind)->tapped)
		error = -EOPNOTSUPP;
	if (error == 0)
		error = tap_check(tap);
	return error != 0 ? error : tsr_tap_seek(tap, options);
}

static int
tap_open_locked(struct tsr_attachment *attachment, const char *name,
                const struct tsr_tap_options *options, struct tsr_tap *out)
{
	struct tsr_tap_own *tap;
	uint32_t index = 0;
	int error;

	while (index < TSR_TAPS_MAX && tsr_process->tap[index].handle != 0)
		index++;
	if (index == TSR_TAPS_MAX) {
		tsr_hint_set("this process has %d taps open, expected at most that", TSR_TAPS_MAX);
		return -ENOBUFS;
	}
	tap = &tsr_process->tap[index];
	error = tap_bind(tap, attachment, name, options);
	if (error != 0)
		return error;
	tap->handle = tsr_handle_new(index);
	out->handle = tap->handle;
	return 0;
}

int
tsr_tap_open(struct tsr_client client, const char *name, const struct tsr_tap_options *options,
             struct tsr_tap *out)
{
	struct tsr_tap_options const defaults = {.size = sizeof(defaults)};
	struct tsr_attachment *attachment;
	int error;

	if (options == NULL)
		options = &defaults;
	if (out == NULL || name == NULL || name[0] == '\0' || options->size != sizeof(*options) ||
	    options->reserved != 0)
		return -EINVAL;
	if (strnlen(name, TSR_NAME_BYTES) == TSR_NAME_BYTES)
		return -ENAMETOOLONG;
	(void)pthread_mutex_lock(&tsr_process_lock);
	attachment = tsr_attachment_get(client);
	error = attachment == NULL ? -ENOTCONN : tap_open_locked(attachment, name, options, out);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

int
tsr_tap_close(struct tsr_tap tap)
{
	struct tsr_tap_own *own;

	(void)pthread_mutex_lock(&tsr_process_lock);
	own = tsr_tap_get(tap);
	if (own != NULL) {
		own->handle = 0;
		tsr_tap_event_drop(own, false);
	}
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return own == NULL ? -ENOTCONN : 0;
}
