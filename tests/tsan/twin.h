/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_TSAN_TWIN_H
#define TSR_TESTS_TSAN_TWIN_H

/*
 * Twins: what the suites do between processes, done between threads over one mapping, so that
 * ThreadSanitizer sees it. The payload is plain memory: a store or load of a slot in too weak an
 * order shows as a race on it, which x86 alone would never show.
 *
 * Where an order guards only words that are atomic themselves (a zdesc that was read before its
 * slot is free), a plain note stands for them: written before the one end, read after the other,
 * and ordered by nothing else. A twin that waits for something of the other thread without wanting
 * to be ordered by it loads it relaxed.
 *
 * Each is a program that exits with 0, or says what is wrong and exits with 1; ThreadSanitizer
 * exits with 66.
 */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/channel.h"
#include "shm/client.h"
#include "shm/format.h"
#include "tests/support/local.h"
#include "tests/support/shape.h"

#define twin_check(condition)                                                           \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                       \
		}                                                                       \
	} while (0)

#define twin_is(call, want)                                                                      \
	do {                                                                                     \
		int const got_ = (call);                                                         \
		if (got_ != (want)) {                                                            \
			fprintf(stderr, "%s:%d: %s gave %d\n", __FILE__, __LINE__, #call, got_); \
			_exit(1);                                                                \
		}                                                                                \
	} while (0)

struct twin {
	struct tsr_map map;
	struct tsr_channel channel;
};

/* Map an unformatted realm of 256 blocks of 256 bytes, with room for two channels. */
static inline void
twin_map(struct twin *twin, struct tsr_realm_geometry *geometry)
{
	uint64_t bytes[TSR_SEGMENTS_MAX];

	tsr_geometry_default(geometry);
	geometry->channels = 2;
	geometry->slots = 1024;
	geometry->clients = 8;
	geometry->classes = 1;
	geometry->klass[0] = (struct tsr_class_config){.block_bytes = 256, .count = 256};
	twin->map = (struct tsr_map){0};
	twin->map.segments_count = tsr_geometry_segments(geometry, bytes);
	for (uint32_t i = 0; i < twin->map.segments_count; i++) {
		struct tsr_mapping *segment = &twin->map.segment[i];

		segment->bytes = bytes[i];
		segment->base = mmap(NULL, bytes[i], PROT_READ | PROT_WRITE,
		                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		twin_check(segment->base != MAP_FAILED);
	}
	tsr_wait_look_ns = UINT64_MAX; /* a wake-up that is missed is missed for good */
	alarm(100);
}

/* A channel, and an end on each of its sides as far as the directory says. */
static inline void
twin_channel_of(struct twin *twin, uint32_t index, struct tsr_shape shape,
                struct tsr_channel *channel)
{
	uint64_t const offset = index * tsr_kind_ring_bytes(&shape);
	uint64_t const id = tsr_channel_id(index, 1);

	tsr_channel_format(&twin->map, index, offset, shape, id, "twin");
	twin_is(tsr_channel_bind(channel, &twin->map, index, offset, shape, id), 0);
	tsr_st_rel(&channel->entry->senders, tsr_ends_make(1, false, 1));
	tsr_st_rel(&channel->entry->receivers, tsr_ends_make(1, false, 1));
}

static inline void
twin_channel(struct twin *twin, uint32_t index, uint32_t capacity, uint32_t flags,
             struct tsr_channel *channel)
{
	twin_channel_of(twin, index, shape_buffered(capacity, flags), channel);
}

/* A realm with one channel. */
static inline void
twin_make_of(struct twin *twin, struct tsr_shape shape)
{
	struct tsr_realm_geometry geometry;

	twin_map(twin, &geometry);
	twin_is(tsr_realm_format(&twin->map, &geometry), 0);
	twin_channel_of(twin, 0, shape, &twin->channel);
}

static inline void
twin_make(struct twin *twin, uint32_t capacity, uint32_t flags)
{
	twin_make_of(twin, shape_buffered(capacity, flags));
}

/* Between two looks: the other thread may need this core. */
static inline void
twin_pause(void)
{
	(void)sched_yield();
}

static inline pthread_t
twin_start(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	twin_check(pthread_create(&thread, NULL, body, arg) == 0);
	return thread;
}

/* Run both, each in a thread of its own, to their ends. */
static inline void
twin_run(void *(*first)(void *), void *(*second)(void *))
{
	pthread_t const a = twin_start(first, NULL);
	pthread_t const b = twin_start(second, NULL);

	twin_check(pthread_join(a, NULL) == 0);
	twin_check(pthread_join(b, NULL) == 0);
}

/* Plain bytes of a message, and whether they are the ones that were written. */
static inline void
twin_write(struct tsr_msg const *msg, uint64_t number)
{
	uint64_t *words = msg->data;

	for (uint32_t i = 0; i < msg->length / sizeof(*words); i++)
		words[i] = number + i;
}

static inline bool
twin_reads(struct tsr_msg const *msg, uint64_t number)
{
	uint64_t const *words = msg->data;

	for (uint32_t i = 0; i < msg->length / sizeof(*words); i++) {
		if (words[i] != number + i)
			return false;
	}
	return true;
}

#endif /* TSR_TESTS_TSAN_TWIN_H */
