/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/flow.h"

#include <errno.h>
#include <inttypes.h>

int
tsr_perf_flow_end(struct tsr_perf_side *side, const struct tsr_perf_flow *flow,
                  struct tsr_perf_sample *sample)
{
	uint64_t took = tsr_perf_ticks() - flow->start;
	uint64_t total = tsr_ld_acq(&side->world->total.word); /* [F2] pairs with [F1]: check */

	sample->value[0] = (double)flow->count * 1e3 / tsr_perf_ticks_ns(took);
	sample->messages = flow->count;
	sample->empty = flow->idle;
	if (total == TSR_PERF_UNTOLD)
		return tsr_perf_fail(side, -ETIMEDOUT, "%s: the sender did not end",
		                     side->bench->name);
	sample->lost = total - flow->count;
	if (sample->lost == 0 && flow->sum != tsr_ld_rlx(&side->world->check.word))
		return tsr_perf_fail(side, -EBADMSG,
		                     "%s: %" PRIu64
		                     " messages arrived, but not with the bytes that were sent",
		                     side->bench->name, flow->count);
	return 0;
}
