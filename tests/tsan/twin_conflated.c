/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/tsan/twin.h"

/*
 * Two senders of a conflated channel, two receivers. A receiver reads the payload of the newest; a
 * sender drops what another has sent, and writes its next message into that block.
 */

#define MESSAGES 20000
#define CAPACITY 8

static struct twin twin;
static struct tsr_client client[4];
static struct tsr_sender sender[2];
static struct tsr_receiver receiver[2];
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
	int const me = (int)(intptr_t)arg;
	struct tsr_msg msg;

	while (tsr_ld_rlx(&ended) < 2) {
		uint64_t const *words;
		int const error = tsr_recv(receiver[me], &msg, TSR_NOWAIT);

		if (error == -EAGAIN) {
			twin_pause();
			continue;
		}
		twin_is(error, 0);
		words = msg.data;
		twin_check(twin_reads(&msg, words[0]));
		twin_is(tsr_release(client[2 + me], &msg), 0);
	}
	return NULL;
}

int
main(void)
{
	struct tsr_shape const shape = {.kind = TSR_KIND_CONFLATED, .capacity = CAPACITY};
	pthread_t thread[4];

	twin_make_of(&twin, shape);
	for (int i = 0; i < 4; i++)
		twin_is(local_attach(&twin.map, (uint16_t)(1 + i), false, &client[i]), 0);
	for (int i = 0; i < 2; i++) {
		twin_is(local_sender(client[i], &twin.channel, NULL, &sender[i]), 0);
		twin_is(local_receiver(client[2 + i], &twin.channel, NULL, &receiver[i]), 0);
	}
	for (intptr_t i = 0; i < 2; i++) {
		thread[i] = twin_start(sending, (void *)i);
		thread[2 + i] = twin_start(receiving, (void *)i);
	}
	for (int i = 0; i < 4; i++)
		twin_check(pthread_join(thread[i], NULL) == 0);
	for (int i = 0; i < 4; i++)
		twin_is(local_detach(client[i]), 0);
	puts("conflated: no race");
	return 0;
}
