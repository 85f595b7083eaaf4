/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/dump_show.h"

#include <stdio.h>
#include <string.h>

#include "apps/rows.h"
#include "apps/table.h"
#include "shm/access.h"
#include "shm/unlimited.h"
#include "shm/waiter.h"
#include "shm/zdesc.h"

static const struct tsr_column show_facts[] = {
	{"realm", "realm", TSR_CELL_TEXT},
	{"channel", "channel", TSR_CELL_TEXT},
	{"epoch", "epoch", TSR_CELL_TEXT},
	{"state", "state", TSR_CELL_TEXT},
	{"layout", "layout", TSR_CELL_TEXT},
	{"taken_ns", "taken (ns since 1970)", TSR_CELL_TEXT},
	{"core_program", "core file of", TSR_CELL_TEXT},
	{"core_pid", "  process", TSR_CELL_TEXT},
	{"core_thread", "  thread", TSR_CELL_TEXT},
	{"core_signal", "  ended by", TSR_CELL_TEXT},
	{"core_lacks", "  not in it", TSR_CELL_TEXT},
	{"ticks_per_second", "ticks a second", TSR_CELL_COUNT},
	{"first_lap", "first lap", TSR_CELL_COUNT},
	{"tickets", "tickets", TSR_CELL_COUNT},
	{"clients_max", "clients at most", TSR_CELL_COUNT},
	{"channels_max", "channels at most", TSR_CELL_COUNT},
	{"id", "id", TSR_CELL_TEXT},
	{"index", "entry", TSR_CELL_COUNT},
	{"offset", "offset", TSR_CELL_COUNT},
	{"capacity", "slots", TSR_CELL_COUNT},
	{"blocks", "blocks that it has grown by", TSR_CELL_COUNT},
	{"shape", "shape", TSR_CELL_TEXT},
	{"senders", "senders", TSR_CELL_COUNT},
	{"senders_died", "  one died", TSR_CELL_TEXT},
	{"senders_stream", "  stream", TSR_CELL_COUNT},
	{"receivers", "receivers", TSR_CELL_COUNT},
	{"receivers_died", "  one died", TSR_CELL_TEXT},
	{"receivers_stream", "  stream", TSR_CELL_COUNT},
	{"receivers_waiting", "receivers asleep (mask)", TSR_CELL_TEXT},
	{"senders_waiting", "senders asleep (mask)", TSR_CELL_TEXT},
	{"redo", "redo", TSR_CELL_COUNT},
	{"fenced", "fenced", TSR_CELL_TEXT},
	{"next_position", "next position", TSR_CELL_COUNT},
	{"empty", "slots empty", TSR_CELL_COUNT},
	{"claimed", "slots claimed", TSR_CELL_COUNT},
	{"ready", "slots ready", TSR_CELL_COUNT},
	{"taken", "slots taken", TSR_CELL_COUNT},
	{"left_off", "rows left off (--limit)", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_segments[] = {
	{"segment", "SEGMENT", TSR_CELL_TEXT},
	{"bytes", "BYTES", TSR_CELL_BYTES},
	{"copied", "COPIED", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_classes[] = {
	{"class", "CLASS", TSR_CELL_TEXT},      {"block_bytes", "BLOCK", TSR_CELL_BYTES},
	{"tickets", "TICKETS", TSR_CELL_COUNT}, {"first_ticket", "FROM", TSR_CELL_COUNT},
	{"batch", "BATCH", TSR_CELL_COUNT},     {"cells", "CELLS", TSR_CELL_COUNT},
	{"empty", "EMPTY", TSR_CELL_COUNT},     {"claimed", "CLAIMED", TSR_CELL_COUNT},
	{"ready", "READY", TSR_CELL_COUNT},     {"taken", "TAKEN", TSR_CELL_COUNT},
	{"listed", "LISTED", TSR_CELL_COUNT},   {NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_cells[] = {
	{"class", "CLASS", TSR_CELL_TEXT},        {"cell", "CELL", TSR_CELL_COUNT},
	{"lap", "LAP", TSR_CELL_COUNT},           {"phase", "PHASE", TSR_CELL_TEXT},
	{"owner", "OWNER", TSR_CELL_TEXT},        {"listed", "LISTED", TSR_CELL_COUNT},
	{"odd", "NOT AS LISTED", TSR_CELL_COUNT}, {NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_channels[] = {
	{"channel", "CHANNEL", TSR_CELL_TEXT},
	{"id", "ID", TSR_CELL_TEXT},
	{"shape", "SHAPE", TSR_CELL_TEXT},
	{"capacity", "SLOTS", TSR_CELL_COUNT},
	{"claimed", "CLAIMED", TSR_CELL_COUNT},
	{"ready", "READY", TSR_CELL_COUNT},
	{"taken", "TAKEN", TSR_CELL_COUNT},
	{"senders", "SENDERS", TSR_CELL_COUNT},
	{"receivers", "RECEIVERS", TSR_CELL_COUNT},
	{"senders_waiting", "SENDERS ASLEEP", TSR_CELL_TEXT},
	{"receivers_waiting", "RECEIVERS ASLEEP", TSR_CELL_TEXT},
	{"redo", "REDO", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_slots[] = {
	{"slot", "SLOT", TSR_CELL_COUNT},     {"lap", "LAP", TSR_CELL_COUNT},
	{"phase", "PHASE", TSR_CELL_TEXT},    {"owner", "OWNER", TSR_CELL_TEXT},
	{"ticket", "TICKET", TSR_CELL_COUNT}, {"generation", "GENERATION", TSR_CELL_COUNT},
	{"offset", "OFFSET", TSR_CELL_COUNT}, {"length", "LENGTH", TSR_CELL_COUNT},
	{"age_ns", "AGE", TSR_CELL_NS},       {"ticket_says", "ITS TICKET SAYS", TSR_CELL_TEXT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column show_tokens[] = {
	{"side", "SIDE", TSR_CELL_TEXT},           {"token", "TOKEN", TSR_CELL_COUNT},
	{"state", "STATE", TSR_CELL_TEXT},         {"generation", "GENERATION", TSR_CELL_COUNT},
	{"owner", "OWNER", TSR_CELL_TEXT},         {"claimer", "CLAIMED BY", TSR_CELL_TEXT},
	{"waiting", "IN THE MASK", TSR_CELL_TEXT}, {NULL, NULL, TSR_CELL_TEXT},
};

/* The parts of a report, in the order in which they are shown. */
static const struct {
	const char *key;
	const struct tsr_column *columns;
} show_parts[] = {
	{"segments", show_segments}, {"classes", show_classes}, {"cells", show_cells},
	{"channels", show_channels}, {"slots", show_slots},     {"tokens", show_tokens},
};

void
tsr_dump_print(FILE *out, const json_t *report)
{
	tsr_table_facts(out, report, show_facts);
	for (size_t i = 0; i < sizeof(show_parts) / sizeof(show_parts[0]); i++) {
		const json_t *const rows = json_object_get(report, show_parts[i].key);

		if (rows == NULL)
			continue;
		fprintf(out, "\n");
		tsr_table_rows(out, rows, show_parts[i].columns);
	}
}

static json_t *
show_hex(uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)number);
	return json_string(text);
}

/* A row, or one more that is left off. */
static void
show_add(const struct tsr_dump_show *show, json_t *rows, json_t *row, uint64_t *left_off)
{
	if (show->limit == 0 || json_array_size(rows) < show->limit) {
		tsr_report_add(rows, row);
		return;
	}
	json_decref(row);
	(*left_off)++;
}

/* How many words of slots or cells have which phase; 4: one that cannot be. */
struct show_phases {
	uint32_t count[5];
};

static void
show_set_phases(json_t *out, const struct show_phases *phases)
{
	tsr_report_set(out, "empty", json_integer(phases->count[TSR_EMPTY]));
	tsr_report_set(out, "claimed", json_integer(phases->count[TSR_CLAIMED]));
	tsr_report_set(out, "ready", json_integer(phases->count[TSR_READY]));
	tsr_report_set(out, "taken", json_integer(phases->count[TSR_TAKEN]));
}

static void
show_count_phase(struct show_phases *phases, uint64_t word)
{
	uint32_t const phase = tsr_slot_phase(word);

	phases->count[phase <= TSR_TAKEN ? phase : 4]++;
}

/* lap, phase, and who owns it (or, where nobody does, the flags). */
static void
show_set_word(const struct tsr_dump *dump, json_t *row, uint64_t word)
{
	uint32_t const phase = tsr_slot_phase(word);
	uint16_t const owner = tsr_slot_owner(word);

	tsr_report_set(row, "lap", tsr_report_count(tsr_slot_lap(word)));
	tsr_report_set(row, "phase", tsr_dump_phase(phase));
	if (phase == TSR_CLAIMED || phase == TSR_TAKEN)
		tsr_report_set(row, "owner", tsr_dump_holder(dump, owner));
	else if (phase == TSR_READY && owner == TSR_READY_AGAIN)
		tsr_report_set(row, "owner", json_string("(again)"));
	else if (owner != 0)
		tsr_report_set(row, "owner", show_hex(owner));
}

/* What the word of a named ticket says, beside the name. */
static json_t *
show_ticket_says(const struct tsr_dump *dump, uint64_t name)
{
	uint32_t const index = tsr_name_index(name);
	char text[96];
	json_t *holder, *kind;
	uint64_t word;

	if (index >= dump->map.tickets_all)
		return json_string("there is no such ticket");
	word = tsr_ld_rlx(&dump->map.tickets[index].word);
	holder = tsr_dump_holder(dump, tsr_word_holder(word));
	kind = tsr_dump_kind(tsr_word_kind(word));
	snprintf(text, sizeof(text), "%s, %s, generation %+lld", json_string_value(holder),
	         json_string_value(kind),
	         (long long)(tsr_word_generation(word) - tsr_name_generation(name)));
	json_decref(holder);
	json_decref(kind);
	return json_string(text);
}

/* One slot. */
static json_t *
show_slot(const struct tsr_dump *dump, struct tsr_slot const *slot, uint32_t number)
{
	uint64_t const name = tsr_ld_rlx(&slot->name);
	uint64_t const range = tsr_ld_rlx(&slot->range);
	uint64_t const stamp = tsr_ld_rlx(&slot->stamp);
	json_t *row = json_object();

	tsr_report_set(row, "slot", json_integer(number));
	show_set_word(dump, row, tsr_ld_rlx(&slot->word));
	tsr_report_set(row, "ticket", json_integer(tsr_name_index(name)));
	tsr_report_set(row, "generation", tsr_report_count(tsr_name_generation(name)));
	tsr_report_set(row, "offset", json_integer(tsr_range_offset(range)));
	tsr_report_set(row, "length", json_integer(tsr_range_length(range)));
	tsr_report_set(row, "stamp", show_hex(stamp));
	tsr_report_set(row, "age_ns",
	               stamp == 0 ? json_null() : tsr_report_count(tsr_dump_age_ns(dump, stamp)));
	tsr_report_set(row, "ticket_says", show_ticket_says(dump, name));
	return row;
}

static json_t *
show_slot_rows(const struct tsr_dump *dump, const struct tsr_channel *channel,
               const struct tsr_dump_show *show, uint64_t *left_off)
{
	struct tsr_slots at = tsr_slots_of(channel);
	json_t *rows = json_array();

	while (tsr_slots_go(&at)) {
		uint64_t const word = tsr_ld_rlx(&at.slot->word);

		if (!show->all && tsr_slot_phase(word) == TSR_EMPTY)
			continue;
		if (show->limit != 0 && json_array_size(rows) >= show->limit)
			(*left_off)++;
		else
			tsr_report_add(rows, show_slot(dump, at.slot, at.index));
	}
	return rows;
}

static json_t *
show_token(const struct tsr_dump *dump, const char *side, uint32_t number, uint64_t word,
           bool waiting)
{
	static const char *const states[] = {"free", "init", "enqueued", "claimed", "cancelled"};
	uint32_t const state = tsr_token_state(word);
	json_t *row = json_object();

	tsr_report_set(row, "side", json_string(side));
	tsr_report_set(row, "token", json_integer(number));
	tsr_report_set(row, "state",
	               json_string(state <= TSR_TOKEN_CANCELLED ? states[state] : "unknown"));
	tsr_report_set(row, "generation", tsr_report_count(tsr_token_generation(word)));
	tsr_report_set(row, "owner", tsr_dump_holder(dump, tsr_token_owner(word)));
	if (state == TSR_TOKEN_CLAIMED)
		tsr_report_set(row, "claimer", tsr_dump_holder(dump, tsr_token_claimer(word)));
	tsr_report_set(row, "waiting", json_boolean(waiting));
	return row;
}

/* Tokens that are in use, or whose bit is set. */
static void
show_token_side(const struct tsr_dump *dump, const char *side, _Atomic uint64_t *tokens,
                uint64_t mask, json_t *rows)
{
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
		uint64_t const word = tsr_ld_rlx(&tokens[i]);
		bool const waiting = (mask >> i & 1) != 0;

		if (tsr_token_state(word) != TSR_TOKEN_FREE || waiting)
			tsr_report_add(rows, show_token(dump, side, i, word, waiting));
	}
}

static json_t *
show_token_rows(const struct tsr_dump *dump, const struct tsr_channel *channel)
{
	json_t *rows = json_array();

	show_token_side(dump, "receiver", channel->tokens->receiver,
	                tsr_ld_rlx(&channel->shm->receivers_waiting), rows);
	show_token_side(dump, "sender", channel->tokens->sender,
	                tsr_ld_rlx(&channel->shm->senders_waiting), rows);
	return rows;
}

static void
show_set_ends(json_t *out, const char *side, uint64_t ends)
{
	char key[32];

	tsr_report_set(out, side, json_integer(tsr_ends_count(ends)));
	snprintf(key, sizeof(key), "%s_died", side);
	tsr_report_set(out, key, json_boolean(tsr_ends_died(ends)));
	snprintf(key, sizeof(key), "%s_stream", side);
	tsr_report_set(out, key, tsr_report_count(tsr_ends_stream(ends)));
}

/* By how many blocks an unlimited one has grown. They lie in arenas, which are not copied: what is
 * in their slots is not to be seen. */
static void
show_set_segments(const struct tsr_dump *dump, const struct tsr_channel *channel, json_t *out)
{
	uint32_t blocks = 0;

	for (uint32_t i = 0; i < dump->map.tickets_count; i++)
		blocks += tsr_word_is_segment(tsr_ld_rlx(&dump->map.tickets[i].word)) &&
		          tsr_ld_rlx(&dump->map.tickets[i].tag) == channel->id;
	tsr_report_set(out, "blocks", json_integer(blocks));
	tsr_report_set(out, "next_position", json_null());
}

/* What a channel is, and how it stands, without its slots. */
static void
show_set_channel(const struct tsr_dump *dump, uint32_t index, const struct tsr_channel *channel,
                 json_t *out)
{
	static const char *const shapes[] = {"many-to-many", "one-to-many", "many-to-one",
	                                     "one-to-one"};
	struct tsr_channel_shm *const shm = channel->shm;
	uint64_t const waiting = tsr_ld_rlx(&shm->receivers_waiting);
	struct tsr_slots at = tsr_slots_of(channel);
	struct show_phases phases = {{0}};

	while (tsr_slots_go(&at))
		show_count_phase(&phases, tsr_ld_rlx(&at.slot->word));
	tsr_report_set(out, "channel", tsr_dump_channel_name(dump, index));
	tsr_report_set(out, "id", show_hex(channel->id));
	tsr_report_set(out, "index", json_integer(index));
	tsr_report_set(out, "offset", tsr_report_count(channel->entry->offset));
	tsr_report_set(out, "capacity", json_integer(channel->capacity));
	tsr_report_set(out, "shape", json_string(shapes[channel->flags & 3]));
	show_set_ends(out, "senders", tsr_ld_rlx(&channel->entry->senders));
	show_set_ends(out, "receivers", tsr_ld_rlx(&channel->entry->receivers));
	tsr_report_set(out, "receivers_waiting", show_hex(waiting & ~TSR_WAITING_FENCED));
	tsr_report_set(out, "senders_waiting",
	               show_hex(tsr_ld_rlx(&shm->senders_waiting) & ~TSR_WAITING_FENCED));
	tsr_report_set(out, "redo", tsr_report_count(tsr_ld_rlx(&shm->redo)));
	tsr_report_set(out, "fenced", json_boolean((waiting & TSR_WAITING_FENCED) != 0));
	if (channel->kind == TSR_KIND_UNLIMITED)
		show_set_segments(dump, channel, out);
	else
		tsr_report_set(out, "next_position", tsr_report_count(tsr_channel_find(channel)));
	show_set_phases(out, &phases);
}

/* Of a core file: whose it is, and what can't be shown. */
static void
show_set_core(const struct tsr_dump *dump, json_t *out)
{
	const struct tsr_dump_origin *const origin = &dump->origin;
	const char *const name = sigabbrev_np((int)origin->signal);
	char ended[24];

	if (!origin->core)
		return;
	snprintf(ended, sizeof(ended), "SIG%.16s", name != NULL ? name : "?");
	tsr_report_set(out, "core_program",
	               tsr_dump_text(origin->program, sizeof(origin->program)));
	tsr_report_set(out, "core_pid", json_integer(origin->pid));
	tsr_report_set(out, "core_thread", json_integer(origin->thread));
	tsr_report_set(out, "core_signal", origin->signal != 0 ? json_string(ended) : json_null());
	tsr_report_set(out, "core_lacks",
	               json_string("names and processes of clients, ages, payload"));
}

json_t *
tsr_dump_report_channel(const struct tsr_dump *dump, uint32_t index,
                        const struct tsr_dump_show *show)
{
	json_t *report = tsr_report_new();
	struct tsr_channel channel;
	uint64_t left_off = 0;

	if (!tsr_dump_channel(dump, index, &channel))
		return report;
	tsr_report_set(report, "realm", tsr_dump_text(dump->realm.name, TSR_NAME_BYTES));
	show_set_core(dump, report);
	show_set_channel(dump, index, &channel, report);
	tsr_report_set(report, "slots", show_slot_rows(dump, &channel, show, &left_off));
	if ((dump->held >> TSR_SEGMENT_TOKENS & 1) != 0)
		tsr_report_set(report, "tokens", show_token_rows(dump, &channel));
	tsr_report_set(report, "left_off", tsr_report_count(left_off));
	return report;
}

/* How many tickets a cell lists, and how many of these are not FREE in that generation. */
static void
show_count_cell(const struct tsr_dump *dump, struct tsr_cell *cell, uint32_t *listed, uint32_t *odd)
{
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++) {
		uint64_t const name = tsr_ld_rlx(&cell->entry[i]);
		uint32_t const index = tsr_name_index(name);

		if (name == TSR_NAME_NONE)
			continue;
		(*listed)++;
		if (index >= dump->map.tickets_count ||
		    !tsr_word_is(tsr_ld_rlx(&dump->map.tickets[index].word), name, TSR_HOLDER_FREE))
			(*odd)++;
	}
}

/* The depot of a class: its @sums, and @cells that are worth a look. */
static void
show_depot(const struct tsr_dump *dump, uint32_t klass, const struct tsr_dump_show *show,
           json_t *sums, json_t *cells, uint64_t *left_off)
{
	_Atomic uint64_t *const words = tsr_map_cell_words(&dump->map, klass);
	struct show_phases phases = {{0}};
	uint32_t all = 0;

	for (uint32_t i = 0; i < dump->map.klass[klass].cells; i++) {
		uint64_t const word = tsr_ld_rlx(&words[i]);
		uint32_t listed = 0, odd = 0;
		json_t *row;

		show_count_phase(&phases, word);
		if (tsr_slot_phase(word) != TSR_EMPTY)
			show_count_cell(dump, &tsr_map_cells(&dump->map, klass)[i], &listed, &odd);
		if (tsr_slot_phase(word) == TSR_READY)
			all += listed;
		if (!show->all && (tsr_slot_phase(word) == TSR_EMPTY ||
		                   (tsr_slot_phase(word) == TSR_READY && odd == 0)))
			continue;
		row = json_object();
		tsr_report_set(row, "class", json_integer(klass));
		tsr_report_set(row, "cell", json_integer(i));
		show_set_word(dump, row, word);
		tsr_report_set(row, "listed", json_integer(listed));
		tsr_report_set(row, "odd", json_integer(odd));
		show_add(show, cells, row, left_off);
	}
	show_set_phases(sums, &phases);
	tsr_report_set(sums, "listed", json_integer(all));
}

static json_t *
show_class_rows(const struct tsr_dump *dump, const struct tsr_dump_show *show, json_t *cells,
                uint64_t *left_off)
{
	json_t *rows = json_array();

	for (uint32_t k = 0; k < dump->map.classes_count; k++) {
		struct tsr_class const *const klass = &dump->map.klass[k];
		json_t *sums = json_object();

		tsr_report_set(sums, "class", json_integer(k));
		tsr_report_set(sums, "block_bytes", json_integer(klass->block_bytes));
		tsr_report_set(sums, "tickets", json_integer(klass->count));
		tsr_report_set(sums, "first_ticket", json_integer(klass->first_ticket));
		tsr_report_set(sums, "batch", json_integer(klass->batch));
		tsr_report_set(sums, "cells", json_integer(klass->cells));
		show_depot(dump, k, show, sums, cells, left_off);
		tsr_report_add(rows, sums);
	}
	return rows;
}

static json_t *
show_channel_rows(const struct tsr_dump *dump, const struct tsr_dump_show *show, uint64_t *left_off)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < dump->map.channels_count; i++) {
		struct tsr_channel channel;
		json_t *row;

		if (!tsr_dump_channel(dump, i, &channel))
			continue;
		row = json_object();
		show_set_channel(dump, i, &channel, row);
		show_add(show, rows, row, left_off);
	}
	return rows;
}

static json_t *
show_segment_rows(const struct tsr_dump *dump)
{
	static const char *const names[] = {"directory", "channels", "tickets", "blocks",
	                                    "state",     "tokens",   "metrics"};
	json_t *rows = json_array();
	char arena[24];

	static_assert(sizeof(names) / sizeof(names[0]) == TSR_SEGMENT_ARENA0, "each has a name");

	for (uint32_t i = 0; i < dump->map.segments_count; i++) {
		json_t *row = json_object();

		snprintf(arena, sizeof(arena), "arena %u", i - TSR_SEGMENT_ARENA0);
		tsr_report_set(row, "segment",
		               json_string(i < TSR_SEGMENT_ARENA0 ? names[i] : arena));
		tsr_report_set(row, "bytes", tsr_report_count(dump->map.segment[i].bytes));
		tsr_report_set(row, "copied", json_boolean((dump->held >> i & 1) != 0));
		tsr_report_add(rows, row);
	}
	return rows;
}

static json_t *
show_state(uint64_t state)
{
	static const char *const words[] = {"living", "condemned", "closed"};

	return state <= TSR_REALM_CLOSED ? json_string(words[state]) : show_hex(state);
}

json_t *
tsr_dump_report_realm(const struct tsr_dump *dump, const struct tsr_dump_show *show)
{
	struct tsr_directory *const directory = dump->map.directory;
	json_t *report = tsr_report_new(), *cells = json_array();
	uint64_t left_off = 0;
	char layout[64];

	snprintf(layout, sizeof(layout), "%u, hash 0x%016llx", directory->layout_version,
	         (unsigned long long)directory->layout_hash);
	tsr_report_set(report, "realm", tsr_dump_text(directory->name, TSR_NAME_BYTES));
	tsr_report_set(report, "epoch", tsr_report_count(directory->epoch));
	tsr_report_set(report, "state", show_state(tsr_ld_rlx(&directory->state)));
	tsr_report_set(report, "layout", json_string(layout));
	tsr_report_set(report, "release", tsr_dump_text(dump->release, sizeof(dump->release)));
	tsr_report_set(report, "taken_ns", tsr_report_count(dump->taken_ns));
	show_set_core(dump, report);
	tsr_report_set(report, "ticks_per_second", tsr_report_count(dump->map.ticks_per_second));
	tsr_report_set(report, "first_lap", tsr_report_count(dump->map.first_lap));
	tsr_report_set(report, "tickets", json_integer(dump->map.tickets_count));
	tsr_report_set(report, "clients_max", json_integer(dump->map.clients_count));
	tsr_report_set(report, "channels_max", json_integer(dump->map.channels_count));
	tsr_report_set(report, "segments", show_segment_rows(dump));
	tsr_report_set(report, "classes", show_class_rows(dump, show, cells, &left_off));
	tsr_report_set(report, "cells", cells);
	tsr_report_set(report, "channels", show_channel_rows(dump, show, &left_off));
	tsr_report_set(report, "left_off", tsr_report_count(left_off));
	return report;
}
