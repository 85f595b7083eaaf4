/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* What a user writes: compiled against the installed tree only, as C and as C++. */

#include <stdio.h>
#include <string.h>
#include <tessera.h>

static int
user_fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

int
main(void)
{
	struct tsr_client client;
	struct tsr_sender sender;
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error;

	error = tsr_attach(NULL, &client);
	if (error != 0)
		return user_fail("attach", error);
	error = tsr_sender_open(client, "install/test", NULL, &sender);
	if (error != 0)
		return user_fail("open sender", error);
	error = tsr_receiver_open(client, "install/test", NULL, &receiver);
	if (error != 0)
		return user_fail("open receiver", error);
	error = tsr_alloc(client, 6, &msg);
	if (error != 0)
		return user_fail("alloc", error);
	memcpy(msg.data, "hello", 6);
	error = tsr_send(sender, &msg, TSR_NOWAIT);
	if (error != 0)
		return user_fail("send", error);
	error = tsr_recv(receiver, &msg, TSR_NOWAIT);
	if (error != 0)
		return user_fail("recv", error);
	printf("libtessera %s: %s\n", tsr_version(), (const char *)msg.data);
	error = tsr_release(client, &msg);
	if (error != 0)
		return user_fail("release", error);
	error = tsr_detach(client);
	return error == 0 ? 0 : user_fail("detach", error);
}
