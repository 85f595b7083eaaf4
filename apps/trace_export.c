/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * tessera trace export: a trace in Chrome's JSON format, which Perfetto (ui.perfetto.dev) opens.
 *
 * Each life of a ticket is a track of its own, with a slice for each stage; an arrow leads from
 * each send to its receive. Sleeping is a slice of its thread; all else is an instant.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/table.h"
#include "apps/trace.h"
#include "apps/trace_book.h"

struct export
{
	const struct tsr_book *book;
	FILE *out;
	bool more; /* than the first object */
};

/* Microseconds from the first event on: as numbers they keep their nanoseconds. */
static double
export_us(const struct export *export, uint64_t at_ns)
{
	return (double)(at_ns - export->book->first_ns) / 1000;
}

static void
export_put(struct export *export, json_t *event)
{
	if (event == NULL) {
		tsr_cli_warn("out of memory");
		exit(TSR_EXIT_RUNTIME);
	}
	fputs(export->more ? ",\n" : "\n", export->out);
	json_dumpf(event, export->out, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(event);
	export->more = true;
}

static void
export_processes(struct export *export)
{
	for (size_t i = 0; i < export->book->processes; i++) {
		const struct tsr_book_process *const process = &export->book->process[i];

		export_put(export,
		           json_pack("{s:s, s:s, s:I, s:{s:o}}", "name", "process_name", "ph", "M",
		                     "pid", (json_int_t)process->pid, "args", "name",
		                     tsr_report_text(process->name, sizeof(process->name))));
	}
}

/* The stage that begins with this step; NULL: none does. */
static const char *
export_stage(const struct tsr_step *step)
{
	switch ((enum tsr_step_kind)step->kind) {
	case TSR_STEP_ALLOC:
		return "write";
	case TSR_STEP_SEND:
	case TSR_STEP_RESTORE:
		return "travel";
	case TSR_STEP_RECEIVE:
		return "use";
	case TSR_STEP_RELEASE:
	case TSR_STEP_REAP:
		break;
	}
	return NULL;
}

/* A part of a life's own track: @phase is b (it begins) or e (it ends). */
static void
export_part(struct export *export, size_t life, const struct tsr_step *step, const char *name,
            const char *phase, uint64_t at_ns)
{
	const struct tsr_life *const l = &export->book->life[life];

	export_put(export,
	           json_pack("{s:s, s:s, s:s, s:f, s:I, s:I, s:o, s:{s:I, s:I}}", "name", name,
	                     "cat", "ticket", "ph", phase, "ts", export_us(export, at_ns), "pid",
	                     (json_int_t) export->book->process[step->process].pid, "tid",
	                     (json_int_t)step->tid, "id", json_sprintf("%zu", life), "args",
	                     "ticket", (json_int_t)l->ticket, "generation",
	                     (json_int_t)l->generation));
}

/* What a thread did at one instant; @flow: s (an arrow begins here), f (it ends), or NULL. */
static void
export_instant(struct export *export, const struct tsr_step *step, const char *flow, uint32_t id)
{
	const struct tsr_book *const book = export->book;
	json_int_t const pid = (json_int_t)book->process[step->process].pid;
	double const us = export_us(export, step->at_ns);
	const char *channel =
		step->channel != TSR_BOOK_NONE ? book->channel[step->channel].name : "";

	export_put(export, json_pack("{s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:{s:s}}", "name",
	                             tsr_step_name(step->kind), "cat", "message", "ph", "X", "ts",
	                             us, "dur", 0.0, "pid", pid, "tid", (json_int_t)step->tid,
	                             "args", "channel", channel));
	if (flow != NULL)
		export_put(export,
		           json_pack("{s:s, s:s, s:s, s:s, s:f, s:I, s:I, s:i}", "name", "travel",
		                     "cat", "message", "ph", flow, "bp", "e", "ts", us, "pid", pid,
		                     "tid", (json_int_t)step->tid, "id", (int)id));
}

static void
export_life(struct export *export, size_t number)
{
	const struct tsr_book *const book = export->book;
	uint32_t sent = TSR_BOOK_NONE;

	for (uint32_t s = book->life[number].first; s != TSR_BOOK_NONE; s = book->step[s].next) {
		const struct tsr_step *const step = &book->step[s];
		const char *const stage = export_stage(step);

		if (step->kind == TSR_STEP_SEND) {
			sent = s;
			export_instant(export, step, "s", s);
		} else if (step->kind == TSR_STEP_RECEIVE && sent != TSR_BOOK_NONE) {
			export_instant(export, step, "f", sent);
		} else {
			export_instant(export, step, NULL, 0);
		}
		if (stage == NULL || step->next == TSR_BOOK_NONE)
			continue;
		export_part(export, number, step, stage, "b", step->at_ns);
		export_part(export, number, step, stage, "e", book->step[step->next].at_ns);
	}
}

/* When the thread that falls asleep with @from wakes up; 0: the trace does not say. */
static uint64_t
export_awake(const struct tsr_book *book, size_t from)
{
	for (size_t i = from + 1; i < book->others; i++) {
		if (book->other[i].tid == book->other[from].tid &&
		    book->other[i].pid == book->other[from].pid)
			return strcmp(book->other[i].event, "unblock") == 0 ? book->other[i].at_ns
			                                                    : 0;
	}
	return 0;
}

static void
export_other(struct export *export, size_t number)
{
	const struct tsr_event *const event = &export->book->other[number];
	uint64_t const awake =
		strcmp(event->event, "block") == 0 ? export_awake(export->book, number) : 0;
	double const us = export_us(export, event->at_ns);

	if (awake != 0)
		export_put(export, json_pack("{s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:{s:s}}", "name",
		                             "asleep", "cat", "tessera", "ph", "X", "ts", us, "dur",
		                             export_us(export, awake) - us, "pid",
		                             (json_int_t)event->pid, "tid", (json_int_t)event->tid,
		                             "args", "channel", event->name));
	else
		export_put(export,
		           json_pack("{s:s, s:s, s:s, s:s, s:f, s:I, s:I, s:{s:s, s:I, s:s, s:s}}",
		                     "name", event->event, "cat", "tessera", "ph", "i", "s", "t",
		                     "ts", us, "pid", (json_int_t)event->pid, "tid",
		                     (json_int_t)event->tid, "args", "realm", event->realm,
		                     "client", (json_int_t)event->client, "what", event->what,
		                     "text", event->text));
}

int
tsr_trace_export(const char *folder, const char *file)
{
	struct tsr_book book;
	struct export export = {.book = &book};
	int status = tsr_book_read(&book, folder);
	bool bad;

	if (status != 0)
		goto free_book;
	export.out = fopen(file, "w");
	if (export.out == NULL) {
		status = tsr_cli_fail(-errno, "'%s'", file);
		goto free_book;
	}
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", export.out);
	export_processes(&export);
	for (size_t i = 0; i < book.lives; i++)
		export_life(&export, i);
	for (size_t i = 0; i < book.others; i++)
		export_other(&export, i);
	fputs("\n]}\n", export.out);
	bad = ferror(export.out) != 0;
	if (fclose(export.out) != 0 || bad)
		status = tsr_cli_fail(-EIO, "'%s' can't be written", file);
free_book:
	tsr_book_free(&book);
	return status;
}
