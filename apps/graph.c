/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/graph.h"

#include <langinfo.h>
#include <ncurses.h>
#include <string.h>

#include "apps/units.h"

#define GRAPH_LABEL_COLUMNS 14
#define GRAPH_EIGHTHS       8

/* The rate @ago looks ago. */
static uint64_t
graph_rate(struct tsr_history const *history, uint64_t ago)
{
	return history->rate[(history->looks - 1 - ago) % TSR_HISTORY_SAMPLES];
}

/* One cell of a bar: so many eighths of it are filled, from below. */
static void
graph_cell(int line, int column, uint64_t eighths)
{
	char block[4] = {'\xe2', '\x96', '\0', '\0'};

	if (eighths == 0)
		return;
	block[2] = (char)(0x80 + eighths); /* U+2581 to U+2588 */
	if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
		(void)mvaddstr(line, column, block);
	else
		(void)mvaddstr(line, column, eighths > GRAPH_EIGHTHS / 2 ? "#" : ".");
}

static void
graph_bar(uint64_t rate, uint64_t peak, int column, int bottom, int lines)
{
	uint64_t const all = (uint64_t)lines * GRAPH_EIGHTHS;
	uint64_t filled = (uint64_t)((double)rate / (double)peak * (double)all);

	if (rate != 0 && filled == 0)
		filled = 1;
	for (int i = 0; i < lines; i++) {
		uint64_t const here = filled > GRAPH_EIGHTHS ? GRAPH_EIGHTHS : filled;

		graph_cell(bottom - i, column, here);
		filled -= here;
	}
}

static void
graph_label(int line, uint64_t rate)
{
	char text[TSR_UNIT_TEXT_BYTES];

	tsr_count_format(rate, text);
	(void)mvprintw(line, 0, "%*.*s", GRAPH_LABEL_COLUMNS - 1, GRAPH_LABEL_COLUMNS - 1, text);
}

void
tsr_graph_draw(struct tsr_history const *history, const char *channel, int top, int lines)
{
	uint64_t looks = history != NULL ? history->looks : 0, peak = 0;
	double sum = 0;
	char now[TSR_UNIT_TEXT_BYTES], mean[TSR_UNIT_TEXT_BYTES], most[TSR_UNIT_TEXT_BYTES];
	char head[TSR_NAME_BYTES + 192];

	if (looks == 0 || lines < 3 || COLS <= GRAPH_LABEL_COLUMNS) {
		(void)mvprintw(top, 0, "%.*s: nothing yet, or gone", COLS - 24, channel);
		return;
	}
	if (looks > TSR_HISTORY_SAMPLES)
		looks = TSR_HISTORY_SAMPLES;
	if (looks > (uint64_t)(COLS - GRAPH_LABEL_COLUMNS))
		looks = (uint64_t)(COLS - GRAPH_LABEL_COLUMNS);
	for (uint64_t i = 0; i < looks; i++) {
		sum += (double)graph_rate(history, i);
		peak = graph_rate(history, i) > peak ? graph_rate(history, i) : peak;
	}
	tsr_count_format(graph_rate(history, 0), now);
	tsr_count_format((uint64_t)(sum / (double)looks), mean);
	tsr_count_format(peak, most);
	(void)snprintf(head, sizeof(head),
	               "%s received a second: now %s, average %s, peak %s, of %u looks", channel,
	               now, mean, most, (unsigned)looks);
	(void)mvaddnstr(top, 0, head, COLS);
	graph_label(top + 1, peak);
	graph_label(top + lines - 1, 0);
	for (uint64_t i = 0; i < looks && peak != 0; i++)
		graph_bar(graph_rate(history, i), peak, COLS - 1 - (int)i, top + lines - 1,
		          lines - 1);
}
