/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * tracing, metrics: what trace points and counting cost on the path of a message, 64 bytes written
 * and read. The same calls of the same sources, in builds of the library that are loaded side by
 * side: as it is; without trace points; with a provider, and one ticket in a thousand in the
 * sample; without counting. Whether somebody records the sample is a matter of where this runs: see
 * doc/performance.md.
 */

#include <dlfcn.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "perf/alloc.h"
#include "perf/case.h"
#include "perf/flow.h"
#include "perf/ours.h"

#define BUILDS_PAYLOAD     64
#define BUILDS_SLOTS       1024
#define BUILDS_BLOCKS      4096
#define BUILDS_SAMPLE      "1000"
#define BUILDS_RUN         64  /* messages, in one thread: so many sent, then received */
#define BUILDS_COUNTING_NS 2.0 /* more a message than without */

/* struct tsr_perf_bench.flags of these cases */
#define BUILDS_SAMPLED   UINT32_C(1)
#define BUILDS_UNTRACED  UINT32_C(2)
#define BUILDS_UNCOUNTED UINT32_C(4)
#define BUILDS_ONE_CORE  UINT32_C(8) /* one thread has both ends; ns a message */

/* One side's copy of the library, and what it has open there. */
struct builds_state {
	void *library;
	int (*attach)(const struct tsr_attach_options *options, struct tsr_client *out);
	int (*detach)(struct tsr_client client);
	int (*sender_open)(struct tsr_client client, const char *name,
	                   const struct tsr_end_options *options, struct tsr_sender *out);
	int (*receiver_open)(struct tsr_client client, const char *name,
	                     const struct tsr_end_options *options, struct tsr_receiver *out);
	int (*alloc)(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg);
	int (*send)(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns);
	int (*recv)(struct tsr_receiver receiver, struct tsr_msg *msg, uint64_t deadline_ns);
	int (*release)(struct tsr_client client, struct tsr_msg *msg);
	const char *(*last_hint)(void);
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg pending;
	bool is_pending;
};

/* A file beside this program, or elsewhere in its build folder. */
static void
builds_path(const char *relative, char *out, size_t out_bytes)
{
	static char self[1024];
	ssize_t const length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[length > 0 ? length : 0] = '\0';
	(void)snprintf(out, out_bytes, "%s/%s", dirname(self), relative);
}

static const char *
builds_library(uint32_t flags)
{
	if ((flags & BUILDS_SAMPLED) != 0)
		return "libtessera-sampled.so";
	if ((flags & BUILDS_UNCOUNTED) != 0)
		return "libtessera-uncounted.so";
	return (flags & BUILDS_UNTRACED) != 0 ? "libtessera-untraced.so" : "../shm/libtessera.so";
}

static int
builds_load(struct tsr_perf_side *side, struct builds_state *state)
{
	struct {
		const char *name;
		void *function;
	} const symbols[] = {
		{"tsr_attach", &state->attach},
		{"tsr_detach", &state->detach},
		{"tsr_sender_open", &state->sender_open},
		{"tsr_receiver_open", &state->receiver_open},
		{"tsr_alloc", &state->alloc},
		{"tsr_send", &state->send},
		{"tsr_recv", &state->recv},
		{"tsr_release", &state->release},
		{"tsr_last_hint", &state->last_hint},
	};
	static char path[1200];

	builds_path(builds_library(side->bench->flags), path, sizeof(path));
	state->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (state->library == NULL)
		return tsr_perf_fail(side, -ENOENT, "%s: %s", side->bench->name, dlerror());
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *const found = dlsym(state->library, symbols[i].name);

		if (found == NULL)
			return tsr_perf_fail(side, -ENOENT, "%s: no %s", path, symbols[i].name);
		memcpy(symbols[i].function, &found, sizeof(found));
	}
	return 0;
}

/* The sampled library finds the provider at its first attach, the others must not. */
static int
builds_attach(struct tsr_perf_side *side, struct builds_state *state)
{
	bool const sampled = (side->bench->flags & BUILDS_SAMPLED) != 0;
	struct tsr_attach_options const options = {.size = sizeof(options),
	                                           .realm = TSR_PERF_REALM};
	int error;

	if (sampled) {
		(void)setenv("TESSERA_TRACE", "1", 1);
		(void)setenv("TESSERA_TRACE_SAMPLE", BUILDS_SAMPLE, 1);
	} else {
		(void)unsetenv("TESSERA_TRACE");
	}
	error = state->attach(&options, &state->client);
	(void)unsetenv("TESSERA_TRACE");
	if (error != 0)
		return tsr_perf_fail(side, error, "%s: tsr_attach: %s %s", side->bench->name,
		                     tsr_strerror(error), state->last_hint());
	return 0;
}

static int
builds_open(struct tsr_perf_side *side)
{
	struct builds_state *const state = calloc(1, sizeof(*state));
	struct tsr_channel_options const channel = {
		.size = sizeof(channel),
		.capacity = BUILDS_SLOTS,
		.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER,
	};
	struct tsr_end_options const end = {.size = sizeof(end), .create = &channel};
	bool const one_core = (side->bench->flags & BUILDS_ONE_CORE) != 0;
	bool const receives = one_core == (side->index == 0);
	char name[TSR_NAME_BYTES];
	int error;

	side->state = state;
	if (state == NULL)
		return -ENOMEM;
	if (one_core && side->index != 0)
		return 0;
	(void)snprintf(name, sizeof(name), "builds-%u", side->bench->flags);
	error = builds_load(side, state);
	if (error == 0)
		error = builds_attach(side, state);
	if (error != 0)
		return error;
	if (side->index == 0)
		error = state->sender_open(state->client, name, &end, &state->sender);
	if (error == 0 && receives)
		error = state->receiver_open(state->client, name, &end, &state->receiver);
	return error != 0 ? tsr_perf_failed_call(side, "opening an end", error) : 0;
}

/* The library stays: LTTng can't be unloaded. */
static void
builds_close(struct tsr_perf_side *side)
{
	struct builds_state *const state = side->state;

	if (state != NULL && state->detach != NULL)
		(void)state->detach(state->client);
	free(state);
}

static inline size_t
builds_put(void *context, uint64_t n, uint64_t *sum)
{
	struct builds_state *const state = context;

	if (!state->is_pending) {
		if (state->alloc(state->client, BUILDS_PAYLOAD, &state->pending) != 0)
			return 0;
		tsr_perf_fill(state->pending.data, BUILDS_PAYLOAD, n);
		*sum += tsr_perf_sum_of(BUILDS_PAYLOAD, n);
	}
	state->is_pending = state->send(state->sender, &state->pending, TSR_NOWAIT) != 0;
	return state->is_pending ? 0 : 1;
}

static inline size_t
builds_get(void *context, uint64_t *sum)
{
	struct builds_state *const state = context;
	struct tsr_msg msg;

	if (state->recv(state->receiver, &msg, TSR_NOWAIT) != 0)
		return 0;
	*sum += tsr_perf_sum(msg.data, BUILDS_PAYLOAD);
	return state->release(state->client, &msg) == 0 ? 1 : 0;
}

static int
builds_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	if (side->index == 0)
		return tsr_perf_flow_send(side, sample, builds_put, side->state);
	return tsr_perf_flow_receive(side, sample, builds_get, side->state);
}

static int
builds_run_one_core(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct tsr_perf_flow flow;
	size_t moved = BUILDS_RUN;

	if (side->index != 0)
		return 0;
	tsr_perf_flow_begin(&flow);
	while (moved == BUILDS_RUN && !tsr_perf_flow_time_is_up(&flow)) {
		moved = 0;
		for (int i = 0; i < BUILDS_RUN; i++)
			(void)builds_put(side->state, (uint64_t)i, &flow.sum);
		for (int i = 0; i < BUILDS_RUN; i++)
			moved += builds_get(side->state, &flow.sum);
		flow.count += moved;
	}
	if (moved != BUILDS_RUN)
		return tsr_perf_fail(side, -EPROTO, "%s: %zu of %d messages came",
		                     side->bench->name, moved, BUILDS_RUN);
	tsr_perf_alloc_end(&flow, sample);
	return 0;
}

static size_t
builds_bench(struct tsr_perf_plan *plan, const char *name, uint32_t flags)
{
	size_t number;

	*tsr_perf_plan_bench(plan, &number) = (struct tsr_perf_bench){
		.name = name,
		.payload_bytes = BUILDS_PAYLOAD,
		.slots = BUILDS_SLOTS,
		.flags = flags,
		.open = builds_open,
		.run = (flags & BUILDS_ONE_CORE) != 0 ? builds_run_one_core : builds_run,
		.close = builds_close,
	};
	return number;
}

/* Of rates, so that what may be 1.01 times as slow must reach 1 / 1.01 of the rate. */
static void
tracing_pair(struct tsr_perf_plan *plan, size_t ours, size_t baseline, const char *label,
             double slower)
{
	struct tsr_perf_pair *const pair = tsr_perf_plan_pair(plan, ours, baseline);

	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = label,
		.unit = "M/s",
		.higher_is_better = true,
		.must = {1.0 / slower, 1.0 / slower},
	};
}

int
tsr_perf_plan_tracing(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static char provider[1200];
	size_t const untraced =
		builds_bench(plan, "the calls without trace points", BUILDS_UNTRACED);

	tsr_perf_realm(plan, request->backing, BUILDS_PAYLOAD, BUILDS_BLOCKS);
	tracing_pair(plan, builds_bench(plan, "the calls, nobody traces", 0), untraced,
	             "tracing:off", 1.01);
	builds_path("../drivers/trace/lttng/libtessera-trace.so", provider, sizeof(provider));
	if (access(provider, R_OK) == 0) /* built without lttng-ust: there is nothing to measure */
		tracing_pair(
			plan,
			builds_bench(plan, "the calls, one ticket in 1,000 traced", BUILDS_SAMPLED),
			untraced, "tracing:sampled", 1.1);
	return 0;
}

int
tsr_perf_plan_metrics(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	size_t const uncounted = builds_bench(plan, "the calls without counting",
	                                      BUILDS_UNCOUNTED | BUILDS_ONE_CORE);
	size_t const counted = builds_bench(plan, "the calls, which count", BUILDS_ONE_CORE);
	struct tsr_perf_pair *const pair = tsr_perf_plan_pair(plan, counted, uncounted);

	tsr_perf_realm(plan, request->backing, BUILDS_PAYLOAD, BUILDS_BLOCKS);
	pair->one_core = true;
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = "metrics",
		.unit = "ns",
		.limits = TSR_PERF_LIMITS_DIFFERENCE,
		.must = {0.0, 0.0, BUILDS_COUNTING_NS},
		.reach = {0.0, 0.0, BUILDS_COUNTING_NS},
	};
	return 0;
}
