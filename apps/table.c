/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/units.h"

#define TABLE_COLUMNS 32

static json_t *
report_made(json_t *value)
{
	if (value == NULL) {
		tsr_cli_warn("out of memory");
		exit(TSR_EXIT_RUNTIME);
	}
	return value;
}

json_t *
tsr_report_new(void)
{
	return report_made(json_pack("{s:i}", "schema", TSR_REPORT_SCHEMA));
}

void
tsr_report_set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, report_made(value)) != 0)
		report_made(NULL);
}

void
tsr_report_add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, report_made(value)) != 0)
		report_made(NULL);
}

json_t *
tsr_report_count(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

json_t *
tsr_report_text(const char *text, size_t bytes)
{
	size_t const length = strnlen(text, bytes);
	json_t *value = json_stringn(text, length);

	return value != NULL ? value : json_string("(not text)");
}

void
tsr_table_cell(const json_t *value, enum tsr_cell_format format, bool people, char *out)
{
	uint64_t number;

	if (json_is_string(value)) {
		snprintf(out, TSR_CELL_TEXT_BYTES, "%s", json_string_value(value));
		return;
	}
	if (json_is_boolean(value)) {
		strcpy(out, json_is_true(value) ? "yes" : "no");
		return;
	}
	if (json_is_real(value)) {
		snprintf(out, TSR_CELL_TEXT_BYTES, "%.1f", json_real_value(value));
		return;
	}
	if (!json_is_integer(value)) {
		strcpy(out, "-");
		return;
	}
	number = (uint64_t)json_integer_value(value);
	if (format == TSR_CELL_MODE)
		snprintf(out, TSR_CELL_TEXT_BYTES, "%04" PRIo64, number);
	else if (people && format == TSR_CELL_BYTES)
		tsr_size_format(number, out);
	else if (people && format == TSR_CELL_NS)
		tsr_duration_format(number, out);
	else if (people && format == TSR_CELL_COUNT)
		tsr_count_format(number, out);
	else
		snprintf(out, TSR_CELL_TEXT_BYTES, "%" PRIu64, number);
}

bool
tsr_table_is_right(enum tsr_cell_format format)
{
	return format == TSR_CELL_COUNT || format == TSR_CELL_BYTES || format == TSR_CELL_NS ||
	       format == TSR_CELL_SHARE;
}

static const char *
table_state_color(const char *state)
{
	if (strcmp(state, "OK") == 0)
		return "32";
	return strcmp(state, "WARN") == 0 ? "33" : "31";
}

/* One cell with what separates it from the next; @width 0: nothing is padded. */
static void
table_put(FILE *out, const char *text, int width, const struct tsr_column *column, bool last)
{
	bool const right = tsr_table_is_right(column->format);

	if (column->format == TSR_CELL_STATE && tsr_cli_paint(out))
		fprintf(out, "\033[%sm%-*s\033[0m", table_state_color(text), width, text);
	else if (last && !right)
		fputs(text, out);
	else
		fprintf(out, right ? "%*s" : "%-*s", width, text);
	if (!last)
		fputs("  ", out);
}

static int
table_width(const json_t *rows, const struct tsr_column *column)
{
	char cell[TSR_CELL_TEXT_BYTES];
	size_t width = strlen(column->title), index;
	json_t *row;

	json_array_foreach((json_t *)(uintptr_t)rows, index, row)
	{
		tsr_table_cell(json_object_get(row, column->key), column->format, true, cell);
		if (strlen(cell) > width)
			width = strlen(cell);
	}
	return (int)width;
}

void
tsr_table_people(FILE *out, const json_t *rows, const struct tsr_column *columns)
{
	char cell[TSR_CELL_TEXT_BYTES];
	bool const paint = tsr_cli_paint(out);
	int widths[TABLE_COLUMNS];

	fputs(paint ? "\033[1m" : "", out);
	for (size_t i = 0; i < TABLE_COLUMNS && columns[i].key != NULL; i++) {
		struct tsr_column const head = {.format = tsr_table_is_right(columns[i].format)
		                                                  ? TSR_CELL_COUNT
		                                                  : TSR_CELL_TEXT};

		widths[i] = table_width(rows, &columns[i]);
		table_put(out, columns[i].title, widths[i], &head, columns[i + 1].key == NULL);
	}
	fputs(paint ? "\033[0m\n" : "\n", out);
	for (size_t r = 0; r < json_array_size(rows); r++) {
		for (size_t i = 0; i < TABLE_COLUMNS && columns[i].key != NULL; i++) {
			tsr_table_cell(json_object_get(json_array_get(rows, r), columns[i].key),
			               columns[i].format, true, cell);
			table_put(out, cell, widths[i], &columns[i], columns[i + 1].key == NULL);
		}
		fputc('\n', out);
	}
}

static void
table_rows_plain(FILE *out, const json_t *rows, const struct tsr_column *columns)
{
	char cell[TSR_CELL_TEXT_BYTES];

	for (size_t i = 0; columns[i].key != NULL; i++)
		fprintf(out, "%s%s", i == 0 ? "" : "\t", columns[i].key);
	fputc('\n', out);
	for (size_t r = 0; r < json_array_size(rows); r++) {
		for (size_t i = 0; columns[i].key != NULL; i++) {
			tsr_table_cell(json_object_get(json_array_get(rows, r), columns[i].key),
			               columns[i].format, false, cell);
			fprintf(out, "%s%s", i == 0 ? "" : "\t", cell);
		}
		fputc('\n', out);
	}
}

void
tsr_table_rows(FILE *out, const json_t *rows, const struct tsr_column *columns)
{
	if (isatty(fileno(out)))
		tsr_table_people(out, rows, columns);
	else
		table_rows_plain(out, rows, columns);
}

void
tsr_table_facts(FILE *out, const json_t *object, const struct tsr_column *columns)
{
	char cell[TSR_CELL_TEXT_BYTES];
	bool const people = isatty(fileno(out));
	size_t width = 0;

	for (const struct tsr_column *c = columns; c->key != NULL; c++)
		width = strlen(c->title) > width ? strlen(c->title) : width;
	for (const struct tsr_column *c = columns; c->key != NULL; c++) {
		const json_t *value = json_object_get(object, c->key);

		if (value == NULL)
			continue;
		tsr_table_cell(value, c->format, people, cell);
		if (people)
			fprintf(out, "%-*s  %s\n", (int)width, c->title, cell);
		else
			fprintf(out, "%s\t%s\n", c->key, cell);
	}
}
