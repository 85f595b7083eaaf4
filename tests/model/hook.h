/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_MODEL_HOOK_H
#define TSR_TESTS_MODEL_HOOK_H

/*
 * What shm/access.h is built on when the explorer runs the sources: it includes this file after
 * <stdatomic.h>, so the operations that it names are ours from here on. Each asks the scheduler
 * first and then works on the modelled memory (see memory.c).
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

uint64_t model_load(_Atomic uint64_t const *p);
void model_store(_Atomic uint64_t *p, uint64_t v, bool release);
uint64_t model_exchange(_Atomic uint64_t *p, uint64_t v);
bool model_cas(_Atomic uint64_t *p, uint64_t *seen, uint64_t v);
uint64_t model_or(_Atomic uint64_t *p, uint64_t v);
uint64_t model_and(_Atomic uint64_t *p, uint64_t v);
uint64_t model_add(_Atomic uint64_t *p, uint64_t v);
void model_fence(void);
void model_fence_release(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_add_explicit
#undef atomic_thread_fence
#define atomic_load_explicit(p, order)                                    model_load(p)
#define atomic_exchange_explicit(p, v, order)                             model_exchange(p, v)
#define atomic_compare_exchange_strong_explicit(p, seen, v, done, failed) model_cas(p, seen, v)
#define atomic_fetch_or_explicit(p, v, order)                             model_or(p, v)
#define atomic_fetch_and_explicit(p, v, order)                            model_and(p, v)
#define atomic_fetch_add_explicit(p, v, order)                            model_add(p, v)

/* Only a relaxed one does not wait for older stores. */
#define atomic_store_explicit(p, v, order) model_store(p, v, (order) != memory_order_relaxed)

/* A full fence lets the stores that are on their way arrive; the others leave them there. */
#define atomic_thread_fence(order)                                 \
	((order) == memory_order_seq_cst   ? model_fence()         \
	 : (order) != memory_order_acquire ? model_fence_release() \
	                                   : (void)0)

/* No clock: a stamp is always the same. */
#define __builtin_ia32_rdtsc() UINT64_C(1) /* NOLINT(bugprone-reserved-identifier) */

/* What the threads of one process have of each other: see kernel.c. */
int model_lock(void const *mutex);
int model_unlock(void const *mutex);
int model_cond_wait(void const *condition, void const *mutex);
int model_cond_broadcast(void const *condition);
pthread_t model_self(void);

#define pthread_mutex_lock(mutex)   model_lock(mutex)
#define pthread_mutex_unlock(mutex) model_unlock(mutex)
#define pthread_cond_wait(c, mutex) model_cond_wait(c, mutex)
#define pthread_cond_broadcast(c)   model_cond_broadcast(c)
#define pthread_self()              model_self()

#endif /* TSR_TESTS_MODEL_HOOK_H */
