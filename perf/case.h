/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_CASE_H
#define TSR_PERF_CASE_H

/*
 * The cases: each makes a plan of what is run against what, and what it has to reach.
 */

#include "perf/harness.h"

struct tsr_perf_request {
	const char *kind;    /* "" if none was given */
	uint64_t payload;    /* 0 if none was given */
	bool hugepages;      /* backing is "2M" and may be had */
	const char *backing; /* for the realm and the baselines */
};

struct tsr_perf_case {
	const char *name;
	const char *kinds;   /* "burst 16", what KIND may be; "" none */
	bool forms;          /* or the name of a form: perf/form.h */
	const char *payload; /* what PAYLOAD means; "" it has none */
	const char *summary;
	/* Return: 0; -EINVAL kind or payload is not for this case; or what a baseline gave. */
	int (*plan)(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
};

extern const struct tsr_perf_case tsr_perf_cases[];
extern const size_t tsr_perf_case_count;

int tsr_perf_plan_noise(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_rtt(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_ticket(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_stream_64(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_stream_512(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_stream_4096(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_capacities(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_alloc(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_stream_64k(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_stream_1m(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_fan_in(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_fan_out(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_idle(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_ask(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_select(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_wake(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_tracing(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_metrics(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_jitter(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_attach(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);
int tsr_perf_plan_death(struct tsr_perf_plan *plan, const struct tsr_perf_request *request);

/* tsr_perf_plan_bench - the next free benchmark of the plan, and its number */
struct tsr_perf_bench *tsr_perf_plan_bench(struct tsr_perf_plan *plan, size_t *number);

/* tsr_perf_plan_say - text that lives as long as the plan; what is too long is cut off */
const char *tsr_perf_plan_say(struct tsr_perf_plan *plan, const char *format, ...) TSR_PRINTF(2, 3);

/* tsr_perf_plan_pair - the next free pair of the plan */
struct tsr_perf_pair *tsr_perf_plan_pair(struct tsr_perf_plan *plan, size_t ours, size_t baseline);

/* tsr_perf_plan_label - "CASE" or "CASE:KIND", as the user said it; "one" is what all have */
const char *tsr_perf_plan_label(struct tsr_perf_plan *plan, const char *name,
                                const struct tsr_perf_request *request);

/*
 * tsr_perf_plan_flat - @pair's first ratio is to be as good as that of @to, but for TSR_PERF_FLAT
 *
 * A row of its own says so: what their ratios are, and how many times worse that of @pair is.
 */
void tsr_perf_plan_flat(struct tsr_perf_plan *plan, struct tsr_perf_pair *pair,
                        const struct tsr_perf_pair *to);

#endif /* TSR_PERF_CASE_H */
