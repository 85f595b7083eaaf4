/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera dump: what a realm has in shared memory, word by word; living, or saved. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/dump.h"
#include "apps/dump_core.h"
#include "apps/dump_show.h"
#include "apps/table.h"
#include "apps/units.h"

#define DUMP_LIMIT 1000

struct dump_options {
	const char *what;    /* REALM, REALM/CHANNEL; with --realm or --segment also CHANNEL */
	const char *save;    /* into this file */
	const char *segment; /* from this file */
	struct tsr_dump_show show;
};

enum {
	DUMP_SAVE = 0x100,
	DUMP_SEGMENT,
	DUMP_ALL,
	DUMP_LIMITED,
};

static const struct argp_option dump_options[] = {
	{"save", DUMP_SAVE, "FILE", 0, "Save a copy into FILE instead of showing it", 0},
	{"segment", DUMP_SEGMENT, "FILE", 0, "Look into a copy that was saved, or a core file", 0},
	{"all", DUMP_ALL, NULL, 0, "Empty slots and cells, too", 0},
	{"limit", DUMP_LIMITED, "N", 0, "At most so many lines of a kind (default: 1000; 0: all)",
         0},
	{NULL, 0, NULL, 0, NULL, 0},
};

/* Not a realm's name, but a core file's? */
static bool
dump_is_core(const char *arg)
{
	int const fd = open(arg, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool const core = fd >= 0 && tsr_dump_core_is(fd);

	if (fd >= 0)
		(void)close(fd);
	return core;
}

static error_t
dump_parse(int key, char *arg, struct argp_state *state)
{
	struct dump_options *const options = state->input;

	switch (key) {
	case DUMP_SAVE:
		options->save = arg;
		return 0;
	case DUMP_SEGMENT:
		options->segment = arg;
		return 0;
	case DUMP_ALL:
		options->show.all = true;
		return 0;
	case DUMP_LIMITED:
		if (tsr_count_parse(arg, 0, UINT32_MAX, &options->show.limit) != 0)
			argp_error(state, "--limit takes a number, not '%s'", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (options->segment == NULL && options->what == NULL && dump_is_core(arg)) {
			options->segment = arg;
			return 0;
		}
		if (options->what != NULL || arg[0] == '\0')
			argp_error(state, "'%s' is one argument too many", arg);
		options->what = arg;
		return 0;
	case ARGP_KEY_END:
		if (options->save != NULL && options->segment != NULL)
			argp_error(state, "--save and --segment exclude each other");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Take the argument apart: the realm's name into @realm. Return: the channel; NULL: none is named.
 */
static const char *
dump_split(const char *what, char realm[TSR_NAME_BYTES])
{
	const char *const slash = what != NULL ? strchr(what, '/') : NULL;
	size_t length;

	strcpy(realm, tsr_globals.realm != NULL ? tsr_globals.realm : TSR_REALM_DEFAULT);
	if (what == NULL || tsr_globals.realm != NULL)
		return what;
	length = slash != NULL ? (size_t)(slash - what) : strlen(what);
	if (length >= TSR_NAME_BYTES)
		length = TSR_NAME_BYTES - 1; /* no realm has such a name */
	memcpy(realm, what, length);
	realm[length] = '\0';
	return slash != NULL ? slash + 1 : NULL;
}

static int
dump_show(const struct tsr_dump *dump, const char *channel, const struct tsr_dump_show *show)
{
	uint32_t index = TSR_DUMP_NONE;
	json_t *report;

	if (channel != NULL) {
		index = tsr_dump_channel_find(dump, channel);
		if (index == TSR_DUMP_NONE) {
			tsr_cli_warn("there is no channel '%s' in this realm", channel);
			return TSR_EXIT_NOT_FOUND;
		}
	}
	report = channel != NULL ? tsr_dump_report_channel(dump, index, show)
	                         : tsr_dump_report_realm(dump, show);
	if (!tsr_cli_print(stdout, report))
		tsr_dump_print(stdout, report);
	json_decref(report);
	return TSR_EXIT_OK;
}

static int
dump_save(const struct tsr_dump *dump, const char *file)
{
	static const struct tsr_column facts[] = {
		{"realm", "realm", TSR_CELL_TEXT},
		{"file", "saved in", TSR_CELL_TEXT},
		{NULL, NULL, TSR_CELL_TEXT},
	};
	int const status = tsr_dump_save(dump, file);
	json_t *report;

	if (status != 0)
		return status;
	report = tsr_report_new();
	tsr_report_set(report, "realm", tsr_dump_text(dump->realm.name, TSR_NAME_BYTES));
	tsr_report_set(report, "file", tsr_report_text(file, strlen(file)));
	if (!tsr_cli_print(stdout, report))
		tsr_table_facts(stdout, report, facts);
	json_decref(report);
	return TSR_EXIT_OK;
}

/* A file has one realm: it need not be named. Return: the channel; NULL: none is named. */
static const char *
dump_channel_of_file(const struct tsr_dump *dump, const char *what)
{
	size_t const length = strnlen(dump->realm.name, TSR_NAME_BYTES);

	if (what == NULL || strncmp(what, dump->realm.name, length) != 0)
		return what;
	if (what[length] == '/')
		return what + length + 1;
	return what[length] == '\0' ? NULL : what;
}

static int
dump_file(const struct dump_options *options)
{
	struct tsr_dump dump;
	int status = tsr_dump_load(options->segment, &dump);

	if (status != 0)
		return status;
	status = dump_show(&dump, dump_channel_of_file(&dump, options->what), &options->show);
	tsr_dump_free(&dump);
	return status;
}

int
tsr_cmd_dump(int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = dump_options,
		.parser = dump_parse,
		.args_doc = "[REALM[/CHANNEL]]\nCORE [CHANNEL]",
		.doc = "Show what a realm has in shared memory: ends, slots, tokens, depots.\vThe "
		       "payload is left out. It is a copy made while the realm moves: what looks "
		       "odd "
		       "once may be on its way, so look twice.",
		.children = children,
	};
	struct dump_options options = {.show = {.limit = DUMP_LIMIT}};
	char realm[TSR_NAME_BYTES];
	struct tsr_dump dump;
	const char *channel;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.segment != NULL)
		return dump_file(&options);
	channel = dump_split(options.what, realm);
	status = tsr_dump_take(realm, &dump);
	if (status != 0)
		return status;
	status = options.save != NULL ? dump_save(&dump, options.save)
	                              : dump_show(&dump, channel, &options.show);
	tsr_dump_free(&dump);
	return status;
}
