/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera top: channels, clients, cores, memory, live. */

#include <errno.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/screen.h"
#include "apps/units.h"
#include "apps/view.h"

#define TOP_INTERVAL_NS_MIN UINT64_C(100000000)
#define TOP_PATIENCE_NS     UINT64_C(500000000) /* keys wait as long */

struct top_options {
	uint64_t interval_ns;
	bool once;
};

static const struct argp_option top_options[] = {
	{"interval", 'i', "TIME", 0, "Time between two looks: 1s, 200ms (default: 1s)", 0},
	{"once", 'n', NULL, 0, "Print one look, and end; --json does the same", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
top_parse(int key, char *arg, struct argp_state *state)
{
	struct top_options *const options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case 'i':
		tsr_cli_interval(state, arg, TOP_INTERVAL_NS_MIN, TSR_INTERVAL_NS_MAX,
		                 &options->interval_ns);
		return 0;
	case 'n':
		options->once = true;
		return 0;
	default:
		return tsr_cli_no_argument(key, arg, state);
	}
}

static int
top_error(const json_t *report, const char *key)
{
	return (int)json_integer_value(json_object_get(report, key));
}

/* Two looks, of which the second is told. */
static int
top_once(struct tsr_view *view, uint64_t interval_ns)
{
	json_t *report = tsr_view_take(view);
	int const error = top_error(report, "errno");
	int const realm_error = top_error(report, "realm_errno");

	if (error == 0 && realm_error == 0) {
		json_decref(report);
		tsr_cli_sleep(interval_ns);
		report = tsr_view_take(view);
		if (!tsr_cli_print(stdout, report)) {
			for (size_t i = 0; i < TSR_VIEW_TABLES; i++) {
				(void)printf("%s%s\n", i > 0 ? "\n" : "", tsr_view_tables[i].title);
				tsr_table_people(stdout,
				                 json_object_get(report, tsr_view_tables[i].key),
				                 tsr_view_tables[i].columns);
			}
		}
	}
	json_decref(report);
	if (error != 0 || realm_error != 0)
		return tsr_cli_unattached(error != 0 ? error : realm_error, view->realm);
	return TSR_EXIT_OK;
}

int
tsr_cmd_top(int argc, char **argv)
{
	struct top_options options = {.interval_ns = TSR_NS_PER_SECOND};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {0}};
	struct argp const argp = {
		.options = top_options,
		.parser = top_parse,
		.doc = "Show channels, clients, cores and memory of a realm, live; '?' shows the "
		       "keys.",
		.children = children,
	};
	struct tsr_view view;
	int status;

	(void)argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
	options.once = options.once || tsr_globals.json;
	tsr_view_open(&view, tsr_globals.realm != NULL ? tsr_globals.realm : TSR_REALM_DEFAULT,
	              options.once ? TSR_NS_PER_SECOND * 5 : TOP_PATIENCE_NS);
	if (options.once) {
		status = top_once(&view, options.interval_ns);
	} else {
		status = tsr_screen_run(&view, options.interval_ns);
		if (status != 0) {
			tsr_cli_warn("top needs a terminal that it knows (TERM); '--once' prints "
			             "one look");
			status = TSR_EXIT_RUNTIME;
		}
	}
	tsr_view_close(&view);
	return status;
}
