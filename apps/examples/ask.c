/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * ask: a server that multiplies, and who asks it.
 *
 *	ask serve
 *	ask NUMBER NUMBER
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera.h>

#define SERVICE     "multiply"
#define PATIENCE_MS 20000

struct question {
	double a, b;
};

static struct tsr_client client;

static int
failed(const char *what, int error)
{
	fprintf(stderr, "ask: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

/* The answer is written where the question was. */
static int
serve(void)
{
	struct tsr_receiver requests;
	struct tsr_msg msg;
	struct tsr_sender open; /* so that the channel does not end while nobody asks */
	int error = tsr_receiver_open(client, SERVICE, NULL, &requests);

	if (error == 0)
		error = tsr_sender_open(client, SERVICE, NULL, &open);
	while (error == 0) {
		struct question *question;

		error = tsr_recv(requests, &msg, TSR_FOREVER);
		if (error != 0)
			break;
		question = msg.data;
		question->a *= question->b;
		if (tsr_reply(client, &msg, &msg, tsr_deadline_in_ms(PATIENCE_MS)) != 0)
			error = tsr_release(client, &msg); /* who asked is gone */
	}
	return failed("serve", error);
}

static int
ask(double a, double b)
{
	struct tsr_asker asker;
	struct tsr_msg msg;
	int error = tsr_asker_open(client, SERVICE, &asker);

	if (error == 0)
		error = tsr_alloc(client, sizeof(struct question), &msg);
	if (error != 0)
		return failed("start", error);
	*(struct question *)msg.data = (struct question){a, b};
	error = tsr_ask(asker, &msg, tsr_deadline_in_ms(PATIENCE_MS));
	if (error != 0)
		return failed("ask", error);
	printf("%g * %g = %g\n", a, b, ((struct question *)msg.data)->a);
	error = tsr_release(client, &msg);
	if (error == 0)
		error = tsr_detach(client);
	return error != 0 ? failed("end", error) : 0;
}

int
main(int argc, char **argv)
{
	int error;

	if (argc != 3 && (argc != 2 || strcmp(argv[1], "serve") != 0)) {
		fprintf(stderr, "usage: ask serve | ask NUMBER NUMBER\n");
		return 2;
	}
	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	return argc == 2 ? serve() : ask(strtod(argv[1], NULL), strtod(argv[2], NULL));
}
