/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_DEATH_H
#define TSR_CORE_DEATH_H

/*
 * Deaths: the poller of the poll core that reaps whose process descriptor has become readable.
 *
 * Ordering of the work: slots, the directory's counts, the wake-ups, channel by channel; only then
 * the sweep of tickets, and the log. Survivors wait for nothing that they don't need.
 * Progress	one round does one step of one death, of TSR_LEAVE_WORK words at most, and the
 *		realm's lock is free between them. Deaths whose waiters are not woken yet come
 *		first, then the others by turns.
 */

struct tsr_daemon;

/* tsr_death_poll - a poller; @argument is the daemon. Return: whether anything was done. */
unsigned tsr_death_poll(void *argument);

/* tsr_death_drop - the daemon ends, and its realms are dissolved: forget who is being reaped. */
void tsr_death_drop(struct tsr_daemon *daemon);

#endif /* TSR_CORE_DEATH_H */
