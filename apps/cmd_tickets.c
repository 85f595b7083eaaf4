/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera tickets: who holds which blocks of a realm, for how long, and from where. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/dump.h"
#include "apps/table.h"
#include "apps/tickets.h"
#include "apps/units.h"
#include "shm/zdesc.h"

#define TICKETS_LIMIT 1000

struct tickets_options {
	const char *realm;
	const char *segment; /* a saved dump */
	const char *holder;
	const char *channel;
	bool held;
	bool filtered; /* rows are wanted, not the summary */
	uint64_t older_ns;
	uint64_t limit;
};

enum {
	TICKETS_HOLDER = 0x100,
	TICKETS_CHANNEL,
	TICKETS_HELD,
	TICKETS_OLDER,
	TICKETS_LIMITED,
	TICKETS_SEGMENT,
};

static const struct argp_option tickets_options[] = {
	{"holder", TICKETS_HOLDER, "WHO", 0,
         "List what WHO holds: a client's id or name, depot, daemon, region, channel, nobody", 0},
	{"channel", TICKETS_CHANNEL, "NAME", 0, "List what is in a channel, or was last sent there",
         0},
	{"held", TICKETS_HELD, NULL, 0, "List what clients hold", 0},
	{"older", TICKETS_OLDER, "TIME", 0,
         "List what has not changed hands for so long: look, wait, look again", 0},
	{"limit", TICKETS_LIMITED, "N", 0, "At most so many lines (default: 1000; 0: all)", 0},
	{"segment", TICKETS_SEGMENT, "FILE", 0, "Look into a saved dump (see tessera-dump(1))", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column tickets_holders[] = {
	{"holder", "HOLDER", TSR_CELL_TEXT},
	{"id", "ID", TSR_CELL_COUNT},
	{"name", "NAME", TSR_CELL_TEXT},
	{"pid", "PROCESS", TSR_CELL_TEXT},
	{"user", "USER", TSR_CELL_TEXT},
	{"tickets", "TICKETS", TSR_CELL_COUNT},
	{"received", "RECEIVED", TSR_CELL_COUNT},
	{"bytes", "BYTES", TSR_CELL_BYTES},
	{"last_channel", "LAST SENT TO", TSR_CELL_TEXT},
	{"age", "OLDEST", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column tickets_columns[] = {
	{"ticket", "TICKET", TSR_CELL_COUNT},
	{"generation", "GENERATION", TSR_CELL_COUNT},
	{"bytes", "BLOCK", TSR_CELL_BYTES},
	{"holder", "HOLDER", TSR_CELL_TEXT},
	{"id", "ID", TSR_CELL_COUNT},
	{"name", "NAME", TSR_CELL_TEXT},
	{"pid", "PROCESS", TSR_CELL_TEXT},
	{"kind", "KIND", TSR_CELL_TEXT},
	{"slot", "SLOT", TSR_CELL_COUNT},
	{"length", "LENGTH", TSR_CELL_BYTES},
	{"last_channel", "LAST SENT TO", TSR_CELL_TEXT},
	{"age", "AGE", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static error_t
tickets_parse_text(int key, char *arg, struct argp_state *state)
{
	struct tickets_options *const options = state->input;

	if (arg[0] == '\0' || (key != TICKETS_SEGMENT && strlen(arg) >= TSR_NAME_BYTES))
		argp_error(state, "'%s' names nothing", arg);
	if (key == TICKETS_HOLDER)
		options->holder = arg;
	else if (key == TICKETS_CHANNEL)
		options->channel = arg;
	else if (key == TICKETS_SEGMENT)
		options->segment = arg;
	else if (options->realm != NULL)
		argp_error(state, "'%s' is one argument too many", arg);
	else
		options->realm = arg;
	return 0;
}

static error_t
tickets_parse(int key, char *arg, struct argp_state *state)
{
	struct tickets_options *const options = state->input;

	switch (key) {
	case TICKETS_HOLDER:
	case TICKETS_CHANNEL:
	case TICKETS_SEGMENT:
	case ARGP_KEY_ARG:
		return tickets_parse_text(key, arg, state);
	case TICKETS_HELD:
		options->held = true;
		return 0;
	case TICKETS_OLDER:
		if (tsr_duration_parse(arg, &options->older_ns) != 0 || options->older_ns == 0 ||
		    options->older_ns > 3600 * TSR_NS_PER_SECOND)
			argp_error(state, "--older takes a time up to an hour, not '%s'", arg);
		return 0;
	case TICKETS_LIMITED:
		if (tsr_count_parse(arg, 0, UINT32_MAX, &options->limit) != 0)
			argp_error(state, "--limit takes a number, not '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		if (options->segment != NULL && options->older_ns != 0)
			argp_error(state, "--older looks at a living realm, not at a file");
		options->filtered = options->holder != NULL || options->channel != NULL ||
		                    options->held || options->older_ns != 0;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool
tickets_is_client(const struct tsr_proto_row_client *client, const char *who)
{
	uint64_t id;

	if (tsr_count_parse(who, 1, TSR_CLIENTS_MAX, &id) == 0)
		return client->id == id;
	return strncmp(client->name, who, sizeof(client->name)) == 0;
}

static bool
tickets_is_holder(const struct tsr_tickets *tickets, const struct tsr_hold_fact *fact,
                  const char *who)
{
	const struct tsr_proto_row_client *client;

	if (strcmp(who, tsr_hold_name(fact->hold)) == 0)
		return true;
	if (fact->hold != TSR_HOLD_CLIENT)
		return false;
	client = tsr_dump_client(tickets->dump, fact->who);
	return client != NULL && tickets_is_client(client, who);
}

/* Is there anybody of that name, whether he holds something or not? */
static bool
tickets_knows(const struct tsr_dump *dump, const char *who)
{
	for (int hold = TSR_HOLD_DEPOT; hold <= TSR_HOLD_CLIENT; hold++) {
		if (strcmp(who, tsr_hold_name((enum tsr_hold)hold)) == 0)
			return true;
	}
	for (uint32_t i = 0; i < dump->clients_count; i++) {
		if (tickets_is_client(&dump->clients[i], who))
			return true;
	}
	return false;
}

static bool
tickets_wanted(const struct tsr_tickets *tickets, const struct tickets_options *options,
               uint32_t channel, const struct tsr_hold_fact *fact)
{
	if (options->held && fact->hold != TSR_HOLD_CLIENT)
		return false;
	if (options->holder != NULL && !tickets_is_holder(tickets, fact, options->holder))
		return false;
	if (options->channel != NULL && !(fact->hold == TSR_HOLD_CHANNEL && fact->who == channel) &&
	    tsr_dump_channel_index(tickets->dump, fact->tag) != channel)
		return false;
	/* What lies in depots and with the daemon may lie there. */
	return options->older_ns == 0 || (fact->age_min_ns != 0 && fact->hold != TSR_HOLD_DEPOT &&
	                                  fact->hold != TSR_HOLD_DAEMON);
}

/* Rows of what the options ask for. */
static json_t *
tickets_list(const struct tsr_tickets *tickets, const struct tickets_options *options,
             uint32_t channel, uint64_t *left_off)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < tickets->dump->map.tickets_all; i++) {
		struct tsr_hold_fact fact;

		tsr_tickets_fact(tickets, i, &fact);
		if (!tickets_wanted(tickets, options, channel, &fact))
			continue;
		if (options->limit != 0 && json_array_size(rows) >= options->limit)
			(*left_off)++;
		else
			tsr_report_add(rows, tsr_tickets_row(tickets, &fact));
	}
	return rows;
}

static int
tickets_show(const struct tsr_tickets *tickets, const struct tickets_options *options)
{
	const struct tsr_column *const columns =
		options->filtered ? tickets_columns : tickets_holders;
	uint32_t channel = TSR_DUMP_NONE;
	uint64_t left_off = 0;
	json_t *report, *rows;

	if (options->channel != NULL) {
		channel = tsr_dump_channel_find(tickets->dump, options->channel);
		if (channel == TSR_DUMP_NONE) {
			tsr_cli_warn("there is no channel '%s' in this realm", options->channel);
			return TSR_EXIT_NOT_FOUND;
		}
	}
	if (options->holder != NULL && !tickets_knows(tickets->dump, options->holder)) {
		tsr_cli_warn(
			"there is no holder '%s' in this realm: expected a client's id or name, "
			"depot, daemon, region, shared, channel, or nobody",
			options->holder);
		return TSR_EXIT_NOT_FOUND;
	}
	report = tsr_report_new();
	tsr_report_set(report, "realm", tsr_dump_text(tickets->dump->realm.name, TSR_NAME_BYTES));
	rows = options->filtered ? tickets_list(tickets, options, channel, &left_off)
	                         : tsr_tickets_summary(tickets);
	tsr_report_set(report, options->filtered ? "tickets" : "holders", rows);
	tsr_report_set(report, "left_off", tsr_report_count(left_off));
	if (!tsr_cli_print(stdout, report))
		tsr_table_rows(stdout, rows, columns);
	if (left_off != 0)
		tsr_cli_warn("%llu more are not shown (--limit)", (unsigned long long)left_off);
	json_decref(report);
	return TSR_EXIT_OK;
}

static int
tickets_look(const struct tsr_dump *dump, const struct tsr_dump *before,
             const struct tickets_options *options)
{
	struct tsr_tickets tickets;
	int status;

	if (tsr_tickets_open(&tickets, dump, before) != 0)
		return tsr_cli_fail(-ENOMEM, "the tickets can't be looked at");
	status = tickets_show(&tickets, options);
	tsr_tickets_close(&tickets);
	return status;
}

/* Look, wait, look again. */
static int
tickets_look_twice(const struct tickets_options *options)
{
	static struct tsr_dump before, dump;
	int status = tsr_dump_take(options->realm, &before);

	if (status != 0)
		return status;
	tsr_cli_sleep(options->older_ns);
	status = tsr_dump_take(options->realm, &dump);
	if (status == 0) {
		status = tickets_look(&dump, &before, options);
		tsr_dump_free(&dump);
	}
	tsr_dump_free(&before);
	return status;
}

int
tsr_cmd_tickets(int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = tickets_options,
		.parser = tickets_parse,
		.args_doc = "[REALM]",
		.doc = "Show who holds the blocks of a realm.\vWithout an option that selects, one "
		       "line for each holder. When a block changed hands is not recorded: what can "
		       "be "
		       "told is shown, and 'unknown' else. See tessera-tickets(1).",
		.children = children,
	};
	struct tickets_options options = {.limit = TICKETS_LIMIT};
	struct tsr_dump dump;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.realm == NULL)
		options.realm = tsr_globals.realm != NULL ? tsr_globals.realm : TSR_REALM_DEFAULT;
	if (options.older_ns != 0)
		return tickets_look_twice(&options);
	status = options.segment != NULL ? tsr_dump_load(options.segment, &dump)
	                                 : tsr_dump_take(options.realm, &dump);
	if (status != 0)
		return status;
	status = tickets_look(&dump, NULL, &options);
	tsr_dump_free(&dump);
	return status;
}
