/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * scope: a worker receives from a channel until it is interrupted; what it has not received by then
 * is told, and nothing is lost.
 *
 *	scope CHANNEL MILLISECONDS		how long the worker takes for each message
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <tessera.h>
#include <time.h>

static struct tsr_client client;
static struct tsr_receiver receiver;
static long work_ms;

static int
failed(const char *what, int error)
{
	fprintf(stderr, "scope: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static void *
work(void *argument)
{
	struct timespec const takes = {.tv_sec = work_ms / 1000,
	                               .tv_nsec = work_ms % 1000 * 1000000};
	struct tsr_msg msg;
	int *const error = argument;

	while ((*error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		printf("worked on %.*s\n", (int)msg.length, (const char *)msg.data);
		fflush(stdout);
		(void)tsr_release(client, &msg);
		(void)nanosleep(&takes, NULL);
	}
	return NULL;
}

/* The thread that cancels is given what the worker was not. */
static void
left(void *argument, struct tsr_msg *msg)
{
	unsigned *const count = argument;

	printf("left: %.*s\n", (int)msg->length, (const char *)msg->data);
	(*count)++;
	(void)tsr_release(client, msg);
}

int
main(int argc, char **argv)
{
	unsigned count = 0;
	struct tsr_scope_options const options = {
		.size = sizeof(options), .undelivered = left, .argument = &count};
	struct tsr_scope scope = {0};
	pthread_t worker;
	sigset_t interrupts;
	int error, number, end;

	if (argc != 3) {
		fprintf(stderr, "usage: scope CHANNEL MILLISECONDS\n");
		return 2;
	}
	work_ms = strtol(argv[2], NULL, 10);
	sigemptyset(&interrupts);
	sigaddset(&interrupts, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &interrupts, NULL);
	error = tsr_attach(NULL, &client);
	if (error == 0)
		error = tsr_receiver_open(client, argv[1], NULL, &receiver);
	if (error == 0)
		error = tsr_scope_open(client, &options, &scope);
	if (error == 0)
		error = tsr_scope_add_receiver(scope, receiver);
	if (error != 0)
		return failed("start", error);
	if (pthread_create(&worker, NULL, work, &end) != 0)
		return failed("thread", -EAGAIN);
	(void)sigwait(&interrupts, &number);
	error = tsr_scope_cancel(scope);
	(void)pthread_join(worker, NULL);
	printf("the worker's call gave: %s\n%u left\n", tsr_strerror(end), count);
	if (error == 0)
		error = tsr_detach(client);
	return error != 0 ? failed("end", error) : 0;
}
