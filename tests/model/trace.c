/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * One path, readable: a column per process, a line per access, with the function that makes it,
 * the word and its value. And the path as a schedule, which --replay takes: the words that were
 * shared, as distances between them, and the moves, as counts, letters and process numbers.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/waiter.h"
#include "tests/model/model.h"

#define TRACE_COLUMN  50
#define TRACE_SITES   256
#define TRACE_LETTERS "sdktraBCDEFGH" /* by enum model_move */

extern char __executable_start;

struct trace_site {
	const void *site;
	char name[40];
};
static struct trace_site trace_site[TRACE_SITES];
static unsigned trace_sites;

/* The innermost function around a place in the code that is not one of the access layer. */
static void
trace_ask(const void *site, char name[40])
{
	char command[160], line[200], function[200] = "?";
	FILE *said;

	(void)snprintf(command, sizeof(command), "addr2line -e /proc/%d/exe -f -i 0x%lx", getpid(),
	               (unsigned long)((uintptr_t)site - (uintptr_t)&__executable_start - 1));
	said = popen(command, "r");
	while (said != NULL && fgets(line, sizeof(line), said) != NULL) {
		char where[200];

		line[strcspn(line, "\n")] = '\0';
		memcpy(function, line, sizeof(function));
		if (fgets(where, sizeof(where), said) == NULL)
			break;
		if (strstr(where, "shm/access.h") == NULL && strstr(where, "tests/model") == NULL)
			break;
	}
	if (said != NULL)
		(void)pclose(said);
	(void)snprintf(name, 40, "%.39s",
	               strncmp(function, "tsr_", 4) == 0 ? function + 4 : function);
}

static const char *
trace_function(const void *site)
{
	unsigned i = 0;

	if (site == NULL)
		return "";
	while (i < trace_sites && trace_site[i].site != site)
		i++;
	if (i == TRACE_SITES)
		return "?";
	if (i == trace_sites) {
		trace_site[i].site = site;
		trace_ask(site, trace_site[i].name);
		trace_sites++;
	}
	return trace_site[i].name;
}

static const char *
trace_who(uint16_t holder, char out[16])
{
	if (holder == TSR_HOLDER_CHANNEL)
		return "CHANNEL";
	if (holder == TSR_HOLDER_DAEMON)
		return "DAEMON";
	if (holder == TSR_HOLDER_FREE)
		return "FREE";
	(void)snprintf(out, 16, "%u", holder);
	return out;
}

static void
trace_value_slot(uint64_t v, char *out, size_t bytes)
{
	static const char *const phase[] = {"empty", "claimed", "ready", "taken"};

	(void)snprintf(out, bytes, "%s(lap %llu, %u)",
	               tsr_slot_phase(v) < 4 ? phase[tsr_slot_phase(v)] : "?",
	               (unsigned long long)tsr_slot_lap(v), tsr_slot_owner(v));
}

static void
trace_value_token(uint64_t v, char *out, size_t bytes)
{
	static const char *const state[] = {"free", "init", "enqueued", "claimed", "cancelled"};

	(void)snprintf(out, bytes, "%s(%llu, of %u, by %u)",
	               tsr_token_state(v) < 5 ? state[tsr_token_state(v)] : "?",
	               (unsigned long long)tsr_token_generation(v), tsr_token_owner(v),
	               tsr_token_claimer(v));
}

static void
trace_value_name(uint64_t v, char *out, size_t bytes)
{
	if (v == TSR_NAME_NONE)
		(void)snprintf(out, bytes, "none");
	else
		(void)snprintf(out, bytes, "ticket %u g%llu", tsr_name_index(v),
		               (unsigned long long)tsr_name_generation(v));
}

/* Name a word of the tickets segment; value in its own form. */
static void
trace_tickets(uint32_t at, uint64_t v, char *name, char *value, size_t bytes)
{
	struct tsr_class const *const klass = &model.map.klass[0];
	uint32_t const words = (uint32_t)(klass->words_offset / 8);
	uint32_t const cells = (uint32_t)(klass->cells_offset / 8);
	char who[16];

	if (at >= cells) {
		(void)snprintf(name, bytes, "cell[%u].entry[%u]", (at - cells) / TSR_CELL_ENTRIES,
		               (at - cells) % TSR_CELL_ENTRIES);
		trace_value_name(v, value, bytes);
	} else if (at >= words) {
		(void)snprintf(name, bytes, "cell[%u]", at - words);
		trace_value_slot(v, value, bytes);
	} else if (at % 2 == 0) {
		(void)snprintf(name, bytes, "ticket[%u]", at / 2);
		(void)snprintf(value, bytes, "(%s, g%llu)%s", trace_who(tsr_word_holder(v), who),
		               (unsigned long long)tsr_word_generation(v),
		               tsr_word_kind(v) == TSR_TICKET_RECEIVED ? " received" : "");
	} else {
		(void)snprintf(name, bytes, "ticket[%u].tag", at / 2);
	}
}

static void
trace_channel(uint32_t at, uint64_t v, char *name, char *value, size_t bytes)
{
	static const char *const field[] = {"", ".name", ".range", ".stamp"};
	uint32_t const slots = offsetof(struct tsr_channel_shm, slot) / 8;

	if (model_channels() > 1 && at >= model.second.offset / 8) {
		int const prefix = snprintf(name, bytes, "second ");

		name += prefix;
		bytes -= (size_t)prefix;
		at -= (uint32_t)(model.second.offset / 8);
	}
	if (at >= slots) {
		(void)snprintf(name, bytes, "slot[%u]%s", (at - slots) / 4,
		               field[(at - slots) % 4]);
		if ((at - slots) % 4 == 0)
			trace_value_slot(v, value, bytes);
		else if ((at - slots) % 4 == 1)
			trace_value_name(v, value, bytes);
	} else if (at == 0 || at == offsetof(struct tsr_channel_shm, senders_waiting) / 8) {
		(void)snprintf(name, bytes, at == 0 ? "receivers_waiting" : "senders_waiting");
	} else {
		(void)snprintf(name, bytes, at == 2 ? "redo" : "newest");
	}
}

static void
trace_directory(uint32_t at, uint64_t v, char *name, char *value, size_t bytes)
{
	uint32_t const entry = model_memory_word(model.record.channel.entry) -
	                       model_memory_word(model.map.segment[TSR_SEGMENT_DIRECTORY].base);

	if (at == entry || at == entry + 1) {
		(void)snprintf(name, bytes, at == entry ? "senders" : "receivers");
		(void)snprintf(value, bytes, "%u open%s, stream %llu", tsr_ends_count(v),
		               tsr_ends_died(v) ? ", one died" : "",
		               (unsigned long long)tsr_ends_stream(v));
	} else if (at == offsetof(struct tsr_directory, state) / 8) {
		(void)snprintf(name, bytes, "realm state");
	} else {
		(void)snprintf(name, bytes, "directory[%u]", at);
	}
}

/* How the word is called, and its value in a form that says something. */
static void
trace_word(uint32_t word, uint64_t v, char *name, char *value, size_t bytes)
{
	uint32_t segment = 0;
	uint32_t at;

	while (segment + 1 < model.map.segments_count &&
	       word >= model_memory_word(model.map.segment[segment + 1].base))
		segment++;
	at = word - model_memory_word(model.map.segment[segment].base);
	(void)snprintf(value, bytes, "%llu", (unsigned long long)v);
	(void)snprintf(name, bytes, "segment %u[%u]", segment, at);
	if (segment == TSR_SEGMENT_DIRECTORY)
		trace_directory(at, v, name, value, bytes);
	else if (segment == TSR_SEGMENT_CHANNELS)
		trace_channel(at, v, name, value, bytes);
	else if (segment == TSR_SEGMENT_TICKETS)
		trace_tickets(at, v, name, value, bytes);
	else if (segment == TSR_SEGMENT_TOKENS) {
		(void)snprintf(name, bytes, "%s token %u",
		               at < TSR_TOKENS_PER_SIDE ? "receiver" : "sender",
		               at % TSR_TOKENS_PER_SIDE);
		trace_value_token(v, value, bytes);
	}
}

static unsigned trace_mover; /* whose column it is when nobody runs */

static void
trace_line(unsigned number, const char *text)
{
	printf("%*s%.*s\n", (int)(number * TRACE_COLUMN / (model.processes > 3 ? 2 : 1)), "",
	       2 * TRACE_COLUMN, text);
}

void
model_trace_access(const char *what, uint32_t word, uint64_t value, const void *site)
{
	char name[64], shown[64], line[256];

	if (model_memory_local(word))
		return;
	trace_word(word, value, name, shown, sizeof(name));
	(void)snprintf(line, sizeof(line), "%s: %s %s = %s", trace_function(site), what, name,
	               shown);
	trace_line(model.current != NULL ? model.current->number : trace_mover, line);
}

void
model_trace_note(unsigned number, const char *format, ...)
{
	char line[256] = "-- ";
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line + 3, sizeof(line) - 3, format, args);
	va_end(args);
	trace_line(number, line);
}

void
model_trace_schedule(const uint8_t *schedule, uint32_t length)
{
	model_memory_classes();
	for (uint32_t i = 0; i < length;) {
		uint32_t n = 1;

		while (i + n < length && schedule[i + n] == schedule[i])
			n++;
		if (n > 1)
			printf("%u", n);
		printf("%c%u", TRACE_LETTERS[schedule[i] >> 4], schedule[i] & 15U);
		i += n;
	}
	printf("\n");
}

static void
trace_head(void)
{
	for (unsigned i = 0; i < model.processes; i++) {
		struct model_actor const *const actor = model.process[i].actor;

		trace_line(i, i == 0            ? "0: the daemon"
		              : actor->sends    ? "sender"
		              : actor->receives ? "receiver"
		                                : "client");
	}
}

/* Return: false: the move cannot be. */
static bool
trace_repeat(uint8_t move, unsigned n)
{
	uint8_t moves[64];

	for (; n > 0 && model.violation == NULL; n--) {
		if (memchr(moves, move, model_moves(moves)) == NULL)
			return false;
		trace_mover = move & 15U;
		model_move(move);
	}
	return true;
}

/* Return: 0 the path ends well; 1 in the violation that it shows; 2 it is no schedule of this. */
int
model_trace_replay(const char *schedule)
{
	const char *at = model_memory_force(schedule);

	trace_head();
	model.tracing = true;
	while (at != NULL && *at != '\0' && model.violation == NULL) {
		unsigned n = 0;
		uint8_t move;

		for (; isdigit((unsigned char)*at); at++)
			n = 10 * n + (unsigned)(*at - '0');
		if (*at == '\0' || strchr(TRACE_LETTERS, *at) == NULL ||
		    !isdigit((unsigned char)at[1]))
			return 2;
		move = MODEL_MOVE(strchr(TRACE_LETTERS, *at) - TRACE_LETTERS,
		                  (unsigned)(at[1] - '0'));
		at += 2;
		if (!trace_repeat(move, n != 0 ? n : 1))
			return 2;
	}
	if (at == NULL)
		return 2;
	if (model.violation == NULL) {
		uint8_t moves[64];

		if (model_moves(moves) == 0)
			model_ghost_terminal();
	}
	model.tracing = false;
	return model.violation != NULL;
}
