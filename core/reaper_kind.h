/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REAPER_KIND_H
#define TSR_CORE_REAPER_KIND_H

/*
 * What the reaper does with the slots of each kind of channel: one table beside that of shm/kind.h.
 * See reaper.h for the order of all steps.
 */

#include "core/reaper.h"

typedef void tsr_reaper_kind_fn(struct tsr_reap_end const *end, struct tsr_reap_walk *walk,
                                uint16_t dead, struct tsr_reap_result *result);

struct tsr_reaper_kind {
	/*
	 * Complete or undo what @dead left half done at one of its ends: before the first slot
	 * (NULL: nothing), for one slot after the other, after the last (NULL: nothing). Others may
	 * go on between any two slots. Idempotent, whatever instruction a former call was cut short
	 * at.
	 */
	tsr_reaper_kind_fn *begin;
	tsr_reaper_kind_fn *slot;
	tsr_reaper_kind_fn *done;
	uint32_t begin_work; /* how many words .begin looks at */
	bool senders_only;   /* the slots of receivers' ends have nothing of theirs */
	/* Who holds the tickets that its slots name: all of them are freed when it is removed. */
	uint16_t sent;
	/*
	 * Of a kind that grows (NULL: it does not): its slots are empty and no end is open.
	 *
	 * unlink: take one of the segments out of its ring, which is whole before and after, and
	 *	free it. @newest: the link that leads to the newest one. Return: false: only the
	 *	first is left.
	 * close: the first segment is the only one in the ring, which nobody enters any more
	 */
	bool (*unlink)(struct tsr_channel const *channel, uint64_t newest,
	               struct tsr_reap_result *result);
	void (*close)(struct tsr_channel const *channel);
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

/* tsr_reaper_requeue_drain - of a channel that is removed: free what became its again when a
 * receiver had died. @part: only these tickets. */
void tsr_reaper_requeue_drain(struct tsr_channel const *channel, struct tsr_part part,
                              struct tsr_reap_result *result);

/* tsr_reaper_segments - free those of these tickets that are segments of the channel, whose ring is
 * closed */
void tsr_reaper_segments(struct tsr_channel const *channel, struct tsr_part part,
                         struct tsr_reap_result *result);

/* tsr_reaper_tell_askers - of these tickets, those of the daemon's that were requests: wake who
 * waits for their replies, then forget whose they were. Idempotent. */
void tsr_reaper_tell_askers(struct tsr_map const *map, struct tsr_part part,
                            struct tsr_reap_result *result);

/* tsr_reaper_refill_all - what the daemon holds goes back to the depots */
void tsr_reaper_refill_all(struct tsr_map const *map);

/*
 * tsr_sweep_part - what of [at, end) can be done with the work that is left
 * tsr_sweep_advance - the next class of the step, or the next step
 * tsr_sweep_refill - a step: a part of what the daemon holds of a class goes back to its depot
 */
struct tsr_part tsr_sweep_part(struct tsr_sweep *sweep, uint32_t end, uint32_t *work);
void tsr_sweep_advance(struct tsr_sweep *sweep, uint32_t classes);
void tsr_sweep_refill(struct tsr_map const *map, struct tsr_sweep *sweep, uint32_t *work);

/* What several kinds do with a ring: the slot that @dead had claimed, the one that it had taken. */
void tsr_reaper_claimed(struct tsr_map const *map, struct tsr_slot *slot, uint64_t word,
                        uint16_t dead, struct tsr_reap_result *result);
void tsr_reaper_taken(struct tsr_map const *map, struct tsr_slot *slot, uint64_t word,
                      uint16_t dead, struct tsr_reap_result *result);

/* tsr_reaper_empty - void a slot: empty, of the next lap */
void tsr_reaper_empty(struct tsr_slot *slot, uint64_t lap);

/* tsr_reaper_tell - of a word that was repaired: for a trace, and for the log. */
TSR_COLD void tsr_reaper_tell(struct tsr_trace_repair const *repair,
                              struct tsr_reap_result *result);

/* tsr_reaper_tell_slot - the same of @slot, which was @before, if it has changed */
TSR_COLD void tsr_reaper_tell_slot(struct tsr_channel const *channel, struct tsr_slot const *slot,
                                   uint32_t index, uint16_t dead, uint64_t before,
                                   struct tsr_reap_result *result);

/* tsr_reaper_ring, tsr_reaper_ring_done - what .slot and .done are where messages lie in order, in
 * one ring or in several */
tsr_reaper_kind_fn tsr_reaper_ring, tsr_reaper_ring_done;

#endif /* TSR_CORE_REAPER_KIND_H */
