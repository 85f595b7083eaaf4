/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_OBSERVER_H
#define TSR_CORE_OBSERVER_H

/*
 * An observer of a realm, as the daemon sees it: somebody who may look and write nothing.
 *
 * It has no client id, no line of state and no ticket, so there is nothing to reap: it lives as
 * long as its connection, and its process may do what it likes. What it maps are descriptors of
 * their own, opened for reading: they can't be mapped writable, and another user than the daemon's
 * can't open them anew for writing, for their mode is 0600.
 */

#include <stdint.h>
#include <sys/types.h>

#include "core/member.h"

struct tsr_observer {
	struct tsr_observer *next; /* of its realm; under the realm's lock */
	struct tsr_observer **link;
	struct tsr_realm *realm;
	/* Constant. */
	char name[TSR_NAME_BYTES];
	pid_t pid;
	uid_t uid;
	uint64_t since_ns;
	int connection; /* to shut when the realm ends */
};

/* tsr_observer_attach - Context: the control thread. Return: 0; -ENOENT the realm is leaving;
 * -ENOTCONN it was just condemned; -ENOMEM. */
TSR_MUST_CHECK
int tsr_observer_attach(struct tsr_realm *realm, struct tsr_member_who const *who,
                        struct tsr_observer **out, struct tsr_refusal *refusal);

/* tsr_observer_leave - and free it. Context: the control thread. */
void tsr_observer_leave(struct tsr_observer *observer);

/* tsr_observers_cut - hang up on all of them: the realm ends. Under its lock. */
void tsr_observers_cut(struct tsr_realm *realm);

/*
 * tsr_observer_descriptors - open an observer's segments for reading
 * @fds:	[TSR_SEGMENTS_MAX], the caller's
 *
 * Return: 0 and *count; what open(2) gave, and none is left open.
 */
TSR_MUST_CHECK
int tsr_observer_descriptors(struct tsr_realm const *realm, int *fds, size_t *count);

#endif /* TSR_CORE_OBSERVER_H */
