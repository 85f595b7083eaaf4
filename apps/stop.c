/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/stop.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "apps/cli.h"

static volatile sig_atomic_t stop_asked;
/* So that a signal just before a wait ends that wait, too. */
static int stop_fd = -1;
static int stop_output = -1;

static void
stop_take(int signal)
{
	uint64_t const one = 1;

	(void)signal;
	stop_asked = 1;
	(void)!write(stop_fd, &one, sizeof(one));
}

void
tsr_stop_catch(void)
{
	struct sigaction const take = {.sa_handler = stop_take, .sa_flags = (int)SA_RESETHAND};

	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)sigaction(SIGINT, &take, NULL);
	(void)sigaction(SIGTERM, &take, NULL);
}

void
tsr_stop_catch_output(void)
{
	stop_output = STDOUT_FILENO;
}

bool
tsr_stop_asked(void)
{
	return stop_asked != 0;
}

bool
tsr_stop_wait(int fd, uint64_t until_ns)
{
	struct pollfd wait[3] = {{.fd = stop_fd, .events = POLLIN},
	                         {.fd = fd, .events = POLLIN},
	                         {.fd = stop_output, .events = 0}};
	struct timespec left;

	while (stop_asked == 0) {
		uint64_t const now = tsr_now_ns();
		uint64_t const rest = until_ns > now ? until_ns - now : 0;

		left = (struct timespec){.tv_sec = (time_t)(rest / TSR_NS_PER_SECOND),
		                         .tv_nsec = (long)(rest % TSR_NS_PER_SECOND)};
		if (ppoll(wait, 3, until_ns == UINT64_MAX ? NULL : &left, NULL) < 0)
			continue;
		if ((wait[2].revents & POLLERR) != 0)
			stop_asked = 1;
		return (wait[1].revents & (POLLIN | POLLHUP)) != 0;
	}
	return false;
}
