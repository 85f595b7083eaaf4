/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/conflated.h"

#include <errno.h>

#include "shm/buffered.h"
#include "shm/drop.h"
#include "shm/kind.h"

/* The word of a slot whose message at @position is ready. */
static uint64_t
conflated_ready(struct tsr_channel const *channel, uint64_t position)
{
	return tsr_slot_word(tsr_channel_lap(channel, position), 0, TSR_READY);
}

static bool
conflated_is_ready(struct tsr_channel const *channel, uint64_t position, uint64_t word)
{
	return (word & ~TSR_READY_AGAIN_BIT) == conflated_ready(channel, position);
}

/* What is at @position counts no more: drop it, unless somebody else has it by now. */
static void
conflated_drop(struct tsr_end *end, uint64_t position)
{
	struct tsr_slot *const slot = tsr_channel_slot(&end->channel, position);
	uint64_t const word = tsr_ld_rlx(&slot->word); /* a look: the exchange acquires it */

	if (conflated_is_ready(&end->channel, position, word))
		(void)!tsr_drop_slot(end, slot, word,
		                     tsr_slot_word(tsr_slot_lap(word) + 1, 0, TSR_EMPTY));
}

/*
 * Claim the slot of @position, or of the first position in that slot that was never used. What is
 * ready there, and older, is dropped first. Return: false somebody has it.
 */
static bool
conflated_claim_at(struct tsr_end *end, uint64_t position)
{
	struct tsr_slot *const slot = tsr_channel_slot(&end->channel, position);
	uint64_t const lap = tsr_channel_lap(&end->channel, position);
	uint64_t word = tsr_ld_rlx(&slot->word); /* a look: the exchange acquires it */
	int64_t ahead = tsr_lap_distance(tsr_slot_lap(word), lap);

	if (tsr_slot_phase(word) == TSR_READY && ahead < 0) {
		conflated_drop(end, position + (uint64_t)ahead * end->channel.capacity);
		word = tsr_ld_rlx(&slot->word); /* likewise */
		ahead = tsr_lap_distance(tsr_slot_lap(word), lap);
	}
	if (tsr_slot_phase(word) != TSR_EMPTY)
		return false;
	if (ahead > 0)
		position += (uint64_t)ahead * end->channel.capacity;
	tsr_end_seek(end, position);
	/* [S1] pairs with [R2]: the last zdesc was read before it is written over. */
	return tsr_cas_acq(&slot->word, &word,
	                   end->expect | ((uint64_t)end->me << 3) | TSR_CLAIMED);
}

/* Claim any slot but that of the newest message. */
static bool
conflated_claim(struct tsr_end *end)
{
	/* [N2] pairs with [N1]: who publishes beyond this publishes something newer. */
	uint64_t const newest = tsr_ld_acq(&end->shm->newest);

	for (uint64_t step = 1; step < end->channel.capacity; step++) {
		if (conflated_claim_at(end, newest + step))
			return true;
	}
	return false;
}

/* What is ready at @mine is the newest, unless something newer is. Then drop what is not. */
static void
conflated_supersede(struct tsr_end *end, uint64_t mine)
{
	uint64_t seen = tsr_ld_rlx(&end->shm->newest);

	/* Whoever is faster makes it newer: soon newer than ours, unless somebody plays with it. */
	for (uint64_t tries = 2 * (uint64_t)end->channel.capacity;
	     tries > 0 && tsr_conflated_newer(mine, seen); tries--) {
		/* [N1] pairs with [N2]: the slot is ready before it is the newest. */
		if (tsr_cas_acq_rel(&end->shm->newest, &seen, mine)) {
			if (tsr_ld_rlx(end->others.mask) != 0)
				tsr_buffered_wake_others(end);
			conflated_drop(end, seen);
			return;
		}
	}
	/* The reaper may have found it before us: then it is the newest all the same. */
	if (seen != mine)
		conflated_drop(end, mine);
	else if (tsr_ld_rlx(end->others.mask) != 0)
		tsr_buffered_wake_others(end);
}

static int
conflated_try_send(struct tsr_end *end, struct tsr_zdesc *zdesc)
{
	struct tsr_ticket *ticket;
	uint64_t position;
	int error = tsr_ticket_own_range(end->map, *zdesc, end->me, &ticket);

	if (error != 0)
		return error;
	/* Who is never told that it is full must be told this. */
	error = tsr_attachment_check(end->attachment);
	if (error != 0)
		return error;
	if (!conflated_claim(end))
		return -EAGAIN;
	position = end->position;
	(void)tsr_buffered_fill(end, tsr_end_slot(end), ticket, zdesc->name, zdesc->range, true);
	conflated_supersede(end, position);
	return 0;
}

static int
conflated_try_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	for (uint64_t tries = 2 * (uint64_t)end->channel.capacity; tries > 0; tries--) {
		/* [N2] pairs with [N1]: its slot is ready, or somebody has taken it since. */
		uint64_t const newest = tsr_ld_acq(&end->shm->newest);
		enum tsr_fast fast;

		tsr_end_seek(end, newest);
		fast = tsr_buffered_recv_fast(end, tsr_buffered_look(end), msg);
		if (fast != TSR_FAST_MISS)
			return tsr_buffered_came(end, fast, msg);
		if (tsr_ld_rlx(&end->shm->newest) == newest)
			return -EAGAIN;
	}
	return -EAGAIN;
}

bool
tsr_conflated_is_empty(struct tsr_channel const *channel)
{
	uint64_t const newest = tsr_ld_rlx(&channel->shm->newest);
	uint64_t const word = tsr_ld_rlx(&tsr_channel_slot(channel, newest)->word);

	/* Of whatever lap: once it was received a sender may use the slot again, and die. */
	return tsr_slot_phase(word) == TSR_EMPTY;
}

static bool
conflated_is_drained(struct tsr_end const *end)
{
	return tsr_conflated_is_empty(&end->channel);
}

/* Receivers: is the newest message there? Senders: they always find a slot, sooner or later. */
static bool
conflated_has_work(struct tsr_end const *end)
{
	uint64_t const newest = tsr_ld_rlx(&end->shm->newest);

	return end->side == TSR_SIDE_SENDER ||
	       conflated_is_ready(&end->channel, newest,
	                          tsr_ld_rlx(&tsr_channel_slot(&end->channel, newest)->word));
}

static bool
conflated_find_work(struct tsr_end *end)
{
	return conflated_has_work(end);
}

static void
conflated_wake_mine(struct tsr_end *end)
{
	if (!conflated_has_work(end))
		tsr_buffered_wake_at_end(end);
	else if (tsr_waiters_wake_one(&end->mine, end->me) > 0)
		tsr_count(&end->attachment->state->wakes, 1);
}

static int
conflated_open(struct tsr_end *end, struct tsr_end_options const *options)
{
	(void)options;
	end->alone = false; /* others take what it sends, and what it receives */
	tsr_end_seek(end, tsr_ld_rlx(&end->shm->newest));
	return 0;
}

static void
conflated_format(struct tsr_channel_shm *shm, struct tsr_shape const *shape, uint64_t first_lap)
{
	tsr_kind_ring_format(shm, shape, first_lap);
	tsr_st_rlx(&shm->newest, (first_lap << (tsr_bit_width(shape->capacity) - 1)) - 1);
}

static uint32_t
conflated_ends(struct tsr_shape const *shape)
{
	return shape->capacity - 2;
}

struct tsr_kind const tsr_kind_conflated = {
	.name = "conflated",
	.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER,
	.capacity = 16,
	.capacity_min = TSR_CONFLATED_CAPACITY_MIN,
	.tapped = true,
	.ends = conflated_ends,
	.bytes = tsr_kind_ring_bytes,
	.format = conflated_format,
	.open = conflated_open,
	.try_send = conflated_try_send,
	.try_recv = conflated_try_recv,
	.has_work = conflated_has_work,
	.find_work = conflated_find_work,
	.is_empty = tsr_conflated_is_empty,
	.is_drained = conflated_is_drained,
	.wake_mine = conflated_wake_mine,
};
