/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/broadcast.h"

#include <errno.h>

#include "shm/kind.h"
#include "shm/zdesc.h"

static uint64_t
broadcast_bytes(struct tsr_shape const *shape)
{
	return tsr_kind_ring_bytes(shape) + sizeof(struct tsr_broadcast_shm);
}

static void
broadcast_format(struct tsr_channel_shm *shm, struct tsr_shape const *shape, uint64_t first_lap)
{
	struct tsr_broadcast_shm *const readers =
		(struct tsr_broadcast_shm *)(void *)&shm->slot[shape->capacity];

	tsr_kind_ring_format(shm, shape, first_lap);
	tsr_st_rlx(&readers->joins, 0);
	for (uint32_t i = 0; i < TSR_CURSOR_WORDS; i++) {
		tsr_st_rlx(&readers->reading[i], 0);
		tsr_st_rlx(&readers->holding[i], 0);
	}
	for (uint32_t i = 0; i < TSR_CURSORS_MAX; i++) {
		struct tsr_cursor *const cursor = &readers->cursor[i];

		tsr_st_rlx(&cursor->word, tsr_cursor_word(0, 0, TSR_CURSOR_FREE));
		tsr_st_rlx(&cursor->position, 0);
		for (uint32_t k = 0; k < TSR_CURSOR_HOLDS; k++)
			tsr_st_rlx(&cursor->hold[k], TSR_NAME_NONE);
	}
}

static int
broadcast_open(struct tsr_end *end, struct tsr_end_options const *options)
{
	if (end->side == TSR_SIDE_RECEIVER)
		return tsr_broadcast_join(end, options);
	if (options->from != 0 || (options->flags & TSR_END_LOSSY) != 0)
		return -EINVAL;
	end->own = &tsr_broadcast_shm(&end->channel)->joins;
	end->writer = (struct tsr_writer){
		.joins_seen = UINT64_MAX,
		.enough = TSR_WRITER_RETIRED,
		.klass = TSR_CLASSES_MAX,
	};
	tsr_end_seek(end, tsr_channel_find(&end->channel));
	return 0;
}

static void
broadcast_close(struct tsr_end *end)
{
	if (end->side == TSR_SIDE_RECEIVER)
		tsr_broadcast_leave(end);
	else
		tsr_broadcast_retire(end);
}

static bool
broadcast_has_work(struct tsr_end const *end)
{
	return end->side == TSR_SIDE_RECEIVER ? tsr_broadcast_can_recv(end)
	                                      : tsr_broadcast_can_send(end);
}

static bool
broadcast_find_work(struct tsr_end *end)
{
	return broadcast_has_work(end);
}

/* What is there stays there: the end is where nothing more comes. */
static bool
broadcast_is_drained(struct tsr_end const *end)
{
	return !broadcast_has_work(end);
}

/* Everybody who slept was woken: there is nobody to hand it on to. */
static void
broadcast_wake_mine(struct tsr_end *end)
{
	(void)end;
}

struct tsr_kind const tsr_kind_broadcast = {
	.name = "broadcast",
	.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_EVICT | TSR_CHANNEL_LAP,
	.capacity = 1024,
	.tapped = true,
	.crowd = true,
	.bytes = broadcast_bytes,
	.format = broadcast_format,
	.open = broadcast_open,
	.close = broadcast_close,
	.try_send = tsr_broadcast_try_send,
	.try_recv = tsr_broadcast_try_recv,
	.has_work = broadcast_has_work,
	.find_work = broadcast_find_work,
	.is_drained = broadcast_is_drained,
	.wake_mine = broadcast_wake_mine,
};
