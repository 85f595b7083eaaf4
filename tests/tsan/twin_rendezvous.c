/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/kind.h"
#include "tests/tsan/twin.h"

/*
 * A rendezvous orders both ways: what the sender wrote is seen by the receiver, and what the
 * receiver wrote before it took the message is seen by the sender when its call returns. First
 * with ends that sleep, with and without membarrier; then call by call, where nothing but the
 * exchange orders the two, and the sender gives up every other time.
 */

#define MESSAGES 4000

static struct twin twin;
static struct tsr_client client[3];
static struct tsr_sender sender;
static struct tsr_receiver receiver;
static uint64_t note[MESSAGES]; /* plain: from the receiver to the sender */

static void
message(uint64_t number, struct tsr_msg *msg)
{
	int error;

	while ((error = tsr_alloc(client[1], 64, msg)) == -ENOMEM)
		twin_pause();
	twin_is(error, 0);
	twin_write(msg, number);
}

static void *
sending(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 0; i < MESSAGES; i++) {
		message(i, &msg);
		twin_is(tsr_send(sender, &msg, TSR_FOREVER), 0);
		twin_check(note[i] == i + 1);
	}
	return NULL;
}

/* One call, taken apart. Return: it was received. */
static bool
send_once(struct tsr_msg *msg, bool patient)
{
	struct tsr_end *const end = tsr_end_get(sender.handle);
	struct tsr_kind const *const kind = &tsr_kind_rendezvous;

	for (int looks = 0; patient || looks < 3; looks++) {
		if (kind->try_send(end, &msg->zdesc) == 0)
			return true;
		twin_pause();
	}
	return kind->give_up(end, &msg->zdesc) == 0;
}

static void *
trying(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 0; i < MESSAGES; i++) {
		message(i, &msg);
		while (!send_once(&msg, i % 2 == 0))
			twin_pause();
		twin_check(note[i] == i + 1);
	}
	return NULL;
}

static void
receive(uint64_t number, uint64_t deadline_ns)
{
	struct tsr_msg msg;
	int error;

	note[number] = number + 1;
	while ((error = tsr_recv(receiver, &msg, deadline_ns)) == -EAGAIN)
		twin_pause();
	twin_is(error, 0);
	twin_check(twin_reads(&msg, number));
	twin_is(tsr_release(client[2], &msg), 0);
}

static void
run(void *(*body)(void *), bool fenced, uint64_t deadline_ns)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	struct tsr_realm_geometry geometry;
	pthread_t thread;

	twin_map(&twin, &geometry);
	twin_is(tsr_realm_format(&twin.map, &geometry), 0);
	twin_channel_of(&twin, 0, (struct tsr_shape){.kind = TSR_KIND_RENDEZVOUS, .capacity = 2},
	                &twin.channel);
	if (fenced) {
		(void)tsr_or_sc(&twin.channel.shm->receivers_waiting, TSR_WAITING_FENCED);
		(void)tsr_or_sc(&twin.channel.shm->senders_waiting, TSR_WAITING_FENCED);
	}
	for (uint64_t i = 0; i < MESSAGES; i++)
		note[i] = 0;
	twin_is(local_attach(&twin.map, 1, false, &client[1]), 0);
	twin_is(local_attach(&twin.map, 2, fenced, &client[2]), 0);
	twin_is(local_sender(client[1], &twin.channel, &options, &sender), 0);
	twin_is(local_receiver(client[2], &twin.channel, &options, &receiver), 0);
	thread = twin_start(body, NULL);
	for (uint64_t i = 0; i < MESSAGES; i++)
		receive(i, deadline_ns);
	twin_check(pthread_join(thread, NULL) == 0);
	twin_is(local_detach(client[1]), 0);
	twin_is(local_detach(client[2]), 0);
}

int
main(void)
{
	run(sending, false, TSR_FOREVER);
	run(sending, true, TSR_FOREVER);
	run(trying, false, TSR_NOWAIT);
	puts("rendezvous: no race");
	return 0;
}
