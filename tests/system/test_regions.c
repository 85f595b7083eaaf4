/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/*
 * Regions, of both kinds, through the public calls and a living daemon: messages that point into
 * them, who frees what, what outlives whom. Attacks on them stand in test_region_attacks.c.
 */

#define REGION_BYTES UINT64_C(262144)
#define ALL_SEALS    (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct daemon daemon_;
static struct tsr_client owner, other;

TestSuite(regions, .timeout = 60);

static void
regions_setup(void)
{
	char const *const sets[] = {"realms.demo.foreign_regions=true", NULL};

	daemon_start(&daemon_, sets);
	owner = daemon_attach(&daemon_, 0);
	other = daemon_attach(&daemon_, 0);
}

static void
regions_teardown(void)
{
	(void)tsr_detach(owner);
	(void)tsr_detach(other);
	test_same(test_maps_count(), 0);
	daemon_stop(&daemon_);
}

static int
memory_make(uint64_t bytes, int seals)
{
	int const fd = memfd_create("mine", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
	if (seals != 0)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static struct tsr_region
region_make(uint32_t tickets)
{
	struct tsr_region_options const options = {.size = sizeof(options), .tickets = tickets};
	struct tsr_region region;

	test_ok(tsr_region_create(owner, REGION_BYTES, &options, &region));
	return region;
}

/* How many regions the daemon has; the last one in @row. */
static unsigned
regions_listed(struct tsr_proto_row_region *row)
{
	struct tsr_proto_row_region rows[64];
	unsigned const count = daemon_regions(&daemon_, rows, 64);

	if (count > 0)
		*row = rows[count - 1];
	return count;
}

/* Wait until there are so many, which a death brings about. */
static void
regions_await(unsigned count)
{
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_row_region row;

	while (regions_listed(&row) != count) {
		cr_assert(!test_passed(deadline), "there are not %u regions", count);
		sched_yield();
	}
}

static void
channel_open(struct tsr_sender *sender, struct tsr_receiver *receiver)
{
	test_ok(tsr_sender_open(owner, "c", NULL, sender));
	test_ok(tsr_receiver_open(other, "c", NULL, receiver));
}

test_case(regions, a_message_of_a_region_arrives_without_a_copy)
{
	struct tsr_region const region = region_make(4);
	struct tsr_proto_row_region row;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg, got, view;
	unsigned char *base;
	uint64_t bytes;

	channel_open(&sender, &receiver);
	test_ok(tsr_region_address(region, (void **)&base, &bytes));
	test_same(bytes, REGION_BYTES);
	strcpy((char *)base + 5000, "from a region");
	test_ok(tsr_region_alloc(region, 5000, 100, &msg));
	cr_assert_eq(msg.data, base + 5000);
	test_same(msg.length, 100);
	msg.length = 64;
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_is(tsr_send(sender, &msg, TSR_NOWAIT), -ESTALE);
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_same(got.length, 64);
	cr_assert_str_eq(got.data, "from a region");
	cr_assert_neq(got.data, msg.data, "the other attachment maps it for itself");
	/* What one writes is what the other has: it is the same memory. */
	strcpy((char *)base + 5000, "there and back");
	cr_assert_str_eq(got.data, "there and back");
	test_ok(tsr_view(&got, 10, 5, &view));
	cr_assert_eq(memcmp(view.data, "back", 5), 0);
	test_same(regions_listed(&row), 1);
	test_same(row.tickets_out, 1);
	test_same(row.tickets, 4);
	test_same(row.state, TSR_REGION_OPEN);
	test_ok(tsr_release(other, &got));
	test_is(tsr_release(other, &got), -ESTALE);
	test_same(regions_listed(&row), 1);
	test_same(row.tickets_out, 0);
	test_ok(tsr_region_close(region));
	test_is(tsr_region_close(region), -ENOTCONN);
	test_is(tsr_region_alloc(region, 0, 1, &msg), -ENOTCONN);
	test_same(regions_listed(&row), 0);
}

test_case(regions, tickets_of_a_region_come_round_and_are_as_many_as_asked_for)
{
	struct tsr_region const region = region_make(3);
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg[3], more;

	channel_open(&sender, &receiver);
	for (unsigned round = 0; round < 1000; round++) {
		for (uint32_t i = 0; i < 3; i++) {
			test_ok(tsr_region_alloc(region, i * 4096, 4096, &msg[i]));
			((unsigned char *)msg[i].data)[17] = (unsigned char)(round + i);
		}
		test_is(tsr_region_alloc(region, 0, 1, &more), -ENOMEM);
		for (unsigned i = 0; i < 3; i++)
			test_ok(tsr_send(sender, &msg[i], TSR_NOWAIT));
		for (unsigned i = 0; i < 3; i++) {
			test_ok(tsr_recv(receiver, &more, TSR_NOWAIT));
			test_same(((unsigned char *)more.data)[17], (unsigned char)(round + i));
			test_ok(tsr_release(other, &more));
		}
	}
	test_is(tsr_region_alloc(region, 0, 0, &more), -EINVAL);
	test_is(tsr_region_alloc(region, 1, (uint32_t)REGION_BYTES, &more), -EINVAL);
	test_is(tsr_region_alloc(region, UINT32_MAX, UINT32_MAX, &more), -EINVAL);
	test_ok(tsr_region_alloc(region, 0, (uint32_t)REGION_BYTES, &more));
	test_ok(tsr_release(owner, &more));
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_region_close(region));
}

test_case(regions, batches_take_arenas_and_regions_as_they_come)
{
	struct tsr_region const region = region_make(8);
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg[16];
	size_t done;

	channel_open(&sender, &receiver);
	for (unsigned i = 0; i < 16; i++) {
		test_ok(i % 2 == 0 ? tsr_alloc(owner, 64, &msg[i])
		                   : tsr_region_alloc(region, i * 64, 64, &msg[i]));
		*(unsigned *)msg[i].data = i;
	}
	test_ok(tsr_send_batch(sender, msg, 16, TSR_NOWAIT, &done));
	test_same(done, 16);
	test_ok(tsr_recv_batch(receiver, msg, 16, TSR_NOWAIT, &done));
	test_same(done, 16);
	for (unsigned i = 0; i < 16; i++)
		test_same(*(unsigned *)msg[i].data, i);
	test_ok(tsr_release_batch(other, msg, 16, &done));
	test_same(done, 16);
	test_ok(tsr_region_close(region));
}

test_case(regions, a_message_is_sent_on_and_resolved_like_any_other)
{
	struct tsr_region const region = region_make(1);
	struct tsr_receiver receiver, back;
	struct tsr_sender sender, answer;
	struct tsr_msg msg, got, again;

	channel_open(&sender, &receiver);
	test_ok(tsr_sender_open(other, "back", NULL, &answer));
	test_ok(tsr_receiver_open(owner, "back", NULL, &back));
	test_ok(tsr_region_alloc(region, 0, 10, &msg));
	strcpy(msg.data, "round");
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(receiver, &got, TSR_NOWAIT));
	test_ok(tsr_resolve(other, got.zdesc, &again));
	cr_assert_eq(again.data, got.data);
	test_is(tsr_resolve(owner, got.zdesc, &again), -ESTALE);
	test_ok(tsr_send(answer, &got, TSR_NOWAIT));
	test_ok(tsr_recv(back, &got, TSR_NOWAIT));
	cr_assert_eq(got.data, msg.data);
	cr_assert_str_eq(got.data, "round");
	test_ok(tsr_release(owner, &got));
	test_ok(tsr_region_close(region));
}

test_case(regions, ones_own_memory_is_shared_as_it_is)
{
	int const memory = memory_make(REGION_BYTES, ALL_SEALS);
	unsigned char *const mine =
		mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	struct tsr_proto_row_region row;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_region region, twice;
	struct tsr_msg msg;

	channel_open(&sender, &receiver);
	strcpy((char *)mine + 100, "allocated long before");
	test_ok(tsr_region_register(owner, memory, NULL, &region));
	test_is(tsr_region_register(owner, memory, NULL, &twice), -EEXIST);
	test_is(tsr_region_register(other, memory, NULL, &twice), -EEXIST);
	test_ok(tsr_region_alloc(region, 100, 50, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	test_same(msg.flags, 0);
	cr_assert_str_eq(msg.data, "allocated long before");
	strcpy((char *)mine + 100, "and written now");
	cr_assert_str_eq(msg.data, "and written now");
	test_same(regions_listed(&row), 1);
	test_same(row.flags, TSR_REGION_FOREIGN);
	test_same(row.bytes, REGION_BYTES);
	test_ok(tsr_release(other, &msg));
	test_ok(tsr_region_close(region));
	/* The same memory again: it is another region. */
	test_ok(tsr_region_register(owner, memory, NULL, &twice));
	test_ok(tsr_region_close(twice));
	munmap(mine, REGION_BYTES);
	close(memory);
}

/* A receiver that writes into memory that is sealed against it. */
static int
write_into_it(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(arg);
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "c", NULL, &receiver));
	child_ok(report, tsr_recv(receiver, &msg, TSR_NOWAIT));
	child_check(report, (msg.flags & TSR_MSG_READ_ONLY) != 0);
	child_check(report, strcmp(msg.data, "look") == 0);
	signal(SIGSEGV, SIG_DFL);
	report_set(report, 0, 1);
	*(volatile char *)msg.data = 'b';
	report_set(report, 1, 1);
	return 0;
}

static void
read_only_is_read_only(int memory, char *mine)
{
	struct tsr_region region;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_proto_row_region row;
	struct tsr_msg msg;
	struct child child;

	channel_open(&sender, &receiver);
	test_ok(tsr_region_register(owner, memory, NULL, &region));
	test_same(regions_listed(&row), 1);
	test_same(row.flags, TSR_REGION_FOREIGN | TSR_REGION_READ_ONLY);
	strcpy(mine, "look");
	test_ok(tsr_region_alloc(region, 0, 10, &msg));
	test_same(msg.flags, TSR_MSG_READ_ONLY);
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	child_start(&child, write_into_it, &daemon_);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	child_died_of(&child, SIGSEGV);
	test_same(atomic_load(&child.report->word[1]), 0);
	child_forget(&child);
	cr_assert_str_eq(mine, "look");
	daemon_reaped(&daemon_, 1);
	test_ok(tsr_region_close(region));
	regions_await(0);
}

test_case(regions, what_is_sealed_against_writing_others_only_read)
{
	int const memory = memory_make(REGION_BYTES, 0);
	char *const mine = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

	cr_assert_eq(fcntl(memory, F_ADD_SEALS, ALL_SEALS | 0x10 /* F_SEAL_FUTURE_WRITE */), 0);
	read_only_is_read_only(memory, mine);
	/* Nor can anybody, its owner included, punch a hole into it. */
	cr_assert_eq(fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	cr_assert_eq(errno, EPERM);
	munmap(mine, REGION_BYTES);
	close(memory);
}

test_case(regions, through_a_descriptor_for_reading_others_only_read)
{
	int const memory = memory_make(REGION_BYTES, ALL_SEALS);
	char *const mine = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	char path[64];
	int reading;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	reading = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(reading, 0);
	read_only_is_read_only(reading, mine);
	close(reading);
	munmap(mine, REGION_BYTES);
	close(memory);
}

test_case(regions, one_that_is_closed_lives_until_its_last_message_is_released)
{
	unsigned const maps = test_maps_count();
	struct tsr_region const region = region_make(4);
	struct tsr_proto_row_region row;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg[3], more;
	uint32_t descriptors;

	channel_open(&sender, &receiver);
	for (unsigned i = 0; i < 3; i++) {
		test_ok(tsr_region_alloc(region, i * 4096, 8, &msg[i]));
		*(uint64_t *)msg[i].data = 40 + i;
	}
	test_ok(tsr_send(sender, &msg[0], TSR_NOWAIT));
	test_ok(tsr_send(sender, &msg[1], TSR_NOWAIT));
	test_ok(tsr_recv(receiver, &msg[0], TSR_NOWAIT));
	test_ok(tsr_region_close(region));
	test_same(regions_listed(&row), 1);
	test_same(row.state, TSR_REGION_CLOSING);
	test_same(row.tickets_out, 3);
	daemon_balanced(&daemon_, "demo");
	/* One received before, one after, one the owner's still, which it may send. */
	test_same(*(uint64_t *)msg[0].data, 40);
	test_ok(tsr_recv(receiver, &msg[1], TSR_NOWAIT));
	test_same(*(uint64_t *)msg[1].data, 41);
	test_ok(tsr_send(sender, &msg[2], TSR_NOWAIT));
	test_ok(tsr_release(other, &msg[0]));
	test_ok(tsr_recv(receiver, &more, TSR_NOWAIT));
	test_same(*(uint64_t *)more.data, 42);
	test_ok(tsr_release(other, &msg[1]));
	test_same(regions_listed(&row), 1);
	test_same(row.tickets_out, 1);
	/* A list would make the daemon look: it hears of the last release all the same. */
	descriptors = daemon_ledger(&daemon_, "demo").descriptors;
	test_ok(tsr_release(other, &more));
	for (uint64_t deadline = test_deadline(5000);
	     daemon_ledger(&daemon_, "demo").descriptors >= descriptors; sched_yield())
		cr_assert(!test_passed(deadline), "the daemon still has the region");
	test_same(regions_listed(&row), 0);
	daemon_balanced(&daemon_, "demo");
	/* The receiver has let go of it; the owner does when it next looks at its regions. */
	test_ok(tsr_region_close(region_make(1)));
	test_same(test_maps_count(), maps);
}

/* An owner that sends two messages of a region of its own memory and holds a third. */
static int
own_and_wait(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(arg);
	int const memory = memfd_create("child", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_region region;
	struct tsr_msg msg;

	child_ok(report, ftruncate(memory, 65536));
	child_ok(report, fcntl(memory, F_ADD_SEALS, ALL_SEALS));
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "c", NULL, &sender));
	child_ok(report, tsr_region_register(client, memory, NULL, &region));
	for (uint32_t i = 0; i < 2; i++) {
		child_ok(report, tsr_region_alloc(region, i * 4096, 8, &msg));
		*(uint64_t *)msg.data = 70 + i;
		child_ok(report, tsr_send(sender, &msg, TSR_NOWAIT));
	}
	child_ok(report, tsr_region_alloc(region, 0, 8, &msg));
	report_set(report, 0, 1);
	for (;;)
		pause();
}

test_case(regions, what_a_killed_owner_had_sent_is_received)
{
	struct tsr_proto_row_region row;
	struct tsr_receiver receiver;
	struct tsr_msg msg[2];
	struct child child;

	test_ok(tsr_receiver_open(other, "c", NULL, &receiver));
	child_start(&child, own_and_wait, &daemon_);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	test_ok(tsr_recv(receiver, &msg[0], TSR_NOWAIT));
	child_kill(&child, SIGKILL);
	daemon_reaped(&daemon_, 1);
	test_same(regions_listed(&row), 1);
	test_same(row.state, TSR_REGION_CLOSING);
	test_same(row.tickets_out, 2);
	test_same(*(uint64_t *)msg[0].data, 70);
	test_ok(tsr_recv(receiver, &msg[1], TSR_NOWAIT));
	test_same(*(uint64_t *)msg[1].data, 71);
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_release(other, &msg[0]));
	test_ok(tsr_release(other, &msg[1]));
	test_same(regions_listed(&row), 0);
}

/* A receiver that takes a message and waits for the end. */
static int
receive_and_wait(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(arg);
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "c", NULL, &receiver));
	child_ok(report, tsr_recv(receiver, &msg, TSR_NOWAIT));
	report_set(report, 0, 1);
	for (;;)
		pause();
}

test_case(regions, a_killed_receivers_ticket_goes_back_to_the_region)
{
	struct tsr_region const region = region_make(1);
	struct tsr_proto_row_region row;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct child child;
	struct tsr_msg msg;

	channel_open(&sender, &receiver);
	for (unsigned round = 1; round <= 3; round++) {
		test_ok(tsr_region_alloc(region, 0, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		child_start(&child, receive_and_wait, &daemon_);
		cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
		test_is(tsr_region_alloc(region, 0, 8, &msg), -ENOMEM);
		if (round == 3)
			test_ok(tsr_region_close(region));
		child_kill(&child, SIGKILL);
		daemon_reaped(&daemon_, round);
		daemon_balanced(&daemon_, "demo");
	}
	/* It was closed while the last one held it. */
	test_same(regions_listed(&row), 0);
}

/* One that dies of itself after so many nanoseconds, and what it writes or reads. */
struct doomed {
	uint64_t ns;
	uint8_t number;
};

/* Send of a region of one's own, or receive and release, until the end. */
static int
send_until_killed(struct child_report *report, void *arg)
{
	struct doomed const *doomed = arg;
	struct tsr_attach_options const options = daemon_options(&daemon_);
	int const memory = memfd_create("child", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_region region;
	struct tsr_msg msg;

	child_ok(report, ftruncate(memory, 65536));
	child_ok(report, fcntl(memory, F_ADD_SEALS, ALL_SEALS));
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, "c", NULL, &sender));
	child_ok(report, child_doom(doomed->ns));
	child_ok(report, (doomed->number & 1) == 0
	                         ? tsr_region_register(client, memory, NULL, &region)
	                         : tsr_region_create(client, 65536, NULL, &region));
	for (uint32_t i = 0;; i++) {
		while (tsr_region_alloc(region, i % 64 * 64, 64, &msg) == -ENOMEM)
			sched_yield();
		memset(msg.data, (int)doomed->number, 64);
		child_ok(report, tsr_send(sender, &msg, TSR_FOREVER));
	}
}

static int
receive_until_killed(struct child_report *report, void *arg)
{
	struct doomed const *doomed = arg;
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, "c", NULL, &receiver));
	child_ok(report, child_doom(doomed->ns));
	for (;;) {
		if (tsr_recv(receiver, &msg, tsr_deadline_in_ms(1)) != 0)
			continue;
		child_check(report, ((unsigned char *)msg.data)[63] == doomed->number);
		child_ok(report, tsr_release(client, &msg));
	}
}

test_case(regions, deaths_at_any_moment_leave_no_region_behind)
{
	unsigned const rounds = test_nightly() ? 1000 : 40;
	uint64_t seed = test_seed();
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	for (uint64_t round = 1; round <= rounds; round++) {
		struct doomed doomed = {.number = (uint8_t)(round % 255 + 1),
		                        .ns = test_random(&seed) % 5000000 + 1};
		struct child sender, taker;

		child_start(&sender, send_until_killed, &doomed);
		doomed.ns = test_random(&seed) % 5000000 + 1;
		child_start(&taker, receive_until_killed, &doomed);
		child_died(&sender);
		child_forget(&sender);
		child_died(&taker);
		child_forget(&taker);
		daemon_reaped(&daemon_, 2 * round);
		test_ok(tsr_receiver_open(other, "c", NULL, &receiver));
		while (tsr_recv(receiver, &msg, TSR_NOWAIT) == 0) {
			test_same(((unsigned char *)msg.data)[0], doomed.number);
			test_ok(tsr_release(other, &msg));
		}
		test_ok(tsr_receiver_close(receiver));
		regions_await(0);
		daemon_balanced(&daemon_, "demo");
	}
}

test_case(regions, removing_a_channel_frees_what_lies_in_it)
{
	struct tsr_region const region = region_make(1);
	struct tsr_proto_row_region row;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	for (unsigned round = 0; round < 2; round++) {
		channel_open(&sender, &receiver);
		test_ok(tsr_region_alloc(region, 0, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_sender_close(sender));
		test_ok(tsr_receiver_close(receiver));
		if (round == 1)
			test_ok(tsr_region_close(region));
		test_same(regions_listed(&row), 1);
		test_ok(tsr_channel_remove(owner, "c"));
	}
	test_same(regions_listed(&row), 0);
}

test_case(regions, an_owner_that_detaches_has_closed_them)
{
	struct tsr_region const region = region_make(2);
	struct tsr_proto_row_region row;
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_msg msg;

	channel_open(&sender, &receiver);
	test_ok(tsr_region_alloc(region, 4096, 8, &msg));
	strcpy(msg.data, "stays");
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	test_ok(tsr_region_alloc(region, 0, 8, &msg));
	test_ok(tsr_detach(owner));
	test_is(tsr_region_alloc(region, 0, 8, &msg), -ENOTCONN);
	test_same(regions_listed(&row), 1);
	test_same(row.tickets_out, 1);
	test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
	cr_assert_str_eq(msg.data, "stays");
	test_ok(tsr_release(other, &msg));
	test_same(regions_listed(&row), 0);
}

test_case(regions, numbers_are_used_again_and_nobody_sees_the_region_before)
{
	struct tsr_receiver receiver;
	struct tsr_sender sender;

	channel_open(&sender, &receiver);
	/* More than there are entries. */
	for (uint64_t i = 0; i < 200; i++) {
		struct tsr_region const region = region_make(1);
		struct tsr_msg msg;

		test_ok(tsr_region_alloc(region, 64, 8, &msg));
		test_same(*(uint64_t *)msg.data, 0);
		*(uint64_t *)msg.data = i;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_same(*(uint64_t *)msg.data, i);
		test_ok(tsr_release(other, &msg));
		test_ok(tsr_region_close(region));
	}
}

/* The one number that there is: nobody has looked at anything else in between. */
Test(regions, number_that_is_used_again_at_once_is_another_region)
{
	char const *const sets[] = {"realms.demo.regions=1", NULL};
	struct tsr_receiver receiver;
	struct tsr_sender sender;

	daemon_start(&daemon_, sets);
	owner = daemon_attach(&daemon_, 0);
	other = daemon_attach(&daemon_, 0);
	channel_open(&sender, &receiver);
	for (uint64_t i = 1; i <= 20; i++) {
		struct tsr_region const region = region_make(1);
		struct tsr_msg msg;

		test_ok(tsr_region_alloc(region, 64, 8, &msg));
		*(uint64_t *)msg.data = i;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_same(*(uint64_t *)msg.data, i);
		test_ok(tsr_release(other, &msg));
		test_ok(tsr_region_close(region));
	}
	regions_teardown();
}

test_case(regions, memory_comes_zeroed_in_the_largest_pages_to_be_had)
{
	struct tsr_proto_row_region row;
	struct tsr_region region;
	unsigned char *base;
	uint64_t bytes;

	test_ok(tsr_region_create(owner, (UINT64_C(4) << 20) - 100, NULL, &region));
	test_ok(tsr_region_address(region, (void **)&base, &bytes));
	test_same(bytes, UINT64_C(4) << 20);
	for (uint64_t i = 0; i < bytes; i += 64)
		test_same(base[i], 0);
	test_same(regions_listed(&row), 1);
	test_same(row.bytes, bytes);
	cr_assert(strcmp(row.backing, "2M") == 0 || strcmp(row.backing, "thp") == 0 ||
	                  strcmp(row.backing, "4K") == 0,
	          "%s", row.backing);
	test_ok(tsr_region_close(region));
}

test_case(regions, of_two_receivers_either_takes_it)
{
	struct tsr_region const region = region_make(8);
	struct tsr_receiver first, second;
	struct tsr_sender sender;
	struct tsr_msg msg;

	channel_open(&sender, &first);
	test_ok(tsr_receiver_open(owner, "c", NULL, &second));
	for (uint32_t i = 0; i < 100; i++) {
		test_ok(tsr_region_alloc(region, i * 64, 8, &msg));
		*(uint64_t *)msg.data = i;
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(i % 3 == 0 ? first : second, &msg, TSR_NOWAIT));
		test_same(*(uint64_t *)msg.data, i);
		test_ok(tsr_release(i % 3 == 0 ? other : owner, &msg));
	}
	test_ok(tsr_region_close(region));
}
