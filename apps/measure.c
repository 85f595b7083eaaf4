/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/measure.h"

#include <errno.h>
#include <string.h>

#include "apps/stop.h"
#include "shm/tap.h"

#define MEASURE_LOOK_NS   TSR_NS_PER_MS        /* from look to look at least */
#define MEASURE_IDLE_NS   (10 * TSR_NS_PER_MS) /* the same, where nothing comes */
#define MEASURE_QUIET_NS  TSR_NS_PER_SECOND    /* after so long without a message */
#define MEASURE_LOOK_COST 20                   /* a look of t is followed by 20 t without one */
#define MEASURE_LOOK_MAX  256                  /* messages looked at; the rest is passed */
#define MEASURE_LYING_MAX 1024                 /* messages whose age is looked at */

/* The one of our name, or, once it is known, of our id; NULL: it is not there (any more). */
static struct tsr_sample_channel const *
measure_find(struct tsr_measure const *measure, struct tsr_sample const *sample)
{
	for (uint32_t i = 0; i < sample->channels_count; i++) {
		struct tsr_sample_channel const *const channel = &sample->channels[i];

		if (channel->id != 0 && strcmp(channel->name, measure->address.name) == 0 &&
		    (measure->channel_id == 0 || measure->channel_id == channel->id))
			return channel;
	}
	return NULL;
}

/* The tap; none if the kind has none. Return: 0; what tsr_tap_open() gave. */
static int
measure_open_tap(struct tsr_measure *measure)
{
	struct tsr_tap tap;
	int const error = tsr_tap_open(measure->sampler.client, measure->address.name, NULL, &tap);

	if (error == 0)
		measure->tap = tsr_tap_get(tap);
	return error == -EOPNOTSUPP ? 0 : error;
}

int
tsr_measure_open(struct tsr_measure *measure)
{
	const char *realm = measure->address.realm, *name = measure->address.name;
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_sample_channel const *channel;
	int error = tsr_sampler_open(&measure->sampler, realm);

	if (error != 0)
		return tsr_cli_unattached(error, realm);
	error = tsr_client_info(measure->sampler.client, &info);
	if (error == 0)
		error = tsr_sampler_take(&measure->sampler, &measure->before);
	if (error == 0) {
		channel = measure_find(measure, &measure->before);
		error = -ENOENT;
		if (channel != NULL) {
			measure->channel_id = channel->id;
			measure->kind = channel->kind;
			error = measure_open_tap(measure);
		}
	}
	measure->ticks_per_second = info.ticks_per_second;
	if (error == 0)
		return TSR_EXIT_OK;
	tsr_measure_close(measure);
	return error == -ENOENT ? tsr_cli_no_channel(&measure->address)
	                        : tsr_cli_fail(error, "can't look at '%s/%s'", realm, name);
}

void
tsr_measure_close(struct tsr_measure *measure)
{
	tsr_sample_free(&measure->before);
	tsr_sampler_close(&measure->sampler);
}

static double
measure_ns(struct tsr_measure const *measure, uint64_t ticks)
{
	return (double)ticks * 1e9 / (double)measure->ticks_per_second;
}

/* One message, there or gone. */
static void
measure_message(struct tsr_measure *measure, const struct tsr_copy *copy, struct tsr_slice *slice)
{
	uint64_t const messages = copy->sequence - measure->stamp_sequence;

	slice->looked++;
	tsr_spread_add(&slice->sizes, copy->length, 1.0);
	if (copy->stamp == 0)
		return;
	/* Senders on other cores may have read the clock just before. */
	if (measure->stamp != 0)
		tsr_spread_add(&slice->gaps_stamped,
		               copy->stamp > measure->stamp
		                       ? measure_ns(measure, copy->stamp - measure->stamp) /
		                                 (double)messages
		                       : 0.0,
		               (double)messages);
	measure->stamp = copy->stamp;
	measure->stamp_sequence = copy->sequence;
}

/* So many have gone by since the look before. */
static void
measure_passed(struct tsr_measure *measure, uint64_t passed, uint64_t now_ns,
               struct tsr_slice *slice)
{
	if (passed == 0)
		return;
	slice->passed += passed;
	if (measure->seen_ns != 0)
		tsr_spread_add(&slice->gaps_seen,
		               (double)(now_ns - measure->seen_ns) / (double)passed,
		               (double)passed);
	measure->seen_ns = now_ns;
}

/*
 * See what has gone by. Of many, only the first few are looked at.
 * @next_ns: when to look again: looking takes a twentieth of a core at most
 */
static void
measure_look(struct tsr_measure *measure, struct tsr_slice *slice, uint64_t *next_ns)
{
	struct tsr_tap_options const next = {.size = sizeof(next), .from = TSR_TAP_NEXT};
	struct tsr_tap_own *const own = measure->tap;
	uint64_t const now_ns = tsr_now_ns(), number = tsr_tap_number(own);
	bool const quiet = now_ns > measure->seen_ns + MEASURE_QUIET_NS;
	uint64_t pause_ns;
	struct tsr_copy copy;
	int error = 0;

	for (uint32_t i = 0; error != -EAGAIN && i < MEASURE_LOOK_MAX; i++) {
		error = tsr_tap_glance(own, &copy);
		if (error == 0)
			measure_message(measure, &copy, slice);
	}
	if (error != -EAGAIN)
		(void)!tsr_tap_seek(own, &next);
	measure_passed(measure, tsr_tap_number(own) - number, now_ns, slice);
	pause_ns = (tsr_now_ns() - now_ns) * MEASURE_LOOK_COST;
	if (pause_ns < MEASURE_LOOK_NS)
		pause_ns = quiet ? MEASURE_IDLE_NS : MEASURE_LOOK_NS;
	*next_ns = now_ns + pause_ns;
}

/* Look at what goes by until then. */
static void
measure_follow(struct tsr_measure *measure, uint64_t until_ns, struct tsr_slice *slice)
{
	uint64_t next_ns = until_ns;

	while (!tsr_stop_asked() && tsr_now_ns() < until_ns) {
		if (measure->tap != NULL)
			measure_look(measure, slice, &next_ns);
		(void)tsr_stop_wait(-1, next_ns < until_ns ? next_ns : until_ns);
	}
	/* What came since, so that the count is as late as the senders'. */
	if (measure->tap != NULL)
		measure_look(measure, slice, &next_ns);
}

/* How old the stamped messages are that lie in the channel. */
static void
measure_lying(struct tsr_measure *measure, struct tsr_slice *slice)
{
	struct tsr_tap_options const oldest = {.size = sizeof(oldest), .from = TSR_TAP_OLDEST};
	struct tsr_tap_own tap = *measure->tap;
	uint64_t const now = tsr_ticks();
	struct tsr_copy copy;

	if (tsr_tap_seek(&tap, &oldest) != 0)
		return;
	for (uint32_t i = 0; i < MEASURE_LYING_MAX; i++) {
		if (tsr_tap_copy(&tap, NULL, 0, &copy) != 0)
			return;
		if (copy.stamp == 0)
			continue;
		slice->lying.count[tsr_histogram_bucket(
			now > copy.stamp ? (uint64_t)measure_ns(measure, now - copy.stamp) : 0)]++;
		slice->lying.total++;
	}
}

int
tsr_measure_take(struct tsr_measure *measure, uint64_t until_ns, struct tsr_slice *slice)
{
	struct tsr_sample_channel const *before, *now;
	struct tsr_sample sample;
	int error;

	*slice = (struct tsr_slice){.passed = 0};
	measure_follow(measure, until_ns, slice);
	if (measure->ages && measure->tap != NULL)
		measure_lying(measure, slice);
	error = tsr_sampler_take(&measure->sampler, &sample);
	if (error != 0)
		return error;
	before = measure_find(measure, &measure->before);
	now = measure_find(measure, &sample);
	if (now != NULL) {
		tsr_rates_add(&slice->rates, before, now);
		slice->rates.seconds = (double)(sample.at_ns - measure->before.at_ns) / 1e9;
	}
	tsr_sample_free(&measure->before);
	measure->before = sample;
	return now != NULL ? 0 : -ENOENT;
}

static void
slice_add_times(struct tsr_distribution *times, const struct tsr_distribution *next)
{
	for (uint32_t i = 0; i < TSR_HISTOGRAM_BUCKETS; i++)
		times->count[i] += next->count[i];
	times->total += next->total;
}

void
tsr_slice_add(struct tsr_slice *slice, const struct tsr_slice *next)
{
	slice->rates.seconds += next->rates.seconds;
	slice->rates.sent += next->rates.sent;
	slice->rates.sent_bytes += next->rates.sent_bytes;
	slice->rates.received += next->rates.received;
	slice->rates.received_bytes += next->rates.received_bytes;
	slice->rates.full += next->rates.full;
	slice->rates.lost += next->rates.lost;
	slice->rates.failed += next->rates.failed;
	slice->rates.depth = next->rates.depth;
	slice->rates.senders = next->rates.senders;
	slice->rates.receivers = next->rates.receivers;
	slice_add_times(&slice->rates.latency, &next->rates.latency);
	slice->passed += next->passed;
	slice->looked += next->looked;
	tsr_spread_merge(&slice->gaps_stamped, &next->gaps_stamped);
	tsr_spread_merge(&slice->gaps_seen, &next->gaps_seen);
	tsr_spread_merge(&slice->sizes, &next->sizes);
	slice->lying = next->lying; /* what lies there now, not what did */
}

uint64_t
tsr_slice_messages(const struct tsr_slice *slice)
{
	return slice->rates.sent != 0 ? slice->rates.sent : slice->passed;
}

const struct tsr_spread *
tsr_slice_gaps(const struct tsr_slice *slice, bool *stamped)
{
	struct tsr_spread const *const by_stamp = &slice->gaps_stamped;
	struct tsr_spread const *const by_look = &slice->gaps_seen;

	*stamped = by_stamp->count > 0.0 &&
	           by_stamp->weight * by_look->count <= by_look->weight * by_stamp->count;
	return *stamped ? by_stamp : by_look;
}
