/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * ticker: one writes quotes, any number read all of them: a broadcast.
 *
 *	ticker read			every quote; the writer waits for this reader
 *	ticker glance			copies; holds nobody up, and says what it missed
 *	ticker write COUNT
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera.h>

struct quote {
	uint64_t number;
	double price;
};

static struct tsr_channel_options const channel = {
	.size = sizeof(channel),
	.kind = TSR_KIND_BROADCAST,
	.capacity = 64,
	.flags = TSR_CHANNEL_ONE_SENDER,
};

static int
failed(const char *what, int error)
{
	fprintf(stderr, "ticker: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static int
read_quotes(struct tsr_client client, uint32_t flags)
{
	struct tsr_end_options const options = {.size = sizeof(options),
	                                        .flags = flags,
	                                        .create = &channel,
	                                        .from = TSR_FROM_OLDEST};
	struct tsr_receiver receiver;
	struct tsr_msg msg, highest = {0};
	double price, most = 0;
	uint64_t count = 0, missed;
	int error = tsr_receiver_open(client, "ticker", &options, &receiver);

	if (error != 0)
		return failed("open", error);
	printf("here\n");
	fflush(stdout);
	while ((error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		count++;
		price = ((const struct quote *)msg.data)->price;
		if (price <= most) {
			error = tsr_release(client, &msg);
		} else {
			/* Kept in place, though the writer goes on and uses its slot again. */
			if (most > 0)
				error = tsr_release(client, &highest);
			highest = msg;
			most = price;
			if (error == 0)
				error = tsr_retain(client, &highest);
		}
		if (error != 0)
			return failed("release", error);
	}
	if (error != -EPIPE)
		return failed("recv", error);
	error = tsr_receiver_missed(receiver, &missed);
	if (error != 0)
		return failed("missed", error);
	printf("%" PRIu64 " quotes, missed %" PRIu64, count, missed);
	if (highest.data != NULL) {
		printf("; number %" PRIu64 " was the highest",
		       ((const struct quote *)highest.data)->number);
		error = tsr_release(client, &highest);
	}
	printf("\n");
	if (error == 0)
		error = tsr_receiver_close(receiver);
	return error != 0 ? failed("close", error) : 0;
}

static int
write_quotes(struct tsr_client client, uint64_t count)
{
	struct tsr_end_options const options = {.size = sizeof(options), .create = &channel};
	struct tsr_sender sender;
	int error = tsr_sender_open(client, "ticker", &options, &sender);

	if (error != 0)
		return failed("open", error);
	for (uint64_t i = 0; i < count; i++) {
		struct tsr_msg msg;
		struct quote *quote;

		error = tsr_alloc(client, sizeof(*quote), &msg);
		if (error != 0)
			return failed("alloc", error);
		quote = msg.data;
		quote->number = i;
		quote->price = 100.0 + (double)(i * 7919 % 1000);
		/* Waits for the slowest of those who read; not for who only glances. */
		error = tsr_send(sender, &msg, TSR_FOREVER);
		if (error != 0)
			return failed("send", error);
	}
	error = tsr_sender_close(sender);
	return error != 0 ? failed("close", error) : 0;
}

int
main(int argc, char **argv)
{
	const char *const what = argc > 1 ? argv[1] : "";
	struct tsr_client client;
	int status, error;

	if (strcmp(what, "read") != 0 && strcmp(what, "glance") != 0 &&
	    (strcmp(what, "write") != 0 || argc < 3)) {
		fprintf(stderr, "usage: ticker read | glance | write COUNT\n");
		return 2;
	}
	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	if (strcmp(what, "write") == 0)
		status = write_quotes(client, strtoull(argv[2], NULL, 10));
	else
		status = read_quotes(client, strcmp(what, "glance") == 0 ? TSR_END_LOSSY : 0);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : status;
}
