/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_EAL_H
#define TSR_CORE_EAL_H

/*
 * DPDK's environment, started so that it needs nothing reserved: no hugepages, no root, no device.
 *
 * The only unit that is compiled with DPDK's flags; this header names none of its types.
 */

#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

/*
 * tsr_eal_start - start it, once per process; the calling thread becomes its main lcore
 * @folder:	an existing private folder for its files
 * @cpu:	where the main lcore runs; -1: wherever the system puts it
 * @why:	on failure, a sentence
 *
 * Context: cold (100 ms to calibrate the clock); before any other thread. Its log goes into ours.
 * Return: 0; a negative errno, and nothing stays but what is in @folder.
 */
TSR_MUST_CHECK
int tsr_eal_start(const char *folder, int cpu, char *why, size_t why_bytes);
void tsr_eal_stop(void);

/*
 * DPDK's telemetry: a socket in @folder, dpdk/tessera/dpdk_telemetry.v2, for whoever may enter the
 * folder. Where the socket's name would be too long for the system, EAL starts without it.
 */

/* An answer, or a part of one: a dictionary. */
struct tsr_eal_data;

/*
 * What answers a command
 * @parameters:	what stood behind the comma; NULL: nothing
 *
 * Context: a thread of DPDK's. Return: 0; a negative errno: the answer is null.
 */
typedef int tsr_eal_answer_fn(const char *parameters, struct tsr_eal_data *answer);

/* tsr_eal_answer - have @answer, which is one of TSR_EAL_ANSWERS at most, answer @command.
 * Return: 0; -ENOBUFS; what DPDK gave. */
#define TSR_EAL_ANSWERS 8
TSR_MUST_CHECK
int tsr_eal_answer(const char *command, const char *help, tsr_eal_answer_fn *answer);

/* tsr_eal_text, tsr_eal_number - an entry. Return: 0; what DPDK gave. */
TSR_MUST_CHECK
int tsr_eal_text(struct tsr_eal_data *dict, const char *key, const char *text);
TSR_MUST_CHECK
int tsr_eal_number(struct tsr_eal_data *dict, const char *key, uint64_t number);

/* Rows of a list. */
struct tsr_eal_rows {
	const void *rows;
	size_t row_bytes;
	size_t first; /* number of the first of them in the whole list */
	size_t count;
	int (*fill)(struct tsr_eal_data *dict, const void *row, const void *context);
	const void *context;
};

/* tsr_eal_list - for each row an entry, a dictionary, by its number in the list: DPDK 22.11 knows
 * no arrays of dictionaries. Return: 0; -ENOMEM; what @fill or DPDK gave. */
TSR_MUST_CHECK
int tsr_eal_list(struct tsr_eal_data *dict, struct tsr_eal_rows const *rows);

#endif /* TSR_CORE_EAL_H */
