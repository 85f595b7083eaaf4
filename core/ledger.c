/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/ledger.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/reaper_kind.h"
#include "shm/access.h"
#include "shm/broadcast.h"
#include "shm/rendezvous.h"
#include "shm/requeue.h"
#include "shm/ticket.h"
#include "shm/unlimited.h"
#include "shm/waiter.h"

/* How often each ticket was named by a ready slot or a ready cell. */
struct ledger_count {
	struct tsr_map const *map;
	struct tsr_ledger *ledger;
	struct tsr_channel const *channels;
	size_t channels_count;
	bool const *living;
	uint8_t *named; /* [tickets_all] */
};

static void TSR_PRINTF(2, 3) ledger_say(struct tsr_ledger *ledger, const char *format, ...)
{
	va_list args;

	if (ledger->text[0] != '\0')
		return;
	va_start(args, format);
	(void)vsnprintf(ledger->text, sizeof(ledger->text), format, args);
	va_end(args);
}

static bool
ledger_lives(struct ledger_count const *count, uint16_t id)
{
	return id >= 1 && id <= count->map->clients_count && count->living[id];
}

/* A ready slot or cell names a ticket: its word must say so, and nobody else may name it. */
static void
ledger_name(struct ledger_count *count, uint64_t name, uint16_t holder, const char *where)
{
	uint32_t const index = tsr_name_index(name);

	if (index >= count->map->tickets_all) {
		ledger_say(count->ledger, "%s names ticket %u, which does not exist", where, index);
		return;
	}
	if (!tsr_word_is(tsr_ld_rlx(&count->map->tickets[index].word), name, holder)) {
		ledger_say(count->ledger, "%s names ticket %u in a generation that is not its own",
		           where, index);
		return;
	}
	if (count->named[index]++ != 0)
		ledger_say(count->ledger, "ticket %u is named twice, last by %s", index, where);
}

/* An offer that was taken, or taken back: its sender is about to see it. */
static bool
ledger_taken(struct ledger_count *count, struct tsr_slot *slot, uint64_t word)
{
	if (ledger_lives(count, tsr_slot_owner(word)))
		return !tsr_rendezvous_stands(count->map, tsr_ld_rlx(&slot->name));
	count->ledger->slots_claimed++;
	ledger_say(count->ledger, "an offer is of client %u, who is gone", tsr_slot_owner(word));
	return true;
}

/* The blocks that an unlimited channel has grown by are named by its links. */
static void
ledger_segments(struct ledger_count *count, struct tsr_channel const *channel)
{
	struct tsr_segments at = tsr_segments_of(channel);

	while (tsr_segments_go(&at)) {
		uint64_t word;

		if (at.ticket == TSR_TICKETS_MAX)
			continue;
		word = tsr_ld_rlx(&count->map->tickets[at.ticket].word);
		/* The sender that has just linked it is about to say so. */
		if (ledger_lives(count, tsr_word_holder(word)))
			continue;
		if (!tsr_word_is_segment(word) ||
		    tsr_ld_rlx(&count->map->tickets[at.ticket].tag) != channel->id)
			ledger_say(count->ledger, "a link names ticket %u, which is no segment",
			           at.ticket);
		else if (count->named[at.ticket]++ != 0)
			ledger_say(count->ledger, "ticket %u is named twice, last by a link",
			           at.ticket);
	}
}

static void
ledger_channel(struct ledger_count *count, struct tsr_channel const *channel)
{
	uint16_t const holder = tsr_reaper_kind(channel->kind)->sent;
	struct tsr_slots at = tsr_slots_of(channel);

	while (tsr_slots_go(&at)) {
		struct tsr_slot *const slot = at.slot;
		/* [R1] pairs with [S2]. */
		uint64_t const word = tsr_ld_acq(&slot->word);

		switch (tsr_slot_phase(word)) {
		case TSR_EMPTY:
			break;
		case TSR_READY:
			if (channel->kind == TSR_KIND_RENDEZVOUS && ledger_taken(count, slot, word))
				break;
			ledger_name(count, tsr_ld_rlx(&slot->name), holder, "a slot");
			break;
		default:
			if (ledger_lives(count, tsr_slot_owner(word)))
				break;
			count->ledger->slots_claimed++;
			ledger_say(count->ledger,
			           "slot %u of channel %llu is owned by %u, who is gone", at.index,
			           (unsigned long long)channel->id, tsr_slot_owner(word));
		}
	}
}

static void
ledger_cell(struct ledger_count *count, uint32_t klass, uint32_t number, uint64_t word)
{
	struct tsr_cell *const cell = &tsr_map_cells(count->map, klass)[number];

	if (tsr_slot_phase(word) == TSR_EMPTY)
		return;
	if (tsr_slot_phase(word) != TSR_READY) {
		if (ledger_lives(count, tsr_slot_owner(word)))
			return;
		count->ledger->slots_claimed++;
		ledger_say(count->ledger, "depot cell %u is owned by %u, who is gone", number,
		           tsr_slot_owner(word));
		return;
	}
	for (uint32_t i = 0; i < TSR_CELL_ENTRIES; i++) {
		uint64_t const name = tsr_ld_rlx(&cell->entry[i]);

		if (name != TSR_NAME_NONE)
			ledger_name(count, name, TSR_HOLDER_FREE, "a depot cell");
	}
}

/* A token, and the claim on it, is a living client's or the daemon's. */
static bool
ledger_token_sound(struct ledger_count const *count, uint64_t word)
{
	if (tsr_token_state(word) == TSR_TOKEN_CROWD)
		return true;
	if (!tsr_token_is_event(word) && !ledger_lives(count, tsr_token_owner(word)))
		return false;
	return tsr_token_state(word) != TSR_TOKEN_CLAIMED ||
	       tsr_token_claimer(word) == TSR_HOLDER_DAEMON ||
	       ledger_lives(count, tsr_token_claimer(word));
}

static void
ledger_tokens(struct ledger_count *count, _Atomic uint64_t *tokens, uint64_t waiting)
{
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
		uint64_t const word = tsr_ld_rlx(&tokens[i]);

		if (tsr_token_state(word) == TSR_TOKEN_FREE) {
			if ((waiting >> i & 1) == 0)
				continue;
			ledger_say(count->ledger, "waiter token %u is free and its bit is set", i);
		} else if (ledger_token_sound(count, word)) {
			continue;
		}
		count->ledger->tokens_stray++;
		ledger_say(count->ledger,
		           "waiter token %u is owned by %u and claimed by %u, who is gone", i,
		           tsr_token_owner(word), tsr_token_claimer(word));
	}
}

/* Is it a message of a channel that is there, and comes again? */
static bool
ledger_requeued(struct ledger_count const *count, uint32_t index, uint64_t word)
{
	uint64_t const tag = tsr_ld_rlx(&count->map->tickets[index].tag);

	for (size_t i = 0; i < count->channels_count; i++) {
		if (tsr_requeue_is_on(&count->channels[i]) &&
		    tsr_requeue_names(word, tag, count->channels[i].id))
			return true;
	}
	return false;
}

static void
ledger_ticket(struct ledger_count *count, uint32_t index)
{
	uint64_t const word = tsr_ld_rlx(&count->map->tickets[index].word);
	bool const named = count->named[index] == 1;
	uint16_t holder = tsr_word_holder(word);

	/* Of a broadcast, and out of its slot: who is responsible? */
	if (holder == TSR_HOLDER_SHARED && !named)
		holder = tsr_tag_responsible(tsr_ld_rlx(&count->map->tickets[index].tag));
	if (!named && ledger_requeued(count, index, word)) {
		count->ledger->in_channels++;
		return;
	}
	if (index >= count->map->tickets_count && !named &&
	    (holder == TSR_HOLDER_FREE || holder == TSR_HOLDER_DAEMON))
		count->ledger->in_regions++;
	else if (holder == TSR_HOLDER_FREE && named)
		count->ledger->in_depot++;
	else if ((holder == TSR_HOLDER_CHANNEL || holder == TSR_HOLDER_SHARED) && named)
		count->ledger->in_channels++;
	else if (holder == TSR_HOLDER_DAEMON && !named)
		count->ledger->with_daemon++;
	else if (ledger_lives(count, holder) && !named)
		count->ledger->with_clients++;
	else {
		count->ledger->lost++;
		ledger_say(count->ledger, "ticket %u has holder %u and is named %u times", index,
		           holder, count->named[index]);
	}
}

void
tsr_ledger_take(struct tsr_map const *map, struct tsr_channel const *channels,
                size_t channels_count, bool const *living, uint8_t *named,
                struct tsr_ledger *ledger)
{
	struct ledger_count count = {.map = map,
	                             .ledger = ledger,
	                             .channels = channels,
	                             .channels_count = channels_count,
	                             .living = living,
	                             .named = named};

	*ledger = (struct tsr_ledger){.tickets = map->tickets_all};
	for (size_t i = 0; i < channels_count; i++) {
		if (channels[i].kind == TSR_KIND_UNLIMITED)
			ledger_segments(&count, &channels[i]);
		ledger_channel(&count, &channels[i]);
		ledger_tokens(&count, channels[i].tokens->receiver,
		              tsr_ld_rlx(&channels[i].shm->receivers_waiting));
		ledger_tokens(&count, channels[i].tokens->sender,
		              tsr_ld_rlx(&channels[i].shm->senders_waiting));
	}
	for (uint32_t k = 0; k < map->classes_count; k++) {
		for (uint32_t i = 0; i < map->klass[k].cells; i++)
			/* [D3] pairs with [D2]. */
			ledger_cell(&count, k, i, tsr_ld_acq(&tsr_map_cell_words(map, k)[i]));
	}
	for (uint32_t i = 0; i < map->tickets_all; i++)
		ledger_ticket(&count, i);
	ledger->balanced = ledger->text[0] == '\0';
}
