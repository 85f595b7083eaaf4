/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * How far apart are the two cores at this moment?
 *
 * Ordering	[Q1] ping is stored, [Q2] ping is loaded; [R1] pong is stored, [R2] pong is loaded.
 *		No other memory is read on the strength of them.
 */

#include "perf/harness.h"

#define PROBE_BATCHES     16
#define PROBE_BATCH       64
#define PROBE_WARM_UP     2
#define PROBE_LIMIT_NS    UINT64_C(100000000)
#define PROBE_NEAR_MAX_NS 220.0
#define PROBE_FAR_MIN_NS  300.0
#define PROBE_FAR_MAX_NS  1200.0
#define PROBE_LOOKS       4095

const char *const tsr_perf_class_names[TSR_PERF_CLASSES] = {
	[TSR_PERF_NEAR] = "near",
	[TSR_PERF_FAR] = "far",
	[TSR_PERF_ONE_CORE] = "one-core",
};

enum tsr_perf_class
tsr_perf_classify(double ns)
{
	if (ns > 0.0 && ns <= PROBE_NEAR_MAX_NS)
		return TSR_PERF_NEAR;
	if (ns >= PROBE_FAR_MIN_NS && ns <= PROBE_FAR_MAX_NS)
		return TSR_PERF_FAR;
	return TSR_PERF_CLASSES;
}

/* Wait until @word is @value, or until the time is up. */
static bool
probe_await(_Atomic uint64_t *word, uint64_t value, uint64_t limit)
{
	uint32_t looks = 0;

	while (tsr_ld_acq(word) != value) { /* [Q2] [R2] pair with [Q1] [R1]: nothing else */
		if ((++looks & PROBE_LOOKS) == 0 && tsr_perf_ticks() > limit)
			return false;
	}
	return true;
}

double
tsr_perf_probe(struct tsr_perf_side *side)
{
	struct tsr_perf_world *world = side->world;
	uint64_t limit = tsr_perf_ticks() + tsr_perf_ns_ticks(PROBE_LIMIT_NS);
	double batches[PROBE_BATCHES];
	uint64_t n = tsr_ld_rlx(&world->pong.word);

	for (int batch = -PROBE_WARM_UP; batch < PROBE_BATCHES; batch++) {
		uint64_t start = tsr_perf_ticks();

		for (int i = 0; i < PROBE_BATCH; i++) {
			n++;
			if (side->index == 0) {
				tsr_st_rel(&world->ping.word,
				           n); /* [Q1] pairs with [Q2]: nothing else */
				if (!probe_await(&world->pong.word, n, limit))
					return 0.0;
			} else {
				if (!probe_await(&world->ping.word, n, limit))
					return 0.0;
				tsr_st_rel(&world->pong.word,
				           n); /* [R1] pairs with [R2]: nothing else */
			}
		}
		if (batch >= 0)
			batches[batch] = tsr_perf_ticks_ns(tsr_perf_ticks() - start) / PROBE_BATCH;
	}
	return tsr_perf_summarize(batches, PROBE_BATCHES).median;
}
