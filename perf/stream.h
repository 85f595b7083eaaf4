/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_STREAM_H
#define TSR_PERF_STREAM_H

/*
 * The stream of 64 bytes, for cases that look at what else may cost it something.
 */

#include "perf/form.h"

#define TSR_PERF_STREAM_SLOTS  1024
#define TSR_PERF_STREAM_BLOCKS 4096

/* tsr_perf_bench_stream_64 - allocated, written in place, sent, received, all read, released */
void tsr_perf_bench_stream_64(struct tsr_perf_bench *bench, struct tsr_perf_form const *form,
                              uint32_t slots);

#endif /* TSR_PERF_STREAM_H */
