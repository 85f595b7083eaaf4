/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* The writing side of a broadcast: see broadcast.h. */

#include <errno.h>
#include <string.h>

#include "shm/broadcast.h"
#include "shm/clock.h"
#include "shm/message.h"
#include "shm/tap.h"
#include "shm/ticket.h"

int64_t
tsr_broadcast_behind(struct tsr_channel const *channel, uint64_t position, uint32_t *slowest)
{
	struct tsr_broadcast_shm const *const shm = tsr_broadcast_shm(channel);
	int64_t most = INT64_MIN;

	for (uint32_t i = 0; i < TSR_CURSOR_WORDS; i++) {
		uint64_t bits = tsr_ld_rlx(&shm->reading[i]);

		for (; bits != 0; bits &= bits - 1) {
			uint32_t const number = 64 * i + tsr_bit_lowest(bits);
			struct tsr_cursor const *const cursor = &shm->cursor[number];
			int64_t behind;

			/* [B2] pairs with [B1]: what it has released, it has read. */
			behind = tsr_channel_distance(channel, position,
			                              tsr_ld_acq(&cursor->position));
			if (tsr_cursor_state(tsr_ld_rlx(&cursor->word)) != TSR_CURSOR_READS ||
			    behind <= most)
				continue;
			most = behind;
			if (slowest != NULL)
				*slowest = number;
		}
	}
	return most;
}

/* Look at all cursors: how far may this sender go? */
static void
broadcast_scan(struct tsr_end *end)
{
	struct tsr_writer *const own = &end->writer;
	int64_t behind;

	/* [J2] pairs with [J1]: the cursors of those who have joined. */
	own->joins_seen = tsr_ld_acq(&tsr_broadcast_shm(&end->channel)->joins);
	behind = tsr_broadcast_behind(&end->channel, end->position, NULL);
	own->limit = behind == INT64_MIN ? end->position + ((uint64_t)1 << 62)
	                                 : end->position - (uint64_t)behind + end->channel.capacity;
}

static bool
broadcast_is_free(struct tsr_end const *end)
{
	return (int64_t)(end->writer.limit - end->position) > 0;
}

/* Whoever is in the way at our position is heeded no longer. */
static void
broadcast_overtake(struct tsr_end *end)
{
	struct tsr_broadcast_shm *const shm = tsr_broadcast_shm(&end->channel);
	enum tsr_cursor_state const to = (end->channel.flags & TSR_CHANNEL_LAP) != 0
	                                         ? TSR_CURSOR_LAPPED
	                                         : TSR_CURSOR_EVICTED;

	for (uint32_t i = 0; i < TSR_CURSORS_MAX; i++) {
		struct tsr_cursor *const cursor = &shm->cursor[i];
		uint64_t word = tsr_ld_rlx(&cursor->word);
		int64_t behind;

		if ((tsr_ld_rlx(&shm->reading[i / 64]) >> i % 64 & 1) == 0 ||
		    tsr_cursor_state(word) != TSR_CURSOR_READS)
			continue;
		/* [B2] pairs with [B1]. */
		behind = tsr_channel_distance(&end->channel, end->position,
		                              tsr_ld_acq(&cursor->position));
		if (behind >= (int64_t)end->channel.capacity)
			/* [B5] pairs with [B6]: it is told before anything is written over. */
			(void)tsr_cas_acq_rel(&cursor->word, &word, word ^ TSR_CURSOR_READS ^ to);
	}
}

/* Is our position free of readers, as far as known? */
static inline bool
broadcast_has_room(struct tsr_end const *end)
{
	/* [J2] pairs with [J1]: behind this look at most one claim is made. */
	uint64_t const joins = tsr_ld_acq((_Atomic uint64_t const *)end->own);

	return tsr_likely(joins == end->writer.joins_seen) && tsr_likely(broadcast_is_free(end));
}

/* And if not, may it be made so? Return: 0; -EAGAIN. */
static int
broadcast_room(struct tsr_end *end)
{
	if (broadcast_has_room(end))
		return 0;
	broadcast_scan(end);
	if (!broadcast_is_free(end) &&
	    (end->channel.flags & (TSR_CHANNEL_EVICT | TSR_CHANNEL_LAP)) != 0) {
		broadcast_overtake(end);
		broadcast_scan(end);
	}
	return broadcast_is_free(end) ? 0 : -EAGAIN;
}

/* What a slot of the end's lap says when it may be claimed: empty, or a lap ago it was filled. */
static bool
broadcast_claimable(struct tsr_end const *end, uint64_t word)
{
	return word == end->expect || word == end->expect - TSR_LAP_ONE + TSR_READY;
}

bool
tsr_broadcast_holders(struct tsr_channel const *channel, uint64_t holders[TSR_CURSOR_WORDS])
{
	struct tsr_broadcast_shm const *const shm = tsr_broadcast_shm(channel);
	uint64_t any = 0;

	for (uint32_t i = 0; i < TSR_CURSOR_WORDS; i++) {
		/* [H4] pairs with [H3]: what is no longer held was read. */
		holders[i] = tsr_ld_acq(&shm->holding[i]);
		any |= holders[i];
	}
	return any != 0;
}

bool
tsr_broadcast_held(struct tsr_channel const *channel, uint64_t const holders[TSR_CURSOR_WORDS],
                   uint64_t name)
{
	struct tsr_broadcast_shm const *const shm = tsr_broadcast_shm(channel);

	for (uint32_t i = 0; i < TSR_CURSOR_WORDS; i++) {
		for (uint64_t bits = holders[i]; bits != 0; bits &= bits - 1) {
			struct tsr_cursor const *const cursor =
				&shm->cursor[64 * i + tsr_bit_lowest(bits)];

			for (uint32_t k = 0; k < TSR_CURSOR_HOLDS; k++) {
				/* [H4] pairs with [H3]: likewise. */
				if (tsr_ld_acq(&cursor->hold[k]) == name)
					return true;
			}
		}
	}
	return false;
}

/* The long way, to the depot if need be. */
TSR_COLD static void
broadcast_free_slowly(struct tsr_end *end, uint64_t name)
{
	tsr_st_rlx(&end->map->tickets[tsr_name_index(name)].word,
	           tsr_name_word(name, TSR_TICKET_IDLE, end->me));
	/* [V3] pairs with [V2]: who copies sees that it is no longer shared; no instruction. */
	tsr_fence_rel();
	if (tsr_message_release(end->attachment, name) != 0)
		tsr_count(&end->attachment->state->refused, 1); /* it is swept with this client */
}

/* Free one that nobody can get at any more. */
static void
broadcast_free(struct tsr_end *end, struct tsr_magazine *magazines, uint64_t name)
{
	struct tsr_map const *const map = end->map;
	uint32_t const index = tsr_name_index(name);
	struct tsr_block const *const block = &map->blocks[index];
	struct tsr_magazine *magazine;

	magazine = magazines != NULL ? &magazines[block->klass] : NULL;
	if (tsr_unlikely(magazine == NULL) || tsr_unlikely(magazine->count >= magazine->limit) ||
	    (TSR_TRACED && tsr_trace_has(name))) {
		broadcast_free_slowly(end, name);
		return;
	}
	magazine->name[magazine->count++] = tsr_ticket_release(&map->tickets[index], name, end->me);
	/* [V3] pairs with [V2]: who copies sees that it is no longer shared; no instruction. */
	tsr_fence_rel();
}

/* All of it goes into the magazine of its class, in which there is room for it. The oldest last: it
 * is used first, and its lines have come by now. */
static void
broadcast_free_all(struct tsr_end *end, struct tsr_magazine *magazine)
{
	struct tsr_writer *const own = &end->writer;
	struct tsr_ticket *const tickets = end->map->tickets;
	uint64_t const *name = &own->name[own->retired];
	uint64_t *out = &magazine->name[magazine->count];
	uint16_t const me = end->me;

	do {
		name--;
		*out++ = tsr_ticket_release(&tickets[tsr_name_index(*name)], *name, me);
	} while (name != own->name);
	/* [V3] pairs with [V2]: who copies sees that it is no longer shared; no instruction. */
	tsr_fence_rel();
	magazine->count += own->retired;
	own->retired = 0;
}

/* Likewise one by one, but for what somebody holds, wherever they belong. */
static void
broadcast_free_some(struct tsr_end *end, struct tsr_magazine *magazines, uint64_t const *holders)
{
	struct tsr_writer *const own = &end->writer;
	uint16_t first = own->retired; /* of those that are kept */

	for (uint16_t i = own->retired; i-- > 0;) {
		if (holders != NULL && tsr_broadcast_held(&end->channel, holders, own->name[i]))
			own->name[--first] = own->name[i];
		else
			broadcast_free(end, magazines, own->name[i]);
	}
	own->retired -= first;
	if (own->retired > 0)
		memmove(own->name, &own->name[first], own->retired * sizeof(own->name[0]));
}

/* Free what is out of its slot and not held. One fence for all of them. */
static void
broadcast_flush(struct tsr_end *end)
{
	struct tsr_writer *const own = &end->writer;
	struct tsr_magazine *const magazines = tsr_magazines_open(end->attachment);
	struct tsr_magazine *const magazine = magazines != NULL ? &magazines[own->klass] : NULL;
	uint64_t holders[TSR_CURSOR_WORDS];
	bool held;

	/* [H2] pairs with [H1]: the slots were claimed before the holds are looked at. */
	tsr_fence_sc();
	held = tsr_broadcast_holders(&end->channel, holders);
	if (tsr_likely(!held) && tsr_likely(!own->mixed) && own->retired > 0 &&
	    tsr_likely(magazine != NULL) &&
	    tsr_likely(magazine->count + own->retired <= magazine->limit) && !TSR_TRACED)
		broadcast_free_all(end, magazine);
	else
		broadcast_free_some(end, magazines, held ? holders : NULL);
	own->mixed = own->mixed && own->retired > 0;
}

/* The daemon is responsible for what is left. */
static void
broadcast_bequeath(struct tsr_end *end)
{
	struct tsr_writer *const own = &end->writer;

	for (uint32_t i = 0; i < own->retired; i++)
		tsr_st_rlx(&end->map->tickets[tsr_name_index(own->name[i])].tag,
		           tsr_tag_shared(end->channel_id, TSR_HOLDER_DAEMON));
	own->retired = 0;
}

void
tsr_broadcast_retire(struct tsr_end *end)
{
	broadcast_flush(end);
	broadcast_bequeath(end);
}

/* Another size: where there are few of it, a few are enough. */
TSR_COLD static void
broadcast_size(struct tsr_end *end, uint16_t klass)
{
	struct tsr_writer *const own = &end->writer;

	own->mixed = own->retired > 0;
	own->klass = klass;
	own->enough = TSR_WRITER_RETIRED;
	if (klass < end->map->classes_count && end->map->klass[klass].batch < own->enough)
		own->enough = (uint16_t)end->map->klass[klass].batch;
}

/* The slot is ours, and the ticket @name in it: from here on it is ours to free. */
TSR_INLINE void
broadcast_take_out(struct tsr_end *end, struct tsr_map const *map, uint64_t name)
{
	struct tsr_writer *const own = &end->writer;
	uint32_t const index = tsr_name_index(name);
	struct tsr_block const *const block = &map->blocks[index];
	struct tsr_ticket *const ticket = &map->tickets[index];

	if (tsr_unlikely(index >= map->tickets_count))
		return;
	if (tsr_unlikely(!tsr_word_is_shared(tsr_ld_rlx(&ticket->word), name))) {
		tsr_count(&end->attachment->state->refused, 1);
		return;
	}
	tsr_st_rlx(&ticket->tag, tsr_tag_shared(end->channel_id, end->me));
	/* It is written again soon, and readers have its first line. */
	tsr_prefetch_write((unsigned char *)tsr_block_data(map, block, 0));
	if (tsr_unlikely(block->klass != own->klass))
		broadcast_size(end, block->klass);
	own->name[own->retired++] = name;
	/* Written down before the slot names another one. */
	tsr_barrier_compiler();
}

/*
 * The one sender asks for the lines that it will write until the next time. Readers have them, too,
 * and a store to such a line holds up all stores behind it until the line is ours alone; stores in
 * a row wait together. So these come in a row, and change nothing (doc/performance.md, point 11).
 */
static void
broadcast_ask(struct tsr_end *end)
{
	struct tsr_map const *const map = end->map;
	uint64_t const until = end->position + end->writer.enough;

	if (!end->alone || (int64_t)(end->writer.limit - until) < 0)
		return;
	for (uint64_t position = end->position; position != until; position++) {
		struct tsr_slot *const slot = &end->slots[position & end->mask];
		uint64_t const name = tsr_ld_rlx(&slot->name);
		uint32_t const index = tsr_name_index(name);

		if (position % (TSR_CACHELINE / sizeof(*slot)) == 0)
			tsr_st_rlx(&slot->stamp, tsr_ld_rlx(&slot->stamp));
		/* What is ready is the slot's; of another the daemon may be responsible by now. */
		if (tsr_slot_phase(tsr_ld_rlx(&slot->word)) == TSR_READY &&
		    index < map->tickets_count &&
		    tsr_word_is_shared(tsr_ld_rlx(&map->tickets[index].word), name))
			tsr_st_rlx(&map->tickets[index].tag, end->channel_id);
	}
}

/* Free those of the tickets that are out of their slots that can be. */
static void
broadcast_tidy(struct tsr_end *end)
{
	broadcast_flush(end);
	broadcast_ask(end);
	if (end->writer.retired > TSR_WRITER_RETIRED / 2)
		broadcast_bequeath(end); /* or they would be looked at with every message */
}

/* Wake every reader that sleeps. */
TSR_COLD static void
broadcast_wake(struct tsr_end *end)
{
	tsr_waiters_fence(&end->others);
	tsr_end_woke(end, tsr_waiters_wake_all(&end->others, end->me) > 0 ? 1 : 0);
}

void
tsr_broadcast_wake_senders(struct tsr_end *end, struct tsr_wait_side const *senders, uint64_t place)
{
	tsr_waiters_fence(senders);
	if (tsr_tap_peek(&end->channel, place - 1) == TSR_TAP_HERE)
		return; /* what is before it has not been written over yet */
	if (tsr_waiters_wake_all(senders, end->me) > 0)
		tsr_count(&end->attachment->state->wakes, 1);
}

/* The slot at our position is claimed: @word is what it was. What both sides of a barrier use is
 * loaded once. */
TSR_INLINE void
broadcast_fill(struct tsr_end *end, struct tsr_slot *slot, uint64_t word, struct tsr_zdesc zdesc)
{
	struct tsr_map const *const map = end->map;
	uint64_t const position = end->position;
	uint64_t const ready = end->expect | TSR_READY;

	/* [V3] pairs with [V2]: who copies sees the claim if it sees what follows. */
	tsr_fence_rel();
	if (tsr_likely(tsr_slot_phase(word) == TSR_READY))
		broadcast_take_out(end, map, tsr_ld_rlx(&slot->name));
	tsr_st_rlx(&slot->name, zdesc.name);
	tsr_st_rlx(&slot->range, zdesc.range);
	tsr_st_rlx(&slot->stamp, ((uint32_t)position & end->stamp_mask) == end->stamp_mask
	                                 ? tsr_clock_ticks()
	                                 : 0);
	tsr_ticket_share(&map->tickets[tsr_name_index(zdesc.name)], zdesc.name, end->channel_id);
	if (TSR_TRACED)
		tsr_buffered_tell_send(end, zdesc.name, zdesc.range);
	/* [S2] pairs with [R1] and [B7]: zdesc, ticket word and payload come first. */
	tsr_st_rel(&slot->word, ready);
	tsr_end_step(end);
	tsr_barrier_compiler();
	/* [K2] pairs with [W1]: either we see the sleepers' bit or they see our slot. */
	if (tsr_unlikely(tsr_ld_rlx(&end->shm->receivers_waiting) != 0))
		broadcast_wake(end);
	/* [K2] pairs with [W1]: likewise, for a sender that has come round to our slot. */
	if (!end->alone && tsr_unlikely(tsr_ld_rlx(&end->shm->senders_waiting) != 0))
		tsr_broadcast_wake_senders(end, &end->mine, position);
	tsr_metrics_moved(end->metrics, tsr_range_length(zdesc.range));
	if (tsr_unlikely(end->writer.retired >= end->writer.enough))
		broadcast_tidy(end);
}

/* One step of a sender whose slot is not one that it may claim. */
static int
broadcast_step(struct tsr_end *end, uint64_t word)
{
	uint64_t const lap = tsr_channel_lap(&end->channel, end->position);
	int64_t const distance = tsr_lap_distance(tsr_slot_lap(word), lap);
	uint32_t const phase = tsr_slot_phase(word);
	uint64_t place;

	if (distance == 1 || (distance == 0 && phase != TSR_EMPTY)) {
		tsr_end_step(end); /* past, or another sender's */
		return 0;
	}
	if (distance == 0 || (distance == -1 && phase == TSR_READY))
		return 0; /* between the look and the claim somebody died */
	if (distance == -1 && phase == TSR_CLAIMED)
		return -EAGAIN; /* a sender is stopped there */
	place = tsr_channel_find(&end->channel);
	if (place == end->position)
		return -EAGAIN;
	tsr_end_seek(end, place);
	return 0;
}

static bool
broadcast_claim(struct tsr_end *end, struct tsr_slot *slot, uint64_t word)
{
	uint64_t const claimed = end->expect | ((uint64_t)end->me << 3) | TSR_CLAIMED;

	if (!end->alone)
		/* [B7] pairs with [S2]: which ticket was there. */
		return tsr_cas_acq(&slot->word, &word, claimed);
	tsr_st_rlx(&slot->word, claimed);
	return true;
}

/* A try whose place is not as it mostly is. */
TSR_COLD static int
broadcast_send(struct tsr_end *end, struct tsr_zdesc zdesc)
{
	/* At most two laps a call: what a hostile participant writes does not hold us for ever. */
	for (uint64_t steps = 2 * (uint64_t)end->channel.capacity + 4; steps > 0; steps--) {
		struct tsr_slot *const slot = tsr_end_slot(end);
		int error = broadcast_room(end);
		uint64_t word;

		if (error != 0)
			return error;
		/* [B7] pairs with [S2]: which ticket is there. */
		word = tsr_ld_acq(&slot->word);
		if (broadcast_claimable(end, word) && broadcast_claim(end, slot, word)) {
			broadcast_fill(end, slot, word, zdesc);
			return 0;
		}
		error = broadcast_step(end, word);
		if (error != 0)
			return error;
	}
	return -EAGAIN;
}

int
tsr_broadcast_try_send(struct tsr_end *end, struct tsr_zdesc *given)
{
	struct tsr_zdesc const zdesc = *given;
	struct tsr_slot *const slot = tsr_end_slot(end);
	struct tsr_ticket *ticket;
	uint64_t word;
	int const error = tsr_ticket_own_range(end->map, zdesc, end->me, &ticket);

	if (tsr_unlikely(error != 0))
		return error;
	if (tsr_unlikely(tsr_name_index(zdesc.name) >= end->map->tickets_count))
		return -EOPNOTSUPP; /* of a region: readers would have to map it first */
	if (tsr_unlikely(!broadcast_has_room(end)))
		return broadcast_send(end, zdesc);
	/* [B7] pairs with [S2]: which ticket is there. */
	word = tsr_ld_acq(&slot->word);
	if (tsr_unlikely(!broadcast_claimable(end, word)) ||
	    tsr_unlikely(!broadcast_claim(end, slot, word)))
		return broadcast_send(end, zdesc);
	broadcast_fill(end, slot, word, zdesc);
	return 0;
}

bool
tsr_broadcast_can_send(struct tsr_end const *end)
{
	uint64_t const word = tsr_ld_rlx(&tsr_end_slot(end)->word);
	uint64_t const lap = tsr_channel_lap(&end->channel, end->position);
	int64_t const distance = tsr_lap_distance(tsr_slot_lap(word), lap);

	if (!broadcast_claimable(end, word))
		/* Another was faster, or the place is lost: go on. */
		return distance != -1 || tsr_slot_phase(word) == TSR_EMPTY;
	return tsr_broadcast_behind(&end->channel, end->position, NULL) <
	               (int64_t)end->channel.capacity ||
	       (end->channel.flags & (TSR_CHANNEL_EVICT | TSR_CHANNEL_LAP)) != 0;
}
