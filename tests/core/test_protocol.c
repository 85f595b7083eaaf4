/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

/*
 * What the daemon must refuse: each refusal names what was refused and what was expected, to the
 * asker and in the log, and changes nothing. daemon_stop() shows that no descriptor is left.
 */

static struct daemon daemon_;

static void
protocol_setup(void)
{
	daemon_start(&daemon_, NULL);
}

static void
protocol_teardown(void)
{
	int const fd = raw_attach(&daemon_);

	cr_assert(raw_alive(fd), "the daemon serves nobody any more");
	raw_close(fd);
	daemon_stop(&daemon_);
}

TestSuite(protocol, .timeout = 30);

static bool
compat(void)
{
	return (daemon_status(&daemon_).flags & TSR_STATUS_COMPAT) != 0;
}

static struct tsr_proto_hello
hello(void)
{
	struct tsr_proto_hello packet = {
		.magic = TSR_PROTO_MAGIC,
		.version = TSR_PROTO_VERSION,
		.layout_version = TSR_LAYOUT_VERSION,
		.layout_hash = tsr_layout_hash(),
	};

	raw_head(&packet, TSR_PROTO_HELLO, sizeof(packet));
	return packet;
}

static void
says(char const *text, char const *words)
{
	cr_assert_not_null(strstr(text, words), "'%s' does not say '%s'", text, words);
}

test_case(protocol, another_version_is_refused_with_both_numbers)
{
	struct tsr_proto_hello packet = hello();
	int const fd = raw_connect(&daemon_);
	char const *text;
	char number[16];

	packet.version = 4711;
	text = raw_refused(fd, &packet, sizeof(packet), -EPROTO);
	says(text, "4711");
	snprintf(number, sizeof(number), "%u", TSR_PROTO_VERSION);
	says(text, number);
	daemon_log_has(&daemon_, "4711");
	close(fd);
}

test_case(protocol, another_layout_is_refused_with_both_hashes)
{
	struct tsr_proto_hello packet = hello();
	int const fd = raw_connect(&daemon_);
	char const *text;
	char hash[32];

	packet.layout_hash = UINT64_C(0x1122334455667788);
	text = raw_refused(fd, &packet, sizeof(packet), -EPROTO);
	says(text, "1122334455667788");
	snprintf(hash, sizeof(hash), "%jx", (uintmax_t)tsr_layout_hash());
	says(text, hash);
	daemon_log_has(&daemon_, "1122334455667788");
	close(fd);
}

test_case(protocol, another_layout_version_is_refused)
{
	struct tsr_proto_hello packet = hello();
	int const fd = raw_connect(&daemon_);

	packet.layout_version = 4712;
	says(raw_refused(fd, &packet, sizeof(packet), -EPROTO), "4712");
	close(fd);
}

test_case(protocol, another_magic_is_refused)
{
	struct tsr_proto_hello packet = hello();
	int const fd = raw_connect(&daemon_);

	packet.magic = 0x12345678;
	raw_refused(fd, &packet, sizeof(packet), -EPROTO);
	close(fd);
}

test_case(protocol, every_request_before_the_greeting_is_refused)
{
	for (uint16_t type = TSR_PROTO_PIDFD; type < TSR_PROTO_TYPE_END; type++) {
		static unsigned char packet[sizeof(struct tsr_proto_attach)];
		int const fd = raw_connect(&daemon_);
		struct tsr_proto_error refusal;

		memset(packet, 0, sizeof(packet));
		raw_head(packet, type, sizeof(struct tsr_proto_plain));
		test_ok(raw_send(fd, packet, sizeof(struct tsr_proto_plain), NULL, 0));
		cr_assert_eq(raw_recv(fd, &refusal, sizeof(refusal), NULL), (int)sizeof(refusal),
		             "type %u was not refused", type);
		test_same(refusal.head.type, TSR_PROTO_ERROR | TSR_PROTO_REPLY);
		cr_assert_lt(refusal.error, 0);
		close(fd);
	}
	test_same(daemon_status(&daemon_).clients, 0);
}

test_case(protocol, requests_of_a_client_are_refused_before_it_is_attached)
{
	struct tsr_proto_channel create = {.name = "early", .kind = TSR_KIND_BUFFERED};
	struct tsr_proto_end_open open = {.channel = create};
	struct tsr_proto_end_close close_end = {.end = 0};
	struct tsr_proto_plain detach;
	int const fd = raw_greet(&daemon_);

	raw_head(&create, TSR_PROTO_CHANNEL_CREATE, sizeof(create));
	raw_refused(fd, &create, sizeof(create), -ENOTCONN);
	raw_head(&create, TSR_PROTO_CHANNEL_REMOVE, sizeof(create));
	raw_refused(fd, &create, sizeof(create), -ENOTCONN);
	raw_head(&open, TSR_PROTO_END_OPEN, sizeof(open));
	raw_refused(fd, &open, sizeof(open), -ENOTCONN);
	raw_head(&close_end, TSR_PROTO_END_CLOSE, sizeof(close_end));
	raw_refused(fd, &close_end, sizeof(close_end), -ENOTCONN);
	raw_head(&detach, TSR_PROTO_DETACH, sizeof(detach));
	raw_refused(fd, &detach, sizeof(detach), -ENOTCONN);
	cr_assert(raw_alive(fd), "the refusals changed something");
	close(fd);
	test_same(daemon_status(&daemon_).channels, 0);
}

test_case(protocol, connection_is_attached_once)
{
	struct tsr_proto_attach attach = {.realm = "demo", .name = "twice"};
	int const fd = raw_attach(&daemon_);

	raw_head(&attach, TSR_PROTO_ATTACH, sizeof(attach));
	raw_refused(fd, &attach, sizeof(attach), -EINVAL);
	cr_assert(raw_alive(fd));
	test_same(daemon_status(&daemon_).clients, 1);
	raw_close(fd);
}

test_case(protocol, realm_that_is_not_there_is_named)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_client client = {.handle = 42};

	options.realm = "elsewhere";
	test_is(tsr_attach(&options, &client), -ENOENT);
	says(tsr_last_hint(), "elsewhere");
	test_same(client.handle, 42);
	daemon_log_has(&daemon_, "elsewhere");
	options.realm = "";
	cr_assert_lt(tsr_attach(&options, &client), 0);
}

test_case(protocol, name_without_an_end_is_refused)
{
	struct tsr_proto_attach attach = {.flags = 0};
	struct tsr_proto_channel create = {.kind = TSR_KIND_BUFFERED};
	struct tsr_proto_ledger ledger;
	int fd = raw_greet(&daemon_);

	memset(attach.realm, 'x', sizeof(attach.realm));
	raw_head(&attach, TSR_PROTO_ATTACH, sizeof(attach));
	raw_refused(fd, &attach, sizeof(attach), -ENAMETOOLONG);
	strcpy(attach.realm, "demo");
	memset(attach.name, 'x', sizeof(attach.name));
	raw_head(&attach, TSR_PROTO_ATTACH, sizeof(attach));
	raw_refused(fd, &attach, sizeof(attach), -ENAMETOOLONG);
	memset(ledger.realm, 'x', sizeof(ledger.realm));
	raw_head(&ledger, TSR_PROTO_LEDGER, sizeof(ledger));
	raw_refused(fd, &ledger, sizeof(ledger), -ENAMETOOLONG);
	raw_close(fd);
	fd = raw_attach(&daemon_);
	memset(create.name, 'x', sizeof(create.name));
	raw_head(&create, TSR_PROTO_CHANNEL_CREATE, sizeof(create));
	raw_refused(fd, &create, sizeof(create), -ENAMETOOLONG);
	cr_assert(raw_alive(fd));
	raw_close(fd);
}

/* The whole length of each request. */
static size_t
request_bytes(uint16_t type)
{
	switch (type) {
	case TSR_PROTO_HELLO:
		return sizeof(struct tsr_proto_hello);
	case TSR_PROTO_ATTACH:
		return sizeof(struct tsr_proto_attach);
	case TSR_PROTO_CHANNEL_CREATE:
	case TSR_PROTO_CHANNEL_REMOVE:
		return sizeof(struct tsr_proto_channel);
	case TSR_PROTO_END_OPEN:
		return sizeof(struct tsr_proto_end_open);
	case TSR_PROTO_END_CLOSE:
		return sizeof(struct tsr_proto_end_close);
	case TSR_PROTO_LIST:
		return sizeof(struct tsr_proto_list);
	case TSR_PROTO_FEED:
		return sizeof(struct tsr_proto_feed);
	case TSR_PROTO_LEDGER:
		return sizeof(struct tsr_proto_ledger);
	case TSR_PROTO_SEGMENTS:
		return sizeof(struct tsr_proto_segments);
	default:
		return sizeof(struct tsr_proto_plain);
	}
}

/* Send a packet that must be refused, on a connection that may be closed for it. */
static void
refused_somehow(int *fd, void const *packet, size_t bytes, char const *what)
{
	struct tsr_proto_error refusal;
	int got;

	if (raw_send(*fd, packet, bytes, NULL, 0) != 0) {
		raw_close(*fd);
		*fd = raw_attach(&daemon_);
		test_ok(raw_send(*fd, packet, bytes, NULL, 0));
	}
	got = raw_recv(*fd, &refusal, sizeof(refusal), NULL);
	cr_assert_eq(got, (int)sizeof(refusal), "%s of %zu bytes got %d bytes", what, bytes, got);
	cr_assert_eq(refusal.head.type, TSR_PROTO_ERROR | TSR_PROTO_REPLY, "%s of %zu bytes", what,
	             bytes);
	cr_assert_lt(refusal.error, 0);
	cr_assert_str_not_empty(refusal.text);
}

test_case(protocol, packets_of_every_wrong_length_are_refused)
{
	static unsigned char packet[TSR_PROTO_PACKET_MAX];
	uint64_t const refused = daemon_status(&daemon_).refused;
	uint64_t count = 0;
	int fd = raw_attach(&daemon_);

	for (uint16_t type = TSR_PROTO_HELLO; type < TSR_PROTO_TYPE_END; type++) {
		size_t const whole = request_bytes(type);

		for (size_t bytes = 1; bytes <= whole + 8; bytes++) {
			if (bytes == whole)
				continue;
			memset(packet, 0, sizeof(packet));
			raw_head(packet, type, bytes);
			refused_somehow(&fd, packet, bytes, "a packet");
			count++;
		}
	}
	cr_assert_geq(daemon_status(&daemon_).refused, refused + count);
	test_same(daemon_status(&daemon_).channels, 0);
	raw_close(fd);
}

test_case(protocol, length_that_is_not_the_packets_is_refused)
{
	struct tsr_proto_plain ping;
	uint32_t const lies[] = {0, 15, 17, UINT32_MAX};
	int fd = raw_attach(&daemon_);

	for (int i = 0; i < 4; i++) {
		raw_head(&ping, TSR_PROTO_PING, sizeof(ping));
		ping.head.length = lies[i];
		refused_somehow(&fd, &ping, sizeof(ping), "a lie");
	}
	raw_close(fd);
}

test_case(protocol, oversized_packets_are_refused)
{
	static unsigned char packet[200000];
	size_t const sizes[] = {TSR_PROTO_PACKET_MAX, TSR_PROTO_PACKET_MAX + 1, 65536, 150000};
	int fd = raw_attach(&daemon_);

	for (int i = 0; i < 4; i++) {
		raw_head(packet, TSR_PROTO_PING, sizes[i]);
		refused_somehow(&fd, packet, sizes[i], "an oversized packet");
	}
	raw_close(fd);
}

test_case(protocol, types_that_are_not_there_are_refused)
{
	uint16_t const types[] = {0,
	                          TSR_PROTO_TYPE_END,
	                          100,
	                          TSR_PROTO_ERROR,
	                          TSR_PROTO_ERROR | TSR_PROTO_REPLY,
	                          TSR_PROTO_PING | TSR_PROTO_REPLY,
	                          UINT16_MAX};
	struct tsr_proto_plain packet;
	int fd = raw_attach(&daemon_);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		raw_head(&packet, types[i], sizeof(packet));
		refused_somehow(&fd, &packet, sizeof(packet), "an unknown type");
	}
	raw_close(fd);
}

test_case(protocol, descriptors_that_nobody_asked_for_do_not_reach_the_daemon)
{
	int const memory = memfd_create("unasked", MFD_CLOEXEC);
	uint32_t const descriptors = daemon_ledger(&daemon_, "demo").descriptors;
	bool const old = compat();
	int fds[16];

	for (int i = 0; i < 16; i++)
		fds[i] = memory;
	for (size_t count = 1; count <= 16; count += 5) {
		int const fd = raw_attach(&daemon_);
		struct tsr_proto_plain ping;
		struct tsr_proto_error refusal;
		int error;

		raw_head(&ping, TSR_PROTO_PING, sizeof(ping));
		error = raw_send(fd, &ping, sizeof(ping), fds, count);
		if (error == 0) {
			/* The kernel let it through: the daemon refuses it, and closes them. */
			cr_assert_eq(raw_recv(fd, &refusal, sizeof(refusal), NULL),
			             (int)sizeof(refusal));
			test_same(refusal.head.type, TSR_PROTO_ERROR | TSR_PROTO_REPLY);
		} else {
			cr_assert_eq(error, -EPERM, "%d", error);
			cr_assert(!old, "compat.kernel=6.1 has no SO_PASSRIGHTS");
		}
		raw_close(fd);
	}
	close(memory);
	(void)descriptors; /* daemon_stop() counts them */
}

test_case(protocol, process_descriptor_of_another_process_is_refused)
{
	struct tsr_proto_hello packet = hello();
	struct tsr_proto_hello_reply reply;
	struct tsr_proto_plain plain;
	int wrong[3];

	if (!compat())
		test_case_skip(protocol, "this kernel gives the daemon SO_PEERPIDFD");
	wrong[0] = pidfd_open(getppid(), 0);
	wrong[1] = memfd_create("not a process", MFD_CLOEXEC);
	wrong[2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		int const fd = raw_connect(&daemon_);

		cr_assert_geq(wrong[i], 0);
		test_ok(raw_send(fd, &packet, sizeof(packet), NULL, 0));
		cr_assert_eq(raw_recv(fd, &reply, sizeof(reply), NULL), (int)sizeof(reply));
		cr_assert((reply.flags & TSR_HELLO_WANTS_PIDFD) != 0);
		raw_head(&plain, TSR_PROTO_PIDFD, sizeof(plain));
		test_ok(raw_send(fd, &plain, sizeof(plain), &wrong[i], 1));
		{
			struct tsr_proto_error refusal;

			cr_assert_eq(raw_recv(fd, &refusal, sizeof(refusal), NULL),
			             (int)sizeof(refusal));
			test_same(refusal.head.type, TSR_PROTO_ERROR | TSR_PROTO_REPLY);
			cr_assert_lt(refusal.error, 0);
		}
		close(fd);
		close(wrong[i]);
	}
}

test_case(protocol, attach_without_the_process_descriptor_that_was_asked_for_is_refused)
{
	struct tsr_proto_attach attach = {.realm = "demo", .name = "nobody"};
	struct tsr_proto_hello packet = hello();
	struct tsr_proto_hello_reply reply;
	int fd;

	if (!compat())
		test_case_skip(protocol, "this kernel gives the daemon SO_PEERPIDFD");
	fd = raw_connect(&daemon_);
	test_ok(raw_send(fd, &packet, sizeof(packet), NULL, 0));
	cr_assert_eq(raw_recv(fd, &reply, sizeof(reply), NULL), (int)sizeof(reply));
	raw_head(&attach, TSR_PROTO_ATTACH, sizeof(attach));
	raw_refused(fd, &attach, sizeof(attach), -EPROTO);
	close(fd);
}

test_case(protocol, fields_that_cannot_be_are_refused_and_change_nothing)
{
	struct tsr_proto_channel create = {.name = "odd", .kind = TSR_KIND_BUFFERED};
	struct tsr_proto_end_open open = {.channel = create};
	struct tsr_proto_end_close close_end = {.end = 12345};
	struct tsr_proto_list list = {.what = 99};
	struct tsr_proto_attach attach = {.realm = "demo", .flags = 0xffff0000};
	int fd = raw_attach(&daemon_);

	create.kind = 77;
	raw_head(&create, TSR_PROTO_CHANNEL_CREATE, sizeof(create));
	raw_refused(fd, &create, sizeof(create), -EINVAL);
	create.kind = TSR_KIND_BUFFERED;
	create.capacity = 3;
	raw_head(&create, TSR_PROTO_CHANNEL_CREATE, sizeof(create));
	raw_refused(fd, &create, sizeof(create), -EINVAL);
	create.capacity = 8;
	create.flags = UINT32_MAX;
	raw_head(&create, TSR_PROTO_CHANNEL_CREATE, sizeof(create));
	raw_refused(fd, &create, sizeof(create), -EINVAL);
	open.side = 2;
	raw_head(&open, TSR_PROTO_END_OPEN, sizeof(open));
	raw_refused(fd, &open, sizeof(open), -EINVAL);
	open.side = TSR_SIDE_SENDER;
	open.end_flags = 0x80000000;
	raw_head(&open, TSR_PROTO_END_OPEN, sizeof(open));
	raw_refused(fd, &open, sizeof(open), -EINVAL);
	raw_head(&close_end, TSR_PROTO_END_CLOSE, sizeof(close_end));
	raw_refused(fd, &close_end, sizeof(close_end), -ESTALE);
	close_end.end = UINT32_MAX;
	raw_head(&close_end, TSR_PROTO_END_CLOSE, sizeof(close_end));
	raw_refused(fd, &close_end, sizeof(close_end), -ESTALE);
	raw_head(&list, TSR_PROTO_LIST, sizeof(list));
	raw_refused(fd, &list, sizeof(list), -EINVAL);
	cr_assert(raw_alive(fd));
	raw_close(fd);
	fd = raw_greet(&daemon_);
	raw_head(&attach, TSR_PROTO_ATTACH, sizeof(attach));
	raw_refused(fd, &attach, sizeof(attach), -EINVAL);
	raw_close(fd);
	test_same(daemon_status(&daemon_).channels, 0);
}

test_case(protocol, end_of_another_client_cannot_be_closed)
{
	struct tsr_proto_end_close close_end = {.end = 0};
	struct tsr_client client = daemon_attach(&daemon_, 0);
	struct tsr_proto_row_channel row;
	struct tsr_sender sender;
	int const fd = raw_attach(&daemon_);

	test_ok(tsr_sender_open(client, "mine", NULL, &sender));
	for (uint32_t end = 0; end < 64; end++) {
		close_end.end = end;
		raw_head(&close_end, TSR_PROTO_END_CLOSE, sizeof(close_end));
		raw_refused(fd, &close_end, sizeof(close_end), -ESTALE);
	}
	cr_assert(daemon_channel(&daemon_, "mine", &row));
	test_same(row.senders, 1);
	raw_close(fd);
	test_ok(tsr_detach(client));
}

test_case(protocol, end_that_was_closed_has_a_number_that_no_other_has)
{
	struct tsr_proto_end_open open = {.channel = {.name = "mine", .kind = TSR_KIND_BUFFERED}};
	struct tsr_proto_end_open_reply opened;
	struct tsr_proto_end_close close_end = {0};
	struct tsr_proto_row_channel row;
	struct tsr_proto_plain closed;
	int const fd = raw_attach(&daemon_);
	size_t fds = 0;

	for (int round = 0; round < 2; round++) {
		raw_head(&open, TSR_PROTO_END_OPEN, sizeof(open));
		test_ok(raw_send(fd, &open, sizeof(open), NULL, 0));
		test_is(raw_recv(fd, &opened, sizeof(opened), &fds), (int)sizeof(opened));
		if (round == 0) {
			close_end.end = opened.end;
			raw_head(&close_end, TSR_PROTO_END_CLOSE, sizeof(close_end));
			test_ok(raw_send(fd, &close_end, sizeof(close_end), NULL, 0));
			test_is(raw_recv(fd, &closed, sizeof(closed), &fds), (int)sizeof(closed));
		}
	}
	raw_refused(fd, &close_end, sizeof(close_end), -ESTALE);
	cr_assert(daemon_channel(&daemon_, "mine", &row));
	test_same(row.senders, 1);
	raw_close(fd);
}

test_case(protocol, every_segment_is_sealed_and_what_the_daemon_writes_for_good)
{
	struct tsr_proto_attach_reply reply;
	int segments[TSR_SEGMENTS_MAX];
	int const fd = raw_attach_segments(&daemon_, segments, &reply);

	for (uint32_t i = 0; i < reply.segments; i++) {
		bool const daemons = i == TSR_SEGMENT_DIRECTORY || i == TSR_SEGMENT_BLOCKS;
		int const all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
		int const known =
			all | F_SEAL_FUTURE_WRITE; /* newer kernels add one of their own */

		test_same(fcntl(segments[i], F_GET_SEALS) & known, daemons ? known : all);
		close(segments[i]);
	}
	raw_close(fd);
}

test_case(protocol, detached_connection_is_no_client_any_more)
{
	struct tsr_proto_end_open open = {.channel = {.name = "late", .kind = TSR_KIND_BUFFERED}};
	struct tsr_proto_plain detach, reply;
	int const fd = raw_attach(&daemon_);

	raw_head(&detach, TSR_PROTO_DETACH, sizeof(detach));
	test_ok(raw_send(fd, &detach, sizeof(detach), NULL, 0));
	cr_assert_eq(raw_recv(fd, &reply, sizeof(reply), NULL), (int)sizeof(reply));
	test_same(reply.head.type, TSR_PROTO_DETACH | TSR_PROTO_REPLY);
	raw_head(&open, TSR_PROTO_END_OPEN, sizeof(open));
	if (raw_send(fd, &open, sizeof(open), NULL, 0) == 0) {
		struct tsr_proto_error refusal;
		int const got = raw_recv(fd, &refusal, sizeof(refusal), NULL);

		cr_assert(got == 0 || refusal.head.type == (TSR_PROTO_ERROR | TSR_PROTO_REPLY));
	}
	raw_close(fd);
	test_same(daemon_status(&daemon_).channels, 0);
}

test_case(protocol, flood_from_one_does_not_keep_the_daemon_from_others)
{
	struct tsr_proto_plain ping;
	int const flood = raw_greet(&daemon_), other = raw_greet(&daemon_);
	unsigned sent = 0;

	/* Nobody reads the answers. */
	for (int i = 0; i < 50000; i++) {
		raw_head(&ping, TSR_PROTO_PING, sizeof(ping));
		if (send(flood, &ping, sizeof(ping), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(ping))
			sent++;
		if (i % 5000 == 0) {
			uint64_t const deadline = test_deadline(1000);

			cr_assert(raw_alive(other), "after %u messages", sent);
			cr_assert(!test_passed(deadline), "an answer took more than a second");
		}
	}
	cr_assert_gt(sent, 100);
	close(flood);
	close(other);
}

test_case(protocol, connections_that_say_nothing_or_hang_up_at_once_leave_nothing)
{
	for (int i = 0; i < 200; i++) {
		int const fd = raw_connect(&daemon_);

		if (i % 3 == 0)
			test_ok(raw_send(fd, "x", 1, NULL, 0));
		if (i % 3 == 1)
			shutdown(fd, SHUT_RDWR);
		raw_close(fd);
	}
	for (int i = 0; i < 20; i++)
		raw_close(raw_attach(&daemon_));
}

test_case_within(protocol, random_packets_are_survived, 60)
{
	static unsigned char packet[1024], reply[TSR_PROTO_PACKET_MAX];
	uint64_t seed = test_seed();
	int fd = raw_attach(&daemon_);

	for (int i = 0; i < (test_nightly() ? 500000 : 20000); i++) {
		size_t const bytes = 1 + test_random(&seed) % sizeof(packet);
		uint64_t const r = test_random(&seed);

		for (size_t k = 0; k < bytes; k++)
			packet[k] = (unsigned char)((r & 1) != 0 ? test_random(&seed) : 0);
		if ((r & 2) != 0 && bytes >= sizeof(struct tsr_proto_head)) {
			uint16_t const type = (uint16_t)(1 + (r >> 8) % (TSR_PROTO_TYPE_END - 1));
			size_t const whole = request_bytes(type);

			/* Not STOP, which it would rightly obey. */
			raw_head(packet, type == TSR_PROTO_STOP ? TSR_PROTO_PING : type, whole);
			if (raw_send(fd, packet, whole, NULL, 0) == 0 &&
			    raw_recv(fd, reply, sizeof(reply), NULL) > 0)
				continue;
		} else if (raw_send(fd, packet, bytes, NULL, 0) == 0 &&
		           raw_recv(fd, reply, sizeof(reply), NULL) > 0) {
			continue;
		}
		raw_close(fd);
		fd = raw_attach(&daemon_);
	}
	raw_close(fd);
}

/* Another user. */

#define OTHER_UID 65534

struct stranger {
	int want;      /* what connecting gives */
	int attach;    /* what attaching gives, if it connects */
	char hint[64]; /* what is said */
};

static int
stranger(struct child_report *report, void *arg)
{
	struct stranger const *want = arg;
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_control control;
	struct tsr_client client;

	child_check(report,
	            setgroups(0, NULL) == 0 && setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
	child_is(report, tsr_control_open(&control, daemon_.socket, tsr_deadline_in_ms(5000)),
	         want->want);
	if (want->want != 0)
		return 0;
	tsr_control_close(&control);
	child_is(report, tsr_attach(&options, &client), want->attach);
	child_check(report, strstr(tsr_last_hint(), want->hint) != NULL, "%s", tsr_last_hint());
	if (want->attach == 0)
		child_ok(report, tsr_detach(client));
	return 0;
}

static void
as_stranger(struct stranger *want)
{
	struct child child;

	child_start(&child, stranger, want);
	child_join(&child);
}

test_case(protocol, user_whom_the_file_system_keeps_out_cannot_connect)
{
	struct stranger want = {.want = -EACCES};

	if (geteuid() != 0)
		test_case_skip(protocol, "needs root to become another user");
	as_stranger(&want);
}

test_case(protocol, user_whom_the_realm_does_not_admit_is_refused_by_its_credentials)
{
	struct stranger want = {.attach = -EACCES, .hint = "demo"};

	if (geteuid() != 0)
		test_case_skip(protocol, "needs root to become another user");
	cr_assert_eq(chmod(daemon_.dir, 0755), 0);
	cr_assert_eq(chmod(daemon_.socket, 0666), 0);
	as_stranger(&want);
	daemon_log_has(&daemon_, "65534");
	test_same(daemon_status(&daemon_).clients, 0);
}
