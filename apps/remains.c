/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/remains.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/trace_read.h"

#define REMAINS_PATH_BYTES 1024

/* Is it a file of ours, of our build, and all there? Return: NULL, or why not. */
static const char *
remains_judge(FILE *file, struct tsr_remains_read *remains)
{
	struct tsr_postmortem_head head;

	if (fread(&head, sizeof(head), 1, file) != 1 || head.magic != TSR_POSTMORTEM_MAGIC)
		return "it begins with something else";
	if (head.head_bytes != sizeof(head) || head.row_bytes != sizeof(remains->rows[0]))
		return "it was written by another build: use the 'tessera' of that build";
	if (head.rows > TSR_FEED_MAX)
		return "its head says what cannot be";
	remains->rows = calloc(head.rows + 1, sizeof(remains->rows[0]));
	if (remains->rows == NULL)
		return "there is no memory for it";
	remains->rows_count = fread(remains->rows, sizeof(remains->rows[0]), head.rows, file);
	if (remains->rows_count != head.rows || fgetc(file) != EOF)
		return "it has not as many events as it should";
	remains->victim = head.victim;
	return NULL;
}

static int
remains_load_events(const char *folder, struct tsr_remains_read *remains)
{
	char path[REMAINS_PATH_BYTES];
	const char *why;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/events", folder);
	file = fopen(path, "re");
	if (file == NULL) {
		int const error = errno;

		tsr_cli_warn("'%s' is no folder that a daemon kept of a death: its file 'events' "
		             "can't be read: %s",
		             folder, strerror(error));
		return error == ENOENT ? TSR_EXIT_NOT_FOUND : TSR_EXIT_RUNTIME;
	}
	why = remains_judge(file, remains);
	(void)fclose(file);
	if (why != NULL)
		tsr_cli_warn("%s: %s", path, why);
	return why == NULL ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
}

int
tsr_remains_load(const char *folder, struct tsr_remains_read *remains)
{
	char path[REMAINS_PATH_BYTES];
	int status;

	*remains = (struct tsr_remains_read){.rows = NULL};
	status = remains_load_events(folder, remains);
	if (status == 0) {
		(void)snprintf(path, sizeof(path), "%s/state", folder);
		status = tsr_dump_load(path, &remains->dump);
	}
	if (status != 0) {
		tsr_remains_free(remains);
		return status;
	}
	(void)snprintf(path, sizeof(path), "%s/trace", folder);
	remains->traced = !tsr_trace_is_empty(path);
	return TSR_EXIT_OK;
}

void
tsr_remains_free(struct tsr_remains_read *remains)
{
	tsr_dump_free(&remains->dump);
	free(remains->rows);
	remains->rows = NULL;
}
