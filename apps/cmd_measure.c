/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera hz, bw, delay: how often, how much, how late. One engine (measure.h), three faces. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/measure.h"
#include "apps/stop.h"
#include "apps/table.h"
#include "apps/units.h"
#include "shm/kind.h"

#define MEASURE_HEAD_EVERY      20
#define MEASURE_INTERVAL_NS_MIN UINT64_C(10000000)
#define MEASURE_WINDOW_MAX      600 /* intervals */
#define MEASURE_COLUMN          11  /* characters at least */

struct measure_request {
	struct tsr_measure measure;
	uint64_t interval_ns;
	uint64_t window_ns; /* 0: not said */
	uint64_t count;     /* lines; UINT64_MAX: until it is interrupted */
	const struct tsr_column *columns;
	/* Put what the columns show into the object. */
	void (*report)(json_t *out, const struct tsr_slice *slice);
	struct tsr_slice *slices; /* of the window, round and round */
	uint64_t slices_count;
	struct tsr_slice all;
};

static const struct argp_option measure_options[] = {
	{"interval", 'i', "TIME", 0, "Time between two lines: 1s, 200ms (default: 1s)", 0},
	{"window", 'w', "TIME", 0,
         "What a line is about: so long before it (default: the interval)", 0},
	{"count", 'n', "N", 0, "End after N lines", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
measure_parse(int key, char *arg, struct argp_state *state)
{
	struct measure_request *const request = state->input;
	struct tsr_address *const address = &request->measure.address;

	switch (key) {
	case 'i':
		tsr_cli_interval(state, arg, MEASURE_INTERVAL_NS_MIN, TSR_INTERVAL_NS_MAX,
		                 &request->interval_ns);
		return 0;
	case 'w':
		if (tsr_duration_parse(arg, &request->window_ns) != 0 || request->window_ns == 0)
			argp_error(state, "--window takes a time as in 10s, not '%s'", arg);
		return 0;
	case 'n':
		if (tsr_count_parse(arg, 1, INT64_MAX, &request->count) != 0)
			argp_error(state, "--count %s, expected 1 or more", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (address->name[0] != '\0')
			argp_error(state, "'%s' is one argument too many", arg);
		if (tsr_address_parse(arg, address) != 0)
			argp_error(state, "'%s' names no channel, as in demo/files", arg);
		return 0;
	case ARGP_KEY_END:
		if (address->name[0] == '\0')
			argp_error(state, "which channel? As in demo/files");
		request->slices_count = 1;
		if (request->window_ns > request->interval_ns)
			request->slices_count = (request->window_ns - 1) / request->interval_ns + 1;
		if (request->slices_count > MEASURE_WINDOW_MAX)
			argp_error(state, "--window is more than %d intervals", MEASURE_WINDOW_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A value of a spread; null if there is none. */
static json_t *
measure_value(const struct tsr_spread *spread, double value)
{
	return spread->weight > 0.0 ? tsr_report_count((uint64_t)value) : json_null();
}

static json_t *
measure_a_second(uint64_t count, const struct tsr_slice *slice)
{
	return slice->rates.seconds > 0.0 ? json_real((double)count / slice->rates.seconds)
	                                  : json_null();
}

static const struct tsr_column measure_hz_columns[] = {
	{"rate", "MESSAGES/S", TSR_CELL_SHARE},
	{"gap_mean_ns", "MEAN", TSR_CELL_NS},
	{"gap_min_ns", "MIN", TSR_CELL_NS},
	{"gap_max_ns", "MAX", TSR_CELL_NS},
	{"gap_deviation_ns", "DEVIATION", TSR_CELL_NS},
	{"gaps", "GAPS", TSR_CELL_COUNT},
	{"gap_messages", "OF EACH", TSR_CELL_SHARE},
	{"gaps_by", "BY", TSR_CELL_TEXT},
	{"lost", "LOST", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static void
measure_hz(json_t *out, const struct tsr_slice *slice)
{
	bool stamped;
	const struct tsr_spread *const gaps = tsr_slice_gaps(slice, &stamped);

	tsr_report_set(out, "rate", measure_a_second(tsr_slice_messages(slice), slice));
	tsr_report_set(out, "gap_mean_ns", measure_value(gaps, gaps->mean));
	tsr_report_set(out, "gap_min_ns", measure_value(gaps, gaps->min));
	tsr_report_set(out, "gap_max_ns", measure_value(gaps, gaps->max));
	tsr_report_set(out, "gap_deviation_ns", measure_value(gaps, tsr_spread_deviation(gaps)));
	tsr_report_set(out, "gaps", tsr_report_count((uint64_t)gaps->count));
	tsr_report_set(out, "gap_messages",
	               gaps->count > 0.0 ? json_real(gaps->weight / gaps->count) : json_null());
	tsr_report_set(out, "gaps_by",
	               !(gaps->weight > 0.0) ? json_null()
	                                     : json_string(stamped ? "stamp" : "look"));
}

static const struct tsr_column measure_bw_columns[] = {
	{"bytes_rate", "BYTES/S", TSR_CELL_BYTES},
	{"rate", "MESSAGES/S", TSR_CELL_SHARE},
	{"size_mean", "MEAN", TSR_CELL_BYTES},
	{"size_min", "MIN", TSR_CELL_BYTES},
	{"size_max", "MAX", TSR_CELL_BYTES},
	{"looked", "LOOKED AT", TSR_CELL_COUNT},
	{"missed", "MISSED", TSR_CELL_COUNT},
	{"lost", "LOST", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

/* The mean is of all that the senders counted; least and greatest of what was looked at. */
static void
measure_bw(json_t *out, const struct tsr_slice *slice)
{
	struct tsr_rates const *const rates = &slice->rates;
	struct tsr_spread const *const sizes = &slice->sizes;

	tsr_report_set(
		out, "bytes_rate",
		rates->seconds > 0.0
			? tsr_report_count((uint64_t)((double)rates->sent_bytes / rates->seconds))
			: json_null());
	tsr_report_set(out, "rate", measure_a_second(tsr_slice_messages(slice), slice));
	tsr_report_set(out, "size_mean",
	               rates->sent > 0 ? tsr_report_count(rates->sent_bytes / rates->sent)
	                               : measure_value(sizes, sizes->mean));
	tsr_report_set(out, "size_min", measure_value(sizes, sizes->min));
	tsr_report_set(out, "size_max", measure_value(sizes, sizes->max));
}

static const struct tsr_column measure_delay_columns[] = {
	{"p50_ns", "P50", TSR_CELL_NS}, {"p99_ns", "P99", TSR_CELL_NS},
	{"min_ns", "MIN", TSR_CELL_NS}, {"mean_ns", "MEAN", TSR_CELL_NS},
	{"max_ns", "MAX", TSR_CELL_NS}, {"stamped", "STAMPED", TSR_CELL_COUNT},
	{"of", "OF", TSR_CELL_COUNT},   {"ages_of", "AGES OF", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

/* Of a histogram: each value is the middle of its bucket. */
static struct tsr_spread
measure_spread(const struct tsr_distribution *times)
{
	struct tsr_spread spread = {.weight = 0};

	for (uint32_t i = 0; i < TSR_HISTOGRAM_BUCKETS; i++) {
		if (times->count[i] != 0)
			tsr_spread_add(
				&spread,
				(double)(tsr_histogram_floor(i) + tsr_histogram_floor(i + 1)) / 2,
				(double)times->count[i]);
	}
	return spread;
}

/* Of what was received; where nothing was, of what lies there. */
static void
measure_delay(json_t *out, const struct tsr_slice *slice)
{
	bool const received = slice->rates.latency.total != 0 || slice->lying.total == 0;
	struct tsr_distribution const *const times =
		received ? &slice->rates.latency : &slice->lying;
	struct tsr_spread const spread = measure_spread(times);

	tsr_report_set(out, "p50_ns",
	               measure_value(&spread, (double)tsr_distribution_quantile(times, 0.5)));
	tsr_report_set(out, "p99_ns",
	               measure_value(&spread, (double)tsr_distribution_quantile(times, 0.99)));
	tsr_report_set(out, "min_ns", measure_value(&spread, spread.min));
	tsr_report_set(out, "mean_ns", measure_value(&spread, spread.mean));
	tsr_report_set(out, "max_ns", measure_value(&spread, spread.max));
	tsr_report_set(out, "stamped", tsr_report_count(times->total));
	tsr_report_set(out, "of",
	               tsr_report_count(received ? slice->rates.received : slice->rates.depth));
	tsr_report_set(out, "ages_of",
	               times->total == 0 ? json_null()
	                                 : json_string(received ? "received" : "lying"));
}

/* What each of the commands tells, besides its own. */
static json_t *
measure_report(const struct measure_request *request, const struct tsr_slice *slice, bool summary)
{
	struct tsr_measure const *const measure = &request->measure;
	json_t *const out = tsr_report_new();

	tsr_report_set(out, "realm", json_string(measure->address.realm));
	tsr_report_set(out, "channel", json_string(measure->address.name));
	tsr_report_set(out, "kind", json_string(tsr_kind_name(measure->kind)));
	tsr_report_set(out, "tapped", json_boolean(measure->tap != NULL));
	tsr_report_set(out, "summary", json_boolean(summary));
	tsr_report_set(out, "seconds", json_real(slice->rates.seconds));
	tsr_report_set(out, "messages", tsr_report_count(tsr_slice_messages(slice)));
	tsr_report_set(out, "received", tsr_report_count(slice->rates.received));
	tsr_report_set(out, "looked", tsr_report_count(slice->looked));
	tsr_report_set(out, "missed",
	               tsr_report_count(
			       slice->passed > slice->looked ? slice->passed - slice->looked : 0));
	tsr_report_set(out, "full", tsr_report_count(slice->rates.full));
	tsr_report_set(out, "lost", tsr_report_count(slice->rates.lost));
	tsr_report_set(out, "failed", tsr_report_count(slice->rates.failed));
	request->report(out, slice);
	return out;
}

/* For people in columns; for a pipe with tabs, plain values, and keys for a head. */
static void
measure_line(const struct measure_request *request, const json_t *report, uint64_t line)
{
	bool const people = isatty(STDOUT_FILENO) != 0;
	char cell[TSR_CELL_TEXT_BYTES];

	for (int row = line % MEASURE_HEAD_EVERY == 0 && (people || line == 0) ? 0 : 1; row < 2;
	     row++) {
		for (const struct tsr_column *column = request->columns; column->key != NULL;
		     column++) {
			if (row == 0)
				(void)snprintf(cell, sizeof(cell), "%s",
				               people ? column->title : column->key);
			else
				tsr_table_cell(json_object_get(report, column->key), column->format,
				               people, cell);
			if (people)
				(void)printf("%*s ", MEASURE_COLUMN, cell);
			else
				(void)printf("%s%s", column == request->columns ? "" : "\t", cell);
		}
		(void)putchar('\n');
	}
}

static void
measure_show(const struct measure_request *request, uint64_t line)
{
	static struct tsr_slice window;
	json_t *report;

	window = (struct tsr_slice){.passed = 0};
	/* From the oldest on: what lies there is told of the newest. */
	for (uint64_t i = request->slices_count; i > 0; i--) {
		if (line + 1 >= i)
			tsr_slice_add(&window,
			              &request->slices[(line + 1 - i) % request->slices_count]);
	}
	report = measure_report(request, &window, false);
	if (tsr_globals.json) {
		(void)json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
		(void)putchar('\n');
	} else {
		measure_line(request, report, line);
	}
	(void)fflush(stdout);
	json_decref(report);
}

/* All that was seen, from the beginning to the end. */
static void
measure_summary(const struct measure_request *request)
{
	json_t *const report = measure_report(request, &request->all, true);

	if (tsr_globals.json) {
		(void)json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
		(void)putchar('\n');
	} else {
		(void)putchar('\n');
		(void)printf("in %.1f s:\n", request->all.rates.seconds);
		tsr_table_facts(stdout, report, request->columns);
	}
	json_decref(report);
}

/* Return: an exit status. */
static int
measure_all(struct measure_request *request)
{
	struct tsr_measure *const measure = &request->measure;
	uint64_t next = measure->before.at_ns;
	int error = 0;

	if (measure->tap == NULL)
		tsr_cli_warn("messages of this kind can't be looked at: only what the ends count");

	for (uint64_t line = 0; error == 0 && line < request->count && !tsr_stop_asked(); line++) {
		struct tsr_slice *const slice = &request->slices[line % request->slices_count];

		next += request->interval_ns;
		error = tsr_measure_take(measure, next, slice);
		if (error != 0)
			break;
		tsr_slice_add(&request->all, slice);
		/* One that was cut short is in the summary. */
		if (!tsr_stop_asked())
			measure_show(request, line);
	}
	measure_summary(request);
	if (error == -ENOENT) {
		tsr_cli_warn("the channel '%s/%s' was removed", measure->address.realm,
		             measure->address.name);
		return TSR_EXIT_NOT_FOUND;
	}
	return error == 0 ? TSR_EXIT_OK
	                  : tsr_cli_fail(error, "looking at '%s/%s'", measure->address.realm,
	                                 measure->address.name);
}

static int
measure_run(struct measure_request *request, const char *doc, int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = measure_options,
		.parser = measure_parse,
		.args_doc = "[REALM/]CHANNEL",
		.doc = doc,
		.children = children,
	};
	int status;

	request->interval_ns = TSR_NS_PER_SECOND;
	request->count = UINT64_MAX;
	argp_parse(&argp, argc, argv, 0, NULL, request);
	request->slices = calloc(request->slices_count, sizeof(request->slices[0]));
	if (request->slices == NULL)
		return tsr_cli_fail(-ENOMEM, "a window of %llu intervals",
		                    (unsigned long long)request->slices_count);
	status = tsr_measure_open(&request->measure);
	if (status == TSR_EXIT_OK) {
		tsr_stop_catch();
		status = measure_all(request);
		/* Not closed: a daemon that is stopped would be waited for. It hears of our end
		 * from the kernel. */
	}
	free(request->slices);
	return status;
}

int
tsr_cmd_hz(int argc, char **argv)
{
	static struct measure_request request = {.columns = measure_hz_columns,
	                                         .report = measure_hz};

	return measure_run(&request,
	                   "Show how many messages a second are sent to a channel, and the gaps "
	                   "between them.\v"
	                   "The rate is what the senders counted. A gap is the time from one "
	                   "stamped message to the next, or from one look, a millisecond apart, to "
	                   "the next, by the messages in between, whichever are fewer.",
	                   argc, argv);
}

int
tsr_cmd_bw(int argc, char **argv)
{
	static struct measure_request request = {.columns = measure_bw_columns,
	                                         .report = measure_bw};

	return measure_run(&request,
	                   "Show how many bytes a second are sent to a channel, and how large the "
	                   "messages are.\v"
	                   "Rates and the mean are what the senders counted; the smallest and the "
	                   "largest are of the messages that could be looked at.",
	                   argc, argv);
}

int
tsr_cmd_delay(int argc, char **argv)
{
	static struct measure_request request = {.measure = {.ages = true},
	                                         .columns = measure_delay_columns,
	                                         .report = measure_delay};

	return measure_run(&request,
	                   "Show how old the messages of a channel are when they are received.\v"
	                   "The times are what the receivers counted, of messages that were "
	                   "stamped: one in 64, unless the sender says otherwise. Where nothing is "
	                   "received they are the ages of what lies in the channel.",
	                   argc, argv);
}
