/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/tsan/twin.h"

/*
 * Senders and receivers of an unlimited channel: segments are put in between and used again, their
 * slots lie in blocks that were payload before, and are again when the channel is removed. First
 * two of each, then a declared one of each.
 */

#define MESSAGES 10000
#define CAPACITY 4

static struct twin twin;
static struct tsr_client client[4];
static struct tsr_sender sender[2];
static struct tsr_receiver receiver[2];
static _Atomic uint64_t received;

static void *
sending(void *arg)
{
	int const me = (int)(intptr_t)arg;
	struct tsr_msg msg;

	for (uint64_t i = 0; i < MESSAGES; i++) {
		int error;

		while ((error = tsr_alloc(client[me], 64, &msg)) == -ENOMEM)
			twin_pause();
		twin_is(error, 0);
		twin_write(&msg, i);
		/* Receivers are behind by as much as there are blocks. */
		while ((error = tsr_send(sender[me], &msg, TSR_FOREVER)) == -ENOBUFS)
			twin_pause();
		twin_is(error, 0);
	}
	return NULL;
}

static void *
receiving(void *arg)
{
	int const me = (int)(intptr_t)arg;
	struct tsr_msg msg;

	while (tsr_recv(receiver[me], &msg, TSR_FOREVER) == 0) {
		uint64_t const *words = msg.data;

		twin_check(twin_reads(&msg, words[0]));
		twin_is(tsr_release(client[2 + me], &msg), 0);
		(void)tsr_add_rel(&received, 1);
	}
	return NULL;
}

/* The last sender has closed. */
static void
finish(void)
{
	struct tsr_wait_side const side = tsr_channel_side(&twin.channel, TSR_SIDE_RECEIVER);

	tsr_st_rel(&twin.channel.entry->senders, tsr_ends_make(0, false, 1));
	tsr_fence_sc();
	(void)tsr_waiters_wake_all(&side, TSR_HOLDER_DAEMON);
}

static void
run(int each, uint32_t flags)
{
	struct tsr_shape const shape = {
		.kind = TSR_KIND_UNLIMITED, .capacity = CAPACITY, .flags = flags};
	pthread_t thread[4];

	twin_make_of(&twin, shape);
	tsr_st_rel(&twin.channel.entry->senders, tsr_ends_make((uint16_t)each, false, 1));
	tsr_st_rlx(&received, 0);
	for (int i = 0; i < 4; i++)
		twin_is(local_attach(&twin.map, (uint16_t)(1 + i), false, &client[i]), 0);
	for (int i = 0; i < each; i++) {
		twin_is(local_sender(client[i], &twin.channel, NULL, &sender[i]), 0);
		twin_is(local_receiver(client[2 + i], &twin.channel, NULL, &receiver[i]), 0);
	}
	for (intptr_t i = 0; i < each; i++) {
		thread[i] = twin_start(sending, (void *)i);
		thread[2 + i] = twin_start(receiving, (void *)i);
	}
	for (int i = 0; i < each; i++)
		twin_check(pthread_join(thread[i], NULL) == 0);
	finish();
	for (int i = 0; i < each; i++)
		twin_check(pthread_join(thread[2 + i], NULL) == 0);
	twin_check(tsr_ld_rlx(&received) == (uint64_t)each * MESSAGES);
	for (int i = 0; i < 4; i++)
		twin_is(local_detach(client[i]), 0);
}

int
main(void)
{
	run(2, 0);
	run(1, TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER);
	puts("unlimited: no race");
	return 0;
}
