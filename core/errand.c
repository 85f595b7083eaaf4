/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/errand.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct tsr_errand {
	struct tsr_errand *next;
	void (*work)(void *);
	void *argument;
	bool done;
};

int
tsr_errands_create(struct tsr_errands *errands)
{
	*errands = (struct tsr_errands){.open = true};
	(void)pthread_mutex_init(&errands->lock, NULL);
	(void)pthread_cond_init(&errands->done, NULL);
	errands->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (errands->bell >= 0)
		return 0;
	errands->open = false;
	return -errno;
}

void
tsr_errands_close(struct tsr_errands *errands)
{
	if (!errands->open)
		return;
	(void)pthread_mutex_lock(&errands->lock);
	errands->open = false;
	errands->first = NULL; /* those who wait see that it is closed */
	(void)close(errands->bell);
	(void)pthread_cond_broadcast(&errands->done);
	(void)pthread_mutex_unlock(&errands->lock);
}

int
tsr_errand_do(struct tsr_errands *errands, void (*work)(void *), void *argument)
{
	struct tsr_errand errand = {.work = work, .argument = argument};
	uint64_t const one = 1;

	(void)pthread_mutex_lock(&errands->lock);
	if (errands->open) {
		errand.next = errands->first;
		/* It leaves the list before we go on: done, or closed. */
		/* cppcheck-suppress autoVariables */
		errands->first = &errand;
		(void)!write(errands->bell, &one, sizeof(one));
	}
	while (errands->open && !errand.done)
		(void)pthread_cond_wait(&errands->done, &errands->lock);
	(void)pthread_mutex_unlock(&errands->lock);
	return errand.done ? 0 : -ENOTCONN;
}

void
tsr_errands_serve(struct tsr_errands *errands)
{
	struct tsr_errand *errand;
	uint64_t rings;

	(void)pthread_mutex_lock(&errands->lock);
	(void)!read(errands->bell, &rings, sizeof(rings));
	while ((errand = errands->first) != NULL) {
		errands->first = errand->next;
		/* Who waits for it does so until it is done: nobody closes but us. */
		(void)pthread_mutex_unlock(&errands->lock);
		errand->work(errand->argument);
		(void)pthread_mutex_lock(&errands->lock);
		errand->done = true;
		(void)pthread_cond_broadcast(&errands->done);
	}
	(void)pthread_mutex_unlock(&errands->lock);
}
