/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_OP_H
#define TSR_TESTS_CRASH_OP_H

/*
 * The operations that are killed: the table op_table, one entry each.
 *
 * To add one: write run(), which does it once for run->id and notes what came of it (result, done,
 * received); write prepare(), if it needs something to begin with (it is not stepped); give it the
 * ends that it needs on channel 0 and its start states. That is all: kills, freezing, contention
 * and the reaper's own death come of themselves. A new structure in shared memory is also added to
 * the world (world.c), and to what must hold in the end (judge.c) if the ledger does not cover it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/meet.h"
#include "tests/crash/request.h"
#include "tests/crash/world.h"

#define RUN_MESSAGES 8
#define RUN_HOARD    128

#define OP_SENDER   (1u << TSR_SIDE_SENDER)
#define OP_RECEIVER (1u << TSR_SIDE_RECEIVER)
#define OP_FULL     UINT32_MAX

/* What makes a start state more than a number of messages. */
enum start_flag {
	START_PEER_SLEEPS = 1, /* whoever waits for what this operation does */
	START_WOKEN = 2,       /* it is about to sleep, and a peer does what it waits for */
	START_REDO = 4,        /* a message before its place is ready again */
	START_WATCHED = 16,    /* somebody waits by descriptor for both sides: event tokens */
	START_AGAIN = 32,      /* a message that a dead receiver held comes again */
	START_RING = 64,       /* not for broadcasts */
	START_ALONE = 8,       /* leaves nothing for a peer to be in the middle of */
};

struct run;

struct start {
	char const *name; /* NULL: no more */
	uint32_t fill;    /* messages in channel 0, OP_FULL: all slots */
	int want;         /* what it comes to if nobody interferes */
	unsigned flags;
	void (*prepare)(struct run *run);
};

/* Which kinds of channels an operation is for. */
enum op_kinds {
	OP_RINGS_ONLY,
	OP_BROADCAST_TOO,
	OP_BROADCAST_ONLY,
};

struct op {
	char const *name;
	unsigned ends; /* OP_SENDER, OP_RECEIVER: what the client has open on channel 0 */
	unsigned uses; /* and which ends it opens */
	void (*prepare)(struct run *run);
	void (*run)(struct run *run);
	struct start start[8];
	bool depot; /* it is about tickets: peers at the depot are in its way, not at the channel */
	uint32_t kind; /* of channel 0; 0: any but a rendezvous */
	bool any_kind;
	bool one_shape; /* it does not matter what channel 0 is */
	enum op_kinds broadcast;
	bool overtakes; /* and of a broadcast that does not wait for slow readers */
};

/* One execution, by the victim or by a peer. */
struct run {
	struct op const *op;
	struct start const *start;
	enum world_client id;
	struct tsr_msg msg[RUN_MESSAGES];
	uint64_t sends[RUN_MESSAGES]; /* serials of what it may send, in order */
	unsigned sends_count;
	unsigned receives_max;
	uint64_t received[RUN_MESSAGES];
	unsigned received_count;
	size_t done; /* sent */
	int result;
	bool finished; /* written last */
};

/* Who is on, and what was in channel 0 at the beginning: all of it is put back with the world. */
struct scene {
	struct run victim;
	struct run peer;
	bool peer_is_on;
	uint64_t before[2 * WORLD_CAPACITY_MAX];
	unsigned before_count;
	/* What peers keep so that the victim does not get it, until the judgement. */
	uint64_t hoard[RUN_HOARD];
	unsigned hoard_count;
	uint32_t cells_held; /* of class 0 */
	struct meet meet;
	struct request request;
};

extern struct scene scene;

extern struct op const op_table[];
extern unsigned const op_count;

struct op const *op_find(char const *name);

/* What the operation comes to, if nobody interferes, in a channel of this shape. */
int op_want(struct op const *op, struct start const *start);

/* At most so many messages can have been dropped: a channel that is not full drops none. */
unsigned op_drops_max(unsigned sent_besides);

/* Everybody's ends, the messages, what the operation needs. */
void op_set(struct op const *op, struct start const *start);

/* A peer that is in an operation of its own; false: it can't be in this scene. */
bool op_set_peer(struct op const *op, struct start const *start);

/* For an actor: a whole run. */
void op_body(void *run);

/* Give back what peers keep. */
void op_unhoard(void);

/* A sleeper on channel 0, as it is when it has looked for the last time; and its end. */
void op_sleep(struct tsr_end *end);
bool op_wake_up(struct tsr_end *end);

/* START_WOKEN: is it time for the peer to do what is waited for? Then it does it. */
bool op_interfere(void);

#endif /* TSR_TESTS_CRASH_OP_H */
