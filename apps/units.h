/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_UNITS_H
#define TSR_APPS_UNITS_H

/*
 * Sizes, durations and counts, as people write and read them.
 */

#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

#define TSR_UNIT_TEXT_BYTES 32

/* tsr_size_parse - "4096", "64K", "1.5MiB", "2G": powers of 1024. Return: 0; -EINVAL. */
TSR_MUST_CHECK
int tsr_size_parse(const char *text, uint64_t *bytes);

/* tsr_duration_parse - "250ns", "10us", "5ms", "3" (seconds), "3s", "2m". Return: 0; -EINVAL. */
TSR_MUST_CHECK
int tsr_duration_parse(const char *text, uint64_t *ns);

/* tsr_count_parse - a whole number from @min to @max. Return: 0; -EINVAL. */
TSR_MUST_CHECK
int tsr_count_parse(const char *text, uint64_t min, uint64_t max, uint64_t *count);

/* How they are written: "512.0 MiB", "1.25 ms", "131,072". @out has TSR_UNIT_TEXT_BYTES. */
void tsr_size_format(uint64_t bytes, char *out);
void tsr_duration_format(uint64_t ns, char *out);
void tsr_count_format(uint64_t count, char *out);

#endif /* TSR_APPS_UNITS_H */
