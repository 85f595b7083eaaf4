/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/file.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#define FILE_DESCRIPTORS 16 /* of nftw() */

int
tsr_file_write(int fd, const void *bytes, uint64_t count, uint64_t offset)
{
	const unsigned char *at = bytes;

	while (count > 0) {
		ssize_t const put = pwrite(fd, at, count, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		at += put;
		offset += (uint64_t)put;
		count -= (uint64_t)put;
	}
	return 0;
}

static int
tree_remove_one(const char *path, struct stat const *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int
tsr_tree_remove(const char *path)
{
	return nftw(path, tree_remove_one, FILE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
