/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/units.h"
#include "shm/tessera.h"

#define PROGRESS_WIDTH 32

void
tsr_progress_start(struct tsr_progress *progress, const char *what, uint64_t total)
{
	const char *term = getenv("TERM");

	*progress = (struct tsr_progress){
		.what = what,
		.total = total == 0 ? 1 : total,
		.start_ns = tsr_now_ns(),
		.bar = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0,
	};
	if (!progress->bar)
		fprintf(stderr, "%s ...\n", what);
	else
		tsr_progress_at(progress, 0);
}

static void
progress_bar(const struct tsr_progress *progress, uint64_t bytes)
{
	char bar[PROGRESS_WIDTH + 1], size[TSR_UNIT_TEXT_BYTES], rate[TSR_UNIT_TEXT_BYTES];
	double const share = (double)bytes / (double)progress->total;
	double const seconds = (double)(tsr_now_ns() - progress->start_ns) / 1e9;
	int const filled = (int)(share * PROGRESS_WIDTH);

	for (int i = 0; i < PROGRESS_WIDTH; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[PROGRESS_WIDTH] = '\0';
	tsr_size_format(bytes, size);
	tsr_size_format(seconds > 0 ? (uint64_t)((double)bytes / seconds) : 0, rate);
	fprintf(stderr, "\r%s [%s] %3d%%  %s  %s/s \033[K", progress->what, bar, (int)(share * 100),
	        size, rate);
	fflush(stderr);
}

void
tsr_progress_at(struct tsr_progress *progress, uint64_t bytes)
{
	unsigned int quarters;

	if (bytes > progress->total)
		bytes = progress->total;
	if (progress->bar) {
		progress_bar(progress, bytes);
		return;
	}
	quarters = (unsigned int)((double)bytes * 4 / (double)progress->total);
	if (quarters > progress->quarters) {
		fprintf(stderr, "%s: %u%%\n", progress->what, quarters * 25);
		progress->quarters = quarters;
	}
}

void
tsr_progress_end(struct tsr_progress *progress)
{
	if (progress->bar)
		fputc('\n', stderr);
}
