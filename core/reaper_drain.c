/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper_drain.h"

#include "core/reaper_kind.h"
#include "core/reaper_ticket.h"
#include "shm/access.h"
#include "shm/requeue.h"

enum drain_step {
	DRAIN_SLOTS = 0,
	DRAIN_TICKETS = 1,
	DRAIN_REFILL = 2,
	DRAIN_DONE = 3,
};

/* Free the message in a slot of a channel without ends. */
static void
drain_slot(struct tsr_map const *map, struct tsr_channel const *channel, struct tsr_slot *slot,
           struct tsr_reap_result *result)
{
	/* [R1] pairs with [S2]: as any end would. */
	uint64_t const word = tsr_ld_acq(&slot->word);

	if (tsr_slot_phase(word) == TSR_EMPTY)
		return;
	if (tsr_reaper_reclaim(map, tsr_ld_rlx(&slot->name), tsr_reaper_kind(channel->kind)->sent,
	                       TSR_HOLDER_DAEMON))
		result->tickets++;
	tsr_reaper_empty(slot, tsr_slot_lap(word));
}

/* Does anything but its slots name tickets of the channel? */
static bool
drain_has_more(struct tsr_channel const *channel)
{
	struct tsr_reaper_kind const *const kind = tsr_reaper_kind(channel->kind);

	return kind->close != NULL || kind->sent == TSR_HOLDER_SHARED || tsr_requeue_is_on(channel);
}

static void
drain_slots(struct tsr_map const *map, struct tsr_channel const *channel, struct tsr_drain *drain,
            uint32_t *work)
{
	struct tsr_reaper_kind const *const kind = tsr_reaper_kind(channel->kind);

	if (!drain->begun)
		*drain = (struct tsr_drain){.begun = true, .at = tsr_slots_of(channel)};
	for (; *work > 0; (*work)--) {
		if (tsr_slots_go(&drain->at)) {
			drain_slot(map, channel, drain->at.slot, &drain->result);
			continue;
		}
		/* Before any of them is free: a daemon that comes after us begins anew, and must
		 * not go where others are by then. */
		if (kind->close != NULL)
			kind->close(channel);
		/* Most channels for replies are empty when they go. */
		drain->sweep.step = drain->result.tickets == 0 && !drain_has_more(channel)
		                            ? DRAIN_DONE
		                            : DRAIN_TICKETS;
		return;
	}
}

/* All that there is to do with a ticket, as in a sweep. */
static void
drain_tickets(struct tsr_map const *map, struct tsr_channel const *channel, struct tsr_drain *drain,
              uint32_t *work)
{
	struct tsr_reaper_kind const *const kind = tsr_reaper_kind(channel->kind);
	struct tsr_part const part = tsr_sweep_part(&drain->sweep, map->tickets_all, work);

	if (kind->close != NULL)
		tsr_reaper_segments(channel, part, &drain->result);
	tsr_reaper_requeue_drain(channel, part, &drain->result);
	if (kind->sent == TSR_HOLDER_SHARED)
		tsr_reaper_shared(map, part, TSR_HOLDER_DAEMON, &drain->result);
	tsr_reaper_tell_askers(map, part, &drain->result);
	if (drain->sweep.at < map->tickets_all)
		return;
	tsr_sweep_advance(&drain->sweep, 1);
	if (drain->result.tickets == 0)
		drain->sweep.step = DRAIN_DONE;
}

int
tsr_reaper_drain_some(struct tsr_map const *map, struct tsr_channel const *channel,
                      struct tsr_drain *drain, uint32_t *work)
{
	while (*work > 0 && drain->sweep.step < DRAIN_DONE) {
		if (drain->sweep.step == DRAIN_SLOTS)
			drain_slots(map, channel, drain, work);
		else if (drain->sweep.step == DRAIN_TICKETS)
			drain_tickets(map, channel, drain, work);
		else
			tsr_sweep_refill(map, &drain->sweep, work);
	}
	return drain->sweep.step < DRAIN_DONE;
}

uint32_t
tsr_reaper_drain(struct tsr_map const *map, struct tsr_channel const *channel)
{
	struct tsr_drain drain = {.begun = false};
	uint32_t work;

	do
		work = UINT32_MAX;
	while (tsr_reaper_drain_some(map, channel, &drain, &work) != 0);
	return drain.result.tickets;
}

/* Is every slot empty, and which segment is the newest? */
static void
trim_look(struct tsr_channel const *channel, struct tsr_trim *trim, uint32_t *work)
{
	for (; *work > 0; (*work)--) {
		uint64_t link;

		if (!tsr_slots_go(&trim->at)) {
			trim->sweep.step = TSR_TRIM_UNLINK;
			return;
		}
		if (tsr_slot_phase(tsr_ld_rlx(&trim->at.slot->word)) != TSR_EMPTY) {
			trim->sweep.step = TSR_TRIM_DONE;
			return;
		}
		if (trim->at.index != 1)
			continue; /* not the first of its segment */
		link = tsr_ld_rlx(&trim->at.segments.slots[0].name);
		if (trim->at.segments.slots == channel->shm->slot ||
		    tsr_link_distance(link, tsr_name_generation(trim->newest)) > 0)
			trim->newest = link;
	}
}

static void
trim_unlink(struct tsr_channel const *channel, struct tsr_trim *trim, uint32_t *work)
{
	bool more = true;

	for (; more && *work > 0; (*work)--)
		more = tsr_reaper_kind(channel->kind)->unlink(channel, trim->newest, &trim->result);
	if (!more)
		trim->sweep.step = trim->result.tickets == 0 ? TSR_TRIM_DONE : TSR_TRIM_REFILL;
}

bool
tsr_reaper_grows(uint32_t kind)
{
	return tsr_reaper_kind(kind)->unlink != NULL;
}

int
tsr_reaper_trim_some(struct tsr_map const *map, struct tsr_channel const *channel,
                     struct tsr_trim *trim, uint32_t *work)
{
	if (!trim->begun) {
		*trim = (struct tsr_trim){.begun = true, .at = tsr_slots_of(channel)};
		/* One segment is one too few. */
		if (!tsr_reaper_grows(channel->kind) ||
		    tsr_name_index(tsr_ld_rlx(&channel->shm->slot[0].name)) == TSR_TICKETS_MAX)
			trim->sweep.step = TSR_TRIM_DONE;
	}
	while (*work > 0 && trim->sweep.step < TSR_TRIM_DONE) {
		if (trim->sweep.step == TSR_TRIM_LOOK)
			trim_look(channel, trim, work);
		else if (trim->sweep.step == TSR_TRIM_UNLINK)
			trim_unlink(channel, trim, work);
		else
			tsr_sweep_refill(map, &trim->sweep, work);
	}
	return trim->sweep.step < TSR_TRIM_DONE;
}

void
tsr_reaper_trim(struct tsr_map const *map, struct tsr_channel const *channel)
{
	struct tsr_reap_result result = {0};
	struct tsr_trim trim = {.begun = false};
	uint32_t work;

	if (!tsr_reaper_grows(channel->kind))
		return;
	do
		work = UINT32_MAX;
	while (tsr_reaper_trim_some(map, channel, &trim, &work) != 0);
	if (tsr_name_index(tsr_ld_rlx(&channel->shm->slot[0].name)) != TSR_TICKETS_MAX)
		return; /* something is in it */
	tsr_reaper_segments(channel, (struct tsr_part){.past = map->tickets_count}, &result);
	if (result.tickets > 0)
		tsr_reaper_refill_all(map);
}
