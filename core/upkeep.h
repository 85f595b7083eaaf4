/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_UPKEEP_H
#define TSR_CORE_UPKEEP_H

/*
 * What is left to be done in a realm when something in it was given up: to free what is in a
 * channel that was removed, to remove channels for replies without ends, to free what unlimited
 * channels without ends had grown by, to settle the tickets of regions. In steps of so much work:
 * the realm's lock is not held between them, and everything else may happen there meanwhile.
 *
 *	a channel: there --removed--> retired: it has no name, no end, the directory does not show
 *	it --its last ticket is free--> gone: index, memory and quota are free again
 *
 * A channel is looked after by one upkeep at a time. What a dead daemon had retired its successor
 * finds in the estate, and goes on.
 *
 * Context of every call: under the realm's lock.
 */

#include "core/channels.h"
#include "core/reaper_drain.h"

/* Zero but for what is to be done. Must stay where it is until it is done, or its realm is not. */
struct tsr_upkeep {
	bool channels; /* look through all of them */
	bool regions;
	uint32_t next;                     /* index of the channel that is looked at next */
	struct tsr_channel_record *record; /* the one that it looks after; NULL */
	uint64_t streams;                  /* its ends have been opened so often */
	struct tsr_drain drain;
	struct tsr_trim trim;
	struct tsr_settle settle;
};

/* tsr_upkeep_wanted - has the channel, which has just lost an end, any need for it? */
bool tsr_upkeep_wanted(struct tsr_channel_record const *record);

/* tsr_upkeep_remove - the channel, which has no ends, is retired, and @upkeep goes on from there */
void tsr_upkeep_remove(struct tsr_realm *realm, struct tsr_channel_record *record,
                       struct tsr_upkeep *upkeep);

/*
 * tsr_upkeep_some - a step
 * @work:	how many words may be looked at; less by those that were
 *
 * Return: 0 it is done; 1 call again; -EFAULT the realm was condemned.
 */
TSR_MUST_CHECK
int tsr_upkeep_some(struct tsr_realm *realm, struct tsr_upkeep *upkeep, uint32_t *work);

/* tsr_upkeep_drop - it is not gone on with: what it was at is for whoever comes next. */
void tsr_upkeep_drop(struct tsr_realm const *realm, struct tsr_upkeep *upkeep);

#endif /* TSR_CORE_UPKEEP_H */
