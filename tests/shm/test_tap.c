/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/tap.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"

/* Copies of messages that lie in a channel, whatever state it is in. */

static struct realm realm;
static struct tsr_channel *channel;
static struct tsr_attachment attachment;
static struct tsr_tap_own tap;
static uint64_t names[TSR_CELL_ENTRIES];

#define CAPACITY 4
#define SENDER   1
#define TAKER    2

TestSuite(tap, .timeout = 30);

static void
tap_setup(void)
{
	realm_make(&realm, NULL);
	channel = realm_channel(&realm, CAPACITY, 0);
	realm.living[SENDER] = realm.living[TAKER] = true;
	(void)realm_take_cell(&realm, 0, SENDER, names);
	attachment.map = realm.map;
	tap = (struct tsr_tap_own){.attachment = &attachment, .channel = *channel};
}

static void
tap_teardown(void)
{
	realm_wipe(&realm);
}

static unsigned char *
payload(uint64_t name)
{
	struct tsr_block const *block = &realm.map.blocks[tsr_name_index(name)];

	return realm.map.arena_base[block->arena] + block->offset;
}

/* Message @i of the channel, in that phase, its ticket the channel's. */
static void
message(uint64_t i, enum tsr_phase phase, uint16_t owner)
{
	memset(payload(names[i]), (int)('a' + i), 8);
	realm_stamp_channel(&realm, names[i], channel);
	realm_slot(channel, i, owner, phase, names[i], 8);
}

static void
seek(uint32_t from, uint64_t after)
{
	struct tsr_tap_options const options = {
		.size = sizeof(options), .from = from, .after = after};

	test_ok(tsr_tap_seek(&tap, &options));
}

static void
copies(uint64_t i, uint64_t missed)
{
	struct tsr_copy copy = {0};
	char text[9] = "", want[9] = "";

	test_ok(tsr_tap_copy(&tap, text, sizeof(text), &copy));
	test_same(copy.sequence, i);
	test_same(copy.missed, missed);
	test_same(copy.length, 8);
	memset(want, (int)('a' + i), 8);
	cr_assert_str_eq(text, want);
}

static void
nothing(void)
{
	struct tsr_copy copy;
	char text[8];

	test_is(tsr_tap_copy(&tap, text, sizeof(text), &copy), -EAGAIN);
}

test_case(tap, message_that_is_taken_and_not_received_is_copied)
{
	message(0, TSR_TAKEN, TAKER);
	message(1, TSR_READY, 0);
	message(2, TSR_READY, TSR_READY_AGAIN);
	seek(TSR_TAP_OLDEST, 0);
	for (uint64_t i = 0; i < 3; i++)
		copies(i, 0);
	nothing();
}

test_case(tap, message_that_is_being_received_is_not_copied)
{
	uint64_t const next = tsr_generation_next(tsr_name_generation(names[0]));

	/* Taken and stamped; and, with one receiver, stamped only. */
	message(0, TSR_TAKEN, TAKER);
	atomic_store(realm_word(&realm, names[0]), tsr_word_make(next, TSR_TICKET_RECEIVED, TAKER));
	message(1, TSR_READY, 0);
	atomic_store(realm_word(&realm, names[1]), tsr_word_make(next, TSR_TICKET_RECEIVED, TAKER));
	message(2, TSR_READY, 0);
	seek(TSR_TAP_OLDEST, 0);
	copies(2, 2);
	nothing();
}

/* In the middle of the copy, which goes to a page that can't be written yet, message 0 is received
 * and written over; @meanwhile_freed: and its slot is freed. */
static unsigned char *meanwhile_page;
static bool meanwhile_freed;

static void
meanwhile(int number)
{
	uint64_t const next = tsr_generation_next(tsr_name_generation(names[0]));

	(void)number;
	atomic_store(realm_word(&realm, names[0]), tsr_word_make(next, TSR_TICKET_RECEIVED, TAKER));
	if (meanwhile_freed)
		realm_slot(channel, CAPACITY, 0, TSR_EMPTY, TSR_NAME_NONE, 0);
	memset(payload(names[0]), 'z', 8);
	mprotect(meanwhile_page, 4096, PROT_READ | PROT_WRITE);
}

test_case(tap, copy_of_a_message_that_is_received_meanwhile_is_not_kept)
{
	unsigned char *const pages =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct tsr_copy copy;

	cr_assert_neq(pages, MAP_FAILED);
	meanwhile_page = pages + 4096;
	cr_assert_neq(signal(SIGSEGV, meanwhile), SIG_ERR);
	for (int i = 0; i < 2; i++) {
		message(0, TSR_READY, 0);
		tap.position = 0;
		tap.missed = 0;
		meanwhile_freed = i == 1;
		cr_assert_eq(mprotect(meanwhile_page, 4096, PROT_NONE), 0);
		test_is(tsr_tap_copy(&tap, meanwhile_page - 4, 8, &copy), -EAGAIN);
		cr_assert_eq(memcmp(meanwhile_page - 4, "aaaa", 4), 0, "it was not in the middle");
		test_same(tap.missed, 1);
	}
	(void)signal(SIGSEGV, SIG_DFL);
	munmap(pages, 8192);
}

test_case(tap, message_that_is_not_sent_yet_is_waited_for)
{
	message(0, TSR_CLAIMED, SENDER);
	message(1, TSR_READY, 0);
	seek(TSR_TAP_AFTER, 0);
	copies(1, 0);
	/* Order is kept: what stands behind a claim waits with it. */
	tap.position = 0;
	nothing();
	cr_assert_not(tsr_tap_look(&tap));
	message(0, TSR_READY, 0);
	cr_assert(tsr_tap_look(&tap));
	copies(0, 0);
	copies(1, 0);
}

test_case(tap, slot_that_the_reaper_passed_over_counts_as_missed)
{
	message(0, TSR_READY, 0);
	realm_slot(channel, 1 + CAPACITY, 0, TSR_EMPTY, TSR_NAME_NONE, 0);
	message(2, TSR_READY, 0);
	seek(TSR_TAP_OLDEST, 0);
	copies(0, 0);
	copies(2, 1);
}

static void
glances(uint64_t i, uint64_t missed, uint64_t stamp)
{
	struct tsr_copy copy = {0};

	test_ok(tsr_tap_glance(&tap, &copy));
	test_same(copy.sequence, i);
	test_same(copy.missed, missed);
	test_same(copy.length, 8);
	test_same(copy.stamp, stamp);
}

test_case(tap, glance_tells_of_messages_that_are_received_until_they_are_written_over)
{
	struct tsr_copy copy;

	seek(TSR_TAP_NEXT, 0);
	for (uint64_t i = 0; i < CAPACITY; i++) {
		message(i, TSR_READY, 0);
		tsr_st_rlx(&tsr_channel_slot(channel, i)->stamp, 100 + i);
	}
	/* Received; lying; received and being written over; written over. */
	realm_slot(channel, CAPACITY, 0, TSR_EMPTY, names[0], 8);
	realm_slot(channel, CAPACITY + 2, SENDER, TSR_CLAIMED, names[2], 8);
	realm_slot(channel, CAPACITY + 3, 0, TSR_READY, names[3], 8);
	tsr_st_rlx(&tsr_channel_slot(channel, 0)->stamp, 100);
	glances(0, 0, 100);
	glances(1, 0, 101);
	test_is(tsr_tap_glance(&tap, &copy), -ESTALE);
	test_is(tsr_tap_glance(&tap, &copy), -ESTALE);
	/* Of the next lap: slot 0 is empty, of slot 3 message 7 is there. */
	test_is(tsr_tap_glance(&tap, &copy), -EAGAIN);
	realm_slot(channel, 2 * CAPACITY, 0, TSR_EMPTY, TSR_NAME_NONE, 0);
	test_is(tsr_tap_glance(&tap, &copy), -ESTALE);
	tap.position = CAPACITY + 3;
	glances(CAPACITY + 3, 3, tsr_ld_rlx(&tsr_channel_slot(channel, 3)->stamp));
}

test_case(tap, glance_that_is_laps_behind_finds_its_place)
{
	struct tsr_copy copy;

	tap.position = 0;
	for (uint64_t i = 0; i < CAPACITY; i++)
		realm_slot(channel, 5 * CAPACITY + i, 0, TSR_READY, names[i], 8);
	test_is(tsr_tap_glance(&tap, &copy), -ESTALE);
	test_same(tap.position, 5 * CAPACITY);
	glances(5 * CAPACITY, 5 * CAPACITY, tsr_ld_rlx(&tsr_channel_slot(channel, 0)->stamp));
}

test_case(tap, call_gives_up_when_all_is_taken_away_under_it)
{
	struct tsr_copy copy;
	char text[8];

	/* All look as if they were there, and no ticket is the channel's. */
	cr_assert_leq(CAPACITY, TSR_TAP_TRIES);
	for (uint64_t i = 0; i < CAPACITY; i++)
		realm_slot(channel, i, 0, TSR_READY, names[i], 8);
	tap.position = 0;
	nothing();
	test_same(tap.position, CAPACITY);
	test_same(tap.missed, CAPACITY);
	channel = realm_channel(&realm, 2 * TSR_TAP_TRIES, 0);
	tap.channel = *channel;
	for (uint64_t i = 0; i < 2 * TSR_TAP_TRIES; i++)
		realm_slot(channel, i, 0, TSR_READY, names[0], 8);
	tap.position = 0;
	test_is(tsr_tap_copy(&tap, text, sizeof(text), &copy), -ESTALE);
	test_same(tap.position, TSR_TAP_TRIES);
}

/* Values that a participant who knows the layout would try. */
static uint64_t
evil(uint64_t *seed)
{
	uint64_t const pick = test_random(seed) % 8;
	uint64_t const any = test_random(seed);

	switch (pick) {
	case 0:
		return any;
	case 1:
		return UINT64_MAX - any % 4;
	case 2:
		return tsr_name_make((uint32_t)(any % (realm.map.tickets_all + 2)), any >> 40);
	case 3:
		return tsr_word_make(tsr_name_generation(names[any % 8]), (uint8_t)(any >> 8 & 3),
		                     TSR_HOLDER_CHANNEL);
	case 4:
		return tsr_range_make((uint32_t)any % 300, (uint32_t)(any >> 32) % 300);
	case 5:
		return tsr_range_make(UINT32_MAX - (uint32_t)any % 8, (uint32_t)(any >> 32) % 16);
	case 6:
		return names[any % 8];
	default:
		return tsr_slot_word(any % 4 - 1, (uint16_t)(any >> 32), (uint32_t)(any >> 8 & 7));
	}
}

test_case(tap, whatever_is_written_nothing_outside_the_arena_is_read)
{
	uint64_t seed = test_seed();
	unsigned char text[320];
	uint64_t kept = 0;

	memset(realm.map.arena_base[0], 0xa5, realm.map.arena_bytes[0]);
	for (uint64_t round = 0; round < 200000; round++) {
		uint64_t const slot_number = test_random(&seed) % CAPACITY;
		struct tsr_slot *const slot = &channel->shm->slot[slot_number];
		size_t const room = test_random(&seed) % sizeof(text);
		struct tsr_copy copy = {0};
		int error;

		/* A good message, and then something of it is not. */
		realm_stamp_channel(&realm, names[round % 8], channel);
		realm_slot(channel, slot_number, 0, TSR_READY, names[round % 8], 8);
		if (test_random(&seed) % 4 == 0)
			atomic_store(&slot->word, evil(&seed));
		if (test_random(&seed) % 4 == 0)
			atomic_store(&slot->name, evil(&seed));
		if (test_random(&seed) % 2 == 0)
			atomic_store(&slot->range, evil(&seed));
		if (test_random(&seed) % 4 == 0)
			atomic_store(realm_word(&realm, names[round % 8]), evil(&seed));
		tap.position = test_random(&seed) % 3 == 0 ? evil(&seed) : slot_number;
		memset(text, 0x11, sizeof(text));
		error = tsr_tap_copy(&tap, text, room, &copy);
		(void)tsr_tap_look(&tap);
		seek((uint32_t)(round % 3), 0);
		cr_assert(error == 0 || error == -EAGAIN || error == -ESTALE, "%d", error);
		if (error != 0)
			continue;
		kept++;
		cr_assert_leq(copy.copied, room);
		cr_assert_leq(copy.copied, copy.length);
		for (size_t i = 0; i < sizeof(text); i++)
			cr_assert_eq(text[i], i < copy.copied ? 0xa5 : 0x11,
			             "byte %zu of %u is %#x", i, copy.copied, text[i]);
	}
	cr_assert_gt(kept, 1000, "the test shows nothing: %ju copies", (uintmax_t)kept);
}

test_case(tap, positions_go_round_with_the_laps)
{
	struct tsr_realm_geometry geometry;

	realm_wipe(&realm);
	realm_geometry(&geometry);
	geometry.first_lap = TSR_LAP_MASK - 1;
	realm_make(&realm, &geometry);
	channel = realm_channel(&realm, CAPACITY, 0);
	(void)realm_take_cell(&realm, 0, SENDER, names);
	attachment.map = realm.map;
	tap = (struct tsr_tap_own){.attachment = &attachment, .channel = *channel};
	seek(TSR_TAP_NEXT, 0);
	for (uint64_t i = 0; i < 5 * CAPACITY; i++) {
		uint64_t const position = (geometry.first_lap << channel->shift) + i;
		struct tsr_copy copy;
		char text[8];

		nothing();
		realm_stamp_channel(&realm, names[i], channel);
		realm_slot(channel, position, 0, TSR_READY, names[i], 8);
		test_ok(tsr_tap_copy(&tap, text, sizeof(text), &copy));
		test_same(copy.sequence, i);
		test_same(copy.missed, 0);
	}
}

/* A sender and a receiver that writes into what it received, as fast as they can. */

#define TORN_WORDS 500

static _Atomic uint64_t torn_stop;

static void *
torn_sender(void *arg)
{
	struct tsr_client *const client = arg;
	struct tsr_sender sender;
	struct tsr_msg msg;

	if (local_sender(*client, channel, NULL, &sender) != 0)
		return arg;
	for (uint64_t i = 0; atomic_load(&torn_stop) == 0; i++) {
		uint64_t *words;

		while (tsr_alloc(*client, TORN_WORDS * sizeof(*words), &msg) != 0)
			sched_yield();
		words = msg.data;
		for (unsigned w = 0; w < TORN_WORDS; w++)
			words[w] = i;
		while (tsr_send(sender, &msg, TSR_NOWAIT) != 0) {
			if (atomic_load(&torn_stop) != 0)
				return NULL;
			sched_yield();
		}
	}
	return NULL;
}

static void *
torn_receiver(void *arg)
{
	struct tsr_client *const client = arg;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	if (local_receiver(*client, channel, NULL, &receiver) != 0)
		return arg;
	while (atomic_load(&torn_stop) == 0) {
		if (tsr_recv(receiver, &msg, TSR_NOWAIT) != 0) {
			sched_yield();
			continue;
		}
		memset(msg.data, 0xff, msg.length);
		if (tsr_release(*client, &msg) != 0)
			return arg;
	}
	return NULL;
}

/* Copy for two seconds; every copy must be one message, whole. */
static uint64_t
torn_look(void)
{
	uint64_t const until = test_deadline(2000);
	uint64_t copies_made = 0, last = 0;
	uint64_t words[TORN_WORDS];

	while (!test_passed(until)) {
		struct tsr_copy copy;

		if (tsr_tap_copy(&tap, words, sizeof(words), &copy) != 0)
			continue;
		test_same(copy.length, sizeof(words));
		for (unsigned w = 0; w < TORN_WORDS; w++)
			cr_assert_eq(words[w], copy.sequence, "word %u of message %ju is %#jx", w,
			             (uintmax_t)copy.sequence, (uintmax_t)words[w]);
		cr_assert(copies_made == 0 || copy.sequence == last + 1 + copy.missed,
		          "%ju after %ju with %ju missed", (uintmax_t)copy.sequence,
		          (uintmax_t)last, (uintmax_t)copy.missed);
		last = copy.sequence;
		copies_made++;
	}
	return copies_made;
}

test_case(tap, copy_is_whole_while_others_send_receive_and_write)
{
	struct tsr_client clients[2];
	pthread_t threads[2];
	uint64_t made;
	void *wrong;

	realm.living[3] = realm.living[4] = true;
	channel = realm_channel(&realm, 16, 0);
	tap.channel = *channel;
	seek(TSR_TAP_NEXT, 0);
	for (uint16_t i = 0; i < 2; i++)
		test_ok(local_attach(&realm.map, (uint16_t)(3 + i), false, &clients[i]));
	cr_assert_eq(pthread_create(&threads[0], NULL, torn_sender, &clients[0]), 0);
	cr_assert_eq(pthread_create(&threads[1], NULL, torn_receiver, &clients[1]), 0);
	made = torn_look();
	atomic_store(&torn_stop, 1);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &wrong);
		cr_assert_null(wrong, "thread %d failed", i);
	}
	cr_assert_gt(made, 50, "it was overtaken by all but %ju", (uintmax_t)made);
	for (int i = 0; i < 2; i++)
		test_ok(local_detach(clients[i]));
}
