/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera pub: messages into a channel. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/shape.h"
#include "apps/stop.h"
#include "apps/stream.h"
#include "apps/table.h"
#include "apps/units.h"

#define PUB_RATE_MAX UINT64_C(1000000000)

enum {
	PUB_RATE = 0x100,
	PUB_SIZE,
};

struct pub {
	struct tsr_stream stream;
	struct tsr_shape_options shape;
	char **texts; /* the messages that were given as arguments */
	uint64_t texts_count;
	const char *file;
	uint64_t size; /* of generated ones; 0: none */
	bool hex;
	bool counted;
	uint64_t count;  /* messages in all; 0: until it is stopped */
	uint64_t gap_ns; /* between two; 0: as fast as can be */
	uint32_t bytes_max;
	/* The message that is to be sent. */
	unsigned char *bytes;
	size_t bytes_count;
	size_t room;
};

static const struct argp_option pub_options[] = {
	{"count", 'c', "N", 0,
         "Send N messages in all, again and again the same; 0: until it is interrupted", 0},
	{"file", 'f', "PATH", 0, "Send a file as one message", 0},
	{"hex", 'x', NULL, 0, "What is given, or stands in a line, is hexadecimal", 0},
	{"rate", PUB_RATE, "N", 0, "Send N a second", 0},
	{"size", PUB_SIZE, "SIZE", 0, "Send generated messages of so many bytes, as in 4K", 0},
	{"timeout", 't', "TIME", 0, "Give up after waiting so long, as in 5s (default: never)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column pub_facts[] = {
	{"realm", "realm", TSR_CELL_TEXT},    {"channel", "channel", TSR_CELL_TEXT},
	{"messages", "sent", TSR_CELL_COUNT}, {"bytes", "bytes", TSR_CELL_BYTES},
	{"took_ns", "took", TSR_CELL_NS},     {NULL, NULL, TSR_CELL_TEXT},
};

/* The first one is the channel, the rest are messages. */
static void
pub_arguments(struct pub *pub, struct argp_state *state)
{
	char *const channel = state->argv[state->next];

	if (tsr_address_parse(channel, &pub->stream.address) != 0)
		argp_error(state, "'%s' names no channel: 1 to %d characters, as in demo/files",
		           channel, TSR_NAME_BYTES - 1);
	pub->texts = &state->argv[state->next + 1];
	pub->texts_count = (uint64_t)(state->argc - state->next - 1);
	state->next = state->argc;
}

static void
pub_parse_end(const struct pub *pub, struct argp_state *state)
{
	if (pub->stream.address.name[0] == '\0')
		argp_error(state, "which channel? As in demo/files");
	if ((pub->texts_count > 0) + (pub->file != NULL) + (pub->size > 0) > 1)
		argp_error(state, "messages, --file or --size: one of them");
	if (pub->hex && (pub->file != NULL || pub->size > 0))
		argp_error(state, "--hex is for messages and lines");
}

static error_t
pub_parse(int key, char *arg, struct argp_state *state)
{
	struct pub *const pub = state->input;
	uint64_t rate;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &pub->shape;
		return 0;
	case 'c':
		pub->counted = true;
		if (tsr_count_parse(arg, 0, INT64_MAX, &pub->count) != 0)
			argp_error(state, "--count takes a number, not '%s'", arg);
		return 0;
	case 'f':
		pub->file = arg;
		return 0;
	case 'x':
		pub->hex = true;
		return 0;
	case 't':
		tsr_stream_parse_timeout(&pub->stream, arg, state);
		return 0;
	case PUB_RATE:
		if (tsr_count_parse(arg, 1, PUB_RATE_MAX, &rate) != 0)
			argp_error(state, "--rate takes a number from 1 on, not '%s'", arg);
		else
			pub->gap_ns = TSR_NS_PER_SECOND / rate;
		return 0;
	case PUB_SIZE:
		if (tsr_size_parse(arg, &pub->size) != 0 || pub->size == 0)
			argp_error(state, "--size takes a size as in 4K, not '%s'", arg);
		return 0;
	case ARGP_KEY_ARGS:
		pub_arguments(pub, state);
		return 0;
	case ARGP_KEY_END:
		pub_parse_end(pub, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Return: an exit status. */
static int
pub_too_large(const struct pub *pub, uint64_t bytes)
{
	tsr_cli_warn("a message of %llu bytes is more than the largest of the realm, %u bytes",
	             (unsigned long long)bytes, pub->bytes_max);
	return TSR_EXIT_USAGE;
}

/* Room for the message that comes next. Return: an exit status. */
static int
pub_reserve(struct pub *pub, uint64_t bytes)
{
	unsigned char *grown;

	if (bytes > pub->bytes_max)
		return pub_too_large(pub, bytes);
	if (bytes <= pub->room)
		return TSR_EXIT_OK;
	grown = realloc(pub->bytes, bytes);
	if (grown == NULL)
		return tsr_cli_fail(-ENOMEM, "a message of %llu bytes", (unsigned long long)bytes);
	pub->bytes = grown;
	pub->room = bytes;
	return TSR_EXIT_OK;
}

static int
pub_digit(char digit)
{
	return isdigit((unsigned char)digit) ? digit - '0'
	                                     : tolower((unsigned char)digit) - 'a' + 10;
}

/* Pairs of digits, with white space between them. Return: an exit status. */
static int
pub_take_hex(struct pub *pub, const char *text, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++) {
		if (isspace((unsigned char)text[i]))
			continue;
		if (i + 1 == length || !isxdigit((unsigned char)text[i]) ||
		    !isxdigit((unsigned char)text[i + 1])) {
			tsr_cli_warn("'%.*s' is not hexadecimal: two digits a byte",
			             length > 60 ? 60 : (int)length, text);
			return TSR_EXIT_USAGE;
		}
		pub->bytes[count++] =
			(unsigned char)(pub_digit(text[i]) << 4 | pub_digit(text[i + 1]));
		i++;
	}
	pub->bytes_count = count;
	return TSR_EXIT_OK;
}

/* Return: an exit status. */
static int
pub_take_text(struct pub *pub, const char *text, size_t length)
{
	int const status = pub_reserve(pub, pub->hex ? length / 2 : length);

	if (status != TSR_EXIT_OK)
		return status;
	if (pub->hex)
		return pub_take_hex(pub, text, length);
	if (length > 0)
		memcpy(pub->bytes, text, length);
	pub->bytes_count = length;
	return TSR_EXIT_OK;
}

/* Read all of the file. Return: an exit status. */
static int
pub_take_file(struct pub *pub)
{
	int const fd = open(pub->file, O_RDONLY | O_CLOEXEC);
	int status = TSR_EXIT_OK;
	ssize_t bytes = fd < 0 ? -1 : 1;

	pub->bytes_count = 0;
	while (bytes > 0 && status == TSR_EXIT_OK) {
		/* A byte more than may be: what is too large is seen to be. */
		status = pub->bytes_count == pub->bytes_max
		                 ? pub_too_large(pub, pub->bytes_count + UINT64_C(1))
		                 : pub_reserve(pub, pub->bytes_max);
		if (status == TSR_EXIT_OK)
			bytes = read(fd, pub->bytes + pub->bytes_count,
			             pub->bytes_max - pub->bytes_count);
		if (bytes > 0)
			pub->bytes_count += (size_t)bytes;
	}
	if (bytes < 0) {
		tsr_cli_warn("'%s' can't be read: %s", pub->file, strerror(errno));
		status = errno == ENOENT ? TSR_EXIT_NOT_FOUND : TSR_EXIT_RUNTIME;
	}
	if (fd >= 0)
		(void)close(fd);
	return status;
}

/* Byte i of message n is n + i. Return: an exit status. */
static int
pub_take_generated(struct pub *pub, uint64_t number)
{
	int const status = pub_reserve(pub, pub->size);

	if (status != TSR_EXIT_OK)
		return status;
	for (uint64_t i = 0; i < pub->size; i++)
		pub->bytes[i] = (unsigned char)(number + i);
	pub->bytes_count = (size_t)pub->size;
	return TSR_EXIT_OK;
}

/* The next line of standard input. Return: an exit status; @ended: there is none. */
static int
pub_take_line(struct pub *pub, bool *ended)
{
	static char *line;
	static size_t room;
	ssize_t const length = getline(&line, &room, stdin);

	if (length > 0)
		return pub_take_text(pub, line,
		                     (size_t)length - (line[length - 1] == '\n' ? 1 : 0));
	*ended = true;
	/* A signal may have ended the wait. */
	if (!ferror(stdin) || tsr_stop_asked())
		return TSR_EXIT_OK;
	tsr_cli_warn("standard input can't be read: %s", strerror(errno));
	return TSR_EXIT_RUNTIME;
}

/* Message @number. Return: an exit status; @ended: there is none. */
static int
pub_take(struct pub *pub, uint64_t number, bool *ended)
{
	const char *text;

	if (pub->texts_count > 0) {
		text = pub->texts[number % pub->texts_count];
		return pub_take_text(pub, text, strlen(text));
	}
	if (pub->size > 0)
		return pub_take_generated(pub, number);
	if (pub->file != NULL)
		return number == 0 ? pub_take_file(pub) : TSR_EXIT_OK;
	return pub_take_line(pub, ended);
}

/* Return: an exit status; that of an interruption is 0. */
static int
pub_send(struct pub *pub, struct tsr_sender sender)
{
	uint64_t const deadline_ns = tsr_stream_deadline(&pub->stream);
	uint32_t const bytes = pub->bytes_count > 0 ? (uint32_t)pub->bytes_count : 1;
	struct tsr_msg msg;
	int error;

	error = tsr_stream_alloc(&pub->stream, bytes, &msg, deadline_ns);
	if (error == -ETIMEDOUT && tsr_stop_asked())
		return TSR_EXIT_OK;
	if (error != 0)
		return tsr_cli_fail(error, "no block of %u bytes is free", bytes);
	tsr_copy_in(msg.data, pub->bytes, pub->bytes_count);
	msg.length = (uint32_t)pub->bytes_count;
	error = tsr_stream_send(sender, &msg, deadline_ns);
	if (error == 0) {
		tsr_stream_count(&pub->stream, 1, pub->bytes_count);
		return TSR_EXIT_OK;
	}
	(void)tsr_release(pub->stream.client, &msg);
	if (error == -ETIMEDOUT && tsr_stop_asked())
		return TSR_EXIT_OK;
	return tsr_stream_refused(&pub->stream, error);
}

/* Return: an exit status. */
static int
pub_all(struct pub *pub, struct tsr_sender sender)
{
	uint64_t const start_ns = tsr_now_ns();
	bool ended = false;
	int status = TSR_EXIT_OK;

	for (uint64_t n = 0; status == TSR_EXIT_OK && (pub->count == 0 || n < pub->count); n++) {
		if (pub->gap_ns != 0)
			(void)tsr_stop_wait(-1, start_ns + n * pub->gap_ns);
		if (tsr_stop_asked())
			break;
		status = pub_take(pub, n, &ended);
		if (ended)
			break;
		if (status == TSR_EXIT_OK)
			status = pub_send(pub, sender);
	}
	return status;
}

/* Return: an exit status. */
static int
pub_through(struct pub *pub)
{
	struct tsr_end_options const options = {
		.size = sizeof(options),
		.stamp_every = 1,
		.create = pub->shape.said ? &pub->shape.options : NULL,
	};
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_sender sender = {0};
	int error = tsr_client_info(pub->stream.client, &info), status;

	if (error == 0)
		error = tsr_sender_open(pub->stream.client, pub->stream.address.name, &options,
		                        &sender);
	if (error != 0)
		return tsr_cli_fail(error, "the channel '%s/%s' can't be opened",
		                    pub->stream.address.realm, pub->stream.address.name);
	pub->bytes_max = info.message_bytes_max;
	tsr_stop_catch();
	status = pub_all(pub, sender);
	error = tsr_sender_close(sender);
	if (error != 0 && status == TSR_EXIT_OK)
		status = tsr_cli_fail(error, "the channel can't be closed");
	return status;
}

static void
pub_show(const struct pub *pub)
{
	json_t *const report = tsr_stream_report(&pub->stream);

	if (!tsr_cli_print(stdout, report))
		tsr_table_facts(stdout, report, pub_facts);
	json_decref(report);
}

int
tsr_cmd_pub(int argc, char **argv)
{
	struct pub pub = {.stream = {.timeout_ns = TSR_FOREVER}};
	struct argp_child const children[] = {{&tsr_shape_argp, 0, "How the channel is made:", 1},
	                                      {&tsr_globals_argp, 0, NULL, 0},
	                                      {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = pub_options,
		.parser = pub_parse,
		.args_doc = "[REALM/]CHANNEL [MESSAGE...]",
		.doc = "Send messages to a channel: arguments, or each line of standard input.\v"
		       "The channel is made if it is not there. Every message is stamped. It waits "
		       "while the channel is full, and says in the end what was sent.",
		.children = children,
	};
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &pub);
	if (!pub.counted)
		pub.count = pub.texts_count > 0                ? pub.texts_count
		            : pub.file != NULL || pub.size > 0 ? 1
		                                               : 0;
	status = tsr_cli_attach(pub.stream.address.realm, &pub.stream.client);
	if (status != TSR_EXIT_OK)
		return status;
	status = pub_through(&pub);
	free(pub.bytes);
	if (tsr_detach(pub.stream.client) != 0 && status == TSR_EXIT_OK)
		tsr_cli_warn("the daemon went away after everything was sent");
	if (pub.stream.messages > 0 || status == TSR_EXIT_OK)
		pub_show(&pub);
	return status;
}
