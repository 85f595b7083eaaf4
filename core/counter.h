/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_COUNTER_H
#define TSR_CORE_COUNTER_H

/*
 * A counter that both threads of the daemon change, and nobody orders anything by.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "shm/compiler.h"

TSR_INLINE void
tsr_counter_add(_Atomic uint64_t *counter, uint64_t more)
{
	/* private: between the threads of the daemon */
	(void)atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

TSR_INLINE void
tsr_counter_subtract(_Atomic uint64_t *counter, uint64_t less)
{
	/* private: between the threads of the daemon */
	(void)atomic_fetch_sub_explicit(counter, less, memory_order_relaxed);
}

/* The most that there was: one thread alone raises it. */
TSR_INLINE void
tsr_counter_raise(_Atomic uint64_t *counter, uint64_t value)
{
	/* private: between the threads of the daemon */
	if (atomic_load_explicit(counter, memory_order_relaxed) < value)
		atomic_store_explicit(counter, value, memory_order_relaxed); /* private: likewise */
}

TSR_INLINE uint64_t
tsr_counter_read(_Atomic uint64_t const *counter)
{
	/* private: between the threads of the daemon */
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif /* TSR_CORE_COUNTER_H */
