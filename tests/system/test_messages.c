/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/zdesc.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/* Two clients of one daemon, one that sends and one that receives: the public interface, whole. */

static struct daemon daemon_;
static struct tsr_client a, b;

static void
messages_setup(void)
{
	daemon_start(&daemon_, NULL);
	a = daemon_attach(&daemon_, 0);
	b = daemon_attach(&daemon_, 0);
}

static void
messages_teardown(void)
{
	daemon_balanced(&daemon_, "demo");
	test_same(daemon_missed_wakes(&daemon_), 0);
	test_ok(tsr_detach(a));
	test_ok(tsr_detach(b));
	daemon_stop(&daemon_);
}

TestSuite(messages, .timeout = 30);

static struct tsr_channel_options
shape(uint32_t capacity, uint32_t flags)
{
	return (struct tsr_channel_options){
		.size = sizeof(struct tsr_channel_options), .capacity = capacity, .flags = flags};
}

static void
open_both(char const *name, uint32_t capacity, uint32_t flags, struct tsr_sender *sender,
          struct tsr_receiver *receiver)
{
	struct tsr_channel_options const options = shape(capacity, flags);

	test_ok(tsr_channel_create(a, name, &options));
	test_ok(tsr_sender_open(a, name, NULL, sender));
	test_ok(tsr_receiver_open(b, name, NULL, receiver));
}

static void
send_number(struct tsr_sender sender, uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_alloc(a, sizeof(number), &msg));
	memcpy(msg.data, &number, sizeof(number));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
}

static uint64_t
recv_number(struct tsr_receiver receiver)
{
	struct tsr_msg msg;
	uint64_t number;

	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(msg.length, sizeof(number));
	memcpy(&number, msg.data, sizeof(number));
	test_ok(tsr_release(b, &msg));
	return number;
}

test_case(messages, bytes_length_and_stamp_arrive_as_they_were_sent)
{
	struct tsr_end_options const stamped = {.size = sizeof(stamped), .stamp_every = 1};
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, got;
	uint64_t const before = tsr_ticks();

	test_ok(tsr_sender_open(a, "greetings", &stamped, &sender));
	test_ok(tsr_receiver_open(b, "greetings", NULL, &receiver));
	test_ok(tsr_alloc(a, 100, &msg));
	test_same(msg.length, 100);
	strcpy(msg.data, "hello");
	msg.length = 6;
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_same(got.length, 6);
	test_same(got.flags, 0);
	cr_assert_str_eq(got.data, "hello");
	cr_assert_geq(got.stamp, before);
	cr_assert_leq(got.stamp, tsr_ticks());
	test_ok(tsr_release(b, &got));
}

test_case(messages, first_in_is_first_out_through_many_laps)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	uint64_t seed = test_seed(), sent = 0, received = 0;

	open_both("fifo", 8, 0, &sender, &receiver);
	while (received < 5000) {
		uint64_t const more = test_random(&seed) % 9;

		for (uint64_t i = 0; i < more && sent - received < 8; i++)
			send_number(sender, sent++);
		for (uint64_t i = test_random(&seed) % 9; i > 0 && received < sent; i--)
			test_same(recv_number(receiver), received++);
	}
	while (received < sent)
		test_same(recv_number(receiver), received++);
}

test_case(messages, full_channel_refuses_and_the_message_stays_with_its_sender)
{
	uint32_t const shapes[] = {0, TSR_CHANNEL_ONE_SENDER, TSR_CHANNEL_ONE_RECEIVER,
	                           TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER};

	for (int s = 0; s < 4; s++) {
		struct tsr_sender sender;
		struct tsr_receiver receiver;
		struct tsr_msg msg, none;
		char name[16];

		snprintf(name, sizeof(name), "full%d", s);
		open_both(name, 4, shapes[s], &sender, &receiver);
		test_is(tsr_recv(receiver, &none, TSR_NOWAIT), -EAGAIN);
		for (uint64_t i = 0; i < 4; i++)
			send_number(sender, i);
		test_ok(tsr_alloc(a, 8, &msg));
		test_is(tsr_send(sender, &msg, TSR_NOWAIT), -EAGAIN);
		test_is(tsr_send(sender, &msg, TSR_NOWAIT), -EAGAIN);
		test_same(recv_number(receiver), 0);
		memset(msg.data, 0, 8);
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		for (uint64_t i = 1; i < 4; i++)
			test_same(recv_number(receiver), i);
		test_same(recv_number(receiver), 0);
		test_is(tsr_recv(receiver, &none, TSR_NOWAIT), -EAGAIN);
	}
}

test_case(messages, views_are_the_same_ticket_with_another_range)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, view, inner, got;

	open_both("views", 4, 0, &sender, &receiver);
	test_ok(tsr_alloc(a, 64, &msg));
	for (int i = 0; i < 64; i++)
		((unsigned char *)msg.data)[i] = (unsigned char)i;
	test_ok(tsr_view(&msg, 10, 20, &view));
	test_ok(tsr_view(&view, 5, 15, &inner));
	test_is(tsr_view(&view, 5, 16, &inner), -EINVAL);
	test_is(tsr_view(&view, 21, 0, &inner), -EINVAL);
	test_is(tsr_view(&view, UINT32_MAX, 1, &inner), -EINVAL);
	test_is(tsr_view(&view, 1, UINT32_MAX, &inner), -EINVAL);
	test_same(inner.length, 15);
	test_same(inner.zdesc.name, msg.zdesc.name);
	test_ok(tsr_send(sender, &inner, TSR_NOWAIT));
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
	test_is(tsr_release(a, &view), -ESTALE);
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_same(got.length, 15);
	for (int i = 0; i < 15; i++)
		test_same(((unsigned char *)got.data)[i], i + 15);
	test_ok(tsr_release(b, &got));
}

test_case(messages, view_of_nothing_is_sent_and_received_as_such)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, got;

	open_both("empty", 4, 0, &sender, &receiver);
	test_ok(tsr_alloc(a, 64, &msg));
	test_ok(tsr_view(&msg, 64, 0, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_same(got.length, 0);
	test_ok(tsr_release(b, &got));
}

test_case(messages, zdesc_sent_twice_is_stale_the_second_time)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, got;

	open_both("twice", 4, 0, &sender, &receiver);
	test_ok(tsr_alloc(a, 8, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
	test_is(tsr_release(a, &msg), -ESTALE);
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_release(b, &got));
	/* The block comes back to a under another generation: the old name stays stale. */
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
}

test_case(messages, zdesc_released_twice_is_stale_the_second_time)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, again;

	open_both("released", 4, 0, &sender, &receiver);
	test_ok(tsr_alloc(a, 8, &msg));
	test_ok(tsr_release(a, &msg));
	test_is(tsr_release(a, &msg), -ESTALE);
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
	/* The same block is handed out again: the old zdesc does not reach it. */
	test_ok(tsr_alloc(a, 8, &again));
	cr_assert_eq(again.data, msg.data);
	test_is(tsr_release(a, &msg), -ESTALE);
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
	test_ok(tsr_release(a, &again));
}

test_case(messages, message_of_another_client_is_stale)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, got;

	open_both("foreign", 4, 0, &sender, &receiver);
	test_ok(tsr_alloc(b, 8, &msg));
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
	test_is(tsr_release(a, &msg), -ESTALE);
	test_is(tsr_resolve(a, msg.zdesc, &got), -ESTALE);
	test_ok(tsr_resolve(b, msg.zdesc, &got));
	cr_assert_eq(got.data, msg.data);
	test_same(got.length, msg.length);
	test_ok(tsr_release(b, &msg));
	test_is(tsr_resolve(b, msg.zdesc, &got), -ESTALE);
}

test_case(messages, forged_zdesc_is_refused_and_changes_nothing)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, forged, got;
	uint64_t seed = test_seed();

	open_both("forged", 4, 0, &sender, &receiver);
	test_ok(tsr_client_info(a, &info));
	test_ok(tsr_alloc(a, 8, &msg));
	forged = msg;
	/* A region's ticket, when there is no region. */
	forged.zdesc.name = tsr_name_make(info.tickets, 1);
	test_is(tsr_send(sender, &forged, TSR_NOWAIT), -ESTALE);
	test_is(tsr_release(a, &forged), -ESTALE);
	test_is(tsr_resolve(a, forged.zdesc, &got), -ESTALE);
	forged.zdesc.name = tsr_name_make(TSR_TICKETS_MAX - 1, 1);
	test_is(tsr_send(sender, &forged, TSR_NOWAIT), -EINVAL);
	test_is(tsr_release(a, &forged), -EINVAL);
	test_is(tsr_resolve(a, forged.zdesc, &got), -EINVAL);
	forged.zdesc.name = UINT64_MAX;
	test_is(tsr_release(a, &forged), -EINVAL);
	for (int i = 0; i < 10000; i++) {
		uint32_t const index = (uint32_t)(test_random(&seed) % info.tickets);
		int error;

		forged.zdesc.name = tsr_name_make(index, test_random(&seed) >> 24);
		if (forged.zdesc.name == msg.zdesc.name)
			continue;
		error = tsr_release(a, &forged);
		cr_assert_eq(error, -ESTALE, "%d for %#jx", error, (uintmax_t)forged.zdesc.name);
		test_is(tsr_resolve(a, forged.zdesc, &got), -ESTALE);
	}
	test_is(tsr_recv(receiver, &got, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_release(a, &msg));
}

test_case(messages, range_outside_the_block_is_refused_in_64_bits)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, forged, got;
	struct {
		uint32_t offset, length;
	} const ranges[] = {{64, 1},
	                    {0, 65},
	                    {UINT32_MAX, 1},
	                    {1, UINT32_MAX},
	                    {UINT32_MAX, UINT32_MAX},
	                    {0x80000000, 0x80000000}};

	open_both("ranges", 4, 0, &sender, &receiver);
	test_ok(tsr_alloc(a, 64, &msg));
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		forged = msg;
		forged.zdesc.range = tsr_range_make(ranges[i].offset, ranges[i].length);
		forged.length = ranges[i].length;
		test_is(tsr_send(sender, &forged, TSR_NOWAIT), -EINVAL);
		test_is(tsr_resolve(a, forged.zdesc, &got), -EINVAL);
	}
	forged = msg;
	forged.length = 65;
	test_is(tsr_send(sender, &forged, TSR_NOWAIT), -EINVAL);
	test_is(tsr_recv(receiver, &got, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_ok(tsr_release(b, &got));
}

test_case(messages, received_message_can_be_sent_on_without_a_copy)
{
	struct tsr_sender there, back;
	struct tsr_receiver here, home;
	struct tsr_msg msg, got, again;

	open_both("there", 4, 0, &there, &here);
	test_ok(tsr_sender_open(b, "back", NULL, &back));
	test_ok(tsr_receiver_open(a, "back", NULL, &home));
	test_ok(tsr_alloc(a, 64, &msg));
	strcpy(msg.data, "there and back");
	test_ok(tsr_send(there, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(here, &got, TSR_NOWAIT));
	test_ok(tsr_send(back, &got, TSR_NOWAIT));
	test_is(tsr_release(b, &got), -ESTALE);
	test_ok(tsr_recv(home, &again, TSR_NOWAIT));
	cr_assert_str_eq(again.data, "there and back");
	cr_assert_eq(again.data, msg.data, "it was copied");
	test_ok(tsr_release(a, &again));
}

test_case(messages, batches_go_as_far_as_they_can_and_say_how_far)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msgs[12], got[12];
	size_t done = 99;

	open_both("batches", 8, 0, &sender, &receiver);
	test_is(tsr_recv_batch(receiver, got, 12, TSR_NOWAIT, &done), -EAGAIN);
	test_same(done, 0);
	test_ok(tsr_alloc_batch(a, 16, msgs, 12, &done));
	test_same(done, 12);
	for (uint64_t i = 0; i < 12; i++)
		memcpy(msgs[i].data, &i, sizeof(i));
	test_ok(tsr_send_batch(sender, msgs, 12, TSR_NOWAIT, &done));
	test_same(done, 8);
	test_is(tsr_send_batch(sender, msgs + 8, 4, TSR_NOWAIT, &done), -EAGAIN);
	test_same(done, 0);
	test_ok(tsr_recv_batch(receiver, got, 3, TSR_NOWAIT, &done));
	test_same(done, 3);
	test_ok(tsr_send_batch(sender, msgs + 8, 4, TSR_NOWAIT, &done));
	test_same(done, 3);
	test_ok(tsr_recv_batch(receiver, got + 3, 9, TSR_NOWAIT, &done));
	test_same(done, 8);
	for (uint64_t i = 0; i < 11; i++)
		test_same(*(uint64_t *)got[i].data, i);
	/* One of them twice: the rest is released all the same. */
	got[11] = got[4];
	test_is(tsr_release_batch(b, got, 12, &done), -ESTALE);
	test_same(done, 11);
	test_ok(tsr_release(a, &msgs[11]));
}

test_case(messages, batch_with_a_stale_message_stops_there)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msgs[4], got[4];
	size_t done = 99;

	open_both("stale", 8, 0, &sender, &receiver);
	test_ok(tsr_alloc_batch(a, 16, msgs, 4, &done));
	test_ok(tsr_release(a, &msgs[2]));
	test_ok(tsr_send_batch(sender, msgs, 4, TSR_NOWAIT, &done));
	test_same(done, 2);
	test_is(tsr_send_batch(sender, msgs + 2, 2, TSR_NOWAIT, &done), -ESTALE);
	test_same(done, 0);
	test_ok(tsr_send_batch(sender, msgs + 3, 1, TSR_NOWAIT, &done));
	test_ok(tsr_recv_batch(receiver, got, 4, TSR_NOWAIT, &done));
	test_same(done, 3);
	test_ok(tsr_release_batch(b, got, 3, &done));
	test_ok(tsr_send_batch(sender, msgs, 0, TSR_NOWAIT, &done));
	test_same(done, 0);
}

test_case(messages, sizes_that_cannot_be_had_are_refused)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_msg msg = {.length = 77};

	test_ok(tsr_client_info(a, &info));
	test_is(tsr_alloc(a, 0, &msg), -EINVAL);
	test_is(tsr_alloc(a, info.message_bytes_max + 1, &msg), -EMSGSIZE);
	test_is(tsr_alloc(a, UINT32_MAX, &msg), -EMSGSIZE);
	test_same(msg.length, 77);
	for (uint32_t bytes = 1; bytes <= info.message_bytes_max && bytes != 0;
	     bytes = 2 * bytes + 1) {
		test_ok(tsr_alloc(a, bytes, &msg));
		memset(msg.data, 0xee, bytes);
		test_ok(tsr_release(a, &msg));
	}
	test_ok(tsr_alloc(a, info.message_bytes_max, &msg));
	memset(msg.data, 0xee, info.message_bytes_max);
	test_ok(tsr_release(a, &msg));
}

test_case(messages, exhausted_memory_is_said_and_comes_back)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	static struct tsr_msg msgs[4096];
	struct tsr_msg more;
	size_t had = 0, done;
	int error = 0;

	test_ok(tsr_client_info(a, &info));
	while (had < 4096 && (error = tsr_alloc(a, info.message_bytes_max, &msgs[had])) == 0)
		had++;
	test_is(error, -ENOMEM);
	cr_assert_gt(had, 0);
	test_is(tsr_alloc(b, info.message_bytes_max, &more), -ENOMEM);
	test_ok(tsr_release(a, &msgs[0]));
	test_ok(tsr_alloc(a, info.message_bytes_max, &msgs[0]));
	for (size_t i = 0; i < had; i++) {
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(msgs[i].data, msgs[k].data, "a block was given out twice");
	}
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_release_batch(a, msgs, had, &done));
	test_same(done, had);
	test_ok(tsr_alloc(a, info.message_bytes_max, &more));
	test_ok(tsr_release(a, &more));
}

test_case(messages, exhausted_class_is_helped_out_by_a_larger_one)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_msg *msgs = calloc(200000, sizeof(*msgs));
	size_t had = 0, done;
	int error = 0;

	test_ok(tsr_client_info(a, &info));
	while (had < 200000 && (error = tsr_alloc(a, 1, &msgs[had])) == 0)
		had++;
	test_is(error, -ENOMEM);
	test_same(had, info.tickets);
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_release_batch(a, msgs, had, &done));
	test_same(done, had);
	free(msgs);
}

test_case(messages, client_info_tells_the_realm)
{
	struct tsr_client_info info = {.size = sizeof(info)}, other = {.size = sizeof(other)};

	test_ok(tsr_client_info(a, &info));
	test_ok(tsr_client_info(b, &other));
	cr_assert_str_eq(info.realm, "demo");
	cr_assert_neq(info.client_id, other.client_id);
	cr_assert_gt(info.ticks_per_second, 1000000);
	cr_assert_gt(info.arena_bytes, info.message_bytes_max);
	cr_assert(strcmp(info.backing, "4K") == 0 || strcmp(info.backing, "thp") == 0 ||
	                  strcmp(info.backing, "2M") == 0 || strcmp(info.backing, "1G") == 0,
	          "backing '%s'", info.backing);
	info.size--;
	test_is(tsr_client_info(a, &info), -EINVAL);
}

test_case(messages, one_declared_sender_is_the_only_one)
{
	struct tsr_channel_options const options = shape(8, TSR_CHANNEL_ONE_SENDER);
	struct tsr_sender first = {0}, second = {.handle = 42};

	test_ok(tsr_channel_create(a, "one", &options));
	test_ok(tsr_sender_open(a, "one", NULL, &first));
	test_is(tsr_sender_open(b, "one", NULL, &second), -EBUSY);
	test_is(tsr_sender_open(a, "one", NULL, &second), -EBUSY);
	test_same(second.handle, 42);
	test_ok(tsr_sender_close(first));
	test_ok(tsr_sender_open(b, "one", NULL, &second));
	test_ok(tsr_sender_close(second));
}

test_case(messages, one_declared_receiver_is_the_only_one)
{
	struct tsr_channel_options const options = shape(8, TSR_CHANNEL_ONE_RECEIVER);
	struct tsr_receiver first = {0}, second = {.handle = 42};

	test_ok(tsr_channel_create(a, "one", &options));
	test_ok(tsr_receiver_open(a, "one", NULL, &first));
	test_is(tsr_receiver_open(b, "one", NULL, &second), -EBUSY);
	test_same(second.handle, 42);
	test_ok(tsr_receiver_close(first));
	test_ok(tsr_receiver_open(b, "one", NULL, &second));
	test_ok(tsr_receiver_close(second));
}

test_case(messages, channel_is_made_once_and_with_the_same_properties)
{
	struct tsr_channel_options const options = shape(64, TSR_CHANNEL_ONE_SENDER);
	struct tsr_channel_options const other = shape(128, TSR_CHANNEL_ONE_SENDER);
	struct tsr_end_options const wants = {.size = sizeof(wants), .create = &other};
	struct tsr_sender sender;

	test_ok(tsr_channel_create(a, "made", &options));
	test_ok(tsr_channel_create(b, "made", &options));
	test_is(tsr_channel_create(b, "made", &other), -EEXIST);
	cr_assert_str_not_empty(tsr_last_hint());
	test_is(tsr_sender_open(a, "made", &wants, &sender), -EEXIST);
	test_ok(tsr_sender_open(a, "made", NULL, &sender));
	test_ok(tsr_sender_close(sender));
}

test_case(messages, end_that_must_exist_makes_no_channel)
{
	struct tsr_end_options const must = {.size = sizeof(must), .flags = TSR_END_MUST_EXIST};
	struct tsr_proto_row_channel row;
	struct tsr_receiver receiver;

	test_is(tsr_receiver_open(a, "nothing", &must, &receiver), -ENOENT);
	cr_assert_not_null(strstr(tsr_last_hint(), "nothing"), "'%s'", tsr_last_hint());
	cr_assert(!daemon_channel(&daemon_, "nothing", &row));
}

test_case(messages, channel_made_on_first_use_has_the_documented_shape)
{
	struct tsr_proto_row_channel row;
	struct tsr_sender sender;

	test_ok(tsr_sender_open(a, "first/use", NULL, &sender));
	cr_assert(daemon_channel(&daemon_, "first/use", &row));
	test_same(row.capacity, 1024);
	test_same(row.flags, 0);
	test_same(row.kind, TSR_KIND_BUFFERED);
	test_same(row.senders, 1);
	test_same(row.receivers, 0);
	test_ok(tsr_sender_close(sender));
}

test_case(messages, names_that_cannot_be_are_refused)
{
	char longest[TSR_NAME_BYTES + 1];
	char const *const wrong[] = {"", "a b", "a\n", "\xc3\xa4", "a*", "a:b"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int const error = tsr_channel_create(a, wrong[i], NULL);

		cr_assert_eq(error, -EINVAL, "'%s' gave %d", wrong[i], error);
	}
	memset(longest, 'x', sizeof(longest));
	longest[TSR_NAME_BYTES] = '\0';
	test_is(tsr_channel_create(a, longest, NULL), -ENAMETOOLONG);
	longest[TSR_NAME_BYTES - 1] = '\0';
	test_ok(tsr_channel_create(a, longest, NULL));
	test_ok(tsr_channel_create(a, "A-Z.a_z/0-9", NULL));
}

test_case(messages, shapes_that_cannot_be_are_refused_and_named)
{
	uint32_t const capacities[] = {1,         3, 1000, TSR_SLOTS_MAX + 1, 2 * TSR_SLOTS_MAX,
	                               UINT32_MAX};
	struct tsr_channel_options options;

	for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
		options = shape(capacities[i], 0);
		cr_assert_eq(tsr_channel_create(a, "wrong", &options), -EINVAL, "%u",
		             capacities[i]);
	}
	options = shape(8, 0x80000000);
	test_is(tsr_channel_create(a, "wrong", &options), -EINVAL);
	options = shape(8, 0);
	options.size = 3;
	test_is(tsr_channel_create(a, "wrong", &options), -EINVAL);
	test_same(daemon_status(&daemon_).channels, 0);
}

test_case(messages, channel_with_open_ends_is_not_removed)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;

	open_both("busy", 4, 0, &sender, &receiver);
	send_number(sender, 1);
	test_is(tsr_channel_remove(a, "busy"), -EBUSY);
	test_ok(tsr_sender_close(sender));
	test_is(tsr_channel_remove(a, "busy"), -EBUSY);
	test_same(recv_number(receiver), 1);
	test_ok(tsr_receiver_close(receiver));
	test_ok(tsr_channel_remove(b, "busy"));
	test_is(tsr_channel_remove(b, "busy"), -ENOENT);
}

test_case(messages, removed_channel_frees_its_messages_and_its_place)
{
	struct tsr_proto_ledger_reply before, after;

	before = daemon_ledger(&daemon_, "demo");
	for (int round = 0; round < 600; round++) {
		struct tsr_channel_options const options = shape(64, 0);
		struct tsr_sender sender;

		test_ok(tsr_channel_create(a, "again", &options));
		test_ok(tsr_sender_open(a, "again", NULL, &sender));
		send_number(sender, 7);
		send_number(sender, 8);
		test_ok(tsr_sender_close(sender));
		test_ok(tsr_channel_remove(a, "again"));
	}
	after = daemon_ledger(&daemon_, "demo");
	test_same(after.in_channels, 0);
	test_same(after.balanced, 1);
	test_same(after.mappings, before.mappings);
	cr_assert_leq(after.with_clients, 64, "the daemon gave nothing back");
}

test_case(messages, end_of_a_removed_channel_does_not_reach_the_new_one)
{
	struct tsr_sender sender, other;
	struct tsr_msg msg;

	test_ok(tsr_sender_open(a, "reborn", NULL, &sender));
	test_ok(tsr_sender_close(sender));
	test_ok(tsr_channel_remove(a, "reborn"));
	test_ok(tsr_sender_open(a, "reborn", NULL, &other));
	test_ok(tsr_alloc(a, 8, &msg));
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ENOTCONN);
	test_is(tsr_sender_close(sender), -ENOTCONN);
	test_ok(tsr_release(a, &msg));
	test_ok(tsr_sender_close(other));
}

test_case(messages, closed_channel_drains_and_then_ends_and_can_be_used_again)
{
	uint32_t const shapes[] = {0, TSR_CHANNEL_ONE_SENDER, TSR_CHANNEL_ONE_RECEIVER,
	                           TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER};

	for (int s = 0; s < 4; s++) {
		struct tsr_sender sender;
		struct tsr_receiver receiver;
		struct tsr_msg msg;
		char name[16];

		snprintf(name, sizeof(name), "closed%d", s);
		open_both(name, 8, shapes[s], &sender, &receiver);
		for (int stream = 0; stream < 3; stream++) {
			if (stream > 0)
				test_ok(tsr_sender_open(a, name, NULL, &sender));
			for (uint64_t i = 0; i < 3; i++)
				send_number(sender, i);
			test_ok(tsr_sender_close(sender));
			for (uint64_t i = 0; i < 3; i++)
				test_same(recv_number(receiver), i);
			test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -EPIPE);
			test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EPIPE);
		}
	}
}

test_case(messages, messages_wait_in_a_channel_that_nobody_has_open)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	test_ok(tsr_sender_open(a, "mailbox", NULL, &sender));
	for (uint64_t i = 0; i < 3; i++)
		send_number(sender, i);
	test_ok(tsr_sender_close(sender));
	test_ok(tsr_receiver_open(b, "mailbox", NULL, &receiver));
	for (uint64_t i = 0; i < 3; i++)
		test_same(recv_number(receiver), i);
	test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -EPIPE);
	test_ok(tsr_receiver_close(receiver));
}

test_case(messages, receiver_that_came_first_waits_for_a_sender)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	test_ok(tsr_receiver_open(b, "early", NULL, &receiver));
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	test_is(tsr_recv(receiver, &msg, test_deadline(20)), -ETIMEDOUT);
	test_ok(tsr_receiver_close(receiver));
}

test_case(messages, sender_on_a_full_channel_learns_that_the_receivers_have_gone)
{
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	open_both("gone", 2, 0, &sender, &receiver);
	send_number(sender, 1);
	send_number(sender, 2);
	test_ok(tsr_receiver_close(receiver));
	test_ok(tsr_alloc(a, 8, &msg));
	test_is(tsr_send(sender, &msg, TSR_FOREVER), -EPIPE);
	test_ok(tsr_release(a, &msg));
	test_ok(tsr_receiver_open(b, "gone", NULL, &receiver));
	test_same(recv_number(receiver), 1);
	send_number(sender, 3);
	test_same(recv_number(receiver), 2);
	test_same(recv_number(receiver), 3);
}

test_case(messages, handles_are_dead_after_detach)
{
	struct tsr_client_info info = {.size = sizeof(info)};
	struct tsr_client c = daemon_attach(&daemon_, 0);
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg, got;
	size_t done = 9;

	test_ok(tsr_sender_open(c, "dead", NULL, &sender));
	test_ok(tsr_receiver_open(c, "dead", NULL, &receiver));
	test_ok(tsr_alloc(c, 8, &msg));
	test_ok(tsr_detach(c));
	test_is(tsr_detach(c), -ENOTCONN);
	test_is(tsr_alloc(c, 8, &got), -ENOTCONN);
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ENOTCONN);
	test_is(tsr_recv(receiver, &got, TSR_FOREVER), -ENOTCONN);
	test_is(tsr_release(c, &msg), -ENOTCONN);
	test_is(tsr_resolve(c, msg.zdesc, &got), -ENOTCONN);
	test_is(tsr_alloc_batch(c, 8, &got, 1, &done), -ENOTCONN);
	test_is(tsr_send_batch(sender, &msg, 1, TSR_NOWAIT, &done), -ENOTCONN);
	test_is(tsr_recv_batch(receiver, &got, 1, TSR_NOWAIT, &done), -ENOTCONN);
	test_is(tsr_release_batch(c, &msg, 1, &done), -ENOTCONN);
	test_same(done, 0);
	test_is(tsr_sender_close(sender), -ENOTCONN);
	test_is(tsr_receiver_close(receiver), -ENOTCONN);
	test_is(tsr_channel_create(c, "dead", NULL), -ENOTCONN);
	test_is(tsr_channel_remove(c, "dead"), -ENOTCONN);
	test_is(tsr_sender_open(c, "dead", NULL, &sender), -ENOTCONN);
	test_is(tsr_client_info(c, &info), -ENOTCONN);
	/* Handles that never were. */
	test_is(tsr_detach((struct tsr_client){0}), -ENOTCONN);
	test_is(tsr_detach((struct tsr_client){UINT64_MAX}), -ENOTCONN);
	test_is(tsr_sender_close((struct tsr_sender){UINT64_MAX}), -ENOTCONN);
	test_is(tsr_send((struct tsr_sender){receiver.handle}, &msg, TSR_NOWAIT), -ENOTCONN);
}

struct inherited {
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg;
};

static int
inheritor(struct child_report *report, void *arg)
{
	struct inherited *given = arg;
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client own;
	struct tsr_msg msg;

	child_is(report, tsr_alloc(a, 8, &msg), -ENOTCONN);
	child_is(report, tsr_send(given->sender, &given->msg, TSR_NOWAIT), -ENOTCONN);
	child_is(report, tsr_recv(given->receiver, &msg, TSR_FOREVER), -ENOTCONN);
	child_is(report, tsr_release(a, &given->msg), -ENOTCONN);
	child_is(report, tsr_sender_close(given->sender), -ENOTCONN);
	child_is(report, tsr_detach(a), -ENOTCONN);
	child_check(report, test_maps_count() == 0, "a mapping was inherited");
	/* It attaches for itself. */
	child_ok(report, tsr_attach(&options, &own));
	child_ok(report, tsr_alloc(own, 8, &msg));
	child_ok(report, tsr_release(own, &msg));
	child_ok(report, tsr_detach(own));
	return 0;
}

test_case(messages, handles_are_dead_in_a_forked_child_and_live_on_in_the_parent)
{
	struct inherited given;
	struct child child;
	struct tsr_msg got;

	open_both("forked", 4, 0, &given.sender, &given.receiver);
	test_ok(tsr_alloc(a, 8, &given.msg));
	child_start(&child, inheritor, &given);
	child_join(&child);
	test_ok(tsr_send(given.sender, &given.msg, TSR_NOWAIT));
	test_ok(tsr_recv(given.receiver, &got, TSR_NOWAIT));
	test_ok(tsr_release(b, &got));
	test_same(daemon_status(&daemon_).clients, 2);
}

test_case(messages, stamps_come_as_often_as_was_asked_for)
{
	struct tsr_end_options options = {.size = sizeof(options)};
	uint32_t const every[] = {1, 4, 64};
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	test_ok(tsr_receiver_open(b, "stamps", NULL, &receiver));
	for (int e = 0; e < 3; e++) {
		uint32_t stamped = 0;

		options.stamp_every = every[e];
		test_ok(tsr_sender_open(a, "stamps", &options, &sender));
		for (uint32_t i = 0; i < 256; i++) {
			send_number(sender, i);
			test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
			stamped += msg.stamp != 0;
			test_ok(tsr_release(b, &msg));
		}
		test_same(stamped, 256 / every[e]);
		test_ok(tsr_sender_close(sender));
	}
	options.stamp_every = 3;
	test_is(tsr_sender_open(a, "stamps", &options, &sender), -EINVAL);
}

test_case(messages, end_that_never_stamps_never_stamps)
{
	struct tsr_end_options const options = {.size = sizeof(options), .flags = TSR_END_NO_STAMP};
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	test_ok(tsr_sender_open(a, "unstamped", &options, &sender));
	test_ok(tsr_receiver_open(b, "unstamped", NULL, &receiver));
	for (uint32_t i = 0; i < 200; i++) {
		send_number(sender, i);
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_same(msg.stamp, 0);
		test_ok(tsr_release(b, &msg));
	}
}

/* Threads of one client: what one allocates another may release. */
static struct tsr_msg thread_msgs[2000];

static void *
thread_alloc(void *arg)
{
	for (size_t i = 0; i < 1000; i++) {
		if (tsr_alloc(a, 64, &thread_msgs[(size_t)(uintptr_t)arg * 1000 + i]) != 0)
			return arg;
	}
	return NULL;
}

test_case(messages, threads_leave_their_magazines_to_the_client_when_they_end)
{
	pthread_t thread[2];
	struct tsr_client_info info = {.size = sizeof(info)};
	size_t done;

	test_ok(tsr_client_info(a, &info));
	for (int round = 0; round < 100; round++) {
		for (uintptr_t i = 0; i < 2; i++)
			cr_assert_eq(pthread_create(&thread[i], NULL, thread_alloc, (void *)i), 0);
		for (int i = 0; i < 2; i++)
			cr_assert_eq(pthread_join(thread[i], NULL), 0);
		test_ok(tsr_release_batch(a, thread_msgs, 2000, &done));
		test_same(done, 2000);
	}
	/* Nothing piled up: a few magazines are all that the client holds. */
	cr_assert_leq(daemon_ledger(&daemon_, "demo").with_clients, 400);
}

/*
 * Many senders and many receivers, each a process. A message is (sender, number): each arrives
 * once, and those of one sender in order at each receiver.
 */
#define CROWD_SENDERS   3
#define CROWD_RECEIVERS 3
#define CROWD_MESSAGES  20000

struct crowd {
	uint32_t senders, receivers;
	uint32_t flags; /* of the attachments: one bit each */
	_Atomic uint32_t next_sender, next_receiver;
	_Atomic unsigned char seen[CROWD_SENDERS][CROWD_MESSAGES];
};

static struct crowd *crowd;

static int
crowd_sender(struct child_report *report, void *arg)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	uint64_t const me = (uint64_t)(uintptr_t)arg;
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	options.flags = (crowd->flags >> me & 1) != 0 ? TSR_ATTACH_FENCED : 0;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "crowd", NULL, &sender));
	report_set(report, 0, 1);
	child_check(report, report_await(report, 1, 1, 10000));
	for (uint64_t i = 0; i < CROWD_MESSAGES; i++) {
		int error;

		while ((error = tsr_alloc(client, 16, &msg)) == -ENOMEM)
			;
		child_is(report, error, 0);
		((uint64_t *)msg.data)[0] = me;
		((uint64_t *)msg.data)[1] = i;
		child_ok(report, tsr_send(sender, &msg, tsr_deadline_in_ms(20000)));
	}
	child_ok(report, tsr_sender_close(sender));
	child_ok(report, tsr_detach(client));
	return 0;
}

static int
crowd_receiver(struct child_report *report, void *arg)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	uint64_t last[CROWD_SENDERS] = {0};
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	uint64_t count = 0;
	int error;

	options.flags = (crowd->flags >> (8 + (uintptr_t)arg) & 1) != 0 ? TSR_ATTACH_FENCED : 0;
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "crowd", NULL, &receiver));
	report_set(report, 0, 1);
	while ((error = tsr_recv(receiver, &msg, tsr_deadline_in_ms(20000))) == 0) {
		uint64_t const from = ((uint64_t *)msg.data)[0], number = ((uint64_t *)msg.data)[1];

		child_check(report, msg.length == 16 && msg.flags == 0);
		child_check(report, from < CROWD_SENDERS && number < CROWD_MESSAGES);
		child_check(report, atomic_fetch_add(&crowd->seen[from][number], 1) == 0,
		            "%ju of %ju came twice", (uintmax_t)number, (uintmax_t)from);
		child_check(report, last[from] <= number, "%ju of %ju after %ju", (uintmax_t)number,
		            (uintmax_t)from, (uintmax_t)last[from]);
		last[from] = number + 1;
		child_ok(report, tsr_release(client, &msg));
		count++;
	}
	child_is(report, error, -EPIPE);
	report_set(report, 2, count);
	child_ok(report, tsr_receiver_close(receiver));
	child_ok(report, tsr_detach(client));
	return 0;
}

static void
crowd_run(uint32_t senders, uint32_t receivers, uint32_t shape_flags, uint32_t fenced)
{
	struct tsr_channel_options const options = shape(16, shape_flags);
	struct child sending[CROWD_SENDERS], receiving[CROWD_RECEIVERS];
	uint64_t total = 0;

	crowd->senders = senders;
	crowd->receivers = receivers;
	crowd->flags = fenced;
	memset((void *)crowd->seen, 0, sizeof(crowd->seen));
	test_ok(tsr_channel_create(a, "crowd", &options));
	for (uintptr_t i = 0; i < receivers; i++)
		child_start(&receiving[i], crowd_receiver, (void *)i);
	for (uintptr_t i = 0; i < senders; i++)
		child_start(&sending[i], crowd_sender, (void *)i);
	for (uint32_t i = 0; i < receivers; i++)
		cr_assert(report_await(receiving[i].report, 0, 1, 10000), "%s",
		          receiving[i].report->text);
	for (uint32_t i = 0; i < senders; i++)
		cr_assert(report_await(sending[i].report, 0, 1, 10000), "%s",
		          sending[i].report->text);
	/* All ends are open: nobody sees the end of the stream too early. */
	for (uint32_t i = 0; i < senders; i++)
		report_set(sending[i].report, 1, 1);
	for (uint32_t i = 0; i < senders; i++)
		child_join(&sending[i]);
	for (uint32_t i = 0; i < receivers; i++) {
		cr_assert(report_await(receiving[i].report, 2, 0, 20000));
		child_join(&receiving[i]);
	}
	for (uint32_t s = 0; s < senders; s++) {
		for (uint32_t m = 0; m < CROWD_MESSAGES; m++)
			total += atomic_load(&crowd->seen[s][m]);
	}
	test_same(total, (uint64_t)senders * CROWD_MESSAGES);
	test_ok(tsr_channel_remove(a, "crowd"));
}

static void
crowd_setup(void)
{
	messages_setup();
	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	             0);
	cr_assert_neq(crowd, MAP_FAILED);
}

static void
crowd_teardown(void)
{
	messages_teardown();
}

TestSuite(crowd, .timeout = 120);

test_case(crowd, one_sender_and_one_receiver_lose_nothing_in_all_four_forms)
{
	crowd_run(1, 1, 0, 0);
	crowd_run(1, 1, TSR_CHANNEL_ONE_SENDER, 0);
	crowd_run(1, 1, TSR_CHANNEL_ONE_RECEIVER, 0);
	crowd_run(1, 1, TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, 0);
}

test_case(crowd, many_senders_and_one_receiver_lose_nothing)
{
	crowd_run(3, 1, 0, 0);
	crowd_run(3, 1, TSR_CHANNEL_ONE_RECEIVER, 0);
}

test_case(crowd, one_sender_and_many_receivers_lose_nothing)
{
	crowd_run(1, 3, 0, 0);
	crowd_run(1, 3, TSR_CHANNEL_ONE_SENDER, 0);
}

test_case(crowd, many_senders_and_many_receivers_lose_nothing)
{
	crowd_run(3, 3, 0, 0);
}

test_case(crowd, clients_without_membarrier_mix_with_others)
{
	crowd_run(2, 2, 0, 1);      /* one fenced sender */
	crowd_run(2, 2, 0, 1 << 8); /* one fenced receiver */
	crowd_run(1, 1, TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, 1 | 1 << 8);
}
