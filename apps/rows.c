/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/rows.h"

#include "apps/names.h"

json_t *
tsr_row_user(uint32_t uid)
{
	char name[TSR_ACCOUNT_BYTES];

	tsr_user_name(uid, name);
	return json_string(name);
}

json_t *
tsr_row_group(uint32_t gid)
{
	char name[TSR_ACCOUNT_BYTES];

	tsr_group_name(gid, name);
	return json_string(name);
}

void
tsr_row_client(json_t *out, const struct tsr_proto_row_client *row)
{
	static const char *const states[] = {
		[TSR_ROW_CLIENT_ATTACHED] = "attached",
		[TSR_ROW_CLIENT_CLOSING] = "closing",
		[TSR_ROW_CLIENT_EVICTED] = "evicted",
	};
	bool const observer = (row->flags & TSR_PROTO_ATTACH_OBSERVER) != 0;

	tsr_report_set(out, "id", json_integer(row->id));
	tsr_report_set(out, "role", json_string(observer ? "observer" : "participant"));
	tsr_report_set(out, "pid", json_integer(row->pid));
	tsr_report_set(out, "user", tsr_row_user(row->uid));
	tsr_report_set(out, "state",
	               json_string(row->state < sizeof(states) / sizeof(states[0])
	                                   ? states[row->state]
	                                   : "unknown"));
	tsr_report_set(out, "since_ns", tsr_report_count(row->since_ns));
	tsr_report_set(out, "senders", json_integer(row->senders));
	tsr_report_set(out, "receivers", json_integer(row->receivers));
	tsr_report_set(out, "tickets", json_integer(row->tickets));
	tsr_report_set(out, "sleeps", tsr_report_count(row->sleeps));
	tsr_report_set(out, "wakes", tsr_report_count(row->wakes));
	tsr_report_set(out, "missed_wakes", tsr_report_count(row->missed_wakes));
}

int
tsr_rows_show(const char *key, enum tsr_proto_list_what what, size_t row_bytes,
              json_t *(*convert)(const void *row), const struct tsr_column *columns)
{
	struct tsr_control control;
	json_t *rows, *report;
	int status = tsr_cli_connect(&control);

	if (status != 0)
		return status;
	status = tsr_cli_list(&control, what, row_bytes, convert, &rows);
	tsr_control_close(&control);
	if (status != 0)
		return status;
	report = tsr_report_new();
	tsr_report_set(report, key, rows);
	if (!tsr_cli_print(stdout, report))
		tsr_table_rows(stdout, rows, columns);
	json_decref(report);
	return TSR_EXIT_OK;
}
