/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_DUMP_SHOW_H
#define TSR_APPS_DUMP_SHOW_H

/*
 * What `tessera dump` shows of a dump: a realm as a whole, or one channel slot by slot.
 */

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "apps/dump.h"

/* How much of it. */
struct tsr_dump_show {
	bool all;       /* empty slots and cells, too */
	uint64_t limit; /* rows of one kind; 0: all */
};

/* tsr_dump_report_realm, tsr_dump_report_channel - as a report. */
json_t *tsr_dump_report_realm(const struct tsr_dump *dump, const struct tsr_dump_show *show);
json_t *tsr_dump_report_channel(const struct tsr_dump *dump, uint32_t index,
                                const struct tsr_dump_show *show);

/* tsr_dump_print - such a report for people or a pipe. */
void tsr_dump_print(FILE *out, const json_t *report);

#endif /* TSR_APPS_DUMP_SHOW_H */
