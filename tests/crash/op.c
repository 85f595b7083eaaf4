/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/op.h"

#include <errno.h>
#include <string.h>

#include "shm/depot.h"
#include "shm/drop.h"
#include "tests/crash/actor.h"
#include "tests/crash/ring.h"
#include "tests/crash/spool.h"

#define OP_WAIT_NS UINT64_C(1000000000)
#define OP_BATCH   3

struct scene scene;

/* The operations. */

static void
op_want_message(struct run *run, unsigned i)
{
	if (!world_message(run->id, &run->msg[i]))
		world_give_up("no message for an operation");
	run->sends[i] = world_serial(&run->msg[i]);
	run->sends_count = i + 1;
}

static void
prepare_send(struct run *run)
{
	op_want_message(run, 0);
}

static void
run_send(struct run *run)
{
	run->result = tsr_send(world.sender[run->id][0], &run->msg[0], TSR_NOWAIT);
	run->done = run->result == 0;
}

static void
run_send_wait(struct run *run)
{
	run->result = tsr_send(world.sender[run->id][0], &run->msg[0], world.now_ns + OP_WAIT_NS);
	run->done = run->result == 0;
}

static void
prepare_send_batch(struct run *run)
{
	for (unsigned i = 0; i < OP_BATCH; i++)
		op_want_message(run, i);
}

static void
run_send_batch(struct run *run)
{
	run->result = tsr_send_batch(world.sender[run->id][0], run->msg, OP_BATCH, TSR_NOWAIT,
	                             &run->done);
}

static void
prepare_recv(struct run *run)
{
	run->receives_max = 1;
}

static void
op_received(struct run *run, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		run->received[i] = world_serial(&run->msg[i]);
	run->received_count = count;
}

static void
run_recv(struct run *run)
{
	run->result = tsr_recv(world.receiver[run->id][0], &run->msg[0], TSR_NOWAIT);
	op_received(run, run->result == 0);
}

static void
run_recv_wait(struct run *run)
{
	run->result = tsr_recv(world.receiver[run->id][0], &run->msg[0], world.now_ns + OP_WAIT_NS);
	op_received(run, run->result == 0);
}

static void
prepare_recv_batch(struct run *run)
{
	run->receives_max = OP_BATCH;
}

static void
run_recv_batch(struct run *run)
{
	size_t count = 0;

	run->result =
		tsr_recv_batch(world.receiver[run->id][0], run->msg, OP_BATCH, TSR_NOWAIT, &count);
	op_received(run, (unsigned)count);
}

/* One of two receives: channel 0, as it was made, and channel 1. */
static void
prepare_select(struct run *run)
{
	run->receives_max = 1;
	world_open_receiver(run->id, 1);
}

static void
op_select(struct run *run, uint64_t deadline_ns)
{
	struct tsr_case cases[] = {
		{.receiver = world.receiver[run->id][1], .msg = &run->msg[0]},
		{.receiver = world.receiver[run->id][0], .msg = &run->msg[0]},
	};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};

	run->result = tsr_select(&select, deadline_ns);
	op_received(run, run->result == 0);
}

static void
run_select(struct run *run)
{
	op_select(run, TSR_NOWAIT);
}

static void
run_select_wait(struct run *run)
{
	op_select(run, world.now_ns + OP_WAIT_NS);
}

/* A send on channel 0, or a receive from channel 1, where nothing is. */
static void
prepare_select_send(struct run *run)
{
	world_open_receiver(run->id, 1);
	op_want_message(run, 0);
}

static void
run_select_send(struct run *run)
{
	struct tsr_msg none;
	struct tsr_case cases[] = {
		{.receiver = world.receiver[run->id][1], .msg = &none},
		{.sender = world.sender[run->id][0], .msg = &run->msg[0]},
	};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};

	run->result = tsr_select(&select, world.now_ns + OP_WAIT_NS);
	run->done = run->result == 0;
}

/* A scope of the receiver is cancelled: what lies before it is handed over. */
static void
op_handed(void *argument, struct tsr_msg *msg)
{
	struct run *const run = argument;

	if (run->received_count == RUN_MESSAGES)
		world_give_up("more was handed over than there is room for");
	run->msg[run->received_count] = *msg;
	run->received[run->received_count++] = world_serial(msg);
}

static void
prepare_cancel(struct run *run)
{
	struct tsr_scope_options const options = {
		.size = sizeof(options), .undelivered = op_handed, .argument = run};

	run->receives_max = world.shape->capacity;
	if (tsr_scope_open(world.client[run->id], &options, &world.scope) != 0 ||
	    tsr_scope_add_receiver(world.scope, world.receiver[run->id][0]) != 0)
		world_give_up("no scope for an operation");
}

static void
run_cancel(struct run *run)
{
	run->result = tsr_scope_cancel(world.scope);
	if (tsr_scope_close(world.scope) != 0) /* the end can be used again */
		world_give_up("a scope can't be closed");
}

/* Requests: the victim asks, */
static void
prepare_ask(struct run *run)
{
	request_open(run->id);
	prepare_send(run);
}

static void
run_ask(struct run *run)
{
	run->result = tsr_ask_begin(request_asker, &run->msg[0], TSR_NOWAIT, &scene.request.ask);
	run->done = run->result == 0;
}

/* waits for the reply, */
static void
prepare_ask_end(struct run *run)
{
	request_open(run->id);
	request_begin();
}

static void
run_ask_end(struct run *run)
{
	run->result = tsr_ask_end(request_asker, scene.request.ask, &run->msg[0], TSR_NOWAIT);
	if (run->result == 0 && world_serial(&run->msg[0]) != scene.request.reply)
		run->result = -EPROTO;
}

/* gives up asking, */
static void
run_asker_close(struct run *run)
{
	scene.request.ask = 0;
	run->result = tsr_asker_close(request_asker);
}

/* receives a request and answers it in its block, */
static void
prepare_serve(struct run *run)
{
	run->receives_max = 1;
	request_open(WORLD_PEER_SENDER);
	request_begin();
}

static void
run_serve(struct run *run)
{
	run_recv(run);
	if (run->result == 0)
		run->result =
			tsr_reply(world.client[run->id], &run->msg[0], &run->msg[0], TSR_NOWAIT);
}

/* or in a block of its own. */
static void
prepare_reply(struct run *run)
{
	prepare_serve(run);
	run_recv(run);
	if (run->result != 0 || !world_message(run->id, &run->msg[1]))
		world_give_up("no request for an operation");
	scene.request.reply = world.serial;
}

static void
run_reply(struct run *run)
{
	run->result = tsr_reply(world.client[run->id], &run->msg[0], &run->msg[1], TSR_NOWAIT);
	if (run->result == 0)
		run->result = tsr_release(world.client[run->id], &run->msg[0]);
}

/* What is received is sent on: the same ticket, from slot to slot. */
static void
run_forward(struct run *run)
{
	run->result = tsr_recv(world.receiver[run->id][0], &run->msg[0], TSR_NOWAIT);
	if (run->result != 0)
		return;
	run->result = tsr_send(world.sender[run->id][0], &run->msg[0], TSR_NOWAIT);
	op_received(run, run->result != 0);
}

static void
run_recv_release(struct run *run)
{
	run_recv(run);
	if (run->result == 0)
		run->result = tsr_release(world.client[run->id], &run->msg[0]);
}

static void
run_alloc(struct run *run)
{
	run->result = tsr_alloc(world.client[run->id], WORLD_MESSAGE, &run->msg[0]);
}

static void
run_alloc_batch(struct run *run)
{
	size_t count;

	run->result =
		tsr_alloc_batch(world.client[run->id], WORLD_MESSAGE, run->msg, OP_BATCH, &count);
}

static void
op_alloc(struct run *run, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (tsr_alloc(world.client[run->id], WORLD_MESSAGE, &run->msg[i]) != 0)
			world_give_up("no block for an operation");
	}
}

static void
op_release(struct run *run, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		if (tsr_release(world.client[run->id], &run->msg[i]) != 0)
			world_give_up("a block can't be released");
	}
}

static void
prepare_release(struct run *run)
{
	op_alloc(run, 1);
}

static void
run_release(struct run *run)
{
	run->result = tsr_release(world.client[run->id], &run->msg[0]);
}

static void
prepare_release_batch(struct run *run)
{
	op_alloc(run, OP_BATCH);
}

static void
run_release_batch(struct run *run)
{
	size_t count;

	run->result = tsr_release_batch(world.client[run->id], run->msg, OP_BATCH, &count);
}

static void
run_open_sender(struct run *run)
{
	run->result = world_try_open(run->id, 0, TSR_SIDE_SENDER);
}

static void
run_open_receiver(struct run *run)
{
	run->result = world_try_open(run->id, 0, TSR_SIDE_RECEIVER);
}

static void
run_close_sender(struct run *run)
{
	run->result = tsr_sender_close(world.sender[run->id][0]);
}

static void
run_close_receiver(struct run *run)
{
	run->result = tsr_receiver_close(world.receiver[run->id][0]);
}

static void
prepare_detach(struct run *run)
{
	op_alloc(run, 4);
	op_release(run, 0, 2);
}

static void
run_detach(struct run *run)
{
	run->result = tsr_detach(world.client[run->id]);
}

/* Three tickets: one cell for the depot, one ticket for those who come later. */
static void
prepare_thread_end(struct run *run)
{
	op_alloc(run, OP_BATCH);
	op_release(run, 0, OP_BATCH - 1);
	world_thread_make();
}

static void
run_thread_end(struct run *run)
{
	world_thread_end();
	run->result = 0;
}

/* Messages of a region. */

static void
run_region_alloc(struct run *run)
{
	run->result = tsr_region_alloc(world.region[run->id], 0, WORLD_MESSAGE, &run->msg[0]);
}

static void
prepare_region_message(struct run *run)
{
	if (!world_region_message(run->id, &run->msg[0]))
		world_give_up("no message of the region for an operation");
}

static void
prepare_region_send(struct run *run)
{
	prepare_region_message(run);
	run->sends[0] = world_serial(&run->msg[0]);
	run->sends_count = 1;
}

/* It is in the channel, from whoever may send there. */
static void
prepare_region_recv(struct run *run)
{
	struct tsr_msg msg;

	run->receives_max = 1;
	if (!world_region_message(WORLD_PEER_SENDER, &msg) ||
	    tsr_send(world.sender[WORLD_PEER_SENDER][0], &msg, TSR_NOWAIT) != 0)
		world_give_up("no message of the region is in the channel");
	scene.before[scene.before_count++] = world.serial;
}

/* Views of a broadcast. */

static void
op_want_view(struct run *run)
{
	if (tsr_recv(world.receiver[run->id][0], &run->msg[0], TSR_NOWAIT) != 0)
		world_give_up("no message for an operation");
}

static void
run_view_release(struct run *run)
{
	run->result = tsr_release(world.client[run->id], &run->msg[0]);
}

static void
run_retain(struct run *run)
{
	run->result = tsr_retain(world.client[run->id], &run->msg[0]);
}

static void
prepare_retained(struct run *run)
{
	op_want_view(run);
	run_retain(run);
	if (run->result != 0)
		world_give_up("nothing is retained");
}

/* What is in channel 0 goes through it: every reader lets it go, and as much is sent anew. */
static void
start_gone_round(struct run *run)
{
	uint32_t const capacity = world.shape->capacity;
	struct tsr_msg msg;

	scene.before_count = 0;
	for (uint32_t i = 0; i < capacity; i++) {
		if (i > 0 && (tsr_recv(world.receiver[run->id][0], &msg, TSR_NOWAIT) != 0 ||
		              tsr_release(world.client[run->id], &msg) != 0))
			world_give_up("the victim reads nothing");
		if (tsr_recv(world.receiver[WORLD_PEER_RECEIVER][0], &msg, TSR_NOWAIT) != 0 ||
		    tsr_release(world.client[WORLD_PEER_RECEIVER], &msg) != 0)
			world_give_up("a peer reads nothing");
	}
	for (uint32_t i = 0; i < capacity; i++) {
		if (!world_message(WORLD_PEER_SENDER, &msg) ||
		    tsr_send(world.sender[WORLD_PEER_SENDER][0], &msg, TSR_NOWAIT) != 0)
			world_give_up("nothing is written over");
		scene.before[scene.before_count++] = world.serial;
	}
}

/* And its sender has closed: the daemon is responsible for what is retained. */
static void
start_bequeathed(struct run *run)
{
	start_gone_round(run);
	if (tsr_sender_close(world.sender[WORLD_PEER_SENDER][0]) != 0)
		world_give_up("close");
}

/* A lossy end in place of the reliable one. */
static void
prepare_lossy(struct run *run)
{
	struct tsr_end_options const options = {.size = sizeof(options),
	                                        .flags = TSR_END_NO_SPIN | TSR_END_LOSSY,
	                                        .from = run->start->fill != 0 ? TSR_FROM_OLDEST
	                                                                      : TSR_FROM_NEXT};

	run->receives_max = 1;
	if (tsr_receiver_close(world.receiver[run->id][0]) != 0 ||
	    tsr_receiver_open(world.client[run->id], world.record[0].name, &options,
	                      &world.receiver[run->id][0]) != 0)
		world_give_up("no lossy end");
}

/* It is lapped by one. */
static void
start_lapped(struct run *run)
{
	struct tsr_msg msg;

	(void)run;
	if (tsr_recv(world.receiver[WORLD_PEER_RECEIVER][0], &msg, TSR_NOWAIT) != 0 ||
	    tsr_release(world.client[WORLD_PEER_RECEIVER], &msg) != 0 ||
	    !world_message(WORLD_PEER_SENDER, &msg) ||
	    tsr_send(world.sender[WORLD_PEER_SENDER][0], &msg, TSR_NOWAIT) != 0)
		world_give_up("nobody is lapped");
	scene.before[scene.before_count++] = world.serial;
}

/* Start states. */

/* Take all that is in the depot of a class, for a peer. */
static void
op_hoard(uint32_t klass)
{
	uint64_t names[TSR_CELL_ENTRIES];
	uint32_t count;

	while ((count = tsr_depot_take(&world.realm.map, klass, WORLD_PEER_SENDER, names)) > 0) {
		memcpy(&scene.hoard[scene.hoard_count], names, count * sizeof(names[0]));
		scene.hoard_count += count;
	}
}

static void
start_magazine(struct run *run)
{
	op_alloc(run, 1);
	op_release(run, 0, 1);
}

/* The smaller class is used up, so that a larger one serves. */
static void
start_larger(struct run *run)
{
	(void)run;
	op_hoard(0);
}

static void
start_nothing(struct run *run)
{
	(void)run;
	op_hoard(0);
	op_hoard(1);
}

/* A thread of its own has left one behind. */
static void
start_orphan(struct run *run)
{
	uint64_t const index = world.client[run->id].handle % TSR_ATTACHMENTS_MAX;
	struct tsr_orphans *const orphans = &tsr_process->attachment[index].orphans[0];

	op_alloc(run, 2);
	orphans->name[orphans->count++] = run->msg[0].zdesc.name;
	orphans->name[orphans->count++] = run->msg[1].zdesc.name;
	op_hoard(0);
}

/* The magazine is full. */
static void
start_flush(struct run *run)
{
	uint64_t const index = world.client[run->id].handle % TSR_ATTACHMENTS_MAX;
	struct tsr_magazine const *const magazine = &tsr_thread.magazines[index][0];
	struct tsr_msg const kept = run->msg[0];
	unsigned next = 0;

	op_alloc(run, 4);
	while (magazine->count < magazine->limit)
		op_release(run, next++, 1);
	run->msg[0] = kept;
}

/* The depot, too: every empty cell is being filled by a peer that is in no hurry. */
static void
start_full_depot(struct run *run)
{
	_Atomic uint64_t *const words = tsr_map_cell_words(&world.realm.map, 0);

	start_flush(run);
	for (uint32_t i = 0; i < world.realm.map.klass[0].cells; i++) {
		uint64_t const word = atomic_load(&words[i]);

		if (tsr_slot_phase(word) == TSR_EMPTY)
			atomic_store(&words[i], tsr_slot_word(tsr_slot_lap(word), WORLD_PEER_SENDER,
			                                      TSR_CLAIMED));
	}
	scene.cells_held = 1;
}

static void
start_stale(struct run *run)
{
	op_release(run, 0, 1);
}

static void
start_token(struct run *run)
{
	enum tsr_side const side = run->op->ends == OP_SENDER ? TSR_SIDE_SENDER : TSR_SIDE_RECEIVER;
	struct tsr_end *const end = world_end(run->id, 0, side);

	if (end->token == UINT32_MAX && tsr_token_acquire(&end->mine, end->me, &end->token) != 0)
		world_give_up("no token");
}

/* All tickets of the region are a peer's. */
static void
start_region_out(struct run *run)
{
	struct tsr_msg msg;

	(void)run;
	while (world_region_message(WORLD_PEER_SENDER, &msg))
		scene.hoard[scene.hoard_count++] = msg.zdesc.name;
}

static void
start_asker_asleep(struct run *run)
{
	(void)run;
	request_sleep();
}

static void
start_answered(struct run *run)
{
	(void)run;
	request_answer();
}

/* The message in the channel claims to be longer than its block. */
static void
start_forged(struct run *run)
{
	struct tsr_channel const *const channel = &world.record[0].channel;

	(void)run;
	for (uint32_t i = 0; i < channel->capacity; i++) {
		if (tsr_slot_phase(atomic_load(&channel->shm->slot[i].word)) == TSR_READY)
			atomic_store(&channel->shm->slot[i].range, tsr_range_make(0, 1000));
	}
	scene.before_count = 0;
}

struct op const op_table[] = {
	{
		.name = "send",
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_SENDER,
		.prepare = prepare_send,
		.run = run_send,
		.start =
			{
				{.name = "empty"},
				{.name = "half", .fill = 2},
				{.name = "full", .fill = OP_FULL, .want = -EAGAIN},
				{.name = "asleep", .flags = START_PEER_SLEEPS},
				{.name = "watched", .flags = START_WATCHED | START_PEER_SLEEPS},
			},
	},
	{
		.name = "send-wait",
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_SENDER,
		.prepare = prepare_send,
		.run = run_send_wait,
		.start =
			{
				{.name = "empty"},
				{.name = "full", .fill = OP_FULL, .want = -ETIMEDOUT},
				{.name = "woken", .fill = OP_FULL, .flags = START_WOKEN},
			},
	},
	{
		.name = "send-batch",
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_SENDER,
		.prepare = prepare_send_batch,
		.run = run_send_batch,
		.start =
			{
				{.name = "empty"},
				{.name = "half", .fill = 2},
				{.name = "full", .fill = OP_FULL, .want = -EAGAIN},
				{.name = "asleep", .flags = START_PEER_SLEEPS},
			},
	},
	{
		.name = "recv",
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_RECEIVER,
		.prepare = prepare_recv,
		.run = run_recv,
		.start =
			{
				{.name = "empty", .want = -EAGAIN},
				{.name = "one", .fill = 1},
				{.name = "full", .fill = OP_FULL},
				{.name = "asleep", .fill = OP_FULL, .flags = START_PEER_SLEEPS},
				{.name = "watched",
                                 .fill = OP_FULL,
                                 .flags = START_WATCHED | START_PEER_SLEEPS},
				{.name = "redo", .fill = 2, .flags = START_REDO | START_RING},
				{.name = "again", .fill = 2, .flags = START_AGAIN | START_RING},
				{.name = "forged",
                                 .fill = 1,
                                 .want = -EPROTO,
                                 .flags = START_ALONE | START_RING,
                                 .prepare = start_forged},
			},
	},
	{
		.name = "recv-wait",
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_RECEIVER,
		.prepare = prepare_recv,
		.run = run_recv_wait,
		.start =
			{
				{.name = "one", .fill = 1},
				{.name = "empty", .want = -ETIMEDOUT},
				{.name = "woken", .flags = START_WOKEN},
			},
	},
	{
		.name = "recv-batch",
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_RECEIVER,
		.prepare = prepare_recv_batch,
		.run = run_recv_batch,
		.start =
			{
				{.name = "empty", .want = -EAGAIN},
				{.name = "two", .fill = 2},
				{.name = "full", .fill = OP_FULL},
				{.name = "again", .fill = 2, .flags = START_AGAIN | START_RING},
				{.name = "redo", .fill = 2, .flags = START_REDO | START_RING},
			},
	},
	{
		.name = "select",
		.ends = OP_RECEIVER,
		.prepare = prepare_select,
		.run = run_select,
		.start =
			{
				{.name = "one", .fill = 1},
				{.name = "empty", .want = -EAGAIN},
				{.name = "asleep", .fill = OP_FULL, .flags = START_PEER_SLEEPS},
				{.name = "redo", .fill = 2, .flags = START_REDO | START_RING},
			},
	},
	{
		.name = "select-wait",
		.ends = OP_RECEIVER,
		.prepare = prepare_select,
		.run = run_select_wait,
		.start =
			{
				{.name = "empty", .want = -ETIMEDOUT},
				{.name = "woken", .flags = START_WOKEN},
			},
	},
	{
		.name = "select-send",
		.ends = OP_SENDER,
		.prepare = prepare_select_send,
		.run = run_select_send,
		.start =
			{
				{.name = "empty"},
				{.name = "full", .fill = OP_FULL, .want = -ETIMEDOUT},
				{.name = "woken", .fill = OP_FULL, .flags = START_WOKEN},
			},
	},
	{
		.name = "cancel",
		.ends = OP_RECEIVER,
		.prepare = prepare_cancel,
		.run = run_cancel,
		.start =
			{
				{.name = "empty"},
				{.name = "two", .fill = 2},
			},
	},
	{
		.name = "ask",
		.kind = TSR_KIND_BUFFERED,
		.ends = OP_SENDER,
		.prepare = prepare_ask,
		.run = run_ask,
		.start =
			{
				{.name = "empty"},
				{.name = "full", .fill = OP_FULL, .want = -EAGAIN},
			},
	},
	{
		.name = "ask-end",
		.kind = TSR_KIND_BUFFERED,
		.ends = OP_SENDER,
		.prepare = prepare_ask_end,
		.run = run_ask_end,
		.start =
			{
				{.name = "queued", .want = -EAGAIN},
				{.name = "answered", .prepare = start_answered},
			},
	},
	{
		.name = "asker-close",
		.kind = TSR_KIND_BUFFERED,
		.ends = OP_SENDER,
		.prepare = prepare_ask_end,
		.run = run_asker_close,
		.start =
			{
				{.name = "queued"},
				{.name = "answered", .prepare = start_answered},
			},
	},
	{
		.name = "serve",
		.kind = TSR_KIND_BUFFERED,
		.ends = OP_RECEIVER,
		.prepare = prepare_serve,
		.run = run_serve,
		.start =
			{
				{.name = "awake"},
				{.name = "asleep", .prepare = start_asker_asleep},
			},
	},
	{
		.name = "reply",
		.kind = TSR_KIND_BUFFERED,
		.ends = OP_RECEIVER,
		.prepare = prepare_reply,
		.run = run_reply,
		.start =
			{
				{.name = "asleep", .prepare = start_asker_asleep},
			},
	},
	{
		.name = "recv-release",
		.ends = OP_RECEIVER,
		.prepare = prepare_recv,
		.run = run_recv_release,
		.start =
			{
				{.name = "one", .fill = 1},
			},
	},
	{
		.name = "forward",
		.ends = OP_SENDER | OP_RECEIVER,
		.prepare = prepare_recv,
		.run = run_forward,
		.start =
			{
				{.name = "one", .fill = 1},
				{.name = "full", .fill = OP_FULL},
			},
	},
	{
		.name = "meet-send",
		.kind = TSR_KIND_RENDEZVOUS,
		.ends = OP_SENDER,
		.prepare = prepare_send,
		.run = run_send,
		.start =
			{
				{.name = "nobody", .want = -EAGAIN},
				{.name = "asleep", .want = -EAGAIN, .flags = START_PEER_SLEEPS},
			},
	},
	{
		.name = "meet-send-wait",
		.kind = TSR_KIND_RENDEZVOUS,
		.ends = OP_SENDER,
		.prepare = prepare_send,
		.run = run_send_wait,
		.start =
			{
				{.name = "nobody", .want = -ETIMEDOUT},
				{.name = "woken", .flags = START_WOKEN},
			},
	},
	{
		.name = "meet-recv",
		.kind = TSR_KIND_RENDEZVOUS,
		.ends = OP_RECEIVER,
		.prepare = prepare_recv,
		.run = run_recv,
		.start =
			{
				{.name = "nobody", .want = -EAGAIN},
				{.name = "one", .fill = 1},
				{.name = "two", .fill = 2},
				{.name = "asleep", .fill = 1, .flags = START_PEER_SLEEPS},
				{.name = "forged",
                                 .fill = 1,
                                 .want = -EPROTO,
                                 .flags = START_ALONE,
                                 .prepare = start_forged},
			},
	},
	{
		.name = "meet-recv-wait",
		.kind = TSR_KIND_RENDEZVOUS,
		.ends = OP_RECEIVER,
		.prepare = prepare_recv,
		.run = run_recv_wait,
		.start =
			{
				{.name = "one", .fill = 1},
				{.name = "empty", .want = -ETIMEDOUT},
				{.name = "woken", .flags = START_WOKEN},
			},
	},
	{
		.name = "alloc",
		.depot = true,
		.run = run_alloc,
		.start =
			{
				{.name = "refill"},
				{.name = "magazine", .prepare = start_magazine},
				{.name = "larger", .flags = START_ALONE, .prepare = start_larger},
				{.name = "orphan", .flags = START_ALONE, .prepare = start_orphan},
				{.name = "nothing",
                                 .want = -ENOMEM,
                                 .flags = START_ALONE,
                                 .prepare = start_nothing},
			},
	},
	{
		.name = "alloc-batch",
		.depot = true,
		.run = run_alloc_batch,
		.start =
			{
				{.name = "refill"},
				{.name = "magazine", .prepare = start_magazine},
			},
	},
	{
		.name = "release",
		.depot = true,
		.prepare = prepare_release,
		.run = run_release,
		.start =
			{
				{.name = "flush", .prepare = start_flush},
				{.name = "magazine"},
				{.name = "orphan",
                                 .flags = START_ALONE,
                                 .prepare = start_full_depot},
				{.name = "stale", .want = -ESTALE, .prepare = start_stale},
			},
	},
	{
		.name = "release-batch",
		.depot = true,
		.prepare = prepare_release_batch,
		.run = run_release_batch,
		.start =
			{
				{.name = "magazine"},
			},
	},
	{
		.name = "region-alloc",
		.depot = true,
		.run = run_region_alloc,
		.start =
			{
				{.name = "free"},
				{.name = "out",
                                 .want = -ENOMEM,
                                 .flags = START_ALONE,
                                 .prepare = start_region_out},
			},
	},
	{
		.name = "region-release",
		.depot = true,
		.prepare = prepare_region_message,
		.run = run_release,
		.start =
			{
				{.name = "held"},
				{.name = "stale", .want = -ESTALE, .prepare = start_stale},
			},
	},
	{
		.name = "region-send",
		.ends = OP_SENDER,
		.prepare = prepare_region_send,
		.run = run_send,
		.start =
			{
				{.name = "empty"},
				{.name = "half", .fill = 2},
				{.name = "full", .fill = OP_FULL, .want = -EAGAIN},
				{.name = "asleep", .flags = START_PEER_SLEEPS},
			},
	},
	{
		.name = "region-recv",
		.ends = OP_RECEIVER,
		.prepare = prepare_region_recv,
		.run = run_recv_release,
		.start =
			{
				{.name = "one"},
			},
	},
	{
		.name = "view-release",
		.broadcast = OP_BROADCAST_ONLY,
		.ends = OP_RECEIVER,
		.prepare = op_want_view,
		.run = run_view_release,
		.start =
			{
				{.name = "one", .fill = 1},
				{.name = "full", .fill = OP_FULL},
				{.name = "asleep", .fill = OP_FULL, .flags = START_PEER_SLEEPS},
			},
	},
	{
		.name = "retain",
		.broadcast = OP_BROADCAST_ONLY,
		.ends = OP_RECEIVER,
		.prepare = op_want_view,
		.run = run_retain,
		.start =
			{
				{.name = "one", .fill = 1},
				{.name = "full", .fill = OP_FULL},
				{.name = "asleep", .fill = OP_FULL, .flags = START_PEER_SLEEPS},
			},
	},
	{
		.name = "retained-release",
		.broadcast = OP_BROADCAST_ONLY,
		.ends = OP_RECEIVER,
		.prepare = prepare_retained,
		.run = run_view_release,
		.start =
			{
				{.name = "slot", .fill = 1},
				{.name = "gone", .fill = OP_FULL, .prepare = start_gone_round},
				{.name = "bequeathed",
                                 .fill = OP_FULL,
                                 .prepare = start_bequeathed},
			},
	},
	{
		.name = "recv-lossy",
		.broadcast = OP_BROADCAST_ONLY,
		.ends = OP_RECEIVER,
		.prepare = prepare_lossy,
		.run = run_recv,
		.start =
			{
				{.name = "empty", .want = -EAGAIN},
				{.name = "one", .fill = 1},
				{.name = "full", .fill = OP_FULL},
				{.name = "lapped", .fill = OP_FULL, .prepare = start_lapped},
			},
	},
	{
		.name = "overtake",
		.broadcast = OP_BROADCAST_ONLY,
		.overtakes = true,
		.ends = OP_SENDER,
		.prepare = prepare_send,
		.run = run_send,
		.start =
			{
				{.name = "full", .fill = OP_FULL},
			},
	},
	{
		.name = "thread-end",
		.depot = true,
		.prepare = prepare_thread_end,
		.run = run_thread_end,
		.start =
			{
				{.name = "cell"},
			},
	},
	{
		.name = "open-sender",
		.any_kind = true,
		.broadcast = OP_BROADCAST_TOO,
		.uses = OP_SENDER,
		.run = run_open_sender,
		.start =
			{
				{.name = "empty"},
				{.name = "two", .fill = 2},
			},
	},
	{
		.name = "open-receiver",
		.any_kind = true,
		.broadcast = OP_BROADCAST_TOO,
		.uses = OP_RECEIVER,
		.run = run_open_receiver,
		.start =
			{
				{.name = "empty"},
				{.name = "two", .fill = 2},
			},
	},
	{
		.name = "close-sender",
		.any_kind = true,
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_SENDER,
		.run = run_close_sender,
		.start =
			{
				{.name = "empty"},
				{.name = "token", .fill = 2, .prepare = start_token},
			},
	},
	{
		.name = "close-receiver",
		.any_kind = true,
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_RECEIVER,
		.run = run_close_receiver,
		.start =
			{
				{.name = "empty"},
				{.name = "token", .fill = 2, .prepare = start_token},
			},
	},
	{
		.name = "detach",
		.any_kind = true,
		.broadcast = OP_BROADCAST_TOO,
		.ends = OP_SENDER | OP_RECEIVER,
		.prepare = prepare_detach,
		.run = run_detach,
		.start =
			{
				{.name = "holding", .fill = 2},
			},
	},
};

unsigned const op_count = sizeof(op_table) / sizeof(op_table[0]);

struct op const *
op_find(char const *name)
{
	for (unsigned i = 0; i < op_count; i++) {
		if (strcmp(op_table[i].name, name) == 0)
			return &op_table[i];
	}
	return NULL;
}

int
op_want(struct op const *op, struct start const *start)
{
	bool const drops = (world.shape->flags & TSR_CHANNEL_DROPS) != 0 ||
	                   world.shape->kind == TSR_KIND_CONFLATED || spool_is_on();

	return drops && (op->ends & OP_SENDER) != 0 && start->fill == OP_FULL ? 0 : start->want;
}

unsigned
op_drops_max(unsigned sent_besides)
{
	/* What is forwarded is sent once more. */
	unsigned const again = scene.victim.op->ends == (OP_SENDER | OP_RECEIVER);
	unsigned const sent = scene.before_count + scene.victim.sends_count + again +
	                      scene.peer.sends_count + sent_besides;

	if ((world.shape->flags & TSR_CHANNEL_DROPS) == 0 || sent < world.shape->capacity)
		return 0;
	return sent - world.shape->capacity;
}

/* The scene. */

static void
op_set_ends(struct op const *op)
{
	uint32_t const flags = world.shape->flags;
	unsigned const mine = op->ends | op->uses;

	if ((op->ends & OP_SENDER) != 0)
		world_open_sender(WORLD_VICTIM, 0);
	if ((op->ends & OP_RECEIVER) != 0)
		world_open_receiver(WORLD_VICTIM, 0);
	if ((flags & TSR_CHANNEL_ONE_SENDER) == 0 || (mine & OP_SENDER) == 0)
		world_open_sender(WORLD_PEER_SENDER, 0);
	if ((flags & TSR_CHANNEL_ONE_RECEIVER) == 0 || (mine & OP_RECEIVER) == 0)
		world_open_receiver(WORLD_PEER_RECEIVER, 0);
	world_open_sender(WORLD_PEER_SENDER, 1);
	world_open_receiver(WORLD_PEER_RECEIVER, 1);
}

/* Peers offer; where only the victim may send, nobody does. */
static void
op_set_offers(uint32_t count)
{
	bool const one = (world.shape->flags & TSR_CHANNEL_ONE_SENDER) != 0;

	if (one && !world_has_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER))
		return;
	for (uint32_t i = 0; i < (one && count > 1 ? 1 : count); i++) {
		meet_offer(i);
		scene.before[scene.before_count++] = world.serial;
	}
}

/* Whoever can send does; where only the victim will, a former sender did. */
static void
op_set_messages(uint32_t count)
{
	enum world_client from = WORLD_PEER_SENDER;
	struct tsr_msg msg;
	bool guest = false;

	if (meet_is_on()) {
		op_set_offers(count);
		return;
	}
	if (count == OP_FULL)
		count = world.shape->capacity;
	if (count == 0)
		return;
	if (!world_has_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER)) {
		if (world_has_end(WORLD_VICTIM, 0, TSR_SIDE_SENDER)) {
			from = WORLD_VICTIM;
		} else {
			world_open_sender(from, 0);
			guest = true;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!world_message(from, &msg) ||
		    tsr_send(world.sender[from][0], &msg, TSR_NOWAIT) != 0)
			world_give_up("the channel can't be filled");
		scene.before[scene.before_count++] = world.serial;
	}
	if (world.shape->kind == TSR_KIND_CONFLATED) {
		scene.before[0] = world.serial;
		scene.before_count = 1;
	}
	if (guest && tsr_sender_close(world.sender[from][0]) != 0)
		world_give_up("close");
}

/* The first message is taken by somebody who dies of it; the victim has had the second. */
static void
op_set_redo(void)
{
	static struct actor actor;
	struct tsr_channel const *const channel = &world.record[0].channel;
	struct run run = {.op = op_find("recv"), .id = WORLD_FRESH_RECEIVER, .receives_max = 1};
	struct tsr_reap_result result = {0};
	struct tsr_msg msg;
	bool taken = false;

	world_open_receiver(WORLD_FRESH_RECEIVER, 0);
	actor_start(&actor, op_body, &run);
	while (!taken && !actor.done) {
		actor_go(&actor, ACTOR_STEP);
		for (uint32_t i = 0; i < channel->capacity; i++)
			taken = taken || tsr_slot_phase(atomic_load(&channel->shm->slot[i].word)) ==
			                         TSR_TAKEN;
	}
	if (tsr_recv(world.receiver[WORLD_VICTIM][0], &msg, TSR_NOWAIT) != 0 ||
	    world_serial(&msg) != scene.before[1] ||
	    tsr_release(world.client[WORLD_VICTIM], &msg) != 0 ||
	    world_reap(WORLD_FRESH_RECEIVER, &result) != 0 || result.slots_restored != 1)
		world_give_up("there is nothing to do again");
	scene.before_count = 1;
}

/* The first message is received by somebody who dies before he has released it. */
static void
op_set_again(void)
{
	struct tsr_reap_result result = {0};
	struct tsr_msg msg;

	world_open_receiver(WORLD_FRESH_RECEIVER, 0);
	if (tsr_recv(world.receiver[WORLD_FRESH_RECEIVER][0], &msg, TSR_NOWAIT) != 0 ||
	    world_reap(WORLD_FRESH_RECEIVER, &result) != 0 || result.requeued != 1)
		world_give_up("nothing comes again");
}

static void
op_set_sleeper(struct op const *op)
{
	bool const sends = (op->ends & OP_SENDER) != 0;

	if (sends && world_has_end(WORLD_PEER_RECEIVER, 0, TSR_SIDE_RECEIVER))
		op_sleep(world_end(WORLD_PEER_RECEIVER, 0, TSR_SIDE_RECEIVER));
	else if (!sends && world_has_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER))
		op_sleep(world_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER));
}

/* Event tokens of the daemon's on both sides, for who waits by descriptor. */
static void
op_set_watch(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct tsr_wait_side const side = tsr_channel_side(&world.record[0].channel, i);
		uint32_t number;

		if (tsr_token_acquire(&side, TSR_HOLDER_DAEMON, &number) != 0)
			world_give_up("no token for an event");
		(void)tsr_token_enqueue(&side, number, TSR_HOLDER_DAEMON, true);
	}
}

static void
op_set_run(struct run *run, struct op const *op, struct start const *start, enum world_client id)
{
	*run = (struct run){.op = op, .start = start, .id = id};
	if (op->prepare != NULL)
		op->prepare(run);
	if (start->prepare != NULL)
		start->prepare(run);
}

/* A broadcast keeps what went through it before. */
static void
op_set_history(void)
{
	struct ring ring;

	ring_read(&ring);
	for (unsigned i = 0; i < ring.count; i++)
		scene.before[scene.before_count++] = ring.entry[i].serial;
}

void
op_set(struct op const *op, struct start const *start)
{
	memset(&scene, 0, sizeof(scene));
	/* Who sleeps has offered something; else that one may be at something of its own. */
	scene.meet.sender_second = (start->flags & START_PEER_SLEEPS) == 0 &&
	                           (world.shape->flags & TSR_CHANNEL_ONE_SENDER) == 0;
	if (world.shape->kind == TSR_KIND_BROADCAST)
		op_set_history();
	op_set_ends(op);
	op_set_messages(start->fill);
	if ((start->flags & START_REDO) != 0)
		op_set_redo();
	if ((start->flags & START_AGAIN) != 0)
		op_set_again();
	op_set_run(&scene.victim, op, start, WORLD_VICTIM);
	if ((start->flags & START_WATCHED) != 0)
		op_set_watch();
	if ((start->flags & START_PEER_SLEEPS) != 0)
		op_set_sleeper(op);
}

bool
op_set_peer(struct op const *op, struct start const *start)
{
	enum world_client const id =
		op->ends == OP_RECEIVER ? WORLD_PEER_RECEIVER : WORLD_PEER_SENDER;

	if (op->ends != 0 &&
	    !world_has_end(id, 0, op->ends == OP_SENDER ? TSR_SIDE_SENDER : TSR_SIDE_RECEIVER))
		return false;
	if (meet_is_on() && op->ends == OP_SENDER && world_end(id, 0, TSR_SIDE_SENDER)->room != 0)
		return false; /* it has offered something */
	op_set_run(&scene.peer, op, start, id);
	scene.peer_is_on = true;
	return true;
}

void
op_body(void *argument)
{
	struct run *const run = argument;

	run->op->run(run);
	run->finished = true;
}

void
op_unhoard(void)
{
	struct tsr_map const *const map = &world.realm.map;
	_Atomic uint64_t *const words = tsr_map_cell_words(map, 0);

	for (uint32_t i = 0; i < map->klass[0].cells && scene.cells_held != 0; i++) {
		uint64_t const word = atomic_load(&words[i]);

		if (tsr_slot_phase(word) == TSR_CLAIMED &&
		    tsr_slot_owner(word) == WORLD_PEER_SENDER)
			atomic_store(&words[i], tsr_slot_word(tsr_slot_lap(word), 0, TSR_EMPTY));
	}
	for (unsigned i = 0; i < scene.hoard_count; i++) {
		uint64_t const name = scene.hoard[i];
		uint32_t const klass = map->blocks[tsr_name_index(name)].klass;
		struct tsr_msg msg = {.zdesc = {.name = name}};

		if (klass == TSR_CLASS_REGION) {
			if (tsr_release(world.client[WORLD_PEER_SENDER], &msg) != 0)
				world_give_up("the region takes nothing back");
			continue;
		}
		if (tsr_depot_fill(map, klass, WORLD_PEER_SENDER, &name, 1) != 0)
			world_give_up("the depot takes nothing back");
	}
	scene.hoard_count = 0;
	scene.cells_held = 0;
}

void
op_sleep(struct tsr_end *end)
{
	if (end->token == UINT32_MAX && tsr_token_acquire(&end->mine, end->me, &end->token) != 0)
		world_give_up("no token for a sleeper");
	(void)tsr_token_enqueue(&end->mine, end->token, end->me, true);
}

bool
op_wake_up(struct tsr_end *end)
{
	uint64_t word;

	if (end == NULL || end->token == UINT32_MAX)
		return false;
	word = atomic_load(&end->mine.tokens[end->token]);
	if (tsr_token_state(word) != TSR_TOKEN_ENQUEUED &&
	    tsr_token_state(word) != TSR_TOKEN_CLAIMED)
		return false;
	return tsr_token_withdraw(&end->mine, end->token, end->me);
}

/* The peer takes what the victim offers, or offers something itself. */
static void
op_meet(bool sends)
{
	struct tsr_msg msg;

	if (!sends) {
		meet_offer(0);
		scene.before[scene.before_count++] = world.serial;
		return;
	}
	if (tsr_recv(world.receiver[WORLD_PEER_RECEIVER][0], &msg, TSR_NOWAIT) != 0 ||
	    world_serial(&msg) != scene.victim.sends[0])
		world_give_up("the peer can't receive");
	scene.peer.received[scene.peer.received_count++] = world_serial(&msg);
	if (tsr_release(world.client[WORLD_PEER_RECEIVER], &msg) != 0)
		world_give_up("the peer can't release");
}

/* The peer sends what the victim waits for, or makes room for what it wants to send. */
static void
op_do_what_is_waited_for(bool sends)
{
	struct tsr_msg msg;

	if (meet_is_on()) {
		op_meet(sends);
		return;
	}
	if (!sends) {
		if (!world_message(WORLD_PEER_SENDER, &msg) ||
		    tsr_send(world.sender[WORLD_PEER_SENDER][0], &msg, TSR_NOWAIT) != 0)
			world_give_up("the peer can't send");
		scene.before[scene.before_count++] = world.serial;
		return;
	}
	if (tsr_recv(world.receiver[WORLD_PEER_RECEIVER][0], &msg, TSR_NOWAIT) != 0 ||
	    (world.shape->kind != TSR_KIND_BROADCAST && world_serial(&msg) != scene.before[0]) ||
	    tsr_release(world.client[WORLD_PEER_RECEIVER], &msg) != 0)
		world_give_up("the peer can't receive");
	if (world.shape->kind == TSR_KIND_BROADCAST)
		return; /* it stays in its slot */
	scene.before_count--;
	memmove(scene.before, scene.before + 1, scene.before_count * sizeof(scene.before[0]));
}

bool
op_interfere(void)
{
	bool const sends = scene.victim.op->ends == OP_SENDER;
	struct tsr_end const *const end =
		world_end(WORLD_VICTIM, 0, sends ? TSR_SIDE_SENDER : TSR_SIDE_RECEIVER);
	uint32_t state;

	/* A token that is enqueued, and its bit: a waker would see it. */
	if (end->token == UINT32_MAX || atomic_load(end->mine.mask) == 0)
		return false;
	state = tsr_token_state(atomic_load(&end->mine.tokens[end->token]));
	if (state != TSR_TOKEN_ENQUEUED && state != TSR_TOKEN_CROWD)
		return false;
	op_do_what_is_waited_for(sends);
	return true;
}
