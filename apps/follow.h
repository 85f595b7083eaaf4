/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_FOLLOW_H
#define TSR_APPS_FOLLOW_H

/*
 * Following a channel through a tap: asleep until something is sent. If the daemon does not answer
 * any more, which says so, it goes on by looking every TSR_FOLLOW_LOOK_NS.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"
#include "shm/tessera.h"

#define TSR_FOLLOW_LOOK_NS UINT64_C(20000000)
/* So often at most it asks to be told of the next message: being told costs the sender 3 us. */
#define TSR_FOLLOW_ASK_NS UINT64_C(1000000)

struct tsr_follow {
	struct tsr_tap tap;
	int fd;            /* -1: it looks by itself */
	uint64_t asked_ns; /* when it asked last */
};

/* tsr_follow_open - of a tap that is open. Return: 0; what tsr_tap_event() gave. */
TSR_MUST_CHECK
int tsr_follow_open(struct tsr_follow *follow, struct tsr_tap tap);

/*
 * tsr_follow_wait - until there may be something new, or @until_ns, or a signal of stop.h came
 *
 * Return: 0; -ENOENT the channel was removed; -ENOBUFS too many wait on it.
 */
TSR_MUST_CHECK
int tsr_follow_wait(struct tsr_follow *follow, uint64_t until_ns);

/* tsr_follow_missed - how many messages went by since the last one that was copied. */
uint64_t tsr_follow_missed(const struct tsr_follow *follow);

#endif /* TSR_APPS_FOLLOW_H */
