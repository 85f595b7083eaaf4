/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * tracing: what trace points cost on the path of a message, 64 bytes written and read. The same
 * calls of the same sources, in three builds of the library that are loaded side by side: without
 * trace points; with them and no provider; with a provider, and one ticket in a thousand in the
 * sample. Whether somebody records it is a matter of where this runs: see doc/performance.md.
 */

#include <dlfcn.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "perf/case.h"
#include "perf/flow.h"
#include "perf/ours.h"

#define TRACING_PAYLOAD 64
#define TRACING_SLOTS   1024
#define TRACING_BLOCKS  4096
#define TRACING_SAMPLE  "1000"

/* struct tsr_perf_bench.flags of this case */
#define TRACING_SAMPLED  UINT32_C(1)
#define TRACING_UNTRACED UINT32_C(2)

/* One side's copy of the library, and what it has open there. */
struct tracing_state {
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
tracing_path(const char *relative, char *out, size_t out_bytes)
{
	static char self[1024];
	ssize_t const length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[length > 0 ? length : 0] = '\0';
	(void)snprintf(out, out_bytes, "%s/%s", dirname(self), relative);
}

static const char *
tracing_library(uint32_t flags)
{
	if ((flags & TRACING_SAMPLED) != 0)
		return "libtessera-sampled.so";
	return (flags & TRACING_UNTRACED) != 0 ? "libtessera-untraced.so" : "../shm/libtessera.so";
}

static int
tracing_load(struct tsr_perf_side *side, struct tracing_state *state)
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

	tracing_path(tracing_library(side->bench->flags), path, sizeof(path));
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
tracing_attach(struct tsr_perf_side *side, struct tracing_state *state)
{
	bool const sampled = (side->bench->flags & TRACING_SAMPLED) != 0;
	struct tsr_attach_options const options = {.size = sizeof(options),
	                                           .realm = TSR_PERF_REALM};
	int error;

	if (sampled) {
		(void)setenv("TESSERA_TRACE", "1", 1);
		(void)setenv("TESSERA_TRACE_SAMPLE", TRACING_SAMPLE, 1);
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
tracing_open(struct tsr_perf_side *side)
{
	struct tracing_state *const state = calloc(1, sizeof(*state));
	struct tsr_channel_options const channel = {
		.size = sizeof(channel),
		.capacity = TRACING_SLOTS,
		.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER,
	};
	struct tsr_end_options const end = {.size = sizeof(end), .create = &channel};
	char name[TSR_NAME_BYTES];
	int error;

	side->state = state;
	if (state == NULL)
		return -ENOMEM;
	(void)snprintf(name, sizeof(name), "tracing-%u", side->bench->flags);
	error = tracing_load(side, state);
	if (error == 0)
		error = tracing_attach(side, state);
	if (error != 0)
		return error;
	error = side->index == 0
	                ? state->sender_open(state->client, name, &end, &state->sender)
	                : state->receiver_open(state->client, name, &end, &state->receiver);
	return error != 0 ? tsr_perf_failed_call(side, "opening an end", error) : 0;
}

/* The library stays: LTTng can't be unloaded. */
static void
tracing_close(struct tsr_perf_side *side)
{
	struct tracing_state *const state = side->state;

	if (state != NULL && state->detach != NULL)
		(void)state->detach(state->client);
	free(state);
}

static inline size_t
tracing_put(void *context, uint64_t n, uint64_t *sum)
{
	struct tracing_state *const state = context;

	if (!state->is_pending) {
		if (state->alloc(state->client, TRACING_PAYLOAD, &state->pending) != 0)
			return 0;
		tsr_perf_fill(state->pending.data, TRACING_PAYLOAD, n);
		*sum += tsr_perf_sum_of(TRACING_PAYLOAD, n);
	}
	state->is_pending = state->send(state->sender, &state->pending, TSR_NOWAIT) != 0;
	return state->is_pending ? 0 : 1;
}

static inline size_t
tracing_get(void *context, uint64_t *sum)
{
	struct tracing_state *const state = context;
	struct tsr_msg msg;

	if (state->recv(state->receiver, &msg, TSR_NOWAIT) != 0)
		return 0;
	*sum += tsr_perf_sum(msg.data, TRACING_PAYLOAD);
	return state->release(state->client, &msg) == 0 ? 1 : 0;
}

static int
tracing_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	if (side->index == 0)
		return tsr_perf_flow_send(side, sample, tracing_put, side->state);
	return tsr_perf_flow_receive(side, sample, tracing_get, side->state);
}

static size_t
tracing_bench(struct tsr_perf_plan *plan, const char *name, uint32_t flags)
{
	size_t number;

	*tsr_perf_plan_bench(plan, &number) = (struct tsr_perf_bench){
		.name = name,
		.payload_bytes = TRACING_PAYLOAD,
		.slots = TRACING_SLOTS,
		.flags = flags,
		.open = tracing_open,
		.run = tracing_run,
		.close = tracing_close,
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
		tracing_bench(plan, "the calls without trace points", TRACING_UNTRACED);

	tsr_perf_realm(plan, request->backing, TRACING_PAYLOAD, TRACING_BLOCKS);
	tracing_pair(plan, tracing_bench(plan, "the calls, nobody traces", 0), untraced,
	             "tracing:off", 1.01);
	tracing_path("../drivers/trace/lttng/libtessera-trace.so", provider, sizeof(provider));
	if (access(provider, R_OK) == 0) /* built without lttng-ust: there is nothing to measure */
		tracing_pair(plan,
		             tracing_bench(plan, "the calls, one ticket in 1,000 traced",
		                           TRACING_SAMPLED),
		             untraced, "tracing:sampled", 1.1);
	return 0;
}
