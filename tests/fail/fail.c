/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/fail/fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

static _Atomic uint64_t fail_calls, fail_at;
static _Atomic(char const *) fail_what;
static _Atomic bool fail_armed;
static bool fail_says;
static uintptr_t fail_first, fail_past; /* of the program */

/* libc's own, under names that nothing stands before. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

static int
fail_find(struct dl_phdr_info *info, size_t bytes, void *argument)
{
	(void)bytes, (void)argument;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		ElfW(Phdr) const *const part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
			continue;
		fail_first = info->dlpi_addr + part->p_vaddr;
		fail_past = fail_first + part->p_memsz;
	}
	return 1; /* the first one is the program */
}

static void
fail_say(char const *text)
{
	if (fail_says && write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

__attribute__((constructor)) static void
fail_begin(void)
{
	char const *const nth = getenv("TESSERA_FAIL_NTH");

	(void)dl_iterate_phdr(fail_find, NULL);
	if (nth == NULL)
		return;
	fail_says = true;
	fail_arm(strtoull(nth, NULL, 10));
}

__attribute__((destructor)) static void
fail_end(void)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "fail: %llu calls\n",
	               (unsigned long long)atomic_load(&fail_calls));
	fail_say(text);
}

void
fail_arm(uint64_t nth)
{
	if (fail_past == 0)
		(void)dl_iterate_phdr(fail_find, NULL);
	atomic_store(&fail_what, NULL);
	atomic_store(&fail_calls, 0);
	atomic_store(&fail_at, nth);
	atomic_store(&fail_armed, true);
}

char const *
fail_disarm(uint64_t *calls)
{
	atomic_store(&fail_armed, false);
	if (calls != NULL)
		*calls = atomic_load(&fail_calls);
	return atomic_load(&fail_what);
}

/* Count a call that comes from @caller. Return: it is to fail. */
static bool
fail_now(void const *caller, char const *what)
{
	uintptr_t const from = (uintptr_t)caller;
	char text[128];

	if (!atomic_load(&fail_armed) || from < fail_first || from >= fail_past)
		return false;
	if (atomic_fetch_add(&fail_calls, 1) + 1 != atomic_load(&fail_at))
		return false;
	atomic_store(&fail_what, what);
	(void)snprintf(text, sizeof(text), "fail: %s at %#llx\n", what,
	               (unsigned long long)(from - fail_first));
	fail_say(text);
	return true;
}

#define CALLER __builtin_return_address(0)

/* The next definition of @name, which is libc's. */
#define REAL(name) ((__typeof__(&name))fail_real(#name))

static void *
fail_real(char const *name)
{
	return dlsym(RTLD_NEXT, name);
}

FAIL_API void *
malloc(size_t bytes)
{
	if (!fail_now(CALLER, "malloc"))
		return __libc_malloc(bytes);
	errno = ENOMEM;
	return NULL;
}

FAIL_API void *
calloc(size_t count, size_t bytes)
{
	if (!fail_now(CALLER, "calloc"))
		return __libc_calloc(count, bytes);
	errno = ENOMEM;
	return NULL;
}

FAIL_API void *
realloc(void *old, size_t bytes)
{
	if (!fail_now(CALLER, "realloc"))
		return __libc_realloc(old, bytes);
	errno = ENOMEM;
	return NULL;
}

FAIL_API void *
aligned_alloc(size_t align, size_t bytes)
{
	if (!fail_now(CALLER, "aligned_alloc"))
		return __libc_memalign(align, bytes);
	errno = ENOMEM;
	return NULL;
}

/* A call that gives -1 and errno. @real: the symbol, as it is called with 64-bit offsets. */
#define FAILS(name, real, error, parameters, ...)                                 \
	FAIL_API int name parameters                                              \
	{                                                                         \
		if (!fail_now(CALLER, #name))                                     \
			return ((__typeof__(&name))fail_real(real))(__VA_ARGS__); \
		errno = (error);                                                  \
		return -1;                                                        \
	}

FAILS(memfd_create, "memfd_create", EMFILE, (char const *text, unsigned flags), text, flags)
FAILS(ftruncate, "ftruncate64", ENOSPC, (int fd, off_t bytes), fd, bytes)
FAILS(epoll_create1, "epoll_create1", EMFILE, (int flags), flags)
FAILS(epoll_ctl, "epoll_ctl", ENOSPC, (int epoll, int op, int fd, struct epoll_event *event), epoll,
      op, fd, event)
FAILS(eventfd, "eventfd", EMFILE, (unsigned count, int flags), count, flags)
FAILS(signalfd, "signalfd", EMFILE, (int fd, sigset_t const *mask, int flags), fd, mask, flags)
FAILS(timerfd_create, "timerfd_create", EMFILE, (clockid_t clock, int flags), clock, flags)
FAILS(inotify_init1, "inotify_init1", EMFILE, (int flags), flags)
FAILS(socket, "socket", EMFILE, (int domain, int type, int protocol), domain, type, protocol)
FAILS(socketpair, "socketpair", EMFILE, (int domain, int type, int protocol, int pair[2]), domain,
      type, protocol, pair)
FAILS(pipe2, "pipe2", EMFILE, (int pair[2], int flags), pair, flags)
FAILS(accept4, "accept4", EMFILE, (int fd, struct sockaddr *address, socklen_t *bytes, int flags),
      fd, address, bytes, flags)
FAILS(bind, "bind", ENOMEM, (int fd, struct sockaddr const *address, socklen_t bytes), fd, address,
      bytes)
FAILS(listen, "listen", ENOMEM, (int fd, int backlog), fd, backlog)
FAILS(connect, "connect", ENOMEM, (int fd, struct sockaddr const *address, socklen_t bytes), fd,
      address, bytes)
FAILS(madvise, "madvise", ENOMEM, (void *at, size_t bytes, int advice), at, bytes, advice)

/* The same, of messages. */
#define FAILS_MESSAGE(name, parameters, ...)            \
	FAIL_API ssize_t name parameters                \
	{                                               \
		if (!fail_now(CALLER, #name))           \
			return REAL(name)(__VA_ARGS__); \
		errno = ENOBUFS;                        \
		return -1;                              \
	}

FAILS_MESSAGE(send, (int fd, void const *packet, size_t bytes, int flags), fd, packet, bytes, flags)
FAILS_MESSAGE(sendmsg, (int fd, struct msghdr const *message, int flags), fd, message, flags)
FAILS_MESSAGE(recvmsg, (int fd, struct msghdr *message, int flags), fd, message, flags)

FAIL_API void *
mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (!fail_now(CALLER, "mmap"))
		return ((__typeof__(&mmap))fail_real("mmap64"))(at, bytes, protection, flags, fd,
		                                                offset);
	errno = ENOMEM;
	return MAP_FAILED;
}

FAIL_API int
open(char const *path, int flags, ...)
{
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = va_arg(more, mode_t);
	va_end(more);
	if (!fail_now(CALLER, "open"))
		return ((__typeof__(&open))fail_real("open64"))(path, flags, mode);
	errno = EMFILE;
	return -1;
}

FAIL_API int
fcntl(int fd, int command, ...)
{
	va_list more;
	long argument;

	va_start(more, command);
	argument = va_arg(more, long);
	va_end(more);
	if (command != F_DUPFD_CLOEXEC || !fail_now(CALLER, "fcntl"))
		return ((__typeof__(&fcntl))fail_real("fcntl64"))(fd, command, argument);
	errno = EMFILE;
	return -1;
}

FAIL_API FILE *
fopen(char const *path, char const *mode)
{
	if (!fail_now(CALLER, "fopen"))
		return ((__typeof__(&fopen))fail_real("fopen64"))(path, mode);
	errno = EMFILE;
	return NULL;
}

FAIL_API int
pthread_create(pthread_t *thread, pthread_attr_t const *attributes, void *(*body)(void *),
               void *argument)
{
	return fail_now(CALLER, "pthread_create")
	               ? EAGAIN
	               : REAL(pthread_create)(thread, attributes, body, argument);
}

/* How such a call may fail; 0: it may not. */
static int
fail_syscall(long number, long second)
{
	switch (number) {
	case SYS_pidfd_open:
		return EMFILE;
	case SYS_membarrier:
		return ENOMEM;
	case SYS_futex:
		return (second & FUTEX_CMD_MASK) == FUTEX_WAKE ? 0 : EINTR;
	case SYS_futex_waitv:
		return EINTR;
	default:
		return 0;
	}
}

FAIL_API long
syscall(long number, ...)
{
	long argument[6];
	va_list more;
	int error;

	va_start(more, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(more, long);
	va_end(more);
	error = fail_syscall(number, argument[1]);
	if (error == 0 || !fail_now(CALLER, "syscall"))
		return REAL(syscall)(number, argument[0], argument[1], argument[2], argument[3],
		                     argument[4], argument[5]);
	errno = error;
	return -1;
}
