/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_ERRAND_H
#define TSR_CORE_ERRAND_H

/*
 * Errands: work that another thread has the control thread do, because what it touches is that
 * thread's alone. Who asks waits until it is done.
 *
 * Progress	the control thread sleeps on the bell; it does one errand after the other.
 */

#include <pthread.h>
#include <stdbool.h>

#include "shm/compiler.h"

struct tsr_errand;

struct tsr_errands {
	pthread_mutex_t lock; /* of everything below but the bell */
	pthread_cond_t done;
	struct tsr_errand *first; /* they lie on the stacks of those who wait */
	bool open;
	int bell; /* eventfd: there are some */
};

/* tsr_errands_create - Return: 0; what eventfd(2) gave. */
TSR_MUST_CHECK
int tsr_errands_create(struct tsr_errands *errands);

/* tsr_errands_close - nobody does errands any more, nor waits for one. May be called twice; the
 * memory must stay. Context: the control thread, or when there is none. */
void tsr_errands_close(struct tsr_errands *errands);

/* tsr_errand_do - have the control thread call @work. Context: any other thread. Return: 0 it has;
 * -ENOTCONN there is no control thread any more. */
TSR_MUST_CHECK
int tsr_errand_do(struct tsr_errands *errands, void (*work)(void *), void *argument);

/* tsr_errands_serve - the bell was rung. Context: the control thread. */
void tsr_errands_serve(struct tsr_errands *errands);

#endif /* TSR_CORE_ERRAND_H */
