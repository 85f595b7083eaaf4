/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REALM_H
#define TSR_CORE_REALM_H

/*
 * A realm in the daemon: its segments, and the private tables that nobody maps: which client has
 * which id, which channel lies where, who has which end.
 *
 * Trust	nothing that a participant can write decides anything here. A realm whose memory
 *		turns out to be broken is condemned: its clients are told and cut off, it leaves the
 *		registry, and the next attach finds a fresh one of the same name, with the next
 *		epoch.
 * Progress	the lock is held for one step of a repair, or of what a removed channel leaves.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/area.h"
#include "core/config.h"
#include "core/estate.h"
#include "core/events.h"
#include "core/reaper.h"
#include "core/ref.h"
#include "core/refusal.h"
#include "core/regions.h"
#include "core/registry.h"
#include "core/segment.h"
#include "shm/channel.h"
#include "shm/map.h"
#include "shm/proto.h"

struct tsr_daemon;
struct tsr_member;
struct tsr_observer;
struct tsr_upkeep;

/* One side of a channel, as the directory shows it. */
struct tsr_channel_side {
	uint16_t count;
	bool died;
	bool gone; /* it has been there and gone, and that still matters to the other side */
	uint64_t stream;
};

struct tsr_channel_record {
	struct tsr_registry_entry entry; /* by name */
	char name[TSR_NAME_BYTES];
	struct tsr_channel channel;
	struct tsr_channel_side side[2]; /* enum tsr_side */
	uint32_t index;
	uint64_t offset;
	uint64_t bytes;
	uid_t creator;                   /* whose quota it is on */
	bool replies;                    /* an asker's: it goes with its last end */
	bool retired;                    /* removed, and perhaps not empty yet: see upkeep.h */
	struct tsr_upkeep *upkeep;       /* which looks after it; NULL */
	_Atomic uint64_t *estate;        /* its word; NULL: none */
	struct tsr_event_side events[2]; /* enum tsr_side */
};

struct tsr_realm {
	struct tsr_registry_entry entry; /* by name */
	struct tsr_registry_entry bell;  /* by serial number: who rang map.doorbell */
	struct tsr_ref refs;             /* the registry's, and one per client and observer */
	struct tsr_daemon *daemon;
	struct tsr_config_realm const *config; /* its settings */
	struct tsr_config_realm settings; /* access: the control thread's; the rest is constant */
	uint64_t epoch;
	uint64_t generation; /* of directory and blocks: how often it was taken over */
	enum tsr_backing backing;
	_Atomic uint64_t wanted; /* who want the lock, and who has it */
	pthread_mutex_t lock;    /* of everything below */
	bool condemned;          /* or dissolved: nobody gets in any more */
	bool leaving;   /* the configuration lacks it: it is dissolved when it has no members */
	bool listening; /* to the doorbell */
	struct tsr_map map;
	struct tsr_memory segment[TSR_SEGMENTS_MAX];
	uint32_t segments_count;
	struct tsr_member **members; /* [clients + 1], by id */
	uint32_t members_count;
	struct tsr_observer *observers;
	struct tsr_event_side *armed; /* those with armed events */
	uint16_t *free_ids;           /* a ring: the id that is free for longest comes next */
	uint32_t free_first;
	uint32_t free_count;
	struct tsr_area area;                 /* of the channels segment */
	struct tsr_registry names;            /* struct tsr_channel_record by name */
	struct tsr_channel_record **channels; /* [channels], by index */
	uint8_t *generations;                 /* of each index */
	uint32_t channels_count;
	uint32_t next_index;
	uint32_t *free_ends; /* numbers of metrics that no end has, the last one comes next */
	uint32_t free_ends_count;
	struct tsr_regions_table regions;
	struct tsr_estate estate; /* what a successor is left: see estate.h */
	bool kept;                /* by the store: see kept.h */
};

/* What a user may do in a realm. */
enum tsr_right {
	TSR_RIGHT_NONE = 0,
	TSR_RIGHT_OBSERVE = 1,
	TSR_RIGHT_PARTICIPATE = 2,
};

/*
 * tsr_realm_create - make its segments, write them, enter it into the registry
 * @config:	is copied
 * @out:	with a reference of the caller's
 *
 * Context: cold, touches all memory. Return: 0; -ENOMEM, ...: nothing is left.
 */
TSR_MUST_CHECK
int tsr_realm_create(struct tsr_daemon *daemon, struct tsr_config_realm const *config,
                     struct tsr_realm **out, struct tsr_refusal *refusal);

/*
 * tsr_realm_begin - all of a realm but its memory, its tables, and its name: with a reference of
 * the caller's. Return: NULL: no memory.
 * tsr_realm_tables - the private tables, empty, of a realm that has its map. Return: 0; -ENOMEM.
 * tsr_realm_destroy - of one that is in no registry.
 */
struct tsr_realm *tsr_realm_begin(struct tsr_daemon *daemon, struct tsr_config_realm const *config,
                                  uint64_t epoch);
TSR_MUST_CHECK
int tsr_realm_tables(struct tsr_realm *realm, struct tsr_refusal *refusal);
void tsr_realm_destroy(struct tsr_realm *realm);

/* tsr_realm_lookup - the living one of that name, with a reference for the caller; NULL. */
struct tsr_realm *tsr_realm_lookup(struct tsr_daemon *daemon, const char *name);

/* tsr_realm_find - by name, with a reference for the caller; made anew if it was condemned.
 * Return: 0; -ENOENT; or as tsr_realm_create(). */
TSR_MUST_CHECK
int tsr_realm_find(struct tsr_daemon *daemon, const char *name, struct tsr_realm **out,
                   struct tsr_refusal *refusal);

void tsr_realm_get(struct tsr_realm *realm);

/* tsr_realm_put - the last one frees it. Not under its lock, nor the registry's read lock. */
void tsr_realm_put(struct tsr_realm *realm);

void tsr_realm_lock(struct tsr_realm *realm);
void tsr_realm_unlock(struct tsr_realm *realm);

/* tsr_realm_is_wanted - does anybody wait for the lock? A hint. */
bool tsr_realm_is_wanted(struct tsr_realm *realm);

/* tsr_realm_right - by owner, group and mode. Root and the daemon's own user may always. */
enum tsr_right tsr_realm_right(struct tsr_config_realm const *config, uid_t uid,
                               gid_t const *groups, size_t groups_count);

/* tsr_realm_row - for the feed: something about the realm. */
struct tsr_proto_row_feed tsr_realm_row(struct tsr_realm const *realm, enum tsr_feed_kind kind);

/* tsr_realm_guarded - tsr_guard_run over the realm's mappings; a hit condemns it. Under its lock.
 * Return: what @work returned; -EFAULT. */
TSR_MUST_CHECK
int tsr_realm_guarded(struct tsr_realm *realm, int (*work)(void *), void *argument);

/* tsr_realm_broken - refuse the request over which the guard was hit. Return: -EFAULT. */
int tsr_realm_broken(struct tsr_realm const *realm, struct tsr_refusal *refusal);

/* tsr_realm_condemn - see above. Under its lock. */
void tsr_realm_condemn(struct tsr_realm *realm, const char *why);

/* tsr_realm_close - the daemon stops: mark it, and wake all who sleep. Under its lock. */
void tsr_realm_close(struct tsr_realm *realm);

/*
 * tsr_realm_leave - the configuration lacks it (or, @leaving false, has it again): dissolve it if
 *		it has no members
 *
 * Context: under its lock, with a reference of the caller's, when @leaving changes and whenever a
 * member has left.
 */
void tsr_realm_leave(struct tsr_realm *realm, bool leaving);

/* tsr_realm_abandon - to a successor: from here on nothing is written to its estate. Under its
 * lock. */
void tsr_realm_abandon(struct tsr_realm *realm);

/* tsr_realm_dissolve - forget its clients, and take it out of the registry. Under its lock. */
void tsr_realm_dissolve(struct tsr_realm *realm);

/* tsr_realm_bytes - of all its segments. */
uint64_t tsr_realm_bytes(struct tsr_realm const *realm);

#endif /* TSR_CORE_REALM_H */
