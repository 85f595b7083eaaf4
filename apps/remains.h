/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_REMAINS_H
#define TSR_APPS_REMAINS_H

/*
 * What the daemon kept of a death: core/postmortem.h. Read from a folder that anybody may have
 * filled: counts and sizes are checked, texts are printed with what doesn't print replaced.
 */

#include <stddef.h>

#include "apps/dump.h"
#include "core/postmortem.h"

struct tsr_remains_read {
	struct tsr_dump dump;
	struct tsr_proto_row_client victim;
	struct tsr_proto_row_feed *rows; /* oldest first */
	size_t rows_count;
	bool traced; /* there is a recording */
};

/* tsr_remains_load - Return: 0; or an exit status, and it is said. */
int tsr_remains_load(const char *folder, struct tsr_remains_read *remains);
void tsr_remains_free(struct tsr_remains_read *remains);

#endif /* TSR_APPS_REMAINS_H */
