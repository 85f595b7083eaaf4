/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * wake: a receiver sleeps in tsr_recv(); a message is sent. The baseline is a bare futex. Beside it
 * one that sleeps in poll(2), told by descriptor: by the daemon, that is.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "perf/case.h"
#include "perf/form.h"
#include "perf/ours.h"
#include "perf/wake.h"

#define WAKE_PAYLOAD    64
#define WAKE_SLOTS      1024
#define WAKE_BLOCKS     4096
#define WAKE_PATIENCE_S 2
#define WAKE_MUST       1.05

static int
wake_open(struct tsr_perf_side *side)
{
	struct tsr_perf_link *const link = calloc(1, sizeof(*link));

	side->state = link;
	return link != NULL ? tsr_perf_link_open(side, link) : -ENOMEM;
}

static void
wake_close(struct tsr_perf_side *side)
{
	if (side->state != NULL)
		tsr_perf_link_close(side->state);
	free(side->state);
}

/* Allocated before the clock is read: the call to measure is the send. */
static int
wake_send(struct tsr_perf_side *side, uint64_t round)
{
	struct tsr_perf_link *const link = side->state;
	/* Of a rendezvous the send ends when the message is received. */
	int error =
		tsr_send(link->sender, &link->pending, tsr_deadline_in_ms(WAKE_PATIENCE_S * 1000));

	(void)round;
	if (error == 0)
		error = tsr_alloc(link->client, WAKE_PAYLOAD, &link->pending);
	return error;
}

static int
wake_sleep(struct tsr_perf_side *side, uint64_t round)
{
	struct tsr_perf_link *const link = side->state;
	struct tsr_msg msg;
	int const error =
		tsr_recv(link->receiver, &msg, tsr_deadline_in_ms(WAKE_PATIENCE_S * 1000));

	(void)round;
	return error == 0 ? tsr_release(link->client, &msg) : error;
}

/* As an event loop does it: arm, wait for the descriptor, receive. */
static int
wake_poll(struct tsr_perf_side *side, uint64_t round)
{
	struct tsr_perf_link *const link = side->state;
	struct pollfd wait = {.events = POLLIN};
	struct tsr_msg msg;
	int ready = 0;
	int error = tsr_receiver_event(link->receiver, &wait.fd);

	(void)round;
	if (error == 0)
		error = tsr_receiver_arm(link->receiver, &ready);
	if (error == 0 && ready == 0 && poll(&wait, 1, WAKE_PATIENCE_S * 1000) != 1)
		error = -ETIMEDOUT;
	if (error == 0)
		error = tsr_recv(link->receiver, &msg, TSR_NOWAIT);
	return error == 0 ? tsr_release(link->client, &msg) : error;
}

static int
wake_run_with(struct tsr_perf_side *side, struct tsr_perf_sample *sample, tsr_perf_wake_call *sleep)
{
	struct tsr_perf_link *const link = side->state;
	int error = 0;

	if (side->index == 0 && !link->is_pending) {
		error = tsr_alloc(link->client, WAKE_PAYLOAD, &link->pending);
		link->is_pending = error == 0;
	}
	/* Both sides run, or the other one would wait in vain. */
	if (error == 0)
		error = tsr_perf_wake_run(side, sample, wake_send, sleep);
	return error != 0 ? tsr_perf_failed_call(side, "tsr_send/tsr_recv", error) : 0;
}

static int
wake_poll_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	return wake_run_with(side, sample, wake_poll);
}

static int
wake_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	return wake_run_with(side, sample, wake_sleep);
}

static int
wake_futex(struct tsr_perf_side *side, uint64_t round)
{
	struct tsr_perf_wake *const memory = side->memory;

	tsr_st_rel(&memory->futex.word, round); /* [Z1] pairs with [Z2]: nothing else */
	(void)tsr_futex_wake(&memory->futex.word);
	return 0;
}

static int
wake_futex_sleep(struct tsr_perf_side *side, uint64_t round)
{
	struct tsr_perf_wake *const memory = side->memory;
	uint64_t const deadline = tsr_deadline_in_ms(WAKE_PATIENCE_S * 1000);

	/* [Z2] pairs with [Z1]: nothing else */
	while (tsr_ld_acq(&memory->futex.word) != round) {
		if (tsr_futex_wait(&memory->futex.word, round - 1, deadline) == -ETIMEDOUT)
			return -ETIMEDOUT;
	}
	return 0;
}

static int
wake_futex_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	return tsr_perf_wake_run(side, sample, wake_futex, wake_futex_sleep);
}

static void
wake_ours(struct tsr_perf_plan *plan, size_t *number, struct tsr_perf_form const *form,
          const char *name, int (*run)(struct tsr_perf_side *, struct tsr_perf_sample *))
{
	struct tsr_perf_bench *const bench = tsr_perf_plan_bench(plan, number);

	*bench = (struct tsr_perf_bench){
		.name = tsr_perf_plan_say(plan, "%s, %s", name, form->name),
		.payload_bytes = WAKE_PAYLOAD,
		.flags = TSR_PERF_NO_SPIN,
		.memory_bytes = sizeof(struct tsr_perf_wake),
		.open = wake_open,
		.run = run,
		.close = wake_close,
	};
	tsr_perf_form_use(form, bench, WAKE_SLOTS);
}

static void
wake_pair(struct tsr_perf_plan *plan, size_t ours, size_t baseline, const char *label, double must)
{
	struct tsr_perf_pair *const pair = tsr_perf_plan_pair(plan, ours, baseline);

	pair->metric_count = 2;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = label,
		.unit = "ns",
		.must = {must, must},
		.reach = {must, must},
	};
	pair->metrics[1] = (struct tsr_perf_metric){
		.label = tsr_perf_plan_say(plan, "%s sender", label),
		.unit = "ns",
	};
}

int
tsr_perf_plan_wake(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	const char *const label = tsr_perf_plan_label(plan, "wake", request);
	struct tsr_perf_form form;
	size_t ours, told, baseline;

	if (!tsr_perf_form_find(request->kind, &form))
		return -EINVAL;
	wake_ours(plan, &ours, &form, "tsr_send to a sleeping tsr_recv", wake_run);
	*tsr_perf_plan_bench(plan, &baseline) = (struct tsr_perf_bench){
		.name = "bare futex wake",
		.memory_bytes = sizeof(struct tsr_perf_wake),
		.run = wake_futex_run,
	};
	tsr_perf_realm(plan, request->backing, WAKE_PAYLOAD, WAKE_BLOCKS);
	wake_pair(plan, ours, baseline, label, WAKE_MUST);
	if (strcmp(form.name, "one") != 0)
		return 0;
	wake_ours(plan, &told, &form, "tsr_send to a receiver in poll", wake_poll_run);
	wake_pair(plan, told, ours, tsr_perf_plan_say(plan, "%s event", label), 0.0);
	return 0;
}
