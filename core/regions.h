/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REGIONS_H
#define TSR_CORE_REGIONS_H

/*
 * Regions of a realm: memory beside its arenas, made for a client or brought by one. The protocol
 * of their tickets stands in shm/region.h.
 *
 *	open --the owner closes it, detaches or dies--> closing --the last ticket is back--> gone
 *
 * Trust	the daemon reads no region: it holds the descriptor, hands it to participants who
 *		ask, and lets go of it in the end. Who owns what, and how large it is, it knows
 *		from its own table. Of a region's tickets it looks at the words, under the guard.
 *
 * Context of every call: under the realm's lock, unless it says otherwise.
 */

#include <sys/types.h>

#include "core/area.h"
#include "core/refusal.h"
#include "core/segment.h"
#include "shm/layout.h"

struct tsr_daemon;
struct tsr_member;
struct tsr_realm;

/* What a region is made of. */
struct tsr_region_memory {
	int fd;
	uint64_t bytes;
	uint32_t page_log2;
	enum tsr_backing backing;
	uint32_t flags; /* TSR_REGION_READ_ONLY, TSR_REGION_FOREIGN */
	uint64_t device, inode;
};

struct tsr_region_record {
	struct tsr_region_memory memory;
	uint64_t id;
	uint32_t number; /* of its entry */
	uint64_t state;  /* TSR_REGION_OPEN, TSR_REGION_CLOSING */
	uint32_t first_ticket;
	uint32_t tickets;
	uint32_t tickets_out; /* as last looked at */
	uint16_t owner;       /* client id; means nothing once it is closing */
	char name[TSR_NAME_BYTES];
	pid_t pid;
	uid_t uid; /* whose quota it is on */
};

/* In the realm. */
struct tsr_regions_table {
	struct tsr_region_record **record; /* [regions_count] by number */
	struct tsr_area tickets;           /* of the realm's, which are this region's */
	uint32_t count;
	uint64_t newest_id;
};

/* tsr_regions_create - the table. Return: 0; -ENOMEM. tsr_regions_destroy - let go of all. */
TSR_MUST_CHECK
int tsr_regions_create(struct tsr_realm *realm);
void tsr_regions_destroy(struct tsr_realm *realm);

/*
 * tsr_region_make - memory for a region of ours: sealed, reserved where that can be, not touched
 * tsr_region_inspect - what a client sent: is it a sealed memfd, and of what kind?
 *
 * Context: without the lock. inspect asks nothing of a descriptor that could make it wait: seals
 * first, which only memory has. Return: 0; -ENOMEM; -EINVAL; what the system gave.
 */
TSR_MUST_CHECK
int tsr_region_make(struct tsr_realm *realm, uint64_t bytes, struct tsr_region_memory *memory,
                    struct tsr_refusal *refusal);
TSR_MUST_CHECK
int tsr_region_inspect(int fd, struct tsr_region_memory *memory, struct tsr_refusal *refusal);

/*
 * tsr_regions_enter - a region of @member's from here on, with the descriptor and its quota
 *
 * Return: 0; -ENOBUFS entries or tickets of the realm, or the user's limits, are used up; -EEXIST
 * the same memory is registered; -EFAULT the realm was condemned.
 */
TSR_MUST_CHECK
int tsr_regions_enter(struct tsr_realm *realm, struct tsr_member const *member,
                      struct tsr_region_memory const *memory, uint32_t tickets,
                      struct tsr_region_record **out, struct tsr_refusal *refusal);

/* tsr_regions_charge - count a region as its user's; tsr_quota_take(). It is given back with the
 * region. */
TSR_MUST_CHECK
int tsr_regions_charge(struct tsr_realm *realm, struct tsr_region_record const *region, char *why);

/* tsr_regions_find - by number and id; NULL: there is none such. */
struct tsr_region_record *tsr_regions_find(struct tsr_realm const *realm, uint32_t number,
                                           uint64_t id);

/* tsr_regions_close - the owner gives it up. tsr_regions_leave - a client goes, and with it its
 * regions. Afterwards they are to be settled. */
void tsr_regions_close(struct tsr_realm *realm, struct tsr_region_record *region);
void tsr_regions_leave(struct tsr_realm *realm, uint16_t owner);

/* How far it has come; zero at the beginning. */
struct tsr_settle {
	uint32_t number; /* of the region that it is at */
	uint32_t at;     /* of its tickets */
	uint32_t out;    /* counted so far */
	bool ends;       /* none is out, and its blocks are cleared */
	uint64_t id;
	uint64_t state; /* as it was before the first ticket */
};

/*
 * tsr_regions_settle_some - tickets that the reaper took back are free again; what has ended goes
 * tsr_regions_settle - the same in one step
 * @work:	how many words may be looked at; less by those that were
 *
 * After every sweep, and when a client says that it has released the last ticket. Others may do so
 * between two steps. Return: 0 it is done; 1 call again; -EFAULT the realm was condemned.
 */
TSR_MUST_CHECK
int tsr_regions_settle_some(struct tsr_realm *realm, struct tsr_settle *settle, uint32_t *work);
TSR_MUST_CHECK
int tsr_regions_settle(struct tsr_realm *realm);

#endif /* TSR_CORE_REGIONS_H */
