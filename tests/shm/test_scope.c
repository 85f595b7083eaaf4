/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/client.h"
#include "shm/kind.h"
#include "shm/scope.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/shape.h"
#include "tests/support/trip.h"

/* Scopes of client 1, who cancels from the test's own thread what other threads wait for. */

#define ME    1
#define OTHER 2

static struct realm realm;
static struct tsr_channel *channel;
static struct tsr_client me, other;
static struct tsr_scope scope;
static struct tsr_sender sender;
static struct tsr_receiver receiver;

static struct tsr_end_options const sleepy = {.size = sizeof(sleepy), .flags = TSR_END_NO_SPIN};

/* What was handed over, by whom. */
static struct {
	uint64_t number[64];
	unsigned count;
	pthread_t thread;
} handed;

static void
take(void *argument, struct tsr_msg *msg)
{
	cr_assert_eq(argument, &handed);
	cr_assert_lt(handed.count, 64);
	handed.number[handed.count++] = *(uint64_t *)msg->data;
	handed.thread = pthread_self();
	test_ok(tsr_release(me, msg));
}

static struct tsr_channel *
make_shape(struct tsr_shape shape)
{
	struct tsr_channel *const made = realm_channel_of(&realm, shape);

	atomic_store(&made->entry->senders, tsr_ends_make(1, false, 1));
	atomic_store(&made->entry->receivers, tsr_ends_make(1, false, 1));
	return made;
}

static struct tsr_channel *
make_channel(uint32_t capacity)
{
	return make_shape(shape_buffered(capacity, 0));
}

static struct tsr_scope
open_scope(struct tsr_scope parent)
{
	struct tsr_scope_options const options = {.size = sizeof(options),
	                                          .parent = parent,
	                                          .undelivered = take,
	                                          .argument = &handed};
	struct tsr_scope made;

	test_ok(tsr_scope_open(me, &options, &made));
	return made;
}

static void
scope_setup(void)
{
	realm_make(&realm, NULL);
	me = trip_join(&realm, ME, false);
	other = trip_join(&realm, OTHER, false);
	channel = make_channel(4);
	tsr_wait_look_ns = UINT64_MAX;
	handed.count = 0;
	scope = open_scope((struct tsr_scope){0});
	test_ok(local_sender(me, channel, &sleepy, &sender));
	test_ok(local_receiver(me, channel, &sleepy, &receiver));
}

static void
scope_teardown(void)
{
	test_ok(local_sender_close(me, sender));
	test_ok(local_receiver_close(me, receiver));
	test_same(atomic_load(&channel->shm->receivers_waiting), 0);
	test_same(atomic_load(&channel->shm->senders_waiting), 0);
	trip_leave(&realm, ME, me);
	trip_leave(&realm, OTHER, other);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

TestSuite(scope, .timeout = 60);

static struct tsr_msg
message(uint64_t number)
{
	struct tsr_msg msg;

	test_ok(tsr_alloc(me, sizeof(number), &msg));
	*(uint64_t *)msg.data = number;
	return msg;
}

static void
put(uint64_t number)
{
	struct tsr_msg msg = message(number);

	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
}

/* A call of another thread that blocks. */
struct blocked {
	pthread_t thread;
	struct tsr_msg msg;
	struct tsr_select *select; /* or else: */
	bool sends;
	int result;
};

static void *
blocked_body(void *argument)
{
	struct blocked *const self = argument;

	self->result = self->select != NULL ? tsr_select(self->select, TSR_FOREVER)
	               : self->sends        ? tsr_send(sender, &self->msg, TSR_FOREVER)
	                                    : tsr_recv(receiver, &self->msg, TSR_FOREVER);
	return NULL;
}

/* It has gone to sleep. */
static void
blocked_start(struct blocked *self, _Atomic uint64_t *waiting)
{
	uint64_t const deadline = test_deadline(10000);

	cr_assert_eq(pthread_create(&self->thread, NULL, blocked_body, self), 0);
	while (atomic_load(waiting) == 0) {
		cr_assert(!test_passed(deadline), "nobody sleeps");
		sched_yield();
	}
}

static void
blocked_join(struct blocked *self, int result)
{
	cr_assert_eq(pthread_join(self->thread, NULL), 0);
	test_is(self->result, result);
}

test_case(scope, receive_that_sleeps_is_cancelled_and_so_is_every_later_call)
{
	struct blocked blocked = {.sends = false};
	struct tsr_msg msg;

	test_ok(tsr_scope_add_receiver(scope, receiver));
	blocked_start(&blocked, &channel->shm->receivers_waiting);
	test_ok(tsr_scope_cancel(scope));
	blocked_join(&blocked, -ECANCELED);
	put(1);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -ECANCELED);
	test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -ECANCELED);
	test_is(tsr_scope_cancel(scope), -ECANCELED);
	test_same(handed.count, 0);
	/* Out of the scope it works as before. */
	test_ok(tsr_scope_close(scope));
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, 1);
	test_ok(tsr_release(me, &msg));
}

/* It was cancelled between its last look and its sleep. */
test_case(scope, call_that_is_about_to_sleep_is_not_let)
{
	struct tsr_end *const end = tsr_end_get(receiver.handle);

	if (end == NULL)
		cr_assert_fail("it is not open");
	test_ok(tsr_scope_add_receiver(scope, receiver));
	test_ok(tsr_scope_cancel(scope));
	test_is(tsr_scope_announce(end), -ECANCELED);
	test_same(atomic_load(&channel->shm->receivers_waiting), 0);
	test_ok(tsr_scope_close(scope));
}

test_case(scope, send_that_sleeps_is_cancelled_and_its_message_handed_over_once)
{
	struct blocked blocked = {.sends = true};
	struct tsr_msg msg;

	for (uint64_t i = 0; i < 4; i++)
		put(i);
	blocked.msg = message(77);
	test_ok(tsr_scope_add_sender(scope, sender));
	blocked_start(&blocked, &channel->shm->senders_waiting);
	test_ok(tsr_scope_cancel(scope));
	blocked_join(&blocked, -ECANCELED);
	cr_assert_null(blocked.msg.data);
	test_is(tsr_release(me, &blocked.msg), -EINVAL);
	test_same(handed.count, 1);
	test_same(handed.number[0], 77);
	cr_assert(pthread_equal(handed.thread, pthread_self()));
	/* A later one keeps its message. */
	msg = message(78);
	test_is(tsr_send(sender, &msg, TSR_FOREVER), -ECANCELED);
	cr_assert_not_null(msg.data);
	test_ok(tsr_release(me, &msg));
	test_ok(tsr_scope_close(scope));
	for (uint64_t i = 0; i < 4; i++) {
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_same(*(uint64_t *)msg.data, i);
		test_ok(tsr_release(me, &msg));
	}
}

test_case(scope, what_lies_before_the_last_receiver_is_handed_over_in_order)
{
	for (uint64_t i = 0; i < 3; i++)
		put(i);
	test_ok(tsr_scope_add_receiver(scope, receiver));
	test_ok(tsr_scope_cancel(scope));
	test_same(handed.count, 3);
	for (uint64_t i = 0; i < 3; i++)
		test_same(handed.number[i], i);
	test_ok(tsr_scope_close(scope));
}

test_case(scope, what_another_receiver_may_have_stays)
{
	struct tsr_msg msg;

	put(5);
	atomic_store(&channel->entry->receivers, tsr_ends_make(2, false, 1));
	test_ok(tsr_scope_add_receiver(scope, receiver));
	test_ok(tsr_scope_cancel(scope));
	test_same(handed.count, 0);
	test_ok(tsr_scope_close(scope));
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_ok(tsr_release(me, &msg));
}

test_case(scope, without_a_callback_what_is_not_delivered_is_released)
{
	struct tsr_scope silent;

	put(5);
	test_ok(tsr_scope_open(me, NULL, &silent));
	test_ok(tsr_scope_add_receiver(silent, receiver));
	test_ok(tsr_scope_cancel(silent));
	test_ok(tsr_scope_close(silent));
	test_same(realm_balanced(&realm).in_channels, 0);
}

test_case(scope, its_messages_are_released_and_those_that_went_their_way_are_not)
{
	struct tsr_msg kept = message(1), sent = message(2), released = message(3), got;

	test_ok(tsr_scope_add_msg(scope, &kept));
	test_ok(tsr_scope_add_msg(scope, &sent));
	test_ok(tsr_scope_add_msg(scope, &released));
	test_ok(tsr_send(sender, &sent, TSR_NOWAIT));
	test_ok(tsr_release(me, &released));
	test_is(tsr_scope_add_msg(scope, &released), -ESTALE);
	test_ok(tsr_scope_cancel(scope));
	test_is(tsr_release(me, &kept), -ESTALE);
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_same(*(uint64_t *)got.data, 2);
	test_is(tsr_scope_add_msg(scope, &got), -ECANCELED);
	test_ok(tsr_release(me, &got));
	test_ok(tsr_scope_close(scope));
}

test_case(scope, many_messages_come_and_go_and_take_no_room)
{
	for (uint64_t i = 0; i < 5000; i++) {
		struct tsr_msg msg = message(i);

		test_ok(tsr_scope_add_msg(scope, &msg));
		test_ok(tsr_release(me, &msg));
	}
	cr_assert_leq(tsr_process->scope[scope.handle % TSR_SCOPES_MAX].room, 32);
	for (uint64_t i = 0; i < 100; i++) {
		struct tsr_msg msg = message(i);

		test_ok(tsr_scope_add_msg(scope, &msg));
	}
	test_ok(tsr_scope_cancel(scope));
	test_ok(tsr_scope_close(scope));
}

test_case(scope, what_is_below_is_cancelled_with_it_and_what_is_above_is_not)
{
	struct tsr_scope const child = open_scope(scope);
	struct tsr_scope const grandchild = open_scope(child);
	struct tsr_scope const sibling = open_scope(scope);
	struct blocked blocked = {.sends = false};
	struct tsr_scope none;
	struct tsr_scope_options const late = {.size = sizeof(late), .parent = child};

	test_is(tsr_scope_close(scope), -EBUSY);
	test_ok(tsr_scope_add_receiver(grandchild, receiver));
	test_ok(tsr_scope_add_sender(sibling, sender));
	blocked_start(&blocked, &channel->shm->receivers_waiting);
	test_is(tsr_scope_close(grandchild), -EBUSY);
	test_ok(tsr_scope_cancel(child));
	blocked_join(&blocked, -ECANCELED);
	test_is(tsr_scope_open(me, &late, &none), -ECANCELED);
	test_is(tsr_scope_cancel(grandchild), -ECANCELED);
	put(1); /* by an end of the sibling */
	test_ok(tsr_scope_cancel(scope));
	test_ok(tsr_scope_close(grandchild));
	test_ok(tsr_scope_close(child));
	test_ok(tsr_scope_close(sibling));
	test_ok(tsr_scope_close(scope));
	test_ok(tsr_recv(receiver, &blocked.msg, TSR_NOWAIT));
	test_ok(tsr_release(me, &blocked.msg));
}

test_case(scope, select_that_sleeps_is_cancelled_by_the_scope_of_one_of_its_ends)
{
	struct tsr_channel *const second = make_channel(2);
	struct tsr_receiver also;
	struct tsr_msg msg;
	struct tsr_case cases[] = {{.receiver = {0}, .msg = &msg}, {.sender = sender, .msg = &msg}};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};
	struct blocked blocked = {.select = &select};

	test_ok(local_receiver(me, second, &sleepy, &also));
	cases[0].receiver = also;
	for (uint64_t i = 0; i < 4; i++)
		put(i);
	msg = message(9);
	test_ok(tsr_scope_add_sender(scope, sender));
	blocked_start(&blocked, &second->shm->receivers_waiting);
	test_ok(tsr_scope_cancel(scope));
	blocked_join(&blocked, -ECANCELED);
	test_same(select.fired, 1);
	test_same(handed.count, 1);
	test_same(handed.number[0], 9);
	cr_assert_null(msg.data);
	test_is(tsr_select(&select, TSR_NOWAIT), -EINVAL); /* it has no message any more */
	test_ok(tsr_scope_close(scope));
	for (uint64_t i = 0; i < 4; i++) {
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_release(me, &msg));
	}
	test_same(atomic_load(&second->shm->receivers_waiting), 0);
	test_ok(local_receiver_close(me, also));
}

test_case(scope, one_who_never_sleeps_is_cancelled_too)
{
	struct tsr_end_options const spins = {.size = sizeof(spins), .flags = TSR_END_SPIN};
	struct blocked blocked = {.sends = false};
	struct tsr_end const *end;
	bool inside = false;

	test_ok(local_receiver_close(me, receiver));
	test_ok(local_receiver(me, channel, &spins, &receiver));
	test_ok(tsr_scope_add_receiver(scope, receiver));
	end = tsr_end_get(receiver.handle);
	cr_assert_not_null(end);
	cr_assert_eq(pthread_create(&blocked.thread, NULL, blocked_body, &blocked), 0);
	while (!inside && end != NULL) {
		(void)pthread_mutex_lock(&end->scope->lock);
		inside = end->inside;
		(void)pthread_mutex_unlock(&end->scope->lock);
	}
	test_ok(tsr_scope_cancel(scope));
	blocked_join(&blocked, -ECANCELED);
	test_ok(tsr_scope_close(scope));
}

static int closed;

static void
close_within(void *argument, struct tsr_msg *msg)
{
	take(argument, msg);
	closed = tsr_receiver_close(receiver);
}

test_case(scope, callback_can_not_close_an_end_of_what_is_being_cancelled)
{
	struct tsr_scope_options const options = {
		.size = sizeof(options), .undelivered = close_within, .argument = &handed};
	struct tsr_scope second;

	test_ok(tsr_scope_open(me, &options, &second));
	test_ok(tsr_scope_add_receiver(second, receiver));
	put(7);
	test_ok(tsr_scope_cancel(second));
	test_same(handed.count, 1);
	test_is(closed, -EBUSY);
	test_is(tsr_scope_cancel(second), -ECANCELED);
	test_ok(tsr_scope_close(second));
}

test_case(scope, what_is_no_scope_is_refused)
{
	struct tsr_scope_options options = {.size = sizeof(options) - 1};
	struct tsr_scope const second = open_scope((struct tsr_scope){0});
	struct tsr_scope none;
	struct tsr_sender theirs;

	test_is(tsr_scope_open(me, &options, &none), -EINVAL);
	test_is(tsr_scope_open(me, NULL, NULL), -EINVAL);
	options = (struct tsr_scope_options){.size = sizeof(options), .parent = scope};
	test_is(tsr_scope_open(other, &options, &none), -EINVAL);
	test_is(tsr_scope_open((struct tsr_client){0}, NULL, &none), -ENOTCONN);
	test_ok(local_sender(other, channel, NULL, &theirs));
	test_is(tsr_scope_add_sender(scope, theirs), -EINVAL);
	test_ok(local_sender_close(other, theirs));
	test_is(tsr_scope_add_sender(scope, theirs), -ENOTCONN);
	test_is(tsr_scope_add_sender(scope, (struct tsr_sender){receiver.handle}), -ENOTCONN);
	test_ok(tsr_scope_add_sender(scope, sender));
	test_is(tsr_scope_add_sender(scope, sender), -EBUSY);
	test_is(tsr_scope_add_sender(second, sender), -EBUSY);
	test_ok(tsr_scope_cancel(second));
	test_is(tsr_scope_add_receiver(second, receiver), -ECANCELED);
	test_ok(tsr_scope_close(second));
	test_is(tsr_scope_close(second), -ENOTCONN);
	test_is(tsr_scope_cancel(second), -ENOTCONN);
	test_is(tsr_scope_add_receiver(second, receiver), -ENOTCONN);
	test_ok(tsr_scope_close(scope));
}

/* From here on the channel is a rendezvous. */
static void
be_rendezvous(void)
{
	test_ok(local_sender_close(me, sender));
	test_ok(local_receiver_close(me, receiver));
	channel = make_shape((struct tsr_shape){.kind = TSR_KIND_RENDEZVOUS, .capacity = 2});
	test_ok(local_sender(me, channel, &sleepy, &sender));
	test_ok(local_receiver(me, channel, &sleepy, &receiver));
}

/* What a sender's call does at each look. Return: 0 it was received. */
static int
offer(struct tsr_msg *msg)
{
	return tsr_kind_rendezvous.try_send(tsr_end_get(sender.handle), &msg->zdesc);
}

test_case(scope, receive_from_a_rendezvous_is_cancelled_and_an_offer_stays_its_senders)
{
	struct blocked blocked = {.sends = false};
	struct tsr_scope const late = open_scope((struct tsr_scope){0});
	struct tsr_msg sent = message(3), msg;

	be_rendezvous();
	test_ok(tsr_scope_add_receiver(scope, receiver));
	blocked_start(&blocked, &channel->shm->receivers_waiting);
	test_ok(tsr_scope_cancel(scope));
	blocked_join(&blocked, -ECANCELED);
	test_ok(tsr_scope_close(scope));
	test_ok(tsr_scope_add_receiver(late, receiver));
	test_is(offer(&sent), -EAGAIN);
	test_ok(tsr_scope_cancel(late));
	test_is(tsr_recv(receiver, &msg, TSR_FOREVER), -ECANCELED);
	test_same(handed.count, 0);
	test_is(offer(&sent), -EAGAIN);
	test_ok(tsr_scope_close(late));
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(*(uint64_t *)msg.data, 3);
	test_ok(tsr_release(me, &msg));
	test_ok(offer(&sent));
}

test_case(scope, offer_that_is_cancelled_is_taken_back_and_handed_over_once)
{
	struct blocked blocked = {.sends = true};
	struct tsr_msg msg;

	be_rendezvous();
	blocked.msg = message(77);
	test_ok(tsr_scope_add_sender(scope, sender));
	blocked_start(&blocked, &channel->shm->senders_waiting);
	test_ok(tsr_scope_cancel(scope));
	blocked_join(&blocked, -ECANCELED);
	cr_assert_null(blocked.msg.data);
	test_same(handed.count, 1);
	test_same(handed.number[0], 77);
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_scope_close(scope));
}

test_case(scope, offer_that_was_received_before_the_cancel_is_sent)
{
	be_rendezvous();
	for (uint64_t round = 0; round < 100; round++) {
		struct tsr_scope const own = open_scope((struct tsr_scope){0});
		struct blocked blocked = {.sends = true, .msg = message(round)};
		struct tsr_msg msg;

		test_ok(tsr_scope_add_sender(own, sender));
		blocked_start(&blocked, &channel->shm->senders_waiting);
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_scope_cancel(own));
		blocked_join(&blocked, 0);
		test_same(*(uint64_t *)msg.data, round);
		test_ok(tsr_release(me, &msg));
		test_same(handed.count, 0);
		test_ok(tsr_scope_close(own));
	}
	test_ok(tsr_scope_close(scope));
}

test_case(scope, more_than_there_is_room_for_are_refused)
{
	struct tsr_scope many[TSR_SCOPES_MAX], none;
	unsigned count = 0;

	while (count < TSR_SCOPES_MAX && tsr_scope_open(me, NULL, &many[count]) == 0)
		count++;
	test_same(count, TSR_SCOPES_MAX - 1);
	test_is(tsr_scope_open(me, NULL, &none), -ENOBUFS);
	while (count > 0)
		test_ok(tsr_scope_close(many[--count]));
	test_ok(tsr_scope_close(scope));
}

test_case(scope, handle_is_dead_in_a_forked_child_and_after_detach)
{
	struct tsr_client const third = trip_join(&realm, 3, false);
	struct tsr_scope theirs;
	int status = 0;
	pid_t pid;

	test_ok(tsr_scope_open(third, NULL, &theirs));
	trip_leave(&realm, 3, third);
	test_is(tsr_scope_cancel(theirs), -ENOTCONN);
	test_is(tsr_scope_close(theirs), -ENOTCONN);
	pid = fork();
	if (pid == 0)
		_exit(tsr_scope_cancel(scope) == -ENOTCONN && tsr_scope_close(scope) == -ENOTCONN
		              ? 0
		              : 1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	test_same(status, 0);
	test_ok(tsr_scope_close(scope));
}

/* A wake-up that the one who is cancelled had been given goes to another, who can use it. */
test_case(scope, message_that_comes_with_the_cancel_is_not_lost)
{
	for (int round = 0; round < 300; round++) {
		struct tsr_scope const own = open_scope((struct tsr_scope){0});
		struct blocked blocked = {.sends = false};
		unsigned const before = handed.count;
		unsigned got;

		test_ok(tsr_scope_add_receiver(own, receiver));
		blocked_start(&blocked, &channel->shm->receivers_waiting);
		put(7);
		test_ok(tsr_scope_cancel(own));
		cr_assert_eq(pthread_join(blocked.thread, NULL), 0);
		got = blocked.result == 0;
		if (got != 0)
			test_ok(tsr_release(me, &blocked.msg));
		else
			test_is(blocked.result, -ECANCELED);
		test_same(got + handed.count - before, 1);
		handed.count = 0;
		test_ok(tsr_scope_close(own));
	}
}
