/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_DEMO_H
#define TSR_APPS_DEMO_H

/*
 * tessera demo: files from one process to another, checked and measured.
 *
 * Three processes: the one that the user started walks the input, hashes it with sha256sum outside
 * Tessera, and starts a receiver and a sender, each this program again (--role). These attach for
 * themselves, share nothing but the two channels, and tell the first by lines of JSON on standard
 * output: {"ready": true}, {"bytes": N} on the way, and {"result": {...}}.
 *
 * Phase one is unloaded: small messages, far apart, each stamped. Phase two is the stream, as fast
 * as it goes, one message in 64 stamped.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apps/cli.h"

#define TSR_DEMO_BLOCK_BYTES    4096
#define TSR_DEMO_SLOTS          256
#define TSR_DEMO_LATENCY_COUNT  4000
#define TSR_DEMO_LATENCY_BYTES  64
#define TSR_DEMO_LATENCY_GAP_NS UINT64_C(100000)
#define TSR_DEMO_STAMP_EVERY    64
#define TSR_DEMO_SPIN_NS        TSR_NS_PER_MS /* the receiver looks so long before it sleeps */
#define TSR_DEMO_WAIT_MS        30000         /* longest wait for the other side */

/* What the roles are told on their command line. */
struct tsr_demo_role {
	const char *name;    /* "send", "recv"; NULL: the one that the user started */
	const char *channel; /* the channels are NAME.latency and NAME.stream */
	uint64_t bytes;      /* length of the stream */
	bool corrupt;        /* recv: flip a bit of what was received */
	bool through;        /* files are read and hashed on the way: memory is short */
};

/* Both roles: an exit status. The sender reads the 0-separated list of files from its input. */
int tsr_demo_send(const struct tsr_demo_role *role);
int tsr_demo_recv(const struct tsr_demo_role *role);

/* The two channels of a demo, as both roles open them. */
enum tsr_demo_phase {
	TSR_DEMO_LATENCY,
	TSR_DEMO_STREAM,
	TSR_DEMO_PHASES,
};

extern const struct tsr_channel_options tsr_demo_shape;

/* "NAME.latency" or "NAME.stream". */
void tsr_demo_channel(const struct tsr_demo_role *role, enum tsr_demo_phase phase,
                      char name[TSR_NAME_BYTES]);

/* tsr_demo_tell - a line of JSON to the parent; takes @value over. */
void tsr_demo_tell(const char *key, json_t *value);

/* What the demo streams. */
struct tsr_source {
	int list; /* 0-separated names, in order */
	uint64_t files;
	uint64_t unreadable;
	uint64_t bytes;     /* of the stream */
	uint64_t cut_bytes; /* how much of the last file is in the stream; 0: all of it */
	char *cut_file;     /* NULL: no file is cut */
};

/*
 * tsr_source_walk - all regular files below @dir, in name order, up to @limit bytes
 *
 * Symbolic links are not followed. What can't be read is counted.
 * Return: 0, give it back with tsr_source_free(); -ENOENT; -ENOTDIR; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_source_walk(const char *dir, uint64_t limit, struct tsr_source *source);
void tsr_source_free(struct tsr_source *source);

/* Another reader of the list, from its beginning. Return: a descriptor; a negative errno. */
int tsr_source_list(const struct tsr_source *source);

/* tsr_demo_show - the closing table, or JSON. */
void tsr_demo_show(const json_t *report);

#endif /* TSR_APPS_DEMO_H */
