/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/observer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/proto.h"

/* Under the realm's lock. */
static int
observer_enter(struct tsr_realm *realm, struct tsr_observer *observer, struct tsr_refusal *refusal)
{
	if (realm->leaving)
		return tsr_refuse(refusal, -ENOENT,
		                  "realm '%s' is no longer in the configuration: it admits nobody",
		                  realm->entry.name);
	if (realm->condemned)
		return tsr_refuse(refusal, -ENOTCONN, "realm '%s' was just condemned: try again",
		                  realm->entry.name);
	observer->next = realm->observers;
	observer->link = &realm->observers;
	if (observer->next != NULL)
		observer->next->link = &observer->next;
	realm->observers = observer;
	return 0;
}

int
tsr_observer_attach(struct tsr_realm *realm, struct tsr_member_who const *who,
                    struct tsr_observer **out, struct tsr_refusal *refusal)
{
	struct tsr_observer *const observer = calloc(1, sizeof(*observer));
	int error;

	if (observer == NULL)
		return tsr_refuse(refusal, -ENOMEM,
		                  "the daemon has no memory for another observer");
	memcpy(observer->name, who->name, strnlen(who->name, sizeof(observer->name) - 1));
	observer->realm = realm;
	observer->pid = who->pid;
	observer->uid = who->uid;
	observer->since_ns = tsr_now_ns();
	observer->connection = who->connection;
	tsr_realm_lock(realm);
	error = observer_enter(realm, observer, refusal);
	tsr_realm_unlock(realm);
	if (error != 0) {
		free(observer);
		return error;
	}
	tsr_realm_get(realm);
	*out = observer;
	return 0;
}

void
tsr_observer_leave(struct tsr_observer *observer)
{
	struct tsr_realm *const realm = observer->realm;

	tsr_realm_lock(realm);
	*observer->link = observer->next;
	if (observer->next != NULL)
		observer->next->link = observer->link;
	tsr_realm_unlock(realm);
	free(observer);
	tsr_realm_put(realm);
}

void
tsr_observers_cut(struct tsr_realm *realm)
{
	for (struct tsr_observer *o = realm->observers; o != NULL; o = o->next)
		(void)shutdown(o->connection, SHUT_RDWR);
}

int
tsr_observer_descriptors(struct tsr_realm const *realm, int *fds, size_t *count)
{
	uint32_t const held = tsr_proto_held(realm->segments_count, true);
	size_t opened = 0;

	for (uint32_t i = 0; i < realm->segments_count; i++) {
		if ((held & TSR_PROTO_HELD(i)) == 0)
			continue;
		fds[opened] = tsr_segment_open_reading(&realm->segment[i]);
		if (fds[opened] < 0) {
			int const error = fds[opened];

			while (opened > 0)
				(void)close(fds[--opened]);
			return error;
		}
		opened++;
	}
	*count = opened;
	return 0;
}
