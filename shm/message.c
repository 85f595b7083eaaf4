/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The calls of a message's path, exported. Each is the inline form of message.h and buffered.h behind
 * a handle; what waits is in wait.c.
 */

#include "shm/message.h"

#include <string.h>

#include "shm/buffered.h"

#define MESSAGE_STRING_COPY_BYTES 1024 /* from here on the string copy wins, see doc/performance.md */

TSR_HOT int
tsr_alloc(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);

	return tsr_likely(attachment != NULL) ? tsr_message_alloc(attachment, bytes, msg) : -ENOTCONN;
}

TSR_HOT int
tsr_release(struct tsr_client client, struct tsr_msg *msg)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);

	return tsr_likely(attachment != NULL) ? tsr_message_release(attachment, msg) : -ENOTCONN;
}

/* What is sent: the range of the zdesc, shortened to the message's length. */
TSR_INLINE int
message_zdesc(struct tsr_msg const *msg, struct tsr_zdesc *zdesc)
{
	if (tsr_unlikely(msg->length > tsr_range_length(msg->zdesc.range)))
		return -EINVAL;
	zdesc->name = msg->zdesc.name;
	zdesc->range = tsr_range_make(tsr_range_offset(msg->zdesc.range), msg->length);
	return 0;
}

/* A miss that must not wait: nothing there, or, on a second look, the reason why nothing comes. */
static int
message_miss(struct tsr_end *end)
{
	int const error = tsr_end_check(end);

	return error == 0 ? -EAGAIN : error;
}

TSR_COLD static int
message_send_wait(struct tsr_end *end, struct tsr_zdesc zdesc, uint64_t deadline_ns)
{
	struct tsr_wait wait;
	int error, last;

	tsr_wait_begin(end, &wait, deadline_ns);
	for (;;) {
		error = deadline_ns == TSR_NOWAIT ? message_miss(end) : tsr_wait_next(end, &wait);
		if (error == -EAGAIN)
			return error;
		if (error != 0)
			break;
		error = tsr_buffered_try_send(end, zdesc);
		if (error != -EAGAIN) {
			tsr_wait_end(end, &wait);
			return error;
		}
	}
	tsr_wait_end(end, &wait);
	last = tsr_buffered_try_send(end, zdesc);
	return last == -EAGAIN ? error : last;
}

TSR_COLD static int
message_recv_wait(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_wait wait;
	int error, last;

	tsr_wait_begin(end, &wait, deadline_ns);
	for (;;) {
		error = deadline_ns == TSR_NOWAIT ? message_miss(end) : tsr_wait_next(end, &wait);
		if (error == -EAGAIN)
			return error;
		if (error != 0)
			break;
		error = tsr_buffered_try_recv(end, msg);
		if (error != -EAGAIN) {
			tsr_wait_end(end, &wait);
			return error;
		}
	}
	tsr_wait_end(end, &wait);
	last = tsr_buffered_try_recv(end, msg);
	return last == -EAGAIN ? error : last;
}

TSR_HOT int
tsr_send(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_end *const end = tsr_end_get(sender.handle);
	struct tsr_zdesc zdesc;
	int error;

	if (tsr_unlikely(end == NULL || end->side != TSR_SIDE_SENDER))
		return -ENOTCONN;
	error = message_zdesc(msg, &zdesc);
	if (tsr_unlikely(error != 0))
		return error;
	error = tsr_buffered_try_send(end, zdesc);
	return tsr_likely(error != -EAGAIN) ? error : message_send_wait(end, zdesc, deadline_ns);
}

TSR_HOT int
tsr_recv(struct tsr_receiver receiver, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_end *const end = tsr_end_get(receiver.handle);
	int error;

	if (tsr_unlikely(end == NULL || end->side != TSR_SIDE_RECEIVER))
		return -ENOTCONN;
	error = tsr_buffered_try_recv(end, msg);
	return tsr_likely(error != -EAGAIN) ? error : message_recv_wait(end, msg, deadline_ns);
}

TSR_HOT int
tsr_alloc_batch(struct tsr_client client, uint32_t bytes, struct tsr_msg *msgs, size_t count,
                size_t *done)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_magazine *magazine;
	uint32_t klass;
	size_t made = 0;
	int error = 0;

	*done = 0;
	if (tsr_unlikely(attachment == NULL))
		return -ENOTCONN;
	while (made < count) {
		error = tsr_message_magazine(attachment, bytes, &klass, &magazine);
		if (tsr_unlikely(error != 0))
			break;
		while (made < count && magazine->count > 0)
			tsr_message_fill(&attachment->map, magazine->name[--magazine->count], bytes,
			                 &msgs[made++]);
	}
	*done = made;
	return made > 0 ? 0 : error;
}

TSR_HOT int
tsr_release_batch(struct tsr_client client, struct tsr_msg *msgs, size_t count, size_t *done)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	int first = 0;

	*done = 0;
	if (tsr_unlikely(attachment == NULL))
		return -ENOTCONN;
	for (size_t i = 0; i < count; i++) {
		int const error = tsr_message_release(attachment, &msgs[i]);

		if (tsr_likely(error == 0))
			(*done)++;
		else if (first == 0)
			first = error;
	}
	return first;
}

TSR_HOT int
tsr_send_batch(struct tsr_sender sender, struct tsr_msg *msgs, size_t count, uint64_t deadline_ns,
               size_t *done)
{
	struct tsr_end *const end = tsr_end_get(sender.handle);
	struct tsr_zdesc zdesc;
	size_t sent = 0;
	int error = 0;

	*done = 0;
	if (tsr_unlikely(end == NULL || end->side != TSR_SIDE_SENDER))
		return -ENOTCONN;
	while (sent < count) {
		error = message_zdesc(&msgs[sent], &zdesc);
		if (tsr_likely(error == 0))
			error = tsr_buffered_try_send(end, zdesc);
		if (tsr_unlikely(error == -EAGAIN && sent == 0))
			error = message_send_wait(end, zdesc, deadline_ns);
		if (tsr_unlikely(error != 0))
			break;
		sent++;
	}
	*done = sent;
	return sent > 0 ? 0 : error;
}

TSR_HOT int
tsr_recv_batch(struct tsr_receiver receiver, struct tsr_msg *msgs, size_t count,
               uint64_t deadline_ns, size_t *done)
{
	struct tsr_end *const end = tsr_end_get(receiver.handle);
	size_t received = 0;
	int error = 0;

	*done = 0;
	if (tsr_unlikely(end == NULL || end->side != TSR_SIDE_RECEIVER))
		return -ENOTCONN;
	while (received < count) {
		error = tsr_buffered_try_recv(end, &msgs[received]);
		if (tsr_unlikely(error == -EAGAIN && received == 0))
			error = message_recv_wait(end, &msgs[received], deadline_ns);
		if (tsr_unlikely(error != 0))
			break;
		received++;
	}
	*done = received;
	return received > 0 ? 0 : error;
}

int
tsr_view(const struct tsr_msg *msg, uint32_t offset, uint32_t length, struct tsr_msg *out)
{
	uint32_t const base = tsr_range_offset(msg->zdesc.range);

	if ((uint64_t)offset + length > tsr_range_length(msg->zdesc.range))
		return -EINVAL;
	*out = (struct tsr_msg){
	        .zdesc = {.name = msg->zdesc.name, .range = tsr_range_make(base + offset, length)},
	        .data = (unsigned char *)msg->data + offset,
	        .length = length,
	        .flags = msg->flags,
	        .stamp = msg->stamp,
	};
	return 0;
}

int
tsr_resolve(struct tsr_client client, struct tsr_zdesc zdesc, struct tsr_msg *msg)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_block const *block;
	struct tsr_ticket *ticket;
	int error;

	if (attachment == NULL)
		return -ENOTCONN;
	error = tsr_ticket_own(&attachment->map, zdesc.name, attachment->me, &ticket);
	if (error != 0)
		return error;
	block = &attachment->map.blocks[tsr_name_index(zdesc.name)];
	if (!tsr_block_holds(block, zdesc.range))
		return -EINVAL;
	*msg = (struct tsr_msg){
	        .zdesc = zdesc,
	        .data = tsr_block_data(&attachment->map, block, zdesc.range),
	        .length = tsr_range_length(zdesc.range),
	};
	return 0;
}

void
tsr_copy_in(void *to, const void *from, size_t bytes)
{
#if defined(__x86_64__)
	if (bytes >= MESSAGE_STRING_COPY_BYTES) {
		__asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
		return;
	}
#endif
	memcpy(to, from, bytes);
}
