/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_BUFFERED_H
#define TSR_SHM_BUFFERED_H

/*
 * The buffered channel: one try to send, one try to receive. See channel.h for the protocol.
 *
 * Context	hot, the end's own thread, never blocks, no system call unless somebody sleeps.
 */

#include "shm/client.h"
#include "shm/clock.h"
#include "shm/ticket.h"

/*
 * Where an end goes on when the slot before it is not for it. One step or a jump; -EAGAIN when there
 * is nothing to do but wait. Cold: see buffered.c.
 */
TSR_COLD TSR_MUST_CHECK int tsr_buffered_send_miss(struct tsr_end *end, uint64_t word);
TSR_COLD TSR_MUST_CHECK int tsr_buffered_recv_miss(struct tsr_end *end, uint64_t word);

/* Somebody sleeps on the other side, or, published out of order, on ours: wake one. */
TSR_COLD void tsr_buffered_wake_others(struct tsr_end *end);
TSR_COLD void tsr_buffered_wake_mine(struct tsr_end *end, uint64_t next);

/* A slot whose content cannot be: passed over and counted. */
TSR_COLD int tsr_buffered_refuse(struct tsr_end *end, struct tsr_slot *slot, uint64_t own);

/* How many slots one call may look at before it lets the caller breathe. */
#define TSR_BUFFERED_STEPS(end) (2 * (uint64_t)(end)->mask + 4)

TSR_INLINE uint64_t
tsr_end_lap(struct tsr_end const *end)
{
	return (end->position >> end->shift) & TSR_LAP_MASK;
}

/* The slot at the sender's position, claimed or, for the one sender, seen empty. */
TSR_INLINE int
tsr_buffered_claim(struct tsr_end *end, struct tsr_slot **slot)
{
	for (uint64_t steps = TSR_BUFFERED_STEPS(end); steps > 0; steps--) {
		uint64_t const lap = tsr_end_lap(end);
		uint64_t const empty = tsr_slot_word(lap, 0, TSR_EMPTY);
		uint64_t word;
		int error;

		*slot = &end->slots[end->position & end->mask];
		/* [S1] pairs with [R2]: the last zdesc was read before it is written over. */
		word = tsr_ld_acq(&(*slot)->word);
		if (tsr_likely(word == empty)) {
			if (end->alone)
				return 0;
			/* [S1] pairs with [R2]: likewise. */
			if (tsr_cas_acq(&(*slot)->word, &word,
			                tsr_slot_word(lap, end->me, TSR_CLAIMED)))
				return 0;
		}
		error = tsr_buffered_send_miss(end, word);
		if (error != 0)
			return error;
	}
	return -EAGAIN;
}

TSR_INLINE int
tsr_buffered_try_send(struct tsr_end *end, struct tsr_zdesc zdesc)
{
	struct tsr_map const *const map = &end->attachment->map;
	struct tsr_ticket *ticket;
	struct tsr_slot *slot;
	uint64_t ready;
	int error;

	error = tsr_ticket_own(map, zdesc.name, end->me, &ticket);
	if (tsr_unlikely(error != 0))
		return error;
	if (tsr_unlikely(!tsr_block_holds(&map->blocks[tsr_name_index(zdesc.name)], zdesc.range)))
		return -EINVAL;
	error = tsr_buffered_claim(end, &slot);
	if (tsr_unlikely(error != 0))
		return error;
	tsr_st_rlx(&slot->name, zdesc.name);
	tsr_st_rlx(&slot->range, zdesc.range);
	tsr_st_rlx(&slot->stamp,
	           (end->position & end->stamp_mask) == end->stamp_match ? tsr_clock_ticks() : 0);
	tsr_ticket_send(ticket, zdesc.name, end->channel.id);
	ready = tsr_slot_word(tsr_end_lap(end), 0, TSR_READY);
	if (tsr_likely(tsr_ld_rlx(&end->shm->fenced) == 0))
		/* [S2] pairs with [R1]: zdesc, ticket word and payload come first. */
		tsr_st_rel(&slot->word, ready);
	else
		/* [S2] pairs with [R1], and as a fence with [W1] of a client without membarrier. */
		(void)tsr_xchg_sc(&slot->word, ready);
	end->position++;
	tsr_barrier_compiler();
	/* [K2] pairs with [W1] and [T1]: either we see the sleeper's bit or it sees our slot. */
	if (tsr_unlikely(tsr_ld_rlx(&end->shm->receivers_waiting) != 0))
		tsr_buffered_wake_others(end);
	if (!end->alone && tsr_unlikely(tsr_ld_rlx(&end->shm->senders_waiting) != 0))
		tsr_buffered_wake_mine(end, end->position);
	return 0;
}

/* The slot at the receiver's position, taken or, for the one receiver, seen ready. */
TSR_INLINE int
tsr_buffered_take(struct tsr_end *end, struct tsr_slot **slot, uint64_t *taken)
{
	for (uint64_t steps = TSR_BUFFERED_STEPS(end); steps > 0; steps--) {
		uint64_t const ready = tsr_slot_word(tsr_end_lap(end), 0, TSR_READY);
		uint64_t const again = tsr_slot_word(0, TSR_READY_AGAIN, TSR_EMPTY);
		uint64_t word;
		int error;

		*slot = &end->slots[end->position & end->mask];
		/* [R1] pairs with [S2]: zdesc, ticket word and payload are visible. */
		word = tsr_ld_acq(&(*slot)->word);
		if (tsr_likely((word & ~again) == ready)) {
			*taken = word;
			if (end->alone)
				return 0;
			/* [R1] pairs with [S2]: likewise. */
			if (tsr_cas_acq(&(*slot)->word, &word,
			                tsr_slot_word(tsr_end_lap(end), end->me, TSR_TAKEN)))
				return 0;
		}
		error = tsr_buffered_recv_miss(end, word);
		if (error != 0)
			return error;
	}
	return -EAGAIN;
}

TSR_INLINE void
tsr_buffered_free(struct tsr_end *end, struct tsr_slot *slot)
{
	uint64_t const empty = tsr_slot_word(tsr_end_lap(end) + 1, 0, TSR_EMPTY);

	if (tsr_likely(tsr_ld_rlx(&end->shm->fenced) == 0))
		/* [R2] pairs with [S1]: zdesc and ticket word were read, the ticket is stamped. */
		tsr_st_rel(&slot->word, empty);
	else
		/* [R2] pairs with [S1], and as a fence with [W1] of a client without membarrier. */
		(void)tsr_xchg_sc(&slot->word, empty);
	end->position++;
	tsr_barrier_compiler();
	/* [K2] pairs with [W1] and [T1]: either we see the sleeper's bit or it sees our slot. */
	if (tsr_unlikely(tsr_ld_rlx(&end->shm->senders_waiting) != 0))
		tsr_buffered_wake_others(end);
	if (!end->alone && tsr_unlikely(tsr_ld_rlx(&end->shm->receivers_waiting) != 0))
		tsr_buffered_wake_mine(end, end->position);
}

TSR_INLINE int
tsr_buffered_try_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	struct tsr_map const *const map = &end->attachment->map;
	struct tsr_block const *block;
	struct tsr_slot *slot;
	uint64_t word, name, range, stamp, own;
	int error;

	error = tsr_buffered_take(end, &slot, &word);
	if (tsr_unlikely(error != 0))
		return error;
	name = tsr_ld_rlx(&slot->name);
	range = tsr_ld_rlx(&slot->range);
	stamp = tsr_ld_rlx(&slot->stamp);
	error = tsr_ticket_receive(map, name, end->me, &own);
	if (tsr_unlikely(error != 0))
		return tsr_buffered_refuse(end, slot, TSR_NAME_NONE);
	block = &map->blocks[tsr_name_index(own)];
	if (tsr_unlikely(!tsr_block_holds(block, range)))
		return tsr_buffered_refuse(end, slot, own);
	tsr_buffered_free(end, slot);
	msg->zdesc = (struct tsr_zdesc){.name = own, .range = range};
	msg->data = tsr_block_data(map, block, range);
	msg->length = tsr_range_length(range);
	msg->flags = tsr_slot_owner(word) == TSR_READY_AGAIN ? TSR_MSG_REDELIVERED : 0;
	msg->stamp = stamp;
	return 0;
}

#endif /* TSR_SHM_BUFFERED_H */
