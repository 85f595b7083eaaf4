/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera sub: what goes through a channel, without taking part in it. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/follow.h"
#include "apps/render.h"
#include "apps/stop.h"
#include "apps/table.h"
#include "apps/units.h"

#define SUB_TELL_NS  TSR_NS_PER_SECOND   /* between two words on what is only missed */
#define SUB_CATCH_NS (5 * TSR_NS_PER_MS) /* for going to the newest, with --rate */
#define SUB_RATE_MAX UINT64_C(1000000000)

enum sub_form {
	SUB_TEXT,
	SUB_HEX,
	SUB_RAW,
};

enum {
	SUB_NOW = 0x100,
	SUB_BYTES,
	SUB_RATE,
};

struct sub {
	struct tsr_address address;
	struct tsr_tap_options from;
	struct tsr_client client;
	struct tsr_tap tap;
	struct tsr_follow follow;
	enum sub_form form;
	enum tsr_render_bytes bytes_as;
	bool from_said;
	bool now;        /* don't wait */
	uint64_t count;  /* end after so many; 0: never */
	uint64_t gap_ns; /* between two that are shown; 0: none */
	uint64_t due_ns; /* of the next, if there is a gap */
	uint64_t shown;
	uint64_t bytes;
	uint64_t missed;
	uint64_t left_out; /* by --rate, in all, and since the last that was shown */
	uint64_t left_out_now;
	uint64_t told_ns; /* when it was last said that they are only missed */
	uint64_t ticks_per_second;
	size_t room_bytes;
	unsigned char *room; /* what is shown */
	unsigned char *next; /* what is being read */
};

static const struct argp_option sub_options[] = {
	{"bytes", SUB_BYTES, "FORM", 0,
         "With --json: text, hex, base64 or none (default: text if it is, else hex)", 0},
	{"count", 'c', "N", 0, "End after so many messages", 0},
	{"from", 'F', "WHERE", 0,
         "Begin with the next message that is sent (the default), the oldest that is there, the "
         "newest, or the one after a sequence number",
         0},
	{"hex", 'x', NULL, 0, "Show all bytes in hexadecimal", 0},
	{"now", SUB_NOW, NULL, 0, "Show what lies there, from the oldest on, and don't wait", 0},
	{"rate", SUB_RATE, "N", 0, "Show at most so many a second, and leave others out", 0},
	{"raw", 'r', NULL, 0, "Write the messages as they are, and nothing else", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static void
sub_parse_from(struct sub *sub, const char *text, struct argp_state *state)
{
	sub->from_said = true;
	if (strcmp(text, "oldest") == 0)
		sub->from.from = TSR_TAP_OLDEST;
	else if (strcmp(text, "newest") == 0)
		sub->from.from = TSR_TAP_NEWEST;
	else if (strcmp(text, "next") == 0)
		sub->from.from = TSR_TAP_NEXT;
	else if (tsr_count_parse(text, 0, UINT64_MAX, &sub->from.after) == 0)
		sub->from.from = TSR_TAP_AFTER;
	else
		argp_error(state, "--from takes oldest, newest, next or a number, not '%s'", text);
}

static void
sub_parse_bytes(struct sub *sub, const char *text, struct argp_state *state)
{
	static const char *const names[] = {
		[TSR_RENDER_TEXT] = "text",
		[TSR_RENDER_HEX] = "hex",
		[TSR_RENDER_BASE64] = "base64",
		[TSR_RENDER_NONE] = "none",
	};

	for (uint32_t i = TSR_RENDER_TEXT; i <= TSR_RENDER_NONE; i++) {
		if (strcmp(names[i], text) == 0)
			sub->bytes_as = i;
	}
	if (sub->bytes_as == TSR_RENDER_AUTO)
		argp_error(state, "--bytes takes text, hex, base64 or none, not '%s'", text);
}

static void
sub_parse_end(const struct sub *sub, struct argp_state *state)
{
	if (sub->address.name[0] == '\0')
		argp_error(state, "which channel? As in demo/files");
	if (tsr_globals.json && sub->form != SUB_TEXT)
		argp_error(state, "--json goes with --bytes, not with --hex or --raw");
	if (!tsr_globals.json && sub->bytes_as != TSR_RENDER_AUTO)
		argp_error(state, "--bytes is for --json");
	if (sub->now && sub->gap_ns != 0)
		argp_error(state, "--rate is for messages that are waited for, not for --now");
}

static error_t
sub_parse(int key, char *arg, struct argp_state *state)
{
	struct sub *const sub = state->input;
	uint64_t rate;

	switch (key) {
	case 'c':
		if (tsr_count_parse(arg, 1, UINT64_MAX, &sub->count) != 0)
			argp_error(state, "--count takes a number from 1 on, not '%s'", arg);
		return 0;
	case SUB_RATE:
		if (tsr_count_parse(arg, 1, SUB_RATE_MAX, &rate) != 0)
			argp_error(state, "--rate takes a number from 1 on, not '%s'", arg);
		else
			sub->gap_ns = TSR_NS_PER_SECOND / rate;
		return 0;
	case SUB_NOW:
		sub->now = true;
		return 0;
	case SUB_BYTES:
		sub_parse_bytes(sub, arg, state);
		return 0;
	case 'F':
		sub_parse_from(sub, arg, state);
		return 0;
	case 'x':
	case 'r':
		if (sub->form != SUB_TEXT)
			argp_error(state, "--hex and --raw are given, or one of them twice");
		sub->form = key == 'x' ? SUB_HEX : SUB_RAW;
		return 0;
	case ARGP_KEY_ARG:
		if (sub->address.name[0] != '\0')
			argp_error(state, "'%s' is one argument too many", arg);
		if (tsr_address_parse(arg, &sub->address) != 0)
			argp_error(state, "'%s' names no channel, as in demo/files", arg);
		return 0;
	case ARGP_KEY_END:
		sub_parse_end(sub, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What lies in a region can't be copied. */
static bool
sub_is_elsewhere(const struct tsr_copy *copy)
{
	return copy->copied == 0 && copy->length > 0;
}

static void
sub_show_people(const struct sub *sub, const struct tsr_copy *copy)
{
	if (copy->missed != 0)
		printf("(%llu missed)\n", (unsigned long long)copy->missed);
	if (sub->left_out_now != 0)
		printf("(%llu left out)\n", (unsigned long long)sub->left_out_now);
	if (sub->form == SUB_HEX) {
		printf("%llu, %u bytes%s\n", (unsigned long long)copy->sequence, copy->length,
		       sub_is_elsewhere(copy) ? " in a region" : ":");
		tsr_render_rows(stdout, sub->room, copy->copied);
		return;
	}
	printf("%8llu %9u bytes  ", (unsigned long long)copy->sequence, copy->length);
	if (sub_is_elsewhere(copy))
		fputs("(in a region)", stdout);
	else
		tsr_render_line(stdout, sub->room, copy->copied);
	putchar('\n');
}

/* One object a line, for it may go on for ever. */
static void
sub_show_json(const struct sub *sub, const struct tsr_copy *copy)
{
	json_t *const report = tsr_report_new();

	tsr_report_set(report, "sequence", tsr_report_count(copy->sequence));
	tsr_report_set(report, "missed", tsr_report_count(copy->missed));
	tsr_report_set(report, "left_out", tsr_report_count(sub->left_out_now));
	tsr_report_set(report, "length", json_integer(copy->length));
	tsr_report_set(report, "sent_s",
	               copy->stamp == 0
	                       ? json_null()
	                       : json_real((double)copy->stamp / (double)sub->ticks_per_second));
	if (!sub_is_elsewhere(copy))
		tsr_render_json(report, sub->room, copy->copied, sub->bytes_as);
	json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
	putchar('\n');
	json_decref(report);
}

static void
sub_show(struct sub *sub, const struct tsr_copy *copy)
{
	if (tsr_globals.json)
		sub_show_json(sub, copy);
	else if (sub->form == SUB_RAW)
		(void)fwrite(sub->room, 1, copy->copied, stdout);
	else
		sub_show_people(sub, copy);
	sub->shown++;
	sub->bytes += copy->length;
	sub->missed += copy->missed;
	sub->left_out += sub->left_out_now;
	sub->left_out_now = 0;
	sub->due_ns = sub->gap_ns == 0 ? 0 : tsr_now_ns() + sub->gap_ns;
}

/* The next message is in sub->room. Return: as tsr_read_copy(). */
static int
sub_read(struct sub *sub, struct tsr_copy *copy)
{
	unsigned char *const room = sub->next;
	int const error = tsr_read_copy(sub->tap, room, sub->room_bytes, copy);

	if (error != 0)
		return error;
	sub->next = sub->room;
	sub->room = room;
	return 0;
}

/* The newest that is there now: those before it are left out. */
static int
sub_read_newest(struct sub *sub, struct tsr_copy *copy)
{
	uint64_t const until_ns = tsr_now_ns() + SUB_CATCH_NS;
	struct tsr_copy newer;
	int error = sub_read(sub, copy);

	while (error == 0 && tsr_now_ns() < until_ns && sub_read(sub, &newer) == 0) {
		newer.missed += copy->missed;
		*copy = newer;
		sub->left_out_now++;
	}
	return error;
}

/* Nothing is there: wait; if they go by unseen, say so now and then. */
static int
sub_wait(struct sub *sub)
{
	uint64_t const missed = tsr_follow_missed(&sub->follow);

	if (missed != 0 && !tsr_globals.json && sub->form != SUB_RAW &&
	    tsr_now_ns() > sub->told_ns + SUB_TELL_NS) {
		printf("(%llu missed so far: they are received before they can be copied)\n",
		       (unsigned long long)missed);
		sub->told_ns = tsr_now_ns();
	}
	return fflush(stdout) == 0 ? tsr_follow_wait(&sub->follow, UINT64_MAX) : 0;
}

/* Return: 0; a negative errno, -EAGAIN: everything that is there has been shown. */
static int
sub_step(struct sub *sub)
{
	struct tsr_copy copy;
	int error;

	if (sub->due_ns != 0 && tsr_now_ns() < sub->due_ns) {
		(void)fflush(stdout);
		(void)tsr_stop_wait(-1, sub->due_ns);
		if (tsr_stop_asked())
			return 0;
	}
	error = sub->due_ns != 0 ? sub_read_newest(sub, &copy) : sub_read(sub, &copy);
	if (error == 0)
		sub_show(sub, &copy);
	else if (error == -EAGAIN && !sub->now)
		error = sub_wait(sub);
	/* -ESTALE: they are received faster than we copy. */
	return error == -ESTALE ? 0 : error;
}

/* Return: an exit status. */
static int
sub_all(struct sub *sub)
{
	const char *realm = sub->address.realm, *name = sub->address.name;
	int error = 0;

	while (error == 0 && (sub->count == 0 || sub->shown < sub->count) && !ferror(stdout) &&
	       !tsr_stop_asked())
		error = sub_step(sub);
	sub->missed += tsr_follow_missed(&sub->follow);
	if (error == -ENOENT) {
		tsr_cli_warn("the channel '%s/%s' was removed", realm, name);
		return TSR_EXIT_NOT_FOUND;
	}
	if (error != 0 && (error != -EAGAIN || !sub->now))
		return tsr_cli_fail(error, "looking at '%s/%s'", realm, name);
	return TSR_EXIT_OK;
}

/* Return: an exit status. */
static int
sub_open(struct sub *sub)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	int error = tsr_client_info(sub->client, &info);

	if (error == 0)
		error = tsr_tap_open(sub->client, sub->address.name, &sub->from, &sub->tap);
	sub->follow.tap = sub->tap;
	if (error == 0 && !sub->now)
		error = tsr_follow_open(&sub->follow, sub->tap);
	if (error != 0)
		return tsr_cli_fail(error, "can't look at the channel '%s/%s'", sub->address.realm,
		                    sub->address.name);
	sub->ticks_per_second = info.ticks_per_second;
	sub->room_bytes = info.message_bytes_max;
	sub->room = malloc(sub->room_bytes);
	sub->next = malloc(sub->room_bytes);
	return sub->room != NULL && sub->next != NULL
	               ? TSR_EXIT_OK
	               : tsr_cli_fail(-ENOMEM, "no memory for a message of %zu bytes",
	                              sub->room_bytes);
}

/* What there was, for those who interrupted it. */
static void
sub_summary(const struct sub *sub)
{
	char bytes[TSR_UNIT_TEXT_BYTES];

	tsr_size_format(sub->bytes, bytes);
	tsr_cli_warn("%llu shown (%s), %llu missed, %llu left out", (unsigned long long)sub->shown,
	             bytes, (unsigned long long)sub->missed, (unsigned long long)sub->left_out);
}

int
tsr_cmd_sub(int argc, char **argv)
{
	struct sub sub = {.from = {.size = sizeof(sub.from), .from = TSR_TAP_NEXT}};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = sub_options,
		.parser = sub_parse,
		.args_doc = "[REALM/]CHANNEL",
		.doc = "Show the messages of a channel as they come, and leave them there.\v"
		       "It attaches as an observer: it takes nothing, writes nothing, and nobody "
		       "waits for it. What is received before it looks it does not see; how many "
		       "those are is said. It goes on until it is interrupted or the channel is "
		       "removed.",
		.children = children,
	};
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &sub);
	if (sub.now && !sub.from_said)
		sub.from.from = TSR_TAP_OLDEST;
	status = tsr_cli_observe(sub.address.realm, &sub.client);
	if (status != TSR_EXIT_OK)
		return status;
	tsr_stop_catch();
	tsr_stop_catch_output();
	status = sub_open(&sub);
	if (status == TSR_EXIT_OK)
		status = sub_all(&sub);
	if (status == TSR_EXIT_OK && tsr_stop_asked())
		sub_summary(&sub);
	free(sub.room);
	free(sub.next);
	/* No detach: a daemon that is stopped would be waited for. It hears of our end from the
	 * kernel. */
	return status;
}
