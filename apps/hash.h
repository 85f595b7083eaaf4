/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_HASH_H
#define TSR_APPS_HASH_H

/*
 * SHA-256 by the program sha256sum, in a process of its own.
 */

#include <stdint.h>
#include <sys/types.h>

#include "shm/compiler.h"

#define TSR_HASH_HEX_BYTES 65

struct tsr_hash {
	pid_t pid;
	int answer;
};

/* tsr_hash_open - hash what is written to @input until that is closed. Return: 0; -errno. */
TSR_MUST_CHECK
int tsr_hash_open(struct tsr_hash *hash, int *input);

/* tsr_hash_file - hash what can be read from @file. Return: 0; a negative errno. */
TSR_MUST_CHECK
int tsr_hash_file(struct tsr_hash *hash, int file);

/*
 * tsr_hash_list - hash the first @bytes of the files that @list names, 0-separated, one after the
 * other: xargs, cat, head and sha256sum do it, and nothing of ours
 *
 * Return: 0; a negative errno.
 */
TSR_MUST_CHECK
int tsr_hash_list(struct tsr_hash *hash, int list, uint64_t bytes);

/* tsr_hash_close - wait for the result. @hex: [TSR_HASH_HEX_BYTES]. Return: 0; -EIO it failed. */
TSR_MUST_CHECK
int tsr_hash_close(struct tsr_hash *hash, char *hex);

/* tsr_hash_abort - end it and everything that it started. */
void tsr_hash_abort(struct tsr_hash *hash);

#endif /* TSR_APPS_HASH_H */
