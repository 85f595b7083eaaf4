/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/culprit.h"
#include "apps/process.h"
#include "apps/rows.h"
#include "shm/channel.h"

static const struct tsr_column view_channels[] = {
	{"channel", "CHANNEL", TSR_CELL_TEXT},
	{"received_per_s", "RECEIVED/S", TSR_CELL_COUNT},
	{"bytes_per_s", "BYTES/S", TSR_CELL_BYTES},
	{"depth", "DEPTH", TSR_CELL_COUNT},
	{"latency_p50_ns", "P50", TSR_CELL_NS},
	{"latency_p99_ns", "P99", TSR_CELL_NS},
	{"blocked_percent", "BLOCK%", TSR_CELL_SHARE},
	{"failed", "FAILED", TSR_CELL_COUNT},
	{"full", "FULL", TSR_CELL_COUNT},
	{"lost", "LOST", TSR_CELL_COUNT},
	{"sent_per_s", "SENT/S", TSR_CELL_COUNT},
	{"capacity", "SLOTS", TSR_CELL_COUNT},
	{"senders", "SENDERS", TSR_CELL_COUNT},
	{"receivers", "RECEIVERS", TSR_CELL_COUNT},
	{"senders_blocked", "BLOCKED", TSR_CELL_COUNT},
	{"waiting_percent", "WAIT%", TSR_CELL_SHARE},
	{"stamped", "STAMPED", TSR_CELL_COUNT},
	{"held_by", "HELD BY", TSR_CELL_TEXT},
	{"spin_ns", "SPINS", TSR_CELL_NS},
	{NULL, NULL, TSR_CELL_TEXT},
};
static const uint8_t view_channels_widths[] = {11, 10, 7, 9, 9, 6, 6, 6,  6,
                                               11, 6,  7, 9, 7, 6, 8, 30, 9};

static const struct tsr_column view_clients[] = {
	{"client", "CLIENT", TSR_CELL_TEXT},
	{"pid", "PROCESS", TSR_CELL_TEXT},
	{"process", "IS", TSR_CELL_TEXT},
	{"causes_percent", "CAUSES%", TSR_CELL_SHARE},
	{"tickets", "TICKETS", TSR_CELL_COUNT},
	{"senders", "SENDS", TSR_CELL_COUNT},
	{"receivers", "RECVS", TSR_CELL_COUNT},
	{"since_ns", "SINCE", TSR_CELL_NS},
	{"state", "STATE", TSR_CELL_TEXT},
	{"role", "ROLE", TSR_CELL_TEXT},
	{"user", "USER", TSR_CELL_TEXT},
	{"sleeps", "SLEEPS", TSR_CELL_COUNT},
	{"wakes", "WAKES", TSR_CELL_COUNT},
	{"missed_wakes", "MISSED", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};
static const uint8_t view_clients_widths[] = {8, 8, 7, 9, 5, 5, 9, 8, 11, 12, 12, 12, 8};

static const struct tsr_column view_cores[] = {
	{"core", "CORE", TSR_CELL_TEXT},
	{"cpu", "CPU", TSR_CELL_TEXT},
	{"pid", "PROCESS", TSR_CELL_TEXT},
	{"busy_percent", "BUSY%", TSR_CELL_SHARE},
	{"polling_percent", "POLLING%", TSR_CELL_SHARE},
	{"asleep_percent", "ASLEEP%", TSR_CELL_SHARE},
	{"busy_ns", "BUSY", TSR_CELL_NS},
	{"polling_ns", "POLLING", TSR_CELL_NS},
	{"asleep_ns", "ASLEEP", TSR_CELL_NS},
	{NULL, NULL, TSR_CELL_TEXT},
};
static const uint8_t view_cores_widths[] = {5, 8, 6, 8, 7, 10, 10, 10};

static const struct tsr_column view_memory[] = {
	{"realm", "REALM", TSR_CELL_TEXT},
	{"backing", "PAGES", TSR_CELL_TEXT},
	{"arena_bytes", "ARENAS", TSR_CELL_BYTES},
	{"bytes", "ALL", TSR_CELL_BYTES},
	{"tickets", "TICKETS", TSR_CELL_COUNT},
	{"tickets_free", "FREE", TSR_CELL_COUNT},
	{"free_percent", "FREE%", TSR_CELL_SHARE},
	{"clients", "CLIENTS", TSR_CELL_COUNT},
	{"clients_max", "OF", TSR_CELL_COUNT},
	{"channels", "CHANNELS", TSR_CELL_COUNT},
	{"channels_max", "OF", TSR_CELL_COUNT},
	{"message_bytes_max", "LARGEST", TSR_CELL_BYTES},
	{NULL, NULL, TSR_CELL_TEXT},
};
static const uint8_t view_memory_widths[] = {5, 10, 10, 9, 9, 6, 7, 5, 8, 6, 10};

const struct tsr_view_table tsr_view_tables[TSR_VIEW_TABLES] = {
	{"channels", "Channels", view_channels, view_channels_widths},
	{"clients", "Clients", view_clients, view_clients_widths},
	{"cores", "Cores", view_cores, view_cores_widths},
	{"memory", "Memory", view_memory, view_memory_widths},
};

static double
view_percent(uint64_t part, double whole)
{
	return whole > 0.0 ? (double)part * 100.0 / whole : 0.0;
}

void
tsr_view_open(struct tsr_view *view, const char *realm, uint64_t patience_ns)
{
	*view = (struct tsr_view){.realm = realm, .patience_ns = patience_ns};
}

static void
view_hang_up(struct tsr_view *view)
{
	if (view->connected)
		tsr_control_close(&view->control);
	view->connected = false;
	view->status.uptime_ns = 0;
}

static void
view_look_away(struct tsr_view *view)
{
	if (!view->sampling)
		return;
	for (uint32_t i = 0; i < view->before.channels_count; i++)
		free(view->history[i]);
	free(view->history);
	tsr_sample_free(&view->before);
	tsr_sampler_close(&view->sampler);
	view->sampling = false;
}

void
tsr_view_close(struct tsr_view *view)
{
	view_look_away(view);
	view_hang_up(view);
	tsr_cores_free(&view->cores);
}

/* Look at the realm from now on; what it counts is counted from here. */
static int
view_look(struct tsr_view *view)
{
	int error = tsr_sampler_open(&view->sampler, view->realm);

	if (error != 0)
		return error;
	error = tsr_sampler_take(&view->sampler, &view->before);
	if (error != 0)
		goto close;
	view->history = calloc(view->before.channels_count, sizeof(struct tsr_history *));
	if (view->history == NULL) {
		error = -ENOMEM;
		goto free_sample;
	}
	view->sampling = true;
	return 0;
free_sample:
	tsr_sample_free(&view->before);
close:
	tsr_sampler_close(&view->sampler);
	return error;
}

static json_t *
view_channel(struct tsr_sample_channel const *now, struct tsr_rates const *rates)
{
	double const ns = rates->seconds * 1e9;
	json_t *const out = json_object();

	tsr_report_set(out, "channel", tsr_report_text(now->name, sizeof(now->name)));
	tsr_report_set(out, "id", tsr_report_count(now->id));
	tsr_report_set(out, "capacity", json_integer(now->capacity));
	tsr_report_set(out, "sent_per_s",
	               tsr_report_count((uint64_t)((double)rates->sent / rates->seconds)));
	tsr_report_set(out, "received_per_s",
	               tsr_report_count((uint64_t)((double)rates->received / rates->seconds)));
	tsr_report_set(
		out, "bytes_per_s",
		tsr_report_count((uint64_t)((double)rates->received_bytes / rates->seconds)));
	tsr_rates_report(out, rates);
	tsr_report_set(out, "blocked_percent",
	               json_real(view_percent(rates->senders_blocked_ns, rates->senders * ns)));
	tsr_report_set(out, "spin_ns", tsr_report_count(now->side[TSR_SIDE_RECEIVER].sum.spin_ns));
	tsr_report_set(out, "waiting_percent",
	               json_real(view_percent(rates->receivers_blocked_ns, rates->receivers * ns)));
	return out;
}

static void
view_remember(struct tsr_history **history, uint64_t id, struct tsr_rates const *rates)
{
	if (*history == NULL)
		*history = calloc(1, sizeof(**history));
	if (*history == NULL)
		return; /* no graph, then */
	if ((*history)->id != id) {
		(*history)->id = id;
		(*history)->looks = 0;
	}
	(*history)->rate[(*history)->looks++ % TSR_HISTORY_SAMPLES] =
		(uint64_t)((double)rates->received / rates->seconds);
}

/* Of the time since the look before: how long senders were blocked by each client, all added up. */
static void
view_blame(const json_t *clients, double seconds)
{
	for (size_t i = 0; i < json_array_size(clients); i++) {
		json_t *const client = json_array_get(clients, i);
		json_int_t const ns = json_integer_value(json_object_get(client, "holds_up_ns"));

		tsr_report_set(client, "causes_percent",
		               json_real(view_percent((uint64_t)ns, seconds * 1e9)));
		(void)json_object_del(client, "holds_up_ns");
	}
}

/* The channels, and how long it is since the look before. Return: 0; what the sampler gave. */
static int
view_take_channels(struct tsr_view *view, json_t *report, json_t *rows)
{
	static struct tsr_rates rates;
	json_t *const clients = json_object_get(report, "clients");
	struct tsr_culprit *culprits;
	struct tsr_sample now;
	int const error = tsr_sampler_take(&view->sampler, &now);
	json_t *row;
	double seconds;

	if (error != 0)
		return error;
	seconds = (double)(now.at_ns - view->before.at_ns) / 1e9;
	tsr_report_set(report, "seconds", json_real(seconds));
	tsr_report_set(report, "torn", json_boolean(now.torn));
	culprits = tsr_culprits_find(&view->before, &now, clients);
	for (uint32_t i = 0; i < now.channels_count; i++) {
		if (now.channels[i].id == 0)
			continue;
		memset(&rates, 0, sizeof(rates));
		rates.seconds = seconds > 1e-9 ? seconds : 1e-9;
		tsr_rates_add(&rates, &view->before.channels[i], &now.channels[i]);
		view_remember(&view->history[i], now.channels[i].id, &rates);
		row = view_channel(&now.channels[i], &rates);
		tsr_report_set(row, "held_by",
		               rates.senders_blocked_ns != 0 && culprits != NULL
		                       ? tsr_culprit_blame(&culprits[i], rates.senders_blocked_ns)
		                       : json_null());
		tsr_report_add(rows, row);
	}
	free(culprits);
	view_blame(clients, seconds);
	tsr_sample_free(&view->before);
	view->before = now;
	return 0;
}

static void
view_add_client(void *argument, const void *from)
{
	const struct tsr_proto_row_client *const row = from;
	json_t *const out = json_object();

	tsr_report_set(out, "client", tsr_report_text(row->name, sizeof(row->name)));
	tsr_report_set(out, "process", json_string(tsr_process_doing((pid_t)row->pid)));
	tsr_row_client(out, row);
	tsr_report_add(argument, out);
}

static void
view_add_realm(void *argument, const void *from)
{
	const struct tsr_proto_row_realm *const row = from;
	json_t *const out = json_object();

	tsr_report_set(out, "realm", tsr_report_text(row->name, sizeof(row->name)));
	tsr_report_set(out, "backing", tsr_report_text(row->backing, sizeof(row->backing)));
	tsr_report_set(out, "arena_bytes", tsr_report_count(row->arena_bytes));
	tsr_report_set(out, "bytes", tsr_report_count(row->bytes));
	tsr_report_set(out, "tickets", json_integer(row->tickets));
	tsr_report_set(out, "tickets_free", json_integer(row->tickets_free));
	tsr_report_set(out, "free_percent",
	               json_real(view_percent(row->tickets_free, row->tickets)));
	tsr_report_set(out, "clients", json_integer(row->clients));
	tsr_report_set(out, "clients_max", json_integer(row->clients_max));
	tsr_report_set(out, "channels", json_integer(row->channels));
	tsr_report_set(out, "channels_max", json_integer(row->channels_max));
	tsr_report_set(out, "message_bytes_max", json_integer(row->message_bytes_max));
	tsr_report_add(argument, out);
}

/* The shares are those since the look before, at first those since the daemon's start. */
static void
view_add_core(json_t *cores, struct tsr_proto_status_reply const *before,
              struct tsr_proto_status_reply const *now)
{
	static const struct tsr_proto_status_reply start;
	struct tsr_proto_status_reply const *const from = before->uptime_ns != 0 ? before : &start;
	uint64_t const busy = now->busy_ns - from->busy_ns;
	uint64_t const polling = now->polling_ns - from->polling_ns;
	uint64_t const asleep = now->asleep_ns - from->asleep_ns;
	double const all = (double)(busy + polling + asleep);
	json_t *const out = json_object();

	tsr_report_set(out, "core", json_string("poll core"));
	tsr_report_set(out, "cpu", json_integer(now->poll_cpu));
	tsr_report_set(out, "pid", json_integer(now->pid));
	tsr_report_set(out, "busy_percent", json_real(view_percent(busy, all)));
	tsr_report_set(out, "polling_percent", json_real(view_percent(polling, all)));
	tsr_report_set(out, "asleep_percent", json_real(view_percent(asleep, all)));
	tsr_report_set(out, "busy_ns", tsr_report_count(now->busy_ns));
	tsr_report_set(out, "polling_ns", tsr_report_count(now->polling_ns));
	tsr_report_set(out, "asleep_ns", tsr_report_count(now->asleep_ns));
	tsr_report_add(cores, out);
}

static json_t *
view_daemon(struct tsr_proto_status_reply const *reply)
{
	json_t *const out = json_object();

	tsr_report_set(out, "release", tsr_report_text(reply->release, sizeof(reply->release)));
	tsr_report_set(out, "pid", json_integer(reply->pid));
	tsr_report_set(out, "process", json_string(tsr_process_doing((pid_t)reply->pid)));
	tsr_report_set(out, "uptime_ns", tsr_report_count(reply->uptime_ns));
	tsr_report_set(out, "clients", json_integer(reply->clients));
	tsr_report_set(out, "channels", json_integer(reply->channels));
	tsr_report_set(out, "reaped", tsr_report_count(reply->reaped));
	tsr_report_set(out, "refused", tsr_report_count(reply->refused));
	return out;
}

/* Ask the daemon. Return: 0; or a negative errno, and the arrays may hold a part. */
static int
view_ask(struct tsr_view *view, json_t *report, json_t *rows[TSR_VIEW_TABLES])
{
	uint64_t const deadline = tsr_deadline_in_ms(view->patience_ns / TSR_NS_PER_MS);
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	struct tsr_proto_status_reply reply;
	int error;

	if (!view->connected) {
		error = tsr_control_open(&view->control, tsr_globals.socket, deadline);
		if (error != 0)
			return error;
		view->connected = true;
		/* Another daemon: what is mapped is a realm of the past. */
		if (view->control.instance != view->instance)
			view_look_away(view);
		view->instance = view->control.instance;
		view->daemon_pid = view->control.daemon_pid;
	}
	error = tsr_control_ask(&view->control, TSR_PROTO_STATUS, &request, sizeof(request), &reply,
	                        sizeof(reply), NULL, deadline);
	if (error == 0)
		error = tsr_cli_rows(&view->control, TSR_LIST_CLIENTS, view->realm,
		                     sizeof(struct tsr_proto_row_client), view_add_client, rows[1],
		                     deadline);
	if (error == 0)
		error = tsr_cli_rows(&view->control, TSR_LIST_REALMS, NULL,
		                     sizeof(struct tsr_proto_row_realm), view_add_realm, rows[3],
		                     deadline);
	if (error != 0)
		return error;
	view_add_core(rows[2], &view->status, &reply);
	tsr_cores_add(&view->cores, rows[1], rows[2]);
	view->status = reply;
	tsr_report_set(report, "daemon", view_daemon(&reply));
	return 0;
}

json_t *
tsr_view_take(struct tsr_view *view)
{
	json_t *const report = tsr_report_new();
	json_t *rows[TSR_VIEW_TABLES];
	int error;

	tsr_report_set(report, "realm", json_string(view->realm));
	for (size_t i = 0; i < TSR_VIEW_TABLES; i++) {
		rows[i] = json_array();
		tsr_report_set(report, tsr_view_tables[i].key, rows[i]);
	}
	error = view_ask(view, report, rows);
	if (error != 0) {
		view_hang_up(view);
		for (size_t i = 1; i < TSR_VIEW_TABLES; i++)
			(void)json_array_clear(rows[i]);
		tsr_report_set(report, "daemon", json_null());
		tsr_report_set(report, "error", json_string(tsr_strerror(error)));
		tsr_report_set(report, "errno", json_integer(error));
		if (view->daemon_pid != 0)
			tsr_report_set(report, "daemon_process",
			               json_string(tsr_process_doing((pid_t)view->daemon_pid)));
	}
	error = view->sampling ? 0 : view->connected ? view_look(view) : -ENOTCONN;
	if (error == 0)
		error = view_take_channels(view, report, rows[0]);
	if (error != 0) {
		view_look_away(view);
		tsr_report_set(report, "realm_error", json_string(tsr_strerror(error)));
		tsr_report_set(report, "realm_errno", json_integer(error));
	}
	return report;
}

struct tsr_history const *
tsr_view_history(struct tsr_view const *view, uint64_t channel_id)
{
	uint32_t const index = tsr_channel_index((uint32_t)channel_id);
	struct tsr_history const *history = NULL;

	if (view->sampling && index < view->before.channels_count)
		history = view->history[index];
	return history != NULL && history->id == channel_id ? history : NULL;
}
