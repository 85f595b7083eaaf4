/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_MESSAGE_H
#define TSR_SHM_MESSAGE_H

/*
 * Messages in one's own hands: allocate, release, resolve. See tessera.h for the contract.
 *
 * Context	hot, any thread of the client; shared memory is written only by a release's stamp,
 *		and by the depot every 32nd time.
 */

#include "shm/client.h"
#include "shm/ticket.h"

TSR_INLINE void
tsr_message_fill(struct tsr_map const *map, uint64_t name, uint32_t bytes, struct tsr_msg *msg)
{
	struct tsr_block const *const block = &map->blocks[tsr_name_index(name)];

	msg->zdesc.name = name;
	msg->zdesc.range = (uint64_t)bytes << 32;
	msg->data = map->arena_base[block->arena] + block->offset;
	msg->length = bytes;
	msg->flags = 0;
	msg->stamp = 0;
}

/* Take a ticket for a small message from its magazine, if one is there. Return: done or not. */
TSR_INLINE bool
tsr_message_alloc_fast(struct tsr_attachment *attachment, struct tsr_magazine *magazines,
                       uint32_t bytes, struct tsr_msg *msg)
{
	uint32_t const lines = (bytes - 1) / TSR_CACHELINE;
	struct tsr_magazine *magazine;

	if (tsr_unlikely(lines >= attachment->lines_fast))
		return false;
	magazine = &magazines[attachment->class_of_lines[lines]];
	if (tsr_unlikely(magazine->count == 0))
		return false;
	tsr_message_fill(&attachment->map, magazine->name[--magazine->count], bytes, msg);
	return true;
}

/* Put a ticket that is ours into its magazine, if there is room. Return: done or not. */
TSR_INLINE bool
tsr_message_release_fast(struct tsr_attachment *attachment, struct tsr_magazine *magazines,
                         uint64_t name)
{
	struct tsr_map const *const map = &attachment->map;
	uint32_t const index = tsr_name_index(name);
	struct tsr_magazine *magazine;

	if (tsr_unlikely(index >= map->tickets_count) ||
	    tsr_unlikely(!tsr_word_is(tsr_ld_rlx(&map->tickets[index].word), name, attachment->me)))
		return false;
	magazine = &magazines[map->blocks[index].klass];
	if (tsr_unlikely(magazine->count >= magazine->limit))
		return false;
	magazine->name[magazine->count++] =
		tsr_ticket_release(&map->tickets[index], name, attachment->me);
	return true;
}

/*
 * tsr_message_alloc, tsr_message_release - the whole of it: magazines made, refilled, drained;
 * every error told. Context: warm.
 */
TSR_COLD TSR_MUST_CHECK int tsr_message_alloc(struct tsr_attachment *attachment, uint32_t bytes,
                                              struct tsr_msg *msg);
TSR_COLD TSR_MUST_CHECK int tsr_message_release(struct tsr_attachment *attachment, uint64_t name);

#endif /* TSR_SHM_MESSAGE_H */
