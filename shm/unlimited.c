/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/unlimited.h"

#include "shm/buffered.h"
#include "shm/kind.h"
#include "shm/message.h"

/* Slots of a segment, if the channel is made without saying how many: a page. */
#define UNLIMITED_CAPACITY 128

/* The end has come to the link of its segment. */
static bool
unlimited_at_link(struct tsr_end const *end)
{
	return (end->position & end->mask) == 0;
}

/* Go to the first slot of the segment @slots, which is in lap @lap. */
static void
unlimited_enter(struct tsr_end *end, struct tsr_slot *slots, uint64_t lap)
{
	end->slots = slots;
	tsr_end_seek(end, ((lap & TSR_LAP_MASK) << end->channel.shift) + 1);
}

/* The end has lost its place: find it anew. Return: 0; else it is there already. */
static int
unlimited_find(struct tsr_end *end)
{
	struct tsr_slot *const before = end->slots;
	uint64_t const position = end->position;
	struct tsr_slot *slots;
	uint64_t lap;

	if (end->side == TSR_SIDE_RECEIVER) {
		slots = tsr_unlimited_oldest(&end->channel, &lap);
		unlimited_enter(end, slots, lap);
	} else {
		tsr_end_seek(end, tsr_unlimited_next(&end->channel, &slots));
		end->slots = slots;
	}
	if (end->slots != before || end->position != position)
		return 0;
	return end->side == TSR_SIDE_RECEIVER ? -EAGAIN : -EPROTO;
}

/* A receiver finds nothing: look back if something before it is ready again. */
static int
unlimited_look_back(struct tsr_end *end)
{
	/* [Q1] pairs with [Q2]: what was made ready again is visible. */
	uint64_t const redo = tsr_ld_acq(&end->shm->redo);

	if (redo == end->redo_seen)
		return -EAGAIN;
	end->redo_seen = redo;
	return unlimited_find(end);
}

/*
 * May every slot of a segment be written, and was every one read? One receiver frees in the order
 * in which one sender sends: there the last one says it of all, and the others' lines stay where
 * they are. Many senders may die, and leave a slot empty before those before it are read.
 */
static bool
unlimited_is_free(struct tsr_end const *end, struct tsr_slot const *slots)
{
	uint32_t const one_to_one = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER;
	bool const in_order = (end->channel.flags & one_to_one) == one_to_one;

	for (uint32_t i = in_order ? end->mask : 1; i <= end->mask; i++) {
		/* [S1] pairs with [R2]: its last zdesc was read. */
		if (tsr_slot_phase(tsr_ld_acq(&slots[i].word)) != TSR_EMPTY)
			return false;
	}
	return true;
}

/* The sender has decided which segment is in @lap now: all of it is empty. */
static int
unlimited_began(struct tsr_end *end, struct tsr_slot *slots, uint64_t lap)
{
	unlimited_enter(end, slots, lap);
	if (end->alone)
		end->room = end->mask;
	return 0;
}

/* Put a block between the newest segment, in @lap, and the one that follows it by @link. */
static int
unlimited_insert(struct tsr_end *end, uint64_t link, uint64_t lap)
{
	uint32_t const capacity = end->channel.capacity;
	struct tsr_attachment *const attachment = end->attachment;
	struct tsr_ticket *ticket;
	struct tsr_msg msg;

	if (tsr_ld_rlx(&end->shm->segments) >= tsr_unlimited_limit(&end->channel) ||
	    tsr_message_alloc(attachment, (uint32_t)tsr_unlimited_bytes(capacity), &msg) != 0)
		return -ENOBUFS;
	tsr_unlimited_format(msg.data, capacity, lap + 1,
	                     tsr_link_make(tsr_name_index(link), lap - 1));
	/* [X1] pairs with [X2]: its slots are empty, its link is there. */
	if (!tsr_cas_acq_rel(&end->slots[0].name, &link,
	                     tsr_link_make(tsr_name_index(msg.zdesc.name), lap))) {
		/* Another sender was faster. */
		if (tsr_message_release(attachment, msg.zdesc.name) != 0)
			tsr_count(&attachment->state->refused, 1);
		return 0;
	}
	ticket = &end->map->tickets[tsr_name_index(msg.zdesc.name)];
	tsr_st_rlx(&ticket->tag, end->channel_id);
	/* [X3] pairs with [X4]: its tag says of which channel it is. */
	tsr_st_rel(&ticket->word,
	           tsr_name_word(msg.zdesc.name, TSR_TICKET_SEGMENT, TSR_HOLDER_CHANNEL));
	(void)tsr_add_rel(&end->shm->segments, 1);
	return unlimited_began(end, msg.data, lap + 1);
}

/* The newest segment, in @lap, is full: go on in the one that follows it, or in a new one. */
static int
unlimited_extend(struct tsr_end *end, uint64_t link, uint64_t lap)
{
	struct tsr_slot *const next = tsr_unlimited_segment(&end->channel, link);
	/* Who is never told that it is full must be told this. */
	int const error = tsr_attachment_check(end->attachment);

	if (error != 0)
		return error;
	if (next == NULL)
		return -EPROTO;
	if (!unlimited_is_free(end, next))
		return unlimited_insert(end, link, lap);
	/* [X1] pairs with [X2]: likewise. */
	if (!tsr_cas_acq_rel(&end->slots[0].name, &link, tsr_link_make(tsr_name_index(link), lap)))
		return 0; /* another sender was faster */
	return unlimited_began(end, next, lap + 1);
}

/* From the last slot of a segment, over its link, to the first slot of the next. */
static int
unlimited_cross(struct tsr_end *end)
{
	uint64_t const lap = tsr_channel_lap(&end->channel, end->position - 1);
	/* [X2] pairs with [X1]: the segment that it names is there. */
	uint64_t const link = tsr_ld_acq(&end->slots[0].name);
	int64_t const ahead = tsr_link_distance(link, lap);
	struct tsr_slot *next;

	if (ahead > 0)
		return unlimited_find(end); /* the ring went round without us */
	if (ahead < 0)
		return end->side == TSR_SIDE_SENDER ? unlimited_extend(end, link, lap)
		                                    : unlimited_look_back(end);
	next = tsr_unlimited_segment(&end->channel, link);
	if (next == NULL)
		return -EPROTO;
	unlimited_enter(end, next, lap + 1);
	return 0;
}

/* May a try succeed in a slot with that word? */
static bool
unlimited_hopes(struct tsr_end const *end, uint64_t word)
{
	uint64_t const lap = tsr_slot_lap(end->expect);

	if (end->side == TSR_SIDE_RECEIVER)
		return tsr_end_hopes(end, word);
	return tsr_slot_phase(word) == TSR_EMPTY && tsr_lap_distance(tsr_slot_lap(word), lap) <= 0;
}

/* From a slot where no try may succeed. */
static int
unlimited_step(struct tsr_end *end, uint64_t word)
{
	int64_t const ahead = tsr_lap_distance(tsr_slot_lap(word), tsr_slot_lap(end->expect));
	uint32_t const phase = tsr_slot_phase(word);

	if (ahead > 0 && phase != TSR_EMPTY)
		return unlimited_find(end); /* the ring went round without us */
	if (end->side == TSR_SIDE_SENDER && ahead < 0)
		return -EPROTO; /* no segment is used again before it is read */
	if (end->side == TSR_SIDE_RECEIVER && ahead <= 0 && (ahead < 0 || phase != TSR_TAKEN))
		return unlimited_look_back(end);
	tsr_end_step(end);
	return 0;
}

/* Go to the first place where a try may succeed. Return: 0; -EAGAIN there is none; senders: why
 * there is none. */
static int
unlimited_place(struct tsr_end *end)
{
	uint64_t const all = (uint64_t)tsr_unlimited_most(&end->channel) * end->channel.capacity;

	for (uint64_t steps = 2 * all; steps > 0; steps--) {
		int error;

		if (unlimited_at_link(end)) {
			error = unlimited_cross(end);
		} else {
			/* [S1] pairs with [R2]; [R1] pairs with [S2]: a look, the try loads it
			 * again. */
			uint64_t const word = tsr_ld_acq(&tsr_end_slot(end)->word);

			if (end->room != 0 || unlimited_hopes(end, word))
				return 0;
			error = unlimited_step(end, word);
		}
		if (error != 0)
			return error;
	}
	return -EAGAIN;
}

/* Is the slot at our position empty, and, with many senders, claimed by us now? */
static bool
unlimited_claim(struct tsr_end *end)
{
	struct tsr_slot *const slot = tsr_end_slot(end);
	uint64_t word;

	if (unlimited_at_link(end))
		return false;
	if (end->room != 0) {
		end->room--;
		return true;
	}
	/* [S1] pairs with [R2]: the last zdesc was read before it is written over. */
	word = tsr_ld_acq(&slot->word);
	if (!unlimited_hopes(end, word))
		return false;
	/* [S1] pairs with [R2]: likewise. */
	return end->alone || tsr_cas_acq(&slot->word, &word,
	                                 end->expect | ((uint64_t)end->me << 3) | TSR_CLAIMED);
}

static int
unlimited_try_send(struct tsr_end *end, struct tsr_zdesc *zdesc)
{
	struct tsr_ticket *ticket;
	int error = tsr_ticket_own_range(end->map, *zdesc, end->me, &ticket);

	if (error != 0)
		return error;
	while (!unlimited_claim(end)) {
		error = unlimited_place(end);
		if (error != 0)
			return error;
	}
	if (tsr_buffered_fill(end, tsr_end_slot(end), ticket, zdesc->name, zdesc->range, true) ==
	    TSR_FAST_WAKE)
		tsr_buffered_wake(end);
	return 0;
}

static int
unlimited_try_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	int error = -EAGAIN;

	if (tsr_requeue_pending(&end->channel))
		error = tsr_requeue_recv(end, msg);
	if (error != -EAGAIN)
		return error;
	do {
		enum tsr_fast const fast =
			tsr_buffered_recv_one(end, tsr_buffered_look(end), msg, true);

		if (fast != TSR_FAST_MISS)
			return tsr_buffered_came(end, fast, msg);
		error = unlimited_place(end);
	} while (error == 0);
	return error;
}

static bool
unlimited_is_drained(struct tsr_end const *end)
{
	return !tsr_requeue_pending(&end->channel) && tsr_slots_all_empty(&end->channel);
}

/* Is there something for us at our place? Senders always find one, or are told why not. */
static bool
unlimited_has_work(struct tsr_end const *end)
{
	struct tsr_slot const *slot = tsr_end_slot(end);
	int64_t ahead = 0;
	uint64_t word;

	if (end->side == TSR_SIDE_SENDER || tsr_ld_rlx(&end->shm->redo) != end->redo_seen ||
	    tsr_requeue_pending(&end->channel))
		return true;
	if (unlimited_at_link(end)) {
		/* [X2] pairs with [X1]: the segment that it names is there. */
		uint64_t const link = tsr_ld_acq(&slot->name);

		ahead = tsr_link_distance(link, tsr_channel_lap(&end->channel, end->position - 1));
		slot = tsr_unlimited_segment(&end->channel, link);
		if (ahead < 0 || slot == NULL)
			return ahead >= 0;
		slot++;
	}
	word = tsr_ld_rlx(&slot->word);
	if (ahead > 0 || (tsr_slot_phase(word) != TSR_EMPTY &&
	                  tsr_lap_distance(tsr_slot_lap(word), tsr_slot_lap(end->expect)) > 0))
		return !tsr_slots_all_empty(&end->channel); /* the ring went round without us */
	return tsr_end_hopes(end, word);
}

static bool
unlimited_find_work(struct tsr_end *end)
{
	return end->side == TSR_SIDE_SENDER || tsr_requeue_pending(&end->channel) ||
	       unlimited_place(end) == 0;
}

static void
unlimited_wake_mine(struct tsr_end *end)
{
	if (end->side == TSR_SIDE_SENDER)
		return; /* none of them sleeps */
	if (!unlimited_find_work(end))
		tsr_buffered_wake_at_end(end);
	else if (tsr_waiters_wake_one(&end->mine, end->me) > 0)
		tsr_count(&end->attachment->state->wakes, 1);
}

static int
unlimited_open(struct tsr_end *end, struct tsr_end_options const *options)
{
	(void)options;
	(void)!unlimited_find(end); /* wherever that is */
	return 0;
}

static void
unlimited_format(struct tsr_channel_shm *shm, struct tsr_shape const *shape, uint64_t first_lap)
{
	tsr_st_rlx(&shm->segments, 1);
	tsr_unlimited_format(shm->slot, shape->capacity, first_lap,
	                     tsr_link_make(TSR_TICKETS_MAX, first_lap - 1));
}

struct tsr_kind const tsr_kind_unlimited = {
	.name = "unlimited",
	.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER | TSR_CHANNEL_REQUEUE,
	.capacity = UNLIMITED_CAPACITY,
	.inlined = true,
	.tapped = true,
	.bytes = tsr_kind_ring_bytes,
	.format = unlimited_format,
	.open = unlimited_open,
	.try_send = unlimited_try_send,
	.try_recv = unlimited_try_recv,
	.has_work = unlimited_has_work,
	.find_work = unlimited_find_work,
	.is_empty = tsr_slots_all_empty,
	.is_drained = unlimited_is_drained,
	.wake_mine = unlimited_wake_mine,
};
