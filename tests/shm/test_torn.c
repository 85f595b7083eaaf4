/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "shm/tap.h"
#include "shm/ticket.h"
#include "tests/support/check.h"
#include "tests/support/local.h"
#include "tests/support/realm.h"

/*
 * What happens in the midst of a copy: its destination is a page that is not there yet, and whoever
 * handles the fault does what a receiver or a sender might do just then.
 */
#define SENDER     3
#define BLOCK      256
#define PAGE_BYTES 4096

static struct realm realm;
static struct tsr_channel *channel;
static struct tsr_tap_own tap;
static struct tsr_client client;
static uint64_t names[TSR_CELL_ENTRIES];

static void
torn_setup(void)
{
	struct tsr_tap_options const options = {.size = sizeof(options), .from = TSR_TAP_OLDEST};

	realm_make(&realm, NULL);
	channel = realm_channel(&realm, 4, 0);
	realm.living[SENDER] = true;
	test_same(realm_take_cell(&realm, 0, SENDER, names), TSR_CELL_ENTRIES);
	test_ok(local_attach(&realm.map, 1, false, &client));
	tap = (struct tsr_tap_own){.attachment = tsr_attachment_get(client), .channel = *channel};
	test_ok(tsr_tap_seek(&tap, &options));
	memset(tsr_block_data(&realm.map, &realm.map.blocks[tsr_name_index(names[0])], 0), 'x',
	       BLOCK);
	realm_stamp_channel(&realm, names[0], channel);
	realm_slot(channel, 0, 0, TSR_READY, names[0], BLOCK);
}

static void
torn_teardown(void)
{
	test_ok(local_detach(client));
	realm_wipe(&realm);
}

TestSuite(torn, .timeout = 20);

/* In the midst of the copy, for its destination is not there yet, somebody changes the realm. */
static unsigned char *page;
static void (*meanwhile)(void);

static void
page_missing(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	meanwhile();
	if (mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE) != 0)
		_Exit(9);
}

static int
copy_while(void (*happens)(void))
{
	struct sigaction const action = {.sa_sigaction = page_missing, .sa_flags = SA_SIGINFO};
	struct tsr_copy copy;
	int error;

	meanwhile = happens;
	page = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(page, MAP_FAILED);
	cr_assert_eq(sigaction(SIGSEGV, &action, NULL), 0);
	error = tsr_tap_copy(&tap, page, BLOCK, &copy);
	cr_assert_eq(munmap(page, PAGE_BYTES), 0);
	return error;
}

static void
nothing(void)
{
}

static void
received(void)
{
	atomic_store(realm_word(&realm, names[0]),
	             tsr_word_make(tsr_name_generation(names[0]) + 1, TSR_TICKET_RECEIVED, 2));
}

static void
slot_used_again(void)
{
	atomic_store(&tsr_channel_slot(channel, 0)->word, tsr_slot_word(1, 0, TSR_READY));
}

test_case(torn, message_that_is_left_alone_is_whole)
{
	test_ok(copy_while(nothing));
}

test_case(torn, message_received_during_the_copy_is_not_taken_for_whole)
{
	test_is(copy_while(received), -EAGAIN);
}

test_case(torn, slot_used_again_during_the_copy_is_noticed)
{
	test_is(copy_while(slot_used_again), -EAGAIN);
}
