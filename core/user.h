/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_USER_H
#define TSR_CORE_USER_H

/*
 * Users, by what they may do to the daemon as a whole.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

#include "shm/compiler.h"

/* tsr_user_rules - root and the daemon's own user: they may do everything. */
TSR_INLINE bool
tsr_user_rules(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

#endif /* TSR_CORE_USER_H */
