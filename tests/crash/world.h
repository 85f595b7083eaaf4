/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_WORLD_H
#define TSR_TESTS_CRASH_WORLD_H

/*
 * A small realm in one process, with all that moves in it: shared memory, what each client keeps
 * to itself, and the daemon's private tables. All of it can be put away and put back in a few
 * microseconds.
 *
 * The clients are the shipped client library; it has one table of attachments, so several may live
 * in a process. What would ask the daemon is answered on the spot by the shipped functions of
 * core/member.c and core/channels.c (the linker puts tsr_control_ask aside). Time is the world's
 * own, and nobody really sleeps: a wait for a word that has not changed lasts until its deadline,
 * and a wake is noted.
 *
 * Channel 0 has the shape under test, channel 1 is many to many and of two slots.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/member.h"
#include "shm/client.h"
#include "shm/map.h"

/* Client ids. */
enum world_client {
	WORLD_VICTIM = 1,
	WORLD_PEER_SENDER,
	WORLD_PEER_RECEIVER,
	WORLD_FRESH_SENDER, /* come after the death */
	WORLD_FRESH_RECEIVER,
	WORLD_CLIENTS,
};

#define WORLD_CHANNELS     2
#define WORLD_ENDS         4 /* of a client */
#define WORLD_CAPACITY_MAX 8
#define WORLD_CLASSES      2
#define WORLD_TOKENS       (WORLD_CHANNELS * 2 * TSR_TOKENS_PER_SIDE)
#define WORLD_DOORBELL     1000000 /* of the realm: no descriptor */
#define WORLD_MESSAGE      40      /* bytes */
#define WORLD_REGION       2       /* tickets of the one region, in which a message lies at 0 */

/* What channel 0 is. */
struct world_shape {
	char const *name;
	uint32_t flags;
	uint32_t kind; /* TSR_KIND_* */
	uint32_t capacity;
};

/* Where laps and generations begin, and how many messages have gone through before. */
struct world_era {
	char const *name;
	uint64_t first_lap;
	uint64_t first_generation;
	bool to_the_last_slot; /* of the lap: the next message but one is in the next */
	uint64_t now_ns;       /* 0: who waits does not spin first */
};

/* Everything that is put away and put back, besides the client library's own tables. */
struct world {
	struct world_shape const *shape;
	struct tsr_realm realm; /* the daemon's */
	struct tsr_channel_record record[WORLD_CHANNELS];
	struct tsr_member member[WORLD_CLIENTS];
	struct tsr_member_end end[WORLD_CLIENTS][WORLD_ENDS];
	bool living[WORLD_CLIENTS];
	struct tsr_client client[WORLD_CLIENTS];
	struct tsr_sender sender[WORLD_CLIENTS][WORLD_CHANNELS];
	struct tsr_receiver receiver[WORLD_CLIENTS][WORLD_CHANNELS];
	/* Whoever uses it takes its tickets, one at a time. */
	struct tsr_region region[WORLD_CLIENTS];
	struct tsr_thread thread; /* one that ends */
	struct tsr_scope scope;   /* of the victim, if it has one */
	bool daemon_works;        /* is answering: nobody dies in it */
	uint64_t now_ns;
	uint64_t woken[WORLD_TOKENS]; /* the word of each token when it was last woken */
	uint64_t serial;              /* of the last message made */
};

extern struct world world;

/* The world at some moment. */
struct world_image {
	unsigned char *bytes;
};

/* world_open - once: memory, clients, tables. Return: false: no memory. */
bool world_open(void);

/* world_make - a new realm in which nobody has an end or a ticket. */
void world_make(struct world_shape const *shape, struct world_era const *era);

/* Further memory that is put away and put back; before the first image is made. */
void world_keep(void *base, size_t bytes);

void world_image_make(struct world_image *image);
void world_save(struct world_image *image);
void world_restore(struct world_image const *image);
/* The same for all but shared memory: a daemon that begins again knows what it knew. */
void world_restore_private(struct world_image const *image);

/* What clients write: all but directory, blocks and payload. And all of shared memory. */
void const *world_watched(size_t *bytes);
void *world_shared(size_t *bytes);

/* An end on a channel; it must succeed. world_try_open: return as tsr_sender_open(). */
void world_open_sender(enum world_client id, unsigned channel);
void world_open_receiver(enum world_client id, unsigned channel);
int world_try_open(enum world_client id, unsigned channel, enum tsr_side side);
bool world_has_end(enum world_client id, unsigned channel, enum tsr_side side);

/* What an end keeps about itself. */
struct tsr_end *world_end(enum world_client id, unsigned channel, enum tsr_side side);

/* Make a message with the next serial number; false: no block is free. */
bool world_message(enum world_client id, struct tsr_msg *msg);
/* The same in the region; false: all of its tickets are out. */
bool world_region_message(enum world_client id, struct tsr_msg *msg);
/* The serial number of what lies in a block; 0: it is no message of ours. */
uint64_t world_serial(struct tsr_msg const *msg);
uint64_t world_serial_at(uint64_t name, uint64_t range);

/* Is the token asleep or claimed, and if it is claimed, was its sleeper woken? */
uint64_t world_token(unsigned channel, enum tsr_side side, uint32_t number);
bool world_token_woken(unsigned channel, enum tsr_side side, uint32_t number);

/* Channels that nobody has open any more give back what they had grown by. */
void world_trim(void);

/* The daemon hears that the client is dead. Return: as tsr_member_repair(). */
int world_reap(enum world_client id, struct tsr_reap_result *result);

/* The end of a thread of the victim's which holds what was in its magazines. */
void world_thread_make(void);
void world_thread_end(void);

/* Whether it belongs to the world's own heap, which is put back and never given back. */
bool world_owns(void const *memory);

/* What lies at an offset of the watched memory, in words. */
void world_name(size_t offset, char *out, size_t out_bytes);

/* Something that cannot be has happened to the test itself. */
void world_give_up(char const *why) __attribute__((noreturn));

#endif /* TSR_TESTS_CRASH_WORLD_H */
