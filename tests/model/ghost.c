/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * What must hold, kept beside the modelled memory: where each message is, by the stores that send
 * and receive it (the slot that becomes ready, the slot that becomes empty), and who owns each
 * ticket, by what the calls returned.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/ledger.h"
#include "shm/requeue.h"
#include "shm/unlimited.h"
#include "tests/model/model.h"

/*
 * A message: state | who received it << 8 | who was given it << 16 | its send returned 0 << 24 |
 * a request whose asker no longer waits << 25 | because it was told that no reply comes << 26.
 */
enum ghost_message {
	GHOST_NONE,
	GHOST_BEGUN,
	GHOST_PUBLISHED,
	GHOST_RECEIVED, /* its slot was freed */
};
#define GHOST_SENT      (UINT64_C(1) << 24)
#define GHOST_OVER      (UINT64_C(1) << 25)
#define GHOST_HOPELESS  (UINT64_C(1) << 26)
#define GHOST_LEFT      (UINT64_C(1) << 27) /* by a cancelled send, to its scope */
#define GHOST_HANDED    (UINT64_C(1) << 28) /* over by its scope */
#define GHOST_IN_FLIGHT UINT64_C(0x100)

void
model_violate(const char *format, ...)
{
	va_list args;

	if (model.violation != NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(model.text, sizeof(model.text), format, args);
	va_end(args);
	model.violation = model.text;
}

static unsigned
ghost_state(unsigned m)
{
	return (unsigned)(model.ghost->message[m] & 0xff);
}

static unsigned
ghost_receiver(unsigned m)
{
	return (unsigned)(model.ghost->message[m] >> 8 & 0xff);
}

static unsigned
ghost_given(unsigned m)
{
	return (unsigned)(model.ghost->message[m] >> 16 & 0xff);
}

static bool
ghost_lives(unsigned number)
{
	return model.ghost->status[number] != MODEL_ABSENT &&
	       model.ghost->status[number] < MODEL_DEAD;
}

/* The first message of a sender; the senders' lie one after the other. */
static unsigned
ghost_first(unsigned number)
{
	unsigned m = 0;

	for (unsigned i = 1; i < number; i++)
		m += model.process[i].actor->sends ? model.process[i].actor->messages : 0;
	return m;
}

static unsigned
ghost_sender(unsigned m)
{
	unsigned number = 1;

	while (number + 1 < model.processes && ghost_first(number + 1) <= m)
		number++;
	return number;
}

static unsigned
ghost_find(uint64_t name)
{
	for (unsigned m = 0; m < MODEL_MESSAGES; m++) {
		if (ghost_state(m) != GHOST_NONE && model.ghost->name[m] == name)
			return m;
	}
	return MODEL_MESSAGES;
}

/* Which channel does it send to, receive from? */
static bool
ghost_sends_to(struct model_actor const *actor, unsigned channel)
{
	return actor->sends && (actor->serves || actor->second) == (channel == 1);
}

static bool
ghost_receives_from(struct model_actor const *actor, unsigned channel)
{
	return actor->receives && (actor->both || (actor->asks || actor->second) == (channel == 1));
}

/* The request that message @m replies to; MODEL_MESSAGES: it is no reply. All requests are the
 * first process's, and so are the first messages. */
static unsigned
ghost_request(unsigned m)
{
	unsigned const sender = ghost_sender(m);

	return model.process[sender].actor->serves ? m - ghost_first(sender) : MODEL_MESSAGES;
}

/* Does nobody wait any more for what @m replies to? */
static bool
ghost_too_late(unsigned m)
{
	unsigned const request = ghost_request(m);

	return request < MODEL_MESSAGES && (model.ghost->message[request] & GHOST_OVER) != 0;
}

/* The @i-th slot that may hold a message, in one ring or in several; NULL: there are no more. */
static struct tsr_slot *
ghost_slot(struct tsr_channel const *channel, uint32_t i)
{
	struct tsr_slot *slots = channel->shm->slot;

	if (channel->kind != TSR_KIND_UNLIMITED)
		return i < channel->capacity ? &slots[i] : NULL;
	for (; i >= channel->mask; i -= channel->mask) {
		uint64_t const link = model_memory_look(model_memory_word(&slots[0].name));

		if (tsr_name_index(link) == TSR_TICKETS_MAX)
			return NULL;
		slots = tsr_unlimited_segment(channel, link);
	}
	return &slots[i + 1];
}

static bool
ghost_meets(void)
{
	return model.record.channel.kind == TSR_KIND_RENDEZVOUS;
}

/*
 * Of a broadcast: who has got a message, who looks at it in its slot, who has it in hands (in the
 * slot, or retained): one bit a process each.
 */
#define GHOST_SEEN(number)    (UINT64_C(1) << (32 + (number)))
#define GHOST_VIEWED(number)  (UINT64_C(1) << (40 + (number)))
#define GHOST_IN_HAND(number) (UINT64_C(1) << (48 + (number)))

static bool
ghost_is_broadcast(void)
{
	return model.scenario->kind == TSR_KIND_BROADCAST;
}

/* A slow reader is not waited for: what it sees may be written over. */
static bool
ghost_overtakes(void)
{
	return (model.scenario->flags & (TSR_CHANNEL_EVICT | TSR_CHANNEL_LAP)) != 0;
}

/* A sender claims the slot in which message @m is: every reader must have let it go. */
static void
ghost_written_over(unsigned number, unsigned m)
{
	if (m == MODEL_MESSAGES || ghost_state(m) != GHOST_PUBLISHED) {
		model_violate("process %u writes over what was not sent", number);
		return;
	}
	for (unsigned i = 1; i < model.processes; i++) {
		uint64_t const message = model.ghost->message[m];

		if (ghost_overtakes() || !model.process[i].actor->receives || !ghost_lives(i) ||
		    model.ghost->open[i] == 0)
			continue;
		if ((message & GHOST_VIEWED(i)) != 0)
			model_violate("message %u is written over under the eyes of process %u", m,
			              i);
		if ((message & GHOST_SEEN(i)) == 0 && !model.process[i].actor->late)
			model_violate("message %u is written over before process %u has seen it", m,
			              i);
	}
	model_set(&model.ghost->message[m], model.ghost->message[m] + 1);
}

static bool
ghost_is_held(unsigned m)
{
	for (unsigned i = 1; i < model.processes; i++) {
		if (ghost_lives(i) && (model.ghost->message[m] & GHOST_IN_HAND(i)) != 0)
			return true;
	}
	return false;
}

static void
ghost_slot_ready(unsigned number, unsigned m)
{
	if (number == 0)
		return; /* the reaper: a taken message is ready again */
	if (m == MODEL_MESSAGES || ghost_state(m) != GHOST_BEGUN) {
		model_violate("process %u publishes what it does not send", number);
		return;
	}
	model_set(&model.ghost->message[m], model.ghost->message[m] + 1);
	if (ghost_request(m) < MODEL_MESSAGES &&
	    (model.ghost->message[ghost_request(m)] & GHOST_HOPELESS) != 0)
		model_violate("process %u replies to request %u, which has failed", number,
		              ghost_request(m));
}

/* The position of slot @i, if its message is of this word: of a conflated channel. */
static uint64_t
ghost_position(uint32_t i, uint64_t word)
{
	struct tsr_channel const *const channel = &model.record.channel;
	uint64_t const newest = model_memory_look(model_memory_word(&channel->shm->newest));
	int64_t const laps = tsr_lap_distance(tsr_slot_lap(word), tsr_channel_lap(channel, newest));

	return (newest & ~(uint64_t)channel->mask) + i + (uint64_t)laps * channel->capacity;
}

static uint64_t
ghost_newest(void)
{
	return model_memory_look(model_memory_word(&model.record.channel.shm->newest));
}

static bool
ghost_conflated(void)
{
	return model.record.channel.kind == TSR_KIND_CONFLATED;
}

/* Who takes a message of a conflated channel to drop it, or receives it. */
static void
ghost_conflated_taken(unsigned number, uint32_t i, uint64_t word)
{
	if (number != 0 && model.process[number].actor->sends &&
	    (int64_t)(ghost_newest() - ghost_position(i, word)) <= 0)
		model_violate("process %u drops a message, and none is newer", number);
}

static void
ghost_conflated_received(unsigned number, uint32_t i, uint64_t word)
{
	uint64_t const position = ghost_position(i, word) + 1; /* 0: none yet */

	if (number == 0 || model.process[number].actor->sends)
		return;
	if (model.ghost->got[number] != 0 && (int64_t)(position - model.ghost->got[number]) <= 0)
		model_violate("process %u receives an older message after a newer one", number);
	model_set(&model.ghost->got[number], position);
}

static void
ghost_conflated_wrote(unsigned number, uint32_t word, uint64_t old, uint64_t v)
{
	uint32_t const i = (word - model_memory_word(model.record.channel.shm->slot)) / 4;

	if (tsr_slot_phase(v) == TSR_TAKEN)
		ghost_conflated_taken(number, i, v);
	if (tsr_slot_phase(v) == TSR_EMPTY && tsr_slot_phase(old) == TSR_TAKEN)
		ghost_conflated_received(number, i, old);
}

/* Does the process take messages to drop them? */
static bool
ghost_drops(unsigned number)
{
	return model.process[number].actor->sends &&
	       (ghost_conflated() || (model.record.channel.flags & TSR_CHANNEL_DROP_OLDEST) != 0);
}

/*
 * A sender takes a message to drop it. While nobody has died, only the oldest of a full channel:
 * all other slots hold something.
 */
static void
ghost_slot_taken(unsigned number, uint32_t word)
{
	struct tsr_channel const *const channel = &model.record.channel;

	if (number == 0 || !ghost_drops(number) || model.ghost->sender_died[0] != 0 ||
	    model.ghost->receiver_died[0] != 0)
		return;
	for (uint32_t i = 0; i < channel->capacity; i++) {
		uint32_t const other = model_memory_word(&channel->shm->slot[i].word);
		int64_t const newer = tsr_lap_distance(tsr_slot_lap(model_memory_look(other)),
		                                       tsr_slot_lap(model_memory_look(word)));

		if (other != word && tsr_slot_phase(model_memory_look(other)) == TSR_EMPTY)
			model_violate("process %u drops a message, and slot %u is empty", number,
			              i);
		if (newer < 0 || (newer == 0 && other < word))
			model_violate("process %u drops a message that is newer than slot %u's",
			              number, i);
	}
}

/* A sender has dropped what it had taken: its ticket may be used again. */
static void
ghost_dropped(unsigned number, unsigned m)
{
	model_set(&model.ghost->message[m], model.ghost->message[m] + ((uint64_t)number << 16));
	model_set(&model.ghost->owner[tsr_name_index(model.ghost->name[m])], 0);
}

static void
ghost_slot_empty(unsigned number, unsigned m, unsigned phase)
{
	if (ghost_meets()) {
		if (m < MODEL_MESSAGES && ghost_state(m) == GHOST_PUBLISHED)
			model_violate("process %u drops the offer of message %u", number, m);
		return;
	}
	if (number == 0) {
		if (phase != TSR_CLAIMED && m < MODEL_MESSAGES && ghost_state(m) == GHOST_PUBLISHED)
			model_violate("the reaper drops message %u", m);
		return;
	}
	if (m == MODEL_MESSAGES || ghost_state(m) != GHOST_PUBLISHED)
		model_violate("process %u receives what was not sent, or a second time", number);
	else
		model_set(&model.ghost->message[m],
		          model.ghost->message[m] + 1 + ((uint64_t)number << 8));
	if (model.violation == NULL && ghost_drops(number))
		ghost_dropped(number, m);
}

/* Is this the word of a slot of a segment? A block has room for one, whose first slot is a link. */
static bool
ghost_is_in_block(uint32_t word)
{
	uint32_t const first = model_memory_word(model.map.arena_base[0]);
	uint32_t const words = model.map.klass[0].block_bytes / 8;

	return word >= first && word < first + model.map.arena_bytes[0] / 8 &&
	       (word - first) % 4 == 0 && (word - first) % words != 0;
}

/* Is this the word of a slot? */
static bool
ghost_is_slot(uint32_t word)
{
	for (unsigned i = 0; i < model_channels(); i++) {
		struct tsr_channel const *const channel = &model_channel(i)->channel;
		uint32_t const first = model_memory_word(channel->shm->slot);

		if (word >= first && word < first + channel->capacity * 4)
			return (word - first) % 4 == 0;
	}
	return model.scenario->kind == TSR_KIND_UNLIMITED && ghost_is_in_block(word);
}

/* In a rendezvous the ticket's word says who has the message. */
static void
ghost_met(unsigned number, uint32_t word, uint64_t old, uint64_t v)
{
	uint32_t const first = model_memory_word(model.map.tickets);
	uint32_t const index = (word - first) / 2;
	unsigned m;

	if (word < first || index >= model.map.tickets_count || (word - first) % 2 != 0 ||
	    tsr_word_holder(old) != TSR_HOLDER_CHANNEL)
		return;
	m = ghost_find(tsr_name_make(index, tsr_word_generation(old)));
	if (m == MODEL_MESSAGES || ghost_state(m) != GHOST_PUBLISHED) {
		/* Claimed, and its sender died before it was offered. */
		if (number != 0)
			model_violate("process %u takes what is not offered", number);
	} else if (number != 0 && tsr_word_kind(v) == TSR_TICKET_RECEIVED) {
		model_set(&model.ghost->message[m],
		          model.ghost->message[m] + 1 + ((uint64_t)number << 8));
	} else {
		if (number != 0 && number != ghost_sender(m))
			model_violate("process %u takes back what %u offers", number,
			              ghost_sender(m));
		if (number == 0 && ghost_lives(ghost_sender(m)))
			model_violate("the reaper takes the offer of %u, who lives",
			              ghost_sender(m));
		model_set(&model.ghost->message[m], model.ghost->message[m] - 1);
	}
}

/* A store to the modelled memory was performed: is it one that sends or receives? */
void
model_ghost_wrote(unsigned number, uint32_t word, uint64_t old, uint64_t v)
{
	unsigned m, slot;

	if (ghost_meets())
		ghost_met(number, word, old, v);
	if (!ghost_is_slot(word))
		return;
	m = ghost_find(model_memory_look(word + 1));
	/* Of a broadcast the next name may stand there before the next claim is seen. */
	slot = (word - model_memory_word(model.record.channel.shm->slot)) / 4 % MODEL_SLOTS;
	if (tsr_slot_phase(v) == TSR_READY && tsr_slot_phase(old) != TSR_READY) {
		ghost_slot_ready(number, m);
		model_set(&model.ghost->in_slot[slot], ghost_is_broadcast() ? m + 1 : 0);
	} else if (ghost_is_broadcast() && tsr_slot_phase(old) == TSR_READY)
		ghost_written_over(number, (unsigned)model.ghost->in_slot[slot] - 1);
	else if (tsr_slot_phase(v) == TSR_EMPTY && tsr_slot_phase(old) != TSR_EMPTY)
		ghost_slot_empty(number, m, tsr_slot_phase(old));
	else if (tsr_slot_phase(v) == TSR_TAKEN && !ghost_conflated())
		ghost_slot_taken(number, word);
	if (ghost_conflated())
		ghost_conflated_wrote(number, word, old, v);
}

static uint64_t *
ghost_owner(struct tsr_msg const *msg)
{
	uint32_t const index = tsr_name_index(msg->zdesc.name);

	return &model.ghost->owner[index < MODEL_TICKETS ? index : 0];
}

/* May somebody else have the ticket now that @owner had last? */
static bool
ghost_free(uint64_t owner)
{
	unsigned const m = (unsigned)(owner & 0xff);

	if (owner == 0)
		return true;
	if ((owner & GHOST_IN_FLIGHT) == 0)
		return false;
	if (ghost_is_broadcast() && ghost_state(m) == GHOST_RECEIVED)
		return !ghost_is_held(m);
	return (ghost_state(m) == GHOST_BEGUN && !ghost_lives(ghost_sender(m))) ||
	       (ghost_state(m) == GHOST_RECEIVED &&
	        (!ghost_lives(ghost_receiver(m)) || (ghost_given(m) == 0 && ghost_too_late(m))));
}

void
model_ghost_allocated(struct model_process *self, struct tsr_msg const *msg)
{
	uint64_t *const owner = ghost_owner(msg);

	if (!ghost_free(*owner))
		model_violate("process %u is given ticket %u, which is in use (%llx)", self->number,
		              tsr_name_index(msg->zdesc.name), (unsigned long long)*owner);
	if ((*owner & GHOST_IN_FLIGHT) != 0 &&
	    ghost_state((unsigned)(*owner & 0xff)) == GHOST_BEGUN)
		model_set(&model.ghost->message[*owner & 0xff], GHOST_NONE);
	model_set(owner, self->number);
}

/* Its send was cancelled, and the message is its scope's. */
void
model_ghost_left(struct model_process *self, unsigned m)
{
	if (ghost_state(m) != GHOST_BEGUN)
		model_violate("process %u is told that message %u was not sent, and it was",
		              self->number, m);
	model_set(&model.ghost->message[m], model.ghost->message[m] | GHOST_LEFT);
}

/* A scope hands over what was not delivered. */
void
model_ghost_handed(struct model_process *self, struct tsr_msg const *msg)
{
	uint64_t const owner = *ghost_owner(msg);
	unsigned const m = (unsigned)(owner & 0xff);

	if ((owner & GHOST_IN_FLIGHT) == 0 || ghost_state(m) != GHOST_BEGUN) {
		(void)model_ghost_received(self, msg);
		return;
	}
	if (ghost_sender(m) != self->number || (model.ghost->message[m] & GHOST_HANDED) != 0)
		model_violate("process %u is handed message %u, which another sends, or once more",
		              self->number, m);
	model_set(&model.ghost->message[m], model.ghost->message[m] | GHOST_HANDED);
	model_set(ghost_owner(msg), self->number);
}

unsigned
model_ghost_sends(struct model_process *self, struct tsr_msg const *msg, unsigned k)
{
	unsigned const m = ghost_first(self->number) + k;

	model_set(&model.ghost->message[m], GHOST_BEGUN);
	model_set(&model.ghost->name[m], msg->zdesc.name);
	model_set(ghost_owner(msg), GHOST_IN_FLIGHT | m);
	return m;
}

static bool
ghost_open(bool sends, unsigned channel)
{
	for (unsigned i = 1; i < model.processes; i++) {
		struct model_actor const *const actor = model.process[i].actor;

		/* One that opens late may have come after the end was seen. */
		if ((sends ? ghost_sends_to : ghost_receives_from)(actor, channel) &&
		    !actor->late && ghost_lives(i) && model.ghost->open[i] != 0)
			return true;
	}
	return false;
}

/* Not sent, and about to be sent again: perhaps under another name. */
void
model_ghost_kept(struct model_process *self, unsigned m, struct tsr_msg const *msg)
{
	if (ghost_state(m) != GHOST_BEGUN)
		model_violate("process %u is told that message %u was not sent, and it was",
		              self->number, m);
	model_set(&model.ghost->name[m], msg->zdesc.name);
}

void
model_ghost_sent(struct model_process *self, unsigned m, int error)
{
	if (error == 0 && ghost_state(m) == GHOST_BEGUN &&
	    (model.record.channel.flags & TSR_CHANNEL_DROP_NEWEST) != 0) {
		/* Dropped. */
		model_set(&model.ghost->owner[tsr_name_index(model.ghost->name[m])], 0);
		model_set(&model.ghost->message[m], GHOST_NONE);
		return;
	}
	if (error == 0 && ghost_meets() && ghost_state(m) != GHOST_RECEIVED)
		model_violate("process %u is told that message %u was received, and it was not",
		              self->number, m);
	if (error == 0) {
		model_set(&model.ghost->message[m], model.ghost->message[m] | GHOST_SENT);
		return;
	}
	if (ghost_state(m) != GHOST_BEGUN)
		model_violate("process %u is told %d, and message %u was sent", self->number, error,
		              m);
	model_set(&model.ghost->owner[tsr_name_index(model.ghost->name[m])], self->number);
	model_set(&model.ghost->message[m], GHOST_NONE);
	if (error != -ETIMEDOUT && (error != -ECANCELED || !self->actor->scoped))
		model_ghost_ended(self, ghost_sends_to(self->actor, 1), true, error);
}

static unsigned
ghost_viewed(struct model_process *self, struct tsr_msg const *msg)
{
	unsigned const m = ghost_find(msg->zdesc.name);
	unsigned const i = self->number;

	if (m == MODEL_MESSAGES && ghost_overtakes())
		return m; /* it is written over by now */
	if (m == MODEL_MESSAGES || (ghost_state(m) != GHOST_PUBLISHED && !ghost_overtakes())) {
		model_violate("process %u receives what is not there", i);
		return MODEL_MESSAGES;
	}
	if ((model.ghost->message[m] & GHOST_SEEN(i)) != 0)
		model_violate("process %u receives message %u twice", i, m);
	if (msg->length != m + 1)
		model_violate("process %u receives message %u with a length of %u", i, m,
		              msg->length);
	model_set(&model.ghost->message[m], model.ghost->message[m] | GHOST_SEEN(i) |
	                                            GHOST_VIEWED(i) |
	                                            (ghost_overtakes() ? 0 : GHOST_IN_HAND(i)));
	return m;
}

/* From here on nobody may use its ticket again. */
void
model_ghost_holds(struct model_process *self, unsigned m)
{
	if (m < MODEL_MESSAGES)
		model_set(&model.ghost->message[m],
		          model.ghost->message[m] | GHOST_IN_HAND(self->number));
}

void
model_ghost_retains(struct model_process *self, unsigned m)
{
	if (m < MODEL_MESSAGES)
		model_set(&model.ghost->message[m],
		          model.ghost->message[m] & ~GHOST_VIEWED(self->number));
}

/* Return: the number of the message, MODEL_MESSAGES if it is none. */
unsigned
model_ghost_received(struct model_process *self, struct tsr_msg const *msg)
{
	uint32_t const index = tsr_name_index(msg->zdesc.name);
	uint64_t const owner = *ghost_owner(msg);
	unsigned const m = (unsigned)(owner & 0xff);

	if (ghost_is_broadcast())
		return ghost_viewed(self, msg);
	if ((owner & GHOST_IN_FLIGHT) == 0 ||
	    tsr_name_next(model.ghost->name[m]) != msg->zdesc.name) {
		model_violate("process %u receives ticket %u, which was not sent", self->number,
		              index);
		return MODEL_MESSAGES;
	}
	/* From no slot, but once more. */
	if (ghost_state(m) == GHOST_PUBLISHED && (msg->flags & TSR_MSG_REDELIVERED) != 0 &&
	    tsr_requeue_is_on(&model.record.channel))
		model_set(&model.ghost->message[m],
		          GHOST_SENT | GHOST_RECEIVED | ((uint64_t)self->number << 8));
	if (ghost_given(m) != 0)
		model_violate("process %u receives message %u, which %u has received", self->number,
		              m, ghost_given(m));
	if (msg->length != m + 1)
		model_violate("process %u receives message %u with a length of %u", self->number, m,
		              msg->length);
	model_set(&model.ghost->message[m],
	          model.ghost->message[m] + ((uint64_t)self->number << 16));
	model_set(ghost_owner(msg), self->number);
	return m;
}

/* @next: for each sender, the least number that may come. */
void
model_ghost_in_order(struct model_process *self, unsigned m, unsigned next[MODEL_PROCESSES])
{
	unsigned const sender = m < MODEL_MESSAGES ? ghost_sender(m) : 0;
	bool const senders_take = (model.record.channel.flags & TSR_CHANNEL_DROP_OLDEST) != 0;

	if (sender == 0)
		return;
	if (m < next[sender] &&
	    (ghost_conflated() ||
	     model.ghost->receiver_died[model.process[sender].actor->second] == 0) &&
	    (!senders_take || model.ghost->sender_died[0] == 0))
		model_violate("process %u receives message %u after %u", self->number, m,
		              next[sender] - 1);
	next[sender] = m + 1;
}

void
model_ghost_releases(struct model_process *self, struct tsr_msg const *msg)
{
	if ((msg->flags & TSR_MSG_SHARED) != 0) {
		unsigned const m = ghost_find(msg->zdesc.name);
		uint64_t const mine = GHOST_VIEWED(self->number) | GHOST_IN_HAND(self->number);

		if (m < MODEL_MESSAGES)
			model_set(&model.ghost->message[m], model.ghost->message[m] & ~mine);
		return;
	}
	if (*ghost_owner(msg) != self->number)
		model_violate("process %u releases what is not its own", self->number);
	model_set(ghost_owner(msg), 0);
}

/* Where a message is sent. */
static struct tsr_channel const *
ghost_channel(unsigned m)
{
	return &model_channel(ghost_sends_to(model.process[ghost_sender(m)].actor, 1))->channel;
}

static bool
ghost_in_slot(unsigned m)
{
	struct tsr_channel const *const channel = ghost_channel(m);
	struct tsr_slot *slot;
	bool found = false;

	for (uint32_t i = 0; (slot = ghost_slot(channel, i)) != NULL; i++) {
		uint64_t const word = model_memory_look(model_memory_word(&slot->word));

		found = found ||
		        (tsr_slot_phase(word) != TSR_EMPTY &&
		         model_memory_look(model_memory_word(&slot->name)) == model.ghost->name[m]);
	}
	return found;
}

/* Published, not yet received, and no living receiver has it in hands. */
static bool
ghost_waits(unsigned m)
{
	struct tsr_channel const *const channel = ghost_channel(m);
	struct tsr_slot *slot;

	if (ghost_state(m) != GHOST_PUBLISHED || ghost_given(m) != 0)
		return false;
	/* What a dead one held may come again after the end was told. */
	if (tsr_requeue_is_on(&model.record.channel) && !ghost_in_slot(m))
		return false;
	for (uint32_t i = 0; (slot = ghost_slot(channel, i)) != NULL; i++) {
		uint64_t const word = model_memory_look(model_memory_word(&slot->word));

		if (model_memory_look(model_memory_word(&slot->name)) != model.ghost->name[m])
			continue;
		if (ghost_conflated() && ghost_position(i, word) != ghost_newest())
			return false; /* it counts no more */
		if (tsr_slot_phase(word) != TSR_TAKEN)
			continue;
		for (unsigned p = 1; p < model.processes; p++) {
			if (model.process[p].attachment->me == tsr_slot_owner(word) &&
			    ghost_lives(p))
				return false;
		}
	}
	return true;
}

static bool
ghost_anyone_late(void)
{
	for (unsigned i = 1; i < model.processes; i++) {
		if (model.process[i].actor->late)
			return true;
	}
	return false;
}

/* A call said that the other side is gone. */
void
model_ghost_ended(struct model_process *self, unsigned channel, bool sends, int error)
{
	uint64_t const died =
		(sends ? model.ghost->receiver_died : model.ghost->sender_died)[channel];

	if (error != -EPIPE && error != -ECONNRESET) {
		model_violate("process %u is told %d", self->number, error);
		return;
	}
	if (ghost_open(!sends, channel))
		model_violate("process %u is told %s, and the other side is there", self->number,
		              error == -EPIPE ? "-EPIPE" : "-ECONNRESET");
	for (unsigned m = 0; !sends && m < MODEL_MESSAGES; m++) {
		if (ghost_is_broadcast() &&
		    (model.ghost->message[m] & GHOST_SEEN(self->number)) != 0)
			continue;
		if (self->actor->late && ghost_is_broadcast())
			continue;
		if (ghost_waits(m) && ghost_channel(m) == &model_channel(channel)->channel &&
		    !model.process[ghost_sender(m)].actor->late)
			model_violate("process %u is told that the stream has ended before message "
			              "%u",
			              self->number, m);
	}
	if (sends && self->actor->serves)
		return; /* that nobody waits for the reply, however it came to that */
	if (ghost_anyone_late())
		return; /* who comes late begins a new stream, in which nobody has died */
	/* Bit 0: one has died with its end open; bit 1: one has died. */
	if (error == -EPIPE && (died & 1) != 0)
		model_violate("process %u is told -EPIPE, and one has died", self->number);
	if (error == -ECONNRESET && died == 0)
		model_violate("process %u is told -ECONNRESET, and none has died", self->number);
}

/* Does a living process that may still reply hold the request? */
static bool
ghost_is_held_by_server(unsigned m)
{
	uint64_t const owner = model.ghost->owner[tsr_name_index(model.ghost->name[m])];

	return owner != 0 && (owner & GHOST_IN_FLIGHT) == 0 && owner == ghost_given(m) &&
	       ghost_lives((unsigned)owner);
}

/* The call that waited for the reply to request @m said @error, and gave @reply. */
void
model_ghost_answered(struct model_process *self, unsigned m, struct tsr_msg const *reply, int error)
{
	if (error == 0) {
		unsigned const r = model_ghost_received(self, reply);

		if (r < MODEL_MESSAGES && ghost_request(r) != m)
			model_violate("process %u is given the reply to request %u for request %u",
			              self->number, ghost_request(r), m);
		return;
	}
	for (unsigned r = 0; error == -ECONNRESET && r < MODEL_MESSAGES; r++) {
		if (ghost_state(r) >= GHOST_PUBLISHED && ghost_request(r) == m)
			model_violate("process %u is told that no reply comes to request %u, and %u"
			              " has sent one",
			              self->number, m, ghost_sender(r));
	}
	if (error == -ECONNRESET &&
	    (ghost_state(m) != GHOST_RECEIVED || ghost_is_held_by_server(m)))
		model_violate(
			"process %u is told that request %u has failed, and it may be answered",
			self->number, m);
	if (error != -ECONNRESET && error != -ETIMEDOUT)
		model_violate("process %u is told %d of request %u", self->number, error, m);
	model_set(&model.ghost->message[m], model.ghost->message[m] | GHOST_OVER |
	                                            (error == -ECONNRESET ? GHOST_HOPELESS : 0));
}

/* Is a slot taken by the process, and names the message? */
static bool
ghost_in_hands(struct model_process const *p, unsigned m)
{
	struct tsr_channel const *const channel = &model.record.channel;
	struct tsr_slot *slot;

	for (uint32_t i = 0; (slot = ghost_slot(channel, i)) != NULL; i++) {
		uint64_t const word = model_memory_look(model_memory_word(&slot->word));

		if (tsr_slot_phase(word) != TSR_EMPTY &&
		    model_memory_look(model_memory_word(&slot->name)) == model.ghost->name[m] &&
		    (tsr_slot_phase(word) == TSR_READY ||
		     tsr_slot_owner(word) == p->attachment->me))
			return true;
	}
	return false;
}

static uint64_t
ghost_ticket(unsigned m)
{
	uint32_t const index = tsr_name_index(model.ghost->name[m]);

	return model_memory_look(model_memory_word(&model.map.tickets[index].word));
}

/* It dies with a message in hands that it has received: that is to come again, under a new name. */
static void
ghost_requeue(struct model_process *p)
{
	for (unsigned m = 0; m < MODEL_MESSAGES; m++) {
		uint64_t const own = tsr_name_next(model.ghost->name[m]);

		if ((ghost_state(m) != GHOST_PUBLISHED && ghost_state(m) != GHOST_RECEIVED) ||
		    ghost_ticket(m) != tsr_name_word(own, TSR_TICKET_RECEIVED, p->attachment->me) ||
		    ghost_in_hands(p, m))
			continue;
		model_set(&model.ghost->name[m], tsr_name_next(own));
		model_set(&model.ghost->message[m], GHOST_SENT | GHOST_PUBLISHED);
		model_set(&model.ghost->owner[tsr_name_index(own)], GHOST_IN_FLIGHT | m);
	}
}

void
model_ghost_died(struct model_process *p)
{
	struct model_ghost *const ghost = model.ghost;
	uint64_t const died = 2 | (ghost->open[p->number] != 0);

	for (unsigned i = 0; i < model_channels(); i++) {
		if (ghost_sends_to(p->actor, i))
			model_set(&ghost->sender_died[i], ghost->sender_died[i] | died);
		if (ghost_receives_from(p->actor, i))
			model_set(&ghost->receiver_died[i], ghost->receiver_died[i] | died);
	}
	model_set(&ghost->open[p->number], 0);
	if (tsr_requeue_is_on(&model.record.channel))
		ghost_requeue(p);
	for (unsigned i = 0; i < MODEL_TICKETS; i++) {
		if (ghost->owner[i] == p->number)
			model_set(&ghost->owner[i], 0);
	}
}

static void
ghost_ledger(void)
{
	struct tsr_ledger ledger;
	bool living[MODEL_PROCESSES + 1] = {false};
	struct tsr_channel const channels[MODEL_CHANNELS] = {model.record.channel,
	                                                     model.second.channel};
	uint8_t named[MODEL_TICKETS] = {0};

	for (unsigned i = 1; i < model.processes; i++) {
		if (ghost_lives(i))
			living[model.process[i].attachment->me] = true;
	}
	tsr_ledger_take(&model.map, channels, model_channels(), living, named, &ledger);
	if (!ledger.balanced)
		model_violate("the ledger does not balance: %s", ledger.text);
}

static bool
ghost_in_channel(unsigned m)
{
	struct tsr_channel const *const channel = ghost_channel(m);
	struct tsr_slot *slot;
	unsigned found = 0;

	for (uint32_t i = 0; (slot = ghost_slot(channel, i)) != NULL; i++) {
		uint64_t const word = model_memory_look(model_memory_word(&slot->word));

		found += tsr_slot_phase(word) == TSR_READY &&
		         model_memory_look(model_memory_word(&slot->name)) == model.ghost->name[m];
	}
	if (tsr_requeue_is_on(channel) &&
	    ghost_ticket(m) ==
	            tsr_name_word(model.ghost->name[m], TSR_TICKET_REQUEUED, TSR_HOLDER_CHANNEL))
		found++;
	return found == 1;
}

/* What is ready in a conflated channel is the newest, or older. */
static void
ghost_nothing_newer(void)
{
	struct tsr_channel const *const channel = &model.record.channel;

	for (uint32_t i = 0; i < channel->capacity; i++) {
		uint64_t const word =
			model_memory_look(model_memory_word(&channel->shm->slot[i].word));

		if (tsr_slot_phase(word) == TSR_READY &&
		    (int64_t)(ghost_position(i, word) - ghost_newest()) > 0)
			model_violate("slot %u is newer than the newest", i);
	}
}

/* Who asks and sleeps waits for a reply that may come. */
static void
ghost_asks_in_vain(unsigned number)
{
	unsigned const m = ghost_first(number);

	if (model.process[number].actor->asks && ghost_state(m) != GHOST_BEGUN &&
	    !(ghost_state(m) == GHOST_PUBLISHED && ghost_in_channel(m)) &&
	    !ghost_is_held_by_server(m))
		model_violate("process %u sleeps, and its request has failed", number);
}

/* Nobody can do anything any more: all must have come to their end, and nothing may be missing. */
void
model_ghost_terminal(void)
{
	for (unsigned i = 1; i < model.processes; i++) {
		if (model.ghost->status[i] == MODEL_ASLEEP && !model.process[i].actor->lasts)
			model_violate("process %u sleeps for ever", i);
		else if (model.ghost->status[i] == MODEL_ASLEEP)
			ghost_asks_in_vain(i);
		else if (model.ghost->status[i] == MODEL_RUNS)
			model_violate("process %u is stuck", i);
	}
	for (unsigned m = 0; m < MODEL_MESSAGES; m++) {
		unsigned const state = ghost_state(m);

		uint64_t const undelivered = model.ghost->message[m] & (GHOST_LEFT | GHOST_HANDED);

		if (undelivered != 0 && undelivered != (GHOST_LEFT | GHOST_HANDED) &&
		    ghost_lives(ghost_sender(m)))
			model_violate("message %u: a cancelled send left it, or a scope handed it, "
			              "and not both",
			              m);
		if (state == GHOST_BEGUN && (model.ghost->message[m] & GHOST_SENT) != 0)
			model_violate("message %u was sent and never published", m);
		if (state == GHOST_PUBLISHED && !ghost_in_channel(m))
			model_violate("message %u is lost: sent and not in the channel", m);
		if (!ghost_is_broadcast() && state == GHOST_RECEIVED && ghost_given(m) == 0 &&
		    ghost_lives(ghost_receiver(m)) && !ghost_too_late(m))
			model_violate("message %u is lost: process %u freed its slot", m,
			              ghost_receiver(m));
	}
	if (model.violation == NULL && ghost_conflated())
		ghost_nothing_newer();
	if (model.violation == NULL)
		ghost_ledger();
}
