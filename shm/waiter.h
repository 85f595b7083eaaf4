/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_WAITER_H
#define TSR_SHM_WAITER_H

/*
 * Waiter tokens: how a blocked operation sleeps and is woken, without a fence in the sender.
 *
 * Bytes	token word: state (3, low) | generation (29) | owner (16) | claimer (16). The low
 *		half is the futex: it changes with every change of state.
 * Writers	free --sleeper, CAS--> init --sleeper--> enqueued --waker, CAS--> claimed
 *		--sleeper--> init enqueued --sleeper, CAS--> cancelled (it found work by itself, or
 *		gave up) --> init init --sleeper--> free. The reaper frees what a dead owner had,
 *		and wakes what a dead claimer had claimed.
 * Ordering	sleeper				waker
 *		[W1] token enqueued, its bit	[K1] publish the slot
 *		     set in the mask		     compiler barrier
 *		     membarrier: a full fence	[K2] load the mask; not 0: wake one
 *		     in every waker
 *		[W2] look at the slot again
 *		Either the waker's load sees the bit, or the sleeper's second look sees the slot.
 *		With a client that can't be reached by membarrier both masks of the channel are
 *		marked fenced, for good: then every waker finds its mask not 0 and fences before it
 *		looks once more. No publish slips through while they are being marked: membarrier
 *		comes after, and one that it finds before its look at the mask sees the mark.
 * Progress	a waker never waits. A sleeper looks again after 100 ms, doubling to 10 s; work
 *		found so is counted in missed_wakes, which must stay 0.
 * Events	a token that the daemon owns stands for all who wait by descriptor (core/events.h).
 *		Whoever claims it rings the doorbell instead, and goes on: it never takes a wake-up
 *		from a sleeper.
 * Crowd	the receivers of a broadcast all sleep on one word, for each message wakes them all:
 *		a sleeper loads it, sets the bit, looks again, and sleeps while it has not changed;
 *		a waker clears the bit, adds one generation, and wakes everybody. A bit that was set
 *		in between is cleared too soon, but then the word has changed under its sleeper.
 * Crash	an owner that dies leaves a token and a bit, a claimer a token claimed and not
 *		woken: the reaper settles both.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/access.h"
#include "shm/layout.h"
#include "shm/zdesc.h"

enum tsr_token_state {
	TSR_TOKEN_FREE = 0,
	TSR_TOKEN_INIT = 1,
	TSR_TOKEN_ENQUEUED = 2,
	TSR_TOKEN_CLAIMED = 3,
	TSR_TOKEN_CANCELLED = 4,
	TSR_TOKEN_CROWD = 5, /* nobody's: any number sleep on it, see Crowd above */
};

/* The token of a crowd, on a side that has one; its generation has all upper bits. */
#define TSR_TOKEN_CROWD_NUMBER (TSR_TOKENS_PER_SIDE - 1)
#define TSR_TOKEN_CROWD_ONE    (UINT64_C(1) << 3)

#define TSR_TOKEN_GENERATION_MASK UINT64_C(0x1fffffff)

TSR_INLINE uint64_t
tsr_token_make(enum tsr_token_state state, uint64_t generation, uint16_t owner, uint16_t claimer)
{
	return (uint64_t)state | ((generation & TSR_TOKEN_GENERATION_MASK) << 3) |
	       ((uint64_t)owner << 32) | ((uint64_t)claimer << 48);
}

TSR_INLINE uint32_t
tsr_token_state(uint64_t word)
{
	return (uint32_t)(word & 7);
}

TSR_INLINE uint64_t
tsr_token_generation(uint64_t word)
{
	return (word >> 3) & TSR_TOKEN_GENERATION_MASK;
}

TSR_INLINE uint16_t
tsr_token_owner(uint64_t word)
{
	return (uint16_t)(word >> 32);
}

TSR_INLINE uint16_t
tsr_token_claimer(uint64_t word)
{
	return (uint16_t)(word >> 48);
}

/* In a mask of waiters, besides the bits of the tokens: wakers must fence. */
#define TSR_WAITING_FENCED (UINT64_C(1) << 63)

static_assert(TSR_TOKENS_PER_SIDE < 64, "the highest bit is no token's");

/* One side of a channel on which somebody may sleep. */
struct tsr_wait_side {
	_Atomic uint64_t *mask;   /* receivers_waiting or senders_waiting */
	_Atomic uint64_t *tokens; /* [TSR_TOKENS_PER_SIDE] */
	int const *doorbell;      /* an eventfd; NULL, or 0: nobody listens */
};

/* tsr_token_is_event - nobody sleeps on it: the daemon wants to hear of its being claimed. */
TSR_INLINE bool
tsr_token_is_event(uint64_t word)
{
	return tsr_token_owner(word) == TSR_HOLDER_DAEMON;
}

/*
 * tsr_token_rouse - @word of token @number was claimed: wake its sleeper, or ring the doorbell
 *
 * Context: a system call. Return: true if it is a sleeper's.
 */
bool tsr_token_rouse(struct tsr_wait_side const *side, uint32_t number, uint64_t word);

/* tsr_token_claim - claim the token if it is enqueued. Return: true if a sleeper was woken. */
bool tsr_token_claim(struct tsr_wait_side const *side, uint32_t number, uint16_t me);

/* tsr_waiters_fence - where the mask says so: what was published, before the next look at it */
TSR_INLINE void
tsr_waiters_fence(struct tsr_wait_side const *side)
{
	if ((tsr_ld_rlx(side->mask) & TSR_WAITING_FENCED) != 0)
		/* [K2] pairs with [W1]: what was done, before the next look at the mask. */
		tsr_fence_sc();
}

/*
 * tsr_waiters_wake_one - claim one enqueued token and wake its sleeper; claim event tokens on the
 * way
 * @me:		client id of the waker, TSR_HOLDER_DAEMON for the daemon
 *
 * Context: any; a system call if somebody sleeps. Return: how many were woken, 0 or 1.
 */
unsigned tsr_waiters_wake_one(struct tsr_wait_side const *side, uint16_t me);

/* tsr_waiters_wake_all - the same for all of them: after a close, a death, a repair. */
unsigned tsr_waiters_wake_all(struct tsr_wait_side const *side, uint16_t me);

/* tsr_crowd_wake - everybody who sleeps on the crowd's token @number. Context: a system call. */
void tsr_crowd_wake(struct tsr_wait_side const *side, uint32_t number);
/* tsr_waiters_wake_owner - the same for those of one client. */
unsigned tsr_waiters_wake_owner(struct tsr_wait_side const *side, uint16_t owner, uint16_t me);

/*
 * tsr_token_acquire - a token of one's own
 * @number:	set on success
 *
 * Return: 0; -ENOBUFS all are in use.
 */
TSR_MUST_CHECK
int tsr_token_acquire(struct tsr_wait_side const *side, uint16_t me, uint32_t *number);
void tsr_token_release(struct tsr_wait_side const *side, uint32_t number, uint16_t me);

/*
 * tsr_token_announce - say that one is about to sleep. Before one looks again, and then sleeps:
 * tsr_token_fence - once for all tokens that were announced before
 * @fenced:	do without membarrier: the mask is marked, wakers fence
 *
 * Return of announce: the token word to sleep on.
 */
uint64_t tsr_token_announce(struct tsr_wait_side const *side, uint32_t number, uint16_t me);
void tsr_token_fence(bool fenced);

/* tsr_token_enqueue - both: look again after this, then sleep. Return: the token word. */
uint64_t tsr_token_enqueue(struct tsr_wait_side const *side, uint32_t number, uint16_t me,
                           bool fenced);

/*
 * tsr_token_sleep - until claimed, or until @deadline_ns
 *
 * Return: 0 claimed; -ETIMEDOUT.
 */
TSR_MUST_CHECK
int tsr_token_sleep(struct tsr_wait_side const *side, uint32_t number, uint64_t enqueued,
                    uint64_t deadline_ns);

/*
 * tsr_token_withdraw - no longer asleep, for whatever reason
 *
 * Return: true if somebody had claimed the token: a wake-up was spent on us.
 */
bool tsr_token_withdraw(struct tsr_wait_side const *side, uint32_t number, uint16_t me);

#endif /* TSR_SHM_WAITER_H */
