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
	bool const observer = (row->flags & TSR_PROTO_ATTACH_OBSERVER) != 0;
	json_t *out = json_object();

	tsr_report_set(out, "realm", tsr_report_text(row->realm, sizeof(row->realm)));
	tsr_report_set(out, "id", json_integer(row->id));
	tsr_report_set(out, "name", tsr_report_text(row->name, sizeof(row->name)));
	tsr_report_set(out, "role", json_string(observer ? "observer" : "participant"));
	tsr_report_set(out, "pid", json_integer(row->pid));
	tsr_report_set(out, "user", tsr_row_user(row->uid));
	tsr_report_set(out, "state", json_string(row->state == 0 ? "attached" : "closing"));
	tsr_report_set(out, "since_ns", tsr_report_count(row->since_ns));
	tsr_report_set(out, "senders", json_integer(row->senders));
	tsr_report_set(out, "receivers", json_integer(row->receivers));
	tsr_report_set(out, "tickets", json_integer(row->tickets));
	tsr_report_set(out, "sleeps", tsr_report_count(row->sleeps));
	tsr_report_set(out, "wakes", tsr_report_count(row->wakes));
	tsr_report_set(out, "missed_wakes", tsr_report_count(row->missed_wakes));
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
