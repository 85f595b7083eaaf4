/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/conserve/world.h"
#include "tests/support/check.h"

struct sender {
	struct conserve_actor const *actor;
	struct child_report *report;
	struct tsr_client client;
	uint64_t seed;
	bool open[CONSERVE_CHANNELS];
	struct tsr_sender end[CONSERVE_CHANNELS];
	uint32_t next[CONSERVE_CHANNELS]; /* sequence number */
};

static _Atomic uint32_t *
sender_note(struct sender const *sender, unsigned channel, uint32_t sequence)
{
	return &conserve_world->note[channel][sender->actor->life][sequence];
}

/* One that it may use; CONSERVE_CHANNELS if the dice found none. */
static unsigned
sender_choose(struct sender *sender)
{
	unsigned count = 0, channel;

	while (conserve_table[count].name != NULL)
		count++;
	channel = (unsigned)(test_random(&sender->seed) % count);
	if (sender->next[channel] + CONSERVE_BATCH > CONSERVE_MESSAGES ||
	    !conserve_is_mine(channel, TSR_CHANNEL_ONE_SENDER, sender->actor->slot,
	                      CONSERVE_SENDERS))
		return CONSERVE_CHANNELS;
	return channel;
}

/* Return: whether it is open now. */
static bool
sender_open(struct sender *sender, unsigned channel)
{
	int error;

	if (sender->open[channel])
		return true;
	error = tsr_sender_open(sender->client, conserve_table[channel].name, NULL,
	                        &sender->end[channel]);
	/* A dead predecessor is not buried yet, and has the only end, or the last. */
	child_check(sender->report, error == 0 || error == -EBUSY || error == -ENOBUFS,
	            "%s: open gave %d", conserve_table[channel].name, error);
	sender->open[channel] = error == 0;
	return error == 0;
}

static void
sender_close(struct sender *sender, unsigned channel)
{
	if (sender->open[channel])
		child_ok(sender->report, tsr_sender_close(sender->end[channel]));
	sender->open[channel] = false;
}

static uint64_t
sender_deadline(struct sender *sender)
{
	uint64_t const dice = test_random(&sender->seed);

	return dice % 3 == 0 ? TSR_NOWAIT : tsr_now_ns() + dice % 3000000;
}

/* A message that is about to be sent. Return: false: there is no memory just now. */
static bool
sender_write(struct sender *sender, unsigned channel, struct tsr_msg *msg)
{
	uint32_t const room = CONSERVE_BYTES - sizeof(struct conserve_text) - 8;
	struct conserve_text text = {
		.magic = CONSERVE_MAGIC,
		.channel = channel,
		.slot = sender->actor->slot,
		.incarnation = sender->actor->incarnation,
		.life = sender->actor->life,
		.sequence = sender->next[channel],
		.length = (uint32_t)(sizeof(text) + 8 + test_random(&sender->seed) % room),
	};
	int const error = tsr_alloc(sender->client, text.length, msg);

	if (error == -ENOMEM)
		return false;
	child_ok(sender->report, error);
	text.check = conserve_check(&text);
	memcpy(msg->data, &text, sizeof(text));
	memcpy((char *)msg->data + text.length - 8, &text.check, 8);
	sender->next[channel]++;
	atomic_fetch_or(sender_note(sender, channel, text.sequence), CONSERVE_TRIED);
	return true;
}

/* These could not be sent. */
static void
sender_keep(struct sender *sender, unsigned channel, uint32_t first, struct tsr_msg *msgs,
            size_t count)
{
	for (size_t i = 0; i < count; i++) {
		/* A cancelled scope has handed it to its callback. */
		if (msgs[i].data == NULL)
			continue;
		atomic_fetch_or(sender_note(sender, channel, first + (uint32_t)i), CONSERVE_KEPT);
		child_ok(sender->report, tsr_release(sender->client, &msgs[i]));
	}
}

static void
sender_failed(struct sender *sender, unsigned channel, int error)
{
	child_check(sender->report,
	            error == -EAGAIN || error == -ETIMEDOUT || error == -EPIPE ||
	                    error == -ECONNRESET || error == -ENOMEM || error == -ECANCELED ||
	                    (error == -ENOBUFS &&
	                     conserve_table[channel].options.kind == TSR_KIND_UNLIMITED),
	            "%s: send gave %d", conserve_table[channel].name, error);
}

static void
sender_send(struct sender *sender, unsigned channel)
{
	uint32_t const first = sender->next[channel];
	struct tsr_msg msgs[CONSERVE_BATCH];
	size_t const want = 1 + test_random(&sender->seed) % CONSERVE_BATCH;
	size_t count = 0, done = 0;
	int error;

	while (count < want && sender_write(sender, channel, &msgs[count]))
		count++;
	if (count == 0)
		return;
	if (count == 1) {
		error = tsr_send(sender->end[channel], msgs, sender_deadline(sender));
		done = error == 0;
	} else {
		error = tsr_send_batch(sender->end[channel], msgs, count, sender_deadline(sender),
		                       &done);
	}
	for (size_t i = 0; i < done; i++)
		atomic_fetch_or(sender_note(sender, channel, first + (uint32_t)i), CONSERVE_SENT);
	child_check(sender->report, done <= count && (error == 0) == (done > 0),
	            "%s: %zu of %zu sent, and %d", conserve_table[channel].name, done, count,
	            error);
	if (error != 0)
		sender_failed(sender, channel, error);
	sender_keep(sender, channel, first + (uint32_t)done, &msgs[done], count - done);
}

/* One of several sends, whichever can be done first. */
static void
sender_select(struct sender *sender)
{
	struct tsr_case cases[CONSERVE_BATCH];
	struct tsr_msg msgs[CONSERVE_BATCH];
	unsigned channels[CONSERVE_BATCH];
	uint32_t first[CONSERVE_BATCH];
	struct tsr_select select = {.size = sizeof(select), .cases = cases};
	int error;

	for (int tries = 0; tries < 2 * CONSERVE_BATCH && select.count < CONSERVE_BATCH; tries++) {
		unsigned const channel = sender_choose(sender);
		uint32_t const i = select.count;
		bool twice = channel == CONSERVE_CHANNELS ||
		             conserve_table[channel].options.kind == TSR_KIND_RENDEZVOUS;

		for (uint32_t k = 0; k < i; k++)
			twice = twice || channels[k] == channel;
		if (twice || !sender_open(sender, channel))
			continue;
		first[i] = sender->next[channel];
		if (!sender_write(sender, channel, &msgs[i]))
			break;
		channels[i] = channel;
		cases[i] = (struct tsr_case){.sender = sender->end[channel], .msg = &msgs[i]};
		select.count++;
	}
	if (select.count == 0)
		return;
	error = tsr_select(&select, sender_deadline(sender));
	for (uint32_t i = 0; i < select.count; i++) {
		if (error == 0 && i == select.fired)
			atomic_fetch_or(sender_note(sender, channels[i], first[i]), CONSERVE_SENT);
		else
			sender_keep(sender, channels[i], first[i], &msgs[i], 1);
	}
	if (error != 0)
		sender_failed(sender, channels[0], error);
}

/* Send while somebody cancels. */
static void
sender_cancelled(struct sender *sender, unsigned channel)
{
	struct conserve_scope scope = {.client = sender->client,
	                               .channel = channel,
	                               .after_ns = test_random(&sender->seed) % 2000000};

	conserve_scope_open(&scope, sender->report, &sender->end[channel], NULL);
	for (int i = 0; i < 2; i++) {
		if (sender->next[channel] + CONSERVE_BATCH <= CONSERVE_MESSAGES)
			sender_send(sender, channel);
	}
	conserve_scope_close(&scope, sender->report);
}

static void
sender_act(struct sender *sender)
{
	uint64_t const dice = test_random(&sender->seed) % 256;
	struct timespec const rest = {.tv_nsec = (long)(test_random(&sender->seed) % 400000)};
	unsigned const channel = sender_choose(sender);

	if (dice < 16)
		(void)nanosleep(&rest, NULL);
	if (channel == CONSERVE_CHANNELS)
		return;
	if (dice == 16)
		sender_close(sender, channel);
	else if (dice < 48)
		sender_select(sender);
	else if (sender_open(sender, channel)) {
		if (dice < 56)
			sender_cancelled(sender, channel);
		else
			sender_send(sender, channel);
	}
}

int
conserve_send(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&conserve_daemon);
	struct conserve_actor const *const actor = arg;
	static struct sender sender;
	static struct conserve_actor own;

	own = *actor;
	sender = (struct sender){.actor = &own, .report = report, .seed = own.seed};
	child_ok(report, tsr_attach(&options, &sender.client));
	while (atomic_load(&conserve_world->stop) == 0) {
		conserve_doom(&own, report, &sender.seed);
		sender_act(&sender);
	}
	for (unsigned i = 0; conserve_table[i].name != NULL; i++)
		sender_close(&sender, i);
	child_ok(report, tsr_detach(sender.client));
	return 0;
}
