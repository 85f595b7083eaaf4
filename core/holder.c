/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "core/passing.h"
#include "core/store.h"
#include "core/systemd.h"
#include "core/user.h"

#define HOLDER_PEERS_MAX   8  /* a daemon, its successor, and who else of this user asks */
#define HOLDER_SPARE       64 /* descriptors for the holder itself */
#define HOLDER_PACKET      (TSR_STORE_NAME_BYTES + 64)
#define HOLDER_PATH_BYTES  256
#define HOLDER_FIRST_ITEMS 64

enum {
	HOLDER_SIGNALS,
	HOLDER_LISTENER,
	HOLDER_PEERS,
	HOLDER_FDS = HOLDER_PEERS + HOLDER_PEERS_MAX,
};

struct holder {
	struct pollfd fds[HOLDER_FDS]; /* fd -1: nobody */
	struct tsr_store_item *items;
	size_t count;
	size_t room;
	size_t limit;
	char path[HOLDER_PATH_BYTES];
	char lock_path[HOLDER_PATH_BYTES];
	int lock;
	bool bound;
};

static struct tsr_store_item *
holder_find(struct holder *holder, const char *name)
{
	for (size_t i = 0; i < holder->count; i++) {
		if (strcmp(holder->items[i].name, name) == 0)
			return &holder->items[i];
	}
	return NULL;
}

/* @fd is the holder's if this returns 0. */
static int
holder_keep(struct holder *holder, const char *name, int fd)
{
	struct tsr_store_item *item = holder_find(holder, name);
	struct tsr_store_item *items;
	size_t more;

	if (item != NULL) {
		(void)close(item->fd);
		item->fd = fd;
		return 0;
	}
	if (holder->count == holder->limit)
		return -ENOBUFS;
	if (holder->count == holder->room) {
		more = holder->room == 0 ? HOLDER_FIRST_ITEMS : 2 * holder->room;
		items = realloc(holder->items, more * sizeof(items[0]));
		if (items == NULL)
			return -ENOMEM;
		holder->items = items;
		holder->room = more;
	}
	item = &holder->items[holder->count++];
	(void)snprintf(item->name, sizeof(item->name), "%s", name);
	item->fd = fd;
	return 0;
}

static void
holder_drop(struct holder *holder, const char *name)
{
	struct tsr_store_item *const item = holder_find(holder, name);

	if (item == NULL)
		return;
	(void)close(item->fd);
	*item = holder->items[--holder->count];
}

/* All of it. Return: 0; -ETIMEDOUT, ... the peer does not take it. */
static int
holder_give(struct holder *holder, int peer)
{
	char text[HOLDER_PACKET];
	int error = 0;

	for (size_t i = 0; i < holder->count && error == 0; i++) {
		(void)snprintf(text, sizeof(text), "FDNAME=%s", holder->items[i].name);
		error = tsr_passing_send(peer, text, strlen(text), holder->items[i].fd);
	}
	return error;
}

/* What follows the given words, if the packet begins with them and it is a name; NULL. */
static const char *
holder_name(const char *text, const char *words)
{
	const char *name = text + strlen(words);

	if (strncmp(text, words, strlen(words)) != 0 || name[0] == '\0' ||
	    strlen(name) >= TSR_STORE_NAME_BYTES)
		return NULL;
	for (const char *c = name; *c != '\0'; c++) {
		if (*c <= ' ' || *c > '~' || *c == ':')
			return NULL;
	}
	return name;
}

/* One request. Return: 0; -EPROTO it is none; or why it is refused. @fd is -1 once it is kept. */
static int
holder_handle(struct holder *holder, int peer, const char *text, int *fd)
{
	const char *name = holder_name(text, "FDSTORE=1\nFDNAME=");
	int error;

	if (name != NULL && *fd >= 0) {
		error = holder_keep(holder, name, *fd);
		if (error == 0)
			*fd = -1;
		return error;
	}
	if (*fd >= 0)
		return -EPROTO;
	if (strcmp(text, "FDGET=1") == 0)
		return holder_give(holder, peer);
	name = holder_name(text, "FDSTOREREMOVE=1\nFDNAME=");
	if (name == NULL)
		return -EPROTO;
	holder_drop(holder, name);
	return 0;
}

static void
holder_hang_up(struct pollfd *peer)
{
	(void)close(peer->fd);
	peer->fd = -1;
}

static void
holder_serve_peer(struct holder *holder, struct pollfd *peer)
{
	char text[HOLDER_PACKET], answer[32] = "OK";
	int fd = -1;
	int error = tsr_passing_receive(peer->fd, text, sizeof(text), &fd);

	if (error != 0 && error != -EPROTO) {
		holder_hang_up(peer);
		return;
	}
	if (error == 0)
		error = holder_handle(holder, peer->fd, text, &fd);
	if (fd >= 0)
		(void)close(fd);
	if (error != 0)
		(void)snprintf(answer, sizeof(answer), "ERRNO=%d", -error);
	if (tsr_passing_send(peer->fd, answer, strlen(answer), -1) != 0)
		holder_hang_up(peer);
}

/* Is it one whom we answer? */
static bool
holder_trusts(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		return false;
	if (tsr_user_rules(peer.uid))
		return true;
	tsr_log(TSR_LOG_WARNING, "user %u (pid %d) was turned away, expected user %u or root",
	        peer.uid, (int)peer.pid, geteuid());
	return false;
}

static void
holder_accept(struct holder *holder)
{
	struct timeval const wait = {.tv_sec = 1};
	/* It does not know that nobody need be told from whom. */
	/* cppcheck-suppress nullPointer */
	int const fd = accept4(holder->fds[HOLDER_LISTENER].fd, NULL, NULL, SOCK_CLOEXEC);
	size_t place = HOLDER_PEERS;

	if (fd < 0)
		return;
	while (place < HOLDER_FDS && holder->fds[place].fd >= 0)
		place++;
	if (place == HOLDER_FDS || !holder_trusts(fd)) {
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	holder->fds[place] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* Whoever stands at our path: it is dead, or it is another holder. */
static int
holder_clear_path(struct holder const *holder, struct tsr_refusal *refusal)
{
	struct stat status;

	if (lstat(holder->path, &status) != 0)
		return 0;
	if (!S_ISSOCK(status.st_mode))
		return tsr_refuse(refusal, -EEXIST,
		                  "%s is there and is no socket: it is not replaced", holder->path);
	/* With the lock in hand it is a dead one's. */
	if (unlink(holder->path) != 0)
		return tsr_refuse(refusal, -errno, "stale socket %s cannot be removed: %s",
		                  holder->path, strerror(errno));
	return 0;
}

static int
holder_lock(struct holder *holder, struct tsr_refusal *refusal)
{
	holder->lock = open(holder->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (holder->lock < 0)
		return tsr_refuse(refusal, -errno, "lock file %s cannot be made: %s",
		                  holder->lock_path, strerror(errno));
	if (flock(holder->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	(void)close(holder->lock);
	holder->lock = -1;
	return tsr_refuse(refusal, -EADDRINUSE, "a living holder serves %s", holder->path);
}

static int
holder_listen(struct holder *holder, struct tsr_refusal *refusal)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int const fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return tsr_refuse(refusal, -errno, "socket: %s", strerror(errno));
	holder->fds[HOLDER_LISTENER] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (strlen(holder->path) >= sizeof(address.sun_path))
		return tsr_refuse(refusal, -ENAMETOOLONG,
		                  "the path of the holder's socket, %s, has %zu bytes, expected at "
		                  "most %zu",
		                  holder->path, strlen(holder->path), sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, holder->path, strlen(holder->path));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return tsr_refuse(refusal, -errno, "socket %s cannot be made: %s", holder->path,
		                  strerror(errno));
	holder->bound = true;
	/* Nobody else may connect, by our umask. The mode last: a daemon that waits for a holder
	 * sees that it is set, and then we listen. */
	if (listen(fd, HOLDER_PEERS_MAX) != 0 || chmod(holder->path, 0600) != 0)
		return tsr_refuse(refusal, -errno, "socket %s: %s", holder->path, strerror(errno));
	return 0;
}

static int
holder_signals(struct holder *holder, struct tsr_refusal *refusal)
{
	sigset_t signals;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	holder->fds[HOLDER_SIGNALS] = (struct pollfd){
		.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN};
	return holder->fds[HOLDER_SIGNALS].fd >= 0
	               ? 0
	               : tsr_refuse(refusal, -errno, "signalfd: %s", strerror(errno));
}

static int
holder_open(struct holder *holder, const char *socket, struct tsr_refusal *refusal)
{
	struct rlimit limit;
	int error;

	*holder = (struct holder){.lock = -1};
	for (size_t i = 0; i < HOLDER_FDS; i++)
		holder->fds[i].fd = -1;
	(void)umask(077);
	tsr_holder_path(socket, holder->path, sizeof(holder->path));
	(void)snprintf(holder->lock_path, sizeof(holder->lock_path), "%s.holder.lock", socket);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max <= HOLDER_SPARE)
		return tsr_refuse(refusal, -ENOBUFS,
		                  "this process may open too few descriptors (ulimit -n), expected "
		                  "more than %d",
		                  HOLDER_SPARE);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	holder->limit = limit.rlim_max - HOLDER_SPARE;
	error = holder_lock(holder, refusal);
	if (error == 0)
		error = holder_clear_path(holder, refusal);
	if (error == 0)
		error = holder_listen(holder, refusal);
	if (error == 0)
		error = holder_signals(holder, refusal);
	return error;
}

static void
holder_close(struct holder *holder)
{
	for (size_t i = 0; i < holder->count; i++)
		(void)close(holder->items[i].fd);
	free(holder->items);
	for (size_t i = 0; i < HOLDER_FDS; i++) {
		if (holder->fds[i].fd >= 0)
			(void)close(holder->fds[i].fd);
	}
	if (holder->bound)
		(void)unlink(holder->path);
	if (holder->lock >= 0) {
		(void)unlink(holder->lock_path);
		(void)close(holder->lock);
	}
}

static void
holder_run(struct holder *holder)
{
	for (;;) {
		if (poll(holder->fds, HOLDER_FDS, -1) < 0)
			continue;
		if (holder->fds[HOLDER_SIGNALS].revents != 0)
			return;
		for (size_t i = HOLDER_PEERS; i < HOLDER_FDS; i++) {
			if (holder->fds[i].fd >= 0 && holder->fds[i].revents != 0)
				holder_serve_peer(holder, &holder->fds[i]);
		}
		if (holder->fds[HOLDER_LISTENER].revents != 0)
			holder_accept(holder);
	}
}

int
tsr_holder_serve(const char *socket, struct tsr_refusal *refusal)
{
	struct holder holder;
	int const error = holder_open(&holder, socket, refusal);

	if (error == 0) {
		tsr_log(TSR_LOG_NOTICE, "ready: holds up to %zu descriptors on %s", holder.limit,
		        holder.path);
		tsr_systemd_notify("READY=1\nSTATUS=holds descriptors on %s", holder.path);
		holder_run(&holder);
		tsr_log(TSR_LOG_NOTICE, "ended: %zu descriptors are let go of", holder.count);
	}
	holder_close(&holder);
	return error;
}
