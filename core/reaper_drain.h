/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REAPER_DRAIN_H
#define TSR_CORE_REAPER_DRAIN_H

/*
 * What a channel without ends still has: its messages when it is removed, the blocks that it had
 * grown by when nobody has it open. In steps; between two of them others may do anything but open
 * an end of a channel that is drained.
 *
 * Context of every call: as the reaper's.
 */

#include "core/reaper.h"

/* How far it has come; zero at the beginning. */
struct tsr_drain {
	bool begun;
	struct tsr_slots at;
	struct tsr_sweep sweep;
	struct tsr_reap_result result; /* .tickets: how many were freed */
};

enum tsr_trim_step {
	TSR_TRIM_LOOK = 0,   /* is it empty, and which segment is the newest? */
	TSR_TRIM_UNLINK = 1, /* one after the other */
	TSR_TRIM_REFILL = 2,
	TSR_TRIM_DONE = 3,
};

struct tsr_trim {
	bool begun;
	struct tsr_slots at;
	uint64_t newest;        /* the link that leads to it */
	struct tsr_sweep sweep; /* .step: enum tsr_trim_step */
	struct tsr_reap_result result;
};

/*
 * tsr_reaper_drain_some - free every message of a channel that is being removed, and what it had
 *		grown by
 * tsr_reaper_drain - the same in one step. Return: how many tickets were freed.
 * @work:	how many words may be looked at; less by those that were
 *
 * Return: 0 it is done; 1 call again.
 */
TSR_MUST_CHECK
int tsr_reaper_drain_some(struct tsr_map const *map, struct tsr_channel const *channel,
                          struct tsr_drain *drain, uint32_t *work);
uint32_t tsr_reaper_drain(struct tsr_map const *map, struct tsr_channel const *channel);

/*
 * tsr_reaper_trim_some - no end is open on the channel: if it is empty, what it had grown by is
 *		free. The ring is whole after each step: if an end is opened in between, forget how
 *		far it had come
 *
 * Return: 0 it is done, or there is nothing to do; 1 call again.
 */
TSR_MUST_CHECK
int tsr_reaper_trim_some(struct tsr_map const *map, struct tsr_channel const *channel,
                         struct tsr_trim *trim, uint32_t *work);

/* tsr_reaper_grows - is it of a kind for which there may be anything to do? */
bool tsr_reaper_grows(uint32_t kind);

/* tsr_reaper_trim - the same in one step; and what a daemon that was cut short had taken out of the
 * ring and not yet freed. */
void tsr_reaper_trim(struct tsr_map const *map, struct tsr_channel const *channel);

#endif /* TSR_CORE_REAPER_DRAIN_H */
