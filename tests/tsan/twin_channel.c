/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/tsan/twin.h"

/*
 * A stream through four slots, in all four forms of the channel; then two senders, two receivers.
 * The payload shows what a sender publishes. What a receiver gives back with the slot is shown by a
 * note that it makes before each receive: the sender that has used the slot again reads it.
 */

#define MESSAGES 8000
#define CAPACITY 4

static struct twin twin;
static struct tsr_client client[5];
static struct tsr_sender sender[2];
static struct tsr_receiver receiver[2];
static bool in_order;
static uint64_t total[2];
static uint64_t note[MESSAGES];

static void *
sending(void *arg)
{
	int const me = (int)(intptr_t)arg;
	struct tsr_msg msg;

	for (uint64_t i = 0; i < MESSAGES; i++) {
		int error;

		while ((error = tsr_alloc(client[1 + me], 64, &msg)) == -ENOMEM)
			twin_pause();
		twin_is(error, 0);
		twin_write(&msg, i);
		twin_is(tsr_send(sender[me], &msg, TSR_FOREVER), 0);
		/* [S1]: that slot was free again. */
		twin_check(!in_order || i < CAPACITY || note[i - CAPACITY] == i);
	}
	return NULL;
}

static void *
receiving(void *arg)
{
	int const me = (int)(intptr_t)arg;
	struct tsr_msg msg;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < MESSAGES; i++) {
		uint64_t const *words;

		if (in_order)
			note[i] = i + CAPACITY;
		twin_is(tsr_recv(receiver[me], &msg, TSR_FOREVER), 0);
		words = msg.data;
		twin_check(twin_reads(&msg, in_order ? i : words[0]));
		sum += words[0];
		twin_is(tsr_release(client[3 + me], &msg), 0);
	}
	total[me] = sum;
	return NULL;
}

static void
run(uint32_t flags, int pairs)
{
	pthread_t thread[4];

	twin_make(&twin, CAPACITY, flags);
	in_order = pairs == 1;
	for (int i = 0; i < pairs; i++) {
		twin_is(local_attach(&twin.map, (uint16_t)(1 + i), false, &client[1 + i]), 0);
		twin_is(local_attach(&twin.map, (uint16_t)(3 + i), false, &client[3 + i]), 0);
		twin_is(local_sender(client[1 + i], &twin.channel, NULL, &sender[i]), 0);
		twin_is(local_receiver(client[3 + i], &twin.channel, NULL, &receiver[i]), 0);
	}
	for (intptr_t i = 0; i < pairs; i++) {
		thread[2 * i] = twin_start(sending, (void *)i);
		thread[2 * i + 1] = twin_start(receiving, (void *)i);
	}
	for (int i = 0; i < 2 * pairs; i++)
		twin_check(pthread_join(thread[i], NULL) == 0);
	for (int i = 0; i < pairs; i++) {
		twin_is(local_detach(client[1 + i]), 0);
		twin_is(local_detach(client[3 + i]), 0);
	}
	twin_check(pairs == 1 ||
	           total[0] + total[1] == 2 * ((uint64_t)MESSAGES * (MESSAGES - 1) / 2));
}

int
main(void)
{
	run(0, 1);
	run(TSR_CHANNEL_ONE_SENDER, 1);
	run(TSR_CHANNEL_ONE_RECEIVER, 1);
	run(TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, 1);
	run(0, 2);
	puts("channel: no race");
	return 0;
}
