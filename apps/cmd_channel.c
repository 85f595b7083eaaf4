/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera channel create|rm: make and remove channels. */

#include <string.h>

#include "apps/cli.h"
#include "apps/table.h"
#include "apps/units.h"
#include "shm/kind.h"

struct channel_request {
	const char *verb; /* NULL until it is read */
	const char *name;
	uint64_t capacity;
	uint32_t flags;
	uint32_t kind;
	bool shaped; /* an option of create was given */
};

enum {
	CHANNEL_ONE_SENDER = 0x100,
	CHANNEL_ONE_RECEIVER,
	CHANNEL_ON_FULL,
	CHANNEL_ON_DEATH,
};

static const struct argp_option channel_options[] = {
	{NULL, 0, NULL, 0, "For create:", 1},
	{"kind", 'k', "KIND", 0,
         "buffered (default), rendezvous, unlimited, conflated or broadcast", 1},
	{"capacity", 'n', "SLOTS", 0, "A power of two, from 2 on (default: 1024 if buffered)", 1},
	{"one-sender", CHANNEL_ONE_SENDER, NULL, 0, "Only one sender at a time: faster", 1},
	{"one-receiver", CHANNEL_ONE_RECEIVER, NULL, 0, "Only one receiver at a time: faster", 1},
	{"on-full", CHANNEL_ON_FULL, "WHAT", 0,
         "wait (default), drop-newest or drop-oldest; broadcast: wait, evict or lap", 1},
	{"on-death", CHANNEL_ON_DEATH, "WHAT", 0,
         "What a receiver that dies had not released: drop (default) or requeue", 1},
	{NULL, 0, NULL, 0, NULL, 0},
};

/* What --on-full and --on-death may say, and the flag that it means. */
struct channel_word {
	const char *word;
	uint32_t flag;
};

static const struct channel_word channel_on_full[] = {
	{"wait", 0},
	{"drop-newest", TSR_CHANNEL_DROP_NEWEST},
	{"drop-oldest", TSR_CHANNEL_DROP_OLDEST},
	{"evict", TSR_CHANNEL_EVICT},
	{"lap", TSR_CHANNEL_LAP},
	{NULL, 0},
};

static const struct channel_word channel_on_death[] = {
	{"drop", 0},
	{"requeue", TSR_CHANNEL_REQUEUE},
	{NULL, 0},
};

/* Set the flag that @arg means among @words, and clear the others of them. */
static void
channel_word(struct channel_request *request, const struct channel_word *words, const char *option,
             const char *arg, struct argp_state *state)
{
	const struct channel_word *word = words;

	while (word->word != NULL && strcmp(word->word, arg) != 0)
		word++;
	if (word->word == NULL)
		argp_error(state, "--%s takes one of the words that --help names, not '%s'", option,
		           arg);
	for (const struct channel_word *other = words; other->word != NULL; other++)
		request->flags &= ~other->flag;
	request->flags |= word->flag;
	request->shaped = true;
}

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
	case 'n':
		request->shaped = true;
		if (tsr_count_parse(arg, TSR_SLOTS_MIN, TSR_SLOTS_MAX, &request->capacity) != 0 ||
		    !tsr_is_power_of_two(request->capacity))
			argp_error(state, "--capacity takes a power of two from %u to %u, not '%s'",
			           TSR_SLOTS_MIN, TSR_SLOTS_MAX, arg);
		return 0;
	case 'k':
		request->shaped = true;
		request->kind = tsr_kind_find(arg);
		if (request->kind == 0)
			argp_error(state,
			           "--kind takes buffered, rendezvous, unlimited, conflated or "
			           "broadcast, not '%s'",
			           arg);
		return 0;
	case CHANNEL_ON_FULL:
		channel_word(request, channel_on_full, "on-full", arg, state);
		return 0;
	case CHANNEL_ON_DEATH:
		channel_word(request, channel_on_death, "on-death", arg, state);
		return 0;
	case CHANNEL_ONE_SENDER:
		request->shaped = true;
		request->flags |= TSR_CHANNEL_ONE_SENDER;
		return 0;
	case CHANNEL_ONE_RECEIVER:
		request->shaped = true;
		request->flags |= TSR_CHANNEL_ONE_RECEIVER;
		return 0;
	case ARGP_KEY_ARG:
		channel_argument(request, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (request->name == NULL)
			argp_error(state, "say 'create NAME' or 'rm NAME'");
		if (request->shaped && strcmp(request->verb, "rm") == 0)
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
	struct tsr_channel_options const options = {.size = sizeof(options),
	                                            .capacity = (uint32_t)request->capacity,
	                                            .flags = request->flags,
	                                            .kind = request->kind};
	bool const create = strcmp(request->verb, "create") == 0;
	int const error = create ? tsr_channel_create(client, address->name, &options)
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
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = channel_options,
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
