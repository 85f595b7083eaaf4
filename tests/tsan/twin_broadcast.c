/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/broadcast.h"
#include "tests/tsan/twin.h"

/*
 * A broadcast of four slots. One reader reads in place, may retain some of what it reads, and
 * comes anew now and then; another one, that is lossy, copies. The sender writes over what they
 * have let go: were a cursor or a hold believed too early, the payload would show the race.
 */

#define MESSAGES 20000
#define LIVES    200 /* messages until the reader comes anew */

static struct twin twin;
static struct tsr_client client[4];
static struct tsr_sender sender;
static struct tsr_receiver lossy;
static bool retains; /* the reader retains some of what it reads */

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
	tsr_st_rel(&twin.channel.entry->senders, tsr_ends_make(0, false, 1));
	return NULL;
}

/* A message of the stream, whichever: all of its words say which. */
static uint64_t
number_of(struct tsr_msg const *msg)
{
	uint64_t const number = *(uint64_t const *)msg->data;

	twin_check(twin_reads(msg, number));
	return number;
}

/* Until something comes, or the end. The lossy one may be called again at once. */
static int
next(struct tsr_receiver receiver, struct tsr_msg *msg)
{
	int error;

	while ((error = tsr_recv(receiver, msg, TSR_NOWAIT)) == -EAGAIN || error == -ESTALE)
		twin_pause();
	return error;
}

static void *
copying(void *arg)
{
	uint64_t after = 0;
	struct tsr_msg msg;

	(void)arg;
	while (next(lossy, &msg) == 0) {
		twin_check(number_of(&msg) + 1 > after);
		after = number_of(&msg) + 1;
		twin_is(tsr_release(client[3], &msg), 0);
	}
	return NULL;
}

static void
reading(void)
{
	struct tsr_end_options const options = {.size = sizeof(options), .from = TSR_FROM_OLDEST};
	struct tsr_msg msg, kept = {0};
	uint64_t after = 0;
	bool ended = false;

	while (!ended) {
		struct tsr_receiver receiver;

		twin_is(local_receiver(client[2], &twin.channel, &options, &receiver), 0);
		for (uint32_t i = 0; i < LIVES && !ended; i++) {
			ended = next(receiver, &msg) != 0;
			if (ended)
				break;
			twin_check(i == 0 || number_of(&msg) == after);
			after = number_of(&msg) + 1;
			if (kept.data != NULL) {
				(void)number_of(&kept);
				twin_is(tsr_release(client[2], &kept), 0);
				kept.data = NULL;
			} else if (retains) {
				kept = msg;
				twin_is(tsr_retain(client[2], &kept), 0);
				continue;
			}
			twin_is(tsr_release(client[2], &msg), 0);
		}
		kept.data = NULL;
		twin_is(local_receiver_close(client[2], receiver), 0);
	}
}

static void
run(uint32_t flags)
{
	struct tsr_end_options const copies = {.size = sizeof(copies), .flags = TSR_END_LOSSY};
	pthread_t threads[2];

	twin_make_of(&twin,
	             (struct tsr_shape){.kind = TSR_KIND_BROADCAST, .capacity = 4, .flags = flags});
	for (uint16_t id = 1; id < 4; id++)
		twin_is(local_attach(&twin.map, id, false, &client[id]), 0);
	twin_is(local_sender(client[1], &twin.channel, NULL, &sender), 0);
	twin_is(local_receiver(client[3], &twin.channel, &copies, &lossy), 0);
	threads[0] = twin_start(sending, NULL);
	threads[1] = twin_start(copying, NULL);
	reading();
	for (unsigned i = 0; i < 2; i++)
		twin_check(pthread_join(threads[i], NULL) == 0);
	twin_is(local_sender_close(client[1], sender), 0);
	twin_is(local_receiver_close(client[3], lossy), 0);
	for (uint16_t id = 1; id < 4; id++)
		twin_is(local_detach(client[id]), 0);
}

int
main(void)
{
	for (int i = 0; i < 2; i++) {
		retains = i == 0;
		run(0);
		run(TSR_CHANNEL_ONE_SENDER);
	}
	puts("broadcast: no race");
	return 0;
}
