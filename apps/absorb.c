/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/absorb.h"

#include "shm/tessera.h"

/* Looks at the end that must have been free of blocking for it to be over: one in so many. */
#define ABSORB_CALM 8

/* A count that was read while it changed may be less than it was before. */
static void
absorb_rise(uint64_t *count, uint64_t before)
{
	*count = *count > before ? *count : before;
}

void
tsr_absorb_add(struct tsr_absorb_watch *watch, struct tsr_absorb_look look)
{
	struct tsr_absorb_look const *const last =
		watch->count > 0 ? &watch->look[watch->count - 1] : NULL;

	if (last != NULL) {
		absorb_rise(&look.sent, last->sent);
		absorb_rise(&look.received, last->received);
		absorb_rise(&look.lost, last->lost);
		absorb_rise(&look.senders_blocked_ns, last->senders_blocked_ns);
		absorb_rise(&look.receivers_blocked_ns, last->receivers_blocked_ns);
	}
	if (watch->count < TSR_ABSORB_LOOKS && (last == NULL || look.at_ns > last->at_ns))
		watch->look[watch->count++] = look;
}

static uint64_t
absorb_depth(struct tsr_absorb_look const *look)
{
	uint64_t const gone = look->received + look->lost;

	return look->sent > gone ? look->sent - gone : 0;
}

/* How long senders were blocked before the look @i, since the one before. */
static uint64_t
absorb_blocked(struct tsr_absorb_look const *looks, size_t i)
{
	uint64_t const between = looks[i].at_ns - looks[i - 1].at_ns;
	uint64_t const blocked = looks[i].senders_blocked_ns - looks[i - 1].senders_blocked_ns;

	return blocked < between ? blocked : between;
}

/* What had been received by then, by a straight line between two looks. */
static uint64_t
absorb_received(struct tsr_absorb_look const *looks, size_t count, uint64_t at_ns)
{
	double part;
	size_t i = 1;

	while (i < count - 1 && looks[i].at_ns < at_ns)
		i++;
	if (at_ns >= looks[i].at_ns)
		return looks[i].received;
	part = (double)(at_ns - looks[i - 1].at_ns) / (double)(looks[i].at_ns - looks[i - 1].at_ns);
	return looks[i - 1].received +
	       (uint64_t)(part * (double)(looks[i].received - looks[i - 1].received));
}

/* The rates of senders while none of them is blocked, of receivers while none waits. */
static void
absorb_rates(struct tsr_absorb_look const *looks, size_t count, struct tsr_absorb *out)
{
	struct tsr_absorb_look const *const first = &looks[0], *const last = &looks[count - 1];
	double sender_ns = 0, receiver_ns = 0;
	uint32_t senders = 1, receivers = 0;

	for (size_t i = 1; i < count; i++) {
		double const between = (double)(looks[i].at_ns - looks[i - 1].at_ns);

		sender_ns += between * looks[i].senders;
		receiver_ns += between * looks[i].receivers;
		senders = looks[i].senders > senders ? looks[i].senders : senders;
		receivers = looks[i].receivers > receivers ? looks[i].receivers : receivers;
	}
	sender_ns -= (double)(last->senders_blocked_ns - first->senders_blocked_ns);
	receiver_ns -= (double)(last->receivers_blocked_ns - first->receivers_blocked_ns);
	out->offered_per_s = (double)(last->sent - first->sent) * senders /
	                     (sender_ns > 1.0 ? sender_ns : 1.0) * 1e9;
	out->taken_per_s = (double)(last->received - first->received) * receivers /
	                   (receiver_ns > 1.0 ? receiver_ns : 1.0) * 1e9;
}

/* Was what blocked them over at the end, and half of the channel free again? */
static bool
absorb_over(struct tsr_absorb_look const *looks, size_t count, uint32_t capacity)
{
	struct tsr_absorb_look const *const last = &looks[count - 1];
	size_t const calm = count - 1 - (count - 1) / ABSORB_CALM;

	return last->senders_blocked == 0 && absorb_depth(last) <= capacity / 2 &&
	       last->senders_blocked_ns == looks[calm].senders_blocked_ns;
}

/* The largest distance between what would have been sent by then and what was received. */
static uint64_t
absorb_needed(struct tsr_absorb_look const *looks, size_t count, uint64_t *cut_ns)
{
	uint64_t needed = absorb_depth(&looks[0]);

	*cut_ns = 0;
	for (size_t i = 1; i < count; i++) {
		uint64_t const blocked = absorb_blocked(looks, i);
		uint64_t const began_ns = looks[i - 1].at_ns - *cut_ns;
		uint64_t received;

		*cut_ns += blocked;
		/* Who was blocked in between had sent all of it at once, for all we know. */
		received = absorb_received(looks, count,
		                           blocked != 0 ? began_ns : looks[i].at_ns - *cut_ns);
		if (looks[i].sent > received && looks[i].sent - received > needed)
			needed = looks[i].sent - received;
	}
	return needed;
}

struct tsr_absorb
tsr_absorb_judge(struct tsr_absorb_watch const *watch, uint32_t capacity)
{
	struct tsr_absorb_look const *const looks = watch->look;
	size_t const count = watch->count;
	struct tsr_absorb out = {.verdict = TSR_ABSORB_IDLE};
	uint64_t cut_ns, more;

	for (size_t i = 0; i < count; i++)
		out.peak = absorb_depth(&looks[i]) > out.peak ? absorb_depth(&looks[i]) : out.peak;
	if (count < 2 || (looks[count - 1].senders_blocked == 0 &&
	                  looks[count - 1].senders_blocked_ns == looks[0].senders_blocked_ns))
		return out;
	absorb_rates(looks, count, &out);
	out.needed = absorb_needed(looks, count, &cut_ns);
	out.verdict = TSR_ABSORB_ENOUGH;
	if (absorb_over(looks, count, capacity))
		return out;
	/* It goes on: what senders would have done in the time that was cut out is not seen. */
	more = absorb_depth(&looks[count - 1]) +
	       (uint64_t)(out.offered_per_s * (double)cut_ns / 1e9);
	out.needed = more > out.needed ? more : out.needed;
	if (out.offered_per_s > out.taken_per_s)
		out.verdict = TSR_ABSORB_NEVER;
	return out;
}

uint32_t
tsr_absorb_capacity(uint64_t needed)
{
	uint32_t capacity = TSR_SLOTS_MIN;

	while (capacity < needed && capacity < TSR_SLOTS_MAX)
		capacity *= 2;
	return capacity >= needed ? capacity : 0;
}
