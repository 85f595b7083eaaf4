/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <criterion/criterion.h>

#include "shm/kind.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/trip.h"

/* The rendezvous without a daemon. A sender's call is taken apart where the test needs to act
 * between its offer and its end. */

static struct realm realm;
static struct tsr_channel *channel;
static struct tsr_client from, to;
static struct tsr_sender sender, second;
static struct tsr_receiver receiver;

static struct tsr_end_options const sleepy = {.size = sizeof(sleepy), .flags = TSR_END_NO_SPIN};

static void
rendezvous_make(uint64_t first_lap, uint64_t first_generation)
{
	struct tsr_realm_geometry geometry;

	realm_geometry(&geometry);
	geometry.first_lap = first_lap;
	geometry.first_generation = first_generation;
	realm_make(&realm, &geometry);
	channel = realm_channel_of(&realm,
	                           (struct tsr_shape){.kind = TSR_KIND_RENDEZVOUS, .capacity = 4});
	atomic_store(&channel->entry->senders, tsr_ends_make(1, false, 1));
	atomic_store(&channel->entry->receivers, tsr_ends_make(1, false, 1));
	tsr_wait_look_ns = UINT64_MAX; /* a wake-up that is missed is missed for good */
	from = trip_join(&realm, 1, false);
	to = trip_join(&realm, 2, false);
	test_ok(local_sender(from, channel, &sleepy, &sender));
	test_ok(local_sender(from, channel, &sleepy, &second));
	test_ok(local_receiver(to, channel, &sleepy, &receiver));
}

static void
rendezvous_setup(void)
{
	rendezvous_make(0, 1);
}

static void
rendezvous_teardown(void)
{
	test_ok(local_sender_close(from, sender));
	test_ok(local_sender_close(from, second));
	test_ok(local_receiver_close(to, receiver));
	for (uint32_t i = 0; i < channel->capacity; i++)
		test_same(tsr_slot_phase(atomic_load(&channel->shm->slot[i].word)), TSR_EMPTY);
	trip_leave(&realm, 1, from);
	trip_leave(&realm, 2, to);
	test_same(atomic_load(&realm.map.states[0].missed_wakes), 0);
	test_same(atomic_load(&realm.map.states[1].missed_wakes), 0);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

static void
message(uint64_t number, struct tsr_msg *msg)
{
	test_ok(tsr_alloc(from, sizeof(number), msg));
	*(uint64_t *)msg->data = number;
}

/* The first half of a send, which leaves an offer; and what a call does when it gives up. */
static int
try(struct tsr_sender which, struct tsr_msg *msg)
{
	return tsr_kind_rendezvous.try_send(tsr_end_get(which.handle), &msg->zdesc);
}

static int
give_up(struct tsr_sender which, struct tsr_msg *msg)
{
	return tsr_kind_rendezvous.give_up(tsr_end_get(which.handle), &msg->zdesc);
}

/* Receive the message of that number. */
static void
get(uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, number);
	test_same(msg.flags, 0);
	test_ok(tsr_release(to, &msg));
}

static void
get_nothing(void)
{
	struct tsr_msg msg;

	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
}

TestSuite(rendezvous, .timeout = 30);

test_case(rendezvous, send_is_done_when_the_message_was_received_and_not_before)
{
	struct tsr_msg msg, old;

	message(1, &msg);
	old = msg;
	test_is(try(sender, &msg), -EAGAIN);
	test_is(try(sender, &msg), -EAGAIN);
	realm_balanced(&realm);
	test_is(tsr_release(from, &old), -ESTALE);
	get(1);
	realm_balanced(&realm);
	test_ok(try(sender, &msg));
	get_nothing();
}

test_case(rendezvous, offer_to_nobody_is_taken_back_under_another_name)
{
	struct tsr_msg msg, old;

	message(1, &msg);
	for (int i = 0; i < 20; i++) {
		old = msg;
		test_is(tsr_send(sender, &msg, TSR_NOWAIT), -EAGAIN);
		test_same(msg.zdesc.name, tsr_name_next(old.zdesc.name));
		test_is(tsr_release(from, &old), -ESTALE);
		get_nothing();
	}
	test_is(tsr_send(sender, &msg, tsr_deadline_in_ms(20)), -ETIMEDOUT);
	get_nothing();
	test_same(*(uint64_t *)msg.data, 1);
	test_is(try(sender, &msg), -EAGAIN);
	get(1);
	test_ok(try(sender, &msg));
}

test_case(rendezvous, offer_at_once_stands_long_enough_to_be_seen_even_if_spinning_is_vain)
{
	struct tsr_client const other = trip_join(&realm, 3, false);
	struct tsr_sender hasty;
	struct tsr_end *end;
	struct tsr_msg msg;
	uint64_t begun;

	test_ok(local_sender(other, channel, NULL, &hasty));
	end = tsr_end_get(hasty.handle);
	cr_assert_not_null(end);
	end->spin_ns = 0;
	test_ok(tsr_alloc(other, 8, &msg));
	begun = tsr_ticks();
	test_is(tsr_send(hasty, &msg, TSR_NOWAIT), -EAGAIN);
	/* Two microseconds, by the clock that the realm says it has. */
	cr_assert_geq(tsr_ticks() - begun, 2 * (realm.map.ticks_per_second / 1000000));
	test_ok(tsr_release(other, &msg));
	test_ok(local_sender_close(other, hasty));
	trip_leave(&realm, 3, other);
}

test_case(rendezvous, who_gives_up_too_late_has_sent)
{
	struct tsr_msg msg;

	message(1, &msg);
	test_is(try(sender, &msg), -EAGAIN);
	get(1);
	test_ok(give_up(sender, &msg));
	test_is(give_up(sender, &msg), -EAGAIN); /* nothing is offered */
}

test_case(rendezvous, offer_that_was_taken_back_is_not_received_and_another_is)
{
	struct tsr_msg a, b;

	message(1, &a);
	message(2, &b);
	test_is(try(sender, &a), -EAGAIN);
	test_is(try(second, &b), -EAGAIN);
	test_is(give_up(sender, &a), -EAGAIN);
	get(2);
	get_nothing();
	test_ok(try(second, &b));
	test_ok(tsr_release(from, &a));
}

test_case(rendezvous, offers_of_several_senders_are_taken_in_turn)
{
	uint64_t taken[2] = {0};
	struct tsr_msg msg[2], got;

	for (int i = 0; i < 2; i++)
		message((uint64_t)i, &msg[i]);
	test_is(try(sender, &msg[0]), -EAGAIN);
	test_is(try(second, &msg[1]), -EAGAIN);
	for (int i = 0; i < 100; i++) {
		uint64_t which;

		test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
		which = *(uint64_t *)got.data;
		taken[which]++;
		test_ok(tsr_release(to, &got));
		/* It is there again at once; the other one has waited. */
		test_ok(try(which == 0 ? sender : second, &msg[which]));
		message(which, &msg[which]);
		test_is(try(which == 0 ? sender : second, &msg[which]), -EAGAIN);
	}
	test_same(taken[0], 50);
	for (int i = 0; i < 2; i++) {
		test_is(give_up(i == 0 ? sender : second, &msg[i]), -EAGAIN);
		test_ok(tsr_release(from, &msg[i]));
	}
}

test_case(rendezvous, who_is_left_alone_keeps_the_message)
{
	struct tsr_msg msg;

	message(1, &msg);
	atomic_store(&channel->entry->receivers, tsr_ends_make(0, false, 1));
	test_is(tsr_send(sender, &msg, TSR_FOREVER), -EPIPE);
	atomic_store(&channel->entry->receivers, tsr_ends_make(0, true, 1));
	test_is(tsr_send(sender, &msg, TSR_FOREVER), -ECONNRESET);
	test_ok(tsr_release(from, &msg));
	get_nothing();
	atomic_store(&channel->entry->senders, tsr_ends_make(0, false, 1));
	test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -EPIPE);
}

test_case(rendezvous, last_offer_is_received_though_its_sender_was_counted_out)
{
	struct tsr_msg msg;

	message(1, &msg);
	test_is(try(sender, &msg), -EAGAIN);
	atomic_store(&channel->entry->senders, tsr_ends_make(0, false, 1));
	get(1);
	test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -EPIPE);
	test_ok(try(sender, &msg));
}

test_case(rendezvous, what_is_no_message_of_the_sender_is_refused)
{
	struct tsr_msg msg, stale;

	message(1, &msg);
	stale = msg;
	test_ok(tsr_release(from, &msg));
	test_is(tsr_send(sender, &stale, TSR_NOWAIT), -ESTALE);
	message(2, &msg);
	stale = msg;
	stale.zdesc.range = tsr_range_make(256, 8);
	test_is(tsr_send(sender, &stale, TSR_NOWAIT), -EINVAL);
	stale.zdesc.name = tsr_name_make(realm.map.tickets_all, 1);
	test_is(tsr_send(sender, &stale, TSR_NOWAIT), -EINVAL);
	test_ok(tsr_release(from, &msg));
}

test_case(rendezvous, wake_up_goes_to_the_sender_whose_message_was_taken)
{
	struct tsr_end *const first = tsr_end_get(sender.handle);
	struct tsr_client const other = trip_join(&realm, 3, false);
	struct tsr_sender third;
	struct tsr_msg msg, theirs;
	struct tsr_end *end;

	test_ok(local_sender(other, channel, &sleepy, &third));
	end = tsr_end_get(third.handle);
	message(1, &msg);
	test_ok(tsr_alloc(other, 8, &theirs));
	*(uint64_t *)theirs.data = 2;
	test_ok(tsr_token_acquire(&first->mine, first->me, &first->token));
	test_ok(tsr_token_acquire(&end->mine, end->me, &end->token));
	(void)tsr_token_enqueue(&first->mine, first->token, first->me, true);
	(void)tsr_token_enqueue(&end->mine, end->token, end->me, true);
	test_is(try(third, &theirs), -EAGAIN);
	get(2);
	test_same(tsr_token_state(atomic_load(&end->mine.tokens[end->token])), TSR_TOKEN_CLAIMED);
	test_same(tsr_token_state(atomic_load(&first->mine.tokens[first->token])),
	          TSR_TOKEN_ENQUEUED);
	cr_assert(tsr_token_withdraw(&end->mine, end->token, end->me));
	cr_assert(!tsr_token_withdraw(&first->mine, first->token, first->me));
	test_ok(try(third, &theirs));
	test_ok(tsr_release(from, &msg));
	test_ok(local_sender_close(other, third));
	trip_leave(&realm, 3, other);
}

test_case(rendezvous, wake_up_that_a_receiver_does_not_need_is_handed_on)
{
	struct tsr_wait_side const side = tsr_channel_side(channel, TSR_SIDE_RECEIVER);
	struct tsr_msg msg;
	uint32_t number;

	test_ok(tsr_token_acquire(&side, 2, &number));
	(void)tsr_token_enqueue(&side, number, 2, true);
	tsr_kind_rendezvous.wake_mine(tsr_end_get(receiver.handle));
	test_same(tsr_token_state(atomic_load(&side.tokens[number])), TSR_TOKEN_ENQUEUED);
	message(1, &msg);
	atomic_store(side.mask, 0); /* the offer itself wakes nobody */
	test_is(try(sender, &msg), -EAGAIN);
	atomic_store(side.mask, UINT64_C(1) << number);
	tsr_kind_rendezvous.wake_mine(tsr_end_get(receiver.handle));
	test_same(tsr_token_state(atomic_load(&side.tokens[number])), TSR_TOKEN_CLAIMED);
	(void)tsr_token_withdraw(&side, number, 2);
	tsr_token_release(&side, number, 2);
	get(1);
	test_ok(try(sender, &msg));
}

test_case(rendezvous, range_outside_its_block_is_dropped_once_and_the_block_is_not_lost)
{
	struct tsr_msg msg, got = {.length = 77};
	uint64_t const wrong[] = {tsr_range_make(0, 257), tsr_range_make(256, 1),
	                          tsr_range_make(UINT32_MAX, UINT32_MAX)};

	for (uint64_t i = 0; i < 3; i++) {
		struct tsr_end *const end = tsr_end_get(sender.handle);

		message(i, &msg);
		test_is(try(sender, &msg), -EAGAIN);
		atomic_store(&channel->shm->slot[end->ahead & end->mask].range, wrong[i]);
		test_is(tsr_recv(receiver, &got, TSR_NOWAIT), -EPROTO);
		test_same(got.length, 77);
		get_nothing();
		test_ok(try(sender, &msg));
	}
	test_same(atomic_load(&realm.map.states[1].refused), 3);
}

test_case(rendezvous, offer_of_what_is_not_the_channels_is_passed_over)
{
	uint64_t const names[] = {TSR_NAME_NONE, tsr_name_make(0, 12345),
	                          tsr_name_make(realm.map.tickets_all, 1)};
	struct tsr_msg msg;

	realm.living[3] = true;
	for (int i = 0; i < 3; i++) {
		realm_slot(channel, 1, 3, TSR_READY, names[i], 8);
		get_nothing();
		message(1, &msg);
		test_is(try(sender, &msg), -EAGAIN);
		get(1);
		test_ok(try(sender, &msg));
	}
	atomic_store(&channel->shm->slot[1].word, tsr_slot_word(9, 0, TSR_EMPTY));
	realm.living[3] = false;
}

test_case(rendezvous, random_words_in_the_slots_neither_stop_nor_crash_an_end)
{
	uint64_t seed = test_seed();

	for (int round = 0; round < 5000; round++) {
		struct tsr_msg msg, got;
		int error;

		for (uint32_t i = 1; i < 4; i++) {
			struct tsr_slot *const slot = &channel->shm->slot[i];
			uint64_t const r = test_random(&seed);

			atomic_store(&slot->word, tsr_slot_word(r >> 60, (uint16_t)(r >> 8 & 7),
			                                        (enum tsr_phase)(r >> 4 & 7)));
			atomic_store(&slot->name, (r & 8) != 0 ? r >> 40 : test_random(&seed));
			atomic_store(&slot->range, test_random(&seed));
		}
		/* One slot is left for who goes by the rules. */
		atomic_store(&channel->shm->slot[0].word, tsr_slot_word(0, 0, TSR_EMPTY));
		message(1, &msg);
		error = tsr_send(sender, &msg, TSR_NOWAIT);
		test_is(error, -EAGAIN);
		test_ok(tsr_release(from, &msg));
		error = tsr_recv(receiver, &got, TSR_NOWAIT);
		test_is(error, -EAGAIN);
	}
	for (uint32_t i = 0; i < 4; i++)
		atomic_store(&channel->shm->slot[i].word, tsr_slot_word(0, 0, TSR_EMPTY));
}

test_case(rendezvous, channel_without_a_slot_for_the_sender_is_one_that_cannot_be)
{
	struct tsr_msg msg;

	realm.living[3] = true;
	for (uint32_t i = 0; i < 4; i++)
		atomic_store(&channel->shm->slot[i].word, tsr_slot_word(0, 3, TSR_CLAIMED));
	message(1, &msg);
	test_is(tsr_send(sender, &msg, TSR_FOREVER), -EPROTO);
	test_ok(tsr_release(from, &msg));
	for (uint32_t i = 0; i < 4; i++)
		atomic_store(&channel->shm->slot[i].word, tsr_slot_word(0, 0, TSR_EMPTY));
	realm.living[3] = false;
}

Test(rendezvous, laps_and_generations_wrap_without_a_message_lost_or_a_zdesc_that_comes_back)
{
	rendezvous_make(TSR_LAP_MASK - 1, TSR_GENERATION_MASK - 3);
	for (uint64_t i = 0; i < 50; i++) {
		struct tsr_msg msg, old;

		message(i, &msg);
		old = msg;
		test_is(tsr_send(sender, &msg, TSR_NOWAIT), -EAGAIN);
		test_is(tsr_release(from, &old), -ESTALE);
		test_is(try(sender, &msg), -EAGAIN);
		get(i);
		test_ok(try(sender, &msg));
		test_is(tsr_release(from, &msg), -ESTALE);
	}
	rendezvous_teardown();
}

/* Four that sleep: what was sent is received once, and a send has returned only after that. */
#define PAIRS 3000

static _Atomic uint8_t received[2][PAIRS];
static _Atomic uint64_t received_count;

static void *
send_all(void *argument)
{
	struct tsr_sender const which = *(struct tsr_sender *)argument;
	uint64_t const number = which.handle == sender.handle ? 0 : 1;
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < PAIRS; i++) {
		struct tsr_msg msg;

		wrong += tsr_alloc(from, 8, &msg) != 0;
		*(uint64_t *)msg.data = number << 32 | i;
		wrong += tsr_send(which, &msg, TSR_FOREVER) != 0;
		wrong += atomic_load(realm_word(&realm, msg.zdesc.name)) ==
		         tsr_name_word(msg.zdesc.name, TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL);
	}
	return (void *)(uintptr_t)wrong;
}

static void *
receive_all(void *argument)
{
	struct tsr_receiver const which = *(struct tsr_receiver *)argument;
	uint64_t wrong = 0;

	for (;;) {
		struct tsr_msg msg;
		uint64_t number, i;
		int const error = tsr_recv(which, &msg, TSR_FOREVER);

		if (error == -EPIPE)
			return (void *)(uintptr_t)wrong;
		number = *(uint64_t *)msg.data >> 32;
		i = *(uint64_t *)msg.data & UINT32_MAX;
		if (error != 0 || number > 1 || i >= PAIRS)
			return (void *)(uintptr_t)1;
		wrong += atomic_exchange(&received[number][i], 1);
		atomic_fetch_add(&received_count, 1);
		wrong += tsr_release(to, &msg) != 0;
	}
}

test_case(rendezvous, every_send_meets_one_receive_among_sleepers)
{
	struct tsr_sender senders[2] = {sender, second};
	struct tsr_receiver receivers[2] = {receiver, {0}};
	pthread_t thread[4];

	test_ok(local_receiver(to, channel, &sleepy, &receivers[1]));
	for (int i = 0; i < 2; i++) {
		test_ok(pthread_create(&thread[i], NULL, send_all, &senders[i]));
		test_ok(pthread_create(&thread[2 + i], NULL, receive_all, &receivers[i]));
	}
	for (int i = 0; i < 4; i++) {
		void *wrong;

		test_ok(pthread_join(thread[i], &wrong));
		test_same((uintptr_t)wrong, 0);
		if (i == 1)
			/* As the daemon does when both have closed. */
			tsr_ends_publish(channel, TSR_SIDE_SENDER, 0, false, 1);
	}
	test_same(atomic_load(&received_count), 2 * PAIRS);
	test_ok(local_receiver_close(to, receivers[1]));
}
