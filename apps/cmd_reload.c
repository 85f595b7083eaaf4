/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera reload: have the daemon read its configuration again, and tell what came of it. */

#include <inttypes.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/table.h"
#include "apps/units.h"

struct reload_options {
	bool last; /* only look at what came of the last one */
};

enum {
	RELOAD_LAST = 0x100,
};

static const struct argp_option reload_options[] = {
	{"last", RELOAD_LAST, NULL, 0, "Don't reload: show what came of the last time", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
reload_parse(int key, char *arg, struct argp_state *state)
{
	struct reload_options *const options = state->input;

	switch (key) {
	case RELOAD_LAST:
		options->last = true;
		return 0;
	default:
		return tsr_cli_no_argument(key, arg, state);
	}
}

static const char *
reload_what(uint32_t what)
{
	static const char *const words[] = {
		[TSR_CHANGE_APPLIED] = "changed",      [TSR_CHANGE_RESTART] = "needs a restart",
		[TSR_CHANGE_NEW] = "new realm",        [TSR_CHANGE_LEAVING] = "realm leaves",
		[TSR_CHANGE_RETURNED] = "realm stays", [TSR_CHANGE_MISTAKE] = "mistake",
	};

	return what >= TSR_CHANGE_APPLIED && what <= TSR_CHANGE_MISTAKE ? words[what] : "unknown";
}

static json_t *
reload_row(const void *from)
{
	const struct tsr_proto_row_change *row = from;
	json_t *out = json_object();

	tsr_report_set(out, "what", json_string(reload_what(row->what)));
	if (row->what == TSR_CHANGE_MISTAKE) {
		tsr_report_set(out, "text", tsr_report_text(row->text, sizeof(row->text)));
		return out;
	}
	tsr_report_set(out, "key", tsr_report_text(row->key, sizeof(row->key)));
	if (row->what == TSR_CHANGE_APPLIED || row->what == TSR_CHANGE_RESTART) {
		tsr_report_set(out, "before", tsr_report_text(row->before, sizeof(row->before)));
		tsr_report_set(out, "after", tsr_report_text(row->after, sizeof(row->after)));
	}
	return out;
}

/* One line a change, as the daemon's log has it. */
static void
reload_show_row(const json_t *row)
{
	const char *const what = json_string_value(json_object_get(row, "what"));
	const char *const text = json_string_value(json_object_get(row, "text"));
	const char *const key = json_string_value(json_object_get(row, "key"));
	const char *const before = json_string_value(json_object_get(row, "before"));
	const char *const after = json_string_value(json_object_get(row, "after"));

	if (text != NULL)
		printf("%s\n", text);
	else if (before != NULL && after != NULL)
		printf("%s: %s -> %s: %s\n", key, before, after, what);
	else
		printf("%s: %s\n", key, what);
}

static void
reload_show(const json_t *report, const json_t *changes)
{
	const char *const result = json_string_value(json_object_get(report, "result"));

	for (size_t i = 0; i < json_array_size(changes); i++)
		reload_show_row(json_array_get(changes, i));
	if (strcmp(result, "ok") == 0 && json_array_size(changes) == 0)
		printf("read again: nothing has changed\n");
	else if (strcmp(result, "ok") == 0)
		printf("read again: %" JSON_INTEGER_FORMAT " changed, %" JSON_INTEGER_FORMAT
		       " need a restart\n",
		       json_integer_value(json_object_get(report, "applied")),
		       json_integer_value(json_object_get(report, "restart")));
	else if (strcmp(result, "refused") == 0)
		printf("refused: nothing was changed\n");
	else
		printf("there was no reload since the daemon began\n");
}

/* Return: an exit status; the result is in @error. */
static int
reload_ask(struct tsr_control *control, json_t *report, int *error)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	struct tsr_proto_reload_reply reply;
	int const failed = tsr_control_ask(control, TSR_PROTO_RELOAD, &request, sizeof(request),
	                                   &reply, sizeof(reply), NULL, tsr_deadline_in_ms(60000));

	if (failed != 0)
		return tsr_cli_fail(failed, "the configuration can't be read again");
	*error = reply.error;
	tsr_report_set(report, "result", json_string(reply.error == 0 ? "ok" : "refused"));
	tsr_report_set(report, "applied", json_integer(reply.applied));
	tsr_report_set(report, "restart", json_integer(reply.restart));
	return 0;
}

static int
reload_last(struct tsr_control *control, json_t *report, int *error)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	struct tsr_proto_status_reply reply;
	int const failed = tsr_control_ask(control, TSR_PROTO_STATUS, &request, sizeof(request),
	                                   &reply, sizeof(reply), NULL, tsr_cli_deadline());
	bool none;

	if (failed != 0)
		return tsr_cli_fail(failed, "the daemon's status can't be had");
	none = reply.reload_age_ns == UINT64_MAX;
	*error = none ? 0 : reply.reload_error;
	tsr_report_set(report, "result",
	               json_string(none                      ? "none"
	                           : reply.reload_error == 0 ? "ok"
	                                                     : "refused"));
	tsr_report_set(report, "restart", json_integer(reply.reload_restart));
	if (!none)
		tsr_report_set(report, "age_ns", tsr_report_count(reply.reload_age_ns));
	return 0;
}

/* With --last the sum of what was applied is not told: count it. */
static void
reload_count(json_t *report, const json_t *changes)
{
	json_int_t applied = 0;

	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *const what = json_object_get(json_array_get(changes, i), "what");

		if (strcmp(json_string_value(what), reload_what(TSR_CHANGE_RESTART)) != 0 &&
		    strcmp(json_string_value(what), reload_what(TSR_CHANGE_MISTAKE)) != 0)
			applied++;
	}
	if (json_object_get(report, "applied") == NULL)
		tsr_report_set(report, "applied", json_integer(applied));
}

int
tsr_cmd_reload(int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = reload_options,
		.parser = reload_parse,
		.doc = "Have the daemon read its configuration again.\vAll or nothing: with one "
		       "mistake nothing is changed, and the exit status is 78. What only a restart "
		       "can change is named; the rest is in force when this command returns.",
		.children = children,
	};
	struct reload_options options = {.last = false};
	struct tsr_control control;
	json_t *report, *changes = NULL;
	int status, error = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	report = tsr_report_new();
	status = options.last ? reload_last(&control, report, &error)
	                      : reload_ask(&control, report, &error);
	tsr_globals.realm = NULL; /* the list is of the daemon */
	if (status == 0)
		status = tsr_cli_list(&control, TSR_LIST_CHANGES,
		                      sizeof(struct tsr_proto_row_change), reload_row, &changes);
	tsr_control_close(&control);
	if (status == 0) {
		tsr_report_set(report, "changes", changes);
		reload_count(report, changes);
		if (!tsr_cli_print(stdout, report))
			reload_show(report, changes);
		status = error != 0 ? TSR_EXIT_CONFIG : TSR_EXIT_OK;
	}
	json_decref(report);
	return status;
}
