/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_TABLE_H
#define TSR_APPS_TABLE_H

/*
 * One report, three faces: JSON, a table for people, tab-separated values for a pipe.
 *
 * A command fills a JSON object and says how its members are shown; all three faces are made from
 * that object, so they can't differ in content. The table shows values with units under titles, the
 * tab-separated form shows the JSON keys and plain values.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TSR_REPORT_SCHEMA   1
#define TSR_CELL_TEXT_BYTES 320

enum tsr_cell_format {
	TSR_CELL_TEXT,
	TSR_CELL_COUNT,
	TSR_CELL_BYTES,
	TSR_CELL_NS,
	TSR_CELL_MODE,  /* an octal permission */
	TSR_CELL_SHARE, /* percent, of a real */
	TSR_CELL_STATE, /* OK, WARN, FAIL: in colour */
};

/* A column, or a line of a list of facts. An array of them ends with a NULL key. */
struct tsr_column {
	const char *key;
	const char *title;
	enum tsr_cell_format format;
};

/* tsr_report_new - an object that has the schema field; never NULL: ends the program instead. */
json_t *tsr_report_new(void);

/*
 * tsr_report_set, tsr_report_add - put a value under a key, into an array
 * @value:	taken over; NULL (no memory) ends the program
 */
void tsr_report_set(json_t *object, const char *key, json_t *value);
void tsr_report_add(json_t *array, json_t *value);

/* A count as JSON; beyond 2^63 it is cut off there. */
json_t *tsr_report_count(uint64_t count);

/* A string of @bytes that may lack its final 0 and be no UTF-8. */
json_t *tsr_report_text(const char *text, size_t bytes);

/* tsr_table_cell - how a value is written: for people with its unit, for a pipe plainly. @out has
 * TSR_CELL_TEXT_BYTES. tsr_table_is_right - such cells are aligned to the right. */
void tsr_table_cell(const json_t *value, enum tsr_cell_format format, bool people, char *out);
bool tsr_table_is_right(enum tsr_cell_format format);

/* tsr_table_rows - an array of objects, one line each under a head. */
void tsr_table_rows(FILE *out, const json_t *rows, const struct tsr_column *columns);

/* tsr_table_people - the same for people, whatever @out is. */
void tsr_table_people(FILE *out, const json_t *rows, const struct tsr_column *columns);

/* tsr_table_facts - one object, one line for each member. */
void tsr_table_facts(FILE *out, const json_t *object, const struct tsr_column *columns);

#endif /* TSR_APPS_TABLE_H */
