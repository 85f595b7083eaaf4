/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/client.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/*
 * What an observer can't do, tried by another user: as such, and as root of a user namespace of his
 * own. Each attempt is refused with the errno that stands here, and afterwards the realm works.
 */

#define OTHER_UID 65534

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static struct daemon daemon_;
static struct tsr_client client;
static struct tsr_sender sender;
static struct tsr_receiver receiver;

TestSuite(attacks, .timeout = 60);

static void
attacks_setup(void)
{
	char const *const sets[] = {"realms.demo.mode=0664", "socket_mode=0666",
	                            "realms.demo.backing=4K", NULL};

	daemon_start(&daemon_, sets);
	cr_assert_eq(chmod(daemon_.dir, 0755), 0);
	client = daemon_attach(&daemon_, 0);
	test_ok(tsr_sender_open(client, "watched", NULL, &sender));
	test_ok(tsr_receiver_open(client, "watched", NULL, &receiver));
}

/* Messages go through as ever. */
static void
realm_works(void)
{
	struct tsr_msg msg;

	for (uint64_t i = 0; i < 10; i++) {
		test_ok(tsr_alloc(client, sizeof(i), &msg));
		memcpy(msg.data, &i, sizeof(i));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	}
	for (uint64_t i = 0; i < 10; i++) {
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		cr_assert_eq(memcmp(msg.data, &i, sizeof(i)), 0);
		test_ok(tsr_release(client, &msg));
	}
}

static void
attacks_teardown(void)
{
	realm_works();
	test_ok(tsr_detach(client));
	daemon_stop(&daemon_);
}

/* Become the other user; @own_namespace: and root of a user namespace. */
static void
become(struct child_report *report, bool own_namespace)
{
	char map[32];
	int fd;

	child_check(report,
	            setgroups(0, NULL) == 0 && setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
	/* A change of user makes a process hide from itself what is in /proc. */
	child_check(report, prctl(PR_SET_DUMPABLE, 1) == 0);
	if (!own_namespace)
		return;
	child_check(report, unshare(CLONE_NEWUSER) == 0);
	snprintf(map, sizeof(map), "0 %d 1", OTHER_UID);
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	child_check(report, fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map), "%m");
	close(fd);
	child_check(report, geteuid() == 0);
}

/* The call fails with @want. */
#define refused(report, call, want)                                                              \
	do {                                                                                     \
		long const got_ = (long)(call);                                                  \
		int const errno_ = errno;                                                        \
		if (got_ != -1 || errno_ != (want))                                              \
			child_fail(report, __FILE__, __LINE__, #call " gave %ld (%s), %s", got_, \
			           strerror(errno_), #want);                                     \
	} while (0)

/* Everything that can be tried with one descriptor of a segment. */
static void
try_descriptor(struct child_report *report, int fd)
{
	char path[64];
	void *base;

	child_check(report, (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	refused(report, (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	refused(report, (long)mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	base = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	child_check(report, base != MAP_FAILED, "%m");
	refused(report, mprotect(base, 4096, PROT_READ | PROT_WRITE), EACCES);
	/* A hole through the mapping, and through the descriptor; shorter, longer. */
	refused(report, madvise(base, 4096, MADV_REMOVE), EACCES);
	refused(report, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), EBADF);
	refused(report, fallocate(fd, 0, 0, 4096), EBADF);
	refused(report, ftruncate(fd, 0), EINVAL);
	refused(report, pwrite(fd, "x", 1, 0), EBADF);
	refused(report, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	refused(report, fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), EPERM);
	refused(report, fchmod(fd, 0666), EPERM);
	refused(report, fchown(fd, geteuid(), (gid_t)-1), EPERM);
	/* Anew, for writing. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	refused(report, open(path, O_RDWR | O_CLOEXEC), EACCES);
	refused(report, open(path, O_WRONLY | O_CLOEXEC), EACCES);
	refused(report, open(path, O_RDONLY | O_TRUNC | O_CLOEXEC), EACCES);
	refused(report, truncate(path, 0), EACCES);
	/* A change that is private stays so. */
	munmap(base, 4096);
	base = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	child_check(report, base != MAP_FAILED, "%m");
	memset(base, 0x5a, 4096);
	munmap(base, 4096);
}

static int
thief(struct child_report *report, void *arg)
{
	struct tsr_proto_attach_reply reply;
	int fds[TSR_SEGMENTS_MAX + 1];
	int fd;

	become(report, *(bool *)arg);
	fd = raw_attach_as(&daemon_, TSR_PROTO_ATTACH_OBSERVER, fds, &reply);
	child_check(report, (reply.held & TSR_PROTO_HELD_CLIENT) == 0);
	for (int i = 0; i < __builtin_popcount(reply.held); i++)
		try_descriptor(report, fds[i]);
	raw_close(fd);
	return 0;
}

static void
run_as_other(child_body *body, bool own_namespace)
{
	struct child child;

	child_start(&child, body, &own_namespace);
	child_join(&child);
}

#define other_user(name, body)                                                        \
	test_case(attacks, name)                                                      \
	{                                                                             \
		if (geteuid() != 0)                                                   \
			test_case_skip(attacks, "needs root to become another user"); \
		run_as_other(body, false);                                            \
		run_as_other(body, true);                                             \
	}

other_user(descriptor_of_an_observer_can_be_used_for_reading_only, thief)

	/* The daemon refuses the packet with @want. */
	static void asks(struct child_report *report, int fd, uint16_t type, void *packet,
                         size_t bytes, int want)
{
	struct tsr_proto_error refusal = {0};

	raw_head(packet, type, bytes);
	child_ok(report, raw_send(fd, packet, bytes, NULL, 0));
	child_is(report, raw_recv(fd, &refusal, sizeof(refusal), NULL), (int)sizeof(refusal));
	child_is(report, refusal.head.type, TSR_PROTO_ERROR | TSR_PROTO_REPLY);
	child_check(report, refusal.error == want, "request %u gave %d (%s), expected %d", type,
	            refusal.error, refusal.text, want);
}

/* What the control socket answers to an observer who asks for what a participant may. */
static int
climber(struct child_report *report, void *arg)
{
	struct tsr_proto_end_open open = {.channel.name = "watched",
	                                  .end_flags = TSR_PROTO_END_ANY_SHAPE};
	struct tsr_proto_channel channel = {.name = "watched", .kind = TSR_KIND_BUFFERED};
	struct tsr_proto_event_open event = {.side = TSR_SIDE_SENDER};
	struct tsr_proto_attach attach = {.realm = "demo", .name = "climber"};
	struct tsr_proto_region region = {.bytes = 4096, .tickets = 1};
	struct tsr_proto_end_close end = {.end = 0};
	struct tsr_proto_attach_reply reply;
	struct tsr_proto_plain plain;
	int fd;

	become(report, *(bool *)arg);
	fd = raw_attach_as(&daemon_, TSR_PROTO_ATTACH_OBSERVER, NULL, &reply);
	/* Refused, and still refused the second time. */
	for (int round = 0; round < 2; round++) {
		for (open.side = 0; open.side < 2; open.side++)
			asks(report, fd, TSR_PROTO_END_OPEN, &open, sizeof(open), -EPERM);
		asks(report, fd, TSR_PROTO_END_CLOSE, &end, sizeof(end), -EPERM);
		asks(report, fd, TSR_PROTO_CHANNEL_CREATE, &channel, sizeof(channel), -EPERM);
		asks(report, fd, TSR_PROTO_CHANNEL_REMOVE, &channel, sizeof(channel), -EPERM);
		asks(report, fd, TSR_PROTO_EVENT_OPEN, &event, sizeof(event), -EPERM);
		asks(report, fd, TSR_PROTO_REGION_CREATE, &region, sizeof(region), -EPERM);
		asks(report, fd, TSR_PROTO_ATTACH, &attach, sizeof(attach), -EINVAL);
		asks(report, fd, TSR_PROTO_STOP, &plain, sizeof(plain), -EACCES);
	}
	raw_head(&plain, TSR_PROTO_DETACH, sizeof(plain));
	child_ok(report, raw_send(fd, &plain, sizeof(plain), NULL, 0));
	child_is(report, raw_recv(fd, &plain, sizeof(plain), NULL), (int)sizeof(plain));
	asks(report, fd, TSR_PROTO_ATTACH, &attach, sizeof(attach), -EACCES);
	attach.flags = TSR_PROTO_ATTACH_OBSERVER | TSR_PROTO_ATTACH_FENCED;
	asks(report, fd, TSR_PROTO_ATTACH, &attach, sizeof(attach), -EINVAL);
	child_check(report, raw_alive(fd));
	close(fd);
	return 0;
}

other_user(request_of_a_participant_is_refused_to_an_observer_and_stays_refused, climber)

	/* The daemon itself. */
	static int intruder(struct child_report *report, void *arg)
{
	char path[64];
	int pidfd;

	become(report, *(bool *)arg);
	refused(report, ptrace(PTRACE_ATTACH, daemon_.pid, NULL, NULL), EPERM);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)daemon_.pid);
	refused(report, open(path, O_RDWR | O_CLOEXEC), EACCES);
	pidfd = pidfd_open(daemon_.pid, 0);
	child_check(report, pidfd >= 0);
	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)daemon_.pid, fd);
		refused(report, open(path, O_RDWR | O_CLOEXEC), EACCES);
		refused(report, syscall(SYS_pidfd_getfd, pidfd, fd, 0), EPERM);
	}
	refused(report, syscall(SYS_pidfd_send_signal, pidfd, SIGSTOP, NULL, 0), EPERM);
	return 0;
}

other_user(daemon_is_out_of_an_observers_reach, intruder)

	/* How many sleepers FUTEX_CMP_REQUEUE moves away from the words of a mapping. */
	static long steal_sleepers(void const *base, size_t bytes)
{
	static uint32_t target;
	uint32_t const *const words = base;
	long moved = 0;

	for (size_t i = 0; i < bytes / sizeof(words[0]); i++) {
		long const got = syscall(SYS_futex, &words[i], FUTEX_REQUEUE, 0, 1000, &target, 0);

		moved += got > 0 ? got : 0;
	}
	(void)syscall(SYS_futex, &target, FUTEX_WAKE, 1000, NULL, NULL, 0);
	return moved;
}

/* Steal from all that one gets, and say how many it were. */
static int
stealer(struct child_report *report, void *arg)
{
	struct tsr_proto_attach_reply reply;
	int fds[TSR_SEGMENTS_MAX + 1];
	uint32_t flags = *(uint32_t *)arg;
	uint64_t moved = 0;
	uint32_t next = 0;
	int fd;

	if (flags != 0)
		become(report, false);
	fd = raw_attach_as(&daemon_, flags, fds, &reply);
	for (uint32_t i = 0; i < reply.segments; i++) {
		/* Arenas are large, and a sleeper there is its owner's own affair. */
		size_t const bytes = reply.bytes[i] < 1 << 20 ? reply.bytes[i] : 1 << 20;
		void *base;

		if ((reply.held & TSR_PROTO_HELD(i)) == 0)
			continue;
		base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fds[next++], 0);
		child_check(report, base != MAP_FAILED, "%m");
		moved += (uint64_t)steal_sleepers(base, bytes);
		munmap(base, bytes);
	}
	report_set(report, 0, 1 + moved);
	raw_close(fd);
	return 0;
}

/* Sleeps until a message comes; the safety look is off. */
static int
asleep(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_end_options const at_once = {.size = sizeof(at_once), .flags = TSR_END_NO_SPIN};
	struct tsr_receiver end;
	struct tsr_client own;
	struct tsr_msg msg;

	(void)arg;
	tsr_wait_look_ns = UINT64_MAX;
	child_ok(report, tsr_attach(&options, &own));
	child_ok(report, tsr_receiver_open(own, "slept-on", &at_once, &end));
	report_set(report, 0, 1);
	child_ok(report, tsr_recv(end, &msg, tsr_deadline_in_ms(15000)));
	child_ok(report, tsr_release(own, &msg));
	child_ok(report, tsr_detach(own));
	return 0;
}

test_case(attacks, observer_has_no_word_that_somebody_sleeps_on)
{
	uint32_t const roles[] = {TSR_PROTO_ATTACH_OBSERVER, 0};
	struct tsr_proto_row_channel row = {.sleepers = 0};
	struct child sleeper, thieves[2];
	struct tsr_sender end;
	struct tsr_msg msg;

	if (geteuid() != 0)
		test_case_skip(attacks, "needs root to become another user");
	test_ok(tsr_sender_open(client, "slept-on", NULL, &end));
	child_start(&sleeper, asleep, NULL);
	cr_assert(report_await(sleeper.report, 0, 1, 20000), "%s", sleeper.report->text);
	while (row.sleepers == 0)
		cr_assert(daemon_channel(&daemon_, "slept-on", &row));
	usleep(50000); /* from the token to the futex */
	for (int i = 0; i < 2; i++) {
		uint64_t moved;

		child_start(&thieves[i], stealer, (void *)(uintptr_t)&roles[i]);
		cr_assert(report_await(thieves[i].report, 0, 1, 20000), "%s",
		          thieves[i].report->text);
		moved = atomic_load(&thieves[i].report->word[0]) - 1;
		child_join(&thieves[i]);
		/* A participant can, which shows that this would find a sleeper. */
		cr_assert(roles[i] != 0 ? moved == 0 : moved == 1, "role %u moved %ju", roles[i],
		          (uintmax_t)moved);
	}
	test_ok(tsr_alloc(client, 8, &msg));
	test_ok(tsr_send(end, &msg, TSR_NOWAIT));
	child_join(&sleeper);
}

/* An observer does with his event descriptor what he can, and never reads it. */
static int
clogger(struct child_report *report, void *arg)
{
	struct tsr_proto_channel_find find = {.name = "watched"};
	struct tsr_proto_event_open wish = {.side = TSR_SIDE_RECEIVER};
	struct tsr_proto_event_open_reply opened;
	struct tsr_proto_channel_found found;
	struct tsr_proto_attach_reply reply;
	struct tsr_proto_event arm = {0};
	struct tsr_proto_plain plain;
	char path[64];
	int fd, event;

	become(report, *(bool *)arg);
	fd = raw_attach_as(&daemon_, TSR_PROTO_ATTACH_OBSERVER, NULL, &reply);
	raw_head(&find, TSR_PROTO_CHANNEL_FIND, sizeof(find));
	child_ok(report, raw_send(fd, &find, sizeof(find), NULL, 0));
	child_is(report, raw_recv(fd, &found, sizeof(found), NULL), (int)sizeof(found));
	wish.channel_id = found.channel_id;
	raw_head(&wish, TSR_PROTO_EVENT_OPEN, sizeof(wish));
	child_ok(report, raw_send(fd, &wish, sizeof(wish), NULL, 0));
	child_is(report, raw_recv_fd(fd, &opened, sizeof(opened), &event), (int)sizeof(opened));
	refused(report, write(event, "x", 1), EBADF);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", event);
	refused(report, open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), EACCES);
	child_check(report, fcntl(event, F_SETFL, 0) == 0);
	child_check(report, fcntl(event, F_SETPIPE_SZ, 4096) == 4096);
	arm.event = opened.event;
	for (uint64_t i = 1; i <= 5000; i++) {
		raw_head(&arm, TSR_PROTO_EVENT_ARM, sizeof(arm));
		child_ok(report, raw_send(fd, &arm, sizeof(arm), NULL, 0));
		child_is(report, raw_recv(fd, &plain, sizeof(plain), NULL), (int)sizeof(plain));
		child_is(report, plain.head.type, TSR_PROTO_EVENT_ARM | TSR_PROTO_REPLY);
		report_set(report, 0, i);
		child_check(report, report_await(report, 1, i, 10000));
	}
	raw_close(fd);
	return 0;
}

test_case(attacks, event_descriptor_that_is_never_read_holds_nobody_up)
{
	bool const own_namespace = false;
	struct child child;
	struct tsr_msg msg;

	if (geteuid() != 0)
		test_case_skip(attacks, "needs root to become another user");
	child_start(&child, clogger, (void *)(uintptr_t)&own_namespace);
	for (uint64_t i = 1; i <= 5000; i++) {
		cr_assert(report_await(child.report, 0, i, 10000), "at %ju: %s", (uintmax_t)i,
		          child.report->text);
		test_ok(tsr_alloc(client, 8, &msg));
		test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
		test_ok(tsr_recv(receiver, &msg, TSR_NOWAIT));
		test_ok(tsr_release(client, &msg));
		report_set(child.report, 1, i);
	}
	child_join(&child);
}

/* A participant does with the doorbell what he can: the daemon goes on answering and reaping. */
static int
bell_ringer(struct child_report *report, void *arg)
{
	uint64_t const most = UINT64_MAX - 1;
	struct tsr_proto_attach_reply reply;
	int fds[TSR_SEGMENTS_MAX + 1];
	uint64_t value;
	int bell;

	(void)arg;
	(void)raw_attach_segments(&daemon_, fds, &reply);
	bell = fds[__builtin_popcount(reply.held) - 1];
	child_check(report, fcntl(bell, F_SETFL, 0) == 0); /* blocking, for whoever shares it */
	report_set(report, 0, 1);
	for (uint64_t i = 0; atomic_load(&report->word[1]) == 0; i++) {
		struct pollfd ready = {.fd = bell, .events = i % 2 == 0 ? POLLOUT : POLLIN};

		if (poll(&ready, 1, 0) != 1)
			continue;
		/* Either may block for as long as the daemon lets it. */
		if (i % 2 == 0)
			(void)!write(bell, &most, sizeof(most));
		else if (i % 16 == 1)
			(void)!read(bell, &value, sizeof(value));
	}
	(void)report_await(report, 9, 1, 60000);
	return 0;
}

test_case(attacks, doorbell_that_rings_for_nothing_keeps_the_daemon_from_nothing)
{
	uint64_t const until = test_deadline(1000);
	struct child ringer, mortal;

	child_start(&ringer, bell_ringer, NULL);
	cr_assert(report_await(ringer.report, 0, 1, 20000), "%s", ringer.report->text);
	for (uint64_t died = 1; !test_passed(until); died++) {
		child_start(&mortal, asleep, NULL);
		cr_assert(report_await(mortal.report, 0, 1, 20000), "%s", mortal.report->text);
		child_kill(&mortal, SIGKILL);
		daemon_reaped(&daemon_, died);
		realm_works();
	}
	kill(ringer.pid, SIGKILL);
	child_died(&ringer);
	child_forget(&ringer);
}
