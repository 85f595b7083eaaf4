/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * tessera-perf: measures Tessera beside what the machine gives without it.
 */

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "perf/case.h"
#include "perf/daemon.h"
#include "perf/form.h"
#include "perf/hugepages.h"
#include "perf/idle.h"
#include "perf/report.h"
#include "shm/tessera.h"

#define MAIN_RUNS_DEFAULT    9
#define MAIN_RUNS_QUICK      5
#define MAIN_SECONDS_DEFAULT 600
#define MAIN_SECONDS_QUICK   14
#define MAIN_CASES_MAX       128
#define MAIN_NUMBER_BASE     10

enum main_option {
	MAIN_JSON = 256,
	MAIN_QUICK,
	MAIN_MARKDOWN,
	MAIN_LIST,
	MAIN_RUNS,
	MAIN_SECONDS,
	MAIN_HUGEPAGES,
	MAIN_CHECK,
	MAIN_IDLE,
};

struct main_arguments {
	bool json;
	bool quick;
	bool markdown;
	bool list;
	bool hugepages;
	bool check;
	const char *idle;
	unsigned long runs;
	unsigned long seconds;
	size_t case_count;
	const char *cases[MAIN_CASES_MAX];
};

static volatile int main_stopped;

static void
main_on_signal(int signal)
{
	main_stopped = signal;
}

static unsigned long
main_number(const char *text, unsigned long max, struct argp_state *state, const char *what)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, MAIN_NUMBER_BASE);
	if (errno != 0 || end == text || *end != '\0' || value == 0 || value > max)
		argp_error(state, "%s: '%s' is not a number from 1 to %lu", what, text, max);
	return value;
}

static error_t
main_parse(int key, char *arg, struct argp_state *state)
{
	struct main_arguments *args = state->input;

	switch (key) {
	case MAIN_JSON:
		args->json = true;
		return 0;
	case MAIN_QUICK:
		args->quick = true;
		return 0;
	case MAIN_MARKDOWN:
		args->markdown = true;
		return 0;
	case MAIN_LIST:
		args->list = true;
		return 0;
	case MAIN_HUGEPAGES:
		args->hugepages = true;
		return 0;
	case MAIN_CHECK:
		args->check = true;
		return 0;
	case MAIN_IDLE:
		args->idle = arg;
		return 0;
	case MAIN_RUNS:
		args->runs = main_number(arg, TSR_PERF_RUNS_MAX, state, "--runs");
		return 0;
	case MAIN_SECONDS:
		args->seconds = main_number(arg, UINT32_MAX, state, "--seconds");
		return 0;
	case ARGP_KEY_ARG:
		if (args->case_count == MAIN_CASES_MAX)
			argp_error(state, "more than %d cases", MAIN_CASES_MAX);
		args->cases[args->case_count++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->case_count == 0 && !args->list && args->idle == NULL)
			argp_error(state, "which CASE? --list names them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option main_options[] = {
	{"json", MAIN_JSON, NULL, 0, "one JSON object per baseline, figure and class", 0},
	{"markdown", MAIN_MARKDOWN, NULL, 0, "a table for doc/performance.md", 0},
	{"quick", MAIN_QUICK, NULL, 0,
         "at most 20 seconds a case, in the class that the host offers", 0},
	{"list", MAIN_LIST, NULL, 0, "name all cases and end", 0},
	{"runs", MAIN_RUNS, "N", 0, "repetitions per baseline and class (9; quick: 5)", 0},
	{"seconds", MAIN_SECONDS, "N", 0, "how long to wait for a class before it is absent (600)",
         0},
	{"hugepages", MAIN_HUGEPAGES, NULL, 0,
         "reserve 2 MiB pages for the run and give them back (root)", 0},
	{"check", MAIN_CHECK, NULL, 0, "end with 1 if a figure misses what it must reach", 0},
	{"idle-client", MAIN_IDLE, "REALM", OPTION_HIDDEN, "", 0},
	{0},
};

static const struct argp main_argp = {
	.options = main_options,
	.parser = main_parse,
	.args_doc = "CASE[:KIND][:PAYLOAD]...",
	.doc = "Measure Tessera beside what this machine gives without it. CASE 'all' runs every "
	       "case.",
};

static void
main_list_kinds(const struct tsr_perf_case *c)
{
	struct tsr_perf_form form;

	(void)printf("%-12s   KIND: %s", "", c->kinds);
	for (size_t i = 0; c->forms && tsr_perf_form_at(i, &form); i++)
		(void)printf("%s%s", i > 0 || c->kinds[0] != '\0' ? " " : "", form.name);
	(void)printf("\n");
}

static void
main_list(void)
{
	for (size_t i = 0; i < tsr_perf_case_count; i++) {
		const struct tsr_perf_case *c = &tsr_perf_cases[i];

		(void)printf("%-12s %s\n", c->name, c->summary);
		if (c->kinds[0] != '\0' || c->forms)
			main_list_kinds(c);
		if (c->payload[0] != '\0')
			(void)printf("%-12s   PAYLOAD: %s\n", "", c->payload);
	}
}

/* Is @kind one of the words of the case, or a form that it takes? */
static bool
main_kind_is_known(const struct tsr_perf_case *c, const char *kind)
{
	size_t const length = strlen(kind);
	const char *const kinds = c->kinds;
	struct tsr_perf_form form;

	for (const char *at = strstr(kinds, kind); at != NULL; at = strstr(at + 1, kind)) {
		if ((at == kinds || at[-1] == ' ') && (at[length] == '\0' || at[length] == ' '))
			return true;
	}
	return c->forms && tsr_perf_form_find(kind, &form);
}

/* CASE[:KIND][:PAYLOAD] -> case and request. @text is cut into its parts. */
static const struct tsr_perf_case *
main_understand(char *text, struct tsr_perf_request *request)
{
	char *rest = text;
	const char *name = strsep(&rest, ":");
	const struct tsr_perf_case *found = NULL;
	const char *part;

	for (size_t i = 0; i < tsr_perf_case_count; i++) {
		if (strcmp(tsr_perf_cases[i].name, name) == 0)
			found = &tsr_perf_cases[i];
	}
	if (found == NULL) {
		(void)fprintf(stderr, "tessera-perf: no case '%s'; --list names them\n", name);
		return NULL;
	}
	request->kind = "";
	while ((part = strsep(&rest, ":")) != NULL) {
		char *end;
		unsigned long number = strtoul(part, &end, MAIN_NUMBER_BASE);

		if (*part != '\0' && *end == '\0' && found->payload[0] != '\0' && number > 0) {
			request->payload = number;
		} else if (*part != '\0' && main_kind_is_known(found, part)) {
			request->kind = part;
		} else {
			(void)fprintf(stderr,
			              "tessera-perf: '%s' is neither a kind nor a payload (%s) of "
			              "%s; --list names the kinds\n",
			              part, found->payload[0] != '\0' ? found->payload : "none",
			              found->name);
			return NULL;
		}
	}
	return found;
}

static int
main_measure(struct tsr_perf_plan *plan, const struct tsr_perf_limits *limits, char *message,
             size_t message_bytes)
{
	struct tsr_perf_daemon daemon = {0};
	int error = 0;

	if (plan->daemon_settings[0][0] != '\0') {
		const char *settings[TSR_PERF_SETTINGS + 1] = {0};

		for (size_t i = 0; i < TSR_PERF_SETTINGS && plan->daemon_settings[i][0] != '\0';
		     i++)
			settings[i] = plan->daemon_settings[i];
		error = tsr_perf_daemon_start(&daemon, settings, message, message_bytes);
	}
	if (error == 0)
		error = tsr_perf_run(plan, limits, message, message_bytes);
	tsr_perf_daemon_stop(&daemon);
	return error;
}

static int
main_case(const struct main_arguments *args, const char *text, struct tsr_perf_report *report)
{
	static struct tsr_perf_plan plan;
	char words[128];
	char message[512] = "";
	struct tsr_perf_request request = {0};
	struct tsr_perf_limits limits = {
		.runs = args->runs,
		.seconds = args->seconds,
		.any_class = args->quick,
		.stopped = &main_stopped,
	};
	const struct tsr_perf_case *found;
	int error;

	(void)snprintf(words, sizeof(words), "%s", text);
	found = main_understand(words, &request);
	if (found == NULL)
		return -EINVAL;
	memset(&plan, 0, sizeof(plan));
	request.backing = tsr_perf_backing(args->hugepages);
	limits.backing = request.backing;
	error = found->plan(&plan, &request);
	if (error == 0 && args->hugepages)
		error = tsr_perf_hugepages_reserve(plan.hugepages, message, sizeof(message));
	if (error == 0)
		error = main_measure(&plan, &limits, message, sizeof(message));
	tsr_perf_hugepages_give_back();
	if (error == 0)
		return tsr_perf_report_plan(report, &plan, &limits);
	(void)fprintf(stderr, "tessera-perf: %s: %s%s%s\n", text, strerror(-error),
	              message[0] != '\0' ? ": " : "", message);
	return error;
}

static int
main_all(const struct main_arguments *args, struct tsr_perf_report *report)
{
	int first = 0;

	for (size_t i = 0; i < args->case_count && main_stopped == 0; i++) {
		bool all = strcmp(args->cases[i], "all") == 0;

		for (size_t c = 0; c < (all ? tsr_perf_case_count : 1) && main_stopped == 0; c++) {
			int error = main_case(args, all ? tsr_perf_cases[c].name : args->cases[i],
			                      report);

			(void)fflush(report->out);
			if (first == 0)
				first = error;
		}
	}
	return first;
}

int
main(int argc, char **argv)
{
	static struct main_arguments args;
	struct tsr_perf_report report = {.out = stdout};
	struct sigaction action = {.sa_handler = main_on_signal};
	int error;

	argp_program_version = "tessera-perf " TSR_VERSION;
	argp_err_exit_status = 2;
	if (argp_parse(&main_argp, argc, argv, 0, NULL, &args) != 0)
		return 2;
	if (args.idle != NULL)
		return tsr_perf_idle_client(args.idle);
	if (args.list) {
		main_list();
		return 0;
	}
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		(void)fprintf(stderr, "tessera-perf: needs two cores, and one is online\n");
		return 77;
	}
	if (args.runs == 0)
		args.runs = args.quick ? MAIN_RUNS_QUICK : MAIN_RUNS_DEFAULT;
	if (args.seconds == 0 || (args.quick && args.seconds > MAIN_SECONDS_QUICK))
		args.seconds = args.quick ? MAIN_SECONDS_QUICK : MAIN_SECONDS_DEFAULT;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	report.json = args.json;
	report.markdown = args.markdown;
	tsr_perf_clock_start();
	error = main_all(&args, &report);
	if (error == -EINVAL)
		return 2;
	if (error != 0)
		return 1;
	return args.check && report.misses != 0 ? 1 : 0;
}
