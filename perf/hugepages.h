/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_HUGEPAGES_H
#define TSR_PERF_HUGEPAGES_H

/*
 * Pages of 2 MiB for a run: reserved, and given back.
 */

#include <stdbool.h>
#include <stddef.h>

/* tsr_perf_backing - "2M" if pages are free or will be reserved; else "thp" or "4K" */
const char *tsr_perf_backing(bool will_reserve);

/* tsr_perf_hugepages_free - how many 2 MiB pages are free now */
size_t tsr_perf_hugepages_free(void);

/* tsr_perf_hugepages_reserve - so many more. Return: 0; -EPERM; -ENOMEM, and @message says why. */
int tsr_perf_hugepages_reserve(size_t pages, char *message, size_t message_bytes);

/* tsr_perf_hugepages_give_back - as many as were there before; may be called twice */
void tsr_perf_hugepages_give_back(void);

#endif /* TSR_PERF_HUGEPAGES_H */
