/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera demo: files from one process to another, checked and measured. See demo.h. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/daemon.h"
#include "apps/demo.h"
#include "apps/demo_run.h"
#include "apps/hash.h"
#include "apps/table.h"
#include "apps/units.h"

#define DEMO_INPUT       "/usr/share"
#define DEMO_LIMIT_BYTES (UINT64_C(512) * 1048576)

enum {
	DEMO_ROLE = 0x100,
	DEMO_CHANNEL,
	DEMO_THROUGH,
	DEMO_CORRUPT,
	DEMO_KEEP,
	DEMO_LIMIT,
	DEMO_SET,
};

static const struct argp_option demo_options[] = {
	{"input", 'i', "DIR", 0, "Stream the files below DIR (default: /usr/share)", 0},
	{"limit", DEMO_LIMIT, "SIZE", 0,
         "Only the first SIZE of them, as in 64M (default: all of DIR; 512M of /usr/share)", 0},
	{"keep", DEMO_KEEP, NULL, 0, "Leave the daemon running that was started for this", 0},
	{"set", DEMO_SET, "PATH=VALUE", 0,
         "A setting for the daemon that is started for this; repeatable", 0},
	{"role", DEMO_ROLE, "ROLE", OPTION_HIDDEN, NULL, 0},
	{"channel", DEMO_CHANNEL, "NAME", OPTION_HIDDEN, NULL, 0},
	{"through", DEMO_THROUGH, NULL, OPTION_HIDDEN, NULL, 0},
	{"corrupt-one-bit", DEMO_CORRUPT, NULL, OPTION_HIDDEN, NULL, 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

struct demo_arguments {
	struct tsr_demo demo;
	struct tsr_demo_role role;
};

static error_t
demo_parse_hidden(int key, char *arg, struct demo_arguments *arguments, struct argp_state *state)
{
	switch (key) {
	case DEMO_ROLE:
		if (strcmp(arg, "send") != 0 && strcmp(arg, "recv") != 0)
			argp_error(state, "--role takes send or recv");
		arguments->role.name = arg;
		return 0;
	case DEMO_CHANNEL:
		arguments->role.channel = arg;
		return 0;
	case DEMO_THROUGH:
		arguments->role.through = true;
		arguments->demo.through = true;
		return 0;
	case DEMO_CORRUPT:
		arguments->role.corrupt = true;
		arguments->demo.corrupt = true;
		return 0;
	default:
		return tsr_cli_no_argument(key, arg, state);
	}
}

static error_t
demo_parse(int key, char *arg, struct argp_state *state)
{
	struct demo_arguments *arguments = state->input;
	struct tsr_demo *demo = &arguments->demo;

	switch (key) {
	case 'i':
		demo->input = arg;
		return 0;
	case DEMO_LIMIT:
		if (tsr_size_parse(arg, &demo->limit) != 0 || demo->limit == 0)
			argp_error(state, "--limit takes a size as in 64M, not '%s'", arg);
		arguments->role.bytes = demo->limit;
		return 0;
	case DEMO_KEEP:
		demo->keep = true;
		return 0;
	case DEMO_SET:
		if (demo->sets_count == TSR_DAEMON_SETS_MAX)
			argp_error(state, "--set can be given %d times", TSR_DAEMON_SETS_MAX);
		demo->sets[demo->sets_count++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (arguments->role.name != NULL && arguments->role.channel == NULL)
			argp_error(state, "a role needs a channel");
		return 0;
	default:
		return demo_parse_hidden(key, arg, arguments, state);
	}
}

/* Find what to stream. Return: an exit status; what failed is said. */
static int
demo_source(struct tsr_demo *demo)
{
	const char *dir = demo->input != NULL ? demo->input : DEMO_INPUT;
	uint64_t limit = demo->limit;
	int error;

	if (limit == 0)
		limit = demo->input != NULL ? INT64_MAX : DEMO_LIMIT_BYTES;
	error = tsr_source_walk(dir, limit, &demo->source);
	if (error != 0) {
		tsr_cli_warn("'%s' can't be read: %s; name another with --input DIR", dir,
		             strerror(-error));
		return error == -ENOENT ? TSR_EXIT_NOT_FOUND : TSR_EXIT_RUNTIME;
	}
	demo->input = dir;
	if (demo->source.bytes > 0)
		return TSR_EXIT_OK;
	tsr_cli_warn("there is nothing to stream below '%s' (%llu entries can't be read); name "
	             "another with --input DIR",
	             dir, (unsigned long long)demo->source.unreadable);
	tsr_source_free(&demo->source);
	return TSR_EXIT_NOT_FOUND;
}

/* Is there a daemon that lets us in? Return: 0, and its socket in @demo; a negative errno. */
static int
demo_try_daemon(struct tsr_demo *demo)
{
	struct tsr_attach_options options = {
		.size = sizeof(options), .realm = tsr_globals.realm, .name = "tessera demo"};
	struct tsr_control control;
	struct tsr_client client;
	int error = tsr_control_open(&control, tsr_globals.socket, tsr_cli_deadline());

	if (error != 0)
		return error;
	strcpy(demo->socket, control.path);
	tsr_control_close(&control);
	options.socket = demo->socket;
	error = tsr_attach(&options, &client);
	return error == 0 ? tsr_detach(client) : error;
}

/* Use the daemon that is there, or start one. Return: an exit status; what failed is said. */
static int
demo_daemon(struct tsr_demo *demo, struct tsr_daemon *daemon)
{
	int error = demo_try_daemon(demo), status;
	/* The system's daemon may be there and not let us in: then ours is started. */
	bool const start = error == -ECONNREFUSED || error == -ENOENT || error == -ENOTDIR ||
	                   (error == -EACCES && tsr_globals.socket == NULL);

	daemon->pid = 0;
	daemon->log = -1;
	demo->socket_said = tsr_globals.socket != NULL;
	if (error != 0 && !start)
		return tsr_cli_fail(error, "the daemon can't be used");
	if (error != 0) {
		status = tsr_daemon_start(tsr_globals.socket, demo->sets, demo->keep, daemon);
		if (status != TSR_EXIT_OK)
			return status;
		strcpy(demo->socket, daemon->path);
	}
	/* All that follows talks to this one. */
	tsr_globals.socket = demo->socket;
	return TSR_EXIT_OK;
}

/* What the realm is made of, before, and what the daemon says about it. */
static int
demo_facts(const struct tsr_demo *demo, json_t *report)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	struct tsr_client_info info = {.size = sizeof(info)};
	static struct tsr_proto_status_reply reply;
	struct tsr_control control;
	struct tsr_client client;
	char name[TSR_NAME_BYTES];
	int error, status = tsr_cli_attach(tsr_globals.realm, &client);

	if (status != 0)
		return status;
	error = tsr_client_info(client, &info);
	/* The channels of this run are of no more use. */
	for (int phase = 0; phase < TSR_DEMO_PHASES && error == 0; phase++) {
		struct tsr_demo_role const role = {.channel = demo->channel};

		tsr_demo_channel(&role, (enum tsr_demo_phase)phase, name);
		error = tsr_channel_remove(client, name);
	}
	if (error == 0)
		error = tsr_detach(client);
	if (error == 0)
		error = tsr_control_open(&control, demo->socket, tsr_cli_deadline());
	if (error != 0)
		return tsr_cli_fail(error, "the realm after the demo");
	error = tsr_control_ask(&control, TSR_PROTO_STATUS, &request, sizeof(request), &reply,
	                        sizeof(reply), NULL, tsr_cli_deadline());
	tsr_control_close(&control);
	if (error != 0)
		return tsr_cli_fail(error, "the daemon's status can't be had");
	tsr_report_set(report, "backing", tsr_report_text(info.backing, sizeof(info.backing)));
	tsr_report_set(report, "hint", tsr_report_text(reply.hint, sizeof(reply.hint)));
	tsr_report_set(report, "daemon_pid", json_integer(reply.pid));
	return TSR_EXIT_OK;
}

static void
demo_report_input(const struct tsr_demo *demo, json_t *report)
{
	const struct tsr_source *source = &demo->source;

	tsr_report_set(report, "load_before", json_real(demo->load));
	tsr_report_set(report, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	tsr_report_set(report, "input", json_string(demo->input));
	tsr_report_set(report, "files", tsr_report_count(source->files));
	tsr_report_set(report, "unreadable", tsr_report_count(source->unreadable));
	tsr_report_set(report, "cut_file",
	               source->cut_file != NULL ? json_string(source->cut_file) : json_null());
	tsr_report_set(report, "cut_bytes", tsr_report_count(source->cut_bytes));
	tsr_report_set(report, "bytes", tsr_report_count(source->bytes));
	tsr_report_set(report, "block_bytes", json_integer(TSR_DEMO_BLOCK_BYTES));
}

/* Merge what the receiver told; say whether both ends are the same. */
static bool
demo_report_result(json_t *report, json_t *result, const char *hex)
{
	json_t *latency = json_object();
	json_t *saturated = json_object_get(result, "saturated");
	json_int_t const took = json_integer_value(json_object_get(result, "end_ns")) -
	                        json_integer_value(json_object_get(result, "start_ns"));
	json_int_t const messages = json_integer_value(json_object_get(saturated, "messages"));
	json_int_t const bytes = json_integer_value(json_object_get(result, "bytes"));
	double const seconds = (double)(took > 0 ? took : 1) / 1e9;
	json_t *received = json_object_get(result, "sha256");
	bool const same = strcmp(json_string_value(received), hex) == 0;

	tsr_report_set(report, "messages", json_integer(messages));
	tsr_report_set(report, "received_bytes", json_integer(bytes));
	tsr_report_set(report, "took_ns", json_integer(took));
	tsr_report_set(report, "bytes_per_second",
	               json_integer((json_int_t)((double)bytes / seconds)));
	tsr_report_set(report, "messages_per_second",
	               json_integer((json_int_t)((double)messages / seconds)));
	tsr_report_set(report, "sends_that_waited", json_incref(json_object_get(result, "waited")));
	tsr_report_set(report, "hashed_on_the_way",
	               json_incref(json_object_get(result, "through")));
	tsr_report_set(report, "sha256_source", json_string(hex));
	tsr_report_set(report, "sha256_received", json_incref(received));
	tsr_report_set(report, "identical", json_boolean(same));
	tsr_report_set(latency, "unloaded", json_incref(json_object_get(result, "unloaded")));
	tsr_report_set(latency, "saturated", json_incref(saturated));
	tsr_report_set(report, "latency", latency);
	return same;
}

static void
demo_report_daemon(const struct tsr_demo *demo, bool started, json_t *report)
{
	bool const lives = !started || demo->keep;
	json_t *next = json_array();
	json_t *called = demo->socket_said
	                         ? json_sprintf("%s --socket %s", tsr_globals.program, demo->socket)
	                         : json_string(tsr_globals.program);
	const char *program = json_string_value(called);

	tsr_report_set(report, "socket", json_string(demo->socket));
	tsr_report_set(report, "daemon_started", json_boolean(started));
	tsr_report_set(report, "daemon_runs", json_boolean(lives));
	tsr_report_set(report, "stop", json_sprintf("%s stop", program));
	tsr_report_add(next, json_sprintf("%s doctor", program));
	if (!lives)
		tsr_report_add(next, json_sprintf("%s demo --keep", program));
	else
		tsr_report_add(next, json_sprintf("tar c doc | %s send demo/files & %s recv "
		                                  "demo/files | tar t",
		                                  program, program));
	tsr_report_add(next, json_sprintf("%s status", program));
	tsr_report_set(report, "next", next);
	json_decref(called);
}

/* With the daemon there: hash, stream, compare, report. Return: an exit status. */
static int
demo_measure(struct tsr_demo *demo, bool started)
{
	char hex[TSR_HASH_HEX_BYTES];
	json_t *report, *result = NULL;
	bool same;
	int status = tsr_demo_reference(demo, hex);

	if (status == TSR_EXIT_OK)
		status = tsr_demo_run(demo, &result);
	if (status != TSR_EXIT_OK)
		return status;
	report = tsr_report_new();
	demo_report_input(demo, report);
	same = demo_report_result(report, result, hex);
	status = demo_facts(demo, report);
	demo_report_daemon(demo, started, report);
	if (status == TSR_EXIT_OK && !tsr_cli_print(stdout, report))
		tsr_demo_show(report);
	json_decref(result);
	json_decref(report);
	if (same)
		return status;
	tsr_cli_warn("FAILED: what arrived is not what was sent (the SHA-256 sums differ). If "
	             "files below the input changed meanwhile, run it again on some that don't");
	return TSR_EXIT_RUNTIME;
}

int
tsr_cmd_demo(int argc, char **argv)
{
	struct demo_arguments arguments = {.role = {.name = NULL}};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = demo_options,
		.parser = demo_parse,
		.doc = "Stream files from one process to another, check and measure.\v"
		       "Starts a daemon of this user if none runs, and stops it again. What "
		       "arrives is compared by SHA-256 with the source.",
		.children = children,
	};
	struct tsr_demo *demo = &arguments.demo;
	struct tsr_daemon daemon;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (arguments.role.name != NULL)
		return strcmp(arguments.role.name, "send") == 0 ? tsr_demo_send(&arguments.role)
		                                                : tsr_demo_recv(&arguments.role);
	if (getloadavg(&demo->load, 1) != 1)
		demo->load = 0;
	status = demo_source(demo);
	if (status != TSR_EXIT_OK)
		return status;
	tsr_demo_watch();
	snprintf(demo->channel, sizeof(demo->channel), "demo.%d", (int)getpid());
	status = demo_daemon(demo, &daemon);
	if (status == TSR_EXIT_OK)
		status = demo_measure(demo, daemon.pid != 0);
	/* What failed is not worth keeping. */
	if (daemon.pid != 0 && (!demo->keep || status != TSR_EXIT_OK))
		tsr_daemon_end(&daemon);
	if (tsr_demo_interrupted())
		tsr_cli_warn("interrupted: all that was started for the demo has ended");
	tsr_source_free(&demo->source);
	return status;
}
