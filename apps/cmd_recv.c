/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera recv: a channel to standard output. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/gather.h"
#include "apps/stop.h"
#include "apps/stream.h"

static error_t
recv_parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = state->input;
	return 0;
}

/* The end of the stream, as the last receive told it. Return: an exit status. */
static int
recv_ended(const struct tsr_stream *stream, int error)
{
	const char *realm = stream->address.realm, *name = stream->address.name;

	if (error == -EPIPE)
		return TSR_EXIT_OK;
	if (error == -ECONNRESET) {
		tsr_cli_warn("the sender to '%s/%s' died before it closed: the stream is cut short "
		             "after %llu bytes",
		             realm, name, (unsigned long long)stream->bytes);
		return TSR_EXIT_RUNTIME;
	}
	return tsr_cli_fail(error, "receiving from '%s/%s'", realm, name);
}

/* Return: an exit status; the messages are given back whatever happens. */
static int
recv_write(struct tsr_stream *stream, struct tsr_msg *msgs, size_t count)
{
	uint64_t bytes = 0;
	size_t done;
	int error = tsr_gather_write(STDOUT_FILENO, msgs, count, &bytes);

	if (error != 0)
		tsr_cli_warn("standard output can't be written: %s; what was not received stays in "
		             "the channel",
		             strerror(-error));
	else
		tsr_stream_count(stream, count, bytes);
	if (tsr_release_batch(stream->client, msgs, count, &done) != 0 && error == 0)
		return tsr_cli_fail(-ESTALE, "messages can't be given back");
	return error == 0 ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
}

static int
recv_all(struct tsr_stream *stream, struct tsr_receiver receiver)
{
	struct tsr_msg msgs[TSR_GATHER_MAX];
	size_t count;
	int error, status = TSR_EXIT_OK;

	tsr_stop_catch();
	while (status == TSR_EXIT_OK) {
		if (tsr_stop_asked())
			return TSR_EXIT_OK;
		error = tsr_stream_recv(receiver, msgs, TSR_GATHER_MAX, tsr_stream_deadline(stream),
		                        &count);
		if (error == -ETIMEDOUT && tsr_stop_asked())
			return TSR_EXIT_OK;
		if (error != 0)
			return recv_ended(stream, error);
		status = recv_write(stream, msgs, count);
	}
	return status;
}

int
tsr_cmd_recv(int argc, char **argv)
{
	struct tsr_stream stream = {.timeout_ns = TSR_FOREVER};
	struct argp_child const children[] = {{&tsr_stream_argp, 0, NULL, 0},
	                                      {&tsr_globals_argp, 0, NULL, 0},
	                                      {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.parser = recv_parse,
		.args_doc = "[REALM/]CHANNEL",
		.doc = "Write what comes through a channel to standard output.\v"
		       "Waits for a sender. Ends with 0 when every sender has closed and all is "
		       "received; with 1 if a sender died before it closed.",
		.children = children,
	};
	struct tsr_receiver receiver;
	int status, error;

	argp_parse(&argp, argc, argv, 0, NULL, &stream);
	status = tsr_cli_attach(stream.address.realm, &stream.client);
	if (status != 0)
		return status;
	error = tsr_receiver_open(stream.client, stream.address.name, NULL, &receiver);
	if (error != 0) {
		status = tsr_cli_fail(error, "the channel '%s/%s' can't be opened",
		                      stream.address.realm, stream.address.name);
		goto detach;
	}
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 1 << 20);
	status = recv_all(&stream, receiver);
	error = tsr_receiver_close(receiver);
	if (error != 0 && status == TSR_EXIT_OK)
		status = tsr_cli_fail(error, "the channel can't be closed");
detach:
	if (tsr_detach(stream.client) != 0 && status == TSR_EXIT_OK)
		tsr_cli_warn("the daemon went away after everything was received");
	if (status == TSR_EXIT_OK)
		tsr_stream_show(&stream, "received", stderr);
	return status;
}
