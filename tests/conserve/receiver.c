/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/conserve/world.h"
#include "tests/support/check.h"

/* A message that is kept for a while. */
struct receiver_held {
	unsigned channel;
	struct tsr_msg msg;
};

struct receiver {
	struct conserve_actor const *actor;
	struct child_report *report;
	struct tsr_client client;
	uint64_t seed;
	bool open[CONSERVE_CHANNELS];
	struct tsr_receiver end[CONSERVE_CHANNELS];
	/* The sequence number behind the last one of each life, that was not flagged. */
	uint32_t behind[CONSERVE_CHANNELS][CONSERVE_LIVES];
	struct receiver_held held[CONSERVE_HELD];
	unsigned held_count;
};

uint64_t
conserve_check(struct conserve_text const *text)
{
	struct conserve_text plain = *text;
	unsigned char const *const bytes = (unsigned char const *)&plain;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	plain.check = 0;
	for (size_t i = 0; i < sizeof(plain); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint32_t
conserve_received(struct tsr_msg const *msg)
{
	return (msg->flags & TSR_MSG_REDELIVERED) != 0 ? CONSERVE_AGAIN : CONSERVE_RECEIVED;
}

char const *
conserve_note(unsigned channel, struct tsr_msg const *msg, uint32_t what)
{
	static char wrong[160];
	struct conserve_text text;
	uint64_t end;

	if (msg->length < sizeof(text) + sizeof(end))
		return "a message is too short";
	memcpy(&text, msg->data, sizeof(text));
	memcpy(&end, (char const *)msg->data + msg->length - sizeof(end), sizeof(end));
	if (text.magic == CONSERVE_MAGIC && text.check == conserve_check(&text) &&
	    end == text.check && text.length == msg->length && text.channel == channel &&
	    text.life < CONSERVE_LIVES && text.sequence < CONSERVE_MESSAGES) {
		atomic_fetch_add(&conserve_world->note[channel][text.life][text.sequence], what);
		return NULL;
	}
	(void)snprintf(wrong, sizeof(wrong),
	               "a message of channel %u, life %u, number %u, %u bytes, came from channel "
	               "%u as %u bytes, or is broken",
	               text.channel, text.life, text.sequence, text.length, channel, msg->length);
	return wrong;
}

/* Each receiver gets all that is sent while it is there: what it did not get was not sent. */
static void
receiver_gap(struct receiver *receiver, unsigned channel, uint32_t life, uint32_t from, uint32_t to)
{
	if (from == 0 || (conserve_table[channel].rules & CONSERVE_EVERYBODY) == 0 ||
	    (conserve_table[channel].rules & CONSERVE_LAPS) != 0)
		return;
	for (uint32_t i = from; i < to; i++) {
		uint32_t const note = atomic_load(&conserve_world->note[channel][life][i]);

		child_check(receiver->report,
		            (note & CONSERVE_KEPT) != 0 || note >= CONSERVE_UNDELIVERED,
		            "%s: number %u of life %u did not come; seed of the round %#jx",
		            conserve_table[channel].name, i, life, (uintmax_t)conserve_world->seed);
	}
}

/* Messages of one sender come in order. */
static void
receiver_order(struct receiver *receiver, unsigned channel, struct tsr_msg const *msg)
{
	struct conserve_text const *const text = msg->data;
	uint32_t *const behind = &receiver->behind[channel][text->life];

	if ((msg->flags & TSR_MSG_REDELIVERED) != 0)
		return;
	child_check(receiver->report, text->sequence >= *behind,
	            "%s: number %u of life %u came after number %u; seed of the round %#jx",
	            conserve_table[channel].name, text->sequence, text->life, *behind - 1,
	            (uintmax_t)conserve_world->seed);
	receiver_gap(receiver, channel, text->life, *behind, text->sequence);
	*behind = text->sequence + 1;
}

static unsigned
receiver_choose(struct receiver *receiver)
{
	unsigned count = 0, channel;

	while (conserve_table[count].name != NULL)
		count++;
	channel = (unsigned)(test_random(&receiver->seed) % count);
	if (!conserve_is_mine(channel, TSR_CHANNEL_ONE_RECEIVER, receiver->actor->slot,
	                      CONSERVE_RECEIVERS))
		return CONSERVE_CHANNELS;
	return channel;
}

static bool
receiver_open(struct receiver *receiver, unsigned channel)
{
	int error;

	if (receiver->open[channel])
		return true;
	error = tsr_receiver_open(receiver->client, conserve_table[channel].name, NULL,
	                          &receiver->end[channel]);
	child_check(receiver->report, error == 0 || error == -EBUSY || error == -ENOBUFS,
	            "%s: open gave %d", conserve_table[channel].name, error);
	receiver->open[channel] = error == 0;
	/* What was sent while it was closed others got, or nobody. */
	memset(receiver->behind[channel], 0, sizeof(receiver->behind[channel]));
	return error == 0;
}

/* Release the message that is kept at @i. */
static void
receiver_release(struct receiver *receiver, unsigned i)
{
	struct receiver_held *const held = &receiver->held[i];
	int const error = tsr_release(receiver->client, &held->msg);

	child_check(receiver->report, error == 0, "%s: release gave %d",
	            conserve_table[held->channel].name, error);
	*held = receiver->held[--receiver->held_count];
}

/* What is kept of a channel goes with its end. */
static void
receiver_close(struct receiver *receiver, unsigned channel)
{
	for (unsigned i = receiver->held_count; i > 0; i--) {
		if (receiver->held[i - 1].channel == channel)
			receiver_release(receiver, i - 1);
	}
	if (receiver->open[channel])
		child_ok(receiver->report, tsr_receiver_close(receiver->end[channel]));
	receiver->open[channel] = false;
}

static uint64_t
receiver_deadline(struct receiver *receiver)
{
	uint64_t const dice = test_random(&receiver->seed);

	return dice % 3 == 0 ? TSR_NOWAIT : tsr_now_ns() + dice % 3000000;
}

static void
receiver_note(struct receiver *receiver, unsigned channel, struct tsr_msg const *msg)
{
	char const *const wrong = conserve_note(channel, msg, conserve_received(msg));

	child_check(receiver->report, wrong == NULL, "%s: %s; seed of the round %#jx",
	            conserve_table[channel].name, wrong, (uintmax_t)conserve_world->seed);
	receiver_order(receiver, channel, msg);
}

/* Views that may be written over while they are read: each counts if its release says so. */
static void
receiver_take_views(struct receiver *receiver, unsigned channel, struct tsr_msg *msgs, size_t count)
{
	static uint64_t bytes[(CONSERVE_BYTES + 7) / 8];

	for (size_t i = 0; i < count; i++) {
		struct tsr_msg const copy = {
			.data = bytes, .length = msgs[i].length, .flags = msgs[i].flags};
		int error;

		child_check(receiver->report, copy.length <= sizeof(bytes));
		memcpy(bytes, msgs[i].data, copy.length);
		error = tsr_release(receiver->client, &msgs[i]);
		child_check(receiver->report, error == 0 || error == -EOVERFLOW,
		            "%s: release gave %d", conserve_table[channel].name, error);
		if (error == 0)
			receiver_note(receiver, channel, &copy);
	}
	atomic_store(&conserve_world->unnoted[receiver->actor->slot], 0);
}

/* These came: note them, then keep or release each. */
static void
receiver_take(struct receiver *receiver, unsigned channel, struct tsr_msg *msgs, size_t count)
{
	if ((conserve_table[channel].rules & CONSERVE_LAPS) != 0) {
		receiver_take_views(receiver, channel, msgs, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		receiver_note(receiver, channel, &msgs[i]);
	atomic_store(&conserve_world->unnoted[receiver->actor->slot], 0);
	for (size_t i = 0; i < count; i++) {
		if (receiver->held_count == CONSERVE_HELD)
			receiver_release(receiver,
			                 (unsigned)(test_random(&receiver->seed) % CONSERVE_HELD));
		receiver->held[receiver->held_count++] =
			(struct receiver_held){.channel = channel, .msg = msgs[i]};
		if (test_random(&receiver->seed) % 2 == 0)
			receiver_release(receiver, receiver->held_count - 1);
	}
}

static void
receiver_failed(struct receiver *receiver, unsigned channel, int error)
{
	atomic_store(&conserve_world->unnoted[receiver->actor->slot], 0);
	if (error == -EOVERFLOW && (conserve_table[channel].rules & CONSERVE_LAPS) != 0) {
		receiver_close(receiver, channel);
		return;
	}
	child_check(receiver->report,
	            error == -EAGAIN || error == -ETIMEDOUT || error == -EPIPE ||
	                    error == -ECONNRESET || error == -ECANCELED,
	            "%s: receive gave %d", conserve_table[channel].name, error);
}

static void
receiver_receive(struct receiver *receiver, unsigned channel)
{
	struct tsr_receiver const end = receiver->end[channel];
	struct tsr_msg msgs[CONSERVE_BATCH];
	size_t const want = 1 + test_random(&receiver->seed) % CONSERVE_BATCH;
	size_t done = 0;
	int error;

	atomic_store(&conserve_world->unnoted[receiver->actor->slot], want);
	if (want == 1) {
		error = tsr_recv(end, msgs, receiver_deadline(receiver));
		done = error == 0;
	} else {
		error = tsr_recv_batch(end, msgs, want, receiver_deadline(receiver), &done);
	}
	child_check(receiver->report, done <= want && (error == 0) == (done > 0),
	            "%s: %zu received, and %d", conserve_table[channel].name, done, error);
	if (error == 0)
		receiver_take(receiver, channel, msgs, done);
	else
		receiver_failed(receiver, channel, error);
}

/* From one of several channels, whichever has something first. */
static void
receiver_select(struct receiver *receiver)
{
	struct tsr_case cases[CONSERVE_BATCH];
	unsigned channels[CONSERVE_BATCH];
	struct tsr_select select = {.size = sizeof(select), .cases = cases};
	struct tsr_msg msg;
	int error;

	for (int tries = 0; tries < 2 * CONSERVE_BATCH && select.count < CONSERVE_BATCH; tries++) {
		unsigned const channel = receiver_choose(receiver);
		bool twice = channel == CONSERVE_CHANNELS;

		for (uint32_t k = 0; k < select.count; k++)
			twice = twice || channels[k] == channel;
		if (twice || !receiver_open(receiver, channel))
			continue;
		channels[select.count] = channel;
		cases[select.count++] =
			(struct tsr_case){.receiver = receiver->end[channel], .msg = &msg};
	}
	if (select.count == 0)
		return;
	atomic_store(&conserve_world->unnoted[receiver->actor->slot], 1);
	error = tsr_select(&select, receiver_deadline(receiver));
	if (error == 0)
		receiver_take(receiver, channels[select.fired], &msg, 1);
	else
		receiver_failed(receiver,
		                channels[select.fired == TSR_SELECT_NONE ? 0 : select.fired],
		                error);
}

/* Receive while somebody cancels: what lies there is handed back, if nobody else receives. */
static void
receiver_cancelled(struct receiver *receiver, unsigned channel)
{
	struct conserve_scope scope = {.client = receiver->client,
	                               .channel = channel,
	                               .after_ns = test_random(&receiver->seed) % 2000000};

	conserve_scope_open(&scope, receiver->report, NULL, &receiver->end[channel]);
	for (int i = 0; i < 4 && receiver->open[channel]; i++)
		receiver_receive(receiver, channel);
	atomic_store(&conserve_world->unnoted[receiver->actor->slot], CONSERVE_HANDED);
	conserve_scope_close(&scope, receiver->report);
	atomic_store(&conserve_world->unnoted[receiver->actor->slot], 0);
}

static void
receiver_act(struct receiver *receiver)
{
	uint64_t const dice = test_random(&receiver->seed) % 256;
	struct timespec const rest = {.tv_nsec = (long)(test_random(&receiver->seed) % 400000)};
	unsigned const channel = receiver_choose(receiver);

	if (dice < 8)
		(void)nanosleep(&rest, NULL);
	if (channel == CONSERVE_CHANNELS)
		return;
	if (dice == 8)
		receiver_close(receiver, channel);
	else if (dice < 64)
		receiver_select(receiver);
	else if (receiver_open(receiver, channel)) {
		if (dice < 72)
			receiver_cancelled(receiver, channel);
		else
			receiver_receive(receiver, channel);
	}
}

int
conserve_receive(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&conserve_daemon);
	static struct conserve_actor own;
	static struct receiver receiver;

	own = *(struct conserve_actor const *)arg;
	receiver = (struct receiver){.actor = &own, .report = report, .seed = own.seed};
	child_ok(report, tsr_attach(&options, &receiver.client));
	while (atomic_load(&conserve_world->stop) == 0) {
		conserve_doom(&own, report, &receiver.seed);
		receiver_act(&receiver);
	}
	for (unsigned i = 0; conserve_table[i].name != NULL; i++)
		receiver_close(&receiver, i);
	child_ok(report, tsr_detach(receiver.client));
	return 0;
}
