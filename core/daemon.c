/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/daemon.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control.h"
#include "core/counter.h"
#include "core/death.h"
#include "core/eal.h"
#include "core/guard.h"
#include "core/helper.h"
#include "core/realm.h"
#include "core/sandbox_daemon.h"
#include "core/systemd.h"
#include "core/takeover.h"
#include "core/telemetry.h"
#include "core/ticks.h"
#include "shm/access.h"
#include "shm/trace.h"

#define DAEMON_DESCRIPTORS_MIN 64
#define DAEMON_REALM_BUCKETS   64
#define DAEMON_CLIENT_BUCKETS  1024
#define DAEMON_KEY_BYTES       sizeof(uint64_t)

/* Signals: SIGTERM, SIGINT and SIGHUP come by descriptor, a write to nobody or beyond a limit is an
 * errno. */
static void
daemon_block_signals(void)
{
	sigset_t signals;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	/* nohup(1) has it ignored; by descriptor it asks for a reload. */
	(void)signal(SIGHUP, SIG_DFL);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
}

/* Two or three descriptors a client: the soft limit of 1,024 is soon reached. Without a few dozen
 * EAL would not fail but abort. */
static int
daemon_raise_limits(struct tsr_refusal *refusal)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= DAEMON_DESCRIPTORS_MIN)
		return 0;
	return tsr_refuse(
		refusal, -ENOBUFS,
		"this process may open %llu descriptors (ulimit -n), expected at least %d",
		(unsigned long long)limit.rlim_max, DAEMON_DESCRIPTORS_MIN);
}

/* Where the poll core is pinned; -1: nowhere. A core that never sleeps gets the last we may use,
 * unless one is named: the first has the system's own work. */
static int
daemon_choose_cpu(struct tsr_daemon *daemon)
{
	int chosen = daemon->config->poll_cpu;

	if (chosen >= 0 || !daemon->config->isolated)
		return chosen;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &daemon->cpus))
			chosen = (int)cpu;
	}
	return chosen;
}

static int
daemon_start_eal(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct tsr_ticks_mark const begin = tsr_ticks_mark();
	int const cpu = daemon_choose_cpu(daemon);
	int error;

	if (cpu >= 0 && (cpu >= CPU_SETSIZE || !CPU_ISSET((size_t)cpu, &daemon->cpus)))
		return tsr_refuse(
			refusal, -EINVAL,
			"poll.cpu is %d, which this process may not run on (taskset -p shows "
			"where)",
			cpu);
	refusal->text[0] = '\0';
	error = tsr_eal_start(daemon->rundir.eal_folder, cpu, refusal->text, sizeof(refusal->text));
	if (error != 0) {
		refusal->error = error;
		if (refusal->text[0] == '\0')
			tsr_refuse(refusal, error, "DPDK did not start: %s", strerror(-error));
		return error;
	}
	daemon->eal_started = true;
	if (daemon->ticks_per_second == 0)
		daemon->ticks_per_second = tsr_ticks_per_second(begin);
	daemon->poll_cpu = cpu >= 0 ? cpu : sched_getcpu();
	return 0;
}

/* Those of the configuration that are not there. */
static int
daemon_create_realms(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	for (uint32_t i = 0; i < daemon->config->realms_count; i++) {
		struct tsr_config_realm const *const config = &daemon->config->realms[i];
		struct tsr_realm *realm = tsr_realm_lookup(daemon, config->geometry.name);
		int error = 0;

		if (realm == NULL && !config->leaving)
			error = tsr_realm_create(daemon, config, &realm, refusal);
		if (error != 0)
			return error;
		if (realm != NULL)
			tsr_realm_put(realm);
	}
	return 0;
}

static int
daemon_create_tables(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	int const error = tsr_postmortem_create(&daemon->postmortem, daemon->config, refusal);

	if (error != 0)
		return error;
	tsr_quota_create(&daemon->quota, &daemon->config->limits);
	if (tsr_feed_create(&daemon->feed) != 0 || tsr_errands_create(&daemon->errands) != 0 ||
	    tsr_registry_create(&daemon->realms, DAEMON_REALM_BUCKETS) != 0 ||
	    tsr_registry_create(&daemon->bells, DAEMON_REALM_BUCKETS) != 0 ||
	    tsr_registry_create(&daemon->clients, DAEMON_CLIENT_BUCKETS) != 0)
		return tsr_refuse(refusal, -ENOMEM, "no memory for the daemon's tables");
	daemon->feed.quota = &daemon->quota;
	if (getrandom(&daemon->instance, DAEMON_KEY_BYTES, 0) != (ssize_t)DAEMON_KEY_BYTES)
		return tsr_refuse(refusal, -errno, "getrandom: %s", strerror(errno));
	return 0;
}

static int
daemon_create_poll(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	int error = tsr_poll_core_create(&daemon->poll, daemon->ticks_per_second,
	                                 daemon->config->isolated);

	if (error == 0)
		error = tsr_poll_core_add(&daemon->poll, TSR_TIER_URGENT, tsr_death_poll, daemon);
	if (error == 0)
		error = tsr_guard_open();
	/* Without it a sleeper of ours could be missed; where the kernel has none, clients say so
	 * for themselves, and their channels are fenced. */
	(void)!tsr_membarrier_register();
	return error == 0 ? 0
	                  : tsr_refuse(refusal, error, "the poll core could not be made: %s",
	                               strerror(-error));
}

static void
daemon_tell_ready(struct tsr_daemon *daemon)
{
	struct tsr_proto_row_feed row = {.kind = TSR_FEED_START, .uid = UINT32_MAX};

	tsr_feed_tell(&daemon->feed, TSR_LOG_NOTICE, &row, "ready: %s, %u realms%s",
	              daemon->rundir.from_systemd ? "on systemd's socket" : daemon->rundir.socket,
	              daemon->config->realms_count,
	              daemon->config->compat ? ", with the fallbacks of Linux 6.1" : "");
}

/* The socket, and the thread that serves it. */
static int
daemon_listen(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct tsr_config const *const config = daemon->config;
	int error = tsr_rundir_listen(&daemon->rundir, config->socket_mode, config->socket_group,
	                              refusal->text, sizeof(refusal->text));

	if (error == 0)
		error = tsr_server_create(daemon, refusal);
	return error;
}

/* Nobody waits for us: everything is made, then it listens. */
static int
daemon_start_fresh(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	int error = daemon_start_eal(daemon, refusal);

	if (error == 0)
		error = daemon_create_tables(daemon, refusal);
	if (error == 0)
		error = daemon_create_poll(daemon, refusal);
	if (error == 0) {
		tsr_takeover_drop(daemon);
		error = daemon_create_realms(daemon, refusal);
	}
	if (error == 0)
		error = daemon_listen(daemon, refusal);
	if (error == 0)
		error = tsr_server_start(daemon->server, refusal);
	if (error == 0)
		tsr_upgrade_serves(daemon);
	return error;
}

/* What the configuration has and the store had not, or not whole: by the control thread, which may
 * just be making it for a client. */
struct daemon_rest {
	struct tsr_daemon *daemon;
	struct tsr_refusal *refusal;
	int error;
};

static void
daemon_create_rest(void *argument)
{
	struct daemon_rest *const rest = argument;

	rest->error = daemon_create_realms(rest->daemon, rest->refusal);
}

/* Clients wait: what they have is taken over and served at once, the rest comes after. */
static int
daemon_start_heir(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct daemon_rest rest = {.daemon = daemon, .refusal = refusal};
	int error;

	if (daemon->ticks_per_second == 0)
		daemon->ticks_per_second = tsr_ticks_per_second(tsr_ticks_mark());
	daemon->poll_cpu = daemon_choose_cpu(daemon);
	if (daemon->poll_cpu < 0)
		daemon->poll_cpu = sched_getcpu();
	error = daemon_create_tables(daemon, refusal);
	if (error == 0)
		error = daemon_create_poll(daemon, refusal);
	if (error == 0) {
		/* Who has more than the limits now allow keeps it. */
		tsr_quota_limit(&daemon->quota, NULL);
		tsr_takeover_run(daemon);
		tsr_quota_limit(&daemon->quota, &daemon->config->limits);
		error = daemon_listen(daemon, refusal);
	}
	if (error != 0)
		return error;
	tsr_takeover_closing(daemon);
	error = tsr_server_start(daemon->server, refusal);
	if (error != 0)
		return error;
	tsr_upgrade_serves(daemon);
	tsr_takeover_ready(daemon);
	/* The dead of the time in between. */
	while (tsr_death_poll(daemon) > 0)
		;
	error = daemon_start_eal(daemon, refusal);
	if (error != 0)
		return error;
	error = tsr_errand_do(&daemon->errands, daemon_create_rest, &rest);
	return error != 0 ? error : rest.error;
}

/* Before any thread: what the process is, and where. */
static int
daemon_prepare(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	int error;

	(void)umask(077);
	daemon_block_signals();
	error = tsr_daemon_shed(daemon, refusal);
	if (error != 0)
		return error;
	/* Before EAL: a provider has threads of its own, which are not to be pinned. */
	if (tsr_trace_load() != 0)
		return tsr_refuse(refusal, -EOPNOTSUPP, "%s", tsr_last_hint());
	error = daemon_raise_limits(refusal);
	if (error != 0)
		return error;
	if (sched_getaffinity(0, sizeof(daemon->cpus), &daemon->cpus) != 0)
		return tsr_refuse(refusal, -errno, "sched_getaffinity: %s", strerror(errno));
	tsr_registry_thread_begin();
	return 0;
}

static int
daemon_begin(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	const char *const socket =
		daemon->config->socket[0] != '\0' ? daemon->config->socket : NULL;
	int error = tsr_rundir_open(&daemon->rundir, socket, refusal->text, sizeof(refusal->text));

	if (error == 0)
		error = tsr_daemon_stay(daemon, refusal);
	if (error != 0)
		return error;
	error = tsr_store_open(&daemon->store, daemon->rundir.socket);
	if (error != 0)
		return tsr_refuse(refusal, error, "what is kept can't be had: %s",
		                  strerror(-error));
	daemon->heir_since_ns = tsr_now_ns();
	tsr_upgrade_inherit(daemon);
	error = tsr_rundir_clear(&daemon->rundir, refusal->text, sizeof(refusal->text));
	/* --fresh was said of the start by hand, not of what it became since. */
	if (error == 0 && (!daemon->start->fresh || daemon->inherited.pid == getpid()))
		error = tsr_takeover_look(daemon, refusal);
	if (error < 0) {
		daemon->leaving_all = true;
		return error;
	}
	if (error == 0)
		return daemon_start_fresh(daemon, refusal);
	error = daemon_start_heir(daemon, refusal);
	/* Another one may do better. */
	daemon->leaving_all = error != 0;
	return error;
}

/* The poll core's thread, and whether it could shut itself in. */
struct daemon_poll {
	struct tsr_daemon *daemon;
	struct tsr_refusal *refusal;
	sem_t decided;
	int error;
};

static void *
daemon_poll(void *argument)
{
	struct daemon_poll *const poll = argument;
	struct tsr_daemon *const daemon = poll->daemon;
	int error;

	/* By itself: to name another thread takes a file that is out of reach. */
	(void)pthread_setname_np(pthread_self(), "poll");
	error = tsr_sandbox_calls(&daemon->sandbox, TSR_SANDBOX_POLL, false, poll->refusal);

	poll->error = error;
	(void)sem_post(&poll->decided);
	if (error != 0)
		return NULL;
	tsr_registry_thread_begin();
	tsr_poll_core_run(&daemon->poll);
	tsr_registry_thread_end();
	tsr_postmortem_close(&daemon->postmortem);
	return NULL;
}

/* From where the main thread is, which may be pinned; that one goes wherever it may then. */
static int
daemon_start_poll(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct daemon_poll poll = {.daemon = daemon, .refusal = refusal};
	int error;

	(void)sem_init(&poll.decided, 0, 0);
	error = pthread_create(&daemon->poll_thread, NULL, daemon_poll, &poll);
	if (error != 0) {
		(void)sem_destroy(&poll.decided);
		return tsr_refuse(refusal, -error, "the poll core's thread could not be made: %s",
		                  strerror(error));
	}
	daemon->polling = true;
	while (sem_wait(&poll.decided) != 0)
		;
	(void)sem_destroy(&poll.decided);
	(void)sched_setaffinity(0, sizeof(daemon->cpus), &daemon->cpus);
	return poll.error;
}

static void
daemon_stop_poll(struct tsr_daemon *daemon)
{
	if (!daemon->polling)
		return;
	tsr_poll_core_stop(&daemon->poll);
	(void)pthread_join(daemon->poll_thread, NULL);
	daemon->polling = false;
}

int
tsr_daemon_start(struct tsr_daemon *daemon, struct tsr_config *config,
                 struct tsr_config_sources const *sources, struct tsr_start const *start,
                 struct tsr_refusal *refusal)
{
	int error;

	*daemon = (struct tsr_daemon){.config = config,
	                              .start = start,
	                              .kernel = {.compat = config->compat},
	                              .begun_ns = tsr_now_ns(),
	                              .rundir = {.lock = -1, .listener = -1},
	                              .reload = {.watch = {.fd = -1}},
	                              .asker = -1,
	                              .successor = -1,
	                              .postmortem = {.recorder = -1},
	                              .poll = {.epoll = -1, .doorbell = -1}};
	daemon->reload.sources = sources;
	error = daemon_prepare(daemon, refusal);
	if (error != 0)
		return error;
	tsr_reload_create(&daemon->reload, config, sources);
	error = daemon_begin(daemon, refusal);
	if (error == 0)
		error = tsr_telemetry_start(daemon, refusal);
	if (error == 0)
		error = tsr_daemon_shut_in(daemon, refusal);
	if (error == 0)
		error = daemon_start_poll(daemon, refusal);
	if (error == 0)
		tsr_upgrade_tell(daemon);
	if (error != 0) {
		refusal->error = error;
		tsr_daemon_stop(daemon);
		return error;
	}
	daemon_tell_ready(daemon);
	tsr_counter_add(&daemon->ready, 1);
	tsr_systemd_notify("READY=1\nSTATUS=listening on %s", daemon->rundir.socket);
	return 0;
}

void
tsr_daemon_run(struct tsr_daemon *daemon)
{
	tsr_postmortem_serve(&daemon->postmortem);
	daemon_stop_poll(daemon);
}

void
tsr_daemon_each_realm(struct tsr_daemon *daemon,
                      void (*act)(struct tsr_realm *realm, void *argument), void *argument)
{
	for (uint32_t i = 0; i < daemon->config->realms_count; i++) {
		struct tsr_realm *const realm =
			tsr_realm_lookup(daemon, daemon->config->realms[i].geometry.name);

		if (realm == NULL)
			continue;
		tsr_realm_lock(realm);
		act(realm, argument);
		tsr_realm_unlock(realm);
		tsr_realm_put(realm);
	}
}

static void
daemon_close_realm(struct tsr_realm *realm, void *argument)
{
	(void)argument;
	tsr_realm_close(realm);
}

static void
daemon_abandon_realm(struct tsr_realm *realm, void *argument)
{
	(void)argument;
	tsr_realm_abandon(realm);
}

static void
daemon_dissolve_realm(struct tsr_realm *realm, void *argument)
{
	(void)argument;
	tsr_realm_dissolve(realm);
}

void
tsr_daemon_stop(struct tsr_daemon *daemon)
{
	daemon_stop_poll(daemon);
	if (!daemon->leaving_all) {
		tsr_store_clear(&daemon->store);
		if (daemon->realms.table != NULL)
			/* Clients learn it: their sleepers are woken and look. */
			tsr_daemon_each_realm(daemon, daemon_close_realm, NULL);
	}
	if (daemon->server != NULL)
		tsr_server_destroy(daemon->server);
	if (daemon->leaving_all)
		tsr_store_let_go(&daemon->store);
	if (daemon->realms.table != NULL && daemon->leaving_all)
		/* Nobody serves any more: what is there is the next one's. */
		tsr_daemon_each_realm(daemon, daemon_abandon_realm, NULL);
	if (daemon->realms.table != NULL)
		/* With nobody left but us: every member, then the realm itself. */
		tsr_daemon_each_realm(daemon, daemon_dissolve_realm, NULL);
	tsr_death_drop(daemon);
	tsr_poll_core_destroy(&daemon->poll);
	tsr_registry_destroy(&daemon->clients);
	tsr_registry_destroy(&daemon->bells);
	tsr_registry_destroy(&daemon->realms);
	tsr_errands_close(&daemon->errands);
	tsr_postmortem_destroy(&daemon->postmortem);
	tsr_feed_destroy(&daemon->feed);
	tsr_quota_destroy(&daemon->quota);
	tsr_reload_destroy(&daemon->reload);
	if (daemon->eal_started)
		tsr_eal_stop();
	tsr_store_close(&daemon->store);
	tsr_rundir_close(&daemon->rundir);
	tsr_helper_finder_end();
	if (daemon->asker >= 0)
		(void)close(daemon->asker);
	tsr_registry_thread_end();
}
