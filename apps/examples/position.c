/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * position: only the newest counts. A conflated channel.
 *
 *	position follow		where it is now, ten times a second, until the sender has closed
 *	position move N		go N steps, as fast as can be
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera.h>
#include <time.h>

static const struct tsr_channel_options position = {.size = sizeof(position),
                                                    .kind = TSR_KIND_CONFLATED};

static int
failed(const char *what, int error)
{
	fprintf(stderr, "position: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static int
follow(struct tsr_client client)
{
	struct tsr_end_options const options = {.size = sizeof(options), .create = &position};
	struct timespec const tenth = {.tv_nsec = 100000000};
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error;

	error = tsr_receiver_open(client, "position", &options, &receiver);
	/* Each is newer than the one before; those in between have been dropped. */
	while (error == 0 && (error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		printf("%" PRIu64 "\n", *(const uint64_t *)msg.data);
		fflush(stdout);
		error = tsr_release(client, &msg);
		nanosleep(&tenth, NULL);
	}
	return error != -EPIPE ? failed("follow", error) : 0;
}

static int
move(struct tsr_client client, uint64_t steps)
{
	struct tsr_end_options const options = {.size = sizeof(options), .create = &position};
	struct tsr_sender sender;
	struct tsr_msg msg;
	int error;

	error = tsr_sender_open(client, "position", &options, &sender);
	for (uint64_t i = 1; error == 0 && i <= steps; i++) {
		error = tsr_alloc(client, sizeof(i), &msg);
		if (error != 0)
			break;
		*(uint64_t *)msg.data = i;
		/* Never full: the message before is dropped, and its block comes free. */
		error = tsr_send(sender, &msg, TSR_NOWAIT);
	}
	if (error == 0)
		error = tsr_sender_close(sender);
	return error != 0 ? failed("move", error) : 0;
}

int
main(int argc, char **argv)
{
	struct tsr_client client;
	int error, status;

	if (argc < 2 || argc > 3 || (argc == 3) != (strcmp(argv[1], "move") == 0)) {
		fprintf(stderr, "usage: position follow | move N\n");
		return 2;
	}
	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	status = argc == 3 ? move(client, strtoull(argv[2], NULL, 10)) : follow(client);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : status;
}
