/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera channels: what channels there are. */

#include "apps/rows.h"
#include "shm/kind.h"

static const struct tsr_column channels_columns[] = {
	{"realm", "REALM", TSR_CELL_TEXT},
	{"name", "NAME", TSR_CELL_TEXT},
	{"kind", "KIND", TSR_CELL_TEXT},
	{"shape", "SHAPE", TSR_CELL_TEXT},
	{"capacity", "SLOTS", TSR_CELL_COUNT},
	{"depth", "FILLED", TSR_CELL_COUNT},
	{"sent", "SENT", TSR_CELL_COUNT},
	{"senders", "SENDERS", TSR_CELL_COUNT},
	{"receivers", "RECEIVERS", TSR_CELL_COUNT},
	{"sleepers", "ASLEEP", TSR_CELL_COUNT},
	{"message_bytes_max", "LARGEST", TSR_CELL_BYTES},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const char *
channels_shape(uint32_t flags)
{
	static const char *const shapes[] = {"many-to-many", "one-to-many", "many-to-one",
	                                     "one-to-one"};

	return shapes[flags & (TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER)];
}

static json_t *
channels_row(const void *from)
{
	const struct tsr_proto_row_channel *row = from;
	json_t *out = json_object();

	tsr_report_set(out, "realm", tsr_report_text(row->realm, sizeof(row->realm)));
	tsr_report_set(out, "name", tsr_report_text(row->name, sizeof(row->name)));
	tsr_report_set(out, "id", tsr_report_count(row->id));
	tsr_report_set(out, "kind",
	               tsr_kind_name(row->kind) != NULL ? json_string(tsr_kind_name(row->kind))
	                                                : json_integer(row->kind));
	tsr_report_set(out, "shape", json_string(channels_shape(row->flags)));
	tsr_report_set(out, "capacity", json_integer(row->capacity));
	tsr_report_set(out, "depth", json_integer(row->depth));
	tsr_report_set(out, "sent", tsr_report_count(row->sent));
	tsr_report_set(out, "senders", json_integer(row->senders));
	tsr_report_set(out, "receivers", json_integer(row->receivers));
	tsr_report_set(out, "sleepers", json_integer(row->sleepers));
	tsr_report_set(out, "message_bytes_max", json_integer(row->message_bytes_max));
	return out;
}

int
tsr_cmd_channels(int argc, char **argv)
{
	tsr_cli_plain("Show the channels, of all realms or of the one that --realm names.", argc,
	              argv);
	return tsr_rows_show("channels", TSR_LIST_CHANNELS, sizeof(struct tsr_proto_row_channel),
	                     channels_row, channels_columns);
}
