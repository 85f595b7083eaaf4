/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_RELOAD_H
#define TSR_CORE_RELOAD_H

/*
 * Live reload: the configuration is read again, on SIGHUP, on RELOAD, and when the file changes.
 *
 * All or nothing. First everything is read and checked, realms that are new are made, and the
 * socket gets its mode; if any of it fails, nothing has changed. What then follows can't fail: it
 * copies numbers.
 *
 *	value			in force
 *	log.level		with the next line
 *	limits.*		for the next one who asks; who is above keeps what he has
 *	poll.isolated		with the poll core's next round
 *	compat.kernel		for connections and realms made from then on
 *	owner, group, mode	for who attaches from then on; who is attached stays
 *	foreign_regions		for regions offered from then on
 *	socket_mode, _group	at once; not where systemd made the socket
 *	the rest		after a restart: named, and the old value stays in force
 *
 * A realm that is new in the file is there when the reload returns. One that is gone from it admits
 * nobody any more, and closes when its last client has left: at once, if it has none. Messages that
 * then are in its channels go with it. If it returns to the file before that, it stays.
 *
 * Context of every call: the control thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/config_diff.h"
#include "core/config_watch.h"

#define TSR_RELOAD_WHO_BYTES 64

struct tsr_daemon;
struct tsr_refusal;

struct tsr_reload {
	struct tsr_config_sources const *sources;
	struct tsr_config *config; /* in force: the one that daemon->config shows to all */
	struct tsr_config_watch watch;
	bool seen;        /* the file has been there */
	uint64_t taken;   /* reloads that were */
	uint64_t refused; /* and those that changed nothing */
	uint64_t last_ns; /* 0: none yet */
	int error;        /* of the last one */
	uint32_t restart; /* values of the file that wait for a restart */
	char text[TSR_PROTO_TEXT_BYTES];
	struct tsr_changes changes; /* of the last one */
};

/* tsr_reload_create - watch the file, if there is one. A file that can't be watched is told in the
 * log: it is no failure. */
void tsr_reload_create(struct tsr_reload *reload, struct tsr_config *config,
                       struct tsr_config_sources const *sources);
void tsr_reload_destroy(struct tsr_reload *reload);

/*
 * tsr_reload_run - read the configuration again
 * @who:	asked for it: "SIGHUP from pid 7"
 *
 * The result is in daemon->reload, and in the log. Return: 0; -EINVAL the configuration is wrong;
 * -ENOENT it is gone; or what a new realm or the socket could not get: nothing has changed.
 */
int tsr_reload_run(struct tsr_daemon *daemon, const char *who);

/* tsr_reload_changed - inotify is readable: reload if it is about the file, and that is there. */
void tsr_reload_changed(struct tsr_daemon *daemon);

#endif /* TSR_CORE_RELOAD_H */
