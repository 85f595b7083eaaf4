/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_FILE_H
#define TSR_CORE_FILE_H

/* Files and folders of the daemon's own. Context of every call: any thread; cold. */

#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

/* tsr_file_write - all of @count bytes, at @offset. Return: 0; what pwrite(2) gave, -EIO for no
 * byte. */
TSR_MUST_CHECK
int tsr_file_write(int fd, const void *bytes, uint64_t count, uint64_t offset);

/* tsr_tree_remove - @path and all that is in it, on the same file system; what is gone already is
 * no mistake. Return: 0; -1 something is left. */
int tsr_tree_remove(const char *path);

#endif /* TSR_CORE_FILE_H */
