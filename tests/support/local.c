/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/local.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/client.h"
#include "shm/region.h"
#include "shm/zdesc.h"

/* The daemon's end of each attachment's socket. */
static int local_daemon[TSR_ATTACHMENTS_MAX];

int
local_attach(struct tsr_map const *map, uint16_t id, bool fenced, struct tsr_client *out)
{
	struct tsr_attachment *attachment;
	uint32_t index = 0;
	int pair[2];
	int error = tsr_process_open();

	if (error != 0)
		return error;
	while (index < TSR_ATTACHMENTS_MAX && tsr_process->attachment[index].handle != 0)
		index++;
	if (index == TSR_ATTACHMENTS_MAX)
		return -ENOBUFS;
	if (!fenced) {
		error = tsr_membarrier_register();
		if (error != 0)
			return error;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	attachment = &tsr_process->attachment[index];
	*attachment = (struct tsr_attachment){.map = *map, .me = id, .fenced = fenced};
	memset(attachment->map.segment, 0, sizeof(attachment->map.segment));
	attachment->state = &attachment->map.states[id - 1];
	tsr_attachment_classes(attachment);
	attachment->control.fd = pair[0];
	local_daemon[index] = pair[1];
	attachment->handle = tsr_handle_new(index);
	out->handle = attachment->handle;
	return 0;
}

/* Put the answer to the next request but @ahead into the socket. */
static int
local_answer_ahead(struct tsr_client client, uint64_t ahead, uint16_t type, void *reply,
                   size_t bytes)
{
	struct tsr_attachment const *attachment = tsr_attachment_get(client);
	struct tsr_proto_head head = {.length = (uint32_t)bytes, .type = type | TSR_PROTO_REPLY};

	if (attachment == NULL)
		return -ENOTCONN;
	head.cookie = attachment->control.cookie + 1 + ahead;
	memcpy(reply, &head, sizeof(head));
	return send(local_daemon[tsr_handle_index(client.handle)], reply, bytes, 0) < 0 ? -errno
	                                                                                : 0;
}

static int
local_answer(struct tsr_client client, uint16_t type, void *reply, size_t bytes)
{
	return local_answer_ahead(client, 0, type, reply, bytes);
}

/* Take the request that was answered out of the socket. */
static void
local_forget_request(struct tsr_client client)
{
	unsigned char request[512];

	(void)!recv(local_daemon[tsr_handle_index(client.handle)], request, sizeof(request),
	            MSG_DONTWAIT);
}

int
local_detach(struct tsr_client client)
{
	struct tsr_proto_plain reply;
	int error = local_answer(client, TSR_PROTO_DETACH, &reply, sizeof(reply));

	if (error != 0)
		return error;
	error = tsr_detach(client);
	close(local_daemon[tsr_handle_index(client.handle)]);
	return error;
}

static int
local_answer_open(struct tsr_client client, struct tsr_channel const *channel)
{
	struct tsr_attachment const *attachment = tsr_attachment_get(client);
	struct tsr_proto_end_open_reply reply = {
		.channel_id = channel->id,
		.index = (uint32_t)((channel->id & 0x1ffff) - 1),
		.capacity = channel->capacity,
		.flags = channel->flags,
		.kind = channel->kind,
		.metrics = UINT32_MAX,
	};

	if (attachment == NULL)
		return -ENOTCONN;
	reply.offset = (uint64_t)((unsigned char *)channel->shm - attachment->map.channels_base);
	return local_answer(client, TSR_PROTO_END_OPEN, &reply, sizeof(reply));
}

int
local_sender(struct tsr_client client, struct tsr_channel const *channel,
             struct tsr_end_options const *options, struct tsr_sender *out)
{
	int error = local_answer_open(client, channel);

	if (error != 0)
		return error;
	error = tsr_sender_open(client, "local", options, out);
	local_forget_request(client);
	return error;
}

int
local_receiver(struct tsr_client client, struct tsr_channel const *channel,
               struct tsr_end_options const *options, struct tsr_receiver *out)
{
	int error = local_answer_open(client, channel);

	if (error != 0)
		return error;
	error = tsr_receiver_open(client, "local", options, out);
	local_forget_request(client);
	return error;
}

int
local_refused(struct tsr_client client, struct tsr_channel const *channel, uint32_t side,
              struct tsr_end_options const *options)
{
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_proto_plain reply;
	int error = local_answer_open(client, channel);

	if (error == 0)
		error = local_answer_ahead(client, 1, TSR_PROTO_END_CLOSE, &reply, sizeof(reply));
	if (error != 0)
		return error;
	error = side == TSR_SIDE_SENDER ? tsr_sender_open(client, "local", options, &sender)
	                                : tsr_receiver_open(client, "local", options, &receiver);
	local_forget_request(client);
	local_forget_request(client);
	return error;
}

int
local_sender_close(struct tsr_client client, struct tsr_sender sender)
{
	struct tsr_proto_plain reply;
	int error = local_answer(client, TSR_PROTO_END_CLOSE, &reply, sizeof(reply));

	if (error != 0)
		return error;
	error = tsr_sender_close(sender);
	local_forget_request(client);
	return error;
}

int
local_receiver_close(struct tsr_client client, struct tsr_receiver receiver)
{
	struct tsr_proto_plain reply;
	int error = local_answer(client, TSR_PROTO_END_CLOSE, &reply, sizeof(reply));

	if (error != 0)
		return error;
	error = tsr_receiver_close(receiver);
	local_forget_request(client);
	return error;
}

void
local_region_format(struct tsr_map const *map, uint32_t number, uint64_t id, uint32_t tickets,
                    uint64_t bytes)
{
	struct tsr_region_entry *const entry = &map->regions[number];
	struct tsr_block *const blocks = (struct tsr_block *)(uintptr_t)map->blocks;

	for (uint32_t i = map->tickets_count; i < map->tickets_count + tickets; i++) {
		blocks[i] = (struct tsr_block){.capacity = (uint32_t)bytes,
		                               .arena = (uint16_t)number,
		                               .klass = TSR_CLASS_REGION};
		tsr_st_rlx(&map->tickets[i].word,
		           tsr_word_make(1, TSR_TICKET_IDLE, TSR_HOLDER_FREE));
	}
	entry->first_ticket = map->tickets_count;
	entry->tickets = tickets;
	entry->bytes = bytes;
	tsr_st_rlx(&entry->state, TSR_REGION_OPEN);
	tsr_st_rel(&entry->id, id);
}

int
local_region(struct tsr_client client, uint32_t number, void *base, struct tsr_region *out)
{
	struct tsr_attachment *attachment = tsr_attachment_get(client);
	struct tsr_region_view *view;
	int error = 0;

	if (attachment == NULL || number >= attachment->map.regions_count)
		return -EINVAL;
	if (attachment->regions == NULL)
		error = tsr_region_views_create(attachment);
	if (error != 0)
		return error;
	view = &attachment->regions->view[number];
	view->id = tsr_ld_rlx(&attachment->map.regions[number].id);
	view->base = base;
	view->bytes = attachment->map.regions[number].bytes;
	if (out != NULL) {
		view->handle = tsr_handle_new((uint32_t)(attachment - tsr_process->attachment) *
		                                      TSR_REGIONS_MAX +
		                              number);
		out->handle = view->handle;
	}
	return 0;
}
