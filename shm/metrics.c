/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/metrics.h"

void
tsr_metrics_read(struct tsr_metrics const *metrics, uint64_t now_ns, struct tsr_metrics_seen *seen)
{
	uint64_t since_ns;

	tsr_pair_read(&metrics->moved, &seen->messages, &seen->bytes);
	tsr_pair_read(&metrics->blocked, &seen->blocked_ns, &since_ns);
	seen->blocked = since_ns != 0;
	if (since_ns != 0 && since_ns < now_ns)
		seen->blocked_ns += now_ns - since_ns;
	seen->waits = tsr_ld_rlx(&metrics->waits);
	seen->spin_ns = tsr_ld_rlx(&metrics->spin_ns);
	for (uint32_t i = 0; i < TSR_METRIC_CAUSES; i++)
		seen->cause[i] = tsr_ld_rlx(&metrics->cause[i]);
}

void
tsr_metrics_wipe(struct tsr_metrics *metrics)
{
	tsr_pair_wipe(&metrics->moved);
	tsr_pair_wipe(&metrics->blocked);
	tsr_st_rlx(&metrics->waits, 0);
	tsr_st_rlx(&metrics->spin_ns, 0);
	for (uint32_t i = 0; i < TSR_METRIC_CAUSES; i++)
		tsr_st_rlx(&metrics->cause[i], 0);
	tsr_histogram_wipe(&metrics->times);
}
