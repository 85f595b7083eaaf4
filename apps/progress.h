/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_PROGRESS_H
#define TSR_APPS_PROGRESS_H

/*
 * How far it is, on standard error: a bar on a terminal, a line per quarter otherwise.
 */

#include <stdbool.h>
#include <stdint.h>

struct tsr_progress {
	const char *what;
	uint64_t total;
	uint64_t start_ns;
	unsigned int quarters; /* that were told */
	bool bar;
};

void tsr_progress_start(struct tsr_progress *progress, const char *what, uint64_t total);
void tsr_progress_at(struct tsr_progress *progress, uint64_t bytes);
void tsr_progress_end(struct tsr_progress *progress);

#endif /* TSR_APPS_PROGRESS_H */
