/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_IDLE_H
#define TSR_PERF_IDLE_H

/*
 * A fresh process that attaches and does nothing, and what memory it then has for itself.
 */

/* tsr_perf_idle_client - what `--idle-client REALM` does ("-": don't attach). Prints KiB. */
int tsr_perf_idle_client(const char *realm);

/* tsr_perf_idle_run - start such a process. Return: 0 and *kib, or a negative errno. */
int tsr_perf_idle_run(const char *realm, double *kib);

#endif /* TSR_PERF_IDLE_H */
