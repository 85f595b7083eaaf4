/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_POSTMORTEM_H
#define TSR_CORE_POSTMORTEM_H

/*
 * What is kept of a death, for `tessera report`: a folder with the realm as the dead one left it,
 * the last events of the realm, and the last second of a trace, if LTTng keeps one.
 *
 * Files	REALM-CLIENT-DATE in the folder that postmortem.folder names: `state`, as `tessera
 *		dump --save` writes it; `events`, see below; with postmortem.trace also `trace`,
 *		what LTTng's session has, and `lttng.log`, what `lttng` said. It appears as a whole.
 * Progress	the copy is made before anything is repaired, under the realm's lock: about a
 *		millisecond for 4 MiB. Everything else is done by the main thread, one death after
 *		the other; nobody waits for it but the end of the daemon. While POSTMORTEM_MAX are
 *		under way, more deaths are repaired and not kept.
 * Trust	copied under the realm's guard. Folders that were not made here are left alone.
 */

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/proto.h"

#define TSR_POSTMORTEM_FOLDER_MAX 200
#define TSR_POSTMORTEM_SESSION    "tessera-keep" /* `tessera trace keep` makes it */

struct tsr_config;
struct tsr_daemon;
struct tsr_member;
struct tsr_refusal;

/* The daemon's part. */
struct tsr_postmortem {
	char folder[TSR_POSTMORTEM_FOLDER_MAX + 1]; /* "": nothing is kept */
	bool trace;                                 /* what LTTng's session has, too */
	uint32_t keep;                              /* so many folders */
	pthread_mutex_t lock;
	pthread_cond_t news;
	int recorder; /* helper: see helper.h; -1: none */
	/* Under the lock. */
	uint32_t pending;          /* between take and the end of it */
	struct tsr_remains *first; /* to be written */
	bool closed;               /* no more will come */
};

/* The file `events`: this, then rows as the feed has them, oldest first. */
#define TSR_POSTMORTEM_MAGIC UINT64_C(0x31544e4556525354) /* "TSRVENT1" */

struct tsr_postmortem_head {
	uint64_t magic;
	uint32_t head_bytes;
	uint32_t row_bytes;
	uint64_t rows;
	struct tsr_proto_row_client victim; /* as it was when it died */
};

/* What was copied of one death. */
struct tsr_remains;

/* tsr_postmortem_create - Return: 0; -EINVAL the folder can't be written to. */
TSR_MUST_CHECK
int tsr_postmortem_create(struct tsr_postmortem *postmortem, struct tsr_config const *config,
                          struct tsr_refusal *refusal);

/* tsr_postmortem_destroy - write what is left: ten seconds at most for each. */
void tsr_postmortem_destroy(struct tsr_postmortem *postmortem);

/* tsr_postmortem_serve - write what is to be kept, until tsr_postmortem_close(). Context: the main
 * thread; the other one any. */
void tsr_postmortem_serve(struct tsr_postmortem *postmortem);
void tsr_postmortem_close(struct tsr_postmortem *postmortem);

/*
 * tsr_postmortem_take - copy what is there of the member's realm, before it is repaired
 *
 * Context: under the realm's lock. Return: NULL: nothing is to be kept, or can be.
 */
struct tsr_remains *tsr_postmortem_take(struct tsr_member const *member);

/* tsr_postmortem_keep - have it written, with what the feed has said by now. Context: without
 * locks. */
void tsr_postmortem_keep(struct tsr_remains *remains);

/* tsr_postmortem_drop - it was no death. NULL is fine. */
void tsr_postmortem_drop(struct tsr_remains *remains);

#endif /* TSR_CORE_POSTMORTEM_H */
