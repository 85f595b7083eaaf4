/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * select_merge: receive from several channels, whichever has something, and say when none has.
 *
 *	select_merge CHANNEL [CHANNEL...]		until every sender of all of them has closed
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <tessera.h>

#define QUIET_MS 1000

static struct tsr_client client;
static struct tsr_case cases[TSR_SELECT_MAX];
static const char *names[TSR_SELECT_MAX];
static struct tsr_msg msg;

static int
failed(const char *what, int error)
{
	fprintf(stderr, "select_merge: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

/* The channel has ended: the last case takes its place. */
static void
leave(struct tsr_select *select)
{
	printf("%s has ended\n", names[select->fired]);
	select->count--;
	cases[select->fired] = cases[select->count];
	names[select->fired] = names[select->count];
}

static int
merge(struct tsr_select *select)
{
	int error;

	while (select->count > 0) {
		fflush(stdout);
		error = tsr_select(select, tsr_deadline_in_ms(QUIET_MS));
		if (error == -ETIMEDOUT) {
			printf("nothing for a second\n");
			continue;
		}
		if (error == -EPIPE) {
			leave(select);
			continue;
		}
		if (error != 0)
			return error;
		printf("%s: %.*s\n", names[select->fired], (int)msg.length, (const char *)msg.data);
		error = tsr_release(client, &msg);
		if (error != 0)
			return error;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct tsr_select select = {.size = sizeof(select), .cases = cases};
	int error;

	if (argc < 2 || argc > 1 + (int)TSR_SELECT_MAX) {
		fprintf(stderr, "usage: select_merge CHANNEL [CHANNEL...]\n");
		return 2;
	}
	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	for (int i = 1; i < argc; i++) {
		struct tsr_case *const one = &cases[select.count];

		error = tsr_receiver_open(client, argv[i], NULL, &one->receiver);
		if (error != 0)
			return failed(argv[i], error);
		one->msg = &msg;
		names[select.count++] = argv[i];
	}
	error = merge(&select);
	if (error != 0)
		return failed("select", error);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : 0;
}
