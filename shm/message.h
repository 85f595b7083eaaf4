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

/* The smallest class for so many bytes, 1 .. message_bytes_max. */
TSR_INLINE uint32_t
tsr_message_class(struct tsr_attachment const *attachment, uint32_t bytes)
{
	uint32_t const lines = (bytes - 1) / TSR_CACHELINE;
	uint32_t k;

	if (tsr_likely(lines < TSR_LINES_MAX))
		return attachment->class_of_lines[lines];
	k = attachment->class_of_lines[TSR_LINES_MAX - 1];
	while (attachment->map.klass[k].block_bytes < bytes)
		k++;
	return k;
}

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

/* Take a ticket from the magazine of the class, if one is there. Return: done or not. */
TSR_INLINE bool
tsr_message_alloc_fast(struct tsr_attachment *attachment, struct tsr_magazine *magazines,
                       uint32_t bytes, struct tsr_msg *msg)
{
	struct tsr_magazine *magazine;

	if (tsr_unlikely(bytes - 1 >= attachment->map.message_bytes_max))
		return false;
	magazine = &magazines[tsr_message_class(attachment, bytes)];
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
