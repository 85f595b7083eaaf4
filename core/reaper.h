/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REAPER_H
#define TSR_CORE_REAPER_H

/*
 * The reaper: completes or undoes what a client left half done when it died (or detached).
 *
 * Trust	works on the ends that the daemon's private table gave the client, never on what
 *		shared memory says about them; believes only generation-tagged words.
 * Progress	never waits for a client. Idempotent: it may itself die after any instruction and be
 *		run again from the start.
 * Crash	see shared-memory: claimed and taken slots, one-sided forms, redo, tokens, depot
 *		cells, ticket words, in this order.
 *
 * Context of every call: one thread at a time per realm, under the SIGBUS guard of the caller.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/channel.h"
#include "shm/map.h"
#include "shm/trace.h"
#include "shm/unlimited.h"

/* Of a table: from @first up to, and without, @past. */
struct tsr_part {
	uint32_t first;
	uint32_t past;
};

/* One end that the dead client had open. */
struct tsr_reap_end {
	struct tsr_channel channel;
	uint32_t side;     /* enum tsr_side */
	const char *realm; /* for a trace; NULL: not said */
};

/* How far the slots of an end have come. Zero at the beginning. */
struct tsr_reap_walk {
	bool begun;
	struct tsr_slots at;
	/* Of a kind that grows: how many it had to begin with, and how many were met. */
	uint64_t segments_before;
	uint64_t segments;
};

enum tsr_sweep_step {
	TSR_SWEEP_CELLS = 0,
	TSR_SWEEP_TICKETS = 1,
	TSR_SWEEP_REFILL = 2,
	TSR_SWEEP_CHECK = 3,
	TSR_SWEEP_DONE = 4,
};

/* How far a sweep has come. Zero, but for @died, at the beginning. */
struct tsr_sweep {
	bool died; /* else it said goodbye: what it had received does not come again */
	uint32_t step;
	uint32_t klass;
	uint32_t at;
};

struct tsr_reap_result {
	uint32_t slots_voided;   /* claimed and never published */
	uint32_t slots_restored; /* taken and never received: ready again */
	uint32_t cells;          /* of depots */
	uint32_t cursors;        /* of broadcasts: withdrawn */
	uint32_t tickets;        /* given back */
	uint32_t requeued;       /* given back to the channels from which they were received */
	uint32_t tokens;
	uint32_t woken;
	struct tsr_reap_log *log; /* NULL: nobody wants to know */
};

#define TSR_REAP_LOG_MAX 16

/* Words that were repaired, one by one: slots, tokens, cursors and cells. A client has few of them
 * in its hands at a time; beyond the last they are only counted. */
struct tsr_reap_log {
	uint32_t count;
	struct tsr_trace_repair repair[TSR_REAP_LOG_MAX];
};

/*
 * tsr_reaper_slots - steps 1 to 3: the slots of one end, then redo if it is a receiver's. For all
 *		ends of the client before any end count in the directory is changed: who sees the
 *		other side gone takes one last look, and must find what was made ready again.
 * tsr_reaper_slots_some - the same, as many of them as there is work
 * tsr_reaper_wake - settle the dead client's tokens on this channel, and wake everybody who sleeps
 *		on it. Call after the directory's end counts were changed.
 * tsr_reaper_sweep - steps 4, 5, 7: depot cells and every ticket that names the client; of one that
 *		died, what it had received and not released from a channel that is made so is the
 *		channel's again; then what the daemon holds goes back to the depots; tickets of
 *		regions are the daemon's until tsr_reaper_region()
 * @work:	how many words may be looked at; less by those that were. Between two calls clients
 *		go on, and the daemon may do anything else with the realm
 *
 * Return of slots_some: that was the last. Of sweep: 0 it is done; 1 call again; -EPROTO a word
 * still names the client (it can't: the realm must be condemned).
 */
void tsr_reaper_slots(struct tsr_reap_end const *end, uint16_t dead,
                      struct tsr_reap_result *result);
bool tsr_reaper_slots_some(struct tsr_reap_end const *end, uint16_t dead,
                           struct tsr_reap_walk *walk, uint32_t *work,
                           struct tsr_reap_result *result);
void tsr_reaper_wake(struct tsr_reap_end const *end, uint16_t dead, struct tsr_reap_result *result);
TSR_MUST_CHECK
int tsr_reaper_sweep(struct tsr_map const *map, uint16_t dead, struct tsr_sweep *sweep,
                     uint32_t *work, struct tsr_reap_result *result);

/* tsr_reaper_inherit - what another daemon, which is dead, held or had in hand is ours: cells that
 * it was filling, tickets that it had taken back. */
void tsr_reaper_inherit(struct tsr_map const *map, struct tsr_reap_result *result);

/* tsr_reaper_settle - free what the daemon is responsible for and no reader holds any more. */
void tsr_reaper_settle(struct tsr_map const *map);

/*
 * tsr_reaper_region - the tickets of a region, after a sweep: of an open one, what is the daemon's
 *		is free again; of one that is closing, what is free is the daemon's
 * @first, @count:	they are these
 *
 * Return: how many of them are out, with clients or in channels.
 */
uint32_t tsr_reaper_region(struct tsr_map const *map, uint32_t first, uint32_t count, bool open);

/*
 * tsr_ends_publish - write one side's count into the directory, then wake the other side
 *
 * Context: the daemon, after tsr_reaper_slots() and before tsr_reaper_wake().
 */
void tsr_ends_publish(struct tsr_channel const *channel, uint32_t side, uint16_t count, bool died,
                      uint64_t stream);

#endif /* TSR_CORE_REAPER_H */
