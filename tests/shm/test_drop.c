/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/reaper.h"
#include "shm/client.h"
#include "shm/kind.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/local.h"
#include "tests/support/pair.h"
#include "tests/support/trip.h"

/* Channels that drop: without a daemon, the real client library over a realm of the test's own. */

#define CAPACITY 4

static uint32_t const shapes[] = {0, TSR_CHANNEL_ONE_SENDER, TSR_CHANNEL_ONE_RECEIVER,
                                  TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER};

static void
make(uint32_t flags, uint64_t first_lap)
{
	pair_make(shape_buffered(CAPACITY, flags), first_lap, 1);
	pair_join();
}

static int
put_by(struct tsr_client client, struct tsr_sender end, uint64_t number, uint64_t deadline_ns)
{
	struct tsr_msg msg;
	int error;

	test_ok(tsr_alloc(client, sizeof(number), &msg));
	*(uint64_t *)msg.data = number;
	error = tsr_send(end, &msg, deadline_ns);
	if (error != 0)
		test_ok(tsr_release(client, &msg));
	else
		test_is(tsr_release(client, &msg), -ESTALE);
	return error;
}

static int
put(uint64_t number)
{
	return put_by(from, sender, number, TSR_NOWAIT);
}

static void
gets(uint64_t number, uint32_t flags)
{
	struct tsr_msg msg;

	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, number);
	test_same(msg.flags, flags);
	test_ok(tsr_release(to, &msg));
}

static void
nothing_more(void)
{
	struct tsr_msg msg;

	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
}

static struct tsr_end *
end_of(uint64_t handle)
{
	struct tsr_end *const end = tsr_end_get(handle);

	cr_assert_not_null(end);
	assert(end != NULL);
	return end;
}

static uint64_t
losses(struct tsr_sender end)
{
	return atomic_load(&end_of(end.handle)->metrics->cause[TSR_METRIC_LOST]);
}

TestSuite(drop, .timeout = 30);

Test(drop, full_channel_keeps_the_first_or_the_last_in_every_form_across_the_wrap_of_the_lap)
{
	uint64_t const laps[] = {0, TSR_LAP_MASK - 1, TSR_LAP_MASK};

	for (int i = 0; i < 24; i++) {
		bool const oldest = i % 2 == 0;
		uint64_t next = 0, lost;

		make(shapes[i / 2 % 4] |
		             (oldest ? TSR_CHANNEL_DROP_OLDEST : TSR_CHANNEL_DROP_NEWEST),
		     laps[i / 8]);
		lost = losses(sender);
		for (uint64_t round = 0; round < 7; round++) {
			uint64_t const first = next;

			while (next < first + CAPACITY + round)
				test_ok(put(next++));
			realm_balanced(&realm);
			for (uint64_t k = 0; k < CAPACITY; k++)
				gets(first + k + (oldest ? round : 0), 0);
			nothing_more();
		}
		test_same(losses(sender) - lost, 0 + 1 + 2 + 3 + 4 + 5 + 6);
		pair_leave();
	}
}

Test(drop, what_is_dropped_is_free_again_so_a_sender_never_runs_out)
{
	for (int i = 0; i < 2; i++) {
		make(i == 0 ? TSR_CHANNEL_DROP_OLDEST : TSR_CHANNEL_DROP_NEWEST, 0);
		for (uint64_t n = 0; n < 10000; n++)
			test_ok(put(n));
		test_same(realm_balanced(&realm).in_channels, CAPACITY);
		pair_leave();
	}
}

Test(drop, receiver_far_behind_goes_on_with_the_oldest_that_is_left)
{
	make(TSR_CHANNEL_DROP_OLDEST, TSR_LAP_MASK);
	for (uint64_t n = 0; n < 103; n++)
		test_ok(put(n));
	for (uint64_t n = 99; n < 103; n++)
		gets(n, 0);
	nothing_more();
	pair_leave();
}

Test(drop, sender_that_drops_is_told_neither_full_nor_that_the_receivers_have_gone)
{
	for (int i = 0; i < 2; i++) {
		make(i == 0 ? TSR_CHANNEL_DROP_OLDEST : TSR_CHANNEL_DROP_NEWEST, 0);
		atomic_store(&channel->entry->receivers, tsr_ends_make(0, true, 1));
		for (uint64_t n = 0; n < 3 * CAPACITY; n++)
			test_ok(put_by(from, sender, n, TSR_FOREVER));
		atomic_store(&realm.map.directory->state, TSR_REALM_CONDEMNED);
		test_is(put(0), -ENOTCONN);
		atomic_store(&realm.map.directory->state, TSR_REALM_LIVING);
		pair_leave();
	}
}

/* A receiver of its own is stopped between take and free. */
static void
hold_oldest(uint16_t owner)
{
	struct tsr_slot *const slot =
		tsr_channel_slot(channel, tsr_channel_find(channel) - CAPACITY);
	uint64_t const word = atomic_load(&slot->word);

	cr_assert_eq(tsr_slot_phase(word), TSR_READY);
	atomic_store(&slot->word, tsr_slot_word(tsr_slot_lap(word), owner, TSR_TAKEN));
}

Test(drop, oldest_in_somebodys_hands_is_waited_for_and_nothing_newer_is_dropped)
{
	struct tsr_slot *slot;
	uint64_t lost, word;

	make(TSR_CHANNEL_DROP_OLDEST, 0);
	for (uint64_t n = 0; n < CAPACITY; n++)
		test_ok(put(n));
	lost = losses(sender);
	hold_oldest(2);
	slot = tsr_channel_slot(channel, tsr_channel_find(channel) - CAPACITY);
	word = atomic_load(&slot->word);
	test_is(put(9), -EAGAIN);
	test_is(put_by(from, sender, 9, test_deadline(20)), -ETIMEDOUT);
	test_same(losses(sender), lost);
	test_same(atomic_load(&slot->word), word);
	/* It is put back: now it may be dropped. */
	atomic_store(&slot->word, tsr_slot_word(tsr_slot_lap(word), TSR_READY_AGAIN, TSR_READY));
	test_ok(put(9));
	test_same(losses(sender), lost + 1);
	gets(1, 0);
	gets(2, 0);
	gets(3, 0);
	gets(9, 0);
	pair_leave();
}

/* Waits for an oldest that is in somebody's hands. */
static int
wait_for_oldest(struct child_report *report, void *arg)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_SPIN};
	struct tsr_map const *map = arg;
	struct tsr_client client;
	struct tsr_sender end;
	struct tsr_msg msg;

	tsr_wait_look_ns = UINT64_MAX;
	child_ok(report, local_attach(map, 3, false, &client));
	child_ok(report, local_sender(client, channel, &options, &end));
	child_ok(report, tsr_alloc(client, 8, &msg));
	*(uint64_t *)msg.data = 77;
	child_ok(report, tsr_send(end, &msg, tsr_deadline_in_ms(15000)));
	return 0;
}

static void
await_sleeper(void)
{
	while (atomic_load(&channel->shm->senders_waiting) == 0)
		tsr_cpu_relax();
}

static void
sender_wakes(void (*let_go)(void))
{
	uint32_t const side = TSR_SIDE_SENDER;
	struct tsr_reap_result result;
	struct child child;
	uint64_t in_time;

	make(TSR_CHANNEL_DROP_OLDEST, 0);
	for (uint64_t n = 0; n < CAPACITY; n++)
		test_ok(put(n));
	hold_oldest(2);
	realm.living[3] = true;
	child_start(&child, wait_for_oldest, &realm.map);
	await_sleeper();
	let_go();
	in_time = test_deadline(5000);
	child_join(&child);
	cr_assert_not(test_passed(in_time), "it was not woken");
	realm_reap(&realm, 3, &channel, &side, 1, &result);
	test_same(atomic_load(&realm.map.states[2].missed_wakes), 0);
	pair_leave();
}

/* As a dying receiver's slot is made ready again. */
static void
reap_the_holder(void)
{
	struct tsr_reap_end const end = {.channel = *channel, .side = TSR_SIDE_RECEIVER};
	struct tsr_reap_result result = {0};

	tsr_reaper_slots(&end, 2, &result);
	test_same(result.slots_restored, 1);
	tsr_reaper_wake(&end, 2, &result);
}

Test(drop, sender_that_waits_for_the_oldest_goes_on_when_its_holder_has_died)
{
	sender_wakes(reap_the_holder);
}

/* The slot is put back, and another sender makes use of it: who waits for the next goes on. */
static void
put_back_and_send(void)
{
	struct tsr_slot *const slot =
		tsr_channel_slot(channel, tsr_channel_find(channel) - CAPACITY);

	atomic_store(&slot->word,
	             tsr_slot_word(tsr_slot_lap(atomic_load(&slot->word)), 0, TSR_READY));
	test_ok(put(8));
}

Test(drop, sender_that_drops_hands_the_next_oldest_on_to_one_that_waits)
{
	sender_wakes(put_back_and_send);
}

Test(drop, sender_that_died_while_it_dropped_leaves_the_message_flagged_and_receivers_look_back)
{
	struct tsr_reap_result result = {0};
	struct tsr_reap_end dead;

	make(TSR_CHANNEL_DROP_OLDEST, 0);
	dead = (struct tsr_reap_end){.channel = *channel, .side = TSR_SIDE_SENDER};
	for (uint64_t n = 0; n < CAPACITY; n++)
		test_ok(put(n));
	hold_oldest(5);
	gets(1, 0); /* it passes what is taken */
	tsr_reaper_slots(&dead, 5, &result);
	test_same(result.slots_restored, 1);
	gets(2, 0);
	gets(3, 0);
	gets(0, TSR_MSG_REDELIVERED);
	nothing_more();
	pair_leave();
}

Test(drop, one_receiver_takes_before_it_stamps_for_a_sender_may_take_as_well)
{
	make(TSR_CHANNEL_DROP_OLDEST | TSR_CHANNEL_ONE_RECEIVER, 0);
	test_ok(put(0));
	cr_assert_not(end_of(receiver.handle)->alone);
	gets(0, 0);
	pair_leave();
	make(TSR_CHANNEL_DROP_NEWEST | TSR_CHANNEL_ONE_RECEIVER, 0);
	cr_assert(end_of(receiver.handle)->alone);
	pair_leave();
}

Test(drop, garbage_in_the_oldest_slot_is_refused_and_the_channel_goes_on)
{
	make(TSR_CHANNEL_DROP_OLDEST, 0);
	for (uint64_t n = 0; n < CAPACITY; n++)
		test_ok(put(n));
	{
		struct tsr_slot *const slot =
			tsr_channel_slot(channel, tsr_channel_find(channel) - CAPACITY);
		uint64_t const name = atomic_load(&slot->name);

		atomic_store(&slot->name, TSR_NAME_NONE);
		atomic_store(realm_word(&realm, name),
		             tsr_word_make(tsr_name_generation(name) + 1, TSR_TICKET_IDLE,
		                           TSR_HOLDER_DAEMON));
	}
	test_ok(put(4));
	test_same(atomic_load(&realm.map.states[0].refused), 1);
	for (uint64_t n = 1; n <= CAPACITY; n++)
		gets(n, 0);
	pair_leave();
}

/* Two processes, far faster than one of them receives. */
#define FLOOD 300000

static int
flood(struct child_report *report, void *arg)
{
	struct tsr_map const *map = arg;
	struct tsr_client client;
	struct tsr_sender end;
	struct tsr_msg msg;

	child_ok(report, local_attach(map, 3, false, &client));
	child_ok(report, local_sender(client, channel, NULL, &end));
	for (uint64_t i = 1; i <= FLOOD; i++) {
		child_ok(report, tsr_alloc(client, 64, &msg));
		((uint64_t *)msg.data)[0] = i;
		((uint64_t *)msg.data)[7] = ~i;
		child_ok(report, tsr_send(end, &msg, tsr_deadline_in_ms(20000)));
	}
	return 0;
}

Test(drop, receiver_of_a_flood_sees_each_message_at_most_once_in_order_and_the_last_one,
     .timeout = 60)
{
	for (int s = 0; s < 4; s++) {
		uint32_t const side = TSR_SIDE_SENDER;
		struct tsr_reap_result result;
		struct tsr_msg msg;
		struct child child;
		uint64_t last = 0;

		make(shapes[s] | TSR_CHANNEL_DROP_OLDEST, TSR_LAP_MASK - 3);
		realm.living[3] = true;
		child_start(&child, flood, &realm.map);
		while (last != FLOOD) {
			uint64_t const *words;
			int const error = tsr_recv(receiver, &msg, test_deadline(20000));

			cr_assert_eq(error, 0, "%d after %ju: %s", error, (uintmax_t)last,
			             child.report->text);
			words = msg.data;
			test_same(words[7], ~words[0]);
			cr_assert_gt(words[0], last);
			last = words[0];
			test_ok(tsr_release(to, &msg));
		}
		child_join(&child);
		realm_reap(&realm, 3, &channel, &side, 1, &result);
		pair_leave();
	}
}
