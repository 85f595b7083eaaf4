/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_TICKET_H
#define TSR_SHM_TICKET_H

/*
 * Tickets: from a zdesc to bytes, and the stamps that hand a block from one owner to the next.
 *
 * Writers	the holder that a ticket word names; the reaper for a dead one. Nobody else may
 *		touch a word, so a stamp is a plain store: by compare-and-swap it cost 2.5 times the
 *		rate.
 * Trust	a name is data from a peer: index, generation, holder and range are checked against
 *		a single load of the word and the daemon's block descriptor.
 * Crash	each stamp is one store, before or after it the word names exactly one owner.
 */

#include <errno.h>
#include <stdint.h>

#include "shm/access.h"
#include "shm/map.h"
#include "shm/zdesc.h"

/* The range lies inside the block: 64-bit arithmetic, no sum can wrap. */
TSR_INLINE bool
tsr_block_holds(struct tsr_block const *block, uint64_t range)
{
	return (uint64_t)tsr_range_offset(range) + tsr_range_length(range) <= block->capacity;
}

TSR_INLINE void *
tsr_block_data(struct tsr_map const *map, struct tsr_block const *block, uint64_t range)
{
	return map->arena_base[block->arena] + block->offset + tsr_range_offset(range);
}

/*
 * tsr_ticket_own - the ticket of @name, of an arena or of a region, if @me holds it
 *
 * Context: warm; who only takes tickets of arenas asks itself, with a lower bound.
 * Return: 0; -EINVAL no such ticket; -ESTALE generation or holder is another.
 */
TSR_INLINE int
tsr_ticket_own(struct tsr_map const *map, uint64_t name, uint16_t me, struct tsr_ticket **ticket)
{
	uint32_t const index = tsr_name_index(name);

	if (tsr_unlikely(index >= map->tickets_all))
		return -EINVAL;
	if (tsr_unlikely(!tsr_word_is(tsr_ld_rlx(&map->tickets[index].word), name, me)))
		return -ESTALE;
	*ticket = &map->tickets[index];
	return 0;
}

/* tsr_ticket_own_range - likewise, and may it be sent: its range lies in the block? Return: as
 * above; -EINVAL it does not. */
TSR_INLINE int
tsr_ticket_own_range(struct tsr_map const *map, struct tsr_zdesc zdesc, uint16_t me,
                     struct tsr_ticket **ticket)
{
	int const error = tsr_ticket_own(map, zdesc.name, me, ticket);

	if (tsr_unlikely(error != 0))
		return error;
	return tsr_likely(tsr_block_holds(&map->blocks[tsr_name_index(zdesc.name)], zdesc.range))
	               ? 0
	               : -EINVAL;
}

/*
 * tsr_ticket_send - give the ticket to a channel: the last step before the slot is published
 *
 * The zdesc is in the slot already: the reaper, who sees the word (CHANNEL, g), finds the slot that
 * names it.
 */
TSR_INLINE void
tsr_ticket_send(struct tsr_ticket *ticket, uint64_t name, uint64_t channel_id)
{
	/* [T1] pairs with [P1] and [V1]: payload and zdesc are written before it is the
	 * channel's. */
	tsr_st_rel(&ticket->word, tsr_name_word(name, TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL));
	/* Not before: until then it may be a message that we have received, and its tag says from
	 * which channel, if we die. */
	tsr_st_rlx(&ticket->tag, channel_id);
}

/* tsr_ticket_share - the same for a broadcast: it stays (SHARED, g) until it is freed. */
TSR_INLINE void
tsr_ticket_share(struct tsr_ticket *ticket, uint64_t name, uint64_t channel_id)
{
	tsr_st_rlx(&ticket->tag, channel_id);
	/* [T1] pairs with [P1] and [V1]: payload and zdesc are written before it is shared. */
	tsr_st_rel(&ticket->word, tsr_name_word(name, TSR_TICKET_SHARED, TSR_HOLDER_SHARED));
}

/* It is shared, in the generation of @name. */
TSR_INLINE bool
tsr_word_is_shared(uint64_t word, uint64_t name)
{
	return word == tsr_name_word(name, TSR_TICKET_SHARED, TSR_HOLDER_SHARED);
}

/* tsr_ticket_receive, for a ticket that may be any of the first @count. */
TSR_INLINE int
tsr_ticket_receive_of(struct tsr_map const *map, uint64_t name, uint32_t count, uint16_t me,
                      uint64_t *own)
{
	uint32_t const index = tsr_name_index(name);
	struct tsr_ticket *ticket;

	if (tsr_unlikely(index >= count))
		return -EPROTO;
	ticket = &map->tickets[index];
	if (tsr_unlikely(tsr_ld_rlx(&ticket->word) !=
	                 tsr_name_word(name, TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL)))
		return -EPROTO;
	*own = tsr_name_next(name);
	tsr_st_rlx(&ticket->word, tsr_name_word(*own, TSR_TICKET_RECEIVED, me));
	/* [V3] pairs with [V2]: stamped before we write into the block; no instruction on x86. */
	tsr_fence_rel();
	return 0;
}

/*
 * tsr_ticket_receive_again - the same for one that no slot names: it is requeued, and others want
 *		it, too
 *
 * Return: 0; -EAGAIN somebody else has it.
 */
TSR_INLINE int
tsr_ticket_receive_again(struct tsr_map const *map, uint64_t name, uint16_t me, uint64_t *own)
{
	uint64_t word = tsr_name_word(name, TSR_TICKET_REQUEUED, TSR_HOLDER_CHANNEL);
	uint64_t const mine = tsr_name_next(name);

	/* [Y2] pairs with [Y1]: what the dead one had, as the reaper left it. */
	if (!tsr_cas_acq(&map->tickets[tsr_name_index(name)].word, &word,
	                 tsr_name_word(mine, TSR_TICKET_RECEIVED, me)))
		return -EAGAIN;
	*own = mine;
	/* [V3] pairs with [V2]: likewise. */
	tsr_fence_rel();
	return 0;
}

/*
 * tsr_ticket_receive - take the ticket of @name, one of an arena's, from the channel whose slot
 *		names it
 * @own:	set to the name under which it is @me's now
 *
 * Return: 0; -EPROTO the slot names a ticket that is not the channel's.
 */
TSR_INLINE int
tsr_ticket_receive(struct tsr_map const *map, uint64_t name, uint16_t me, uint64_t *own)
{
	return tsr_ticket_receive_of(map, name, map->tickets_count, me, own);
}

/*
 * tsr_ticket_exchange - take the ticket from the channel while others may try to, too: the one who
 *		does it owns the message
 *
 * Return: false: it is not the channel's under that name, or not any more.
 */
TSR_INLINE bool
tsr_ticket_exchange(struct tsr_map const *map, uint64_t name, uint16_t me, uint64_t *own)
{
	uint64_t word = tsr_name_word(name, TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL);
	uint64_t const mine = tsr_name_next(name);

	/* [O5] pairs with [O6]: what names it was read; and with [T1]: the payload is visible. */
	if (!tsr_cas_acq_rel(&map->tickets[tsr_name_index(name)].word, &word,
	                     tsr_name_word(mine, TSR_TICKET_RECEIVED, me)))
		return false;
	/* [V3] pairs with [V2]: stamped before we write into the block; no instruction on x86. */
	tsr_fence_rel();
	*own = mine;
	return true;
}

/* tsr_ticket_release - the next generation, idle: @name and all its copies are stale now. */
TSR_INLINE uint64_t
tsr_ticket_release(struct tsr_ticket *ticket, uint64_t name, uint16_t me)
{
	uint64_t const next = tsr_name_next(name);

	tsr_st_rlx(&ticket->word, tsr_name_word(next, TSR_TICKET_IDLE, me));
	return next;
}

#endif /* TSR_SHM_TICKET_H */
