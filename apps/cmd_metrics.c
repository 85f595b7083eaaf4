/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera metrics: what there is to count, in the format of Prometheus. */

#include <errno.h>

#include "apps/cli.h"
#include "apps/prometheus.h"
#include "apps/table.h"

struct metrics_options {
	const char *channel; /* a pattern; NULL: all */
	bool no_latency;
	bool list;
};

enum {
	METRICS_CHANNEL = 0x100,
	METRICS_NO_LATENCY,
	METRICS_LIST,
};

static const struct argp_option metrics_options[] = {
	{"channel", METRICS_CHANNEL, "PATTERN", 0,
         "Only channels whose names match: 'camera*' (so does --realm)", 0},
	{"no-latency", METRICS_NO_LATENCY, NULL, 0,
         "Leave out the histograms: they are two thirds of all lines", 0},
	{"list", METRICS_LIST, NULL, 0, "What metrics there are; --json does the same", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column metrics_columns[] = {
	{"name", "METRIC", TSR_CELL_TEXT}, {"type", "TYPE", TSR_CELL_TEXT},
	{"where", "IN", TSR_CELL_TEXT},    {"key", "KEY", TSR_CELL_TEXT},
	{"help", "IS", TSR_CELL_TEXT},     {NULL, NULL, TSR_CELL_TEXT},
};

static error_t
metrics_parse(int key, char *arg, struct argp_state *state)
{
	struct metrics_options *const options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case METRICS_CHANNEL:
		options->channel = arg;
		return 0;
	case METRICS_NO_LATENCY:
		options->no_latency = true;
		return 0;
	case METRICS_LIST:
		options->list = true;
		return 0;
	default:
		return tsr_cli_no_argument(key, arg, state);
	}
}

static int
metrics_list(void)
{
	json_t *const report = tsr_report_new();
	json_t *const list = tsr_prometheus_list();

	tsr_report_set(report, "metrics", list);
	if (!tsr_cli_print(stdout, report))
		tsr_table_rows(stdout, list, metrics_columns);
	json_decref(report);
	return TSR_EXIT_OK;
}

int
tsr_cmd_metrics(int argc, char **argv)
{
	struct metrics_options options = {.channel = NULL};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {0}};
	struct argp const argp = {
		.options = metrics_options,
		.parser = metrics_parse,
		.doc = "Print what there is to count in the text format of Prometheus.",
		.children = children,
	};
	struct tsr_scrape scrape = {.patience_ns = 5 * TSR_NS_PER_SECOND};
	struct tsr_control control;
	int status;

	(void)argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.list || tsr_globals.json)
		return metrics_list();
	scrape.realm = tsr_globals.realm;
	scrape.channel = options.channel;
	scrape.times = !options.no_latency;
	/* So that a daemon that is not there is told as by every command. */
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	tsr_control_close(&control);
	status = tsr_scrape_take(&scrape);
	if (status != 0)
		status = tsr_cli_fail(status, "the daemon can't be asked");
	else if (scrape.realms_count == 0 && scrape.realm != NULL)
		status = tsr_cli_fail(-ENOENT, "no realm '%s'", scrape.realm);
	else
		tsr_prometheus_print(stdout, &scrape);
	tsr_scrape_close(&scrape);
	return status;
}
