/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/child.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/access.h"
#include "tests/support/check.h"

#define CHILD_END_MS 20000

void
child_start(struct child *child, child_body *body, void *arg)
{
	pid_t const parent = getpid();

	child->report = mmap(NULL, sizeof(*child->report), PROT_READ | PROT_WRITE,
	                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(child->report, MAP_FAILED);
	child->pid = fork();
	cr_assert_geq(child->pid, 0, "fork: %m");
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		_exit(body(child->report, arg));
	}
	child->pidfd = pidfd_open(child->pid, 0);
	cr_assert_geq(child->pidfd, 0, "pidfd_open: %m");
}

/* Wait for the end; return the wait status. */
static int
child_end(struct child *child)
{
	struct pollfd gone = {.fd = child->pidfd, .events = POLLIN};
	int ready, status = 0;

	do {
		ready = poll(&gone, 1, CHILD_END_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(child->pid, SIGKILL);
	waitpid(child->pid, &status, 0);
	close(child->pidfd);
	cr_assert_eq(ready, 1, "child %d did not end within %d ms", (int)child->pid, CHILD_END_MS);
	cr_assert_eq(atomic_load(&child->report->failed), 0, "child: %s", child->report->text);
	return status;
}

void
child_join(struct child *child)
{
	int const status = child_end(child);

	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with status %#x",
	          status);
	munmap(child->report, sizeof(*child->report));
	child->pid = 0;
}

void
child_died(struct child *child)
{
	child_died_of(child, SIGKILL);
}

void
child_died_of(struct child *child, int number)
{
	int const status = child_end(child);

	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == number, "child ended with status %#x",
	          status);
}

void
child_forget(struct child *child)
{
	munmap(child->report, sizeof(*child->report));
	child->pid = 0;
}

void
child_kill(struct child *child, int number)
{
	kill(child->pid, number);
	child_end(child);
	munmap(child->report, sizeof(*child->report));
	child->pid = 0;
}

void
child_stop(struct child *child)
{
	int status;

	cr_assert_eq(kill(child->pid, SIGSTOP), 0);
	cr_assert_eq(waitpid(child->pid, &status, WUNTRACED), child->pid);
	cr_assert(WIFSTOPPED(status), "child ended instead: %s", child->report->text);
}

void
child_continue(struct child *child)
{
	cr_assert_eq(kill(child->pid, SIGCONT), 0);
}

int
child_doom(uint64_t ns)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	struct itimerspec const when = {.it_value.tv_sec = (time_t)(ns / TEST_SECOND),
	                                .it_value.tv_nsec = (long)(ns % TEST_SECOND)};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
	    timer_settime(timer, 0, &when, NULL) != 0)
		return -errno;
	return 0;
}

void
child_fail(struct child_report *report, char const *file, int line, char const *format, ...)
{
	va_list args;
	int used;

	va_start(args, format);
	used = snprintf(report->text, sizeof(report->text), "%s:%d: ", file, line);
	vsnprintf(report->text + used, sizeof(report->text) - (size_t)used, format, args);
	va_end(args);
	atomic_store(&report->failed, 1);
	_exit(1);
}

void
report_set(struct child_report *report, unsigned word, uint64_t value)
{
	atomic_store(&report->word[word], value);
	tsr_futex_wake(&report->word[word]);
}

bool
report_await(struct child_report *report, unsigned word, uint64_t value, uint64_t timeout_ms)
{
	uint64_t const deadline = tsr_deadline_in_ms(timeout_ms);
	uint64_t seen;

	while ((seen = atomic_load(&report->word[word])) < value) {
		/* A child that failed sets nothing any more. */
		uint64_t const look = tsr_deadline_in_ms(50);

		if (atomic_load(&report->failed) != 0 || tsr_now_ns() >= deadline)
			return false;
		(void)tsr_futex_wait(&report->word[word], seen, look < deadline ? look : deadline);
	}
	return true;
}
