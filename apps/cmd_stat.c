/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera stat: what moves, a line a second. */

#include <errno.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/sample.h"
#include "apps/stop.h"
#include "apps/table.h"
#include "apps/units.h"

#define STAT_HEAD_EVERY      20
#define STAT_INTERVAL_NS_MIN UINT64_C(10000000)

struct stat_options {
	const char *channel; /* NULL: all of the realm */
	uint64_t interval_ns;
	uint64_t count; /* UINT64_MAX: until it is stopped */
};

static const struct argp_option stat_options[] = {
	{"interval", 'i', "TIME", 0, "Time between two lines: 1s, 200ms (default: 1s)", 0},
	{"count", 'n', "N", 0, "End after N lines", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
stat_parse(int key, char *arg, struct argp_state *state)
{
	struct stat_options *const options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case 'i':
		tsr_cli_interval(state, arg, STAT_INTERVAL_NS_MIN, UINT64_MAX,
		                 &options->interval_ns);
		return 0;
	case 'n':
		if (tsr_count_parse(arg, 1, INT64_MAX, &options->count) != 0)
			argp_error(state, "--count %s, expected 1 or more", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (options->channel != NULL)
			argp_error(state, "'%s' is one channel too many", arg);
		options->channel = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Whether the entry is one of those that are asked for. */
static bool
stat_wanted(const char *channel, struct tsr_sample_channel const *entry)
{
	return entry->id != 0 && (channel == NULL || strcmp(channel, entry->name) == 0);
}

static json_t *
stat_object(struct tsr_rates const *rates, const char *realm, const char *channel)
{
	json_t *const out = tsr_report_new();

	tsr_report_set(out, "realm", json_string(realm));
	tsr_report_set(out, "channel", channel != NULL ? json_string(channel) : json_null());
	tsr_report_set(out, "seconds", json_real(rates->seconds));
	tsr_report_set(out, "sent", tsr_report_count(rates->sent));
	tsr_report_set(out, "sent_bytes", tsr_report_count(rates->sent_bytes));
	tsr_report_set(out, "received", tsr_report_count(rates->received));
	tsr_report_set(out, "received_bytes", tsr_report_count(rates->received_bytes));
	tsr_rates_report(out, rates);
	tsr_report_set(out, "senders_blocked_ns", tsr_report_count(rates->senders_blocked_ns));
	tsr_report_set(out, "receivers_blocked", json_integer(rates->receivers_blocked));
	tsr_report_set(out, "receivers_blocked_ns", tsr_report_count(rates->receivers_blocked_ns));
	return out;
}

static void
stat_line(struct tsr_rates const *rates, uint64_t line)
{
	char bytes[TSR_UNIT_TEXT_BYTES], depth[TSR_UNIT_TEXT_BYTES], sent[TSR_UNIT_TEXT_BYTES];
	char p50[TSR_UNIT_TEXT_BYTES] = "-", p99[TSR_UNIT_TEXT_BYTES] = "-";
	double const ends_ns = (double)rates->senders * rates->seconds * 1e9;

	if (line % STAT_HEAD_EVERY == 0)
		(void)printf("%14s %14s %12s %9s %11s %11s %8s %8s %8s %8s\n", "SENT/S",
		             "RECEIVED/S", "BYTES/S", "DEPTH", "P50", "P99", "BLOCKED", "FULL",
		             "LOST", "FAILED");
	tsr_size_format((uint64_t)((double)rates->received_bytes / rates->seconds), bytes);
	tsr_count_format(rates->depth, depth);
	tsr_count_format((uint64_t)((double)rates->sent / rates->seconds), sent);
	if (rates->latency.total != 0) {
		tsr_duration_format(tsr_distribution_quantile(&rates->latency, 0.5), p50);
		tsr_duration_format(tsr_distribution_quantile(&rates->latency, 0.99), p99);
	}
	(void)printf("%14s ", sent);
	tsr_count_format((uint64_t)((double)rates->received / rates->seconds), sent);
	(void)printf("%14s %12s %9s %11s %11s %7.1f%% %8llu %8llu %8llu\n", sent, bytes, depth, p50,
	             p99, ends_ns > 0.0 ? (double)rates->senders_blocked_ns * 100.0 / ends_ns : 0.0,
	             (unsigned long long)rates->full, (unsigned long long)rates->lost,
	             (unsigned long long)rates->failed);
}

/* All wanted channels of two samples, added up. Return: how many there are. */
static uint32_t
stat_add_up(struct stat_options const *options, struct tsr_sample const *before,
            struct tsr_sample const *now, struct tsr_rates *rates)
{
	uint32_t found = 0;

	*rates = (struct tsr_rates){.seconds = (double)(now->at_ns - before->at_ns) / 1e9};
	for (uint32_t i = 0; i < now->channels_count; i++) {
		if (!stat_wanted(options->channel, &now->channels[i]))
			continue;
		tsr_rates_add(rates, &before->channels[i], &now->channels[i]);
		found++;
	}
	return found;
}

static int
stat_run(struct tsr_sampler *sampler, struct stat_options const *options, const char *realm)
{
	struct tsr_sample before = {0}, now;
	static struct tsr_rates rates;
	int error = tsr_sampler_take(sampler, &before);
	uint64_t next = error == 0 ? before.at_ns : 0;

	for (uint64_t line = 0; error == 0 && line < options->count; line++) {
		next += options->interval_ns;
		(void)tsr_stop_wait(-1, next);
		if (tsr_stop_asked())
			break;
		error = tsr_sampler_take(sampler, &now);
		if (error != 0)
			break;
		if (stat_add_up(options, &before, &now, &rates) == 0 && options->channel != NULL) {
			tsr_sample_free(&now);
			tsr_sample_free(&before);
			tsr_cli_warn("there is no channel '%s/%s'", realm, options->channel);
			return TSR_EXIT_NOT_FOUND;
		}
		if (tsr_globals.json) {
			json_t *const object = stat_object(&rates, realm, options->channel);

			(void)json_dumpf(object, stdout, JSON_COMPACT);
			(void)putchar('\n');
			json_decref(object);
		} else {
			stat_line(&rates, line);
		}
		(void)fflush(stdout);
		tsr_sample_free(&before);
		before = now;
	}
	tsr_sample_free(&before);
	return error == 0 ? TSR_EXIT_OK : tsr_cli_fail(error, "realm '%s'", realm);
}

int
tsr_cmd_stat(int argc, char **argv)
{
	struct stat_options options = {.interval_ns = TSR_NS_PER_SECOND, .count = UINT64_MAX};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {0}};
	struct argp const argp = {
		.options = stat_options,
		.parser = stat_parse,
		.args_doc = "[CHANNEL]",
		.doc = "Show what moves through a realm, or through one channel, a line a second.",
		.children = children,
	};
	struct tsr_address address = {.realm = TSR_REALM_DEFAULT};
	struct tsr_sampler sampler;
	int status;

	(void)argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
	if (options.channel != NULL) {
		int const error = tsr_address_parse(options.channel, &address);

		if (error != 0)
			return tsr_cli_fail(error, "channel '%s'", options.channel);
		options.channel = address.name;
	} else if (tsr_globals.realm != NULL) {
		(void)snprintf(address.realm, sizeof(address.realm), "%s", tsr_globals.realm);
	}
	status = tsr_sampler_open(&sampler, address.realm);
	if (status != 0)
		return tsr_cli_unattached(status, address.realm);
	tsr_stop_catch();
	tsr_stop_catch_output();
	status = stat_run(&sampler, &options, address.realm);
	tsr_sampler_close(&sampler);
	return status;
}
