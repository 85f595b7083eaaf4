/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/waiter.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/realm.h"

static struct realm realm;
static struct tsr_channel *channel;
static struct tsr_wait_side side;

static void
waiter_setup(void)
{
	realm_make(&realm, NULL);
	channel = realm_channel(&realm, 4, 0);
	side.mask = &channel->shm->receivers_waiting;
	side.tokens = channel->tokens->receiver;
	for (int i = 1; i <= 3; i++)
		realm.living[i] = true;
	test_ok(tsr_membarrier_register());
}

static void
waiter_teardown(void)
{
	realm_balanced(&realm);
	test_same(atomic_load(side.mask), 0);
	realm_wipe(&realm);
}

TestSuite(waiter, .timeout = 20);

test_case(waiter, wake_without_sleepers_wakes_nobody)
{
	test_same(tsr_waiters_wake_one(&side, 2), 0);
	test_same(tsr_waiters_wake_all(&side, 2), 0);
}

test_case(waiter, acquired_token_is_not_awake_able_until_it_is_enqueued)
{
	uint32_t number;

	test_ok(tsr_token_acquire(&side, 1, &number));
	cr_assert_lt(number, TSR_TOKENS_PER_SIDE);
	test_same(tsr_token_owner(atomic_load(&side.tokens[number])), 1);
	test_same(tsr_waiters_wake_one(&side, 2), 0);
	tsr_token_release(&side, number, 1);
	test_same(tsr_token_state(atomic_load(&side.tokens[number])), TSR_TOKEN_FREE);
}

test_case(waiter, all_tokens_can_be_had_and_one_more_is_refused)
{
	uint32_t numbers[TSR_TOKENS_PER_SIDE];
	uint32_t more = 77;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
		test_ok(tsr_token_acquire(&side, 1, &numbers[i]));
		seen |= UINT64_C(1) << numbers[i];
	}
	test_same(seen, UINT64_MAX & ~TSR_WAITING_FENCED);
	test_is(tsr_token_acquire(&side, 2, &more), -ENOBUFS);
	test_same(more, 77);
	tsr_token_release(&side, numbers[13], 1);
	test_ok(tsr_token_acquire(&side, 2, &more));
	test_same(more, numbers[13]);
	tsr_token_release(&side, more, 2);
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
		if (i != 13)
			tsr_token_release(&side, numbers[i], 1);
	}
}

test_case(waiter, claimed_before_sleep_returns_at_once)
{
	for (int fenced = 0; fenced < 2; fenced++) {
		uint32_t number;
		uint64_t word;

		test_ok(tsr_token_acquire(&side, 1, &number));
		word = tsr_token_enqueue(&side, number, 1, fenced != 0);
		test_same(tsr_token_state(word), TSR_TOKEN_ENQUEUED);
		test_same(atomic_load(side.mask), UINT64_C(1) << number);
		test_same(tsr_waiters_wake_one(&side, 2), 1);
		test_same(tsr_token_claimer(atomic_load(&side.tokens[number])), 2);
		test_ok(tsr_token_sleep(&side, number, word, test_deadline(5000)));
		cr_assert(tsr_token_withdraw(&side, number, 1), "the wake-up was spent on us");
		tsr_token_release(&side, number, 1);
	}
}

test_case(waiter, sleep_ends_at_its_deadline_and_not_before)
{
	uint32_t number;
	uint64_t word, deadline;

	test_ok(tsr_token_acquire(&side, 1, &number));
	word = tsr_token_enqueue(&side, number, 1, false);
	deadline = test_deadline(30);
	test_is(tsr_token_sleep(&side, number, word, deadline), -ETIMEDOUT);
	cr_assert(test_passed(deadline));
	cr_assert(!test_passed(deadline + 2 * TEST_SECOND));
	cr_assert(!tsr_token_withdraw(&side, number, 1), "nobody spent a wake-up");
	test_same(atomic_load(side.mask), 0);
	tsr_token_release(&side, number, 1);
}

test_case(waiter, wake_one_passes_over_a_token_that_is_claimed)
{
	uint32_t first, second;

	test_ok(tsr_token_acquire(&side, 1, &first));
	test_ok(tsr_token_acquire(&side, 2, &second));
	(void)tsr_token_enqueue(&side, first, 1, false);
	(void)tsr_token_enqueue(&side, second, 2, false);
	test_same(tsr_waiters_wake_one(&side, 3), 1);
	test_same(tsr_waiters_wake_one(&side, 3), 1);
	test_same(tsr_waiters_wake_one(&side, 3), 0);
	cr_assert(tsr_token_withdraw(&side, first, 1));
	cr_assert(tsr_token_withdraw(&side, second, 2));
	tsr_token_release(&side, first, 1);
	tsr_token_release(&side, second, 2);
}

test_case(waiter, event_token_is_rung_and_takes_no_wake_up)
{
	int const bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint32_t event, number;
	uint64_t rung = 0;

	cr_assert_gt(bell, 0);
	side.doorbell = &bell;
	test_ok(tsr_token_acquire(&side, TSR_HOLDER_DAEMON, &event));
	test_ok(tsr_token_acquire(&side, 1, &number));
	(void)tsr_token_enqueue(&side, event, TSR_HOLDER_DAEMON, false);
	(void)tsr_token_enqueue(&side, number, 1, false);
	test_same(event, 0); /* wakers meet it first */
	test_same(tsr_waiters_wake_one(&side, 3), 1);
	test_same(tsr_token_state(atomic_load(&side.tokens[number])), TSR_TOKEN_CLAIMED);
	test_same(read(bell, &rung, sizeof(rung)), sizeof(rung));
	test_same(rung, 1);
	/* Claimed already: neither woken nor rung. */
	test_same(tsr_waiters_wake_one(&side, 3), 0);
	test_same(read(bell, &rung, sizeof(rung)), -1);
	(void)tsr_token_withdraw(&side, event, TSR_HOLDER_DAEMON);
	(void)tsr_token_withdraw(&side, number, 1);
	/* With nobody asleep there is nobody to be woken, and it rings. */
	(void)tsr_token_enqueue(&side, event, TSR_HOLDER_DAEMON, false);
	test_same(tsr_waiters_wake_one(&side, 3), 0);
	test_same(read(bell, &rung, sizeof(rung)), sizeof(rung));
	(void)tsr_token_withdraw(&side, event, TSR_HOLDER_DAEMON);
	tsr_token_release(&side, event, TSR_HOLDER_DAEMON);
	tsr_token_release(&side, number, 1);
	side.doorbell = NULL;
	close(bell);
}

test_case(waiter, wake_all_claims_every_enqueued_token)
{
	uint32_t number[5];

	for (int i = 0; i < 5; i++) {
		test_ok(tsr_token_acquire(&side, 1, &number[i]));
		(void)tsr_token_enqueue(&side, number[i], 1, false);
	}
	test_same(tsr_waiters_wake_all(&side, TSR_HOLDER_DAEMON), 5);
	for (int i = 0; i < 5; i++) {
		cr_assert(tsr_token_withdraw(&side, number[i], 1));
		tsr_token_release(&side, number[i], 1);
	}
}

test_case(waiter, token_can_be_enqueued_again_after_a_withdrawal_and_an_old_word_does_not_match)
{
	uint32_t number;
	uint64_t first, second;

	test_ok(tsr_token_acquire(&side, 1, &number));
	first = tsr_token_enqueue(&side, number, 1, false);
	cr_assert(!tsr_token_withdraw(&side, number, 1));
	second = tsr_token_enqueue(&side, number, 1, false);
	cr_assert_neq((uint32_t)first, (uint32_t)second,
	              "the futex would mistake one for the other");
	cr_assert(!tsr_token_withdraw(&side, number, 1));
	tsr_token_release(&side, number, 1);
}

/* Sleep as client 1 for ever, and say who woke us. */
static int
sleeper(struct child_report *report, void *arg)
{
	uint32_t number;
	uint64_t word;

	(void)arg;
	child_ok(report, tsr_membarrier_register());
	child_ok(report, tsr_token_acquire(&side, 1, &number));
	word = tsr_token_enqueue(&side, number, 1, false);
	report_set(report, 0, 1);
	child_ok(report, tsr_token_sleep(&side, number, word, UINT64_MAX));
	report_set(report, 1, tsr_token_claimer(atomic_load(&side.tokens[number])));
	child_check(report, tsr_token_withdraw(&side, number, 1));
	tsr_token_release(&side, number, 1);
	return 0;
}

test_case(waiter, sleeper_in_another_process_is_woken)
{
	struct child child;

	child_start(&child, sleeper, NULL);
	cr_assert(report_await(child.report, 0, 1, 5000), "%s", child.report->text);
	test_same(tsr_waiters_wake_one(&side, 3), 1);
	cr_assert(report_await(child.report, 1, 3, 5000), "not woken: %s", child.report->text);
	child_join(&child);
}

/*
 * The store-buffering race of the prologue: a flag is published and the mask looked at, against a
 * sleeper that enqueues and looks at the flag, within a few hundred nanoseconds of each other. A
 * wake-up that both miss shows as a time-out. (Without membarrier it comes within some ten thousand
 * rounds.)
 */
#define RACE_ROUNDS 150000

static int
racer(struct child_report *report, void *arg)
{
	bool const fenced = arg != NULL;
	uint64_t seed = 1 + tsr_ld_rlx(&report->word[2]);
	uint32_t number;

	child_ok(report, tsr_membarrier_register());
	child_ok(report, tsr_token_acquire(&side, 1, &number));
	for (uint64_t round = 1; round <= RACE_ROUNDS; round++) {
		tsr_st_rlx(&report->word[1], round); /* ready for it */
		/* What the waker does then comes a line's way later: meet it. */
		for (uint64_t i = test_random(&seed) % 512; i > 0; i--)
			tsr_barrier_compiler();
		/* A waker that is late with the round before may wake us for nothing. */
		do {
			uint64_t const word = tsr_token_enqueue(&side, number, 1, fenced);

			if (tsr_ld_acq(&report->word[0]) < round)
				child_check(report,
				            tsr_token_sleep(&side, number, word,
				                            tsr_deadline_in_ms(5000)) != -ETIMEDOUT,
				            "round %ju was missed", (uintmax_t)round);
			(void)tsr_token_withdraw(&side, number, 1);
		} while (tsr_ld_acq(&report->word[0]) < round);
	}
	tsr_token_release(&side, number, 1);
	return 0;
}

static void
race(bool fenced)
{
	struct child child;
	uint64_t seed = test_seed();

	child_start(&child, racer, fenced ? &child : NULL);
	for (uint64_t round = 1; round <= RACE_ROUNDS; round++) {
		unsigned const delay = (unsigned)(test_random(&seed) % 32);

		/* The mask is in our cache, as it is in a sender's that nobody sleeps for. */
		while (tsr_ld_rlx(&child.report->word[1]) < round || tsr_ld_rlx(side.mask) != 0) {
			if (atomic_load(&child.report->failed) != 0 ||
			    tsr_ld_rlx(&child.report->word[1]) >= round)
				break;
		}
		for (unsigned i = 0; i < delay; i++)
			tsr_barrier_compiler();
		if (fenced) {
			(void)tsr_xchg_sc(&child.report->word[0], round);
		} else {
			tsr_st_rel(&child.report->word[0], round);
			tsr_barrier_compiler();
		}
		if (tsr_ld_rlx(side.mask) != 0)
			(void)tsr_waiters_wake_one(&side, 2);
	}
	child_join(&child);
}

test_case_within(waiter, no_wake_up_is_lost_between_an_unfenced_waker_and_a_sleeper, 60)
{
	race(false);
}

test_case_within(waiter, no_wake_up_is_lost_between_a_fenced_waker_and_a_sleeper, 60)
{
	race(true);
}

test_case(waiter, futex_returns_when_the_word_is_another)
{
	_Atomic uint64_t *word = &channel->shm->redo;

	test_ok(tsr_futex_wait(word, 1, UINT64_MAX));
	test_is(tsr_futex_wait(word, 0, tsr_now_ns() + 1000000), -ETIMEDOUT);
	test_is(tsr_futex_wait(word, 0, 1), -ETIMEDOUT);
	test_same(tsr_futex_wake(word), 0);
}
