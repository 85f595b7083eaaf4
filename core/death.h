/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_DEATH_H
#define TSR_CORE_DEATH_H

/*
 * Deaths: the poller of the poll core that reaps whose process descriptor has become readable.
 *
 * Ordering of the work: slots, the directory's counts, the wake-ups, channel by channel; only then
 * the sweep of tickets, and the log. Survivors wait for nothing that they don't need.
 */

struct tsr_daemon;

/* tsr_death_poll - a poller; @argument is the daemon. Return: how many were reaped. */
unsigned tsr_death_poll(void *argument);

#endif /* TSR_CORE_DEATH_H */
