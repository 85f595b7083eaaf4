/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/stream.h"

#include <errno.h>
#include <unistd.h>

#include "apps/alloc.h"
#include "apps/stop.h"
#include "apps/table.h"
#include "apps/units.h"

static const struct argp_option stream_options[] = {
	{"timeout", 't', "TIME", 0, "Give up after waiting so long, as in 5s (default: never)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

void
tsr_stream_parse_timeout(struct tsr_stream *stream, const char *arg, struct argp_state *state)
{
	if (tsr_duration_parse(arg, &stream->timeout_ns) != 0 || stream->timeout_ns == 0)
		argp_error(state, "--timeout takes a time as in 5s or 200ms, not '%s'", arg);
}

static error_t
stream_parse(int key, char *arg, struct argp_state *state)
{
	struct tsr_stream *stream = state->input;

	switch (key) {
	case 't':
		tsr_stream_parse_timeout(stream, arg, state);
		return 0;
	case ARGP_KEY_ARG:
		if (stream->address.name[0] != '\0')
			argp_error(state, "'%s' is one argument too many", arg);
		if (tsr_address_parse(arg, &stream->address) != 0)
			argp_error(state,
			           "'%s' names no channel: 1 to %d characters, as in "
			           "demo/files",
			           arg, TSR_NAME_BYTES - 1);
		return 0;
	case ARGP_KEY_END:
		if (stream->address.name[0] == '\0')
			argp_error(state, "which channel? As in demo/files");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp tsr_stream_argp = {.options = stream_options, .parser = stream_parse};

uint64_t
tsr_stream_deadline(const struct tsr_stream *stream)
{
	return stream->timeout_ns == TSR_FOREVER ? TSR_FOREVER : tsr_now_ns() + stream->timeout_ns;
}

void
tsr_stream_count(struct tsr_stream *stream, uint64_t messages, uint64_t bytes)
{
	if (stream->start_ns == 0)
		stream->start_ns = tsr_now_ns();
	stream->messages += messages;
	stream->bytes += bytes;
}

/* The end of a slice of a wait that lasts until @deadline_ns. */
static uint64_t
stream_slice(uint64_t deadline_ns)
{
	uint64_t const slice = tsr_deadline_in_ms(TSR_STREAM_SLICE_MS);

	return slice < deadline_ns ? slice : deadline_ns;
}

/* Did only the slice end? */
static bool
stream_again(int error, uint64_t deadline_ns)
{
	return error == -ETIMEDOUT && tsr_now_ns() < deadline_ns && !tsr_stop_asked();
}

/* A select that runs into its deadline is no failure of an end. */
static int
stream_select(struct tsr_case only, uint64_t deadline_ns)
{
	struct tsr_select select = {.size = sizeof(select), .cases = &only, .count = 1};
	int error;

	do {
		error = tsr_select(&select, stream_slice(deadline_ns));
	} while (stream_again(error, deadline_ns));
	return error;
}

int
tsr_stream_send(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns)
{
	int error = stream_select((struct tsr_case){.sender = sender, .msg = msg}, deadline_ns);

	/* What can't be one of several: a rendezvous. */
	if (error != -EINVAL)
		return error;
	do {
		error = tsr_send(sender, msg, stream_slice(deadline_ns));
	} while (stream_again(error, deadline_ns));
	return error;
}

int
tsr_stream_recv(struct tsr_receiver receiver, struct tsr_msg *msgs, size_t max,
                uint64_t deadline_ns, size_t *count)
{
	int error = tsr_recv_batch(receiver, msgs, max, TSR_NOWAIT, count);

	if (error != -EAGAIN)
		return error;
	error = stream_select((struct tsr_case){.receiver = receiver, .msg = msgs}, deadline_ns);
	if (error == 0)
		*count = 1;
	return error;
}

int
tsr_stream_alloc(const struct tsr_stream *stream, uint32_t bytes, struct tsr_msg *msg,
                 uint64_t deadline_ns)
{
	int error;

	do {
		error = tsr_alloc_wait(stream->client, bytes, msg, stream_slice(deadline_ns));
	} while (stream_again(error, deadline_ns));
	return error;
}

int
tsr_stream_refused(const struct tsr_stream *stream, int error)
{
	if (error == -EPIPE || error == -ECONNRESET) {
		tsr_cli_warn("the channel '%s/%s' is full and its receiver %s; what it holds is "
		             "freed by 'tessera channel rm %s/%s'",
		             stream->address.realm, stream->address.name,
		             error == -EPIPE ? "has closed" : "died", stream->address.realm,
		             stream->address.name);
		return TSR_EXIT_RUNTIME;
	}
	return tsr_cli_fail(error, "a message can't be sent to '%s/%s'", stream->address.realm,
	                    stream->address.name);
}

json_t *
tsr_stream_report(const struct tsr_stream *stream)
{
	uint64_t const took_ns = stream->start_ns == 0 ? 0 : tsr_now_ns() - stream->start_ns;
	json_t *const report = tsr_report_new();

	tsr_report_set(report, "realm", json_string(stream->address.realm));
	tsr_report_set(report, "channel", json_string(stream->address.name));
	tsr_report_set(report, "messages", tsr_report_count(stream->messages));
	tsr_report_set(report, "bytes", tsr_report_count(stream->bytes));
	tsr_report_set(report, "took_ns", tsr_report_count(took_ns));
	return report;
}

void
tsr_stream_show(const struct tsr_stream *stream, const char *verb, FILE *out)
{
	char bytes[TSR_UNIT_TEXT_BYTES], count[TSR_UNIT_TEXT_BYTES], took[TSR_UNIT_TEXT_BYTES];
	json_t *const report = tsr_stream_report(stream);

	if (!tsr_cli_print(out, report) && isatty(fileno(out))) {
		tsr_size_format(stream->bytes, bytes);
		tsr_count_format(stream->messages, count);
		tsr_duration_format(
			(uint64_t)json_integer_value(json_object_get(report, "took_ns")), took);
		fprintf(out, "%s %s in %s messages, %s\n", verb, bytes, count, took);
	}
	json_decref(report);
}
