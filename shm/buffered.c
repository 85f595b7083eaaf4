/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/buffered.h"

#include "shm/drop.h"
#include "shm/kind.h"
#include "shm/message.h"
#include "shm/region.h"

/* The end has lost its place (it slept for more than a lap, or a word cannot be): find it anew. */
static int
buffered_find(struct tsr_end *end)
{
	uint64_t const newest = tsr_channel_find(&end->channel);
	uint64_t const position =
		end->side == TSR_SIDE_SENDER ? newest : newest - end->channel.capacity;

	if (position == end->position)
		return -EAGAIN;
	tsr_end_seek(end, position);
	return 0;
}

/* One step of a sender whose slot is not the empty one that it expects. */
static int
buffered_send_step(struct tsr_end *end, uint64_t word)
{
	uint64_t const lap = tsr_channel_lap(&end->channel, end->position);
	int64_t const distance = tsr_lap_distance(tsr_slot_lap(word), lap);
	bool const empty = tsr_slot_phase(word) == TSR_EMPTY;

	if (distance == 1 || (distance == 0 && !empty)) {
		tsr_end_step(end); /* past, or another sender's */
		return 0;
	}
	if (distance == 0)
		return 0; /* another sender was faster, and died: the reaper emptied it */
	if (distance == -1 && !empty)
		return -EAGAIN; /* full: a capacity ago it was sent and it is not yet received */
	return buffered_find(end);
}

/* One step of a receiver whose slot is not the ready one that it expects. */
static int
buffered_recv_step(struct tsr_end *end, uint64_t word)
{
	uint64_t const lap = tsr_channel_lap(&end->channel, end->position);
	int64_t const distance = tsr_lap_distance(tsr_slot_lap(word), lap);
	uint32_t const phase = tsr_slot_phase(word);
	uint64_t redo;

	if (distance == 1 || (distance == 0 && phase == TSR_TAKEN)) {
		tsr_end_step(end); /* past, or another receiver's */
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
	tsr_end_seek(end, end->position - end->channel.capacity);
	return 0;
}

/*
 * The slot at the position is not the one that the end expects: go on to one that may be.
 * Return: 0 try again; -EAGAIN full or empty.
 */
int
tsr_buffered_place(struct tsr_end *end)
{
	/* At most two laps a call: what a hostile participant writes does not hold us for ever. */
	for (uint64_t steps = 2 * (uint64_t)end->channel.capacity + 4; steps > 0; steps--) {
		/* [S1] pairs with [R2]; [R1] pairs with [S2]: a look, the try loads it again. */
		uint64_t const word = tsr_ld_acq(&tsr_end_slot(end)->word);
		int error;

		if (tsr_end_hopes(end, word))
			return 0;
		error = end->side == TSR_SIDE_SENDER ? buffered_send_step(end, word)
		                                     : buffered_recv_step(end, word);
		if (error != 0)
			return error;
	}
	return -EAGAIN;
}

/*
 * Keeping out of each other's way. A sender that looks again and again at the slot that is being
 * freed, or a receiver at the one that is being filled, takes the line away once per message and
 * not once per line. So who is held up looks away for a while, as long as the other side hurries:
 * measured one by one, 35 -> 62 million messages a second near, 13 -> 50 far.
 */
#define BUFFERED_CAPACITY_MIN 64 /* smaller channels are never left alone */

#define BUFFERED_LOOK_NS    200 /* between two looks of a sender */
#define BUFFERED_NEAR_SLOTS 16  /* so many must be freed in the first looks ... */
#define BUFFERED_NEAR_LOOKS 10
#define BUFFERED_HALF_LOOKS 100 /* ... and then half of all in these: 20 us */

#define BUFFERED_RUN             256 /* fewer messages between two misses: have more patience */
#define BUFFERED_GAP_NS          256 /* more time than this a message: have less */
#define BUFFERED_PATIENCE_NS     15  /* to begin with; it doubles */
#define BUFFERED_PATIENCE_MAX_NS 8000

/* By the clock: a row of PAUSEs is what makes a hypervisor take the core away. */
static void
buffered_look_away(struct tsr_end const *end, uint64_t ns)
{
	uint64_t const ticks_per_us = end->map->ticks_per_second / 1000000;
	uint64_t const until = tsr_clock_ticks() + ns * ticks_per_us / 1000;

	while (tsr_clock_ticks() < until)
		continue;
}

/* Look now and then, at most @looks times, until the slot at @position is free. Return: it is. */
static bool
buffered_await_free(struct tsr_end const *end, uint64_t position, uint32_t looks)
{
	uint64_t const empty =
		tsr_slot_word(tsr_channel_lap(&end->channel, position), 0, TSR_EMPTY);

	for (; looks > 0; looks--) {
		buffered_look_away(end, BUFFERED_LOOK_NS);
		if (tsr_ld_rlx(&tsr_channel_slot(&end->channel, position)->word) == empty)
			return true;
	}
	return false;
}

/* Full: let a receiver that hurries free half of it. For one that doesn't, wait but once. */
static void
buffered_full(struct tsr_end *end)
{
	bool const stalled = end->missed_at == (uint32_t)end->position;

	if (end->channel.capacity < BUFFERED_CAPACITY_MIN || stalled ||
	    (end->channel.flags & TSR_CHANNEL_DROPS) != 0)
		return;
	if (buffered_await_free(end, end->position + BUFFERED_NEAR_SLOTS, BUFFERED_NEAR_LOOKS))
		(void)buffered_await_free(end, end->position + end->channel.capacity / 2,
		                          BUFFERED_HALF_LOOKS);
	else
		end->missed_at = (uint32_t)end->position;
}

/*
 * Empty: if messages come in runs, but short ones, let some gather. Who waits for a single answer
 * gets it without delay, and patience costs no more than BUFFERED_GAP_NS a message.
 */
static void
buffered_empty(struct tsr_end *end)
{
	uint32_t const run = (uint32_t)end->position - end->missed_at;

	end->missed_at = (uint32_t)end->position;
	if (run < 2 || end->channel.capacity < BUFFERED_CAPACITY_MIN)
		end->patience_ns = 0;
	else if (end->patience_ns > (uint64_t)run * BUFFERED_GAP_NS)
		end->patience_ns /= 2;
	else if (run < BUFFERED_RUN)
		end->patience_ns = 2 * end->patience_ns + BUFFERED_PATIENCE_NS;
	else
		end->patience_ns -= end->patience_ns / 8;
	if (end->patience_ns > BUFFERED_PATIENCE_MAX_NS)
		end->patience_ns = BUFFERED_PATIENCE_MAX_NS;
	if (end->patience_ns > 0)
		buffered_look_away(end, end->patience_ns);
}

void
tsr_buffered_tell_send(struct tsr_end const *end, uint64_t name, uint64_t range)
{
	if (tsr_trace_has(name))
		TSR_TRACE(send, end->map->directory->name, end->me, end->channel.id, name,
		          tsr_range_length(range));
}

int
tsr_buffered_try_send(struct tsr_end *end, struct tsr_zdesc *zdesc)
{
	struct tsr_ticket *ticket;
	int error;

	for (;;) {
		enum tsr_fast const fast = tsr_buffered_send_one(end, zdesc->name, zdesc->range,
		                                                 end->map->tickets_all, true);

		if (fast == TSR_FAST_WAKE)
			tsr_buffered_wake(end);
		if (fast != TSR_FAST_MISS)
			return 0;
		error = tsr_ticket_own_range(end->map, *zdesc, end->me, &ticket);
		if (error != 0)
			return error;
		error = tsr_buffered_place(end);
		if (error == -EAGAIN)
			buffered_full(end);
		if (error != 0)
			return error;
	}
}

/* The same, and what full means in a channel that drops. */
static int
buffered_send(struct tsr_end *end, struct tsr_zdesc *zdesc)
{
	/* Others may take the room that is made; not for ever. */
	for (uint64_t tries = 2 * (uint64_t)end->channel.capacity; tries > 0; tries--) {
		int error = tsr_buffered_try_send(end, zdesc);

		if (error == -EAGAIN)
			error = tsr_drop_full(end, zdesc);
		else
			return error;
		if (error != 0)
			return error > 0 ? 0 : error;
	}
	return -EAGAIN;
}

int
tsr_buffered_came(struct tsr_end *end, enum tsr_fast fast, struct tsr_msg *msg)
{
	if (fast == TSR_FAST_REFUSE)
		return tsr_buffered_settle(end, msg);
	if (TSR_TRACED)
		tsr_end_tell_receive(end, msg);
	if (fast == TSR_FAST_WAKE)
		tsr_buffered_after(end, msg);
	return 0;
}

int
tsr_buffered_try_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	for (;;) {
		enum tsr_fast const fast =
			tsr_buffered_recv_one(end, tsr_buffered_look(end), msg, true);
		int error;

		if (fast != TSR_FAST_MISS)
			return tsr_buffered_came(end, fast, msg);
		error = tsr_buffered_place(end);
		if (error == -EAGAIN)
			buffered_empty(end);
		if (error != 0)
			return error;
	}
}

/* The same; what a dead receiver held comes first. */
static int
buffered_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	int error = -EAGAIN;

	if (tsr_requeue_pending(&end->channel))
		error = tsr_requeue_recv(end, msg);
	return error != -EAGAIN ? error : tsr_buffered_try_recv(end, msg);
}

void
tsr_buffered_wake_at_end(struct tsr_end *end)
{
	/* [K4] pairs with [W1]: who sleeps because no sender is there has seen that before. */
	uint64_t const waiting = tsr_ld_acq(end->mine.mask);

	/* [E3] pairs with [E4]. */
	if (waiting != 0 && tsr_ends_count(tsr_ld_acq(&end->channel.entry->senders)) == 0)
		tsr_count(&end->attachment->state->wakes,
		          tsr_waiters_wake_all(&end->mine, end->me));
}

void
tsr_buffered_wake_mine(struct tsr_end *end)
{
	uint64_t const word = tsr_ld_rlx(&tsr_end_slot(end)->word);
	bool const sends = end->side == TSR_SIDE_SENDER;

	/* Where senders take, too, the slot that we let go of may be the one that another waits
	 * for, wherever we are now. */
	if (!tsr_end_hopes(end, word) &&
	    !(sends && (end->channel.flags & TSR_CHANNEL_DROP_OLDEST) != 0)) {
		if (!sends)
			tsr_buffered_wake_at_end(end);
		return;
	}
	if (tsr_waiters_wake_one(&end->mine, end->me) > 0)
		tsr_count(&end->attachment->state->wakes, 1);
}

void
tsr_buffered_wake_others(struct tsr_end *end)
{
	tsr_waiters_fence(&end->others);
	tsr_end_woke(end, tsr_waiters_wake_one(&end->others, end->me));
}

void
tsr_buffered_wake(struct tsr_end *end)
{
	tsr_buffered_wake_others(end);
	if (!end->alone)
		end->kind->wake_mine(end);
}

void
tsr_buffered_after(struct tsr_end *end, struct tsr_msg const *msg)
{
	if (end->side == TSR_SIDE_RECEIVER && msg->stamp != 0)
		tsr_end_note_time(end, msg->stamp);
	tsr_buffered_wake(end);
}

/* Free a slot whose content cannot be, and its ticket if that is the channel's. */
static int
buffered_refuse(struct tsr_end *end, struct tsr_slot *slot)
{
	uint64_t own;
	bool mine;

	tsr_count(&end->attachment->state->refused, 1);
	/* A range that is not in its block: the ticket itself is good. It is released when the slot
	 * does not name it any more, or the reaper would find a ready slot with a stale name. */
	mine = tsr_ticket_receive_of(end->map, tsr_ld_rlx(&slot->name), end->map->tickets_all,
	                             end->me, &own) == 0;
	if (mine)
		/* Should we die before we release it: it is refused again. */
		tsr_requeue_note(end, own, tsr_ld_rlx(&slot->range));
	if (tsr_buffered_free(end, slot) == TSR_FAST_WAKE)
		tsr_buffered_wake(end);
	if (mine && tsr_message_release(end->attachment, own) != 0)
		tsr_count(&end->attachment->state->refused, 1);
	return -EPROTO;
}

/*
 * Not received after all: the slot is ready as it was. Others may have passed it while it was
 * taken, so they look back, as after a death.
 */
static void
buffered_give_back(struct tsr_end *end, struct tsr_slot *slot)
{
	if (end->alone)
		return; /* it was never taken */
	/* [S2] pairs with [R1]: what the sender wrote is as visible as it was. */
	tsr_st_rel(&slot->word, end->expect | (end->again ? TSR_READY_AGAIN_BIT : 0));
	/* [Q2] pairs with [Q1]: the slot is ready before the word says so. */
	(void)tsr_add_rel(&end->shm->redo, 1);
	/* [K2] pairs with [W1]: before the look at the mask, for a fenced sleeper, too. */
	tsr_fence_sc();
	(void)tsr_waiters_wake_one(&end->mine, end->me);
	if ((end->channel.flags & TSR_CHANNEL_DROP_OLDEST) != 0)
		(void)tsr_waiters_wake_one(&end->others, end->me);
}

int
tsr_buffered_settle(struct tsr_end *end, struct tsr_msg *msg)
{
	struct tsr_slot *const slot = tsr_end_slot(end);
	struct tsr_zdesc zdesc = {.name = tsr_ld_rlx(&slot->name),
	                          .range = tsr_ld_rlx(&slot->range)};
	uint32_t const index = tsr_name_index(zdesc.name);
	enum tsr_fast fast;
	int error;

	if (index < end->map->tickets_count || index >= end->map->tickets_all ||
	    !tsr_block_holds(&end->map->blocks[index], zdesc.range))
		return buffered_refuse(end, slot);
	tsr_requeue_note(end, zdesc.name, zdesc.range);
	error = tsr_region_receive(end->attachment, zdesc, false, msg);
	if (error == -EPROTO)
		return buffered_refuse(end, slot);
	if (error != 0) {
		buffered_give_back(end, slot);
		return error;
	}
	msg->flags |= end->again ? TSR_MSG_REDELIVERED : 0;
	msg->stamp = tsr_ld_rlx(&slot->stamp);
	if (TSR_TRACED)
		tsr_end_tell_receive(end, msg);
	fast = tsr_buffered_free(end, slot);
	tsr_metrics_moved(end->metrics, tsr_range_length(zdesc.range));
	if (fast == TSR_FAST_WAKE || msg->stamp != 0)
		tsr_buffered_after(end, msg);
	return 0;
}

/*
 * No sender is there any more: is the channel empty, too, and not only beyond our place? What
 * another receiver has in hands comes again if it dies. With nobody sending, empty is for good.
 */
static bool
buffered_is_drained(struct tsr_end const *end)
{
	if (tsr_requeue_pending(&end->channel))
		return false;
	for (uint32_t i = 0; !end->alone && i <= end->mask; i++) {
		if (tsr_slot_phase(tsr_ld_rlx(&end->slots[i].word)) != TSR_EMPTY)
			return false;
	}
	return true;
}

/* Is there something for us at our place? Only looks; the try decides. */
static bool
buffered_has_work(struct tsr_end const *end)
{
	uint64_t const word = tsr_ld_rlx(&tsr_end_slot(end)->word);

	if (end->side == TSR_SIDE_SENDER)
		return tsr_end_hopes(end, word) || tsr_drop_is_possible(end, word);
	return tsr_end_hopes(end, word) || tsr_ld_rlx(&end->shm->redo) != end->redo_seen ||
	       tsr_requeue_pending(&end->channel);
}

static bool
buffered_find_work(struct tsr_end *end)
{
	return tsr_buffered_place(end) == 0 ||
	       (end->side == TSR_SIDE_RECEIVER && tsr_requeue_pending(&end->channel)) ||
	       (end->side == TSR_SIDE_SENDER &&
	        tsr_drop_is_possible(end, tsr_ld_rlx(&tsr_end_slot(end)->word)));
}

/* Slots: looked at so seldom that it costs nothing, soon free. */
#define BUFFERED_AHEAD 32

static int
buffered_open(struct tsr_end *end, struct tsr_end_options const *options)
{
	uint32_t const one_to_one = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER;
	uint32_t const capacity = end->channel.capacity;
	bool const sends = end->side == TSR_SIDE_SENDER;

	(void)options;
	/* Where senders take, too, a receiver that is alone must take what it receives. */
	if (!sends && (end->channel.flags & TSR_CHANNEL_DROP_OLDEST) != 0)
		end->alone = false;
	if (sends && end->channel.flags == one_to_one)
		end->ahead = capacity / 4 < BUFFERED_AHEAD ? capacity / 4 : BUFFERED_AHEAD;
	tsr_end_seek(end, tsr_channel_find(&end->channel) - (sends ? 0 : capacity));
	return 0;
}

struct tsr_kind const tsr_kind_buffered = {
	.name = "buffered",
	.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER | TSR_CHANNEL_DROP_NEWEST |
                 TSR_CHANNEL_DROP_OLDEST | TSR_CHANNEL_REQUEUE,
	.capacity = 1024,
	.inlined = true,
	.tapped = true,
	.bytes = tsr_kind_ring_bytes,
	.format = tsr_kind_ring_format,
	.open = buffered_open,
	.try_send = buffered_send,
	.try_recv = buffered_recv,
	.has_work = buffered_has_work,
	.find_work = buffered_find_work,
	.is_drained = buffered_is_drained,
	.wake_mine = tsr_buffered_wake_mine,
};
