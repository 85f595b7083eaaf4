/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera regions: what memory lies beside the arenas, whose it is, who still has some of it. */

#include "apps/rows.h"

static const struct tsr_column regions_columns[] = {
	{"realm", "REALM", TSR_CELL_TEXT}, {"id", "ID", TSR_CELL_TEXT},
	{"kind", "KIND", TSR_CELL_TEXT},   {"access", "ACCESS", TSR_CELL_TEXT},
	{"bytes", "SIZE", TSR_CELL_BYTES}, {"backing", "PAGES", TSR_CELL_TEXT},
	{"owner", "OWNER", TSR_CELL_TEXT}, {"pid", "PID", TSR_CELL_TEXT},
	{"user", "USER", TSR_CELL_TEXT},   {"tickets", "TICKETS", TSR_CELL_COUNT},
	{"out", "OUT", TSR_CELL_COUNT},    {"state", "STATE", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static json_t *
regions_row(const void *from)
{
	const struct tsr_proto_row_region *row = from;
	json_t *out = json_object();

	tsr_report_set(out, "realm", tsr_report_text(row->realm, sizeof(row->realm)));
	tsr_report_set(out, "id", tsr_report_count(row->id));
	tsr_report_set(out, "kind",
	               json_string((row->flags & TSR_REGION_FOREIGN) != 0 ? "theirs" : "ours"));
	tsr_report_set(out, "access",
	               json_string((row->flags & TSR_REGION_READ_ONLY) != 0 ? "read" : "write"));
	tsr_report_set(out, "bytes", tsr_report_count(row->bytes));
	tsr_report_set(out, "backing", tsr_report_text(row->backing, sizeof(row->backing)));
	tsr_report_set(out, "owner", tsr_report_text(row->owner, sizeof(row->owner)));
	tsr_report_set(out, "client", json_integer(row->client_id));
	tsr_report_set(out, "pid", json_integer(row->pid));
	tsr_report_set(out, "user", tsr_row_user(row->uid));
	tsr_report_set(out, "tickets", json_integer(row->tickets));
	tsr_report_set(out, "out", json_integer(row->tickets_out));
	tsr_report_set(out, "state",
	               json_string(row->state == TSR_REGION_CLOSING ? "closing" : "open"));
	return out;
}

int
tsr_cmd_regions(int argc, char **argv)
{
	tsr_cli_plain("Show the regions, of all realms or of the one that --realm names.", argc,
	              argv);
	return tsr_rows_show("regions", TSR_LIST_REGIONS, sizeof(struct tsr_proto_row_region),
	                     regions_row, regions_columns);
}
