/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/*
 * Calls that make no sense, on a channel of each kind: each is refused by the errno that the
 * documentation says, nothing is lost, and the channel goes on.
 */

static struct daemon daemon_;
static struct tsr_client a;

static void
misuse_setup(void)
{
	daemon_start(&daemon_, NULL);
	a = daemon_attach(&daemon_, 0);
}

static void
misuse_teardown(void)
{
	daemon_balanced(&daemon_, "demo");
	test_same(daemon_missed_wakes(&daemon_), 0);
	test_ok(tsr_detach(a));
	daemon_stop(&daemon_);
}

TestSuite(misuse, .timeout = 30);

#define ONES (TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER)
#define FULL (TSR_CHANNEL_DROP_NEWEST | TSR_CHANNEL_DROP_OLDEST)
#define SLOW (TSR_CHANNEL_EVICT | TSR_CHANNEL_LAP)

/* What a kind is asked for, and what a channel of it does. */
static struct kind {
	uint32_t kind;
	char const *name;
	uint32_t capacity, knows;
	bool fills;    /* a send finds no room some time */
	bool outlives; /* a send goes on when no receiver is there any more */
} const kinds[] = {
	{TSR_KIND_BUFFERED, "buffered", 2, ONES | FULL | TSR_CHANNEL_REQUEUE, true, false},
	{TSR_KIND_UNLIMITED, "unlimited", 16, ONES | TSR_CHANNEL_REQUEUE, false, true},
	{TSR_KIND_CONFLATED, "conflated", 8, ONES, false, true},
	{TSR_KIND_RENDEZVOUS, "rendezvous", 2, ONES, true, false},
	{TSR_KIND_BROADCAST, "broadcast", 4, TSR_CHANNEL_ONE_SENDER | SLOW, true, true},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct tsr_channel_options
shape(struct kind const *kind, uint32_t capacity, uint32_t flags)
{
	return (struct tsr_channel_options){.size = sizeof(struct tsr_channel_options),
	                                    .kind = kind->kind,
	                                    .capacity = capacity,
	                                    .flags = flags};
}

static void
refused(struct tsr_channel_options const *options, int error, char const *says)
{
	test_is(tsr_channel_create(a, "wrong", options), error);
	cr_assert_not_null(strstr(tsr_last_hint(), says), "'%s' does not say '%s'", tsr_last_hint(),
	                   says);
}

static void
open_both(struct kind const *kind, struct tsr_sender *sender, struct tsr_receiver *receiver)
{
	struct tsr_channel_options const options = shape(kind, kind->capacity, 0);

	test_ok(tsr_channel_create(a, kind->name, &options));
	test_ok(tsr_sender_open(a, kind->name, NULL, sender));
	test_ok(tsr_receiver_open(a, kind->name, NULL, receiver));
}

static struct tsr_msg
message(uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_alloc(a, sizeof(number), &msg));
	memcpy(msg.data, &number, sizeof(number));
	return msg;
}

test_case(misuse, capacity_that_is_no_power_of_two_or_above_the_limit_is_refused_of_each_kind)
{
	uint32_t const capacities[] = {1,         3, 1000, TSR_SLOTS_MAX - 1, 2 * TSR_SLOTS_MAX,
	                               UINT32_MAX};

	for (size_t k = 0; k < KINDS; k++) {
		struct tsr_channel_options options;

		for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
			char capacity[32];

			options = shape(&kinds[k], capacities[i], 0);
			(void)snprintf(capacity, sizeof(capacity), "capacity %u", capacities[i]);
			refused(&options, -EINVAL, capacity);
		}
		/* None: as many as the kind has by itself. */
		options = shape(&kinds[k], 0, 0);
		test_ok(tsr_channel_create(a, "none", &options));
		test_ok(tsr_channel_remove(a, "none"));
	}
	test_same(daemon_status(&daemon_).channels, 0);
}

test_case(misuse, property_that_a_kind_does_not_have_is_refused_and_named)
{
	static struct {
		uint32_t flag;
		char const *name;
	} const flags[] = {
		{TSR_CHANNEL_ONE_RECEIVER, "one-receiver"},
		{TSR_CHANNEL_DROP_NEWEST, "drop-newest"},
		{TSR_CHANNEL_DROP_OLDEST, "drop-oldest"},
		{TSR_CHANNEL_REQUEUE, "requeue"},
		{TSR_CHANNEL_EVICT, "evict"},
		{TSR_CHANNEL_LAP, "lap"},
	};
	unsigned refusals = 0;

	for (size_t k = 0; k < KINDS; k++) {
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			struct tsr_channel_options const options =
				shape(&kinds[k], kinds[k].capacity, flags[i].flag);

			if ((kinds[k].knows & flags[i].flag) != 0)
				continue;
			refused(&options, -EINVAL, flags[i].name);
			cr_assert_not_null(strstr(tsr_last_hint(), kinds[k].name), "%s",
			                   tsr_last_hint());
			refusals++;
		}
	}
	test_same(refusals, 2 + 4 + 5 + 5 + 4);
	test_same(daemon_status(&daemon_).channels, 0);
}

test_case(misuse, second_end_on_a_side_that_has_one_is_refused_of_each_kind)
{
	for (size_t k = 0; k < KINDS; k++) {
		uint32_t const ones = kinds[k].knows & ONES;
		struct tsr_channel_options const options =
			shape(&kinds[k], kinds[k].capacity, ones);
		struct tsr_sender sender, second;
		struct tsr_receiver receiver, another;

		test_ok(tsr_channel_create(a, kinds[k].name, &options));
		test_ok(tsr_sender_open(a, kinds[k].name, NULL, &sender));
		test_is(tsr_sender_open(a, kinds[k].name, NULL, &second), -EBUSY);
		test_ok(tsr_receiver_open(a, kinds[k].name, NULL, &receiver));
		if ((ones & TSR_CHANNEL_ONE_RECEIVER) != 0)
			test_is(tsr_receiver_open(a, kinds[k].name, NULL, &another), -EBUSY);
		/* The place is free again with its end. */
		test_ok(tsr_sender_close(sender));
		test_ok(tsr_sender_open(a, kinds[k].name, NULL, &second));
		test_is(tsr_sender_close(sender), -ENOTCONN); /* twice */
	}
}

test_case(misuse, waiting_on_a_closed_channel_ends_at_once_of_each_kind)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct tsr_sender sender;
		struct tsr_receiver receiver;
		struct tsr_msg msg;
		int error = 0;

		open_both(&kinds[k], &sender, &receiver);
		test_ok(tsr_sender_close(sender));
		test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -EPIPE);
		test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPIPE);
		test_ok(tsr_sender_open(a, kinds[k].name, NULL, &sender));
		test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
		test_ok(tsr_receiver_close(receiver));
		for (uint32_t i = 0; error == 0 && i < 3 * kinds[k].capacity; i++) {
			msg = message(i);
			error = tsr_send(sender, &msg, TSR_FOREVER);
		}
		test_is(error, kinds[k].outlives ? 0 : -EPIPE);
		if (error != 0)
			test_ok(tsr_release(a, &msg)); /* it stayed its sender's */
	}
}

test_case(misuse, deadline_in_the_past_is_a_look_of_each_kind)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct tsr_sender sender;
		struct tsr_receiver receiver;
		struct tsr_msg msg;
		int error = 0;

		open_both(&kinds[k], &sender, &receiver);
		test_is(tsr_recv(receiver, &msg, 1), -ETIMEDOUT);
		for (uint32_t i = 0; error == 0 && i < 3 * kinds[k].capacity; i++) {
			msg = message(i);
			error = tsr_send(sender, &msg, 1);
		}
		test_is(error, kinds[k].fills ? -ETIMEDOUT : 0);
		if (error != 0)
			test_ok(tsr_release(a, &msg));
	}
}

test_case(misuse, deadline_in_the_past_of_a_question_gives_it_up)
{
	struct tsr_receiver receiver;
	struct tsr_asker asker;
	struct tsr_msg msg = message(1), reply;
	uint64_t ask, late;

	test_ok(tsr_receiver_open(a, "service", NULL, &receiver));
	test_ok(tsr_asker_open(a, "service", &asker));
	test_is(tsr_ask(asker, &msg, 1), -ETIMEDOUT);
	cr_assert_null(msg.data);
	msg = message(2);
	test_ok(tsr_ask_begin(asker, &msg, 1, &ask));
	test_is(tsr_ask_end(asker, ask, &reply, 1), -ETIMEDOUT);
	test_is(tsr_ask_end(asker, ask, &reply, 1), -ESTALE); /* it is forgotten */
	for (uint64_t i = 0; i < 2; i++) {
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_reply(a, &msg, &msg, 1));
	}
	msg = message(3);
	test_is(tsr_ask(asker, &msg, 1), -ETIMEDOUT);
	test_ok(tsr_asker_late(asker, &late));
	test_same(late, 2);
	test_ok(tsr_asker_close(asker));
	test_is(tsr_asker_close(asker), -ENOTCONN); /* twice */
}

test_case(misuse, ticket_sent_or_released_twice_is_stale_of_each_kind)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct tsr_msg msg = message(k), again = msg, got;
		struct tsr_receiver receiver;
		struct tsr_sender sender;

		if (kinds[k].kind == TSR_KIND_RENDEZVOUS) {
			test_ok(tsr_release(a, &msg));
			continue; /* its send ends with the receive: tests/shm/test_rendezvous.c */
		}
		open_both(&kinds[k], &sender, &receiver);
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_is(tsr_send(sender, &again, TSR_NOWAIT), -ESTALE);
		test_is(tsr_release(a, &again), -ESTALE);
		test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
		test_is(tsr_send(sender, &again, TSR_NOWAIT), -ESTALE);
		again = got;
		test_ok(tsr_release(a, &got));
		test_is(tsr_release(a, &again), -ESTALE);
		test_is(tsr_recv(receiver, &got, TSR_NOWAIT), -EAGAIN);
	}
}

test_case(misuse, question_goes_by_a_buffered_channel_only)
{
	for (size_t k = 0; k < KINDS; k++) {
		bool const buffered = kinds[k].kind == TSR_KIND_BUFFERED;
		struct tsr_sender sender;
		struct tsr_receiver receiver;
		struct tsr_asker asker;

		open_both(&kinds[k], &sender, &receiver);
		test_is(tsr_asker_open(a, kinds[k].name, &asker), buffered ? 0 : -EOPNOTSUPP);
		if (buffered)
			test_ok(tsr_asker_close(asker));
	}
}

test_case(misuse, message_of_a_region_goes_by_any_channel_but_a_broadcast)
{
	struct tsr_region region;

	test_ok(tsr_region_create(a, 65536, NULL, &region));
	for (size_t k = 0; k < KINDS; k++) {
		bool const broadcast = kinds[k].kind == TSR_KIND_BROADCAST;
		struct tsr_receiver receiver;
		struct tsr_sender sender;
		struct tsr_msg msg, got;

		if (kinds[k].kind == TSR_KIND_RENDEZVOUS)
			continue; /* its send waits for the receive */
		open_both(&kinds[k], &sender, &receiver);
		test_ok(tsr_region_alloc(region, 0, 64, &msg));
		memset(msg.data, (int)k + 1, 64);
		test_is(tsr_send(sender, &msg, TSR_NOWAIT), broadcast ? -EOPNOTSUPP : 0);
		if (broadcast) {
			test_is(tsr_recv(receiver, &got, TSR_NOWAIT), -EAGAIN);
			test_ok(tsr_release(a, &msg)); /* it stayed its sender's */
			continue;
		}
		test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
		cr_assert_eq(((unsigned char *)got.data)[63], k + 1);
		test_ok(tsr_release(a, &got));
	}
	test_ok(tsr_region_close(region));
}

/* One of each thing that has a handle. */
struct handles {
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_asker asker;
	struct tsr_scope scope;
	struct tsr_tap tap;
	struct tsr_msg msg;
};

static struct handles
open_all(void)
{
	struct handles h;

	test_ok(tsr_sender_open(a, "all", NULL, &h.sender));
	test_ok(tsr_receiver_open(a, "all", NULL, &h.receiver));
	test_ok(tsr_asker_open(a, "all", &h.asker));
	test_ok(tsr_scope_open(a, NULL, &h.scope));
	test_ok(tsr_tap_open(a, "all", NULL, &h.tap));
	h.msg = message(1);
	return h;
}

/* How many of the calls with them don't say that it is gone, as a bit each. */
static uint64_t
lives(struct handles const *h)
{
	struct handles copy = *h;
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_case cases[] = {{.receiver = h->receiver, .msg = &copy.msg}};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 1};
	struct tsr_copy told;
	uint64_t number;
	size_t done;
	int fd;
	int const said[] = {
		tsr_alloc(a, 8, &copy.msg),
		tsr_alloc_batch(a, 8, &copy.msg, 1, &done),
		tsr_release(a, &copy.msg),
		tsr_release_batch(a, &copy.msg, 1, &done),
		tsr_retain(a, &copy.msg),
		tsr_resolve(a, copy.msg.zdesc, &copy.msg),
		tsr_send(h->sender, &copy.msg, TSR_FOREVER),
		tsr_send_batch(h->sender, &copy.msg, 1, TSR_FOREVER, &done),
		tsr_recv(h->receiver, &copy.msg, TSR_FOREVER),
		tsr_recv_batch(h->receiver, &copy.msg, 1, TSR_FOREVER, &done),
		tsr_select(&select, TSR_FOREVER),
		tsr_ask(h->asker, &copy.msg, TSR_FOREVER),
		tsr_ask_begin(h->asker, &copy.msg, TSR_FOREVER, &number),
		tsr_ask_end(h->asker, 1, &copy.msg, TSR_FOREVER),
		tsr_asker_late(h->asker, &number),
		tsr_reply(a, &copy.msg, &copy.msg, TSR_FOREVER),
		tsr_scope_add_sender(h->scope, h->sender),
		tsr_scope_add_receiver(h->scope, h->receiver),
		tsr_scope_add_msg(h->scope, &copy.msg),
		tsr_scope_cancel(h->scope),
		tsr_scope_close(h->scope),
		tsr_read_copy(h->tap, &number, sizeof(number), &told),
		tsr_receiver_event(h->receiver, &fd),
		tsr_receiver_arm(h->receiver, &fd),
		tsr_sender_event(h->sender, &fd),
		tsr_sender_arm(h->sender, &fd),
		tsr_tap_event(h->tap, &fd),
		tsr_tap_arm(h->tap, &fd),
		tsr_receiver_missed(h->receiver, &number),
		tsr_asker_close(h->asker),
		tsr_tap_close(h->tap),
		tsr_sender_close(h->sender),
		tsr_receiver_close(h->receiver),
		tsr_client_info(a, &info),
		tsr_channel_create(a, "all", NULL),
		tsr_detach(a),
	};
	uint64_t alive = 0;

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		alive |= (uint64_t)(said[i] != -ENOTCONN) << i;
	return alive;
}

test_case(misuse, every_handle_is_dead_after_detach)
{
	struct handles h = open_all();

	test_ok(tsr_detach(a));
	test_same(lives(&h), 0);
	a = daemon_attach(&daemon_, 0);
	daemon_balanced(&daemon_, "demo");
}

static int
inheritor(struct child_report *report, void *arg)
{
	uint64_t const alive = lives(arg);

	child_check(report, alive == 0, "calls %llx", (unsigned long long)alive);
	return 0;
}

test_case(misuse, every_handle_is_dead_in_a_forked_child_and_lives_on_in_the_parent)
{
	struct handles h = open_all();
	struct child child;
	uint64_t late;

	child_start(&child, inheritor, &h);
	child_join(&child);
	test_ok(tsr_send(h.sender, &h.msg, TSR_NOWAIT));
	test_ok(tsr_recv(h.receiver, &h.msg, TSR_NOWAIT));
	test_ok(tsr_release(a, &h.msg));
	test_ok(tsr_asker_late(h.asker, &late));
	test_ok(tsr_scope_cancel(h.scope));
	test_is(tsr_scope_cancel(h.scope), -ECANCELED); /* twice */
	test_ok(tsr_scope_close(h.scope));
	test_ok(tsr_asker_close(h.asker));
	test_ok(tsr_tap_close(h.tap));
}
