/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * A system call that is not on the list comes here, as SIGSYS, and was not made. It is said which,
 * and then either the process is ended by a call that the lists answer with just that, or, in the
 * mode "log", the call is made from the one place that they let through.
 *
 * The signal comes where the call is, at no other moment: what holds a lock there holds it around a
 * call that nobody expected.
 */

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/log.h"
#include "core/sandbox.h"

#define CAUGHT_CALLS      512
#define CAUGHT_NAME_BYTES 16 /* of a thread, with its final 0 */
#define CAUGHT_WORDS      7  /* a number and six arguments */

static char *caught_names[CAUGHT_CALLS]; /* as long as the process lives */
static _Atomic bool caught_said[CAUGHT_CALLS];
static bool caught_log;
static _Thread_local bool caught_saying;

#if defined(__x86_64__)

static const int caught_registers[CAUGHT_WORDS] = {REG_RAX, REG_RDI, REG_RSI, REG_RDX,
                                                   REG_R10, REG_R8,  REG_R9};

long tsr_sandbox_again(greg_t const words[CAUGHT_WORDS]);
extern const char tsr_sandbox_again_next[];

/* The system call that the words say; the lists know it by where it returns. */
__asm__(".pushsection .text\n"
        ".hidden tsr_sandbox_again\n.globl tsr_sandbox_again\n.type tsr_sandbox_again, @function\n"
        ".hidden tsr_sandbox_again_next\n.globl tsr_sandbox_again_next\n"
        "tsr_sandbox_again:\n"
        "	mov (%rdi), %rax\n"
        "	mov 16(%rdi), %rsi\n"
        "	mov 24(%rdi), %rdx\n"
        "	mov 32(%rdi), %r10\n"
        "	mov 40(%rdi), %r8\n"
        "	mov 48(%rdi), %r9\n"
        "	mov 8(%rdi), %rdi\n"
        "	syscall\n"
        "tsr_sandbox_again_next:\n"
        "	ret\n"
        ".size tsr_sandbox_again, . - tsr_sandbox_again\n"
        ".popsection\n");

static greg_t
caught_register(ucontext_t const *context, unsigned i)
{
	return context->uc_mcontext.gregs[caught_registers[i]];
}

static void
caught_do(ucontext_t *context, int number)
{
	greg_t words[CAUGHT_WORDS];

	for (unsigned i = 0; i < CAUGHT_WORDS; i++)
		words[i] = caught_register(context, i);
	words[0] = number;
	context->uc_mcontext.gregs[REG_RAX] = tsr_sandbox_again(words);
}

uint64_t
tsr_sandbox_resume(void)
{
	return (uint64_t)(uintptr_t)tsr_sandbox_again_next;
}

#else

/* Not written for this machine: what is not on the list is said, and does not work. */
static unsigned long long
caught_register(ucontext_t const *context, unsigned i)
{
	(void)context, (void)i;
	return 0;
}

static void
caught_do(ucontext_t *context, int number)
{
	(void)context, (void)number;
}

uint64_t
tsr_sandbox_resume(void)
{
	return UINT64_MAX;
}

#endif

static void
caught_say(ucontext_t const *context, int number)
{
	unsigned const row = (unsigned)number % CAUGHT_CALLS;
	char name[CAUGHT_NAME_BYTES] = "";

	/* private: between the threads of the daemon */
	if (caught_log && atomic_exchange_explicit(&caught_said[row], true, memory_order_relaxed))
		return;
	(void)prctl(PR_GET_NAME, name, 0, 0, 0);
	tsr_log(caught_log ? TSR_LOG_WARNING : TSR_LOG_ERROR,
	        "sandbox: thread '%s' asks for the system call %s (%d, arguments %#llx %#llx "
	        "%#llx), which is not on its list: %s",
	        name, caught_names[row] != NULL ? caught_names[row] : "?", number,
	        (unsigned long long)caught_register(context, 1),
	        (unsigned long long)caught_register(context, 2),
	        (unsigned long long)caught_register(context, 3),
	        caught_log ? "done, for sandbox.mode is log" : "this process ends");
}

static void
caught(int number, siginfo_t *info, void *context)
{
	int const before = errno;

	(void)number;
	/* What saying it asks for is not said. */
	if (!caught_saying) {
		caught_saying = true;
		caught_say(context, info->si_syscall);
		caught_saying = false;
	}
	if (caught_log) {
		caught_do(context, info->si_syscall);
		errno = before;
		return;
	}
	(void)syscall(SYS_kexec_load, 0, 0, NULL, 0);
	abort();
}

int
tsr_sandbox_catch(bool log)
{
	struct sigaction const action = {.sa_sigaction = caught,
	                                 .sa_flags = SA_SIGINFO | SA_NODEFER};

	caught_log = log;
	/* For the log: its file may be out of reach by then. */
	tzset();
	for (int i = 0; i < CAUGHT_CALLS; i++) {
		if (caught_names[i] == NULL)
			caught_names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
	}
	return sigaction(SIGSYS, &action, NULL) == 0 ? 0 : -errno;
}
