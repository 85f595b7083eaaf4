/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera upgrade: have another binary take the daemon's realms over, and see that it serves. */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/rows.h"
#include "apps/table.h"
#include "apps/units.h"

#define UPGRADE_DEFAULT_NS (30 * TSR_NS_PER_SECOND)
#define UPGRADE_LOOK_MS    10  /* between two looks for the successor */
#define UPGRADE_ASK_MS     500 /* one of these */

struct upgrade {
	const char *binary; /* as it was given; NULL */
	uint64_t timeout_ns;
	uint64_t begun_ns;
	uint64_t deadline_ns;
	int process; /* pidfd of the daemon that leaves; -1: it can't be had */
	uint64_t instance;
	uint32_t pid;
	char before[32]; /* its release */
	struct tsr_proto_upgrade_reply reply;
	struct tsr_proto_status_reply now; /* the successor's */
};

static const struct argp_option upgrade_options[] = {
	{"timeout", 't', "TIME", 0, "How long it may take until the next one serves (30s)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column upgrade_facts[] = {
	{"socket", "socket", TSR_CELL_TEXT},
	{"binary", "binary", TSR_CELL_TEXT},
	{"release_before", "release before", TSR_CELL_TEXT},
	{"release", "release now", TSR_CELL_TEXT},
	{"pid_before", "process before", TSR_CELL_TEXT},
	{"pid", "process now", TSR_CELL_TEXT},
	{"took_ns", "took", TSR_CELL_NS},
	{"gap_ns", "  nobody served for", TSR_CELL_NS},
	{"realms_taken", "realms taken over", TSR_CELL_COUNT},
	{"clients", "  clients", TSR_CELL_COUNT},
	{"clients_away", "  not back yet", TSR_CELL_COUNT},
	{"channels", "  channels", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column upgrade_realms[] = {
	{"realm", "REALM", TSR_CELL_TEXT},        {"epoch", "EPOCH", TSR_CELL_COUNT},
	{"clients", "CLIENTS", TSR_CELL_COUNT},   {"channels", "CHANNELS", TSR_CELL_COUNT},
	{"regions", "REGIONS", TSR_CELL_COUNT},   {"tickets", "TICKETS", TSR_CELL_COUNT},
	{"tickets_free", "FREE", TSR_CELL_COUNT}, {NULL, NULL, TSR_CELL_TEXT},
};

static error_t
upgrade_parse(int key, char *arg, struct argp_state *state)
{
	struct upgrade *const upgrade = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case 't':
		if (tsr_duration_parse(arg, &upgrade->timeout_ns) != 0 ||
		    upgrade->timeout_ns == 0 || upgrade->timeout_ns > TSR_INTERVAL_NS_MAX)
			argp_error(state, "--timeout %s, expected up to 1 hour: 30s, 500ms", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (upgrade->binary != NULL)
			return tsr_cli_no_argument(key, arg, state);
		if (arg[0] == '\0')
			argp_error(state, "an empty path, expected that of a tesserad");
		upgrade->binary = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The path as the daemon, which is elsewhere, has to have it. */
static int
upgrade_name(const struct upgrade *upgrade, struct tsr_proto_upgrade *request)
{
	char *const folder = get_current_dir_name();
	int length = 0;

	if (upgrade->binary != NULL && upgrade->binary[0] != '/' && folder != NULL)
		length = snprintf(request->binary, sizeof(request->binary), "%s/%s", folder,
		                  upgrade->binary);
	else if (upgrade->binary != NULL)
		length = snprintf(request->binary, sizeof(request->binary), "%s", upgrade->binary);
	free(folder);
	return length < (int)sizeof(request->binary) ? 0 : -ENAMETOOLONG;
}

/* Return: 0; a negative errno: it goes on as it was. */
static int
upgrade_ask(struct tsr_control *control, struct upgrade *upgrade)
{
	struct tsr_proto_upgrade request = {.binary = ""};
	int error = upgrade_name(upgrade, &request);

	if (error != 0)
		return error;
	upgrade->begun_ns = tsr_now_ns();
	upgrade->deadline_ns = upgrade->begun_ns + upgrade->timeout_ns;
	upgrade->instance = control->instance;
	upgrade->pid = control->daemon_pid;
	memcpy(upgrade->before, control->release, sizeof(upgrade->before));
	upgrade->process = pidfd_open((pid_t)control->daemon_pid, 0);
	for (;;) {
		error = tsr_control_ask(control, TSR_PROTO_UPGRADE, &request, sizeof(request),
		                        &upgrade->reply, sizeof(upgrade->reply), NULL,
		                        upgrade->deadline_ns);
		/* One that has just begun is soon ready for it. */
		if (error != -EBUSY || tsr_now_ns() >= upgrade->deadline_ns)
			return error;
		(void)poll(NULL, 0, UPGRADE_LOOK_MS);
	}
}

static bool
upgrade_ended(const struct upgrade *upgrade)
{
	struct pollfd process = {.fd = upgrade->process, .events = POLLIN};

	return upgrade->process >= 0 && poll(&process, 1, 0) > 0;
}

/* Is it there, and done with its start? */
static bool
upgrade_look(struct upgrade *upgrade, const char *path, struct tsr_control *control)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	uint64_t const deadline_ns = tsr_deadline_in_ms(UPGRADE_ASK_MS);

	if (tsr_control_open(control, path, deadline_ns) != 0)
		return false;
	if (control->instance != upgrade->instance &&
	    tsr_control_ask(control, TSR_PROTO_STATUS, &request, sizeof(request), &upgrade->now,
	                    sizeof(upgrade->now), NULL, deadline_ns) == 0 &&
	    (upgrade->now.flags & TSR_STATUS_STARTING) == 0)
		return true;
	tsr_control_close(control);
	return false;
}

/* Until another one than before is ready. Return: 0; -ENOTCONN none will be; -ETIMEDOUT. */
static int
upgrade_await(struct upgrade *upgrade, const char *path, struct tsr_control *control)
{
	bool const same = upgrade->reply.how == TSR_UPGRADE_EXEC;

	for (;;) {
		/* Before it is asked: one that ends afterwards has answered. */
		bool const ended = upgrade_ended(upgrade);

		if (upgrade_look(upgrade, path, control))
			return 0;
		if (same && ended)
			return -ENOTCONN;
		if (tsr_now_ns() >= upgrade->deadline_ns)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, UPGRADE_LOOK_MS);
	}
}

/* What has to be done now, for nobody else will. */
static int
upgrade_failed(const struct upgrade *upgrade, int error)
{
	if (error == -ENOTCONN)
		tsr_cli_warn("%s ended before it served (process %u): its log says why. The realms "
		             "are kept and their clients wait: start a daemon again, '%s'",
		             upgrade->reply.binary, upgrade->pid, tsr_cli_daemon_command());
	else
		tsr_cli_warn("%s does not serve yet, after %llu ms: look at its log (process %u). "
		             "The realms are kept and their clients wait; if it has ended, start a "
		             "daemon again, '%s'",
		             upgrade->reply.binary,
		             (unsigned long long)(upgrade->timeout_ns / TSR_NS_PER_MS),
		             upgrade->pid, tsr_cli_daemon_command());
	return tsr_cli_exit(error);
}

static json_t *
upgrade_realm(const void *from)
{
	const struct tsr_proto_row_realm *row = from;
	json_t *out = json_object();

	tsr_report_set(out, "realm", tsr_report_text(row->name, sizeof(row->name)));
	tsr_report_set(out, "epoch", tsr_report_count(row->epoch));
	tsr_report_set(out, "clients", json_integer(row->clients));
	tsr_report_set(out, "channels", json_integer(row->channels));
	tsr_report_set(out, "regions", json_integer(row->regions));
	tsr_report_set(out, "tickets", json_integer(row->tickets));
	tsr_report_set(out, "tickets_free", json_integer(row->tickets_free));
	return out;
}

static void
upgrade_fill(const struct upgrade *upgrade, json_t *out)
{
	const struct tsr_proto_status_reply *const now = &upgrade->now;
	const char *const binary = upgrade->reply.binary;

	tsr_report_set(out, "binary", tsr_report_text(binary, sizeof(upgrade->reply.binary)));
	tsr_report_set(out, "release_before",
	               tsr_report_text(upgrade->before, sizeof(upgrade->before)));
	tsr_report_set(out, "release", tsr_report_text(now->release, sizeof(now->release)));
	tsr_report_set(out, "pid_before", json_integer(upgrade->pid));
	tsr_report_set(out, "pid", json_integer(now->pid));
	tsr_report_set(out, "took_ns", tsr_report_count(tsr_now_ns() - upgrade->begun_ns));
	tsr_report_set(out, "gap_ns", tsr_report_count(now->upgraded_ns));
	tsr_report_set(out, "realms_taken", json_integer(now->realms_taken));
	tsr_report_set(out, "clients", json_integer(now->clients));
	tsr_report_set(out, "clients_away", json_integer(now->clients_away));
	tsr_report_set(out, "channels", json_integer(now->channels));
}

/* Return: an exit status. */
static int
upgrade_report(struct tsr_control *control, const struct upgrade *upgrade)
{
	uint32_t const taken = upgrade->now.realms_taken;
	json_t *const report = tsr_report_new();
	json_t *realms = NULL;
	int status;

	tsr_report_set(report, "socket", json_string(control->path));
	upgrade_fill(upgrade, report);
	tsr_globals.realm = NULL; /* all of them */
	status = tsr_cli_list(control, TSR_LIST_REALMS, sizeof(struct tsr_proto_row_realm),
	                      upgrade_realm, &realms);
	if (status == 0) {
		tsr_report_set(report, "realms", realms);
		if (!tsr_cli_print(stdout, report)) {
			tsr_table_facts(stdout, report, upgrade_facts);
			fputc('\n', stdout);
			tsr_table_rows(stdout, realms, upgrade_realms);
		}
	}
	json_decref(report);
	if (status == 0 && (upgrade->now.flags & TSR_STATUS_AGAIN) != 0) {
		tsr_cli_warn("%s could not be run after all: release %s goes on",
		             upgrade->reply.binary, upgrade->before);
		status = TSR_EXIT_RUNTIME;
	}
	if (status == 0 && taken < upgrade->reply.realms) {
		tsr_cli_warn("%u of %u realms could not be taken over, their clients are cut off: "
		             "'tessera events --kind condemn' says why",
		             upgrade->reply.realms - taken, upgrade->reply.realms);
		status = TSR_EXIT_RUNTIME;
	}
	return status;
}

static int
upgrade_do(struct tsr_control *control, struct upgrade *upgrade)
{
	struct tsr_control next;
	int error = upgrade_ask(control, upgrade);
	int status;

	if (error != 0)
		return tsr_cli_fail(error, "the daemon can't be upgraded");
	if (!tsr_globals.json)
		tsr_cli_warn("%s (release %s) can take over, process %u leaves %u realms to it",
		             upgrade->reply.binary, upgrade->reply.release, upgrade->pid,
		             upgrade->reply.realms);
	error = upgrade_await(upgrade, control->path, &next);
	if (error != 0)
		return upgrade_failed(upgrade, error);
	status = upgrade_report(&next, upgrade);
	tsr_control_close(&next);
	return status;
}

int
tsr_cmd_upgrade(int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {0}};
	struct argp const argp = {
		.options = upgrade_options,
		.parser = upgrade_parse,
		.args_doc = "[BINARY]",
		.doc = "Have another tesserad take the daemon's realms over, while they are in "
		       "use; "
		       "returns when it serves.\v"
		       "Without BINARY it is the one that now lies where the running one was "
		       "started. Clients lose nothing: they go on, and come back by themselves. It "
		       "needs a holder, or systemd: see tesserad(8). A binary that can't take "
		       "over is refused before anything is touched.",
		.children = children,
	};
	static struct upgrade upgrade = {.timeout_ns = UPGRADE_DEFAULT_NS, .process = -1};
	struct tsr_control control;
	int status;

	(void)argp_parse(&argp, argc, argv, 0, NULL, &upgrade);
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	status = upgrade_do(&control, &upgrade);
	if (upgrade.process >= 0)
		(void)close(upgrade.process);
	tsr_control_close(&control);
	return status;
}
