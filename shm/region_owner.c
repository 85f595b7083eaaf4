/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Regions from their owner's side: made or registered, taken messages from, given up.
 *
 * A handle's index is attachment * TSR_REGIONS_MAX + number of the region.
 */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/region.h"
#include "shm/ticket.h"

#define REGION_DEADLINE_MS     5000
#define REGION_TICKETS_DEFAULT 64
#define REGION_HUGE_BYTES      (UINT64_C(1) << 21)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1, not in Debian 12's libc headers */
#endif

static_assert(TSR_ATTACHMENTS_MAX * TSR_REGIONS_MAX <= 1 << TSR_HANDLE_INDEX_BITS, "handles");

static int
region_request(struct tsr_proto_region *request, uint64_t bytes,
               const struct tsr_region_options *options)
{
	if (options != NULL && (options->size != sizeof(*options) || options->reserved != 0))
		return -EINVAL;
	request->bytes = bytes;
	request->tickets = options != NULL && options->tickets != 0 ? options->tickets
	                                                            : REGION_TICKETS_DEFAULT;
	return 0;
}

/* The attachment, its regions locked. */
static int
region_enter(struct tsr_client client, struct tsr_attachment **out)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);

	if (attachment == NULL)
		return -ENOTCONN;
	if (attachment->regions == NULL) {
		tsr_hint_set("this realm has no regions; raise 'regions' in the configuration");
		return -ENOBUFS;
	}
	(void)pthread_mutex_lock(&attachment->regions->lock);
	*out = attachment;
	return 0;
}

/* The owner's view behind a handle, its regions locked. */
static int
region_find(struct tsr_region region, struct tsr_attachment **out, struct tsr_region_view **view)
{
	uint32_t const index = tsr_handle_index(region.handle);
	struct tsr_attachment *const attachment =
		&tsr_process->attachment[index / TSR_REGIONS_MAX % TSR_ATTACHMENTS_MAX];
	uint32_t const number = index % TSR_REGIONS_MAX;

	if (region.handle == 0 || attachment->handle == 0 || attachment->regions == NULL ||
	    number >= attachment->map.regions_count)
		return -ENOTCONN;
	(void)pthread_mutex_lock(&attachment->regions->lock);
	*view = &attachment->regions->view[number];
	if ((*view)->handle != region.handle) {
		(void)pthread_mutex_unlock(&attachment->regions->lock);
		return -ENOTCONN;
	}
	*out = attachment;
	return 0;
}

static int
region_say_close(struct tsr_attachment *attachment, uint64_t id, uint32_t number)
{
	struct tsr_proto_region_ref request = {.id = id, .number = number};
	struct tsr_proto_plain reply;
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	error = tsr_control_ask(&attachment->control, TSR_PROTO_REGION_CLOSE, &request,
	                        sizeof(request), &reply, sizeof(reply), NULL,
	                        tsr_deadline_in_ms(REGION_DEADLINE_MS));
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

/* Map what the daemon gave or took. Ours from here on, or told the daemon that it is not. */
static int
region_own(struct tsr_attachment *attachment, struct tsr_proto_region_reply const *reply, int fd,
           struct tsr_region_view **out)
{
	struct tsr_map const *const map = &attachment->map;
	struct tsr_region_view view = {0};
	int error = -EPROTO;

	if (reply->number < map->regions_count && reply->first_ticket <= map->tickets_all &&
	    reply->tickets <= map->tickets_all - reply->first_ticket)
		error = tsr_region_view_map(&view, reply, fd);
	if (error != 0) {
		(void)!region_say_close(attachment, reply->id, reply->number);
		return error;
	}
	/* Another region's may be left there, which has ended. */
	tsr_region_views_trim(attachment);
	*out = &attachment->regions->view[reply->number];
	**out = view;
	(void)pthread_mutex_lock(&tsr_process_lock);
	(*out)->handle = tsr_handle_new(
		(uint32_t)(attachment - tsr_process->attachment) * TSR_REGIONS_MAX + reply->number);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return 0;
}

/*
 * Touch it all, here and not in the daemon, which has others to serve. Where shared-memory THP is
 * off only MADV_COLLAPSE makes huge pages; it wants one page to be there.
 */
static int
region_populate(struct tsr_region_view const *view, bool huge)
{
	for (uint64_t at = 0; huge && at + REGION_HUGE_BYTES <= view->bytes;
	     at += REGION_HUGE_BYTES) {
		if (madvise(view->base + at, 4096, MADV_POPULATE_WRITE) != 0 ||
		    madvise(view->base + at, REGION_HUGE_BYTES, MADV_COLLAPSE) != 0)
			break; /* the rest in small pages, then */
	}
	if (madvise(view->base, view->bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	return errno == EFAULT || errno == EHWPOISON ? -ENOMEM : -errno;
}

static int
region_create(struct tsr_attachment *attachment, struct tsr_proto_region *request,
              struct tsr_region *out)
{
	struct tsr_proto_region_reply reply;
	struct tsr_region_view *view = NULL;
	size_t count = 0;
	int fd = -1;
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	error = tsr_control_ask_fds(&attachment->control, TSR_PROTO_REGION_CREATE, request,
	                            sizeof(*request), &reply, sizeof(reply), &fd, 1, &count,
	                            tsr_deadline_in_ms(REGION_DEADLINE_MS));
	(void)pthread_mutex_unlock(&tsr_process_lock);
	if (error != 0)
		return error;
	error = count == 1 ? region_own(attachment, &reply, fd, &view) : -EPROTO;
	if (count == 1)
		(void)close(fd);
	if (error != 0)
		return error;
	error = region_populate(view, reply.page_bytes_log2 == 21);
	if (error != 0) {
		(void)munmap(view->base, view->bytes);
		*view = (struct tsr_region_view){0};
		(void)!region_say_close(attachment, reply.id, reply.number);
		return error;
	}
	out->handle = view->handle;
	return 0;
}

int
tsr_region_create(struct tsr_client client, uint64_t bytes,
                  const struct tsr_region_options *options, struct tsr_region *out)
{
	struct tsr_proto_region request = {0};
	struct tsr_attachment *attachment;
	int error = region_request(&request, bytes, options);

	if (error != 0 || out == NULL || bytes == 0)
		return -EINVAL;
	error = region_enter(client, &attachment);
	if (error != 0)
		return error;
	error = region_create(attachment, &request, out);
	(void)pthread_mutex_unlock(&attachment->regions->lock);
	return error;
}

/* The daemon makes a socket for this one descriptor: on the control socket it takes none. */
static int
region_offer(struct tsr_attachment *attachment, struct tsr_proto_region *request, int memfd,
             struct tsr_proto_region_reply *reply)
{
	uint64_t const deadline_ns = tsr_deadline_in_ms(REGION_DEADLINE_MS);
	struct tsr_proto_plain plain = {0};
	struct tsr_control side = {.fd = -1};
	size_t count = 0;
	int error;

	error = tsr_control_ask_fds(&attachment->control, TSR_PROTO_REGION_OFFER, request,
	                            sizeof(*request), &plain, sizeof(plain), &side.fd, 1, &count,
	                            deadline_ns);
	if (error == 0 && count != 1)
		error = -EPROTO;
	if (error == 0)
		error = tsr_control_ask_passing(&side, TSR_PROTO_REGION_REGISTER, &plain,
		                                sizeof(plain), reply, sizeof(*reply), memfd,
		                                deadline_ns);
	tsr_control_close(&side);
	return error;
}

int
tsr_region_register(struct tsr_client client, int memfd, const struct tsr_region_options *options,
                    struct tsr_region *out)
{
	struct tsr_proto_region request = {0};
	struct tsr_proto_region_reply reply;
	struct tsr_attachment *attachment;
	struct tsr_region_view *view = NULL;
	int error = region_request(&request, 0, options);

	if (error != 0 || out == NULL || memfd < 0)
		return -EINVAL;
	error = region_enter(client, &attachment);
	if (error != 0)
		return error;
	(void)pthread_mutex_lock(&tsr_process_lock);
	error = region_offer(attachment, &request, memfd, &reply);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	if (error == 0)
		error = region_own(attachment, &reply, memfd, &view);
	if (error == 0)
		out->handle = view->handle;
	(void)pthread_mutex_unlock(&attachment->regions->lock);
	return error;
}

/* Take a free ticket of the region. Return: its name; TSR_NAME_NONE all are out. */
static uint64_t
region_take(struct tsr_attachment const *attachment, struct tsr_region_view *view)
{
	struct tsr_map const *const map = &attachment->map;
	struct tsr_region_entry const *const entry =
		&map->regions[view - attachment->regions->view];

	for (uint32_t n = 0; n < entry->tickets; n++) {
		uint32_t const index = entry->first_ticket + view->cursor;
		/* [G2] pairs with [G1]: who had it is done with the payload. */
		uint64_t const word = tsr_ld_acq(&map->tickets[index].word);
		uint64_t const generation = tsr_generation_next(tsr_word_generation(word));

		view->cursor = view->cursor + 1 < entry->tickets ? view->cursor + 1 : 0;
		if (tsr_word_holder(word) != TSR_HOLDER_FREE)
			continue;
		tsr_st_rlx(&map->tickets[index].word,
		           tsr_word_make(generation, TSR_TICKET_IDLE, attachment->me));
		return tsr_name_make(index, generation);
	}
	return TSR_NAME_NONE;
}

int
tsr_region_alloc(struct tsr_region region, uint32_t offset, uint32_t bytes, struct tsr_msg *msg)
{
	struct tsr_attachment *attachment;
	struct tsr_region_view *view;
	struct tsr_zdesc zdesc = {.range = tsr_range_make(offset, bytes)};
	int error = region_find(region, &attachment, &view);

	if (error != 0)
		return error;
	if (bytes == 0 || (uint64_t)offset + bytes > view->bytes)
		error = -EINVAL;
	else if ((zdesc.name = region_take(attachment, view)) == TSR_NAME_NONE)
		error = -ENOMEM;
	else
		tsr_region_fill(view, zdesc, msg);
	(void)pthread_mutex_unlock(&attachment->regions->lock);
	return error;
}

int
tsr_region_address(struct tsr_region region, void **address, uint64_t *bytes)
{
	struct tsr_attachment *attachment;
	struct tsr_region_view *view;
	int const error = region_find(region, &attachment, &view);

	if (error != 0)
		return error;
	*address = view->base;
	*bytes = view->bytes;
	(void)pthread_mutex_unlock(&attachment->regions->lock);
	return 0;
}

int
tsr_region_close(struct tsr_region region)
{
	struct tsr_attachment *attachment;
	struct tsr_region_view *view;
	int error = region_find(region, &attachment, &view);

	if (error != 0)
		return error;
	view->handle = 0;
	error = region_say_close(attachment, view->id,
	                         (uint32_t)(view - attachment->regions->view));
	/* Unmapped now, if nothing of it is out that may be ours. */
	tsr_region_views_trim(attachment);
	(void)pthread_mutex_unlock(&attachment->regions->lock);
	return error;
}
