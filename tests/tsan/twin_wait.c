/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/tsan/twin.h"

/*
 * Two slots and ends that never spin, so that both sides sleep all the time: with membarrier, and
 * with one client that is not reached by it. The look after 100 ms is off: a missed wake-up stays
 * asleep until the alarm.
 */

#define MESSAGES 5000

static struct twin twin;
static struct tsr_client client[3];
static struct tsr_sender sender;
static struct tsr_receiver receiver;

static void *
sending(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 0; i < MESSAGES; i++) {
		int error;

		while ((error = tsr_alloc(client[1], 64, &msg)) == -ENOMEM)
			twin_pause();
		twin_is(error, 0);
		twin_write(&msg, i);
		twin_is(tsr_send(sender, &msg, TSR_FOREVER), 0);
	}
	return NULL;
}

static void
run(bool fenced)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	pthread_t thread;
	struct tsr_msg msg;

	twin_make(&twin, 2, 0);
	/* The daemon marks the channel when an end of such a client is opened. */
	if (fenced) {
		(void)tsr_or_sc(&twin.channel.shm->receivers_waiting, TSR_WAITING_FENCED);
		(void)tsr_or_sc(&twin.channel.shm->senders_waiting, TSR_WAITING_FENCED);
	}
	twin_is(local_attach(&twin.map, 1, false, &client[1]), 0);
	twin_is(local_attach(&twin.map, 2, fenced, &client[2]), 0);
	twin_is(local_sender(client[1], &twin.channel, &options, &sender), 0);
	twin_is(local_receiver(client[2], &twin.channel, &options, &receiver), 0);
	thread = twin_start(sending, NULL);
	for (uint64_t i = 0; i < MESSAGES; i++) {
		twin_is(tsr_recv(receiver, &msg, TSR_FOREVER), 0);
		twin_check(twin_reads(&msg, i));
		twin_is(tsr_release(client[2], &msg), 0);
	}
	twin_check(pthread_join(thread, NULL) == 0);
	twin_check(tsr_ld_rlx(&twin.map.states[0].sleeps) + tsr_ld_rlx(&twin.map.states[1].sleeps) >
	           0);
	twin_is(local_detach(client[1]), 0);
	twin_is(local_detach(client[2]), 0);
}

int
main(void)
{
	run(false);
	run(true);
	puts("waiting: no race");
	return 0;
}
