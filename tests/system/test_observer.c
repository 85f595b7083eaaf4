/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/* Who looks: taps of participants and observers, and waiting by descriptor. */

static struct daemon daemon_;
static struct tsr_client client, observer;
static struct tsr_sender sender;
static struct tsr_receiver receiver;

TestSuite(observer, .timeout = 60);

static void
observer_setup(void)
{
	struct tsr_channel_options const shape = {.size = sizeof(shape), .capacity = 8};
	struct tsr_end_options const options = {.size = sizeof(options), .create = &shape};

	daemon_start(&daemon_, NULL);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_sender_open(client, "watched", &options, &sender));
	test_ok(tsr_receiver_open(client, "watched", &options, &receiver));
	observer = daemon_attach(&daemon_, TSR_ATTACH_OBSERVER);
}

static void
observer_teardown(void)
{
	test_ok(tsr_detach(observer));
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

static void
send_number(uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_alloc(client, sizeof(number), &msg));
	memcpy(msg.data, &number, sizeof(number));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
}

static uint64_t
receive_number(void)
{
	struct tsr_msg msg;
	uint64_t number;

	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	memcpy(&number, msg.data, sizeof(number));
	test_ok(tsr_release(client, &msg));
	return number;
}

static struct tsr_tap
open_tap(struct tsr_client who, uint32_t from, uint64_t after)
{
	struct tsr_tap_options const options = {
		.size = sizeof(options), .from = from, .after = after};
	struct tsr_tap tap = {0};

	test_ok(tsr_tap_open(who, "watched", &options, &tap));
	return tap;
}

/* The tap copies @number next, with @missed before it. */
static void
copies(struct tsr_tap tap, uint64_t number, uint64_t missed)
{
	struct tsr_copy copy = {0};
	uint64_t seen = 0;

	test_ok(tsr_read_copy(tap, &seen, sizeof(seen), &copy));
	test_same(seen, number);
	test_same(copy.sequence, number);
	test_same(copy.missed, missed);
	test_same(copy.length, sizeof(seen));
	test_same(copy.copied, sizeof(seen));
}

static void
copies_nothing(struct tsr_tap tap)
{
	struct tsr_copy copy = {.sequence = 4711};
	uint64_t seen;

	test_is(tsr_read_copy(tap, &seen, sizeof(seen), &copy), -EAGAIN);
	test_same(copy.sequence, 4711);
}

static bool
readable(int fd, int timeout_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return poll(&ready, 1, timeout_ms) == 1 && (ready.revents & POLLIN) != 0;
}

test_case(observer, observer_copies_what_lies_in_a_channel_and_leaves_it_there)
{
	struct tsr_tap const tap = open_tap(observer, TSR_TAP_OLDEST, 0);

	copies_nothing(tap);
	for (uint64_t i = 0; i < 5; i++)
		send_number(i);
	for (uint64_t i = 0; i < 5; i++)
		copies(tap, i, 0);
	copies_nothing(tap);
	for (uint64_t i = 0; i < 5; i++)
		test_same(receive_number(), i);
	test_ok(tsr_tap_close(tap));
	test_is(tsr_tap_close(tap), -ENOTCONN);
}

test_case(observer, tap_begins_at_the_next_the_oldest_the_newest_or_after_a_number)
{
	struct tsr_tap_options const beyond = {
		.size = sizeof(beyond), .from = TSR_TAP_AFTER, .after = 6};
	struct tsr_tap tap;

	for (uint64_t i = 0; i < 6; i++)
		send_number(i);
	test_same(receive_number(), 0);
	test_same(receive_number(), 1);
	copies(open_tap(client, TSR_TAP_OLDEST, 0), 2, 0);
	copies(open_tap(client, TSR_TAP_NEWEST, 0), 5, 0);
	copies(open_tap(client, TSR_TAP_AFTER, 3), 4, 0);
	/* What was asked for and is gone counts. */
	copies(open_tap(client, TSR_TAP_AFTER, 0), 2, 1);
	tap = open_tap(client, TSR_TAP_NEXT, 0);
	copies_nothing(tap);
	send_number(6);
	copies(tap, 6, 0);
	tap = open_tap(client, TSR_TAP_AFTER, 6);
	copies_nothing(tap);
	test_ok(tsr_tap_open(client, "watched", &beyond, &tap));
	for (uint64_t i = 2; i < 7; i++)
		test_same(receive_number(), i);
	/* Nothing is held any more: all begin at the next. */
	copies_nothing(open_tap(client, TSR_TAP_OLDEST, 0));
	copies_nothing(open_tap(client, TSR_TAP_NEWEST, 0));
}

test_case(observer, tap_that_was_overtaken_says_how_many_it_missed)
{
	struct tsr_tap const tap = open_tap(observer, TSR_TAP_OLDEST, 0);

	send_number(0);
	copies(tap, 0, 0);
	for (uint64_t i = 1; i < 100; i++) {
		test_same(receive_number(), i - 1);
		send_number(i);
	}
	copies(tap, 99, 98);
	test_same(receive_number(), 99);
	/* Less than a lap. */
	for (uint64_t i = 100; i < 103; i++)
		send_number(i);
	test_same(receive_number(), 100);
	copies(tap, 101, 1);
	copies(tap, 102, 0);
	test_same(receive_number(), 101);
	test_same(receive_number(), 102);
}

test_case(observer, copy_of_a_message_that_is_too_long_is_its_beginning)
{
	struct tsr_tap const tap = open_tap(observer, TSR_TAP_OLDEST, 0);
	char text[16] = "................";
	struct tsr_copy copy;
	struct tsr_msg msg;

	test_ok(tsr_alloc(client, 100, &msg));
	memset(msg.data, 'x', 100);
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_is(tsr_read_copy(tap, text, sizeof(text), NULL), -EINVAL);
	test_is(tsr_read_copy(tap, NULL, sizeof(text), &copy), -EINVAL);
	test_ok(tsr_read_copy(tap, text, 10, &copy));
	test_same(copy.length, 100);
	test_same(copy.copied, 10);
	cr_assert_eq(memcmp(text, "xxxxxxxxxx......", 16), 0);
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_ok(tsr_release(client, &msg));
}

test_case(observer, what_would_change_something_is_refused_to_an_observer)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_zdesc const zdesc = {.name = 1, .range = UINT64_C(8) << 32};
	struct tsr_msg msg = {.zdesc = zdesc, .length = 8};
	struct tsr_receiver other_receiver;
	struct tsr_sender other_sender;
	size_t done;
	int fd;

	test_ok(tsr_client_info(observer, &info));
	test_same(info.client_id, 0);
	test_same(info.flags, TSR_ATTACH_OBSERVER);
	cr_assert_str_eq(info.realm, "demo");
	test_is(tsr_alloc(observer, 8, &msg), -EPERM);
	test_is(tsr_alloc_batch(observer, 8, &msg, 1, &done), -EPERM);
	test_is(tsr_release(observer, &msg), -EPERM);
	test_is(tsr_release_batch(observer, &msg, 1, &done), -EPERM);
	test_is(tsr_resolve(observer, zdesc, &msg), -EPERM);
	test_is(tsr_channel_create(observer, "new", NULL), -EPERM);
	test_is(tsr_channel_remove(observer, "watched"), -EPERM);
	test_is(tsr_sender_open(observer, "watched", NULL, &other_sender), -EPERM);
	test_is(tsr_receiver_open(observer, "watched", NULL, &other_receiver), -EPERM);
	cr_assert_not_null(strstr(tsr_last_hint(), "observer"), "%s", tsr_last_hint());
	test_is(tsr_tap_open(observer, "nowhere", NULL, &(struct tsr_tap){0}), -ENOENT);
	test_is(tsr_receiver_event(receiver, NULL), -EINVAL);
	test_is(tsr_sender_event((struct tsr_sender){0}, &fd), -ENOTCONN);
}

test_case(observer, observer_is_given_what_it_may_read_and_nothing_that_somebody_sleeps_on)
{
	int fds[TSR_SEGMENTS_MAX + 1];
	struct tsr_proto_attach_reply reply;
	int const fd = raw_attach_as(&daemon_, TSR_PROTO_ATTACH_OBSERVER, fds, &reply);
	uint32_t const held =
		TSR_PROTO_HELD(TSR_SEGMENT_DIRECTORY) | TSR_PROTO_HELD(TSR_SEGMENT_CHANNELS) |
		TSR_PROTO_HELD(TSR_SEGMENT_TICKETS) | TSR_PROTO_HELD(TSR_SEGMENT_BLOCKS) |
		TSR_PROTO_HELD(TSR_SEGMENT_METRICS) | TSR_PROTO_HELD(TSR_SEGMENT_ARENA0);

	test_same(reply.client_id, 0);
	test_same(reply.held, held);
	for (int i = 0; i < __builtin_popcount(held); i++) {
		test_same(fcntl(fds[i], F_GETFL) & O_ACCMODE, O_RDONLY);
		test_same(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0),
		          MAP_FAILED);
		test_same(errno, EACCES);
		close(fds[i]);
	}
	raw_close(fd);
}

test_case(observer, observer_that_hangs_up_is_forgotten_and_lives_on)
{
	struct tsr_proto_attach_reply reply;
	int const fd = raw_attach_as(&daemon_, TSR_PROTO_ATTACH_OBSERVER, NULL, &reply);

	/* A client would be killed for this. */
	close(fd);
	test_same(daemon_status(&daemon_).clients, 1);
	usleep(150000);
	test_same(daemon_status(&daemon_).clients, 1);
	test_same(daemon_status(&daemon_).reaped, 0);
}

test_case(observer, event_of_a_tap_signals_once_each_time_that_it_was_armed)
{
	struct tsr_tap const tap = open_tap(observer, TSR_TAP_NEXT, 0);
	int fd, again, ready = 4711;

	test_is(tsr_tap_arm(tap, &ready), -EINVAL); /* no descriptor was asked for */
	test_same(ready, 4711);
	test_ok(tsr_tap_event(tap, &fd));
	test_ok(tsr_tap_event(tap, &again));
	test_same(fd, again);
	send_number(0);
	cr_assert(!readable(fd, 20), "it signals without being armed");
	test_ok(tsr_tap_arm(tap, &ready));
	test_same(ready, 1);
	copies(tap, 0, 0);
	for (uint64_t i = 1; i < 50; i++) {
		test_ok(tsr_tap_arm(tap, &ready));
		test_same(ready, 0);
		cr_assert(!readable(fd, 0));
		send_number(i);
		cr_assert(readable(fd, 5000), "message %ju is not told", (uintmax_t)i);
		copies(tap, i, 0);
		copies_nothing(tap);
		test_same(receive_number(), i - 1);
	}
	test_ok(tsr_tap_arm(tap, &ready));
	test_same(ready, 0);
	cr_assert(!readable(fd, 20), "a signal that was taken back comes again");
	test_same(receive_number(), 49);
}

test_case(observer, event_of_an_end_signals_messages_and_room_and_the_end)
{
	struct pollfd hung;
	int in, out, ready;

	test_ok(tsr_receiver_event(receiver, &in));
	test_ok(tsr_sender_event(sender, &out));
	test_ok(tsr_receiver_arm(receiver, &ready));
	test_same(ready, 0);
	test_ok(tsr_sender_arm(sender, &ready));
	test_same(ready, 1);
	for (uint64_t i = 0; i < 8; i++)
		send_number(i);
	cr_assert(readable(in, 5000));
	test_ok(tsr_receiver_arm(receiver, &ready));
	test_same(ready, 1);
	test_ok(tsr_sender_arm(sender, &ready));
	test_same(ready, 0);
	cr_assert(!readable(out, 20));
	test_same(receive_number(), 0);
	cr_assert(readable(out, 5000), "room is not told");
	for (uint64_t i = 1; i < 8; i++)
		test_same(receive_number(), i);
	test_ok(tsr_receiver_arm(receiver, &ready));
	test_same(ready, 0);
	test_ok(tsr_sender_close(sender));
	hung = (struct pollfd){.fd = out, .events = POLLIN};
	cr_assert_eq(poll(&hung, 1, 0), 1);
	test_same(hung.revents, POLLNVAL); /* it goes with the end */
	cr_assert(readable(in, 5000), "the end is not told");
	test_is(tsr_recv(receiver, &(struct tsr_msg){0}, TSR_NOWAIT), -EPIPE);
	test_ok(tsr_receiver_arm(receiver, &ready));
	test_same(ready, 1);
}

/* A sender that dies is told to those who wait by descriptor, too. */
static int
short_lived(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client own;
	struct tsr_sender end;

	(void)arg;
	child_ok(report, tsr_attach(&options, &own));
	child_ok(report, tsr_sender_open(own, "mortal", NULL, &end));
	report_set(report, 0, 1);
	(void)report_await(report, 1, 1, 20000);
	return 0;
}

test_case(observer, death_of_a_peer_is_signalled)
{
	struct tsr_receiver end;
	struct child child;
	int fd, ready;

	test_ok(tsr_receiver_open(client, "mortal", NULL, &end));
	test_ok(tsr_receiver_event(end, &fd));
	child_start(&child, short_lived, NULL);
	cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
	test_ok(tsr_receiver_arm(end, &ready));
	if (ready == 1) /* it has come since we opened: that is a signal, too */
		test_ok(tsr_receiver_arm(end, &ready));
	test_same(ready, 0);
	child_kill(&child, SIGKILL);
	cr_assert(readable(fd, 5000), "the death is not told");
	test_is(tsr_recv(end, &(struct tsr_msg){0}, TSR_NOWAIT), -ECONNRESET);
}

test_case(observer, removal_of_a_channel_is_signalled_and_then_told)
{
	struct tsr_tap const tap = open_tap(observer, TSR_TAP_NEXT, 0);
	struct tsr_copy copy;
	int fd, ready;

	test_ok(tsr_tap_event(tap, &fd));
	test_ok(tsr_tap_arm(tap, &ready));
	test_same(ready, 0);
	test_ok(tsr_sender_close(sender));
	cr_assert(readable(fd, 5000), "that the last sender leaves is not told");
	test_ok(tsr_tap_arm(tap, &ready));
	test_same(ready, 0);
	test_ok(tsr_receiver_close(receiver));
	test_ok(tsr_channel_remove(client, "watched"));
	cr_assert(readable(fd, 5000), "the removal is not told");
	test_is(tsr_read_copy(tap, NULL, 0, &copy), -ENOENT);
	test_is(tsr_tap_arm(tap, &ready), -ENOENT);
	/* Another one of that name is another one. */
	test_ok(tsr_channel_create(client, "watched", NULL));
	test_is(tsr_read_copy(tap, NULL, 0, &copy), -ENOENT);
	test_ok(tsr_tap_close(tap));
}

/* A receiver that sleeps until it has so many, without a safety look. */
static int
sleeper(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_end_options const at_once = {.size = sizeof(at_once), .flags = TSR_END_NO_SPIN};
	struct tsr_client own;
	struct tsr_receiver end;
	struct tsr_msg msg;

	tsr_wait_look_ns = UINT64_MAX;
	child_ok(report, tsr_attach(&options, &own));
	child_ok(report, tsr_receiver_open(own, "slept-on", &at_once, &end));
	for (uint64_t i = 0; i < *(uint64_t *)arg; i++) {
		report_set(report, 0, i + 1);
		child_ok(report, tsr_recv(end, &msg, tsr_deadline_in_ms(10000)));
		child_ok(report, tsr_release(own, &msg));
	}
	child_ok(report, tsr_detach(own));
	return 0;
}

test_case(observer, event_takes_no_wake_up_from_a_sleeper)
{
	struct tsr_tap_options const next = {.size = sizeof(next)};
	uint64_t messages = 200;
	struct tsr_proto_row_channel row;
	struct tsr_sender end;
	struct tsr_tap tap;
	struct child child;
	struct tsr_msg msg;
	int fd, ready;

	test_ok(tsr_sender_open(client, "slept-on", NULL, &end));
	test_ok(tsr_tap_open(observer, "slept-on", &next, &tap));
	/* The tap's token is there first, so that wakers meet it first. */
	test_ok(tsr_tap_event(tap, &fd));
	test_ok(tsr_tap_arm(tap, &ready));
	child_start(&child, sleeper, &messages);
	for (uint64_t i = 0; i < messages; i++) {
		cr_assert(report_await(child.report, 0, i + 1, 15000), "asleep at %ju: %s",
		          (uintmax_t)i, child.report->text);
		do /* the tap's, and the sleeper's */
			cr_assert(daemon_channel(&daemon_, "slept-on", &row));
		while (row.sleepers < 2);
		test_ok(tsr_alloc(client, 64, &msg));
		test_ok(tsr_send(end, &msg, TSR_NOWAIT));
		cr_assert(readable(fd, 5000));
		/* It may be gone again already: then we are told so at once. */
		do {
			struct tsr_copy copy;

			while (tsr_read_copy(tap, NULL, 0, &copy) == 0)
				continue;
			test_ok(tsr_tap_arm(tap, &ready));
		} while (ready == 1);
	}
	child_join(&child);
}

/* Sends a number, waits for it to come back, and sends the next one a moment later. */
static int
asker(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	uint64_t seed = *(uint64_t *)arg;
	struct tsr_receiver answers;
	struct tsr_sender questions;
	struct tsr_client own;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &own));
	child_ok(report, tsr_sender_open(own, "questions", NULL, &questions));
	child_ok(report, tsr_receiver_open(own, "answers", NULL, &answers));
	for (uint64_t i = 0; i < 3000; i++) {
		uint64_t const at = tsr_now_ns() + test_random(&seed) % 100000;

		while (tsr_now_ns() < at)
			continue;
		child_ok(report, tsr_alloc(own, 8, &msg));
		child_ok(report, tsr_send(questions, &msg, TSR_NOWAIT));
		child_ok(report, tsr_recv(answers, &msg, tsr_deadline_in_ms(10000)));
		child_ok(report, tsr_release(own, &msg));
	}
	child_ok(report, tsr_detach(own));
	return 0;
}

test_case(observer, no_signal_is_lost_between_the_look_and_the_wait)
{
	struct tsr_receiver questions;
	struct tsr_sender answers;
	uint64_t seed = test_seed();
	struct child child;
	struct tsr_msg msg;
	int fd, error, ready;

	test_ok(tsr_receiver_open(client, "questions", NULL, &questions));
	test_ok(tsr_sender_open(client, "answers", NULL, &answers));
	test_ok(tsr_receiver_event(questions, &fd));
	child_start(&child, asker, &seed);
	for (uint64_t answered = 0;;) {
		while ((error = tsr_recv(questions, &msg, TSR_NOWAIT)) == 0) {
			test_ok(tsr_send(answers, &msg, TSR_NOWAIT));
			answered++;
		}
		if (error == -EPIPE) {
			test_same(answered, 3000);
			break;
		}
		test_is(error, -EAGAIN);
		test_ok(tsr_receiver_arm(questions, &ready));
		cr_assert(ready == 1 || readable(fd, 5000), "nobody tells of number %ju: %s",
		          (uintmax_t)answered, child.report->text);
	}
	child_join(&child);
}

/* How many tokens of "watched" are enqueued. */
static uint32_t
sleepers(void)
{
	struct tsr_proto_row_channel row;

	cr_assert(daemon_channel(&daemon_, "watched", &row));
	return row.sleepers;
}

static void
sleepers_become(uint32_t want)
{
	uint64_t const deadline = test_deadline(5000);

	while (sleepers() != want)
		cr_assert(!test_passed(deadline), "%u tokens are enqueued", sleepers());
}

/* Arm an event, and stay until killed. */
static int
armed(struct child_report *report, void *arg)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_tap_options const next = {.size = sizeof(next)};
	struct tsr_client own;
	struct tsr_tap tap;
	int fd, ready;

	options.flags = *(uint32_t *)arg;
	child_ok(report, tsr_attach(&options, &own));
	child_ok(report, tsr_tap_open(own, "watched", &next, &tap));
	child_ok(report, tsr_tap_event(tap, &fd));
	child_ok(report, tsr_tap_arm(tap, &ready));
	report_set(report, 0, 1);
	(void)report_await(report, 1, 1, 20000);
	return 0;
}

test_case(observer, event_of_one_who_died_is_withdrawn)
{
	uint32_t flags[] = {0, TSR_ATTACH_OBSERVER};

	for (int i = 0; i < 2; i++) {
		struct child child;

		child_start(&child, armed, &flags[i]);
		cr_assert(report_await(child.report, 0, 1, 20000), "%s", child.report->text);
		test_same(sleepers(), 1);
		child_kill(&child, SIGKILL);
		sleepers_become(0);
		daemon_balanced(&daemon_, "demo");
	}
}

test_case(observer, events_of_a_side_share_one_token_and_all_are_told)
{
	struct tsr_tap tap[8];
	int fd[8], in, ready;

	for (int i = 0; i < 8; i++) {
		tap[i] = open_tap(i % 2 == 0 ? client : observer, TSR_TAP_NEXT, 0);
		test_ok(tsr_tap_event(tap[i], &fd[i]));
		test_ok(tsr_tap_arm(tap[i], &ready));
		test_same(ready, 0);
	}
	test_ok(tsr_receiver_event(receiver, &in));
	test_ok(tsr_receiver_arm(receiver, &ready));
	test_same(sleepers(), 1);
	test_ok(tsr_tap_close(tap[0]));
	test_same(sleepers(), 1);
	send_number(0);
	for (int i = 1; i < 8; i++)
		cr_assert(readable(fd[i], 5000), "tap %d is not told", i);
	cr_assert(readable(in, 5000));
	sleepers_become(0);
	/* One is armed again, and the others hear nothing of it. */
	copies(tap[3], 0, 0);
	test_ok(tsr_tap_arm(tap[3], &ready));
	test_same(ready, 0);
	test_same(sleepers(), 1);
	test_ok(tsr_tap_close(tap[3]));
	test_same(sleepers(), 0);
	test_same(receive_number(), 0);
}

test_case(observer, arming_is_refused_when_participants_sleep_on_all_tokens)
{
	struct tsr_proto_attach_reply reply;
	int fds[TSR_SEGMENTS_MAX + 1], in, ready = 4711;
	int const raw = raw_attach_segments(&daemon_, fds, &reply);
	struct tsr_tokens *tokens =
		mmap(NULL, reply.bytes[TSR_SEGMENT_TOKENS], PROT_READ | PROT_WRITE, MAP_SHARED,
	             fds[TSR_SEGMENT_TOKENS], 0);

	cr_assert_neq(tokens, MAP_FAILED);
	/* As so many receivers of that client would. "watched" is the first channel of all. */
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++)
		atomic_store(&tokens[0].receiver[i],
		             tsr_token_make(TSR_TOKEN_INIT, 1, reply.client_id, 0));
	test_ok(tsr_receiver_event(receiver, &in));
	test_is(tsr_receiver_arm(receiver, &ready), -ENOBUFS);
	cr_assert_not_null(strstr(tsr_last_hint(), "tokens"), "%s", tsr_last_hint());
	test_same(ready, 4711);
	atomic_store(&tokens[0].receiver[TSR_TOKENS_PER_SIDE - 1], 0);
	test_ok(tsr_receiver_arm(receiver, &ready));
	test_same(ready, 0);
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE - 1; i++)
		atomic_store(&tokens[0].receiver[i], 0);
	munmap(tokens, reply.bytes[TSR_SEGMENT_TOKENS]);
	for (int i = 0; i < __builtin_popcount(reply.held); i++)
		close(fds[i]);
	raw_close(raw);
	send_number(0);
	cr_assert(readable(in, 5000));
	test_same(receive_number(), 0);
}

/* As a waker that was stopped between claim and ring leaves it; and as nobody leaves it. */
test_case(observer, token_that_was_claimed_or_written_over_without_a_ring_is_noticed)
{
	struct tsr_proto_attach_reply reply;
	int fds[TSR_SEGMENTS_MAX + 1], in, ready;
	int const raw = raw_attach_segments(&daemon_, fds, &reply);
	struct tsr_tokens *tokens =
		mmap(NULL, reply.bytes[TSR_SEGMENT_TOKENS], PROT_READ | PROT_WRITE, MAP_SHARED,
	             fds[TSR_SEGMENT_TOKENS], 0);

	cr_assert_neq(tokens, MAP_FAILED);
	test_ok(tsr_receiver_event(receiver, &in));
	for (int round = 0; round < 4; round++) {
		uint64_t word;

		test_ok(tsr_receiver_arm(receiver, &ready));
		test_same(ready, 0);
		word = atomic_load(&tokens[0].receiver[0]);
		test_same(tsr_token_state(word), TSR_TOKEN_ENQUEUED);
		test_same(tsr_token_owner(word), TSR_HOLDER_DAEMON);
		atomic_store(&tokens[0].receiver[0],
		             round % 2 == 0
		                     ? tsr_token_make(TSR_TOKEN_CLAIMED, tsr_token_generation(word),
		                                      TSR_HOLDER_DAEMON, reply.client_id)
		                     : 0);
		cr_assert(readable(in, 5000), "round %d", round);
	}
	munmap(tokens, reply.bytes[TSR_SEGMENT_TOKENS]);
	for (int i = 0; i < __builtin_popcount(reply.held); i++)
		close(fds[i]);
	raw_close(raw);
	test_ok(tsr_receiver_arm(receiver, &ready));
	send_number(0);
	cr_assert(readable(in, 5000));
	test_same(receive_number(), 0);
}

test_case(observer, tap_is_no_participant_for_the_others)
{
	struct tsr_proto_row_channel row;

	(void)open_tap(observer, TSR_TAP_NEXT, 0);
	cr_assert(daemon_channel(&daemon_, "watched", &row));
	test_same(row.senders, 1);
	test_same(row.receivers, 1);
	test_ok(tsr_sender_close(sender));
	test_is(tsr_recv(receiver, &(struct tsr_msg){0}, TSR_NOWAIT), -EPIPE);
}

test_case(observer, daemon_that_stops_is_told_to_those_who_wait)
{
	struct tsr_tap const tap = open_tap(observer, TSR_TAP_NEXT, 0);
	struct pollfd end;
	struct tsr_copy copy;
	int fd, ready;

	test_ok(tsr_tap_event(tap, &fd));
	test_ok(tsr_tap_arm(tap, &ready));
	daemon_kill(&daemon_);
	end = (struct pollfd){.fd = fd, .events = POLLIN};
	cr_assert_eq(poll(&end, 1, 5000), 1);
	test_is(tsr_tap_arm(tap, &ready), -ENOTCONN);
	(void)tsr_read_copy(tap, NULL, 0, &copy);
	daemon_.descriptors = 0;
	daemon_clear(&daemon_);
	daemon_start(&daemon_, NULL);
}
