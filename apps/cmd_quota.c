/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera quota: what each user has taken of the daemon, and may take. */

#include "apps/rows.h"

static const struct tsr_column quota_columns[] = {
	{"user", "USER", TSR_CELL_TEXT},        {"what", "WHAT", TSR_CELL_TEXT},
	{"taken", "TAKEN", TSR_CELL_COUNT},     {"limit", "LIMIT", TSR_CELL_COUNT},
	{"all_taken", "ALL", TSR_CELL_COUNT},   {"all_limit", "LIMIT OF ALL", TSR_CELL_COUNT},
	{"refused", "REFUSED", TSR_CELL_COUNT}, {NULL, NULL, TSR_CELL_TEXT},
};

/* Of all users only who may know it is told, and of rates nobody. */
static void
quota_set_all(json_t *out, const char *key, const struct tsr_proto_row_quota *row, uint64_t count)
{
	tsr_report_set(out, key, row->all_limit != 0 ? tsr_report_count(count) : json_null());
}

static json_t *
quota_row(const void *from)
{
	const struct tsr_proto_row_quota *const row = from;
	json_t *const out = json_object();

	tsr_report_set(out, "user", tsr_row_user(row->uid));
	tsr_report_set(out, "what", tsr_report_text(row->what, sizeof(row->what)));
	tsr_report_set(out, "taken", tsr_report_count(row->taken));
	tsr_report_set(out, "limit", tsr_report_count(row->limit));
	quota_set_all(out, "all_taken", row, row->all_taken);
	quota_set_all(out, "all_limit", row, row->all_limit);
	tsr_report_set(out, "refused", tsr_report_count(row->refused));
	return out;
}

int
tsr_cmd_quota(int argc, char **argv)
{
	tsr_cli_plain("Show what each user has taken of the daemon, and may take.\v"
	              "Root and the daemon's user see all users, others themselves. The limits "
	              "are the keys 'limits.*' of the configuration, which a reload changes.",
	              argc, argv);
	return tsr_rows_show("quota", TSR_LIST_QUOTA, sizeof(struct tsr_proto_row_quota), quota_row,
	                     quota_columns);
}
