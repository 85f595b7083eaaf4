/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera ledger: is every ticket, slot, token and descriptor of a realm accounted for? */

#include <string.h>

#include "apps/cli.h"
#include "apps/table.h"

static const struct tsr_column ledger_facts[] = {
	{"realm", "realm", TSR_CELL_TEXT},
	{"balanced", "balanced", TSR_CELL_TEXT},
	{"text", "does not add up", TSR_CELL_TEXT},
	{"tickets", "tickets", TSR_CELL_COUNT},
	{"in_depot", "  in the depots", TSR_CELL_COUNT},
	{"with_daemon", "  with the daemon", TSR_CELL_COUNT},
	{"in_channels", "  in channels", TSR_CELL_COUNT},
	{"with_clients", "  with clients", TSR_CELL_COUNT},
	{"in_regions", "  in regions, free", TSR_CELL_COUNT},
	{"lost", "  lost", TSR_CELL_COUNT},
	{"slots_claimed", "slots held by the dead", TSR_CELL_COUNT},
	{"tokens_stray", "tokens held by the dead", TSR_CELL_COUNT},
	{"reaps_pending", "deaths to clean up after", TSR_CELL_COUNT},
	{"connections", "connections", TSR_CELL_COUNT},
	{"descriptors", "the daemon's descriptors", TSR_CELL_COUNT},
	{"mappings", "the daemon's mappings", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static json_t *
ledger_report(const char *realm, const struct tsr_proto_ledger_reply *reply)
{
	json_t *out = tsr_report_new();

	tsr_report_set(out, "realm", json_string(realm));
	tsr_report_set(out, "balanced", json_boolean(reply->balanced));
	if (reply->text[0] != '\0')
		tsr_report_set(out, "text", tsr_report_text(reply->text, sizeof(reply->text)));
	tsr_report_set(out, "tickets", json_integer(reply->tickets));
	tsr_report_set(out, "in_depot", json_integer(reply->in_depot));
	tsr_report_set(out, "with_daemon", json_integer(reply->with_daemon));
	tsr_report_set(out, "in_channels", json_integer(reply->in_channels));
	tsr_report_set(out, "with_clients", json_integer(reply->with_clients));
	tsr_report_set(out, "in_regions", json_integer(reply->in_regions));
	tsr_report_set(out, "lost", json_integer(reply->lost));
	tsr_report_set(out, "slots_claimed", json_integer(reply->slots_claimed));
	tsr_report_set(out, "tokens_stray", json_integer(reply->tokens_stray));
	tsr_report_set(out, "reaps_pending", json_integer(reply->reaps_pending));
	tsr_report_set(out, "connections", json_integer(reply->connections));
	tsr_report_set(out, "descriptors", json_integer(reply->descriptors));
	tsr_report_set(out, "mappings", json_integer(reply->mappings));
	return out;
}

int
tsr_cmd_ledger(int argc, char **argv)
{
	struct tsr_proto_ledger request = {.realm = ""};
	struct tsr_proto_ledger_reply reply;
	struct tsr_control control;
	json_t *report;
	int status;

	tsr_cli_plain("Account for every ticket, slot, token and descriptor of a realm.\v"
	              "While messages move the account may not add up; at rest it must. "
	              "The exit status is 1 if it doesn't.",
	              argc, argv);
	strcpy(request.realm, tsr_globals.realm != NULL ? tsr_globals.realm : TSR_REALM_DEFAULT);
	status = tsr_cli_connect(&control);
	if (status != 0)
		return status;
	status = tsr_control_ask(&control, TSR_PROTO_LEDGER, &request, sizeof(request), &reply,
	                         sizeof(reply), NULL, tsr_cli_deadline());
	tsr_control_close(&control);
	if (status != 0)
		return tsr_cli_fail(status, "the ledger of '%s' can't be had", request.realm);
	report = ledger_report(request.realm, &reply);
	if (!tsr_cli_print(stdout, report))
		tsr_table_facts(stdout, report, ledger_facts);
	json_decref(report);
	return reply.balanced ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
}
