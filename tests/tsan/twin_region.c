/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>

#include "core/reaper.h"
#include "shm/region.h"
#include "shm/ticket.h"
#include "tests/tsan/twin.h"

/*
 * Messages of a region go from their owner to a receiver, who reads them, writes over them and
 * releases them: what it wrote the owner reads when it gets the ticket again, ordered by the
 * ticket's word alone, for the slots are many and free since long. Then the daemon stands between
 * the two, as after a death: what was the receiver's is free again by its stamp. Then a receiver
 * that can't have the region stands between sender and receiver.
 */

#define ROUNDS 2000
#define BYTES  4096

static struct twin twin;
static struct tsr_client owner, other;
static struct tsr_sender sender;
static struct tsr_receiver receiver;
static struct tsr_region region;

/* The one ticket that there is, once it is free. */
static void
alloc(struct tsr_msg *msg)
{
	int error;

	while ((error = tsr_region_alloc(region, 0, 64, msg)) == -ENOMEM)
		twin_pause();
	twin_is(error, 0);
}

/* Its payload was last written by the receiver. */
static void *
owning(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		alloc(&msg);
		/* [G2] */
		twin_check(i == 0 || twin_reads(&msg, 5000000 + i - 1));
		twin_write(&msg, i);
		twin_is(tsr_send(sender, &msg, TSR_FOREVER), 0);
	}
	return NULL;
}

static void *
receiving(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		twin_is(tsr_recv(receiver, &msg, TSR_FOREVER), 0);
		twin_check(twin_reads(&msg, i));
		twin_write(&msg, 5000000 + i);
		twin_is(tsr_release(other, &msg), 0);
	}
	return NULL;
}

/* [G2], [G1] of the daemon: the receiver's words become the daemon's by hand, as in a sweep. */
static uint64_t payload, note[ROUNDS + 1];
static _Atomic uint64_t over;

static void *
dying(void *arg)
{
	_Atomic uint64_t *const word = &twin.map.tickets[twin.map.tickets_count].word;

	(void)arg;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t seen;

		while (tsr_word_holder(seen = tsr_ld_acq(word)) != 7)
			twin_pause();
		payload = i;
		tsr_st_rel(word, tsr_word_make(tsr_word_generation(seen) + 1, TSR_TICKET_IDLE,
		                               TSR_HOLDER_DAEMON));
	}
	return NULL;
}

static void *
taking_back(void *arg)
{
	_Atomic uint64_t *const word = &twin.map.tickets[twin.map.tickets_count].word;

	(void)arg;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct tsr_msg msg;

		alloc(&msg);
		twin_check(i == 0 || payload == i - 1);
		/* [G1]: what the daemon did before. */
		twin_check(i == 0 || note[i] == i);
		tsr_st_rel(word, tsr_name_word(msg.zdesc.name, TSR_TICKET_IDLE, 7));
	}
	tsr_st_rlx(&over, 1);
	return NULL;
}

static void *
sweeping(void *arg)
{
	uint32_t const first = twin.map.tickets_count;

	(void)arg;
	for (uint64_t i = 0; tsr_ld_rlx(&over) == 0; twin_pause()) {
		if (tsr_word_holder(tsr_ld_rlx(&twin.map.tickets[first].word)) != TSR_HOLDER_DAEMON)
			continue;
		i++;
		note[i] = i;
		(void)tsr_reaper_region(&twin.map, first, 1, true);
	}
	return NULL;
}

/* One who can't have the region gives each message that it takes back, to one who has it. */
static struct tsr_receiver able;

static void *
sending(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		alloc(&msg);
		twin_write(&msg, i);
		twin_is(tsr_send(sender, &msg, TSR_FOREVER), 0);
	}
	return NULL;
}

static void *
giving_back(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	while (tsr_ld_rlx(&over) == 0) {
		int const error = tsr_recv(receiver, &msg, TSR_NOWAIT);

		twin_check(error == -ENOTCONN || error == -EAGAIN);
		twin_pause();
	}
	return NULL;
}

static void *
able_receiving(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		int error;

		while ((error = tsr_recv(able, &msg, TSR_NOWAIT)) == -EAGAIN)
			twin_pause();
		twin_is(error, 0);
		/* [R1], of what was sent, and of what was given back. */
		twin_check(twin_reads(&msg, i));
		twin_is(tsr_release(owner, &msg), 0);
	}
	tsr_st_rlx(&over, 1);
	return NULL;
}

static void
run_giving_back(void)
{
	struct tsr_attachment *attachment = tsr_attachment_get(other);
	pthread_t thread;

	twin_check(attachment != NULL);
	/* Not mapped, and nobody to ask. */
	attachment->regions->view[0] = (struct tsr_region_view){0};
	twin_check(close(attachment->control.fd) == 0);
	attachment->control.fd = -1;
	tsr_st_rlx(&over, 0);
	thread = twin_start(giving_back, NULL);
	twin_run(sending, able_receiving);
	twin_check(pthread_join(thread, NULL) == 0);
}

static void
make(void)
{
	void *const memory =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	twin_check(memory != MAP_FAILED);
	twin_make(&twin, 64, 0);
	local_region_format(&twin.map, 0, 1, 1, BYTES);
	twin_is(local_attach(&twin.map, 1, false, &owner), 0);
	twin_is(local_attach(&twin.map, 2, false, &other), 0);
	twin_is(local_region(owner, 0, memory, &region), 0);
	twin_is(local_region(other, 0, memory, NULL), 0);
}

int
main(void)
{
	pthread_t thread;

	make();
	twin_is(local_sender(owner, &twin.channel, NULL, &sender), 0);
	twin_is(local_receiver(other, &twin.channel, NULL, &receiver), 0);
	twin_run(owning, receiving);
	make();
	thread = twin_start(sweeping, NULL);
	twin_run(taking_back, dying);
	twin_check(pthread_join(thread, NULL) == 0);
	make();
	twin_is(local_sender(owner, &twin.channel, NULL, &sender), 0);
	twin_is(local_receiver(owner, &twin.channel, NULL, &able), 0);
	twin_is(local_receiver(other, &twin.channel, NULL, &receiver), 0);
	run_giving_back();
	puts("region: no race");
	return 0;
}
