/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * observe: look at the messages of a channel, without taking part in it.
 *
 *	observe CHANNEL			until the channel is removed
 *
 * It needs the right to observe the realm "demo" only, could not write anything if it wanted to,
 * and nobody waits for it. It sees what lies in the channel when it looks.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <tessera.h>

static int
failed(const char *what, int error)
{
	fprintf(stderr, "observe: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static void
show(const char *text, const struct tsr_copy *copy)
{
	if (copy->missed > 0)
		printf("(%llu missed)\n", (unsigned long long)copy->missed);
	printf("%llu: %.*s\n", (unsigned long long)copy->sequence, (int)copy->copied, text);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct tsr_attach_options const look = {.size = sizeof(look), .flags = TSR_ATTACH_OBSERVER};
	struct tsr_tap_options const oldest = {.size = sizeof(oldest), .from = TSR_TAP_OLDEST};
	struct pollfd wait = {.events = POLLIN};
	struct tsr_client client;
	struct tsr_copy copy;
	struct tsr_tap tap;
	char text[256];
	int error, ready;

	if (argc != 2) {
		fprintf(stderr, "usage: observe CHANNEL\n");
		return 2;
	}
	error = tsr_attach(&look, &client);
	if (error != 0)
		return failed("attach", error);
	error = tsr_tap_open(client, argv[1], &oldest, &tap);
	if (error == 0)
		error = tsr_tap_event(tap, &wait.fd);
	if (error != 0)
		return failed("open", error);

	for (;;) {
		/* The copy is ours; the message stays where it is. -ESTALE: try the next. */
		while ((error = tsr_read_copy(tap, text, sizeof(text), &copy)) == 0 ||
		       error == -ESTALE) {
			if (error == 0)
				show(text, &copy);
		}
		if (error != -EAGAIN)
			break;
		error = tsr_tap_arm(tap, &ready);
		if (error != 0)
			break;
		if (ready == 0)
			(void)poll(&wait, 1, -1);
	}
	if (error != -ENOENT)
		return failed("look", error);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : 0;
}
