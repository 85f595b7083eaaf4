/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/follow.h"

#include <errno.h>

#include "apps/cli.h"
#include "apps/stop.h"
#include "shm/client.h"

int
tsr_follow_open(struct tsr_follow *follow, struct tsr_tap tap)
{
	*follow = (struct tsr_follow){.tap = tap, .fd = -1};
	return tsr_tap_event(tap, &follow->fd);
}

/* Look by ourselves: a while. */
static void
follow_look(uint64_t until_ns)
{
	uint64_t const next = tsr_now_ns() + TSR_FOLLOW_LOOK_NS;

	(void)tsr_stop_wait(-1, next < until_ns ? next : until_ns);
}

int
tsr_follow_wait(struct tsr_follow *follow, uint64_t until_ns)
{
	uint64_t const ask_ns = follow->asked_ns + TSR_FOLLOW_ASK_NS;
	int ready = 0, error;

	if (follow->fd < 0) {
		follow_look(until_ns);
		return 0;
	}
	if (tsr_now_ns() < ask_ns)
		(void)tsr_stop_wait(-1, ask_ns < until_ns ? ask_ns : until_ns);
	follow->asked_ns = tsr_now_ns();
	error = tsr_tap_arm(follow->tap, &ready);
	if (error == -ETIMEDOUT || error == -ENOTCONN) {
		tsr_cli_warn("the daemon does not answer: looking every %llu ms from now on",
		             (unsigned long long)(TSR_FOLLOW_LOOK_NS / TSR_NS_PER_MS));
		follow->fd = -1;
		return 0;
	}
	if (error == 0 && ready == 0)
		(void)tsr_stop_wait(follow->fd, until_ns);
	return error;
}

uint64_t
tsr_follow_missed(const struct tsr_follow *follow)
{
	struct tsr_tap_own const *const own = tsr_tap_get(follow->tap);

	return own != NULL ? own->missed : 0;
}
