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
#include "shm/requeue.h"
#include "shm/ticket.h"

/* What the fast form of a try came to: only the first two have changed anything. */
enum tsr_fast {
	TSR_FAST_DONE = 0,
	TSR_FAST_WAKE,   /* done; somebody sleeps, or a stamp was received: tsr_buffered_after() */
	TSR_FAST_MISS,   /* nothing done: the whole try knows why */
	TSR_FAST_REFUSE, /* the slot is ours, what is in it is not for us: tsr_buffered_settle() */
};

/*
 * tsr_buffered_try_send, tsr_buffered_try_recv - the whole of one try: past slots that others have,
 * every error told, sleepers woken
 *
 * Context: warm, the end's own thread, never blocks.
 * Return: 0; -EAGAIN full or empty; send: -EINVAL, -ESTALE; receive: -EPROTO.
 */
TSR_COLD TSR_MUST_CHECK int tsr_buffered_try_send(struct tsr_end *end, struct tsr_zdesc *zdesc);
TSR_COLD TSR_MUST_CHECK int tsr_buffered_try_recv(struct tsr_end *end, struct tsr_msg *msg);

/* Go to the first place where a try may succeed. Return: 0; -EAGAIN there is none. */
TSR_COLD TSR_MUST_CHECK int tsr_buffered_place(struct tsr_end *end);

/* Wake one who sleeps on the other side; and one on ours if the slot at our position is for it. */
TSR_COLD void tsr_buffered_wake(struct tsr_end *end);
TSR_COLD void tsr_buffered_wake_others(struct tsr_end *end);
TSR_COLD void tsr_buffered_wake_mine(struct tsr_end *end);

/* What we held was perhaps the last: wake receivers that wait to see that the stream has ended. */
TSR_COLD void tsr_buffered_wake_at_end(struct tsr_end *end);

/* What TSR_FAST_WAKE asks for: note how long a stamped message was under way, wake who sleeps. */
TSR_COLD void tsr_buffered_after(struct tsr_end *end, struct tsr_msg const *msg);

/*
 * tsr_buffered_settle - the slot at our position is ours, and the fast form would not have what is
 * in it: it lies in a region, or cannot be
 *
 * Return: 0, received; -EPROTO it cannot be: the slot is free, and its ticket, if that was the
 * channel's; or why the region can't be had: the message is still in the channel.
 */
TSR_COLD TSR_MUST_CHECK int tsr_buffered_settle(struct tsr_end *end, struct tsr_msg *msg);

/* tsr_buffered_came - a try to receive came to @fast, which is no miss: tell of it, see to it.
 * Return: 0; or as tsr_buffered_settle(). */
TSR_COLD TSR_MUST_CHECK int tsr_buffered_came(struct tsr_end *end, enum tsr_fast fast,
                                              struct tsr_msg *msg);

/* Publish the next state of the slot at our position and go on. */
TSR_INLINE enum tsr_fast
tsr_buffered_publish(struct tsr_end *end, struct tsr_slot *slot, uint64_t word,
                     _Atomic uint64_t *others_waiting, _Atomic uint64_t *mine_waiting)
{
	/* [S2] pairs with [R1]: zdesc, ticket word and payload come first;
	 * [R2] pairs with [S1]: zdesc and ticket word were read, the ticket is stamped. */
	tsr_st_rel(&slot->word, word);
	tsr_end_step(end);
	tsr_barrier_compiler();
	/* [K2] pairs with [W1] and [T1]: either we see the sleeper's bit or it sees our slot. */
	if (tsr_unlikely(tsr_ld_rlx(others_waiting) != 0))
		return TSR_FAST_WAKE;
	if (!end->alone && tsr_unlikely(tsr_ld_rlx(mine_waiting) != 0))
		return TSR_FAST_WAKE;
	return TSR_FAST_DONE;
}

/*
 * One receiver frees in order, so for the one sender an empty slot says that all before it are
 * empty, too. It looks once at a slot far ahead, which nobody else is near, instead of each time at
 * the one that the receiver has just freed, or is freeing the neighbour of in the same line.
 */
TSR_INLINE void
tsr_buffered_look_ahead(struct tsr_end *end)
{
	uint64_t const last = end->position + end->ahead - 1;
	uint64_t const wrapped = (last & end->mask) < (end->position & end->mask) ? TSR_LAP_ONE : 0;

	/* [S1] pairs with [R2]: the last zdesc of this slot and of all before it was read. */
	if (tsr_ld_acq(&end->slots[last & end->mask].word) == end->expect + wrapped)
		end->room = end->ahead;
}

/* Is the slot at our position empty, and, with many senders, claimed by us now? */
TSR_INLINE bool
tsr_buffered_claim(struct tsr_end *end, struct tsr_slot *slot)
{
	uint64_t word;

	if (tsr_unlikely(end->room == 0) && end->ahead != 0)
		tsr_buffered_look_ahead(end);
	if (tsr_likely(end->room != 0)) {
		end->room--;
		return true;
	}
	/* [S1] pairs with [R2]: the last zdesc was read before it is written over. */
	word = tsr_ld_acq(&slot->word);
	if (tsr_unlikely(word != end->expect))
		return false;
	/* [S1] pairs with [R2]: likewise. */
	return end->alone || tsr_cas_acq(&slot->word, &word,
	                                 end->expect | ((uint64_t)end->me << 3) | TSR_CLAIMED);
}

/* For a trace: the message is sent with the next store. */
TSR_COLD void tsr_buffered_tell_send(struct tsr_end const *end, uint64_t name, uint64_t range);

/*
 * Send in the slot at our position, which is ours to fill: the ticket is, too.
 * @traced:	a constant: whether a trace is told of it, if there is one
 */
TSR_INLINE enum tsr_fast
tsr_buffered_fill(struct tsr_end *end, struct tsr_slot *slot, struct tsr_ticket *ticket,
                  uint64_t name, uint64_t range, bool traced)
{
	enum tsr_fast fast;

	/* [V3] pairs with [V2]: the slot was seen empty before it is written; no instruction. */
	tsr_fence_rel();
	tsr_st_rlx(&slot->name, name);
	tsr_st_rlx(&slot->range, range);
	tsr_st_rlx(&slot->stamp, ((uint32_t)end->position & end->stamp_mask) == end->stamp_mask
	                                 ? tsr_clock_ticks()
	                                 : 0);
	/* A request's, or a reply's, tag says more; their ends always come this way. */
	tsr_ticket_send(ticket, name, traced ? end->channel_id | end->tag : end->channel_id);
	/* Before anybody can receive it, or the trace would tell that first. */
	if (traced && TSR_TRACED)
		tsr_buffered_tell_send(end, name, range);
	fast = tsr_buffered_publish(end, slot, end->expect | TSR_READY,
	                            &end->shm->receivers_waiting, &end->shm->senders_waiting);
	tsr_metrics_moved(end->metrics, tsr_range_length(range));
	return fast;
}

/*
 * One look at one slot: send there if the ticket, one of @count, is ours and the slot is free.
 * @traced:	a constant: whether a trace is told of it, if there is one
 */
TSR_INLINE enum tsr_fast
tsr_buffered_send_one(struct tsr_end *end, uint64_t name, uint64_t range, uint32_t count,
                      bool traced)
{
	struct tsr_map const *const map = end->map;
	uint32_t const index = tsr_name_index(name);
	struct tsr_slot *const slot = tsr_end_slot(end);
	struct tsr_ticket *const ticket = &map->tickets[index];

	if (tsr_unlikely(index >= count) ||
	    tsr_unlikely(!tsr_word_is(tsr_ld_rlx(&ticket->word), name, end->me)) ||
	    tsr_unlikely(!tsr_block_holds(&map->blocks[index], range)))
		return TSR_FAST_MISS;
	if (tsr_unlikely(!tsr_buffered_claim(end, slot)))
		return TSR_FAST_MISS;
	return tsr_buffered_fill(end, slot, ticket, name, range, traced);
}

/* The same for what lies in an arena, which is nearly everything. */
TSR_INLINE enum tsr_fast
tsr_buffered_send_fast(struct tsr_end *end, uint64_t name, uint64_t range)
{
	return tsr_buffered_send_one(end, name, range, end->map->tickets_count, false);
}

/*
 * Nothing is there yet, as at the last look, and senders are: what a receiver that looks again and
 * again should know as soon as can be, from the @word that it has just seen: a second load might be
 * the one that finds the message, and then take the long way. Anything else is for the whole try.
 */
TSR_INLINE bool
tsr_buffered_idle(struct tsr_end *end, uint64_t word)
{
	bool const idle = word == end->expect - TSR_READY &&
	                  (uint32_t)end->position == end->missed_at &&
	                  tsr_ld_rlx(&end->shm->redo) == end->redo_seen &&
	                  tsr_ends_count(tsr_ld_rlx(&end->channel.entry->senders)) != 0 &&
	                  tsr_ld_rlx(&end->map->directory->state) == TSR_REALM_LIVING;

	if (idle)
		end->patience_ns = 0;
	return idle;
}

/* Free the slot at the receiver's position: the message is received. */
TSR_INLINE enum tsr_fast
tsr_buffered_free(struct tsr_end *end, struct tsr_slot *slot)
{
	return tsr_buffered_publish(end, slot, end->expect - TSR_READY + TSR_LAP_ONE,
	                            &end->shm->senders_waiting, &end->shm->receivers_waiting);
}

/* Stamp the ticket that the slot in our hands names; before it, note its range, if need be. */
TSR_INLINE int
tsr_buffered_stamp(struct tsr_end *end, uint64_t name, uint64_t range, uint64_t *own, bool noted)
{
	if (noted)
		tsr_requeue_note(end, name, range);
	return tsr_ticket_receive(end->map, name, end->me, own);
}

/* The receiver's look at the slot at its position. */
TSR_INLINE uint64_t
tsr_buffered_look(struct tsr_end const *end)
{
	/* [R1] pairs with [S2]: zdesc, ticket word and payload are visible. */
	return tsr_ld_acq(&tsr_end_slot(end)->word);
}

/*
 * Receive what is in the slot at our position, if @ready, the word as just seen, says it is.
 * @noted:	a constant: whether it is noted what it is, if the channel was made so
 */
TSR_INLINE enum tsr_fast
tsr_buffered_recv_one(struct tsr_end *end, uint64_t ready, struct tsr_msg *msg, bool noted)
{
	struct tsr_map const *const map = end->map;
	struct tsr_slot *const slot = tsr_end_slot(end);
	struct tsr_block const *block;
	uint64_t word = ready;
	uint64_t range, stamp, own;
	enum tsr_fast fast;

	if (tsr_unlikely((ready & ~TSR_READY_AGAIN_BIT) != end->expect))
		return TSR_FAST_MISS;
	/* [R1] pairs with [S2]: likewise. */
	if (!end->alone && tsr_unlikely(!tsr_cas_acq(&slot->word, &word,
	                                             (end->expect - TSR_READY) |
	                                                     ((uint64_t)end->me << 3) | TSR_TAKEN)))
		return TSR_FAST_MISS;
	own = tsr_ld_rlx(&slot->name);
	range = tsr_ld_rlx(&slot->range);
	stamp = tsr_ld_rlx(&slot->stamp);
	block = &map->blocks[tsr_name_index(own)];
	if (tsr_unlikely(tsr_name_index(own) >= map->tickets_count) ||
	    tsr_unlikely(!tsr_block_holds(block, range)) ||
	    tsr_unlikely(tsr_buffered_stamp(end, own, range, &own, noted) != 0)) {
		end->again = (ready & TSR_READY_AGAIN_BIT) != 0;
		return TSR_FAST_REFUSE;
	}
	msg->zdesc.name = own;
	msg->zdesc.range = range;
	msg->data = tsr_block_data(map, block, range);
	msg->length = tsr_range_length(range);
	msg->flags = (ready & TSR_READY_AGAIN_BIT) != 0 ? TSR_MSG_REDELIVERED : 0;
	msg->stamp = stamp;
	fast = tsr_buffered_free(end, slot);
	tsr_metrics_moved(end->metrics, tsr_range_length(range));
	return tsr_unlikely(stamp != 0) ? TSR_FAST_WAKE : fast;
}

/* The same for ends that are inlined: nothing that they receive comes again once it is received. */
TSR_INLINE enum tsr_fast
tsr_buffered_recv_fast(struct tsr_end *end, uint64_t ready, struct tsr_msg *msg)
{
	return tsr_buffered_recv_one(end, ready, msg, false);
}

#endif /* TSR_SHM_BUFFERED_H */
