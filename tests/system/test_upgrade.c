/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/store.h"
#include "core/upgrade.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/holder.h"
#include "tests/support/raw.h"

/*
 * UPGRADE: the daemon becomes another binary while its realms are in use. What the command line
 * makes of it, and binaries that can't take over, stand in tests/cli/upgrade.bats.
 */

#define OTHER_UID 65534

static struct daemon holder_;
static struct daemon daemon_;

/* In a sandbox it runs nothing: tests/cli/upgrade.bats says how it refuses. */
static char const *const free_[] = {"sandbox.mode=off", NULL};

TestSuite(upgrade, .timeout = 60);

static void
upgrade_setup(void)
{
	holder_start(&holder_);
	heir_start(&daemon_, &holder_, free_);
}

static void
upgrade_teardown(void)
{
	heir_stop(&daemon_);
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), 0);
	holder_stop(&holder_);
}

static void
pause_ms(unsigned ms)
{
	struct timespec const pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&pause, NULL);
}

/* Ask for it. Return: 0, or the refusal. */
static int
ask(char const *binary, struct tsr_proto_upgrade_reply *reply)
{
	struct tsr_proto_upgrade request = {.binary = ""};
	struct tsr_control control;
	int error;

	snprintf(request.binary, sizeof(request.binary), "%s", binary);
	daemon_control(&daemon_, &control);
	error = tsr_control_ask(&control, TSR_PROTO_UPGRADE, &request, sizeof(request), reply,
	                        sizeof(*reply), NULL, test_deadline(10000));
	tsr_control_close(&control);
	return error;
}

/* Wait until it is another one than before, and ready; what it says of itself. */
static struct tsr_proto_status_reply
another(uint64_t before)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	uint64_t const deadline = test_deadline(20000);
	struct tsr_proto_status_reply status = {.instance = before};
	struct tsr_control control;
	bool is = false;

	while (!is) {
		cr_assert(!test_passed(deadline), "nobody follows:\n%s", daemon_log(&daemon_));
		pause_ms(1);
		if (tsr_control_open(&control, daemon_.socket, test_deadline(1000)) != 0)
			continue;
		is = tsr_control_ask(&control, TSR_PROTO_STATUS, &request, sizeof(request), &status,
		                     sizeof(status), NULL, test_deadline(1000)) == 0 &&
		     status.instance != before && (status.flags & TSR_STATUS_STARTING) == 0;
		tsr_control_close(&control);
	}
	return status;
}

static struct tsr_proto_status_reply
upgrade_to(char const *binary)
{
	uint64_t const before = daemon_status(&daemon_).instance;
	struct tsr_proto_upgrade_reply reply;

	test_ok(ask(binary, &reply));
	test_same(reply.how, TSR_UPGRADE_EXEC);
	return another(before);
}

/* A copy of tesserad beside the holder's socket; its path is the caller's to free and remove. */
static char *
copy_of_daemon(void)
{
	int const from = open(getenv("TESSERAD"), O_RDONLY | O_CLOEXEC);
	char *path = NULL;
	int to;

	cr_assert_geq(from, 0, "%m");
	cr_assert_geq(asprintf(&path, "%s/other", holder_.dir), 0);
	to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	cr_assert_geq(to, 0, "%s: %m", path);
	while (sendfile(to, from, NULL, (size_t)1 << 20) > 0)
		continue;
	close(from);
	close(to);
	return path;
}

/* A sender's messages are numbered; each receiver gets some of them, in order. */
struct load {
	char const *channel;
	uint32_t kind;
};

static struct load const loads[] = {
	{"buffered", TSR_KIND_BUFFERED},
	{"many", TSR_KIND_BUFFERED},
	{"rendezvous", TSR_KIND_RENDEZVOUS},
	{"unlimited", TSR_KIND_UNLIMITED},
};

#define LOADS (sizeof(loads) / sizeof(loads[0]))

/* Word 1: sent; 2: an end is to be made of it; 3: it is. */
static int
sends(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct load const *const load = arg;
	struct tsr_channel_options const shape = {.size = sizeof(shape), .kind = load->kind};
	struct tsr_end_options const end = {.size = sizeof(end), .create = &shape};
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_msg msg;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_sender_open(client, load->channel, &end, &sender));
	for (uint64_t i = 1; atomic_load(&report->word[2]) == 0; i++) {
		child_ok(report, tsr_alloc(client, 64, &msg));
		*(uint64_t *)msg.data = i;
		child_ok(report, tsr_send(sender, &msg, tsr_deadline_in_ms(30000)));
		atomic_store(&report->word[1], i);
		/* Others use this machine, too. */
		if (i % 64 == 0)
			pause_ms(1);
	}
	child_ok(report, tsr_sender_close(sender));
	child_ok(report, tsr_detach(client));
	report_set(report, 3, 1);
	return 0;
}

/* Word 1: received; 3: that is all. */
static int
receives(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct load const *const load = arg;
	struct tsr_channel_options const shape = {.size = sizeof(shape), .kind = load->kind};
	struct tsr_end_options const end = {.size = sizeof(end), .create = &shape};
	uint64_t last = 0;
	struct tsr_receiver receiver;
	struct tsr_client client;
	struct tsr_msg msg;
	int error;

	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_receiver_open(client, load->channel, &end, &receiver));
	while ((error = tsr_recv(receiver, &msg, tsr_deadline_in_ms(30000))) == 0) {
		uint64_t const number = *(uint64_t *)msg.data;

		child_check(report, number > last, "%ju after %ju", (uintmax_t)number,
		            (uintmax_t)last);
		last = number;
		child_ok(report, tsr_release(client, &msg));
		atomic_fetch_add(&report->word[1], 1);
	}
	child_is(report, error, -EPIPE);
	child_ok(report, tsr_receiver_close(receiver));
	child_ok(report, tsr_detach(client));
	report_set(report, 3, 1);
	return 0;
}

/* Asks the daemon for one thing after the other; word 1 counts. */
static int
asks(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct tsr_receiver receiver;
	struct tsr_client client;

	(void)arg;
	child_ok(report, tsr_attach(&options, &client));
	while (atomic_load(&report->word[2]) == 0) {
		child_ok(report, tsr_channel_create(client, "asked", NULL));
		child_ok(report, tsr_receiver_open(client, "asked", NULL, &receiver));
		child_ok(report, tsr_receiver_close(receiver));
		child_ok(report, tsr_channel_remove(client, "asked"));
		atomic_fetch_add(&report->word[1], 1);
		pause_ms(1);
	}
	child_ok(report, tsr_detach(client));
	return 0;
}

/* Is new again and again; word 1 counts. */
static int
comes_and_goes(struct child_report *report, void *arg)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_client client;

	(void)arg;
	while (atomic_load(&report->word[2]) == 0) {
		options.deadline_ns = tsr_deadline_in_ms(30000);
		child_ok(report, tsr_attach(&options, &client));
		child_ok(report, tsr_detach(client));
		atomic_fetch_add(&report->word[1], 1);
	}
	return 0;
}

static void
goes_on(struct child const *child, uint64_t more)
{
	uint64_t const next = atomic_load(&child->report->word[1]) + more;
	uint64_t const deadline = test_deadline(20000);

	while (atomic_load(&child->report->word[1]) < next) {
		cr_assert(!test_passed(deadline) && atomic_load(&child->report->failed) == 0,
		          "it does not go on: %s\n%s", child->report->text, daemon_log(&daemon_));
		pause_ms(1);
	}
}

/* All that it did, when it is done. */
static uint64_t
counted(struct child const *child)
{
	cr_assert(report_await(child->report, 3, 1, 30000), "%s", child->report->text);
	return atomic_load(&child->report->word[1]);
}

test_case_within(upgrade, several_in_a_row_under_load_lose_nothing, 240)
{
	unsigned const rounds = test_nightly() ? 100 : 6;
	struct child from[LOADS], to[LOADS], other_to, asker, comer;
	char *const other = copy_of_daemon();

	for (size_t i = 0; i < LOADS; i++) {
		child_start(&to[i], receives, (void *)(uintptr_t)&loads[i]);
		child_start(&from[i], sends, (void *)(uintptr_t)&loads[i]);
	}
	child_start(&other_to, receives, (void *)(uintptr_t)&loads[1]);
	child_start(&asker, asks, NULL);
	child_start(&comer, comes_and_goes, NULL);
	goes_on(&other_to, 1);
	for (unsigned round = 1; round <= rounds; round++) {
		char const *const binary = round % 2 != 0 ? other : getenv("TESSERAD");
		struct tsr_proto_status_reply const status = upgrade_to(binary);

		test_same(status.realms_taken, 1);
		/* One may just come, or not yet have gone. */
		cr_assert_geq(status.clients, 2 * LOADS + 2);
		cr_assert_leq(status.clients, 2 * LOADS + 3);
		test_same((pid_t)status.pid, daemon_.pid);
		cr_assert_gt(status.upgraded_ns, 0);
		cr_assert_str_eq(status.upgraded_from, TSR_VERSION);
		for (size_t i = 0; i < LOADS; i++)
			goes_on(&to[i], 20);
		goes_on(&asker, 1);
		goes_on(&comer, 1);
	}
	for (size_t i = 0; i < LOADS; i++)
		atomic_store(&from[i].report->word[2], 1);
	atomic_store(&asker.report->word[2], 1);
	atomic_store(&comer.report->word[2], 1);
	for (size_t i = 0; i < LOADS; i++) {
		uint64_t const sent = counted(&from[i]);
		uint64_t const received = counted(&to[i]) + (i == 1 ? counted(&other_to) : 0);

		cr_assert_eq(received, sent, "%s: %ju sent, %ju received", loads[i].channel,
		             (uintmax_t)sent, (uintmax_t)received);
		child_join(&from[i]);
		child_join(&to[i]);
	}
	child_join(&other_to);
	child_join(&asker);
	child_join(&comer);
	test_same(daemon_status(&daemon_).reaped, 0);
	test_same(daemon_ledger(&daemon_, "demo").with_clients, 0);
	unlink(other);
	free(other);
	daemon_balanced(&daemon_, "demo");
}

/* In the child: as another user. */
static int
another_user_asks(struct child_report *report, void *arg)
{
	struct tsr_proto_upgrade_reply reply;

	(void)arg;
	child_check(report,
	            setgroups(0, NULL) == 0 && setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
	child_is(report, ask("/bin/true", &reply), -EACCES);
	return 0;
}

test_case(upgrade, what_asks_for_it_is_checked)
{
	unsigned const kept = holder_count(&holder_, TSR_STORE_PREFIX);
	uint64_t const before = daemon_status(&daemon_).instance;
	struct tsr_proto_upgrade request = {.binary = "/bin/true"};
	struct tsr_proto_upgrade_reply reply;
	int const raw = raw_greet(&daemon_);
	struct child child;

	test_is(ask("bin/true", &reply), -EINVAL);
	test_is(ask("/bin/tr\nue", &reply), -EINVAL);
	memset(request.binary, 'x', sizeof(request.binary));
	raw_head(&request, TSR_PROTO_UPGRADE, sizeof(request));
	raw_refused(raw, &request, sizeof(request), -ENAMETOOLONG);
	raw_close(raw);
	if (geteuid() == 0) {
		cr_assert_eq(chmod(holder_.dir, 0711) | chmod(daemon_.socket, 0666), 0);
		child_start(&child, another_user_asks, NULL);
		child_join(&child);
	}
	test_same(daemon_status(&daemon_).instance, before);
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), kept);
}

/* It was left to us, but somebody else listens by now: the next one may do better. */
test_case(upgrade, a_foreign_listener_leaves_what_is_kept)
{
	struct tsr_client const client = daemon_attach(&daemon_, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned const kept = holder_count(&holder_, TSR_STORE_PREFIX);
	int const foreign = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int status;

	daemon_kill(&daemon_);
	unlink(daemon_.socket);
	memcpy(address.sun_path, daemon_.socket, sizeof(address.sun_path));
	cr_assert_eq(bind(foreign, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	cr_assert_eq(listen(foreign, 8), 0);
	heir_spawn(&daemon_, &holder_, NULL);
	status = daemon_ended(&daemon_);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%#x", status);
	daemon_log_has(&daemon_, "a living process");
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), kept);
	close(foreign);
	heir_start(&daemon_, &holder_, free_);
	test_same(daemon_status(&daemon_).realms_taken, 1);
	test_ok(tsr_detach(client));
}

/* Where its control thread may run. */
static cpu_set_t
cpus_of_control(void)
{
	char path[64], name[32];
	struct dirent *entry;
	cpu_set_t cpus;
	DIR *tasks;

	CPU_ZERO(&cpus);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)daemon_.pid);
	tasks = opendir(path);
	cr_assert_not_null(tasks);
	while ((entry = readdir(tasks)) != NULL) {
		FILE *comm;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)daemon_.pid,
		         entry->d_name);
		comm = fopen(path, "re");
		if (comm == NULL)
			continue;
		if (fgets(name, sizeof(name), comm) != NULL && strcmp(name, "control\n") == 0)
			sched_getaffinity((pid_t)atol(entry->d_name), sizeof(cpus), &cpus);
		fclose(comm);
	}
	closedir(tasks);
	return cpus;
}

/* The poll core is pinned; what follows it is not to be as a whole. */
Test(upgrade, the_successor_may_run_where_the_first_one_might)
{
	char const *const sets[] = {"poll.cpu=0", "sandbox.mode=off", NULL};
	cpu_set_t before, after;

	holder_start(&holder_);
	heir_start(&daemon_, &holder_, sets);
	before = cpus_of_control();
	cr_assert_gt(CPU_COUNT(&before), 0);
	for (int i = 0; i < 2; i++)
		test_same(upgrade_to("").poll_cpu, 0);
	after = cpus_of_control();
	cr_assert(CPU_EQUAL(&before, &after), "%d of %d", CPU_COUNT(&after), CPU_COUNT(&before));
	upgrade_teardown();
}

/* Is the process to get that signal, and has not yet? */
static bool
pends(int number)
{
	char path[64], line[256];
	unsigned long long pending = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)daemon_.pid);
	status = fopen(path, "re");
	cr_assert_not_null(status);
	while (fgets(line, sizeof(line), status) != NULL)
		sscanf(line, "ShdPnd: %llx", &pending);
	fclose(status);
	return (pending >> (number - 1) & 1) != 0;
}

/* Its control thread goes on while its main thread, which is to become another, stands still. */
test_case(upgrade, who_ends_it_while_it_leaves_ends_the_successor)
{
	uint64_t const deadline = test_deadline(10000);
	struct tsr_proto_plain stop = {.head = {.flags = 0}}, done;
	struct tsr_proto_upgrade_reply reply;
	struct tsr_control control;
	int status;

	daemon_control(&daemon_, &control);
	cr_assert_eq(ptrace(PTRACE_SEIZE, daemon_.pid, NULL, NULL), 0, "ptrace: %m");
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, daemon_.pid, NULL, NULL), 0);
	cr_assert_eq(waitpid(daemon_.pid, &status, __WALL), daemon_.pid);
	test_ok(ask("", &reply));
	test_is(tsr_control_ask(&control, TSR_PROTO_STOP, &stop, sizeof(stop), &done, sizeof(done),
	                        NULL, test_deadline(5000)),
	        -EBUSY);
	kill(daemon_.pid, SIGTERM);
	while (pends(SIGTERM))
		cr_assert(!test_passed(deadline), "it does not hear");
	cr_assert_eq(ptrace(PTRACE_DETACH, daemon_.pid, NULL, NULL), 0);
	tsr_control_close(&control);
	status = daemon_ended(&daemon_);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", status);
	daemon_log_has(&daemon_, "upgraded: release");
	daemon_log_has(&daemon_, "stopping: SIGTERM");
	test_same(holder_count(&holder_, TSR_STORE_PREFIX), 0);
	heir_start(&daemon_, &holder_, free_);
}
