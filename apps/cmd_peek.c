/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera peek: what lies in a channel, without taking part in it. */

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/table.h"
#include "apps/units.h"

#define PEEK_TEXT_BYTES 60 /* of a message that fit on its line */
#define PEEK_ROW_BYTES  16 /* of a line in hexadecimal */

enum peek_form {
	PEEK_TEXT,
	PEEK_HEX,
	PEEK_RAW,
};

struct peek {
	struct tsr_address address;
	struct tsr_tap_options from;
	struct tsr_client client;
	struct tsr_tap tap;
	enum peek_form form;
	bool follow;
	uint64_t count; /* end after so many; 0: never */
	uint64_t shown;
	uint64_t ticks_per_second;
	unsigned char *room;
	size_t room_bytes;
};

static const struct argp_option peek_options[] = {
	{"count", 'c', "N", 0, "End after so many messages", 0},
	{"follow", 'f', NULL, 0, "Wait for more, until the channel is removed", 0},
	{"from", 'F', "WHERE", 0,
         "Begin with the oldest message that is there (the default), the newest, the next that is "
         "sent, or the one after a sequence number",
         0},
	{"hex", 'x', NULL, 0, "Show all bytes in hexadecimal", 0},
	{"raw", 'r', NULL, 0, "Write the messages as they are, and nothing else", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static bool
peek_number(const char *text, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static void
peek_parse_from(struct peek *peek, const char *text, struct argp_state *state)
{
	if (strcmp(text, "oldest") == 0)
		peek->from.from = TSR_TAP_OLDEST;
	else if (strcmp(text, "newest") == 0)
		peek->from.from = TSR_TAP_NEWEST;
	else if (strcmp(text, "next") == 0)
		peek->from.from = TSR_TAP_NEXT;
	else if (peek_number(text, &peek->from.after))
		peek->from.from = TSR_TAP_AFTER;
	else
		argp_error(state, "--from takes oldest, newest, next or a number, not '%s'", text);
}

static error_t
peek_parse(int key, char *arg, struct argp_state *state)
{
	struct peek *peek = state->input;

	switch (key) {
	case 'c':
		if (!peek_number(arg, &peek->count) || peek->count == 0)
			argp_error(state, "--count takes a number from 1 on, not '%s'", arg);
		return 0;
	case 'f':
		peek->follow = true;
		return 0;
	case 'F':
		peek_parse_from(peek, arg, state);
		return 0;
	case 'x':
	case 'r':
		if (peek->form != PEEK_TEXT)
			argp_error(state, "--hex and --raw are given, or one of them twice");
		peek->form = key == 'x' ? PEEK_HEX : PEEK_RAW;
		return 0;
	case ARGP_KEY_ARG:
		if (peek->address.name[0] != '\0')
			argp_error(state, "'%s' is one argument too many", arg);
		if (tsr_address_parse(arg, &peek->address) != 0)
			argp_error(state, "'%s' names no channel, as in demo/files", arg);
		return 0;
	case ARGP_KEY_END:
		if (peek->address.name[0] == '\0')
			argp_error(state, "which channel? As in demo/files");
		if (tsr_globals.json && peek->form != PEEK_TEXT)
			argp_error(state, "--json shows all there is: neither --hex nor --raw");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
peek_show_text(const struct peek *peek, const struct tsr_copy *copy)
{
	size_t const shown = copy->copied < PEEK_TEXT_BYTES ? copy->copied : PEEK_TEXT_BYTES;

	if (copy->missed != 0)
		printf("(%llu missed)\n", (unsigned long long)copy->missed);
	printf("%8llu %9u bytes  ", (unsigned long long)copy->sequence, copy->length);
	for (size_t i = 0; i < shown; i++)
		putchar(isprint(peek->room[i]) ? peek->room[i] : '.');
	puts(copy->copied > shown ? "..." : "");
}

static void
peek_show_hex(const struct peek *peek, const struct tsr_copy *copy)
{
	if (copy->missed != 0)
		printf("(%llu missed)\n", (unsigned long long)copy->missed);
	printf("%llu, %u bytes:\n", (unsigned long long)copy->sequence, copy->length);
	for (size_t row = 0; row < copy->copied; row += PEEK_ROW_BYTES) {
		size_t const end = row + PEEK_ROW_BYTES;

		printf("%08zx ", row);
		for (size_t i = row; i < end; i++) {
			if (i < copy->copied)
				printf(" %02x", peek->room[i]);
			else
				fputs("   ", stdout);
		}
		fputs("  ", stdout);
		for (size_t i = row; i < end && i < copy->copied; i++)
			putchar(isprint(peek->room[i]) ? peek->room[i] : '.');
		putchar('\n');
	}
}

/* One object a line, for it may go on for ever. */
static void
peek_show_json(const struct peek *peek, const struct tsr_copy *copy)
{
	json_t *const report = tsr_report_new();
	char *const hex = malloc(2 * (size_t)copy->copied + 1);

	if (hex != NULL) {
		hex[0] = '\0';
		for (size_t i = 0; i < copy->copied; i++)
			(void)snprintf(&hex[2 * i], 3, "%02x", peek->room[i]);
	}
	tsr_report_set(report, "sequence", tsr_report_count(copy->sequence));
	tsr_report_set(report, "missed", tsr_report_count(copy->missed));
	tsr_report_set(report, "length", json_integer(copy->length));
	tsr_report_set(report, "sent_s",
	               copy->stamp == 0
	                       ? json_null()
	                       : json_real((double)copy->stamp / (double)peek->ticks_per_second));
	tsr_report_set(report, "hex", json_string(hex));
	free(hex);
	json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
	putchar('\n');
	json_decref(report);
}

static void
peek_show(struct peek *peek, const struct tsr_copy *copy)
{
	if (tsr_globals.json)
		peek_show_json(peek, copy);
	else if (peek->form == PEEK_RAW)
		(void)fwrite(peek->room, 1, copy->copied, stdout);
	else if (peek->form == PEEK_HEX)
		peek_show_hex(peek, copy);
	else
		peek_show_text(peek, copy);
	peek->shown++;
}

/* Wait until there may be something new. Return: 0; a negative errno. */
static int
peek_wait(struct peek *peek, int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	int ready = 0;
	int const error = tsr_tap_arm(peek->tap, &ready);

	if (error != 0 || ready != 0)
		return error;
	return poll(&wait, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/* Return: an exit status. */
static int
peek_all(struct peek *peek)
{
	const char *realm = peek->address.realm, *name = peek->address.name;
	struct tsr_copy copy;
	int fd = -1;
	int error = peek->follow ? tsr_tap_event(peek->tap, &fd) : 0;

	while (error == 0 && (peek->count == 0 || peek->shown < peek->count) && !ferror(stdout)) {
		error = tsr_read_copy(peek->tap, peek->room, peek->room_bytes, &copy);
		if (error == 0)
			peek_show(peek, &copy);
		else if (error == -ESTALE)
			error = 0; /* they are received faster than we copy */
		else if (error == -EAGAIN && !peek->follow)
			return TSR_EXIT_OK;
		else if (error == -EAGAIN && fflush(stdout) == 0)
			error = peek_wait(peek, fd);
	}
	if (error == -ENOENT) {
		tsr_cli_warn("the channel '%s/%s' was removed", realm, name);
		return TSR_EXIT_NOT_FOUND;
	}
	return error == 0 ? TSR_EXIT_OK : tsr_cli_fail(error, "looking at '%s/%s'", realm, name);
}

/* Return: an exit status. */
static int
peek_open(struct peek *peek)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	int error = tsr_client_info(peek->client, &info);

	if (error == 0)
		error = tsr_tap_open(peek->client, peek->address.name, &peek->from, &peek->tap);
	if (error != 0)
		return tsr_cli_fail(error, "can't look at the channel '%s/%s'", peek->address.realm,
		                    peek->address.name);
	peek->ticks_per_second = info.ticks_per_second;
	peek->room_bytes = info.message_bytes_max;
	peek->room = malloc(peek->room_bytes);
	return peek->room != NULL ? TSR_EXIT_OK
	                          : tsr_cli_fail(-ENOMEM, "no memory for a message of %zu bytes",
	                                         peek->room_bytes);
}

int
tsr_cmd_peek(int argc, char **argv)
{
	struct peek peek = {.from = {.size = sizeof(peek.from), .from = TSR_TAP_OLDEST}};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = peek_options,
		.parser = peek_parse,
		.args_doc = "[REALM/]CHANNEL",
		.doc = "Show the messages that lie in a channel, and leave them there.\v"
		       "It attaches as an observer: it takes nothing, writes nothing, and nobody "
		       "waits "
		       "for it. What is received before it looks it does not see; how many those "
		       "are "
		       "is said.",
		.children = children,
	};
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &peek);
	status = tsr_cli_observe(peek.address.realm, &peek.client);
	if (status != TSR_EXIT_OK)
		return status;
	status = peek_open(&peek);
	if (status == TSR_EXIT_OK)
		status = peek_all(&peek);
	free(peek.room);
	(void)tsr_detach(peek.client);
	return status;
}
