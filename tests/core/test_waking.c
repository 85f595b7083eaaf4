/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper.h"
#include "shm/waiter.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/realm.h"

/*
 * Those whom the daemon wakes: the store-buffering race of waiter.h, with the daemon as the waker
 * and a sleeper that no membarrier serves. The daemon publishes how many ends are open and looks
 * for sleepers; the sleeper enqueues and looks at the ends, within a few hundred nanoseconds of
 * each other. (Without the fence in tsr_ends_publish() it misses one within some thousand rounds.)
 */
#define ROUNDS  150000
#define SLEEPER 1

static struct realm realm;
static struct tsr_channel *channel;

static int
sleeper(struct child_report *report, void *arg)
{
	struct tsr_wait_side const side = {&channel->shm->receivers_waiting,
	                                   channel->tokens->receiver};
	uint64_t seed = 1 + tsr_ld_rlx(&report->word[2]);
	uint32_t number;

	(void)arg;
	child_ok(report, tsr_token_acquire(&side, SLEEPER, &number));
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		tsr_st_rlx(&report->word[1], round); /* ready for it */
		for (uint64_t i = test_random(&seed) % 512; i > 0; i--)
			tsr_barrier_compiler();
		do {
			uint64_t const word = tsr_token_enqueue(&side, number, SLEEPER, true);

			if (tsr_ends_stream(tsr_ld_acq(&channel->entry->senders)) < round)
				child_check(report,
				            tsr_token_sleep(&side, number, word,
				                            tsr_deadline_in_ms(5000)) != -ETIMEDOUT,
				            "round %ju was missed", (uintmax_t)round);
			(void)tsr_token_withdraw(&side, number, SLEEPER);
		} while (tsr_ends_stream(tsr_ld_acq(&channel->entry->senders)) < round);
	}
	tsr_token_release(&side, number, SLEEPER);
	return 0;
}

Test(waking, no_wake_up_is_lost_between_the_daemon_that_counts_an_end_out_and_a_fenced_sleeper,
     .timeout = 60)
{
	uint64_t seed = test_seed();
	struct child child;

	realm_make(&realm, NULL);
	channel = realm_channel(&realm, 4, 0);
	realm.living[SLEEPER] = true;
	child_start(&child, sleeper, NULL);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		/* The mask is in our cache, as it is where nobody has slept for a while. */
		while (tsr_ld_rlx(&child.report->word[1]) < round &&
		       atomic_load(&child.report->failed) == 0)
			(void)tsr_ld_rlx(&channel->shm->receivers_waiting);
		for (uint64_t i = test_random(&seed) % 32; i > 0; i--)
			tsr_barrier_compiler();
		tsr_ends_publish(channel, TSR_SIDE_SENDER, 0, false, round);
	}
	child_join(&child);
	realm_balanced(&realm);
	realm_wipe(&realm);
}
