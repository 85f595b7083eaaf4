/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <assert.h>

#include "perf/case.h"

const struct tsr_perf_case tsr_perf_cases[] = {
	{"rtt", "one many conflated drop-oldest requeue rendezvous broadcast",
         "bytes each way (64)", "a message out and a message back", tsr_perf_plan_rtt},
	{"ticket", "one many burst capacities", "bytes of the block, untouched (64)",
         "allocate, send, receive, release; one by one and in bursts of 32", tsr_perf_plan_ticket},
	{"stream-64", "one many batch", "", "64 bytes written, sent, received, read, released",
         tsr_perf_plan_stream_64},
	{"stream-512", "one many batch", "", "the same with 512 bytes", tsr_perf_plan_stream_512},
	{"stream-4096", "one many batch inplace", "", "the same with 4,096 bytes, by tsr_copy_in()",
         tsr_perf_plan_stream_4096},
	{"stream-64k", "inplace", "", "the same with 65,536 bytes, copied in; and written in place",
         tsr_perf_plan_stream_64k},
	{"stream-1m", "inplace", "", "the same with 1,048,576 bytes, likewise",
         tsr_perf_plan_stream_1m},
	{"fan-in", "", "", "two senders that share a core, one receiver", tsr_perf_plan_fan_in},
	{"fan-out", "1 4 16 64 256", "",
         "what a publish costs its sender, with so many readers of one message",
         tsr_perf_plan_fan_out},
	{"select", "2 16 64", "",
         "a round trip whose way out is one of so many channels, selected from",
         tsr_perf_plan_select},
	{"ask", "", "", "a request and its reply, by tsr_ask() and tsr_reply()", tsr_perf_plan_ask},
	{"wake", "", "", "a message to a receiver that sleeps", tsr_perf_plan_wake},
	{"alloc", "local cross", "bytes of the block (256)",
         "free and allocate a block; and free it in another process", tsr_perf_plan_alloc},
	{"attach", "time dirty", "MiB of the realm (1024)",
         "join a realm; and what an idle client keeps for itself", tsr_perf_plan_attach},
	{"death", "", "tickets that the dead client held (0, 1000, 16384)",
         "from SIGKILL until the survivor knows; and until all is accounted for",
         tsr_perf_plan_death},
	{"idle", "", "", "a stream beside 100,000 idle channels and 1,000 idle clients",
         tsr_perf_plan_idle},
	{"tracing", "", "", "the path of a message with trace points, and with a sample traced",
         tsr_perf_plan_tracing},
	{"metrics", "", "", "the path of a message with counting, and without",
         tsr_perf_plan_metrics},
	{"jitter", "", "", "what this machine does to a thread that spins", tsr_perf_plan_jitter},
	{"noise", "", "", "baselines against themselves: the width of a ratio that means nothing",
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
