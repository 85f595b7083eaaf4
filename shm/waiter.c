/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/waiter.h"

#include <errno.h>

bool
tsr_token_rouse(struct tsr_wait_side const *side, uint32_t number, uint64_t word)
{
	if (!tsr_token_is_event(word)) {
		(void)tsr_futex_wake(&side->tokens[number]);
		return true;
	}
	if (side->doorbell != NULL && *side->doorbell > 0)
		(void)tsr_event_ring(*side->doorbell);
	return false;
}

void
tsr_crowd_wake(struct tsr_wait_side const *side, uint32_t number)
{
	/* [K3] pairs with [W1]. The bit first: who sets it from here on sees the old generation go,
	 * or the new one. */
	(void)tsr_and_sc(side->mask, ~(UINT64_C(1) << number));
	/* [K3] pairs with [W1] and [W3]: what was published is visible to the sleepers. */
	(void)tsr_add_rel(&side->tokens[number], TSR_TOKEN_CROWD_ONE);
	(void)tsr_futex_wake(&side->tokens[number]);
}

bool
tsr_token_claim(struct tsr_wait_side const *side, uint32_t number, uint16_t me)
{
	_Atomic uint64_t *const token = &side->tokens[number];
	/* [K3] pairs with [W1], [W3] and [W6]: what the sleeper wrote before it enqueued. */
	uint64_t word = tsr_ld_acq(token);

	if (tsr_token_state(word) == TSR_TOKEN_CROWD) {
		tsr_crowd_wake(side, number);
		return true;
	}
	if (tsr_token_state(word) != TSR_TOKEN_ENQUEUED)
		return false;
	/* [K3] pairs with [W1], [W3] and [W6]: what was published is visible to the sleeper. */
	if (!tsr_cas_acq_rel(token, &word,
	                     tsr_token_make(TSR_TOKEN_CLAIMED, tsr_token_generation(word),
	                                    tsr_token_owner(word), me)))
		return false;
	return tsr_token_rouse(side, number, word);
}

static unsigned
waiters_wake(struct tsr_wait_side const *side, uint16_t me, unsigned limit)
{
	uint64_t mask = tsr_ld_rlx(side->mask) & ~TSR_WAITING_FENCED;
	unsigned woken = 0;

	while (mask != 0 && woken < limit) {
		uint32_t const number = tsr_bit_lowest(mask);

		mask &= mask - 1;
		if (tsr_token_claim(side, number, me))
			woken++;
	}
	return woken;
}

unsigned
tsr_waiters_wake_one(struct tsr_wait_side const *side, uint16_t me)
{
	return waiters_wake(side, me, 1);
}

unsigned
tsr_waiters_wake_all(struct tsr_wait_side const *side, uint16_t me)
{
	return waiters_wake(side, me, TSR_TOKENS_PER_SIDE);
}

unsigned
tsr_waiters_wake_owner(struct tsr_wait_side const *side, uint16_t owner, uint16_t me)
{
	uint64_t mask = tsr_ld_rlx(side->mask) & ~TSR_WAITING_FENCED;
	unsigned woken = 0;

	for (; mask != 0; mask &= mask - 1) {
		uint32_t const number = tsr_bit_lowest(mask);

		if (tsr_token_owner(tsr_ld_rlx(&side->tokens[number])) == owner &&
		    tsr_token_claim(side, number, me))
			woken++;
	}
	return woken;
}

int
tsr_token_acquire(struct tsr_wait_side const *side, uint16_t me, uint32_t *number)
{
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
		uint64_t word = tsr_ld_rlx(&side->tokens[i]);

		if (tsr_token_state(word) != TSR_TOKEN_FREE)
			continue;
		/* [W4] pairs with [W5]: the former owner has withdrawn. */
		if (tsr_cas_acq(&side->tokens[i], &word,
		                tsr_token_make(TSR_TOKEN_INIT, tsr_token_generation(word) + 1, me,
		                               0))) {
			*number = i;
			return 0;
		}
	}
	return -ENOBUFS;
}

void
tsr_token_release(struct tsr_wait_side const *side, uint32_t number, uint16_t me)
{
	uint64_t const word = tsr_ld_rlx(&side->tokens[number]);

	if (tsr_token_owner(word) != me)
		return;
	/* [W5] pairs with [W4]: its bit was cleared before. */
	tsr_st_rel(&side->tokens[number],
	           tsr_token_make(TSR_TOKEN_FREE, tsr_token_generation(word) + 1, 0, 0));
}

uint64_t
tsr_token_announce(struct tsr_wait_side const *side, uint32_t number, uint16_t me)
{
	/* [W1] pairs with [K3]: a crowd's word is loaded before the bit is set. */
	uint64_t word = tsr_ld_acq(&side->tokens[number]);

	if (tsr_token_state(word) != TSR_TOKEN_CROWD) {
		word = tsr_token_make(TSR_TOKEN_ENQUEUED, tsr_token_generation(word) + 1, me, 0);
		/* [W1] pairs with [K3]: a waker that sees the bit sees the token enqueued. */
		tsr_st_rel(&side->tokens[number], word);
	}
	/* [W1] pairs with [K2] and [K4]: the bit, before the fence. */
	(void)tsr_or_sc(side->mask, UINT64_C(1) << number);
	return word;
}

void
tsr_token_fence(bool fenced)
{
	if (fenced || tsr_membarrier() != 0)
		/* [W1] pairs with [K2] and [K4]: here and, by membarrier, in every waker. */
		tsr_fence_sc();
}

uint64_t
tsr_token_enqueue(struct tsr_wait_side const *side, uint32_t number, uint16_t me, bool fenced)
{
	uint64_t const word = tsr_token_announce(side, number, me);

	tsr_token_fence(fenced);
	return word;
}

int
tsr_token_sleep(struct tsr_wait_side const *side, uint32_t number, uint64_t enqueued,
                uint64_t deadline_ns)
{
	/* [W3] pairs with [K3]: a claimed token means that something was published. */
	while (tsr_ld_acq(&side->tokens[number]) == enqueued) {
		int const error = tsr_futex_wait(&side->tokens[number], enqueued, deadline_ns);

		if (error != 0)
			return error;
	}
	return 0;
}

bool
tsr_token_withdraw(struct tsr_wait_side const *side, uint32_t number, uint16_t me)
{
	/* [W6] pairs with [K3]: if it was claimed, see what for. */
	uint64_t word = tsr_ld_acq(&side->tokens[number]);
	uint64_t const generation = tsr_token_generation(word);
	bool claimed = tsr_token_state(word) == TSR_TOKEN_CLAIMED;

	if (tsr_token_state(word) == TSR_TOKEN_CROWD)
		return false; /* whoever else sleeps there was woken, too */
	if (tsr_token_state(word) == TSR_TOKEN_ENQUEUED &&
	    /* [W6] pairs with [K3]: likewise. */
	    !tsr_cas_acq(&side->tokens[number], &word,
	                 tsr_token_make(TSR_TOKEN_CANCELLED, generation, me, 0)))
		claimed = true;
	(void)tsr_and_sc(side->mask, ~(UINT64_C(1) << number));
	tsr_st_rlx(&side->tokens[number], tsr_token_make(TSR_TOKEN_INIT, generation + 1, me, 0));
	return claimed;
}
