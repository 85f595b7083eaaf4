/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera realms: what realms there are, and whose. */

#include "apps/dump.h"
#include "apps/rows.h"

struct realms_options {
	const char *segment; /* a saved dump */
};

enum {
	REALMS_SEGMENT = 0x100,
};

static const struct argp_option realms_options[] = {
	{"segment", REALMS_SEGMENT, "FILE", 0, "Look into a saved dump (see tessera-dump(1))", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column realms_columns[] = {
	{"realm", "REALM", TSR_CELL_TEXT},
	{"state", "STATE", TSR_CELL_TEXT},
	{"epoch", "EPOCH", TSR_CELL_COUNT},
	{"owner", "OWNER", TSR_CELL_TEXT},
	{"group", "GROUP", TSR_CELL_TEXT},
	{"mode", "MODE", TSR_CELL_MODE},
	{"backing", "PAGES", TSR_CELL_TEXT},
	{"bytes", "MEMORY", TSR_CELL_BYTES},
	{"clients", "CLIENTS", TSR_CELL_COUNT},
	{"channels", "CHANNELS", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static error_t
realms_parse(int key, char *arg, struct argp_state *state)
{
	struct realms_options *const options = state->input;

	switch (key) {
	case REALMS_SEGMENT:
		options->segment = arg;
		return 0;
	default:
		return tsr_cli_no_argument(key, arg, state);
	}
}

static const char *
realms_state(uint32_t state)
{
	static const char *const words[] = {
		[TSR_ROW_REALM_LIVING] = "living",
		[TSR_ROW_REALM_LEAVING] = "leaving",
		[TSR_ROW_REALM_CONDEMNED] = "condemned",
	};

	return state <= TSR_ROW_REALM_CONDEMNED ? words[state] : "unknown";
}

static json_t *
realms_row(const void *from)
{
	const struct tsr_proto_row_realm *row = from;
	json_t *out = json_object();

	tsr_report_set(out, "realm", tsr_dump_text(row->name, sizeof(row->name)));
	tsr_report_set(out, "state", json_string(realms_state(row->state)));
	tsr_report_set(out, "epoch", tsr_report_count(row->epoch));
	tsr_report_set(out, "owner", tsr_row_user(row->owner));
	tsr_report_set(out, "group", tsr_row_group(row->group));
	tsr_report_set(out, "mode", json_integer(row->mode));
	tsr_report_set(out, "backing", tsr_dump_text(row->backing, sizeof(row->backing)));
	tsr_report_set(out, "bytes", tsr_report_count(row->bytes));
	tsr_report_set(out, "clients", json_integer(row->clients));
	tsr_report_set(out, "channels", json_integer(row->channels));
	return out;
}

/* The one realm of a saved dump. */
static int
realms_of_file(const char *file)
{
	struct tsr_dump dump;
	json_t *report, *rows;
	int const status = tsr_dump_load(file, &dump);

	if (status != 0)
		return status;
	rows = json_array();
	tsr_report_add(rows, realms_row(&dump.realm));
	tsr_dump_free(&dump);
	report = tsr_report_new();
	tsr_report_set(report, "realms", rows);
	if (!tsr_cli_print(stdout, report))
		tsr_table_rows(stdout, rows, realms_columns);
	json_decref(report);
	return TSR_EXIT_OK;
}

int
tsr_cmd_realms(int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = realms_options,
		.parser = realms_parse,
		.doc = "Show what realms there are that this user may see.",
		.children = children,
	};
	struct realms_options options = {.segment = NULL};

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.segment != NULL)
		return realms_of_file(options.segment);
	return tsr_rows_show("realms", TSR_LIST_REALMS, sizeof(struct tsr_proto_row_realm),
	                     realms_row, realms_columns);
}
