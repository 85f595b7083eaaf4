/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Attach and detach: from a socket to mapped segments, and back.
 */

#include "shm/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/reconnect.h"
#include "shm/region.h"
#include "shm/scope.h"

#define CLIENT_DEADLINE_MS 5000
#define CLIENT_PAUSE_NS    2000000 /* between two attempts to attach */

/* What handles are looked up in before the first attach: nothing. */
static struct tsr_process client_no_process;

struct tsr_process *tsr_process = &client_no_process;
pthread_mutex_t tsr_process_lock = PTHREAD_MUTEX_INITIALIZER;

/* Never runs back, also not in a forked child, so that no handle is ever given out twice. */
static uint64_t client_generation;

uint64_t
tsr_handle_new(uint32_t index)
{
	return (++client_generation << TSR_HANDLE_INDEX_BITS) | index;
}

/* Whoever held the lock is not in the child, and what it guards is zeroed. */
static void
client_after_fork(void)
{
	tsr_process_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* Pages that a forked child finds zeroed: every handle of the parent is dead there. */
int
tsr_process_open(void)
{
	void *tables;

	if (tsr_process != &client_no_process)
		return 0;
	tables = mmap(NULL, sizeof(*tsr_process), PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tables == MAP_FAILED)
		return -ENOMEM;
	if (madvise(tables, sizeof(*tsr_process), MADV_WIPEONFORK) != 0) {
		(void)munmap(tables, sizeof(*tsr_process));
		return -EOPNOTSUPP;
	}
	if (pthread_atfork(NULL, NULL, client_after_fork) != 0) {
		(void)munmap(tables, sizeof(*tsr_process));
		return -ENOMEM;
	}
	tsr_process = tables;
	return 0;
}

static bool
client_writable(uint32_t segment, bool observer)
{
	return !observer && segment != TSR_SEGMENT_DIRECTORY && segment != TSR_SEGMENT_BLOCKS;
}

static void
client_unmap(struct tsr_map *map)
{
	for (uint32_t i = 0; i < TSR_SEGMENTS_MAX; i++) {
		if (map->segment[i].base != NULL)
			(void)munmap(map->segment[i].base, map->segment[i].bytes);
		map->segment[i].base = NULL;
	}
	if (map->doorbell > 0)
		(void)close(map->doorbell);
	map->doorbell = 0;
}

/* What came with the reply is what an observer, or a client, is given. */
static int
client_check_held(struct tsr_proto_attach_reply const *reply, size_t count, bool observer)
{
	if (reply->segments <= TSR_SEGMENT_ARENA0 || reply->segments > TSR_SEGMENTS_MAX ||
	    reply->held != tsr_proto_held(reply->segments, observer) ||
	    count != (unsigned)__builtin_popcount(reply->held))
		return -EPROTO;
	return 0;
}

static int
client_map(struct tsr_map *map, struct tsr_proto_attach_reply const *reply, int const *fds,
           size_t count, bool observer)
{
	size_t next = 0;
	int error = client_check_held(reply, count, observer);

	for (uint32_t i = 0; error == 0 && i < reply->segments; i++) {
		uint32_t const page_log2 = reply->page_bytes_log2[i];

		if ((reply->held & TSR_PROTO_HELD(i)) == 0)
			continue;
		if (page_log2 < 12 || page_log2 > 30 || reply->bytes[i] == 0 ||
		    reply->bytes[i] > UINT64_C(1) << 46)
			return -EPROTO;
		error = tsr_mapping_open(&map->segment[i], fds[next++], reply->bytes[i], page_log2,
		                         client_writable(i, observer));
	}
	if (error != 0)
		return error;
	if ((reply->held & TSR_PROTO_HELD_DOORBELL) != 0) {
		/* Beyond the three that have a meaning: 0 says that there is none. */
		map->doorbell = fcntl(fds[next], F_DUPFD_CLOEXEC, 3);
		if (map->doorbell < 0)
			return -ENOBUFS;
	}
	map->segments_count = reply->segments;
	error = tsr_map_bind(map);
	if (error == 0)
		tsr_map_advise_cores(map);
	return error;
}

static int
client_copy_name(char out[TSR_NAME_BYTES], const char *name)
{
	size_t const length = strnlen(name, TSR_NAME_BYTES);

	if (length == TSR_NAME_BYTES)
		return -ENAMETOOLONG;
	memcpy(out, name, length + 1);
	return 0;
}

void
tsr_attachment_classes(struct tsr_attachment *attachment)
{
	struct tsr_map const *const map = &attachment->map;
	uint32_t k = 0;

	for (uint32_t lines = 0; lines < TSR_LINES_MAX; lines++) {
		while (k + 1 < map->classes_count &&
		       map->klass[k].block_bytes < (lines + 1) * TSR_CACHELINE)
			k++;
		attachment->class_of_lines[lines] = (uint8_t)k;
	}
	attachment->lines_fast = map->message_bytes_max / TSR_CACHELINE < TSR_LINES_MAX
	                                 ? map->message_bytes_max / TSR_CACHELINE
	                                 : TSR_LINES_MAX;
}

/*
 * Who hangs up without a goodbye is killed: so one that had no memory is said again. The second of
 * two that came through is refused, and harmless.
 */
static int
client_say_goodbye(struct tsr_control *control)
{
	uint64_t const deadline_ns = tsr_deadline_in_ms(CLIENT_DEADLINE_MS);
	struct tsr_proto_plain request = {0};
	struct tsr_proto_plain reply;
	int error;

	do
		error = tsr_control_ask(control, TSR_PROTO_DETACH, &request, sizeof(request),
		                        &reply, sizeof(reply), NULL, deadline_ns);
	while ((error == -ENOMEM || error == -ENOBUFS) && !control->refused &&
	       tsr_now_ns() < deadline_ns);
	return error;
}

/* Say that the answer came: a daemon that takes over gives the id of who did not to somebody else.
 * Nothing was used under it before. */
static int
client_confirm(struct tsr_attachment *attachment, uint64_t deadline_ns)
{
	struct tsr_proto_plain ping = {0}, pong;

	tsr_reconnect_watch(attachment);
	if (attachment->observer)
		return 0;
	return tsr_control_ask(&attachment->control, TSR_PROTO_PING, &ping, sizeof(ping), &pong,
	                       sizeof(pong), NULL, deadline_ns);
}

/* Ask for the realm, map what comes. */
static int
client_join(struct tsr_attachment *attachment, struct tsr_proto_attach *request,
            uint64_t deadline_ns)
{
	struct tsr_proto_attach_reply reply;
	int fds[TSR_SEGMENTS_MAX + 1];
	size_t count;
	int error;

	error = tsr_control_ask_fds(&attachment->control, TSR_PROTO_ATTACH, request,
	                            sizeof(*request), &reply, sizeof(reply), fds,
	                            TSR_SEGMENTS_MAX + 1, &count, deadline_ns);
	if (error != 0 && !attachment->control.refused)
		tsr_control_withdraw(&attachment->control);
	if (error != 0)
		return error;
	error = client_map(&attachment->map, &reply, fds, count, attachment->observer);
	for (size_t i = 0; i < count; i++)
		(void)close(fds[i]);
	if (error == 0 &&
	    (attachment->observer
	             ? reply.client_id != 0
	             : reply.client_id == 0 || reply.client_id > attachment->map.clients_count))
		error = -EPROTO;
	if (error == 0)
		error = tsr_region_views_create(attachment);
	if (error != 0) {
		client_unmap(&attachment->map);
		tsr_control_withdraw(&attachment->control);
		return error;
	}
	attachment->me = reply.client_id;
	if (!attachment->observer)
		attachment->state = &attachment->map.states[reply.client_id - 1];
	memcpy(attachment->name, request->name, sizeof(attachment->name));
	error = client_confirm(attachment, deadline_ns);
	if (error != 0) {
		tsr_region_views_destroy(attachment);
		client_unmap(&attachment->map);
		/* To the one that let us in, if it is there still. */
		attachment->control.renew = NULL;
		(void)!client_say_goodbye(&attachment->control);
		return error;
	}
	TSR_TRACE(attach, attachment->map.directory->name, request->name, attachment->me);
	tsr_attachment_classes(attachment);
	return 0;
}

static int
client_attach(struct tsr_attachment *attachment, struct tsr_attach_options const *options,
              uint64_t deadline_ns)
{
	struct tsr_proto_attach request = {0};
	int error;

	error = client_copy_name(request.realm, options->realm != NULL ? options->realm : "demo");
	if (error == 0)
		error = client_copy_name(request.name, options->name != NULL
		                                               ? options->name
		                                               : program_invocation_short_name);
	if (error != 0)
		return error;
	attachment->observer = (options->flags & TSR_ATTACH_OBSERVER) != 0;
	attachment->fenced = !attachment->observer && ((options->flags & TSR_ATTACH_FENCED) != 0 ||
	                                               tsr_membarrier_register() != 0);
	request.flags = attachment->observer ? TSR_PROTO_ATTACH_OBSERVER
	                : attachment->fenced ? TSR_PROTO_ATTACH_FENCED
	                                     : 0;
	error = tsr_control_open(&attachment->control, options->socket, deadline_ns);
	if (error != 0)
		return error;
	error = client_join(attachment, &request, deadline_ns);
	if (error != 0) {
		client_unmap(&attachment->map);
		tsr_control_close(&attachment->control);
	}
	return error;
}

/* A daemon that leaves in the middle of it may be followed by another one. */
static int
client_attach_to_any(struct tsr_attachment *attachment, struct tsr_attach_options const *options)
{
	uint64_t const deadline_ns = options->deadline_ns != 0
	                                     ? options->deadline_ns
	                                     : tsr_deadline_in_ms(CLIENT_DEADLINE_MS);
	struct timespec const pause = {.tv_nsec = CLIENT_PAUSE_NS};
	int error;

	for (;;) {
		*attachment = (struct tsr_attachment){.control = {.fd = -1}, .traced = TSR_TRACED};
		error = client_attach(attachment, options, deadline_ns);
		if (error != -ENOTCONN || attachment->control.refused ||
		    tsr_now_ns() + CLIENT_PAUSE_NS >= deadline_ns)
			return error;
		(void)nanosleep(&pause, NULL);
	}
}

/* A free place in the table. The process lock is held. */
static int
client_place(struct tsr_attachment **attachment, uint32_t *index)
{
	int const error = tsr_process_open();

	if (error != 0)
		return error;
	for (uint32_t i = 0; i < TSR_ATTACHMENTS_MAX; i++) {
		if (tsr_process->attachment[i].handle == 0) {
			*attachment = &tsr_process->attachment[i];
			*index = i;
			return 0;
		}
	}
	tsr_hint_set("this process is attached %d times, expected at most that",
	             TSR_ATTACHMENTS_MAX);
	return -ENOBUFS;
}

int
tsr_attach(const struct tsr_attach_options *options, struct tsr_client *out)
{
	struct tsr_attach_options const defaults = {.size = sizeof(defaults)};
	struct tsr_attachment *attachment = NULL;
	uint32_t index = 0;
	int error;

	if (options == NULL)
		options = &defaults;
	if (out == NULL || options->size != sizeof(*options) ||
	    (options->flags != TSR_ATTACH_OBSERVER && (options->flags & ~TSR_ATTACH_FENCED) != 0))
		return -EINVAL;
	(void)pthread_mutex_lock(&tsr_process_lock);
	error = tsr_trace_load();
	if (error == 0)
		error = client_place(&attachment, &index);
	if (error == 0)
		error = client_attach_to_any(attachment, options);
	if (error == 0) {
		attachment->handle = tsr_handle_new(index);
		out->handle = attachment->handle;
	}
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return tsr_trace_error(__func__, error, tsr_last_hint());
}

/* Its ends and taps are dead; their events' descriptors are closed, the daemon closes the rest. */
static void
client_forget(struct tsr_attachment *attachment)
{
	for (uint32_t i = 0; i < tsr_process->ends_high; i++) {
		struct tsr_end *const end = &tsr_process->end[i];

		if (end->attachment != attachment || end->handle == 0)
			continue;
		end->handle = 0;
		if (end->event.number != 0)
			(void)close(end->event.fd);
	}
	for (uint32_t i = 0; i < TSR_TAPS_MAX; i++) {
		struct tsr_tap_own *const tap = &tsr_process->tap[i];

		if (tap->attachment != attachment || tap->handle == 0)
			continue;
		tap->handle = 0;
		tsr_tap_event_drop(tap, true);
	}
}

int
tsr_detach(struct tsr_client client)
{
	struct tsr_attachment *attachment;
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	attachment = tsr_attachment_get(client);
	if (attachment == NULL) {
		(void)pthread_mutex_unlock(&tsr_process_lock);
		return -ENOTCONN;
	}
	client_forget(attachment);
	tsr_scope_detach(attachment);
	for (uint32_t i = 0; i < TSR_ASKERS_MAX; i++) {
		if (tsr_process->asker[i].client.handle == client.handle)
			tsr_process->asker[i].handle = 0;
	}
	attachment->handle = 0;
	TSR_TRACE(detach, attachment->map.directory->name, attachment->me);
	attachment->kept = tsr_reconnect_hopes(attachment);
	tsr_region_views_destroy(attachment);
	client_unmap(&attachment->map);
	error = client_say_goodbye(&attachment->control);
	tsr_control_close(&attachment->control);
	for (uint32_t k = 0; k < TSR_CLASSES_MAX; k++)
		free(attachment->orphans[k].name);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	/* A daemon that is gone has nothing left to be told. */
	return error == -ENOTCONN ? 0 : error;
}

int
tsr_client_info(struct tsr_client client, struct tsr_client_info *info)
{
	struct tsr_attachment const *const attachment = tsr_attachment_get(client);
	struct tsr_directory const *directory;

	if (attachment == NULL)
		return -ENOTCONN;
	if (info == NULL || info->size != sizeof(*info))
		return -EINVAL;
	directory = attachment->map.directory;
	*info = (struct tsr_client_info){
		.size = sizeof(*info),
		.ticks_per_second = attachment->map.ticks_per_second,
		.message_bytes_max = attachment->map.message_bytes_max,
		.tickets = attachment->map.tickets_count,
		.client_id = attachment->me,
		.flags = attachment->observer ? TSR_ATTACH_OBSERVER
	                 : attachment->fenced ? TSR_ATTACH_FENCED
	                                      : 0,
	};
	memcpy(info->realm, directory->name, sizeof(info->realm));
	memcpy(info->backing, directory->backing, sizeof(info->backing));
	for (uint32_t i = 0; i < attachment->map.arenas_count; i++)
		info->arena_bytes += attachment->map.arena_bytes[i];
	return 0;
}
