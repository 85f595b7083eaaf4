/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Messages that lie in regions: receive, resolve, release; and what this process has mapped.
 */

#include "shm/region.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/ticket.h"

#define REGION_DEADLINE_MS 5000

int
tsr_region_views_create(struct tsr_attachment *attachment)
{
	uint32_t const count = attachment->map.regions_count;
	struct tsr_regions *regions;

	if (count == 0)
		return 0;
	regions = calloc(1, sizeof(*regions) + count * sizeof(regions->view[0]));
	if (regions == NULL)
		return -ENOMEM;
	(void)pthread_mutex_init(&regions->lock, NULL);
	attachment->regions = regions;
	return 0;
}

static void
region_unmap(struct tsr_region_view *view)
{
	if (view->base != NULL)
		(void)munmap(view->base, view->bytes);
	*view = (struct tsr_region_view){0};
}

void
tsr_region_views_destroy(struct tsr_attachment *attachment)
{
	for (uint32_t i = 0; attachment->regions != NULL && i < attachment->map.regions_count; i++)
		region_unmap(&attachment->regions->view[i]);
	free(attachment->regions);
	attachment->regions = NULL;
}

/* The tickets of a region, within bounds whatever the entry turns into meanwhile. */
static uint32_t
region_tickets(struct tsr_map const *map, struct tsr_region_entry const *entry, uint32_t *first)
{
	uint32_t const count = entry->tickets;

	*first = entry->first_ticket;
	return *first <= map->tickets_all && count <= map->tickets_all - *first ? count : 0;
}

/* Does somebody still need our mapping: is a ticket ours, or a channel's and maybe ours soon? */
static bool
region_is_needed(struct tsr_attachment const *attachment, struct tsr_region_entry const *entry)
{
	struct tsr_map const *const map = &attachment->map;
	uint32_t first;
	uint32_t const count = region_tickets(map, entry, &first);

	for (uint32_t i = first; i < first + count; i++) {
		uint16_t const holder = tsr_word_holder(tsr_ld_rlx(&map->tickets[i].word));

		if (holder == attachment->me || holder == TSR_HOLDER_CHANNEL)
			return true;
	}
	return false;
}

void
tsr_region_views_trim(struct tsr_attachment *attachment)
{
	struct tsr_map const *const map = &attachment->map;

	for (uint32_t i = 0; i < map->regions_count; i++) {
		struct tsr_region_view *const view = &attachment->regions->view[i];

		if (view->id == 0 || view->handle != 0)
			continue;
		/* [G4] pairs with [G3]: another id is another region, or none. */
		if (tsr_ld_acq(&map->regions[i].id) != view->id ||
		    (tsr_ld_rlx(&map->regions[i].state) == TSR_REGION_CLOSING &&
		     !region_is_needed(attachment, &map->regions[i])))
			region_unmap(view);
	}
}

int
tsr_region_view_map(struct tsr_region_view *view, struct tsr_proto_region_reply const *reply,
                    int fd)
{
	bool const read_only = (reply->flags & TSR_REGION_READ_ONLY) != 0;
	struct tsr_mapping mapping;
	int error;

	if (reply->page_bytes_log2 < 12 || reply->page_bytes_log2 > 30 || reply->bytes == 0 ||
	    reply->bytes > TSR_REGION_BYTES_MAX || reply->id == 0)
		return -EPROTO;
	error = tsr_mapping_open(&mapping, fd, reply->bytes, reply->page_bytes_log2, !read_only);
	if (error != 0)
		return error;
	*view = (struct tsr_region_view){.id = reply->id,
	                                 .base = mapping.base,
	                                 .bytes = mapping.bytes,
	                                 .read_only = read_only};
	return 0;
}

/* Ask the daemon for a region, and map it. */
static int
region_fetch(struct tsr_attachment *attachment, uint32_t number, uint64_t id,
             struct tsr_region_view *view)
{
	struct tsr_proto_region_ref request = {.id = id, .number = number};
	struct tsr_proto_region_reply reply;
	size_t count = 0;
	int fd = -1;
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	error = tsr_control_ask_fds(&attachment->control, TSR_PROTO_REGION_MAP, &request,
	                            sizeof(request), &reply, sizeof(reply), &fd, 1, &count,
	                            tsr_deadline_in_ms(REGION_DEADLINE_MS));
	(void)pthread_mutex_unlock(&tsr_process_lock);
	if (error != 0)
		return error;
	if (count != 1)
		return -EPROTO;
	error = reply.id == id ? tsr_region_view_map(view, &reply, fd) : -EPROTO;
	(void)close(fd);
	/* What the daemon answered is never the fault of a message. */
	return error == -EPROTO ? -ENOTCONN : error;
}

/* The region of a ticket that a message holds, mapped. The lock is held. */
static int
region_have(struct tsr_attachment *attachment, uint32_t index, struct tsr_region_view **out)
{
	struct tsr_map const *const map = &attachment->map;
	uint32_t const number = map->blocks[index].arena;
	struct tsr_region_view *view;
	uint64_t id;
	int error;

	if (number >= map->regions_count)
		return -EPROTO;
	view = &attachment->regions->view[number];
	/* [G4] pairs with [G3]: as long as the ticket is out the entry stays what it is. */
	id = tsr_ld_acq(&map->regions[number].id);
	if (id == 0)
		return -EPROTO;
	if (tsr_unlikely(view->id != id)) {
		tsr_region_views_trim(attachment);
		error = region_fetch(attachment, number, id, view);
		if (error != 0)
			return error;
	}
	*out = view;
	return map->blocks[index].capacity <= view->bytes ? 0 : -EPROTO;
}

void
tsr_region_fill(struct tsr_region_view const *view, struct tsr_zdesc zdesc, struct tsr_msg *msg)
{
	*msg = (struct tsr_msg){
		.zdesc = zdesc,
		.data = view->base + tsr_range_offset(zdesc.range),
		.length = tsr_range_length(zdesc.range),
		.flags = view->read_only ? TSR_MSG_READ_ONLY : 0,
	};
}

int
tsr_region_receive(struct tsr_attachment *attachment, struct tsr_zdesc zdesc, bool again,
                   struct tsr_msg *msg)
{
	struct tsr_map const *const map = &attachment->map;
	struct tsr_region_view *view;
	int error;

	if (attachment->regions == NULL)
		return -EPROTO; /* tickets for regions, and no region: nobody can have sent one */
	(void)pthread_mutex_lock(&attachment->regions->lock);
	error = region_have(attachment, tsr_name_index(zdesc.name), &view);
	/* Under the lock: who trims sees that the ticket is ours, or still the channel's. */
	if (error == 0)
		error = again ? tsr_ticket_receive_again(map, zdesc.name, attachment->me,
		                                         &zdesc.name)
		        : tsr_ticket_exchange(map, zdesc.name, attachment->me, &zdesc.name)
		                ? 0
		                : -EPROTO;
	if (error == 0)
		tsr_region_fill(view, zdesc, msg);
	(void)pthread_mutex_unlock(&attachment->regions->lock);
	return error;
}

int
tsr_region_resolve(struct tsr_attachment *attachment, struct tsr_zdesc zdesc, struct tsr_msg *msg)
{
	struct tsr_region_view *view;
	int error;

	if (attachment->regions == NULL)
		return -EINVAL;
	(void)pthread_mutex_lock(&attachment->regions->lock);
	error = region_have(attachment, tsr_name_index(zdesc.name), &view);
	if (error == 0)
		tsr_region_fill(view, zdesc, msg);
	(void)pthread_mutex_unlock(&attachment->regions->lock);
	return error == -EPROTO ? -EINVAL : error;
}

/* Nobody has any of its tickets. */
static bool
region_is_idle(struct tsr_map const *map, struct tsr_region_entry const *entry)
{
	uint32_t first;
	uint32_t const count = region_tickets(map, entry, &first);

	for (uint32_t i = first; i < first + count; i++) {
		uint16_t const holder = tsr_word_holder(tsr_ld_rlx(&map->tickets[i].word));

		if (holder != TSR_HOLDER_FREE && holder != TSR_HOLDER_DAEMON)
			return false;
	}
	return true;
}

/* A ticket of a closing region came back: unmap what is not needed, tell the daemon of the last. */
static void
region_settle(struct tsr_attachment *attachment, struct tsr_region_entry const *entry)
{
	struct tsr_proto_plain request = {0};
	struct tsr_proto_plain reply;

	(void)pthread_mutex_lock(&attachment->regions->lock);
	tsr_region_views_trim(attachment);
	(void)pthread_mutex_unlock(&attachment->regions->lock);
	if (!region_is_idle(&attachment->map, entry))
		return;
	(void)pthread_mutex_lock(&tsr_process_lock);
	/* A daemon that is gone has nothing left to be told. */
	(void)!tsr_control_ask(&attachment->control, TSR_PROTO_REGION_SETTLE, &request,
	                       sizeof(request), &reply, sizeof(reply), NULL,
	                       tsr_deadline_in_ms(REGION_DEADLINE_MS));
	(void)pthread_mutex_unlock(&tsr_process_lock);
}

void
tsr_region_release(struct tsr_attachment *attachment, uint64_t name)
{
	struct tsr_map const *const map = &attachment->map;
	uint32_t const index = tsr_name_index(name);
	uint32_t const number = map->blocks[index].arena;

	/* [G1] pairs with [G2]: what was done to the payload comes first. */
	tsr_st_rel(&map->tickets[index].word,
	           tsr_name_word(tsr_name_next(name), TSR_TICKET_IDLE, TSR_HOLDER_FREE));
	/* [G5] pairs with [G6]: before the look at the state. */
	tsr_fence_sc();
	if (number < map->regions_count &&
	    tsr_unlikely(tsr_ld_rlx(&map->regions[number].state) == TSR_REGION_CLOSING))
		region_settle(attachment, &map->regions[number]);
}
