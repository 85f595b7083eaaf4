/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/requeue.h"

#include <errno.h>

#include "shm/message.h"
#include "shm/region.h"
#include "shm/ticket.h"

/* A ticket whose range cannot be: it is freed. */
static int
requeue_refuse(struct tsr_end *end, uint64_t name)
{
	uint64_t own;

	if (tsr_ticket_receive_again(end->map, name, end->me, &own) != 0)
		return -EAGAIN;
	tsr_count(&end->attachment->state->refused, 1);
	if (tsr_message_release(end->attachment, own) != 0)
		tsr_count(&end->attachment->state->refused, 1);
	return -EPROTO;
}

/* Receive the message of ticket @index, if it is still there. Return: 0; -EAGAIN; as above. */
static int
requeue_take(struct tsr_end *end, uint32_t index, uint64_t word, struct tsr_msg *msg)
{
	struct tsr_map const *const map = end->map;
	struct tsr_zdesc zdesc = {.name = tsr_name_make(index, tsr_word_generation(word)),
	                          .range = tsr_ld_rlx(&map->ranges[index])};
	struct tsr_block const *const block = &map->blocks[index];
	int error;

	if (!tsr_block_holds(block, zdesc.range))
		return requeue_refuse(end, zdesc.name);
	if (index >= map->tickets_count) {
		error = tsr_region_receive(end->attachment, zdesc, true, msg);
	} else {
		error = tsr_ticket_receive_again(map, zdesc.name, end->me, &zdesc.name);
		if (error == 0)
			*msg = (struct tsr_msg){
				.zdesc = zdesc,
				.data = tsr_block_data(map, block, zdesc.range),
				.length = tsr_range_length(zdesc.range),
			};
	}
	if (error != 0)
		return error == -EPROTO ? requeue_refuse(end, zdesc.name) : error;
	msg->flags |= TSR_MSG_REDELIVERED;
	tsr_metrics_moved(end->metrics, msg->length);
	if (TSR_TRACED)
		tsr_end_tell_receive(end, msg);
	return 0;
}

/* Nothing of ours lies before ticket @next, of those up to @last. */
static void
requeue_advance(struct tsr_end *end, uint64_t seen, uint32_t next, uint32_t last)
{
	uint32_t const first = next < last ? next + 1 : 0;

	/* [Y2] pairs with [Y1]: not if the reaper has listed something since. */
	(void)!tsr_cas_acq(&end->shm->requeue_first, &seen,
	                   tsr_requeue_word(tsr_requeue_version(seen), first));
}

int
tsr_requeue_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	struct tsr_map const *const map = end->map;
	/* [Y2] pairs with [Y1]: what is requeued is so by now. */
	uint64_t const seen = tsr_ld_acq(&end->shm->requeue_first);
	uint32_t const first = tsr_requeue_first(seen);
	uint64_t const most = tsr_ld_rlx(&end->shm->requeue_last);
	uint32_t const last = most < map->tickets_all ? (uint32_t)most : map->tickets_all;

	if (first == 0)
		return -EAGAIN;
	for (uint32_t i = first - 1; i < last; i++) {
		/* [Y2] pairs with [Y1]: what the dead one had, and its range. */
		uint64_t const word = tsr_ld_acq(&map->tickets[i].word);
		int error;

		if (!tsr_requeue_names(word, tsr_ld_rlx(&map->tickets[i].tag), end->channel.id))
			continue;
		error = requeue_take(end, i, word, msg);
		if (error == -EAGAIN)
			continue; /* another receiver was faster */
		if (error == 0)
			requeue_advance(end, seen, i + 1, last);
		return error;
	}
	requeue_advance(end, seen, last, last);
	return -EAGAIN;
}
