/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_FEED_ROW_H
#define TSR_APPS_FEED_ROW_H

/*
 * One event of the daemon's feed, for people and for programs.
 */

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "shm/proto.h"

/* tsr_feed_kind_name - "attach", ...; "other" */
const char *tsr_feed_kind_name(uint32_t kind);

/* tsr_feed_object - as a report; what does not apply is left out. */
json_t *tsr_feed_object(const struct tsr_proto_row_feed *row);

/* tsr_feed_print - as a line: when, kind, what. */
void tsr_feed_print(FILE *out, const struct tsr_proto_row_feed *row);

#endif /* TSR_APPS_FEED_ROW_H */
