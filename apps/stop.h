/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_STOP_H
#define TSR_APPS_STOP_H

/*
 * Commands that go on until they are interrupted, and then say what there was: SIGINT and SIGTERM
 * end their waits. A second signal ends the program as ever.
 */

#include <stdbool.h>
#include <stdint.h>

/* tsr_stop_catch - from now on */
void tsr_stop_catch(void);

/* tsr_stop_asked - has one come? */
bool tsr_stop_asked(void);

/* tsr_stop_catch_output - and as if a signal came, once nobody reads standard output any more */
void tsr_stop_catch_output(void);

/*
 * tsr_stop_wait - until @fd is readable or hung up, @until_ns (CLOCK_MONOTONIC; UINT64_MAX: never),
 * or a signal has come
 * @fd:	-1: none
 *
 * Return: whether @fd is readable.
 */
bool tsr_stop_wait(int fd, uint64_t until_ns);

#endif /* TSR_APPS_STOP_H */
