/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/* SEGMENTS: who gets which descriptors to look at, and that nobody can write through them. */

#define OTHER_UID 65534

/* All that comes before the arenas. */
#define PARTICIPANTS ((UINT32_C(1) << TSR_SEGMENT_ARENA0) - 1)
#define OBSERVERS \
	(PARTICIPANTS & ~(UINT32_C(1) << TSR_SEGMENT_STATE | UINT32_C(1) << TSR_SEGMENT_TOKENS))

static struct daemon daemon_;

TestSuite(segments, .timeout = 30);

/* Return: the error; what came is in @reply and @fds. */
static int
ask(char const *realm, struct tsr_proto_segments_reply *reply, int *fds, size_t *count)
{
	struct tsr_proto_segments request = {.realm = ""};
	struct tsr_control control;
	int error = tsr_control_open(&control, daemon_.socket, tsr_deadline_in_ms(5000));

	*count = 0;
	memcpy(request.realm, realm, strnlen(realm, sizeof(request.realm)));
	if (error == 0)
		error = tsr_control_ask_fds(&control, TSR_PROTO_SEGMENTS, &request, sizeof(request),
		                            reply, sizeof(*reply), fds, TSR_SEGMENTS_MAX, count,
		                            tsr_deadline_in_ms(5000));
	tsr_control_close(&control);
	return error;
}

/* It can be read and in no way written. */
static bool
is_read_only(int fd, uint64_t bytes)
{
	struct stat status;
	void *map;
	char byte = 0;

	if (fstat(fd, &status) != 0 || (uint64_t)status.st_size != bytes ||
	    pread(fd, &byte, 1, 0) != 1 || pwrite(fd, &byte, 1, 0) >= 0 ||
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0)
		return false;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		return false;
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	return map != MAP_FAILED && mprotect(map, bytes, PROT_READ | PROT_WRITE) != 0 &&
	       munmap(map, bytes) == 0;
}

Test(segments, participant_gets_all_but_the_payload_and_can_write_through_none)
{
	struct tsr_proto_segments_reply reply;
	int fds[TSR_SEGMENTS_MAX];
	size_t count;

	daemon_start(&daemon_, NULL);
	for (int round = 0; round < 100; round++) {
		test_ok(ask("demo", &reply, fds, &count));
		test_same(reply.sent, PARTICIPANTS);
		test_same(count, TSR_SEGMENT_ARENA0);
		for (size_t i = 0; i < count; i++) {
			cr_assert(round != 0 || is_read_only(fds[i], reply.bytes[i]), "segment %zu",
			          i);
			close(fds[i]);
		}
	}
	test_is(ask("none", &reply, fds, &count), -ENOENT);
	test_is(ask("", &reply, fds, &count), -ENOENT);
	test_is(ask("a-name-of-sixty-four-characters-has-no-room-left-for-its-final-0", &reply, fds,
	            &count),
	        -ENAMETOOLONG);
	/* Nothing of it is left open: daemon_stop() looks. */
	daemon_stop(&daemon_);
}

struct visitor {
	int want;
	uint32_t sent;
};

static int
visit(struct child_report *report, void *arg)
{
	struct visitor const *const visitor = arg;
	struct tsr_proto_segments_reply reply = {.sent = 0};
	int fds[TSR_SEGMENTS_MAX];
	uint32_t sent;
	size_t count;

	child_check(report,
	            setgroups(0, NULL) == 0 && setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
	child_is(report, ask("demo", &reply, fds, &count), visitor->want);
	child_check(report, reply.sent == visitor->sent, "%#x", reply.sent);
	sent = reply.sent;
	for (size_t i = 0; i < count; i++) {
		char path[32];

		child_check(report, is_read_only(fds[i], reply.bytes[__builtin_ctz(sent)]),
		            "segment %d", __builtin_ctz(sent));
		sent &= sent - 1;
		/* Another user can't open it anew for writing, either. */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		child_check(report, open(path, O_RDWR) < 0);
	}
	return 0;
}

static void
visited(char const *mode, struct visitor visitor)
{
	char const *const sets[] = {mode, NULL};
	struct child child;

	if (geteuid() != 0)
		cr_skip_test("needs root to become another user");
	daemon_start(&daemon_, sets);
	cr_assert_eq(chmod(daemon_.dir, 0755), 0);
	cr_assert_eq(chmod(daemon_.socket, 0666), 0);
	child_start(&child, visit, &visitor);
	child_join(&child);
	daemon_stop(&daemon_);
}

Test(segments, observer_gets_none_with_futex_words)
{
	visited("realms.demo.mode=0604", (struct visitor){.want = 0, .sent = OBSERVERS});
}

Test(segments, other_users_participant_gets_them_read_only)
{
	visited("realms.demo.mode=0606", (struct visitor){.want = 0, .sent = PARTICIPANTS});
}

Test(segments, user_whom_the_realm_does_not_admit_gets_nothing)
{
	visited("realms.demo.mode=0660", (struct visitor){.want = -EACCES});
}
