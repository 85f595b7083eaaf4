/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* The store goes, and comes back: what is there is then kept again. */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/control.h"
#include "core/kept.h"
#include "core/realm.h"

/* Until the next attempt with one that does not answer: each holds everybody up for a second. */
#define STORE_AGAIN_NS     UINT64_C(1000000000)
#define STORE_AGAIN_MAX_NS UINT64_C(64000000000)

static int
store_watch(struct tsr_server *server, int fd, uint32_t events, struct tsr_source *source)
{
	struct epoll_event event = {.events = events, .data = {.ptr = source}};

	return fd < 0 || epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static void
store_lose_realm(struct tsr_realm *realm, void *argument)
{
	(void)argument;
	tsr_kept_lose(realm, "the holder is gone");
}

static void
store_keep_realm(struct tsr_realm *realm, void *argument)
{
	struct tsr_proto_row_feed row = tsr_realm_row(realm, TSR_FEED_REALM);

	(void)argument;
	if (!realm->kept && tsr_kept_begin(realm))
		tsr_feed_tell(&realm->daemon->feed, TSR_LOG_NOTICE, &row,
		              "realm '%s' is kept from now on: a successor of this daemon can take "
		              "it over",
		              realm->entry.name);
}

static void
store_later(struct tsr_server *server)
{
	if (server->store_again_ns < STORE_AGAIN_MAX_NS)
		server->store_again_ns *= 2;
	server->store_due_ns = tsr_now_ns() + server->store_again_ns;
	tsr_server_arm(server, server->store_due_ns);
}

/* Nothing is kept: if a holder is there, it gets all there is. */
static void
store_try(struct tsr_server *server)
{
	struct tsr_store *const store = &server->daemon->store;
	int error = tsr_store_again(store, server->daemon->rundir.socket);

	if (error == 0)
		error = store_watch(server, store->fd, EPOLLRDHUP, &server->store);
	if (error == 0)
		tsr_daemon_each_realm(server->daemon, store_keep_realm, NULL);
	if (error == 0 || error == -ENOENT)
		return;
	tsr_log(TSR_LOG_WARNING, "the holder that is there can't be used, it is tried again: %s",
	        strerror(-error));
	store_later(server);
}

static void
store_drop(struct tsr_server *server)
{
	(void)epoll_ctl(server->epoll, EPOLL_CTL_DEL, server->daemon->store.fd, NULL);
	tsr_store_lose(&server->daemon->store);
	tsr_daemon_each_realm(server->daemon, store_lose_realm, NULL);
}

/* One that only hung for a while is there already, and is not told of. */
static void
store_gone(struct tsr_source *source, uint32_t events)
{
	struct tsr_server *const server = TSR_CONTAINER_OF(source, struct tsr_server, store);

	(void)events;
	/* It may be another one by now. */
	if (!tsr_store_is_lost(&server->daemon->store))
		return;
	store_drop(server);
	store_later(server);
}

void
tsr_server_try_store(struct tsr_server *server, uint64_t now_ns)
{
	if (server->store_due_ns == 0)
		return;
	if (now_ns < server->store_due_ns) {
		tsr_server_arm(server, server->store_due_ns);
		return;
	}
	server->store_due_ns = 0;
	if (!server->stopping && tsr_store_is_lost(&server->daemon->store))
		store_try(server);
}

static void
store_holder(struct tsr_source *source, uint32_t events)
{
	struct tsr_server *const server = TSR_CONTAINER_OF(source, struct tsr_server, holder);
	struct tsr_store *const store = &server->daemon->store;

	(void)events;
	if (!tsr_store_came(store, server->daemon->rundir.socket) || server->stopping ||
	    !tsr_store_is_lost(store))
		return;
	if (tsr_store_is(store) != TSR_STORE_NONE)
		store_drop(server);
	server->store_due_ns = 0;
	server->store_again_ns = STORE_AGAIN_NS / 2;
	store_try(server);
}

int
tsr_server_watch_store(struct tsr_server *server)
{
	struct tsr_store const *const store = &server->daemon->store;
	int error;

	server->store.serve = store_gone;
	server->holder.serve = store_holder;
	server->store_again_ns = STORE_AGAIN_NS / 2;
	/* Not what the holder answers, which whoever asked waits for, but its end. */
	error = store_watch(server, store->fd, EPOLLRDHUP, &server->store);
	return error != 0 ? error : store_watch(server, store->watch, EPOLLIN, &server->holder);
}
