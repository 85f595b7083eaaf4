/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_TSAN_WEAK_H
#define TSR_TESTS_TSAN_WEAK_H

/*
 * Orders weaker than any that the product has a use for: what tests/tsan/weaken puts in place of
 * the right ones. Included at the end of shm/access.h in the copy that it works on, nowhere else.
 */

TSR_INLINE bool
tsr_cas_rlx(_Atomic uint64_t *p, uint64_t *seen, uint64_t v)
{
	return atomic_compare_exchange_strong_explicit(p, seen, v, memory_order_relaxed,
	                                               memory_order_relaxed);
}

TSR_INLINE bool
tsr_cas_rel(_Atomic uint64_t *p, uint64_t *seen, uint64_t v)
{
	return atomic_compare_exchange_strong_explicit(p, seen, v, memory_order_release,
	                                               memory_order_relaxed);
}

TSR_INLINE uint64_t
tsr_xchg_rlx(_Atomic uint64_t *p, uint64_t v)
{
	return atomic_exchange_explicit(p, v, memory_order_relaxed);
}

TSR_INLINE uint64_t
tsr_or_rlx(_Atomic uint64_t *p, uint64_t v)
{
	return atomic_fetch_or_explicit(p, v, memory_order_relaxed);
}

TSR_INLINE uint64_t
tsr_and_rlx(_Atomic uint64_t *p, uint64_t v)
{
	return atomic_fetch_and_explicit(p, v, memory_order_relaxed);
}

TSR_INLINE uint64_t
tsr_add_rlx(_Atomic uint64_t *p, uint64_t v)
{
	return atomic_fetch_add_explicit(p, v, memory_order_relaxed);
}

#endif /* TSR_TESTS_TSAN_WEAK_H */
