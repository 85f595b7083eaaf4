/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/store.h"

#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/holder.h"
#include "core/log.h"
#include "core/systemd.h"
#include "core/user.h"

#define STORE_WAIT_S 1
#define STORE_EVENTS 1024

void
tsr_holder_path(const char *socket, char *out, size_t out_bytes)
{
	(void)snprintf(out, out_bytes, "%s.holder", socket);
}

/* Remember that it is kept. The lock is held, or nobody else is there yet. */
static int
store_note(struct tsr_store *store, const char *name)
{
	char(*names)[TSR_STORE_NAME_BYTES];
	uint32_t more;

	for (uint32_t i = 0; i < store->count; i++) {
		if (strcmp(store->names[i], name) == 0)
			return 0;
	}
	if (store->count >= store->limit)
		return -ENOBUFS;
	if (store->count == store->room) {
		more = store->room == 0 ? 64 : 2 * store->room;
		names = realloc(store->names, more * sizeof(names[0]));
		if (names == NULL)
			return -ENOMEM;
		store->names = names;
		store->room = more;
	}
	(void)snprintf(store->names[store->count++], sizeof(store->names[0]), "%s", name);
	return 0;
}

/* Return: whether it was kept. */
static bool
store_forget(struct tsr_store *store, const char *name)
{
	for (uint32_t i = 0; i < store->count; i++) {
		if (strcmp(store->names[i], name) != 0)
			continue;
		store->count--;
		if (i != store->count)
			memcpy(store->names[i], store->names[store->count],
			       sizeof(store->names[0]));
		return true;
	}
	return false;
}

/* One that was left. @fd is the store's from here on. */
static int
store_add_found(struct tsr_store *store, const char *name, int fd)
{
	struct tsr_store_item *found;
	int error = store_note(store, name);

	found = error == 0 ? realloc(store->found, (store->found_count + 1) * sizeof(found[0]))
	                   : NULL;
	if (found == NULL) {
		(void)close(fd);
		return error == 0 ? -ENOMEM : error;
	}
	store->found = found;
	found = &store->found[store->found_count++];
	found->fd = fd;
	(void)snprintf(found->name, sizeof(found->name), "%s", name);
	return 0;
}

static int
store_found_fn(void *argument, const char *name, int fd)
{
	return store_add_found(argument, name, fd);
}

/* A holder that listens, and is ours. Return: a descriptor; -ENOENT there is none. */
static int
store_connect(const char *socket_path)
{
	struct timeval const wait = {.tv_sec = STORE_WAIT_S};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[TSR_STORE_NAME_BYTES];
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	int fd;

	tsr_holder_path(socket_path, path, sizeof(path));
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENOENT;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) {
		(void)close(fd);
		return -ENOENT;
	}
	if (tsr_user_rules(peer.uid))
		return fd;
	tsr_log(TSR_LOG_WARNING, "%s is user %u's, expected user %u's or root's: not used", path,
	        peer.uid, geteuid());
	(void)close(fd);
	return -ENOENT;
}

static int
store_open_holder(struct tsr_store *store, const char *socket)
{
	int const fd = store_connect(socket);
	int error;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	store->kind = TSR_STORE_HOLDER;
	store->fd = fd;
	store->limit = UINT32_MAX; /* it says so itself when it is full */
	error = tsr_holder_get(fd, store_found_fn, store);
	return error;
}

/* A holder sets the mode of its socket once it listens there. */
static int
store_watch(const char *socket)
{
	char folder[TSR_STORE_NAME_BYTES];
	char *slash;
	int const fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	(void)snprintf(folder, sizeof(folder), "%s", socket);
	slash = strrchr(folder, '/');
	if (slash != NULL)
		slash[1] = '\0';
	if (fd >= 0 && inotify_add_watch(fd, slash != NULL ? folder : ".", IN_ATTRIB) >= 0)
		return fd;
	tsr_log(TSR_LOG_WARNING,
	        "%s can't be watched (%s): a holder that is started later is not noticed", folder,
	        strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

int
tsr_store_open(struct tsr_store *store, const char *socket)
{
	int error;

	*store = (struct tsr_store){.fd = -1, .watch = -1};
	(void)pthread_mutex_init(&store->lock, NULL);
	store->made = true;
	store->limit = tsr_systemd_store_limit();
	if (store->limit == 0) {
		/* First this, then the look: who comes in between is noticed. */
		store->watch = store_watch(socket);
		return store_open_holder(store, socket);
	}
	store->kind = TSR_STORE_SYSTEMD;
	error = tsr_systemd_take_stored(store_found_fn, store);
	return error;
}

void
tsr_store_close(struct tsr_store *store)
{
	if (!store->made)
		return;
	for (size_t i = 0; i < store->found_count; i++) {
		if (store->found[i].fd >= 0)
			(void)close(store->found[i].fd);
	}
	free(store->found);
	free(store->names);
	if (store->fd >= 0)
		(void)close(store->fd);
	if (store->watch >= 0)
		(void)close(store->watch);
	(void)pthread_mutex_destroy(&store->lock);
	*store = (struct tsr_store){.fd = -1, .watch = -1};
}

enum tsr_store_kind
tsr_store_is(struct tsr_store *store)
{
	enum tsr_store_kind kind;

	if (!store->made)
		return TSR_STORE_NONE;
	(void)pthread_mutex_lock(&store->lock);
	kind = store->kind;
	(void)pthread_mutex_unlock(&store->lock);
	return kind;
}

uint32_t
tsr_store_count(struct tsr_store *store)
{
	uint32_t count;

	if (!store->made)
		return 0;
	(void)pthread_mutex_lock(&store->lock);
	count = store->kind == TSR_STORE_NONE ? 0 : store->count;
	(void)pthread_mutex_unlock(&store->lock);
	return count;
}

/* It does not answer, or not as it should. The lock is held. */
static void
store_fail(struct tsr_store *store, int error)
{
	tsr_log(TSR_LOG_WARNING,
	        "the store of descriptors has failed (%s): nothing is kept from now on, a "
	        "successor of this daemon has nothing to take over",
	        strerror(-error));
	store->kind = TSR_STORE_NONE;
	/* Who watches it hears of it. */
	if (store->fd >= 0)
		(void)shutdown(store->fd, SHUT_RDWR);
}

/* The lock is held. */
static int
store_keep(struct tsr_store *store, const char *name, int fd)
{
	int error;

	if (store->kind == TSR_STORE_NONE)
		return -EOPNOTSUPP;
	/* A holder replaces what it had under that name, systemd does not. */
	if (store_forget(store, name) && store->kind == TSR_STORE_SYSTEMD)
		(void)!tsr_systemd_unstore(name);
	error = store_note(store, name);
	if (error != 0)
		return error;
	error = store->kind == TSR_STORE_HOLDER ? tsr_holder_keep(store->fd, name, fd)
	                                        : tsr_systemd_store(name, fd);
	if (error == 0)
		return 0;
	(void)store_forget(store, name);
	if (error == -ENOBUFS || error == -ENOMEM)
		return error;
	store_fail(store, error);
	return -EOPNOTSUPP;
}

int
tsr_store_keep(struct tsr_store *store, const char *name, int fd)
{
	int error;

	if (!store->made)
		return -EOPNOTSUPP;
	(void)pthread_mutex_lock(&store->lock);
	error = store_keep(store, name, fd);
	(void)pthread_mutex_unlock(&store->lock);
	return error;
}

/* The lock is held. */
static void
store_drop(struct tsr_store *store, const char *name)
{
	int error;

	if (store->kind == TSR_STORE_NONE || !store_forget(store, name))
		return;
	error = store->kind == TSR_STORE_HOLDER ? tsr_holder_drop(store->fd, name)
	                                        : tsr_systemd_unstore(name);
	if (error != 0)
		store_fail(store, error);
}

void
tsr_store_drop(struct tsr_store *store, const char *name)
{
	if (!store->made)
		return;
	(void)pthread_mutex_lock(&store->lock);
	store_drop(store, name);
	(void)pthread_mutex_unlock(&store->lock);
}

void
tsr_store_lose(struct tsr_store *store)
{
	(void)pthread_mutex_lock(&store->lock);
	if (store->kind != TSR_STORE_NONE)
		store_fail(store, -ENOTCONN);
	(void)pthread_mutex_unlock(&store->lock);
}

bool
tsr_store_is_lost(struct tsr_store *store)
{
	struct pollfd peer = {.events = POLLRDHUP};
	bool lost;

	(void)pthread_mutex_lock(&store->lock);
	peer.fd = store->fd;
	lost = store->kind == TSR_STORE_NONE ||
	       (store->kind == TSR_STORE_HOLDER && poll(&peer, 1, 0) != 0);
	(void)pthread_mutex_unlock(&store->lock);
	return lost;
}

bool
tsr_store_came(struct tsr_store *store, const char *socket)
{
	alignas(struct inotify_event) char buffer[STORE_EVENTS];
	char path[TSR_STORE_NAME_BYTES];
	const char *name;
	bool came = false;
	ssize_t got;

	tsr_holder_path(socket, path, sizeof(path));
	name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	while ((got = read(store->watch, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < got;) {
			struct inotify_event const *const event =
				(struct inotify_event const *)(void const *)(buffer + at);

			came = came || (event->mask & IN_Q_OVERFLOW) != 0 ||
			       (event->len != 0 && strcmp(event->name, name) == 0);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	return came;
}

int
tsr_store_again(struct tsr_store *store, const char *socket)
{
	int error;

	(void)pthread_mutex_lock(&store->lock);
	if (store->fd >= 0)
		(void)close(store->fd);
	store->fd = -1;
	store->kind = TSR_STORE_NONE;
	store->count = 0;
	error = store_open_holder(store, socket);
	if (error == 0 && store->kind == TSR_STORE_NONE)
		error = -ENOENT;
	if (error != 0)
		store->kind = TSR_STORE_NONE;
	(void)pthread_mutex_unlock(&store->lock);
	/* Of us, and of the time before it had hung: what it does not know of would be missing. */
	tsr_store_sweep(store);
	return error;
}

void
tsr_store_let_go(struct tsr_store *store)
{
	if (!store->made)
		return;
	(void)pthread_mutex_lock(&store->lock);
	store->kind = TSR_STORE_NONE;
	(void)pthread_mutex_unlock(&store->lock);
}

void
tsr_store_clear(struct tsr_store *store)
{
	char name[TSR_STORE_NAME_BYTES];

	if (!store->made)
		return;
	(void)pthread_mutex_lock(&store->lock);
	while (store->kind != TSR_STORE_NONE && store->count > 0) {
		memcpy(name, store->names[store->count - 1], sizeof(name));
		store_drop(store, name);
	}
	store->kind = TSR_STORE_NONE;
	(void)pthread_mutex_unlock(&store->lock);
}

struct tsr_store_item *
tsr_store_find(struct tsr_store *store, const char *name)
{
	for (size_t i = 0; i < store->found_count; i++) {
		if (store->found[i].fd >= 0 && strcmp(store->found[i].name, name) == 0)
			return &store->found[i];
	}
	return NULL;
}

void
tsr_store_discard(struct tsr_store *store, const char *name)
{
	struct tsr_store_item *const item = tsr_store_find(store, name);

	if (item == NULL)
		return;
	(void)close(item->fd);
	item->fd = -1;
}

void
tsr_store_sweep(struct tsr_store *store)
{
	for (size_t i = 0; i < store->found_count; i++) {
		struct tsr_store_item *const item = &store->found[i];

		if (item->fd < 0)
			continue;
		tsr_store_drop(store, item->name);
		(void)close(item->fd);
		item->fd = -1;
	}
	free(store->found);
	store->found = NULL;
	store->found_count = 0;
}
