/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * hello_send [WORD...]: send each word as a message to the channel "greetings" of the realm "demo".
 * hello_recv prints them.
 */

#include <stdio.h>
#include <string.h>
#include <tessera.h>

static int
failed(const char *what, int error)
{
	fprintf(stderr, "hello_send: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static int
send_word(struct tsr_client client, struct tsr_sender sender, const char *word)
{
	uint32_t const bytes = (uint32_t)strlen(word) + 1;
	struct tsr_msg msg;
	int error;

	/* A block of shared memory, ours until it is sent. */
	error = tsr_alloc(client, bytes, &msg);
	if (error != 0)
		return failed("alloc", error);
	memcpy(msg.data, word, bytes);
	/* Waits up to a second if the channel is full. */
	error = tsr_send(sender, &msg, tsr_deadline_in_ms(1000));
	if (error != 0)
		return failed("send", error);
	/* The block is the channel's now: msg.data must not be touched any more. */
	return 0;
}

int
main(int argc, char **argv)
{
	static const char *const greeting[] = {"hello", "from", "another", "process"};
	struct tsr_client client;
	struct tsr_sender sender;
	int error, status = 0;

	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	error = tsr_sender_open(client, "greetings", NULL, &sender);
	if (error != 0)
		return failed("open", error);

	if (argc < 2) {
		for (size_t i = 0; i < 4 && status == 0; i++)
			status = send_word(client, sender, greeting[i]);
	}
	for (int i = 1; i < argc && status == 0; i++)
		status = send_word(client, sender, argv[i]);

	/* Receivers take what is left, then learn that nobody sends any more. */
	error = tsr_sender_close(sender);
	if (error != 0)
		return failed("close", error);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : status;
}
