/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/reconnect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "shm/region.h"

#define RECONNECT_DEADLINE_MS 5000    /* of one exchange with a daemon that is there */
#define RECONNECT_PAUSE_NS    2000000 /* between two looks for one */

static bool
reconnect_hung_up(struct tsr_attachment const *attachment)
{
	struct pollfd fd = {.fd = attachment->control.fd};

	return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void
reconnect_set(uint64_t *bits, uint32_t number)
{
	bits[number / 64] |= UINT64_C(1) << (number % 64);
}

/* Which ends and regions we know of. */
static void
reconnect_describe(struct tsr_attachment const *attachment, uint16_t type, void const *request,
                   struct tsr_proto_reattach *out)
{
	struct tsr_proto_end_close closing;
	struct tsr_proto_end_open open;

	for (uint32_t i = 0; i < tsr_process->ends_high; i++) {
		struct tsr_end const *const end = &tsr_process->end[i];

		if (end->attachment == attachment && end->handle != 0)
			reconnect_set(out->ends, end->number & UINT16_MAX);
	}
	if (type == TSR_PROTO_END_OPEN) {
		memcpy(&open, request, sizeof(open));
		out->flags |= TSR_REATTACH_OPENING;
		memcpy(out->channel, open.channel.name, sizeof(out->channel));
		out->side = open.side;
	}
	if (type == TSR_PROTO_END_CLOSE) {
		/* It is closed by the request. */
		memcpy(&closing, request, sizeof(closing));
		reconnect_set(out->ends, closing.end % TSR_ENDS_MAX);
	}
	/* Whoever asks for one has their lock. */
	if (type != TSR_PROTO_REGION_CREATE && type != TSR_PROTO_REGION_OFFER)
		return;
	out->flags |= TSR_REATTACH_REGIONS;
	for (uint32_t i = 0; i < attachment->map.regions_count; i++) {
		if (attachment->regions->view[i].handle != 0)
			reconnect_set(out->regions, i);
	}
}

/* The new one where the old one was: readers find either, never nothing. */
static int
reconnect_map(struct tsr_mapping const *mapping, uint64_t bytes, int fd)
{
	if (mapping->base == NULL)
		return 0; /* detaching: unmapped already */
	if (((bytes + 4095) & ~UINT64_C(4095)) != mapping->bytes)
		return -EPROTO;
	return tsr_mapping_replace(mapping, fd);
}

static int
reconnect_map_all(struct tsr_attachment *attachment, struct tsr_proto_reattach_reply const *reply,
                  int const *fds)
{
	static const uint32_t segment[] = {TSR_SEGMENT_DIRECTORY, TSR_SEGMENT_BLOCKS};
	int error = 0;

	for (int i = 0; error == 0 && i < 2; i++)
		error = reconnect_map(&attachment->map.segment[segment[i]], reply->bytes[i],
		                      fds[i]);
	if (error == 0 && attachment->map.segment[TSR_SEGMENT_DIRECTORY].base != NULL)
		tsr_map_advise_cores(&attachment->map);
	return error;
}

/* Say who we are, on a connection that is not ours yet. */
static int
reconnect_join(struct tsr_attachment *attachment, struct tsr_control *control, uint16_t type,
               void const *pending, uint64_t deadline_ns)
{
	struct tsr_proto_reattach request = {.client_id = attachment->me,
	                                     .epoch = attachment->epoch};
	struct tsr_proto_reattach_reply reply;
	struct tsr_proto_plain ping = {0}, pong;
	int fds[2];
	size_t count;
	int error;

	memcpy(request.realm, attachment->realm, sizeof(request.realm));
	memcpy(request.name, attachment->name, sizeof(request.name));
	reconnect_describe(attachment, type, pending, &request);
	error = tsr_control_ask_fds(control, TSR_PROTO_REATTACH, &request, sizeof(request), &reply,
	                            sizeof(reply), fds, 2, &count, deadline_ns);
	if (error != 0)
		return error;
	error = count == 2 ? reconnect_map_all(attachment, &reply, fds) : -EPROTO;
	for (size_t i = 0; i < count; i++)
		(void)close(fds[i]);
	/* Now it may hold us to it. */
	if (error == 0)
		error = tsr_control_ask(control, TSR_PROTO_PING, &ping, sizeof(ping), &pong,
		                        sizeof(pong), NULL, deadline_ns);
	return error;
}

/* The new connection under the old number: another thread may just be looking at it. */
static int
reconnect_adopt(struct tsr_attachment *attachment, struct tsr_control *control)
{
	int const was = attachment->control.fd;

	if (dup3(control->fd, was, O_CLOEXEC) < 0)
		return -errno;
	(void)close(control->fd);
	free(attachment->control.packet);
	attachment->control.packet = control->packet;
	attachment->control.cookie = control->cookie;
	attachment->control.daemon_pid = control->daemon_pid;
	attachment->control.instance = control->instance;
	memcpy(attachment->control.release, control->release, sizeof(attachment->control.release));
	return 0;
}

bool
tsr_reconnect_hopes(struct tsr_attachment const *attachment)
{
	struct tsr_directory const *const directory = attachment->map.directory;

	return tsr_ld_rlx(&directory->kept) != 0 &&
	       tsr_ld_rlx(&directory->state) == TSR_REALM_LIVING;
}

/*
 * One attempt. Return: 0; -ECONNREFUSED nobody listens, or it died again: come back later;
 * -ENOTCONN the realm is gone for us.
 */
static int
reconnect_try(struct tsr_attachment *attachment, uint16_t type, void const *pending)
{
	uint64_t const deadline_ns = tsr_deadline_in_ms(RECONNECT_DEADLINE_MS);
	bool const mapped = attachment->map.segment[TSR_SEGMENT_DIRECTORY].base != NULL;
	uint64_t pulse = 0;
	struct tsr_control control;
	int error;

	if (mapped ? !tsr_reconnect_hopes(attachment) : !attachment->kept)
		return -ENOTCONN;
	if (mapped)
		/* [I2] pairs with [I1]: a later one is seen the next time. */
		pulse = tsr_ld_acq(attachment->pulse);
	error = tsr_control_open(&control, attachment->control.path, deadline_ns);
	if (error == 0) {
		error = reconnect_join(attachment, &control, type, pending, deadline_ns);
		if (error == 0)
			error = reconnect_adopt(attachment, &control);
		if (error != 0)
			tsr_control_close(&control);
	}
	if (error == 0) {
		tsr_st_rlx(&attachment->pulse_seen, pulse);
		return 0;
	}
	return error == -ESTALE || error == -EPROTO || error == -EACCES ? -ENOTCONN : -ECONNREFUSED;
}

/* For a request that found nobody: until there is a daemon, or its time is over. */
static int
reconnect_renew(struct tsr_control *control, uint16_t type, void const *request,
                uint64_t deadline_ns)
{
	struct tsr_attachment *const attachment =
		(struct tsr_attachment *)(void *)((unsigned char *)control -
	                                          offsetof(struct tsr_attachment, control));
	struct timespec const pause = {.tv_nsec = RECONNECT_PAUSE_NS};
	int error;

	for (;;) {
		error = tsr_ld_rlx(&attachment->lost) != 0
		                ? -ENOTCONN
		                : reconnect_try(attachment, type, request);
		if (error == 0)
			return 0;
		if (error == -ENOTCONN)
			tsr_st_rlx(&attachment->lost, 1);
		if (error == -ENOTCONN || tsr_now_ns() + RECONNECT_PAUSE_NS >= deadline_ns)
			return -ENOTCONN;
		(void)nanosleep(&pause, NULL);
	}
}

void
tsr_reconnect_watch(struct tsr_attachment *attachment)
{
	struct tsr_directory const *const directory = attachment->map.directory;

	attachment->pulse = &attachment->map.pulse->generation;
	tsr_st_rlx(&attachment->pulse_seen, tsr_ld_rlx(attachment->pulse));
	attachment->epoch = directory->epoch;
	memcpy(attachment->realm, directory->name, sizeof(attachment->realm));
	attachment->control.renew = reconnect_renew;
}

int
tsr_attachment_follow(struct tsr_attachment *attachment)
{
	int error = 0;

	if (tsr_ld_rlx(&attachment->lost) != 0)
		return -ENOTCONN;
	/* Whoever has it is asking the daemon, and comes back to it; it may be a call of ours. */
	if (pthread_mutex_trylock(&tsr_process_lock) != 0)
		return 0;
	if (attachment->handle == 0)
		error = -ENOTCONN;
	else if (!reconnect_hung_up(attachment))
		/* Somebody else wrote there, or we have just come back. */
		tsr_st_rlx(&attachment->pulse_seen, tsr_ld_rlx(attachment->pulse));
	else
		error = reconnect_try(attachment, 0, NULL);
	if (error == -ENOTCONN)
		tsr_st_rlx(&attachment->lost, 1);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error == -ENOTCONN ? error : 0;
}
