/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/demo.h"

static int
source_order(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Take one regular file. Return: whether there is room for more. */
static bool
source_take(struct tsr_source *source, const FTSENT *entry, uint64_t limit, FILE *list)
{
	uint64_t const size = (uint64_t)entry->fts_statp->st_size;
	uint64_t const room = limit - source->bytes;

	if (access(entry->fts_accpath, R_OK) != 0) {
		source->unreadable++;
		return true;
	}
	if (size == 0)
		return true;
	fwrite(entry->fts_path, 1, strlen(entry->fts_path) + 1, list);
	source->files++;
	if (size > room) {
		source->cut_bytes = room;
		source->cut_file = strdup(entry->fts_path);
		source->bytes = limit;
		return false;
	}
	source->bytes += size;
	return size < room;
}

/* Return: whether there is room for more. */
static bool
source_entry(struct tsr_source *source, const FTSENT *entry, uint64_t limit, FILE *list)
{
	switch (entry->fts_info) {
	case FTS_F:
		/* fts_info is a file for sockets and devices too. */
		return !S_ISREG(entry->fts_statp->st_mode) ||
		       source_take(source, entry, limit, list);
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		source->unreadable++;
		return true;
	default:
		return true;
	}
}

static int
source_fill(const char *dir, uint64_t limit, struct tsr_source *source, FILE *list)
{
	char *const roots[] = {(char *)(uintptr_t)dir, NULL};
	/* fts_accpath is fts_path without a change of directory. */
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, source_order);
	const FTSENT *entry;

	if (walk == NULL)
		return -errno;
	while ((entry = fts_read(walk)) != NULL) {
		if (!source_entry(source, entry, limit, list))
			break;
	}
	fts_close(walk);
	return 0;
}

int
tsr_source_walk(const char *dir, uint64_t limit, struct tsr_source *source)
{
	struct stat stat_dir;
	FILE *list;
	int error, fd;

	if (stat(dir, &stat_dir) != 0)
		return -errno;
	if (!S_ISDIR(stat_dir.st_mode))
		return -ENOTDIR;
	fd = memfd_create("tessera-demo.list", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	memset(source, 0, sizeof(*source));
	source->list = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	list = fdopen(fd, "w");
	if (list == NULL) {
		close(fd);
		tsr_source_free(source);
		return -ENOMEM;
	}
	error = source_fill(dir, limit, source, list);
	if (fclose(list) != 0 && error == 0)
		error = -ENOMEM;
	if (error != 0)
		tsr_source_free(source);
	return error;
}

void
tsr_source_free(struct tsr_source *source)
{
	close(source->list);
	free(source->cut_file);
}

int
tsr_source_list(const struct tsr_source *source)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", source->list);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fd;
}
