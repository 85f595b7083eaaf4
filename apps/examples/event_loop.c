/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * event_loop: receive from two channels, and count the seconds, in one epoll loop.
 *
 *	event_loop CHANNEL [CHANNEL]		until every sender of one of them has closed
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <tessera.h>
#include <unistd.h>

#define CHANNELS_MAX 2
#define TIMER        CHANNELS_MAX

static struct tsr_client client;
static struct tsr_receiver receivers[CHANNELS_MAX];

static int
failed(const char *what, int error)
{
	fprintf(stderr, "event_loop: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static int
watch(int epoll, int fd, uint32_t number)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = number}};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/*
 * Take what is there, and ask to be told of more. Only when arming says that nothing is there may
 * the loop wait: in any other order a message could come in between and nobody would hear of it.
 */
static int
serve(uint32_t number, const char *name)
{
	struct tsr_msg msg;
	int error, ready;

	do {
		while ((error = tsr_recv(receivers[number], &msg, TSR_NOWAIT)) == 0) {
			printf("%s: %.*s\n", name, (int)msg.length, (const char *)msg.data);
			error = tsr_release(client, &msg);
			if (error != 0)
				return error;
		}
		if (error != -EAGAIN)
			return error;
		error = tsr_receiver_arm(receivers[number], &ready);
	} while (error == 0 && ready != 0);
	return error;
}

/* Open a channel, watch it, and take what is there already. */
static int
enter(int epoll, uint32_t number, const char *name)
{
	int error, fd;

	error = tsr_receiver_open(client, name, NULL, &receivers[number]);
	if (error != 0)
		return error;
	error = tsr_receiver_event(receivers[number], &fd);
	if (error != 0)
		return error;
	error = watch(epoll, fd, number);
	return error != 0 ? error : serve(number, name);
}

static int
loop(int epoll, int timer, char **names)
{
	struct epoll_event event;
	uint64_t seconds;
	int error;

	for (;;) {
		fflush(stdout);
		if (epoll_wait(epoll, &event, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (event.data.u32 == TIMER) {
			if (read(timer, &seconds, sizeof(seconds)) == (ssize_t)sizeof(seconds))
				printf("tick\n");
			continue;
		}
		error = serve(event.data.u32, names[event.data.u32]);
		if (error != 0)
			return error;
	}
}

int
main(int argc, char **argv)
{
	struct itimerspec const second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};
	int timer, epoll, error;

	if (argc < 2 || argc > 1 + CHANNELS_MAX) {
		fprintf(stderr, "usage: event_loop CHANNEL [CHANNEL]\n");
		return 2;
	}
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || timer < 0 || timerfd_settime(timer, 0, &second, NULL) != 0)
		return failed("epoll", -errno);
	error = watch(epoll, timer, TIMER);
	if (error == 0)
		error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	for (uint32_t i = 0; error == 0 && i < (uint32_t)argc - 1; i++)
		error = enter(epoll, i, argv[1 + i]);
	if (error == 0)
		error = loop(epoll, timer, argv + 1);
	if (error != -EPIPE)
		return failed("receive", error);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : 0;
}
