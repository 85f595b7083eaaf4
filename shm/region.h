/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_REGION_H
#define TSR_SHM_REGION_H

/*
 * Regions: memory beside the arenas that tickets point into. A client's side of it.
 *
 * Bytes	tickets of regions follow those of the arenas in the same tables. The block of each
 *		is its whole region; the range of a zdesc says which bytes are meant.
 * Writers	a region has one owner, who alone takes its free tickets: (FREE, g) -> (me, g+1).
 *		Whoever releases one stores (FREE, g+1). So nothing is listed anywhere, and each
 *		step is one store. The daemon writes block descriptors and the directory's entry,
 *		and turns what a dead client held into FREE again.
 * Trust	as an arena's: participants trust each other with what they map. What is mapped is
 *		what the daemon sent for the entry's id, and only ranges inside it are resolved.
 * Ordering	releaser				owner
 *		reads, writes the payload
 *		[G1] word = (FREE, g+1), release  -->	[G2] load word, acquire
 *							(me, g+2), writes the payload
 *		releaser				daemon, at close
 *		[G1] word = (FREE, g+1)			[G6] state = closing
 *		[G5] full fence, load state		full fence, look at all words
 *		At least one of the two sees what the other did: the last release of a closing
 *		region is noticed by the one or told by the other.
 * Progress	a message of a region takes the long way through send, receive and release, for its
 *		index is beyond what the fast forms look at; the first of a region that this process
 *		has not mapped asks the daemon for it.
 * Crash	after each store a ticket is the releaser's, free, or the owner's.
 */

#include <pthread.h>

#include "shm/client.h"

/* A region as this process has it. */
struct tsr_region_view {
	uint64_t id;         /* as in the directory's entry; 0: not mapped */
	unsigned char *base; /* NULL: likewise */
	uint64_t bytes;
	uint64_t handle; /* of the owner; 0: it is not ours, or no longer */
	uint32_t cursor; /* the ticket to look at next, counted from the region's first */
	bool read_only;
};

struct tsr_regions {
	pthread_mutex_t lock; /* taken before the process lock, never after it */
	struct tsr_region_view view[];
};

/* tsr_region_views_create, tsr_region_views_destroy - with the attachment. Return: 0; -ENOMEM. */
TSR_MUST_CHECK
int tsr_region_views_create(struct tsr_attachment *attachment);
void tsr_region_views_destroy(struct tsr_attachment *attachment);

/* For region_owner.c too, all under the lock: unmap what nobody needs any more; map a region; a
 * message of it. */
void tsr_region_views_trim(struct tsr_attachment *attachment);
TSR_MUST_CHECK
int tsr_region_view_map(struct tsr_region_view *view, struct tsr_proto_region_reply const *reply,
                        int fd);
void tsr_region_fill(struct tsr_region_view const *view, struct tsr_zdesc zdesc,
                     struct tsr_msg *msg);

/*
 * tsr_region_receive - take what a slot in our hands names from the channel
 * @zdesc:	its index is that of a region's ticket, its range inside the block
 * @again:	no slot names it, it is requeued: see requeue.h
 * @msg:	set on success, but for its stamp
 *
 * Context: cold if the region has yet to be mapped: asks the daemon. Return: 0; -EPROTO the ticket
 * is not the channel's; -EAGAIN it is no longer, with @again; -ENOTCONN, -ETIMEDOUT, -ENOBUFS,
 * -ENOMEM, ...: the region can't be had.
 */
TSR_MUST_CHECK
int tsr_region_receive(struct tsr_attachment *attachment, struct tsr_zdesc zdesc, bool again,
                       struct tsr_msg *msg);

/* tsr_region_resolve - the same for a ticket that is ours, @zdesc being checked. */
TSR_MUST_CHECK
int tsr_region_resolve(struct tsr_attachment *attachment, struct tsr_zdesc zdesc,
                       struct tsr_msg *msg);

/*
 * tsr_region_release - give back a region's ticket that is ours
 *
 * Context: warm; the last one of a region that its owner has closed tells the daemon.
 */
void tsr_region_release(struct tsr_attachment *attachment, uint64_t name);

#endif /* TSR_SHM_REGION_H */
