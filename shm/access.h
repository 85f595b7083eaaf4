/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_ACCESS_H
#define TSR_SHM_ACCESS_H

/*
 * The access layer: every read and write of a word that another process can see.
 *
 * One source, many builds. TSR_ACCESS_HOOK(kind, address) stands before each access and is empty in
 * the product. A test build defines it (with -DTSR_ACCESS_HOOK_HEADER) to explore
 * interleavings, to kill between two accesses, or to supply the value of a load.
 *
 * Ordering	each name ends in its order: rlx, acq, rel. tsr_cas_acq and tsr_xchg_sc, tsr_or_sc,
 *		tsr_and_sc say theirs too. tsr_barrier_compiler() only stops the compiler: it is the
 *		cheap half of the pair whose dear half is tsr_membarrier() (see waiter.h). On x86-64
 *		tsr_fence_rel() and tsr_fence_acq(), which order a copy that is checked afterwards
 *		(tap.h), are no instructions either, and have no hook.
 * Trust	a value that was loaded is the caller's private copy: check the copy, use the copy.
 */

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"

#ifdef TSR_ACCESS_HOOK_HEADER
#include TSR_ACCESS_HOOK_HEADER
#endif

enum tsr_access_kind {
	TSR_ACCESS_LOAD,
	TSR_ACCESS_STORE,
	TSR_ACCESS_UPDATE, /* exchange, compare-and-swap, or, and, add */
	TSR_ACCESS_FENCE,
};

#ifndef TSR_ACCESS_HOOK
#define TSR_ACCESS_HOOK(kind, address) ((void)0)
#endif

TSR_INLINE uint64_t
tsr_ld_rlx(_Atomic uint64_t const *p)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_LOAD, p);
	return atomic_load_explicit(p, memory_order_relaxed);
}

TSR_INLINE uint64_t
tsr_ld_acq(_Atomic uint64_t const *p)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_LOAD, p);
	return atomic_load_explicit(p, memory_order_acquire);
}

TSR_INLINE void
tsr_st_rlx(_Atomic uint64_t *p, uint64_t v)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_STORE, p);
	atomic_store_explicit(p, v, memory_order_relaxed);
}

TSR_INLINE void
tsr_st_rel(_Atomic uint64_t *p, uint64_t v)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_STORE, p);
	atomic_store_explicit(p, v, memory_order_release);
}

/* Compare-and-swap; on failure *seen holds the word as found. Acquires on both outcomes. */
TSR_INLINE bool
tsr_cas_acq(_Atomic uint64_t *p, uint64_t *seen, uint64_t v)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_UPDATE, p);
	return atomic_compare_exchange_strong_explicit(p, seen, v, memory_order_acquire,
	                                               memory_order_acquire);
}

/* Compare-and-swap that also publishes what was written before it. */
TSR_INLINE bool
tsr_cas_acq_rel(_Atomic uint64_t *p, uint64_t *seen, uint64_t v)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_UPDATE, p);
	return atomic_compare_exchange_strong_explicit(p, seen, v, memory_order_acq_rel,
	                                               memory_order_acquire);
}

TSR_INLINE uint64_t
tsr_xchg_sc(_Atomic uint64_t *p, uint64_t v)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_UPDATE, p);
	return atomic_exchange_explicit(p, v, memory_order_seq_cst);
}

TSR_INLINE uint64_t
tsr_or_sc(_Atomic uint64_t *p, uint64_t v)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_UPDATE, p);
	return atomic_fetch_or_explicit(p, v, memory_order_seq_cst);
}

TSR_INLINE uint64_t
tsr_and_sc(_Atomic uint64_t *p, uint64_t v)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_UPDATE, p);
	return atomic_fetch_and_explicit(p, v, memory_order_seq_cst);
}

TSR_INLINE uint64_t
tsr_add_rel(_Atomic uint64_t *p, uint64_t v)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_UPDATE, p);
	return atomic_fetch_add_explicit(p, v, memory_order_release);
}

/* Add to a counter that only this thread writes: no locked instruction. */
TSR_INLINE void
tsr_count(_Atomic uint64_t *p, uint64_t v)
{
	tsr_st_rlx(p, tsr_ld_rlx(p) + v);
}

/*
 * Two words of one writer that are stored, and loaded, at once. Sixteen aligned bytes are one
 * access on every x86-64 processor that has AVX (both makers' manuals promise it); elsewhere, and
 * where ThreadSanitizer must see words, the halves go one by one and a reader may find them a
 * message apart.
 */
struct tsr_pair {
	alignas(16) _Atomic uint64_t word[2];
};

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define TSR_PAIR_AT_ONCE 1
typedef uint64_t tsr_words2 __attribute__((vector_size(16), may_alias));
#else
#define TSR_PAIR_AT_ONCE 0
#endif

TSR_INLINE void
tsr_pair_add(struct tsr_pair *p, uint64_t first, uint64_t second)
{
#if TSR_PAIR_AT_ONCE
	tsr_words2 const sum = *(tsr_words2 *)p + (tsr_words2){first, second};

	TSR_ACCESS_HOOK(TSR_ACCESS_STORE, p);
	*(tsr_words2 volatile *)p = sum;
#else
	tsr_count(&p->word[0], first);
	tsr_count(&p->word[1], second);
#endif
}

TSR_INLINE void
tsr_pair_read(struct tsr_pair const *p, uint64_t *first, uint64_t *second)
{
#if TSR_PAIR_AT_ONCE
	tsr_words2 seen;

	TSR_ACCESS_HOOK(TSR_ACCESS_LOAD, p);
	seen = *(tsr_words2 const volatile *)p;
	*first = seen[0];
	*second = seen[1];
#else
	*first = tsr_ld_rlx(&p->word[0]);
	*second = tsr_ld_rlx(&p->word[1]);
#endif
}

TSR_INLINE void
tsr_pair_wipe(struct tsr_pair *p)
{
	tsr_st_rlx(&p->word[0], 0);
	tsr_st_rlx(&p->word[1], 0);
}

TSR_INLINE void
tsr_fence_sc(void)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_FENCE, NULL);
	atomic_thread_fence(memory_order_seq_cst);
}

/* Copy what others may be writing: each byte is loaded once, none is promised to go with another.
 */
TSR_INLINE void
tsr_ld_bytes(void *to, const void *from, size_t bytes)
{
	TSR_ACCESS_HOOK(TSR_ACCESS_LOAD, from);
#if defined(__x86_64__)
	__asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
	for (size_t i = 0; i < bytes; i++)
		((unsigned char *)to)[i] = atomic_load_explicit(
			(_Atomic unsigned char const *)from + i, memory_order_relaxed);
#endif
}

/* What this thread stored before is seen by whoever sees what it stores from here on. */
TSR_INLINE void
tsr_fence_rel(void)
{
	atomic_thread_fence(memory_order_release);
}

/* What this thread loaded before was loaded before what it loads from here on. */
TSR_INLINE void
tsr_fence_acq(void)
{
	atomic_thread_fence(memory_order_acquire);
}

/* Keep the compiler, not the core, from moving a later load before an earlier store. */
TSR_INLINE void
tsr_barrier_compiler(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/*
 * tsr_membarrier - a full fence on every running thread of every process that registered
 *
 * Context: cold, 3 to 9 us. Return: 0, or negative: the kernel has it not, or does not permit it.
 */
int tsr_membarrier(void);

/* tsr_membarrier_register - join the processes that tsr_membarrier() reaches. Return: as above. */
int tsr_membarrier_register(void);

/*
 * tsr_futex_wait - sleep while the low half of @word equals the low half of @expected
 * @deadline_ns:	absolute CLOCK_MONOTONIC, UINT64_MAX for ever
 *
 * Return: 0 woken, the value changed, or a signal came: look; -ETIMEDOUT.
 */
int tsr_futex_wait(_Atomic uint64_t *word, uint64_t expected, uint64_t deadline_ns);

/* A word to sleep on while its low half equals that of @expected. */
struct tsr_futex {
	_Atomic uint64_t *word;
	uint64_t expected;
};

#define TSR_FUTEXES_MAX 64

/*
 * tsr_futex_wait_any - the same on up to TSR_FUTEXES_MAX words: until any one of them changes
 *
 * Return: as above; -EOPNOTSUPP a kernel before 5.16.
 */
int tsr_futex_wait_any(struct tsr_futex const *futexes, uint32_t count, uint64_t deadline_ns);

/* tsr_futex_wake - wake everyone who sleeps on @word. Return: how many were woken. */
int tsr_futex_wake(_Atomic uint64_t *word);

/*
 * tsr_event_ring - ring a doorbell: an eventfd that the daemon listens to
 *
 * Context: cold, a system call. Return: 0, also if it rings already; negative: nobody listens.
 */
int tsr_event_ring(int fd);

#endif /* TSR_SHM_ACCESS_H */
