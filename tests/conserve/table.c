/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/conserve/world.h"
#include "tests/support/check.h"

#define CONSERVE_DOOM_NS 50000

#define ONE_SENDER   TSR_CHANNEL_ONE_SENDER
#define ONE_RECEIVER TSR_CHANNEL_ONE_RECEIVER

#define CHANNEL(title, of, slots, how, may)                             \
	{                                                               \
		.name = (title),                                        \
		.options = {.size = sizeof(struct tsr_channel_options), \
		            .kind = (of),                               \
		            .capacity = (slots),                        \
		            .flags = (how)},                            \
		.rules = (may),                                         \
	}

/* Small, so that they are full and empty often, and go round often. */
struct conserve_channel const conserve_table[] = {
	CHANNEL("buffered", TSR_KIND_BUFFERED, 16, 0, 0),
	CHANNEL("buffered-2", TSR_KIND_BUFFERED, 2, 0, 0),
	CHANNEL("one-sender", TSR_KIND_BUFFERED, 8, ONE_SENDER, 0),
	CHANNEL("one-receiver", TSR_KIND_BUFFERED, 8, ONE_RECEIVER, 0),
	CHANNEL("one-one", TSR_KIND_BUFFERED, 16, ONE_SENDER | ONE_RECEIVER, 0),
	CHANNEL("drop-newest", TSR_KIND_BUFFERED, 4, TSR_CHANNEL_DROP_NEWEST, CONSERVE_DROPS),
	CHANNEL("drop-oldest", TSR_KIND_BUFFERED, 4, TSR_CHANNEL_DROP_OLDEST, CONSERVE_DROPS),
	CHANNEL("requeue", TSR_KIND_BUFFERED, 8, TSR_CHANNEL_REQUEUE, CONSERVE_REQUEUES),
	CHANNEL("rendezvous", TSR_KIND_RENDEZVOUS, 16, 0, 0),
	CHANNEL("rendezvous-one", TSR_KIND_RENDEZVOUS, 16, ONE_SENDER | ONE_RECEIVER, 0),
	CHANNEL("unlimited", TSR_KIND_UNLIMITED, 4, 0, 0),
	CHANNEL("unlimited-one", TSR_KIND_UNLIMITED, 2, ONE_SENDER | ONE_RECEIVER, 0),
	CHANNEL("unlimited-requeue", TSR_KIND_UNLIMITED, 8, TSR_CHANNEL_REQUEUE, CONSERVE_REQUEUES),
	CHANNEL("conflated", TSR_KIND_CONFLATED, 32, 0, CONSERVE_DROPS),
	CHANNEL("conflated-one", TSR_KIND_CONFLATED, 0, ONE_SENDER | ONE_RECEIVER, CONSERVE_DROPS),
	CHANNEL("broadcast", TSR_KIND_BROADCAST, 16, 0, CONSERVE_EVERYBODY),
	CHANNEL("broadcast-one", TSR_KIND_BROADCAST, 16, ONE_SENDER, CONSERVE_EVERYBODY),
	CHANNEL("broadcast-evict", TSR_KIND_BROADCAST, 16, TSR_CHANNEL_EVICT,
                CONSERVE_EVERYBODY | CONSERVE_LAPS),
	CHANNEL("broadcast-lap", TSR_KIND_BROADCAST, 16, TSR_CHANNEL_LAP,
                CONSERVE_EVERYBODY | CONSERVE_LAPS),
	{.name = NULL},
};

void
conserve_doom(struct conserve_actor const *actor, struct child_report *report, uint64_t *seed)
{
	uint64_t const left_ns = 1 + test_random(seed) % CONSERVE_DOOM_NS;

	if (atomic_exchange(&conserve_world->doom[actor->which], 0) != 0)
		child_ok(report, child_doom(left_ns));
}

bool
conserve_is_mine(unsigned channel, uint32_t only, unsigned slot, unsigned slots)
{
	return (conserve_table[channel].options.flags & only) == 0 || channel % slots == slot;
}
