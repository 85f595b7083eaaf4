/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Channels and their ends, from the client's side: each call asks the daemon, under the process
 * lock.
 */

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "shm/client.h"
#include "shm/clock.h"
#include "shm/kind.h"
#include "shm/requeue.h"
#include "shm/scope.h"

#define END_DEADLINE_MS 5000
#define END_SPIN_NS     20000
#define END_STAMP_EVERY 64
#define END_FLAGS \
	(TSR_END_MUST_EXIST | TSR_END_NO_SPIN | TSR_END_NO_STAMP | TSR_END_LOSSY | TSR_END_SPIN)
#define END_HOW_TO_SPIN (TSR_END_NO_SPIN | TSR_END_SPIN)

/* Where the ends count for which the realm has no more metrics: nobody reads it. */
static struct tsr_metrics end_uncounted;

struct tsr_trace_end
tsr_end_describe(struct tsr_end const *end)
{
	return (struct tsr_trace_end){
		.realm = end->map->directory->name,
		.name = end->channel.entry->name,
		.channel = end->channel.id,
		.client = end->me,
		.side = end->side,
	};
}

void
tsr_end_woke(struct tsr_end *end, unsigned woken)
{
	if (woken == 0)
		return;
	TSR_TRACE(wake, tsr_end_describe(end));
	tsr_count(&end->attachment->state->wakes, woken);
}

void
tsr_end_note_time(struct tsr_end *end, uint64_t stamp)
{
	uint64_t const ticks = tsr_clock_ticks();
	double const ns = (double)(ticks - stamp) * 1e9 / (double)end->map->ticks_per_second;

	/* Clocks of two cores may differ a little. */
	tsr_histogram_add(&end->metrics->times, ticks > stamp ? (uint64_t)ns : 0);
}

void
tsr_end_tell_receive(struct tsr_end const *end, struct tsr_msg const *msg)
{
	if (tsr_trace_has(msg->zdesc.name))
		TSR_TRACE(receive, end->map->directory->name, end->me, end->channel.id,
		          msg->zdesc.name, msg->length);
}

/* What the daemon said, if it was the daemon that refused. */
static int
end_failed(const char *where, struct tsr_attachment const *attachment, int error)
{
	bool const refused = attachment != NULL && attachment->control.refused;

	return tsr_trace_error(where, error, refused ? tsr_last_hint() : "");
}

static int
end_name(char out[TSR_NAME_BYTES], const char *name)
{
	size_t length;

	if (name == NULL)
		return -EINVAL;
	length = strnlen(name, TSR_NAME_BYTES);
	if (length == 0)
		return -EINVAL;
	if (length == TSR_NAME_BYTES)
		return -ENAMETOOLONG;
	memcpy(out, name, length + 1);
	return 0;
}

static int
end_channel_request(struct tsr_proto_channel *request, const char *name,
                    const struct tsr_channel_options *options)
{
	if (options != NULL && (options->size != sizeof(*options) || options->reserved != 0))
		return -EINVAL;
	request->kind = options != NULL && options->kind != 0 ? options->kind : TSR_KIND_BUFFERED;
	request->capacity = options != NULL ? options->capacity : 0;
	request->flags = options != NULL ? options->flags : 0;
	return end_name(request->name, name);
}

static int
end_ask_channel(struct tsr_client client, uint16_t type, const char *name,
                const struct tsr_channel_options *options)
{
	struct tsr_proto_channel request = {0};
	struct tsr_proto_plain reply;
	struct tsr_attachment *attachment;
	int error = end_channel_request(&request, name, options);

	if (error != 0)
		return error;
	(void)pthread_mutex_lock(&tsr_process_lock);
	attachment = tsr_attachment_get(client);
	error = attachment == NULL ? -ENOTCONN
	                           : tsr_control_ask(&attachment->control, type, &request,
	                                             sizeof(request), &reply, sizeof(reply), NULL,
	                                             tsr_deadline_in_ms(END_DEADLINE_MS));
	error = end_failed(__func__, attachment, error);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

int
tsr_channel_create(struct tsr_client client, const char *name,
                   const struct tsr_channel_options *options)
{
	return end_ask_channel(client, TSR_PROTO_CHANNEL_CREATE, name, options);
}

int
tsr_channel_remove(struct tsr_client client, const char *name)
{
	return end_ask_channel(client, TSR_PROTO_CHANNEL_REMOVE, name, NULL);
}

/* A core to oneself is what spinning for somebody else needs. */
static bool
end_spin_is_vain(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) < 2;
}

uint8_t
tsr_end_inlined(struct tsr_end const *end)
{
	/* What a receiver holds of a channel that requeues must be noted. */
	if (!end->kind->inlined ||
	    (end->side == TSR_SIDE_RECEIVER && tsr_requeue_is_on(&end->channel)))
		return (uint8_t)(TSR_END_BY_KIND | end->side);
	return end->attachment->traced ? (uint8_t)(TSR_END_TRACED | end->side) : end->side;
}

static void
end_spins(struct tsr_end *end, const struct tsr_end_options *options)
{
	end->spin_ns = options->spin_ns != 0 ? options->spin_ns : END_SPIN_NS;
	end->adaptive = (options->flags & END_HOW_TO_SPIN) == 0;
	if ((options->flags & TSR_END_SPIN) != 0)
		end->spin_ns = UINT64_MAX;
	else if (!end->adaptive || end_spin_is_vain())
		end->spin_ns = 0;
	end->window_ns = end->spin_ns;
	tsr_st_rlx(&end->metrics->spin_ns, end->window_ns);
}

static void
end_stamps(struct tsr_end *end, const struct tsr_end_options *options)
{
	end->stamp_mask = (options->stamp_every != 0 ? options->stamp_every : END_STAMP_EVERY) - 1;
	if ((options->flags & TSR_END_NO_STAMP) != 0)
		end->stamp_mask = UINT32_MAX; /* once in 2^32 messages */
}

/* Fill the end from the daemon's answer: it stands where it should look first. */
static int
end_bind(struct tsr_end *end, struct tsr_attachment *attachment, uint32_t side,
         struct tsr_proto_end_open_reply const *reply, const struct tsr_end_options *options)
{
	struct tsr_channel *const channel = &end->channel;
	int const error = tsr_channel_bind(channel, &attachment->map, reply->index, reply->offset,
	                                   (struct tsr_shape){.kind = reply->kind,
	                                                      .capacity = reply->capacity,
	                                                      .flags = reply->flags},
	                                   reply->channel_id);
	uint32_t const one =
		side == TSR_SIDE_SENDER ? TSR_CHANNEL_ONE_SENDER : TSR_CHANNEL_ONE_RECEIVER;
	bool const sends = side == TSR_SIDE_SENDER;
	uint64_t ends;

	if (error != 0)
		return error;
	/* [F3] pairs with [F2]: the channel that the daemon means stands there, and is complete. */
	if (tsr_ld_acq(&channel->entry->id) != channel->id)
		return -EPROTO;
	end->attachment = attachment;
	end->map = &attachment->map;
	end->metrics = reply->metrics < attachment->map.ends_count
	                       ? &attachment->map.metrics[reply->metrics]
	                       : &end_uncounted;
	end->slots = channel->shm->slot;
	end->shm = channel->shm;
	end->mask = channel->mask;
	end->me = attachment->me;
	end->channel_id = (uint32_t)channel->id;
	end->alone = (reply->flags & one) != 0;
	end->mine = tsr_channel_side(channel, side);
	end->others = tsr_channel_side(channel, side ^ 1);
	end->token = UINT32_MAX;
	end->side = (uint8_t)side;
	end->kind = tsr_kind_get(channel->kind);
	end->inlined = tsr_end_inlined(end);
	end->number = reply->end;
	end_spins(end, options);
	end_stamps(end, options);
	/* [Q1] pairs with [Q2]: what is ready again from here on is found by the redo. */
	end->redo_seen = tsr_ld_acq(&channel->shm->redo);
	/* [E3] pairs with [E4]: who is there now. */
	ends = tsr_ld_acq(sends ? &channel->entry->receivers : &channel->entry->senders);
	/* Not what the directory shows by now: the other side may have come and gone since the
	 * daemon answered. */
	end->stream_seen = reply->stream;
	/* Who is there now may be gone before this end has to wait for the first time. */
	end->seen = reply->seen != 0 || tsr_ends_count(ends) > 0 ||
	            tsr_ends_stream(ends) != end->stream_seen;
	if (channel->kind != TSR_KIND_BROADCAST &&
	    (options->from != 0 || (options->flags & TSR_END_LOSSY) != 0))
		return -EINVAL;
	return end->kind->open(end, options);
}

static int
end_request(struct tsr_proto_end_open *request, const char *name,
            const struct tsr_end_options *options, uint32_t side)
{
	int const error = end_channel_request(&request->channel, name, options->create);

	if (error != 0)
		return error;
	if (options->size != sizeof(*options) || (options->flags & ~END_FLAGS) != 0 ||
	    options->reserved != 0 || (options->after != 0 && options->from != TSR_FROM_AFTER) ||
	    (options->flags & END_HOW_TO_SPIN) == END_HOW_TO_SPIN ||
	    (options->stamp_every != 0 && !tsr_is_power_of_two(options->stamp_every)))
		return -EINVAL;
	request->side = side;
	request->end_flags = options->flags & TSR_END_MUST_EXIST;
	if (options->create == NULL)
		request->end_flags |= TSR_PROTO_END_ANY_SHAPE;
	return 0;
}

static int
end_close_at_daemon(struct tsr_attachment *attachment, uint32_t number)
{
	struct tsr_proto_end_close request = {.end = number};
	struct tsr_proto_plain reply;

	return tsr_control_ask(&attachment->control, TSR_PROTO_END_CLOSE, &request, sizeof(request),
	                       &reply, sizeof(reply), NULL, tsr_deadline_in_ms(END_DEADLINE_MS));
}

/* The process lock is held. */
static int
end_open_locked(struct tsr_attachment *attachment, struct tsr_proto_end_open *request,
                const struct tsr_end_options *options, uint64_t *handle)
{
	struct tsr_proto_end_open_reply reply;
	uint32_t index = 0;
	int error;

	while (index < TSR_ENDS_MAX && tsr_process->end[index].handle != 0)
		index++;
	if (index == TSR_ENDS_MAX) {
		tsr_hint_set("this process has %d ends open, expected at most that", TSR_ENDS_MAX);
		return -ENOBUFS;
	}
	error = tsr_control_ask(&attachment->control, TSR_PROTO_END_OPEN, request, sizeof(*request),
	                        &reply, sizeof(reply), NULL, tsr_deadline_in_ms(END_DEADLINE_MS));
	if (error != 0)
		return error;
	tsr_process->end[index] = (struct tsr_end){0};
	error = end_bind(&tsr_process->end[index], attachment, request->side, &reply, options);
	if (error != 0) {
		tsr_process->end[index] = (struct tsr_end){0};
		/* What is wrong with the reply matters more than whether it is taken back. */
		(void)end_close_at_daemon(attachment, reply.end);
		return error;
	}
	if (index >= tsr_process->ends_high)
		tsr_process->ends_high = index + 1;
	tsr_process->end[index].handle = tsr_handle_new(index);
	*handle = tsr_process->end[index].handle;
	TSR_TRACE(open, tsr_end_describe(&tsr_process->end[index]));
	return 0;
}

static int
end_open(struct tsr_client client, const char *name, const struct tsr_end_options *options,
         uint32_t side, uint32_t flags, uint64_t *handle)
{
	struct tsr_end_options const defaults = {.size = sizeof(defaults)};
	struct tsr_proto_end_open request = {0};
	struct tsr_attachment *attachment;
	int error;

	if (options == NULL)
		options = &defaults;
	error = end_request(&request, name, options, side);
	if (error != 0)
		return error;
	request.end_flags |= flags;
	(void)pthread_mutex_lock(&tsr_process_lock);
	attachment = tsr_attachment_get(client);
	error = attachment == NULL ? -ENOTCONN
	                           : end_open_locked(attachment, &request, options, handle);
	error = end_failed(__func__, attachment, error);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

int
tsr_sender_open(struct tsr_client client, const char *name, const struct tsr_end_options *options,
                struct tsr_sender *out)
{
	return out == NULL ? -EINVAL
	                   : end_open(client, name, options, TSR_SIDE_SENDER, 0, &out->handle);
}

int
tsr_receiver_open(struct tsr_client client, const char *name, const struct tsr_end_options *options,
                  struct tsr_receiver *out)
{
	return out == NULL ? -EINVAL
	                   : end_open(client, name, options, TSR_SIDE_RECEIVER, 0, &out->handle);
}

int
tsr_end_open_replies(struct tsr_client client, const char *name,
                     const struct tsr_end_options *options, enum tsr_side side, uint64_t *handle)
{
	return end_open(client, name, options, side, TSR_PROTO_END_REPLIES, handle);
}

static int
end_close(uint64_t handle, uint32_t side)
{
	struct tsr_end *end;
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	end = tsr_end_get(handle);
	error = end == NULL || end->side != side ? -ENOTCONN : tsr_scope_settle(end);
	if (error != 0) {
		(void)pthread_mutex_unlock(&tsr_process_lock);
		return error;
	}
	tsr_scope_forget(end);
	if (end->token != UINT32_MAX)
		tsr_token_release(&end->mine, end->token, end->me);
	TSR_TRACE(close, tsr_end_describe(end));
	end->handle = 0;
	if (end->kind->close != NULL)
		end->kind->close(end);
	/* First: a daemon that we come back to closes what we don't name. */
	error = end_close_at_daemon(end->attachment, end->number);
	tsr_event_drop(end->attachment, &end->event);
	end->attachment = NULL;
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

int
tsr_sender_close(struct tsr_sender sender)
{
	return end_close(sender.handle, TSR_SIDE_SENDER);
}

int
tsr_receiver_close(struct tsr_receiver receiver)
{
	return end_close(receiver.handle, TSR_SIDE_RECEIVER);
}
