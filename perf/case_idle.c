/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * idle: what 100,000 idle channels and 1,000 idle clients in the realm cost those who send: a
 * stream of 64 bytes there, beside the same in a realm of the same daemon that has neither.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/flow.h"
#include "perf/ours.h"
#include "shm/message.h"

#define IDLE_PAYLOAD   64
#define IDLE_SLOTS     1024
#define IDLE_BLOCKS    4096
#define IDLE_CHANNELS  100000
#define IDLE_PROCESSES 125
#define IDLE_CLIENTS   8 /* in each of them */
#define IDLE_MUST      0.98

struct idle_state {
	struct tsr_perf_link link;
	pid_t child[IDLE_PROCESSES];
};

static inline size_t
idle_put(void *context, uint64_t n, uint64_t *sum)
{
	struct tsr_perf_link *const link = context;

	if (!link->is_pending) {
		if (tsr_alloc_inline(link->client, IDLE_PAYLOAD, &link->pending) != 0)
			return 0;
		tsr_perf_fill(link->pending.data, IDLE_PAYLOAD, n);
	}
	link->is_pending = tsr_send_inline(link->sender, &link->pending, TSR_NOWAIT) != 0;
	if (link->is_pending)
		return 0;
	*sum += tsr_perf_sum_of(IDLE_PAYLOAD, n);
	return 1;
}

static inline size_t
idle_get(void *context, uint64_t *sum)
{
	struct tsr_perf_link *const link = context;
	struct tsr_msg msg;

	if (tsr_recv_inline(link->receiver, &msg, TSR_NOWAIT) != 0)
		return 0;
	*sum += tsr_perf_sum(msg.data, IDLE_PAYLOAD);
	return tsr_release_inline(link->client, &msg) == 0 ? 1 : 0;
}

static int
idle_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	struct idle_state *const state = side->state;

	if (side->index == 0)
		return tsr_perf_flow_send(side, sample, idle_put, &state->link);
	return tsr_perf_flow_receive(side, sample, idle_get, &state->link);
}

/* Attach and do nothing, until the parent ends. Says so with one byte, 0 or what went wrong. */
static void
idle_child(int said, pid_t parent)
{
	struct tsr_attach_options options = {.size = sizeof(options), .realm = TSR_PERF_REALM};
	struct tsr_client client;
	unsigned char failed = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < IDLE_CLIENTS && failed == 0; i++)
		failed = (unsigned char)-tsr_attach(&options, &client);
	(void)!write(said, &failed, sizeof(failed));
	(void)close(said);
	while (getppid() == parent)
		(void)pause();
	_exit(0);
}

static int
idle_populate(struct tsr_perf_side *side, struct idle_state *state)
{
	struct tsr_channel_options const channel = {.size = sizeof(channel), .capacity = 2};
	pid_t const parent = getpid();
	unsigned char failed = 0;
	int error = 0;
	int said[2];

	for (uint32_t i = 0; i < IDLE_CHANNELS && error == 0; i++) {
		char name[TSR_NAME_BYTES];

		(void)snprintf(name, sizeof(name), "idle/%u", i);
		error = tsr_channel_create(state->link.client, name, &channel);
	}
	if (error != 0)
		return tsr_perf_failed_call(side, "tsr_channel_create", error);
	if (pipe(said) != 0)
		return -errno;
	for (size_t i = 0; i < IDLE_PROCESSES && failed == 0; i++) {
		state->child[i] = fork();
		if (state->child[i] == 0)
			idle_child(said[1], parent);
		if (state->child[i] < 0 || read(said[0], &failed, 1) != 1)
			failed = EAGAIN;
	}
	(void)close(said[0]);
	(void)close(said[1]);
	return failed == 0 ? 0 : tsr_perf_failed_call(side, "tsr_attach of a child", -failed);
}

static int
idle_open(struct tsr_perf_side *side)
{
	struct idle_state *const state = calloc(1, sizeof(*state));
	int error;

	side->state = state;
	if (state == NULL)
		return -ENOMEM;
	error = tsr_perf_link_open(side, &state->link);
	if (error != 0 || side->index != 0 || (side->bench->flags & TSR_PERF_QUIET) != 0)
		return error;
	return idle_populate(side, state);
}

static void
idle_close(struct tsr_perf_side *side)
{
	struct idle_state *const state = side->state;

	for (size_t i = 0; state != NULL && i < IDLE_PROCESSES; i++) {
		if (state->child[i] <= 0)
			continue;
		(void)kill(state->child[i], SIGKILL);
		(void)waitpid(state->child[i], NULL, 0);
	}
	if (state != NULL)
		tsr_perf_link_close(&state->link);
	free(state);
}

static struct tsr_perf_bench
idle_bench(const char *name, uint32_t flags)
{
	return (struct tsr_perf_bench){
		.name = name,
		.payload_bytes = IDLE_PAYLOAD,
		.slots = IDLE_SLOTS,
		.flags = flags,
		.open = idle_open,
		.run = idle_run,
		.close = idle_close,
	};
}

int
tsr_perf_plan_idle(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	char quiet_backing[TSR_PERF_SETTING_BYTES];
	struct tsr_perf_pair *pair;
	size_t ours, baseline;

	*tsr_perf_plan_bench(plan, &ours) =
		idle_bench("stream-64 among 100,000 idle channels, 1,000 idle clients", 0);
	*tsr_perf_plan_bench(plan, &baseline) =
		idle_bench("the same in an empty realm", TSR_PERF_QUIET);
	tsr_perf_realm(plan, request->backing, IDLE_PAYLOAD, IDLE_BLOCKS);
	tsr_perf_setting(plan, "realms." TSR_PERF_REALM ".channels=100100");
	tsr_perf_setting(plan, "realms." TSR_PERF_REALM ".clients=1100");
	tsr_perf_setting(plan, "limits.connections_per_user=2000");
	tsr_perf_setting(plan, "realms." TSR_PERF_QUIET_REALM ".classes=64:4096");
	(void)snprintf(quiet_backing, sizeof(quiet_backing),
	               "realms." TSR_PERF_QUIET_REALM ".backing=%s", request->backing);
	tsr_perf_setting(plan, quiet_backing);
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->metric_count = 1;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = "idle",
		.unit = "M/s",
		.higher_is_better = true,
		.must = {IDLE_MUST, IDLE_MUST},
		.reach = {IDLE_MUST, IDLE_MUST},
	};
	return 0;
}
