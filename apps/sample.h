/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_SAMPLE_H
#define TSR_APPS_SAMPLE_H

/*
 * What all channels of a realm have counted at one moment, read from its memory as an observer: the
 * daemon is asked once, when the sampler is opened. Rates are differences of two samples over wall
 * time.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/meters.h"
#include "shm/tessera.h"

/* One channel. Cumulative, since the channel was made. */
struct tsr_sample_channel {
	uint64_t id; /* 0: no channel in this entry */
	char name[TSR_NAME_BYTES];
	uint32_t capacity;
	uint32_t flags;
	uint32_t kind;
	struct tsr_meter side[2];         /* by enum tsr_side */
	uint64_t depth;                   /* sent, and neither received nor dropped */
	struct tsr_distribution *latency; /* of open receivers' stamped messages; NULL: none */
};

/* One open end. */
struct tsr_sample_end {
	uint64_t word; /* tsr_end_word(), never twice the same; 0: no end in this entry */
	struct tsr_metrics_seen seen;
	struct tsr_distribution *times; /* of a receiver, if the sampler is to take them; NULL */
};

struct tsr_sample {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint32_t channels_count;
	bool torn;                           /* ends came and went faster than they could be read */
	struct tsr_sample_channel *channels; /* by entry of the directory */
	uint32_t ends_count;
	struct tsr_sample_end *ends; /* by number */
};

struct tsr_sampler {
	struct tsr_client client;
	struct tsr_map const *map;
	struct tsr_meter (*meters)[2]; /* of the last sample or glance */
	bool times;                    /* take the latencies of each end by itself, too */
};

/* tsr_sampler_open - look at a realm. Return: 0; what tsr_attach() gave; -ENOTCONN; -ENOMEM. */
TSR_MUST_CHECK
int tsr_sampler_open(struct tsr_sampler *sampler, const char *realm);
void tsr_sampler_close(struct tsr_sampler *sampler);

/*
 * tsr_sampler_take - a sample; free it with tsr_sample_free()
 *
 * Return: 0; -ENOTCONN the realm is gone; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_sampler_take(struct tsr_sampler *sampler, struct tsr_sample *sample);
void tsr_sample_free(struct tsr_sample *sample);

/*
 * tsr_sampler_glance - bring sampler->meters, by entry of the directory, up to @at_ns, which it
 * sets: less than a sample, and quicker
 *
 * Return: 0; -EAGAIN ends came and went faster than they could be read; -ENOTCONN the realm is
 * gone.
 */
TSR_MUST_CHECK
int tsr_sampler_glance(struct tsr_sampler *sampler, uint64_t *at_ns);

/* What happened between two samples, to one channel or, added up, to several. */
struct tsr_rates {
	double seconds;
	uint64_t sent;
	uint64_t sent_bytes;
	uint64_t received;
	uint64_t received_bytes;
	uint64_t depth;  /* at the end: sent, not received and not lost */
	uint64_t full;   /* sends that found no room and didn't wait */
	uint64_t lost;   /* sent, and dropped as the channel says */
	uint64_t failed; /* of both sides: timed out, ended, refused */
	uint64_t senders_blocked_ns;
	uint64_t receivers_blocked_ns;
	uint32_t senders;
	uint32_t receivers;
	uint32_t senders_blocked;
	uint32_t receivers_blocked;
	struct tsr_distribution latency; /* of what was stamped and received in between */
};

/*
 * tsr_rates_add - add what happened to a channel
 * @before:	the same entry of an earlier sample; NULL or another channel's: all that ever
 */
void tsr_rates_add(struct tsr_rates *rates, struct tsr_sample_channel const *before,
                   struct tsr_sample_channel const *now);

/* tsr_rates_latency - latency_p50_ns and latency_p99_ns, null if nothing was stamped. */
void tsr_rates_latency(json_t *out, struct tsr_rates const *rates);

/* tsr_rates_report - depth, latency and what it stands for, failures, ends. */
void tsr_rates_report(json_t *out, struct tsr_rates const *rates);

#endif /* TSR_APPS_SAMPLE_H */
