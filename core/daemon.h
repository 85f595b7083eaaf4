/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_DAEMON_H
#define TSR_CORE_DAEMON_H

/*
 * The daemon as a whole: what its threads share, its start and its end.
 *
 * Three threads: the poll core (which reaps), the control thread (the socket), and the main one,
 * which starts and stops all and in between writes what is kept of deaths.
 *
 *	state			guarded by
 *	realms, clients		registries: looked up by both without a lock
 *	a realm's tables	its lock
 *	connections		the control thread alone
 *	quota			its own lock
 *	configuration, access	the control thread alone, once it runs
 *	feed, errands, remains	locks of their own
 *	counters		atomic
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/config.h"
#include "core/errand.h"
#include "core/feed.h"
#include "core/kernel.h"
#include "core/poll_core.h"
#include "core/postmortem.h"
#include "core/quota.h"
#include "core/refusal.h"
#include "core/registry.h"
#include "core/reload.h"
#include "core/rundir.h"
#include "core/sandbox.h"
#include "core/store.h"
#include "core/upgrade.h"
#include "shm/proto.h"

#define TSR_HINT_BYTES 256

struct tsr_realm;
struct tsr_server;

struct tsr_daemon {
	struct tsr_config const *config; /* in force; the control thread's while that runs */
	struct tsr_kernel kernel;
	struct tsr_sandbox sandbox;
	struct tsr_rundir rundir;
	struct tsr_store store;
	struct tsr_poll_core poll;
	pthread_t poll_thread;
	bool polling;  /* it is there */
	int successor; /* helper: likewise */
	int asker;     /* helper: see helper.h; -1: what is to be run is run by ourselves */
	struct tsr_quota quota;
	struct tsr_feed feed;
	struct tsr_errands errands;
	struct tsr_postmortem postmortem;
	struct tsr_registry realms;  /* struct tsr_realm by name */
	struct tsr_registry bells;   /* struct tsr_realm by serial number: who rang */
	struct tsr_registry clients; /* struct tsr_member by serial number */
	struct tsr_server *server;
	struct tsr_reload reload;
	uint64_t epoch;  /* of the newest realm */
	uint64_t serial; /* of the newest client or doorbell; the control thread's */
	uint64_t instance;
	uint64_t begun_ns;
	uint64_t ticks_per_second;
	int poll_cpu;
	uint64_t taken_over;    /* realms, at the start */
	uint64_t heir_since_ns; /* when the descriptors were there; 0: nothing was taken over */
	_Atomic uint64_t taken_over_ns; /* from then on to the first request that was served */
	struct tsr_start const *start;  /* how this process was */
	_Atomic uint64_t ready;         /* 1: all is started; it may have served before */
	bool leaving_all;               /* to a successor: realms are left as they are */
	struct tsr_leave leave;         /* by an upgrade; the control thread's while that runs */
	struct tsr_inherited inherited; /* from one that left by an upgrade */
	char hint[TSR_HINT_BYTES];      /* what would make it faster */
	cpu_set_t cpus;                 /* where we were started */
	bool eal_started;
	struct tsr_member *reaping; /* the poll core's: core/death.c */
	unsigned reap_deferred;
	_Atomic uint64_t reaped;
	_Atomic uint64_t reap_steps;
	_Atomic uint64_t reap_longest; /* words looked at in one of them */
	_Atomic uint64_t repaired;
	_Atomic uint64_t repairs[TSR_REPAIRS];
	_Atomic uint64_t refused;
	_Atomic uint64_t evicted;
	_Atomic uint64_t connections;
	_Atomic uint64_t clients_count;
};

/*
 * tsr_daemon_start - everything up to the listening socket
 * @config:	what @sources say now; a reload replaces what is in it
 * @start:	how this process was started; stays the caller's, and must outlive the daemon
 * @refusal:	on failure, what was missing
 *
 * Context: the main thread, before any other. Return: 0, and it serves; a negative errno, and no
 * file, socket or mapping is left.
 */
TSR_MUST_CHECK
int tsr_daemon_start(struct tsr_daemon *daemon, struct tsr_config *config,
                     struct tsr_config_sources const *sources, struct tsr_start const *start,
                     struct tsr_refusal *refusal);

/* tsr_daemon_run - until SIGTERM, SIGINT or a request to stop. Context: the main thread. */
void tsr_daemon_run(struct tsr_daemon *daemon);

/* tsr_daemon_stop - tell the clients, remove and unmap everything. */
void tsr_daemon_stop(struct tsr_daemon *daemon);

/* tsr_daemon_each_realm - do @act with every living realm, under its lock. */
void tsr_daemon_each_realm(struct tsr_daemon *daemon,
                           void (*act)(struct tsr_realm *realm, void *argument), void *argument);

#endif /* TSR_CORE_DAEMON_H */
