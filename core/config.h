/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CONFIG_H
#define TSR_CORE_CONFIG_H

/*
 * The configuration: defaults, then a libconfig file, then --set path=value, each checked against
 * one table of keys. An unknown key, a wrong type and a value out of range are refused, with the
 * place.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/log.h"
#include "core/postmortem.h"
#include "core/quota.h"
#include "core/sandbox.h"
#include "core/segment.h"
#include "shm/format.h"

#define TSR_REALMS_MAX  64
#define TSR_REALMS_ROOM ((size_t)2 * TSR_REALMS_MAX) /* with those that are leaving: see reload.h */

struct tsr_config_realm {
	struct tsr_realm_geometry geometry;
	enum tsr_backing backing; /* where to begin on the way down */
	uid_t owner;
	gid_t group;
	mode_t mode;          /* as in chmod: w participant, r observer */
	bool foreign_regions; /* take clients' own memory as regions */
	bool core_files;      /* they hold all of the realm but its arenas */
	char where[160];      /* it was defined */
	bool leaving;         /* no longer in the file: see reload.h */
};

struct tsr_config {
	char socket[108]; /* "": in the run directory */
	mode_t socket_mode;
	gid_t socket_group; /* -1: the daemon's */
	enum tsr_log_level log_level;
	bool isolated;
	int poll_cpu; /* -1: not pinned */
	bool compat;  /* behave as on Linux 6.1 */
	enum tsr_sandbox_mode sandbox;
	struct tsr_quota_limits limits;
	char postmortem_folder[TSR_POSTMORTEM_FOLDER_MAX + 1]; /* "": nothing is kept */
	bool postmortem_trace;
	uint32_t postmortem_keep;
	struct tsr_config_realm *realms; /* [TSR_REALMS_ROOM] */
	uint32_t realms_count;
};

/* Where the configuration comes from, at the start and again with each reload. */
struct tsr_config_sources {
	const char *file; /* absolute; NULL: none */
	bool optional;    /* it may be missing */
	char *const *sets;
	unsigned sets_count;
};

/* Told of every mistake, as "FILE:LINE: ..." or "--set PATH: ...". */
typedef void tsr_config_complain_fn(void *argument, const char *line);

struct tsr_config_sink {
	tsr_config_complain_fn *complain;
	void *argument;
	unsigned mistakes;
	const char *file; /* that is being read */
};

/*
 * tsr_config_load - defaults, file, --set, on top of each other, and the check of the whole
 * @config:	untouched on failure; else the caller destroys it
 *
 * Return: 0; -EINVAL there were mistakes; -ENOMEM; -ENOENT, ... the file can't be read.
 */
TSR_MUST_CHECK
int tsr_config_load(struct tsr_config *config, struct tsr_config_sources const *sources,
                    struct tsr_config_sink *sink);

/* tsr_config_default - the embedded default: a realm "demo". Return: 0; -ENOMEM. */
TSR_MUST_CHECK
int tsr_config_default(struct tsr_config *config);
void tsr_config_destroy(struct tsr_config *config);

/* tsr_config_read - a file on top. Return: 0; -EINVAL there were mistakes; -ENOMEM; -ENOENT, ... */
TSR_MUST_CHECK
int tsr_config_read(struct tsr_config *config, const char *path, struct tsr_config_sink *sink);

/* tsr_config_set - one "path=value" on top. Return: 0; -EINVAL; -ENOMEM. */
TSR_MUST_CHECK
int tsr_config_set(struct tsr_config *config, const char *assignment, struct tsr_config_sink *sink);

/* tsr_config_check - what only shows when everything is read. Return: 0; -EINVAL. */
TSR_MUST_CHECK
int tsr_config_check(struct tsr_config const *config, struct tsr_config_sink *sink);

/* tsr_config_find - the realm of that name; NULL. */
struct tsr_config_realm *tsr_config_find(struct tsr_config const *config, const char *name);

#endif /* TSR_CORE_CONFIG_H */
