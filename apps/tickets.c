/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/tickets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/rows.h"
#include "apps/table.h"
#include "apps/units.h"
#include "shm/access.h"
#include "shm/unlimited.h"
#include "shm/zdesc.h"

const char *
tsr_hold_name(enum tsr_hold hold)
{
	static const char *const names[] = {
		[TSR_HOLD_DEPOT] = "depot",   [TSR_HOLD_DAEMON] = "daemon",
		[TSR_HOLD_REGION] = "region", [TSR_HOLD_SHARED] = "shared",
		[TSR_HOLD_NOBODY] = "nobody", [TSR_HOLD_CHANNEL] = "channel",
		[TSR_HOLD_CLIENT] = "client",
	};

	return names[hold];
}

/* The slot that names a ticket in its present generation. */
struct tsr_ticket_place {
	uint32_t channel; /* TSR_DUMP_NONE: none does */
	uint32_t slot;
	uint64_t range;
	uint64_t stamp;
};

static void
tickets_look_channel(struct tsr_tickets *tickets, uint32_t index, const struct tsr_channel *channel)
{
	const struct tsr_map *const map = &tickets->dump->map;
	/* Of an unlimited one its first segment: the others lie in arenas, which are not copied. */
	struct tsr_slots at = tsr_slots_of(channel);

	while (tsr_slots_go(&at)) {
		struct tsr_slot *const slot = at.slot;
		uint64_t const name = tsr_ld_rlx(&slot->name);
		uint32_t const ticket = tsr_name_index(name);

		if (tsr_slot_phase(tsr_ld_rlx(&slot->word)) == TSR_EMPTY ||
		    ticket >= map->tickets_all ||
		    !tsr_word_is(tsr_ld_rlx(&map->tickets[ticket].word), name, TSR_HOLDER_CHANNEL))
			continue;
		tickets->place[ticket] = (struct tsr_ticket_place){
			.channel = index,
			.slot = at.index,
			.range = tsr_ld_rlx(&slot->range),
			.stamp = tsr_ld_rlx(&slot->stamp),
		};
	}
}

int
tsr_tickets_open(struct tsr_tickets *tickets, const struct tsr_dump *dump,
                 const struct tsr_dump *before)
{
	const struct tsr_map *const map = &dump->map;
	struct tsr_channel channel;

	*tickets = (struct tsr_tickets){.dump = dump};
	if (before != NULL && before->realm.epoch == dump->realm.epoch &&
	    before->map.tickets_all == map->tickets_all) {
		tickets->before = before;
		tickets->between_ns = tsr_dump_age_ns(dump, before->taken_ticks);
	}
	tickets->place = calloc((size_t)map->tickets_all + 1, sizeof(tickets->place[0]));
	if (tickets->place == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < map->tickets_all; i++)
		tickets->place[i].channel = TSR_DUMP_NONE;
	for (uint32_t i = 0; i < map->channels_count; i++) {
		if (tsr_dump_channel(dump, i, &channel))
			tickets_look_channel(tickets, i, &channel);
	}
	return 0;
}

void
tsr_tickets_close(struct tsr_tickets *tickets)
{
	free(tickets->place);
	tickets->place = NULL;
}

static void
tickets_fact_client(const struct tsr_tickets *tickets, uint16_t holder, struct tsr_hold_fact *fact)
{
	const struct tsr_proto_row_client *const client =
		holder <= tickets->dump->map.clients_count ? tsr_dump_client(tickets->dump, holder)
							   : NULL;

	fact->who = holder;
	fact->hold = client != NULL ? TSR_HOLD_CLIENT : TSR_HOLD_NOBODY;
	if (client != NULL)
		fact->age_max_ns = client->since_ns;
}

static void
tickets_fact_channel(const struct tsr_tickets *tickets, struct tsr_hold_fact *fact)
{
	const struct tsr_ticket_place *const place = &tickets->place[fact->ticket];

	fact->hold = TSR_HOLD_CHANNEL;
	fact->who = place->channel;
	if (place->channel == TSR_DUMP_NONE) {
		/* On its way: stamped, and not yet published when the slots were copied. */
		fact->who = tsr_dump_channel_index(tickets->dump, fact->tag);
		return;
	}
	fact->slot = place->slot;
	fact->range = place->range;
	if (place->stamp != 0)
		fact->age_ns = tsr_dump_age_ns(tickets->dump, place->stamp);
}

void
tsr_tickets_fact(const struct tsr_tickets *tickets, uint32_t ticket, struct tsr_hold_fact *fact)
{
	const struct tsr_dump *const dump = tickets->dump;
	struct tsr_ticket *const entry = &dump->map.tickets[ticket];
	uint32_t const klass = tsr_dump_class(dump, ticket);

	*fact = (struct tsr_hold_fact){
		.word = tsr_ld_rlx(&entry->word),
		.tag = tsr_ld_rlx(&entry->tag) & TSR_TICKETS_MAX,
		.ticket = ticket,
		.klass = klass,
		.bytes = klass == TSR_DUMP_NONE ? 0 : dump->map.klass[klass].block_bytes,
		.who = TSR_DUMP_NONE,
		.slot = TSR_DUMP_NONE,
		.age_ns = TSR_AGE_UNKNOWN,
		.age_max_ns = TSR_AGE_UNKNOWN,
	};
	/* Beyond those of the classes are those of regions: the block of each is a whole region. */
	if (ticket >= dump->map.tickets_count)
		fact->bytes = dump->map.blocks[ticket].capacity;
	switch (tsr_word_holder(fact->word)) {
	case TSR_HOLDER_FREE:
		fact->hold = ticket < dump->map.tickets_count ? TSR_HOLD_DEPOT : TSR_HOLD_REGION;
		break;
	case TSR_HOLDER_DAEMON:
		fact->hold = ticket < dump->map.tickets_count ? TSR_HOLD_DAEMON : TSR_HOLD_REGION;
		break;
	case TSR_HOLDER_SHARED:
		fact->hold = TSR_HOLD_SHARED;
		break;
	case TSR_HOLDER_CHANNEL:
		tickets_fact_channel(tickets, fact);
		break;
	default:
		tickets_fact_client(tickets, tsr_word_holder(fact->word), fact);
	}
	if (tickets->before != NULL &&
	    tsr_ld_rlx(&tickets->before->map.tickets[ticket].word) == fact->word)
		fact->age_min_ns = tickets->between_ns;
}

/* "1.25 ms", "> 5 s", "< 3 min", "unknown". */
static json_t *
tickets_age(uint64_t age_ns, uint64_t min_ns, uint64_t max_ns)
{
	char text[3 * TSR_UNIT_TEXT_BYTES], least[TSR_UNIT_TEXT_BYTES], most[TSR_UNIT_TEXT_BYTES];

	tsr_duration_format(min_ns, least);
	tsr_duration_format(max_ns, most);
	if (age_ns != TSR_AGE_UNKNOWN)
		tsr_duration_format(age_ns, text);
	else if (min_ns != 0 && max_ns != TSR_AGE_UNKNOWN)
		snprintf(text, sizeof(text), "> %s, < %s", least, most);
	else if (min_ns != 0)
		snprintf(text, sizeof(text), "> %s", least);
	else if (max_ns != TSR_AGE_UNKNOWN)
		snprintf(text, sizeof(text), "< %s", most);
	else
		snprintf(text, sizeof(text), "unknown");
	return json_string(text);
}

static json_t *
tickets_ns(uint64_t ns)
{
	return ns == TSR_AGE_UNKNOWN ? json_null() : tsr_report_count(ns);
}

/* Who that is: members client, process, user, name; or channel. */
static void
tickets_set_who(const struct tsr_dump *dump, enum tsr_hold hold, uint32_t who, json_t *row)
{
	const struct tsr_proto_row_client *client;

	tsr_report_set(row, "holder", json_string(tsr_hold_name(hold)));
	if (hold == TSR_HOLD_CHANNEL)
		tsr_report_set(row, "name",
		               who == TSR_DUMP_NONE ? json_string("(gone)")
		                                    : tsr_dump_channel_name(dump, who));
	if (hold == TSR_HOLD_NOBODY && who != TSR_DUMP_NONE)
		tsr_report_set(row, "id", json_integer(who));
	client = hold == TSR_HOLD_CLIENT ? tsr_dump_client(dump, who) : NULL;
	if (client == NULL)
		return;
	tsr_report_set(row, "id", json_integer(client->id));
	tsr_report_set(row, "name", tsr_dump_text(client->name, sizeof(client->name)));
	tsr_report_set(row, "pid", json_integer(client->pid));
	tsr_report_set(row, "user", tsr_row_user(client->uid));
}

json_t *
tsr_tickets_row(const struct tsr_tickets *tickets, const struct tsr_hold_fact *fact)
{
	json_t *row = json_object();

	tsr_report_set(row, "ticket", json_integer(fact->ticket));
	tsr_report_set(row, "generation", tsr_report_count(tsr_word_generation(fact->word)));
	tsr_report_set(row, "bytes", json_integer(fact->bytes));
	tickets_set_who(tickets->dump, fact->hold, fact->who, row);
	tsr_report_set(row, "kind", tsr_dump_kind(tsr_word_kind(fact->word)));
	if (fact->slot != TSR_DUMP_NONE) {
		tsr_report_set(row, "slot", json_integer(fact->slot));
		tsr_report_set(row, "offset", json_integer(tsr_range_offset(fact->range)));
		tsr_report_set(row, "length", json_integer(tsr_range_length(fact->range)));
	}
	tsr_report_set(row, "last_channel", tsr_dump_channel_label(tickets->dump, fact->tag));
	tsr_report_set(row, "age", tickets_age(fact->age_ns, fact->age_min_ns, fact->age_max_ns));
	tsr_report_set(row, "age_ns", tickets_ns(fact->age_ns));
	tsr_report_set(row, "age_min_ns", tsr_report_count(fact->age_min_ns));
	tsr_report_set(row, "age_max_ns", tickets_ns(fact->age_max_ns));
	return row;
}

/* All tickets of one holder. */
struct tickets_group {
	enum tsr_hold hold;
	uint32_t who;
	uint32_t tickets;
	uint32_t received;
	uint64_t bytes;
	uint64_t oldest_ns; /* whose age is known exactly; TSR_AGE_UNKNOWN: none */
	uint64_t max_ns;
	/* Where most were last sent, if there is one such channel: majority vote. */
	uint64_t from;
	uint32_t votes;
	uint32_t from_count; /* in a second pass */
};

/* First those that are no client and no channel, then channels (the last for those unknown), then
 * clients. */
static size_t
tickets_group_index(const struct tsr_dump *dump, const struct tsr_hold_fact *fact)
{
	uint32_t const channels = dump->map.channels_count;

	if (fact->hold == TSR_HOLD_CLIENT)
		return (size_t)TSR_HOLD_CHANNEL + channels + fact->who;
	if (fact->hold == TSR_HOLD_CHANNEL)
		return (size_t)TSR_HOLD_CHANNEL +
		       (fact->who == TSR_DUMP_NONE ? channels : fact->who);
	return (size_t)fact->hold;
}

static void
tickets_group_add(struct tickets_group *group, const struct tsr_hold_fact *fact)
{
	if (group->tickets++ == 0) {
		group->hold = fact->hold;
		group->who = fact->hold == TSR_HOLD_NOBODY ? TSR_DUMP_NONE : fact->who;
		group->oldest_ns = TSR_AGE_UNKNOWN;
		group->max_ns = fact->age_max_ns;
	}
	group->received += tsr_word_kind(fact->word) == TSR_TICKET_RECEIVED;
	/* Many tickets share a region. */
	group->bytes += fact->klass == TSR_DUMP_NONE ? 0 : fact->bytes;
	if (fact->age_ns != TSR_AGE_UNKNOWN &&
	    (group->oldest_ns == TSR_AGE_UNKNOWN || fact->age_ns > group->oldest_ns))
		group->oldest_ns = fact->age_ns;
	if (group->votes == 0)
		group->from = fact->tag;
	if (group->from == fact->tag)
		group->votes++;
	else
		group->votes--;
}

static json_t *
tickets_group_row(const struct tsr_dump *dump, const struct tickets_group *group)
{
	json_t *row = json_object();

	tickets_set_who(dump, group->hold, group->who, row);
	tsr_report_set(row, "tickets", json_integer(group->tickets));
	tsr_report_set(row, "received", json_integer(group->received));
	tsr_report_set(row, "bytes", tsr_report_count(group->bytes));
	if (group->hold == TSR_HOLD_CLIENT)
		tsr_report_set(row, "last_channel",
		               2 * (uint64_t)group->from_count > group->tickets
		                       ? tsr_dump_channel_label(dump, group->from)
		                       : json_string("(several)"));
	tsr_report_set(row, "age", tickets_age(group->oldest_ns, 0, group->max_ns));
	tsr_report_set(row, "age_ns", tickets_ns(group->oldest_ns));
	tsr_report_set(row, "age_max_ns", tickets_ns(group->max_ns));
	return row;
}

json_t *
tsr_tickets_summary(const struct tsr_tickets *tickets)
{
	const struct tsr_map *const map = &tickets->dump->map;
	/* Client ids go from 1 on. */
	size_t const count =
		(size_t)TSR_HOLD_CHANNEL + map->channels_count + 1 + map->clients_count + 1;
	struct tickets_group *const groups = calloc(count, sizeof(groups[0]));
	json_t *rows = json_array();
	struct tsr_hold_fact fact;

	if (groups == NULL) {
		tsr_report_add(rows, NULL); /* ends the program */
		return rows;
	}
	for (uint32_t i = 0; i < map->tickets_all; i++) {
		tsr_tickets_fact(tickets, i, &fact);
		tickets_group_add(&groups[tickets_group_index(tickets->dump, &fact)], &fact);
	}
	for (uint32_t i = 0; i < map->tickets_all; i++) {
		struct tickets_group *group;

		tsr_tickets_fact(tickets, i, &fact);
		group = &groups[tickets_group_index(tickets->dump, &fact)];
		group->from_count += group->from == fact.tag;
	}
	for (size_t i = 0; i < count; i++) {
		if (groups[i].tickets != 0)
			tsr_report_add(rows, tickets_group_row(tickets->dump, &groups[i]));
	}
	free(groups);
	return rows;
}
