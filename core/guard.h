/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_GUARD_H
#define TSR_CORE_GUARD_H

/*
 * The SIGBUS guard: what the daemon does with memory that participants can write runs under it.
 *
 * Trust	a participant can punch a hole into hugetlb memory that it may write; the next
 *		access to it raises SIGBUS. Inside the guard that ends the work with -EFAULT, and
 *		the realm is condemned; a SIGBUS anywhere else, or at another address, is the
 *		daemon's own bug and kills it as usual.
 * Progress	the work may be cut off between any two accesses: it must hold nothing that needs to
 *		be given back (a lock, a descriptor).
 */

#include <stdint.h>

#include "shm/compiler.h"
#include "shm/map.h"

/* tsr_guard_open - install the handler, once per process. Return: 0; what sigaction(2) gave. */
TSR_MUST_CHECK
int tsr_guard_open(void);

/*
 * tsr_guard_run - call @work with SIGBUS inside the mappings turned into an error
 * @ranges, @ranges_count:	the memory that may fail
 *
 * Context: any thread; not nested. Return: what @work returned; -EFAULT an access failed.
 */
TSR_MUST_CHECK
int tsr_guard_run(struct tsr_mapping const *ranges, uint32_t ranges_count, int (*work)(void *),
                  void *argument);

/* tsr_guard_hits - how often the guard has fired since the start. */
uint64_t tsr_guard_hits(void);

#endif /* TSR_CORE_GUARD_H */
