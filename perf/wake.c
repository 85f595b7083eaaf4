/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/wake.h"

#include <time.h>

static void
wake_rest(long ns)
{
	struct timespec const rest = {.tv_nsec = ns};

	(void)nanosleep(&rest, NULL);
}

static int
wake_await_done(struct tsr_perf_wake *memory, uint64_t round)
{
	/* [G2] pairs with [G1]: nothing else */
	for (uint32_t looks = 0; tsr_ld_acq(&memory->done.word) != round; looks++) {
		if (looks == TSR_PERF_WAKE_PATIENCE)
			return -ETIMEDOUT;
		wake_rest(TSR_PERF_WAKE_LOOK_NS);
	}
	return 0;
}

static int
wake_lead(struct tsr_perf_side *side, struct tsr_perf_sample *sample, tsr_perf_wake_call *wake)
{
	struct tsr_perf_wake *const memory = side->memory;
	double cost_ns[TSR_PERF_WAKE_ROUNDS];

	for (uint64_t i = 0; i < TSR_PERF_WAKE_ROUNDS; i++) {
		uint64_t began;
		int error;

		wake_rest(TSR_PERF_WAKE_SETTLE_NS);
		began = tsr_perf_ticks();
		tsr_st_rel(&memory->began.word, began); /* [K1] pairs with [K2]: nothing else */
		error = wake(side, i + 1);
		cost_ns[i] = tsr_perf_ticks_ns(tsr_perf_ticks() - began);
		if (error == 0)
			error = wake_await_done(memory, i + 1);
		if (error != 0)
			return error;
	}
	sample->value[1] = tsr_perf_summarize(cost_ns, TSR_PERF_WAKE_ROUNDS).median;
	sample->messages = TSR_PERF_WAKE_ROUNDS;
	return 0;
}

static int
wake_follow(struct tsr_perf_side *side, struct tsr_perf_sample *sample, tsr_perf_wake_call *sleep)
{
	struct tsr_perf_wake *const memory = side->memory;
	double latency_ns[TSR_PERF_WAKE_ROUNDS];

	for (uint64_t i = 0; i < TSR_PERF_WAKE_ROUNDS; i++) {
		int const error = sleep(side, i + 1);
		uint64_t const now = tsr_perf_ticks();

		if (error != 0)
			return error;
		/* [K2] pairs with [K1]: nothing else */
		latency_ns[i] = tsr_perf_ticks_ns(now - tsr_ld_acq(&memory->began.word));
		tsr_st_rel(&memory->done.word, i + 1); /* [G1] pairs with [G2]: nothing else */
	}
	sample->value[0] = tsr_perf_summarize(latency_ns, TSR_PERF_WAKE_ROUNDS).median;
	return 0;
}

int
tsr_perf_wake_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample,
                  tsr_perf_wake_call *wake, tsr_perf_wake_call *sleep)
{
	struct tsr_perf_wake *const memory = side->memory;
	int error;

	if (side->index == 0) {
		tsr_st_rlx(&memory->done.word, 0);
		tsr_st_rlx(&memory->futex.word, 0);
	}
	error = tsr_perf_meet(side);
	if (error != 0)
		return error;
	return side->index == 0 ? wake_lead(side, sample, wake) : wake_follow(side, sample, sleep);
}
