/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/client.h"
#include "shm/depot.h"

_Thread_local struct tsr_thread tsr_thread;

static pthread_once_t magazine_once = PTHREAD_ONCE_INIT;
static pthread_key_t magazine_key;

/* Keep a ticket that has no place in a cell: the process lock is held. Return: 0; -ENOMEM. */
static int
orphans_push(struct tsr_orphans *orphans, uint64_t name)
{
	if (orphans->count == orphans->room) {
		uint32_t const room = orphans->room == 0 ? TSR_CELL_ENTRIES : 2 * orphans->room;
		uint64_t *const more = realloc(orphans->name, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		orphans->name = more;
		orphans->room = room;
	}
	orphans->name[orphans->count++] = name;
	return 0;
}

/* A thread ends: full cells go to the depot, the rest to the attachment until it fills one, too.
 * What even that has no memory for stays in this client's name and is swept when it detaches. */
static void
magazine_leave(struct tsr_attachment *attachment, uint32_t klass, struct tsr_magazine *magazine)
{
	struct tsr_orphans *const orphans = &attachment->orphans[klass];
	uint32_t const batch = attachment->map.klass[klass].batch;
	uint64_t left = magazine->count;

	while (left >= batch && tsr_depot_fill(&attachment->map, klass, attachment->me,
	                                       &magazine->name[left - batch], batch) == 0)
		left -= batch;
	while (left > 0 && orphans_push(orphans, magazine->name[left - 1]) == 0)
		left--;
	while (orphans->count >= batch &&
	       tsr_depot_fill(&attachment->map, klass, attachment->me,
	                      &orphans->name[orphans->count - batch], batch) == 0)
		orphans->count -= batch;
}

/* The handle that a mark stands for. */
static uint64_t
magazine_handle(uint64_t mark)
{
	return mark >> 63 != 0 ? ~mark : mark;
}

static void
magazine_thread_ends(void *thread_pointer)
{
	struct tsr_thread *const thread = thread_pointer;

	(void)pthread_mutex_lock(&tsr_process_lock);
	for (uint32_t i = 0; i < TSR_ATTACHMENTS_MAX; i++) {
		struct tsr_attachment *const attachment =
			tsr_attachment_get((struct tsr_client){magazine_handle(thread->handle[i])});

		for (uint32_t k = 0; attachment != NULL && k < attachment->map.classes_count; k++)
			magazine_leave(attachment, k, &thread->magazines[i][k]);
		free(thread->magazines[i]);
		thread->magazines[i] = NULL;
		thread->handle[i] = 0;
	}
	(void)pthread_mutex_unlock(&tsr_process_lock);
}

static void
magazine_make_key(void)
{
	(void)pthread_key_create(&magazine_key, magazine_thread_ends);
}

struct tsr_magazine *
tsr_magazines_open(struct tsr_attachment *attachment)
{
	uint64_t const index = attachment->handle % TSR_ATTACHMENTS_MAX;
	struct tsr_magazine *magazines = tsr_thread.magazines[index];

	if (tsr_thread.handle[index] == tsr_magazines_mark(attachment))
		return magazines;
	(void)pthread_once(&magazine_once, magazine_make_key);
	if (magazines == NULL) {
		magazines = aligned_alloc(TSR_CACHELINE, TSR_CLASSES_MAX * sizeof(*magazines));
		if (magazines == NULL || pthread_setspecific(magazine_key, &tsr_thread) != 0) {
			free(magazines);
			return NULL;
		}
	}
	/* Of an attachment that has ended: its tickets were swept. */
	for (uint32_t i = 0; i < attachment->map.classes_count; i++) {
		uint32_t const batch = attachment->map.klass[i].batch;

		magazines[i].count = 0;
		magazines[i].limit = batch < TSR_CELL_ENTRIES ? 2 * batch : TSR_MAGAZINE_ENTRIES;
	}
	tsr_thread.magazines[index] = magazines;
	tsr_thread.handle[index] = tsr_magazines_mark(attachment);
	return magazines;
}

static uint32_t
magazine_adopt(struct tsr_attachment *attachment, uint32_t klass, uint64_t *names)
{
	struct tsr_orphans *const orphans = &attachment->orphans[klass];
	uint32_t const batch = attachment->map.klass[klass].batch;
	uint32_t count = 0;

	(void)pthread_mutex_lock(&tsr_process_lock);
	while (count < batch && orphans->count > 0)
		names[count++] = orphans->name[--orphans->count];
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return count;
}

int
tsr_magazine_refill(struct tsr_attachment *attachment, uint32_t klass,
                    struct tsr_magazine *magazine)
{
	int const error = tsr_attachment_check(attachment);

	/* Who always finds room in its channels must be told by somebody. */
	if (error != 0)
		return error;
	magazine->count = tsr_depot_take(&attachment->map, klass, attachment->me, magazine->name);
	if (magazine->count == 0)
		magazine->count = magazine_adopt(attachment, klass, magazine->name);
	return magazine->count > 0 ? 0 : -ENOMEM;
}

int
tsr_magazine_drain(struct tsr_attachment *attachment, uint32_t klass, struct tsr_magazine *magazine)
{
	uint32_t const batch = attachment->map.klass[klass].batch;
	int error = tsr_depot_fill(&attachment->map, klass, attachment->me, magazine->name, batch);

	if (error == 0) {
		magazine->count -= batch;
		memmove(magazine->name, &magazine->name[batch],
		        magazine->count * sizeof(magazine->name[0]));
		return 0;
	}
	(void)pthread_mutex_lock(&tsr_process_lock);
	error = orphans_push(&attachment->orphans[klass], magazine->name[magazine->count - 1]);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	if (error == 0)
		magazine->count--;
	return error;
}
