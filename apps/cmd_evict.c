/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera evict: end one client, and see that it has gone. */

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/rows.h"
#include "apps/table.h"
#include "apps/units.h"

#define EVICT_ROWS_MAX (TSR_PROTO_PACKET_MAX / sizeof(struct tsr_proto_row_feed))
#define EVICT_AFTER_MS 5000 /* to be reaped in, after its grace */

struct evict_options {
	const char *client;
	const char *reason;
};

static const struct argp_option evict_options[] = {
	{"reason", 'r', "TEXT", 0, "What the client is told", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column evict_facts[] = {
	{"realm", "realm", TSR_CELL_TEXT}, {"id", "id", TSR_CELL_COUNT},
	{"name", "client", TSR_CELL_TEXT}, {"pid", "process", TSR_CELL_COUNT},
	{"user", "user", TSR_CELL_TEXT},   {"end", "end", TSR_CELL_TEXT},
	{"took_ns", "took", TSR_CELL_NS},  {NULL, NULL, TSR_CELL_TEXT},
};

static error_t
evict_parse(int key, char *arg, struct argp_state *state)
{
	struct evict_options *const options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case 'r':
		if (strlen(arg) >= TSR_EVICT_REASON_BYTES)
			argp_error(state, "a reason has at most %d characters",
			           TSR_EVICT_REASON_BYTES - 1);
		options->reason = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (options->client != NULL)
			return tsr_cli_no_argument(key, arg, state);
		if (arg[0] == '\0' || strlen(arg) >= TSR_NAME_BYTES)
			argp_error(state, "a client's name has 1 to %d characters",
			           TSR_NAME_BYTES - 1);
		options->client = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which client? 'tessera clients' shows their ids and names");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* All digits: an id. */
static void
evict_name(const char *client, struct tsr_proto_evict *request)
{
	uint64_t id;

	if (strspn(client, "0123456789") == strlen(client) &&
	    tsr_count_parse(client, 1, UINT32_MAX, &id) == 0)
		request->client_id = (uint32_t)id;
	else
		strcpy(request->client, client);
}

/* Is this its end? */
static bool
evict_ended(const struct tsr_proto_row_feed *row, const struct tsr_proto_evict_reply *evicted,
            const char **end)
{
	bool const of_it = row->client_id == evicted->client_id && row->pid == evicted->pid;

	if (of_it && row->kind == TSR_FEED_KILL)
		*end = "killed";
	else if (of_it && row->kind == TSR_FEED_DETACH)
		*end = "left";
	else if (of_it && row->kind == TSR_FEED_DEATH && *end == NULL)
		*end = "ended";
	return row->kind == TSR_FEED_CONDEMN ||
	       (of_it && (row->kind == TSR_FEED_DETACH || row->kind == TSR_FEED_DEATH));
}

/* Follow the daemon's events until it has gone. @end: how. Return: 0; -ETIMEDOUT; ... */
static int
evict_await(struct tsr_control *control, const struct tsr_proto_evict *request,
            const struct tsr_proto_evict_reply *evicted, const char **end)
{
	uint64_t const deadline_ns = tsr_deadline_in_ms(evicted->grace_ms + EVICT_AFTER_MS);
	struct tsr_proto_feed ask = {
		.from = evicted->next,
		.flags = TSR_PROTO_FEED_WAIT,
		.kinds = UINT32_C(1) << TSR_FEED_KILL | UINT32_C(1) << TSR_FEED_DETACH |
	                 UINT32_C(1) << TSR_FEED_DEATH | UINT32_C(1) << TSR_FEED_CONDEMN,
	};
	static struct {
		struct tsr_proto_feed_reply head;
		struct tsr_proto_row_feed rows[EVICT_ROWS_MAX];
	} packet;

	memcpy(ask.realm, request->realm, sizeof(ask.realm));
	for (;;) {
		size_t got;
		int const error = tsr_control_ask(control, TSR_PROTO_FEED, &ask, sizeof(ask),
		                                  &packet, sizeof(packet), &got, deadline_ns);

		if (error != 0)
			return error;
		if (got < sizeof(packet.head) || packet.head.rows > EVICT_ROWS_MAX ||
		    got != sizeof(packet.head) + packet.head.rows * sizeof(packet.rows[0]))
			return -EPROTO;
		for (uint32_t i = 0; i < packet.head.rows; i++) {
			if (evict_ended(&packet.rows[i], evicted, end))
				return 0;
		}
		ask.from = packet.head.next;
	}
}

static int
evict_do(struct tsr_control *control, const struct evict_options *options)
{
	struct tsr_proto_evict request = {.reserved = 0};
	struct tsr_proto_evict_reply reply;
	uint64_t const begun_ns = tsr_now_ns();
	const char *end = NULL;
	json_t *report;
	int error;

	strcpy(request.realm, tsr_globals.realm != NULL ? tsr_globals.realm : TSR_REALM_DEFAULT);
	if (options->reason != NULL)
		strcpy(request.reason, options->reason);
	evict_name(options->client, &request);
	error = tsr_control_ask(control, TSR_PROTO_EVICT, &request, sizeof(request), &reply,
	                        sizeof(reply), NULL, tsr_cli_deadline());
	if (error != 0)
		return tsr_cli_fail(error, "client '%s' can't be evicted", options->client);
	error = evict_await(control, &request, &reply, &end);
	if (error != 0)
		return tsr_cli_fail(error,
		                    "client %u was evicted, and its process (%u) has not gone",
		                    reply.client_id, reply.pid);
	report = tsr_report_new();
	tsr_report_set(report, "realm", json_string(request.realm));
	tsr_report_set(report, "id", json_integer(reply.client_id));
	tsr_report_set(report, "name", tsr_report_text(reply.name, sizeof(reply.name)));
	tsr_report_set(report, "pid", json_integer(reply.pid));
	tsr_report_set(report, "user", tsr_row_user(reply.uid));
	tsr_report_set(report, "end", json_string(end != NULL ? end : "realm condemned"));
	tsr_report_set(report, "took_ns", tsr_report_count(tsr_now_ns() - begun_ns));
	if (!tsr_cli_print(stdout, report))
		tsr_table_facts(stdout, report, evict_facts);
	json_decref(report);
	return TSR_EXIT_OK;
}

int
tsr_cmd_evict(int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {0}};
	struct argp const argp = {
		.options = evict_options,
		.parser = evict_parse,
		.args_doc = "CLIENT",
		.doc = "End one client, by its id or its name; returns when it has gone.\v"
		       "The client's calls fail and tell it why. What does not leave within a "
		       "second is killed. What it held is given back, as after a death. The "
		       "realm's owner, the daemon's user and root may ask.",
		.children = children,
	};
	struct evict_options options = {.client = NULL};
	struct tsr_control control;
	int status;

	(void)argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	status = evict_do(&control, &options);
	tsr_control_close(&control);
	return status;
}
