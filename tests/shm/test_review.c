/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"
#include "tests/support/trip.h"

/* What a review of the library found, each held by a test. */

TestSuite(review, .timeout = 20);

/* One message, to a receiver that was there before: at the first lap, and where laps wrap. */
static void
first_message(uint32_t capacity, uint64_t first_lap)
{
	struct tsr_realm_geometry geometry;
	struct tsr_receiver receiver;
	struct tsr_channel *channel;
	struct tsr_client from, to;
	struct tsr_sender sender;
	struct realm realm;
	struct tsr_msg msg;

	realm_geometry(&geometry);
	geometry.slots = capacity;
	geometry.first_lap = first_lap;
	realm_make(&realm, &geometry);
	channel = realm_channel(&realm, capacity, 0);
	from = trip_join(&realm, 1, false);
	to = trip_join(&realm, 2, false);
	test_ok(local_receiver(to, channel, NULL, &receiver));
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	test_ok(local_sender(from, channel, NULL, &sender));
	for (uint32_t i = 0; i < 3; i++) {
		test_ok(tsr_alloc(from, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_release(to, &msg));
	}
	test_ok(local_sender_close(from, sender));
	test_ok(local_receiver_close(to, receiver));
	trip_leave(&realm, 1, from);
	trip_leave(&realm, 2, to);
	realm_balanced(&realm);
	realm_wipe(&realm);
}

Test(review, largest_channel_delivers_its_first_message)
{
	first_message(TSR_SLOTS_MAX, 0);
	first_message(TSR_SLOTS_MAX, TSR_LAP_MASK);
	first_message(TSR_SLOTS_MAX / 2, 0);
	first_message(TSR_SLOTS_MAX / 2, TSR_LAP_MASK);
}

static void *
hold_process_lock(void *argument)
{
	_Atomic int *const step = argument;

	pthread_mutex_lock(&tsr_process_lock);
	atomic_store(step, 1);
	while (atomic_load(step) != 2)
		usleep(100);
	pthread_mutex_unlock(&tsr_process_lock);
	return NULL;
}

/* Handles are dead in a child, also in one forked while another thread asked the daemon. */
Test(review, child_of_a_busy_process_is_told_that_its_handles_are_dead)
{
	_Atomic int step = 0;
	pthread_t thread;
	int status;
	pid_t pid;

	test_ok(tsr_process_open());
	cr_assert_eq(pthread_create(&thread, NULL, hold_process_lock, &step), 0);
	while (atomic_load(&step) != 1)
		usleep(100);
	pid = fork();
	if (pid == 0) {
		alarm(2);
		_exit(tsr_detach((struct tsr_client){.handle = 8}) == -ENOTCONN ? 0 : 1);
	}
	cr_assert_gt(pid, 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	atomic_store(&step, 2);
	pthread_join(thread, NULL);
	cr_assert_eq(status, 0, "the child ended with wait status 0x%x", status);
}
