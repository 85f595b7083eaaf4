/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"
#include "tests/support/raw.h"

/* The configuration read again while the daemon lives: all or nothing, and nothing is left over. */

#define SMALL_REALM(name, more)                                            \
	"{ name = \"" name "\"; channels = 8; slots = 1024; clients = 8; " \
	"classes = ( { bytes = 64; count = 256; } ); " more " }"
#define DEMO "realms = ( " SMALL_REALM("demo", "") " );\n"

#define OTHER_UID 65534

static struct daemon daemon_;
static char folder[64];
static char path[128];
static uint64_t reloads; /* that the daemon must have counted, taken and refused */

TestSuite(reload, .timeout = 60);

/* Write a file in one go, at @name in the folder. */
static void
write_file(char const *name, char const *text)
{
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "%s/%s", folder, name);
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0, "%s: %m", file);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
rename_file(char const *from, char const *to)
{
	char a[128], b[128];

	snprintf(a, sizeof(a), "%s/%s", folder, from);
	snprintf(b, sizeof(b), "%s/%s", folder, to);
	cr_assert_eq(rename(a, b), 0, "%s to %s: %m", a, b);
}

static void
link_file(char const *target, char const *name)
{
	char at[128];

	snprintf(at, sizeof(at), "%s/%s", folder, name);
	cr_assert_eq(symlink(target, at), 0, "%s: %m", at);
}

static void
folder_make(void)
{
	strcpy(folder, "/tmp/tessera-reload-XXXXXX");
	cr_assert_not_null(mkdtemp(folder), "mkdtemp: %m");
	snprintf(path, sizeof(path), "%s/t.conf", folder);
	reloads = 0;
}

static void
start_at(char const *file, char const *set)
{
	char const *given = getenv("TESSERA_TEST_SET");
	char const *args[7] = {"--config", file};
	struct tsr_proto_ledger_reply ledger;
	int count = 2;

	if (given != NULL && given[0] != '\0') {
		args[count++] = "--set";
		args[count++] = given;
	}
	if (set != NULL) {
		args[count++] = "--set";
		args[count++] = set;
	}
	memset(&daemon_, 0, sizeof(daemon_));
	daemon_spawn(&daemon_, args, 0);
	cr_assert(daemon_ready(&daemon_), "tesserad ended at once:\n%s", daemon_log(&daemon_));
	ledger = daemon_ledger(&daemon_, "demo");
	daemon_.descriptors = ledger.descriptors;
	daemon_.mappings = ledger.mappings;
}

static void
reload_setup(void)
{
	folder_make();
	write_file("t.conf", DEMO);
	start_at(path, NULL);
}

static void
reload_teardown(void)
{
	char command[128];

	daemon_stop(&daemon_);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

/* Wait until the daemon has counted another reload, taken or not. Return: how it is now. */
static struct tsr_proto_status_reply
next_reload(void)
{
	uint64_t const deadline = test_deadline(5000);
	struct tsr_proto_status_reply status;

	reloads++;
	for (;;) {
		status = daemon_status(&daemon_);
		if (status.reloads + status.reloads_refused >= reloads)
			break;
		cr_assert(!test_passed(deadline), "no reload was seen:\n%s", daemon_log(&daemon_));
		sched_yield();
	}
	test_same(status.reloads + status.reloads_refused, reloads);
	return status;
}

static void
taken(void)
{
	struct tsr_proto_status_reply const status = next_reload();

	test_is(status.reload_error, 0);
	test_same(status.reload_restart, 0);
}

/* It was refused, says why, and the realm demo is as it was: with mode 0600. */
static void
refused(char const *why)
{
	struct tsr_proto_status_reply const status = next_reload();
	struct tsr_proto_row_realm demo;

	cr_assert_lt(status.reload_error, 0);
	cr_assert_not_null(strstr(status.reload_text, why), "'%s' does not say '%s'",
	                   status.reload_text, why);
	daemon_log_has(&daemon_, why);
	cr_assert(daemon_realm(&daemon_, "demo", &demo));
	test_same(demo.mode, 0600);
}

static mode_t
mode_of(char const *realm)
{
	struct tsr_proto_row_realm row;

	return daemon_realm(&daemon_, realm, &row) ? row.mode : 07777;
}

/* RELOAD by ourselves. */
static struct tsr_proto_reload_reply
ask(void)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	struct tsr_proto_reload_reply reply;
	struct tsr_control control;

	daemon_control(&daemon_, &control);
	test_ok(tsr_control_ask(&control, TSR_PROTO_RELOAD, &request, sizeof(request), &reply,
	                        sizeof(reply), NULL, test_deadline(5000)));
	tsr_control_close(&control);
	reloads++;
	return reply;
}

/* A text whose realm demo has another mode. */
static char const *
demo_with(char const *more)
{
	static char text[1024];

	snprintf(text, sizeof(text), "realms = ( " SMALL_REALM("demo", "%s") " );\n", more);
	return text;
}

test_case(reload, mistake_is_told_with_its_line_and_nothing_is_changed)
{
	write_file("t.conf",
	           "log: { level = \"debug\"; };\n"
	           "realms = ( " SMALL_REALM("demo", "mode = \"0660\";") ",\n" SMALL_REALM(
			   "more", "") " );\n"
	                               "nonsense = 1;\n");
	refused("t.conf:4: unknown key 'nonsense'");
	test_same(mode_of("more"), 07777);
	cr_assert_null(strstr(daemon_log(&daemon_), "debug"));
	write_file("t.conf", DEMO);
	taken();
}

test_case(reload, every_way_to_change_the_file_is_noticed)
{
	char moved[128];

	write_file("t.conf", demo_with("mode = \"0660\";"));
	taken();
	test_same(mode_of("demo"), 0660);
	write_file("new", demo_with("mode = \"0640\";"));
	rename_file("new", "t.conf");
	taken();
	test_same(mode_of("demo"), 0640);
	/* As editors do: the old one out of the way, the new one in its place. */
	rename_file("t.conf", "t.conf~");
	write_file("t.conf", demo_with("mode = \"0644\";"));
	taken();
	test_same(mode_of("demo"), 0644);
	/* The whole folder. */
	snprintf(moved, sizeof(moved), "%s.old", folder);
	cr_assert_eq(rename(folder, moved), 0);
	cr_assert_eq(mkdir(folder, 0700), 0);
	write_file("t.conf", demo_with("mode = \"0600\";"));
	while (daemon_status(&daemon_).reloads < reloads + 1)
		sched_yield();
	reloads = daemon_status(&daemon_).reloads;
	test_same(mode_of("demo"), 0600);
	write_file("t.conf", demo_with("mode = \"0666\";"));
	taken();
	test_same(mode_of("demo"), 0666);
	snprintf(moved, sizeof(moved), "rm -r %s.old", folder);
	cr_assert_eq(system(moved), 0);
}

Test(reload, links_are_followed_and_a_change_of_any_of_them_is_noticed)
{
	char file[160];

	/* As a config map of Kubernetes is mounted: t.conf -> ..data/t.conf, ..data -> ..1 */
	folder_make();
	snprintf(file, sizeof(file), "%s/..1", folder);
	cr_assert_eq(mkdir(file, 0700), 0);
	snprintf(file, sizeof(file), "%s/..2", folder);
	cr_assert_eq(mkdir(file, 0700), 0);
	write_file("..1/t.conf", DEMO);
	write_file("..2/t.conf", demo_with("mode = \"0660\";"));
	link_file("..1", "..data");
	link_file("..data/t.conf", "t.conf");
	link_file(".", "here");
	snprintf(file, sizeof(file), "%s/here/t.conf", folder);
	start_at(file, NULL);
	link_file("..2", "..next");
	rename_file("..next", "..data");
	taken();
	test_same(mode_of("demo"), 0660);
	/* The new target is watched, the old one is not. */
	write_file("..2/t.conf", demo_with("mode = \"0640\";"));
	taken();
	test_same(mode_of("demo"), 0640);
	write_file("..1/t.conf", demo_with("mode = \"0666\";"));
	write_file("unrelated", "nonsense");
	link_file("..1/t.conf", "direct");
	rename_file("direct", "t.conf");
	taken();
	test_same(mode_of("demo"), 0666);
	reload_teardown();
}

test_case(reload, file_that_is_half_written_changes_nothing)
{
	static char const text[] = "realms = ( " SMALL_REALM("demo", "mode = \"0660\";") " );\n";
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	/* Open: nobody looks at it, however it looks. */
	cr_assert_geq(fd, 0);
	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		cr_assert_eq(write(fd, text + at, 1), 1);
		if (at % 16 == 0)
			test_same(mode_of("demo"), 0600);
	}
	test_same(daemon_status(&daemon_).reload_age_ns, UINT64_MAX);
	close(fd);
	taken();
	test_same(mode_of("demo"), 0660);
	write_file("t.conf", DEMO);
	taken();
	/* Closed half way, at every place: a mistake, or the same as before. */
	for (size_t at = 0; at < sizeof(text) - 1; at += 7) {
		char part[sizeof(text)];

		snprintf(part, sizeof(part), "%.*s", (int)at, text);
		write_file("t.conf", part);
		refused(at == 0 ? "t.conf:1: is empty" : "t.conf:1");
	}
	write_file("t.conf", text);
	taken();
	test_same(mode_of("demo"), 0660);
}

test_case(reload, file_that_is_gone_changes_nothing_until_it_is_there_again)
{
	cr_assert_eq(unlink(path), 0);
	cr_assert_lt(ask().error, 0);
	test_same(mode_of("demo"), 0600);
	cr_assert_eq(mkfifo(path, 0600), 0);
	test_is(ask().error, -EINVAL);
	write_file("new", demo_with("mode = \"0660\";"));
	rename_file("new", "t.conf");
	reloads = daemon_status(&daemon_).reloads_refused;
	taken();
	test_same(mode_of("demo"), 0660);
}

Test(reload, folder_on_the_way_may_be_passed_and_not_read)
{
	char const *args[5] = {"--config", path};
	char inner[96];

	if (geteuid() != 0)
		cr_skip_test("needs root to run the daemon as another user");
	folder_make();
	cr_assert_eq(chmod(folder, 0711), 0);
	snprintf(inner, sizeof(inner), "%s/inner", folder);
	cr_assert_eq(mkdir(inner, 0755), 0);
	cr_assert_eq(chmod(inner, 0755), 0);
	snprintf(path, sizeof(path), "%s/t.conf", inner);
	write_file("inner/t.conf", DEMO);
	cr_assert_eq(chmod(path, 0644), 0);
	memset(&daemon_, 0, sizeof(daemon_));
	daemon_spawn(&daemon_, args, OTHER_UID);
	cr_assert(daemon_ready(&daemon_), "tesserad ended at once:\n%s", daemon_log(&daemon_));
	cr_assert_null(strstr(daemon_log(&daemon_), "may go unseen"), "%s", daemon_log(&daemon_));
	write_file("inner/t.conf", demo_with("mode = \"0660\";"));
	taken();
	test_same(mode_of("demo"), 0660);
	reload_teardown();
}

Test(reload, optional_file_that_appears_is_read)
{
	char optional[160];

	folder_make();
	snprintf(optional, sizeof(optional), "-%s/later/t.conf", folder);
	start_at(optional, "realms.demo.classes=64:256");
	test_ok(ask().error);
	snprintf(optional, sizeof(optional), "%s/later", folder);
	cr_assert_eq(mkdir(optional, 0700), 0);
	write_file("later/t.conf", demo_with("mode = \"0660\";"));
	while (mode_of("demo") != 0660)
		sched_yield();
	/* What can't change, and --set goes before the file. */
	cr_assert_not_null(strstr(daemon_log(&daemon_), "realms.demo.clients"));
	cr_assert_null(strstr(daemon_log(&daemon_), "realms.demo.classes"));
	reload_teardown();
}

test_case(reload, sighup_reloads_and_set_goes_before_the_file)
{
	struct tsr_proto_status_reply status;

	reload_teardown();
	folder_make();
	write_file("t.conf", DEMO);
	start_at(path, "limits.connections_per_user=9");
	cr_assert_eq(kill(daemon_.pid, SIGHUP), 0);
	status = next_reload();
	cr_assert_not_null(strstr(status.reload_text, "SIGHUP"), "%s", status.reload_text);
	write_file("t.conf", "limits: { connections_per_user = 77; };\n" DEMO);
	taken();
	daemon_log_has(&daemon_, "the file was changed): 0 changed, 0 need a restart");
}

test_case(reload, what_takes_a_restart_is_named_and_the_rest_is_applied)
{
	struct tsr_proto_reload_reply reply;
	struct tsr_proto_row_realm demo;

	write_file("t.conf", demo_with("mode = \"0660\"; first_lap = 7; backing = \"4K\";"));
	test_same(next_reload().reload_restart, 2);
	test_same(mode_of("demo"), 0660);
	daemon_log_has(&daemon_, "realms.demo.backing: 4K needs a restart, auto stays in force");
	write_file("t.conf", "poll: { cpu = 0; };\nsocket = \"/tmp/elsewhere\";\n"
	                     "realms = ( { name = \"demo\"; clients = 9; channels = 8; "
	                     "slots = 1024; classes = ( { bytes = 64; count = 999; } ); } );\n");
	test_same(next_reload().reload_restart, 4);
	reply = ask();
	test_is(reply.error, 0);
	test_same(reply.restart, 4);
	test_same(reply.applied, 0);
	daemon_log_has(&daemon_, "realms.demo.classes: 64:999 needs a restart, 64:256 stays");
	daemon_log_has(&daemon_, "realms.demo.clients: 9 needs a restart, 8 stays");
	daemon_log_has(&daemon_, "socket: \"/tmp/elsewhere\" needs a restart");
	cr_assert(daemon_realm(&daemon_, "demo", &demo));
	test_same(demo.clients_max, 8);
	test_same(demo.mode, 0600);
	write_file("t.conf", DEMO);
	taken();
}

test_case(reload, limits_bite_from_the_reload_on)
{
	struct tsr_channel_options const slots = {.size = sizeof(slots), .capacity = 64};
	struct tsr_client client = daemon_attach(&daemon_, 0), more;
	struct tsr_attach_options options = daemon_options(&daemon_);

	test_ok(tsr_channel_create(client, "before", &slots));
	write_file("t.conf", "limits: { bytes_per_user = 0; connections_per_user = 2; };\n" DEMO);
	taken();
	test_is(tsr_channel_create(client, "after", &slots), -ENOBUFS);
	test_ok(tsr_attach(&options, &more));
	test_is(tsr_channel_create(more, "after", &slots), -ENOBUFS);
	/* No connection is left to ask by. */
	test_is(tsr_attach(&options, &(struct tsr_client){0}), -ENOBUFS);
	write_file("t.conf", DEMO);
	daemon_log_has(&daemon_, "limits.connections_per_user: 256, was 2");
	reloads++;
	test_ok(tsr_channel_create(more, "after", &slots));
	test_ok(tsr_detach(more));
	test_ok(tsr_detach(client));
}

test_case(reload, log_level_socket_mode_and_isolation_change_at_once)
{
	struct stat status;

	write_file("t.conf", "log: { level = \"debug\"; };\nsocket_mode = \"0600\";\n"
	                     "poll: { isolated = true; };\n" DEMO);
	taken();
	test_ok(tsr_detach(daemon_attach(&daemon_, 0)));
	daemon_log_has(&daemon_, "attached to realm 'demo'");
	cr_assert_eq(stat(daemon_.socket, &status), 0);
	test_same(status.st_mode & 07777, 0600);
	for (uint64_t asleep = daemon_status(&daemon_).asleep_ns, i = 0; i < 50; i++)
		test_same(daemon_status(&daemon_).asleep_ns, asleep);
	write_file("t.conf", DEMO);
	taken();
	cr_assert_eq(stat(daemon_.socket, &status), 0);
	test_same(status.st_mode & 07777, 0660);
	for (uint64_t asleep = daemon_status(&daemon_).asleep_ns;
	     daemon_status(&daemon_).asleep_ns == asleep;)
		poll(NULL, 0, 1);
}

test_case(reload, new_realm_is_there_and_a_removed_one_goes_when_its_last_client_has_left)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_client client, second;
	struct tsr_sender sender;
	struct tsr_msg msg;

	options.realm = "more";
	test_is(tsr_attach(&options, &client), -ENOENT);
	write_file("t.conf",
	           "realms = ( " SMALL_REALM("demo", "") ", " SMALL_REALM("more", "") " );\n");
	taken();
	test_ok(tsr_attach(&options, &client));
	test_ok(tsr_sender_open(client, "kept", NULL, &sender));
	/* It leaves, and goes on for the one who is in. */
	write_file("t.conf", DEMO);
	taken();
	test_same(mode_of("more"), 0600);
	test_is(tsr_attach(&options, &(struct tsr_client){0}), -ENOENT);
	cr_assert_not_null(strstr(tsr_last_hint(), "no longer in the configuration"));
	test_ok(tsr_alloc(client, 8, &msg));
	test_ok(tsr_send(sender, &msg, TSR_NOWAIT));
	/* It may return. */
	write_file("t.conf",
	           "realms = ( " SMALL_REALM("demo", "") ", " SMALL_REALM("more", "") " );\n");
	taken();
	daemon_log_has(&daemon_, "realms.more is in the configuration again");
	test_ok(tsr_attach(&options, &second));
	test_ok(tsr_detach(second));
	write_file("t.conf", DEMO);
	taken();
	test_same(mode_of("more"), 0600);
	test_ok(tsr_detach(client));
	test_same(mode_of("more"), 07777);
}

static int
stay(struct child_report *report, void *arg)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	struct tsr_client client;

	(void)arg;
	options.realm = "more";
	child_ok(report, tsr_attach(&options, &client));
	report_set(report, 0, 1);
	for (;;)
		pause();
}

test_case(reload, removed_realm_goes_with_the_death_of_its_last_client_and_may_be_made_anew)
{
	uint32_t const mappings = daemon_ledger(&daemon_, "demo").mappings;
	struct tsr_proto_row_realm row;
	struct child child;
	uint64_t epoch;

	write_file("t.conf",
	           "realms = ( " SMALL_REALM("demo", "") ", " SMALL_REALM("more", "") " );\n");
	taken();
	cr_assert(daemon_realm(&daemon_, "more", &row));
	epoch = row.epoch;
	child_start(&child, stay, NULL);
	cr_assert(report_await(child.report, 0, 1, 10000));
	write_file("t.conf", DEMO);
	taken();
	test_same(mode_of("more"), 0600);
	child_kill(&child, SIGKILL);
	while (daemon_realm(&daemon_, "more", &row))
		sched_yield();
	test_same(daemon_ledger(&daemon_, "demo").mappings, mappings);
	write_file("t.conf",
	           "realms = ( " SMALL_REALM("demo", "") ", " SMALL_REALM("more", "") " );\n");
	taken();
	cr_assert(daemon_realm(&daemon_, "more", &row));
	cr_assert_gt(row.epoch, epoch, "a realm that is made anew is another one");
	/* Without a client it goes at once. */
	write_file("t.conf", DEMO);
	taken();
	test_same(mode_of("more"), 07777);
	test_same(daemon_ledger(&daemon_, "demo").mappings, mappings);
}

test_case(reload, realm_that_cannot_be_made_leaves_nothing_changed)
{
	uint32_t const mappings = daemon_ledger(&daemon_, "demo").mappings;

	write_file("t.conf",
	           "limits: { bytes_per_user = 0; };\nrealms = (\n" SMALL_REALM(
			   "demo",
			   "mode = \"0660\";") ",\n" SMALL_REALM("fits",
	                                                         "") ",\n{ name = \"huge\"; "
	                                                             "classes = ( { bytes = "
	                                                             "\"1G\"; count = 4000; } );"
	                                                             " } );\n");
	refused("t.conf:5: realm 'huge'");
	test_same(mode_of("fits"), 07777);
	test_same(mode_of("huge"), 07777);
	test_same(daemon_ledger(&daemon_, "demo").mappings, mappings);
	cr_assert_null(strstr(daemon_log(&daemon_), "bytes_per_user: 0"));
}

static int
come_and_go(struct child_report *report, void *arg)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	uint64_t rounds = 0;

	(void)arg;
	while (atomic_load(&report->word[0]) == 0) {
		struct tsr_client client;
		struct tsr_sender sender;
		struct tsr_msg msg;

		child_ok(report, tsr_attach(&options, &client));
		child_ok(report, tsr_sender_open(client, "through", NULL, &sender));
		child_ok(report, tsr_alloc(client, 8, &msg));
		child_ok(report, tsr_release(client, &msg));
		child_ok(report, tsr_detach(client));
		report_set(report, 1, ++rounds);
	}
	return 0;
}

/* Resident pages of the daemon. */
static unsigned
resident(void)
{
	unsigned size = 0, pages = 0;
	char name[64];
	FILE *statm;

	snprintf(name, sizeof(name), "/proc/%d/statm", (int)daemon_.pid);
	statm = fopen(name, "re");
	cr_assert_not_null(statm);
	cr_assert_eq(fscanf(statm, "%u %u", &size, &pages), 2);
	fclose(statm);
	return pages;
}

test_case(reload, thousand_reloads_while_clients_come_and_go_leak_nothing)
{
	static char const *const texts[] = {
		DEMO,
		"log: { level = \"debug\"; };\nlimits: { connections_per_user = 99; };\n"
		"realms = ( " SMALL_REALM("demo", "mode = \"0660\";") " );\n",
		"nonsense = 1;\nrealms = ( { name = \"demo\"; }, { name = \"demo\"; } );\n",
		"realms = ( " SMALL_REALM(
			"demo", "mode = \"0640\"; first_lap = 3;") ", " SMALL_REALM("more",
	                                                                            "") " );\n",
	};
	unsigned before = 0;
	struct child child;

	/* The log would be its growth. */
	child_start(&child, come_and_go, NULL);
	for (unsigned i = 0; i < 1000; i++) {
		write_file("new", texts[i % 4]);
		rename_file("new", "t.conf");
		if (i == 200)
			before = resident();
		/* By the change, a signal, and a request. */
		if (i % 3 == 0)
			cr_assert_eq(kill(daemon_.pid, SIGHUP), 0);
		if (i % 5 == 0)
			(void)ask();
	}
	cr_assert(report_await(child.report, 1, 20, 20000), "%s", child.report->text);
	report_set(child.report, 0, 1);
	child_join(&child);
	write_file("t.conf", DEMO);
	while (mode_of("demo") != 0600 || mode_of("more") != 07777)
		sched_yield();
		/* That one keeps for a while what was freed, and looks for leaks itself. */
#ifndef __SANITIZE_ADDRESS__
	cr_assert_leq(resident(), before + 128, "%u pages, %u before", resident(), before);
#endif
	cr_assert_gt(before, 0);
	cr_assert_geq(daemon_status(&daemon_).reloads, 200);
}

static int
compare(void const *a, void const *b)
{
	uint64_t const x = *(uint64_t const *)a, y = *(uint64_t const *)b;

	return x < y ? -1 : x > y;
}

/* A supervisor that never reads. */
static int
notify_nobody(void *arg)
{
	return setenv("NOTIFY_SOCKET", arg, 1);
}

/* From before the write to the answer that shows the effect. */
static uint64_t
write_to_effect(struct tsr_control *control, char const *mode, uint32_t want)
{
	static unsigned char packet[TSR_PROTO_PACKET_MAX];
	uint64_t const begun = tsr_now_ns(), deadline = test_deadline(5000);
	struct tsr_proto_row_realm row = {.mode = 07777};

	write_file("t.conf", mode);
	while (row.mode != want) {
		struct tsr_proto_list request = {.what = TSR_LIST_REALMS};
		size_t got;

		test_ok(tsr_control_ask(control, TSR_PROTO_LIST, &request, sizeof(request), packet,
		                        sizeof(packet), &got, deadline));
		memcpy(&row, packet + sizeof(struct tsr_proto_list_reply), sizeof(row));
	}
	reloads++;
	return tsr_now_ns() - begun;
}

test_case(reload, change_is_in_force_within_a_millisecond)
{
	char const open_text[] = "realms = ( " SMALL_REALM("demo", "mode = \"0660\";") " );\n";
	uint64_t took[400], best = UINT64_MAX;
	struct tsr_control control;

	daemon_control(&daemon_, &control);
	/* Others may be at work on this machine: the best median of three, or of ten if need be. */
	for (int round = 0; round < 3 || (round < 10 && best >= 1000000); round++) {
		for (int i = 0; i < 400; i++)
			took[i] = i % 2 == 0 ? write_to_effect(&control, open_text, 0660)
			                     : write_to_effect(&control, DEMO, 0600);
		qsort(took, 400, sizeof(took[0]), compare);
		fprintf(stderr, "# write to effect: median %ju us, 99 %% %ju us, of 400\n",
		        (uintmax_t)took[200] / 1000, (uintmax_t)took[396] / 1000);
		best = took[200] < best ? took[200] : best;
	}
	tsr_control_close(&control);
	cr_assert_lt(best, 1000000, "%ju ns from write to effect", (uintmax_t)best);
}

Test(reload, supervisor_that_does_not_read_holds_up_nothing)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[] = "@tessera-reload-XXXXXX";
	socklen_t const bytes = offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1;
	int const deaf = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct tsr_control control;

	folder_make();
	write_file("t.conf", DEMO);
	memcpy(name + sizeof(name) - 7, folder + strlen(folder) - 6, 6);
	memcpy(address.sun_path + 1, name + 1, sizeof(name) - 2);
	cr_assert_eq(bind(deaf, (struct sockaddr *)&address, bytes), 0, "bind: %m");
	memset(&daemon_, 0, sizeof(daemon_));
	daemon_.prepare = notify_nobody;
	daemon_.prepare_arg = name;
	daemon_spawn(&daemon_, (char const *const[]){"--config", path, NULL}, 0);
	while (tsr_control_open(&control, daemon_.socket, test_deadline(1000)) != 0)
		sched_yield();
	tsr_control_close(&control);
	/* Far more than its queue holds. */
	for (int i = 0; i < 50; i++)
		test_is(ask().error, 0);
	close(deaf);
	reload_teardown();
}

static int
stranger(struct child_report *report, void *arg)
{
	struct tsr_proto_plain request = {.head = {.flags = 0}};
	struct tsr_proto_list list = {.what = TSR_LIST_CHANGES};
	struct tsr_proto_reload_reply reply;
	struct tsr_control control;

	(void)arg;
	child_check(report,
	            setgroups(0, NULL) == 0 && setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
	child_ok(report, tsr_control_open(&control, daemon_.socket, tsr_deadline_in_ms(5000)));
	child_is(report,
	         tsr_control_ask(&control, TSR_PROTO_RELOAD, &request, sizeof(request), &reply,
	                         sizeof(reply), NULL, tsr_deadline_in_ms(5000)),
	         -EACCES);
	child_is(report,
	         tsr_control_ask(&control, TSR_PROTO_LIST, &list, sizeof(list), &reply,
	                         sizeof(reply), NULL, tsr_deadline_in_ms(5000)),
	         -EACCES);
	tsr_control_close(&control);
	return 0;
}

test_case(reload, only_the_daemons_user_and_root_may_ask)
{
	struct child child;

	if (geteuid() != 0)
		test_case_skip(reload, "needs root to become another user");
	cr_assert_eq(chmod(daemon_.dir, 0755), 0);
	cr_assert_eq(chmod(daemon_.socket, 0666), 0);
	child_start(&child, stranger, NULL);
	child_join(&child);
	test_same(daemon_status(&daemon_).reload_age_ns, UINT64_MAX);
}
