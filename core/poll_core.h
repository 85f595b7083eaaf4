/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_POLL_CORE_H
#define TSR_CORE_POLL_CORE_H

/*
 * The poll core: runs pollers in four tiers, spins while there is work, and sleeps when there is
 * none.
 *
 * A round runs every poller of tier 0, then those of tier 1, and so on; a tier that found work
 * sends the round back to tier 0, so that bulk work never delays what is urgent by more than one
 * poller.
 *
 *	work found --> spin (20 us) --> pause (100 us) --> epoll_wait, until a descriptor is ready
 *
 * Progress	asleep it is woken by nothing but its epoll descriptor: no timer, no tick. Pollers
 *		that depend on a descriptor put it in there; everybody else rings the doorbell.
 * Writers	the accounting words: the poll core alone; anyone may read them.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"

#define TSR_POLLERS_MAX 16 /* per tier */

enum tsr_poll_tier {
	TSR_TIER_URGENT = 0, /* deaths: somebody may be waiting for a dead peer */
	TSR_TIER_FAST = 1,   /* packets and messages */
	TSR_TIER_BULK = 2,   /* jobs */
	TSR_TIER_IDLE = 3,   /* housekeeping */
	TSR_TIERS = 4,
};

/* Return: how much was done; 0 nothing was there. Never blocks. */
typedef unsigned tsr_poll_fn(void *argument);

struct tsr_poller {
	tsr_poll_fn *poll;
	void *argument;
};

struct tsr_poll_tier_set {
	struct tsr_poller poller[TSR_POLLERS_MAX];
	uint32_t count;
};

/* Nanoseconds since the start. */
struct tsr_poll_times {
	uint64_t busy_ns;
	uint64_t polling_ns;
	uint64_t asleep_ns;
};

struct tsr_poll_core {
	struct tsr_poll_tier_set tier[TSR_TIERS];
	int epoll;
	int doorbell;
	_Atomic uint64_t isolated; /* 1: never sleep */
	uint64_t ticks_per_second;
	_Atomic uint64_t stopping;
	/* Accounting, in ticks; sequence is odd while it changes. */
	_Atomic uint64_t sequence;
	_Atomic uint64_t spent[3];
	_Atomic uint64_t state;  /* index into spent: what it is doing now */
	_Atomic uint64_t marked; /* since when */
	_Atomic uint64_t rounds; /* heartbeat */
};

/* tsr_poll_core_create - Return: 0; what epoll_create1(2) or eventfd(2) gave. */
TSR_MUST_CHECK
int tsr_poll_core_create(struct tsr_poll_core *core, uint64_t ticks_per_second, bool isolated);
void tsr_poll_core_destroy(struct tsr_poll_core *core);

/* tsr_poll_core_add - before it runs. Return: 0; -ENOBUFS. */
TSR_MUST_CHECK
int tsr_poll_core_add(struct tsr_poll_core *core, enum tsr_poll_tier tier, tsr_poll_fn *poll,
                      void *argument);

/*
 * tsr_poll_core_watch - wake up, and run a round, when @fd is readable
 * @key:	what tsr_poll_core_events() returns for it; not 0
 *
 * Context: any thread. Return: 0; what epoll_ctl(2) gave.
 */
TSR_MUST_CHECK
int tsr_poll_core_watch(struct tsr_poll_core *core, int fd, uint64_t key);
void tsr_poll_core_unwatch(struct tsr_poll_core *core, int fd);

/* tsr_poll_core_events - keys of what is readable, without waiting. Return: how many. */
unsigned tsr_poll_core_events(struct tsr_poll_core *core, uint64_t *keys, unsigned keys_max);

/* tsr_poll_core_run - until tsr_poll_core_stop(). Context: the thread that is the poll core. */
void tsr_poll_core_run(struct tsr_poll_core *core);

/* Context of the three: any thread. */
void tsr_poll_core_ring(struct tsr_poll_core *core);
void tsr_poll_core_stop(struct tsr_poll_core *core);
void tsr_poll_core_isolate(struct tsr_poll_core *core, bool isolated);

/* Context: any thread. */
void tsr_poll_core_times(struct tsr_poll_core *core, struct tsr_poll_times *times);
uint64_t tsr_poll_core_rounds(struct tsr_poll_core *core);

#endif /* TSR_CORE_POLL_CORE_H */
