/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera channel create|rm: make and remove channels. */

#include <string.h>

#include "apps/cli.h"
#include "apps/shape.h"
#include "apps/table.h"

struct channel_request {
	const char *verb; /* NULL until it is read */
	const char *name;
	struct tsr_shape_options shape;
};

static const struct tsr_column channel_facts[] = {
	{"realm", "realm", TSR_CELL_TEXT},
	{"name", "channel", TSR_CELL_TEXT},
	{"done", "done", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static void
channel_argument(struct channel_request *request, char *arg, struct argp_state *state)
{
	if (request->verb == NULL) {
		if (strcmp(arg, "create") != 0 && strcmp(arg, "rm") != 0)
			argp_error(state, "'create' or 'rm', not '%s'", arg);
		request->verb = arg;
	} else if (request->name == NULL) {
		request->name = arg;
	} else {
		argp_error(state, "'%s' is one argument too many", arg);
	}
}

static error_t
channel_parse(int key, char *arg, struct argp_state *state)
{
	struct channel_request *request = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &request->shape;
		return 0;
	case ARGP_KEY_ARG:
		channel_argument(request, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (request->name == NULL)
			argp_error(state, "say 'create NAME' or 'rm NAME'");
		if (request->shape.said && strcmp(request->verb, "rm") == 0)
			argp_error(state, "'rm' takes no shape");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int
channel_do(const struct channel_request *request, struct tsr_client client,
           const struct tsr_address *address)
{
	bool const create = strcmp(request->verb, "create") == 0;
	int const error =
		create ? tsr_channel_create(client, address->name, &request->shape.options)
		       : tsr_channel_remove(client, address->name);
	json_t *report;

	if (error != 0)
		return tsr_cli_fail(error, "the channel '%s/%s' can't be %s", address->realm,
		                    address->name, create ? "created" : "removed");
	report = tsr_report_new();
	tsr_report_set(report, "realm", json_string(address->realm));
	tsr_report_set(report, "name", json_string(address->name));
	tsr_report_set(report, "done", json_string(create ? "created" : "removed"));
	if (!tsr_cli_print(stdout, report))
		tsr_table_facts(stdout, report, channel_facts);
	json_decref(report);
	return TSR_EXIT_OK;
}

int
tsr_cmd_channel(int argc, char **argv)
{
	struct channel_request request = {.verb = NULL};
	struct argp_child const children[] = {{&tsr_shape_argp, 0, "For create:", 1},
	                                      {&tsr_globals_argp, 0, NULL, 0},
	                                      {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.parser = channel_parse,
		.args_doc = "create [REALM/]NAME\nrm [REALM/]NAME",
		.doc = "Create or remove a channel.\v"
		       "Channels are also made when they are first used. One can be removed when "
		       "nobody has an end of it open; messages in it are freed.",
		.children = children,
	};
	struct tsr_address address;
	struct tsr_client client;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	status = tsr_address_parse(request.name, &address);
	if (status != 0) {
		tsr_cli_warn("'%s' names no channel: 1 to %d characters, as in demo/files",
		             request.name, TSR_NAME_BYTES - 1);
		return TSR_EXIT_USAGE;
	}
	status = tsr_cli_attach(address.realm, &client);
	if (status != 0)
		return status;
	status = channel_do(&request, client, &address);
	if (tsr_detach(client) != 0 && status == 0)
		tsr_cli_warn("the daemon went away");
	return status;
}
