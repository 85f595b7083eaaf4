/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper_ticket.h"

#include "shm/access.h"
#include "shm/ticket.h"

struct tsr_ticket *
tsr_reaper_ticket(struct tsr_map const *map, uint64_t name)
{
	uint32_t const index = tsr_name_index(name);

	return index < map->tickets_all ? &map->tickets[index] : NULL;
}

struct tsr_trace_repair
tsr_reaper_describe_ticket(struct tsr_map const *map, uint32_t index, uint16_t dead,
                           uint64_t before, uint64_t after)
{
	return (struct tsr_trace_repair){
		.realm = map->directory->name,
		.what = "ticket",
		.before = before,
		.after = after,
		.index = index,
		.client = dead,
	};
}

bool
tsr_reaper_reclaim(struct tsr_map const *map, uint64_t name, uint16_t holder, uint16_t dead)
{
	struct tsr_ticket *const ticket = tsr_reaper_ticket(map, name);
	uint64_t word, next;

	if (ticket == NULL)
		return false;
	/* [P1] pairs with [T1]; [P2] pairs with [D1]: what the owner wrote before its stamp. */
	word = tsr_ld_acq(&ticket->word);
	if (!tsr_word_is(word, name, holder))
		return false;
	next = tsr_word_make(tsr_generation_next(tsr_name_generation(name)), TSR_TICKET_IDLE,
	                     TSR_HOLDER_DAEMON);
	tsr_st_rel(&ticket->word, next);
	TSR_TRACE(reap, tsr_reaper_describe_ticket(map, tsr_name_index(name), dead, word, next));
	return true;
}

bool
tsr_reaper_restore(struct tsr_map const *map, uint64_t name, uint16_t dead)
{
	struct tsr_ticket *const ticket = tsr_reaper_ticket(map, name);
	uint64_t const generation = tsr_name_generation(name);
	uint64_t const next = tsr_word_make(generation, TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL);
	uint64_t word;

	if (ticket == NULL)
		return false;
	/* [P1] pairs with [T1]. */
	word = tsr_ld_acq(&ticket->word);
	if (tsr_word_is(word, name, TSR_HOLDER_CHANNEL))
		return true;
	if (word != tsr_word_make(tsr_generation_next(generation), TSR_TICKET_RECEIVED, dead))
		return false;
	tsr_st_rel(&ticket->word, next);
	TSR_TRACE(reap, tsr_reaper_describe_ticket(map, tsr_name_index(name), dead, word, next));
	return true;
}
