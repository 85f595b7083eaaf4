/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera send: standard input into a channel. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/stop.h"
#include "apps/stream.h"
#include "apps/units.h"

static const struct argp_option send_options[] = {
	{"block-size", 'b', "SIZE", 0, "Bytes of a message at most, as in 4K (default: 64K)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
send_parse(int key, char *arg, struct argp_state *state)
{
	struct tsr_stream *stream = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = stream;
		return 0;
	case 'b':
		if (tsr_size_parse(arg, &stream->block_bytes) != 0 || stream->block_bytes == 0)
			argp_error(state, "--block-size takes a size as in 4K, not '%s'", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The largest message we shall send. Return: an exit status. */
static int
send_block_bytes(struct tsr_stream *stream)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	int const error = tsr_client_info(stream->client, &info);
	bool const said = stream->block_bytes != 0;

	if (error != 0)
		return tsr_cli_fail(error, "the realm's sizes can't be had");
	if (!said)
		stream->block_bytes = TSR_STREAM_BLOCK_BYTES;
	if (stream->block_bytes <= info.message_bytes_max)
		return TSR_EXIT_OK;
	if (said) {
		tsr_cli_warn("--block-size %llu is more than the largest message of the realm, "
		             "%u bytes",
		             (unsigned long long)stream->block_bytes, info.message_bytes_max);
		return TSR_EXIT_USAGE;
	}
	stream->block_bytes = info.message_bytes_max;
	return TSR_EXIT_OK;
}

/* The next block of the input. Return: its bytes; 0: it ended, or a signal came; -1: errno. */
static ssize_t
send_read(struct tsr_stream *stream, struct tsr_msg *msg)
{
	ssize_t bytes = 0;

	while (!tsr_stop_asked()) {
		bytes = read(STDIN_FILENO, msg->data, stream->block_bytes);
		if (bytes >= 0 || errno != EINTR)
			break;
		bytes = 0;
	}
	return bytes;
}

/* A signal: what was read and not sent is dropped. Return: an exit status. */
static int
send_stopped(const struct tsr_stream *stream, bool *closed)
{
	*closed = stream->messages == 0;
	if (*closed)
		return TSR_EXIT_OK;
	tsr_cli_warn(
		"interrupted: the stream is cut short after %llu bytes, as its receiver learns",
		(unsigned long long)stream->bytes);
	return TSR_EXIT_RUNTIME;
}

/*
 * Read straight into shared memory, send, until the input ends or a signal comes.
 * Return: an exit status, and in @closed whether the channel may be closed: nothing is cut short.
 */
static int
send_all(struct tsr_stream *stream, struct tsr_sender sender, bool *closed)
{
	struct tsr_msg msg;
	ssize_t bytes;
	int error;

	for (;;) {
		error = tsr_stream_alloc(stream, (uint32_t)stream->block_bytes, &msg,
		                         tsr_stream_deadline(stream));
		if (error == -ETIMEDOUT && tsr_stop_asked())
			return send_stopped(stream, closed);
		if (error != 0)
			return tsr_cli_fail(error, "no block of %llu bytes is free",
			                    (unsigned long long)stream->block_bytes);
		bytes = send_read(stream, &msg);
		if (bytes <= 0)
			break;
		msg.length = (uint32_t)bytes;
		error = tsr_stream_send(sender, &msg, tsr_stream_deadline(stream));
		if (error == -ETIMEDOUT && tsr_stop_asked())
			return send_stopped(stream, closed);
		if (error != 0)
			return tsr_stream_refused(stream, error);
		tsr_stream_count(stream, 1, (uint64_t)bytes);
	}
	if (tsr_stop_asked())
		return send_stopped(stream, closed);
	if (bytes < 0) {
		tsr_cli_warn("standard input can't be read: %s", strerror(errno));
		return TSR_EXIT_RUNTIME;
	}
	*closed = true;
	error = tsr_release(stream->client, &msg);
	return error == 0 ? TSR_EXIT_OK : tsr_cli_fail(error, "the last block can't be given back");
}

/* Return: an exit status, and in @closed whether nothing is cut short. */
static int
send_through(struct tsr_stream *stream, bool *closed)
{
	struct tsr_sender sender;
	int status = send_block_bytes(stream), error;

	*closed = true;
	if (status != 0)
		return status;
	error = tsr_sender_open(stream->client, stream->address.name, NULL, &sender);
	if (error != 0)
		return tsr_cli_fail(error, "the channel '%s/%s' can't be opened",
		                    stream->address.realm, stream->address.name);
	/* A pipe that holds more fills larger messages; if it may not, well. */
	(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, 1 << 20);
	tsr_stop_catch();
	*closed = false;
	status = send_all(stream, sender, closed);
	if (!*closed)
		return status;
	error = tsr_sender_close(sender);
	return error == 0 ? status : tsr_cli_fail(error, "the channel can't be closed");
}

int
tsr_cmd_send(int argc, char **argv)
{
	struct tsr_stream stream = {.timeout_ns = TSR_FOREVER};
	struct argp_child const children[] = {{&tsr_stream_argp, 0, NULL, 0},
	                                      {&tsr_globals_argp, 0, NULL, 0},
	                                      {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = send_options,
		.parser = send_parse,
		.args_doc = "[REALM/]CHANNEL",
		.doc = "Send standard input to a channel.\v"
		       "Waits while the channel is full. A receiver learns when this sender has "
		       "closed, and when it died before.",
		.children = children,
	};
	bool closed;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &stream);
	status = tsr_cli_attach(stream.address.realm, &stream.client);
	if (status != 0)
		return status;
	status = send_through(&stream, &closed);
	/* Cut short: leave the end open, so that our death tells the receiver. */
	if (!closed)
		return status;
	if (tsr_detach(stream.client) != 0 && status == TSR_EXIT_OK)
		tsr_cli_warn("the daemon went away after everything was sent");
	if (status != TSR_EXIT_OK)
		return status;
	tsr_stream_show(&stream, "sent", tsr_globals.json ? stdout : stderr);
	return TSR_EXIT_OK;
}
