/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * tessera: look at a daemon, and move bytes through it, from the command line.
 */

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"

/* argp's own names, which libc must see. */
TSR_API const char *argp_program_version = "tessera " TSR_VERSION; /* NOLINT */
TSR_API const char *argp_program_bug_address;                      /* NOLINT */

static int tessera_help(int argc, char **argv);

static const struct tsr_command tessera_commands[] = {
	{"demo", "stream files from process to process, check and measure", tsr_cmd_demo},
	{"doctor", "what of this machine helps or hinders, with remedies", tsr_cmd_doctor},
	{"status", "how the daemon and its realms are", tsr_cmd_status},
	{"top", "channels, clients, cores and memory, live", tsr_cmd_top},
	{"stat", "what moves, a line a second", tsr_cmd_stat},
	{"hz", "how many messages a second a channel carries, and their gaps", tsr_cmd_hz},
	{"bw", "how many bytes a second, and how large the messages are", tsr_cmd_bw},
	{"delay", "how old messages are when they are received", tsr_cmd_delay},
	{"metrics", "what there is to count, for Prometheus", tsr_cmd_metrics},
	{"events", "what happens: attach, detach, deaths, refusals, reloads", tsr_cmd_events},
	{"evict", "end one client, and tell it why", tsr_cmd_evict},
	{"why", "who holds a channel back, with evidence", tsr_cmd_why},
	{"realms", "what realms there are, and whose", tsr_cmd_realms},
	{"clients", "who is attached", tsr_cmd_clients},
	{"channels", "what channels there are", tsr_cmd_channels},
	{"regions", "what memory lies beside the arenas", tsr_cmd_regions},
	{"quota", "what each user has taken of the daemon, and may take", tsr_cmd_quota},
	{"channel", "create or remove a channel", tsr_cmd_channel},
	{"send", "standard input into a channel", tsr_cmd_send},
	{"recv", "a channel to standard output", tsr_cmd_recv},
	{"pub", "messages into a channel", tsr_cmd_pub},
	{"sub", "the messages of a channel, without taking them", tsr_cmd_sub},
	{"ping", "how long the daemon takes to answer", tsr_cmd_ping},
	{"tickets", "who holds which blocks, how long, and from where", tsr_cmd_tickets},
	{"dump", "what a realm has in shared memory, slot by slot", tsr_cmd_dump},
	{"ledger", "is every ticket, slot and descriptor accounted for?", tsr_cmd_ledger},
	{"reload", "have the daemon read its configuration again", tsr_cmd_reload},
	{"report", "what the daemon kept of a client's death", tsr_cmd_report},
	{"trace", "record the lives of messages, and look at them", tsr_cmd_trace},
	{"upgrade", "have another binary take the realms over, in use as they are",
         tsr_cmd_upgrade},
	{"stop", "end the daemon", tsr_cmd_stop},
	{"help", "what a command does, and what it takes", tessera_help},
};

#define TESSERA_COMMANDS (sizeof(tessera_commands) / sizeof(tessera_commands[0]))

struct tessera_choice {
	const struct tsr_command *command;
	int argc;
	char **argv;
};

static const struct tsr_command *
tessera_find(const char *name)
{
	for (size_t i = 0; i < TESSERA_COMMANDS; i++) {
		if (strcmp(tessera_commands[i].name, name) == 0)
			return &tessera_commands[i];
	}
	return NULL;
}

static error_t
tessera_parse(int key, char *arg, struct argp_state *state)
{
	struct tessera_choice *choice = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		choice->command = tessera_find(arg);
		if (choice->command == NULL)
			argp_error(state, "there is no command '%s'", arg);
		/* The rest is the command's own. */
		choice->argc = state->argc - state->next + 1;
		choice->argv = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which command?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The help text's list of commands. */
static char *
tessera_help_filter(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t bytes = 0;
	FILE *stream;

	(void)input;
	if (key != ARGP_KEY_HELP_EXTRA)
		return (char *)(uintptr_t)text;
	stream = open_memstream(&out, &bytes);
	if (stream == NULL)
		return NULL;
	fputs("Commands:\n", stream);
	for (size_t i = 0; i < TESSERA_COMMANDS; i++)
		fprintf(stream, "  %-10s %s\n", tessera_commands[i].name,
		        tessera_commands[i].summary);
	fputs("\n'tessera COMMAND --help' and 'man tessera-COMMAND' tell more.", stream);
	fclose(stream);
	return out;
}

/* "tessera NAME", for the usage lines of the command. */
static char *
tessera_title(const char *name)
{
	char *title;

	if (asprintf(&title, "tessera %s", name) < 0)
		exit(TSR_EXIT_RUNTIME);
	return title;
}

static struct argp_child const tessera_children[] = {{&tsr_globals_argp, 0, NULL, 0},
                                                     {NULL, 0, NULL, 0}};
static struct argp const tessera_argp = {
	.parser = tessera_parse,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "Messages between processes through shared memory: the command line.",
	.children = tessera_children,
	.help_filter = tessera_help_filter,
};

static int
tessera_run(const struct tessera_choice *choice)
{
	char *const title = tessera_title(choice->command->name);
	int status;

	choice->argv[0] = title;
	tsr_globals.title = title;
	status = choice->command->run(choice->argc, choice->argv);
	free(title);
	return status;
}

/* help [COMMAND]: as --help with the command, or without one; that ends the program. */
static int
tessera_help(int argc, char **argv)
{
	char option[] = "--help";
	char *arguments[] = {program_invocation_short_name, option, NULL};
	struct tessera_choice choice = {.argc = 2, .argv = arguments};

	if (argc < 2 || argv[1][0] == '-' || strcmp(argv[1], "help") == 0)
		return argp_parse(&tessera_argp, choice.argc, choice.argv, 0, NULL, &choice);
	choice.command = tessera_find(argv[1]);
	if (choice.command != NULL)
		return tessera_run(&choice);
	tsr_cli_warn("there is no command '%s'", argv[1]);
	return TSR_EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	struct tessera_choice choice = {.command = NULL};
	int status;

	argp_err_exit_status = TSR_EXIT_USAGE;
	tsr_globals.program = argv[0];
	/* A closed pipe is an error of a write, told as such. */
	signal(SIGPIPE, SIG_IGN);
	argp_parse(&tessera_argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
	status = tessera_run(&choice);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (status == TSR_EXIT_OK && errno != EPIPE)
			tsr_cli_warn("standard output can't be written");
		status = status == TSR_EXIT_OK ? TSR_EXIT_RUNTIME : status;
	}
	return status;
}
