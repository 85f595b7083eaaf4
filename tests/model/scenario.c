/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Who does what. To put something new under the explorer:
 *
 *  1. write a body below, of calls of the library: what one process does from beginning to end,
 *     with a model_ghost_...() line at each call that gives or takes a ticket or a message. It
 *     must come to its end by itself, whatever the others do, unless something is wrong;
 *  2. add a line to the table: processes, capacity, deaths, bounds;
 *  3. name new sources in tests/model/sources; what of their segments is to be seen in a trace is
 *     named in trace.c; a condition of its own goes into ghost.c.
 *
 * A scenario should be small: two slots, two messages, few tickets. Each process more, or message
 * more, costs a factor of five to fifty.
 */

#include <errno.h>

#include "tests/model/model.h"

#define ONE_SENDER   TSR_CHANNEL_ONE_SENDER
#define ONE_RECEIVER TSR_CHANNEL_ONE_RECEIVER

static void
scenario_check(struct model_process *self, const char *what, int error)
{
	if (error != 0)
		model_violate("process %u: %s gave %d", self->number, what, error);
}

static uint64_t
scenario_deadline(struct model_process *self)
{
	return self->actor->timeouts > 0 ? 1000 : TSR_FOREVER;
}

/* One who comes late opens his end when the others are at it. */
static int
scenario_open(struct model_process *self)
{
	struct tsr_end_options const options = {.size = sizeof(options),
	                                        .flags = TSR_END_NO_SPIN | TSR_END_NO_STAMP,
	                                        .from = self->actor->from};
	int error;

	if (!self->actor->late)
		return 0;
	error = self->actor->sends && !self->actor->serves
	                ? tsr_sender_open(self->client, "model", &options, &self->sender)
	                : tsr_receiver_open(self->client, "model", &options, &self->receiver);
	scenario_check(self, "open", error);
	if (error == 0)
		model_set(&model.ghost->open[self->number], 1);
	return error;
}

static void
scenario_close(struct model_process *self)
{
	if (self->actor->stays)
		return;
	model_set(&model.ghost->open[self->number], 0);
	scenario_check(self, "close",
	               self->actor->sends ? tsr_sender_close(self->sender)
	                                  : tsr_receiver_close(self->receiver));
}

static void
scenario_release(struct model_process *self, struct tsr_msg *msg)
{
	model_ghost_releases(self, msg);
	scenario_check(self, "release", tsr_release(self->client, msg));
	*msg = (struct tsr_msg){0};
}

/* Send so many messages; each one's length says which it is. */
static void
scenario_send(struct model_process *self)
{
	if (scenario_open(self) != 0)
		return;
	for (unsigned k = 0; k < self->actor->messages; k++) {
		struct tsr_msg msg = {0};
		unsigned m;
		int error = tsr_alloc(self->client, MODEL_MESSAGES, &msg);

		scenario_check(self, "alloc", error);
		if (error != 0)
			return;
		model_ghost_allocated(self, &msg);
		m = model_ghost_sends(self, &msg, k);
		msg.length = m + 1;
		do {
			error = tsr_send(self->sender, &msg, scenario_deadline(self));
			if (error == -ETIMEDOUT)
				model_ghost_kept(self, m, &msg);
		} while (error == -ETIMEDOUT);
		if (error == -ECANCELED && msg.data == NULL) {
			model_ghost_left(self, m);
			break;
		}
		model_ghost_sent(self, m, error);
		if (error == 0)
			continue;
		model_ghost_releases(self, &msg);
		scenario_check(self, "release", tsr_release(self->client, &msg));
		break;
	}
	scenario_close(self);
}

/* Receive until the stream ends, or so many; from each sender in order while nobody has died. */
static void
scenario_receive(struct model_process *self)
{
	unsigned next[MODEL_PROCESSES] = {0};

	if (scenario_open(self) != 0)
		return;
	for (unsigned k = 0; self->actor->messages == 0 || k < self->actor->messages;) {
		struct tsr_msg msg = {0};
		int const error = tsr_recv(self->receiver, &msg, scenario_deadline(self));
		unsigned m;

		if (error == -ETIMEDOUT)
			continue;
		if (error == -ECANCELED && self->actor->scoped)
			break;
		if (error != 0) {
			model_ghost_ended(self, self->actor->second, false, error);
			break;
		}
		k++;
		m = model_ghost_received(self, &msg);
		model_ghost_in_order(self, m, next);
		model_ghost_releases(self, &msg);
		scenario_check(self, "release", tsr_release(self->client, &msg));
	}
	scenario_close(self);
}

/* The same from both channels, whichever has something; until both have ended. */
static void
scenario_select(struct model_process *self)
{
	struct tsr_msg msg = {0};
	struct tsr_case cases[] = {{.receiver = self->receiver, .msg = &msg},
	                           {.receiver = self->also, .msg = &msg}};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};
	unsigned next[MODEL_PROCESSES] = {0};

	for (unsigned k = 0; self->actor->messages == 0 || k < self->actor->messages;) {
		int const error = tsr_select(&select, scenario_deadline(self));
		unsigned m;

		if (error == -ETIMEDOUT)
			continue;
		if (error == -ECANCELED && self->actor->scoped)
			break;
		if (error != 0) {
			unsigned const fired = select.fired;

			model_ghost_ended(self, cases[fired].receiver.handle == self->also.handle,
			                  false, error);
			if (--select.count == 0)
				break;
			cases[0] = cases[1 - fired];
			continue;
		}
		k++;
		m = model_ghost_received(self, &msg);
		model_ghost_in_order(self, m, next);
		model_ghost_releases(self, &msg);
		scenario_check(self, "release", tsr_release(self->client, &msg));
		msg = (struct tsr_msg){0};
	}
	if (self->actor->stays)
		return;
	model_set(&model.ghost->open[self->number], 0);
	scenario_check(self, "close", tsr_receiver_close(self->receiver));
	scenario_check(self, "close", tsr_receiver_close(self->also));
}

/* Receive two and then release both, until the stream ends: a death in between holds something. */
static void
scenario_receive_two(struct model_process *self)
{
	struct tsr_msg msg[2] = {0};
	unsigned held = 0;

	if (scenario_open(self) != 0)
		return;
	for (;;) {
		int const error = tsr_recv(self->receiver, &msg[held], scenario_deadline(self));

		if (error != 0) {
			model_ghost_ended(self, 0, false, error);
			break;
		}
		(void)model_ghost_received(self, &msg[held++]);
		if (held < 2)
			continue;
		scenario_release(self, &msg[0]);
		scenario_release(self, &msg[1]);
		held = 0;
	}
	if (held == 1)
		scenario_release(self, &msg[0]);
	scenario_close(self);
}

/* Read a broadcast, and keep each message until the next one has come. */
static void
scenario_retain(struct model_process *self)
{
	unsigned next[MODEL_PROCESSES] = {0};
	struct tsr_msg kept = {0};

	for (;;) {
		struct tsr_msg msg = {0};
		int error = tsr_recv(self->receiver, &msg, TSR_FOREVER);
		unsigned m;

		if (kept.data != NULL) {
			model_ghost_releases(self, &kept);
			scenario_check(self, "release", tsr_release(self->client, &kept));
		}
		kept = (struct tsr_msg){0};
		if (error == -EOVERFLOW)
			break; /* evicted */
		if (error != 0) {
			model_ghost_ended(self, 0, false, error);
			break;
		}
		m = model_ghost_received(self, &msg);
		model_ghost_in_order(self, m, next);
		model_ghost_retains(self, m);
		error = tsr_retain(self->client, &msg);
		if (error == -EOVERFLOW || error == -ESTALE)
			continue; /* it was written over: the next call says so, too */
		scenario_check(self, "retain", error);
		model_ghost_holds(self, m);
		kept = msg;
	}
	scenario_close(self);
}

/* Hold more than one's magazine has, and give it back: to the depot and from it. */
static void
scenario_hold(struct model_process *self)
{
	for (unsigned k = 0; k < self->actor->messages; k++) {
		struct tsr_msg msg[3] = {0};
		unsigned held = 0;

		/* What another one has in hands at the moment, nobody else can be given. */
		while (held < 3 && tsr_alloc(self->client, 8, &msg[held]) == 0)
			model_ghost_allocated(self, &msg[held++]);
		while (held > 0) {
			model_ghost_releases(self, &msg[--held]);
			scenario_check(self, "release", tsr_release(self->client, &msg[held]));
			msg[held] = (struct tsr_msg){0};
		}
	}
}

void
model_undelivered(void *argument, struct tsr_msg *msg)
{
	struct model_process *const owner = argument;

	model_ghost_handed(owner, msg);
	scenario_release(owner, msg);
}

/* A thread that cancels the scope of its process, and once more. */
static void
scenario_cancel(struct model_process *self)
{
	struct tsr_scope const scope = self->leader->scope;

	scenario_check(self, "cancel", tsr_scope_cancel(scope));
	scenario_check(self, "cancel", tsr_scope_cancel(scope) == -ECANCELED ? 0 : -EPROTO);
}

/* Ask so many things at once, and take the replies in the reverse order. */
static void
scenario_ask(struct model_process *self)
{
	uint64_t ask[MODEL_REQUESTS];
	unsigned asked = 0;

	while (asked < self->actor->messages) {
		struct tsr_msg msg = {0};
		unsigned m;
		int error = tsr_alloc(self->client, MODEL_MESSAGES, &msg);

		scenario_check(self, "alloc", error);
		if (error != 0)
			return;
		model_ghost_allocated(self, &msg);
		m = model_ghost_sends(self, &msg, asked);
		msg.length = m + 1;
		error = tsr_ask_begin(self->asker, &msg, TSR_FOREVER, &ask[asked]);
		model_ghost_sent(self, m, error);
		if (error != 0) {
			scenario_release(self, &msg);
			break;
		}
		asked++;
	}
	while (asked-- > 0) {
		struct tsr_msg reply = {0};
		int const error =
			tsr_ask_end(self->asker, ask[asked], &reply, scenario_deadline(self));

		model_ghost_answered(self, asked, &reply, error);
		if (error == 0)
			scenario_release(self, &reply);
	}
	if (self->actor->stays)
		return;
	model_set(&model.ghost->open[self->number], 0);
	scenario_check(self, "close", tsr_asker_close(self->asker));
}

/* Answer what is asked until nobody asks. */
static void
scenario_serve(struct model_process *self)
{
	if (scenario_open(self) != 0)
		return;
	for (;;) {
		struct tsr_msg request = {0}, reply = {0};
		unsigned m;
		int error = tsr_recv(self->receiver, &request, TSR_FOREVER);

		if (error != 0) {
			model_ghost_ended(self, 0, false, error);
			break;
		}
		m = model_ghost_received(self, &request);
		error = tsr_alloc(self->client, MODEL_MESSAGES, &reply);
		scenario_check(self, "alloc", error);
		if (error != 0)
			return;
		model_ghost_allocated(self, &reply);
		m = model_ghost_sends(self, &reply, m);
		reply.length = m + 1;
		error = tsr_reply(self->client, &request, &reply, TSR_NOWAIT);
		model_ghost_sent(self, m, error);
		if (error != 0)
			scenario_release(self, &reply);
		scenario_release(self, &request);
	}
	if (self->actor->stays)
		return;
	model_set(&model.ghost->open[self->number], 0);
	scenario_check(self, "close", tsr_receiver_close(self->receiver));
}

#define SENDS(n)      .body = scenario_send, .sends = true, .messages = n, .tickets = 2, .limit = 8
#define SENDS_LATE(n) .body = scenario_send, .sends = true, .messages = n, .limit = 8, .late = true
#define RECEIVES(n)   .body = scenario_receive, .receives = true, .messages = n, .limit = 8
#define SELECTS(n) \
	.body = scenario_select, .receives = true, .both = true, .messages = n, .limit = 8
#define RETAINS       .body = scenario_retain, .receives = true, .limit = 8
#define UNLIMITED     .kind = TSR_KIND_UNLIMITED, .capacity = 2, .tickets = 12
#define SENDS_MORE(n) .body = scenario_send, .sends = true, .messages = n, .tickets = 6, .limit = 12
#define BROADCAST     .kind = TSR_KIND_BROADCAST, .capacity = 2, .tickets = 8
#define ASK           .two = true, .second_flags = ONE_RECEIVER, .capacity = 2, .tickets = 6
#define ASKS(n)                                                                             \
	.body = scenario_ask, .sends = true, .receives = true, .asks = true, .messages = n, \
	.tickets = 2, .limit = 8
#define SERVES_AT_ALL(n)                                                                        \
	.body = scenario_serve, .sends = true, .receives = true, .serves = true, .messages = n, \
	.limit = 8
#define SERVES(n)      SERVES_AT_ALL(n), .tickets = 2
#define SERVES_LATE(n) SERVES_AT_ALL(n), .late = true, .lasts = true
#define CANCELS(n)     .body = scenario_cancel, .thread = n, .limit = 8
#define LAST_LAP       .first_lap = TSR_LAP_MASK, .first_generation = TSR_GENERATION_MASK
#define MILLION        UINT64_C(1000000)

const struct model_scenario model_scenarios[] = {
	{
		.name = "one-one",
		.what = "a declared sender, a declared receiver, one death",
		.flags = ONE_SENDER | ONE_RECEIVER,
		.capacity = 2,
		.kills = 1,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "many-many",
		.what = "claimed and taken slots, one death",
		.capacity = 2,
		.kills = 1,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "one-sender",
		.what = "a declared sender, a receiver of many, one death",
		.flags = ONE_SENDER,
		.capacity = 2,
		.kills = 1,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "one-receiver",
		.what = "a sender of many, a declared receiver, one death",
		.flags = ONE_RECEIVER,
		.capacity = 2,
		.kills = 1,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "wrap",
		.what = "laps and generations run over, one death",
		.capacity = 2,
		.kills = 1,
		LAST_LAP,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "deaths-one-one",
		.what = "two messages, one death",
		.flags = ONE_SENDER | ONE_RECEIVER,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "deaths-many",
		.what = "two messages, claimed and taken slots, one death",
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "redelivery",
		.what = "two receivers, one death: what it had taken comes again",
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(1)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "redelivery-two",
		.what = "two messages, two receivers, two deaths",
		.capacity = 2,
		.kills = 2,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "claim",
		.what = "two senders want the same slot",
		.capacity = 2,
		.quick = true,
		.actor = {{SENDS(1), .stays = true},
                          {SENDS(1), .stays = true},
                          {RECEIVES(2), .stays = true}},
	},
	{
		.name = "claim-death",
		.what = "two senders want the same slot, one death",
		.capacity = 2,
		.kills = 1,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(1)}, {SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "reaper",
		.what = "one death, and the daemon dies while it repairs",
		.flags = ONE_SENDER | ONE_RECEIVER,
		.capacity = 2,
		.kills = 1,
		.reaper_kills = 1,
		.quick = true,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "reaper-many",
		.what = "claimed and taken slots, one death, and the daemon dies twice while it "
			"repairs",
		.capacity = 2,
		.kills = 1,
		.reaper_kills = 2,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "reaper-redo",
		.what = "one message, a receiver that may be past it, and the daemon dies while it "
			"repairs",
		.capacity = 2,
		.kills = 1,
		.reaper_kills = 1,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(1)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "close",
		.what = "a receiver closes while a sender waits for room, one death",
		.capacity = 2,
		.kills = 1,
		.actor = {{SENDS(4)}, {RECEIVES(1)}},
	},
	{
		.name = "again",
		.what = "the dead one's id is given to another, who opens the channel again",
		.capacity = 2,
		.kills = 1,
		.actor = {{SENDS(2)}, {RECEIVES(0)}, {SENDS_LATE(1), .after = 1}},
	},
	{
		.name = "depot",
		.what = "two clients share a depot with partly filled cells, one death",
		.capacity = 2,
		.kills = 1,
		.tickets = 6,
		.cells = 3,
		.batch = 2,
		.quick = true,
		.actor = {{.body = scenario_hold, .messages = 1, .tickets = 1, .limit = 2},
                          {.body = scenario_hold, .messages = 1, .tickets = 1, .limit = 2}},
	},
	{
		.name = "depot-rounds",
		.what = "the same twice round, one death, and the daemon dies while it repairs",
		.capacity = 2,
		.kills = 1,
		.reaper_kills = 1,
		.tickets = 6,
		.cells = 3,
		.batch = 2,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{.body = scenario_hold, .messages = 2, .tickets = 1, .limit = 2},
                          {.body = scenario_hold, .messages = 2, .tickets = 1, .limit = 2}},
	},
	{
		.name = "wake-one-of-two",
		.what = "two receivers wait for one message each",
		.capacity = 2,
		.states = 4 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2), .stays = true},
                          {RECEIVES(1), .stays = true},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "hand-on",
		.what = "two senders, two receivers that wait: a wake-up for what comes later goes "
			"on",
		.capacity = 2,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(1), .stays = true},
                          {SENDS(1), .stays = true},
                          {RECEIVES(1), .stays = true},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "deadlines",
		.what = "the same with sleeps that may end by themselves: a wake-up spent so goes "
			"on",
		.capacity = 2,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2), .stays = true},
                          {RECEIVES(1), .timeouts = 1, .stays = true},
                          {RECEIVES(1), .timeouts = 1, .stays = true}},
	},
	{
		.name = "full-and-empty",
		.what = "two senders that wait for room, two receivers that wait for messages",
		.capacity = 2,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2), .stays = true},
                          {SENDS(2), .stays = true},
                          {RECEIVES(2), .stays = true},
                          {RECEIVES(2), .stays = true}},
	},
	{
		.name = "two-two-two",
		.what = "two senders, two receivers, two deaths",
		.capacity = 2,
		.kills = 2,
		.states = 4 * MILLION,
		.nightly = 200 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "drop-newest",
		.what = "a full channel drops what is being sent, one death",
		.flags = TSR_CHANNEL_DROP_NEWEST,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "drop-oldest",
		.what = "a full channel drops the oldest, one death",
		.flags = TSR_CHANNEL_DROP_OLDEST,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "drop-race",
		.what = "two senders drop for the same slot",
		.flags = TSR_CHANNEL_DROP_OLDEST,
		.capacity = 2,
		.quick = true,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2), .stays = true}, {SENDS(2), .stays = true}},
	},
	{
		.name = "drop-one-one",
		.what = "the same, a declared sender and a declared receiver, and the daemon dies, "
			"too",
		.flags = TSR_CHANNEL_DROP_OLDEST | ONE_SENDER | ONE_RECEIVER,
		.capacity = 2,
		.kills = 1,
		.reaper_kills = 1,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "drop-two-senders",
		.what = "two senders drop the oldest for each other, one death",
		.flags = TSR_CHANNEL_DROP_OLDEST,
		.capacity = 2,
		.kills = 1,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "drop-waits",
		.what = "senders that wait for an oldest which others have in hands",
		.flags = TSR_CHANNEL_DROP_OLDEST,
		.capacity = 2,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2), .stays = true},
                          {SENDS(2), .stays = true},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "drop-two-two-two",
		.what = "two senders that drop, two receivers, two deaths",
		.flags = TSR_CHANNEL_DROP_OLDEST,
		.capacity = 2,
		.kills = 2,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "drop-newest-2-2-2",
		.what = "two senders whose messages are dropped if there is no room, two "
			"receivers, two deaths",
		.flags = TSR_CHANNEL_DROP_NEWEST,
		.capacity = 2,
		.kills = 2,
		.states = MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "requeue",
		.what = "what a dead receiver held comes again: two receivers, one death",
		.flags = TSR_CHANNEL_REQUEUE,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(1)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "requeue-reaper",
		.what = "the same, and the daemon dies while it repairs",
		.flags = TSR_CHANNEL_REQUEUE,
		.capacity = 2,
		.kills = 1,
		.reaper_kills = 1,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(1)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "requeue-two",
		.what = "what dead receivers held comes again: two of them, two deaths",
		.flags = TSR_CHANNEL_REQUEUE,
		.capacity = 2,
		.kills = 2,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2)},
                          {.body = scenario_receive_two, .receives = true, .limit = 8},
                          {RECEIVES(0)},
                          {RECEIVES(0)}},
	},
	{
		.name = "requeue-2-2-2",
		.what = "two senders, two receivers of which what they held comes again, two "
			"deaths",
		.flags = TSR_CHANNEL_REQUEUE,
		.capacity = 2,
		.kills = 2,
		.states = MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(1)}, {SENDS(1)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "conflated",
		.what = "only the newest counts, one death",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 4,
		.kills = 1,
		.quick = true,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "conflated-race",
		.what = "two senders, each wants to be the newest, at the end of all laps",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 4,
		LAST_LAP,
		.quick = true,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2), .stays = true}, {SENDS(2), .stays = true}},
	},
	{
		.name = "conflated-wait",
		.what = "store buffers: a receiver sleeps until there is something newer",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 4,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(2), .stays = true}, {RECEIVES(1), .stays = true}},
	},
	{
		.name = "conflated-reaper",
		.what = "only the newest counts, one death, and the daemon dies while it repairs",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 4,
		.kills = 1,
		.reaper_kills = 1,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "conflated-senders",
		.what = "two senders, each wants to be the newest, one death",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 8,
		.kills = 1,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(1)}, {RECEIVES(0)}},
	},
	{
		.name = "conflated-receivers",
		.what = "two receivers want the newest, one death",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 8,
		.kills = 1,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "conflated-two-two-two",
		.what = "only the newest counts: two senders, two receivers, two deaths",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 8,
		.kills = 2,
		.states = 3 * MILLION,
		.nightly = 200 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "tso-conflated",
		.what = "store buffers: only the newest counts, a receiver sleeps",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 4,
		.tso = true,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "tso-drop",
		.what = "store buffers: two senders drop the oldest",
		.flags = TSR_CHANNEL_DROP_OLDEST,
		.capacity = 2,
		.tso = true,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2), .stays = true},
                          {SENDS(2), .stays = true},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "rendezvous",
		.what = "two messages that meet a receiver, one death",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "rendezvous-one",
		.what = "a declared sender, which claims by a store, and a declared receiver, one "
			"death",
		.kind = TSR_KIND_RENDEZVOUS,
		.flags = ONE_SENDER | ONE_RECEIVER,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "rendezvous-late",
		.what = "a sender that gives up after a while, a receiver that is late, one death",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(2), .timeouts = 1}, {RECEIVES(0)}},
	},
	{
		.name = "rendezvous-two",
		.what = "two senders, one of which gives up after a while, two receivers",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.states = 4 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(1), .timeouts = 1, .stays = true},
                          {SENDS(1), .stays = true},
                          {RECEIVES(1), .stays = true},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "rendezvous-two-two-two",
		.what = "two senders, two receivers, two deaths",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.kills = 2,
		.states = 4 * MILLION,
		.nightly = 200 * MILLION,
		.actor = {{SENDS(1)}, {SENDS(1)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "rendezvous-reaper",
		.what = "two receivers want what a dead one offers, and the daemon dies while it "
			"repairs",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.kills = 1,
		.reaper_kills = 1,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(1)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "rendezvous-wrap",
		.what = "laps and generations run over, one death",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.kills = 1,
		LAST_LAP,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "tso-rendezvous",
		.what = "store buffers: a sender and a receiver that sleep",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(2), .timeouts = 1, .stays = true}, {RECEIVES(2), .stays = true}},
	},
	{
		.name = "tso-rendezvous-fenced",
		.what = "store buffers: no membarrier reaches the sender",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(2), .fenced = true, .stays = true}, {RECEIVES(2), .stays = true}},
	},
	{
		.name = "unlimited",
		.what = "segments of one message, one death",
		UNLIMITED,
		.kills = 1,
		.actor = {{SENDS_MORE(2)}, {RECEIVES(0)}},
	},
	{
		.name = "unlimited-one",
		.what = "a declared sender, a declared receiver, segments of one message, one "
			"death",
		UNLIMITED,
		.flags = ONE_SENDER | ONE_RECEIVER,
		.kills = 1,
		.actor = {{SENDS_MORE(2)}, {RECEIVES(0)}},
	},
	{
		.name = "unlimited-race",
		.what = "two senders put a segment in the same place",
		UNLIMITED,
		.quick = true,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS_MORE(2), .stays = true}, {SENDS_MORE(2), .stays = true}},
	},
	{
		.name = "unlimited-wrap",
		.what = "laps and generations run over, one death",
		UNLIMITED,
		.kills = 1,
		LAST_LAP,
		.actor = {{SENDS_MORE(2)}, {RECEIVES(0)}},
	},
	{
		.name = "unlimited-senders",
		.what = "two senders, a receiver, one death",
		UNLIMITED,
		.kills = 1,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS_MORE(2)}, {SENDS_MORE(1)}, {RECEIVES(0)}},
	},
	{
		.name = "unlimited-receivers",
		.what = "two receivers, one of which may have to look back by segments, one death",
		UNLIMITED,
		.kills = 1,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS_MORE(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "unlimited-reaper",
		.what = "one death, and the daemon dies while it repairs",
		UNLIMITED,
		.kills = 1,
		.reaper_kills = 1,
		.states = 4 * MILLION,
		.actor = {{SENDS_MORE(2)}, {RECEIVES(0)}},
	},
	{
		.name = "unlimited-requeue",
		.what = "what a dead receiver held comes again: two receivers, one death",
		UNLIMITED,
		.flags = TSR_CHANNEL_REQUEUE,
		.kills = 1,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS_MORE(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "unlimited-select",
		.what = "a sender on each of two unlimited channels, one who selects from both",
		UNLIMITED,
		.two = true,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS_MORE(2), .stays = true},
                          {SENDS_MORE(1), .second = true, .stays = true},
                          {SELECTS(3), .stays = true}},
	},
	{
		.name = "unlimited-hand-on",
		.what = "two senders, two receivers that wait: a wake-up goes on over a link",
		UNLIMITED,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS_MORE(1), .stays = true},
                          {SENDS_MORE(1), .stays = true},
                          {RECEIVES(1), .stays = true},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "unlimited-two-two-two",
		.what = "two senders, two receivers, two deaths",
		UNLIMITED,
		.kills = 2,
		.states = 4 * MILLION,
		.nightly = 200 * MILLION,
		.actor = {{SENDS_MORE(2)}, {SENDS_MORE(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "unlimited-two-a-segment",
		.what = "segments of three messages: two senders, two receivers, one death",
		.kind = TSR_KIND_UNLIMITED,
		.capacity = 4,
		.tickets = 12,
		.kills = 1,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS_MORE(3)}, {SENDS_MORE(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "tso-unlimited",
		.what = "store buffers: a receiver sleeps until a segment comes",
		UNLIMITED,
		.tso = true,
		.quick = true,
		.states = 2 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS_MORE(3), .stays = true}, {RECEIVES(3), .stays = true}},
	},
	{
		.name = "tso-unlimited-two",
		.what = "store buffers: two senders, two receivers that sleep over links",
		UNLIMITED,
		.tso = true,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS_MORE(1), .stays = true},
                          {SENDS_MORE(1), .stays = true},
                          {RECEIVES(1), .stays = true},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "tso-one-one",
		.what = "store buffers: a declared sender, a declared receiver, one death",
		.flags = ONE_SENDER | ONE_RECEIVER,
		.capacity = 2,
		.kills = 1,
		.tso = true,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "tso-many",
		.what = "store buffers: claimed and taken slots, one death",
		.capacity = 2,
		.kills = 1,
		.tso = true,
		.actor = {{SENDS(2)}, {RECEIVES(0)}},
	},
	{
		.name = "tso-two-receivers",
		.what = "store buffers: two receivers sleep and are woken",
		.capacity = 2,
		.tso = true,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2), .stays = true},
                          {RECEIVES(1), .stays = true},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "tso-wait",
		.what = "store buffers: a sender waits for room, a receiver for messages",
		.capacity = 2,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(3), .stays = true}, {RECEIVES(3), .stays = true}},
	},
	{
		.name = "tso-fenced",
		.what = "store buffers: no membarrier reaches the receiver, nor does it ask for "
			"one",
		.capacity = 2,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(3), .stays = true}, {RECEIVES(3), .fenced = true, .stays = true}},
	},
	{
		.name = "tso-fenced-sender",
		.what = "store buffers: no membarrier reaches the sender",
		.capacity = 2,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(3), .fenced = true, .stays = true}, {RECEIVES(3), .stays = true}},
	},
	{
		.name = "tso-fenced-late",
		.what = "store buffers: one that no membarrier reaches opens while others send",
		.capacity = 2,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(2), .stays = true},
                          {RECEIVES(2), .late = true, .fenced = true, .stays = true}},
	},
	{
		.name = "select-two",
		.what = "a sender on each of two channels, one who selects from both",
		.capacity = 2,
		.two = true,
		.quick = true,
		.actor = {{SENDS(1), .stays = true},
                          {SENDS(1), .second = true, .stays = true},
                          {SELECTS(2), .stays = true}},
	},
	{
		.name = "select-hand-on",
		.what = "the same, and a receiver on the second: a wake-up that was spent on who "
			"took elsewhere goes on",
		.capacity = 2,
		.two = true,
		.states = 4 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(1), .stays = true},
                          {SENDS(2), .second = true, .stays = true},
                          {SELECTS(1), .stays = true},
                          {RECEIVES(1), .second = true, .stays = true}},
	},
	{
		.name = "select-deadline",
		.what = "the same, and the select may end by its deadline",
		.capacity = 2,
		.two = true,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(1), .stays = true},
                          {SENDS(1), .second = true, .stays = true},
                          {SELECTS(2), .timeouts = 1, .stays = true}},
	},
	{
		.name = "select-death",
		.what = "a sender on each of two channels, one who selects until both have ended, "
			"one death",
		.capacity = 2,
		.kills = 1,
		.two = true,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(1)}, {SENDS(1), .second = true}, {SELECTS(0)}},
	},
	{
		.name = "tso-select",
		.what = "store buffers: a sender on each of two channels, one who selects from "
			"both",
		.capacity = 2,
		.two = true,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(1), .stays = true},
                          {SENDS(1), .second = true, .stays = true},
                          {SELECTS(2), .stays = true}},
	},
	{
		.name = "pso-one-one",
		.what = "stores in any order that is allowed: a declared sender, a declared "
			"receiver",
		.flags = ONE_SENDER | ONE_RECEIVER,
		.capacity = 2,
		.pso = true,
		.quick = true,
		.actor = {{SENDS(3), .stays = true}, {RECEIVES(3), .stays = true}},
	},
	{
		.name = "pso-many",
		.what = "the same, claimed and taken slots",
		.capacity = 2,
		.pso = true,
		.quick = true,
		.actor = {{SENDS(3), .stays = true}, {RECEIVES(3), .stays = true}},
	},
	{
		.name = "pso-rendezvous",
		.what = "the same, a sender that may give up and a receiver that meet",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.pso = true,
		.quick = true,
		.actor = {{SENDS(2), .timeouts = 1, .stays = true}, {RECEIVES(2), .stays = true}},
	},
	{
		.name = "pso-unlimited",
		.what = "the same, a sender that puts in segments, a receiver that follows",
		UNLIMITED,
		.pso = true,
		.quick = true,
		.actor = {{SENDS_MORE(2), .stays = true}, {RECEIVES(2), .stays = true}},
	},
	{
		.name = "pso-drop",
		.what = "the same, a sender that drops the oldest",
		.flags = TSR_CHANNEL_DROP_OLDEST,
		.capacity = 2,
		.pso = true,
		.quick = true,
		.actor = {{SENDS(4), .stays = true}, {RECEIVES(1), .stays = true}},
	},
	{
		.name = "pso-broadcast",
		.what = "the same, a declared sender waits for its reader",
		BROADCAST,
		.flags = ONE_SENDER,
		.pso = true,
		.quick = true,
		.actor = {{SENDS(4), .stays = true}, {RECEIVES(4), .stays = true}},
	},
	{
		.name = "pso-broadcast-evict",
		.what = "the same, a declared sender evicts a reader that retains what it reads",
		BROADCAST,
		.flags = ONE_SENDER | TSR_CHANNEL_EVICT,
		.pso = true,
		.quick = true,
		.actor = {{SENDS(3), .stays = true}, {RETAINS, .lasts = true}},
	},
	{
		.name = "pso-broadcast-free",
		.what = "the same, and the sender uses again what it has freed",
		BROADCAST,
		.flags = ONE_SENDER | TSR_CHANNEL_EVICT,
		.pso = true,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(4), .stays = true}, {RETAINS, .lasts = true}},
	},
	{
		.name = "pso-conflated",
		.what = "the same, only the newest counts",
		.kind = TSR_KIND_CONFLATED,
		.capacity = 4,
		.pso = true,
		.quick = true,
		.actor = {{SENDS(2), .stays = true}, {RECEIVES(1), .stays = true}},
	},
	{
		.name = "pso-depot",
		.what = "the same, two clients share a depot",
		.capacity = 2,
		.tickets = 6,
		.cells = 3,
		.batch = 2,
		.pso = true,
		.quick = true,
		.actor = {{.body = scenario_hold, .messages = 1, .tickets = 1, .limit = 2},
                          {.body = scenario_hold, .messages = 1, .tickets = 1, .limit = 2}},
	},
	{
		.name = "ask",
		.what = "one who asks, one who replies, one death, and who asks may give up",
		ASK,
		.kills = 1,
		.quick = true,
		.actor = {{ASKS(1), .timeouts = 1}, {SERVES(1)}},
	},
	{
		.name = "ask-two",
		.what = "two requests at once, two who reply: each gets its own reply",
		ASK,
		.states = 8 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{ASKS(2)}, {SERVES(2)}, {SERVES(2)}},
	},
	{
		.name = "ask-death",
		.what = "two who reply, one death: who asked is answered, or told",
		ASK,
		.kills = 1,
		.states = 2 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{ASKS(1)}, {SERVES(1)}, {SERVES(1)}},
	},
	{
		.name = "ask-reaper",
		.what = "one death, another replies in the dead one's place, and the daemon dies "
			"while it repairs",
		ASK,
		.kills = 1,
		.reaper_kills = 1,
		.states = 2 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{ASKS(1)}, {SERVES(1)}, {SERVES_LATE(1), .after = 2}},
	},
	{
		.name = "ask-two-two-two",
		.what = "two requests at once, either may be given up; two who reply, two deaths",
		ASK,
		.kills = 2,
		.states = 2 * MILLION,
		.nightly = 200 * MILLION,
		.actor = {{ASKS(2), .timeouts = 2}, {SERVES(2)}, {SERVES(2)}},
	},
	{
		.name = "tso-ask",
		.what = "store buffers: one who asks and may give up, one who replies",
		ASK,
		.tso = true,
		.quick = true,
		.actor = {{ASKS(1), .timeouts = 1}, {SERVES(1)}},
	},
	{
		.name = "scope-receive",
		.what = "a receive that another thread cancels, one death: what it did not receive "
			"is handed over once",
		.flags = ONE_RECEIVER,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(1)}, {RECEIVES(0), .scoped = true}, {CANCELS(2)}},
	},
	{
		.name = "scope-hand-on",
		.what = "a receive that is cancelled while another receiver waits: a wake-up spent "
			"on it goes on",
		.capacity = 2,
		.states = 2 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2), .stays = true},
                          {RECEIVES(1), .scoped = true, .stays = true},
                          {CANCELS(2)},
                          {RECEIVES(1), .stays = true}},
	},
	{
		.name = "scope-send",
		.what = "a send that waits for room and is cancelled, one death: each message is "
			"sent, or handed over once",
		.capacity = 2,
		.kills = 1,
		.states = 2 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(3), .scoped = true}, {CANCELS(1)}, {RECEIVES(1)}},
	},
	{
		.name = "scope-room",
		.what = "two senders wait for room, one of them is cancelled: a wake-up spent on "
			"it "
			"goes on",
		.capacity = 2,
		.tickets = 8,
		.states = 2 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2), .scoped = true, .stays = true},
                          {CANCELS(1)},
                          {SENDS(2), .stays = true},
                          {RECEIVES(2), .stays = true}},
	},
	{
		.name = "scope-select",
		.what = "a select that is cancelled while a receiver waits on one of its "
			"channels: tokens left behind swallow no wake-up",
		.capacity = 2,
		.two = true,
		.states = 4 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2), .second = true, .stays = true},
                          {SELECTS(1), .scoped = true, .stays = true},
                          {CANCELS(2)},
                          {RECEIVES(1), .second = true, .stays = true}},
	},
	{
		.name = "scope-select-death",
		.what = "a select that is cancelled, a sender on each of its channels, one death",
		.capacity = 2,
		.kills = 1,
		.two = true,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(1)},
                          {SENDS(1), .second = true},
                          {SELECTS(0), .scoped = true},
                          {CANCELS(3)}},
	},
	{
		.name = "scope-rendezvous",
		.what = "an offer that is cancelled, one death: it was received, or is handed over "
			"once",
		.kind = TSR_KIND_RENDEZVOUS,
		.capacity = 2,
		.kills = 1,
		.quick = true,
		.actor = {{SENDS(1), .scoped = true}, {CANCELS(1)}, {RECEIVES(0)}},
	},
	{
		.name = "tso-scope",
		.what = "store buffers: a receive that another thread cancels, and nobody else "
			"wakes",
		.capacity = 2,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(1), .stays = true},
                          {RECEIVES(2), .scoped = true, .stays = true},
                          {CANCELS(2)}},
	},
	{
		.name = "broadcast",
		.what = "a declared sender, two readers",
		BROADCAST,
		.flags = ONE_SENDER,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(3), .stays = true}, {RECEIVES(3)}, {RECEIVES(3)}},
	},
	{
		.name = "broadcast-death",
		.what = "a declared sender, a reader, one death",
		BROADCAST,
		.flags = ONE_SENDER,
		.kills = 1,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "broadcast-many",
		.what = "two senders that claim, a reader, one death",
		BROADCAST,
		.kills = 1,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(1)}, {RECEIVES(0)}},
	},
	{
		.name = "broadcast-wrap",
		.what = "laps and generations run over, one death",
		BROADCAST,
		.kills = 1,
		LAST_LAP,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "broadcast-reaper",
		.what = "one death, and the daemon dies while it repairs",
		BROADCAST,
		.kills = 1,
		.reaper_kills = 1,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(3)}, {RECEIVES(0)}},
	},
	{
		.name = "broadcast-late",
		.what = "store buffers: a reader comes while a declared sender is writing, and "
			"wants "
			"the oldest",
		BROADCAST,
		.flags = ONE_SENDER,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(4), .stays = true},
                          {RECEIVES(1), .late = true, .from = TSR_FROM_OLDEST}},
	},
	{
		.name = "broadcast-retain",
		.what = "store buffers: a reader retains what it reads, a declared sender frees it",
		BROADCAST,
		.flags = ONE_SENDER,
		.tso = true,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(4)}, {RETAINS}},
	},
	{
		.name = "broadcast-evict",
		.what = "store buffers: a reader that retains what it reads, and may be evicted",
		BROADCAST,
		.flags = ONE_SENDER | TSR_CHANNEL_EVICT,
		.tso = true,
		.states = 3 * MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(4)}, {RETAINS}},
	},
	{
		.name = "broadcast-held",
		.what = "one death, and something is retained",
		BROADCAST,
		.flags = ONE_SENDER,
		.kills = 1,
		.states = MILLION,
		.nightly = 50 * MILLION,
		.actor = {{SENDS(3)}, {RETAINS}},
	},
	{
		.name = "broadcast-tso",
		.what = "store buffers: a sender waits for its reader, which waits for messages",
		BROADCAST,
		.flags = ONE_SENDER,
		.tso = true,
		.quick = true,
		.actor = {{SENDS(4), .stays = true}, {RECEIVES(4), .stays = true}},
	},
	{
		.name = "broadcast-2-2-2",
		.what = "two senders, two readers, two deaths",
		BROADCAST,
		.kills = 2,
		.states = 3 * MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(2)}, {RECEIVES(0)}, {RECEIVES(0)}},
	},
	{
		.name = "broadcast-evict-2-2-2",
		.what = "two senders that evict who is slow, two readers that retain what they "
			"read, two deaths",
		BROADCAST,
		.flags = TSR_CHANNEL_EVICT,
		.kills = 2,
		.states = MILLION,
		.nightly = 100 * MILLION,
		.actor = {{SENDS(2)}, {SENDS(2)}, {RETAINS}, {RETAINS}},
	},
	{.name = NULL},
};
