/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_PROMETHEUS_H
#define TSR_APPS_PROMETHEUS_H

/*
 * A scrape in Prometheus' text format, version 0.0.4. One table says what there is; a metric's name
 * is made of the key that the value has in the JSON of the commands: "sent_bytes" of a channel is
 * tessera_channel_sent_bytes_total, "busy_ns" of the daemon is tessera_busy_seconds_total.
 */

#include <jansson.h>
#include <stdio.h>

#include "apps/scrape.h"

#define TSR_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* tsr_prometheus_print - all metrics; nothing of what is not there. Errors are those of @out. */
void tsr_prometheus_print(FILE *out, struct tsr_scrape const *scrape);

/* tsr_prometheus_list - an array of what metrics there are: name, type, help, and which key of
 * which command's JSON it is. The caller drops it. */
json_t *tsr_prometheus_list(void);

#endif /* TSR_APPS_PROMETHEUS_H */
