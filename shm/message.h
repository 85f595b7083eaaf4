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

#include "shm/buffered.h"
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

/* What is sent: the range of the zdesc, shortened to the message's length; false: it is longer. */
TSR_INLINE bool
tsr_message_range(struct tsr_msg const *msg, uint64_t *range)
{
	*range = tsr_range_make(tsr_range_offset(msg->zdesc.range), msg->length);
	return msg->length <= tsr_range_length(msg->zdesc.range);
}

/*
 * The calls of a message's path once more, inlined: tessera.h has their contract. What the fast
 * forms would not do goes to the slow functions: first use in a thread, an empty or full magazine,
 * a slot that is not the one expected, errors, waiting. In a traced process every call goes there,
 * so each hands over to a warm one, which begins with the fast form once more (traced.h); itself it
 * is cold, or compilers would lay out the caller as if it were called now and then.
 */
TSR_COLD TSR_MUST_CHECK int tsr_message_alloc_slow(struct tsr_client client, uint32_t bytes,
                                                   struct tsr_msg *msg);
TSR_COLD TSR_MUST_CHECK int tsr_message_release_slow(struct tsr_client client,
                                                     struct tsr_msg const *msg);
TSR_COLD TSR_MUST_CHECK int tsr_message_send_slow(struct tsr_sender sender, struct tsr_msg *msg,
                                                  uint64_t deadline_ns);
TSR_COLD TSR_MUST_CHECK int tsr_message_recv_slow(struct tsr_receiver receiver, struct tsr_msg *msg,
                                                  uint64_t deadline_ns);

/* The same for batches on an end that is not for inlined calls. */
TSR_COLD TSR_MUST_CHECK int tsr_message_send_all(struct tsr_sender sender, struct tsr_msg *msgs,
                                                 size_t count, uint64_t deadline_ns, size_t *done);
TSR_COLD TSR_MUST_CHECK int tsr_message_recv_all(struct tsr_receiver receiver, struct tsr_msg *msgs,
                                                 size_t count, uint64_t deadline_ns, size_t *done);

/* tsr_message_given - a cancelled send gave it to the end's scope: it is not the caller's */
TSR_COLD void tsr_message_given(struct tsr_msg *msg);

/* tsr_message_count - count why a call gave up, and return it */
TSR_COLD int tsr_message_count(struct tsr_end *end, int error);

/* It is done, and somebody sleeps; or what was in the slot cannot be, or lies in a region. */
TSR_COLD TSR_MUST_CHECK int tsr_message_after(struct tsr_end *end, enum tsr_fast fast,
                                              struct tsr_msg *msg);

TSR_INLINE int
tsr_alloc_inline(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_magazine *magazines;

	if (tsr_likely(attachment != NULL) &&
	    tsr_likely(tsr_magazines_have(client.handle, &magazines)) &&
	    tsr_likely(tsr_message_alloc_fast(attachment, magazines, bytes, msg)))
		return 0;
	return tsr_message_alloc_slow(client, bytes, msg);
}

TSR_INLINE int
tsr_release_inline(struct tsr_client client, struct tsr_msg *msg)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_magazine *magazines;

	if (tsr_likely(attachment != NULL) &&
	    tsr_likely(tsr_magazines_have(client.handle, &magazines)) &&
	    tsr_likely(tsr_message_release_fast(attachment, magazines, msg->zdesc.name)))
		return 0;
	return tsr_message_release_slow(client, msg);
}

TSR_INLINE int
tsr_send_inline(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_end *const end = tsr_end_get(sender.handle);
	enum tsr_fast fast;
	uint64_t range;

	if (tsr_unlikely(end == NULL) || tsr_unlikely(end->inlined != TSR_SIDE_SENDER) ||
	    tsr_unlikely(!tsr_message_range(msg, &range)))
		return tsr_message_send_slow(sender, msg, deadline_ns);
	fast = tsr_buffered_send_fast(end, msg->zdesc.name, range);
	if (tsr_likely(fast == TSR_FAST_DONE))
		return 0;
	return fast == TSR_FAST_MISS ? tsr_message_send_slow(sender, msg, deadline_ns)
	                             : tsr_message_after(end, fast, msg);
}

TSR_INLINE int
tsr_recv_inline(struct tsr_receiver receiver, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_end *const end = tsr_end_get(receiver.handle);
	enum tsr_fast fast;
	uint64_t word;

	if (tsr_unlikely(end == NULL) || tsr_unlikely(end->inlined != TSR_SIDE_RECEIVER))
		return tsr_message_recv_slow(receiver, msg, deadline_ns);
	word = tsr_buffered_look(end);
	fast = tsr_buffered_recv_fast(end, word, msg);
	if (tsr_likely(fast == TSR_FAST_DONE))
		return 0;
	if (fast == TSR_FAST_MISS && deadline_ns == TSR_NOWAIT && tsr_buffered_idle(end, word))
		return -EAGAIN;
	return fast == TSR_FAST_MISS ? tsr_message_recv_slow(receiver, msg, deadline_ns)
	                             : tsr_message_after(end, fast, msg);
}

#endif /* TSR_SHM_MESSAGE_H */
