/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_REPORT_H
#define TSR_PERF_REPORT_H

/*
 * What is printed: one JSON object per baseline, figure and class; or a table for people.
 */

#include <stdio.h>

#include "perf/harness.h"

struct tsr_perf_report {
	FILE *out;
	bool json;
	bool markdown;
	size_t rows;   /* printed so far */
	size_t misses; /* figures that do not reach what they must */
};

/* tsr_perf_report_plan - print all figures of a plan that was run. Return: 0 or -ENOMEM. */
int tsr_perf_report_plan(struct tsr_perf_report *report, const struct tsr_perf_plan *plan,
                         const struct tsr_perf_limits *limits);

#endif /* TSR_PERF_REPORT_H */
