/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * hello_recv: print the messages of the channel "greetings" until its senders have closed.
 */

#include <errno.h>
#include <stdio.h>
#include <tessera.h>

static int
failed(const char *what, int error)
{
	fprintf(stderr, "hello_recv: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

int
main(void)
{
	struct tsr_client client;
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error;

	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	error = tsr_receiver_open(client, "greetings", NULL, &receiver);
	if (error != 0)
		return failed("open", error);

	/* Waits for a sender, and for its messages. */
	while ((error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		/* Read where the sender wrote it: nothing was copied. */
		printf("%.*s\n", (int)msg.length, (const char *)msg.data);
		error = tsr_release(client, &msg);
		if (error != 0)
			return failed("release", error);
	}
	if (error != -EPIPE)
		return failed("recv", error);

	error = tsr_receiver_close(receiver);
	if (error != 0)
		return failed("close", error);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : 0;
}
