/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_CLI_H
#define TSR_APPS_CLI_H

/*
 * What the commands of `tessera` share: options that all of them take, how they reach the daemon,
 * how they report and fail.
 */

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "shm/control.h"
#include "shm/tessera.h"

#define TSR_REALM_DEFAULT "demo"

#define TSR_NS_PER_SECOND UINT64_C(1000000000)
#define TSR_NS_PER_MS     UINT64_C(1000000)

enum tsr_exit {
	TSR_EXIT_OK = 0,
	TSR_EXIT_RUNTIME = 1,
	TSR_EXIT_USAGE = 2,
	TSR_EXIT_NO_DAEMON = 3,
	TSR_EXIT_NOT_FOUND = 4,
	TSR_EXIT_PERMISSION = 5,
	TSR_EXIT_TIMEOUT = 6,
	TSR_EXIT_CONFIG = 78, /* the daemon's configuration is wrong: as tesserad has it */
};

enum tsr_color {
	TSR_COLOR_AUTO,
	TSR_COLOR_ALWAYS,
	TSR_COLOR_NEVER,
};

/* The options that every command takes. */
struct tsr_globals {
	const char *program; /* as it was called: "build/apps/tessera" */
	const char *title;   /* as others see its clients: "tessera send" */
	const char *socket;  /* NULL: the nearest daemon */
	const char *realm;   /* NULL: not said */
	enum tsr_color color;
	bool json;
};

extern struct tsr_globals tsr_globals;

/* For the list of children of each command's parser. */
extern const struct argp tsr_globals_argp;

/* A command: its own parser over argv (argv[0] is "tessera NAME"). Returns an exit status. */
struct tsr_command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int tsr_cmd_bw(int argc, char **argv);
int tsr_cmd_channel(int argc, char **argv);
int tsr_cmd_channels(int argc, char **argv);
int tsr_cmd_clients(int argc, char **argv);
int tsr_cmd_delay(int argc, char **argv);
int tsr_cmd_demo(int argc, char **argv);
int tsr_cmd_doctor(int argc, char **argv);
int tsr_cmd_dump(int argc, char **argv);
int tsr_cmd_events(int argc, char **argv);
int tsr_cmd_evict(int argc, char **argv);
int tsr_cmd_hz(int argc, char **argv);
int tsr_cmd_ledger(int argc, char **argv);
int tsr_cmd_metrics(int argc, char **argv);
int tsr_cmd_ping(int argc, char **argv);
int tsr_cmd_pub(int argc, char **argv);
int tsr_cmd_realms(int argc, char **argv);
int tsr_cmd_recv(int argc, char **argv);
int tsr_cmd_quota(int argc, char **argv);
int tsr_cmd_regions(int argc, char **argv);
int tsr_cmd_reload(int argc, char **argv);
int tsr_cmd_report(int argc, char **argv);
int tsr_cmd_send(int argc, char **argv);
int tsr_cmd_stat(int argc, char **argv);
int tsr_cmd_status(int argc, char **argv);
int tsr_cmd_stop(int argc, char **argv);
int tsr_cmd_sub(int argc, char **argv);
int tsr_cmd_tickets(int argc, char **argv);
int tsr_cmd_top(int argc, char **argv);
int tsr_cmd_upgrade(int argc, char **argv);
int tsr_cmd_why(int argc, char **argv);
int tsr_cmd_trace(int argc, char **argv);

/* tsr_cli_plain - parse a command that takes global options only; usage errors end the program. */
void tsr_cli_plain(const char *doc, int argc, char **argv);

/* tsr_cli_no_argument - what a command without arguments says to one. */
error_t tsr_cli_no_argument(int key, char *arg, struct argp_state *state);

#define TSR_INTERVAL_NS_MAX (3600 * TSR_NS_PER_SECOND)

/* tsr_cli_interval - of --interval, up to TSR_INTERVAL_NS_MAX or, UINT64_MAX, any; a usage error
 * ends the program. */
void tsr_cli_interval(struct argp_state *state, const char *arg, uint64_t min_ns, uint64_t max_ns,
                      uint64_t *ns);

/* tsr_cli_sleep - so long, whatever signals are caught meanwhile. */
void tsr_cli_sleep(uint64_t ns);

/* tsr_cli_paint - may colours be written to @out? */
bool tsr_cli_paint(FILE *out);

struct tsr_address;

/* tsr_cli_unattached - say why a realm can't be attached to. Return: an exit status. */
int tsr_cli_unattached(int error, const char *realm);

/* tsr_cli_no_channel - say that there is none. Return: an exit status. */
int tsr_cli_no_channel(const struct tsr_address *address);

/* tsr_cli_exit - the exit status for a negative errno. */
int tsr_cli_exit(int error);

/*
 * tsr_cli_fail - say on standard error what failed, why, and what to do
 * @error:	a negative errno; the daemon's own words (tsr_last_hint()) are added
 * @format:	what was being done, without a full stop
 *
 * Return: the exit status.
 */
int tsr_cli_fail(int error, const char *format, ...) TSR_PRINTF(2, 3);

/* tsr_cli_warn - a line on standard error. */
void tsr_cli_warn(const char *format, ...) TSR_PRINTF(1, 2);

/* tsr_cli_daemon_command - what starts a daemon from a shell: the one beside this program. */
const char *tsr_cli_daemon_command(void);

/* tsr_cli_connect, tsr_cli_attach, tsr_cli_observe - reach the daemon; join a realm; look at one.
 * Return: an exit status; failure is said. */
int tsr_cli_connect(struct tsr_control *control);
int tsr_cli_attach(const char *realm, struct tsr_client *client);
int tsr_cli_observe(const char *realm, struct tsr_client *client);

/* A deadline for an answer of the daemon. */
uint64_t tsr_cli_deadline(void);

/*
 * tsr_cli_rows - all rows of a kind, one by one
 * @realm:	NULL: all that the asker may see
 * @row_bytes:	of the struct that @take gets
 *
 * Return: 0; what tsr_control_ask() gave; -EPROTO. Some rows may have been taken by then.
 */
TSR_MUST_CHECK
int tsr_cli_rows(struct tsr_control *control, enum tsr_proto_list_what what, const char *realm,
                 size_t row_bytes, void (*take)(void *argument, const void *row), void *argument,
                 uint64_t deadline_ns);

/* tsr_cli_each - the same, and failure is said. Return: 0; or an exit status. */
int tsr_cli_each(struct tsr_control *control, enum tsr_proto_list_what what, const char *realm,
                 size_t row_bytes, void (*take)(void *argument, const void *row), void *argument);

/*
 * tsr_cli_list - all rows of a kind, of all realms or of --realm, as JSON
 * @row_bytes:	of the struct that @convert takes
 * @convert:	makes an object of a row
 *
 * Return: 0 and the array in @rows; or an exit status, and it is said.
 */
int tsr_cli_list(struct tsr_control *control, enum tsr_proto_list_what what, size_t row_bytes,
                 json_t *(*convert)(const void *row), json_t **rows);

/* A channel as people name it. */
struct tsr_address {
	char realm[TSR_NAME_BYTES];
	char name[TSR_NAME_BYTES];
};

/*
 * tsr_address_parse - "REALM/NAME", or "NAME" in the realm of --realm, or "demo"
 *
 * With --realm the whole of @text is the name.
 * Return: 0; -EINVAL a part is empty; -ENAMETOOLONG.
 */
TSR_MUST_CHECK
int tsr_address_parse(const char *text, struct tsr_address *address);

/* tsr_cli_print - the report as JSON on @out, if that is asked for. Return: whether it was. */
bool tsr_cli_print(FILE *out, const json_t *report);

#endif /* TSR_APPS_CLI_H */
