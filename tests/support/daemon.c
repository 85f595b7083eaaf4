/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/daemon.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

#define DAEMON_END_MS  10000
#define DAEMON_HIGH_FD 500

static int daemon_notify = -1; /* where a daemon says that it is ready */
static char daemon_text[65536];

char const *
daemon_log(struct daemon const *daemon)
{
	ssize_t const length = pread(daemon->log, daemon_text, sizeof(daemon_text) - 1, 0);

	daemon_text[length > 0 ? length : 0] = '\0';
	return daemon_text;
}

void
daemon_log_has(struct daemon const *daemon, char const *words)
{
	uint64_t const deadline = test_deadline(5000);

	/* The answer may be here before the line. */
	while (strstr(daemon_log(daemon), words) == NULL) {
		cr_assert(!test_passed(deadline), "the log does not say '%s':\n%s", words,
		          daemon_text);
		sched_yield();
	}
}

/* A socket in no directory, so that any user's daemon reaches it and nothing is left of it. */
static void
daemon_notify_open(char *name, size_t bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	static int number;
	int length;

	length = snprintf(name, bytes, "@tessera-test-%d-%d", (int)getpid(), ++number);
	memcpy(address.sun_path, name, (size_t)length);
	address.sun_path[0] = '\0';
	if (daemon_notify >= 0)
		close(daemon_notify);
	daemon_notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(daemon_notify, 0);
	cr_assert_eq(bind(daemon_notify, (struct sockaddr *)&address,
	                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
	             0, "bind: %m");
}

static void
daemon_exec(struct daemon *daemon, char const *const *args, char const *notify, pid_t parent)
{
	char const *program = getenv("TESSERAD");
	char const *argv[DAEMON_ARGS_MAX + 2] = {program};
	int count = 1, fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || program == NULL)
		_exit(99);
	/* Out of the way of descriptors with a meaning, which begin at 3. */
	fd = fcntl(open(program, O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, DAEMON_HIGH_FD);
	for (; args != NULL && *args != NULL && count <= DAEMON_ARGS_MAX; args++)
		argv[count++] = *args;
	dup2(daemon->log, STDERR_FILENO);
	dup2(daemon->log, STDOUT_FILENO);
	setenv("TESSERA_RUNTIME_DIR", daemon->dir, 1);
	setenv("NOTIFY_SOCKET", notify, 1);
	unsetenv("JOURNAL_STREAM");
	if (daemon->uid != geteuid() && (setgid(daemon->uid) != 0 || setuid(daemon->uid) != 0))
		_exit(98);
	if (daemon->prepare != NULL && daemon->prepare(daemon->prepare_arg) != 0)
		_exit(96);
	/* A change of user resets it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* By descriptor: another user may not reach it by its path. */
	fexecve(fd, (char *const *)(uintptr_t)argv, environ);
	_exit(97);
}

void
daemon_spawn(struct daemon *daemon, char const *const *args, uid_t uid)
{
	pid_t const parent = getpid();
	char notify[64];

	cr_assert_not_null(getenv("TESSERAD"), "TESSERAD names no program");
	if (daemon->dir[0] == '\0') {
		strcpy(daemon->dir, "/tmp/tessera-test-XXXXXX");
		cr_assert_not_null(mkdtemp(daemon->dir), "mkdtemp: %m");
		daemon->uid = uid != 0 ? uid : geteuid();
		cr_assert_eq(chown(daemon->dir, daemon->uid, daemon->uid), 0, "chown: %m");
	}
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/" TSR_SOCKET_NAME, daemon->dir);
	if (daemon->log > 0)
		close(daemon->log);
	daemon->log = memfd_create("log", MFD_CLOEXEC);
	cr_assert_gt(daemon->log, 0);
	/* Both ends append. */
	cr_assert_eq(fcntl(daemon->log, F_SETFL, O_APPEND), 0);
	daemon_notify_open(notify, sizeof(notify));
	daemon->pid = fork();
	cr_assert_geq(daemon->pid, 0);
	if (daemon->pid == 0)
		daemon_exec(daemon, args, notify, parent);
	daemon->pidfd = pidfd_open(daemon->pid, 0);
	cr_assert_geq(daemon->pidfd, 0);
}

bool
daemon_ready(struct daemon *daemon)
{
	uint64_t const deadline = test_deadline(30000);

	for (;;) {
		struct pollfd fds[2] = {{.fd = daemon_notify, .events = POLLIN},
		                        {.fd = daemon->pidfd, .events = POLLIN}};
		char text[512] = "";

		cr_assert(!test_passed(deadline), "not ready within 30 s:\n%s", daemon_log(daemon));
		if (poll(fds, 2, 1000) <= 0)
			continue;
		if ((fds[0].revents & POLLIN) != 0) {
			(void)recv(daemon_notify, text, sizeof(text) - 1, MSG_DONTWAIT);
			if (strstr(text, "READY=1") == NULL)
				continue;
			/* Nobody listens to the rest. */
			close(daemon_notify);
			daemon_notify = -1;
			return true;
		}
		if (fds[1].revents != 0)
			return false;
	}
}

/* Compatible words of the environment, then those of the test, each behind --set. */
void
daemon_args(char const **args, char const *const *sets)
{
	static char words[512];
	char const *given = getenv("TESSERA_TEST_SET");
	size_t count = 0;

	snprintf(words, sizeof(words), "%s", given == NULL ? "" : given);
	for (char *word = strtok(words, " \t\n"); word != NULL; word = strtok(NULL, " \t\n")) {
		args[count++] = "--set";
		args[count++] = word;
	}
	for (; sets != NULL && *sets != NULL; sets++) {
		cr_assert_lt(count, DAEMON_ARGS_MAX - 2);
		args[count++] = "--set";
		args[count++] = *sets;
	}
	args[count] = NULL;
}

void
daemon_start_as(struct daemon *daemon, char const *const *sets, uid_t uid)
{
	char const *args[DAEMON_ARGS_MAX];
	struct tsr_proto_ledger_reply ledger;

	daemon_args(args, sets);
	daemon_spawn(daemon, args, uid);
	cr_assert(daemon_ready(daemon), "tesserad ended at once:\n%s", daemon_log(daemon));
	if (uid != 0 && uid != geteuid())
		return;
	ledger = daemon_ledger(daemon, "demo");
	daemon->descriptors = ledger.descriptors;
	daemon->mappings = ledger.mappings;
}

void
daemon_start(struct daemon *daemon, char const *const *sets)
{
	memset(daemon, 0, sizeof(*daemon));
	daemon_start_as(daemon, sets, 0);
}

int
daemon_ended(struct daemon *daemon)
{
	struct pollfd gone = {.fd = daemon->pidfd, .events = POLLIN};
	int ready, status = 0;

	do {
		ready = poll(&gone, 1, DAEMON_END_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(daemon->pid, SIGKILL);
	waitpid(daemon->pid, &status, 0);
	close(daemon->pidfd);
	daemon->pid = 0;
	cr_assert_eq(ready, 1, "tesserad did not end within %d ms:\n%s", DAEMON_END_MS,
	             daemon_log(daemon));
	return status;
}

void
daemon_kill(struct daemon *daemon)
{
	kill(daemon->pid, SIGKILL);
	(void)daemon_ended(daemon);
}

static unsigned
daemon_dir_entries(char const *path, char *first, size_t bytes)
{
	DIR *dir = opendir(path);
	unsigned count = 0;
	struct dirent *entry;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (count++ == 0)
			snprintf(first, bytes, "%s", entry->d_name);
	}
	closedir(dir);
	return count;
}

void
daemon_clear(struct daemon *daemon)
{
	char first[256] = "", path[400];
	unsigned last = 0;

	for (unsigned left; (left = daemon_dir_entries(daemon->dir, first, sizeof(first))) != last;
	     last = left) {
		snprintf(path, sizeof(path), "%s/%s", daemon->dir, first);
		if (remove(path) == 0)
			left = 0;
	}
	rmdir(daemon->dir);
	close(daemon->log);
	if (daemon_notify >= 0)
		close(daemon_notify);
	daemon_notify = -1;
	memset(daemon, 0, sizeof(*daemon));
}

/* Wait until only this request's connection is left; then nothing may have grown. */
static void
daemon_quiet(struct daemon *daemon)
{
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_ledger_reply ledger;

	for (;;) {
		ledger = daemon_ledger(daemon, "demo");
		if (ledger.reaps_pending == 0 && ledger.connections <= 1 &&
		    ledger.descriptors <= daemon->descriptors)
			break;
		if (test_passed(deadline))
			break;
		sched_yield();
	}
	test_same(ledger.reaps_pending, 0);
	test_same(ledger.connections, 1);
	test_same(ledger.with_clients, 0);
	cr_assert_eq(ledger.balanced, 1, "the ledger does not balance: %s", ledger.text);
	test_same(ledger.lost, 0);
	test_same(ledger.tickets,
	          ledger.in_depot + ledger.with_daemon + ledger.in_channels + ledger.in_regions);
	/* Fewer is possible: it may still have been telling us that it was ready. */
	cr_assert_leq(ledger.descriptors, daemon->descriptors, "%u descriptors are open, %u were",
	              ledger.descriptors, daemon->descriptors);
	cr_assert_leq(ledger.mappings, daemon->mappings, "%u segments are mapped, %u were",
	              ledger.mappings, daemon->mappings);
}

void
daemon_stop(struct daemon *daemon)
{
	char first[256] = "";
	int status;

	if (daemon->descriptors != 0)
		daemon_quiet(daemon);
	kill(daemon->pid, SIGTERM);
	status = daemon_ended(daemon);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "tesserad ended with %#x:\n%s",
	          status, daemon_log(daemon));
	cr_assert_eq(daemon_dir_entries(daemon->dir, first, sizeof(first)), 0,
	             "tesserad left '%s' behind", first);
	daemon_clear(daemon);
}

void
daemon_control(struct daemon const *daemon, struct tsr_control *control)
{
	test_ok(tsr_control_open(control, daemon->socket, test_deadline(5000)));
}

struct tsr_proto_status_reply
daemon_status(struct daemon const *daemon)
{
	struct tsr_proto_plain request;
	struct tsr_proto_status_reply reply;
	struct tsr_control control;

	memset(&request, 0, sizeof(request));
	daemon_control(daemon, &control);
	test_ok(tsr_control_ask(&control, TSR_PROTO_STATUS, &request, sizeof(request), &reply,
	                        sizeof(reply), NULL, test_deadline(5000)));
	tsr_control_close(&control);
	return reply;
}

struct tsr_proto_ledger_reply
daemon_ledger(struct daemon const *daemon, char const *realm)
{
	struct tsr_proto_ledger request;
	struct tsr_proto_ledger_reply reply;
	struct tsr_control control;

	memset(&request, 0, sizeof(request));
	snprintf(request.realm, sizeof(request.realm), "%s", realm);
	daemon_control(daemon, &control);
	test_ok(tsr_control_ask(&control, TSR_PROTO_LEDGER, &request, sizeof(request), &reply,
	                        sizeof(reply), NULL, test_deadline(5000)));
	tsr_control_close(&control);
	return reply;
}

/* Call @row for each row of a list. */
static void
daemon_list(struct daemon const *daemon, uint32_t what, size_t row_bytes,
            void (*row)(void const *bytes, void *arg), void *arg)
{
	static unsigned char packet[TSR_PROTO_PACKET_MAX];
	struct tsr_proto_list request;
	struct tsr_proto_list_reply head;
	struct tsr_control control;
	size_t got = 0;

	memset(&request, 0, sizeof(request));
	request.what = what;
	daemon_control(daemon, &control);
	test_ok(tsr_control_ask(&control, TSR_PROTO_LIST, &request, sizeof(request), packet,
	                        sizeof(packet), &got, test_deadline(5000)));
	for (;;) {
		memcpy(&head, packet, sizeof(head));
		test_same(head.what, what);
		test_same(head.row_bytes, row_bytes);
		test_same(got, sizeof(head) + head.rows * row_bytes);
		for (uint32_t i = 0; i < head.rows; i++)
			row(packet + sizeof(head) + i * row_bytes, arg);
		if ((head.head.flags & TSR_PROTO_LAST) != 0)
			break;
		test_ok(tsr_control_more(&control, TSR_PROTO_LIST, packet, sizeof(packet), &got,
		                         test_deadline(5000)));
	}
	tsr_control_close(&control);
}

struct wanted {
	char const *name;
	struct tsr_proto_row_channel *row;
	bool found;
};

static void
daemon_channel_row(void const *bytes, void *arg)
{
	struct wanted *wanted = arg;
	struct tsr_proto_row_channel row;

	memcpy(&row, bytes, sizeof(row));
	if (strcmp(row.name, wanted->name) == 0) {
		*wanted->row = row;
		wanted->found = true;
	}
}

bool
daemon_channel(struct daemon const *daemon, char const *name, struct tsr_proto_row_channel *row)
{
	struct wanted wanted = {.name = name, .row = row};

	daemon_list(daemon, TSR_LIST_CHANNELS, sizeof(*row), daemon_channel_row, &wanted);
	return wanted.found;
}

struct region_rows {
	struct tsr_proto_row_region *rows;
	unsigned max;
	unsigned count;
};

static void
daemon_region_row(void const *bytes, void *arg)
{
	struct region_rows *list = arg;

	if (list->count < list->max)
		memcpy(&list->rows[list->count], bytes, sizeof(list->rows[0]));
	list->count++;
}

unsigned
daemon_regions(struct daemon const *daemon, struct tsr_proto_row_region *rows, unsigned rows_max)
{
	struct region_rows list = {.rows = rows, .max = rows_max};

	daemon_list(daemon, TSR_LIST_REGIONS, sizeof(rows[0]), daemon_region_row, &list);
	return list.count;
}

struct wanted_realm {
	char const *name;
	struct tsr_proto_row_realm *row;
	bool found;
};

static void
daemon_realm_row(void const *bytes, void *arg)
{
	struct wanted_realm *wanted = arg;
	struct tsr_proto_row_realm row;

	memcpy(&row, bytes, sizeof(row));
	if (strcmp(row.name, wanted->name) == 0) {
		*wanted->row = row;
		wanted->found = true;
	}
}

bool
daemon_realm(struct daemon const *daemon, char const *name, struct tsr_proto_row_realm *row)
{
	struct wanted_realm wanted = {.name = name, .row = row};

	daemon_list(daemon, TSR_LIST_REALMS, sizeof(*row), daemon_realm_row, &wanted);
	return wanted.found;
}

static void
daemon_missed_row(void const *bytes, void *arg)
{
	struct tsr_proto_row_client row;

	memcpy(&row, bytes, sizeof(row));
	*(uint64_t *)arg += row.missed_wakes;
}

uint64_t
daemon_missed_wakes(struct daemon const *daemon)
{
	uint64_t missed = 0;

	daemon_list(daemon, TSR_LIST_CLIENTS, sizeof(struct tsr_proto_row_client),
	            daemon_missed_row, &missed);
	return missed;
}

void
daemon_reaped(struct daemon const *daemon, uint64_t reaped)
{
	uint64_t const deadline = test_deadline(10000);
	uint64_t seen;

	while ((seen = daemon_status(daemon).reaped) < reaped) {
		cr_assert(!test_passed(deadline), "%ju of %ju deaths were seen:\n%s",
		          (uintmax_t)seen, (uintmax_t)reaped, daemon_log(daemon));
		sched_yield();
	}
	test_same(seen, reaped);
	test_same(daemon_ledger(daemon, "demo").reaps_pending, 0);
}

void
daemon_balanced(struct daemon const *daemon, char const *realm)
{
	struct tsr_proto_ledger_reply const ledger = daemon_ledger(daemon, realm);

	cr_assert_eq(ledger.balanced, 1, "the ledger does not balance: %s", ledger.text);
	test_same(ledger.lost, 0);
	test_same(ledger.slots_claimed, 0);
	test_same(ledger.tokens_stray, 0);
	test_same(ledger.tickets, ledger.in_depot + ledger.with_daemon + ledger.in_channels +
	                                  ledger.with_clients + ledger.in_regions);
}

struct tsr_attach_options
daemon_options(struct daemon const *daemon)
{
	return (struct tsr_attach_options){.size = sizeof(struct tsr_attach_options),
	                                   .socket = daemon->socket,
	                                   .name = "test",
	                                   .deadline_ns = tsr_deadline_in_ms(10000)};
}

struct tsr_client
daemon_attach(struct daemon const *daemon, uint32_t flags)
{
	struct tsr_attach_options options = daemon_options(daemon);
	struct tsr_client client = {0};

	options.flags = flags;
	test_ok(tsr_attach(&options, &client));
	return client;
}
