/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera ping: how long the daemon takes to answer. */

#include "apps/cli.h"
#include "apps/table.h"
#include "apps/units.h"

struct ping {
	uint64_t count;
	uint64_t interval_ns;
	uint64_t min_ns;
	uint64_t max_ns;
	uint64_t sum_ns;
};

static const struct argp_option ping_options[] = {
	{"count", 'c', "N", 0, "How often (default: 10)", 0},
	{"interval", 'i', "TIME", 0, "Rest between two, as in 100ms (default: 10ms)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column ping_facts[] = {
	{"socket", "socket", TSR_CELL_TEXT}, {"count", "answers", TSR_CELL_COUNT},
	{"min_ns", "fastest", TSR_CELL_NS},  {"avg_ns", "average", TSR_CELL_NS},
	{"max_ns", "slowest", TSR_CELL_NS},  {NULL, NULL, TSR_CELL_TEXT},
};

static error_t
ping_parse(int key, char *arg, struct argp_state *state)
{
	struct ping *ping = state->input;

	switch (key) {
	case 'c':
		if (tsr_count_parse(arg, 1, 1000000000, &ping->count) != 0)
			argp_error(state, "--count takes a number from 1 on, not '%s'", arg);
		return 0;
	case 'i':
		if (tsr_duration_parse(arg, &ping->interval_ns) != 0)
			argp_error(state, "--interval takes a time as in 100ms, not '%s'", arg);
		return 0;
	default:
		return tsr_cli_no_argument(key, arg, state);
	}
}

static int
ping_once(struct tsr_control *control, struct ping *ping)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}}, reply;
	uint64_t const start = tsr_now_ns();
	int const error = tsr_control_ask(control, TSR_PROTO_PING, &request, sizeof(request),
	                                  &reply, sizeof(reply), NULL, tsr_cli_deadline());
	uint64_t const took = tsr_now_ns() - start;

	if (error != 0)
		return tsr_cli_fail(error, "the daemon doesn't answer");
	ping->min_ns = took < ping->min_ns ? took : ping->min_ns;
	ping->max_ns = took > ping->max_ns ? took : ping->max_ns;
	ping->sum_ns += took;
	return TSR_EXIT_OK;
}

static void
ping_show(const struct ping *ping, const char *socket)
{
	json_t *report = tsr_report_new();

	tsr_report_set(report, "socket", json_string(socket));
	tsr_report_set(report, "count", tsr_report_count(ping->count));
	tsr_report_set(report, "min_ns", tsr_report_count(ping->min_ns));
	tsr_report_set(report, "avg_ns",
	               tsr_report_count(ping->sum_ns / (ping->count > 0 ? ping->count : 1)));
	tsr_report_set(report, "max_ns", tsr_report_count(ping->max_ns));
	if (!tsr_cli_print(stdout, report))
		tsr_table_facts(stdout, report, ping_facts);
	json_decref(report);
}

int
tsr_cmd_ping(int argc, char **argv)
{
	struct ping ping = {.count = 10, .interval_ns = 10 * TSR_NS_PER_MS, .min_ns = UINT64_MAX};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {.options = ping_options,
	                          .parser = ping_parse,
	                          .doc = "Measure how long the daemon takes to answer.",
	                          .children = children};
	struct tsr_control control;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &ping);
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	for (uint64_t i = 0; i < ping.count && status == 0; i++) {
		if (i > 0)
			tsr_cli_sleep(ping.interval_ns);
		status = ping_once(&control, &ping);
	}
	if (status == 0)
		ping_show(&ping, control.path);
	tsr_control_close(&control);
	return status;
}
