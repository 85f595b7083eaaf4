/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "perf/case.h"

const struct tsr_perf_case tsr_perf_cases[] = {
	{"rtt", "channels clients", true, "bytes each way (64)",
         "a message out and a message back; among idle channels, and idle clients",
         tsr_perf_plan_rtt},
	{"ticket", "one many burst", false, "bytes of the block, untouched (64)",
         "allocate, send, receive, release; one by one and in bursts of 32", tsr_perf_plan_ticket},
	{"stream-64", "batch", true, "", "64 bytes written, sent, received, read, released",
         tsr_perf_plan_stream_64},
	{"stream-512", "batch", true, "", "the same with 512 bytes", tsr_perf_plan_stream_512},
	{"stream-4096", "batch inplace", true, "", "the same with 4,096 bytes, by tsr_copy_in()",
         tsr_perf_plan_stream_4096},
	{"stream-64k", "inplace", false, "",
         "the same with 65,536 bytes, copied in; and written in place", tsr_perf_plan_stream_64k},
	{"stream-1m", "inplace", false, "", "the same with 1,048,576 bytes, likewise",
         tsr_perf_plan_stream_1m},
	{"fan-in", "", false, "", "two senders that share a core, one receiver",
         tsr_perf_plan_fan_in},
	{"fan-out", "1 4 16 64 256", false, "",
         "what a publish costs its sender, with so many readers of one message",
         tsr_perf_plan_fan_out},
	{"select", "2 16 64", false, "",
         "a round trip whose way out is one of so many channels, selected from",
         tsr_perf_plan_select},
	{"ask", "", false, "", "a request and its reply, by tsr_ask() and tsr_reply()",
         tsr_perf_plan_ask},
	{"wake", "", true, "", "a message to a receiver that sleeps", tsr_perf_plan_wake},
	{"capacities", "", true, "", "stream-64 through rings of 2^8 to 2^20 slots",
         tsr_perf_plan_capacities},
	{"alloc", "local cross", false, "bytes of the block (256)",
         "free and allocate a block; and free it in another process", tsr_perf_plan_alloc},
	{"attach", "time dirty", false, "MiB of the realm (1024)",
         "join a realm; and what an idle client keeps for itself", tsr_perf_plan_attach},
	{"death", "resident", true,
         "tickets that the dead client held (0, 1000, 16384); MiB of its own",
         "from SIGKILL until the survivor knows; and until all is accounted for",
         tsr_perf_plan_death},
	{"idle", "", false, "", "a stream beside 100,000 idle channels and 1,000 idle clients",
         tsr_perf_plan_idle},
	{"tracing", "", false, "",
         "the path of a message with trace points, and with a sample traced",
         tsr_perf_plan_tracing},
	{"metrics", "", false, "", "the path of a message with counting, and without",
         tsr_perf_plan_metrics},
	{"jitter", "", false, "", "what this machine does to a thread that spins",
         tsr_perf_plan_jitter},
	{"noise", "", false, "",
         "baselines against themselves: the width of a ratio that means nothing",
         tsr_perf_plan_noise},
};

const size_t tsr_perf_case_count = sizeof(tsr_perf_cases) / sizeof(tsr_perf_cases[0]);

struct tsr_perf_bench *
tsr_perf_plan_bench(struct tsr_perf_plan *plan, size_t *number)
{
	assert(plan->bench_count < TSR_PERF_BENCHES);
	*number = plan->bench_count++;
	return &plan->benches[*number];
}

const char *
tsr_perf_plan_say(struct tsr_perf_plan *plan, const char *format, ...)
{
	size_t const left = sizeof(plan->words) - plan->words_used;
	char *const said = &plan->words[plan->words_used];
	va_list args;
	int length;

	assert(left > 1);
	va_start(args, format);
	length = vsnprintf(said, left, format, args);
	va_end(args);
	plan->words_used += (size_t)length < left ? (size_t)length + 1 : left - 1;
	return said;
}

const char *
tsr_perf_plan_label(struct tsr_perf_plan *plan, const char *name,
                    const struct tsr_perf_request *request)
{
	bool const plain = request->kind[0] == '\0' || strcmp(request->kind, "one") == 0;

	return tsr_perf_plan_say(plan, "%s%s%s", name, plain ? "" : ":",
	                         plain ? "" : request->kind);
}

struct tsr_perf_pair *
tsr_perf_plan_pair(struct tsr_perf_plan *plan, size_t ours, size_t baseline)
{
	struct tsr_perf_pair *pair;

	assert(plan->pair_count < TSR_PERF_PAIRS);
	pair = &plan->pairs[plan->pair_count++];
	pair->ours = ours;
	pair->baseline = baseline;
	return pair;
}

void
tsr_perf_plan_flat(struct tsr_perf_plan *plan, struct tsr_perf_pair *pair,
                   const struct tsr_perf_pair *to)
{
	pair->flat_to = to;
	pair->flat = (struct tsr_perf_metric){
		.label = tsr_perf_plan_say(plan, "%s flat", pair->metrics[0].label),
		.unit = "ratio",
		.must = {TSR_PERF_FLAT, TSR_PERF_FLAT},
	};
}
