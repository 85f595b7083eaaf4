/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

/* What a review found between the library and the daemon, each held by a test. */

static struct daemon daemon_;

static void
review_setup(void)
{
	daemon_start(&daemon_, NULL);
}

static void
review_teardown(void)
{
	daemon_stop(&daemon_);
}

TestSuite(review, .timeout = 30);

static rlim_t
review_address_space(void)
{
	unsigned long pages = 0;
	FILE *const file = fopen("/proc/self/statm", "r");

	if (file == NULL)
		return RLIM_INFINITY;
	if (fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (rlim_t)pages * 4096;
}

/* Attach in vain, then live on for longer than a client that left without a goodbye may. */
static int
fail_to_attach(struct child_report *report, int resource, rlim_t limit, int want)
{
	struct tsr_attach_options const options = daemon_options(&daemon_);
	struct rlimit old, low;
	struct tsr_client client;
	int error;

	child_check(report, getrlimit(resource, &old) == 0, "%m");
	low = (struct rlimit){.rlim_cur = limit, .rlim_max = old.rlim_max};
	child_check(report, setrlimit(resource, &low) == 0, "%m");
	error = tsr_attach(&options, &client);
	child_is(report, error, want);
	child_check(report, setrlimit(resource, &old) == 0, "%m");
	usleep(400000);
	child_ok(report, tsr_attach(&options, &client));
	child_ok(report, tsr_detach(client));
	return 0;
}

static int
attach_without_address_space(struct child_report *report, void *arg)
{
	rlim_t const now = review_address_space();

	(void)arg;
	child_check(report, now != RLIM_INFINITY, "%m");
	return fail_to_attach(report, RLIMIT_AS, now + (16 << 20), -ENOMEM);
}

static int
attach_without_descriptors(struct child_report *report, void *arg)
{
	int const next = dup(0);

	(void)arg;
	child_check(report, next >= 0, "%m");
	close(next);
	return fail_to_attach(report, RLIMIT_NOFILE, (rlim_t)next + 4, -ENOBUFS);
}

test_case(review, client_that_can_not_map_the_realm_lives_on)
{
	struct child child;

	child_start(&child, attach_without_address_space, NULL);
	child_join(&child);
}

test_case(review, client_that_has_no_descriptors_left_lives_on)
{
	struct child child;

	child_start(&child, attach_without_descriptors, NULL);
	child_join(&child);
}

static int
outlive(struct child_report *report, void *arg)
{
	(void)arg;
	return report_await(report, 0, 1, 10000) ? 0 : 1;
}

/* A child that was forked in between has the socket, too. */
test_case(review, detached_client_with_a_child_holds_no_connection)
{
	struct tsr_client client = daemon_attach(&daemon_, 0);
	uint64_t const deadline = test_deadline(5000);
	struct child child;

	child_start(&child, outlive, NULL);
	test_ok(tsr_detach(client));
	while (daemon_status(&daemon_).connections != 1)
		cr_assert(!test_passed(deadline), "the connection of the detached client stays");
	report_set(child.report, 0, 1);
	child_join(&child);
}
