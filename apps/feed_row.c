/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/feed_row.h"

#include <string.h>
#include <time.h>

#include "apps/cli.h"
#include "apps/rows.h"
#include "apps/table.h"

#define FEED_WHEN_BYTES 64

static const char *const feed_kinds[TSR_FEED_KINDS] = {
	[TSR_FEED_START] = "start",     [TSR_FEED_STOP] = "stop",
	[TSR_FEED_REALM] = "realm",     [TSR_FEED_CONDEMN] = "condemn",
	[TSR_FEED_ATTACH] = "attach",   [TSR_FEED_DETACH] = "detach",
	[TSR_FEED_KILL] = "kill",       [TSR_FEED_DEATH] = "death",
	[TSR_FEED_REPAIR] = "repair",   [TSR_FEED_CHANNEL] = "channel",
	[TSR_FEED_REFUSAL] = "refusal", [TSR_FEED_DROP] = "drop",
	[TSR_FEED_RELOAD] = "reload",   [TSR_FEED_EVICT] = "evict",
	[TSR_FEED_KEEP] = "keep",       [TSR_FEED_UPGRADE] = "upgrade",
};

const char *
tsr_feed_kind_name(uint32_t kind)
{
	return kind < TSR_FEED_KINDS ? feed_kinds[kind] : "other";
}

static void
feed_set_repairs(json_t *out, const struct tsr_proto_row_feed *row)
{
	char word[2 * sizeof(row->before) + 3];

	tsr_report_set(out, "slots_voided", json_integer(row->slots_voided));
	tsr_report_set(out, "slots_restored", json_integer(row->slots_restored));
	if (row->kind == TSR_FEED_REPAIR) {
		tsr_report_set(out, "what", tsr_report_text(row->what, sizeof(row->what)));
		tsr_report_set(out, "index", json_integer(row->index));
		(void)snprintf(word, sizeof(word), "0x%016jx", (uintmax_t)row->before);
		tsr_report_set(out, "before", json_string(word));
		(void)snprintf(word, sizeof(word), "0x%016jx", (uintmax_t)row->after);
		tsr_report_set(out, "after", json_string(word));
		return;
	}
	tsr_report_set(out, "cursors", json_integer(row->cursors));
	tsr_report_set(out, "requeued", json_integer(row->requeued));
	tsr_report_set(out, "cells", json_integer(row->cells));
	tsr_report_set(out, "tickets", json_integer(row->tickets));
	tsr_report_set(out, "tokens", json_integer(row->tokens));
	tsr_report_set(out, "woken", json_integer(row->woken));
}

static void
feed_set_text(json_t *out, const char *key, const char *text, size_t bytes)
{
	if (text[0] != '\0')
		tsr_report_set(out, key, tsr_report_text(text, bytes));
}

json_t *
tsr_feed_object(const struct tsr_proto_row_feed *row)
{
	const char *const error = row->error < 0 ? strerrorname_np(-row->error) : NULL;
	json_t *const out = tsr_report_new();

	tsr_report_set(out, "number", tsr_report_count(row->number));
	tsr_report_set(out, "wall_ns", tsr_report_count(row->wall_ns));
	tsr_report_set(out, "kind", json_string(tsr_feed_kind_name(row->kind)));
	feed_set_text(out, "realm", row->realm, sizeof(row->realm));
	feed_set_text(out, "channel", row->channel, sizeof(row->channel));
	if (row->client_id != 0)
		tsr_report_set(out, "id", json_integer(row->client_id));
	feed_set_text(out, "name", row->name, sizeof(row->name));
	if (row->pid != 0)
		tsr_report_set(out, "pid", json_integer(row->pid));
	if (row->uid != UINT32_MAX)
		tsr_report_set(out, "user", tsr_row_user(row->uid));
	if (row->error != 0)
		tsr_report_set(out, "error", json_string(error != NULL ? error : "unknown"));
	if (row->kind == TSR_FEED_REFUSAL || row->kind == TSR_FEED_DROP)
		tsr_report_set(out, "count", json_integer(row->count));
	if (row->kind == TSR_FEED_DEATH || row->kind == TSR_FEED_REPAIR)
		feed_set_repairs(out, row);
	if (row->took_ns != 0)
		tsr_report_set(out, "took_ns", tsr_report_count(row->took_ns));
	tsr_report_set(out, "text", tsr_report_text(row->text, sizeof(row->text)));
	return out;
}

void
tsr_feed_print(FILE *out, const struct tsr_proto_row_feed *row)
{
	time_t const second = (time_t)(row->wall_ns / TSR_NS_PER_SECOND);
	char when[FEED_WHEN_BYTES] = "", text[sizeof(row->text)];
	struct tm local;

	if (localtime_r(&second, &local) != NULL)
		(void)strftime(when, sizeof(when), "%F %T", &local);
	(void)snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, row->text);
	/* A name can't forge another line. */
	for (char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	(void)fprintf(out, "%s.%03u  %-8s %s\n", when,
	              (unsigned)(row->wall_ns % TSR_NS_PER_SECOND / TSR_NS_PER_MS),
	              tsr_feed_kind_name(row->kind), text);
}
