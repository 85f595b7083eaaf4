/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SUPPORT_CHILD_H
#define TSR_TESTS_SUPPORT_CHILD_H

/*
 * A process that a test forks.
 *
 * It never uses an assert of the framework (that breaks the runner): it says what went wrong in a
 * report that it shares with the test, and exits. It dies with the test.
 */

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_WORDS 16

/* Shared with the child. */
struct child_report {
	_Atomic uint64_t word[CHILD_WORDS]; /* whatever the test makes of them */
	_Atomic uint64_t failed;
	char text[512];
};

struct child {
	pid_t pid;
	int pidfd;
	struct child_report *report;
};

/* What a child does; its result is the exit status. */
typedef int child_body(struct child_report *report, void *arg);

void child_start(struct child *child, child_body *body, void *arg);

/* child_join - wait for the child's end (20 s at most), and assert that it found nothing wrong. */
void child_join(struct child *child);

/*
 * child_died - wait until it is dead by SIGKILL from wherever; it must not have reported.
 * child_forget - give back the report of a child that has died.
 */
void child_died(struct child *child);
/* The same by another signal, its own doing. */
void child_died_of(struct child *child, int number);
void child_forget(struct child *child);

/* child_kill - end it with a signal, and wait until it is gone. It must not have reported. */
void child_kill(struct child *child, int number);

/* Stop and continue it; the first returns when it has stopped. */
void child_stop(struct child *child);
void child_continue(struct child *child);

/* In the child: have the kernel send it SIGKILL after @ns, in whatever it is doing then. */
int child_doom(uint64_t ns);

/* In the child: report and end. */
void child_fail(struct child_report *report, char const *file, int line, char const *format, ...)
	__attribute__((format(printf, 4, 5), noreturn));

#define child_check(report, condition, ...)                                                  \
	do {                                                                                 \
		if (!(condition))                                                            \
			child_fail(report, __FILE__, __LINE__, #condition ": " __VA_ARGS__); \
	} while (0)

#define child_is(report, call, want)                                                               \
	do {                                                                                       \
		int const got_ = (call);                                                           \
		if (got_ != (want))                                                                \
			child_fail(report, __FILE__, __LINE__, #call " gave %d (%s), expected %d", \
			           got_, tsr_last_hint(), (want));                                 \
	} while (0)
#define child_ok(report, call) child_is(report, call, 0)

/* Either side: set a word and wake who awaits it; wait until a word is at least @value. */
void report_set(struct child_report *report, unsigned word, uint64_t value);
/* Return: true, or false if it did not come to that before @timeout_ms. */
bool report_await(struct child_report *report, unsigned word, uint64_t value, uint64_t timeout_ms);

#endif /* TSR_TESTS_SUPPORT_CHILD_H */
