/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_VIEW_H
#define TSR_APPS_VIEW_H

/*
 * What `tessera top` shows: a realm's channels out of its memory, and beside them what the daemon
 * tells of its clients, itself and all realms. Either may be missing; the next look tries again.
 */

#include "apps/cores.h"
#include "apps/sample.h"
#include "apps/table.h"
#include "shm/control.h"
#include "shm/proto.h"

#define TSR_HISTORY_SAMPLES 256

/* What a channel received, a second, look by look. */
struct tsr_history {
	uint64_t id;    /* of the channel */
	uint64_t looks; /* all; the newest is rate[(looks - 1) % TSR_HISTORY_SAMPLES] */
	uint64_t rate[TSR_HISTORY_SAMPLES];
};

struct tsr_view {
	const char *realm;
	uint64_t patience_ns; /* how long the daemon may take to answer */
	struct tsr_control control;
	bool connected;
	uint64_t instance;   /* of the daemon that was reached last */
	uint32_t daemon_pid; /* of the same; 0: none yet */
	struct tsr_sampler sampler;
	bool sampling;
	struct tsr_sample before;
	struct tsr_cores cores;
	struct tsr_history **history;         /* by entry of the directory */
	struct tsr_proto_status_reply status; /* of the look before; uptime_ns 0: none */
};

/* One of the tables of a look: the array under @key of the report. */
struct tsr_view_table {
	const char *key;
	const char *title;
	struct tsr_column const *columns; /* the first one names the row */
	uint8_t const *widths;            /* of each column but the first */
};

#define TSR_VIEW_TABLES 4

extern const struct tsr_view_table tsr_view_tables[TSR_VIEW_TABLES];

/* tsr_view_open - nothing is asked yet. @realm must live as long. */
void tsr_view_open(struct tsr_view *view, const char *realm, uint64_t patience_ns);
void tsr_view_close(struct tsr_view *view);

/*
 * tsr_view_take - look: rates are those since the look before
 *
 * Return: a report, the caller drops it: "daemon" is an object, or null and "error" says why, and
 * "daemon_process" what its process does; then clients, cores and memory are empty. "channels" is
 * empty where the realm can't be looked at, and "realm_error" says why.
 */
json_t *tsr_view_take(struct tsr_view *view);

/* tsr_view_history - of the channel in a row of "channels"; NULL: none yet. */
struct tsr_history const *tsr_view_history(struct tsr_view const *view, uint64_t channel_id);

#endif /* TSR_APPS_VIEW_H */
