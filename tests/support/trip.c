/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/trip.h"

#include "tests/support/check.h"
#include "tests/support/local.h"

#define TRIP_SENDER   7
#define TRIP_RECEIVER 8

struct tsr_client
trip_join(struct realm *realm, uint16_t id, bool fenced)
{
	struct tsr_client client = {0};

	test_ok(local_attach(&realm->map, id, fenced, &client));
	realm->living[id] = true;
	return client;
}

void
trip_leave(struct realm *realm, uint16_t id, struct tsr_client client)
{
	struct tsr_reap_result result;

	test_ok(local_detach(client));
	realm_reap(realm, id, NULL, NULL, 0, &result);
}

static void
trip_receive(struct tsr_client client, struct tsr_receiver receiver, uint32_t count, uint32_t again)
{
	uint32_t flagged = 0;
	struct tsr_msg msg;

	for (uint32_t i = 0; i < count; i++) {
		int const error = tsr_recv(receiver, &msg, TSR_NOWAIT);

		cr_assert_eq(error, 0, "%d for message %u of %u", error, i, count);
		flagged += (msg.flags & TSR_MSG_REDELIVERED) != 0;
		test_ok(tsr_release(client, &msg));
	}
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	cr_assert(again == UINT32_MAX || flagged == again, "%u of %u are flagged, expected %u",
	          flagged, count, again);
}

void
trip_drain(struct realm *realm, struct tsr_channel *channel, uint32_t count, uint32_t again)
{
	struct tsr_client const client = trip_join(realm, TRIP_RECEIVER, false);
	struct tsr_receiver receiver;

	test_ok(local_receiver(client, channel, NULL, &receiver));
	trip_receive(client, receiver, count, again);
	test_ok(local_receiver_close(client, receiver));
	trip_leave(realm, TRIP_RECEIVER, client);
}

void
trip_round(struct realm *realm, struct tsr_channel *channel, uint32_t waiting, uint32_t count)
{
	struct tsr_client const from = trip_join(realm, TRIP_SENDER, false);
	struct tsr_client const to = trip_join(realm, TRIP_RECEIVER, false);
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	/* Somebody sends and receives, as far as the directory says. */
	atomic_store(&channel->entry->senders, tsr_ends_make(1, false, 9));
	atomic_store(&channel->entry->receivers, tsr_ends_make(1, false, 9));
	test_ok(local_receiver(to, channel, NULL, &receiver));
	trip_receive(to, receiver, waiting, UINT32_MAX);
	test_ok(local_sender(from, channel, NULL, &sender));
	for (uint64_t i = 0; i < count; i++) {
		test_ok(tsr_alloc(from, sizeof(i), &msg));
		*(uint64_t *)msg.data = i;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_same(*(uint64_t *)msg.data, i);
		test_same(msg.flags, 0);
		test_ok(tsr_release(to, &msg));
	}
	/* All slots can be used: none is stuck. */
	for (uint64_t i = 0; i < channel->capacity; i++) {
		test_ok(tsr_alloc(from, sizeof(i), &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	test_ok(tsr_alloc(from, 8, &msg));
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -EAGAIN);
	trip_receive(to, receiver, channel->capacity, 0);
	test_ok(local_sender_close(from, sender));
	test_ok(local_receiver_close(to, receiver));
	trip_leave(realm, TRIP_SENDER, from);
	trip_leave(realm, TRIP_RECEIVER, to);
}
