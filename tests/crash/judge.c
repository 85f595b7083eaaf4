/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/judge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/ledger.h"
#include "shm/drop.h"
#include "tests/crash/newest.h"
#include "tests/crash/op.h"
#include "tests/crash/ring.h"
#include "tests/crash/spool.h"

static char judge_text[512];
/* At the moment of death. */
static struct ring judge_ring;
static bool judge_had_end; /* on channel 0 */

char const *
judge_fault(void)
{
	return judge_text;
}

void
judge_clear(void)
{
	judge_text[0] = '\0';
}

bool
judge_say(char const *format, ...)
{
	va_list args;

	if (judge_text[0] != '\0')
		return false;
	va_start(args, format);
	vsnprintf(judge_text, sizeof(judge_text), format, args);
	va_end(args);
	return false;
}

static bool
judge_has(uint64_t const *serials, unsigned count, uint64_t serial)
{
	for (unsigned i = 0; i < count; i++) {
		if (serials[i] == serial)
			return true;
	}
	return false;
}

bool
judge_add(struct judge_set *set, uint64_t serial, bool again, char const *where)
{
	if (serial == 0)
		return judge_say("%s: what was received is no message", where);
	if (judge_has(set->serial, set->count, serial))
		return judge_say("%s: message %ju came twice", where, (uintmax_t)serial);
	if (set->count == JUDGE_TAKEN_MAX)
		return judge_say("%s: more messages than were ever sent", where);
	set->again[set->count] = again;
	set->serial[set->count++] = serial;
	return true;
}

bool
judge_ledger(char const *when)
{
	struct tsr_channel channels[WORLD_CHANNELS];
	struct tsr_ledger ledger;
	uint8_t named[256];

	for (unsigned i = 0; i < WORLD_CHANNELS; i++)
		channels[i] = world.record[i].channel;
	if (world.realm.map.tickets_all > sizeof(named))
		world_give_up("more tickets than the ledger has room for");
	memset(named, 0, sizeof(named));
	tsr_ledger_take(&world.realm.map, channels, WORLD_CHANNELS, world.living, named, &ledger);
	if (!ledger.balanced)
		return judge_say("%s the ledger does not balance: %s", when, ledger.text);
	if (ledger.lost != 0 || ledger.slots_claimed != 0 || ledger.tokens_stray != 0 ||
	    ledger.tickets != ledger.in_depot + ledger.with_daemon + ledger.in_channels +
	                              ledger.with_clients + ledger.in_regions)
		return judge_say("%s the ledger's sums are wrong", when);
	return true;
}

/* What no peer has received and kept, the owner can take again. */
static bool
judge_region(void)
{
	struct tsr_map const *const map = &world.realm.map;

	for (uint32_t i = map->tickets_count; i < map->tickets_all; i++) {
		uint16_t const holder = tsr_word_holder(atomic_load(&map->tickets[i].word));

		if (holder != TSR_HOLDER_FREE && holder != WORLD_PEER_RECEIVER)
			return judge_say("ticket %u of the region has holder %u in the end", i,
			                 holder);
	}
	return true;
}

static bool
judge_bit(enum tsr_side side, uint32_t number)
{
	struct tsr_channel_shm *const shm = world.record[0].channel.shm;

	return (atomic_load(side == TSR_SIDE_SENDER ? &shm->senders_waiting
	                                            : &shm->receivers_waiting) >>
	                number &
	        1) != 0;
}

/* Who sleeps, and should not? @all: the daemon has just woken everybody. */
bool
judge_sleepers(bool all, char const *when)
{
	for (unsigned i = 0; i < 2 * TSR_TOKENS_PER_SIDE; i++) {
		enum tsr_side const side =
			i < TSR_TOKENS_PER_SIDE ? TSR_SIDE_SENDER : TSR_SIDE_RECEIVER;
		uint32_t const number = i % TSR_TOKENS_PER_SIDE;
		uint64_t const word = world_token(0, side, number);

		if (all && tsr_token_state(word) == TSR_TOKEN_CROWD && judge_bit(side, number))
			return judge_say("%s the crowd still sleeps", when);
		/* Who has not yet set its bit will look once more before it sleeps. */
		if (all && tsr_token_state(word) == TSR_TOKEN_ENQUEUED && judge_bit(side, number))
			return judge_say("%s client %u still sleeps", when, tsr_token_owner(word));
		if (tsr_token_state(word) == TSR_TOKEN_CLAIMED &&
		    tsr_token_claimer(word) != WORLD_PEER_SENDER &&
		    tsr_token_claimer(word) != WORLD_PEER_RECEIVER &&
		    !world_token_woken(0, side, number))
			return judge_say("%s the token of client %u is claimed by %u and it was "
			                 "not woken",
			                 when, tsr_token_owner(word), tsr_token_claimer(word));
	}
	return true;
}

bool
judge_no_missed_wakes(void)
{
	for (unsigned id = 1; id < WORLD_CLIENTS; id++) {
		if (atomic_load(&world.realm.map.states[id - 1].missed_wakes) != 0)
			return judge_say("client %u missed a wake-up", id);
	}
	return true;
}

/* Is the operation's own story told by the image? */

/* An offer ends with its sender, and with the call that the peer goes on with. */
static bool
judge_is_taken_back(struct ring_entry const *entry)
{
	return meet_is_on() &&
	       (entry->owner == WORLD_VICTIM ||
	        (scene.peer_is_on &&
	         judge_has(scene.peer.sends, scene.peer.sends_count, entry->serial)));
}

/* The forged message is counted by nobody. */
static void
judge_forget_forged(struct ring *ring)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < ring->count; i++) {
		if (!ring->entry[i].forged && !judge_is_taken_back(&ring->entry[i]))
			ring->entry[kept++] = ring->entry[i];
	}
	ring->count = kept;
}

void
judge_expect(void)
{
	ring_read(&judge_ring);
	ring_add_held(&judge_ring);
	judge_forget_forged(&judge_ring);
	request_expect();
	judge_had_end = world_has_end(WORLD_VICTIM, 0, TSR_SIDE_SENDER) ||
	                world_has_end(WORLD_VICTIM, 0, TSR_SIDE_RECEIVER);
}

static bool
judge_live_entry(struct ring_entry const *entry)
{
	return entry->phase == TSR_READY || entry->phase == TSR_TAKEN;
}

bool
judge_known(uint64_t serial)
{
	return judge_has(scene.before, scene.before_count, serial) ||
	       judge_has(scene.victim.sends, scene.victim.sends_count, serial) ||
	       judge_has(scene.peer.sends, scene.peer.sends_count, serial);
}

static bool
judge_in_ring(uint64_t serial)
{
	for (unsigned i = 0; i < judge_ring.count; i++) {
		if (judge_live_entry(&judge_ring.entry[i]) && judge_ring.entry[i].serial == serial)
			return true;
	}
	return false;
}

/* A slot that is claimed may show the name of the message before: it has none yet. */
static bool
judge_in_slots(uint64_t serial)
{
	for (unsigned i = 0; i < judge_ring.count; i++) {
		struct ring_entry const *const entry = &judge_ring.entry[i];

		if (judge_live_entry(entry) && !entry->held && entry->serial == serial)
			return true;
	}
	return false;
}

/* What it said that it did, it did. */
bool
judge_run_told(struct run const *run)
{
	unsigned const drops_max = newest_is_on() ? run->sends_count : op_drops_max(0);
	unsigned dropped = 0;

	for (unsigned i = 0; run->finished && i < run->sends_count; i++) {
		if (i < run->done && !judge_in_ring(run->sends[i]) && dropped < drops_max) {
			dropped++;
			continue;
		}
		if (meet_is_on() && judge_in_ring(run->sends[i]))
			return judge_say("message %ju is offered after the call",
			                 (uintmax_t)run->sends[i]);
		if (meet_is_on())
			continue;
		/* The peer may have received it by now. */
		if (judge_in_ring(run->sends[i]) != (i < run->done) &&
		    (i >= run->done || scene.peer.receives_max == 0))
			return judge_say("message %ju is %sin the channel after the call that %s",
			                 (uintmax_t)run->sends[i], i < run->done ? "not " : "",
			                 i < run->done ? "sent it" : "did not send it");
	}
	for (unsigned i = 0; run->finished && i < run->received_count; i++) {
		if (!judge_has(scene.before, scene.before_count, run->received[i]) &&
		    !judge_has(scene.peer.sends, scene.peer.sends_count, run->received[i]))
			return judge_say("%ju was received and never sent",
			                 (uintmax_t)run->received[i]);
		if (judge_in_slots(run->received[i]))
			return judge_say("message %ju is in the channel after it was received",
			                 (uintmax_t)run->received[i]);
	}
	return true;
}

/* Nothing is in the channel that was never sent, and nothing has gone that nobody received. */
static bool
judge_story(void)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < judge_ring.count; i++) {
		struct ring_entry const *const entry = &judge_ring.entry[i];

		if (judge_live_entry(entry) && !judge_known(entry->serial))
			return judge_say("slot at %jd holds message %ju, which nobody sent",
			                 (intmax_t)entry->position, (uintmax_t)entry->serial);
	}
	for (unsigned i = 0; i < scene.before_count; i++)
		missing += !judge_in_ring(scene.before[i]);
	if (newest_is_on())
		return newest_story(&judge_ring) && judge_run_told(&scene.victim);
	if (missing > scene.victim.receives_max + scene.peer.receives_max + op_drops_max(0))
		return judge_say("%u messages have gone, of which at most %u can be received",
		                 missing, scene.victim.receives_max + scene.peer.receives_max);
	return judge_run_told(&scene.victim);
}

bool
judge_repair(void)
{
	struct tsr_reap_result result = {0};
	int error;

	/* The process that held it is no more; the others have their own. */
	tsr_process_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	error = world_reap(WORLD_VICTIM, &result);
	if (error != 0)
		return judge_say("the sweep gave %d", error);
	return true;
}

/* The messages that must come out now; @at_death: as the ring was then. */
static bool
judge_due(struct ring const *ring, struct judge_set *due)
{
	due->count = 0;
	if (newest_is_on()) {
		struct ring_entry const *const entry = newest_entry(ring);

		return entry == NULL || judge_add(due, entry->serial, entry->again, "the slots");
	}
	for (unsigned i = 0; i < ring->count; i++) {
		struct ring_entry const *const entry = &ring->entry[i];

		if (judge_live_entry(entry) &&
		    !judge_add(due, entry->serial, entry->again, "the slots"))
			return false;
	}
	return true;
}

/*
 * A message that the victim had in its hands comes again and says so; no other does. What was
 * flagged before stays flagged.
 */
static bool
judge_flags(struct ring const *now)
{
	for (unsigned i = 0; i < judge_ring.count; i++) {
		struct ring_entry const *const then = &judge_ring.entry[i];
		bool const held = then->phase == TSR_TAKEN && then->owner == WORLD_VICTIM;

		for (unsigned k = 0; k < now->count; k++) {
			if (now->entry[k].serial != then->serial || then->serial == 0 ||
			    !judge_live_entry(then) || now->entry[k].phase != TSR_READY)
				continue;
			if (now->entry[k].again != (held || then->again) &&
			    (world.shape->flags & TSR_CHANNEL_ONE_RECEIVER) == 0)
				return judge_say("message %ju is %sflagged as redelivered",
				                 (uintmax_t)then->serial,
				                 now->entry[k].again ? "" : "not ");
		}
	}
	return true;
}

/* The peer goes on to the end of what it was at. */
bool
judge_thaw(struct judge_peer const *peer)
{
	if (peer == NULL || peer->actor == NULL)
		return true;
	actor_restore(peer->actor, peer->copy);
	actor_go(peer->actor, ACTOR_RUN);
	if (!scene.peer.finished)
		return judge_say("the peer did not come to its end");
	switch (scene.peer.result) {
	case 0:
	case -EAGAIN:
	case -ETIMEDOUT:
	case -ECONNRESET:
	case -EPIPE:
	case -ENOMEM:
	case -EPROTO:
	case -EOVERFLOW:
		return true;
	default:
		return judge_say("the peer's call gave %d", scene.peer.result);
	}
}

/* Take out all that @id can get. */
bool
judge_drain(enum world_client id, struct judge_set *got)
{
	struct tsr_msg msg;
	int error;

	for (;;) {
		error = tsr_recv(world.receiver[id][0], &msg, TSR_NOWAIT);
		if (error == -EPROTO && scene.victim.start->prepare != NULL)
			continue; /* the forged one: it is given back, nobody has it */
		if (error != 0)
			break;
		if (!judge_add(got, world_serial(&msg), (msg.flags & TSR_MSG_REDELIVERED) != 0,
		               "received"))
			return false;
		if (tsr_release(world.client[id], &msg) != 0)
			return judge_say("a message that was received can't be released");
	}
	if (error != -EAGAIN && error != -EPIPE && error != -ECONNRESET)
		return judge_say("receiving gave %d", error);
	return true;
}

static bool
judge_same(struct judge_set const *due, struct judge_set const *got, bool in_order)
{
	for (unsigned i = 0; i < due->count; i++) {
		if (!judge_has(got->serial, got->count, due->serial[i]))
			return judge_say("message %ju is lost", (uintmax_t)due->serial[i]);
	}
	for (unsigned i = 0; i < got->count; i++) {
		if (!judge_has(due->serial, due->count, got->serial[i]))
			return judge_say("message %ju came and should not",
			                 (uintmax_t)got->serial[i]);
		if (in_order && got->serial[i] != due->serial[i])
			return judge_say("message %ju came before its turn",
			                 (uintmax_t)got->serial[i]);
		for (unsigned k = 0; k < due->count; k++) {
			if (due->serial[k] == got->serial[i] && due->again[k] != got->again[i])
				return judge_say("message %ju is flagged otherwise than its slot",
				                 (uintmax_t)got->serial[i]);
		}
	}
	return true;
}

/* Fill every slot of a channel and empty it again, with clients that have just come. */
bool
judge_round(unsigned channel, enum world_client from, enum world_client to)
{
	uint32_t const capacity = world.record[channel].channel.capacity;
	uint32_t const flags = world.record[channel].channel.flags;
	/* One more than there is room for: which one is dropped? */
	bool const drops = (flags & TSR_CHANNEL_DROPS) != 0;
	uint64_t const skip = (flags & TSR_CHANNEL_DROP_OLDEST) != 0;
	struct tsr_msg msg;
	uint64_t first = 0;
	int error;

	for (uint32_t i = 0; i <= capacity; i++) {
		if (!world_message(from, &msg))
			return judge_say("a new client gets no block");
		if (i == 0)
			first = world_serial(&msg);
		error = tsr_send(world.sender[from][channel], &msg, TSR_NOWAIT);
		if (error != (i < capacity || drops ? 0 : -EAGAIN))
			return judge_say("channel %u: message %u of %u of a new client gave %d",
			                 channel, i, capacity, error);
	}
	if (!drops && tsr_release(world.client[from], &msg) != 0)
		return judge_say("a message that was not sent can't be released");
	for (uint32_t i = 0; i < capacity; i++) {
		error = tsr_recv(world.receiver[to][channel], &msg, TSR_NOWAIT);
		if (error != 0 || world_serial(&msg) != first + skip + i ||
		    (msg.flags & TSR_MSG_REDELIVERED) != 0)
			return judge_say(
				"channel %u: a new client receives message %u of %u with %d",
				channel, i, capacity, error);
		if (tsr_release(world.client[to], &msg) != 0)
			return judge_say("a new client can't release");
	}
	error = tsr_recv(world.receiver[to][channel], &msg, TSR_NOWAIT);
	if (error != -EAGAIN)
		return judge_say("channel %u: there is more than was sent: %d", channel, error);
	return true;
}

/* A new end; where there may be one only, that of a peer who has it. */
bool
judge_opened(unsigned channel, enum tsr_side side, enum world_client *id)
{
	enum world_client const peer =
		side == TSR_SIDE_SENDER ? WORLD_PEER_SENDER : WORLD_PEER_RECEIVER;
	enum world_client const fresh =
		side == TSR_SIDE_SENDER ? WORLD_FRESH_SENDER : WORLD_FRESH_RECEIVER;
	int const error =
		world_has_end(fresh, channel, side) ? 0 : world_try_open(fresh, channel, side);

	*id = error == 0 ? fresh : peer;
	if (error != 0 && !(error == -EBUSY && world_has_end(peer, channel, side)))
		return judge_say("channel %u: a new end gave %d", channel, error);
	return true;
}

static bool
judge_rounds(void)
{
	for (unsigned channel = 0; channel < WORLD_CHANNELS; channel++) {
		enum world_client from, to;

		if (!judge_opened(channel, TSR_SIDE_SENDER, &from) ||
		    !judge_opened(channel, TSR_SIDE_RECEIVER, &to))
			return false;
		if (!(channel != 0     ? judge_round(channel, from, to)
		      : newest_is_on() ? newest_round(channel, from, to)
		      : meet_is_on()   ? meet_round(from, to)
		      : spool_is_on()  ? spool_round(from, to)
		                       : judge_round(channel, from, to)))
			return false;
	}
	return true;
}

/* Whoever slept is awake now. */
void
judge_wake_peers(void)
{
	(void)op_wake_up(world_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER));
	(void)op_wake_up(world_end(WORLD_PEER_RECEIVER, 0, TSR_SIDE_RECEIVER));
}

/* What the peer has done since the death, if it was not before: sent and received. */
static bool
judge_peer_since(struct judge_set *then, struct judge_set *now)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < scene.peer.done; i++) {
		uint64_t const serial = scene.peer.sends[i];

		if (judge_has(then->serial, then->count, serial))
			continue;
		if (judge_has(now->serial, now->count, serial)) {
			if (!judge_add(then, serial, false, "the peer"))
				return false;
		} else {
			gone++; /* the victim had received it */
		}
	}
	for (unsigned i = 0; i < scene.before_count; i++)
		gone += !judge_has(then->serial, then->count, scene.before[i]) &&
		        !judge_has(scene.peer.received, scene.peer.received_count, scene.before[i]);
	if (gone > scene.victim.receives_max + op_drops_max(0))
		return judge_say("%u messages have gone, and the victim received at most %u", gone,
		                 scene.victim.receives_max);
	for (unsigned i = 0; i < scene.peer.received_count; i++) {
		if (judge_has(then->serial, then->count, scene.peer.received[i]) &&
		    !judge_add(now, scene.peer.received[i], false,
		               "the peer received what is still "
		               "there"))
			return false;
	}
	return true;
}

/* Does what is ready now follow from what was at death, and from what the peer did since? */
static bool
judge_follows(struct ring const *now)
{
	struct judge_set then, due;
	unsigned dropped = 0;

	if (newest_is_on())
		return newest_follows(&judge_ring, now);
	if (!judge_due(&judge_ring, &then) || !judge_due(now, &due))
		return false;
	if (scene.peer_is_on && !judge_peer_since(&then, &due))
		return false;
	for (unsigned i = 0; i < then.count; i++) {
		if (judge_has(due.serial, due.count, then.serial[i]))
			continue;
		/* Only a peer that has gone on since may have dropped it. */
		if (!scene.peer_is_on || dropped++ >= op_drops_max(0))
			return judge_say("message %ju is lost", (uintmax_t)then.serial[i]);
	}
	if (then.count - dropped != due.count)
		return judge_say("%u messages became %u", then.count, due.count);
	return true;
}

bool
judge_after(struct judge_peer const *peer, bool fresh_drains)
{
	bool const peer_can = world_has_end(WORLD_PEER_RECEIVER, 0, TSR_SIDE_RECEIVER);
	enum world_client drainer = WORLD_PEER_RECEIVER;
	struct judge_set due, got = {.count = 0};
	struct ring now;

	if (world.shape->kind == TSR_KIND_BROADCAST)
		return judge_sleepers(judge_had_end, "after the repair") &&
		       judge_broadcast_after(peer, &judge_ring);
	if (!judge_story() || !judge_sleepers(judge_had_end, "after the repair"))
		return false;
	if (!scene.peer_is_on && !judge_ledger("after the repair"))
		return false;
	if (!judge_thaw(peer))
		return false;
	op_unhoard();
	judge_wake_peers();
	if (!judge_ledger("before new clients come"))
		return false;
	ring_read(&now);
	judge_forget_forged(&now);
	if (!judge_flags(&now) || !judge_follows(&now) || !judge_due(&now, &due))
		return false;
	if (!request_judge())
		return false;
	if ((fresh_drains || !peer_can) && !judge_opened(0, TSR_SIDE_RECEIVER, &drainer))
		return false;
	if (!judge_drain(drainer, &got) ||
	    !judge_same(&due, &got, drainer == WORLD_FRESH_RECEIVER && !meet_is_on()))
		return false;
	return request_judge_drained(&got) && judge_rounds() && judge_ledger("in the end") &&
	       judge_region() && judge_no_missed_wakes();
}

bool
judge_death(struct judge_peer const *peer, bool fresh_drains)
{
	judge_expect();
	return judge_repair() && judge_after(peer, fresh_drains);
}
