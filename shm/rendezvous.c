/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/rendezvous.h"

#include <errno.h>

#include "shm/clock.h"
#include "shm/kind.h"
#include "shm/message.h"
#include "shm/region.h"
#include "shm/ticket.h"
#include "shm/waiter.h"

#define RENDEZVOUS_SLOTS   16
#define RENDEZVOUS_LOOK_NS 2000 /* how long a sender looks before it reads the clock for good */
#define RENDEZVOUS_PASSES  1000 /* over all slots: others hop about, and one is always free */

/*
 * What an end keeps, in struct tsr_end. A sender: room, whether its offer stands; ahead, the slot
 * that it has or had; expect, the word of the offer; again, whether it looks more than once;
 * position counts offers. A receiver: position, the slot to look at first;
 * redo_seen, the word of the offer that it tried to take last.
 */

static struct tsr_slot *
rendezvous_slot(struct tsr_end const *end, uint32_t number)
{
	return &end->slots[number & end->mask];
}

static int
rendezvous_open(struct tsr_end *end, struct tsr_end_options const *options)
{
	end->again = (options->flags & TSR_END_NO_SPIN) == 0;
	/* Two slots share a line: clients begin in lines of their own, as long as there are any. */
	end->ahead =
		(2 * (uint32_t)end->me + (2 * (uint32_t)end->me > end->mask ? 1 : 0)) & end->mask;
	end->position = 0;
	return 0;
}

/* The one declared sender has nobody to claim it from. */
static bool
rendezvous_claim_one(struct tsr_end *end, struct tsr_slot *slot)
{
	uint64_t word = tsr_ld_rlx(&slot->word);
	uint64_t const lap = tsr_slot_lap(word);
	uint64_t const claimed = tsr_slot_word(lap, end->me, TSR_CLAIMED);

	if (tsr_slot_phase(word) != TSR_EMPTY)
		return false;
	if (end->alone)
		tsr_st_rlx(&slot->word, claimed);
	/* [O1] pairs with [O4]: the last zdesc was read before it is written over. */
	else if (!tsr_cas_acq(&slot->word, &word, claimed))
		return false;
	end->expect = tsr_slot_word(lap, end->me, TSR_READY);
	return true;
}

/* Claim a slot: there are as many as sender ends, so one is free, if perhaps not at each look. */
static bool
rendezvous_claim(struct tsr_end *end)
{
	for (uint64_t i = RENDEZVOUS_PASSES * (uint64_t)end->channel.capacity; i > 0; i--) {
		if (rendezvous_claim_one(end, rendezvous_slot(end, end->ahead)))
			return true;
		end->ahead = (end->ahead + 1) & end->mask;
	}
	return false;
}

/* The slot is no longer ours. */
static void
rendezvous_leave(struct tsr_end *end)
{
	/* [O4] pairs with [O1]: nobody needs the zdesc any more. */
	tsr_st_rel(&rendezvous_slot(end, end->ahead)->word,
	           tsr_slot_word(tsr_slot_lap(end->expect) + 1, 0, TSR_EMPTY));
	end->room = 0;
}

/* Does somebody of the other side sleep, whom what was done just now may concern? */
static bool
rendezvous_has_sleepers(struct tsr_end const *end)
{
	tsr_barrier_compiler();
	/* [K2] pairs with [W1] and [T1]: either we see the sleeper's bit or it sees what we did. */
	if (tsr_ld_rlx(end->others.mask) == 0)
		return false;
	tsr_waiters_fence(&end->others);
	return true;
}

/* Something was offered: wake one who waits for that. */
static void
rendezvous_wake_receiver(struct tsr_end *end)
{
	if (rendezvous_has_sleepers(end))
		tsr_end_woke(end, tsr_waiters_wake_one(&end->others, end->me));
}

/* What @sender offered was taken: wake it, and no other sender, who waits for something else. */
static void
rendezvous_wake_sender(struct tsr_end *end, uint16_t sender)
{
	if (rendezvous_has_sleepers(end))
		tsr_end_woke(end, tsr_waiters_wake_owner(&end->others, sender, end->me));
}

static int
rendezvous_offer(struct tsr_end *end, struct tsr_zdesc zdesc)
{
	struct tsr_ticket *ticket;
	struct tsr_slot *slot;
	int const error = tsr_ticket_own_range(end->map, zdesc, end->me, &ticket);

	if (error != 0)
		return error;
	if (!rendezvous_claim(end))
		return -EPROTO;
	slot = rendezvous_slot(end, end->ahead);
	/* [V3] pairs with [V2]: the slot is claimed before it is written; no instruction. */
	tsr_fence_rel();
	tsr_st_rlx(&slot->name, zdesc.name);
	tsr_st_rlx(&slot->range, zdesc.range);
	tsr_st_rlx(&slot->stamp, ((uint32_t)end->position++ & end->stamp_mask) == end->stamp_mask
	                                 ? tsr_clock_ticks()
	                                 : 0);
	tsr_ticket_send(ticket, zdesc.name, end->channel_id);
	/* Before anybody can receive it, or the trace would tell that first. */
	if (TSR_TRACED)
		tsr_buffered_tell_send(end, zdesc.name, zdesc.range);
	/* [O2] pairs with [O3]: zdesc, ticket word and payload come first. */
	tsr_st_rel(&slot->word, end->expect);
	end->room = 1;
	rendezvous_wake_receiver(end);
	return 0;
}

/* Whoever is looking for an offer sees it in a moment, and that is all that most have to wait. */
static bool
rendezvous_await(struct tsr_end const *end, uint64_t name)
{
	uint64_t until;

	if (!tsr_rendezvous_stands(end->map, name))
		return true;
	/* Even if nobody has a core for long spinning: less than this is no offer at all. */
	if (!end->again)
		return false;
	until = tsr_clock_ticks() +
	        RENDEZVOUS_LOOK_NS * (end->map->ticks_per_second / 1000000) / 1000;
	while (tsr_clock_ticks() < until) {
		if (!tsr_rendezvous_stands(end->map, name))
			return true;
	}
	return false;
}

static int
rendezvous_done(struct tsr_end *end, uint64_t range)
{
	rendezvous_leave(end);
	tsr_metrics_moved(end->metrics, tsr_range_length(range));
	return 0;
}

static int
rendezvous_try_send(struct tsr_end *end, struct tsr_zdesc *zdesc)
{
	if (end->room == 0) {
		int const error = rendezvous_offer(end, *zdesc);

		if (error != 0)
			return error;
	}
	return rendezvous_await(end, zdesc->name) ? rendezvous_done(end, zdesc->range) : -EAGAIN;
}

/* The ticket is ours again, in its next generation, unless a receiver was faster. */
static int
rendezvous_give_up(struct tsr_end *end, struct tsr_zdesc *zdesc)
{
	struct tsr_ticket *const ticket = &end->map->tickets[tsr_name_index(zdesc->name)];
	uint64_t const next = tsr_name_next(zdesc->name);
	uint64_t word = tsr_name_word(zdesc->name, TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL);

	if (end->room == 0)
		return -EAGAIN; /* it was never offered */
	/* [O6] pairs with [O5]: who was faster has read the slot. */
	if (!tsr_cas_acq(&ticket->word, &word, tsr_name_word(next, TSR_TICKET_IDLE, end->me)))
		return rendezvous_done(end, zdesc->range);
	rendezvous_leave(end);
	zdesc->name = next;
	return -EAGAIN;
}

/* What a slot offers, as read at once. */
struct rendezvous_offered {
	struct tsr_zdesc zdesc;
	uint64_t stamp;
	uint64_t word;
	uint16_t sender;
};

/* Is there an offer in the slot that still stands? */
static bool
rendezvous_look(struct tsr_end const *end, struct tsr_slot *slot, struct rendezvous_offered *out)
{
	/* [O3] pairs with [O2]: zdesc, ticket word and payload are visible. */
	uint64_t const word = tsr_ld_acq(&slot->word);

	if (tsr_slot_phase(word) != TSR_READY)
		return false;
	out->zdesc.name = tsr_ld_rlx(&slot->name);
	out->zdesc.range = tsr_ld_rlx(&slot->range);
	out->stamp = tsr_ld_rlx(&slot->stamp);
	out->sender = tsr_slot_owner(word);
	out->word = word;
	/* [V2] pairs with [V3]: of one offer all of it, or the word has changed. */
	tsr_fence_acq();
	/* What is new will be exchanged: its line at once with the right to write it. */
	if (word != end->redo_seen && tsr_name_index(out->zdesc.name) < end->map->tickets_all)
		tsr_prefetch_write(&end->map->tickets[tsr_name_index(out->zdesc.name)]);
	return tsr_ld_rlx(&slot->word) == word && tsr_rendezvous_stands(end->map, out->zdesc.name);
}

/* Take what is offered. Return: 0; -EAGAIN somebody was faster; -EPROTO dropped; or why not. */
static int
rendezvous_take(struct tsr_end *end, struct rendezvous_offered const *offer, struct tsr_msg *msg)
{
	struct tsr_map const *const map = end->map;
	uint32_t const index = tsr_name_index(offer->zdesc.name);
	struct tsr_block const *const block = &map->blocks[index];
	bool const sound = tsr_block_holds(block, offer->zdesc.range);
	uint64_t own;

	if (sound && index >= map->tickets_count) {
		int const error = tsr_region_receive(end->attachment, offer->zdesc, false, msg);

		/* Whatever is wrong with it: if somebody was faster it is no matter of ours. */
		return error == 0 || tsr_rendezvous_stands(map, offer->zdesc.name) ? error
		                                                                   : -EAGAIN;
	}
	if (!tsr_ticket_exchange(map, offer->zdesc.name, end->me, &own))
		return -EAGAIN;
	if (!sound) {
		tsr_count(&end->attachment->state->refused, 1);
		if (tsr_message_release(end->attachment, own) != 0)
			tsr_count(&end->attachment->state->refused, 1);
		return -EPROTO;
	}
	msg->zdesc = (struct tsr_zdesc){.name = own, .range = offer->zdesc.range};
	msg->data = tsr_block_data(map, block, offer->zdesc.range);
	msg->length = tsr_range_length(offer->zdesc.range);
	msg->flags = 0;
	return 0;
}

/* It is ours. */
static void
rendezvous_received(struct tsr_end *end, struct tsr_msg *msg, uint64_t stamp)
{
	msg->stamp = stamp;
	if (TSR_TRACED)
		tsr_end_tell_receive(end, msg);
	if (tsr_unlikely(stamp != 0))
		tsr_end_note_time(end, stamp);
	tsr_metrics_moved(end->metrics, msg->length);
}

static bool
rendezvous_is_offered(struct tsr_end const *end)
{
	struct rendezvous_offered offer;

	for (uint32_t i = 0; i <= end->mask; i++) {
		if (rendezvous_look(end, rendezvous_slot(end, i), &offer))
			return true;
	}
	return false;
}

/* A wake-up of a sender is for that one alone. */
static void
rendezvous_wake_mine(struct tsr_end *end)
{
	if (end->side == TSR_SIDE_RECEIVER && rendezvous_is_offered(end) &&
	    tsr_waiters_wake_one(&end->mine, end->me) > 0)
		tsr_count(&end->attachment->state->wakes, 1);
}

static int
rendezvous_try_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	for (uint32_t i = 0; i < end->channel.capacity; i++) {
		struct tsr_slot *const slot = rendezvous_slot(end, (uint32_t)end->position + i);
		struct rendezvous_offered offer;
		int error;

		if (!rendezvous_look(end, slot, &offer))
			continue;
		end->redo_seen = offer.word;
		error = rendezvous_take(end, &offer, msg);
		if (error == -EAGAIN)
			continue;
		end->position = (end->position + i + 1) & end->mask; /* the next one has its turn */
		if (error == 0)
			rendezvous_received(end, msg, offer.stamp);
		if (error == 0 || error == -EPROTO)
			rendezvous_wake_sender(end, offer.sender);
		else
			rendezvous_wake_mine(end); /* the wake-up was for the offer */
		return error;
	}
	return -EAGAIN;
}

/* A sender's offer may be taken: by then it is not ready under that name any more. */
static bool
rendezvous_has_work(struct tsr_end const *end)
{
	if (end->side == TSR_SIDE_RECEIVER)
		return rendezvous_is_offered(end);
	return end->room == 0 ||
	       !tsr_rendezvous_stands(end->map,
	                              tsr_ld_rlx(&rendezvous_slot(end, end->ahead)->name));
}

static bool
rendezvous_find_work(struct tsr_end *end)
{
	return rendezvous_has_work(end);
}

static bool
rendezvous_is_drained(struct tsr_end const *end)
{
	return !rendezvous_is_offered(end);
}

struct tsr_kind const tsr_kind_rendezvous = {
	.name = "rendezvous",
	.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER,
	.capacity = RENDEZVOUS_SLOTS,
	.slot_per_sender = true,
	.bytes = tsr_kind_ring_bytes,
	.format = tsr_kind_ring_format,
	.open = rendezvous_open,
	.try_send = rendezvous_try_send,
	.try_recv = rendezvous_try_recv,
	.give_up = rendezvous_give_up,
	.has_work = rendezvous_has_work,
	.find_work = rendezvous_find_work,
	.is_drained = rendezvous_is_drained,
	.wake_mine = rendezvous_wake_mine,
};
