/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/cli.h"

#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apps/table.h"
#include "apps/units.h"

struct tsr_globals tsr_globals = {.program = "tessera", .title = "tessera"};

enum {
	GLOBALS_SOCKET = 0x1000,
	GLOBALS_REALM,
	GLOBALS_JSON,
	GLOBALS_COLOR,
};

static const struct argp_option globals_options[] = {
	{NULL, 0, NULL, 0, "Options of every command:", 90},
	{"socket", GLOBALS_SOCKET, "PATH", 0, "The daemon's control socket", 90},
	{"realm", GLOBALS_REALM, "NAME", 0, "The realm (default: demo; lists: all)", 90},
	{"json", GLOBALS_JSON, NULL, 0, "Write the result as JSON", 90},
	{"color", GLOBALS_COLOR, "WHEN", 0, "auto (default), always or never; NO_COLOR is honoured",
         90},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
globals_color(const char *when, struct argp_state *state)
{
	if (strcmp(when, "auto") == 0)
		tsr_globals.color = TSR_COLOR_AUTO;
	else if (strcmp(when, "always") == 0)
		tsr_globals.color = TSR_COLOR_ALWAYS;
	else if (strcmp(when, "never") == 0)
		tsr_globals.color = TSR_COLOR_NEVER;
	else
		argp_error(state, "--color takes auto, always or never, not '%s'", when);
	return 0;
}

static error_t
globals_parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case GLOBALS_SOCKET:
		tsr_globals.socket = arg;
		return 0;
	case GLOBALS_REALM:
		if (arg[0] == '\0' || strlen(arg) >= TSR_NAME_BYTES)
			argp_error(state, "a realm's name has 1 to %d characters",
			           TSR_NAME_BYTES - 1);
		tsr_globals.realm = arg;
		return 0;
	case GLOBALS_JSON:
		tsr_globals.json = true;
		return 0;
	case GLOBALS_COLOR:
		return globals_color(arg, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp tsr_globals_argp = {.options = globals_options, .parser = globals_parse};

error_t
tsr_cli_no_argument(int key, char *arg, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	argp_error(state, "'%s' is one argument too many", arg);
	return 0;
}

void
tsr_cli_plain(const char *doc, int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {.parser = tsr_cli_no_argument, .doc = doc, .children = children};

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
}

void
tsr_cli_interval(struct argp_state *state, const char *arg, uint64_t min_ns, uint64_t max_ns,
                 uint64_t *ns)
{
	char least[TSR_UNIT_TEXT_BYTES];

	if (tsr_duration_parse(arg, ns) == 0 && *ns >= min_ns && *ns <= max_ns)
		return;
	tsr_duration_format(min_ns, least);
	argp_error(state, "--interval %s, expected %s %s: 1s, 200ms", arg, least,
	           max_ns == UINT64_MAX ? "or more" : "to 1 hour");
}

void
tsr_cli_sleep(uint64_t ns)
{
	struct timespec left = {.tv_sec = (time_t)(ns / TSR_NS_PER_SECOND),
	                        .tv_nsec = (long)(ns % TSR_NS_PER_SECOND)};

	while (nanosleep(&left, &left) != 0)
		continue;
}

bool
tsr_cli_paint(FILE *out)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (tsr_globals.color != TSR_COLOR_AUTO)
		return tsr_globals.color == TSR_COLOR_ALWAYS;
	if (no != NULL && no[0] != '\0')
		return false;
	return term != NULL && strcmp(term, "dumb") != 0 && isatty(fileno(out));
}

int
tsr_cli_exit(int error)
{
	switch (error) {
	case 0:
		return TSR_EXIT_OK;
	case -ECONNREFUSED:
	case -ENOTCONN:
		return TSR_EXIT_NO_DAEMON;
	case -ENOENT:
		return TSR_EXIT_NOT_FOUND;
	case -EACCES:
	case -EPERM:
		return TSR_EXIT_PERMISSION;
	case -ETIMEDOUT:
		return TSR_EXIT_TIMEOUT;
	default:
		return TSR_EXIT_RUNTIME;
	}
}

/* What to do about an error that has one remedy. */
static const char *
cli_remedy(int error)
{
	switch (error) {
	case -EACCES:
		return "'tessera doctor' shows whose the socket is and how to be let in";
	case -EPROTO:
		return "use the 'tessera' and the 'tesserad' of the same build";
	case -ETIMEDOUT:
		return "try again, or see whether the daemon is stopped or overloaded";
	default:
		return NULL;
	}
}

int
tsr_cli_fail(int error, const char *format, ...)
{
	const char *hint = tsr_last_hint();
	const char *remedy = cli_remedy(error);
	va_list args;

	fflush(stdout);
	fputs("tessera: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s", tsr_strerror(error));
	if (hint[0] != '\0')
		fprintf(stderr, " (%s)", hint);
	if (remedy != NULL)
		fprintf(stderr, "; %s", remedy);
	fputc('\n', stderr);
	return tsr_cli_exit(error);
}

void
tsr_cli_warn(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("tessera: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

const char *
tsr_cli_daemon_command(void)
{
	static char command[512];
	const char *slash = strrchr(tsr_globals.program, '/');

	snprintf(command, sizeof(command), "%.*stesserad &",
	         slash != NULL ? (int)(slash - tsr_globals.program + 1) : 0, tsr_globals.program);
	return command;
}

/* The one sentence that every command says when no daemon is there. */
static int
cli_no_daemon(void)
{
	char dir[sizeof(((struct tsr_control *)NULL)->path)] = "";

	if (tsr_globals.socket != NULL)
		tsr_cli_warn("no daemon listens on %s: start one with '%s', or name another socket",
		             tsr_globals.socket, tsr_cli_daemon_command());
	else if (tsr_run_dir(dir, sizeof(dir)) != 0)
		tsr_cli_warn("the run directory's name is too long for a socket: set "
		             "TESSERA_RUNTIME_DIR to a shorter one");
	else
		tsr_cli_warn("no daemon listens on %s/%s: start one with '%s', or name its socket "
		             "with --socket PATH",
		             dir, TSR_SOCKET_NAME, tsr_cli_daemon_command());
	return TSR_EXIT_NO_DAEMON;
}

static bool
cli_is_absent(int error)
{
	return error == -ECONNREFUSED || error == -ENOENT || error == -ENOTCONN ||
	       error == -ENOTDIR;
}

/* The socket itself keeps this user out: the daemon was not even asked. */
static int
cli_denied(void)
{
	tsr_cli_warn("this user may not use the daemon's socket: '%s doctor' shows whose it is and "
	             "how to be let in, or start a daemon of your own with '%s'",
	             tsr_globals.program, tsr_cli_daemon_command());
	return TSR_EXIT_PERMISSION;
}

int
tsr_cli_connect(struct tsr_control *control)
{
	int const error = tsr_control_open(control, tsr_globals.socket, tsr_cli_deadline());

	if (error == 0)
		return TSR_EXIT_OK;
	if (cli_is_absent(error))
		return cli_no_daemon();
	if (error == -EACCES && tsr_last_hint()[0] == '\0')
		return cli_denied();
	return tsr_cli_fail(error, "the daemon can't be reached");
}

static int
cli_attach(const char *realm, uint32_t flags, struct tsr_client *client)
{
	struct tsr_attach_options const options = {
		.size = sizeof(options),
		.realm = realm,
		.name = tsr_globals.title,
		.socket = tsr_globals.socket,
		.flags = flags,
	};
	int const error = tsr_attach(&options, client);

	return error == 0 ? TSR_EXIT_OK : tsr_cli_unattached(error, realm);
}

int
tsr_cli_unattached(int error, const char *realm)
{
	if (error == -ECONNREFUSED || error == -ENOTCONN)
		return cli_no_daemon();
	if (error == -EACCES && tsr_last_hint()[0] == '\0')
		return cli_denied();
	return tsr_cli_fail(error, "can't attach to the realm '%s'",
	                    realm != NULL ? realm : TSR_REALM_DEFAULT);
}

int
tsr_cli_no_channel(const struct tsr_address *address)
{
	tsr_cli_warn("there is no channel '%s/%s'", address->realm, address->name);
	return TSR_EXIT_NOT_FOUND;
}

int
tsr_cli_attach(const char *realm, struct tsr_client *client)
{
	return cli_attach(realm, 0, client);
}

int
tsr_cli_observe(const char *realm, struct tsr_client *client)
{
	return cli_attach(realm, TSR_ATTACH_OBSERVER, client);
}

uint64_t
tsr_cli_deadline(void)
{
	return tsr_deadline_in_ms(5000);
}

/* Who takes the rows of a list. */
struct list_taker {
	void (*take)(void *argument, const void *row);
	void *argument;
	size_t row_bytes;
};

/* Take the rows of one packet. Return: 0; -EPROTO. */
static int
list_take(const unsigned char *packet, size_t bytes, const struct list_taker *taker)
{
	struct tsr_proto_list_reply head;
	static alignas(TSR_CACHELINE) unsigned char row[1024];
	size_t const row_bytes = taker->row_bytes;

	if (bytes < sizeof(head))
		return -EPROTO;
	memcpy(&head, packet, sizeof(head));
	if (head.rows > 0 && (head.row_bytes < row_bytes || row_bytes > sizeof(row) ||
	                      (uint64_t)head.rows * head.row_bytes > bytes - sizeof(head)))
		return -EPROTO;
	for (uint32_t i = 0; i < head.rows; i++) {
		memcpy(row, packet + sizeof(head) + (size_t)i * head.row_bytes, row_bytes);
		taker->take(taker->argument, row);
	}
	return 0;
}

int
tsr_cli_rows(struct tsr_control *control, enum tsr_proto_list_what what, const char *realm,
             size_t row_bytes, void (*take)(void *argument, const void *row), void *argument,
             uint64_t deadline_ns)
{
	static alignas(TSR_CACHELINE) unsigned char packet[TSR_PROTO_PACKET_MAX];
	struct list_taker const taker = {
		.take = take, .argument = argument, .row_bytes = row_bytes};
	struct tsr_proto_list request = {.what = what};
	struct tsr_proto_head head;
	size_t got = 0;
	int error;

	if (realm != NULL)
		strcpy(request.realm, realm);
	error = tsr_control_ask(control, TSR_PROTO_LIST, &request, sizeof(request), packet,
	                        sizeof(packet), &got, deadline_ns);
	while (error == 0) {
		error = list_take(packet, got, &taker);
		memcpy(&head, packet, sizeof(head));
		if (error != 0 || (head.flags & TSR_PROTO_LAST) != 0)
			break;
		error = tsr_control_more(control, TSR_PROTO_LIST, packet, sizeof(packet), &got,
		                         deadline_ns);
	}
	return error;
}

int
tsr_cli_each(struct tsr_control *control, enum tsr_proto_list_what what, const char *realm,
             size_t row_bytes, void (*take)(void *argument, const void *row), void *argument)
{
	int const error =
		tsr_cli_rows(control, what, realm, row_bytes, take, argument, tsr_cli_deadline());

	return error == 0 ? TSR_EXIT_OK : tsr_cli_fail(error, "the daemon's list can't be had");
}

/* Rows become members of an array. */
struct list_array {
	json_t *rows;
	json_t *(*convert)(const void *row);
};

static void
list_array_take(void *argument, const void *row)
{
	const struct list_array *const array = argument;

	tsr_report_add(array->rows, array->convert(row));
}

int
tsr_cli_list(struct tsr_control *control, enum tsr_proto_list_what what, size_t row_bytes,
             json_t *(*convert)(const void *row), json_t **rows)
{
	struct list_array array = {.rows = json_array(), .convert = convert};
	int const status =
		tsr_cli_each(control, what, tsr_globals.realm, row_bytes, list_array_take, &array);

	if (status != 0)
		json_decref(array.rows);
	else
		*rows = array.rows;
	return status;
}

int
tsr_address_parse(const char *text, struct tsr_address *address)
{
	const char *slash = tsr_globals.realm == NULL ? strchr(text, '/') : NULL;
	const char *realm = tsr_globals.realm != NULL ? tsr_globals.realm : TSR_REALM_DEFAULT;
	size_t realm_bytes = strlen(realm);

	if (slash != NULL) {
		realm = text;
		realm_bytes = (size_t)(slash - text);
		text = slash + 1;
	}
	if (realm_bytes == 0 || text[0] == '\0')
		return -EINVAL;
	if (realm_bytes >= TSR_NAME_BYTES || strlen(text) >= TSR_NAME_BYTES)
		return -ENAMETOOLONG;
	memset(address, 0, sizeof(*address));
	memcpy(address->realm, realm, realm_bytes);
	strcpy(address->name, text);
	return 0;
}

bool
tsr_cli_print(FILE *out, const json_t *report)
{
	if (!tsr_globals.json)
		return false;
	json_dumpf(report, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputc('\n', out);
	return true;
}
