/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_COMPILER_H
#define TSR_SHM_COMPILER_H

/*
 * Compiler vocabulary: the only header that may name an attribute or builtin.
 */

#include <stdbool.h>
#include <stdint.h>

#define TSR_CACHELINE 64

#define TSR_MUST_CHECK   __attribute__((warn_unused_result))
#define TSR_HOT          __attribute__((hot))
#define TSR_APART        __attribute__((hot, noinline))
#define TSR_COLD         __attribute__((cold, noinline))
#define TSR_INLINE       static inline __attribute__((always_inline))
#define TSR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define tsr_likely(x)    __builtin_expect(!!(x), 1)
#define tsr_unlikely(x)  __builtin_expect(!!(x), 0)

/* Let the compiler keep the address in a register instead of making it anew at each use. */
#define tsr_keep(p) __asm__("" : "+r"(p))

/* Fetch a line to write it. On baseline x86-64 the builtin would only fetch it to read. */
#if defined(__x86_64__)
#define tsr_prefetch_write(p) __asm__ __volatile__("prefetchw %0" : : "m"(*(p)))
#else
#define tsr_prefetch_write(p) __builtin_prefetch((p), 1, 3)
#endif

/* Fetch a line to read it. */
#define tsr_prefetch_read(p) __builtin_prefetch((p), 0, 3)

/* Position of the highest set bit plus one; 0 for 0. */
TSR_INLINE uint32_t
tsr_bit_width(uint64_t v)
{
	return v == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(v);
}

/* Position of the lowest set bit of a mask that is not 0. */
TSR_INLINE uint32_t
tsr_bit_lowest(uint64_t v)
{
	return (uint32_t)__builtin_ctzll(v);
}

TSR_INLINE bool
tsr_is_power_of_two(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* 64 bytes that don't go into this core's caches; @to is aligned to 16, and the lines are to be
 * followed by tsr_store_past_end() before anybody is told of them. */
#if defined(__x86_64__)
typedef long long tsr_words16 __attribute__((vector_size(16), may_alias));
typedef long long tsr_words16_anywhere __attribute__((vector_size(16), may_alias, aligned(1)));

TSR_INLINE void
tsr_store_past(void *to, const void *from)
{
	for (int i = 0; i < 4; i++)
		__asm__ __volatile__("movntdq %1, %0" /* the compilers name it differently */
		                     : "=m"(((tsr_words16 *)to)[i])
		                     : "x"(((tsr_words16_anywhere const *)from)[i]));
}

TSR_INLINE void
tsr_store_past_end(void)
{
	__builtin_ia32_sfence();
}
#endif

/* Tell the core that this is a spin loop. */
TSR_INLINE void
tsr_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" ::: "memory");
#endif
}

#endif /* TSR_SHM_COMPILER_H */
