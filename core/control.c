/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/chore.h"
#include "core/closing.h"
#include "core/connection.h"
#include "core/control_request.h"
#include "core/counter.h"
#include "core/offer.h"
#include "core/realm.h"
#include "core/systemd.h"
#include "core/upgrade.h"

#define SERVER_EVENTS_MAX 32

#define SERVER_LOOK_NS     UINT64_C(100000000)
#define SERVER_LOOK_MAX_NS UINT64_C(10000000000)

/* Marks in the epoll data for what is no connection. */
static char server_mark_listener, server_mark_signals, server_mark_timer, server_mark_leave,
	server_mark_config, server_mark_feed, server_mark_errands;

static int
server_watch(struct tsr_server const *server, int fd, void *mark)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = mark}};

	return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int
server_open(struct tsr_server *server)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	server->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	server->leave = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (server->epoll < 0 || server->signals < 0 || server->timer < 0 || server->leave < 0 ||
	    server->spare < 0)
		return -errno;
	if (server_watch(server, server->signals, &server_mark_signals) != 0 ||
	    server_watch(server, server->timer, &server_mark_timer) != 0 ||
	    server_watch(server, server->leave, &server_mark_leave) != 0 ||
	    server_watch(server, server->daemon->feed.bell, &server_mark_feed) != 0 ||
	    server_watch(server, server->daemon->errands.bell, &server_mark_errands) != 0 ||
	    server_watch(server, server->daemon->rundir.listener, &server_mark_listener) != 0 ||
	    tsr_server_watch_store(server) != 0)
		return -errno;
	if (server->daemon->reload.watch.fd >= 0 &&
	    server_watch(server, server->daemon->reload.watch.fd, &server_mark_config) != 0)
		return -errno;
	return 0;
}

int
tsr_server_create(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct tsr_server *const server = calloc(1, sizeof(*server));
	int error;

	if (server == NULL)
		return tsr_refuse(refusal, -ENOMEM, "no memory for the control server");
	server->daemon = daemon;
	server->epoll = server->signals = server->timer = server->leave = server->spare = -1;
	server->refusals.feed = &daemon->feed;
	daemon->server = server;
	error = server_open(server);
	if (error != 0) {
		tsr_server_destroy(server);
		daemon->server = NULL;
		return tsr_refuse(refusal, error, "the control server could not be made: %s",
		                  strerror(-error));
	}
	return 0;
}

void
tsr_server_arm(struct tsr_server *server, uint64_t deadline_ns)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(deadline_ns / UINT64_C(1000000000)),
	                     .tv_nsec = (long)(deadline_ns % UINT64_C(1000000000))},
	};

	if (server->armed_ns != 0 && server->armed_ns <= deadline_ns)
		return;
	server->armed_ns = deadline_ns;
	(void)timerfd_settime(server->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* What is only counted is told when its time is over. */
static void
server_arm_refusals(struct tsr_server *server, uint64_t due_ns)
{
	if (due_ns != 0)
		tsr_server_arm(server, due_ns);
}

void
tsr_server_tell(struct tsr_server *server, struct tsr_proto_row_feed const *row)
{
	server_arm_refusals(server, tsr_refusals_add(&server->refusals, row, tsr_now_ns()));
}

void
tsr_server_stop(struct tsr_server *server, const char *why)
{
	struct tsr_proto_row_feed row = {.kind = TSR_FEED_STOP, .uid = UINT32_MAX};

	if (server->stopping)
		return;
	server->stopping = true;
	tsr_feed_tell(&server->daemon->feed, TSR_LOG_NOTICE, &row, "stopping: %s", why);
	tsr_systemd_notify("STOPPING=1\nSTATUS=stopping: %s", why);
	/* Closing it takes it out of the epoll as well. */
	tsr_rundir_unlisten(&server->daemon->rundir);
	tsr_poll_core_stop(&server->daemon->poll);
}

void
tsr_server_leave(struct tsr_server *server, struct tsr_proto_row_feed *row, const char *why)
{
	struct tsr_daemon *const daemon = server->daemon;

	server->stopping = true;
	daemon->leaving_all = true;
	tsr_feed_tell(&daemon->feed, TSR_LOG_NOTICE, row, "leaving: %s", why);
	tsr_systemd_notify("STATUS=leaving: %s", why);
	/* Who comes now waits in its queue for the successor. */
	(void)epoll_ctl(server->epoll, EPOLL_CTL_DEL, daemon->rundir.listener, NULL);
	tsr_poll_core_stop(&daemon->poll);
}

static void
server_reload(struct tsr_server *server, const char *who)
{
	/* Whoever ends the daemon has the configuration from then on. */
	if (!server->stopping)
		(void)tsr_reload_run(server->daemon, who);
}

/* SIGHUP asks for a reload. The first of the others stops cleanly; from then on signals do what
 * they do by default: at once. */
static void
server_signal(struct tsr_server *server)
{
	struct signalfd_siginfo info;
	sigset_t signals;
	char why[64];

	if (read(server->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	(void)snprintf(why, sizeof(why), "SIG%s from pid %u", sigabbrev_np((int)info.ssi_signo),
	               info.ssi_pid);
	if (info.ssi_signo == SIGHUP) {
		server_reload(server, why);
		return;
	}
	if (server->daemon->leaving_all) {
		server->daemon->leave.signal = (int)info.ssi_signo;
		return;
	}
	tsr_server_stop(server, why);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

/* systemd hears of us only while the poll core moves, too. */
static void
server_watchdog(struct tsr_server *server, uint64_t now_ns)
{
	uint64_t rounds;

	if (server->watchdog_ns == 0)
		return;
	if (now_ns >= server->watchdog_due_ns) {
		rounds = tsr_poll_core_rounds(&server->daemon->poll);
		if (rounds != server->watchdog_rounds)
			tsr_systemd_notify(
				"WATCHDOG=1\nSTATUS=%llu clients, %llu connections",
				(unsigned long long)tsr_counter_read(
					&server->daemon->clients_count),
				(unsigned long long)tsr_counter_read(&server->daemon->connections));
		else
			tsr_log(TSR_LOG_ERROR, "the poll core did not answer its doorbell");
		server->watchdog_rounds = rounds;
		server->watchdog_due_ns = now_ns + server->watchdog_ns / 2;
		tsr_poll_core_ring(&server->daemon->poll);
	}
	tsr_server_arm(server, server->watchdog_due_ns);
}

void
tsr_server_watch_events(struct tsr_server *server)
{
	server->look_ns = SERVER_LOOK_NS;
	if (server->look_due_ns == 0) {
		server->look_due_ns = tsr_now_ns() + server->look_ns;
		tsr_server_arm(server, server->look_due_ns);
	}
}

static void
server_look_at(struct tsr_realm *realm, void *argument)
{
	bool *const armed = argument;

	if (!realm->condemned && tsr_events_look(realm))
		*armed = true;
}

/* Whoever claimed a token and did not ring was stopped in between: its sleepers look after a
 * while, and so do we for those who wait by descriptor. */
static void
server_look(struct tsr_server *server, uint64_t now_ns)
{
	bool armed = false;

	if (server->look_due_ns == 0)
		return;
	if (now_ns >= server->look_due_ns) {
		tsr_daemon_each_realm(server->daemon, server_look_at, &armed);
		server->look_ns = server->look_ns < SERVER_LOOK_MAX_NS / 2 ? 2 * server->look_ns
		                                                           : SERVER_LOOK_MAX_NS;
		server->look_due_ns = armed ? now_ns + server->look_ns : 0;
	}
	if (server->look_due_ns != 0)
		tsr_server_arm(server, server->look_due_ns);
}

static void
server_timer(struct tsr_server *server)
{
	uint64_t const now = tsr_now_ns();
	uint64_t expirations;

	if (read(server->timer, &expirations, sizeof(expirations)) < 0)
		return;
	server->armed_ns = 0;
	tsr_closing_expire(server, now);
	tsr_connection_expire(server, now);
	tsr_offers_expire(server, now);
	tsr_upgrade_expire(server, now);
	server_arm_refusals(server, tsr_refusals_expire(&server->refusals, now));
	server_look(server, now);
	tsr_server_try_store(server, now);
	server_watchdog(server, now);
}

static void
server_changed(struct tsr_server *server)
{
	if (!server->stopping)
		tsr_reload_changed(server->daemon);
	else /* or it would wake us for ever */
		(void)epoll_ctl(server->epoll, EPOLL_CTL_DEL, server->daemon->reload.watch.fd,
		                NULL);
}

static void *
server_thread(void *argument)
{
	struct tsr_server *const server = argument;
	struct epoll_event events[SERVER_EVENTS_MAX];

	(void)pthread_setname_np(pthread_self(), "control");
	tsr_registry_thread_begin();
	server->watchdog_ns = tsr_systemd_watchdog_ns();
	server->watchdog_rounds = UINT64_MAX;
	server_watchdog(server, tsr_now_ns());
	while (!server->leaving) {
		int const patience = server->chores != NULL ? 0 : -1;
		int const ready = epoll_wait(server->epoll, events, SERVER_EVENTS_MAX, patience);
		bool timer = false, news = false;

		for (int i = 0; i < ready; i++) {
			void *const mark = events[i].data.ptr;

			if (mark == &server_mark_listener)
				tsr_connection_accept(server);
			else if (mark == &server_mark_signals)
				server_signal(server);
			else if (mark == &server_mark_timer)
				timer = true;
			else if (mark == &server_mark_leave)
				server->leaving = true;
			else if (mark == &server_mark_errands)
				tsr_errands_serve(&server->daemon->errands);
			else if (mark == &server_mark_feed)
				news = true;
			else if (mark == &server_mark_config)
				server_changed(server);
			else
				((struct tsr_source *)mark)->serve(mark, events[i].events);
		}
		/* Last, for these may close connections that the events above speak of. */
		if (news || server->leaving)
			tsr_request_feed_news(server);
		if (timer)
			server_timer(server);
		if (server->chores != NULL)
			tsr_chores_step(server);
	}
	/* Whose daemon leaves all to another one is away, and what is kept of it stays. */
	if (server->daemon->leave.how != 0)
		tsr_upgrade_mark(server->daemon, server->spare);
	if (server->daemon->leaving_all)
		tsr_store_let_go(&server->daemon->store);
	while (server->connections != NULL)
		tsr_connection_close(server->connections);
	tsr_offers_drop(server);
	tsr_upgrade_drop(server);
	tsr_closing_drop(server);
	tsr_errands_close(&server->daemon->errands);
	tsr_registry_thread_end();
	return NULL;
}

int
tsr_server_start(struct tsr_server *server, struct tsr_refusal *refusal)
{
	pthread_attr_t attributes;
	int error = pthread_attr_init(&attributes);

	if (error == 0) {
		/* Not where the poll core may have been pinned. */
		(void)pthread_attr_setaffinity_np(&attributes, sizeof(server->daemon->cpus),
		                                  &server->daemon->cpus);
		error = pthread_create(&server->thread, &attributes, server_thread, server);
		(void)pthread_attr_destroy(&attributes);
	}
	if (error != 0)
		return tsr_refuse(refusal, -error, "the control thread could not be made: %s",
		                  strerror(error));
	server->running = true;
	return 0;
}

void
tsr_server_destroy(struct tsr_server *server)
{
	int const fds[] = {server->spare, server->leave, server->timer, server->signals,
	                   server->epoll};
	uint64_t const one = 1;

	if (server->running && write(server->leave, &one, sizeof(one)) > 0)
		(void)pthread_join(server->thread, NULL);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
	}
	free(server);
}
