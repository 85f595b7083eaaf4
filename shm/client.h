/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_CLIENT_H
#define TSR_SHM_CLIENT_H

/*
 * What one process keeps about its attachments and open ends: private memory, nobody else sees it.
 *
 * Handles	index (16, low) | generation (48): a table entry that holds another generation, or none,
 *		is -ENOTCONN. The tables lie in memory that a forked child finds zeroed
 *		(MADV_WIPEONFORK), so every handle of the parent is -ENOTCONN in the child.
 * Threads	attach, detach, open and close take the process lock. An end is used by one thread at a
 *		time. Magazines belong to a thread; its last act is to give them to the attachment.
 */

#include <pthread.h>
#include <stdint.h>

#include "shm/channel.h"
#include "shm/control.h"
#include "shm/map.h"
#include "shm/waiter.h"

#define TSR_ATTACHMENTS_MAX 8
#define TSR_ENDS_MAX        4096

#define TSR_MAGAZINE_ENTRIES (2 * TSR_CELL_ENTRIES)

/* A thread's private batch of one size class: tickets that name this client and are idle. */
struct tsr_magazine {
	uint32_t count;
	uint32_t limit; /* with so many it is full: two batches of its class */
	uint64_t name[TSR_MAGAZINE_ENTRIES];
};

/* Tickets that threads left behind when they ended, by class; guarded by the process lock. */
struct tsr_orphans {
	uint64_t *name;
	uint32_t count;
	uint32_t room;
};

/* This process, attached to one realm. */
struct tsr_attachment {
	alignas(TSR_CACHELINE) uint64_t handle; /* 0: free */
	struct tsr_map map;
	uint16_t me;          /* client id */
	bool fenced;          /* membarrier does not reach us */
	uint8_t class_of_width[33]; /* first class that may hold so many bits of bytes */
	struct tsr_state *state;    /* our lines */
	struct tsr_control control;
	struct tsr_orphans orphans[TSR_CLASSES_MAX];
};

/* One open end. The first two lines are the hot ones. */
struct tsr_end {
	alignas(TSR_CACHELINE) uint64_t handle; /* 0: free */
	struct tsr_attachment *attachment;
	struct tsr_slot *slots;
	struct tsr_channel_shm *shm;
	uint64_t position; /* where it looks next */
	uint32_t mask;
	uint32_t shift;
	uint32_t stamp_mask;  /* stamp when (position & stamp_mask) == stamp_match: */
	uint32_t stamp_match; /* 0, or 1 with mask 0: never */
	uint16_t me;
	bool alone; /* the one end of its side: no claim, no take */
	/* Second line: what a miss needs. */
	uint64_t redo_seen;
	uint64_t stream_seen; /* of the other side, when this end was opened */
	uint64_t spin_ns;
	struct tsr_wait_side mine;   /* where this end sleeps */
	struct tsr_wait_side others; /* where the other side sleeps */
	uint32_t token; /* UINT32_MAX: none yet */
	uint32_t side;
	bool seen;   /* the other side has been there */
	uint32_t number; /* at the daemon */
	struct tsr_channel channel;
};

struct tsr_process {
	struct tsr_attachment attachment[TSR_ATTACHMENTS_MAX];
	uint32_t ends_high; /* beyond the last entry of @end that was ever used */
	struct tsr_end end[TSR_ENDS_MAX];
};

/* NULL until the first attach. */
extern struct tsr_process *tsr_process;
extern pthread_mutex_t tsr_process_lock;

/* The magazines of this thread for one attachment: [classes]. */
struct tsr_thread {
	uint64_t handle[TSR_ATTACHMENTS_MAX]; /* of the attachment they belong to */
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

TSR_INLINE struct tsr_attachment *
tsr_attachment_get(struct tsr_client client)
{
	uint32_t const index = tsr_handle_index(client.handle);
	struct tsr_process *const process = tsr_process;

	if (tsr_unlikely(process == NULL || index >= TSR_ATTACHMENTS_MAX || client.handle == 0 ||
	                 process->attachment[index].handle != client.handle))
		return NULL;
	return &process->attachment[index];
}

TSR_INLINE struct tsr_end *
tsr_end_get(uint64_t handle)
{
	uint32_t const index = tsr_handle_index(handle);
	struct tsr_process *const process = tsr_process;

	if (tsr_unlikely(process == NULL || index >= TSR_ENDS_MAX || handle == 0 ||
	                 process->end[index].handle != handle))
		return NULL;
	return &process->end[index];
}

/*
 * tsr_magazines_open - this thread's magazines for an attachment, made on first use
 *
 * Context: cold. Return: NULL: no memory.
 */
struct tsr_magazine *tsr_magazines_open(struct tsr_attachment *attachment);

TSR_INLINE struct tsr_magazine *
tsr_magazines_get(struct tsr_attachment *attachment)
{
	uint32_t const index = tsr_handle_index(attachment->handle);

	if (tsr_likely(tsr_thread.handle[index] == attachment->handle))
		return tsr_thread.magazines[index];
	return tsr_magazines_open(attachment);
}

/*
 * tsr_magazine_refill - get free tickets of @klass, from orphans or the depot
 *
 * Context: warm. Return: 0; -ENOMEM none is free.
 */
TSR_MUST_CHECK
int tsr_magazine_refill(struct tsr_attachment *attachment, uint32_t klass,
                        struct tsr_magazine *magazine);

/* tsr_magazine_drain - make room in a full magazine. Context: warm. Return: 0; -ENOMEM. */
TSR_MUST_CHECK
int tsr_magazine_drain(struct tsr_attachment *attachment, uint32_t klass,
                       struct tsr_magazine *magazine);

/*
 * A blocked operation: begin; while the try gives -EAGAIN, next; end. See wait.c.
 *
 * tsr_wait_next Return: 0 look again; -ETIMEDOUT, -EPIPE, -ECONNRESET, -ENOTCONN: give up, after end
 * and one last look.
 */
struct tsr_wait {
	uint64_t deadline_ns;
	uint64_t spin_until_ns;
	uint64_t look_ns;    /* length of the next safety look */
	uint64_t token_word; /* what we sleep on; 0: not enqueued */
	uint32_t spins;
};

void tsr_wait_begin(struct tsr_end const *end, struct tsr_wait *wait, uint64_t deadline_ns);
TSR_MUST_CHECK
int tsr_wait_next(struct tsr_end *end, struct tsr_wait *wait);
void tsr_wait_end(struct tsr_end *end, struct tsr_wait *wait);

/* Length of the first safety look; tests set it to UINT64_MAX, so that a lost wake-up hangs. */
extern uint64_t tsr_wait_look_ns;

/*
 * tsr_end_check - why nothing more may come: closed, dead, condemned
 *
 * Context: after a miss. Return: 0 wait on; -EPIPE, -ECONNRESET: look once more, then give up;
 * -ENOTCONN.
 */
TSR_MUST_CHECK
int tsr_end_check(struct tsr_end *end);

#endif /* TSR_SHM_CLIENT_H */
