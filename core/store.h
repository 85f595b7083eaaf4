/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_STORE_H
#define TSR_CORE_STORE_H

/*
 * The store: where descriptors are kept beyond this process, so that a successor finds them.
 *
 * Two kinds, one text protocol (systemd's, see sd_pid_notify_with_fds(3)):
 *
 *	systemd's descriptor store	if it says so (FDSTORE=N in the environment): datagrams to
 *					its notification socket, and LISTEN_FDS at the next start
 *	a holder			`tesserad --holder`, beside the control socket: see holder.h
 *
 * Names are unique: keeping a second descriptor under a name replaces the first.
 *
 * Trust	a holder is believed if the kernel says that it runs as our own user, or root.
 * Progress	each call waits until the store has answered, for a second at most; then it is
 *		given up, and from then on nothing is kept, until a holder comes that can be used.
 *
 * Context of every call: any thread, but open, take and close.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

#define TSR_STORE_NAME_BYTES 192
#define TSR_STORE_PREFIX     "tsr." /* of every name */

enum tsr_store_kind {
	TSR_STORE_NONE = 0,
	TSR_STORE_SYSTEMD = 1,
	TSR_STORE_HOLDER = 2,
};

struct tsr_store_item {
	char name[TSR_STORE_NAME_BYTES];
	int fd; /* -1: taken by somebody */
};

struct tsr_store {
	pthread_mutex_t lock; /* of everything below but `found` */
	bool made;
	enum tsr_store_kind kind;
	int fd;    /* to the holder; -1 */
	int watch; /* inotify: of the folder where a holder would come; -1: nobody looks */
	char (*names)[TSR_STORE_NAME_BYTES];
	uint32_t count;
	uint32_t room;
	uint32_t limit; /* how many it takes */
	/* What the last daemon has left: the main thread's. */
	struct tsr_store_item *found;
	size_t found_count;
};

/*
 * tsr_store_open - find a store, and what is in it
 * @socket:	the control socket's path
 *
 * Return: 0, also without any store; -ENOMEM; what a holder that is there could not give.
 */
TSR_MUST_CHECK
int tsr_store_open(struct tsr_store *store, const char *socket);

/* tsr_store_close - let go of it; what it keeps it keeps. */
void tsr_store_close(struct tsr_store *store);

/* tsr_store_is - which kind; TSR_STORE_NONE: there is none, or it has failed. */
enum tsr_store_kind tsr_store_is(struct tsr_store *store);

/* tsr_store_count - how many descriptors it keeps. */
uint32_t tsr_store_count(struct tsr_store *store);

/*
 * tsr_store_keep - have it keep @fd, too
 *
 * Return: 0; -EOPNOTSUPP there is no store, or it has failed; -ENOBUFS it is full; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_store_keep(struct tsr_store *store, const char *name, int fd);

/* tsr_store_drop - have it close what it keeps under that name, if there is any. */
void tsr_store_drop(struct tsr_store *store, const char *name);

/* tsr_store_lose - the holder is gone: nothing is kept any more. */
void tsr_store_lose(struct tsr_store *store);

/* tsr_store_is_lost - there is no store any more, or it has hung up and nobody has noticed yet. */
bool tsr_store_is_lost(struct tsr_store *store);

/*
 * tsr_store_came - after @watch was readable: has a holder come?
 *
 * Context: the thread that calls tsr_store_again().
 */
bool tsr_store_came(struct tsr_store *store, const char *socket);

/*
 * tsr_store_again - a store that was lost: use the holder that is there now; it keeps nothing yet
 *
 * Return: 0; -ENOENT there is none; what it could not do.
 */
TSR_MUST_CHECK
int tsr_store_again(struct tsr_store *store, const char *socket);

/* tsr_store_let_go - it keeps what it keeps: from here on nothing is said to it. */
void tsr_store_let_go(struct tsr_store *store);

/* tsr_store_clear - and so all of it: nothing is left to take over. */
void tsr_store_clear(struct tsr_store *store);

/* tsr_store_find - what was found under that name; NULL. Who takes the descriptor puts -1 there.
 * tsr_store_discard - close it, if it was: something else will be kept under that name. */
struct tsr_store_item *tsr_store_find(struct tsr_store *store, const char *name);
void tsr_store_discard(struct tsr_store *store, const char *name);

/* tsr_store_sweep - close what was found and nobody took, and have the store drop it, too. */
void tsr_store_sweep(struct tsr_store *store);

/* tsr_holder_path - of the holder's socket. */
void tsr_holder_path(const char *socket, char *out, size_t out_bytes);

#endif /* TSR_CORE_STORE_H */
