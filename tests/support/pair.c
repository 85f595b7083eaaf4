/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/pair.h"

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/trip.h"

struct realm realm;
struct tsr_channel *channel;
struct tsr_client from, to;
struct tsr_sender sender;
struct tsr_receiver receiver;

void
pair_make(struct tsr_shape shape, uint64_t first_lap, uint64_t first_generation)
{
	struct tsr_realm_geometry geometry;

	realm_geometry(&geometry);
	geometry.first_lap = first_lap;
	geometry.first_generation = first_generation;
	realm_make(&realm, &geometry);
	channel = realm_channel_of(&realm, shape);
	atomic_store(&channel->entry->senders, tsr_ends_make(1, false, 1));
	atomic_store(&channel->entry->receivers, tsr_ends_make(1, false, 1));
	tsr_wait_look_ns = UINT64_MAX;
}

void
pair_join(void)
{
	from = trip_join(&realm, 1, false);
	to = trip_join(&realm, 2, false);
	test_ok(local_sender(from, channel, NULL, &sender));
	test_ok(local_receiver(to, channel, NULL, &receiver));
}

void
pair_leave(void)
{
	test_ok(local_sender_close(from, sender));
	test_ok(local_receiver_close(to, receiver));
	trip_leave(&realm, 1, from);
	trip_leave(&realm, 2, to);
	test_same(atomic_load(&realm.map.states[0].missed_wakes), 0);
	test_same(atomic_load(&realm.map.states[1].missed_wakes), 0);
	realm_balanced(&realm);
	realm_wipe(&realm);
}
