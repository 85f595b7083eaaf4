/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/holder.h"
#include "core/passing.h"
#include "core/store.h"
#include "core/upgrade.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/holder.h"

/* Both stores: the holder, whatever it is told, and systemd's, by a stand-in that speaks its
 * protocol. */

static struct daemon holder_;
static struct daemon daemon_;

TestSuite(store, .timeout = 60);

static bool
same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
	       one.st_dev == other.st_dev;
}

Test(store, holder_keeps_replaces_and_drops)
{
	int fd, first, second, got;

	holder_start(&holder_);
	fd = holder_connect(&holder_);
	first = memfd_create("first", MFD_CLOEXEC);
	second = memfd_create("second", MFD_CLOEXEC);
	test_ok(tsr_holder_keep(fd, "a", first));
	test_ok(tsr_holder_keep(fd, "b", first));
	test_same(holder_count(&holder_, ""), 2);
	test_ok(tsr_holder_keep(fd, "a", second));
	test_same(holder_count(&holder_, ""), 2);
	got = holder_fetch(&holder_, "a", "");
	cr_assert(same_file(got, second));
	close(got);
	/* It keeps them for whoever comes next. */
	close(fd);
	fd = holder_connect(&holder_);
	got = holder_fetch(&holder_, "b", "");
	cr_assert(same_file(got, first));
	close(got);
	test_ok(tsr_holder_drop(fd, "a"));
	test_ok(tsr_holder_drop(fd, "a"));
	test_same(holder_count(&holder_, ""), 1);
	close(fd);
	holder_stop(&holder_);
}

/* Send anything; the answer. */
static char const *
told(int fd, char const *text, size_t bytes, int passed)
{
	static char answer[300];
	int got = -1;

	test_ok(tsr_passing_send(fd, text, bytes, passed));
	test_ok(tsr_passing_receive(fd, answer, sizeof(answer), &got));
	if (got >= 0)
		close(got);
	return answer;
}

Test(store, holder_refuses_what_is_no_request_and_goes_on)
{
	static char const *const wrong[] = {"x",
	                                    "FDSTORE=1",
	                                    "FDSTORE=1\nFDNAME=",
	                                    "FDSTORE=1\nFDNAME=a b",
	                                    "FDSTORE=1\nFDNAME=a:b",
	                                    "FDSTORE=1\nFDNAME=a\nFDNAME=b",
	                                    "FDSTOREREMOVE=1",
	                                    "FDSTOREREMOVE=1\nFDNAME=\x01",
	                                    "FDGET=2",
	                                    "FDGET=1\n"};
	char long_name[TSR_STORE_NAME_BYTES + 40] = "FDSTORE=1\nFDNAME=";
	char too_long[400];
	char expected[32];
	int fd, some;

	holder_start(&holder_);
	fd = holder_connect(&holder_);
	some = memfd_create("some", MFD_CLOEXEC);
	snprintf(expected, sizeof(expected), "ERRNO=%d", EPROTO);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_assert_str_eq(told(fd, wrong[i], strlen(wrong[i]), -1), expected, "%s",
		                 wrong[i]);
		cr_assert_str_eq(told(fd, wrong[i], strlen(wrong[i]), some), expected, "%s",
		                 wrong[i]);
	}
	/* Without its descriptor, or with one too many; with a 0; longer than any name. */
	cr_assert_str_eq(told(fd, "FDSTORE=1\nFDNAME=a", 18, -1), expected);
	cr_assert_str_eq(told(fd, "FDGET=1", 7, some), expected);
	cr_assert_str_eq(told(fd, "FDSTOREREMOVE=1\nFDNAME=a", 24, some), expected);
	cr_assert_str_eq(told(fd, "FDGET=1\0", 8, -1), expected);
	memset(long_name + 17, 'n', TSR_STORE_NAME_BYTES);
	cr_assert_str_eq(told(fd, long_name, 17 + TSR_STORE_NAME_BYTES, some), expected);
	memset(too_long, 'n', sizeof(too_long));
	cr_assert_str_eq(told(fd, too_long, sizeof(too_long), some), expected);
	test_same(holder_count(&holder_, ""), 0);
	/* One that fits. */
	long_name[17 + TSR_STORE_NAME_BYTES - 1] = '\0';
	cr_assert_str_eq(told(fd, long_name, strlen(long_name), some), "OK");
	test_same(holder_count(&holder_, ""), 1);
	close(fd);
	holder_stop(&holder_);
}

static int
few_descriptors(void *arg)
{
	struct rlimit const limit = {.rlim_cur = 80, .rlim_max = 80};

	(void)arg;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

Test(store, holder_is_full_when_its_descriptors_are_used_up)
{
	char const *const args[] = {"--holder", NULL};
	char name[16];
	int fd, some;

	holder_.prepare = few_descriptors;
	daemon_spawn(&holder_, args, 0);
	cr_assert(daemon_ready(&holder_), "%s", daemon_log(&holder_));
	fd = holder_connect(&holder_);
	some = memfd_create("some", MFD_CLOEXEC);
	for (int i = 0; i < 80 - 64; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		test_ok(tsr_holder_keep(fd, name, some));
	}
	test_is(tsr_holder_keep(fd, "more", some), -ENOBUFS);
	test_ok(tsr_holder_keep(fd, "n0", some)); /* that one is replaced */
	test_ok(tsr_holder_drop(fd, "n1"));
	test_ok(tsr_holder_keep(fd, "more", some));
	close(fd);
	holder_stop(&holder_);
}

static int
full_holder(void *arg)
{
	struct rlimit const limit = {.rlim_cur = 64 + 12, .rlim_max = 64 + 12};

	(void)arg;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

Test(store, a_realm_that_does_not_fit_is_not_kept_and_says_so)
{
	char const *const args[] = {"--holder", NULL};
	struct tsr_client client[4];

	holder_.prepare = full_holder;
	daemon_spawn(&holder_, args, 0);
	cr_assert(daemon_ready(&holder_), "%s", daemon_log(&holder_));
	heir_start(&daemon_, &holder_, NULL);
	/* Ten of a realm, and a client each. */
	test_same(daemon_status(&daemon_).realms_kept, 1);
	for (int i = 0; i < 2; i++)
		client[i] = daemon_attach(&daemon_, 0);
	test_same(daemon_status(&daemon_).realms_kept, 1);
	client[2] = daemon_attach(&daemon_, 0);
	daemon_log_has(&daemon_, "no longer kept");
	test_same(daemon_status(&daemon_).realms_kept, 0);
	test_same(holder_count(&holder_, ""), 0);
	client[3] = daemon_attach(&daemon_, 0);
	for (int i = 0; i < 4; i++)
		test_ok(tsr_detach(client[i]));
	heir_stop(&daemon_);
	holder_stop(&holder_);
}

Test(store, holder_turns_other_users_away)
{
	char answer[32];
	int status, fd;
	pid_t child;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	holder_start(&holder_);
	cr_assert_eq(chmod(holder_.dir, 0755), 0);
	tsr_holder_path(holder_.socket, answer, 0);
	/* Even if somebody opens it to all. */
	{
		char path[200];

		tsr_holder_path(holder_.socket, path, sizeof(path));
		cr_assert_eq(chmod(path, 0666), 0);
	}
	child = fork();
	if (child == 0) {
		int none = -1;

		if (setgid(12345) != 0 || setuid(12345) != 0)
			_exit(2);
		fd = holder_connect(&holder_);
		(void)!tsr_passing_send(fd, "FDGET=1", 7, -1);
		_exit(tsr_passing_receive(fd, answer, sizeof(answer), &none) == -EPIPE ||
		                      errno == ECONNRESET
		              ? 0
		              : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", status);
	daemon_log_has(&holder_, "user 12345");
	test_same(holder_count(&holder_, ""), 0);
	holder_stop(&holder_);
}

Test(store, a_second_holder_is_refused_and_a_dead_ones_place_is_taken)
{
	char const *const args[] = {"--holder", NULL};
	struct daemon second = {0};
	int status;

	holder_start(&holder_);
	strcpy(second.dir, holder_.dir);
	daemon_spawn(&second, args, 0);
	status = daemon_ended(&second);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%#x", status);
	daemon_log_has(&second, "a living holder");
	test_same(holder_count(&holder_, ""), 0);
	daemon_kill(&holder_);
	daemon_spawn(&second, args, 0);
	cr_assert(daemon_ready(&second), "%s", daemon_log(&second));
	holder_stop(&second);
	close(holder_.log);
}

/* systemd, as far as a service sees it. */
#define STAND_IN_MAX 256

struct stand_in {
	int socket;
	struct sockaddr_un address;
	socklen_t address_bytes;
	pthread_t thread;
	pthread_mutex_t lock;
	char name[STAND_IN_MAX][TSR_STORE_NAME_BYTES];
	int fd[STAND_IN_MAX];
	unsigned count;
	_Atomic bool ready;
	_Atomic bool deaf; /* it answers no barrier */
};

static struct stand_in stand_in_;

static void
stand_in_forget(struct stand_in *s, char const *name)
{
	for (unsigned i = 0; i < s->count;) {
		if (strcmp(s->name[i], name) != 0) {
			i++;
			continue;
		}
		close(s->fd[i]);
		s->count--;
		s->fd[i] = s->fd[s->count];
		memcpy(s->name[i], s->name[s->count], sizeof(s->name[i]));
	}
}

static void
stand_in_hear(struct stand_in *s, char const *text, int fd)
{
	char const *const name = strstr(text, "FDNAME=");

	if (strncmp(text, "FDSTORE=1\n", 10) == 0 && name != NULL && fd >= 0 &&
	    s->count < STAND_IN_MAX) {
		snprintf(s->name[s->count], sizeof(s->name[0]), "%s", name + 7);
		s->fd[s->count++] = fd;
		return;
	}
	if (strncmp(text, "FDSTOREREMOVE=1\n", 16) == 0 && name != NULL)
		stand_in_forget(s, name + 7);
	if (strncmp(text, "READY=1", 7) == 0)
		atomic_store(&s->ready, true);
	if (fd >= 0 && !(strcmp(text, "BARRIER=1") == 0 && atomic_load(&s->deaf)))
		close(fd);
}

static void *
stand_in_thread(void *arg)
{
	struct stand_in *const s = arg;
	char text[600];
	int fd;

	while (tsr_passing_receive(s->socket, text, sizeof(text), &fd) == 0 &&
	       strcmp(text, "END") != 0) {
		pthread_mutex_lock(&s->lock);
		stand_in_hear(s, text, fd);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static void
stand_in_start(struct stand_in *s)
{
	int length;

	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->address.sun_family = AF_UNIX;
	length = snprintf(s->address.sun_path, sizeof(s->address.sun_path), "@tessera-store-%d",
	                  (int)getpid());
	s->address.sun_path[0] = '\0';
	s->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
	s->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(s->socket, 0);
	cr_assert_eq(bind(s->socket, (struct sockaddr *)&s->address, s->address_bytes), 0, "%m");
	cr_assert_eq(pthread_create(&s->thread, NULL, stand_in_thread, s), 0);
}

static void
stand_in_stop(struct stand_in *s)
{
	int const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	sendto(fd, "END", 3, 0, (struct sockaddr *)&s->address, s->address_bytes);
	pthread_join(s->thread, NULL);
	close(fd);
	close(s->socket);
	for (unsigned i = 0; i < s->count; i++)
		close(s->fd[i]);
}

static unsigned
stand_in_count(struct stand_in *s)
{
	unsigned count;

	pthread_mutex_lock(&s->lock);
	count = s->count;
	pthread_mutex_unlock(&s->lock);
	return count;
}

/* In the child: what systemd hands over, and the environment. */
static int
stand_in_hand_over(void *arg)
{
	struct stand_in const *const s = arg;
	char names[STAND_IN_MAX * 64] = "", number[40];

	for (unsigned i = 0; i < s->count; i++) {
		/* Above the numbers that they are to have. */
		int const high = fcntl(s->fd[i], F_DUPFD, 600);

		if (high < 0)
			return -1;
		if (i > 0)
			strcat(names, ":");
		strcat(names, s->name[i]);
	}
	for (unsigned i = 0; i < s->count; i++)
		dup2(600 + (int)i, 3 + (int)i);
	snprintf(number, sizeof(number), "@tessera-store-%d", (int)getppid());
	setenv("NOTIFY_SOCKET", number, 1);
	setenv("FDSTORE", "200", 1);
	if (s->count == 0)
		return 0;
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%u", s->count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	return 0;
}

static void
stand_in_spawn(struct stand_in *s)
{
	char const *args[DAEMON_ARGS_MAX];
	uint64_t const deadline = test_deadline(20000);

	atomic_store(&s->ready, false);
	daemon_.prepare = stand_in_hand_over;
	daemon_.prepare_arg = s;
	daemon_args(args, NULL);
	daemon_spawn(&daemon_, args, 0);
	while (!atomic_load(&s->ready)) {
		struct pollfd gone = {.fd = daemon_.pidfd, .events = POLLIN};

		cr_assert(!test_passed(deadline) && poll(&gone, 1, 1) == 0, "not ready:\n%s",
		          daemon_log(&daemon_));
	}
}

Test(store, systemd_keeps_a_realm_for_the_next_daemon)
{
	struct tsr_client client;

	stand_in_start(&stand_in_);
	stand_in_spawn(&stand_in_);
	test_same(daemon_status(&daemon_).store, TSR_STATUS_STORE_SYSTEMD);
	test_same(daemon_status(&daemon_).realms_kept, 1);
	client = daemon_attach(&daemon_, 0);
	test_same(stand_in_count(&stand_in_), daemon_status(&daemon_).stored);
	for (int i = 0; i < 3; i++) {
		unsigned const kept = stand_in_count(&stand_in_);

		daemon_kill(&daemon_);
		stand_in_spawn(&stand_in_);
		test_same(daemon_status(&daemon_).realms_taken, 1);
		test_ok(tsr_channel_create(client, "there", NULL));
		test_same(stand_in_count(&stand_in_), kept);
	}
	test_ok(tsr_channel_remove(client, "there"));
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "demo");
	daemon_.descriptors = 0;
	daemon_stop(&daemon_);
	test_same(stand_in_count(&stand_in_), 0);
	stand_in_stop(&stand_in_);
}

/* Who comes while nobody serves. Word 1: it is about to. */
static int
comes(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_client client;

	(void)arg;
	report_set(report, 1, 1);
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_detach(client));
	return 0;
}

/* Return: 0, or the refusal. */
static int
upgrade_to(char const *binary)
{
	struct tsr_proto_upgrade request = {.binary = ""};
	struct tsr_proto_upgrade_reply reply;
	struct tsr_control control;
	int error;

	snprintf(request.binary, sizeof(request.binary), "%s", binary);
	daemon_control(&daemon_, &control);
	error = tsr_control_ask(&control, TSR_PROTO_UPGRADE, &request, sizeof(request), &reply,
	                        sizeof(reply), NULL, test_deadline(10000));
	if (error == 0)
		test_same(reply.how, TSR_UPGRADE_RESTART);
	tsr_control_close(&control);
	return error;
}

/* It ends with a status that the unit knows, and leaves its socket to the next one. */
Test(store, systemd_starts_the_successor_of_an_upgrade)
{
	uint64_t before;
	struct tsr_client client;
	struct child newcomer;
	int status;

	stand_in_start(&stand_in_);
	stand_in_spawn(&stand_in_);
	client = daemon_attach(&daemon_, 0);
	before = stand_in_count(&stand_in_);
	/* It starts what it was told to start. */
	test_is(upgrade_to("/bin/true"), -EOPNOTSUPP);
	for (int i = 0; i < 3; i++) {
		test_ok(upgrade_to(i == 0 ? getenv("TESSERAD") : ""));
		status = daemon_ended(&daemon_);
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == TSR_UPGRADE_STATUS, "%#x",
		          status);
		/* And its mark. */
		test_same(stand_in_count(&stand_in_), before + 1);
		child_start(&newcomer, comes, NULL);
		cr_assert(report_await(newcomer.report, 1, 1, 10000));
		stand_in_spawn(&stand_in_);
		child_join(&newcomer);
		test_same(daemon_status(&daemon_).realms_taken, 1);
		cr_assert_gt(daemon_status(&daemon_).upgraded_ns, 0);
		test_same(stand_in_count(&stand_in_), before);
		test_ok(tsr_channel_create(client, "there", NULL));
		test_ok(tsr_channel_remove(client, "there"));
	}
	test_ok(tsr_detach(client));
	daemon_balanced(&daemon_, "demo");
	daemon_.descriptors = 0;
	daemon_stop(&daemon_);
	test_same(stand_in_count(&stand_in_), 0);
	stand_in_stop(&stand_in_);
}

Test(store, systemd_that_does_not_answer_is_given_up)
{
	struct tsr_client client;

	stand_in_start(&stand_in_);
	stand_in_spawn(&stand_in_);
	test_same(daemon_status(&daemon_).realms_kept, 1);
	atomic_store(&stand_in_.deaf, true);
	client = daemon_attach(&daemon_, 0);
	daemon_log_has(&daemon_, "has failed");
	test_same(daemon_status(&daemon_).store, TSR_STATUS_STORE_NONE);
	test_same(daemon_status(&daemon_).realms_kept, 0);
	test_ok(tsr_detach(client));
	daemon_.descriptors = 0;
	daemon_stop(&daemon_);
	stand_in_stop(&stand_in_);
}
