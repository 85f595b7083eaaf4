/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * news: one tells, all who listen hear. A broadcast channel.
 *
 *	news read		every message from now on, until the last sender has closed
 *	news glance		the same, but hold nobody up: what is too fast is missed
 *	news tell WORD...
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <tessera.h>

static const struct tsr_channel_options news = {
	.size = sizeof(news), .kind = TSR_KIND_BROADCAST, .capacity = 64};

static int
failed(const char *what, int error)
{
	fprintf(stderr, "news: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static int
read_all(struct tsr_client client, uint32_t flags)
{
	struct tsr_end_options const options = {
		.size = sizeof(options), .flags = flags, .create = &news};
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	uint64_t missed;
	int error;

	error = tsr_receiver_open(client, "news", &options, &receiver);
	if (error != 0)
		return failed("open", error);
	/* A view: all readers see the same bytes, which nobody may change. */
	while ((error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		printf("%.*s\n", (int)msg.length, (const char *)msg.data);
		/* Until then the sender can't use the slot again: it waits for the slowest. */
		error = tsr_release(client, &msg);
		if (error != 0)
			return failed("release", error);
	}
	if (error != -EPIPE)
		return failed("receive", error);
	error = tsr_receiver_missed(receiver, &missed);
	if (error == 0)
		printf("%llu missed\n", (unsigned long long)missed);
	return error != 0 ? failed("count", error) : 0;
}

static int
tell_all(struct tsr_client client, char **words, int count)
{
	struct tsr_end_options const options = {.size = sizeof(options), .create = &news};
	struct tsr_sender sender;
	struct tsr_msg msg;
	int error;

	error = tsr_sender_open(client, "news", &options, &sender);
	for (int i = 0; error == 0 && i < count; i++) {
		uint32_t const bytes = (uint32_t)strlen(words[i]) + 1;

		error = tsr_alloc(client, bytes, &msg);
		if (error != 0)
			break;
		memcpy(msg.data, words[i], bytes);
		error = tsr_send(sender, &msg, tsr_deadline_in_ms(1000));
	}
	if (error == 0)
		error = tsr_sender_close(sender);
	return error != 0 ? failed("tell", error) : 0;
}

int
main(int argc, char **argv)
{
	struct tsr_client client;
	int error, status;

	if (argc < 2 || (strcmp(argv[1], "tell") != 0 && argc != 2)) {
		fprintf(stderr, "usage: news read | glance | tell WORD...\n");
		return 2;
	}
	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	if (strcmp(argv[1], "tell") == 0)
		status = tell_all(client, argv + 2, argc - 2);
	else
		status = read_all(client, strcmp(argv[1], "glance") == 0 ? TSR_END_LOSSY : 0);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : status;
}
