/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CONFIG_DIFF_H
#define TSR_CORE_CONFIG_DIFF_H

/*
 * What differs between the configuration in force and the one that was just read, in the words that
 * the log, LIST and `tessera reload` show.
 */

#include "core/config.h"
#include "shm/proto.h"

#define TSR_CHANGES_MAX 256 /* beyond it they are counted only */

struct tsr_changes {
	struct tsr_proto_row_change *row;
	uint32_t count;
	uint32_t max;
	uint32_t applied;  /* values and realms */
	uint32_t restart;  /* values */
	uint32_t mistakes; /* all of them, also those that have no row */
	uint32_t left_off;
	bool failed; /* no memory for a row */
};

void tsr_changes_destroy(struct tsr_changes *changes);

/* tsr_changes_mistake - a line of the kind that tsr_config_complain_fn gets. */
void tsr_changes_mistake(struct tsr_changes *changes, const char *line);

/*
 * tsr_config_merge - compare, and make of the new configuration what will be in force
 * @next:	a value that takes a restart is set back to what is in force; a realm that it lacks
 *		is added as leaving
 *
 * Return: 0; -ENOMEM; -ENOBUFS there would be more realms than TSR_REALMS_ROOM.
 */
TSR_MUST_CHECK
int tsr_config_merge(struct tsr_config const *now, struct tsr_config *next,
                     struct tsr_changes *changes);

#endif /* TSR_CORE_CONFIG_DIFF_H */
