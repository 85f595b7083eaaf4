/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CLOSING_H
#define TSR_CORE_CLOSING_H

/*
 * Clients that are to go while their process lives. Nobody can know what such a process still does
 * with the realm's memory, and nothing may be taken from under it.
 *
 * Hung up without a goodbye, after execve(2) say: after 100 ms it is killed, or, where that is not
 * permitted, its realm condemned. Evicted: it has a second for its goodbye; then it is killed, or,
 * where that is not permitted, somebody who may is asked to.
 *
 * Context of every call: the control thread.
 */

#include <stdint.h>

#include "core/control.h"
#include "core/member.h"

#define TSR_CLOSING_NS  UINT64_C(100000000)
#define TSR_EVICTION_NS UINT64_C(1000000000)

/* tsr_closing_add - @member has just become closing, and is killed after @grace_ns. */
void tsr_closing_add(struct tsr_server *server, struct tsr_member *member, uint64_t grace_ns);

/* tsr_closing_expire - deal with those whose time is over. */
void tsr_closing_expire(struct tsr_server *server, uint64_t now_ns);

/* tsr_closing_drop - the server ends: forget all of them. */
void tsr_closing_drop(struct tsr_server *server);

#endif /* TSR_CORE_CLOSING_H */
