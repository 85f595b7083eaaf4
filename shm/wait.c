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

#define WAIT_NS_PER_MS     UINT64_C(1000000)
#define WAIT_LOOK_MAX_NS   (10000 * WAIT_NS_PER_MS)
#define WAIT_GRACE_NS      (100 * WAIT_NS_PER_MS)
#define WAIT_NO_TOKEN_NS   100000 /* every token is taken: look this often */
#define WAIT_SPINS_A_CLOCK 16     /* looks between two readings of the clock */

uint64_t tsr_wait_look_ns = 100 * WAIT_NS_PER_MS;

/* From here on it counts as blocked. */
static void
wait_block(struct tsr_end *end, struct tsr_wait *wait, uint64_t now_ns)
{
	if (wait->blocked_since_ns != 0)
		return;
	wait->blocked_since_ns = now_ns;
	tsr_st_rlx(&end->metrics->blocked_since_ns, now_ns);
}

static void
wait_unblock(struct tsr_end *end, struct tsr_wait *wait)
{
	uint64_t const ns = wait->blocked_since_ns != 0 ? tsr_now_ns() - wait->blocked_since_ns : 0;

	if (wait->blocked_since_ns == 0)
		return;
	tsr_count(&end->metrics->blocked_ns, ns);
	tsr_count(&end->metrics->waits, 1);
	tsr_st_rlx(&end->metrics->blocked_since_ns, 0);
	if (end->side == TSR_SIDE_SENDER)
		tsr_histogram_add(&end->metrics->times, ns);
}

/* A sender that finds no room is blocked at once, a receiver only when it goes to sleep. */
void
tsr_wait_begin(struct tsr_end *end, struct tsr_wait *wait, uint64_t deadline_ns)
{
	uint64_t const now_ns = deadline_ns == TSR_NOWAIT ? 0 : tsr_now_ns();

	*wait = (struct tsr_wait){
		.deadline_ns = deadline_ns,
		.spin_until_ns = deadline_ns == TSR_NOWAIT ? 0 : now_ns + end->spin_ns,
		.look_ns = tsr_wait_look_ns,
	};
	if (end->side == TSR_SIDE_SENDER && deadline_ns != TSR_NOWAIT)
		wait_block(end, wait, now_ns);
}

int
tsr_end_check(struct tsr_end *end)
{
	struct tsr_channel_entry const *const entry = end->channel.entry;
	uint64_t ends;

	/* [E1] pairs with [E2]: the realm as its daemon last said. */
	if (tsr_ld_acq(&end->attachment->map.directory->state) != TSR_REALM_LIVING)
		return -ENOTCONN;
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
wait_daemon_gone(struct tsr_end const *end)
{
	struct pollfd fd = {.fd = end->attachment->control.fd};

	return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

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

/*
 * The safety look: we slept long and nobody woke us. If there is work all the same, its sender may
 * be about to: only if it has not after the grace was a wake-up missed.
 */
static int
wait_look(struct tsr_end *end, struct tsr_wait *wait)
{
	if (wait_daemon_gone(end))
		return -ENOTCONN;
	wait->look_ns = wait_earlier(2 * wait->look_ns, WAIT_LOOK_MAX_NS);
	if (!end->kind->has_work(end))
		return 0;
	if (tsr_token_sleep(&end->mine, end->token, wait->token_word,
	                    wait_after(tsr_now_ns(), WAIT_GRACE_NS)) == -ETIMEDOUT &&
	    end->kind->has_work(end))
		tsr_count(&end->attachment->state->missed_wakes, 1);
	return 0;
}

/* Who has claimed our token; 0: nobody. */
static uint16_t
wait_waker(struct tsr_end const *end)
{
	uint64_t const word = tsr_ld_rlx(&end->mine.tokens[end->token]);

	return tsr_token_state(word) == TSR_TOKEN_CLAIMED ? tsr_token_claimer(word) : 0;
}

static int
wait_sleep(struct tsr_end *end, struct tsr_wait *wait)
{
	uint64_t const look_until = wait_after(tsr_now_ns(), wait->look_ns);
	int const error = tsr_token_sleep(&end->mine, end->token, wait->token_word,
	                                  wait_earlier(look_until, wait->deadline_ns));

	tsr_count(&end->attachment->state->sleeps, 1);
	if (error == -ETIMEDOUT)
		return look_until < wait->deadline_ns ? wait_look(end, wait) : -ETIMEDOUT;
	if (error == 0) {
		TSR_TRACE(unblock, tsr_end_describe(end), wait_waker(end));
		(void)tsr_token_withdraw(&end->mine, end->token, end->me);
		wait->token_word = 0;
	}
	return 0;
}

/* More sleepers than tokens: such a one just looks from time to time. */
static int
wait_without_token(void)
{
	struct timespec const pause = {.tv_nsec = WAIT_NO_TOKEN_NS};

	(void)nanosleep(&pause, NULL);
	return 0;
}

int
tsr_wait_next(struct tsr_end *end, struct tsr_wait *wait)
{
	int error = tsr_end_check(end);
	uint64_t now;

	if (error != 0)
		return error;
	if (wait->token_word != 0)
		return wait_sleep(end, wait);
	if (wait->spin_until_ns != 0 && ++wait->spins % WAIT_SPINS_A_CLOCK != 0) {
		tsr_cpu_relax();
		return 0;
	}
	now = tsr_now_ns();
	if (now >= wait->deadline_ns)
		return -ETIMEDOUT;
	if (now < wait->spin_until_ns)
		return 0;
	if (end->token == UINT32_MAX && tsr_token_acquire(&end->mine, end->me, &end->token) != 0)
		return wait_without_token();
	wait->spin_until_ns = 0;
	wait_block(end, wait, now);
	wait->token_word =
		tsr_token_enqueue(&end->mine, end->token, end->me, end->attachment->fenced);
	TSR_TRACE(block, tsr_end_describe(end));
	return 0;
}

void
tsr_wait_end(struct tsr_end *end, struct tsr_wait *wait)
{
	wait_unblock(end, wait);
	if (wait->token_word == 0)
		return;
	TSR_TRACE(unblock, tsr_end_describe(end), wait_waker(end));
	if (!tsr_token_withdraw(&end->mine, end->token, end->me))
		return;
	/* A wake-up was spent on us while we helped ourselves: if there is more, hand it on. */
	end->kind->wake_mine(end);
}
