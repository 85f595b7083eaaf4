/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper.h"

#include <errno.h>

#include "core/reaper_kind.h"
#include "core/reaper_ticket.h"
#include "shm/access.h"
#include "shm/ask.h"
#include "shm/depot.h"
#include "shm/ticket.h"
#include "shm/trace.h"
#include "shm/unlimited.h"
#include "shm/waiter.h"

static void
reaper_spend(uint32_t *work, uint32_t done)
{
	*work -= done < *work ? done : *work;
}

bool
tsr_reaper_slots_some(struct tsr_reap_end const *end, uint16_t dead, struct tsr_reap_walk *walk,
                      uint32_t *work, struct tsr_reap_result *result)
{
	struct tsr_reaper_kind const *const kind = tsr_reaper_kind(end->channel.kind);

	if (!walk->begun) {
		*walk = (struct tsr_reap_walk){.begun = true, .at = tsr_slots_of(&end->channel)};
		if (kind->begin != NULL)
			kind->begin(end, walk, dead, result);
		reaper_spend(work, kind->begin_work);
	}
	if (kind->senders_only && end->side != TSR_SIDE_SENDER)
		return true;
	walk->at.segments.channel = &end->channel; /* which the caller may have copied since */
	for (; *work > 0; (*work)--) {
		if (!tsr_slots_go(&walk->at)) {
			if (kind->done != NULL)
				kind->done(end, walk, dead, result);
			return true;
		}
		kind->slot(end, walk, dead, result);
	}
	return false;
}

void
tsr_reaper_slots(struct tsr_reap_end const *end, uint16_t dead, struct tsr_reap_result *result)
{
	struct tsr_reap_walk walk = {.begun = false};
	uint32_t work;

	do
		work = UINT32_MAX;
	while (!tsr_reaper_slots_some(end, dead, &walk, &work, result));
}

/* A token that the dead one has claimed, and perhaps not woken; or a reaper that was cut short. */
static bool
reaper_token_claimed(uint64_t word, uint16_t dead)
{
	return tsr_token_state(word) == TSR_TOKEN_CLAIMED &&
	       (tsr_token_claimer(word) == dead || tsr_token_claimer(word) == TSR_HOLDER_DAEMON);
}

static uint64_t
reaper_token_freed(uint64_t word)
{
	return tsr_token_make(TSR_TOKEN_FREE, tsr_token_generation(word) + 1, 0, 0);
}

/* The token @index of the @dead was @before and is free now. */
TSR_COLD static void
reaper_tell_token(struct tsr_reap_end const *end, uint32_t index, uint16_t dead, uint64_t before,
                  struct tsr_reap_result *result)
{
	struct tsr_trace_repair const repair = {
		.realm = end->realm != NULL ? end->realm : "",
		.what = "token",
		.channel = end->channel.id,
		.before = before,
		.after = reaper_token_freed(before),
		.index = index,
		.client = dead,
	};

	tsr_reaper_tell(&repair, result);
}

/* Tokens of one side: what the dead owned is free, what it had claimed is woken,
 * and names nobody who is gone. */
static void
reaper_tokens(struct tsr_reap_end const *end, struct tsr_wait_side const *side, uint16_t dead,
              struct tsr_reap_result *result)
{
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
		/* [K3] pairs with [W1]. */
		uint64_t const word = tsr_ld_acq(&side->tokens[i]);

		if (tsr_token_state(word) == TSR_TOKEN_FREE)
			continue;
		if (tsr_token_state(word) == TSR_TOKEN_CROWD) {
			/* [K2] pairs with [W1]. In any case: a waker may have died between the bit
			 * and the wake. */
			tsr_crowd_wake(side, i);
		} else if (tsr_token_owner(word) == dead) {
			(void)tsr_and_sc(side->mask, ~(UINT64_C(1) << i));
			/* [W5] pairs with [W4]. */
			tsr_st_rel(&side->tokens[i], reaper_token_freed(word));
			reaper_tell_token(end, i, dead, word, result);
			result->tokens++;
		} else if (reaper_token_claimed(word, dead)) {
			uint64_t seen = word;

			/* Wake first: a reaper that dies here does it once more. */
			(void)tsr_token_rouse(side, i, word);
			/* [K3] pairs with [W1]. */
			(void)tsr_cas_acq_rel(
				&side->tokens[i], &seen,
				tsr_token_make(TSR_TOKEN_CLAIMED, tsr_token_generation(word),
			                       tsr_token_owner(word), TSR_HOLDER_DAEMON));
			result->woken++;
		}
	}
}

void
tsr_reaper_wake(struct tsr_reap_end const *end, uint16_t dead, struct tsr_reap_result *result)
{
	struct tsr_channel const *const channel = &end->channel;
	struct tsr_wait_side const receivers = tsr_channel_side(channel, TSR_SIDE_RECEIVER);
	struct tsr_wait_side const senders = tsr_channel_side(channel, TSR_SIDE_SENDER);

	/* [K2] pairs with [W1]: what the slots and redo say comes before the look at the masks. */
	tsr_fence_sc();
	reaper_tokens(end, &receivers, dead, result);
	reaper_tokens(end, &senders, dead, result);
	result->woken += tsr_waiters_wake_all(&receivers, TSR_HOLDER_DAEMON);
	result->woken += tsr_waiters_wake_all(&senders, TSR_HOLDER_DAEMON);
}

/* A cell that the dead one was filling or emptying: what is free exactly as listed is the
 * daemon's. */
static void
reaper_cell(struct tsr_map const *map, uint32_t klass, uint32_t number, uint64_t word,
            struct tsr_reap_result *result)
{
	struct tsr_cell *const cell = &tsr_map_cells(map, klass)[number];
	struct tsr_trace_repair const repair = {
		.realm = map->directory->name,
		.what = "cell",
		.before = word,
		.after = tsr_slot_word(tsr_slot_lap(word) + 1, 0, TSR_EMPTY),
		.index = number,
		.client = tsr_slot_owner(word),
	};

	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++) {
		if (tsr_reaper_reclaim(map, tsr_ld_rlx(&cell->entry[i]), TSR_HOLDER_FREE,
		                       repair.client))
			result->tickets++;
	}
	/* [D4] pairs with [D5]. */
	tsr_st_rel(&tsr_map_cell_words(map, klass)[number], repair.after);
	tsr_reaper_tell(&repair, result);
	result->cells++;
}

/* Those of the dead one, and those of a reaper that was cut short. */
static void
reaper_cells(struct tsr_map const *map, uint32_t klass, struct tsr_part part, uint16_t dead,
             struct tsr_reap_result *result)
{
	_Atomic uint64_t *const words = tsr_map_cell_words(map, klass);

	for (uint32_t i = part.first; i < part.past; i++) {
		/* [D3] pairs with [D2]. */
		uint64_t const word = tsr_ld_acq(&words[i]);
		uint32_t const phase = tsr_slot_phase(word);
		uint16_t const owner = tsr_slot_owner(word);

		if ((phase == TSR_CLAIMED || phase == TSR_TAKEN) &&
		    (owner == dead || owner == TSR_HOLDER_DAEMON))
			reaper_cell(map, klass, i, word, result);
	}
}

/* Every ticket that names the dead one becomes the daemon's, or its channel's again. */
static void
reaper_tickets(struct tsr_map const *map, struct tsr_part part, uint16_t dead, bool died,
               struct tsr_reap_result *result)
{
	for (uint32_t i = part.first; i < part.past; i++) {
		/* [P1] pairs with [T1]: what its last holder did. */
		uint64_t const word = tsr_ld_acq(&map->tickets[i].word);
		uint64_t const next = tsr_word_make(tsr_generation_next(tsr_word_generation(word)),
		                                    TSR_TICKET_IDLE, TSR_HOLDER_DAEMON);

		if ((died && tsr_reaper_requeue(map, i, word, dead, result)) ||
		    tsr_word_holder(word) != dead)
			continue;
		/* [A3] pairs with [A4]: what the dead one had replied. */
		tsr_st_rel(&map->tickets[i].word, next);
		TSR_TRACE(reap, tsr_reaper_describe_ticket(map, i, dead, word, next));
		result->tickets++;
	}
}

/* Who waits for a reply on channel @index: its request is gone. */
static void
reaper_tell_asker(struct tsr_map const *map, uint32_t index, struct tsr_reap_result *result)
{
	struct tsr_channel_entry const *const entry = &map->entries[index];
	struct tsr_wait_side receivers;
	struct tsr_channel channel;

	if (tsr_ld_rlx(&entry->id) == 0 ||
	    tsr_channel_bind(&channel, map, index, entry->offset, tsr_channel_entry_shape(entry),
	                     tsr_ld_rlx(&entry->id)) != 0)
		return;
	receivers = tsr_channel_side(&channel, TSR_SIDE_RECEIVER);
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
		uint64_t const word = tsr_ld_rlx(&receivers.tokens[i]);

		/* By a reaper that was cut short before it woke. */
		if (reaper_token_claimed(word, TSR_HOLDER_DAEMON))
			(void)tsr_token_rouse(&receivers, i, word);
	}
	result->woken += tsr_waiters_wake_all(&receivers, TSR_HOLDER_DAEMON);
}

/*
 * Tickets of the daemon's that were requests: wake who waits for their replies, then forget whose
 * they were. A reaper that is cut short in between does it once more.
 */
void
tsr_reaper_tell_askers(struct tsr_map const *map, struct tsr_part part,
                       struct tsr_reap_result *result)
{
	/* [K2] pairs with [W1]: that the tickets are the daemon's, before the look at the masks. */
	tsr_fence_sc();
	for (uint32_t i = part.first; i < part.past; i++) {
		uint64_t const tag = tsr_ld_rlx(&map->tickets[i].tag);
		uint32_t const index = tsr_tag_reply_index(tag);

		if (tsr_tag_correlation(tag) == 0 ||
		    tsr_word_holder(tsr_ld_rlx(&map->tickets[i].word)) != TSR_HOLDER_DAEMON)
			continue;
		if (index < map->channels_count)
			reaper_tell_asker(map, index, result);
		tsr_st_rlx(&map->tickets[i].tag, 0);
	}
}

/* What is the daemon's goes into the depot. Return: false if no cell is empty. */
static bool
reaper_fill(struct tsr_map const *map, uint32_t klass, uint64_t *names, uint32_t *count)
{
	uint32_t const full = map->klass[klass].batch;
	uint32_t const batch = *count < full ? *count : full;

	if (batch == 0 || tsr_depot_fill(map, klass, TSR_HOLDER_DAEMON, names, batch) != 0)
		return batch == 0;
	*count -= batch;
	for (uint32_t i = 0; i < *count; i++)
		names[i] = names[batch + i];
	return true;
}

/*
 * Whatever the daemon holds of a part of a class goes back to its depot. A rest that does not fill
 * a cell is put together with a cell that is not full, so that such cells don't become more and
 * more.
 */
static void
reaper_refill(struct tsr_map const *map, uint32_t klass, struct tsr_part part)
{
	struct tsr_class const *const c = &map->klass[klass];
	uint64_t names[2 * TSR_CELL_ENTRIES];
	uint32_t count = 0;

	for (uint32_t i = c->first_ticket + part.first; i < c->first_ticket + part.past; i++) {
		uint64_t const word = tsr_ld_rlx(&map->tickets[i].word);

		if (tsr_word_holder(word) != TSR_HOLDER_DAEMON)
			continue;
		names[count++] = tsr_name_make(i, tsr_word_generation(word));
		if (count == c->batch && !reaper_fill(map, klass, names, &count))
			return; /* they stay the daemon's until the next sweep */
	}
	if (count == 0)
		return;
	count += tsr_depot_take_partial(map, klass, TSR_HOLDER_DAEMON, &names[count]);
	while (count > 0 && reaper_fill(map, klass, names, &count))
		;
}

void
tsr_reaper_refill_all(struct tsr_map const *map)
{
	for (uint32_t k = 0; k < map->classes_count; k++)
		reaper_refill(map, k, (struct tsr_part){.past = map->klass[k].count});
}

struct tsr_part
tsr_sweep_part(struct tsr_sweep *sweep, uint32_t end, uint32_t *work)
{
	uint32_t const left = end - sweep->at;
	struct tsr_part const part = {.first = sweep->at,
	                              .past = sweep->at + (left < *work ? left : *work)};

	*work -= part.past - part.first;
	sweep->at = part.past;
	return part;
}

void
tsr_sweep_advance(struct tsr_sweep *sweep, uint32_t classes)
{
	sweep->at = 0;
	if (++sweep->klass < classes)
		return;
	sweep->klass = 0;
	sweep->step++;
}

static void
sweep_cells(struct tsr_map const *map, uint16_t dead, struct tsr_sweep *sweep, uint32_t *work,
            struct tsr_reap_result *result)
{
	uint32_t const cells = map->klass[sweep->klass].cells;

	reaper_cells(map, sweep->klass, tsr_sweep_part(sweep, cells, work), dead, result);
	if (sweep->at == cells)
		tsr_sweep_advance(sweep, map->classes_count);
}

/* All that there is to do with a ticket before others may have it, so that whoever else refills the
 * depots between two parts finds nothing half done. */
static void
sweep_tickets(struct tsr_map const *map, uint16_t dead, struct tsr_sweep *sweep, uint32_t *work,
              struct tsr_reap_result *result)
{
	struct tsr_part const part = tsr_sweep_part(sweep, map->tickets_all, work);

	reaper_tickets(map, part, dead, sweep->died, result);
	tsr_reaper_shared(map, part, dead, result);
	tsr_reaper_tell_askers(map, part, result);
	if (sweep->at == map->tickets_all)
		tsr_sweep_advance(sweep, 1);
}

void
tsr_sweep_refill(struct tsr_map const *map, struct tsr_sweep *sweep, uint32_t *work)
{
	uint32_t const tickets = map->klass[sweep->klass].count;

	reaper_refill(map, sweep->klass, tsr_sweep_part(sweep, tickets, work));
	if (sweep->at == tickets)
		tsr_sweep_advance(sweep, map->classes_count);
}

static int
sweep_check(struct tsr_map const *map, uint16_t dead, struct tsr_sweep *sweep, uint32_t *work)
{
	struct tsr_part const part = tsr_sweep_part(sweep, map->tickets_all, work);

	for (uint32_t i = part.first; i < part.past; i++) {
		if (tsr_word_holder(tsr_ld_rlx(&map->tickets[i].word)) == dead)
			return -EPROTO;
	}
	if (sweep->at == map->tickets_all)
		tsr_sweep_advance(sweep, 1);
	return 0;
}

int
tsr_reaper_sweep(struct tsr_map const *map, uint16_t dead, struct tsr_sweep *sweep, uint32_t *work,
                 struct tsr_reap_result *result)
{
	int error = 0;

	while (*work > 0 && sweep->step < TSR_SWEEP_DONE && error == 0) {
		switch (sweep->step) {
		case TSR_SWEEP_CELLS:
			sweep_cells(map, dead, sweep, work, result);
			break;
		case TSR_SWEEP_TICKETS:
			sweep_tickets(map, dead, sweep, work, result);
			break;
		case TSR_SWEEP_REFILL:
			tsr_sweep_refill(map, sweep, work);
			break;
		default:
			error = sweep_check(map, dead, sweep, work);
		}
	}
	return error != 0 ? error : sweep->step < TSR_SWEEP_DONE;
}

static struct tsr_part
reaper_all(struct tsr_map const *map)
{
	return (struct tsr_part){.past = map->tickets_all};
}

void
tsr_reaper_inherit(struct tsr_map const *map, struct tsr_reap_result *result)
{
	for (uint32_t k = 0; k < map->classes_count; k++)
		reaper_cells(map, k, (struct tsr_part){.past = map->klass[k].cells},
		             TSR_HOLDER_DAEMON, result);
	tsr_reaper_shared(map, reaper_all(map), TSR_HOLDER_DAEMON, result);
	tsr_reaper_tell_askers(map, reaper_all(map), result);
	tsr_reaper_refill_all(map);
}

void
tsr_reaper_settle(struct tsr_map const *map)
{
	struct tsr_reap_result result = {0};

	tsr_reaper_shared(map, reaper_all(map), TSR_HOLDER_DAEMON, &result);
	if (result.tickets > 0)
		tsr_reaper_refill_all(map);
}

uint32_t
tsr_reaper_region(struct tsr_map const *map, uint32_t first, uint32_t count, bool open)
{
	uint16_t const from = open ? TSR_HOLDER_DAEMON : TSR_HOLDER_FREE;
	uint16_t const to = open ? TSR_HOLDER_FREE : TSR_HOLDER_DAEMON;
	uint32_t out = 0;

	for (uint32_t i = first; i < first + count; i++) {
		/* [G2] pairs with [G1]; [P1] pairs with [T1]: what its last holder did. */
		uint64_t const word = tsr_ld_acq(&map->tickets[i].word);

		if (tsr_word_holder(word) == from)
			/* [G1] pairs with [G2]: likewise, for the owner. */
			tsr_st_rel(&map->tickets[i].word,
			           tsr_word_make(tsr_generation_next(tsr_word_generation(word)),
			                         TSR_TICKET_IDLE, to));
		else if (tsr_word_holder(word) != to)
			out++;
	}
	return out;
}

void
tsr_ends_publish(struct tsr_channel const *channel, uint32_t side, uint16_t count, bool died,
                 uint64_t stream)
{
	_Atomic uint64_t *const word =
		side == TSR_SIDE_SENDER ? &channel->entry->senders : &channel->entry->receivers;
	struct tsr_wait_side const other = tsr_channel_side(channel, side ^ 1);

	/* [E4] pairs with [E3]: what those ends had sent or received, and its repair, come
	 * first. */
	tsr_st_rel(word, tsr_ends_make(count, died, stream));
	/* [K2] pairs with [W1]: before the look at the mask. */
	tsr_fence_sc();
	(void)tsr_waiters_wake_all(&other, TSR_HOLDER_DAEMON);
}
