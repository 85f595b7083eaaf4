/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_POSTMORTEM_FOLDER_H
#define TSR_CORE_POSTMORTEM_FOLDER_H

/*
 * The folder of one death: written beside its place, moved there, and the oldest of all removed.
 */

#include "core/dump.h"
#include "core/postmortem.h"

#define TSR_POSTMORTEM_PATH_MAX 320

struct tsr_remains {
	struct tsr_remains *next; /* to be written */
	struct tsr_daemon *daemon;
	struct tsr_dump dump;
	struct tsr_proto_row_client victim;
	struct tsr_proto_row_feed *rows;
	size_t rows_count;
};

/*
 * tsr_postmortem_write - write all of it, remove what is more than is to be kept
 * @path:	set: where it lies, or would
 *
 * Context: the main thread; blocks on the disk, up to 10 s on `lttng`. Return: 0; a negative
 * errno, and nothing is left.
 */
TSR_MUST_CHECK
int tsr_postmortem_write(struct tsr_remains const *remains, char path[TSR_POSTMORTEM_PATH_MAX]);

#endif /* TSR_CORE_POSTMORTEM_FOLDER_H */
