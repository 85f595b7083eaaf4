/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/tsan/twin.h"

/*
 * Two channels of two slots, a thread that sends on each, one that selects from both, and one that
 * receives from the second alone. Nobody spins, so that everybody sleeps all the time, and the look
 * after 100 ms is off: a wake-up that is lost, or kept by the select, stays so until the alarm.
 */

#define MESSAGES 4000
#define CHANNELS 2

enum who {
	WHO_SELECTS = 1,
	WHO_RECEIVES,
	WHO_SENDS, /* and the next */
};

static struct twin twin;
static struct tsr_channel channels[CHANNELS];
static struct tsr_client client[WHO_SENDS + CHANNELS];
static struct tsr_sender sender[CHANNELS];
static struct tsr_receiver merged[CHANNELS];
static struct tsr_receiver alone;
static _Atomic uint64_t received[CHANNELS];

static void *
sending(void *arg)
{
	unsigned const which = *(unsigned const *)arg;
	struct tsr_client const me = client[WHO_SENDS + which];
	struct tsr_msg msg;

	for (uint64_t i = 0; i < MESSAGES; i++) {
		int error;

		while ((error = tsr_alloc(me, 64, &msg)) == -ENOMEM)
			twin_pause();
		twin_is(error, 0);
		twin_write(&msg, i);
		twin_is(tsr_send(sender[which], &msg, TSR_FOREVER), 0);
	}
	return NULL;
}

/* Read all of it: whoever lost an order sees what is not there yet. */
static void
take(struct tsr_client me, struct tsr_msg *msg, unsigned which)
{
	uint64_t const first = *(uint64_t const *)msg->data;

	twin_check(first < MESSAGES && twin_reads(msg, first));
	twin_is(tsr_release(me, msg), 0);
	(void)atomic_fetch_add_explicit(&received[which], 1, memory_order_relaxed);
}

/* Half of the second channel's messages; the rest are the select's, at the latest. */
static void *
receiving(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 0; i < MESSAGES / 2; i++) {
		twin_is(tsr_recv(alone, &msg, TSR_FOREVER), 0);
		take(client[WHO_RECEIVES], &msg, 1);
	}
	return NULL;
}

static void
selecting(void)
{
	struct tsr_msg msg;
	struct tsr_case cases[] = {{.receiver = merged[0], .msg = &msg},
	                           {.receiver = merged[1], .msg = &msg}};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};
	uint64_t count[CHANNELS] = {0};

	/* No more than half of the second, so that the other one is never left waiting. */
	while (count[0] < MESSAGES || count[1] < MESSAGES / 2) {
		if (count[1] == MESSAGES / 2)
			select.count = 1;
		if (count[0] == MESSAGES && select.count == 2) {
			cases[0] = cases[1];
			select.count = 1;
		}
		twin_is(tsr_select(&select, TSR_FOREVER), 0);
		if (cases[select.fired].receiver.handle == merged[0].handle) {
			count[0]++;
			take(client[WHO_SELECTS], &msg, 0);
		} else {
			count[1]++;
			take(client[WHO_SELECTS], &msg, 1);
		}
	}
}

static void
make(void)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};

	twin_make(&twin, 2, 0);
	channels[0] = twin.channel;
	twin_channel(&twin, 1, 2, 0, &channels[1]);
	for (uint16_t id = WHO_SELECTS; id < WHO_SENDS + CHANNELS; id++)
		twin_is(local_attach(&twin.map, id, false, &client[id]), 0);
	for (unsigned i = 0; i < CHANNELS; i++) {
		twin_is(local_receiver(client[WHO_SELECTS], &channels[i], &options, &merged[i]), 0);
		twin_is(local_sender(client[WHO_SENDS + i], &channels[i], &options, &sender[i]), 0);
	}
	twin_is(local_receiver(client[WHO_RECEIVES], &channels[1], &options, &alone), 0);
}

int
main(void)
{
	unsigned const which[CHANNELS] = {0, 1};
	pthread_t thread[CHANNELS], receiver;

	make();
	for (unsigned i = 0; i < CHANNELS; i++)
		thread[i] = twin_start(sending, (void *)(uintptr_t)&which[i]);
	receiver = twin_start(receiving, NULL);
	selecting();
	twin_check(pthread_join(receiver, NULL) == 0);
	for (unsigned i = 0; i < CHANNELS; i++) {
		twin_check(pthread_join(thread[i], NULL) == 0);
		twin_check(atomic_load(&received[i]) == MESSAGES);
	}
	for (uint16_t id = WHO_SELECTS; id < WHO_SENDS + CHANNELS; id++)
		twin_is(local_detach(client[id]), 0);
	puts("select: no race");
	return 0;
}
