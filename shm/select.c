/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * select: one of several sends and receives, whichever can be done first.
 *
 * It is the one thread that tries, case by case, so exactly one is done. It begins after the case
 * that was done last: of N channels that are always ready each gets every Nth turn, however fast
 * the others are. To sleep it enqueues a token on every channel and sleeps on all of them at once;
 * wait.c sees to it that a wake-up is not lost on a channel that was not picked.
 */

#include <errno.h>

#include "shm/buffered.h"
#include "shm/kind.h"
#include "shm/message.h"
#include "shm/scope.h"

/* Every so many looks while spinning, places are found anew: between them slots are enough. */
#define SELECT_LOOKS_A_SEARCH 16

struct select_set {
	struct tsr_case const *cases;
	uint32_t count;
	uint32_t turn; /* where the next look begins */
	uint32_t fired;
	bool scoped; /* an end of them is in a scope */
	struct tsr_end *end[TSR_SELECT_MAX];
	uint64_t range[TSR_SELECT_MAX]; /* to send */
};

/* Channels that are in the set: a sieve, so that few have to be compared. */
struct select_sieve {
	uint64_t word[16];
};

static bool
select_sieve_has(struct select_sieve *sieve, uint32_t channel_id)
{
	uint32_t const hash = channel_id * UINT32_C(0x9e3779b1);
	uint64_t *const word = &sieve->word[hash >> 28];
	uint64_t const bit = UINT64_C(1) << (hash >> 22 & 63);
	bool const has = (*word & bit) != 0;

	*word |= bit;
	return has;
}

/* May the message of case @number be sent? */
static int
select_bind_message(struct select_set *set, uint32_t number)
{
	struct tsr_end const *const end = set->end[number];
	struct tsr_msg const *const msg = set->cases[number].msg;
	struct tsr_ticket *ticket;
	int error;

	/* A send that returns when its message was received can't be one of several. */
	if (end->channel.kind == TSR_KIND_RENDEZVOUS)
		return -EINVAL;
	error = tsr_ticket_own(end->map, msg->zdesc.name, end->me, &ticket);
	if (error != 0)
		return error;
	return tsr_message_range(msg, &set->range[number]) &&
	                       tsr_block_holds(&end->map->blocks[tsr_name_index(msg->zdesc.name)],
	                                       set->range[number])
	               ? 0
	               : -EINVAL;
}

static int
select_bind_case(struct select_set *set, uint32_t number, struct select_sieve *sieve)
{
	struct tsr_case const *const one = &set->cases[number];
	bool const sends = one->sender.handle != 0;
	struct tsr_end *const end = tsr_end_get(sends ? one->sender.handle : one->receiver.handle);

	if (sends == (one->receiver.handle != 0) || one->msg == NULL)
		return -EINVAL;
	if (end == NULL || end->side != (sends ? TSR_SIDE_SENDER : TSR_SIDE_RECEIVER))
		return -ENOTCONN;
	set->end[number] = end;
	set->scoped = set->scoped || end->scope != NULL;
	if (end->attachment != set->end[0]->attachment)
		return -EINVAL;
	if (select_sieve_has(sieve, end->channel_id)) {
		for (uint32_t i = 0; i < number; i++) {
			if (set->end[i]->channel_id == end->channel_id)
				return -EINVAL;
		}
	}
	return sends ? select_bind_message(set, number) : 0;
}

static int
select_bind(struct select_set *set)
{
	struct select_sieve sieve = {{0}};

	for (uint32_t i = 0; i < set->count; i++) {
		int const error = select_bind_case(set, i, &sieve);

		if (error != 0) {
			set->fired = i;
			return error;
		}
	}
	return 0;
}

static int
select_send(struct select_set *set, uint32_t number)
{
	struct tsr_end *const end = set->end[number];
	struct tsr_msg *const msg = set->cases[number].msg;
	struct tsr_zdesc zdesc = {.name = msg->zdesc.name, .range = set->range[number]};
	int const error = end->kind->find_work(end) ? end->kind->try_send(end, &zdesc) : -EAGAIN;

	msg->zdesc.name = zdesc.name;
	return error;
}

/* @search: look at more than the slot at the end's place. */
static int
select_receive(struct tsr_end *end, struct tsr_msg *msg, bool search)
{
	if (end->inlined == TSR_SIDE_RECEIVER) {
		uint64_t const word = tsr_buffered_look(end);
		enum tsr_fast fast;

		if (word == end->expect - TSR_READY && !search)
			return -EAGAIN; /* empty */
		fast = tsr_buffered_recv_fast(end, word, msg);
		if (fast != TSR_FAST_MISS)
			return fast == TSR_FAST_DONE ? 0 : tsr_message_after(end, fast, msg);
	}
	return end->kind->find_work(end) ? end->kind->try_recv(end, msg) : -EAGAIN;
}

static int
select_try(struct select_set *set, uint32_t number, bool search)
{
	return set->end[number]->side == TSR_SIDE_SENDER
	               ? select_send(set, number)
	               : select_receive(set->end[number], set->cases[number].msg, search);
}

/* Try all, in turn. Return: -EAGAIN none could be done; else of the one that fired. */
static int
select_pass(struct select_set *set, bool search)
{
	uint32_t number = set->turn;

	for (uint32_t i = 0; i < set->count; i++, number++) {
		int error;

		if (number >= set->count)
			number = 0;
		error = select_try(set, number, search);
		if (error != -EAGAIN) {
			set->fired = number;
			return error;
		}
	}
	return -EAGAIN;
}

/* None could be done at once: is there one that never can? */
static int
select_miss(struct select_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		int const error = tsr_end_check(set->end[i]);

		if (error == 0)
			continue;
		set->fired = i;
		return error;
	}
	return -EAGAIN;
}

TSR_COLD static int
select_wait(struct select_set *set, uint64_t deadline_ns)
{
	struct tsr_wait wait;
	int error, last;

	tsr_wait_begin(&wait, set->end, set->count, deadline_ns);
	for (;;) {
		error = tsr_wait_next(&wait);
		if (error != 0)
			break;
		error = select_pass(set, wait.spins % SELECT_LOOKS_A_SEARCH == 0);
		if (error != -EAGAIN) {
			tsr_wait_end(&wait, set->fired);
			return error;
		}
	}
	tsr_wait_end(&wait, TSR_WAIT_NONE);
	if (error == -ETIMEDOUT) {
		last = select_pass(set, true);
	} else {
		set->fired = wait.ended;
		last = select_try(set, wait.ended, true);
	}
	return last == -EAGAIN ? error : last;
}

static int
select_do(struct select_set *set, uint64_t deadline_ns)
{
	int const error = select_pass(set, deadline_ns == TSR_NOWAIT);

	if (error != -EAGAIN)
		return error;
	return deadline_ns == TSR_NOWAIT ? select_miss(set) : select_wait(set, deadline_ns);
}

/* Leave the scopes of the first @count ends; what a cancelled send had is its scope's. */
static void
select_leave(struct select_set *set, uint32_t count, int error)
{
	for (uint32_t i = 0; i < count; i++) {
		struct tsr_end *const end = set->end[i];
		struct tsr_msg *const msg = set->cases[i].msg;
		bool const sends = end->side == TSR_SIDE_SENDER;
		struct tsr_zdesc const zdesc = {.name = sends ? msg->zdesc.name : TSR_NAME_NONE,
		                                .range = set->range[i]};

		if (end->scope != NULL && tsr_scope_leave(end, error, sends ? &zdesc : NULL))
			tsr_message_given(msg);
	}
}

static int
select_enter(struct select_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		int const error = set->end[i]->scope != NULL ? tsr_scope_enter(set->end[i]) : 0;

		if (error == 0)
			continue;
		select_leave(set, i, 0);
		set->fired = i;
		return error;
	}
	return 0;
}

TSR_COLD static int
select_in_scopes(struct select_set *set, uint64_t deadline_ns)
{
	int error = select_enter(set);

	if (error != 0)
		return error;
	error = select_do(set, deadline_ns);
	select_leave(set, set->count, error);
	return error;
}

TSR_COLD static int
select_failed(struct tsr_end *end, int error)
{
	return tsr_trace_error("tsr_select", tsr_message_count(end, error), "");
}

int
tsr_select(struct tsr_select *select, uint64_t deadline_ns)
{
	struct select_set set;
	int error;

	if (select == NULL || select->size != sizeof(*select) || select->count == 0 ||
	    select->count > TSR_SELECT_MAX || select->cases == NULL)
		return -EINVAL;
	set.cases = select->cases;
	set.count = select->count;
	set.turn = select->turn;
	set.fired = TSR_SELECT_NONE;
	set.scoped = false;
	error = select_bind(&set);
	if (error != 0) {
		select->fired = set.fired;
		return tsr_trace_error(__func__, error, "");
	}
	error = set.scoped ? select_in_scopes(&set, deadline_ns) : select_do(&set, deadline_ns);
	select->fired = set.fired;
	if (set.fired == TSR_SELECT_NONE)
		return error;
	select->turn = set.fired + 1;
	return error == 0 ? 0 : select_failed(set.end[set.fired], error);
}
