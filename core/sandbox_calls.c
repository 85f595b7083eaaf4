/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* Which thread may ask the system for what: the lists, and how they are put in force. */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sandbox.h"

#define CALLS_NEW_SPACES                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#define CALLS_PIECES      512 /* more than it takes for a list, some 2 MiB */
#define CALLS_PIECE_BYTES 16384
#define CALLS_PREFIX      5 /* instructions before a program that logs */

#define ALL     ((1U << TSR_SANDBOX_CONTROL) | (1U << TSR_SANDBOX_POLL))
#define CONTROL (1U << TSR_SANDBOX_CONTROL)
#define OTHERS  0U

struct calls_row {
	int number;
	unsigned roles; /* besides TSR_SANDBOX_DAEMON */
};

/* Whatever its arguments are. */
static const struct calls_row calls_rows[] = {
	/* memory */
	{SCMP_SYS(brk), ALL},
	{SCMP_SYS(munmap), ALL},
	{SCMP_SYS(mremap), ALL},
	{SCMP_SYS(madvise), ALL},
	{SCMP_SYS(mbind), CONTROL},
	{SCMP_SYS(get_mempolicy), CONTROL},
	{SCMP_SYS(memfd_create), CONTROL},
	{SCMP_SYS(ftruncate), CONTROL},
	/* threads */
	{SCMP_SYS(futex), ALL},
	{SCMP_SYS(membarrier), ALL},
	{SCMP_SYS(set_robust_list), ALL},
	{SCMP_SYS(rseq), ALL},
	{SCMP_SYS(sched_yield), ALL},
	{SCMP_SYS(sched_getaffinity), ALL},
	{SCMP_SYS(sched_setaffinity), ALL},
	{SCMP_SYS(getcpu), ALL},
	{SCMP_SYS(gettid), ALL},
	{SCMP_SYS(exit), ALL},
	{SCMP_SYS(exit_group), ALL},
	/* signals */
	{SCMP_SYS(rt_sigprocmask), ALL},
	{SCMP_SYS(rt_sigreturn), ALL},
	{SCMP_SYS(sigaltstack), OTHERS},
	{SCMP_SYS(restart_syscall), ALL},
	{SCMP_SYS(pidfd_open), CONTROL},
	{SCMP_SYS(pidfd_send_signal), ALL},
	/* time */
	{SCMP_SYS(clock_gettime), ALL},
	{SCMP_SYS(gettimeofday), ALL},
	{SCMP_SYS(clock_nanosleep), ALL},
	{SCMP_SYS(nanosleep), ALL},
	{SCMP_SYS(timerfd_settime), CONTROL},
	/* who we are */
	{SCMP_SYS(getpid), ALL},
	{SCMP_SYS(getuid), ALL},
	{SCMP_SYS(geteuid), ALL},
	{SCMP_SYS(getgid), ALL},
	{SCMP_SYS(getegid), ALL},
	{SCMP_SYS(getrandom), ALL},
	/* descriptors */
	{SCMP_SYS(read), ALL},
	{SCMP_SYS(write), ALL},
	{SCMP_SYS(readv), OTHERS},
	{SCMP_SYS(writev), OTHERS},
	{SCMP_SYS(pread64), CONTROL},
	{SCMP_SYS(pwrite64), CONTROL},
	{SCMP_SYS(lseek), CONTROL},
	{SCMP_SYS(close), ALL},
	{SCMP_SYS(fstat), ALL},
	{SCMP_SYS(fstatfs), CONTROL},
	{SCMP_SYS(preadv2), ALL},
	{SCMP_SYS(poll), ALL},
	{SCMP_SYS(ppoll), ALL},
	{SCMP_SYS(epoll_wait), ALL},
	{SCMP_SYS(epoll_pwait), ALL},
	{SCMP_SYS(epoll_ctl), ALL},
	{SCMP_SYS(eventfd2), CONTROL},
	{SCMP_SYS(pipe2), ALL},
	/* messages */
	{SCMP_SYS(connect), ALL},
	{SCMP_SYS(accept), OTHERS},
	{SCMP_SYS(accept4), CONTROL},
	{SCMP_SYS(sendmsg), ALL},
	{SCMP_SYS(recvmsg), ALL},
	{SCMP_SYS(sendto), ALL},
	{SCMP_SYS(recvfrom), ALL},
	{SCMP_SYS(getsockopt), ALL},
	{SCMP_SYS(setsockopt), ALL},
	{SCMP_SYS(shutdown), ALL},
	/* files, below the places that Landlock leaves */
	{SCMP_SYS(open), OTHERS},
	{SCMP_SYS(openat), CONTROL},
	{SCMP_SYS(newfstatat), CONTROL},
	{SCMP_SYS(stat), OTHERS},
	{SCMP_SYS(lstat), OTHERS},
	{SCMP_SYS(access), CONTROL},
	{SCMP_SYS(faccessat), CONTROL},
	{SCMP_SYS(faccessat2), CONTROL},
	{SCMP_SYS(readlink), CONTROL},
	{SCMP_SYS(readlinkat), CONTROL},
	{SCMP_SYS(getdents64), CONTROL},
	{SCMP_SYS(inotify_add_watch), CONTROL},
	{SCMP_SYS(inotify_rm_watch), CONTROL},
	{SCMP_SYS(fchmod), CONTROL},
	{SCMP_SYS(chmod), CONTROL},
	{SCMP_SYS(fchmodat), CONTROL},
	{SCMP_SYS(chown), CONTROL},
	{SCMP_SYS(fchownat), CONTROL},
	{SCMP_SYS(unlink), CONTROL},
	{SCMP_SYS(unlinkat), OTHERS},
	{SCMP_SYS(mkdir), OTHERS},
	{SCMP_SYS(rmdir), OTHERS},
	{SCMP_SYS(rename), OTHERS},
	{SCMP_SYS(fchdir), OTHERS},
	{SCMP_SYS(chdir), OTHERS},
	{SCMP_SYS(fsync), OTHERS},
};

/* A helper, and what it starts, may do anything else. */
static const int calls_never[] = {
	SCMP_SYS(acct),
	SCMP_SYS(add_key),
	SCMP_SYS(bpf),
	SCMP_SYS(chroot),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(clock_settime),
	SCMP_SYS(delete_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsopen),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kcmp),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(mount),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(open_tree),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(quotactl),
	SCMP_SYS(reboot),
	SCMP_SYS(request_key),
	SCMP_SYS(setns),
	SCMP_SYS(settimeofday),
	SCMP_SYS(swapoff),
	SCMP_SYS(swapon),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A call if one of its arguments is as said. */
static int
calls_if(scmp_filter_ctx list, int number, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(list, SCMP_ACT_ALLOW, number, 1, &condition);
}

static int
calls_if_one_of(scmp_filter_ctx list, int number, unsigned argument, const int *values,
                size_t count)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < count; i++)
		error = calls_if(list, number,
		                 SCMP_CMP(argument, SCMP_CMP_EQ, (scmp_datum_t)values[i], 0));
	return error;
}

/* Threads, but no processes. */
static int
calls_add_threads(struct tsr_sandbox const *sandbox, scmp_filter_ctx list)
{
	/* Its flags lie in memory, where no list can look: libc then does without. */
	int error = seccomp_rule_add_array(list, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);

	if (error == 0 && sandbox->mode == TSR_SANDBOX_LOG)
		return seccomp_rule_add_array(list, SCMP_ACT_LOG, SCMP_SYS(clone), 0, NULL);
	if (error == 0)
		error = calls_if(
			list, SCMP_SYS(clone),
			SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CALLS_NEW_SPACES, CLONE_THREAD));
	return error;
}

/* Calls that depend on their arguments. */
static int
calls_add_checked(scmp_filter_ctx list, enum tsr_sandbox_role role)
{
	static const int families[] = {AF_UNIX};
	static const int names[] = {PR_SET_NAME, PR_GET_NAME};
	static const int orders[] = {F_GETFD,         F_SETFD,     F_GETFL,    F_SETFL,
	                             F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS};
	int error = calls_if(list, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (error == 0)
		error = calls_if(list, SCMP_SYS(mprotect),
		                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (error == 0)
		error = calls_if_one_of(list, SCMP_SYS(socket), 0, families, COUNT(families));
	if (error == 0)
		error = calls_if_one_of(list, SCMP_SYS(socketpair), 0, families, COUNT(families));
	if (error == 0)
		error = calls_if_one_of(list, SCMP_SYS(prctl), 0, names, COUNT(names));
	if (error == 0)
		error = calls_if_one_of(list, SCMP_SYS(fcntl), 1, orders, COUNT(orders));
	/* To ourselves: abort(3), the guard's, the end of a thread. */
	if (error == 0)
		error = calls_if(list, SCMP_SYS(tgkill),
		                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	/* Whoever could catch SIGSYS could go on after it. */
	if (error == 0)
		error = calls_if(list, SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_NE, SIGSYS, 0));
	if (error == 0)
		error = calls_if(list, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0));
	/* Another list on top; of this thread alone. */
	if (error == 0 && role == TSR_SANDBOX_DAEMON) {
		struct scmp_arg_cmp const narrower[] = {
			SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER, 0),
			SCMP_A1(SCMP_CMP_EQ, 0, 0)};

		error = seccomp_rule_add_array(list, SCMP_ACT_ALLOW, SCMP_SYS(seccomp),
		                               COUNT(narrower), narrower);
	}
	return error;
}

static int
calls_add_allowed(struct tsr_sandbox const *sandbox, scmp_filter_ctx list,
                  enum tsr_sandbox_role role)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < COUNT(calls_rows); i++) {
		if (role == TSR_SANDBOX_DAEMON || (calls_rows[i].roles & (1U << role)) != 0)
			error = seccomp_rule_add_array(list, SCMP_ACT_ALLOW, calls_rows[i].number,
			                               0, NULL);
	}
	if (error == 0)
		error = calls_add_checked(list, role);
	if (error == 0)
		error = calls_add_threads(sandbox, list);
	/* Who has said what it caught ends by this one: see sandbox_caught.c. */
	if (error == 0)
		error = seccomp_rule_add_array(list, SCMP_ACT_KILL_PROCESS, SCMP_SYS(kexec_load), 0,
		                               NULL);
	return error;
}

static int
calls_add_never(scmp_filter_ctx list)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < COUNT(calls_never); i++)
		error = seccomp_rule_add_array(list, SCMP_ACT_KILL_PROCESS, calls_never[i], 0,
		                               NULL);
	return error;
}

/* Before all else: what comes from the one place that does again what was said is let through. */
static void
calls_prefix(struct sock_filter *to)
{
	uint64_t const from = tsr_sandbox_resume();
	struct sock_filter const prefix[CALLS_PREFIX] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                 offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)from, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                 offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(from >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	memcpy(to, prefix, sizeof(prefix));
}

/* The list as a program of the kernel's. The caller frees @out->filter. */
static int
calls_compile(scmp_filter_ctx list, bool log, struct sock_fprog *out)
{
	size_t const before = log ? CALLS_PREFIX : 0;
	int const fd = memfd_create("calls", MFD_CLOEXEC);
	off_t bytes;
	int error;

	out->filter = NULL;
	if (fd < 0)
		return -errno;
	error = seccomp_export_bpf(list, fd);
	bytes = error == 0 ? lseek(fd, 0, SEEK_END) : 0;
	if (error == 0)
		out->filter = malloc(before * sizeof(out->filter[0]) + (size_t)bytes);
	if (error == 0 && out->filter == NULL)
		error = -ENOMEM;
	if (error == 0 && pread(fd, out->filter + before, (size_t)bytes, 0) != bytes)
		error = -EIO;
	if (error == 0) {
		out->len = (unsigned short)(before + (size_t)bytes / sizeof(out->filter[0]));
		if (log)
			calls_prefix(out->filter);
	}
	(void)close(fd);
	return error;
}

/* Would there be memory for it? libseccomp does not look, as it compiles, whether it got any. */
static bool
calls_have_memory(void)
{
	void **pieces = NULL;
	size_t count = 0;

	for (; count < CALLS_PIECES; count++) {
		void **const piece = malloc(CALLS_PIECE_BYTES);

		if (piece == NULL)
			break;
		*piece = (void *)pieces;
		pieces = piece;
	}
	while (pieces != NULL) {
		void **const next = *pieces;

		free((void *)pieces);
		pieces = next;
	}
	return count == CALLS_PIECES;
}

static int
calls_make(struct tsr_sandbox const *sandbox, enum tsr_sandbox_role role, struct sock_fprog *out)
{
	bool const helper = role == TSR_SANDBOX_HELPER;
	scmp_filter_ctx list;
	int error;

	*out = (struct sock_fprog){.filter = NULL};
	list = calls_have_memory() ? seccomp_init(helper ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP) : NULL;
	if (list == NULL)
		return -ENOMEM;
	error = seccomp_attr_set(list, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* The many are found by halving, not one after the other. */
	if (error == 0)
		error = seccomp_attr_set(list, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error == 0)
		error = helper ? calls_add_never(list) : calls_add_allowed(sandbox, list, role);
	if (error == 0)
		error = calls_compile(list, sandbox->mode == TSR_SANDBOX_LOG && !helper, out);
	seccomp_release(list);
	if (error != 0) {
		free(out->filter);
		out->filter = NULL;
	}
	return error;
}

int
tsr_sandbox_calls(struct tsr_sandbox *sandbox, enum tsr_sandbox_role role, bool everybody,
                  struct tsr_refusal *refusal)
{
	unsigned long const flags = everybody ? SECCOMP_FILTER_FLAG_TSYNC : 0;
	struct sock_fprog program;
	int error;
	long result;

	if (sandbox->mode == TSR_SANDBOX_OFF || sandbox->tracing)
		return 0;
	error = calls_make(sandbox, role, &program);
	if (error != 0)
		return tsr_refuse(refusal, error, "the list of system calls can't be made: %s",
		                  strerror(-error));
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	error = result == 0 ? 0 : result > 0 ? -EBUSY : -errno;
	free(program.filter);
	sandbox->filtered = error == 0;
	if (error == 0 || error == -ENOSYS || error == -EINVAL)
		return 0;
	return tsr_refuse(refusal, error, "seccomp: %s", strerror(-error));
}
