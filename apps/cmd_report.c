/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera report: what the daemon kept of a death. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/cli.h"
#include "apps/feed_row.h"
#include "apps/remains.h"
#include "apps/rows.h"
#include "apps/table.h"
#include "apps/tickets.h"
#include "apps/units.h"
#include "shm/meters.h"
#include "shm/zdesc.h"

#define REPORT_LAST 20 /* events */

struct report_options {
	const char *folder;
	uint64_t last;
};

static const struct argp_option report_options[] = {
	{"last", 'n', "N", 0, "So many events of the realm before it (default: 20)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column report_facts[] = {
	{"client", "client", TSR_CELL_TEXT},
	{"id", "id", TSR_CELL_TEXT},
	{"pid", "pid", TSR_CELL_TEXT},
	{"user", "user", TSR_CELL_TEXT},
	{"realm", "realm", TSR_CELL_TEXT},
	{"died", "died", TSR_CELL_TEXT},
	{"attached_ns", "attached for", TSR_CELL_NS},
	{"repaired", "repaired", TSR_CELL_TEXT},
	{"took_ns", "repaired in", TSR_CELL_NS},
	{"tickets", "tickets it held", TSR_CELL_COUNT},
	{"bytes", "bytes in them", TSR_CELL_BYTES},
	{"others", "other clients", TSR_CELL_COUNT},
	{"release", "daemon", TSR_CELL_TEXT},
	{"trace", "trace", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column report_ends[] = {
	{"channel", "CHANNEL", TSR_CELL_TEXT},
	{"end", "END", TSR_CELL_TEXT},
	{"messages", "MESSAGES", TSR_CELL_COUNT},
	{"bytes", "BYTES", TSR_CELL_BYTES},
	{"blocked", "BLOCKED", TSR_CELL_TEXT},
	{"waits", "WAITS", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column report_tickets[] = {
	{"ticket", "TICKET", TSR_CELL_COUNT}, {"bytes", "BYTES", TSR_CELL_BYTES},
	{"kind", "KIND", TSR_CELL_TEXT},      {"last_channel", "LAST CHANNEL", TSR_CELL_TEXT},
	{"age", "AGE", TSR_CELL_TEXT},        {NULL, NULL, TSR_CELL_TEXT},
};

static error_t
report_parse(int key, char *arg, struct argp_state *state)
{
	struct report_options *const options = state->input;

	switch (key) {
	case 'n':
		if (tsr_count_parse(arg, 0, TSR_FEED_MAX, &options->last) != 0)
			argp_error(state, "--last %s, expected 0 to %d", arg, TSR_FEED_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (options->folder != NULL)
			argp_error(state, "'%s' is one argument too many", arg);
		options->folder = arg;
		return 0;
	case ARGP_KEY_END:
		if (options->folder == NULL)
			argp_error(state, "say which folder: 'tessera events' names it");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What the daemon said of the death; NULL: the feed had forgotten it. */
static const struct tsr_proto_row_feed *
report_death(const struct tsr_remains_read *remains)
{
	for (size_t i = remains->rows_count; i-- > 0;) {
		if (remains->rows[i].kind == TSR_FEED_DEATH &&
		    remains->rows[i].client_id == remains->victim.id)
			return &remains->rows[i];
	}
	return NULL;
}

static json_t *
report_when(uint64_t wall_ns)
{
	time_t const second = (time_t)(wall_ns / TSR_NS_PER_SECOND);
	char text[64] = "";
	struct tm local;

	if (localtime_r(&second, &local) != NULL)
		(void)strftime(text, sizeof(text), "%F %T", &local);
	return json_string(text);
}

static void
report_set_repairs(json_t *out, const struct tsr_proto_row_feed *death)
{
	char text[160];

	if (death == NULL)
		return;
	(void)snprintf(text, sizeof(text),
	               "%u slots voided, %u restored; %u cells, %u tickets, %u tokens; %u woken",
	               death->slots_voided, death->slots_restored, death->cells, death->tickets,
	               death->tokens, death->woken);
	tsr_report_set(out, "repaired", json_string(text));
	tsr_report_set(out, "took_ns", tsr_report_count(death->took_ns));
}

struct report_walk {
	const struct tsr_remains_read *remains;
	json_t *ends;
};

static void
report_end(void *argument, uint32_t number, uint64_t word, struct tsr_metrics const *metrics,
           struct tsr_metrics_seen const *seen)
{
	struct report_walk const *const walk = argument;
	json_t *row;

	(void)number, (void)metrics;
	if (tsr_end_word_client(word) != walk->remains->victim.id)
		return;
	row = json_object();
	tsr_report_set(row, "channel",
	               tsr_dump_channel_label(&walk->remains->dump, tsr_end_word_channel(word)));
	tsr_report_set(
		row, "end",
		json_string(tsr_end_word_side(word) == TSR_SIDE_RECEIVER ? "receiver" : "sender"));
	tsr_report_set(row, "messages", tsr_report_count(seen->messages));
	tsr_report_set(row, "bytes", tsr_report_count(seen->bytes));
	tsr_report_set(row, "blocked", json_boolean(seen->blocked));
	tsr_report_set(row, "waits", tsr_report_count(seen->waits));
	tsr_report_add(walk->ends, row);
}

static void
report_forget(void *argument)
{
	struct report_walk const *const walk = argument;

	(void)json_array_clear(walk->ends);
}

/* The ends that it had open, and what they had done. */
static json_t *
report_list_ends(const struct tsr_remains_read *remains)
{
	struct tsr_map const *const map = &remains->dump.map;
	struct tsr_meter(*side)[2] = calloc(map->channels_count + UINT64_C(1), sizeof(*side));
	struct report_walk walk = {.remains = remains, .ends = json_array()};
	struct tsr_meters_request const request = {
		.side = side, .end = report_end, .again = report_forget, .argument = &walk};

	/* Nobody moves the copy: what does not come to rest was copied in mid-change. */
	if (side != NULL && tsr_meters_read(map, &request) != 0)
		report_forget(&walk);
	free(side);
	return walk.ends;
}

/* The tickets that it held. */
static json_t *
report_list_tickets(const struct tsr_remains_read *remains, json_t *out)
{
	json_t *const rows = json_array();
	struct tsr_tickets tickets;
	uint64_t bytes = 0;

	if (tsr_tickets_open(&tickets, &remains->dump, NULL) != 0) {
		tsr_report_add(rows, NULL); /* ends the program */
		return rows;
	}
	for (uint32_t i = 0; i < remains->dump.map.tickets_all; i++) {
		struct tsr_hold_fact fact;

		tsr_tickets_fact(&tickets, i, &fact);
		if (fact.hold != TSR_HOLD_CLIENT || fact.who != remains->victim.id)
			continue;
		tsr_report_add(rows, tsr_tickets_row(&tickets, &fact));
		bytes += fact.bytes;
	}
	tsr_tickets_close(&tickets);
	tsr_report_set(out, "tickets", json_integer((json_int_t)json_array_size(rows)));
	tsr_report_set(out, "bytes", tsr_report_count(bytes));
	return rows;
}

static json_t *
report_object(const struct report_options *options, const struct tsr_remains_read *remains)
{
	const struct tsr_proto_row_client *const victim = &remains->victim;
	size_t const last =
		options->last < remains->rows_count ? options->last : remains->rows_count;
	json_t *const out = tsr_report_new();
	json_t *const events = json_array();
	char path[512];

	tsr_report_set(out, "client", tsr_dump_text(victim->name, sizeof(victim->name)));
	tsr_report_set(out, "id", json_integer(victim->id));
	tsr_report_set(out, "pid", json_integer(victim->pid));
	tsr_report_set(out, "user", tsr_row_user(victim->uid));
	tsr_report_set(out, "realm", tsr_dump_text(victim->realm, sizeof(victim->realm)));
	tsr_report_set(out, "died", report_when(remains->dump.taken_ns));
	tsr_report_set(out, "died_wall_ns", tsr_report_count(remains->dump.taken_ns));
	tsr_report_set(out, "attached_ns", tsr_report_count(victim->since_ns));
	report_set_repairs(out, report_death(remains));
	tsr_report_set(out, "held", report_list_tickets(remains, out));
	tsr_report_set(out, "others", json_integer((json_int_t)remains->dump.clients_count - 1));
	tsr_report_set(out, "release",
	               tsr_dump_text(remains->dump.release, sizeof(remains->dump.release)));
	(void)snprintf(path, sizeof(path), "%s/trace", options->folder);
	tsr_report_set(out, "trace", remains->traced ? json_string(path) : json_null());
	tsr_report_set(out, "ends", report_list_ends(remains));
	for (size_t i = remains->rows_count - last; i < remains->rows_count; i++)
		tsr_report_add(events, tsr_feed_object(&remains->rows[i]));
	tsr_report_set(out, "events", events);
	return out;
}

static void
report_table(const json_t *report, const char *key, const char *title,
             const struct tsr_column *columns)
{
	const json_t *const rows = json_object_get(report, key);

	if (json_array_size(rows) == 0)
		return;
	(void)printf("\n%s\n", title);
	tsr_table_rows(stdout, rows, columns);
}

static void
report_print(const json_t *report, const struct report_options *options,
             const struct tsr_remains_read *remains)
{
	size_t const last =
		options->last < remains->rows_count ? options->last : remains->rows_count;

	tsr_table_facts(stdout, report, report_facts);
	report_table(report, "ends", "Ends that it had open", report_ends);
	report_table(report, "held", "Tickets that it held", report_tickets);
	if (last > 0)
		(void)printf("\nWhat happened in the realm until then\n");
	for (size_t i = remains->rows_count - last; i < remains->rows_count; i++)
		tsr_feed_print(stdout, &remains->rows[i]);
	(void)printf(
		"\nMore: tessera dump --segment %s/state; tessera tickets --segment %s/state\n",
		options->folder, options->folder);
	if (remains->traced)
		(void)printf("      tessera trace show --events %s/trace\n", options->folder);
}

int
tsr_cmd_report(int argc, char **argv)
{
	struct report_options options = {.last = REPORT_LAST};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = report_options,
		.parser = report_parse,
		.args_doc = "FOLDER",
		.doc = "Show what the daemon kept of a client's death.\vDaemons keep such folders "
		       "where postmortem.folder of their configuration says.",
		.children = children,
	};
	static struct tsr_remains_read remains;
	json_t *report;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = tsr_remains_load(options.folder, &remains);
	if (status != 0)
		return status;
	report = report_object(&options, &remains);
	if (!tsr_cli_print(stdout, report))
		report_print(report, &options, &remains);
	json_decref(report);
	tsr_remains_free(&remains);
	return TSR_EXIT_OK;
}
