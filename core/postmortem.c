/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/postmortem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/daemon.h"
#include "core/member.h"
#include "core/postmortem_folder.h"
#include "core/row.h"

#define POSTMORTEM_MAX      4
#define POSTMORTEM_COPY_MAX (UINT64_C(64) << 20) /* more takes too long under the lock */

int
tsr_postmortem_create(struct tsr_postmortem *postmortem, struct tsr_config const *config,
                      struct tsr_refusal *refusal)
{
	const char *const folder = config->postmortem_folder;

	if (folder[0] != '\0' && folder[0] != '/')
		return tsr_refuse(refusal, -EINVAL,
		                  "postmortem.folder is '%s', expected an absolute path", folder);
	if (folder[0] != '\0' && access(folder, R_OK | W_OK | X_OK) != 0)
		return tsr_refuse(refusal, -EINVAL,
		                  "postmortem.folder '%s' can't be written to: %s: make it, for "
		                  "user %u",
		                  folder, strerror(errno), (unsigned)geteuid());
	*postmortem = (struct tsr_postmortem){.trace = config->postmortem_trace,
	                                      .keep = config->postmortem_keep,
	                                      .recorder = postmortem->recorder};
	memcpy(postmortem->folder, config->postmortem_folder, sizeof(postmortem->folder));
	(void)pthread_mutex_init(&postmortem->lock, NULL);
	(void)pthread_cond_init(&postmortem->news, NULL);
	return 0;
}

/* One more is under way, if there may be. */
static bool
postmortem_begin(struct tsr_postmortem *postmortem)
{
	bool begun;

	(void)pthread_mutex_lock(&postmortem->lock);
	begun = postmortem->pending < POSTMORTEM_MAX;
	if (begun)
		postmortem->pending++;
	(void)pthread_mutex_unlock(&postmortem->lock);
	return begun;
}

static void
postmortem_end(struct tsr_postmortem *postmortem)
{
	(void)pthread_mutex_lock(&postmortem->lock);
	postmortem->pending--;
	(void)pthread_mutex_unlock(&postmortem->lock);
}

struct postmortem_copy {
	struct tsr_realm const *realm;
	struct tsr_dump *dump;
};

/* Of the channels what is in use: the rest may be gigabytes of nothing. */
static void
postmortem_copy_channels(struct tsr_realm const *realm, struct tsr_mapping const *to)
{
	struct tsr_mapping const *const from = &realm->map.segment[TSR_SEGMENT_CHANNELS];

	for (uint32_t i = 0; i < realm->map.channels_count; i++) {
		struct tsr_channel_record const *const record = realm->channels[i];

		if (record != NULL)
			memcpy((unsigned char *)to->base + record->offset,
			       (unsigned char const *)from->base + record->offset, record->bytes);
	}
}

static int
postmortem_copy_work(void *argument)
{
	struct postmortem_copy const *const copy = argument;
	struct tsr_map const *const map = &copy->realm->map;

	for (uint32_t i = 0; i < TSR_SEGMENT_ARENA0; i++) {
		struct tsr_mapping const *const to = &copy->dump->map.segment[i];

		if (i == TSR_SEGMENT_CHANNELS)
			postmortem_copy_channels(copy->realm, to);
		else
			memcpy(to->base, map->segment[i].base, to->bytes);
		copy->dump->held |= UINT32_C(1) << i;
	}
	return 0;
}

/* How much is copied. */
static uint64_t
postmortem_bytes(struct tsr_realm const *realm)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < TSR_SEGMENT_ARENA0; i++) {
		if (i != TSR_SEGMENT_CHANNELS)
			bytes += realm->map.segment[i].bytes;
	}
	for (uint32_t i = 0; i < realm->map.channels_count; i++)
		bytes += realm->channels[i] != NULL ? realm->channels[i]->bytes : 0;
	return bytes;
}

static int
postmortem_copy_segments(struct tsr_realm *realm, struct tsr_dump *dump)
{
	struct postmortem_copy copy = {.realm = realm, .dump = dump};
	int error = postmortem_bytes(realm) > POSTMORTEM_COPY_MAX ? -EFBIG : 0;

	dump->map.segments_count = realm->map.segments_count;
	for (uint32_t i = 0; error == 0 && i < realm->map.segments_count; i++) {
		if (i >= TSR_SEGMENT_ARENA0)
			dump->map.segment[i].bytes = realm->map.segment[i].bytes;
		else
			error = tsr_dump_room(dump, i, realm->map.segment[i].bytes);
	}
	return error != 0 ? error : tsr_realm_guarded(realm, postmortem_copy_work, &copy);
}

static int
postmortem_copy_rows(struct tsr_realm *realm, struct tsr_remains *remains, uint16_t victim)
{
	struct tsr_dump *const dump = &remains->dump;
	uint32_t *const count = tsr_row_holders(realm);
	int error = 0;

	dump->clients = calloc((size_t)realm->members_count + 1, sizeof(dump->clients[0]));
	if (count == NULL || dump->clients == NULL) {
		free(count);
		return -ENOMEM;
	}
	tsr_row_realm(realm, count, &dump->realm);
	for (uint32_t id = 1; error == 0 && id <= realm->map.clients_count; id++) {
		if (realm->members[id] == NULL || dump->clients_count > realm->members_count)
			continue;
		error = tsr_row_client(realm->members[id], count,
		                       &dump->clients[dump->clients_count]);
		if (error == 0 && id == victim)
			remains->victim = dump->clients[dump->clients_count];
		dump->clients_count++;
	}
	free(count);
	return error;
}

struct tsr_remains *
tsr_postmortem_take(struct tsr_member const *member)
{
	struct tsr_realm *const realm = member->realm;
	struct tsr_daemon *const daemon = realm->daemon;
	struct tsr_remains *remains;
	int error;

	if (daemon->postmortem.folder[0] == '\0' || realm->condemned)
		return NULL;
	if (!postmortem_begin(&daemon->postmortem)) {
		tsr_log(TSR_LOG_NOTICE,
		        "of the death of client %u '%s' nothing is kept: %d others "
		        "are being written",
		        member->id, member->name, POSTMORTEM_MAX);
		return NULL;
	}
	remains = calloc(1, sizeof(*remains));
	error = remains == NULL ? -ENOMEM : postmortem_copy_rows(realm, remains, member->id);
	if (error == 0)
		error = postmortem_copy_segments(realm, &remains->dump);
	if (remains != NULL) {
		remains->daemon = daemon;
		tsr_dump_stamp(&remains->dump);
		(void)snprintf(remains->dump.release, sizeof(remains->dump.release), "%s",
		               TSR_VERSION);
	}
	if (error == 0)
		return remains;
	tsr_log(TSR_LOG_WARNING, "of the death of client %u '%s' nothing is kept: %s", member->id,
	        member->name, strerror(-error));
	if (remains != NULL)
		tsr_postmortem_drop(remains);
	else
		postmortem_end(&daemon->postmortem);
	return NULL;
}

void
tsr_postmortem_drop(struct tsr_remains *remains)
{
	struct tsr_daemon *daemon;

	if (remains == NULL)
		return;
	daemon = remains->daemon;
	tsr_dump_free(&remains->dump);
	free(remains->rows);
	free(remains);
	postmortem_end(&daemon->postmortem);
}

/* What the feed has of this realm. */
static void
postmortem_take_events(struct tsr_remains *remains)
{
	struct tsr_proto_row_feed *const rows = calloc(TSR_FEED_MAX, sizeof(rows[0]));
	uint64_t from = 0, missed = 0;
	size_t count;

	remains->rows = rows;
	if (rows == NULL)
		return; /* the rest is worth keeping, too */
	count = tsr_feed_read(&remains->daemon->feed, &from, &missed, rows, TSR_FEED_MAX);
	for (size_t i = 0; i < count; i++) {
		if (strncmp(rows[i].realm, remains->victim.realm, sizeof(rows[i].realm)) == 0)
			rows[remains->rows_count++] = rows[i];
	}
}

static void
postmortem_write(struct tsr_remains *remains)
{
	struct tsr_proto_row_client const *const victim = &remains->victim;
	struct tsr_proto_row_feed row = {.kind = TSR_FEED_KEEP, .uid = victim->uid};
	char path[TSR_POSTMORTEM_PATH_MAX];
	int const error = tsr_postmortem_write(remains, path);

	row.client_id = victim->id;
	row.pid = victim->pid;
	row.error = error;
	memcpy(row.realm, victim->realm, sizeof(row.realm));
	memcpy(row.name, victim->name, sizeof(row.name));
	if (error == 0)
		tsr_feed_tell(&remains->daemon->feed, TSR_LOG_NOTICE, &row,
		              "the death of client %u '%s' of realm '%s' is kept: 'tessera report "
		              "%s'",
		              victim->id, victim->name, row.realm, path);
	else
		tsr_feed_tell(&remains->daemon->feed, TSR_LOG_WARNING, &row,
		              "the death of client %u '%s' of realm '%s' could not be kept in %s: "
		              "%s",
		              victim->id, victim->name, row.realm, path, strerror(-error));
	tsr_postmortem_drop(remains);
}

void
tsr_postmortem_keep(struct tsr_remains *remains)
{
	struct tsr_postmortem *postmortem;
	struct tsr_remains **last;

	if (remains == NULL)
		return;
	postmortem_take_events(remains);
	postmortem = &remains->daemon->postmortem;
	(void)pthread_mutex_lock(&postmortem->lock);
	for (last = &postmortem->first; *last != NULL; last = &(*last)->next)
		;
	*last = remains;
	(void)pthread_cond_signal(&postmortem->news);
	(void)pthread_mutex_unlock(&postmortem->lock);
}

void
tsr_postmortem_serve(struct tsr_postmortem *postmortem)
{
	struct tsr_remains *remains;

	(void)pthread_mutex_lock(&postmortem->lock);
	while ((remains = postmortem->first) != NULL || !postmortem->closed) {
		if (remains == NULL) {
			(void)pthread_cond_wait(&postmortem->news, &postmortem->lock);
			continue;
		}
		postmortem->first = remains->next;
		(void)pthread_mutex_unlock(&postmortem->lock);
		postmortem_write(remains);
		(void)pthread_mutex_lock(&postmortem->lock);
	}
	(void)pthread_mutex_unlock(&postmortem->lock);
}

void
tsr_postmortem_close(struct tsr_postmortem *postmortem)
{
	(void)pthread_mutex_lock(&postmortem->lock);
	postmortem->closed = true;
	(void)pthread_cond_signal(&postmortem->news);
	(void)pthread_mutex_unlock(&postmortem->lock);
}

void
tsr_postmortem_destroy(struct tsr_postmortem *postmortem)
{
	if (postmortem->keep != 0) { /* it was created */
		/* The daemon may never have run, or deaths may have come after. */
		tsr_postmortem_close(postmortem);
		tsr_postmortem_serve(postmortem);
		(void)pthread_cond_destroy(&postmortem->news);
		(void)pthread_mutex_destroy(&postmortem->lock);
	}
	if (postmortem->recorder >= 0)
		(void)close(postmortem->recorder);
}
