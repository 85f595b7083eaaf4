/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>

#include "tests/tsan/twin.h"

/*
 * A thread that asks, several requests at a time, and one that answers them, in place, in a block
 * of its own, or not at all: each sees all that the other wrote before it, and who gets no reply is
 * told so when the request was released, never while the reply is there.
 */

#define ROUNDS 6000
#define FLIGHT 4

static struct twin twin;
static struct tsr_channel replies;
static struct tsr_client client[3];
static struct tsr_receiver service;
static struct tsr_asker const asker = {TSR_ASKERS_MAX}; /* the first place of the table */
static uint64_t note[ROUNDS * FLIGHT];                  /* plain: from the server to the asker */

static void
message(struct tsr_client from, uint64_t number, struct tsr_msg *msg)
{
	int error;

	while ((error = tsr_alloc(from, 64, msg)) == -ENOMEM)
		twin_pause();
	twin_is(error, 0);
	twin_write(msg, number);
}

/* The server answers every third in place, and every third not at all. */
static bool
answers(uint64_t number)
{
	return number % 3 != 2;
}

static void
answer(struct tsr_msg *request)
{
	uint64_t const number = *(uint64_t const *)request->data;
	struct tsr_msg reply;

	twin_check(twin_reads(request, number));
	note[number] = number + 1;
	if (number % 3 == 0) {
		twin_write(request, 2 * number);
		twin_is(tsr_reply(client[2], request, request, TSR_NOWAIT), 0);
		return;
	}
	if (answers(number)) {
		message(client[2], 2 * number, &reply);
		twin_is(tsr_reply(client[2], request, &reply, TSR_NOWAIT), 0);
	}
	twin_is(tsr_release(client[2], request), 0);
}

static void *
serving(void *arg)
{
	struct tsr_msg request;

	(void)arg;
	for (uint64_t i = 0; i < ROUNDS * FLIGHT; i++) {
		twin_is(tsr_recv(service, &request, TSR_FOREVER), 0);
		answer(&request);
	}
	return NULL;
}

/* Every other time looking without an end; also where nobody wakes who sleeps: no reply comes. */
static void
get(uint64_t ask, uint64_t number)
{
	struct tsr_msg reply;
	int error;

	if (answers(number) && number % 2 == 0) {
		error = tsr_ask_end(asker, ask, &reply, TSR_FOREVER);
	} else {
		while ((error = tsr_ask_end(asker, ask, &reply, TSR_NOWAIT)) == -EAGAIN)
			;
	}
	twin_is(error, answers(number) ? 0 : -ECONNRESET);
	if (error != 0)
		return;
	twin_check(twin_reads(&reply, 2 * number) && note[number] == number + 1);
	twin_is(tsr_release(client[1], &reply), 0);
}

static void *
asking(void *arg)
{
	uint64_t ask[FLIGHT];
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t first = 0; first < ROUNDS * FLIGHT; first += FLIGHT) {
		for (uint64_t i = 0; i < FLIGHT; i++) {
			message(client[1], first + i, &msg);
			twin_is(tsr_ask_begin(asker, &msg, TSR_FOREVER, &ask[i]), 0);
		}
		for (uint64_t i = FLIGHT; i > 0; i--)
			get(ask[i - 1], first + i - 1);
	}
	return NULL;
}

static struct tsr_end *
end_of(uint64_t handle)
{
	struct tsr_end *const end = tsr_end_get(handle);

	if (end == NULL)
		_exit(1);
	return end;
}

/* What tsr_asker_open() and the first tsr_reply() do, without a daemon. */
static void
open_ends(void)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	struct tsr_asker_own *const own = &tsr_process->asker[0];
	struct tsr_sender *const back = &tsr_process->reply[1].sender;

	own->client = client[1];
	twin_is(local_sender(client[1], &twin.channel, &options, &own->sender), 0);
	twin_is(local_receiver(client[1], &replies, &options, &own->receiver), 0);
	own->handle = asker.handle;
	twin_is(local_receiver(client[2], &twin.channel, &options, &service), 0);
	twin_is(local_sender(client[2], &replies, &options, back), 0);
	end_of(own->sender.handle)->inlined = TSR_END_BY_KIND | TSR_SIDE_SENDER;
	end_of(back->handle)->inlined = TSR_END_BY_KIND | TSR_SIDE_SENDER;
	end_of(own->receiver.handle)->endless = true;
}

int
main(void)
{
	uint64_t late = 1;

	twin_make(&twin, FLIGHT, 0);
	twin_channel(&twin, 1, 2 * FLIGHT, TSR_CHANNEL_ONE_RECEIVER, &replies);
	twin_is(local_attach(&twin.map, 1, false, &client[1]), 0);
	twin_is(local_attach(&twin.map, 2, false, &client[2]), 0);
	open_ends();
	twin_run(serving, asking);
	twin_is(tsr_asker_late(asker, &late), 0);
	twin_check(late == 0);
	tsr_process->asker[0].handle = 0;
	twin_is(local_detach(client[1]), 0);
	twin_is(local_detach(client[2]), 0);
	puts("requests: no race");
	return 0;
}
