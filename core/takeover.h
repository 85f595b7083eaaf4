/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_TAKEOVER_H
#define TSR_CORE_TAKEOVER_H

/*
 * Take-over: a daemon that starts finds what a dead one has left in the store, and goes on with it.
 *
 * Of each realm the segments that participants write are mapped as they are. Directory and blocks,
 * which only the dead daemon's own mapping could write, are copied into new memory, the next
 * generation; registries, members, ends and free lists are built anew from directory and estate. A
 * realm that does not add up is condemned: its descriptors are let go of, and it is made afresh
 * with the next epoch. The others notice nothing.
 *
 * Crash	a successor may die anywhere. Until the estate's generation is stored the old
 *		directory and blocks count, from then on the new ones; what is left over is dropped
 *		by whoever comes next. Members are reaped, and shared words written, after that.
 *
 * Context of every call: the main thread; but for ready before any other thread is there.
 */

#include "core/refusal.h"
#include "core/store.h"
#include "shm/compiler.h"

struct tsr_daemon;
struct tsr_realm;

/*
 * tsr_takeover_look - is there anything to take over, and can this build do it?
 *
 * Return: how many realms; -EPROTO one is of another build: nothing was touched; what the system
 * gave.
 */
TSR_MUST_CHECK
int tsr_takeover_look(struct tsr_daemon *daemon, struct tsr_refusal *refusal);

/* tsr_takeover_run - take all of it over; what can't be is let go of. */
void tsr_takeover_run(struct tsr_daemon *daemon);

/* tsr_takeover_closing - members that the dead daemon was about to kill have their time anew.
 * Before the control thread is there.
 * tsr_takeover_ready - that one serves: tell the clients, wake who sleeps, and do what the dead
 * daemon did not come to. */
void tsr_takeover_closing(struct tsr_daemon *daemon);
void tsr_takeover_ready(struct tsr_daemon *daemon);

/* tsr_takeover_drop - all of it is let go of. */
void tsr_takeover_drop(struct tsr_daemon *daemon);

/*
 * tsr_takeover_realm - one realm
 * @item:	of the store: its estate
 * @out:	in the registry, with a reference of the caller's
 * @why:	on failure, a sentence
 *
 * Return: 0; -EINVAL it does not add up; what the system gave.
 */
TSR_MUST_CHECK
int tsr_takeover_realm(struct tsr_daemon *daemon, struct tsr_store_item *item,
                       struct tsr_realm **out, char *why, size_t why_bytes);

/* tsr_takeover_members, _channels, _regions - its tables, from estate and directory. Return: 0;
 * -EINVAL, -ENOMEM, ...: @why has a sentence.
 * tsr_takeover_events - the event descriptors of its members, from the names in the store. */
TSR_MUST_CHECK
int tsr_takeover_members(struct tsr_realm *realm, char *why, size_t why_bytes);
TSR_MUST_CHECK
int tsr_takeover_channels(struct tsr_realm *realm, char *why, size_t why_bytes);
void tsr_takeover_events(struct tsr_realm *realm);
TSR_MUST_CHECK
int tsr_takeover_regions(struct tsr_realm *realm, char *why, size_t why_bytes);

#endif /* TSR_CORE_TAKEOVER_H */
