/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/feed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "shm/tessera.h"

int
tsr_feed_create(struct tsr_feed *feed)
{
	*feed = (struct tsr_feed){.next = 1, .bell = -1};
	feed->rows = calloc(TSR_FEED_MAX, sizeof(feed->rows[0]));
	if (feed->rows == NULL)
		return -ENOMEM;
	(void)pthread_mutex_init(&feed->lock, NULL);
	feed->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return feed->bell < 0 ? -errno : 0;
}

void
tsr_feed_destroy(struct tsr_feed *feed)
{
	if (feed->rows == NULL)
		return;
	if (feed->bell >= 0)
		(void)close(feed->bell);
	free(feed->rows);
	(void)pthread_mutex_destroy(&feed->lock);
	feed->rows = NULL;
}

/* Under the lock. */
static void
feed_ring(struct tsr_feed *feed)
{
	uint64_t const one = 1;

	if (feed->waiting != 0 && !feed->rung)
		feed->rung = write(feed->bell, &one, sizeof(one)) > 0;
}

static void
feed_keep(struct tsr_feed *feed, struct tsr_proto_row_feed *row)
{
	struct timespec now;

	(void)pthread_mutex_lock(&feed->lock);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	row->wall_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
	row->number = feed->next++;
	feed->rows[row->number % TSR_FEED_MAX] = *row;
	feed_ring(feed);
	(void)pthread_mutex_unlock(&feed->lock);
}

static void
feed_log(struct tsr_feed *feed, enum tsr_log_level level, struct tsr_proto_row_feed const *row)
{
	uint64_t untold = 0;

	if (!tsr_log_shows(level))
		return;
	if (feed->quota != NULL && row->uid != UINT32_MAX &&
	    tsr_quota_pace(feed->quota, row->uid, TSR_QUOTA_LOG_LINES, tsr_now_ns(), &untold) != 0)
		return;
	if (untold != 0)
		tsr_log(TSR_LOG_WARNING,
		        "%llu lines about user %u were left out (limits.log_lines_per_second)",
		        (unsigned long long)untold, row->uid);
	tsr_log(level, "%s", row->text);
}

void
tsr_feed_tell(struct tsr_feed *feed, enum tsr_log_level level, struct tsr_proto_row_feed *row,
              const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(row->text, sizeof(row->text), format, args);
	va_end(args);
	if (row->count == 0)
		row->count = 1;
	feed_log(feed, level, row);
	feed_keep(feed, row);
}

size_t
tsr_feed_read(struct tsr_feed *feed, uint64_t *from, uint64_t *missed,
              struct tsr_proto_row_feed *rows, size_t max)
{
	uint64_t oldest;
	size_t count = 0;

	(void)pthread_mutex_lock(&feed->lock);
	oldest = feed->next > TSR_FEED_MAX ? feed->next - TSR_FEED_MAX : 1;
	if (*from == 0)
		*from = oldest;
	if (*from < oldest) {
		*missed += oldest - *from;
		*from = oldest;
	}
	for (; count < max && *from < feed->next; (*from)++)
		rows[count++] = feed->rows[*from % TSR_FEED_MAX];
	(void)pthread_mutex_unlock(&feed->lock);
	return count;
}

uint64_t
tsr_feed_newest(struct tsr_feed *feed)
{
	uint64_t newest;

	(void)pthread_mutex_lock(&feed->lock);
	newest = feed->next - 1;
	(void)pthread_mutex_unlock(&feed->lock);
	return newest;
}

bool
tsr_feed_wait(struct tsr_feed *feed, uint64_t from)
{
	bool waits;

	(void)pthread_mutex_lock(&feed->lock);
	waits = from >= feed->next;
	if (waits)
		feed->waiting++;
	(void)pthread_mutex_unlock(&feed->lock);
	return waits;
}

void
tsr_feed_unwait(struct tsr_feed *feed)
{
	(void)pthread_mutex_lock(&feed->lock);
	feed->waiting--;
	(void)pthread_mutex_unlock(&feed->lock);
}

void
tsr_feed_hear(struct tsr_feed *feed)
{
	uint64_t rings;

	(void)pthread_mutex_lock(&feed->lock);
	(void)!read(feed->bell, &rings, sizeof(rings));
	feed->rung = false;
	(void)pthread_mutex_unlock(&feed->lock);
}
