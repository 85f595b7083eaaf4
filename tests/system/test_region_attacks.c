/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/*
 * What can be tried with regions. After each attack the daemon answers, its ledger balances, and
 * its descriptors and mappings are what they were: daemon_stop() asserts that.
 */

#define REGION_BYTES UINT64_C(65536)
#define ALL_SEALS    (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define FUTURE_WRITE 0x0010 /* F_SEAL_FUTURE_WRITE */

static struct daemon daemon_;
static struct tsr_client client;

TestSuite(attacks, .timeout = 60);

static void
attacks_setup(void)
{
	char const *const sets[] = {"realms.demo.foreign_regions=true",
	                            "limits.region_bytes_per_user=1M", NULL};

	daemon_start(&daemon_, sets);
	client = daemon_attach(&daemon_, 0);
}

static void
attacks_teardown(void)
{
	(void)tsr_detach(client);
	test_same(test_maps_count(), 0);
	daemon_stop(&daemon_);
}

static int
memory_make(uint64_t bytes, unsigned flags, int seals)
{
	int const fd = memfd_create("mine", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
	if (seals != 0)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static unsigned
regions_count(void)
{
	struct tsr_proto_row_region row;

	return daemon_regions(&daemon_, &row, 1);
}

/* Registering it is refused, with these words; the descriptor is closed here. */
static void
refused(int fd, int error, char const *words)
{
	struct tsr_region region = {.handle = 42};

	cr_assert_geq(fd, 0, "no descriptor to try with: %m");
	test_is(tsr_region_register(client, fd, NULL, &region), error);
	cr_assert_not_null(strstr(tsr_last_hint(), words), "'%s' does not say '%s'",
	                   tsr_last_hint(), words);
	test_same(region.handle, 42);
	test_same(regions_count(), 0);
	close(fd);
}

test_case(attacks, memory_that_lacks_a_seal_is_refused)
{
	refused(memory_make(REGION_BYTES, 0, 0), -EINVAL, "F_SEAL_SHRINK");
	refused(memory_make(REGION_BYTES, 0, F_SEAL_GROW | F_SEAL_SEAL), -EINVAL, "seals");
	refused(memory_make(REGION_BYTES, 0, F_SEAL_SHRINK | F_SEAL_SEAL), -EINVAL, "seals");
	refused(memory_make(REGION_BYTES, 0, F_SEAL_SHRINK | F_SEAL_GROW), -EINVAL, "seals");
	refused(memory_make(REGION_BYTES, 0, F_SEAL_WRITE | F_SEAL_SEAL), -EINVAL, "seals");
	/* Without MFD_ALLOW_SEALING: sealed against seals, and nothing else. */
	refused(memfd_create("bare", MFD_CLOEXEC), -EINVAL, "seals");
}

test_case(attacks, what_is_no_memory_is_refused)
{
	char path[] = "/tmp/tessera-attack-XXXXXX", shm[] = "/dev/shm/tessera-attack-XXXXXX";
	int const file = mkstemp(path), memory = memory_make(REGION_BYTES, 0, ALL_SEALS);
	int const tmpfs = mkstemp(shm);
	char link[64];
	int pipes[2], sockets[2];

	unlink(path);
	unlink(shm);
	cr_assert_eq(ftruncate(file, (off_t)REGION_BYTES), 0);
	refused(file, -EINVAL, "expected a memfd");
	if (tmpfs >= 0) {
		cr_assert_eq(ftruncate(tmpfs, (off_t)REGION_BYTES), 0);
		refused(tmpfs, -EINVAL, "seals");
	}
	cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
	refused(pipes[0], -EINVAL, "expected a memfd");
	refused(pipes[1], -EINVAL, "expected a memfd");
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	refused(sockets[0], -EINVAL, "expected a memfd");
	close(sockets[1]);
	refused(open("/dev/zero", O_RDWR | O_CLOEXEC), -EINVAL, "expected a memfd");
	refused(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), -EINVAL, "expected a memfd");
	refused(eventfd(0, EFD_CLOEXEC), -EINVAL, "expected a memfd");
	refused(epoll_create1(EPOLL_CLOEXEC), -EINVAL, "expected a memfd");
	refused(pidfd_open(getpid(), 0), -EINVAL, "expected a memfd");
	refused(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), -EINVAL, "expected a memfd");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", memory);
	refused(open(link, O_PATH | O_CLOEXEC), -EINVAL, "expected a memfd");
	refused(open(link, O_WRONLY | O_CLOEXEC), -EINVAL, "can't be read");
	close(memory);
}

test_case(attacks, memory_of_a_size_that_cannot_be_is_refused)
{
	refused(memory_make(0, 0, ALL_SEALS), -EINVAL, "0 bytes");
	refused(memory_make(1, 0, ALL_SEALS), -EINVAL, "multiple of 4096");
	refused(memory_make(REGION_BYTES + 512, 0, ALL_SEALS), -EINVAL, "multiple of 4096");
	refused(memory_make(UINT64_C(1) << 32, 0, ALL_SEALS), -EINVAL, "up to");
	refused(memory_make(UINT64_C(1) << 40, 0, ALL_SEALS), -EINVAL, "up to");
	/* Nothing of it exists, and it counts all the same. */
	refused(memory_make(UINT64_C(1) << 21, 0, ALL_SEALS), -ENOBUFS, "region_bytes_per_user");
}

test_case(attacks, memory_on_huge_pages_must_be_safe_from_holes)
{
	unsigned const huge = MFD_HUGETLB | 21U << 26;
	struct tsr_region region;
	int fd;

	/* Nothing is touched or mapped here: no page need be free. */
	refused(memory_make(UINT64_C(2) << 20, huge, ALL_SEALS), -EINVAL, "no hole can");
	refused(memory_make(UINT64_C(2) << 20, huge, ALL_SEALS | FUTURE_WRITE), -ENOBUFS,
	        "region_bytes_per_user");
	fd = memory_make(UINT64_C(2) << 20, huge, ALL_SEALS | FUTURE_WRITE);
	cr_assert_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 21), -1);
	cr_assert_eq(errno, EPERM);
	test_is(tsr_region_register(client, fd, NULL, &region), -ENOBUFS);
	close(fd);
}

/* A region of @memory, and a message of it, received by a second client. */
static void
share(int memory, struct tsr_region *region, struct tsr_client *other, struct tsr_msg *msg)
{
	struct tsr_receiver receiver;
	struct tsr_sender sender;

	*other = daemon_attach(&daemon_, 0);
	test_ok(tsr_sender_open(client, "c", NULL, &sender));
	test_ok(tsr_receiver_open(*other, "c", NULL, &receiver));
	test_ok(tsr_region_register(client, memory, NULL, region));
	test_ok(tsr_region_alloc(*region, 0, (uint32_t)REGION_BYTES, msg));
	memset(msg->data, 'x', REGION_BYTES);
	test_ok(tsr_send(sender, msg, TSR_NOWAIT));
	test_ok(tsr_recv(receiver, msg, TSR_NOWAIT));
}

test_case(attacks, a_region_can_neither_shrink_nor_grow_nor_be_sealed_further)
{
	int const memory = memory_make(REGION_BYTES, 0, ALL_SEALS);
	struct tsr_client other;
	struct tsr_region region;
	struct tsr_msg msg;

	share(memory, &region, &other, &msg);
	cr_assert_eq(ftruncate(memory, 0), -1);
	cr_assert_eq(errno, EPERM);
	cr_assert_eq(ftruncate(memory, 1 << 20), -1);
	cr_assert_eq(fallocate(memory, 0, 0, 1 << 20), -1);
	/* A participant can't lock the others out. */
	cr_assert_eq(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE), -1);
	cr_assert_eq(((char *)msg.data)[REGION_BYTES - 1], 'x');
	test_ok(tsr_detach(other));
	test_ok(tsr_region_close(region));
	close(memory);
}

test_case(attacks, a_hole_in_small_pages_reads_as_zeros)
{
	int const memory = memory_make(REGION_BYTES, 0, ALL_SEALS);
	struct tsr_client other;
	struct tsr_region region;
	struct tsr_msg msg;
	char *data;

	share(memory, &region, &other, &msg);
	data = msg.data;
	cr_assert_eq(data[8192], 'x');
	cr_assert_eq(fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096,
	                       (off_t)REGION_BYTES - 4096),
	             0);
	cr_assert_eq(data[4095], 'x');
	for (uint64_t i = 4096; i < REGION_BYTES; i++)
		cr_assert_eq(data[i], 0);
	data[8192] = 'y';
	test_ok(tsr_release(other, &msg));
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_detach(other));
	test_ok(tsr_region_close(region));
	close(memory);
}

/* REGION_OFFER on a connection of its own; return the socket for the memory. */
static int
offer(int fd)
{
	struct tsr_proto_region request = {.tickets = 4};
	struct tsr_proto_plain reply;
	int side;

	raw_head(&request, TSR_PROTO_REGION_OFFER, sizeof(request));
	test_ok(raw_send(fd, &request, sizeof(request), NULL, 0));
	cr_assert_eq(raw_recv_fd(fd, &reply, sizeof(reply), &side), (int)sizeof(reply));
	test_same(reply.head.type, TSR_PROTO_REGION_OFFER | TSR_PROTO_REPLY);
	cr_assert_geq(side, 0);
	return side;
}

/* Send these on a fresh offer's socket: it is refused, and hung up. */
static void
offer_refused(int fd, void const *packet, size_t bytes, int const *fds, size_t count, int error)
{
	struct tsr_proto_error refusal;
	int const side = offer(fd);

	test_ok(raw_send(side, packet, bytes, fds, count));
	cr_assert_eq(raw_recv(side, &refusal, sizeof(refusal), NULL), (int)sizeof(refusal));
	test_same(refusal.head.type, TSR_PROTO_ERROR | TSR_PROTO_REPLY);
	test_is(refusal.error, error);
	test_same(raw_recv(side, &refusal, sizeof(refusal), NULL), 0);
	close(side);
	cr_assert(raw_alive(fd));
	test_same(regions_count(), 0);
}

test_case(attacks, any_other_number_of_descriptors_than_one_is_refused)
{
	int const fd = raw_attach(&daemon_), memory = memory_make(REGION_BYTES, 0, ALL_SEALS);
	struct tsr_proto_plain plain = {0};
	int many[253];

	for (unsigned i = 0; i < 253; i++)
		many[i] = memory;
	raw_head(&plain, TSR_PROTO_REGION_REGISTER, sizeof(plain));
	offer_refused(fd, &plain, sizeof(plain), NULL, 0, -EPROTO);
	offer_refused(fd, &plain, sizeof(plain), many, 2, -EPROTO);
	offer_refused(fd, &plain, sizeof(plain), many, 3, -EPROTO);
	offer_refused(fd, &plain, sizeof(plain), many, 253, -EPROTO);
	close(memory);
	raw_close(fd);
}

test_case(attacks, the_socket_of_an_offer_takes_nothing_else)
{
	int const fd = raw_attach(&daemon_), memory = memory_make(REGION_BYTES, 0, ALL_SEALS);
	unsigned char large[TSR_PROTO_PACKET_MAX] = {0};
	struct tsr_proto_plain plain = {0};

	raw_head(&plain, TSR_PROTO_PING, sizeof(plain));
	offer_refused(fd, &plain, sizeof(plain), &memory, 1, -EPROTO);
	raw_head(&plain, TSR_PROTO_REGION_REGISTER, sizeof(plain));
	plain.head.flags = 1;
	offer_refused(fd, &plain, sizeof(plain), &memory, 1, -EPROTO);
	offer_refused(fd, &plain, sizeof(plain) - 1, &memory, 1, -EPROTO);
	raw_head(&plain, TSR_PROTO_REGION_REGISTER, sizeof(plain) + 1);
	offer_refused(fd, &plain, sizeof(plain), &memory, 1, -EPROTO);
	raw_head(large, TSR_PROTO_REGION_REGISTER, sizeof(plain));
	offer_refused(fd, large, sizeof(large), &memory, 1, -EPROTO);
	/* Not a byte, and a descriptor all the same. */
	offer_refused(fd, large, 0, &memory, 1, -EPROTO);
	close(memory);
	raw_close(fd);
}

test_case(attacks, an_offer_that_is_not_taken_up_is_forgotten)
{
	int const fd = raw_attach(&daemon_), other = raw_attach(&daemon_);
	struct tsr_proto_region request = {.tickets = 4};
	struct pollfd gone = {.fd = offer(fd), .events = POLLIN};

	/* One at a time, and each client for itself. */
	raw_head(&request, TSR_PROTO_REGION_OFFER, sizeof(request));
	raw_refused(fd, &request, sizeof(request), -EBUSY);
	close(offer(other));
	cr_assert_eq(poll(&gone, 1, 5000), 1, "it is still open after 5 s");
	close(gone.fd);
	close(offer(fd));
	/* That end is gone; the daemon sees it without being asked. */
	for (uint64_t deadline = test_deadline(5000);;) {
		raw_head(&request, TSR_PROTO_REGION_OFFER, sizeof(request));
		test_ok(raw_send(fd, &request, sizeof(request), NULL, 0));
		struct tsr_proto_error reply;
		int side;

		if (raw_recv_fd(fd, &reply, sizeof(reply), &side) ==
		    (int)sizeof(struct tsr_proto_plain)) {
			close(side);
			break;
		}
		cr_assert(!test_passed(deadline), "its offer is never forgotten");
	}
	raw_close(other);
	raw_close(fd);
}

test_case(attacks, an_offer_outlives_neither_its_client_nor_its_realm)
{
	int const memory = memory_make(REGION_BYTES, 0, ALL_SEALS);
	int const fd = raw_attach(&daemon_), side = offer(fd);
	struct tsr_proto_plain plain;
	struct tsr_proto_error refusal;

	raw_close(fd); /* it has detached; the socket of the offer lives */
	raw_head(&plain, TSR_PROTO_REGION_REGISTER, sizeof(plain));
	test_ok(raw_send(side, &plain, sizeof(plain), &memory, 1));
	cr_assert_eq(raw_recv(side, &refusal, sizeof(refusal), NULL), (int)sizeof(refusal));
	test_is(refusal.error, -ENOTCONN);
	test_same(regions_count(), 0);
	close(side);
	close(memory);
}

test_case(attacks, the_control_socket_takes_no_memory)
{
	int const fd = raw_attach(&daemon_), memory = memory_make(REGION_BYTES, 0, ALL_SEALS);
	struct tsr_proto_region request = {.tickets = 4};
	struct tsr_proto_plain plain;
	int error;

	raw_head(&plain, TSR_PROTO_REGION_REGISTER, sizeof(plain));
	/* Where the kernel can, it refuses at the sender; where not, the daemon does. */
	error = raw_send(fd, &plain, sizeof(plain), &memory, 1);
	if (error == 0)
		raw_refused(fd, NULL, 0, -EPROTO);
	else
		test_is(error, -EPERM);
	raw_refused(fd, &plain, sizeof(plain), -EPROTO);
	raw_head(&request, TSR_PROTO_REGION_CREATE, sizeof(request));
	request.bytes = REGION_BYTES;
	error = raw_send(fd, &request, sizeof(request), &memory, 1);
	if (error == 0)
		raw_refused(fd, NULL, 0, -EPROTO);
	else
		test_is(error, -EPERM);
	test_same(regions_count(), 0);
	close(memory);
	raw_close(fd);
}

test_case(attacks, requests_that_cannot_be_are_refused_and_change_nothing)
{
	int const fd = raw_attach(&daemon_), greeted = raw_greet(&daemon_);
	struct tsr_proto_region request = {.tickets = 4, .bytes = REGION_BYTES};
	struct tsr_proto_region_ref ref = {.id = 1};
	struct tsr_proto_region_reply reply;
	struct tsr_region region;
	struct tsr_proto_row_region row;

	raw_head(&request, TSR_PROTO_REGION_CREATE, sizeof(request));
	raw_refused(greeted, &request, sizeof(request), -ENOTCONN);
	request.reserved = 1;
	raw_refused(fd, &request, sizeof(request), -EINVAL);
	request.reserved = 0;
	request.tickets = 0;
	raw_refused(fd, &request, sizeof(request), -EINVAL);
	request.tickets = TSR_REGION_TICKETS_MAX + 1;
	raw_refused(fd, &request, sizeof(request), -EINVAL);
	request.tickets = TSR_REGION_TICKETS_MAX;
	raw_refused(fd, &request, sizeof(request), -ENOBUFS);
	request.tickets = 1;
	request.bytes = 0;
	raw_refused(fd, &request, sizeof(request), -EINVAL);
	request.bytes = UINT64_MAX;
	raw_refused(fd, &request, sizeof(request), -EINVAL);
	request.bytes = TSR_REGION_BYTES_MAX;
	raw_refused(fd, &request, sizeof(request), -ENOBUFS);
	raw_head(&request, TSR_PROTO_REGION_OFFER, sizeof(request));
	raw_refused(fd, &request, sizeof(request), -EINVAL); /* with bytes */
	raw_head(&ref, TSR_PROTO_REGION_MAP, sizeof(ref));
	raw_refused(fd, &ref, sizeof(ref), -ESTALE);
	/* Somebody else's: it may be mapped, and not closed; another id, or number, is another. */
	test_ok(tsr_region_create(client, REGION_BYTES, NULL, &region));
	test_same(daemon_regions(&daemon_, &row, 1), 1);
	ref.id = row.id;
	ref.number = row.number;
	raw_head(&ref, TSR_PROTO_REGION_CLOSE, sizeof(ref));
	raw_refused(fd, &ref, sizeof(ref), -EPERM);
	raw_head(&ref, TSR_PROTO_REGION_MAP, sizeof(ref));
	test_ok(raw_send(fd, &ref, sizeof(ref), NULL, 0));
	cr_assert_eq(raw_recv(fd, &reply, sizeof(reply), NULL), (int)sizeof(reply));
	test_same(reply.bytes, REGION_BYTES);
	ref.id++;
	raw_refused(fd, &ref, sizeof(ref), -ESTALE);
	ref.id--;
	ref.number = UINT32_MAX;
	raw_refused(fd, &ref, sizeof(ref), -ESTALE);
	ref.number = row.number;
	ref.reserved = 1;
	raw_refused(fd, &ref, sizeof(ref), -EINVAL);
	test_same(daemon_regions(&daemon_, &row, 1), 1);
	test_same(row.state, TSR_REGION_OPEN);
	test_ok(tsr_region_close(region));
	raw_close(greeted);
	raw_close(fd);
}

/* The index of the first ticket that regions have. */
static uint32_t
tickets_of_arenas(struct tsr_client attached)
{
	struct tsr_client_info info = {.size = sizeof(info)};

	test_ok(tsr_client_info(attached, &info));
	return info.tickets;
}

/* A participant writes whatever it likes into the words of regions' tickets. */
test_case(attacks, the_daemon_believes_nothing_that_tickets_of_a_region_say)
{
	struct tsr_proto_attach_reply reply;
	int segments[TSR_SEGMENTS_MAX];
	int const fd = raw_attach_segments(&daemon_, segments, &reply);
	uint64_t seed = test_seed();
	struct tsr_proto_row_region row;
	struct tsr_ticket *tickets;
	struct tsr_region region;
	uint32_t first = 0;

	tickets = mmap(NULL, reply.bytes[TSR_SEGMENT_TICKETS], PROT_READ | PROT_WRITE, MAP_SHARED,
	               segments[TSR_SEGMENT_TICKETS], 0);
	cr_assert_neq(tickets, MAP_FAILED);
	for (unsigned round = 0; round < 50; round++) {
		struct tsr_client const victim = daemon_attach(&daemon_, 0);

		test_ok(tsr_region_create(victim, 4096, NULL, &region));
		first = tickets_of_arenas(victim);
		for (uint32_t i = 0; i < 4096; i++)
			atomic_store(&tickets[first + i].word, test_random(&seed));
		cr_assert_leq(daemon_regions(&daemon_, &row, 1), 50);
		if (round % 2 == 0)
			test_ok(tsr_region_close(region));
		test_ok(tsr_detach(victim));
	}
	/* Put it right again: all of them the daemon's, and what is closing ends. */
	for (uint32_t i = 0; i < 4096; i++)
		atomic_store(&tickets[first + i].word,
		             tsr_word_make(i, TSR_TICKET_IDLE, TSR_HOLDER_DAEMON));
	test_same(regions_count(), 0);
	munmap(tickets, reply.bytes[TSR_SEGMENT_TICKETS]);
	for (uint32_t i = 0; i < reply.segments; i++)
		close(segments[i]);
	raw_close(fd);
}

/* Descriptors that this process may open: no more than it has. */
static void
descriptors_limit(struct rlimit *before)
{
	struct rlimit now;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, before), 0);
	now = *before;
	now.rlim_cur = 3;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
}

test_case(attacks, a_region_that_cannot_be_had_leaves_the_message_where_it_is)
{
	struct tsr_channel_options const one = {.size = sizeof(one),
	                                        .flags = TSR_CHANNEL_ONE_RECEIVER};
	struct tsr_end_options const create = {.size = sizeof(create), .create = &one};
	struct tsr_client const other = daemon_attach(&daemon_, 0);
	struct tsr_receiver many[2], single;
	struct tsr_sender sender[2];
	struct tsr_region region;
	struct tsr_msg msg = {.length = 7};
	struct rlimit before;

	test_ok(tsr_region_create(client, REGION_BYTES, NULL, &region));
	test_ok(tsr_sender_open(client, "many", NULL, &sender[0]));
	test_ok(tsr_sender_open(client, "single", &create, &sender[1]));
	test_ok(tsr_receiver_open(other, "many", NULL, &many[0]));
	test_ok(tsr_receiver_open(client, "many", NULL, &many[1]));
	test_ok(tsr_receiver_open(other, "single", NULL, &single));
	for (unsigned i = 0; i < 2; i++) {
		test_ok(tsr_region_alloc(region, 0, 8, &msg));
		test_ok(tsr_send(sender[i], &msg, TSR_NOWAIT));
	}
	msg.length = 7;
	descriptors_limit(&before);
	for (unsigned i = 0; i < 3; i++) {
		test_is(tsr_recv(many[0], &msg, TSR_NOWAIT), -ENOBUFS);
		test_is(tsr_recv(single, &msg, tsr_deadline_in_ms(1000)), -ENOBUFS);
		test_same(msg.length, 7);
	}
	/* Who has it mapped takes it from under the other's nose. */
	test_ok(tsr_recv(many[1], &msg, TSR_NOWAIT));
	test_same(msg.flags, 0);
	test_ok(tsr_release(client, &msg));
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	test_is(tsr_recv(many[0], &msg, TSR_NOWAIT), -EAGAIN);
	test_ok(tsr_recv(single, &msg, TSR_NOWAIT));
	test_same(msg.flags, 0);
	test_ok(tsr_release(other, &msg));
	test_ok(tsr_detach(other));
	daemon_balanced(&daemon_, "demo");
	test_ok(tsr_region_close(region));
}

/* A receiver that takes the slot and then can't have the region. */
static int
take_in_vain(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(arg);
	struct rlimit none = {.rlim_cur = 3, .rlim_max = 3};
	struct tsr_client attached;
	struct tsr_receiver receiver;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &attached));
	child_ok(report, tsr_receiver_open(attached, "c", NULL, &receiver));
	child_ok(report, setrlimit(RLIMIT_NOFILE, &none));
	report_set(report, 0, 1);
	child_check(report, report_await(report, 1, 1, 10000));
	child_is(report, tsr_recv(receiver, &msg, TSR_NOWAIT), -ENOBUFS);
	report_set(report, 2, 1);
	child_check(report, report_await(report, 3, 1, 10000));
	child_ok(report, tsr_detach(attached));
	return 0;
}

/* The daemon is held up, so that the receiver is between taking and giving back for a while. */
test_case(attacks, who_passed_a_slot_that_is_given_back_looks_again)
{
	struct tsr_receiver receiver;
	struct tsr_sender sender;
	struct tsr_region region;
	struct tsr_end *end;
	struct child child;
	struct tsr_msg msg;
	int status;

	test_ok(tsr_region_create(client, REGION_BYTES, NULL, &region));
	test_ok(tsr_sender_open(client, "c", NULL, &sender));
	test_ok(tsr_receiver_open(client, "c", NULL, &receiver));
	child_start(&child, take_in_vain, &daemon_);
	cr_assert(report_await(child.report, 0, 1, 10000), "%s", child.report->text);
	end = tsr_end_get(receiver.handle);
	cr_assert_not_null(end);
	test_ok(tsr_region_alloc(region, 0, 8, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	cr_assert_eq(kill(daemon_.pid, SIGSTOP), 0);
	cr_assert_eq(waitpid(daemon_.pid, &status, WUNTRACED), daemon_.pid);
	cr_assert(WIFSTOPPED(status));
	report_set(child.report, 1, 1);
	for (uint64_t deadline = test_deadline(5000);
	     tsr_slot_phase(atomic_load(&end->slots[0].word)) != TSR_TAKEN; sched_yield())
		cr_assert(!test_passed(deadline), "it is never taken");
	/* Past it, to the empty one behind. */
	test_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
	cr_assert_eq(kill(daemon_.pid, SIGCONT), 0);
	test_ok(tsr_recv(receiver, &msg, tsr_deadline_in_ms(5000)));
	test_same(msg.flags, 0);
	test_ok(tsr_release(client, &msg));
	cr_assert(report_await(child.report, 2, 1, 10000), "%s", child.report->text);
	report_set(child.report, 3, 1);
	child_join(&child);
	test_ok(tsr_region_close(region));
}

/*
 * A file of a file system that this test serves itself, and stops serving: whoever asks something
 * of the file system, or closes the file, waits.
 */
struct fuse {
	int device;
	char path[64];
};

struct fuse_packet {
	struct fuse_in_header in;
	unsigned char body[8192];
};

/* Answer the next request, which must be @opcode. */
static void
fuse_answer(struct child_report *report, int device, uint32_t opcode, void const *answer,
            size_t bytes)
{
	static struct fuse_packet packet;
	struct {
		struct fuse_out_header head;
		unsigned char body[256];
	} out = {.head = {.len = (uint32_t)(sizeof(out.head) + bytes)}};

	child_check(report, read(device, &packet, sizeof(packet)) > 0);
	child_check(report, packet.in.opcode == opcode, "opcode %u", packet.in.opcode);
	out.head.unique = packet.in.unique;
	memcpy(out.body, answer, bytes);
	child_check(report, write(device, &out, out.head.len) == (ssize_t)out.head.len);
}

/* Serve the start and one opening; then nothing. */
static int __attribute__((noreturn)) fuse_serve(struct child_report *report, void *arg)
{
	struct fuse const *fuse = arg;
	struct fuse_init_out const init = {.major = FUSE_KERNEL_VERSION,
	                                   .minor = FUSE_KERNEL_MINOR_VERSION,
	                                   .max_write = 4096};
	struct fuse_open_out const opened = {.fh = 1};

	fuse_answer(report, fuse->device, FUSE_INIT, &init, sizeof(init));
	fuse_answer(report, fuse->device, FUSE_OPEN, &opened, sizeof(opened));
	for (;;)
		pause();
}

static bool
fuse_mount(struct fuse *fuse)
{
	char options[128];
	int file;

	/* For this process alone: nothing is left when the test is killed. */
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	strcpy(fuse->path, "/tmp/tessera-fuse-XXXXXX");
	file = mkstemp(fuse->path);
	cr_assert_geq(file, 0);
	close(file);
	fuse->device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100644,user_id=0,group_id=0",
	         fuse->device);
	if (fuse->device >= 0 &&
	    mount("tessera-test", fuse->path, "fuse", MS_NOSUID | MS_NODEV, options) == 0)
		return true;
	if (fuse->device >= 0)
		close(fuse->device);
	unlink(fuse->path);
	return false;
}

test_case(attacks, a_file_that_cannot_be_closed_holds_up_nobody)
{
	struct tsr_proto_plain plain;
	struct tsr_proto_region request = {.tickets = 4};
	struct child child;
	struct fuse fuse;
	int fd, evil;

	if (!fuse_mount(&fuse))
		test_case_skip(attacks, "no file system of one's own can be mounted here");
	child_start(&child, fuse_serve, &fuse);
	evil = open(fuse.path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(evil, 0, "%m: %s", child.report->text);
	fd = raw_attach(&daemon_);
	raw_head(&plain, TSR_PROTO_REGION_REGISTER, sizeof(plain));
	/* Each is refused at once, and closed by somebody who waits; the others are served. */
	for (unsigned i = 0; i < 16; i++)
		offer_refused(fd, &plain, sizeof(plain), &evil, 1, -EINVAL);
	/* When too many wait, nothing more is taken. */
	raw_head(&request, TSR_PROTO_REGION_OFFER, sizeof(request));
	raw_refused(fd, &request, sizeof(request), -EBUSY);
	daemon_balanced(&daemon_, "demo");
	/* The end of who serves it is the end of all waiting. */
	child_kill(&child, SIGKILL);
	close(fuse.device);
	cr_assert_eq(umount2(fuse.path, MNT_DETACH), 0);
	close(evil);
	unlink(fuse.path);
	for (uint64_t deadline = test_deadline(10000); tsr_now_ns() < deadline; sched_yield()) {
		struct tsr_proto_error reply;
		int side;

		test_ok(raw_send(fd, &request, sizeof(request), NULL, 0));
		if (raw_recv_fd(fd, &reply, sizeof(reply), &side) ==
		    (int)sizeof(struct tsr_proto_plain)) {
			close(side);
			raw_close(fd);
			return;
		}
	}
	cr_assert_fail("descriptors are never closed");
}
