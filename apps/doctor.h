/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_DOCTOR_H
#define TSR_APPS_DOCTOR_H

/*
 * tessera doctor: one finding a line, each with the command that remedies it.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/compiler.h"

enum tsr_finding {
	TSR_FINDING_OK,
	TSR_FINDING_WARN, /* works, and could be faster or roomier */
	TSR_FINDING_FAIL, /* something won't work */
};

struct tsr_doctor {
	const char *root; /* before /proc and /sys: "" but in tests */
	json_t *findings;
	unsigned int warned;
	unsigned int failed;
};

/*
 * tsr_doctor_found - one line
 * @remedy:	the exact command, or NULL
 * @format:	what was found
 */
void tsr_doctor_found(struct tsr_doctor *doctor, enum tsr_finding state, const char *check,
                      const char *remedy, const char *format, ...) TSR_PRINTF(5, 6);

/* tsr_doctor_read - the first line of a file below the root. Return: false if it can't be read. */
bool tsr_doctor_read(const struct tsr_doctor *doctor, const char *path, char *line, size_t bytes);

/* tsr_doctor_number - a file that holds one number. Return: false if it doesn't. */
bool tsr_doctor_number(const struct tsr_doctor *doctor, const char *path, uint64_t *number);

/* Groups of checks, in the order in which they are shown. */
void tsr_doctor_kernel(struct tsr_doctor *doctor);
void tsr_doctor_memory(struct tsr_doctor *doctor);
void tsr_doctor_processors(struct tsr_doctor *doctor);
void tsr_doctor_places(struct tsr_doctor *doctor);

#endif /* TSR_APPS_DOCTOR_H */
