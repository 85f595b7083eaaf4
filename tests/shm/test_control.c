/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/channel.h"
#include "shm/control.h"
#include "shm/proto.h"
#include "tests/support/check.h"

/* The client's side of the control socket, against a daemon that this test plays. */

TestSuite(control, .timeout = 20);

static int
answer(int daemon, struct tsr_proto_head const *to, void *reply, size_t bytes)
{
	struct tsr_proto_head const head = {
		.length = (uint32_t)bytes,
		.type = to->type | TSR_PROTO_REPLY,
		.cookie = to->cookie,
	};

	memcpy(reply, &head, sizeof(head));
	return send(daemon, reply, bytes, 0) == (ssize_t)bytes ? 0 : -1;
}

Test(control, end_that_was_opened_too_late_is_closed_again)
{
	struct tsr_proto_end_open open = {.side = TSR_SIDE_SENDER};
	struct tsr_proto_end_open_reply opened = {.end = 77};
	struct tsr_proto_end_open_reply unused = {0};
	struct tsr_proto_end_close close_request = {0};
	struct tsr_proto_plain remove = {0}, plain = {0};
	struct tsr_proto_head asked;
	struct tsr_control control = {.fd = -1};
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	control.fd = pair[0];
	test_is(tsr_control_ask(&control, TSR_PROTO_END_OPEN, &open, sizeof(open), &unused,
	                        sizeof(unused), NULL, tsr_deadline_in_ms(10)),
	        -ETIMEDOUT);
	cr_assert_eq(recv(pair[1], &open, sizeof(open), 0), (ssize_t)sizeof(open));
	/* Now comes the answer, and then the one to the next request. */
	test_ok(answer(pair[1], &open.channel.head, &opened, sizeof(opened)));
	asked = (struct tsr_proto_head){.type = TSR_PROTO_DETACH, .cookie = control.cookie + 1};
	test_ok(answer(pair[1], &asked, &plain, sizeof(plain)));
	test_ok(tsr_control_ask(&control, TSR_PROTO_DETACH, &remove, sizeof(remove), &plain,
	                        sizeof(plain), NULL, tsr_deadline_in_ms(1000)));
	cr_assert_eq(recv(pair[1], &remove, sizeof(remove), MSG_DONTWAIT), (ssize_t)sizeof(remove));
	test_same(remove.head.type, TSR_PROTO_DETACH);
	cr_assert_eq(recv(pair[1], &close_request, sizeof(close_request), MSG_DONTWAIT),
	             (ssize_t)sizeof(close_request), "the end stays open at the daemon");
	test_same(close_request.head.type, TSR_PROTO_END_CLOSE);
	test_same(close_request.end, 77);
	tsr_control_close(&control);
	close(pair[1]);
}
