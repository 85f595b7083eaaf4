/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera events: what happens to realms, clients and the daemon. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/cli.h"
#include "apps/feed_row.h"
#include "apps/stop.h"
#include "apps/table.h"
#include "apps/units.h"

#define EVENTS_RETRY_NS  UINT64_C(200000000)
#define EVENTS_AT_ONCE   1 /* a deadline that has passed: what can be had without a wait */
#define EVENTS_ROWS_MAX  (TSR_PROTO_PACKET_MAX / sizeof(struct tsr_proto_row_feed))
#define EVENTS_NO_FOLLOW 0x100
#define EVENTS_SINCE     0x101

struct events_options {
	uint64_t last;     /* of those that have been */
	uint64_t since_ns; /* not older; UINT64_MAX: whenever */
	uint32_t kinds;
	bool no_follow;
};

/* An answer. */
struct events_packet {
	struct tsr_proto_feed_reply head;
	struct tsr_proto_row_feed rows[EVENTS_ROWS_MAX];
};

/* What has been, before we came: the last of it are kept until it is known which these are. */
struct events_past {
	struct tsr_proto_row_feed rows[TSR_FEED_MAX];
	uint64_t count; /* ever; the last is at (count - 1) modulo TSR_FEED_MAX */
};

static const struct argp_option events_options[] = {
	{"kind", 'k', "KIND[,...]", 0,
         "Only of this kind: start, stop, realm, condemn, attach, detach, kill, death, repair, "
         "channel, refusal, drop, reload, evict, keep, upgrade; repeatable",
         0},
	{"last", 'n', "N", 0, "Of what has been, the last N (default: all that the daemon keeps)",
         0},
	{"since", EVENTS_SINCE, "TIME", 0, "Of what has been, only what is not older: 30s, 5m", 0},
	{"no-follow", EVENTS_NO_FOLLOW, NULL, 0, "End, and don't wait for what comes", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static void
events_parse_kinds(struct argp_state *state, char *text, uint32_t *kinds)
{
	char *rest = NULL;

	for (char *word = strtok_r(text, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest)) {
		uint32_t kind = 0;

		while (kind < TSR_FEED_KINDS && strcmp(word, tsr_feed_kind_name(kind)) != 0)
			kind++;
		if (kind == TSR_FEED_KINDS)
			argp_error(state, "there is no kind '%s' of events", word);
		*kinds |= UINT32_C(1) << kind;
	}
}

static error_t
events_parse(int key, char *arg, struct argp_state *state)
{
	struct events_options *const options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case 'k':
		events_parse_kinds(state, arg, &options->kinds);
		return 0;
	case 'n':
		if (tsr_count_parse(arg, 0, INT64_MAX, &options->last) != 0)
			argp_error(state, "--last %s, expected 0 or more", arg);
		return 0;
	case EVENTS_SINCE:
		if (tsr_duration_parse(arg, &options->since_ns) != 0)
			argp_error(state, "--since %s, expected a time: 30s, 5m", arg);
		return 0;
	case EVENTS_NO_FOLLOW:
		options->no_follow = true;
		return 0;
	default:
		return tsr_cli_no_argument(key, arg, state);
	}
}

static void
events_write(json_t *object)
{
	(void)json_dumpf(object, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(object);
}

static void
events_show(const struct tsr_proto_row_feed *row)
{
	if (tsr_globals.json)
		events_write(tsr_feed_object(row));
	else
		tsr_feed_print(stdout, row);
}

static void
events_show_missed(uint64_t missed)
{
	json_t *out;

	if (!tsr_globals.json) {
		(void)printf("%llu events were missed: they came faster than they could be read\n",
		             (unsigned long long)missed);
		return;
	}
	out = tsr_report_new();
	tsr_report_set(out, "kind", json_string("missed"));
	tsr_report_set(out, "count", tsr_report_count(missed));
	events_write(out);
}

/*
 * Ask once. What is to be waited for may be long in coming: a signal, or the end of who reads us,
 * ends that wait. Return: 0; -ECANCELED by that; -EPROTO; what tsr_control_ask() gave.
 */
static int
events_ask(struct tsr_control *control, struct tsr_proto_feed *request,
           struct events_packet *packet)
{
	bool const wait = (request->flags & TSR_PROTO_FEED_WAIT) != 0;
	size_t got;
	int error =
		tsr_control_ask(control, TSR_PROTO_FEED, request, sizeof(*request), packet,
	                        sizeof(*packet), &got, wait ? EVENTS_AT_ONCE : tsr_cli_deadline());

	while (wait && error == -ETIMEDOUT) {
		(void)tsr_stop_wait(control->fd, UINT64_MAX);
		if (tsr_stop_asked())
			return -ECANCELED;
		error = tsr_control_more(control, TSR_PROTO_FEED, packet, sizeof(*packet), &got,
		                         EVENTS_AT_ONCE);
	}
	if (error != 0)
		return error;
	if (got < sizeof(packet->head) || packet->head.rows > EVENTS_ROWS_MAX ||
	    (packet->head.rows != 0 && packet->head.row_bytes != sizeof(packet->rows[0])) ||
	    got != sizeof(packet->head) + packet->head.rows * sizeof(packet->rows[0]))
		return -EPROTO;
	request->from = packet->head.next;
	return 0;
}

static void
events_show_past(const struct events_past *past, const struct events_options *options)
{
	uint64_t const kept = past->count < TSR_FEED_MAX ? past->count : TSR_FEED_MAX;
	uint64_t const count = options->last < kept ? options->last : kept;
	struct timespec now;
	uint64_t now_ns;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	now_ns = (uint64_t)now.tv_sec * TSR_NS_PER_SECOND + (uint64_t)now.tv_nsec;
	for (uint64_t i = past->count - count; i < past->count; i++) {
		const struct tsr_proto_row_feed *const row = &past->rows[i % TSR_FEED_MAX];

		if (options->since_ns >= now_ns || row->wall_ns >= now_ns - options->since_ns)
			events_show(row);
	}
}

/* All that has been, and then the part that is wanted of it. */
static int
events_catch_up(struct tsr_control *control, struct tsr_proto_feed *request,
                const struct events_options *options, struct events_packet *packet)
{
	struct events_past *const past = calloc(1, sizeof(*past));
	int error;

	if (past == NULL)
		return -ENOMEM;
	do {
		error = events_ask(control, request, packet);
		for (uint32_t i = 0; error == 0 && i < packet->head.rows; i++)
			past->rows[past->count++ % TSR_FEED_MAX] = packet->rows[i];
	} while (error == 0 && packet->head.next <= packet->head.newest);
	if (error == 0)
		events_show_past(past, options);
	free(past);
	return error;
}

/* What comes, until the daemon goes, we are interrupted, or nobody reads what we write. */
static int
events_follow(struct tsr_control *control, struct tsr_proto_feed *request,
              struct events_packet *packet)
{
	int error = 0;

	request->flags = TSR_PROTO_FEED_WAIT;
	while (error == 0 && fflush(stdout) == 0) {
		error = events_ask(control, request, packet);
		if (error != 0)
			break;
		if (packet->head.missed != 0)
			events_show_missed(packet->head.missed);
		for (uint32_t i = 0; i < packet->head.rows; i++)
			events_show(&packet->rows[i]);
	}
	return error;
}

/* Wait until a daemon answers again. Return: 0; what it refused us with. */
static int
events_reconnect(struct tsr_control *control, struct tsr_proto_feed *request)
{
	uint64_t const instance = control->instance;
	int error;

	tsr_control_close(control);
	tsr_cli_warn("the daemon is gone: waiting for it to come back");
	do {
		(void)tsr_stop_wait(-1, tsr_now_ns() + EVENTS_RETRY_NS);
		if (tsr_stop_asked())
			return -ECANCELED;
		error = tsr_control_open(control, tsr_globals.socket, tsr_cli_deadline());
	} while (error == -ECONNREFUSED || error == -ENOENT || error == -ENOTCONN ||
	         error == -ENOTDIR || error == -ETIMEDOUT);
	if (error != 0)
		return error;
	if (control->instance != instance)
		request->from = 0;
	tsr_cli_warn("the daemon is back (pid %u)%s", control->daemon_pid,
	             control->instance != instance ? ": its events are numbered anew" : "");
	return 0;
}

static int
events_run(struct tsr_control *control, const struct events_options *options)
{
	static struct events_packet packet;
	struct tsr_proto_feed request = {.kinds = options->kinds};
	int error;

	if (tsr_globals.realm != NULL)
		(void)snprintf(request.realm, sizeof(request.realm), "%s", tsr_globals.realm);
	error = events_catch_up(control, &request, options, &packet);
	while (error == 0 && !options->no_follow) {
		error = events_follow(control, &request, &packet);
		if (error == 0)
			return TSR_EXIT_RUNTIME; /* main() says why */
		if (error == -ENOTCONN)
			error = events_reconnect(control, &request);
	}
	return error == 0 || error == -ECANCELED
	               ? TSR_EXIT_OK
	               : tsr_cli_fail(error, "the daemon's events can't be had");
}

int
tsr_cmd_events(int argc, char **argv)
{
	struct events_options options = {.last = UINT64_MAX, .since_ns = UINT64_MAX};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {0}};
	struct argp const argp = {
		.options = events_options,
		.parser = events_parse,
		.doc = "Show what has happened, and what happens: who attaches, leaves and dies, "
		       "what was repaired, what was refused, reloads.",
		.children = children,
	};
	struct tsr_control control;
	int status;

	(void)argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	tsr_stop_catch();
	tsr_stop_catch_output();
	status = events_run(&control, &options);
	tsr_control_close(&control);
	return status;
}
