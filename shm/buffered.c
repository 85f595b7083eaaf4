/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/buffered.h"

#include "shm/message.h"

/* The end has lost its place (it slept for more than a lap, or a word cannot be): find it anew. */
static int
buffered_find(struct tsr_end *end)
{
	uint64_t const newest = tsr_channel_find(&end->channel);
	uint64_t const position =
	        end->side == TSR_SIDE_SENDER ? newest : newest - end->channel.capacity;

	if (position == end->position)
		return -EAGAIN;
	end->position = position;
	return 0;
}

int
tsr_buffered_send_miss(struct tsr_end *end, uint64_t word)
{
	int64_t const distance = tsr_lap_distance(tsr_slot_lap(word), tsr_end_lap(end));
	bool const empty = tsr_slot_phase(word) == TSR_EMPTY;

	if (distance == 1 || (distance == 0 && !empty)) {
		end->position++; /* past, or another sender's */
		return 0;
	}
	if (distance == 0)
		return 0; /* another sender was faster, and died: the reaper emptied it */
	if (distance == -1 && !empty)
		return -EAGAIN; /* full: a capacity ago it was sent and it is not yet received */
	return buffered_find(end);
}

int
tsr_buffered_recv_miss(struct tsr_end *end, uint64_t word)
{
	int64_t const distance = tsr_lap_distance(tsr_slot_lap(word), tsr_end_lap(end));
	uint32_t const phase = tsr_slot_phase(word);
	uint64_t redo;

	if (distance == 1 || (distance == 0 && phase == TSR_TAKEN)) {
		end->position++; /* past, or another receiver's */
		return 0;
	}
	if (distance == 0 && phase == TSR_READY)
		return 0; /* the reaper made it ready again between load and exchange */
	if (distance != 0 && distance != -1)
		return buffered_find(end);
	/* [Q1] pairs with [Q2]: what was made ready again is visible. */
	redo = tsr_ld_acq(&end->shm->redo);
	if (redo == end->redo_seen)
		return -EAGAIN;
	end->redo_seen = redo;
	end->position -= end->channel.capacity;
	return 0;
}

void
tsr_buffered_wake_others(struct tsr_end *end)
{
	if (tsr_waiters_wake_one(&end->others, end->me) > 0)
		tsr_count(&end->attachment->state->wakes, 1);
}

void
tsr_buffered_wake_mine(struct tsr_end *end, uint64_t next)
{
	uint64_t const lap = (next >> end->shift) & TSR_LAP_MASK;
	uint64_t const word = tsr_ld_rlx(&end->slots[next & end->mask].word);
	uint32_t const wanted = end->side == TSR_SIDE_SENDER ? TSR_EMPTY : TSR_READY;

	if (tsr_slot_lap(word) != lap || tsr_slot_phase(word) != wanted)
		return;
	if (tsr_waiters_wake_one(&end->mine, end->me) > 0)
		tsr_count(&end->attachment->state->wakes, 1);
}

int
tsr_buffered_refuse(struct tsr_end *end, struct tsr_slot *slot, uint64_t own)
{
	tsr_buffered_free(end, slot);
	tsr_count(&end->attachment->state->refused, 1);
	if (own != TSR_NAME_NONE) {
		struct tsr_msg msg = {.zdesc = {.name = own}};

		(void)tsr_message_release(end->attachment, &msg);
	}
	return -EPROTO;
}
