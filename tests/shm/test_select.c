/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "shm/client.h"
#include "shm/kind.h"
#include "shm/ticket.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/shape.h"
#include "tests/support/trip.h"

/*
 * select over channels of a realm of the test's own: client 1 selects, client 2 is at the other
 * ends. Safety looks are off: what is not woken sleeps until the test's time is up.
 */
#define ME    1
#define OTHER 2
#define THIRD 3

static struct realm realm;
static struct tsr_client me, other;
static struct tsr_channel *channel[TSR_SELECT_MAX];
static struct tsr_receiver in[TSR_SELECT_MAX]; /* mine */
static struct tsr_sender feed[TSR_SELECT_MAX]; /* the other's, to the same channels */
static struct tsr_case cases[TSR_SELECT_MAX + 1];
static struct tsr_msg msgs[TSR_SELECT_MAX + 1];
static struct tsr_select set;
static uint32_t channels;

static struct tsr_end_options const sleepy = {.size = sizeof(sleepy), .flags = TSR_END_NO_SPIN};

static void
select_setup(void)
{
	realm_make(&realm, NULL);
	me = trip_join(&realm, ME, false);
	other = trip_join(&realm, OTHER, false);
	tsr_wait_look_ns = UINT64_MAX;
	channels = 0;
	memset(cases, 0, sizeof(cases));
	set = (struct tsr_select){.size = sizeof(set), .cases = cases};
}

static void
select_teardown(void)
{
	for (uint32_t i = 0; i < channels; i++) {
		test_ok(local_receiver_close(me, in[i]));
		test_ok(local_sender_close(other, feed[i]));
		test_same(atomic_load(&channel[i]->shm->receivers_waiting), 0);
		test_same(atomic_load(&channel[i]->shm->senders_waiting), 0);
	}
	trip_leave(&realm, ME, me);
	trip_leave(&realm, OTHER, other);
	test_same(atomic_load(&realm.map.states[ME - 1].missed_wakes), 0);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

TestSuite(select, .timeout = 60);

static struct tsr_channel *
make_shape(struct tsr_shape shape)
{
	struct tsr_channel *const made = realm_channel_of(&realm, shape);

	atomic_store(&made->entry->senders, tsr_ends_make(1, false, 1));
	atomic_store(&made->entry->receivers, tsr_ends_make(1, false, 1));
	return made;
}

static struct tsr_channel *
make_channel(uint32_t capacity)
{
	return make_shape(shape_buffered(capacity, 0));
}

/* One more channel, a receive from it. */
static void
add(struct tsr_channel *made, struct tsr_end_options const *options)
{
	uint32_t const i = channels++;

	channel[i] = made;
	test_ok(local_receiver(me, made, options, &in[i]));
	test_ok(local_sender(other, made, options, &feed[i]));
	cases[i] = (struct tsr_case){.receiver = in[i], .msg = &msgs[i]};
	set.count = channels;
}

/* So many channels, a receive from each. */
static void
make(uint32_t count, struct tsr_end_options const *options)
{
	while (channels < count)
		add(make_channel(2), options);
	set.count = count;
}

static void
add_rendezvous(struct tsr_end_options const *options)
{
	add(make_shape((struct tsr_shape){.kind = TSR_KIND_RENDEZVOUS, .capacity = 2}), options);
}

static int
put(uint32_t i, uint64_t number)
{
	struct tsr_msg msg;
	int error = tsr_alloc(other, sizeof(number), &msg);

	if (error != 0)
		return error;
	*(uint64_t *)msg.data = number;
	error = tsr_send(feed[i], &msg, TSR_NOWAIT);
	if (error != 0)
		test_ok(tsr_release(other, &msg));
	return error;
}

/* It fired: what came is @number. */
static void
takes(uint32_t fired, uint64_t number)
{
	test_same(set.fired, fired);
	test_same(*(uint64_t *)msgs[fired].data, number);
	test_ok(tsr_release(me, &msgs[fired]));
}

test_case(select, picks_the_one_that_is_there_and_leaves_the_others_alone)
{
	make(3, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		test_ok(put(i, 10 + i));
		test_ok(tsr_select(&set, TSR_FOREVER));
		takes(i, 10 + i);
		test_is(tsr_select(&set, TSR_NOWAIT), -EAGAIN);
		test_same(set.fired, TSR_SELECT_NONE);
	}
}

test_case(select, default_is_taken_when_nothing_can_be_done_and_only_then)
{
	make(2, NULL);
	test_is(tsr_select(&set, TSR_NOWAIT), -EAGAIN);
	test_same(set.fired, TSR_SELECT_NONE);
	test_ok(put(1, 5));
	test_ok(tsr_select(&set, TSR_NOWAIT));
	takes(1, 5);
}

test_case(select, sends_and_receives_mix_and_a_message_that_is_not_sent_stays)
{
	struct tsr_channel *const out = make_channel(2);
	struct tsr_sender sender;
	struct tsr_receiver drain;
	struct tsr_msg msg;

	make(1, NULL);
	test_ok(local_sender(me, out, NULL, &sender));
	test_ok(local_receiver(other, out, NULL, &drain));
	cases[1] = (struct tsr_case){.sender = sender, .msg = &msgs[1]};
	set.count = 2;
	for (int i = 0; i < 2; i++) {
		test_ok(tsr_alloc(me, 8, &msgs[1]));
		test_ok(tsr_select(&set, TSR_FOREVER));
		test_same(set.fired, 1);
	}
	test_ok(tsr_alloc(me, 8, &msgs[1]));
	*(uint64_t *)msgs[1].data = 77;
	test_is(tsr_select(&set, TSR_NOWAIT), -EAGAIN);
	test_ok(put(0, 3));
	test_ok(tsr_select(&set, TSR_FOREVER));
	takes(0, 3);
	/* It was not sent, and can be. */
	test_ok(tsr_recv(drain, &msg, TSR_NOWAIT));
	test_ok(tsr_release(other, &msg));
	test_ok(tsr_select(&set, TSR_FOREVER));
	test_same(set.fired, 1);
	for (int i = 0; i < 2; i++) {
		test_ok(tsr_recv(drain, &msg, TSR_NOWAIT));
		test_same(*(uint64_t *)msg.data, i == 0 ? *(uint64_t *)msg.data : 77);
		test_ok(tsr_release(other, &msg));
	}
	test_ok(local_sender_close(me, sender));
	test_ok(local_receiver_close(other, drain));
}

test_case(select, deadline_in_the_past_takes_what_is_there_and_else_has_passed)
{
	uint64_t const begun = tsr_now_ns();

	make(2, NULL);
	test_is(tsr_select(&set, 1), -ETIMEDOUT);
	test_same(set.fired, TSR_SELECT_NONE);
	test_ok(put(1, 9));
	test_ok(tsr_select(&set, 1));
	takes(1, 9);
	cr_assert_lt(tsr_now_ns() - begun, 2 * TEST_SECOND);
}

test_case(select, sleep_ends_at_the_deadline_and_leaves_no_token_behind)
{
	for (uint32_t count = 1; count <= 3; count += 2) {
		uint64_t const deadline = test_deadline(30);

		make(count, &sleepy);
		test_is(tsr_select(&set, deadline), -ETIMEDOUT);
		cr_assert(test_passed(deadline));
		cr_assert(!test_passed(deadline + 2 * TEST_SECOND));
		test_same(set.fired, TSR_SELECT_NONE);
	}
}

static void
refused(int error, uint32_t fired)
{
	test_is(tsr_select(&set, TSR_FOREVER), error);
	test_same(set.fired, fired);
}

test_case(select, what_is_no_select_is_refused_and_nothing_is_lost)
{
	struct tsr_receiver twin, foreign;
	struct tsr_sender back;

	make(3, NULL);
	test_ok(put(0, 1));
	test_ok(local_receiver(me, channel[1], NULL, &twin));
	test_ok(local_receiver(other, channel[2], NULL, &foreign));
	test_ok(local_sender(me, channel[1], NULL, &back));
	test_is(tsr_select(NULL, TSR_FOREVER), -EINVAL);
	set.size--;
	test_is(tsr_select(&set, TSR_FOREVER), -EINVAL);
	set.size++;
	set.count = 0;
	test_is(tsr_select(&set, TSR_FOREVER), -EINVAL);
	set.count = TSR_SELECT_MAX + 1;
	test_is(tsr_select(&set, TSR_FOREVER), -EINVAL);
	set.count = 3;
	cases[2] = (struct tsr_case){.receiver = in[1], .msg = &msgs[2]};
	refused(-EINVAL, 2); /* the same end twice */
	cases[2].receiver = twin;
	refused(-EINVAL, 2); /* the same channel */
	cases[2] = (struct tsr_case){.sender = back, .msg = &msgs[2]};
	refused(-EINVAL, 2); /* its other side */
	cases[2] = (struct tsr_case){.receiver = foreign, .msg = &msgs[2]};
	refused(-EINVAL, 2); /* another client's */
	cases[2] = (struct tsr_case){.receiver = in[2], .sender = back, .msg = &msgs[2]};
	refused(-EINVAL, 2);
	cases[2] = (struct tsr_case){.msg = &msgs[2]};
	refused(-EINVAL, 2);
	cases[2] = (struct tsr_case){.receiver = in[2]};
	refused(-EINVAL, 2);
	cases[2] = (struct tsr_case){.receiver = {feed[2].handle}, .msg = &msgs[2]};
	refused(-ENOTCONN, 2); /* a sender's handle */
	test_ok(local_receiver_close(me, twin));
	cases[2] = (struct tsr_case){.receiver = twin, .msg = &msgs[2]};
	refused(-ENOTCONN, 2);
	cases[2].receiver = in[2];
	test_ok(tsr_select(&set, TSR_FOREVER));
	takes(0, 1);
	test_ok(local_receiver_close(other, foreign));
	test_ok(local_sender_close(me, back));
}

/* What a sender's call does at each look, on rendezvous @i. Return: 0 it was received. */
static int
offer(uint32_t i, struct tsr_msg *msg)
{
	return tsr_kind_rendezvous.try_send(tsr_end_get(feed[i].handle), &msg->zdesc);
}

static struct tsr_msg
message(uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_alloc(other, sizeof(number), &msg));
	*(uint64_t *)msg.data = number;
	return msg;
}

test_case(select, offer_is_taken_in_its_turn_and_stands_until_then)
{
	struct tsr_msg msg = message(6);

	make(1, NULL);
	add_rendezvous(NULL);
	test_is(tsr_select(&set, TSR_NOWAIT), -EAGAIN);
	test_is(offer(1, &msg), -EAGAIN);
	test_ok(put(0, 5));
	test_ok(tsr_select(&set, TSR_FOREVER));
	takes(0, 5);
	test_is(offer(1, &msg), -EAGAIN);
	test_ok(tsr_select(&set, TSR_FOREVER));
	takes(1, 6);
	test_ok(offer(1, &msg));
	test_is(tsr_select(&set, TSR_NOWAIT), -EAGAIN);
}

test_case(select, send_on_a_rendezvous_is_refused_and_its_message_stays)
{
	struct tsr_sender sender;
	struct tsr_msg none;

	make(1, NULL);
	add_rendezvous(NULL);
	test_ok(local_sender(me, channel[1], NULL, &sender));
	test_ok(put(0, 1));
	test_ok(tsr_alloc(me, 8, &msgs[1]));
	cases[1] = (struct tsr_case){.sender = sender, .msg = &msgs[1]};
	refused(-EINVAL, 1);
	test_is(tsr_recv(in[1], &none, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_release(me, &msgs[1]));
	set.count = 1;
	test_ok(tsr_select(&set, TSR_FOREVER));
	takes(0, 1);
	test_ok(local_sender_close(me, sender));
}

test_case(select, message_that_can_not_be_sent_is_told_even_when_the_channel_is_full)
{
	struct tsr_channel *const out = make_channel(2);
	struct tsr_sender sender;
	struct tsr_receiver drain;
	struct tsr_msg msg;

	make(1, NULL);
	test_ok(local_sender(me, out, NULL, &sender));
	test_ok(local_receiver(other, out, NULL, &drain));
	for (int i = 0; i < 2; i++) {
		test_ok(tsr_alloc(me, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	cases[1] = (struct tsr_case){.sender = sender, .msg = &msgs[1]};
	set.count = 2;
	test_ok(tsr_alloc(me, 8, &msgs[1]));
	msgs[1].length++;
	refused(-EINVAL, 1); /* longer than its range */
	msgs[1].length--;
	test_ok(tsr_release(me, &msgs[1]));
	refused(-ESTALE, 1); /* released */
	for (int i = 0; i < 2; i++) {
		test_ok(tsr_recv(drain, &msg, TSR_NOWAIT));
		test_ok(tsr_release(other, &msg));
	}
	refused(-ESTALE, 1);
	test_ok(local_sender_close(me, sender));
	test_ok(local_receiver_close(other, drain));
}

/* One channel is refilled one message at a time, the others are full of them all the time. */
test_case(select, slowest_of_many_ready_channels_gets_its_share)
{
	uint32_t const counts[] = {2, 3, 16, TSR_SELECT_MAX};

	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		uint32_t const n = counts[c];
		uint32_t const picks = 100 * n;
		uint32_t slow = 0;

		make(n, NULL);
		for (uint32_t i = 0; i < n; i++) {
			while (put(i, i) == 0 && i != n - 1)
				;
		}
		for (uint32_t k = 0; k < picks; k++) {
			test_ok(tsr_select(&set, TSR_NOWAIT));
			slow += set.fired == n - 1;
			takes(set.fired, set.fired);
			test_ok(put(set.fired, set.fired));
		}
		cr_assert_geq(slow, picks / (2 * n), "%u of %u", slow, picks);
		while (tsr_select(&set, TSR_NOWAIT) == 0)
			takes(set.fired, set.fired);
	}
}

/* Six of eight have nothing: the two that have share alike, whatever lies between them. */
test_case(select, share_is_that_of_the_ready_and_not_of_all)
{
	uint32_t picks[2] = {0};

	make(8, NULL);
	for (uint32_t i = 0; i < 2; i++)
		test_ok(put(i, i));
	for (int k = 0; k < 400; k++) {
		test_ok(tsr_select(&set, TSR_NOWAIT));
		cr_assert_lt(set.fired, 2);
		picks[set.fired]++;
		takes(set.fired, set.fired);
		test_ok(put(set.fired, set.fired));
	}
	test_same(picks[0], 200);
	test_same(picks[1], 200);
	while (tsr_select(&set, TSR_NOWAIT) == 0)
		takes(set.fired, set.fired);
}

/* A thousand messages on one, then one on the other: at the latest the next but one is it. */
test_case(select, rare_message_waits_for_no_more_than_one_turn)
{
	uint64_t seed = test_seed();

	make(5, NULL);
	for (int round = 0; round < 200; round++) {
		uint32_t const rare = (uint32_t)(test_random(&seed) % 5);
		uint32_t turns = 0;

		while (tsr_select(&set, TSR_NOWAIT) == 0)
			takes(set.fired, set.fired);
		for (uint32_t i = 0; i < 5; i++) {
			while (i != rare && put(i, i) == 0)
				;
		}
		for (uint64_t k = test_random(&seed) % 7; k > 0; k--) {
			test_ok(tsr_select(&set, TSR_NOWAIT));
			takes(set.fired, set.fired);
			test_ok(put(set.fired, set.fired));
		}
		test_ok(put(rare, rare));
		do {
			test_ok(tsr_select(&set, TSR_NOWAIT));
			takes(set.fired, set.fired);
			if (set.fired != rare)
				test_ok(put(set.fired, set.fired));
			cr_assert_leq(++turns, 5);
		} while (set.fired != rare);
	}
	while (tsr_select(&set, TSR_NOWAIT) == 0)
		takes(set.fired, set.fired);
}

test_case(select, channel_that_has_ended_fails_its_case_after_its_last_message)
{
	make(2, &sleepy);
	test_ok(put(1, 8));
	atomic_store(&channel[1]->entry->senders, tsr_ends_make(0, false, 1));
	test_ok(tsr_select(&set, TSR_FOREVER));
	takes(1, 8);
	test_is(tsr_select(&set, TSR_NOWAIT), -EPIPE);
	test_same(set.fired, 1);
	test_is(tsr_select(&set, TSR_FOREVER), -EPIPE);
	test_same(set.fired, 1);
	test_ok(put(0, 4)); /* there is something better to do than to fail */
	test_ok(tsr_select(&set, TSR_FOREVER));
	takes(0, 4);
	atomic_store(&channel[0]->entry->senders, tsr_ends_make(0, true, 1));
	set.count = 1;
	test_is(tsr_select(&set, TSR_FOREVER), -ECONNRESET);
	test_same(set.fired, 0);
}

/* What a thread of its own comes to. */
struct selecting {
	pthread_t thread;
	struct tsr_select *set;
	uint64_t deadline_ns;
	int result;
	bool late; /* found by the last look alone: it was not woken */
};

static void *
selecting_body(void *argument)
{
	struct selecting *const self = argument;

	self->result = tsr_select(self->set, self->deadline_ns);
	self->late = test_passed(self->deadline_ns);
	return NULL;
}

static void
selecting_start(struct selecting *self)
{
	self->set = &set;
	self->deadline_ns = test_deadline(10000);
	cr_assert_eq(pthread_create(&self->thread, NULL, selecting_body, self), 0);
}

static void
selecting_join(struct selecting *self, int result)
{
	cr_assert_eq(pthread_join(self->thread, NULL), 0);
	test_is(self->result, result);
	cr_assert(!self->late, "it slept until its deadline");
}

static _Atomic uint64_t *
await_enqueued(_Atomic uint64_t *tokens, uint16_t who)
{
	uint64_t const deadline = test_deadline(10000);

	for (;;) {
		for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++) {
			uint64_t const word = atomic_load(&tokens[i]);

			if (tsr_token_state(word) == TSR_TOKEN_ENQUEUED &&
			    tsr_token_owner(word) == who)
				return &tokens[i];
		}
		cr_assert(!test_passed(deadline), "nobody is enqueued");
		sched_yield();
	}
}

test_case(select, sleeper_is_woken_by_each_of_its_channels)
{
	struct selecting selecting;

	for (uint32_t count = 1; count <= 4; count++) {
		make(count, &sleepy);
		for (uint32_t i = 0; i < count; i++) {
			selecting_start(&selecting);
			(void)await_enqueued(channel[count - 1]->tokens->receiver, ME);
			test_ok(put(i, i));
			selecting_join(&selecting, 0);
			takes(i, i);
		}
	}
}

test_case(select, sleeper_is_woken_by_an_offer)
{
	struct tsr_msg msg = message(6);
	struct selecting selecting;
	int offered = 0;

	make(1, &sleepy);
	add_rendezvous(&sleepy);
	for (uint32_t i = 0; i < 2; i++) {
		selecting_start(&selecting);
		(void)await_enqueued(channel[1]->tokens->receiver, ME);
		if (i == 0)
			test_ok(put(0, 5));
		else
			offered = offer(1, &msg);
		selecting_join(&selecting, 0);
		takes(i, 5 + i);
	}
	/* The one who was woken may have taken it while the sender still looked. */
	if (offered == -EAGAIN)
		offered = offer(1, &msg);
	test_ok(offered);
}

test_case(select, sleeper_is_woken_by_room_on_the_channel_that_it_wants_to_send_on)
{
	struct tsr_channel *const out = make_channel(2);
	struct selecting selecting;
	struct tsr_sender sender;
	struct tsr_receiver drain;
	struct tsr_msg msg;

	make(1, &sleepy);
	test_ok(local_sender(me, out, &sleepy, &sender));
	test_ok(local_receiver(other, out, &sleepy, &drain));
	for (int i = 0; i < 3; i++) {
		test_ok(tsr_alloc(me, 8, &msgs[1]));
		if (i < 2)
			test_ok(tsr_send(sender, &msgs[1], TSR_NOWAIT));
	}
	cases[1] = (struct tsr_case){.sender = sender, .msg = &msgs[1]};
	set.count = 2;
	selecting_start(&selecting);
	(void)await_enqueued(out->tokens->sender, ME);
	test_ok(tsr_recv(drain, &msg, TSR_NOWAIT));
	test_ok(tsr_release(other, &msg));
	selecting_join(&selecting, 0);
	test_same(set.fired, 1);
	for (int i = 0; i < 2; i++) {
		test_ok(tsr_recv(drain, &msg, TSR_NOWAIT));
		test_ok(tsr_release(other, &msg));
	}
	test_ok(local_sender_close(me, sender));
	test_ok(local_receiver_close(other, drain));
}

test_case(select, sleeper_is_told_when_one_of_its_channels_ends)
{
	struct selecting selecting;

	make(3, &sleepy);
	selecting_start(&selecting);
	(void)await_enqueued(channel[2]->tokens->receiver, ME);
	tsr_ends_publish(channel[1], TSR_SIDE_SENDER, 0, true, 1);
	selecting_join(&selecting, -ECONNRESET);
	test_same(set.fired, 1);
}

/* A receiver of a third client, in a thread of its own. */
struct receiving {
	pthread_t thread;
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int result;
	bool late;
};

static void *
receiving_body(void *argument)
{
	struct receiving *const self = argument;
	uint64_t const deadline_ns = test_deadline(10000);

	self->result = tsr_recv(self->receiver, &self->msg, deadline_ns);
	self->late = test_passed(deadline_ns);
	return NULL;
}

static void
receiving_start(struct receiving *self, struct tsr_channel *from)
{
	self->client = trip_join(&realm, THIRD, false);
	test_ok(local_receiver(self->client, from, &sleepy, &self->receiver));
	cr_assert_eq(pthread_create(&self->thread, NULL, receiving_body, self), 0);
	(void)await_enqueued(from->tokens->receiver, THIRD);
}

static void
receiving_join(struct receiving *self, uint64_t number)
{
	cr_assert_eq(pthread_join(self->thread, NULL), 0);
	test_is(self->result, 0);
	cr_assert(!self->late, "the receiver slept until its deadline");
	test_same(*(uint64_t *)self->msg.data, number);
	test_ok(tsr_release(self->client, &self->msg));
	test_ok(local_receiver_close(self->client, self->receiver));
	trip_leave(&realm, THIRD, self->client);
}

/*
 * A sender on channel 1 chooses the selecting thread for its wake-up, and that one is just busy
 * with channel 0: the one who sleeps on channel 1 alone must be woken instead.
 */
test_case(select, wake_up_of_a_channel_that_was_not_picked_goes_on)
{
	uint64_t names[TSR_CELL_ENTRIES];
	struct selecting selecting;
	struct receiving receiving;
	struct tsr_reap_result result;
	_Atomic uint64_t *token;
	uint64_t word;

	make(2, &sleepy);
	realm.living[4] = true;
	test_same(realm_take_cell(&realm, 0, 4, names), TSR_CELL_ENTRIES);
	selecting_start(&selecting);
	token = await_enqueued(channel[1]->tokens->receiver, ME);
	receiving_start(&receiving, channel[1]);
	/* Client 4 has published and claimed; it has not called the kernel yet. */
	*(uint64_t *)tsr_block_data(&realm.map, &realm.map.blocks[tsr_name_index(names[0])], 0) =
		42;
	realm_stamp_channel(&realm, names[0], channel[1]);
	realm_slot(channel[1], 0, 0, TSR_READY, names[0], 8);
	word = atomic_load(token);
	atomic_store(token, tsr_token_make(TSR_TOKEN_CLAIMED, tsr_token_generation(word), ME, 4));
	test_ok(put(0, 1));
	selecting_join(&selecting, 0);
	takes(0, 1);
	receiving_join(&receiving, 42);
	realm_reap(&realm, 4, NULL, NULL, 0, &result);
}

/* The same, but the message is one place on: another receiver has taken the one before. */
test_case(select, wake_up_goes_on_also_for_what_lies_beyond_the_place_that_was_seen_last)
{
	struct selecting selecting;
	struct receiving receiving;
	struct tsr_receiver quick;
	struct tsr_msg msg;
	_Atomic uint64_t *token;
	uint64_t word;

	make(2, &sleepy);
	test_ok(local_receiver(other, channel[1], &sleepy, &quick));
	selecting_start(&selecting);
	token = await_enqueued(channel[1]->tokens->receiver, ME);
	receiving_start(&receiving, channel[1]);
	/* Both sleepers are claimed, and not yet told, by client 4, who is gone meanwhile. */
	word = atomic_load(token);
	atomic_store(token, tsr_token_make(TSR_TOKEN_CLAIMED, tsr_token_generation(word), ME, 4));
	/* The first goes to a receiver that does not sleep; its sender wakes nobody in vain. */
	atomic_fetch_and(&channel[1]->shm->receivers_waiting, 0);
	test_ok(put(1, 41));
	test_ok(tsr_recv(quick, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, 41);
	test_ok(tsr_release(other, &msg));
	test_ok(put(1, 42));
	atomic_store(&channel[1]->shm->receivers_waiting, 3);
	test_ok(put(0, 1));
	selecting_join(&selecting, 0);
	takes(0, 1);
	receiving_join(&receiving, 42);
	test_ok(local_receiver_close(other, quick));
}

test_case(select, waits_without_a_token_where_all_are_taken)
{
	struct tsr_wait_side side;
	uint32_t number;
	struct selecting selecting;

	make(2, &sleepy);
	side = tsr_channel_side(channel[1], TSR_SIDE_RECEIVER);
	while (tsr_token_acquire(&side, ME, &number) == 0)
		;
	for (uint32_t i = 0; i < 2; i++) {
		selecting_start(&selecting);
		(void)await_enqueued(channel[0]->tokens->receiver, ME);
		test_ok(put(i, i));
		selecting_join(&selecting, 0);
		takes(i, i);
	}
	test_is(tsr_select(&set, test_deadline(20)), -ETIMEDOUT);
	for (number = 0; number < TSR_TOKENS_PER_SIDE; number++)
		tsr_token_release(&side, number, ME);
}

/* From here on the kernel has no futex_waitv(2), as before 5.16. */
static int
forget_futex_waitv(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog const program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	                       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0
	               ? 0
	               : -errno;
}

static void *
selecting_old_body(void *argument)
{
	struct selecting *const self = argument;

	self->result = forget_futex_waitv(); /* a filter is this thread's */
	if (self->result == 0)
		self->result = tsr_select(self->set, self->deadline_ns);
	self->late = test_passed(self->deadline_ns);
	return NULL;
}

test_case(select, kernel_that_sleeps_on_one_word_only_is_no_hindrance)
{
	struct selecting selecting = {.set = &set, .deadline_ns = test_deadline(20000)};

	make(2, &sleepy);
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert_eq(
			pthread_create(&selecting.thread, NULL, selecting_old_body, &selecting), 0);
		(void)await_enqueued(channel[1]->tokens->receiver, ME);
		test_ok(put(i, i));
		selecting_join(&selecting, 0);
		takes(i, i);
	}
}
