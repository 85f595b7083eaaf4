/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_ROWS_H
#define TSR_APPS_ROWS_H

/*
 * Commands that show one list of the daemon: ask, then print it as a report.
 */

#include <jansson.h>

#include "apps/cli.h"
#include "apps/table.h"

/* A user or group by name, or by number if it has none. */
json_t *tsr_row_user(uint32_t uid);
json_t *tsr_row_group(uint32_t gid);

/* What is told of a client wherever one is shown: all but its name and realm. */
void tsr_row_client(json_t *out, const struct tsr_proto_row_client *row);

/*
 * tsr_rows_show - the whole of a list command
 * @key:	what the array is called in the report
 *
 * Return: an exit status.
 */
int tsr_rows_show(const char *key, enum tsr_proto_list_what what, size_t row_bytes,
                  json_t *(*convert)(const void *row), const struct tsr_column *columns);

#endif /* TSR_APPS_ROWS_H */
