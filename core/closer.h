/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CLOSER_H
#define TSR_CORE_CLOSER_H

/*
 * Closing a descriptor where it may take long: freeing gigabytes of a region, or whatever it is
 * that a client sent (a file of a file system that it serves itself answers when it likes, a socket
 * lingers). The threads that serve everybody don't wait for that.
 */

#include <stdint.h>

#define TSR_CLOSER_MAX 16 /* under way: with so many, nothing more is taken from clients */

/* tsr_close_aside - close @fd in a thread of its own. Any thread; never blocks. */
void tsr_close_aside(int fd);

/* tsr_close_pending - how many are under way. */
uint64_t tsr_close_pending(void);

#endif /* TSR_CORE_CLOSER_H */
