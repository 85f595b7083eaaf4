/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_OURS_H
#define TSR_PERF_OURS_H

/*
 * Tessera's own side: clients of the private daemon, and the ends of a channel between them.
 */

#include "perf/crowd.h"
#include "perf/harness.h"
#include "shm/tessera.h"

#define TSR_PERF_REALM "demo"

#define TSR_PERF_ONE_TO_ONE (TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER)

/* struct tsr_perf_bench.flags of a benchmark that uses a channel */
#define TSR_PERF_COPY_IN UINT32_C(1) /* written elsewhere and brought in by tsr_copy_in() */
#define TSR_PERF_NO_SPIN UINT32_C(2) /* receivers go to sleep at once */

#define TSR_PERF_COUNT_SHIFT 16 /* from here on: a number of the benchmark's own */

/* One side's end, or ends, of the channels of a benchmark. */
struct tsr_perf_link {
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg pending; /* allocated and not yet sent */
	bool is_pending;
	size_t payload_bytes;
	char *local; /* where messages are written that are copied in */
	struct tsr_perf_crowd crowd;
};

/*
 * tsr_perf_realm - settings for the daemon: one size class
 *
 * Appends to plan->daemon_settings and plan->hugepages. After the benchmarks of the plan: a channel
 * that grows takes a second class.
 */
void tsr_perf_realm(struct tsr_perf_plan *plan, const char *backing, uint64_t block_bytes,
                    uint64_t blocks);

/* tsr_perf_realm_beside - the same for a realm of another name */
void tsr_perf_realm_beside(struct tsr_perf_plan *plan, const char *realm, const char *backing,
                           uint64_t block_bytes, uint64_t blocks);

/* tsr_perf_setting - one more "path=value" for the daemon */
void tsr_perf_setting(struct tsr_perf_plan *plan, const char *format, ...) TSR_PRINTF(2, 3);

/*
 * tsr_perf_link_open - attach; side 0 gathers the crowd and opens the sender, side 1 the receiver
 *
 * Context: cold; side 0 first, then side 1. Return: 0 or what the library gave, reported by
 * tsr_perf_fail().
 */
int tsr_perf_link_open(struct tsr_perf_side *side, struct tsr_perf_link *link);

/* tsr_perf_link_attach - attach only */
int tsr_perf_link_attach(struct tsr_perf_side *side, struct tsr_perf_link *link);

/* tsr_perf_link_back - a second channel, from side 1 to side 0 */
int tsr_perf_link_back(struct tsr_perf_side *side, struct tsr_perf_link *link);

/* tsr_perf_link_again - another end of the same channel and side, of the same client */
int tsr_perf_link_again(struct tsr_perf_side *side, struct tsr_perf_link *link);

/* tsr_perf_link_further - channel @number, beside the others, from side 0 to side 1 */
int tsr_perf_link_further(struct tsr_perf_side *side, struct tsr_perf_link *link, unsigned number);

/* tsr_perf_link_asker - side 0: one who asks whoever receives from channel @name */
int tsr_perf_link_asker(struct tsr_perf_side *side, struct tsr_perf_link *link,
                        struct tsr_asker *asker);

void tsr_perf_link_close(struct tsr_perf_link *link);

/* tsr_perf_failed_call - report what a call of the library returned */
int tsr_perf_failed_call(struct tsr_perf_side *side, const char *call, int error);

#endif /* TSR_PERF_OURS_H */
