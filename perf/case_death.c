/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * death: a client is killed while it holds tickets. How long until the receiver that waits for it
 * returns, and until the daemon has given everything back that it held? The same on a channel of
 * each form, and of a client with much memory of its own, which the kernel tears down first.
 *
 * Side 1 is the receiver. Side 0 kills, sleeps until side 1 knows, and then asks the daemon until
 * it says that one more client was reaped; what the ledger says afterwards has to balance, or the
 * repetition counts as lost.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "perf/bench.h"
#include "perf/case.h"
#include "perf/flow.h"
#include "perf/form.h"
#include "perf/ours.h"
#include "perf/victim.h"
#include "shm/control.h"

#define DEATH_BLOCK        64
#define DEATH_BLOCKS       20480
#define DEATH_CHANNEL      "perf-death"
#define DEATH_LIMIT_NS     UINT64_C(10000000000)
#define DEATH_ACCOUNTED_US 1000.0
#define DEATH_BATCH        32
#define DEATH_SLOTS        1024
#define DEATH_TICKETS_MUST 16384

struct death_state {
	struct tsr_client client;     /* side 1 */
	struct tsr_receiver receiver; /* side 1 */
	struct tsr_control control;   /* side 0 */
};

static uint64_t
death_limit(void)
{
	return tsr_perf_monotonic_ns() + DEATH_LIMIT_NS;
}

static struct tsr_channel_options
death_channel(const struct tsr_perf_bench *bench)
{
	return (struct tsr_channel_options){
		.size = sizeof(struct tsr_channel_options),
		.capacity = bench->slots,
		.kind = bench->kind,
		.flags = bench->channel_flags,
	};
}

/* The victim: attach, open the only sender, hold that many tickets. */
static int
death_victim(void *context)
{
	const struct tsr_perf_bench *bench = context;
	struct tsr_channel_options const options_of = death_channel(bench);
	uint32_t tickets = bench->flags;
	struct tsr_attach_options options = {.size = sizeof(options), .realm = TSR_PERF_REALM};
	struct tsr_msg msgs[DEATH_BATCH];
	struct tsr_client client = {.handle = 0};
	struct tsr_sender sender;
	int error = tsr_perf_victim_grow(bench->payload_bytes);

	if (error == 0)
		error = tsr_attach(&options, &client);
	if (error == 0)
		error = tsr_channel_create(client, DEATH_CHANNEL, &options_of);
	if (error == 0)
		error = tsr_sender_open(client, DEATH_CHANNEL, NULL, &sender);
	while (tickets > 0 && error == 0) {
		size_t want = tickets < DEATH_BATCH ? tickets : DEATH_BATCH;
		size_t got = 0;

		error = tsr_alloc_batch(client, DEATH_BLOCK, msgs, want, &got);
		tickets -= (uint32_t)got;
	}
	return error;
}

static int
death_ask_reaped(struct tsr_perf_side *side, struct tsr_control *control, uint64_t *reaped)
{
	struct tsr_proto_plain request = {0};
	struct tsr_proto_status_reply reply;
	int error = tsr_control_ask(control, TSR_PROTO_STATUS, &request, sizeof(request), &reply,
	                            sizeof(reply), NULL, death_limit());

	if (error != 0)
		return tsr_perf_failed_call(side, "STATUS", error);
	*reaped = reply.reaped;
	return 0;
}

/* Does everything add up, and does no client that is gone hold anything? */
static int
death_ask_ledger(struct tsr_perf_side *side, struct tsr_control *control, bool *balanced)
{
	struct tsr_proto_ledger request = {.realm = TSR_PERF_REALM};
	struct tsr_proto_ledger_reply reply;
	int error = tsr_control_ask(control, TSR_PROTO_LEDGER, &request, sizeof(request), &reply,
	                            sizeof(reply), NULL, death_limit());

	if (error != 0)
		return tsr_perf_failed_call(side, "LEDGER", error);
	*balanced = reply.balanced == 1 && reply.lost == 0 && reply.reaps_pending == 0;
	return 0;
}

static int
death_kill(struct tsr_perf_side *side, struct death_state *state, struct tsr_perf_victim *victim,
           double *accounted_us)
{
	uint64_t limit = death_limit();
	uint64_t before = 0;
	uint64_t reaped;
	int error = death_ask_reaped(side, &state->control, &before);

	reaped = before;
	tsr_perf_victim_kill(victim);
	tsr_perf_victim_await_told(victim);
	while (error == 0 && reaped == before) {
		error = death_ask_reaped(side, &state->control, &reaped);
		if (tsr_perf_monotonic_ns() > limit)
			return tsr_perf_fail(side, -ETIMEDOUT,
			                     "the daemon did not notice the death");
	}
	*accounted_us = (double)(tsr_perf_monotonic_ns() - victim->start_ns) / 1e3;
	return error;
}

static int
death_round_lead(struct tsr_perf_side *side, double *return_us, double *accounted_us,
                 struct tsr_perf_sample *sample)
{
	struct death_state *state = side->state;
	struct tsr_perf_victim *victim = side->memory;
	bool balanced = false;
	int error =
		tsr_perf_victim_start(side, victim, death_victim, (void *)(uintptr_t)side->bench);

	(void)tsr_perf_meet(side);
	tsr_perf_victim_settle();
	if (error == 0)
		error = death_kill(side, state, victim, accounted_us);
	(void)tsr_perf_meet(side);
	tsr_perf_victim_bury(victim);
	*return_us = tsr_perf_victim_us(victim);
	if (error == 0)
		error = death_ask_ledger(side, &state->control, &balanced);
	sample->lost += balanced ? 0 : 1;
	return error;
}

static int
death_round_follow(struct tsr_perf_side *side)
{
	struct death_state *state = side->state;
	struct tsr_perf_victim *victim = side->memory;
	struct tsr_msg msg;
	int got;

	(void)tsr_perf_meet(side);
	got = tsr_recv(state->receiver, &msg, death_limit());
	tsr_perf_victim_tell(victim);
	(void)tsr_perf_meet(side);
	if (got == -ECONNRESET)
		return 0;
	return tsr_perf_failed_call(side, "tsr_recv did not tell of the death", got);
}

static int
death_run(struct tsr_perf_side *side, struct tsr_perf_sample *sample)
{
	double return_us[TSR_PERF_VICTIM_ROUNDS] = {0};
	double accounted_us[TSR_PERF_VICTIM_ROUNDS] = {0};
	size_t const rounds = tsr_perf_victim_rounds(side->bench);
	int first = 0;

	for (size_t i = 0; i < rounds; i++) {
		int error = side->index == 0 ? death_round_lead(side, &return_us[i],
		                                                &accounted_us[i], sample)
		                             : death_round_follow(side);

		if (first == 0)
			first = error;
	}
	if (side->index != 0 || first != 0)
		return first;
	sample->value[0] = tsr_perf_summarize(return_us, rounds).median;
	sample->value[1] = tsr_perf_summarize(accounted_us, rounds).median;
	sample->messages = rounds;
	return 0;
}

static int
death_open(struct tsr_perf_side *side)
{
	struct tsr_attach_options options = {.size = sizeof(options), .realm = TSR_PERF_REALM};
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_channel_options const channel = death_channel(side->bench);
	struct death_state *state = calloc(1, sizeof(*state));
	int error;

	side->state = state;
	if (state == NULL)
		return -ENOMEM;
	if (side->index == 0) {
		error = tsr_control_open(&state->control, NULL, death_limit());
		return error != 0 ? tsr_perf_failed_call(side, "connect", error) : 0;
	}
	error = tsr_attach(&options, &state->client);
	if (error == 0)
		error = tsr_client_info(state->client, &info);
	if (error == 0)
		error = tsr_channel_create(state->client, DEATH_CHANNEL, &channel);
	if (error == 0)
		error = tsr_receiver_open(state->client, DEATH_CHANNEL, NULL, &state->receiver);
	(void)memcpy(side->world->page, info.backing, sizeof(side->world->page));
	return error != 0 ? tsr_perf_failed_call(side, "attach", error) : 0;
}

static void
death_close(struct tsr_perf_side *side)
{
	struct death_state *state = side->state;

	if (state == NULL)
		return;
	if (side->index == 0)
		tsr_control_close(&state->control);
	else {
		/* The next one may be of another form. */
		(void)tsr_receiver_close(state->receiver);
		(void)tsr_channel_remove(state->client, DEATH_CHANNEL);
		(void)tsr_detach(state->client);
	}
	free(state);
}

static void
death_metrics(struct tsr_perf_plan *plan, struct tsr_perf_pair *pair, const char *label,
              double must)
{
	pair->metric_count = 2;
	pair->metrics[0] = (struct tsr_perf_metric){
		.label = label,
		.unit = "us",
		.must = {2.0, 2.0},
		.reach = {2.0, 2.0},
	};
	pair->metrics[1] = (struct tsr_perf_metric){
		.label = tsr_perf_plan_say(plan, "%s accounted", label),
		.unit = "us",
		.limits = TSR_PERF_LIMITS_OURS,
		.must = {must, must},
	};
}

/* One more figure: a death on a channel of @form, with so many tickets, or bytes of its own. */
static void
death_add(struct tsr_perf_plan *plan, size_t baseline, struct tsr_perf_form const *form,
          uint32_t tickets, size_t bytes, const char *label)
{
	bool const limited = tickets == DEATH_TICKETS_MUST && bytes == 0;
	struct tsr_perf_bench *bench;
	struct tsr_perf_pair *pair;
	size_t ours;

	bench = tsr_perf_plan_bench(plan, &ours);
	*bench = (struct tsr_perf_bench){
		.name = tsr_perf_plan_say(plan, "SIGKILL of the sender: tsr_recv returns, %s",
	                                  form->name),
		.payload_bytes = bytes,
		.flags = tickets,
		.memory_bytes = sizeof(struct tsr_perf_victim),
		.open = death_open,
		.run = death_run,
		.close = death_close,
	};
	/* A segment of an unlimited channel fits into a block. */
	tsr_perf_form_use(form, bench,
	                  form->kind == TSR_KIND_UNLIMITED ? DEATH_BLOCK / sizeof(struct tsr_slot)
	                                                   : DEATH_SLOTS);
	pair = tsr_perf_plan_pair(plan, ours, baseline);
	pair->calm = true;
	death_metrics(plan, pair, label, limited ? DEATH_ACCOUNTED_US : 0.0);
}

static int
death_plan_tickets(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const uint32_t defaults[] = {0, 1000, DEATH_TICKETS_MUST};
	size_t const count = request->payload != 0 ? 1 : sizeof(defaults) / sizeof(defaults[0]);
	const char *const name = request->kind[0] != '\0' ? request->kind : "many";
	struct tsr_perf_form form;
	size_t baseline;
	int error;

	if (request->payload > DEATH_BLOCKS - DEATH_BATCH || !tsr_perf_form_find(name, &form))
		return -EINVAL;
	error = tsr_perf_baseline_notice(tsr_perf_plan_bench(plan, &baseline), 0);
	for (size_t i = 0; i < count && error == 0; i++) {
		uint32_t tickets = request->payload != 0 ? (uint32_t)request->payload : defaults[i];

		death_add(plan, baseline, &form, tickets, 0,
		          tsr_perf_plan_say(plan, "death%s%s:%u",
		                            request->kind[0] != '\0' ? ":" : "", request->kind,
		                            (unsigned)tickets));
	}
	return error;
}

/* With memory of its own, as far as the machine has so much: twice, to be on the safe side. */
static int
death_plan_resident(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	static const uint32_t defaults[] = {1, 256, 2048};
	size_t const count = request->payload != 0 ? 1 : sizeof(defaults) / sizeof(defaults[0]);
	uint64_t const free_mib =
		(uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) >> 20;
	struct tsr_perf_form form;
	int error = 0;

	if (!tsr_perf_form_find("many", &form) || request->payload > free_mib / 2)
		return -EINVAL;
	for (size_t i = 0; i < count && error == 0; i++) {
		uint64_t const mib = request->payload != 0 ? request->payload : defaults[i];
		size_t baseline;

		if (mib > free_mib / 2)
			continue;
		error = tsr_perf_baseline_notice(tsr_perf_plan_bench(plan, &baseline), mib << 20);
		if (error == 0)
			death_add(plan, baseline, &form, 0, mib << 20,
			          tsr_perf_plan_say(plan, "death:resident:%u", (unsigned)mib));
	}
	return error;
}

int
tsr_perf_plan_death(struct tsr_perf_plan *plan, const struct tsr_perf_request *request)
{
	tsr_perf_realm(plan, request->backing, DEATH_BLOCK, DEATH_BLOCKS);
	return strcmp(request->kind, "resident") == 0 ? death_plan_resident(plan, request)
	                                              : death_plan_tickets(plan, request);
}
