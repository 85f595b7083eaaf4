/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REF_H
#define TSR_CORE_REF_H

/*
 * How many hold an object. C11 atomics, and not liburcu's, so that ThreadSanitizer sees the order.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"

struct tsr_ref {
	_Atomic uint64_t count;
};

TSR_INLINE void
tsr_ref_init(struct tsr_ref *ref)
{
	/* private: between the threads of the daemon */
	atomic_init(&ref->count, 1);
}

/* The caller holds it already. */
TSR_INLINE void
tsr_ref_get(struct tsr_ref *ref)
{
	/* private: as above */
	(void)atomic_fetch_add_explicit(&ref->count, 1, memory_order_relaxed);
}

/* The caller has just found it. Return: false: it is on its way out. */
TSR_INLINE bool
tsr_ref_get_unless_zero(struct tsr_ref *ref)
{
	/* private: as above */
	uint64_t seen = atomic_load_explicit(&ref->count, memory_order_relaxed);

	while (seen != 0) {
		/* private: as above; [Z1] pairs with [Z2]: what the others did to it. */
		if (atomic_compare_exchange_weak_explicit(&ref->count, &seen, seen + 1,
		                                          memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
	}
	return false;
}

/* Return: true: that was the last one, the caller frees it. */
TSR_INLINE bool
tsr_ref_put(struct tsr_ref *ref)
{
	/* private: as above; [Z2] pairs with [Z1], [Z2]: who frees it sees all that was done. */
	return atomic_fetch_sub_explicit(&ref->count, 1, memory_order_acq_rel) == 1;
}

#endif /* TSR_CORE_REF_H */
