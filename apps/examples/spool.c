/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * spool: a sender never waits for its receivers. An unlimited channel.
 *
 *	spool write N		send N numbers, whether anybody receives or not
 *	spool read		take all that there are, and add them up
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera.h>

static const struct tsr_channel_options spool = {.size = sizeof(spool), .kind = TSR_KIND_UNLIMITED};

static int
failed(const char *what, int error)
{
	fprintf(stderr, "spool: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static int
write_all(struct tsr_client client, uint64_t count)
{
	struct tsr_end_options const options = {.size = sizeof(options), .create = &spool};
	struct tsr_sender sender;
	struct tsr_msg msg;
	int error;

	error = tsr_sender_open(client, "spool", &options, &sender);
	for (uint64_t i = 1; error == 0 && i <= count; i++) {
		/* What ends is the realm's memory: then -ENOMEM comes from here, or -ENOBUFS from
		 * the send. */
		error = tsr_alloc(client, sizeof(i), &msg);
		if (error != 0)
			break;
		*(uint64_t *)msg.data = i;
		error = tsr_send(sender, &msg, TSR_NOWAIT);
	}
	if (error == 0)
		error = tsr_sender_close(sender);
	if (error != 0)
		return failed("write", error);
	printf("wrote %" PRIu64 "\n", count);
	return 0;
}

static int
read_all(struct tsr_client client)
{
	struct tsr_end_options const options = {.size = sizeof(options), .create = &spool};
	uint64_t count = 0, sum = 0;
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error;

	error = tsr_receiver_open(client, "spool", &options, &receiver);
	while (error == 0 && (error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		count++;
		sum += *(const uint64_t *)msg.data;
		error = tsr_release(client, &msg);
	}
	if (error != -EPIPE)
		return failed("read", error);
	printf("read %" PRIu64 ", %" PRIu64 " in all\n", count, sum);
	return 0;
}

int
main(int argc, char **argv)
{
	struct tsr_client client;
	int error, status;

	if (argc < 2 || argc > 3 || (argc == 3) != (strcmp(argv[1], "write") == 0)) {
		fprintf(stderr, "usage: spool write N | read\n");
		return 2;
	}
	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	status = argc == 3 ? write_all(client, strtoull(argv[2], NULL, 10)) : read_all(client);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : status;
}
