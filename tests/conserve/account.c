/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdio.h>

#include "tests/conserve/world.h"

/* What a note says, in words for the report. */
struct account_note {
	bool tried;
	bool sent;
	bool kept;
	unsigned received;
	unsigned again;
	unsigned undelivered;
};

static struct account_note
account_read(uint32_t word)
{
	return (struct account_note){
		.tried = (word & CONSERVE_TRIED) != 0,
		.sent = (word & CONSERVE_SENT) != 0,
		.kept = (word & CONSERVE_KEPT) != 0,
		.received = word / CONSERVE_RECEIVED % 256,
		.again = word / CONSERVE_AGAIN % 256,
		.undelivered = word / CONSERVE_UNDELIVERED,
	};
}

/* What of it can't be; NULL: nothing. Whether too many are missing is seen in the sum. */
static char const *
account_wrong(struct account_note const *note, unsigned rules, struct conserve_toll const *toll)
{
	unsigned const came = note->received + note->again;

	if (!note->tried)
		return came + note->undelivered != 0 ? "it came and was never sent" : NULL;
	if (note->sent && note->kept)
		return "its sender was told both that it is sent and that it is not";
	if (note->kept && came + note->undelivered != 0)
		return "it came, or was handed back, and its sender was told that it is not sent";
	if ((rules & CONSERVE_EVERYBODY) != 0)
		return NULL;
	if (note->received > 1)
		return "it came more than once, unflagged";
	if (came > 1 && (rules & CONSERVE_REQUEUES) == 0)
		return "it came more than once";
	if (note->again > toll->receivers_killed + toll->senders_killed)
		return "it was flagged as redelivered more often than somebody died";
	if (came + note->undelivered > 1 && note->undelivered != 0)
		return "it was reported as undelivered, and more than that";
	return NULL;
}

static void
account_add(struct account_note const *note, unsigned rules, struct conserve_sum *sum)
{
	unsigned const came = note->received + note->again;
	bool const missing = note->sent && came + note->undelivered == 0;

	sum->sent += note->sent;
	sum->kept += note->kept;
	sum->received += note->received;
	sum->again += note->again;
	sum->undelivered += note->undelivered;
	sum->in_doubt += note->tried && !note->sent && !note->kept && note->undelivered == 0;
	sum->dropped += missing && (rules & (CONSERVE_DROPS | CONSERVE_EVERYBODY)) != 0;
	sum->unnoted += missing && rules == 0;
}

static char account_text[320];

/* Look through the notes of one channel. Return: NULL; or what is wrong. */
static char const *
account_channel(unsigned c, uint32_t lives, struct conserve_toll const *toll,
                struct conserve_sum *sum)
{
	unsigned const rules = conserve_table[c].rules;

	for (uint32_t i = 0; i < lives * CONSERVE_MESSAGES; i++) {
		uint32_t const life = i / CONSERVE_MESSAGES, number = i % CONSERVE_MESSAGES;
		struct account_note const note =
			account_read(atomic_load(&conserve_world->note[c][life][number]));
		char const *wrong = account_wrong(&note, rules, toll);

		/* What a dead receiver had received comes again, noted or not. */
		if (wrong == NULL && rules == CONSERVE_REQUEUES && note.sent &&
		    note.received + note.again + note.undelivered == 0)
			wrong = "it is missing";
		account_add(&note, rules, sum);
		if (wrong == NULL)
			continue;
		(void)snprintf(account_text, sizeof(account_text),
		               "%s, life %u, number %u: %s (tried %d, sent %d, kept %d, received "
		               "%u, again %u, undelivered %u)",
		               conserve_table[c].name, life, number, wrong, note.tried, note.sent,
		               note.kept, note.received, note.again, note.undelivered);
		return account_text;
	}
	return NULL;
}

/*
 * What a channel dropped its senders counted. One that died just then did not count it; and of one
 * that did, nobody may know that it had sent the message.
 */
static char const *
account_lost(unsigned c, uint64_t lost, struct conserve_toll const *toll,
             struct conserve_sum const *sum)
{
	uint64_t const uncounted = toll->senders_killed + CONSERVE_UNNOTED(toll);

	if ((conserve_table[c].rules & CONSERVE_DROPS) == 0 ||
	    (sum->dropped <= lost + uncounted &&
	     lost <= sum->dropped + sum->in_doubt + sum->undelivered))
		return NULL;
	(void)snprintf(account_text, sizeof(account_text),
	               "%s: %ju messages were dropped, or %ju more for deaths, and %ju counted as "
	               "lost",
	               conserve_table[c].name, (uintmax_t)sum->dropped, (uintmax_t)uncounted,
	               (uintmax_t)lost);
	return account_text;
}

char const *
conserve_account(uint32_t lives, struct conserve_toll const *toll,
                 uint64_t const lost[CONSERVE_CHANNELS], uint64_t carried[CONSERVE_CHANNELS],
                 struct conserve_sum *sum)
{
	for (unsigned c = 0; conserve_table[c].name != NULL; c++) {
		struct conserve_sum one = {.sent = 0};
		char const *wrong = account_channel(c, lives, toll, &one);

		if (wrong == NULL)
			wrong = account_lost(c, lost[c], toll, &one);
		if (wrong != NULL)
			return wrong;
		carried[c] += one.received;
		sum->sent += one.sent;
		sum->received += one.received;
		sum->again += one.again;
		sum->dropped += one.dropped;
		sum->kept += one.kept;
		sum->undelivered += one.undelivered;
		sum->in_doubt += one.in_doubt;
		sum->unnoted += one.unnoted;
	}
	if (sum->unnoted <= CONSERVE_UNNOTED(toll))
		return NULL;
	(void)snprintf(account_text, sizeof(account_text),
	               "%ju messages are missing; %u dead receivers may have received %ju unnoted",
	               (uintmax_t)sum->unnoted, toll->receivers_killed,
	               (uintmax_t)CONSERVE_UNNOTED(toll));
	return account_text;
}
