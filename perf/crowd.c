/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/crowd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/ours.h"

#define CROWD_SLOTS 2   /* of an idle channel */
#define CROWD_ROOM  100 /* channels and clients beside the crowd */

/* Attach and do nothing, until the parent ends. Says so with one byte, 0 or what went wrong. */
static void
crowd_process(const char *realm, uint32_t clients, int said, pid_t parent)
{
	struct tsr_attach_options options = {.size = sizeof(options), .realm = realm};
	struct tsr_client client;
	unsigned char failed = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint32_t i = 0; i < clients && failed == 0; i++)
		failed = (unsigned char)-tsr_attach(&options, &client);
	(void)!write(said, &failed, sizeof(failed));
	(void)close(said);
	while (getppid() == parent)
		(void)pause();
	_exit(0);
}

static int
crowd_channels(struct tsr_perf_side *side, struct tsr_client client)
{
	struct tsr_channel_options const channel = {.size = sizeof(channel),
	                                            .capacity = CROWD_SLOTS};

	for (uint32_t i = 0; i < side->bench->idle_channels; i++) {
		char name[TSR_NAME_BYTES];
		int error;

		(void)snprintf(name, sizeof(name), "idle/%u", i);
		error = tsr_channel_create(client, name, &channel);
		if (error != 0)
			return tsr_perf_failed_call(side, "tsr_channel_create", error);
	}
	return 0;
}

static int
crowd_clients(struct tsr_perf_side *side, struct tsr_perf_crowd *crowd)
{
	const char *const realm = side->bench->realm != NULL ? side->bench->realm : TSR_PERF_REALM;
	pid_t const parent = getpid();
	uint32_t left = side->bench->idle_clients;
	unsigned char failed = 0;
	int said[2];

	crowd->process = calloc(left / TSR_PERF_CROWD_EACH + 1, sizeof(*crowd->process));
	if (crowd->process == NULL)
		return -ENOMEM;
	if (pipe(said) != 0)
		return -errno;
	while (left > 0 && failed == 0) {
		uint32_t const clients = left < TSR_PERF_CROWD_EACH ? left : TSR_PERF_CROWD_EACH;
		pid_t const pid = fork();

		if (pid == 0)
			crowd_process(realm, clients, said[1], parent);
		if (pid < 0 || read(said[0], &failed, 1) != 1)
			failed = EAGAIN;
		if (pid > 0)
			crowd->process[crowd->count++] = pid;
		left -= clients;
	}
	(void)close(said[0]);
	(void)close(said[1]);
	return failed == 0 ? 0 : tsr_perf_failed_call(side, "tsr_attach of a child", -failed);
}

int
tsr_perf_crowd_gather(struct tsr_perf_side *side, struct tsr_client client,
                      struct tsr_perf_crowd *crowd)
{
	int const error = crowd_channels(side, client);

	return error != 0 ? error : crowd_clients(side, crowd);
}

void
tsr_perf_crowd_leave(struct tsr_perf_crowd *crowd)
{
	for (size_t i = 0; i < crowd->count; i++) {
		(void)kill(crowd->process[i], SIGKILL);
		(void)waitpid(crowd->process[i], NULL, 0);
	}
	free(crowd->process);
	*crowd = (struct tsr_perf_crowd){0};
}

void
tsr_perf_crowd_realm(struct tsr_perf_plan *plan, const char *name, uint32_t channels,
                     uint32_t clients)
{
	tsr_perf_setting(plan, "realms.%s.channels=%u", name, channels + CROWD_ROOM);
	tsr_perf_setting(plan, "realms.%s.clients=%u", name, clients + CROWD_ROOM);
}
