/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CONFIG_WATCH_H
#define TSR_CORE_CONFIG_WATCH_H

/*
 * Has the configuration file been changed? By inotify, on every folder that the way to it leads
 * through.
 *
 * A file counts as changed when a writer has closed it, or when it, or a symbolic link on the way,
 * was put in place (rename, ln): editors, deployment tools and the mounts of Kubernetes do one of
 * these. A file that is being written does not. What the kernel does not tell (network file
 * systems, @include'd files) is for SIGHUP and `tessera reload`.
 *
 * Progress	a folder in which only real folders of the way lie is watched for being moved
 *		itself, not for what happens in it: the daemon is not woken by everybody else's
 *		files in /tmp.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"

#define TSR_WATCH_STEPS_MAX 64

/* A name in a folder, on the way to the file. */
struct tsr_watch_step {
	int watch; /* of the folder */
	char name[NAME_MAX + 1];
};

struct tsr_config_watch {
	int fd; /* inotify; -1: nothing is watched */
	uint32_t steps;
	struct tsr_watch_step *step; /* [TSR_WATCH_STEPS_MAX] */
};

/* tsr_config_watch_open - Return: 0; -ENOMEM; what inotify_init1(2) gave. */
TSR_MUST_CHECK
int tsr_config_watch_open(struct tsr_config_watch *watch);
void tsr_config_watch_close(struct tsr_config_watch *watch);

/*
 * tsr_config_watch_aim - watch the way to the file as it leads now
 * @file:	absolute; it may be missing: then the folder where the way ends is watched
 *
 * Call it before each reading of the file: what changes later is told. Return: 0; -EACCES, ... a
 * folder can't be looked into or watched; -ELOOP, -ENAMETOOLONG. What could be is watched.
 */
TSR_MUST_CHECK
int tsr_config_watch_aim(struct tsr_config_watch *watch, const char *file);

/* tsr_config_watch_read - take what the kernel told. Return: whether it is about the file. */
bool tsr_config_watch_read(struct tsr_config_watch *watch, const char *file);

#endif /* TSR_CORE_CONFIG_WATCH_H */
