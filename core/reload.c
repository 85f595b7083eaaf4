/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/daemon.h"
#include "core/log.h"
#include "core/realm.h"
#include "core/systemd.h"
#include "shm/access.h"
#include "shm/trace.h"

/* One attempt. */
struct reload_attempt {
	struct tsr_daemon *daemon;
	struct tsr_config next;
	struct tsr_changes changes;
	struct tsr_realm *made[TSR_REALMS_MAX]; /* with a reference of ours each */
	uint32_t made_count;
};

void
tsr_reload_create(struct tsr_reload *reload, struct tsr_config *config,
                  struct tsr_config_sources const *sources)
{
	int error;

	*reload = (struct tsr_reload){.sources = sources, .config = config, .watch = {.fd = -1}};
	if (sources->file == NULL)
		return;
	error = tsr_config_watch_open(&reload->watch);
	if (error == 0)
		error = tsr_config_watch_aim(&reload->watch, sources->file);
	if (error != 0)
		tsr_log(TSR_LOG_WARNING,
		        "changes of %s may go unseen (%s): after one, send SIGHUP or use 'tessera "
		        "reload'",
		        sources->file, strerror(-error));
	reload->seen = access(sources->file, F_OK) == 0;
}

void
tsr_reload_destroy(struct tsr_reload *reload)
{
	tsr_config_watch_close(&reload->watch);
	tsr_changes_destroy(&reload->changes);
}

static void
reload_complain(void *argument, const char *line)
{
	tsr_changes_mistake(argument, line);
}

static void reload_mistake(struct reload_attempt *attempt, const char *format, ...)
	TSR_PRINTF(2, 3);

static void
reload_mistake(struct reload_attempt *attempt, const char *format, ...)
{
	char line[2 * TSR_REFUSAL_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	tsr_changes_mistake(&attempt->changes, line);
}

/*
 * A file that was there and is not, or is empty, is one that somebody is about to write: it does
 * not mean that all realms shall go. A pipe would have us wait for its writer.
 */
static int
reload_check_file(struct reload_attempt *attempt)
{
	struct tsr_reload const *const reload = &attempt->daemon->reload;
	const char *const file = reload->sources->file;
	struct stat status;

	if (file == NULL)
		return 0;
	if (stat(file, &status) != 0) {
		int const error = -errno;

		if (error == -ENOENT && reload->sources->optional && !reload->seen)
			return 0;
		reload_mistake(attempt, "%s: cannot be read: %s", file, strerror(-error));
		return error;
	}
	if (!S_ISREG(status.st_mode) || status.st_size == 0) {
		reload_mistake(attempt, "%s:1: is %s, expected settings", file,
		               S_ISREG(status.st_mode) ? "empty" : "no file");
		return -EINVAL;
	}
	return 0;
}

/* Forget realms that have left. */
static void
reload_prune(struct tsr_daemon *daemon, struct tsr_config *config)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < config->realms_count; i++) {
		struct tsr_realm *const realm =
			config->realms[i].leaving
				? tsr_realm_lookup(daemon, config->realms[i].geometry.name)
				: NULL;

		if (config->realms[i].leaving && realm == NULL)
			continue;
		if (realm != NULL)
			tsr_realm_put(realm);
		if (kept != i)
			config->realms[kept] = config->realms[i];
		kept++;
	}
	config->realms_count = kept;
}

/* Read, check, compare. */
static int
reload_prepare(struct reload_attempt *attempt)
{
	struct tsr_reload *const reload = &attempt->daemon->reload;
	struct tsr_config_sink sink = {.complain = reload_complain, .argument = &attempt->changes};
	int error = reload_check_file(attempt);

	if (error == 0)
		error = tsr_config_load(&attempt->next, reload->sources, &sink);
	if (error != 0)
		return error;
	reload_prune(attempt->daemon, reload->config);
	error = tsr_config_merge(reload->config, &attempt->next, &attempt->changes);
	if (error == -ENOBUFS)
		reload_mistake(attempt,
		               "there are %u realms that still have clients and are not in the "
		               "configuration any more, expected at most %d in all",
		               attempt->next.realms_count, (int)TSR_REALMS_ROOM);
	return error;
}

/* Realms that are new: all of them, or none. */
static int
reload_make_realms(struct reload_attempt *attempt)
{
	struct tsr_config const *const now = attempt->daemon->config;
	struct tsr_refusal refusal = {0};
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < attempt->next.realms_count; i++) {
		struct tsr_config_realm const *const realm = &attempt->next.realms[i];

		/* One that was condemned is made by whoever attaches next. */
		if (tsr_config_find(now, realm->geometry.name) != NULL)
			continue;
		error = tsr_realm_create(attempt->daemon, realm,
		                         &attempt->made[attempt->made_count], &refusal);
		if (error == 0)
			attempt->made_count++;
		else
			reload_mistake(attempt, "%s: %s", realm->where, refusal.text);
	}
	return error;
}

static int
reload_permit_socket(struct reload_attempt *attempt)
{
	struct tsr_config const *const now = attempt->daemon->config;
	struct tsr_config const *const next = &attempt->next;
	char why[TSR_REFUSAL_BYTES];
	int error;

	if (now->socket_mode == next->socket_mode && now->socket_group == next->socket_group)
		return 0;
	error = tsr_rundir_permit(&attempt->daemon->rundir, next->socket_mode, next->socket_group,
	                          why, sizeof(why));
	if (error != 0)
		reload_mistake(attempt, "%s", why);
	return error;
}

/* Undo reload_make_realms(). */
static void
reload_unmake_realms(struct reload_attempt *attempt)
{
	while (attempt->made_count > 0) {
		struct tsr_realm *const realm = attempt->made[--attempt->made_count];

		tsr_realm_lock(realm);
		tsr_realm_dissolve(realm);
		tsr_realm_unlock(realm);
		tsr_realm_put(realm);
	}
}

/* From here on nothing fails. */
static void
reload_commit_realm(struct tsr_daemon *daemon, struct tsr_config_realm const *config)
{
	struct tsr_realm *const realm = tsr_realm_lookup(daemon, config->geometry.name);

	if (realm == NULL)
		return; /* it was condemned, or has left */
	tsr_realm_lock(realm);
	realm->settings.owner = config->owner;
	realm->settings.group = config->group;
	realm->settings.mode = config->mode;
	realm->settings.foreign_regions = config->foreign_regions;
	tsr_realm_leave(realm, config->leaving);
	tsr_realm_unlock(realm);
	tsr_realm_put(realm);
}

static void
reload_commit(struct reload_attempt *attempt)
{
	struct tsr_daemon *const daemon = attempt->daemon;
	struct tsr_config *const config = daemon->reload.config;

	tsr_log_level_set(attempt->next.log_level);
	tsr_quota_limit(&daemon->quota, &attempt->next.limits);
	tsr_poll_core_isolate(&daemon->poll, attempt->next.isolated);
	daemon->kernel.compat = attempt->next.compat;
	for (uint32_t i = 0; i < attempt->next.realms_count; i++)
		reload_commit_realm(daemon, &attempt->next.realms[i]);
	for (uint32_t i = 0; i < attempt->made_count; i++)
		tsr_realm_put(attempt->made[i]);
	tsr_config_destroy(config);
	*config = attempt->next;
	attempt->next = (struct tsr_config){0};
}

static void
reload_log_change(struct tsr_proto_row_change const *row)
{
	switch (row->what) {
	case TSR_CHANGE_APPLIED:
		tsr_log(TSR_LOG_NOTICE, "%s: %s, was %s", row->key, row->after, row->before);
		return;
	case TSR_CHANGE_RESTART:
		tsr_log(TSR_LOG_WARNING, "%s: %s needs a restart, %s stays in force", row->key,
		        row->after, row->before);
		return;
	case TSR_CHANGE_NEW:
		tsr_log(TSR_LOG_NOTICE, "%s is new", row->key);
		return;
	case TSR_CHANGE_LEAVING:
		tsr_log(TSR_LOG_NOTICE,
		        "%s is gone from the configuration: it closes when its last client has "
		        "left",
		        row->key);
		return;
	case TSR_CHANGE_RETURNED:
		tsr_log(TSR_LOG_NOTICE, "%s is in the configuration again, and stays", row->key);
		return;
	default:
		tsr_log(TSR_LOG_ERROR, "%s", row->text);
	}
}

/* Remember and tell what came of it. */
static void
reload_record(struct reload_attempt *attempt, const char *who, int error, uint64_t took_ns)
{
	struct tsr_reload *const reload = &attempt->daemon->reload;
	struct tsr_proto_row_feed row = {
		.kind = TSR_FEED_RELOAD, .error = error, .uid = UINT32_MAX, .took_ns = took_ns};

	tsr_changes_destroy(&reload->changes);
	reload->changes = attempt->changes;
	reload->last_ns = tsr_now_ns();
	reload->error = error;
	if (error == 0) {
		reload->taken++;
		reload->restart = reload->changes.restart;
		(void)snprintf(reload->text, sizeof(reload->text), "%s", who);
	} else {
		reload->refused++;
		(void)snprintf(reload->text, sizeof(reload->text), "%s: %.*s", who,
		               (int)sizeof(reload->text) / 2 + 64,
		               reload->changes.count > 0 ? reload->changes.row[0].text
		                                         : strerror(-error));
	}
	TSR_TRACE(reload, reload->text, error, took_ns);
	for (uint32_t i = 0; i < reload->changes.count; i++)
		reload_log_change(&reload->changes.row[i]);
	if (error == 0)
		tsr_feed_tell(
			&attempt->daemon->feed, TSR_LOG_NOTICE, &row,
			"configuration read again (%s): %u changed, %u need a restart, in %llu us",
			who, reload->changes.applied, reload->changes.restart,
			(unsigned long long)(took_ns / 1000));
	else
		tsr_feed_tell(&attempt->daemon->feed, TSR_LOG_ERROR, &row,
		              "configuration refused (%s), nothing was changed: %u mistakes, %s",
		              who, reload->changes.mistakes, strerror(-error));
}

/* What was to be applied was not. */
static void
reload_keep_mistakes(struct tsr_changes *changes)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < changes->count; i++) {
		if (changes->row[i].what == TSR_CHANGE_MISTAKE)
			changes->row[kept++] = changes->row[i];
	}
	changes->count = kept;
	changes->applied = 0;
	changes->restart = 0;
}

int
tsr_reload_run(struct tsr_daemon *daemon, const char *who)
{
	struct tsr_reload *const reload = &daemon->reload;
	struct reload_attempt *const attempt = calloc(1, sizeof(*attempt));
	uint64_t const begun_ns = tsr_now_ns();
	int error;

	if (attempt == NULL)
		return -ENOMEM;
	tsr_systemd_notify("RELOADING=1\nMONOTONIC_USEC=%llu",
	                   (unsigned long long)(begun_ns / 1000));
	attempt->daemon = daemon;
	if (reload->watch.fd >= 0 &&
	    tsr_config_watch_aim(&reload->watch, reload->sources->file) != 0)
		tsr_log(TSR_LOG_WARNING, "changes of %s may go unseen", reload->sources->file);
	error = reload_prepare(attempt);
	if (error == 0)
		error = reload_make_realms(attempt);
	if (error == 0)
		error = reload_permit_socket(attempt);
	if (error == 0) {
		reload_commit(attempt);
		reload->seen =
			reload->sources->file != NULL && access(reload->sources->file, F_OK) == 0;
	} else {
		reload_unmake_realms(attempt);
		reload_keep_mistakes(&attempt->changes);
	}
	reload_record(attempt, who, error, tsr_now_ns() - begun_ns);
	tsr_systemd_notify("READY=1\nSTATUS=listening on %s; configuration %s",
	                   daemon->rundir.socket,
	                   error == 0 ? "read again" : "refused: see the log");
	tsr_config_destroy(&attempt->next);
	free(attempt);
	return error;
}

void
tsr_reload_changed(struct tsr_daemon *daemon)
{
	struct tsr_reload *const reload = &daemon->reload;
	const char *const file = reload->sources->file;

	if (!tsr_config_watch_read(&reload->watch, file))
		return;
	/* Aim before looking whether it is there, or what comes in between is missed. */
	if (tsr_config_watch_aim(&reload->watch, file) != 0)
		tsr_log(TSR_LOG_DEBUG, "the way to %s can't be watched as a whole", file);
	/* Somebody is between taking the old one away and putting a new one there. */
	if (access(file, F_OK) != 0 && errno == ENOENT)
		return;
	(void)tsr_reload_run(daemon, "the file was changed");
}
