/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Waiting by descriptor: what an event loop asks for, see core/events.h for who answers. Each call
 * asks the daemon, under the process lock.
 */

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "shm/kind.h"
#include "shm/tap.h"

#define EVENT_DEADLINE_MS 5000
#define EVENT_DRAIN_BYTES 64

static int
event_ask(struct tsr_attachment *attachment, uint16_t type, uint32_t number)
{
	struct tsr_proto_event request = {.event = number};
	struct tsr_proto_plain reply;

	return tsr_control_ask(&attachment->control, type, &request, sizeof(request), &reply,
	                       sizeof(reply), NULL, tsr_deadline_in_ms(EVENT_DEADLINE_MS));
}

void
tsr_event_drop(struct tsr_attachment *attachment, struct tsr_event_own *event)
{
	if (event->number == 0)
		return;
	(void)close(event->fd);
	/* A daemon that is gone has closed it, too. */
	(void)!event_ask(attachment, TSR_PROTO_EVENT_CLOSE, event->number);
	event->number = 0;
}

static int
event_open(struct tsr_attachment *attachment, struct tsr_event_own *event, uint64_t channel_id,
           uint32_t side)
{
	struct tsr_proto_event_open request = {.channel_id = channel_id, .side = side};
	struct tsr_proto_event_open_reply reply;
	size_t count;
	int fd, error;

	if (event->number != 0)
		return 0;
	error = tsr_control_ask_fds(&attachment->control, TSR_PROTO_EVENT_OPEN, &request,
	                            sizeof(request), &reply, sizeof(reply), &fd, 1, &count,
	                            tsr_deadline_in_ms(EVENT_DEADLINE_MS));
	if (error != 0)
		return error;
	if (count != 1 || reply.event == 0) {
		for (size_t i = 0; i < count; i++)
			(void)close(fd);
		return -EPROTO;
	}
	event->number = reply.event;
	event->fd = fd;
	return 0;
}

/* Take the signals that have come, then ask for the next. The process lock is held. */
static int
event_arm_locked(struct tsr_attachment *attachment, struct tsr_event_own const *event)
{
	char signals[EVENT_DRAIN_BYTES];

	if (event->number == 0)
		return -EINVAL;
	while (read(event->fd, signals, sizeof(signals)) == (ssize_t)sizeof(signals))
		continue;
	return event_ask(attachment, TSR_PROTO_EVENT_ARM, event->number);
}

static int
event_arm(struct tsr_attachment *attachment, struct tsr_event_own const *event)
{
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	error = event_arm_locked(attachment, event);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

static int
event_open_end(uint64_t handle, uint32_t side, int *fd)
{
	struct tsr_end *end;
	int error = -ENOTCONN;

	(void)pthread_mutex_lock(&tsr_process_lock);
	end = tsr_end_get(handle);
	if (end != NULL && end->side == side && side == TSR_SIDE_SENDER &&
	    end->kind->give_up != NULL)
		error = -EINVAL; /* an offer ends with its call: there is nothing to be told */
	else if (end != NULL && end->side == side)
		error = event_open(end->attachment, &end->event, end->channel.id, side);
	if (error == 0)
		*fd = end->event.fd;
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

/* Would the next try find something, or say why nothing comes? */
static bool
event_end_ready(struct tsr_end *end)
{
	return end->kind->find_work(end) || tsr_end_check(end) != 0;
}

static int
event_arm_end(uint64_t handle, uint32_t side, int *ready)
{
	struct tsr_end *const end = tsr_end_get(handle);
	int error;

	if (end == NULL || end->side != side)
		return -ENOTCONN;
	/* No need to ask for what is there. */
	if (event_end_ready(end)) {
		*ready = 1;
		return 0;
	}
	error = event_arm(end->attachment, &end->event);
	if (error != 0)
		return error;
	/* [W2] of waiter.h: the look after the token is enqueued and everybody was fenced. */
	*ready = event_end_ready(end);
	return 0;
}

int
tsr_receiver_event(struct tsr_receiver receiver, int *fd)
{
	return fd == NULL ? -EINVAL : event_open_end(receiver.handle, TSR_SIDE_RECEIVER, fd);
}

int
tsr_sender_event(struct tsr_sender sender, int *fd)
{
	return fd == NULL ? -EINVAL : event_open_end(sender.handle, TSR_SIDE_SENDER, fd);
}

int
tsr_receiver_arm(struct tsr_receiver receiver, int *ready)
{
	return ready == NULL ? -EINVAL : event_arm_end(receiver.handle, TSR_SIDE_RECEIVER, ready);
}

int
tsr_sender_arm(struct tsr_sender sender, int *ready)
{
	return ready == NULL ? -EINVAL : event_arm_end(sender.handle, TSR_SIDE_SENDER, ready);
}

/*
 * An observer is nobody to the daemon: one that takes the realm over knows nothing of its events,
 * and numbers them from 1 again. They are opened anew, behind a descriptor that stays what it is.
 */
static bool
tap_event_is_stale(struct tsr_tap_own const *own)
{
	return own->event_set > 0 && own->event_instance != own->attachment->control.instance;
}

void
tsr_tap_event_drop(struct tsr_tap_own *own, bool told)
{
	if (own->event.number == 0)
		return;
	/* What its number means to another daemon is not ours to close. */
	if (told || tap_event_is_stale(own)) {
		(void)close(own->event.fd);
		own->event.number = 0;
	} else {
		tsr_event_drop(own->attachment, &own->event);
	}
	if (own->event_set > 0)
		(void)close(own->event_set);
	own->event_set = 0;
}

/* One of the daemon's that there is now, in our set. The process lock is held. */
static int
tap_event_open(struct tsr_tap_own *own)
{
	struct tsr_attachment *const attachment = own->attachment;
	struct epoll_event event = {.events = EPOLLIN};
	struct tsr_event_own fresh = {.number = 0};
	int error = event_open(attachment, &fresh, own->channel.id, TSR_SIDE_RECEIVER);

	if (error != 0)
		return error;
	if (epoll_ctl(own->event_set, EPOLL_CTL_ADD, fresh.fd, &event) != 0) {
		error = errno == ENOMEM ? -ENOMEM : -ENOBUFS;
		tsr_event_drop(attachment, &fresh);
		return error;
	}
	if (own->event.number != 0) {
		(void)epoll_ctl(own->event_set, EPOLL_CTL_DEL, own->event.fd, NULL);
		(void)close(own->event.fd);
	}
	own->event = fresh;
	own->event_instance = attachment->control.instance;
	return 0;
}

/* The process lock is held. */
static int
tap_event_make(struct tsr_tap_own *own, int *fd)
{
	int error = 0;

	if (!own->attachment->observer) {
		error = event_open(own->attachment, &own->event, own->channel.id,
		                   TSR_SIDE_RECEIVER);
		*fd = own->event.fd;
		return error;
	}
	if (own->event_set <= 0) {
		own->event_set = epoll_create1(EPOLL_CLOEXEC);
		if (own->event_set < 0)
			return errno == ENOMEM ? -ENOMEM : -ENOBUFS;
		error = tap_event_open(own);
		if (error != 0) {
			(void)close(own->event_set);
			own->event_set = 0;
		}
	}
	*fd = own->event_set;
	return error;
}

int
tsr_tap_event(struct tsr_tap tap, int *fd)
{
	struct tsr_tap_own *own;
	int error = -ENOTCONN;
	int found = -1;

	if (fd == NULL)
		return -EINVAL;
	(void)pthread_mutex_lock(&tsr_process_lock);
	own = tsr_tap_get(tap);
	if (own != NULL)
		error = tap_event_make(own, &found);
	if (error == 0)
		*fd = found;
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

/* Of an observer that may have come back to another daemon, perhaps only to ask this. */
static int
tap_event_arm(struct tsr_tap_own *own)
{
	int error = 0;

	(void)pthread_mutex_lock(&tsr_process_lock);
	do {
		if (tap_event_is_stale(own))
			error = tap_event_open(own);
		if (error == 0)
			error = event_arm_locked(own->attachment, &own->event);
	} while ((error == 0 || error == -ESTALE) && tap_event_is_stale(own));
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error;
}

int
tsr_tap_arm(struct tsr_tap tap, int *ready)
{
	struct tsr_tap_own *const own = tsr_tap_get(tap);
	int error;

	if (own == NULL)
		return -ENOTCONN;
	if (ready == NULL)
		return -EINVAL;
	if (tsr_tap_look(own)) {
		*ready = 1;
		return 0;
	}
	error = tap_event_arm(own);
	if (error != 0)
		return error;
	*ready = tsr_tap_look(own);
	return 0;
}
