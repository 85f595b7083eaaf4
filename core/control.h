/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CONTROL_H
#define TSR_CORE_CONTROL_H

/*
 * The control server: the thread that answers shm/proto.h on the control socket.
 *
 * Trust	every packet is hostile until each of its fields was checked; a refusal changes
 *		nothing. Who the peer is, the kernel says (SO_PEERCRED), not the packet.
 * Progress	one thread, never blocked by a client: what can't be sent at once is queued (LIST)
 *		or costs the client its connection. Its one timer is armed only while something is
 *		due: an idle daemon is not woken.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/daemon.h"
#include "core/refusals.h"
#include "shm/proto.h"

struct tsr_connection;
struct tsr_member;

/* What the control thread watches for itself, and what it does when something is there. */
struct tsr_source {
	void (*serve)(struct tsr_source *source, uint32_t events); /* may free it, and no other */
};

struct tsr_offer;
struct tsr_successor;

struct tsr_server {
	struct tsr_daemon *daemon;
	pthread_t thread;
	bool running;
	int epoll;
	int signals; /* signalfd: SIGTERM, SIGINT, SIGHUP */
	int timer;
	int leave; /* eventfd: the thread shall end */
	int spare; /* given up for a moment when descriptors run out */
	bool leaving;
	bool stopping; /* a signal or a request came */
	struct tsr_connection *connections;
	struct tsr_connection *chores; /* those that have one: whose turn it is comes first */
	uint32_t over_limit;
	struct tsr_member *closing; /* by deadline, ascending */
	struct tsr_offer *offers;
	struct tsr_successor *successor; /* a binary that is asked whether it can take over */
	uint64_t look_ns;                /* how long until the safety look at armed events */
	uint64_t look_due_ns;            /* 0: nothing is armed */
	uint64_t armed_ns;               /* when the timer goes off; 0: it does not */
	uint64_t watchdog_ns;            /* how often; 0: never */
	uint64_t watchdog_due_ns;
	uint64_t watchdog_rounds; /* of the poll core, when it was last looked at */
	struct tsr_refusals refusals;
	struct tsr_source store;  /* the holder has hung up */
	struct tsr_source holder; /* one may have come */
	uint64_t store_again_ns;  /* twice that passes before one that hung is tried again */
	uint64_t store_due_ns;    /* when; 0: not */
	unsigned char packet[TSR_PROTO_PACKET_MAX];
};

/*
 * tsr_server_create - descriptors and the list; the socket listens already
 * Return: 0; -ENOMEM; what the system gave.
 */
TSR_MUST_CHECK
int tsr_server_create(struct tsr_daemon *daemon, struct tsr_refusal *refusal);

/* tsr_server_start - its thread, on the CPUs that the daemon was started on. Return: 0; ... */
TSR_MUST_CHECK
int tsr_server_start(struct tsr_server *server, struct tsr_refusal *refusal);

/* tsr_server_destroy - end the thread, close the connections. */
void tsr_server_destroy(struct tsr_server *server);

/* tsr_server_stop - the daemon shall stop: no new clients, the poll core ends. */
void tsr_server_stop(struct tsr_server *server, const char *why);

/* tsr_server_leave - the daemon shall leave all to its successor: the same, but that what is there
 * stays. @row and @why: what is told. The control thread. */
void tsr_server_leave(struct tsr_server *server, struct tsr_proto_row_feed *row, const char *why);

/* tsr_server_arm - have the timer go off at @deadline_ns, or earlier. The control thread. */
void tsr_server_arm(struct tsr_server *server, uint64_t deadline_ns);

/* tsr_server_watch_store - notice that the holder goes, or that one comes. Return: 0; what
 * epoll_ctl(2) gave. */
TSR_MUST_CHECK
int tsr_server_watch_store(struct tsr_server *server);

/* tsr_server_try_store - if it is time to try a holder again. The control thread. */
void tsr_server_try_store(struct tsr_server *server, uint64_t now_ns);

/* tsr_server_tell - a refusal or a drop, by tsr_refusals_add(). The control thread. */
void tsr_server_tell(struct tsr_server *server, struct tsr_proto_row_feed const *row);

/* tsr_server_watch_events - an event was armed: take a safety look at it before long. The control
 * thread. */
void tsr_server_watch_events(struct tsr_server *server);

#endif /* TSR_CORE_CONTROL_H */
