/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera status: how the daemon and its realms are. */

#include <linux/capability.h>

#include "apps/cli.h"
#include "apps/rows.h"
#include "apps/table.h"

#define STATUS_CAPABILITY_BYTES   8
#define STATUS_CAPABILITIES_BYTES (64 * STATUS_CAPABILITY_BYTES)

static const struct tsr_column status_facts[] = {
	{"release", "release", TSR_CELL_TEXT},
	{"pid", "process", TSR_CELL_TEXT},
	{"user", "user", TSR_CELL_TEXT},
	{"socket", "socket", TSR_CELL_TEXT},
	{"uptime_ns", "up for", TSR_CELL_NS},
	{"clients", "clients", TSR_CELL_COUNT},
	{"channels", "channels", TSR_CELL_COUNT},
	{"connections", "connections", TSR_CELL_COUNT},
	{"memory_bytes", "memory", TSR_CELL_BYTES},
	{"poll_cpu", "poll core on CPU", TSR_CELL_TEXT},
	{"busy_ns", "  busy", TSR_CELL_NS},
	{"polling_ns", "  looking for work", TSR_CELL_NS},
	{"asleep_ns", "  asleep", TSR_CELL_NS},
	{"reaped", "deaths cleaned up after", TSR_CELL_COUNT},
	{"evicted", "clients evicted", TSR_CELL_COUNT},
	{"repaired", "things given back", TSR_CELL_COUNT},
	{"refused", "requests refused", TSR_CELL_COUNT},
	{"compat", "older kernel's fallbacks", TSR_CELL_TEXT},
	{"systemd", "started by systemd", TSR_CELL_TEXT},
	{"sandbox", "sandbox", TSR_CELL_TEXT},
	{"sandbox_seccomp", "  seccomp", TSR_CELL_TEXT},
	{"sandbox_landlock_abi", "  Landlock ABI", TSR_CELL_TEXT},
	{"capabilities", "  capabilities", TSR_CELL_TEXT},
	{"reload", "configuration", TSR_CELL_TEXT},
	{"reload_age_ns", "  that long ago", TSR_CELL_NS},
	{"reload_text", "  by", TSR_CELL_TEXT},
	{"reload_restart", "  waits for a restart", TSR_CELL_COUNT},
	{"reloads", "  reloads taken", TSR_CELL_COUNT},
	{"reloads_refused", "  reloads refused", TSR_CELL_COUNT},
	{"takeover", "when it dies", TSR_CELL_TEXT},
	{"realms_kept", "  realms kept", TSR_CELL_COUNT},
	{"descriptors_kept", "  descriptors kept", TSR_CELL_COUNT},
	{"upgraded_from", "upgraded from", TSR_CELL_TEXT},
	{"upgrade_gap_ns", "  nobody served for", TSR_CELL_NS},
	{"realms_taken", "realms taken over", TSR_CELL_COUNT},
	{"takeover_ns", "  first request served after", TSR_CELL_NS},
	{"clients_away", "  clients not back yet", TSR_CELL_COUNT},
	{"hint", "to make it faster", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column status_realms[] = {
	{"realm", "REALM", TSR_CELL_TEXT},
	{"owner", "OWNER", TSR_CELL_TEXT},
	{"group", "GROUP", TSR_CELL_TEXT},
	{"mode", "MODE", TSR_CELL_MODE},
	{"backing", "PAGES", TSR_CELL_TEXT},
	{"arena_bytes", "MEMORY", TSR_CELL_BYTES},
	{"clients", "CLIENTS", TSR_CELL_COUNT},
	{"clients_max", "OF", TSR_CELL_COUNT},
	{"channels", "CHANNELS", TSR_CELL_COUNT},
	{"channels_max", "OF", TSR_CELL_COUNT},
	{"tickets", "TICKETS", TSR_CELL_COUNT},
	{"tickets_free", "FREE", TSR_CELL_COUNT},
	{"message_bytes_max", "LARGEST", TSR_CELL_BYTES},
	{"regions", "REGIONS", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static json_t *
status_realm(const void *from)
{
	const struct tsr_proto_row_realm *row = from;
	json_t *out = json_object();

	tsr_report_set(out, "realm", tsr_report_text(row->name, sizeof(row->name)));
	tsr_report_set(out, "owner", tsr_row_user(row->owner));
	tsr_report_set(out, "group", tsr_row_group(row->group));
	tsr_report_set(out, "mode", json_integer(row->mode));
	tsr_report_set(out, "backing", tsr_report_text(row->backing, sizeof(row->backing)));
	tsr_report_set(out, "arena_bytes", tsr_report_count(row->arena_bytes));
	tsr_report_set(out, "epoch", tsr_report_count(row->epoch));
	tsr_report_set(out, "clients", json_integer(row->clients));
	tsr_report_set(out, "clients_max", json_integer(row->clients_max));
	tsr_report_set(out, "channels", json_integer(row->channels));
	tsr_report_set(out, "channels_max", json_integer(row->channels_max));
	tsr_report_set(out, "tickets", json_integer(row->tickets));
	tsr_report_set(out, "tickets_free", json_integer(row->tickets_free));
	tsr_report_set(out, "regions", json_integer(row->regions));
	tsr_report_set(out, "message_bytes_max", json_integer(row->message_bytes_max));
	return out;
}

/* By kind of what was repaired after deaths. */
static void
status_set_repairs(json_t *out, const struct tsr_proto_status_reply *reply)
{
	static const char *const keys[TSR_REPAIRS] = {
		[TSR_REPAIR_SLOTS_VOIDED] = "repaired_slots_voided",
		[TSR_REPAIR_SLOTS_RESTORED] = "repaired_slots_restored",
		[TSR_REPAIR_CELLS] = "repaired_cells",
		[TSR_REPAIR_CURSORS] = "repaired_cursors",
		[TSR_REPAIR_TICKETS] = "repaired_tickets",
		[TSR_REPAIR_REQUEUED] = "repaired_requeued",
		[TSR_REPAIR_TOKENS] = "repaired_tokens",
		[TSR_REPAIR_WOKEN] = "repaired_woken",
	};

	for (unsigned i = 0; i < TSR_REPAIRS; i++)
		tsr_report_set(out, keys[i], tsr_report_count(reply->repairs[i]));
}

static void
status_fill(const struct tsr_proto_status_reply *reply, json_t *out)
{
	tsr_report_set(out, "release", tsr_report_text(reply->release, sizeof(reply->release)));
	tsr_report_set(out, "pid", json_integer(reply->pid));
	tsr_report_set(out, "user", tsr_row_user(reply->uid));
	tsr_report_set(out, "uptime_ns", tsr_report_count(reply->uptime_ns));
	tsr_report_set(out, "clients", json_integer(reply->clients));
	tsr_report_set(out, "channels", json_integer(reply->channels));
	tsr_report_set(out, "connections", json_integer(reply->connections));
	tsr_report_set(out, "memory_bytes", tsr_report_count(reply->memory_bytes));
	tsr_report_set(out, "poll_cpu", json_integer(reply->poll_cpu));
	tsr_report_set(out, "busy_ns", tsr_report_count(reply->busy_ns));
	tsr_report_set(out, "polling_ns", tsr_report_count(reply->polling_ns));
	tsr_report_set(out, "asleep_ns", tsr_report_count(reply->asleep_ns));
	tsr_report_set(out, "reaped", tsr_report_count(reply->reaped));
	tsr_report_set(out, "evicted", tsr_report_count(reply->evicted));
	status_set_repairs(out, reply);
	tsr_report_set(out, "reap_steps", tsr_report_count(reply->reap_steps));
	tsr_report_set(out, "reap_longest", tsr_report_count(reply->reap_longest));
	tsr_report_set(out, "repaired", tsr_report_count(reply->repaired));
	tsr_report_set(out, "refused", tsr_report_count(reply->refused));
	tsr_report_set(out, "compat", json_boolean(reply->flags & TSR_STATUS_COMPAT));
	tsr_report_set(out, "systemd", json_boolean(reply->flags & TSR_STATUS_SYSTEMD));
	tsr_report_set(out, "hint", tsr_report_text(reply->hint, sizeof(reply->hint)));
}

static void
status_fill_takeover(const struct tsr_proto_status_reply *reply, json_t *out)
{
	static const char *const said[] = {"all is lost: nothing keeps its realms",
	                                   "systemd keeps its realms for the next one",
	                                   "a holder keeps its realms for the next one"};
	uint32_t const store = reply->store <= TSR_STATUS_STORE_HOLDER ? reply->store : 0;

	tsr_report_set(out, "takeover", json_string(said[store]));
	tsr_report_set(out, "realms_kept", json_integer(reply->realms_kept));
	tsr_report_set(out, "descriptors_kept", json_integer(reply->stored));
	if (reply->upgraded_ns != 0) {
		tsr_report_set(out, "upgraded_from",
		               tsr_report_text(reply->upgraded_from, sizeof(reply->upgraded_from)));
		tsr_report_set(out, "upgrade_gap_ns", tsr_report_count(reply->upgraded_ns));
	}
	if (reply->realms_taken == 0)
		return;
	tsr_report_set(out, "realms_taken", json_integer(reply->realms_taken));
	if (reply->taken_over_ns != 0)
		tsr_report_set(out, "takeover_ns", tsr_report_count(reply->taken_over_ns));
	tsr_report_set(out, "clients_away", json_integer(reply->clients_away));
}

/* By name those that a daemon may keep; the rest by number. */
static json_t *
status_capabilities(uint64_t mask)
{
	char text[STATUS_CAPABILITIES_BYTES] = "";
	size_t used = 0;

	for (unsigned i = 0; i < 64 && used + STATUS_CAPABILITY_BYTES < sizeof(text); i++) {
		const char *const before = used == 0 ? "" : " ";

		if ((mask >> i & 1) == 0)
			continue;
		if (i == CAP_CHOWN || i == CAP_KILL)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", before,
			                         i == CAP_KILL ? "kill" : "chown");
		else
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u", before,
			                         i);
	}
	return json_string(mask == 0 ? "none" : text);
}

static void
status_fill_sandbox(const struct tsr_proto_status_reply *reply, json_t *out)
{
	static const char *const modes[] = {"off", "log", "on", "?"};

	tsr_report_set(out, "sandbox",
	               json_string(modes[reply->sandbox & TSR_STATUS_SANDBOX_MODE]));
	tsr_report_set(out, "sandbox_seccomp",
	               json_boolean(reply->sandbox & TSR_STATUS_SANDBOX_SECCOMP));
	tsr_report_set(out, "sandbox_landlock_abi", json_integer(reply->landlock));
	tsr_report_set(out, "capabilities", status_capabilities(reply->capabilities));
}

static void
status_fill_reload(const struct tsr_proto_status_reply *reply, json_t *out)
{
	bool const none = reply->reload_age_ns == UINT64_MAX;

	tsr_report_set(out, "reload",
	               json_string(none                       ? "as at the start"
	                           : reply->reload_error == 0 ? "read again"
	                                                      : "refused"));
	tsr_report_set(out, "reloads", tsr_report_count(reply->reloads));
	tsr_report_set(out, "reloads_refused", tsr_report_count(reply->reloads_refused));
	if (none)
		return;
	tsr_report_set(out, "reload_age_ns", tsr_report_count(reply->reload_age_ns));
	tsr_report_set(out, "reload_text",
	               tsr_report_text(reply->reload_text, sizeof(reply->reload_text)));
	tsr_report_set(out, "reload_restart", json_integer(reply->reload_restart));
}

int
tsr_cmd_status(int argc, char **argv)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	struct tsr_proto_status_reply reply;
	struct tsr_control control;
	json_t *report, *realms = NULL;
	int status;

	tsr_cli_plain("Show how the daemon and its realms are.", argc, argv);
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	report = tsr_report_new();
	status = tsr_control_ask(&control, TSR_PROTO_STATUS, &request, sizeof(request), &reply,
	                         sizeof(reply), NULL, tsr_cli_deadline());
	if (status != 0) {
		status = tsr_cli_fail(status, "the daemon's status can't be had");
		goto close;
	}
	status_fill(&reply, report);
	status_fill_sandbox(&reply, report);
	status_fill_reload(&reply, report);
	status_fill_takeover(&reply, report);
	tsr_report_set(report, "socket", json_string(control.path));
	status = tsr_cli_list(&control, TSR_LIST_REALMS, sizeof(struct tsr_proto_row_realm),
	                      status_realm, &realms);
	if (status != 0)
		goto close;
	tsr_report_set(report, "realms", realms);
	if (!tsr_cli_print(stdout, report)) {
		tsr_table_facts(stdout, report, status_facts);
		fputc('\n', stdout);
		tsr_table_rows(stdout, realms, status_realms);
	}
close:
	json_decref(report);
	tsr_control_close(&control);
	return status;
}
