/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The calls of a message's path, exported. Each is the inline form of message.h and buffered.h
 * behind a handle; what waits is in wait.c.
 */

#include "shm/message.h"

#include <string.h>

#include "shm/broadcast.h"
#include "shm/buffered.h"
#include "shm/kind.h"
#include "shm/region.h"
#include "shm/scope.h"
#include "shm/traced.h"

/* The smallest class for so many bytes, 1 .. message_bytes_max. */
static uint32_t
message_class(struct tsr_map const *map, uint32_t bytes)
{
	uint32_t k = 0;

	while (map->klass[k].block_bytes < bytes)
		k++;
	return k;
}

/* An error, but for those that only mean: not yet. */
static int
message_told(const char *where, int error)
{
	return error == 0 || error == -EAGAIN ? error : tsr_trace_error(where, error, "");
}

static int
message_alloc(struct tsr_attachment *attachment, uint32_t bytes, struct tsr_msg *msg)
{
	struct tsr_map const *const map = &attachment->map;
	struct tsr_magazine *magazines;

	if (attachment->observer)
		return -EPERM;
	if (bytes == 0)
		return -EINVAL;
	if (bytes > map->message_bytes_max)
		return -EMSGSIZE;
	magazines = tsr_magazines_open(attachment);
	if (magazines == NULL)
		return -ENOMEM;
	for (uint32_t k = message_class(map, bytes); k < map->classes_count; k++) {
		struct tsr_magazine *const magazine = &magazines[k];
		int const error =
			magazine->count == 0 ? tsr_magazine_refill(attachment, k, magazine) : 0;

		if (error == -ENOMEM)
			continue; /* none of that size is free: a larger one will do */
		if (error != 0)
			return error;
		tsr_message_fill(map, magazine->name[--magazine->count], bytes, msg);
		if (TSR_TRACED && tsr_trace_has(msg->zdesc.name))
			(void)tsr_traced_tell_alloc(attachment, msg);
		return 0;
	}
	return -ENOMEM;
}

int
tsr_message_alloc(struct tsr_attachment *attachment, uint32_t bytes, struct tsr_msg *msg)
{
	return message_told("tsr_alloc", message_alloc(attachment, bytes, msg));
}

static int
message_release(struct tsr_attachment *attachment, uint64_t name)
{
	struct tsr_magazine *magazines;
	struct tsr_ticket *ticket;
	uint32_t klass;
	int error;

	if (attachment->observer)
		return -EPERM;
	error = tsr_ticket_own(&attachment->map, name, attachment->me, &ticket);
	if (error != 0)
		return error;
	if (tsr_name_index(name) >= attachment->map.tickets_count) {
		if (TSR_TRACED && tsr_trace_has(name))
			(void)tsr_traced_tell_release(attachment, name);
		tsr_region_release(attachment, name);
		return 0;
	}
	magazines = tsr_magazines_open(attachment);
	if (magazines == NULL)
		return -ENOMEM;
	klass = attachment->map.blocks[tsr_name_index(name)].klass;
	if (magazines[klass].count >= magazines[klass].limit) {
		error = tsr_magazine_drain(attachment, klass, &magazines[klass]);
		if (error != 0)
			return error;
	}
	if (TSR_TRACED && tsr_trace_has(name))
		(void)tsr_traced_tell_release(attachment, name);
	magazines[klass].name[magazines[klass].count++] =
		tsr_ticket_release(ticket, name, attachment->me);
	return 0;
}

int
tsr_message_release(struct tsr_attachment *attachment, uint64_t name)
{
	return message_told("tsr_release", message_release(attachment, name));
}

/* The same for one that may be of a broadcast. */
TSR_COLD static int
message_release_any(struct tsr_attachment *attachment, struct tsr_msg const *msg)
{
	if ((msg->flags & TSR_MSG_SHARED) != 0)
		return message_told("tsr_release", tsr_broadcast_release(attachment, msg));
	return tsr_message_release(attachment, msg->zdesc.name);
}

/* What the fast form would not do: a trace, first use in a thread, an empty magazine, an error. */
TSR_APART static int
message_alloc_warm(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg)
{
	struct tsr_attachment *attachment;
	struct tsr_magazine *magazines;

	if (tsr_traced_magazines(client, &attachment, &magazines) &&
	    tsr_likely(tsr_message_alloc_fast(attachment, magazines, bytes, msg)))
		return tsr_trace_has(msg->zdesc.name) ? tsr_traced_tell_alloc(attachment, msg) : 0;
	attachment = tsr_attachment_get(client);
	return attachment != NULL ? tsr_message_alloc(attachment, bytes, msg) : -ENOTCONN;
}

/* Told when it is done: until this thread's magazine is full nobody else can take the ticket. */
TSR_APART static int
message_release_warm(struct tsr_client client, struct tsr_msg const *msg)
{
	uint64_t const name = msg->zdesc.name;
	struct tsr_attachment *attachment;
	struct tsr_magazine *magazines;

	if (tsr_traced_magazines(client, &attachment, &magazines) &&
	    tsr_likely(tsr_message_release_fast(attachment, magazines, name)))
		return tsr_trace_has(name) ? tsr_traced_tell_release(attachment, name) : 0;
	attachment = tsr_attachment_get(client);
	return attachment != NULL ? message_release_any(attachment, msg) : -ENOTCONN;
}

int
tsr_message_alloc_slow(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg)
{
	return message_alloc_warm(client, bytes, msg);
}

int
tsr_message_release_slow(struct tsr_client client, struct tsr_msg const *msg)
{
	return message_release_warm(client, msg);
}

TSR_HOT int
tsr_alloc(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg)
{
	return tsr_alloc_inline(client, bytes, msg);
}

TSR_HOT int
tsr_release(struct tsr_client client, struct tsr_msg *msg)
{
	return tsr_release_inline(client, msg);
}

/* A miss that must not wait: nothing there, or, on a second look, the reason why nothing comes. */
static int
message_miss(struct tsr_end *end)
{
	int const error = tsr_end_check(end);

	return error == 0 ? -EAGAIN : error;
}

/* One try of the blocked operation: a sender sends @zdesc, a receiver fills @msg. */
static int
message_try(struct tsr_end *end, struct tsr_zdesc *zdesc, struct tsr_msg *msg)
{
	return end->side == TSR_SIDE_SENDER ? end->kind->try_send(end, zdesc)
	                                    : end->kind->try_recv(end, msg);
}

TSR_COLD static int
message_wait(struct tsr_end *end, struct tsr_zdesc *zdesc, struct tsr_msg *msg,
             uint64_t deadline_ns)
{
	struct tsr_wait wait;
	int error, last;

	tsr_wait_begin(&wait, &end, 1, deadline_ns);
	for (;;) {
		error = deadline_ns == TSR_NOWAIT ? message_miss(end) : tsr_wait_next(&wait);
		if (error == -EAGAIN)
			return error;
		if (error != 0)
			break;
		error = message_try(end, zdesc, msg);
		if (error != -EAGAIN) {
			tsr_wait_end(&wait, 0);
			return error;
		}
	}
	tsr_wait_end(&wait, TSR_WAIT_NONE);
	last = message_try(end, zdesc, msg);
	if (error == -ECONNABORTED)
		end->missed_at = (uint32_t)end->position - 1; /* never idle again: see buffered.h */
	return last == -EAGAIN ? error : last;
}

int
tsr_message_count(struct tsr_end *end, int error)
{
	enum tsr_metric_cause cause = TSR_METRIC_REFUSED;

	if (error == 0)
		return 0;
	if (error == -EAGAIN)
		cause = TSR_METRIC_WOULD_BLOCK;
	else if (error == -ETIMEDOUT)
		cause = TSR_METRIC_TIMED_OUT;
	else if (error == -EPIPE || error == -ECONNRESET || error == -ENOTCONN ||
	         error == -ECANCELED || error == -ECONNABORTED)
		cause = TSR_METRIC_ENDED;
	tsr_count(&end->metrics->cause[cause], 1);
	return error;
}

/* A sender sends @zdesc, a receiver fills @msg; the first try came to @error. */
static int
message_go_on(struct tsr_end *end, struct tsr_zdesc *zdesc, struct tsr_msg *msg,
              uint64_t deadline_ns, int error)
{
	if (error == -EAGAIN)
		error = message_wait(end, zdesc, msg, deadline_ns);
	if (error != 0 && zdesc != NULL && end->kind->give_up != NULL &&
	    end->kind->give_up(end, zdesc) == 0)
		error = 0;
	return error;
}

void
tsr_message_given(struct tsr_msg *msg)
{
	msg->zdesc.name = TSR_NAME_NONE;
	msg->data = NULL;
}

/* The same of an end in a scope. */
TSR_COLD static int
message_send_in_scope(struct tsr_end *end, struct tsr_msg *msg, struct tsr_zdesc *zdesc,
                      uint64_t deadline_ns)
{
	int error = tsr_scope_enter(end);

	if (error != 0)
		return error;
	error = message_go_on(end, zdesc, NULL, deadline_ns, message_try(end, zdesc, NULL));
	msg->zdesc.name = zdesc->name;
	if (tsr_scope_leave(end, error, zdesc))
		tsr_message_given(msg);
	return error;
}

TSR_COLD static int
message_recv_in_scope(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns)
{
	int error = tsr_scope_enter(end);

	if (error != 0)
		return error;
	error = message_go_on(end, NULL, msg, deadline_ns, message_try(end, NULL, msg));
	(void)tsr_scope_leave(end, error, NULL);
	return error;
}

/* A send whose first try came to @error. */
TSR_COLD static int
message_send_on(struct tsr_end *end, struct tsr_msg *msg, struct tsr_zdesc *zdesc,
                uint64_t deadline_ns, int error)
{
	error = message_go_on(end, zdesc, NULL, deadline_ns, error);
	msg->zdesc.name = zdesc->name;
	return message_told("tsr_send", tsr_message_count(end, error));
}

/* The whole of a send: every error told, waiting. */
TSR_COLD static int
message_send(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_zdesc zdesc = {.name = msg->zdesc.name};
	int error;

	if (end == NULL || end->side != TSR_SIDE_SENDER)
		return -ENOTCONN;
	if (!tsr_message_range(msg, &zdesc.range))
		return message_told("tsr_send", -EINVAL);
	if (end->scope == NULL)
		return message_send_on(end, msg, &zdesc, deadline_ns,
		                       message_try(end, &zdesc, NULL));
	error = message_send_in_scope(end, msg, &zdesc, deadline_ns);
	return message_told("tsr_send", tsr_message_count(end, error));
}

/* The same of another end: what the sample has is told of between two stores of the long way. */
TSR_APART static int
message_send_apart(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns)
{
	uint64_t const name = msg->zdesc.name;
	enum tsr_fast fast;
	uint64_t range;

	if (end == NULL || end->inlined != (TSR_END_TRACED | TSR_SIDE_SENDER) ||
	    !tsr_message_range(msg, &range) || tsr_trace_has(name))
		return message_send(end, msg, deadline_ns);
	fast = tsr_buffered_send_fast(end, name, range);
	if (tsr_likely(fast == TSR_FAST_DONE))
		return 0;
	return fast == TSR_FAST_MISS ? message_send(end, msg, deadline_ns)
	                             : tsr_message_after(end, fast, msg);
}

/* Of a kind that has no inlined form one try is all that most sends of a whole range need. */
TSR_APART static int
message_send_by_kind(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns)
{
	int error;

	if (tsr_unlikely(msg->length != tsr_range_length(msg->zdesc.range)))
		return message_send(end, msg, deadline_ns);
	error = end->kind->try_send(end, &msg->zdesc);
	return tsr_likely(error == 0) ? 0
	                              : message_send_on(end, msg, &msg->zdesc, deadline_ns, error);
}

TSR_APART static int
message_send_warm(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_end *const end = tsr_end_get(sender.handle);

	return end != NULL && end->inlined == (TSR_END_BY_KIND | TSR_SIDE_SENDER)
	               ? message_send_by_kind(end, msg, deadline_ns)
	               : message_send_apart(end, msg, deadline_ns);
}

/* Who looks and finds nothing has not failed. */
static int
message_received(struct tsr_end *end, int error)
{
	return error == -EAGAIN ? error : message_told("tsr_recv", tsr_message_count(end, error));
}

TSR_COLD static int
message_recv(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns)
{
	int error;

	if (end == NULL || end->side != TSR_SIDE_RECEIVER)
		return -ENOTCONN;
	error = end->scope != NULL
	                ? message_recv_in_scope(end, msg, deadline_ns)
	                : message_go_on(end, NULL, msg, deadline_ns, message_try(end, NULL, msg));
	return message_received(end, error);
}

/* Of a traced end, what is not simply received. */
TSR_COLD static int
message_recv_traced(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns,
                    enum tsr_fast fast)
{
	if (fast == TSR_FAST_MISS)
		return message_recv(end, msg, deadline_ns);
	if (fast == TSR_FAST_REFUSE)
		return message_received(end, tsr_buffered_settle(end, msg));
	tsr_end_tell_receive(end, msg);
	if (fast == TSR_FAST_WAKE)
		tsr_buffered_after(end, msg);
	return 0;
}

/* The end is not for the inlined form, nor for its kind's try alone. */
TSR_APART static int
message_recv_apart(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns)
{
	enum tsr_fast fast;
	uint64_t word;

	if (end == NULL || end->inlined != (TSR_END_TRACED | TSR_SIDE_RECEIVER))
		return message_recv(end, msg, deadline_ns);
	word = tsr_buffered_look(end);
	fast = tsr_buffered_recv_fast(end, word, msg);
	if (tsr_likely(fast == TSR_FAST_DONE) && !tsr_trace_has(msg->zdesc.name))
		return 0;
	/* A traced end comes here at once, and may be looked at again and again. */
	if (fast == TSR_FAST_MISS && deadline_ns == TSR_NOWAIT && tsr_buffered_idle(end, word))
		return -EAGAIN;
	return message_recv_traced(end, msg, deadline_ns, fast);
}

/* Of a kind that has no inlined form one whole try is all that most receives need. */
TSR_APART static int
message_recv_by_kind(struct tsr_end *end, struct tsr_msg *msg, uint64_t deadline_ns)
{
	int const error = end->kind->try_recv(end, msg);

	if (tsr_likely(error == 0))
		return 0;
	return message_received(end, message_go_on(end, NULL, msg, deadline_ns, error));
}

TSR_APART static int
message_recv_warm(struct tsr_receiver receiver, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_end *const end = tsr_end_get(receiver.handle);

	return end != NULL && end->inlined == (TSR_END_BY_KIND | TSR_SIDE_RECEIVER)
	               ? message_recv_by_kind(end, msg, deadline_ns)
	               : message_recv_apart(end, msg, deadline_ns);
}

int
tsr_message_send_slow(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns)
{
	return message_send_warm(sender, msg, deadline_ns);
}

int
tsr_message_recv_slow(struct tsr_receiver receiver, struct tsr_msg *msg, uint64_t deadline_ns)
{
	return message_recv_warm(receiver, msg, deadline_ns);
}

int
tsr_message_send_all(struct tsr_sender sender, struct tsr_msg *msgs, size_t count,
                     uint64_t deadline_ns, size_t *done)
{
	struct tsr_end *const end = tsr_end_get(sender.handle);
	int error = 0;

	*done = 0;
	if (end == NULL || end->side != TSR_SIDE_SENDER)
		return -ENOTCONN;
	for (; *done < count; (*done)++) {
		error = tsr_message_send_slow(sender, &msgs[*done],
		                              *done == 0 ? deadline_ns : TSR_NOWAIT);
		if (error != 0)
			break;
	}
	return *done > 0 ? 0 : error;
}

int
tsr_message_recv_all(struct tsr_receiver receiver, struct tsr_msg *msgs, size_t count,
                     uint64_t deadline_ns, size_t *done)
{
	struct tsr_end *const end = tsr_end_get(receiver.handle);
	int error = 0;

	*done = 0;
	if (end == NULL || end->side != TSR_SIDE_RECEIVER)
		return -ENOTCONN;
	for (; *done < count; (*done)++) {
		error = tsr_message_recv_slow(receiver, &msgs[*done],
		                              *done == 0 ? deadline_ns : TSR_NOWAIT);
		if (error != 0)
			break;
	}
	return *done > 0 ? 0 : error;
}

int
tsr_message_after(struct tsr_end *end, enum tsr_fast fast, struct tsr_msg *msg)
{
	if (fast == TSR_FAST_REFUSE)
		return tsr_buffered_settle(end, msg);
	tsr_buffered_after(end, msg);
	return 0;
}

TSR_HOT int
tsr_send(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns)
{
	return tsr_send_inline(sender, msg, deadline_ns);
}

TSR_HOT int
tsr_recv(struct tsr_receiver receiver, struct tsr_msg *msg, uint64_t deadline_ns)
{
	return tsr_recv_inline(receiver, msg, deadline_ns);
}

TSR_HOT int
tsr_alloc_batch(struct tsr_client client, uint32_t bytes, struct tsr_msg *msgs, size_t count,
                size_t *done)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_magazine *magazines;
	bool have = tsr_magazines_have(client.handle, &magazines);
	size_t made = 0;
	int error = 0;

	*done = 0;
	if (tsr_unlikely(attachment == NULL))
		return -ENOTCONN;
	for (; made < count; made++) {
		if (tsr_likely(have) &&
		    tsr_likely(tsr_message_alloc_fast(attachment, magazines, bytes, &msgs[made])))
			continue;
		error = tsr_message_alloc(attachment, bytes, &msgs[made]);
		if (error != 0)
			break;
		have = tsr_magazines_have(client.handle, &magazines);
	}
	*done = made;
	return made > 0 ? 0 : error;
}

TSR_HOT int
tsr_release_batch(struct tsr_client client, struct tsr_msg *msgs, size_t count, size_t *done)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_magazine *magazines;
	bool have = tsr_magazines_have(client.handle, &magazines);
	int first = 0;

	*done = 0;
	if (tsr_unlikely(attachment == NULL))
		return -ENOTCONN;
	for (size_t i = 0; i < count; i++) {
		int error = 0;

		if (tsr_unlikely(!have) || tsr_unlikely(!tsr_message_release_fast(
						   attachment, magazines, msgs[i].zdesc.name))) {
			error = message_release_any(attachment, &msgs[i]);
			have = tsr_magazines_have(client.handle, &magazines);
		}
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
	size_t sent = 0;
	int error = 0;

	*done = 0;
	if (tsr_unlikely(end == NULL) || tsr_unlikely(end->inlined != TSR_SIDE_SENDER))
		return tsr_message_send_all(sender, msgs, count, deadline_ns, done);
	for (; sent < count; sent++) {
		uint64_t range;

		if (tsr_likely(tsr_message_range(&msgs[sent], &range))) {
			enum tsr_fast const fast =
				tsr_buffered_send_fast(end, msgs[sent].zdesc.name, range);

			if (tsr_likely(fast == TSR_FAST_DONE))
				continue;
			if (fast == TSR_FAST_WAKE) {
				tsr_buffered_wake(end);
				continue;
			}
		}
		error = tsr_message_send_slow(sender, &msgs[sent],
		                              sent == 0 ? deadline_ns : TSR_NOWAIT);
		if (error != 0)
			break;
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
	if (tsr_unlikely(end == NULL) || tsr_unlikely(end->inlined != TSR_SIDE_RECEIVER))
		return tsr_message_recv_all(receiver, msgs, count, deadline_ns, done);
	for (; received < count; received++) {
		enum tsr_fast const fast =
			tsr_buffered_recv_fast(end, tsr_buffered_look(end), &msgs[received]);

		if (tsr_likely(fast == TSR_FAST_DONE))
			continue;
		error = fast == TSR_FAST_MISS
		                ? tsr_message_recv_slow(receiver, &msgs[received],
		                                        received == 0 ? deadline_ns : TSR_NOWAIT)
		                : tsr_message_after(end, fast, &msgs[received]);
		if (error != 0)
			break;
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
	if (attachment->observer)
		return -EPERM;
	error = tsr_ticket_own(&attachment->map, zdesc.name, attachment->me, &ticket);
	if (error != 0)
		return error;
	block = &attachment->map.blocks[tsr_name_index(zdesc.name)];
	if (!tsr_block_holds(block, zdesc.range))
		return -EINVAL;
	if (tsr_name_index(zdesc.name) >= attachment->map.tickets_count)
		return tsr_region_resolve(attachment, zdesc, msg);
	*msg = (struct tsr_msg){
		.zdesc = zdesc,
		.data = tsr_block_data(&attachment->map, block, zdesc.range),
		.length = tsr_range_length(zdesc.range),
	};
	return 0;
}
