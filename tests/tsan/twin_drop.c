/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/tsan/twin.h"

/*
 * Two senders of a channel that drops, far faster than its receiver: each drops what the other has
 * sent, and writes its next message into that block. What it drops it must have acquired.
 */

#define MESSAGES 20000
#define CAPACITY 2

static struct twin twin;
static struct tsr_client client[3];
static struct tsr_sender sender[2];
static struct tsr_receiver receiver;
static _Atomic uint64_t ended;

static void *
sending(void *arg)
{
	int const me = (int)(intptr_t)arg;
	struct tsr_msg msg;

	for (uint64_t i = 0; i < MESSAGES; i++) {
		twin_is(tsr_alloc(client[me], 64, &msg), 0);
		twin_write(&msg, i);
		twin_is(tsr_send(sender[me], &msg, TSR_FOREVER), 0);
	}
	(void)tsr_add_rel(&ended, 1);
	return NULL;
}

static void *
receiving(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	while (tsr_ld_rlx(&ended) < 2) {
		uint64_t const *words;
		int const error = tsr_recv(receiver, &msg, TSR_NOWAIT);

		if (error == -EAGAIN) {
			twin_pause();
			continue;
		}
		twin_is(error, 0);
		words = msg.data;
		twin_check(twin_reads(&msg, words[0]));
		twin_is(tsr_release(client[2], &msg), 0);
		twin_pause();
	}
	return NULL;
}

static void
run(uint32_t flags)
{
	pthread_t thread[3];

	twin_make(&twin, CAPACITY, flags);
	tsr_st_rlx(&ended, 0);
	for (int i = 0; i < 3; i++)
		twin_is(local_attach(&twin.map, (uint16_t)(1 + i), false, &client[i]), 0);
	twin_is(local_sender(client[0], &twin.channel, NULL, &sender[0]), 0);
	twin_is(local_sender(client[1], &twin.channel, NULL, &sender[1]), 0);
	twin_is(local_receiver(client[2], &twin.channel, NULL, &receiver), 0);
	thread[0] = twin_start(sending, (void *)0);
	thread[1] = twin_start(sending, (void *)1);
	thread[2] = twin_start(receiving, NULL);
	for (int i = 0; i < 3; i++)
		twin_check(pthread_join(thread[i], NULL) == 0);
	for (int i = 0; i < 3; i++)
		twin_is(local_detach(client[i]), 0);
}

int
main(void)
{
	run(TSR_CHANNEL_DROP_OLDEST);
	run(TSR_CHANNEL_DROP_OLDEST | TSR_CHANNEL_ONE_RECEIVER);
	run(TSR_CHANNEL_DROP_NEWEST);
	puts("drop: no race");
	return 0;
}
