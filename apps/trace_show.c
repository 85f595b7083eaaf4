/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* tessera trace show: what a recorded trace tells. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/table.h"
#include "apps/trace.h"
#include "apps/trace_book.h"
#include "shm/zdesc.h"

#define SHOW_SLOWEST 5
#define SHOW_TEXT    512

static const struct tsr_column show_facts[] = {
	{"folder", "folder", TSR_CELL_TEXT},
	{"took_ns", "recorded", TSR_CELL_NS},
	{"events", "events", TSR_CELL_COUNT},
	{"lost", "lost", TSR_CELL_COUNT},
	{"processes", "processes", TSR_CELL_COUNT},
	{"lives", "lives of tickets", TSR_CELL_COUNT},
	{"complete", "of them complete", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_channels[] = {
	{"channel", "CHANNEL", TSR_CELL_TEXT},
	{"sends", "SENDS", TSR_CELL_COUNT},
	{"receives", "RECEIVES", TSR_CELL_COUNT},
	{"sleeps", "SLEEPS", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_stages[] = {
	{"channel", "CHANNEL", TSR_CELL_TEXT}, {"stage", "STAGE", TSR_CELL_TEXT},
	{"count", "COUNT", TSR_CELL_COUNT},    {"p50_ns", "P50", TSR_CELL_NS},
	{"p99_ns", "P99", TSR_CELL_NS},        {"max_ns", "SLOWEST", TSR_CELL_NS},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_slowest[] = {
	{"ticket", "SLOWEST TICKET", TSR_CELL_TEXT},
	{"channel", "CHANNEL", TSR_CELL_TEXT},
	{"took_ns", "LIFE", TSR_CELL_NS},
	{"complete", "COMPLETE", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_steps[] = {
	{"ticket", "TICKET", TSR_CELL_TEXT},   {"step", "STEP", TSR_CELL_TEXT},
	{"at_ns", "AT", TSR_CELL_NS},          {"after_ns", "AFTER", TSR_CELL_NS},
	{"channel", "CHANNEL", TSR_CELL_TEXT}, {"process", "PROCESS", TSR_CELL_TEXT},
	{"pid", "PID", TSR_CELL_TEXT},         {"client", "CLIENT", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_events[] = {
	{"at_ns", "AT", TSR_CELL_NS},          {"event", "EVENT", TSR_CELL_TEXT},
	{"process", "PROCESS", TSR_CELL_TEXT}, {"pid", "PID", TSR_CELL_TEXT},
	{"client", "CLIENT", TSR_CELL_TEXT},   {"text", "WHAT", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

/* "demo/files" */
static json_t *
show_channel_name(const struct tsr_book *book, uint32_t channel)
{
	if (channel == TSR_BOOK_NONE)
		return json_null();
	return json_sprintf("%s/%s", book->realm[book->channel[channel].realm].name,
	                    book->channel[channel].name);
}

/* "17:4": a ticket in its generation. */
static json_t *
show_ticket_name(const struct tsr_life *life)
{
	return json_sprintf("%" PRIu32 ":%" PRIu64, life->ticket, life->generation);
}

static json_t *
show_channel(const struct tsr_book *book, uint32_t number)
{
	const struct tsr_book_channel *const channel = &book->channel[number];

	return json_pack("{s:o, s:o, s:o, s:o}", "channel", show_channel_name(book, number),
	                 "sends", tsr_report_count(channel->sends), "receives",
	                 tsr_report_count(channel->receives), "sleeps",
	                 tsr_report_count(channel->sleeps));
}

/* A row for each stage that messages went through on this channel. */
static void
show_add_stages(struct tsr_book *book, uint32_t number, json_t *rows)
{
	static const char *const names[TSR_STAGES] = {"write", "travel", "use", "life"};

	for (size_t s = 0; s < TSR_STAGES; s++) {
		struct tsr_latency *const times = &book->channel[number].stage[s];
		json_t *row;

		if (times->count == 0)
			continue;
		row = tsr_latency_report(times, TSR_NS_PER_SECOND);
		tsr_report_set(row, "count", json_incref(json_object_get(row, "stamped")));
		(void)json_object_del(row, "stamped");
		tsr_report_set(row, "channel", show_channel_name(book, number));
		tsr_report_set(row, "stage", json_string(names[s]));
		tsr_report_add(rows, row);
	}
}

static uint64_t
show_took(const struct tsr_book *book, const struct tsr_life *life)
{
	return book->step[life->last].at_ns - book->step[life->first].at_ns;
}

/* The first channel that the ticket went over. */
static uint32_t
show_over(const struct tsr_book *book, const struct tsr_life *life)
{
	for (uint32_t s = life->first; s != TSR_BOOK_NONE; s = book->step[s].next) {
		if (book->step[s].channel != TSR_BOOK_NONE)
			return book->step[s].channel;
	}
	return TSR_BOOK_NONE;
}

/* The lives that took longest, the slowest first. */
static json_t *
show_the_slowest(const struct tsr_book *book)
{
	const struct tsr_life *slowest[SHOW_SLOWEST + 1] = {NULL};
	json_t *rows = json_array();
	size_t count = 0;

	for (size_t i = 0; i < book->lives; i++) {
		uint64_t const took = show_took(book, &book->life[i]);
		size_t at = count;

		while (at > 0 && show_took(book, slowest[at - 1]) < took) {
			slowest[at] = slowest[at - 1];
			at--;
		}
		slowest[at] = &book->life[i];
		count = count < SHOW_SLOWEST ? count + 1 : SHOW_SLOWEST;
	}
	for (size_t i = 0; i < count; i++)
		tsr_report_add(rows,
		               json_pack("{s:o, s:o, s:o, s:b}", "ticket",
		                         show_ticket_name(slowest[i]), "channel",
		                         show_channel_name(book, show_over(book, slowest[i])),
		                         "took_ns", tsr_report_count(show_took(book, slowest[i])),
		                         "complete", slowest[i]->complete));
	return rows;
}

/* A table with an empty line above it, unless it is empty. */
static void
show_table(const json_t *rows, const struct tsr_column *columns)
{
	if (json_array_size(rows) == 0)
		return;
	fputc('\n', stdout);
	tsr_table_rows(stdout, rows, columns);
}

static void
show_summary(struct tsr_book *book, json_t *report)
{
	json_t *channels = json_array();
	json_t *stages = json_array();

	for (uint32_t i = 0; i < book->channels; i++) {
		tsr_report_add(channels, show_channel(book, i));
		show_add_stages(book, i, stages);
	}
	tsr_report_set(report, "channels", channels);
	tsr_report_set(report, "stages", stages);
	tsr_report_set(report, "slowest", show_the_slowest(book));
	if (tsr_cli_print(stdout, report))
		return;
	tsr_table_facts(stdout, report, show_facts);
	show_table(channels, show_channels);
	show_table(stages, show_stages);
	show_table(json_object_get(report, "slowest"), show_slowest);
}

static json_t *
show_step(const struct tsr_book *book, const struct tsr_life *life, const struct tsr_step *step,
          uint64_t before_ns)
{
	const struct tsr_book_process *const process = &book->process[step->process];

	return json_pack("{s:o, s:s, s:I, s:I, s:o, s:s, s:I, s:I}", "ticket",
	                 show_ticket_name(life), "step", tsr_step_name(step->kind), "at_ns",
	                 (json_int_t)(step->at_ns - book->first_ns), "after_ns",
	                 (json_int_t)(step->at_ns - before_ns), "channel",
	                 show_channel_name(book, step->channel), "process", process->name, "pid",
	                 (json_int_t)process->pid, "client", (json_int_t)step->client);
}

/* Does @generation lie in this life? */
static bool
show_is_meant(const struct tsr_life *life, const struct tsr_trace_show *show)
{
	return life->ticket == show->ticket &&
	       (show->generation == UINT64_MAX ||
	        (show->generation >= life->generation && show->generation <= life->now));
}

static int
show_ticket(const struct tsr_book *book, const struct tsr_trace_show *show, json_t *report)
{
	json_t *lives = json_array();
	json_t *rows = json_array();

	for (size_t i = 0; i < book->lives; i++) {
		const struct tsr_life *const life = &book->life[i];
		uint64_t before_ns = book->step[life->first].at_ns;
		json_t *steps = json_array();

		for (uint32_t s = life->first; show_is_meant(life, show) && s != TSR_BOOK_NONE;
		     s = book->step[s].next) {
			json_t *row = show_step(book, life, &book->step[s], before_ns);

			before_ns = book->step[s].at_ns;
			tsr_report_add(rows, json_incref(row));
			tsr_report_add(steps, row);
		}
		if (json_array_size(steps) > 0)
			tsr_report_add(lives, json_pack("{s:I, s:I, s:b, s:O}", "generation",
			                                (json_int_t)life->generation, "bytes",
			                                (json_int_t)life->bytes, "complete",
			                                life->complete, "steps", steps));
		json_decref(steps);
	}
	tsr_report_set(report, "ticket", tsr_report_count(show->ticket));
	tsr_report_set(report, "of_ticket", lives);
	if (json_array_size(rows) == 0)
		tsr_cli_warn("the trace has no life of ticket %" PRIu64
		             ": 'tessera trace show' names some; single messages are recorded "
		             "with --messages",
		             show->ticket);
	else if (!tsr_cli_print(stdout, report))
		tsr_table_rows(stdout, rows, show_steps);
	json_decref(rows);
	return json_array_size(lives) == 0 ? TSR_EXIT_NOT_FOUND : TSR_EXIT_OK;
}

/* What an event says, in a few words. */
static void
show_words(const struct tsr_event *event, char *out)
{
	const char *const side = event->side == 0 ? "sender" : "receiver";

	if (strcmp(event->event, "attach") == 0)
		snprintf(out, SHOW_TEXT, "'%s' to realm '%s'", event->name, event->realm);
	else if (strcmp(event->event, "unblock") == 0 && event->waker == TSR_HOLDER_DAEMON)
		snprintf(out, SHOW_TEXT, "%s of %s/%s, woken by the daemon", side, event->realm,
		         event->name);
	else if (strcmp(event->event, "unblock") == 0 && event->waker != 0)
		snprintf(out, SHOW_TEXT, "%s of %s/%s, woken by client %" PRIu64, side,
		         event->realm, event->name, event->waker);
	else if (event->channel != 0 && event->name[0] != '\0')
		snprintf(out, SHOW_TEXT, "%s of %s/%s", side, event->realm, event->name);
	else if (strcmp(event->event, "reap") == 0)
		snprintf(out, SHOW_TEXT, "%s %" PRIu64 ": %#" PRIx64 " -> %#" PRIx64, event->what,
		         event->index, event->before, event->after);
	else if (strcmp(event->event, "death") == 0)
		snprintf(out, SHOW_TEXT,
		         "'%s' of realm '%s': %" PRIu64 " repairs in %" PRIu64 " us", event->name,
		         event->realm, event->repairs, event->took_ns / 1000);
	else if (strcmp(event->event, "region") == 0)
		snprintf(out, SHOW_TEXT, "region %" PRIu64 " of realm '%s' %s: %" PRIu64 " bytes",
		         event->index, event->realm, event->what, event->bytes);
	else if (strcmp(event->event, "reload") == 0)
		snprintf(out, SHOW_TEXT, "%s, in %" PRIu64 " us%s%s", event->text,
		         event->took_ns / 1000, event->error != 0 ? ": refused, " : "",
		         event->error != 0 ? tsr_strerror((int)event->error) : "");
	else if (strcmp(event->event, "error") == 0)
		snprintf(out, SHOW_TEXT, "%s: %s%s%s", event->where,
		         tsr_strerror((int)event->error), event->text[0] != '\0' ? ": " : "",
		         event->text);
	else
		snprintf(out, SHOW_TEXT, "realm '%s'%s%s", event->realm,
		         event->text[0] != '\0' ? ": " : "", event->text);
}

static void
show_others(const struct tsr_book *book, json_t *report)
{
	json_t *rows = json_array();
	char words[SHOW_TEXT];

	for (size_t i = 0; i < book->others; i++) {
		const struct tsr_event *const event = &book->other[i];

		show_words(event, words);
		tsr_report_add(rows, json_pack("{s:I, s:s, s:s, s:I, s:I, s:o}", "at_ns",
		                               (json_int_t)(event->at_ns - book->first_ns), "event",
		                               event->event, "process", event->process, "pid",
		                               (json_int_t)event->pid, "client",
		                               (json_int_t)event->client, "text",
		                               tsr_report_text(words, sizeof(words))));
	}
	tsr_report_set(report, "others", rows);
	if (!tsr_cli_print(stdout, report))
		tsr_table_rows(stdout, rows, show_events);
}

int
tsr_trace_show(const struct tsr_trace_show *show)
{
	struct tsr_book book;
	json_t *report;
	int status = tsr_book_read(&book, show->folder);

	if (status == 0) {
		report = tsr_report_new();
		tsr_report_set(report, "folder", json_string(show->folder));
		tsr_report_set(report, "took_ns", tsr_report_count(book.last_ns - book.first_ns));
		tsr_report_set(report, "events", tsr_report_count(book.events));
		tsr_report_set(report, "lost", tsr_report_count(book.lost));
		tsr_report_set(report, "processes", tsr_report_count(book.processes));
		tsr_report_set(report, "lives", tsr_report_count(book.lives));
		tsr_report_set(report, "complete", tsr_report_count(book.complete));
		if (show->ticket != UINT64_MAX)
			status = show_ticket(&book, show, report);
		else if (show->events)
			show_others(&book, report);
		else
			show_summary(&book, report);
		json_decref(report);
	}
	tsr_book_free(&book);
	return status;
}
