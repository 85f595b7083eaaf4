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
