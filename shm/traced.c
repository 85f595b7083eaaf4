/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The calls of a message's path in a traced process: the fast forms of message.h and buffered.h,
 * with a look at the sample around them. See traced.h.
 */

#include "shm/traced.h"

bool
tsr_traced_alloc(struct tsr_attachment *attachment, uint32_t bytes, struct tsr_msg *msg)
{
	uint64_t const index = attachment->handle % TSR_ATTACHMENTS_MAX;

	if (tsr_thread.handle[index] != tsr_magazines_mark(attachment) ||
	    !tsr_message_alloc_fast(attachment, tsr_thread.magazines[index], bytes, msg))
		return false;
	TSR_TRACE_MESSAGE(alloc, msg->zdesc.name, attachment->map.directory->name, attachment->me,
	                  msg->zdesc.name, bytes);
	return true;
}

/* Told when it is done: until this thread's magazine is full nobody else can take the ticket. */
bool
tsr_traced_release(struct tsr_attachment *attachment, uint64_t name)
{
	uint64_t const index = attachment->handle % TSR_ATTACHMENTS_MAX;

	if (tsr_thread.handle[index] != tsr_magazines_mark(attachment) ||
	    !tsr_message_release_fast(attachment, tsr_thread.magazines[index], name))
		return false;
	TSR_TRACE_MESSAGE(release, name, attachment->map.directory->name, attachment->me, name);
	return true;
}

/* Only what is not in the sample: the rest is told of between two stores of the long way. */
bool
tsr_traced_send(struct tsr_end *end, struct tsr_zdesc zdesc)
{
	enum tsr_fast fast;

	if (tsr_trace_hash(zdesc.name) <= tsr_trace_limit)
		return false;
	fast = tsr_buffered_send_fast(end, zdesc.name, zdesc.range);
	if (fast == TSR_FAST_WAKE)
		tsr_buffered_wake(end);
	return fast != TSR_FAST_MISS;
}

int
tsr_traced_recv(struct tsr_end *end, struct tsr_msg *msg)
{
	enum tsr_fast const fast = tsr_buffered_recv_fast(end, tsr_buffered_look(end), msg);

	if (fast == TSR_FAST_MISS)
		return -EAGAIN;
	if (fast == TSR_FAST_REFUSE)
		return tsr_buffered_settle(end, msg);
	TSR_TRACE_MESSAGE(receive, msg->zdesc.name, end->map->directory->name, end->me,
	                  end->channel.id, msg->zdesc.name, msg->length);
	if (fast == TSR_FAST_WAKE)
		tsr_buffered_after(end, msg);
	return 0;
}
