/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/tsan/twin.h"

/*
 * A thread that sends, one that receives, each until its scope is cancelled by a third: what was
 * sent was received, or is handed over by whoever cancels, who reads all of it.
 */

#define ROUNDS 300

static struct twin twin;
static struct tsr_client client;
static struct tsr_sender sender;
static struct tsr_receiver receiver;
static uint64_t sent, received, handed, unsent;

static void *
sending(void *arg)
{
	struct tsr_msg msg;
	int error = 0;

	(void)arg;
	for (sent = 0; error == 0;) {
		while ((error = tsr_alloc(client, 64, &msg)) == -ENOMEM)
			twin_pause();
		twin_is(error, 0);
		twin_write(&msg, sent);
		error = tsr_send(sender, &msg, TSR_FOREVER);
		sent += error == 0;
	}
	twin_is(error, -ECANCELED);
	/* Refused before it began: still ours. */
	if (msg.data != NULL)
		twin_is(tsr_release(client, &msg), 0);
	unsent = msg.data == NULL;
	return NULL;
}

static void *
receiving(void *arg)
{
	struct tsr_msg msg;
	int error;

	(void)arg;
	for (received = 0; (error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0; received++) {
		twin_check(twin_reads(&msg, *(uint64_t const *)msg.data));
		twin_is(tsr_release(client, &msg), 0);
	}
	twin_is(error, -ECANCELED);
	return NULL;
}

static void
take(void *argument, struct tsr_msg *msg)
{
	uint64_t *const count = argument;

	twin_check(twin_reads(msg, *(uint64_t const *)msg->data));
	twin_is(tsr_release(client, msg), 0);
	(*count)++;
}

int
main(void)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	struct tsr_scope_options how = {
		.size = sizeof(how), .undelivered = take, .argument = &handed};
	struct tsr_scope top, below;
	pthread_t threads[2];

	twin_make(&twin, 2, 0);
	twin_is(local_attach(&twin.map, 1, false, &client), 0);
	twin_is(local_sender(client, &twin.channel, &options, &sender), 0);
	twin_is(local_receiver(client, &twin.channel, &options, &receiver), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		how.parent.handle = 0;
		twin_is(tsr_scope_open(client, &how, &top), 0);
		how.parent = top;
		twin_is(tsr_scope_open(client, &how, &below), 0);
		twin_is(tsr_scope_add_sender(top, sender), 0);
		twin_is(tsr_scope_add_receiver(below, receiver), 0);
		handed = 0;
		threads[0] = twin_start(sending, NULL);
		threads[1] = twin_start(receiving, NULL);
		for (unsigned i = 0; i < round % 16; i++)
			twin_pause();
		twin_is(tsr_scope_cancel(top), 0);
		twin_check(pthread_join(threads[0], NULL) == 0);
		twin_check(pthread_join(threads[1], NULL) == 0);
		twin_check(sent + unsent == received + handed);
		twin_is(tsr_scope_close(below), 0);
		twin_is(tsr_scope_close(top), 0);
	}
	twin_is(local_detach(client), 0);
	puts("scopes: no race");
	return 0;
}
