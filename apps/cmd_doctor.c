/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera doctor: what of this machine helps or hinders, with remedies. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/doctor.h"
#include "apps/table.h"
#include "apps/units.h"

enum {
	DOCTOR_ROOT = 0x100,
};

static const struct argp_option doctor_options[] = {
	{"root", DOCTOR_ROOT, "DIR", OPTION_HIDDEN, NULL, 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column doctor_columns[] = {
	{"state", "STATE", TSR_CELL_STATE}, {"check", "CHECK", TSR_CELL_TEXT},
	{"found", "FOUND", TSR_CELL_TEXT},  {"remedy", "REMEDY", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

void
tsr_doctor_found(struct tsr_doctor *doctor, enum tsr_finding state, const char *check,
                 const char *remedy, const char *format, ...)
{
	static const char *const states[] = {"OK", "WARN", "FAIL"};
	json_t *line = json_object();
	va_list args;

	doctor->warned += state == TSR_FINDING_WARN;
	doctor->failed += state == TSR_FINDING_FAIL;
	va_start(args, format);
	tsr_report_set(line, "state", json_string(states[state]));
	tsr_report_set(line, "check", json_string(check));
	tsr_report_set(line, "found", json_vsprintf(format, args));
	if (remedy != NULL && state != TSR_FINDING_OK)
		tsr_report_set(line, "remedy", json_string(remedy));
	tsr_report_add(doctor->findings, line);
	va_end(args);
}

bool
tsr_doctor_read(const struct tsr_doctor *doctor, const char *path, char *line, size_t bytes)
{
	char full[512];
	ssize_t got;
	int fd;

	snprintf(full, sizeof(full), "%s%s", doctor->root, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, line, bytes - 1);
	close(fd);
	if (got < 0)
		return false;
	line[got] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}

bool
tsr_doctor_number(const struct tsr_doctor *doctor, const char *path, uint64_t *number)
{
	char line[64];

	return tsr_doctor_read(doctor, path, line, sizeof(line)) &&
	       tsr_count_parse(line, 0, UINT64_MAX, number) == 0;
}

static error_t
doctor_parse(int key, char *arg, struct argp_state *state)
{
	struct tsr_doctor *doctor = state->input;

	switch (key) {
	case DOCTOR_ROOT:
		doctor->root = arg;
		return 0;
	default:
		return tsr_cli_no_argument(key, arg, state);
	}
}

int
tsr_cmd_doctor(int argc, char **argv)
{
	struct tsr_doctor doctor = {.root = "", .findings = json_array()};
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
	struct argp const argp = {
		.options = doctor_options,
		.parser = doctor_parse,
		.doc = "Tell what of this machine helps or hinders, each with its remedy.\v"
		       "Changes nothing. WARN: it works, and could be faster or roomier. FAIL: "
		       "something will not work; the exit status is then 1.",
		.children = children,
	};
	json_t *report;

	argp_parse(&argp, argc, argv, 0, NULL, &doctor);
	tsr_doctor_kernel(&doctor);
	tsr_doctor_memory(&doctor);
	tsr_doctor_processors(&doctor);
	tsr_doctor_places(&doctor);
	report = tsr_report_new();
	tsr_report_set(report, "warned", json_integer(doctor.warned));
	tsr_report_set(report, "failed", json_integer(doctor.failed));
	tsr_report_set(report, "findings", doctor.findings);
	if (!tsr_cli_print(stdout, report))
		tsr_table_rows(stdout, doctor.findings, doctor_columns);
	json_decref(report);
	return doctor.failed > 0 ? TSR_EXIT_RUNTIME : TSR_EXIT_OK;
}
