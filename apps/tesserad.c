/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* tesserad: the daemon. It stays in the foreground and logs to standard error. */

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "core/config.h"
#include "core/daemon.h"
#include "core/helper.h"
#include "core/holder.h"
#include "core/log.h"
#include "core/rundir.h"
#include "core/upgrade.h"
#include "shm/tessera.h"

#define TESSERAD_SETS_MAX     128
#define TESSERAD_SYSTEM_FILE  "/etc/tessera/tesserad.conf"
#define TESSERAD_EXIT_RUNTIME 1
#define TESSERAD_EXIT_USAGE   2
#define TESSERAD_EXIT_CONFIG  78

enum {
	TESSERAD_CHECK_CONFIG = 0x100,
	TESSERAD_SET,
	TESSERAD_SOCKET,
	TESSERAD_LOG_LEVEL,
	TESSERAD_ISOLATED,
	TESSERAD_HOLDER,
	TESSERAD_FRESH,
	TESSERAD_CAN_TAKE_OVER,
};

struct tesserad_options {
	const char *config;
	bool check_config;
	bool holder;
	bool fresh;
	const char *layout; /* that is asked for; NULL */
	/* In the order given; --socket, --log-level and --isolated are short for a --set. */
	char *sets[TESSERAD_SETS_MAX];
	unsigned sets_count;
};

/* libc looks for it by name, so it must not be hidden. */
TSR_API const char *argp_program_version = "tesserad " TSR_VERSION;

static const struct argp_option tesserad_argp_options[] = {
	{"config", 'c', "FILE", 0,
         "read FILE; -FILE: if it is there (root's default: -/etc/tessera/tesserad.conf)", 0},
	{"set", TESSERAD_SET, "PATH=VALUE", 0, "set one value of the configuration; repeatable", 0},
	{"check-config", TESSERAD_CHECK_CONFIG, NULL, 0,
         "check the configuration, say what is wrong and where, and exit", 0},
	{"socket", TESSERAD_SOCKET, "PATH", 0, "the control socket (socket=PATH)", 0},
	{"log-level", TESSERAD_LOG_LEVEL, "LEVEL", 0,
         "error, warning, notice, info or debug (log.level=LEVEL)", 0},
	{"isolated", TESSERAD_ISOLATED, NULL, 0, "the poll core never sleeps (poll.isolated=true)",
         0},
	{"holder", TESSERAD_HOLDER, NULL, 0,
         "serve no realms, but hold the daemon's descriptors, so that a successor can take its "
         "realms over",
         0},
	{"fresh", TESSERAD_FRESH, NULL, 0, "take nothing over: realms that are held are let go of",
         0},
	{"can-take-over", TESSERAD_CAN_TAKE_OVER, "LAYOUT", 0,
         "say whether this build can take over realms of that layout, and exit: what a daemon "
         "asks before it is upgraded",
         0},
	{0},
};

static void
tesserad_add_set(struct tesserad_options *options, struct argp_state *state, const char *path,
                 const char *value)
{
	char *set;

	if (options->sets_count == TESSERAD_SETS_MAX)
		argp_error(state, "more than %d values are set", TESSERAD_SETS_MAX);
	if (asprintf(&set, "%s%s", path, value) < 0)
		argp_failure(state, TESSERAD_EXIT_RUNTIME, ENOMEM, "options");
	options->sets[options->sets_count++] = set;
}

static error_t
tesserad_parse(int key, char *argument, struct argp_state *state)
{
	struct tesserad_options *const options = state->input;
	char *absolute;

	switch (key) {
	case 'c':
		options->config = argument;
		return 0;
	case TESSERAD_CHECK_CONFIG:
		options->check_config = true;
		return 0;
	case TESSERAD_HOLDER:
		options->holder = true;
		return 0;
	case TESSERAD_FRESH:
		options->fresh = true;
		return 0;
	case TESSERAD_CAN_TAKE_OVER:
		options->layout = argument;
		return 0;
	case TESSERAD_SET:
		tesserad_add_set(options, state, "", argument);
		return 0;
	case TESSERAD_SOCKET:
		absolute = argument[0] == '/' ? NULL : get_current_dir_name();
		if (absolute != NULL) {
			char *joined;

			if (asprintf(&joined, "socket=%s/", absolute) < 0)
				argp_failure(state, TESSERAD_EXIT_RUNTIME, ENOMEM, "options");
			tesserad_add_set(options, state, joined, argument);
			free(joined);
			free(absolute);
			return 0;
		}
		tesserad_add_set(options, state, "socket=", argument);
		return 0;
	case TESSERAD_LOG_LEVEL:
		tesserad_add_set(options, state, "log.level=", argument);
		return 0;
	case TESSERAD_ISOLATED:
		tesserad_add_set(options, state, "poll.isolated=", "true");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not expected: tesserad takes options only", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
tesserad_complain(void *argument, const char *line)
{
	(void)argument;
	(void)fprintf(stderr, "%s\n", line);
}

/* A path that stays what it is wherever the process goes. The caller frees it. */
static char *
tesserad_absolute(const char *path)
{
	char *const folder = path[0] == '/' ? NULL : get_current_dir_name();
	char *absolute = NULL;

	if (path[0] == '/')
		absolute = strdup(path);
	else if (folder != NULL && asprintf(&absolute, "%s/%s", folder, path) < 0)
		absolute = NULL;
	free(folder);
	return absolute;
}

/* Return: 0, or the exit code. */
static int
tesserad_find_sources(struct tesserad_options const *options, struct tsr_config_sources *sources)
{
	const char *file = options->config;

	*sources = (struct tsr_config_sources){.sets = options->sets,
	                                       .sets_count = options->sets_count};
	if (file == NULL && geteuid() == 0)
		file = "-" TESSERAD_SYSTEM_FILE;
	if (file == NULL)
		return 0;
	/* A leading - as in systemd's units: it may be missing. */
	sources->optional = file[0] == '-';
	sources->file = tesserad_absolute(sources->optional ? file + 1 : file);
	if (sources->file != NULL)
		return 0;
	(void)fprintf(stderr, "tesserad: %s: %s\n", file, strerror(errno));
	return TESSERAD_EXIT_RUNTIME;
}

/* Return: 0, or the exit code. */
static int
tesserad_configure(struct tsr_config_sources const *sources, struct tsr_config *config)
{
	struct tsr_config_sink sink = {.complain = tesserad_complain};
	int const error = tsr_config_load(config, sources, &sink);

	if (error == -ENOMEM) {
		(void)fprintf(stderr, "tesserad: no memory\n");
		return TESSERAD_EXIT_RUNTIME;
	}
	return error == 0 ? 0 : TESSERAD_EXIT_CONFIG;
}

/* Return: the exit code. */
static int
tesserad_hold(struct tsr_config const *config)
{
	const char *const socket = config->socket[0] != '\0' ? config->socket : NULL;
	struct tsr_refusal refusal = {0};
	struct tsr_rundir rundir;
	int error;

	tsr_log_open(config->log_level);
	error = tsr_rundir_make(&rundir, socket, refusal.text, sizeof(refusal.text));
	if (error == 0)
		error = tsr_holder_serve(rundir.socket, &refusal);
	tsr_rundir_close(&rundir);
	if (error == 0)
		return 0;
	tsr_log(TSR_LOG_ERROR, "not started: %s", refusal.text);
	return TESSERAD_EXIT_RUNTIME;
}

/* Where this program was started from, links and all: after an upgrade of the files that leads to
 * the new one. @start->path is the caller's to free; NULL: no memory. */
static void
tesserad_find_program(struct tsr_start *start)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): as the kernel hands it over */
	const char *const path = (const char *)getauxval(AT_EXECFN);

	/* One that could not become another: its name is what it was started as. */
	start->again = path != NULL && strcmp(path, TSR_UPGRADE_SELF) == 0;
	if (path == NULL || start->again)
		start->path = tesserad_absolute(start->argv[0]);
	else if (strncmp(path, "/dev/fd/", strlen("/dev/fd/")) == 0)
		start->path = realpath(TSR_UPGRADE_SELF, NULL); /* by fexecve(3) */
	else
		start->path = tesserad_absolute(path);
}

/* Return: the exit code. */
static int
tesserad_serve(struct tsr_config *config, struct tsr_config_sources const *sources,
               struct tsr_start const *start)
{
	static struct tsr_daemon daemon;
	struct tsr_refusal refusal = {0};

	tsr_log_open(config->log_level);
	if (tsr_daemon_start(&daemon, config, sources, start, &refusal) != 0) {
		tsr_log(TSR_LOG_ERROR, "not started: %s", refusal.text);
		return TESSERAD_EXIT_RUNTIME;
	}
	tsr_daemon_run(&daemon);
	tsr_daemon_stop(&daemon);
	if (daemon.leave.how == TSR_UPGRADE_RESTART)
		return TSR_UPGRADE_STATUS;
	if (daemon.leave.how == TSR_UPGRADE_FOLLOW) {
		if (tsr_helper_succeed(daemon.successor, daemon.leave.signal) == 0)
			return 0;
		tsr_log(TSR_LOG_ERROR, "the successor is gone; what is kept waits for a daemon: "
		                       "start one");
		return TESSERAD_EXIT_RUNTIME;
	}
	if (daemon.leave.how == TSR_UPGRADE_EXEC) {
		tsr_upgrade_become(&daemon);
		return TESSERAD_EXIT_RUNTIME;
	}
	tsr_log(TSR_LOG_NOTICE, "stopped");
	return 0;
}

/* Return: the exit code. */
static int
tesserad_do(struct tesserad_options const *options, struct tsr_config *config,
            struct tsr_config_sources const *sources, char **argv)
{
	struct tsr_start start = {.fresh = options->fresh, .argv = argv};
	int code;

	if (options->check_config) {
		(void)printf("the configuration is in order: %u realms\n", config->realms_count);
		return 0;
	}
	if (options->layout != NULL)
		return tsr_upgrade_answer(options->layout) ? 0 : TESSERAD_EXIT_RUNTIME;
	if (options->holder)
		return tesserad_hold(config);
	tesserad_find_program(&start);
	if (start.path == NULL)
		return TESSERAD_EXIT_RUNTIME;
	code = tesserad_serve(config, sources, &start);
	free((char *)(uintptr_t)start.path);
	return code;
}

int
main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = tesserad_argp_options,
		.parser = tesserad_parse,
		.doc = "Serve realms of shared memory to the processes of this machine."
		       "\vIt stays in the foreground and logs to standard error. SIGTERM ends it, "
		       "SIGHUP has it read its "
		       "configuration again. "
		       "Without a configuration it serves a realm 'demo' for its own user. Exit "
		       "codes: "
		       "0 ended as asked, 1 it could not run, 2 usage, 75 start me again (an "
		       "upgrade "
		       "under systemd), 78 configuration.",
	};
	static struct tesserad_options options;
	struct tsr_config_sources sources = {.file = NULL};
	struct tsr_config config = {.realms = NULL};
	int code;

	argp_err_exit_status = TESSERAD_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return TESSERAD_EXIT_USAGE;
	code = tesserad_find_sources(&options, &sources);
	if (code == 0)
		code = tesserad_configure(&sources, &config);
	if (code == 0)
		code = tesserad_do(&options, &config, &sources, argv);
	tsr_config_destroy(&config);
	free((char *)(uintptr_t)sources.file);
	for (unsigned i = 0; i < options.sets_count; i++)
		free(options.sets[i]);
	return code;
}
