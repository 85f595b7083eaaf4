/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "shm/channel.h"
#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/local.h"
#include "tests/support/pair.h"
#include "tests/support/trip.h"

/* The buffered channel without a daemon: the real client library over a realm of the test's own. */

static uint32_t const shapes[] = {0, TSR_CHANNEL_ONE_SENDER, TSR_CHANNEL_ONE_RECEIVER,
                                  TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER};

static int
put(uint64_t number)
{
	struct tsr_msg msg;
	int error;

	test_ok(tsr_alloc(from, sizeof(number), &msg));
	*(uint64_t *)msg.data = number;
	error = tsr_send(sender, &msg, TSR_NOWAIT);
	if (error != 0)
		test_ok(tsr_release(from, &msg));
	return error;
}

static int
get(uint64_t *number)
{
	struct tsr_msg msg;
	int const error = tsr_recv(receiver, &msg, TSR_NOWAIT);

	if (error != 0)
		return error;
	*number = *(uint64_t *)msg.data;
	test_ok(tsr_release(to, &msg));
	return 0;
}

TestSuite(channel, .timeout = 30);

Test(channel, every_form_keeps_order_when_full_and_empty_across_the_wrap_of_the_lap)
{
	uint64_t const first[] = {0, TSR_LAP_MASK - 1, TSR_LAP_MASK};

	for (int s = 0; s < 4; s++) {
		for (int f = 0; f < 3; f++) {
			uint64_t sent = 0, received = 0, number;

			pair_make(shape_buffered(4, shapes[s]), first[f], 1);
			pair_join();
			test_is(get(&number), -EAGAIN);
			for (int lap = 0; lap < 12; lap++) {
				while (sent - received < 4)
					test_ok(put(sent++));
				test_is(put(sent), -EAGAIN);
				realm_balanced(&realm);
				for (int i = 0; i < lap % 4 + 1; i++) {
					test_ok(get(&number));
					test_same(number, received++);
				}
			}
			while (received < sent) {
				test_ok(get(&number));
				test_same(number, received++);
			}
			test_is(get(&number), -EAGAIN);
			pair_leave();
		}
	}
}

Test(channel, generations_wrap_without_a_message_lost_or_a_zdesc_that_comes_back)
{
	pair_make(shape_buffered(4, 0), 0, TSR_GENERATION_MASK - 3);
	pair_join();
	for (uint64_t i = 0; i < 200; i++) {
		struct tsr_msg msg, got, old;
		uint64_t number = 99;

		test_ok(tsr_alloc(from, 8, &msg));
		old = msg;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_is(tsr_release(from, &old), -ESTALE);
		test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
		test_ok(tsr_send(sender, &got, TSR_NOWAIT) == -ESTALE ? 0 : -1);
		test_ok(tsr_release(to, &got));
		test_is(tsr_release(to, &got), -ESTALE);
		test_is(get(&number), -EAGAIN);
	}
	pair_leave();
}

Test(channel, ends_that_come_late_find_their_place_at_every_fill)
{
	for (int s = 0; s < 4; s++) {
		for (uint64_t before = 0; before < 11; before++) {
			for (uint64_t waiting = 0; waiting <= 4; waiting++) {
				uint64_t number;

				pair_make(shape_buffered(4, shapes[s]),
				          before % 2 == 0 ? TSR_LAP_MASK : 5, 1);
				pair_join();
				for (uint64_t i = 0; i < before; i++) {
					test_ok(put(i));
					test_ok(get(&number));
				}
				for (uint64_t i = 0; i < waiting; i++)
					test_ok(put(i));
				test_ok(local_sender_close(from, sender));
				test_ok(local_receiver_close(to, receiver));
				test_ok(local_sender(from, channel, NULL, &sender));
				test_ok(local_receiver(to, channel, NULL, &receiver));
				for (uint64_t i = waiting; i < 4; i++)
					test_ok(put(i));
				test_is(put(4), -EAGAIN);
				for (uint64_t i = 0; i < 4; i++) {
					test_ok(get(&number));
					test_same(number, i);
				}
				test_is(get(&number), -EAGAIN);
				pair_leave();
			}
		}
	}
}

Test(channel, end_that_slept_through_many_laps_finds_its_place_anew)
{
	struct tsr_client other;
	struct tsr_sender late;
	struct tsr_receiver idle;
	struct tsr_msg msg;
	uint64_t number;

	pair_make(shape_buffered(4, 0), TSR_LAP_MASK, 1);
	pair_join();
	other = trip_join(&realm, 3, false);
	test_ok(local_sender(other, channel, NULL, &late));
	test_ok(local_receiver(other, channel, NULL, &idle));
	for (uint64_t i = 0; i < 103; i++) {
		test_ok(put(i));
		test_ok(get(&number));
		test_same(number, i);
	}
	test_is(tsr_recv(idle, &msg, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_alloc(other, 8, &msg));
	*(uint64_t *)msg.data = 1000;
	test_ok(tsr_send(late, &msg, TSR_NOWAIT));
	test_ok(put(1001));
	test_ok(tsr_recv(idle, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, 1000);
	test_ok(tsr_release(other, &msg));
	test_ok(get(&number));
	test_same(number, 1001);
	test_ok(local_sender_close(other, late));
	test_ok(local_receiver_close(other, idle));
	trip_leave(&realm, 3, other);
	pair_leave();
}

Test(channel, slot_claimed_by_a_stopped_sender_holds_up_what_comes_after_it_and_no_more)
{
	uint64_t number, start;

	pair_make(shape_buffered(4, 0), 0, 1);
	pair_join();
	start = tsr_channel_find(channel);
	test_ok(put(0));
	/* Client 3 has claimed the second slot, and is stopped. */
	realm.living[3] = true;
	atomic_store(&tsr_channel_slot(channel, start + 1)->word, tsr_slot_word(0, 3, TSR_CLAIMED));
	test_ok(put(2));
	test_ok(put(3));
	test_is(put(4), -EAGAIN);
	test_ok(get(&number));
	test_same(number, 0);
	test_is(get(&number), -EAGAIN);
	/* It is found dead, and voided: the rest is received in order. */
	atomic_store(&tsr_channel_slot(channel, start + 1)->word, tsr_slot_word(1, 0, TSR_EMPTY));
	test_ok(get(&number));
	test_same(number, 2);
	test_ok(get(&number));
	test_same(number, 3);
	test_is(get(&number), -EAGAIN);
	realm.living[3] = false;
	pair_leave();
}

Test(channel, slot_taken_by_a_stopped_receiver_is_passed_by_the_others)
{
	uint64_t number, start;

	pair_make(shape_buffered(4, 0), 0, 1);
	pair_join();
	start = tsr_channel_find(channel);
	for (uint64_t i = 0; i < 4; i++)
		test_ok(put(i));
	realm.living[3] = true;
	atomic_store(&tsr_channel_slot(channel, start)->word, tsr_slot_word(0, 3, TSR_TAKEN));
	for (uint64_t i = 1; i < 4; i++) {
		test_ok(get(&number));
		test_same(number, i);
	}
	test_is(get(&number), -EAGAIN);
	/* After one lap it holds up the senders. */
	test_is(put(4), -EAGAIN);
	/* Redelivered, it is received although everybody is past it. */
	atomic_store(&tsr_channel_slot(channel, start)->word,
	             tsr_slot_word(0, TSR_READY_AGAIN, TSR_READY));
	atomic_fetch_add(&channel->shm->redo, 1);
	test_ok(get(&number));
	test_same(number, 0);
	test_ok(put(4));
	test_ok(get(&number));
	test_same(number, 4);
	test_is(get(&number), -EAGAIN);
	realm.living[3] = false;
	pair_leave();
}

Test(channel, one_sender_does_not_pass_what_a_stopped_receiver_has_taken)
{
	uint64_t number, start;

	/* It would look ahead by a quarter if there were one receiver. */
	pair_make(shape_buffered(16, TSR_CHANNEL_ONE_SENDER), 0, 1);
	pair_join();
	start = tsr_channel_find(channel);
	for (uint64_t i = 0; i < 16; i++)
		test_ok(put(i));
	realm.living[3] = true;
	atomic_store(&tsr_channel_slot(channel, start)->word, tsr_slot_word(0, 3, TSR_TAKEN));
	for (uint64_t i = 1; i < 16; i++)
		test_ok(get(&number));
	test_is(put(16), -EAGAIN);
	test_same(atomic_load(&tsr_channel_slot(channel, start)->word),
	          tsr_slot_word(0, 3, TSR_TAKEN));
	atomic_store(&tsr_channel_slot(channel, start)->word,
	             tsr_slot_word(0, TSR_READY_AGAIN, TSR_READY));
	atomic_fetch_add(&channel->shm->redo, 1);
	test_ok(get(&number));
	test_same(number, 0);
	realm.living[3] = false;
	pair_leave();
}

Test(channel, message_made_ready_again_is_received_although_a_later_one_is_still_on_its_way)
{
	uint64_t number, start;

	pair_make(shape_buffered(4, 0), 0, 1);
	pair_join();
	start = tsr_channel_find(channel);
	for (uint64_t i = 0; i < 2; i++)
		test_ok(put(i));
	/* Client 3 has taken the first message, and claimed the third slot: it is stopped. */
	realm.living[3] = true;
	atomic_store(&tsr_channel_slot(channel, start)->word, tsr_slot_word(0, 3, TSR_TAKEN));
	atomic_store(&tsr_channel_slot(channel, start + 2)->word, tsr_slot_word(0, 3, TSR_CLAIMED));
	test_ok(get(&number));
	test_same(number, 1);
	test_is(get(&number), -EAGAIN);
	atomic_store(&tsr_channel_slot(channel, start)->word,
	             tsr_slot_word(0, TSR_READY_AGAIN, TSR_READY));
	atomic_fetch_add(&channel->shm->redo, 1);
	test_ok(get(&number));
	test_same(number, 0);
	atomic_store(&tsr_channel_slot(channel, start + 2)->word, tsr_slot_word(1, 0, TSR_EMPTY));
	test_is(get(&number), -EAGAIN);
	realm.living[3] = false;
	pair_leave();
}

Test(channel, zdesc_that_was_sent_is_stale_even_for_its_sender_who_receives_it_again)
{
	struct tsr_msg sent, received;
	struct tsr_receiver own;

	pair_make(shape_buffered(4, 0), 0, 1);
	pair_join();
	test_ok(local_receiver(from, channel, NULL, &own));
	test_ok(tsr_alloc(from, 8, &sent));
	test_ok(tsr_send(sender, &sent, TSR_NOWAIT));
	test_ok(tsr_recv(own, &received, TSR_NOWAIT));
	test_is(tsr_release(from, &sent), -ESTALE);
	test_is(tsr_send(sender, &sent, TSR_NOWAIT), -ESTALE);
	test_ok(tsr_release(from, &received));
	test_ok(local_receiver_close(from, own));
	pair_leave();
}

Test(channel, redelivered_message_is_flagged)
{
	struct tsr_msg msg;
	uint64_t start;

	pair_make(shape_buffered(4, 0), 0, 1);
	pair_join();
	start = tsr_channel_find(channel);
	test_ok(put(7));
	atomic_store(&tsr_channel_slot(channel, start)->word,
	             tsr_slot_word(0, TSR_READY_AGAIN, TSR_READY));
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(msg.flags, TSR_MSG_REDELIVERED);
	test_ok(tsr_release(to, &msg));
	pair_leave();
}

/* What a hostile participant writes into a slot. */
struct garbage {
	char what[48];
	uint64_t name;
	uint64_t range;
};

ParameterizedTestParameters(channel, slot_that_cannot_be_is_refused_once_and_passed_over)
{
	static struct garbage cases[] = {
		{"a ticket that is not there", UINT64_C(0xabc000ffffff), 8},
		{"a ticket in the depot", 1 << TSR_TICKET_INDEX_BITS | 100, 8},
		{"another generation", UINT64_C(77) << TSR_TICKET_INDEX_BITS, 8},
		{"no ticket", UINT64_MAX, 8},
	};

	return cr_make_param_array(struct garbage, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct garbage *garbage, channel,
                  slot_that_cannot_be_is_refused_once_and_passed_over)
{
	struct tsr_msg msg = {.length = 77};
	uint64_t number, start;

	pair_make(shape_buffered(4, 0), 0, 1);
	pair_join();
	test_ok(put(0));
	start = tsr_channel_find(channel);
	atomic_store(&tsr_channel_slot(channel, start)->name, garbage->name);
	atomic_store(&tsr_channel_slot(channel, start)->range, garbage->range);
	atomic_store(&tsr_channel_slot(channel, start)->word, tsr_slot_word(0, 0, TSR_READY));
	test_ok(put(2));
	test_ok(get(&number));
	test_same(number, 0);
	cr_assert_eq(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPROTO, "%s", garbage->what);
	test_same(msg.length, 77);
	test_ok(get(&number));
	test_same(number, 2);
	test_is(get(&number), -EAGAIN);
	test_same(atomic_load(&realm.map.states[1].refused), 1);
	pair_leave();
}

Test(channel, range_outside_its_block_is_refused_and_the_block_is_not_lost)
{
	uint64_t const ranges[] = {tsr_range_make(0, 257), tsr_range_make(256, 1),
	                           tsr_range_make(UINT32_MAX, UINT32_MAX)};

	for (int i = 0; i < 3; i++) {
		uint64_t start, number, sent;
		struct tsr_msg msg;

		pair_make(shape_buffered(4, 0), 0, 1);
		pair_join();
		start = tsr_channel_find(channel);
		test_ok(put(0));
		sent = atomic_load(&tsr_channel_slot(channel, start)->name);
		atomic_store(&tsr_channel_slot(channel, start)->range, ranges[i]);
		test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPROTO);
		/* It is the receiver's, and idle: in its magazine. */
		test_same(tsr_word_kind(atomic_load(realm_word(&realm, sent))), TSR_TICKET_IDLE);
		test_is(get(&number), -EAGAIN);
		test_ok(put(1));
		test_ok(get(&number));
		pair_leave();
	}
}

Test(channel, random_words_in_the_slots_neither_stop_nor_crash_an_end, .timeout = 60)
{
	uint64_t seed = test_seed();

	for (int s = 0; s < 4; s++) {
		pair_make(shape_buffered(8, shapes[s]), 0, 1);
		pair_join();
		for (int round = 0; round < 3000; round++) {
			struct tsr_msg msg;
			uint64_t number;
			int error;

			for (uint32_t i = 0; i < 8; i++) {
				struct tsr_slot *slot = &channel->shm->slot[i];
				uint64_t const r = test_random(&seed);

				if ((r & 3) == 0)
					continue;
				atomic_store(&slot->word,
				             (r & 4) != 0 ? tsr_slot_word(
								    r >> 60, (uint16_t)(r >> 8 & 7),
								    (enum tsr_phase)(r >> 4 & 3))
				                          : test_random(&seed));
				atomic_store(&slot->name,
				             (r & 8) != 0 ? r >> 40 : test_random(&seed));
				atomic_store(&slot->range, test_random(&seed));
			}
			error = get(&number);
			cr_assert(error == 0 || error == -EAGAIN || error == -EPROTO, "%d", error);
			test_ok(tsr_alloc(from, 8, &msg));
			error = tsr_send(sender, &msg, TSR_NOWAIT);
			cr_assert(error == 0 || error == -EAGAIN, "%d", error);
			if (error != 0)
				test_ok(tsr_release(from, &msg));
			else
				/* What was sent may be overwritten; take it back into the books. */
				atomic_store(realm_word(&realm, msg.zdesc.name),
				             tsr_word_make(tsr_name_generation(msg.zdesc.name) + 2,
				                           TSR_TICKET_IDLE, TSR_HOLDER_DAEMON));
		}
		realm_wipe(&realm);
	}
}

Test(channel, condemned_realm_answers_notconn_to_whoever_waits)
{
	struct tsr_msg msg;

	pair_make(shape_buffered(4, 0), 0, 1);
	pair_join();
	atomic_store(&realm.map.directory->state, TSR_REALM_CONDEMNED);
	test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -ENOTCONN);
	atomic_store(&realm.map.directory->state, TSR_REALM_LIVING);
	pair_leave();
}

/* Two processes, each with its own mapping. */
#define STREAM_MESSAGES 200000

static int
streamer(struct child_report *report, void *arg)
{
	struct tsr_map const *map = arg;
	struct tsr_client client;
	struct tsr_sender out;
	struct tsr_msg msg;

	child_ok(report, local_attach(map, 3, false, &client));
	child_ok(report, local_sender(client, channel, NULL, &out));
	for (uint64_t i = 0; i < STREAM_MESSAGES; i++) {
		int error;

		while ((error = tsr_alloc(client, 64, &msg)) == -ENOMEM)
			tsr_cpu_relax();
		child_is(report, error, 0);
		((uint64_t *)msg.data)[0] = i;
		((uint64_t *)msg.data)[7] = ~i;
		child_ok(report, tsr_send(out, &msg, tsr_deadline_in_ms(20000)));
	}
	return 0;
}

Test(channel, two_processes_pass_a_stream_in_order_in_all_four_forms, .timeout = 60)
{
	for (int s = 0; s < 4; s++) {
		uint32_t const side = TSR_SIDE_SENDER;
		struct tsr_reap_result result;
		struct tsr_msg msg;
		struct child child;

		pair_make(shape_buffered(16, shapes[s]), TSR_LAP_MASK - 3,
		          TSR_GENERATION_MASK - 30);
		to = trip_join(&realm, 2, false);
		test_ok(local_receiver(to, channel, NULL, &receiver));
		realm.living[3] = true;
		child_start(&child, streamer, &realm.map);
		for (uint64_t i = 0; i < STREAM_MESSAGES; i++) {
			int const error = tsr_recv(receiver, &msg, test_deadline(20000));

			cr_assert_eq(error, 0, "%d: %s", error, child.report->text);
			test_same(((uint64_t *)msg.data)[0], i);
			test_same(((uint64_t *)msg.data)[7], ~i);
			test_ok(tsr_release(to, &msg));
		}
		child_join(&child);
		realm_reap(&realm, 3, &channel, &side, 1, &result);
		test_ok(local_receiver_close(to, receiver));
		trip_leave(&realm, 2, to);
		test_same(atomic_load(&realm.map.states[1].missed_wakes), 0);
		test_same(atomic_load(&realm.map.states[2].missed_wakes), 0);
		realm_balanced(&realm);
		realm_wipe(&realm);
	}
}
