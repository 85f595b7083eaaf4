/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera stop: end the daemon, and see that it has ended. */

#include <errno.h>

#include "apps/cli.h"
#include "apps/daemon.h"
#include "apps/table.h"

static const struct tsr_column stop_facts[] = {
	{"socket", "socket", TSR_CELL_TEXT},   {"pid", "process", TSR_CELL_TEXT},
	{"stopped", "stopped", TSR_CELL_TEXT}, {"took_ns", "took", TSR_CELL_NS},
	{NULL, NULL, TSR_CELL_TEXT},
};

int
tsr_cmd_stop(int argc, char **argv)
{
	struct tsr_control control;
	uint64_t const start = tsr_now_ns();
	json_t *report;
	int status, error;

	tsr_cli_plain("End the daemon; returns when its process has ended.\v"
	              "Clients that are attached get an error from their next call that asks "
	              "the daemon.",
	              argc, argv);
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	error = tsr_daemon_stop(&control, tsr_cli_deadline());
	if (error != 0) {
		status = tsr_cli_fail(error, "the daemon (process %u) did not stop",
		                      control.daemon_pid);
		goto close;
	}
	report = tsr_report_new();
	tsr_report_set(report, "socket", json_string(control.path));
	tsr_report_set(report, "pid", json_integer(control.daemon_pid));
	tsr_report_set(report, "stopped", json_true());
	tsr_report_set(report, "took_ns", tsr_report_count(tsr_now_ns() - start));
	if (!tsr_cli_print(stdout, report))
		tsr_table_facts(stdout, report, stop_facts);
	json_decref(report);
close:
	tsr_control_close(&control);
	return status;
}
