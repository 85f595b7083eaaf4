/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_PROGRAM_H
#define TSR_CORE_PROGRAM_H

/*
 * Other programs, run by the daemon or a helper of it: with our environment and nothing else of
 * ours: no descriptor, no signal blocked or ignored.
 */

#include <sys/types.h>

#include "shm/compiler.h"

/*
 * tsr_program_run - run a program; what it says goes into @out or, if that is not NULL, into @file
 *
 * Return: 0; an errno.
 */
TSR_MUST_CHECK
int tsr_program_run(pid_t *pid, const char *program, char *const *argv, int out, const char *file);

/* tsr_program_ask - run a tesserad with @argv, our own arguments, and the question whether it can
 * take over @layout. Return: as tsr_program_run(). */
TSR_MUST_CHECK
int tsr_program_ask(pid_t *pid, const char *program, char *const *argv, const char *layout,
                    int out);

#endif /* TSR_CORE_PROGRAM_H */
