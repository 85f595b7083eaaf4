/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/helper.h"
#include "core/sandbox.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/*
 * Each wall of the sandbox, by somebody who runs into it: in children that shut themselves in as
 * the daemon's threads do, and in a daemon whose threads are made to.
 */

#define OTHER_UID 65534

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define KEPT (UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_CHOWN)

static struct daemon daemon_;

TestSuite(sandbox, .timeout = 60);

/* A system call that some role must not make. */
struct attempt {
	char const *name; /* as the log has it; "": it has nobody to say it */
	long number;
	long argument[3];
	unsigned may; /* bits of the roles that may after all */
};

/* Nothing here does harm where it is let through: whoever breaks a wall runs the rest, as root. */
static char path_passwd[] = "/etc/passwd", path_none[] = "/nowhere/to/be/found";
static struct attempt const attempts[] = {
	{"openat",
         SYS_openat,
         {AT_FDCWD, (long)path_passwd, O_RDONLY},
         1U << TSR_SANDBOX_DAEMON | 1U << TSR_SANDBOX_CONTROL},
	{"execve", SYS_execve, {(long)path_none, 0, 0}, 0},
	{"execveat", SYS_execveat, {AT_FDCWD, (long)path_none, 0}, 0},
	{"socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}, 0},
	{"socket", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, 0},
	{"socket", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, 0},
	{"bind", SYS_bind, {0, 0, 0}, 0},
	{"ptrace", SYS_ptrace, {PTRACE_TRACEME, 0, 0}, 0},
	{"process_vm_readv", SYS_process_vm_readv, {1, 0, 0}, 0},
	{"mount", SYS_mount, {(long)path_none, (long)path_none, 0}, 0},
	{"unshare", SYS_unshare, {CLONE_NEWUSER, 0, 0}, 0},
	{"setns", SYS_setns, {0, 0, 0}, 0},
	{"chroot", SYS_chroot, {(long)path_none, 0, 0}, 0},
	{"mprotect", SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}, 0},
	{"mmap", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC}, 0},
	{"capset", SYS_capset, {0, 0, 0}, 0},
	{"setuid", SYS_setuid, {0, 0, 0}, 0},
	{"fork", SYS_fork, {0, 0, 0}, 0},
	{"clone", SYS_clone, {SIGCHLD, 0, 0}, 0},
	{"clone", SYS_clone, {CLONE_THREAD | CLONE_NEWNET, 0, 0}, 0},
	{"kill", SYS_kill, {1, 0, 0}, 0},
	{"tgkill", SYS_tgkill, {1, 1, 0}, 0},
	{"rt_sigaction", SYS_rt_sigaction, {SIGSYS, 0, 0}, 0},
	{"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1, 0}, 0},
	{"prlimit64", SYS_prlimit64, {0, 7, 1}, 0},
	{"fcntl", SYS_fcntl, {0, F_SETOWN, 1}, 0},
	{"ioctl", SYS_ioctl, {0, 0x5412, 0}, 0}, /* TIOCSTI */
	{"pidfd_getfd", SYS_pidfd_getfd, {0, 0, 0}, 0},
	{"bpf", SYS_bpf, {0, 0, 0}, 0},
	{"io_uring_setup", SYS_io_uring_setup, {1, 0, 0}, 0},
	{"userfaultfd", SYS_userfaultfd, {0, 0, 0}, 0},
	{"personality", SYS_personality, {ADDR_NO_RANDOMIZE, 0, 0}, 0},
	{"seccomp", SYS_seccomp, {1, 0, 0}, 1U << TSR_SANDBOX_DAEMON},
	{"seccomp", SYS_seccomp, {1, 1, 0}, 0}, /* for all threads */
	{"unlink",
         SYS_unlink,
         {(long)path_none, 0, 0},
         1U << TSR_SANDBOX_DAEMON | 1U << TSR_SANDBOX_CONTROL},
	{"rename", SYS_rename, {(long)path_none, (long)path_none, 0}, 1U << TSR_SANDBOX_DAEMON},
	{"memfd_create",
         SYS_memfd_create,
         {(long)path_none, 0, 0},
         1U << TSR_SANDBOX_DAEMON | 1U << TSR_SANDBOX_CONTROL},
};

struct attack {
	struct attempt const *attempt;
	enum tsr_sandbox_role role;
	enum tsr_sandbox_mode mode;
	int log;
};

/* Shut this process in as a thread of that role. */
static void
enter(struct child_report *report, struct attack const *attack)
{
	struct tsr_sandbox sandbox = {.mode = attack->mode};
	struct tsr_refusal refusal = {.text = ""};

	child_check(report, dup2(attack->log, STDERR_FILENO) == STDERR_FILENO);
	child_check(report, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	child_ok(report, tsr_sandbox_catch(attack->mode == TSR_SANDBOX_LOG));
	child_check(report,
	            tsr_sandbox_calls(&sandbox, attack->role, false, &refusal) == 0 &&
	                    sandbox.filtered,
	            "%s", refusal.text);
}

static int
attack_body(struct child_report *report, void *arg)
{
	struct attack const *const attack = arg;
	struct attempt const *const attempt = attack->attempt;
	long result;

	enter(report, attack);
	result = syscall(attempt->number, attempt->argument[0], attempt->argument[1],
	                 attempt->argument[2], -1, -1, 0);
	child_check(report, (attempt->may & 1U << attack->role) != 0, "%s gave %ld (%s)",
	            attempt->name, result, strerror(errno));
	return 0;
}

static char const *
logged(int log)
{
	static char text[4096];
	ssize_t const got = pread(log, text, sizeof(text) - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void
each_is_refused(enum tsr_sandbox_role role)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		struct attack attack = {.attempt = &attempts[i],
		                        .role = role,
		                        .log = memfd_create("log", MFD_CLOEXEC)};
		char want[80];
		struct child child;

		child_start(&child, attack_body, &attack);
		if ((attempts[i].may & 1U << role) != 0) {
			child_join(&child);
		} else {
			child_died_of(&child, SIGSYS);
			child_forget(&child);
			snprintf(want, sizeof(want), "asks for the system call %s (%ld,",
			         attempts[i].name, attempts[i].number);
			cr_assert_not_null(strstr(logged(attack.log), want), "%s: '%s'", want,
			                   logged(attack.log));
			cr_assert_not_null(strstr(logged(attack.log), "this process ends"));
		}
		close(attack.log);
	}
}

Test(sandbox, calls_that_are_not_on_a_list_end_any_thread)
{
	each_is_refused(TSR_SANDBOX_DAEMON);
}

Test(sandbox, calls_that_are_not_on_a_list_end_the_control_thread)
{
	each_is_refused(TSR_SANDBOX_CONTROL);
}

Test(sandbox, calls_that_are_not_on_a_list_end_the_poll_core)
{
	each_is_refused(TSR_SANDBOX_POLL);
}

#if defined(__x86_64__)
/* The system calls of another architecture have other numbers. */
static int
foreign_body(struct child_report *report, void *arg)
{
	long result = 20; /* getpid() there, writev() here */

	enter(report, arg);
	__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
	child_check(report, false, "int 0x80 gave %ld", result);
	return 0;
}

Test(sandbox, calls_of_another_architecture_end_any_thread)
{
	struct attack attack = {.role = TSR_SANDBOX_DAEMON,
	                        .log = memfd_create("log", MFD_CLOEXEC)};
	struct child child;

	child_start(&child, foreign_body, &attack);
	child_died_of(&child, SIGSYS);
	child_forget(&child);
}
#endif

/* Who is under two lists has what both allow. */
static int
stack_body(struct child_report *report, void *arg)
{
	struct attack attack = *(struct attack *)arg;

	attack.role = TSR_SANDBOX_DAEMON;
	enter(report, &attack);
	child_check(report, close(open("/dev/null", O_RDONLY | O_CLOEXEC)) == 0);
	attack.role = TSR_SANDBOX_POLL;
	{
		struct tsr_sandbox sandbox = {.mode = TSR_SANDBOX_ON};
		struct tsr_refusal refusal;

		child_ok(report, tsr_sandbox_calls(&sandbox, attack.role, false, &refusal));
	}
	(void)open("/dev/null", O_RDONLY | O_CLOEXEC);
	child_check(report, false, "the second list does not hold");
	return 0;
}

Test(sandbox, lists_only_get_narrower)
{
	struct attack attack = {.log = memfd_create("log", MFD_CLOEXEC)};
	struct child child;

	child_start(&child, stack_body, &attack);
	child_died_of(&child, SIGSYS);
	child_forget(&child);
}

/* In the mode "log": said once, and done, with all six arguments. */
static int
log_body(struct child_report *report, void *arg)
{
	static uint64_t const zero;
	void *page;
	int fd;

	enter(report, arg);
	for (int i = 0; i < 3; i++) {
		fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
		child_check(report, fd >= 0, "%s", strerror(errno));
		child_check(report, close(fd) == 0);
	}
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 4096);
	child_check(report, page != MAP_FAILED, "%s", strerror(errno));
	child_check(report, memcmp(page, &zero, 0) == 0);
	child_check(report, open("/nowhere/to/be/found", O_RDONLY) < 0 && errno == ENOENT);
	return 0;
}

Test(sandbox, mode_log_says_a_call_once_and_does_it)
{
	struct attack attack = {.role = TSR_SANDBOX_POLL,
	                        .mode = TSR_SANDBOX_LOG,
	                        .log = memfd_create("log", MFD_CLOEXEC)};
	char const *first;
	struct child child;

	child_start(&child, log_body, &attack);
	child_join(&child);
	first = strstr(logged(attack.log), "system call openat (257,");
	cr_assert_not_null(first, "%s", logged(attack.log));
	cr_assert_null(strstr(first + 24, "openat"), "%s", first);
	cr_assert_not_null(strstr(logged(attack.log), "system call mmap (9,"));
	cr_assert_not_null(strstr(logged(attack.log), "done, for sandbox.mode is log"));
}

/* A line of /proc/.../status, in hexadecimal. */
static uint64_t
status_of(char const *path, char const *key)
{
	FILE *const file = fopen(path, "re");
	uint64_t value = UINT64_MAX;
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
			value = strtoull(line + strlen(key) + 1, NULL, 16);
	}
	if (file != NULL)
		fclose(file);
	return value;
}

static int
rights_body(struct child_report *report, void *arg)
{
	static char const self[] = "/proc/self/status";
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct all[2] = {{.effective = ~0U, .permitted = ~0U},
	                                        {.effective = ~0U, .permitted = ~0U}};
	struct tsr_refusal refusal = {.text = ""};
	struct tsr_sandbox sandbox;
	bool const daemon = *(bool *)arg;
	uint64_t const had = status_of(self, "CapPrm");
	uint64_t const left = daemon ? had & KEPT : 0;
	void *page;

	child_check(report, tsr_sandbox_rights(&sandbox, TSR_SANDBOX_ON, daemon, &refusal) == 0,
	            "%s", refusal.text);
	child_check(report, sandbox.capabilities == left, "%#jx of %#jx",
	            (uintmax_t)sandbox.capabilities, (uintmax_t)had);
	child_check(report, status_of(self, "CapEff") == left && status_of(self, "CapPrm") == left);
	child_check(report, status_of(self, "CapInh") == 0 && status_of(self, "CapAmb") == 0);
	child_check(report, geteuid() != 0 || status_of(self, "CapBnd") == 0);
	child_check(report, status_of(self, "NoNewPrivs") == 1);
	child_check(report, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	child_check(report, syscall(SYS_capset, &header, all) == -1 && errno == EPERM);
	/* Nobody's file: root without CAP_DAC_OVERRIDE is like anybody. */
	if (geteuid() == 0)
		child_check(report, open("/proc/1/environ", O_RDONLY) < 0 && errno == EACCES);
	/* What was written is never run (Linux 6.3). */
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (prctl(66 /* PR_GET_MDWE */, 0, 0, 0, 0) >= 0)
		child_check(report,
		            mprotect(page, 4096, PROT_READ | PROT_EXEC) == -1 && errno == EACCES);
	return 0;
}

Test(sandbox, rights_are_gone_and_do_not_come_back)
{
	static bool const whose[] = {true, false};
	struct child child;

	for (size_t i = 0; i < 2; i++) {
		child_start(&child, rights_body, (void *)(uintptr_t)&whose[i]);
		child_join(&child);
	}
}

/* A socket in no directory. */
static struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0tessera-sandbox"};

/* The folder "in" may be written, "out" read, and nothing else. */
static int
places_body(struct child_report *report, void *arg)
{
	uint32_t const abi = *(uint32_t *)arg;
	struct tsr_sandbox_place const places[] = {
		{"in", TSR_SANDBOX_READ | TSR_SANDBOX_WRITE},
		{"out", TSR_SANDBOX_READ},
		{"none", TSR_SANDBOX_READ},
	};
	struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct tsr_sandbox sandbox = {.mode = TSR_SANDBOX_ON};
	struct tsr_refusal refusal = {.text = ""};
	int fd;

	child_check(report, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	child_check(report, tsr_sandbox_places(&sandbox, places, 3, abi, false, &refusal) == 0,
	            "%s", refusal.text);
	child_check(report, sandbox.landlock == abi, "ABI %u, not %u", sandbox.landlock, abi);
	fd = open("in/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	child_check(report, fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
	child_check(report, unlink("in/new") == 0);
	child_check(report, close(open("out/file", O_RDONLY | O_CLOEXEC)) == 0);
	child_check(report, open("out/file", O_WRONLY) < 0 && errno == EACCES);
	child_check(report, open("out/new", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
	child_check(report, unlink("out/file") == -1 && errno == EACCES);
	child_check(report,
	            rename("out/file", "in/file") == -1 && (errno == EACCES || errno == EXDEV));
	child_check(report, open(path_passwd, O_RDONLY) < 0 && errno == EACCES, "%s",
	            strerror(errno));
	child_check(report, open("in/../other", O_RDONLY) < 0 && errno == EACCES);
	child_check(report, execl("/bin/true", "true", NULL) == -1 && errno == EACCES);
	child_check(report, abi < 3 || (truncate("out/file", 0) == -1 && errno == EACCES));
	if (abi >= 4)
		child_check(report, connect(socket(AF_INET, SOCK_STREAM, 0),
		                            (struct sockaddr *)&inet, sizeof(inet)) == -1 &&
		                            errno == EACCES);
	if (abi >= 6)
		child_check(report,
		            connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&abstract,
		                    sizeof(sa_family_t) + 16) == -1 &&
		                    errno == EPERM);
	return 0;
}

Test(sandbox, only_the_places_are_left)
{
	uint32_t const abi = tsr_sandbox_landlock();
	uint32_t const abis[] = {1, 2, abi};
	int const listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char folder[] = "/tmp/tessera-test-XXXXXX";
	struct child child;

	if (abi == 0)
		cr_skip("this kernel has no Landlock");
	cr_assert_eq(bind(listener, (struct sockaddr *)&abstract, sizeof(sa_family_t) + 16), 0);
	cr_assert_eq(listen(listener, 8), 0);
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	cr_assert_eq(system("mkdir in out && touch out/file other"), 0);
	for (size_t i = 0; i < 3; i++) {
		child_start(&child, places_body, (void *)(uintptr_t)&abis[i]);
		child_join(&child);
	}
	cr_assert_eq(system("cd / && rm -r \"$OLDPWD\""), 0);
}

/* A helper opens one file and no other, and finds names. */
static int
helper_body(struct child_report *report, void *arg)
{
	struct tsr_refusal refusal = {.text = ""};
	unsigned id = 7;
	int fd;

	child_check(report, tsr_helper_finder(TSR_SANDBOX_ON, arg, &refusal) == 0, "%s",
	            refusal.text);
	fd = tsr_helper_open(arg);
	child_check(report, fd >= 0, "%s", strerror(-fd));
	child_check(report, close(fd) == 0);
	child_is(report, tsr_helper_open("/etc/passwd"), -EACCES);
	child_ok(report, tsr_helper_find(true, "root", &id));
	child_check(report, id == 0);
	child_is(report, tsr_helper_find(true, "no such user", &id), -ENOENT);
	child_ok(report, tsr_helper_find(false, "root", &id));
	tsr_helper_finder_end();
	return 0;
}

Test(sandbox, helper_opens_the_configuration_and_nothing_else)
{
	char file[] = "/tmp/tessera-test-XXXXXX";
	int const fd = mkstemp(file);
	struct child child;

	cr_assert_geq(fd, 0);
	child_start(&child, helper_body, file);
	child_join(&child);
	unlink(file);
	close(fd);
}

static void
sandbox_setup(void)
{
	daemon_start(&daemon_, NULL);
}

static void
sandbox_teardown(void)
{
	daemon_stop(&daemon_);
}

#define test_daemon(name) Test(sandbox, name, .init = sandbox_setup, .fini = sandbox_teardown)

/* Call @each with the path of every thread's status. */
static unsigned
each_thread(void (*each)(char const *path))
{
	struct dirent const *entry;
	unsigned count = 0;
	char path[300];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)daemon_.pid);
	tasks = opendir(path);
	cr_assert_not_null(tasks);
	while ((entry = readdir(tasks)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)daemon_.pid,
		         entry->d_name);
		each(path);
		count++;
	}
	closedir(tasks);
	return count;
}

static void
thread_is_shut_in(char const *path)
{
	test_same(status_of(path, "Seccomp"), 2);
	test_same(status_of(path, "NoNewPrivs"), 1);
	test_same(status_of(path, "CapEff") & ~KEPT, 0);
	test_same(status_of(path, "CapPrm") & ~KEPT, 0);
	test_same(status_of(path, "CapInh"), 0);
}

static void
thread_is_free(char const *path)
{
	test_same(status_of(path, "Seccomp"), 0);
	test_same(status_of(path, "NoNewPrivs"), 0);
}

test_daemon(every_thread_of_the_daemon_is_shut_in_and_the_status_says_so)
{
	struct tsr_proto_status_reply const status = daemon_status(&daemon_);
	uint32_t const abi = tsr_sandbox_landlock();
	bool const old = (status.flags & TSR_STATUS_COMPAT) != 0;

	/* The main one, two of DPDK's, the control thread, the poll core. */
	cr_assert_geq(each_thread(thread_is_shut_in), 5);
	test_same(status.sandbox, TSR_STATUS_SANDBOX_ON | TSR_STATUS_SANDBOX_SECCOMP);
	test_same(status.capabilities & ~KEPT, 0);
	test_same(status.landlock, old && abi > 2 ? 2 : abi);
}

Test(sandbox, off_is_off)
{
	char const *const sets[] = {"sandbox.mode=off", NULL};

	daemon_start(&daemon_, sets);
	cr_assert_geq(each_thread(thread_is_free), 5);
	test_same(daemon_status(&daemon_).sandbox, TSR_STATUS_SANDBOX_OFF);
	test_same(daemon_status(&daemon_).landlock, 0);
	daemon_stop(&daemon_);
}

Test(sandbox, mode_log_lets_the_daemon_do_what_it_does_and_says_nothing)
{
	char const *const sets[] = {"sandbox.mode=log", NULL};

	daemon_start(&daemon_, sets);
	test_same(daemon_status(&daemon_).sandbox,
	          TSR_STATUS_SANDBOX_LOG | TSR_STATUS_SANDBOX_SECCOMP);
	cr_assert_null(strstr(daemon_log(&daemon_), "sandbox:"), "%s", daemon_log(&daemon_));
	daemon_stop(&daemon_);
}

/* Somebody of the daemon's own user. */
static int
intruder_body(struct child_report *report, void *arg)
{
	struct iovec local = {.iov_base = path_passwd, .iov_len = 1}, remote = local;
	pid_t const pid = daemon_.pid;
	char path[64];

	(void)arg;
	child_check(report, setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
	child_check(report, kill(pid, 0) == 0, "not even of the same user");
	child_check(report, ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1 && errno == EPERM);
	child_check(report,
	            process_vm_readv(pid, &local, 1, &remote, 1, 0) == -1 && errno == EPERM);
	child_check(report, syscall(SYS_pidfd_getfd, daemon_.pidfd, 2, 0) == -1 && errno == EPERM);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	child_check(report, open(path, O_RDWR) < 0 && errno == EACCES);
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	child_check(report, open(path, O_RDONLY) < 0 && errno == EACCES);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	child_check(report, open(path, O_RDONLY) < 0 && errno == EACCES);
	return 0;
}

Test(sandbox, its_own_user_cannot_look_into_the_daemon)
{
	struct child child;

	if (geteuid() != 0)
		cr_skip("for root: it runs the daemon as another user");
	daemon_start_as(&daemon_, NULL, OTHER_UID);
	child_start(&child, intruder_body, NULL);
	child_join(&child);
	daemon_stop(&daemon_);
}

#if defined(__x86_64__)

/* The thread of that name. */
static pid_t
thread_named(char const *name)
{
	char command[128], text[32] = "";
	FILE *out;

	snprintf(command, sizeof(command), "grep -lx %s /proc/%d/task/*/comm | cut -d/ -f5", name,
	         (int)daemon_.pid);
	out = popen(command, "re"); /* NOLINT(cert-env33-c) */
	cr_assert_not_null(out);
	cr_assert_not_null(fgets(text, sizeof(text), out), "no thread is called %s", name);
	pclose(out);
	return (pid_t)strtol(text, NULL, 10);
}

/* As if somebody had got hold of the thread, which sleeps in a system call: have it make another
 * one in its place. */
static void
possess(pid_t thread, long number, long a, long b, long c)
{
	struct user_regs_struct registers;
	int status;

	cr_assert_eq(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0, "%m");
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
	cr_assert_eq(waitpid(thread, &status, __WALL), thread);
	cr_assert_eq(ptrace(PTRACE_GETREGS, thread, NULL, &registers), 0);
	registers.rip -= 2; /* the instruction again */
	registers.orig_rax = (unsigned long long)-1;
	registers.rax = (unsigned long long)number;
	registers.rdi = (unsigned long long)a;
	registers.rsi = (unsigned long long)b;
	registers.rdx = (unsigned long long)c;
	cr_assert_eq(ptrace(PTRACE_SETREGS, thread, NULL, &registers), 0);
	cr_assert_eq(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
}

static void
possessed_ends(char const *thread, long number, long a, long b, char const *name)
{
	char want[96];
	int status;

	if (geteuid() != 0)
		cr_skip("for root: nobody else may do that to the daemon");
	daemon_start(&daemon_, NULL);
	possess(thread_named(thread), number, a, b, 0);
	status = daemon_ended(&daemon_);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%#x: %s", (unsigned)status,
	          daemon_log(&daemon_));
	snprintf(want, sizeof(want), "thread '%s' asks for the system call %s (%ld,", thread, name,
	         number);
	daemon_log_has(&daemon_, want);
	daemon_clear(&daemon_);
}

Test(sandbox, control_thread_that_somebody_got_hold_of_ends_the_daemon)
{
	possessed_ends("control", SYS_socket, AF_INET, SOCK_STREAM, "socket");
	possessed_ends("control", SYS_execve, 0, 0, "execve");
	/* Others may. */
	possessed_ends("control", SYS_mkdir, 0, 0, "mkdir");
}

Test(sandbox, poll_core_that_somebody_got_hold_of_ends_the_daemon)
{
	possessed_ends("poll", SYS_openat, AT_FDCWD, 0, "openat");
	possessed_ends("poll", SYS_chmod, 0, 0, "chmod");
}

#endif

#define PIECE_BYTES 16384

/* All memory is taken but so many pieces. Word 0 of the report: 2 the list was made, 1 refused. */
static int
shut_in_with(struct child_report *report, void *arg)
{
	struct rlimit const limit = {UINT64_C(1) << 28, UINT64_C(1) << 28};
	unsigned left = *(unsigned const *)arg;
	struct tsr_refusal refusal;
	struct tsr_sandbox sandbox;
	void **taken = NULL, **piece;
	int error;

	child_ok(report, tsr_sandbox_rights(&sandbox, TSR_SANDBOX_ON, false, &refusal));
	child_check(report, setrlimit(RLIMIT_AS, &limit) == 0);
	while ((piece = malloc(PIECE_BYTES)) != NULL) {
		*piece = (void *)taken;
		taken = piece;
	}
	for (; left > 0; left--) {
		piece = taken;
		taken = *piece;
		free((void *)piece);
	}
	error = tsr_sandbox_calls(&sandbox, TSR_SANDBOX_CONTROL, false, &refusal);
	report_set(report, 0, error == 0 ? 2 : 1);
	return error == 0 || error == -ENOMEM ? 0 : 1;
}

/* libseccomp does not look at what it gets of malloc(3) as it compiles. */
Test(sandbox, list_that_finds_no_memory_is_refused_at_any_point)
{
	unsigned made = 0, refused = 0;

#if defined(__SANITIZE_ADDRESS__)
	cr_skip_test("AddressSanitizer itself reserves more than any limit");
#endif
	for (unsigned left = 0; left < 600; left += left < 64 ? 2 : 64) {
		struct child child;

		child_start(&child, shut_in_with, &left);
		cr_assert(report_await(child.report, 0, 1, 20000), "with %u pieces left", left);
		made += atomic_load(&child.report->word[0]) == 2;
		refused += atomic_load(&child.report->word[0]) == 1;
		child_join(&child);
	}
	cr_assert(made > 0 && refused > 0, "%u made, %u refused", made, refused);
}
