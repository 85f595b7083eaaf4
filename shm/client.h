/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_CLIENT_H
#define TSR_SHM_CLIENT_H

/*
 * What one process keeps about its attachments and open ends: private memory, nobody else sees it.
 *
 * Handles	index (16, low) | generation (48): a table entry that holds another generation, or
 *		none, is -ENOTCONN. The tables lie in memory that a forked child finds zeroed
 *		(MADV_WIPEONFORK), so every handle of the parent is -ENOTCONN in the child.
 * Threads	attach, detach, open and close take the process lock. An end is used by one thread
 *		at a time. Magazines belong to a thread; its last act is to give them to the
 *		attachment.
 */

#include <pthread.h>
#include <stdint.h>

#include "shm/channel.h"
#include "shm/control.h"
#include "shm/map.h"
#include "shm/trace.h"
#include "shm/waiter.h"

#define TSR_ATTACHMENTS_MAX 8
#define TSR_ENDS_MAX        4096
#define TSR_TAPS_MAX        256
#define TSR_SCOPES_MAX      256
#define TSR_ASKERS_MAX      64
#define TSR_REPLIES_MAX     1024 /* reply channels that this process keeps open */

#define TSR_MAGAZINE_ENTRIES (2 * TSR_CELL_ENTRIES - 1) /* and the count: 512 bytes */

/* A thread's private batch of one size class: tickets that name this client and are idle. */
struct tsr_magazine {
	uint32_t count;
	uint32_t limit; /* with so many it is full: about two batches of its class */
	uint64_t name[TSR_MAGAZINE_ENTRIES];
};

/* Tickets that threads left behind when they ended, by class; guarded by the process lock. */
struct tsr_orphans {
	uint64_t *name;
	uint32_t count;
	uint32_t room;
};

struct tsr_regions; /* shm/region.h */
struct tsr_kind;    /* shm/kind.h */

#define TSR_LINES_MAX 64 /* messages of up to 4 KiB find their class in a table */

/* This process, attached to one realm. */
struct tsr_attachment {
	alignas(2048) uint64_t handle; /* 0: free */
	struct tsr_map map;
	uint16_t me;                           /* client id */
	bool fenced;                           /* membarrier does not reach us */
	bool traced;                           /* a provider was there when we attached */
	bool observer;                         /* we may look and write nothing: me is 0 */
	uint32_t lines_fast;                   /* so many lines a message may have to be small */
	uint8_t class_of_lines[TSR_LINES_MAX]; /* of (bytes - 1) / 64, for small messages */
	struct tsr_state *state;               /* our lines */
	struct tsr_control control;
	struct tsr_orphans orphans[TSR_CLASSES_MAX];
	struct tsr_regions *regions; /* NULL: the realm has none */
	/* For coming back to another daemon: see reconnect.h. */
	_Atomic uint64_t const *pulse; /* NULL: we never do */
	_Atomic uint64_t pulse_seen;
	_Atomic uint64_t lost; /* 1: nobody took the realm over */
	uint64_t epoch;
	bool kept; /* as the directory last said, once that is unmapped */
	char realm[TSR_NAME_BYTES];
	char name[TSR_NAME_BYTES];
};

/* An event descriptor of an end or a tap. */
struct tsr_event_own {
	uint32_t number; /* at the daemon; 0: none yet */
	int fd;
};

/* What a receiver of a broadcast keeps: see broadcast.h. */
struct tsr_reader {
	uint64_t first;    /* the oldest position that it has not released: its cursor */
	uint64_t released; /* of the TSR_READER_WINDOW positions from there on, one bit each */
	uint64_t missed;   /* places that it never got to see */
	uint32_t cursor;   /* number; TSR_CURSORS_MAX: none, it is lossy */
	bool lossy;
};

#define TSR_WRITER_RETIRED 16

/* What a sender of a broadcast keeps. */
struct tsr_writer {
	uint64_t limit; /* the first position that a reader is in the way of, as far as known */
	uint64_t joins_seen; /* when that was found out */
	uint16_t retired;    /* tickets that are out of their slots, ours to free: */
	uint16_t enough;     /* so many are freed together, */
	uint16_t klass;      /* of the class of the last */
	bool mixed;          /* and others of other classes */
	uint64_t name[TSR_WRITER_RETIRED];
};

/* For which inlined calls an end is, if not for those of its side: | its side */
#define TSR_END_TRACED      UINT8_C(0xf0) /* as before, but told of */
#define TSR_END_BY_KIND     UINT8_C(0xe0) /* one try by its kind is all that most calls need */
#define TSR_END_NOT_INLINED UINT8_C(0xfe)

/* One open end. The first line is all that a message needs when nobody is in its way. */
struct tsr_end {
	alignas(512) uint64_t handle; /* 0: free */
	struct tsr_slot *slots;
	struct tsr_channel_shm *shm;
	struct tsr_map const *map;
	uint64_t position;   /* where it looks next */
	uint64_t expect;     /* the word it hopes for: empty (senders) or ready, of that lap */
	uint32_t mask;       /* capacity - 1 */
	uint16_t me;         /* client id */
	bool alone;          /* the one end of its side: no claim, no take */
	uint8_t inlined;     /* its side, for inlined calls; or TSR_END_* */
	uint32_t stamp_mask; /* stamp when all these bits of the position are set */
	uint32_t channel_id;
	/* The second line: what the sender knows ahead, and what a miss needs. */
	struct tsr_attachment *attachment;
	struct tsr_metrics *metrics; /* where it counts */
	uint32_t room;               /* slots from the position on that are known to be empty */
	uint32_t ahead;              /* how many to look at once; 0: each when it is needed */
	uint64_t redo_seen;
	uint64_t stream_seen; /* of the other side, when this end was opened */
	uint64_t spin_ns;     /* how long a blocked call may look again before it sleeps */
	uint64_t window_ns;   /* how long it does, as learned: see wait.c */
	uint32_t waits;
	bool adaptive;               /* else it looks again for spin_ns each time */
	struct tsr_wait_side mine;   /* where this end sleeps */
	struct tsr_wait_side others; /* where the other side sleeps */
	uint32_t token;              /* UINT32_MAX: none yet */
	uint64_t token_word;         /* what a blocked call of this end sleeps on */
	uint32_t number;             /* at the daemon */
	uint8_t side;                /* enum tsr_side */
	bool seen;                   /* the other side has been there */
	bool again;                  /* what the fast form would not have was flagged so */
	uint32_t missed_at;          /* low half of the position of the last miss: see buffered.c */
	uint32_t patience_ns;        /* how long a receiver lets messages gather: see buffered.c */
	struct tsr_event_own event;
	struct tsr_kind const *kind;
	void *own;    /* what the kind keeps for it besides */
	uint64_t tag; /* beside the channel, for the next request or reply: see ask.h */
	bool endless; /* that nobody is at the other side says nothing */
	/* Of an end in a scope, under the scope's lock: see scope.h. */
	struct tsr_scope_own *scope; /* NULL: in none */
	struct tsr_end *beside;      /* the next of the scope */
	struct tsr_zdesc unsent;     /* what a cancelled send left to the scope */
	bool inside;                 /* a call is */
	bool cancelled;
	union {
		struct tsr_reader reader;
		struct tsr_writer writer;
	};
	struct tsr_channel channel;
};

static_assert(offsetof(struct tsr_end, attachment) == 64, "the hot line");
static_assert(sizeof(struct tsr_end) == 512, "a shift finds it");

/* The slot at the end's position. */
TSR_INLINE struct tsr_slot *
tsr_end_slot(struct tsr_end const *end)
{
	return &end->slots[end->position & end->mask];
}

/* Go to @position. */
TSR_INLINE void
tsr_end_seek(struct tsr_end *end, uint64_t position)
{
	end->position = position;
	end->room = 0;
	end->expect = tsr_slot_word(tsr_channel_lap(&end->channel, position), 0,
	                            end->side == TSR_SIDE_SENDER ? TSR_EMPTY : TSR_READY);
}

/* Is this what the end hopes for? A ready slot may be flagged as redelivered. */
TSR_INLINE bool
tsr_end_hopes(struct tsr_end const *end, uint64_t word)
{
	uint64_t const flags = end->side == TSR_SIDE_RECEIVER ? TSR_READY_AGAIN_BIT : 0;

	return (word & ~flags) == end->expect;
}

/* Go on by one. */
TSR_INLINE void
tsr_end_step(struct tsr_end *end)
{
	end->position++;
	if (tsr_unlikely((end->position & end->mask) == 0))
		end->expect += TSR_LAP_ONE;
}

/* One open tap: see tap.h. */
struct tsr_tap_own {
	uint64_t handle; /* 0: free */
	struct tsr_attachment *attachment;
	uint64_t position; /* of the message that it hopes to copy next */
	uint64_t missed;   /* since the last one that it copied */
	/* Of an unlimited channel: what the ticket of its segment said, and which one that is. */
	uint64_t segment;
	uint32_t ticket; /* TSR_TICKETS_MAX: it is the first segment */
	struct tsr_event_own event;
	/* An observer's: an epoll(7) set with the event's descriptor, which is what is waited on,
	 * and the daemon that this is of. */
	int event_set;
	uint64_t event_instance;
	struct tsr_channel channel;
};

/* A scope: see scope.h. */
struct tsr_scope_own {
	uint64_t handle; /* 0: free */
	struct tsr_attachment *attachment;
	struct tsr_scope_own *parent; /* NULL: none */
	tsr_undelivered *undelivered; /* NULL: what is not delivered is released */
	void *argument;
	struct tsr_end *ends;
	uint64_t *name; /* of the tickets in it; some may have gone their way */
	uint32_t names;
	uint32_t room;
	bool cancelled;
	bool cancelling;     /* somebody is at it: */
	pthread_t canceller; /* this thread */
	pthread_mutex_t lock;
	pthread_cond_t left; /* a call was inside when the scope was cancelled */
};

/* A request on its way. */
struct tsr_ask_own {
	uint64_t id;  /* number | place; 0: free */
	uint64_t tag; /* its correlation */
	uint32_t ticket;
	bool answered;
	struct tsr_msg reply; /* if it is */
};

/* One asker: see ask.c. */
struct tsr_asker_own {
	uint64_t handle; /* 0: free */
	struct tsr_client client;
	struct tsr_sender sender;     /* of requests */
	struct tsr_receiver receiver; /* of replies */
	uint32_t number;              /* of the last request */
	uint64_t late;                /* replies that nobody waited for any more */
	struct tsr_ask_own ask[TSR_ASKS_MAX];
};

/* An end that this process replies by. */
struct tsr_reply_own {
	struct tsr_sender sender;
};

struct tsr_process {
	struct tsr_attachment attachment[TSR_ATTACHMENTS_MAX];
	struct tsr_end end[TSR_ENDS_MAX];
	struct tsr_tap_own tap[TSR_TAPS_MAX];
	struct tsr_scope_own scope[TSR_SCOPES_MAX];
	struct tsr_asker_own asker[TSR_ASKERS_MAX];
	struct tsr_reply_own reply[TSR_REPLIES_MAX];
	pthread_mutex_t reply_lock; /* of these: any thread may reply. A forked child has it anew */
	pthread_cond_t scope_done;  /* with the process lock: a scope was cancelled. Likewise */
	uint32_t ends_high;         /* beyond the last entry of @end that was ever used */
};

/* Never NULL: before the first attach it is an empty table. */
extern struct tsr_process *tsr_process;
extern pthread_mutex_t tsr_process_lock;

/* tsr_process_open - the table of this process. The process lock is held. Return: 0; -ENOMEM;
 * -EOPNOTSUPP no MADV_WIPEONFORK. */
TSR_MUST_CHECK
int tsr_process_open(void);

/* One thread's magazines, [TSR_CLASSES_MAX] for each attachment. */
struct tsr_thread {
	uint64_t
		handle[TSR_ATTACHMENTS_MAX]; /* tsr_magazines_mark() of their attachment; 0: none */
	struct tsr_magazine *magazines[TSR_ATTACHMENTS_MAX];
};

extern _Thread_local struct tsr_thread tsr_thread __attribute__((tls_model("initial-exec")));

#define TSR_HANDLE_INDEX_BITS 16

/* A handle for entry @index that was never given out before. The process lock is held. */
uint64_t tsr_handle_new(uint32_t index);

TSR_INLINE uint32_t
tsr_handle_index(uint64_t handle)
{
	return (uint32_t)(handle & ((UINT64_C(1) << TSR_HANDLE_INDEX_BITS) - 1));
}

/* The entry that a handle means, or NULL: any 64 bits are looked up without harm. */
TSR_INLINE struct tsr_attachment *
tsr_attachment_get(struct tsr_client client)
{
	struct tsr_attachment *attachment =
		&tsr_process->attachment[client.handle % TSR_ATTACHMENTS_MAX];

	tsr_keep(attachment);
	return tsr_likely(attachment->handle == client.handle && client.handle != 0) ? attachment
	                                                                             : NULL;
}

TSR_INLINE struct tsr_end *
tsr_end_get(uint64_t handle)
{
	struct tsr_end *end = &tsr_process->end[handle % TSR_ENDS_MAX];

	tsr_keep(end);
	return tsr_likely(end->handle == handle && handle != 0) ? end : NULL;
}

TSR_INLINE struct tsr_tap_own *
tsr_tap_get(struct tsr_tap tap)
{
	struct tsr_tap_own *own = &tsr_process->tap[tap.handle % TSR_TAPS_MAX];

	return own->handle == tap.handle && tap.handle != 0 ? own : NULL;
}

/*
 * tsr_end_open_replies - as tsr_sender_open(), tsr_receiver_open(): an end of a channel for
 * replies, which the daemon removes with its last end
 *
 * Return: as they; -EEXIST, or with TSR_END_MUST_EXIST -ENOENT: the name is another channel's.
 */
TSR_MUST_CHECK
int tsr_end_open_replies(struct tsr_client client, const char *name,
                         const struct tsr_end_options *options, enum tsr_side side,
                         uint64_t *handle);

/* tsr_end_inlined - for which inlined calls an end is, once it is in no scope */
uint8_t tsr_end_inlined(struct tsr_end const *end);

/* tsr_event_drop - close an event of the attachment, if there is one. The process lock is held.
 * tsr_tap_event_drop - that of a tap; @told: the daemon need not be told. */
void tsr_event_drop(struct tsr_attachment *attachment, struct tsr_event_own *event);
void tsr_tap_event_drop(struct tsr_tap_own *own, bool told);

/* tsr_end_woke - the end woke so many of the other side: tell of it, and count. Context: cold. */
TSR_COLD void tsr_end_woke(struct tsr_end *end, unsigned woken);

/* tsr_end_describe - for a trace. Context: cold. */
TSR_COLD struct tsr_trace_end tsr_end_describe(struct tsr_end const *end);

/* tsr_end_note_time - one with that stamp was received. tsr_end_tell_receive - for a trace. */
TSR_COLD void tsr_end_note_time(struct tsr_end *end, uint64_t stamp);
TSR_COLD void tsr_end_tell_receive(struct tsr_end const *end, struct tsr_msg const *msg);

/* tsr_attachment_evicted - take the daemon's reason for a hint. Return: -ECONNABORTED. */
TSR_COLD int tsr_attachment_evicted(struct tsr_attachment const *attachment);

/*
 * tsr_attachment_follow - the daemon hung up, or the pulse is another's: see reconnect.h
 *
 * Does not wait until there is one. Context: any thread; while another one asks the daemon it does
 * nothing. Return: 0 go on; -ENOTCONN the realm is gone for this client.
 */
TSR_MUST_CHECK
int tsr_attachment_follow(struct tsr_attachment *attachment);

/* tsr_attachment_check - may this client go on? Follows another daemon. Return: 0; -ENOTCONN the
 * realm has ended; -ECONNABORTED. */
TSR_INLINE int
tsr_attachment_check(struct tsr_attachment *attachment)
{
	/* [E5] pairs with [E6]: the reason is written. */
	if (attachment->me != 0 &&
	    tsr_ld_acq(&attachment->map.notices[attachment->me - 1].evicted) != 0)
		return tsr_attachment_evicted(attachment);
	if (attachment->pulse != NULL &&
	    tsr_unlikely(tsr_ld_rlx(attachment->pulse) != tsr_ld_rlx(&attachment->pulse_seen)) &&
	    tsr_attachment_follow(attachment) != 0)
		return -ENOTCONN;
	/* [E1] pairs with [E2]: the realm as its daemon last said. */
	return tsr_ld_acq(&attachment->map.directory->state) == TSR_REALM_LIVING ? 0 : -ENOTCONN;
}

/* tsr_attachment_classes - fill class_of_lines from the map. */
void tsr_attachment_classes(struct tsr_attachment *attachment);

/*
 * How a thread marks the magazines of an attachment: by its handle, or, so that inlined calls don't
 * find them, by the complement of it, whose highest bit no handle has.
 */
TSR_INLINE uint64_t
tsr_magazines_mark(struct tsr_attachment const *attachment)
{
	return attachment->traced ? ~attachment->handle : attachment->handle;
}

/*
 * tsr_magazines_open - this thread's magazines for an attachment, made on first use
 *
 * Context: cold. Return: NULL: no memory.
 */
struct tsr_magazine *tsr_magazines_open(struct tsr_attachment *attachment);

/* The magazines that this thread has for the attachment. Return: false if it has none yet, or if
 * they are traced. */
TSR_INLINE bool
tsr_magazines_have(uint64_t handle, struct tsr_magazine **magazines)
{
	uint64_t const index = handle % TSR_ATTACHMENTS_MAX;

	*magazines = tsr_thread.magazines[index];
	return tsr_thread.handle[index] == handle;
}

/*
 * tsr_magazine_refill - get free tickets of @klass, from orphans or the depot
 *
 * Context: warm. Return: 0; -ENOMEM none is free; as tsr_attachment_check().
 */
TSR_MUST_CHECK
int tsr_magazine_refill(struct tsr_attachment *attachment, uint32_t klass,
                        struct tsr_magazine *magazine);

/* tsr_magazine_drain - make room in a full magazine. Context: warm. Return: 0; -ENOMEM. */
TSR_MUST_CHECK
int tsr_magazine_drain(struct tsr_attachment *attachment, uint32_t klass,
                       struct tsr_magazine *magazine);

/*
 * A blocked operation, of one end or of several at once: begin; while the try gives -EAGAIN, next;
 * end. See wait.c.
 *
 * tsr_wait_next Return: 0 look again, at every end; -ETIMEDOUT; or why nothing more may come to
 * ends[ended], as tsr_end_check(): give up, after end and one last look.
 * tsr_wait_end @fired: the number of the end whose try did not give -EAGAIN; TSR_WAIT_NONE
 */
struct tsr_wait {
	struct tsr_end *const *ends; /* different ones, of one attachment */
	uint32_t count;              /* of them, 1 .. TSR_WAIT_ENDS_MAX */
	uint32_t ended;
	uint32_t spins;
	bool ready; /* to sleep: enqueued, and looked at again after that */
	uint64_t deadline_ns;
	uint64_t begun_ns;
	uint64_t clock_ns; /* as last read */
	uint64_t spin_until_ns;
	uint64_t look_ns;          /* length of the next safety look */
	uint64_t blocked_since_ns; /* 0: it is not blocked time */
	uint64_t enqueued;         /* a bit an end: it sleeps on its token_word */
	uint64_t spent;            /* a bit an end: woken, and not looked at since */
};

#define TSR_WAIT_ENDS_MAX 64
#define TSR_WAIT_NONE     UINT32_MAX

void tsr_wait_begin(struct tsr_wait *wait, struct tsr_end *const *ends, uint32_t count,
                    uint64_t deadline_ns);
TSR_MUST_CHECK
int tsr_wait_next(struct tsr_wait *wait);
void tsr_wait_end(struct tsr_wait *wait, uint32_t fired);

/* Length of the first safety look; tests set it to UINT64_MAX, so that a lost wake-up hangs. */
extern uint64_t tsr_wait_look_ns;

/*
 * tsr_end_check - why nothing more may come: closed, dead, condemned
 *
 * Context: after a miss. Return: 0 wait on; -EPIPE, -ECONNRESET: look once more, then give up;
 * -ENOTCONN, -ECONNABORTED.
 */
TSR_MUST_CHECK
int tsr_end_check(struct tsr_end *end);

#endif /* TSR_SHM_CLIENT_H */
