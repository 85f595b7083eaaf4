/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/*
 * Real deaths at a real daemon: a client counts its own instructions with the trap flag, and after
 * the n-th of an operation it sends itself SIGKILL. What the kernel does then (descriptors, futex,
 * process descriptor) is in it, too. The test is a peer on the same channel: it sends before,
 * receives after, and nothing of its own may be lost, doubled or out of order.
 */
#define KILLS          5000
#define KILLS_NIGHTLY  50000
#define KILLS_BATCH    250 /* between two looks at the ledger */
#define KILLS_CAPACITY 16
#define KILLS_WAITING  3    /* messages of the peer's, when the operation begins */
#define KILLS_BLOCKS   70   /* more than a magazine holds */
#define KILLS_LARGE    1000 /* bytes: of a class whose magazine is empty */
#define KILLS_BYTES    100
#define KILLS_WAIT_NS  500000
#define KILLS_MARK     UINT64_C(0x6b11000000000000)

enum {
	WORD_READY,    /* the child is about to begin */
	WORD_DONE,     /* it came to the end of the operation ... */
	WORD_COUNT,    /* ... after so many instructions ... */
	WORD_RESULT,   /* ... with this result, negated */
	WORD_SENT,     /* so many of its messages are sent for certain */
	WORD_RECEIVED, /* and so many of the peer's received */
};

/* What the child has to work with. */
struct kill_stage {
	struct child_report *report;
	struct tsr_attach_options attach;
	char const *channel;
	uint64_t serial; /* of its first message */
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg[KILLS_BLOCKS];
};

struct kill_op {
	char const *name;
	uint32_t flags; /* of its channel */
	bool attached;  /* before it begins */
	bool sends;     /* ends that it opens before */
	bool receives;
	unsigned sends_most; /* messages that it may send ... */
	unsigned receives_most;
	unsigned share; /* of the kills */
	void (*prepare)(struct kill_stage *stage);
	int (*run)(struct kill_stage *stage);
};

static struct daemon daemon_;
static struct tsr_client peer;
static struct tsr_control control;

/* In the child. */

static uint64_t kill_left;
static uint64_t kill_count;

static void
kill_trapped(int number)
{
	(void)number;
	kill_count++;
	if (--kill_left == 0)
		syscall(SYS_kill, (long)getpid(), (long)SIGKILL);
}

static void
kill_step(bool on)
{
#if defined(__x86_64__)
	if (on)
		__asm__ __volatile__("leaq -128(%%rsp), %%rsp\n\tpushfq\n\torq $256, (%%rsp)\n\t"
		                     "popfq\n\tleaq 128(%%rsp), %%rsp"
		                     :
		                     :
		                     : "memory", "cc");
	else
		__asm__ __volatile__("leaq -128(%%rsp), %%rsp\n\tpushfq\n\tandq $-257, (%%rsp)\n\t"
		                     "popfq\n\tleaq 128(%%rsp), %%rsp"
		                     :
		                     :
		                     : "memory", "cc");
#else
	(void)on;
#endif
}

static void
kill_message(struct kill_stage *stage, unsigned i)
{
	child_ok(stage->report, tsr_alloc(stage->client, KILLS_BYTES, &stage->msg[i]));
	*(uint64_t *)stage->msg[i].data = KILLS_MARK | (stage->serial + i);
}

static void
prepare_send(struct kill_stage *stage)
{
	kill_message(stage, 0);
}

static int
run_send(struct kill_stage *stage)
{
	int const error = tsr_send(stage->sender, &stage->msg[0], TSR_NOWAIT);

	atomic_store(&stage->report->word[WORD_SENT], error == 0);
	return error;
}

static void
prepare_send_batch(struct kill_stage *stage)
{
	for (unsigned i = 0; i < 4; i++)
		kill_message(stage, i);
}

static int
run_send_batch(struct kill_stage *stage)
{
	size_t done;
	int const error = tsr_send_batch(stage->sender, stage->msg, 4, TSR_NOWAIT, &done);

	atomic_store(&stage->report->word[WORD_SENT], done);
	return error;
}

/* Until the channel is full, and then a while longer. */
static int
run_send_wait(struct kill_stage *stage)
{
	int error = 0;

	for (unsigned i = 0; error == 0; i++) {
		kill_message(stage, i);
		error = tsr_send(stage->sender, &stage->msg[i], tsr_now_ns() + KILLS_WAIT_NS);
		if (error == 0)
			atomic_store(&stage->report->word[WORD_SENT], i + 1);
	}
	return error == -ETIMEDOUT ? 0 : error;
}

static int
run_recv(struct kill_stage *stage)
{
	int const error = tsr_recv(stage->receiver, &stage->msg[0], TSR_NOWAIT);

	atomic_store(&stage->report->word[WORD_RECEIVED], error == 0);
	return error;
}

static int
run_recv_batch(struct kill_stage *stage)
{
	size_t done;
	int const error = tsr_recv_batch(stage->receiver, stage->msg, 2, TSR_NOWAIT, &done);

	atomic_store(&stage->report->word[WORD_RECEIVED], done);
	return error;
}

/* Until there is nothing more, and then a while longer. */
static int
run_recv_wait(struct kill_stage *stage)
{
	int error = 0;

	for (uint64_t i = 0; error == 0; i++) {
		error = tsr_recv(stage->receiver, &stage->msg[0], tsr_now_ns() + KILLS_WAIT_NS);
		if (error == 0) {
			atomic_store(&stage->report->word[WORD_RECEIVED], i + 1);
			error = tsr_release(stage->client, &stage->msg[0]);
		}
	}
	return error == -ETIMEDOUT ? 0 : error;
}

static int
run_forward(struct kill_stage *stage)
{
	int const error = tsr_recv(stage->receiver, &stage->msg[0], TSR_NOWAIT);

	return error != 0 ? error : tsr_send(stage->sender, &stage->msg[0], TSR_NOWAIT);
}

/* A magazine that is as full as can be. */
static void
prepare_blocks(struct kill_stage *stage)
{
	for (unsigned i = 0; i < KILLS_BLOCKS; i++)
		child_ok(stage->report, tsr_alloc(stage->client, KILLS_BYTES, &stage->msg[i]));
	for (unsigned i = 0; i < 37; i++)
		child_ok(stage->report, tsr_release(stage->client, &stage->msg[i]));
}

/* One batch goes to the depot, another comes from it. */
static int
run_blocks(struct kill_stage *stage)
{
	child_ok(stage->report, tsr_release(stage->client, &stage->msg[37]));
	return tsr_alloc(stage->client, KILLS_LARGE, &stage->msg[0]);
}

static int
run_ends(struct kill_stage *stage)
{
	child_ok(stage->report,
	         tsr_sender_open(stage->client, stage->channel, NULL, &stage->sender));
	child_ok(stage->report,
	         tsr_receiver_open(stage->client, stage->channel, NULL, &stage->receiver));
	child_ok(stage->report, tsr_sender_close(stage->sender));
	return tsr_receiver_close(stage->receiver);
}

static void
prepare_detach(struct kill_stage *stage)
{
	for (unsigned i = 0; i < 4; i++)
		kill_message(stage, i);
}

static int
run_detach(struct kill_stage *stage)
{
	return tsr_detach(stage->client);
}

static int
run_attach(struct kill_stage *stage)
{
	return tsr_attach(&stage->attach, &stage->client);
}

static struct kill_op const kill_ops[] = {
	{"send", 0, true, true, false, 1, 0, 18, prepare_send, run_send},
	{"send-one", TSR_CHANNEL_ONE_SENDER, true, true, false, 1, 0, 18, prepare_send, run_send},
	{"send-batch", 0, true, true, false, 4, 0, 10, prepare_send_batch, run_send_batch},
	{"send-wait", 0, true, true, false, KILLS_CAPACITY + 1, 0, 2, NULL, run_send_wait},
	{"recv", 0, true, false, true, 0, 1, 16, NULL, run_recv},
	{"recv-one", TSR_CHANNEL_ONE_RECEIVER, true, false, true, 0, 1, 16, NULL, run_recv},
	{"recv-batch", 0, true, false, true, 0, 2, 6, NULL, run_recv_batch},
	{"recv-wait", 0, true, false, true, 0, KILLS_WAITING, 2, NULL, run_recv_wait},
	{"forward", 0, true, true, true, 0, 1, 6, NULL, run_forward},
	{"blocks", 0, true, false, false, 0, 0, 4, prepare_blocks, run_blocks},
	{"ends", 0, true, false, false, 0, 0, 1, NULL, run_ends},
	{"detach", 0, true, true, true, 0, 0, 2, prepare_detach, run_detach},
	{"attach", 0, false, false, false, 0, 0, 1, NULL, run_attach},
};

#define KILL_OPS (sizeof(kill_ops) / sizeof(kill_ops[0]))

/* For the child: which operation, which of its instructions. */
static struct kill_op const *kill_op;
static uint64_t kill_at;
static uint64_t kill_serial;

static int
dying(struct child_report *report, void *arg)
{
	struct sigaction const action = {.sa_handler = kill_trapped};
	static struct kill_stage stage;
	int error;

	(void)arg;
	stage = (struct kill_stage){.report = report,
	                            .attach = daemon_options(&daemon_),
	                            .channel = kill_op->name,
	                            .serial = kill_serial};
	if (kill_op->attached)
		child_ok(report, tsr_attach(&stage.attach, &stage.client));
	if (kill_op->sends)
		child_ok(report, tsr_sender_open(stage.client, stage.channel, NULL, &stage.sender));
	if (kill_op->receives)
		child_ok(report,
		         tsr_receiver_open(stage.client, stage.channel, NULL, &stage.receiver));
	if (kill_op->prepare != NULL)
		kill_op->prepare(&stage);
	child_check(report, sigaction(SIGTRAP, &action, NULL) == 0);
	atomic_store(&report->word[WORD_READY], 1);
	kill_left = kill_at;
	kill_step(true);
	error = kill_op->run(&stage);
	kill_step(false);
	atomic_store(&report->word[WORD_COUNT], kill_count);
	atomic_store(&report->word[WORD_RESULT], (uint64_t)-error);
	atomic_store(&report->word[WORD_DONE], 1);
	(void)raise(SIGKILL);
	return 1;
}

/* The test, as the peer. */

struct kill_channel {
	struct tsr_sender sender; /* where the children don't have the only one */
	struct tsr_receiver receiver;
	bool sends;
	bool receives;
	uint64_t most; /* instructions of the operation, as seen so far */
	uint64_t kills;
	uint64_t finished;
};

static struct kill_channel channels[KILL_OPS];
static uint64_t serials;

static void
kills_setup(void)
{
	daemon_start(&daemon_, NULL);
	peer = daemon_attach(&daemon_, 0);
	daemon_control(&daemon_, &control);
	for (unsigned i = 0; i < KILL_OPS; i++) {
		struct tsr_channel_options const options = {.size = sizeof(options),
		                                            .capacity = KILLS_CAPACITY,
		                                            .flags = kill_ops[i].flags};

		test_ok(tsr_channel_create(peer, kill_ops[i].name, &options));
		channels[i] = (struct kill_channel){
			.sends = (options.flags & TSR_CHANNEL_ONE_SENDER) == 0,
			.receives = (options.flags & TSR_CHANNEL_ONE_RECEIVER) == 0};
		if (channels[i].sends)
			test_ok(tsr_sender_open(peer, kill_ops[i].name, NULL, &channels[i].sender));
		if (channels[i].receives)
			test_ok(tsr_receiver_open(peer, kill_ops[i].name, NULL,
			                          &channels[i].receiver));
	}
}

static void
kills_teardown(void)
{
	test_same(daemon_missed_wakes(&daemon_), 0);
	tsr_control_close(&control);
	test_ok(tsr_detach(peer));
	daemon_stop(&daemon_);
}

/* Wait until the daemon has cleaned up: only the peer and this connection are left. */
static void
await_reaped(void)
{
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_plain request = {0};
	struct tsr_proto_status_reply reply;

	do {
		cr_assert(!test_passed(deadline), "a death was not seen:\n%s",
		          daemon_log(&daemon_));
		test_ok(tsr_control_ask(&control, TSR_PROTO_STATUS, &request, sizeof(request),
		                        &reply, sizeof(reply), NULL, test_deadline(5000)));
	} while (reply.clients > 1 || reply.connections > 2);
}

/* The peer's messages, and perhaps the child's: first serial, how many are there at most. */
static void
fill(struct kill_channel *channel, uint64_t *first)
{
	struct tsr_msg msg;

	*first = serials + 1;
	for (unsigned i = 0; channel->sends && i < KILLS_WAITING; i++) {
		test_ok(tsr_alloc(peer, KILLS_BYTES, &msg));
		*(uint64_t *)msg.data = KILLS_MARK | ++serials;
		test_ok(tsr_send(channel->sender, &msg, TSR_NOWAIT));
	}
}

struct harvest {
	unsigned peers; /* messages of the peer's that came */
	unsigned theirs;
	uint64_t last_peer;
	uint64_t last_child;
};

/* Everything that is in the channel now. */
static void
harvest(struct tsr_receiver receiver, struct kill_op const *op, uint64_t first, uint64_t child,
        struct harvest *out)
{
	struct tsr_msg msg;
	int error;

	memset(out, 0, sizeof(*out));
	while ((error = tsr_recv(receiver, &msg, TSR_NOWAIT)) == 0) {
		uint64_t const word = *(uint64_t *)msg.data;
		uint64_t const serial = word & ~KILLS_MARK;
		bool const again = (msg.flags & TSR_MSG_REDELIVERED) != 0;

		cr_assert_eq(word & KILLS_MARK, KILLS_MARK, "%s: no message: %#jx", op->name,
		             (uintmax_t)word);
		cr_assert(!again || op->receives, "%s: redelivered", op->name);
		if (serial >= child) {
			cr_assert_gt(serial, out->last_child, "%s: doubled or out of order",
			             op->name);
			cr_assert_lt(serial, child + op->sends_most);
			out->last_child = serial;
			out->theirs++;
		} else {
			/* What was taken comes again where it was, or, sent on, at the end. */
			cr_assert(serial >= first && (serial > out->last_peer || op->sends),
			          "%s: doubled or out of order", op->name);
			out->last_peer = serial;
			out->peers++;
		}
		test_ok(tsr_release(peer, &msg));
	}
	cr_assert(error == -EAGAIN || error == -ECONNRESET || error == -EPIPE, "%s: %d", op->name,
	          error);
}

static void
account(struct kill_op const *op, struct child const *child, unsigned sent,
        struct harvest const *got)
{
	uint64_t const told_sent = atomic_load(&child->report->word[WORD_SENT]);
	uint64_t const told_received = atomic_load(&child->report->word[WORD_RECEIVED]);
	unsigned const most =
		op->sends_most < told_sent + 4 ? op->sends_most : (unsigned)told_sent + 4;

	/* What it said that it did, it did; the one call that it was in may have been done. */
	cr_assert(got->theirs >= told_sent && got->theirs <= most,
	          "%s: %u of its messages came, it had sent %ju", op->name, got->theirs,
	          (uintmax_t)told_sent);
	cr_assert(got->peers + told_received <= sent && got->peers + op->receives_most >= sent,
	          "%s: %u of %u of the peer's messages came, and it had received %ju", op->name,
	          got->peers, sent, (uintmax_t)told_received);
}

/* One life. */
static void
kill_one(unsigned which, uint64_t *seed)
{
	struct kill_channel *const channel = &channels[which];
	struct tsr_receiver receiver = channel->receiver;
	struct harvest got;
	struct child child;
	uint64_t first;

	kill_op = &kill_ops[which];
	kill_at = channel->most == 0 ? UINT64_MAX : 1 + test_random(seed) % (channel->most + 20);
	fill(channel, &first);
	kill_serial = serials + 1;
	child_start(&child, dying, NULL);
	child_died(&child);
	if (atomic_load(&child.report->word[WORD_DONE]) != 0) {
		cr_assert_eq(atomic_load(&child.report->word[WORD_RESULT]), 0, "%s gave -%ju",
		             kill_op->name,
		             (uintmax_t)atomic_load(&child.report->word[WORD_RESULT]));
		channel->finished++;
		if (atomic_load(&child.report->word[WORD_COUNT]) > channel->most)
			channel->most = atomic_load(&child.report->word[WORD_COUNT]);
	}
	channel->kills++;
	await_reaped();
	if (!channel->receives)
		test_ok(tsr_receiver_open(peer, kill_op->name, NULL, &receiver));
	harvest(receiver, kill_op, first, kill_serial, &got);
	account(kill_op, &child, (unsigned)(kill_serial - first), &got);
	if (!channel->receives)
		test_ok(tsr_receiver_close(receiver));
	serials += kill_op->sends_most;
	child_forget(&child);
}

static unsigned
choose(uint64_t *seed)
{
	unsigned shares = 0;
	uint64_t place;

	for (unsigned i = 0; i < KILL_OPS; i++)
		shares += kill_ops[i].share;
	place = test_random(seed) % shares;
	for (unsigned i = 0;; i++) {
		if (place < kill_ops[i].share)
			return i;
		place -= kill_ops[i].share;
	}
}

test_case_within(kills, client_killed_at_any_instruction_costs_nobody_else_anything, 3000)
{
	/* On the other kernel's paths, which are the daemon's only, a few do. */
	unsigned const kills = getenv("TESSERA_TEST_SET") != NULL ? KILLS / 20
	                       : test_nightly()                   ? KILLS_NIGHTLY
	                                                          : KILLS;
	uint64_t const begun = tsr_now_ns();
	uint64_t seed = test_seed();
	double seconds;

#if !defined(__x86_64__)
	test_case_skip(kills, "this processor has no trap flag to count instructions with");
#endif
	for (unsigned i = 0; i < kills; i++) {
		kill_one(i < KILL_OPS ? i : choose(&seed), &seed);
		if (i % KILLS_BATCH == 0)
			daemon_balanced(&daemon_, "demo");
	}
	daemon_balanced(&daemon_, "demo");
	seconds = (double)(tsr_now_ns() - begun) / 1e9;
	for (unsigned i = 0; i < KILL_OPS; i++)
		fprintf(stderr, "%-12s %6ju kills, %5ju after its end, %6ju instructions\n",
		        kill_ops[i].name, (uintmax_t)channels[i].kills,
		        (uintmax_t)channels[i].finished, (uintmax_t)channels[i].most);
	fprintf(stderr, "%u times SIGKILL at an instruction, %.1f s, %.0f a second\n", kills,
	        seconds, kills / seconds);
}
