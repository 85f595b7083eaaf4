/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_MODEL_MODEL_H
#define TSR_TESTS_MODEL_MODEL_H

/*
 * The explorer: runs the shipped sources of shm/ and of the daemon's reaper, as several processes
 * over one small realm, in every interleaving of their accesses to shared memory, with a death
 * before any of them, and looks at every state once.
 *
 * memory.c	the shared words: undo, hash, store buffers, who uses which word
 * process.c	the processes: coroutines whose private memory can be put back
 * kernel.c	what they ask the system for: futex, membarrier, the control socket
 * daemon.c	the daemon: deaths and requests, by core/member.c and core/channels.c as shipped
 * ghost.c	what must hold: each message once, in order, ends of streams, the ledger
 * explore.c	the search: depth first, a table of the states seen
 * trace.c	one path as a table, a column per process; the schedule that repeats it
 * scenario.c	who does what: a new structure is put under the explorer there
 *
 * Steps	a step of a process is one access to a word that others use, too, and all that
 *		follows in private until before the next one. Accesses to a word that never changes,
 *		or that one process alone uses, belong to the step before: which words these are is
 *		found out by running, and the search starts again when a word turns out otherwise.
 * Threads	a process may have several, with one id and one memory. What they share in private
 *		they use under a lock, so taking a lock is a step, too, and nothing else of it.
 * Deaths	before any store, update or wake-up of a client, or in its sleep: a death between
 *		two loads leaves the same memory. The daemon likewise, while it repairs: then it
 *		starts again with the private tables that it had before.
 * TSO		with store buffers a store goes into the buffer of its process; it drains in order
 *		at any time, before a locked instruction or a system call, and everybody's does
 *		before a membarrier ends. Loads see their own buffer first. A death drains.
 * PSO		the same, but a store waits for older ones only if they are of the same word, or it
 *		is a release store, or a release fence lies between. Loads stay in order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/member.h"
#include "shm/channel.h"
#include "shm/client.h"
#include "shm/format.h"
#include "shm/map.h"
#include "shm/tessera.h"

#define MODEL_PROCESSES 6 /* 0 is the daemon */
#define MODEL_MESSAGES  12
#define MODEL_TICKETS   12
#ifndef MODEL_BUFFER
#define MODEL_BUFFER 8 /* stores on their way */
#endif
#define MODEL_CHANNELS 2
#define MODEL_SLOTS    8
#define MODEL_LOCKS    4 /* that the threads of a process share */
#define MODEL_REQUESTS 2 /* of one asker */

/* What a process does next. */
enum model_pending {
	MODEL_START,
	MODEL_LOAD,
	MODEL_STORE,
	MODEL_BUFFERED, /* a store that goes into the buffer */
	MODEL_UPDATE,   /* locked: the buffer is empty before */
	MODEL_FENCE,
	MODEL_MEMBARRIER,
	MODEL_WAIT,  /* futex */
	MODEL_SLEEP, /* in it, and out of it */
	MODEL_WAKE,
	MODEL_LOCK,
	MODEL_CALL,  /* asks the daemon */
	MODEL_REPLY, /* waits for its answer */
	MODEL_EVENT, /* the daemon waits for an event */
};

enum model_status {
	MODEL_ABSENT,
	MODEL_RUNS,
	MODEL_ASLEEP,
	MODEL_ASKS,
	MODEL_DONE,
	MODEL_DEAD,
	MODEL_REAPED,
};

/* A transition, in one byte of a schedule: kind and process. */
enum model_move {
	MODEL_MOVE_STEP,
	MODEL_MOVE_DRAIN,
	MODEL_MOVE_KILL,
	MODEL_MOVE_TIMEOUT,
	MODEL_MOVE_REAP,   /* the daemon turns to the death of the process */
	MODEL_MOVE_ANSWER, /* the daemon turns to the request of the process */
	MODEL_MOVE_PASS,   /* the second store of a buffer drains; + 1: the third, ... */
};

#define MODEL_MOVE(kind, process) ((uint8_t)((unsigned)(kind) << 4 | (process)))

struct model_process;

/* What one process does, from its first to its last call. */
struct model_actor {
	void (*body)(struct model_process *self);
	bool sends;       /* one end is opened for it before it begins: a sender ... */
	bool receives;    /* ... or a receiver */
	bool fenced;      /* no membarrier reaches it */
	bool second;      /* its end is on the second channel */
	bool both;        /* a receiver: one on each channel */
	bool scoped;      /* its ends are in a scope */
	uint8_t thread;   /* of the process of that number; 0: a process of its own */
	bool asks;        /* sends requests, and receives their replies on the second channel */
	bool serves;      /* receives requests, and replies on the second channel */
	uint8_t messages; /* to send, or to receive at most (0: until the end of the stream) */
	uint8_t timeouts; /* so many of its sleeps may end by the deadline */
	uint8_t tickets;  /* idle ones in its magazine, to begin with */
	uint8_t limit;    /* of its magazine; 0: no need for the depot */
	bool late;        /* its body opens the end */
	uint8_t from;     /* where a late one begins: TSR_FROM_* */
	bool retains;     /* what it receives, one message longer */
	bool stays;       /* and does not close it */
	bool lasts;       /* may be asleep when all the others have come to their end */
	uint8_t after;    /* begins when the process of that number was reaped, with its id */
};

struct model_scenario {
	const char *name;
	const char *what;
	uint32_t flags; /* of the channel */
	uint32_t kind;  /* TSR_KIND_*; 0: buffered */
	uint32_t capacity;
	uint64_t first_lap, first_generation;
	uint32_t tickets, cells, batch;
	uint32_t kills, reaper_kills;
	bool two; /* channels, of the same shape, but for: */
	uint32_t second_flags;
	bool tso;
	bool pso;         /* besides: stores of several words arrive in any order that is allowed */
	bool quick;       /* part of --quick */
	uint64_t states;  /* bound; 0: to the end */
	uint64_t nightly; /* the same with TESSERA_NIGHTLY */
	struct model_actor actor[MODEL_PROCESSES - 1];
};

extern const struct model_scenario model_scenarios[];

/* What a process has for itself and a step may change; put back as a whole. */
struct model_private {
	void *sp;
	uint64_t value;    /* of the pending store */
	const void *site;  /* where in the code */
	uint32_t word;     /* that it is about to touch */
	uint8_t pending;   /* enum model_pending */
	uint8_t answer;    /* of the scheduler: which event, or that time is up */
	uint8_t timeouts;  /* that may still happen */
	uint8_t timed;     /* its sleep has a deadline */
	uint32_t buffered; /* stores on their way, the oldest first */
	uint32_t buffer_word[MODEL_BUFFER];
	uint64_t buffer_value[MODEL_BUFFER];
	uint8_t buffer_epoch[MODEL_BUFFER]; /* release fences before it, while the buffer lasts */
	uint8_t buffer_last[MODEL_BUFFER];  /* not before all others: a release store */
	uint8_t epoch;
};

struct model_range {
	void *at;
	uint32_t bytes;
};

struct model_process {
	struct model_private now;
	uint64_t hash; /* of all that is private */
	unsigned number;
	const struct model_actor *actor;
	unsigned char *stack; /* its top is at + MODEL_STACK */
	struct tsr_process *table;
	struct tsr_attachment *attachment;
	struct tsr_magazine *magazines;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_receiver also; /* on the second channel, of one that is at both */
	struct tsr_asker asker;
	struct tsr_scope scope;
	struct model_process *leader; /* of its threads: itself, if it is none */
	struct tsr_member *member;
	struct model_range range[12];
	unsigned ranges;
};

#define MODEL_STACK 16384

/* Words that belong to the model itself: undone and hashed like shared ones. */
struct model_ghost {
	uint64_t status[MODEL_PROCESSES];    /* enum model_status */
	uint64_t asleep_on[MODEL_PROCESSES]; /* the words: the first, the last << 32 */
	uint64_t open[MODEL_PROCESSES];      /* its end, until its close begins */
	uint64_t request[MODEL_PROCESSES];   /* type | argument << 16 */
	uint64_t reply[MODEL_PROCESSES];
	uint64_t reply_stream[MODEL_PROCESSES];
	uint64_t reaping;             /* the process that the daemon is at, 0 none */
	uint64_t kills, reaper_kills; /* that may still happen */
	uint64_t last;                /* who moved last, if interruptions are counted */
	uint64_t sender_died[MODEL_CHANNELS], receiver_died[MODEL_CHANNELS];
	uint64_t message[MODEL_MESSAGES]; /* enum model_message | process << 8 */
	uint64_t name[MODEL_MESSAGES];    /* under which it was sent */
	uint64_t in_slot[MODEL_SLOTS];    /* broadcast: 1 + the message that is ready there */
	uint64_t got[MODEL_PROCESSES];    /* conflated: 1 + position of what it received last */
	uint64_t locked[MODEL_LOCKS];     /* by which thread; 0: free */
	uint64_t owner[MODEL_TICKETS];    /* as the calls say: 0 nobody, a process, or in flight */
};

extern struct model {
	const struct model_scenario *scenario;
	struct model_process process[MODEL_PROCESSES];
	unsigned processes;            /* the daemon included */
	struct model_process *current; /* NULL: nobody runs, accesses are direct */
	struct tsr_map map;
	struct tsr_realm realm;
	struct tsr_channel_record record;
	struct tsr_channel_record second; /* if the scenario has two */
	struct model_ghost *ghost;
	bool tracing;
	bool tso;
	bool bounded;      /* in how often somebody is interrupted: */
	unsigned switches; /* so often it may still happen */
	bool held;         /* a move was left out for that */
	const char *violation;
	char text[256];
} model;

/* main.c */
unsigned model_channels(void);
struct tsr_channel_record *model_channel(unsigned number);

/* memory.c */
void model_memory_make(void);
void model_memory_place(struct tsr_map *map, uint64_t const *bytes);
void model_memory_settle(void);
void model_set(uint64_t *ghost_word, uint64_t v);
uint64_t model_memory_hash(void);
uint32_t model_memory_mark(void);
void model_memory_undo(uint32_t mark);
void model_memory_drain(struct model_process *p, unsigned i); /* the i-th store of its buffer */
bool model_memory_may_drain(struct model_process const *p, unsigned i);
uint64_t model_memory_look(uint32_t word);
uint32_t model_memory_word(void const *p);
bool model_memory_learnt(void); /* since the last call: a word is not what it was taken for */
bool model_memory_local(uint32_t word);
void model_memory_classes(void);
const char *model_memory_force(const char *schedule);

/* process.c */
void model_process_make(struct model_process *p, void (*body)(struct model_process *));
void model_process_keep(struct model_process *p, void *at, uint32_t bytes);
void model_process_run(struct model_process *p);
void model_process_forget(struct model_process *p);
void model_process_rehash(struct model_process *p);
size_t model_process_save(struct model_process const *p, unsigned char *to);
void model_process_load(struct model_process *p, unsigned char const *from);
void model_yield(enum model_pending pending, uint32_t word, uint64_t value, const void *site);

/* daemon.c */
void model_daemon_make(void);
void model_daemon_body(struct model_process *self);
void model_daemon_restart(void);
int model_daemon_open(unsigned number, unsigned channel, uint32_t side, uint64_t *reply,
                      uint64_t *stream);

/* ghost.c */
void model_violate(const char *format, ...) __attribute__((format(printf, 1, 2)));
void model_ghost_wrote(unsigned number, uint32_t word, uint64_t old, uint64_t v);
void model_ghost_allocated(struct model_process *self, struct tsr_msg const *msg);
unsigned model_ghost_sends(struct model_process *self, struct tsr_msg const *msg, unsigned k);
void model_ghost_kept(struct model_process *self, unsigned m, struct tsr_msg const *msg);
void model_ghost_sent(struct model_process *self, unsigned m, int error);
void model_ghost_left(struct model_process *self, unsigned m);
void model_ghost_handed(struct model_process *self, struct tsr_msg const *msg);
unsigned model_ghost_received(struct model_process *self, struct tsr_msg const *msg);
void model_ghost_in_order(struct model_process *self, unsigned m, unsigned next[MODEL_PROCESSES]);
void model_ghost_retains(struct model_process *self, unsigned m);
void model_ghost_holds(struct model_process *self, unsigned m);
void model_ghost_releases(struct model_process *self, struct tsr_msg const *msg);
void model_ghost_ended(struct model_process *self, unsigned channel, bool sends, int error);
void model_ghost_answered(struct model_process *self, unsigned m, struct tsr_msg const *reply,
                          int error);
void model_ghost_died(struct model_process *p);
void model_ghost_terminal(void);

/* scenario.c */
void model_undelivered(void *argument, struct tsr_msg *msg);

/* explore.c */
struct model_result {
	uint64_t states, transitions, kills, terminals;
	uint32_t depth;
	uint32_t switches; /* if not complete: all paths with fewer interruptions were gone */
	double seconds;
	bool complete; /* all paths */
};
unsigned model_moves(uint8_t *moves);
void model_move(uint8_t move);
bool model_explore(uint64_t bound, struct model_result *result, const uint8_t **schedule,
                   uint32_t *length);

/* trace.c */
void model_trace_access(const char *what, uint32_t word, uint64_t value, const void *site);
void model_trace_note(unsigned number, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void model_trace_schedule(const uint8_t *schedule, uint32_t length);
int model_trace_replay(const char *schedule);

/* main.c */
int model_setup(const struct model_scenario *scenario);

#endif /* TSR_TESTS_MODEL_MODEL_H */
