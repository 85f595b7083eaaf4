/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_MESSAGE_H
#define TSR_SHM_MESSAGE_H

/*
 * Messages in one's own hands: allocate, release, resolve. See tessera.h for the contract.
 *
 * Context	hot, any thread of the client; shared memory is written only by a release's stamp, and
 *		by the depot every 32nd time.
 */

#include "shm/client.h"
#include "shm/ticket.h"

/* The magazine of the smallest class that holds @bytes and has a ticket, refilled if need be. */
TSR_INLINE int
tsr_message_magazine(struct tsr_attachment *attachment, uint32_t bytes, uint32_t *klass,
                     struct tsr_magazine **magazine)
{
	struct tsr_map const *const map = &attachment->map;
	struct tsr_magazine *const magazines = tsr_magazines_get(attachment);
	uint32_t k;

	if (tsr_unlikely(bytes - 1 >= map->message_bytes_max))
		return bytes == 0 ? -EINVAL : -EMSGSIZE;
	if (tsr_unlikely(magazines == NULL))
		return -ENOMEM;
	k = attachment->class_of_width[tsr_bit_width(bytes - 1)];
	while (map->klass[k].block_bytes < bytes)
		k++;
	while (tsr_unlikely(magazines[k].count == 0)) {
		if (tsr_magazine_refill(attachment, k, &magazines[k]) == 0)
			break;
		if (++k == map->classes_count)
			return -ENOMEM;
	}
	*klass = k;
	*magazine = &magazines[k];
	return 0;
}

TSR_INLINE void
tsr_message_fill(struct tsr_map const *map, uint64_t name, uint32_t bytes, struct tsr_msg *msg)
{
	uint64_t const range = tsr_range_make(0, bytes);

	msg->zdesc = (struct tsr_zdesc){.name = name, .range = range};
	msg->data = tsr_block_data(map, &map->blocks[tsr_name_index(name)], range);
	msg->length = bytes;
	msg->flags = 0;
	msg->stamp = 0;
}

TSR_INLINE int
tsr_message_alloc(struct tsr_attachment *attachment, uint32_t bytes, struct tsr_msg *msg)
{
	struct tsr_magazine *magazine;
	uint32_t klass;
	int const error = tsr_message_magazine(attachment, bytes, &klass, &magazine);

	if (tsr_unlikely(error != 0))
		return error;
	tsr_message_fill(&attachment->map, magazine->name[--magazine->count], bytes, msg);
	return 0;
}

TSR_INLINE int
tsr_message_release(struct tsr_attachment *attachment, struct tsr_msg const *msg)
{
	struct tsr_map const *const map = &attachment->map;
	uint64_t const name = msg->zdesc.name;
	struct tsr_magazine *magazine = tsr_magazines_get(attachment);
	struct tsr_ticket *ticket;
	int error;

	if (tsr_unlikely(magazine == NULL))
		return -ENOMEM;
	error = tsr_ticket_own(map, name, attachment->me, &ticket);
	if (tsr_unlikely(error != 0))
		return error;
	magazine += map->blocks[tsr_name_index(name)].klass;
	if (tsr_unlikely(magazine->count >= magazine->limit)) {
		error = tsr_magazine_drain(attachment, map->blocks[tsr_name_index(name)].klass,
		                           magazine);
		if (error != 0)
			return error;
	}
	magazine->name[magazine->count++] = tsr_ticket_release(ticket, name, attachment->me);
	return 0;
}

#endif /* TSR_SHM_MESSAGE_H */
