/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/poll_core.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shm/access.h"
#include "shm/clock.h"

#define POLL_SPIN_NS    UINT64_C(20000)
#define POLL_PAUSE_NS   UINT64_C(100000)
#define POLL_EVENTS_MAX 32
#define POLL_KEY_BELL   UINT64_C(0)
#define POLL_RETRIES    1000

enum poll_state {
	POLL_BUSY = 0,
	POLL_POLLING = 1,
	POLL_ASLEEP = 2,
};

int
tsr_poll_core_create(struct tsr_poll_core *core, uint64_t ticks_per_second, bool isolated)
{
	struct epoll_event bell = {.events = EPOLLIN, .data = {.u64 = POLL_KEY_BELL}};
	int error;

	*core = (struct tsr_poll_core){
		.epoll = -1,
		.doorbell = -1,
		.isolated = isolated,
		.ticks_per_second = ticks_per_second,
	};
	core->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (core->epoll < 0)
		return -errno;
	core->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (core->doorbell < 0 ||
	    epoll_ctl(core->epoll, EPOLL_CTL_ADD, core->doorbell, &bell) != 0) {
		error = -errno;
		tsr_poll_core_destroy(core);
		return error;
	}
	tsr_st_rlx(&core->state, POLL_POLLING);
	tsr_st_rlx(&core->marked, tsr_clock_ticks());
	return 0;
}

void
tsr_poll_core_destroy(struct tsr_poll_core *core)
{
	if (core->doorbell >= 0)
		(void)close(core->doorbell);
	if (core->epoll >= 0)
		(void)close(core->epoll);
	core->doorbell = -1;
	core->epoll = -1;
}

int
tsr_poll_core_add(struct tsr_poll_core *core, enum tsr_poll_tier tier, tsr_poll_fn *poll,
                  void *argument)
{
	struct tsr_poll_tier_set *const set = &core->tier[tier];

	if (set->count == TSR_POLLERS_MAX)
		return -ENOBUFS;
	set->poller[set->count++] = (struct tsr_poller){.poll = poll, .argument = argument};
	return 0;
}

int
tsr_poll_core_watch(struct tsr_poll_core *core, int fd, uint64_t key)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = key}};

	return epoll_ctl(core->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

void
tsr_poll_core_unwatch(struct tsr_poll_core *core, int fd)
{
	(void)epoll_ctl(core->epoll, EPOLL_CTL_DEL, fd, NULL);
}

unsigned
tsr_poll_core_events(struct tsr_poll_core *core, uint64_t *keys, unsigned keys_max)
{
	struct epoll_event events[POLL_EVENTS_MAX];
	unsigned const max = keys_max < POLL_EVENTS_MAX ? keys_max : POLL_EVENTS_MAX;
	int const ready = epoll_wait(core->epoll, events, (int)max, 0);
	unsigned count = 0;
	uint64_t rung;

	for (int i = 0; i < ready; i++) {
		if (events[i].data.u64 != POLL_KEY_BELL)
			keys[count++] = events[i].data.u64;
		else if (read(core->doorbell, &rung, sizeof(rung)) < 0)
			continue; /* somebody else had read it: nothing is lost */
	}
	return count;
}

/* Book the time since the last mark under what was being done, and begin something else. */
static void
poll_core_mark(struct tsr_poll_core *core, enum poll_state next)
{
	uint64_t const now = tsr_clock_ticks();
	uint64_t const state = tsr_ld_rlx(&core->state);
	uint64_t const begun = tsr_ld_rlx(&core->marked);

	tsr_count(&core->sequence, 1);
	/* [L1] pairs with [L4]: whoever sees a word below sees the odd sequence. */
	atomic_thread_fence(memory_order_release); /* private: accounting between threads */
	tsr_count(&core->spent[state], now > begun ? now - begun : 0);
	tsr_st_rlx(&core->state, next);
	tsr_st_rlx(&core->marked, now);
	/* [L2] pairs with [L3]: an even sequence says that the words are whole. */
	tsr_st_rel(&core->sequence, tsr_ld_rlx(&core->sequence) + 1);
}

/* One round; see the header. Return: how much was done. */
static unsigned
poll_core_round(struct tsr_poll_core *core)
{
	unsigned done = 0;

	for (unsigned t = 0; t < TSR_TIERS && done == 0; t++) {
		struct tsr_poll_tier_set *const set = &core->tier[t];

		for (uint32_t i = 0; i < set->count; i++)
			done += set->poller[i].poll(set->poller[i].argument);
	}
	tsr_count(&core->rounds, 1);
	return done;
}

/* Sleep until a descriptor is ready; it stays so, the next round's pollers find it. */
static void
poll_core_sleep(struct tsr_poll_core *core)
{
	struct epoll_event event;

	poll_core_mark(core, POLL_ASLEEP);
	(void)epoll_wait(core->epoll, &event, 1, -1);
	poll_core_mark(core, POLL_POLLING);
}

void
tsr_poll_core_run(struct tsr_poll_core *core)
{
	uint64_t const spin = core->ticks_per_second / 1000 * POLL_SPIN_NS / 1000000;
	uint64_t const rest = spin + core->ticks_per_second / 1000 * POLL_PAUSE_NS / 1000000;
	uint64_t idle_since = tsr_clock_ticks();
	bool busy = false;

	tsr_st_rlx(&core->marked, idle_since); /* the time of the start-up is nobody's */
	/* [V1] pairs with [V2]: what the control thread did before it gave the word to stop. */
	while (tsr_ld_acq(&core->stopping) == 0) {
		bool const worked = poll_core_round(core) != 0;
		uint64_t const now = tsr_clock_ticks();

		if (worked != busy)
			poll_core_mark(core, worked ? POLL_BUSY : POLL_POLLING);
		busy = worked;
		if (worked) {
			idle_since = now;
		} else if (now - idle_since >= rest && tsr_ld_rlx(&core->isolated) == 0) {
			poll_core_sleep(core);
			idle_since = tsr_clock_ticks();
		} else if (now - idle_since >= spin) {
			tsr_cpu_relax();
		}
	}
}

void
tsr_poll_core_ring(struct tsr_poll_core *core)
{
	uint64_t const one = 1;

	if (write(core->doorbell, &one, sizeof(one)) < 0)
		return; /* it is full: it rings already */
}

void
tsr_poll_core_stop(struct tsr_poll_core *core)
{
	/* [V2] pairs with [V1]: a reload before the stop is seen by whoever ends the daemon. */
	tsr_st_rel(&core->stopping, 1);
	tsr_poll_core_ring(core);
}

void
tsr_poll_core_isolate(struct tsr_poll_core *core, bool isolated)
{
	tsr_st_rlx(&core->isolated, isolated);
	tsr_poll_core_ring(core);
}

static uint64_t
poll_core_ns(struct tsr_poll_core const *core, uint64_t ticks)
{
	uint64_t const per_second = core->ticks_per_second;

	return ticks / per_second * UINT64_C(1000000000) +
	       ticks % per_second * UINT64_C(1000000000) / per_second;
}

void
tsr_poll_core_times(struct tsr_poll_core *core, struct tsr_poll_times *times)
{
	uint64_t spent[3] = {0, 0, 0};

	for (unsigned tries = 0; tries < POLL_RETRIES; tries++) {
		/* [L3] pairs with [L2]: the words as they stood with this sequence. */
		uint64_t const sequence = tsr_ld_acq(&core->sequence);
		uint64_t state, marked, now;

		for (unsigned i = 0; i < 3; i++)
			spent[i] = tsr_ld_rlx(&core->spent[i]);
		state = tsr_ld_rlx(&core->state);
		marked = tsr_ld_rlx(&core->marked);
		/* [L4] pairs with [L1]: a word that was changed since shows in the sequence. */
		atomic_thread_fence(memory_order_acquire); /* private: accounting between threads */
		if ((sequence & 1) != 0 || tsr_ld_rlx(&core->sequence) != sequence)
			continue;
		now = tsr_clock_ticks();
		spent[state] += now > marked ? now - marked : 0;
		break;
	}
	times->busy_ns = poll_core_ns(core, spent[POLL_BUSY]);
	times->polling_ns = poll_core_ns(core, spent[POLL_POLLING]);
	times->asleep_ns = poll_core_ns(core, spent[POLL_ASLEEP]);
}

uint64_t
tsr_poll_core_rounds(struct tsr_poll_core *core)
{
	return tsr_ld_rlx(&core->rounds);
}
