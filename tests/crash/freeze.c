/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * What must hold while the victim is frozen, and when it has gone on.
 */

#include <errno.h>
#include <string.h>

#include "shm/drop.h"
#include "tests/crash/judge.h"
#include "tests/crash/newest.h"
#include "tests/crash/op.h"
#include "tests/crash/ring.h"
#include "tests/crash/spool.h"

#define FREEZE_BLOCKS 5 /* more than a magazine holds: they come from the depot and go there */

/* What the peers received and sent meanwhile. */
static struct judge_set freeze_got;
static uint64_t freeze_sent[2];
static unsigned freeze_sent_count;

/* Of the victim: it is in the way. */
static bool
freeze_holds(struct ring_entry const *entry)
{
	return (entry->phase == TSR_CLAIMED || entry->phase == TSR_TAKEN) &&
	       entry->owner == WORLD_VICTIM;
}

/* A peer gets the newest message, or none. */
static bool
freeze_receive_newest(struct ring_entry const *due)
{
	unsigned const first = freeze_got.count;

	if (!judge_drain(WORLD_PEER_RECEIVER, &freeze_got))
		return false;
	if (freeze_got.count - first != (due != NULL) ||
	    (due != NULL && freeze_got.serial[first] != due->serial))
		return judge_say("a peer receives %u messages, expected the newest",
		                 freeze_got.count - first);
	return true;
}

/* A peer takes all that is ready up to the first slot that the victim has claimed. */
static bool
freeze_receive(unsigned long *held)
{
	unsigned first = freeze_got.count;
	struct ring ring;

	if (!world_has_end(WORLD_PEER_RECEIVER, 0, TSR_SIDE_RECEIVER))
		return true;
	ring_read(&ring);
	if (newest_is_on())
		return freeze_receive_newest(newest_entry(&ring));
	if (!judge_drain(WORLD_PEER_RECEIVER, &freeze_got))
		return false;
	for (unsigned i = 0; i < ring.count; i++) {
		struct ring_entry const *const entry = &ring.entry[i];

		if (entry->phase == TSR_CLAIMED && freeze_holds(entry) && !meet_is_on()) {
			held[HOLD_CLAIMED]++;
			break;
		}
		if (entry->phase != TSR_READY || entry->forged)
			continue;
		if (first == freeze_got.count)
			return judge_say(
				"message %ju is ready, no claimed slot is before it, and a "
				"peer can't receive it",
				(uintmax_t)entry->serial);
		if (freeze_got.serial[first] != entry->serial && !meet_is_on())
			return judge_say("a peer receives message %ju where %ju was next",
			                 (uintmax_t)freeze_got.serial[first],
			                 (uintmax_t)entry->serial);
		first++;
	}
	if (first != freeze_got.count)
		return judge_say("a peer receives message %ju past a claimed slot",
		                 (uintmax_t)freeze_got.serial[first]);
	return true;
}

/* What comes of a peer's send: full means something else where the channel drops. */
static int
freeze_send_want(struct ring const *ring)
{
	uint32_t const flags = world.shape->flags;

	if (ring->room || (flags & TSR_CHANNEL_DROP_NEWEST) != 0 || newest_is_on())
		return 0;
	for (unsigned i = 0; i < ring->count; i++) {
		if (ring->entry[i].position == ring->next - (int64_t)world.shape->capacity &&
		    ring->entry[i].phase == TSR_READY)
			return (flags & TSR_CHANNEL_DROP_OLDEST) != 0 ? 0 : -EAGAIN;
	}
	return -EAGAIN;
}

/* A peer that has the end, and nothing offered, offers something for the others to take. */
static bool
freeze_offer(void)
{
	for (unsigned i = 0; i < MEET_OFFERS && scene.hoard_count == 0; i++) {
		if (!meet_can(i))
			continue;
		meet_offer(i);
		freeze_sent[freeze_sent_count++] = world.serial;
		break;
	}
	return true;
}

static bool
freeze_send(unsigned long *held)
{
	bool const somebody_takes = world_has_end(WORLD_PEER_RECEIVER, 0, TSR_SIDE_RECEIVER);
	struct tsr_msg msg;
	struct ring ring;
	int error;

	if (meet_is_on())
		return freeze_offer();
	if (!world_has_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER) || scene.hoard_count != 0)
		return true;
	ring_read(&ring);
	if (!world_message(WORLD_PEER_SENDER, &msg))
		return judge_say("a peer gets no block");
	error = tsr_send(world.sender[WORLD_PEER_SENDER][0], &msg, TSR_NOWAIT);
	if (error != freeze_send_want(&ring))
		return judge_say("a peer's send gave %d, and there is %s", error,
		                 ring.room ? "room" : "none");
	if (error == 0) {
		freeze_sent[freeze_sent_count++] = world.serial;
		return true;
	}
	if (tsr_release(world.client[WORLD_PEER_SENDER], &msg) != 0)
		return judge_say("a peer can't release");
	if (!somebody_takes)
		return true; /* full, and the one receiver is frozen */
	for (unsigned i = 0; i < ring.count; i++) {
		if (ring.entry[i].position == ring.next - (int64_t)world.shape->capacity &&
		    freeze_holds(&ring.entry[i])) {
			held[HOLD_LAP]++;
			return true;
		}
	}
	return judge_say("a peer can't send, and the victim has not the slot of a lap ago");
}

static bool
freeze_depot(void)
{
	struct tsr_client const client = world.client[WORLD_PEER_SENDER];
	struct tsr_msg msg[FREEZE_BLOCKS];

	if (scene.hoard_count != 0 || scene.cells_held != 0)
		return true;
	for (unsigned i = 0; i < FREEZE_BLOCKS; i++) {
		if (tsr_alloc(client, WORLD_MESSAGE, &msg[i]) != 0)
			return judge_say("a peer gets no block from the depot");
	}
	for (unsigned i = 0; i < FREEZE_BLOCKS; i++) {
		if (tsr_release(client, &msg[i]) != 0)
			return judge_say("a peer can't give a block to the depot");
	}
	return true;
}

static bool
freeze_other_channel(void)
{
	struct tsr_msg msg;

	if (scene.hoard_count != 0 || scene.request.asker != 0)
		return true;
	if (!world_message(WORLD_PEER_SENDER, &msg) ||
	    tsr_send(world.sender[WORLD_PEER_SENDER][1], &msg, TSR_NOWAIT) != 0 ||
	    tsr_recv(world.receiver[WORLD_PEER_RECEIVER][1], &msg, TSR_NOWAIT) != 0 ||
	    world_serial(&msg) != world.serial ||
	    tsr_release(world.client[WORLD_PEER_RECEIVER], &msg) != 0)
		return judge_say("another channel is held up");
	return true;
}

/* The peer that sleeps on channel 0, if one does; its side. */
static struct tsr_end *
freeze_sleeper(enum tsr_side *side)
{
	struct tsr_end *const sender = world_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER);
	struct tsr_end *const receiver = world_end(WORLD_PEER_RECEIVER, 0, TSR_SIDE_RECEIVER);

	if (scene.victim.start == NULL || (scene.victim.start->flags & START_PEER_SLEEPS) == 0)
		return NULL;
	if (receiver != NULL && receiver->token != UINT32_MAX) {
		*side = TSR_SIDE_RECEIVER;
		return receiver;
	}
	*side = TSR_SIDE_SENDER;
	return sender != NULL && sender->token != UINT32_MAX ? sender : NULL;
}

/* Is there anything for whoever sleeps on this side? */
static bool
freeze_work(enum tsr_side side)
{
	struct ring ring;

	if (side == TSR_SIDE_SENDER && meet_is_on())
		return meet_settle(0);
	ring_read(&ring);
	if (newest_is_on())
		/* Senders never wait: one that sleeps here is there to be woken by a receive. */
		return side == TSR_SIDE_RECEIVER && newest_entry(&ring) != NULL;
	if (side == TSR_SIDE_SENDER)
		return ring.room && !spool_is_on(); /* of that no sender sleeps */
	for (unsigned i = 0; i < ring.count; i++) {
		if (ring.entry[i].phase == TSR_READY)
			return true;
		if (freeze_holds(&ring.entry[i]))
			return false;
	}
	return false;
}

/*
 * Whoever sleeps is held up at most while the victim is between publish and wake, and only until
 * the next one publishes, unless the victim has claimed its token.
 */
static bool
freeze_wake(unsigned long *held)
{
	enum tsr_side side;
	struct tsr_end *const end = freeze_sleeper(&side);
	uint64_t word;

	if (end == NULL)
		return true;
	word = world_token(0, side, end->token);
	if (tsr_token_state(word) == TSR_TOKEN_CLAIMED) {
		if (!world_token_woken(0, side, end->token))
			held[HOLD_WAKE]++;
		return true;
	}
	if (tsr_token_state(word) != TSR_TOKEN_ENQUEUED)
		return true;
	held[HOLD_WAKE] += freeze_work(side);
	/* Somebody else publishes. */
	if (side == TSR_SIDE_SENDER || !world_has_end(WORLD_PEER_SENDER, 0, TSR_SIDE_SENDER))
		return true;
	if (!freeze_send(held))
		return false;
	word = world_token(0, side, end->token);
	if (freeze_sent_count > 0 &&
	    (tsr_token_state(word) != TSR_TOKEN_CLAIMED || !world_token_woken(0, side, end->token)))
		return judge_say("a peer sends, and the sleeper is not woken");
	return true;
}

/* A peer that slept and looked by itself, for the victim is stopped between publish and wake. */
static bool
freeze_missed(unsigned long *held)
{
	for (unsigned id = 1; id < WORLD_CLIENTS; id++) {
		_Atomic uint64_t *const missed = &world.realm.map.states[id - 1].missed_wakes;

		held[HOLD_WAKE] += atomic_load(missed);
		atomic_store(missed, 0);
	}
	return true;
}

bool
judge_frozen(struct judge_peer const *peer, unsigned long *held)
{
	freeze_got.count = 0;
	freeze_sent_count = 0;
	if (world.shape->kind == TSR_KIND_BROADCAST)
		return judge_broadcast_frozen(peer, held);
	if (scene.peer_is_on)
		return judge_thaw(peer) && freeze_missed(held);
	if (!freeze_wake(held))
		return false;
	judge_wake_peers();
	return freeze_receive(held) && freeze_send(held) && freeze_receive(held) &&
	       freeze_depot() && freeze_other_channel() && request_frozen(&freeze_got, held);
}

static bool
freeze_expect(struct judge_set *set, uint64_t const *serials, unsigned count, char const *who)
{
	for (unsigned i = 0; i < count; i++) {
		if (!judge_add(set, serials[i], false, who))
			return false;
	}
	return true;
}

/* All that was sent has been received, once. */
static bool
freeze_account(struct judge_set *got)
{
	struct judge_set due = {.count = 0};
	unsigned dropped = 0;

	if (!freeze_expect(&due, scene.before, scene.before_count, "before") ||
	    !freeze_expect(&due, scene.victim.sends, (unsigned)scene.victim.done, "sent") ||
	    !freeze_expect(&due, scene.peer.sends, (unsigned)scene.peer.done, "the peer") ||
	    !freeze_expect(&due, freeze_sent, freeze_sent_count, "meanwhile") ||
	    !freeze_expect(got, scene.victim.received, scene.victim.received_count, "victim") ||
	    !freeze_expect(got, scene.peer.received, scene.peer.received_count, "peer"))
		return false;
	if (newest_is_on())
		return newest_account(got, freeze_sent, freeze_sent_count);
	for (unsigned i = 0; i < due.count; i++) {
		bool found = false;

		for (unsigned k = 0; k < got->count; k++)
			found = found || got->serial[k] == due.serial[i];
		if (!found && dropped++ >= op_drops_max(freeze_sent_count))
			return judge_say("message %ju is lost, and nobody died",
			                 (uintmax_t)due.serial[i]);
	}
	if (due.count - dropped != got->count)
		return judge_say("%u messages were sent, %u received", due.count, got->count);
	return true;
}

/* Who takes what is left: a peer, the victim, or a new client. */
static bool
freeze_drain(void)
{
	enum world_client id = WORLD_PEER_RECEIVER;

	if (!world_has_end(id, 0, TSR_SIDE_RECEIVER)) {
		id = WORLD_VICTIM;
		if (!world_has_end(id, 0, TSR_SIDE_RECEIVER) &&
		    !judge_opened(0, TSR_SIDE_RECEIVER, &id))
			return false;
	}
	return judge_drain(id, &freeze_got);
}

/* Has anything been sent, or received, since the scene was set? */
static bool
freeze_published(enum tsr_side side)
{
	if (side == TSR_SIDE_RECEIVER)
		return scene.victim.done + freeze_sent_count > 0;
	return scene.victim.received_count + freeze_got.count > 0;
}

/* Who waits by descriptor is told of what is there, and that before anybody can look for it. */
static bool
freeze_events(void)
{
	for (uint32_t i = 0; i < 2 * TSR_TOKENS_PER_SIDE; i++) {
		enum tsr_side const side =
			i < TSR_TOKENS_PER_SIDE ? TSR_SIDE_SENDER : TSR_SIDE_RECEIVER;
		uint64_t const word = world_token(0, side, i % TSR_TOKENS_PER_SIDE);

		if (!tsr_token_is_event(word))
			continue;
		if (tsr_token_state(word) == TSR_TOKEN_ENQUEUED && freeze_published(side))
			return judge_say("an event token is not claimed, and something is there");
		if (tsr_token_state(word) == TSR_TOKEN_CLAIMED &&
		    !world_token_woken(0, side, i % TSR_TOKENS_PER_SIDE))
			return judge_say("an event token is claimed, and nobody rang");
	}
	return true;
}

static bool
freeze_settle(void)
{
	enum tsr_side side;
	struct tsr_end *const sleeper = freeze_sleeper(&side);

	if (!scene.victim.finished)
		return judge_say("the victim did not come to its end");
	if (sleeper != NULL && freeze_work(side) &&
	    tsr_token_state(world_token(0, side, sleeper->token)) == TSR_TOKEN_ENQUEUED)
		return judge_say("client %u sleeps on what is there", sleeper->me);
	if (!freeze_events())
		return false;
	judge_wake_peers();
	op_unhoard();
	if (!judge_ledger("when all have gone on"))
		return false;
	return freeze_drain() && freeze_account(&freeze_got) && request_thawed(&freeze_got) &&
	       judge_ledger("in the end") && judge_no_missed_wakes();
}

bool
judge_thawed(void)
{
	return world.shape->kind == TSR_KIND_BROADCAST ? judge_broadcast_thawed() : freeze_settle();
}

bool
judge_end(struct judge_peer const *peer)
{
	freeze_got.count = 0;
	freeze_sent_count = 0;
	if (!scene.peer_is_on &&
	    scene.victim.result != op_want(scene.victim.op, scene.victim.start))
		return judge_say("the operation gave %d, expected %d", scene.victim.result,
		                 op_want(scene.victim.op, scene.victim.start));
	if (world.shape->kind == TSR_KIND_BROADCAST)
		return judge_broadcast_end(peer);
	return judge_thaw(peer) && freeze_settle();
}
