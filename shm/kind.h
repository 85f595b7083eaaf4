/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_KIND_H
#define TSR_SHM_KIND_H

/*
 * The kinds of channels: one table says for each what it is called, which shapes it has, how many
 * bytes it takes and how its ends work. What the reaper does with it is in core/reaper_kind.h.
 *
 * All kinds share the slot word (channel.h), the waiter tokens (waiter.h), the zdesc and the head
 * of struct tsr_channel_shm; each adds its own transitions, in a file of its name. Buffered ends
 * have besides their inlined fast forms (buffered.h); ends of other kinds take the calls below.
 */

#include <stdint.h>

#include "shm/client.h"

struct tsr_kind {
	const char *name;      /* as --kind and --json say it */
	uint32_t flags;        /* TSR_CHANNEL_* that it knows */
	uint32_t capacity;     /* of one that is made without saying which */
	uint32_t capacity_min; /* 0: TSR_SLOTS_MIN */
	bool inlined;          /* its ends are for the inlined calls, too */
	bool tapped;           /* its messages lie where a tap finds them */
	bool crowd;            /* its receivers sleep on one token: see waiter.h */
	bool slot_per_sender;  /* each sender end may hold a slot: no more ends than slots */

	/* How many ends may be open at once, of both sides; NULL: as many as there may be. */
	uint32_t (*ends)(struct tsr_shape const *shape);
	/* Context: the daemon, and whoever binds a channel. Room in the channels segment. */
	uint64_t (*bytes)(struct tsr_shape const *shape);
	/* Context: the daemon. Everything behind the head: the waiting masks and redo are 0. */
	void (*format)(struct tsr_channel_shm *shm, struct tsr_shape const *shape,
	               uint64_t first_lap);

	/*
	 * Context of all calls below: the end's own thread, or, for open and close, the one that
	 * opens or closes it, under the process lock. The struct tsr_end is bound to its channel.
	 */

	/* Find its place. Return: 0; -ENOMEM; -EINVAL options that don't fit the kind. */
	int (*open)(struct tsr_end *end, struct tsr_end_options const *options);
	/* Undo open; NULL: nothing to undo. Not called when the whole client detaches or dies. */
	void (*close)(struct tsr_end *end);
	/*
	 * One whole try. @zdesc may come back with another name (generation) if the send failed.
	 * Return: 0; -EAGAIN not now; or what tsr_send(), tsr_recv() say.
	 */
	int (*try_send)(struct tsr_end *end, struct tsr_zdesc *zdesc);
	int (*try_recv)(struct tsr_end *end, struct tsr_msg *msg);
	/*
	 * The call gives up: a try that failed had left something standing. NULL: none does, and
	 * a sender's tries may be repeated whenever it likes. Return: 0 it is sent after all;
	 * -EAGAIN the message is the caller's, perhaps under another name.
	 */
	int (*give_up)(struct tsr_end *end, struct tsr_zdesc *zdesc);
	/* Look only: may a try succeed now? What wait.c asks before and after a sleep. */
	bool (*has_work)(struct tsr_end const *end);
	/* The same, going to the place where it may: what an event loop asks. */
	bool (*find_work)(struct tsr_end *end);
	/* Context: any. Nothing there is to be received, or may be so again; NULL: all slots are
	 * empty. */
	bool (*is_empty)(struct tsr_channel const *channel);
	/* No sender is there any more: is everything received that was sent? */
	bool (*is_drained)(struct tsr_end const *end);
	/* A wake-up was spent on an end that has helped itself: hand it on if there is work. */
	void (*wake_mine)(struct tsr_end *end);
};

/* tsr_kind_get - Return: NULL no such kind, or one that is not offered (yet). */
struct tsr_kind const *tsr_kind_get(uint32_t kind);

/* tsr_kind_name - also of one that is not offered. Return: NULL no such kind. */
const char *tsr_kind_name(uint32_t kind);

#define TSR_KIND_FLAGS_BYTES 96

/* tsr_kind_flags - TSR_CHANNEL_* in the words of the command line; "no flags" if there is none.
 * Return: @text. */
const char *tsr_kind_flags(uint32_t flags, char text[TSR_KIND_FLAGS_BYTES]);

/* tsr_kind_find - by name. Return: TSR_KIND_*; 0 no such kind. */
uint32_t tsr_kind_find(const char *name);

/* tsr_kind_ring_bytes, tsr_kind_ring_format - of a kind that has but a ring of slots */
uint64_t tsr_kind_ring_bytes(struct tsr_shape const *shape);
void tsr_kind_ring_format(struct tsr_channel_shm *shm, struct tsr_shape const *shape,
                          uint64_t first_lap);

extern struct tsr_kind const tsr_kind_buffered;
extern struct tsr_kind const tsr_kind_broadcast;
extern struct tsr_kind const tsr_kind_conflated;
extern struct tsr_kind const tsr_kind_rendezvous;
extern struct tsr_kind const tsr_kind_unlimited;

#endif /* TSR_SHM_KIND_H */
