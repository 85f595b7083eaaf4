/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_FORM_H
#define TSR_PERF_FORM_H

/*
 * The forms of a channel that a case may be run with: those of the buffered kind that cost
 * something of their own, and every kind of shm/kind.h's table, with one sender and one receiver
 * where it knows them.
 */

#include "perf/harness.h"

struct tsr_perf_form {
	const char *name;
	uint32_t kind;     /* TSR_KIND_* */
	uint32_t flags;    /* TSR_CHANNEL_* */
	uint32_t capacity; /* 0: whatever the case wants */
	bool lossy;        /* not every message arrives */
};

/* tsr_perf_form_at - number @i. Return: false: there are not so many. */
bool tsr_perf_form_at(size_t i, struct tsr_perf_form *form);

/* tsr_perf_form_find - by name; "": one. Return: false: there is none. */
bool tsr_perf_form_find(const char *name, struct tsr_perf_form *form);

/* tsr_perf_form_use - the channels of @bench are of that form; @slots unless it has its own */
void tsr_perf_form_use(struct tsr_perf_form const *form, struct tsr_perf_bench *bench,
                       uint32_t slots);

#endif /* TSR_PERF_FORM_H */
