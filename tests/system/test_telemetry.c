/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/daemon.h"

/* DPDK's telemetry, when clients mean ill. What it tells is compared in
 * tests/cli/telemetry.bats. */

static struct daemon daemon_;
static char reply[65536];

static void
telemetry_setup(void)
{
	daemon_start(&daemon_, NULL);
}

static void
telemetry_teardown(void)
{
	daemon_stop(&daemon_);
}

TestSuite(telemetry, .timeout = 30);

static void
hear(int fd)
{
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	ssize_t got;

	cr_assert_eq(poll(&answer, 1, 5000), 1);
	got = recv(fd, reply, sizeof(reply) - 1, 0);
	cr_assert_gt(got, 0);
	reply[got] = '\0';
}

static int
telemetry_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int const fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path),
	               "%.40s/control.sock.eal/dpdk/tessera/dpdk_telemetry.v2", daemon_.dir);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	hear(fd);
	return fd;
}

test_case(telemetry, name_of_a_client_cannot_break_the_answer)
{
	struct tsr_attach_options options = daemon_options(&daemon_);
	int const fd = telemetry_connect();
	struct tsr_client client;

	options.name = "a\"b\\c\", \"pid\": 1";
	test_ok(tsr_attach(&options, &client));
	cr_assert_gt(send(fd, "/tessera/clients", strlen("/tessera/clients"), 0), 0);
	hear(fd);
	cr_assert_not_null(strstr(reply, "\"name\":\"a\\\"b\\\\c\\\", \\\"pid\\\": 1\""), "%s",
	                   reply);
	close(fd);
	test_ok(tsr_detach(client));
}
