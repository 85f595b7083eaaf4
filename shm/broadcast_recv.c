/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* The reading side of a broadcast: see broadcast.h. */

#include <errno.h>

#include "shm/broadcast.h"
#include "shm/message.h"
#include "shm/tap.h"
#include "shm/ticket.h"

#define READER_JOIN_TRIES  8 /* a writer that is quicker than that evicts us for good */
#define READER_DEADLINE_MS 5000
#define READER_LOSSY_TRIES 8 /* copies that were written over under one call */

static uint64_t
reader_first(struct tsr_end const *end)
{
	return end->map->first_lap << end->channel.shift;
}

static struct tsr_cursor *
reader_cursor(struct tsr_end const *end)
{
	return &tsr_broadcast_shm(&end->channel)->cursor[end->reader.cursor];
}

static _Atomic uint64_t *
reader_bits(struct tsr_end const *end, uint64_t *bit)
{
	*bit = UINT64_C(1) << end->reader.cursor % 64;
	return &tsr_broadcast_shm(&end->channel)->reading[end->reader.cursor / 64];
}

/* A message of the channel was received: note how long it was under way, if it is stamped. */
static void
reader_received(struct tsr_end *end, struct tsr_msg const *msg)
{
	tsr_metrics_moved(end->metrics, msg->length);
	if (tsr_unlikely(msg->stamp != 0))
		tsr_end_note_time(end, msg->stamp);
	if (TSR_TRACED)
		tsr_end_tell_receive(end, msg);
}

/* A cursor of one's own. Return: 0; -ENOBUFS all are in use. */
static int
reader_acquire(struct tsr_end *end)
{
	struct tsr_broadcast_shm *const shm = tsr_broadcast_shm(&end->channel);

	for (uint32_t i = 0; i < TSR_CURSORS_MAX; i++) {
		uint64_t word = tsr_ld_rlx(&shm->cursor[i].word);

		if (tsr_cursor_state(word) != TSR_CURSOR_FREE)
			continue;
		/* [B4] pairs with [B3]: the former owner's bit and holds are cleared. */
		if (tsr_cas_acq(
			    &shm->cursor[i].word, &word,
			    tsr_cursor_word(tsr_slot_lap(word) + 1, end->me, TSR_CURSOR_READS))) {
			end->reader.cursor = i;
			return 0;
		}
	}
	return -ENOBUFS;
}

/*
 * Say that we read from @place on, then see whether the senders had gone further before they could
 * know. Return: false: one of them has taken us for a slow reader meanwhile.
 */
static bool
reader_settle(struct tsr_end *end, uint64_t place)
{
	struct tsr_broadcast_shm *const shm = tsr_broadcast_shm(&end->channel);
	struct tsr_cursor *const cursor = reader_cursor(end);
	uint64_t bit;
	_Atomic uint64_t *const bits = reader_bits(end, &bit);
	uint64_t oldest;

	tsr_st_rlx(&cursor->position, place);
	/* [J1] pairs with [J2]: who joins stands somewhere. */
	(void)tsr_or_sc(bits, bit);
	/* [J1] pairs with [J2]: whoever sees that somebody has joined sees position and bit. */
	(void)tsr_add_rel(&shm->joins, 1);
	if (end->attachment->fenced || tsr_membarrier() != 0)
		tsr_fence_sc();
	/* One sender may yet claim the next position, which is written over the oldest. */
	oldest = tsr_channel_find(&end->channel) + 1 - end->channel.capacity;
	if (tsr_channel_distance(&end->channel, oldest, place) > 0)
		place = oldest;
	tsr_end_seek(end, place);
	end->reader.first = place;
	/* [B1] pairs with [B2]: nothing before it is read. */
	tsr_st_rel(&cursor->position, place);
	tsr_barrier_compiler();
	/* [K2] pairs with [W1]: the place that we began with may have held somebody up. */
	if (tsr_ld_rlx(&end->shm->senders_waiting) != 0)
		(void)tsr_waiters_wake_all(&end->others, end->me);
	/* [B6] pairs with [B5]. */
	return tsr_cursor_state(tsr_ld_acq(&cursor->word)) == TSR_CURSOR_READS;
}

int
tsr_broadcast_join(struct tsr_end *end, struct tsr_end_options const *options)
{
	struct tsr_reader *const own = &end->reader;
	uint64_t const wanted = reader_first(end) + options->after + 1;
	uint64_t place;
	int error;

	*own = (struct tsr_reader){.cursor = TSR_CURSORS_MAX,
	                           .lossy = (options->flags & TSR_END_LOSSY) != 0};
	end->token = TSR_TOKEN_CROWD_NUMBER;
	error = tsr_tap_place(&end->channel, reader_first(end), options->from, options->after,
	                      &place);
	if (error != 0)
		return error;
	tsr_end_seek(end, place);
	if (own->lossy)
		return 0;
	error = reader_acquire(end);
	for (uint32_t tries = READER_JOIN_TRIES; error == 0 && !reader_settle(end, place);
	     tries--) {
		if (tries == 0)
			break; /* the first receive says so */
		tsr_broadcast_leave(end);
		error = tsr_tap_place(&end->channel, reader_first(end), options->from,
		                      options->after, &place);
		if (error == 0)
			error = reader_acquire(end);
	}
	if (error == 0 && options->from == TSR_FROM_AFTER)
		own->missed = (uint64_t)tsr_channel_distance(&end->channel, end->position, wanted);
	return error;
}

/* It is heeded no longer. In this order: whoever has the cursor next sets its own bit. */
void
tsr_broadcast_leave(struct tsr_end *end)
{
	struct tsr_broadcast_shm *const shm = tsr_broadcast_shm(&end->channel);
	struct tsr_cursor *cursor;
	_Atomic uint64_t *bits;
	uint64_t bit;

	if (end->reader.cursor == TSR_CURSORS_MAX)
		return;
	cursor = reader_cursor(end);
	bits = reader_bits(end, &bit);
	/* [B3] pairs with [B4]: bits first. */
	(void)tsr_and_sc(bits, ~bit);
	/* [B3] pairs with [B4]; [H3] pairs with [H4]: what was held was read. */
	(void)tsr_and_sc(&shm->holding[end->reader.cursor / 64], ~bit);
	for (uint32_t i = 0; i < TSR_CURSOR_HOLDS; i++)
		tsr_st_rlx(&cursor->hold[i], TSR_NAME_NONE);
	/* [B3] pairs with [B4]: bits and holds are cleared. */
	tsr_st_rel(&cursor->word,
	           tsr_cursor_word(tsr_slot_lap(tsr_ld_rlx(&cursor->word)), 0, TSR_CURSOR_FREE));
	end->reader.cursor = TSR_CURSORS_MAX;
}

/* The place @position is done with. Places are given up in order. */
static void
reader_give_up(struct tsr_end *end, uint64_t position)
{
	struct tsr_reader *const own = &end->reader;
	uint64_t const from = own->first;

	own->released |= UINT64_C(1) << (position - own->first);
	for (; (own->released & 1) != 0; own->released >>= 1)
		own->first++;
	if (own->first == from)
		return;
	/* [B1] pairs with [B2]: what is released was read. */
	tsr_st_rel(&reader_cursor(end)->position, own->first);
	tsr_barrier_compiler();
	/* [K2] pairs with [W1]: either we see the sleeper's bit or it sees our cursor. */
	if (tsr_unlikely(tsr_ld_rlx(&end->shm->senders_waiting) != 0))
		tsr_broadcast_wake_senders(end, &end->others, from);
}

/* Return: 0; -EOVERFLOW evicted, or lapped just now: it goes on as a lossy one. */
static int
reader_check(struct tsr_end *end)
{
	/* [B6] pairs with [B5]: what we read before was whole. */
	uint32_t const state = tsr_cursor_state(tsr_ld_acq(&reader_cursor(end)->word));

	if (tsr_likely(state == TSR_CURSOR_READS))
		return 0;
	end->reader.lossy = state == TSR_CURSOR_LAPPED;
	return -EOVERFLOW;
}

/* What is in our way can't be: unless nobody heeds us any more, and it was written over. */
static int
reader_refuse(struct tsr_end *end)
{
	int const error = reader_check(end);

	if (error != 0)
		return error;
	tsr_count(&end->attachment->state->refused, 1);
	return -EPROTO;
}

/* A view of what is in the slot at our position, which our cursor keeps there. */
static int
reader_view(struct tsr_end *end, struct tsr_msg *msg)
{
	struct tsr_map const *const map = end->map;
	struct tsr_slot const *const slot = tsr_end_slot(end);
	uint64_t const name = tsr_ld_rlx(&slot->name);
	uint64_t const range = tsr_ld_rlx(&slot->range);
	uint64_t const stamp = tsr_ld_rlx(&slot->stamp);
	uint32_t const index = tsr_name_index(name);
	uint64_t const place = end->position;
	int error;

	/* [V2] pairs with [V3]: name and range go together if nobody had claimed the slot. */
	tsr_fence_acq();
	/* [V1] pairs with [T1]. */
	if (tsr_ld_rlx(&slot->word) != end->expect || index >= map->tickets_count ||
	    !tsr_word_is_shared(tsr_ld_acq(&map->tickets[index].word), name) ||
	    !tsr_block_holds(&map->blocks[index], range)) {
		error = reader_refuse(end);
		if (error == -EPROTO) {
			tsr_end_step(end);
			reader_give_up(end, place);
		}
		return error;
	}
	tsr_end_step(end);
	*msg = (struct tsr_msg){
		.zdesc = {.name = name, .range = range},
		.data = tsr_block_data(map, &map->blocks[index], range),
		.length = tsr_range_length(range),
		.flags = TSR_MSG_SHARED | (uint32_t)(end - tsr_process->end) << 16,
		.stamp = stamp,
	};
	reader_received(end, msg);
	return 0;
}

/* The place is not what a reader hopes for. Return: 0 it was passed over; -EAGAIN; -EPROTO;
 * -EOVERFLOW. */
static int
reader_step(struct tsr_end *end, uint64_t word)
{
	uint64_t const lap = tsr_channel_lap(&end->channel, end->position);
	int64_t const distance = tsr_lap_distance(tsr_slot_lap(word), lap);
	uint64_t const place = end->position;
	int error = 0;

	if (distance < 0 || (distance == 0 && tsr_slot_phase(word) != TSR_READY))
		return -EAGAIN;
	if (distance == 0)
		return 0;
	/* Its sender died over it; or it was written over under our cursor. */
	if (distance != 1 || tsr_slot_phase(word) != TSR_EMPTY)
		error = reader_refuse(end);
	if (error == -EOVERFLOW)
		return error;
	tsr_end_step(end);
	reader_give_up(end, place);
	return error;
}

static int
reader_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	for (uint64_t steps = 2 * (uint64_t)end->channel.capacity + 4; steps > 0; steps--) {
		uint64_t word;
		int error = reader_check(end);

		if (error != 0)
			return error;
		if (end->position - end->reader.first == TSR_READER_WINDOW)
			return -ENOBUFS;
		/* [R1] pairs with [S2]: zdesc, ticket word and payload are visible. */
		word = tsr_ld_acq(&tsr_end_slot(end)->word);
		if (tsr_likely(word == end->expect))
			return reader_view(end, msg);
		error = reader_step(end, word);
		if (error != 0)
			return error;
	}
	return -EAGAIN;
}

/* Go on by so many places, which are lost on us. */
static void
reader_miss(struct tsr_end *end, uint64_t places)
{
	end->reader.missed += places;
	tsr_end_seek(end, end->position + places);
}

/* A sender is at our heels: half a lap ahead there is more time, but not beyond the newest. */
static void
reader_flee(struct tsr_end *end)
{
	uint64_t const newest = tsr_channel_find(&end->channel) - 1;
	int64_t const left = tsr_channel_distance(&end->channel, newest, end->position);
	int64_t const half = end->channel.capacity / 2;

	reader_miss(end, left > half ? (uint64_t)half : left > 0 ? (uint64_t)left : 1);
}

/* A copy, in a block of our own, of the message at our position. Return: 0; -ESTALE it is gone. */
static int
reader_copy(struct tsr_end *end, struct tsr_msg *msg)
{
	uint32_t const length = tsr_range_length(tsr_ld_rlx(&tsr_end_slot(end)->range));
	struct tsr_msg mine;
	struct tsr_copy copy;
	int error = tsr_message_alloc(end->attachment, length != 0 ? length : 1, &mine);

	if (error != 0)
		return error == -EMSGSIZE ? -ESTALE : error;
	if (tsr_tap_take(end->map, &end->channel, end->position, mine.data, length, &copy) &&
	    copy.length == length) {
		mine.length = length;
		mine.stamp = copy.stamp;
		*msg = mine;
		return 0;
	}
	error = tsr_message_release(end->attachment, mine.zdesc.name);
	return error != 0 ? error : -ESTALE;
}

static int
reader_recv_copy(struct tsr_end *end, struct tsr_msg *msg)
{
	uint32_t tries = READER_LOSSY_TRIES;
	bool found_place = false;

	for (uint64_t steps = 2 * (uint64_t)end->channel.capacity + 4; steps > 0; steps--) {
		enum tsr_tap_sight const sight = tsr_tap_peek(&end->channel, end->position);
		int error = -ESTALE;

		if (sight == TSR_TAP_LATER)
			return -EAGAIN;
		if (sight == TSR_TAP_HERE)
			error = reader_copy(end, msg);
		if (error == 0) {
			tsr_end_step(end);
			reader_received(end, msg);
			return 0;
		}
		if (error != -ESTALE)
			return error;
		if (sight == TSR_TAP_HERE) {
			if (--tries == 0)
				return -ESTALE;
			reader_flee(end);
			continue;
		}
		if (sight == TSR_TAP_LAPPED && !found_place) {
			uint64_t const oldest =
				tsr_channel_find(&end->channel) - end->channel.capacity;
			int64_t const behind =
				tsr_channel_distance(&end->channel, oldest, end->position);

			found_place = true;
			reader_miss(end, behind > 1 ? (uint64_t)behind : 1);
			continue;
		}
		reader_miss(end, 1);
	}
	return -ESTALE;
}

int
tsr_broadcast_try_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	int const error = end->reader.lossy ? -EOVERFLOW : reader_recv(end, msg);

	return error == -EOVERFLOW && end->reader.lossy ? reader_recv_copy(end, msg) : error;
}

bool
tsr_broadcast_can_recv(struct tsr_end const *end)
{
	if (!end->reader.lossy &&
	    tsr_cursor_state(tsr_ld_rlx(&reader_cursor(end)->word)) != TSR_CURSOR_READS)
		return true;
	return tsr_tap_peek(&end->channel, end->position) != TSR_TAP_LATER;
}

/* The place of the message among those that are not released; false: it is none of them. */
static bool
reader_find(struct tsr_end const *end, uint64_t name, uint64_t *place)
{
	struct tsr_reader const *const own = &end->reader;

	for (*place = own->first; *place != end->position; (*place)++) {
		if ((own->released >> (*place - own->first) & 1) == 0 &&
		    tsr_ld_rlx(&tsr_channel_slot(&end->channel, *place)->name) == name)
			return true;
	}
	return false;
}

/* The end through which the message was received, if it is still open. */
static struct tsr_end *
reader_of(struct tsr_attachment const *attachment, struct tsr_msg const *msg)
{
	struct tsr_end *const end = &tsr_process->end[(msg->flags >> 16) % TSR_ENDS_MAX];

	if (end->handle == 0 || end->attachment != attachment ||
	    end->channel.kind != TSR_KIND_BROADCAST || end->side != TSR_SIDE_RECEIVER ||
	    end->reader.cursor == TSR_CURSORS_MAX)
		return NULL;
	return end;
}

/* The place in the cursor's line that holds @name; TSR_CURSOR_HOLDS: none does. */
static uint32_t
reader_hold_of(struct tsr_end const *end, uint64_t name)
{
	uint32_t i = 0;

	while (i < TSR_CURSOR_HOLDS && tsr_ld_rlx(&reader_cursor(end)->hold[i]) != name)
		i++;
	return i;
}

/* Hold it no longer; with the last one, say that nothing is held. */
static void
reader_unhold(struct tsr_end *end, uint32_t number)
{
	struct tsr_cursor *const cursor = reader_cursor(end);
	uint64_t bit;

	(void)reader_bits(end, &bit);
	/* [H3] pairs with [H4]: it was read before it is free. */
	tsr_st_rel(&cursor->hold[number], TSR_NAME_NONE);
	for (uint32_t i = 0; i < TSR_CURSOR_HOLDS; i++) {
		if (tsr_ld_rlx(&cursor->hold[i]) != TSR_NAME_NONE)
			return;
	}
	/* [H3] pairs with [H4]: likewise. */
	(void)tsr_and_sc(&tsr_broadcast_shm(&end->channel)->holding[end->reader.cursor / 64], ~bit);
}

/* It was retained beyond the days of its sender: the daemon frees it. */
TSR_COLD static void
reader_settle_held(struct tsr_attachment *attachment)
{
	struct tsr_proto_plain request = {0};
	struct tsr_proto_plain reply;

	(void)pthread_mutex_lock(&tsr_process_lock);
	/* A daemon that is gone has nothing left to be told. */
	(void)!tsr_control_ask(&attachment->control, TSR_PROTO_SHARED_SETTLE, &request,
	                       sizeof(request), &reply, sizeof(reply), NULL,
	                       tsr_deadline_in_ms(READER_DEADLINE_MS));
	(void)pthread_mutex_unlock(&tsr_process_lock);
}

static int
reader_release_held(struct tsr_end *end, uint64_t name)
{
	uint32_t const number = reader_hold_of(end, name);
	uint64_t tag;

	if (number == TSR_CURSOR_HOLDS)
		return -ESTALE;
	reader_unhold(end, number);
	tag = tsr_ld_rlx(&end->map->tickets[tsr_name_index(name)].tag);
	if (tsr_tag_responsible(tag) == TSR_HOLDER_DAEMON)
		reader_settle_held(end->attachment);
	return 0;
}

int
tsr_broadcast_release(struct tsr_attachment *attachment, struct tsr_msg const *msg)
{
	struct tsr_end *const end = reader_of(attachment, msg);
	uint64_t place;

	if (end == NULL)
		return -ESTALE;
	if ((msg->flags & TSR_MSG_RETAINED) != 0)
		return reader_release_held(end, msg->zdesc.name);
	/* [V2] pairs with [V3]: what was read was not yet written over if we are still heeded. */
	tsr_fence_acq();
	if (tsr_cursor_state(tsr_ld_rlx(&reader_cursor(end)->word)) != TSR_CURSOR_READS)
		return -EOVERFLOW;
	if (!reader_find(end, msg->zdesc.name, &place))
		return -ESTALE;
	reader_give_up(end, place);
	return 0;
}

/* Hold @name, which lies at @place: first said, then seen that it is still there. */
static int
reader_hold(struct tsr_end *end, uint64_t name, uint64_t place)
{
	uint32_t const number = reader_hold_of(end, TSR_NAME_NONE);
	struct tsr_cursor *const cursor = reader_cursor(end);
	uint64_t const ready = tsr_slot_word(tsr_channel_lap(&end->channel, place), 0, TSR_READY);
	uint64_t bit;

	if (number == TSR_CURSOR_HOLDS)
		return -ENOBUFS;
	(void)reader_bits(end, &bit);
	/* [H1] pairs with [H2]: either its next sender sees the hold, or we see its claim. */
	(void)tsr_xchg_sc(&cursor->hold[number], name);
	/* [H1] pairs with [H2]: likewise. */
	(void)tsr_or_sc(&tsr_broadcast_shm(&end->channel)->holding[end->reader.cursor / 64], bit);
	if (tsr_ld_rlx(&tsr_channel_slot(&end->channel, place)->word) == ready)
		return 0;
	reader_unhold(end, number);
	return -EOVERFLOW;
}

int
tsr_retain(struct tsr_client client, struct tsr_msg *msg)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_end *end;
	uint64_t place;
	int error;

	if (attachment == NULL)
		return -ENOTCONN;
	if ((msg->flags & TSR_MSG_SHARED) == 0 || (msg->flags & TSR_MSG_RETAINED) != 0)
		return 0;
	end = reader_of(attachment, msg);
	if (end == NULL || !reader_find(end, msg->zdesc.name, &place))
		return -ESTALE;
	error = reader_hold(end, msg->zdesc.name, place);
	if (error != 0)
		return error;
	msg->flags |= TSR_MSG_RETAINED;
	reader_give_up(end, place);
	return 0;
}

int
tsr_receiver_missed(struct tsr_receiver receiver, uint64_t *missed)
{
	struct tsr_end const *const end = tsr_end_get(receiver.handle);

	if (end == NULL || end->side != TSR_SIDE_RECEIVER)
		return -ENOTCONN;
	if (missed == NULL || end->channel.kind != TSR_KIND_BROADCAST)
		return -EINVAL;
	*missed = end->reader.missed;
	return 0;
}
