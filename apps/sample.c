/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/table.h"
#include "shm/access.h"
#include "shm/broadcast.h"
#include "shm/client.h"

int
tsr_sampler_open(struct tsr_sampler *sampler, const char *realm)
{
	struct tsr_attach_options const options = {
		.size = sizeof(options),
		.realm = realm,
		.name = tsr_globals.title,
		.socket = tsr_globals.socket,
		.flags = TSR_ATTACH_OBSERVER,
	};
	int const error = tsr_attach(&options, &sampler->client);
	struct tsr_attachment const *attachment;

	if (error != 0)
		return error;
	attachment = tsr_attachment_get(sampler->client);
	if (attachment == NULL)
		return -ENOTCONN;
	sampler->times = false;
	sampler->map = &attachment->map;
	sampler->meters = calloc(sampler->map->channels_count, sizeof(sampler->meters[0]));
	if (sampler->meters != NULL)
		return 0;
	(void)tsr_detach(sampler->client);
	return -ENOMEM;
}

void
tsr_sampler_close(struct tsr_sampler *sampler)
{
	free(sampler->meters);
	(void)tsr_detach(sampler->client);
}

struct sample_walk {
	struct tsr_sample *sample;
	bool times;
	bool failed; /* no memory */
};

static void
sample_forget(void *argument)
{
	struct sample_walk const *const walk = argument;

	for (uint32_t i = 0; i < walk->sample->ends_count; i++)
		free(walk->sample->ends[i].times);
	memset(walk->sample->ends, 0, walk->sample->ends_count * sizeof(walk->sample->ends[0]));
	for (uint32_t i = 0; i < walk->sample->channels_count; i++) {
		if (walk->sample->channels[i].latency != NULL)
			memset(walk->sample->channels[i].latency, 0,
			       sizeof(*walk->sample->channels[i].latency));
	}
}

static void
sample_add_times(struct sample_walk *walk, struct tsr_distribution **to,
                 struct tsr_metrics const *metrics)
{
	if (*to == NULL)
		*to = calloc(1, sizeof(**to));
	if (*to == NULL)
		walk->failed = true;
	else
		tsr_distribution_add(*to, &metrics->times);
}

static void
sample_end(void *argument, uint32_t number, uint64_t word, struct tsr_metrics const *metrics,
           struct tsr_metrics_seen const *seen)
{
	struct sample_walk *const walk = argument;
	struct tsr_sample_channel *const channel =
		&walk->sample->channels[tsr_channel_index(tsr_end_word_channel(word))];

	walk->sample->ends[number] = (struct tsr_sample_end){.word = word, .seen = *seen};
	if (tsr_end_word_side(word) != TSR_SIDE_RECEIVER)
		return;
	sample_add_times(walk, &channel->latency, metrics);
	if (walk->times)
		sample_add_times(walk, &walk->sample->ends[number].times, metrics);
}

/* What the directory says of a channel; nothing, if it changes just now. */
static void
sample_channel(struct tsr_map const *map, uint32_t index, struct tsr_sample_channel *out)
{
	struct tsr_channel_entry const *const entry = &map->entries[index];
	/* [F3] pairs with [F2]: an entry with an id is complete. */
	uint64_t const id = tsr_ld_acq(&entry->id);

	if (id == 0)
		return;
	memcpy(out->name, entry->name, sizeof(out->name) - 1);
	out->capacity = entry->capacity;
	out->flags = entry->flags;
	out->kind = entry->kind;
	/* [F4] pairs with [F2]: what was copied is older than this look at the id. */
	tsr_fence_sc();
	if (tsr_ld_rlx(&entry->id) == id)
		out->id = id;
}

static void
sample_count(struct tsr_sample_channel *channel, struct tsr_meter const side[2])
{
	struct tsr_metrics_seen const *const sent = &side[TSR_SIDE_SENDER].sum;
	uint64_t const gone = side[TSR_SIDE_RECEIVER].sum.messages + sent->cause[TSR_METRIC_LOST];

	memcpy(channel->side, side, sizeof(channel->side));
	/* The two are not read at one instant. */
	channel->depth = sent->messages > gone ? sent->messages - gone : 0;
}

/* Of a broadcast: what its slowest reliable reader has not released, as `channels` says. */
static void
sample_broadcast(struct tsr_map const *map, uint32_t index, struct tsr_sample_channel *out)
{
	struct tsr_channel_entry const *const entry = &map->entries[index];
	struct tsr_channel channel;
	uint32_t slowest;
	int64_t behind;

	out->depth = 0;
	if (out->id == 0 || tsr_channel_bind(&channel, map, index, entry->offset,
	                                     tsr_channel_entry_shape(entry), out->id) != 0)
		return;
	behind = tsr_broadcast_behind(&channel, tsr_channel_find(&channel), &slowest);
	if (behind > 0 && tsr_ld_rlx(&entry->id) == out->id)
		out->depth = (uint64_t)behind;
}

int
tsr_sampler_take(struct tsr_sampler *sampler, struct tsr_sample *sample)
{
	struct tsr_map const *const map = sampler->map;
	struct sample_walk walk = {.sample = sample, .times = sampler->times};
	struct tsr_meters_request request = {
		.now_ns = tsr_now_ns(),
		.side = sampler->meters,
		.end = sample_end,
		.again = sample_forget,
		.argument = &walk,
	};

	/* [E1] pairs with [E2]: the realm as its daemon last said. */
	if (tsr_ld_acq(&map->directory->state) != TSR_REALM_LIVING)
		return -ENOTCONN;
	*sample = (struct tsr_sample){
		.at_ns = request.now_ns,
		.channels_count = map->channels_count,
		.channels = calloc(map->channels_count, sizeof(sample->channels[0])),
		.ends_count = map->ends_count,
		.ends = calloc(map->ends_count + UINT64_C(1), sizeof(sample->ends[0])),
	};
	if (sample->channels == NULL || sample->ends == NULL) {
		sample->channels_count = 0;
		sample->ends_count = 0;
		tsr_sample_free(sample);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < map->channels_count; i++)
		sample_channel(map, i, &sample->channels[i]);
	sample->torn = tsr_meters_read(map, &request) != 0;
	for (uint32_t i = 0; i < map->channels_count; i++) {
		sample_count(&sample->channels[i], sampler->meters[i]);
		if (sample->channels[i].kind == TSR_KIND_BROADCAST)
			sample_broadcast(map, i, &sample->channels[i]);
	}
	if (!walk.failed)
		return 0;
	tsr_sample_free(sample);
	return -ENOMEM;
}

int
tsr_sampler_glance(struct tsr_sampler *sampler, uint64_t *at_ns)
{
	struct tsr_meters_request const request = {
		.now_ns = tsr_now_ns(),
		.side = sampler->meters,
	};

	*at_ns = request.now_ns;
	/* [E1] pairs with [E2]: the realm as its daemon last said. */
	if (tsr_ld_acq(&sampler->map->directory->state) != TSR_REALM_LIVING)
		return -ENOTCONN;
	return tsr_meters_read(sampler->map, &request);
}

void
tsr_sample_free(struct tsr_sample *sample)
{
	for (uint32_t i = 0; i < sample->channels_count; i++)
		free(sample->channels[i].latency);
	for (uint32_t i = 0; i < sample->ends_count; i++)
		free(sample->ends[i].times);
	free(sample->channels);
	free(sample->ends);
	*sample = (struct tsr_sample){0};
}

static uint64_t
rates_difference(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

static uint64_t
rates_failures(struct tsr_meter const *meter)
{
	uint64_t failures = 0;

	for (uint32_t i = TSR_METRIC_TIMED_OUT; i < TSR_METRIC_LOST; i++)
		failures += meter->sum.cause[i];
	return failures;
}

static void
rates_add_latency(struct tsr_rates *rates, struct tsr_distribution const *before,
                  struct tsr_distribution const *now)
{
	static struct tsr_distribution since;

	since = *now;
	if (before != NULL)
		tsr_distribution_since(&since, before);
	for (uint32_t i = 0; i < TSR_HISTOGRAM_BUCKETS; i++)
		rates->latency.count[i] += since.count[i];
	rates->latency.total += since.total;
}

void
tsr_rates_add(struct tsr_rates *rates, struct tsr_sample_channel const *before,
              struct tsr_sample_channel const *now)
{
	static struct tsr_sample_channel const nothing;
	struct tsr_sample_channel const *const old =
		before != NULL && before->id == now->id ? before : &nothing;
	struct tsr_meter const *const sends = &now->side[TSR_SIDE_SENDER];
	struct tsr_meter const *const receives = &now->side[TSR_SIDE_RECEIVER];
	struct tsr_meter const *const sent = &old->side[TSR_SIDE_SENDER];
	struct tsr_meter const *const received = &old->side[TSR_SIDE_RECEIVER];

	rates->sent += rates_difference(sent->sum.messages, sends->sum.messages);
	rates->sent_bytes += rates_difference(sent->sum.bytes, sends->sum.bytes);
	rates->received += rates_difference(received->sum.messages, receives->sum.messages);
	rates->received_bytes += rates_difference(received->sum.bytes, receives->sum.bytes);
	rates->depth += now->depth;
	rates->full += rates_difference(sent->sum.cause[TSR_METRIC_WOULD_BLOCK],
	                                sends->sum.cause[TSR_METRIC_WOULD_BLOCK]);
	rates->lost += rates_difference(sent->sum.cause[TSR_METRIC_LOST],
	                                sends->sum.cause[TSR_METRIC_LOST]);
	rates->failed += rates_difference(rates_failures(sent) + rates_failures(received),
	                                  rates_failures(sends) + rates_failures(receives));
	rates->senders_blocked_ns += rates_difference(sent->sum.blocked_ns, sends->sum.blocked_ns);
	rates->receivers_blocked_ns +=
		rates_difference(received->sum.blocked_ns, receives->sum.blocked_ns);
	rates->senders += sends->ends;
	rates->receivers += receives->ends;
	rates->senders_blocked += sends->blocked;
	rates->receivers_blocked += receives->blocked;
	if (now->latency != NULL)
		rates_add_latency(rates, old->latency, now->latency);
}

static json_t *
rates_quantile(struct tsr_rates const *rates, double q)
{
	if (rates->latency.total == 0)
		return json_null();
	return tsr_report_count(tsr_distribution_quantile(&rates->latency, q));
}

void
tsr_rates_latency(json_t *out, struct tsr_rates const *rates)
{
	tsr_report_set(out, "latency_p50_ns", rates_quantile(rates, 0.5));
	tsr_report_set(out, "latency_p99_ns", rates_quantile(rates, 0.99));
}

void
tsr_rates_report(json_t *out, struct tsr_rates const *rates)
{
	tsr_report_set(out, "depth", tsr_report_count(rates->depth));
	tsr_report_set(out, "stamped", tsr_report_count(rates->latency.total));
	tsr_rates_latency(out, rates);
	tsr_report_set(out, "full", tsr_report_count(rates->full));
	tsr_report_set(out, "lost", tsr_report_count(rates->lost));
	tsr_report_set(out, "failed", tsr_report_count(rates->failed));
	tsr_report_set(out, "senders", json_integer(rates->senders));
	tsr_report_set(out, "senders_blocked", json_integer(rates->senders_blocked));
	tsr_report_set(out, "receivers", json_integer(rates->receivers));
}
