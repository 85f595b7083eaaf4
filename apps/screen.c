/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/screen.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <ncurses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/graph.h"
#include "apps/units.h"

#define SCREEN_FIRST_NS   UINT64_C(250000000) /* to the first look: rates need a time */
#define SCREEN_LINES_MIN  8
#define SCREEN_COLS_MIN   40
#define SCREEN_NAME_MIN   12 /* columns of what names a row */
#define SCREEN_TABLE_LINE 4  /* the first row's */
#define SCREEN_ESCAPE     27

/* A row of the report, and what it is sorted by: looked up once, not at each comparison. */
struct screen_row {
	const json_t *row;
	const char *name;
	const char *text; /* NULL: by number */
	double number;
};

struct screen {
	struct tsr_view *view;
	json_t *report;
	size_t tab;
	size_t by[TSR_VIEW_TABLES];   /* the column that sorts */
	bool turned[TSR_VIEW_TABLES]; /* texts downwards, numbers upwards */
	char filter[TSR_NAME_BYTES];  /* what a row's name must have in it */
	bool typing;                  /* the filter */
	bool help;
	uint64_t graph_id; /* of the channel; 0: a table */
	char graph_name[TSR_NAME_BYTES];
	struct screen_row *rows; /* that are shown, sorted */
	size_t rows_count;
	size_t chosen;
	size_t first; /* row on the screen */
};

static const char *
screen_row_name(struct screen const *screen, const json_t *row)
{
	const char *name = json_string_value(
		json_object_get(row, tsr_view_tables[screen->tab].columns[0].key));

	return name != NULL ? name : "";
}

/* Texts come from A to Z, after them numbers, the largest first. */
static int
screen_compare(const void *a, const void *b, void *argument)
{
	struct screen const *const screen = argument;
	struct screen_row const *const left = a, *const right = b;
	int order;

	if (left->text != NULL && right->text != NULL)
		order = strcmp(left->text, right->text);
	else if (left->text != NULL || right->text != NULL)
		order = left->text != NULL ? -1 : 1;
	else
		order = (left->number < right->number) - (left->number > right->number);
	if (order == 0)
		return strcmp(left->name, right->name);
	return screen->turned[screen->tab] ? -order : order;
}

/* Which rows are shown, in which order. */
static void
screen_arrange(struct screen *screen)
{
	struct tsr_view_table const *const table = &tsr_view_tables[screen->tab];
	const char *const key = table->columns[screen->by[screen->tab]].key;
	const json_t *const all = json_object_get(screen->report, table->key);
	size_t const count = json_array_size(all);

	free(screen->rows);
	screen->rows_count = 0;
	screen->rows = calloc(count + 1, sizeof(screen->rows[0]));
	for (size_t i = 0; i < count && screen->rows != NULL; i++) {
		const json_t *const row = json_array_get(all, i);
		const json_t *const by = json_object_get(row, key);
		const char *const name = screen_row_name(screen, row);

		if (strstr(name, screen->filter) != NULL)
			screen->rows[screen->rows_count++] = (struct screen_row){
				row, name, json_string_value(by), json_number_value(by)};
	}
	if (screen->rows_count > 1)
		qsort_r(screen->rows, screen->rows_count, sizeof(screen->rows[0]), screen_compare,
		        screen);
	if (screen->chosen >= screen->rows_count)
		screen->chosen = screen->rows_count > 0 ? screen->rows_count - 1 : 0;
}

/* Text in @width columns, cut off if it is longer, but not within a character. */
static void
screen_put(int line, int column, int width, bool right, const char *text)
{
	int bytes = (int)strlen(text);

	if (bytes > width)
		for (bytes = width; bytes > 0 && (text[bytes] & 0xc0) == 0x80; bytes--)
			continue;
	(void)mvaddnstr(line, column + (right ? width - bytes : 0), text, bytes);
}

/* A line of text, cut off at the edge. */
static void TSR_PRINTF(2, 3) screen_say(int line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	screen_put(line, 0, COLS, false, text);
}

static void
screen_draw_tabs(struct screen const *screen)
{
	(void)move(0, 0);
	for (size_t i = 0; i < TSR_VIEW_TABLES; i++) {
		(void)attrset(i == screen->tab ? A_REVERSE : A_NORMAL);
		(void)printw(" %zu %s ", i + 1, tsr_view_tables[i].title);
	}
	(void)attrset(A_NORMAL);
	(void)printw("  realm %s", screen->view->realm);
}

static const char *
screen_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

static void
screen_draw_daemon(struct screen const *screen)
{
	const json_t *const daemon = json_object_get(screen->report, "daemon");
	const json_t *const core = json_array_get(json_object_get(screen->report, "cores"), 0);
	char up[TSR_UNIT_TEXT_BYTES];

	if (json_is_object(daemon)) {
		tsr_duration_format(
			(uint64_t)json_integer_value(json_object_get(daemon, "uptime_ns")), up);
		screen_say(1,
		           "daemon %s, process %" PRIu32
		           ", up %s; poll core %.1f%% busy, %.1f%% polling",
		           screen_text(daemon, "release"), screen->view->daemon_pid, up,
		           json_real_value(json_object_get(core, "busy_percent")),
		           json_real_value(json_object_get(core, "polling_percent")));
		return;
	}
	(void)attrset(A_BOLD);
	if (screen->view->daemon_pid != 0)
		screen_say(1,
		           "trying again: the daemon does not answer, process %" PRIu32
		           " is %s: %s",
		           screen->view->daemon_pid, screen_text(screen->report, "daemon_process"),
		           screen_text(screen->report, "error"));
	else
		screen_say(1, "trying again: %s", screen_text(screen->report, "error"));
	(void)attrset(A_NORMAL);
}

/* Who holds up the chosen channel, on terminals that have no room for that column, too. */
static const char *
screen_held_by(struct screen const *screen)
{
	if (screen->tab != 0 || screen->chosen >= screen->rows_count)
		return NULL;
	return json_string_value(json_object_get(screen->rows[screen->chosen].row, "held_by"));
}

static void
screen_draw_state(struct screen const *screen)
{
	struct tsr_view_table const *const table = &tsr_view_tables[screen->tab];
	size_t const count = json_array_size(json_object_get(screen->report, table->key));
	const char *const held_by = screen_held_by(screen);
	char shown[TSR_UNIT_TEXT_BYTES], all[TSR_UNIT_TEXT_BYTES];

	tsr_count_format(screen->rows_count, shown);
	tsr_count_format(count, all);
	if (screen->tab == 0 && json_object_get(screen->report, "realm_error") != NULL)
		screen_say(2, "the realm can't be looked at: %s",
		           screen_text(screen->report, "realm_error"));
	else
		screen_say(2, "%s of %s, by %s%s%s%s%s%s%s", shown, all,
		           table->columns[screen->by[screen->tab]].title,
		           screen->turned[screen->tab] ? " turned around" : "",
		           held_by != NULL ? "; held up: " : "", held_by != NULL ? held_by : "",
		           screen->typing || screen->filter[0] != '\0' ? "  /" : "", screen->filter,
		           screen->typing ? "_" : "");
}

/*
 * How many columns have room from @from on, beside the first one, and how wide that is: the columns
 * from *@from to the one that is returned, which is not among them.
 */
static size_t
screen_fit(struct tsr_view_table const *table, size_t from, int *name_width)
{
	int room = COLS - SCREEN_NAME_MIN;
	size_t to = from;

	while (table->columns[to].key != NULL && room > table->widths[to - 1])
		room -= table->widths[to++ - 1] + 1;
	*name_width = SCREEN_NAME_MIN + room;
	if (*name_width > TSR_NAME_BYTES)
		*name_width = TSR_NAME_BYTES; /* no name is longer: figures stay in sight of it */
	return to;
}

/* The first column beside the one that names the row, so that the one that sorts is in sight. */
static size_t
screen_from(struct screen const *screen)
{
	size_t from = 1;
	int width;

	while (from < screen->by[screen->tab] &&
	       screen_fit(&tsr_view_tables[screen->tab], from, &width) <= screen->by[screen->tab])
		from++;
	return from;
}

/* A row, or with @row NULL the heads. */
static void
screen_draw_row(struct screen const *screen, int line, const json_t *row)
{
	struct tsr_view_table const *const table = &tsr_view_tables[screen->tab];
	char cell[TSR_CELL_TEXT_BYTES];
	int at = 0, width;
	size_t const from = screen_from(screen);
	size_t const to = screen_fit(table, from, &width);

	for (size_t i = 0; i < to; i = i == 0 ? from : i + 1) {
		struct tsr_column const *const column = &table->columns[i];

		if (i > 0)
			width = table->widths[i - 1];
		if (row == NULL)
			(void)attrset(i == screen->by[screen->tab] ? A_REVERSE : A_BOLD);
		if (row != NULL)
			tsr_table_cell(json_object_get(row, column->key), column->format, true,
			               cell);
		else
			(void)snprintf(cell, sizeof(cell), "%s", column->title);
		screen_put(line, at, width, tsr_table_is_right(column->format), cell);
		at += width + 1;
	}
	(void)attrset(A_NORMAL);
}

static void
screen_draw_table(struct screen *screen)
{
	size_t const room = (size_t)(LINES - SCREEN_TABLE_LINE - 1);

	if (screen->chosen < screen->first)
		screen->first = screen->chosen;
	if (screen->chosen >= screen->first + room)
		screen->first = screen->chosen - room + 1;
	screen_draw_row(screen, SCREEN_TABLE_LINE - 1, NULL);
	for (size_t i = 0; i < room && screen->first + i < screen->rows_count; i++) {
		int const line = SCREEN_TABLE_LINE + (int)i;

		screen_draw_row(screen, line, screen->rows[screen->first + i].row);
		if (screen->first + i == screen->chosen)
			(void)mvchgat(line, 0, -1, A_REVERSE, 0, NULL);
	}
}

static void
screen_draw_help(void)
{
	static const char *const lines[] = {
		"1 2 3 4, Tab     channels, clients, cores, memory",
		"Up Down, k j     choose a row; PgUp PgDn, Home End",
		"Enter            a channel's rate over time; again: back",
		"< >              sort by the column to the left, to the right",
		"r                turn the order around",
		"/                show only what has a text in its name; Esc: all",
		"q                quit",
		"",
		"BLOCK%           of their time, that senders waited for room",
		"WAIT%            of their time, that receivers waited for a message",
		"FAILED           calls that failed otherwise, since the look before",
		"FULL             sends that found no room and did not wait, since then",
		"LOST             messages sent, and dropped as the channel says, since then",
		"P50 P99          how long stamped messages (one in 64) were under way",
		"HELD BY, CAUSES% who made senders wait; of the time, that a client did",
		"IS               what the process does: running, asleep, stopped, zombie, gone",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		screen_say(3 + (int)i, "  %s", lines[i]);
}

static void
screen_draw(struct screen *screen)
{
	(void)erase();
	if (LINES < SCREEN_LINES_MIN || COLS < SCREEN_COLS_MIN) {
		(void)mvprintw(0, 0, "needs %d x %d", SCREEN_COLS_MIN, SCREEN_LINES_MIN);
		(void)refresh();
		return;
	}
	screen_draw_tabs(screen);
	screen_draw_daemon(screen);
	if (screen->help) {
		screen_draw_help();
	} else if (screen->graph_id != 0) {
		tsr_graph_draw(tsr_view_history(screen->view, screen->graph_id), screen->graph_name,
		               3, LINES - 5);
	} else {
		screen_draw_state(screen);
		screen_draw_table(screen);
	}
	(void)mvaddstr(LINES - 1, 0,
	               "q quit  Tab next  <> sort  r turn  / filter  Enter graph  ? help");
	(void)refresh();
}

static void
screen_type(struct screen *screen, int key)
{
	size_t const length = strlen(screen->filter);

	if (key == '\n' || key == KEY_ENTER) {
		screen->typing = false;
	} else if (key == SCREEN_ESCAPE) {
		screen->typing = false;
		screen->filter[0] = '\0';
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		if (length > 0)
			screen->filter[length - 1] = '\0';
	} else if (key >= ' ' && key < 127 && length + 1 < sizeof(screen->filter)) {
		screen->filter[length] = (char)key;
		screen->filter[length + 1] = '\0';
	}
}

static void
screen_show_tab(struct screen *screen, size_t tab)
{
	screen->tab = tab;
	screen->graph_id = 0;
	screen->chosen = 0;
	screen->first = 0;
}

/* The column that sorts: @step columns to the right. */
static void
screen_sort(struct screen *screen, int step)
{
	struct tsr_column const *const columns = tsr_view_tables[screen->tab].columns;
	size_t *const by = &screen->by[screen->tab];

	if (step < 0 && *by > 0)
		(*by)--;
	else if (step > 0 && columns[*by + 1].key != NULL)
		(*by)++;
	screen->turned[screen->tab] = false;
}

static void
screen_enter(struct screen *screen)
{
	if (screen->graph_id != 0) {
		screen->graph_id = 0;
	} else if (screen->tab == 0 && screen->chosen < screen->rows_count) {
		const json_t *const row = screen->rows[screen->chosen].row;

		screen->graph_id = (uint64_t)json_integer_value(json_object_get(row, "id"));
		(void)snprintf(screen->graph_name, sizeof(screen->graph_name), "%s",
		               screen_row_name(screen, row));
	}
}

/* Return: whether the key was one that moves the choice. */
static bool
screen_move(struct screen *screen, int key)
{
	size_t const page = (size_t)LINES / 2;
	size_t const last = screen->rows_count > 0 ? screen->rows_count - 1 : 0;
	size_t to = screen->chosen;

	if (key == KEY_UP || key == 'k')
		to -= to > 0;
	else if (key == KEY_DOWN || key == 'j')
		to++;
	else if (key == KEY_PPAGE)
		to -= to > page ? page : to;
	else if (key == KEY_NPAGE)
		to += page;
	else if (key == KEY_HOME)
		to = 0;
	else if (key == KEY_END)
		to = last;
	else
		return false;
	screen->chosen = to > last ? last : to;
	return true;
}

/* Return: false: quit. */
static bool
screen_key(struct screen *screen, int key)
{
	if (screen->typing) {
		screen_type(screen, key);
	} else if (screen->help) {
		screen->help = false;
		return key != 'q';
	} else if (screen_move(screen, key)) {
		return true;
	} else if (key == 'q') {
		return false;
	} else if (key >= '1' && key < '1' + TSR_VIEW_TABLES) {
		screen_show_tab(screen, (size_t)(key - '1'));
	} else if (key == '\t') {
		screen_show_tab(screen, (screen->tab + 1) % TSR_VIEW_TABLES);
	} else if (key == '<' || key == '>') {
		screen_sort(screen, key == '<' ? -1 : 1);
	} else if (key == 'r') {
		screen->turned[screen->tab] = !screen->turned[screen->tab];
	} else if (key == '/') {
		screen->typing = true;
	} else if (key == SCREEN_ESCAPE) {
		screen->filter[0] = '\0';
		screen->graph_id = 0;
	} else if (key == '\n' || key == KEY_ENTER) {
		screen_enter(screen);
	} else if (key == '?' || key == 'h') {
		screen->help = true;
	}
	screen_arrange(screen);
	return true;
}

static void
screen_look(struct screen *screen)
{
	json_decref(screen->report);
	screen->report = tsr_view_take(screen->view);
	screen_arrange(screen);
}

static void
screen_loop(struct screen *screen, uint64_t interval_ns)
{
	uint64_t next =
		tsr_now_ns() + (interval_ns < SCREEN_FIRST_NS ? interval_ns : SCREEN_FIRST_NS);
	int key;

	do {
		uint64_t const now = tsr_now_ns();

		if (now >= next) {
			screen_look(screen);
			next = now + interval_ns;
		}
		screen_draw(screen);
		timeout(next > now ? (int)((next - now) / TSR_NS_PER_MS) + 1 : 0);
		key = getch();
	} while (key == ERR || screen_key(screen, key));
}

int
tsr_screen_run(struct tsr_view *view, uint64_t interval_ns)
{
	struct screen screen = {.view = view, .by = {1, 0, 3}};
	SCREEN *terminal;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return -ENOTTY;
	(void)setlocale(LC_CTYPE, "");
	terminal = newterm(NULL, stdout, stdin);
	if (terminal == NULL)
		return -ENOTTY;
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, true);
	(void)curs_set(0);
	(void)set_escdelay(50);
	screen_look(&screen);
	screen_loop(&screen, interval_ns);
	(void)endwin();
	delscreen(terminal);
	free(screen.rows);
	json_decref(screen.report);
	return 0;
}
