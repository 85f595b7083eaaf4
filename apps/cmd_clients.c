/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera clients: who is attached. */

#include "apps/rows.h"

static const struct tsr_column clients_columns[] = {
	{"realm", "REALM", TSR_CELL_TEXT},      {"id", "ID", TSR_CELL_COUNT},
	{"name", "NAME", TSR_CELL_TEXT},        {"role", "ROLE", TSR_CELL_TEXT},
	{"pid", "PROCESS", TSR_CELL_TEXT},      {"user", "USER", TSR_CELL_TEXT},
	{"state", "STATE", TSR_CELL_TEXT},      {"since_ns", "SINCE", TSR_CELL_NS},
	{"senders", "SENDS", TSR_CELL_COUNT},   {"receivers", "RECEIVES", TSR_CELL_COUNT},
	{"tickets", "TICKETS", TSR_CELL_COUNT}, {"sleeps", "SLEEPS", TSR_CELL_COUNT},
	{"wakes", "WAKES", TSR_CELL_COUNT},     {"missed_wakes", "MISSED", TSR_CELL_COUNT},
	{"fenced", "FENCED", TSR_CELL_TEXT},    {NULL, NULL, TSR_CELL_TEXT},
};

static json_t *
clients_row(const void *from)
{
	const struct tsr_proto_row_client *row = from;
	json_t *out = json_object();

	tsr_report_set(out, "realm", tsr_report_text(row->realm, sizeof(row->realm)));
	tsr_report_set(out, "name", tsr_report_text(row->name, sizeof(row->name)));
	tsr_row_client(out, row);
	tsr_report_set(out, "fenced", json_boolean(row->flags & TSR_PROTO_ATTACH_FENCED));
	return out;
}

int
tsr_cmd_clients(int argc, char **argv)
{
	tsr_cli_plain("Show who is attached, of all realms or of the one that --realm names.", argc,
	              argv);
	return tsr_rows_show("clients", TSR_LIST_CLIENTS, sizeof(struct tsr_proto_row_client),
	                     clients_row, clients_columns);
}
