/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/scope.h"

#include <errno.h>
#include <stdlib.h>

#include "shm/kind.h"
#include "shm/message.h"

static struct tsr_scope_own *
scope_get(struct tsr_scope scope)
{
	struct tsr_scope_own *own = &tsr_process->scope[scope.handle % TSR_SCOPES_MAX];

	tsr_keep(own);
	return own->handle == scope.handle && scope.handle != 0 ? own : NULL;
}

/* What a call of the end does about its scope. */

int
tsr_scope_enter(struct tsr_end *end)
{
	int error;

	(void)pthread_mutex_lock(&end->scope->lock);
	error = end->cancelled ? -ECANCELED : 0;
	end->inside = error == 0;
	(void)pthread_mutex_unlock(&end->scope->lock);
	return error;
}

bool
tsr_scope_leave(struct tsr_end *end, int error, struct tsr_zdesc const *zdesc)
{
	bool given;

	(void)pthread_mutex_lock(&end->scope->lock);
	given = end->cancelled && error == -ECANCELED && zdesc != NULL;
	if (given)
		end->unsent = *zdesc;
	end->inside = false;
	if (end->cancelled)
		(void)pthread_cond_broadcast(&end->scope->left);
	(void)pthread_mutex_unlock(&end->scope->lock);
	return given;
}

int
tsr_scope_check(struct tsr_end *end)
{
	int error;

	(void)pthread_mutex_lock(&end->scope->lock);
	error = end->cancelled ? -ECANCELED : 0;
	(void)pthread_mutex_unlock(&end->scope->lock);
	return error;
}

int
tsr_scope_announce(struct tsr_end *end)
{
	int error = 0;

	(void)pthread_mutex_lock(&end->scope->lock);
	if (end->cancelled)
		error = -ECANCELED;
	else if (end->token == UINT32_MAX)
		error = tsr_token_acquire(&end->mine, end->me, &end->token);
	if (error == 0)
		end->token_word = tsr_token_announce(&end->mine, end->token, end->me);
	(void)pthread_mutex_unlock(&end->scope->lock);
	return error;
}

int
tsr_scope_settle(struct tsr_end *end)
{
	uint64_t const handle = end->handle;

	while (end->handle == handle && end->scope != NULL && end->scope->cancelling) {
		if (pthread_equal(end->scope->canceller, pthread_self()) != 0)
			return -EBUSY;
		(void)pthread_cond_wait(&tsr_process->scope_done, &tsr_process_lock);
	}
	return end->handle == handle ? 0 : -ENOTCONN;
}

void
tsr_scope_forget(struct tsr_end *end)
{
	struct tsr_scope_own *const own = end->scope;

	if (own == NULL)
		return;
	(void)pthread_mutex_lock(&own->lock);
	for (struct tsr_end **at = &own->ends; *at != NULL; at = &(*at)->beside) {
		if (*at != end)
			continue;
		*at = end->beside;
		break;
	}
	end->scope = NULL;
	(void)pthread_mutex_unlock(&own->lock);
}

static void
scope_free(struct tsr_scope_own *own)
{
	free(own->name);
	(void)pthread_cond_destroy(&own->left);
	(void)pthread_mutex_destroy(&own->lock);
	*own = (struct tsr_scope_own){0};
}

void
tsr_scope_detach(struct tsr_attachment const *attachment)
{
	for (uint32_t i = 0; i < TSR_SCOPES_MAX; i++) {
		struct tsr_scope_own *const own = &tsr_process->scope[i];

		if (own->handle != 0 && own->attachment == attachment)
			scope_free(own);
	}
}

/* Making, filling and closing one: under the process lock. */

static int
scope_open(struct tsr_client client, const struct tsr_scope_options *options, struct tsr_scope *out)
{
	struct tsr_attachment *const attachment = tsr_attachment_get(client);
	struct tsr_scope_own *const parent = scope_get(options->parent);
	struct tsr_scope_own *own;
	uint32_t index = 0;

	if (attachment == NULL || (parent == NULL && options->parent.handle != 0))
		return -ENOTCONN;
	if (parent != NULL && parent->attachment != attachment)
		return -EINVAL;
	if (parent != NULL && parent->cancelled)
		return -ECANCELED;
	while (index < TSR_SCOPES_MAX && tsr_process->scope[index].handle != 0)
		index++;
	if (index == TSR_SCOPES_MAX) {
		tsr_hint_set("this process has %d scopes open, expected at most that",
		             TSR_SCOPES_MAX);
		return -ENOBUFS;
	}
	own = &tsr_process->scope[index];
	*own = (struct tsr_scope_own){
		.attachment = attachment,
		.parent = parent,
		.undelivered = options->undelivered,
		.argument = options->argument,
	};
	(void)pthread_mutex_init(&own->lock, NULL);
	(void)pthread_cond_init(&own->left, NULL);
	own->handle = tsr_handle_new(index);
	out->handle = own->handle;
	return 0;
}

int
tsr_scope_open(struct tsr_client client, const struct tsr_scope_options *options,
               struct tsr_scope *out)
{
	struct tsr_scope_options const defaults = {.size = sizeof(defaults)};
	int error;

	if (options == NULL)
		options = &defaults;
	if (out == NULL || options->size != sizeof(*options))
		return -EINVAL;
	(void)pthread_mutex_lock(&tsr_process_lock);
	error = scope_open(client, options, out);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return tsr_trace_error(__func__, error, "");
}

static int
scope_add_end(struct tsr_scope scope, uint64_t handle, uint32_t side)
{
	struct tsr_scope_own *const own = scope_get(scope);
	struct tsr_end *const end = tsr_end_get(handle);

	if (own == NULL || end == NULL || end->side != side)
		return -ENOTCONN;
	if (end->attachment != own->attachment)
		return -EINVAL;
	if (end->scope != NULL)
		return -EBUSY;
	if (own->cancelled)
		return -ECANCELED;
	/* From here on its calls take the long way, which looks whether there is a scope. */
	end->inlined = TSR_END_NOT_INLINED;
	end->unsent = (struct tsr_zdesc){.name = TSR_NAME_NONE};
	end->inside = false;
	end->cancelled = false;
	end->scope = own;
	end->beside = own->ends;
	own->ends = end;
	return 0;
}

int
tsr_scope_add_sender(struct tsr_scope scope, struct tsr_sender sender)
{
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	error = scope_add_end(scope, sender.handle, TSR_SIDE_SENDER);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return tsr_trace_error(__func__, error, "");
}

int
tsr_scope_add_receiver(struct tsr_scope scope, struct tsr_receiver receiver)
{
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	error = scope_add_end(scope, receiver.handle, TSR_SIDE_RECEIVER);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return tsr_trace_error(__func__, error, "");
}

/* Room for one more ticket: those that went their way are forgotten first. */
static int
scope_make_room(struct tsr_scope_own *own)
{
	struct tsr_map const *const map = &own->attachment->map;
	struct tsr_ticket *ticket;
	uint32_t kept = 0, room;
	uint64_t *more;

	if (own->names < own->room)
		return 0;
	for (uint32_t i = 0; i < own->names; i++) {
		if (tsr_ticket_own(map, own->name[i], own->attachment->me, &ticket) == 0)
			own->name[kept++] = own->name[i];
	}
	own->names = kept;
	if (own->names <= own->room / 2 && own->room != 0)
		return 0;
	room = own->room == 0 ? TSR_SCOPE_NAMES_MIN : 2 * own->room;
	more = realloc(own->name, room * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	own->name = more;
	own->room = room;
	return 0;
}

static int
scope_add_msg(struct tsr_scope scope, const struct tsr_msg *msg)
{
	struct tsr_scope_own *const own = scope_get(scope);
	struct tsr_ticket *ticket;
	int error;

	if (own == NULL)
		return -ENOTCONN;
	if (own->cancelled)
		return -ECANCELED;
	error = tsr_ticket_own(&own->attachment->map, msg->zdesc.name, own->attachment->me,
	                       &ticket);
	if (error == 0)
		error = scope_make_room(own);
	if (error == 0)
		own->name[own->names++] = msg->zdesc.name;
	return error;
}

int
tsr_scope_add_msg(struct tsr_scope scope, const struct tsr_msg *msg)
{
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	error = scope_add_msg(scope, msg);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return tsr_trace_error(__func__, error, "");
}

/* Is a call inside? */
static bool
scope_is_used(struct tsr_scope_own *own)
{
	bool used = false;

	(void)pthread_mutex_lock(&own->lock);
	for (struct tsr_end const *end = own->ends; end != NULL; end = end->beside)
		used = used || end->inside;
	(void)pthread_mutex_unlock(&own->lock);
	return used;
}

/* May it be closed: no child, nobody inside, nobody cancelling? Then its ends are free again. */
static int
scope_close(struct tsr_scope scope)
{
	struct tsr_scope_own *const own = scope_get(scope);

	if (own == NULL)
		return -ENOTCONN;
	if (own->cancelling)
		return -EBUSY;
	for (uint32_t i = 0; i < TSR_SCOPES_MAX; i++) {
		if (tsr_process->scope[i].handle != 0 && tsr_process->scope[i].parent == own)
			return -EBUSY;
	}
	if (scope_is_used(own))
		return -EBUSY;
	for (struct tsr_end *end = own->ends; end != NULL; end = end->beside) {
		end->scope = NULL;
		end->inlined = tsr_end_inlined(end);
	}
	scope_free(own);
	return 0;
}

int
tsr_scope_close(struct tsr_scope scope)
{
	int error;

	(void)pthread_mutex_lock(&tsr_process_lock);
	error = scope_close(scope);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return tsr_trace_error(__func__, error, "");
}

/* Cancelling. */

/* Is @own the scope @top, or below it? */
static bool
scope_is_below(struct tsr_scope_own const *own, struct tsr_scope_own const *top)
{
	while (own != NULL && own != top)
		own = own->parent;
	return own != NULL;
}

/* From here on nothing is added, and every call that begins with one of its ends is cancelled;
 * those that sleep are woken. */
static void
scope_mark(struct tsr_scope_own *own)
{
	(void)pthread_mutex_lock(&own->lock);
	own->cancelled = true;
	for (struct tsr_end *end = own->ends; end != NULL; end = end->beside) {
		end->cancelled = true;
		if (end->inside && end->token != UINT32_MAX)
			(void)tsr_token_claim(&end->mine, end->token, end->me);
	}
	(void)pthread_mutex_unlock(&own->lock);
}

/* Every call that was inside has left: the scope's ends are ours. */
static void
scope_await(struct tsr_scope_own *own)
{
	(void)pthread_mutex_lock(&own->lock);
	for (struct tsr_end const *end = own->ends; end != NULL; end = end->beside) {
		while (end->inside)
			(void)pthread_cond_wait(&own->left, &own->lock);
	}
	(void)pthread_mutex_unlock(&own->lock);
}

static void
scope_hand(struct tsr_scope_own *own, struct tsr_msg *msg)
{
	if (own->undelivered != NULL)
		own->undelivered(own->argument, msg);
	else if (tsr_message_release(own->attachment, msg->zdesc.name) != 0)
		tsr_count(&own->attachment->state->refused, 1);
}

/* What lies before the last receiver of a channel. Of a rendezvous it is still its senders', of a
 * broadcast everybody else's, too. */
static void
scope_drain(struct tsr_scope_own *own, struct tsr_end *end)
{
	uint32_t const kind = end->channel.kind;
	struct tsr_msg msg;

	if (kind == TSR_KIND_RENDEZVOUS || kind == TSR_KIND_BROADCAST ||
	    /* [E3] pairs with [E4]: who else is there. */
	    tsr_ends_count(tsr_ld_acq(&end->channel.entry->receivers)) > 1)
		return;
	/* Senders that go on sending don't keep us. */
	for (uint32_t i = 0; i <= end->map->tickets_all; i++) {
		if (end->kind->try_recv(end, &msg) != 0)
			return;
		scope_hand(own, &msg);
	}
}

static void
scope_hand_unsent(struct tsr_scope_own *own, struct tsr_end *end)
{
	struct tsr_client const client = {own->attachment->handle};
	struct tsr_msg msg;

	if (end->unsent.name == TSR_NAME_NONE)
		return;
	if (tsr_resolve(client, end->unsent, &msg) == 0)
		scope_hand(own, &msg);
	end->unsent.name = TSR_NAME_NONE;
}

static void
scope_finish(struct tsr_scope_own *own)
{
	struct tsr_ticket *ticket;

	for (struct tsr_end *end = own->ends; end != NULL; end = end->beside) {
		if (end->side == TSR_SIDE_SENDER)
			scope_hand_unsent(own, end);
		else
			scope_drain(own, end);
	}
	for (uint32_t i = 0; i < own->names; i++) {
		if (tsr_ticket_own(&own->attachment->map, own->name[i], own->attachment->me,
		                   &ticket) == 0 &&
		    tsr_message_release(own->attachment, own->name[i]) != 0)
			tsr_count(&own->attachment->state->refused, 1);
	}
	own->names = 0;
}

/* All that are below @top and not cancelled yet. Return: how many. The process lock is held. */
static uint32_t
scope_gather(struct tsr_scope_own *top, uint16_t *below)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < TSR_SCOPES_MAX; i++) {
		struct tsr_scope_own *const own = &tsr_process->scope[i];

		if (own->handle == 0 || own->cancelled || !scope_is_below(own, top))
			continue;
		own->cancelling = true;
		own->canceller = pthread_self();
		below[count++] = (uint16_t)i;
	}
	return count;
}

int
tsr_scope_cancel(struct tsr_scope scope)
{
	uint16_t below[TSR_SCOPES_MAX];
	struct tsr_scope_own *top;
	uint32_t count = 0;
	int error = 0;

	(void)pthread_mutex_lock(&tsr_process_lock);
	top = scope_get(scope);
	if (top == NULL)
		error = -ENOTCONN;
	else if (top->cancelled)
		error = -ECANCELED;
	else
		count = scope_gather(top, below);
	for (uint32_t i = 0; i < count; i++)
		scope_mark(&tsr_process->scope[below[i]]);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	for (uint32_t i = 0; i < count; i++)
		scope_await(&tsr_process->scope[below[i]]);
	for (uint32_t i = 0; i < count; i++)
		scope_finish(&tsr_process->scope[below[i]]);
	(void)pthread_mutex_lock(&tsr_process_lock);
	for (uint32_t i = 0; i < count; i++)
		tsr_process->scope[below[i]].cancelling = false;
	(void)pthread_cond_broadcast(&tsr_process->scope_done);
	(void)pthread_mutex_unlock(&tsr_process_lock);
	return tsr_trace_error(__func__, error, "");
}
