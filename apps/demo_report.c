/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* The closing table of the demo. */

#include <stdio.h>

#include "apps/demo.h"
#include "apps/table.h"
#include "apps/units.h"

static const struct tsr_column report_latency[] = {
	{"phase", "LATENCY", TSR_CELL_TEXT},    {"messages", "MESSAGES", TSR_CELL_COUNT},
	{"stamped", "STAMPED", TSR_CELL_COUNT}, {"p50_ns", "P50", TSR_CELL_NS},
	{"p99_ns", "P99", TSR_CELL_NS},         {"p999_ns", "P99.9", TSR_CELL_NS},
	{"max_ns", "MAX", TSR_CELL_NS},         {NULL, NULL, TSR_CELL_TEXT},
};

static uint64_t
report_number(const json_t *report, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(report, key));
}

static const char *
report_string(const json_t *report, const char *key)
{
	const char *text = json_string_value(json_object_get(report, key));

	return text != NULL ? text : "";
}

static void
report_show_input(const json_t *report)
{
	char files[TSR_UNIT_TEXT_BYTES], unreadable[TSR_UNIT_TEXT_BYTES];

	tsr_count_format(report_number(report, "files"), files);
	tsr_count_format(report_number(report, "unreadable"), unreadable);
	printf("input      %s files of %s, in name order; %s entries could not be read\n", files,
	       report_string(report, "input"), unreadable);
	if (json_is_string(json_object_get(report, "cut_file")))
		printf("           the last is cut after %llu bytes: %s\n",
		       (unsigned long long)report_number(report, "cut_bytes"),
		       report_string(report, "cut_file"));
}

static void
report_show_stream(const json_t *report)
{
	char messages[TSR_UNIT_TEXT_BYTES], bytes[TSR_UNIT_TEXT_BYTES], exact[TSR_UNIT_TEXT_BYTES];
	char rate[TSR_UNIT_TEXT_BYTES], took[TSR_UNIT_TEXT_BYTES], per_second[TSR_UNIT_TEXT_BYTES];

	tsr_count_format(report_number(report, "messages"), messages);
	tsr_size_format(report_number(report, "received_bytes"), bytes);
	tsr_count_format(report_number(report, "received_bytes"), exact);
	tsr_size_format(report_number(report, "bytes_per_second"), rate);
	tsr_duration_format(report_number(report, "took_ns"), took);
	tsr_count_format(report_number(report, "messages_per_second"), per_second);
	printf("messages   %s of up to %llu bytes\n", messages,
	       (unsigned long long)report_number(report, "block_bytes"));
	printf("bytes      %s (%s) in %s\n", exact, bytes, took);
	printf("rate       %s/s, %s messages/s%s\n", rate, per_second,
	       json_is_true(json_object_get(report, "hashed_on_the_way"))
	               ? " (memory is short: reading the files and sha256sum set the pace)"
	               : ", from memory to memory");
}

static void
report_show_hash(const json_t *report)
{
	bool const same = json_is_true(json_object_get(report, "identical"));

	printf("sha256sum  source   %s\n           received %s  %s\n",
	       report_string(report, "sha256_source"), report_string(report, "sha256_received"),
	       same ? "identical" : "DIFFERENT");
}

static void
report_show_latency(const json_t *report)
{
	static const char *const phases[] = {"unloaded", "saturated"};
	json_t *latency = json_object_get(report, "latency");
	char waited[TSR_UNIT_TEXT_BYTES];
	json_t *rows = json_array();

	for (size_t i = 0; i < 2; i++) {
		json_t *row = json_copy(json_object_get(latency, phases[i]));

		tsr_report_set(row, "phase", json_string(phases[i]));
		tsr_report_add(rows, row);
	}
	fputc('\n', stdout);
	tsr_table_people(stdout, rows, report_latency);
	json_decref(rows);
	tsr_count_format(report_number(report, "sends_that_waited"), waited);
	printf("From send to receive, by the stamp in the slot. Unloaded: a message of %d bytes "
	       "every\n%llu us, each stamped, the receiver looking. Saturated: the stream above, "
	       "1 in %d stamped,\nas fast as it goes; the sender found all %d slots full %s "
	       "times.\n",
	       TSR_DEMO_LATENCY_BYTES, (unsigned long long)TSR_DEMO_LATENCY_GAP_NS / 1000,
	       TSR_DEMO_STAMP_EVERY, TSR_DEMO_SLOTS, waited);
}

/* Figures that others' work has spoilt are told as such. */
static void
report_show_load(const json_t *report)
{
	double const load = json_real_value(json_object_get(report, "load_before"));
	uint64_t const cpus = report_number(report, "cpus");

	if (load > (double)cpus / 2)
		printf("This machine was busy with other things before (load average %.1f on %llu "
		       "CPUs):\nexpect better figures on a quiet one.\n",
		       load, (unsigned long long)cpus);
}

static void
report_show_next(const json_t *report)
{
	json_t *next = json_object_get(report, "next");

	puts("\nTry next:");
	for (size_t i = 0; i < json_array_size(next); i++)
		printf("  %s\n", json_string_value(json_array_get(next, i)));
	if (json_is_true(json_object_get(report, "daemon_runs")))
		printf("The daemon (process %llu) runs on. Stop it with: %s\n",
		       (unsigned long long)report_number(report, "daemon_pid"),
		       report_string(report, "stop"));
	else
		printf("The daemon that was started for this is stopped; one kept with --keep is "
		       "stopped by: %s\n",
		       report_string(report, "stop"));
}

void
tsr_demo_show(const json_t *report)
{
	report_show_input(report);
	report_show_stream(report);
	report_show_hash(report);
	printf("memory     pages of %s", report_string(report, "backing"));
	if (report_string(report, "hint")[0] != '\0')
		printf("\n           %s", report_string(report, "hint"));
	fputc('\n', stdout);
	report_show_latency(report);
	report_show_load(report);
	report_show_next(report);
}
