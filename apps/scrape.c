/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/scrape.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"

/* A process is attached to a few realms at most: the rest are left again after each look. */
#define SCRAPE_REALMS_KEPT 6

static bool
scrape_matches(const char *pattern, const char *name)
{
	return pattern == NULL || fnmatch(pattern, name, 0) == 0;
}

bool
tsr_scrape_wants(struct tsr_scrape const *scrape, struct tsr_sample_channel const *channel)
{
	return channel->id != 0 && scrape_matches(scrape->channel, channel->name);
}

static void
scrape_look_away(struct tsr_scrape_realm *realm)
{
	if (realm->sampling)
		tsr_sampler_close(&realm->sampler);
	realm->sampling = false;
}

/* What was taken; the realms stay. */
static void
scrape_forget(struct tsr_scrape *scrape)
{
	for (uint32_t i = 0; i < scrape->realms_count; i++) {
		if (scrape->realms[i].sampled)
			tsr_sample_free(&scrape->realms[i].sample);
		scrape->realms[i].sampled = false;
		scrape->realms[i].told = false;
	}
	free(scrape->clients);
	scrape->clients = NULL;
	scrape->clients_count = 0;
	scrape->up = false;
}

void
tsr_scrape_close(struct tsr_scrape *scrape)
{
	scrape_forget(scrape);
	for (uint32_t i = 0; i < scrape->realms_count; i++)
		scrape_look_away(&scrape->realms[i]);
	free(scrape->realms);
	scrape->realms = NULL;
	scrape->realms_count = 0;
}

/* The rows of a list go into an array, which this makes longer. */
struct scrape_rows {
	struct tsr_scrape *scrape;
	bool failed; /* no memory */
};

static void
scrape_add_realm(void *argument, const void *from)
{
	struct scrape_rows *const rows = argument;
	struct tsr_scrape *const scrape = rows->scrape;
	struct tsr_proto_row_realm row = *(const struct tsr_proto_row_realm *)from;
	struct tsr_scrape_realm *grown;

	row.name[sizeof(row.name) - 1] = '\0';
	if (!scrape_matches(scrape->realm, row.name))
		return;
	for (uint32_t i = 0; i < scrape->realms_count; i++) {
		if (strcmp(scrape->realms[i].row.name, row.name) != 0)
			continue;
		scrape->realms[i].row = row;
		scrape->realms[i].told = true;
		return;
	}
	grown = reallocarray(scrape->realms, scrape->realms_count + 1, sizeof(*grown));
	if (grown == NULL) {
		rows->failed = true;
		return;
	}
	scrape->realms = grown;
	grown[scrape->realms_count++] = (struct tsr_scrape_realm){.row = row, .told = true};
}

static void
scrape_add_client(void *argument, const void *from)
{
	struct scrape_rows *const rows = argument;
	struct tsr_scrape *const scrape = rows->scrape;
	struct tsr_proto_row_client row = *(const struct tsr_proto_row_client *)from;
	struct tsr_proto_row_client *grown;

	row.realm[sizeof(row.realm) - 1] = '\0';
	row.name[sizeof(row.name) - 1] = '\0';
	if (row.id == 0 || !scrape_matches(scrape->realm, row.realm))
		return;
	grown = reallocarray(scrape->clients, scrape->clients_count + 1, sizeof(*grown));
	if (grown == NULL) {
		rows->failed = true;
		return;
	}
	scrape->clients = grown;
	grown[scrape->clients_count++] = row;
}

/* All that the daemon tells. Return: 0; a negative errno, and a part may have been told. */
static int
scrape_ask(struct tsr_scrape *scrape)
{
	uint64_t const deadline = tsr_deadline_in_ms(scrape->patience_ns / TSR_NS_PER_MS);
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	struct scrape_rows rows = {.scrape = scrape};
	struct tsr_control control;
	int error = tsr_control_open(&control, tsr_globals.socket, deadline);

	if (error != 0)
		return error;
	/* Another daemon: what is mapped are realms of the past. */
	for (uint32_t i = 0; control.instance != scrape->instance && i < scrape->realms_count; i++)
		scrape_look_away(&scrape->realms[i]);
	scrape->instance = control.instance;
	error = tsr_control_ask(&control, TSR_PROTO_STATUS, &request, sizeof(request),
	                        &scrape->status, sizeof(scrape->status), NULL, deadline);
	if (error == 0)
		error = tsr_cli_rows(&control, TSR_LIST_REALMS, NULL,
		                     sizeof(struct tsr_proto_row_realm), scrape_add_realm, &rows,
		                     deadline);
	if (error == 0)
		error = tsr_cli_rows(&control, TSR_LIST_CLIENTS, NULL,
		                     sizeof(struct tsr_proto_row_client), scrape_add_client, &rows,
		                     deadline);
	tsr_control_close(&control);
	return error == 0 && rows.failed ? -ENOMEM : error;
}

/* Realms that the daemon no longer has. */
static void
scrape_drop_untold(struct tsr_scrape *scrape)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < scrape->realms_count; i++) {
		if (scrape->realms[i].told)
			scrape->realms[kept++] = scrape->realms[i];
		else
			scrape_look_away(&scrape->realms[i]);
	}
	scrape->realms_count = kept;
}

/* Return: 0; what the sampler gave; -EAGAIN its ends came and went faster than they were read:
 * counts that go down would be taken for a fresh start. */
static int
scrape_sample(struct tsr_scrape_realm *realm)
{
	int const error = tsr_sampler_take(&realm->sampler, &realm->sample);

	if (error != 0)
		return error;
	if (!realm->sample.torn) {
		realm->sampled = true;
		return 0;
	}
	tsr_sample_free(&realm->sample);
	return -EAGAIN;
}

static void
scrape_look(struct tsr_scrape *scrape, struct tsr_scrape_realm *realm)
{
	int error = realm->sampling ? scrape_sample(realm) : -ENOTCONN;

	/* The realm may be a new one of the same name. */
	if (error == -ENOTCONN) {
		scrape_look_away(realm);
		if (!scrape->up || tsr_sampler_open(&realm->sampler, realm->row.name) != 0)
			return;
		realm->sampling = true;
		realm->sampler.times = scrape->times;
		error = scrape_sample(realm);
	}
	if (error == -EAGAIN)
		(void)scrape_sample(realm);
}

int
tsr_scrape_take(struct tsr_scrape *scrape)
{
	uint32_t kept = 0;
	int error;

	scrape_forget(scrape);
	error = scrape_ask(scrape);
	scrape->up = error == 0;
	if (scrape->up)
		scrape_drop_untold(scrape);
	for (uint32_t i = 0; i < scrape->realms_count; i++) {
		scrape_look(scrape, &scrape->realms[i]);
		kept += scrape->realms[i].sampling;
		if (kept > SCRAPE_REALMS_KEPT) {
			scrape_look_away(&scrape->realms[i]);
			kept--;
		}
	}
	return error;
}
