/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_JUDGE_H
#define TSR_TESTS_CRASH_JUDGE_H

/*
 * What must hold when the victim is dead, and when it is only frozen.
 *
 * Dead: the daemon repairs; no ticket, slot, cell or token is unaccounted for; nobody sleeps on
 * what is there, and who was claimed is woken; a peer that was in the middle of something ends it;
 * then exactly those messages come out that were ready or taken at the moment of death, once each,
 * in order, flagged if the dead one had taken them; a new client can send and receive through
 * every slot of every channel; and everything adds up once more.
 *
 * Frozen: peers send, receive, allocate and release as if nothing were, except where the design
 * says that a stopped client holds them up; then the victim goes on, and every message is
 * accounted for.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/actor.h"
#include "tests/crash/op.h"
#include "tests/crash/world.h"

/* Where a frozen victim holds somebody up, by what the design says may be held up. */
enum judge_hold {
	HOLD_NONE,
	HOLD_CLAIMED, /* receivers behind its slot: between claim and publish */
	HOLD_LAP,     /* senders a lap on: between claim or take and free */
	HOLD_WAKE,    /* one sleeper: between publish and wake */
	HOLDS,
};

/* The peer that is frozen in an operation of its own, or NULL; its copy puts it back. */
struct judge_peer {
	struct actor *actor;
	struct actor_copy const *copy;
};

/* What went wrong first, since judge_clear(); "" nothing. */
char const *judge_fault(void);
void judge_clear(void);

/*
 * judge_death - the victim is dead from here on
 * @fresh_drains:	a new client takes what is left, else a peer that was there, if there is one
 *
 * Context: changes the world; the caller puts it back. Return: false: see judge_fault().
 */
bool judge_death(struct judge_peer const *peer, bool fresh_drains);

/* The two halves of it: what must come out is read off before anything is repaired. */
void judge_expect(void);
bool judge_repair(void);
bool judge_after(struct judge_peer const *peer, bool fresh_drains);

/*
 * judge_frozen - the victim is frozen: let the others act
 * judge_thawed - it has gone on to its end
 * @held:	counts by enum judge_hold
 */
bool judge_frozen(struct judge_peer const *peer, unsigned long *held);
bool judge_thawed(void);

/* The victim has come to its end by itself; the peer goes on now. */
bool judge_end(struct judge_peer const *peer);

/* What both kinds of judgement use. Each returns false when something is wrong, and has said it. */

#define JUDGE_TAKEN_MAX 64

/* Serials, each at most once. */
struct judge_set {
	uint64_t serial[JUDGE_TAKEN_MAX];
	bool again[JUDGE_TAKEN_MAX];
	unsigned count;
};

bool judge_say(char const *format, ...) __attribute__((format(printf, 1, 2)));
bool judge_add(struct judge_set *set, uint64_t serial, bool again, char const *where);
bool judge_ledger(char const *when);
bool judge_no_missed_wakes(void);
/* The peer goes on to the end of what it was at. */
bool judge_thaw(struct judge_peer const *peer);
/* Take out all that a client can get. */
bool judge_drain(enum world_client id, struct judge_set *got);
/* A new end; where there may be one only, that of a peer who has it. */
bool judge_opened(unsigned channel, enum tsr_side side, enum world_client *id);
/* Fill every slot of a channel and empty it again, with clients that have just come. */
bool judge_round(unsigned channel, enum world_client from, enum world_client to);
/* What the victim said that it did, it did. */
bool judge_run_told(struct run const *run);
/* Who sleeps, and should not? @all: the daemon has just woken everybody. */
bool judge_sleepers(bool all, char const *when);
/* A message that was sent, or may have been. */
bool judge_known(uint64_t serial);

/* The same of a broadcast: judge_broadcast.c. @then: the slots at the moment of death. */
struct ring;
bool judge_broadcast_after(struct judge_peer const *peer, struct ring const *then);
bool judge_broadcast_frozen(struct judge_peer const *peer, unsigned long *held);
bool judge_broadcast_thawed(void);
bool judge_broadcast_end(struct judge_peer const *peer);

/* Whoever slept is awake now. */
void judge_wake_peers(void);

#endif /* TSR_TESTS_CRASH_JUDGE_H */
