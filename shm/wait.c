/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * How a blocked operation waits: look again for a while, then sleep on a token. See waiter.h for
 * why no wake-up is lost, and client.h for the calls.
 */

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "shm/client.h"
#include "shm/clock.h"
#include "shm/kind.h"
#include "shm/scope.h"

#define WAIT_NS_PER_MS     UINT64_C(1000000)
#define WAIT_LOOK_MAX_NS   (10000 * WAIT_NS_PER_MS)
#define WAIT_GRACE_NS      (100 * WAIT_NS_PER_MS)
#define WAIT_NO_TOKEN_NS   100000 /* every token is taken: look this often */
#define WAIT_SPINS_A_CLOCK 16     /* looks between two readings of the clock */
#define WAIT_WAITS_A_PROBE 16     /* so often an end looks again for as long as it may */
#define WAIT_WINDOW_MIN_NS 2000   /* so long a look costs less than a sleep in any case */

uint64_t tsr_wait_look_ns = 100 * WAIT_NS_PER_MS;

static uint64_t
wait_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
wait_after(uint64_t now_ns, uint64_t more_ns)
{
	return more_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + more_ns;
}

/* From here on it counts as blocked. */
static void
wait_block(struct tsr_wait *wait, uint64_t now_ns)
{
	if (wait->blocked_since_ns != 0)
		return;
	wait->blocked_since_ns = now_ns;
	for (uint32_t i = 0; i < wait->count; i++)
		tsr_pair_add(&wait->ends[i]->metrics->blocked, 0, now_ns);
}

static void
wait_unblock(struct tsr_wait *wait)
{
	uint64_t ns;

	if (wait->blocked_since_ns == 0)
		return;
	wait->clock_ns = tsr_now_ns();
	ns = wait->clock_ns - wait->blocked_since_ns;
	for (uint32_t i = 0; i < wait->count; i++) {
		struct tsr_metrics *const metrics = wait->ends[i]->metrics;

		/* Since when goes to 0 again. */
		tsr_pair_add(&metrics->blocked, ns, 0 - wait->blocked_since_ns);
		tsr_count(&metrics->waits, 1);
		if (wait->ends[i]->side == TSR_SIDE_SENDER)
			tsr_histogram_add(&metrics->times, ns);
	}
}

/*
 * Looking again is worth it if what we wait for comes sooner than a sleep takes. So an end learns:
 * it looks for twice as long as a short wait took, and ever less while waits are longer than it may
 * look. Then it sleeps at once, and now and then looks for as long as it may, or it would never
 * learn that messages come sooner by now.
 */
static uint64_t
wait_window(struct tsr_end *end)
{
	if (!end->adaptive)
		return end->spin_ns;
	return end->waits++ % WAIT_WAITS_A_PROBE == 0 ? end->spin_ns : end->window_ns;
}

static void
wait_learn(struct tsr_end *end, uint64_t waited_ns)
{
	uint64_t const was_ns = end->window_ns;
	uint64_t best_ns = 2 * waited_ns > WAIT_WINDOW_MIN_NS ? 2 * waited_ns : WAIT_WINDOW_MIN_NS;

	if (!end->adaptive)
		return;
	best_ns = wait_earlier(best_ns, end->spin_ns);
	if (waited_ns <= end->spin_ns)
		end->window_ns = best_ns > was_ns ? best_ns : was_ns - (was_ns - best_ns) / 8;
	else
		end->window_ns = was_ns > WAIT_WINDOW_MIN_NS ? was_ns - was_ns / 4 : 0;
	if (end->window_ns != was_ns)
		tsr_st_rlx(&end->metrics->spin_ns, end->window_ns);
}

/* A sender that finds no room is blocked at once, others only when they go to sleep. */
void
tsr_wait_begin(struct tsr_wait *wait, struct tsr_end *const *ends, uint32_t count,
               uint64_t deadline_ns)
{
	uint64_t const now_ns = deadline_ns == TSR_NOWAIT ? 0 : tsr_now_ns();
	uint64_t spin_ns = 0;

	for (uint32_t i = 0; deadline_ns != TSR_NOWAIT && i < count; i++) {
		uint64_t const window_ns = wait_window(ends[i]);

		spin_ns = window_ns > spin_ns ? window_ns : spin_ns;
	}
	*wait = (struct tsr_wait){
		.ends = ends,
		.count = count,
		.deadline_ns = deadline_ns,
		.begun_ns = now_ns,
		.clock_ns = now_ns,
		.spin_until_ns = deadline_ns == TSR_NOWAIT ? 0 : wait_after(now_ns, spin_ns),
		.look_ns = tsr_wait_look_ns,
	};
	if (count == 1 && ends[0]->side == TSR_SIDE_SENDER && deadline_ns != TSR_NOWAIT)
		wait_block(wait, now_ns);
}

int
tsr_attachment_evicted(struct tsr_attachment const *attachment)
{
	char const *const text = attachment->map.notices[attachment->me - 1].text;

	tsr_hint_set("%.*s", TSR_NOTICE_BYTES - 1, text);
	return -ECONNABORTED;
}

int
tsr_end_check(struct tsr_end *end)
{
	struct tsr_channel_entry const *const entry = end->channel.entry;
	int const error = tsr_attachment_check(end->attachment);
	uint64_t ends;

	if (error != 0)
		return error;
	if (end->endless)
		return 0;
	/* [E3] pairs with [E4]: who is counted out has sent, and received, its last. */
	ends = tsr_ld_acq(end->side == TSR_SIDE_RECEIVER ? &entry->senders : &entry->receivers);
	if (tsr_ends_count(ends) > 0 || tsr_ends_stream(ends) != end->stream_seen)
		end->seen = true;
	if (tsr_ends_count(ends) > 0 || !end->seen)
		return 0;
	if (end->side == TSR_SIDE_RECEIVER && !end->kind->is_drained(end))
		return 0;
	return tsr_ends_died(ends) ? -ECONNRESET : -EPIPE;
}

/* The daemon hung up: it is gone, or it cut us off. */
static bool
wait_daemon_gone(struct tsr_wait const *wait)
{
	struct pollfd fd = {.fd = wait->ends[0]->attachment->control.fd};

	return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Is another one to be expected, or there? Return: 0 wait on; -ENOTCONN. */
static int
wait_follow(struct tsr_wait const *wait)
{
	return tsr_attachment_follow(wait->ends[0]->attachment);
}

static uint64_t
wait_bit(uint32_t number)
{
	return UINT64_C(1) << number;
}

/* Why nothing more may come to one of the ends. */
static int
wait_check(struct tsr_wait *wait)
{
	for (uint32_t i = 0; i < wait->count; i++) {
		struct tsr_end *const end = wait->ends[i];
		int error = tsr_end_check(end);

		if (error == 0 && end->scope != NULL)
			error = tsr_scope_check(end);
		if (error != 0) {
			wait->ended = i;
			return error;
		}
	}
	return 0;
}

/*
 * More sleepers than tokens, or a kernel that can't sleep on several: such a one just looks from
 * time to time.
 */
static int
wait_now_and_then(struct tsr_wait *wait)
{
	struct timespec const pause = {.tv_nsec = WAIT_NO_TOKEN_NS};

	(void)nanosleep(&pause, NULL);
	wait->ready = false;
	return 0;
}

/* Sleep until one of the tokens is claimed. Return: 0 look; -ETIMEDOUT. */
static int
wait_on_tokens(struct tsr_wait *wait, uint64_t deadline_ns)
{
	struct tsr_futex futexes[TSR_WAIT_ENDS_MAX];
	uint32_t count = 0;
	int error;

	for (uint32_t i = 0; i < wait->count; i++) {
		struct tsr_end const *const end = wait->ends[i];

		if ((wait->enqueued & wait_bit(i)) != 0)
			futexes[count++] = (struct tsr_futex){
				.word = &end->mine.tokens[end->token],
				.expected = end->token_word,
			};
	}
	if (count < wait->count)
		return wait_now_and_then(wait);
	if (count == 1)
		return tsr_token_sleep(&wait->ends[0]->mine, wait->ends[0]->token,
		                       wait->ends[0]->token_word, deadline_ns);
	error = tsr_futex_wait_any(futexes, count, deadline_ns);
	return error == -EOPNOTSUPP ? wait_now_and_then(wait) : error;
}

/* Leave the tokens that were claimed: a wake-up was spent on their ends. */
static void
wait_leave_claimed(struct tsr_wait *wait)
{
	for (uint32_t i = 0; i < wait->count; i++) {
		struct tsr_end *const end = wait->ends[i];
		uint64_t word;

		if ((wait->enqueued & wait_bit(i)) == 0)
			continue;
		/* [W3] pairs with [K3]: a claimed token means that something was published. */
		word = tsr_ld_acq(&end->mine.tokens[end->token]);
		if (word == end->token_word)
			continue;
		TSR_TRACE(unblock, tsr_end_describe(end), tsr_token_claimer(word));
		(void)tsr_token_withdraw(&end->mine, end->token, end->me);
		wait->enqueued &= ~wait_bit(i);
		wait->spent |= wait_bit(i);
		wait->ready = false;
	}
}

static bool
wait_has_work(struct tsr_wait const *wait)
{
	for (uint32_t i = 0; i < wait->count; i++) {
		if (wait->ends[i]->kind->has_work(wait->ends[i]))
			return true;
	}
	return false;
}

/*
 * The safety look: we slept long and nobody woke us. If there is work all the same, its sender may
 * be about to: only if it has not after the grace was a wake-up missed.
 */
static int
wait_look(struct tsr_wait *wait)
{
	if (wait_daemon_gone(wait) && wait_follow(wait) != 0)
		return -ENOTCONN;
	wait->look_ns = wait_earlier(2 * wait->look_ns, WAIT_LOOK_MAX_NS);
	if (!wait_has_work(wait))
		return 0;
	if (wait_on_tokens(wait, wait_after(tsr_now_ns(), WAIT_GRACE_NS)) == -ETIMEDOUT &&
	    wait_has_work(wait))
		tsr_count(&wait->ends[0]->attachment->state->missed_wakes, 1);
	return 0;
}

static int
wait_sleep(struct tsr_wait *wait)
{
	uint64_t const look_until = wait_after(tsr_now_ns(), wait->look_ns);
	int error = wait_on_tokens(wait, wait_earlier(look_until, wait->deadline_ns));

	tsr_count(&wait->ends[0]->attachment->state->sleeps, 1);
	if (error == -ETIMEDOUT)
		error = look_until < wait->deadline_ns ? wait_look(wait) : -ETIMEDOUT;
	if (error == 0)
		wait_leave_claimed(wait);
	return error;
}

/* Who never sleeps looks now and then whether the daemon lives, too. */
static int
wait_spin(struct tsr_wait *wait, uint64_t now_ns)
{
	if (now_ns - wait->begun_ns < wait->look_ns)
		return 0;
	wait->look_ns = wait_after(wait->look_ns, tsr_wait_look_ns);
	return wait_daemon_gone(wait) ? wait_follow(wait) : 0;
}

static int
wait_announce(struct tsr_end *end)
{
	int error = 0;

	if (end->scope != NULL)
		return tsr_scope_announce(end);
	if (end->token == UINT32_MAX)
		error = tsr_token_acquire(&end->mine, end->me, &end->token);
	if (error == 0)
		end->token_word = tsr_token_announce(&end->mine, end->token, end->me);
	return error;
}

/* Say of every end that it is about to sleep; one fence does for all. Return: 0; -ECANCELED. */
static int
wait_enqueue(struct tsr_wait *wait)
{
	for (uint32_t i = 0; i < wait->count; i++) {
		int error;

		if ((wait->enqueued & wait_bit(i)) != 0)
			continue;
		error = wait_announce(wait->ends[i]);
		if (error == -ECANCELED) {
			wait->ended = i;
			return error;
		}
		if (error != 0)
			continue;
		wait->enqueued |= wait_bit(i);
		wait->spent &= ~wait_bit(i);
		TSR_TRACE(block, tsr_end_describe(wait->ends[i]));
	}
	tsr_token_fence(wait->ends[0]->attachment->fenced);
	wait->ready = true;
	return 0;
}

int
tsr_wait_next(struct tsr_wait *wait)
{
	uint64_t now;
	int error;

	if (wait->spin_until_ns != 0 && ++wait->spins % WAIT_SPINS_A_CLOCK != 0) {
		tsr_cpu_relax();
		return 0;
	}
	error = wait_check(wait);
	if (error != 0)
		return error;
	if (wait->ready)
		return wait_sleep(wait);
	now = tsr_now_ns();
	wait->clock_ns = now;
	if (now >= wait->deadline_ns)
		return -ETIMEDOUT;
	if (now < wait->spin_until_ns)
		return wait_spin(wait, now);
	wait->spin_until_ns = 0;
	wait_block(wait, now);
	return wait_enqueue(wait);
}

/*
 * No longer asleep. Wake-ups that were spent on ends that have not used them go on: we look at each
 * such end again, and wake another one of its side if there is something.
 */
void
tsr_wait_end(struct tsr_wait *wait, uint32_t fired)
{
	wait_unblock(wait);
	for (uint32_t i = 0; i < wait->count; i++) {
		if (fired == TSR_WAIT_NONE || fired == i)
			wait_learn(wait->ends[i], wait->clock_ns - wait->begun_ns);
	}
	/* What woke its end before the try that did it: that try has seen to whatever came next. */
	if (fired != TSR_WAIT_NONE)
		wait->spent &= ~wait_bit(fired);
	for (uint32_t i = 0; i < wait->count; i++) {
		struct tsr_end *const end = wait->ends[i];

		if ((wait->enqueued & wait_bit(i)) != 0 &&
		    tsr_token_withdraw(&end->mine, end->token, end->me))
			wait->spent |= wait_bit(i);
		if ((wait->spent & wait_bit(i)) == 0)
			continue;
		(void)end->kind->find_work(end);
		end->kind->wake_mine(end);
	}
}
