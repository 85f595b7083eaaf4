/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* tessera trace: record events with LTTng, show what they tell, export them. */

#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/trace.h"
#include "apps/units.h"
#include "shm/zdesc.h"

#define TRACE_BUFFER_DEFAULT (UINT64_C(4) << 20)
#define TRACE_BUFFER_MIN     (UINT64_C(64) << 10)
#define TRACE_BUFFER_MAX     (UINT64_C(1) << 30)

enum {
	TRACE_MESSAGES = 0x100,
	TRACE_SAMPLE,
	TRACE_SECONDS,
	TRACE_BUFFER,
	TRACE_OUTPUT,
	TRACE_TICKET,
	TRACE_EVENTS,
};

struct trace_request {
	const char *verb;
	const char *first; /* what follows it */
	const char *second;
	struct tsr_trace_record record;
	struct tsr_trace_show show;
	bool for_record; /* options were given that only this verb takes */
	bool for_show;
};

static const struct argp_option trace_options[] = {
	{NULL, 0, NULL, 0, "Options of record and keep:", 1},
	{"messages", TRACE_MESSAGES, NULL, 0, "Every alloc, send, receive and release, too", 1},
	{"sample", TRACE_SAMPLE, "N", 0, "Of these, one ticket in N (implies --messages)", 1},
	{"seconds", TRACE_SECONDS, "TIME", 0, "Stop after so long, as in 5 or 500ms", 1},
	{"output", TRACE_OUTPUT, "FOLDER", 0,
         "Where to (default: " TSR_TRACE_FOLDER_DEFAULT "); must not be there yet", 1},
	{"buffer", TRACE_BUFFER, "SIZE", 0, "Room for events on each CPU (default: 4M)", 1},
	{NULL, 0, NULL, 0, "Options of show:", 2},
	{"ticket", TRACE_TICKET, "INDEX[:GENERATION]", 0, "The lives of one ticket, step by step",
         2},
	{"events", TRACE_EVENTS, NULL, 0, "All events that are not of single messages", 2},
	{NULL, 0, NULL, 0, NULL, 0},
};

static int
trace_parse_ticket(const char *text, struct tsr_trace_show *show)
{
	char index[16];
	size_t const bytes = strcspn(text, ":");

	if (bytes >= sizeof(index))
		return -1;
	memcpy(index, text, bytes);
	index[bytes] = '\0';
	if (tsr_count_parse(index, 0, TSR_TICKETS_MAX, &show->ticket) != 0)
		return -1;
	return text[bytes] == '\0' ? 0
	                           : tsr_count_parse(text + bytes + 1, 0, TSR_GENERATION_MASK,
	                                             &show->generation);
}

static error_t
trace_parse_record(int key, char *arg, struct argp_state *state, struct tsr_trace_record *record)
{
	switch (key) {
	case TRACE_MESSAGES:
		record->messages = true;
		return 0;
	case TRACE_SAMPLE:
		record->messages = true;
		if (tsr_count_parse(arg, 1, UINT32_MAX, &record->sample) != 0)
			argp_error(state, "--sample takes a number from 1 on, not '%s'", arg);
		return 0;
	case TRACE_SECONDS:
		if (tsr_duration_parse(arg, &record->limit_ns) != 0 || record->limit_ns == 0)
			argp_error(state, "--seconds takes a time as in 5 or 500ms, not '%s'", arg);
		return 0;
	case TRACE_BUFFER:
		if (tsr_size_parse(arg, &record->buffer_bytes) != 0 ||
		    record->buffer_bytes < TRACE_BUFFER_MIN ||
		    record->buffer_bytes > TRACE_BUFFER_MAX ||
		    !tsr_is_power_of_two(record->buffer_bytes))
			argp_error(state, "--buffer takes a power of two from 64K to 1G, not '%s'",
			           arg);
		return 0;
	case TRACE_OUTPUT:
		record->folder = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool
trace_records(const char *verb)
{
	return strcmp(verb, "record") == 0 || strcmp(verb, "keep") == 0;
}

static void
trace_argument(struct trace_request *request, char *arg, struct argp_state *state)
{
	if (request->verb == NULL) {
		if (strcmp(arg, "record") != 0 && strcmp(arg, "keep") != 0 &&
		    strcmp(arg, "show") != 0 && strcmp(arg, "export") != 0)
			argp_error(state, "'%s' is none of 'record', 'keep', 'show', 'export'",
			           arg);
		request->verb = arg;
	} else if (trace_records(request->verb)) {
		/* The program, and all that follows is its own. */
		request->record.program = &state->argv[state->next - 1];
		state->next = state->argc;
	} else if (request->first == NULL) {
		request->first = arg;
	} else if (request->second == NULL && strcmp(request->verb, "export") == 0) {
		request->second = arg;
	} else {
		argp_error(state, "'%s' is one argument too many", arg);
	}
}

static void
trace_end(const struct trace_request *request, struct argp_state *state)
{
	const char *const verb = request->verb != NULL ? request->verb : "";

	if (verb[0] == '\0')
		argp_error(state, "say 'record', 'keep', 'show' or 'export FILE'");
	if (strcmp(verb, "export") == 0 && request->first == NULL)
		argp_error(state, "say which file to export to");
	if (request->for_record && !trace_records(verb))
		argp_error(state, "'%s' takes no option of 'record'", verb);
	if (request->record.folder != NULL && strcmp(verb, "keep") == 0)
		argp_error(state, "'keep' writes nothing, so it takes no --output");
	if (request->for_show && strcmp(verb, "show") != 0)
		argp_error(state, "'%s' takes no option of 'show'", verb);
	if (request->show.events && request->show.ticket != UINT64_MAX)
		argp_error(state, "--ticket and --events don't go together");
}

static error_t
trace_parse(int key, char *arg, struct argp_state *state)
{
	struct trace_request *request = state->input;

	switch (key) {
	case TRACE_TICKET:
		request->for_show = true;
		if (trace_parse_ticket(arg, &request->show) != 0)
			argp_error(state, "--ticket takes an index, as in 17 or 17:4, not '%s'",
			           arg);
		return 0;
	case TRACE_EVENTS:
		request->for_show = true;
		request->show.events = true;
		return 0;
	case ARGP_KEY_ARG:
		trace_argument(request, arg, state);
		return 0;
	case ARGP_KEY_END:
		trace_end(request, state);
		return 0;
	default:
		if (trace_parse_record(key, arg, state, &request->record) != 0)
			return ARGP_ERR_UNKNOWN;
		request->for_record = true;
		return 0;
	}
}

int
tsr_cmd_trace(int argc, char **argv)
{
	struct trace_request request = {
		.record = {.buffer_bytes = TRACE_BUFFER_DEFAULT, .sample = 1},
		.show = {.ticket = UINT64_MAX, .generation = UINT64_MAX},
	};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = trace_options,
		.parser = trace_parse,
		.args_doc = "record [PROGRAM [ARGUMENT...]]\nkeep [PROGRAM [ARGUMENT...]]\n"
			    "show [FOLDER]\nexport FILE [FOLDER]",
		.doc = "Record what processes do with their messages, by LTTng, and look at it.\v"
		       "Without PROGRAM the processes that run with TESSERA_TRACE=1 are recorded, "
		       "until Ctrl-C or --seconds. 'keep' records nothing but has LTTng keep the "
		       "newest in memory, for a daemon with postmortem.trace. The file that is "
		       "exported opens in "
		       "ui.perfetto.dev.",
		.children = children,
	};

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
	if (strcmp(request.verb, "record") == 0 && request.record.folder == NULL)
		request.record.folder = TSR_TRACE_FOLDER_DEFAULT;
	if (trace_records(request.verb))
		return tsr_trace_record(&request.record);
	if (strcmp(request.verb, "export") == 0)
		return tsr_trace_export(request.second != NULL ? request.second
		                                               : TSR_TRACE_FOLDER_DEFAULT,
		                        request.first);
	request.show.folder = request.first != NULL ? request.first : TSR_TRACE_FOLDER_DEFAULT;
	return tsr_trace_show(&request.show);
}
