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
void model_store(_Atomic uint64_t *p, uint64_t v);
uint64_t model_exchange(_Atomic uint64_t *p, uint64_t v);
bool model_cas(_Atomic uint64_t *p, uint64_t *seen, uint64_t v);
uint64_t model_or(_Atomic uint64_t *p, uint64_t v);
uint64_t model_and(_Atomic uint64_t *p, uint64_t v);
uint64_t model_add(_Atomic uint64_t *p, uint64_t v);
void model_fence(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_add_explicit
#undef atomic_thread_fence
#define atomic_load_explicit(p, order)                                    model_load(p)
#define atomic_store_explicit(p, v, order)                                model_store(p, v)
#define atomic_exchange_explicit(p, v, order)                             model_exchange(p, v)
#define atomic_compare_exchange_strong_explicit(p, seen, v, done, failed) model_cas(p, seen, v)
#define atomic_fetch_or_explicit(p, v, order)                             model_or(p, v)
#define atomic_fetch_and_explicit(p, v, order)                            model_and(p, v)
#define atomic_fetch_add_explicit(p, v, order)                            model_add(p, v)
#define atomic_thread_fence(order)                                        model_fence()

/* No clock: a stamp is always the same. */
#define __builtin_ia32_rdtsc() UINT64_C(1) /* NOLINT(bugprone-reserved-identifier) */

/* Every modelled process has one thread: nobody else wants its lock. */
#define pthread_mutex_lock(mutex)   ((void)(mutex), 0)
#define pthread_mutex_unlock(mutex) ((void)(mutex), 0)
#define pthread_cond_wait(c, mutex) ((void)(c), (void)(mutex), 0)

#endif /* TSR_TESTS_MODEL_HOOK_H */
