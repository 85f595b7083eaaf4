/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REAPER_KIND_H
#define TSR_CORE_REAPER_KIND_H

/*
 * What the reaper does with the slots of each kind of channel: one table beside that of shm/kind.h.
 * See reaper.h for the order of all steps.
 */

#include "core/reaper.h"

struct tsr_reaper_kind {
	/* Complete or undo what @dead left half done at one of its ends; then redo, if it is a
	 * receiver's. Idempotent, whatever instruction a former call was cut short at. */
	void (*slots)(struct tsr_map const *map, struct tsr_reap_end const *end, uint16_t dead,
	              struct tsr_reap_result *result);
	bool by_parts; /* in ascending ones; else all of them at once: it has few */
	/* Who holds the tickets that its slots name: all of them are freed when it is removed. */
	uint16_t sent;
};

/* tsr_reaper_kind - @kind is one that is offered: the channel was made */
struct tsr_reaper_kind const *tsr_reaper_kind(uint32_t kind);

extern struct tsr_reaper_kind const tsr_reaper_buffered;
extern struct tsr_reaper_kind const tsr_reaper_broadcast;
extern struct tsr_reaper_kind const tsr_reaper_conflated;

/*
 * tsr_reaper_requeue - of a client that died: if ticket @index was received from a channel that is
 *		made so, and not released, it is the channel's again, and its receivers are woken
 * @word:	what its word is
 *
 * Return: whether it is.
 */
bool tsr_reaper_requeue(struct tsr_map const *map, uint32_t index, uint64_t word, uint16_t dead,
                        struct tsr_reap_result *result);

/*
 * tsr_reaper_shared - tickets of broadcasts that are out of their slots: those of the @dead become
 *		the daemon's responsibility, and all of the daemon's that no reader holds are freed
 * @part:	only these tickets
 */
void tsr_reaper_shared(struct tsr_map const *map, struct tsr_part part, uint16_t dead,
                       struct tsr_reap_result *result);
extern struct tsr_reaper_kind const tsr_reaper_rendezvous;
extern struct tsr_reaper_kind const tsr_reaper_unlimited;

/* What several kinds do with a ring: the slot that @dead had claimed, the one that it had taken. */
void tsr_reaper_claimed(struct tsr_map const *map, struct tsr_slot *slot, uint64_t word,
                        uint16_t dead, struct tsr_reap_result *result);
void tsr_reaper_taken(struct tsr_map const *map, struct tsr_slot *slot, uint64_t word,
                      uint16_t dead, struct tsr_reap_result *result);

/* tsr_reaper_part - which slots of the end: all, if nothing is said. */
TSR_INLINE struct tsr_part
tsr_reaper_part(struct tsr_reap_end const *end)
{
	return end->part.past != 0 ? end->part : (struct tsr_part){.past = end->channel.capacity};
}

/* tsr_reaper_empty - void a slot: empty, of the next lap */
void tsr_reaper_empty(struct tsr_slot *slot, uint64_t lap);

/* tsr_reaper_tell - of a word that was repaired: for a trace, and for the log. */
TSR_COLD void tsr_reaper_tell(struct tsr_trace_repair const *repair,
                              struct tsr_reap_result *result);

/* tsr_reaper_tell_slot - the same of @slot, which was @before, if it has changed */
TSR_COLD void tsr_reaper_tell_slot(struct tsr_channel const *channel, struct tsr_slot const *slot,
                                   uint32_t index, uint16_t dead, uint64_t before,
                                   struct tsr_reap_result *result);

/* tsr_reaper_ring - what .slots is where messages lie in order, in one ring or in several */
void tsr_reaper_ring(struct tsr_map const *map, struct tsr_reap_end const *end, uint16_t dead,
                     struct tsr_reap_result *result);

/* tsr_reaper_segments - an unlimited channel has no end open and its slots are empty: free every
 * segment but the first */
void tsr_reaper_segments(struct tsr_map const *map, struct tsr_channel const *channel,
                         struct tsr_reap_result *result);

#endif /* TSR_CORE_REAPER_KIND_H */
