/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CONSERVE_WORLD_H
#define TSR_TESTS_CONSERVE_WORLD_H

/*
 * Conservation: senders and receivers are processes that are killed at any moment, on channels of
 * every kind, and afterwards each message must be accounted for.
 *
 * What happened to a message is noted in memory that all processes share and that outlives each
 * of them: one word per message, with one bit or count for each thing that can happen. A note is
 * made before what might be cut off by a death (TRIED), or after it (SENT, received), and account.c
 * knows what a missing note means.
 *
 * A new kind, or a new property of channels, is a line in table.c.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/tessera.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

#define CONSERVE_SENDERS   4 /* at a time */
#define CONSERVE_RECEIVERS 4
#define CONSERVE_CHANNELS  24   /* of table.c at most */
#define CONSERVE_LIVES     64   /* of senders, in one round */
#define CONSERVE_MESSAGES  8192 /* of one life on one channel */
#define CONSERVE_BATCH     4
#define CONSERVE_BYTES     1500 /* of one message, at most */
#define CONSERVE_HANDED    64 /* messages of a channel that a cancelled scope hands back, at most */
#define CONSERVE_HELD      3  /* messages that a receiver keeps for a while */

/* What the messages of a channel may do, besides being received once. */
#define CONSERVE_DROPS     1U /* vanish: the sender drops one when the channel is full */
#define CONSERVE_REQUEUES  2U /* come again, flagged, if who held it died */
#define CONSERVE_EVERYBODY 4U /* each receiver gets it */
#define CONSERVE_LAPS      8U /* receivers may miss some, and what they read be written over */

struct conserve_channel {
	const char *name;
	struct tsr_channel_options options;
	unsigned rules;
};

/* Ends with a NULL name. */
extern struct conserve_channel const conserve_table[];

/* One end of the kind that only one may have: whose it is. Anybody's, if there may be many. */
bool conserve_is_mine(unsigned channel, uint32_t only, unsigned slot, unsigned slots);

/* What a note of a message says. */
#define CONSERVE_TRIED       0x00000001U /* its sender was about to send it */
#define CONSERVE_SENT        0x00000002U /* and was told that it is sent */
#define CONSERVE_KEPT        0x00000004U /* or that it is not, and released it */
#define CONSERVE_RECEIVED    0x00000100U /* one more receive, of 255 */
#define CONSERVE_AGAIN       0x00010000U /* one more receive that was flagged */
#define CONSERVE_UNDELIVERED 0x01000000U /* one more report that it was not delivered */

struct conserve_world {
	_Atomic uint64_t stop;
	uint64_t seed; /* of the round, for what is said */
	/* Who is to die in the middle of what it does next; senders first, then receivers. */
	_Atomic uint64_t doom[CONSERVE_SENDERS + CONSERVE_RECEIVERS];
	/* By each receiver: messages that it may have received and not noted yet. */
	_Atomic uint64_t unnoted[CONSERVE_RECEIVERS];
	_Atomic uint32_t note[CONSERVE_CHANNELS][CONSERVE_LIVES][CONSERVE_MESSAGES];
};

extern struct conserve_world *conserve_world;
extern struct daemon conserve_daemon;

/* What is in a message. */
struct conserve_text {
	uint64_t magic;
	uint32_t channel;
	uint32_t slot;        /* of the sender */
	uint32_t incarnation; /* of that slot */
	uint32_t life;        /* of all senders in the round */
	uint32_t sequence;    /* of that life on that channel */
	uint32_t length;
	uint64_t check; /* of all above; and the last 8 bytes of the message */
};

#define CONSERVE_MAGIC UINT64_C(0x7e55e7a000c0de)

uint64_t conserve_check(struct conserve_text const *text);

/* A process: who it is. */
struct conserve_actor {
	unsigned which; /* of all */
	unsigned slot;  /* of the senders, of the receivers */
	uint32_t incarnation;
	uint32_t life; /* senders */
	uint64_t seed;
};

/* child_body: a sender, a receiver; until the world stops, or it is killed. */
int conserve_send(struct child_report *report, void *arg);
int conserve_receive(struct child_report *report, void *arg);

/* If it is to die: have the kernel kill it within microseconds, in whatever it does then. */
void conserve_doom(struct conserve_actor const *actor, struct child_report *report, uint64_t *seed);

/* A scope that another thread cancels while its one end is used. */
struct conserve_scope {
	struct tsr_client client;
	struct tsr_scope scope;
	unsigned channel;
	uint64_t after_ns; /* until it is cancelled */
	pthread_t thread;
	char const *wrong; /* with a message that was handed back */
};

/*
 * conserve_scope_open - put the end into a scope that is cancelled after a while
 * conserve_scope_close - wait until it is; its undelivered messages are noted, and released
 */
void conserve_scope_open(struct conserve_scope *scope, struct child_report *report,
                         struct tsr_sender const *sender, struct tsr_receiver const *receiver);
void conserve_scope_close(struct conserve_scope *scope, struct child_report *report);

/* Note what happened to a message, as CONSERVE_*. Return: NULL; or what is wrong with it. */
char const *conserve_note(unsigned channel, struct tsr_msg const *msg, uint32_t what);
/* CONSERVE_RECEIVED, or, if it is flagged, CONSERVE_AGAIN. */
uint32_t conserve_received(struct tsr_msg const *msg);

/* What must hold when nobody is there any more. */
struct conserve_toll {
	unsigned senders_killed;
	unsigned receivers_killed;
	unsigned sleepers_killed; /* of the receivers: from outside, mostly asleep */
	uint64_t unnoted; /* messages that those who were doomed may have received unnoted */
};

/* How many may have been received unnoted: of those who died asleep few had just received one. */
#define CONSERVE_UNNOTED(toll) ((toll)->unnoted + 2 + (toll)->sleepers_killed / 5)

struct conserve_sum {
	uint64_t sent;
	uint64_t received;
	uint64_t again;
	uint64_t dropped;
	uint64_t kept;
	uint64_t undelivered; /* handed back by a cancelled scope */
	uint64_t in_doubt;    /* their sender died in the call */
	uint64_t unnoted;
};

/*
 * conserve_account - look through the notes of @lives lives
 * @lost:	what the senders of each channel counted as lost
 * @carried:	of each channel, increased by what was received
 *
 * Return: NULL; or the first thing that can't be, in a static buffer.
 */
char const *conserve_account(uint32_t lives, struct conserve_toll const *toll,
                             uint64_t const lost[CONSERVE_CHANNELS],
                             uint64_t carried[CONSERVE_CHANNELS], struct conserve_sum *sum);

#endif /* TSR_TESTS_CONSERVE_WORLD_H */
