/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Requests and their replies.
 *
 * A request travels on any buffered channel; the tag beside its ticket names the asker's own reply
 * channel and the request's number, so whoever receives it can answer, and the reply finds the one
 * who waits for it. An asker that waits looks at its request's ticket, too: while it lies in a
 * channel, or somebody has received it and not released it, under this tag, a reply may come. When
 * its holder dies the reaper frees the ticket and wakes the reply channel that the tag names.
 *
 * Ordering	server				asker
 *		[A1] publishes the reply, then	[A2] sees the request's ticket gone, then
 *		     releases the request	     looks once more whether one comes
 */

#include "shm/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shm/kind.h"
#include "shm/message.h"

#define ASK_REPLY_SLOTS (2 * TSR_ASKS_MAX)
#define ASK_FULL_NS     100000 /* between two tries of a reply whose channel is full */
/* An asker's first number is the time, in steps of about a microsecond. */
#define ASK_NUMBER_SHIFT 10

static struct tsr_asker_own *
ask_get(struct tsr_asker asker)
{
	struct tsr_asker_own *own = &tsr_process->asker[asker.handle % TSR_ASKERS_MAX];

	tsr_keep(own);
	return own->handle == asker.handle && asker.handle != 0 ? own : NULL;
}

static uint64_t
ask_tag(struct tsr_end const *reply, uint32_t number)
{
	return tsr_tag_ask(reply->channel.id, number);
}

/* Opening and closing. */

static int
ask_open_ends(struct tsr_asker_own *own, struct tsr_client client, const char *service)
{
	struct tsr_channel_options const create = {.size = sizeof(create),
	                                           .capacity = ASK_REPLY_SLOTS,
	                                           .flags = TSR_CHANNEL_ONE_RECEIVER};
	struct tsr_end_options const options = {.size = sizeof(options), .create = &create};
	struct tsr_client_info info = {.size = sizeof(info)};
	char name[TSR_NAME_BYTES];
	int error = tsr_client_info(client, &info);

	if (error == 0)
		error = tsr_sender_open(client, service, NULL, &own->sender);
	if (error != 0)
		return error;
	(void)snprintf(name, sizeof(name), "reply/%u.%u", info.client_id,
	               (unsigned)(own - tsr_process->asker));
	error = tsr_end_open_replies(client, name, &options, TSR_SIDE_RECEIVER,
	                             &own->receiver.handle);
	if (error != 0)
		(void)tsr_sender_close(own->sender);
	return error;
}

/* Replies to somebody who had this place before. */
static void
ask_drain(struct tsr_client client, struct tsr_asker_own *own)
{
	struct tsr_msg msg;

	while (tsr_recv(own->receiver, &msg, TSR_NOWAIT) == 0)
		(void)tsr_release(client, &msg);
}

static struct tsr_asker_own *
ask_place(struct tsr_client client)
{
	struct tsr_asker_own *own = NULL;

	(void)pthread_mutex_lock(&tsr_process_lock);
	for (uint32_t i = 0;
	     own == NULL && i < TSR_ASKERS_MAX && tsr_attachment_get(client) != NULL; i++) {
		if (tsr_process->asker[i].handle == 0)
			own = &tsr_process->asker[i];
	}
	if (own != NULL) {
		*own = (struct tsr_asker_own){.client = client};
		own->handle = TSR_ASKER_OPENING;
	}
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return own;
}

int
tsr_asker_open(struct tsr_client client, const char *service, struct tsr_asker *out)
{
	struct tsr_asker_own *own;
	struct tsr_end *request, *reply;
	uint64_t handle = 0;
	int error;

	if (out == NULL)
		return -EINVAL;
	if (tsr_attachment_get(client) == NULL)
		return -ENOTCONN;
	own = ask_place(client);
	if (own == NULL)
		return -ENOBUFS;
	error = ask_open_ends(own, client, service);
	request = error == 0 ? tsr_end_get(own->sender.handle) : NULL;
	reply = error == 0 ? tsr_end_get(own->receiver.handle) : NULL;
	if (error == 0 && (request == NULL || reply == NULL))
		error = -ENOTCONN;
	if (error == 0 && request != NULL && request->channel.kind != TSR_KIND_BUFFERED) {
		(void)tsr_sender_close(own->sender);
		(void)tsr_receiver_close(own->receiver);
		error = -EOPNOTSUPP;
	}
	if (error == 0 && request != NULL && reply != NULL) {
		request->inlined = TSR_END_BY_KIND | TSR_SIDE_SENDER;
		reply->endless = true;
		ask_drain(client, own);
		/* Who had this channel before may still be answered. */
		own->number = (uint32_t)((tsr_now_ns() >> ASK_NUMBER_SHIFT) % TSR_ASK_NUMBER_MAX);
	}
	(void)pthread_mutex_lock(&tsr_process_lock);
	if (error == 0)
		handle = tsr_handle_new((uint32_t)(own - tsr_process->asker));
	own->handle = handle;
	(void)pthread_mutex_unlock(&tsr_process_lock);
	if (error == 0)
		out->handle = handle;
	return error;
}

static void
ask_forget_one(struct tsr_asker_own *own, uint32_t number)
{
	struct tsr_ask_own *const one = &own->ask[number];

	if (one->answered)
		(void)tsr_release(own->client, &one->reply);
	one->id = 0;
	one->answered = false;
}

int
tsr_asker_close(struct tsr_asker asker)
{
	struct tsr_asker_own *const own = ask_get(asker);
	int error, second;

	if (own == NULL)
		return -ENOTCONN;
	for (uint32_t i = 0; i < TSR_ASKS_MAX; i++)
		ask_forget_one(own, i);
	ask_drain(own->client, own);
	error = tsr_sender_close(own->sender);
	second = tsr_receiver_close(own->receiver);
	(void)pthread_mutex_lock(&tsr_process_lock);
	own->handle = 0;
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return error != 0 ? error : second;
}

/* Asking. */

static int
ask_ends(struct tsr_asker_own const *own, struct tsr_end **request, struct tsr_end **reply)
{
	*request = tsr_end_get(own->sender.handle);
	*reply = tsr_end_get(own->receiver.handle);
	return *request == NULL || *reply == NULL ? -ENOTCONN : 0;
}

int
tsr_ask_begin(struct tsr_asker asker, struct tsr_msg *msg, uint64_t deadline_ns, uint64_t *ask)
{
	struct tsr_asker_own *const own = ask_get(asker);
	uint32_t const ticket = tsr_name_index(msg->zdesc.name);
	struct tsr_end *request, *reply;
	uint32_t place = 0;
	int error;

	if (own == NULL)
		return -ENOTCONN;
	error = ask_ends(own, &request, &reply);
	if (error != 0)
		return error;
	while (place < TSR_ASKS_MAX && own->ask[place].id != 0)
		place++;
	if (place == TSR_ASKS_MAX)
		return -ENOBUFS;
	own->number = own->number % TSR_ASK_NUMBER_MAX + 1;
	request->tag = ask_tag(reply, own->number);
	error = tsr_send(own->sender, msg, deadline_ns);
	if (error != 0)
		return error;
	own->ask[place] = (struct tsr_ask_own){
		.id = (uint64_t)own->number << 8 | place,
		.tag = tsr_tag_correlation(request->tag),
		.ticket = ticket,
	};
	*ask = own->ask[place].id;
	return 0;
}

/* A reply has come: to whom of us? */
static void
ask_sort(struct tsr_asker_own *own, struct tsr_end const *reply, struct tsr_msg *msg)
{
	uint64_t const tag = tsr_ld_rlx(&reply->map->tickets[tsr_name_index(msg->zdesc.name)].tag);

	for (uint32_t i = 0; i < TSR_ASKS_MAX; i++) {
		struct tsr_ask_own *const one = &own->ask[i];

		if (one->id == 0 || one->answered || one->tag != tsr_tag_correlation(tag))
			continue;
		one->answered = true;
		one->reply = *msg;
		return;
	}
	own->late++;
	(void)tsr_release(own->client, msg);
}

/* Can no reply come any more? */
static bool
ask_is_gone(struct tsr_end const *reply, struct tsr_ask_own const *one)
{
	struct tsr_ticket *const ticket = &reply->map->tickets[one->ticket];
	/* [A2] pairs with [A1]; [A4] pairs with [A3]: what its holder did before, or the reaper. */
	uint64_t const word = tsr_ld_acq(&ticket->word);
	bool const ours = tsr_tag_correlation(tsr_ld_rlx(&ticket->tag)) == one->tag;

	return !ours || (tsr_word_holder(word) != TSR_HOLDER_CHANNEL &&
	                 tsr_word_kind(word) != TSR_TICKET_RECEIVED);
}

/* Has nobody begun to send what would come next? Then ours has not come since we looked, nor is it
 * behind another. */
static bool
ask_is_quiet(struct tsr_end const *reply)
{
	return tsr_ld_rlx(&tsr_end_slot(reply)->word) == reply->expect - TSR_READY;
}

/* Take all replies that are there. Return: 0 ours is; -EAGAIN; -ECONNRESET it never comes. */
static int
ask_look(struct tsr_asker_own *own, struct tsr_end *reply, struct tsr_ask_own *one)
{
	struct tsr_msg msg;

	while (!one->answered && reply->kind->try_recv(reply, &msg) == 0)
		ask_sort(own, reply, &msg);
	if (one->answered)
		return 0;
	return ask_is_gone(reply, one) && ask_is_quiet(reply) ? -ECONNRESET : -EAGAIN;
}

static int
ask_wait(struct tsr_asker_own *own, struct tsr_end *reply, struct tsr_ask_own *one,
         uint64_t deadline_ns)
{
	struct tsr_wait wait;
	int error = ask_look(own, reply, one), last;

	if (error != -EAGAIN || deadline_ns == TSR_NOWAIT)
		return error;
	tsr_wait_begin(&wait, &reply, 1, deadline_ns);
	do {
		error = tsr_wait_next(&wait);
		last = ask_look(own, reply, one);
	} while (error == 0 && last == -EAGAIN);
	tsr_wait_end(&wait, last == 0 ? 0 : TSR_WAIT_NONE);
	return last == -EAGAIN ? error : last;
}

int
tsr_ask_end(struct tsr_asker asker, uint64_t ask, struct tsr_msg *reply, uint64_t deadline_ns)
{
	struct tsr_asker_own *const own = ask_get(asker);
	struct tsr_ask_own *const one =
		own != NULL && (ask & 0xff) < TSR_ASKS_MAX ? &own->ask[ask & 0xff] : NULL;
	struct tsr_end *to, *from;
	int error;

	if (own == NULL)
		return -ENOTCONN;
	if (one == NULL || one->id != ask || ask == 0)
		return -ESTALE;
	error = ask_ends(own, &to, &from);
	if (error == 0)
		error = ask_wait(own, from, one, deadline_ns);
	if (error == -EAGAIN)
		return error;
	if (error == 0) {
		*reply = one->reply;
		one->answered = false;
	}
	ask_forget_one(own, (uint32_t)(ask & 0xff));
	return error;
}

int
tsr_ask(struct tsr_asker asker, struct tsr_msg *msg, uint64_t deadline_ns)
{
	struct tsr_msg reply;
	uint64_t ask;
	int error = tsr_ask_begin(asker, msg, deadline_ns, &ask);

	if (error != 0)
		return error;
	/* The request is gone, whatever comes of it. */
	tsr_message_given(msg);
	error = tsr_ask_end(asker, ask, &reply, deadline_ns);
	if (error == -EAGAIN) {
		struct tsr_asker_own *const own = ask_get(asker);

		if (own != NULL)
			ask_forget_one(own, (uint32_t)(ask & 0xff));
		return -ETIMEDOUT;
	}
	if (error == 0)
		*msg = reply;
	return error;
}

int
tsr_asker_late(struct tsr_asker asker, uint64_t *late)
{
	struct tsr_asker_own const *const own = ask_get(asker);

	if (own == NULL)
		return -ENOTCONN;
	*late = own->late;
	return 0;
}

/* Replying. */

/* Channels whose askers have gone are kept by our ends alone. The lock is held. */
static void
ask_forget_gone(struct tsr_attachment const *attachment)
{
	for (uint32_t i = 0; i < TSR_REPLIES_MAX; i++) {
		struct tsr_reply_own *const own = &tsr_process->reply[i];
		struct tsr_end const *const end = tsr_end_get(own->sender.handle);

		/* [E3] pairs with [E4]: is the asker there? */
		if (end == NULL || end->attachment != attachment ||
		    tsr_ends_count(tsr_ld_acq(&end->channel.entry->receivers)) != 0)
			continue;
		(void)tsr_sender_close(own->sender);
		own->sender.handle = 0;
	}
}

/* An end that sends to the reply channel of @index. The lock is held. */
static int
ask_reply_end(struct tsr_attachment *attachment, uint32_t index, struct tsr_end **end)
{
	struct tsr_channel_entry const *const entry = &attachment->map.entries[index];
	struct tsr_reply_own *const own = &tsr_process->reply[index % TSR_REPLIES_MAX];
	struct tsr_end_options const options = {.size = sizeof(options),
	                                        .flags = TSR_END_MUST_EXIST};
	struct tsr_client const client = {attachment->handle};
	struct tsr_sender sender;
	char name[TSR_NAME_BYTES];
	int error;

	/* [F3] pairs with [F2]: the channel that is there now. */
	uint64_t const id = tsr_ld_acq(&entry->id);

	*end = tsr_end_get(own->sender.handle);
	if (*end != NULL && (*end)->attachment == attachment && (*end)->channel.id == id)
		return 0;
	if (*end != NULL)
		(void)tsr_sender_close(own->sender);
	own->sender.handle = 0;
	ask_forget_gone(attachment);
	memcpy(name, entry->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	error = tsr_end_open_replies(client, name, &options, TSR_SIDE_SENDER, &sender.handle);
	if (error != 0)
		return error == -ENOENT ? -EPIPE : error;
	own->sender = sender;
	*end = tsr_end_get(sender.handle);
	if (*end == NULL)
		return -ENOTCONN;
	(*end)->inlined = TSR_END_BY_KIND | TSR_SIDE_SENDER;
	return 0;
}

static int
ask_reply_try(struct tsr_attachment *attachment, uint64_t tag, struct tsr_msg *reply)
{
	uint32_t const index = tsr_tag_reply_index(tag);
	struct tsr_end *end;
	int error;

	(void)pthread_mutex_lock(&tsr_process->reply_lock);
	error = ask_reply_end(attachment, index, &end);
	/* [E3] pairs with [E4]: is the asker there? */
	if (error == 0 && tsr_ends_count(tsr_ld_acq(&end->channel.entry->receivers)) == 0)
		error = -EPIPE;
	if (error == 0) {
		end->tag = tsr_tag_correlation(tag) | end->channel_id;
		error = tsr_send((struct tsr_sender){end->handle}, reply, TSR_NOWAIT);
	}
	(void)pthread_mutex_unlock(&tsr_process->reply_lock);
	return error;
}

int
tsr_reply(struct tsr_client client, const struct tsr_msg *request, struct tsr_msg *reply,
          uint64_t deadline_ns)
{
	struct timespec const pause = {.tv_nsec = ASK_FULL_NS};
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_ticket *ticket;
	uint64_t tag;
	int error;

	if (attachment == NULL)
		return -ENOTCONN;
	if (attachment->observer)
		return -EPERM;
	error = tsr_ticket_own(&attachment->map, request->zdesc.name, attachment->me, &ticket);
	if (error != 0)
		return error;
	tag = tsr_ld_rlx(&ticket->tag);
	if (tsr_tag_reply_index(tag) >= attachment->map.channels_count)
		return -EINVAL;
	while ((error = ask_reply_try(attachment, tag, reply)) == -EAGAIN) {
		if (deadline_ns == TSR_NOWAIT)
			return error;
		if (tsr_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		(void)nanosleep(&pause, NULL);
	}
	/* [A1] pairs with [A2]: the reply comes before the release of the request. */
	tsr_fence_rel();
	return error;
}
